"""What the reliability tests share: how much is tried, from which seed, the record of it, and a machine to be harmed.

``make reliability`` tries it all, and writes what was tried to ``docs/reliability.md``; ``make test`` tries a share.
Variables steer it: ``RELIABILITY_SCALE`` (1 is the full run), ``RELIABILITY_SECONDS`` (the most for each kind),
``RELIABILITY_SEED`` (another run of the same cases) and ``RELIABILITY_RECORD`` (the file to write).
"""

import math
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, seed, settings
from polars.testing import assert_frame_equal

from augment_insights import Client, fetch, sample
from augment_insights.tables import ENDPOINT_TABLES

QUICK = 0.02
SCALE = float(os.environ.get("RELIABILITY_SCALE") or QUICK)
SECONDS = float(os.environ.get("RELIABILITY_SECONDS") or math.inf)
SEED = int(os.environ.get("RELIABILITY_SEED") or secrets.randbelow(10**9))
COMMAND = str(Path(sys.executable).with_name("augment-insights"))
DAYS = 9

RECORD = """# What was tried to break it

Written by `make reliability`: {date}, {python}, seed {seed}, {limit}{share:.0%} of the full run.
A case is lost when a table is wrong, a part is shown as a whole, something hangs, a lock or half a file stays behind,
or a traceback ends it.

| what was tried | full run | tried | lost | seconds |
| --- | ---: | ---: | ---: | ---: |
{lines}

With `RELIABILITY_SEED={seed}` the same cases are drawn again; only the moments at which processes are ended differ,
as a machine is never twice equally busy. `RELIABILITY_SCALE` says how much is tried: 1 is the full run, and `make test`
tries {quick:.0%} of it. The API token of the tests is searched for in every byte that the whole suite leaves
(`no_trace_of_the_token` in `tests/conftest.py`).
"""


@dataclass
class Line:
    """A line of the record."""

    what: str
    full: int
    begun: float
    tried: int = 0
    is_over: bool = False
    note: str = ""
    seconds: float = 0.0

    def count(self, cases: int) -> None:
        """Add cases that went well."""
        self.tried += cases
        self.seconds = time.monotonic() - self.begun

    def __str__(self) -> str:
        lost = self.note or ("nothing" if self.is_over else "**one, see the test**")
        return f"| {self.what} | {self.full:,} | {self.tried:,} | {lost} | {self.seconds:,.0f} |"


LINES: list[Line] = []


@pytest.fixture
def random(request) -> Random:
    """Return what this test draws from; the seed is shown where it fails."""
    sys.stdout.write(f"RELIABILITY_SEED={SEED}\n")
    return Random(f"{SEED} {request.node.name}")


@pytest.fixture
def trials() -> Callable[..., Iterator[int]]:
    """Count through so many cases of the full run as are tried this time, and write them down."""

    def count(what: str, full: int, *, each: int = 1, least: int = 1) -> Iterator[int]:
        line = Line(what, full, time.monotonic())
        LINES.append(line)
        for number in range(max(least, math.ceil(full * SCALE / each))):
            if number >= least and line.seconds > SECONDS:
                break
            yield number
            line.count(each)
        line.is_over = True

    return count


@pytest.fixture
def drawn() -> Callable[..., None]:
    """Do something with so many drawn cases of the full run as are tried this time, and write them down."""

    def run(what: str, full: int, case: Callable[..., None], /, *, each: int = 1, **strategies: Any) -> None:
        line = Line(what, full, time.monotonic())
        LINES.append(line)

        @seed(SEED)
        @settings(max_examples=max(1, math.ceil(full * SCALE / each)), database=None, deadline=None)
        @given(**strategies)
        def one(**values: Any) -> None:
            if line.seconds > SECONDS:
                pytest.skip("as far as it came")  # what hypothesis lets through at once
            case(**values)
            line.count(each)

        with suppress(pytest.skip.Exception):
            one()
        line.is_over = True

    return run


@pytest.fixture
def leave_out() -> Callable[[str, int, str], None]:
    """Write down that something could not be tried here, and skip the test."""

    def skip(what: str, full: int, reason: str) -> None:
        LINES.append(Line(what, full, 0.0, note=f"not tried: {reason}"))
        pytest.skip(reason)

    return skip


def pytest_terminal_summary(terminalreporter) -> None:
    """Print the seed, and write the record where it is asked for."""
    if not LINES:
        return
    terminalreporter.write_line(f"reliability: seed {SEED}, scale {SCALE:g}")
    path = os.environ.get("RELIABILITY_RECORD")
    if path:
        text = RECORD.format(
            date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            python=f"Python {sys.version.split()[0]} on {sys.platform}",
            seed=SEED,
            share=SCALE,
            limit="" if math.isinf(SECONDS) else f"each kind as far as it came in {SECONDS:g} seconds and up to ",
            lines="\n".join(map(str, LINES)),
            quick=QUICK,
        )
        Path(path).write_text(text, encoding="utf-8")


# ---- A machine ----


def records() -> list[dict[str, Any]]:
    """Make up nine days of some users, one day on which nobody worked among them."""
    made = []
    for n in range(DAYS):
        day = datetime.now(UTC).date() - timedelta(days=DAYS - n)
        for user in range(0 if n == 2 else 4 + n % 3):
            metrics = {"total_messages": 10 * n + user, "chat_messages": n, "completions_count": user}
            who = {"date": day.isoformat(), "user_email": f"user{user}@example.com"}
            made.append({**who, "language": ("Python", "Rust")[user % 2], "editor": "VSCode", "metrics": metrics})
    return made


class Machine:
    """A folder with a cache, an archive and what commands leave, and an API over a socket with a truth of its own."""

    now = staticmethod(lambda: datetime.now(UTC))

    def __init__(self, folder: Path, url: str, made: list[dict[str, Any]]) -> None:
        self.folder, self.url = folder, url
        today = datetime.now(UTC).date()
        self.first, self.last = today - timedelta(days=DAYS), today - timedelta(days=4)
        self.archive = folder / "archive"
        self.store = sample.RecordStore(made)
        self.truth = self.read(Client.serving(made, today=today, progress=False))
        self.new_account()

    def new_account(self) -> None:
        """Go on with a new token, whose rate limit is full; the archive stays."""
        self.token = f"tok-canary-{secrets.token_hex(8)}"

    @property
    def environ(self) -> dict[str, str]:
        """The variables of a process of this machine."""
        return {
            **os.environ,
            "AUGMENT_API_TOKEN": self.token,
            "AUGMENT_API_URL": self.url,
            "AUGMENT_INSIGHTS_CACHE": str(self.folder / "cache"),
            "AUGMENT_INSIGHTS_ARCHIVE": str(self.archive),
            "POLARS_MAX_THREADS": "1",
        }

    @property
    def range(self) -> tuple[str, ...]:
        """The options that name the days."""
        return "--start-date", str(self.first), "--end-date", str(self.last)

    def start(self, *command: str, environ: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command."""
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([COMMAND, *command], cwd=self.folder, env=environ or self.environ, **pipes)

    def run_python(self, code: str, *arguments: str, environ: dict[str, str]) -> subprocess.Popen[str]:
        """Start a program."""
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([sys.executable, "-c", code, *arguments], env=environ, **pipes)

    def read(self, client: Client) -> dict[str, pl.DataFrame]:
        """Fetch every table."""
        days = {"start_date": self.first, "end_date": self.last, "client": client}
        with client:
            return {name: getattr(fetch, name)(**days) for name in ENDPOINT_TABLES}

    def client(self, **settings: Any) -> Client:
        """Make a client of this machine that does not have to wait."""
        known: dict[str, Any] = {"cache": self.folder / "cache", "archive": self.archive, "progress": False}
        known |= {"requests_per_minute": 60_000, "burst": 1000}
        return Client(self.token, base_url=self.url, **(known | settings))

    def check(self) -> None:
        """See that every table is as the API has it, from cache, archive and API as they are now."""
        for name, table in self.read(self.client()).items():
            assert_frame_equal(table, self.truth[name])


@pytest.fixture
def machine(tmp_path, serve) -> Machine:
    """Return a machine with an API."""
    made = records()
    app = sample.AnalyticsApp(sample.RecordStore(made), now=Machine.now)
    return Machine(tmp_path, serve(app).url, made)
