"""The chart of what is missing, double or unknown in the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from augment_insights.charts import caption, marks
from augment_insights.charts.theme import ACCENT, LIGHT, WIDTH, load_altair

if TYPE_CHECKING:
    from datetime import date

    import altair as alt

_COLUMNS = ("check", "affected_count", "checked_count", "affected_share")
_ROW_HEIGHT = 24
_SHORTEST_SCALE = 0.1
"""One row in a thousand should not look like half of them."""

_ROOM = 1.25
"""For the words behind the longest bar."""


def data_quality(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    population: str = "people and automation",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
) -> alt.LayerChart:
    """How much of the data is missing, double or unknown?

    A row a check, with a bar for the share that is affected and the two counts in words. A check that had
    nothing to look at keeps its row, without a bar.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.data_quality``: one row a check.
    population : str
        Who is counted, for the subtitle.
    as_of : date or str, optional
        The last day of the data, for the subtitle.
    sample : bool
        Say in the subtitle that the organisation is made up.
    width : int
        Width of the plot in pixels.

    Returns
    -------
    alt.LayerChart
        Neither shown nor saved; it holds the drawn columns only.

    Raises
    ------
    TableError
        When a column is missing, or a check has more than one row.

    See Also
    --------
    augment_insights.analysis.data_quality : the table.
    reconcile : whether the tables agree with one another.

    Examples
    --------
    >>> checks = pl.DataFrame({"check": ["dau: rows twice", "dau_count: days missing"], "affected_count": [0, 2],
    ...     "checked_count": [400, 28], "affected_share": [0.0, 0.071]})
    >>> data_quality(checks).title.subtitle
    'people and automation · 1 of 2 checks found something'
    """
    frame = caption.keep(table, _COLUMNS, name="data_quality").select(_COLUMNS)
    caption.refuse_repeats(frame, ["check"], table="data_quality")
    found = frame.filter(pl.col("affected_count") > 0)
    heading = "What is missing, double or unknown"
    line = caption.subtitle(
        population=population,
        data_to=caption.as_day(as_of),
        sample=sample,
        note=f"{found.height} of {frame.height} checks found something" if frame.height else "",
    )
    if frame.is_empty():
        return caption.no_data(heading, line, width=width)
    pairs = frame.select("affected_count", "checked_count").iter_rows()
    told = [f"{affected:,} of {checked:,}" if checked else "nothing to check" for affected, checked in pairs]  # few
    named = ", ".join(found["check"].head(5))
    return _bars(
        frame.with_columns(
            pl.Series("told", told, dtype=pl.String), affected_share=pl.col("affected_share").fill_null(0)
        )
    ).properties(
        title=caption.title(heading, line),
        width=width,
        height=_ROW_HEIGHT * frame.height,
        description=f"Bars by check. {heading} ({line}){': ' + named if named else ''}.",
    )


def _bars(drawn: pl.DataFrame) -> alt.LayerChart:
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    end = drawn.select(pl.max_horizontal(pl.lit(_SHORTEST_SCALE), pl.col("affected_share").max() * _ROOM)).item()
    base = alt.Chart(drawn).encode(
        y=alt.Y("check:N", sort=drawn["check"].to_list(), title=None, axis=alt.Axis(labelLimit=400)),
        x=alt.X(
            "affected_share:Q",
            title="Share of what was looked at",
            scale=alt.Scale(domain=[0, end], nice=False),
            axis=alt.Axis(format=".0%", tickCount=5),
        ),
        tooltip=[
            marks.words("check", "Check"),
            marks.count("affected_count", "Affected"),
            marks.count("checked_count", "Looked at"),
            marks.percent("affected_share", "Share"),
        ],
    )
    return alt.LayerChart(
        layer=[
            base.mark_bar(color=ACCENT, height=10),
            base.mark_text(align="left", dx=6, color=LIGHT.ink).encode(text="told:N"),
        ]
    )
