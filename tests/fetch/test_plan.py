"""A plan is kept: what it says will be sent is what is sent, and what it cannot know it says."""

from __future__ import annotations

import math
import sys
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_insights import Client, fetch
from augment_insights.errors import ConfigurationError, DateRangeError
from augment_insights.fetch.plan import TABLES
from augment_insights.sample import AnalyticsApp, RecordStore
from augment_insights.transport.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

TODAY = "2026-03-30"
FIRST = date(2026, 3, 2)  # a Monday


def record(day: date, user: str, language: str = "Python") -> dict[str, Any]:
    field = "user_email" if "@" in user else "service_account_name"
    return {"date": day, field: user, "language": language, "editor": "VSCode", "metrics": {"chat_messages": 1}}


def crowd(users: int, day: date, *, start: int = 0) -> list[dict[str, Any]]:
    return [record(day, f"u{number}@example.com") for number in range(start, start + users)]


def organisation(days: Mapping[int, int]) -> list[dict[str, Any]]:
    """Return records of so many users on each day, numbered from FIRST."""
    return [row for number, users in days.items() for row in crowd(users, FIRST + timedelta(days=number))]


def sent_by(client: Client, ask: Any) -> int:
    before = client.requests_sent
    ask()
    return client.requests_sent - before


# A small organisation in the sense that matters: lists of one to three pages, and days without anybody.
ORGANISATIONS = st.dictionaries(st.integers(0, 20), st.sampled_from([1, 3, 99, 101, 250, 251, 501]), max_size=5)
RANGES = st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted)


@settings(max_examples=25, deadline=None)
@given(days=ORGANISATIONS, ends=RANGES)
def test_a_plan_of_lists_is_kept_to_the_request(days: dict[int, int], ends: list[int]) -> None:
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


@settings(max_examples=20, deadline=None)
@given(days=ORGANISATIONS, every=st.sampled_from([None, "1d", "1w", "1mo"]), ends=RANGES)
def test_an_estimate_of_windows_keeps_its_bounds(days: dict[int, int], every: Any, ends: list[int]) -> None:
    """A fetch of user_activity sends no fewer and no more requests than the plan says it may."""
    client = Client.serving(organisation(days), today=TODAY)
    start, end = (FIRST + timedelta(days=number) for number in ends)
    plan = fetch.plan("user_activity", start, end, every=every, client=client)
    sent = sent_by(client, lambda: fetch.user_activity(start, end, every=every, client=client))
    assert plan.requests_to_send_most is not None
    assert plan.requests_to_send_least <= sent <= plan.requests_to_send_most
    assert plan.requests_to_send_least <= plan.requests_to_send <= plan.requests_to_send_most
    if not plan.is_estimate:
        assert sent == plan.requests_to_send


@settings(max_examples=20, deadline=None)
@given(days=ORGANISATIONS, every=st.sampled_from(["1d", "1w", "1mo", "1q"]), ends=RANGES)
def test_an_activity_costs_what_its_plan_says(days: dict[int, int], every: Any, ends: list[int]) -> None:
    """A fetch of activity stays within its plan's bounds, and at the plan itself where that is exact."""
    client = Client.serving(organisation(days), today=TODAY)
    start, end = (FIRST + timedelta(days=number) for number in ends)
    plan = fetch.plan("activity", start, end, every=every, client=client)
    sent = sent_by(client, lambda: fetch.activity(start, end, every=every, client=client))
    assert plan.requests_to_send_most is not None
    assert plan.requests_to_send_least <= sent <= plan.requests_to_send_most


@settings(max_examples=15, deadline=None)
@given(st.dictionaries(st.integers(0, 12), st.tuples(st.sampled_from([1, 60, 110]), st.integers(1, 3)), max_size=4))
def test_records_are_at_least_one_a_user(days: dict[int, tuple[int, int]]) -> None:
    """A plan of editor_language names a least, no most, and keeps it."""
    languages = ("Python", "Go", "Rust")
    rows = [
        row | {"language": language}
        for number, (users, many) in days.items()
        for row in crowd(users, FIRST + timedelta(days=number))
        for language in languages[:many]
    ]
    client = Client.serving(rows, today=TODAY)
    end = FIRST + timedelta(days=12)
    plan = fetch.plan("editor_language", FIRST, end, client=client)
    sent = sent_by(client, lambda: fetch.editor_language(start_date=FIRST, end_date=end, client=client))
    assert plan.requests_to_send_least <= sent
    assert plan.requests_to_send_most is None or not days
    again = fetch.plan("editor_language", FIRST, end, client=client)
    assert (again.requests_to_send, again.rows_expected, again.is_estimate) == (0, len(rows), False)


def test_records_a_user_are_learnt_from_the_days_at_hand() -> None:
    """With a day of 60 users and 120 records cached, another of 60 users is planned at 120 records, two pages."""
    rows = [
        row | {"language": language}
        for number in (0, 1)
        for row in crowd(60, FIRST + timedelta(days=number))
        for language in ("Python", "Go")
    ]
    client = Client.serving(rows, today=TODAY)
    days = (FIRST, FIRST + timedelta(days=1))
    before = fetch.plan("editor_language", *days, client=client)
    assert before.rows_expected == 2 * 96, "1.6 a user, for want of better"
    fetch.editor_language(FIRST, client=client)
    plan = fetch.plan("editor_language", *days, client=client)
    assert plan.rows_expected == 240
    assert plan.requests_to_send == 2
    assert any("2.00 a user and day, as on the 1 day at hand" in reason for reason in plan.estimates)


@pytest.mark.parametrize("table", TABLES)
def test_what_was_fetched_is_free(table: str) -> None:
    """Planned again after the fetch, nothing is left to send, and the parts add up to what is needed."""
    client = Client.serving(organisation({0: 3, 1: 260, 8: 5}), today=TODAY)
    start, end = FIRST, FIRST + timedelta(days=13)
    for _ in range(2):
        plan = fetch.plan(table, start, end, client=client)
        assert plan.requests_needed == plan.requests_cached + plan.requests_archived + plan.requests_to_send
        getattr(fetch, table)(start_date=start, end_date=end, client=client)
    plan = fetch.plan(table, start, end, client=client)
    assert (plan.requests_to_send, plan.requests_sent, plan.seconds) == (0, 0, 0.0)
    assert plan.requests_cached == plan.requests_needed > 0


def test_days_without_activity_are_not_asked_for() -> None:
    """Of two weeks with activity on two days, a plan's counts and two lists are fetched, and the table is whole."""
    client = Client.serving(organisation({0: 2, 9: 1}), today=TODAY)
    fetch.plan("dau", FIRST, FIRST + timedelta(days=13), client=client)
    frame = fetch.dau(start_date=FIRST, end_date=FIRST + timedelta(days=13), client=client)
    assert client.requests_sent == 3
    assert frame["date"].to_list() == [FIRST, FIRST, FIRST + timedelta(days=9)]


def test_without_counts_at_hand_each_day_is_asked_for() -> None:
    """A list is not preceded by a request that nobody asked for: two weeks are fourteen."""
    client = Client.serving(organisation({0: 2, 9: 1}), today=TODAY)
    frame = fetch.dau(start_date=FIRST, end_date=FIRST + timedelta(days=13), client=client)
    assert client.requests_sent == 14
    assert frame.height == 3


def test_an_unpublished_day_is_asked_for_and_not_called_idle() -> None:
    """A day that is not out yet is no day without activity: its list is asked for, and the plan is an estimate."""

    class EarlyMorning(Clock):
        def now(self) -> datetime:
            return datetime(2026, 3, 12, 1, 0, tzinfo=UTC)

    clock = EarlyMorning()
    app = AnalyticsApp(RecordStore(organisation({0: 3, 9: 4})), now=clock.now)
    client = Client("any", base_url="https://records.invalid", cache=False, progress=False, clock=clock, app=app)
    plan = fetch.plan("dau", FIRST, FIRST + timedelta(days=9), client=client)
    assert FIRST + timedelta(days=9) not in plan.days_without_activity
    assert plan.is_estimate
    assert plan.requests_to_send_most is None
    assert any("not published" in reason for reason in plan.estimates)
    with pytest.warns(match="not safely published"):
        sent = sent_by(client, lambda: fetch.dau(start_date=FIRST, end_date=plan.days.end, client=client))
    assert sent == plan.requests_to_send == 2


class CountsPeopleOnly(AnalyticsApp):
    """An API whose dau-count leaves service accounts out: the reference does not say whether it does."""

    def _dau_count(self, asked: Any) -> dict[str, Any]:
        answer = super()._dau_count(asked)
        for line in answer["daily_active_user_counts"]:
            users = self._day(date.fromisoformat(line["date"])).users
            line["user_count"] = sum(field == "user_email" for field, _ in users)
        return answer


def client_of_people_only(records: list[dict[str, Any]]) -> Client:
    now = datetime(2026, 3, 30, 12, tzinfo=UTC)

    class Noon(Clock):
        def now(self) -> datetime:
            return now

    app = CountsPeopleOnly(RecordStore(records), now=lambda: now)
    return Client("any", base_url="https://records.invalid", cache=False, progress=False, clock=Noon(), app=app)


@pytest.mark.parametrize("ask", [fetch.dau, fetch.editor_language])
def test_counts_that_leave_service_accounts_out_lose_nobody(ask: Any) -> None:
    """Where a list is longer than its count, the days that nobody was counted on are asked for too."""
    weekday, weekend = FIRST, FIRST + timedelta(days=5)
    client = client_of_people_only([record(weekday, "ada@example.com"), record(weekday, "CI"), record(weekend, "CI")])
    frame = ask(start_date=FIRST, end_date=FIRST + timedelta(days=9), client=client)
    assert frame.select("date", "user").rows() == [(weekday, "ada@example.com"), (weekday, "CI"), (weekend, "CI")]


def test_an_interrupted_list_is_gone_on_with() -> None:
    """Of a list of three pages, of which one came before the fetch broke off, two are planned and sent."""
    rows = organisation({0: 501})
    client = Client.serving(rows, today=TODAY)
    asked = 0
    plain = client._ask

    def break_off(*question: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise KeyboardInterrupt
        return plain(*question)

    client._ask = break_off  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        fetch.dau(FIRST, client=client)
    client._ask = plain  # type: ignore[method-assign]
    plan = fetch.plan("dau", FIRST, FIRST, client=client)
    assert (plan.requests_to_send, plan.requests_cached) == (2, 2), "a page and the counts are at hand"
    assert sent_by(client, lambda: fetch.dau(FIRST, client=client)) == 2


def test_archived_days_are_free(tmp_path: Any) -> None:
    """Of ten archived days and four that are not, only the four are left to send."""
    client = Client.serving(organisation(dict.fromkeys(range(14), 2)), today=TODAY, archive=tmp_path / "archive")
    fetch.dau(start_date=FIRST, end_date=FIRST + timedelta(days=9), client=client)
    later = Client.serving(organisation(dict.fromkeys(range(14), 2)), today=TODAY, archive=tmp_path / "archive")
    plan = fetch.plan("dau", FIRST, FIRST + timedelta(days=13), client=later)
    assert plan.requests_to_send == 4
    assert plan.requests_archived >= 10
    ask = lambda: fetch.dau(start_date=FIRST, end_date=FIRST + timedelta(days=13), client=later)  # noqa: E731
    assert sent_by(later, ask) == 4


@pytest.mark.parametrize("table", TABLES)
def test_a_plan_up_to_yesterday_is_kept_with_an_archive_too(table: str, tmp_path: Any) -> None:
    """Counts that planning put into the archive, all but the unsettled days, are not asked for a second time."""
    records = organisation(dict.fromkeys(range(28), 2))
    client = Client.serving(records, today=TODAY, archive=tmp_path / "archive")
    days = {"start_date": FIRST, "end_date": FIRST + timedelta(days=27)}
    plan = fetch.plan(table, **days, client=client)
    assert plan.requests_needed == plan.requests_cached + plan.requests_archived + plan.requests_to_send
    assert sent_by(client, lambda: getattr(fetch, table)(**days, client=client)) == plan.requests_to_send


def test_seconds_are_those_of_the_bucket() -> None:
    """A full bucket of 20 sends 41 requests in (41 - 20 + 1 for the counts) x 6 s."""

    class Still(Clock):
        def now(self) -> datetime:
            return datetime(2026, 3, 30, 12, tzinfo=UTC)

        def time(self) -> float:
            return 1_000_000.0

    clock = Still()
    app = AnalyticsApp(RecordStore(organisation({0: 250 * 41})), now=clock.now)

    class Limited(Client):
        def _make_limit(self) -> Any:
            self._app, app = None, self._app
            limit = super()._make_limit()
            self._app = app
            return limit

    client = Limited("any", base_url="https://records.invalid", cache=False, progress=False, clock=clock, app=app)
    plan = fetch.plan("dau", FIRST, FIRST, client=client)
    assert plan.requests_to_send == 41
    assert plan.seconds == pytest.approx(22 * 6)


# ---- How it shows ----


def test_a_plan_reads_well_in_a_terminal() -> None:
    """The text says what to send, what is needed and at hand, how long, and how many rows."""
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


def test_a_plan_shows_itself_in_a_notebook() -> None:
    """The same lines as a table, with the bounds of what is estimated."""
    client = Client.serving(organisation({0: 300, 1: 300}), today=TODAY)
    plan = fetch.plan("user_activity", FIRST, FIRST + timedelta(days=1), client=client)
    assert (plan.requests_to_send_least, plan.requests_to_send_most) == (3, 6)
    page = plan._repr_html_()
    assert page.startswith("<table>")
    assert page.endswith("</table>")
    assert "(3 to 6)" in page
    assert page.count("<tr>") == len(str(plan).splitlines()) - 1


@pytest.mark.parametrize("ask", ["dau", "activity", "user_activity"])
def test_a_dear_fetch_shows_its_plan_first(
    ask: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
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


def test_the_budget_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """60 requests unless told, by argument or environment; nonsense is refused by name."""
    assert Client("any").plan_above == 60
    monkeypatch.setenv("AUGMENT_INSIGHTS_PLAN_ABOVE", "500")
    assert Client("any").plan_above == 500
    assert Client("any", plan_above=0).plan_above == 0
    monkeypatch.setenv("AUGMENT_INSIGHTS_PLAN_ABOVE", "many")
    with pytest.raises(ConfigurationError, match="plan_above='many'"):
        Client("any")


# ---- What is refused ----


def test_an_unknown_table_is_refused() -> None:
    """The nearest name is offered, and nothing is sent."""
    client = Client.serving([], today=TODAY)
    with pytest.raises(ConfigurationError, match="did you mean 'editor_language'"):
        fetch.plan("editor_languages", client=client)
    with pytest.raises(ConfigurationError, match="dau takes no every"):
        fetch.plan("dau", every="1w", client=client)
    with pytest.raises(ConfigurationError, match="user_activity takes no lookback_days"):
        fetch.plan("user_activity", lookback_days=90, client=client)
    with pytest.raises(DateRangeError):
        fetch.plan("dau", "2026-03-09", "2026-03-02", client=client)
    assert client.requests_sent == 0


# ---- The arithmetic ----


@given(
    st.lists(st.integers(0, 500), min_size=1, max_size=40),
    st.lists(st.tuples(st.lists(st.integers(0, 500), min_size=1, max_size=10), st.integers(0, 3000)), max_size=3),
)
def test_users_of_a_window_lie_between_what_is_sure(counts: list[int], seen: list[tuple[list[int], int]]) -> None:
    """Whatever was learnt: not fewer than on the busiest day, not more than on all days together."""
    turnover = Turnover()
    for known, users in seen:
        turnover.learn(known, users)
    users = turnover.users(counts, ())
    assert (users.least, users.most) == (max(counts), sum(counts))
    assert users.least <= users.likely <= sum(counts)


def test_turnover_is_learnt() -> None:
    """After a week in which the same 100 came each day, the next is taken to be alike; so is one of changing users."""
    week = [100] * 5 + [0, 0]
    same, changing = Turnover(), Turnover()
    same.learn(week, 100)
    changing.learn(week, 500)
    assert same.users(week, ()).likely == 100
    assert changing.users(week, ()).likely == 500


def test_a_typical_week_is_taken_for_granted() -> None:
    """Without anything known, a week of five days and a small weekend has 1.67 times its busiest day's users."""
    assert Turnover().users([100] * 5 + [13, 13], ()).likely == 167
    assert Turnover().users([100], ()).likely == 100
    assert Turnover().users([None] * 7, [100] * 5 + [13, 13]) == Estimate(0, 167, None)


def test_the_table_of_a_plan_is_the_one_fetched() -> None:
    """Rows are right where they can be known: a row a day for counts, a user and day for lists."""
    client = Client.serving(organisation({0: 3, 4: 2}), today=TODAY)
    span = (FIRST, FIRST + timedelta(days=9))
    for table in ("dau_count", "daily_usage"):
        frame: pl.DataFrame = getattr(fetch, table)(*span, client=client)
        assert fetch.plan(table, *span, client=client).rows_expected == frame.height == 10
    assert fetch.plan("activity", *span, every="1d", client=client).rows_expected == 5
