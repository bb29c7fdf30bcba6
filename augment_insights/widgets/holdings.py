"""What has been loaded, what is missing for a choice, and what it would cost to fetch that.

Rows are held by day, each grain for itself. A grain answers for the coarser ones too, so whatever is
there is never fetched again. What is missing is fetched as the widest table that is no dearer than
the one that is needed: then the next question finds its rows there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl

from augment_insights import analysis, fetch, tables
from augment_insights.periods import MAX_RANGE_DAYS, DayRange, last_published_day, oldest_day, parse_day
from augment_insights.transport.progress import format_duration
from augment_insights.widgets.questions import FILTERS, OFF_ROSTER, Choice, Grain, Question, View

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from augment_insights.fetch import Plan
    from augment_insights.periods import Every
    from augment_insights.transport import Client

WEEKS_SHOWN = 13
"""Of a range that was left open: a quarter, at a request a day for up to a hundred users."""

_DAY = timedelta(days=1)
_TABLE = {Grain.LISTS: "dau", Grain.USERS: "user_activity", Grain.RECORDS: "editor_language"}
_PERSON_DAYS = ("period_start", "period_end", "user", "user_type")
_USER_DAY = ("date", "user", "user_type")
_COLUMNS = {
    Grain.LISTS: _USER_DAY,
    Grain.USERS: (*_USER_DAY, *tables.METRICS),
    Grain.RECORDS: (*_USER_DAY, "language", "editor", *tables.METRICS),
}


@dataclass(frozen=True)
class Missing:
    """Rows that are not there: days of a grain, or (without a grain) a window that only looks back."""

    days: DayRange
    grain: Grain | None


@dataclass(frozen=True)
class Order:
    """What is to be fetched, and its price."""

    parts: tuple[Missing, ...]
    plans: tuple[Plan, ...]
    requests: int
    seconds: float

    def __str__(self) -> str:
        about = "about " if any(plan.is_estimate for plan in self.plans) else ""
        plural = "" if self.requests == 1 else "s"
        wait = f"{format_duration(self.seconds)} at the API's rate limit" if self.seconds >= 1 else "no wait"
        return f"{about}{self.requests:,} request{plural}, {wait}"


class Holdings:
    """The loaded rows of one client, and the roster.

    Parameters
    ----------
    client : Client
        Who asks.
    roster : path, frame or None
        As for ``analysis.read_roster``.
    """

    def __init__(self, client: Client, roster: str | Path | pl.DataFrame | pl.LazyFrame | None = None) -> None:
        self.client = client
        self.roster = None if roster is None else analysis.read_roster(roster)
        self._rows: dict[Grain, pl.DataFrame] = {}
        self._days: dict[Grain, set[date]] = {grain: set() for grain in Grain}
        self._before: dict[DayRange, pl.DataFrame] = {}

    @property
    def bounds(self) -> DayRange:
        """The days that the API can answer for."""
        now = self.client.now()
        return DayRange(oldest_day(now), last_published_day(now))

    def resolve(self, start_date: date | str | None, end_date: date | str | None) -> DayRange:
        """Fill in a range: up to the last published day, thirteen whole weeks and the one under way."""
        bounds = self.bounds
        end = bounds.end if end_date is None else min(parse_day(end_date, name="end_date"), bounds.end)
        if start_date is not None:
            return DayRange(parse_day(start_date, name="start_date"), end)
        monday = end - timedelta(days=end.weekday())
        return DayRange(max(bounds.start, monday - timedelta(weeks=WEEKS_SHOWN)), end)

    @property
    def has_teams(self) -> bool:
        """Whether there is a roster that names teams."""
        return self.roster is not None and "team" in self.roster.columns

    def teams(self) -> list[str]:
        """Return the names of the teams, and the one of who has none."""
        if self.roster is None or not self.has_teams:
            return []
        return [*self.roster["team"].drop_nulls().unique().sort().to_list(), OFF_ROSTER]

    def names(self, column: str) -> list[str] | None:
        """Return the languages or editors that are loaded; None while no such rows are."""
        rows = self._rows.get(Grain.RECORDS)
        return None if rows is None else rows[column].drop_nulls().unique().sort().to_list()

    def missing(self, question: Question, choice: Choice) -> tuple[Missing, ...]:
        """Return what must be fetched before a choice can be answered; nothing if it can."""
        grain = question.needed_grain(choice)
        parts = tuple(Missing(gap, grain) for gap in self._gaps(grain, choice.days))
        before = self._window_before(choice.days) if question.looks_back else None
        if before is not None and self._lookback_of(choice.days) is None:
            return (*parts, Missing(before, None))
        return parts

    def order(self, parts: Sequence[Missing]) -> Order:
        """Price what is missing; sends the daily counts at most.

        The widest table is taken where it costs no more, and the look-back is taken along where
        that does not make the order a long one: the next question may need them.
        """
        priced = [self._cheapest_wide(part) for part in parts]
        along = self._lookback_along(parts)
        if along is not None:
            extra = self._cheapest_wide(along)
            whole = sum(plan.requests_to_send for _, plan in [*priced, extra])
            if whole <= self.client.plan_above or not self.client.seconds_for(whole):
                priced.append(extra)
        requests = sum(plan.requests_to_send for _, plan in priced)
        return Order(
            parts=tuple(part for part, _ in priced),
            plans=tuple(plan for _, plan in priced),
            requests=requests,
            seconds=self.client.seconds_for(requests),
        )

    def is_long(self, order: Order) -> bool:
        """Tell whether an order is shown before it is fetched: above the client's budget, and not in this process."""
        return order.requests > self.client.plan_above and order.seconds > 0

    def fetch(self, parts: Iterable[Missing]) -> None:
        """Fetch what is missing, and hold it."""
        for part in parts:
            start, end = part.days.start, part.days.end
            if part.grain is None:
                before = fetch.user_activity(start, end, client=self.client)
                self._before[part.days] = self._with_team(before.select(_PERSON_DAYS))
            elif part.grain is Grain.LISTS:
                self._hold(part.grain, part.days, fetch.dau(start_date=start, end_date=end, client=self.client))
            elif part.grain is Grain.USERS:
                rows = fetch.user_activity(start, end, every="1d", client=self.client)
                daily = rows.rename({"period_start": "date"}).drop("period_end", "active_days")
                self._hold(part.grain, part.days, daily)
            else:
                rows = fetch.editor_language(start_date=start, end_date=end, client=self.client)
                self._hold(part.grain, part.days, rows)

    def view(self, question: Question, choice: Choice) -> View:
        """Return the rows that a choice leaves; nothing may be missing for it."""
        grain = question.needed_grain(choice)
        everybody = View(
            choice=choice,
            rows=self._of(grain, choice.days),
            known=self._known(choice.days),
            roster=self.roster,
            is_sample=self.client.is_sample,
        )
        filters = [pl.col(name) == value for name in FILTERS if (value := getattr(choice, name)) is not None]
        if not filters:
            return everybody
        return replace(
            everybody,
            rows=everybody.rows.filter(filters),
            known=self._of_team(everybody.known, choice.team),
            roster=self._licences(choice.team),
            everybody=everybody,
        )

    def _held(self, grain: Grain) -> set[date]:
        """Return the days that are there at a grain or a finer one."""
        return set().union(*(self._days[held] for held in Grain if held >= grain))

    def _gaps(self, grain: Grain, days: DayRange) -> list[DayRange]:
        """Return the days that are not there, in runs."""
        held = self._held(grain)
        runs: list[DayRange] = []
        for day in days:
            if day in held:
                continue
            if runs and day == runs[-1].end + _DAY:
                runs[-1] = DayRange(runs[-1].start, day)
            else:
                runs.append(DayRange(day, day))
        return runs

    def _cheapest_wide(self, part: Missing) -> tuple[Missing, Plan]:
        if part.grain is None:
            return part, fetch.plan("user_activity", part.days.start, part.days.end, client=self.client)
        needed = self._plan(part.grain, part.days)
        for grain in reversed(Grain):
            if grain <= part.grain:
                break
            plan = self._plan(grain, part.days)
            if plan.requests_to_send <= needed.requests_to_send or not self.client.seconds_for(plan.requests_to_send):
                return Missing(part.days, grain), plan
        return part, needed

    def _lookback_along(self, parts: Sequence[Missing]) -> Missing | None:
        """Return the look-back window of what is fetched, if it is neither there nor asked for."""
        firsts = [part.days.start for part in parts if part.grain is not None]
        if not firsts or len(firsts) < len(parts):
            return None
        days = DayRange(min(firsts), min(firsts))
        before = self._window_before(days)
        return None if before is None or self._lookback_of(days) is not None else Missing(before, None)

    def _plan(self, grain: Grain, days: DayRange) -> Plan:
        every: Every | None = "1d" if grain is Grain.USERS else None
        return fetch.plan(_TABLE[grain], days.start, days.end, every=every, client=self.client)

    def _hold(self, grain: Grain, days: DayRange, rows: pl.DataFrame) -> None:
        """Add days to what is held, with each user's team."""
        placed = self._with_team(rows)
        held = self._rows.get(grain)
        self._rows[grain] = placed if held is None else pl.concat([held, placed])
        self._days[grain].update(days)

    def _with_team(self, rows: pl.DataFrame) -> pl.DataFrame:
        if self.roster is None or not self.has_teams:
            return rows
        # Who is not on the roster is a team of its own here, and unused licences are no rows of activity.
        placed = analysis.join_roster(rows, self.roster.select("user", "team"), warn=False)
        return placed.with_columns(pl.col("team").fill_null(OFF_ROSTER))

    def _of(self, grain: Grain, days: DayRange) -> pl.DataFrame:
        """Return the rows of some days, each day at the finest grain that has it."""
        taken: set[date] = set()
        parts: list[pl.DataFrame] = []
        for held in reversed(Grain):
            rows = self._rows.get(held)
            if held < grain or rows is None:
                continue
            fresh = rows.filter(pl.col("date").is_between(days.start, days.end))
            if taken:
                fresh = fresh.filter(~pl.col("date").is_in(sorted(taken)))
            parts.append(fresh.select(*_COLUMNS[grain], "^team$"))
            taken |= self._days[held]
        return pl.concat(parts)

    def _of_team(self, rows: pl.DataFrame, team: str | None) -> pl.DataFrame:
        return rows if team is None else rows.filter(pl.col("team") == team)

    def _licences(self, team: str | None) -> pl.DataFrame | None:
        if self.roster is None or team is None:
            return self.roster
        return self.roster.filter(pl.col("team") == team)

    def _window_before(self, days: DayRange) -> DayRange | None:
        """Return the window that tells who had been active before some days; None beyond the API's reach."""
        start = max(self.bounds.start, days.start - timedelta(days=MAX_RANGE_DAYS))
        return DayRange(start, days.start - _DAY) if start < days.start else None

    def _lookback_of(self, days: DayRange) -> DayRange | None:
        """Return a window held that ends where known days begin, without a gap up to the range."""
        known = self._held(Grain.LISTS)
        reaching = (
            window
            for window in sorted(self._before)
            if window.end < days.start and all(day in known for day in _between(window.end, days.start))
        )
        return next(reaching, None)

    def _known(self, days: DayRange) -> pl.DataFrame:
        """Return who was active up to the end of a range, from the first known day on: windows, then days."""
        window = self._lookback_of(days)
        first = days.start if window is None else window.end + _DAY
        daily = self._of(Grain.LISTS, DayRange(first, days.end)).select(
            pl.col("date").alias("period_start"), pl.col("date").alias("period_end"), "user", "user_type", "^team$"
        )
        before = [] if window is None else [self._before[window]]
        return pl.concat([*before, daily])


def _between(before: date, after: date) -> Sequence[date]:
    """Return the days between two."""
    return [before + timedelta(days=n) for n in range(1, (after - before).days)]
