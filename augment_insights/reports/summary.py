"""What a report says in plain words: what moved, by how much, and what cannot be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import polars.selectors as cs

from augment_insights.errors import TableError
from augment_insights.periods import NOUN, Every, check_every, day_text
from augment_insights.tables import COMPARISON, columns_of, require

if TYPE_CHECKING:
    from collections.abc import Sequence

_POINTS = 100


def change_in_words(
    comparison: pl.DataFrame, *, what: str, than: str, by: str | Sequence[str] | None = None
) -> list[str]:
    """Say which rates moved, by how much, and of which it cannot be told.

    Each sentence follows its verdict: a rate is called higher or lower only where the 95 % confidence interval of
    the difference leaves out zero. Where it does not, the sentence says so and gives no direction.

    Parameters
    ----------
    comparison : DataFrame
        From :func:`augment_insights.analysis.compare`, which takes complete periods only.
    what : str
        The rate's name, such as ``"Acceptance"``.
    than : str
        What the earlier time is called, such as ``"the 4 weeks before"``.
    by : str or sequence of str, optional
        The columns that name the groups.

    Returns
    -------
    list of str
        A sentence a row, in the rows' order; none of a row without a value on both sides and
        a single sentence where there is no row at all.

    Raises
    ------
    TableError
        A column of COMPARISON is missing, or one of ``by``.

    See Also
    --------
    count_in_words : for counts.

    Examples
    --------
    >>> row = {"metric": "acceptance_rate", "before": 0.281, "after": 0.312, "difference": 0.031,
    ...     "difference_low": 0.012, "difference_high": 0.05, "verdict": "higher"}
    >>> sentences = change_in_words(pl.DataFrame([row]), what="Acceptance", than="the 4 weeks before")
    >>> print(sentences[0])
    Acceptance was 31.2%, higher than the 4 weeks before (28.1%): by 3.1 points, and between 1.2 and 5.0 for all we
    know.
    """
    groups = [by] if isinstance(by, str) else list(by or [])
    require(columns_of(comparison), (*COMPARISON.columns, *groups), table=COMPARISON.name)
    if comparison.is_empty():
        return [f"{what}: no data to compare with {than}."]
    rows = comparison.with_columns(cs.float().fill_nan(None)).iter_rows(named=True)
    return [_change_sentence(row, what=what, than=than, groups=groups) for row in rows]


def _change_sentence(row: dict[str, Any], *, what: str, than: str, groups: list[str]) -> str:
    """Say one comparison."""
    named = " · ".join("(none)" if row[name] is None else str(row[name]) for name in groups)
    subject = f"{what} of {named}" if named else what
    before, after = row["before"], row["after"]
    if before is None or after is None:
        side = "now" if after is None else f"of {than}"
        return f"{subject}: it cannot be told whether it moved, as there is no data {side}."
    if row["difference_low"] is None or row["difference_high"] is None:
        return (
            f"{subject} was {after:.1%} after {before:.1%} in {than}: too few people to tell whether that is a change."
        )
    low, high = sorted((abs(row["difference_low"]), abs(row["difference_high"])))
    if row["verdict"] == "cannot tell":
        reach = f"{row['difference_low'] * _POINTS:+.1f} to {row['difference_high'] * _POINTS:+.1f} points"
        return (
            f"{subject} was {after:.1%} after {before:.1%} in {than}; whether it moved cannot be told "
            f"(anything from {reach} fits)."
        )
    return (
        f"{subject} was {after:.1%}, {row['verdict']} than {than} ({before:.1%}): by "
        f"{abs(row['difference']) * _POINTS:.1f} points, and between {low * _POINTS:.1f} and {high * _POINTS:.1f} "
        "for all we know."
    )


def count_in_words(table: pl.DataFrame, count: str, *, what: str, every: str) -> list[str]:
    """Say how large a count was in the last complete period, and how that stands to the one before.

    Counts of users are complete counts and no estimates: their difference is told as it is.

    Parameters
    ----------
    table : DataFrame
        One row a period: ``period_start``, the count, and ``is_complete`` where periods may not be over.
    count : str
        The column.
    what : str
        Who is counted, as the middle of a sentence, such as ``"people were active"``.
    every : {"1d", "1w", "1mo", "1q"}
        The calendar period.

    Returns
    -------
    list of str
        One sentence.

    Raises
    ------
    TableError
        A column is missing, or a period has several rows.

    See Also
    --------
    change_in_words : for rates, with what cannot be told.

    Examples
    --------
    >>> from datetime import date
    >>> weeks = pl.DataFrame({"period_start": [date(2026, 3, 2), date(2026, 3, 9)], "active_users": [84, 87]})
    >>> count_in_words(weeks, "active_users", what="people were active", every="1w")
    ['87 people were active in the week of 9 Mar 2026, 3 more than in the week before (84).']
    """
    period: Every = check_every(every)
    schema = columns_of(table)
    require(schema, ("period_start", count), table=count)
    rows = table.filter("is_complete") if "is_complete" in schema else table
    if rows["period_start"].is_duplicated().any():
        raise TableError(
            "A sentence is about one count a period, and this table has several.",
            table=count,
            hint="filter it to one group.",
        )
    noun = NOUN[period]
    last = rows.sort("period_start").tail(1)
    if last.is_empty():
        return [f"No {noun} is complete yet, so there is nothing to tell of how many {what}."]
    start, value = last.select("period_start", count).row(0)
    when = f"on {day_text(start)}" if period == "1d" else f"in the {noun} of {day_text(start)}"
    if value is None:
        return [f"It is not known how many {what} {when}."]
    before = _value_before(rows, start, count, period)
    if before is None:
        return [f"{value:,} {what} {when}; there is no complete {noun} before it to compare with."]
    step = value - before
    moved = "as many as" if step == 0 else f"{abs(step):,} {'more' if step > 0 else 'fewer'} than"
    link = "on" if period == "1d" else "in"
    return [f"{value:,} {what} {when}, {moved} {link} the {noun} before ({before:,})."]


def _value_before(rows: pl.DataFrame, start: Any, count: str, every: Every) -> int | None:
    """Return the count of the period that ends where another begins."""
    earlier = rows.filter(pl.col("period_start").dt.offset_by(every) == pl.lit(start))
    return earlier[count].item() if earlier.height else None
