"""What is missing, duplicate or unknown in the tables, and do they agree, before any figure is believed?"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict, cast

import polars as pl

from augment_insights.analysis.intervals import rate
from augment_insights.analysis.population import hashed, row_days, select_users
from augment_insights.errors import DateRangeError, did_you_mean
from augment_insights.metrics import METRICS
from augment_insights.periods import DayRange, parse_day
from augment_insights.tables import (
    CHECK_STATUS,
    DAILY_USAGE,
    DATA_QUALITY,
    DAU,
    DAU_COUNT,
    EDITOR_LANGUAGE,
    ENDPOINT_TABLES,
    MODE,
    RECONCILIATION,
    USER_ACTIVITY,
    columns_of,
    require,
    user_key,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from typing import Unpack

    from augment_insights.tables import Table

AnyFrame = pl.DataFrame | pl.LazyFrame


class ApiTables(TypedDict, total=False):
    """The API's tables by the names of their endpoints, any of them."""

    dau_count: AnyFrame | None
    dau: AnyFrame | None
    daily_usage: AnyFrame | None
    user_activity: AnyFrame | None
    editor_language: AnyFrame | None


_EVERY_DAY = ("dau_count", "daily_usage")
"""Tables with a row for every published day; in the others a day without users has none."""

_READINGS = {"all users": "all", "people": "person"}
_PERIOD = ["period_start", "period_end"]
_TOTALS = {
    "total_modified_lines_of_code": [f"{mode}_lines_of_code" for mode in MODE.categories if mode != "chat"],
    "total_messages": [f"{mode}_messages" for mode in MODE.categories if mode != "completions"],
}


def data_quality(
    *, start_date: date | str | None = None, end_date: date | str | None = None, **tables: Unpack[ApiTables]
) -> pl.DataFrame:
    """How much of the data is missing, duplicate or unknown?

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
    **tables
        ``dau_count``, ``dau``, ``daily_usage``, ``user_activity``, ``editor_language``: the API's tables, as fetched.
        Metrics that a frame does not have are not checked.
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
    given = _given(tables)
    days = None
    if start_date is not None and end_date is not None:
        days = DayRange(parse_day(start_date, name="start_date"), parse_day(end_date, name="end_date"))
        if days.end < days.start:
            raise DateRangeError(
                f"The range ends before it starts: {days}. Hint: swap start_date and end_date.",
                start=days.start,
                end=days.end,
            )
    found = [_checks(frame, ENDPOINT_TABLES[name], days) for name, frame in given.items()]
    counts = pl.concat([DATA_QUALITY.empty().drop("affected_share"), *found])
    return counts.with_columns(affected_share=rate(pl.col("affected_count"), pl.col("checked_count")))


def reconcile(*, both_readings: bool = True, **tables: Unpack[ApiTables]) -> pl.DataFrame:
    """How far does the API agree with itself, table by table, metric by metric, day by day?

    Over whatever tables are given, of these checks those that can be made:

    * ``dau_count = dau``: the count of a day, and the users listed for it;
    * ``user_activity active_days = dau_count``: user-days, counted in two ways;
    * ``user_activity = daily_usage: METRIC`` and ``editor_language = daily_usage: METRIC``: sums over users;
    * ``total_modified_lines_of_code = modes (TABLE)`` and ``total_messages = modes (TABLE)``: the API's
      own total, and the sum of its parts (lines: completions and agents; messages: chat and agents).

    People and automation are both in the sums. Whether dau-count holds service accounts is not
    documented: its two checks are read in both ways, ``(all users)`` and ``(people)``. Both readings
    have a row for the whole range; the days are those of the reading that fits better (of two that
    fit alike, all users).

    A difference is a finding, not an error: a published example of the API breaks its own sum of
    messages. A row that is missing, or a metric that is null, makes a day unknown; a day without
    users in ``dau`` or ``editor_language``, between their first and last days, is a day with 0.

    Parameters
    ----------
    **tables
        ``dau_count``, ``dau``, ``daily_usage``, ``user_activity``, ``editor_language``: the API's tables, as fetched.
        Metrics that a frame does not have are not checked.
    both_readings : bool
        False leaves out the reading that fits worse: what is left can be summed up.

    Returns
    -------
    DataFrame
        The table RECONCILIATION, in the order of the checks above, then by date:

        ======== ====== =====================================================================
        check    String what is compared
        date     Date   the UTC day, or the first of the period of ``user_activity``; null for the
                        whole range: the sum over all the days that both sides know
        left     Int64  the number left of ``=``
        right    Int64  the number right of it
        residual Int64  left - right; null when one is not known
        status   Enum   agrees, differs or unknown
        ======== ====== =====================================================================

        Sums of users over periods have a row for each period where there are several, and one for
        the whole range; checks of days have days only.

    Raises
    ------
    TableError
        A frame without the columns that name its rows, or whose days are not dates.

    See Also
    --------
    augment_insights.charts.reconcile : its chart.

    Examples
    --------
    >>> from datetime import date
    >>> counts = pl.DataFrame({"date": [date(2026, 1, 5)], "user_count": [2]})
    >>> listed = pl.DataFrame({"date": [date(2026, 1, 5)] * 2, "user": ["ada@x.io", "ci"],
    ...     "user_type": ["person", "service_account"]})
    >>> reconcile(dau_count=counts, dau=listed).select("check", "residual", "status").rows()
    [('dau_count = dau (all users)', 0, 'agrees'),
     ('dau_count = dau (all users)', 0, 'agrees'),
     ('dau_count = dau (people)', 1, 'differs')]
    """
    checked = {name: _checked(frame, ENDPOINT_TABLES[name]) for name, frame in _given(tables).items()}
    counts, usage, users = (
        checked[table.name].collect() if table.name in checked else None
        for table in (DAU_COUNT, DAILY_USAGE, USER_ACTIVITY)
    )
    # These two have the most rows: what is compared of them is one row a day, made in a stream.
    listed = _users_by_day(checked[DAU.name]) if DAU.name in checked else None
    languages = None
    if EDITOR_LANGUAGE.name in checked:
        records = checked[EDITOR_LANGUAGE.name]
        sums = [_known_sum(name) for name in METRICS if name in records.collect_schema()]
        languages = records.group_by("date").agg(sums).collect(engine="streaming")
    found: list[pl.DataFrame] = []
    if counts is not None and listed is not None:
        found += _count_of_users(counts, listed, both=both_readings)
    if counts is not None and users is not None and "active_days" in users.columns:
        found += _user_days(users, counts, both=both_readings)
    if users is not None and usage is not None:
        found += _periods_against_days(users, usage)
    if languages is not None and usage is not None:
        found += _records_against_days(languages, usage)
    for table, frame in (("daily_usage", usage), ("user_activity", users), ("editor_language", languages)):
        if frame is not None:
            found += _totals(frame, table)
    checks = pl.concat([RECONCILIATION.empty().select("check", "date", "left", "right"), *found])
    residual = pl.col("left") - pl.col("right")
    status = pl.when(residual == 0).then(pl.lit("agrees")).when(residual != 0).then(pl.lit("differs"))
    return checks.with_columns(residual=residual, status=status.otherwise(pl.lit("unknown")).cast(CHECK_STATUS))


def _given(tables: ApiTables) -> dict[str, AnyFrame]:
    """Return the tables that are there, in the order of the endpoints; a name that is none is refused."""
    unknown = next((name for name in tables if name not in ENDPOINT_TABLES), None)
    if unknown is not None:
        raise TypeError(f"{unknown!r} is no table of the API.{did_you_mean(unknown, list(ENDPOINT_TABLES))}")
    frames = cast("dict[str, AnyFrame | None]", tables)
    return {name: frame for name in ENDPOINT_TABLES if (frame := frames.get(name)) is not None}


def _checks(frame: AnyFrame, table: Table, days: DayRange | None) -> pl.DataFrame:
    """Return the checks of one table."""
    schema = columns_of(frame)
    require(schema, table.key, table=table.name)
    key = [user_key().alias("user") if name == "user" else pl.col(name) for name in table.key]
    metrics = [name for name in METRICS if name in schema]
    happened: dict[str, pl.Expr] = {}  # what is looked for row by row
    if metrics:
        happened["rows without some metric"] = pl.any_horizontal(pl.col(metrics).is_null())
    if {"completions_count", "completions_accepted"} <= set(metrics):
        happened["more accepted than suggested"] = pl.col("completions_accepted") > pl.col("completions_count")
    for name in ("language", "editor"):
        if name in table.key:
            known = pl.col(name).str.strip_chars().str.to_lowercase()
            happened[f"unknown {name}"] = known.is_null() | known.is_in(["", "unknown"])
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
    found: list[tuple[str, int, int]] = []
    if days is not None and inside is not None:
        found.append(("days missing", days.days - counted["days"], days.days))
    found.append(("rows twice", rows - counted["distinct"], rows))
    if "user" in table.key:
        written = frame.lazy().select("user_type", "user").unique().collect(engine="streaming")
        spellings = written.group_by(user_key()).len()["len"]
        found.append(("users in several spellings", spellings.filter(spellings > 1).len(), spellings.len()))
    found += [(what, counted[what], rows) for what in happened]
    schema = DATA_QUALITY.empty().drop("affected_share").schema
    return pl.DataFrame([(f"{table.name}: {what}", *counts) for what, *counts in found], schema=schema, orient="row")


def _checked(frame: AnyFrame, table: Table) -> pl.LazyFrame:
    """Return a frame whose rows can be named, lazily."""
    needed = [*table.key, *(["period_end"] if "period_start" in table.key else [])]
    require(columns_of(frame), (*needed, *(["user_count"] if table is DAU_COUNT else [])), table=table.name)
    row_days(frame, table=table.name)
    return frame.lazy()


def _users_by_day(listed: pl.LazyFrame) -> pl.DataFrame:
    """Count the users listed for each day, by each reading: ``date``, and a column a reading; duplicates are one."""
    named = select_users(listed, "all", table=DAU.name)
    people = pl.col("user_type").cast(pl.String) == "person"
    counted = named.group_by("date").agg(
        user_key().n_unique().alias("all users"), user_key().filter(people).n_unique().alias("people")
    )
    days = listed.select("date").unique().join(counted, on="date", how="left")
    return days.with_columns(pl.exclude("date").fill_null(0).cast(pl.Int64)).collect(engine="streaming")


def _known_sum(name: str) -> pl.Expr:
    """Sum a column; a sum with an unknown part is unknown."""
    return pl.when(pl.col(name).null_count() == 0).then(pl.col(name).sum()).cast(pl.Int64).alias(name)


def _rows(check: str, sides: pl.DataFrame, *, days: bool = True, whole: bool = False) -> list[pl.DataFrame]:
    """Return the rows of one check from ``date, left, right``: its days, and the whole range.

    The whole is the sum over the days that both sides know; null when there is none.
    """
    told = sides.sort("date").select(
        pl.lit(check).alias("check"), pl.col("date").cast(pl.Date), pl.col("left", "right").cast(pl.Int64)
    )
    known = told.drop_nulls(["left", "right"])
    total = pl.when(pl.len() > 0).then(pl.col("left", "right").sum())
    summed = known.select(pl.lit(check).alias("check"), pl.lit(None, pl.Date).alias("date"), total)
    return [*([told] if days else []), *([summed] if whole else [])]


def _readings(check: str, readings: dict[str, pl.DataFrame], *, days: bool, both: bool) -> list[pl.DataFrame]:
    """Report the days of the reading that fits better, and the whole range of each, or of that one alone."""
    misfit = {name: (sides["left"] - sides["right"]).abs().sum() for name, sides in readings.items()}
    best = min(readings, key=lambda name: misfit[name])  # the first of two that fit alike
    found = _rows(f"{check} ({best})", readings[best], days=days)
    for name in readings if both else [best]:
        found += _rows(f"{check} ({name})", readings[name], days=False, whole=True)
    return found


def _count_of_users(counts: pl.DataFrame, listed: pl.DataFrame, *, both: bool) -> list[pl.DataFrame]:
    """Compare the count of each day with the users listed for it."""
    first, last = listed["date"].min(), listed["date"].max()
    covered = pl.col("date").is_between(pl.lit(first, pl.Date), pl.lit(last, pl.Date))
    readings = {}
    for name in _READINGS:
        sides = counts.select("date", left="user_count").join(
            listed.select("date", right=name), on="date", how="full", coalesce=True
        )
        readings[name] = sides.with_columns(pl.when(covered).then(pl.col("right").fill_null(0)).otherwise("right"))
    return _readings("dau_count = dau", readings, days=True, both=both)


def _user_days(users: pl.DataFrame, counts: pl.DataFrame, *, both: bool) -> list[pl.DataFrame]:
    """Compare active days by user with users by day."""
    right = _over_periods(users, counts.rename({"user_count": "right"}), ["right"])
    readings = {}
    for name, user_type in _READINGS.items():
        kept = select_users(users, user_type, table=USER_ACTIVITY.name)
        left = kept.group_by(_PERIOD).agg(_known_sum("active_days").alias("left"), users=pl.len()).collect()
        # A period without a row of theirs is 0 user-days; one with an unknown part stays unknown.
        user_days = pl.when(pl.col("users") > 0).then("left").otherwise(0)
        sides = right.join(left, on=_PERIOD, how="left").with_columns(left=user_days)
        readings[name] = sides.select("left", "right", date="period_start")
    return _readings("user_activity active_days = dau_count", readings, days=right.height > 1, both=both)


def _over_periods(users: pl.DataFrame, days: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Sum days over the periods of ``user_activity``; a period with a day missing is unknown."""
    periods = users.select(_PERIOD).unique()
    inside = periods.join(days, how="cross").filter(pl.col("date").is_between("period_start", "period_end"))
    length = (pl.col("period_end") - pl.col("period_start")).dt.total_days() + 1
    summed = inside.group_by(_PERIOD).agg(pl.col("date").n_unique().alias("days"), *(_known_sum(n) for n in names))
    full = summed.with_columns(pl.when(pl.col("days") == length).then(pl.col(name)).alias(name) for name in names)
    return periods.join(full.drop("days"), on=_PERIOD, how="left").sort(_PERIOD)


def _periods_against_days(users: pl.DataFrame, usage: pl.DataFrame) -> list[pl.DataFrame]:
    """Compare sums over users with sums over days, metric by metric."""
    metrics = [name for name in METRICS if name in users.columns and name in usage.columns]
    left = users.group_by(_PERIOD).agg(_known_sum(name) for name in metrics)
    both = left.join(_over_periods(users, usage, metrics), on=_PERIOD, how="left", suffix="_right")
    found = []
    for name in metrics:
        sides = both.select(date="period_start", left=name, right=f"{name}_right")
        found += _rows(f"user_activity = daily_usage: {name}", sides, days=sides.height > 1, whole=True)
    return found


def _records_against_days(languages: pl.DataFrame, usage: pl.DataFrame) -> list[pl.DataFrame]:
    """Compare the summed records of each day with the day, metric by metric."""
    metrics = [name for name in METRICS if name in languages.columns and name in usage.columns]
    first, last = languages["date"].min(), languages["date"].max()
    summed = languages.select("date", pl.lit(value=True).alias("listed"), *metrics)
    both = summed.join(usage.select("date", *metrics), on="date", how="full", coalesce=True, suffix="_right")
    idle = pl.col("listed").is_null() & pl.col("date").is_between(pl.lit(first, pl.Date), pl.lit(last, pl.Date))
    found = []
    for name in metrics:
        sides = both.select("date", left=pl.when(idle).then(0).otherwise(name), right=f"{name}_right")
        found += _rows(f"editor_language = daily_usage: {name}", sides)
    return found


def _totals(frame: pl.DataFrame, table: str) -> list[pl.DataFrame]:
    """Compare the API's own totals with the sum of their parts, summed over users."""
    over = "date" if "date" in frame.columns else "period_start"
    whole = table == USER_ACTIVITY.name
    found = []
    for total, parts in _TOTALS.items():
        if not {total, *parts}.issubset(frame.columns):
            continue
        unknown = pl.sum_horizontal(pl.col(name).null_count() for name in parts)
        known_parts = pl.sum_horizontal(_known_sum(name) for name in parts)
        sides = frame.group_by(date=over).agg(
            _known_sum(total).alias("left"), right=pl.when(unknown == 0).then(known_parts)
        )
        found += _rows(f"{total} = modes ({table})", sides, days=not whole or sides.height > 1, whole=whole)
    return found
