"""The door of questions about metrics: which rows count, and what each user did in each group.

Where :mod:`._population` says who and when, this says how much: a frame of metrics becomes rows
that may be summed, and rows become one sum a group and user.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

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

USER_KEY = "user_key"
"""The column of :func:`user_sums` that tells users apart."""


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


_PERIOD = "__period_start"


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
    hashes = pl.struct(identity).hash()
    seen, total = rows.select(hashes.n_unique().alias("seen"), pl.len().alias("total")).collect().row(0)
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


def user_sums(rows: pl.DataFrame, groups: Sequence[str], sums: Sequence[pl.Expr]) -> pl.DataFrame:
    """Sum the rows of each group and user: ``groups, user_key``, then the sums.

    ``sums`` are sums over rows, named after columns of their own; they are taken twice: over a
    user's spellings, then over the spellings of one user, so that only distinct names are
    lower-cased. A group column ``user`` becomes one spelling for each user, the first in the
    alphabet of those that the API gave.
    """
    spelled = rows.group_by([*groups, *(name for name in ("user", "user_type") if name not in groups)]).agg(sums)
    keyed = spelled.with_columns(user_key().alias(USER_KEY))
    if "user" in groups:
        keyed = keyed.with_columns(pl.col("user").min().over(USER_KEY))
    names = [expression.meta.output_name() for expression in sums]
    return keyed.group_by([*groups, USER_KEY]).agg(pl.col(names).sum())
