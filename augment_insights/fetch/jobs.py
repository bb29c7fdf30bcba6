"""Which answers an archive lacks, in what order they are most useful, and what each is likely to cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from augment_insights.fetch.archived import cover
from augment_insights.fetch.prices import RECORDS_PER_USER, Estimate, Turnover, list_rows, price_answer, record_rows
from augment_insights.fetch.stock import Stock, question
from augment_insights.periods import MAX_RANGE_DAYS, DayRange
from augment_insights.tables import DAILY_USAGE, DAU, DAU_COUNT, EDITOR_LANGUAGE, USER_ACTIVITY
from augment_insights.transport import Client, messages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date, datetime

    from augment_insights.archive import Archive

COUNTS = (DAU_COUNT.name, DAILY_USAGE.name)
LISTS = (DAU.name, EDITOR_LANGUAGE.name)

ORDER = (*COUNTS, USER_ACTIVITY.name, *LISTS)
"""The most useful first: counts cost next to nothing, then totals, then who was active, then every record."""

_CAUTION = 1.25
"""Records of a day, where no day is known to tell, are priced so much dearer than is typical."""

_USUAL = 0.5
"""If more than this share of a table's days disagrees with the counts, that is how the API counts."""

_WINDOW = timedelta(days=MAX_RANGE_DAYS)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Job:
    """One answer to fetch.

    Attributes
    ----------
    table : str
        The noun of its table.
    days : DayRange
        The day, or the window.
    requests : int
        What it is likely to cost.
    again : bool
        It is asked for whatever the cache has.
    """

    table: str
    days: DayRange
    requests: int
    again: bool = False


class Jobs:
    """The answers that an archive lacks within a range.

    Parameters
    ----------
    client : Client
        Whose cache is looked into.
    archive : Archive
        What is there.
    days : DayRange
        The days to keep, all of them settled.
    recheck : DayRange or None
        The days to ask for again.
    """

    def __init__(self, client: Client, archive: Archive, days: DayRange, *, recheck: DayRange | None = None) -> None:
        self._client = client
        self._archive = archive
        self._days = days
        self._recheck = recheck

    def counting(self) -> list[Job]:
        """Ask for the counts of the last 90 days in any case, and for older ones that are missing."""
        recent = DayRange(max(self._days.start, self._days.end - _WINDOW + _DAY), self._days.end)
        jobs = [self._counting_job(name, recent) for name in COUNTS]
        if recent.start > self._days.start:
            older = DayRange(self._days.start, recent.start - _DAY)
            for name in COUNTS:
                gaps = self._archive.missing(name, older)
                if self._recheck is not None and self._recheck.start <= older.end:
                    gaps = self._archive.missing(name, DayRange(older.start, self._recheck.start - _DAY))
                    gaps.append(DayRange(self._recheck.start, older.end))
                jobs += [self._counting_job(name, window) for window in cover(gaps)]
        return sorted(jobs, key=lambda job: job.days.start, reverse=True)

    def _counting_job(self, name: str, days: DayRange) -> Job:
        endpoint = messages.ENDPOINTS[name]
        again = self._recheck is not None and self._recheck.start <= days.end
        at_hand = not again and self._client.cached_pages(endpoint, **question(endpoint, days)).is_whole
        return Job(name, days, 0 if at_hand else 1, again=again)

    def rechecking(self, tables: Sequence[str]) -> list[Job]:
        """Ask again for everything that is archived of the days to be checked."""
        recheck = self._recheck
        if recheck is None:
            return []
        return [
            _again(name, span, rows)
            for name, span, rows, _ in self._kept(tables)
            if span.start <= recheck.end and span.end >= recheck.start
        ]

    def renewing(self, tables: Sequence[str]) -> list[Job]:
        """Ask again for what the counts have moved under since."""
        changed_at = self._changes()
        return [
            _again(name, span, rows)
            for name, span, rows, checked_at in self._kept(tables)
            if any(changed_at[day] > checked_at for day in span if day in changed_at)
        ]

    def _kept(self, tables: Sequence[str]) -> Iterator[tuple[str, DayRange, int, datetime]]:
        """Go through what is archived beside the counts, newest first."""
        for name in (name for name in ORDER if name in tables and name not in COUNTS):
            kept = self._archive.manifest(name).filter(pl.col("start") >= self._days.start)
            lines = kept.sort("start", "end", descending=True).select("start", "end", "rows", "checked_at")
            for start, end, rows, checked_at in lines.iter_rows():
                yield name, DayRange(start, end), rows, checked_at

    def _changes(self) -> dict[date, datetime]:
        """Return when the counts or the usage of a day were last found to be others than before."""
        lines = pl.concat([self._archive.manifest(name) for name in COUNTS]).filter(pl.col("version") > 1)
        return dict(lines.group_by("start").agg(pl.col("fetched_at").max()).iter_rows())

    def filling(self, tables: Sequence[str]) -> list[Job]:
        """Ask for what is missing: totals, lists and records, each from the newest back."""
        stock = Stock(self._client)
        counts = stock.archived_counts(self._days)
        jobs: list[Job] = []
        if USER_ACTIVITY.name in tables:
            jobs += self._window_jobs(stock, counts)
        for name in LISTS:
            if name in tables:
                missing = [day for gap in self._archive.missing(name, self._days) for day in gap]
                jobs += self._list_jobs(name, missing[::-1], stock, counts)
        return jobs

    def _window_jobs(self, stock: Stock, counts: dict[date, int]) -> Iterator[Job]:
        archived = self._archive.manifest(USER_ACTIVITY.name)
        ends = set(archived["end"])
        turnover = Turnover()
        for start, end, users in archived.select("start", "end", "users").iter_rows():
            turnover.learn([counts.get(day) for day in DayRange(start, end)], users)
        for window in self._windows():
            is_cut = window.start == self._days.start  # the look-back moves, and what it cuts was whole once
            if self._archive.has(USER_ACTIVITY.name, window) or (is_cut and window.end in ends):
                continue
            users = turnover.users([counts.get(day) for day in window], list(counts.values()))
            price = price_answer(stock, messages.USER_ACTIVITY, window, users)
            yield Job(USER_ACTIVITY.name, window, price.to_send.likely)

    def _windows(self) -> list[DayRange]:
        """Return the windows of 90 days that every sync shares, newest first."""
        end = self._archive.windows_end(self._days.end)
        end += (self._days.end - end) // _WINDOW * _WINDOW
        found: list[DayRange] = []
        while end >= self._days.start:
            found.append(DayRange(max(self._days.start, end - _WINDOW + _DAY), end))
            end -= _WINDOW
        return found

    def _list_jobs(self, name: str, days: Sequence[date], stock: Stock, counts: dict[date, int]) -> Iterator[Job]:
        endpoint = messages.ENDPOINTS[name]
        per_user = self._records_per_user()
        nearby = list(counts.values())
        for day in days:
            users = counts.get(day)
            rows = (
                list_rows(users, nearby) if endpoint is messages.DAU else record_rows(users, nearby, per_user=per_user)
            )
            price = price_answer(stock, endpoint, DayRange(day, day), rows)
            yield Job(name, DayRange(day, day), price.to_send.likely)

    def _records_per_user(self) -> float:
        """Return the records a user of a rich archived day, or more than is typical where there is none."""
        known = self._archive.manifest(EDITOR_LANGUAGE.name).filter(pl.col("users") > 0)
        if known.is_empty():
            return RECORDS_PER_USER * _CAUTION
        return float(known.select((pl.col("rows") / pl.col("users")).quantile(0.95)).item())

    def mending(self, problems: pl.DataFrame) -> list[Job]:
        """Ask for the gaps that a check found, and again for what disagrees."""
        stock = Stock(self._client)
        counts = stock.archived_counts(self._days)
        gaps = problems.filter(pl.col("problem") == "missing").select("table", "start", "end")
        jobs: list[Job] = []
        for name, start, end in gaps.iter_rows():
            days = [day for day in DayRange(start, end) if day in self._days]
            if name in COUNTS:
                jobs += [self._counting_job(name, window) for window in cover([DayRange(day, day) for day in days])]
            else:
                jobs += self._list_jobs(name, days, stock, counts)
        return jobs + self.disagreeing(problems)

    def disagreeing(self, problems: pl.DataFrame, *, unusual_only: bool = False) -> list[Job]:
        """Ask again for days, and their counts, that disagree and were asked for only once.

        Parameters
        ----------
        problems : pl.DataFrame
            What the archive's check found.
        unusual_only : bool
            Leave out tables of which most days disagree: that is how the API counts.
        """
        odd = problems.filter(pl.col("problem") == "disagrees", pl.col("start") >= self._days.start)
        manifest = self._archive.manifest()
        lines = odd.select("table", "start", "end").join(manifest, on=["table", "start", "end"], how="inner")
        if unusual_only:
            sizes = manifest.group_by("table").agg(pl.len().alias("kept"))
            is_usual = pl.len().over("table") > _USUAL * pl.col("kept")
            lines = lines.join(sizes, on="table", how="left").filter(~is_usual)
        lines = lines.sort("table", "start", "end")
        spans = [(name, DayRange(*span), rows) for name, *span, rows in lines.select(_NAMED).iter_rows()]
        days = sorted({day for _, span, _ in spans for day in span})
        windows = cover([DayRange(day, day) for day in days])
        counting = [Job(name, window, 1, again=True) for name in COUNTS for window in windows]
        return [*counting, *(_again(name, span, rows) for name, span, rows in spans)]


_NAMED = ("table", "start", "end", "rows")


def _again(name: str, span: DayRange, rows: int) -> Job:
    return Job(name, span, Estimate.exactly(rows).pages(messages.ENDPOINTS[name]).likely, again=True)
