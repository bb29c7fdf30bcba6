"""Time, as the wire uses it: what the clock says, and waiting. Tests put their own in its place."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """The machine's clock."""

    _unseen = 0.0

    def now(self) -> datetime:
        """Return the moment, in UTC."""
        return datetime.now(UTC)

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
