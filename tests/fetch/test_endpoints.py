"""From what the API says to what an analyst gets: ranges, periods, zeros, warnings, refusals, and who was active."""

import math
import warnings
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from augment_insights import Archive, Client, analysis, fetch, tables
from augment_insights.errors import DataWarning, DateRangeError
from augment_insights.periods import DayRange, calendar_periods

METRICS = list(tables.METRICS)
YESTERDAY = date(2026, 3, 9)
ONE_DAY = timedelta(days=1)
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def range_metadata(parameters: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"effective_start_date": parameters["start_date"], "effective_end_date": parameters["end_date"], **more}


def counts(*rows: tuple[str, Any], **metadata: Any) -> Any:
    """Answer dau-count with these days, whatever the range."""

    def answer(_path: str, parameters: dict[str, str]) -> dict[str, Any]:
        listed = [{"date": day, "user_count": count} for day, count in rows]
        return {"daily_active_user_counts": listed, "metadata": range_metadata(parameters, **metadata)}

    return answer


def test_dates_always_travel(scripted):
    """Left out, the range is resolved here and sent; left to itself it ends on a published day, without a warning."""
    client, api = scripted(counts())
    fetch.dau_count(client=client)
    fetch.dau_count("2026-03-01", client=client)
    fetch.dau_count(end_date=date(2026, 3, 1), client=client)
    assert [parameters for _, parameters in api.asked] == [
        {"start_date": "2026-03-03", "end_date": "2026-03-09"},
        {"start_date": "2026-03-01", "end_date": "2026-03-07"},
        {"start_date": "2026-02-23", "end_date": "2026-03-01"},
    ]
    client, api = scripted(counts(), now=NOON.replace(hour=1))
    assert fetch.dau_count(client=client).height == 7
    assert api.asked[0][1]["end_date"] == "2026-03-08"


def test_a_long_range_is_asked_for_in_windows_of_90_days(scripted):
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
def test_pages_are_as_large_as_they_can_be(path, size, scripted):
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
def test_days_that_cannot_be_answered_for_cost_no_request(ask, scripted):
    """DateRangeError before anything is sent."""
    client, api = scripted(counts())
    with pytest.raises(DateRangeError):
        ask(client)
    assert api.asked == []
    assert client.requests_sent == 0


@pytest.mark.parametrize(
    "how", [{"every": "2w"}, {"lookback_days": -1}, {"lookback_days": 1.5}, {"lookback_days": True}]
)
def test_what_cannot_be_is_refused_before_a_request(how, scripted):
    """A period or a look-back that is none is refused before anything is sent, and the hint says which are."""
    client, api = scripted(counts())
    with pytest.raises(ValueError, match=r"Hint: .*1w|lookback_days=.* is not an integer >= 0"):
        fetch.activity("2026-03-01", "2026-03-02", client=client, **how)
    if "every" in how:
        with pytest.raises(ValueError, match="'1w'"):
            fetch.user_activity("2026-03-01", "2026-03-02", client=client, **how)
    assert api.asked == []


@pytest.mark.parametrize(("sent", "rows"), [([], 2), ([("2026-03-09", 0)], 2), ([("2026-03-09", 3)], 3)])
def test_yesterday_before_it_is_out_is_unknown_not_zero(sent, rows, scripted):
    """At 01:00 UTC yesterday has a row only if the API already has something of it; a warning says so either way."""
    client, _ = scripted(counts(("2026-03-08", 5), *sent), now=NOON.replace(hour=1))
    with pytest.warns(DataWarning, match="2026-03-09 is not safely published"):
        found = fetch.dau_count("2026-03-07", "2026-03-09", client=client)
    assert found["user_count"].to_list() == [0, 5, 3][:rows]


def test_a_clamped_answer_is_said_and_not_filled_up(scripted):
    """The warning names both ranges; a day not answered for is no zero, and one not asked for is left out and said."""
    clamp = {"effective_start_date": "2026-03-03", "effective_end_date": "2026-03-04"}
    client, _ = scripted(counts(("2026-03-03", 5), **clamp))
    with pytest.warns(DataWarning, match="asked 2026-03-01 to 2026-03-05, answered 2026-03-03 to 2026-03-04"):
        found = fetch.dau_count("2026-03-01", "2026-03-05", client=client)
    assert found.rows() == [(date(2026, 3, 3), 5), (date(2026, 3, 4), 0)]
    client, _ = scripted(counts(("2026-03-03", 9), ("2026-03-07", 4), ("2026-02-28", 2)))
    with pytest.warns(DataWarning, match="2 rows of days that were not asked for left out, the first of 2026-02-28"):
        found = fetch.dau_count("2026-03-02", "2026-03-04", client=client)
    assert found["user_count"].to_list() == [0, 9, 0]


def test_a_list_of_another_day_is_filed_under_that_day(scripted):
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


def test_to_fetch_again_after_a_duplicate_asks_again(scripted):
    """A row that came twice is warned of each time, until the API sends each once; then that is cached."""
    users = [{"user_email": "ada@example.com"}] * 2
    page = {"pagination": {"has_more": False}, "metadata": {"effective_date": "2026-03-02"}}
    client, api = scripted(lambda _path, _parameters: {"users": users, **page})
    for sent in (1, 2):
        with pytest.warns(DataWarning, match="fetch again to be sure"):
            assert fetch.dau("2026-03-02", client=client).height == 1
        assert len(api.asked) == sent
    users.pop()
    for _ in range(2):
        assert fetch.dau("2026-03-02", client=client).height == 1
    assert len(api.asked) == 3


@pytest.mark.parametrize("noun", ["dau_count", "daily_usage"])
def test_a_day_that_the_api_lost_is_unknown_and_one_that_it_leaves_out_is_zero(noun, scripted, tmp_path):
    """Four days stated and three listed: null, a warning, not archived, and its list is asked for; three stated: 0."""
    days = ["2026-03-02", "2026-03-04", "2026-03-05"]
    stated = {"total_days": 4}

    def answer(path: str, parameters: dict[str, str]) -> dict[str, Any]:
        if path == "dau":
            metadata = {"effective_date": parameters["date"]}
            return {
                "users": [{"user_email": "ada@example.com"}],
                "pagination": {"has_more": False},
                "metadata": metadata,
            }
        usage = [{"date": day, "metrics": {"total_messages": 5}} for day in days]
        shape = counts(*((day, 5) for day in days), **stated)(path, parameters)
        return shape if path == "dau-count" else {"daily_usage": usage, "metadata": shape["metadata"]}

    client, _ = scripted(answer)
    client.archive_path = tmp_path / "archive"
    ask, column = getattr(fetch, noun), "user_count" if noun == "dau_count" else "total_messages"
    with pytest.warns(DataWarning, match="1 day without a number, the first of them 2026-03-03, unknown and not 0"):
        assert ask("2026-03-02", "2026-03-05", client=client)[column].to_list() == [5, None, 5, 5]
    assert not Archive(client.archive_path).has(noun, date(2026, 3, 3))
    assert fetch.dau(start_date="2026-03-02", end_date="2026-03-05", client=client)["date"].n_unique() == 4
    stated["total_days"] = 3
    client, _ = scripted(answer)
    assert ask("2026-03-02", "2026-03-05", client=client)[column].to_list() == [5, 0, 5, 5]


def test_counts_in_pages_are_followed(scripted):
    """Should dau-count come in pages one day, none of its days is taken for zero."""

    def answer(_path: str, parameters: dict[str, str]) -> dict[str, Any]:
        second = "cursor" in parameters
        day = "2026-03-03" if second else "2026-03-02"
        page = counts((day, 5))(_path, parameters)
        return {**page, "pagination": {"has_more": not second, "next_cursor": "" if second else "c"}}

    client, _ = scripted(answer)
    assert fetch.dau_count("2026-03-02", "2026-03-03", client=client)["user_count"].to_list() == [5, 5]


@given(
    present=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9)), max_size=25),
    hour=st.integers(0, 23),
    answered=st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted),
)
def test_each_day_has_its_row_or_a_reason_not_to(present, hour, answered, scripted):
    """Of 21 days up to yesterday: a day answered for and published has a row (zero if omitted), others none."""
    first = date(2026, 2, 17)
    sent: dict[date, int] = {}
    for offset, count in present:
        sent.setdefault(first + offset * ONE_DAY, count)
    low, high = (first + n * ONE_DAY for n in answered)

    clamp = {"effective_start_date": str(low), "effective_end_date": str(high)}
    rows = [(day.isoformat(), count) for day, count in sent.items()]
    client, _ = scripted(counts(*rows, **clamp), now=NOON.replace(hour=hour))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        found = fetch.dau_count(first, date(2026, 3, 9), client=client)
    expected = [
        (day, sent.get(day, 0))
        for day in (first + n * ONE_DAY for n in range(21))
        if low <= day <= high and (hour >= 3 or day < date(2026, 3, 9) or sent.get(day, 0) > 0)
    ]
    assert found.rows() == expected


@pytest.mark.parametrize("noun", list(tables.ENDPOINT_TABLES))
def test_every_table_of_the_sample_keeps_its_contract(noun):
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


def test_nothing_in_is_an_empty_table():
    """No records: all columns and dtypes; rows of zeros where a row is a day, none where it is a user's."""
    with Client.serving([], today=YESTERDAY + ONE_DAY, progress=False) as empty:
        for noun, table in tables.ENDPOINT_TABLES.items():
            found = getattr(fetch, noun)(start_date="2026-03-02", end_date="2026-03-03", client=empty)
            assert found.schema == table.schema
            assert found.height == (2 if "user" not in table.columns else 0)
        assert fetch.activity("2026-03-02", "2026-03-03", client=empty).equals(tables.ACTIVITY.empty())


HISTORY = date(2025, 9, 1)
USERS = (("user_email", "ada@example.com"), ("user_email", "Grace@example.com"), ("service_account_name", "ci-bot"))
SUMMED = ("total_messages", "chat_messages", "completions_accepted")

records = st.dictionaries(
    keys=st.tuples(st.dates(HISTORY, YESTERDAY), st.sampled_from(USERS), st.sampled_from("AB"), st.sampled_from("XY")),
    values=st.tuples(st.integers(0, 3), st.integers(0, 10**6), st.integers(0, 2**40)),
    max_size=40,
)


def serving(records: dict[Any, Any]) -> Client:
    served = [
        {
            "date": day,
            field: name,
            "language": language,
            "editor": editor,
            "metrics": {**dict.fromkeys(METRICS, 0), **dict(zip(SUMMED, values, strict=True))},
        }
        for (day, (field, name), language, editor), values in records.items()
    ]
    return Client.serving(served, today=YESTERDAY + ONE_DAY, progress=False)


@given(records=records, every=st.sampled_from([None, "1d", "1w", "1mo", "1q"]), bounds=st.data())
def test_user_activity_is_the_sum_of_its_records(records, every, bounds):
    """Over any range and period: sums and active days equal those added up from the records one by one."""
    start = bounds.draw(st.dates(HISTORY, YESTERDAY))
    longest = 21 if every == "1d" else 250
    end = min(start + bounds.draw(st.integers(0, longest)) * ONE_DAY, YESTERDAY)
    with serving(records) as client:
        found = fetch.user_activity(start, end, every=every, client=client)
    whole = DayRange(start, end)
    periods = [whole] if every is None else calendar_periods(whole, every)
    expected: dict[Any, list[Any]] = {}
    for (day, (_, name), _, _), values in records.items():
        if start <= day <= end:
            period = next(period for period in periods if day in period)
            row = expected.setdefault(((period.start, period.end), name), [set(), [0, 0, 0]])
            row[0].add(day)
            row[1] = [total + value for total, value in zip(row[1], values, strict=True)]
    rows = found.select("period_start", "period_end", "user", "active_days", *SUMMED).rows()
    assert {(row[:2], row[2]): [row[3], list(row[4:])] for row in rows} == {
        (period, name): [len(active), totals] for (period, name), (active, totals) in expected.items()
    }
    assert found.equals(found.sort("period_start", "user_type", pl.col("user").str.to_lowercase()))


@given(records=records, start=st.dates(HISTORY, YESTERDAY), length=st.integers(1, 12))
def test_the_daily_tables_are_the_records(records, start, length):
    """Lists, counts and sums by day equal those made from the records one by one."""
    end = min(start + (length - 1) * ONE_DAY, YESTERDAY)
    inside = {key: values for key, values in records.items() if start <= key[0] <= end}
    with serving(records) as client:
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


TODAY = "2026-03-30"
FIRST = date(2026, 3, 2)  # a Monday
LAST = date(2026, 3, 29)  # a Sunday, four weeks on
COLUMNS = ["period_start", "period_end", "user", "user_type", "active_days"]

Visit = tuple[int, str]
"""A day, counted from FIRST, and who was active on it."""


def records_of(visits: Iterable[Visit]) -> list[dict[str, Any]]:
    return [
        {
            "date": FIRST + timedelta(days=day),
            ("user_email" if "@" in user else "service_account_name"): user,
            "language": "Python",
            "editor": "VSCode",
            "metrics": {"chat_messages": 1},
        }
        for day, user in sorted(set(visits))
    ]


def by_hand(visits: Iterable[Visit], days: DayRange, every) -> list[tuple[Any, ...]]:
    """Return who was active in which period on how many days, from the visits themselves."""
    found: dict[tuple[Any, ...], set[int]] = {}
    for period in calendar_periods(days, every):
        for day, user in visits:
            if FIRST + timedelta(days=day) in period:
                kind = "person" if "@" in user else "service_account"
                found.setdefault((period.start, period.end, kind, user), set()).add(day)
    rows = [(start, end, user, kind, len(days)) for (start, end, kind, user), days in found.items()]
    return sorted(rows, key=lambda row: (row[0], row[3], row[2].lower()))


def people(numbers: Iterable[int]) -> list[str]:
    return [f"u{number:04}@example.com" for number in numbers]


VISITS = st.sets(st.tuples(st.integers(0, 27), st.sampled_from(["ada@x.io", "ben@x.io", "cy@x.io", "CI", "Bot"])))
RANGES = st.tuples(st.integers(0, 27), st.integers(0, 27)).map(sorted)
WAYS = st.sets(st.integers(0, 27)) | st.sampled_from(["all lists", "all windows"])


@given(visits=VISITS, ends=RANGES, every=st.sampled_from(["1d", "1w", "1mo", "1q"]), warm=WAYS)
def test_the_answer_is_that_of_the_visits(visits, ends, every, warm):
    """Rows are what the visits say by hand, whichever way is taken: by some lists, by all, or by windows alone."""
    days = DayRange(*(FIRST + timedelta(days=number) for number in ends))
    client = Client.serving(records_of(visits), today=TODAY)
    if warm == "all windows":
        fetch.user_activity(days.start, days.end, every=every, client=client)
    for number in range(28) if warm == "all lists" else [] if warm == "all windows" else sorted(warm):
        fetch.dau(FIRST + timedelta(days=number), client=client)
    fetch.dau_count(days.start, days.end, client=client)
    before = client.requests_sent
    frame = fetch.activity(days.start, days.end, every=every, client=client)
    assert client.requests_sent == before or isinstance(warm, set), "nothing but what is available locally"
    assert frame.columns == COLUMNS
    assert frame.schema == tables.ACTIVITY.schema
    assert frame.rows() == by_hand(visits, days, every)


def sent_for(client: Client, start: date, end: date, **how: Any) -> int:
    before = client.requests_sent
    fetch.activity(start, end, client=client, **how)
    return client.requests_sent - before


def crowd(days: Iterable[int], users: Iterable[int]) -> list[Visit]:
    return [(day, user) for day in days for user in people(users)]


# Each weekday has 200 users, 5 lists a week; all others each day, so 1,000 a week, 10 pages: found out by one window.
OTHERS = [
    (week * 7 + day, user)
    for week in range(4)
    for day, user in crowd(range(5), range(1000))
    if int(user[1:5]) // 200 == day
]
# Over the whole month there are 230 users, three pages; lists of the last eight days would be eight.
TWO_CROWDS = [*crowd(range(20), range(150)), *crowd(range(20, 28), range(100, 180))]


@pytest.mark.parametrize(
    ("visits", "length", "every", "warm", "requests"),
    [
        pytest.param(crowd(range(3), range(260)), 7, "1d", None, 3 * 2, id="a day is a list, of 250 a page"),
        pytest.param(crowd(range(5), range(90)), 7, "1w", None, 1, id="a week of the same few is a window"),
        pytest.param(crowd([2], range(240)), 7, "1w", None, 1, id="a week of one busy day is a list"),
        pytest.param(crowd([0, 21], [1]), 28, "1w", None, 2, id="two of four weeks without anybody are not asked for"),
        pytest.param(OTHERS, 28, "1w", None, 10 + 3 * 5, id="turnover is learnt, for one week by a window"),
        pytest.param(crowd(range(7), range(150)), 7, "1w", ("dau", 6), 1, id="with six lists cached, the seventh"),
        pytest.param(TWO_CROWDS, 28, "1mo", ("dau", 20), 1, id="with 20 lists cached, a window over the rest"),
        pytest.param(crowd(range(28), [1, 2]), 28, "1w", ("user_activity", 28), 0, id="all windows are cached"),
    ],
)
def test_an_activity_costs_what_its_cheaper_way_does(visits, length, every, warm, requests):
    """Beside one request for the counts, what each case says; and the rows are what the visits say by hand."""
    client = Client.serving(records_of(visits), today=TODAY)
    days = DayRange(FIRST, FIRST + timedelta(days=length - 1))
    if warm is not None:
        how = {"every": every} if warm[0] == "user_activity" else {}
        last = FIRST + timedelta(days=warm[1] - 1)
        getattr(fetch, warm[0])(start_date=FIRST, end_date=last, client=client, **how)
    assert sent_for(client, days.start, days.end, every=every) == 1 + requests
    assert fetch.activity(days.start, days.end, every=every, client=client).rows() == by_hand(visits, days, every)


@settings(max_examples=5)
@given(sizes=st.lists(st.sampled_from([0, 30, 120, 260]), min_size=28, max_size=28))
def test_a_wrong_guess_costs_no_more_than_the_more_expensive_way(sizes):
    """However many come each day, a week costs what one of its ways does: not fewer requests, and not more."""
    visits = [(day, user) for day, size in enumerate(sizes) for user in people(range(size))]
    client = Client.serving(records_of(visits), today=TODAY)
    fetch.dau_count(FIRST, LAST, client=client)
    weeks = [sizes[start : start + 7] for start in range(0, 28, 7)]
    ways = [(sum(math.ceil(size / 250) for size in week), math.ceil(max(week) / 100)) for week in weeks]
    assert sum(map(min, ways)) <= sent_for(client, FIRST, LAST, every="1w") <= sum(map(max, ways))


def test_archived_lists_are_used(tmp_path):
    """Days in the archive cost nothing, and say the same as the API would."""
    visits = [(day, user) for day in range(28) for user in [*people(range(3)), "CI"]]
    first = Client.serving(records_of(visits), today=TODAY, archive=tmp_path / "archive")
    fetch.dau(start_date=FIRST, end_date=LAST, client=first)
    later = Client.serving(records_of(visits), today=TODAY, archive=tmp_path / "archive")
    frame = fetch.activity(FIRST, LAST, every="1w", client=later)
    assert frame.rows() == by_hand(visits, DayRange(FIRST, LAST), "1w")
    assert later.requests_sent < first.requests_sent / 4


def test_what_activity_fetches_is_archived(tmp_path):
    """Asked again by another client of the archive, no settled week and no count is sent for a second time."""
    visits = crowd(range(20), range(3))
    rows: list[pl.DataFrame] = []
    sent: list[int] = []
    for _ in range(2):
        client = Client.serving(records_of(visits), today=TODAY, archive=tmp_path / "archive")
        rows.append(fetch.activity(FIRST, FIRST + timedelta(days=20), every="1w", client=client))
        sent.append(client.requests_sent)
    assert rows[0].equals(rows[1])
    assert sent == [4, 0]  # the counts, which priced it, are archived too


def test_days_that_nobody_was_counted_on_are_archived_too(tmp_path):
    """Days that the counts and the usage know to be empty are in the archive, and a sync need not ask for them."""
    client = Client.serving(records_of([(0, "ada@x.io")]), today=TODAY, archive=tmp_path / "archive")
    end = FIRST + timedelta(days=13)
    fetch.daily_usage(FIRST, end, client=client)
    fetch.activity(FIRST, end, every="1w", client=client)
    assert client.requests_sent == 3, "the usage, the counts, a list"
    assert Archive(tmp_path / "archive").has("dau", DayRange(FIRST, end))


def test_spelling_does_not_make_two_users():
    """One address in two spellings is one user, counted once a day, under the first spelling in the alphabet."""
    spelt = [(0, "ada@x.io"), (0, "ADA@x.io"), (1, "Ada@x.io"), (2, "ada@x.io")]
    client = Client.serving(records_of(spelt), today=TODAY)
    fetch.dau(start_date=FIRST, end_date=FIRST + timedelta(days=2), client=client)
    frame = fetch.activity(FIRST, FIRST + timedelta(days=2), every="1w", client=client)
    assert frame.select("user", "active_days").rows() == [("ADA@x.io", 3)]


@pytest.mark.parametrize("every", ["1d", "1w", "1mo"])
def test_counts_that_leave_service_accounts_out_lose_nobody(every, people_only):
    """Where a list is longer than its count, the days that nobody was counted on are asked for too."""
    visits = [(0, "ada@x.io"), (0, "CI"), (5, "CI"), (15, "CI"), (22, "ada@x.io")]
    frame = fetch.activity(FIRST, LAST, every=every, client=people_only(records_of(visits)))
    assert frame.rows() == by_hand(visits, DayRange(FIRST, LAST), every)


def test_windows_too_show_that_counts_leave_somebody_out(people_only):
    """Where a window has more active days than were counted, a week that nobody was counted in is asked for too."""
    visits = [*((day, user) for day in range(5) for user in ("ada@x.io", "CI")), (15, "CI")]
    client = people_only(records_of(visits))
    frame = fetch.activity(FIRST, LAST, every="1w", client=client)
    assert client.requests_sent == 1 + 1 + 3, "the counts, a window, and those of the other three weeks"
    assert frame.rows() == by_hand(visits, DayRange(FIRST, LAST), "1w")


def test_a_lookback_tells_who_is_not_new():
    """Ada was there in January, so of March's users only Ben is new: in lifecycle and in the cohorts."""
    visits = [(-50, "ada@x.io"), (0, "ada@x.io"), (1, "ben@x.io"), (7, "ada@x.io"), (14, "ben@x.io"), (27, "ben@x.io")]
    client = Client.serving(records_of(visits), today=TODAY)
    alone = fetch.activity(FIRST, LAST, every="1w", client=client)
    assert analysis.lifecycle(alone, every="1w")["new_users"].to_list() == [2, 0, 0, 0]
    frame = fetch.activity(FIRST, LAST, every="1w", lookback_days=60, client=client)
    lookback = (FIRST - frame["period_start"].min()).days
    assert lookback == 60
    told = analysis.lifecycle(frame, every="1w", lookback=lookback)
    assert told["new_users"].to_list() == [1, 0, 0, 0]
    assert told["period_start"].to_list() == [FIRST + timedelta(weeks=week) for week in range(4)]
    cohorts = analysis.cohort_retention(frame, every="1w", lookback=lookback)
    assert cohorts.filter(period=0).select("cohort", "cohort_users").rows()[0] == (FIRST, 1)


def test_a_lookback_is_windows_of_90_days():
    """200 days before the range are three windows, one request each in a small organisation, in rows of their own."""
    visits = [(-200, "ada@x.io"), (-100, "ben@x.io"), (-1, "cy@x.io"), (0, "ada@x.io")]
    client = Client.serving(records_of(visits), today=TODAY)
    frame = fetch.activity(FIRST, LAST, every="1w", lookback_days=200, client=client)
    assert client.requests_sent == 1 + 1 + 3
    ends = [FIRST - timedelta(days=days) for days in (200, 181, 180, 91, 90, 1)]
    assert frame.rows()[:3] == [
        (ends[0], ends[1], "ada@x.io", "person", 1),
        (ends[2], ends[3], "ben@x.io", "person", 1),
        (ends[4], ends[5], "cy@x.io", "person", 1),
    ]


def test_a_lookback_ends_at_the_two_years():
    """More days than the API is sure to answer for are cut to those; a range that begins there has no look-back."""
    client = Client.serving(records_of([(0, "ada@x.io")]), today=TODAY)
    fetch.activity(FIRST, LAST, every="1w", lookback_days=10_000, client=client)
    plan = fetch.plan("activity", FIRST, LAST, every="1w", lookback_days=10_000, client=client)
    oldest = date(2026, 3, 30) - timedelta(days=730)
    assert (plan.days.start, plan.requests_to_send) == (oldest, 0)
    before = client.requests_sent
    assert fetch.activity(oldest, oldest, lookback_days=90, client=client).is_empty()
    assert client.requests_sent == before + 1
