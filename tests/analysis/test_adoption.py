"""Adoption: active over licensed, period by period, and the licences that lie idle."""

from __future__ import annotations

import warnings
from datetime import date
from typing import TYPE_CHECKING

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_insights import analysis
from augment_insights.errors import DataWarning, TableError
from augment_insights.tables import ADOPTION_RATE, DAU

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeActivity = Callable[..., pl.DataFrame]

few = settings(max_examples=30, deadline=None)
USERS = ["ada@x.io", "bob@x.io", "cyd@x.io", "dan@x.io"]


def test_seats_are_the_denominator(make_activity: MakeActivity, assert_keeps: Callable[..., None]) -> None:
    """81 of 263 seats: 0.3080, with Wilson's published interval, in a month that is over."""
    activity = make_activity({f"user{n}@x.io": [n % 26] for n in range(81)})
    table = analysis.adoption_rate(activity, licences=263, as_of=date(2026, 1, 31))
    assert_keeps(table, ADOPTION_RATE)
    found = table.row(0, named=True)
    assert (found["period_start"], found["period_end"]) == (date(2026, 1, 1), date(2026, 1, 31))
    assert (found["active_users"], found["licensed_users"], found["is_complete"]) == (81, 263, True)
    rounded = [round(found[name], 4) for name in ("adoption_rate", "adoption_rate_low", "adoption_rate_high")]
    assert rounded == [0.308, 0.2553, 0.3662]


def test_everybody_is_one(make_activity: MakeActivity) -> None:
    """49 of 49 seats are a rate of 1 and not of a 1 that lacks its last bit; so is the curve's last point."""
    activity = make_activity({f"user{n}@x.io": [0] for n in range(49)})
    assert analysis.adoption_rate(activity, licences=49)["adoption_rate"].to_list() == [1.0]
    several = analysis.adoption_rate(activity, licences=49, every="1d", as_of="2026-01-09")
    assert several["adoption_rate"].to_list() == [1.0, 0.0, 0.0, 0.0, 0.0]
    curve = analysis.adoption_curve(activity, licences=49, every="1d", as_of="2026-01-07")
    assert curve["adoption_rate"].to_list() == [1.0] * 3


def test_an_idle_week_is_a_zero_and_the_open_one_is_flagged(make_activity: MakeActivity) -> None:
    """A week without anybody is 0 of 4, not absent; the last week is not over."""
    table = analysis.adoption_rate(make_activity({"ada@x.io": [0, 15], "bob@x.io": [2]}), licences=4, every="1w")
    assert table.select("active_users", "adoption_rate", "is_complete").rows() == [
        (2, 0.5, True),
        (0, 0.0, True),
        (1, 0.25, False),
    ]


def test_the_roster_says_who_is_licensed_when(make_activity: MakeActivity) -> None:
    """By hand: January has Ada and Bob (whose licence ends on the 6th), February Ada and Cyd (from the 28th)."""
    roster = pl.DataFrame(
        {
            "user": ["Ada@x.io", "bob@x.io", "cyd@x.io"],
            "licensed_from": [None, "2025-01-01", "2026-02-28"],
            "licensed_to": [None, "2026-01-06", None],
        }
    )
    activity = make_activity({"ada@x.io": [0, 40], "bob@x.io": [1]})
    table = analysis.adoption_rate(activity, licences=roster, as_of="2026-02-28")
    assert table.select("active_users", "licensed_users", "adoption_rate").rows() == [(2, 2, 1.0), (1, 2, 0.5)]


def test_strangers_do_not_count_and_are_counted(make_activity: MakeActivity) -> None:
    """Active users without a licence would push the rate over 1: they are left out, and said."""
    roster = pl.DataFrame({"user": ["ada@x.io", "bob@x.io"], "licensed_to": [None, date(2026, 1, 20)]})
    activity = make_activity({"ada@x.io": [0], "bob@x.io": [30], "eve@x.io": [0]})
    with pytest.warns(DataWarning, match="1 active user not on the roster; 1 active user active in a period wi"):
        table = analysis.adoption_rate(activity, licences=roster)
    assert table.select("active_users", "licensed_users").rows() == [(1, 2), (0, 1)]


def test_teams_come_from_the_roster(make_activity: MakeActivity) -> None:
    """Each team has its own licences, in each period, also the team in which nobody is active."""
    roster = pl.DataFrame({"user": USERS, "team": ["A", "A", "B", None]})
    activity = make_activity({"ada@x.io": [0], "dan@x.io": [8]})
    table = analysis.adoption_rate(activity, licences=roster, every="1w", by="team")
    assert table.columns[:3] == ["period_start", "period_end", "team"]
    assert table.select("team", "active_users", "licensed_users").rows() == [
        *[("A", 1, 2), ("B", 0, 1), (None, 0, 1)],
        *[("A", 0, 2), ("B", 0, 1), (None, 1, 1)],
    ]


def test_seats_cannot_be_split(make_activity: MakeActivity) -> None:
    """The users of a team over the seats of all would be a wrong rate: refused, with the way out."""
    with pytest.raises(TableError, match=r"cannot be split by 'team'.*roster"):
        analysis.adoption_rate(make_activity({"ada@x.io": [0]}), licences=9, by="team")
    roster = pl.DataFrame({"user": ["ada@x.io"], "team": ["A"]})
    with pytest.raises(TableError, match="did you mean 'team'"):
        analysis.adoption_rate(make_activity({"ada@x.io": [0]}), licences=roster, by="teams")


@pytest.mark.parametrize("seats", [-1, True, 2.5, "9"])
def test_a_wrong_number_of_seats_is_refused(make_activity: MakeActivity, seats: object) -> None:
    """Seats are a whole number; the error names the other way, a roster."""
    with pytest.raises(ValueError, match=r"not a number of seats.*read_roster"):
        analysis.adoption_rate(make_activity({"ada@x.io": [0]}), licences=seats)  # type: ignore[arg-type]


def test_no_seats_no_rate(make_activity: MakeActivity) -> None:
    """0 of 0 is null, neither 0 nor an error; one user on no seat is null too, and said."""
    bots = make_activity({"ci": [0]}, user_type="service_account")
    row = (
        analysis.adoption_rate(bots, licences=0).select("licensed_users", "adoption_rate", "adoption_rate_high").row(0)
    )
    assert row == (0, None, None)
    with pytest.warns(DataWarning, match="More active users than licences"):
        table = analysis.adoption_rate(make_activity({"ada@x.io": [0]}), licences=0)
    assert table["adoption_rate"].to_list() == [None]


def test_a_roster_of_pandas_is_refused_without_its_names(make_activity: MakeActivity) -> None:
    """The error says how to convert it, and repeats nobody's e-mail."""
    roster = pl.DataFrame({"user": ["ada@x.io"]}).to_pandas()
    for question in (analysis.adoption_rate, analysis.adoption_curve):
        with pytest.raises(TableError, match=r"a pandas DataFrame came.*from_pandas") as refused:
            question(make_activity({"ada@x.io": [0]}), licences=roster)
        assert "ada" not in str(refused.value)


def test_more_users_than_seats_is_said(make_activity: MakeActivity) -> None:
    """Two users on one seat give 2.0 without an interval, and a warning."""
    with pytest.warns(DataWarning, match="More active users than licences in 1 period"):
        table = analysis.adoption_rate(make_activity({"ada@x.io": [0], "bob@x.io": [1]}), licences=1)
    assert table.select("adoption_rate", "adoption_rate_low").row(0) == (2.0, None)


def test_automation_and_empty_frames(make_activity: MakeActivity) -> None:
    """Only automation: its period is there with nobody in it. No rows: no rows, same columns."""
    bots = make_activity({"ci": [0, 1]}, user_type="service_account")
    assert analysis.adoption_rate(bots, licences=5)["active_users"].to_list() == [0]
    assert analysis.adoption_rate(bots, licences=5, user_type="all")["active_users"].to_list() == [1]
    empty = analysis.adoption_rate(DAU.empty(), licences=pl.DataFrame({"user": ["ada@x.io"], "t": ["A"]}), by="t")
    assert empty.schema == pl.Schema(
        {**dict(list(ADOPTION_RATE.schema.items())[:2]), "t": pl.String, **ADOPTION_RATE.schema}
    )
    assert empty.is_empty()


@few
@given(
    st.lists(st.tuples(st.sampled_from([*USERS, "Ada@x.io"]), st.integers(0, 70)), min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70)), min_size=3, max_size=3),
)
def test_counts_are_those_of_sql(days: list[tuple[str, int]], spans: list[tuple[int, int]]) -> None:
    """Licensed and active users of each month are those of DuckDB on the same tables; lazy or not."""
    start = date(2026, 1, 5)
    activity = pl.DataFrame(
        [(start.fromordinal(start.toordinal() + n), user, "person") for user, n in days],
        schema={"date": pl.Date, "user": pl.String, "user_type": pl.String},
        orient="row",
    )
    licences = [
        (user, start.fromordinal(start.toordinal() + min(span)), start.fromordinal(start.toordinal() + max(span)))
        for user, span in zip(USERS[:3], spans, strict=True)
    ]
    roster = pl.DataFrame(licences, schema=["user", "licensed_from", "licensed_to"], orient="row")
    with duckdb.connect() as connection:
        connection.register("a", activity.to_arrow())
        connection.register("r", roster.to_arrow())
        expected = connection.execute(
            """
            with m as (select unnest(generate_series(date_trunc('month', (select min(date) from a)),
                       (select max(date) from a), interval 1 month))::date as p),
            l as (select p, "user" as u from m, r
                  where licensed_from < p + interval 1 month and licensed_to >= p),
            s as (select distinct date_trunc('month', date)::date as p, lower("user") as u from a)
            select m.p, (select count(*) from l join s using (p, u) where p = m.p),
                   (select count(*) from l where p = m.p) from m order by 1
            """
        ).fetchall()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # strangers are another test's
        table = analysis.adoption_rate(activity.lazy(), licences=roster.lazy())
    assert table.select("period_start", "active_users", "licensed_users").rows() == expected


def test_unused_licences_are_listed(make_activity: MakeActivity) -> None:
    """Who has no activity, in any spelling and to the last day; the roster's columns stay."""
    roster = pl.DataFrame({"user": ["cyd@x.io", "ADA@x.io", "bob@x.io"], "team": ["C", "A", "B"]})
    activity = make_activity({"ada@x.io": [0], "bob@x.io": [9]})
    assert analysis.unused_licences(activity, roster).rows() == [("cyd@x.io", "C")]
    assert analysis.unused_licences(activity.lazy(), roster.lazy(), as_of="2026-01-10").rows() == [
        ("bob@x.io", "B"),
        ("cyd@x.io", "C"),
    ]


def test_activity_without_users_uses_no_licence() -> None:
    """Days alone cannot say who was active: the error names the column, for a frame of days or of nothing."""
    roster = pl.DataFrame({"user": ["ada@x.io"]})
    with pytest.raises(TableError, match="activity needs the columns 'user', 'user_type'"):
        analysis.unused_licences(pl.DataFrame({"date": [date(2026, 1, 5)]}), roster)


def test_automation_of_the_same_name_uses_no_licence(make_activity: MakeActivity) -> None:
    """A service account that is called like a person is not that person; no activity leaves all unused."""
    roster = pl.DataFrame({"user": ["ada@x.io"]})
    bots = make_activity({"ada@x.io": [0]}, user_type="service_account")
    assert analysis.unused_licences(bots, roster).rows() == [("ada@x.io",)]
    assert analysis.unused_licences(DAU.empty(), roster, user_type="all").rows() == [("ada@x.io",)]
