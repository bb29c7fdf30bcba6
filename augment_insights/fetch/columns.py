"""From the API's messages to checked tables: columns at once, no row is ever a dictionary."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from augment_insights.archive.month import span_columns
from augment_insights.errors import DataWarning, TableError, plural, warn_reader
from augment_insights.metrics import METRICS
from augment_insights.periods import DayRange, last_published_day
from augment_insights.tables import USER_ACTIVITY, USER_TYPE, Table, user_key
from augment_insights.transport import messages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date


@dataclass(frozen=True)
class Fetched:
    """The pages that answer for one window of days.

    Attributes
    ----------
    asked : DayRange
        The days that were asked for.
    pages : list of messages.Page
        The API's answer, whole.
    """

    asked: DayRange
    pages: list[messages.Page]

    @property
    def answered(self) -> DayRange:
        """The days that the API says it answered for."""
        return DayRange(*self.pages[0].metadata.answered)

    @property
    def has_duplicates(self) -> bool:
        """Whether a row came twice: data that moved to another page meanwhile may have been left out, too."""
        names = ("date", "user_email", "service_account_name", "language", "editor")
        keys = Counter(tuple(getattr(row, name, None) for name in names) for row in self.rows)
        return keys.total() > len(keys)

    @property
    def rows(self) -> list[Any]:
        """All rows of all pages."""
        return [row for page in self.pages for row in page.rows]


def table_frame(table: Table, fetched: Sequence[Fetched]) -> pl.DataFrame:
    """Read the rows of answers into one of the five tables: checked dtypes, the table's order, no row twice.

    A row of counts or usage carries its own date, one of users the day answered for or the window asked for.
    """
    rows = [row for answer in fetched for row in answer.rows]
    if not rows:
        return table.empty()
    columns: dict[str, Any] = {}
    if table is USER_ACTIVITY:
        columns["period_start"] = _for_each_row([answer.asked.start for answer in fetched], fetched)
        columns["period_end"] = _for_each_row([answer.asked.end for answer in fetched], fetched)
    elif "user" in table.columns:
        columns["date"] = _for_each_row([answer.answered.start for answer in fetched], fetched)
    else:
        columns["date"] = [row.date for row in rows]
    for name in ("user_count", "active_days", "language", "editor"):
        if name in table.columns:
            columns[name] = list(map(attrgetter(name), rows))
    if "user" in table.columns:
        columns |= _user_columns(rows)
    if table.columns.keys() >= METRICS.keys():
        columns |= _metric_columns(rows)
    frame = pl.DataFrame({name: columns[name] for name in table.columns}, schema=table.schema)
    return table.sort(_without_duplicates(frame, table))


def unknown_days(pages: Sequence[messages.Page]) -> set[date]:
    """Return the days that an answer leaves out although it states more days than it lists: nobody knows of them."""
    listed = {row.date for page in pages for row in page.rows}
    metadata = pages[0].metadata
    stated = metadata.total_days if isinstance(metadata, messages.RangeMetadata) else None
    return set() if stated is None or len(listed) >= stated else set(DayRange(*metadata.answered)) - listed


def sum_windows(frame: pl.DataFrame, periods: Mapping[DayRange, DayRange]) -> pl.DataFrame:
    """Add the windows of each period up, to one row of USER_ACTIVITY a user and period.

    A metric is null where the API left it out in any window of the period: a sum of the rest would
    pass for the whole. Users are told apart by ``tables.user_key``, and named as in their first window.

    Parameters
    ----------
    frame : pl.DataFrame
        One row a user and window.
    periods : Mapping of DayRange to DayRange
        The period of each window; windows are disjoint, and each is within one period.

    Raises
    ------
    TableError
        A sum above what 64 bits hold: it would come out as another number.
    """
    mapped = pl.DataFrame(
        [(window.start, window.end, period.start, period.end) for window, period in periods.items()],
        schema=dict.fromkeys(("period_start", "period_end", "whole_start", "whole_end"), pl.Date),
        orient="row",
    )
    placed = USER_ACTIVITY.sort(frame).join(
        mapped, on=["period_start", "period_end"], how="inner", maintain_order="left"
    )
    wide = {name: pl.col(name).cast(pl.Int128).sum() for name in METRICS}
    metrics = [pl.when(pl.col(name).is_not_null().all()).then(total).alias(name) for name, total in wide.items()]
    summed = (
        placed.with_columns(period_start="whole_start", period_end="whole_end")
        .group_by("period_start", "period_end", user_key(), maintain_order=True)
        .agg(pl.col("user", "user_type").first(), pl.col("active_days").sum(), *metrics)
    )
    try:
        return USER_ACTIVITY.sort(summed.select(USER_ACTIVITY.schema.names()).cast(USER_ACTIVITY.schema))
    except pl.exceptions.InvalidOperationError as error:
        raise TableError(
            f"The windows of user_activity add up to more than 64 bits hold: {str(error).splitlines()[0]}.",
            table=USER_ACTIVITY.name,
            hint="the API's numbers cannot be true; look at single periods with every='1w'.",
        ) from error


def _for_each_row(days: list[date], fetched: Sequence[Fetched]) -> pl.Series:
    """Repeat the day of each answer for each of its rows."""
    once = pl.DataFrame(
        {"day": days, "rows": [len(answer.rows) for answer in fetched]}, schema={"day": pl.Date, "rows": pl.Int64}
    )
    return once.filter(pl.col("rows") > 0).select(pl.col("day").repeat_by("rows").explode()).to_series()


def _user_columns(rows: list[Any]) -> dict[str, pl.Series]:
    """Tell people from service accounts: an e-mail makes a person."""
    names = pl.DataFrame(
        {
            "email": list(map(attrgetter("user_email"), rows)),
            "service_account": list(map(attrgetter("service_account_name"), rows)),
        },
        schema={"email": pl.String, "service_account": pl.String},
    )
    is_person = pl.col("email").fill_null("") != ""
    kind = pl.when(is_person).then(pl.lit("person")).otherwise(pl.lit("service_account"))
    user = pl.when(is_person).then("email").otherwise("service_account")
    return names.select(user=user, user_type=kind.cast(USER_TYPE)).to_dict()


def _metric_columns(rows: list[Any]) -> dict[str, pl.Series]:
    """Lay the metrics of all rows end to end, and take every sixteenth: four times as fast as one by one."""
    names = messages.Metrics.__struct_fields__
    end_to_end = chain.from_iterable(map(msgspec.structs.astuple, map(attrgetter("metrics"), rows)))
    values = pl.Series(list(end_to_end), dtype=pl.Int64)
    return {name: values.gather_every(len(names), place) for place, name in enumerate(names)}


def _without_duplicates(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Keep the first of rows that name the same thing: a row that moved to another page comes twice."""
    key = [*table.key, "period_end"] if table is USER_ACTIVITY else list(table.key)
    unique = frame.unique(key, keep="first", maintain_order=True)
    dropped = frame.height - unique.height
    if dropped:
        warn_reader(
            f"{table.name}: {plural(dropped, 'duplicate row')} dropped, the first of each is kept. "
            "The data may have changed between two pages. Hint: fetch again to be sure."
        )
    return unique


def fill_days(
    frame: pl.DataFrame, table: Table, days: DayRange, fetched: Sequence[Fetched], *, now: datetime
) -> pl.DataFrame:
    """Give each day of the range its row: zeros for a published day that the API omits.

    A day that is not safely published yet has a row only if the API has something to say of it,
    and a warning either way. A day that the API did not answer for has none. A published day that it left out
    although it states more days than it lists is null, with a warning.
    """
    if not fetched:
        return table.empty()
    values = [name for name in table.columns if name != "date"]
    every_day = pl.DataFrame({"date": pl.date_range(days.start, days.end, eager=True)})
    answered = [window.answered for window in fetched]
    is_answered = pl.any_horizontal(*[pl.col("date").is_between(days.start, days.end) for days in answered])
    is_published = pl.col("date") <= last_published_day(now)
    is_asked = pl.col("date").is_between(days.start, days.end)
    strays = frame.filter(~(is_asked & is_answered))["date"].dt.to_string("iso").sort()
    if len(strays):  # what they counted is in no other row
        warn_reader(
            f"{table.name}: {plural(len(strays), 'row')} of days that were not asked for left out, the first of "
            f"{strays[0]}; asked for were {days}. Hint: compare with a fetch of another range."
        )
    joined = every_day.join(frame.with_columns(sent=True), on="date", how="left", maintain_order="left")
    says_something = pl.col("sent").fill_null(value=False) & pl.any_horizontal(pl.col(values) > 0)
    kept = joined.filter(is_answered & (is_published | says_something.fill_null(value=False)))
    unknown = set().union(*(unknown_days(window.pages) for window in fetched))
    is_unknown = pl.col("date").is_in(sorted(unknown)) & pl.col("sent").is_null()
    lost = kept.filter(is_unknown)["date"].dt.to_string("iso")
    if len(lost):
        warn_reader(
            f"{table.name}: the API states more days than it lists; {plural(len(lost), 'day')} without a number, the "
            f"first of them {lost[0]}, unknown and not 0. Hint: ask again tomorrow, or compare with another table."
        )
    is_idle = pl.col("sent").is_null() & ~is_unknown
    filled = kept.with_columns(pl.when(is_idle).then(0).otherwise(pl.col(values)).name.keep())
    return filled.select(table.schema.names())


def warn_of_days(table: Table, days: DayRange, fetched: Sequence[Fetched], *, now: datetime) -> None:
    """Say where the answer is of other days than asked, and which days are not safely published yet."""
    moved = [window for window in fetched if window.answered != window.asked]
    if moved:
        pairs = "; ".join(f"asked {window.asked}, answered {window.answered}" for window in moved[:3])
        more = f" and {len(moved) - 3} more" if len(moved) > 3 else ""  # noqa: PLR2004 (the three just named)
        warn_reader(
            f"{table.name}: the API answered for other days than asked: {pairs}{more}. "
            "The table has the days that were answered for."
        )
    published = last_published_day(now)
    if days.end > published:
        warn_reader(
            f"{table.name}: {days.end} is not safely published yet (the API publishes a day at about 02:00 UTC of the "
            "next); what there is of it is provisional, and a day without data is left out, not zero. "
            f"Hint: end at {published}, or ask again after 03:00 UTC."
        )


# ---- What may be kept for good ----

OLDEST_CACHED = timedelta(hours=24)
"""A cached answer may be this old."""


def generated_at(answer: Fetched, *, now: datetime) -> datetime:
    """Return when the API made an answer: its own word for it, else as long ago as the cache can reach.

    A cached answer is up to 24 hours old: a day that is settled now may not have been then.
    """
    try:
        moments = [datetime.fromisoformat(page.metadata.generated_at or "") for page in answer.pages]
        return min(now, *moments).astimezone(UTC)
    except (TypeError, ValueError):  # no moment, or one without a time zone
        return now - OLDEST_CACHED


def settled_rows(table: Table, answers: Sequence[Fetched], *, last: date) -> tuple[list[DayRange], pl.DataFrame]:
    """Return the settled days (or windows) that these answers are whole for, and their rows.

    Left out is an answer of other days than asked, and a day of which a row came twice: the data
    changed between two pages.
    """
    exact = [answer for answer in answers if answer.answered == answer.asked]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # the fetch itself warns
        frame = table_frame(table, exact)
        if "user" not in table.columns:
            return _settled_days(table, frame, exact, last=last)
    kept = frame.group_by(span_columns(table)).len()
    rows = {DayRange(span[0], span[-2]): span[-1] for span in kept.iter_rows()}
    whole = [answer for answer in exact if answer.asked.end <= last and len(answer.rows) == rows.get(answer.asked, 0)]
    return [answer.asked for answer in whole], frame


def _settled_days(
    table: Table, frame: pl.DataFrame, answers: Sequence[Fetched], *, last: date
) -> tuple[list[DayRange], pl.DataFrame]:
    unknown = set().union(*(unknown_days(answer.pages) for answer in answers))
    days = sorted({day for answer in answers for day in answer.asked if day <= last and day not in unknown})
    if not days:
        return [], table.empty()
    sent = Counter(row.date for answer in answers for row in answer.rows)
    end_of_last = datetime.combine(last + timedelta(days=2), datetime.min.time(), tzinfo=UTC)
    filled = fill_days(frame, table, DayRange(days[0], days[-1]), answers, now=end_of_last)
    return [DayRange(day, day) for day in days if sent[day] <= 1], filled
