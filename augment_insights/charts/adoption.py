"""Charts of adoption: how many licences are used, how many ever were, and how long the first use takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import altair as alt
import polars as pl

from augment_insights import tables
from augment_insights.charts import marks
from augment_insights.charts.context import infer_every
from augment_insights.charts.theme import CATEGORIES, LIGHT
from augment_insights.errors import plural
from augment_insights.periods import day_text
from augment_insights.tables import columns_of

if TYPE_CHECKING:
    from datetime import date

    from augment_insights.charts.marks import CaptionKeywords
    from augment_insights.periods import Every

_SEEN, _LICENCES, _NEW = "Seen so far", "Licensed", "New in the period"
_STAGE_HEIGHT = 34
_SAID = 5
"""More bars than this are not read out."""

_SEEN_COLORS = dict(zip(tables.SEEN.categories, (CATEGORIES[0], CATEGORIES[1], LIGHT.muted), strict=True))
_UNUSED = {"idle": "Idle", "never_used": "Never used"}
_FIRST_USE = marks.Steps(
    table=tables.TIME_TO_FIRST_USE,
    heading="Time to first use: share that has started",
    x_title="Days since the licence began",
    y_title="Share of users who have started",
    rate_title="Started by then",
    event_title="Started that day",
    followed="licensed users",
)


def adoption_rate(
    table: pl.DataFrame | pl.LazyFrame, **caption: Unpack[CaptionKeywords]
) -> alt.LayerChart | alt.FacetChart:
    """Which share of the licensed users is active, period by period or group by group?

    A line over periods with its 95 % confidence interval as a band; a period that the data holds only in part is an
    open point on a dashed line. A table by groups has a panel a group, at most eight; of one period
    only, a dot with whiskers a group, highest rate first, at most forty: those with most licences,
    and the subtitle says so. Where there is no licence there is no rate: a gap, never a zero.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.adoption_rate``: one row a period, or a group and period.
    **caption
        As for :mod:`every chart <augment_insights.charts>`. Without ``as_of`` the subtitle names the
        end of the last complete period.

    Returns
    -------
    alt.LayerChart or alt.FacetChart
        Panels for groups are a FacetChart.

    See Also
    --------
    augment_insights.analysis.adoption_rate : the table.
    adoption_curve : everybody who was ever active, over licences.

    Examples
    --------
    >>> from datetime import date
    >>> import polars as pl
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
    frame = marks.read(table, tables.ADOPTION_RATE)
    over_time = frame["period_start"].n_unique() > 1 or not marks.is_grouped(frame)
    most = marks.MAX_PANELS if over_time else marks.MAX_ROWS
    frame, fewer = marks.largest_groups(frame, size="licensed_users", most=most)
    every = infer_every(frame["period_start"])
    about = marks.caption(
        caption,
        marks.heading(every, "adoption rate: active users of licensed users"),
        marks.interval_note(frame, "adoption_rate"),
        omitted=[fewer],
        until=marks.latest_day(frame.filter("is_complete")["period_end"]),
    )
    if not frame["adoption_rate"].count():
        return marks.no_data(about)
    titles = {"period_start": "From", "period_end": "To", "adoption_rate": "Adoption rate"}
    titles |= {"active_users": "Active users", "licensed_users": "Licensed users"}
    titles |= marks.interval("adoption_rate") | {"state": marks.noun(every).capitalize()} | marks.GROUP
    axis = "Active users / licensed users"
    if not over_time:
        dots = frame.with_columns(marks.state()).drop("is_complete")
        return marks.ranked_dots(dots, "adoption_rate", axis=axis, titles=titles, about=about)
    marked = marks.mark_incomplete(frame, "adoption_rate")
    drawn = marks.group_color(marked)[0].rename({"group": "panel"}, strict=False)
    base = alt.Chart(drawn).encode(x=marks.time_axis(drawn["period_start"], every))
    layers = marks.lines(base, marks.share_axis(axis), value="adoption_rate", titles=titles, band=True)
    told, complete = marks.periods_text(frame)
    for last in complete.drop_nulls("adoption_rate").tail(1).iter_rows(named=True):
        told += f"; {last['adoption_rate']:.0%} in the last complete one, of {day_text(last['period_start'])}"
    return marks.panels(layers, about, "Line chart", told, metric="adoption_rate")


def adoption_curve(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    every: str | None = None,
    since: date | str | None = None,
    **caption: Unpack[CaptionKeywords],
) -> alt.LayerChart:
    """How many users have ever been active, and how far is that from the licences?

    A line of everybody seen so far, with bars for those who came in each period; a table with
    licences has a line for them too: the gap between the two never started. A curve that goes
    flat below the licences has stopped spreading. A period that the data holds only in part is an
    open point on a dashed line, and its bar is drawn faded.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.adoption_curve``, with licences or without: one row a period.
    every, **caption
        As for :mod:`every chart <augment_insights.charts>`.
    since : date or str, optional
        The first day of the data: with ``as_of`` it tells which periods the data holds only in part.

    Returns
    -------
    alt.LayerChart

    Raises
    ------
    TableError
        When a period has more than one row.

    See Also
    --------
    augment_insights.analysis.adoption : the table.
    adoption_rate : the share that is active in each period.

    Examples
    --------
    >>> from datetime import date
    >>> import polars as pl
    >>> weeks = pl.DataFrame({
    ...     "period_start": [date(2026, 3, 2), date(2026, 3, 9)],
    ...     "new_users": [5, 3],
    ...     "cumulative_users": [5, 8],
    ...     "ever_licensed_users": [10, 10],
    ...     "seen_rate": [0.5, 0.8],
    ... })
    >>> adoption_curve(weeks, as_of="2026-03-15").title.text
    'Adoption curve: users ever active, and ever licensed'
    """
    licensed = not {"ever_licensed_users", "seen_rate"}.isdisjoint(columns_of(table))
    frame = marks.read(
        table, tables.LICENSED_ADOPTION_CURVE if licensed else tables.ADOPTION_CURVE, keys=["period_start"]
    )
    period = infer_every(frame["period_start"], every)
    about = marks.caption(caption, f"Adoption curve: users ever active{', and ever licensed' if licensed else ''}")
    if frame.is_empty():
        return marks.no_data(about)
    timed = marks.with_period_ends(frame, every=period, since=since, as_of=about.last_day)
    drawn = marks.mark_incomplete(timed, "cumulative_users").drop("group")
    last = drawn.row(-1, named=True)
    of = f" of {last['ever_licensed_users']:,} ever licensed" if licensed and last["ever_licensed_users"] else ""
    told = (
        f"{plural(drawn.height, 'period')}; in the one of {day_text(last['period_start'])}, "
        f"{last['cumulative_users']:,}{of} have been active"
    )
    layers = _curve_layers(drawn, every=period, licensed=licensed)
    return marks.single(layers, about, "Line chart", told, metric="cumulative_users")


def adoption_funnel(table: pl.DataFrame | pl.LazyFrame, **caption: Unpack[CaptionKeywords]) -> alt.LayerChart:
    """How many people have a licence, have ever used it, use it now, have made it a habit, are power users?

    A bar a stage, each a part of the one above it, with the number of people and their share of the first. A stage
    whose number is hidden has no bar.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.adoption_funnel``: one row a stage.
    **caption
        As for :mod:`every chart <augment_insights.charts>`.

    Returns
    -------
    alt.LayerChart

    See Also
    --------
    augment_insights.analysis.adoption_funnel : the table.

    Examples
    --------
    >>> import polars as pl
    >>> names = ["status", "reached_users", "reached_rate"]
    >>> stages = pl.DataFrame([("licensed", 100, 1.0), ("active", 80, 0.8)], schema=names, orient="row")
    >>> adoption_funnel(stages).title.text
    'Adoption funnel: how far people have got'
    """
    frame = marks.read(table, tables.ADOPTION_FUNNEL, keys=["status"])
    about = marks.caption(caption, "Adoption funnel: how far people have got")
    if not frame["reached_users"].sum():
        return marks.no_data(about)
    ordered = frame.drop("group").sort(pl.col("status").cast(pl.String).cast(tables.REACHED))
    stage = pl.col("status").cast(pl.String)
    drawn = ordered.with_columns(stage.str.slice(0, 1).str.to_uppercase() + stage.str.slice(1))
    titles = {"status": "Stage", "reached_users": "People", "reached_rate": "Of the first stage"}
    layers = marks.numbered_rows(drawn, "status", "reached_users", "datum.reached_rate", titles=titles)
    told = ", ".join(f"{stage} {users}" for stage, users, _ in drawn.iter_rows())
    return marks.single(layers, about, "Bar chart", told, height=_STAGE_HEIGHT * drawn.height)


def unused_licences(table: pl.DataFrame | pl.LazyFrame, **caption: Unpack[CaptionKeywords]) -> alt.LayerChart:
    """In which teams do licences lie idle, or were never used?

    A bar a team, those with most first and at most forty, split into idle and never used licences. A number that is
    hidden has no bar.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.licences`` counted by ``team`` and ``status``: one row of both.
    **caption
        As for :mod:`every chart <augment_insights.charts>`.

    Returns
    -------
    alt.LayerChart

    See Also
    --------
    augment_insights.analysis.licences : the licences one by one.

    Examples
    --------
    >>> rows = {"team": ["Web", "Web"], "status": ["idle", "never_used"], "users": [3, 5]}
    >>> unused_licences(pl.DataFrame(rows)).title.text
    'Idle and never used licences by team'
    """
    frame = marks.read(table, tables.UNUSED_LICENCES, keys=["team", "status"]).drop("group")
    named = frame.select(pl.col("team").fill_null("(none)").alias("group"), pl.col("status").cast(pl.String), "users")
    named, fewer = marks.largest_groups(named.drop_nulls("users"), size="users", most=marks.MAX_ROWS)
    about = marks.caption(caption, "Idle and never used licences by team", omitted=[fewer])
    drawn = named.filter(pl.col("status").is_in(list(_UNUSED)), pl.col("users") > 0)
    if drawn.is_empty():
        return marks.no_data(about)
    drawn = drawn.with_columns(pl.col("status").replace(_UNUSED)).sort("group", "status")
    teams = drawn.group_by("group").agg(pl.col("users").sum()).sort("users", "group", descending=[True, False])
    colors = dict(zip(_UNUSED.values(), CATEGORIES, strict=False))
    bars: alt.Chart = (
        alt.Chart(drawn)
        .mark_bar(stroke=LIGHT.surface, strokeWidth=1)
        .encode(
            x=alt.X("users:Q", title="Licences", axis=marks.whole_axis(grid=True)),
            y=alt.Y("group:N", title=None, sort=teams["group"].to_list()),
            color=marks.present_color(drawn, colors, column="status"),
            tooltip=marks.tooltip(drawn, {"group": "Team", "status": "Status", "users": "Licences"}),
        )
    )
    told = ", ".join(f"{team} {users}" for team, users in teams.head(_SAID).iter_rows())
    return marks.single([bars], about, "Stacked bar chart", told, height=_STAGE_HEIGHT * max(2, teams.height))


def population_bridge(table: pl.DataFrame | pl.LazyFrame, **caption: Unpack[CaptionKeywords]) -> alt.LayerChart:
    """How do the licensed, the active and all who were ever seen stand to one another?

    A bar a kind of licence, split into who was active in the range, seen before it only, or never seen. Everybody is in
    one piece.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.population_bridge``: one row a kind of licence, and whether its people were seen.
    **caption
        As for :mod:`every chart <augment_insights.charts>`.

    Returns
    -------
    alt.LayerChart

    See Also
    --------
    augment_insights.analysis.population_bridge : the table.

    Examples
    --------
    >>> import polars as pl
    >>> names = ["licence", "seen", "users"]
    >>> pairs = pl.DataFrame([("licensed", "active", 80), ("licensed", "never seen", 20)], schema=names, orient="row")
    >>> population_bridge(pairs).title.text
    'Licences and people: who has one, and who was active'
    """
    frame = marks.read(table, tables.POPULATION_BRIDGE, keys=["licence", "seen"]).drop("group").sort("licence", "seen")
    about = marks.caption(caption, "Licences and people: who has one, and who was active")
    drawn = frame.with_columns(pl.col("licence", "seen").cast(pl.String)).filter(pl.col("users") > 0)
    if drawn.is_empty():
        return marks.no_data(about)
    ahead = pl.col("users").cum_sum().over("licence")
    drawn = drawn.with_columns(top=ahead, bottom=ahead - pl.col("users"))
    kinds = [kind for kind in tables.LICENSED.categories if kind in drawn["licence"]]
    titles = {"licence": "Licence on the last day", "seen": "Seen", "users": "People"}
    bars: alt.Chart = alt.Chart(drawn).encode(
        x=alt.X("bottom:Q", title="People", axis=marks.whole_axis(grid=True), scale=alt.Scale(domainMin=0)),
        x2="top:Q",
        y=alt.Y("licence:N", title=None, sort=kinds),
        color=marks.present_color(drawn, _SEEN_COLORS, column="seen"),
        tooltip=marks.tooltip(drawn, titles),
    )
    told = ", ".join(f"{users} {licence}, {seen}" for licence, seen, users, *_ in drawn.head(_SAID).iter_rows())
    layers = [bars.mark_bar(stroke=LIGHT.surface)]
    return marks.single(layers, about, "Stacked bar chart", told, height=_STAGE_HEIGHT * len(kinds))


def time_to_first_use(table: pl.DataFrame | pl.LazyFrame, **caption: Unpack[CaptionKeywords]) -> alt.LayerChart:
    """How many days after the licence began have users started?

    A Kaplan-Meier curve in steps, with its 95 % confidence interval as a band: read off the share
    that has started by a day. A steep foot is a rollout that works; a curve that goes flat early
    leaves licences unused. Towards the right few users are still followed, and the band widens. A
    table with a column of groups has a curve a group, at most six, with bands for up to three.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.time_to_first_use``: one row a day since the licence began.
    **caption
        As for :mod:`every chart <augment_insights.charts>`.

    Returns
    -------
    alt.LayerChart

    Raises
    ------
    TableError
        When a day has more than one row and no column of groups tells them apart.

    See Also
    --------
    augment_insights.analysis.time_to_first_use : the table.

    Examples
    --------
    >>> import polars as pl
    >>> days = pl.DataFrame({
    ...     "days": [0, 1],
    ...     "at_risk_users": [20, 15],
    ...     "started_users": [5, 3],
    ...     "started_rate": [0.25, 0.4],
    ...     "started_rate_low": [0.11, 0.22],
    ...     "started_rate_high": [0.49, 0.64],
    ... })
    >>> time_to_first_use(days).title.subtitle
    'people · 20 licensed users followed · 95 % confidence intervals'
    """
    return marks.steps_chart(table, _FIRST_USE, caption)


def _curve_layers(drawn: pl.DataFrame, *, every: Every | None, licensed: bool) -> list[alt.Chart]:
    """Draw new users as bars, everybody seen so far as a line, and the licences as steps."""
    titles = {"period_start": "From", "new_users": "New users", "cumulative_users": "Seen so far"}
    titles |= {"ever_licensed_users": "Licensed so far", "seen_rate": "Seen of licensed so far"}
    titles |= {"state": marks.noun(every).capitalize()}
    y = marks.count_axis("Users")
    blue, orange, sky = CATEGORIES[0], CATEGORIES[1], CATEGORIES[4]
    colors = {_SEEN: blue, **({_LICENCES: orange} if licensed else {}), _NEW: sky}
    color = marks.series_color(colors, column="series")
    base = alt.Chart(drawn).encode(x=marks.time_axis(drawn["period_start"], every), color=color)

    def series(name: str) -> alt.Chart:
        """Give every mark of a layer the colour of one entry of the legend."""
        return base.transform_calculate(series=f"'{name}'")

    bars = series(_NEW).mark_bar(stroke=LIGHT.surface, strokeWidth=1).encode(opacity=marks.faded("state"))
    tooltip = marks.tooltip(drawn, titles)
    layers = [bars.encode(x2="next_start:T", y=y("new_users"), y2=alt.datum(0), tooltip=tooltip)]
    if licensed:
        steps = series(_LICENCES).mark_line(strokeWidth=2.5, interpolate="step-after")
        layers.append(steps.encode(y=y("ever_licensed_users")))
    return [*layers, *marks.lines(series(_SEEN), y, value="cumulative_users", titles=titles)]
