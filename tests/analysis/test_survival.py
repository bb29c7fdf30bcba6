"""How long until a silence, and until the first use: hand-worked, and against lifelines' Kaplan-Meier."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter

from augment_insights import analysis
from augment_insights.errors import DataWarning, TableError
from augment_insights.tables import SURVIVAL, TIME_TO_FIRST_USE

if TYPE_CHECKING:
    from collections.abc import Callable

MONDAY = date(2026, 1, 5)
few = settings(max_examples=25, deadline=None)
days_by_user = st.dictionaries(
    st.integers(1, 12).map("user{}@x.io".format),
    st.lists(st.integers(0, 90), min_size=1, max_size=12),
    min_size=1,
)


def lifelines_curve(durations: list[int], events: list[bool]) -> list[tuple[float, float, float, int]]:
    """Kaplan-Meier by lifelines on each day from 0 to the longest: rate, low, high, at risk."""
    longest = max(durations)
    fitter = KaplanMeierFitter().fit(durations, events, timeline=range(longest + 1))
    bounds = fitter.confidence_interval_.to_numpy().tolist()
    at_risk = [sum(duration >= day for duration in durations) for day in range(longest + 1)]
    rates = fitter.survival_function_["KM_estimate"].to_list()
    return [(rate, *bound, n) for rate, bound, n in zip(rates, bounds, at_risk, strict=True)]


def same(found: list[float | None], expected: list[float]) -> None:
    """Compare bounds where they are defined: a null of ours stands where all have had the event."""
    pairs = [(ours, theirs) for ours, theirs in zip(found, expected, strict=True) if ours is not None]
    assert [ours for ours, _ in pairs] == pytest.approx([theirs for _, theirs in pairs], abs=1e-9)


# ---- Survival ----------------------------------------------------------------------------------


def test_survival_by_hand(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Four users, silences of 3 days: one lapses on day 1, one on day 4 though back later, two are followed on."""
    activity = make_activity({"ada@x.io": [0], "bob@x.io": [2, 5, 9], "cyd@x.io": [6, 9], "dan@x.io": [0, 3, 6, 8]})
    # The last day is day 9. Ada: silent from day 1 on, lapsed after 1 day. Bob: 6, 7 and 8 are
    # silent, lapsed on day 6, 4 days after his first. Cyd: 7 and 8 are two days only; followed for
    # 3 days. Dan: never 3 days; followed for 9. S(1) = 3/4; S(4) = 3/4 x 1/2 (Bob and Dan at risk).
    table = analysis.survival(activity, inactive_days=3)
    assert table["at_risk_users"].to_list() == [4, 4, 3, 3, 2, 1, 1, 1, 1, 1]
    assert [day for day, users in enumerate(table["lapsed_users"]) if users] == [1, 4]
    assert table["survival_rate"].to_list() == pytest.approx([1, *[0.75] * 3, *[0.375] * 6])


@pytest.mark.parametrize(("last", "lapsed"), [(27, 0), (28, 1)])
def test_a_silence_has_at_least_so_many_whole_days(
    make_activity: Callable[..., pl.DataFrame], last: int, lapsed: int
) -> None:
    """28 silent days after the only active one are a lapse, 27 are not: the user is still followed."""
    table = analysis.survival(make_activity({"ada@x.io": [0]}), as_of=MONDAY + timedelta(days=last))
    assert table["lapsed_users"].sum() == lapsed
    assert table["days"].max() == (1 if lapsed else last)


def test_a_return_after_exactly_the_silence_is_a_lapse(make_activity: Callable[..., pl.DataFrame]) -> None:
    """With 3 silent days between two active ones a silence of 3 has happened, one of 4 has not."""
    activity = make_activity({"ada@x.io": [0, 4]})
    assert analysis.survival(activity, inactive_days=3)["lapsed_users"].sum() == 1
    assert analysis.survival(activity, inactive_days=4)["lapsed_users"].sum() == 0


def followed(days: list[int], last: int, inactive_days: int) -> tuple[int, bool]:
    """One user's time, the plain way: walk the days, stop at the first silence that is long enough."""
    first = min(days)
    silent = 0
    for day in range(first, last + 1):
        silent = 0 if day in days else silent + 1
        if silent == inactive_days:
            return day - inactive_days + 1 - first, True
    return last - first, False


@few
@given(days=days_by_user, inactive_days=st.integers(1, 40), more=st.integers(0, 30))
def test_survival_is_what_lifelines_estimates(
    make_activity: Callable[..., pl.DataFrame], days: dict[str, list[int]], inactive_days: int, more: int
) -> None:
    """Rate, Greenwood's log-log interval and users at risk equal lifelines' on each day."""
    last = max(max(numbers) for numbers in days.values()) + more
    first = min(min(numbers) for numbers in days.values())
    activity = make_activity(days)
    table = analysis.survival(activity, inactive_days=inactive_days, as_of=MONDAY + timedelta(days=last))
    times = [followed(numbers, last, inactive_days) for numbers in days.values()]
    assert first >= 0
    expected = lifelines_curve([time for time, _ in times], [event for _, event in times])
    assert table["days"].to_list() == list(range(len(expected)))
    assert table["survival_rate"].to_list() == pytest.approx([row[0] for row in expected], abs=1e-9)
    same(table["survival_rate_low"].to_list(), [row[1] for row in expected])
    same(table["survival_rate_high"].to_list(), [row[2] for row in expected])
    assert table["at_risk_users"].to_list() == [row[3] for row in expected]
    defined = table["survival_rate_low"].is_not_null()
    assert defined.equals((table["survival_rate"] > 0).alias(defined.name))


def test_results_keep_their_tables(
    make_activity: Callable[..., pl.DataFrame], assert_keeps: Callable[..., None]
) -> None:
    """Columns, order and dtypes are those written down; no users, no rows."""
    activity = make_activity({"ada@x.io": [0, 50], "bob@x.io": [3]})
    roster = pl.DataFrame({"user": ["ada@x.io", "bob@x.io"], "licensed_from": [MONDAY] * 2})
    assert_keeps(analysis.survival(activity), SURVIVAL)
    assert_keeps(analysis.survival(activity.clear()), SURVIVAL)
    assert_keeps(analysis.time_to_first_use(activity, roster), TIME_TO_FIRST_USE)
    assert_keeps(analysis.time_to_first_use(activity.clear(), roster.clear()), TIME_TO_FIRST_USE)


def test_survival_needs_days(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Rows of weeks, and a silence of no days, are refused."""
    weekly = make_activity({"ada@x.io": [0]}).select(
        "user", "user_type", period_start="date", period_end=pl.col("date").dt.offset_by("6d")
    )
    with pytest.raises(TableError, match="survival needs one row a user and day"):
        analysis.survival(weekly)
    with pytest.raises(TableError, match="time_to_first_use needs one row a user and day"):
        analysis.time_to_first_use(weekly, pl.DataFrame({"user": ["a"], "licensed_from": [MONDAY]}))
    with pytest.raises(ValueError, match="inactive_days=0"):
        analysis.survival(make_activity({"ada@x.io": [0]}), inactive_days=0)


# ---- Time to first use -------------------------------------------------------------------------


def roster_of(**licences: tuple[int, int | None]) -> pl.DataFrame:
    """Make a roster from ``name=(first licensed day, last or None)``, in days after the Monday."""
    rows = [
        (f"{name}@x.io", MONDAY + timedelta(days=start), None if end is None else MONDAY + timedelta(days=end))
        for name, (start, end) in licences.items()
    ]
    schema = {"user": pl.String, "licensed_from": pl.Date, "licensed_to": pl.Date}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_time_to_first_use_by_hand(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Who has not started is censored at the last day, or when the licence ends; not dropped."""
    activity = make_activity({"ada@x.io": [0, 4], "BOB@x.io": [5], "zed@x.io": [10], "eve@x.io": [9]})
    roster = roster_of(ada=(0, None), bob=(2, None), cyd=(1, 4), dan=(4, None), zed=(7, None), eve=(0, 6))
    # Ada 0 days, Bob and Zed 3: started. Cyd 3 days until her licence ended, Dan 6 until the last
    # day (10). Eve's licence ended after 6 days, and her later activity is not a start in it.
    table = analysis.time_to_first_use(activity, roster)
    assert table.select("at_risk_users", "started_users").rows() == [
        (6, 1), (5, 0), (5, 0), (5, 2), (2, 0), (2, 0), (2, 0),
    ]  # fmt: skip
    # S = 5/6, and after day 3 5/6 x 3/5 = 1/2.
    assert table["started_rate"].to_list() == pytest.approx([1 / 6] * 3 + [1 / 2] * 4)
    assert (table["started_rate_low"] < table["started_rate"]).all()
    assert (table["started_rate_high"] > table["started_rate"]).all()


@few
@given(
    days=days_by_user,
    licences=st.dictionaries(
        st.integers(1, 12).map("user{}@x.io".format),
        st.tuples(st.integers(0, 80), st.none() | st.integers(0, 40)),
        min_size=1,
    ),
)
def test_time_to_first_use_is_what_lifelines_estimates(
    make_activity: Callable[..., pl.DataFrame], days: dict[str, list[int]], licences: dict[str, tuple[int, int | None]]
) -> None:
    """One minus lifelines' survival function, with the bounds turned round."""
    days = {user: numbers for user, numbers in days.items() if user in licences} | {"anchor@x.io": [90]}
    ends = {user: (start, None if length is None else start + length) for user, (start, length) in licences.items()}
    roster = roster_of(**{user.split("@")[0]: ends_of for user, ends_of in ends.items()}, anchor=(90, None))
    times = [(0, True)]
    for user, (start, end) in ends.items():
        until = 90 if end is None else min(end, 90)
        begun = min(days.get(user, [999]))
        times.append((max(begun, start) - start, True) if begun <= until else (until - start, False))
    table = analysis.time_to_first_use(make_activity(days), roster)
    expected = lifelines_curve([time for time, _ in times], [event for _, event in times])
    assert table["started_rate"].to_list() == pytest.approx([1 - row[0] for row in expected], abs=1e-9)
    same(table["started_rate_low"].to_list(), [1 - row[2] for row in expected])
    same(table["started_rate_high"].to_list(), [1 - row[1] for row in expected])


def test_two_rows_of_one_user_are_one_licence(make_activity: Callable[..., pl.DataFrame]) -> None:
    """The licence runs from the earlier start, and on where one of the rows has no end."""
    roster = pl.concat([roster_of(ada=(2, 4)), roster_of(Ada=(1, None))])
    table = analysis.time_to_first_use(make_activity({"ada@x.io": [9]}), roster)
    assert table.filter(pl.col("started_users") > 0).select("days", "at_risk_users").rows() == [(8, 1)]


def test_the_roster_may_be_as_the_analyst_keeps_it(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Names with spaces around them and days as text are read as by read_roster: the answer is that of the tidy one."""
    roster = roster_of(ada=(0, None), bob=(1, 4), cyd=(2, None))
    untidy = roster.select(
        user=" " + pl.col("user").str.to_uppercase() + " ",
        licensed_from=pl.col("licensed_from").cast(pl.String),
        licensed_to=pl.col("licensed_to").cast(pl.String).fill_null(""),
    )
    activity = make_activity({"ada@x.io": [2], "bob@x.io": [1], "cyd@x.io": [9]})
    table = analysis.time_to_first_use(activity, untidy)
    assert table.equals(analysis.time_to_first_use(activity, roster))
    assert table.filter(pl.col("started_users") > 0).select("days", "at_risk_users").rows() == [(0, 3), (2, 2), (7, 1)]


def test_a_start_before_the_licence_counts_on_its_first_day(make_activity: Callable[..., pl.DataFrame]) -> None:
    """A trial user who is licensed later has started after 0 days."""
    table = analysis.time_to_first_use(make_activity({"ada@x.io": [0, 9]}), roster_of(ada=(5, None)))
    assert table.select("days", "started_users").rows() == [(0, 1)]


def test_a_licence_of_tomorrow_is_not_at_risk(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Who is licensed only after the last day of the data is in no count."""
    table = analysis.time_to_first_use(make_activity({"ada@x.io": [0]}), roster_of(ada=(0, None), bob=(1, None)))
    assert table["at_risk_users"].to_list() == [1]


def test_users_without_a_licence_are_warned_of(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Active users who are not on the roster are not counted, and not dropped in silence."""
    activity = make_activity({"ada@x.io": [1], "bob@x.io": [1]})
    with pytest.warns(DataWarning, match="1 active user not on the roster"):
        table = analysis.time_to_first_use(activity, roster_of(ada=(0, None)))
    assert table["at_risk_users"].to_list() == [1, 1]


def test_a_licence_without_a_beginning_is_warned_of(make_activity: Callable[..., pl.DataFrame]) -> None:
    """A null licensed_from has no time to first use."""
    roster = pl.concat([roster_of(ada=(0, None)), roster_of(bob=(0, None)).with_columns(licensed_from=None)])
    with pytest.warns(DataWarning, match="1 users of the roster without licensed_from"):
        table = analysis.time_to_first_use(make_activity({"ada@x.io": [1], "bob@x.io": [1]}), roster)
    assert table["at_risk_users"].to_list() == [1, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda roster: roster.drop("licensed_from"), "roster needs the column 'licensed_from'"),
        (lambda roster: roster.rename({"user": "e-mail"}), "roster needs the column 'user'"),
        (lambda roster: roster.with_columns(licensed_from=pl.lit("5.1.2026")), "5.1.2026 as licensed_from"),
        (lambda roster: roster.with_columns(licensed_to=date(2025, 1, 1)), "1 licence with an end before the start"),
    ],
)
def test_a_roster_that_breaks_its_contract_is_told_how(
    make_activity: Callable[..., pl.DataFrame], change: Callable[[pl.DataFrame], pl.DataFrame], message: str
) -> None:
    """A missing column, text that is no day, a licence that runs backwards: each says so."""
    with pytest.raises(TableError, match=message):
        analysis.time_to_first_use(make_activity({"ada@x.io": [1]}), change(roster_of(ada=(0, None))))
