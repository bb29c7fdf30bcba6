"""A table becomes a file: Parquet, CSV, NDJSON or a sheet of a workbook, whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile, mkdtemp
from typing import TYPE_CHECKING, Any

import polars as pl
import polars.selectors as cs

from augment_insights.errors import ConfigurationError, TableError, did_you_mean
from augment_insights.tables import is_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from os import PathLike

FORMATS = ("parquet", "csv", "ndjson")
"""The endings that :func:`write_table` knows."""

_STARTS_A_FORMULA = r"^([=+\-@\t\r])"

MARKER = "manifest.json"
"""A folder that holds this file was written by :func:`whole_folder`, and may be replaced."""

_MADE_HERE = (".csv", ".parquet", ".png", ".svg", ".json")

_MOST_ROWS = 1_048_575
"""Rows of a sheet below its header; spreadsheet programs know no more."""

_MOST_LETTERS = 32_767
_SHEET_NAME_LENGTH = 31
_WIDTHS = (9, 60)
_RAGGED = 6
_LINE_HEIGHT = 15
_MOST_LINES = 25
"""In letters, in points, and what a row may take: a spreadsheet allows 409 points."""

_MEASURED_ROWS = 200
_MADE = datetime(2000, 1, 1)  # noqa: DTZ001 (a workbook's dates have no zone; this one says nothing on purpose)


@contextmanager
def whole_file(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Give a temporary name beside ``path``, and move the file into place when it is finished.

    Whatever interrupts the writing, ``path`` holds the old file or the new one, never a part. The
    temporary name is ``.tmp-*.part``, which no pattern for tables matches.

    Parameters
    ----------
    path : Path
        Where the finished file belongs; missing folders are made.
    private : bool
        The file is for its owner alone, and is on the disk before it gets its name: a power cut
        too leaves the old file or the new one.

    Examples
    --------
    >>> with whole_file(getfixture("tmp_path") / "a.txt") as unfinished:
    ...     _ = unfinished.write_text("all of it")
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=".tmp-", suffix=".part", delete=False) as handle:
        unfinished = Path(handle.name)
    try:
        yield unfinished
        if private:
            _flush(unfinished)
        else:
            unfinished.chmod(0o666 & ~_umask())  # a temporary file begins as its owner's alone
        unfinished.replace(path)
        if private:
            _flush(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give a hidden folder beside ``path``, and put it into place when it is finished.

    An older folder is replaced if it was made here (it holds a ``manifest.json``, and nothing but tables and images)
    or is empty; any other is left alone.

    Parameters
    ----------
    path : Path
        Where the finished folder belongs; missing ones above it are made.

    Raises
    ------
    ConfigurationError
        There is something else at ``path``.

    Examples
    --------
    >>> with whole_folder(getfixture("tmp_path") / "tables") as unfinished:
    ...     _ = (unfinished / "manifest.json").write_text("{}")
    """
    if path.exists() and not _made_here(path):
        raise ConfigurationError(
            f"{path} holds other files, and would be replaced. Hint: name a folder that is not there yet.",
            setting="folder",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(mkdtemp(dir=path.parent, prefix=".tmp-", suffix=".part"))
    try:
        yield unfinished
        unfinished.chmod(0o777 & ~_umask())  # a temporary folder begins as its owner's alone
        replace_folder(unfinished, path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def replace_folder(finished: Path, path: Path) -> None:
    """Move a finished folder to its place, and whatever stood there away."""
    old = Path(mkdtemp(dir=path.parent, prefix=".tmp-", suffix=".part"))
    if path.exists():
        path.rename(old / path.name)
    finished.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def _made_here(path: Path) -> bool:
    """Tell whether a folder is empty, or holds what this module writes and nothing else."""
    if not path.is_dir():
        return False
    entries = list(path.iterdir())
    return not entries or (
        (path / MARKER).is_file() and all(entry.is_file() and entry.suffix in _MADE_HERE for entry in entries)
    )


def _flush(path: Path) -> None:
    """Have a file's content, or a folder's list of names, written to the disk."""
    if os.name == "nt" and path.is_dir():  # a folder cannot be opened there; its names are journalled
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    """Return the user's file mode mask; it can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def format_of(path: str | PathLike[str]) -> str:
    """Return the format that a file's ending names.

    Raises
    ------
    ConfigurationError
        It names none that can be written.
    """
    ending = Path(path).suffix.removeprefix(".").lower()
    if ending not in FORMATS:
        hint = did_you_mean(ending, FORMATS) if ending else f" Known: {', '.join(FORMATS)}."
        raise ConfigurationError(f"The file {path} should end in a format.{hint}", setting="out")
    return ending


def write_table(frame: pl.DataFrame, path: str | PathLike[str]) -> Path:
    """Write a table in the format of the file's ending: ``.parquet``, ``.csv`` or ``.ndjson``.

    In CSV, text that a spreadsheet would take for a formula gets an apostrophe before it; the
    other formats keep text as it is.

    Parameters
    ----------
    frame : pl.DataFrame
        Any table.
    path : path-like
        Where to; missing folders are made, an older file is replaced at the end.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigurationError
        The ending names no format.

    Examples
    --------
    >>> table = pl.DataFrame({"user": ["=HYPERLINK(0)", "ada@example.com"], "lines": [1, -2]})
    >>> print(write_table(table, getfixture("tmp_path") / "t.csv").read_text())
    user,lines
    '=HYPERLINK(0),1
    ada@example.com,-2
    <BLANKLINE>
    """
    target = Path(path).expanduser()
    kind = format_of(target)
    with whole_file(target) as unfinished:
        if kind == "parquet":
            frame.write_parquet(unfinished)
        elif kind == "ndjson":
            frame.write_ndjson(unfinished)
        else:
            without_formulas(frame).write_csv(unfinished)
    return target


def without_formulas(frame: pl.DataFrame) -> pl.DataFrame:
    """Put an apostrophe before text that a spreadsheet would take for a formula."""
    return frame.with_columns(cs.string().str.replace(_STARTS_A_FORMULA, "'${1}"))


def write_workbook(sheets: Mapping[str, pl.DataFrame], path: str | PathLike[str]) -> Path:
    """Write tables as the sheets of one Excel workbook.

    Dates are dates, shares are shown in per cent, headers stay in sight and can be filtered by. Text is
    text: nothing in it becomes a formula or a link. The same tables give the same bytes.

    Parameters
    ----------
    sheets : Mapping of str to DataFrame
        A table by the name of its sheet; names are shortened to what a spreadsheet takes.
    path : path-like
        Where to; missing folders are made, an older file is replaced at the end.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    TableError
        A table has more rows than a sheet.

    Examples
    --------
    >>> table = pl.DataFrame({"user": ["=HYPERLINK(0)"], "adoption_rate": [0.5]})
    >>> write_workbook({"adoption": table}, getfixture("tmp_path") / "t.xlsx").name
    't.xlsx'
    """
    import xlsxwriter  # noqa: PLC0415 (only for a workbook)

    for name, table in sheets.items():
        if table.height > _MOST_ROWS:
            raise TableError(
                f"The table {name!r} has {table.height:,} rows, and a sheet holds {_MOST_ROWS:,}.",
                table=name,
                hint="write it as Parquet or CSV, or filter it.",
            )
    target = Path(path).expanduser()
    options = {
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "nan_inf_to_errors": True,
    }
    with whole_file(target) as unfinished, xlsxwriter.Workbook(unfinished, options) as book:
        book.set_properties({"created": _MADE})
        formats = {name: book.add_format(style) for name, style in _STYLES.items()}
        for name, table in zip(sheet_names(list(sheets)), sheets.values(), strict=True):
            _fill(book.add_worksheet(name), table, formats)
    return target


_STYLES: Mapping[str, Mapping[str, Any]] = {
    "header": {"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"},
    "text": {"valign": "top", "text_wrap": True, "quote_prefix": True},
    "date": {"num_format": "yyyy-mm-dd", "valign": "top", "align": "left"},
    "moment": {"num_format": "yyyy-mm-dd hh:mm:ss", "valign": "top", "align": "left"},
    "count": {"num_format": "#,##0", "valign": "top"},
    "number": {"num_format": "#,##0.00##", "valign": "top"},
    "rate": {"num_format": "0.0%", "valign": "top"},
    "other": {"valign": "top"},
}


def sheet_names(names: list[str]) -> list[str]:
    """Return names that a spreadsheet takes for sheets: short, without its special signs, no two alike.

    Examples
    --------
    >>> sheet_names(["a/b", "A:B", "x" * 40])
    ['a b', 'A B (2)', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx']
    """
    taken: set[str] = set()
    found = []
    for name in names:
        clean = re.sub(r"[\[\]:*?/\\\x00-\x1f]", " ", name).strip("' ")[:_SHEET_NAME_LENGTH] or "sheet"
        candidate, count = clean, 1
        while candidate.lower() in taken | {"history"}:  # a name that Excel keeps for itself
            count += 1
            candidate = f"{clean[: _SHEET_NAME_LENGTH - 5]} ({count})"
        taken.add(candidate.lower())
        found.append(candidate)
    return found


def _fill(sheet: Any, table: pl.DataFrame, formats: Mapping[str, Any]) -> None:
    """Write a table into a sheet, column by column, each with the writer of its dtype."""
    lines: dict[int, int] = {}
    for at, name in enumerate(table.columns):
        values = table.get_column(name)
        kind = _kind(values)
        sheet.write_string(0, at, name[:_MOST_LETTERS], formats["header"])
        write = _writer(sheet, kind)
        width = _width(name, values, kind)
        for row, value in enumerate(_cells(values, kind), start=1):
            if value is None:
                continue
            write(row, at, value, formats[kind])
            if kind == "text" and (len(value) > width or "\n" in value):
                lines[row] = max(lines.get(row, 1), _lines_of(value, width))
        sheet.set_column(at, at, width)
    # Not every program makes room for a text that goes on in the next line.
    for row, count in lines.items():
        sheet.set_row(row, _LINE_HEIGHT * min(count, _MOST_LINES))
    sheet.freeze_panes(1, 0)
    sheet.repeat_rows(0)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)  # on paper as wide as a page, and as long as it takes
    if table.width and table.height:
        sheet.autofilter(0, 0, table.height, table.width - 1)


def _lines_of(text: str, width: int) -> int:
    r"""Return how many lines a text takes in a column of so many letters, most lines ending before the edge.

    Examples
    --------
    >>> _lines_of("a" * 60, 60), _lines_of("a" * 100, 60), _lines_of("one\ntwo", 10)
    (1, 2, 2)
    """
    room = max(1, width - _RAGGED)
    return sum(1 if len(line) <= width else -(-len(line) // room) for line in text.splitlines() or [""])


def _kind(values: pl.Series) -> str:
    """Return how a column is shown."""
    dtype = values.dtype
    if dtype.is_integer():
        return "count"
    if dtype.is_numeric():
        return "rate" if is_rate(values.name) else "number"
    kinds = {pl.Date: "date", pl.Datetime: "moment", pl.Boolean: "other"}
    return next((kind for known, kind in kinds.items() if dtype == known), "text")


def _cells(values: pl.Series, kind: str) -> list[Any]:
    """Return a column's values as a spreadsheet holds them."""
    if kind == "text":
        return [None if value is None else _fitting(str(value)) for value in values]
    if kind == "moment":
        return values.dt.replace_time_zone(None).to_list()
    return values.cast(pl.Float64).to_list() if values.dtype.is_decimal() else values.to_list()


def _fitting(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 1]}…"


def _writer(sheet: Any, kind: str) -> Callable[..., object]:
    """Return the one writer of a kind: the general one guesses, and a guess may make a formula."""
    writers: dict[str, Callable[..., object]] = {
        "text": sheet.write_string,
        "date": sheet.write_datetime,
        "moment": sheet.write_datetime,
        "other": sheet.write_boolean,
    }
    number: Callable[..., object] = sheet.write_number
    return writers.get(kind, number)


def _width(name: str, values: pl.Series, kind: str) -> int:
    """Return a width that most cells fit into."""
    narrowest, widest = _WIDTHS
    letters = [len(name) + 2]
    if kind == "text":
        letters += [len(str(value)) for value in values.head(_MEASURED_ROWS) if value is not None]
    elif kind in ("date", "moment"):
        letters.append(19 if kind == "moment" else 11)
    return max(narrowest, min(widest, max(letters)))
