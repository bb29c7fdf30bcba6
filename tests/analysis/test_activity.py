"""How many are active: calendar periods, trailing windows, stickiness, and who may be counted."""

from __future__ import annotations

import gc
import weakref
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_insights import analysis
from augment_insights.errors import DataWarning, TableError
from augment_insights.tables import (
    ACTIVE_DAY_DISTRIBUTION,
    ACTIVE_USERS,
    COHORT_RETENTION,
    ROLLING_ACTIVE_USERS,
    STICKINESS,
)

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY = ("1d", "1w", "1mo", "1q")
# Ranges that cross a leap day, a year whose first days belong to the last ISO week, and a short February.
STARTS = (date(2023, 12, 27), date(2024, 2, 19), date(2026, 1, 30), date(2020, 12, 28))
days_by_user = st.dictionaries(
    st.sampled_from(["ada@x.io", "bob@x.io", "Cyd@x.io", "dan@x.io", "eve@x.io"]),
    st.lists(st.integers(0, 70), min_size=1, max_size=15),
    min_size=1,
)
few = settings(max_examples=40, deadline=None)


def numbers(frame: pl.DataFrame, column: str = "active_users") -> list[int]:
    return frame[column].to_list()


# ---- Calendar periods --------------------------------------------------------------------------


def test_a_user_counts_once_in_a_period(make_activity: Callable[..., pl.DataFrame]) -> None:
    """WAU is distinct users: two days of one week are one user, and never a sum of DAUs."""
    activity = make_activity({"ada@x.io": [0, 1, 7], "bob@x.io": [6]})
    assert analysis.active_users(activity, every="1w").rows() == [
        (date(2026, 1, 5), date(2026, 1, 11), 2, True),
        (date(2026, 1, 12), date(2026, 1, 18), 1, False),
    ]
    assert numbers(analysis.active_users(activity)) == [1, 1, 0, 0, 0, 0, 1, 1]


def test_a_day_that_nobody_was_active_is_a_zero(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Days that the API omits between the first and the last are 0, and so are those up to as_of."""
    activity = make_activity({"ada@x.io": [0, 3]})
    assert numbers(analysis.active_users(activity, as_of="2026-01-10")) == [1, 0, 0, 1, 0, 0]


def test_months_are_as_long_as_they_are(make_activity: Callable[..., pl.DataFrame]) -> None:
    """February ends on the 28th, or on the 29th of a leap year; March on the 31st."""
    for year, last in ((2026, 28), (2024, 29)):
        activity = make_activity({"ada@x.io": [0, last - 1, last]}, start=date(year, 2, 1))
        months = analysis.active_users(activity, every="1mo", as_of=date(year, 3, 30))
        assert months.rows() == [
            (date(year, 2, 1), date(year, 2, last), 1, True),
            (date(year, 3, 1), date(year, 3, 31), 1, False),
        ]
        assert analysis.active_users(activity, every="1mo", as_of=date(year, 3, 31))["is_complete"].all()


def test_a_year_may_end_within_a_week(make_activity: Callable[..., pl.DataFrame]) -> None:
    """31 December 2025 and 1 January 2026 are one ISO week, two months and two quarters."""
    activity = make_activity({"ada@x.io": [0], "bob@x.io": [1]}, start=date(2025, 12, 31))
    assert analysis.active_users(activity, every="1w").rows() == [(date(2025, 12, 29), date(2026, 1, 4), 2, False)]
    assert analysis.active_users(activity, every="1mo")["period_start"].to_list() == [
        date(2025, 12, 1),
        date(2026, 1, 1),
    ]
    assert analysis.active_users(activity, every="1q").rows() == [
        (date(2025, 10, 1), date(2025, 12, 31), 1, True),
        (date(2026, 1, 1), date(2026, 3, 31), 1, False),
    ]


def test_a_week_is_complete_with_its_sunday(make_activity: Callable[..., pl.DataFrame]) -> None:
    """A period is complete when its last day is at or before the last day of the data."""
    activity = make_activity({"ada@x.io": [0]})
    assert analysis.active_users(activity, every="1w", as_of="2026-01-10")["is_complete"].to_list() == [False]
    assert analysis.active_users(activity, every="1w", as_of="2026-01-11")["is_complete"].to_list() == [True]


@few
@given(days=days_by_user, start=st.sampled_from(STARTS), every=st.sampled_from(EVERY), more=st.integers(0, 9))
def test_active_users_are_what_sql_counts(
    make_activity: Callable[..., pl.DataFrame],
    ask_duckdb: Callable[..., list[tuple[Any, ...]]],
    days: dict[str, list[int]],
    start: date,
    every: str,
    more: int,
) -> None:
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
    assert table["is_complete"].to_list() == [end <= as_of for end in ends]


# ---- Groups ------------------------------------------------------------------------------------


def test_groups_stand_before_the_count_and_have_every_period(
    make_activity: Callable[..., pl.DataFrame], assert_keeps: Callable[..., None]
) -> None:
    """Grouped by team, each team has a row in each period; a user of two teams counts in both."""
    activity = make_activity({"ada@x.io": [0, 7], "bob@x.io": [14]}).with_columns(
        team=pl.Series(["red", "blue", "red"])
    )
    table = analysis.active_users(activity, every="1w", by="team")
    assert_keeps(table, ACTIVE_USERS, by=["team"], before="active_users")
    assert table.select("team", "active_users").rows() == [
        ("blue", 0), ("red", 1), ("blue", 1), ("red", 0), ("blue", 0), ("red", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["group", "label", "day", "users", "user_key", "gap", "first", "cohort_label"])
def test_a_group_may_have_any_name(make_activity: Callable[..., pl.DataFrame], name: str) -> None:
    """No name of a column is taken but those of the result."""
    activity = make_activity({"ada@x.io": [0, 7], "bob@x.io": [7]}).with_columns(
        pl.Series(name, ["red", "blue", "red"]), team=pl.Series(["red", "blue", "red"])
    )
    for question in (
        analysis.active_users,
        lambda frame, by: analysis.rolling_active_users(frame, by=by),
        lambda frame, by: analysis.lifecycle(frame, by=by),
        lambda frame, by: analysis.cohort_retention(frame, by=by, kind="unbounded"),
        lambda frame, by: analysis.cohort_retention(frame, by=by, cohort="recurring"),
    ):
        assert question(activity, by=name).equals(question(activity, by="team").rename({"team": name}))


def test_several_columns_group_together_and_null_is_a_group(make_activity: Callable[..., pl.DataFrame]) -> None:
    """by=[...] makes one group of each combination that occurs; a missing value is one of them."""
    activity = make_activity({"ada@x.io": [0], "bob@x.io": [0], "cyd@x.io": [0]}).with_columns(
        team=pl.Series(["red", "red", None]), site=pl.Series(["a", "b", "b"])
    )
    table = analysis.active_users(activity, by=["team", "site"])
    assert table.select("team", "site", "active_users").rows() == [("red", "a", 1), ("red", "b", 1), (None, "b", 1)]


def test_grouping_by_the_user_and_its_kind_is_allowed(make_activity: Callable[..., pl.DataFrame]) -> None:
    """The columns of a user may be groups like any other."""
    activity = make_activity({"ada@x.io": [0, 1]})
    assert analysis.active_users(activity, every="1w", by="user").select("user", "active_users").rows() == [
        ("ada@x.io", 1)
    ]
    assert analysis.active_users(activity, by="user_type", user_type="all")["active_users"].to_list() == [1, 1]
    spelled = make_activity({"ada@x.io": [0], "Ada@x.io": [1], "bob@x.io": [1]})
    assert analysis.active_users(spelled, by="user").select("user", "active_users").rows() == [
        ("Ada@x.io", 1), ("bob@x.io", 0), ("Ada@x.io", 1), ("bob@x.io", 1),
    ]  # fmt: skip


def test_a_group_must_exist_and_not_be_taken(make_activity: Callable[..., pl.DataFrame]) -> None:
    """A mistyped group names the nearest column; one that the result needs for itself is refused."""
    activity = make_activity({"ada@x.io": [0]}).with_columns(team=pl.lit("red"), is_complete=pl.lit("x"))
    with pytest.raises(TableError, match="did you mean 'team'"):
        analysis.active_users(activity, by="taem")
    with pytest.raises(ValueError, match="column of the result itself"):
        analysis.active_users(activity, by="is_complete")
    with pytest.raises(ValueError, match="twice"):
        analysis.active_users(activity, by=["team", "team"])


# ---- Who is counted ----------------------------------------------------------------------------


def test_people_and_automation_are_apart(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Only people count by default; a person and a service account of one name are two users."""
    activity = pl.concat(
        [
            make_activity({"ci": [0], "ada@x.io": [1]}),
            make_activity({"ci": [0, 2], "CI": [0]}, user_type="service_account"),
        ]
    )
    assert numbers(analysis.active_users(activity)) == [1, 1, 0]
    assert numbers(analysis.active_users(activity, user_type="service_account")) == [2, 0, 1]
    assert numbers(analysis.active_users(activity, user_type="all")) == [3, 1, 1]
    assert numbers(analysis.active_users(activity, every="1w", user_type="all")) == [4]


def test_only_service_accounts_are_zero_people(make_activity: Callable[..., pl.DataFrame]) -> None:
    """The days on which only automation worked are known days with nobody active."""
    activity = make_activity({"ci": [0, 2]}, user_type="service_account")
    assert numbers(analysis.active_users(activity)) == [0, 0, 0]
    assert analysis.active_users(activity, by="user").is_empty()
    assert set(numbers(analysis.rolling_active_users(activity))) == {0}
    assert set(numbers(analysis.lifecycle(activity))) == {0}
    assert analysis.stickiness(activity)["stickiness_rate"].is_null().all()
    assert analysis.survival(activity).is_empty()


def test_one_address_in_two_spellings_is_one_person(make_activity: Callable[..., pl.DataFrame]) -> None:
    """E-mails are compared in lower case, beyond ASCII too; names of service accounts as they are."""
    people = make_activity({"Ada@X.io": [0], "ada@x.io": [0], "ÉVE@x.io": [0], "éve@x.io": [0]})
    assert numbers(analysis.active_users(people)) == [2]
    assert numbers(analysis.active_users(people, user_type="all")) == [2]
    assert analysis.survival(people, inactive_days=1)["at_risk_users"].to_list() == [2]
    bots = make_activity({"CI": [0], "ci": [0]}, user_type="service_account")
    assert numbers(analysis.active_users(bots, user_type="service_account")) == [2]
    assert numbers(analysis.active_users(bots, user_type="all")) == [2]


def test_a_missing_name_is_not_a_user(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Rows without a user are left out with a warning that counts them; they are not one user."""
    nobody = pl.lit(None, dtype=pl.String).alias("user")
    activity = pl.concat([make_activity({"ada@x.io": [0]}), make_activity({"x": [0, 1]}).with_columns(nobody)])
    with pytest.warns(DataWarning, match="2 rows of activity without a user"):
        assert numbers(analysis.active_users(activity)) == [1, 0]
    with pytest.warns(DataWarning, match="2 rows of activity without a user"):
        assert numbers(analysis.active_users(activity.lazy())) == [1, 0]


def test_a_row_of_no_active_days_is_no_activity(make_usage: Callable[..., pl.DataFrame]) -> None:
    """A name on the list of a week on which the user did nothing: not active, and not new; the week itself is known."""
    weekly = make_usage(
        {"user": "ada@x.io", "active_days": 2, "total_messages": 3, "chat_messages": 3},
        {"user": "bob@x.io", "active_days": 0},
        {"user": "bob@x.io", "week": 1, "active_days": None, "chat_messages": 1},
        {"user": "cyd@x.io", "week": 2, "active_days": 0},
    )
    assert analysis.active_users(weekly, every="1w")["active_users"].to_list() == [1, 1, 0]
    assert analysis.lifecycle(weekly, every="1w")["new_users"].to_list() == [1, 1, 0]
    chat = analysis.feature_adoption(weekly).filter(pl.col("feature") == "chat")
    assert chat.select("active_users", "feature_users").row(0) == (2, 2)


def test_an_unknown_population_or_period_says_what_is_known(make_activity: Callable[..., pl.DataFrame]) -> None:
    """A mistyped user_type or every is refused with what there is."""
    activity = make_activity({"ada@x.io": [0]})
    with pytest.raises(ValueError, match="did you mean 'person'"):
        analysis.active_users(activity, user_type="persons")
    with pytest.raises(ValueError, match="'1d', '1w', '1mo', '1q'"):
        analysis.active_users(activity, every="week")


# ---- The frame ---------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(days=days_by_user, start=st.sampled_from(STARTS), seed=st.integers(0, 99))
def test_neither_order_nor_repetition_nor_laziness_changes_an_answer(
    make_activity: Callable[..., pl.DataFrame], days: dict[str, list[int]], start: date, seed: int
) -> None:
    """Shuffled rows, rows that come twice and a LazyFrame give what the plain table gives."""
    activity = make_activity(days, start=start)
    shuffled = pl.concat([activity, activity.head(3)]).sample(fraction=1, shuffle=True, seed=seed)
    for question in (
        lambda frame: analysis.active_users(frame, every="1w"),
        lambda frame: analysis.rolling_active_users(frame, windows=(1, 7)),
        lambda frame: analysis.stickiness(frame, window=7),
        lambda frame: analysis.active_day_distribution(frame, window=7),
        analysis.adoption_curve,
        analysis.lifecycle,
        analysis.cohort_retention,
        lambda frame: analysis.cohort_retention(frame, cohort="recurring"),
        lambda frame: analysis.survival(frame, inactive_days=5),
    ):
        plain = question(activity)
        assert question(shuffled).equals(plain)
        assert question(shuffled.lazy()).equals(plain)
        assert question(analysis.prepare(shuffled)).equals(plain)


def test_no_rows_give_no_rows_and_the_same_columns(make_activity: Callable[..., pl.DataFrame]) -> None:
    """An empty frame is answered with an empty table of the same schema, groups included."""
    activity = make_activity({"ada@x.io": [0, 9]}).with_columns(team=pl.lit("red"))
    for question in (
        lambda frame: analysis.active_users(frame, by="team"),
        lambda frame: analysis.active_users(frame, by=["team", "user_type"]),
        lambda frame: analysis.rolling_active_users(frame, by="team"),
        analysis.stickiness,
        analysis.active_day_distribution,
        lambda frame: analysis.adoption_curve(frame, licences=5),
        lambda frame: analysis.lifecycle(frame, by="team"),
        lambda frame: analysis.cohort_retention(frame, by="team"),
        lambda frame: analysis.cohort_retention(frame, cohort="recurring", kind="unbounded"),
        lambda frame: analysis.cohort_retention(frame, cohort="recurring"),
        analysis.survival,
    ):
        nothing = question(activity.clear())
        assert nothing.is_empty()
        assert nothing.schema == question(activity).schema
        assert question(activity.clear().lazy()).schema == nothing.schema


def test_results_keep_their_tables(
    make_activity: Callable[..., pl.DataFrame], assert_keeps: Callable[..., None]
) -> None:
    """Columns, order and dtypes are those written down, and so is where a null may be."""
    activity = make_activity({"ada@x.io": [0, 3, 40], "bob@x.io": [2]})
    assert_keeps(analysis.active_users(activity, every="1w"), ACTIVE_USERS)
    assert_keeps(analysis.rolling_active_users(activity), ROLLING_ACTIVE_USERS)
    assert_keeps(analysis.stickiness(activity), STICKINESS)
    assert_keeps(analysis.active_day_distribution(activity), ACTIVE_DAY_DISTRIBUTION)


def test_one_user_and_one_day_are_enough(make_activity: Callable[..., pl.DataFrame]) -> None:
    """The smallest table has answers."""
    activity = make_activity({"ada@x.io": [0]})
    assert numbers(analysis.active_users(activity)) == [1]
    assert numbers(analysis.rolling_active_users(activity)) == [1, 1, 1]
    assert analysis.rolling_active_users(activity)["is_complete"].to_list() == [True, False, False]
    assert analysis.stickiness(activity).row(0) == (date(2026, 1, 5), 28, 1.0, 1, 1.0, False)


def test_as_of_leaves_later_rows_out(make_activity: Callable[..., pl.DataFrame]) -> None:
    """The answer as of a day is that of a table that ends there; a day before the data knows nothing."""
    activity = make_activity({"ada@x.io": [0, 3, 9], "bob@x.io": [8]})
    early = activity.filter(pl.col("date") <= date(2026, 1, 9))
    for question in (
        analysis.active_users, analysis.rolling_active_users, analysis.stickiness, analysis.active_day_distribution,
        analysis.adoption_curve, analysis.lifecycle, analysis.cohort_retention, analysis.survival,
    ):  # fmt: skip
        assert question(activity, as_of="2026-01-09").equals(question(early, as_of=date(2026, 1, 9)))
        assert question(activity, as_of="2026-01-01").is_empty()


def test_weekly_rows_answer_weeks_and_not_days() -> None:
    """Rows of weeks, clipped at a range's border, give weekly users; days and months are refused with a hint."""
    weekly = pl.DataFrame(
        {
            "period_start": [date(2026, 1, 1), date(2026, 1, 5), date(2026, 1, 26)],
            "period_end": [date(2026, 1, 4), date(2026, 1, 11), date(2026, 1, 30)],
            "user": ["ada@x.io"] * 3,
            "user_type": ["person"] * 3,
        }
    )
    table = analysis.active_users(weekly, every="1w")
    assert table.select("period_start", "active_users", "is_complete").rows() == [
        (date(2025, 12, 29), 1, True),
        (date(2026, 1, 5), 1, True),
        (date(2026, 1, 12), 0, True),
        (date(2026, 1, 19), 0, True),
        (date(2026, 1, 26), 1, False),
    ]
    assert numbers(analysis.active_users(weekly, every="1mo")) == [1]
    with pytest.raises(TableError, match=r"2026-01-01 to 2026-01-04.*Hint: fetch finer rows"):
        analysis.active_users(weekly, every="1d")
    with pytest.raises(TableError, match="one row a user and day"):
        analysis.rolling_active_users(weekly)
    across = weekly.with_columns(period_end=pl.col("period_end").dt.offset_by("2d"))
    with pytest.raises(TableError, match="every='1mo' cannot be answered"):
        analysis.active_users(across, every="1mo")


def test_periods_of_one_day_are_days() -> None:
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop("user_type"), "needs the column 'user_type'"),
        (lambda frame: frame.drop("date"), "needs the column 'date', or 'period_start' and 'period_end'"),
        (lambda frame: frame.with_columns(pl.col("date").cast(pl.String)), "'date' as String"),
        (lambda frame: frame.with_columns(date=pl.lit(None, dtype=pl.Date)), "1 row without a day"),
        (lambda frame: frame.rename({"date": "period_start"}), "needs the column 'period_end'"),
        (
            lambda frame: frame.select(
                "user", "user_type", period_start="date", period_end=pl.col("date").dt.offset_by("-1d")
            ),
            "1 row with a period_end before the period_start",
        ),
    ],
)
def test_a_frame_that_breaks_its_contract_is_told_how(
    make_activity: Callable[..., pl.DataFrame], change: Callable[[pl.DataFrame], pl.DataFrame], message: str
) -> None:
    """A missing column, a date as text, a row without a day: each is a TableError that says which."""
    with pytest.raises(TableError, match=message):
        analysis.active_users(change(make_activity({"ada@x.io": [0]})))


def test_what_is_no_frame_is_refused() -> None:
    """A list is not a table, and the message says what is."""
    with pytest.raises(TableError, match="Polars DataFrame or LazyFrame is needed"):
        analysis.active_users([1, 2])


# ---- Trailing windows --------------------------------------------------------------------------


def test_a_window_ends_on_its_day_and_includes_it(make_activity: Callable[..., pl.DataFrame]) -> None:
    """A window of 7 days holds a user's day for exactly 7 days, one of 28 for 28: not 8, not 29."""
    activity = make_activity({"ada@x.io": [0]})
    table = analysis.rolling_active_users(activity, windows=(28, 7, 7), as_of="2026-02-05")
    active = table.filter(pl.col("active_users") > 0).group_by("window_days", maintain_order=True).len()
    assert dict(active.rows()) == {7: 7, 28: 28}
    assert table["window_days"].unique().sort().to_list() == [7, 28]
    complete = table.filter(pl.col("is_complete")).group_by("window_days").agg(pl.col("date").min()).sort("window_days")
    assert complete.rows() == [(7, date(2026, 1, 11)), (28, date(2026, 2, 1))]


def test_a_day_exactly_one_window_later_takes_over(make_activity: Callable[..., pl.DataFrame]) -> None:
    """A user who comes every 7th day is in every 7-day window, once."""
    activity = make_activity({"ada@x.io": [0, 7, 14]})
    assert numbers(analysis.rolling_active_users(activity, windows=7, as_of="2026-01-26")) == [1] * 21 + [0]


@few
@given(
    days=days_by_user,
    start=st.sampled_from(STARTS),
    windows=st.lists(st.integers(1, 80), min_size=1, max_size=3, unique=True),
    more=st.integers(0, 40),
)
def test_rolling_users_are_what_sql_counts(
    make_activity: Callable[..., pl.DataFrame],
    ask_duckdb: Callable[..., list[tuple[Any, ...]]],
    days: dict[str, list[int]],
    start: date,
    windows: Any,
    more: int,
) -> None:
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


def test_rolling_users_of_groups_are_those_of_each_group_alone(make_activity: Callable[..., pl.DataFrame]) -> None:
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
def test_a_window_is_a_positive_number_of_days(make_activity: Callable[..., pl.DataFrame], windows: Any) -> None:
    """Zero, negative, broken or boolean lengths are refused."""
    with pytest.raises(ValueError, match=r"windows=.* is not an integer >= 1"):
        analysis.rolling_active_users(make_activity({"ada@x.io": [0]}), windows=windows)


# ---- Stickiness --------------------------------------------------------------------------------


def test_stickiness_is_mean_daily_over_window_users(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Ada on 4 of 4 days and Bob on 2: (1 + 1 + 2 + 2) / 4 of 2 users, and half-known windows use known days."""
    activity = make_activity({"ada@x.io": [0, 1, 2, 3], "bob@x.io": [2, 3]})
    table = analysis.stickiness(activity, window=4)
    assert table.row(3) == (date(2026, 1, 8), 4, 1.5, 2, 0.75, True)
    assert table["mean_daily_users"].to_list() == pytest.approx([1, 1, 4 / 3, 1.5])
    assert table["is_complete"].to_list() == [False, False, False, True]


def test_no_users_no_stickiness(make_activity: Callable[..., pl.DataFrame]) -> None:
    """A window without anyone has a null rate, not 0."""
    table = analysis.stickiness(make_activity({"ada@x.io": [0]}), window=2, as_of="2026-01-07")
    assert table["stickiness_rate"].to_list() == [1.0, 0.5, None]


@few
@given(days=days_by_user, window=st.integers(1, 40), more=st.integers(0, 40))
def test_the_distribution_adds_up_to_users_and_their_days(
    make_activity: Callable[..., pl.DataFrame], days: dict[str, list[int]], window: int, more: int
) -> None:
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


# ---- Prepared once -----------------------------------------------------------------------------


def test_a_prepared_table_answers_every_choice(make_activity: Callable[..., pl.DataFrame]) -> None:
    """One prepared table gives each function, population, group and day what the frame itself gives."""
    activity = pl.concat(
        [
            make_activity({"Ada@x.io": [0, 8, 30], "ada@x.io": [1]}),
            make_activity({"ci": [3]}, user_type="service_account"),
        ]
    ).with_columns(team=pl.Series(["red", "blue", "red", "red", "blue"]))
    days = analysis.prepare(activity)
    assert analysis.prepare(days) is days
    for choice in (
        {}, {"user_type": "all"}, {"by": "team"}, {"as_of": "2026-01-20"}, {"by": ["team"], "user_type": "all"},
    ):  # fmt: skip
        for _ in range(2):
            assert analysis.active_users(days, **choice).equals(analysis.active_users(activity, **choice))
            assert analysis.lifecycle(days, **choice).equals(analysis.lifecycle(activity, **choice))
            assert analysis.cohort_retention(days, **choice).equals(analysis.cohort_retention(activity, **choice))


def test_an_answer_lets_go_of_the_memory_it_took(make_activity: Callable[..., pl.DataFrame]) -> None:
    """What was put in order goes when its last user does: many bytes a row do not wait for the collector of cycles."""
    days = analysis.prepare(make_activity({"ada@x.io": [0, 7]}))
    analysis.cohort_retention(days)
    analysis.lifecycle(days, every="1d")
    order = days.ordered(COHORT_RETENTION, user_type="person", as_of=None)
    left = weakref.ref(days), weakref.ref(order)
    gc.disable()
    try:
        del days, order
        assert [thing() for thing in left] == [None, None]
    finally:
        gc.enable()


@pytest.mark.parametrize("start", [date(2059, 9, 17), date(2059, 9, 18), date(1880, 4, 13), date(9990, 1, 1)])
def test_days_are_told_apart_in_any_century(make_activity: Callable[..., pl.DataFrame], start: date) -> None:
    """Days of 16 bits from 1970 would end on 17 September 2059, and begin in 1880: none is lost there."""
    activity = make_activity({"ada@x.io": [0, 1, 3], "bob@x.io": [2, 40]}, start=start)
    assert numbers(analysis.active_users(activity)) == [1, 1, 1, 1, *[0] * 36, 1]
    two_days = analysis.rolling_active_users(activity, windows=[2])
    assert numbers(two_days) == [1, 1, 2, 2, 1, *[0] * 35, 1]


def test_names_that_are_nearly_alike_are_as_many_users() -> None:
    """Names are told apart by a hash of 64 bits; one of 32 would lose some five users of 200,000."""
    count = 200_000
    names = pl.select(user=pl.format("user{}@corp.io", pl.int_range(count)))
    activity = names.with_columns(date=pl.lit(date(2026, 1, 5)), user_type=pl.lit("person"))
    assert analysis.active_users(activity)["active_users"].to_list() == [count]


@pytest.mark.parametrize("question", [analysis.active_users, analysis.lifecycle, analysis.cohort_retention])
@pytest.mark.parametrize("dtype", [pl.UInt32, pl.Int64, pl.Categorical])
def test_users_may_be_coded(
    make_activity: Callable[..., pl.DataFrame], question: Callable[..., pl.DataFrame], dtype: pl.DataType
) -> None:
    """A number or a category in place of a name is a user too, and everything is counted as by name."""
    activity = make_activity({"7": [0, 9], "12": [1], "0": [8, 2], "120": [2, 2, 16]})
    coded = activity.with_columns(pl.col("user").cast(dtype))
    assert question(coded).equals(question(activity))
    assert question(coded, user_type="all").equals(question(activity, user_type="all"))


@pytest.mark.parametrize("order", ["by day", "by user", "backwards"])
def test_the_order_of_rows_tells_nothing(make_activity: Callable[..., pl.DataFrame], order: str) -> None:
    """Rows in the order of days, of users, or in no order at all are the same activity."""
    activity = make_activity({"ada@x.io": [0, 9, 3, 9], "Ada@x.io": [1, 20], "bob@x.io": [8, 2]})
    by_day = activity.sort("date", "user")
    ordered = {"by day": by_day, "by user": activity.sort("user", "date"), "backwards": by_day.reverse()}[order]
    assert analysis.cohort_retention(ordered).equals(analysis.cohort_retention(activity))
    assert analysis.rolling_active_users(ordered).equals(analysis.rolling_active_users(activity))
    assert analysis.survival(ordered, inactive_days=5).equals(analysis.survival(activity, inactive_days=5))


def test_an_as_of_in_another_century_is_a_mistake(make_activity: Callable[..., pl.DataFrame]) -> None:
    """A slip in the year would lay out millions of empty days: it is said, and nothing is laid out."""
    activity = make_activity({"ada@x.io": [0, 1]})
    for question in (analysis.active_users, analysis.cohort_retention, analysis.lifecycle):
        with pytest.raises(ValueError, match=r"as_of='9999-12-30' is 797\d years after 2026-01-05.*year right"):
            question(activity, as_of="9999-12-30")


def test_days_too_far_apart_are_a_mistake(make_activity: Callable[..., pl.DataFrame]) -> None:
    """A typing error in a year is reported, and does not make two centuries of empty days."""
    activity = make_activity({"ada@x.io": [0, 70_000]})
    with pytest.raises(TableError, match="one of these days is a mistake"):
        analysis.active_users(activity)
