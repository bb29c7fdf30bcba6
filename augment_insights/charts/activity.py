"""Charts of how many are active in trailing windows, and how often they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from augment_insights.charts import caption, marks
from augment_insights.charts.theme import ACCENT, WIDTH, load_altair

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    import altair as alt

_ROLLING = ("date", "window_days", "active_users", "is_complete")
_STICKINESS = ("date", "window_days", "mean_daily_users", "active_users", "stickiness_rate", "is_complete")
_DISTRIBUTION = ("active_days", "users")
_HEAD = "reaches back before the data"
_MAX_ROWS = 1500
"""More points than this make a page heavy, and stand closer than the eye can tell."""

_WEEK = 7
_MOST_NUMBERS = 31
"""More bars than this leave no room for their numbers."""


def rolling_active_users(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    population: str = "people",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
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
    population : str
        Who is counted, for the subtitle.
    as_of : date or str, optional
        The last day of the data, for the subtitle. Left out, the last day of the table.
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
    frame = _windows(caption.with_group(caption.keep(table, _ROLLING, name="rolling_active_users"), _ROLLING))
    lengths = frame["window"].unique(maintain_order=True).to_list()
    heading = f"Active users in a window of {lengths[0]}" if len(lengths) == 1 else "Active users in trailing windows"
    return _trailing(
        frame,
        value="active_users",
        also=(),
        heading=heading,
        captions=(population, caption.as_day(as_of), sample),
        width=width,
    )


def stickiness(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    population: str = "people",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
) -> alt.LayerChart | alt.FacetChart:
    """Of the users of a trailing window, what share comes on an average day?

    100% would be everyone every day; an office that works five days of seven has its ceiling
    near 71%. The line is dashed at the head, where the window reaches back before the data. A
    window without anyone leaves a gap, never a zero. A line a window, if the table has several.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.stickiness``: one row a day.
    population : str
        Who is counted, for the subtitle.
    as_of : date or str, optional
        The last day of the data, for the subtitle. Left out, the last day of the table.
    sample : bool
        Say in the subtitle that the organisation is made up.
    width : int
        Width of the plot in pixels.

    Returns
    -------
    alt.LayerChart or alt.FacetChart
        Neither shown nor saved; it holds the drawn columns only. A table of several windows with
        a column of groups beside gives panels, a FacetChart.

    Raises
    ------
    TableError
        When a column is missing.

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
    frame = _windows(caption.with_group(caption.keep(table, _STICKINESS, name="stickiness"), _STICKINESS))
    lengths = frame["window"].unique(maintain_order=True).to_list()
    of = f"the users of {lengths[0]}" if len(lengths) == 1 else "the window's users"
    return _trailing(
        frame,
        value="stickiness_rate",
        also=("mean_daily_users", "active_users"),
        heading=f"Stickiness: mean daily users of {of}",
        captions=(population, caption.as_day(as_of), sample),
        width=width,
    )


def active_day_distribution(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    population: str = "people",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
) -> alt.LayerChart:
    """How many users came on exactly 1, 2, 3, ... days of the window (L-ness)?

    A bar a number of days. A hill at the left is curiosity, one at the right (near 20 of 28 days)
    is daily work. The bars add up to the window's active users; who never came is not in it.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.active_day_distribution``: one row a number of days.
    population : str
        Who is counted, for the subtitle.
    as_of : date or str, optional
        The last day of the window, for the subtitle.
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
        When a column is missing, or a number of days has more than one row.

    See Also
    --------
    augment_insights.analysis.active_day_distribution : the table.

    Examples
    --------
    >>> week = pl.DataFrame({"active_days": [1, 2, 3, 4, 5, 6, 7], "users": [3, 1, 2, 4, 9, 0, 0]})
    >>> active_day_distribution(week, as_of="2026-03-08").title.subtitle
    'people · data to 8 Mar 2026 · 19 active users'
    """
    frame = caption.keep(table, _DISTRIBUTION, name="active_day_distribution").select(_DISTRIBUTION)
    caption.refuse_repeats(frame, ["active_days"], table="active_day_distribution")
    everyone = frame["users"].sum()
    heading = f"Active days a user in the last {_days(frame.height)}" if frame.height else "Active days a user"
    line = caption.subtitle(
        population=population,
        data_to=caption.as_day(as_of),
        sample=sample,
        note=f"{everyone:,} active users" if everyone else "",
    )
    if not everyone:
        return caption.no_data(heading, line, width=width)
    most = frame.sort("users", "active_days", descending=[True, False]).row(0, named=True)
    drawn = frame.sort("active_days").with_columns(pl.lit(everyone).alias("of_users"))
    return marks.single(_bars(drawn), width=width).properties(
        title=caption.title(heading, line),
        description=f"Bar chart of {heading.lower()} ({line}): the most common number is "
        f"{_days(most['active_days'])}, with {most['users']} users.",
    )


def _bars(drawn: pl.DataFrame) -> alt.LayerChart:
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    axis = alt.Axis(labelAngle=0, labelOverlap=True)
    tooltip = [
        marks.count("active_days", "Active days"),
        marks.count("users", "Users"),
        marks.count("of_users", "Of active users"),
    ]
    base = alt.Chart(drawn).encode(
        x=alt.X("active_days:O", title="Days with activity in the window", axis=axis),
        y=marks.count_axis("Users")("users"),
        tooltip=tooltip,
    )
    bars = base.mark_bar(color=ACCENT, cornerRadiusEnd=2)
    if drawn.height > _MOST_NUMBERS:
        return alt.LayerChart(layer=[bars])
    return alt.LayerChart(layer=[bars, base.mark_text(dy=-8, fontSize=12).encode(text="users:Q")])


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"


def _windows(frame: pl.DataFrame) -> pl.DataFrame:
    """Add the windows' names, shortest first."""
    lengths = frame["window_days"].unique().sort().to_list()
    names = [_days(length) for length in lengths]
    named = pl.col("window_days").replace_strict(lengths, names, return_dtype=pl.String)
    return frame.sort("window_days").with_columns(named.alias("window"))


def _thin(frame: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """Keep the last day and every n-th before it, so that a chart stays light, and say so."""
    step = -(-frame.height // _MAX_ROWS)
    if step <= 1:
        return frame, ""
    # A step of whole weeks would show one day of the week only.
    step += step % _WEEK == 0
    last = pl.col("date").max()
    return frame.filter((last - pl.col("date")).dt.total_days() % step == 0), f"one day in {step} is drawn"


def _trailing(
    frame: pl.DataFrame,
    *,
    value: str,
    also: Sequence[str],
    heading: str,
    captions: tuple[str, date | None, bool],
    width: int,
) -> alt.LayerChart | alt.FacetChart:
    """Draw a line a window, or a group; a panel a group where there are several of both."""
    grouped = frame["group"].null_count() < frame.height
    several = frame["window"].n_unique() > 1
    most = marks.MAX_PANELS if several else caption.MAX_LINES
    frame, fewer = caption.largest_groups(frame, size="active_users", most=most)
    frame, thinned = _thin(frame)
    population, as_of, sample = captions
    last: date | None = as_of or frame["date"].max()  # type: ignore[assignment]  # max() of dates is a date
    note = " · ".join(part for part in (fewer, thinned) if part)
    line = caption.subtitle(population=population, data_to=last, sample=sample, note=note)
    if not frame[value].count():
        return caption.no_data(heading, line, width=width)
    series = ["panel"] if grouped and several else ["group"] if grouped else []
    drawn = (
        caption.mark_incomplete(frame, value, time="date", line=("group", "window_days"), words=_HEAD)
        .rename({"group": "panel"} if series == ["panel"] else {})
        .select("date", "window", value, *also, "solid", "dashed", "open", "state", *series)
    )
    chart = _window_lines(drawn, value=value, color=_color(drawn))
    told = f"Line chart of {heading.lower()} ({line}): {drawn['date'].n_unique()} days"
    words = {"title": caption.title(heading, line), "description": f"{told}{_ends(drawn, value)}."}
    if series == ["panel"]:
        names = drawn["panel"].unique().sort().to_list()
        return marks.panels(chart, names, width=width).properties(**words)
    return marks.single(chart, width=width).properties(**words)


def _color(drawn: pl.DataFrame) -> dict[str, Any]:
    """Return the colour encoding: groups in one plot, else windows, else none."""
    load_altair()
    if "group" in drawn.columns:
        return caption.group_color(drawn)
    names = drawn["window"].unique(maintain_order=True).to_list()
    if len(names) == 1:
        return {}
    color = marks.series_color(names, column="window", title="Window")
    # Its points are seen under the pointer only: the legend shows the lines.
    return {
        "color": color.legend(orient="top", titleOrient="left", offset=10, symbolType="stroke", symbolStrokeWidth=3)
    }


def _window_lines(drawn: pl.DataFrame, *, value: str, color: dict[str, Any]) -> alt.LayerChart:
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    rates = [marks.percent("stickiness_rate", "Stickiness")] if value == "stickiness_rate" else []
    means = [alt.Tooltip("mean_daily_users:Q", title="Mean daily users", format=",.1f")] if rates else []
    tooltip = [
        marks.day("date", "Last day of the window"),
        marks.words("window", "Window"),
        *rates,
        *means,
        marks.count("active_users", "Active users"),
        marks.words("state", "The window is"),
        *(marks.words(name, "Group") for name in ("group", "panel") if name in drawn.columns),
    ]
    y = marks.share_axis("Mean daily users / active users") if rates else marks.count_axis("Active users")
    base = alt.Chart(drawn).encode(x=caption.time_axis(drawn["date"], "1d", time="date"), **color)
    return alt.LayerChart(layer=marks.lines(base, y, value=value, tooltip=tooltip, points=drawn["date"].n_unique()))


def _ends(drawn: pl.DataFrame, value: str) -> str:
    """Say the last value of each line, unless there are groups."""
    if {"group", "panel"} & set(drawn.columns):
        return f", {drawn.select('^(group|panel)$').n_unique()} groups"
    last = drawn.drop_nulls(value).sort("date").group_by("window", maintain_order=True).last()
    form = "{:.1%}" if value == "stickiness_rate" else "{:,}"
    told = [f"{form.format(number)} in {window}" for window, number in last.select("window", value).iter_rows()]
    return f"; at the end {', '.join(told)}"
