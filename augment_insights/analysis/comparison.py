"""Is the difference between two periods, or two groups, more than chance?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from augment_insights.analysis._population import as_columns
from augment_insights.analysis.intervals import difference
from augment_insights.errors import TableError
from augment_insights.tables import COMPARISON, VERDICT, columns_of, require

if TYPE_CHECKING:
    from collections.abc import Sequence

_TABLE = "comparison"
_DEFINING = ("window_days", "period", "days", "feature", "mode")
_LENGTHS = {"day": (1, 1), "week": (7, 7), "month": (28, 31), "quarter": (90, 92)}


def compare(
    before: pl.DataFrame | pl.LazyFrame,
    after: pl.DataFrame | pl.LazyFrame,
    *,
    metric: str,
    by: str | Sequence[str] | None = None,
) -> pl.DataFrame:
    """Which way did a rate go between two periods (or between two groups), if that can be told?

    The rates stay as their tables give them: ratios of sums with a 95 % interval. The interval of the
    difference is built from both: for shares of people that is Newcombe's hybrid score interval,
    for acceptance the same construction on the bootstrap intervals. When it holds zero, or a side has no
    interval, the verdict is "cannot tell". The sides are taken as independent; where the same people
    stand on both, the interval errs on the wide side as long as they behave alike on both.

    Parameters
    ----------
    before, after : DataFrame or LazyFrame
        Rows of one result table of this package with a rate and its interval (``adoption_rate``,
        ``acceptance_rate``, ``feature_adoption``, ``retention_curve``, ...), each filtered to
        what is compared: one row a side, or one row a side and group.
    metric : str
        The rate: ``"adoption_rate"``, ``"acceptance_rate"``, ``"feature_rate"``, ``"retention_rate"``, ...
    by : str or sequence of str, optional
        Compare group by group: columns that name the rows of each side, such as ``"team"``.

    Returns
    -------
    DataFrame
        The table COMPARISON, one row a group, sorted by group:

        =============== ======= =========================================================
        ``by`` columns          as in the tables
        metric          String  the rate that is compared
        before          Float64 its value before, null where the group is not there
        after           Float64 its value after, null where the group is not there
        difference      Float64 after - before, in points of the rate
        difference_low  Float64 lower bound of its 95 % interval
        difference_high Float64 upper bound
        verdict         Enum    higher, lower or cannot tell
        =============== ======= =========================================================

    Raises
    ------
    TableError
        Two different tables; a metric that is missing or has no interval; a period that is not complete;
        periods or windows of different length, another feature, another age of the cohort or of the
        users on the two sides; more than one row a group.

    Notes
    -----
    Two tables made with another ``of``, ``kind`` or ``user_type`` look alike, and are for the caller to
    keep apart. A table without ``is_complete`` (acceptance) does not say whether its last period is over.

    See Also
    --------
    acceptance_change : what moved the acceptance rate.
    augment_insights.charts.compare : its chart.

    Examples
    --------
    >>> from augment_insights.analysis.intervals import wilson
    >>> low, high = wilson(pl.col("retained_users"), pl.col("eligible_users"))
    >>> table = pl.DataFrame({"period": [4, 4], "retained_users": [48, 56], "eligible_users": [80, 70]}).with_columns(
    ...     retention_rate=pl.col("retained_users") / pl.col("eligible_users"),
    ...     retention_rate_low=low, retention_rate_high=high,
    ... )
    >>> compare(table.head(1), table.tail(1), metric="retention_rate").select(
    ...     pl.col("difference", "difference_low", "difference_high").round(4), "verdict"
    ... ).rows()
    [(0.2, 0.0524, 0.3339, 'higher')]
    """
    _check_same_table(columns_of(before), columns_of(after), metric)
    old, new = before.lazy().collect(), after.lazy().collect()
    groups = as_columns(by, old, reserved=COMPARISON.columns, table=_TABLE)
    _check_side(old, "before", groups)
    _check_side(new, "after", groups)
    _check_same_definition(old, new, groups)
    sides = [_values(frame, metric, groups, side) for side, frame in (("before", old), ("after", new))]
    joined = sides[0].join(sides[1], on=[*groups, _ONE], how="full", coalesce=True, nulls_equal=True)
    low, high = difference(
        (pl.col("before"), pl.col("before_low"), pl.col("before_high")),
        (pl.col("after"), pl.col("after_low"), pl.col("after_high")),
    )
    change = pl.col("after") - pl.col("before")
    compared = joined.with_columns(
        metric=pl.lit(metric), difference=change, difference_low=low, difference_high=high
    ).with_columns(verdict=_verdict())
    schema = {**{name: old.schema[name] for name in groups}, **COMPARISON.schema}
    return compared.sort([*groups, _ONE], nulls_last=True).select(
        pl.col(name).cast(dtype) for name, dtype in schema.items()
    )


_ONE = "__one"


def _values(frame: pl.DataFrame, metric: str, groups: list[str], side: str) -> pl.DataFrame:
    """Return the rate and its bounds under the name of the side; a column joins the rows where no group does."""
    renamed = [pl.col(f"{metric}{end}").alias(f"{side}{end}") for end in ("", "_low", "_high")]
    return frame.select(*groups, *renamed).with_columns(pl.lit(0).alias(_ONE))


def _verdict() -> pl.Expr:
    """Return the word for an interval: a direction only when it leaves zero out."""
    return (
        pl.when(pl.col("difference_low") > 0)
        .then(pl.lit("higher"))
        .when(pl.col("difference_high") < 0)
        .then(pl.lit("lower"))
        .otherwise(pl.lit("cannot tell"))
        .cast(VERDICT)
    )


def _check_same_table(old: pl.Schema, new: pl.Schema, metric: str) -> None:
    """Refuse two different tables, and a metric that has no interval."""
    differing = sorted(set(old) ^ set(new))
    if differing:
        raise TableError(
            f"before and after are different tables: only one of them has {', '.join(map(repr, differing))}.",
            table=_TABLE,
            hint="make both with the same function and the same by=.",
        )
    require(old, (metric,), table=_TABLE)
    bounds = [f"{metric}_low", f"{metric}_high"]
    if not set(bounds).issubset(old):
        rates = [name.removesuffix("_low") for name in old if name.endswith("_low")]
        raise TableError(
            f"{metric!r} has no interval in these tables, so its change cannot be judged.",
            table=_TABLE,
            missing=bounds,
            hint=f"compare {' or '.join(map(repr, rates))}." if rates else "use a table of rates.",
        )


def _check_side(frame: pl.DataFrame, side: str, groups: list[str]) -> None:
    """Refuse a period that is not over, and more than one row a group."""
    if "is_complete" in frame.columns and not frame["is_complete"].all():
        raise TableError(
            f"{side} has a period that is not complete: its numbers still grow.",
            table=_TABLE,
            hint="keep complete ones: frame.filter('is_complete').",
        )
    rows = frame.group_by(groups).len()["len"].max() if groups else frame.height
    if isinstance(rows, int) and rows > 1:
        named = f"for one value of {groups}" if groups else "and by= is not given"
        raise TableError(
            f"{side} has {rows} rows {named}, and one can be compared.",
            table=_TABLE,
            hint="filter to one period: frame.filter(pl.col('period_start') == day), or name the groups in by=.",
        )


def _check_same_definition(old: pl.DataFrame, new: pl.DataFrame, groups: list[str]) -> None:
    """Refuse sides that differ in what they measure."""
    if old.is_empty() or new.is_empty():
        return
    sides = [{name: set(frame[name]) for name in _DEFINING if name in frame.columns} for frame in (old, new)]
    for frame, facts in zip((old, new), sides, strict=True):
        if {"period_start", "period_end"}.issubset(frame.columns):
            facts["period"] = _length_names(frame)
    for name in sides[0]:
        if name not in groups and sides[0][name] != sides[1][name]:
            was, now = (", ".join(sorted(map(str, facts[name]))) for facts in sides)
            raise TableError(
                f"before and after measure different things: {name} is {was} before and {now} after.",
                table=_TABLE,
                hint="compare like with like, or name the column in by=.",
            )


def _length_names(frame: pl.DataFrame) -> set[str]:
    """Name the lengths of the periods: months are alike whether they have 28 days or 31."""
    days = (frame["period_end"] - frame["period_start"]).dt.total_days() + 1
    return {
        next((name for name, (least, most) in _LENGTHS.items() if least <= count <= most), f"{count} days")
        for count in days.unique()
    }
