"""One function an endpoint: from the cache or the API to a checked table, pages and limits handled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from augment_insights import tables
from augment_insights.fetch.archived import Archived
from augment_insights.fetch.columns import (
    Fetched,
    daily_frame,
    fill_days,
    sum_windows,
    user_frame,
    warn_of_days,
    window_frame,
)
from augment_insights.fetch.counts import NOTHING_KNOWN, counts_at_hand
from augment_insights.fetch.plan import announce, plan_lists, plan_windows
from augment_insights.fetch.prices import pages_of_lists
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
from augment_insights.transport import Client, messages

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date


def dau_count(
    start_date: date | str | None = None,
    end_date: date | str | None = None,
    *,
    client: Client | None = None,
) -> pl.DataFrame:
    """How many users were active on each day?

    One request for each 90 days of ``GET /analytics/v0/dau-count``. A published day that the API
    omits is 0; a day that is not published yet (about 02:00 UTC of the next) is left out and
    warned of. Whether the API counts service accounts is not documented.

    Parameters
    ----------
    start_date, end_date : date or "YYYY-MM-DD", optional
        UTC days, both included, up to two years back. Left out: the last 7 published days; with
        one of the two, 7 days from or up to it.
    client : Client, optional
        Who asks; left out, one made from the environment.

    Returns
    -------
    pl.DataFrame
        Table DAU_COUNT, one row a day, by date.

        ============ ======= ==================================
        column       dtype   meaning
        ============ ======= ==================================
        date         Date    UTC day
        user_count   Int64   users active that day
        ============ ======= ==================================

    Raises
    ------
    DateRangeError
        Days that the API cannot answer for; nothing is sent.
    ConfigurationError
        No token, or a setting that cannot be read.
    ApiError
        The API did not answer well, after retries.

    Warns
    -----
    DataWarning
        Days that are not published yet, answers for other days than asked, duplicate rows,
        fields that are not known.

    See Also
    --------
    dau : who they were.

    Notes
    -----
    Answers are cached for 24 hours, those with a day that is not safely published until it is.

    Examples
    --------
    >>> from augment_insights import Client, fetch
    >>> client = Client.sample(today="2026-03-10")
    >>> fetch.dau_count("2026-03-02", "2026-03-08", client=client).shape
    (7, 2)
    """
    with lend(client) as asking:
        days = resolve_range(start_date, end_date, now=asking.now())
        with Archived(asking, tables.DAU_COUNT) as archived:
            gaps = archived.gaps(days)
            fetched = _fetch_ranges(asking, messages.DAU_COUNT, archived.ranges(days), archived)
        warn_of_days(tables.DAU_COUNT, days, fetched, now=asking.now())
        frame = daily_frame(tables.DAU_COUNT, fetched)
        filled = fill_days(frame, tables.DAU_COUNT, days, fetched, now=asking.now())
        return archived.with_archived(filled, days, gaps)


def dau(
    date: date | str | None = None,
    *,
    start_date: date | str | None = None,
    end_date: date | str | None = None,
    client: Client | None = None,
) -> pl.DataFrame:
    """Who was active on which day?

    ``GET /analytics/v0/dau``, one request for each day and 250 users: 90 days are 90 requests, 7
    minutes at the API's rate limit, and more above 250 users. Where the daily counts of the range
    are at hand (from :func:`plan` or :func:`dau_count`), days on which nobody was counted are not
    asked for. Should a list be longer than its count, the counts leave somebody out, and those
    days are asked for all the same.

    Parameters
    ----------
    date : date or "YYYY-MM-DD", optional
        One UTC day; left out together with the range, the last published day.
    start_date, end_date : date or "YYYY-MM-DD", optional
        A range in place of a day, both ends included, filled in as for :func:`dau_count`.
    client : Client, optional
        Who asks; left out, one made from the environment.

    Returns
    -------
    pl.DataFrame
        Table DAU, one row a user and active day, by date, user_type and user.

        ============ ======= ==================================================
        column       dtype   meaning
        ============ ======= ==================================================
        date         Date    UTC day
        user         String  e-mail, or name of a service account, as sent
        user_type    Enum    person or service_account
        ============ ======= ==================================================

    Raises
    ------
    DateRangeError
        Days that the API cannot answer for, or a day together with a range.
    ConfigurationError, ApiError
        As :func:`dau_count`.

    See Also
    --------
    dau_count : how many they were, at a ninetieth of the requests. plan : what it will cost.
    activity : who was active in which week or month, often for fewer requests.

    Notes
    -----
    Each page is cached as it comes, for 24 hours: an interrupted fetch goes on where it stopped.

    Examples
    --------
    >>> from augment_insights import Client, fetch
    >>> fetch.dau("2026-03-02", client=Client.sample(today="2026-03-10")).columns
    ['date', 'user', 'user_type']
    """
    with lend(client) as asking:
        days = resolve_days(date, start_date, end_date, now=asking.now())
        with Archived(asking, tables.DAU) as archived:
            gaps = archived.gaps(days)
            fetched = _fetch_days(asking, messages.DAU, days, archived)
        warn_of_days(tables.DAU, days, fetched, now=asking.now())
        return archived.with_archived(user_frame(tables.DAU, fetched), days, gaps)


def daily_usage(
    start_date: date | str | None = None,
    end_date: date | str | None = None,
    *,
    client: Client | None = None,
) -> pl.DataFrame:
    """How much was the assistant used on each day, by the whole organisation?

    One request for each 90 days of ``GET /analytics/v0/daily-usage``. A published day that the
    API omits had no activity and is 0 in every metric; a day that is not published yet is left out
    and warned of. A metric that the API did not send is null, not 0.

    Parameters
    ----------
    start_date, end_date, client : optional
        As for :func:`dau_count`.

    Returns
    -------
    pl.DataFrame
        Table DAILY_USAGE, one row a day, by date: ``date`` (Date, UTC) and the sixteen metrics
        under the API's own names (Int64).

    Raises
    ------
    DateRangeError, ConfigurationError, ApiError
        As :func:`dau_count`.

    See Also
    --------
    user_activity : the same by user. editor_language : the same by user, language and editor.

    Examples
    --------
    >>> from augment_insights import Client, fetch
    >>> fetch.daily_usage("2026-03-02", "2026-03-08", client=Client.sample(today="2026-03-10")).shape
    (7, 17)
    """
    with lend(client) as asking:
        days = resolve_range(start_date, end_date, now=asking.now())
        with Archived(asking, tables.DAILY_USAGE) as archived:
            gaps = archived.gaps(days)
            fetched = _fetch_ranges(asking, messages.DAILY_USAGE, archived.ranges(days), archived)
        warn_of_days(tables.DAILY_USAGE, days, fetched, now=asking.now())
        frame = daily_frame(tables.DAILY_USAGE, fetched)
        filled = fill_days(frame, tables.DAILY_USAGE, days, fetched, now=asking.now())
        return archived.with_archived(filled, days, gaps)


def user_activity(
    start_date: date | str | None = None,
    end_date: date | str | None = None,
    *,
    every: Every | None = None,
    client: Client | None = None,
) -> pl.DataFrame:
    """How much did each user use the assistant, over the range or in each period of it?

    ``GET /analytics/v0/user-activity``, one request for each 90 days (or period) and 100 users.
    Longer ranges are fetched in disjoint windows and added up: metrics and active_days are sums. A
    metric that the API left out in any of them is null. Users without activity have no row.

    Parameters
    ----------
    start_date, end_date, client : optional
        As for :func:`dau_count`.
    every : "1d", "1w", "1mo" or "1q", optional
        One row a user and UTC day, ISO week, month or quarter; left out, one row a user for the
        whole range. The first and the last period are cut at the ends of the range.

    Returns
    -------
    pl.DataFrame
        Table USER_ACTIVITY, one row a user and period, by period_start, user_type and user.

        ============ ======= ==================================================
        column       dtype   meaning
        ============ ======= ==================================================
        period_start Date    first UTC day that the row covers
        period_end   Date    last UTC day that the row covers
        user         String  e-mail, or name of a service account, as sent
        user_type    Enum    person or service_account
        active_days  Int64   days with activity
        (metrics)    Int64   the sixteen metrics under the API's own names
        ============ ======= ==================================================

    Raises
    ------
    DateRangeError, ConfigurationError, ApiError
        As :func:`dau_count`.
    ValueError
        ``every`` is not a period.

    See Also
    --------
    dau : who was active on which day.

    Examples
    --------
    >>> from augment_insights import Client, fetch
    >>> client = Client.sample(today="2026-03-10")
    >>> weekly = fetch.user_activity("2026-02-23", "2026-03-08", every="1w", client=client)
    >>> weekly["period_start"].unique().to_list()
    [datetime.date(2026, 2, 23), datetime.date(2026, 3, 2)]
    """
    with lend(client) as asking:
        days = resolve_range(start_date, end_date, now=asking.now())
        wholes = [days] if every is None else calendar_periods(days, check_every(every))
        pieces = [(whole, window) for whole in wholes for window in windows(whole)]
        if asking.is_watched:
            stock = Stock(asking)
            announce(asking, plan_windows(stock, days, counts_at_hand(stock, days) or NOTHING_KNOWN, every=every))
        with Archived(asking, tables.USER_ACTIVITY) as archived:
            gaps = [window for _, window in pieces if archived.gaps(window)]
            fetched = _fetch_ranges(asking, messages.USER_ACTIVITY, gaps, archived)
        warn_of_days(tables.USER_ACTIVITY, days, fetched, now=asking.now())
        kept = [archived.window(window) for _, window in pieces if window not in gaps]
        by_window = pl.concat([*kept, window_frame(tables.USER_ACTIVITY, fetched)])
        wholes_of_windows, all_windows = zip(*pieces, strict=True)
        return sum_windows(tables.USER_ACTIVITY, by_window, all_windows, wholes_of_windows)


def editor_language(
    date: date | str | None = None,
    *,
    start_date: date | str | None = None,
    end_date: date | str | None = None,
    client: Client | None = None,
) -> pl.DataFrame:
    """How much did each user use the assistant, in which language and editor, on which day?

    ``GET /analytics/v0/daily-user-activity-by-editor-language``, one request for each day and 100
    records: the finest grain, and the dearest. A metric that the API did not send is null.

    Parameters
    ----------
    date, start_date, end_date, client : optional
        As for :func:`dau`.

    Returns
    -------
    pl.DataFrame
        Table EDITOR_LANGUAGE, one row a user, day, language and editor, in this order of columns:
        ``date`` (Date, UTC), ``user``, ``user_type``, ``language``, ``editor``, the sixteen metrics (Int64).

    Raises
    ------
    DateRangeError, ConfigurationError, ApiError
        As :func:`dau`.

    See Also
    --------
    daily_usage : the organisation's sums, at a ninetieth of the requests or less.
    plan : what it will cost.

    Examples
    --------
    >>> from augment_insights import Client, fetch
    >>> fetch.editor_language("2026-03-02", client=Client.sample(today="2026-03-10")).columns[:5]
    ['date', 'user', 'user_type', 'language', 'editor']
    """
    with lend(client) as asking:
        days = resolve_days(date, start_date, end_date, now=asking.now())
        with Archived(asking, tables.EDITOR_LANGUAGE) as archived:
            gaps = archived.gaps(days)
            fetched = _fetch_days(asking, messages.EDITOR_LANGUAGE, days, archived)
        warn_of_days(tables.EDITOR_LANGUAGE, days, fetched, now=asking.now())
        return archived.with_archived(user_frame(tables.EDITOR_LANGUAGE, fetched), days, gaps)


def _fetch_ranges(
    client: Client, endpoint: messages.Endpoint, ranges: Sequence[DayRange], archived: Archived
) -> list[Fetched]:
    with client.task(endpoint.name, len(ranges)):
        return [archived.keep(_fetch_range(client, endpoint, window)) for window in ranges]


def _fetch_range(client: Client, endpoint: messages.Endpoint, window: DayRange) -> Fetched:
    return Fetched(window, client.pages(endpoint, start_date=window.start.isoformat(), end_date=window.end.isoformat()))


def _fetch_days(client: Client, endpoint: messages.Endpoint, days: DayRange, archived: Archived) -> list[Fetched]:
    """Fetch the answer of each day that is not archived, but for those on which nobody was active."""
    gaps = [day for gap in archived.gaps(days) for day in gap]
    if not gaps:
        return []
    stock = Stock(client)
    counts = counts_at_hand(stock, days) or NOTHING_KNOWN
    if client.is_watched:
        announce(client, plan_lists(stock, endpoint, days, counts))
    idle = [day for day in gaps if counts.is_idle(day) and not stock.known_rows(endpoint, DayRange(day, day))]
    active = [day for day in gaps if day not in idle]
    with client.task(endpoint.name, pages_of_lists(endpoint, counts.of(active)), is_forecast=bool(counts.users)):
        fetched = [archived.keep(_fetch_day(client, endpoint, day)) for day in active]
        if idle and (counts.fall_short(fetched) or archived.has_more_than(counts.users)):
            fetched += [archived.keep(_fetch_day(client, endpoint, day)) for day in idle]
        else:
            archived.keep_idle(idle)
    return sorted(fetched, key=lambda answer: answer.asked)


def _fetch_day(client: Client, endpoint: messages.Endpoint, day: date) -> Fetched:
    return Fetched(DayRange(day, day), client.pages(endpoint, date=day.isoformat()))
