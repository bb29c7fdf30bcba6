"""Who comes, comes back and falls silent? The active users of each period, by where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from augment_insights.analysis._population import row_days
from augment_insights.analysis.user_days import first_of_period, prepare
from augment_insights.tables import LIFECYCLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from augment_insights.analysis._population import UserType
    from augment_insights.analysis.user_days import OrderedDays, UserDays
    from augment_insights.periods import Every


def lifecycle(
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    *,
    every: Every = "1w",
    lookback: int | None = None,
    by: str | Sequence[str] | None = None,
    user_type: UserType = "person",
    as_of: date | str | None = None,
) -> pl.DataFrame:
    """How many active users of each period are new, returning or back, and how many fell silent?

    New users have their first activity ever in the period; returning ones were active in the
    period before too; resurrected ones were seen before that, and not in the period before;
    dormant ones were active in the period before and are not in this one. So ``active_users =
    new + returning + resurrected``, and it changes by ``new + resurrected - dormant``. Every
    period from the frame's first (or the look-back's end) to that of ``as_of`` has a row.

    Parameters
    ----------
    activity : DataFrame, LazyFrame or UserDays
        ``user``, ``user_type``, and ``date`` or ``period_start`` with ``period_end``; one row or
        more a user and day, or a user and period that does not span a border of ``every``. Rows
        that lie in the look-back may span any length.
        A LazyFrame is collected, because its last day must be known first.
    every : {"1d", "1w", "1mo", "1q"}
        The calendar period.
    lookback : int, optional
        Days at the head of the data that only tell who is not new; their periods are not shown.
        Without it everybody in the first period is new: nothing is known of before
        (left-censoring).
    by : str or sequence of str, optional
        Columns of ``activity`` to group by; a user is followed in each group apart, and is new
        there with the first activity in that group.
    user_type : {"person", "service_account", "all"}
        Whose activity counts.
    as_of : date or str, optional
        The last day of the data, by which rows must have ended to count; left out, the last day
        of any row of the frame.

    Returns
    -------
    DataFrame
        The table LIFECYCLE: ``period_start`` (Date), the ``by`` columns, ``new_users``,
        ``returning_users``, ``resurrected_users``, ``dormant_users``, ``active_users`` (Int64,
        users), ``is_complete`` (Boolean). In a period that is not over, users still may return:
        its dormant users are an upper bound. In the first period, ``returning_users``,
        ``resurrected_users`` and ``dormant_users`` are null where a row of the look-back is too
        coarse to tell who was active in the period before.

    Raises
    ------
    TableError
        A column is missing or of another dtype; rows too coarse for ``every``.
    ValueError
        An unknown ``every`` or ``user_type``.

    See Also
    --------
    cohort_retention : the same users, by when they began.
    augment_insights.charts.lifecycle : its chart.

    Examples
    --------
    >>> from datetime import date
    >>> activity = pl.DataFrame(
    ...     {"date": [date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 8)], "user": ["ada@x.io"] * 3,
    ...      "user_type": ["person"] * 3}
    ... )
    >>> table = lifecycle(activity, every="1d")
    >>> table.select("new_users", "returning_users", "resurrected_users", "dormant_users").rows()
    [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 0, 1), (0, 0, 1, 0)]
    """
    order = prepare(activity).ordered(user_type=user_type, as_of=as_of, by=by, table=LIFECYCLE)
    order.check_fits(every, lookback)
    calendar = order.calendar(every, lookback)
    states = _states(order, calendar)
    before = states.select("group", pl.col("label") + 1, before_users="active_users")
    counts = ["new_users", "returning_users", "resurrected_users", "before_users", "active_users"]
    table = (
        order.grid(order.periods(every, lookback))
        .join(states, on=["group", "label"], how="left")
        .join(before, on=["group", "label"], how="left")
        .with_columns(pl.col(counts).fill_null(0))
        .with_columns(dormant_users=pl.col("before_users") - pl.col("returning_users"))
    )
    if _is_period_before_unknown(order, calendar):
        unknown = ["returning_users", "resurrected_users", "dormant_users"]
        table = table.with_columns(pl.when(pl.col("label") > 0).then(pl.col(unknown)))
    return order.as_table(table, LIFECYCLE, before="new_users")


def _states(order: OrderedDays, calendar: pl.DataFrame) -> pl.DataFrame:
    """Count each group's users of each period by the period they were last active in."""
    names = calendar.select("day", "label", "since")
    last_active = calendar.select(last_day="day", last_label="label")
    visits = (
        order.gaps.join(names, on="day")
        .filter(first_of_period(pl.col("since")))
        .with_columns(last_day=pl.col("day") - pl.col("gap"))
        .join(last_active, on="last_day", how="left")
    )
    users, last, label = pl.col("users"), pl.col("last_label"), pl.col("label")
    return visits.group_by("group", "label").agg(
        new_users=users.filter(last.is_null()).sum(),
        returning_users=users.filter(last == label - 1).sum(),
        resurrected_users=users.filter(last < label - 1).sum(),
        active_users=users.sum(),
    )


def _is_period_before_unknown(order: OrderedDays, calendar: pl.DataFrame) -> bool:
    """Tell whether a row of the look-back reaches into the period before the first from outside of it."""
    begins = calendar.filter(pl.col("label") == -1)["date"].min()
    if order.is_daily or begins is None:
        return False
    start, end = row_days(order.activity)
    border = calendar.filter(pl.col("label") == -1)["date"].max()
    coarse = (start < pl.lit(begins)) & end.is_between(pl.lit(begins), pl.lit(border))
    return bool(order.activity.lazy().select(coarse.any()).collect().item())
