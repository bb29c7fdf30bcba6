"""A table becomes a file, whole or not at all."""

import errno
import secrets
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import openpyxl
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from augment_insights.errors import ConfigurationError
from augment_insights.export import whole_file, without_formulas, write_table, write_workbook

TABLE = pl.DataFrame({"user": ["ada@example.com", "=HYPERLINK(0)"], "lines": [1, None]})


def test_parquet_and_ndjson_come_back_as_they_were(tmp_path):
    """Formats for machines keep every value, formulas and nulls too."""
    assert_frame_equal(pl.read_parquet(write_table(TABLE, tmp_path / "t.parquet")), TABLE)
    assert_frame_equal(pl.read_ndjson(write_table(TABLE, tmp_path / "t.ndjson")), TABLE)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_a_spreadsheet_would_run_is_defused(start):
    """Whatever can start a formula gets an apostrophe; numbers and other text stay."""
    frame = pl.DataFrame({"a": [f"{start}1+1", "plain = text", None], "n": [-1, 2, 3]})
    assert without_formulas(frame)["a"].to_list() == [f"'{start}1+1", "plain = text", None]
    assert without_formulas(frame)["n"].to_list() == [-1, 2, 3]


def test_categories_are_words_in_csv_too(tmp_path):
    """Formulas and control characters are no less so in a column of another type."""
    table = pl.DataFrame({"team": ["=1+1", "Data\x0bPlatform\x00"]}, schema={"team": pl.Categorical})
    assert write_table(table, tmp_path / "t.csv").read_text("utf-8") == "team\n'=1+1\nData Platform\ufffd\n"


def test_an_interrupted_file_leaves_the_old_one(tmp_path):
    """An error while writing keeps the file that was there, and no part of the new one."""
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "t.txt"
    path.write_text("old")
    with pytest.raises(pl.exceptions.ComputeError):
        write_half(path)
    assert path.read_text() == "old"
    assert sorted(found.name for found in folder.iterdir()) == ["t.txt"]


@pytest.mark.usefixtures("no_room")
@pytest.mark.parametrize("ending", ["parquet", "csv", "ndjson", "xlsx"])
def test_a_full_disk_is_named_with_the_file(ending, tmp_path):
    """Whichever library writes, the error has the system's words and the file's name, and leaves no part."""
    table, path = pl.DataFrame({"n": [secrets.token_hex() for _ in range(3_000)]}), tmp_path / f"t.{ending}"
    with pytest.raises(OSError, match="File too large") as caught:
        write_workbook({"t": table}, path) if ending == "xlsx" else write_table(table, path)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))
    assert [found.name for found in tmp_path.iterdir()] == ["home"]


def test_a_full_disk_is_told_where_the_writer_has_other_words_for_it(monkeypatch, tmp_path):
    """Polars says of a Parquet footer that found no room that its form is invalid; with room its words are kept."""
    for free, wanted in ((0, OSError), (10**9, pl.exceptions.ComputeError)):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        with pytest.raises(wanted, match="No space left on device" if free == 0 else None):
            write_half(tmp_path / "t.parquet")


def write_half(path: Path) -> None:
    with whole_file(path) as unfinished:
        unfinished.write_text("ne")
        raise pl.exceptions.ComputeError


def test_an_unknown_ending_is_refused_with_the_nearest(tmp_path):
    """A mistyped ending names the one that was meant, and writes nothing."""
    with pytest.raises(ConfigurationError, match="did you mean 'parquet'"):
        write_table(TABLE, tmp_path / "t.parqet")
    assert list(tmp_path.iterdir()) == [tmp_path / "home"]


def test_a_long_text_has_room_in_its_row_and_a_sheet_is_as_wide_as_a_page(tmp_path):
    """A spreadsheet that does not measure by itself would write the second line over the next row."""
    table = pl.DataFrame({"meaning": ["short", "long words " * 15, "one\ntwo\nthree", None]})
    sheet = openpyxl.load_workbook(write_workbook({"t": table}, tmp_path / "t.xlsx"))["t"]
    heights = [sheet.row_dimensions[row].height for row in range(2, 6)]
    assert heights == [None, 60, 45, None]  # 165 letters at 54 a line are four lines of 15 points
    assert (sheet.page_setup.orientation, sheet.page_setup.fitToHeight) == ("landscape", 0)
    assert sheet.print_title_rows == "$1:$1"


def test_a_sheet_takes_headers_that_differ_by_case_and_numbers_that_are_none(tmp_path):
    """A spreadsheet tells no case apart, knows no zones, and would show NaN and infinity as formulas that fail."""
    moment = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    table = pl.DataFrame({"Team": ["0042"], "team": [float("nan")], "n": [float("inf")], "at": [moment]})
    sheet = openpyxl.load_workbook(write_workbook({"t": table, "empty": table.clear()}, tmp_path / "t.xlsx"))["t"]
    assert [cell.value for cell in sheet[1]] == ["Team", "team (2)", "n", "at"]
    assert [cell.value for cell in sheet[2]] == ["0042", None, None, moment.replace(tzinfo=None)]
    assert {cell.data_type for cell in sheet[2]} <= {"s", "n", "d"}
