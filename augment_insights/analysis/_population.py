"""The door of every analysis: which users, which days, which calendar periods.

Analysis is handed a frame of activity and a few words (``user_type``, ``by``, ``as_of``,
``every``). What those words mean is said here once, so that two numbers of one report can be
laid beside each other.
"""

from __future__ import annotations

import warnings
from os import PathLike
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, get_args, overload

import polars as pl

from augment_insights.errors import DataWarning, TableError, did_you_mean
from augment_insights.periods import check_every, parse_day
from augment_insights.tables import USER_TYPE, columns_of, require

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from polars._typing import EngineType

    from augment_insights.periods import Every

UserType = Literal["person", "service_account", "all"]
"""Whose activity is counted: people (the default everywhere), automation, or both."""

USER_TYPES: tuple[str, ...] = get_args(UserType)

ACTIVITY = "activity"
"""What error messages call the frame that an analysis is given."""


IN_MEMORY: Final = "in-memory"
"""The engine for what is in memory already."""


class Span(NamedTuple):
    """The first and the last day that a frame of activity knows about."""

    first: date
    last: date


def check_user_type(user_type: str) -> UserType:
    """Return ``user_type`` if it names a population, and say which do if it does not."""
    if user_type not in USER_TYPES:
        raise ValueError(f"user_type={user_type!r} is not a kind of user.{did_you_mean(str(user_type), USER_TYPES)}")
    return user_type  # type: ignore[return-value]  # narrowed by the check above


def select_users(
    frame: pl.DataFrame | pl.LazyFrame, user_type: str = "person", *, table: str = ACTIVITY
) -> pl.LazyFrame:
    """Keep the rows of the users that are asked for, lazily.

    A row without a user, or of whom the type is not known, is nobody's and is left out, with a
    DataWarning that counts such rows (of a LazyFrame that is one read of the two columns, or two
    where there are some).

    Raises
    ------
    TableError
        No ``user`` or ``user_type`` column; a ``user_type`` that is none of the two.
    ValueError
        An unknown ``user_type``.
    """
    check_user_type(user_type)
    schema = columns_of(frame)
    require(schema, ("user", "user_type"), table=table)
    # As it is, an Enum is compared by its numbers; as text it is several times dearer.
    is_typed = schema["user_type"] == USER_TYPE
    kind = pl.col("user_type") if is_typed else pl.col("user_type").cast(pl.String)
    stranger = pl.lit(None, pl.String) if is_typed else kind.filter(~kind.is_in(list(USER_TYPE.categories))).first()
    facts = frame.lazy().select(pl.col("user").null_count() + kind.null_count(), stranger=stranger)
    nulls, strange = facts.collect(engine=engine_for(frame)).row(0)
    if strange is not None:
        raise TableError(
            f"The table {table} has {strange!r} as user_type, and it is one of {', '.join(USER_TYPE.categories)}.",
            table=table,
            hint="name people and automation by these two words.",
        )
    kept = frame.lazy()
    if nulls:
        is_nameless = pl.col("user").is_null() | kind.is_null()
        nameless = kept.select(is_nameless.sum()).collect(engine=engine_for(frame)).item()
        kept = kept.filter(~is_nameless)
        warnings.warn(
            f"{nameless} row{'s' if nameless > 1 else ''} of {table} without a user {'are' if nameless > 1 else 'is'} "
            "left out: a missing name is not a user.",
            DataWarning,
            stacklevel=3,
        )
    if user_type != "all":
        kept = kept.filter(kind == user_type)
    return kept


def engine_for(frame: pl.DataFrame | pl.LazyFrame) -> EngineType:
    """Return the engine that answers soonest: what is in memory is not cut up for a stream first.

    For a small table that start is most of the cost, and a column of days in lists is put together
    a fifth sooner. A LazyFrame may be a file larger than memory, and is left to Polars.
    """
    return IN_MEMORY if isinstance(frame, pl.DataFrame) else "auto"


def hashed(columns: Iterable[str | pl.Expr]) -> pl.Expr:
    """Return one integer a row for several columns; a sum of hashes is several times faster than a struct's.

    Two of a million different rows share 64 bits with a chance of 3e-8, two of ten million with 3e-6.
    """
    each = (pl.col(column) if isinstance(column, str) else column for column in columns)
    return sum((column.hash(seed) for seed, column in enumerate(each, start=1)), pl.lit(0, pl.UInt64))


@overload
def active_rows(frame: pl.DataFrame) -> pl.DataFrame: ...
@overload
def active_rows(frame: pl.LazyFrame) -> pl.LazyFrame: ...
def active_rows(frame: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame | pl.LazyFrame:
    """Leave out rows that say 0 active days: a name on the API's list, and no activity.

    A row without the column, or with a null in it, is activity.
    """
    if "active_days" not in columns_of(frame):
        return frame
    return frame.filter(pl.col("active_days").is_null() | (pl.col("active_days") > 0))


def user_key() -> pl.Expr:
    """Return the key by which two names are the same user.

    People are e-mails and compared in lower case; service accounts are compared as they are
    written; a person and a service account of one name are two users.

    Examples
    --------
    >>> pl.DataFrame({"user": ["Ada@x.io", "CI"], "user_type": ["person", "service_account"]}).select(user_key())
    shape: (2, 1)
    ┌────────────────────┐
    │ user_key           │
    │ ---                │
    │ str                │
    ╞════════════════════╡
    │ person:ada@x.io    │
    │ service_account:CI │
    └────────────────────┘
    """
    kind = pl.when(_is_person()).then(pl.lit("person:")).otherwise(pl.lit("service_account:"))
    return (kind + known_name()).alias("user_key")


def known_name() -> pl.Expr:
    """Return the name that all spellings of one user share: of a person in lower case, else as it is written."""
    name = pl.col("user").cast(pl.String)
    return pl.when(_is_person()).then(name.str.to_lowercase()).otherwise(name).alias("user")


def _is_person() -> pl.Expr:
    return pl.col("user_type").cast(pl.String) == "person"


def as_columns(
    by: str | Sequence[str] | None,
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    reserved: Iterable[str] = (),
    table: str = ACTIVITY,
) -> list[str]:
    """Return the columns to group by as a list, each checked to be there.

    Parameters
    ----------
    by : str or sequence of str or None
        As the caller gave it; None is no grouping.
    frame : DataFrame or LazyFrame
        The frame that must have them.
    reserved : iterable of str
        Names the result uses itself: a group of that name would stand in it twice.

    Raises
    ------
    TableError
        A column that the frame does not have, with the nearest that it has.
    ValueError
        A column named twice, or one that the result needs for itself.
    """
    columns = [] if by is None else [by] if isinstance(by, str) else list(by)
    require(columns_of(frame), tuple(columns), table=table)
    if len(set(columns)) < len(columns):
        raise ValueError(f"by={by!r} names a column twice.")
    taken = [name for name in columns if name in set(reserved)]
    if taken:
        raise ValueError(
            f"by={taken[0]!r} is a column of the result itself. Hint: rename yours before, "
            f"with frame.rename({{{taken[0]!r}: 'my_{taken[0]}'}})."
        )
    return columns


def row_days(frame: pl.DataFrame | pl.LazyFrame, *, table: str = ACTIVITY) -> tuple[pl.Expr, pl.Expr]:
    """Return the first and the last day of each row: its ``date`` twice, or its period's ends.

    Raises
    ------
    TableError
        Neither ``date`` nor ``period_start`` and ``period_end``, or one that is not a pl.Date.
    """
    schema = columns_of(frame)
    names = ("date", "date") if "date" in schema else ("period_start", "period_end")
    if not any(name in schema for name in names):
        raise TableError(
            f"The table {table} needs the column 'date', or 'period_start' and 'period_end'. "
            f"It has: {', '.join(schema.names()) or 'no columns'}.",
            table=table,
            missing=("date",),
        )
    require(schema, names, table=table)
    for name in names:
        if schema[name] != pl.Date():
            raise TableError(
                f"The table {table} has {name!r} as {schema[name]}, and it should be Date (UTC days).",
                table=table,
                hint=f"cast it: frame.with_columns(pl.col({name!r}).cast(pl.Date)).",
            )
    return pl.col(names[0]), pl.col(names[1])


def data_span(frame: pl.DataFrame | pl.LazyFrame, *, table: str = ACTIVITY) -> Span | None:
    """Return the first and last day of a frame, whoever was active; None when it has no rows.

    Raises
    ------
    TableError
        A row without a day, or one whose period ends before it starts.
    """
    start, end = row_days(frame, table=table)
    is_one_column = start.meta.eq(end)
    facts = frame.lazy().select(
        first=start.min(),
        last=end.max(),
        dayless=start.null_count() if is_one_column else (start.is_null() | end.is_null()).sum(),
        backward=0 if is_one_column else (end < start).sum(),
    )
    first, last, dayless, backward = facts.collect(engine=engine_for(frame)).row(0)
    if dayless:
        raise TableError(f"The table {table} has {dayless} rows without a day.", table=table, hint="drop or mend them.")
    if backward:
        raise TableError(
            f"The table {table} has {backward} rows whose period_end is before their period_start.",
            table=table,
            hint="they may be swapped.",
        )
    return None if first is None else Span(first, last)


def data_end(
    frame: pl.DataFrame | pl.LazyFrame, as_of: date | str | None = None, *, table: str = ACTIVITY
) -> date | None:
    """Return the last day of the data: ``as_of``, or else the last day any row reaches.

    It is taken before users are selected: a day on which only automation worked is a day that is
    known. None when the frame is empty and no ``as_of`` is given.
    """
    if as_of is not None:
        return parse_day(as_of, name="as_of")
    span = data_span(frame, table=table)
    return None if span is None else span.last


def period_start(day: pl.Expr, every: Every) -> pl.Expr:
    """Return the first day of the calendar period that holds each day (weeks from Monday)."""
    check_every(every)
    return day if every == "1d" else day.dt.truncate(every)


def period_end(start: pl.Expr, every: Every) -> pl.Expr:
    """Return the last day of the whole calendar period that begins on each day."""
    check_every(every)
    return start.dt.offset_by(every).dt.offset_by("-1d")


def is_complete(start: pl.Expr, every: Every, end: date | None) -> pl.Expr:
    """Tell of each period whether it is over: its last day is at or before the last day of the data."""
    return period_end(start, every) <= pl.lit(end, dtype=pl.Date)


def check_seats(licences: object) -> int:
    """Return a number of seats, or say what licences are. None at all (0) is a number: there is no rate then.

    Raises
    ------
    TableError
        A frame of another library. Its contents are not repeated: they are names.
    ValueError
        Anything else that is not a whole number from 0 on.
    """
    if isinstance(licences, int) and not isinstance(licences, bool) and licences >= 0:
        return licences
    if not isinstance(licences, (int, float, str, PathLike)):
        columns_of(licences)  # type: ignore[arg-type]  # it is none, and the error says what it is
    raise ValueError(
        f"licences={licences!r} is not a number of seats. Hint: a whole number from 0 on, "
        "or a roster, such as read_roster(path)."
    )


def licences_of(
    roster: pl.DataFrame | pl.LazyFrame, user_type: str = "person", *, table: str = "roster"
) -> pl.DataFrame:
    """Return one row a licensed user: ``user_key``, ``licensed_from``, ``licensed_to`` (null: open).

    The roster has been read or tidied (see :mod:`.roster`). Without ``user_type`` it is one of people.
    Of a user who stands in it twice, the licence runs from the earliest known start to the latest
    end, or on where one of them is open.
    """
    schema = columns_of(roster)
    rows = roster.lazy()
    if "user_type" not in schema:
        rows = rows.with_columns(user_type=pl.lit("person"))
    for name in ("licensed_from", "licensed_to"):
        if name not in schema:
            rows = rows.with_columns(pl.lit(None, dtype=pl.Date).alias(name))
    named = select_users(rows, user_type, table=table).select(user_key(), "licensed_from", "licensed_to")
    ends = pl.col("licensed_to")
    return (
        named.group_by("user_key")
        .agg(pl.col("licensed_from").min(), licensed_to=pl.when(ends.is_not_null().all()).then(ends.max()))
        .sort("user_key")
        .collect()
    )


def on_roster(seen: pl.DataFrame, roster: pl.DataFrame) -> pl.DataFrame:
    """Join users by ``user_key`` to their licences; a DataWarning counts those who have none.

    The names are not in the warning: it may end in a log that more people read than the roster.
    """
    strangers = seen.join(roster, on="user_key", how="anti").height
    if strangers:
        warnings.warn(
            f"{strangers} active user{'s are' if strangers > 1 else ' is'} not on the roster and not counted. "
            "Hint: join_roster lists them.",
            DataWarning,
            stacklevel=3,
        )
    return seen.join(roster, on="user_key", how="inner", maintain_order="left")
