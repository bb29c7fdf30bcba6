"""Where an answer is shown: its numbers, its errors, and the files that its buttons write, whole and well named."""

import base64
import re
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from augment_insights import Client, widgets
from augment_insights.widgets import screen

NAME = "active_users-2026-02-09--2026-03-08-1w"


def press(explorer, kind: str) -> Path:
    explorer.screen.buttons[kind].click()
    folder = Path(explorer.screen.folder.value)
    (path,) = [path for path in folder.iterdir() if path.name.endswith(("-report.html", f".{kind}"))]
    saved = explorer.screen.saved.value
    assert str(path.resolve()) in saved
    assert f'download="{path.name}"' in saved
    assert base64.b64decode(re.search(r"base64,([^\"]*)", saved)[1]) == path.read_bytes()
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
    return path


def test_a_bug_is_told_with_what_to_report(explorer, monkeypatch):
    """An error that is not ours says that it is a bug, keeps its traceback folded, and is escaped."""

    def broken(_self, _view) -> Any:
        raise RuntimeError("<script>alert(1)</script>")

    monkeypatch.setattr("augment_insights.widgets.questions.Question.answer", broken)
    explorer.controls["every"].value = "1mo"
    said = explorer.screen.words.value
    assert "bug" in said
    assert "<details>" in said
    assert "<script>" not in said


def test_the_numbers_are_shown_on_demand(explorer):
    """The table behind the figure stands below it once it is asked for, and follows the controls."""
    assert explorer.screen.numbers.layout.display == "none"
    explorer.screen.with_numbers.value = True
    assert "2026-02-09" in explorer.screen.numbers.value
    explorer.controls["every"].value = "1mo"
    assert "2026-02-01" in explorer.screen.numbers.value


def test_names_from_the_api_are_text(roster):
    """A team and a language that look like markup are shown as they are written."""
    evil = "<img src=x onerror=alert(1)>"
    row = {"date": "2026-03-02", "user_email": "ada@x.io", "language": evil, "editor": evil}
    client = Client.serving([{**row, "metrics": {"completions_count": 4}}], today="2026-03-10")
    teams = roster.with_columns(team=pl.lit(evil))
    explorer: Any = widgets.explore(client, start_date="2026-03-02", roster=teams, interactive=True)
    explorer.wait()
    explorer.screen.with_numbers.value = True
    explorer.controls["question"].value = "acceptance_rate"
    for split in ("team", "language"):
        explorer.controls["split"].value = split
        assert evil not in explorer.screen.numbers.value
        assert "&lt;img" in explorer.screen.numbers.value


def test_a_still_answer_is_text_in_a_terminal(client):
    """Outside a notebook nobody can press anything: the answer prints its question and its numbers."""
    still: Any = widgets.explore(client, start_date="2026-02-09", end_date="2026-03-08")
    assert "How many are active?" in repr(still)
    assert "2026-02-09" in repr(still)


def test_chart_and_table_are_saved_as_they_are_shown(explorer):
    """PNG and SVG by their first bytes; CSV and Parquet read back; a workbook of numbers; a name for each filter."""
    paths = {kind: press(explorer, kind) for kind in ("png", "svg", "parquet", "csv", "xlsx")}
    assert {path.stem for path in paths.values()} == {NAME}, "question, days and period"
    assert paths["png"].read_bytes().startswith(b"\x89PNG")
    assert paths["svg"].read_text().startswith("<svg")
    assert pl.read_parquet(paths["parquet"]).equals(explorer.answer.table)
    assert pl.read_csv(paths["csv"], try_parse_dates=True).equals(explorer.answer.table)
    with zipfile.ZipFile(paths["xlsx"]) as workbook:
        sheet = workbook.read("xl/worksheets/sheet1.xml").decode()
    assert [f"<v>{number}</v>" in sheet for number in (2, 3)] == [True, True]
    explorer.controls["team"].value = "Not on the roster"
    explorer.screen.buttons["csv"].click()
    names = sorted(path.name for path in paths["csv"].parent.glob("*.csv"))
    assert names == [f"{NAME}-Not_on_the_roster.csv", f"{NAME}.csv"], "no filter overwrites another"


def test_a_file_is_offered_under_its_own_name_unless_it_is_too_large(tmp_path):
    """A name that looks like markup is text; what would clog the connection to the browser stays in its folder."""
    path = tmp_path / "<b>&'.csv"
    path.write_bytes(b"1")
    assert 'download="&lt;b&gt;&amp;&#x27;.csv"' in screen.download_html(path)
    path.write_bytes(bytes(5_000_001))
    assert "base64" not in screen.download_html(path)
    assert "5 MB" in screen.download_html(path)


@pytest.mark.slow
def test_the_whole_report_answers_every_question(explorer):
    """One page with each question of the list, its filters, and nobody's name."""
    explorer.controls["user_type"].value = "all"
    page = press(explorer, "report").read_text()
    for title, _ in explorer.controls["question"].options:
        assert title.replace("'", "&#39;") in page
    assert "people and service accounts" in page
    for name in ("ada@x.io", "bob@x.io", "cleo@x.io"):
        assert name not in page


def test_a_folder_that_cannot_be_or_nothing_to_save_is_told(explorer, tmp_path):
    """A sentence, no traceback, and another folder works; after an impossible range there is nothing to save."""
    (tmp_path / "file").write_text("in the way")
    explorer.screen.folder.value = str(tmp_path / "file" / "folder")
    explorer.screen.buttons["csv"].click()
    assert 'role="alert"' in explorer.screen.saved.value
    assert "choose another folder" in explorer.screen.saved.value
    assert "Traceback" not in explorer.screen.saved.value
    explorer.screen.folder.value = str(tmp_path / "saved")
    assert press(explorer, "csv").is_file()
    explorer.controls["start_date"].value = date(2019, 1, 1)
    explorer.screen.buttons["png"].click()
    assert "nothing to save" in explorer.screen.saved.value
