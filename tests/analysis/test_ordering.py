"""A table larger than memory is read in parts, and answers what it would answer in one piece."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_insights import analysis

if TYPE_CHECKING:
    from collections.abc import Callable

MONDAY = date(2026, 1, 5)
KINDS = pl.Enum(["person", "service_account"])
QUESTIONS: dict[str, Callable[[Any], pl.DataFrame]] = {
    "active_users": lambda days: analysis.active_users(days, every="1w", as_of="2026-03-20"),
    "by team": lambda days: analysis.active_users(days, by="team", user_type="all"),
    "by team and kind": lambda days: analysis.lifecycle(days, every="1d", by=["team", "user_type"], user_type="all"),
    "by user": lambda days: analysis.active_users(days, every="1mo", by="user"),
    "rolling": lambda days: analysis.rolling_active_users(days, windows=(1, 3, 28)),
    "stickiness": lambda days: analysis.stickiness(days, window=7),
    "L-ness": lambda days: analysis.active_day_distribution(days, window=14),
    "lifecycle": lambda days: analysis.lifecycle(days, every="1w", lookback=9),
    "bots": lambda days: analysis.lifecycle(days, every="1w", user_type="service_account"),
    "retention": lambda days: analysis.cohort_retention(days, every="1w", lookback=9),
    "retention by team": lambda days: analysis.cohort_retention(days, every="1d", by="team", as_of="2026-01-25"),
    "unbounded": lambda days: analysis.cohort_retention(days, every="1w", kind="unbounded"),
    "recurring": lambda days: analysis.cohort_retention(days, every="1w", cohort="recurring"),
    "recurring, unbounded": lambda days: analysis.cohort_retention(
        days, every="1w", cohort="recurring", kind="unbounded"
    ),
    "adoption_curve": lambda days: analysis.adoption_curve(days, licences=9),
    "survival": lambda days: analysis.survival(days, inactive_days=5),
}
USERS = ("ada@x.io", "ADA@x.io", "bob@x.io", "cyd@x.io", "CI", "ci")
rows_of_activity = st.lists(
    st.tuples(st.integers(0, 45), st.sampled_from(USERS), st.sampled_from(["red", "blue", None])), min_size=4
)


def table(rows: list[tuple[int, str, str | None]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "date": [MONDAY + timedelta(days=day) for day, _, _ in rows],
            "user": [user for _, user, _ in rows],
            "user_type": pl.Series(
                ["person" if "@" in user else "service_account" for _, user, _ in rows], dtype=KINDS
            ),
            "team": pl.Series([team for _, _, team in rows], dtype=pl.String),
        }
    )


@settings(max_examples=8, deadline=None)
@given(rows=rows_of_activity, at_once=st.integers(1, 6))
def test_parts_answer_as_the_whole(rows: list[tuple[int, str, str | None]], at_once: int) -> None:
    """Whatever the rows, their order and the size of the parts: each question has the same table, row by row."""
    activity = table(rows)
    in_parts = analysis.prepare(activity.lazy(), rows_at_once=at_once)
    for name, question in QUESTIONS.items():
        assert question(in_parts).equals(question(activity)), name


@settings(max_examples=8, deadline=None)
@given(rows=rows_of_activity, slice_rows=st.integers(1, 6), few=st.sampled_from([0, 1000]))
def test_slices_answer_as_the_whole(rows: list[tuple[int, str, str | None]], slice_rows: int, few: int) -> None:
    """A slice may end within a user's days; few are counted in memory, many streamed: each table is the same."""
    activity = table(rows)
    whole = {name: question(activity) for name, question in QUESTIONS.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis.user_days, "SLICE_ROWS", slice_rows)
        patch.setattr(analysis.user_days, "FEW_SLICES", few)
        for name, question in QUESTIONS.items():
            assert question(activity).equals(whole[name]), name


def test_users_may_be_numbers() -> None:
    """Codes in the place of names, as an archive stores them, are users like any other, in parts as in one piece."""
    rows = [(day, f"u{code}@x.io", None) for code in range(9) for day in range(0, 60, code + 1)]
    named = table(rows)
    coded = named.with_columns(pl.col("user").str.extract(r"(\d+)").cast(pl.UInt32))
    in_parts = analysis.prepare(coded.lazy(), rows_at_once=10)
    for name, question in QUESTIONS.items():
        if name != "by user":
            expected = question(named)
            assert question(coded).equals(expected), name
            assert question(in_parts).equals(expected), name


def test_users_who_are_none_of_those_asked_for_are_nobody() -> None:
    """A large table of people alone has no automation: the days are there, and all counts are 0."""
    activity = table([(day, "ada@x.io", None) for day in range(5)])
    in_parts = analysis.prepare(activity.lazy(), rows_at_once=2)
    assert analysis.active_users(in_parts, user_type="service_account")["active_users"].to_list() == [0] * 5


def test_parts_are_days_and_not_larger_than_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """30 rows on 10 days, 9 at once: no step ever holds more than four days of them."""
    seen: list[int] = []
    counted = analysis.user_days.OrderedDays.count

    def count(self: Any, rows: pl.LazyFrame, left: str, right: str, **engine: Any) -> pl.DataFrame:
        seen.append(rows.collect().height)
        return counted(self, rows, left, right, **engine)

    monkeypatch.setattr(analysis.user_days.OrderedDays, "count", count)
    activity = table([(day, user, None) for day in range(10) for user in ("ada@x.io", "bob@x.io", "cyd@x.io")])
    analysis.rolling_active_users(analysis.prepare(activity.lazy(), rows_at_once=9))
    assert sum(seen) == 30
    assert max(seen) <= 12
    with pytest.raises(ValueError, match="rows_at_once"):
        analysis.prepare(activity, rows_at_once=0)
