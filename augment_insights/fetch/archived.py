"""The archive as a fetch sees it: what need not be asked for, and where settled days go."""

from __future__ import annotations

import warnings
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

import polars as pl

from augment_insights.archive import Archive
from augment_insights.errors import CacheWarning, DataWarning
from augment_insights.fetch.columns import Fetched, daily_frame, fill_days, user_frame, window_frame
from augment_insights.periods import MAX_RANGE_DAYS, DayRange, windows
from augment_insights.tables import USER_ACTIVITY, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from augment_insights.transport import Client

_PAGES_A_COMMIT = 100
"""So much is committed at once: ten minutes of fetching, far within the 24 hours of the cache."""

_OLDEST_CACHED = timedelta(hours=24)


def open_archive(client: Client) -> Archive | None:
    """Return the client's archive, None where it has none.

    Raises
    ------
    ArchiveError
        It is another organisation's, or no archive.
    """
    if client.archive_path is None:
        return None
    archive = Archive(client.archive_path)
    archive.check_origin(client.base_url)
    return archive


class Archived:
    """One table of the client's archive during one fetch; without an archive, nothing is there and nothing kept.

    Used as a context manager, it commits what was fetched until then whatever ends the fetch.

    Parameters
    ----------
    client : Client
        Who asks.
    table : Table
        What is fetched.
    renew : bool
        Days that are archived are replaced where they read otherwise now.

    Attributes
    ----------
    moved : list of DayRange
        Days that were archived, and read otherwise.
    kept : int
        Days or windows that were committed and not archived before.
    """

    def __init__(self, client: Client, table: Table, *, renew: bool = False) -> None:
        self.moved: list[DayRange] = []
        self.kept = 0
        self._client = client
        self._table = table
        self._renew = renew
        self._archive = open_archive(client)
        self._pending: list[Fetched] = []
        self._pending_pages = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.commit()

    # ---- What need not be asked for ----

    def gaps(self, days: DayRange) -> list[DayRange]:
        """Return the days of a range that are not archived; of user_activity, the window itself or nothing."""
        return [days] if self._archive is None else self._archive.missing(self._table.name, days)

    def ranges(self, days: DayRange) -> list[DayRange]:
        """Return the fewest ranges of at most 90 days to ask for, so that no day is left out."""
        if self._archive is None:
            return windows(days)
        return cover(self.gaps(days))

    def has_more_than(self, counts: Mapping[date, int]) -> bool:
        """Tell whether an archived list has more users than were counted on its day: then the counts fall short."""
        if self._archive is None or not counts:
            return False
        lists = self._archive.manifest(self._table.name)
        counted = pl.DataFrame({"start": list(counts), "counted": list(counts.values())})
        return lists.join(counted, on="start").filter(pl.col("users") > pl.col("counted")).height > 0

    def with_archived(self, frame: pl.DataFrame, days: DayRange, gaps: Iterable[DayRange]) -> pl.DataFrame:
        """Add the archived days of a range to what was fetched of its gaps.

        Parameters
        ----------
        frame : pl.DataFrame
            The table as fetched.
        days : DayRange
            The whole range.
        gaps : iterable of DayRange
            What was not archived when the fetch began.
        """
        if self._archive is None:
            return frame
        asked = pl.DataFrame({"date": [day for gap in gaps for day in gap]}, schema={"date": pl.Date})
        if asked.height == days.days:
            return frame
        if asked.is_empty():
            return self._archive.read(self._table.name, days)
        kept = self._archive.read(self._table.name, days).join(asked, on="date", how="anti", maintain_order="left")
        fetched = frame.join(asked, on="date", how="semi", maintain_order="left")
        return pl.concat([kept, fetched]).sort("date", maintain_order=True)

    def window(self, days: DayRange) -> pl.DataFrame:
        """Return an archived window of user_activity."""
        if self._archive is None:
            raise AssertionError("asked only for windows that are not among the gaps")
        return self._archive.read(self._table.name, days)

    # ---- What is kept ----

    def keep(self, answer: Fetched) -> Fetched:
        """Take an answer to be kept as far as it is settled, and return it."""
        if self._archive is not None:
            self._pending.append(answer)
            self._pending_pages += len(answer.pages)
            if self._pending_pages >= _PAGES_A_COMMIT:
                self.commit()
        return answer

    def keep_idle(self, days: Iterable[date]) -> None:
        """Keep that those of these days have no rows of which the archived counts and usage say so."""
        if self._archive is None:
            return
        among = set(days)
        counted_at = self._client.now() - _OLDEST_CACHED
        settled = self._archive.last_settled_day(counted_at)
        idle = [DayRange(day, day) for day in self._archive.idle_days() if day in among and day <= settled]
        missing = [span for span in idle if not self._archive.has(self._table.name, span)]
        self._add(self._table.empty(), missing, said_at=counted_at)

    def commit(self) -> None:
        """Put what is settled of the answers so far into the archive."""
        pending, self._pending, self._pending_pages = self._pending, [], 0
        if self._archive is None or not pending:
            return
        by_moment: dict[datetime, list[Fetched]] = {}
        for answer in pending:
            by_moment.setdefault(said_at(answer, now=self._client.now()), []).append(answer)
        for moment, answers in sorted(by_moment.items()):
            spans, frame = settled_rows(self._table, answers, last=self._archive.last_settled_day(moment))
            if not self._renew:
                spans = [span for span in spans if not self._archive.has(self._table.name, span)]
            self._add(frame, spans, said_at=moment)

    def _add(self, frame: pl.DataFrame, spans: list[DayRange], *, said_at: datetime) -> None:
        if self._archive is None or not spans:
            return
        new = [span for span in spans if not self._archive.has(self._table.name, span)]
        try:
            self.moved += self._archive.add(
                self._table.name,
                rows_of(self._table, frame, spans),
                spans,
                origin=self._client.base_url,
                fetched_at=said_at,
            )
            self.kept += len(new)
        except OSError as error:
            warnings.warn(
                f"{self._table.name}: what was fetched could not be put into the archive {self._archive.path} "
                f"({error.strerror or error}); it is cached for 24 hours. Hint: make room, or the folder writable.",
                CacheWarning,
                stacklevel=2,
            )


def cover(gaps: Sequence[DayRange], *, max_days: int = MAX_RANGE_DAYS) -> list[DayRange]:
    """Return the fewest ranges of at most ``max_days`` that cover all gaps, oldest first.

    Examples
    --------
    >>> from datetime import date
    >>> first, later = DayRange(date(2026, 1, 1), date(2026, 1, 2)), DayRange(date(2026, 3, 1), date(2026, 5, 1))
    >>> [str(window) for window in cover([first, later])]
    ['2026-01-01 to 2026-03-31', '2026-04-01 to 2026-05-01']
    """
    covering: list[DayRange] = []
    for gap in gaps:
        rest = gap
        if covering:
            reach = covering[-1].start + timedelta(days=max_days - 1)
            if rest.start <= reach:
                covering[-1] = DayRange(covering[-1].start, min(reach, rest.end))
                rest = DayRange(covering[-1].end + timedelta(days=1), rest.end)
        if rest.start <= rest.end:
            covering += windows(rest, max_days=max_days)
    return covering


def said_at(answer: Fetched, *, now: datetime) -> datetime:
    """Return when the API said it: its own word for it, else as long ago as the cache can reach.

    A cached answer is up to 24 hours old: a day that is settled now may not have been then.
    """
    stated = [page.metadata.generated_at for page in answer.pages]
    try:
        moments = [datetime.fromisoformat(text) for text in stated if text is not None]
    except ValueError:
        moments = []
    if len(moments) < len(stated) or not moments or any(moment.tzinfo is None for moment in moments):
        return now - _OLDEST_CACHED
    return min(now, *moments).astimezone(UTC)


def settled_rows(table: Table, answers: Sequence[Fetched], *, last: date) -> tuple[list[DayRange], pl.DataFrame]:
    """Return the settled days (or windows) that these answers are whole for, and their rows.

    Left out is an answer of other days than asked, and a day of which a row came twice: the data
    changed between two pages.
    """
    exact = [answer for answer in answers if answer.answered == answer.asked]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # the fetch itself says it
        if "user" not in table.columns:
            return _settled_ranges(table, exact, last=last)
        frame = window_frame(table, exact) if table is USER_ACTIVITY else user_frame(table, exact)
    is_whole = [
        answer.asked.end <= last and rows_of(table, frame, [answer.asked]).height == len(answer.rows)
        for answer in exact
    ]
    return [answer.asked for answer, whole in zip(exact, is_whole, strict=True) if whole], frame


def _settled_ranges(table: Table, answers: Sequence[Fetched], *, last: date) -> tuple[list[DayRange], pl.DataFrame]:
    days = sorted({day for answer in answers for day in answer.asked if day <= last})
    if not days:
        return [], table.empty()
    sent = Counter(row.date for answer in answers for row in answer.rows)
    whole = DayRange(days[0], days[-1])
    end_of_last = datetime.combine(last + timedelta(days=2), datetime.min.time(), tzinfo=UTC)
    frame = fill_days(daily_frame(table, answers), table, whole, answers, now=end_of_last)
    return [DayRange(day, day) for day in days if sent[day] <= 1], frame


def rows_of(table: Table, frame: pl.DataFrame, spans: Iterable[DayRange]) -> pl.DataFrame:
    """Return the rows of some days or windows."""
    key = ["period_start", "period_end"] if table is USER_ACTIVITY else ["date"]
    listed = list(spans)
    ends = [[span.start for span in listed], [span.end for span in listed]]
    chosen = pl.DataFrame(dict(zip(key, ends, strict=False)), schema=dict.fromkeys(key, pl.Date))
    return frame.join(chosen, on=key, how="semi", maintain_order="left")
