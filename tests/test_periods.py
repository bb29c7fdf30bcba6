"""UTC days and ranges: the API's rules, by hand and against brute force."""

import calendar
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from augment_insights import periods
from augment_insights.errors import DateRangeError
from augment_insights.periods import EVERY, DayRange

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)

days = st.dates(date(2015, 1, 1), date(2035, 12, 31))
moments = st.datetimes(
    datetime(2016, 1, 1),  # noqa: DTZ001 (strategies take naive bounds)
    datetime(2035, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))]),
)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, "2026-03-03 to 2026-03-09"),
        ("2026-03-01", None, "2026-03-01 to 2026-03-07"),
        ("2026-03-05", None, "2026-03-05 to 2026-03-09"),
        ("2026-03-09", None, "2026-03-09 to 2026-03-09"),
        (None, "2026-03-05", "2026-02-27 to 2026-03-05"),
        ("2026-01-01", "2026-03-09", "2026-01-01 to 2026-03-09"),
        (date(2026, 1, 1), date(2026, 1, 1), "2026-01-01 to 2026-01-01"),
        ("2024-03-10", "2026-03-09", "2024-03-10 to 2026-03-09"),
        (None, "2024-03-10", "2024-03-10 to 2024-03-10"),
    ],
)
def test_ranges_are_filled_in_by_the_rules_of_the_reference(start, end, expected):
    """No date, one, or two: the range that the API's reference describes, never older than it answers for."""
    assert str(periods.resolve_range(start, end, now=NOON)) == expected


def test_before_the_cut_off_yesterday_is_asked_for_only_by_name():
    """At 02:59 an open end stops at the day before yesterday; from 03:00 on, at yesterday."""
    early, late = NOON.replace(hour=2, minute=59), NOON.replace(hour=3)
    assert str(periods.resolve_range(now=early)) == "2026-03-02 to 2026-03-08"
    assert str(periods.resolve_range(now=late)) == "2026-03-03 to 2026-03-09"
    assert str(periods.resolve_range("2026-03-06", now=early)) == "2026-03-06 to 2026-03-08"
    assert str(periods.resolve_range("2026-03-09", now=early)) == "2026-03-09 to 2026-03-09"
    assert str(periods.resolve_range(None, "2026-03-09", now=early)) == "2026-03-03 to 2026-03-09"
    assert str(periods.resolve_days(now=early)) == "2026-03-08 to 2026-03-08"
    assert str(periods.resolve_days("2026-03-09", now=early)) == "2026-03-09 to 2026-03-09"


@pytest.mark.parametrize(
    ("start", "end", "word"),
    [
        ("2026-03-05", "2026-03-04", "ends before it starts"),
        ("2026-03-10", None, "today"),
        (None, "2026-03-10", "today"),
        ("2026-03-01", "2027-01-01", "later"),
        ("2024-03-09", "2024-04-01", "two years"),
        (None, "2024-03-09", "two years"),
        ("2024-03-09", None, "two years"),
        ("20260301", None, "YYYY-MM-DD"),
        ("2026-W10-1", None, "YYYY-MM-DD"),
        ("2026-3-1", None, "YYYY-MM-DD"),
        ("2026-02-30", None, "YYYY-MM-DD"),
        ("2026-03-01T00:00", None, "YYYY-MM-DD"),
        ("yesterday", None, "YYYY-MM-DD"),
        ("", None, "YYYY-MM-DD"),
        (20260301, None, "YYYY-MM-DD"),
        (datetime(2026, 3, 1, tzinfo=UTC), None, "moment"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_its_days(start, end, word):
    """A range the API is sure to refuse costs no request: DateRangeError, also a ValueError, says why."""
    with pytest.raises(DateRangeError, match=word) as caught:
        periods.resolve_range(start, end, now=NOON)
    assert isinstance(caught.value, ValueError)


def test_the_error_carries_the_range_and_names_the_valid_one():
    """``.start`` and ``.end`` are the days refused; the message has those that can be asked for."""
    with pytest.raises(DateRangeError, match="2024-03-10 to 2026-03-09") as caught:
        periods.resolve_range("2026-03-05", "2026-03-04", now=NOON)
    assert (caught.value.start, caught.value.end) == (date(2026, 3, 5), date(2026, 3, 4))


def test_a_day_and_a_range_exclude_each_other():
    """``date`` with ``start_date`` or ``end_date`` is refused, and the error has them as they were given."""
    for given_range in ({"start_date": "2026-03-01"}, {"end_date": "2026-03-01"}):
        with pytest.raises(DateRangeError, match="one day, or a range") as caught:
            periods.resolve_days("2026-03-01", **given_range, now=NOON)
        assert caught.value.start == given_range.get("start_date")
        assert caught.value.end == given_range.get("end_date")


@given(start=st.none() | days, end=st.none() | days, now=moments)
@example(start=None, end=None, now=datetime(2024, 2, 29, 1, tzinfo=UTC))
def test_a_range_is_valid_or_refused(start, end, now):
    """Whatever is asked at whatever moment: a range that holds what was named, within what the API has, or an error."""
    try:
        found = periods.resolve_range(start, end, now=now)
    except DateRangeError:
        valid = all(
            periods.oldest_day(now) <= day <= periods.newest_day(now) for day in (start, end) if day is not None
        )
        assert not valid or (start is not None and end is not None and end < start)
        return
    assert found.start <= found.end
    assert periods.oldest_day(now) <= found.start
    assert found.end <= periods.newest_day(now)
    assert start in (None, found.start)
    assert end in (None, found.end)
    if start is None or end is None:
        assert found.days <= 7
    if end is None and start != periods.newest_day(now):
        assert found.end <= periods.last_published_day(now)


@given(moments)
@example(datetime(2024, 2, 29, 12, tzinfo=UTC))
@example(datetime(2026, 2, 28, 23, 59, tzinfo=UTC))
def test_two_years_are_read_generously(now):
    """The oldest day is the earlier of 730 days back and the same date two years ago."""
    today = periods.utc_day(now)
    year, month, day = today.year - 2, today.month, today.day
    same_date = date(year, month, min(day, calendar.monthrange(year, month)[1]))
    assert periods.oldest_day(now) == min(same_date, today - 730 * DAY)


@given(moments)
def test_a_day_is_published_at_three_the_next_morning(now):
    """The last published day is out, and the one after it is not."""
    last = periods.last_published_day(now)
    assert periods.published_at(last) <= now < periods.published_at(last + DAY)


def test_a_moment_is_taken_to_utc():
    """23:30 in New York is already tomorrow in UTC; without a zone a moment is refused: a guess may be a day off."""
    with pytest.raises(ValueError, match="time zone"):
        periods.utc_day(datetime(2026, 3, 9))  # noqa: DTZ001 (that is the point)
    assert periods.utc_day(datetime(2026, 3, 9, 23, 30, tzinfo=timezone(timedelta(hours=-5)))) == date(2026, 3, 10)
    assert periods.utc_day(datetime(2026, 3, 10, 1, tzinfo=timezone(timedelta(hours=9)))) == date(2026, 3, 9)


@given(start=days, length=st.integers(1, 800), max_days=st.integers(1, 100))
def test_windows_cover_the_range_once(start, length, max_days):
    """Disjoint, in order, none too long, each day in exactly one; and no more of them than needed; from either end."""
    whole = DayRange(start, start + (length - 1) * DAY)
    found = periods.windows(whole, max_days=max_days)
    assert [day for window in found for day in window] == list(whole)
    assert all(1 <= window.days <= max_days for window in found)
    assert len(found) == -(-length // max_days)
    back = periods.windows_back(whole, max_days=max_days)
    assert [day for window in reversed(back) for day in window] == list(whole)
    assert all(window.days == max_days for window in back[:-1])
    assert len(back) == len(found)


@given(st.sets(st.integers(0, 60)))
def test_neighbouring_days_are_joined(numbers):
    """Each day is in exactly one range, oldest first, and between two ranges a day is missing."""
    found = periods.day_ranges(date(2026, 1, 1) + number * DAY for number in numbers)
    assert [day for span in found for day in span] == [date(2026, 1, 1) + number * DAY for number in sorted(numbers)]
    assert all(later.start - earlier.end > DAY for earlier, later in pairwise(found))


@given(start=days, length=st.integers(1, 500), every=st.sampled_from(EVERY))
def test_calendar_periods_cover_the_range_once(start, length, every):
    """Each day is in exactly one piece, each piece within one calendar period, each period in one piece."""
    whole = DayRange(start, start + (length - 1) * DAY)
    pieces = periods.calendar_periods(whole, every)
    assert [day for piece in pieces for day in piece] == list(whole)
    names = [{name_of(day, every) for day in piece} for piece in pieces]
    assert all(len(each) == 1 for each in names)
    assert len(set.union(*names)) == len(pieces)


def name_of(day: date, every: str) -> tuple[int, ...]:
    """Name a day's period by the standard library's own calendar."""
    return {
        "1d": (day.toordinal(),),
        "1w": tuple(day.isocalendar()[:2]),
        "1mo": (day.year, day.month),
        "1q": (day.year, (day.month + 2) // 3),
    }[every]


@given(day=days, every=st.sampled_from(EVERY))
def test_a_calendar_period_is_whole(day, every):
    """It holds the day, has one name, and the days beside it have another."""
    period = periods.calendar_period(day, every)
    assert day in period
    assert {name_of(each, every) for each in period} == {name_of(day, every)}
    assert name_of(period.start - DAY, every) != name_of(day, every) != name_of(period.end + DAY, every)


def test_a_period_or_a_day_reads_back_or_is_refused():
    """``every="1y"`` names what it could have been; a date stays itself, ISO text becomes it."""
    with pytest.raises(ValueError, match="'1d', '1w', '1mo', '1q'"):
        periods.check_every("1y")
    assert [periods.check_every(every) for every in EVERY] == list(EVERY)
    assert periods.parse_day(date(2026, 1, 31)) == periods.parse_day("2026-01-31") == date(2026, 1, 31)
