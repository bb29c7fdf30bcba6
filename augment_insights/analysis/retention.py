"""Who stays? The share of a cohort that is active again, period by period after it began."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import polars as pl

from augment_insights.analysis._population import IN_MEMORY, as_columns
from augment_insights.analysis.intervals import rate, wilson
from augment_insights.analysis.user_days import check_days, first_of_period, prepare
from augment_insights.errors import did_you_mean
from augment_insights.tables import COHORT_RETENTION, RETENTION_CURVE, Frame

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from augment_insights.analysis._population import UserType
    from augment_insights.analysis.user_days import OrderedDays, UserDays
    from augment_insights.periods import Every

Kind = Literal["bounded", "unbounded"]
"""Active in the period itself (classic retention), or in it or later (rolling retention)."""

CohortRule = Literal["first", "recurring", "existing"]
"""A user is in the cohort of the first active period, or in one of every active period; or those of the look-back."""


def cohort_retention(  # noqa: PLR0913 (each keyword is a choice of definition; none can stand for another)
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    *,
    every: Every = "1w",
    kind: Kind = "bounded",
    cohort: CohortRule = "first",
    lookback: int | None = None,
    periods: int | None = None,
    by: str | Sequence[str] | None = None,
    user_type: UserType = "person",
    as_of: date | str | None = None,
) -> pl.DataFrame:
    """Of the users who began in a period, how many are active so many periods later?

    The rate is ``retained_users / cohort_users``, people over people. A cell whose period is not
    over is null and not complete, never 0: nobody knows yet. A cohort that nobody joined has 0
    users and null rates. Period 0 is the cohort's own and its rate is 1.

    Parameters
    ----------
    activity : DataFrame, LazyFrame or UserDays
        ``user``, ``user_type``, and ``date`` or ``period_start`` with ``period_end``; one row or
        more a user and day, or a user and period that does not span a border of ``every``.
        A LazyFrame is collected, because its last day must be known first.
    every : {"1d", "1w", "1mo", "1q"}
        The calendar period.
    kind : {"bounded", "unbounded"}
        Retained means active in that period ("bounded", classic), or in it or in any later one
        that is known ("unbounded", rolling).
    cohort : {"first", "recurring", "existing"}
        "first": users by the period of their first activity in all of ``activity``. "recurring":
        everyone who is active in a period makes its cohort, so a user is in many. "existing": whoever
        is seen in the look-back, as one cohort: its period 0 is all of the look-back, its date
        the look-back's last period, and period 1 the first after it.
    lookback : int, optional
        Days at the head of the data that only tell who is not new: whoever is seen in them is in
        no "first" cohort, and no cohort of theirs is shown but by "existing". Without it the first cohorts also
        hold everyone who began before the data did (left-censoring).
    periods : int, optional
        The last period after the cohort's own to show; left out, as far as the data reaches.
    by : str or sequence of str, optional
        Columns of ``activity`` to group by; a user is followed in each group apart, and begins
        there with the first activity in that group.
    user_type : {"person", "service_account", "all"}
        Whose activity counts.
    as_of : date or str, optional
        The last day of the data, by which rows must have ended to count; left out, the last day
        of any row of the frame.

    Returns
    -------
    DataFrame
        The table COHORT_RETENTION: ``cohort`` (Date, first day of its period), ``period`` (Int64,
        0 is the cohort's own), the ``by`` columns, ``cohort_users`` (Int64), ``retained_users``
        (Int64), ``retention_rate`` (Float64, 0 to 1) with its Wilson 95 % interval
        ``retention_rate_low`` and ``retention_rate_high``, ``is_complete`` (Boolean). Every cohort
        runs to the period that holds the last day of the data.

    Raises
    ------
    TableError
        A column is missing or of another dtype; rows too coarse for ``every``.
    ValueError
        An unknown ``every``, ``kind``, ``cohort`` or ``user_type``; ``cohort="existing"`` without a look-back.

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
        check_days("periods", periods, least=0)
    if cohort == "existing" and not lookback:
        raise ValueError(
            'cohort="existing" needs lookback=, the days that tell who is not new. Hint: lookback=28, for example.'
        )
    order = prepare(activity).ordered(user_type=user_type, as_of=as_of, by=by, table=COHORT_RETENTION)
    order.check_fits(every, lookback)
    calendar = order.calendar(every, lookback)
    is_existing = cohort == "existing"
    shown = _from_lookback(order, every, lookback) if is_existing else order.periods(every, lookback)
    pairs = _pairs(order, calendar, kind=kind, cohort=cohort, periods=periods)
    # Later periods count in earlier ones of unbounded retention, and are laid out whatever is shown.
    width = periods if periods is not None and kind == "bounded" else shown.height
    since = _since(shown.head(1) if is_existing else shown, width, shown.height)
    cells = _cells(order, since, shown, pairs, unbounded=kind == "unbounded")
    if periods is not None:
        cells = cells.filter(pl.col("period") <= periods)
    return order.as_table(cells, COHORT_RETENTION, before="cohort_users")


def retention_curve(
    cohort_retention: Frame,
    *,
    by: str | Sequence[str] | None = None,
) -> Frame:
    """Over all cohorts, what share of users is active so many periods after it began?

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
        (Int64), ``retention_rate`` (Float64, 0 to 1) with its Wilson 95 % interval
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
    COHORT_RETENTION.check(cohort_retention)
    groups = as_columns(by, cohort_retention, reserved=RETENTION_CURVE.columns, table=COHORT_RETENTION.name)
    sums = (
        cohort_retention.lazy()
        .filter("is_complete")
        .group_by("period", *groups)
        .agg(
            cohorts=(pl.col("cohort_users") > 0).sum(),
            eligible_users=pl.col("cohort_users").sum(),
            retained_users=pl.col("retained_users").sum(),
        )
        .sort("period", *groups)
    )
    dtypes = dict(RETENTION_CURVE.schema)
    groups_at = {"period": dtypes.pop("period"), **{name: cohort_retention.collect_schema()[name] for name in groups}}
    table = _with_rate(sums, "eligible_users").select(
        pl.col(name).cast(dtype) for name, dtype in {**groups_at, **dtypes}.items()
    )
    return table if isinstance(cohort_retention, pl.LazyFrame) else table.collect()


def _check_word(name: str, word: str, known: tuple[str, ...]) -> None:
    """Refuse a word that is not one of those known."""
    if word not in known:
        raise ValueError(f"{name}={word!r} is not known.{did_you_mean(str(word), known)}")


def _visits(days: pl.LazyFrame, calendar: pl.DataFrame) -> pl.LazyFrame:
    """Return one row a user and active period, those of the look-back too: ``user`` and the period's ``label``."""
    label = calendar["label"].cast(pl.Int16)  # as narrow as a day: there are many rows
    since, label_of_day = (pl.lit(fact).gather(pl.col("day")) for fact in (calendar["since"], label))
    return days.filter(first_of_period(since)).select("user", label=label_of_day)


def _period_of_user(order: OrderedDays, calendar: pl.DataFrame, fact: str) -> pl.Series:
    """Return the number of the period of each user's ``first`` or ``last`` day."""
    return calendar["label"].gather(order.users[fact])


def _pairs(
    order: OrderedDays, calendar: pl.DataFrame, *, kind: Kind, cohort: CohortRule, periods: int | None
) -> pl.DataFrame:
    """Count users by cohort and each active period ("bounded"), or by cohort and their last one ("unbounded")."""
    if kind == "unbounded":
        until_last = {
            "first": _first_until_last,
            "recurring": _recurring_until_last,
            "existing": _existing_until_last,
        }
        return until_last[cohort](order, calendar)
    if cohort == "recurring":
        return _recurring_pairs(order, calendar, periods)
    return _first_pairs(order, calendar) if cohort == "first" else _existing_pairs(order, calendar)


def _first_pairs(order: OrderedDays, calendar: pl.DataFrame) -> pl.DataFrame:
    """Count users by the period they began in and each active one."""
    began = _period_of_user(order, calendar, "first")
    shown = pl.lit(began.set(began < 0, None))  # who is seen in the look-back is in no cohort, and not counted
    cohort = shown.gather(pl.col("user"))
    return order.count_days(lambda days: _visits(days, calendar).with_columns(cohort=cohort), "cohort", "label")


def _first_until_last(order: OrderedDays, calendar: pl.DataFrame) -> pl.DataFrame:
    """Count users by the period they began in and their last one."""
    began, ended = (_period_of_user(order, calendar, fact) for fact in ("first", "last"))
    return _count_users(order.users.select("group", cohort=began, label=ended).filter(pl.col("cohort") >= 0))


def _from_lookback(order: OrderedDays, every: Every, lookback: int | None) -> pl.DataFrame:
    """Return the periods that are shown after the look-back as one period, which is numbered 0."""
    return order.periods(every, lookback, first_label=-1).with_columns(pl.col("label") + 1)


def _existing_pairs(order: OrderedDays, calendar: pl.DataFrame) -> pl.DataFrame:
    """Count the users of the look-back, and those of them who are active in each period after it."""
    is_existing = _period_of_user(order, calendar, "first") < 0

    def later(days: pl.LazyFrame) -> pl.LazyFrame:
        of_existing = pl.lit(is_existing).gather(pl.col("user"))
        visits = _visits(days, calendar).filter(of_existing, pl.col("label") >= 0)
        return visits.select("user", pl.col("label") + 1, cohort=pl.lit(0, pl.Int32))

    everyone = _count_users(order.users.filter(is_existing).select("group", cohort=0, label=0))
    return pl.concat([everyone, order.count_days(later, "cohort", "label")])


def _existing_until_last(order: OrderedDays, calendar: pl.DataFrame) -> pl.DataFrame:
    """Count the users of the look-back by their last period."""
    is_existing = _period_of_user(order, calendar, "first") < 0
    ended = _period_of_user(order, calendar, "last").clip(-1) + 1
    return _count_users(order.users.select("group", cohort=0, label=ended).filter(is_existing))


def _count_users(cells: pl.DataFrame) -> pl.DataFrame:
    """Count rows, one a user, by ``group, cohort, label``."""
    keys = [pl.col("group"), pl.col("cohort", "label").cast(pl.Int32)]
    return cells.group_by(keys).agg(users=pl.len().cast(pl.Int64))


def _recurring_until_last(order: OrderedDays, calendar: pl.DataFrame) -> pl.DataFrame:
    """Count users by each period they were active in and their last one."""
    ended = pl.lit(_period_of_user(order, calendar, "last")).gather(pl.col("user"))

    def ends(days: pl.LazyFrame) -> pl.LazyFrame:
        visits = _visits(days, calendar).filter(pl.col("label") >= 0)
        return visits.select("user", cohort="label", label=ended)

    return order.count_days(ends, "cohort", "label")


def _recurring_pairs(order: OrderedDays, calendar: pl.DataFrame, periods: int | None) -> pl.DataFrame:
    """Count users by each two periods they were active in, the same one twice included.

    A user's periods stand in order, so the pairs are each row with the n-th row after it, for
    n = 0, 1, 2, ... until no user has so many: the work is one step a pair, and no join is needed.
    """
    visits = (
        _visits(order.days.lazy(), calendar)
        .filter(pl.col("label") >= 0)
        .with_row_index("row")
        .with_columns(later=pl.col("row").max().over("user") - pl.col("row"))
        .collect(engine=IN_MEMORY)
    )
    label = visits["label"]
    waiting = visits.select("user", "row", "later", cohort="label").lazy()
    counts = []
    for nth in range(len(calendar) + 1 if periods is None else periods + 1):
        waiting = waiting.filter(pl.col("later") >= nth).collect(engine=IN_MEMORY).lazy()
        pairs = waiting.with_columns(label=pl.lit(label).gather(pl.col("row") + nth))
        counts.append(order.count(pairs, "cohort", "label"))
        if counts[-1].is_empty():
            break
    return pl.concat(counts).group_by("group", "cohort", "label").agg(pl.col("users").sum())


def _since(cohorts: pl.DataFrame, width: int, end: int) -> pl.DataFrame:
    """Return each cohort with its own period and as many later ones, up to the end of the data."""
    label = pl.col("label")
    return cohorts.select(
        label.alias("cohort_label"),
        pl.col("period_start").alias("cohort"),
        label=pl.int_ranges(label, pl.min_horizontal(label + width + 1, pl.lit(end)), dtype=pl.Int32),
    ).explode("label")


def _cells(
    order: OrderedDays, since: pl.DataFrame, shown: pl.DataFrame, pairs: pl.DataFrame, *, unbounded: bool
) -> pl.LazyFrame:
    """Lay the counts out, one row a group, cohort and period."""
    cells = (
        order.grid(since)
        .lazy()
        .join(
            pairs.lazy().rename({"cohort": "cohort_label"}),
            on=["group", "cohort_label", "label"],
            how="left",
            maintain_order="left",
        )
    )
    one_cohort = ["group", "cohort_label"]
    users = pl.col("users").fill_null(0)
    counted = cells.with_columns(
        period=pl.col("label") - pl.col("cohort_label"),
        is_complete=pl.lit(shown["is_complete"]).gather("label"),
        retained_users=users.cum_sum(reverse=True).over(one_cohort) if unbounded else users,
    ).with_columns(
        cohort_users=pl.col("retained_users").first().over(one_cohort),
        retained_users=pl.when("is_complete").then("retained_users"),
    )
    return _with_rate(counted, "cohort_users")


def _with_rate(counted: Frame, size: str) -> Frame:
    """Add the rate and its interval; no denominator, no rate."""
    retained, users = pl.col("retained_users"), pl.col(size)
    low, high = wilson(retained, users)
    return counted.with_columns(
        retention_rate=rate(retained, users),
        retention_rate_low=low,
        retention_rate_high=high,
    )
