"""Who watches a fetch is told how far it is, can end it, and loses nothing by that."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

import pytest

from augment_insights import fetch
from augment_insights.transport import Cancelled
from augment_insights.transport.watching import WatchedClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import SimpleNamespace

DAYS = {"start_date": "2026-03-01", "end_date": "2026-03-04"}
"""Four days of one page each, for which no counts are asked: a burst of two leaves two to wait for."""


@pytest.fixture
def lists(serve: Any, wire: SimpleNamespace) -> Any:
    """Serve one user a day."""

    def answer(asked: Any) -> bytes:
        if asked.path.endswith("dau-count"):
            return wire.counting(asked)
        return wire.respond(wire.dau_page(asked.params["date"], ["a@example.com"]))

    return serve(answer)


class Told:
    """A watch that writes down what it is told, and ends the fetch when the test says so."""

    def __init__(self, ends: Callable[[Told], bool] = lambda _: False) -> None:
        self.told: list[tuple[int, int, float]] = []
        self._ends = ends

    def __call__(self, *, done: int, total: int, left: float) -> None:
        """Write it down."""
        self.told.append((done, total, left))
        if self._ends(self):
            raise Cancelled


def test_a_watch_sees_a_fetch_go_on(lists: Any, connect: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told of each answer and, in the waits, of the seconds that are left; nothing is shown beside it."""
    client = connect(lists.url, progress="lines", burst=2)
    watch = Told()
    with client.watched(watch):
        fetch.dau(**DAYS, client=client)
    assert {(done, total) for done, total, _ in watch.told} == {(1, 4), (2, 4), (3, 4), (4, 4)}
    left = [seconds for done, total, seconds in watch.told if (done, total) == (3, 4)]
    assert left == sorted(left, reverse=True)
    assert len(left) > 6 / 0.5, "a wait of six seconds is told of every half second"
    assert capsys.readouterr().err == ""


def test_a_cancel_in_a_wait_is_heard_at_once(lists: Any, connect: Any, clock: Any) -> None:
    """Cancelled within a wait of six seconds: it ends within half a second of it, and sends nothing more."""
    client = connect(lists.url, burst=2)
    began = clock.monotonic()
    watch = Told(lambda _: clock.monotonic() >= began + 1)
    with pytest.raises(Cancelled), client.watched(watch):
        fetch.dau(**DAYS, client=client)
    assert clock.monotonic() - began <= 1.5
    assert lists.count == 2


def test_what_came_before_a_cancel_is_kept(lists: Any, connect: Any, clock: Any) -> None:
    """The next fetch sends what is missing and nothing else, watched or not."""
    client = connect(lists.url, burst=2)
    began = clock.monotonic()
    with pytest.raises(Cancelled), client.watched(Told(lambda _: clock.monotonic() >= began + 1)):
        fetch.dau(**DAYS, client=client)
    asked_before = {asked.raw.split(b"\r\n")[0] for asked in lists.asked}
    assert fetch.dau(**DAYS, client=client).height == 4
    after = [asked.raw.split(b"\r\n")[0] for asked in lists.asked[2:]]
    assert not asked_before & set(after)
    assert fetch.dau(**DAYS, client=client).height == 4
    assert lists.count == 2 + len(after)


def test_a_watch_is_told_of_its_own_thread_only(lists: Any, connect: Any) -> None:
    """Another thread's fetch with the same client is neither told of nor ended."""
    client = connect(lists.url, cache=False)
    watch = Told(lambda _: True)
    found: list[int] = []
    other = threading.Thread(target=lambda: found.append(fetch.dau(**DAYS, client=client).height))
    with client.watched(watch):
        other.start()
        other.join(30)
    assert found == [4]
    assert watch.told == []


def test_cancelled_is_no_error_that_code_may_swallow() -> None:
    """``except Exception`` lets it pass, as it does Ctrl-C."""
    assert not issubclass(Cancelled, Exception)


@pytest.mark.parametrize("seconds", [0.0, 0.2, 0.5, 7.3])
def test_a_wait_is_as_long_watched_as_unwatched(clock: Any, seconds: float) -> None:
    """Looking in on a wait makes it neither longer nor shorter."""
    watched = WatchedClock(clock)
    looks: list[float] = []
    watched.look_in = lambda: looks.append(clock.monotonic())
    before = clock.monotonic()
    watched.sleep(seconds)
    assert clock.monotonic() - before == pytest.approx(seconds)
    assert len(looks) == math.ceil(seconds / 0.5)
