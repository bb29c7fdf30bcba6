"""How far has it spread? Users ever seen, period by period, and the share of the licences they are."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from augment_insights.analysis._population import check_seats, licences_of, on_roster
from augment_insights.analysis.intervals import rate
from augment_insights.analysis.roster import tidy_roster
from augment_insights.analysis.user_days import prepare
from augment_insights.tables import ADOPTION_CURVE, LICENSED_ADOPTION_CURVE

if TYPE_CHECKING:
    from augment_insights.analysis._population import UserType
    from augment_insights.analysis.user_days import UserDays
    from augment_insights.periods import Every


def adoption_curve(
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    *,
    every: Every = "1w",
    licences: int | pl.DataFrame | pl.LazyFrame | None = None,
    lookback: int | None = None,
    user_type: UserType = "person",
    as_of: date | str | None = None,
) -> pl.DataFrame:
    """By each period, how many users have ever been active, and what share of the licences is that?

    Cumulative distinct users. The rate is ``cumulative_users / licensed_users``, and null while
    there is no licence; without ``licences`` no rate is given. Both counts are cumulative: a user
    whose licence ended stays in both. With a roster only its users are counted, and a DataWarning
    says how many active users it lacks.

    Parameters
    ----------
    activity : DataFrame, LazyFrame or UserDays
        ``user``, ``user_type``, and ``date`` or ``period_start`` with ``period_end``; one row or
        more a user and day, or a user and period that does not span a border of ``every``.
        A LazyFrame is collected, because its last day must be known first.
    every : {"1d", "1w", "1mo", "1q"}
        The calendar period.
    licences : int, DataFrame or LazyFrame, optional
        The number of seats, the same in all periods; or a roster, as for :func:`read_roster`:
        ``user`` and any of ``licensed_from``, ``licensed_to``. A user is licensed from the period
        that holds ``licensed_from`` on, and always where it is null or the column is missing.
    lookback : int, optional
        Days at the head of the data that only tell who is not new; their users are in
        ``cumulative_users`` from the start.
    user_type : {"person", "service_account", "all"}
        Whose activity counts.
    as_of : date or str, optional
        The last day of the data, by which rows must have ended to count; left out, the last day
        of any row of the frame.

    Returns
    -------
    DataFrame
        The table ADOPTION_CURVE: ``period_start`` (Date), ``new_users`` (Int64),
        ``cumulative_users`` (Int64); with ``licences`` LICENSED_ADOPTION_CURVE, which adds
        ``licensed_users`` (Int64) and ``adoption_rate`` (Float64, 0 to 1; above 1 where more
        people were seen than there are seats).

    Raises
    ------
    TableError
        A column is missing or of another dtype; rows too coarse for ``every``.
    ValueError
        An unknown ``every`` or ``user_type``; a number of seats below 0.

    See Also
    --------
    time_to_first_use : how long it takes from the licence to the first activity.
    adoption_rate : the share that is active in each period.
    augment_insights.charts.adoption_curve : its chart.

    Examples
    --------
    >>> from datetime import date
    >>> activity = pl.DataFrame(
    ...     {
    ...         "date": [date(2026, 1, 5), date(2026, 1, 12), date(2026, 1, 13)],
    ...         "user": ["ada@x.io", "ada@x.io", "bob@x.io"],
    ...         "user_type": ["person"] * 3,
    ...     }
    ... )
    >>> adoption_curve(activity, licences=4).rows()
    [(datetime.date(2026, 1, 5), 1, 1, 4, 0.25), (datetime.date(2026, 1, 12), 1, 2, 4, 0.5)]
    """
    order = prepare(activity).ordered(user_type=user_type, as_of=as_of, table=ADOPTION_CURVE)
    order.check_fits(every, lookback)
    calendar = order.calendar(every, lookback)
    roster = None
    if isinstance(licences, (pl.DataFrame, pl.LazyFrame)):
        roster = licences_of(tidy_roster(licences), user_type)
    if roster is None:
        firsts = order.gaps.filter(pl.col("gap").is_null()).select("day", "users").join(calendar, on="day")
    else:
        listed = on_roster(order.first_days(), roster)
        firsts = listed.group_by(date="first_day").agg(users=pl.len().cast(pl.Int64)).join(calendar, on="date")
    new = firsts.group_by("label").agg(new_users=pl.col("users").sum())
    existing = new.filter(pl.col("label") < 0)["new_users"].sum()
    curve = (
        order.periods(every, lookback)
        .join(new, on="label", how="left")
        .sort("label")
        .with_columns(pl.col("new_users").fill_null(0), group=pl.lit(0))
        .with_columns(cumulative_users=pl.col("new_users").cum_sum() + existing)
    )
    if licences is None:
        return order.as_table(curve, ADOPTION_CURVE, before="new_users")
    licensed = _with_seats(curve, licences) if roster is None else _with_licensed(curve, roster)
    adopted = rate(pl.col("cumulative_users"), pl.col("licensed_users"))
    return order.as_table(licensed.with_columns(adoption_rate=adopted), LICENSED_ADOPTION_CURVE, before="new_users")


def _with_seats(curve: pl.DataFrame, seats: object) -> pl.DataFrame:
    """Add the same number of seats to each period."""
    return curve.with_columns(licensed_users=pl.lit(check_seats(seats)))


def _with_licensed(curve: pl.DataFrame, roster: pl.DataFrame) -> pl.DataFrame:
    """Add how many users had got a licence by the end of each period."""
    begun = roster.select(pl.col("licensed_from").fill_null(date.min)).sort("licensed_from")
    begun = begun.with_columns(licensed_users=pl.int_range(1, pl.len() + 1))
    return curve.join_asof(
        begun, left_on="period_end", right_on="licensed_from", strategy="backward", check_sortedness=False
    ).with_columns(pl.col("licensed_users").fill_null(0))
