"""Fill the archive: most useful first, within a budget, and again where the API changed its mind."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Self

import polars as pl

from augment_insights.errors import ArchiveError, ConfigurationError, did_you_mean
from augment_insights.fetch.archived import Archived, open_archive
from augment_insights.fetch.columns import Fetched, user_frame
from augment_insights.fetch.jobs import LISTS, ORDER, Job, Jobs
from augment_insights.fetch.stock import lend, question
from augment_insights.periods import DayRange, parse_day, resolve_range, utc_day
from augment_insights.tables import DAU, DAU_COUNT, ENDPOINT_TABLES, USER_ACTIVITY
from augment_insights.transport import messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date, datetime

    from augment_insights.archive import Archive
    from augment_insights.transport import Client

_SURE_LOOKBACK = timedelta(days=729)
"""The oldest day under every reading of "two years"."""

_FEWEST_TO_COMPARE = 5
"""Fewer days than this in common say nothing about whether two organisations are one."""

_MOSTLY = 0.5

_MOVED_SCHEMA = pl.Schema({"table": pl.String(), "start": pl.Date(), "end": pl.Date()})
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
        ``table``, ``start``, ``end`` of what was archived and reads otherwise now; the archive keeps both
        (``archive.versions()``) until ``archive.settle()``.
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
        lines = [
            f"Sync: {self.requests_sent} requests sent.",
            *(
                f"  {row['table']}: {_spoken(row)} added, {row['requests']} requests"
                for row in self.added.iter_rows(named=True)
            ),
            *(f"  restated by the API, both are kept: {told}" for told in _grouped(self.restated)),
            *(
                f"  left for the next sync: {row['table']}, {_spoken(row)}, about {row['requests']} requests"
                for row in self.left.iter_rows(named=True)
            ),
            *(
                f"  {problem}: {told}"
                for (problem,), found in self.problems.group_by("problem", maintain_order=True)
                for told in _grouped(found)
            ),
        ]
        return "\n".join(lines)


def _grouped(found: pl.DataFrame) -> Iterator[str]:
    """Tell of days table by table: how many, from when to when, and the first detail."""
    has_details = "detail" in found.columns
    for (table,), rows in found.group_by("table", maintain_order=True):
        count = _spoken({"table": table, "days": rows.height})
        days = rows["start"].drop_nulls().sort().dt.to_string().to_list()
        when = f", {' to '.join(dict.fromkeys([days[0], days[-1]]))}" if days else ""
        yield f"{table}, {count}{when}" + (f" ({rows['detail'][0]})" if has_details else "")


def _spoken(row: dict[str, object]) -> str:
    unit = "window" if row["table"] == USER_ACTIVITY.name else "day"
    return f"{row['days']} {unit}{'' if row['days'] == 1 else 's'}"


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
    numbers moved are fetched again, and both versions kept. A day on which nobody was counted and
    nothing was used needs no request. What the archive's check finds damaged is fetched again.

    Parameters
    ----------
    client : Client, optional
        Who asks, with ``archive=``; left out, one made from the environment.
    since : date or "YYYY-MM-DD", optional
        The first day; left out, two years back.
    tables : sequence of str, optional
        The nouns of the tables to keep; left out, all five. The counts come in any case: they price
        the rest.
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

    See Also
    --------
    mend : only what is damaged, missing or in disagreement.

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
        asking = stack.enter_context(lend(client))
        archive = _archive_of(asking)
        if not stack.enter_context(archive.syncing()):
            return _nothing_done(archive, "busy")
        last = archive.last_settled_day(asking.now())
        first = utc_day(asking.now()) - _SURE_LOOKBACK if since is None else parse_day(since, name="since")
        if first > last:
            return _nothing_done(archive, "complete")
        days = resolve_range(first, last, now=asking.now())
        run = stack.enter_context(_Run(asking, archive, days, minutes=minutes, requests=requests))
        run.put_damaged_aside()
        jobs = Jobs(asking, archive, days, recheck=_last_days(days, recheck_days))
        if run.fetch(jobs.counting()):
            run.keep_idle_days(wanted)
            run.fetch([*jobs.renewing(wanted), *jobs.rechecking(wanted), *jobs.filling(wanted)])
            run.fetch(jobs.disagreeing(archive.disagreements(), unusual_only=True))
            run.fetch(jobs.renewing(wanted))  # under counts that only now turned out to have moved
        return run.result()


def mend(client: Client | None = None, *, minutes: float | None = None, requests: int | None = None) -> SyncResult:
    """Fetch again what in the archive is damaged, missing or in disagreement with the counts.

    As :func:`sync`, for what ``archive.check()`` finds and nothing else. A day that disagrees and was
    asked again already is left alone: the API says both.

    Parameters
    ----------
    client, minutes, requests : optional
        As for :func:`sync`.

    Returns
    -------
    SyncResult
        What was fetched; its ``problems`` are those that remain.

    Raises
    ------
    ConfigurationError, ArchiveError, ApiError
        As :func:`sync`.

    See Also
    --------
    sync : everything that is settled.

    Examples
    --------
    >>> from augment_insights import Client, fetch
    >>> client = Client.sample(today="2026-03-10", archive=getfixture("tmp_path") / "archive")
    >>> print(fetch.mend(client))
    Sync: 0 requests sent.
    """
    with ExitStack() as stack:
        asking = stack.enter_context(lend(client))
        archive = _archive_of(asking)
        if not stack.enter_context(archive.syncing()):
            return _nothing_done(archive, "busy")
        last = archive.last_settled_day(asking.now())
        days = DayRange(utc_day(asking.now()) - _SURE_LOOKBACK, last)
        run = stack.enter_context(_Run(asking, archive, days, minutes=minutes, requests=requests))
        run.put_damaged_aside()
        run.fetch(Jobs(asking, archive, days).mending(archive.check()))
        return run.result()


def _check_tables(tables: Sequence[str] | None) -> tuple[str, ...]:
    if tables is None:
        return ORDER
    for name in tables:
        if name not in ENDPOINT_TABLES:
            raise ConfigurationError(
                f"{name!r} is not a table.{did_you_mean(str(name), ENDPOINT_TABLES)}", setting="tables"
            )
    return tuple(name for name in ORDER if name in tables)


def _archive_of(client: Client) -> Archive:
    archive = open_archive(client)
    if archive is None:
        raise ConfigurationError(
            "There is no archive to fill. Hint: Client(archive=FOLDER), AUGMENT_INSIGHTS_ARCHIVE=FOLDER, or --archive "
            "FOLDER on the command line.",
            setting="archive",
        )
    return archive


def _last_days(days: DayRange, length: int | None) -> DayRange | None:
    if not length:
        return None
    return DayRange(max(days.start, days.end - timedelta(days=length - 1)), days.end)


def _nothing_done(archive: Archive, why: str) -> SyncResult:
    nothing = _SUM_SCHEMA.to_frame()
    return SyncResult(0, nothing, _MOVED_SCHEMA.to_frame(), nothing, archive.check(), why)


@dataclass
class _Budget:
    """What may still be spent."""

    client: Client
    requests: int | None
    until: datetime | None
    sent_before: int

    def allows(self, needed: int) -> bool:
        """Tell whether so many more requests fit."""
        sent = self.client.requests_sent - self.sent_before
        if needed == 0:
            return True
        if self.requests is not None and sent + needed > self.requests:
            return False
        wait = timedelta(seconds=self.client.seconds_for(needed))
        return self.until is None or self.client.now() + wait <= self.until


@dataclass
class _Run:
    """One sync: the jobs that there are, and doing them within the budget."""

    client: Client
    archive: Archive
    days: DayRange
    minutes: float | None
    requests: int | None
    left: list[Job] = field(default_factory=list)
    sent_for: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        now = self.client.now()
        until = None if self.minutes is None else now + timedelta(minutes=self.minutes)
        self._sent_before = self.client.requests_sent
        self._budget = _Budget(self.client, self.requests, until, self._sent_before)
        self._archived = {name: Archived(self.client, table, renew=True) for name, table in ENDPOINT_TABLES.items()}
        self._compared = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.commit()

    def commit(self) -> None:
        """Put everything that was fetched into the archive."""
        for name in ORDER:
            self._archived[name].commit()

    # ---- Doing ----

    def fetch(self, jobs: Iterable[Job]) -> bool:
        """Do the jobs in order, as long as the budget lasts; tell whether all are done."""
        listed = list(jobs)
        with self.client.task("sync", sum(job.requests for job in listed), is_forecast=True):
            for place, job in enumerate(listed):
                if self.left or not self._budget.allows(job.requests):
                    self.left += listed[place:]
                    break
                self._do(job)
        self.commit()
        return not self.left

    def _do(self, job: Job) -> None:
        endpoint = messages.ENDPOINTS[job.table]
        asked = question(endpoint, job.days)
        before = self.client.requests_sent
        if job.again:
            self.client.forget(endpoint, **asked)
        answer = Fetched(job.days, self.client.pages(endpoint, **asked))
        self.sent_for[job.table] = self.sent_for.get(job.table, 0) + self.client.requests_sent - before
        if job.table == DAU_COUNT.name and not self._compared:
            self._compared = True
            self._refuse_strangers(answer)
        self._archived[job.table].keep(answer)

    def result(self) -> SyncResult:
        """Say what was done and what is left."""
        added = [
            {"table": name, "days": self._archived[name].kept, "requests": self.sent_for.get(name, 0)}
            for name in ORDER
            if self._archived[name].kept or self.sent_for.get(name)
        ]
        moved = [
            {"table": name, "start": span.start, "end": span.end}
            for name in ORDER
            for span in sorted(set(self._archived[name].moved))
        ]
        left = pl.DataFrame(
            [{"table": job.table, "days": job.days.days, "requests": job.requests} for job in self.left],
            schema=_SUM_SCHEMA,
        )
        counted = pl.when(pl.col("table").first() == USER_ACTIVITY.name).then(pl.len()).otherwise(pl.col("days").sum())
        return SyncResult(
            requests_sent=self.client.requests_sent - self._sent_before,
            added=pl.DataFrame(added, schema=_SUM_SCHEMA),
            restated=pl.DataFrame(moved, schema=_MOVED_SCHEMA),
            left=left.group_by("table", maintain_order=True).agg(
                counted.cast(pl.Int64).alias("days"), pl.col("requests").sum()
            ),
            problems=self.archive.check(),
            stopped="budget" if self.left else "complete",
        )

    def put_damaged_aside(self) -> None:
        """Make room for what has to be fetched again; days that the API does not answer for any more stay."""
        problems = self.archive.check().filter(pl.col("problem").is_in(["damaged", "stray", "double"]))
        if problems.filter(pl.col("start").is_null()).height:
            self.archive.put_aside_damaged()
        inside = problems.filter(pl.col("start") >= self.days.start, pl.col("end") <= self.days.end)
        for name, start, end in inside.select("table", "start", "end").unique().sort("table", "start").iter_rows():
            self.archive.drop(name, [DayRange(start, end)])

    def keep_idle_days(self, tables: Sequence[str]) -> None:
        """Keep as empty, without asking, days on which nobody was counted and nothing was used."""
        for name in LISTS:
            if name in tables:
                self._archived[name].keep_idle(self.days)

    # ---- Whose answers these are ----

    def _refuse_strangers(self, answer: Fetched) -> None:
        """Compare the first counts with the archive's: tokens change, and the API does not say whose it is."""
        told = {row.date: row.user_count for row in answer.rows}
        known = self.archive.read(DAU_COUNT.name, answer.answered)
        pairs = [(count, told.get(day, 0)) for day, count in known.iter_rows() if count or told.get(day, 0)]
        agreeing = sum(count == now for count, now in pairs)
        if len(pairs) < _FEWEST_TO_COMPARE or agreeing >= _MOSTLY * len(pairs):
            return
        if self._knows_somebody(answer.answered):
            return
        raise ArchiveError(
            f"The archive {self.archive.path} and the API agree on the users of only {agreeing} of {len(pairs)} days, "
            "and no user is known: these are another organisation's answers. Nothing was kept. Hint: check the "
            "token, or name another archive.",
            path=self.archive.path,
        )

    def _knows_somebody(self, days: DayRange) -> bool:
        """Ask for one archived day's list, and tell whether anybody on it is known."""
        archived = self.archive.manifest().filter(
            pl.col("table").is_in(LISTS), pl.col("start").is_between(days.start, days.end), pl.col("users") > 0
        )
        if archived.is_empty():
            return False
        name, day = archived.sort("users", "start", "table").select("table", "start").row(-1)
        then = self.archive.read(name, day)["user"].str.to_lowercase().implode()
        pages = self.client.pages(messages.DAU, date=day.isoformat())
        users = user_frame(DAU, [Fetched(DayRange(day, day), pages)])["user"]
        return users.str.to_lowercase().is_in(then).any()
