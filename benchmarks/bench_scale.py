"""What does an organisation of 10,000 people take over two years, and how does time grow to 100 million user-days?

Twelve million editor and language records, made up with the year's rhythm, are put into an archive
the way a sync does, and every analysis function is asked over them: each in a process of its own,
whose peak memory is then that question's alone. The tables come from ``archive.scan``; totals of weeks
and of the whole range, which the archive keeps as the API's windows, are summed from the records.
Goals: each question below 10 seconds and 2 GB.

Then weekly retention, lifecycle and trailing windows over coded user-days in Parquet files, a file
a month, from 1 million up: at most 40 bytes a user-day above 150 MB. ``python -m benchmarks.bench_scale
--full`` goes up to 100 million; ``python -m benchmarks scale`` ends at 10 million.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from augment_insights import Archive, analysis
from augment_insights.periods import DayRange
from augment_insights.tables import METRICS, USER_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PEOPLE = 64_000
"""About 10,000 of them come on a weekday; the others have left, or have not begun."""

DAYS = 730
FIRST = date(2024, 11, 18)
LAST = FIRST + timedelta(days=DAYS - 1)
FETCHED = datetime.combine(LAST, datetime.min.time(), UTC) + timedelta(days=5)
ORIGIN = "https://benchmark.invalid"
LANGUAGES = ("Python", "TypeScript", "Go", "Rust", "Java", "SQL", "Unknown")
EDITORS = ("VSCode", "JetBrains", "vim")
USER_DAYS = {"1M": 9_900, "3M": 29_700, "10M": 99_000, "30M": 297_000, "100M": 990_000}
DEFAULT_SIZES = ("1M", "3M", "10M")
GOAL_SECONDS, GOAL_MB, GOAL_CODED_BYTES, GOAL_CODED_MB = 10, 2_000, 40, 150


def active_days(people: int) -> Iterator[pl.DataFrame]:
    """Yield ``date`` and ``code`` of who was active, a day at a time: hired and gone, few at weekends."""
    number = pl.int_range(people, dtype=pl.UInt64)
    share = [(number.hash(seed) % 10_000) / 10_000 for seed in range(4)]
    everybody = pl.select(
        code=pl.int_range(people, dtype=pl.UInt32),
        hired=((share[0] * 1.2 - 0.2).clip(0) * DAYS).cast(pl.Int16),
        stays=(-(1 - share[1]).log() * 400).cast(pl.Int16) + 1,
        rate=(0.2 + 0.75 * share[2]).cast(pl.Float32),
    )
    for day in range(DAYS):
        chance = (pl.col("code").cast(pl.UInt64) * 1_000 + day).hash(7) % 10_000 / 10_000
        is_there = (pl.col("hired") <= day) & (day < pl.col("hired") + pl.col("stays"))
        usual = 1.0 if day % 7 < 5 else 0.1
        today = pl.lit(FIRST + timedelta(days=day))
        yield (
            everybody.lazy().filter(is_there, chance < pl.col("rate") * usual).select(date=today, code="code").collect()
        )


def months(people: int) -> Iterator[pl.DataFrame]:
    """Yield the active days a month at a time."""
    days: list[pl.DataFrame] = []
    for day in active_days(people):
        if days and day.height and day["date"][0].day == 1:
            yield pl.concat(days)
            days = []
        days.append(day)
    yield pl.concat(days)


# ---- Twelve million records in an archive ------------------------------------------------------


def records_of(active: pl.DataFrame) -> pl.DataFrame:
    """Make one to three records of each active day, with all sixteen metrics."""
    key = pl.col("code").cast(pl.UInt64) * 100_000 + pl.col("date").to_physical().cast(pl.UInt64)
    # One language for most, three for some: 1.9 on average. Neighbours in the list, so that none comes twice.
    many = pl.col("draw").replace_strict({0: 1, 1: 1, 2: 1, 3: 2, 4: 2, 5: 2, 6: 3, 7: 3}, return_dtype=pl.Int64)
    rows = active.with_columns(key=key, draw=key.hash(11) % 8).with_columns(nth=pl.int_ranges(many)).explode("nth")
    seed = pl.col("key") * 8 + pl.col("nth").cast(pl.UInt64)
    metrics = [
        pl.when(seed.hash(100 + at) % 10 < 7).then(seed.hash(200 + at) % 400).otherwise(0).cast(pl.Int64).alias(name)
        for at, name in enumerate(METRICS)
    ]
    language = (pl.col("code") % len(LANGUAGES) + pl.col("nth").cast(pl.UInt32)) % len(LANGUAGES)
    editor = pl.col("code") // 7 % len(EDITORS)
    names = {
        "user": _email(),
        "user_type": pl.lit("person", dtype=USER_TYPE),
        "language": pl.lit(pl.Series(LANGUAGES)).gather(language),
        "editor": pl.lit(pl.Series(EDITORS)).gather(editor),
    }
    columns = [*(column.alias(name) for name, column in names.items()), *metrics]
    return rows.select("date", *columns).sort("date", "user")


def _email() -> pl.Expr:
    return pl.format("first.lastname{}@engineering.example.com", pl.col("code"))


def fill(path: Path) -> None:
    """Put records, lists, counts and daily usage into an archive, a month a commit."""
    archive = Archive(path)
    for active in months(PEOPLE):
        records = records_of(active)
        first, last = active["date"].min(), active["date"].max()
        usage = records.group_by("date").agg(pl.col(METRICS).sum()).sort("date")
        tables = {
            "dau_count": usage.select("date").join(
                active.group_by("date").agg(user_count=pl.len().cast(pl.Int64)), "date"
            ),
            "daily_usage": usage,
            "dau": active.select("date", user=_email(), user_type=pl.lit("person", dtype=USER_TYPE)),
            "editor_language": records,
        }
        days = [DayRange(day, day) for day in DayRange(first, last)]  # type: ignore[arg-type]
        for name, frame in tables.items():
            archive.add(name, frame.sort(frame.columns[:2]), days, origin=ORIGIN, fetched_at=FETCHED)


def weekly(archive: Archive) -> pl.DataFrame:
    """Sum the records up to a row a user and week, as user-activity has them."""
    start = pl.col("date").dt.truncate("1w")
    return _summed(archive, start.alias("period_start"), (start + pl.duration(days=6)).alias("period_end"))


def totals(archive: Archive) -> pl.DataFrame:
    """Sum the records up to a row a user."""
    return _summed(archive, pl.lit(FIRST).alias("period_start"), pl.lit(LAST).alias("period_end"))


def _summed(archive: Archive, *span: pl.Expr) -> pl.DataFrame:
    return (
        archive.scan("editor_language")
        .group_by(*span, "user", "user_type")
        .agg(pl.col("date").n_unique().cast(pl.Int64).alias("active_days"), pl.col(METRICS).sum())
        .sort("period_start", "user")
        .collect(engine="streaming")
    )


def roster() -> pl.DataFrame:
    """Give everybody a licence, a year before the data begins, and a team."""
    code = pl.int_range(PEOPLE, dtype=pl.UInt32).alias("code")
    return pl.select(code).select(
        user=_email(),
        team=pl.format("team {}", pl.col("code") % 40),
        licensed_from=pl.lit(FIRST),
    )


def questions(path: Path) -> dict[str, Callable[[Any], Any]]:
    """Return every analysis function with the table that it is asked of: its name before the colon."""
    archive = Archive(path)
    middle = FIRST + timedelta(days=DAYS // 2)
    early, late = pl.col("date") < middle, pl.col("date") >= middle
    week: dict[str, Any] = {"every": "1w"}
    return {
        "dau: active_users": lambda days: analysis.active_users(days, **week),
        "dau: rolling_active_users": analysis.rolling_active_users,
        "dau: stickiness": analysis.stickiness,
        "dau: active_day_distribution": analysis.active_day_distribution,
        "dau: adoption_rate": lambda days: analysis.adoption_rate(days, licences=roster()),
        "dau: adoption_curve": lambda days: analysis.adoption_curve(days, licences=roster()),
        "dau: time_to_first_use": lambda days: analysis.time_to_first_use(days, roster()),
        "dau: unused_licences": lambda days: analysis.unused_licences(days, roster()),
        "dau: lifecycle": lambda days: analysis.lifecycle(days, **week),
        "dau: cohort_retention": lambda days: analysis.cohort_retention(days, **week),
        "dau: cohort_retention, unbounded": lambda days: analysis.cohort_retention(days, **week, kind="unbounded"),
        "dau: cohort_retention, recurring": lambda days: analysis.cohort_retention(days, **week, cohort="recurring"),
        "dau: retention_curve": lambda days: analysis.retention_curve(analysis.cohort_retention(days, **week)),
        "dau: survival": analysis.survival,
        "dau: join_roster": lambda days: analysis.join_roster(days, roster()).lazy().collect(),
        "totals: feature_adoption": analysis.feature_adoption,
        "totals: concentration": lambda frame: analysis.concentration(frame, metric="total_messages"),
        "weekly: mode_transitions": analysis.mode_transitions,
        "weekly: habit_ladder": lambda frame: analysis.habit_ladder(frame, roster=roster()),
        "editor_language: mode_mix": lambda frame: analysis.mode_mix(frame, every="1mo"),
        "editor_language: acceptance_rate by language": lambda frame: analysis.acceptance_rate(frame, by="language"),
        "editor_language: acceptance_rate by week": lambda frame: analysis.acceptance_rate(frame, **week),
        "editor_language: acceptance_rate by user": lambda frame: analysis.acceptance_rate(frame, by="user"),
        "editor_language: acceptance_distribution": analysis.acceptance_distribution,
        "editor_language: acceptance_change": lambda frame: analysis.acceptance_change(
            frame.filter(early), frame.filter(late), by="language"
        ),
        "editor_language: compare": lambda frame: analysis.compare(
            analysis.acceptance_rate(frame.filter(early)),
            analysis.acceptance_rate(frame.filter(late)),
            metric="acceptance_rate",
        ),
        "editor_language: suppress_small_groups": lambda frame: analysis.suppress_small_groups(
            analysis.acceptance_rate(frame, by="language"), by="language"
        ),
        "editor_language: pseudonymise": lambda frame: analysis.pseudonymise(frame, "key").sink_parquet(
            path.parent / "pseudonyms.parquet"
        ),
        "editor_language: reconcile": lambda frame: analysis.reconcile(
            dau_count=archive.scan("dau_count"),
            dau=archive.scan("dau"),
            daily_usage=archive.scan("daily_usage"),
            user_activity=pl.scan_parquet(path.parent / "totals.parquet"),
            editor_language=frame,
        ),
        "editor_language: data_quality": lambda frame: analysis.data_quality(
            dau_count=archive.scan("dau_count"), dau=archive.scan("dau"), editor_language=frame
        ),
    }


def table_of(path: Path, name: str) -> pl.LazyFrame:
    """Return the table that a question is asked of."""
    summed = path.parent / f"{name}.parquet"
    return pl.scan_parquet(summed) if summed.exists() else Archive(path).scan(name)


# ---- Measured in a process of its own ----------------------------------------------------------


def resident_mb() -> float:
    """Return what the process has in memory now (Linux)."""
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


def peak_mb() -> float:
    """Return the most that the process ever had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def answer(step: Callable[[], Any]) -> None:
    """Take a step, and print seconds and memory for the parent to read."""
    warnings.simplefilter("ignore")  # what the data says of itself is not what is measured here
    bare, started = resident_mb(), time.perf_counter()
    told = step()
    seconds = time.perf_counter() - started
    said = told if isinstance(told, dict) else {}
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb(), "above_mb": peak_mb() - bare, **said}))


def measured(*arguments: str) -> dict[str, Any]:
    """Run this file as another process, and return what it says of itself."""
    command = [sys.executable, "-m", "benchmarks.bench_scale", *arguments]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def ask(path: Path, name: str) -> None:
    """Ask one question."""
    question = questions(path)[name]
    answer(lambda: question(table_of(path, name.partition(":")[0])) is None)


def scan(path: Path) -> None:
    """Read every row of every column, without keeping them."""
    rows = Archive(path).scan("editor_language")
    answer(lambda: rows.select(pl.all().hash().sum()).collect(engine="streaming").height == 0)


def prepare_sums(path: Path) -> None:
    """Sum the records up to weeks and totals, for the questions that take these."""
    for name, summed in (("weekly", weekly), ("totals", totals)):
        summed(Archive(path)).write_parquet(path.parent / f"{name}.parquet")


def ask_coded(folder: Path) -> None:
    """Ask the three questions of coded user-days."""
    kind = pl.lit("person", dtype=USER_TYPE)
    coded = pl.scan_parquet(folder / "*.parquet").select("date", user="code", user_type=kind)

    def step() -> dict[str, float]:
        days = analysis.prepare(coded)
        took = {}
        for name, question in (
            ("retention", analysis.cohort_retention),
            ("lifecycle", analysis.lifecycle),
            ("windows", analysis.rolling_active_users),
        ):
            started = time.perf_counter()
            question(days)
            took[name] = time.perf_counter() - started
        return took

    answer(step)


# ---- Printed -----------------------------------------------------------------------------------


def main(*, full: bool = False) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        show_archive(Path(folder, "archive"))
    show_growth(USER_DAYS if full else DEFAULT_SIZES)


def show_archive(path: Path) -> None:
    """Print what an archive of two years takes, and each question over it."""
    started = time.perf_counter()
    measured("--fill", str(path))
    filled = time.perf_counter() - started
    held = Archive(path).describe().filter(pl.col("table") == "editor_language").row(0, named=True)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    rows, size_of_records = held["rows"], held["bytes"]
    print(f"scale: {rows:,} editor and language records over {DAYS} days, written in {filled:.0f} s", flush=True)
    print(
        f"  on disk: {size / 1e6:.0f} MB in all, records {size_of_records / 1e6:.0f} MB, "
        f"{size_of_records / rows:.1f} bytes each"
    )
    line("every column scanned", measured("--scan", str(path)))
    measured("--sums", str(path))
    failed = [name for name in questions(path) if not line(name, measured("--ask", str(path), name))]
    print(f"  not within {GOAL_SECONDS} s and {GOAL_MB:,} MB: {', '.join(failed) or 'none'}", flush=True)


def line(name: str, found: dict[str, Any]) -> bool:
    """Print what a question took, and return whether that is within the goals."""
    is_met = found["seconds"] < GOAL_SECONDS and found["peak_mb"] < GOAL_MB
    print(
        f"  {name:46} {found['seconds']:6.2f} s  peak {found['peak_mb']:6,.0f} MB, {found['above_mb']:6,.0f} above "
        f"the imports{'' if is_met else '  *'}",
        flush=True,
    )
    return is_met


def show_growth(sizes: Iterable[str]) -> None:
    """Print the time and memory of retention, lifecycle and windows over more and more coded user-days."""
    print("  weekly retention, lifecycle and windows of 1, 7 and 28 days over coded user-days, one prepared table:")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            rows = 0
            for number, month in enumerate(months(USER_DAYS[size])):
                month.write_parquet(Path(folder, f"{number:02}.parquet"), row_group_size=250_000)
                rows += month.height
            found = measured("--coded", folder)
        parts = ", ".join(f"{name} {found[name]:.2f}" for name in ("retention", "lifecycle", "windows"))
        goal = GOAL_CODED_MB + GOAL_CODED_BYTES * rows / 1e6
        verdict = "" if found["peak_mb"] <= goal else f"  * more than {goal:.0f}"
        print(
            f"  {size:>5}: {rows:>11,} rows, {found['seconds']:6.2f} s ({parts}), "
            f"{found['seconds'] / rows * 1e9:5.0f} ns a row, peak {found['peak_mb']:.0f} MB{verdict}",
            flush=True,
        )


STEPS: dict[str, Callable[..., None]] = {
    "--fill": lambda path: answer(lambda: fill(Path(path))),
    "--sums": lambda path: answer(lambda: prepare_sums(Path(path))),
    "--scan": lambda path: scan(Path(path)),
    "--ask": lambda path, name: ask(Path(path), name),
    "--coded": lambda folder: ask_coded(Path(folder)),
}
"""What a process of its own is asked to do."""

if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in STEPS:
        STEPS[sys.argv[1]](*sys.argv[2:])
    else:
        main(full="--full" in sys.argv)
