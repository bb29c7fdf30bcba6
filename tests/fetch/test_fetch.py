"""From what the API says to what an analyst gets: ranges, periods, zeros, nulls, warnings, refusals."""

from __future__ import annotations

import json
import warnings
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_insights import Client, fetch, tables
from augment_insights.errors import DataWarning, DateRangeError, TableError, UnexpectedResponseError
from augment_insights.fetch.columns import sum_windows
from augment_insights.periods import DayRange
from augment_insights.transport.rate_limit import Clock

METRICS = list(tables.METRICS)
TODAY = date(2026, 3, 10)
ONE_DAY = timedelta(days=1)
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def all_metrics(value: int = 1) -> dict[str, int]:
    return dict.fromkeys(METRICS, value)


def range_metadata(parameters: dict[str, str], **more: Any) -> dict[str, Any]:
    return {
        "effective_start_date": parameters["start_date"],
        "effective_end_date": parameters["end_date"],
        "generated_at": "2026-03-10T12:00:00Z",
        "total_days": 1,
        **more,
    }


def counts(*rows: tuple[str, Any], **metadata: Any) -> Any:
    """Answer dau-count with these days, whatever the range."""

    def answer(_path: str, parameters: dict[str, str]) -> dict[str, Any]:
        listed = [{"date": day, "user_count": count} for day, count in rows]
        return {"daily_active_user_counts": listed, "metadata": range_metadata(parameters, **metadata)}

    return answer


def activity(*users: dict[str, Any]) -> Any:
    """Answer user-activity with these users on one page."""

    def answer(_path: str, parameters: dict[str, str]) -> dict[str, Any]:
        metadata = range_metadata(parameters, returned_user_count=len(users))
        return {"users": list(users), "pagination": {"has_more": False}, "metadata": metadata}

    return answer


def days_of(frame: pl.DataFrame) -> list[str]:
    return frame["date"].cast(pl.String).to_list()


def test_dates_always_travel(scripted: Any) -> None:
    """Left out, the range is resolved here and sent in words: the server's own default is never relied upon."""
    client, api = scripted(counts())
    fetch.dau_count(client=client)
    fetch.dau_count("2026-03-01", client=client)
    fetch.dau_count(end_date=date(2026, 3, 1), client=client)
    assert [parameters for _, parameters in api.asked] == [
        {"start_date": "2026-03-03", "end_date": "2026-03-09"},
        {"start_date": "2026-03-01", "end_date": "2026-03-07"},
        {"start_date": "2026-02-23", "end_date": "2026-03-01"},
    ]


def test_a_long_range_is_asked_for_in_windows_of_90_days(scripted: Any) -> None:
    """200 days are three requests that cover each day once, and one table."""
    client, api = scripted(counts())
    found = fetch.dau_count("2025-08-22", "2026-03-09", client=client)
    assert found.height == 200
    assert [(asked["start_date"], asked["end_date"]) for _, asked in api.asked] == [
        ("2025-08-22", "2025-11-19"),
        ("2025-11-20", "2026-02-17"),
        ("2026-02-18", "2026-03-09"),
    ]


@pytest.mark.parametrize(("path", "size"), [("dau", "250"), ("editor_language", "100"), ("user_activity", "100")])
def test_pages_are_as_large_as_they_can_be(path: str, size: str, scripted: Any) -> None:
    """The largest page that the reference allows, for the fewest requests."""
    list_name = "records" if path == "editor_language" else "users"

    def answer(_path: str, parameters: dict[str, str]) -> dict[str, Any]:
        metadata = {"effective_date": parameters["date"]} if "date" in parameters else range_metadata(parameters)
        return {list_name: [], "pagination": {"has_more": False}, "metadata": metadata}

    client, api = scripted(answer)
    getattr(fetch, path)(start_date="2026-03-02", end_date="2026-03-02", client=client)
    assert [asked["page_size"] for _, asked in api.asked] == [size]


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: fetch.dau_count("2026-03-05", "2026-03-04", client=client),
        lambda client: fetch.daily_usage("2026-03-01", "2026-03-10", client=client),
        lambda client: fetch.user_activity("2020-01-01", "2020-01-31", client=client),
        lambda client: fetch.dau("2026-03-10", client=client),
        lambda client: fetch.dau("2026-03-01", start_date="2026-03-01", client=client),
        lambda client: fetch.editor_language("1 March", client=client),
        lambda client: fetch.editor_language(start_date="2026-03-01", end_date="today", client=client),
    ],
)
def test_days_that_cannot_be_answered_for_cost_no_request(ask: Any, scripted: Any) -> None:
    """DateRangeError before anything is sent."""
    client, api = scripted(counts())
    with pytest.raises(DateRangeError):
        ask(client)
    assert api.asked == []
    assert client.requests_sent == 0


def test_a_period_that_is_none_costs_no_request(scripted: Any) -> None:
    """``every="1y"`` is refused before anything is sent."""
    client, api = scripted(activity())
    with pytest.raises(ValueError, match="'1w'"):
        fetch.user_activity("2026-03-01", "2026-03-02", every="1y", client=client)
    assert api.asked == []


def test_a_published_day_that_is_omitted_is_zero(scripted: Any) -> None:
    """The table has one row a day of the range, in order, also when the API lists them out of order."""
    client, _ = scripted(counts(("2026-03-05", 4), ("2026-03-03", 9)))
    found = fetch.dau_count("2026-03-02", "2026-03-06", client=client)
    assert found["user_count"].to_list() == [0, 9, 0, 4, 0]
    assert days_of(found) == [f"2026-03-0{day}" for day in range(2, 7)]


def test_rows_of_days_that_nobody_asked_for_are_left_out_and_said(scripted: Any) -> None:
    """Their counts are in no other row, so silence would turn them into zeros."""
    client, _ = scripted(counts(("2026-03-03", 9), ("2026-03-07", 4), ("2026-02-28", 2)))
    with pytest.warns(DataWarning, match="2 rows of days that were not asked for left out, the first of 2026-02-28"):
        found = fetch.dau_count("2026-03-02", "2026-03-04", client=client)
    assert found["user_count"].to_list() == [0, 9, 0]


@pytest.mark.parametrize(("sent", "rows"), [([], 2), ([("2026-03-09", 0)], 2), ([("2026-03-09", 3)], 3)])
def test_yesterday_before_it_is_out_is_unknown_not_zero(sent: list[Any], rows: int, scripted: Any) -> None:
    """At 01:00 UTC yesterday has a row only if the API already has something of it; a warning says so either way."""
    client, _ = scripted(counts(("2026-03-08", 5), *sent), now=NOON.replace(hour=1))
    with pytest.warns(DataWarning, match="2026-03-09 is not safely published"):
        found = fetch.dau_count("2026-03-07", "2026-03-09", client=client)
    assert found["user_count"].to_list() == [0, 5, 3][:rows]


def test_an_open_end_before_the_cut_off_needs_no_warning(scripted: Any) -> None:
    """Left to itself the range ends on a published day."""
    client, api = scripted(counts(), now=NOON.replace(hour=1))
    assert fetch.dau_count(client=client).height == 7
    assert api.asked[0][1]["end_date"] == "2026-03-08"


def test_a_clamped_answer_is_said_and_not_filled_up(scripted: Any) -> None:
    """The warning names both ranges; a day that was not answered for is no zero."""
    clamp = {"effective_start_date": "2026-03-03", "effective_end_date": "2026-03-04"}
    client, _ = scripted(counts(("2026-03-03", 5), **clamp))
    with pytest.warns(DataWarning, match="asked 2026-03-01 to 2026-03-05, answered 2026-03-03 to 2026-03-04"):
        found = fetch.dau_count("2026-03-01", "2026-03-05", client=client)
    assert found.rows() == [(date(2026, 3, 3), 5), (date(2026, 3, 4), 0)]


def test_a_list_of_another_day_is_filed_under_that_day(scripted: Any) -> None:
    """When the API answers for the day before, rows carry the day answered for, once, and warnings say so."""

    def answer(_path: str, parameters: dict[str, str]) -> dict[str, Any]:
        day = min(parameters["date"], "2026-03-02")
        users = [{"user_email": "ada@example.com"}]
        return {"users": users, "pagination": {"has_more": False}, "metadata": {"effective_date": day}}

    client, _ = scripted(answer)
    with (
        pytest.warns(DataWarning, match="asked 2026-03-03 to 2026-03-03, answered 2026-03-02"),
        pytest.warns(DataWarning, match="1 duplicate row"),
    ):
        found = fetch.dau(start_date="2026-03-02", end_date="2026-03-03", client=client)
    assert found.rows() == [(date(2026, 3, 2), "ada@example.com", "person")]


def test_an_unknown_metric_is_named_once(scripted: Any) -> None:
    """A new metric is left out of the table, and named in one warning for all pages and rows."""
    user = {"user_email": "a@example.com", "active_days": 1, "metrics": {**all_metrics(), "vibes": 7}}
    client, _ = scripted(activity({**user, "mood": "good"}, {**user, "user_email": "b@example.com"}))
    with pytest.warns(DataWarning) as warned:
        found = fetch.user_activity("2026-03-02", "2026-03-03", client=client)
    assert len(warned) == 1
    assert "users.metrics.vibes" in str(warned[0].message)
    assert "users.mood" in str(warned[0].message)
    assert found.columns == list(tables.USER_ACTIVITY.columns)
    fetch.user_activity("2026-02-02", "2026-02-03", client=client)


def test_text_of_the_api_is_text(scripted: Any) -> None:
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
def test_a_wrong_type_is_an_error_with_its_place(change: dict[str, Any], path: str, scripted: Any) -> None:
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
    ],
)
def test_a_200_of_another_shape_is_no_table(body: Any, scripted: Any) -> None:
    """An error object, a list or half of an answer in a 200 gives no ghost rows: it is an error."""
    client, api = scripted(lambda _path, _parameters: body)
    with pytest.raises(UnexpectedResponseError) as caught:
        fetch.dau_count("2026-03-02", "2026-03-03", client=client)
    assert (caught.value.path or "").startswith("$")
    assert len(api.asked) == 1, "asking again would not help"


def test_the_largest_number_comes_through(scripted: Any) -> None:
    """2**63 - 1 is a count like any other."""
    client, _ = scripted(counts(("2026-03-02", 2**63 - 1)))
    assert fetch.dau_count("2026-03-02", "2026-03-02", client=client)["user_count"].item() == 2**63 - 1


def test_counts_in_pages_are_followed(scripted: Any) -> None:
    """Should dau-count come in pages one day, none of its days is taken for zero."""

    def answer(_path: str, parameters: dict[str, str]) -> dict[str, Any]:
        second = "cursor" in parameters
        day = "2026-03-03" if second else "2026-03-02"
        page = counts((day, 5))(_path, parameters)
        return {**page, "pagination": {"has_more": not second, "next_cursor": "" if second else "c"}}

    client, _ = scripted(answer)
    assert fetch.dau_count("2026-03-02", "2026-03-03", client=client)["user_count"].to_list() == [5, 5]


def test_a_metric_that_is_missing_in_a_window_is_null(scripted: Any) -> None:
    """Of 100 days in two windows one lacks a metric: its sum would pass for the whole, so it is null."""

    def answer(path: str, parameters: dict[str, str]) -> dict[str, Any]:
        metrics = all_metrics(2)
        if parameters["start_date"] == "2025-11-30":
            del metrics["chat_messages"]
        else:
            metrics["total_messages"] = 0
        user = {"user_email": "ada@example.com", "active_days": 3, "metrics": metrics}
        answered: dict[str, Any] = activity(user)(path, parameters)
        return answered

    client, api = scripted(answer)
    row = fetch.user_activity("2025-11-30", "2026-03-09", client=client).row(0, named=True)
    assert len(api.asked) == 2
    assert (row["chat_messages"], row["total_messages"], row["total_tool_calls"], row["active_days"]) == (None, 2, 4, 6)
    assert (row["period_start"], row["period_end"]) == (date(2025, 11, 30), date(2026, 3, 9))


def test_a_user_who_is_absent_from_a_window_is_not_missing_a_metric(scripted: Any) -> None:
    """No row is no activity: the sum is that of the other windows, not null."""

    def answer(path: str, parameters: dict[str, str]) -> Any:
        users = [GOOD] if parameters["start_date"] == "2025-11-30" else []
        return activity(*users)(path, parameters)

    client, _ = scripted(answer)
    row = fetch.user_activity("2025-11-30", "2026-03-09", client=client).row(0, named=True)
    assert [row[name] for name in METRICS] == [1] * 16


def test_an_email_in_another_case_is_the_same_person(scripted: Any) -> None:
    """Over two windows Ada@Example.com and ada@example.com are one row, named as first seen; accounts are not."""

    def answer(path: str, parameters: dict[str, str]) -> Any:
        first = parameters["start_date"] == "2025-11-30"
        person = {**GOOD, "user_email": "Ada@Example.com" if first else "ada@example.com"}
        account = {"service_account_name": "Bot" if first else "bot", "active_days": 1, "metrics": all_metrics()}
        return activity(person, account)(path, parameters)

    client, _ = scripted(answer)
    found = fetch.user_activity("2025-11-30", "2026-03-09", client=client)
    assert found.select("user", "user_type", "active_days").rows() == [
        ("Ada@Example.com", "person", 2),
        ("Bot", "service_account", 1),
        ("bot", "service_account", 1),
    ]


def test_nothing_in_is_an_empty_table(scripted: Any) -> None:
    """No users: no rows, all columns, the same dtypes."""
    client, _ = scripted(activity())
    found = fetch.user_activity("2026-03-02", "2026-03-03", client=client)
    assert found.height == 0
    assert found.schema == tables.USER_ACTIVITY.schema
    with Client.serving([], today=TODAY, progress=False) as empty:
        for noun, table in tables.ENDPOINT_TABLES.items():
            found = getattr(fetch, noun)(start_date="2026-03-02", end_date="2026-03-03", client=empty)
            assert found.schema == table.schema
            assert found.height == (2 if "user" not in table.columns else 0)


def test_records_served_in_this_process_are_cached_in_memory() -> None:
    """The same question is answered from memory, for every endpoint."""
    record = {"date": "2026-03-02", "user_email": "a@x.y", "language": "Go", "editor": "vim", "metrics": all_metrics()}
    with Client.serving([record], today=TODAY, progress=False) as client:
        for noun in tables.ENDPOINT_TABLES:
            ask = getattr(fetch, noun)
            first = ask(start_date="2026-03-02", end_date="2026-03-02", client=client)
            sent = client.requests_sent
            assert ask(start_date="2026-03-02", end_date="2026-03-02", client=client).equals(first)
            assert client.requests_sent == sent, noun


FIRST = date(2025, 9, 1)
USERS = (("user_email", "ada@example.com"), ("user_email", "Grace@example.com"), ("service_account_name", "ci-bot"))
SUMMED = ("total_messages", "chat_messages", "completions_accepted")

records = st.dictionaries(
    keys=st.tuples(
        st.dates(FIRST, date(2026, 3, 9)), st.sampled_from(USERS), st.sampled_from("AB"), st.sampled_from("XY")
    ),
    values=st.tuples(st.integers(0, 3), st.integers(0, 10**6), st.integers(0, 2**40)),
    max_size=40,
)


@given(records=records, every=st.sampled_from([None, "1d", "1w", "1mo", "1q"]), bounds=st.data())
@settings(max_examples=40, deadline=None)
def test_user_activity_is_the_sum_of_its_records(records: dict[Any, Any], every: Any, bounds: Any) -> None:
    """Over any range and period: sums and active days equal those added up from the records one by one."""
    start = bounds.draw(st.dates(FIRST, date(2026, 3, 9)))
    longest = 21 if every == "1d" else 250
    end = min(start + bounds.draw(st.integers(0, longest)) * ONE_DAY, date(2026, 3, 9))
    served = [
        {
            "date": day,
            field: name,
            "language": language,
            "editor": editor,
            "metrics": {**all_metrics(0), **dict(zip(SUMMED, values, strict=True))},
        }
        for (day, (field, name), language, editor), values in records.items()
    ]
    with Client.serving(served, today=TODAY, progress=False) as client:
        found = fetch.user_activity(start, end, every=every, client=client)
    expected: dict[Any, list[Any]] = {}
    for (day, (_, name), _, _), values in records.items():
        if start <= day <= end and any(values):
            row = expected.setdefault((_period_of(day, every, start, end), name), [set(), [0, 0, 0]])
            row[0].add(day)
            row[1] = [total + value for total, value in zip(row[1], values, strict=True)]
    rows = found.select("period_start", "period_end", "user", "active_days", *SUMMED).rows()
    assert {(row[:2], row[2]): [row[3], list(row[4:])] for row in rows} == {
        (period, name): [len(active), totals] for (period, name), (active, totals) in expected.items()
    }
    assert found.equals(found.sort("period_start", "user_type", pl.col("user").str.to_lowercase()))


def _period_of(day: date, every: str | None, start: date, end: date) -> tuple[date, date]:
    """Find a day's period by walking to its borders: as long as the name stays, and the range lasts."""
    if every is None:
        return start, end

    def name(each: date) -> Any:
        return {
            "1d": each,
            "1w": each.isocalendar()[:2],
            "1mo": (each.year, each.month),
            "1q": (each.year, (each.month - 1) // 3),
        }[every]

    first = last = day
    while first > start and name(first - ONE_DAY) == name(day):
        first -= ONE_DAY
    while last < end and name(last + ONE_DAY) == name(day):
        last += ONE_DAY
    return first, last


@given(records=records, start=st.dates(FIRST, date(2026, 3, 9)), length=st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_the_daily_tables_are_the_records(records: dict[Any, Any], start: date, length: int) -> None:
    """Lists, counts and sums by day equal those made from the records one by one."""
    end = min(start + (length - 1) * ONE_DAY, date(2026, 3, 9))
    served = [
        {
            "date": day,
            field: name,
            "language": language,
            "editor": editor,
            "metrics": {**all_metrics(0), **dict(zip(SUMMED, values, strict=True))},
        }
        for (day, (field, name), language, editor), values in records.items()
    ]
    inside = {key: values for key, values in records.items() if start <= key[0] <= end and any(values)}
    with Client.serving(served, today=TODAY, progress=False) as client:
        who = fetch.dau(start_date=start, end_date=end, client=client)
        how_many = fetch.dau_count(start, end, client=client)
        usage = fetch.daily_usage(start, end, client=client)
        finest = fetch.editor_language(start_date=start, end_date=end, client=client)
    pairs = {(day, user[1]) for day, user, _, _ in inside}
    assert set(who.select("date", "user").rows()) == pairs
    assert who.height == len(pairs)
    every_day = [start + n * ONE_DAY for n in range((end - start).days + 1)]
    assert how_many.rows() == [(day, sum(each == day for each, _ in pairs)) for day in every_day]
    sums = [
        (day, *[sum(values[place] for key, values in inside.items() if key[0] == day) for place in range(3)])
        for day in every_day
    ]
    assert usage.select("date", *SUMMED).rows() == sums
    assert set(finest.select("date", "user", "language", "editor", *SUMMED).rows()) == {
        (day, user[1], language, editor, *values) for (day, user, language, editor), values in inside.items()
    }


@given(
    present=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9)), max_size=25),
    hour=st.integers(0, 23),
    answered=st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted),
)
@settings(max_examples=60, deadline=None)
def test_each_day_has_its_row_or_a_reason_not_to(present: Any, hour: int, answered: Any) -> None:
    """Of 21 days up to yesterday: a day answered for and published has a row (zero if omitted), others none."""
    first = date(2026, 2, 17)
    sent: dict[date, int] = {}
    for offset, count in present:
        sent.setdefault(first + offset * ONE_DAY, count)
    low, high = (first + n * ONE_DAY for n in answered)

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        parameters = dict(parse_qsl(environ["QUERY_STRING"]))
        rows = [(day.isoformat(), count) for day, count in sent.items()]
        clamp = {"effective_start_date": str(low), "effective_end_date": str(high)}
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(counts(*rows, **clamp)("", parameters)).encode()]

    class At(Clock):
        """A moment of the morning or the day."""

        def now(self) -> datetime:
            """Return it."""
            return NOON.replace(hour=hour)

    with (
        warnings.catch_warnings(),
        Client("a-token-of-tests", base_url="https://t.invalid", cache=False, clock=At(), app=app) as client,
    ):
        warnings.simplefilter("ignore", DataWarning)
        found = fetch.dau_count(first, date(2026, 3, 9), client=client)
    expected = [
        (day, sent.get(day, 0))
        for day in (first + n * ONE_DAY for n in range(21))
        if low <= day <= high and (hour >= 3 or day < date(2026, 3, 9) or sent.get(day, 0) > 0)
    ]
    assert found.rows() == expected


def test_windows_that_add_up_to_more_than_64_bits_are_refused() -> None:
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
        sum_windows(tables.USER_ACTIVITY, frame, windows, [whole, whole])
    one_less = frame.with_columns(pl.col(METRICS) - (pl.int_range(pl.len()) == 0).cast(pl.Int64))
    summed = sum_windows(tables.USER_ACTIVITY, one_less, windows, [whole, whole])
    assert summed.select(METRICS).row(0) == (2**63 - 1,) * len(METRICS)
    assert summed.schema == tables.USER_ACTIVITY.schema
