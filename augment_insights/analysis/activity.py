"""How many are active? Active users by calendar period and in trailing windows, and how often they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from augment_insights.analysis.user_days import first_of_period, prepare
from augment_insights.tables import ACTIVE_USERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from augment_insights.analysis._population import UserType
    from augment_insights.analysis.user_days import UserDays
    from augment_insights.periods import Every


def active_users(
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    *,
    every: Every = "1d",
    by: str | Sequence[str] | None = None,
    user_type: UserType = "person",
    as_of: date | str | None = None,
) -> pl.DataFrame:
    """How many users were active in each day, week, month or quarter?

    Distinct users with activity on at least one day of the period: DAU, WAU and MAU for a day, a
    calendar week (from Monday) and a calendar month. Nothing is weighted and nothing is null: a
    period in which nobody was active is a 0, from the first period of the frame to that of
    ``as_of``, for every group that occurs. The last period may not be over: see ``is_complete``.

    Parameters
    ----------
    activity : DataFrame, LazyFrame or UserDays
        ``user``, ``user_type``, and ``date`` or ``period_start`` with ``period_end``; one row or
        more a user and day, or a user and period that does not span a border of ``every``.
    every : {"1d", "1w", "1mo", "1q"}
        The calendar period.
    by : str or sequence of str, optional
        Columns of ``activity`` to group by. A user of two groups counts in both, so groups may
        add up to more than the whole.
    user_type : {"person", "service_account", "all"}
        Whose activity counts.
    as_of : date or str, optional
        The last day of the data, by which rows must have ended to count; left out, the last day
        of any row of the frame.

    Returns
    -------
    DataFrame
        The table ACTIVE_USERS: ``period_start`` (Date), ``period_end`` (Date, the whole period's
        last day), the ``by`` columns, ``active_users`` (Int64, users), ``is_complete`` (Boolean).

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
    order = prepare(activity).ordered(user_type=user_type, as_of=as_of, by=by, table=ACTIVE_USERS)
    order.check_fits(every)
    calendar = order.calendar(every).select("day", "label", "begin")
    counts = (
        order.gaps.join(calendar, on="day")
        .filter(first_of_period(pl.col("begin")))
        .group_by("group", "label")
        .agg(active_users=pl.col("users").sum())
    )
    periods = order.grid(order.periods(every)).join(counts, on=["group", "label"], how="left")
    return order.as_table(
        periods.with_columns(pl.col("active_users").fill_null(0)), ACTIVE_USERS, before="active_users"
    )
