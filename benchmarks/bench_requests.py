"""How near does `fetch.activity` come to the fewest requests that the question allows?

A simulated organisation behind a strict server, in this process; time is virtual, so that a day of
waiting takes none. For each size and length: the requests sent for monthly, weekly and daily activity,
and for the last 90 days with all that lies before as look-back. Beside them the least possible on
paper, by brute force from the simulated truth: for each period the smaller of its lists' pages and
its window's, and the daily counts, without which no day without activity is known.

``python -m benchmarks requests`` leaves out 10,000 people over 730 days, which takes minutes;
``python -m benchmarks.bench_requests --full`` has them.
"""

from __future__ import annotations

import json
import math
import sys
from datetime import UTC, date, datetime, timedelta
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from augment_insights import Client, fetch
from augment_insights.periods import DayRange, calendar_periods, windows, windows_back
from augment_insights.sample import TokenBucket
from augment_insights.transport.rate_limit import Clock, RateLimit

if TYPE_CHECKING:
    from collections.abc import Sequence

YESTERDAY = date(2026, 11, 21)
LIST_PAGE, WINDOW_PAGE = 250, 100
SIZES = (100, 1_000, 10_000)
HABITS = {"most come on most weekdays": (3.0, 2.0), "most come now and then": (1.0, 6.0)}
"""How the shares of weekdays on which somebody comes are spread: the parameters of a beta distribution."""

LENGTHS = (90, 365, 730)
LOOKBACK_TOTAL = 730
SHOWN_DAYS = 90
MOST_USER_DAYS = 4_000_000
HEADING = {
    "every": 5,
    "days": 5,
    "look-back": 9,
    "planned": 16,
    "sent": 8,
    "least": 8,
    "ratio": 6,
    "hours": 8,
    "429": 4,
    "rows": 10,
    "took s": 8,
}


class Simulation:
    """About so many people at a time, who come and go over two years.

    Everybody has a rate of their own at which they come on a weekday, an eighth of it at weekends,
    stays for a time, and is away for a fortnight now and then. The last week of each year nobody comes.
    """

    def __init__(self, people: int, habit: tuple[float, float]) -> None:
        self.first = YESTERDAY - timedelta(days=LOOKBACK_TOTAL - 1)
        self._habit = habit
        rng = Random(people)
        self.active: list[list[int]] = [[] for _ in range(LOOKBACK_TOTAL)]
        for user in range(round(people * 3.2)):
            self._live(user, rng)

    def _live(self, user: int, rng: Random) -> None:
        begin = rng.randrange(-500, LOOKBACK_TOTAL)
        end = begin + rng.expovariate(1 / 500)
        rate, away = rng.betavariate(*self._habit), -1
        for number in range(max(0, begin), min(LOOKBACK_TOTAL, int(end) + 1)):
            if rng.random() < 1 / 150:
                away = number + 14
            day = self.first + timedelta(days=number)
            is_holiday = day.month == 12 and day.day > 24
            chance = rate if day.weekday() < 5 else rate / 8
            if number > away and not is_holiday and rng.random() < chance:
                self.active[number].append(user)

    def users_on(self, day: date) -> Sequence[int]:
        """Return who was active on a day, in the order of the API."""
        return self.active[(day - self.first).days]

    def users_in(self, days: DayRange) -> list[int]:
        """Return who was active in a window."""
        return sorted(set().union(*(self.users_on(day) for day in days)))


class Api:
    """The three endpoints that activity needs, over a simulation: AnalyticsApp would sum up twelve million records.

    Refuses what comes too fast, ranges over 90 days, pages over the caps and days beyond two years.
    """

    def __init__(self, organisation: Simulation, bucket: TokenBucket) -> None:
        self._organisation = organisation
        self._bucket = bucket
        self._last_window: tuple[DayRange, list[tuple[int, int]]] | None = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Answer one request."""
        wait = self._bucket.take()
        if wait:
            start_response("429 Too Many Requests", [("Retry-After", str(math.ceil(wait)))])
            return [b"{}"]
        asked = dict(parse_qsl(environ["QUERY_STRING"]))
        answer = {"dau-count": self._counts, "dau": self._list, "user-activity": self._window}
        payload = answer[environ["PATH_INFO"].rpartition("/")[2]](asked)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(payload).encode()]

    def _counts(self, asked: dict[str, str]) -> dict[str, Any]:
        days = _range_of(asked)
        counts = [{"date": day.isoformat(), "user_count": len(self._organisation.users_on(day))} for day in days]
        return {"daily_active_user_counts": counts, "metadata": _of_range(days)}

    def _list(self, asked: dict[str, str]) -> dict[str, Any]:
        day = date.fromisoformat(asked["date"])
        page, pagination = _page(self._organisation.users_on(day), asked, most=LIST_PAGE)
        users = [{"user_email": _email(user)} for user in page]
        return {"users": users, "pagination": pagination, "metadata": {"effective_date": day.isoformat()}}

    def _window(self, asked: dict[str, str]) -> dict[str, Any]:
        days = _range_of(asked)
        if self._last_window is None or self._last_window[0] != days:
            counted: dict[int, int] = {}
            for day in days:
                for user in self._organisation.users_on(day):
                    counted[user] = counted.get(user, 0) + 1
            self._last_window = days, sorted(counted.items())
        page, pagination = _page(self._last_window[1], asked, most=WINDOW_PAGE)
        users = [{"user_email": _email(user), "active_days": many, "metrics": {}} for user, many in page]
        return {"users": users, "pagination": pagination, "metadata": _of_range(days)}


def _email(user: int) -> str:
    return f"user{user:06}@example.com"


def _range_of(asked: dict[str, str]) -> DayRange:
    days = DayRange(date.fromisoformat(asked["start_date"]), date.fromisoformat(asked["end_date"]))
    assert days.days <= 90
    assert days.start >= YESTERDAY - timedelta(days=LOOKBACK_TOTAL - 1)
    return days


def _of_range(days: DayRange) -> dict[str, str]:
    return {"effective_start_date": days.start.isoformat(), "effective_end_date": days.end.isoformat()}


def _page(rows: Sequence[Any], asked: dict[str, str], *, most: int) -> tuple[Sequence[Any], dict[str, Any]]:
    size, first = int(asked["page_size"]), int(asked.get("cursor", 0))
    assert size <= most
    end = first + size
    more = end < len(rows)
    return rows[first:end], {"has_more": more, "next_cursor": str(end) if more else ""}


class VirtualClock(Clock):
    """Noon of the day after, and on by what is waited."""

    def __init__(self) -> None:
        self.seconds = datetime.combine(YESTERDAY + timedelta(days=1), datetime.min.time(), UTC).timestamp() + 43_200

    def now(self) -> datetime:
        """Return the day on which the benchmark plays, whatever was waited: publication is not its subject."""
        return datetime(2026, 11, 22, 12, tzinfo=UTC)

    def time(self) -> float:
        """Return virtual seconds."""
        return self.seconds

    def monotonic(self) -> float:
        """Return virtual seconds."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.seconds += seconds


def least(organisation: Simulation, days: DayRange, every: str, lookback: DayRange | None) -> int:
    """Return the fewest requests that answer the question, knowing the truth; the counts included."""
    requests = len(windows(days))
    for period in calendar_periods(days, every):  # type: ignore[arg-type]
        lists = sum(math.ceil(len(organisation.users_on(day)) / LIST_PAGE) for day in period)
        window = math.ceil(len(organisation.users_in(period)) / WINDOW_PAGE)
        requests += min(lists, window)
    before = [] if lookback is None else windows_back(lookback)
    return requests + sum(math.ceil(len(organisation.users_in(w)) / WINDOW_PAGE) for w in before)


def measure(organisation: Simulation, days: DayRange, every: str, lookback: DayRange | None = None) -> None:
    """Fetch, and print a line."""
    clock = VirtualClock()
    bucket = TokenBucket(clock=clock.time)
    client = Client(
        "benchmark",
        base_url="https://simulation.invalid",
        cache=False,
        progress=False,
        clock=clock,
        app=Api(organisation, bucket),
    )
    client._limit = RateLimit(requests_per_minute=10, burst=20, clock=clock, path=None, key="benchmark")  # noqa: SLF001 (in this process there is none)
    how: dict[str, Any] = {} if lookback is None else {"lookback_days": lookback.days}
    plan = fetch.plan("activity", days.start, days.end, every=every, client=client, **how)  # type: ignore[arg-type]
    began, started = clock.seconds, perf_counter()
    frame = fetch.activity(days.start, days.end, every=every, client=client, **how)  # type: ignore[arg-type]
    seconds, took = clock.seconds - began, perf_counter() - started
    client.close()
    fewest = least(organisation, days, every, lookback)
    bounds = f"{plan.requests_to_send + plan.requests_sent:,}{'' if plan.is_estimate else ' (exact)'}"
    print(
        f"  {every:>5} {days.days:>5} {lookback.days if lookback else 0:>9} {bounds:>16} {client.requests_sent:>8,} "
        f"{fewest:>8,} {client.requests_sent / fewest:>6.3f} {seconds / 3600:>8.2f} {bucket.refused:>4} "
        f"{frame.height:>10,} {took:>8.1f}",
        flush=True,
    )


def main(*, full: bool = False) -> None:
    """Measure and print."""
    print("requests: fetch.activity against the least on paper (look-back: all that lies before the last 90 days)")
    for people in SIZES:
        for habit, parameters in HABITS.items():
            organisation = Simulation(people, parameters)
            peak = max(map(len, organisation.active))
            print(f"  {people:,} people, {habit}: up to {peak:,} on a day", flush=True)
            print("  " + " ".join(f"{name:>{width}}" for name, width in HEADING.items()))
            lengths = [length for length in LENGTHS if full or people * length <= MOST_USER_DAYS]
            measure_all(organisation, lengths)


def measure_all(organisation: Simulation, lengths: Sequence[int]) -> None:
    """Fetch some lengths monthly, weekly and daily, and the last 90 days with all that lies before them."""
    for length in lengths:
        days = DayRange(YESTERDAY - timedelta(days=length - 1), YESTERDAY)
        for every in ("1mo", "1w", "1d"):
            measure(organisation, days, every)
    shown = DayRange(YESTERDAY - timedelta(days=SHOWN_DAYS - 1), YESTERDAY)
    before = DayRange(organisation.first, shown.start - timedelta(days=1))
    for every in ("1w", "1d"):
        measure(organisation, shown, every, before)


if __name__ == "__main__":
    main(full="--full" in sys.argv)
