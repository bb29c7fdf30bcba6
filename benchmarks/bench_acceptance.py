"""What does an acceptance rate by user, language, editor, week, and language and editor cost?

Over 1.6 million records of one made-up organisation (10,000 users with e-mails of some 35 letters, 180 days,
each user with languages and editors of their own), all in memory. Once for each split, as the analyst
calls it: the counts, the rate and its interval over users. Beside them the same counts (users with a
suggestion, suggested, accepted) from DuckDB, in one query with grouping sets and in five; the sums alone,
which need no users apart, from DuckDB; and from pandas, if it is installed. Rounds are interleaved, and
the figures are ratios of medians to one bare Polars ``group_by("user")`` with the two sums.
"""

from __future__ import annotations

from datetime import date
from importlib.util import find_spec
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl

from augment_insights import analysis

if TYPE_CHECKING:
    from collections.abc import Callable

USERS = 10_000
DAYS = 180
DRAWS = 2_400_000
RECORDS = 1_600_000
ROUNDS = 5
SPLITS: tuple[dict[str, Any], ...] = (
    {"by": "user"},
    {"by": "language"},
    {"by": "editor"},
    {"every": "1w"},
    {"by": ["language", "editor"]},
)
SETS = ('"user"', "language", "editor", "week", "language, editor")
SUMS = "sum(completions_count), sum(completions_accepted), sum(completions_accepted) / sum(completions_count)"
COUNTS = f'count(distinct "user") filter (completions_count > 0), {SUMS}'
FROM = "from (select *, date_trunc('week', date) as week from records)"


def records() -> pl.DataFrame:
    """Make the records: users keep to three of 30 languages and two of five editors."""
    draw = pl.int_range(DRAWS, dtype=pl.UInt64)
    user = draw.hash(1) % USERS
    drawn = pl.select(
        user=user,
        day=(draw.hash(2) % DAYS).cast(pl.Int64),
        language=(user.hash(3) + (draw.hash(4) % 3) * 7) % 30,
        editor=(user.hash(5) + (draw.hash(6) % 2) * 3) % 5,
        completions_count=(draw.hash(7) % 60).cast(pl.Int64),
    ).unique(["user", "day", "language", "editor"], maintain_order=True)
    taken = drawn.head(RECORDS).with_columns(completions_accepted=pl.col("completions_count") * 3 // 10)
    names = pl.Series([f"firstname.lastname{number:05}@engineering.example" for number in range(USERS)])
    languages = pl.Series([f"Language{number:02}" for number in range(30)])
    editors = pl.Series([f"Editor{number}" for number in range(5)])
    return taken.select(
        (pl.lit(date(2026, 1, 5)) + pl.duration(days="day")).cast(pl.Date).alias("date"),
        user=names.gather(taken["user"]),
        user_type=pl.lit("person"),
        language=languages.gather(taken["language"]),
        editor=editors.gather(taken["editor"]),
        completions_count="completions_count",
        completions_accepted="completions_accepted",
    ).with_columns(pl.col("user_type").cast(pl.Enum(["person", "service_account"])))


def ours(frame: pl.DataFrame) -> list[pl.DataFrame]:
    """Ask for each split, one call a split."""
    return [analysis.acceptance_rate(frame, **split) for split in SPLITS]


def in_pandas(frame: Any) -> list[Any]:
    """Do the same the usual way: group, sum, divide; users with a suggestion counted apart."""
    import pandas as pd  # noqa: PLC0415 (only there if another package brought it)

    frame = frame.assign(week=frame["date"] - pd.to_timedelta(frame["date"].dt.weekday, unit="D"))
    found = []
    for split in (["user"], ["language"], ["editor"], ["week"], ["language", "editor"]):
        sums = frame.groupby(split)[["completions_count", "completions_accepted"]].sum()
        sums["rate"] = sums["completions_accepted"] / sums["completions_count"]
        sums["users"] = frame[frame["completions_count"] > 0].groupby(split)["user"].nunique()
        found.append(sums)
    return found


def contenders(frame: pl.DataFrame) -> dict[str, Callable[[], object]]:
    """Name what is measured."""
    connection = duckdb.connect()
    connection.register("frame", frame.with_columns(pl.col("user_type").cast(pl.String)).to_arrow())
    connection.execute("create table records as from frame")

    def ask(query: str) -> object:
        return connection.sql(query).to_arrow_table()

    sets = ", ".join(f"({names})" for names in SETS)
    found: dict[str, Callable[[], object]] = {
        "bare Polars group_by(user)": lambda: frame.group_by("user").agg(
            pl.col("completions_count", "completions_accepted").sum()
        ),
        "ours, with intervals over users": lambda: ours(frame),
        "DuckDB, sums only, grouping sets": lambda: ask(
            f'select "user", language, editor, week, {SUMS} {FROM} group by grouping sets ({sets})'
        ),
        "DuckDB, the same counts, grouping sets": lambda: ask(
            f'select "user", language, editor, week, {COUNTS} {FROM} group by grouping sets ({sets})'
        ),
        "DuckDB, the same counts, five queries": lambda: [
            ask(f"select {names}, {COUNTS} {FROM} group by {names}") for names in SETS
        ],
    }
    if find_spec("pandas") is not None:
        plain = frame.with_columns(pl.col("user_type").cast(pl.String), pl.col("date").cast(pl.Datetime)).to_pandas()
        found["pandas, the same counts"] = lambda: in_pandas(plain)
    return found


def main() -> None:
    """Measure and print the ratios."""
    frame = records()
    measured = contenders(frame)
    seconds: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(ROUNDS):
        for name, run in measured.items():
            begun = perf_counter()
            run()
            seconds[name].append(perf_counter() - begun)
    medians = {name: median(times) for name, times in seconds.items()}
    base = next(iter(medians.values()))
    print(f"Acceptance in five splits over {frame.height:,} records, {ROUNDS} interleaved rounds, ratios of medians:")
    for name, value in medians.items():
        print(f"  {name:42} {value / base:6.2f}   ({value:.3f} s)")


if __name__ == "__main__":
    main()
