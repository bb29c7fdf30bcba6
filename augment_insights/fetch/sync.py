"""Fill the archive: most useful first, within a budget, and again where the API changed its answer."""

from __future__ import annotations

import math
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

import polars as pl

from augment_insights import periods, tables
from augment_insights.errors import ArchiveError, ConfigurationError, did_you_mean, plural
from augment_insights.fetch.plan import (
    LocalData,
    answer_pages,
    answers_cost,
    cover,
    learn_from_local,
    question,
    records_per_user,
)
from augment_insights.periods import DayRange
from augment_insights.tables import ENDPOINT_TABLES, Table
from augment_insights.transport.messages import ENDPOINTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from augment_insights.archive import Archive
    from augment_insights.fetch.columns import Fetched
    from augment_insights.fetch.plan import Counts
    from augment_insights.transport import Client

_ORDER = (tables.DAU_COUNT, tables.DAILY_USAGE, tables.USER_ACTIVITY, tables.DAU, tables.EDITOR_LANGUAGE)
"""The most useful first: counts cost next to nothing, then totals, then who was active, then every record."""

_COUNTS, _LISTS = _ORDER[:2], _ORDER[3:]

_SURE_LOOKBACK = timedelta(days=729)
"""The oldest day under every reading of "two years"."""

_CAUTION = 1.25
"""So many times more records than is likely are expected of a day, lest the budget ends within it."""

_FEWEST_TO_COMPARE = 5
"""Fewer days than this in common say nothing about whether two organisations are one."""

_MOSTLY = 0.5

_DAY = timedelta(days=1)
_WINDOW = timedelta(days=periods.MAX_RANGE_DAYS)

_RESTATED_SCHEMA = pl.Schema({"table": pl.String(), "start": pl.Date(), "end": pl.Date()})
_SUM_SCHEMA = pl.Schema({"table": pl.String(), "days": pl.Int64(), "requests": pl.Int64()})


@dataclass(frozen=True)
class SyncResult:
    """What a sync did, and what it left.

    Attributes
    ----------
    requests_sent : int
        Requests that went out.
    added : pl.DataFrame
        ``table``, ``days`` (user_activity: windows) that were put into the archive, and ``requests`` sent for them.
    restated : pl.DataFrame
        ``table``, ``start``, ``end`` of what was archived and reads otherwise now; ``archive.restatements()`` has
        the totals before and after.
    left : pl.DataFrame
        ``table``, ``days`` that the budget did not reach, and the ``requests`` that they are likely to cost.
    problems : pl.DataFrame
        What ``archive.check()`` finds now.
    stopped : str
        Why it ended: ``"complete"``, ``"budget"``, or ``"busy"`` (another sync is at work; nothing was done).
    """

    requests_sent: int
    added: pl.DataFrame
    restated: pl.DataFrame
    left: pl.DataFrame
    problems: pl.DataFrame
    stopped: str

    def __str__(self) -> str:
        if self.stopped == "busy":
            return "Another sync is at work on this archive: nothing was done."
        lines = [f"Sync: {self.requests_sent} requests sent."]
        for name, days, requests in self.added.iter_rows():
            lines.append(f"  {name}: {_days(name, days)} added, {requests} requests")
        lines += [f"  restated by the API, replaced and logged: {told}" for told in _by_table(self.restated)]
        for name, days, requests in self.left.iter_rows():
            lines.append(f"  left for the next sync: {name}, {_days(name, days)}, about {requests} requests")
        for (problem,), found in self.problems.group_by("problem", maintain_order=True):
            lines += [f"  {problem}: {told}" for told in _by_table(found)]
        return "\n".join(lines)


def _days(name: str, number: int) -> str:
    return plural(number, "window" if name == tables.USER_ACTIVITY.name else "day")


def _by_table(found: pl.DataFrame) -> Iterator[str]:
    """Tell of days table by table: how many, from when to when, and the first detail."""
    for (table,), rows in found.group_by("table", maintain_order=True):
        days = rows["start"].drop_nulls().sort().dt.to_string().to_list()
        when = f", {' to '.join(dict.fromkeys([days[0], days[-1]]))}" if days else ""
        detail = f" ({rows['detail'][0]})" if "detail" in rows.columns else ""
        yield f"{table}, {_days(str(table), rows.height)}{when}{detail}"


def sync(
    client: Client | None = None,
    *,
    since: date | str | None = None,
    tables: Sequence[str] | None = None,
    minutes: float | None = None,
    requests: int | None = None,
    recheck_days: int | None = None,
) -> SyncResult:
    """Fetch what is settled and not archived yet: what is missing, most useful first, from where the last sync stopped.

    The organisation's daily counts and usage come first (a request each 90 days), then the totals of
    users over windows of 90 days, then the user lists, then the editor and language records, each
    from the newest day back. The counts of the last 90 days are asked for each time: days whose
    numbers changed are fetched again, replaced and logged. A day on which nobody was counted and
    nothing was used needs no request. What is damaged in the archive is quarantined, and fetched again.

    Parameters
    ----------
    client : Client, optional
        The client to use, with ``archive=``; by default one configured from the environment.
    since : date or "YYYY-MM-DD", optional
        The first day; left out, two years back.
    tables : sequence of str, optional
        The nouns of the tables to keep; left out, all five. The counts come in any case: the
        rest is planned by them.
    minutes, requests : float, int, optional
        The budget. An answer that is likely not to fit is not begun.
    recheck_days : int, optional
        Ask again in full for so many settled days, and all that is archived of them.

    Returns
    -------
    SyncResult
        What was added, restated and left. ``print`` it.

    Raises
    ------
    ConfigurationError
        The client has no archive, or there is no such table.
    ArchiveError
        The archive is another organisation's.
    DateRangeError, ApiError
        As :func:`augment_insights.fetch.dau_count`; what was fetched until then is kept.

    Examples
    --------
    >>> from augment_insights import Client, fetch
    >>> client = Client.sample(today="2026-03-10", archive=getfixture("tmp_path") / "archive")
    >>> print(fetch.sync(client, since="2026-03-02", tables=["dau"]))
    Sync: 8 requests sent.
      dau_count: 6 days added, 1 requests
      daily_usage: 6 days added, 1 requests
      dau: 6 days added, 6 requests
    """
    wanted = _check_tables(tables)
    with ExitStack() as stack:
        local = stack.enter_context(LocalData(client, renew=True))
        now, archive = local.client.now(), local.archive
        if archive is None:
            raise ConfigurationError(
                "There is no archive to fill. Hint: Client(archive=FOLDER), AUGMENT_INSIGHTS_ARCHIVE=FOLDER, or "
                "--archive FOLDER on the command line.",
                setting="archive",
            )
        if not stack.enter_context(archive.syncing()):
            return _nothing_done(archive, "busy")
        last = archive.last_settled_day(now)
        first = periods.utc_day(now) - _SURE_LOOKBACK if since is None else periods.parse_day(since, name="since")
        if first > last:
            return _nothing_done(archive, "complete")
        days = periods.resolve_range(first, last, now=now)
        archive.quarantine()
        until = datetime.max.replace(tzinfo=UTC) if minutes is None else now + timedelta(minutes=minutes)
        run = _Run(local, archive, days, math.inf if requests is None else requests, until)
        recheck_from = days.end + _DAY - timedelta(days=recheck_days or 0)
        if run.fetch(run.count_jobs(recheck_from)):
            for table in wanted:
                if table in _LISTS:
                    local.keep_idle(table, days)
            run.fetch([*run.again_jobs(wanted, recheck_from), *run.missing_jobs(wanted)])
            run.fetch(run.again_jobs(wanted))  # a cached list may be older than the counts that changed
        return run.result()


def _check_tables(names: Sequence[str] | None) -> tuple[Table, ...]:
    for name in names or ():
        if name not in ENDPOINT_TABLES:
            raise ConfigurationError(
                f"{name!r} is not a table.{did_you_mean(str(name), ENDPOINT_TABLES)}", setting="tables"
            )
    return tuple(table for table in _ORDER if names is None or table.name in names)


def _nothing_done(archive: Archive, why: str) -> SyncResult:
    nothing = _frame([], _SUM_SCHEMA)
    return SyncResult(0, nothing, _frame([], _RESTATED_SCHEMA), nothing, archive.check(), why)


def _frame(rows: list[Any], schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema, orient="row")


@dataclass(frozen=True)
class Job:
    """One answer to fetch: a day or a window of a table, and the requests that it is likely to cost.

    One that is to be fetched ``again`` is sent for whatever the cache has.
    """

    table: Table
    days: DayRange
    requests: int
    again: bool = False


@dataclass
class _Run:
    """One sync: what there is to do, and doing it in order as long as the budget lasts."""

    local: LocalData
    archive: Archive
    days: DayRange
    requests: float
    until: datetime
    left: list[Job] = field(default_factory=list)
    sent_for: Counter[str] = field(default_factory=Counter)

    # ---- What there is to do ----

    def count_jobs(self, recheck_from: date) -> list[Job]:
        """Return the counts of the last 90 days in any case, and older ones that are missing or rechecked."""
        recent = DayRange(max(self.days.start, self.days.end - _WINDOW + _DAY), self.days.end)
        older = DayRange(self.days.start, recent.start - _DAY)
        jobs = []
        for table in _COUNTS:
            missing = chain.from_iterable(self.archive.missing(table.name, older))
            again = (day for day in older if day >= recheck_from)
            for span in [recent, *cover(periods.day_ranges([*missing, *again]))]:
                is_again = span.end >= recheck_from
                is_cached = not is_again and self.local.cached(table, span)[2]
                jobs.append(Job(table, span, 0 if is_cached else 1, again=is_again))
        return sorted(jobs, key=lambda job: job.days.start, reverse=True)

    def again_jobs(self, wanted: Sequence[Table], recheck_from: date | None = None) -> list[Job]:
        """Return what is archived under counts that changed since, and all of the days to be rechecked."""
        log = self.archive.restatements().filter(pl.col("table").is_in([table.name for table in _COUNTS]))
        changed = dict(log.group_by("day").agg(pl.col("restated_at").max()).iter_rows())
        jobs = []
        for table in wanted:
            if table in _COUNTS:
                continue
            kept = self.archive.manifest(table.name).filter(pl.col("start") >= self.days.start)
            lines = kept.sort("start", "end", descending=True).select("start", "end", "rows", "checked_at")
            for start, end, rows, checked_at in lines.iter_rows():
                span = DayRange(start, end)
                is_rechecked = recheck_from is not None and end >= recheck_from
                if is_rechecked or any(changed[day] > checked_at for day in span if day in changed):
                    jobs.append(Job(table, span, answer_pages(table, rows), again=True))
        return jobs

    def missing_jobs(self, wanted: Sequence[Table]) -> list[Job]:
        """Return what is missing: totals, lists and records, each from the newest back."""
        counts = self.local.archived_counts(self.days)
        jobs = []
        for table in wanted:
            if table in _COUNTS:
                continue
            missing = reversed([*chain.from_iterable(self.archive.missing(table.name, self.days))])
            spans, per_user = [DayRange(day, day) for day in missing], None
            if table is tables.EDITOR_LANGUAGE:
                per_user = _CAUTION * records_per_user(self.local, self.days, counts)[0]
            elif table is tables.USER_ACTIVITY:
                spans = self._missing_windows(counts)
            for span in spans:
                cost = answers_cost(self.local, [(table, span)], counts, per_user)
                jobs.append(Job(table, span, cost.to_send))
        return jobs

    def _missing_windows(self, counts: Counts) -> list[DayRange]:
        """Return the windows of 90 days that every sync shares and that are missing, newest first."""
        end = self.archive.windows_end(self.days.end)
        end += (self.days.end - end) // _WINDOW * _WINDOW
        archived = self.archive.manifest(tables.USER_ACTIVITY.name).sort("end", descending=True)
        learn_from_local(self.local, (DayRange(*span) for span in archived.select("start", "end").iter_rows()), counts)
        ends = set(archived["end"])
        return [
            window
            for window in periods.windows_back(DayRange(self.days.start, end))
            # The look-back moves on, and what it cuts was whole once.
            if not (window.start == self.days.start and window.end in ends)
            and not self.archive.has(tables.USER_ACTIVITY.name, window)
        ]

    # ---- Doing it ----

    def fetch(self, jobs: Sequence[Job]) -> bool:
        """Do the jobs in order, as long as the budget lasts; tell whether all are done."""
        with self.local.client.task("sync", sum(job.requests for job in jobs), is_forecast=True):
            for place, job in enumerate(jobs):
                if self.left or not self._allows(job.requests):
                    self.left += jobs[place:]
                    break
                before = self.local.requests_sent
                if job.again:
                    self.local.client.forget(ENDPOINTS[job.table.name], **question(job.table, job.days))
                answer = self.local.fetch(job.table, job.days)
                if not self.sent_for:  # the first answer is that of the newest counts
                    self._check_same_organisation(answer)
                self.sent_for[job.table.name] += self.local.requests_sent - before
        self.local.commit()
        return not self.left

    def _allows(self, needed: int) -> bool:
        """Tell whether so many more requests fit into the budget."""
        until = self.local.client.now() + timedelta(seconds=self.local.client.seconds_for(needed))
        return needed == 0 or (self.local.requests_sent + needed <= self.requests and until <= self.until)

    def result(self) -> SyncResult:
        """Say what was done and what is left."""
        names = [table.name for table in _ORDER]
        added = [(name, self.local.added[name], self.sent_for[name]) for name in names]
        restated = sorted(set(self.local.restated), key=lambda item: (names.index(item[0]), item[1]))
        left = [
            (job.table.name, 1 if job.table is tables.USER_ACTIVITY else job.days.days, job.requests)
            for job in self.left
        ]
        return SyncResult(
            requests_sent=self.local.requests_sent,
            added=_frame([row for row in added if any(row[1:])], _SUM_SCHEMA),
            restated=_frame([(name, span.start, span.end) for name, span in restated], _RESTATED_SCHEMA),
            left=_frame(left, _SUM_SCHEMA).group_by("table", maintain_order=True).sum(),
            problems=self.archive.check(),
            stopped="budget" if self.left else "complete",
        )

    # ---- Whose answers these are ----

    def _check_same_organisation(self, answer: Fetched) -> None:
        """Compare the first counts with the archive's: tokens change, and the API does not say whose it is."""
        told = {row.date: row.user_count for row in answer.rows}
        known = self.archive.read(tables.DAU_COUNT.name, answer.answered)
        pairs = [(count, told.get(day, 0)) for day, count in known.iter_rows() if count or told.get(day, 0)]
        agreeing = sum(count == now for count, now in pairs)
        is_same = len(pairs) < _FEWEST_TO_COMPARE or agreeing >= _MOSTLY * len(pairs)
        if is_same or self.local.knows_somebody():
            return
        self.local.discard()
        raise ArchiveError(
            f"The archive {self.archive.path} and the API agree on the users of only {agreeing} of {len(pairs)} "
            "days, and no user is known: these are another organisation's answers. Nothing was kept. Hint: check "
            "the token, or name another archive.",
            path=self.archive.path,
        )
