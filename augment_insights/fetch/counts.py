"""What the daily counts say before any list is fetched: how long each list is, and which days have none.

One dau-count request covers 90 days. A published day that it counts nobody on has no list worth a
request. Whether it counts service accounts is not documented; so a count is believed only as long
as no list turns out longer (:meth:`DailyCounts.fall_short`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from augment_insights.fetch.archived import Archived
from augment_insights.fetch.columns import Fetched
from augment_insights.fetch.stock import question
from augment_insights.periods import DayRange, last_published_day
from augment_insights.tables import DAU_COUNT
from augment_insights.transport import messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from augment_insights.fetch.stock import Stock


@dataclass(frozen=True)
class DailyCounts:
    """How many users were active on each day, as far as it is known.

    Attributes
    ----------
    users : Mapping of date to int
        The published days that were answered for; a day that the API omitted is 0.
    """

    users: Mapping[date, int]

    def of(self, days: Iterable[date]) -> list[int | None]:
        """Return the count of each day, None where it is not known."""
        return [self.users.get(day) for day in days]

    @property
    def known(self) -> list[int]:
        """The counts that are known, by day."""
        return [self.users[day] for day in sorted(self.users)]

    def is_idle(self, day: date) -> bool:
        """Tell whether a day is known to have no active user."""
        return self.users.get(day) == 0

    def fall_short(self, fetched: Iterable[Fetched]) -> bool:
        """Tell whether a list of one day has more users than were counted.

        Then the counts leave somebody out (service accounts, as it may be), and a day without a
        count may have had users all the same.
        """
        return any(
            counted is not None and len(_users_in(answer)) > counted
            for answer in fetched
            for counted in self.of([answer.asked.start])
        )


NOTHING_KNOWN = DailyCounts({})


def _users_in(answer: Fetched) -> set[tuple[str | None, str | None]]:
    return {(row.user_email, row.service_account_name) for row in answer.rows}


def ask_counts(stock: Stock, days: DayRange) -> DailyCounts:
    """Return the counts of these days: at hand, or one request for each 90 days."""
    ranges = stock.count_windows(days)
    client = stock.client
    with client.task(messages.DAU_COUNT.name, len(ranges)), Archived(client, DAU_COUNT) as archived:
        answers = [
            archived.keep(Fetched(window, client.pages(messages.DAU_COUNT, **question(messages.DAU_COUNT, window))))
            for window in ranges
        ]
    return _read(stock, [page for answer in answers for page in answer.pages], days)


def counts_at_hand(stock: Stock, days: DayRange) -> DailyCounts | None:
    """Return the counts of these days if all are at hand: as :func:`ask_counts` or ``fetch.dau_count`` left them."""
    ranges = stock.count_windows(days)
    answers = [stock.cached_pages(messages.DAU_COUNT, window) for window in ranges]
    if not all(answer.is_whole for answer in answers):
        return None
    return _read(stock, [page for answer in answers for page in answer.pages], days)


def _read(stock: Stock, pages: list[messages.Page], days: DayRange) -> DailyCounts:
    """Take from each answer the days that it is of, up to the last published, and add the archived ones."""
    published = last_published_day(stock.client.now())
    users: dict[date, int] = {}
    for page in pages:
        told = {row.date: row.user_count for row in page.rows if isinstance(row, messages.DayCount)}
        for day in DayRange(*page.metadata.answered):
            if day in days and day <= published:
                users[day] = max(users.get(day, 0), told.get(day, 0))
    return DailyCounts(stock.archived_counts(days) | users)
