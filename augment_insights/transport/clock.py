"""Time, as the wire uses it: what the clock says, and waiting. Tests put their own in its place."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the moment, in UTC."""
        return datetime.now(UTC)

    def time(self) -> float:
        """Return the seconds since 1970: the one clock that all processes of a machine share."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never go back, for deadlines within one process."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait; Ctrl-C ends it at once."""
        time.sleep(seconds)
