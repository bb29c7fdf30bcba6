"""Charts of acceptance: how much of what was suggested is accepted, and which way rates went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import altair as alt
import polars as pl

from augment_insights import tables
from augment_insights.charts import marks
from augment_insights.charts.context import infer_every
from augment_insights.charts.theme import ACCENT
from augment_insights.errors import TableError, plural
from augment_insights.periods import day_text
from augment_insights.tables import columns_of

if TYPE_CHECKING:
    from datetime import date

    from augment_insights.charts.marks import CaptionKeywords

_HEADING = "acceptance rate of inline completions"
_EFFECTS = {
    "rate_effect": "Groups accept more or less",
    "mix_effect": "Weight moved between groups",
    "entry_exit_effect": "Groups came or went",
}
_WHOLE = "Whole change"
_DIRECTIONS = {"raises it": "#0072B2", "lowers it": "#D55E00", "whole change": "#8b949e"}
_MOST_STEPS = 12
_ROW_HEIGHT = 34
_POINTS = "datum.value == 0 ? '0' : format(datum.value * 100, '+.3~f')"
"""A difference of rates is in points: 0.31 after 0.3 is one point more, and not one per cent."""

_VERDICT_ROOM = 0.4
"""How much wider than its whiskers a comparison is."""

_FROM_ZERO = alt.Scale(nice=True, zero=True)


def acceptance_rate(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    every: str | None = None,
    since: date | str | None = None,
    **caption: Unpack[CaptionKeywords],
) -> alt.LayerChart:
    """How much of what was suggested is accepted, over time or group by group?

    A table by period gives a line with its 95 % confidence interval as a band; a period that the
    data holds only in part is an open point on a dashed line. A table by groups without periods gives a dot
    with whiskers a group, highest rate first: at most the 40 with most suggestions, and the subtitle
    says so. Joined to ``analysis.compare_groups`` (its ``verdict`` and ``compared_groups``), groups stand and are
    coloured by their verdict against the rest, which is not to be read off the whiskers. By both: a line
    a group, at most six, and bands with up to three groups. A rate that is null (nothing was suggested)
    leaves a gap, never a zero.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.acceptance_rate``: one row a period, a group, or both.
    every, **caption
        As for :mod:`every chart <augment_insights.charts>`.
    since : date or str, optional
        The first day of the data, where the table does not say which periods the data holds only in part.

    Returns
    -------
    alt.LayerChart

    See Also
    --------
    augment_insights.analysis.acceptance_rate : the table.

    Examples
    --------
    >>> teams = pl.DataFrame({
    ...     "team": ["Payments", "Search"],
    ...     "users": [12, 9],
    ...     "suggested_count": [4000, 3000],
    ...     "accepted_count": [1200, 750],
    ...     "acceptance_rate": [0.3, 0.25],
    ...     "acceptance_rate_low": [0.27, 0.21],
    ...     "acceptance_rate_high": [0.33, 0.29],
    ... })
    >>> acceptance_rate(teams, population="engineers").title.subtitle
    'engineers · 95 % confidence intervals'
    """
    frame = marks.read(
        table, tables.ACCEPTANCE_RATE, also=["period_start", "is_complete", "verdict", "compared_groups"]
    )
    compared = marks.compared_note(frame)
    over_time = "period_start" in frame.columns
    most = marks.MAX_LINES if over_time else marks.MAX_ROWS
    frame, fewer = marks.largest_groups(frame, size="suggested_count", most=most)
    has_bands = not over_time or marks.has_bands(frame)
    intervals = marks.interval_note(frame, "acceptance_rate") if has_bands else ""
    period = infer_every(frame["period_start"], every) if over_time else None
    # Over time the legend says what the groups are.
    by = [] if over_time else marks.group_columns(columns_of(table), [*tables.ACCEPTANCE_RATE.columns, "verdict"])
    named = f" by {' and '.join(by)}".replace("_", " ").lower() if by else ""
    heading = marks.heading(period, f"{_HEADING}{named}")
    about = marks.caption(caption, heading, intervals, compared, omitted=[fewer])
    if not frame["acceptance_rate"].count():
        return marks.no_data(about)
    titles = {"period_start": "From", "acceptance_rate": "Acceptance rate"}
    titles |= {"accepted_count": "Accepted", "suggested_count": "Suggested"}
    titles |= marks.interval("acceptance_rate") | {"users": "Users"}
    axis = "Accepted of suggested"
    if not over_time:
        titles = {"group": "Group", **titles}
        return marks.ranked_dots(frame, "acceptance_rate", axis=axis, titles=titles, about=about)
    timed = marks.with_period_ends(frame, every=period, since=since, as_of=about.last_day).drop("next_start")
    drawn, color = marks.group_color(marks.mark_incomplete(timed, "acceptance_rate"))
    titles |= {"state": marks.noun(period).capitalize(), **marks.GROUP}
    base = alt.Chart(drawn).encode(x=marks.time_axis(drawn["period_start"], period), **color)
    layers = marks.lines(base, marks.share_axis(axis), value="acceptance_rate", titles=titles, band=has_bands)
    rated = frame.drop_nulls("acceptance_rate")["period_start"].sort()
    told = (
        f"{plural(frame['period_start'].n_unique(), 'period')}, "
        f"with rates from {day_text(rated[0])} to {day_text(rated[-1])}"
    )
    return marks.single(layers, about, "Line chart", told, metric="acceptance_rate")


def acceptance_distribution(table: pl.DataFrame | pl.LazyFrame, **caption: Unpack[CaptionKeywords]) -> alt.LayerChart:
    """How many users accept which share of what is suggested to them?

    A bar a step of the acceptance rate, with the number of users in it. A wide hill is normal, two
    hills are two ways of using completions. Nobody is named or ranked.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.acceptance_distribution``: one row a step.
    **caption
        As for :mod:`every chart <augment_insights.charts>`.

    Returns
    -------
    alt.LayerChart

    Raises
    ------
    TableError
        When a step has more than one row.

    See Also
    --------
    augment_insights.analysis.acceptance_distribution : the table.
    acceptance_rate : the pooled rate.

    Examples
    --------
    >>> halves = pl.DataFrame({"acceptance_from": [0.0, 0.5], "acceptance_to": [0.5, 1.0], "users": [30, 12]})
    >>> acceptance_distribution(halves).title.subtitle
    'people · 42 users with enough suggestions'
    """
    frame = marks.read(table, tables.ACCEPTANCE_DISTRIBUTION, keys=["acceptance_from"]).drop("group")
    frame = frame.drop_nulls().sort("acceptance_from")
    everyone = frame["users"].sum()
    note = f"{everyone:,} users with enough suggestions" if everyone else ""
    about = marks.caption(caption, f"Users by their own {_HEADING}", note)
    if not everyone:
        return marks.no_data(about)
    # The scale ends where users do: most of the room from 0 to 1 would be empty.
    end = frame.filter(pl.col("users") > 0).select(pl.col("acceptance_to").max()).item()
    drawn = frame.filter(pl.col("acceptance_to") <= end)
    rate = alt.X(
        "acceptance_from:Q",
        bin="binned",
        title="Accepted of suggested, each user's own",
        scale=alt.Scale(domain=[0, end], nice=False),
        axis=alt.Axis(format="%", tickCount=10, grid=False),
    )
    titles = {"acceptance_from": "Accepts from", "acceptance_to": "to", "users": "Users"}
    bars = alt.Chart(drawn).mark_bar(color=ACCENT, binSpacing=2)
    layer = bars.encode(
        x=rate,
        x2="acceptance_to:Q",
        y=marks.count_axis("Users")("users"),
        tooltip=marks.tooltip(drawn, titles, acceptance_from=".0%", acceptance_to=".0%"),
    )
    most = frame.sort("users", "acceptance_from", descending=[True, False]).row(0, named=True)
    told = f"most users, {most['users']:,}, accept {most['acceptance_from']:.0%} to {most['acceptance_to']:.0%}"
    return marks.single([layer], about, "Bar chart", told)


def compare(table: pl.DataFrame | pl.LazyFrame, **caption: Unpack[CaptionKeywords]) -> alt.LayerChart:
    """Which rates changed measurably between two periods, or differ between two groups?

    A row a rate (and group): a dot for the difference, whiskers for its 95 % confidence interval,
    and the verdict in words. Several groups are judged together, so "no measurable change" may stand beside
    whiskers that leave zero out; the subtitle says how many were compared. A row without an interval has no
    verdict: it stands in grey at the end, without a dot where the difference is not known either.
    Differences of rates are in percentage points, those of means in their own unit. At most forty rows: the
    first ones, and the subtitle says so.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.compare_periods`` or ``analysis.compare``: one row, or one a group; several may stand under one
        another (``pl.concat``), either of rates or of means.
    **caption
        As for :mod:`every chart <augment_insights.charts>`.

    Returns
    -------
    alt.LayerChart

    Raises
    ------
    TableError
        When a rate has several rows and no column of groups tells them apart.

    See Also
    --------
    augment_insights.analysis.compare_periods : the table, of the same people in two periods.
    augment_insights.analysis.compare : the table, of different people.
    acceptance_change : what moved the acceptance rate.

    Examples
    --------
    >>> change = pl.DataFrame({
    ...     "metric": ["retention_rate"],
    ...     "before": [0.6],
    ...     "after": [0.8],
    ...     "difference": [0.2],
    ...     "difference_low": [0.05],
    ...     "difference_high": [0.33],
    ...     "is_paired": [False],
    ...     "both_users": [0],
    ...     "before_users": [80],
    ...     "after_users": [70],
    ...     "compared_groups": [1],
    ...     "verdict": ["higher"],
    ... })
    >>> compare(change).title.subtitle
    'people · 95 % confidence intervals'
    """
    frame = marks.read(table, tables.COMPARISON, keys=["metric", "group"])
    shown = frame.sort(pl.col("verdict").is_null(), maintain_order=True).head(marks.MAX_ROWS)
    cut = f"the first {shown.height} of {frame.height} rows" if shown.height < frame.height else ""
    paired = "the same people paired" if frame["is_paired"].any() else ""
    most = frame["compared_groups"].max()
    together = f"{most} groups judged together" if isinstance(most, int) and most > 1 else ""
    about = marks.caption(
        caption,
        "Comparison: after minus before",
        marks.interval_note(frame, "difference"),
        paired,
        together,
        omitted=[cut],
    )
    if not shown["difference"].count():
        return marks.no_data(about)
    told = pl.col("verdict").cast(pl.String).fill_null(marks.NO_VERDICT)
    named = shown.with_columns(_row_name(shown).alias("row"), told.alias("verdict"))
    drawn = named.with_columns(marks.distinct("row")).drop("group", "is_paired", "compared_groups")
    parts = [f"{row}: {verdict}" for row, verdict in drawn.select("row", "verdict").head(5).iter_rows()]
    more = f", and {drawn.height - len(parts)} more" if drawn.height > len(parts) else ""
    height = _ROW_HEIGHT * drawn.height
    return marks.single(_differences(drawn), about, "Dot plot", f"{', '.join(parts)}{more}", height=height)


def acceptance_change(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    by_group: bool = False,
    **caption: Unpack[CaptionKeywords],
) -> alt.LayerChart:
    """Which effects moved the acceptance rate from the one period to the other?

    A waterfall: each bar begins where the last one ended, and the last bar is the whole change
    from nothing. The steps are the three effects over all groups; with ``by_group`` they are the
    groups, largest effect first, at most twelve, and one bar for all the other groups together
    that says how many they are. All in percentage points of the rate.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.acceptance_change``: one row a group, and the total as the last row.
    by_group : bool
        Show what each group adds rather than the three effects.
    **caption
        As for :mod:`every chart <augment_insights.charts>`.

    Returns
    -------
    alt.LayerChart

    Raises
    ------
    TableError
        When the last row is not the total.

    See Also
    --------
    augment_insights.analysis.acceptance_change : the table.
    compare : whether a change is more than chance; ask that first.

    Examples
    --------
    >>> change = pl.DataFrame({
    ...     "language": ["Go", "C", None],
    ...     "rate_effect": [0.02, -0.01, 0.01],
    ...     "mix_effect": [0.0, 0.005, 0.005],
    ...     "entry_exit_effect": [0.0, 0.0, 0.0],
    ...     "total_effect": [0.02, -0.005, 0.015],
    ... })
    >>> acceptance_change(change).title.text
    'Acceptance rate: what moved it'
    """
    frame = marks.read(table, tables.ACCEPTANCE_CHANGE)
    groups = _check_total(frame)
    about = marks.caption(
        caption,
        "Acceptance rate: what moved it" + (", group by group" if by_group else ""),
        plural(groups.height, "group") if groups.height else "",
    )
    if frame.is_empty() or frame["total_effect"][-1] is None:
        return marks.no_data(about)
    total = frame.row(-1, named=True)
    effects = [(label, total[column]) for column, label in _EFFECTS.items()]
    steps = _group_steps(groups) if by_group else pl.DataFrame(effects, schema=["step", "effect"], orient="row")
    drawn = _falls(steps, whole=total["total_effect"])
    parts = [f"{step} {points:+.2f}" for step, points in drawn.select("step", "effect_points").iter_rows()]
    told, height = f"in percentage points, {', '.join(parts)}", _ROW_HEIGHT * drawn.height
    base = alt.Chart(drawn).encode(
        y=alt.Y("step:N", title=None, scale=alt.Scale(domain=drawn["step"].to_list())),
        tooltip=marks.tooltip(drawn, {"step": "Step", "effect_points": "Effect, points", "direction": "It"}),
    )
    axis = _points_axis("Percentage points of the acceptance rate")
    color = marks.series_color(_DIRECTIONS, column="direction")
    bars = base.mark_bar().encode(x=alt.X("start:Q", axis=axis, scale=_FROM_ZERO), x2="end:Q", color=color)
    reach = base.transform_calculate(right="max(datum.start, datum.end)").mark_text(align="left", dx=6)
    text = alt.Text("effect_points:Q", format="+.2f")
    points = reach.encode(x=alt.X("right:Q", scale=_FROM_ZERO), text=text)
    layers = [bars, marks.zero_line(drawn), points]
    return marks.single(layers, about, "Waterfall chart", told, height=height)


def _row_name(frame: pl.DataFrame) -> pl.Expr:
    """Name a row by its rate, or its group where that tells rows apart, or both."""
    metric = pl.col("metric").str.replace_all("_", " ")
    if not marks.is_grouped(frame):
        return metric
    return pl.concat_str(metric, "group", separator=" · ") if frame["group"].is_duplicated().any() else pl.col("group")


def _points_axis(title: str) -> alt.Axis:
    return alt.Axis(title=title, grid=True, labelExpr=_POINTS, tickCount=8)


def _differences(drawn: pl.DataFrame) -> list[alt.Chart]:
    """Draw the differences: of rates in percentage points, of means in their own unit."""
    are_rates = drawn["metric"].str.ends_with("_rate").all()
    scale, unit = (100, ", points") if are_rates else (1, "")
    bounds = ("difference", "difference_low", "difference_high")
    pointed = drawn.drop("metric").with_columns((pl.col(bounds) * scale).name.suffix("_points"))
    color = marks.series_color(marks.VERDICTS, column="verdict").legend(None)
    titles = {"row": "Rate", "before": "Before", "after": "After", "difference_points": f"Difference{unit}"}
    titles |= {"difference_low_points": f"Interval from{unit}", "difference_high_points": f"Interval to{unit}"}
    titles |= {"verdict": "Verdict", "both_users": "People on both sides"}
    titles |= {"before_users": "Before only", "after_users": "After only"}
    plain = alt.Chart(pointed).encode(
        y=alt.Y("row:N", title=None, scale=alt.Scale(domain=drawn["row"].to_list()), axis=alt.Axis(labelLimit=400)),
        tooltip=marks.tooltip(pointed, titles),
    )
    base = plain.encode(color=color)
    axis = _points_axis("Difference in percentage points") if are_rates else alt.Axis(title="Difference", tickCount=8)
    ends_at = [0.0, *drawn["difference_low"].drop_nulls(), *drawn["difference_high"].drop_nulls()]
    room = (max(ends_at) - min(ends_at)) * _VERDICT_ROOM  # for the words behind the last whisker
    wide = alt.Scale(domain=[min(ends_at) - room / 8, max(ends_at) + room], nice=False) if room else _FROM_ZERO
    low, difference, end = (
        alt.X(f"{column}:Q", axis=axis, scale=wide) for column in ("difference_low", "difference", "end")
    )
    ends = plain.transform_calculate(end="isValid(datum.difference_high) ? datum.difference_high : datum.difference")
    return [
        marks.zero_line(pointed),
        base.mark_rule(strokeWidth=2, opacity=0.55).encode(x=low, x2="difference_high:Q"),
        base.mark_point(filled=True, opacity=1, size=90).encode(x=difference),
        ends.mark_text(align="left", dx=10).encode(x=end, text="verdict:N"),
    ]


def _check_total(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the groups' rows, which all stand before the total."""
    if frame.is_empty():
        return frame
    # The total has no group, and a group without a name is read as "(none)" in each of its columns.
    parts = (frame["group"][-1] or "(none)").split(" · ")
    if any(part != "(none)" for part in parts):
        raise TableError(
            "The last row of an acceptance_change is the total, without a group, and this one has a group.",
            table="acceptance_change",
            hint="pass the table as analysis.acceptance_change returns it.",
        )
    return frame.head(-1)


def _group_steps(groups: pl.DataFrame) -> pl.DataFrame:
    """Return what the largest groups add, and the others in one step that says how many they are."""
    ranked = groups.sort(pl.col("total_effect").abs(), pl.col("group"), descending=[True, False])
    steps = ranked.select(pl.col("group").alias("step"), pl.col("total_effect").alias("effect"))
    if steps.height <= _MOST_STEPS:
        return steps
    others = steps.slice(_MOST_STEPS)
    rest = pl.DataFrame({"step": [f"{others.height} other groups"], "effect": [others["effect"].sum()]})
    return pl.concat([steps.head(_MOST_STEPS), rest])


def _falls(steps: pl.DataFrame, *, whole: float) -> pl.DataFrame:
    """Lay each step on the end of the last, and the whole change on the ground."""
    effect = pl.col("effect")
    laid = steps.with_columns(effect.cum_sum().alias("end")).with_columns((pl.col("end") - effect).alias("start"))
    ground = pl.DataFrame({"step": [_WHOLE], "effect": [whole], "end": [whole], "start": [0.0]})
    higher, lower, all_of_it = _DIRECTIONS
    direction = pl.when(effect < 0).then(pl.lit(lower)).otherwise(pl.lit(higher))
    return pl.concat(
        [laid.with_columns(direction.alias("direction")), ground.with_columns(pl.lit(all_of_it).alias("direction"))]
    ).select(marks.distinct("step"), (effect * 100).alias("effect_points"), "start", "end", "direction")
