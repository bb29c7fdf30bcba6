"""The buttons: files on the disk, whole, named by what they show; and sentences where there can be none."""

from __future__ import annotations

import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from augment_insights import Client, widgets

NAME = "active_users-2026-02-09--2026-03-08-1w"


@pytest.fixture
def explorer(client: Client, roster: pl.DataFrame, tmp_path: Path) -> Any:
    """Open four weeks, with a folder to save to that is not there yet."""
    opened: Any = widgets.explore(
        client, start_date=date(2026, 2, 9), end_date=date(2026, 3, 8), roster=roster, interactive=True
    )
    opened.wait()
    opened.screen.folder.value = str(tmp_path / "saved")
    return opened


def press(explorer: Any, kind: str) -> Path:
    explorer.screen.buttons[kind].click()
    folder = Path(explorer.screen.folder.value)
    (path,) = [path for path in folder.iterdir() if path.name.endswith(("-report.html", f".{kind}"))]
    assert str(path.resolve()) in explorer.screen.saved.value
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
    return path


def test_the_chart_is_saved_as_a_picture(explorer: Any) -> None:
    """PNG and SVG by their first bytes, under a name with question, days and period."""
    png, svg = press(explorer, "png"), press(explorer, "svg")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert svg.read_text().startswith("<svg")
    assert (png.stem, svg.stem) == (NAME, NAME)


def test_the_table_is_saved_as_it_is_shown(explorer: Any) -> None:
    """CSV and Parquet read back as the table of the answer; the workbook has its numbers."""
    table = explorer.answer.table
    assert pl.read_parquet(press(explorer, "parquet")).equals(table)
    assert pl.read_csv(press(explorer, "csv"), try_parse_dates=True).equals(table)
    with zipfile.ZipFile(press(explorer, "xlsx")) as workbook:
        sheet = workbook.read("xl/worksheets/sheet1.xml").decode()
    assert [f"<v>{number}</v>" in sheet for number in (2, 3)] == [True, True]


def test_filters_are_in_the_name(explorer: Any) -> None:
    """Two saved figures with different filters do not overwrite each other; a name is fit for any disk."""
    press(explorer, "csv")
    explorer.controls["team"].value = "Not on the roster"
    explorer.screen.buttons["csv"].click()
    folder = Path(explorer.screen.folder.value)
    assert sorted(path.name for path in folder.iterdir()) == [f"{NAME}-Not_on_the_roster.csv", f"{NAME}.csv"]


def test_the_whole_report_answers_every_question(explorer: Any) -> None:
    """One page with each question of the list, its filters, and nobody's name."""
    explorer.controls["user_type"].value = "all"
    page = press(explorer, "report").read_text()
    for title, _ in explorer.controls["question"].options:
        assert title.replace("'", "&#39;") in page
    assert "people and service accounts" in page
    for name in ("ada@x.io", "bob@x.io", "cleo@x.io"):
        assert name not in page


def test_a_folder_that_cannot_be_is_told(explorer: Any, tmp_path: Path) -> None:
    """A file stands where the folder should be: a sentence, no traceback, and another folder works."""
    (tmp_path / "file").write_text("in the way")
    explorer.screen.folder.value = str(tmp_path / "file" / "folder")
    explorer.screen.buttons["csv"].click()
    assert 'role="alert"' in explorer.screen.saved.value
    assert "choose another folder" in explorer.screen.saved.value
    assert "Traceback" not in explorer.screen.saved.value
    explorer.screen.folder.value = str(tmp_path / "saved")
    assert press(explorer, "csv").is_file()


def test_there_is_nothing_to_save_before_there_is_an_answer(explorer: Any) -> None:
    """After an impossible range the buttons say that there is nothing, and write nothing."""
    explorer.controls["start_date"].value = date(2019, 1, 1)
    explorer.screen.buttons["png"].click()
    assert "nothing to save" in explorer.screen.saved.value
