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

import os
import sqlite3
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from augment_insights.errors import CacheWarning, warn_reader
from augment_insights.periods import parse_day
from augment_insights.transport.settings import make_private_file, make_private_folder, set_aside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

LONGEST_BLOCK = 600.0
"""No wait that a server asks for is believed beyond this many seconds."""

_LOCK_TIMEOUT = 5.0


class Clock:
    """Time and waiting; tests put their own in its place.

    Parameters
    ----------
    today : date or "YYYY-MM-DD", optional
        The day on which it always is noon (UTC); left out, the machine's time. Waits and deadlines are real.
    """

    _fixed: datetime | None = None
    _unseen = 0.0

    def __init__(self, today: date | str | None = None) -> None:
        if today is not None:
            self._fixed = datetime.combine(parse_day(today, name="today"), time_of_day(12), tzinfo=UTC)

    def now(self) -> datetime:
        """Return the moment, in UTC."""
        return self._fixed or datetime.now(UTC)

    def time(self) -> float:
        """Return the seconds since 1970: the one clock that all processes of a machine share."""
        return time.time() + self._unseen

    def monotonic(self) -> float:
        """Return seconds that never go back, for deadlines within one process."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait; Ctrl-C ends it at once.

        A wait that the clock did not show (it was set back meanwhile, or stands still) is counted
        by :meth:`time` all the same: who has waited is not told to wait for the same again.
        """
        before = time.time()
        time.sleep(seconds)
        shown = time.time() - before
        if shown < seconds / 2:
            self._unseen += seconds - shown


@dataclass
class Bucket:
    """What is kept of a bucket: when it is full again, and until when the server blocks us (seconds since 1970)."""

    full_at: float = 0.0
    blocked_until: float = 0.0


class RateLimit:
    """Permission to send, one request at a time: ``burst`` at once, then ``requests_per_minute``.

    Parameters
    ----------
    requests_per_minute : float
        How fast the bucket refills; infinite for no limit.
    burst : int
        How many requests a full bucket holds.
    clock : Clock
        Time and waiting.
    path : Path or None
        The SQLite file that processes share; None keeps the bucket in this process.
    key : str
        The bucket's name in that file: one for each API and token.
    """

    def __init__(
        self, *, requests_per_minute: float, burst: int, clock: Clock, path: Path | None = None, key: str = ""
    ) -> None:
        self.interval = 60.0 / requests_per_minute
        self.burst = burst
        self._clock = clock
        self._path = path
        self._key = key
        self._lock = Lock()
        self._connections: dict[int, sqlite3.Connection] = {}

    def acquire(self, wait: Callable[[float], None] | None = None) -> float:
        """Wait until one more request may go, and enter it.

        Parameters
        ----------
        wait : callable, optional
            Waits for so many seconds; by default the clock does.

        Returns
        -------
        float
            The moment from which the request counts, for :meth:`settle`.
        """

        def take(bucket: Bucket) -> tuple[float, float]:
            now = self._clock.time()
            may_go_at = max(bucket.full_at - (self.burst - 1) * self.interval, bucket.blocked_until)
            counts_from = max(bucket.full_at, now)
            if may_go_at <= now:
                bucket.full_at = counts_from + self.interval
            return may_go_at - now, counts_from

        while True:
            seconds, counts_from = self._change(take)
            if seconds <= 0:
                return counts_from
            (wait or self._clock.sleep)(seconds)

    def settle(self, counts_from: float) -> None:
        """Enter a request again, as late as the server can have counted it: now that its answer is here."""
        late = self._clock.time() - counts_from

        def enter_again(bucket: Bucket) -> None:
            bucket.full_at += late

        if late > 0:
            self._change(enter_again)

    def block_for(self, seconds: float) -> None:
        """Take a 429 for what it says: the bucket is empty, and nothing may go for so many seconds."""

        def block(bucket: Bucket) -> None:
            now = self._clock.time()
            bucket.full_at = now + self.burst * self.interval
            bucket.blocked_until = max(bucket.blocked_until, now + seconds)

        self._change(block)

    def seconds_for(self, requests: int) -> float:
        """Return how long it takes until this many more requests have gone, from the bucket's state now."""
        if requests <= 0:
            return 0.0

        def look(bucket: Bucket) -> float:
            now = self._clock.time()
            last_may_go = max(bucket.full_at, now) + (requests - self.burst) * self.interval
            return max(0.0, last_may_go - now, bucket.blocked_until - now)

        return self._change(look)

    def close(self) -> None:
        """Close the file; the next request opens it again."""
        with self._lock:
            connection = self._connections.pop(os.getpid(), None)
            if connection is not None:
                connection.close()

    def _change(self, decide: Callable[[Bucket], T]) -> T:
        """Let ``decide`` read and change the shared bucket, in a new file or alone where the file cannot be used."""
        with self._lock:
            try:
                return self._transact(decide)
            except (OSError, sqlite3.Error) as error:
                self._connections.pop(os.getpid(), None)
                self._recover(error)
            return self._transact(decide)

    def _recover(self, error: Exception) -> None:
        """Set a damaged or foreign file aside; one locked, read-only or without room may be good: do without it."""
        is_foreign = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR  # no such table or column
        if self._path is not None and (
            is_foreign or type(error) is sqlite3.DatabaseError or isinstance(error, PermissionError)
        ):
            with suppress(OSError, sqlite3.Error):  # set aside by another process by now
                self._read(self._open())
                return
            self._connections.pop(os.getpid(), None)
            with suppress(OSError):
                set_aside(self._path, error)
                return
        self._path = None
        warn_reader(
            f"The rate limit cannot be shared with other processes ({error}). Hint: run one fetch at a time, "
            "or name a folder that can be written to in AUGMENT_INSIGHTS_CACHE.",
            CacheWarning,
        )

    def _transact(self, decide: Callable[[Bucket], T]) -> T:
        """Change the bucket while no other process can."""
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            before = self._read(connection)
            bucket = self._clamped(before)
            answer = decide(bucket)
            after = self._clamped(bucket)
            if after != before:
                row = (self._key, after.full_at, after.blocked_until)
                connection.execute("INSERT OR REPLACE INTO bucket VALUES (?, ?, ?)", row)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return answer

    def _clamped(self, bucket: Bucket) -> Bucket:
        """Cut back what only a clock that was set back can have left: no bucket is emptier than empty."""
        now = self._clock.time()
        return replace(
            bucket,
            full_at=min(bucket.full_at, now + self.burst * self.interval),
            blocked_until=min(bucket.blocked_until, now + LONGEST_BLOCK),
        )

    def _open(self) -> sqlite3.Connection:
        """Return this process's own connection: one that a fork brought along is neither used nor closed."""
        if os.getpid() not in self._connections:
            if self._path is not None:
                make_private_folder(self._path.parent)
                make_private_file(self._path)
            file = self._path or ":memory:"
            connection = sqlite3.connect(file, timeout=_LOCK_TIMEOUT, isolation_level=None, check_same_thread=False)
            self._connections[os.getpid()] = connection
            connection.execute(
                "CREATE TABLE IF NOT EXISTS bucket (key TEXT PRIMARY KEY, full_at REAL, blocked_until REAL)"
            )
        return self._connections[os.getpid()]

    def _read(self, connection: sqlite3.Connection) -> Bucket:
        row = connection.execute("SELECT full_at, blocked_until FROM bucket WHERE key = ?", (self._key,)).fetchone()
        # SQLite keeps what it is given: a row that somebody else wrote may hold anything.
        return Bucket(*row) if row and all(isinstance(value, float) for value in row) else Bucket()
