"""The door of questions about metrics: which rows count, and what each user did in each group.

Where :mod:`._population` says who and when, this says how much: a frame of metrics becomes rows
that may be summed, and rows become one sum a group and user.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from augment_insights.analysis._population import (
    IN_MEMORY,
    as_columns,
    check_user_type,
    data_end,
    engine_for,
    hashed,
    period_start,
    row_days,
    select_users,
    user_key,
)
from augment_insights.errors import DataWarning, TableError
from augment_insights.periods import check_every
from augment_insights.tables import DAILY_USAGE, EDITOR_LANGUAGE, USER_ACTIVITY, columns_of, require

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from augment_insights.periods import Every

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
