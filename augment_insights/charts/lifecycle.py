"""The chart of who comes, comes back and falls silent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from augment_insights.charts import caption, marks
from augment_insights.charts.theme import LIGHT, WIDTH, load_altair

if TYPE_CHECKING:
    from datetime import date

    import altair as alt

    from augment_insights.periods import Every

_COLUMNS = (
    "period_start",
    "new_users",
    "returning_users",
    "resurrected_users",
    "dormant_users",
    "active_users",
    "is_complete",
)
_STATES = {
    "earlier_users": ("Seen before", "#8b949e"),
    "returning_users": ("Returning", "#0072B2"),
    "resurrected_users": ("Resurrected", "#56B4E9"),
    "new_users": ("New", "#009E73"),
    "dormant_users": ("Dormant", "#D55E00"),
}
"""What a bar is made of, from the axis upwards; dormant users hang below it."""

_MAX_PIECES = 1500
_PIECES_OF_A_BAR = 4


def lifecycle(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    population: str = "people",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
    every: str | None = None,
) -> alt.LayerChart | alt.FacetChart:
    """How many active users of each period are new, returning or back, and how many fell silent?

    A bar a period: above the axis its active users by where they come from, below it those who
    were active in the period before and are not now. Growth is what new and resurrected
    users add over what dormant ones take away. A period that is not over is veiled: its dormant
    users may still come. A table by groups has a panel a group, at most eight: the largest, and
    the subtitle says so. A count that is not known (null) is not drawn; where neither returning nor
    resurrected users are known, those who were seen before are one grey piece.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.lifecycle``: one row a period, or a group and period.
    population : str
        Who is counted, for the subtitle.
    as_of : date or str, optional
        The last day of the data, for the subtitle. Left out, the end of the last complete period.
    sample : bool
        Say in the subtitle that the organisation is made up.
    width : int
        Width of the plot in pixels.
    every : {"1d", "1w", "1mo", "1q"}, optional
        The period of the rows. Left out, it is read off the distance between them.

    Returns
    -------
    alt.LayerChart or alt.FacetChart
        Neither shown nor saved; it holds the drawn columns only. Panels for groups are a FacetChart.

    Raises
    ------
    TableError
        When a column is missing.

    See Also
    --------
    augment_insights.analysis.retention : the table.
    active_users : the same users, in one line.

    Examples
    --------
    >>> from datetime import date
    >>> weeks = pl.DataFrame({
    ...     "period_start": [date(2026, 3, 2), date(2026, 3, 9)],
    ...     "new_users": [4, 2],
    ...     "returning_users": [30, 31],
    ...     "resurrected_users": [3, 5],
    ...     "dormant_users": [6, 6],
    ...     "active_users": [37, 38],
    ...     "is_complete": [True, True],
    ... })
    >>> lifecycle(weeks).title.subtitle
    'people · data to 15 Mar 2026'
    """
    frame = caption.with_group(caption.keep(table, _COLUMNS, name="lifecycle"), _COLUMNS)
    frame, fewer = caption.largest_groups(frame, size="active_users", most=marks.MAX_PANELS)
    period = caption.infer_every(frame["period_start"], every)
    groups = max(1, frame["group"].n_unique())
    frame, cut = caption.latest(frame, most=_MAX_PIECES // (groups * _PIECES_OF_A_BAR))
    heading = f"{caption.ADJECTIVE.get(period or '', '')} user lifecycle".strip().capitalize()
    line = caption.subtitle(
        population=population,
        data_to=caption.as_day(as_of) or _complete_to(frame, period),
        sample=sample,
        note=" · ".join(part for part in (fewer, cut) if part),
    )
    if frame.is_empty():
        return caption.no_data(heading, line, width=width)
    grouped = frame["group"].null_count() < frame.height
    drawn = _bars(frame, every=period, grouped=grouped)
    words = {
        "title": caption.title(heading, line),
        "description": _describe(frame, heading=heading, line=line, grouped=grouped),
    }
    chart = _stacked(drawn, every=period, grouped=grouped)
    if grouped:
        return marks.panels(chart, drawn["panel"].unique().sort().to_list(), width=width).properties(**words)
    return marks.single(chart, width=width).properties(**words)


def _complete_to(frame: pl.DataFrame, every: Every | None) -> date | None:
    """Return the last day of the last complete period."""
    start = frame.filter("is_complete").get_column("period_start").max()
    return None if start is None else caption.last_day(start, every)  # type: ignore[arg-type]  # max() of dates is a date


def _bars(frame: pl.DataFrame, *, every: Every | None, grouped: bool) -> pl.DataFrame:
    """Return a row a period and state, with the piece of the bar that it draws.

    The pieces are laid on one another here, because the order in which Vega-Lite stacks them has
    changed between the versions that front ends bring along.
    """
    state = pl.col("state")
    # Of the first period it may be known who is new, and not when the others were there before.
    seen_before = pl.col("active_users") - pl.col("new_users").fill_null(0)
    untold = pl.col("returning_users").is_null() & pl.col("resurrected_users").is_null() & (seen_before > 0)
    known = frame.with_columns(pl.when(untold).then(seen_before).alias("earlier_users"))
    ends = caption.period_ends(frame["period_start"], every)
    long = known.unpivot(
        list(_STATES),
        index=["group", "period_start", "active_users", "is_complete"],
        variable_name="state",
        value_name="users",
    )
    labels = {column: label for column, (label, _) in _STATES.items()}
    upper = pl.when(state != "dormant_users").then("users").otherwise(0).fill_null(0)
    return (
        long.join(ends, on="period_start", how="left")
        .with_columns(top=upper.cum_sum().over("group", "period_start"))
        .with_columns(
            pl.when(state == "dormant_users").then(0).otherwise(pl.col("top") - upper).alias("bottom"),
            pl.when(state == "dormant_users").then(-pl.col("users")).otherwise("top").alias("top"),
            pl.when("is_complete").then(pl.lit("complete")).otherwise(pl.lit("not over yet")).alias("over"),
            state.replace_strict(labels, return_dtype=pl.String),
        )
        .drop_nulls("users")
        .rename({"group": "panel"})
        .select(
            *(["panel"] if grouped else []),
            *("period_start", "next_start", "state", "users", "active_users", "bottom", "top", "over"),
        )
        .sort(*(["panel"] if grouped else []), "period_start", "bottom", "state")
    )


def _stacked(drawn: pl.DataFrame, *, every: Every | None, grouped: bool) -> alt.LayerChart:
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    present = set(drawn["state"])
    labels, colors = zip(*(named for named in _STATES.values() if named[0] in present), strict=True)
    tooltip = [
        marks.day("period_start", "From"),
        marks.words("state", "Users"),
        marks.count("users", "How many"),
        marks.count("active_users", "Active users in all"),
        marks.words("over", caption.NOUN.get(every or "", "period").capitalize()),
        *([marks.words("panel", "Group")] if grouped else []),
    ]
    # Below the axis stand users as well: their number carries no minus sign.
    axis = marks.whole_axis(signed=False)
    base = alt.Chart(drawn)
    few = drawn.height <= marks.MAX_OUTLINED
    bars = base.mark_bar(stroke=LIGHT.surface, strokeWidth=0.6 if few else 0, aria=few).encode(
        x=caption.time_axis(drawn["period_start"], every),
        x2="next_start:T",
        y=alt.Y("bottom:Q", title="Users (dormant below the axis)" if not grouped else "Users", axis=axis),
        y2="top:Q",
        color=marks.series_color(labels, column="state", colors=colors),
        tooltip=tooltip,
        **marks.veil("over"),
    )
    zero = base.transform_aggregate(bars="count()", groupby=["panel"] if grouped else []).mark_rule(color=LIGHT.muted)
    return alt.LayerChart(layer=[bars, zero.encode(y=alt.datum(0))])


def _describe(frame: pl.DataFrame, *, heading: str, line: str, grouped: bool) -> str:
    """Say the chart in words, for those who do not see it."""
    told = f"Stacked bar chart of {heading.lower()} ({line}): {frame['period_start'].n_unique()} periods"
    if grouped:
        return f"{told}, {frame['group'].n_unique()} groups."
    complete = frame.filter("is_complete").sort("period_start")
    if complete.is_empty():
        return f"{told}, none of them over yet."
    last = complete.row(-1, named=True)
    parts = [
        f"{last[column] if last[column] is not None else 'an unknown number of'} {label.lower()}"
        for column, (label, _) in _STATES.items()
        if column in last
    ]
    return f"{told}; in the last complete one, of {caption.day_text(last['period_start'])}: {', '.join(parts)} users."
