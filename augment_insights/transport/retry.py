"""When to ask again, and after how long: decided here, acted on in the client."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from augment_insights.transport.rate_limit import LONGEST_BLOCK

if TYPE_CHECKING:
    from random import Random

RETRIED_STATUSES = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}) | frozenset(range(500, 600))
"""The answers that may be better next time; 400, 401 and 403 never are."""


@dataclass(frozen=True)
class RetryPolicy:
    """How patient the client is.

    Attributes
    ----------
    attempts : int
        How often one request is sent, at most.
    first_wait : float
        Seconds before the second attempt; doubled each time, jittered down to a half.
    longest_wait : float
        Seconds; no back-off grows beyond.
    first_block : float
        Seconds to keep still after a 429 that names no time; doubled each time.
    deadline : float
        Seconds from the first attempt after which no further one is begun.
    """

    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0
    first_block: float = 60.0
    deadline: float = 900.0

    def backoff(self, attempt: int, *, random: Random) -> float:
        """Return the wait after attempt number ``attempt`` (from 1) failed."""
        full = min(self.first_wait * 2.0 ** (attempt - 1), self.longest_wait)
        return full * random.uniform(0.5, 1.0)

    def block(self, refusals: int, *, retry_after: float | None) -> float:
        """Return how long to keep still after the 429 number ``refusals`` (from 1)."""
        if retry_after is not None:
            return retry_after
        return min(self.first_block * 2.0 ** (refusals - 1), LONGEST_BLOCK)


def parse_retry_after(value: str | None, *, now: datetime) -> float | None:
    """Read a ``Retry-After`` header: seconds or a date, between 0 and 600 s; None for what is neither.

    Examples
    --------
    >>> now = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
    >>> parse_retry_after("1.5", now=now)
    1.5
    >>> parse_retry_after("Sun, 01 Mar 2026 12:00:30 GMT", now=now)
    30.0
    >>> parse_retry_after("1e9", now=now)
    600.0
    >>> parse_retry_after("soon", now=now) is None
    True
    """
    if value is None:
        return None
    seconds = _seconds(value.strip(), now=now)
    if seconds is None or math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_BLOCK)


def _seconds(value: str, *, now: datetime) -> float | None:
    try:
        return float(value)
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except (OverflowError, TypeError, ValueError):
        return None
    if moment.tzinfo is None:  # "-0000": a date in UTC whose sender says nothing of its own zone
        moment = moment.replace(tzinfo=UTC)
    return (moment - now).total_seconds()
