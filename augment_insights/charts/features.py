"""Charts of which ways of working are used, how the work splits between them, and where people move to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import polars as pl

from augment_insights.charts import caption, marks
from augment_insights.charts.theme import CATEGORIES, LIGHT, WIDTH, load_altair
from augment_insights.errors import did_you_mean

if TYPE_CHECKING:
    from datetime import date

    import altair as alt

    from augment_insights.periods import Every

Of = Literal["messages", "lines"]
"""What the mix is of."""

_MODES = {
    "completions": "Completions",
    "chat": "Chat",
    "ide_agent": "IDE agent",
    "remote_agent": "Remote agent",
    "cli_agent_interactive": "CLI agent, interactive",
    "cli_agent_non_interactive": "CLI agent, non-interactive",
}
"""The six ways of working in their order, as they are written on a chart."""

_COLORS = dict(zip(_MODES.values(), CATEGORIES, strict=True))
_FEATURES = (
    "feature",
    "active_users",
    "feature_users",
    "feature_rate",
    "feature_rate_low",
    "feature_rate_high",
)
_TRANSITIONS = ("from_mode", "to_mode", "users", "share")
_ROW_HEIGHT = 28
_CELL = 44
_WIDEST_CELL = 110
_MAX_PIECES = 2000
_MOST_MODES = len(_MODES) - 1
"""Chat has no lines and completions no messages."""


def feature_adoption(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    population: str = "people",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
) -> alt.LayerChart:
    """Which share of the active users used each way of working at least once?

    A row a way of working, in a fixed order: a dot for the share, whiskers for its 95% interval. A
    way that the API reports for nobody keeps its row and gets no dot: it is unknown, not unused. A
    table by groups has a coloured dot a group in each row, at most six: those with most active
    users, and the subtitle says so.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.feature_adoption``: one row a feature, or a feature and group.
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
        When a column is missing, or a feature has more than one row a group.

    See Also
    --------
    augment_insights.analysis.feature_adoption : the table.
    mode_mix : how much of the work each carries.

    Examples
    --------
    >>> features = pl.DataFrame({
    ...     "feature": ["completions", "chat"],
    ...     "active_users": [40, 40],
    ...     "feature_users": [36, 20],
    ...     "feature_rate": [0.9, 0.5],
    ...     "feature_rate_low": [0.77, 0.35],
    ...     "feature_rate_high": [0.96, 0.65],
    ... })
    >>> feature_adoption(features, population="engineers").title.subtitle
    'engineers · 95% intervals'
    """
    frame = caption.with_group(caption.keep(table, _FEATURES, name="feature_adoption"), _FEATURES)
    caption.refuse_repeats(frame, ["feature", "group"], table="feature_adoption")
    frame, fewer = caption.largest_groups(frame, size="active_users", most=caption.MAX_LINES)
    heading = "Feature adoption: users of each way of working"
    intervals = "95% intervals" if frame["feature_rate_low"].count() else ""
    line = caption.subtitle(
        population=population,
        data_to=caption.as_day(as_of),
        sample=sample,
        note=" · ".join(part for part in (intervals, fewer) if part),
    )
    if not frame["feature_rate"].count():
        return caption.no_data(heading, line, width=width)
    load_altair()
    color = caption.group_color(frame)
    drawn = _named(frame, "feature").select(*_FEATURES, *(["group"] if color else []))
    tooltip = [
        marks.words("feature", "Way of working"),
        marks.percent("feature_rate", "Share of active users"),
        marks.count("feature_users", "Users of it"),
        marks.count("active_users", "Active users"),
        *marks.interval("feature_rate"),
        *([marks.words("group", "Group")] if color else []),
    ]
    chart = marks.whiskers(
        drawn, row="feature", rate="feature_rate", title="Share of active users", tooltip=tooltip, color=color
    )
    return chart.properties(
        title=caption.title(heading, line),
        width=width,
        description=_describe_features(frame, heading=heading, line=line),
    )


def mode_mix(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    of: Of = "messages",
    population: str = "people",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
    every: str | None = None,
) -> alt.LayerChart | alt.FacetChart:
    """Which share of the messages, or of the lines, does each way of working carry?

    A bar a period (or a group, without periods), split into shares that add up to 100%, the ways
    of working always in the same order and colour. Completions have no messages and chat has no
    lines, so they are only in the other mix. A period without any message is a gap. A period that
    ends after ``as_of`` is veiled. A table by groups and periods has a panel a group, at most
    eight; by groups only, a bar a group, at most forty: the largest, and the subtitle says so.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.mode_mix``: one row a mode, or a mode and period or group.
    of : {"messages", "lines"}
        What is split.
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
    alt.LayerChart or alt.FacetChart
        Neither shown nor saved; it holds the drawn columns only. Panels for groups are a FacetChart.

    Raises
    ------
    TableError
        When a column is missing, or a mode has more than one row a period and group.
    ValueError
        An unknown ``of``.

    See Also
    --------
    augment_insights.analysis.mode_mix : the table.
    feature_adoption : how many users each way has.

    Examples
    --------
    >>> modes = pl.DataFrame({
    ...     "mode": ["chat", "ide_agent"],
    ...     "messages_count": [30, 10],
    ...     "messages_share": [0.75, 0.25],
    ...     "lines_count": [None, 200],
    ...     "lines_share": [None, 1.0],
    ... }, schema_overrides={"lines_count": pl.Int64})
    >>> mode_mix(modes).title.text
    'Mode mix: share of messages'
    """
    if of not in get_args(Of):
        raise ValueError(f"of={of!r} is not something that is split.{did_you_mean(str(of), get_args(Of))}")
    frame, notes = _mix_rows(table, of=of)
    over_time = "period_start" in frame.columns
    period = caption.infer_every(frame["period_start"], every) if over_time else None
    heading = f"{caption.ADJECTIVE.get(period or '', '')} mode mix: share of {of}".strip()
    heading = heading[0].upper() + heading[1:]
    data_to = caption.as_day(as_of)
    line = caption.subtitle(population=population, data_to=data_to, sample=sample, note=notes)
    if not frame["share"].count():
        return caption.no_data(heading, line, width=width)
    words = {"title": caption.title(heading, line), "description": _describe_mix(frame, heading=heading, line=line)}
    pieces = _pieces(frame)
    if not over_time:
        return _mix_by_group(pieces, of=of, width=width).properties(**words)
    timed = _with_periods(pieces, every=period, as_of=data_to)
    return _mix_over_time(timed, of=of, every=period, width=width).properties(**words)


def mode_transitions(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    population: str = "people",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
) -> alt.LayerChart:
    """Where do people move to: from a user's main way of working to that of the next period?

    A heat map: a row the way of one period, a column that of the next, in each cell the share of
    the steps that start from the row, so rows add up to 100%. The diagonal is staying. A step that
    nobody made is light grey. Behind a share in a row with few users stand few people: see the
    tooltips.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.mode_transitions``: one row a pair of modes that occurs.
    population : str
        Who is counted, for the subtitle.
    as_of : date or str, optional
        The last day of the data, for the subtitle.
    sample : bool
        Say in the subtitle that the organisation is made up.
    width : int
        Width of the plot in pixels, at most.

    Returns
    -------
    alt.LayerChart
        Neither shown nor saved; it holds the drawn columns only.

    Raises
    ------
    TableError
        When a column is missing, or a pair of modes has more than one row.

    See Also
    --------
    augment_insights.analysis.mode_transitions : the table.

    Examples
    --------
    >>> steps = pl.DataFrame({
    ...     "from_mode": ["chat", "chat"],
    ...     "to_mode": ["chat", "ide_agent"],
    ...     "users": [6, 2],
    ...     "share": [0.75, 0.25],
    ... })
    >>> mode_transitions(steps).title.text
    'Mode transitions: main way of working, from one period to the next'
    """
    frame = caption.keep(table, _TRANSITIONS, name="mode_transitions").select(_TRANSITIONS)
    caption.refuse_repeats(frame, ["from_mode", "to_mode"], table="mode_transitions")
    heading = "Mode transitions: main way of working, from one period to the next"
    line = caption.subtitle(population=population, data_to=caption.as_day(as_of), sample=sample)
    if frame.is_empty():
        return caption.no_data(heading, line, width=width)
    drawn = _grid(_named(_named(frame, "from_mode"), "to_mode"))
    sides = drawn["from_mode"].n_unique()
    stays = frame.filter(pl.col("from_mode").cast(pl.String) == pl.col("to_mode").cast(pl.String)).height
    return _transition_map(drawn).properties(
        title=caption.title(heading, line),
        width=min(width, _WIDEST_CELL * sides),
        height=_CELL * sides,
        description=f"Heat map of {heading[0].lower()}{heading[1:]} ({line}): {frame.height} kinds of steps, "
        f"{stays} of them staying.",
    )


def _named(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Write the modes of a column as they are read, in their fixed order; an unknown one stays as it is."""
    mode = pl.col(column).cast(pl.String)
    order = pl.Series("mode", list(_MODES))
    place = mode.replace_strict(order, pl.int_range(0, len(_MODES), eager=True), default=len(_MODES))
    return frame.sort(place, mode, maintain_order=True).with_columns(
        mode.replace(list(_MODES), list(_MODES.values())).alias(column)
    )


def _describe_features(frame: pl.DataFrame, *, heading: str, line: str) -> str:
    """Say the chart in words, for those who do not see it."""
    told = f"Dot plot of {heading[0].lower()}{heading[1:]} ({line})"
    if frame["group"].null_count() < frame.height:
        return f"{told}: {frame['feature'].n_unique()} ways of working, {frame['group'].n_unique()} groups."
    rated = _named(frame, "feature").drop_nulls("feature_rate")
    parts = [f"{name} {caption.share_text(rate)}" for name, rate in rated.select("feature", "feature_rate").iter_rows()]
    return f"{told}: {', '.join(parts)}."


def _mix_rows(table: pl.DataFrame | pl.LazyFrame, *, of: Of) -> tuple[pl.DataFrame, str]:
    """Return the rows with ``share`` and ``count`` of what is split, in as many groups as can be drawn."""
    measured = (f"{of}_count", f"{of}_share")
    frame = caption.keep(table, ("mode", *measured), name="mode_mix")
    other = ("period_start", "messages_count", "messages_share", "lines_count", "lines_share")
    frame = caption.with_group(frame, ("mode", *other)).rename({measured[0]: "count", measured[1]: "share"})
    timed = ["period_start"] if "period_start" in frame.columns else []
    caption.refuse_repeats(frame, ["mode", "group", *timed], table="mode_mix")
    most = marks.MAX_PANELS if timed else caption.MAX_ROWS
    frame, fewer = caption.largest_groups(frame, size="count", most=most)
    kept = frame.select("mode", "group", *timed, "count", "share")
    if not timed:
        return kept, fewer
    kept, cut = caption.latest(kept, most=_MAX_PIECES // (_MOST_MODES * max(1, kept["group"].n_unique())))
    return kept, " · ".join(part for part in (fewer, cut) if part)


def _describe_mix(frame: pl.DataFrame, *, heading: str, line: str) -> str:
    """Say the chart in words, for those who do not see it."""
    told = f"Stacked bar chart of {heading[0].lower()}{heading[1:]} ({line})"
    over_time = "period_start" in frame.columns
    if frame["group"].null_count() < frame.height:
        return f"{told}: {frame['group'].n_unique()} groups."
    last = frame.filter(pl.col("period_start") == pl.col("period_start").max()) if over_time else frame
    known = _named(last, "mode").drop_nulls("share")
    parts = ", ".join(
        f"{name} {caption.share_text(share)}" for name, share in known.select("mode", "share").iter_rows()
    )
    when = f"{frame['period_start'].n_unique()} periods; in the last " if over_time else ""
    return f"{told}: {when}{parts}."


def _pieces(frame: pl.DataFrame) -> pl.DataFrame:
    """Lay the shares of each bar on one another, in the order of the modes."""
    bar = [name for name in ("group", "period_start") if name in frame.columns]
    return (
        _named(frame.drop_nulls("share"), "mode")
        .with_columns(
            pl.col("count").sum().over(bar).alias("of_count"),
            pl.col("share").cum_sum().over(bar).alias("top"),
        )
        .with_columns((pl.col("top") - pl.col("share")).alias("bottom"))
        .sort(*bar, maintain_order=True)
    )


def _mix_encoding(pieces: pl.DataFrame, *, of: Of, group: str | None) -> dict[str, Any]:
    """Return what bars over time and by group have in common: colours and tooltips."""
    present = [name for name in _COLORS if name in set(pieces["mode"])]
    return {
        "color": marks.series_color(present, column="mode", colors=[_COLORS[name] for name in present]),
        "tooltip": [
            marks.words("mode", "Way of working"),
            marks.percent("share", f"Share of {of}"),
            marks.count("count", of.capitalize()),
            marks.count("of_count", f"Of all {of}"),
            *([marks.day("period_start", "From")] if "period_start" in pieces.columns else []),
            *([marks.words(group, "Group")] if group else []),
        ],
    }


def _mix_by_group(pieces: pl.DataFrame, *, of: Of, width: int) -> alt.LayerChart:
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    grouped = pieces["group"].null_count() < pieces.height
    drawn = pieces.with_columns(pl.col("group").fill_null("all")).select(
        "group", "mode", "share", "count", "of_count", "bottom", "top"
    )
    names = drawn["group"].unique(maintain_order=True).to_list()
    axis = alt.Axis(format="%", grid=True)
    bars = (
        alt.Chart(drawn)
        .mark_bar(stroke=LIGHT.surface, strokeWidth=1)
        .encode(
            x=alt.X("bottom:Q", title=f"Share of {of}", scale=alt.Scale(domain=[0, 1]), axis=axis),
            x2="top:Q",
            y=alt.Y("group:N", title=None, sort=names, axis=alt.Axis() if grouped else None),
            **_mix_encoding(drawn, of=of, group="group" if grouped else None),
        )
    )
    return alt.LayerChart(layer=[bars]).properties(width=width, height=_ROW_HEIGHT * max(2, len(names)))


def _with_periods(pieces: pl.DataFrame, *, every: Every | None, as_of: date | None) -> pl.DataFrame:
    """Add where each period ends for drawing, and which is not over."""
    ends = caption.period_ends(pieces["period_start"], every)
    over = pl.lit(value=True) if as_of is None else pl.col("next_start") <= pl.lit(as_of).dt.offset_by("1d")
    state = pl.when(over).then(pl.lit("complete")).otherwise(pl.lit("not over yet"))
    return pieces.join(ends, on="period_start", how="left", maintain_order="left").with_columns(state.alias("state"))


def _mix_over_time(timed: pl.DataFrame, *, of: Of, every: Every | None, width: int) -> alt.LayerChart | alt.FacetChart:
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    grouped = timed["group"].null_count() < timed.height
    columns = ("period_start", "next_start", "mode", "share", "count", "of_count", "bottom", "top", "state")
    drawn = timed.rename({"group": "panel"}).select(*columns, *(["panel"] if grouped else []))
    few = drawn.height <= marks.MAX_OUTLINED
    bars = (
        alt.Chart(drawn)
        .mark_bar(stroke=LIGHT.surface, strokeWidth=0.6 if few else 0, aria=few)
        .encode(
            x=caption.time_axis(drawn["period_start"], every),
            x2="next_start:T",
            y=marks.share_axis(f"Share of {of}", most=1)("bottom"),
            y2="top:Q",
            **marks.veil("state"),
            **_mix_encoding(drawn, of=of, group="panel" if grouped else None),
        )
    )
    chart = alt.LayerChart(layer=[bars])
    if not grouped:
        return marks.single(chart, width=width)
    return marks.panels(chart, drawn["panel"].unique().sort().to_list(), width=width)


def _grid(frame: pl.DataFrame) -> pl.DataFrame:
    """Add the pairs of modes that nobody went between, without a number."""
    present = set(frame["from_mode"]) | set(frame["to_mode"])
    names = [name for name in _MODES.values() if name in present]
    names += sorted(present.difference(names))
    rows = pl.DataFrame({"from_mode": names}, schema={"from_mode": pl.String})
    return rows.join(rows.select(to_mode="from_mode"), how="cross").join(frame, on=["from_mode", "to_mode"], how="left")


def _transition_map(drawn: pl.DataFrame) -> alt.LayerChart:
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    names = drawn["from_mode"].unique(maintain_order=True).to_list()
    tooltip = [
        marks.words("from_mode", "From"),
        marks.words("to_mode", "To"),
        marks.percent("share", "Share of the steps from it"),
        marks.count("users", "Users who made the step"),
    ]
    scale = alt.Scale(domain=names, paddingInner=0.04)
    base = alt.Chart(drawn).encode(
        x=alt.X("to_mode:N", title="In the next period", scale=scale, axis=alt.Axis(labelAngle=-30)),
        y=alt.Y("from_mode:N", title="In one period", scale=scale),
        tooltip=tooltip,
    )
    color = alt.Color(
        "share:Q",
        title="Share of steps",
        scale=alt.Scale(domain=[0, 1], scheme="cividis"),
        legend=alt.Legend(format="%", gradientLength=120),
    )
    known = "isValid(datum.share)"
    share = "(datum.share > 0 && datum.share < 0.005 ? '<1%' : format(datum.share, '.0%'))"
    number = f"{share} + ' · ' + format(datum.users, ',d')"
    return alt.LayerChart(
        layer=[
            base.mark_rect(cornerRadius=2, color=LIGHT.ghost).transform_filter(f"!{known}"),
            base.mark_rect(cornerRadius=2).encode(color=color).transform_filter(known),
            base.mark_text(fontSize=12)
            .transform_filter(known)
            .transform_calculate(number=number)
            .encode(text="number:N", color=marks.ramp_ink("share")),
        ]
    )
