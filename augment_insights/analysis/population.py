"""Whose activity counts, of which days, in which groups: the words that every analysis function takes.

``user_type``, ``as_of``, ``every``, ``by`` and ``licences`` mean the same in every function, because they
are resolved here. Two numbers of one report can be laid beside each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypedDict, get_args

import polars as pl

from augment_insights import tables
from augment_insights.errors import TableError, did_you_mean, plural, warn_reader
from augment_insights.metrics import METRICS
from augment_insights.periods import EVERY, DayRange, check_every, parse_day
from augment_insights.tables import columns_of, require, user_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date
    from typing import Unpack

    from polars._typing import EngineType

    from augment_insights.periods import Every

UserType = Literal["person", "service_account", "all"]
"""Whose activity is counted: people (the default everywhere), automation, or both."""

USER_TYPES: tuple[str, ...] = get_args(UserType)

ACTIVITY = "activity"
"""What error messages call the frame that an analysis is given."""

USAGE = "usage"
"""What error messages call a frame of metrics."""

GROUP = "__group"
"""The column of :func:`user_sums` that numbers the groups."""

USER_KEY = "__user"
"""The column of :func:`user_sums` that tells users apart."""

IN_MEMORY: Final = "in-memory"
"""The engine for what is in memory already."""

MAX_SPAN_DAYS = 1 << 15
"""Days are numbers below this from the frame's first day on: 16 bits each."""

_PERIOD, _HASH, _ROW = "__period_start", "__hash", "__row"
_USERS = ("user", "user_type")


class Whose(TypedDict, total=False):
    """Whose activity counts, and of which days: keywords that every function of activity takes.

    Attributes
    ----------
    user_type : {"person", "service_account", "all"}
        People (left out), automation, or both.
    since, as_of : date or str
        The first and the last day of the data: rows must lie between them to count, and periods to be complete.
        Left out, they are the first and the last day of any row of the frame.
    """

    user_type: UserType
    since: date | str | None
    as_of: date | str | None


class UserSums(NamedTuple):
    """Sums over the rows of each group and user.

    Attributes
    ----------
    sums : DataFrame
        ``group`` (a number), ``user_key`` (a number; null where the frame has no users), then the sums.
    groups : DataFrame
        ``group``, and the columns grouped by; sorted, nulls last.
    """

    sums: pl.DataFrame
    groups: pl.DataFrame

    def named(self, answers: pl.DataFrame) -> pl.DataFrame:
        """Put the columns grouped by in place of the number of each group; rows sorted by group."""
        return self.groups.join(answers, on=GROUP, how="inner").sort(GROUP).drop(GROUP)


# ---- Which users? ----


def check_user_type(user_type: str) -> UserType:
    """Return ``user_type`` if it names a population, and say which do if it does not."""
    if user_type not in USER_TYPES:
        raise ValueError(f"user_type={user_type!r} is not a kind of user.{did_you_mean(str(user_type), USER_TYPES)}")
    return user_type  # type: ignore[return-value]  # narrowed by the check above


def read_whose(
    *, user_type: str = "person", since: date | str | None = None, as_of: date | str | None = None
) -> tuple[UserType, date | None, date | None]:
    """Return the keywords of :class:`Whose`, all three, with days as days."""
    first = None if since is None else parse_day(since, name="since")
    return check_user_type(user_type), first, None if as_of is None else parse_day(as_of, name="as_of")


def select_users(
    frame: pl.DataFrame | pl.LazyFrame, user_type: str = "person", *, table: str = ACTIVITY
) -> pl.LazyFrame:
    """Keep the rows of the users that are asked for, lazily.

    A row without a user, or of whom the type is not known, is nobody's and is left out, with a
    DataWarning that counts such rows (of a LazyFrame that is one read of the two columns).

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
    # As it is, an Enum is compared by its numbers; as text it takes several times as long.
    is_typed = schema["user_type"] == tables.USER_TYPE
    kind = pl.col("user_type") if is_typed else pl.col("user_type").cast(pl.String)
    unknown = (
        pl.lit(None, pl.String) if is_typed else kind.filter(~kind.is_in(list(tables.USER_TYPE.categories))).first()
    )
    is_nameless = pl.col("user").is_null() | kind.is_null()
    facts = frame.lazy().select(is_nameless.sum(), unknown=unknown)
    nameless, strange = facts.collect(engine=engine_for(frame)).row(0)
    if strange is not None:
        raise TableError(
            f"The table {table} has {strange!r} as user_type, and it is one of "
            f"{', '.join(tables.USER_TYPE.categories)}.",
            table=table,
            hint="name people and automation by these two words.",
        )
    kept = frame.lazy()
    if nameless:
        kept = kept.filter(~is_nameless)
        warn_reader(f"Dropped {plural(nameless, 'row')} of {table} without a user: a missing name is not a user.")
    return kept if user_type == "all" else kept.filter(kind == user_type)


def active_rows(frame: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame | pl.LazyFrame:
    """Leave out rows that say 0 active days: a name on the API's list, and no activity.

    A row without the column, or with a null in it, is activity.
    """
    if "active_days" not in columns_of(frame):
        return frame
    return frame.filter(pl.col("active_days").is_null() | (pl.col("active_days") > 0))


def with_user_key(frame: pl.DataFrame) -> pl.DataFrame:
    """Add ``user_key``, by which users of two frames are compared; a frame without ``user_type`` is one of people."""
    typed = frame if "user_type" in frame.columns else frame.with_columns(user_type=pl.lit("person"))
    return typed.select(*frame.columns, user_key())


def one_spelling(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows in which each user has one spelling: of those that the API gave, the first in the alphabet.

    After this ``user_type`` and ``user`` as they stand tell users apart.
    """
    written = rows.select(_USERS)[rows.select(hashed(_USERS)).to_series().arg_unique()]
    respelled = written.with_columns(spelling=pl.col("user").min().over(user_key()))
    respelled = respelled.filter(pl.col("spelling") != pl.col("user"))
    if respelled.is_empty():
        return rows
    joined = rows.join(respelled, on=_USERS, how="left", maintain_order="left")
    return joined.with_columns(user=pl.coalesce("spelling", "user")).drop("spelling")


# ---- Which days? ----


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


def data_span(frame: pl.DataFrame | pl.LazyFrame, *, table: str = ACTIVITY) -> DayRange | None:
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
        raise TableError(
            f"The table {table} has {plural(dayless, 'row')} without a day.", table=table, hint="drop or repair them."
        )
    if backward:
        raise TableError(
            f"The table {table} has {plural(backward, 'row')} with a period_end before the period_start.",
            table=table,
            hint="they may be swapped.",
        )
    return None if first is None else DayRange(first, last)


def known_days(span: DayRange | None, **whose: Unpack[Whose]) -> tuple[date | None, date | None]:
    """Return the first and the last day of the data: those asked for, or else the frame's; None when it has no rows."""
    _, since, as_of = read_whose(**whose)
    first, last = (None, None) if span is None else (span.start, span.end)
    return since or first, as_of or last


def check_span(span: DayRange | None, first: date | None, last: date | None) -> None:
    """Refuse days that lie too far apart: a slip in a year would lay out millions of empty ones."""
    if span is None or first is None or last is None:
        return
    if (span.end - span.start).days >= MAX_SPAN_DAYS:
        raise TableError(
            f"The frame spans {span}.",
            table=ACTIVITY,
            hint="one of these days is a mistake.",
        )
    if (last - first).days >= MAX_SPAN_DAYS:
        raise ValueError(
            f"as_of={str(last)!r} is {(last - first).days // 365} years after {first}, the first day of the "
            "data. Hint: as_of is the last day of the data; is its year right?"
        )


def period_start(day: pl.Expr, every: Every) -> pl.Expr:
    """Return the first day of the calendar period that holds each day (weeks from Monday)."""
    if every not in EVERY:
        check_every(every)  # says which periods there are
    return day if every == "1d" else day.dt.truncate(every)


def period_end(start: pl.Expr, every: Every) -> pl.Expr:
    """Return the last day of the whole calendar period that begins on each day, as :func:`period_start` gives it."""
    return start.dt.offset_by(every).dt.offset_by("-1d")


def is_complete(start: pl.Expr, every: Every, *, first: pl.Expr, last: date | None) -> pl.Expr:
    """Tell of each period whether all its days lie within the days of the data, from the first to the last."""
    return ((start >= first) & (period_end(start, every) <= pl.lit(last, dtype=pl.Date))).alias("is_complete")


def is_complete_in(frame: pl.DataFrame | pl.LazyFrame, every: Every, **whose: Unpack[Whose]) -> pl.Expr:
    """Tell of each ``period_start`` made of a frame whether the data holds all days of the period."""
    first, last = known_days(data_span(frame), **whose)
    return is_complete(pl.col("period_start"), every, first=pl.lit(first, pl.Date), last=last)


def check_fits(rows: pl.LazyFrame, every: Every, *, table: str) -> None:
    """Refuse a row that spans a border of the calendar periods."""
    start, end = row_days(rows, table=table)
    is_astray = period_start(start, every) != period_start(end, every)
    astray = rows.filter(is_astray).select(start=start, end=end).sort("start", "end").head(1).collect()
    if astray.height:
        from_day, to_day = astray.row(0)
        raise TableError(
            f"every={every!r} cannot be answered from a row that spans {from_day} to {to_day}: "
            "nobody knows on which side of a border the activity was.",
            table=table,
            hint=f"fetch finer rows: fetch.user_activity(..., every={every!r}), or days with fetch.dau(...) or "
            "fetch.editor_language(...).",
        )


# ---- Which groups, and which rows? ----


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


def usage_rows(
    frame: pl.DataFrame | pl.LazyFrame,
    metrics: Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    every: Every | None = None,
    **whose: Unpack[Whose],
) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows that count, with the columns that are needed, and the columns that make groups.

    Rows of other users, rows without a user, rows of 0 active days and rows that begin before ``since`` or
    reach past ``as_of`` are left out. Duplicate rows count once, with a DataWarning. Each user has one spelling
    (:func:`one_spelling`); grouped by ``user``, people and automation together have ``user_type`` as a
    group too. With ``every``, the last group column is ``period_start``, the first day of
    each row's calendar period.

    Raises
    ------
    TableError
        A column is missing, a row spans a border of the periods, or ``user_type="service_account"``
        is asked of a frame without users.
    ValueError
        An unknown ``user_type`` or ``every``, or a group ``period_start`` beside the period itself.
    """
    user_type, since, as_of = read_whose(**whose)
    schema = columns_of(frame)
    require(schema, (*metrics, *(["user_type"] if "user" in schema else [])), table=USAGE)
    groups = as_columns(by, frame, reserved=["period_start"] if every else (), table=USAGE)
    users = [name for name in _USERS if name in schema]
    if "user" in groups and "user_type" not in groups and user_type == "all":
        groups.insert(groups.index("user") + 1, "user_type")  # a person and a service account may share a name
    if not users and user_type == "service_account":
        raise TableError(
            "This frame has no users, so automation cannot be told apart in it.",
            table=USAGE,
            missing=_USERS,
            hint="use a table with users: fetch.user_activity(...) or fetch.editor_language(...).",
        )
    days = [name for name in ("date", "period_start", "period_end") if name in schema]
    needed = dict.fromkeys([*groups, *users, *metrics, *days])
    # Read once: what follows looks at the rows several times, and a LazyFrame would be computed each time.
    rows = active_rows(frame).lazy().select(*needed, *_identity(schema)).collect(engine=engine_for(frame))
    if every is not None:
        check_fits(rows.lazy(), check_every(every), table=USAGE)
        rows = rows.with_columns(period_start(row_days(rows)[0], every).alias(_PERIOD))
    if since is not None:
        rows = rows.filter(row_days(rows, table=USAGE)[0] >= pl.lit(since))
    if as_of is not None:
        rows = rows.filter(row_days(rows, table=USAGE)[1] <= pl.lit(as_of))
    if "user" in schema:
        rows = one_spelling(select_users(rows, user_type, table=USAGE).collect(engine=IN_MEMORY))
    elif users and user_type != "all":  # summed over users, and still told apart
        rows = rows.filter(pl.col("user_type").cast(pl.String) == user_type)
    if metrics:  # without them nothing is added up
        rows = _without_duplicates(rows, [*metrics, *groups])
    if every is not None:
        rows = rows.with_columns(pl.col(_PERIOD).alias("period_start"))
        groups = [*groups, "period_start"]
    return rows.select(list(dict.fromkeys([*groups, *users, *metrics]))), groups


def user_sums(rows: pl.DataFrame, groups: Sequence[str], sums: Sequence[pl.Expr]) -> UserSums:
    """Sum the rows of each group and user, as :func:`usage_rows` returns them.

    A name is long and a number is short: so rows are told apart by a hash of their names.
    """
    names = list(dict.fromkeys([*groups, *(name for name in _USERS if name in rows.columns)]))
    if names:
        summed = rows.group_by(hashed(names).alias(_HASH)).agg(pl.col(names).first(), *sums)
    else:
        summed = rows.select(sums).head(min(1, rows.height))
    if groups:
        numbered = summed.select(groups).unique().sort(groups, nulls_last=True).with_row_index(GROUP)
        summed = summed.join(numbered, on=list(groups), how="left", nulls_equal=True)
    else:
        numbered = pl.DataFrame({GROUP: [0]}, schema={GROUP: pl.UInt32})
        summed = summed.with_columns(pl.lit(0, pl.UInt32).alias(GROUP))
    user = hashed(_USERS) if "user" in names else pl.lit(None, pl.UInt64)
    return UserSums(summed.select(GROUP, user.alias(USER_KEY), pl.exclude(_HASH, GROUP, *names)), numbered)


def _identity(schema: pl.Schema) -> list[pl.Expr]:
    """Return what tells a row from others where the frame is a table of the API: a hash of all columns but metrics.

    The user is not in it. Of a frame that the analyst cut or summed, equal rows may both be true: nothing then.
    """
    of_days = () if "user" in schema else tables.DAILY_USAGE.columns
    keys = (tables.EDITOR_LANGUAGE.key, (*tables.USER_ACTIVITY.key, "period_end"), of_days)
    if not any(names and set(schema).issuperset(names) for names in keys):
        return []
    return [hashed(name for name in schema if name not in {*METRICS, "active_days", "user"}).alias(_ROW)]


def _without_duplicates(rows: pl.DataFrame, values: list[str]) -> pl.DataFrame:
    """Drop rows that agree in what tells them apart and in what is counted, and say how many."""
    if _ROW not in rows.columns:
        return rows
    if "user" in rows.columns:
        rows = rows.with_columns(pl.col(_ROW) + pl.col("user").hash())
    if rows[_ROW].n_unique() == rows.height:  # nearly always
        return rows
    once = rows.unique(subset=list(dict.fromkeys([_ROW, *values])), keep="first", maintain_order=True)
    dropped = rows.height - once.height
    if dropped:
        warn_reader(f"Dropped {plural(dropped, 'duplicate row')} of {USAGE}.")
    return once


# ---- Which licences? ----


def spells_of(
    roster: pl.DataFrame | pl.LazyFrame, user_type: str = "person", *, keep: Iterable[str] = ()
) -> pl.DataFrame:
    """Return one row a user, licence period and team: ``user_key``, ``licensed_from``, ``licensed_to``, and ``keep``.

    The roster has been read or tidied (see :func:`.read_roster`). Without ``user_type`` it is one of people.
    Rows are sorted by user and start.
    """
    schema = columns_of(roster)
    rows = roster.lazy()
    if "user_type" not in schema:
        rows = rows.with_columns(user_type=pl.lit("person"))
    for name in ("licensed_from", "licensed_to"):
        if name not in schema:
            rows = rows.with_columns(pl.lit(None, dtype=pl.Date).alias(name))
    named = select_users(rows, user_type, table="roster").select(user_key(), "licensed_from", "licensed_to", *keep)
    return named.sort("user_key", "licensed_from", maintain_order=True).collect()


def licences_of(roster: pl.DataFrame | pl.LazyFrame, user_type: str = "person") -> pl.DataFrame:
    """Return one row a licensed user: ``user_key``, ``licensed_from``, ``licensed_to`` (null: open).

    Of a user with several rows (see :func:`spells_of`), the licence runs from the earliest start to the latest end,
    and is open where one of them is.
    """
    start, end = pl.col("licensed_from"), pl.col("licensed_to")
    return (
        spells_of(roster, user_type)
        .group_by("user_key")
        .agg(pl.when(start.is_not_null().all()).then(start.min()), pl.when(end.is_not_null().all()).then(end.max()))
        .sort("user_key")
    )


def is_licensed(first: pl.Expr, last: pl.Expr) -> pl.Expr:
    """Tell of each licence whether it is valid on at least one day from the first to the last."""
    begun = pl.col("licensed_from").is_null() | (pl.col("licensed_from") <= last)
    return begun & (pl.col("licensed_to").is_null() | (pl.col("licensed_to") >= first))


def on_roster(seen: pl.DataFrame, roster: pl.DataFrame) -> pl.DataFrame:
    """Join users by ``user_key`` to their licences; a DataWarning counts those who have none.

    The names are not in the warning: it may end in a log that more people read than the roster.
    """
    strangers = seen.join(roster, on="user_key", how="anti").height
    if strangers:
        warn_reader(f"Not counted: {plural(strangers, 'active user')} not on the roster. Hint: unmatched lists them.")
    return seen.join(roster, on="user_key", how="inner", maintain_order="left")


# ---- How are they computed? ----


def first_that_holds(words: Mapping[str, pl.Expr]) -> pl.Expr:
    """Return the first word whose condition holds, in each row; null where none does."""
    return pl.coalesce(pl.when(condition).then(pl.lit(word)) for word, condition in words.items())


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
