"""Notebooks and pages to make reports of, and a browser to look at them with."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import nbformat
import polars as pl
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from augment_insights import charts
from augment_insights.reports import Page

MakeNotebook = Callable[..., Path]
Browse = Callable[[Path], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def make_notebook(tmp_path: Path) -> MakeNotebook:
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
def page(teams: pl.DataFrame) -> Page:
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
def browse(tmp_path: Path) -> Browse:
    """Open a page in a real browser: the document after its scripts ran is on stdout, its console on stderr."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine to open the page with")

    def open_page(path: Path) -> subprocess.CompletedProcess[str]:
        flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            f"--user-data-dir={tmp_path / 'browser'}",
            "--enable-logging=stderr",
            "--virtual-time-budget=10000",
            "--dump-dom",
        ]
        command = [chromium, *flags, path.resolve().as_uri()]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    return open_page
