"""What do retention, trailing windows and lifecycles cost, beside DuckDB, pandas and row-by-row Python?

One made-up organisation over 730 days: users with a first day, a last day and a rate of their own,
few of them at weekends, e-mails of 30 letters, rows in the order of days. In memory everywhere,
DuckDB on its own native table, pandas on its own frame; what loading costs is in no figure. Each
pair is asked in turn, the answers are compared, and the figures are ratios in one run: of the
medians, of the best rounds, and of the processor time of the best rounds, which other work on the
machine disturbs least. "Again" is the median of a second call at once: the first one finds the caches,
the allocator's pages and the threads as another way has left them, which on a table of a million rows
is a fifth of its time. DuckDB and pandas compare names as they are; ours in lower case, and that is
part of its cost. The row-by-row peer of the lifecycle is retentioneering's ``to_daily_states``, a row
for each user and day until 30 days after the last; it is timed where that package is installed
(``pip install retentioneering``; the benchmark turns its telemetry off). A plain Python loop that
writes the same rows is timed in any case.
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from datetime import date
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, sleep
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import pandas as pd
import polars as pl

from augment_insights import analysis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DAYS = 730
FIRST = date(2024, 1, 1)
SIZES = {"1M": 9_920, "2M": 20_000, "10M": 99_200}
WINDOWS = (1, 7, 28)
ROUNDS = 7
SLOW_ROUNDS = 3

DISTINCT_AND_JOIN = """
    with p as (select distinct {user} u, date_trunc('week', date)::date w from activity),
         began as (select u, min(w) c from p group by u)
    select c, (w - c) // 7 k, count(*) n from p join began using (u) group by all order by all
"""
TEXTBOOK = """
    with began as (select {user} u, min(date) f from activity group by all)
    select date_trunc('week', f)::date c, (date_trunc('week', date)::date - date_trunc('week', f)::date) // 7 k,
        count(distinct u) n
    from activity join began on u = {user} group by all order by all
"""
LEAD = """
    with d as (select distinct {user} u, date from activity),
    g as (select date, lead(date) over (partition by u order by date) after from d),
    e as (select l, date as d, 1 as change from g, (select unnest([1, 7, 28]) l)
          union all select l, least(date + l::int, coalesce(after, date + l::int)), -1
          from g, (select unnest([1, 7, 28]) l)),
    s as (select l, d, sum(change) n from e group by all)
    select d, l, sum(n) over (partition by l order by d) from s order by all
"""
LAG_CELLS = """
    with d as (select distinct {user} u, date from activity),
    g as (select date, date - lag(date) over (partition by u order by date) gap from d),
    c as (select date, gap, count(*) n from g group by all),
    e as (select l, date as d, n as change from c, (select unnest([1, 7, 28]) l) where gap is null or gap >= l
          union all select l, date + l::int, -n from c, (select unnest([1, 7, 28]) l)
          union all select l, date - gap::int + l::int, n from c, (select unnest([1, 7, 28]) l) where gap < l),
    s as (select l, d, sum(change) n from e group by all)
    select d, l, sum(n) over (partition by l order by d) from s order by all
"""
LAG_AND_LEAD = """
    with d as (select distinct {user} u, date from activity),
    g as (select date, lag(date) over (partition by u order by date) b, lead(date) over (partition by u order by date) a
          from d)
    select date, count(*) filter (b is null), count(*) filter (b = date - 1), count(*) filter (b < date - 1),
        count(*) filter (a is null or a > date + 1)
    from g group by date order by date
"""


def make_activity(users: int) -> pl.DataFrame:
    """Make the activity, day after day: ``date, user, user_type`` and ``code``, the user's number."""
    number = pl.int_range(users, dtype=pl.UInt64)
    share = [(number.hash(seed) % 10_000) / 10_000 for seed in range(4)]
    people = pl.select(
        code=pl.int_range(users, dtype=pl.UInt32),
        hired=((share[0] * 1.2 - 0.2).clip(0) * DAYS).cast(pl.Int32),
        stays=(-(1 - share[1]).log() * 400).cast(pl.Int32) + 1,
        rate=0.2 + 0.75 * share[2],
    )
    chance = (pl.col("code").cast(pl.UInt64) * 1_000 + pl.col("day").cast(pl.UInt64)).hash(7) % 10_000 / 10_000
    days = []
    for day in range(DAYS):
        on_duty = (
            people.lazy()
            .with_columns(day=pl.lit(day))
            .filter(pl.col("hired") <= day, day < pl.col("hired") + pl.col("stays"))
        )
        usual = 1.0 if day % 7 < 5 else 0.1
        days.append(on_duty.filter(chance < pl.col("rate") * usual).select("day", "code"))
    names = pl.Series([f"firstname.lastname{number:06}@corp.io" for number in range(users)]).shuffle(seed=1)
    kinds = pl.Enum(["person", "service_account"])
    return (
        pl.concat(days)
        .collect()
        .select(
            date=pl.lit(FIRST) + pl.duration(days="day"),
            user=pl.lit(names).gather(pl.col("code")) + "",
            user_type=pl.lit("person", dtype=kinds),
            code="code",
        )
        .with_columns(pl.col("date").cast(pl.Date))
    )


class Engines:
    """One activity table, loaded by each engine."""

    def __init__(self, activity: pl.DataFrame) -> None:
        self.activity = activity.drop("code")
        self.codes = activity.select("date", "code")
        self.pandas = pd.DataFrame({"date": activity["date"].to_numpy(), "user": activity["user"].to_list()})
        self.connection = duckdb.connect()
        self.connection.register("arrow", activity.select("date", "user", "code").to_arrow())
        self.connection.execute("create table activity as select * from arrow")
        self.connection.unregister("arrow")

    def duckdb(self, sql: str, user: str) -> list[tuple[Any, ...]]:
        """Answer in SQL, over names or codes."""
        return self.connection.execute(sql.format(user=user)).fetchall()


def cohorts_in_pandas(frame: pd.DataFrame) -> pd.Series:
    """Count cohorts the usual way: the first date of each user, weeks of both, distinct users."""
    week = frame["date"].dt.to_period("W")
    cohort = frame.groupby("user")["date"].transform("min").dt.to_period("W")
    return frame.groupby([cohort, week])["user"].nunique()


def windows_in_pandas(frame: pd.DataFrame) -> list[int]:
    """Count each window on each day by its slice of rows, which are in order of days."""
    dates = frame["date"].to_numpy()
    users = frame["user"]
    days = pd.date_range(dates[0], dates[-1])
    counts = []
    for length in WINDOWS:
        left = dates.searchsorted((days - pd.Timedelta(days=length - 1)).to_numpy(), side="left")
        right = dates.searchsorted(days.to_numpy(), side="right")
        counts += [users.iloc[start:end].nunique() for start, end in zip(left, right, strict=True)]
    return counts


def states_row_by_row(frame: pl.DataFrame, *, silent_days: int) -> dict[tuple[int, str], int]:
    """Write the table of each user's state on each day from the first on, row after row, and count its states.

    A day of silence is a row too, until so many of them have passed after the user's last day.
    """
    active_days: dict[str, set[int]] = {}
    for day, user in frame.select((pl.col("date") - pl.lit(FIRST)).dt.total_days(), "user").iter_rows():
        active_days.setdefault(user.lower(), set()).add(day)
    states = []
    for user, days in active_days.items():
        begun = min(days)
        for day in range(begun, min(max(days) + silent_days + 1, DAYS)):
            before = day - 1 in days
            if day in days:
                state = "new" if day == begun else "returning" if before else "resurrected"
            else:
                state = "dormant" if before else "silent"
            states.append((user, day, state))
    return Counter((day, state) for _, day, state in states)


class Times(NamedTuple):
    """What one way took, in seconds; ``processor`` is all threads' together, ``again`` a second call's at once."""

    median: float
    best: float
    processor: float
    again: float | None


def daily_states_of_retentioneering(frame: pl.DataFrame) -> Callable[[], pd.DataFrame] | None:
    """Return the peer's own way to a row for each user and day with the user's state; None where it is missing."""
    if find_spec("retentioneering") is None:
        return None
    os.environ["RETENTIONEERING_NO_TRACK"] = "1"
    from retentioneering.eventstream.eventstream import Eventstream  # noqa: PLC0415 (a peer that need not be there)

    events = pd.DataFrame(
        {"user_id": frame["user"].to_list(), "event": "active", "timestamp": frame["date"].to_numpy()}
    )
    stream = Eventstream(events)
    return lambda: stream.to_daily_states(max_dormant_days=30).to_dataframe()


def check_daily_states(activity: pl.DataFrame, states: pd.DataFrame) -> None:
    """Compare who is new and who is active with the peer's rows; its other states split these by other gaps."""
    active = states[states["event"].isin(["new", "current", "reactivated", "resurrected"])]
    days = pd.to_datetime(active["timestamp"]).dt.date
    theirs_active, theirs_new = Counter(days), Counter(days[active["event"] == "new"])
    for row in analysis.lifecycle(activity, every="1d").iter_rows(named=True):
        day = row["period_start"]
        assert (row["active_users"], row["new_users"]) == (theirs_active[day], theirs_new[day]), row


def in_turn(ways: dict[str, Callable[[], Any]], rounds: int, *, rounds_again: int = 0) -> dict[str, Times]:
    """Time each way in turn, after one round to warm up; then each twice in a row in turn, the second time.

    On a machine that others use too, the best round and the processor time are the steadier figures.
    """
    alone = [{name: taken(way) for name, way in round_of(ways)} for _ in range(rounds + 1)][1:]
    again = [{name: (taken(way), taken(way))[1] for name, way in round_of(ways)} for _ in range(rounds_again)]
    times = {}
    for name in ways:
        wall, processor = zip(*(one[name] for one in alone), strict=True)
        second = median(one[name][0] for one in again) if again else None
        times[name] = Times(median(wall), min(wall), min(processor), second)
    return times


def round_of(ways: dict[str, Callable[[], Any]]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Go through the ways once; garbage is collected before the round, and not while one is timed."""
    gc.collect()
    gc.disable()
    try:
        yield from ways.items()
    finally:
        gc.enable()


def taken(way: Callable[[], Any]) -> tuple[float, float]:
    """Return the wall time and the processor time of one call."""
    begun = perf_counter(), process_time()
    way()
    return perf_counter() - begun[0], process_time() - begun[1]


def show(title: str, times: dict[str, Times], ours: str) -> None:
    """Print each way as a multiple of ours."""
    one = {figure: own for figure, own in times[ours]._asdict().items() if own is not None}
    print(f"  {title}: {ours} = 1 ({', '.join(f'{figure} {own * 1000:.0f} ms' for figure, own in one.items())})")
    for name, its in times.items():
        if name != ours:
            ratios = [f"{figure} {getattr(its, figure) / own:7.2f}" for figure, own in one.items()]
            print(f"    {name:<46} {'   '.join(ratios)}")


def check(engines: Engines) -> None:
    """Compare the answers before their cost."""
    activity = engines.activity
    cells = analysis.cohort_retention(activity, as_of=date(2026, 1, 4)).filter(pl.col("retained_users") > 0)
    ours = cells.select("cohort", "period", "retained_users").rows()
    for sql in (DISTINCT_AND_JOIN, TEXTBOOK):
        assert engines.duckdb(sql, '"user"') == ours
        assert engines.duckdb(sql, "code") == ours
    rolling = analysis.rolling_active_users(activity).select("date", "window_days", "active_users")
    states = analysis.lifecycle(activity, every="1d")
    leaving = states["dormant_users"].shift(-1, fill_value=states["active_users"][-1])  # whoever comes last on a day
    counts = states.select("period_start", "new_users", "returning_users", "resurrected_users", leaving)
    assert engines.duckdb(LAG_AND_LEAD, '"user"') == counts.rows()
    last = activity["date"].max()
    for sql in (LEAD, LAG_CELLS):
        found = [(day, length, int(users)) for day, length, users in engines.duckdb(sql, '"user"') if day <= last]
        assert pl.DataFrame(found, schema=rolling.schema, orient="row").join(rolling, on=rolling.columns).height == len(
            found
        )


def check_states(activity: pl.DataFrame) -> None:
    """Compare the daily lifecycle with the states counted row by row."""
    found = states_row_by_row(activity, silent_days=30)
    for day, row in enumerate(analysis.lifecycle(activity, every="1d").iter_rows(named=True)):
        for state in ("new", "returning", "resurrected", "dormant"):
            assert row[f"{state}_users"] == found[day, state], (row, state)


def compare_engines(engines: Engines, *, slow: bool) -> None:
    """Time retention and trailing windows against each engine."""
    activity = engines.activity
    prepared = analysis.prepare(activity)
    analysis.cohort_retention(prepared)
    ways: dict[str, Callable[[], Any]] = {
        "ours": lambda: analysis.cohort_retention(activity),
        "Polars, bare group_by(user).agg(min)": lambda: activity.group_by("user").agg(pl.col("date").min()),
        "DuckDB, distinct and join": lambda: engines.duckdb(DISTINCT_AND_JOIN, '"user"'),
        "DuckDB, the same in lower case": lambda: engines.duckdb(DISTINCT_AND_JOIN, 'lower("user")'),
        "DuckDB, textbook": lambda: engines.duckdb(TEXTBOOK, '"user"'),
    }
    show("weekly cohort retention from e-mails", in_turn(ways, ROUNDS, rounds_again=ROUNDS), "ours")
    ways = {
        "ours": lambda: analysis.cohort_retention(activity),
        "pandas, transform and nunique": lambda: cohorts_in_pandas(engines.pandas),
    }
    show("weekly cohort retention from e-mails", in_turn(ways, ROUNDS if slow else SLOW_ROUNDS), "ours")
    ways = {
        "ours, prepared": lambda: analysis.cohort_retention(prepared),
        "DuckDB, distinct and join": lambda: engines.duckdb(DISTINCT_AND_JOIN, "code"),
        "DuckDB, textbook": lambda: engines.duckdb(TEXTBOOK, "code"),
    }
    times = in_turn(ways, ROUNDS, rounds_again=ROUNDS)
    show("weekly cohort retention from users as integers", times, "ours, prepared")
    ways = {
        "ours": lambda: analysis.rolling_active_users(activity),
        "DuckDB, lead and events": lambda: engines.duckdb(LEAD, '"user"'),
        "DuckDB, lag and counted gaps": lambda: engines.duckdb(LAG_CELLS, '"user"'),
    }
    show("windows of 1, 7 and 28 days from e-mails", in_turn(ways, SLOW_ROUNDS), "ours")
    ways = {
        "ours": lambda: analysis.lifecycle(activity, every="1d"),
        "DuckDB, lag and lead": lambda: engines.duckdb(LAG_AND_LEAD, '"user"'),
    }
    show("daily lifecycle from e-mails", in_turn(ways, SLOW_ROUNDS), "ours")
    if slow:
        ways = {
            "ours": lambda: analysis.rolling_active_users(activity),
            "pandas, a slice for each window": lambda: windows_in_pandas(engines.pandas),
        }
        show("windows of 1, 7 and 28 days from e-mails", in_turn(ways, SLOW_ROUNDS), "ours")
        check_states(activity)
        ways = {
            "ours": lambda: analysis.lifecycle(activity, every="1d"),
            "row by row, until 30 days after the last": lambda: states_row_by_row(activity, silent_days=30),
            "row by row, until the end of the data": lambda: states_row_by_row(activity, silent_days=DAYS),
        }
        show("daily lifecycle", in_turn(ways, SLOW_ROUNDS), "ours")
        compare_with_retentioneering(activity)


def compare_with_retentioneering(activity: pl.DataFrame) -> None:
    """Time the lifecycle against the package that writes a row a user and day."""
    states = daily_states_of_retentioneering(activity)
    if states is None:
        print("  daily lifecycle beside retentioneering: not installed, not timed")
        return
    check_daily_states(activity, states())
    ways: dict[str, Callable[[], Any]] = {
        "ours": lambda: analysis.lifecycle(activity, every="1d"),
        "retentioneering, to_daily_states": states,
    }
    show("daily lifecycle", in_turn(ways, SLOW_ROUNDS), "ours")


def compare_together(activity: pl.DataFrame) -> None:
    """Time the three questions together on one prepared table against the dearest alone."""
    ways: dict[str, Callable[[], Any]] = {
        "retention": lambda: analysis.cohort_retention(activity),
        "lifecycle": lambda: analysis.lifecycle(activity),
        "windows": lambda: analysis.rolling_active_users(activity),
        "all three, prepared once": lambda: ask_all(activity),
    }
    times = in_turn(ways, ROUNDS)
    dearest = max((name for name in times if name != "all three, prepared once"), key=lambda name: times[name].best)
    show("together", times, dearest)


def ask_all(activity: pl.DataFrame) -> None:
    """Ask the three questions of one table."""
    days = analysis.prepare(activity)
    analysis.cohort_retention(days)
    analysis.lifecycle(days)
    analysis.rolling_active_users(days)


def peak_over_table(path: Path) -> float:
    """Return the most memory in use during the three questions, as a multiple of the table's own (Linux).

    What the process takes with the libraries warm and no table is left out; the table is in.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")

    def kilobytes(field: str) -> int:
        return int(status.read_text().split(f"{field}:")[1].split()[0])

    few = pl.scan_parquet(path).head(2_000).collect()
    ask_all(few)
    bare = kilobytes("VmRSS")
    activity = pl.scan_parquet(path).collect(engine="streaming").rechunk()
    for _ in range(8):  # what loading has freed goes back to the system after a while, and only when some is asked for
        sleep(0.2)
        ask_all(few)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again from here
    ask_all(activity)
    return (kilobytes("VmHWM") - bare) / (activity.estimated_size() / 1024)


def peak_in_a_fresh_process(activity: pl.DataFrame) -> float:
    """Measure the memory where nothing else has been done, so that no freed page of before is in the figure."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "activity.parquet"
        activity.write_parquet(path)
        with get_context("spawn").Pool(1) as pool:
            return pool.apply(peak_over_table, (path,))


def main() -> None:
    """Print the ratios at each size."""
    rolling = {}
    for size, users in SIZES.items():
        activity = make_activity(users)
        print(f"{size}: {activity.height:,} user-days of {activity['code'].n_unique():,} users")
        plain = activity.drop("code")
        print(f"  peak memory of the three questions, the table's own = 1: {peak_in_a_fresh_process(plain):.2f}")
        engines = Engines(activity)
        check(engines)
        compare_engines(engines, slow=size == "1M")
        compare_together(plain)
        times = in_turn({"windows": lambda frame=plain: analysis.rolling_active_users(frame)}, SLOW_ROUNDS)
        rolling[size] = (times["windows"].processor, activity.height)
    (few, few_rows), *_, (many, many_rows) = rolling.values()
    print(f"windows: {many / few:.1f} times the processor time for {many_rows / few_rows:.1f} times the rows")


if __name__ == "__main__":
    main()
