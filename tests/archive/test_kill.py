"""kill -9 at any point leaves a readable archive, without a lost or a doubled day."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from augment_insights import Archive, Client, fetch
from augment_insights.periods import DayRange
from augment_insights.tables import ENDPOINT_TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKER = Path(__file__).with_name("worker.py")
KILLS = 205
STATES = ("first", "restated")
LAST_EVENT = 120
LONGEST_SYNC = 0.15

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


def load_worker() -> Any:
    """Load the worker for the records that it syncs, without running it."""
    spec = importlib.util.spec_from_file_location("archive_worker", WORKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Worker:
    """The process that forks syncing children and kills them."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "POLARS_MAX_THREADS": "1"},  # each child begins by starting them
        )

    def order(self, path: Path, state: str, when: str) -> str:
        """Have a child sync, killed when it is said, and return what became of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{path} {state} {when}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


@pytest.fixture
def worker() -> Iterator[Worker]:
    started = Worker()
    yield started
    started.close()


def truth(state: str) -> dict[str, pl.DataFrame]:
    """Fetch what should be in the archive, without one: settled days, and the one window."""
    work = load_worker()
    client = Client.serving(work.records(state), today=work.TODAY[state], progress=False)
    end = work.TODAY[state] - timedelta(days=3)
    days: dict[str, Any] = {"start_date": work.SINCE, "end_date": end, "client": client}
    return {
        "dau_count": fetch.dau_count(**days),
        "daily_usage": fetch.daily_usage(**days),
        "user_activity": fetch.user_activity(work.SINCE, work.SETTLED, client=client),
        "dau": fetch.dau(**days),
        "editor_language": fetch.editor_language(**days),
    }


def rows_of(frame: pl.DataFrame, start: date, end: date) -> pl.DataFrame:
    if "date" in frame.columns:
        return frame.filter(pl.col("date") == start)
    return frame.filter(pl.col("period_start") == start, pl.col("period_end") == end)


def look(path: Path, true: dict[str, dict[str, pl.DataFrame]]) -> set[tuple[str, DayRange]]:
    """Read all that a killed sync left: each day as the API said first, or later with the first beside it."""
    archive = Archive(path)
    assert list(path.rglob(".tmp-*")) == []
    problems = archive.check()
    assert set(problems["problem"]) <= {"missing", "disagrees"}
    kept: set[tuple[str, DayRange]] = set()
    for name in ENDPOINT_TABLES:
        rows = archive.scan(name).collect()
        lines = archive.manifest(name)
        assert lines.select("start", "end").is_unique().all()
        assert lines["rows"].sum() == rows.height
        for start, end, version in lines.select("start", "end", "version").iter_rows():
            if version > 1:
                before = archive.read(name, DayRange(start, end), version=1)
                assert before.equals(rows_of(true["first"][name], start, end))
            found = rows_of(rows, start, end)
            assert any(found.equals(rows_of(true[state][name], start, end)) for state in STATES), (name, start)
            kept.add((name, DayRange(start, end)))
    return kept


def test_a_sync_that_is_killed_200_times_loses_and_doubles_nothing(tmp_path: Path, worker: Worker) -> None:
    """After every kill each archived day is whole and there once, none is gone, and a sync goes on to the end.

    Half of the kills hit between two operations on the archive's files, half at any moment. An
    archive that is complete is synced again after the API restated two of its days, and then anew.
    """
    true = {state: truth(state) for state in STATES}
    random = Random(20260301)
    path, state, kept = tmp_path / "archive", "first", set[tuple[str, DayRange]]()
    killed = finished = 0
    while killed < KILLS:
        at_event = random.random() < 0.5
        when = f"event {random.randrange(LAST_EVENT)}" if at_event else f"after {random.uniform(0, LONGEST_SYNC)}"
        outcome = worker.order(path, state, when)
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
                shutil.rmtree(path)
                kept = set()
            state = STATES[1 - STATES.index(state)]
    assert finished > 4
    assert worker.order(path, state, "event 100000") == "finished"
    assert_same_sums(path, true[state])


def assert_same_sums(path: Path, true: dict[str, pl.DataFrame]) -> None:
    """Compare with the truth what another engine adds up over the archive's files."""
    for name, frame in true.items():
        column = "user_count" if name == "dau_count" else "total_messages"
        files = f"'{path}/{name}/*/*.parquet'"
        value = f"sum({column})" if column in frame.columns else "count(*)"
        expected = frame[column].sum() if column in frame.columns else frame.height
        found = duckdb.sql(f"select {value} from {files}").fetchall()  # noqa: S608 (our own path and names)
        assert found == [(expected,)]
