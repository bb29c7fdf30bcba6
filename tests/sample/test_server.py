"""The Analytics API's rules, asked through WSGI."""

import json
import urllib.error
import urllib.request
from base64 import urlsafe_b64decode, urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment_insights.errors import ConfigurationError
from augment_insights.sample import AnalyticsApp, RecordStore, SampleOrganisation, TokenBucket, serve

RECORDS = "daily-user-activity-by-editor-language"
RANGED = ["dau-count", "daily-usage", "user-activity"]
DAILY = ["dau", RECORDS]
PAGED = ["dau", "user-activity", RECORDS]
# Written down by hand from the API's reference, not taken from the code under test.
AGENTS = ("remote_agent", "ide_agent", "cli_agent_interactive", "cli_agent_non_interactive")
REFERENCE_METRICS = {
    *("total_modified_lines_of_code", "total_messages", "total_tool_calls", "chat_messages"),
    *(f"completions_{what}" for what in ("count", "accepted", "lines_of_code", "suggested_lines_of_code")),
    *(f"{agent}_{what}" for agent in AGENTS for what in ("messages", "lines_of_code")),
}
RANGE_METADATA = {"effective_start_date", "effective_end_date", "generated_at", "total_days"}
DAY_METADATA = {"effective_date", "generated_at"}
SHAPES = {  # where the rows are, their fields, and those of the metadata
    "dau-count": ("daily_active_user_counts", {"date", "user_count"}, RANGE_METADATA),
    "dau": ("users", set(), DAY_METADATA | {"returned_user_count"}),
    "daily-usage": ("daily_usage", {"date", "metrics"}, RANGE_METADATA),
    "user-activity": ("users", {"active_days", "metrics"}, RANGE_METADATA | {"returned_user_count"}),
    RECORDS: ("records", {"language", "editor", "metrics"}, DAY_METADATA | {"returned_record_count"}),
}
ROWS = {endpoint: rows for endpoint, (rows, _, _) in SHAPES.items()}


@pytest.fixture(scope="module")
def organisation_app() -> AnalyticsApp:
    moment = datetime(2026, 3, 10, 12, 30, 15, 250_000, tzinfo=UTC)
    return AnalyticsApp(SampleOrganisation(moment.date()), now=lambda: moment)


@pytest.fixture
def small(serving, record) -> AnalyticsApp:
    """Three users over three days, small enough to add up by hand."""
    return serving(
        [
            record("2026-03-05", metrics={"total_messages": 5, "completions_count": 10, "completions_accepted": 4}),
            record("2026-03-05", language="Go", metrics={"total_messages": 2, "completions_count": 3}),
            record("2026-03-05", "a-bot", editor="CLI", metrics={"total_messages": 7}),
            record("2026-03-07", metrics={"total_messages": 1}),
            record("2026-03-07", "Bob@example.com", metrics={"completions_suggested_lines_of_code": 6}),
            record("2026-03-09", "a-bot", editor="CLI", metrics={"total_messages": 20}),
        ]
    )


@pytest.mark.parametrize("endpoint", ROWS)
def test_answers_have_the_documented_fields(organisation_app, ask, endpoint):
    """Every endpoint answers with the reference's fields, none missing and none more."""
    answer = ask(organisation_app, endpoint)
    place, fields, metadata = SHAPES[endpoint]
    paged = {"pagination"} if endpoint in PAGED else set()
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert int(answer.headers["Content-Length"]) > 100
    assert answer.body.keys() == {place, "metadata"} | paged
    assert answer.body["metadata"].keys() == metadata
    assert answer.body[place]
    for row in answer.body[place]:
        users = row.keys() & {"user_email", "service_account_name"}
        assert len(users) == (endpoint in PAGED)
        assert row.keys() - users == fields
        assert row.get("metrics", dict.fromkeys(REFERENCE_METRICS)).keys() == REFERENCE_METRICS
    if paged:
        assert answer.body["pagination"].keys() == {"next_cursor", "has_more"}


def test_the_moment_is_utc_with_a_z(organisation_app, ask):
    """generated_at is the moment of the request, in UTC, fraction and all; another zone is converted."""
    assert ask(organisation_app, "dau").body["metadata"]["generated_at"] == "2026-03-10T12:30:15.250000Z"
    app = AnalyticsApp(RecordStore([]), now=lambda: datetime.fromisoformat("2026-03-10T00:30:00+02:00"))
    metadata = ask(app, "dau").body["metadata"]
    assert (metadata["effective_date"], metadata["generated_at"]) == ("2026-03-08", "2026-03-09T22:30:00Z")


def test_dau_count_lists_every_day_with_zeros(small, ask):
    """Each day of the range is there; service accounts count, so that it equals the rows of /dau."""
    answer = ask(small, "dau-count", {"start_date": "2026-03-04", "end_date": "2026-03-09"})
    days = [f"2026-03-0{n}" for n in range(4, 10)]
    expected = [{"date": day, "user_count": count} for day, count in zip(days, (0, 2, 0, 2, 0, 1), strict=True)]
    assert answer.body["daily_active_user_counts"] == expected
    assert answer.body["metadata"]["total_days"] == 6


def test_dau_names_people_before_service_accounts(small, ask):
    """A user with two records is one user; people come first."""
    answer = ask(small, "dau", {"date": "2026-03-05"})
    assert answer.body["users"] == [{"user_email": "ada@example.com"}, {"service_account_name": "a-bot"}]
    assert answer.body["metadata"]["returned_user_count"] == 2
    assert answer.body["pagination"] == {"next_cursor": "", "has_more": False}


def test_daily_usage_adds_up_and_omits_quiet_days(small, ask):
    """Days without activity are left out and not counted; a metric that nobody sent is left out too."""
    answer = ask(small, "daily-usage", {"start_date": "2026-03-04", "end_date": "2026-03-08"})
    fifth = {"total_messages": 14, "completions_count": 13, "completions_accepted": 4}
    seventh = {"total_messages": 1, "completions_suggested_lines_of_code": 6}
    expected = [{"date": "2026-03-05", "metrics": fifth}, {"date": "2026-03-07", "metrics": seventh}]
    assert answer.body["daily_usage"] == expected
    metadata = answer.body["metadata"]
    assert (metadata["total_days"], metadata["effective_start_date"]) == (2, "2026-03-04")
    assert metadata["effective_end_date"] == "2026-03-08"


def test_user_activity_sums_over_the_range(small, ask):
    """Sums by user over the days; active days are distinct days, not records."""
    answer = ask(small, "user-activity", {"start_date": "2026-03-04", "end_date": "2026-03-09"})
    ada = {"total_messages": 8, "completions_count": 13, "completions_accepted": 4}
    assert answer.body["users"] == [
        {"user_email": "Bob@example.com", "active_days": 1, "metrics": {"completions_suggested_lines_of_code": 6}},
        {"user_email": "ada@example.com", "active_days": 2, "metrics": ada},
        {"service_account_name": "a-bot", "active_days": 2, "metrics": {"total_messages": 27}},
    ]
    assert answer.body["metadata"]["total_days"] == 6
    assert answer.body["metadata"]["returned_user_count"] == 3


def test_editor_language_gives_the_records_back(small, ask):
    """One row a user, language and editor of the day, in a fixed order."""
    answer = ask(small, RECORDS, {"date": "2026-03-05"})
    rows = [(*row.values(),)[:3] for row in answer.body["records"]]
    assert rows == [
        ("ada@example.com", "Go", "VSCode"),
        ("ada@example.com", "Python", "VSCode"),
        ("a-bot", "Python", "CLI"),
    ]
    assert answer.body["records"][0]["metrics"] == {"total_messages": 2, "completions_count": 3}
    assert answer.body["metadata"]["returned_record_count"] == 3


def walk(ask, app: AnalyticsApp, endpoint: str, params: dict[str, Any], page_size: int) -> list[dict[str, Any]]:
    """Follow the cursors to the end, as a client would."""
    rows, cursor = [], None
    for _ in range(1000):
        asked = {**params, "page_size": page_size, **({"cursor": cursor} if cursor else {})}
        body = ask(app, endpoint, asked).body
        page, more = body[ROWS[endpoint]], body["pagination"]["has_more"]
        assert len(page) == page_size or not more
        assert sum(value for name, value in body["metadata"].items() if name.startswith("returned_")) == len(page)
        rows += page
        cursor = body["pagination"]["next_cursor"]
        assert bool(cursor) == more
        if not more:
            return rows
    raise AssertionError("the pages never end")


@pytest.mark.parametrize("endpoint", RANGED)
@pytest.mark.parametrize(
    ("asked", "effective"),
    [
        ({}, ("2026-03-03", "2026-03-09")),
        ({"start_date": "2026-02-01"}, ("2026-02-01", "2026-02-07")),
        ({"start_date": "2026-03-07"}, ("2026-03-07", "2026-03-09")),
        ({"end_date": "2026-02-10"}, ("2026-02-04", "2026-02-10")),
        ({"start_date": "2025-12-10", "end_date": "2026-03-09"}, ("2025-12-10", "2026-03-09")),  # 90 days
        ({"start_date": "2026-03-09", "end_date": "2026-03-09"}, ("2026-03-09", "2026-03-09")),
        ({"start_date": "2024-03-10", "end_date": "2024-03-10"}, ("2024-03-10", "2024-03-10")),  # two years back
        ({"end_date": "2024-03-12"}, ("2024-03-10", "2024-03-12")),
    ],
)
def test_open_ends_are_filled_in(serving, ask, endpoint, asked, effective):
    """No dates: 7 days to yesterday. A start: 7 days, capped at yesterday. An end: 7 days ending on it."""
    metadata = ask(serving([]), endpoint, asked).body["metadata"]
    assert (metadata["effective_start_date"], metadata["effective_end_date"]) == effective


@pytest.mark.parametrize("endpoint", RANGED)
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"end_date": "2026-03-10"}, "end_date cannot be later than yesterday (UTC)"),
        ({"start_date": "2026-03-10"}, "start_date cannot be later than yesterday (UTC)"),
        ({"start_date": "2026-03-05", "end_date": "2026-03-04"}, "end_date cannot be before start_date"),
        ({"start_date": "2025-12-09", "end_date": "2026-03-09"}, "the date range cannot be longer than 90 days"),
        ({"start_date": "2024-03-09"}, "start_date cannot be more than 2 years ago"),
        ({"start_date": "2026-3-5"}, "start_date must be a date written as YYYY-MM-DD"),
        ({"start_date": "20260305"}, "start_date must be a date written as YYYY-MM-DD"),
        ({"end_date": "2026-02-30"}, "end_date must be a date written as YYYY-MM-DD"),
        ({"end_date": ""}, "end_date must be a date written as YYYY-MM-DD"),
        ({"date": "2026-03-05"}, "unknown parameter: date"),
        ({"limit": "5"}, "unknown parameter: limit"),
        ("start_date=2026-03-05&start_date=2026-03-06", "a parameter is given more than once"),
        ("&".join(f"p{n}=1" for n in range(50)), "the query string cannot be read"),
    ],
)
def test_bad_ranges_get_the_documented_error(serving, ask, endpoint, asked, message):
    """400 with the reference's error body, which says what is wrong."""
    answer = ask(serving([]), endpoint, asked)
    assert answer.status == 400
    assert answer.body == {"error": {"code": "InvalidArgument", "message": message}}


@pytest.mark.parametrize("endpoint", DAILY)
def test_one_day_defaults_to_yesterday_and_is_held_to_the_same_limits(serving, ask, endpoint):
    """A day left out is yesterday; today, too long ago, and a range are refused."""
    app = serving([])
    assert ask(app, endpoint).body["metadata"]["effective_date"] == "2026-03-09"
    for refused in ({"date": "2026-03-10"}, {"date": "2024-03-09"}, {"date": "x"}, {"start_date": "2026-03-01"}):
        assert ask(app, endpoint, refused).status == 400


def test_paging_is_refused_where_there_are_no_pages(serving, ask):
    """dau-count and daily-usage know no cursor and no page size."""
    for endpoint in ("dau-count", "daily-usage"):
        for parameter in ("cursor", "page_size"):
            message = ask(serving([]), endpoint, {parameter: "1"}).body["error"]["message"]
            assert message == f"unknown parameter: {parameter}"


def test_yesterday_is_empty_until_it_is_published(record, ask, serving):
    """At 01:59 yesterday can be asked for and has nothing; at 02:00 it has."""
    records = [record("2026-03-08"), record("2026-03-09")]
    for moment, counts in (("01:59:59", [1, 0]), ("02:00:00", [1, 1])):
        app = serving(records, now=f"2026-03-10T{moment}")
        dates = {"start_date": "2026-03-08", "end_date": "2026-03-09"}
        found = ask(app, "dau-count", dates).body["daily_active_user_counts"]
        assert [row["user_count"] for row in found] == counts
        assert ask(app, "daily-usage", dates).body["metadata"]["total_days"] == sum(counts)
        assert ask(app, "user-activity", dates).body["users"][0]["active_days"] == sum(counts)
        assert len(ask(app, "dau").body["users"]) == counts[1]
        assert len(ask(app, RECORDS).body["records"]) == counts[1]


@pytest.fixture
def crowded(serving, record) -> AnalyticsApp:
    """260 users on two days: more than any page holds."""
    days = ("2026-03-08", "2026-03-09")
    return serving([record(day, f"u{n:03}@example.com") for n in range(260) for day in days])


@pytest.mark.parametrize(
    ("endpoint", "default", "largest"), [("dau", 100, 250), ("user-activity", 50, 100), (RECORDS, 50, 100)]
)
def test_page_sizes_and_their_bounds(crowded, ask, endpoint, default, largest):
    """Each endpoint has its own default and largest page."""
    assert len(ask(crowded, endpoint).body[ROWS[endpoint]]) == default
    assert len(ask(crowded, endpoint, {"page_size": largest}).body[ROWS[endpoint]]) == largest
    assert len(ask(crowded, endpoint, {"page_size": 1}).body[ROWS[endpoint]]) == 1
    for refused in (0, largest + 1, -1, "+5", "1.0", "ten", "", "٣", "9" * 5000):
        answer = ask(crowded, endpoint, {"page_size": refused})
        assert answer.status == 400
        assert f"from 1 to {largest}" in answer.body["error"]["message"]


@pytest.mark.parametrize("endpoint", PAGED)
def test_pages_join_to_the_whole(crowded, ask, endpoint):
    """Whatever the page size: every user once, in one order, and an empty cursor at the end."""
    names = [f"u{n:03}@example.com" for n in range(260)]
    for page_size in (1, 52, 99, 100):  # 260 is a multiple of 52: the last page is full
        rows = walk(ask, crowded, endpoint, {}, page_size)
        assert [row["user_email"] for row in rows] == names


def test_a_cursor_is_opaque_and_belongs_to_its_query(crowded, ask):
    """Another endpoint, another day or another range refuses it; another page size does not."""
    day = {"date": "2026-03-09"}
    cursor = ask(crowded, "dau", day).body["pagination"]["next_cursor"]
    page = ask(crowded, "dau", {**day, "cursor": cursor, "page_size": 5}).body["users"]
    assert page[0] == {"user_email": "u100@example.com"}
    assert ask(crowded, "dau", {"cursor": cursor}).status == 200  # yesterday, by name or not, is one query
    for endpoint, other in (("dau", {"date": "2026-03-08"}), (RECORDS, day), ("user-activity", {})):
        answer = ask(crowded, endpoint, {**other, "cursor": cursor})
        assert answer.status == 400
        assert answer.body["error"]["message"].startswith("cursor belongs to another query")


@pytest.mark.parametrize("first", [0, -1, 260, 10**9, True, 1.0, "1", None])
def test_a_forged_place_is_refused(crowded, ask, first):
    """A cursor with its place changed to one that no page starts at is malformed."""
    cursor = ask(crowded, "dau").body["pagination"]["next_cursor"]
    content = {**json.loads(urlsafe_b64decode(cursor)), "first": first}
    forged = urlsafe_b64encode(json.dumps(content).encode()).decode()
    assert ask(crowded, "dau", {"cursor": forged}).body["error"]["message"] == "cursor is malformed"


@pytest.mark.parametrize("cursor", ["", "!!!", "é", "bm8=", "W10=", "bnVsbA==", "e30=", "eyJsYXN0X2lkIjoidXNlcjMifQ=="])
def test_a_malformed_cursor_is_refused(crowded, ask, cursor):
    """Empty, no base64, no JSON, or JSON of another shape: 400, never a crash."""
    answer = ask(crowded, "dau", {"cursor": cursor})
    assert (answer.status, answer.body["error"]["message"]) == (400, "cursor is malformed")


def test_a_cursor_dies_when_its_data_changes(record, ask):
    """A walk that straddles the publication is told so, instead of skipping users or giving some twice."""
    moments = [datetime(2026, 3, 10, 1, 59, tzinfo=UTC)]
    records = [record(day, f"u{n}@example.com") for n in range(5) for day in ("2026-03-08", "2026-03-09")]
    app = AnalyticsApp(RecordStore(records), now=lambda: moments[-1])
    old = {"start_date": "2026-03-08", "end_date": "2026-03-08", "page_size": 2}
    both = {"start_date": "2026-03-08", "end_date": "2026-03-09", "page_size": 2}
    cursors = [ask(app, "user-activity", asked).body["pagination"]["next_cursor"] for asked in (old, both)]
    moments.append(datetime(2026, 3, 10, 2, 0, tzinfo=UTC))
    assert ask(app, "user-activity", {**old, "cursor": cursors[0]}).status == 200
    answer = ask(app, "user-activity", {**both, "cursor": cursors[1]})
    assert answer.status == 400
    assert "data that has changed" in answer.body["error"]["message"]


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "Basic dDp0", "t"])
def test_no_token_is_refused_even_when_any_would_do(serving, ask, authorization):
    """A bearer token must be there: 401, the error body, and the scheme to use."""
    answer = ask(serving([]), "dau", authorization=authorization)
    assert answer.status == 401
    assert answer.body["error"]["code"] == "Unauthenticated"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_named_token_lets_in_nobody_else(serving, ask):
    """Only the very token; the scheme's case does not matter; the token is in no answer and no repr."""
    app = serving([], token="s3cret-häslein")
    assert ask(app, "dau", authorization="Bearer s3cret-häslein").status == 200
    assert ask(app, "dau", authorization="bearer s3cret-häslein").status == 200
    for wrong in ("Bearer s3cret", "Bearer S3CRET-HÄSLEIN", "Bearer x", ""):
        answer = ask(app, "dau", authorization=wrong)
        assert answer.status == 401
        assert "s3cret" not in str(answer)
    assert "s3cret" not in repr(app)
    with pytest.raises(ConfigurationError, match="token is empty"):  # an unset variable must not let everybody in
        serving([], token=" ")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", path, 404, "NotFound") for path in ("", "dau/", "users", "DAU")]
    + [(method, "dau", 405, "MethodNotAllowed") for method in ("POST", "PUT", "DELETE", "OPTIONS")],
)
def test_only_the_five_endpoints_and_get_are_served(serving, ask, method, path, status, code):
    """What is not one of the five endpoints is 404; another method is 405, with the one that is allowed."""
    answer = ask(serving([]), path, method=method)
    assert (answer.status, answer.body["error"]["code"]) == (status, code)
    assert answer.headers.get("Allow") == ("GET" if status == 405 else None)


def test_bucket_gives_a_burst_then_one_every_six_seconds():
    """10 a minute with a burst of 20: twenty at once, then one for each 6 s, never more than 20 saved up."""
    now = [1000.0]
    bucket = TokenBucket(clock=lambda: now[0])
    assert [bucket.take() for _ in range(20)] == [0.0] * 20
    assert bucket.take() == pytest.approx(6.0)
    now[0] += 5.9
    assert bucket.take() == pytest.approx(0.1)
    now[0] += 0.1
    assert bucket.take() == 0.0
    assert bucket.take() > 0
    now[0] += 10_000
    assert [bucket.take() > 0 for _ in range(21)] == [False] * 20 + [True]
    assert (bucket.granted, bucket.refused) == (41, 4)


@given(rate=st.floats(0.1, 600), burst=st.integers(1, 30), steps=st.lists(st.floats(0, 100), min_size=1, max_size=80))
def test_bucket_never_grants_more_than_its_rate(rate, burst, steps):
    """In any stretch from the start: at most the burst and what has dripped in; and who waits as told gets in."""
    now = [1000.0]
    bucket = TokenBucket(rate, burst, lambda: now[0])
    for step in steps:
        now[0] += step
        wait = bucket.take()
        elapsed = now[0] - 1000.0
        assert bucket.granted <= burst + elapsed * rate / 60 + 1e-3
    if wait:
        now[0] += wait
        assert bucket.take() == 0.0


def test_bucket_counts_right_under_threads():
    """Eight threads take 200 times from a bucket of 50: exactly 50 pass."""
    bucket = TokenBucket(burst=50, clock=lambda: 0.0)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: bucket.take(), range(200)))
    assert (bucket.granted, bucket.refused) == (50, 150)


@pytest.mark.parametrize(("options", "setting"), [((0, 20), "requests_per_minute"), ((10, 0), "burst")])
def test_bucket_refuses_what_cannot_work(options, setting):
    """A rate of nothing or a burst of nothing would block for ever: said at once."""
    with pytest.raises(ConfigurationError) as caught:
        TokenBucket(*options)
    assert caught.value.setting == setting


def test_over_the_limit_is_429_and_says_how_long(serving, ask):
    """Retry-After is whole seconds, rounded up, and enough; wrong tokens cost nothing."""
    now = [1000.0]
    app = serving([], rate_limit=TokenBucket(requests_per_minute=8, burst=1, clock=lambda: now[0]))
    assert ask(app, "dau", authorization="").status == 401
    assert ask(app, "dau").status == 200
    answer = ask(app, "dau")
    assert (answer.status, answer.body["error"]["code"]) == (429, "ResourceExhausted")
    assert answer.headers["Retry-After"] == "8"  # 60 s / 8 = 7.5 s
    now[0] += 8
    assert ask(app, "dau").status == 200


def get(url: str) -> tuple[int, Any]:
    request = urllib.request.Request(url, headers={"Authorization": "Bearer t"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.status, json.load(response)


def test_serve_answers_over_http_and_stops(small, capfd):
    """While the block runs the API is at the URL; afterwards nobody listens; nothing is logged."""
    with serve(small) as url:
        assert url.startswith("http://127.0.0.1:")
        status, body = get(f"{url}/analytics/v0/dau?date=2026-03-05")
        assert (status, len(body["users"])) == (200, 2)
        with pytest.raises(urllib.error.HTTPError) as caught:
            get(f"{url}/analytics/v0/dau?date=today")
        with caught.value as refused:
            assert json.load(refused)["error"]["code"] == "InvalidArgument"
    with pytest.raises(urllib.error.URLError):
        get(f"{url}/analytics/v0/dau")
    assert capfd.readouterr() == ("", "")


def test_serve_answers_many_at_once(small):
    """Requests in flight do not wait for one another's turn to be right: all get the same answer."""
    with serve(small, host="localhost") as url:
        asked = f"{url}/analytics/v0/user-activity"
        with ThreadPoolExecutor(8) as pool:
            first, *others = pool.map(get, [asked] * 8)
    assert others == [first] * 7


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "example.com", "", "::"])  # noqa: S104 (it must be refused)
def test_serve_refuses_other_machines(small, host):
    """Only loopback: the data is people's activity."""
    with pytest.raises(ConfigurationError, match="loopback"), serve(small, host=host):
        pass


def test_serve_says_when_the_port_is_taken(small):
    """A taken port is a setting to change, not a traceback."""
    with serve(small) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(ConfigurationError, match="port=0") as caught, serve(small, port=port):
            pass
        assert caught.value.setting == "port"


def test_lookback_of_two_years_reads_a_leap_year_kindly(ask):
    """Two years is 730 days or the same date: what is within either is answered."""
    moment = datetime(2025, 6, 1, 12, tzinfo=UTC)  # 731 days after 1 June 2023, over 29 February 2024
    app = AnalyticsApp(RecordStore([]), now=lambda: moment)
    assert ask(app, "dau", {"date": "2023-06-01"}).status == 200
    assert ask(app, "dau", {"date": (date(2023, 6, 1) - timedelta(days=1)).isoformat()}).status == 400
