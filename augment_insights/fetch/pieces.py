"""The pieces of days from which activity is put together, and the ways to learn who was active in each.

A piece lies within one period and within 90 days. Its users are told by the list of each of its
days, by one user-activity window over it, or by the lists that are at hand and a window over the
days that are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from augment_insights.fetch.prices import FREE, Price, Turnover, Way, list_rows, price_answer
from augment_insights.periods import (
    LOOKBACK_DAYS,
    MAX_RANGE_DAYS,
    DayRange,
    Every,
    calendar_periods,
    check_every,
    utc_day,
    windows,
)
from augment_insights.transport import messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date, datetime

    from augment_insights.fetch.counts import DailyCounts
    from augment_insights.fetch.stock import Stock


@dataclass(frozen=True)
class Piece:
    """Days that one window can cover.

    Attributes
    ----------
    period : DayRange
        The period that they count in.
    days : DayRange
        The days.
    counts : tuple of int or None
        How many users each day had, as far as that is known.
    lists : Mapping of date to Price
        What the list of each day costs; a day on which nobody was counted has none.
    """

    period: DayRange
    days: DayRange
    counts: tuple[int | None, ...]
    lists: Mapping[date, Price]

    @property
    def idle_days(self) -> list[date]:
        """The days on which nobody was counted."""
        return [day for day in self.days if day not in self.lists]


def activity_pieces(
    stock: Stock, days: DayRange, counts: DailyCounts, *, every: Every, lookback: DayRange | None
) -> list[Piece]:
    """Cut a range, and the days before it that are looked back on, into pieces; newest first.

    The newest days are the most alike to those that are asked for again, so what is learnt of one
    piece serves the next; and if the fetch is interrupted, they are what is there.
    """
    spans = [(period, window) for period in calendar_periods(days, check_every(every)) for window in windows(period)]
    before = [] if lookback is None else [(window, window) for window in _back_from(lookback)]
    return [_piece(stock, period, window, counts) for period, window in [*reversed(spans), *before]]


def lookback_of(days: DayRange, lookback_days: int | None, *, now: datetime) -> DayRange | None:
    """Return the days before a range that are looked back on, as far as the API reaches; None for none.

    Raises
    ------
    ValueError
        A number of days below 0.
    """
    if lookback_days is None:
        return None
    if isinstance(lookback_days, bool) or not isinstance(lookback_days, int) or lookback_days < 0:
        raise ValueError(f"lookback_days={lookback_days!r} is not a whole number from 0 on. Hint: 365, for example.")
    # The same date two years ago may be one day further back, and then the API may refuse it.
    oldest = utc_day(now) - timedelta(days=LOOKBACK_DAYS)
    reach = min(lookback_days, LOOKBACK_DAYS)
    start = max(days.start - timedelta(days=reach), oldest)
    return DayRange(start, days.start - timedelta(days=1)) if start < days.start else None


def _back_from(days: DayRange) -> Iterator[DayRange]:
    """Cut a range into windows from its end on, newest first."""
    last = days.end
    while last >= days.start:
        first = max(days.start, last - timedelta(days=MAX_RANGE_DAYS - 1))
        yield DayRange(first, last)
        last = first - timedelta(days=1)


def _piece(stock: Stock, period: DayRange, days: DayRange, counts: DailyCounts) -> Piece:
    nearby = counts.known
    lists = {
        day: price_answer(stock, messages.DAU, DayRange(day, day), list_rows(users, nearby))
        for day, users in zip(days, counts.of(days), strict=True)
        if users != 0 or stock.known_rows(messages.DAU, DayRange(day, day))
    }
    return Piece(period, days, tuple(counts.of(days)), lists)


def ways(stock: Stock, piece: Piece, turnover: Turnover, nearby: Sequence[int]) -> list[Way]:
    """Return the ways to learn who was active in a piece; lists first, since they answer more.

    Parameters
    ----------
    stock : Stock
        What is at hand.
    piece : Piece
        The days.
    turnover : Turnover
        What is known of how many users a window has.
    nearby : sequence of int
        The known counts of other days.
    """
    by_lists = Way(tuple(piece.lists), None, _total(piece.lists.values()))
    dear = [day for day, price in piece.lists.items() if price.to_send.most != 0]
    if not dear:
        return [by_lists]
    spans = [piece.days]
    rest = DayRange(dear[0], dear[-1])
    if any(day not in rest for day in piece.lists):
        spans.append(rest)
    return [by_lists, *(_by_window(stock, piece, span, turnover, nearby) for span in spans)]


def _by_window(stock: Stock, piece: Piece, window: DayRange, turnover: Turnover, nearby: Sequence[int]) -> Way:
    counts = [count for day, count in zip(piece.days, piece.counts, strict=True) if day in window]
    users = turnover.users(counts, nearby)
    lists = tuple(day for day in piece.lists if day not in window)
    price = price_answer(stock, messages.USER_ACTIVITY, window, users)
    return Way(lists, window, price + _total(piece.lists[day] for day in lists))


def _total(prices: Iterable[Price]) -> Price:
    total = FREE
    for price in prices:
        total += price
    return total


def learn_from_stock(stock: Stock, pieces: Sequence[Piece], turnover: Turnover) -> None:
    """Take in the windows that are at hand: how many users they have is known."""
    for piece in pieces:
        users = stock.known_rows(messages.USER_ACTIVITY, piece.days)
        if users is not None:
            turnover.learn(piece.counts, users)
