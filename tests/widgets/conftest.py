"""A small organisation whose numbers can be counted on paper, and an API that can be stopped in its tracks."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from typing import Any

import polars as pl
import pytest

from augment_insights import Client, widgets
from augment_insights.periods import DayRange
from augment_insights.sample import AnalyticsApp, RecordStore
from augment_insights.transport.rate_limit import Clock

TODAY = date(2026, 3, 10)
START = date(2026, 2, 9)
END = date(2026, 3, 8)
"""Four whole weeks, from a Monday to a Sunday."""


def record(day: date, who: str, language: str, editor: str, **metrics: int) -> dict[str, Any]:
    key = "user_email" if "@" in who else "service_account_name"
    return {"date": day.isoformat(), key: who, "language": language, "editor": editor, "metrics": metrics}


def organisation() -> list[dict[str, Any]]:
    """Tell of three people and a robot.

    Ada (Payments) writes Python in VSCode on each day, and accepts 1 of 4 suggestions. Bob (Search) writes Go in
    Vim on the four Mondays, and accepts 1 of 2. Cleo (on no roster) was there on 5 January and comes back on
    2 March, with chat only. The robot works on each day.
    """
    every_day = list(DayRange(START, END))
    mondays = [day for day in every_day if day.weekday() == 0]
    return [
        *(
            record(day, "ada@x.io", "Python", "VSCode", completions_count=4, completions_accepted=1)
            for day in every_day
        ),
        *(record(day, "bob@x.io", "Go", "Vim", completions_count=2, completions_accepted=1) for day in mondays),
        record(date(2026, 1, 5), "cleo@x.io", "Python", "Vim", total_messages=1, chat_messages=1),
        record(date(2026, 3, 2), "cleo@x.io", "Python", "Vim", total_messages=1, chat_messages=1),
        *(record(day, "robot", "Shell", "CLI", total_messages=5) for day in every_day),
    ]


@pytest.fixture
def client() -> Client:
    """Serve the small organisation in this process."""
    return Client.serving(organisation(), today=TODAY)


@pytest.fixture
def roster() -> pl.DataFrame:
    """Give Ada and Bob a team each."""
    return pl.DataFrame({"user": ["ada@x.io", "bob@x.io"], "team": ["Payments", "Search"]})


@pytest.fixture
def explorer(client, roster, tmp_path) -> Any:
    """Open the four whole weeks, with the roster, and a folder to save to that is not there yet."""
    opened: Any = widgets.explore(client, start_date=START, end_date=END, roster=roster, interactive=True)
    opened.wait()
    opened.screen.folder.value = str(tmp_path / "saved")
    return opened


class Gate(AnalyticsApp):
    """The small organisation's API over HTTP: it writes down what is asked, and can be shut."""

    def __init__(self) -> None:
        super().__init__(RecordStore(organisation()), now=Clock(TODAY).now)
        self._open = threading.Event()
        self.open = self._open.set
        self.open()
        self._shut_after = 10**9
        self.reached = threading.Event()
        self.asked: list[str] = []
        self.refuses = False

    def shut_after(self, requests: int) -> None:
        """Let so many more requests pass, and hold the next until ``open()``."""
        self._shut_after = len(self.asked) + requests
        self.reached.clear()
        self._open.clear()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        """Answer one request."""
        self.asked.append(f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}")
        if len(self.asked) > self._shut_after:
            self.reached.set()
            self._open.wait(30)
        if self.refuses:
            start("401 Unauthorized", [("Content-Type", "application/json")])
            return [b'{"error": {"code": "unauthenticated", "message": "who are you"}}']
        return super().__call__(environ, start)

    @property
    def lists(self) -> list[str]:
        """What was asked but for the daily counts, which plans are priced by."""
        return [asked for asked in self.asked if "dau-count" not in asked]


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Give the API that can be shut; whatever a test leaves waiting is let go at its end."""
    gate = Gate()
    yield gate
    gate.open()


@pytest.fixture
def remote(gate, serve) -> Iterator[Callable[..., Client]]:
    """Make clients of that API, over HTTP."""
    settings: dict[str, Any] = {"base_url": serve(gate).url, "requests_per_minute": 60000, "clock": Clock(TODAY)}
    with ExitStack() as clients:
        yield lambda **more: clients.enter_context(Client("made-up", **settings, **more))
        gate.open()
