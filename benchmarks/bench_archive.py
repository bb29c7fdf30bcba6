"""How much faster than the HTTP cache does the archive give settled days back, and in how many bytes?

An organisation of 4,000 people is served in this process over 60 days, and its editor and language
records are fetched once into a cache file and an archive. Then the same table is read back from the
cache (an answer a page, decoded as always) and from the archive (``fetch`` with the archive, and a
bare ``scan``), in turns after one that does not count. Also: what a commit costs that adds a day to an
open month, and a check of it all.
"""

from __future__ import annotations

import gc
import os
import random
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from augment_insights import Archive, Client, fetch
from augment_insights.metrics import METRICS
from augment_insights.periods import DayRange
from augment_insights.sample import AnalyticsApp
from augment_insights.sample.records import PERSON, Record
from augment_insights.transport.rate_limit import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl

PEOPLE = 4_000
DAYS = 60
LAST = date(2026, 3, 7)
FIRST = LAST - timedelta(days=DAYS - 1)
ROUNDS = 7
LANGUAGES = ("Python", "TypeScript", "Go", "Rust", "Java", "SQL", "Unknown")
EDITORS = ("VSCode", "JetBrains", "vim")


class Crowd:
    """People of whom seven in ten work on a weekday, each in one to three languages."""

    days = DayRange(FIRST, LAST)

    def records_on(self, day: date) -> Sequence[Record]:
        """Return the records of a day."""
        chance = random.Random(day.toordinal())
        share = 0.7 if day.weekday() < 5 else 0.09
        made = []
        for person in range(PEOPLE):
            if chance.random() < share:
                for language in chance.sample(LANGUAGES, chance.choice((1, 1, 2, 3))):
                    metrics = tuple(chance.randrange(400) if chance.random() < 0.7 else 0 for _ in METRICS)
                    user = f"first.lastname{person}@engineering.example.com"
                    made.append(Record(PERSON, user, language, chance.choice(EDITORS), metrics))
        return made


class Noon(Clock):
    """Noon of the day by which all of it has settled."""

    def now(self) -> datetime:
        """Return the moment."""
        return datetime.combine(LAST + timedelta(days=3), datetime.min.time(), tzinfo=UTC) + timedelta(hours=12)


def main() -> None:
    """Measure and print."""
    os.environ["AUGMENT_INSIGHTS_PROGRESS"] = "off"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AUGMENT_INSIGHTS_CACHE"] = folder
        measure(Path(folder))


def measure(folder: Path) -> None:
    """Fetch once, and read back in turns."""
    app = AnalyticsApp(Crowd(), now=Noon().now)
    cached = Client("benchmark", base_url="https://benchmark.invalid", clock=Noon(), app=app, archive=False)
    pages, rows = fill(cached, folder)
    archived = Client(
        "benchmark", base_url="https://benchmark.invalid", clock=Noon(), app=app, archive=folder / "archive"
    )
    ways: dict[str, Callable[[], pl.DataFrame]] = {
        "cache": lambda: records(cached),
        "archive, by fetch": lambda: records(archived),
        "archive, by scan": lambda: Archive(folder / "archive").scan("editor_language").collect(),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(ROUNDS + 1):
        for name, read in ways.items():
            gc.collect()  # what one way leaves behind is not the next one's to clear away
            started = perf_counter()
            frame = read()
            if turn:
                took[name].append(perf_counter() - started)
            assert frame.height == rows
    assert archived.requests_sent <= 2, "a token that the archive has not seen is checked once, by the shortest list"
    print(f"archive: {rows:,} records of {PEOPLE:,} people over {DAYS} days, {pages:,} pages; {ROUNDS} turns")
    for name, seconds in took.items():
        ratios = [figure(took["cache"]) / figure(seconds) for figure in (median, min)]
        print(
            f"  {name}: median {median(seconds) * 1e3:.0f} ms, best {min(seconds) * 1e3:.0f}; "
            f"{ratios[0]:.0f} x the cache's speed by medians, {ratios[1]:.0f} x by best turns"
        )
    report_bytes(cached, folder)
    report_upkeep(folder)


def records(client: Client) -> pl.DataFrame:
    """Fetch the records of all days."""
    return fetch.editor_language(start_date=FIRST, end_date=LAST, client=client)


def fill(cached: Client, folder: Path) -> tuple[int, int]:
    """Fetch everything once into the cache, and from there into the archive."""
    frame = records(cached)
    pages = cached.requests_sent
    archive = Archive(folder / "archive")
    days = [DayRange(day, day) for day in DayRange(FIRST, LAST)]
    archive.add("editor_language", frame, days, origin=cached.base_url, fetched_at=cached.now())
    return pages, frame.height


def report_bytes(cached: Client, folder: Path) -> None:
    """Compare the sizes on disk."""
    assert cached.cache_path is not None
    cached.close()
    cache = sum(path.stat().st_size for path in cached.cache_path.parent.glob(f"{cached.cache_path.name}*"))
    archive = sum(path.stat().st_size for path in (folder / "archive").rglob("*") if path.is_file())
    print(f"  bytes: cache {cache / 1e6:.1f} MB, archive {archive / 1e6:.2f} MB, {cache / archive:.0f} x smaller")


def report_upkeep(folder: Path) -> None:
    """Time the commit of one day to a month that has all others, and a check."""
    archive = Archive(folder / "archive")
    frame = archive.read("editor_language", LAST)
    settings = {"origin": str(archive.origin), "fetched_at": Noon().now()}
    took = []
    for _ in range(ROUNDS):
        archive.drop("editor_language", [DayRange(LAST, LAST)])
        started = perf_counter()
        archive.add("editor_language", frame, [DayRange(LAST, LAST)], **settings)
        took.append(perf_counter() - started)
    print(f"  a day added to its month: {median(took) * 1e3:.0f} ms")
    started = perf_counter()
    assert archive.check().is_empty()
    print(f"  a check of everything: {(perf_counter() - started) * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
