"""The door of questions about metrics: which rows count, and what each user did in each group.

Where :mod:`._population` says who and when, this says how much: a frame of metrics becomes rows
that may be summed, and rows become one sum a group and user.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from augment_insights.analysis._population import (
    as_columns,
    check_user_type,
    data_end,
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
    require(schema, tuple(metrics), table=USAGE)
    groups = as_columns(by, frame, reserved=[*reserved, *(["period_start"] if every else [])], table=USAGE)
    rows = frame.lazy()
    if every is not None:
        rows = _with_calendar_period(frame, check_every(every))
    if as_of is not None:
        _, end = row_days(frame, table=USAGE)
        rows = rows.filter(end <= pl.lit(data_end(frame, as_of), dtype=pl.Date))
    users = [name for name in ("user", "user_type") if name in schema]
    if "user" in schema:
        rows = select_users(rows, user_type, table=USAGE)
    elif user_type == "service_account":
        raise TableError(
            "This frame has no users, so automation cannot be told apart in it.",
            table=USAGE,
            missing=("user", "user_type"),
            hint="use a table with users: fetch.user_activity(...) or fetch.editor_language(...).",
        )
    identity = _identity(schema)
    grouped = [*groups, *(["period_start"] if every else [])]
    calendar = {"period_start": pl.col(_PERIOD)} if every else {}
    needed = list(dict.fromkeys([*grouped, *users, *metrics]))
    kept = _each_once(rows, identity, [*metrics, *groups])
    return kept.with_columns(**calendar).select(needed).collect(), grouped


def _with_calendar_period(frame: pl.DataFrame | pl.LazyFrame, every: Every) -> pl.LazyFrame:
    """Add the first day of each row's period; refuse a row that lies in two periods."""
    start, end = row_days(frame, table=USAGE)
    first = period_start(start, every)
    astray = frame.lazy().filter(first != period_start(end, every)).select(start=start, end=end).sort("start", "end")
    found = astray.head(1).collect()
    if found.height:
        from_day, to_day = found.row(0)
        raise TableError(
            f"every={every!r} cannot be answered from a row that spans {from_day} to {to_day}: nobody knows "
            "on which side of a border the activity was.",
            table=USAGE,
            hint=f"fetch finer rows: fetch.user_activity(..., every={every!r}), or fetch.editor_language(...).",
        )
    return frame.lazy().with_columns(first.alias(_PERIOD))


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


def _each_once(rows: pl.LazyFrame, identity: list[str], values: list[str]) -> pl.LazyFrame:
    """Leave out rows that stand twice, and say how many.

    Only hashes are compared at first: nearly always nothing is double, and then it costs little.
    """
    if not identity:
        return rows
    seen, total = rows.select(_hashed(identity).n_unique().alias("seen"), pl.len().alias("total")).collect().row(0)
    if seen == total:
        return rows
    whole = list(dict.fromkeys([*identity, *values]))
    once = rows.collect().unique(subset=whole, keep="first", maintain_order=True)
    if once.height < total:
        left_out = total - once.height
        warnings.warn(
            f"{left_out} row{'s' if left_out > 1 else ''} of {USAGE} stand{'' if left_out > 1 else 's'} there twice "
            "and count once.",
            DataWarning,
            stacklevel=4,
        )
    return once.lazy()


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

    A name is long and a number is short: groups and users become numbers once, in the order of
    their names, and all the rest is arithmetic on integers. Names are lower-cased among the
    distinct ones only. A group column ``user`` becomes one spelling for each user, the first in the
    alphabet of those that the API gave.
    """
    if "user" in rows.columns:
        users, spelling = _number_users(rows)
        if "user" in groups:
            rows = rows.with_columns(spelling)
    else:
        users = pl.select(pl.repeat(None, rows.height, dtype=pl.UInt32)).to_series()
    numbers, named = _number_groups(rows, groups)
    span = max(1, users.n_unique())
    packed = numbers.cast(pl.UInt64) * span + users.fill_null(0)
    summed = rows.group_by(packed.alias(_PACKED)).agg(sums).sort(_PACKED)
    user = (pl.col(_PACKED) % span).cast(pl.UInt32)
    keyed = summed.select(
        (pl.col(_PACKED) // span).cast(pl.UInt32).alias(GROUP),
        (user if "user" in rows.columns else pl.lit(None, pl.UInt32)).alias(USER_KEY),
        pl.exclude(_PACKED),
    )
    return UserSums(keyed, named)


def _hashed(names: Sequence[str]) -> pl.Expr:
    """Return one integer a row for the columns named; a sum of hashes is several times faster than a struct's.

    Two of a million rows share 64 bits with a chance of 3e-8.
    """
    return sum((pl.col(name).hash(seed) for seed, name in enumerate(names, start=1)), pl.lit(0, pl.UInt64))


def _distinct(rows: pl.DataFrame, names: Sequence[str]) -> tuple[pl.Series, pl.DataFrame]:
    """Return a hash a row, and each distinct combination of the columns with its hash."""
    hashes = rows.select(_hashed(names).alias(_HASH)).to_series()
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
        only = pl.select(pl.repeat(0, rows.height, dtype=pl.UInt32)).to_series()
        return only, pl.DataFrame({GROUP: [0]}, schema={GROUP: pl.UInt32})
    hashes, groups = _distinct(rows, names)
    groups = groups.sort(names, nulls_last=True).with_row_index(GROUP)
    numbers = hashes.to_frame().join(groups.select(_HASH, GROUP), on=_HASH, how="left", maintain_order="left")[GROUP]
    return numbers, groups.select(GROUP, *names)
