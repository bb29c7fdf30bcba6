"""Charts of the licences: how many of them are used, and how many ever were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from augment_insights.charts import caption, marks
from augment_insights.charts.theme import LIGHT, WIDTH, load_altair

if TYPE_CHECKING:
    from datetime import date

    import altair as alt

    from augment_insights.periods import Every

_RATE = (
    "period_start",
    "period_end",
    "active_users",
    "licensed_users",
    "adoption_rate",
    "adoption_rate_low",
    "adoption_rate_high",
    "is_complete",
)
_CURVE = ("period_start", "new_users", "cumulative_users")
_LICENSED = ("licensed_users", "adoption_rate")
_SEEN, _LICENCES, _NEW = "Seen so far", "Licensed", "New in the period"


def adoption_rate(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    population: str = "people",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
) -> alt.LayerChart | alt.FacetChart:
    """Which share of the licensed users is active, period by period or group by group?

    A line over periods with its 95% interval as a band; a period that is not over is an open point
    on a dashed line. A table by groups has a panel a group, at most eight; of one period only, a
    dot with whiskers a group, highest rate first, at most forty: those with most licences, and the
    subtitle says so. Where there is no licence there is no rate: a gap, never a zero.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.adoption_rate``: one row a period, or a group and period.
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
    alt.LayerChart or alt.FacetChart
        Neither shown nor saved; it holds the drawn columns only. Panels for groups are a FacetChart.

    Raises
    ------
    TableError
        When a column is missing.

    See Also
    --------
    augment_insights.analysis.adoption_rate : the table.
    adoption_curve : everybody who was ever active, over licences.

    Examples
    --------
    >>> from datetime import date
    >>> months = pl.DataFrame({
    ...     "period_start": [date(2026, 1, 1), date(2026, 2, 1)],
    ...     "period_end": [date(2026, 1, 31), date(2026, 2, 28)],
    ...     "active_users": [30, 45],
    ...     "licensed_users": [60, 60],
    ...     "adoption_rate": [0.5, 0.75],
    ...     "adoption_rate_low": [0.377, 0.627],
    ...     "adoption_rate_high": [0.623, 0.842],
    ...     "is_complete": [True, True],
    ... })
    >>> adoption_rate(months).title.text
    'Monthly adoption rate: active users of licensed users'
    """
    frame = caption.with_group(caption.keep(table, _RATE, name="adoption_rate"), _RATE)
    over_time = frame["period_start"].n_unique() > 1 or frame["group"].null_count() == frame.height
    most = marks.MAX_PANELS if over_time else caption.MAX_ROWS
    frame, fewer = caption.largest_groups(frame, size="licensed_users", most=most)
    complete_to = frame.filter("is_complete").get_column("period_end").max()
    every = caption.infer_every(frame["period_start"])
    heading = f"{caption.ADJECTIVE.get(every or '', '')} adoption rate: active users of licensed users".strip()
    heading = heading[0].upper() + heading[1:]
    line = caption.subtitle(
        population=population,
        data_to=caption.as_day(as_of) or complete_to,  # type: ignore[arg-type]  # max() of dates is a date
        sample=sample,
        note=" · ".join(part for part in (_intervals(frame), fewer) if part),
    )
    if not frame["adoption_rate"].count():
        return caption.no_data(heading, line, width=width)
    chart = _rate_lines(frame, every=every, width=width) if over_time else _rate_dots(frame, width=width)
    return chart.properties(
        title=caption.title(heading, line),
        description=_describe_rate(frame, heading=heading, line=line, over_time=over_time),
    )


def adoption_curve(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    population: str = "people",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
    every: str | None = None,
) -> alt.LayerChart:
    """How many users have ever been active, and how far is that from the licences?

    A line of everybody seen so far, with bars for those who came in each period; a table with
    licences has a line for them too: the gap between the two never started. A curve that goes
    flat below the licences has stopped spreading. A last period that ends after ``as_of`` is an
    open point on a dashed line, and its bar is veiled.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.adoption_curve``, with licences or without: one row a period.
    population : str
        Who is counted, for the subtitle.
    as_of : date or str, optional
        The last day of the data: for the subtitle, and to tell which period is not over.
    sample : bool
        Say in the subtitle that the organisation is made up.
    width : int
        Width of the plot in pixels.
    every : {"1d", "1w", "1mo", "1q"}, optional
        The period of the rows. Left out, it is read off the distance between them.

    Returns
    -------
    alt.LayerChart
        Neither shown nor saved; it holds the drawn columns only.

    Raises
    ------
    TableError
        When a column is missing, or a period has more than one row.

    See Also
    --------
    augment_insights.analysis.adoption : the table.
    adoption_rate : the share that is active in each period.

    Examples
    --------
    >>> from datetime import date
    >>> weeks = pl.DataFrame({
    ...     "period_start": [date(2026, 3, 2), date(2026, 3, 9)],
    ...     "new_users": [5, 3],
    ...     "cumulative_users": [5, 8],
    ...     "licensed_users": [10, 10],
    ...     "adoption_rate": [0.5, 0.8],
    ... })
    >>> adoption_curve(weeks, as_of="2026-03-15").title.text
    'Adoption curve: users ever active, and licensed users'
    """
    needed = caption.with_optional(table, _CURVE, _LICENSED)
    frame = caption.keep(table, needed, name="adoption_curve").select(needed)
    caption.refuse_repeats(frame, ["period_start"], table="adoption_curve")
    licensed = "licensed_users" in needed
    period = caption.infer_every(frame["period_start"], every)
    data_to = caption.as_day(as_of)
    heading = f"Adoption curve: users ever active{', and licensed users' if licensed else ''}"
    line = caption.subtitle(population=population, data_to=data_to, sample=sample)
    if frame.is_empty():
        return caption.no_data(heading, line, width=width)
    drawn = _with_periods(frame, every=period, as_of=data_to)
    last = drawn.row(-1, named=True)
    of = f" of {last['licensed_users']:,} licensed" if licensed and last["licensed_users"] else ""
    return marks.single(_curve(drawn, every=period, licensed=licensed), width=width).properties(
        title=caption.title(heading, line),
        description=f"Line chart of {heading.lower()} ({line}): {drawn.height} periods; in the one of "
        f"{caption.day_text(last['period_start'])}, {last['cumulative_users']:,}{of} have been active.",
    )


def _intervals(frame: pl.DataFrame) -> str:
    return "95% intervals" if frame["adoption_rate_low"].count() else ""


def _rate_tooltip(every: Every | None, *, group: str | None) -> list[alt.Tooltip]:
    return [
        marks.day("period_start", "From"),
        marks.day("period_end", "To"),
        marks.percent("adoption_rate", "Adoption rate"),
        marks.count("active_users", "Active users"),
        marks.count("licensed_users", "Licensed users"),
        *marks.interval("adoption_rate"),
        marks.words("state", caption.NOUN.get(every or "", "period").capitalize()),
        *([marks.words(group, "Group")] if group else []),
    ]


def _rate_lines(frame: pl.DataFrame, *, every: Every | None, width: int) -> alt.LayerChart | alt.FacetChart:
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    grouped = frame["group"].null_count() < frame.height
    marked = caption.mark_incomplete(frame, "adoption_rate").rename({"group": "panel"})
    drawn = marked.select(*_RATE[:-1], "solid", "dashed", "open", "state", *(["panel"] if grouped else []))
    layers = marks.lines(
        alt.Chart(drawn).encode(x=caption.time_axis(drawn["period_start"], every)),
        marks.share_axis("Active users / licensed users"),
        value="adoption_rate",
        tooltip=_rate_tooltip(every, group="panel" if grouped else None),
        band="adoption_rate",
        points=drawn["period_start"].n_unique(),
    )
    chart = alt.LayerChart(layer=layers)
    if not grouped:
        return marks.single(chart, width=width)
    return marks.panels(chart, drawn["panel"].unique().sort().to_list(), width=width)


def _rate_dots(frame: pl.DataFrame, *, width: int) -> alt.LayerChart:
    drawn = (
        caption.mark_incomplete(frame, "adoption_rate")
        .sort("adoption_rate", "group", descending=[True, False], nulls_last=True)
        .select("group", *_RATE[:-1], "state")
    )
    load_altair()
    return marks.whiskers(
        drawn,
        row="group",
        rate="adoption_rate",
        title="Active users / licensed users",
        tooltip=_rate_tooltip(None, group="group"),
    ).properties(width=width)


def _describe_rate(frame: pl.DataFrame, *, heading: str, line: str, over_time: bool) -> str:
    """Say the chart in words, for those who do not see it."""
    if not over_time:
        return f"Dot plot of {heading.lower()} ({line}): {frame.height} groups."
    told = f"Line chart of {heading.lower()} ({line}): {frame['period_start'].n_unique()} periods"
    if frame["group"].null_count() < frame.height:
        return f"{told}, {frame['group'].n_unique()} groups."
    known = frame.filter("is_complete").drop_nulls("adoption_rate").sort("period_start")
    if known.is_empty():
        return f"{told}, none of them over yet."
    last = known.row(-1, named=True)
    return f"{told}; {last['adoption_rate']:.0%} in the last complete one, of {caption.day_text(last['period_start'])}."


def _with_periods(frame: pl.DataFrame, *, every: Every | None, as_of: date | None) -> pl.DataFrame:
    """Add where each period ends for drawing, and which is not over."""
    over = pl.lit(value=True) if as_of is None else pl.col("next_start") <= pl.lit(as_of).dt.offset_by("1d")
    known = frame.join(caption.period_ends(frame["period_start"], every), on="period_start", how="left").with_columns(
        over.alias("is_complete"), pl.lit(None, dtype=pl.String).alias("group")
    )
    return caption.mark_incomplete(known, "cumulative_users").drop("is_complete", "group")


def _curve(drawn: pl.DataFrame, *, every: Every | None, licensed: bool) -> alt.LayerChart:
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    tooltip = [
        marks.day("period_start", "From"),
        marks.count("new_users", "New users"),
        marks.count("cumulative_users", "Seen so far"),
        *([marks.count("licensed_users", "Licensed users")] if licensed else []),
        *([marks.percent("adoption_rate", "Seen of licensed")] if licensed else []),
        marks.words("state", caption.NOUN.get(every or "", "period").capitalize()),
    ]
    y = marks.count_axis("Users")

    colors = {_SEEN: "#0072B2", **({_LICENCES: "#E69F00"} if licensed else {}), _NEW: "#56B4E9"}
    color = marks.series_color(list(colors), column="series", colors=list(colors.values()))
    base = alt.Chart(drawn).encode(x=caption.time_axis(drawn["period_start"], every), color=color)

    def series(name: str) -> alt.Chart:
        """Give every mark of a layer the colour of one entry of the legend."""
        return base.transform_calculate(series=f"'{name}'")

    bars = series(_NEW).mark_bar(stroke=LIGHT.surface, strokeWidth=1)
    layers = [bars.encode(x2="next_start:T", y=y("new_users"), y2=alt.datum(0), tooltip=tooltip, **marks.veil("state"))]
    if licensed:
        steps = series(_LICENCES).mark_line(strokeWidth=2.5, interpolate="step-after")
        layers.append(steps.encode(y=y("licensed_users")))
    layers += marks.lines(series(_SEEN), y, value="cumulative_users", tooltip=tooltip, points=drawn.height)
    return alt.LayerChart(layer=layers)
