"""Who was active is the same whichever way it was learnt, and the way is the one that costs least."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_insights import Client, analysis, fetch, tables
from augment_insights.archive import Archive
from augment_insights.periods import DayRange, calendar_periods
from augment_insights.sample import AnalyticsApp, RecordStore
from augment_insights.transport.rate_limit import Clock

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

TODAY = "2026-03-30"
FIRST = date(2026, 3, 2)  # a Monday
LAST = date(2026, 3, 29)  # a Sunday, four weeks on
COLUMNS = ["period_start", "period_end", "user", "user_type", "active_days"]

Visit = tuple[int, str]
"""A day, counted from FIRST, and who was active on it."""


def records(visits: Iterable[Visit]) -> list[dict[str, Any]]:
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


def by_hand(visits: Iterable[Visit], days: DayRange, every: Any) -> list[tuple[Any, ...]]:
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


@settings(max_examples=30, deadline=None)
@given(visits=VISITS, ends=RANGES, every=st.sampled_from(["1d", "1w", "1mo", "1q"]), warm=st.sets(st.integers(0, 27)))
def test_the_answer_is_that_of_the_visits(visits: set[Visit], ends: list[int], every: Any, warm: set[int]) -> None:
    """Rows are what the visits say by hand, whichever lists were at hand before and whichever way was taken."""
    days = DayRange(*(FIRST + timedelta(days=number) for number in ends))
    client = Client.serving(records(visits), today=TODAY)
    for number in sorted(warm):
        fetch.dau(FIRST + timedelta(days=number), client=client)
    frame = fetch.activity(days.start, days.end, every=every, client=client)
    assert frame.columns == COLUMNS
    assert frame.schema == tables.ACTIVITY.schema
    assert frame.rows() == by_hand(visits, days, every)


@settings(max_examples=15, deadline=None)
@given(visits=VISITS, ends=RANGES, every=st.sampled_from(["1w", "1mo"]))
def test_both_ways_agree(visits: set[Visit], ends: list[int], every: Any) -> None:
    """With all lists at hand nothing but lists is used, with all windows nothing but windows: the same rows."""
    start, end = (FIRST + timedelta(days=number) for number in ends)
    lists, windows = (Client.serving(records(visits), today=TODAY) for _ in range(2))
    fetch.dau(start_date=start, end_date=end, client=lists)
    fetch.user_activity(start, end, every=every, client=windows)
    for client in (lists, windows):
        fetch.dau_count(start, end, client=client)
    before = lists.requests_sent
    by_lists = fetch.activity(start, end, every=every, client=lists)
    assert lists.requests_sent == before
    by_windows = fetch.activity(start, end, every=every, client=windows)
    assert by_lists.equals(by_windows)


def sent_for(client: Client, start: date, end: date, **how: Any) -> int:
    before = client.requests_sent
    fetch.activity(start, end, client=client, **how)
    return client.requests_sent - before


def test_days_are_lists_in_pages_of_250() -> None:
    """For every day of 260 users two requests are sent (a window would take three), and one for the counts."""
    visits = [(day, user) for day in range(3) for user in people(range(260))]
    client = Client.serving(records(visits), today=TODAY)
    assert sent_for(client, FIRST, FIRST + timedelta(days=6), every="1d") == 1 + 3 * 2


def test_a_week_of_the_same_few_is_one_window() -> None:
    """Five days of the same 90 people are one request as a window, five as lists."""
    visits = [(day, user) for day in range(5) for user in people(range(90))]
    client = Client.serving(records(visits), today=TODAY)
    assert sent_for(client, FIRST, FIRST + timedelta(days=6), every="1w") == 1 + 1


def test_a_week_of_one_busy_day_is_a_list() -> None:
    """One day of 240 people in a week is one list, and three pages as a window."""
    client = Client.serving(records((2, user) for user in people(range(240))), today=TODAY)
    assert sent_for(client, FIRST, FIRST + timedelta(days=6), every="1w") == 1 + 1


def test_weeks_without_activity_cost_nothing() -> None:
    """Of four weeks, two without anybody: only the other two are asked for."""
    client = Client.serving(records([(0, "ada@x.io"), (21, "ada@x.io")]), today=TODAY)
    assert sent_for(client, FIRST, LAST, every="1w") == 1 + 2


def test_nobody_at_all_is_an_empty_table() -> None:
    """An organisation without activity costs the counts, and gives the table without rows."""
    client = Client.serving([], today=TODAY)
    frame = fetch.activity(FIRST, LAST, every="1w", client=client)
    assert client.requests_sent == 1
    assert frame.equals(tables.ACTIVITY.empty())


def test_turnover_is_learnt_on_the_way() -> None:
    """Where others come each day lists are cheaper: found out at the price of at most one week by windows.

    Each weekday has 200 users, 5 lists a week; all others each day, so 1,000 a week, 10 pages. By the
    typical shape a week has about 330 users, 4 pages.
    """
    visits = [
        (week * 7 + day, user)
        for week in range(4)
        for day in range(5)
        for user in people(range(day * 200, day * 200 + 200))
    ]
    client = Client.serving(records(visits), today=TODAY)
    assert sent_for(client, FIRST, LAST, every="1w") == 1 + 10 + 3 * 5


def test_lists_at_hand_are_used() -> None:
    """With six of seven lists cached, the seventh list is fetched, and no window."""
    visits = [(day, user) for day in range(7) for user in people(range(150))]
    client = Client.serving(records(visits), today=TODAY)
    fetch.dau(start_date=FIRST, end_date=FIRST + timedelta(days=5), client=client)
    assert sent_for(client, FIRST, FIRST + timedelta(days=6), every="1w") == 1 + 1


def test_a_window_covers_just_the_days_that_are_not_at_hand() -> None:
    """With 20 lists of a month cached, one window over the other days goes with them.

    It has 80 users, a page; over the whole month there are 230, three pages; lists of the rest would be eight.
    """
    early = [(day, user) for day in range(20) for user in people(range(150))]
    late = [(day, user) for day in range(20, 28) for user in people(range(100, 180))]
    client = Client.serving(records([*early, *late]), today=TODAY)
    fetch.dau(start_date=FIRST, end_date=FIRST + timedelta(days=19), client=client)
    assert sent_for(client, FIRST, LAST, every="1mo") == 1 + 1
    frame = fetch.activity(FIRST, LAST, every="1mo", client=client)
    assert frame.rows() == by_hand([*early, *late], DayRange(FIRST, LAST), "1mo")


def test_archived_lists_are_used(tmp_path: Any) -> None:
    """Days in the archive cost nothing, and say the same as the API would."""
    visits = [(day, user) for day in range(28) for user in [*people(range(3)), "CI"]]
    first = Client.serving(records(visits), today=TODAY, archive=tmp_path / "archive")
    fetch.dau(start_date=FIRST, end_date=LAST, client=first)
    later = Client.serving(records(visits), today=TODAY, archive=tmp_path / "archive")
    frame = fetch.activity(FIRST, LAST, every="1w", client=later)
    assert frame.rows() == by_hand(visits, DayRange(FIRST, LAST), "1w")
    assert later.requests_sent < first.requests_sent / 4


def test_what_activity_fetches_is_archived(tmp_path: Any) -> None:
    """Asked again by another client of the archive, no settled week and no count is sent for a second time."""
    visits = [(day, user) for day in range(20) for user in people(range(3))]
    rows: list[pl.DataFrame] = []
    sent: list[int] = []
    for _ in range(2):
        client = Client.serving(records(visits), today=TODAY, archive=tmp_path / "archive")
        rows.append(fetch.activity(FIRST, FIRST + timedelta(days=20), every="1w", client=client))
        sent.append(client.requests_sent)
    assert rows[0].equals(rows[1])
    assert sent == [4, 0]  # the counts, which priced it, are archived too


def test_days_that_nobody_was_counted_on_are_archived_too(tmp_path: Any) -> None:
    """Days that the counts and the usage know to be empty are in the archive, and a sync need not ask for them."""
    client = Client.serving(records([(0, "ada@x.io")]), today=TODAY, archive=tmp_path / "archive")
    end = FIRST + timedelta(days=13)
    fetch.daily_usage(FIRST, end, client=client)
    fetch.activity(FIRST, end, every="1w", client=client)
    assert client.requests_sent == 3, "the usage, the counts, a list"
    assert Archive(tmp_path / "archive").has("dau", DayRange(FIRST, end))


def test_spelling_does_not_make_two_users() -> None:
    """One address in two spellings is one user, counted once a day, under the first spelling in the alphabet."""
    spelt = [(0, "ada@x.io"), (0, "ADA@x.io"), (1, "Ada@x.io"), (2, "ada@x.io")]
    client = Client.serving(records(spelt), today=TODAY)
    fetch.dau(start_date=FIRST, end_date=FIRST + timedelta(days=2), client=client)
    frame = fetch.activity(FIRST, FIRST + timedelta(days=2), every="1w", client=client)
    assert frame.select("user", "active_days").rows() == [("ADA@x.io", 3)]


class CountsPeopleOnly(AnalyticsApp):
    """An API whose dau-count leaves service accounts out."""

    def _dau_count(self, asked: Any) -> dict[str, Any]:
        answer = super()._dau_count(asked)
        for line in answer["daily_active_user_counts"]:
            users = self._day(date.fromisoformat(line["date"])).users
            line["user_count"] = sum(field == "user_email" for field, _ in users)
        return answer


def client_of_people_only(visits: Iterable[Visit]) -> Client:
    class Noon(Clock):
        def now(self) -> datetime:
            return datetime(2026, 3, 30, 12, tzinfo=UTC)

    app = CountsPeopleOnly(RecordStore(records(visits)), now=Noon().now)
    return Client("any", base_url="https://records.invalid", cache=False, progress=False, clock=Noon(), app=app)


@pytest.mark.parametrize("every", ["1d", "1w", "1mo"])
def test_counts_that_leave_service_accounts_out_lose_nobody(every: Any) -> None:
    """Where a list is longer than its count, the days that nobody was counted on are asked for too."""
    visits = [(0, "ada@x.io"), (0, "CI"), (5, "CI"), (15, "CI"), (22, "ada@x.io")]
    frame = fetch.activity(FIRST, LAST, every=every, client=client_of_people_only(visits))
    assert frame.rows() == by_hand(visits, DayRange(FIRST, LAST), every)


def test_windows_too_show_that_counts_leave_somebody_out() -> None:
    """Where a window has more active days than were counted, a week that nobody was counted in is asked for too."""
    visits = [*((day, user) for day in range(5) for user in ("ada@x.io", "CI")), (15, "CI")]
    client = client_of_people_only(visits)
    frame = fetch.activity(FIRST, LAST, every="1w", client=client)
    assert client.requests_sent == 1 + 1 + 3, "the counts, a window, and those of the other three weeks"
    assert frame.rows() == by_hand(visits, DayRange(FIRST, LAST), "1w")


# ---- The look-back ----


def test_a_lookback_tells_who_is_not_new() -> None:
    """Ada was there in January, so of March's users only Ben is new: in lifecycle and in the cohorts."""
    visits = [(-50, "ada@x.io"), (0, "ada@x.io"), (1, "ben@x.io"), (7, "ada@x.io"), (14, "ben@x.io"), (27, "ben@x.io")]
    client = Client.serving(records(visits), today=TODAY)
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


def test_a_lookback_is_windows_of_90_days() -> None:
    """200 days before the range are three windows, one request each in a small organisation, in rows of their own."""
    visits = [(-200, "ada@x.io"), (-100, "ben@x.io"), (-1, "cy@x.io"), (0, "ada@x.io")]
    client = Client.serving(records(visits), today=TODAY)
    frame = fetch.activity(FIRST, LAST, every="1w", lookback_days=200, client=client)
    assert client.requests_sent == 1 + 1 + 3
    ends = [FIRST - timedelta(days=days) for days in (200, 181, 180, 91, 90, 1)]
    assert frame.rows()[:3] == [
        (ends[0], ends[1], "ada@x.io", "person", 1),
        (ends[2], ends[3], "ben@x.io", "person", 1),
        (ends[4], ends[5], "cy@x.io", "person", 1),
    ]


def test_a_lookback_ends_at_the_two_years() -> None:
    """More days than the API reaches back are cut to those that it answers for under either reading of two years."""
    client = Client.serving(records([(0, "ada@x.io")]), today=TODAY)
    fetch.activity(FIRST, LAST, every="1w", lookback_days=10_000, client=client)
    plan = fetch.plan("activity", FIRST, LAST, every="1w", lookback_days=10_000, client=client)
    assert plan.days.start == date(2026, 3, 30) - timedelta(days=730)
    assert plan.requests_to_send == 0


def test_the_oldest_days_have_no_lookback() -> None:
    """A range that begins two years back is fetched without one."""
    client = Client.serving([], today=TODAY)
    start = date(2026, 3, 30) - timedelta(days=730)
    assert fetch.activity(start, start, lookback_days=90, client=client).is_empty()
    assert client.requests_sent == 1


def test_what_cannot_be_is_refused() -> None:
    """A wrong period or look-back is refused before anything is sent."""
    client = Client.serving([], today=TODAY)
    with pytest.raises(ValueError, match="is not a period"):
        fetch.activity(FIRST, LAST, every="2w", client=client)  # type: ignore[arg-type]
    for wrong in (-1, 1.5, True):
        with pytest.raises(ValueError, match="lookback_days"):
            fetch.activity(FIRST, LAST, lookback_days=wrong, client=client)  # type: ignore[arg-type]
    assert client.requests_sent == 0


@settings(max_examples=5, deadline=None)
@given(sizes=st.lists(st.sampled_from([0, 30, 120, 260]), min_size=28, max_size=28))
def test_a_wrong_guess_costs_no_more_than_the_dearer_way(sizes: list[int]) -> None:
    """However many come each day, no week costs fewer requests than its cheaper way, nor more than its dearer one."""
    visits = [(day, user) for day, size in enumerate(sizes) for user in people(range(size))]
    client = Client.serving(records(visits), today=TODAY)
    fetch.dau_count(FIRST, LAST, client=client)
    weeks = [sizes[start : start + 7] for start in range(0, 28, 7)]
    ways = [(sum(math.ceil(size / 250) for size in week), math.ceil(max(week) / 100)) for week in weeks]
    assert sum(map(min, ways)) <= sent_for(client, FIRST, LAST, every="1w") <= sum(map(max, ways))


def test_windows_at_hand_are_used() -> None:
    """After user_activity over the same weeks nothing is left to ask for but the counts."""
    visits = [(day, user) for day in range(28) for user in people(range(3))]
    client = Client.serving(records(visits), today=TODAY)
    fetch.user_activity(FIRST, LAST, every="1w", client=client)
    assert sent_for(client, FIRST, LAST, every="1w") == 1
