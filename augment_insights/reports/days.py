"""Which days a report covers, and which it looks back on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from augment_insights.periods import (
    MAX_RANGE_DAYS,
    DayRange,
    calendar_period,
    check_every,
    last_published_day,
    oldest_day,
    parse_day,
    resolve_range,
)

if TYPE_CHECKING:
    from datetime import date, datetime

    from augment_insights.periods import Every

_DAY = timedelta(days=1)

_WHOLE = {"1d": 28, "1mo": 6, "1q": 4}
"""Whole periods that a report covers when no start is given."""


@dataclass(frozen=True)
class ReportDays:
    """Which days does a report cover?

    Attributes
    ----------
    asked : DayRange
        As asked for, or as the report chose.
    shown : DayRange
        The same from the first day of its first period on, so that that period is whole.
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
    every: Every = "1w",
) -> ReportDays:
    """Which days does a report cover, asked for these?

    Parameters
    ----------
    start_date, end_date : date or "YYYY-MM-DD", optional
        UTC days, both included. Left out: the end is the last published day; the start makes so many
        whole periods up to the end (28 days, 13 weeks, 6 months or 4 quarters), and the one under way besides.
    now : datetime
        The moment of asking, as ``client.now()`` tells it.
    weeks : int
        Whole weeks that are chosen when no start is given.
    lookback_days : int
        How far to look back before the first period; up to 90 days are one request a page.
    every : {"1d", "1w", "1mo", "1q"}
        The calendar period of the report.

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
    check_every(every)
    oldest, published = oldest_day(now), last_published_day(now)
    start = None if start_date is None else parse_day(start_date, name="start_date")
    end = None if end_date is None else parse_day(end_date, name="end_date")
    if end is None:
        end = published if start is None else max(published, start)
    if start is None:
        periods = weeks if every == "1w" else _WHOLE[every]
        start = max(_first_day(end, every, periods), min(end, oldest))
    asked = resolve_range(start, end, now=now)
    first = calendar_period(asked.start, every).start
    shown = DayRange(max(first, min(oldest, asked.start)), asked.end)
    before = shown.start - timedelta(days=lookback_days)
    lookback = DayRange(before, shown.start - _DAY) if lookback_days and before >= oldest else None
    return ReportDays(asked, shown, lookback, as_of=min(asked.end, published))


def _first_day(end: date, every: Every, periods: int) -> date:
    """Return the day that so many whole periods ending by a day begin with."""
    last = calendar_period(end, every)
    first = last.end + _DAY if last.end == end else last.start
    for _ in range(periods):
        first = calendar_period(first - _DAY, every).start
    return first
