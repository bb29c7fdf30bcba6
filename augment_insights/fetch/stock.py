"""What a client has at hand, without sending anything: answers in the cache, days in the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augment_insights.periods import DayRange, windows
from augment_insights.transport import wire

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    import polars as pl

    from augment_insights.archive import Archive
    from augment_insights.transport import Client
    from augment_insights.transport.kept import CachedPages

_DAILY = (wire.DAU, wire.EDITOR_LANGUAGE)


def question(endpoint: wire.Endpoint, days: DayRange) -> dict[str, str]:
    """Return the parameters by which an endpoint is asked for a day or a window."""
    if endpoint in _DAILY:
        return {"date": days.start.isoformat()}
    return {"start_date": days.start.isoformat(), "end_date": days.end.isoformat()}


class Stock:
    """Answers that cost no request.

    Parameters
    ----------
    client : Client
        Whose cache and archive are looked into.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self._archive = _open_archive(client)
        self._archived: dict[str, dict[DayRange, int]] = {}

    def cached_pages(self, endpoint: wire.Endpoint, days: DayRange) -> CachedPages:
        """Return what the cache has of the answer for a day or a window."""
        return self.client.cached_pages(endpoint, **question(endpoint, days))

    def archived_rows(self, endpoint: wire.Endpoint, days: DayRange) -> int | None:
        """Return how many rows the archive has of a day or a window; None where it does not have it."""
        if self._archive is None:
            return None
        if endpoint.name not in self._archived:
            manifest = self._archive.manifest(endpoint.name).select("start", "end", "rows").iter_rows()
            self._archived[endpoint.name] = {DayRange(start, end): rows for start, end, rows in manifest}
        return self._archived[endpoint.name].get(days)

    def archived(self, endpoint: wire.Endpoint, days: DayRange) -> pl.DataFrame:
        """Read what :meth:`archived_rows` counts."""
        if self._archive is None:
            raise AssertionError("only what the archive has is read from it")
        return self._archive.read(endpoint.name, days)

    def archived_counts(self, days: DayRange) -> dict[date, int]:
        """Return the daily counts that the archive has of a range."""
        if self._archive is None:
            return {}
        counts = self._archive.read(wire.DAU_COUNT.name, days)
        return dict(counts.select("date", "user_count").iter_rows())

    def missing_windows(self, endpoint: wire.Endpoint, days: DayRange) -> list[DayRange]:
        """Return the windows to ask an endpoint for, so that each day that is not archived is in one."""
        gaps: Iterable[DayRange] = [days] if self._archive is None else self._archive.missing(endpoint.name, days)
        return [window for gap in gaps for window in windows(gap)]


def _open_archive(client: Client) -> Archive | None:
    if client.archive_path is None:
        return None
    from augment_insights.archive import Archive  # noqa: PLC0415 (only for those who keep one)

    archive = Archive(client.archive_path)
    archive.check_origin(client.base_url)
    return archive
