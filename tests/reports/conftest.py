"""Notebooks and pages to make reports of, and a browser to look at them with."""

import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import nbformat
import polars as pl
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from augment_insights import charts, reports
from augment_insights.periods import last_published_day
from augment_insights.reports import Page

MakeNotebook = Callable[..., Path]
Browse = Callable[[Path], "subprocess.CompletedProcess[str]"]

ALL_FORMATS = ("html", "pdf", "xlsx", "csv", "parquet", "png", "svg", "md", "json")
HOSTILE = [
    "</script><script>alert(1)</script>",
    '=HYPERLINK("http://evil.example","x")',
    "<img src=x onerror=alert(1)>",
    '{=HYPERLINK("http://evil.example","x")}',
    "http://evil.example/",
    "javascript:alert(1)",
    "@SUM(A1)",
    "-1+1",
    "<b>bold</b>",
    "{{ 7 * 7 }}{% raw %}",
    "#set page(width: 1pt)",
    "two\nlines",
    "\u202eright to left\u202c",
    "'\"&<!--",
    "_x0041_",
    "0042",
    "n" * 200,
]

# The made-up organisation's history moves with the clock, and so do the days of these tests.
LAST_DAY = last_published_day(datetime.now(UTC))
LAST_SUNDAY = LAST_DAY - timedelta(days=(LAST_DAY.weekday() + 1) % 7)


@pytest.fixture
def make_notebook(tmp_path) -> MakeNotebook:
    """Write a notebook of the given code cells, the first one tagged ``parameters``."""

    def make(*sources: str, name: str = "mine") -> Path:
        cells = [new_code_cell(source, id=f"cell-{n}") for n, source in enumerate(sources)]
        cells[0].metadata["tags"] = ["parameters"]
        path = tmp_path / f"{name}.ipynb"
        nbformat.write(new_notebook(cells=cells), path)
        return path

    return make


@pytest.fixture
def teams() -> pl.DataFrame:
    """Tell the acceptance of two teams."""
    return pl.DataFrame(
        {
            "team": ["Search", "Payments"],
            "users": [3, 4],
            "suggested_count": [1000, 100],
            "accepted_count": [200, 40],
            "acceptance_rate": [0.2, 0.4],
            "acceptance_rate_low": [0.1, 0.3],
            "acceptance_rate_high": [0.3, 0.5],
        }
    )


@pytest.fixture
def page(teams) -> Page:
    """One headline, one paragraph, one figure, one definition, one line of the manifest."""
    return (
        Page("Overview", population="people", as_of=date(2026, 11, 21), range_asked="2026-11-16 to 2026-11-21")
        .headline("Active people", 1234, "week of 2026-11-16")
        .text("First paragraph.\n\nSecond paragraph.")
        .figure("Who accepts?", charts.acceptance_rate(teams), teams, "Read along the dots.")
        .definitions({"Acceptance rate": "accepted / suggested"})
        .manifest({"Template": "overview"})
    )


@pytest.fixture
def browse(tmp_path) -> Browse:
    """Open a page in a real browser: the document after its scripts ran is on stdout, its console on stderr."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine to open the page with")

    def open_page(path: Path) -> subprocess.CompletedProcess[str]:
        quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
        seen = ["--enable-logging=stderr", "--virtual-time-budget=10000", "--dump-dom"]
        command = [chromium, *quiet, *seen, f"--user-data-dir={tmp_path / 'browser'}", path.resolve().as_uri()]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    return open_page


@pytest.fixture(scope="session")
def hostile_table() -> pl.DataFrame:
    """Give a table of teams with such names, with a date and a rate each."""
    count = len(HOSTILE)
    return pl.DataFrame(
        {
            "team": HOSTILE,
            "since": [date(2026, 3, 1 + n) for n in range(count)],
            "users": [10 + n for n in range(count)],
            "suggested_count": [100] * count,
            "accepted_count": [30] * count,
            "acceptance_rate": [0.3] * count,
            "acceptance_rate_low": [0.2] * count,
            "acceptance_rate_high": [None, *[0.4] * (count - 1)],
        }
    )


@pytest.fixture(scope="session")
def hostile(tmp_path_factory, hostile_table) -> Path:
    """Write a page of hostile words in every format, and return the folder."""
    folder = tmp_path_factory.mktemp("hostile")
    words = " ".join(HOSTILE)
    page = (
        Page("Hostile", population=HOSTILE[0], as_of=date(2026, 3, 1), range_asked="March", name="hostile")
        .summary(HOSTILE)
        .headline(HOSTILE[1], HOSTILE[1], HOSTILE[1])
        .text(words)
        .figure(HOSTILE[1], charts.acceptance_rate(hostile_table), hostile_table, words, name="figure")
        .raw("raw", hostile_table)
        .definitions(dict.fromkeys(HOSTILE, HOSTILE[1]))
        .manifest({"Generated at": "now", HOSTILE[1]: HOSTILE[1]})
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUGMENT_INSIGHTS_CACHE", str(folder / "cache"))
        page.save(folder / "out", ALL_FORMATS)
    return folder / "out"


@pytest.fixture(scope="session")
def six_weeks() -> dict[str, date]:
    """Give the range of the overview that is built once."""
    return {"start_date": LAST_SUNDAY - timedelta(days=6 * 7 - 1), "end_date": LAST_SUNDAY}


@pytest.fixture(scope="session")
def named(tmp_path_factory, six_weeks) -> Page:
    """Build the overview of six weeks in this process, names shown."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUGMENT_INSIGHTS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("AUGMENT_INSIGHTS_PROGRESS", "off")
        return reports.build("overview", **six_weeks)
