"""How many of the licensed users are active, how far has it spread, and who has a licence in which team?"""

from __future__ import annotations

from datetime import date
from os import PathLike
from typing import TYPE_CHECKING

import polars as pl

from augment_insights import tables
from augment_insights.analysis.activity import active_users
from augment_insights.analysis.intervals import kaplan_meier, rate, rate_of_people
from augment_insights.analysis.population import (
    ACTIVITY,
    as_columns,
    data_span,
    first_that_holds,
    is_licensed,
    known_days,
    licences_of,
    on_roster,
    read_whose,
    spells_of,
    usage_rows,
    with_user_key,
)
from augment_insights.analysis.roster import last_seen, read_roster, resolve_aliases, tidy_roster
from augment_insights.analysis.user_days import OrderedDays, UserDays, periods_of, prepare
from augment_insights.errors import TableError, plural, warn_reader
from augment_insights.periods import check_count
from augment_insights.tables import columns_of, require, user_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from augment_insights.analysis.population import Whose
    from augment_insights.periods import Every

_KEY = "user_key"
_PERIOD = ["period_start", "period_end", "is_complete"]
_DATES = ("licensed_from", "licensed_to")
_GRACE_DAYS = 14


def adoption_rate(
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    *,
    licences: int | pl.DataFrame | pl.LazyFrame,
    every: Every = "1mo",
    by: str | Sequence[str] | None = None,
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """How many of the licensed users were active, period by period?

    Active users / licensed users, both counted as distinct users of the period. With a roster, a
    user is licensed in a period if the licence covers any day of it, and only licensed users count as
    active; a DataWarning says how many active users have no licence. With a number of seats, all
    active users count. No licence (or 0 seats), no rate: null. Periods without activity are there, with 0; one
    that the data holds only in part is flagged.

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
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the data (see
        :class:`.Whose`).

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
        adoption_rate_low  Float64 lower bound of Wilson's 95 % confidence interval
        adoption_rate_high Float64 upper bound
        is_complete        Boolean whether the data holds all days of the period
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
    >>> months = adoption_rate(activity, licences=4, since="2026-01-01", as_of="2026-01-31")
    >>> months.select("active_users", "adoption_rate", "is_complete")
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
    if isinstance(licences, (pl.DataFrame, pl.LazyFrame)):
        licences = read_roster(licences)
        days = _resolved(days, licences)
    periods = active_users(days, every=every, **whose)
    user_type, *_ = read_whose(**whose)
    groups: list[str] = []
    if isinstance(licences, pl.DataFrame):
        groups = as_columns(by, licences, reserved=tables.ADOPTION_RATE.columns, table=tables.ROSTER.name)
        rows, _ = usage_rows(days.activity, (), every=every, **whose)
        counts = _licensed_counts(rows, licences, periods.select(_PERIOD), groups=groups, user_type=user_type)
    elif by is None:
        counts = periods.with_columns(licensed_users=pl.lit(_seats(licences), pl.Int64))
    else:
        raise TableError(
            f"A number of licences is the whole organisation's, and cannot be split by {by!r}.",
            table=tables.ROSTER.name,
            hint="pass a roster with that column: adoption_rate(activity, licences=read_roster(path), by=...).",
        )
    active, licensed = pl.col("active_users"), pl.col("licensed_users")
    more = counts.filter(active > licensed).height
    if more:
        warn_reader(f"More active users than licences in {plural(more, 'period')}. Hint: check the number of licences.")
    rated = counts.with_columns(rate_of_people("adoption_rate", active, licensed))
    return tables.ADOPTION_RATE.of(rated.sort("period_start", *groups, nulls_last=True), groups, before="active_users")


def adoption_curve(
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    *,
    every: Every = "1w",
    licences: int | pl.DataFrame | pl.LazyFrame | None = None,
    lookback: int | None = None,
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """By each period, how many users have ever been active, and what share of the licences is that?

    Cumulative distinct users. The rate is ``cumulative_users / ever_licensed_users``, and null while
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
        Warm-up days, used only to recognise existing users; these are in ``cumulative_users`` from the start.
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the data (see
        :class:`.Whose`).

    Returns
    -------
    DataFrame
        The table ADOPTION_CURVE: ``period_start`` (Date), ``new_users`` (Int64),
        ``cumulative_users`` (Int64); with ``licences`` LICENSED_ADOPTION_CURVE, which adds
        ``ever_licensed_users`` (Int64) and ``seen_rate`` (Float64, 0 to 1; above 1 where more
        people were seen than there are seats). Both are other numbers than the ``licensed_users`` of one period,
        and the share of them who are active in it, of :func:`adoption_rate`.

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
    days, roster = prepare(activity), None
    if isinstance(licences, (pl.DataFrame, pl.LazyFrame)):
        licences = tidy_roster(licences)
        days, roster = _resolved(days, licences), licences_of(licences, read_whose(**whose)[0])
    order = days.ordered(tables.ADOPTION_CURVE, lookback=lookback, **whose)
    calendar = order.calendar(every, lookback)
    users = order.first_days() if roster is None else on_roster(order.first_days(), roster)
    firsts = users.group_by(date="first_day").agg(users=pl.len().cast(pl.Int64)).join(calendar, on="date")
    new = firsts.group_by("label").agg(new_users=pl.col("users").sum())
    existing = new.filter(pl.col("label") < 0)["new_users"].sum()
    curve = (
        periods_of(calendar)
        .join(new, on="label", how="left")
        .sort("label")
        .with_columns(pl.col("new_users").fill_null(0), group=pl.lit(0))
        .with_columns(cumulative_users=pl.col("new_users").cum_sum() + existing)
    )
    if licences is None:
        return order.as_table(curve, tables.ADOPTION_CURVE, before="new_users")
    if roster is None:
        licensed = curve.with_columns(ever_licensed_users=pl.lit(_seats(licences)))
    else:  # how many users had got a licence by the end of each period
        begun = roster.select(pl.col("licensed_from").fill_null(date.min)).sort("licensed_from")
        begun = begun.with_columns(ever_licensed_users=pl.int_range(1, pl.len() + 1))
        licensed = curve.join_asof(
            begun, left_on="period_end", right_on="licensed_from", strategy="backward", check_sortedness=False
        ).with_columns(pl.col("ever_licensed_users").fill_null(0))
    seen = rate(pl.col("cumulative_users"), pl.col("ever_licensed_users"))
    return order.as_table(licensed.with_columns(seen_rate=seen), tables.LICENSED_ADOPTION_CURVE, before="new_users")


def time_to_first_use(
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    roster: pl.DataFrame | pl.LazyFrame,
    **whose: Unpack[Whose],
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
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the data (see
        :class:`.Whose`).

    Returns
    -------
    DataFrame
        The table TIME_TO_FIRST_USE, one row for each day from 0 to the longest time anyone was
        followed: ``days`` (Int64, since the licence began), ``at_risk_users`` (Int64),
        ``started_users`` (Int64), ``started_rate`` (Float64, 0 to 1, one minus the Kaplan-Meier
        estimate), and its 95 % confidence interval ``started_rate_low`` and ``started_rate_high``
        (Greenwood's variance on the log-log scale; 0 while nobody has started; null where fewer
        than ten users are at risk, or everybody has started).

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
    require(columns_of(roster), ("user", "licensed_from"), table="roster")
    listed = tidy_roster(roster)
    order = _resolved(prepare(activity), listed).ordered(tables.TIME_TO_FIRST_USE, **whose, needs_days=True)
    return kaplan_meier(_starts(order, licences_of(listed, read_whose(**whose)[0]))).select(
        "days",
        "at_risk_users",
        started_users="event_users",
        started_rate=1 - pl.col("rate"),
        started_rate_low=1 - pl.col("high"),
        started_rate_high=1 - pl.col("low"),
    )


def unused_licences(
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    roster: pl.DataFrame | pl.LazyFrame,
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """Which licensed users have never been active?

    Licensed on the last day of the data: a licence that has ended by then, or not begun, is not there. Never
    means: no row of activity in the frame, from ``since`` to ``as_of``.

    Parameters
    ----------
    activity : DataFrame, LazyFrame or UserDays
        ``user`` and ``user_type``, and ``date`` or ``period_start`` with ``period_end``. Without days there
        is no last day: all licences count then.
    roster : DataFrame or LazyFrame
        As for :func:`read_roster`. Without ``user_type`` it lists people.
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the data (see
        :class:`.Whose`).

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
    frame = _frame(activity)
    schema = columns_of(frame)
    require(schema, ("user", "user_type"), table=ACTIVITY)
    span = None if schema.keys().isdisjoint(("date", "period_start", "period_end")) else data_span(frame)
    _, last = known_days(span, **whose)
    listed = read_roster(roster)
    rows, _ = usage_rows(resolve_aliases(frame, listed), (), **whose)
    licences = spells_of(listed, read_whose(**whose)[0], keep=(name for name in listed.columns if name not in _DATES))
    if last is not None:
        licences = licences.filter(is_licensed(pl.lit(last), pl.lit(last)))
    seen = rows.select("user", "user_type").unique().select(user_key())
    unused = licences.join(seen, on=_KEY, how="anti").unique(_KEY, keep="last", maintain_order=True)
    return unused.sort(_KEY).select(listed.columns)


def licences(
    roster: pl.DataFrame | pl.LazyFrame,
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    *,
    inactive_days: int = 30,
    grace_days: int = _GRACE_DAYS,
    price: float | None = None,
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """Which licences are used, and which have never been used or lie idle?

    On the last day of the data each licence has one status, the first that fits: *not begun* or *ended*; *active*
    in the last ``inactive_days`` days; *new*, younger than ``grace_days``; *never used*, without any activity in
    the frame; *idle*, active before. What is said of "the licences" is said of those that are valid that day.

    Parameters
    ----------
    roster : DataFrame or LazyFrame
        As for :func:`read_roster`. Without ``user_type`` it lists people.
    activity : DataFrame, LazyFrame or UserDays
        ``user``, ``user_type``, and ``date`` or ``period_start`` with ``period_end``. Of a row of several days
        the last one counts as the day of activity.
    inactive_days : int
        Days without activity after which a licence is idle.
    grace_days : int
        Days in which a licence need not be used yet.
    price : float, optional
        What a licence costs.
    **whose
        ``user_type``, ``since`` and ``as_of``: which users of the roster, and the first and the last day of the data
        (see :class:`.Whose`).

    Returns
    -------
    DataFrame
        The table LICENCES, one row a licence, sorted by name: ``user``, ``team`` (String; null where the roster has
        none), ``status`` (Enum: new, never_used, idle, active, ended, not_begun), ``last_active`` (Date; null:
        never), ``idle_days`` (Int64, days from then to the last day). With ``price`` also ``cost`` (Float64): the
        price of each licence that is valid that day, 0 of the others.

    Raises
    ------
    TableError
        A column is missing, or the roster cannot be read.
    ValueError
        ``inactive_days`` below 1, or ``grace_days`` below 0.

    See Also
    --------
    adoption_rate : the share who are active, period by period.
    population_bridge : how the licensed, the active and the seen people stand to one another.

    Examples
    --------
    >>> from datetime import date
    >>> roster = pl.DataFrame({"user": ["ada@x.io", "bob@x.io", "cyd@x.io"], "team": ["A", "A", "B"]})
    >>> activity = pl.DataFrame({"user": ["ada@x.io", "bob@x.io"], "user_type": ["person"] * 2,
    ...     "date": [date(2026, 3, 31), date(2026, 2, 1)]})
    >>> licences(roster, activity).select("user", "status", "idle_days").rows()
    [('ada@x.io', 'active', 0), ('bob@x.io', 'idle', 58), ('cyd@x.io', 'never_used', None)]
    """
    check_count("inactive_days", inactive_days)
    check_count("grace_days", grace_days, at_least=0)
    listed = read_roster(roster)
    held = _licences(listed, resolve_aliases(_frame(activity), listed), inactive_days, grace_days, **whose)
    if price is None:
        return held
    is_valid = ~pl.col("status").is_in(["ended", "not_begun"])
    return held.with_columns(cost=pl.when(is_valid).then(pl.lit(float(price))).otherwise(0.0))


def _licences(
    listed: pl.DataFrame,
    resolved: pl.DataFrame | pl.LazyFrame,
    inactive_days: int,
    grace_days: int = _GRACE_DAYS,
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """Return the table LICENCES of a roster that was read and of rows under its e-mails."""
    last, seen = last_seen(resolved, **whose)
    today = pl.lit(last, pl.Date)
    held = _current(listed, today, read_whose(**whose)[0])
    begun, ended = pl.col("__begun"), pl.col("licensed_to")
    idle = (today - pl.col("last_active")).dt.total_days()
    words = {
        "not_begun": begun > today,
        "ended": ended < today,
        "active": idle < inactive_days,
        "new": (today - begun).dt.total_days() < grace_days,
        "never_used": pl.col("last_active").is_null(),
        "idle": pl.lit(value=True),
    }
    status = first_that_holds(words)
    team = pl.col("team").cast(pl.String) if "team" in listed.columns else pl.lit(None, pl.String)
    named = held.join(seen.drop("user"), on=_KEY, how="left").sort(_KEY)
    answered = named.select(
        "user", team.alias("team"), status.cast(tables.LICENCE_STATUS).alias("status"), "last_active"
    )
    return answered.with_columns(idle_days=idle)


def licences_over_time(
    roster: pl.DataFrame | pl.LazyFrame,
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    periods: pl.DataFrame,
    *,
    inactive_days: int = 30,
) -> pl.DataFrame:
    """How many licences were used, and how many idle or never used, at the end of each period?

    Parameters
    ----------
    roster, activity, inactive_days
        As for :func:`licences`.
    periods : DataFrame
        ``period_start`` and ``period_end``, as :func:`active_users` gives them, of periods that are over.

    Returns
    -------
    DataFrame
        The table LICENCES_OVER_TIME: ``period_start`` (Date), ``licence`` (Enum: used, unused) and ``users`` (Int64),
        of the licences that were valid on the period's last day. New ones (see :func:`licences`) are used ones.

    Raises
    ------
    TableError
        A column is missing, or the roster cannot be read.

    See Also
    --------
    licences : one day's, one by one.

    Examples
    --------
    >>> from datetime import date
    >>> roster = pl.DataFrame({"user": ["ada@x.io", "bob@x.io"]})
    >>> activity = pl.DataFrame({"user": ["ada@x.io"], "user_type": ["person"], "date": [date(2026, 3, 31)]})
    >>> months = pl.DataFrame({"period_start": [date(2026, 3, 1)], "period_end": [date(2026, 3, 31)]})
    >>> licences_over_time(roster, activity, months).select("licence", "users").rows()
    [('used', 1), ('unused', 1)]
    """
    kind = tables.LICENCES_OVER_TIME.schema["licence"]
    kinds = pl.DataFrame({"licence": ["used", "unused"]}, schema={"licence": kind})
    unused = pl.col("status").is_in(["idle", "never_used"])
    use = pl.when(unused).then(pl.lit("unused")).otherwise(pl.lit("used")).cast(kind)
    check_count("inactive_days", inactive_days)
    listed = read_roster(roster)
    resolved = resolve_aliases(_frame(activity), listed)
    counts = [tables.LICENCES_OVER_TIME.empty()]
    for start, end in periods.lazy().select("period_start", "period_end").collect().iter_rows():
        held = _licences(listed, resolved, inactive_days, as_of=end)
        valid = held.filter(~pl.col("status").is_in(["ended", "not_begun"]))
        counted = _count_people(valid.select(licence=use), kinds)
        counts.append(counted.select(pl.lit(start).alias("period_start"), pl.all()))
    return pl.concat(counts)


def adoption_stages(
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    habits: pl.DataFrame,
    *,
    roster: pl.DataFrame | pl.LazyFrame | None = None,
    inactive_days: int = 30,
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """How far have people got: a licence, a first use, recent use, a habit, power use?

    Everybody is in exactly one row, that of the furthest stage. With a roster only holders of a licence that is valid
    on the last day count; without one, everybody who was ever seen.

    Parameters
    ----------
    activity : DataFrame, LazyFrame or UserDays
        All that is known, as for :func:`licences`.
    habits : DataFrame
        Of :func:`habit_ladder`.
    roster : DataFrame or LazyFrame, optional
        As for :func:`read_roster`.
    inactive_days : int
        Active is whoever was in so many last days.
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the data (see
        :class:`.Whose`).

    Returns
    -------
    DataFrame
        The table ADOPTION_STAGES: ``status`` (Enum: licensed, ever active, active, habitual, power) and ``users``
        (Int64), who got so far and no further; a row a stage, the first only with a roster.

    Raises
    ------
    TableError
        A column is missing, or the roster cannot be read.

    See Also
    --------
    adoption_funnel : how many have reached each stage.

    Examples
    --------
    >>> from datetime import date
    >>> activity = pl.DataFrame({"user": ["ada@x.io"], "user_type": ["person"], "date": [date(2026, 3, 31)]})
    >>> habits = pl.DataFrame({"user": ["ada@x.io"], "user_type": ["person"], "tier": ["power"]})
    >>> roster = pl.DataFrame({"user": ["ada@x.io", "bob@x.io"]})
    >>> adoption_stages(activity, habits, roster=roster).rows()
    [('licensed', 1), ('ever active', 0), ('active', 0), ('habitual', 0), ('power', 1)]
    """
    user_type, _, as_of = read_whose(**whose)
    frame, listed = _frame(activity), None if roster is None else read_roster(roster)
    last, seen = last_seen(
        frame if listed is None else resolve_aliases(frame, listed), user_type=user_type, as_of=as_of
    )
    people = seen
    if listed is not None:
        valid = is_licensed(pl.lit(last, pl.Date), pl.lit(last, pl.Date))
        licensed = spells_of(listed, user_type).filter(valid)
        people = licensed.select(_KEY).unique().join(seen, on=_KEY, how="left")
    tiers = with_user_key(habits.lazy().collect()).select(_KEY, pl.col("tier").cast(pl.String))
    last_active, tier = pl.col("last_active"), pl.col("tier")
    reached = {
        "licensed": last_active.is_null(),
        "ever active": (pl.lit(last, pl.Date) - last_active).dt.total_days() >= inactive_days,
        "power": tier == "power",
        "habitual": tier == "habitual",
        "active": pl.lit(value=True),
    }
    status = first_that_holds(reached).cast(tables.REACHED)
    stages = pl.Series("status", tables.REACHED.categories, tables.REACHED)[0 if roster is not None else 1 :]
    return _count_people(people.join(tiers, on=_KEY, how="left").select(status=status), stages.to_frame())


def adoption_funnel(stages: pl.DataFrame) -> pl.DataFrame:
    """How many people have reached each stage: licensed, ever active, active, habitual, power?

    Parameters
    ----------
    stages : DataFrame
        The table ADOPTION_STAGES, from :func:`adoption_stages`; a number may be hidden (null), and then no stage up
        to it is told, as it could be worked out.

    Returns
    -------
    DataFrame
        The table ADOPTION_FUNNEL: ``status`` (Enum), ``reached_users`` (Int64), and ``reached_rate`` (Float64), the
        share of those of the first stage.

    Raises
    ------
    TableError
        A column is missing or of another dtype.

    See Also
    --------
    augment_insights.charts.adoption_funnel : its chart.

    Examples
    --------
    >>> from augment_insights import tables
    >>> stages = [("licensed", 20), ("ever active", 10), ("active", 40), ("habitual", 20), ("power", 10)]
    >>> adoption_funnel(pl.DataFrame(stages, schema=tables.ADOPTION_STAGES.schema, orient="row")).rows()
    [('licensed', 100, 1.0), ('ever active', 80, 0.8), ('active', 70, 0.7), ('habitual', 30, 0.3), ('power', 10, 0.1)]
    """
    tables.ADOPTION_STAGES.check(stages)
    hidden_below = pl.col("users").is_null().cum_sum(reverse=True) > 0
    reached = pl.when(~hidden_below).then(pl.col("users").cum_sum(reverse=True))
    return stages.select("status", reached_users=reached).with_columns(
        reached_rate=rate(pl.col("reached_users"), pl.col("reached_users").first())
    )


def population_bridge(
    roster: pl.DataFrame | pl.LazyFrame,
    activity: pl.DataFrame | pl.LazyFrame | UserDays,
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """How do the licensed, the active and all who were ever seen stand to one another?

    Everybody who is on the roster or in the activity is counted in exactly one row, so that the parts of any two
    numbers of a page add up: who has a licence on the last day of the data, whose licence has ended by then or not
    begun, and who is not on the roster; and of each who was active from ``since`` on, before it only, or never.

    Parameters
    ----------
    roster : DataFrame or LazyFrame
        As for :func:`read_roster`.
    activity : DataFrame, LazyFrame or UserDays
        All that is known, the days before the range included.
    **whose
        ``user_type``, ``since`` and ``as_of``: who counts, the first day of the range (left out, all activity is in
        it) and the last day of the data.

    Returns
    -------
    DataFrame
        The table POPULATION_BRIDGE: ``licence`` (Enum), ``seen`` (Enum) and ``users`` (Int64), a row for each pair
        but people who are neither on the roster nor seen.

    Raises
    ------
    TableError
        A column is missing, or the roster cannot be read.

    See Also
    --------
    licences : who they are.

    Examples
    --------
    >>> from datetime import date
    >>> activity = pl.DataFrame({"user": ["ada@x.io", "eve@x.io"], "user_type": ["person"] * 2,
    ...     "date": [date(2026, 3, 31), date(2026, 2, 1)]})
    >>> roster = pl.DataFrame({"user": ["ada@x.io", "bob@x.io"]})
    >>> population_bridge(roster, activity, since="2026-03-01").filter(pl.col("users") > 0).rows()
    [('licensed', 'active', 1), ('licensed', 'never seen', 1), ('not on the roster', 'seen before', 1)]
    """
    user_type, since, as_of = read_whose(**whose)
    listed = read_roster(roster)
    last, seen = last_seen(resolve_aliases(_frame(activity), listed), user_type=user_type, as_of=as_of)
    first = since or date.min
    spans = spells_of(listed, user_type).group_by(_KEY)
    valid = is_licensed(pl.lit(last, pl.Date), pl.lit(last, pl.Date)).any()
    kind = pl.when(valid).then(pl.lit("licensed")).otherwise(pl.lit("licence ended or not begun"))
    everybody = spans.agg(licence=kind).join(seen, on=_KEY, how="full", coalesce=True)
    active = pl.col("last_active")
    told = everybody.select(
        pl.col("licence").fill_null("not on the roster").cast(tables.LICENSED),
        seen=first_that_holds(
            {"active": active >= first, "seen before": active.is_not_null(), "never seen": active.is_null()}
        ).cast(tables.SEEN),
    )
    pairs = pl.DataFrame(
        [(a, b) for a in tables.LICENSED.categories for b in tables.SEEN.categories][:-1],
        schema={"licence": tables.LICENSED, "seen": tables.SEEN},
        orient="row",
    )
    return _count_people(told, pairs)


def _count_people(people: pl.DataFrame, grid: pl.DataFrame) -> pl.DataFrame:
    """Count the people of each row of a grid, by its columns: nobody is 0, and a row too."""
    counts = people.group_by(grid.columns).agg(users=pl.len().cast(pl.Int64))
    counted = grid.join(counts, on=grid.columns, how="left", maintain_order="left")
    return counted.with_columns(pl.col("users").fill_null(0))


def _resolved(days: UserDays, roster: pl.DataFrame) -> UserDays:
    """Return activity under the e-mails of the roster."""
    resolved = resolve_aliases(days.activity, roster)
    return days if resolved is days.activity else UserDays(resolved)


def _frame(activity: pl.DataFrame | pl.LazyFrame | UserDays) -> pl.DataFrame | pl.LazyFrame:
    return activity.activity if isinstance(activity, UserDays) else activity


def _current(roster: pl.DataFrame, today: pl.Expr, user_type: str) -> pl.DataFrame:
    """Return one row a user: the licence that is valid today, or else the last that ended, or else the next.

    ``__begun`` is when it began, in whatever team: a change of team makes no licence new.
    """
    kept = (name for name in roster.columns if name not in _DATES)
    start, end = pl.col("licensed_from"), pl.col("licensed_to")
    goes_on = (start <= end.shift().over(_KEY).dt.offset_by("1d")).fill_null(value=False)
    spells = spells_of(roster, user_type, keep=kept).with_columns(__run=(~goes_on).cum_sum().over(_KEY))
    rank = pl.when(is_licensed(today, today)).then(0).when(start > today).then(2).otherwise(1)
    nearest = pl.when(rank == 1).then(-end.to_physical()).otherwise(start.to_physical())
    return (
        spells.with_columns(__begun=start.first().over(_KEY, "__run"), __rank=rank)
        .sort(_KEY, "__rank", nearest, maintain_order=True)
        .unique(_KEY, keep="first", maintain_order=True)
    )


def _starts(order: OrderedDays, licensed: pl.DataFrame) -> pl.DataFrame:
    """Return for each licensed user the ``days`` followed and whether they ended in a start (``event``)."""
    undated = licensed["licensed_from"].null_count()
    if undated:
        warn_reader(f"{undated} users of the roster without licensed_from are left out: their time has no beginning.")
    seen = on_roster(order.first_days(), licensed)
    last = pl.lit(order.last, dtype=pl.Date)
    until = pl.min_horizontal("licensed_to", last)
    began = pl.col("licensed_from")
    event = (pl.col("first_day") <= until).fill_null(value=False)
    ended = pl.when(event).then(pl.max_horizontal("first_day", began)).otherwise(until)
    return (
        licensed.filter(began <= last)
        .join(seen.select("user_key", "first_day"), on="user_key", how="left")
        .select(group=pl.lit(0), days=(ended - began).dt.total_days(), event=event)
    )


def _licensed_counts(
    rows: pl.DataFrame, roster: pl.DataFrame, periods: pl.DataFrame, *, groups: list[str], user_type: str
) -> pl.DataFrame:
    """Count licensed users, and the active ones of them, in each period and group."""
    licences = spells_of(roster, user_type, keep=groups)
    seen = rows.select("period_start", "user", "user_type").unique()
    seen = seen.select("period_start", user_key(), is_active=pl.lit(value=True)).unique()
    licensed = periods.join(licences, how="cross").filter(is_licensed(pl.col("period_start"), pl.col("period_end")))
    licensed = licensed.unique(["period_start", _KEY], keep="last", maintain_order=True)  # of two teams the later one
    strangers = seen.join(licences, on=_KEY, how="anti")[_KEY].n_unique()
    uncovered = seen.join(licensed, on=["period_start", _KEY], how="anti")[_KEY].n_unique() - strangers
    left_out = ((strangers, "not on the roster"), (uncovered, "active in a period without a licence"))
    if strangers or uncovered:
        said = "; ".join(f"{plural(number, 'active user')} {why}" for number, why in left_out if number)
        warn_reader(f"Not counted: {said}. Hint: unmatched lists them.")
    counted = (
        licensed.join(seen, on=["period_start", _KEY], how="left")
        .group_by("period_start", *groups)
        .agg(active_users=pl.col("is_active").count(), licensed_users=pl.len())
    )
    grid = periods.join(licences.select(groups).unique(), how="cross") if groups else periods
    return grid.join(counted, on=["period_start", *groups], how="left", nulls_equal=True).with_columns(
        pl.col("active_users", "licensed_users").fill_null(0)
    )


def _seats(licences: object) -> int:
    """Return a number of seats, or say what licences are. None at all (0) is a number: there is no rate then.

    An error of another library's frame does not repeat its contents: they are names.
    """
    if isinstance(licences, int) and not isinstance(licences, bool) and licences >= 0:
        return licences
    if not isinstance(licences, (int, float, str, PathLike)):
        columns_of(licences)  # it is none, and the error says what it is
    raise ValueError(
        f"licences={licences!r} is not a number of seats. Hint: pass an integer >= 0, "
        "or a roster, such as read_roster(path)."
    )
