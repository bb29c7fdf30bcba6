"""How much of what inline completions suggest is accepted, what moved it, and is the change more than chance?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, get_args

import polars as pl

from augment_insights import tables
from augment_insights.analysis.intervals import Z95, difference, paired_difference, rate, ratio_interval, wilson
from augment_insights.analysis.population import (
    GROUP,
    USAGE,
    active_rows,
    as_columns,
    check_user_type,
    engine_for,
    first_that_holds,
    is_complete_in,
    is_licensed,
    one_spelling,
    row_days,
    select_users,
    spells_of,
    usage_rows,
    user_sums,
)
from augment_insights.analysis.roster import read_roster, resolve_aliases
from augment_insights.errors import DateRangeError, TableError, did_you_mean, plural, warn_reader
from augment_insights.metrics import METRICS
from augment_insights.periods import DayRange, check_count, parse_day
from augment_insights.tables import columns_of, require, user_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from typing import Unpack

    from augment_insights.analysis.population import Whose
    from augment_insights.periods import Every

Of = Literal["suggestions", "lines"]
"""What is counted: suggested completions, or suggested lines."""

_METRICS = {
    "suggestions": ("completions_count", "completions_accepted"),
    "lines": ("completions_suggested_lines_of_code", "completions_lines_of_code"),
}
_EFFECTS = tuple(tables.ACCEPTANCE_CHANGE.columns)
_SUMS = (
    pl.col("suggested_count").sum().cast(pl.Int64),
    pl.col("accepted_count").sum().cast(pl.Int64),
    pl.col("suggested_count").count().cast(pl.Int64).alias("known_rows"),
)
_SIDE, _ONE = "__side", "__one"
_KEY = "user_key"
_SIGNIFICANT = 0.05
_POWER = 0.8416
"""Standard errors beyond the interval's end at which a change is found in four of five trials."""
_DENOMINATORS = ("licensed_users", "eligible_users", "cohort_users", "active_users", "users")
"""The columns in which tables of rates say how many people stand behind a rate, the nearest first."""
_TABLE = "comparison"
_DEFINING = ("window_days", "period", "days", "feature", "mode")
_LENGTHS = {"day": (1, 1), "week": (7, 7), "month": (28, 31), "quarter": (90, 92)}


def acceptance_rate(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str] | None = None,
    every: Every | None = None,
    of: Of = "suggestions",
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """How much of what was suggested is accepted?

    Pooled: the accepted are summed, the suggested are summed, then divided; a mean of users' or
    days' rates is another number. By lines, only rows that have the suggested lines count on either
    side, because the API may leave that field out. Inline completions only: agents suggest no
    lines. No suggestion, no rate: null. More accepted than suggested is kept, with a DataWarning.

    The interval is a 95 % confidence interval over users, for completions of one user go together
    (cluster-robust, on the logit scale). It needs two users with a suggestion and a rate between 0 and
    1; otherwise it is null. Two users who accept alike show no spread: their interval is a point. A
    frame without users (``daily_usage``) has no interval, no count of users, and cannot tell people
    from automation: it counts both.

    Parameters
    ----------
    frame : DataFrame or LazyFrame
        ``user_activity``, ``editor_language`` or ``daily_usage``, or anything with their columns;
        a joined ``team`` may be there too.
    by : str or sequence of str, optional
        Columns to group by: ``"user"``, ``"language"``, ``"editor"``, ``"team"``, several of them. Of a user
        of ``user_type="all"`` the type stands beside the name: a person and a service account may share it.
    every : {"1d", "1w", "1mo", "1q"}, optional
        A row a calendar period too. The first and the last may be parts, as far as the data goes: see
        ``is_complete``.
    of : {"suggestions", "lines"}
        Accepted of suggested completions, or written of suggested lines.
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the data (see
        :class:`.Whose`).

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
        acceptance_rate_low  Float64 lower bound of the interval; null where there is none
        acceptance_rate_high Float64 upper bound
        is_complete          Boolean with ``every`` only: whether the data holds all days of the period
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
        Rows with more accepted than suggested, duplicate rows, rows without a user.

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
    by = as_columns(by, frame, reserved=tables.ACCEPTANCE_RATE.columns, table=USAGE)
    rows, groups = usage_rows(frame, _metrics(of), by=by, every=every, **whose)
    summed = user_sums(_counts(rows, of), groups, _SUMS)
    suggested, accepted = pl.col("suggested_count"), pl.col("accepted_count")
    has_users = "user" in rows.columns
    users = (suggested > 0).sum() if has_users else pl.lit(None)
    known = pl.col("known_rows") > 0
    bounds = ratio_interval(
        summed.sums if has_users else summed.sums.clear(),
        group=GROUP,
        numerator="accepted_count",
        denominator="suggested_count",
    )
    rates = (
        summed.sums.group_by(GROUP)
        .agg(users.alias("users"), pl.col("suggested_count", "accepted_count", "known_rows").sum())
        .with_columns(pl.when(known).then(suggested), pl.when(known).then(accepted))
        .with_columns(rate(accepted, suggested).alias("acceptance_rate"))
        .join(bounds.rename({"low": "acceptance_rate_low", "high": "acceptance_rate_high"}), on=GROUP, how="left")
    )
    rated = tables.ACCEPTANCE_RATE.of(summed.named(rates), groups)
    return rated if every is None else rated.with_columns(is_complete_in(frame, every, **whose))


def acceptance_distribution(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    steps: int = 20,
    min_suggested: int = 100,
    of: Of = "suggestions",
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """How many users accept which share of what is suggested to them?

    Each user's own rate over all the rows, and users count alike: the middle of this distribution is
    another number than the pooled rate, in which those with many suggestions weigh more. Every step
    from 0 to 1 has a row, 0 users included. Users with few suggestions are left out, because their
    rate is mostly chance; nobody is named.

    Parameters
    ----------
    frame : DataFrame or LazyFrame
        As for :func:`acceptance_rate`, with ``user``.
    steps : int
        How many equal steps from 0 to 1.
    min_suggested : int
        Suggestions (or lines) that a user must have seen to be counted.
    of : {"suggestions", "lines"}
        As for :func:`acceptance_rate`.
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the data (see
        :class:`.Whose`).

    Returns
    -------
    DataFrame
        The table ACCEPTANCE_DISTRIBUTION, one row a step, empty when nobody counts:

        =============== ======= ==============================================================
        acceptance_from Float64 rate from which the step reaches, included
        acceptance_to   Float64 rate up to which it reaches, included in the last step only
        users           Int64   users whose own rate lies in it; rates above 1 in the last one
        =============== ======= ==============================================================

    Raises
    ------
    TableError
        A column is missing.
    ValueError
        ``steps`` or ``min_suggested`` below 1, an unknown ``of`` or ``user_type``.

    See Also
    --------
    acceptance_rate : the pooled rate, and by ``by="user"`` each user's own.
    augment_insights.charts.acceptance_distribution : its chart.

    Examples
    --------
    Rates of 0.2, 0.25 and 1, and one user with too few suggestions to have one:

    >>> frame = pl.DataFrame({"user": ["ada", "bob", "cleo", "dan"], "user_type": ["person"] * 4,
    ...     "completions_count": [100, 200, 100, 9], "completions_accepted": [20, 50, 100, 9]})
    >>> acceptance_distribution(frame, steps=4).rows()
    [(0.0, 0.25, 1), (0.25, 0.5, 1), (0.5, 0.75, 0), (0.75, 1.0, 1)]
    """
    check_count("steps", steps)
    check_count("min_suggested", min_suggested)
    rates = acceptance_rate(frame, by="user", of=of, **whose)
    counted = rates.filter(pl.col("suggested_count") >= min_suggested)
    if counted.is_empty():
        return tables.ACCEPTANCE_DISTRIBUTION.empty()
    # In integers: 0.15 / 0.05 is a little less than 3.
    step = (pl.col("accepted_count") * steps // pl.col("suggested_count")).clip(upper_bound=steps - 1)
    found = counted.group_by(step.alias("step")).agg(users=pl.len().cast(pl.Int64))
    every_step = pl.DataFrame({"step": pl.int_range(steps, eager=True)})
    return every_step.join(found, on="step", how="left", maintain_order="left").select(
        # Rounded, for Polars divides by multiplying with the inverse: 3 / 20 is not 0.15.
        acceptance_from=(pl.col("step") / steps).round(9),
        acceptance_to=((pl.col("step") + 1) / steps).round(9),
        users=pl.col("users").fill_null(0),
    )


def acceptance_change(
    before: pl.DataFrame | pl.LazyFrame,
    after: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str],
    of: Of = "suggestions",
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """Why did the acceptance rate change: do groups accept more, or did the weight move between groups?

    With a group's weight w (its share of all suggestions), its rate r, the whole rate R, 0 for
    before, 1 for after, and the middle rate M = (R0 + R1) / 2, the parts of a group are

    * rate effect: (w0 + w1) / 2 * (r1 - r0), if it suggested on both sides;
    * mix effect: (w1 - w0) * ((r0 + r1) / 2 - M), if it suggested on both sides;
    * entry and exit effect: w1 * (r1 - M) if it is new, -w0 * (r0 - M) if it is gone.

    All parts of all groups add up to R1 - R0. What a group accepted on a side without a suggestion of
    its own (the API should not say so) is in R, and so in its entry and exit effect. A group that
    grows counts for the better when it accepts more than the middle, and for the worse when it
    accepts less (Griliches and Regev's decomposition).
    Rates are ratios of sums. When a side has no suggestions there is no change to take apart: null.

    Parameters
    ----------
    before, after : DataFrame or LazyFrame
        As for :func:`acceptance_rate`: the rows of the one period, and of the other.
    by : str or sequence of str
        The groups: ``"language"``, ``"team"``, ``"user"``, ...
    of : {"suggestions", "lines"}
        As for :func:`acceptance_rate`.
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the data (see
        :class:`.Whose`).

    Returns
    -------
    DataFrame
        One row a group, sorted, and the total as the last row, with null in the ``by`` columns (a
        group without a name stands before it). All in points of the rate (0.01 is one per cent point):

        ================== ======= ========================================================
        ``by`` columns             as in the frames
        rate_effect        Float64 the group accepts more (or less) than before
        mix_effect         Float64 the group has more (or less) of the weight than before
        entry_exit_effect  Float64 the group is new, or gone
        total_effect       Float64 the three together; in the last row, the whole change
        ================== ======= ========================================================

    Raises
    ------
    TableError
        A column is missing.
    ValueError
        An unknown ``of`` or ``user_type``, or no group.

    See Also
    --------
    acceptance_rate : the rates themselves.
    compare_periods : whether a change is more than chance; ask that first.
    augment_insights.charts.acceptance_change : its chart.

    Examples
    --------
    Both languages accept as before; the weight moved to the one that accepts less:

    >>> names = ["language", "completions_count", "completions_accepted"]
    >>> before = pl.DataFrame([("Go", 50, 40), ("C", 50, 20)], schema=names, orient="row")
    >>> after = pl.DataFrame([("Go", 25, 20), ("C", 75, 30)], schema=names, orient="row")
    >>> acceptance_change(before, after, by="language").select("language", "rate_effect", pl.col("mix_effect").round(4))
    shape: (3, 3)
    ┌──────────┬─────────────┬────────────┐
    │ language ┆ rate_effect ┆ mix_effect │
    │ ---      ┆ ---         ┆ ---        │
    │ str      ┆ f64         ┆ f64        │
    ╞══════════╪═════════════╪════════════╡
    │ C        ┆ 0.0         ┆ -0.0375    │
    │ Go       ┆ 0.0         ┆ -0.0625    │
    │ null     ┆ 0.0         ┆ -0.1       │
    └──────────┴─────────────┴────────────┘
    """
    sides = []
    for side, frame in enumerate((before, after)):
        columns = as_columns(by, frame, reserved=_EFFECTS, table=USAGE)
        rows, groups = usage_rows(frame, _metrics(of), by=columns, **whose)
        sides.append(_counts(rows, of).with_columns(pl.lit(side).alias(_SIDE)))
    if not groups:
        raise ValueError("by= names no column. Hint: name the groups between which the weight may have moved.")
    both = pl.concat(sides, how="diagonal_relaxed")
    if "user" in both.columns:
        both = one_spelling(both)
    summed = user_sums(both, [*groups, _SIDE], _SUMS)
    sums = summed.named(summed.sums.group_by(GROUP).agg(pl.col("suggested_count", "accepted_count").sum()))
    effects = _rate_effects(sums, groups)
    is_known = pl.col("total_effect").is_not_null().all()
    total = effects.select(pl.when(is_known).then(pl.col(*_EFFECTS).sum())).head(effects.height)
    return tables.ACCEPTANCE_CHANGE.of(pl.concat([effects, total], how="diagonal_relaxed"), groups)


def compare(
    before: pl.DataFrame | pl.LazyFrame,
    after: pl.DataFrame | pl.LazyFrame,
    *,
    metric: str,
    by: str | Sequence[str] | None = None,
) -> pl.DataFrame:
    """Which of two groups of different people has the higher rate, by more than chance?

    The rates stay as their tables give them: ratios of sums with a 95 % confidence interval. The interval of the
    difference is built from both: for shares of people that is Newcombe's hybrid score interval,
    for acceptance the same construction on its intervals over users. When it holds zero, there is no
    measurable change; when a side has no interval, there is no verdict. The sides are taken as independent: for two
    periods of mostly the same people :func:`compare_periods` sees far smaller changes.

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
        difference_low  Float64 lower bound of its 95 % confidence interval
        difference_high Float64 upper bound
        is_paired       Boolean false
        both_users      Int64   0; null where the tables do not count people
        before_users    Int64   people before, null where the table does not say
        after_users     Int64   people after
        compared_groups Int64   groups with an interval: the verdicts hold for so many together (Holm)
        verdict         Enum    higher, lower or no measurable change; null without an interval
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
    keep apart. A table without ``is_complete`` (acceptance without ``every``) does not say so.

    See Also
    --------
    compare_periods : two periods of mostly the same people, paired.
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
    groups = as_columns(by, old, reserved=tables.COMPARISON.columns, table=_TABLE)
    was, now = _check_side(old, "before", groups), _check_side(new, "after", groups)
    for name in was.keys() & now.keys():
        if was[name] != now[name]:
            found, other = (", ".join(sorted(map(str, facts[name]))) for facts in (was, now))
            raise TableError(
                f"before and after measure different things: {name} is {found} before and {other} after.",
                table=_TABLE,
                hint="compare like with like, or name the column in by=.",
            )
    none = pl.lit(None, pl.Int64)
    left, right = (
        frame.select(
            *groups,
            *(pl.col(f"{metric}{end}").cast(pl.Float64).alias(f"{side}{end}") for end in ("", "_low", "_high")),
            next((pl.col(name) for name in _DENOMINATORS if name in frame.columns), none).alias(f"{side}_users"),
            pl.lit(0).alias(_ONE),  # joins the two rows where no group does
        )
        for side, frame in (("before", old), ("after", new))
    )
    low, high = difference(
        (pl.col("before"), pl.col("before_low"), pl.col("before_high")),
        (pl.col("after"), pl.col("after_low"), pl.col("after_high")),
    )
    change = pl.col("after") - pl.col("before")
    joined = left.join(right, on=[*groups, _ONE], how="full", coalesce=True, nulls_equal=True).with_columns(
        metric=pl.lit(metric),
        difference=change,
        difference_low=low,
        difference_high=high,
        is_paired=pl.lit(value=False),
        both_users=pl.when(pl.col("before_users").is_not_null() | pl.col("after_users").is_not_null()).then(0),
        p_value=_p_value_of(change, low, high),
    )
    return tables.COMPARISON.of(_with_verdicts(joined).sort([*groups, _ONE], nulls_last=True), groups)


def _metrics(of: Of) -> tuple[str, str]:
    """Return the metrics that are suggested and accepted."""
    if of not in _METRICS:
        raise ValueError(f"of={of!r} is not something that is accepted.{did_you_mean(str(of), get_args(Of))}")
    return _METRICS[of]


def _counts(rows: pl.DataFrame, of: Of) -> pl.DataFrame:
    """Return the rows with ``suggested_count`` and ``accepted_count``, both null in a row that lacks either."""
    suggested, accepted = _METRICS[of]
    more = rows.select((pl.col(accepted) > pl.col(suggested)).sum()).item()
    if more:
        warn_reader(f"Kept as the API sent it: {plural(more, 'row')} with more {accepted} than {suggested}.")
    rows = rows.rename({suggested: "suggested_count", accepted: "accepted_count"})
    known = pl.all_horizontal(pl.col("suggested_count", "accepted_count").is_not_null())
    return rows.with_columns(pl.when(known).then(pl.col("suggested_count", "accepted_count")))


def _rate_effects(sums: pl.DataFrame, groups: list[str]) -> pl.DataFrame:
    """Return the effects of each group from its sums on both sides."""
    now = pl.col(_SIDE) == 1
    sided = sums.group_by(groups).agg(
        pl.col("suggested_count").filter(~now).sum().alias("s0"),
        pl.col("accepted_count").filter(~now).sum().alias("a0"),
        pl.col("suggested_count").filter(now).sum().alias("s1"),
        pl.col("accepted_count").filter(now).sum().alias("a1"),
    )
    s0, a0, s1, a1 = (pl.col(name) for name in ("s0", "a0", "s1", "a1"))
    middle = (rate(a0.sum(), s0.sum()) + rate(a1.sum(), s1.sum())) / 2
    rated = sided.with_columns(
        w0=rate(s0, s0.sum()), w1=rate(s1, s1.sum()), r0=rate(a0, s0), r1=rate(a1, s1), middle=middle
    )
    w0, r0, w1, r1, level = (pl.col(name) for name in ("w0", "r0", "w1", "r1", "middle"))
    stays = (s0 > 0) & (s1 > 0)
    # w1 * r1 is a1 over all suggestions, and that also has a value where a group accepted without a suggestion.
    comes_or_goes = rate(a1, s1.sum()) - w1 * level - (rate(a0, s0.sum()) - w0 * level)
    nothing = pl.when(level.is_not_null()).then(0.0)
    parts = rated.with_columns(
        rate_effect=pl.when(stays).then((w0 + w1) / 2 * (r1 - r0)).otherwise(nothing),
        mix_effect=pl.when(stays).then((w1 - w0) * ((r0 + r1) / 2 - level)).otherwise(nothing),
        entry_exit_effect=pl.when(stays).then(nothing).otherwise(comes_or_goes),
    )
    whole = pl.col("rate_effect") + pl.col("mix_effect") + pl.col("entry_exit_effect")
    return parts.select(*groups, *_EFFECTS[:3], whole.alias("total_effect")).sort(groups, nulls_last=True)


def _p_value_of(change: pl.Expr, low: pl.Expr, high: pl.Expr) -> pl.Expr:
    """Return the p-value of a difference whose 95 % interval is known: .05 where a bound is zero."""
    reach = pl.when(change > 0).then(change - low).otherwise(high - change)
    steps = Z95 * change.abs() / reach
    return steps.map_elements(lambda z: math.erfc(z / math.sqrt(2)), return_dtype=pl.Float64)


def _with_verdicts(compared: pl.DataFrame) -> pl.DataFrame:
    """Add ``compared_groups`` and a ``verdict`` a row that holds for all rows together (Holm's correction).

    The smallest p-value must hold against all rows, the next against all but one, and so on.
    """
    ordered = compared.sort("p_value", nulls_last=True, maintain_order=True)
    count = pl.col("p_value").count()
    holds = (pl.col("p_value") * (count - pl.int_range(pl.len()))).cum_max() <= _SIGNIFICANT
    low, high = pl.col("difference_low"), pl.col("difference_high")
    words = {"higher": holds & (low > 0), "lower": holds & (high < 0), "no measurable change": low.is_not_null()}
    verdict = first_that_holds(words)
    return ordered.with_columns(compared_groups=count, verdict=verdict.cast(tables.VERDICT))


def _length_name(days: int) -> str:
    """Name the length of a period: months are alike whether they have 28 days or 31."""
    return next((name for name, (least, most) in _LENGTHS.items() if least <= days <= most), f"{days} days")


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


def _check_side(frame: pl.DataFrame, side: str, groups: list[str]) -> dict[str, set[object]]:
    """Refuse a period that is not over, and more than one row a group; return what the side measures."""
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
    facts: dict[str, set[object]] = {name: set(frame[name]) for name in _DEFINING if name in frame.columns}
    if {"period_start", "period_end"}.issubset(frame.columns):
        days = (frame["period_end"] - frame["period_start"]).dt.total_days() + 1
        facts["period"] = {_length_name(count) for count in days.unique()}
    return {name: values for name, values in facts.items() if name not in groups and values}


def compare_periods(
    activity: pl.DataFrame | pl.LazyFrame,
    before: tuple[date | str, date | str],
    after: tuple[date | str, date | str],
    *,
    metric: str,
    by: str | Sequence[str] | None = None,
    user_type: str = "person",
    licences: pl.DataFrame | pl.LazyFrame | None = None,
) -> pl.DataFrame:
    """Did a number change from one period to another by more than chance, for mostly the same people?

    Two periods of one organisation are mostly the same people, so the comparison is paired: how much users
    differ from one another drops out, and what is left is how much each of them changed. Sums come before
    ratios on both sides; the variance is that of each user's difference of residuals, each with the jackknife's
    correction (HC3), and a user who is absent on one side has the residual 0 there. Where everybody counts on
    both sides (a share of a fixed number of people) the pairs decide: Newcombe's paired interval and McNemar's
    test.

    Parameters
    ----------
    activity : DataFrame or LazyFrame
        One row a user and day or period, as ``fetch.user_activity``, ``fetch.editor_language`` or ``fetch.dau``
        give them, over both periods. Each row lies inside one period, or outside both.
    before, after : tuple of two dates
        The first and the last day of each period, both included. They do not overlap. Shares of people, and
        means a person, need periods of the same length: in a longer one more happens.
    metric : str
        ``"acceptance_rate"`` (of suggestions) or ``"lines_acceptance_rate"``;
        ``"agent_rate"``, the share of the lines of code that agents wrote;
        ``"retention_rate"``, the share who were there again, of :func:`augment_insights.analysis.retained_users`;
        ``"active_rate"``, the share of the people in the frame who are active (a row of 0 active days
        makes somebody known who is not);
        ``"active_users"``, how many people are active in a row's period (a week of weekly rows), on average;
        ``"adoption_rate"``, the share of the licensed people who are active (needs ``licences``), and
        ``"mean_adoption_rate"``, the same in a row's period (a week of weekly rows), on average;
        ``"chat_rate"`` and the like, the share of the active people who used a mode: sent a message, or
        accepted a completion;
        or a metric of the API, such as ``"total_messages"``: its mean over the active people.
    by : str or sequence of str, optional
        Compare group by group. The verdicts then hold for all groups together (Holm's correction).
    user_type : {"person", "service_account", "all"}
        Who is compared.
    licences : DataFrame or LazyFrame, optional
        The roster, for ``"adoption_rate"`` alone; ``by`` then names its columns.

    Returns
    -------
    DataFrame
        The table COMPARISON, one row a group, sorted by group:

        =============== ======= ===========================================================================
        ``by`` columns          as in the frame
        metric          String  what is compared
        before          Float64 its value before, null where it has no denominator
        after           Float64 its value after, null where it has no denominator
        difference      Float64 after - before
        difference_low  Float64 lower bound of its 95 % confidence interval, null for fewer than two users
        difference_high Float64 upper bound
        is_paired       Boolean true
        both_users      Int64   users who count on both sides
        before_users    Int64   users who count before only
        after_users     Int64   users who count after only
        compared_groups Int64   groups with an interval: the verdicts hold for so many together
        verdict         Enum    higher, lower or no measurable change; null without an interval
        =============== ======= ===========================================================================

    Raises
    ------
    TableError
        A column is missing, or a row reaches over the border of a period.
    DateRangeError
        A period that ends before it begins, periods that overlap, or of different length where that matters.
    ValueError
        An unknown ``metric`` or ``user_type``; ``"adoption_rate"`` without licences.

    Notes
    -----
    The interval is of each group by itself. With several groups a verdict asks for more than an interval that
    leaves zero out: the more groups are compared, the more of such intervals there are without any change.

    References
    ----------
    S. Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of
    Statistics 6.

    See Also
    --------
    compare : two groups of different people.
    acceptance_change : what moved the acceptance rate.
    augment_insights.charts.compare : its chart.

    Examples
    --------
    Four people accept 10, 31, 50 and 71 of 100 suggestions, and each accepts about 5 more in the next week:

    >>> from datetime import date
    >>> accepted = [(10, 31, 50, 71), (15, 37, 55, 76)]
    >>> rows = [(date(2026, 3, 2 + 7 * week), f"user{n}@x.io", "person", 100, of_100)
    ...         for week, four in enumerate(accepted) for n, of_100 in enumerate(four)]
    >>> names = ["date", "user", "user_type", "completions_count", "completions_accepted"]
    >>> activity = pl.DataFrame(rows, schema=names, orient="row")
    >>> weeks = [("2026-03-02", "2026-03-08"), ("2026-03-09", "2026-03-15")]
    >>> changed = compare_periods(activity, *weeks, metric="acceptance_rate")
    >>> changed.select(pl.col("difference").round(4), "both_users", "verdict").row(0)
    (0.0525, 4, 'higher')
    """
    sides, groups = _both_sides(
        activity, before, after, metric=metric, by=by, of={"user_type": user_type, "licences": licences}
    )
    return _compared_sides(sides, groups, metric=metric)


_AGENT_LINES = tuple(name for name in METRICS if "agent" in name and name.endswith("lines_of_code"))
_RATES = {
    "acceptance_rate": (("completions_accepted",), ("completions_count",)),
    "lines_acceptance_rate": (("completions_lines_of_code",), ("completions_suggested_lines_of_code",)),
    "agent_rate": (_AGENT_LINES, ("completions_lines_of_code", *_AGENT_LINES)),
    "retention_rate": (("retained",), ("eligible",)),
}
"""Ratios of events by name: what is counted, and of what."""


def _both_sides(
    activity: pl.DataFrame | pl.LazyFrame,
    before: tuple[date | str, date | str],
    after: tuple[date | str, date | str],
    *,
    metric: str,
    by: str | Sequence[str] | None,
    of: Mapping[str, Any],
) -> tuple[list[pl.DataFrame], list[str]]:
    """Return what each user adds to both sides of a comparison (``part`` and ``whole``), and the groups.

    ``of`` holds ``user_type`` and ``licences`` of :func:`compare_periods`.
    """
    user_type, licences = of.get("user_type", "person"), of.get("licences")
    if licences is not None:
        licences = read_roster(licences)
        activity = resolve_aliases(activity, licences)
    periods = _two_periods(before, after, of_same_length=metric not in _RATES)
    groups = as_columns(
        by, activity if licences is None else licences, reserved=tables.COMPARISON.columns, table=_TABLE
    )
    sides = [
        _per_user(activity, period, metric=metric, by=[] if licences is not None else groups, user_type=user_type)
        for period in periods
    ]
    if metric in _OF_ALL_KNOWN:
        people = _known_people(activity, periods, by=groups, user_type=user_type)
        sides = [_of_people(side, people, groups) for side in sides]
    elif metric in _OF_LICENSED:
        sides = _of_licensed(sides, periods, licences, by=groups, user_type=user_type)
    return sides, groups


_OF_ALL_KNOWN, _OF_LICENSED = ("active_rate", "active_users"), ("adoption_rate", "mean_adoption_rate")
_A_PERIOD = ("active_users", "mean_adoption_rate")
"""Counted in each period of the rows, and averaged over them."""


def _two_periods(
    before: tuple[date | str, date | str], after: tuple[date | str, date | str], *, of_same_length: bool
) -> tuple[DayRange, DayRange]:
    """Read both periods, and refuse those that cannot be compared."""
    periods = []
    for name, (start, end) in (("before", before), ("after", after)):
        period = DayRange(parse_day(start, name=name), parse_day(end, name=name))
        if period.days < 1:
            raise DateRangeError(f"{name} ends before it begins: {period}.", start=period.start, end=period.end)
        periods.append(period)
    first, second = periods
    if first.start <= second.end and second.start <= first.end:
        raise DateRangeError(f"The periods overlap: {first}, and {second}.", start=first.start, end=second.end)
    if of_same_length and _length_name(first.days) != _length_name(second.days):
        raise DateRangeError(
            f"before has {first.days} days and after {second.days}: in a longer period more people are active. "
            "Hint: compare periods of the same length.",
            start=first.start,
            end=second.end,
        )
    return first, second


def _per_user(
    activity: pl.DataFrame | pl.LazyFrame, period: DayRange, *, metric: str, by: list[str], user_type: str
) -> pl.DataFrame:
    """Return ``part`` and ``whole`` of each group and user who was active in a period."""
    start, end = row_days(activity, table=_TABLE)
    overlaps = (start <= period.end) & (end >= period.start)
    rows = activity.lazy().filter(overlaps).collect(engine=engine_for(activity))
    astray = rows.filter((start < period.start) | (end > period.end))
    if astray.height:
        raise TableError(
            f"{plural(astray.height, 'row')} reach over the border of the period {period}.",
            table=_TABLE,
            hint="compare whole periods of the frame, or fetch days.",
        )
    columns, part, whole = _part_and_whole(metric)
    day = start.meta.output_name()
    timed = [day] if metric in _A_PERIOD else []
    counted, groups = usage_rows(active_rows(rows), columns, by=[*by, *timed], user_type=check_user_type(user_type))
    require(counted.schema, ("user", "user_type"), table=_TABLE)
    if timed:  # how many of the period's days or weeks: a row's first one tells how long they are
        length = rows.select((end - start).dt.total_days().first()).item()
        part = pl.col(day).n_unique() / max(1, round(period.days / (1 + (length or 0))))
    groups = [name for name in groups if name not in timed]
    return counted.with_columns(user_key()).group_by([*groups, _KEY]).agg(part.alias("part"), whole.alias("whole"))


def _part_and_whole(metric: str) -> tuple[list[str], pl.Expr, pl.Expr]:
    """Return the columns of a metric, and what a user adds to its numerator and its denominator."""
    once = pl.lit(1.0)
    modes = {f"{mode}_rate": f"{mode}_messages" for mode in tables.MODE.categories}
    modes["completions_rate"] = "completions_accepted"
    if metric in _RATES:
        part, whole = _RATES[metric]
        is_known = pl.any_horizontal(pl.col(whole).is_not_null())
        counted = pl.sum_horizontal(pl.col(part)).filter(is_known).sum()
        return list({*part, *whole}), counted, pl.sum_horizontal(pl.col(whole)).sum()
    if metric in {*_OF_ALL_KNOWN, *_OF_LICENSED}:
        return [], once, once
    if metric in modes:
        return [modes[metric]], (pl.col(modes[metric]) > 0).any().cast(pl.Float64), once
    if metric in METRICS:
        return [metric], pl.col(metric).sum(), once
    known = [*_RATES, *_OF_ALL_KNOWN, *_OF_LICENSED, *modes, *METRICS]
    raise ValueError(f"metric={metric!r} is not valid.{did_you_mean(metric, known)}")


def _known_people(
    activity: pl.DataFrame | pl.LazyFrame, periods: tuple[DayRange, DayRange], *, by: list[str], user_type: str
) -> pl.DataFrame:
    """Return each group and user of the frame who is known by the end of the later period."""
    start, _ = row_days(activity, table=_TABLE)
    until = max(period.end for period in periods)
    known = select_users(activity.lazy().filter(start <= until), user_type, table=_TABLE)
    people = known.select(*by, user_key()).unique().collect(engine=engine_for(activity))
    return people.with_columns(whole=pl.lit(1.0))


def _of_people(side: pl.DataFrame, people: pl.DataFrame, groups: list[str]) -> pl.DataFrame:
    """Count people with a denominator, and of them those who were active."""
    active = side.select(*groups, _KEY, pl.col("part").cast(pl.Float64))
    return people.join(active, on=[*groups, _KEY], how="left", nulls_equal=True).with_columns(
        pl.col("part").fill_null(0.0)
    )


def _of_licensed(
    sides: list[pl.DataFrame],
    periods: tuple[DayRange, DayRange],
    licences: pl.DataFrame | pl.LazyFrame | None,
    *,
    by: list[str],
    user_type: str,
) -> list[pl.DataFrame]:
    """Count the people who are licensed on at least one day of each period, and of them those who were active."""
    if licences is None:
        raise ValueError("An adoption rate needs a denominator. Hint: pass licences=read_roster(path).")
    spans = spells_of(licences, user_type, keep=by)
    licensed = []
    for side, period in zip(sides, periods, strict=True):
        valid = is_licensed(pl.lit(period.start), pl.lit(period.end))
        people = spans.filter(valid).unique(_KEY, keep="last", maintain_order=True)
        people = people.select(*by, _KEY, whole=pl.lit(1.0))
        active = side.select(_KEY, pl.col("part").cast(pl.Float64))
        licensed.append(people.join(active, on=_KEY, how="left").with_columns(pl.col("part").fill_null(0.0)))
    return licensed


def _compared_sides(sides: list[pl.DataFrame], groups: list[str], *, metric: str) -> pl.DataFrame:
    """Pair the users of both sides, group by group, and judge the differences together."""
    users, *others = [
        side.select(*groups, _KEY, pl.col("part").alias(f"part_{name}"), pl.col("whole").alias(f"whole_{name}"))
        for name, side in zip(("before", "after"), sides, strict=True)
    ]
    users = users.join(others[0], on=[*groups, _KEY], how="full", coalesce=True, nulls_equal=True)
    users = users.with_columns(pl.col("part_before", "whole_before", "part_after", "whole_after").fill_null(0))
    users, keys = users.with_columns(pl.lit(0).alias(_ONE)), [*groups, _ONE]
    numbered = users.select(keys).unique().sort(keys, nulls_last=True).with_row_index(GROUP)
    users = users.join(numbered, on=keys, how="left", nulls_equal=True)
    differences = paired_difference(users, group=GROUP)
    if metric == "active_users":
        differences = _in_people(differences, users)
    judged = _with_verdicts(differences).with_columns(metric=pl.lit(metric), is_paired=pl.lit(value=True))
    return tables.COMPARISON.of(numbered.join(judged, on=GROUP, how="inner").sort(GROUP), groups)


def _in_people(differences: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    """Turn shares of the known people into people, and count those who were active on either side."""
    was, now = pl.col("part_before") > 0, pl.col("part_after") > 0
    counts = users.group_by(GROUP).agg(
        known=pl.len(),
        both_users=(was & now).sum().cast(pl.Int64),
        before_users=(was & ~now).sum().cast(pl.Int64),
        after_users=(~was & now).sum().cast(pl.Int64),
    )
    in_people = pl.col("before", "after", "difference", "difference_low", "difference_high") * pl.col("known")
    return differences.drop("both_users", "before_users", "after_users").join(counts, on=GROUP).with_columns(in_people)


def compare_groups(
    activity: pl.DataFrame | pl.LazyFrame,
    *,
    metric: str,
    by: str | Sequence[str],
    user_type: str = "person",
    min_users: int = 2,
) -> pl.DataFrame:
    """Which groups differ from all the others by more than chance?

    Each group (a language, an editor, a team) is compared with the rest over the same rows. Where people stand on
    both sides, as they write several languages, that is paired: the variance is that of each user's difference of
    residuals (see :func:`compare_periods`). Shares of different people have Newcombe's interval. The verdicts hold
    for all groups together (Holm's correction): two groups whose own intervals overlap may well differ, and of
    many groups one may stand apart by chance alone, so neither is read off the intervals of the rates.

    Parameters
    ----------
    activity : DataFrame or LazyFrame
        As for :func:`acceptance_rate` and :func:`feature_adoption`, with users and the columns of ``by``.
    metric : str
        As for :func:`compare_periods`, but for those of people who need not be active.
    by : str or sequence of str
        The columns that name the groups.
    user_type : {"person", "service_account", "all"}
        Who is compared.
    min_users : int
        Groups of fewer people are in the rest of the others, and get no verdict of their own.

    Returns
    -------
    DataFrame
        The table COMPARISON, one row a group, sorted: ``before`` is the rest, ``after`` the group. ``is_paired``
        where people stand on both sides (``both_users``); ``before_users`` are in the rest only, ``after_users`` in
        the group only. Without an interval there is no verdict.

    Raises
    ------
    TableError
        A column is missing.
    ValueError
        An unknown ``metric`` or ``user_type``, or no group.

    See Also
    --------
    compare_periods : the same people in two periods.
    augment_insights.charts.compare : its chart.

    Examples
    --------
    48 of 80 people of other teams chat, and 56 of 70 of one:

    >>> rows = [("A", n, n < 48) for n in range(80)] + [("B", 100 + n, n < 56) for n in range(70)]
    >>> people = pl.DataFrame(rows, schema=["team", "user", "chats"], orient="row").with_columns(
    ...     pl.col("user").cast(pl.String), user_type=pl.lit("person"), chat_messages=pl.col("chats").cast(pl.Int64)
    ... )
    >>> compared = compare_groups(people, metric="chat_rate", by="team")
    >>> compared.select("team", pl.col("difference_low", "difference_high").round(4), "verdict").row(1)
    ('B', 0.0524, 0.3339, 'higher')
    """
    if metric in {*_OF_ALL_KNOWN, *_OF_LICENSED}:
        raise ValueError(f"metric={metric!r} has no rows of those who are not active. Hint: use compare on its table.")
    columns, part, whole = _part_and_whole(metric)
    is_share = metric not in _RATES and metric not in METRICS
    counted, groups = usage_rows(active_rows(activity), columns, by=by, user_type=check_user_type(user_type))
    require(counted.schema, ("user", "user_type"), table=_TABLE)
    if not groups:
        raise ValueError("by= names no column. Hint: name the groups that are compared with one another.")
    users = counted.with_columns(user_key()).group_by([*groups, _KEY]).agg(part_after=part, whole_after=whole)
    numbered = users.select(groups).unique().sort(groups, nulls_last=True).with_row_index(GROUP)
    inside = users.join(numbered, on=groups, nulls_equal=True).select(GROUP, _KEY, "part_after", "whole_after")
    everybody = inside.group_by(_KEY).agg(part=pl.col("part_after").sum(), whole=pl.col("whole_after").sum())
    # Who did it in two other groups is still one person who did it.
    most_part, most_whole = 1 if is_share else None, None if metric in _RATES else 1
    sides = (
        numbered.select(GROUP)
        .join(everybody, how="cross")
        .join(inside, on=[GROUP, _KEY], how="left")
        .with_columns(pl.col("part_after", "whole_after").fill_null(0))
        .with_columns(
            part_before=(pl.col("part") - pl.col("part_after")).clip(upper_bound=most_part),
            whole_before=(pl.col("whole") - pl.col("whole_after")).clip(upper_bound=most_whole),
        )
    )
    compared = paired_difference(sides, group=GROUP)
    if is_share:
        compared = _independent_shares(compared)
    has_enough = pl.col("both_users") + pl.col("after_users") >= min_users
    judged = compared.with_columns(
        pl.when(has_enough).then(pl.col("difference_low", "difference_high", "p_value")),
        metric=pl.lit(metric),
        is_paired=pl.col("both_users") > 0,
    )
    return tables.COMPARISON.of(numbered.join(_with_verdicts(judged), on=GROUP).sort(GROUP), groups)


def _independent_shares(compared: pl.DataFrame) -> pl.DataFrame:
    """Put Newcombe's interval for different people where nobody stands on both sides."""
    sides = []
    for name in ("before", "after"):
        share, users = pl.col(name), pl.col(f"{name}_users")
        sides.append((share, *wilson((share * users).round(), users)))
    low, high = difference(*sides)
    p_value = _p_value_of(pl.col("difference"), low, high)
    apart = pl.col("both_users") == 0
    return compared.with_columns(
        difference_low=pl.when(apart).then(low).otherwise("difference_low"),
        difference_high=pl.when(apart).then(high).otherwise("difference_high"),
        p_value=pl.when(apart).then(p_value).otherwise("p_value"),
    )


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
    sides, groups = _both_sides(activity, before, after, metric=metric, by=by, of=of)
    compared = _compared_sides(sides, groups, metric=metric)
    if metric == "active_users":
        parts = compared.with_columns(contribution=pl.col("difference"))
    else:
        sums = [
            side.group_by(groups).agg(suggested_count=pl.col("whole").sum(), accepted_count=pl.col("part").sum())
            for side in sides
        ]
        both = pl.concat([rows.with_columns(pl.lit(number).alias(_SIDE)) for number, rows in enumerate(sums)])
        effects = _rate_effects(both, groups).select(*groups, contribution="total_effect")
        parts = compared.join(effects, on=groups, how="left", nulls_equal=True, maintain_order="left")
    whole = pl.col("contribution").sum()  # of a fall it is below 0
    share = pl.when(whole != 0).then(pl.col("contribution") / whole)
    return tables.CONTRIBUTIONS.of(parts.with_columns(contribution_share=share), groups)


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
    >>> one = pl.DataFrame([row], schema=tables.COMPARISON.schema)
    >>> [table["verdict"].item() for table in judge_together([one, one])]
    ['no measurable change', 'no measurable change']
    """
    for table in comparisons:
        require(columns_of(table), tuple(tables.COMPARISON.columns), table=tables.COMPARISON.name)
    if not comparisons:
        return []
    change, low, high = (pl.col(name) for name in ("difference", "difference_low", "difference_high"))
    bounds = [
        table.select("difference", "difference_low", "difference_high", pl.lit(number).alias("table"))
        for number, table in enumerate(comparisons)
    ]
    numbered = pl.concat(bounds).with_row_index("row").with_columns(p_value=_p_value_of(change, low, high))
    judged = _with_verdicts(numbered).sort("row")
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
    >>> people_needed(pl.DataFrame([row], schema=tables.COMPARISON.schema), 0.05)["needed_users"].item()
    785
    """
    require(columns_of(comparisons), tuple(tables.COMPARISON.columns), table=tables.COMPARISON.name)
    if not difference > 0 or math.isinf(difference):
        raise ValueError(f"difference={difference!r} is not a number above 0.")
    reach = (pl.col("difference_high") - pl.col("difference_low")) / 2
    people = pl.col("both_users") + pl.max_horizontal("before_users", "after_users")
    times = ((Z95 + _POWER) / Z95 * reach / difference).pow(2)
    return comparisons.with_columns(needed_users=(people * times).ceil().cast(pl.Int64))
