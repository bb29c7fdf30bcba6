"""Rows of activity put in order of user and day: in one piece, or in parts where they are larger than memory.

Either way rows come together by a hash of the name, as one list of days a user, and a user's gap is
the difference of two days of the list. In parts the gap before a user's first day comes from what is
carried from part to part: the day on which each user was last active. So what stays in memory is one
part and a few numbers a user, whatever the number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from augment_insights.analysis.population import (
    ACTIVITY,
    IN_MEMORY,
    active_rows,
    as_columns,
    check_user_type,
    data_span,
    engine_for,
    hashed,
    is_complete,
    period_end,
    period_start,
    row_days,
    select_users,
)
from augment_insights.errors import TableError
from augment_insights.periods import check_every, parse_day
from augment_insights.tables import columns_of, folded_user, require, user_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from polars._typing import EngineType

    from augment_insights.analysis.population import Span
    from augment_insights.periods import Every
    from augment_insights.tables import Table

DAY_SPAN = 1 << 15
"""Days are numbers below this from the frame's first day on: 16 bits each, and two and a group in one integer."""

_EPOCH = date(1970, 1, 1).toordinal()


def user_lists(rows: pl.DataFrame, *, day: str, by: list[str], first: date | None, mixed: bool) -> pl.DataFrame:
    """Return each user's days as one list.

    Parameters
    ----------
    rows : DataFrame
        ``user``, ``user_type``, the column of days and the columns of groups, of the users asked for.
    day : str
        The column of days.
    by : list of str
        The columns of groups; a user is followed in each group apart.
    first : date or None
        The day that has the number 0; None when there are no rows.
    mixed : bool
        Whether people and automation are both asked for, who may share a name.

    Returns
    -------
    DataFrame
        One row a user of a group: ``user`` (one of the spellings), ``user_type``, the columns of
        groups as ``__by_...``, ``days`` (numbers, in order; a day may stand there twice), and ``key``
        (64 bits that tell the user and the group). Grouped by ``user``, a user's group is named by
        the first of the spellings in the alphabet.
    """
    groups = [f"__by_{column}" for column in by]
    name = pl.col("user") if rows.schema["user"].is_integer() else folded_user()
    names = _days_of_names(rows, day=day, by=by, first=first, mixed=mixed)
    keyed = names.with_columns(key=hashed([name, "user_type"]))
    if "user" in by:
        keyed = keyed.with_columns(pl.col("__by_user").min().over("key"))
    keyed = keyed.with_columns(key=hashed(["key", *groups])) if by else keyed
    if keyed["key"].n_unique() < keyed.height:
        facts = [pl.col("user").min(), pl.col("user_type", *groups).first()]
        keyed = keyed.group_by("key").agg(*facts, pl.col("days").explode().sort())
    return keyed


def _days_of_names(rows: pl.DataFrame, *, day: str, by: list[str], first: date | None, mixed: bool) -> pl.DataFrame:
    """Return one row a spelling of a name in a group, as :func:`user_lists` does a user.

    The hash of a name is read once and never compared. Its 64 bits are the same for two of a hundred
    thousand names with a chance of 3e-10, and for two of a million with 3e-8: a second look at every
    row would cost more than it could ever find.
    """
    name = pl.col("user") if rows.schema["user"].is_integer() else pl.col("user").cast(pl.String)
    groups = [f"__by_{column}" for column in by]
    kind = ["user_type"] if mixed else []
    is_in_order = rows[day].is_sorted()
    return (
        rows.lazy()
        .select(
            "user",
            "user_type",
            *(pl.col(column).alias(group) for column, group in zip(by, groups, strict=True)),
            days=_day_number(pl.col(day), first),
            hash=name.hash(),
        )
        .group_by("hash", *groups, *kind)
        .agg(
            pl.col("days") if is_in_order else pl.col("days").sort(),
            *(pl.col(fact).first() for fact in ("user", "user_type") if fact not in kind),
        )
        .drop("hash")
        .collect(engine=IN_MEMORY)
    )


def _day_number(day: pl.Expr, first: date | None) -> pl.Expr:
    """Return days since the first in 16 bits.

    Both dates may lie further from 1970 than 16 bits reach. Their difference does not, and is the
    same modulo 2**16: so each is cut to 16 bits before, and no wider column is made on the way.
    """
    epoch = 0 if first is None else first.toordinal() - _EPOCH
    start = pl.lit(epoch, dtype=pl.Int32).cast(pl.Int16, wrap_numerical=True)
    return day.to_physical().cast(pl.Int16, wrap_numerical=True) - start


def gaps(users: pl.Series, days: pl.Series, before: pl.Series) -> pl.DataFrame:
    """Return ``user, day, gap``: each user's days in order, and the days since the one before.

    Parameters
    ----------
    users, days : Series
        A number a user, and the list of the user's days in order; a day that comes twice counts once.
    before : Series
        The day on which each user was last active before; null if never, and so is the gap then.
    """
    rows = pl.DataFrame({"user": users, "day": days}).explode("day")
    size = days.list.len()
    firsts = size.cum_sum() - size
    gap = rows["day"].diff().scatter(firsts, days.list.first() - before)
    return rows.with_columns(gap=gap).filter(pl.col("gap").ne_missing(0))


class DayParts:
    """The active days of some users in parts, oldest first; to be gone through as often as there are questions.

    Making it reads all rows once, for the users. Users are told apart by 64 bits of a hash, and
    their names kept once.

    Parameters
    ----------
    rows : LazyFrame
        As for :func:`user_lists`, and so are ``day``, ``by``, ``first`` and ``mixed``.
    rows_at_once : int
        About how many rows a part has; a day is not cut.

    Attributes
    ----------
    users : DataFrame
        One row a user of a group: ``user`` (one of the spellings), ``user_type``, the columns of groups
        as ``__by_...``, and the user's ``first`` and ``last`` active day as numbers.
    """

    def __init__(
        self, rows: pl.LazyFrame, *, day: str, by: list[str], first: date, mixed: bool, rows_at_once: int
    ) -> None:
        self._rows = rows
        self._day = day
        self._by = by
        self._first = first
        self._mixed = mixed
        self._bounds = _bounds(rows, pl.col(day), rows_at_once)
        self._numbers = _Numbers()
        self.users = self._find_users()

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Yield parts: ``user`` (row number in ``users``), ``day`` and ``gap``, by user and day."""
        last = pl.repeat(None, self.users.height, dtype=pl.Int16, eager=True)
        for part in self._read():
            lists = part.select("key", "days").sort("key")
            users, days = self._numbers.find(lists["key"]), lists["days"]
            yield gaps(users, days, last.gather(users))
            last = last.scatter(users, days.list.last())

    def _read(self) -> Iterator[pl.DataFrame]:
        """Yield the lists of each part's users."""
        for start, end in self._bounds:
            rows = self._rows.filter(pl.col(self._day).is_between(start, end)).collect()
            yield user_lists(rows, day=self._day, by=self._by, first=self._first, mixed=self._mixed)

    def _find_users(self) -> pl.DataFrame:
        """Give the users their numbers, and note the first and last day of each."""
        facts = ["user", "user_type", *(f"__by_{column}" for column in self._by)]
        days = pl.col("days").list
        users = []
        first, last = pl.Series(dtype=pl.Int16), pl.Series(dtype=pl.Int16)
        for part in self._read():
            found = part.select("key", *facts, first=days.first(), last=days.last()).sort("key")
            new = found.filter(self._numbers.find(found["key"]).is_null())
            users.append(new.select(facts))
            self._numbers.add(new["key"])
            first = first.append(new["first"])
            last = last.extend_constant(None, new.height).scatter(self._numbers.find(found["key"]), found["last"])
        return pl.concat(users, rechunk=True).with_columns(first=first, last=last)


class _Numbers:
    """Numbers by key, in order of the keys: a search then costs as much as a join, and no memory for a table."""

    def __init__(self) -> None:
        self._known = pl.DataFrame(schema={"key": pl.UInt64, "number": pl.UInt32})

    def find(self, keys: pl.Series) -> pl.Series:
        """Return the number of each key, null where it is not known; quickest for keys in order."""
        if self._known.is_empty():
            return pl.repeat(None, len(keys), dtype=pl.UInt32, eager=True)
        known = self._known["key"]
        place = known.search_sorted(keys).clip(0, len(known) - 1)
        return self._known["number"].gather(place).set(known.gather(place) != keys, None)

    def add(self, keys: pl.Series) -> None:
        """Give keys that are not known yet their numbers, from the first one that is free."""
        if len(keys):
            free = self._known.height
            numbers = pl.int_range(free, free + len(keys), dtype=pl.UInt32, eager=True)
            self._known = pl.concat([self._known, pl.DataFrame({"key": keys, "number": numbers})]).sort("key")


def _bounds(rows: pl.LazyFrame, day: pl.Expr, rows_at_once: int) -> list[tuple[date, date]]:
    """Return the first and last day of each part, oldest first."""
    counted = rows.group_by(day.alias("day")).agg(rows=pl.len()).sort("day").collect()
    through = pl.col("rows").cum_sum()
    # A part begins with the day on which the rows so far would reach a further multiple.
    part = (through - 1) // rows_at_once
    return list(
        counted.group_by(part.alias("part"))
        .agg(start=pl.col("day").min(), end=pl.col("day").max())
        .sort("part")
        .select("start", "end")
        .iter_rows()
    )


SLICE_ROWS = 1 << 18
"""So many days are looked at together: their columns, of 2 to 4 bytes, fit in a processor's cache."""

FEW_SLICES = 16
"""More slices than this are streamed, which takes longer to begin, and no new memory for each."""

ROWS_AT_ONCE = 1 << 20
"""A LazyFrame of more rows than this is read in parts."""


class UserDays:
    """A table of activity that has been looked over, and is put in order once for many questions.

    Made by :func:`prepare`. Every function of activity over time takes it in place of the frame.

    Attributes
    ----------
    activity : DataFrame or LazyFrame
        The frame as it was given; do not change it in place after this.
    span : Span or None
        Its first and last day, whoever was active; None when it has no rows.
    is_daily : bool
        Whether each row is one day (and not a week or another period).
    """

    def __init__(self, activity: pl.DataFrame | pl.LazyFrame, *, rows_at_once: int = ROWS_AT_ONCE) -> None:
        require(columns_of(activity), ("user", "user_type"), table=ACTIVITY)
        self.activity = activity
        self.rows_at_once = check_days("rows_at_once", rows_at_once)
        self.span: Span | None = data_span(activity)
        start, end = row_days(activity)
        self.is_daily: bool = (
            "date" in columns_of(activity) or activity.lazy().select((start == end).all()).collect().item()
        )
        self._orders: dict[tuple[object, ...], OrderedDays] = {}

    def __repr__(self) -> str:
        days = "no days" if self.span is None else f"{self.span.first} to {self.span.last}"
        return f"UserDays({days})"

    def last_day(self, as_of: date | str | None) -> date | None:
        """Return the last day of the data: ``as_of``, or else the frame's last day."""
        if as_of is not None:
            return parse_day(as_of, name="as_of")
        return None if self.span is None else self.span.last

    def require_daily(self, question: str) -> None:
        """Refuse rows of weeks or months where single days are asked for."""
        if not self.is_daily:
            raise TableError(
                f"{question} needs one row a user and day, and this frame has rows that span several days.",
                table=ACTIVITY,
                hint="fetch days: fetch.dau(start_date=..., end_date=...), or fetch.user_activity(..., every='1d').",
            )

    def ordered(
        self, *, user_type: str, as_of: date | str | None, by: str | Sequence[str] | None = None, table: Table
    ) -> OrderedDays:
        """Return the days of the users asked for in order, from the last time if that is known."""
        check_user_type(user_type)
        columns = as_columns(by, self.activity, reserved=table.columns)
        last = self.last_day(as_of)
        key = (user_type, last, *columns)
        if key not in self._orders:
            self._orders[key] = _order(self, user_type=user_type, last=last, by=columns)
        return self._orders[key]


def prepare(activity: pl.DataFrame | pl.LazyFrame | UserDays, *, rows_at_once: int = ROWS_AT_ONCE) -> UserDays:
    """Ask several questions of one table: which days was each user active, and after what gap?

    Retention, lifecycle and trailing windows all read the same order of users and days. Prepared
    once, the three together cost little more than one of them.

    Parameters
    ----------
    activity : DataFrame or LazyFrame
        ``user``, ``user_type``, and ``date`` or ``period_start`` with ``period_end``. The frame
        is not copied: leave it as it is while the answer is in use. A LazyFrame is collected
        once for each choice of users and groups, the columns that are needed only; a large one is
        read in parts instead.
    rows_at_once : int
        A LazyFrame of more rows is read some days at a time, about so many rows, again for each
        question. Active users, trailing windows, stickiness, lifecycles and first cohorts then
        take memory for a part and the users, whatever the number of rows; other questions take a
        few bytes a row.

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
    return activity if isinstance(activity, UserDays) else UserDays(activity, rows_at_once=rows_at_once)


@dataclass(eq=False)
class OrderedDays:
    """The active days of some users in order of group, user and day.

    Attributes
    ----------
    activity : DataFrame or LazyFrame
        The frame they come from. (Not the UserDays: the two would hold each other, and memory.)
    is_daily : bool
        Whether each of its rows is one day.
    by : list of str
        The columns that make the groups; a user is followed in each group apart.
    groups : DataFrame
        The ``by`` columns, one row a group in order; a group's number is its row. Without ``by``
        it has no columns, and everybody is in group 0.
    users : DataFrame
        One row a user of a group: ``group``, ``user`` (one of the spellings) and ``user_type``,
        ``first`` and ``last`` (the user's first and last active day, in days since the frame's first).
    parts : iterable of DataFrame
        One row a user and active day: ``user`` (row number in ``users``), ``day`` (days since the
        frame's first) and ``gap`` (days since the user's last active day; null on the first).
        In a part users stand together and their days in order; parts are in order of days. What
        is in memory is a single part.
    first, last : date or None
        The frame's first day, and the last day of the data.
    """

    activity: pl.DataFrame | pl.LazyFrame
    is_daily: bool
    by: list[str]
    groups: pl.DataFrame
    users: pl.DataFrame
    parts: Iterable[pl.DataFrame]
    first: date | None
    last: date | None
    _calendars: dict[tuple[Every, int | None], pl.DataFrame] = field(init=False, default_factory=dict)

    @cached_property
    def days(self) -> pl.DataFrame:
        """All parts as one: users stand together and their days in order."""
        parts = list(self.parts)
        return parts[0] if len(parts) == 1 else pl.concat(parts).sort("user", "day")

    def of_user(self, fact: str) -> pl.Expr:
        """Return a fact of each day's user: a column of ``users``, by number."""
        return pl.lit(self.users[fact]).gather(pl.col("user"))

    def first_days(self) -> pl.DataFrame:
        """Return ``user_key`` and ``first_day`` (Date) of each user, for questions that need the names."""
        first_day = pl.lit(self.first, dtype=pl.Date) + pl.duration(days="first")
        return self.users.select(user_key(), first_day=first_day.cast(pl.Date)).sort("user_key")

    @cached_property
    def gaps(self) -> pl.DataFrame:
        """How many users were active on a ``day`` after what ``gap``: ``group, day, gap, users``.

        A table of at most groups x days x gaps, whatever the number of users.
        """
        first = 0  # no other gap is: a day comes once
        known = self.count_days(lambda days: days.with_columns(pl.col("gap").fill_null(first)), "day", "gap")
        return known.with_columns(pl.when(pl.col("gap") != first).then("gap"))

    def count_days(self, rows: Callable[[pl.LazyFrame], pl.LazyFrame], left: str, right: str) -> pl.DataFrame:
        """Count rows as :meth:`count`, made of ``days`` part by part: each of one row of them alone."""
        counted = []
        for part in self.parts:
            engine: EngineType = IN_MEMORY if part.height <= FEW_SLICES * SLICE_ROWS else "streaming"
            counted.append(self.count(_in_slices(part, rows), left, right, engine=engine))
        if len(counted) == 1:
            return counted[0]
        keys = ["group", left, right]
        return pl.concat(counted).group_by(keys).agg(pl.col("users").sum()).sort(keys)

    def count(self, rows: pl.LazyFrame, left: str, right: str, *, engine: EngineType = IN_MEMORY) -> pl.DataFrame:
        """Count rows by their user's group and two columns of days or periods; rows with a null are left out.

        Counting one packed integer is several times cheaper than grouping by three columns.
        """
        packed = pl.col(left).cast(pl.Int32) * DAY_SPAN + pl.col(right).cast(pl.Int32)
        if self.by:
            packed = packed.cast(pl.Int64) + self.of_user("group").cast(pl.Int64) * (DAY_SPAN * DAY_SPAN)
        counted = pl.col("packed").cast(pl.Int64)
        return (
            rows.select(packed=packed)
            .group_by("packed")
            .agg(users=pl.len().cast(pl.Int64))
            .drop_nulls("packed")
            .sort("packed")
            .select(
                group=(counted // (DAY_SPAN * DAY_SPAN)).cast(pl.UInt32),
                **{left: (counted // DAY_SPAN % DAY_SPAN).cast(pl.Int32)},
                **{right: (counted % DAY_SPAN).cast(pl.Int32)},
                users="users",
            )
            .collect(engine=engine)
        )

    def calendar(self, every: Every = "1d", lookback: int | None = None) -> pl.DataFrame:
        """Return one row a day of the data, and the period it counts in.

        Returns
        -------
        DataFrame
            ``day`` (days since the first), ``date``, ``label`` (number of the period: 0 is the
            first that is shown, below 0 are the look-back's), ``period_start`` (the whole
            calendar period's) and ``since`` (days since the first day with the label).

        Notes
        -----
        A look-back may end within a period. Its days then count to the period before, and the
        period is shown from there on, as it would be if the data began there.
        """
        if (every, lookback) not in self._calendars:
            self._calendars[every, lookback] = self._calendar(every, _check_lookback(lookback))
        return self._calendars[every, lookback]

    def _calendar(self, every: Every, border: int) -> pl.DataFrame:
        """Make a calendar whose look-back ends before the day numbered ``border``."""
        check_every(every)
        if self.first is None or self.last is None or self.last < self.first:
            days = pl.LazyFrame(schema={"date": pl.Date})
        else:
            days = pl.LazyFrame().select(date=pl.date_range(self.first, self.last, "1d"))
        day, start, number = pl.col("day"), pl.col("period_start"), pl.col("period_start").rle_id().cast(pl.Int32)
        shown = day >= border
        before = start.filter(shown).min().dt.offset_by(f"-{every}")
        return (
            days.with_row_index("day")
            .select(day.cast(pl.Int32), "date", period_start=period_start(pl.col("date"), every))
            .with_columns(pl.when(shown).then(start).otherwise(pl.min_horizontal(start, before)))
            .select(
                "day",
                "date",
                (number - number.filter(~shown).n_unique().cast(pl.Int32)).alias("label"),
                "period_start",
                (day - day.min().over("period_start")).cast(pl.Int16).alias("since"),
            )
            .collect(engine=IN_MEMORY)
        )

    def periods(self, every: Every, lookback: int | None = None, *, first_label: int = 0) -> pl.DataFrame:
        """Return the periods that are shown, or from another on: ``label, period_start, period_end, is_complete``."""
        start, label = pl.col("period_start"), pl.col("label")
        end, is_over = period_end(start, every), is_complete(start, every, self.last)
        return (
            self.calendar(every, lookback)
            .lazy()
            .filter(label >= first_label, label.ne_missing(label.shift()))
            .select("label", "period_start", period_end=end, is_complete=is_over)
            .collect(engine=IN_MEMORY)
        )

    def check_fits(self, every: Every, lookback: int | None = None) -> None:
        """Refuse rows that span a border of the periods asked for, unless they only look back."""
        if self.is_daily or self.first is None:
            return
        start, end = row_days(self.activity)
        astray = (
            self.activity.lazy()
            .filter(
                period_start(start, every) != period_start(end, every),
                end >= pl.lit(self.first).dt.offset_by(f"{_check_lookback(lookback)}d"),
                end <= pl.lit(self.last, dtype=pl.Date),
            )
            .select(start=start, end=end)
            .sort("start", "end")
            .head(1)
            .collect()
        )
        if astray.height:
            from_day, to_day = astray.row(0)
            raise TableError(
                f"every={every!r} cannot be answered from a row that spans {from_day} to {to_day}: "
                f"nobody knows on which side of a border the activity was.",
                table=ACTIVITY,
                hint=f"fetch finer rows: fetch.user_activity(..., every={every!r}), or days with fetch.dau(...).",
            )

    def grid(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Repeat rows for each group, so that a group without activity is a zero and not a gap."""
        if not self.by:
            return rows.select(pl.lit(0, dtype=pl.UInt32).alias("group"), pl.all())
        return pl.select(group=pl.int_range(self.groups.height, dtype=pl.UInt32)).join(rows, how="cross")

    def as_table(self, frame: pl.DataFrame | pl.LazyFrame, table: Table, *, before: str) -> pl.DataFrame:
        """Return the columns of a table in order, the groups just before the first count, rows sorted."""
        names = list(table.columns)
        at = names.index(before)
        columns = [pl.col(name).cast(table.schema[name]) for name in names]
        keys = [*(name for name in table.key if name in names[:at]), "group"]
        rows = frame.lazy().sort(keys).select(*columns, "group").collect(engine=IN_MEMORY)
        # Not as literals in the query: two of no rows are one to its optimizer, whatever their dtypes.
        groups = [self.groups[name].gather(rows["group"]) for name in self.by]
        return rows.select(*names[:at], *groups, *names[at:])


def _in_slices(days: pl.DataFrame, rows: Callable[[pl.LazyFrame], pl.LazyFrame]) -> pl.LazyFrame:
    """Make rows of the days slice by slice, several at once; a user may be cut."""
    slices = (days.slice(start, SLICE_ROWS) for start in range(0, max(days.height, 1), SLICE_ROWS))
    return pl.concat([rows(piece.lazy()) for piece in slices])


def first_of_period(since: pl.Expr) -> pl.Expr:
    """Tell of each active day whether it is the user's first of its period, which began so many days before."""
    return pl.col("gap").is_null() | (pl.col("gap") > since)


def check_days(name: str, days: int, *, least: int = 1) -> int:
    """Return a number of days (or periods), and refuse what is none."""
    if isinstance(days, bool) or not isinstance(days, int) or days < least:
        raise ValueError(f"{name}={days!r} is not a whole number from {least} on. Hint: {name}=28, for example.")
    return days


def _check_lookback(lookback: int | None) -> int:
    """Return the days of a look-back, 0 for none."""
    return 0 if lookback is None else check_days("lookback", lookback, least=0)


def _order(source: UserDays, *, user_type: str, last: date | None, by: list[str]) -> OrderedDays:
    """Put each user's days in order and find the gap before each."""
    first = None if source.span is None else source.span.first
    if source.span is not None and (source.span.last - source.span.first).days >= DAY_SPAN:
        raise TableError(
            f"The frame spans {first} to {source.span.last}.", table=ACTIVITY, hint="one of these days is a mistake."
        )
    if first is not None and last is not None and (last - first).days >= DAY_SPAN:
        raise ValueError(
            f"as_of={str(last)!r} is {(last - first).days // 365} years after {first}, the first day of the "
            "data. Hint: as_of is the last day of the data; is its year right?"
        )
    _, end = row_days(source.activity)
    day, mixed = end.meta.output_name(), user_type == "all"
    needed = list(dict.fromkeys(["user", "user_type", day, *by]))
    rows_of_users = active_rows(source.activity).select(needed)
    chosen = select_users(rows_of_users, user_type)
    if source.span is not None and source.span.last != last:
        chosen = chosen.filter(end <= pl.lit(last, dtype=pl.Date))
    if isinstance(source.activity, pl.LazyFrame) and first is not None and "user" not in by:
        height = chosen.select(pl.len()).collect().item()
        if height > source.rows_at_once:
            parts = DayParts(chosen, day=day, by=by, first=first, mixed=mixed, rows_at_once=source.rows_at_once)
            users, groups = _numbered_groups(parts.users, by)
            return OrderedDays(source.activity, source.is_daily, by, groups, users, parts, first, last)
    rows = chosen.collect(engine=engine_for(source.activity))
    lists = user_lists(rows, day=day, by=by, first=first, mixed=mixed)
    days = pl.col("days").list
    facts = lists.select(pl.exclude("days", "key"), first=days.first(), last=days.last())
    users, groups = _numbered_groups(facts, by)
    number = pl.int_range(lists.height, dtype=pl.UInt32, eager=True)
    never = pl.repeat(None, lists.height, dtype=pl.Int16, eager=True)
    ordered = gaps(number, lists["days"], never)
    return OrderedDays(source.activity, source.is_daily, by, groups, users, [ordered], first, last)


def _numbered_groups(users: pl.DataFrame, by: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give groups their numbers in order: users with ``group`` for ``__by_...``, and the columns of each number."""
    if not by:
        return users.with_columns(group=pl.lit(0, dtype=pl.UInt32)), pl.DataFrame()
    columns = [f"__by_{column}" for column in by]
    groups = users.select(columns).unique().sort(columns, nulls_last=True)
    numbered = users.join(
        groups.with_row_index("group"), on=columns, how="left", nulls_equal=True, maintain_order="left"
    )
    return numbered.drop(columns), groups.rename(dict(zip(columns, by, strict=True)))
