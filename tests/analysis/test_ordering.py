"""A table larger than memory is read in parts, and answers what it would answer in one piece."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
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


@settings(max_examples=15, deadline=None)
@given(rows=rows_of_activity)
def test_streamed_rows_answer_as_those_in_memory(rows: list[tuple[int, str, str | None]]) -> None:
    """Whatever the rows and their order: each question of a LazyFrame has the same table, row by row."""
    activity = table(rows)
    streamed = analysis.prepare(activity.lazy())
    for name, question in QUESTIONS.items():
        assert question(streamed).equals(question(activity)), name


def test_users_may_be_numbers() -> None:
    """Codes in the place of names, as an archive stores them, are users like any other, streamed and in memory."""
    rows = [(day, f"u{code}@x.io", None) for code in range(9) for day in range(0, 60, code + 1)]
    named = table(rows)
    coded = named.with_columns(pl.col("user").str.extract(r"(\d+)").cast(pl.UInt32))
    streamed = analysis.prepare(coded.lazy())
    for name, question in QUESTIONS.items():
        if name != "by user":
            expected = question(named)
            assert question(coded).equals(expected), name
            assert question(streamed).equals(expected), name
