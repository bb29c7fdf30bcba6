"""Comparison: a verdict with its interval, and a refusal where two sides are not alike."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep

from augment_insights import analysis
from augment_insights.analysis.intervals import wilson
from augment_insights.errors import TableError
from augment_insights.tables import COMPARISON

if TYPE_CHECKING:
    from collections.abc import Callable

few = settings(max_examples=40, deadline=None)


def rates(
    rows: list[tuple[Any, ...]], *, start: date = date(2026, 1, 1), end: date = date(2026, 1, 31)
) -> pl.DataFrame:
    """Make an adoption table of teams from (team, active, licensed)."""
    frame = pl.DataFrame(rows, schema=["team", "active_users", "licensed_users"], orient="row")
    low, high = wilson(pl.col("active_users"), pl.col("licensed_users"))
    active, licensed = pl.col("active_users"), pl.col("licensed_users")
    return frame.with_columns(
        adoption_rate=pl.when(licensed > 0).then(active / licensed),
        adoption_rate_low=low,
        adoption_rate_high=high,
        is_complete=pl.lit(value=True),
        period_start=pl.lit(start),
        period_end=pl.lit(end),
    )


FEBRUARY = {"start": date(2026, 2, 1), "end": date(2026, 2, 28)}


@few
@given(st.data())
def test_the_interval_is_newcombes(data: st.DataObject) -> None:
    """For shares of people the interval is statsmodels' Newcombe interval, and the verdict follows it."""
    n0, n1 = data.draw(st.integers(1, 300)), data.draw(st.integers(1, 300))
    s0, s1 = data.draw(st.integers(0, n0)), data.draw(st.integers(0, n1))
    table = analysis.compare(rates([("A", s0, n0)]), rates([("A", s1, n1)], **FEBRUARY), metric="adoption_rate")
    low, high = confint_proportions_2indep(s1, n1, s0, n0, method="newcomb", compare="diff")
    assert table.schema == COMPARISON.schema
    found = table.row(0, named=True)
    assert (found["metric"], found["before"], found["after"]) == ("adoption_rate", s0 / n0, s1 / n1)
    assert found["difference"] == pytest.approx(s1 / n1 - s0 / n0)
    assert (found["difference_low"], found["difference_high"]) == pytest.approx((low, high), abs=1e-9)
    if abs(low) > 1e-9 and abs(high) > 1e-9:
        assert found["verdict"] == ("higher" if low > 0 else "lower" if high < 0 else "no measurable change")


def test_three_teams_three_verdicts() -> None:
    """A doubled, B fell, C moved within its interval; a group on one side only, or without people, has no verdict."""
    before = rates([("C", 9, 20), ("A", 30, 100), ("B", 80, 100), ("gone", 5, 9), ("none", 0, 0)])
    after = rates([("A", 60, 100), ("B", 50, 100), ("C", 11, 20), (None, 5, 9), ("none", 0, 0)], **FEBRUARY)
    table = analysis.compare(before.lazy(), after.lazy(), metric="adoption_rate", by="team")
    assert table.columns == ["team", *COMPARISON.columns]
    assert table.select("team", "before", "after", "verdict").rows() == [
        ("A", 0.3, 0.6, "higher"),
        ("B", 0.8, 0.5, "lower"),
        ("C", 0.45, 0.55, "no measurable change"),
        ("gone", pytest.approx(5 / 9), None, None),
        ("none", None, None, None),
        (None, None, pytest.approx(5 / 9), None),
    ]
    assert table.filter(pl.col("team") == "gone")["difference_low"].to_list() == [None]


def test_a_group_without_a_name_is_a_group() -> None:
    """Users without a team are compared with users without a team."""
    table = analysis.compare(
        rates([(None, 30, 100), ("A", 1, 2)]),
        rates([("A", 1, 2), (None, 60, 100)], **FEBRUARY),
        metric="adoption_rate",
        by="team",
    )
    assert table.select("team", "before", "after", "verdict").rows()[1:] == [(None, 0.3, 0.6, "higher")]


def test_acceptance_of_two_groups_is_compared_by_its_users(make_usage: Callable[..., pl.DataFrame]) -> None:
    """Ten users at 40 % against ten at 60 %, alike within each: a difference. Without users there is no verdict."""
    rows = [
        {"user": f"{team}{n}", "team": team, "completions_count": 100, "completions_accepted": base + n % 3}
        for team, base in (("A", 40), ("B", 60))
        for n in range(10)
    ]
    usage = make_usage(*rows)
    table = analysis.acceptance_rate(usage, by="team")
    sides = [table.filter(pl.col("team") == team) for team in "AB"]
    assert analysis.compare(*sides, metric="acceptance_rate")["verdict"].to_list() == ["higher"]
    assert analysis.compare(*reversed(sides), metric="acceptance_rate")["verdict"].to_list() == ["lower"]
    anonymous = analysis.acceptance_rate(usage.drop("user", "user_type"), by="team")
    sides = [anonymous.filter(pl.col("team") == team) for team in "AB"]
    found = analysis.compare(*sides, metric="acceptance_rate").row(0, named=True)
    assert found["difference"] == pytest.approx(0.2)
    assert (found["difference_low"], found["verdict"]) == (None, None)


def test_incomplete_periods_are_refused() -> None:
    """A month that is not over is not compared with one that is."""
    open_month = rates([("A", 1, 9)], **FEBRUARY).with_columns(is_complete=pl.lit(value=False))
    with pytest.raises(TableError, match="after has a period that is not complete"):
        analysis.compare(rates([("A", 1, 9)]), open_month, metric="adoption_rate")


def test_different_definitions_are_refused() -> None:
    """Another table, a month against a week, another feature, a metric without an interval: each says why."""
    month = rates([("A", 1, 9)])
    week = rates([("A", 1, 9)], start=date(2026, 2, 2), end=date(2026, 2, 8))
    with pytest.raises(TableError, match="period is month before and week after"):
        analysis.compare(month, week, metric="adoption_rate")
    with pytest.raises(TableError, match=r"different tables.*'team'"):
        analysis.compare(month, month.drop("team"), metric="adoption_rate")
    chat, agent = (month.with_columns(feature=pl.lit(name)) for name in ("chat", "ide_agent"))
    with pytest.raises(TableError, match="feature is chat before and ide_agent after"):
        analysis.compare(chat, agent, metric="adoption_rate")
    after_week, after_month = (month.with_columns(days=pl.lit(days)) for days in (7, 28))
    with pytest.raises(TableError, match="days is 7 before and 28 after"):
        analysis.compare(after_week, after_month, metric="adoption_rate")
    with pytest.raises(TableError, match=r"'active_users' has no interval.*'adoption_rate'"):
        analysis.compare(month, month, metric="active_users")
    with pytest.raises(TableError, match="did you mean 'adoption_rate'"):
        analysis.compare(month, month, metric="adoption_rates")


def test_one_row_a_group() -> None:
    """Several periods on one side are ambiguous: refused, with what to filter."""
    months = pl.concat([rates([("A", 1, 9)]), rates([("A", 2, 9)], **FEBRUARY)])
    with pytest.raises(TableError, match=r"before has 2 rows .*filter to one period"):
        analysis.compare(months, months.tail(1), metric="adoption_rate")
    with pytest.raises(TableError, match=r"after has 2 rows for one value of \['team'\]"):
        analysis.compare(months.head(1), months, metric="adoption_rate", by="team")


def test_empty_in_empty_out() -> None:
    """Two empty sides have no rows, and the schema of the table."""
    table = analysis.compare(rates([]).head(0), rates([]).head(0), metric="adoption_rate")
    assert table.schema == COMPARISON.schema
    assert table.is_empty()
