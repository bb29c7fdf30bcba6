"""What do cold, warm, archived and half-archived runs send, how long do they take, and is any refused?

A strict server on loopback answers 429 to anything beyond its token bucket, which is the API's with
the clock run 60 times as fast: 20 at once, then 10 a second. Each run fetches 90 days of user lists
with a cache folder of its own, but for the warm one. The bound is what the bucket allows for the
requests sent, beside the second of the last one; what is done after it (a table made, days put into
the archive) is not on the API's clock, which alone runs fast. Then the weekly retention report over
400 days on a full archive, at the API's real rate: what it sends beside what the days that are not
settled need by themselves, and how long it takes.
"""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from augment_insights import Archive, Client, fetch, reports
from augment_insights.periods import DayRange, last_published_day
from augment_insights.sample import AnalyticsApp, SampleOrganisation, TokenBucket, serve

if TYPE_CHECKING:
    from collections.abc import Sequence

REQUESTS_PER_MINUTE, BURST = 600, 20
DAYS = 90
REPORT_DAYS = 400
LOOKBACK_DAYS = 90


class Bucket(TokenBucket):
    """A bucket that lets everything through until it is told to be strict, and remembers when requests came."""

    def __init__(self) -> None:
        super().__init__()
        self.arrivals: list[float] = []
        self._strict: TokenBucket | None = None

    def take(self) -> float:
        """Take one token, and note the time."""
        self.arrivals.append(perf_counter())
        return self._strict.take() if self._strict else 0

    def begin(self, strict: TokenBucket) -> None:
        """Start anew with another bucket, which is full."""
        self.arrivals, self._strict = [], strict

    @property
    def answers_429(self) -> int:
        """How many requests were refused."""
        return self._strict.refused if self._strict else 0


def main() -> None:
    """Measure and print."""
    os.environ["AUGMENT_INSIGHTS_PROGRESS"] = "off"
    now = datetime.now(UTC)
    bucket = Bucket()
    app = AnalyticsApp(SampleOrganisation(now.date()), now=lambda: datetime.now(UTC), rate_limit=bucket)
    with tempfile.TemporaryDirectory() as folder, serve(app) as url:
        published = last_published_day(now)
        days = DayRange(published - timedelta(days=DAYS - 1), published)
        places = {name: Path(folder, name) for name in ("whole", "half", "cold", "archived", "half archived", "report")}
        fill(url, places["whole"], published - timedelta(days=REPORT_DAYS + LOOKBACK_DAYS + 6))
        fill(url, places["half"], days.start + timedelta(days=DAYS // 2), tables=("dau",))
        print(f"runs: {DAYS} days of user lists, strict server, {REQUESTS_PER_MINUTE} requests a minute, burst {BURST}")
        print(f"  {'run':<14} {'requests':>8} {'last at':>8} {'bound':>7} {'over it':>8} {'done at':>8} {'429':>4}")
        run("cold", bucket, url, days, cache=places["cold"])
        run("warm", bucket, url, days, cache=places["cold"])
        run("archived", bucket, url, days, cache=places["archived"], archive=places["whole"])
        run("half archived", bucket, url, days, cache=places["half archived"], archive=places["half"])
        report(bucket, url, places["report"], archive=places["whole"], last=published)


def fill(url: str, archive: Path, since: date, *, tables: Sequence[str] | None = None) -> None:
    """Fill an archive, at once: what that costs is not this benchmark's subject."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["AUGMENT_INSIGHTS_CACHE"] = cache  # where the rate limit is remembered, too
        with Client("benchmark", base_url=url, archive=archive, requests_per_minute=10**6, burst=10**6) as client:
            fetch.sync(client, since=since, tables=tables)


def run(name: str, bucket: Bucket, url: str, days: DayRange, *, cache: Path, archive: Path | None = None) -> None:
    """Fetch the lists once, and print a line."""
    with tempfile.TemporaryDirectory() as limit:
        os.environ["AUGMENT_INSIGHTS_CACHE"] = limit
        bucket.begin(TokenBucket(requests_per_minute=REQUESTS_PER_MINUTE, burst=BURST))
        rate = {"requests_per_minute": REQUESTS_PER_MINUTE, "burst": BURST}
        with Client("benchmark", base_url=url, cache=cache, archive=archive or False, **rate) as client:  # type: ignore[arg-type]
            started = perf_counter()
            fetch.dau(start_date=days.start, end_date=days.end, client=client)
            done = perf_counter() - started
    sent = len(bucket.arrivals)
    bound = max(0, sent - BURST) * 60 / REQUESTS_PER_MINUTE
    last = max(bucket.arrivals, default=started) - started
    over = f"{last / bound:.3f} x" if bound else "-"
    print(
        f"  {name:<14} {sent:>8} {last:>8.2f} {bound:>7.2f} {over:>8} {done:>8.2f} {bucket.answers_429:>4}", flush=True
    )


def report(bucket: Bucket, url: str, folder: Path, *, archive: Path, last: date) -> None:
    """Write the retention report from the archive, as somebody would who has only set the environment."""
    settled = Archive(archive).last_settled_day(datetime.now(UTC))
    alone = sent_for(bucket, url, DayRange(settled + timedelta(days=1), last))
    os.environ |= {"AUGMENT_API_URL": url, "AUGMENT_API_TOKEN": "benchmark", "AUGMENT_INSIGHTS_CACHE": str(folder)}
    bucket.begin(TokenBucket())
    started = perf_counter()
    reports.write(
        "retention",
        start_date=last - timedelta(days=REPORT_DAYS - 1),
        end_date=last,
        source="api",
        archive=str(archive),
        output_dir=folder / "out",
    )
    done = perf_counter() - started
    fetched = max(bucket.arrivals, default=started) - started
    print(
        f"  weekly retention report over {REPORT_DAYS} days and {LOOKBACK_DAYS} before, all but "
        f"{(last - settled).days} days archived: {len(bucket.arrivals)} requests (these days alone: {alone}),\n"
        f"    drawing after {fetched:.1f} s, done after {done:.1f} s, {bucket.answers_429} answers 429"
    )


def sent_for(bucket: Bucket, url: str, days: DayRange) -> int:
    """Return how many requests some days need by themselves, with nothing at hand."""
    bucket.begin(TokenBucket())
    with tempfile.TemporaryDirectory() as cache:
        os.environ["AUGMENT_INSIGHTS_CACHE"] = cache
        with Client("benchmark", base_url=url, cache=cache, archive=False) as client:
            fetch.activity(days.start, days.end, every="1d", client=client)
    return len(bucket.arrivals)


if __name__ == "__main__":
    main()
