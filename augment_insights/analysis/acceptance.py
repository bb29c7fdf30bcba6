"""How much of what inline completions suggest is accepted, and what moved it?"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal, get_args

import polars as pl

from augment_insights.analysis._usage import GROUP, USER_KEY, usage_rows, user_sums
from augment_insights.analysis.intervals import bootstrap_ratio
from augment_insights.errors import DataWarning, did_you_mean
from augment_insights.tables import ACCEPTANCE_RATE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from augment_insights.analysis._usage import UserSums
    from augment_insights.periods import Every

Of = Literal["suggestions", "lines"]
"""What is counted: suggested completions, or suggested lines."""

_METRICS = {
    "suggestions": ("completions_count", "completions_accepted"),
    "lines": ("completions_suggested_lines_of_code", "completions_lines_of_code"),
}


def acceptance_rate(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str] | None = None,
    every: Every | None = None,
    of: Of = "suggestions",
    user_type: str = "person",
    as_of: date | str | None = None,
    intervals: bool = True,
) -> pl.DataFrame:
    """How much of what was suggested is accepted?

    Pooled: the accepted are summed, the suggested are summed, then divided; a mean of users' or
    days' rates is another number. By lines, only rows that have the suggested lines count on either
    side, because the API may leave that field out. Inline completions only: agents suggest no
    lines. No suggestion, no rate: null. More accepted than suggested is kept, with a DataWarning.

    The interval is a seeded bootstrap over users (95 %): completions of one user go together. A
    frame without users (``daily_usage``) has no interval, no count of users, and cannot tell people
    from automation: it counts both.

    Parameters
    ----------
    frame : DataFrame or LazyFrame
        ``user_activity``, ``editor_language`` or ``daily_usage``, or anything with their columns;
        a joined ``team`` may be there too.
    by : str or sequence of str, optional
        Columns to group by: ``"user"``, ``"language"``, ``"editor"``, ``"team"``, several of them.
    every : {"1d", "1w", "1mo", "1q"}, optional
        A row a calendar period too. The first and the last may be parts, as far as the data goes:
        each row is the rate of the days that are there.
    of : {"suggestions", "lines"}
        Accepted of suggested completions, or written of suggested lines.
    user_type : {"person", "service_account", "all"}
        Whose completions.
    as_of : date or str, optional
        The last day that counts; rows that reach past it are left out. All rows unless given.
    intervals : bool
        False leaves the bounds null and saves the time of drawing users again, where an answer
        must follow a slider.

    Returns
    -------
    DataFrame
        One row a group (and period), sorted; a single row without both:

        ==================== ======= ==============================================================
        ``by`` columns               as in the frame; ``user`` in one spelling
        period_start         Date    first UTC day of the period, with ``every`` only
        users                Int64   distinct users with at least one suggestion; null without users
        suggested_count      Int64   suggested completions (or lines); null when no row knows them
        accepted_count       Int64   accepted of them
        acceptance_rate      Float64 accepted_count / suggested_count; null for 0/0
        acceptance_rate_low  Float64 lower bound of the interval; null below two users
        acceptance_rate_high Float64 upper bound
        ==================== ======= ==============================================================

    Raises
    ------
    TableError
        A column is missing, or a row spans a border of the periods asked for.
    ValueError
        An unknown ``of``, ``every`` or ``user_type``.

    Warns
    -----
    DataWarning
        Rows with more accepted than suggested, rows that stand twice, rows without a user.

    See Also
    --------
    acceptance_change : what moved the rate between two periods.
    augment_insights.charts.acceptance_rate : its chart.

    Examples
    --------
    80 of 100 and 15 of 40 make 95 of 140, not the mean of 0.8 and 0.375:

    >>> frame = pl.DataFrame(
    ...     {
    ...         "user": ["ada@x.io", "grace@x.io"],
    ...         "user_type": ["person", "person"],
    ...         "completions_count": [100, 40],
    ...         "completions_accepted": [80, 15],
    ...     }
    ... )
    >>> acceptance_rate(frame).select("users", "suggested_count", "acceptance_rate")
    shape: (1, 3)
    ┌───────┬─────────────────┬─────────────────┐
    │ users ┆ suggested_count ┆ acceptance_rate │
    │ ---   ┆ ---             ┆ ---             │
    │ i64   ┆ i64             ┆ f64             │
    ╞═══════╪═════════════════╪═════════════════╡
    │ 2     ┆ 140             ┆ 0.678571        │
    └───────┴─────────────────┴─────────────────┘
    """
    rows, groups = _rows(frame, by=by, every=every, of=of, user_type=user_type, as_of=as_of)
    summed = user_sums(rows, groups, _sums(of))
    suggested, accepted = pl.col("suggested_count"), pl.col("accepted_count")
    has_users = "user" in rows.columns
    users = (suggested > 0).sum() if has_users else pl.lit(None)
    known = pl.col("known_rows") > 0
    rates = (
        summed.sums.group_by(GROUP)
        .agg(users.alias("users"), pl.col("suggested_count", "accepted_count", "known_rows").sum())
        .with_columns(pl.when(known).then(suggested), pl.when(known).then(accepted))
        .with_columns(pl.when(suggested > 0).then(accepted / suggested).alias("acceptance_rate"))
        .join(_bounds(summed, draw=intervals and has_users), on=GROUP, how="left")
    )
    columns = (pl.col(name).cast(dtype) for name, dtype in ACCEPTANCE_RATE.schema.items())
    return summed.named(rates).select(*groups, *columns)


def _bounds(summed: UserSums, *, draw: bool) -> pl.DataFrame:
    """Return the interval of each group that has users to draw again."""
    sums = summed.sums if draw else summed.sums.clear()
    return bootstrap_ratio(
        sums, group=GROUP, user=USER_KEY, numerator="accepted_count", denominator="suggested_count"
    ).rename({"low": "acceptance_rate_low", "high": "acceptance_rate_high"})


def _rows(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str] | None,
    every: Every | None,
    of: Of,
    user_type: str,
    as_of: date | str | None,
) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows that count and the columns that make groups."""
    if of not in _METRICS:
        raise ValueError(f"of={of!r} is not something that is accepted.{did_you_mean(str(of), get_args(Of))}")
    suggested, accepted = _METRICS[of]
    rows, groups = usage_rows(
        frame,
        (suggested, accepted),
        by=by,
        every=every,
        user_type=user_type,
        as_of=as_of,
        reserved=ACCEPTANCE_RATE.columns,
    )
    more = rows.select((pl.col(accepted) > pl.col(suggested)).sum()).item()
    if more:
        warnings.warn(
            f"{more} row{'s have' if more > 1 else ' has'} more {accepted} than {suggested}; "
            "kept as the API gave them.",
            DataWarning,
            stacklevel=3,
        )
    return rows, groups


def _sums(of: Of) -> list[pl.Expr]:
    """Return the sums over the rows that know both counts, and how many rows do."""
    suggested, accepted = (pl.col(name) for name in _METRICS[of])
    known = suggested.is_not_null() & accepted.is_not_null()
    return [
        pl.when(known).then(suggested).sum().cast(pl.Int64).alias("suggested_count"),
        pl.when(known).then(accepted).sum().cast(pl.Int64).alias("accepted_count"),
        known.sum().alias("known_rows"),
    ]
