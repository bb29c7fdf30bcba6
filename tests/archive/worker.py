"""A process that syncs an archive and is killed while it does: run as a script by ``test_kill.py``.

It reads orders from its standard input, one a line: ``PATH STATE WHEN``, and forks a child for each
that syncs the archive at PATH with the records of STATE. WHEN is ``event N`` (the child kills itself
with SIGKILL at its N-th operation on files of the archive) or ``after S`` (it is killed S seconds
after it began to sync). It answers ``killed``, ``finished`` or ``failed N``. A process that has used
Polars cannot be forked, so this one never does: its children do.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import date, timedelta
from typing import Any

import polars as pl  # noqa: F401 (imported before the fork, used after it; so are the next)
import requests_cache  # noqa: F401

from augment_insights import Client, fetch
from augment_insights.sample import AnalyticsApp, RecordStore  # noqa: F401
from augment_insights.transport import session  # noqa: F401

SINCE = date(2026, 2, 27)
SETTLED = date(2026, 3, 2)
TODAY = {"first": date(2026, 3, 5), "restated": date(2026, 3, 6)}
RESTATED = (date(2026, 2, 28), date(2026, 3, 2))

_WATCHED = ("open", "os.rename", "os.remove", "os.mkdir", "os.chmod", "os.truncate")


def records(state: str) -> list[dict[str, Any]]:
    """Make up what an organisation did; in the state ``restated`` two of the days are others."""
    made = []
    for n in range((TODAY[state] - SINCE).days):
        day = SINCE + timedelta(days=n)
        others = state == "restated" and day in RESTATED
        for user in range(1 + n % 4 + others):
            for language in ("Python", "Rust")[: 1 + user % 2]:
                metrics = {"total_messages": 10 * n + user + 7 * others, "chat_messages": n, "completions_count": user}
                made.append(
                    {
                        "date": day.isoformat(),
                        "user_email": f"user{user}@example.com",
                        "language": language,
                        "editor": "VSCode",
                        "metrics": metrics,
                    }
                )
    return [record for record in made if record["date"] != "2026-03-01"]  # a day without activity


def sync(path: str, state: str) -> None:
    """Sync as a cron job would."""
    client = Client.serving(records(state), today=TODAY[state], archive=path, progress=False)
    fetch.sync(client, since=SINCE)


def die_at_event(path: str, number: int) -> None:
    """Have this process killed at its N-th operation on the archive's files."""
    left = [number]

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event in _WATCHED and arguments and str(arguments[0]).startswith(path):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def run_child(path: str, state: str, event: int | None, began: int) -> None:
    """Sync in the child, and leave without any cleaning up."""
    code = 1
    try:
        if event is not None:
            die_at_event(path, event)
        os.write(began, b".")
        sync(path, state)
        code = 0
    finally:
        os._exit(code)


def obey(order: str) -> str:
    """Fork a child that syncs, kill it as ordered, and say what became of it."""
    path, state, kind, number = order.split()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        run_child(path, state, int(number) if kind == "event" else None, writing)
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


if __name__ == "__main__":
    for line in sys.stdin:
        print(obey(line), flush=True)  # noqa: T201 (its answer)
