"""Who was active in which period, learnt by the way that needs the fewest requests."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

import polars as pl

from augment_insights import tables
from augment_insights.fetch.archived import Archived
from augment_insights.fetch.columns import Fetched, user_frame, user_key, warn_of_days, window_frame
from augment_insights.fetch.counts import ask_counts
from augment_insights.fetch.pieces import activity_pieces, learn_from_stock, lookback_of, ways
from augment_insights.fetch.plan import announce, plan_pieces
from augment_insights.fetch.prices import Turnover, cheapest
from augment_insights.fetch.stock import Stock, lend, question
from augment_insights.periods import DayRange, Every, check_every, resolve_range
from augment_insights.transport import messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from augment_insights.fetch.counts import DailyCounts
    from augment_insights.fetch.pieces import Piece
    from augment_insights.fetch.prices import Way
    from augment_insights.transport import Client

_IN_PIECE = ("user", "user_type", "active_days")


def activity(
    start_date: date | str | None = None,
    end_date: date | str | None = None,
    *,
    every: Every = "1w",
    lookback_days: int | None = None,
    client: Client | None = None,
) -> pl.DataFrame:
    """Who was active in which period, at the least price?

    User lists day by day (250 users a request) and user-activity over the period (100 users a
    request) tell the same; which is cheaper depends on how alike the days are. The daily counts
    (one request for each 90 days) price the lists exactly, and the users of a period between
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
        Who asks; left out, one made from the environment.

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
    check_every(every)
    with lend(client) as asking:
        stock = Stock(asking)
        days = resolve_range(start_date, end_date, now=asking.now())
        lookback = lookback_of(days, lookback_days, now=asking.now())
        counts = ask_counts(stock, days)
        pieces = activity_pieces(stock, days, counts, every=every, lookback=lookback)
        plan = plan_pieces(stock, days, counts, pieces, every=every, lookback=lookback)
        announce(asking, plan)
        answers = plan.requests_to_send + plan.requests_cached - len(stock.count_windows(days))
        with asking.task("activity", answers, is_forecast=True), _Gathering(stock, counts) as gathering:
            gathering.take(pieces)
        warn_of_days(tables.ACTIVITY, days, [*gathering.lists, *gathering.totals], now=asking.now())
        return _table(gathering.found)


class _Gathering:
    """Fetches pieces, each by the way that is cheapest by what is known so far.

    Used as a context manager, it lets the archive keep what was fetched whatever ends it.
    """

    def __init__(self, stock: Stock, counts: DailyCounts) -> None:
        self.lists: list[Fetched] = []
        self.totals: list[Fetched] = []
        self.found: list[tuple[DayRange, pl.DataFrame]] = []
        self._stock = stock
        self._counts = counts
        self._turnover = Turnover()
        self._stack = ExitStack()
        self._kept_lists = self._stack.enter_context(Archived(stock.client, tables.DAU))
        self._kept_totals = self._stack.enter_context(Archived(stock.client, tables.USER_ACTIVITY))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def take(self, pieces: Sequence[Piece]) -> None:
        """Fetch all pieces, and the days that nobody was counted on should the counts prove too low."""
        learn_from_stock(self._stock, pieces, self._turnover)
        skipped: list[tuple[Piece, list[date]]] = []
        for piece in pieces:
            way = cheapest(ways(self._stock, piece, self._turnover, self._counts.known))
            self._learn(piece, self._take(piece, way))
            skipped.append((piece, [day for day in piece.idle_days if way.window is None or day not in way.window]))
        if not self._counts_fall_short():
            self._kept_lists.keep_idle([day for _, days in skipped for day in days])
            return
        for piece, days in skipped:
            is_window = len(days) > 1 and len(days) == piece.days.days
            found = self._in_window(piece.days) if is_window else self._in_lists(days)
            self.found.append((piece.period, found))

    def _take(self, piece: Piece, way: Way) -> pl.DataFrame:
        parts = [self._in_lists(way.lists)]
        if way.window is not None:
            parts.append(self._in_window(way.window))
        found = pl.concat(parts)
        self.found.append((piece.period, found))
        return found

    def _learn(self, piece: Piece, found: pl.DataFrame) -> None:
        users = found.select(pl.struct("user_type", user_key()).n_unique()).item()
        self._turnover.learn(piece.counts, users)

    def _in_lists(self, days: Iterable[date]) -> pl.DataFrame:
        """Return who is on the lists of some days, and on how many of them."""
        spans = [DayRange(day, day) for day in days]
        kept = [span for span in spans if self._stock.archived_rows(messages.DAU, span) is not None]
        asked = [self._ask(messages.DAU, span, self._kept_lists) for span in spans if span not in kept]
        self.lists += asked
        listed = pl.concat([user_frame(tables.DAU, asked), self._stock.archived_days(messages.DAU, kept)])
        return (
            listed.group_by("user_type", user_key().alias("key"))
            .agg(pl.col("user").min(), active_days=pl.col("date").n_unique().cast(pl.Int64))
            .select(_IN_PIECE)
        )

    def _in_window(self, window: DayRange) -> pl.DataFrame:
        """Return who was active in a window, and on how many days of it."""
        if self._stock.archived_rows(messages.USER_ACTIVITY, window) is not None:
            return self._stock.archived(messages.USER_ACTIVITY, window).select(_IN_PIECE)
        answer = self._ask(messages.USER_ACTIVITY, window, self._kept_totals)
        self.totals.append(answer)
        return window_frame(tables.USER_ACTIVITY, [answer]).select(_IN_PIECE)

    def _ask(self, endpoint: messages.Endpoint, days: DayRange, archived: Archived) -> Fetched:
        return archived.keep(Fetched(days, self._stock.client.pages(endpoint, **question(endpoint, days))))

    def _counts_fall_short(self) -> bool:
        """Tell whether more activity came than was counted: then days without a count prove nothing."""
        if self._counts.fall_short(self.lists):
            return True
        for answer in self.totals:
            counted = [count for count in self._counts.of(answer.asked) if count is not None]
            user_days = sum(row.active_days for row in answer.rows)
            if len(counted) == answer.asked.days and user_days > sum(counted):
                return True
        return False


def _table(found: Sequence[tuple[DayRange, pl.DataFrame]]) -> pl.DataFrame:
    """Put the pieces together, one row a user and period.

    Users are told apart without regard to case; of several spellings the first in the alphabet
    stays, which does not depend on the way.
    """
    placed = [
        frame.with_columns(period_start=pl.lit(period.start), period_end=pl.lit(period.end)) for period, frame in found
    ]
    summed = (
        pl.concat([tables.ACTIVITY.empty().select(*_IN_PIECE, "period_start", "period_end"), *placed])
        .group_by("period_start", "period_end", "user_type", user_key().alias("key"))
        .agg(pl.col("user").min(), pl.col("active_days").sum())
    )
    return tables.ACTIVITY.sort(summed.select(tables.ACTIVITY.schema.names()))
