"""The days of a weekly report: whole weeks, a look-back where there is one, and the API's edges."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment_insights.errors import DateRangeError
from augment_insights.periods import DayRange, oldest_day
from augment_insights.reports import report_days

SUNDAY_NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_left_open_it_is_13_whole_weeks_and_the_one_under_way() -> None:
    """Saturday is the last published day: its week is under way, the 13 before are whole."""
    days = report_days(now=SUNDAY_NOON)
    assert days.shown == DayRange(date(2026, 8, 17), date(2026, 11, 21))
    assert days.asked == days.shown
    assert days.as_of == date(2026, 11, 21)
    assert days.lookback == DayRange(date(2026, 5, 19), date(2026, 8, 16))


def test_on_a_monday_no_week_is_under_way() -> None:
    """Sunday is published, so its week is whole, and one of the 13."""
    days = report_days(now=SUNDAY_NOON + timedelta(days=1))
    assert days.shown == DayRange(date(2026, 8, 24), date(2026, 11, 22))


def test_a_start_within_a_week_is_shown_from_its_monday() -> None:
    """What was asked is kept beside it."""
    days = report_days("2026-10-07", "2026-10-20", now=SUNDAY_NOON)
    assert days.asked == DayRange(date(2026, 10, 7), date(2026, 10, 20))
    assert days.shown == DayRange(date(2026, 10, 5), date(2026, 10, 20))


def test_only_a_start_runs_to_the_last_published_day_and_only_an_end_is_led_up_to() -> None:
    """One end open."""
    assert report_days("2026-11-02", now=SUNDAY_NOON).shown == DayRange(date(2026, 11, 2), date(2026, 11, 21))
    assert report_days(None, "2026-03-01", now=SUNDAY_NOON).shown == DayRange(date(2025, 12, 1), date(2026, 3, 1))


def test_a_day_that_is_not_published_yet_is_asked_for_and_not_counted_on() -> None:
    """At 01:00 UTC yesterday is not out: it may be asked for, and the data ends the day before."""
    days = report_days("2026-11-16", "2026-11-21", now=datetime(2026, 11, 22, 1, tzinfo=UTC))
    assert days.asked.end == date(2026, 11, 21)
    assert days.as_of == date(2026, 11, 20)


def test_at_the_two_years_edge_there_is_no_look_back_and_no_day_too_many() -> None:
    """The API reaches to 2024-11-22, a Friday: its week is not whole, and nothing lies before."""
    days = report_days("2024-11-22", "2025-01-05", now=SUNDAY_NOON)
    assert days.shown.start == date(2024, 11, 22)
    assert days.lookback is None
    assert report_days("2025-02-17", now=SUNDAY_NOON).lookback is None
    near = report_days("2025-02-24", now=SUNDAY_NOON)
    assert near.lookback == DayRange(date(2024, 11, 26), date(2025, 2, 23))


@pytest.mark.parametrize(
    ("start", "end"), [("2026-11-20", "2026-11-16"), ("2026-11-01", "2026-11-22"), ("2024-01-01", None), ("soon", None)]
)
def test_days_the_api_cannot_answer_for_are_refused(start: str, end: str | None) -> None:
    """End before start, today, over two years back, no day at all."""
    with pytest.raises(DateRangeError):
        report_days(start, end, now=SUNDAY_NOON)


@given(
    now=st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 (zone is given)
    weeks=st.integers(1, 60),
    back=st.integers(0, 90),
)
def test_the_choice_is_always_answerable(now: datetime, weeks: int, back: int) -> None:
    """Whole weeks from a Monday on, a look-back of the asked length right before it, nothing beyond two years."""
    days = report_days(now=now, weeks=weeks, lookback_days=back)
    assert days.shown.start.weekday() == 0
    assert weeks * 7 <= days.shown.days <= weeks * 7 + 6
    if days.lookback:
        assert days.lookback.days == back
        assert days.lookback.end + timedelta(days=1) == days.shown.start
        assert days.lookback.start >= oldest_day(now)
