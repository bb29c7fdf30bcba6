"""From what the API sends to tables: the documented answers byte for byte, and what is not as documented."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from augment_insights import fetch, tables
from augment_insights.errors import DataWarning, TableError, UnexpectedResponseError
from augment_insights.fetch.columns import Fetched, generated_at, sum_windows
from augment_insights.periods import DayRange
from augment_insights.transport import messages

DATA = Path(__file__).parents[1] / "data"
METRICS = list(tables.METRICS)
SUGGESTED = METRICS.index("completions_suggested_lines_of_code")
DAY, LAST = date(2025, 10, 15), date(2025, 10, 20)


def with_unknown(*known: int) -> list[int | None]:
    """Put null in the place of the metric that no example has."""
    return [*known[:SUGGESTED], None, *known[SUGGESTED:]]


ADA = (DAY, "ada@example.com", "person")
DOCUMENTED: dict[str, tuple[str, str | None, list[list[Any]]]] = {
    "dau_count": (
        "dau-count",
        None,
        [[date(2025, 10, 15 + n), count] for n, count in enumerate([100, 120, 95, 140, 88, 110])],
    ),
    "dau": ("dau", "users", [[*ADA], [DAY, "grace@example.com", "person"], [DAY, "ci-bot", "service_account"]]),
    # One day with activity; the five that the API omits were published and are zero; the metric not sent is null.
    "daily_usage": (
        "daily-usage",
        None,
        [
            [DAY, *with_unknown(1250, 340, 890, 1500, 1120, 980, 85, 45, 120, 150, 95, 40, 35, 20, 20)],
            *([date(2025, 10, day), *[0] * 16] for day in range(16, 21)),
        ],
    ),
    "user_activity": (
        "user-activity",
        "users",
        [
            [DAY, LAST, *user, *with_unknown(*known)]
            for user, known in (
                (["ada@example.com", "person", 5], (450, 65, 120, 320, 280, 350, 25, 10, 45, 30, 40, 8, 10, 5, 5)),
                (["grace@example.com", "person", 3], (280, 70, 75, 150, 120, 180, 40, 5, 25, 20, 55, 3, 15, 2, 5)),
                (["ci-bot", "service_account", 6], (200, 50, 85, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 50, 200)),
            )
        ],
    ),
    "editor_language": (
        "daily-user-activity-by-editor-language",
        "records",
        [
            [*ADA, "Python", "VSCode", *with_unknown(150, 25, 40, 80, 65, 120, 10, 5, 15, 8, 12, 2, 3, 0, 0)],
            [*ADA, "TypeScript", "VSCode", *with_unknown(80, 12, 18, 45, 38, 60, 5, 2, 8, 4, 10, 1, 2, 0, 0)],
        ],
    ),
}


@pytest.mark.parametrize("noun", list(DOCUMENTED))
def test_documented_answers_become_the_tables_one_expects(noun, scripted):
    """The reference's bodies, byte for byte; a second page, where one is announced, is empty and the last."""
    path, list_name, rows = DOCUMENTED[noun]
    body = (DATA / f"{path}.json").read_bytes()

    def answer(asked: str, parameters: dict[str, str]) -> Any:
        assert asked == path
        if "cursor" not in parameters:
            return body
        assert list_name is not None
        page = json.loads(body)
        assert parameters["cursor"] == page["pagination"]["next_cursor"]
        metadata = {field: 0 if field.startswith("returned_") else value for field, value in page["metadata"].items()}
        return {list_name: [], "pagination": {"has_more": False, "next_cursor": ""}, "metadata": metadata}

    client, _ = scripted(answer, now=datetime(2025, 11, 1, 12, tzinfo=UTC))
    end = DAY if noun in ("dau", "editor_language") else LAST
    found = getattr(fetch, noun)(start_date=DAY, end_date=end, client=client)
    assert_frame_equal(found, pl.DataFrame(rows, schema=tables.ENDPOINT_TABLES[noun].schema, orient="row"))


def all_metrics(value: int = 1) -> dict[str, int]:
    return dict.fromkeys(METRICS, value)


def range_metadata(parameters: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"effective_start_date": parameters["start_date"], "effective_end_date": parameters["end_date"], **more}


def activity(*users: dict[str, Any]) -> Any:
    """Answer user-activity with these users on one page."""

    def answer(_path: str, parameters: dict[str, str]) -> dict[str, Any]:
        metadata = range_metadata(parameters, returned_user_count=len(users))
        return {"users": list(users), "pagination": {"has_more": False}, "metadata": metadata}

    return answer


def test_an_unknown_metric_is_named_once(scripted):
    """A new metric is left out of the table, and named in one warning for all pages and rows."""
    user = {"user_email": "a@example.com", "active_days": 1, "metrics": {**all_metrics(), "vibes": 7}, "mood": "good"}
    client, _ = scripted(activity(user, {**user, "user_email": "b@example.com"}))
    with pytest.warns(DataWarning) as warned:
        found = fetch.user_activity("2026-03-02", "2026-03-03", client=client)
    assert len(warned) == 1
    assert "users.metrics.vibes" in str(warned[0].message)
    assert "users.mood" in str(warned[0].message)
    assert found.columns == list(tables.USER_ACTIVITY.columns)
    fetch.user_activity("2026-02-02", "2026-02-03", client=client)


def test_text_of_the_api_is_text(scripted):
    """Markup, formulas, line breaks and any script of the world come through as they were sent."""
    names = ["<script>alert(1)</script>@x", "=HYPERLINK(1)@x", "Ünï\n\t@x", "日本@x", "a'\"b@x", " pad@x ", "\u202e@x"]
    users = [{"user_email": name, "active_days": 1, "metrics": all_metrics()} for name in names]
    client, _ = scripted(activity(*users))
    found = fetch.user_activity("2026-03-02", "2026-03-03", client=client)
    assert sorted(found["user"]) == sorted(names)


GOOD = {"user_email": "a@example.com", "active_days": 1, "metrics": all_metrics()}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"metrics": {"chat_messages": "12"}}, "$.users[0].metrics.chat_messages"),
        ({"metrics": {"chat_messages": 1.5}}, "$.users[0].metrics.chat_messages"),
        ({"metrics": {"chat_messages": True}}, "$.users[0].metrics.chat_messages"),
        ({"metrics": {"chat_messages": 2**63}}, "$.users[0].metrics.chat_messages"),
        ({"metrics": {"chat_messages": -1}}, "$.users[0].metrics.chat_messages"),
        ({"metrics": {"chat_messages": [1]}}, "$.users[0].metrics.chat_messages"),
        ({"metrics": []}, "$.users[0].metrics"),
        ({"metrics": None}, "$.users[0].metrics"),
        ({"active_days": None}, "$.users[0].active_days"),
        ({"active_days": "5"}, "$.users[0].active_days"),
        ({"user_email": 5}, "$.users[0].user_email"),
        ({"user_email": None}, "$.users[0]"),
        ({"user_email": ""}, "$.users[0]"),
        ({"service_account_name": "bot"}, "$.users[0]"),
    ],
)
def test_a_wrong_type_is_an_error_with_its_place(change, path, scripted):
    """No silent 12 from "12", no null from 2**63: UnexpectedResponseError names the path, and nothing is kept."""
    client, api = scripted(activity({**GOOD, **change}))
    for requests in (1, 2):
        with pytest.raises(UnexpectedResponseError) as caught:
            fetch.user_activity("2026-03-02", "2026-03-03", client=client)
        assert caught.value.path == path
        assert caught.value.status == 200
        assert path in str(caught.value)
        assert len(api.asked) == requests, "nothing was kept"


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "x", "message": "y"}},
        {},
        [],
        None,
        "text",
        7,
        {"daily_active_user_counts": None, "metadata": {}},
        {"daily_active_user_counts": {}, "metadata": {}},
        {"daily_active_user_counts": []},
        {"daily_active_user_counts": [], "metadata": {"effective_start_date": "2026-03-02"}},
        {"daily_active_user_counts": [], "metadata": {"effective_start_date": "soon", "effective_end_date": "later"}},
        {
            "daily_active_user_counts": [None],
            "metadata": range_metadata({"start_date": "2026-03-02", "end_date": "2026-03-03"}),
        },
        b'{"daily_active_user_counts":[],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_a_200_of_another_shape_is_no_table(body, scripted):
    """An error object, half of an answer or JSON nested without end in a 200 gives no ghost rows: it is an error."""
    client, api = scripted(lambda _path, _parameters: body)
    with pytest.raises(UnexpectedResponseError) as caught:
        fetch.dau_count("2026-03-02", "2026-03-03", client=client)
    assert (caught.value.path or "").startswith("$")
    assert len(api.asked) == 1, "asking again would not help"


def test_the_largest_number_comes_through(scripted):
    """2**63 - 1 is a number like any other."""
    client, _ = scripted(activity({**GOOD, "metrics": all_metrics(2**63 - 1)}))
    found = fetch.user_activity("2026-03-02", "2026-03-02", client=client)
    assert found["chat_messages"].item() == 2**63 - 1


def of_two_windows(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> Any:
    """Answer for the first 90 of 100 days, and for the other ten."""

    def answer(path: str, parameters: dict[str, str]) -> Any:
        return activity(*(first if parameters["start_date"] == "2025-11-30" else second))(path, parameters)

    return answer


HUNDRED_DAYS = ("2025-11-30", "2026-03-09")


def test_a_metric_that_is_missing_in_a_window_is_null(scripted):
    """A metric that one of two windows lacks would pass for the whole, so it is null; no row is no activity."""
    ada = {"user_email": "ada@example.com", "active_days": 3}
    first = {name: 2 for name in METRICS if name != "chat_messages"}
    second = {**all_metrics(2), "total_messages": 0}
    client, api = scripted(of_two_windows([{**ada, "metrics": first}], [{**ada, "metrics": second}]))
    row = fetch.user_activity(*HUNDRED_DAYS, client=client).row(0, named=True)
    assert len(api.asked) == 2
    assert (row["chat_messages"], row["total_messages"], row["total_tool_calls"], row["active_days"]) == (None, 2, 4, 6)
    assert (row["period_start"], row["period_end"]) == (date(2025, 11, 30), date(2026, 3, 9))
    client, _ = scripted(of_two_windows([GOOD], []))
    row = fetch.user_activity(*HUNDRED_DAYS, client=client).row(0, named=True)
    assert [row[name] for name in METRICS] == [1] * 16


def test_an_email_in_another_spelling_is_the_same_person(scripted):
    """Over two windows spellings of one e-mail are one row, named as first seen; accounts are told by exact name."""
    account = {"active_days": 1, "metrics": all_metrics()}
    windows = (
        [{**GOOD, "user_email": person}, {**account, "service_account_name": name}]
        for person, name in (("Ada@Example.com", "Bot"), ("\ufeffada@example.com ", "bot"))
    )
    client, _ = scripted(of_two_windows(*windows))
    found = fetch.user_activity(*HUNDRED_DAYS, client=client)
    assert found.select("user", "user_type", "active_days").rows() == [
        ("Ada@Example.com", "person", 2),
        ("Bot", "service_account", 1),
        ("bot", "service_account", 1),
    ]


def test_windows_that_add_up_to_more_than_64_bits_are_refused():
    """Two windows of 2**62 each in one period are 2**63: an error says so, and no negative number comes out."""
    windows = [DayRange(date(2026, 3, 2), date(2026, 3, 8)), DayRange(date(2026, 3, 9), date(2026, 3, 15))]
    whole = DayRange(windows[0].start, windows[1].end)
    half = 2**62
    rows = [
        {"period_start": w.start, "period_end": w.end, "user": "ada@x.io", "user_type": "person", "active_days": 1}
        | dict.fromkeys(tables.METRICS, half)
        for w in windows
    ]
    frame = pl.DataFrame(rows, schema=tables.USER_ACTIVITY.schema)
    with pytest.raises(TableError, match="more than 64 bits hold"):
        sum_windows(frame, dict.fromkeys(windows, whole))
    one_less = frame.with_columns(pl.col(METRICS) - (pl.int_range(pl.len()) == 0).cast(pl.Int64))
    summed = sum_windows(one_less, dict.fromkeys(windows, whole))
    assert summed.select(METRICS).row(0) == (2**63 - 1,) * len(METRICS)
    assert summed.schema == tables.USER_ACTIVITY.schema


def answer(generated_at: str | None) -> Fetched:
    """Make an answer of dau as it comes off the wire."""
    metadata = {"effective_date": "2026-03-02", "generated_at": generated_at}
    body = {"users": [], "metadata": metadata, "pagination": {"has_more": False}}
    page = messages.decode(messages.ENDPOINTS["dau"], json.dumps(body).encode())
    return Fetched(DayRange(date(2026, 3, 2), date(2026, 3, 2)), [page])


def test_an_answer_is_as_old_as_the_api_says():
    """Nine digits of a second are read; without a moment, or with nonsense, it may be a day old."""
    now = datetime(2026, 3, 10, 12, tzinfo=UTC)
    assert generated_at(answer("2026-03-09T23:00:00.123456789Z"), now=now) == datetime(
        2026, 3, 9, 23, 0, 0, 123456, tzinfo=UTC
    )
    assert generated_at(answer("2030-01-01T00:00:00Z"), now=now) == now
    for text in (None, "soon", "2026-03-09T23:00:00"):
        assert generated_at(answer(text), now=now) == now - timedelta(hours=24)
