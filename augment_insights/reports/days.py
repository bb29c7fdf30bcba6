"""Which days a weekly report covers, and which it looks back on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from augment_insights.periods import (
    MAX_RANGE_DAYS,
    DayRange,
    calendar_period,
    last_published_day,
    oldest_day,
    parse_day,
    resolve_range,
)

if TYPE_CHECKING:
    from datetime import date, datetime

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class ReportDays:
    """Which days does a weekly report cover?

    Attributes
    ----------
    asked : DayRange
        As asked for, or as the report chose.
    shown : DayRange
        The same from the Monday of its first week on, so that the first week is whole.
    lookback : DayRange or None
        The days before, which only tell who is not new; None where the API does not reach so far back.
    as_of : date
        The last day whose data is out.
    """

    asked: DayRange
    shown: DayRange
    lookback: DayRange | None
    as_of: date

    def _repr_html_(self) -> str:
        """Tell the days in a notebook."""
        told = {
            "asked": self.asked,
            "shown": self.shown,
            "looked back on": self.lookback or "nothing",
            "data to": self.as_of,
        }
        rows = "".join(f"<tr><th scope='row'>{name}</th><td>{days}</td></tr>" for name, days in told.items())
        return f"<table>{rows}</table>"


def report_days(
    start_date: date | str | None = None,
    end_date: date | str | None = None,
    *,
    now: datetime,
    weeks: int = 13,
    lookback_days: int = MAX_RANGE_DAYS,
) -> ReportDays:
    """Which days does a weekly report cover, asked for these?

    Parameters
    ----------
    start_date, end_date : date or "YYYY-MM-DD", optional
        UTC days, both included. Left out: the end is the last published day; the start is the
        Monday that makes ``weeks`` whole weeks up to the end, and the one under way besides.
    now : datetime
        The moment of asking, as ``client.now()`` tells it.
    weeks : int
        Whole weeks that are chosen when no start is given.
    lookback_days : int
        How far to look back before the first week; up to 90 days are one request a page.

    Returns
    -------
    ReportDays
        What was asked, what is shown, what is looked back on, the data's last day.

    Raises
    ------
    DateRangeError
        Days that the API cannot answer for.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> days = report_days(now=datetime(2026, 11, 22, 12, tzinfo=UTC))
    >>> print(days.shown)
    2026-08-17 to 2026-11-21
    >>> print(days.lookback)
    2026-05-19 to 2026-08-16
    >>> print(report_days("2026-10-07", "2026-10-20", now=datetime(2026, 11, 22, 12, tzinfo=UTC)).shown)
    2026-10-05 to 2026-10-20
    """
    oldest, published = oldest_day(now), last_published_day(now)
    start = None if start_date is None else parse_day(start_date, name="start_date")
    end = None if end_date is None else parse_day(end_date, name="end_date")
    if end is None:
        end = published if start is None else max(published, start)
    if start is None:
        start = max(_first_monday(end, weeks), min(end, oldest))
    asked = resolve_range(start, end, now=now)
    monday = calendar_period(asked.start, "1w").start
    shown = DayRange(max(monday, min(oldest, asked.start)), asked.end)
    before = shown.start - timedelta(days=lookback_days)
    lookback = DayRange(before, shown.start - _DAY) if lookback_days and before >= oldest else None
    return ReportDays(asked, shown, lookback, as_of=min(asked.end, published))


def _first_monday(end: date, weeks: int) -> date:
    """Return the Monday that so many whole weeks ending by a day begin with."""
    week = calendar_period(end, "1w")
    first_after = week.end + _DAY if week.end == end else week.start
    return first_after - timedelta(weeks=weeks)
