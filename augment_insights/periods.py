"""UTC days, ranges and calendar periods: the API's range rules, resolved on our side.

All days are UTC calendar days and all ranges include both ends. Nothing here reads the clock:
who asks says what time it is (``now``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal, get_args

from augment_insights.errors import DateRangeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Every = Literal["1d", "1w", "1mo", "1q"]
"""The calendar period of a row: UTC day, ISO week (from Monday), month, quarter."""

EVERY: tuple[str, ...] = get_args(Every)

NOUN = {"1d": "day", "1w": "week", "1mo": "month", "1q": "quarter"}
ADJECTIVE = {"1d": "Daily", "1w": "Weekly", "1mo": "Monthly", "1q": "Quarterly"}
"""What a calendar period is called."""

MAX_RANGE_DAYS = 90
"""The API answers for at most this many days in one request."""

LOOKBACK_DAYS = 730
"""The API's look-back of two years, read as days (see :func:`oldest_day`)."""

DEFAULT_RANGE_DAYS = 7
"""The length of a range of which only one end, or none, is given."""

PUBLICATION_TIME = time(2, 0)
"""The time (UTC) at about which the API publishes yesterday."""

PUBLICATION_CUTOFF = time(3, 0)
"""The time (UTC) from which yesterday is taken as safely published: publication and an hour of slack."""

_DAY = timedelta(days=1)

# strftime would follow the machine's language.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, order=True)
class DayRange:
    """UTC days from ``start`` to ``end``, both included.

    Examples
    --------
    >>> january = DayRange(date(2026, 1, 1), date(2026, 1, 31))
    >>> january.days
    31
    >>> date(2026, 1, 31) in january
    True
    >>> print(january)
    2026-01-01 to 2026-01-31
    """

    start: date
    end: date

    @property
    def days(self) -> int:
        """How many days the range holds."""
        return (self.end - self.start).days + 1

    def __iter__(self) -> Iterator[date]:
        return (self.start + timedelta(days=n) for n in range(self.days))

    def __contains__(self, day: date) -> bool:
        return self.start <= day <= self.end

    def __str__(self) -> str:
        return f"{self.start} to {self.end}"


def utc_day(now: datetime) -> date:
    """Return the UTC calendar day of a moment; a moment without a zone is refused.

    Examples
    --------
    >>> utc_day(datetime(2026, 1, 2, 23, 30, tzinfo=UTC))
    datetime.date(2026, 1, 2)
    """
    if now.tzinfo is None:
        raise ValueError("A moment needs a time zone: use datetime.now(UTC).")
    return now.astimezone(UTC).date()


def newest_day(now: datetime) -> date:
    """Return the newest day the API can be asked for: yesterday, published or not."""
    return utc_day(now) - _DAY


def published_at(day: date) -> datetime:
    """Return the moment from which a day is safely published: 03:00 UTC of the day after it.

    Examples
    --------
    >>> published_at(date(2026, 2, 28))
    datetime.datetime(2026, 3, 1, 3, 0, tzinfo=datetime.timezone.utc)
    """
    return datetime.combine(day + _DAY, PUBLICATION_CUTOFF, tzinfo=UTC)


def last_published_day(now: datetime) -> date:
    """Return the newest day whose data is safely out: yesterday from 03:00 UTC on, else the day before.

    Examples
    --------
    >>> last_published_day(datetime(2026, 3, 2, 2, 59, tzinfo=UTC))
    datetime.date(2026, 2, 28)
    >>> last_published_day(datetime(2026, 3, 2, 3, 0, tzinfo=UTC))
    datetime.date(2026, 3, 1)
    """
    day = newest_day(now)
    return day if now >= published_at(day) else day - _DAY


def oldest_day(now: datetime) -> date:
    """Return the oldest day that may lie within the API's two years.

    "Two years" is 730 days or the same date two years ago; whatever is newer than the earlier of
    the two is for the API to judge.

    Examples
    --------
    >>> oldest_day(datetime(2026, 11, 22, 12, tzinfo=UTC))
    datetime.date(2024, 11, 22)
    >>> oldest_day(datetime(2024, 2, 29, 12, tzinfo=UTC))  # there was no 29 February 2022
    datetime.date(2022, 2, 28)
    >>> oldest_day(datetime(2024, 12, 31, 12, tzinfo=UTC))  # 2024 had a leap day
    datetime.date(2022, 12, 31)
    """
    today = utc_day(now)
    last_of_february = today.month == 2 and today.day == 29  # noqa: PLR2004 (the leap day)
    same_date = today.replace(year=today.year - 2, day=28 if last_of_february else today.day)
    return min(same_date, today - timedelta(days=LOOKBACK_DAYS))


def parse_day(value: date | str, *, name: str = "date") -> date:
    """Read a day given as ``datetime.date`` or ``"YYYY-MM-DD"``.

    Raises
    ------
    DateRangeError
        For anything else, a ``datetime`` included: it may mean another day in UTC.

    Examples
    --------
    >>> parse_day("2026-01-31")
    datetime.date(2026, 1, 31)
    """
    if isinstance(value, datetime):
        raise DateRangeError(
            f"{name}={value!r} is a moment, not a day. Hint: pass the UTC day, such as {value.date().isoformat()!r}."
        )
    if isinstance(value, date):
        return value
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        day = None
    if day is None or day.isoformat() != value:  # "20260131" and "2026-W05-6" are ISO too, and not what the API takes
        raise DateRangeError(f"{name}={value!r} is not a day. Hint: write it as YYYY-MM-DD, such as '2026-01-31'.")
    return day


def _check(days: DayRange, *, now: datetime) -> DayRange:
    """Refuse what the API is sure to refuse, before any request is spent on it."""
    oldest, newest = oldest_day(now), newest_day(now)
    if days.end < days.start:
        problem = f"The range ends before it starts: {days}"
    elif days.end > newest:
        problem = f"The last day {days.end} is today (UTC) or later"
    elif days.start < oldest:
        problem = f"The first day {days.start} is over two years back"
    else:
        return days
    valid = f"The API answers for {oldest} to {newest} (UTC, both included)."
    raise DateRangeError(f"{problem}. {valid}", start=days.start, end=days.end)


def resolve_range(
    start_date: date | str | None = None, end_date: date | str | None = None, *, now: datetime
) -> DayRange:
    """Fill in a range by the API's own rules and check it.

    Without dates: the last 7 published days. Only a start: 7 days from it, as far as days are
    published. Only an end: 7 days ending on it. Both: that range. A day that is named is asked
    for even before it is safely published; one that is left open is not.

    Raises
    ------
    DateRangeError
        Dates that are not ISO days, an end before the start, today or later, over two years back.

    Examples
    --------
    >>> noon = datetime(2026, 3, 10, 12, tzinfo=UTC)
    >>> print(resolve_range(now=noon))
    2026-03-03 to 2026-03-09
    >>> print(resolve_range("2026-03-05", now=noon))
    2026-03-05 to 2026-03-09
    >>> print(resolve_range(None, "2026-03-05", now=noon))
    2026-02-27 to 2026-03-05
    """
    length = timedelta(days=DEFAULT_RANGE_DAYS - 1)
    start = None if start_date is None else parse_day(start_date, name="start_date")
    end = None if end_date is None else parse_day(end_date, name="end_date")
    if end is None:
        last = last_published_day(now)
        end = last if start is None else min(start + length, max(last, start))
    if start is None:
        start = max(end - length, min(end, oldest_day(now)))
    return _check(DayRange(start, end), now=now)


def resolve_days(
    day: date | str | None = None,
    start_date: date | str | None = None,
    end_date: date | str | None = None,
    *,
    now: datetime,
) -> DayRange:
    """Fill in the days of an endpoint that answers for one day at a time.

    One day, or a range by the rules of :func:`resolve_range`; nothing means the last published day.

    Raises
    ------
    DateRangeError
        As :func:`resolve_range`, and for a day together with a range.

    Examples
    --------
    >>> print(resolve_days(now=datetime(2026, 3, 10, 12, tzinfo=UTC)))
    2026-03-09 to 2026-03-09
    """
    ranged = start_date is not None or end_date is not None
    if day is not None and ranged:
        raise DateRangeError(
            "date cannot go together with start_date or end_date. Hint: give one day, or a range.",
            start=start_date,
            end=end_date,
        )
    if ranged:
        return resolve_range(start_date, end_date, now=now)
    only = last_published_day(now) if day is None else parse_day(day)
    return _check(DayRange(only, only), now=now)


def windows(days: DayRange, *, max_days: int = MAX_RANGE_DAYS) -> list[DayRange]:
    """Cut a range into disjoint windows of at most ``max_days``, oldest first.

    Examples
    --------
    >>> [str(w) for w in windows(DayRange(date(2026, 1, 1), date(2026, 4, 1)))]
    ['2026-01-01 to 2026-03-31', '2026-04-01 to 2026-04-01']
    """
    firsts = [days.start + timedelta(days=n) for n in range(0, days.days, max_days)]
    return [DayRange(first, min(days.end, first + timedelta(days=max_days - 1))) for first in firsts]


def windows_back(days: DayRange, *, max_days: int = MAX_RANGE_DAYS) -> list[DayRange]:
    """Cut a range into disjoint windows from its end back, newest first; the oldest may be shorter.

    Examples
    --------
    >>> [str(w) for w in windows_back(DayRange(date(2026, 1, 1), date(2026, 4, 1)))]
    ['2026-01-02 to 2026-04-01', '2026-01-01 to 2026-01-01']
    """
    lasts = [days.end - timedelta(days=n) for n in range(0, days.days, max_days)]
    return [DayRange(max(days.start, last - timedelta(days=max_days - 1)), last) for last in lasts]


def lookback_range(days: DayRange, lookback_days: int | None, *, now: datetime) -> DayRange | None:
    """Return so many days before a range, as far back as the API is sure to answer; None where there are none.

    Raises
    ------
    ValueError
        ``lookback_days`` is not an integer >= 0.

    Examples
    --------
    >>> noon, march = datetime(2026, 3, 30, 12, tzinfo=UTC), DayRange(date(2026, 3, 1), date(2026, 3, 29))
    >>> print(lookback_range(march, 90, now=noon))
    2025-12-01 to 2026-02-28
    >>> print(lookback_range(march, 10_000, now=noon))
    2024-03-30 to 2026-02-28
    """
    if lookback_days is None:
        return None
    check_count("lookback_days", lookback_days, at_least=0)
    # The same date two years ago may be one day further back, and then the API may refuse it.
    oldest = utc_day(now) - timedelta(days=LOOKBACK_DAYS)
    start = max(days.start - timedelta(days=min(lookback_days, LOOKBACK_DAYS)), oldest)
    return DayRange(start, days.start - _DAY) if start < days.start else None


def day_ranges(days: Iterable[date]) -> list[DayRange]:
    """Join neighbouring days to ranges, oldest first; days may come in any order, and more than once.

    Examples
    --------
    >>> [str(r) for r in day_ranges([date(2026, 1, 5), date(2026, 1, 2), date(2026, 1, 1)])]
    ['2026-01-01 to 2026-01-02', '2026-01-05 to 2026-01-05']
    """
    found: list[DayRange] = []
    for day in sorted(set(days)):
        if found and day - found[-1].end == _DAY:
            found[-1] = DayRange(found[-1].start, day)
        else:
            found.append(DayRange(day, day))
    return found


def check_count(name: str, value: int, *, at_least: int = 1, at_most: int | None = None) -> int:
    """Return the value of a parameter that counts something, and refuse what is no such integer.

    Examples
    --------
    >>> check_count("weeks", 12)
    12
    >>> check_count("lookback", -1, at_least=0)
    Traceback (most recent call last):
    ...
    ValueError: lookback=-1 is not an integer >= 0.
    """
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if is_integer and at_least <= value <= (value if at_most is None else at_most):
        return value
    wanted = f">= {at_least}" if at_most is None else f"from {at_least} to {at_most}"
    raise ValueError(f"{name}={value!r} is not an integer {wanted}.")


def day_text(day: date) -> str:
    """Write a day so that no country misreads it.

    Examples
    --------
    >>> day_text(date(2026, 3, 1))
    '1 Mar 2026'
    """
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def check_every(every: str) -> Every:
    """Return ``every`` if it names a calendar period, and say which do if it does not."""
    if every not in EVERY:
        raise ValueError(f"every={every!r} is not a period. Hint: one of {', '.join(map(repr, EVERY))}.")
    return every  # type: ignore[return-value]  # narrowed by the check above


def calendar_period(day: date, every: Every) -> DayRange:
    """Return the whole calendar period that holds a day.

    Examples
    --------
    >>> print(calendar_period(date(2026, 1, 1), "1w"))
    2025-12-29 to 2026-01-04
    >>> print(calendar_period(date(2024, 2, 10), "1mo"))
    2024-02-01 to 2024-02-29
    """
    if every == "1d":
        return DayRange(day, day)
    if every == "1w":
        monday = day - timedelta(days=day.weekday())
        return DayRange(monday, monday + timedelta(days=6))
    months = 1 if every == "1mo" else 3
    first_month = (day.month - 1) // months * months + 1
    start = day.replace(month=first_month, day=1)
    next_month = first_month + months
    following = date(day.year + next_month // 13, (next_month - 1) % 12 + 1, 1)
    return DayRange(start, following - _DAY)


def calendar_periods(days: DayRange, every: Every) -> list[DayRange]:
    """Cut a range at the borders of calendar periods, oldest first; the first and last may be parts.

    Examples
    --------
    >>> [str(p) for p in calendar_periods(DayRange(date(2026, 1, 30), date(2026, 2, 2)), "1mo")]
    ['2026-01-30 to 2026-01-31', '2026-02-01 to 2026-02-02']
    """
    pieces = []
    first = days.start
    while first <= days.end:
        last = min(calendar_period(first, every).end, days.end)
        pieces.append(DayRange(first, last))
        first = last + _DAY
    return pieces
