"""The report as a workbook, in which every figure can be reconciled with the tables that it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from augment_insights import tables
from augment_insights.export import sheet_names, write_workbook
from augment_insights.reports.content import SAMPLE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from augment_insights.reports.content import Content, Headline

_OURS = ("Summary", "Definitions", "Columns", "Manifest")

_TABLES = {table.name: table for table in vars(tables).values() if isinstance(table, tables.Table)}
"""The tables of the package, by name, for what their columns mean."""


def save(content: Content, path: Path) -> Path:
    """Write the workbook, whole or not at all, and return its path.

    Sheets: the summary with a list of the others; a sheet for each figure and each raw table, in order;
    the definitions; what each column means; the manifest.
    """
    found = content.tables
    named = dict(zip(found, sheet_names([*_OURS, *found])[len(_OURS) :], strict=True))
    sheets = {
        "Summary": _summary(content, named),
        **{named[name]: table for name, table in found.items()},
        "Definitions": _pairs("Term", "Meaning", content.definitions.items()),
        "Columns": _columns(content, named),
        "Manifest": _pairs("Entry", "Value", content.manifest_words.items()),
    }
    return write_workbook(sheets, path)


def _summary(content: Content, named: dict[str, str]) -> pl.DataFrame:
    """Return the first sheet: what the report says, and where its numbers are."""
    titles = {figure.name: figure.title for figure in content.figures}
    rows = [
        ("Report", content.title, SAMPLE if content.sample else ""),
        *(("About", badge, "") for badge in content.badges),
        *((line.label, line.value, _told(line)) for line in content.headlines),
        *(("What happened", sentence, "") for sentence in content.summary),
    ]
    for name, table in content.tables.items():
        what = titles.get(name, "raw: what the figures were computed from")
        rows.append((f"Sheet {named[name]}", what, f"{table.height:,} rows"))
    return pl.DataFrame(rows, schema=dict.fromkeys(("What", "Value", "Detail"), pl.String), orient="row")


def _told(line: Headline) -> str:
    """Return how a headline changed, and what stands behind it."""
    return " · ".join(part for part in (line.change, line.detail) if part)


def _columns(content: Content, named: dict[str, str]) -> pl.DataFrame:
    """Return what each column of each sheet means, as far as the package knows it."""
    rows = [
        (named[name], column, str(dtype).split("(")[0], _meaning(name, column))
        for name, table in content.tables.items()
        for column, dtype in table.schema.items()
    ]
    return pl.DataFrame(rows, schema=dict.fromkeys(("Sheet", "Column", "Type", "Meaning"), pl.String), orient="row")


def _meaning(name: str, column: str) -> str:
    """Return a column's meaning: in the table of that name, else in the first that has it."""
    candidates = [_TABLES[name]] if name in _TABLES else []
    known = [table.columns[column].meaning for table in (*candidates, *_TABLES.values()) if column in table.columns]
    return known[0] if known else ""


def _pairs(first: str, second: str, rows: Iterable[tuple[str, str]]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema={first: pl.String, second: pl.String}, orient="row")
