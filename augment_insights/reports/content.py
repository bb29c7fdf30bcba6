"""What is on a page, how a value is written for readers, and how a report was made: the same in every format."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from augment_insights import __version__
from augment_insights.charts import theme
from augment_insights.tables import is_rate

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

NO_DATA = "no data"

MISSING = "\N{EN DASH}"

SAMPLE = "sample data: a made-up organisation"

TIME_STAMPS = ("Generated at", "Data made at", "Requests sent")
"""What differs between two reports of the same inputs: when each was made, and what the cache had by then."""


@dataclass(frozen=True)
class Headline:
    """A figure in large print: what it is, how much, and a line under it."""

    label: str
    value: str
    detail: str


@dataclass(frozen=True)
class Figure:
    """A chart with the numbers behind it and how to read it, all as they may be shown.

    ``spec`` is the chart on white paper, ``page_spec`` the same in the colours of a page's style sheet.
    """

    name: str
    title: str
    chart: theme.Chart
    spec: Mapping[str, Any]
    page_spec: Mapping[str, Any]
    table: pl.DataFrame
    how_to_read: str

    def laid_out(self, *, most_rows: int) -> dict[str, Any]:
        """Return its words and so many of its numbers, as the templates of a page and a document name them."""
        return {
            "title": self.title,
            "how_to_read": self.how_to_read,
            "description": theme.describe(self.spec),
            "columns": self.table.columns,
            "is_number": [dtype.is_numeric() for dtype in self.table.dtypes],
            "rows": table_rows(self.table.head(most_rows)),
            "hidden_rows": max(0, self.table.height - most_rows),
        }


@dataclass(frozen=True)
class Content:
    """Everything that a report says, as it may be shown; the formats only lay it out."""

    title: str = ""
    name: str = ""
    sample: bool = False
    badges: tuple[str, ...] = ()
    headlines: tuple[Headline, ...] = ()
    summary: tuple[str, ...] = ()
    blocks: tuple[str | Figure, ...] = ()
    raw: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    definitions: Mapping[str, str] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def figures(self) -> list[Figure]:
        """The figures, in order."""
        return [block for block in self.blocks if isinstance(block, Figure)]

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """The table behind each figure, and the raw ones, by name."""
        return {**{figure.name: figure.table for figure in self.figures}, **self.raw}

    @property
    def manifest_words(self) -> dict[str, str]:
        """How the report was made, for readers."""
        return {name: value_text(value) for name, value in self.manifest.items()}

    def manifest_json(self) -> str:
        """Return the manifest for programs: every entry, the definitions, and each table's size."""
        sizes = {name: {"rows": table.height, "columns": table.columns} for name, table in self.tables.items()}
        entries = {
            **{_key(name): plain(value) for name, value in self.manifest.items()},
            "title": self.title,
            "definitions": dict(self.definitions),
            "tables": sizes,
            "time_stamps": [_key(name) for name in TIME_STAMPS if name in self.manifest],
        }
        return json.dumps(entries, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _key(name: str) -> str:
    """Return the name of a manifest's entry as a key.

    Examples
    --------
    >>> _key("Generated at")
    'generated_at'
    """
    return name.lower().replace(" ", "_")


def versions() -> dict[str, str]:
    """Return the versions that the figures depend on."""
    libraries = {"Polars": "polars", "Altair": "altair", "vl-convert": "vl-convert-python"}
    found = {name: version(library) for name, library in libraries.items()}
    return {"augment-insights": __version__, **found, "Python": platform.python_version()}


def table_rows(table: pl.DataFrame) -> list[tuple[str, ...]]:
    """Return a table's cells as text, column by column and then turned to rows."""
    columns = [[_cell_text(value, as_rate=is_rate(series.name)) for value in series] for series in table]
    return list(zip(*columns, strict=True))


def _cell_text(value: object, *, as_rate: bool) -> str:
    """Write one cell; a missing value is a dash, never a zero."""
    if value is None:
        return MISSING
    return f"{value:.1%}" if as_rate and isinstance(value, float) else value_text(value)


def value_text(value: object) -> str:
    """Write a value for readers.

    Examples
    --------
    >>> value_text(1234), value_text(0.5), value_text(None), value_text({"every": "1w", "team": None})
    ('1,234', '0.50', 'no data', 'every=1w')
    """
    if value is None:
        return NO_DATA
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
    if isinstance(value, dict):
        return ", ".join(f"{name}={item}" for name, item in value.items() if item is not None)
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def asset(name: str) -> str:
    """Return the text of a file that stands beside this one."""
    return files("augment_insights.reports").joinpath(name).read_text("utf-8")


def plain(value: object) -> Any:
    """Return a value as JSON holds it: numbers, text, lists and dictionaries; days as YYYY-MM-DD.

    Examples
    --------
    >>> plain({"day": date(2026, 3, 1), "formats": ("html", "pdf")})
    {'day': '2026-03-01', 'formats': ['html', 'pdf']}
    """
    return json.loads(json.dumps(value, default=lambda one: one.isoformat() if isinstance(one, date) else str(one)))
