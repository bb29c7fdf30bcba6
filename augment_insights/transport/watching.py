"""Somebody else looks after a fetch: is told how far it has come, and can end it.

A watch is told after each answer, and every now and then while the client waits. It ends the fetch by
raising :class:`Cancelled`. What was fetched until then is in the cache, and the next fetch goes on
from there.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from augment_insights.transport.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_TOLD_EVERY = 0.5
"""Seconds of waiting between two looks at whether to go on: soon enough for who pressed Cancel."""


class Cancelled(BaseException):
    """The fetch was ended by whoever watches it."""


class Watch(Protocol):
    """Is told how far a fetch has come, and may raise :class:`Cancelled`."""

    def __call__(self, *, done: int, total: int, left: float) -> None:
        """Take the requests done, the requests of the task, and the seconds left at the rate limit."""


class WatchedClock(threading.local, Clock):
    """A clock whose waits are looked in on, while there is somebody to look.

    Who looks in is known to one thread alone: a fetch of another thread with the same client goes its own way.

    Parameters
    ----------
    clock : Clock
        The clock that goes.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.look_in: Callable[[], None] | None = None

    def now(self) -> datetime:
        """Return the moment, in UTC."""
        return self._clock.now()

    def time(self) -> float:
        """Return the seconds since 1970."""
        return self._clock.time()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait, at one go or, while somebody looks in, in short pieces."""
        left = seconds
        while self.look_in is not None and left > 0:
            self.look_in()
            piece = min(left, _TOLD_EVERY)
            self._clock.sleep(piece)
            left -= piece
        if left > 0 or seconds <= 0:
            self._clock.sleep(left)
