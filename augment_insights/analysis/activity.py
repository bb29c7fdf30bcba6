"""How many are active? Active users by calendar period and in trailing windows, and how often they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import polars as pl

from augment_insights import tables
from augment_insights.analysis.intervals import rate
from augment_insights.analysis.user_days import first_of_periods, periods_of, prepare
from augment_insights.errors import did_you_mean
from augment_insights.periods import check_count

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from augment_insights.analysis.population import Whose
    from augment_insights.analysis.user_days import OrderedDays, UserDays
    from augment_insights.periods import Every


def active_users(
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    *,
    every: Every = "1d",
    by: str | Sequence[str] | None = None,
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """How many users were active in each day, week, month or quarter?

    Distinct users with activity on at least one day of the period: DAU, WAU and MAU for a day, a
    calendar week (from Monday) and a calendar month. Nothing is weighted and nothing is null: a
    period in which nobody was active is a 0, from the first period of the frame to that of
    ``as_of``, for every group that occurs. The first and the last may be known in part: see ``is_complete``.

    Parameters
    ----------
    activity : DataFrame, LazyFrame or UserDays
        ``user``, ``user_type``, and ``date`` or ``period_start`` with ``period_end``; one row or
        more a user and day, or a user and period that does not span a border of ``every``.
        A LazyFrame is collected, because its last day must be known first.
    every : {"1d", "1w", "1mo", "1q"}
        The calendar period.
    by : str or sequence of str, optional
        Columns of ``activity`` to group by. A user of two groups counts in both, so groups may
        add up to more than the whole.
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the data (see
        :class:`.Whose`).

    Returns
    -------
    DataFrame
        The table ACTIVE_USERS: ``period_start`` (Date), ``period_end`` (Date, the whole period's
        last day), the ``by`` columns, ``active_users`` (Int64, users), ``is_complete`` (Boolean: all
        days of the period lie within those of the data).

    Raises
    ------
    TableError
        A column is missing or of another dtype; rows too coarse for ``every``.
    ValueError
        An unknown ``every`` or ``user_type``.

    See Also
    --------
    rolling_active_users : the same in windows that end on each day.
    augment_insights.charts.active_users : its chart.

    Examples
    --------
    >>> from datetime import date
    >>> activity = pl.DataFrame(
    ...     {
    ...         "date": [date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 12)],
    ...         "user": ["ada@x.io", "bob@x.io", "ADA@x.io"],
    ...         "user_type": ["person"] * 3,
    ...     }
    ... )
    >>> active_users(activity, every="1w").rows()
    [(datetime.date(2026, 1, 5), datetime.date(2026, 1, 11), 2, True),
     (datetime.date(2026, 1, 12), datetime.date(2026, 1, 18), 1, False)]
    """
    order = prepare(activity).ordered(tables.ACTIVE_USERS, **whose, by=by)
    calendar = order.calendar(every)
    visits = first_of_periods(order.gaps.lazy(), calendar)
    counts = visits.group_by("group", "label").agg(active_users=pl.col("users").sum()).collect()
    periods = order.grid(periods_of(calendar)).join(counts, on=["group", "label"], how="left")
    return order.as_table(
        periods.with_columns(pl.col("active_users").fill_null(0)), tables.ACTIVE_USERS, before="active_users"
    )


def rolling_active_users(
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    *,
    windows: int | Sequence[int] = (1, 7, 28),
    by: str | Sequence[str] | None = None,
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """On each day, how many users were active in the last 1, 7, 28 days?

    Distinct users with activity on at least one day of the window that ends on the day and
    includes it. Every day from the frame's first to ``as_of`` has a row for every group that
    occurs; a day without anyone is a 0. The cost does not depend on how long the windows are.

    Parameters
    ----------
    activity : DataFrame, LazyFrame or UserDays
        ``user``, ``user_type`` and ``date`` (or periods of one day); one row or more a user and
        active day.
        A LazyFrame is collected, because its last day must be known first.
    windows : int or sequence of int
        The lengths in days.
    by : str or sequence of str, optional
        Columns of ``activity`` to group by. A user of two groups counts in both.
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the data (see
        :class:`.Whose`).

    Returns
    -------
    DataFrame
        The table ROLLING_ACTIVE_USERS: ``date`` (Date), ``window_days`` (Int64, days), the ``by``
        columns, ``active_users`` (Int64, users), ``is_complete`` (Boolean: the data reaches back
        to the window's first day).

    Raises
    ------
    TableError
        A column is missing or of another dtype; rows that span several days.
    ValueError
        A window that is not an integer >= 1; an unknown ``user_type``.

    See Also
    --------
    active_users : the same by calendar period.
    stickiness : how much of a window's users come on a day.
    augment_insights.charts.rolling_active_users : its chart.

    Examples
    --------
    >>> from datetime import date
    >>> activity = pl.DataFrame(
    ...     {
    ...         "date": [date(2026, 1, 5), date(2026, 1, 7)],
    ...         "user": ["ada@x.io", "bob@x.io"],
    ...         "user_type": ["person"] * 2,
    ...     }
    ... )
    >>> rolling_active_users(activity, windows=[2]).rows()
    [(datetime.date(2026, 1, 5), 2, 1, False),
     (datetime.date(2026, 1, 6), 2, 1, True),
     (datetime.date(2026, 1, 7), 2, 1, True)]
    """
    lengths = [windows] if isinstance(windows, (int, float, str)) else list(windows)
    for length in lengths:
        check_count("windows", length)
    order = prepare(activity).ordered(tables.ROLLING_ACTIVE_USERS, **whose, by=by, needs_days=True)
    return order.as_table(_trailing(order, lengths), tables.ROLLING_ACTIVE_USERS, before="active_users")


def stickiness(
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    *,
    window: int = 28,
    kind: Literal["mean", "day"] = "mean",
    calendar: pl.DataFrame | None = None,
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """Of the users of the last 28 days, what share comes on an average day?

    ``stickiness_rate = mean_daily_users / active_users``, both over the window that ends on the
    day and includes it. A window that reaches back before the data is not complete, and its mean
    is over the days that are known. A window without anyone has no rate (null). Many vendors divide
    the users of the day alone by those of 30 days: that is ``kind="day", window=30``, which falls on
    every weekend.

    Parameters
    ----------
    activity : DataFrame, LazyFrame or UserDays
        ``user``, ``user_type`` and ``date`` (or periods of one day); one row or more a user and
        active day.
        A LazyFrame is collected, because its last day must be known first.
    window : int
        The length in days.
    kind : {"mean", "day"}
        Above the line stands the mean of the window's days, or the day itself.
    calendar : DataFrame, optional
        The table CALENDAR_DAYS: the mean is over the window's working days alone. A five-day week no longer has its
        ceiling near 71%.
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the data (see
        :class:`.Whose`).

    Returns
    -------
    DataFrame
        The table STICKINESS: ``date`` (Date), ``window_days`` (Int64, days), ``mean_daily_users``
        (Float64, users; with ``kind="day"`` those of the day), ``active_users`` (Int64, users),
        ``stickiness_rate`` (Float64, 0 to 1), ``is_complete`` (Boolean: the data reaches back to the
        window's first day). With a calendar, ``working_days`` (Int64) besides: those that the mean is over.

    Raises
    ------
    TableError
        A column is missing or of another dtype; rows that span several days.
    ValueError
        A window that is not an integer >= 1; an unknown ``kind`` or ``user_type``; a calendar with ``kind="day"``.

    See Also
    --------
    active_day_distribution : the same users by how many days they came.
    augment_insights.charts.stickiness : its chart.

    Examples
    --------
    Ada comes on both days, Bob on one: 1.5 of 2 users on an average day.

    >>> from datetime import date
    >>> activity = pl.DataFrame(
    ...     {
    ...         "date": [date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 6)],
    ...         "user": ["ada@x.io", "ada@x.io", "bob@x.io"],
    ...         "user_type": ["person"] * 3,
    ...     }
    ... )
    >>> stickiness(activity, window=2).row(-1)
    (datetime.date(2026, 1, 6), 2, 1.5, 2, 0.75, True)
    """
    check_count("window", window)
    if kind not in ("mean", "day"):
        raise ValueError(f"kind={kind!r} is not known.{did_you_mean(str(kind), ('mean', 'day'))}")
    if calendar is not None and kind == "day":
        raise ValueError('kind="day" is of one day, and takes no calendar. Hint: leave one of them out.')
    order = prepare(activity).ordered(tables.STICKINESS, **whose, needs_days=True)
    off = [] if calendar is None else tables.CALENDAR_DAYS.check(calendar)["date"].unique().to_list()
    daily = _trailing(order, [1]).select("date", daily_users="active_users", works=~pl.col("date").is_in(off))
    in_window = (pl.col("works").cast(pl.Int64), pl.col("daily_users") * pl.col("works"))
    days, user_days = (each.rolling_sum(window, min_samples=1) for each in in_window)
    table = (
        _trailing(order, [window])
        .join(daily, on="date")
        .sort("date")
        .with_columns(mean_daily_users=rate(user_days, days) if kind == "mean" else "daily_users", working_days=days)
        .with_columns(stickiness_rate=rate(pl.col("mean_daily_users"), pl.col("active_users")))
    )
    found = order.as_table(table, tables.STICKINESS, before="mean_daily_users")
    return found if calendar is None else found.with_columns(table["working_days"])


def active_day_distribution(
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    *,
    window: int = 28,
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """In the last 28 days, how many users came on exactly 1, 2, 3, ... days (L-ness)?

    Every number from 1 to the window's length has a row, 0 users included. Users without a day in
    the window are not in it, so the users add up to the window's active users. Where the data
    begins within the window, nobody can have come on more days than it holds.

    Parameters
    ----------
    activity : DataFrame, LazyFrame or UserDays
        ``user``, ``user_type`` and ``date`` (or periods of one day); one row or more a user and
        active day.
        A LazyFrame is collected, because its last day must be known first.
    window : int
        The length in days; the window ends on the last day of the data.
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the data (see
        :class:`.Whose`).

    Returns
    -------
    DataFrame
        The table ACTIVE_DAY_DISTRIBUTION: ``active_days`` (Int64, days), ``users`` (Int64).
        Without any row in ``activity`` it is empty.

    Raises
    ------
    TableError
        A column is missing or of another dtype; rows that span several days.
    ValueError
        A window that is not an integer >= 1; an unknown ``user_type``.

    See Also
    --------
    stickiness : the mean of this distribution over the window's length, day by day.
    augment_insights.charts.active_day_distribution : its chart.

    Examples
    --------
    >>> from datetime import date
    >>> activity = pl.DataFrame(
    ...     {
    ...         "date": [date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 6)],
    ...         "user": ["ada@x.io", "ada@x.io", "bob@x.io"],
    ...         "user_type": ["person"] * 3,
    ...     }
    ... )
    >>> active_day_distribution(activity, window=3).rows()
    [(1, 1), (2, 1), (3, 0)]
    """
    check_count("window", window)
    order = prepare(activity).ordered(tables.ACTIVE_DAY_DISTRIBUTION, **whose, needs_days=True)
    known_days = order.calendar().height
    if known_days == 0:
        return tables.ACTIVE_DAY_DISTRIBUTION.empty()
    days = order.days.filter(pl.col("day") >= known_days - window).group_by("user").agg(active_days=pl.len())
    counts = days.group_by(pl.col("active_days").cast(pl.Int64)).agg(users=pl.len())
    numbers = pl.select(active_days=pl.int_range(1, window + 1))
    table = numbers.join(counts, on="active_days", how="left").with_columns(pl.col("users").fill_null(0))
    return order.as_table(order.grid(table), tables.ACTIVE_DAY_DISTRIBUTION, before="users")


def _trailing(order: OrderedDays, windows: list[int]) -> pl.DataFrame:
    """Count the users of each trailing window on each day, without looking at any window twice.

    An active day adds a user from that day, or from the day on which the window of the user's active
    day before has passed if that is later, until its own window has passed.
    """
    length, day = pl.col("window_days"), pl.col("day")
    lengths = pl.DataFrame({"window_days": sorted(set(windows))}, schema={"window_days": pl.Int64})
    cells = order.gaps.join(lengths, how="cross")
    entering = cells.with_columns(day=pl.max_horizontal(day, day - pl.col("gap") + length), change="users")
    leaving = cells.with_columns(day=day + length, change=-pl.col("users"))
    keys = ["group", "window_days"]
    changes = pl.concat([entering, leaving]).group_by(*keys, "day").agg(pl.col("change").sum())
    grid = order.grid(order.calendar().select(day.cast(pl.Int64), "date").join(lengths, how="cross"))
    return (
        grid.join(changes, on=[*keys, "day"], how="left")
        .sort(*keys, "day")
        .with_columns(
            active_users=pl.col("change").fill_null(0).cum_sum().over(keys),
            is_complete=pl.col("day") >= length - 1,
        )
    )
