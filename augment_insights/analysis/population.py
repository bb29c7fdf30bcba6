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
from augment_insights.tables import (
    DAILY_USAGE,
    EDITOR_LANGUAGE,
    USER_ACTIVITY,
    USER_TYPE,
    columns_of,
    require,
    user_key,
)

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


USAGE = "usage"
"""What error messages call a frame of metrics."""

GROUP = "__group"
"""The column of :func:`user_sums` that numbers the groups."""

USER_KEY = "__user"
"""The column of :func:`user_sums` that numbers the users."""

_PERIOD, _PACKED, _HASH, _PLACE = "__period_start", "__packed", "__hash", "__place"
_ROW = "__row"


def usage_rows(
    frame: pl.DataFrame | pl.LazyFrame,
    metrics: Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    every: Every | None = None,
    user_type: str = "person",
    as_of: date | str | None = None,
    reserved: Iterable[str] = (),
) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows that count, with the columns that are needed, and the columns that make groups.

    Rows of other users, rows without a user and rows that reach past ``as_of`` are left out. A row
    that stands twice counts once, with a DataWarning. With ``every``, the last group column is
    ``period_start``, the first day of each row's calendar period.

    Raises
    ------
    TableError
        A column is missing, a row spans a border of the periods, or ``user_type="service_account"``
        is asked of a frame without users.
    ValueError
        An unknown ``user_type`` or ``every``, or a group column that the result needs for itself.
    """
    check_user_type(user_type)
    schema = columns_of(frame)
    kind = ["user_type"] if "user" in schema else []
    require(schema, (*metrics, *kind), table=USAGE)
    groups = as_columns(by, frame, reserved=[*reserved, *(["period_start"] if every else [])], table=USAGE)
    users = [name for name in ("user", "user_type") if name in schema]
    if not users and user_type == "service_account":
        raise TableError(
            "This frame has no users, so automation cannot be told apart in it.",
            table=USAGE,
            missing=("user", "user_type"),
            hint="use a table with users: fetch.user_activity(...) or fetch.editor_language(...).",
        )
    identity = _identity(schema)
    days = [name for name in ("date", "period_start", "period_end") if name in schema]
    row = [hashed(identity).alias(_ROW)] if identity else []
    # Read once: what follows looks at the rows several times, and a LazyFrame would be computed each time.
    needed = frame.lazy().select(*dict.fromkeys([*groups, *users, *metrics, *days]), *row)
    rows = needed.collect(engine=engine_for(frame))
    if every is not None:
        rows = _with_calendar_period(rows, check_every(every))
    if as_of is not None:
        _, end = row_days(rows, table=USAGE)
        rows = rows.filter(end <= pl.lit(data_end(rows, as_of), dtype=pl.Date))
    if "user" in schema:
        rows = select_users(rows, user_type, table=USAGE).collect(engine=IN_MEMORY)
    elif users and user_type != "all":  # summed over users, and still told apart
        rows = rows.filter(pl.col("user_type").cast(pl.String) == user_type)
    rows = _each_once(rows, [*metrics, *groups])
    if every is not None:
        rows = rows.with_columns(pl.col(_PERIOD).alias("period_start"))
    grouped = [*groups, *(["period_start"] if every else [])]
    return rows.select(list(dict.fromkeys([*grouped, *users, *metrics]))), grouped


def _with_calendar_period(rows: pl.DataFrame, every: Every) -> pl.DataFrame:
    """Add the first day of each row's period; refuse a row that lies in two periods."""
    start, end = row_days(rows, table=USAGE)
    first = period_start(start, every)
    astray = rows.filter(first != period_start(end, every))
    if astray.height:
        from_day, to_day = astray.select(start=start, end=end).sort("start", "end").row(0)
        raise TableError(
            f"every={every!r} cannot be answered from a row that spans {from_day} to {to_day}: nobody knows "
            "on which side of a border the activity was.",
            table=USAGE,
            hint=f"fetch finer rows: fetch.user_activity(..., every={every!r}), or fetch.editor_language(...).",
        )
    return rows.with_columns(first.alias(_PERIOD))


def _identity(schema: pl.Schema) -> list[str]:
    """Return the columns that name a row, where the frame still is a table of the API; else nothing.

    Of a frame that the analyst cut or summed, equal rows may both be true.
    """
    names = set(schema)
    if names.issuperset(EDITOR_LANGUAGE.key):
        return list(EDITOR_LANGUAGE.key)
    if names.issuperset([*USER_ACTIVITY.key, "period_end"]):
        return [*USER_ACTIVITY.key, "period_end"]
    if names.issuperset(DAILY_USAGE.columns) and "user" not in names:
        return list(DAILY_USAGE.key)
    return []


def _each_once(rows: pl.DataFrame, values: list[str]) -> pl.DataFrame:
    """Leave out rows that stand twice, and say how many.

    What names a row is a hash here: nearly always nothing is double, and then it costs little time and memory.
    """
    if _ROW not in rows.columns or rows[_ROW].n_unique() == rows.height:
        return rows
    once = rows.unique(subset=list(dict.fromkeys([_ROW, *values])), keep="first", maintain_order=True)
    left_out = rows.height - once.height
    if left_out:
        warnings.warn(
            f"{left_out} row{'s' if left_out > 1 else ''} of {USAGE} stand{'' if left_out > 1 else 's'} there twice "
            "and count once.",
            DataWarning,
            stacklevel=4,
        )
    return once


class UserSums(NamedTuple):
    """Sums over the rows of each group and user.

    Attributes
    ----------
    sums : DataFrame
        ``group`` (a number), ``user_key`` (a number; null where the frame has no users), then the
        sums; sorted by both.
    groups : DataFrame
        ``group``, and the columns grouped by; sorted, nulls last.
    """

    sums: pl.DataFrame
    groups: pl.DataFrame

    def named(self, answers: pl.DataFrame) -> pl.DataFrame:
        """Put the columns grouped by in place of the number of each group; rows sorted by group."""
        return self.groups.join(answers, on=GROUP, how="inner").sort(GROUP).drop(GROUP)


def user_sums(rows: pl.DataFrame, groups: Sequence[str], sums: Sequence[pl.Expr]) -> UserSums:
    """Sum the rows of each group and user.

    ``sums`` are integers that may be added up again. A name is long and a number is short: rows are
    first summed by a hash of the names as they are written, which leaves few; then groups and users
    become numbers in the order of their names, and two spellings of a person become one number. A
    group column ``user`` becomes one spelling for each user, the first in the alphabet of those that
    the API gave.
    """
    names = list(dict.fromkeys([*groups, *(name for name in ("user", "user_type") if name in rows.columns)]))
    spelled = _sum_as_written(rows, names, sums)
    has_users = "user" in names
    if has_users:
        users, spelling = _number_users(spelled)
        if "user" in groups:
            spelled = spelled.with_columns(spelling)
    else:
        users = pl.repeat(0, spelled.height, dtype=pl.UInt32, eager=True)
    numbers, named = _number_groups(spelled, groups)
    span = max(1, users.n_unique())
    packed = (numbers.cast(pl.UInt64) * span + users).alias(_PACKED)
    summed = spelled.drop(names).group_by(packed).agg(pl.all().sum()).sort(_PACKED)
    user = (pl.col(_PACKED) % span).cast(pl.UInt32) if has_users else pl.lit(None, pl.UInt32)
    keyed = summed.select(
        (pl.col(_PACKED) // span).cast(pl.UInt32).alias(GROUP), user.alias(USER_KEY), pl.exclude(_PACKED)
    )
    return UserSums(keyed, named)


def _sum_as_written(rows: pl.DataFrame, names: list[str], sums: Sequence[pl.Expr]) -> pl.DataFrame:
    """Sum the rows that have the same names, letter by letter; all of them where there are no names."""
    if not names:
        return rows.select(sums).head(min(1, rows.height))
    found = rows.with_row_index(_PLACE).group_by(hashed(names).alias(_HASH)).agg(pl.col(_PLACE).first(), *sums)
    return pl.concat([rows.select(names)[found[_PLACE]], found.drop(_PLACE, _HASH)], how="horizontal")


def _distinct(rows: pl.DataFrame, names: Sequence[str]) -> tuple[pl.Series, pl.DataFrame]:
    """Return a hash a row, and each distinct combination of the columns with its hash."""
    hashes = rows.select(hashed(names).alias(_HASH)).to_series()
    places = hashes.to_frame().with_row_index(_PLACE).group_by(_HASH).agg(pl.col(_PLACE).first())
    return hashes, rows.select(names)[places[_PLACE]].with_columns(places[_HASH])


def _number_users(rows: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Return each row's user as a number and in one spelling; two spellings of a person are one number."""
    hashes, names = _distinct(rows, ["user", "user_type"])
    names = names.with_columns(
        user_key().rank("dense").cast(pl.UInt32).alias(USER_KEY) - 1, pl.col("user").min().over(user_key())
    )
    found = hashes.to_frame().join(names, on=_HASH, how="left", maintain_order="left")
    return found[USER_KEY], found["user"]


def _number_groups(rows: pl.DataFrame, names: Sequence[str]) -> tuple[pl.Series, pl.DataFrame]:
    """Return each row's group as a number, and the groups in the order of their numbers."""
    if not names:
        only = pl.repeat(0, rows.height, dtype=pl.UInt32, eager=True)
        return only, pl.DataFrame({GROUP: [0]}, schema={GROUP: pl.UInt32})
    hashes, groups = _distinct(rows, names)
    groups = groups.sort(names, nulls_last=True).with_row_index(GROUP)
    numbers = hashes.to_frame().join(groups.select(_HASH, GROUP), on=_HASH, how="left", maintain_order="left")[GROUP]
    return numbers, groups.select(GROUP, *names)
