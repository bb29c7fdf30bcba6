"""What charts have in common: the words around them, the rows they keep, and how time is marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from augment_insights.charts import marks
from augment_insights.charts.theme import CATEGORIES, HEIGHT, load_altair
from augment_insights.errors import TableError
from augment_insights.periods import Every, calendar_period, check_every, parse_day
from augment_insights.tables import columns_of, require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    import altair as alt

ADJECTIVE = {"1d": "Daily", "1w": "Weekly", "1mo": "Monthly", "1q": "Quarterly"}
NOUN = {"1d": "day", "1w": "week", "1mo": "month", "1q": "quarter"}

MAX_LINES = len(CATEGORIES)
"""More lines than colours cannot be told apart."""

MAX_ROWS = 40
"""More rows than this do not fit on a page."""

# strftime would follow the machine's language.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_TICKS = 9
_HALF_PERCENT = 0.005
_WEEK = 7
_MOST_DAYS = 3 * _WEEK


def day_text(day: date) -> str:
    """Write a day so that no country misreads it.

    Examples
    --------
    >>> from datetime import date
    >>> day_text(date(2026, 3, 1))
    '1 Mar 2026'
    """
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def share_text(share: float) -> str:
    """Write a share in per cent, so that little is not read as nothing.

    Examples
    --------
    >>> share_text(0.354), share_text(0.002), share_text(0.0)
    ('35%', '<1%', '0%')
    """
    return "<1%" if 0 < share < _HALF_PERCENT else f"{share:.0%}"


def subtitle(*, population: str, data_to: date | None, sample: bool, note: str = "") -> str:
    """Return the line under a title: who is counted, to which day, whether they are real, and any note.

    Examples
    --------
    >>> from datetime import date
    >>> subtitle(population="people", data_to=date(2026, 3, 1), sample=True)
    'people · data to 1 Mar 2026 · sample data'
    """
    dated = f"data to {day_text(data_to)}" if data_to else ""
    return " · ".join(part for part in (population, dated, "sample data" if sample else "", note) if part)


def title(text: str, line: str) -> alt.TitleParams:
    """Return a chart's title with its subtitle."""
    import altair as alt  # noqa: PLC0415 (see load_altair)

    return alt.Title(text, subtitle=line)


def keep(table: pl.DataFrame | pl.LazyFrame, needed: Sequence[str], *, name: str) -> pl.DataFrame:
    """Check that a table has what its chart draws, and make its numbers fit for JSON.

    A NaN or an infinity would make the whole chart vanish without a message: they become null.
    """
    schema = columns_of(table)
    require(schema, tuple(needed), table=name)
    floats = [column for column in needed if schema[column].is_float()]
    finite = [pl.when(pl.col(column).is_finite()).then(pl.col(column)).alias(column) for column in floats]
    return table.lazy().with_columns(finite).collect()


def with_optional(
    table: pl.DataFrame | pl.LazyFrame, needed: Sequence[str], optional: Sequence[str]
) -> tuple[str, ...]:
    """Return the columns to draw: all that are needed, and the optional ones if the table has any of them."""
    present = columns_of(table)
    return (*needed, *(optional if any(name in present for name in optional) else ()))


def refuse_repeats(frame: pl.DataFrame, keys: Sequence[str], *, table: str) -> None:
    """Raise a TableError when marks would lie on one another: rows that the chart cannot tell apart."""
    if frame.select(pl.struct(keys).is_duplicated().any()).item():
        raise TableError(
            f"The chart {table} draws one row a {' and '.join(keys)}, and this table has several.",
            table=table,
            hint="filter it to one group, and draw a chart for each.",
        )


def with_group(frame: pl.DataFrame, known: Sequence[str]) -> pl.DataFrame:
    """Add the column ``group``: the row's values in the columns that a table was grouped by, or null.

    A table's own columns are known; text columns beside them are what it was grouped by.
    """
    by = _grouped_by(frame, known)
    if not by:
        return frame.with_columns(pl.lit(None, dtype=pl.String).alias("group"))
    words = [pl.col(name).cast(pl.String).fill_null("(none)") for name in by]
    return frame.with_columns(pl.concat_str(words, separator=" · ").alias("group"))


def by_words(frame: pl.DataFrame, known: Sequence[str]) -> str:
    """Return what a table was grouped by, as the end of a title.

    Examples
    --------
    >>> by_words(pl.DataFrame({"team": ["Payments"], "user_type": ["person"], "users": [3]}), ("users",))
    ' by team and user type'
    """
    by = " and ".join(name.replace("_", " ") for name in _grouped_by(frame, known))
    return f" by {by}" if by else ""


def _grouped_by(frame: pl.DataFrame, known: Sequence[str]) -> list[str]:
    text = (pl.String, pl.Categorical, pl.Enum)
    return [name for name, dtype in frame.schema.items() if name not in known and isinstance(dtype, text)]


def distinct(column: str) -> pl.Expr:
    """Return labels that differ from one another, so that no two rows of a chart fall into one."""
    again = pl.int_range(pl.len()).over(column)
    number = pl.format("{} ({})", column, again + 1)
    return pl.when(again > 0).then(number).otherwise(column).alias(column)


def largest_groups(frame: pl.DataFrame, *, size: str, most: int) -> tuple[pl.DataFrame, str]:
    """Keep the groups with most of ``size`` when there are too many to draw, and say so."""
    totals = frame.group_by("group").agg(pl.col(size).sum()).sort(size, "group", descending=[True, False])
    if totals.height <= most:
        return frame, ""
    kept = frame.join(totals.head(most), on="group", how="semi")
    return kept, f"the {most} largest of {totals.height} groups"


def checked(every: str | None) -> Every | None:
    """Return a calendar period as told, or an error that names the known ones."""
    return None if every is None else check_every(every)


def latest(frame: pl.DataFrame, *, most: int) -> tuple[pl.DataFrame, str]:
    """Keep the last periods when there are more bars than a page carries, and say so."""
    starts = frame["period_start"].unique().drop_nulls().sort()
    if starts.len() <= most:
        return frame, ""
    return frame.filter(pl.col("period_start") >= starts[-most]), f"the last {most} of {starts.len()} periods"


def infer_every(starts: pl.Series, every: str | None = None) -> Every | None:
    """Return the calendar period that rows stand for: as told, else as their first days betray it.

    Examples
    --------
    >>> from datetime import date
    >>> infer_every(pl.Series([date(2026, 1, 5), date(2026, 1, 19)]))
    '1w'
    >>> infer_every(pl.Series([date(2026, 1, 5)])) is None
    True
    """
    if every is not None:
        return checked(every)
    days = starts.drop_nulls().unique().sort()
    gaps = days.diff().dt.total_days().drop_nulls()
    if gaps.is_empty():
        return None
    if (gaps % _WEEK == 0).all() and (days.dt.weekday() == 1).all():
        return "1w"
    if (days.dt.day() == 1).all():
        quarters = (days.dt.month() % 3 == 1).all()
        return "1q" if quarters else "1mo"
    return "1d"


def last_day(start: date, every: Every | None) -> date:
    """Return the last day of the period that starts on a day; a period of unknown length is that day."""
    return calendar_period(start, every or "1d").end


def period_ends(starts: pl.Series, every: Every | None) -> pl.DataFrame:
    """Return each ``period_start`` once, with ``next_start``: where a bar that fills its period ends."""
    once = starts.drop_nulls().unique().sort()
    ends = pl.Series("next_start", [last_day(start, every) for start in once], dtype=pl.Date)  # a few hundred days
    return pl.DataFrame({"period_start": once, "next_start": ends.dt.offset_by("1d")})


def mark_incomplete(
    frame: pl.DataFrame,
    value: str,
    *,
    time: str = "period_start",
    line: Sequence[str] = ("group",),
    words: str = "not over yet",
) -> pl.DataFrame:
    """Add what draws a line whose unfinished periods are dashed and open.

    ``solid`` holds the value of complete periods, ``open`` that of the others, and ``dashed`` that
    of the others and of their neighbours, so that the dashes reach from the last full point on, or
    up to the first. ``line`` names the columns that tell one line from another.
    """
    complete = pl.col("is_complete")
    before, after = (complete.shift(step, fill_value=True).over(line) for step in (1, -1))
    beside = ~before | ~after
    return frame.sort(*line, time).with_columns(
        pl.when(complete).then(pl.col(value)).alias("solid"),
        pl.when(~complete).then(pl.col(value)).alias("open"),
        pl.when(~complete | beside).then(pl.col(value)).alias("dashed"),
        pl.when(complete).then(pl.lit("complete")).otherwise(pl.lit(words)).alias("state"),
    )


def time_axis(starts: pl.Series, every: Every | None, *, time: str = "period_start") -> alt.X:
    """Return the x encoding of ``time``, days or first days of periods: ticks stand on them, never between."""
    import altair as alt  # noqa: PLC0415 (see load_altair)

    days = starts.drop_nulls().unique().sort()
    # Days of a month or more are read by their weeks: a tick stands on a Monday, as a week's point does.
    by_week = every == "1d" and days.len() > _MOST_DAYS
    named = days.filter(days.dt.weekday() == 1) if by_week else days
    ticks = named.gather_every(-(-named.len() // _TICKS)).to_list()
    year = days.dt.year().n_unique() > 1 or every in ("1mo", "1q")
    form = "%b %Y" if every in ("1mo", "1q") else ("%-d %b %Y" if year else "%-d %b")
    # Dates travel without a zone and are read back in the reader's: they stay the same day everywhere.
    values = [alt.DateTime(year=day.year, month=day.month, date=day.day) for day in ticks]
    word = NOUN.get(every or "", "period")
    name = "Day (UTC)" if every == "1d" else f"First day of the {word} (UTC)"
    return alt.X(f"{time}:T", axis=alt.Axis(title=name, format=form, values=values, labelOverlap=True))


def group_color(frame: pl.DataFrame) -> dict[str, Any]:
    """Return the colour encoding of groups, or none for a table without them."""
    if frame["group"].null_count() == frame.height:
        return {}
    return {"color": marks.series_color(frame["group"].unique().sort().to_list(), column="group")}


def no_data(heading: str, line: str, *, width: int) -> alt.LayerChart:
    """Return the chart of an empty table: its title, and the words that say so."""
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    words = alt.Chart(pl.DataFrame({"words": ["No data"]})).mark_text(fontSize=16).encode(text="words:N")
    return alt.LayerChart(layer=[words]).properties(
        title=title(heading, line), width=width, height=HEIGHT // 2, description=f"{heading}: no data."
    )


def as_day(as_of: date | str | None) -> date | None:
    """Read the last day of the data, if it is given."""
    return None if as_of is None else parse_day(as_of, name="as_of")
