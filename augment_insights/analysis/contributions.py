"""Which group drives a change, is it more than chance among all that is looked at, and how many people would tell?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import polars as pl

from augment_insights.analysis.acceptance import (
    SIDE,
    both_sides,
    compared_sides,
    judged_together,
    rate_effects,
)
from augment_insights.analysis.intervals import Z95, p_value_of
from augment_insights.tables import COMPARISON, CONTRIBUTIONS, columns_of, require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

_POWER = 0.8416
"""Standard errors beyond the interval's end at which a change is found in four of five trials."""


def contributions(
    activity: pl.DataFrame | pl.LazyFrame,
    before: tuple[date | str, date | str],
    after: tuple[date | str, date | str],
    *,
    metric: str,
    by: str | Sequence[str],
    **of: Any,
) -> pl.DataFrame:
    """Which groups drive the change of a number, and did each of them change by more than chance?

    The contributions of all groups add up to the change of the whole. Of a count of people a group contributes its
    own change. Of a rate it contributes what its own rate and its weight add, against the middle of both sides (rate,
    mix, entry and exit together, see :func:`acceptance_change`). Beside it stands how the group itself
    changed, as :func:`compare_periods` judges it.

    Parameters
    ----------
    activity, before, after, metric
        As for :func:`compare_periods`. Groups of people (a team) or of rows (a language, an editor).
    by : str or sequence of str
        The columns that name the groups.
    **of
        ``user_type`` and ``licences``, as for :func:`compare_periods`.

    Returns
    -------
    DataFrame
        The table CONTRIBUTIONS, one row a group, sorted by group: the columns of :func:`compare_periods`, then

        ================== ======= ===================================================================
        contribution       Float64 the group's part of the change; all of them add up to it
        contribution_share Float64 contribution / change; above 1 or below 0 where groups moved apart
        ================== ======= ===================================================================

    Raises
    ------
    TableError, DateRangeError, ValueError
        As :func:`compare_periods`.

    See Also
    --------
    compare_periods : the change itself. mode_change : the same of ways of working.
    judge_together : verdicts that hold over several tables.

    Examples
    --------
    Both teams accept as before; the weight moved to the one that accepts more:

    >>> from datetime import date
    >>> rows = [(date(2026, 3, 2 + 7 * week), f"{team}{n}", "person", team, suggested, suggested * rate // 100)
    ...         for team, rate, weeks in (("A", 20, (100, 50)), ("B", 40, (100, 150)))
    ...         for week, suggested in enumerate(weeks) for n in range(3)]
    >>> names = ["date", "user", "user_type", "team", "completions_count", "completions_accepted"]
    >>> activity = pl.DataFrame(rows, schema=names, orient="row")
    >>> weeks = [("2026-03-02", "2026-03-08"), ("2026-03-09", "2026-03-15")]
    >>> found = contributions(activity, *weeks, metric="acceptance_rate", by="team")
    >>> found.select("team", "difference", pl.col("contribution", "contribution_share").round(3)).rows()
    [('A', 0.0, 0.031, 0.625), ('B', 0.0, 0.019, 0.375)]
    """
    sides, groups = both_sides(activity, before, after, metric=metric, by=by, of=of)
    compared = compared_sides(sides, groups, metric=metric)
    if metric == "active_users":
        parts = compared.with_columns(contribution=pl.col("difference"))
    else:
        sums = [
            side.group_by(groups).agg(suggested_count=pl.col("whole").sum(), accepted_count=pl.col("part").sum())
            for side in sides
        ]
        both = pl.concat([rows.with_columns(pl.lit(number).alias(SIDE)) for number, rows in enumerate(sums)])
        effects = rate_effects(both, groups).select(*groups, contribution="total_effect")
        parts = compared.join(effects, on=groups, how="left", nulls_equal=True, maintain_order="left")
    whole = pl.col("contribution").sum()  # of a fall it is below 0
    share = pl.when(whole != 0).then(pl.col("contribution") / whole)
    return CONTRIBUTIONS.of(parts.with_columns(contribution_share=share), groups)


def judge_together(comparisons: Sequence[pl.DataFrame]) -> list[pl.DataFrame]:
    """Which of all these differences are more than chance, when all of them are looked at?

    Who looks at a hundred numbers finds some that moved by chance. Each table of comparisons has verdicts that
    hold for its own rows together; here they are given anew, for the rows of all tables together (Holm).

    Parameters
    ----------
    comparisons : sequence of DataFrame
        Tables with the columns of COMPARISON: of :func:`compare_periods`, :func:`compare`, :func:`contributions`.

    Returns
    -------
    list of DataFrame
        The same tables, with other ``compared_groups`` and ``verdict``.

    Raises
    ------
    TableError
        A column of COMPARISON is missing.

    See Also
    --------
    compare_periods : one comparison. contributions : which group drives a change.

    Examples
    --------
    >>> row = {"metric": "r", "before": 0.2, "after": 0.3, "difference": 0.1, "difference_low": 0.01,
    ...     "difference_high": 0.19, "is_paired": True, "both_users": 40, "before_users": 0, "after_users": 0,
    ...     "compared_groups": 1, "verdict": "higher"}
    >>> one = pl.DataFrame([row], schema=COMPARISON.schema)
    >>> [table["verdict"].item() for table in judge_together([one, one])]
    ['no measurable change', 'no measurable change']
    """
    for table in comparisons:
        require(columns_of(table), tuple(COMPARISON.columns), table=COMPARISON.name)
    if not comparisons:
        return []
    change, low, high = (pl.col(name) for name in ("difference", "difference_low", "difference_high"))
    bounds = [
        table.select("difference", "difference_low", "difference_high", pl.lit(number).alias("table"))
        for number, table in enumerate(comparisons)
    ]
    numbered = pl.concat(bounds).with_row_index("row").with_columns(p_value=p_value_of(change, low, high))
    judged = judged_together(numbered).sort("row")
    return [
        table.with_columns(judged.filter(pl.col("table") == number).select("compared_groups", "verdict"))
        for number, table in enumerate(comparisons)
    ]


def people_needed(comparisons: pl.DataFrame, difference: float) -> pl.DataFrame:
    """How many people would it take to see a change of so much?

    The interval of a difference is as wide as its people are few: half of it shrinks with the root of their number. A
    change is called seen when four of five such comparisons would find it.

    Parameters
    ----------
    comparisons : DataFrame
        Of :func:`compare_periods` or :func:`compare`.
    difference : float
        The change that should be seen: 0.05 is five points.

    Returns
    -------
    DataFrame
        The same rows with ``needed_users`` (Int64), the people that it would take; null without an interval.

    Raises
    ------
    TableError
        A column of COMPARISON is missing.
    ValueError
        ``difference`` is not above 0.

    See Also
    --------
    compare_periods : the comparison.

    Examples
    --------
    24 people, and an interval of 20 points to either side; five points need 21 times as many as 20 would:

    >>> row = {"metric": "r", "before": 0.5, "after": 0.5, "difference": 0.0, "difference_low": -0.2,
    ...     "difference_high": 0.2, "is_paired": True, "both_users": 24, "before_users": 0, "after_users": 0,
    ...     "compared_groups": 1, "verdict": "no measurable change"}
    >>> people_needed(pl.DataFrame([row], schema=COMPARISON.schema), 0.05)["needed_users"].item()
    785
    """
    require(columns_of(comparisons), tuple(COMPARISON.columns), table=COMPARISON.name)
    if not difference > 0 or math.isinf(difference):
        raise ValueError(f"difference={difference!r} is not a number above 0.")
    reach = (pl.col("difference_high") - pl.col("difference_low")) / 2
    people = pl.col("both_users") + pl.max_horizontal("before_users", "after_users")
    times = ((Z95 + _POWER) / Z95 * reach / difference).pow(2)
    return comparisons.with_columns(needed_users=(people * times).ceil().cast(pl.Int64))
