"""kill -9 at any point leaves a readable archive, without a lost or a duplicate day.

Run as a script, this file is the process that syncs and is killed. It reads orders, one a line: ``PATH STATE WHEN``,
and forks a child for each that syncs the archive at PATH with the records of STATE. WHEN is ``event N`` (the child
kills itself with SIGKILL at its N-th operation on files of the archive) or ``after S`` (it is killed S seconds after
it began to sync). A process that has used Polars cannot be forked: this one never does, its children do.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from augment_insights import Archive, Client, fetch, sample  # loaded before the fork, used after it
from augment_insights.periods import DayRange
from augment_insights.tables import ENDPOINT_TABLES

SINCE = date(2026, 2, 27)
SETTLED = date(2026, 3, 2)
TODAY = {"first": date(2026, 3, 5), "restated": date(2026, 3, 6)}
RESTATED = (date(2026, 2, 28), date(2026, 3, 2))
IDLE = date(2026, 3, 1)
KILLS = 205
LAST_EVENT = 120
LONGEST_SYNC = 0.15

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")]


def client(state: str, path: Path | str | None = None) -> Client:
    """Ask an organisation; in the state ``restated`` two of its days are others."""
    made = []
    for n in range((TODAY[state] - SINCE).days):
        day = SINCE + timedelta(days=n)
        others = state == "restated" and day in RESTATED
        for user in range(0 if day == IDLE else 1 + n % 4 + others):
            for language in ("Python", "Rust")[: 1 + user % 2]:
                metrics = {"total_messages": 10 * n + user + 7 * others, "chat_messages": n, "completions_count": user}
                who = {"date": day.isoformat(), "user_email": f"user{user}@example.com"}
                made.append({**who, "language": language, "editor": "VSCode", "metrics": metrics})
    return Client.serving(made, today=TODAY[state], archive=path or False, progress=False)


# ---- The process that is killed ----


def die_at_event(path: str, number: int) -> None:
    """Have this process killed at its N-th operation on the archive's files."""
    left = [number]

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        watched = event in ("open", "os.rename", "os.remove", "os.mkdir", "os.chmod", "os.truncate")
        if watched and arguments and str(arguments[0]).startswith(path):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def obey(order: str) -> str:
    """Fork a child that syncs, kill it as ordered, and say what became of it."""
    path, state, kind, number = order.split()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if kind == "event":
                die_at_event(path, int(number))
            os.write(writing, b".")
            fetch.sync(client(state, path), since=SINCE)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writing)
    os.read(reading, 1)
    os.close(reading)
    if kind == "after":
        time.sleep(float(number))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "killed" if os.WTERMSIG(status) == signal.SIGKILL else f"failed {status}"
    return "finished" if os.WEXITSTATUS(status) == 0 else f"failed {status}"


# ---- The test ----


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    """Start the process that forks syncing children and kills them."""
    environ = {**os.environ, "POLARS_MAX_THREADS": "1"}  # each child begins by starting them
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, __file__], env=environ, **pipes) as started:
        yield started


def send(process: subprocess.Popen[str], path: Path, state: str, when: str) -> str:
    """Have a child sync, killed when it is said, and return what became of it."""
    assert process.stdin is not None
    assert process.stdout is not None
    print(path, state, when, file=process.stdin, flush=True)
    return process.stdout.readline().strip()


def truth(state: str) -> dict[str, pl.DataFrame]:
    """Fetch what should be in the archive, without one: settled days, and the one window."""
    asking = client(state)
    days: dict[str, Any] = {"start_date": SINCE, "end_date": TODAY[state] - timedelta(days=3), "client": asking}
    tables = {name: getattr(fetch, name)(**days) for name in ENDPOINT_TABLES if name != "user_activity"}
    return {**tables, "user_activity": fetch.user_activity(SINCE, SETTLED, client=asking)}


def of_day(frame: pl.DataFrame, start: date, end: date) -> pl.DataFrame:
    return frame.filter(**({"date": start} if "date" in frame.columns else {"period_start": start, "period_end": end}))


def look(path: Path, true: dict[str, dict[str, pl.DataFrame]]) -> set[tuple[str, DayRange]]:
    """Read all that a killed sync left: each day once, as the API returned it first, or later and then logged."""
    archive = Archive(path)
    assert list(path.rglob(".tmp-*")) == []
    assert set(archive.check()["problem"]) <= {"missing", "disagrees"}
    restatements = archive.restatements()
    assert restatements.select("table", "day", "metric").is_unique().all()
    log = set(restatements.select("table", "day", "last_day").iter_rows())
    kept: set[tuple[str, DayRange]] = set()
    for name in ENDPOINT_TABLES:
        rows = archive.scan(name).collect()
        lines = archive.manifest(name)
        assert lines.select("start", "end").is_unique().all()
        assert lines["rows"].sum() == rows.height
        if lines.height:  # what an engine reads
            assert pl.scan_parquet(path / name / "*" / "*.parquet").select(pl.len()).collect().item() == rows.height
        for start, end in lines.select("start", "end").iter_rows():
            found = of_day(rows, start, end)
            first, restated = (found.equals(of_day(true[state][name], start, end)) for state in TODAY)
            is_later = (name, start, end) in log or end > SETTLED
            assert restated if is_later else first, (name, start)
            kept.add((name, DayRange(start, end)))
    return kept


def test_a_sync_that_is_killed_200_times_loses_and_duplicates_nothing(tmp_path, process):
    """After every kill each archived day is whole and there once, none is gone, and a sync goes on to the end.

    Half of the kills hit between two operations on the archive's files, half at any moment. An
    archive that is complete is synced again after the API restated two of its days, and then anew.
    """
    true = {state: truth(state) for state in TODAY}
    random = Random(20260301)
    path, state, kept = tmp_path / "archive", "first", set[tuple[str, DayRange]]()
    killed = finished = 0
    while killed < KILLS:
        at_event = random.random() < 0.5
        when = f"event {random.randrange(LAST_EVENT)}" if at_event else f"after {random.uniform(0, LONGEST_SYNC)}"
        outcome = send(process, path, state, when)
        assert outcome in ("killed", "finished")
        found = look(path, true) if path.exists() else set()
        assert kept <= found
        kept = found
        killed += outcome == "killed"
        if outcome == "finished":
            finished += 1
            archive = Archive(path)
            assert_frame_equal(archive.scan("editor_language").collect(), true[state]["editor_language"])
            assert archive.check().is_empty()
            if state == "restated":
                assert set(archive.restatements()["day"]) == {SINCE, *RESTATED}  # SINCE: of the window
                shutil.rmtree(path)
                kept = set()
            state = "restated" if state == "first" else "first"
    assert finished > 4
    assert send(process, path, state, "event 100000") == "finished"
    assert_frame_equal(Archive(path).scan("editor_language").collect(), true[state]["editor_language"])


if __name__ == "__main__":
    assert sample.AnalyticsApp
    for line in sys.stdin:
        sys.stdout.write(obey(line) + "\n")
        sys.stdout.flush()
