"""The workbook: every figure beside the rows that it came from, and text as text."""

import zipfile
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest


def cells_of(path: Path, sheet: str) -> list[tuple[Any, ...]]:
    """Return a sheet's cells: header first."""
    return [tuple(cell.value for cell in row) for row in openpyxl.load_workbook(path)[sheet].iter_rows()]


def test_a_workbook_holds_text_dates_and_numbers_and_no_formula_or_link(hostile, hostile_table):
    """Read back by another library: the words as they were, real dates, no formula, no hyperlink, frozen headers."""
    path = hostile / "hostile.xlsx"
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Summary", "figure", "raw", "Definitions", "Columns", "Manifest"]
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert not [cell for cell in cells if cell.data_type == "f" or cell.hyperlink]
    header, *rows = cells_of(path, "figure")
    assert list(header) == hostile_table.columns
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
    assert "hyperlink" not in text.replace("HYPERLINK", "")
    assert 'Target="http://evil' not in text
    assert dict(cells_of(path, "Manifest"))["Range asked"] == "March"


def test_every_figure_of_a_workbook_can_be_reconciled_with_its_raw_table(named, tmp_path):
    """Counted and summed in plain Python from the raw sheet: people a week, and accepted of suggested."""
    path = named.save_xlsx(tmp_path / "overview.xlsx")
    header, *rows = cells_of(path, "user_activity")
    records = [dict(zip(header, row, strict=True)) for row in rows]
    active, suggested, accepted = Counter[Any](), Counter[Any](), Counter[Any]()
    for record in records:
        if record["user_type"] == "person":
            active[record["period_start"]] += 1
            suggested[record["period_start"]] += record["completions_count"]
            accepted[record["period_start"]] += record["completions_accepted"]
    weeks = cells_of(path, "active_users")[1:]
    assert len(weeks) == 6
    assert [row[2] for row in weeks] == [active[row[0]] for row in weeks]
    header, *rates = cells_of(path, "acceptance_rate")
    for row in rates:
        told = dict(zip(header, row, strict=True))
        start = told["period_start"]
        assert (told["suggested_count"], told["accepted_count"]) == (suggested[start], accepted[start])
        assert told["acceptance_rate"] == pytest.approx(accepted[start] / suggested[start], rel=1e-12)
