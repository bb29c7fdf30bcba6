"""The answers that the API's reference documents, byte for byte, become the tables one would expect."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from augment_insights import Client, fetch, tables

DATA = Path(__file__).parents[1] / "data"
NOW = datetime(2025, 11, 1, 12, tzinfo=UTC)
DAY = date(2025, 10, 15)
METRICS = list(tables.METRICS)
SUGGESTED = METRICS.index("completions_suggested_lines_of_code")


def documented(name: str, list_name: str | None = None) -> Any:
    """Answer with the documented body; a second page, where it announces one, is empty and the last."""
    body = (DATA / f"{name}.json").read_bytes()

    def answer(path: str, parameters: dict[str, str]) -> Any:
        assert path == name
        if "cursor" not in parameters:
            return body
        assert list_name is not None
        page = json.loads(body)
        assert parameters["cursor"] == page["pagination"]["next_cursor"]
        metadata = {field: 0 if field.startswith("returned_") else value for field, value in page["metadata"].items()}
        return {list_name: [], "pagination": {"has_more": False, "next_cursor": ""}, "metadata": metadata}

    return answer


def with_unknown(*known: int) -> list[int | None]:
    """Put null in the place of the metric that no example has."""
    return [*known[:SUGGESTED], None, *known[SUGGESTED:]]


ADA_PYTHON = with_unknown(150, 25, 40, 80, 65, 120, 10, 5, 15, 8, 12, 2, 3, 0, 0)
ADA_TYPESCRIPT = with_unknown(80, 12, 18, 45, 38, 60, 5, 2, 8, 4, 10, 1, 2, 0, 0)


def frame(table: tables.Table, rows: list[list[Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=table.schema, orient="row")


def test_dau_count(scripted: Any) -> None:
    """Six days, six counts."""
    client, _ = scripted(documented("dau-count"), now=NOW)
    found = fetch.dau_count("2025-10-15", "2025-10-20", client=client)
    expected = [[date(2025, 10, 15 + n), count] for n, count in enumerate([100, 120, 95, 140, 88, 110])]
    assert_frame_equal(found, frame(tables.DAU_COUNT, expected))


def test_dau(scripted: Any) -> None:
    """Two people and a service account, people first."""
    client, _ = scripted(documented("dau", "users"), now=NOW)
    found = fetch.dau("2025-10-15", client=client)
    expected = [
        [DAY, "ada@example.com", "person"],
        [DAY, "grace@example.com", "person"],
        [DAY, "ci-bot", "service_account"],
    ]
    assert_frame_equal(found, frame(tables.DAU, expected))


def test_daily_usage(scripted: Any) -> None:
    """One day with activity; the five that the API omits were published and are zero; the metric not sent is null."""
    client, _ = scripted(documented("daily-usage"), now=NOW)
    found = fetch.daily_usage("2025-10-15", "2025-10-20", client=client)
    first = with_unknown(1250, 340, 890, 1500, 1120, 980, 85, 45, 120, 150, 95, 40, 35, 20, 20)
    zeros = [[date(2025, 10, day), *[0] * 16] for day in range(16, 21)]
    assert_frame_equal(found, frame(tables.DAILY_USAGE, [[DAY, *first], *zeros]))


def test_user_activity(scripted: Any) -> None:
    """Three users with their sums over the range."""
    client, _ = scripted(documented("user-activity", "users"), now=NOW)
    found = fetch.user_activity("2025-10-15", "2025-10-20", client=client)
    ada = with_unknown(450, 65, 120, 320, 280, 350, 25, 10, 45, 30, 40, 8, 10, 5, 5)
    grace = with_unknown(280, 70, 75, 150, 120, 180, 40, 5, 25, 20, 55, 3, 15, 2, 5)
    robot = with_unknown(200, 50, 85, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 50, 200)
    days = [DAY, date(2025, 10, 20)]
    expected = [
        [*days, "ada@example.com", "person", 5, *ada],
        [*days, "grace@example.com", "person", 3, *grace],
        [*days, "ci-bot", "service_account", 6, *robot],
    ]
    assert_frame_equal(found, frame(tables.USER_ACTIVITY, expected))


def test_editor_language(scripted: Any) -> None:
    """One user in two languages."""
    client, _ = scripted(documented("daily-user-activity-by-editor-language", "records"), now=NOW)
    found = fetch.editor_language("2025-10-15", client=client)
    expected = [
        [DAY, "ada@example.com", "person", "Python", "VSCode", *ADA_PYTHON],
        [DAY, "ada@example.com", "person", "TypeScript", "VSCode", *ADA_TYPESCRIPT],
    ]
    assert_frame_equal(found, frame(tables.EDITOR_LANGUAGE, expected))


@pytest.mark.parametrize("noun", list(tables.ENDPOINT_TABLES))
def test_every_table_of_the_sample_keeps_its_contract(noun: str) -> None:
    """Through the whole wire: columns, dtypes, order, a key that is one, and no null outside the metrics."""
    table = tables.ENDPOINT_TABLES[noun]
    with Client.sample(today="2026-03-10", progress=False) as client:
        found = getattr(fetch, noun)(start_date="2026-03-02", end_date="2026-03-06", client=client)
    assert found.schema == table.schema
    table.check(found)
    assert found.height > 0
    assert found.select(table.key).is_unique().all()
    required = [name for name, column in table.columns.items() if not column.nullable]
    assert found.select(required).null_count().row(0) == (0,) * len(required)
    by_user = [pl.col(name).str.to_lowercase() if name == "user" else pl.col(name) for name in table.key]
    assert_frame_equal(found, found.sort(by_user))
