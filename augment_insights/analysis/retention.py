"""Who stays? The share of a cohort that is active again, period by period after it began."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import polars as pl

from augment_insights import tables
from augment_insights.analysis.intervals import kaplan_meier, rate_of_people
from augment_insights.analysis.population import (
    ACTIVITY,
    active_rows,
    as_columns,
    check_fits,
    data_span,
    known_days,
    period_end,
    period_start,
    read_whose,
    row_days,
    select_users,
)
from augment_insights.analysis.user_days import first_of_periods, periods_of, prepare
from augment_insights.errors import did_you_mean
from augment_insights.periods import Every, check_count, check_every
from augment_insights.tables import Frame, user_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from augment_insights.analysis.population import Whose
    from augment_insights.analysis.user_days import OrderedDays, UserDays

Kind = Literal["bounded", "unbounded", "n_day"]
"""Active in the period itself (classic retention), in it or later (rolling), on the n-th day after one's own first."""

CohortRule = Literal["first", "recurring", "existing"]
"""A user is in the cohort of the first active period, or in one of every active period; or those of the look-back."""


def cohort_retention(
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    *,
    every: Every = "1w",
    kind: Kind = "bounded",
    cohort: CohortRule = "first",
    lookback: int | None = None,
    periods: int | None = None,
    by: str | Sequence[str] | None = None,
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """Of the users who began in a period, how many are active k periods later?

    The rate is ``retained_users / cohort_users``, people over people. A cell whose period is not
    over is null and not complete, never 0: nobody knows yet. So are all cells of a cohort whose own
    period the data holds only in part. A cohort that nobody joined has 0 users and null rates.
    Period 0 is the cohort's own and its rate is 1.

    Parameters
    ----------
    activity : DataFrame, LazyFrame or UserDays
        ``user``, ``user_type``, and ``date`` or ``period_start`` with ``period_end``; one row or
        more a user and day, or a user and period that does not span a border of ``every``.
        A LazyFrame is collected, because its last day must be known first.
    every : {"1d", "1w", "1mo", "1q"}
        The calendar period.
    kind : {"bounded", "unbounded", "n_day"}
        Retained means active in that period ("bounded", classic), or in it or in any later one
        that is known ("unbounded", rolling). Both go by the calendar: week 1 begins the next Monday,
        also for somebody who began on a Sunday. "n_day" counts from each user's own start, as many
        vendors do: ``period`` is then a number of days, and retained means active on exactly that day
        after the first one. It needs rows of days; ``every`` only makes the cohorts (draw the table with
        ``every="1d"``).
    cohort : {"first", "recurring", "existing"}
        "first": users by the period of their first activity in all of ``activity``. "recurring":
        everyone who is active in a period makes its cohort, so a user is in many. "existing": whoever
        is seen in the look-back, as one cohort: its period 0 is all of the look-back, its date
        the look-back's last period, and period 1 the first after it.
    lookback : int, optional
        Warm-up days, used only to recognise existing users: whoever is seen in them is in
        no "first" cohort, and no cohort of theirs is shown but by "existing". Without it the first cohorts also
        hold everyone who began before the data did (left-censoring).
    periods : int, optional
        The last period after the cohort's own to show; left out, as far as the data reaches.
    by : str or sequence of str, optional
        Columns of ``activity`` to group by; a user is followed in each group apart, and begins
        there with the first activity in that group.
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the data (see
        :class:`.Whose`).

    Returns
    -------
    DataFrame
        The table COHORT_RETENTION: ``cohort`` (Date, first day of its period), ``period`` (Int64,
        0 is the cohort's own), the ``by`` columns, ``cohort_users`` (Int64), ``retained_users``
        (Int64), ``retention_rate`` (Float64, 0 to 1) with its Wilson 95 % confidence interval
        ``retention_rate_low`` and ``retention_rate_high``, ``is_complete`` (Boolean). Every cohort
        runs to the period that holds the last day of the data.

    Raises
    ------
    TableError
        A column is missing or of another dtype; rows too coarse for ``every``.
    ValueError
        An unknown ``every``, ``kind``, ``cohort`` or ``user_type``; ``cohort="existing"`` without a look-back;
        ``kind="n_day"`` of cohorts other than "first".

    See Also
    --------
    retention_curve : all cohorts in one curve.
    survival : how long until a user lapses, without calendar periods.
    augment_insights.charts.cohort_retention : its chart.

    Examples
    --------
    >>> from datetime import date
    >>> activity = pl.DataFrame(
    ...     {
    ...         "date": [date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 12), date(2026, 1, 18)],
    ...         "user": ["ada@x.io", "bob@x.io", "ada@x.io", "cyd@x.io"],
    ...         "user_type": ["person"] * 4,
    ...     }
    ... )
    >>> table = cohort_retention(activity, every="1w")
    >>> table.select("cohort", "period", "cohort_users", "retained_users", "retention_rate").rows()
    [(datetime.date(2026, 1, 5), 0, 2, 2, 1.0),
     (datetime.date(2026, 1, 5), 1, 2, 1, 0.5),
     (datetime.date(2026, 1, 12), 0, 1, 1, 1.0)]
    """
    _check_word("kind", kind, get_args(Kind))
    _check_word("cohort", cohort, get_args(CohortRule))
    if periods is not None:
        check_count("periods", periods, at_least=0)
    if cohort == "existing" and not lookback:
        raise ValueError(
            'cohort="existing" needs lookback=, the days that tell who is not new. Hint: lookback=28, for example.'
        )
    if kind == "n_day" and cohort != "first":
        raise ValueError(f'kind="n_day" counts from each user\'s first day: cohort={cohort!r} has none.')
    needs_days = kind == "n_day"
    order = prepare(activity).ordered(tables.COHORT_RETENTION, **whose, by=by, needs_days=needs_days, lookback=lookback)
    calendar = order.calendar(every, lookback)
    first_label = 0
    if cohort == "existing":  # all of the look-back is one period, and the only cohort
        first_label = -1
        passed = pl.when(pl.col("label") < 0).then("day").otherwise("since").alias("since")
        calendar = calendar.with_columns(passed, pl.col("label").clip(lower_bound=first_label))
    last_period = calendar.height if periods is None else periods
    cells = _cells(order, calendar, first_label=first_label, kind=kind)
    cells = cells.filter(pl.col("period").is_between(0, last_period))
    counts = _count_cells(order, calendar, kind=kind, cohort=cohort, last_period=last_period)
    one_cohort = ["group", "cohort"]
    counted = order.grid(cells).join(counts, on=[*one_cohort, "period"], how="left").sort(*one_cohort, "period")
    users = pl.col("users").fill_null(0)
    table = (
        counted.with_columns(
            retained_users=users.cum_sum(reverse=True).over(one_cohort) if kind == "unbounded" else users
        )
        .with_columns(cohort_users=pl.col("retained_users").first().over(one_cohort))
        .with_columns(pl.when("is_complete").then("retained_users").alias("retained_users"), cohort="period_start")
    )
    return order.as_table(table.with_columns(_rate("cohort_users")), tables.COHORT_RETENTION, before="cohort_users")


def retention_curve(
    cohort_retention: Frame,
    *,
    by: str | Sequence[str] | None = None,
) -> Frame:
    """Over all cohorts, what share of users is active k periods after it began?

    The ratio of sums: the retained users of all cohorts that have reached the period, over the
    users of these cohorts. Fewer and other cohorts stand behind later periods, so the curve may
    rise; ``eligible_users`` says how many users it rests on. A period that no cohort has reached
    has no row; one that only empty cohorts have reached has a null rate.

    Parameters
    ----------
    cohort_retention : DataFrame or LazyFrame
        The table COHORT_RETENTION, one row a cohort and period (and group).
    by : str or sequence of str, optional
        The columns it was grouped by, for a curve of each group. Left out, groups are added up,
        and a user of two groups counts twice.

    Returns
    -------
    DataFrame or LazyFrame
        As it was given: the table RETENTION_CURVE: ``period`` (Int64), the ``by`` columns,
        ``cohorts`` (Int64, those with users), ``eligible_users`` (Int64), ``retained_users``
        (Int64), ``retention_rate`` (Float64, 0 to 1) with its Wilson 95 % confidence interval
        ``retention_rate_low`` and ``retention_rate_high``. The interval takes users as
        independent, and is too narrow for recurring cohorts, in which a user counts many times.

    Raises
    ------
    TableError
        A column is missing or of another dtype.

    See Also
    --------
    cohort_retention : the cohorts one by one.
    augment_insights.charts.retention_curve : its chart.

    Examples
    --------
    A cohort of 10 of which 4 came back, and one of 30 of which 18 did: 22 of 40, not the mean
    of 0.4 and 0.6.

    >>> from datetime import date
    >>> cohorts = pl.DataFrame(
    ...     {
    ...         "cohort": [date(2026, 1, 5), date(2026, 1, 12)],
    ...         "period": [1, 1],
    ...         "cohort_users": [10, 30],
    ...         "retained_users": [4, 18],
    ...         "retention_rate": [0.4, 0.6],
    ...         "retention_rate_low": [0.17, 0.42],
    ...         "retention_rate_high": [0.69, 0.75],
    ...         "is_complete": [True, True],
    ...     }
    ... )
    >>> retention_curve(cohorts).select("cohorts", "eligible_users", "retained_users", "retention_rate").row(0)
    (2, 40, 22, 0.55)
    """
    tables.COHORT_RETENTION.check(cohort_retention)
    groups = as_columns(
        by, cohort_retention, reserved=tables.RETENTION_CURVE.columns, table=tables.COHORT_RETENTION.name
    )
    sums = (
        cohort_retention.lazy()
        .filter("is_complete")
        .group_by("period", *groups)
        .agg(
            cohorts=pl.col("cohort").filter(pl.col("cohort_users") > 0).n_unique(),
            eligible_users=pl.col("cohort_users").sum(),
            retained_users=pl.col("retained_users").sum(),
        )
        .sort("period", *groups)
    )
    table = tables.RETENTION_CURVE.of(sums.with_columns(_rate("eligible_users")), groups, before="cohorts")
    return table if isinstance(cohort_retention, pl.LazyFrame) else table.collect()


def _check_word(name: str, word: str, known: tuple[str, ...]) -> None:
    """Refuse a word that is not one of those known."""
    if word not in known:
        raise ValueError(f"{name}={word!r} is not known.{did_you_mean(str(word), known)}")


def _cells(order: OrderedDays, calendar: pl.DataFrame, *, first_label: int, kind: Kind) -> pl.DataFrame:
    """Return each ``cohort`` and ``period`` (or day) after it, and which the data holds as a whole."""
    shown = periods_of(calendar, first_label)
    cohorts = (shown.head(1) if first_label else shown).rename({"label": "cohort", "is_complete": "is_whole"})
    if kind == "n_day":  # a cohort has reached a day when those who began last have
        after, last = pl.duration(days="period"), pl.lit(order.last)
        days = cohorts.join(calendar.select(period="day"), how="cross").filter(pl.col("period_start") + after <= last)
        return days.with_columns(is_complete=(pl.col("period_end") + after <= last) & pl.col("is_whole"))
    cells = cohorts.join(shown.select("label", "is_complete"), how="cross")
    return cells.with_columns(pl.col("is_complete") & pl.col("is_whole"), period=pl.col("label") - pl.col("cohort"))


def _count_cells(
    order: OrderedDays, calendar: pl.DataFrame, *, kind: Kind, cohort: CohortRule, last_period: int
) -> pl.DataFrame:
    """Count users by ``cohort`` and each active ``period`` (or day) after it, or by their last one ("unbounded")."""
    users = order.users.with_row_index("number")
    first, last = (calendar["label"].gather(users[fact]) for fact in ("first", "last"))
    of_first, of_last = (pl.lit(labels).gather("user") for labels in (first, last))
    if kind == "n_day":
        own_day = pl.col("day") - pl.lit(users["first"]).gather("user")
        days = order.days.lazy().select("user", cohort=of_first, period=own_day)
        return order.count(days.filter(pl.col("cohort") >= 0, pl.col("period") <= last_period), "cohort", "period")
    visits = first_of_periods(order.days.lazy(), calendar).select("user", "label")
    if cohort == "recurring":
        members = visits.filter(pl.col("label") >= 0).select("user", cohort="label")
        cells = members.join(visits, on="user") if kind == "bounded" else members.with_columns(label=of_last)
    else:
        rows = visits if kind == "bounded" else pl.LazyFrame({"user": users["number"], "label": last})
        is_member = pl.col("cohort") < 0 if cohort == "existing" else pl.col("cohort") >= 0
        cells = rows.with_columns(cohort=of_first).filter(is_member)
    period = pl.col("label") - pl.col("cohort")
    if kind == "unbounded":
        period = period.clip(upper_bound=last_period)
    within = cells.with_columns(period=period).filter(pl.col("period").is_between(0, last_period))
    return order.count(within, "cohort", "period")


def _rate(size: str) -> list[pl.Expr]:
    return rate_of_people("retention_rate", pl.col("retained_users"), pl.col(size))


def retained_users(
    activity: pl.DataFrame | pl.LazyFrame,
    *,
    every: Every = "1w",
    after: int = 4,
    kind: Literal["bounded", "within"] = "bounded",
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """Of a period's users, who was active again some periods later: of newcomers, and of those who were there before?

    Newcomers of a period were never seen before it, existing users were. Each period has both, so that the one rate
    may be laid beside the other, and both beside those of earlier periods. Who was not active ``"within"`` the periods
    after has lapsed.

    Parameters
    ----------
    activity : DataFrame or LazyFrame
        As for :func:`cohort_retention`, with all that is known before ``since``: it tells who is new, and may be of
        any length.
    every : {"1d", "1w", "1mo", "1q"}
        The calendar period.
    after : int
        How many periods later.
    kind : {"bounded", "within"}
        Active in the last of these periods, or in any of them.
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the periods
        that are looked at (see :class:`.Whose`).

    Returns
    -------
    DataFrame
        The table RETAINED_USERS, one row a user and period, sorted: ``period_start`` and ``period_end`` of the later
        period (Date), ``user``, ``user_type``, ``tenure`` (Enum: newcomers, existing users), ``retained`` and
        ``eligible`` (Int64, 0 or 1). Later periods that are not complete have no rows.

    Raises
    ------
    TableError
        A column is missing, or a row spans a border of the periods.
    ValueError
        ``after`` below 1, an unknown ``every``, ``kind`` or ``user_type``.

    See Also
    --------
    retention_by_tenure : the rates, period by period.
    compare_periods : with ``metric="retention_rate"``, whether they changed.

    Examples
    --------
    >>> from datetime import date
    >>> weeks = [("ada@x.io", 5), ("ada@x.io", 12), ("bob@x.io", 12), ("ada@x.io", 19)]
    >>> rows = [{"user": user, "user_type": "person", "date": date(2026, 1, day)} for user, day in weeks]
    >>> activity = pl.DataFrame(rows)
    >>> again = retained_users(activity, after=1, as_of="2026-01-25")
    >>> again.select("period_start", "user", "tenure", "retained").rows()
    [(datetime.date(2026, 1, 12), 'ada@x.io', 'newcomers', 1),
     (datetime.date(2026, 1, 19), 'ada@x.io', 'existing users', 1),
     (datetime.date(2026, 1, 19), 'bob@x.io', 'newcomers', 0)]
    """
    check_count("after", after)
    _check_word("kind", kind, ("bounded", "within"))
    first, last = known_days(data_span(activity), **whose)
    rows = active_rows(select_users(activity, read_whose(**whose)[0])).lazy()
    start, end = row_days(activity)
    seen = rows.filter(end <= pl.lit(last, pl.Date)).with_columns(user_key(), first_seen=start.min().over(user_key()))
    shown = seen.filter(start >= pl.lit(first, pl.Date))
    check_fits(shown, check_every(every), table=ACTIVITY)
    earlier = period_start(start, every)
    visits = (
        shown.group_by("user_key", earlier.alias("earlier"))
        .agg(pl.col("user").min(), pl.col("user_type", "first_seen").first())
        .with_columns(period_start=pl.col("earlier").dt.offset_by(f"{after}{every[1:]}"))
        .with_columns(period_end=period_end(pl.col("period_start"), every))
    )
    follows = pl.col("earlier").shift(-1).over("user_key", order_by="earlier") <= pl.col("period_start")
    visits = visits.with_columns(within=follows.fill_null(value=False).cast(pl.Int64))
    again = visits.select("user_key", period_start="earlier", bounded=pl.lit(1, pl.Int64))
    is_new = pl.col("first_seen") >= pl.col("earlier")
    answered = (
        visits.filter(pl.col("period_end") <= pl.lit(last, pl.Date))
        .join(again, on=["user_key", "period_start"], how="left")
        .with_columns(
            retained=pl.col(kind).fill_null(0),
            tenure=pl.when(is_new).then(pl.lit("newcomers")).otherwise(pl.lit("existing users")),
            eligible=pl.lit(1),
        )
        .sort("period_start", "user_key")
    )
    return tables.RETAINED_USERS.of(answered).collect()


def cohort_period(cohorts: pl.DataFrame, every: Every, *, least_users: int = 10) -> Every:
    """In which calendar periods should cohorts be looked at, so that one person does not move a rate by much?

    Parameters
    ----------
    cohorts : DataFrame
        The table COHORT_RETENTION, of cohorts of the period ``every``.
    every : {"1d", "1w", "1mo", "1q"}
        The calendar period.
    least_users : int
        How many people the median cohort should have; periods in which nobody began are no cohorts.

    Returns
    -------
    str
        The period, or the next coarser one where the median cohort is smaller.

    Raises
    ------
    TableError
        A column is missing or of another dtype.
    ValueError
        An unknown ``every``.

    See Also
    --------
    cohort_retention : the cohorts.

    Examples
    --------
    >>> from augment_insights.tables import COHORT_RETENTION
    >>> cohort_period(COHORT_RETENTION.empty(), "1w")
    '1w'
    """
    periods = get_args(Every)
    place = periods.index(check_every(every))
    sizes = tables.COHORT_RETENTION.check(cohorts).filter(period=0)["cohort_users"]
    median = sizes.filter(sizes > 0).median()
    is_small = isinstance(median, float) and median < least_users
    return check_every(periods[min(place + is_small, len(periods) - 1)])


def retention_by_tenure(retained: Frame) -> pl.DataFrame:
    """Period by period, what share of newcomers and of existing users was active again some periods later?

    Parameters
    ----------
    retained : DataFrame or LazyFrame
        The table RETAINED_USERS, of :func:`retained_users`.

    Returns
    -------
    DataFrame
        The table RETENTION_BY_TENURE: ``period_start`` (Date), ``tenure`` (Enum), ``eligible_users`` and
        ``retained_users`` (Int64), ``retention_rate`` (Float64) with its Wilson 95 % confidence interval.

    Raises
    ------
    TableError
        A column is missing or of another dtype.

    See Also
    --------
    cohort_retention : newcomers, followed on.

    Examples
    --------
    >>> from datetime import date
    >>> activity = pl.DataFrame([{"user": user, "user_type": "person", "date": date(2026, 1, day)}
    ...     for user, day in [("ada@x.io", 5), ("bob@x.io", 5), ("ada@x.io", 12)]])
    >>> rates = retention_by_tenure(retained_users(activity, after=1, as_of="2026-01-18"))
    >>> rates.select("tenure", "eligible_users", "retained_users", "retention_rate").rows()
    [('newcomers', 2, 1, 0.5)]
    """
    tables.RETAINED_USERS.check(retained)
    sums = (
        retained.lazy()
        .group_by("period_start", "tenure")
        .agg(eligible_users=pl.col("eligible").sum(), retained_users=pl.col("retained").sum())
        .sort("period_start", "tenure")
    )
    return tables.RETENTION_BY_TENURE.of(sums.with_columns(_rate("eligible_users"))).collect()


def lifecycle(
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    *,
    every: Every = "1w",
    lookback: int | None = None,
    by: str | Sequence[str] | None = None,
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """How many active users of each period are new, returning or back, and how many became dormant?

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
        Warm-up days, used only to recognise existing users; their periods are not shown.
        Without it everybody in the first period is new: nothing is known of before
        (left-censoring).
    by : str or sequence of str, optional
        Columns of ``activity`` to group by; a user is followed in each group apart, and is new
        there with the first activity in that group.
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the data (see
        :class:`.Whose`).

    Returns
    -------
    DataFrame
        The table LIFECYCLE: ``period_start`` (Date), the ``by`` columns, ``new_users``,
        ``returning_users``, ``resurrected_users``, ``dormant_users``, ``active_users`` (Int64,
        users), ``is_complete`` (Boolean). In a period that is not over, users still may return:
        its dormant users are an upper bound. In the first period, ``returning_users``,
        ``resurrected_users`` and ``dormant_users`` are null where a row of the look-back is too
        coarse to tell who was active in the period before. The user of a row that begins in the
        look-back and ends after it is not new.

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
    order = prepare(activity).ordered(tables.LIFECYCLE, **whose, by=by, lookback=lookback)
    calendar = order.calendar(every, lookback)
    users, before, label = pl.col("users"), pl.col("before"), pl.col("label")
    states = (
        first_of_periods(order.gaps.lazy(), calendar)
        .group_by("group", "label")
        .agg(
            new_users=users.filter(before.is_null()).sum(),
            returning_users=users.filter(before == label - 1).sum(),
            resurrected_users=users.filter(before < label - 1).sum(),
            active_users=users.sum(),
        )
        .collect()
    )
    table = (
        order.grid(periods_of(calendar, -1))
        .join(states, on=["group", "label"], how="left")
        .with_columns(pl.exclude("label", *calendar.columns).fill_null(0))
        .sort("group", "label")
        .with_columns(before_users=pl.col("active_users").shift(fill_value=0).over("group"))
        .with_columns(dormant_users=pl.col("before_users") - pl.col("returning_users"))
        .filter(label >= 0)
    )
    if _is_period_before_unknown(order, calendar):
        unknown = ["returning_users", "resurrected_users", "dormant_users"]
        table = table.with_columns(pl.when(label > 0).then(pl.col(unknown)))
    return order.as_table(table, tables.LIFECYCLE, before="new_users")


def _is_period_before_unknown(order: OrderedDays, calendar: pl.DataFrame) -> bool:
    """Tell whether a row lies partly in the period before the first, and partly outside of it."""
    before = calendar.filter(pl.col("label") == -1)["date"]
    if order.is_daily or before.is_empty():
        return False
    start, end = row_days(order.activity)
    first, last = pl.lit(before.min()), pl.lit(before.max())
    coarse = (start <= last) & (end >= first) & ((start < first) | (end > last))
    return bool(order.activity.lazy().select(coarse.any()).collect().item())


def survival(
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    *,
    inactive_days: int = 28,
    lookback: int | None = None,
    by: str | Sequence[str] | None = None,
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """How many days after their first activity are users still with us?

    A Kaplan-Meier estimate. A user lapses on the first day of the first inactivity gap of at least
    ``inactive_days`` whole days, also if the user comes back later. A gap can only be seen when all
    its days are over, so everybody is followed to the last day minus ``inactive_days`` and no further:
    who has not lapsed by then is censored there, not dropped, and who began later is not in it yet.
    Newcomers are asked about when ``lookback`` tells who is none; without it, who began before the
    data did is followed from the first day that is known.

    Parameters
    ----------
    activity : DataFrame, LazyFrame or UserDays
        ``user``, ``user_type`` and ``date`` (or periods of one day); one row or more a user and
        active day.
        A LazyFrame is collected, because its last day must be known first.
    inactive_days : int
        How many whole days without activity make an inactivity gap.
    lookback : int, optional
        Days at the head of the data that only tell who is not new (warm-up days): whoever is seen in them is left
        out. Their rows may span any length.
    by : str or sequence of str, optional
        Columns of ``activity`` to group by, for a curve of each group; a user is followed in each
        group apart.
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the data (see
        :class:`.Whose`).

    Returns
    -------
    DataFrame
        The table SURVIVAL, one row for each day from 0 to the longest time anyone was followed:
        ``days`` (Int64, since the first activity), the ``by`` columns, ``at_risk_users`` (Int64),
        ``lapsed_users`` (Int64), ``survival_rate`` (Float64, 0 to 1), and its 95 % confidence interval
        ``survival_rate_low`` and ``survival_rate_high`` (Greenwood's variance on the log-log scale; 1
        while nobody has lapsed; null where fewer than ten users are at risk, or everybody has lapsed).

    Raises
    ------
    TableError
        A column is missing or of another dtype; rows that span several days.
    ValueError
        ``inactive_days`` is not an integer >= 1; an unknown ``user_type``.

    See Also
    --------
    cohort_retention : who is active in each calendar period after the first.
    augment_insights.charts.survival : its chart.

    Examples
    --------
    Ada comes on days 0 and 1, Bob on day 0 and on the last one. A gap of two days that begins after
    day 2 cannot be seen, so both are followed to day 2: Bob lapses on day 1, and Ada on day 2.

    >>> from datetime import date
    >>> activity = pl.DataFrame(
    ...     {
    ...         "date": [date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 5), date(2026, 1, 9)],
    ...         "user": ["ada@x.io", "ada@x.io", "bob@x.io", "bob@x.io"],
    ...         "user_type": ["person"] * 4,
    ...     }
    ... )
    >>> survival(activity, inactive_days=2).select("days", "at_risk_users", "lapsed_users", "survival_rate").rows()
    [(0, 2, 0, 1.0), (1, 2, 1, 0.5), (2, 1, 1, 0.0)]
    """
    check_count("inactive_days", inactive_days)
    order = prepare(activity).ordered(tables.SURVIVAL, **whose, by=by, needs_days=True, lookback=lookback)
    last = order.calendar("1d", lookback).height - 1
    curve = kaplan_meier(_lapses(order, inactive_days, first=lookback or 0, last=last)).with_columns(
        lapsed_users="event_users", survival_rate="rate", survival_rate_low="low", survival_rate_high="high"
    )
    return order.as_table(curve, tables.SURVIVAL, before="at_risk_users")


def _lapses(order: OrderedDays, inactive_days: int, *, first: int, last: int) -> pl.DataFrame:
    """Return for each user the ``days`` followed and whether they ended in a lapse (``event``).

    Users who began before ``first`` or cannot be followed are left out; ``last`` is the last day of the data.
    """
    end = last - inactive_days
    day = pl.col("day")
    inactive = pl.coalesce(pl.col("gap").shift(-1) - 1, last - day)  # a user's last day has no gap after it
    lapses = order.days.filter(inactive >= inactive_days, day < end).group_by("user").agg(lapse=day.min() + 1)
    users = order.users.with_row_index("user_number").join(lapses, left_on="user_number", right_on="user", how="left")
    return users.filter(pl.col("first").is_between(first, end)).select(
        "group", days=pl.col("lapse").fill_null(end) - pl.col("first"), event=pl.col("lapse").is_not_null()
    )
