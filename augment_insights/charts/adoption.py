"""Charts of who uses it, over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from augment_insights.charts import caption, marks
from augment_insights.charts.theme import HEIGHT, WIDTH, load_altair
from augment_insights.periods import check_every

if TYPE_CHECKING:
    from datetime import date

    import altair as alt

    from augment_insights.periods import Every

_COLUMNS = ("period_start", "period_end", "active_users", "is_complete")
_DRAWN = ("period_start", "period_end", "active_users", "group", "solid", "dashed", "open", "state")


def active_users(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    population: str = "people",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
) -> alt.LayerChart:
    """How many users were active, period by period?

    A line over complete periods; a period that is not over yet is an open point at the end of a
    dashed line, because it will still grow. A table grouped by team or the like gives a line a group, at most
    six: the largest, and the subtitle says so. Nothing is computed; an empty table gives a chart
    that says "No data".

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.active_users``: one row a period, or a group and period.
    population : str
        Who is counted, for the subtitle.
    as_of : date or str, optional
        The last day of the data, for the subtitle. Left out, the end of the last complete period.
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
        When a column is missing.

    See Also
    --------
    augment_insights.analysis.active_users : the table.

    Examples
    --------
    >>> from datetime import date
    >>> weeks = pl.DataFrame({
    ...     "period_start": [date(2026, 3, 2), date(2026, 3, 9)],
    ...     "period_end": [date(2026, 3, 8), date(2026, 3, 15)],
    ...     "active_users": [41, 12],
    ...     "is_complete": [True, False],
    ... })
    >>> active_users(weeks, as_of="2026-03-10").title.subtitle
    'people · data to 10 Mar 2026'
    """
    frame = caption.with_group(caption.keep(table, _COLUMNS, name="active_users"), _COLUMNS)
    frame, note = caption.largest_groups(frame, size="active_users", most=caption.MAX_LINES)
    complete_to = frame.filter("is_complete").get_column("period_end").max()
    line = caption.subtitle(
        population=population,
        data_to=caption.as_day(as_of) or complete_to,  # type: ignore[arg-type]  # max() of dates is a date
        sample=sample,
        note=note,
    )
    every = _every(frame)
    heading = f"{caption.ADJECTIVE.get(every or '', '')} active users".strip().capitalize()
    if frame.is_empty():
        return caption.no_data(heading, line, width=width)
    drawn = caption.mark_incomplete(frame, "active_users").select(_DRAWN)
    chart = _lines(drawn, every=every)
    return chart.properties(
        title=caption.title(heading, line),
        width=width,
        height=HEIGHT,
        description=_describe(drawn, heading=heading, line=line),
    )


def _every(frame: pl.DataFrame) -> Every | None:
    """Return the period of rows whose first and last day are both known."""
    days = frame.select((pl.col("period_end") - pl.col("period_start")).dt.total_days().max() + 1).item()
    if days is None:
        return None
    longest = {"1d": 1, "1w": 7, "1mo": 31, "1q": 92}
    return check_every(next((every for every, most in longest.items() if days <= most), "1q"))


def _lines(drawn: pl.DataFrame, *, every: Every | None) -> alt.LayerChart:
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    color = caption.group_color(drawn)
    tooltip = [
        alt.Tooltip("period_start:T", title="From", format="%-d %b %Y"),
        alt.Tooltip("period_end:T", title="To", format="%-d %b %Y"),
        alt.Tooltip("active_users:Q", title="Active users", format=",d"),
        alt.Tooltip("state:N", title=caption.NOUN.get(every or "", "period").capitalize()),
        *([alt.Tooltip("group:N", title="Group")] if color else []),
    ]
    base = alt.Chart(drawn if color else drawn.drop("group")).encode(
        x=caption.time_axis(drawn["period_start"], every), **color
    )
    layers = marks.lines(
        base,
        marks.count_axis("Active users"),
        value="active_users",
        tooltip=tooltip,
        points=drawn["period_start"].n_unique(),
    )
    return alt.LayerChart(layer=layers)


def _describe(drawn: pl.DataFrame, *, heading: str, line: str) -> str:
    """Say the chart in words, for those who do not see it."""
    periods = drawn["period_start"].n_unique()
    groups = drawn["group"].n_unique() if drawn["group"].null_count() < drawn.height else 1
    told = f"Line chart of {heading.lower()} ({line}): {periods} periods"
    if groups > 1:
        return f"{told}, {groups} groups."
    complete = drawn.drop_nulls("solid")
    if complete.is_empty():
        return f"{told}, none of them over yet."
    first, last = complete.row(0, named=True), complete.row(-1, named=True)
    return (
        f"{told}, from {first['active_users']} in the one of {caption.day_text(first['period_start'])} "
        f"to {last['active_users']} in the last complete one, of {caption.day_text(last['period_start'])}."
    )
