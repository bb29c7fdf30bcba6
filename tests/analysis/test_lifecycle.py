"""Who is new, returning, back and gone: definitions, identities, look-back, and DuckDB's answer."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_insights import analysis
from augment_insights.errors import TableError
from augment_insights.tables import LIFECYCLE

if TYPE_CHECKING:
    from collections.abc import Callable

STATES = ["new_users", "returning_users", "resurrected_users", "dormant_users"]
STARTS = (date(2023, 12, 27), date(2024, 2, 19), date(2026, 1, 30))
days_by_user = st.dictionaries(
    st.sampled_from(["ada@x.io", "bob@x.io", "Cyd@x.io", "dan@x.io", "eve@x.io"]),
    st.lists(st.integers(0, 90), min_size=1, max_size=15),
    min_size=1,
)
few = settings(max_examples=40, deadline=None)

LIFECYCLE_SQL = """
    , p as (select distinct u, date_trunc($unit, date)::date as p from a),
    seen as (select u, p, lag(p) over (partition by u order by p) as before,
             lead(p) over (partition by u order by p) as after from p),
    grid as (select unnest(generate_series(date_trunc($unit, (select min(date) from a)),
             date_trunc($unit, $as_of::date), $step::interval))::date as p)
    select grid.p,
        (select count(*) from seen where seen.p = grid.p and before is null),
        (select count(*) from seen where seen.p = grid.p and before = grid.p - $step::interval),
        (select count(*) from seen where seen.p = grid.p and before < grid.p - $step::interval),
        (select count(*) from seen where seen.p + $step::interval = grid.p and (after is null or after > grid.p)),
        (select count(*) from seen where seen.p = grid.p)
    from grid order by grid.p
"""
UNITS = {"1d": ("day", "1 day"), "1w": ("week", "7 days"), "1mo": ("month", "1 month"), "1q": ("quarter", "3 months")}


def test_one_user_through_all_states(make_activity: Callable[..., pl.DataFrame]) -> None:
    """The published example: active on days 9, 11, 12, 13, 15, 17, 18 and 19 of 9 to 19."""
    activity = make_activity({"ada@x.io": [9, 11, 12, 13, 15, 17, 18, 19]}, start=date(2026, 1, 1))
    table = analysis.lifecycle(activity, every="1d")
    days = {state: [n + 9 for n, users in enumerate(table[state]) if users] for state in STATES}
    assert days == {
        "new_users": [9],
        "returning_users": [12, 13, 18, 19],
        "resurrected_users": [11, 15, 17],
        "dormant_users": [10, 14, 16],
    }


def test_a_week_of_each_kind(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Ada comes in weeks 0 and 1, Bob in 0 and 3, Cyd in 2: each week has its row, the open one too."""
    activity = make_activity({"ada@x.io": [0, 2, 7], "bob@x.io": [1, 21], "cyd@x.io": [16]})
    assert analysis.lifecycle(activity).rows() == [
        (date(2026, 1, 5), 2, 0, 0, 0, 2, True),
        (date(2026, 1, 12), 0, 1, 0, 1, 1, True),
        (date(2026, 1, 19), 1, 0, 0, 1, 1, True),
        (date(2026, 1, 26), 0, 0, 1, 1, 1, False),
    ]


def test_weeks_without_anyone_are_there(make_activity: Callable[..., pl.DataFrame]) -> None:
    """A period in which nobody came has a row, and users fall dormant once, in their first silent period."""
    table = analysis.lifecycle(make_activity({"ada@x.io": [0]}), as_of="2026-01-25")
    assert table["active_users"].to_list() == [1, 0, 0]
    assert table["dormant_users"].to_list() == [0, 1, 0]


def test_results_keep_their_table(
    make_activity: Callable[..., pl.DataFrame], assert_keeps: Callable[..., None]
) -> None:
    """Columns, order and dtypes are those written down, with and without groups."""
    activity = make_activity({"ada@x.io": [0, 30], "bob@x.io": [3]}).with_columns(team=pl.lit("red"))
    assert_keeps(analysis.lifecycle(activity), LIFECYCLE)
    assert_keeps(analysis.lifecycle(activity, by="team"), LIFECYCLE, by=["team"], before="new_users")


@few
@given(days=days_by_user, start=st.sampled_from(STARTS), every=st.sampled_from(sorted(UNITS)), more=st.integers(0, 9))
def test_lifecycle_is_what_sql_counts(
    make_activity: Callable[..., pl.DataFrame],
    ask_duckdb: Callable[..., list[tuple[Any, ...]]],
    days: dict[str, list[int]],
    start: date,
    every: str,
    more: int,
) -> None:
    """Every state of every period equals DuckDB's, by lag and lead over each user's periods."""
    activity = make_activity(days, start=start)
    as_of = activity["date"].max() + timedelta(days=more)
    unit, step = UNITS[every]
    expected = ask_duckdb(activity, LIFECYCLE_SQL, unit=unit, step=step, as_of=as_of)
    assert analysis.lifecycle(activity, every=every, as_of=as_of).drop("is_complete").rows() == expected


@few
@given(days=days_by_user, every=st.sampled_from(sorted(UNITS)), lookback=st.integers(0, 60))
def test_the_identities_hold(
    make_activity: Callable[..., pl.DataFrame], days: dict[str, list[int]], every: str, lookback: Any
) -> None:
    """Active = new + returning + resurrected, and active changes by new + resurrected - dormant."""
    table = analysis.lifecycle(make_activity(days), every=every, lookback=lookback)
    new, returning, resurrected, dormant = (table[state] for state in STATES)
    assert (table["active_users"] == new + returning + resurrected).all()
    change = table["active_users"].diff()
    assert ((new + resurrected - dormant)[1:] == change[1:]).all()


@few
@given(days=days_by_user, weeks=st.integers(0, 12))
def test_a_lookback_hides_periods_and_changes_none(
    make_activity: Callable[..., pl.DataFrame], days: dict[str, list[int]], weeks: int
) -> None:
    """With a look-back of whole weeks, the weeks after it are those of the whole history."""
    activity = make_activity({**days, "zoe@x.io": [0]})
    whole = analysis.lifecycle(activity)
    assert analysis.lifecycle(activity, lookback=7 * weeks).equals(whole.slice(weeks))


def test_users_at_the_head_are_not_new_after_a_lookback(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Without a look-back the head of the window looks new; with one, only who really begins is new."""
    activity = make_activity({"ada@x.io": [0, 28], "bob@x.io": [21, 28], "cyd@x.io": [29]})
    window = activity.filter(pl.col("date") >= date(2026, 2, 2))
    assert analysis.lifecycle(window).row(0) == (date(2026, 2, 2), 3, 0, 0, 0, 3, False)
    assert analysis.lifecycle(activity, lookback=28).rows() == [(date(2026, 2, 2), 1, 1, 1, 0, 3, False)]


def test_a_lookback_may_end_within_a_week(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Then the week is shown from there on; its earlier days count to the week before."""
    # The look-back is Monday 5 to Thursday 15 January; Friday 16 is in the week of Monday 12.
    activity = make_activity({"ada@x.io": [8, 11], "bob@x.io": [9, 14], "cyd@x.io": [12], "dan@x.io": [0, 13]})
    assert analysis.lifecycle(activity, lookback=11).rows() == [
        # Ada (Tuesday 13, Friday 16) returns, Cyd is new, Dan was here in the week before; Bob is silent.
        (date(2026, 1, 12), 1, 2, 0, 1, 3, True),
        (date(2026, 1, 19), 0, 0, 1, 3, 1, False),
    ]


def test_a_lookback_longer_than_the_data_shows_nothing(make_activity: Callable[..., pl.DataFrame]) -> None:
    """If all of the data only looks back, no period is left to show."""
    assert analysis.lifecycle(make_activity({"ada@x.io": [0, 5]}), lookback=6).is_empty()
    assert analysis.lifecycle(make_activity({"ada@x.io": [0, 5]}), lookback=5).height == 1


@pytest.mark.parametrize("lookback", [-1, 1.5, "28d", True])
def test_a_lookback_is_a_number_of_days(make_activity: Callable[..., pl.DataFrame], lookback: Any) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match=r"lookback=.* is not an integer >= 0"):
        analysis.lifecycle(make_activity({"ada@x.io": [0]}), lookback=lookback)


def period_rows(*rows: tuple[date, date, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["period_start", "period_end", "user"], orient="row").with_columns(
        user_type=pl.lit("person")
    )


def test_weekly_rows_give_the_weeks_that_daily_rows_give(make_activity: Callable[..., pl.DataFrame]) -> None:
    """The states of weeks need no days: rows of weeks, clipped at the range's ends, give the same table."""
    daily = make_activity({"ada@x.io": [3, 7, 22], "bob@x.io": [4, 21], "cyd@x.io": [16]})
    monday = pl.col("date").dt.truncate("1w")
    first, last = daily["date"].min(), daily["date"].max()
    weekly = daily.select(
        "user",
        "user_type",
        period_start=pl.max_horizontal(monday, pl.lit(first)),
        period_end=pl.min_horizontal(monday.dt.offset_by("6d"), pl.lit(last)),
    ).unique()
    assert analysis.lifecycle(weekly).equals(analysis.lifecycle(daily))


def test_a_coarse_lookback_tells_who_is_new_and_no_more() -> None:
    """One row of 90 days before: who is in it is not new; whether active in the week before, nobody knows."""
    activity = period_rows(
        (date(2025, 10, 7), date(2026, 1, 4), "ada@x.io"),
        (date(2026, 1, 5), date(2026, 1, 11), "ada@x.io"),
        (date(2026, 1, 5), date(2026, 1, 11), "bob@x.io"),
        (date(2026, 1, 12), date(2026, 1, 18), "ada@x.io"),
    )
    assert analysis.lifecycle(activity, lookback=90).rows() == [
        (date(2026, 1, 5), 1, None, None, None, 2, True),
        (date(2026, 1, 12), 0, 1, 0, 1, 1, True),
    ]


def test_a_coarse_lookback_that_ends_early_leaves_nothing_unknown() -> None:
    """If a gap lies between a coarse row and the week before the first, that week is known to be silent."""
    activity = period_rows(
        (date(2025, 10, 7), date(2025, 12, 20), "ada@x.io"),
        (date(2025, 12, 29), date(2026, 1, 4), "bob@x.io"),
        (date(2026, 1, 5), date(2026, 1, 11), "ada@x.io"),
    )
    assert analysis.lifecycle(activity, lookback=90).rows() == [(date(2026, 1, 5), 0, 0, 1, 1, 1, True)]


def test_coarse_rows_are_refused_where_they_would_be_shown() -> None:
    """Without the look-back the same row of 90 days cannot stand for a week."""
    coarse = period_rows((date(2025, 10, 7), date(2026, 1, 4), "ada@x.io"))
    with pytest.raises(TableError, match="every='1w' cannot be answered from a row that spans 2025-10-07"):
        analysis.lifecycle(coarse)


def test_coarse_rows_after_as_of_do_not_matter() -> None:
    """What as_of leaves out is not looked at: a long row that ends later refuses nothing."""
    activity = period_rows(
        (date(2026, 1, 5), date(2026, 1, 11), "ada@x.io"), (date(2026, 1, 12), date(2026, 3, 31), "ada@x.io")
    )
    assert analysis.lifecycle(activity, as_of="2026-01-11")["active_users"].to_list() == [1]


def test_groups_have_lives_of_their_own(make_activity: Callable[..., pl.DataFrame]) -> None:
    """by= follows a user in each group: new in a team with the first activity in it."""
    activity = make_activity({"ada@x.io": [0, 7, 14]}).with_columns(team=pl.Series(["red", "blue", "red"]))
    table = analysis.lifecycle(activity, by="team")
    assert table.select("team", *STATES).rows() == [
        ("blue", 0, 0, 0, 0), ("red", 1, 0, 0, 0),
        ("blue", 1, 0, 0, 0), ("red", 0, 0, 0, 1),
        ("blue", 0, 0, 0, 1), ("red", 0, 0, 1, 0),
    ]  # fmt: skip
