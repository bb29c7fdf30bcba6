"""A plan with a price: what a fetch will cost, before it is made."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from augment_insights.errors import ConfigurationError, did_you_mean
from augment_insights.fetch.counts import NOTHING_KNOWN, ask_counts
from augment_insights.fetch.pieces import activity_pieces, learn_from_stock, lookback_of, ways
from augment_insights.fetch.prices import (
    FREE,
    RECORDS_PER_USER,
    Estimate,
    Price,
    Turnover,
    list_rows,
    price_answer,
    price_of_choice,
    record_rows,
)
from augment_insights.fetch.stock import Stock, lend
from augment_insights.periods import (
    DayRange,
    Every,
    calendar_periods,
    check_every,
    resolve_days,
    resolve_range,
    windows,
)
from augment_insights.transport import messages
from augment_insights.transport.progress import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from augment_insights.fetch.counts import DailyCounts
    from augment_insights.fetch.pieces import Piece
    from augment_insights.transport import Client

TABLES = (*messages.ENDPOINTS, "activity")
"""What can be planned: the nouns of the endpoints, and activity."""

_UNCOUNTED = "days that are not published or not counted yet"
_BOUNDS = "the users of a window: not fewer than on its busiest day, not more than on all its days together"


@dataclass(frozen=True)
class Plan:
    """What will a fetch cost?

    Shows itself: ``print(plan)`` in a terminal, as the last line of a cell in a notebook.

    Attributes
    ----------
    table : str
        The noun of what is fetched.
    days : DayRange
        The days, a look-back included.
    every : str or None
        The period of a row.
    requests_needed : int
        Requests if nothing were at hand, the daily counts included.
    requests_cached, requests_archived : int
        Requests of these that the cache and the archive save.
    requests_to_send : int
        Requests that are left to send; likely, where ``is_estimate``.
    requests_to_send_least, requests_to_send_most : int, int or None
        Between these it will lie; None where nobody can tell.
    requests_sent : int
        Requests that the planning itself sent, for the daily counts. The fetch uses them again.
    seconds : float
        How long sending takes at the rate limit, from its state at the time of planning.
    rows_expected : int
        Rows of the table.
    days_without_activity : tuple of date
        Days on which nobody was counted. Lists of them are not asked for.
    estimates : tuple of str
        What is estimated, and how; empty if the plan is exact.
    """

    table: str
    days: DayRange
    every: Every | None
    requests_needed: int
    requests_cached: int
    requests_archived: int
    requests_to_send: int
    requests_to_send_least: int
    requests_to_send_most: int | None
    requests_sent: int
    seconds: float
    rows_expected: int
    days_without_activity: tuple[date, ...]
    estimates: tuple[str, ...]

    @property
    def is_estimate(self) -> bool:
        """Whether the number of requests to send is not known exactly."""
        return self.requests_to_send_least != self.requests_to_send_most

    def __str__(self) -> str:
        lines = [f"{name:<12}{text}" for name, text in self._lines()]
        return "\n".join([f"Plan: {self._title()}", *(f"  {line}" for line in lines)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{escape(text)}</td></tr>'
            for name, text in self._lines()
        )
        title = f'<caption style="text-align:left"><b>Plan: {escape(self._title())}</b></caption>'
        return f"<table>{title}<tbody>{rows}</tbody></table>"

    def _title(self) -> str:
        every = f" every {self.every}" if self.every else ""
        return f"{self.table}{every}, {self.days} ({_many(self.days.days, 'day')})"

    def _lines(self) -> list[tuple[str, str]]:
        about = "about " if self.is_estimate else ""
        saved = f"{self.requests_cached:,} in the cache, {self.requests_archived:,} in the archive"
        lines = [
            ("to send", f"{about}{_many(self.requests_to_send, 'request')}{self._bounds()}"),
            ("needed", f"{about}{_many(self.requests_needed, 'request')}, of which {saved}"),
            ("time", f"{about}{format_duration(self.seconds)} at the rate limit, from now"),
            ("rows", f"{'about ' if self.estimates else ''}{self.rows_expected:,}"),
        ]
        if self.days_without_activity:
            lines.append(("no activity", f"{_many(len(self.days_without_activity), 'day')} without a list to ask for"))
        if self.requests_sent:
            lines.append(("spent", f"{_many(self.requests_sent, 'request')} for the daily counts of this plan"))
        return [*lines, *(("estimated", reason) for reason in self.estimates)]

    def _bounds(self) -> str:
        if not self.is_estimate:
            return ""
        if self.requests_to_send_most is None:
            return f" ({self.requests_to_send_least:,} at least)"
        return f" ({self.requests_to_send_least:,} to {self.requests_to_send_most:,})"


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def plan(
    table: str,
    start_date: date | str | None = None,
    end_date: date | str | None = None,
    *,
    every: Every | None = None,
    lookback_days: int | None = None,
    client: Client | None = None,
) -> Plan:
    """How many requests will it take to fetch this, how long, and for how many rows?

    The daily counts (one request for each 90 days, the only ones that planning sends) price user
    lists exactly: a day of n users is ceil(n / 250) requests, a day of none needs no request. What
    the cache and the archive have costs nothing. The rest is estimated, between bounds where there
    are any, and the plan says so: the users of a window, and the languages and editors of a user.

    A plan that is exact is kept to the request, as long as the daily counts count whoever is on the
    lists. Should a list turn out longer than its count (service accounts are not documented to be
    counted), the days without a count are asked for too.

    Parameters
    ----------
    table : str
        ``"dau_count"``, ``"dau"``, ``"daily_usage"``, ``"user_activity"``, ``"editor_language"`` or
        ``"activity"``.
    start_date, end_date : date or "YYYY-MM-DD", optional
        As for the function of the table.
    every : {"1d", "1w", "1mo", "1q"}, optional
        As for ``fetch.user_activity`` and ``fetch.activity``.
    lookback_days : int, optional
        As for ``fetch.activity``.
    client : Client, optional
        Who would ask; left out, one made from the environment.

    Returns
    -------
    Plan
        Requests needed, at hand, and to send; seconds; rows; days without activity.

    Raises
    ------
    ConfigurationError
        An unknown table, or a parameter that it does not take.
    DateRangeError, ApiError
        As ``fetch.dau_count``.

    See Also
    --------
    activity : who was active, by the cheapest way.

    Examples
    --------
    >>> from augment_insights import Client, fetch
    >>> lists = fetch.plan("dau", "2026-02-01", "2026-02-28", client=Client.sample(today="2026-03-10"))
    >>> lists.requests_to_send, lists.requests_sent, lists.is_estimate
    (28, 1, False)
    """
    _check_parameters(table, every=every, lookback_days=lookback_days)
    with lend(client) as asking:
        stock = Stock(asking)
        daily = table in (messages.DAU.name, messages.EDITOR_LANGUAGE.name)
        resolve: Any = resolve_days if daily else resolve_range
        asked = resolve(*([None] if daily else []), start_date, end_date, now=asking.now())
        if table == "activity":
            return plan_activity(stock, asked, every=every or "1w", lookback_days=lookback_days)
        if table in (messages.DAU_COUNT.name, messages.DAILY_USAGE.name):
            return plan_ranges(stock, messages.ENDPOINTS[table], asked)
        counts = ask_counts(stock, asked)
        if daily:
            return plan_lists(stock, messages.ENDPOINTS[table], asked, counts)
        return plan_windows(stock, asked, counts, every=every)


def announce(client: Client, plan: Plan) -> None:
    """Show a plan to whoever watches, if it is above the client's budget."""
    if plan.requests_to_send > client.plan_above:
        client.announce(plan)


def _check_parameters(table: str, **given: Any) -> None:
    if table not in TABLES:
        raise ConfigurationError(
            f"{table!r} is not a table that is fetched.{did_you_mean(table, TABLES)}", setting="table"
        )
    takes = {"activity": {"every", "lookback_days"}, messages.USER_ACTIVITY.name: {"every"}}.get(table, set())
    for name, value in given.items():
        if value is not None and name not in takes:
            raise ConfigurationError(f"{table} takes no {name}. Hint: leave it out.", setting=name)


def plan_ranges(stock: Stock, endpoint: messages.Endpoint, days: DayRange) -> Plan:
    """Plan an endpoint that answers for 90 days in one request."""
    return _plan(
        stock,
        endpoint.name,
        days,
        _price_ranges(stock, endpoint, days, stock.missing_windows(endpoint, days)),
        NOTHING_KNOWN,
    )


def _price_ranges(stock: Stock, endpoint: messages.Endpoint, days: DayRange, ranges: Sequence[DayRange]) -> Price:
    """Return what the windows of a range that are asked for cost, one request each."""
    cached = sum(stock.cached_pages(endpoint, window).is_whole for window in ranges)
    archived = max(0, len(windows(days)) - len(ranges))
    needed, to_send = Estimate.exactly(len(ranges) + archived), Estimate.exactly(len(ranges) - cached)
    return Price(Estimate.exactly(days.days), needed, to_send, cached, archived)


def plan_lists(stock: Stock, endpoint: messages.Endpoint, days: DayRange, counts: DailyCounts) -> Plan:
    """Plan the lists of a range of days: users, or their records."""
    reasons = [] if None not in counts.of(days) else [_UNCOUNTED]
    per_user = 1.0
    if endpoint is messages.EDITOR_LANGUAGE:
        per_user, reason = _records_per_user(stock, days, counts)
        reasons.append(reason)
    price = FREE
    for day, users in zip(days, counts.of(days), strict=True):
        span = DayRange(day, day)
        if users == 0 and not stock.known_rows(endpoint, span):
            continue
        rows = (
            list_rows(users, counts.known)
            if endpoint is messages.DAU
            else record_rows(users, counts.known, per_user=per_user)
        )
        price += price_answer(stock, endpoint, span, rows)
    estimates = () if price.to_send.is_exact else tuple(reasons)
    counted = days if counts.users else None
    return _plan(stock, endpoint.name, days, price, counts, counted=counted, estimates=estimates)


def _records_per_user(stock: Stock, days: DayRange, counts: DailyCounts) -> tuple[float, str]:
    """Return the records of a user on a day, from the days that are at hand, and how that is known."""
    rows = users = known_days = 0
    for day, counted in zip(days, counts.of(days), strict=True):
        found = stock.known_rows(messages.EDITOR_LANGUAGE, DayRange(day, day)) if counted else None
        if found is not None and counted:
            rows, users, known_days = rows + found, users + counted, known_days + 1
    per_user = rows / users if users else RECORDS_PER_USER
    source = f"as on the {_many(known_days, 'day')} at hand" if users else "assumed, for want of a day at hand"
    return per_user, f"records: {per_user:.2f} a user and day, {source}"


def plan_windows(stock: Stock, days: DayRange, counts: DailyCounts, *, every: Every | None) -> Plan:
    """Plan user-activity over a range, or over each period of it."""
    wholes = [days] if every is None else calendar_periods(days, check_every(every))
    pieces = [window for whole in wholes for window in windows(whole)]
    turnover = Turnover()
    for window in pieces:
        known = stock.known_rows(messages.USER_ACTIVITY, window)
        if known is not None:
            turnover.learn(counts.of(window), known)
    price = _sum(
        price_answer(stock, messages.USER_ACTIVITY, window, turnover.users(counts.of(window), counts.known))
        for window in pieces
    )
    estimates = () if price.rows.is_exact else (_BOUNDS,)
    name, counted = messages.USER_ACTIVITY.name, days if counts.users else None
    return _plan(stock, name, days, price, counts, counted=counted, every=every, estimates=estimates)


def plan_activity(stock: Stock, days: DayRange, *, every: Every, lookback_days: int | None) -> Plan:
    """Plan who was active in which period, by the cheapest way."""
    counts = ask_counts(stock, days)
    lookback = lookback_of(days, lookback_days, now=stock.client.now())
    pieces = activity_pieces(stock, days, counts, every=every, lookback=lookback)
    return plan_pieces(stock, days, counts, pieces, every=every, lookback=lookback)


def plan_pieces(
    stock: Stock,
    days: DayRange,
    counts: DailyCounts,
    pieces: Sequence[Piece],
    *,
    every: Every,
    lookback: DayRange | None,
) -> Plan:
    """Plan the pieces of an activity."""
    turnover = Turnover()
    learn_from_stock(stock, pieces, turnover)
    price = _sum(price_of_choice(ways(stock, piece, turnover, counts.known)) for piece in pieces)
    rows = _add(turnover.users(piece.counts, counts.known) for piece in pieces)
    price = Price(rows, price.needed, price.to_send, price.cached, price.archived)
    reasons = [_BOUNDS]
    if None in counts.of(days):
        reasons.append(_UNCOUNTED)
    if lookback is not None:
        reasons.append("the look-back: its days are not counted, and taken to be like those of the range")
    estimates = () if rows.is_exact else tuple(reasons)
    whole = days if lookback is None else DayRange(lookback.start, days.end)
    return _plan(stock, "activity", whole, price, counts, counted=days, every=every, estimates=estimates)


def _plan(
    stock: Stock,
    table: str,
    days: DayRange,
    price: Price,
    counts: DailyCounts,
    *,
    counted: DayRange | None = None,
    every: Every | None = None,
    estimates: tuple[str, ...] = (),
) -> Plan:
    """Put a plan together; the counts that it was priced by are needed too, and at hand by now."""
    counting = (
        FREE if counted is None else _price_ranges(stock, messages.DAU_COUNT, counted, stock.count_windows(counted))
    )
    return Plan(
        table=table,
        days=days,
        every=every,
        requests_needed=price.needed.likely + counting.needed.likely,
        requests_cached=price.cached + counting.cached,
        requests_archived=price.archived + counting.archived,
        requests_to_send=price.to_send.likely,
        requests_to_send_least=price.to_send.least,
        requests_to_send_most=price.to_send.most,
        requests_sent=stock.requests_sent,
        seconds=stock.client.seconds_for(price.to_send.likely),
        rows_expected=price.rows.likely,
        days_without_activity=tuple(day for day in counted or () if counts.is_idle(day)),
        estimates=estimates,
    )


def _sum(prices: Iterable[Price]) -> Price:
    total = FREE
    for price in prices:
        total += price
    return total


def _add(numbers: Iterable[Estimate]) -> Estimate:
    total = Estimate.exactly(0)
    for number in numbers:
        total += number
    return total
