"""Who has made a habit of it, and how much of the work do a few do?"""

from __future__ import annotations

import warnings
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from augment_insights.analysis._population import active_rows, data_end, data_span, licences_of
from augment_insights.analysis._usage import GROUP, USER_KEY, usage_rows, user_sums
from augment_insights.analysis.intervals import rate
from augment_insights.analysis.roster import read_roster, with_user_key
from augment_insights.errors import DataWarning, did_you_mean
from augment_insights.periods import calendar_period
from augment_insights.tables import CONCENTRATION, HABIT_LADDER, HABIT_TIER, METRICS, columns_of, require

if TYPE_CHECKING:
    from datetime import date

_WEEK = timedelta(days=7)
_DAY = timedelta(days=1)


def habit_ladder(
    weekly_user_activity: pl.DataFrame | pl.LazyFrame,
    *,
    roster: pl.DataFrame | pl.LazyFrame | None = None,
    weeks: int = 12,
    habitual_weeks: int = 9,
    power_actions: int = 15,
    user_type: str = "person",
    as_of: date | str | None = None,
) -> pl.DataFrame:
    """Who has made a habit of it: which users are power users, habitual, novices, low, or none?

    Over the last ``weeks`` complete weeks (Monday to Sunday); the first tier that fits is a user's:

    * power: habitual, and at least ``power_actions`` actions a week on average;
    * habitual: active in at least ``habitual_weeks`` of the weeks;
    * novice: at least one action a week on average;
    * low: some activity;
    * non-user: on the roster, licensed in these weeks, and no activity in them.

    Actions are messages and accepted completions. The API leaves out inactive users: a week without
    a row is an inactive week, and counts in the average with nothing. A missing metric adds nothing.
    The tiers are Microsoft's published usage segments; their thresholds are the parameters.

    Parameters
    ----------
    weekly_user_activity : DataFrame or LazyFrame
        ``user_activity`` by week (or finer): ``user``, ``user_type``, ``total_messages``,
        ``completions_accepted``, and ``period_start`` with ``period_end``, or ``date``.
    roster : DataFrame or LazyFrame, optional
        As for :func:`read_roster`; without it there are no non-users.
    weeks : int
        How many complete weeks are looked at.
    habitual_weeks : int
        From how many active weeks on a user is habitual.
    power_actions : int
        From how many actions a week on a habitual user is a power user.
    user_type : {"person", "service_account", "all"}
        Whose habits.
    as_of : date or str, optional
        The last day of the data, which ends the last complete week; left out, the last day of any row.

    Returns
    -------
    DataFrame
        The table HABIT_LADDER, one row a user with activity in these weeks (or on the roster),
        sorted by name:

        ============ ======= ==============================================================
        user         String  as the API gave it, or else the roster
        user_type    Enum    person or service_account
        active_weeks Int64   weeks with activity, 0 to ``weeks``
        mean_actions Float64 actions a week, over all ``weeks``
        tier         Enum    power, habitual, novice, low or non-user
        ============ ======= ==============================================================

    Raises
    ------
    TableError
        A column is missing, or a row spans two weeks.
    ValueError
        ``weeks`` below 1, ``habitual_weeks`` outside 1 to ``weeks``, an unknown ``user_type``.

    Warns
    -----
    DataWarning
        The frame begins after these weeks do: what it does not hold counts as inactive.

    See Also
    --------
    lifecycle : who is new, returning, resurrected or dormant.
    augment_insights.charts.habit_ladder : its chart.

    Examples
    --------
    >>> from datetime import date
    >>> monday = pl.date_range(date(2026, 1, 5), date(2026, 3, 23), "1w", eager=True)
    >>> activity = pl.DataFrame({"period_start": monday}).with_columns(
    ...     period_end=pl.col("period_start").dt.offset_by("6d"), user=pl.lit("ada@x.io"), user_type=pl.lit("person"),
    ...     total_messages=20, completions_accepted=0,
    ... )
    >>> habit_ladder(activity).select("active_weeks", "mean_actions", "tier").rows()
    [(12, 20.0, 'power')]
    """
    _check_thresholds(weeks, habitual_weeks)
    require(columns_of(weekly_user_activity), ("user",), table="weekly_user_activity")
    metrics = [*_ACTIONS, *(["active_days"] if "active_days" in columns_of(weekly_user_activity) else [])]
    rows, _ = usage_rows(weekly_user_activity, metrics, every="1w", user_type=user_type, as_of=as_of)
    last = data_end(weekly_user_activity, as_of)
    if last is None:
        return HABIT_LADDER.empty()
    end = calendar_period(last + _DAY, "1w").start - _DAY
    start = end + _DAY - weeks * _WEEK
    span = data_span(weekly_user_activity)
    if span is not None and span.first > start:
        warnings.warn(
            f"The last {weeks} complete weeks begin on {start}, and the data begins on {span.first}: the days "
            f"before count as inactive. Hint: fetch from {start} on, or pass weeks=.",
            DataWarning,
            stacklevel=2,
        )
    active = _weekly_actions(rows.filter(pl.col("period_start").is_between(start, end)))
    if roster is not None:
        active = _with_licensed(active, read_roster(roster), start=start, end=end, user_type=user_type)
    counted = active.with_columns(mean_actions=rate(pl.col("actions"), pl.lit(weeks)))
    tiers = counted.with_columns(tier=_tier(habitual_weeks=habitual_weeks, power_actions=power_actions))
    return tiers.sort(USER_KEY).select(pl.col(name).cast(dtype) for name, dtype in HABIT_LADDER.schema.items())


_ACTIONS = ["total_messages", "completions_accepted"]


def _check_thresholds(weeks: int, habitual_weeks: int) -> None:
    """Refuse thresholds that no user, or every user, could reach."""
    if isinstance(weeks, bool) or not isinstance(weeks, int) or weeks < 1:
        raise ValueError(f"weeks={weeks!r} is not a number of weeks. Hint: a whole number such as 12.")
    if isinstance(habitual_weeks, bool) or not isinstance(habitual_weeks, int) or not 1 <= habitual_weeks <= weeks:
        raise ValueError(f"habitual_weeks={habitual_weeks!r} is not a whole number within 1 to weeks={weeks!r}.")


def _weekly_actions(rows: pl.DataFrame) -> pl.DataFrame:
    """Return each user's active weeks and actions."""
    keyed = with_user_key(active_rows(rows)).with_columns(actions=pl.sum_horizontal(_ACTIONS))
    return keyed.group_by(pl.col("user_key").alias(USER_KEY)).agg(
        pl.col("user").min(),
        pl.col("user_type").first(),
        active_weeks=pl.col("period_start").n_unique(),
        actions=pl.col("actions").sum(),
    )


def _with_licensed(
    active: pl.DataFrame, roster: pl.DataFrame, *, start: date, end: date, user_type: str
) -> pl.DataFrame:
    """Add the users who have a licence in these weeks and no activity."""
    licences = licences_of(roster, user_type).filter(
        (pl.col("licensed_from").is_null() | (pl.col("licensed_from") <= end))
        & (pl.col("licensed_to").is_null() | (pl.col("licensed_to") >= start))
    )
    idle = with_user_key(roster).join(licences, on="user_key", how="semi")
    idle = idle.join(active, left_on="user_key", right_on=USER_KEY, how="anti")
    kind = pl.col("user_key").str.splitn(":", 2).struct.field("field_0").cast(active.schema["user_type"])
    added = idle.select(
        pl.col("user_key").alias(USER_KEY),
        "user",
        kind.alias("user_type"),
        pl.lit(0, active.schema["active_weeks"]).alias("active_weeks"),
        pl.lit(0, active.schema["actions"]).alias("actions"),
    )
    return pl.concat([active, added], how="vertical_relaxed")


def _tier(*, habitual_weeks: int, power_actions: int) -> pl.Expr:
    """Return the first tier that fits."""
    habitual = pl.col("active_weeks") >= habitual_weeks
    return (
        pl.when(habitual & (pl.col("mean_actions") >= power_actions))
        .then(pl.lit("power"))
        .when(habitual)
        .then(pl.lit("habitual"))
        .when(pl.col("mean_actions") >= 1)
        .then(pl.lit("novice"))
        .when(pl.col("active_weeks") > 0)
        .then(pl.lit("low"))
        .otherwise(pl.lit("non-user"))
        .cast(HABIT_TIER)
    )


def concentration(
    user_activity: pl.DataFrame | pl.LazyFrame,
    *,
    metric: str,
    user_type: str = "person",
    as_of: date | str | None = None,
) -> pl.DataFrame:
    """How much of the work do a few users do?

    Over users' sums. The top decile is the tenth of the users with the highest sums, rounded up to whole
    users. Gini's coefficient is 0 when all do the same and comes near 1 when one does all; users
    with a sum of 0 count, users of whom the metric is not known do not. Nothing done: null.

    Parameters
    ----------
    user_activity : DataFrame or LazyFrame
        ``user_activity`` or ``editor_language``.
    metric : str
        One of the API's metrics, such as ``"total_messages"``.
    user_type : {"person", "service_account", "all"}
        Whose work.
    as_of : date or str, optional
        The last day that counts; rows that reach past it are left out.

    Returns
    -------
    DataFrame
        The table CONCENTRATION, one row (none when there are no users):

        ================ ======= =================================================================
        top_decile_share Float64 share of the metric by the top tenth of the users, 0 to 1
        gini             Float64 Gini's coefficient, 0 to 1 - 1 / users
        users            Int64   users whose metric is known
        ================ ======= =================================================================

    Raises
    ------
    TableError
        A column is missing.
    ValueError
        An unknown ``metric`` or ``user_type``.

    See Also
    --------
    habit_ladder : users by how regular their activity is.
    augment_insights.charts.concentration : its chart.

    Examples
    --------
    >>> frame = pl.DataFrame(
    ...     {"user": ["ada", "bob", "cleo", "dan"], "user_type": ["person"] * 4, "total_messages": [0, 0, 0, 8]}
    ... )
    >>> concentration(frame, metric="total_messages").rows()
    [(1.0, 0.75, 4)]
    """
    if metric not in METRICS:
        raise ValueError(f"metric={metric!r} is not a metric.{did_you_mean(metric, METRICS)}")
    require(columns_of(user_activity), ("user",), table="user_activity")
    rows, _ = usage_rows(user_activity, [metric], user_type=user_type, as_of=as_of)
    known = rows.filter(pl.col(metric).is_not_null())
    amount = pl.col(metric).cast(pl.Float64)
    users = user_sums(known, [], [pl.col(metric).sum()]).sums.sort(metric)
    count, whole = pl.len().cast(pl.Float64), amount.sum()
    rank = pl.int_range(1, pl.len() + 1)
    top = amount.reverse().head((count / 10).ceil().cast(pl.Int64)).sum()
    answer = users.group_by(GROUP).agg(
        top_decile_share=rate(top, whole),
        gini=pl.when(whole > 0).then(2 * (rank * amount).sum() / (count * whole) - (count + 1) / count),
        users=pl.len(),
    )
    return answer.select(pl.col(name).cast(dtype) for name, dtype in CONCENTRATION.schema.items())
