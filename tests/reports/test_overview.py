"""The template ``overview``: run for real, unattended, and over organisations of any size."""

from __future__ import annotations

import ast
import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import altair as alt
import pytest

from augment_insights import reports
from augment_insights.periods import last_published_day
from augment_insights.reports import template
from augment_insights.sample import AnalyticsApp, RecordStore, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path

    from conftest import Browse

OVERVIEW = template.find("overview")
CELLS = json.loads(OVERVIEW.path.read_text("utf-8"))["cells"]

# The made-up organisation's history moves with the clock, and so do the days of these tests.
LAST_DAY = last_published_day(datetime.now(UTC))
LAST_SUNDAY = LAST_DAY - timedelta(days=(LAST_DAY.weekday() + 1) % 7)
FIRST_MONDAY = LAST_SUNDAY - timedelta(days=12 * 7 - 1)
WEDNESDAY, SATURDAY = FIRST_MONDAY + timedelta(days=2), LAST_SUNDAY - timedelta(days=1)
NAME = f"overview-{WEDNESDAY}--{SATURDAY}"


@pytest.fixture(scope="module")
def overview(tmp_path_factory: pytest.TempPathFactory) -> Iterator[reports.Report]:
    """Run the template once, from start to end, in a kernel of its own."""
    folder = tmp_path_factory.mktemp("overview")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUGMENT_INSIGHTS_CACHE", str(folder / "cache"))
        patch.setenv("AUGMENT_INSIGHTS_PROGRESS", "off")
        yield reports.write("overview", start_date=WEDNESDAY, end_date=SATURDAY, output_dir=folder / "out")


def run_in_process(output_dir: Path, **parameters: Any) -> dict[str, Any]:
    """Run the template's cells one after the other, as a kernel would, and return their names."""
    names: dict[str, Any] = {}
    with alt.theme.enable(alt.theme.active), alt.renderers.enable(alt.renderers.active):  # put back what setup() set
        for cell in CELLS:
            if cell["cell_type"] == "code":
                exec("".join(cell["source"]), names)  # noqa: S102 (the package's own notebook)
                if "parameters" in cell["metadata"].get("tags", []):
                    names.update(parameters, output_dir=str(output_dir))
    return names


def headlines(html: str) -> dict[str, tuple[str, ...]]:
    """Return the headline figures of a page: label, and then figure and detail."""
    block = html[html.index('<dl class="headlines">') : html.index("</dl>")]
    figures = [re.findall(r"<bdi>(.*?)</bdi>", part) for part in block.split("<div>")[1:]]
    return {label: tuple(told) for label, *told in figures}


def point_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGMENT_API_URL", url)
    monkeypatch.setenv("AUGMENT_API_TOKEN", "made-up")


def test_the_template_is_clean_and_can_be_parametrised() -> None:
    """No outputs, stable cell ids, the usual kernel, annotated parameters with a comment each."""
    notebook = json.loads(OVERVIEW.path.read_text("utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert all(re.fullmatch(r"[a-z-]+", cell["id"]) for cell in notebook["cells"])
    assert OVERVIEW.parameters == (
        *("start_date", "end_date", "source", "archive", "every", "user_type", "team", "roster"),
        *("min_group_size", "names", "output_dir", "formats"),
    )
    source = "".join(code[0]["source"])
    _, *statements = ast.parse(source).body  # after the import of Literal
    assert all(isinstance(statement, ast.AnnAssign) for statement in statements)
    assert all("  # " in line for line in source.splitlines() if line)


def test_every_figure_comes_with_how_to_read_it() -> None:
    """A text cell stands before each chart."""
    kinds = [(cell["id"], cell["cell_type"]) for cell in CELLS]
    for name in ("active-users", "acceptance-rate", "cohort-retention"):
        assert kinds[kinds.index((name, "code")) - 1][1] == "markdown"


def test_an_unattended_run_leaves_a_page_and_a_notebook(overview: reports.Report) -> None:
    """Under one name, with the days asked for; three charts, no error, at most two megabytes."""
    assert [path.name for path in overview.paths] == [
        f"{NAME}.html",
        f"{NAME}.ipynb",
    ]
    html = overview.paths[0].read_text("utf-8")
    assert len(html.encode()) <= 2_000_000
    assert html.count('type="application/json"') == 3
    told = headlines(html)
    assert len(told) == 3
    assert ("no data",) not in told.values()
    assert "sample data: a made-up organisation" in html
    assert f"{FIRST_MONDAY} to {SATURDAY}" in html  # from the Monday of the first week
    for told in ("Range asked", "Generated at", "Requests sent", "Versions", "Parameters", "What the figures mean"):
        assert told in html


def test_the_notebook_shows_every_chart_without_scripts_too(overview: reports.Report) -> None:
    """Each chart is there as Vega, as an image and in words; nothing went wrong, nothing was printed."""
    notebook = json.loads(overview.notebook.read_text("utf-8"))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    shown = [set(output["data"]) for output in outputs if output["output_type"] == "execute_result"]
    assert shown.count({"application/vnd.vega.v5+json", "image/png", "text/plain"}) == 3
    assert {output["output_type"] for output in outputs} == {"execute_result"}


def test_no_name_and_no_hidden_place_stands_in_a_report(overview: reports.Report) -> None:
    """Reports are passed on: they hold figures, and neither people nor this machine's folders."""
    for path in overview.paths:
        text = path.read_text("utf-8")
        assert "@example.com" not in text
        assert ".overview-" not in text


def test_a_browser_draws_the_report(overview: reports.Report, browse: Browse) -> None:
    """Three charts, and an empty console."""
    seen = browse(overview.paths[0])
    assert len(re.findall(r'<svg[^>]*class="marks"', seen.stdout)) == 3
    assert [line for line in seen.stderr.splitlines() if "CONSOLE" in line] == []


def six_people(last_sunday: date) -> list[dict[str, Any]]:
    """Six people, active every week of the last four: 10 suggestions each, 3 of them accepted; and a bot."""
    records = []
    for week in range(4):
        day = (last_sunday - timedelta(weeks=week)).isoformat()
        metrics = {"completions_count": 10, "completions_accepted": 3, "completions_lines_of_code": 9}
        shared = {"date": day, "language": "Python", "editor": "VSCode", "metrics": metrics}
        records += [{"user_email": f"user{n}@x.io", **shared} for n in range(6)]
        records.append({"service_account_name": "bot", **shared})
    return records


def test_six_people_and_four_weeks_are_a_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """6 people; 72 of 240 completions; nobody has reached week 4: that is no data, and not zero."""
    app = AnalyticsApp(RecordStore(six_people(LAST_SUNDAY)), now=lambda: datetime.now(UTC))
    with serve(app) as url:
        point_to(url, monkeypatch)
        start = LAST_SUNDAY - timedelta(days=27)
        run_in_process(tmp_path, start_date=start.isoformat(), end_date=LAST_SUNDAY.isoformat(), source="api")
    (path,) = tmp_path.glob("*.html")
    told = headlines(path.read_text("utf-8"))
    assert told["Active people, last complete week"][0] == "6"
    assert told["Acceptance, last 4 complete weeks"][0] == "30.0%"
    assert told["Acceptance, last 4 complete weeks"][1].endswith("72 of 240 completions")
    assert told["Retention in week 4"] == ("no data",)
    assert "sample data" not in path.read_text("utf-8")


def test_nobody_at_all_is_a_report_without_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every figure says so; nothing fails, and nothing is a zero per cent."""
    with serve(AnalyticsApp(RecordStore([]), now=lambda: datetime.now(UTC))) as url:
        point_to(url, monkeypatch)
        run_in_process(tmp_path, start_date=FIRST_MONDAY.isoformat(), source="api")
    (path,) = tmp_path.glob("*.html")
    html = path.read_text("utf-8")
    told = headlines(html)
    assert told["Acceptance, last 4 complete weeks"] == told["Retention in week 4"] == ("no data",)
    assert html.count('"words": "No data"') == 3
