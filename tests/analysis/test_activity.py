"""How many are active: calendar periods, trailing windows and stickiness, by hand and as SQL counts."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment_insights import Client, analysis, fetch
from augment_insights.tables import ACTIVE_DAY_DISTRIBUTION, ACTIVE_USERS, ROLLING_ACTIVE_USERS, STICKINESS

Days = dict[str, list[int]]

MONDAY = date(2026, 1, 5)
EVERY = ("1d", "1w", "1mo", "1q")
# Ranges that cross a leap day, a year whose first days belong to the last ISO week, and a short February.
STARTS = (date(2023, 12, 27), date(2024, 2, 19), date(2026, 1, 30), date(2020, 12, 28))
days_by_user = st.dictionaries(
    st.sampled_from(["ada@x.io", "bob@x.io", "Cyd@x.io", "dan@x.io", "eve@x.io"]),
    st.lists(st.integers(0, 70), min_size=1, max_size=15),
    min_size=1,
)


def numbers(frame: pl.DataFrame, column: str = "active_users") -> list[int]:
    return frame[column].to_list()


def test_a_user_counts_once_in_a_period(make_activity):
    """WAU is distinct users, never a sum of DAUs; days that the API omits are 0, up to as_of."""
    activity = make_activity({"ada@x.io": [0, 1, 7], "bob@x.io": [6]})
    assert analysis.active_users(activity, every="1w").rows() == [
        (date(2026, 1, 5), date(2026, 1, 11), 2, True),
        (date(2026, 1, 12), date(2026, 1, 18), 1, False),
    ]
    assert numbers(analysis.active_users(activity)) == [1, 1, 0, 0, 0, 0, 1, 1]
    activity = make_activity({"ada@x.io": [0, 3]})
    assert numbers(analysis.active_users(activity, as_of="2026-01-10")) == [1, 0, 0, 1, 0, 0]


def test_months_are_as_long_as_they_are(make_activity):
    """February ends on the 28th or 29th; 31 December 2025 and 1 January 2026 are one ISO week and two quarters."""
    for year, last in ((2026, 28), (2024, 29)):
        activity = make_activity({"ada@x.io": [0, last - 1, last]}, start=date(year, 2, 1))
        months = analysis.active_users(activity, every="1mo", as_of=date(year, 3, 30))
        assert months.rows() == [
            (date(year, 2, 1), date(year, 2, last), 1, True),
            (date(year, 3, 1), date(year, 3, 31), 1, False),
        ]
        assert analysis.active_users(activity, every="1mo", as_of=date(year, 3, 31))["is_complete"].all()
    activity = make_activity({"ada@x.io": [0], "bob@x.io": [1]}, start=date(2025, 12, 31))
    assert analysis.active_users(activity, every="1w").rows() == [(date(2025, 12, 29), date(2026, 1, 4), 2, False)]
    assert analysis.active_users(activity, every="1mo")["period_start"].to_list() == [
        date(2025, 12, 1),
        date(2026, 1, 1),
    ]
    assert analysis.active_users(activity, every="1q").rows() == [
        (date(2025, 10, 1), date(2025, 12, 31), 1, False),
        (date(2026, 1, 1), date(2026, 3, 31), 1, False),
    ]


def test_a_first_week_is_complete_when_its_monday_is_covered(make_activity):
    """Data from a Wednesday on holds part of the week, unless since= says that the days before were asked for."""
    activity = make_activity({"ada@x.io": [2, 7]})
    asked = {"every": "1w", "as_of": "2026-01-18"}
    assert analysis.active_users(activity, **asked)["is_complete"].to_list() == [False, True]
    assert analysis.active_users(activity, since=MONDAY, **asked)["is_complete"].to_list() == [True, True]
    # The weeks before the first row are zeros, and rows before since do not count.
    early = analysis.active_users(activity, since="2025-12-23", **asked)
    assert early.select("active_users", "is_complete").rows() == [(0, False), (0, True), (1, True), (1, True)]
    assert numbers(analysis.active_users(activity, since="2026-01-08", **asked)) == [0, 1]
    seats = analysis.adoption_rate(activity, licences=2, since="2026-01-08", **asked)
    assert seats.select("active_users", "is_complete").rows() == [(0, False), (1, True)]
    nobody = analysis.active_users(activity.clear(), since=MONDAY, **asked)
    assert nobody.select("active_users", "is_complete").rows() == [(0, True), (0, True)]


def test_the_week_that_the_default_range_cuts_is_not_complete():
    """Seven days of weekly rows begin within a week: its row says so, and so does its count."""
    client = Client.sample(today="2026-03-12")  # a Thursday: 5 to 11 March
    weekly = fetch.user_activity(every="1w", client=client)
    table = analysis.active_users(weekly, every="1w")
    assert table.select("period_start", "is_complete").rows() == [(date(2026, 3, 2), False), (date(2026, 3, 9), False)]
    whole = fetch.user_activity("2026-03-02", "2026-03-11", every="1w", client=client)
    assert analysis.active_users(whole, every="1w")["is_complete"].to_list() == [True, False]


def test_windows_before_since_are_zeros(make_activity):
    """Days before the first row are known to be empty when since= covers them: windows over them are complete."""
    activity = make_activity({"ada@x.io": [2]})
    table = analysis.rolling_active_users(activity, windows=2, since=MONDAY)
    assert table.select("active_users", "is_complete").rows() == [(0, False), (0, True), (1, True)]
    assert analysis.stickiness(activity, window=2, since=MONDAY)["is_complete"].to_list() == [False, True, True]
    assert analysis.active_day_distribution(activity, since=MONDAY, window=3)["users"].to_list() == [1, 0, 0]


def test_stickiness_of_working_days(make_activity):
    """Ada comes from Monday to Friday, Bob on Saturday: both count, and one of two comes on a working day."""
    activity = make_activity({"ada@x.io": [0, 1, 2, 3, 4], "bob@x.io": [5]})
    calendar = analysis.read_calendar("2026-01-06", "2026-01-01", "2026-01-31")
    table = analysis.stickiness(activity, window=7, calendar=calendar, as_of="2026-01-11")
    assert table.row(-1) == (date(2026, 1, 11), 7, 1.0, 2, 0.5, True, 4)
    alone = analysis.stickiness(activity, window=1, calendar=calendar)
    assert alone["working_days"].to_list() == [1, 0, 1, 1, 1, 0]
    assert alone["stickiness_rate"].to_list() == [1.0, None, 1.0, 1.0, 1.0, None]
    with pytest.raises(ValueError, match='kind="day" is of one day'):
        analysis.stickiness(activity, kind="day", calendar=calendar)


def test_stickiness_of_the_day_alone(make_activity):
    """kind="day": the users of the day over those of the window, as many vendors do (window=30)."""
    activity = make_activity({"ada@x.io": [0, 1, 2], "bob@x.io": [0]})
    table = analysis.stickiness(activity, window=3, kind="day")
    assert table.select("mean_daily_users", "active_users", "stickiness_rate").rows() == [
        (2.0, 2, 1.0), (1.0, 2, 0.5), (1.0, 2, 0.5),
    ]  # fmt: skip
    assert analysis.stickiness(activity, window=3)["stickiness_rate"].to_list() == pytest.approx([1, 3 / 4, 4 / 6])
    with pytest.raises(ValueError, match=r"kind='days' is not known.*did you mean 'day'"):
        analysis.stickiness(activity, kind="days")


@given(days=days_by_user, start=st.sampled_from(STARTS), every=st.sampled_from(EVERY), more=st.integers(0, 9))
def test_active_users_are_what_sql_counts(make_activity, ask_duckdb, days, start, every, more):
    """Each period's users equal DuckDB's count(distinct) by date_trunc; what it has no row for is 0."""
    activity = make_activity(days, start=start)
    as_of = activity["date"].max() + timedelta(days=more)
    unit = {"1d": "day", "1w": "week", "1mo": "month", "1q": "quarter"}[every]
    sql = "select date_trunc($unit, date)::date, count(distinct u) from a group by 1"
    counted = dict(ask_duckdb(activity, sql, unit=unit))
    table = analysis.active_users(activity, every=every, as_of=as_of)
    found = {start: users for start, users in table.select("period_start", "active_users").rows() if users}
    assert found == counted
    ends = table["period_end"].to_list()
    assert [day + timedelta(days=1) for day in ends[:-1]] == table["period_start"].to_list()[1:]
    starts = table["period_start"].to_list()
    first = activity["date"].min()
    assert table["is_complete"].to_list() == [a >= first and b <= as_of for a, b in zip(starts, ends, strict=True)]


def test_groups_stand_before_the_count_and_have_every_period(make_activity, assert_keeps):
    """Grouped by team, each team has a row in each period; a user of two teams counts in both."""
    activity = make_activity({"ada@x.io": [0, 7], "bob@x.io": [14]}).with_columns(
        team=pl.Series(["red", "blue", "red"])
    )
    table = analysis.active_users(activity, every="1w", by="team")
    assert_keeps(table, ACTIVE_USERS, by=["team"], before="active_users")
    assert table.select("team", "active_users").rows() == [
        ("blue", 0), ("red", 1), ("blue", 1), ("red", 0), ("blue", 0), ("red", 1),
    ]  # fmt: skip


def test_results_keep_their_tables(make_activity, assert_keeps):
    """Columns, order, dtypes and nulls are those written down; the smallest table has answers."""
    activity = make_activity({"ada@x.io": [0, 3, 40], "bob@x.io": [2]})
    assert_keeps(analysis.active_users(activity, every="1w"), ACTIVE_USERS)
    assert_keeps(analysis.rolling_active_users(activity), ROLLING_ACTIVE_USERS)
    assert_keeps(analysis.stickiness(activity), STICKINESS)
    assert_keeps(analysis.active_day_distribution(activity), ACTIVE_DAY_DISTRIBUTION)
    activity = make_activity({"ada@x.io": [0]})
    assert numbers(analysis.active_users(activity)) == [1]
    assert numbers(analysis.rolling_active_users(activity)) == [1, 1, 1]
    assert analysis.rolling_active_users(activity)["is_complete"].to_list() == [True, False, False]
    assert analysis.stickiness(activity).row(0) == (date(2026, 1, 5), 28, 1.0, 1, 1.0, False)


def test_periods_of_one_day_are_days():
    """user_activity fetched by the day answers every question that dau answers."""
    daily = pl.DataFrame(
        {
            "period_start": [date(2026, 1, 5), date(2026, 1, 6)],
            "period_end": [date(2026, 1, 5), date(2026, 1, 6)],
            "user": ["ada@x.io"] * 2,
            "user_type": ["person"] * 2,
        }
    )
    assert numbers(analysis.rolling_active_users(daily, windows=7)) == [1, 1]


def test_a_window_ends_on_its_day_and_includes_it(make_activity):
    """A window of 7 days holds a day for exactly 7, one of 28 for 28; every 7th day is in every one, once."""
    activity = make_activity({"ada@x.io": [0]})
    table = analysis.rolling_active_users(activity, windows=(28, 7, 7), as_of="2026-02-05")
    active = table.filter(pl.col("active_users") > 0).group_by("window_days", maintain_order=True).len()
    assert dict(active.rows()) == {7: 7, 28: 28}
    assert table["window_days"].unique().sort().to_list() == [7, 28]
    complete = table.filter(pl.col("is_complete")).group_by("window_days").agg(pl.col("date").min()).sort("window_days")
    assert complete.rows() == [(7, date(2026, 1, 11)), (28, date(2026, 2, 1))]
    activity = make_activity({"ada@x.io": [0, 7, 14]})
    assert numbers(analysis.rolling_active_users(activity, windows=7, as_of="2026-01-26")) == [1] * 21 + [0]


@given(
    days=days_by_user,
    start=st.sampled_from(STARTS),
    windows=st.lists(st.integers(1, 80), min_size=1, max_size=3, unique=True),
    more=st.integers(0, 40),
)
def test_rolling_users_are_what_sql_counts(make_activity, ask_duckdb, days, start, windows, more):
    """Each window's users equal DuckDB's count(distinct) over a range join, of any length, every day."""
    activity = make_activity(days, start=start)
    as_of = activity["date"].max() + timedelta(days=more)
    sql = """
        , d as (select unnest(generate_series((select min(date) from a), $as_of, interval 1 day))::date as date),
        w as (select unnest($windows) as w)
        select d.date, w, count(distinct u), d.date - w + 1 >= (select min(date) from a)
        from d cross join w left join a on a.date between d.date - w::int + 1 and d.date
        group by d.date, w order by d.date, w
    """
    expected = ask_duckdb(activity, sql, windows=windows, as_of=as_of)
    assert analysis.rolling_active_users(activity, windows=windows, as_of=as_of).rows() == expected


def test_rolling_users_of_groups_are_those_of_each_group_alone(make_activity):
    """by= gives each group what it would have alone, on the days of the whole table."""
    activity = make_activity({"ada@x.io": [0, 5, 9], "bob@x.io": [2, 3]}).with_columns(
        team=pl.Series(["red", "blue", "red", "red", "blue"])
    )
    table = analysis.rolling_active_users(activity, windows=(2, 4), by="team")
    assert table.columns == ["date", "window_days", "team", "active_users", "is_complete"]
    # red: days 0, 2 and 9; blue: days 3 and 5; windows of two days end on days 0 to 9.
    assert numbers(table.filter(pl.col("window_days") == 2, pl.col("team") == "red")) == [1, 1, 1, 1, 0, 0, 0, 0, 0, 1]
    assert numbers(table.filter(pl.col("window_days") == 2, pl.col("team") == "blue")) == [0, 0, 0, 1, 1, 1, 1, 0, 0, 0]


@pytest.mark.parametrize("windows", [0, -7, 7.0, "7", [7, 0], [1.5], True])
def test_a_window_is_a_positive_number_of_days(make_activity, windows):
    """Zero, negative, broken or boolean lengths are refused."""
    with pytest.raises(ValueError, match=r"windows=.* is not an integer >= 1"):
        analysis.rolling_active_users(make_activity({"ada@x.io": [0]}), windows=windows)


def test_stickiness_is_mean_daily_over_window_users(make_activity):
    """Ada on 4 of 4 days, Bob on 2: 1.5 of 2 users; half-known windows use known days; nobody has a null rate."""
    activity = make_activity({"ada@x.io": [0, 1, 2, 3], "bob@x.io": [2, 3]})
    table = analysis.stickiness(activity, window=4)
    assert table.row(3) == (date(2026, 1, 8), 4, 1.5, 2, 0.75, True)
    assert table["mean_daily_users"].to_list() == pytest.approx([1, 1, 4 / 3, 1.5])
    assert table["is_complete"].to_list() == [False, False, False, True]
    table = analysis.stickiness(make_activity({"ada@x.io": [0]}), window=2, as_of="2026-01-07")
    assert table["stickiness_rate"].to_list() == [1.0, 0.5, None]


@given(days=days_by_user, window=st.integers(1, 40), more=st.integers(0, 40))
def test_the_distribution_adds_up_to_users_and_their_days(make_activity, days, window, more):
    """L-ness counts each user of the window once; its mean over the window's length is the stickiness."""
    activity = make_activity(days)
    as_of = activity["date"].max() + timedelta(days=more)
    distribution = analysis.active_day_distribution(activity, window=window, as_of=as_of)
    assert distribution["active_days"].to_list() == list(range(1, window + 1))
    in_window = activity.unique().filter(pl.col("date") > as_of - timedelta(days=window))
    by_user = in_window.group_by(pl.col("user").str.to_lowercase()).len()["len"].to_list()
    assert numbers(distribution, "users") == [by_user.count(n) for n in range(1, window + 1)]
    last = analysis.stickiness(activity, window=window, as_of=as_of).row(-1, named=True)
    assert sum(numbers(distribution, "users")) == last["active_users"]
    if by_user and last["is_complete"]:
        assert last["stickiness_rate"] == pytest.approx(sum(by_user) / len(by_user) / window)
