"""How fast do the API's answers become a table, beside ``polars.json_normalize`` on the same bytes?

1,000 pages of 100 editor-language records, as the API sends them. Each way runs in turn, five
rounds after one to warm up; medians.
"""

from __future__ import annotations

import json
from datetime import date
from random import Random
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import polars as pl

from augment_insights.fetch.columns import Fetched, table_frame
from augment_insights.periods import DayRange
from augment_insights.tables import EDITOR_LANGUAGE, METRICS
from augment_insights.transport import messages

if TYPE_CHECKING:
    from collections.abc import Callable

PAGES = 1_000
PAGE_SIZE = 100
ROUNDS = 5
DAY = date(2026, 3, 2)


def make_pages() -> list[bytes]:
    """Make the answers: 100,000 records of one day."""
    random = Random(0)
    return [json.dumps(_page(number, random)).encode() for number in range(PAGES)]


def _page(number: int, random: Random) -> dict[str, object]:
    records = [
        {
            "user_email": f"user{number * PAGE_SIZE + place:06}@example.com",
            "language": random.choice(["Python", "TypeScript", "Go"]),
            "editor": random.choice(["VSCode", "JetBrains"]),
            "metrics": {name: random.randrange(500) for name in METRICS},
        }
        for place in range(PAGE_SIZE)
    ]
    return {
        "records": records,
        "pagination": {"has_more": number < PAGES - 1, "next_cursor": str(number)},
        "metadata": {
            "effective_date": DAY.isoformat(),
            "generated_at": "2026-03-03T02:00:00Z",
            "returned_record_count": PAGE_SIZE,
        },
    }


def ours(pages: list[bytes]) -> pl.DataFrame:
    """Decode and check every field, then build the table, sorted and free of duplicates."""
    decoded = [messages.decode(messages.EDITOR_LANGUAGE, body) for body in pages]
    return table_frame(EDITOR_LANGUAGE, [Fetched(DayRange(DAY, DAY), decoded)])


def ours_decoded_only(pages: list[bytes]) -> int:
    """Decode and check every field, and stop there."""
    return sum(len(messages.decode(messages.EDITOR_LANGUAGE, body).rows) for body in pages)


def json_normalize(pages: list[bytes]) -> pl.DataFrame:
    """Parse with the standard library, and let Polars flatten the records."""
    schema = {"user_email": pl.String, "language": pl.String, "editor": pl.String}
    schema |= {f"metrics.{name}": pl.Int64 for name in METRICS}
    records = [record for body in pages for record in json.loads(body)["records"]]
    return pl.json_normalize(records, schema=schema)


def main() -> None:
    """Measure and print."""
    pages = make_pages()
    ways: dict[str, Callable[[list[bytes]], object]] = {
        "ours, to a checked table": ours,
        "ours, decoding alone": ours_decoded_only,
        "polars.json_normalize": json_normalize,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for round_number in range(ROUNDS + 1):
        for name, way in ways.items():
            started = perf_counter()
            way(pages)
            if round_number:
                seconds[name].append(perf_counter() - started)
    records = PAGES * PAGE_SIZE
    base = median(seconds["polars.json_normalize"])
    print(f"decode: {records:,} records in {PAGES:,} pages, median of {ROUNDS}")
    for name, times in seconds.items():
        middle = median(times)
        print(f"  {name:26} {records / middle:>9,.0f} records/s  {base / middle:5.1f} x json_normalize")


if __name__ == "__main__":
    main()
