"""How near does a fetch come to the rate limit, and what does the same again cost?

A strict server on loopback answers 429 to anything beyond its token bucket, which is the API's
with the clock run 60 times as fast: 20 at once, then 10 a second. 90 days of user lists are 90
requests, for which the bucket's bound is (90 - 20) / 10 s. Then the same from four processes
that share the token and fetch 30 days each, cold and on different days; and from four that fetch the
same 30 days, of which one asks and the others wait for its pages. Seconds run from the first request
at the server to the last: starting Python is not the wire's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from time import perf_counter

from augment_insights import Client, fetch
from augment_insights.sample import AnalyticsApp, SampleOrganisation, TokenBucket, serve

REQUESTS_PER_MINUTE = 600
BURST = 20
DAYS = 90
PROCESSES = 4
DAYS_A_PROCESS = 30

_FETCH_SOME_DAYS = """
import sys
from benchmarks.bench_wire import fetch_days
fetch_days(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
"""


class TimedBucket(TokenBucket):
    """The strict bucket, which also remembers when requests came."""

    def __init__(self) -> None:
        super().__init__(requests_per_minute=REQUESTS_PER_MINUTE, burst=BURST)
        self.arrivals: list[float] = []

    def take(self) -> float:
        """Take one token, and note the time."""
        self.arrivals.append(perf_counter())
        return super().take()

    def describe(self) -> str:
        """Say how long the requests took, beside the least that they can."""
        seconds = self.arrivals[-1] - self.arrivals[0]
        least = bound(len(self.arrivals))
        return (
            f"{len(self.arrivals)} requests in {seconds:.2f} s, {seconds / least:.3f} x the bound of {least:.1f} s, "
            f"{self.refused} answers 429"
        )


def client_of(url: str, cache: str) -> Client:
    """Make a client of the scaled server."""
    return Client("benchmark", base_url=url, cache=cache, requests_per_minute=REQUESTS_PER_MINUTE, burst=BURST)


def fetch_days(url: str, cache: str, first: int, days: int) -> Client:
    """Fetch the user lists of some days, counted back from yesterday."""
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    end = yesterday - timedelta(days=first)
    with client_of(url, cache) as client:
        fetch.dau(start_date=end - timedelta(days=days - 1), end_date=end, client=client)
    return client


def bound(requests: int) -> float:
    """Return the least seconds that so many requests take from a full bucket."""
    return max(0, requests - BURST) * 60 / REQUESTS_PER_MINUTE


def main() -> None:
    """Measure and print."""
    os.environ["AUGMENT_INSIGHTS_PROGRESS"] = "off"
    print(f"wire: a strict server at {REQUESTS_PER_MINUTE} requests a minute, burst {BURST}")
    for measure in (measure_one_process, measure_four_processes, measure_one_table):
        bucket = TimedBucket()
        organisation = SampleOrganisation(datetime.now(UTC).date())
        app = AnalyticsApp(organisation, now=lambda: datetime.now(UTC), rate_limit=bucket)
        with tempfile.TemporaryDirectory() as folder, serve(app) as url:
            os.environ["AUGMENT_INSIGHTS_CACHE"] = folder
            measure(url, folder, bucket)


def measure_one_process(url: str, folder: str, bucket: TimedBucket) -> None:
    """Fetch 90 days cold, then warm."""
    fetch_days(url, folder, 0, DAYS)
    print(f"  {DAYS} days, cold: {bucket.describe()}")
    started = perf_counter()
    again = fetch_days(url, folder, 0, DAYS)
    print(f"  {DAYS} days, warm: {again.requests_sent} requests in {perf_counter() - started:.2f} s")


def measure_four_processes(url: str, folder: str, bucket: TimedBucket) -> None:
    """Fetch other days from each of four processes at once."""
    codes = run_processes(url, folder, apart=DAYS_A_PROCESS)
    print(f"  {PROCESSES} processes, {DAYS_A_PROCESS} days each: {bucket.describe()}, exit codes {codes}")


def measure_one_table(url: str, folder: str, bucket: TimedBucket) -> None:
    """Fetch the same days from four processes at once."""
    codes = run_processes(url, folder, apart=0)
    ratio = len(bucket.arrivals) / DAYS_A_PROCESS
    print(
        f"  {PROCESSES} processes, one table of {DAYS_A_PROCESS} days: {len(bucket.arrivals)} requests, {ratio:.2f} x "
        f"the {DAYS_A_PROCESS} needed, {bucket.refused} answers 429, exit codes {codes}"
    )


def run_processes(url: str, folder: str, *, apart: int) -> list[int]:
    """Start four processes that fetch some days each, begun so many days apart, and return their exit codes."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", _FETCH_SOME_DAYS, url, folder, str(number * apart), str(DAYS_A_PROCESS)]
        )
        for number in range(PROCESSES)
    ]
    return [process.wait() for process in running]


if __name__ == "__main__":
    main()
