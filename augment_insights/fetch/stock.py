"""What a client has at hand, without sending anything: answers in the cache, days in the archive."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from augment_insights.fetch.archived import cover, open_archive
from augment_insights.periods import DayRange, windows
from augment_insights.tables import ENDPOINT_TABLES
from augment_insights.transport import Client, messages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from augment_insights.transport.pages import CachedPages

_DAILY = (messages.DAU, messages.EDITOR_LANGUAGE)


def question(endpoint: messages.Endpoint, days: DayRange) -> dict[str, str]:
    """Return the parameters by which an endpoint is asked for a day or a window."""
    if endpoint in _DAILY:
        return {"date": days.start.isoformat()}
    return {"start_date": days.start.isoformat(), "end_date": days.end.isoformat()}


@contextmanager
def lend(client: Client | None) -> Iterator[Client]:
    """Lend the client that was given, or one from the environment for this call alone."""
    if client is not None:
        yield client
        return
    with Client() as own:
        yield own


class AtHand(NamedTuple):
    """How much of an answer is cached: its first pages, the rows in them, and whether they are all."""

    pages: int
    rows: int
    is_whole: bool


class Stock:
    """Answers that cost no request.

    Parameters
    ----------
    client : Client
        Whose cache and archive are looked into.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self._archive = open_archive(client)
        self._archived: dict[str, dict[DayRange, int]] = {}
        self._at_hand: dict[tuple[str, DayRange], AtHand] = {}
        self._sent_before = client.requests_sent

    @property
    def requests_sent(self) -> int:
        """How many requests the client has sent since this was made."""
        return self.client.requests_sent - self._sent_before

    def cached_pages(self, endpoint: messages.Endpoint, days: DayRange) -> CachedPages:
        """Return what the cache has of the answer for a day or a window."""
        return self.client.cached_pages(endpoint, **question(endpoint, days))

    def archived_rows(self, endpoint: messages.Endpoint, days: DayRange) -> int | None:
        """Return how many rows the archive has of a day or a window; None where it does not have it."""
        if self._archive is None:
            return None
        if endpoint.name not in self._archived:
            manifest = self._archive.manifest(endpoint.name).select("start", "end", "rows").iter_rows()
            self._archived[endpoint.name] = {DayRange(start, end): rows for start, end, rows in manifest}
        return self._archived[endpoint.name].get(days)

    def at_hand(self, endpoint: messages.Endpoint, days: DayRange) -> AtHand:
        """Return how much of the answer for a day or a window was cached when this was first asked."""
        key = endpoint.name, days
        if key not in self._at_hand:
            kept = self.cached_pages(endpoint, days)
            rows = sum(len(page.rows) for page in kept.pages)
            self._at_hand[key] = AtHand(len(kept.pages), rows, is_whole=kept.is_whole)
        return self._at_hand[key]

    def known_rows(self, endpoint: messages.Endpoint, days: DayRange) -> int | None:
        """Return how many rows the answer for a day or a window has, if all of it is at hand."""
        archived = self.archived_rows(endpoint, days)
        if archived is not None:
            return archived
        found = self.at_hand(endpoint, days)
        return found.rows if found.is_whole else None

    def archived(self, endpoint: messages.Endpoint, days: DayRange) -> pl.DataFrame:
        """Read what :meth:`archived_rows` counts."""
        if self._archive is None:
            raise AssertionError("only what the archive has is read from it")
        return self._archive.read(endpoint.name, days)

    def archived_days(self, endpoint: messages.Endpoint, days: Sequence[DayRange]) -> pl.DataFrame:
        """Read single days that :meth:`archived_rows` counts, all at once."""
        if not days:
            return ENDPOINT_TABLES[endpoint.name].empty()
        frame = self.archived(endpoint, DayRange(days[0].start, days[-1].end))
        return frame.filter(pl.col("date").is_in([span.start for span in days]))

    def archived_counts(self, days: DayRange) -> dict[date, int]:
        """Return the daily counts that the archive has of a range."""
        if self._archive is None:
            return {}
        counts = self._archive.read(messages.DAU_COUNT.name, days)
        return dict(counts.select("date", "user_count").iter_rows())

    def missing_windows(self, endpoint: messages.Endpoint, days: DayRange) -> list[DayRange]:
        """Return the windows to ask an endpoint for, so that each day that is not archived is in one."""
        return windows(days) if self._archive is None else cover(self._archive.missing(endpoint.name, days))

    def count_windows(self, days: DayRange) -> list[DayRange]:
        """Return the windows of daily counts to ask for: those of the whole range if they are cached.

        What was just counted is archived as far as it is settled. To ask for the few days that are
        left would cost a request more than to use the same answer again.
        """
        whole = windows(days)
        if all(self.cached_pages(messages.DAU_COUNT, window).is_whole for window in whole):
            return whole
        return self.missing_windows(messages.DAU_COUNT, days)
