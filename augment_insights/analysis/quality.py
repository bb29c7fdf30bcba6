"""What is missing, double or unknown in the tables, before any figure is believed?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from augment_insights.analysis._population import hashed, user_key
from augment_insights.analysis.intervals import rate
from augment_insights.errors import DateRangeError
from augment_insights.periods import DayRange, parse_day
from augment_insights.tables import DATA_QUALITY, ENDPOINT_TABLES, METRICS, columns_of, require

if TYPE_CHECKING:
    from datetime import date

    from augment_insights.tables import Table

_UNKNOWN = "unknown"
_EVERY_DAY = ("dau_count", "daily_usage")
"""Tables with a row for every published day; in the others a day without users has none."""


def data_quality(
    *,
    dau_count: pl.DataFrame | pl.LazyFrame | None = None,
    dau: pl.DataFrame | pl.LazyFrame | None = None,
    daily_usage: pl.DataFrame | pl.LazyFrame | None = None,
    user_activity: pl.DataFrame | pl.LazyFrame | None = None,
    editor_language: pl.DataFrame | pl.LazyFrame | None = None,
    start_date: date | str | None = None,
    end_date: date | str | None = None,
) -> pl.DataFrame:
    """How much of the data is missing, double or unknown?

    Over whatever tables are given, of these checks those that can be made:

    * days missing: of the range, days without a row in ``dau_count`` and ``daily_usage``, which have
      one for every published day;
    * rows twice: rows whose key (day or period, user, language, editor) stands in an earlier row too,
      whatever the case of the e-mail;
    * users in several spellings: users whose e-mail comes in more than one;
    * rows without some metric: rows in which at least one metric is null;
    * more accepted than suggested: rows with more accepted completions than suggested ones;
    * unknown language, unknown editor: rows in which it is ``"Unknown"``, empty or null.

    Counts are plain counts. A table without rows has nothing to check: its share is null, not 0.

    Parameters
    ----------
    dau_count, dau, daily_usage, user_activity, editor_language : DataFrame or LazyFrame, optional
        The API's tables, as fetched. Metrics that a frame does not have are not checked.
    start_date, end_date : date or "YYYY-MM-DD", optional
        The range that was fetched, both days included; without both, missing days are not looked for.

    Returns
    -------
    DataFrame
        The table DATA_QUALITY, one row a table and check, in this order:

        ============== ======= ===============================================================
        check          String  the table and what was looked for, such as ``dau: rows twice``
        affected_count Int64   rows (or days, or users) to which that happened
        checked_count  Int64   rows (or days, or users) that were looked at
        affected_share Float64 affected_count / checked_count, 0 to 1; null for 0/0
        ============== ======= ===============================================================

    Raises
    ------
    TableError
        A frame without the columns that name its rows.
    DateRangeError
        A date that is none, or an end before the start.

    See Also
    --------
    reconcile : whether the tables agree with one another.
    augment_insights.charts.data_quality : its chart.

    Examples
    --------
    >>> counts = pl.DataFrame({"date": ["2026-01-05", "2026-01-05"], "user_count": [2, 2]}).with_columns(
    ...     pl.col("date").str.to_date()
    ... )
    >>> data_quality(dau_count=counts, start_date="2026-01-05", end_date="2026-01-06").rows()
    [('dau_count: days missing', 1, 2, 0.5), ('dau_count: rows twice', 1, 2, 0.5)]
    """
    given = {
        "dau_count": dau_count,
        "dau": dau,
        "daily_usage": daily_usage,
        "user_activity": user_activity,
        "editor_language": editor_language,
    }
    days = _range(start_date, end_date)
    found = [_checks(frame, ENDPOINT_TABLES[name], days) for name, frame in given.items() if frame is not None]
    counts = pl.concat([DATA_QUALITY.empty().drop("affected_share"), *found])
    return counts.with_columns(affected_share=rate(pl.col("affected_count"), pl.col("checked_count")))


def _range(start_date: date | str | None, end_date: date | str | None) -> DayRange | None:
    if start_date is None or end_date is None:
        return None
    days = DayRange(parse_day(start_date, name="start_date"), parse_day(end_date, name="end_date"))
    if days.end < days.start:
        raise DateRangeError(
            f"The range ends before it starts: {days}. Hint: swap start_date and end_date.",
            start=days.start,
            end=days.end,
        )
    return days


def _checks(frame: pl.DataFrame | pl.LazyFrame, table: Table, days: DayRange | None) -> pl.DataFrame:
    """Return the checks of one table."""
    schema = columns_of(frame)
    require(schema, table.key, table=table.name)
    key = [user_key().alias("user") if name == "user" else pl.col(name) for name in table.key]
    happened = _happened(table, [name for name in METRICS if name in schema])
    inside = None if days is None or table.name not in _EVERY_DAY else pl.col("date").is_between(days.start, days.end)
    counted = (  # all at once, so that a large LazyFrame is read in a stream
        frame.lazy()
        .select(
            pl.len().alias("rows"),
            hashed(key).n_unique().alias("distinct"),
            pl.lit(0).alias("days") if inside is None else pl.col("date").filter(inside).n_unique().alias("days"),
            *(expression.sum().alias(what) for what, expression in happened.items()),
        )
        .collect(engine="streaming")
        .row(0, named=True)
    )
    rows = counted["rows"]
    checks: dict[str, tuple[int, int]] = {}
    if days is not None and inside is not None:
        checks["days missing"] = (days.days - counted["days"], days.days)
    checks["rows twice"] = (rows - counted["distinct"], rows)
    if "user" in table.key:
        checks["users in several spellings"] = _spellings(frame)
    checks |= {what: (counted[what], rows) for what in happened}
    return pl.DataFrame(
        [(f"{table.name}: {what}", *counts) for what, counts in checks.items()],
        schema=DATA_QUALITY.empty().drop("affected_share").schema,
        orient="row",
    )


def _happened(table: Table, metrics: list[str]) -> dict[str, pl.Expr]:
    """Return what is looked for row by row."""
    found: dict[str, pl.Expr] = {}
    if metrics:
        found["rows without some metric"] = pl.any_horizontal(pl.col(metrics).is_null())
    if {"completions_count", "completions_accepted"} <= set(metrics):
        found["more accepted than suggested"] = pl.col("completions_accepted") > pl.col("completions_count")
    for name in ("language", "editor"):
        if name in table.key:
            known = pl.col(name).str.strip_chars().str.to_lowercase()
            found[f"unknown {name}"] = known.is_null() | known.is_in(["", _UNKNOWN])
    return found


def _spellings(frame: pl.DataFrame | pl.LazyFrame) -> tuple[int, int]:
    """Count the users with more than one spelling, and all users."""
    written = frame.lazy().select("user_type", "user").unique().collect(engine="streaming")
    users = written.group_by("user_type", user_key().alias("key")).agg(spellings=pl.len())
    return users.filter(pl.col("spellings") > 1).height, users.height
