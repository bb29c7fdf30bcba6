"""The active days of users: put in order of user and day once, and asked as often as there are questions.

Rows come together by a hash of the name as it is written, as one list of days a spelling. Only the
distinct spellings are then folded to users, so what a name costs is one hash a row. All of it is
plain Polars: a LazyFrame that is larger than memory goes through its streaming engine, and what
stays in memory are a few bytes a user-day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final

import polars as pl

from augment_insights.analysis.population import (
    ACTIVITY,
    IN_MEMORY,
    active_rows,
    as_columns,
    check_fits,
    check_span,
    data_span,
    hashed,
    is_complete,
    known_days,
    period_end,
    period_start,
    read_whose,
    row_days,
    select_users,
)
from augment_insights.errors import TableError
from augment_insights.periods import check_count
from augment_insights.tables import columns_of, require, user_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from typing import Unpack

    from augment_insights.analysis.population import Whose
    from augment_insights.periods import DayRange, Every
    from augment_insights.tables import Table

STREAMING: Final = "streaming"
"""The engine for what may be larger than memory, and for counting many rows into few: it needs no copy of them."""

_BY = "__by_"
"""Before the names of columns grouped by, which may be any."""


class UserDays:
    """A table of activity that has been looked over, and is put in order once for many questions.

    Made by :func:`prepare`. Every function of activity over time takes it in place of the frame.

    Attributes
    ----------
    activity : DataFrame or LazyFrame
        The frame as it was given; do not change it in place after this.
    span : DayRange or None
        Its first and last day, whoever was active; None when it has no rows.
    is_daily : bool
        Whether each row is one day (and not a week or another period).
    """

    def __init__(self, activity: pl.DataFrame | pl.LazyFrame) -> None:
        require(columns_of(activity), ("user", "user_type"), table=ACTIVITY)
        self.activity = activity
        self.span: DayRange | None = data_span(activity)
        start, end = row_days(activity)
        self.is_daily: bool = (
            "date" in columns_of(activity) or activity.lazy().select((start == end).all()).collect().item()
        )
        self._orders: dict[tuple[object, ...], OrderedDays] = {}

    def __repr__(self) -> str:
        days = "no days" if self.span is None else str(self.span)
        return f"UserDays({days})"

    def ordered(
        self,
        table: Table,
        *,
        by: str | Sequence[str] | None = None,
        needs_days: bool = False,
        lookback: int | None = None,
        **whose: Unpack[Whose],
    ) -> OrderedDays:
        """Return the days of the users asked for in order, from the last time if that is known.

        ``table`` is the one that the question is answered with; ``needs_days`` refuses rows of weeks or months
        after the look-back. A longer row across the end of the look-back counts on both sides of it.
        """
        columns = as_columns(by, self.activity, reserved=table.columns)
        user_type, *_ = read_whose(**whose)
        first, last = known_days(self.span, **whose)
        border = None
        if first is not None and not self.is_daily and (needs_days or lookback):
            shown_from = first + timedelta(days=check_count("lookback", lookback or 0, at_least=0))
            start, end = row_days(self.activity)
            is_shown = (start >= first) & (end >= shown_from)
            is_long, is_across = is_shown & (start < end), is_shown & (start < shown_from)
            has_long, has_across = (
                self.activity.lazy().select(long=is_long.any(), across=is_across.any()).collect().row(0)
            )
            border = shown_from if has_across else None
            if needs_days and has_long:
                raise TableError(
                    f"{table.name} needs one row a user and day, and this frame has rows that span several days.",
                    table=ACTIVITY,
                    hint="fetch days: fetch.dau(start_date=..., end_date=...), "
                    "or fetch.user_activity(..., every='1d').",
                )
        key = (user_type, first, last, border, *columns)
        if key not in self._orders:
            self._orders[key] = _order(self, user_type=user_type, first=first, last=last, border=border, by=columns)
        return self._orders[key]


def prepare(activity: pl.DataFrame | pl.LazyFrame | UserDays) -> UserDays:
    """Ask several questions of one table: which days was each user active, and after what gap?

    Retention, lifecycle and trailing windows all read the same order of users and days. Prepared
    once, the three together cost little more than one of them.

    Parameters
    ----------
    activity : DataFrame or LazyFrame
        ``user``, ``user_type``, and ``date`` or ``period_start`` with ``period_end``. The frame
        is not copied: leave it as it is while the answer is in use. A LazyFrame is read by Polars'
        streaming engine, once for each choice of users and groups, the columns that are needed
        only: in memory are about twenty bytes a user-day, however wide its rows are.

    Returns
    -------
    UserDays
        To be given to the functions in place of ``activity``; each keeps its own ``user_type``,
        ``as_of`` and ``by``, and what was ordered for one serves the next.

    Raises
    ------
    TableError
        A column is missing or of another dtype.

    See Also
    --------
    active_users, rolling_active_users, lifecycle, cohort_retention

    Examples
    --------
    >>> from datetime import date
    >>> from augment_insights import analysis
    >>> activity = pl.DataFrame(
    ...     {"date": [date(2026, 1, 5), date(2026, 1, 6)], "user": ["ada@x.io"] * 2, "user_type": ["person"] * 2}
    ... )
    >>> days = analysis.prepare(activity)
    >>> days
    UserDays(2026-01-05 to 2026-01-06)
    >>> analysis.active_users(days)["active_users"].to_list()
    [1, 1]
    """
    return activity if isinstance(activity, UserDays) else UserDays(activity)


@dataclass(eq=False)
class OrderedDays:
    """The active days of some users in order of user and day.

    Attributes
    ----------
    activity : DataFrame or LazyFrame
        The frame they come from. (Not the UserDays: the two would hold each other, and memory.)
    is_daily : bool
        Whether each of its rows is one day.
    groups : DataFrame
        One row a group in order: its number ``group``, and the columns grouped by as ``__by_...``. Without
        any, everybody is in group 0. A user is followed in each group apart.
    users : DataFrame
        One row a user of a group: ``group``, ``user`` (one of the spellings) and ``user_type``,
        ``first`` and ``last`` (the user's first and last active day, in days since the frame's first).
    days : DataFrame
        One row a user and active day: ``user`` (row number in ``users``), ``day`` (days since the
        frame's first) and ``gap`` (days since the user's last active day; null on the first).
        Users stand together and their days in order.
    first, last : date or None
        The first and the last day of the data.
    """

    activity: pl.DataFrame | pl.LazyFrame
    is_daily: bool
    groups: pl.DataFrame
    users: pl.DataFrame
    days: pl.DataFrame
    first: date | None
    last: date | None

    def first_days(self) -> pl.DataFrame:
        """Return ``user_key`` and ``first_day`` (Date) of each user, for questions that need the names."""
        first_day = pl.lit(self.first, dtype=pl.Date) + pl.duration(days="first")
        return self.users.select(user_key(), first_day=first_day.cast(pl.Date)).sort("user_key")

    @cached_property
    def gaps(self) -> pl.DataFrame:
        """How many users were active on a ``day`` after what ``gap``: ``group, day, gap, users``.

        A table of at most groups x days x gaps, whatever the number of users.
        """
        return self.count(self.days.lazy(), "day", "gap")

    def count(self, rows: pl.LazyFrame, *keys: str) -> pl.DataFrame:
        """Count rows, each of one user, by the user's group and some columns."""
        group = pl.lit(self.users["group"]).gather("user")
        counted = rows.group_by(*keys, group=group).agg(users=pl.len().cast(pl.Int64))
        return counted.collect(engine=STREAMING)

    def calendar(self, every: Every = "1d", lookback: int | None = None) -> pl.DataFrame:
        """Return one row a day of the data and the period that it counts in; refuse rows too coarse for the period.

        Returns
        -------
        DataFrame
            ``day`` (days since the first), ``date``, ``label`` (number of the period: 0 is the
            first that is shown, below 0 are the look-back's), ``period_start``, ``period_end`` and
            ``is_complete`` (of the whole calendar period), ``since`` (days since the first day with the label).

        Notes
        -----
        A look-back may end within a period. Its days then count to the period before, and the
        period is shown from there on, as it would be if the data began there: it is not complete.
        """
        border = 0 if lookback is None else check_count("lookback", lookback, at_least=0)
        self._check_fits(every, border)
        dates = pl.Series(dtype=pl.Date)
        if self.first is not None and self.last is not None and self.last >= self.first:
            dates = pl.date_range(self.first, self.last, "1d", eager=True)
        start, is_shown = pl.col("period_start"), pl.col("day") >= border
        number = start.rle_id().cast(pl.Int32)
        before = start.filter(is_shown).min().dt.offset_by(f"-{every}")
        first_shown = pl.when(is_shown).then(pl.col("date").filter(is_shown).min()).otherwise(start)
        return (
            pl.LazyFrame({"date": dates})
            .with_columns(day=pl.int_range(pl.len(), dtype=pl.Int32), period_start=period_start(pl.col("date"), every))
            .with_columns(pl.when(is_shown).then(start).otherwise(pl.min_horizontal(start, before)))
            .with_columns(
                label=number - number.filter(~is_shown).n_unique().cast(pl.Int32),
                period_end=period_end(start, every),
                is_complete=is_complete(start, every, first=first_shown, last=self.last),
                since=(pl.col("day") - pl.col("day").min().over("period_start")).cast(pl.Int16),
            )
            .collect(engine=IN_MEMORY)
        )

    def _check_fits(self, every: Every, border: int) -> None:
        """Refuse rows that span a border of the periods asked for, unless they end before the day of that number."""
        if self.is_daily or self.first is None:
            return
        start, end = row_days(self.activity)
        is_shown = end.is_between(pl.lit(self.first).dt.offset_by(f"{border}d"), pl.lit(self.last, dtype=pl.Date))
        check_fits(self.activity.lazy().filter(is_shown, start >= pl.lit(self.first)), every, table=ACTIVITY)

    def grid(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Repeat rows for each group, so that a group without activity is a zero and not a gap."""
        return self.groups.select("group").join(rows, how="cross")

    def as_table(self, frame: pl.DataFrame, table: Table, *, before: str) -> pl.DataFrame:
        """Return the columns of a table in order, the groups just before the first count, rows sorted."""
        rows = frame.sort(*table.key, "group")
        groups = self.groups.drop("group")[rows["group"]]
        return table.of(rows, [column.alias(column.name.removeprefix(_BY)) for column in groups], before=before)


def periods_of(calendar: pl.DataFrame, first_label: int = 0) -> pl.DataFrame:
    """Return the periods of a calendar from that of a label on: ``label, period_start, period_end, is_complete``."""
    shown = calendar.filter(pl.col("label") >= first_label).unique("label", keep="last", maintain_order=True)
    return shown.select("label", "period_start", "period_end", "is_complete")


def first_of_periods(days: pl.LazyFrame, calendar: pl.DataFrame) -> pl.LazyFrame:
    """Keep each user's first active day of each period.

    Parameters
    ----------
    days : LazyFrame
        ``day`` and ``gap``, of users one by one or counted (``OrderedDays.days`` or ``gaps``).
    calendar : DataFrame
        As :meth:`OrderedDays.calendar` returns it.

    Returns
    -------
    LazyFrame
        The rows kept, with ``label`` (the period's number) and ``before`` (the number of the last
        period before with activity; null for a new user).
    """
    day, gap, label = pl.col("day"), pl.col("gap"), pl.lit(calendar["label"])
    is_first = gap.is_null() | (gap > pl.lit(calendar["since"]).gather(day))
    return days.filter(is_first).with_columns(label=label.gather(day), before=label.gather(day - gap))


def _order(
    source: UserDays, *, user_type: str, first: date | None, last: date | None, border: date | None, by: list[str]
) -> OrderedDays:
    """Put each user's days in order and find the gap before each; a row across the border counts the day before too."""
    check_span(source.span, first, last)
    activity = source.activity
    start, end = row_days(activity)
    rows = select_users(active_rows(activity), user_type)
    if source.span is not None and source.span.start != first:
        rows = rows.filter(start >= pl.lit(first, dtype=pl.Date))
    if source.span is not None and source.span.end != last:
        rows = rows.filter(end <= pl.lit(last, dtype=pl.Date))
    groups = {f"{_BY}{column}": pl.col(column) for column in by}

    def at(day: pl.Expr) -> pl.Expr:
        return (day.to_physical() - pl.lit(first, dtype=pl.Date).to_physical()).cast(pl.Int16)

    seen = rows.select("user", "user_type", **groups, days=at(end))
    if border is not None:
        across = rows.filter(start < border, end >= border)
        before = at(pl.lit(border - timedelta(days=1)))
        seen = pl.concat([seen, across.select("user", "user_type", **groups, days=before)])
    lists = _days_of_users(
        seen,
        [*groups, *(["user_type"] if user_type == "all" else [])],
        is_in_memory=isinstance(activity, pl.DataFrame),
        is_in_order=border is None
        and isinstance(activity, pl.DataFrame)
        and activity[end.meta.output_name()].is_sorted(),
    )
    numbered = pl.DataFrame({"group": [0]}, schema={"group": pl.UInt32})
    group = pl.lit(0, dtype=pl.UInt32)
    if groups:
        numbered = lists.select(*groups).unique().sort(*groups, nulls_last=True).with_row_index("group")
        lists = lists.join(numbered, on=[*groups], how="left", nulls_equal=True, maintain_order="left")
        group = pl.col("group")
    of_user = pl.col("days").list
    users = lists.select("user", "user_type", group=group, first=of_user.first(), last=of_user.last())
    exploded = lists.select(day="days").with_row_index("user").explode("day")
    gap = pl.when(pl.col("user") == pl.col("user").shift()).then(pl.col("day").diff())
    days = exploded.with_columns(gap=gap).filter(pl.col("gap").ne_missing(0))  # a day that comes twice counts once
    return OrderedDays(activity, source.is_daily, numbered, users, days, first, last)


def _days_of_users(rows: pl.LazyFrame, apart: list[str], *, is_in_memory: bool, is_in_order: bool) -> pl.DataFrame:
    """Return one row a user: ``user`` (one of the spellings), its other facts, and its ``days`` as a list in order.

    Rows that differ in one of the columns of ``apart`` are apart. Grouped by ``user``, a user's group
    is named by the first of the spellings in the alphabet.

    The hash of a name is read once and never compared. Its 64 bits are the same for two of a hundred
    thousand names with a chance of 3e-10, and for two of a million with 3e-8.
    """
    name = pl.col("user") if rows.collect_schema()["user"].is_integer() else pl.col("user").cast(pl.String)
    keyed = rows.with_columns(key=name.hash() + hashed(apart) if apart else name.hash())
    facts = pl.exclude("key", "days").first()
    if is_in_memory:
        days = pl.col("days") if is_in_order else pl.col("days").sort()
        spelled = keyed.group_by("key").agg(facts, days).collect(engine=IN_MEMORY)
    else:  # Two queries, of which the one that holds every row holds no names.
        names = keyed.group_by("key").agg(facts).collect(engine=STREAMING)
        lists = keyed.select("key", "days").group_by("key").agg(pl.col("days").sort()).collect(engine=STREAMING)
        spelled = names.join(lists, on="key")
    if f"{_BY}user" in apart:
        spelled = spelled.with_columns(pl.col(f"{_BY}user").min().over(user_key()))
    users = spelled.with_columns(key=hashed([user_key(), *apart]))
    if users["key"].n_unique() < users.height:
        facts = pl.exclude("key", "user", "days").first()
        users = users.group_by("key").agg(pl.col("user").min(), facts, pl.col("days").explode().sort())
    return users
