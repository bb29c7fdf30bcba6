"""Charts of how many are active, period by period and in trailing windows, and how often they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import altair as alt
import polars as pl

from augment_insights import tables
from augment_insights.charts import marks
from augment_insights.charts.theme import ACCENT
from augment_insights.errors import plural
from augment_insights.periods import day_text

if TYPE_CHECKING:
    from augment_insights.charts.marks import CaptionKeywords
    from augment_insights.periods import Every

_LONGEST: dict[Every, int] = {"1d": 1, "1w": 7, "1mo": 31}
_MAX_ROWS = 1500
"""More points than this make a page heavy, and stand closer than the eye can tell."""

_WEEK = 7
_MOST_NUMBERS = 31
"""More bars than this leave no room for their numbers."""


def active_users(table: pl.DataFrame | pl.LazyFrame, **caption: Unpack[CaptionKeywords]) -> alt.LayerChart:
    """How many users were active, period by period?

    A line over complete periods; one that the data holds only in part is an open point on a dashed
    line, because its count is too low. A table grouped by team or the like gives a line a
    group, at most six: the largest, and the subtitle says so.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.active_users``: one row a period, or a group and period.
    **caption
        As for :mod:`every chart <augment_insights.charts>`. Without ``as_of`` the subtitle names the
        end of the last complete period.

    Returns
    -------
    alt.LayerChart

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
    frame, fewer = marks.largest_groups(
        marks.read(table, tables.ACTIVE_USERS), size="active_users", most=marks.MAX_LINES
    )
    every = _every(frame)
    complete_to = marks.latest_day(frame.filter("is_complete")["period_end"])
    about = marks.caption(caption, marks.heading(every, "active users"), omitted=[fewer], until=complete_to)
    if frame.is_empty():
        return marks.no_data(about)
    drawn, color = marks.group_color(marks.mark_incomplete(frame, "active_users"))
    titles = {"period_start": "From", "period_end": "To", "active_users": "Active users"}
    titles |= {"state": marks.noun(every).capitalize()} | marks.GROUP
    base = alt.Chart(drawn).encode(x=marks.time_axis(drawn["period_start"], every), **color)
    layers = marks.lines(base, marks.count_axis("Active users"), value="active_users", titles=titles)
    told, complete = marks.periods_text(frame)
    if complete.height:
        first, last = complete.row(0, named=True), complete.row(-1, named=True)
        told += (
            f", from {first['active_users']} in the one of {day_text(first['period_start'])} "
            f"to {last['active_users']} in the last complete one, of {day_text(last['period_start'])}"
        )
    return marks.single(layers, about, "Line chart", told, metric="active_users")


def rolling_active_users(
    table: pl.DataFrame | pl.LazyFrame, **caption: Unpack[CaptionKeywords]
) -> alt.LayerChart | alt.FacetChart:
    """On each day, how many users were active in the last 1, 7, 28 days?

    A line a window. It is dashed at the head, where the window reaches back before the data and
    the count is too low. The shortest window shows the week's rhythm, the longest the trend. A
    table by groups has a line a group (one window, at most six groups) or a panel a group
    (several windows, at most eight): the largest, and the subtitle says so. Where there are
    very many days, every second (third, ...) is drawn, and the subtitle says that too.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.rolling_active_users``: one row a day and window, or a group of them.
    **caption
        As for :mod:`every chart <augment_insights.charts>`. Without ``as_of`` the subtitle names the
        last day of the table.

    Returns
    -------
    alt.LayerChart or alt.FacetChart
        Panels for groups are a FacetChart.

    See Also
    --------
    augment_insights.analysis.rolling_active_users : the table.
    stickiness : what share of a window's users comes on an average day.

    Examples
    --------
    >>> from datetime import date
    >>> days = pl.DataFrame({
    ...     "date": [date(2026, 3, 1), date(2026, 3, 2)],
    ...     "window_days": [7, 7],
    ...     "active_users": [40, 43],
    ...     "is_complete": [False, True],
    ... })
    >>> rolling_active_users(days, population="engineers").title.subtitle
    'engineers · data to 2 Mar 2026'
    """
    return _trailing(marks.read(table, tables.ROLLING_ACTIVE_USERS), caption)


def stickiness(
    table: pl.DataFrame | pl.LazyFrame, **caption: Unpack[CaptionKeywords]
) -> alt.LayerChart | alt.FacetChart:
    """Of the users of a trailing window, what share comes on an average day?

    100% would be everyone every day; an office that works five days of seven has its ceiling
    near 71%. The line is dashed at the head, where the window reaches back before the data. A
    window without anyone leaves a gap, never a zero. A line a window, if the table has several. The
    axis says so where the mean is over working days alone.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.stickiness``: one row a day.
    **caption
        As for :mod:`every chart <augment_insights.charts>`. Without ``as_of`` the subtitle names the
        last day of the table.

    Returns
    -------
    alt.LayerChart or alt.FacetChart
        Panels, for a table of several windows by groups, are a FacetChart.

    See Also
    --------
    augment_insights.analysis.stickiness : the table.
    active_day_distribution : the same users by how many days they came.

    Examples
    --------
    >>> from datetime import date
    >>> days = pl.DataFrame({
    ...     "date": [date(2026, 3, 1), date(2026, 3, 2)],
    ...     "window_days": [28, 28],
    ...     "mean_daily_users": [18.5, 19.0],
    ...     "active_users": [40, 41],
    ...     "stickiness_rate": [0.4625, 0.4634],
    ...     "is_complete": [True, True],
    ... })
    >>> stickiness(days).title.text
    'Stickiness: mean daily users of the users of 28 days'
    """
    return _trailing(marks.read(table, tables.STICKINESS, also=["working_days"]), caption)


def active_day_distribution(table: pl.DataFrame | pl.LazyFrame, **caption: Unpack[CaptionKeywords]) -> alt.LayerChart:
    """How many users came on exactly 1, 2, 3, ... days of the window (L-ness)?

    A bar a number of days. A hill at the left is curiosity, one at the right (near 20 of 28 days)
    is daily work. The bars add up to the window's active users; who never came is not in it.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.active_day_distribution``: one row a number of days.
    **caption
        As for :mod:`every chart <augment_insights.charts>`.

    Returns
    -------
    alt.LayerChart

    Raises
    ------
    TableError
        When a number of days has more than one row.

    See Also
    --------
    augment_insights.analysis.active_day_distribution : the table.

    Examples
    --------
    >>> week = pl.DataFrame({"active_days": [1, 2, 3, 4, 5, 6, 7], "users": [3, 1, 2, 4, 9, 0, 0]})
    >>> active_day_distribution(week, as_of="2026-03-08").title.subtitle
    'people · data to 8 Mar 2026 · 19 active users'
    """
    frame = marks.read(table, tables.ACTIVE_DAY_DISTRIBUTION, keys=["active_days"]).drop("group").sort("active_days")
    everyone = frame["users"].sum()
    window = f" in the last {plural(frame.height, 'day')}" if frame.height else ""
    about = marks.caption(caption, f"Active days a user{window}", f"{everyone:,} active users" if everyone else "")
    if not everyone:
        return marks.no_data(about)
    drawn = frame.with_columns(pl.lit(everyone).alias("of_users"))
    titles = {"active_days": "Active days", "users": "Users", "of_users": "Of active users"}
    axis = alt.Axis(labelAngle=0, labelOverlap=True)
    base = alt.Chart(drawn).encode(
        x=alt.X("active_days:O", title="Days with activity in the window", axis=axis),
        y=marks.count_axis("Users")("users"),
        tooltip=marks.tooltip(drawn, titles),
    )
    layers = [base.mark_bar(color=ACCENT, cornerRadiusEnd=2)]
    if drawn.height <= _MOST_NUMBERS:
        layers.append(base.mark_text(dy=-8, fontSize=12).encode(text="users:Q"))
    most = frame.sort("users", "active_days", descending=[True, False]).row(0, named=True)
    told = f"the most common number is {plural(most['active_days'], 'day')}, with {most['users']} users"
    return marks.single(layers, about, "Bar chart", told)


def _every(frame: pl.DataFrame) -> Every | None:
    """Return the period of rows whose first and last day are both known."""
    days = frame.select((pl.col("period_end") - pl.col("period_start")).dt.total_days().max() + 1).item()
    if days is None:
        return None
    return next((every for every, most in _LONGEST.items() if days <= most), "1q")


def _thin(frame: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """Keep the last day and every n-th before it, so that a chart stays light, and say so."""
    step = -(-frame.height // _MAX_ROWS)
    if step <= 1:
        return frame, ""
    # A step of whole weeks would show one day of the week only.
    step += step % _WEEK == 0
    last = pl.col("date").max()
    return frame.filter((last - pl.col("date")).dt.total_days() % step == 0), f"one day in {step} is drawn"


def _trailing(frame: pl.DataFrame, caption: CaptionKeywords) -> alt.LayerChart | alt.FacetChart:
    """Draw users or their stickiness: a line a window, or a group; a panel a group where there are several of both."""
    lengths = frame["window_days"].unique().sort().to_list()
    names = [plural(length, "day") for length in lengths]
    named = pl.col("window_days").replace_strict(lengths, names, return_dtype=pl.String)
    frame = frame.sort("window_days").with_columns(named.alias("window"))
    several, is_rate = len(names) != 1, "stickiness_rate" in frame.columns
    if is_rate:
        value, of = "stickiness_rate", "the window's users" if several else f"the users of {names[0]}"
        daily = "mean users of a working day" if "working_days" in frame.columns else "mean daily users"
        heading = f"Stickiness: {daily} of {of}"
        y = marks.share_axis(f"{daily.capitalize()} / active users")
    else:
        value, y = "active_users", marks.count_axis("Active users")
        heading = "Active users in trailing windows" if several else f"Active users in a window of {names[0]}"
    most = marks.MAX_PANELS if several else marks.MAX_LINES
    frame, fewer = marks.largest_groups(frame, size="active_users", most=most)
    frame, thinned = _thin(frame)
    about = marks.caption(caption, heading, omitted=[fewer, thinned], until=marks.latest_day(frame["date"]))
    if not frame[value].count():
        return marks.no_data(about)
    reaches_back = "reaches back before the data"
    marked = marks.mark_incomplete(frame, value, time="date", line=("group", "window_days"), words=reaches_back)
    drawn, color = marks.group_color(marked.drop("window_days"))
    if several:
        drawn, color = drawn.rename({"group": "panel"}, strict=False), {"color": _window_color(drawn)}
    titles = {"date": "Last day of the window", "window": "Window", "stickiness_rate": "Stickiness"}
    titles |= {
        "mean_daily_users": "Mean daily users",
        "working_days": "Mean over working days",
        "active_users": "Active users",
        "state": "The window is",
    }
    base = alt.Chart(drawn).encode(x=marks.time_axis(drawn["date"], "1d", time="date"), **color)
    layers = marks.lines(base, y, value=value, titles=titles | marks.GROUP, time="date")
    told = f"{plural(drawn['date'].n_unique(), 'day')}{_ends_text(frame, value)}"
    return marks.panels(layers, about, "Line chart", told, metric=value)


def _window_color(drawn: pl.DataFrame) -> alt.Color:
    color = marks.series_color(drawn["window"].unique(maintain_order=True).to_list(), column="window", title="Window")
    # Its points are seen under the pointer only: the legend shows the lines.
    return color.legend(orient="top", titleOrient="left", offset=10, symbolType="stroke", symbolStrokeWidth=3)


def _ends_text(frame: pl.DataFrame, value: str) -> str:
    """Return the last value of each line, unless there are groups."""
    if marks.is_grouped(frame):
        return f", {plural(frame['group'].n_unique(), 'group')}"
    last = frame.drop_nulls(value).sort("date").group_by("window", maintain_order=True).last()
    form = "{:.1%}" if value == "stickiness_rate" else "{:,}"
    told = [f"{form.format(number)} in {window}" for window, number in last.select("window", value).iter_rows()]
    return f"; at the end {', '.join(told)}"
