"""One function an endpoint: from its parameters to its table, pages and limits handled; and the activity."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import polars as pl

from augment_insights import periods, tables
from augment_insights.fetch.columns import Fetched, fill_days, sum_windows, table_frame, warn_of_days
from augment_insights.fetch.plan import (
    RECORDS_PER_USER,
    LocalData,
    active_days,
    activity_pieces,
    announce,
    answer_pages,
    learn_turnover,
    list_rows,
    make_plan,
    range_pieces,
    ways,
)
from augment_insights.periods import DayRange, Every

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from augment_insights.fetch.plan import Answer, Counts
    from augment_insights.tables import Table
    from augment_insights.transport import Client


def dau_count(
    start_date: date | str | None = None, end_date: date | str | None = None, *, client: Client | None = None
) -> pl.DataFrame:
    """Fetch how many users were active on each day.

    One request for each 90 days of ``GET /analytics/v0/dau-count``. A published day that the API
    omits is 0, or null with a warning where it states more days than it lists; a day that is not
    published yet (about 02:00 UTC of the next) is left out and warned of. Whether the API counts
    service accounts is not documented.

    Parameters
    ----------
    start_date, end_date : date or "YYYY-MM-DD", optional
        UTC days, both included, up to two years back. Left out: the last 7 published days; with
        one of the two, 7 days from or up to it.
    client : Client, optional
        The client to use; by default one configured from the environment.

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
        Days that are not published yet or that the API lost, answers for other days than asked, duplicate
        rows, fields that are not known.

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
    return _table_by_day(tables.DAU_COUNT, client, start_date, end_date)


def dau(
    date: date | str | None = None,
    *,
    start_date: date | str | None = None,
    end_date: date | str | None = None,
    client: Client | None = None,
) -> pl.DataFrame:
    """Fetch who was active on which day.

    ``GET /analytics/v0/dau``, one request for each day and 250 users: 90 days are 90 requests, 7
    minutes at the API's rate limit, and more above 250 users. Where the daily counts of the range
    are available locally (from :func:`plan` or :func:`dau_count`), days on which nobody was counted are not
    asked for. Should a list be longer than its count, the counts leave somebody out, and those
    days are asked for all the same.

    Parameters
    ----------
    date : date or "YYYY-MM-DD", optional
        One UTC day; left out together with the range, the last published day.
    start_date, end_date : date or "YYYY-MM-DD", optional
        A range in place of a day, both ends included, filled in as for :func:`dau_count`.
    client : Client, optional
        The client to use; by default one configured from the environment.

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
    return _table_by_day(tables.DAU, client, start_date, end_date, date)


def daily_usage(
    start_date: date | str | None = None, end_date: date | str | None = None, *, client: Client | None = None
) -> pl.DataFrame:
    """Fetch how much the whole organisation used the assistant on each day.

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
    return _table_by_day(tables.DAILY_USAGE, client, start_date, end_date)


def user_activity(
    start_date: date | str | None = None,
    end_date: date | str | None = None,
    *,
    every: Every | None = None,
    client: Client | None = None,
) -> pl.DataFrame:
    """Fetch how much each user used the assistant, over the range or in each period of it.

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
    with LocalData(client) as local:
        days = periods.resolve_range(start_date, end_date, now=local.client.now())
        period_of = {window: period for period, window in range_pieces(days, every)}
        if local.client.is_watched:
            announce(local.client, make_plan(local, tables.USER_ACTIVITY.name, days, local.counts(days), every=every))
        gaps = [window for window in period_of if local.archived_rows(tables.USER_ACTIVITY, window) is None]
        fetched = _fetch_all(local, tables.USER_ACTIVITY, gaps)
        warn_of_days(tables.USER_ACTIVITY, days, fetched, now=local.client.now())
        kept = [local.read(tables.USER_ACTIVITY, window) for window in period_of if window not in gaps]
        by_window = pl.concat([*kept, table_frame(tables.USER_ACTIVITY, fetched)])
        return sum_windows(by_window, period_of)


def editor_language(
    date: date | str | None = None,
    *,
    start_date: date | str | None = None,
    end_date: date | str | None = None,
    client: Client | None = None,
) -> pl.DataFrame:
    """Fetch how much each user used the assistant, in which language and editor, on which day.

    ``GET /analytics/v0/daily-user-activity-by-editor-language``, one request for each day and 100
    records: the finest grain, and the most expensive. A metric that the API did not send is null.

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
    return _table_by_day(tables.EDITOR_LANGUAGE, client, start_date, end_date, date)


def activity(
    start_date: date | str | None = None,
    end_date: date | str | None = None,
    *,
    every: Every = "1w",
    lookback_days: int | None = None,
    client: Client | None = None,
) -> pl.DataFrame:
    """Fetch who was active in which period, for the fewest requests.

    User lists day by day (250 users a request) and user-activity over the period (100 users a
    request) tell the same; which is cheaper depends on how alike the days are. The daily counts
    (one request for each 90 days) give the cost of the lists exactly, and that of a period between
    bounds; the periods fetched so far tell where in between. Days on which nobody was counted are
    not asked for, and what the cache and the archive have counts as free. The answer is the same
    whichever way is taken.

    Parameters
    ----------
    start_date, end_date : date or "YYYY-MM-DD", optional
        UTC days, both included, filled in as for :func:`dau_count`. Periods that reach out of the
        range are cut at its ends.
    every : {"1d", "1w", "1mo", "1q"}
        The calendar period; weeks begin on Monday.
    lookback_days : int, optional
        Adds who was active so many days before the range, as far as the API's two years reach, in
        windows of up to 90 days: rows with a period of their own before ``start_date``. They only
        serve to tell who is not new.
    client : Client, optional
        The client to use; by default one configured from the environment.

    Returns
    -------
    pl.DataFrame
        Table ACTIVITY, one row a user and period with activity, by period_start, user_type and user.

        ============ ======= ==================================================
        column       dtype   meaning
        ============ ======= ==================================================
        period_start Date    first UTC day of the period
        period_end   Date    last UTC day of the period
        user         String  e-mail, or name of a service account, as sent
        user_type    Enum    person or service_account
        active_days  Int64   days with activity in the period
        ============ ======= ==================================================

    Raises
    ------
    ValueError
        ``every`` is not a period, or ``lookback_days`` below 0.
    DateRangeError, ConfigurationError, ApiError
        As :func:`dau_count`.

    Warns
    -----
    DataWarning
        As :func:`dau_count`.

    See Also
    --------
    plan : what it will cost. dau : the days themselves. user_activity : how much each did.

    Notes
    -----
    Analysis takes the look-back as days at the head of the data, and the oldest window may have
    been cut or empty. So tell it by the data, as in the example.

    Examples
    --------
    >>> from datetime import date
    >>> from augment_insights import Client, analysis, fetch
    >>> client = Client.sample(today="2026-03-10")
    >>> weekly = fetch.activity("2026-02-09", "2026-03-08", every="1w", lookback_days=180, client=client)
    >>> weekly.columns
    ['period_start', 'period_end', 'user', 'user_type', 'active_days']
    >>> lookback = (date(2026, 2, 9) - weekly["period_start"].min()).days
    >>> lookback
    180
    >>> analysis.lifecycle(weekly, every="1w", lookback=lookback)["period_start"].min()
    datetime.date(2026, 2, 9)
    """
    periods.check_every(every)
    with LocalData(client) as local:
        days = periods.resolve_range(start_date, end_date, now=local.client.now())
        lookback = periods.lookback_range(days, lookback_days, now=local.client.now())
        counts = local.counts(days, ask=True)
        plan = make_plan(local, tables.ACTIVITY.name, days, counts, every=every, lookback=lookback)
        announce(local.client, plan)
        pieces = activity_pieces(days, every, lookback)
        answers = plan.requests_to_send + plan.requests_cached - len(local.windows(tables.DAU_COUNT, days))
        with local.client.task("activity", answers, is_forecast=True):
            found, fetched = _gather(local, pieces, counts)
        warn_of_days(tables.ACTIVITY, days, fetched, now=local.client.now())
        summed = (  # of several spellings the first in the alphabet stays, which does not depend on the way
            pl.concat(found)
            .group_by("period_start", "period_end", tables.user_key())
            .agg(pl.col("user").min(), pl.col("user_type").first(), pl.col("active_days").sum())
        )
        return tables.ACTIVITY.sort(summed.select(tables.ACTIVITY.schema.names()))


def _table_by_day(
    table: Table, client: Client | None, start: date | str | None, end: date | str | None, day: date | str | None = None
) -> pl.DataFrame:
    """Return a table whose rows are of single days: what is archived of it, and the rest from the cache or the API."""
    with LocalData(client) as local:
        now, of_users = local.client.now(), "user" in table.columns
        days = (
            periods.resolve_days(day, start, end, now=now) if of_users else periods.resolve_range(start, end, now=now)
        )
        gaps = local.gaps(table, days)
        if of_users:
            fetched = _fetch_lists(local, table, days, gaps)
        else:
            fetched = _fetch_all(local, table, local.windows(table, days))
        warn_of_days(table, days, fetched, now=local.client.now())
        frame = table_frame(table, fetched)
        if not of_users:
            frame = fill_days(frame, table, days, fetched, now=local.client.now())
        return local.with_archived(table, frame, days, gaps)


def _fetch_all(local: LocalData, table: Table, spans: Sequence[DayRange]) -> list[Fetched]:
    with local.client.task(table.name, len(spans)):
        return [local.fetch(table, span) for span in spans]


def _fetch_lists(local: LocalData, table: Table, days: DayRange, gaps: Sequence[DayRange]) -> list[Fetched]:
    """Fetch the list of each day that is not archived, but for those on which nobody was active."""
    spans = [DayRange(day, day) for gap in gaps for day in gap]
    if not spans:
        return []
    counts = local.counts(days)
    if local.client.is_watched:
        announce(local.client, make_plan(local, table.name, days, counts))
    active = active_days(local, table, [span.start for span in spans], counts)
    idle = [span for span in spans if span not in active]
    per_user = RECORDS_PER_USER if table is tables.EDITOR_LANGUAGE else None
    pages = sum(answer_pages(table, list_rows(span.start, counts, per_user)[1]) for span in active)
    with local.client.task(table.name, pages, is_forecast=bool(counts)):
        fetched = [local.fetch(table, span) for span in active]
        if idle and local.exceed(table, counts, fetched):
            fetched += [local.fetch(table, span) for span in idle]
        else:
            local.keep_idle(table, [span.start for span in idle])
    return sorted(fetched, key=lambda answer: answer.asked)


# ---- Activity ----


def _gather(
    local: LocalData, pieces: Sequence[tuple[DayRange, DayRange]], counts: Counts
) -> tuple[list[pl.DataFrame], list[Fetched]]:
    """Fetch each piece by the way that is cheapest by what is known so far; return its rows, and all answers.

    Should the counts prove too low, the days that nobody was counted on are fetched too.
    """
    found: list[pl.DataFrame] = []
    fetched: list[Fetched] = []
    skipped: list[list[date]] = []
    for period, days in pieces:
        _, way = min(ways(local, days, counts), key=lambda found: found[0].to_send)
        found.append(_who(local, period, way, fetched))
        learn_turnover(local, days, counts, found[-1].select(tables.user_key().n_unique()).item())
        told = {day for _, span in way for day in span}
        skipped.append([day for day in days if day not in told])
    if not local.exceed(tables.DAU, counts, fetched):
        local.keep_idle(tables.DAU, chain.from_iterable(skipped))
        return found, fetched
    for (period, days), idle in zip(pieces, skipped, strict=True):
        lists: list[Answer] = [(tables.DAU, DayRange(day, day)) for day in idle]
        is_window = len(idle) == days.days > 1
        found.append(_who(local, period, [(tables.USER_ACTIVITY, days)] if is_window else lists, fetched))
    return found, fetched


def _who(local: LocalData, period: DayRange, way: list[Answer], fetched: list[Fetched]) -> pl.DataFrame:
    """Return who was active, by some lists and a window, in rows of a period; add what was fetched for it."""
    lists = [span for table, span in way if table is tables.DAU]
    kept = [span.start for span in lists if local.archived_rows(tables.DAU, span) is not None]
    asked = [local.fetch(tables.DAU, span) for span in lists if span.start not in kept]
    archived = local.read(tables.DAU, period).filter(pl.col("date").is_in(kept)) if kept else tables.DAU.empty()
    listed = pl.concat([table_frame(tables.DAU, asked), archived])
    parts = [
        listed.group_by(tables.user_key())
        .agg(pl.col("user").min(), pl.col("user_type").first(), active_days=pl.col("date").n_unique().cast(pl.Int64))
        .select(_IN_PIECE)
    ]
    for window in (span for table, span in way if table is tables.USER_ACTIVITY):
        if local.archived_rows(tables.USER_ACTIVITY, window) is not None:
            parts.append(local.read(tables.USER_ACTIVITY, window).select(_IN_PIECE))
        else:
            asked.append(local.fetch(tables.USER_ACTIVITY, window))
            parts.append(table_frame(tables.USER_ACTIVITY, asked[-1:]).select(_IN_PIECE))
    fetched += asked
    return pl.concat(parts).with_columns(period_start=pl.lit(period.start), period_end=pl.lit(period.end))


_IN_PIECE = ("user", "user_type", "active_days")
