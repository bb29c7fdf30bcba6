"""What is available locally is not sent for, a plan is kept, and what it cannot know it says."""

import math
import sys
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from augment_insights import Archive, Client, errors, fetch
from augment_insights.errors import ArchiveError, CacheWarning, ConfigurationError, DataWarning
from augment_insights.fetch.plan import TABLES, LocalData, cover, learn_turnover, window_users
from augment_insights.periods import DayRange
from augment_insights.sample import AnalyticsApp, RecordStore
from augment_insights.transport import Cancelled, RetryPolicy

TODAY = "2026-03-30"
FIRST = date(2026, 3, 2)  # a Monday
ONE_DAY = timedelta(days=1)


def record(day: date, user: str, language: str = "Python") -> dict[str, Any]:
    field = "user_email" if "@" in user else "service_account_name"
    return {"date": day, field: user, "language": language, "editor": "VSCode", "metrics": {"chat_messages": 1}}


def crowd(users: int, day: date, *, start: int = 0) -> list[dict[str, Any]]:
    return [record(day, f"u{number}@example.com") for number in range(start, start + users)]


def organisation(days: Mapping[int, int]) -> list[dict[str, Any]]:
    """Return records of so many users on each day, numbered from FIRST."""
    return [row for number, users in days.items() for row in crowd(users, FIRST + timedelta(days=number))]


def in_languages(users: int, number: int, many: int) -> list[dict[str, Any]]:
    """Return records of so many users on a day, each in so many languages."""
    languages = ("Python", "Go", "Rust")[:many]
    return [row | {"language": language} for row in crowd(users, FIRST + number * ONE_DAY) for language in languages]


def sent_by(client: Client, ask) -> int:
    before = client.requests_sent
    ask()
    return client.requests_sent - before


# A small organisation in the sense that matters: lists of one to three pages, and days without anybody.
ORGANISATIONS = st.dictionaries(st.integers(0, 20), st.sampled_from([1, 3, 99, 101, 250, 251, 501]), max_size=5)
RANGES = st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted)


@given(days=ORGANISATIONS, ends=RANGES)
def test_a_plan_of_lists_is_kept_to_the_request(days, ends):
    """What a plan of user lists says will be sent is what a fetch then sends, in every organisation."""
    client = Client.serving(organisation(days), today=TODAY)
    start, end = (FIRST + timedelta(days=number) for number in ends)
    plan = fetch.plan("dau", start, end, client=client)
    in_range = [users for number, users in days.items() if ends[0] <= number <= ends[1]]
    assert not plan.is_estimate
    assert plan.requests_to_send == sum(math.ceil(users / 250) for users in in_range)
    assert plan.requests_sent == 1
    assert plan.rows_expected == sum(in_range)
    assert len(plan.days_without_activity) == ends[1] - ends[0] + 1 - len(in_range)
    assert sent_by(client, lambda: fetch.dau(start_date=start, end_date=end, client=client)) == plan.requests_to_send


@given(
    days=ORGANISATIONS,
    ends=RANGES,
    table=st.sampled_from(["user_activity", "activity"]),
    every=st.sampled_from([None, "1d", "1w", "1mo", "1q"]),
)
def test_an_estimate_keeps_its_bounds(days, ends, table, every):
    """A fetch sends no fewer and no more requests than the plan says it may, and exactly the plan where it is exact."""
    client = Client.serving(organisation(days), today=TODAY)
    start, end = (FIRST + timedelta(days=number) for number in ends)
    every = every or ("1w" if table == "activity" else None)
    plan = fetch.plan(table, start, end, every=every, client=client)
    sent = sent_by(client, lambda: getattr(fetch, table)(start, end, every=every, client=client))
    assert plan.requests_to_send_most is not None
    assert plan.requests_to_send_least <= sent <= plan.requests_to_send_most
    assert plan.requests_to_send_least <= plan.requests_to_send <= plan.requests_to_send_most


@pytest.mark.slow
@settings(max_examples=15)
@given(st.dictionaries(st.integers(0, 12), st.tuples(st.sampled_from([1, 60, 110]), st.integers(1, 3)), max_size=4))
def test_records_are_at_least_one_a_user(days):
    """A plan of editor_language names a least, no most, and keeps it."""
    rows = [row for number, (users, many) in days.items() for row in in_languages(users, number, many)]
    client = Client.serving(rows, today=TODAY)
    end = FIRST + timedelta(days=12)
    plan = fetch.plan("editor_language", FIRST, end, client=client)
    sent = sent_by(client, lambda: fetch.editor_language(start_date=FIRST, end_date=end, client=client))
    assert plan.requests_to_send_least <= sent
    assert plan.requests_to_send_most is None or not days
    again = fetch.plan("editor_language", FIRST, end, client=client)
    assert (again.requests_to_send, again.rows_expected, again.is_estimate) == (0, len(rows), False)


def test_records_a_user_are_learnt_from_the_days_available_locally():
    """With a day of 60 users and 120 records cached, another of 60 users is planned at 120 records, two pages."""
    client = Client.serving([*in_languages(60, 0, 2), *in_languages(60, 1, 2)], today=TODAY)
    days = (FIRST, FIRST + ONE_DAY)
    assert fetch.plan("editor_language", *days, client=client).rows_expected == 2 * 96, "1.6 a user, as is typical"
    fetch.editor_language(FIRST, client=client)
    plan = fetch.plan("editor_language", *days, client=client)
    assert (plan.rows_expected, plan.requests_to_send) == (240, 2)
    assert any("2.00 a user and day, as on the 1 day available locally" in reason for reason in plan.estimates)


@pytest.mark.parametrize("table", TABLES)
def test_what_was_fetched_is_free(table):
    """Planned again after the fetch, nothing is left to send, and the parts add up to what is needed."""
    client = Client.serving(organisation({0: 3, 1: 260, 8: 5}), today=TODAY)
    start, end = FIRST, FIRST + timedelta(days=13)
    for _ in range(2):
        plan = fetch.plan(table, start, end, client=client)
        assert plan.requests_needed == plan.requests_cached + plan.requests_archived + plan.requests_to_send
        getattr(fetch, table)(start_date=start, end_date=end, client=client)
    plan = fetch.plan(table, start, end, client=client)
    assert sent_by(client, lambda: getattr(fetch, table)(start_date=start, end_date=end, client=client)) == 0
    assert (plan.requests_to_send, plan.requests_sent, plan.seconds) == (0, 0, 0.0)
    assert plan.requests_cached == plan.requests_needed > 0


@pytest.mark.parametrize(("is_planned", "requests"), [(True, 3), (False, 14)])
def test_days_without_activity_are_not_asked_for_once_counted(is_planned, requests):
    """Of two weeks with activity on two days: a plan's counts and two lists; unplanned, fourteen lists and no count."""
    client = Client.serving(organisation({0: 2, 9: 1}), today=TODAY)
    if is_planned:
        fetch.plan("dau", FIRST, FIRST + timedelta(days=13), client=client)
    frame = fetch.dau(start_date=FIRST, end_date=FIRST + timedelta(days=13), client=client)
    assert client.requests_sent == requests
    assert frame["date"].to_list() == [FIRST, FIRST, FIRST + timedelta(days=9)]


def test_an_unpublished_day_is_asked_for_and_not_called_idle(serving_at):
    """A day that is not out yet is no day without activity: its list is asked for, and the plan is an estimate."""
    client = serving_at(organisation({0: 3, 9: 4}), datetime(2026, 3, 12, 1, tzinfo=UTC))
    plan = fetch.plan("dau", FIRST, FIRST + timedelta(days=9), client=client)
    assert FIRST + timedelta(days=9) not in plan.days_without_activity
    assert plan.is_estimate
    assert plan.requests_to_send_most is None
    assert any("not published" in reason for reason in plan.estimates)
    with pytest.warns(match="not safely published"):
        sent = sent_by(client, lambda: fetch.dau(start_date=FIRST, end_date=plan.days.end, client=client))
    assert sent == plan.requests_to_send == 2


@pytest.mark.parametrize("ask", [fetch.dau, fetch.editor_language])
def test_counts_that_leave_service_accounts_out_lose_nobody(ask, people_only):
    """Where a list is longer than its count, the days that nobody was counted on are asked for too."""
    weekday, weekend = FIRST, FIRST + timedelta(days=5)
    client = people_only([record(weekday, "ada@example.com"), record(weekday, "CI"), record(weekend, "CI")])
    frame = ask(start_date=FIRST, end_date=FIRST + timedelta(days=9), client=client)
    assert frame.select("date", "user").rows() == [(weekday, "ada@example.com"), (weekday, "CI"), (weekend, "CI")]


def test_an_interrupted_list_is_gone_on_with():
    """Of a list of three pages, of which one came before the fetch broke off, two are planned and sent."""
    client = Client.serving(organisation({0: 501}), today=TODAY)
    with pytest.raises(Cancelled), client.watched(stop=lambda: client.requests_sent == 1, tell=lambda **_told: None):
        fetch.dau(FIRST, client=client)
    plan = fetch.plan("dau", FIRST, FIRST, client=client)
    assert (plan.requests_to_send, plan.requests_cached) == (2, 2), "a page and the counts are available locally"
    assert sent_by(client, lambda: fetch.dau(FIRST, client=client)) == 2


def test_seconds_are_those_of_the_rate_limit(monkeypatch):
    """41 pages of a list take as long as the client says that 41 requests take, in seconds and in minutes."""
    client = Client.serving(organisation({0: 250 * 41}), today=TODAY)
    monkeypatch.setattr(client, "seconds_for", lambda requests: (requests - 19) * 6.0)
    plan = fetch.plan("dau", FIRST, FIRST, client=client)
    assert (plan.requests_to_send, plan.seconds, plan.minutes) == (41, 22 * 6, 2.2)


def test_a_plan_reads_well_in_a_terminal():
    """What to send, what is needed and at hand, how long, how many rows; in a notebook with the bounds of estimates."""
    client = Client.serving(organisation({0: 300, 1: 1}), today=TODAY)
    assert str(fetch.plan("dau", FIRST, FIRST + timedelta(days=9), client=client)).splitlines() == [
        "Plan: dau, 2026-03-02 to 2026-03-11 (10 days)",
        "  to send     3 requests",
        "  needed      4 requests, of which 1 in the cache, 0 in the archive",
        "  time        0 s at the rate limit, from now",
        "  rows        301",
        "  no activity 8 days without a list to ask for",
        "  spent       1 request for the daily counts of this plan",
    ]
    client = Client.serving(organisation({0: 300, 1: 300}), today=TODAY)
    plan = fetch.plan("user_activity", FIRST, FIRST + timedelta(days=1), client=client)
    assert (plan.requests_to_send_least, plan.requests_to_send_most) == (3, 6)
    page = plan._repr_html_()
    assert page.startswith("<table>")
    assert page.endswith("</table>")
    assert "(3 to 6)" in page
    assert page.count("<tr>") == len(str(plan).splitlines()) - 1


@pytest.mark.parametrize("ask", ["dau", "activity", "user_activity"])
def test_an_expensive_fetch_shows_its_plan_first(ask, monkeypatch, capsys):
    """Above the budget whoever sits at a terminal sees the plan, on stderr; below it, or unattended, nobody does."""
    days = {"start_date": FIRST, "end_date": FIRST + timedelta(days=9)} | ({} if ask == "dau" else {"every": "1d"})
    records = organisation(dict.fromkeys(range(10), 1))

    def told(*, watched: bool, plan_above: int) -> str:
        client = Client.serving(records, today=TODAY, progress="bar")
        client.plan_above = plan_above
        monkeypatch.setattr(sys.stderr, "isatty", lambda: watched)
        getattr(fetch, ask)(**days, client=client)
        return capsys.readouterr().err

    assert f"Plan: {ask}" in told(watched=True, plan_above=9)
    assert "Plan:" not in told(watched=True, plan_above=10)
    assert "Plan:" not in told(watched=False, plan_above=0)


def test_the_budget_and_the_archive_are_settings(tmp_path, monkeypatch):
    """A plan above 60 requests, and no archive, unless told by argument or environment; nonsense is refused by name."""
    assert (Client("any").plan_above, Client("any").archive_path) == (60, None)
    monkeypatch.setenv("AUGMENT_INSIGHTS_PLAN_ABOVE", "500")
    monkeypatch.setenv("AUGMENT_INSIGHTS_ARCHIVE", str(tmp_path / "archive"))
    assert (Client("any").plan_above, Client("any").archive_path) == (500, tmp_path / "archive")
    assert (Client("any", plan_above=0).plan_above, Client("any", archive=False).archive_path) == (0, None)
    assert Client.sample(today=TODAY).archive_path is None
    monkeypatch.setenv("AUGMENT_INSIGHTS_PLAN_ABOVE", "many")
    with pytest.raises(ConfigurationError, match="plan_above='many'"):
        Client("any")


def test_an_unknown_table_is_refused():
    """The nearest name is offered, and nothing is sent."""
    client = Client.serving([], today=TODAY)
    with pytest.raises(ConfigurationError, match="did you mean 'editor_language'"):
        fetch.plan("editor_languages", client=client)
    with pytest.raises(ConfigurationError, match="dau takes no every"):
        fetch.plan("dau", every="1w", client=client)
    with pytest.raises(ConfigurationError, match="user_activity takes no lookback_days"):
        fetch.plan("user_activity", lookback_days=90, client=client)
    with pytest.raises(errors.DateRangeError):
        fetch.plan("dau", "2026-03-09", "2026-03-02", client=client)
    assert client.requests_sent == 0


COUNTS = st.lists(st.integers(0, 500), min_size=1, max_size=40)


def counted(*counts: int | None) -> tuple[DayRange, dict[date, int]]:
    """Return days from FIRST on, and the counts of those that have one."""
    days = DayRange(FIRST, FIRST + timedelta(days=len(counts) - 1))
    return days, {day: count for day, count in zip(days, counts, strict=True) if count is not None}


@given(COUNTS, st.floats(0, 3))
def test_users_of_a_window_lie_between_what_is_sure(counts, turnover):
    """Whatever was learnt: not fewer than on the busiest day, not more than on all days together."""
    least, likely, most = window_users(*counted(*counts), turnover)
    assert (least, most) == (max(counts), sum(counts))
    assert least <= likely <= most


@pytest.mark.parametrize("users", [100, 180, 500])
def test_turnover_is_learnt(users):
    """After a week of so many users in which 100 came each day, the next week is taken to have as many."""
    local = LocalData(Client.serving([], today=TODAY))
    week = counted(*[100] * 5, 0, 0)
    assert learn_turnover(local, *week, users)
    assert window_users(*week, local.turnover)[1] == users


def test_a_typical_organisation_is_taken_for_granted():
    """Without anything known, a week of five days has 1.5 times its busiest day's users, 90 days 2.3 times."""
    turnover = LocalData(Client.serving([], today=TODAY)).turnover
    week = [100] * 5 + [13, 13]
    assert window_users(*counted(*week), turnover)[1] == 150
    assert window_users(*counted(100), turnover)[1] == 100
    assert window_users(*counted(*(week * 13)[:90]), turnover)[1] == 227
    others = counted(*week)[1]
    uncounted = DayRange(FIRST + timedelta(days=7), FIRST + timedelta(days=13))
    assert window_users(uncounted, others, turnover) == (0, 150, math.inf)


def test_the_table_of_a_plan_is_the_one_fetched():
    """Rows are right where they can be known: a row a day for counts, a user and day for lists."""
    client = Client.serving(organisation({0: 3, 4: 2}), today=TODAY)
    span = (FIRST, FIRST + timedelta(days=9))
    for table in ("dau_count", "daily_usage"):
        frame: pl.DataFrame = getattr(fetch, table)(*span, client=client)
        assert fetch.plan(table, *span, client=client).rows_expected == frame.height == 10
    assert fetch.plan("activity", *span, every="1d", client=client).rows_expected == 5


@given(st.sets(st.integers(0, 400)), st.integers(1, 90))
def test_no_fewer_ranges_cover_the_gaps(days, longest):
    """Every missing day is in one range, none is too long, and no two could be one."""
    gaps = [DayRange(FIRST + timedelta(days=n), FIRST + timedelta(days=n)) for n in sorted(days)]
    found = cover(gaps, max_days=longest)
    assert all(any(gap.start in span for span in found) for gap in gaps)
    assert all(span.days <= longest for span in found)
    # Greedy from the left is optimal: each range begins on a gap that the one before cannot reach.
    starts = [span.start for span in found]
    assert set(starts) <= {gap.start for gap in gaps}
    assert all(later - earlier >= timedelta(days=longest) for earlier, later in pairwise(starts))


LAST, SETTLED, YESTERDAY = date(2026, 3, 10), date(2026, 3, 7), date(2026, 3, 9)
BEGIN, MANY = date(2026, 1, 26), 43


def records() -> list[dict[str, Any]]:
    """Make up 43 days: four people, one of them in two spellings, a service account, and idle Sundays."""
    made = []
    for n in range(MANY):
        people = [f"user{k}@example.com" for k in range(4) if (n + k) % 3] + ["User1@Example.com"] * (n % 5 == 0)
        for place, user in enumerate([*people, "ci-bot"] if (BEGIN + n * ONE_DAY).weekday() != 6 else []):
            metrics = {"total_messages": n + place, "chat_messages": place} | (
                {"completions_count": n} if n % 2 else {}
            )
            made.append(record(BEGIN + n * ONE_DAY, user) | {"metrics": metrics})
    return made


RECORDS = records()


def archiving(archive: Path | None = None) -> Client:
    return Client.serving(RECORDS, today=LAST, archive=archive or False, progress=False)


def quietly(ask: Callable[..., pl.DataFrame], **how: Any) -> pl.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # of the last day, which is not published yet
        return ask(**how)


def questions() -> st.SearchStrategy[list[tuple[Callable[..., pl.DataFrame], dict[str, Any]]]]:
    offsets = st.lists(st.integers(0, MANY - 1), min_size=2, max_size=2).map(sorted)
    spans = offsets.map(
        lambda pair: {"start_date": BEGIN + timedelta(days=pair[0]), "end_date": BEGIN + timedelta(days=pair[1])}
    )
    every = st.sampled_from([None, "1d", "1w", "1mo"])
    plain = st.tuples(st.sampled_from([fetch.dau_count, fetch.daily_usage, fetch.dau, fetch.editor_language]), spans)
    windows = st.tuples(
        st.just(fetch.user_activity), st.tuples(spans, every).map(lambda both: both[0] | {"every": both[1]})
    )
    return st.lists(plain | windows, min_size=2, max_size=4)


@pytest.mark.slow
@given(asked=questions())
@settings(max_examples=20)
def test_tables_are_the_same_with_and_without_an_archive(tmp_path_factory, asked):
    """Whatever was asked before, each table is the one that a client without an archive gets."""
    archive = tmp_path_factory.mktemp("any") / "archive"
    for ask, how in asked:
        expected = quietly(ask, **how, client=archiving())
        assert_frame_equal(quietly(ask, **how, client=archiving(archive)), expected)
        again = archiving(archive)
        assert_frame_equal(quietly(ask, **how, client=again), expected)
        assert again.requests_sent == 0 or how["end_date"] > SETTLED
    if archive.exists():
        assert set(Archive(archive).check()["problem"]) <= {"missing"}


@pytest.mark.parametrize(
    "ask", [fetch.dau_count, fetch.daily_usage, fetch.dau, fetch.editor_language, fetch.user_activity]
)
def test_archived_days_are_not_asked_for_and_unsettled_days_always(tmp_path, ask):
    """The second time settled days send nothing; the two days that are not settled are sent for each time."""
    path = tmp_path / "archive"
    ask(start_date=SETTLED - timedelta(days=4), end_date=SETTLED, client=archiving(path))
    settled = archiving(path)
    ask(start_date=SETTLED - timedelta(days=4), end_date=SETTLED, client=settled)
    assert settled.requests_sent == 0
    for _ in range(2):
        unsettled = archiving(path)
        ask(start_date=SETTLED - timedelta(days=4), end_date=SETTLED + timedelta(days=2), client=unsettled)
        assert unsettled.requests_sent == (2 if ask in (fetch.dau, fetch.editor_language) else 1)
    assert Archive(path).manifest()["end"].max() == SETTLED


@pytest.mark.parametrize("table", TABLES)
def test_a_plan_up_to_yesterday_is_kept_with_an_archive_too(table, tmp_path):
    """Counts that planning archived are not asked for twice; what is archived is in the plan, and not sent for."""
    client = Client.serving(organisation(dict.fromkeys(range(28), 2)), today=TODAY, archive=tmp_path / "archive")
    fetch.dau(start_date=FIRST, end_date=FIRST + timedelta(days=9), client=client)
    client = Client.serving(organisation(dict.fromkeys(range(28), 2)), today=TODAY, archive=tmp_path / "archive")
    days = {"start_date": FIRST, "end_date": FIRST + timedelta(days=27)}
    plan = fetch.plan(table, **days, client=client)
    assert plan.has_missing
    assert plan.requests_needed == plan.requests_cached + plan.requests_archived + plan.requests_to_send
    assert plan.requests_archived == (10 if table in ("dau", "activity") else 0)
    assert sent_by(client, lambda: getattr(fetch, table)(**days, client=client)) == plan.requests_to_send
    assert not fetch.plan(table, **days, client=client).has_missing


def remote(path: Path, clock, app, token: str = "a-token-of-tests") -> Client:
    address = {"base_url": "https://t.invalid", "cache": False, "archive": path}
    return Client(token, **address, clock=clock, app=app, retry=RetryPolicy(attempts=1))


def test_the_token_is_not_in_the_archive(tmp_path, clock):
    """No file under the archive holds the token that fetched it."""
    token, path = "tok-9a8b7c6d5e4f", tmp_path / "archive"
    fetch.dau("2026-03-02", client=remote(path, clock, AnalyticsApp(RecordStore(RECORDS), now=clock.now), token))
    assert Archive(path).has("dau", date(2026, 3, 2))
    assert not any(token.encode() in file.read_bytes() for file in path.rglob("*") if file.is_file())


def test_another_client_is_refused_before_a_request(tmp_path):
    """The sample does not read what given records filled, and sends nothing."""
    fetch.dau("2026-03-02", client=archiving(tmp_path / "archive"))
    sample = Client.sample(today=LAST, archive=tmp_path / "archive", progress=False)
    with pytest.raises(ArchiveError, match="one organisation"):
        fetch.dau("2026-03-02", client=sample)
    assert sample.requests_sent == 0


def test_what_was_fetched_before_a_failure_is_kept(tmp_path, clock):
    """The API goes away on the fourth day: the three days before it are archived."""
    app = AnalyticsApp(RecordStore(RECORDS), now=clock.now)

    def failing(environ: dict[str, Any], start_response) -> Any:
        if "2026-03-05" in environ["QUERY_STRING"]:
            start_response("503 Service Unavailable", [])
            return [b""]
        return app(environ, start_response)

    with pytest.raises(errors.ApiUnavailableError):
        fetch.dau(start_date="2026-03-02", end_date="2026-03-07", client=remote(tmp_path / "archive", clock, failing))
    archive = Archive(tmp_path / "archive")
    assert archive.missing("dau", DayRange(date(2026, 3, 2), SETTLED)) == [DayRange(date(2026, 3, 5), SETTLED)]


def test_an_archive_that_cannot_be_written_costs_nothing_but_a_warning(tmp_path):
    """The table comes all the same, and the warning says where it could not be put."""
    path = tmp_path / "archive"
    fetch.dau_count("2026-03-02", "2026-03-03", client=archiving(path))
    (path / "dau").write_text("in the way")
    with pytest.warns(CacheWarning, match="could not be put into the archive"):
        frame = fetch.dau("2026-03-02", client=archiving(path))
    assert_frame_equal(frame, fetch.dau("2026-03-02", client=archiving()))


def listing(day: str, *users: dict[str, str], moment: str = "2026-03-10T11:00:00Z") -> dict[str, Any]:
    """Return an answer of dau."""
    metadata = {"effective_date": day, "generated_at": moment}
    return {"users": list(users), "metadata": metadata, "pagination": {"has_more": False}}


ADA = {"user_email": "ada@example.com"}


@pytest.mark.parametrize(("moment", "is_kept"), [("2026-03-09T13:00:00Z", False), ("2026-03-10T11:00:00Z", True)])
def test_an_old_answer_out_of_the_cache_is_not_settled(moment, is_kept, scripted, tmp_path):
    """A day that is three days old is not kept from an answer that was given when it was two days old."""
    asking, _ = scripted(lambda _path, asked: listing(asked["date"], ADA, moment=moment))
    asking.archive_path = tmp_path / "archive"
    fetch.dau("2026-03-07", client=asking)
    assert Archive(tmp_path / "archive").has("dau", date(2026, 3, 7)) is is_kept


def test_what_moved_while_it_was_fetched_is_not_kept(scripted, tmp_path):
    """A day of which a row came twice, and an answer of another day than asked, are for now alone."""

    def tell(_path: str, asked: dict[str, str]) -> dict[str, Any]:
        twice = asked["date"] == "2026-03-02"
        told = "2026-03-01" if asked["date"] == "2026-03-03" else asked["date"]
        return listing(told, *[ADA] * (1 + twice))

    asking, _ = scripted(tell)
    asking.archive_path = tmp_path / "archive"
    with pytest.warns(DataWarning):
        frame = fetch.dau(start_date="2026-03-02", end_date="2026-03-04", client=asking)
    assert frame.height == 3
    missing = Archive(tmp_path / "archive").missing("dau", DayRange(date(2026, 3, 1), date(2026, 3, 4)))
    assert missing == [DayRange(date(2026, 3, 1), date(2026, 3, 3))]


def test_an_answer_of_fewer_days_than_asked_is_not_kept(scripted, wire, tmp_path):
    """The API clamps a range: the days it left out must not pass for fetched, and none of it is archived."""
    asking, _ = scripted(lambda _path, asked: wire.dau_count("2026-03-04", asked["end_date"], {"2026-03-05": 7}))
    asking.archive_path = tmp_path / "archive"
    with pytest.warns(DataWarning, match="other days than asked"):
        frame = fetch.dau_count("2026-03-02", "2026-03-05", client=asking)
    assert frame["user_count"].to_list() == [0, 7]
    assert not (tmp_path / "archive").exists()


def test_counts_that_leave_somebody_out_empty_no_archived_day(scripted, wire, tmp_path):
    """The API counts people only, and lists a service account: an uncounted day is asked for, archived lists or not."""

    def tell(path: str, asked: dict[str, str]) -> dict[str, Any]:
        if path == "dau-count":
            return wire.dau_count(asked["start_date"], asked["end_date"], {"2026-02-25": 1})
        return listing(asked["date"], *[ADA] * (asked["date"] == "2026-02-25"), {"service_account_name": "ci"})

    for start, users in (("2026-02-20", 10), ("2026-02-05", 25)):
        asking, _ = scripted(tell)
        asking.archive_path = tmp_path / "archive"
        assert fetch.dau(start_date=start, end_date="2026-02-28", client=asking).height == users
