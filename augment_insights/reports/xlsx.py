"""The report as a workbook, in which every figure can be reconciled with the tables that it came from."""

from __future__ import annotations

from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Any

import polars as pl
import polars.selectors as cs

from augment_insights import tables
from augment_insights.charts.theme import CATEGORIES, LIGHT, describe
from augment_insights.errors import plural, safe_text
from augment_insights.export import sheet_names, write_workbook
from augment_insights.reports.content import SAMPLE
from augment_insights.tables import OF_METRIC, column_words, rates_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from augment_insights.reports.content import Content, Figure, Headline

_ALONG = ("period_start", "date", "period", "days", "active_days", "acceptance_from")
_TOGETHER = (("new_users", "returning_users", "resurrected_users"), ("cumulative_users", "ever_licensed_users"))
_TOLD = ("verdict", "metric")
_MOST_SERIES = 12
_CHART_COLUMNS = 12
"""The columns of a sheet that a chart covers."""

_STEP = "\0"
"""A name that no part has."""

_GRID = {"major_gridlines": {"visible": True, "line": {"color": LIGHT.grid}}}
_SHADES = {"min_color": "#FFFFFF", "max_color": "#56B4E9"}

_OURS = ("Summary", "Definitions", "Columns", "Manifest")

_TABLES = {table.name: table for table in vars(tables).values() if isinstance(table, tables.Table)}
"""The tables of the package, by name, for what their columns mean."""


def save(content: Content, path: Path) -> Path:
    """Write the workbook, whole or not at all, and return its path.

    Sheets: the summary with links to the others; a sheet for each figure, with its chart, and each raw table, in
    order; the definitions; what each column means; the manifest.
    """
    found = content.tables
    named = dict(zip(found, sheet_names([*_OURS, *found])[len(_OURS) :], strict=True))
    words = partial(column_words, people=content.people)
    summary = _summary(content, named)
    sheets = {
        "Summary": summary,
        **{named[name]: table for name, table in found.items()},
        "Definitions": _pairs("Term", "Meaning", content.definitions.items()),
        "Columns": _columns(content, named, words),
        "Manifest": _pairs("Entry", "Value", content.manifest_words.items()),
    }

    def finish(book: Any) -> None:
        first = summary.height - len(found) + 1
        link = book.add_format({"font_color": "#0072B2", "underline": 1, "valign": "top"})
        for row, (name, sheet) in enumerate(named.items(), start=first):
            place = "internal:'{}'!A1".format(sheet.replace("'", "''"))
            book.get_worksheet_by_name("Summary").write_url(row, 0, place, link, sheet)
            figure = next((figure for figure in content.figures if figure.name == name), None)
            if figure is not None:
                _draw(book, sheet, figure, title_row=row)

    return write_workbook(sheets, path, words=words, finish=finish)


def _summary(content: Content, named: dict[str, str]) -> pl.DataFrame:
    """Return the first sheet: what the report says, and at its end a row for each sheet with numbers."""
    titles = {figure.name: figure.title for figure in content.figures}
    told = [("" if number else "What happened", sentence, "") for number, sentence in enumerate(content.summary)]
    rows = [
        ("Report", content.title, SAMPLE if content.sample else ""),
        ("About", " · ".join(content.badges), ""),
        *((line.label, line.value, _told(line)) for line in content.headlines),
        *told,
    ]
    for name, table in content.tables.items():
        what = titles.get(name, "raw: what the figures were computed from")
        rows.append((named[name], what, plural(table.height, "row")))
    return pl.DataFrame(rows, schema=dict.fromkeys(("What", "Value", "Detail"), pl.String), orient="row")


def _draw(book: Any, sheet: str, figure: Figure, *, title_row: int) -> None:
    """Add a chart of the spreadsheet's own beside a figure's table, as near to the figure as it has one.

    Titles and names are read from cells: whatever stands there, a chart would take text of its own for a formula.
    Shares of many groups are shaded in the table instead.
    """
    table, place, plan = figure.table, book.get_worksheet_by_name(sheet), _plan(figure)
    if plan is None or table.is_empty():
        return
    along, part, values = plan
    first, kinds = table.columns.index(values[0]), _marks(figure.spec)
    if part is not None and (table[part].n_unique() > _MOST_SERIES or "rect" in kinds):
        place.conditional_format(1, first, table.height, first, {"type": "2_color_scale", **_SHADES})
        return
    is_share, is_text = (
        values[0] in rates_of(table),
        not table[along].dtype.is_temporal() | table[along].dtype.is_numeric(),
    )
    kind = "bar" if is_text else "line" if kinds & {"line", "area"} else "column"
    at, height, lines = table.columns.index(along), table.height, [table.columns.index(name) for name in values]
    if part is not None:
        at = table.width + _CHART_COLUMNS
        height, count = _write_parts(book, place, _parts(table, along, part, values[0]), at=at, is_share=is_share)
        lines = [at + number for number in range(1, count)]
    is_stacked = kind == "column" and len(lines) > 1
    chart = book.add_chart({"type": kind, "subtype": "stacked"} if is_stacked else {"type": kind})
    for line, color in zip(lines, cycle(CATEGORIES), strict=False):
        look = {"line": {"color": color, "width": 2}} if kind == "line" else {"fill": {"color": color}, "gap": 40}
        reach, cells = [sheet, 1, at, height, at], [sheet, 1, line, height, line]
        chart.add_series({"name": [sheet, 0, line], "categories": reach, "values": cells, **look})
    day = {"text_axis": True, "num_format": "d mmm"} if table[along].dtype.is_temporal() else {}
    lowest: Any = table[values[0]].min()
    measured = {
        **({} if is_stacked else {"name": [sheet, 0, first]}),
        **({"num_format": "0%"} if is_share else {}),
        **({"min": 0} if (lowest or 0) >= 0 else {}),
    }
    axes = [{"name": [sheet, 0, table.columns.index(along)], "reverse": is_text, **day}, {**_GRID, **measured}]
    chart.set_x_axis(axes[is_text])  # of bars, too, the horizontal one
    chart.set_y_axis(axes[not is_text])
    chart.set_title({"name": ["Summary", title_row, 1], "name_font": {"size": 12}})
    chart.set_legend({"none": True} if len(lines) == 1 else {"position": "bottom"})
    chart.show_blanks_as("gap")
    chart.show_hidden_data()  # a filter of the table hides rows, and not what is drawn
    chart.set_size({"width": 660, "height": 360})
    place.insert_chart(1, table.width + 1, chart, {"description": describe(figure.spec)})


def _parts(table: pl.DataFrame, along: str, part: str, value: str) -> pl.DataFrame:
    """Return a table with a column for each part: of the same steps, whichever rows a part has."""
    finite = pl.when(pl.col(value).cast(pl.Float64).is_finite()).then(value)
    named = table.select(pl.col(along).alias(_STEP), pl.col(part).cast(pl.String).fill_null("(none)"), finite)
    return named.pivot(on=part, index=_STEP, values=value, aggregate_function="first").sort(_STEP)


def _write_parts(book: Any, place: Any, parts: pl.DataFrame, *, at: int, is_share: bool) -> tuple[int, int]:
    """Write such a table from a column on, and return its height and width."""
    bold, number = book.add_format({"bold": True}), "0.0%" if is_share else "#,##0"
    for column, series in enumerate(parts, start=at):
        form = "yyyy-mm-dd" if series.dtype.is_temporal() else "0" if series.name == _STEP else number
        place.write_string(0, column, "" if series.name == _STEP else safe_text(series.name), bold)
        place.write_column(1, column, series.to_list(), book.add_format({"num_format": form}))
    return parts.height, parts.width


def _plan(figure: Figure) -> tuple[str, str | None, list[str]] | None:
    """Return the column that a figure's numbers go along, the one of its lines or parts, and the numbers' own.

    They are what the figure draws; where it draws what it made of them, the shares that its name speaks of.
    """
    table, drawn = figure.table, _fields(figure.spec)
    steps = [name for name in _ALONG if name in table.columns]
    text = [name for name in table.select(pl.col(pl.String, pl.Enum, pl.Categorical)).columns if name not in _TOLD]
    parts = [name for name in (*text, "window_days", "cohort") if name in table.columns and table[name].n_unique() > 1]
    along = steps[0] if steps else parts.pop(0) if parts else None
    measured = [name for name in drawn if name in table.columns and name != along and table[name].dtype.is_numeric()]
    shares = [name for name in rates_of(table) if name.endswith(("_rate", "_share"))]
    shares.sort(key=lambda name: name.split("_")[0] not in figure.name)
    together = [list(names) for names in _TOGETHER if {*names} <= {*table.columns}]
    people = [name for name in table.select(cs.integer()).columns if name.endswith("_users")]
    values = together[0] if together else measured[:1] or shares[:1] or people[:1]
    has_several_units = values[:1] and values[0] in OF_METRIC and table["metric"].n_unique() > 1
    if along is None or not values or has_several_units or table[along].null_count():
        return None
    if table.select(pl.struct(along, *parts[:1]).is_duplicated().any()).item():
        return None  # of more parts than a chart tells apart
    return along, parts[0] if parts else None, values


def _fields(spec: Any) -> list[str]:
    """Return the columns that a figure's marks are as long, as high or as dark as; a band's own rate for its ends."""
    views = [*spec.get("layer", []), *([spec["spec"]] if "spec" in spec else [])]
    own = [
        str(encoding["field"]).removesuffix("_low")
        for channel, encoding in spec.get("encoding", {}).items()
        if channel in ("x", "y", "color") and isinstance(encoding, dict) and encoding.get("type") == "quantitative"
    ]
    return [*own, *(name for view in views for name in _fields(view))]


def _marks(spec: Any) -> set[str]:
    """Return the kinds of marks of a figure."""
    views = [*spec.get("layer", []), *([spec["spec"]] if "spec" in spec else [])]
    own = {spec["mark"]["type"]} if isinstance(spec.get("mark"), dict) else set()
    return own.union(*map(_marks, views))


def _told(line: Headline) -> str:
    """Return how a headline changed, and what stands behind it."""
    return " · ".join(part for part in (line.change, line.detail) if part)


def _columns(content: Content, named: dict[str, str], words: Callable[[str], str]) -> pl.DataFrame:
    """Return what each column of each sheet means, as far as the package knows it."""
    rows = [
        (named[name], words(column), column, str(dtype).split("(")[0], _meaning(name, column))
        for name, table in content.tables.items()
        for column, dtype in table.schema.items()
    ]
    schema = dict.fromkeys(("Sheet", "Header", "Column", "Type", "Meaning"), pl.String)
    return pl.DataFrame(rows, schema=schema, orient="row")


def _meaning(name: str, column: str) -> str:
    """Return a column's meaning: in the table of that name, else in the first that has it."""
    candidates = [_TABLES[name]] if name in _TABLES else []
    known = [table.columns[column].meaning for table in (*candidates, *_TABLES.values()) if column in table.columns]
    return known[0] if known else ""


def _pairs(first: str, second: str, rows: Iterable[tuple[str, str]]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema={first: pl.String, second: pl.String}, orient="row")
