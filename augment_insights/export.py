"""A table becomes a file: Parquet, CSV, NDJSON or a sheet of a workbook, whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import re
import secrets
import shutil
from contextlib import contextmanager
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import polars.selectors as cs

from augment_insights.errors import ConfigurationError, TableError, did_you_mean, safe_text
from augment_insights.tables import rates_of, safe_strings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from os import PathLike

FORMATS = ("parquet", "csv", "ndjson")
"""The endings that :func:`write_table` knows."""

_NAME_LENGTH = 60

_NO_ROOM = 64 * 1024
_OS_ERROR = re.compile(r"\(os error (\d+)\)")
"""How Polars tells of an error of the system."""

_STARTS_A_FORMULA = r"^([=+\-@\t\r])"

MANIFEST = "manifest.json"
"""A folder that holds this file was written by :func:`whole_folder`, and may be replaced."""

_MADE_HERE = (".csv", ".parquet", ".png", ".svg", ".json")

_MOST_ROWS = 1_048_575
"""Rows of a sheet below its header; spreadsheet programs know no more."""

_WIDEST, _LETTERS_A_LINE = 60, 54
"""The widest column of a sheet, in letters: most of its lines end before its edge."""

_WIDEST_PIXELS, _MOMENT_PIXELS, _LINE_PIXELS = 425, 138, 20
_MOST_LINES = 25
"""A spreadsheet allows a row 409 points."""

_SAFE_OPTIONS = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
"""Text stays text, whatever it looks like."""

_STYLES: dict[Any, Any] = {
    cs.string(): {"text_wrap": True, "valign": "top", "quote_prefix": True},
    cs.integer(): "#,##0",
    cs.float(): "#,##0.00##",
    cs.date(): "yyyy-mm-dd",
    cs.datetime(): "yyyy-mm-dd hh:mm:ss",
}


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
    unfinished = _beside(path)
    unfinished.touch(mode=0o600 if private else 0o666, exist_ok=False)
    try:
        yield unfinished
        if private:
            _flush(unfinished)
        unfinished.replace(path)
        if private:
            _flush(path.parent)
    except Exception as error:
        found = _disk_error(error)
        if isinstance(error, pl.exceptions.PolarsError) and shutil.disk_usage(path.parent).free < _NO_ROOM:
            found = found or errno.ENOSPC  # Parquet's footer fails without the system's words
        if found is None:
            raise
        raise OSError(found, os.strerror(found), str(path)) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _disk_error(error: BaseException) -> int | None:
    """Return the number of the system's error that names no file, if this is one: Polars and xlsxwriter wrap theirs."""
    while error.__context__ is not None and not isinstance(error, OSError):
        error = error.__context__
    if isinstance(error, OSError) and error.errno is not None:
        return None if error.filename else error.errno
    told = _OS_ERROR.search(str(error))
    return int(told[1]) if told else None


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
    entries = list(path.iterdir()) if path.is_dir() else [path]
    made_here = (path / MANIFEST).is_file() and all(entry.is_file() and entry.suffix in _MADE_HERE for entry in entries)
    if path.exists() and entries and not made_here:
        raise ConfigurationError(
            f"{path} holds other files, and would be replaced. Hint: name a folder that is not there yet.",
            setting="folder",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = _beside(path)
    unfinished.mkdir()
    try:
        yield unfinished
        replace_folder(unfinished, path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def replace_folder(finished: Path, path: Path) -> None:
    """Move a finished folder to its place, and whatever stood there away."""
    old = _beside(path)
    if path.exists():
        path.rename(old)
    finished.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def _flush(path: Path) -> None:
    """Have a file's content, or a folder's list of names, written to the disk."""
    if os.name == "nt" and path.is_dir():  # a folder cannot be opened there; its names are journalled
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _beside(path: Path) -> Path:
    """Return a temporary name in the same folder, so that moving from there is atomic."""
    return path.with_name(f".tmp-{secrets.token_hex(8)}.part")


def file_name(text: str, *, among: Iterable[str] = ()) -> str:
    """Return text as a part of a file's name: in small letters, digits and hyphens.

    Eight digits of a hash follow where something is lost that a name cannot hold, and where another text ``among``
    those that need names would share it.

    Examples
    --------
    >>> file_name("Data Platform"), file_name("R/D")[:4]
    ('data-platform', 'r-d-')
    >>> len({file_name(team, among=["Data Platform", "data-platform"]) for team in ["Data Platform", "data-platform"]})
    2
    """
    name = _plain_name(text)
    is_shared = any(other != text and _plain_name(other) == name for other in among)
    if name == text.lower().replace(" ", "-") and not is_shared:
        return name
    return f"{name}-{blake2b(text.encode(), digest_size=4).hexdigest()}".lstrip("-")


def _plain_name(text: str) -> str:
    """Return the letters and digits of a text, in small letters, with hyphens for whatever stands between them."""
    kept = "".join(letter if letter.isalnum() else "-" for letter in text.lower())
    return "-".join(part for part in kept.split("-") if part)[:_NAME_LENGTH]


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

    In CSV, control characters are replaced, and text that a spreadsheet would take for a formula gets an apostrophe
    before it; the other formats keep text as it is.

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
            words = frame.with_columns((cs.categorical() | cs.enum()).cast(pl.String)).with_columns(safe_strings())
            without_formulas(words).write_csv(unfinished)
    return target


def without_formulas(frame: pl.DataFrame) -> pl.DataFrame:
    """Put an apostrophe before text that a spreadsheet would take for a formula."""
    return frame.with_columns(cs.string().str.replace(_STARTS_A_FORMULA, "'${1}"))


def write_workbook(
    sheets: Mapping[str, pl.DataFrame],
    path: str | PathLike[str],
    *,
    words: Callable[[str], str] = str,
    finish: Callable[[Any], None] | None = None,
) -> Path:
    """Write tables as the sheets of one Excel workbook.

    Dates are dates, shares are shown in per cent, headers stay in sight and can be filtered by. Text is
    text: nothing in it becomes a formula or a link. The same tables give the same bytes.

    Parameters
    ----------
    sheets : Mapping of str to DataFrame
        A table by the name of its sheet; names are shortened to what a spreadsheet takes.
    path : path-like
        Where to; missing folders are made, an older file is replaced at the end.
    words : callable
        What a column is called in the sheets' headers.
    finish : callable, optional
        Adds charts and links of one's own to the workbook of ``xlsxwriter``, whose sheets are written by then.

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
    made = io.BytesIO()  # in memory: on a full disk xlsxwriter leaves files open, and parts of them behind
    with xlsxwriter.Workbook(made, _SAFE_OPTIONS) as book:
        book.set_properties({"created": datetime.fromisoformat("2000-01-01")})  # the same bytes at any time
        for name, table in zip(sheet_names(list(sheets)), sheets.values(), strict=True):
            _write_sheet(book, name, table, words)
        if finish is not None:
            finish(book)
    with whole_file(target) as unfinished:
        unfinished.write_bytes(made.getvalue())
    return target


def sheet_names(names: Sequence[str]) -> list[str]:
    """Return names that a spreadsheet takes for sheets: short, without its special signs, no two alike.

    Examples
    --------
    >>> sheet_names(["a/b", "A:B", "x" * 40])
    ['a b', 'A B (2)', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx']
    """
    clean = [re.sub(r"[\[\]:*?/\\]", " ", safe_text(name, "line")).strip("' ") or "sheet" for name in names]
    return _distinct(clean, longest=31, taken={"history"})  # a name that Excel keeps for itself


def _distinct(names: Sequence[str], *, longest: int, taken: set[str]) -> list[str]:
    """Shorten names, and number those that differ from another by case alone, or not at all."""
    found = []
    for name in names:
        free, count = name[:longest], 1
        while free.lower() in taken:
            count += 1
            free = f"{name[: longest - 5]} ({count})"
        taken.add(free.lower())
        found.append(free)
    return found


def _write_sheet(book: Any, name: str, table: pl.DataFrame, words: Callable[[str], str]) -> None:
    """Add a table as a sheet: a format for each kind of column, and room for text of several lines."""
    text, moments = (cs.categorical() | cs.enum()).cast(pl.String), cs.datetime().dt.replace_time_zone(None)
    finite = pl.when(cs.float().is_finite()).then(cs.float())
    shown = table.with_columns(text, moments, finite).with_columns(safe_strings())
    headers = _distinct([safe_text(words(name)) or "column" for name in table.columns], longest=255, taken=set())
    rates = [header for header, name in zip(headers, table.columns, strict=True) if name in rates_of(table)]
    shown.columns = headers
    long = [found.name for found in shown.select(cs.string().str.len_chars().max()) if (found.item() or 0) > _WIDEST]
    sheet = book.add_worksheet(name)
    shown.write_excel(
        book,
        sheet,
        column_formats={**_STYLES, cs.by_name(rates): "0.0%"},
        header_format={"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"},
        autofit=True,
        column_widths={cs.datetime(): _MOMENT_PIXELS, cs.by_name(long): _WIDEST_PIXELS},
        row_heights=_row_heights(shown),
        freeze_panes=(1, 0),
    )
    sheet.repeat_rows(0)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)  # on paper as wide as a page, and as long as it takes


def _row_heights(table: pl.DataFrame) -> dict[int | tuple[int, ...], int]:
    """Return the height in pixels of each row with text of several lines: not every program makes room for them."""
    letters, breaks = cs.string().str.len_chars(), cs.string().str.count_matches("\n")
    lines = pl.when(letters > _WIDEST).then((letters / _LETTERS_A_LINE).ceil()).otherwise(1) + breaks
    counted = table.select(pl.max_horizontal(pl.lit(1), lines).clip(1, _MOST_LINES).cast(pl.Int64).alias("lines"))
    return {row: _LINE_PIXELS * count for row, count in enumerate(counted["lines"], start=1) if count > 1}
