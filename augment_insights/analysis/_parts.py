"""A table of activity that is larger than memory, read some days at a time.

The days of a part are put in order of user and day. The gap before a user's first day of it comes
from what is carried from part to part: the day on which each user was last active. So what stays in
memory is one part and a few numbers a user, whatever the number of rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from augment_insights.analysis._population import hashed, known_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

DAY_SPAN = 1 << 15
"""Days are numbers below this from the frame's first day on: 16 bits each, and two and a group in one integer."""


class DayParts:
    """The active days of some users in parts, oldest first; to be gone through as often as there are questions.

    Making it reads all rows once, for the users. Names are told apart by 64 bits of a hash, and kept
    once a user.

    Parameters
    ----------
    rows : LazyFrame
        ``user``, ``user_type``, the column of days and the columns of groups, of the users asked for.
    day : str
        The column of days.
    by : list of str
        The columns of groups; a user is followed in each group apart.
    first : date
        The day that has the number 0.
    rows_at_once : int
        About how many rows a part has; a day is not cut.

    Attributes
    ----------
    users : DataFrame
        One row a user of a group: ``user`` (the name that all spellings share) and ``user_type``, the
        columns of groups as ``__by_...``, and the user's ``first`` and ``last`` active day as numbers.
    """

    def __init__(self, rows: pl.LazyFrame, *, day: str, by: list[str], first: date, rows_at_once: int) -> None:
        self._rows = rows
        self._day = pl.col(day)
        self._by = by
        self._first = first
        self._bounds = _bounds(rows, self._day, rows_at_once)
        self._spellings = _Numbers()
        self.users = self._find_users()

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Yield parts: ``user`` (row number in ``users``), ``day`` and ``gap``, by user and day."""
        last = pl.repeat(None, self.users.height, dtype=pl.Int16, eager=True)
        for part in self._read([]):
            days = _in_order(self._spellings.find(part["hash"]), part["day"], last)
            yield days
            ends = days.filter((pl.col("user") != pl.col("user").shift(-1)).fill_null(value=True))
            last = last.scatter(ends["user"], ends["day"])

    def _read(self, names: Sequence[pl.Expr]) -> Iterator[pl.DataFrame]:
        """Yield the rows of each part by ``hash``, that of the names, with the ``day`` and the names asked for."""
        number = (self._day - pl.lit(self._first)).dt.total_days().cast(pl.Int16).alias("day")
        written = hashed(list(dict.fromkeys(["user", "user_type", *self._by]))).alias("hash")
        for start, end in self._bounds:
            part = self._rows.filter(self._day.is_between(start, end))
            yield part.select(*names, written, number).sort("hash").collect()

    def _find_users(self) -> pl.DataFrame:
        """Give the users their numbers, two spellings one number, and note the first and last day of each."""
        groups = [pl.col(name).alias(f"__by_{name}") for name in self._by]
        is_coded = self._rows.collect_schema()["user"].is_integer()
        name = pl.col("user") if is_coded else known_name()  # a number is a tenth of the size of its text
        users = self._rows.select(name, "user_type", *groups).head(0).collect()
        key = users.columns
        keys = _Numbers()
        first, last = pl.Series(dtype=pl.Int16), pl.Series(dtype=pl.Int16)
        for part in self._read([pl.col("user"), pl.col("user_type"), *groups]):
            strangers = part.filter(self._spellings.find(part["hash"]).is_null()).unique("hash")
            named = strangers.select("hash", name, "user_type", "^__by_.*$").with_columns(key=hashed(key)).sort("key")
            new = named.filter(keys.find(named["key"]).is_null()).unique("key")
            users = pl.concat([users, new.select(key)], rechunk=True)
            keys.add(new["key"], pl.int_range(len(last), len(last) + new.height, dtype=pl.UInt32, eager=True))
            self._spellings.add(named["hash"], keys.find(named["key"]))
            days = part.select("day", number=self._spellings.find(part["hash"])).group_by("number")
            ends = days.agg(first=pl.col("day").min(), last=pl.col("day").max()).sort("number")
            first = pl.concat([first, ends.filter(pl.col("number") >= len(first))["first"]], rechunk=True)
            last = last.extend_constant(None, new.height).scatter(ends["number"], ends["last"])
        return users.with_columns(first=first, last=last)


class _Numbers:
    """Numbers by hash, in order of the hashes: a search then costs as much as a join, and no memory for a table."""

    def __init__(self) -> None:
        self._known = pl.DataFrame(schema={"hash": pl.UInt64, "number": pl.UInt32})

    def find(self, hashes: pl.Series) -> pl.Series:
        """Return the number of each hash, null where it is not known; quickest for hashes in order."""
        if self._known.is_empty():
            return pl.repeat(None, len(hashes), dtype=pl.UInt32, eager=True)
        known = self._known["hash"]
        place = known.search_sorted(hashes).clip(0, len(known) - 1)
        return self._known["number"].gather(place).set(known.gather(place) != hashes, None)

    def add(self, hashes: pl.Series, numbers: pl.Series) -> None:
        """Add hashes that are not known yet."""
        if len(hashes):
            new = pl.DataFrame({"hash": hashes, "number": numbers})
            self._known = pl.concat([self._known, new]).sort("hash")


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


def _in_order(users: pl.Series, days: pl.Series, last: pl.Series) -> pl.DataFrame:
    """Return ``user, day, gap`` in order, each day once; ``last`` has the day of each user in the parts before.

    One packed integer sorts several times as fast as two columns.
    """
    packed, user, day = pl.col("packed"), pl.col("user"), pl.col("day")
    before = pl.lit(last).gather(user)
    return (
        pl.LazyFrame({"packed": (users.cast(pl.UInt64) * DAY_SPAN + days.cast(pl.UInt64)).sort()})
        .select(user=(packed // DAY_SPAN).cast(pl.UInt32), day=(packed % DAY_SPAN).cast(pl.Int16))
        .with_columns(gap=day - pl.when(user == user.shift()).then(day.shift()).otherwise(before))
        .filter((pl.col("gap") != 0).fill_null(value=True))
        .collect()
    )
