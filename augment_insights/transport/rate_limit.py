"""The rate limit: a token bucket that all processes of this machine share, and that outlives them.

The bucket is kept as one moment, the *theoretical arrival time* of the generic cell rate
algorithm: the moment at which it would be full again. A request moves it on by one interval
(6 s at 10 a minute); a request may go while it lies less than ``burst`` intervals ahead.

The server counts a request when it arrives, somewhere between our sending it and our having the
answer. So a request is entered when it goes, and entered once more, as late as it can have
arrived, when its answer is there (:meth:`RateLimit.settle`). Our bucket is then never fuller than
the server's, and all ``burst`` requests can go at once without a stray 429.
"""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from augment_insights.errors import CacheWarning
from augment_insights.transport.settings import make_private_file, make_private_folder

if TYPE_CHECKING:
    from pathlib import Path

    from augment_insights.transport.clock import Clock

T = TypeVar("T")

LONGEST_BLOCK = 600.0
"""No wait that a server asks for is believed beyond this many seconds."""

_LOCK_TIMEOUT = 5.0


@dataclass(frozen=True)
class State:
    """What is kept of a bucket: when it is full again, and until when the server blocks us (seconds since 1970)."""

    full_at: float = 0.0
    blocked_until: float = 0.0


@dataclass(frozen=True)
class Permit:
    """Leave to send one request: what the bucket said before it, and when that was."""

    full_at_before: float
    taken_at: float


Decision = Callable[[State], tuple[State, T]]
"""Reads a state, and returns the state to keep and an answer."""


class MemoryStore:
    """A bucket's state kept in this process only."""

    def __init__(self) -> None:
        self._state = State()
        self._lock = Lock()

    def update(self, decide: Decision[T]) -> T:
        """Change the state as decided, alone with it."""
        with self._lock:
            self._state, answer = decide(self._state)
        return answer

    def close(self) -> None:
        """Let go of nothing."""


class SharedStore:
    """A bucket's state in a small SQLite file, one row for each API and token; a damaged file is begun anew."""

    def __init__(self, path: Path, key: str) -> None:
        make_private_folder(path.parent)
        self._key = key
        self._lock = Lock()
        try:
            self._connection = self._open(path)
        except sqlite3.OperationalError:  # locked, read-only, no room: the file itself may be good
            raise
        except sqlite3.DatabaseError as error:
            path.unlink()
            self._connection = self._open(path)
            warnings.warn(
                f"The file of the rate limit {path} was damaged ({error}) and is begun anew.",
                CacheWarning,
                stacklevel=4,
            )

    def _open(self, path: Path) -> sqlite3.Connection:
        make_private_file(path)
        connection = sqlite3.connect(path, timeout=_LOCK_TIMEOUT, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS bucket (key TEXT PRIMARY KEY, full_at REAL, blocked_until REAL)"
            )
            self._read(connection)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _read(self, connection: sqlite3.Connection) -> State:
        row = connection.execute("SELECT full_at, blocked_until FROM bucket WHERE key = ?", (self._key,)).fetchone()
        # SQLite keeps what it is given: a row that somebody else wrote may hold anything.
        return State(*row) if row and all(isinstance(value, float) for value in row) else State()

    def update(self, decide: Decision[T]) -> T:
        """Change the state as decided, while no other process can."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                before = self._read(self._connection)
                after, answer = decide(before)
                if after != before:
                    self._connection.execute(
                        "INSERT OR REPLACE INTO bucket VALUES (?, ?, ?)",
                        (self._key, after.full_at, after.blocked_until),
                    )
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        return answer

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


class RateLimit:
    """Leave to send, one request at a time: ``burst`` at once, then ``requests_per_minute``.

    Parameters
    ----------
    requests_per_minute : float
        How fast the bucket refills.
    burst : int
        How many requests a full bucket holds.
    clock : Clock
        Time and waiting.
    path : Path or None
        The file that processes share; None keeps the state in this process.
    key : str
        The bucket's name in that file: one for each API and token.
    """

    def __init__(
        self,
        *,
        requests_per_minute: float,
        burst: int,
        clock: Clock,
        path: Path | None = None,
        key: str = "",
    ) -> None:
        self.interval = 60.0 / requests_per_minute
        self.burst = burst
        self._clock = clock
        self._store: MemoryStore | SharedStore = MemoryStore()
        if path is not None:
            try:
                self._store = SharedStore(path, key)
            except (OSError, sqlite3.Error) as error:
                self._go_on_alone(error)

    def acquire(self, on_wait: Callable[[float], None] | None = None) -> Permit:
        """Wait until one more request may go, and take leave for it.

        Parameters
        ----------
        on_wait : callable, optional
            Told the seconds each time a wait begins.
        """
        while True:
            permit, wait = self._update(self._take)
            if permit is not None:
                return permit
            if on_wait is not None:
                on_wait(wait)
            self._clock.sleep(wait)

    def settle(self, permit: Permit) -> None:
        """Enter a request again, as late as the server can have counted it: now that its answer is here."""
        counted_when_sent = max(permit.full_at_before, permit.taken_at)
        counted_by_now = max(permit.full_at_before, self._clock.time())
        late = counted_by_now - counted_when_sent
        if late > 0:
            self._update(lambda state: (replace(state, full_at=state.full_at + late), None))

    def penalise(self, seconds: float) -> None:
        """Take a 429 for what it says: the bucket is empty, and nothing may go for so many seconds."""

        def block(state: State) -> tuple[State, None]:
            now = self._clock.time()
            return State(now + self.burst * self.interval, max(state.blocked_until, now + seconds)), None

        self._update(block)

    def seconds_for(self, requests: int) -> float:
        """Return how long it takes until this many more requests have gone, from the bucket's state now."""
        if requests <= 0:
            return 0.0

        def look(state: State) -> tuple[State, float]:
            now = self._clock.time()
            last_may_go = max(state.full_at, now) + (requests - self.burst) * self.interval
            return state, max(0.0, last_may_go - now, state.blocked_until - now)

        return self._update(look)

    def close(self) -> None:
        """Let go of the shared file."""
        self._store.close()

    def _take(self, state: State) -> tuple[State, tuple[Permit | None, float]]:
        """Take leave if there is any, else say how long to wait."""
        now = self._clock.time()
        may_go_at = max(state.full_at - (self.burst - 1) * self.interval, state.blocked_until)
        if may_go_at > now:
            return state, (None, may_go_at - now)
        permit = Permit(full_at_before=state.full_at, taken_at=now)
        return replace(state, full_at=max(state.full_at, now) + self.interval), (permit, 0.0)

    def _believable(self, state: State) -> State:
        """Cut back what only a clock that was set back can have left: no bucket is emptier than empty."""
        now = self._clock.time()
        return State(
            min(state.full_at, now + self.burst * self.interval),
            min(state.blocked_until, now + LONGEST_BLOCK),
        )

    def _update(self, decide: Decision[T]) -> T:
        """Change the shared state; go on alone, with a warning, where it cannot be had."""

        def decide_soberly(state: State) -> tuple[State, T]:
            after, answer = decide(self._believable(state))
            return self._believable(after), answer

        try:
            return self._store.update(decide_soberly)
        except sqlite3.Error as error:
            self._go_on_alone(error)
            return self._store.update(decide_soberly)

    def _go_on_alone(self, error: Exception) -> None:
        self._store = MemoryStore()
        warnings.warn(
            f"The rate limit cannot be shared with other processes ({error}). Hint: run one fetch at a time, "
            "or name a folder that can be written to in AUGMENT_INSIGHTS_CACHE.",
            CacheWarning,
            stacklevel=3,
        )


class Unlimited:
    """No limit: for the API that is served in this very process."""

    interval = 0.0

    def acquire(self, on_wait: Callable[[float], None] | None = None) -> Permit:  # noqa: ARG002 (as RateLimit)
        """Let the request go."""
        return Permit(0.0, 0.0)

    def settle(self, permit: Permit) -> None:
        """Count nothing."""

    def penalise(self, seconds: float) -> None:
        """Remember nothing."""

    def seconds_for(self, requests: int) -> float:  # noqa: ARG002 (as RateLimit)
        """Return no time at all."""
        return 0.0

    def close(self) -> None:
        """Let go of nothing."""
