"""Charts of retention: who comes, comes back and lapses, cohort by cohort and over all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

import altair as alt
import polars as pl

from augment_insights import tables
from augment_insights.charts import marks
from augment_insights.charts.context import infer_every
from augment_insights.charts.theme import LIGHT
from augment_insights.errors import plural
from augment_insights.periods import calendar_period, day_text

if TYPE_CHECKING:
    from augment_insights.charts.marks import CaptionKeywords
    from augment_insights.periods import Every

_COHORT_HEIGHT = 28
_WIDEST_CELL = 90
_NARROWEST_CELL = 34
_PALE = 0.35
"""A cell narrower than this has no room for its number; it is in the tooltip."""

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

_SURVIVAL = marks.Steps(
    table=tables.SURVIVAL,
    heading="Survival: share that has not lapsed",
    x_title="Days since the first activity",
    y_title="Share of users still active",
    rate_title="Still active",
    event_title="Lapsed that day",
    followed="users",
)


def cohort_retention(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    every: str | None = None,
    pale_below: int = 0,
    **caption: Unpack[CaptionKeywords],
) -> alt.LayerChart:
    """How many of the users who started together were still there later?

    A heat map: a row a cohort with its size, a column a period since the start, in each cell the
    share of the cohort. A cell whose period or cohort is not complete is light grey and without a number:
    it is unknown, never zero. A period in which nobody began has no row, and the subtitle says how
    many such there are. Rates of small cohorts jump; their intervals are in the tooltips.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.cohort_retention``: one row a cohort and period.
    pale_below : int
        Cohorts of fewer users are drawn pale: one user more or less moves their rates by a lot.
    every, **caption
        As for :mod:`every chart <augment_insights.charts>`.

    Returns
    -------
    alt.LayerChart

    Raises
    ------
    TableError
        When a cohort and period has more than one row.

    See Also
    --------
    augment_insights.analysis.cohort_retention : the table.

    Examples
    --------
    >>> from datetime import date
    >>> cells = pl.DataFrame({
    ...     "cohort": [date(2026, 3, 2)] * 2,
    ...     "period": [0, 1],
    ...     "cohort_users": [20, 20],
    ...     "retained_users": [20, None],
    ...     "retention_rate": [1.0, None],
    ...     "retention_rate_low": [0.84, None],
    ...     "retention_rate_high": [1.0, None],
    ...     "is_complete": [True, False],
    ... })
    >>> cohort_retention(cells, as_of="2026-03-10", sample=True).title.subtitle
    'people · data to 10 Mar 2026 · sample data'
    """
    frame = marks.read(table, tables.COHORT_RETENTION, keys=["cohort", "period"])
    period = infer_every(frame["cohort"], every)
    noun = marks.noun(period)
    empty = frame.filter(pl.col("cohort_users") == 0)["cohort"].n_unique()
    note = f"{plural(empty, noun)} in which nobody began left out" if empty else ""
    about = marks.caption(caption, marks.heading(period, "cohort retention"), omitted=[note])
    frame = frame.filter(pl.col("cohort_users").fill_null(1) > 0)  # a hidden size (null) is no empty cohort
    if frame.is_empty():
        return marks.no_data(about)
    drawn = _cells(frame)
    cohorts, periods = drawn["row"].n_unique(), drawn["period"].n_unique()
    unknown = drawn.filter(state="incomplete").height
    told = (
        f"{plural(cohorts, 'cohort')} over {plural(periods, noun)} since their first activity; "
        f"{plural(unknown, 'cell')} {'is' if unknown == 1 else 'are'} not known yet"
    )
    drawn = drawn.with_columns(is_pale=pl.col("cohort_users").fill_null(0) < pale_below)
    layers = _cohort_map(drawn, noun=noun, with_numbers=about.width / periods >= _NARROWEST_CELL)
    about = replace(about, width=min(about.width, _WIDEST_CELL * periods))
    return marks.single(layers, about, "Heat map", told, height=_COHORT_HEIGHT * cohorts)


def retention_curve(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    every: str | None = None,
    **caption: Unpack[CaptionKeywords],
) -> alt.LayerChart:
    """Over all cohorts, which share of the users was there one, two, three periods later?

    A line with its 95 % confidence interval as a band. Every point pools the cohorts that have
    reached it, so the users behind it become fewer to the right (see the tooltips), and the line
    may rise. A curve that goes flat has found its regular users. A table with a column of groups (a
    team, a kind of retention) has a curve a group, at most six, with bands for up to three.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.retention_curve``: one row a period since the start, or a group of them.
    **caption
        As for :mod:`every chart <augment_insights.charts>`.
    every : {"1d", "1w", "1mo", "1q"}, optional
        The period of the rows, for the axis; they do not tell it themselves.

    Returns
    -------
    alt.LayerChart

    Raises
    ------
    TableError
        When a period has more than one row and no column of groups tells them apart.

    See Also
    --------
    augment_insights.analysis.retention_curve : the table.
    cohort_retention : cohort by cohort.

    Examples
    --------
    >>> weeks = pl.DataFrame({
    ...     "period": [0, 1],
    ...     "cohorts": [3, 2],
    ...     "eligible_users": [20, 16],
    ...     "retained_users": [20, 12],
    ...     "retention_rate": [1.0, 0.75],
    ...     "retention_rate_low": [0.84, 0.51],
    ...     "retention_rate_high": [1.0, 0.90],
    ... })
    >>> retention_curve(weeks, every="1w").title.text
    'Retention by weeks since first activity'
    """
    frame = marks.read(table, tables.RETENTION_CURVE, keys=["group", "period"])
    frame, fewer = marks.largest_groups(frame, size="eligible_users", most=marks.MAX_LINES)
    noun = marks.noun(infer_every(pl.Series(dtype=pl.Date), every))
    since = f"{noun}s since first activity"
    note = marks.interval_note(frame, "retention_rate")
    about = marks.caption(caption, f"Retention by {since}", note, omitted=[fewer])
    if not frame["retention_rate"].count():
        return marks.no_data(about)
    # Every point pools finished periods only, so nothing is dashed.
    whole = frame.with_columns(is_complete=pl.lit(value=True))
    drawn, color = marks.group_color(marks.mark_incomplete(whole, "retention_rate", time="period").drop("state"))
    titles = {"period": since.capitalize(), "retention_rate": "Retention rate", "retained_users": "Retained users"}
    titles |= {"eligible_users": "Users of these cohorts", "cohorts": "Cohorts"}
    titles |= marks.interval("retention_rate") | marks.GROUP
    x = alt.X("period:Q", title=since.capitalize(), scale=alt.Scale(nice=False), axis=marks.whole_axis())
    base, y = alt.Chart(drawn).encode(x=x, **color), marks.share_axis("Share of users still active", most=1)
    has_bands = marks.has_bands(frame)
    layers = marks.lines(base, y, value="retention_rate", titles=titles, time="period", band=has_bands)
    told = marks.curve_text(frame, time="period", rate="retention_rate", noun=noun)
    return marks.single(layers, about, "Line chart", told)


def lifecycle(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    every: str | None = None,
    **caption: Unpack[CaptionKeywords],
) -> alt.LayerChart | alt.FacetChart:
    """How many active users of each period are new, returning or back, and how many went dormant?

    A bar a period: above the axis its active users by where they come from, below it those who
    were active in the period before and are not now. Growth is what new and resurrected
    users add over what dormant ones take away. Incomplete periods are drawn faded: their dormant
    users may still come. A table by groups has a panel a group, at most eight: the largest, and
    the subtitle says so. A count that is not known (null) is not drawn; where neither returning nor
    resurrected users are known, those who were seen before are one grey piece.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.lifecycle``: one row a period, or a group and period.
    every, **caption
        As for :mod:`every chart <augment_insights.charts>`. Without ``as_of`` the subtitle names the
        end of the last complete period.

    Returns
    -------
    alt.LayerChart or alt.FacetChart
        Panels for groups are a FacetChart.

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
    frame = marks.read(table, tables.LIFECYCLE)
    frame, fewer = marks.largest_groups(frame, size="active_users", most=marks.MAX_PANELS)
    period = infer_every(frame["period_start"], every)
    groups = max(1, frame["group"].n_unique())
    frame, cut = marks.latest_periods(frame, most=_MAX_PIECES // (groups * _PIECES_OF_A_BAR))
    last = marks.latest_day(frame.filter("is_complete")["period_start"])
    about = marks.caption(
        caption,
        marks.heading(period, "user lifecycle"),
        omitted=[fewer, cut],
        until=calendar_period(last, period or "1d").end if last else None,
    )
    if frame.is_empty():
        return marks.no_data(about)
    drawn = _pieces(frame, every=period)
    titles = {"period_start": "From", "state": "Users", "users": "How many", "active_users": "Active users in all"}
    titles |= {"over": marks.noun(period).capitalize()} | marks.GROUP
    groupby = ["panel"] if "panel" in drawn.columns else []
    # Below the axis stand users as well: their number carries no minus sign.
    axis, words = marks.whole_axis(signed=False), "Users" if groupby else "Users (dormant below the axis)"
    y = alt.Y("bottom:Q", title=words, axis=axis)
    color = marks.present_color(drawn, dict(_STATES.values()), column="state")
    bars = marks.period_bars(drawn, y, every=period, color=color, titles=titles, over="over")
    layers = [bars, marks.zero_line(drawn, axis="y", groupby=groupby)]
    return marks.panels(layers, about, "Stacked bar chart", _states_text(frame), metric="active_users")


def survival(table: pl.DataFrame | pl.LazyFrame, **caption: Unpack[CaptionKeywords]) -> alt.LayerChart:
    """How many days after their first activity are users still with us?

    A Kaplan-Meier curve in steps, with its 95 % confidence interval as a band: read off the share
    that has not lapsed by a day. Users are followed as far as a gap can be seen and no further, so few
    stand behind the right end: the band widens, and ends with fewer than ten of them. A table with a
    column of groups has a curve a group, at most six, with bands for up to three.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.survival``: one row a day since the first activity.
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
    augment_insights.analysis.retention : the table.
    retention_curve : the share that is active in each period after the first.

    Examples
    --------
    >>> days = pl.DataFrame({
    ...     "days": [0, 1, 2],
    ...     "at_risk_users": [2, 2, 1],
    ...     "lapsed_users": [0, 1, 0],
    ...     "survival_rate": [1.0, 0.5, 0.5],
    ...     "survival_rate_low": [1.0, 0.01, 0.01],
    ...     "survival_rate_high": [1.0, 0.91, 0.91],
    ... })
    >>> survival(days, as_of="2026-03-01").title.subtitle
    'people · data to 1 Mar 2026 · 2 users followed · 95 % confidence intervals'
    """
    return marks.steps_chart(table, _SURVIVAL, caption)


def _cells(frame: pl.DataFrame) -> pl.DataFrame:
    """Add each row's label: the cohort's first day and its size."""
    cohorts = frame.group_by("cohort").agg(pl.col("cohort_users").max()).sort("cohort")
    labels = [
        f"{day_text(cohort)} · {users if users is not None else 'unknown'}"
        for cohort, users in cohorts.select("cohort", "cohort_users").iter_rows()  # a label a cohort, not a row a user
    ]
    named = cohorts.select("cohort", pl.Series("row", labels, dtype=pl.String))
    joined = frame.join(named, on="cohort", how="left").with_columns(marks.state()).sort("cohort", "period")
    return joined.drop("cohort", "is_complete", "group")


def _cohort_map(drawn: pl.DataFrame, *, noun: str, with_numbers: bool) -> list[alt.Chart]:
    # The domains are told, not found: a row or column without a single cell to draw keeps its place.
    names, periods = (drawn[column].unique(maintain_order=True).to_list() for column in ("row", "period"))
    rows_scale, columns_scale = (alt.Scale(domain=domain, paddingInner=0.04) for domain in (names, sorted(periods)))
    # Beside a few rows an upright title would be cut off, so it stands over them.
    rows = alt.Axis(titleAngle=0, titleAlign="right", titleAnchor="start", titleX=-6, titleY=-12)
    columns = alt.Axis(labelAngle=0, labelOverlap=True)
    nouns, row_title = f"{noun.capitalize()}s since", f"First {noun} · users"
    base = alt.Chart(drawn).encode(
        x=alt.X("period:O", title=f"{nouns} first activity", axis=columns, scale=columns_scale),
        y=alt.Y("row:N", title=row_title, axis=rows, scale=rows_scale),
    )
    titles = {"retention_rate": "Retention rate", "retained_users": "Retained users", "cohort_users": "Cohort users"}
    titles |= marks.interval("retention_rate") | {"state": noun.capitalize()}
    named = [alt.Tooltip("row:N", title=row_title), alt.Tooltip("period:O", title=nouns)]
    layers = marks.heat_map(
        base.encode(tooltip=[*named, *marks.tooltip(drawn, titles)]),
        "retention_rate",
        title="Still active",
        unknown="datum.state != 'complete'",
        legend=alt.Legend(format="%", orient="bottom", gradientLength=200, values=[0, 0.5, 1]),
    )
    layers[1] = layers[1].encode(opacity=alt.when(alt.datum.is_pale).then(alt.value(_PALE)).otherwise(alt.value(1)))
    if with_numbers:
        text = alt.Text("retention_rate:Q", format=".0%")
        rates = base.mark_text(fontSize=12).encode(text=text, color=marks.ramp_ink("retention_rate"))
        layers.append(rates.transform_filter("isValid(datum.retention_rate) && !datum.is_pale"))
        pale = base.mark_text(fontSize=12, color=LIGHT.ink).encode(text=text)
        layers.append(pale.transform_filter("isValid(datum.retention_rate) && datum.is_pale"))
    return layers


def _pieces(frame: pl.DataFrame, *, every: Every | None) -> pl.DataFrame:
    """Return a row a period and state, with the piece of the bar that it draws.

    The pieces are laid on one another here, because the order in which Vega-Lite stacks them has
    changed between the versions that front ends bring along.
    """
    # Of the first period it may be known who is new, and not when the others were there before.
    seen_before = pl.col("active_users") - pl.col("new_users").fill_null(0)
    untold = pl.col("returning_users").is_null() & pl.col("resurrected_users").is_null() & (seen_before > 0)
    known = frame.with_columns(pl.when(untold).then(seen_before).alias("earlier_users"), marks.state().alias("over"))
    timed = marks.with_period_ends(known, every=every).rename({"group": "panel"})
    long = timed.unpivot(
        list(_STATES),
        index=["panel", "period_start", "next_start", "active_users", "over"],
        variable_name="state",
        value_name="users",
    )
    is_dormant = pl.col("state") == "dormant_users"
    upper = pl.when(~is_dormant).then("users").otherwise(0).fill_null(0)
    labels = {column: label for column, (label, _) in _STATES.items()}
    drawn = (
        long.with_columns(top=upper.cum_sum().over("panel", "period_start"))
        .with_columns(
            pl.when(is_dormant).then(0).otherwise(pl.col("top") - upper).alias("bottom"),
            pl.when(is_dormant).then(-pl.col("users")).otherwise("top").alias("top"),
            pl.col("state").replace_strict(labels, return_dtype=pl.String),
        )
        .drop_nulls("users")
        .sort("panel", "period_start", "bottom", "state")
    )
    return drawn if marks.is_grouped(frame) else drawn.drop("panel")


def _states_text(frame: pl.DataFrame) -> str:
    """Return the users of the last complete period by state, unless there are groups."""
    told, complete = marks.periods_text(frame)
    if complete.is_empty():
        return told
    last = complete.row(-1, named=True)
    parts = [
        f"{last[column] if last[column] is not None else 'an unknown number of'} {label.lower()}"
        for column, (label, _) in _STATES.items()
        if column in last
    ]
    return f"{told}; in the last complete one, of {day_text(last['period_start'])}: {', '.join(parts)} users"
