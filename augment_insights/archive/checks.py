"""Whether the archive is whole: file against manifest, table against the organisation's counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from augment_insights.archive.month import (
    Entry,
    manifest_frame,
    read_entries,
    scan_rows,
    span_columns,
    summarise,
)
from augment_insights.errors import ArchiveError
from augment_insights.periods import DayRange
from augment_insights.tables import ENDPOINT_TABLES, METRICS, USER_ACTIVITY, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PROBLEM_SCHEMA = pl.Schema(
    {"table": pl.String, "start": pl.Date, "end": pl.Date, "problem": pl.String, "detail": pl.String}
)

_DETAILED = 3


def find_problems(root: Path, months: Mapping[str, Sequence[Path]], users: pl.DataFrame) -> pl.DataFrame:
    """Read everything, and return what is wrong."""
    manifest: list[tuple[str, Entry]] = []
    found: list[pl.DataFrame] = []
    for name, paths in months.items():
        table = ENDPOINT_TABLES[name]
        found.append(_strays(root, table, paths))
        for path in paths:
            problems, entries = _check_month(root, table, path, users)
            found.append(problems)
            manifest += [(name, entry) for entry in entries]
    whole = manifest_frame(manifest)
    found += [_gaps(whole), find_disagreements(whole)]
    return pl.concat(found).sort("table", "start", "end", "problem")


def _problem(table: Table, spans: Sequence[DayRange], problem: str, detail: str) -> pl.DataFrame:
    rows = [
        {"table": table.name, "start": span.start, "end": span.end, "problem": problem, "detail": detail}
        for span in spans
    ]
    return pl.DataFrame(rows, schema=PROBLEM_SCHEMA)


def _strays(root: Path, table: Table, paths: Sequence[Path]) -> pl.DataFrame:
    """Name files that an engine would read with the table, and that are not the archive's."""
    every = [path for path in sorted((root / table.name).rglob("*")) if path.is_file()]
    strays = [path for path in every if path not in paths and not path.name.startswith(".tmp-")]
    rows = [{"table": table.name, "problem": "stray", "detail": str(path.relative_to(root))} for path in strays]
    return pl.DataFrame(rows, schema=PROBLEM_SCHEMA)


def _check_month(root: Path, table: Table, path: Path, users: pl.DataFrame) -> tuple[pl.DataFrame, list[Entry]]:
    """Hold a file's rows against its manifest."""
    try:
        entries = read_entries(path)
        rows = scan_rows(table, [path]).collect()
    except (ArchiveError, pl.exceptions.PolarsError, OSError) as error:
        detail = f"{path.relative_to(root)}: {type(error.__cause__ or error).__name__}"
        line = {"table": table.name, "problem": "damaged", "detail": detail}
        return pl.DataFrame([line], schema=PROBLEM_SCHEMA), []
    key = span_columns(table)
    spans = [DayRange(row[0], row[-1]) for row in rows.select(key).unique().sort(key).iter_rows()]
    unlisted = [span for span in spans if span not in entries or not path.parent.name.endswith(f"{span.start:%Y-%m}")]
    problems = [_problem(table, unlisted, "damaged", "rows of a day that is not in the manifest")]
    double = _double(table, rows)
    problems.append(_problem(table, double, "double", "a row stands there twice"))
    if "user" in table.columns:
        unknown = rows.filter(pl.col("user_code") >= users.height)
        nameless = [DayRange(row[0], row[-1]) for row in unknown.select(key).unique().sort(key).iter_rows()]
        problems.append(_problem(table, nameless, "damaged", "users without a name in users.parquet"))
    again = summarise(table, rows, list(entries), fetched_at=next(iter(entries.values())).fetched_at) if entries else {}
    differing = [span for span in entries if _said(again[span]) != _said(entries[span]) and span not in double]
    problems.append(_problem(table, differing, "damaged", "rows and manifest differ"))
    return pl.concat(problems), list(entries.values())


def _said(entry: Entry) -> tuple[object, ...]:
    return entry.rows, entry.users, entry.totals


def _double(table: Table, rows: pl.DataFrame) -> list[DayRange]:
    """Return the days that hold a row twice."""
    names = {"user": ["user_code"], "user_type": [], "period_start": ["period_start", "period_end"]}
    unique = [stored for name in table.key for stored in names.get(name, [name])]
    twice = rows.filter(rows.select(unique).is_duplicated())
    key = span_columns(table)
    return [DayRange(row[0], row[-1]) for row in twice.select(key).unique().sort(key).iter_rows()]


def _gaps(manifest: pl.DataFrame) -> pl.DataFrame:
    """Return the days between a table's first and last that were not fetched, one row a gap."""
    days = manifest.filter(pl.col("table") != USER_ACTIVITY.name).sort("table", "start")
    one_day = pl.duration(days=1)
    until = pl.col("start").shift(-1).over("table") - one_day
    gaps = days.select("table", (pl.col("start") + one_day).alias("start"), until.alias("end"))
    return gaps.filter(pl.col("start") <= pl.col("end")).select(
        "table", "start", "end", pl.lit("missing").alias("problem"), pl.lit("not fetched").alias("detail")
    )


def find_disagreements(manifest: pl.DataFrame) -> pl.DataFrame:
    """Hold lists, records and windows against the counts and the usage of the same days."""
    counts = manifest.filter(pl.col("table") == "dau_count").select("start", "user_count")
    usage = manifest.filter(pl.col("table") == "daily_usage").select("start", *METRICS)
    days = manifest.filter(pl.col("table").is_in(["dau", "editor_language"]))
    windows = manifest.filter(pl.col("table") == USER_ACTIVITY.name)
    wanted_users = pl.col("users") != pl.col("wanted_user_count")
    by_day = days.join(counts.select("start", wanted_user_count="user_count"), on="start", how="left").join(
        usage.select("start", pl.col(METRICS).name.prefix("wanted_")), on="start", how="left"
    )
    by_window = windows.join(_over(windows, counts, ["user_count"]), on=["start", "end"], how="left").join(
        _over(windows, usage, list(METRICS)), on=["start", "end"], how="left"
    )
    wanted_days = pl.col("active_days") != pl.col("wanted_user_count")
    return pl.concat(
        [
            _differing(by_day, {"users": wanted_users}),
            _differing(by_window, {"active_days": wanted_days}),
        ]
    )


def _over(windows: pl.DataFrame, daily: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Sum daily numbers over each window; null where a day of it is not kept, or has none."""
    spans = windows.select("start", "end").unique().sort("start", "end")
    pairs = spans.join_where(
        daily.rename({"start": "day"}), pl.col("day") >= pl.col("start"), pl.col("day") <= pl.col("end")
    )
    length = (pl.col("end") - pl.col("start")).dt.total_days() + 1
    sums = [
        pl.when(pl.col(name).count() == length.first()).then(pl.col(name).sum()).alias(f"wanted_{name}")
        for name in names
    ]
    return pairs.group_by("start", "end").agg(sums)


def _differing(lines: pl.DataFrame, tests: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """Return the lines in which any number differs, and name the first few that do."""
    every = {**tests, **{name: pl.col(name) != pl.col(f"wanted_{name}") for name in METRICS}}
    told = [
        pl.when(test.fill_null(value=False)).then(
            pl.format("{} {} against {}", pl.lit(name), pl.col(name), pl.col(_wanted(name)))
        )
        for name, test in every.items()
    ]
    detail = pl.concat_list(told).list.drop_nulls().list.head(_DETAILED).list.join("; ")
    problem = pl.when(pl.col("confirmed") > 0).then(pl.lit("confirmed")).otherwise(pl.lit("disagrees"))
    found = lines.select("table", "start", "end", problem.alias("problem"), detail.alias("detail"))
    return found.filter(pl.col("detail") != "")


def _wanted(name: str) -> str:
    return "wanted_user_count" if name in ("users", "active_days") else f"wanted_{name}"
