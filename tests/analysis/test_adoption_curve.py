"""How far it has spread: cumulative users, seats and rosters."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_insights import analysis
from augment_insights.errors import DataWarning
from augment_insights.tables import ADOPTION_CURVE, LICENSED_ADOPTION_CURVE

if TYPE_CHECKING:
    from collections.abc import Callable

days_by_user = st.dictionaries(
    st.integers(1, 9).map("user{}@x.io".format), st.lists(st.integers(0, 60), min_size=1, max_size=6), min_size=1
)
few = settings(max_examples=30, deadline=None)


def test_users_are_counted_when_first_seen(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Cumulative users are distinct: who comes again adds nothing, and an empty week keeps the level."""
    activity = make_activity({"ada@x.io": [0, 7, 15], "bob@x.io": [1], "cyd@x.io": [16]})
    assert analysis.adoption_curve(activity).rows() == [
        (date(2026, 1, 5), 2, 2),
        (date(2026, 1, 12), 0, 2),
        (date(2026, 1, 19), 1, 3),
    ]


@few
@given(days=days_by_user, lookback=st.integers(0, 70), every=st.sampled_from(["1d", "1w", "1mo"]))
def test_the_curve_ends_with_everyone_ever_seen(
    make_activity: Callable[..., pl.DataFrame], days: dict[str, list[int]], lookback: Any, every: str
) -> None:
    """Whatever looks back, the last cumulative count is all users, and it grows by the new ones."""
    activity = make_activity(days)
    table = analysis.adoption_curve(activity, every=every, lookback=lookback)
    if table.is_empty():
        return
    assert table["cumulative_users"].last() == len(days)
    assert table["cumulative_users"].diff()[1:].equals(table["new_users"][1:].rename("cumulative_users"))
    if lookback == 0:
        assert table["new_users"].sum() == len(days)


def test_a_lookback_counts_as_seen_and_not_as_new(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Existing users are in the level from the first shown week on."""
    activity = make_activity({"ada@x.io": [0, 7], "bob@x.io": [8]})
    assert analysis.adoption_curve(activity, lookback=7).rows() == [(date(2026, 1, 12), 1, 2)]


def test_seats_are_a_number_or_refused(make_activity: Callable[..., pl.DataFrame]) -> None:
    """A number of seats stands in every period; no seats, no rate; half a seat is refused."""
    activity = make_activity({"ada@x.io": [0], "bob@x.io": [7]})
    assert analysis.adoption_curve(activity, licences=8).rows() == [
        (date(2026, 1, 5), 1, 1, 8, 0.125),
        (date(2026, 1, 12), 1, 2, 8, 0.25),
    ]
    assert analysis.adoption_curve(activity, licences=0).row(1) == (date(2026, 1, 12), 1, 2, 0, None)
    for seats in (-1, 2.5, True, "8"):
        with pytest.raises(ValueError, match="is not a number of seats"):
            analysis.adoption_curve(activity, licences=seats)


def test_licences_of_a_roster_begin_on_their_day(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Licensed users grow with the roster; a licence that ended stays counted, like its user; no licence, no rate."""
    activity = make_activity({"Ada@x.io": [0], "bob@x.io": [8], "cyd@x.io": [21]})
    roster = pl.DataFrame(
        {
            "user": ["ada@x.io", "bob@x.io", "CYD@x.io", "dan@x.io"],
            "licensed_from": [date(2026, 1, 12), date(2026, 1, 18), date(2026, 1, 26), date(2026, 1, 12)],
            "licensed_to": [date(2026, 1, 20), None, None, None],
        }
    )
    assert analysis.adoption_curve(activity, licences=roster).rows() == [
        (date(2026, 1, 5), 1, 1, 0, None),
        (date(2026, 1, 12), 1, 2, 3, 2 / 3),
        (date(2026, 1, 19), 0, 2, 3, 2 / 3),
        (date(2026, 1, 26), 1, 3, 4, 0.75),
    ]


def test_a_roster_without_dates_is_always_licensed(make_activity: Callable[..., pl.DataFrame]) -> None:
    """A list of users is a roster; two spellings of one are one licence."""
    roster = pl.DataFrame({"user": ["ada@x.io", "ADA@x.io", "bob@x.io"]})
    table = analysis.adoption_curve(make_activity({"Ada@x.io": [0, 7]}), licences=roster)
    assert table["licensed_users"].to_list() == [2, 2]
    assert table["adoption_rate"].to_list() == [0.5, 0.5]
    assert analysis.adoption_curve(make_activity({"Ada@x.io": [0, 7]}), licences=roster.lazy()).equals(table)


def test_a_roster_counts_alike_in_every_question(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Spaces around a name and days as text: the curve and the rate find the same licensed and active users."""
    roster = pl.DataFrame({"user": [" ADA@x.io ", "bob@x.io"], "licensed_from": ["2026-01-05", "2026-01-12"]})
    activity = make_activity({"Ada@x.io": [0, 8], "bob@x.io": [9]})
    curve = analysis.adoption_curve(activity, licences=roster)
    assert curve.rows() == [(date(2026, 1, 5), 1, 1, 1, 1.0), (date(2026, 1, 12), 1, 2, 2, 1.0)]
    rate = analysis.adoption_rate(activity, licences=roster, every="1w")
    assert rate.select("active_users", "licensed_users").rows() == [(1, 1), (2, 2)]


def test_strangers_to_the_roster_are_warned_of(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Active users without a licence are not in the rate, and not dropped in silence."""
    activity = make_activity({"ada@x.io": [0], "bob@x.io": [0], "cyd@x.io": [0]})
    with pytest.warns(DataWarning, match="2 active users not on the roster"):
        table = analysis.adoption_curve(activity, licences=pl.DataFrame({"user": ["ada@x.io"]}))
    assert table.row(0) == (date(2026, 1, 5), 1, 1, 1, 1.0)


def test_results_keep_their_tables(
    make_activity: Callable[..., pl.DataFrame], assert_keeps: Callable[..., None]
) -> None:
    """Columns, order and dtypes are those written down, with and without licences."""
    activity = make_activity({"ada@x.io": [0, 30], "bob@x.io": [3]})
    assert_keeps(analysis.adoption_curve(activity), ADOPTION_CURVE)
    assert_keeps(analysis.adoption_curve(activity, licences=3), LICENSED_ADOPTION_CURVE)
    roster = pl.DataFrame({"user": ["ada@x.io", "bob@x.io"]})
    assert_keeps(analysis.adoption_curve(activity, licences=roster), LICENSED_ADOPTION_CURVE)
    assert_keeps(analysis.adoption_curve(activity.clear(), licences=roster), LICENSED_ADOPTION_CURVE)
