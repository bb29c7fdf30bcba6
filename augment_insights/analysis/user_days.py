"""One table of activity, put in order once: each user's days, and the gap before each.

Nearly every question about activity over time is answered by two facts of a user's active day:
how long ago the user was last active, and when the user was first active.

* A day is the user's first of its week (month, ...) when the gap reaches back before the week.
  So weekly actives, lifecycles and cohorts are sums of days: nothing distinct is left to count.
* A day counts in a trailing window until the window has passed, or until the user's next day
  takes over. So rolling counts of any length are cumulative sums.

Finding the two facts costs one sort. Users are compared by a hash, so that a name of 30 letters
is read once and a day of a user is one integer: sorting integers is all the work there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from augment_insights.analysis._population import (
    ACTIVITY,
    as_columns,
    check_user_type,
    data_span,
    is_complete,
    period_end,
    period_start,
    row_days,
    select_users,
    user_key,
)
from augment_insights.errors import TableError
from augment_insights.periods import check_every, parse_day
from augment_insights.tables import columns_of, require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from augment_insights.analysis._population import Span
    from augment_insights.periods import Every
    from augment_insights.tables import Table

# A day of a user as one 128-bit integer, so that one sort of integers orders groups, then users, then days:
#   group (23 bits) | automation or person (1) | hash of the name (87) | day since the frame's first (16)
# With 87 bits, two of a million users share a hash with a chance of 3e-15.
_DAY_SPAN = 1 << 16
_LOW_HASH_SPAN = 1 << 24
_HASH_SHIFT = 1 << 40
_AUTOMATION = 1 << 103
_GROUP = 1 << 104

_EPOCH = date(1970, 1, 1).toordinal()


class UserDays:
    """A table of activity that has been looked over, and is put in order once for many questions.

    Made by :func:`prepare`. Every function of activity over time takes it in place of the frame.

    Attributes
    ----------
    activity : DataFrame or LazyFrame
        The frame as it was given; do not change it in place after this.
    span : Span or None
        Its first and last day, whoever was active; None when it has no rows.
    is_daily : bool
        Whether each row is one day (and not a week or another period).
    """

    def __init__(self, activity: pl.DataFrame | pl.LazyFrame) -> None:
        require(columns_of(activity), ("user", "user_type"), table=ACTIVITY)
        self.activity = activity
        self.span: Span | None = data_span(activity)
        start, end = row_days(activity)
        self.is_daily: bool = (
            "date" in columns_of(activity) or activity.lazy().select((start == end).all()).collect().item()
        )
        self._orders: dict[tuple[object, ...], OrderedDays] = {}

    def __repr__(self) -> str:
        days = "no days" if self.span is None else f"{self.span.first} to {self.span.last}"
        return f"UserDays({days})"

    def last_day(self, as_of: date | str | None) -> date | None:
        """Return the last day of the data: ``as_of``, or else the frame's last day."""
        if as_of is not None:
            return parse_day(as_of, name="as_of")
        return None if self.span is None else self.span.last

    def require_daily(self, question: str) -> None:
        """Refuse rows of weeks or months where single days are asked for."""
        if not self.is_daily:
            raise TableError(
                f"{question} needs one row a user and day, and this frame has rows that span several days.",
                table=ACTIVITY,
                hint="fetch days: fetch.dau(start_date=..., end_date=...), or fetch.user_activity(..., every='1d').",
            )

    def ordered(
        self, *, user_type: str, as_of: date | str | None, by: str | Sequence[str] | None = None, table: Table
    ) -> OrderedDays:
        """Return the days of the users asked for in order, from the last time if that is known."""
        check_user_type(user_type)
        columns = as_columns(by, self.activity, reserved=table.columns)
        last = self.last_day(as_of)
        key = (user_type, last, *columns)
        if key not in self._orders:
            self._orders[key] = _order(self, user_type=user_type, last=last, by=columns)
        return self._orders[key]

    def first_days(self, *, user_type: str, as_of: date | str | None) -> pl.DataFrame:
        """Return ``user_key`` and ``first_day`` of each user, for questions that need the names."""
        last = self.last_day(as_of)
        _, end = row_days(self.activity)
        return (
            select_users(self.activity, user_type)
            .filter(end <= pl.lit(last, dtype=pl.Date))
            .group_by(user_key())
            .agg(first_day=end.min())
            .sort("user_key")
            .collect()
        )


def prepare(activity: pl.DataFrame | pl.LazyFrame | UserDays) -> UserDays:
    """Ask several questions of one table: which days was each user active, and after what gap?

    Retention, lifecycle and trailing windows all read the same order of users and days. Prepared
    once, the three together cost little more than one of them.

    Parameters
    ----------
    activity : DataFrame or LazyFrame
        ``user``, ``user_type``, and ``date`` or ``period_start`` with ``period_end``. The frame
        is not copied: leave it as it is while the answer is in use. A LazyFrame is collected
        once for each choice of users and groups, the columns that are needed only.

    Returns
    -------
    UserDays
        To be given to the functions in place of ``activity``; each keeps its own ``user_type``,
        ``as_of`` and ``by``, and what was ordered for one serves the next.

    Raises
    ------
    TableError
        A column is missing or of another dtype.

    See Also
    --------
    active_users, rolling_active_users, lifecycle, cohort_retention

    Examples
    --------
    >>> from datetime import date
    >>> from augment_insights import analysis
    >>> activity = pl.DataFrame(
    ...     {"date": [date(2026, 1, 5), date(2026, 1, 6)], "user": ["ada@x.io"] * 2, "user_type": ["person"] * 2}
    ... )
    >>> days = analysis.prepare(activity)
    >>> days
    UserDays(2026-01-05 to 2026-01-06)
    >>> analysis.active_users(days)["active_users"].to_list()
    [1, 1]
    """
    return activity if isinstance(activity, UserDays) else UserDays(activity)


@dataclass(eq=False)
class OrderedDays:
    """The active days of some users in order of group, user and day.

    Attributes
    ----------
    source : UserDays
        Where they come from.
    by : list of str
        The columns that make the groups; a user is followed in each group apart.
    groups : DataFrame
        ``group`` (its number) and the ``by`` columns, in the order of the numbers; one group and
        no other column when nothing is grouped by.
    days : DataFrame
        One row a user and active day: ``group``, ``day`` (days since the frame's first),
        ``gap`` (days since the user's last active day; null on the first) and ``first``
        (the user's first day).
    last : date or None
        The last day of the data.
    """

    source: UserDays
    by: list[str]
    groups: pl.DataFrame
    days: pl.DataFrame
    last: date | None

    @property
    def first(self) -> date | None:
        """The frame's first day."""
        return None if self.source.span is None else self.source.span.first

    @cached_property
    def gaps(self) -> pl.DataFrame:
        """How many users were active on a ``day`` after what ``gap``: ``group, day, gap, users``.

        A table of at most groups x days x gaps, whatever the number of users.
        """
        return self.count(self.days.lazy(), "day", "gap")

    def count(self, rows: pl.LazyFrame, left: str, right: str) -> pl.DataFrame:
        """Count rows by group and two columns of days; a null on the right stays null.

        Counting one packed integer is several times cheaper than grouping by three columns.
        """
        packed = pl.col(left).cast(pl.Int64) * _DAY_SPAN + pl.col(right).fill_null(-1) + 1
        if self.by:
            packed += pl.col("group").cast(pl.Int64) * (_DAY_SPAN * _DAY_SPAN)
        rest = pl.col("packed") % (_DAY_SPAN * _DAY_SPAN)
        value = rest % _DAY_SPAN - 1
        return (
            rows.select(packed=packed)
            .select(pl.col("packed").value_counts(name="users"))
            .unnest("packed")
            .select(
                group=(pl.col("packed") // (_DAY_SPAN * _DAY_SPAN)).cast(pl.UInt32),
                **{left: (rest // _DAY_SPAN).cast(pl.Int32)},
                **{right: pl.when(value >= 0).then(value).cast(pl.Int32)},
                users=pl.col("users").cast(pl.Int64),
            )
            .sort("group", left, right)
            .collect()
        )

    def calendar(self, every: Every = "1d", lookback: int | None = None) -> pl.DataFrame:
        """Return one row a day of the data, and the period it counts in.

        Returns
        -------
        DataFrame
            ``day`` (days since the first), ``date``, ``label`` (number of the period: 0 is the
            first that is shown, below 0 are the look-back's), ``period_start`` (the whole
            calendar period's) and ``begin`` (``day`` on which the label begins).

        Notes
        -----
        A look-back may end within a period. Its days then count to the period before, and the
        period is shown from there on, as it would be if the data began there.
        """
        check_every(every)
        border = _check_lookback(lookback)
        if self.first is None or self.last is None or self.last < self.first:
            days = pl.DataFrame(schema={"date": pl.Date})
        else:
            days = pl.DataFrame({"date": pl.date_range(self.first, self.last, "1d", eager=True)})
        days = days.with_row_index("day").select(
            pl.col("day").cast(pl.Int32), "date", period_start=period_start(pl.col("date"), every)
        )
        shown = pl.col("day") >= border
        before = period_start(pl.col("date").filter(shown).min(), every).dt.offset_by(f"-{every}")
        return days.with_columns(
            pl.when(shown).then("period_start").otherwise(pl.min_horizontal("period_start", before))
        ).select(
            "day",
            "date",
            (
                pl.col("period_start").rank("dense").cast(pl.Int32)
                - pl.col("period_start").filter(~shown).n_unique().cast(pl.Int32)
                - 1
            ).alias("label"),
            "period_start",
            pl.col("day").min().over("period_start").alias("begin"),
        )

    def periods(self, every: Every, lookback: int | None = None) -> pl.DataFrame:
        """Return the periods that are shown: ``label, period_start, period_end, is_complete``."""
        start = pl.col("period_start")
        return (
            self.calendar(every, lookback)
            .filter(pl.col("label") >= 0)
            .select("label", "period_start")
            .unique()
            .sort("label")
            .with_columns(period_end=period_end(start, every), is_complete=is_complete(start, every, self.last))
        )

    def check_fits(self, every: Every, lookback: int | None = None) -> None:
        """Refuse rows that span a border of the periods asked for, unless they only look back."""
        if self.source.is_daily or self.first is None:
            return
        start, end = row_days(self.source.activity)
        astray = (
            self.source.activity.lazy()
            .filter(
                period_start(start, every) != period_start(end, every),
                end >= pl.lit(self.first).dt.offset_by(f"{_check_lookback(lookback)}d"),
            )
            .select(start=start, end=end)
            .sort("start", "end")
            .head(1)
            .collect()
        )
        if astray.height:
            from_day, to_day = astray.row(0)
            raise TableError(
                f"every={every!r} cannot be answered from a row that spans {from_day} to {to_day}: "
                f"nobody knows on which side of a border the activity was.",
                table=ACTIVITY,
                hint=f"fetch finer rows: fetch.user_activity(..., every={every!r}), or days with fetch.dau(...).",
            )

    def grid(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Repeat rows for each group, so that a group without activity is a zero and not a gap."""
        return self.groups.select("group").join(rows, how="cross")

    def as_table(self, frame: pl.DataFrame, table: Table, *, before: str) -> pl.DataFrame:
        """Return the columns of a table in order, the groups just before the first count, rows sorted."""
        names = list(table.columns)
        at = names.index(before)
        named = frame.join(self.groups, on="group", how="left", maintain_order="left") if self.by else frame
        groups = {name: self.groups.schema[name] for name in self.by}
        dtypes = {name: table.schema[name] for name in names}
        ordered = {**{n: dtypes[n] for n in names[:at]}, **groups, **{n: dtypes[n] for n in names[at:]}}
        keys = [*(name for name in table.key if name in names[:at]), "group"]
        return named.sort(keys).select(pl.col(name).cast(dtype) for name, dtype in ordered.items())


def first_of_period(begin: pl.Expr) -> pl.Expr:
    """Tell of each active day whether it is the user's first since the day on which its period began."""
    return pl.col("gap").is_null() | (pl.col("gap") > pl.col("day") - begin)


def check_days(name: str, days: int, *, least: int = 1) -> int:
    """Return a number of days (or periods), and refuse what is none."""
    if isinstance(days, bool) or not isinstance(days, int) or days < least:
        raise ValueError(f"{name}={days!r} is not a whole number from {least} on. Hint: {name}=28, for example.")
    return days


def _check_lookback(lookback: int | None) -> int:
    """Return the days of a look-back, 0 for none."""
    return 0 if lookback is None else check_days("lookback", lookback, least=0)


def _order(source: UserDays, *, user_type: str, last: date | None, by: list[str]) -> OrderedDays:
    """Sort each user's days and find the gap before each."""
    _, end = row_days(source.activity)
    first = source.span.first if source.span is not None else None
    if first is not None and source.span is not None and (source.span.last - first).days >= _DAY_SPAN:
        raise TableError(
            f"The frame spans {first} to {source.span.last}.", table=ACTIVITY, hint="one of these days is a mistake."
        )
    needed = list(dict.fromkeys(["user", "user_type", end.meta.output_name(), *by]))
    rows = select_users(source.activity.lazy().select(needed), user_type).filter(end <= pl.lit(last, dtype=pl.Date))
    groups = pl.DataFrame({"group": [0]}, schema={"group": pl.UInt32})
    if by:
        groups = rows.select(by).unique().sort(by, nulls_last=True).with_row_index("group").collect()
        rows = rows.join(groups.lazy(), on=by, how="left", nulls_equal=True)
    day = end.to_physical() - (0 if first is None else first.toordinal() - _EPOCH)
    return OrderedDays(source, by, groups, _gaps(rows, day, user_type=user_type, grouped=bool(by)), last)


def _gaps(rows: pl.LazyFrame, day: pl.Expr, *, user_type: str, grouped: bool) -> pl.DataFrame:
    """Return ``group, day, gap, first`` of rows in any order; a row that comes twice counts once."""
    packed = (
        rows.select(_packed(day, user_type=user_type, grouped=grouped)).collect().to_series().sort(multithreaded=False)
    )
    found = pl.col("packed").cast(pl.UInt16, wrap_numerical=True).cast(pl.Int32)
    step = pl.col("packed").diff()
    group = (pl.col("packed") // pl.lit(_GROUP, dtype=pl.Int128)).cast(pl.UInt32) if grouped else pl.lit(0, pl.UInt32)
    # The integers of one user differ by the days between them; those of two users by at least the
    # span of a day more or less: so a step equal to the days between is the same user's.
    return (
        packed.to_frame()
        .lazy()
        .select(group=group, day=found, step=step)
        .filter((pl.col("step") != 0).fill_null(value=True))
        .with_columns(gap=pl.col("day").diff())
        .with_columns(gap=pl.when(pl.col("gap").cast(pl.Int128) == pl.col("step")).then("gap"))
        .select("group", "day", "gap", first=pl.when(pl.col("gap").is_null()).then("day").forward_fill())
        .collect()
    )


def _packed(day: pl.Expr, *, user_type: str, grouped: bool) -> pl.Expr:
    """Return a row's group, user and day as one integer (see the bits above)."""
    name = pl.col("user").cast(pl.String)
    person = pl.col("user_type").cast(pl.String) == "person"
    lowered = name.str.to_lowercase()
    key = {"person": lowered, "service_account": name}.get(user_type, pl.when(person).then(lowered).otherwise(name))
    high = (key.hash(1) // 2).cast(pl.Int128) * _HASH_SHIFT
    low = (key.hash(2) % _LOW_HASH_SPAN).cast(pl.Int128) * _DAY_SPAN
    packed = high + low + day.cast(pl.Int128)
    if user_type == "all":
        packed += pl.when(person).then(pl.lit(0, pl.Int128)).otherwise(pl.lit(_AUTOMATION, pl.Int128))
    if grouped:
        packed += pl.col("group").cast(pl.Int128) * pl.lit(_GROUP, pl.Int128)
    return packed.alias("packed")
