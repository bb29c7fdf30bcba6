"""The workbook: every figure beside the rows that it came from, and text as text."""

import zipfile
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest

from augment_insights import charts
from augment_insights.reports import Page
from augment_insights.tables import MODE


def cells_of(path: Path, sheet: str) -> list[tuple[Any, ...]]:
    """Return a sheet's cells: header first."""
    return [tuple(cell.value for cell in row) for row in openpyxl.load_workbook(path)[sheet].iter_rows()]


def table_of(path: Path, sheet: str) -> list[dict[str, Any]]:
    """Return a sheet's rows under the names of their columns, which the sheet "Columns" tells."""
    names = [row[2] for row in cells_of(path, "Columns") if row[0] == sheet]
    return [dict(zip(names, row, strict=False)) for row in cells_of(path, sheet)[1:]]


def test_a_workbook_holds_text_dates_and_numbers_and_no_formula_or_link(hostile, hostile_table):
    """Read back by another library: the words as they were, real dates, no formula, no link out, frozen headers."""
    path = hostile / "hostile.xlsx"
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Summary", "figure", "raw", "Definitions", "Columns", "Manifest"]
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert not [cell for cell in cells if cell.data_type == "f" or (cell.hyperlink and cell.hyperlink.target)]
    links = {cell.value: cell.hyperlink.location for cell in cells if cell.hyperlink}
    assert links == {"figure": "'figure'!A1", "raw": "'raw'!A1"}
    header, *rows = cells_of(path, "figure")
    assert header[2:6] == ("People", "Suggested (count)", "Accepted (count)", "Acceptance rate (%)")
    assert [row[0] for row in rows] == hostile_table["team"].to_list()
    assert rows[2][1:6] == (datetime(2026, 3, 3), 12, 100, 30, 0.3)  # noqa: DTZ001 (a workbook knows no zones)
    assert rows[0][7] is None
    assert book["figure"]["B3"].number_format == "yyyy-mm-dd"
    assert book["figure"]["F3"].number_format == "0.0%"
    assert all(sheet.freeze_panes == "A2" for sheet in book)
    assert [row[0] for row in cells_of(path, "Definitions")[1:]] == hostile_table["team"].to_list()
    with zipfile.ZipFile(path) as parts:
        text = "".join(parts.read(name).decode() for name in parts.namelist())
    assert "<f>" not in text
    assert "relationships/hyperlink" not in text.replace("HYPERLINK", "")
    assert 'Target="http://evil' not in text
    assert dict(cells_of(path, "Manifest"))["Range asked"] == "March"


def test_every_figure_of_a_workbook_can_be_reconciled_with_its_raw_table(named, tmp_path):
    """Counted and summed in plain Python from the raw sheet: people a week, and accepted of suggested."""
    path = named.save_xlsx(tmp_path / "overview.xlsx")
    active, suggested, accepted = Counter[Any](), Counter[Any](), Counter[Any]()
    for record in table_of(path, "user_activity"):
        if record["user_type"] == "person":
            active[record["period_start"]] += 1
            suggested[record["period_start"]] += record["completions_count"]
            accepted[record["period_start"]] += record["completions_accepted"]
    weeks = table_of(path, "lifecycle")
    assert len(weeks) == 6
    assert [row["active_users"] for row in weeks] == [active[row["period_start"]] for row in weeks]
    for told in table_of(path, "acceptance_rate"):
        start = told["period_start"]
        assert (told["suggested_count"], told["accepted_count"]) == (suggested[start], accepted[start])
        assert told["acceptance_rate"] == pytest.approx(accepted[start] / suggested[start], rel=1e-12)


def test_a_figure_has_a_chart_of_the_spreadsheets_own_that_reads_its_cells(named, tmp_path):
    """Lines, stacked parts in a table of their own beside it, bars of names; titles come from cells, not from text."""
    path = named.save_xlsx(tmp_path / "overview.xlsx")
    book = openpyxl.load_workbook(path)
    drawn = {sheet.title: sheet._charts[0] for sheet in book if sheet._charts}  # read back, it has no public name
    assert {"lifecycle", "mode_mix_lines", "acceptance_rate", "adoption_funnel"} <= {*drawn}
    kinds = [type(drawn[name]).__name__ for name in ("mode_mix_lines", "acceptance_rate", "adoption_funnel")]
    assert kinds == ["BarChart", "LineChart", "BarChart"]
    assert (drawn["mode_mix_lines"].grouping, drawn["adoption_funnel"].barDir) == ("stacked", "bar")
    columns = [name for name, row in zip(*cells_of(path, "acceptance_rate")[:2], strict=True) if row is not None]
    rates = drawn["acceptance_rate"].series[0].val.numRef.f
    assert rates == f"acceptance_rate!${'ABCDEFGH'[columns.index('Acceptance rate (%)')]}$2:$E$7"
    parts = [series.tx.strRef.f for series in drawn["mode_mix_lines"].series]
    assert [book["mode_mix_lines"][part.split("!")[1].replace("$", "")].value for part in parts] == sorted(
        {row["mode"] for row in table_of(path, "mode_mix_lines")}, key=[*MODE.categories].index
    )
    with zipfile.ZipFile(path) as parts:
        charts = [parts.read(name).decode() for name in parts.namelist() if "charts/chart" in name]
    assert all("<a:t>" not in chart for chart in charts)


def test_teams_that_look_like_formulas_or_columns_are_text_beside_a_chart(tmp_path):
    """Each team a column of the numbers that the chart reads, a missing week a gap, and no formula."""
    teams = ["=1+1", "period_start", "@SUM(A1)"]
    rows = [(date(2026, 3, 2 + 7 * week), team, week) for week in range(3) for team in teams if week or team != "=1+1"]
    table = pl.DataFrame(rows, schema=["period_start", "team", "active_users"], orient="row")
    table = table.with_columns(period_end=pl.col("period_start") + timedelta(days=6), is_complete=True)
    page = Page("T", population="people", as_of=None, range_asked="March")
    path = page.figure("Teams", charts.active_users(table), table, name="teams").save_xlsx(tmp_path / "t.xlsx")
    header, *rows = [row[-4:] for row in cells_of(path, "teams")[:4]]
    assert {*header[1:]} == {*teams}
    assert {row[header.index("period_start")] for row in rows} == {0, 1, 2}
    assert [row[header.index("=1+1")] for row in rows] == [None, 1, 2]
    assert not [
        cell for row in openpyxl.load_workbook(path)["teams"].iter_rows() for cell in row if cell.data_type == "f"
    ]


def test_the_summary_says_each_thing_once_and_leads_to_every_sheet(named, tmp_path):
    """Report, about, the headlines, what happened, then a row for each sheet with its size."""
    path = named.save_xlsx(tmp_path / "overview.xlsx")
    rows = cells_of(path, "Summary")[1:]
    words = [row[0] for row in rows if row[0]]
    assert words[:2] == ["Report", "About"]
    assert len(words) == len(set(words))
    assert [row[0] for row in rows[-len(named.tables) :]] == openpyxl.load_workbook(path).sheetnames[1:-3]
    assert [row[1] for row in rows if row[1] in named.sentences] == list(named.sentences)
