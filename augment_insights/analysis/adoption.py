"""How many of the licensed users use it, and whose licence lies idle?"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import polars as pl

from augment_insights.analysis._population import ACTIVITY, as_columns, check_seats, licences_of, user_key
from augment_insights.analysis._usage import usage_rows
from augment_insights.analysis.activity import active_users
from augment_insights.analysis.intervals import rate, wilson
from augment_insights.analysis.roster import read_roster, with_user_key
from augment_insights.analysis.user_days import prepare
from augment_insights.errors import DataWarning, TableError
from augment_insights.tables import ADOPTION_RATE, columns_of, require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from augment_insights.analysis.user_days import UserDays
    from augment_insights.periods import Every

_KEY = "user_key"
_PERIOD = ["period_start", "period_end", "is_complete"]


def adoption_rate(
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    *,
    licences: int | pl.DataFrame | pl.LazyFrame,
    every: Every = "1mo",
    by: str | Sequence[str] | None = None,
    user_type: str = "person",
    as_of: date | str | None = None,
) -> pl.DataFrame:
    """How many of the licensed users were active, period by period?

    Active users / licensed users, both counted as distinct users of the period. With a roster, a
    user is licensed in a period if the licence covers any day of it, and only licensed users count as
    active; a DataWarning says how many active users have no licence. With a number of seats, all
    active users count. No licence (or 0 seats), no rate: null. Periods without activity are there, with 0; one
    that is not over is flagged.

    Parameters
    ----------
    activity : DataFrame, LazyFrame or UserDays
        ``user``, ``user_type``, and ``date`` or ``period_start`` with ``period_end``.
    licences : int, DataFrame or LazyFrame
        The number of seats, the same in all periods; or a roster, as for :func:`read_roster`.
    every : {"1d", "1w", "1mo", "1q"}
        The calendar period.
    by : str or sequence of str, optional
        Columns of the roster, such as ``"team"``: each group's active over its licensed users.
    user_type : {"person", "service_account", "all"}
        Whose activity counts.
    as_of : date or str, optional
        The last day of the data; left out, the last day of any row.

    Returns
    -------
    DataFrame
        The table ADOPTION_RATE, sorted by period and group:

        ================== ======= ========================================================
        period_start       Date    first UTC day of the calendar period
        period_end         Date    last UTC day of the whole calendar period
        ``by`` columns             as on the roster
        active_users       Int64   (licensed) users active on at least one day of it
        licensed_users     Int64   users licensed on at least one day of it, or seats
        adoption_rate      Float64 active_users / licensed_users, 0 to 1
        adoption_rate_low  Float64 lower bound of Wilson's 95 % interval
        adoption_rate_high Float64 upper bound
        is_complete        Boolean whether the data reaches the end of the period
        ================== ======= ========================================================

        More active users than seats give a rate above 1 without an interval, and a DataWarning.

    Raises
    ------
    TableError
        A column is missing, groups are asked for without a roster, or rows are too coarse for ``every``.
    ValueError
        An unknown ``every`` or ``user_type``; a number of seats below 0.

    See Also
    --------
    active_users : the active users alone.
    adoption_curve : users ever seen, over licences.
    unused_licences : who never was active.
    augment_insights.charts.adoption_rate : its chart.

    Examples
    --------
    >>> from datetime import date
    >>> activity = pl.DataFrame(
    ...     {
    ...         "date": [date(2026, 1, 5), date(2026, 1, 30)],
    ...         "user": ["ada@x.io", "bob@x.io"],
    ...         "user_type": ["person", "person"],
    ...     }
    ... )
    >>> adoption_rate(activity, licences=4, as_of="2026-01-31").select("active_users", "adoption_rate", "is_complete")
    shape: (1, 3)
    ┌──────────────┬───────────────┬─────────────┐
    │ active_users ┆ adoption_rate ┆ is_complete │
    │ ---          ┆ ---           ┆ ---         │
    │ i64          ┆ f64           ┆ bool        │
    ╞══════════════╪═══════════════╪═════════════╡
    │ 2            ┆ 0.5           ┆ true        │
    └──────────────┴───────────────┴─────────────┘
    """
    days = prepare(activity)
    periods = active_users(days, every=every, user_type=user_type, as_of=as_of)  # type: ignore[arg-type]  # checked there
    if isinstance(licences, (pl.DataFrame, pl.LazyFrame)):
        roster = read_roster(licences)
        groups = as_columns(by, roster, reserved=ADOPTION_RATE.columns, table="roster")
        rows, _ = usage_rows(days.activity, (), every=every, user_type=user_type, as_of=as_of)
        counts = _licensed_counts(rows, roster, periods.select(_PERIOD), groups=groups, user_type=user_type)
        group_types = {name: roster.schema[name] for name in groups}
    else:
        _refuse_groups(by)
        counts = periods.with_columns(licensed_users=pl.lit(check_seats(licences), pl.Int64))
        group_types = {}
    active, licensed = pl.col("active_users"), pl.col("licensed_users")
    low, high = wilson(active, licensed)
    rated = counts.with_columns(adoption_rate=rate(active, licensed), adoption_rate_low=low, adoption_rate_high=high)
    _warn_of_too_few_seats(rated)
    schema = {**_first(2), **group_types, **ADOPTION_RATE.schema}
    return rated.sort("period_start", *group_types, nulls_last=True).select(
        pl.col(name).cast(dtype) for name, dtype in schema.items()
    )


def _first(columns: int) -> dict[str, pl.DataType]:
    """Return the columns that stand before the groups."""
    return dict(list(ADOPTION_RATE.schema.items())[:columns])


def _refuse_groups(by: str | Sequence[str] | None) -> None:
    """Refuse to divide the users of a group by the seats of all."""
    if by is not None:
        raise TableError(
            f"A number of licences is the whole organisation's, and cannot be split by {by!r}.",
            table="roster",
            hint="pass a roster with that column: adoption_rate(activity, licences=read_roster(path), by=...).",
        )


def _licensed_counts(
    rows: pl.DataFrame, roster: pl.DataFrame, periods: pl.DataFrame, *, groups: list[str], user_type: str
) -> pl.DataFrame:
    """Count licensed users, and the active ones of them, in each period and group."""
    named = with_user_key(roster).select(_KEY, *groups)
    licences = licences_of(roster, user_type).join(named, on=_KEY)
    seen = rows.select("period_start", "user", "user_type").unique()
    seen = seen.select("period_start", user_key(), is_active=pl.lit(value=True)).unique()
    covers = (pl.col("licensed_from").fill_null(pl.col("period_start")) <= pl.col("period_end")) & (
        pl.col("licensed_to").fill_null(pl.col("period_end")) >= pl.col("period_start")
    )
    licensed = periods.join(licences, how="cross").filter(covers)
    _warn_of_unlicensed(seen, licensed, licences)
    counted = (
        licensed.join(seen, on=["period_start", _KEY], how="left")
        .group_by("period_start", *groups)
        .agg(active_users=pl.col("is_active").count(), licensed_users=pl.len())
    )
    grid = periods.join(licences.select(groups).unique(), how="cross") if groups else periods
    return grid.join(counted, on=["period_start", *groups], how="left", nulls_equal=True).with_columns(
        pl.col("active_users", "licensed_users").fill_null(0)
    )


def _warn_of_unlicensed(seen: pl.DataFrame, licensed: pl.DataFrame, licences: pl.DataFrame) -> None:
    """Say how many active users do not count, and why."""
    users = seen.select(_KEY).unique()
    strangers = users.join(licences, on=_KEY, how="anti").height
    uncovered = seen.join(licensed, on=["period_start", _KEY], how="anti").select(_KEY).unique().height - strangers
    said = [
        f"{number} active user{' is' if number == 1 else 's are'} {words}"
        for number, words in ((strangers, "not on the roster"), (uncovered, "active in a period without a licence"))
        if number
    ]
    if said:
        warnings.warn(
            f"{'; '.join(said)}: not counted as adoption there. Hint: join_roster names them.",
            DataWarning,
            stacklevel=4,
        )


def _warn_of_too_few_seats(rates: pl.DataFrame) -> None:
    """Say when more users are active than there are seats: the number of seats is then out of date."""
    more = rates.filter(pl.col("active_users") > pl.col("licensed_users")).height
    if more:
        warnings.warn(
            f"{more} period{'s have' if more > 1 else ' has'} more active users than licences. "
            "Hint: check the number of licences.",
            DataWarning,
            stacklevel=3,
        )


def unused_licences(
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    roster: pl.DataFrame | pl.LazyFrame,
    *,
    user_type: str = "person",
    as_of: date | str | None = None,
) -> pl.DataFrame:
    """Which licensed users have never been active?

    Never means: no row of activity in the frame, to ``as_of``. A licence that has only begun, or has
    ended, is there too: its dates stand beside it.

    Parameters
    ----------
    activity : DataFrame, LazyFrame or UserDays
        ``user`` and ``user_type``; with ``as_of`` also ``date``, or ``period_start`` and ``period_end``.
    roster : DataFrame or LazyFrame
        As for :func:`read_roster`. Without ``user_type`` it lists people.
    user_type : {"person", "service_account", "all"}
        Which users of the roster.
    as_of : date or str, optional
        The last day of the data; rows that reach past it are left out.

    Returns
    -------
    DataFrame
        The roster's rows and columns, of those users, sorted by name.

    Raises
    ------
    TableError
        A column is missing, or the roster cannot be read.

    See Also
    --------
    adoption_rate : the share who are active.
    time_to_first_use : how long it takes others.

    Examples
    --------
    >>> activity = pl.DataFrame({"user": ["Ada@x.io"], "user_type": ["person"]})
    >>> unused_licences(activity, pl.DataFrame({"user": ["ada@x.io", "bob@x.io"], "team": ["A", "B"]})).rows()
    [('bob@x.io', 'B')]
    """
    frame = activity if isinstance(activity, (pl.DataFrame, pl.LazyFrame)) else prepare(activity).activity
    require(columns_of(frame), ("user", "user_type"), table=ACTIVITY)
    rows, _ = usage_rows(frame, (), user_type=user_type, as_of=as_of)
    listed = read_roster(roster)
    asked = with_user_key(listed).join(licences_of(listed, user_type).select(_KEY), on=_KEY, how="semi")
    seen = rows.select("user", "user_type").unique().select(user_key()).unique()
    return asked.join(seen, on=_KEY, how="anti").sort(_KEY).select(listed.columns)
