"""Charts of ways of working: which are used and how the work splits, who has a habit, how much a few users do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Unpack, get_args

import altair as alt
import polars as pl

from augment_insights import tables
from augment_insights.charts import marks
from augment_insights.charts.context import infer_every
from augment_insights.charts.theme import ACCENT, CATEGORIES, LIGHT
from augment_insights.errors import did_you_mean, plural

if TYPE_CHECKING:
    from datetime import date

    from augment_insights.charts.marks import CaptionKeywords

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
_CELL = 44
_WIDEST_CELL = 110
_MAX_PIECES = 2000
_MOST_MODES = len(_MODES) - 1
"""Chat has no lines and completions no messages."""

_TIERS = {
    "power": ("Power", "#0072B2"),
    "habitual": ("Habitual", "#56B4E9"),
    "novice": ("Novice", "#E69F00"),
    "low": ("Low", "#D55E00"),
    "non-user": ("Non-user", "#8b949e"),
}
_EVEN_SHARE = 0.1
"""What the top tenth of the users would do if all did the same."""

_EVEN = "mark: 10%, if all did the same"
_SHARE, _GINI = "Share by the top 10% of users", "Gini coefficient (0 = all do the same)"
_MIX_ROW_HEIGHT = 28
_TIER_ROW_HEIGHT = 34
_METRIC_ROW_HEIGHT = 30


def feature_adoption(table: pl.DataFrame | pl.LazyFrame, **caption: Unpack[CaptionKeywords]) -> alt.LayerChart:
    """Which share of the active users used each way of working at least once?

    A row a way of working, in a fixed order: a dot for the share, whiskers for its 95 % confidence
    interval. A way that the API reports for nobody keeps its row and gets no dot: it is unknown, not
    unused. A table by groups has a coloured dot a group in each row, at most six: those with most
    active users, and the subtitle says so. Joined to ``analysis.compare_groups`` (``verdict``, ``compared_groups``),
    dots without a measurable difference from the rest are pale.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.feature_adoption``: one row a feature, or a feature and group.
    **caption
        As for :mod:`every chart <augment_insights.charts>`.

    Returns
    -------
    alt.LayerChart

    Raises
    ------
    TableError
        When a feature has more than one row a group.

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
    'engineers · 95 % confidence intervals'
    """
    frame = marks.read(table, tables.FEATURE_ADOPTION, keys=["feature", "group"], also=["verdict", "compared_groups"])
    compared = marks.compared_note(frame)
    frame, fewer = marks.largest_groups(frame, size="active_users", most=marks.MAX_LINES)
    about = marks.caption(
        caption,
        "Feature adoption: users of each way of working",
        marks.interval_note(frame, "feature_rate"),
        compared,
        omitted=[fewer],
    )
    if not frame["feature_rate"].count():
        return marks.no_data(about)
    drawn, color = marks.group_color(_named(frame, "feature"))
    titles = {"feature": "Way of working", "feature_rate": "Share of active users", "feature_users": "Users of it"}
    titles |= {"active_users": "Active users"} | marks.interval("feature_rate") | marks.GROUP
    axis = titles["feature_rate"]
    if "verdict" in drawn.columns and color:
        titles["verdict"] = "Against the rest"
        color["opacity"] = marks.unless_judged("verdict")
        drawn = drawn.with_columns(marks.against_the_rest())
    chart = marks.whiskers(drawn, row="feature", rate="feature_rate", title=axis, titles=titles, color=color)
    told = _shares_text(drawn, "feature", "feature_rate")
    if color:
        told = f"{drawn['feature'].n_unique()} ways of working, {plural(drawn['group'].n_unique(), 'group')}"
    return marks.finished(chart, about, "Dot plot", told)


def mode_mix(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    of: Of = "messages",
    every: str | None = None,
    since: date | str | None = None,
    **caption: Unpack[CaptionKeywords],
) -> alt.LayerChart | alt.FacetChart:
    """Which share of the messages, or of the lines, does each way of working carry?

    A bar a period (or a group, without periods), split into shares that add up to 100%, the ways
    of working always in the same order and colour. Completions have no messages and chat has no
    lines, so they are only in the other mix. A period without any message is a gap. A period that
    the data holds only in part is drawn faded. A table by groups and periods has a panel a group, at most
    eight; by groups only, a bar a group, at most forty: the largest, and the subtitle says so.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.mode_mix``: one row a mode, or a mode and period or group.
    of : {"messages", "lines"}
        What is split.
    every, **caption
        As for :mod:`every chart <augment_insights.charts>`.
    since : date or str, optional
        The first day of the data, where the table does not say which periods the data holds only in part.

    Returns
    -------
    alt.LayerChart or alt.FacetChart
        Panels for groups are a FacetChart.

    Raises
    ------
    TableError
        When a mode has more than one row a period and group.
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
        raise ValueError(f"of={of!r} is not valid.{did_you_mean(str(of), get_args(Of))}")
    measured = {f"{of}_count": "count", f"{of}_share": "share"}
    # Of the other mix nothing is needed.
    contract = replace(tables.MODE_MIX, columns={name: tables.MODE_MIX.columns[name] for name in ("mode", *measured)})
    timed = ["period_start", "is_complete"]
    frame = marks.read(table, contract, keys=["mode", "group", "period_start"], also=timed)
    over_time = "period_start" in frame.columns
    timed = [name for name in timed if name in frame.columns]
    frame = frame.rename(measured).select("mode", "group", *timed, "count", "share")
    most = marks.MAX_PANELS if over_time else marks.MAX_ROWS
    frame, fewer = marks.largest_groups(frame, size="count", most=most)
    period, cut = None, ""
    if over_time:
        groups = max(1, frame["group"].n_unique())
        frame, cut = marks.latest_periods(frame, most=_MAX_PIECES // (_MOST_MODES * groups))
        period = infer_every(frame["period_start"], every)
    about = marks.caption(caption, marks.heading(period, f"mode mix: share of {of}"), omitted=[fewer, cut])
    if not frame["share"].count():
        return marks.no_data(about)
    kind, told = "Stacked bar chart", _mix_text(frame)
    pieces = _pieces(frame)
    titles = {"mode": "Way of working", "share": f"Share of {of}", "count": of.capitalize(), "of_count": f"Of all {of}"}
    titles |= {"period_start": "From"} | (marks.GROUP if marks.is_grouped(frame) else {})
    color = marks.present_color(pieces, _COLORS, column="mode")
    axis_title = f"Share of {of}"
    if not over_time:
        drawn = pieces.with_columns(pl.col("group").fill_null("all"))
        rows = alt.Axis() if marks.is_grouped(frame) else None
        bars = marks.share_rows(drawn, title=axis_title, color=color, titles=titles, axis=rows)
        height = _MIX_ROW_HEIGHT * max(2, drawn["group"].n_unique())
        return marks.single([bars], about, kind, told, height=height)
    ends = marks.with_period_ends(pieces, every=period, since=since, as_of=about.last_day).with_columns(marks.state())
    drawn = marks.group_color(ends.drop("is_complete"))[0].rename({"group": "panel"}, strict=False)
    share = marks.share_axis(axis_title, most=1)("bottom")
    bars = marks.period_bars(drawn, share, every=period, color=color, titles=titles, over="state")
    return marks.panels([bars], about, kind, told)


def mode_transitions(table: pl.DataFrame | pl.LazyFrame, **caption: Unpack[CaptionKeywords]) -> alt.LayerChart:
    """Where do people move to: from a user's main way of working to that of the next period?

    A heat map: a row the way of one period, a column that of the next, in each cell the share of
    the steps that start from the row, so rows add up to 100%. The diagonal is staying. A step that
    nobody made is light grey. Behind a share in a row with few users stand few people: see the
    tooltips.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.mode_transitions``: one row a pair of modes that occurs.
    **caption
        As for :mod:`every chart <augment_insights.charts>`; the plot has this width at most.

    Returns
    -------
    alt.LayerChart

    Raises
    ------
    TableError
        When a pair of modes has more than one row.

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
    frame = marks.read(table, tables.MODE_TRANSITIONS, keys=["from_mode", "to_mode"]).drop("group")
    heading = "Mode transitions: main way of working, from one period to the next"
    about = marks.caption(caption, heading)
    if frame.is_empty():
        return marks.no_data(about)
    steps = _named(_named(frame, "from_mode"), "to_mode")
    drawn = _grid(steps)
    sides = drawn["from_mode"].n_unique()
    stays = steps.filter(pl.col("from_mode") == pl.col("to_mode")).height
    told = f"{plural(frame.height, 'kind')} of steps, {stays} of them staying"
    about = replace(about, width=min(about.width, _WIDEST_CELL * sides))
    titles = {"from_mode": "From", "to_mode": "To", "share": "Share of the steps from it"}
    titles |= {"users": "Users who made the step"}
    scale = alt.Scale(domain=drawn["from_mode"].unique(maintain_order=True).to_list(), paddingInner=0.04)
    base = alt.Chart(drawn).encode(
        x=alt.X("to_mode:N", title="In the next period", scale=scale, axis=alt.Axis(labelAngle=-30)),
        y=alt.Y("from_mode:N", title="In one period", scale=scale),
        tooltip=marks.tooltip(drawn, titles),
    )
    known = "isValid(datum.share)"
    legend = alt.Legend(format="%", gradientLength=120)
    cells = marks.heat_map(base, "share", title="Share of steps", unknown=f"!{known}", legend=legend)
    share = "(datum.share > 0 && datum.share < 0.005 ? '<1%' : format(datum.share, '.0%'))"
    number = f"{share} + ' · ' + format(datum.users, ',d')"
    texts = base.mark_text(fontSize=12).transform_filter(known).transform_calculate(number=number)
    layers = [*cells, texts.encode(text="number:N", color=marks.ramp_ink("share"))]
    return marks.single(layers, about, "Heat map", told, height=_CELL * sides)


def habit_ladder(table: pl.DataFrame | pl.LazyFrame, **caption: Unpack[CaptionKeywords]) -> alt.LayerChart:
    """How many users have made a habit of it: power users, habitual, novices, low, non-users?

    A bar a tier with the number of users and their share. Tiers without anyone keep their row;
    non-users have one only if the table has them, which takes a roster. Users are counted, and
    their names are not in the chart. A table with a column of groups (a joined team) has a bar a
    group, split into shares of its users, at most forty: the largest, and the subtitle says so.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.habit_ladder``: one row a user.
    **caption
        As for :mod:`every chart <augment_insights.charts>`.

    Returns
    -------
    alt.LayerChart
        It holds the counts only.

    See Also
    --------
    augment_insights.analysis.habit_ladder : the table.
    concentration : how much of the work a few do.

    Examples
    --------
    >>> users = pl.DataFrame({
    ...     "user": ["ada@x.io", "bob@x.io"],
    ...     "user_type": ["person", "person"],
    ...     "active_weeks": [12, 3],
    ...     "mean_actions": [40.0, 2.5],
    ...     "tier": ["power", "novice"],
    ... })
    >>> habit_ladder(users).title.subtitle
    'people · 2 users'
    """
    frame = marks.read(table, tables.HABIT_LADDER)
    counts, fewer = marks.largest_groups(_count_tiers(frame), size="users", most=marks.MAX_ROWS)
    everyone = plural(frame.height, "user") if frame.height else ""
    heading = "Habit ladder: users by how regular their use is"
    about = marks.caption(caption, heading, everyone, omitted=[fewer])
    if frame.is_empty():
        return marks.no_data(about)
    titles = {"tier": "Tier", "users": "Users", "of_users": "Of users", **marks.GROUP}
    color = marks.present_color(counts, dict(_TIERS.values()), column="tier")
    if marks.is_grouped(frame):
        share = pl.col("users") / pl.col("of_users")
        tops = counts.with_columns(share.cum_sum().over("group").alias("top"))
        drawn = tops.with_columns((pl.col("top") - share).alias("bottom"))
        layers = [marks.share_rows(drawn, title="Share of the group's users", color=color, titles=titles)]
        rows = drawn["group"].n_unique()
        told = plural(rows, "group")
    else:
        drawn = counts.drop("group")
        of_all, hue = "datum.users / datum.of_users", color.legend(None)
        layers = marks.numbered_rows(drawn, "tier", "users", of_all, titles=titles, color=hue)
        rows = drawn.height
        told = ", ".join(f"{tier} {users}" for tier, users in drawn.select("tier", "users").iter_rows())
    return marks.single(layers, about, "Bar chart", told, height=_TIER_ROW_HEIGHT * rows)


def concentration(
    table: pl.DataFrame | pl.LazyFrame, **caption: Unpack[CaptionKeywords]
) -> alt.FacetChart | alt.LayerChart:
    """How much of the work do a few users do?

    Two panels with a bar a metric: the share by the tenth of the users who do most, with a line
    where it would stand if all did the same (10%), and Gini's coefficient, from 0 (all do the
    same) towards 1 (one does all). Put several metrics under one another with
    ``pl.concat`` and a text column that names them. What is not known (null) has no bar.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.concentration``: one row, or a row a metric or group with a text column that
        names it; at most the forty with most users are drawn, and the subtitle says so.
    **caption
        As for :mod:`every chart <augment_insights.charts>`.

    Returns
    -------
    alt.FacetChart or alt.LayerChart

    Raises
    ------
    TableError
        When several rows have no text column that tells them apart.

    See Also
    --------
    augment_insights.analysis.concentration : the table.

    Examples
    --------
    >>> shares = pl.DataFrame({
    ...     "metric": ["total_messages", "total_modified_lines_of_code"],
    ...     "top_decile_share": [0.31, 0.44],
    ...     "gini": [0.42, 0.55],
    ...     "users": [98, 98],
    ... })
    >>> concentration(shares).title.subtitle
    'people · 98 users · mark: 10%, if all did the same'
    """
    frame = marks.read(table, tables.CONCENTRATION, keys=["group"])
    frame, fewer = marks.largest_groups(frame, size="users", most=marks.MAX_ROWS)
    most = frame.select(pl.col("users").max().fill_null(0)).item()
    about = marks.caption(
        caption, "Concentration: how much a few users do", f"{most:,} users" if most else "", _EVEN, omitted=[fewer]
    )
    if not frame["top_decile_share"].count():
        return marks.no_data(about)
    ranked = frame.with_columns(pl.col("group").fill_null("all")).sort(
        "top_decile_share", "group", descending=[True, False], nulls_last=True
    )
    rated = ranked.drop_nulls("top_decile_share").head(5)
    parts = [f"{name} {share:.0%}" for name, share in rated.select("group", "top_decile_share").iter_rows()]
    told = f"share by the top 10% of users, {', '.join(parts)}"
    height = _METRIC_ROW_HEIGHT * ranked.height
    return marks.panels(_two_panels(ranked), about, "Bar chart", told, height=height)


def _named(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Write the modes of a column as they are read, in their fixed order; an unknown one stays as it is."""
    mode = pl.col(column).cast(pl.String)
    order = pl.Series("mode", list(_MODES))
    place = mode.replace_strict(order, pl.int_range(0, len(_MODES), eager=True), default=len(_MODES))
    return frame.sort(place, mode, maintain_order=True).with_columns(
        mode.replace(list(_MODES), list(_MODES.values())).alias(column)
    )


def _shares_text(named: pl.DataFrame, mode: str, share: str) -> str:
    pairs = named.drop_nulls(share).select(mode, share).iter_rows()
    return ", ".join(f"{name} {marks.share_text(number)}" for name, number in pairs)


def _mix_text(frame: pl.DataFrame) -> str:
    """Return the shares of the last period, or of the whole, unless there are groups."""
    if marks.is_grouped(frame):
        return plural(frame["group"].n_unique(), "group")
    if "period_start" not in frame.columns:
        return _shares_text(_named(frame, "mode"), "mode", "share")
    last = frame.filter(pl.col("period_start") == pl.col("period_start").max())
    shares = _shares_text(_named(last, "mode"), "mode", "share")
    return f"{plural(frame['period_start'].n_unique(), 'period')}; in the last {shares}"


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


def _grid(frame: pl.DataFrame) -> pl.DataFrame:
    """Add the pairs of modes that nobody went between, without a number."""
    present = {*frame["from_mode"], *frame["to_mode"]}
    names = [name for name in _MODES.values() if name in present]
    names += sorted(present.difference(names))
    rows = pl.DataFrame({"from_mode": names}, schema={"from_mode": pl.String})
    return rows.join(rows.select(to_mode="from_mode"), how="cross").join(frame, on=["from_mode", "to_mode"], how="left")


def _count_tiers(frame: pl.DataFrame) -> pl.DataFrame:
    """Count the users of each tier and group; tiers without anyone are there with 0."""
    tiers = [tier for tier in tables.HABIT_TIER.categories if tier != "non-user" or (frame["tier"] == tier).any()]
    order = pl.DataFrame({"tier": tiers, "place": range(len(tiers))}, schema={"tier": pl.String, "place": pl.Int64})
    counted = frame.group_by("group", pl.col("tier").cast(pl.String)).len("users")
    grid = frame.select("group").unique().join(order, how="cross")
    labels = {tier: label for tier, (label, _) in _TIERS.items()}
    return (
        grid.join(counted, on=["group", "tier"], how="left", nulls_equal=True)
        .with_columns(pl.col("users").fill_null(0).cast(pl.Int64), pl.col("tier").replace(labels))
        .with_columns(pl.col("users").sum().over("group").alias("of_users"))
        .sort("group", "place")
        .drop("place")
    )


def _two_panels(ranked: pl.DataFrame) -> list[alt.Chart]:
    titles = {"group": "Of", "top_decile_share": "Share by the top 10%", "gini": "Gini coefficient", "users": "Users"}
    long = ranked.with_columns(pl.col("top_decile_share").alias(_SHARE), pl.col("gini").alias(_GINI))
    drawn = long.unpivot(
        [_SHARE, _GINI], index=["group", *tables.CONCENTRATION.columns], variable_name="panel", value_name="value"
    )
    # The line of even use belongs to the first panel only: elsewhere it has no place.
    drawn = drawn.with_columns(pl.when(pl.col("panel") == _SHARE).then(_EVEN_SHARE).alias("even"))
    base = alt.Chart(drawn).encode(
        y=alt.Y("group:N", title=None, sort=ranked["group"].to_list()),
        tooltip=marks.tooltip(drawn, titles, gini=".2f"),
    )
    scale = alt.Scale(domain=[0, 1])
    axis = alt.Axis(grid=True, tickCount=5, format="~g")
    form = f"datum.panel === '{_SHARE}' ? format(datum.value, '.0%') : format(datum.value, '.2f')"
    known = base.transform_filter("isValid(datum.value)")
    even = base.mark_tick(color=LIGHT.ink, thickness=2).transform_filter("isValid(datum.even)")
    bars = base.mark_bar(color=ACCENT, cornerRadiusEnd=2)
    return [
        bars.encode(x=alt.X("value:Q", title="From 0 to 1", scale=scale, axis=axis)),
        marks.numbers(known, form).encode(x=alt.X("value:Q", scale=scale)),
        even.encode(x="even:Q"),
    ]
