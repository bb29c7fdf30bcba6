"""What answers cost in requests, before they are asked for: how many pages each has, and how sure that is.

A request brings one page, so an answer of n rows costs ceil(n / page size). The rows of a user list
are the day's count, exactly. The users of a window lie between its busiest day's and the sum of its
days'; where in between is learnt from the windows that are known (:class:`Turnover`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from augment_insights.fetch.stock import Stock
    from augment_insights.periods import DayRange
    from augment_insights.transport import messages

RECORDS_PER_USER = 1.6
"""Languages and editors that a user works in on a day, where no day is known to tell."""

_TYPICAL = ((1.0, 1.0), (5.26, 1.67), (21.0, 1.90), (67.6, 2.19))
"""Users of a window by its busy days, both in units of its busiest day's users: a week, four weeks, 90 days."""


@dataclass(frozen=True)
class Estimate:
    """A number that may not be known yet: at least, likely, and at most (None: nobody can tell)."""

    least: int
    likely: int
    most: int | None

    @classmethod
    def exactly(cls, number: int) -> Estimate:
        """Return a number that is known."""
        return cls(number, number, number)

    @property
    def is_exact(self) -> bool:
        """Whether it is known."""
        return self.least == self.most

    def __add__(self, other: Estimate) -> Estimate:
        most = None if self.most is None or other.most is None else self.most + other.most
        return Estimate(self.least + other.least, self.likely + other.likely, most)

    def less(self, known: int) -> Estimate:
        """Return what is left of it after so many."""
        left = max(0, self.least - known), max(0, self.likely - known)
        return Estimate(*left, None if self.most is None else max(0, self.most - known))

    def pages(self, endpoint: messages.Endpoint, *, begun: int = 0) -> Estimate:
        """Return how many pages so many rows fill; one at least, and one more than those that say there is more."""
        size = endpoint.page_size or 1
        floor = begun + 1
        least, likely = (max(floor, math.ceil(rows / size)) for rows in (self.least, self.likely))
        return Estimate(least, likely, None if self.most is None else max(floor, math.ceil(self.most / size)))


@dataclass(frozen=True)
class Price:
    """What answers cost, and what they bring.

    Attributes
    ----------
    rows : Estimate
        Rows that they bring.
    needed : Estimate
        Requests, if nothing were at hand.
    to_send : Estimate
        Requests that are left to send.
    cached, archived : int
        Requests that the cache and the archive save.
    """

    rows: Estimate
    needed: Estimate
    to_send: Estimate
    cached: int = 0
    archived: int = 0

    def __add__(self, other: Price) -> Price:
        return Price(
            self.rows + other.rows,
            self.needed + other.needed,
            self.to_send + other.to_send,
            self.cached + other.cached,
            self.archived + other.archived,
        )


NONE = Estimate.exactly(0)
FREE = Price(NONE, NONE, NONE)


def price_answer(stock: Stock, endpoint: messages.Endpoint, days: DayRange, rows: Estimate) -> Price:
    """Return what one answer costs.

    Parameters
    ----------
    stock : Stock
        What is at hand.
    endpoint : Endpoint
        Who answers.
    days : DayRange
        The day, or the window, that is asked for.
    rows : Estimate
        How many rows the answer has, before anything of it is seen.
    """
    archived = stock.archived_rows(endpoint, days)
    if archived is not None:
        kept = Estimate.exactly(archived)
        pages = kept.pages(endpoint)
        return Price(kept, pages, NONE, archived=pages.likely)
    found = stock.at_hand(endpoint, days)
    if found.is_whole:
        return Price(Estimate.exactly(found.rows), Estimate.exactly(found.pages), NONE, cached=found.pages)
    pages = rows.pages(endpoint, begun=found.pages)
    return Price(rows, pages, pages.less(found.pages), cached=found.pages)


def list_rows(users: int | None, nearby: Sequence[int]) -> Estimate:
    """Return how many users a day's list has: its count, or a guess where there is none."""
    if users is not None:
        return Estimate.exactly(users)
    return Estimate(0, _mean(nearby), None)


def record_rows(users: int | None, nearby: Sequence[int], *, per_user: float) -> Estimate:
    """Return how many editor-language records a day has: one a user at least, and nobody can tell how many at most."""
    if users == 0:
        return NONE
    likely = _mean(nearby) if users is None else users
    return Estimate(users or 0, max(users or 0, round(likely * per_user)), None)


def pages_of_lists(endpoint: messages.Endpoint, counts: Sequence[int | None]) -> int:
    """Return how many pages the lists of so many users likely have together."""
    per_user = 1.0 if endpoint.name == "dau" else RECORDS_PER_USER
    rows = [record_rows(users, (), per_user=per_user) for users in counts]
    return sum(each.pages(endpoint).likely for each in rows)


def _mean(numbers: Sequence[int]) -> int:
    return round(sum(numbers) / len(numbers)) if numbers else 0


@dataclass
class Turnover:
    """How many users a window has beside its busiest day: a typical shape, and how this organisation differs.

    Where the same people come every day there are hardly more, where others come each day there are
    many. Each window whose users are known corrects the next guess.
    """

    seen: float = field(default=0.0, init=False)
    typical: float = field(default=0.0, init=False)

    def learn(self, counts: Sequence[int | None], users: int) -> None:
        """Take in a window whose users are known."""
        known = [count for count in counts if count is not None]
        if len(known) == len(counts) and any(known):
            peak = max(known)
            self.seen += max(0, users - peak)
            self.typical += peak * (_typical_users(sum(known) / peak) - 1)

    def users(self, counts: Sequence[int | None], nearby: Sequence[int]) -> Estimate:
        """Return how many users a window has.

        Parameters
        ----------
        counts : sequence of int or None
            The users of each of its days.
        nearby : sequence of int
            The known counts of other days, which stand in where none of its own is known.
        """
        known = [count for count in counts if count is not None]
        least = max(known, default=0)
        most = sum(known) if len(known) == len(counts) else None
        basis = known or list(nearby)
        peak = max(basis, default=0)
        if peak == 0:
            return Estimate(least, least, most)
        busy_days = max(1.0, sum(basis) / peak * len(counts) / len(basis))
        factor = self.seen / self.typical if self.typical else 1.0
        likely = max(least, round(peak * (1 + factor * (_typical_users(busy_days) - 1))))
        return Estimate(least, likely if most is None else min(likely, most), most)


def _typical_users(busy_days: float) -> float:
    """Read the typical shape between its points, straight over the logarithm of the days."""
    at = math.log(max(1.0, busy_days))
    points = [(math.log(days), users) for days, users in _TYPICAL]
    place = next((n for n in range(1, len(points) - 1) if at <= points[n][0]), len(points) - 1)
    (left, low), (right, high) = points[place - 1], points[place]
    return low + (high - low) * (at - left) / (right - left)


@dataclass(frozen=True)
class Way:
    """One way to learn who was active in a piece of days.

    Attributes
    ----------
    lists : tuple of date
        The days whose user lists tell.
    window : DayRange or None
        The days that user-activity answers for at once.
    price : Price
        What it costs.
    """

    lists: tuple[date, ...]
    window: DayRange | None
    price: Price


def cheapest(ways: Sequence[Way]) -> Way:
    """Return the way that likely needs the fewest requests; of two alike the first."""
    return min(ways, key=lambda way: way.price.to_send.likely)


def price_of_choice(ways: Sequence[Way]) -> Price:
    """Return what the cheapest way costs, where it may turn out only on the way which that is."""
    chosen = cheapest(ways).price
    sure = [way.price.to_send.most for way in ways if way.price.to_send.most is not None]
    open_ways = [way.price.to_send for way in ways if not sure or way.price.to_send.least <= min(sure)]
    most = [estimate.most for estimate in open_ways]
    to_send = Estimate(
        min(estimate.least for estimate in open_ways),
        chosen.to_send.likely,
        None if None in most else max(number for number in most if number is not None),
    )
    return Price(chosen.rows, chosen.needed, to_send, chosen.cached, chosen.archived)
