"""Rows of activity put in order of user and day: in one piece, or in parts where they are larger than memory.

Either way rows come together by a hash of the name, as one list of days a user, and a user's gap is
the difference of two days of the list. In parts the gap before a user's first day comes from what is
carried from part to part: the day on which each user was last active. So what stays in memory is one
part and a few numbers a user, whatever the number of rows.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from augment_insights.analysis._population import IN_MEMORY, hashed, known_name

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    name = pl.col("user") if rows.schema["user"].is_integer() else known_name()
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
