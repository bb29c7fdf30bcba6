"""How long until? From the licence to the first use, and from the first use to a long silence (Kaplan-Meier)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import polars as pl

from augment_insights.analysis._population import licences_of, on_roster
from augment_insights.analysis.intervals import Z95
from augment_insights.analysis.roster import tidy_roster
from augment_insights.analysis.user_days import check_days, prepare
from augment_insights.errors import DataWarning
from augment_insights.tables import SURVIVAL, TIME_TO_FIRST_USE, columns_of, require

if TYPE_CHECKING:
    from datetime import date

    from augment_insights.analysis._population import UserType
    from augment_insights.analysis.user_days import OrderedDays, UserDays


def survival(
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    *,
    inactive_days: int = 28,
    user_type: UserType = "person",
    as_of: date | str | None = None,
) -> pl.DataFrame:
    """How many days after their first activity are users still with us?

    A Kaplan-Meier estimate. A user lapses on the first day of the first silence of at least
    ``inactive_days`` whole days, also if the user comes back later; a user who has not lapsed is
    followed until the last day of the data (censored there), not dropped. Users count alike.
    Who began before the data did is followed from the first day that is known. A silence that began
    in the last ``inactive_days`` days is not one yet, and its user still counts as with us: the end
    of the curve is an upper bound.

    Parameters
    ----------
    activity : DataFrame, LazyFrame or UserDays
        ``user``, ``user_type`` and ``date`` (or periods of one day); one row or more a user and
        active day.
        A LazyFrame is collected, because its last day must be known first.
    inactive_days : int
        How many whole days without activity make a silence.
    user_type : {"person", "service_account", "all"}
        Whose activity counts.
    as_of : date or str, optional
        The last day of the data; left out, the last day of any row of the frame.

    Returns
    -------
    DataFrame
        The table SURVIVAL, one row for each day from 0 to the longest time anyone was followed:
        ``days`` (Int64, since the first activity), ``at_risk_users`` (Int64), ``lapsed_users``
        (Int64), ``survival_rate`` (Float64, 0 to 1), and its 95 % interval ``survival_rate_low``
        and ``survival_rate_high`` (Greenwood's variance on the log-log scale; 1 while nobody has
        lapsed, null once everybody has: it is not defined there).

    Raises
    ------
    TableError
        A column is missing or of another dtype; rows that span several days.
    ValueError
        ``inactive_days`` is not a positive whole number; an unknown ``user_type``.

    See Also
    --------
    cohort_retention : who is active in each calendar period after the first.
    augment_insights.charts.survival : its chart.

    Examples
    --------
    Ada comes on days 0 and 1 and lapses on day 2, Bob comes on day 0 and on the last one.

    >>> from datetime import date
    >>> activity = pl.DataFrame(
    ...     {
    ...         "date": [date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 5), date(2026, 1, 8)],
    ...         "user": ["ada@x.io", "ada@x.io", "bob@x.io", "bob@x.io"],
    ...         "user_type": ["person"] * 4,
    ...     }
    ... )
    >>> survival(activity, inactive_days=2).select("days", "at_risk_users", "lapsed_users", "survival_rate").rows()
    [(0, 2, 0, 1.0), (1, 2, 1, 0.5), (2, 1, 1, 0.0)]
    """
    check_days("inactive_days", inactive_days)
    days = prepare(activity)
    days.require_daily("survival")
    order = days.ordered(user_type=user_type, as_of=as_of, table=SURVIVAL)
    curve = _kaplan_meier(_lapses(order, inactive_days))
    return curve.select(
        "days",
        "at_risk_users",
        lapsed_users="event_users",
        survival_rate="rate",
        survival_rate_low="low",
        survival_rate_high="high",
    )


def time_to_first_use(
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    roster: pl.DataFrame | pl.LazyFrame,
    *,
    user_type: UserType = "person",
    as_of: date | str | None = None,
) -> pl.DataFrame:
    """How many days after the licence began have users started?

    A Kaplan-Meier estimate over the users on the roster, each counted once: who has not started
    is followed until the licence ends or the data does (censored there), not dropped. Activity
    before the licence began counts as a start on its first day. The data should reach back to
    the first licence: a start before the data cannot be seen.

    Parameters
    ----------
    activity : DataFrame, LazyFrame or UserDays
        ``user``, ``user_type`` and ``date`` (or periods of one day); one row or more a user and
        active day.
        A LazyFrame is collected, because its last day must be known first.
    roster : DataFrame or LazyFrame
        One row a licensed user: ``user``, ``licensed_from`` (a day, as for :func:`read_roster`), and
        ``licensed_to`` (the last licensed day; null: open) if there is one. Users without a start, and active
        users who are not on the roster, are left out with a DataWarning that counts them; who
        is licensed only after the last day of the data is left out.
    user_type : {"person", "service_account", "all"}
        Whose activity counts.
    as_of : date or str, optional
        The last day of the data; left out, the last day of any row of the frame.

    Returns
    -------
    DataFrame
        The table TIME_TO_FIRST_USE, one row for each day from 0 to the longest time anyone was
        followed: ``days`` (Int64, since the licence began), ``at_risk_users`` (Int64),
        ``started_users`` (Int64), ``started_rate`` (Float64, 0 to 1, one minus the Kaplan-Meier
        estimate), and its 95 % interval ``started_rate_low`` and ``started_rate_high``
        (Greenwood's variance on the log-log scale; 0 while nobody has started, null once
        everybody has: it is not defined there).

    Raises
    ------
    TableError
        A column is missing or of another dtype; rows that span several days.
    ValueError
        An unknown ``user_type``.

    See Also
    --------
    unused_licences : the users who never started, by name.
    augment_insights.charts.time_to_first_use : its chart.

    Examples
    --------
    Ada starts on the second day of her licence; Bob has not started after two.

    >>> from datetime import date
    >>> activity = pl.DataFrame({"date": [date(2026, 1, 6)], "user": ["ada@x.io"], "user_type": ["person"]})
    >>> roster = pl.DataFrame({"user": ["ada@x.io", "bob@x.io"], "licensed_from": [date(2026, 1, 5)] * 2})
    >>> table = time_to_first_use(activity, roster)
    >>> table.select("days", "at_risk_users", "started_users", "started_rate").rows()
    [(0, 2, 0, 0.0), (1, 2, 1, 0.5)]
    """
    days = prepare(activity)
    days.require_daily("time_to_first_use")
    require(columns_of(roster), ("user", "licensed_from"), table="roster")
    order = days.ordered(user_type=user_type, as_of=as_of, table=TIME_TO_FIRST_USE)
    curve = _kaplan_meier(_starts(order, licences_of(tidy_roster(roster), user_type)))
    return curve.select(
        "days",
        "at_risk_users",
        started_users="event_users",
        started_rate=1 - pl.col("rate"),
        started_rate_low=1 - pl.col("high"),
        started_rate_high=1 - pl.col("low"),
    )


def _lapses(order: OrderedDays, inactive_days: int) -> pl.DataFrame:
    """Return for each user the ``days`` followed and whether they ended in a lapse (``event``)."""
    last = order.calendar().height - 1
    is_users_last = pl.col("gap").is_null().shift(-1, fill_value=True)
    silent_days = pl.when(is_users_last).then(last - pl.col("day")).otherwise(pl.col("gap").shift(-1) - 1)
    return (
        order.days.lazy()
        .with_columns(pl.col("day", "gap").cast(pl.Int32))
        .with_columns(lapse=pl.when(silent_days >= inactive_days).then(pl.col("day") + 1))
        .group_by("user")
        .agg(pl.col("lapse").min())
        .select(days=pl.col("lapse").fill_null(last) - order.of_user("first"), event=pl.col("lapse").is_not_null())
        .collect()
    )


def _starts(order: OrderedDays, licensed: pl.DataFrame) -> pl.DataFrame:
    """Return for each licensed user the ``days`` followed and whether they ended in a start (``event``)."""
    undated = licensed["licensed_from"].null_count()
    if undated:
        warnings.warn(
            f"{undated} users of the roster without licensed_from are left out: their time has no beginning.",
            DataWarning,
            stacklevel=3,
        )
    seen = on_roster(order.first_days(), licensed)
    last = pl.lit(order.last, dtype=pl.Date)
    until = pl.min_horizontal("licensed_to", last)
    began = pl.col("licensed_from")
    event = (pl.col("first_day") <= until).fill_null(value=False)
    ended = pl.when(event).then(pl.max_horizontal("first_day", began)).otherwise(until)
    return (
        licensed.filter(began <= last)
        .join(seen.select("user_key", "first_day"), on="user_key", how="left")
        .select(days=(ended - began).dt.total_days(), event=event)
    )


def _kaplan_meier(followed: pl.DataFrame) -> pl.DataFrame:
    """Estimate the share without an event by day, with Greenwood's log-log interval.

    A user who is followed for n days is at risk up to and on day n, and leaves after it. So an
    event on a day comes before the users whose time ends on that day leave.
    """
    by_day = followed.group_by(pl.col("days").cast(pl.Int64)).agg(leaving=pl.len(), event_users=pl.col("event").sum())
    grid = followed.select(days=pl.int_range(0, pl.col("days").max().fill_null(-1) + 1, dtype=pl.Int64))
    left = pl.col("leaving")
    events, at_risk, rate = pl.col("event_users"), pl.col("at_risk_users"), pl.col("rate")
    # Greenwood: the variance of log S is the sum of d / (n (n - d)); it is infinite once S is 0.
    spread = (events / (at_risk * (at_risk - events))).cum_sum().sqrt() / rate.log()
    reach = Z95 * spread
    open_ended = pl.when(rate == 1).then(1.0)
    return (
        grid.join(by_day, on="days", how="left")
        .sort("days")
        .with_columns(pl.col("leaving", "event_users").fill_null(0).cast(pl.Int64))
        .with_columns(at_risk_users=left.cum_sum(reverse=True))
        .with_columns(rate=(1 - events / at_risk).cum_prod())
        .with_columns(
            low=open_ended.when(rate > 0).then(rate.pow((-reach).exp())),
            high=open_ended.when(rate > 0).then(rate.pow(reach.exp())),
        )
    )
