"""What is available locally, what the rest costs in requests, and by which way it costs least.

A request brings one page, so an answer of n rows costs ceil(n / page size). The rows of a user list are
the day's count, exactly. The users of a window lie between those of its busiest day and the sum of all
its days; where in between is learnt from the last window whose users are known.
"""

from __future__ import annotations

import math
from collections import Counter
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from datetime import timedelta
from html import escape
from itertools import chain
from typing import TYPE_CHECKING, Any, Self

import polars as pl
import polars.selectors as cs

from augment_insights import periods, tables
from augment_insights.archive import Archive
from augment_insights.archive.month import rows_of, span_frame
from augment_insights.errors import ArchiveError, CacheWarning, ConfigurationError, did_you_mean, plural, warn_reader
from augment_insights.fetch.columns import OLDEST_CACHED, Fetched, generated_at, settled_rows, table_frame, unknown_days
from augment_insights.periods import DayRange, Every
from augment_insights.transport import Client
from augment_insights.transport.messages import ENDPOINTS, DayCount
from augment_insights.transport.progress import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime

    from augment_insights.tables import Table
    from augment_insights.transport.pages import Walk

TABLES = (*tables.ENDPOINT_TABLES, tables.ACTIVITY.name)
"""What can be planned: the nouns of the endpoints, and activity."""

LISTS = (tables.DAU.name, tables.EDITOR_LANGUAGE.name)
"""The tables of which one answer is a single day; the others answer for up to 90 days."""

PARAMETERS = {
    tables.DAU.name: {"date"},
    tables.EDITOR_LANGUAGE.name: {"date"},
    tables.USER_ACTIVITY.name: {"every"},
    tables.ACTIVITY.name: {"every", "lookback_days"},
}
"""What a table can be asked by besides a range."""

RECORDS_PER_USER = 1.6
"""Languages and editors that a user works in on a day, where no day is known to tell."""

_TURNOVER = 0.3
"""The turnover of a typical organisation: a week has 1.5 times the users of its busiest day, a quarter 2.3 times."""

_FEWEST_BUSY_DAYS = 2
"""Windows of fewer days' worth of users than this say nothing about the turnover."""

_PAGES_A_COMMIT = 100
"""So much is committed at once: ten minutes of fetching, far within the 24 hours of the cache."""

_UNCOUNTED = "days that are not published or not counted yet"
_BOUNDS = "the users of a window: not fewer than on its busiest day, not more than on all its days together"

Counts = dict["date", int]
"""How many users each published day had; a day that the API omitted is 0, one that is not known is not in it."""


Answer = tuple["Table", DayRange]
"""What one answer tells: a day or a window of a table."""


class LocalData:
    """What a client has available locally, in its archive and its cache; new answers are kept in both.

    Used as a context manager, it commits to the archive what was fetched until then, whatever ends the fetch.

    Parameters
    ----------
    client : Client, optional
        The client to fetch with; by default one configured from the environment, and closed in the end.
    renew : bool
        Days that are archived already are replaced by what is fetched.

    Attributes
    ----------
    archive : Archive or None
        The client's archive.
    turnover : float
        How fast users turn over, by the last window whose users are known: see :func:`learn_turnover`.
    added : Counter of str
        By table, the days or windows that were put into the archive and were not there before.
    restated : list of (str, DayRange)
        Table and day or window of what was archived, and reads otherwise now.

    Raises
    ------
    ArchiveError
        The archive is another organisation's, or no archive.
    """

    def __init__(self, client: Client | None = None, *, renew: bool = False) -> None:
        tables.check_process()
        self.client = Client() if client is None else client
        self.archive: Archive | None = None
        if self.client.archive_path is not None:
            self.archive = Archive(self.client.archive_path)
            self.archive.check_origin(self.client.base_url)
            self.archive.sets_aside = True
        self.turnover = _TURNOVER
        self.added: Counter[str] = Counter()
        self.restated: list[tuple[str, DayRange]] = []
        self._renew = renew
        self._owns_client = client is None
        self._sent_before = self.client.requests_sent
        self._pending: list[tuple[str, Fetched]] = []
        self._archived: dict[str, dict[DayRange, int]] = {}
        self._cached: dict[tuple[str, DayRange], tuple[int, int, bool]] = {}
        try:
            self._check_reader()
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        try:
            self.commit()
        finally:
            self._close()

    def _close(self) -> None:
        if self._owns_client:
            self.client.close()

    # ---- Whose archive it is ----

    def _check_reader(self) -> None:
        """Ask the API once, for a token that the archive has not seen, whether it is of the archive's organisation."""
        if self.archive is None or self.archive.has_reader(self.client.fingerprint):
            return
        if not self._is_same_organisation(self.archive):
            raise ArchiveError(
                f"The archive {self.archive.path} and this token are of different organisations: what the API says of "
                "archived days is not what was archived. Hint: check the token, or name another archive.",
                path=self.archive.path,
            )
        with suppress(OSError):  # of an archive that cannot be written to the cache remembers for a day
            self.archive.add_reader(self.client.fingerprint)

    def _is_same_organisation(self, archive: Archive) -> bool:
        """Compare one answer with what is archived: a user list of one page if there is one, else counts or usage."""
        knows = self.knows_somebody(most=ENDPOINTS[tables.DAU.name].page_size or 1)
        if knows is not None:
            return knows
        for table in (tables.DAU_COUNT, tables.DAILY_USAGE):
            days = sorted(archive.manifest(table.name)["end"])
            if days:
                window = DayRange(max(days[0], days[-1] - timedelta(days=periods.MAX_RANGE_DAYS - 1)), days[-1])
                kept = self.read(table, window).filter(pl.any_horizontal(cs.integer() > 0))
                told = table_frame(table, [self._ask(table, window)])
                return 2 * kept.join(told, on=kept.columns, how="semi", nulls_equal=True).height >= kept.height
        return self.knows_somebody() is not False

    def knows_somebody(self, *, most: float = math.inf) -> bool | None:
        """Ask for the list of an archived day, and tell whether anybody on it is known.

        None where no day of any, and of at most so many, users is archived.
        """
        if self.archive is None:
            return None
        manifests = [self.archive.manifest(name) for name in (*LISTS, tables.USER_ACTIVITY.name)]
        # A day's list before a window, the shortest first: mostly it is one page.
        order = [pl.col("end") - pl.col("start"), pl.col("users"), pl.col("end")]
        known = (
            pl.concat(manifests)
            .filter(pl.col("users").is_between(1, most))
            .sort(order, descending=[False, False, True])
        )
        if known.is_empty():
            return None
        name, start, end = known.select("table", "start", "end").row(0)
        then = self.archive.read(name, DayRange(start, end)).select(tables.folded_user())
        now = table_frame(tables.DAU, [self._ask(tables.DAU, DayRange(end, end))]).select(tables.folded_user())
        if now.is_empty() and name not in LISTS:
            return None
        return now.join(then, on="user", how="semi").height > 0

    @property
    def requests_sent(self) -> int:
        """How many requests the client has sent since this was made."""
        return self.client.requests_sent - self._sent_before

    # ---- What need not be sent for ----

    def archived_rows(self, table: Table, days: DayRange) -> int | None:
        """Return how many rows the archive has of a day or a window; None where it does not have it."""
        if self.archive is None:
            return None
        if table.name not in self._archived:
            manifest = self.archive.manifest(table.name).select("start", "end", "rows").iter_rows()
            self._archived[table.name] = {DayRange(start, end): rows for start, end, rows in manifest}
        return self._archived[table.name].get(days)

    def cached(self, table: Table, days: DayRange) -> tuple[int, int, bool]:
        """Return how many pages of an answer are cached, how many rows they have, and whether they are all."""
        if (table.name, days) not in self._cached:
            found = self._look(table, days)
            rows = sum(len(page.rows) for page in found.pages)
            self._cached[table.name, days] = len(found.pages), rows, found.is_whole
        return self._cached[table.name, days]

    def _look(self, table: Table, days: DayRange) -> Walk:
        return self.client.cached_pages(ENDPOINTS[table.name], **question(table, days))

    def rows(self, table: Table, days: DayRange) -> int | None:
        """Return how many rows the answer for a day or a window has, if all of it is available locally."""
        archived = self.archived_rows(table, days)
        if archived is not None:
            return archived
        _, rows, is_whole = self.cached(table, days)
        return rows if is_whole else None

    def gaps(self, table: Table, days: DayRange) -> list[DayRange]:
        """Return the days of a range that are not archived; of user_activity, the window itself or nothing."""
        return [days] if self.archive is None else self.archive.missing(table.name, days)

    def windows(self, table: Table, days: DayRange) -> list[DayRange]:
        """Return the fewest windows to ask for, so that each day that is not archived is in one.

        The windows of the whole range, if they are cached: what was just fetched is archived as far as it
        is settled, and to ask for the few days that are left would cost a request more.
        """
        gaps, whole = self.gaps(table, days), periods.windows(days)
        if self.archive is not None and gaps and all(self.cached(table, window)[2] for window in whole):
            return whole
        return cover(gaps)

    def read(self, table: Table, days: DayRange) -> pl.DataFrame:
        """Read the archived days of a range."""
        return table.empty() if self.archive is None else self.archive.read(table.name, days)

    def with_archived(
        self, table: Table, frame: pl.DataFrame, days: DayRange, gaps: Iterable[DayRange]
    ) -> pl.DataFrame:
        """Add the archived days of a range to what was fetched of its gaps.

        Parameters
        ----------
        table : Table
            One with a row a day, or several.
        frame : pl.DataFrame
            The table as fetched.
        days : DayRange
            The whole range.
        gaps : iterable of DayRange
            What was not archived when the fetch began.
        """
        asked = pl.DataFrame({"date": [day for gap in gaps for day in gap]}, schema={"date": pl.Date})
        if asked.height == days.days:
            return frame
        kept = self.read(table, days).join(asked, on="date", how="anti", maintain_order="left")
        fetched = frame.join(asked, on="date", how="semi", maintain_order="left")
        return pl.concat([kept, fetched]).sort("date", maintain_order=True)

    # ---- The daily counts ----

    def counts(self, days: DayRange, *, ask: bool = False) -> Counts:
        """Return the daily counts of a range, up to the last published day.

        Whether the API counts service accounts is not documented, so a count is relied on only as long as no
        list turns out longer (:meth:`exceed`).

        Parameters
        ----------
        days : DayRange
            The days.
        ask : bool
            Send for what is not available locally, one request for each 90 days; otherwise the answer is
            empty unless all of it is there.
        """
        spans = self.windows(tables.DAU_COUNT, days)
        if ask:
            with self.client.task(tables.DAU_COUNT.name, len(spans)):
                pages = [page for span in spans for page in self.fetch(tables.DAU_COUNT, span).pages]
            self.commit()
        else:
            found = [self._look(tables.DAU_COUNT, span) for span in spans]
            if not all(answer.is_whole for answer in found):
                return {}
            pages = [page for answer in found for page in answer.pages]
        published = periods.last_published_day(self.client.now())
        counts: Counts = {}
        for page in pages:
            told = {row.date: row.user_count for row in page.rows if isinstance(row, DayCount)}
            unknown = unknown_days([page])
            for day in DayRange(*page.metadata.answered):
                if day not in unknown and day in days and day <= published:
                    counts[day] = max(counts.get(day, 0), told.get(day, 0))
        return self.archived_counts(days) | counts

    def archived_counts(self, days: DayRange) -> Counts:
        """Return the daily counts that the archive has of a range."""
        return dict(self.read(tables.DAU_COUNT, days).select("date", "user_count").iter_rows())

    def exceed(self, table: Table, counts: Counts, fetched: Iterable[Fetched]) -> bool:
        """Tell whether a list or a window, fetched or archived, has more active users than were counted on its days.

        Then the counts leave somebody out (service accounts, as it may be), and a day without a count may
        have had users all the same.
        """
        for answer in fetched:
            came = {(row.user_email, row.service_account_name): getattr(row, "active_days", 1) for row in answer.rows}
            if sum(came.values()) > sum(counts.get(day, math.inf) for day in answer.asked):
                return True
        if self.archive is None or not counts:
            return False
        lists = self.archive.manifest(table.name)
        counted = pl.DataFrame({"start": list(counts), "counted": list(counts.values())})
        return lists.join(counted, on="start").filter(pl.col("users") > pl.col("counted")).height > 0

    # ---- What is fetched and kept ----

    def fetch(self, table: Table, days: DayRange) -> Fetched:
        """Return the answer for a day or a window, from the cache or the API; it is archived when it is settled."""
        answer = self._ask(table, days)
        if answer.has_duplicates:  # so that fetching again asks again
            self.client.forget(ENDPOINTS[table.name], **question(table, days))
        self._cached.pop((table.name, days), None)
        if self.archive is not None:
            self._pending.append((table.name, answer))
            if sum(len(pending.pages) for _, pending in self._pending) >= _PAGES_A_COMMIT:
                self.commit()
        return answer

    def _ask(self, table: Table, days: DayRange) -> Fetched:
        return Fetched(days, self.client.pages(ENDPOINTS[table.name], **question(table, days)))

    def keep_idle(self, table: Table, days: Iterable[date]) -> None:
        """Archive that those of these days have no rows of which the archived counts and usage say so."""
        if self.archive is None:
            return
        counted_at = self.client.now() - OLDEST_CACHED
        settled = self.archive.last_settled_day(counted_at)
        idle = [DayRange(day, day) for day in sorted({*days} & {*self.archive.idle_days()}) if day <= settled]
        missing = [span for span in idle if not self.archive.has(table.name, span)]
        self._add(table, table.empty(), missing, fetched_at=counted_at)

    def discard(self) -> None:
        """Forget the answers that are not committed yet."""
        self._pending.clear()

    def commit(self) -> None:
        """Put what is settled of the answers so far into the archive."""
        pending, self._pending = self._pending, []
        if self.archive is None:
            return
        by_moment: dict[tuple[datetime, str], list[Fetched]] = {}
        for name, answer in pending:
            by_moment.setdefault((generated_at(answer, now=self.client.now()), name), []).append(answer)
        for (moment, name), answers in sorted(by_moment.items(), key=lambda item: item[0]):
            table = tables.ENDPOINT_TABLES[name]
            spans, frame = settled_rows(table, answers, last=self.archive.last_settled_day(moment))
            if not self._renew:
                spans = [span for span in spans if not self.archive.has(name, span)]
            self._add(table, frame, spans, fetched_at=moment)

    def _add(self, table: Table, frame: pl.DataFrame, spans: list[DayRange], *, fetched_at: datetime) -> None:
        if self.archive is None or not spans:
            return
        new = [span for span in spans if not self.archive.has(table.name, span)]
        rows = rows_of(table, frame, span_frame(spans), how="semi")
        try:
            if self.archive.origin is None:
                self.archive.add_reader(self.client.fingerprint)
            moved = self.archive.add(table.name, rows, spans, origin=self.client.base_url, fetched_at=fetched_at)
        except (OSError, ArchiveError, pl.exceptions.PolarsError) as error:
            if isinstance(error, ArchiveError) and error.__cause__ is None:  # another organisation's, not a fault
                raise
            what = (
                f"{table.name}: what was fetched could not be put into the archive {self.archive.path} "
                f"({getattr(error, 'strerror', None) or error}); it is cached for 24 hours. Hint: make room, or the "
                "folder writable."
            )
            if self._renew:  # a sync is for the archive alone
                raise ArchiveError(what, path=self.archive.path) from error
            warn_reader(what, CacheWarning)
            return
        self.added[table.name] += len(new)
        self.restated += [(table.name, span) for span in moved]
        self._archived.pop(table.name, None)


def question(table: Table, days: DayRange) -> dict[str, str]:
    """Return the parameters by which the endpoint of a table is asked for a day or a window."""
    if table.name in LISTS:
        return {"date": days.start.isoformat()}
    return {"start_date": days.start.isoformat(), "end_date": days.end.isoformat()}


def cover(gaps: Iterable[DayRange], *, max_days: int = periods.MAX_RANGE_DAYS) -> list[DayRange]:
    """Return the fewest ranges of at most ``max_days`` that cover all gaps, oldest first.

    Examples
    --------
    >>> from datetime import date
    >>> first, later = DayRange(date(2026, 1, 1), date(2026, 1, 2)), DayRange(date(2026, 3, 1), date(2026, 5, 1))
    >>> [str(window) for window in cover([first, later])]
    ['2026-01-01 to 2026-03-31', '2026-04-01 to 2026-05-01']
    """
    covering: list[DayRange] = []
    for day in chain.from_iterable(gaps):
        if not covering or DayRange(covering[-1].start, day).days > max_days:
            covering.append(DayRange(day, day))
        covering[-1] = DayRange(covering[-1].start, day)
    return covering


# ---- What an answer costs ----

Rows = tuple[int, int, float]
"""The rows of an answer before it is seen: at least, likely, and at most (infinite where nobody can tell)."""


@dataclass(frozen=True)
class Cost:
    """What answers cost in requests, and what they bring; costs add up.

    Attributes
    ----------
    rows : int
        Rows that they are likely to bring.
    needed : int
        Requests, if nothing were available locally.
    to_send, least, most : int, int and float
        Requests that are left to send: likely, at least, and at most (infinite where nobody can tell).
    cached, archived : int
        Requests that the cache and the archive save.
    estimated : int
        How many of the answers have rows that are not known.
    """

    rows: int = 0
    needed: int = 0
    to_send: int = 0
    least: int = 0
    most: float = 0
    cached: int = 0
    archived: int = 0
    estimated: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(mine + others for mine, others in zip(astuple(self), astuple(other), strict=True)))


def answer_pages(table: Table, rows: int) -> int:
    """Return how many pages so many rows fill."""
    return max(1, math.ceil(rows / (ENDPOINTS[table.name].page_size or 1)))


def answer_cost(local: LocalData, table: Table, days: DayRange, rows: Rows) -> Cost:
    """Return what one answer costs, of which ``rows`` says how many rows it has before anything of it is seen."""
    archived = local.archived_rows(table, days)
    if archived is not None:
        pages = answer_pages(table, archived)
        return Cost(archived, needed=pages, archived=pages)
    begun, found, is_whole = local.cached(table, days)
    if is_whole:
        return Cost(found, needed=begun, cached=begun)
    least, likely = (max(1, answer_pages(table, number) - begun) for number in rows[:2])
    most = math.inf if rows[2] == math.inf else max(1, answer_pages(table, int(rows[2])) - begun)
    return Cost(rows[1], likely + begun, likely, least, most, cached=begun, estimated=int(rows[0] != rows[2]))


def list_rows(day: date, counts: Counts, per_user: float | None = None) -> Rows:
    """Return how many rows a day's list has: its count, or a guess where there is none.

    With ``per_user``, records of a user: one at least, and nobody can tell how many at most.
    """
    users = counts.get(day)
    if users == 0 or (users is not None and per_user is None):
        return users, users, users
    likely = users or (round(sum(counts.values()) / len(counts)) if counts else 0)
    return users or 0, max(users or 0, round(likely * (per_user or 1))), math.inf


def window_users(days: DayRange, counts: Counts, turnover: float) -> Rows:
    """Return how many users a window has; where none of its days is counted, it is taken to be like those that are."""
    known = [counts[day] for day in days if day in counts]
    least, most = max(known, default=0), sum(known) if len(known) == days.days else math.inf
    basis = known or list(counts.values())
    peak = max(basis, default=0)
    if peak == 0:
        return least, least, most
    busy_days = max(1.0, sum(basis) / peak * days.days / len(basis))
    likely = round(peak * (1 + turnover * math.log(busy_days)))
    return least, int(min(max(likely, least), most)), most


def learn_turnover(local: LocalData, days: DayRange, counts: Counts, users: int | None) -> bool:
    """Learn from a window of which the users are known, if any, how fast users turn over; tell whether it says.

    By this one number, times the logarithm of its days' worth of users, the users of a window grow beyond its
    busiest day's: near 0 where the same people come every day, over 1 where others do, whatever its length.
    """
    known = [counts[day] for day in days if day in counts]
    peak = max(known, default=0)
    if not users or len(known) < days.days or sum(known) < _FEWEST_BUSY_DAYS * peak:
        return False
    local.turnover = max(0.0, users / peak - 1) / math.log(sum(known) / peak)
    return True


def learn_from_local(local: LocalData, spans: Iterable[DayRange], counts: Counts) -> None:
    """Learn the turnover from the first window that is available locally and says anything."""
    any(learn_turnover(local, span, counts, local.rows(tables.USER_ACTIVITY, span)) for span in spans)


def range_cost(local: LocalData, table: Table, days: DayRange) -> Cost:
    """Return what a table with a row a day costs, one request a window."""
    spans = local.windows(table, days)
    cached = sum(local.cached(table, span)[2] for span in spans)
    archived = max(0, len(periods.windows(days)) - len(spans))
    sent = len(spans) - cached
    return Cost(days.days, len(spans) + archived, sent, sent, sent, cached=cached, archived=archived)


def answers_cost(local: LocalData, answers: Iterable[Answer], counts: Counts, per_user: float | None = None) -> Cost:
    """Return what lists and windows cost together; with ``per_user``, lists are of so many records a user."""
    cost = Cost()
    for table, span in answers:
        is_window = table is tables.USER_ACTIVITY
        rows = window_users(span, counts, local.turnover) if is_window else list_rows(span.start, counts, per_user)
        cost += answer_cost(local, table, span, rows)
    return cost


def active_days(local: LocalData, table: Table, days: Iterable[date], counts: Counts) -> list[DayRange]:
    """Return the days whose lists are worth a request: all but those that are known to have nobody on them."""
    spans = (DayRange(day, day) for day in days)
    return [span for span in spans if counts.get(span.start) != 0 or local.rows(table, span)]


def records_per_user(local: LocalData, days: DayRange, counts: Counts) -> tuple[float, str]:
    """Return the records of a user on a day, from the days that are available locally, and how that is known."""
    found = {day: local.rows(tables.EDITOR_LANGUAGE, DayRange(day, day)) for day in days if counts.get(day)}
    known = {day: rows for day, rows in found.items() if rows is not None}
    if not known:
        return RECORDS_PER_USER, f"records: {RECORDS_PER_USER:.2f} a user and day, typical, as no day is available"
    per_user = sum(known.values()) / sum(counts[day] for day in known)
    return per_user, f"records: {per_user:.2f} a user and day, as on the {plural(len(known), 'day')} available locally"


# ---- By lists, or by a window ----


def range_pieces(days: DayRange, every: Every | None) -> list[tuple[DayRange, DayRange]]:
    """Cut a range into pieces that a window can cover, each with its period, oldest first."""
    wholes = [days] if every is None else periods.calendar_periods(days, periods.check_every(every))
    return [(period, window) for period in wholes for window in periods.windows(period)]


def activity_pieces(days: DayRange, every: Every, lookback: DayRange | None) -> list[tuple[DayRange, DayRange]]:
    """Cut a range, and the look-back before it, into pieces that a window can cover: period and days, newest first.

    The newest days are the most alike to those that are asked for again, so what is learnt of one piece serves
    the next; and if the fetch is interrupted, they are what is there.
    """
    before = [] if lookback is None else periods.windows_back(lookback)
    return [*reversed(range_pieces(days, every)), *((window, window) for window in before)]


def ways(local: LocalData, days: DayRange, counts: Counts) -> list[tuple[Cost, list[Answer]]]:
    """Return the ways to learn who was active in a piece, with their costs.

    Of two that cost alike the first is taken: lists answer more.

    Either the list of each day that is not known to be idle; or one window over the piece, shorter where lists
    that are available locally tell of its first or last days.
    """
    listed = active_days(local, tables.DAU, days, counts)
    missing = [span for span in listed if local.rows(tables.DAU, span) is None]
    found: list[list[Answer]] = [[(tables.DAU, span) for span in listed]]
    if missing:
        rest = DayRange(missing[0].start, missing[-1].end)
        is_local = local.rows(tables.USER_ACTIVITY, days) is not None
        window = days if is_local or all(span.start in rest for span in listed) else rest
        found.append([(tables.USER_ACTIVITY, window), *(one for one in found[0] if one[1].start not in window)])
    return [(answers_cost(local, way, counts), way) for way in found]


def _activity_cost(local: LocalData, pieces: Sequence[tuple[DayRange, DayRange]], counts: Counts) -> Cost:
    """Return what an activity costs; the bounds are those of all ways which may yet turn out the cheapest."""
    learn_from_local(local, (days for _, days in pieces), counts)
    total = Cost()
    for _, days in pieces:
        costs = [cost for cost, _ in ways(local, days, counts)]
        sure = min(cost.most for cost in costs)
        possible = [cost for cost in costs if cost.least <= sure]
        rows = window_users(days, counts, local.turnover)
        total += replace(
            min(costs, key=lambda cost: cost.to_send),
            rows=rows[1],
            least=min(cost.least for cost in possible),
            most=max(cost.most for cost in possible),
            estimated=int(rows[0] != rows[2]),
        )
    return total


# ---- The plan ----


@dataclass(frozen=True)
class Plan:
    """What a fetch will cost, before it is made.

    Shows itself: ``print(plan)`` in a terminal, as the last line of a cell in a notebook.

    Attributes
    ----------
    table : str
        The noun of what is fetched.
    days : DayRange
        The days, a look-back included.
    every : str or None
        The period of a row.
    requests_needed : int
        Requests if nothing were available locally, the daily counts included.
    requests_cached, requests_archived : int
        Requests of these that the cache and the archive save.
    requests_to_send : int
        Requests that are left to send; likely, where ``is_estimate``.
    requests_to_send_least, requests_to_send_most : int, int or None
        Between these it will lie; None where nobody can tell.
    requests_sent : int
        Requests that the planning itself sent, for the daily counts. The fetch uses them again.
    seconds : float
        How long sending takes at the rate limit, from its state at the time of planning.
    rows_expected : int
        Rows of the table.
    days_without_activity : tuple of date
        Days on which nobody was counted. Lists of them are not asked for.
    estimates : tuple of str
        What is estimated, and how; empty if the plan is exact.
    """

    table: str
    days: DayRange
    every: Every | None
    requests_needed: int
    requests_cached: int
    requests_archived: int
    requests_to_send: int
    requests_to_send_least: int
    requests_to_send_most: int | None
    requests_sent: int
    seconds: float
    rows_expected: int
    days_without_activity: tuple[date, ...]
    estimates: tuple[str, ...]

    @property
    def has_missing(self) -> bool:
        """Whether anything is not available locally, and has to be sent for."""
        return self.requests_to_send > 0

    @property
    def minutes(self) -> float:
        """How many minutes sending takes at the rate limit, from its state at the time of planning."""
        return self.seconds / 60

    @property
    def is_estimate(self) -> bool:
        """Whether the number of requests to send is not known exactly."""
        return self.requests_to_send_least != self.requests_to_send_most

    def __str__(self) -> str:
        lines = [f"{name:<12}{text}" for name, text in self._lines()]
        return "\n".join([f"Plan: {self._title()}", *(f"  {line}" for line in lines)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{escape(text)}</td></tr>'
            for name, text in self._lines()
        )
        title = f'<caption style="text-align:left"><b>Plan: {escape(self._title())}</b></caption>'
        return f"<table>{title}<tbody>{rows}</tbody></table>"

    def _title(self) -> str:
        every = f" every {self.every}" if self.every else ""
        return f"{self.table}{every}, {self.days} ({plural(self.days.days, 'day')})"

    def _lines(self) -> list[tuple[str, str]]:
        about = "about " if self.is_estimate else ""
        saved = f"{self.requests_cached:,} in the cache, {self.requests_archived:,} in the archive"
        lines = [
            ("to send", f"{about}{plural(self.requests_to_send, 'request')}{self._bounds()}"),
            ("needed", f"{about}{plural(self.requests_needed, 'request')}, of which {saved}"),
            ("time", f"{about}{format_duration(self.seconds)} at the rate limit, from now"),
            ("rows", f"{'about ' if self.estimates else ''}{self.rows_expected:,}"),
        ]
        if self.days_without_activity:
            lines.append(("no activity", f"{plural(len(self.days_without_activity), 'day')} without a list to ask for"))
        if self.requests_sent:
            lines.append(("spent", f"{plural(self.requests_sent, 'request')} for the daily counts of this plan"))
        return [*lines, *(("estimated", reason) for reason in self.estimates)]

    def _bounds(self) -> str:
        if not self.is_estimate:
            return ""
        most = "at least" if self.requests_to_send_most is None else f"to {self.requests_to_send_most:,}"
        return f" ({self.requests_to_send_least:,} {most})"


def plan(
    table: str,
    start_date: date | str | None = None,
    end_date: date | str | None = None,
    *,
    every: Every | None = None,
    lookback_days: int | None = None,
    client: Client | None = None,
) -> Plan:
    """Tell how many requests it will take to fetch this, how long, and for how many rows.

    The daily counts (one request for each 90 days, the only ones that planning sends) tell the cost of user
    lists exactly: a day of n users is ceil(n / 250) requests, a day of none needs no request. What
    the cache and the archive have costs nothing. The rest is estimated, between bounds where there
    are any, and the plan says so: the users of a window, and the languages and editors of a user.

    A plan that is exact is kept to the request, as long as the daily counts count whoever is on the
    lists. Should a list turn out longer than its count (service accounts are not documented to be
    counted), the days without a count are asked for too.

    Parameters
    ----------
    table : str
        ``"dau_count"``, ``"dau"``, ``"daily_usage"``, ``"user_activity"``, ``"editor_language"`` or
        ``"activity"``.
    start_date, end_date : date or "YYYY-MM-DD", optional
        As for the function of the table.
    every : {"1d", "1w", "1mo", "1q"}, optional
        As for ``fetch.user_activity`` and ``fetch.activity``.
    lookback_days : int, optional
        As for ``fetch.activity``.
    client : Client, optional
        The client to use; by default one configured from the environment.

    Returns
    -------
    Plan
        Requests needed, available locally, and to send; seconds; rows; days without activity.

    Raises
    ------
    ConfigurationError
        An unknown table, or a parameter that it does not take.
    DateRangeError, ApiError
        As ``fetch.dau_count``.

    See Also
    --------
    activity : who was active, by the cheapest way.

    Examples
    --------
    >>> from augment_insights import Client, fetch
    >>> lists = fetch.plan("dau", "2026-02-01", "2026-02-28", client=Client.sample(today="2026-03-10"))
    >>> lists.requests_to_send, lists.requests_sent, lists.is_estimate
    (28, 1, False)
    """
    _check_parameters(table, every=every, lookback_days=lookback_days)
    with LocalData(client) as local:
        now = local.client.now()
        days = periods.resolve_range(start_date, end_date, now=now)
        if table in LISTS:
            days = periods.resolve_days(None, start_date, end_date, now=now)
        lookback = periods.lookback_range(days, lookback_days, now=now)
        every = every or ("1w" if table == tables.ACTIVITY.name else None)
        counts = {} if table in (tables.DAU_COUNT.name, tables.DAILY_USAGE.name) else local.counts(days, ask=True)
        return make_plan(local, table, days, counts, every=every, lookback=lookback)


def _check_parameters(table: str, **given: Any) -> None:
    if table not in TABLES:
        raise ConfigurationError(
            f"{table!r} is not a table that is fetched.{did_you_mean(table, TABLES)}", setting="table"
        )
    for name, value in given.items():
        if value is not None and name not in PARAMETERS.get(table, ()):
            raise ConfigurationError(f"{table} takes no {name}. Hint: leave it out.", setting=name)


def make_plan(
    local: LocalData,
    table: str,
    days: DayRange,
    counts: Counts,
    *,
    every: Every | None = None,
    lookback: DayRange | None = None,
) -> Plan:
    """Put a plan together; the counts that it rests on are needed too, and available locally by now."""
    reasons = [_BOUNDS]
    uncounted = [] if all(day in counts for day in days) else [_UNCOUNTED]
    if table == tables.ACTIVITY.name:
        cost = _activity_cost(local, activity_pieces(days, every or "1w", lookback), counts)
        reasons += uncounted
    elif table == tables.USER_ACTIVITY.name:
        pieces = [window for _, window in range_pieces(days, every)]
        learn_from_local(local, reversed(pieces), counts)
        cost = answers_cost(local, [(tables.USER_ACTIVITY, window) for window in pieces], counts)
    elif table in LISTS:
        per_user, reason = records_per_user(local, days, counts) if table == tables.EDITOR_LANGUAGE.name else (None, "")
        listed = active_days(local, tables.ENDPOINT_TABLES[table], days, counts)
        cost = answers_cost(local, [(tables.ENDPOINT_TABLES[table], span) for span in listed], counts, per_user)
        reasons = uncounted + ([reason] if reason else [])
    else:
        cost = range_cost(local, tables.ENDPOINT_TABLES[table], days)
    if lookback is not None:
        reasons.append("the look-back: its days are not counted, and taken to be like those of the range")
    counting = range_cost(local, tables.DAU_COUNT, days) if counts else Cost()
    return Plan(
        table=table,
        days=days if lookback is None else DayRange(lookback.start, days.end),
        every=every,
        requests_needed=cost.needed + counting.needed,
        requests_cached=cost.cached + counting.cached,
        requests_archived=cost.archived + counting.archived,
        requests_to_send=cost.to_send,
        requests_to_send_least=cost.least,
        requests_to_send_most=None if cost.most == math.inf else int(cost.most),
        requests_sent=local.requests_sent,
        seconds=local.client.seconds_for(cost.to_send),
        rows_expected=cost.rows,
        days_without_activity=tuple(day for day in days if counts.get(day) == 0),
        estimates=tuple(reasons) if cost.estimated else (),
    )


def announce(client: Client, plan: Plan) -> None:
    """Show the plan of a fetch to whoever watches, if it is above the client's budget."""
    if plan.requests_to_send > client.plan_above:
        client.announce(plan)
