"""A table becomes a file: Parquet, CSV or NDJSON, whole or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import polars as pl
import polars.selectors as cs

from augment_insights.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

FORMATS = ("parquet", "csv", "ndjson")
"""The endings that :func:`write_table` knows."""

_STARTS_A_FORMULA = r"^([=+\-@\t\r])"


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
