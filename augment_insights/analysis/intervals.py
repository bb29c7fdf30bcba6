"""How sure is a rate? Wilson's interval for shares of people, a bootstrap over users for ratios of events.

A share of people (adopted, retained, used a mode) is a binomial proportion and gets Wilson's score
interval. A ratio of events (accepted completions per suggestion) is not: the suggestions of one
user go together, so whole users are drawn again, not suggestions. The difference of two rates gets
its interval from theirs.
"""

from __future__ import annotations

import polars as pl

Z95 = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution: every interval here is 95 %."""

REPLICATES = 500
"""How many times users are drawn again for one bootstrap interval."""

MAX_CLUSTERS = 500
"""A group of more users than this is dealt at random into so many clusters of users, and those are drawn.

The rate is the same, and the interval stays right: its width moves by about 3 % by the luck of the deal
(one over the root of twice the clusters), half of what the luck of 500 replicates does. In return the
cost of a group is bounded however many users it has.
"""

_GROUP, _CLUSTER, _RANK, _SIZE, _FIRST = "__group", "__cluster", "__rank", "__size", "__first"
_HALF = 2**32


def wilson(successes: pl.Expr, trials: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Between which rates does the true share of people lie, with 95 % confidence (Wilson's score interval)?

    No continuity correction. Null where there are no trials, where either count is null, and where
    there are more successes than trials: then it is no share of people.

    Parameters
    ----------
    successes, trials : pl.Expr
        Counts of people, row by row.

    Returns
    -------
    tuple of pl.Expr
        The lower and the upper bound, Float64, 0 to 1.

    References
    ----------
    E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22.

    Examples
    --------
    >>> low, high = wilson(pl.lit(81), pl.lit(263))
    >>> pl.select(low.round(4).alias("low"), high.round(4).alias("high")).row(0)
    (0.2553, 0.3662)
    """
    hits = successes.cast(pl.Float64)
    tries = trials.cast(pl.Float64)
    sound = (tries > 0) & (hits >= 0) & (hits <= tries)
    middle = hits + Z95**2 / 2
    reach = Z95 * (hits * (tries - hits) / tries + Z95**2 / 4).sqrt()
    # At the ends the bound is exactly 0 or 1; the subtraction would leave a rounding error there.
    low = pl.when(hits == 0).then(0.0).otherwise((middle - reach) / (tries + Z95**2))
    high = pl.when(hits == tries).then(1.0).otherwise((middle + reach) / (tries + Z95**2))
    return pl.when(sound).then(low), pl.when(sound).then(high)


def difference(
    before: tuple[pl.Expr, pl.Expr, pl.Expr], after: tuple[pl.Expr, pl.Expr, pl.Expr]
) -> tuple[pl.Expr, pl.Expr]:
    """Between which values does the difference of two rates lie, given each rate with its interval?

    From Wilson's intervals this is Newcombe's hybrid score interval (his method 10); from any other
    it is the same construction (MOVER, the method of variance estimates recovery). Both sides are
    taken as independent. Null where a rate or a bound is null.

    Parameters
    ----------
    before, after : tuple of pl.Expr
        The rate, its lower bound and its upper bound.

    Returns
    -------
    tuple of pl.Expr
        The lower and the upper bound of after minus before, Float64.

    References
    ----------
    R. G. Newcombe (1998), Interval estimation for the difference between independent proportions,
    Statistics in Medicine 17.

    Examples
    --------
    >>> sides = pl.DataFrame({"s0": [48], "n0": [80], "s1": [56], "n1": [70]})
    >>> s0, n0, s1, n1 = (pl.col(name) for name in sides.columns)
    >>> low, high = difference((s0 / n0, *wilson(s0, n0)), (s1 / n1, *wilson(s1, n1)))
    >>> sides.select(low.round(4).alias("low"), high.round(4).alias("high")).row(0)
    (0.0524, 0.3339)
    """
    was, was_low, was_high = before
    now, now_low, now_high = after
    change = now - was
    down = ((now - now_low) ** 2 + (was_high - was) ** 2).sqrt()
    up = ((now_high - now) ** 2 + (was - was_low) ** 2).sqrt()
    return change - down, change + up


def bootstrap_ratio(sums: pl.DataFrame, *, by: list[str], user: str, numerator: str, denominator: str) -> pl.DataFrame:
    """Between which values does each group's ratio of sums lie, when other users might have been there?

    The users of a group are drawn again with replacement, 500 times, each with all their events; the
    bounds are the 2.5 % and 97.5 % quantiles of the ratios that come out (percentile interval).
    Users without a denominator say nothing about the ratio and are not drawn. The draws are seeded:
    the same table gives the same bounds, whatever the order of its rows and whatever other groups
    it holds.

    Parameters
    ----------
    sums : DataFrame
        One row a group and user, with that user's sums.
    by : list of str
        The columns that name a group; empty for one group of all.
    user, numerator, denominator : str
        Columns of ``sums``; the last two are integers.

    Returns
    -------
    DataFrame
        ``by``, then ``low`` and ``high`` (Float64): one row for each group with at least two users
        who have a denominator. Other groups have no row: one user cannot say how users vary.
    """
    users = sums.filter(pl.col(denominator) > 0).sort([*by, user], nulls_last=True)
    users = users.with_columns(_group_number(by))
    users = users.filter(pl.len().over(_GROUP) > 1)
    clusters = _deal(users, numerator, denominator)
    bounds = _percentiles(clusters, numerator, denominator)
    named = users.select(_GROUP, *by).unique(subset=_GROUP, keep="first")
    return named.join(bounds, on=_GROUP, how="inner").sort(_GROUP).drop(_GROUP)


def _group_number(by: list[str]) -> pl.Expr:
    """Give each group of a sorted frame its number."""
    if not by:
        return pl.lit(0, dtype=pl.UInt32).alias(_GROUP)
    return pl.struct(by).rle_id().alias(_GROUP)


def _deal(users: pl.DataFrame, numerator: str, denominator: str) -> pl.DataFrame:
    """Deal the users of each group into at most MAX_CLUSTERS clusters, the same way each time."""
    rank = pl.int_range(pl.len(), dtype=pl.UInt64).over(_GROUP)
    ranked = users.with_columns(rank.alias(_RANK))
    crowded = pl.len().over(_GROUP) > MAX_CLUSTERS
    dealt = pl.when(crowded).then(_scramble(pl.col(_RANK)) % MAX_CLUSTERS).otherwise(pl.col(_RANK))
    return (
        ranked.with_columns(dealt.alias(_CLUSTER))
        .group_by(_GROUP, _CLUSTER)
        .agg(pl.col(numerator, denominator).sum())
        .sort(_GROUP, _CLUSTER)
    )


def _percentiles(clusters: pl.DataFrame, numerator: str, denominator: str) -> pl.DataFrame:
    """Draw the clusters of each group again and again, and take the quantiles of the ratios.

    A draw is arithmetic, not a generator: the scrambled number of a row, times a random odd number of
    the replicate, read as a fraction of the group's size. Rows of a group are contiguous, so a group's
    sum is the difference of two cumulative sums. One pass over columns a replicate, none over rows.
    """
    placed = clusters.with_row_index(_FIRST).with_columns(
        pl.col(_FIRST).first().over(_GROUP).cast(pl.UInt64),
        pl.len().over(_GROUP).cast(pl.UInt64).alias(_SIZE),
        _scramble(pl.int_range(pl.len(), dtype=pl.UInt64).over(_GROUP)).alias(_RANK),
    )
    groups = placed.select(_GROUP, last=pl.col(_FIRST) + pl.col(_SIZE) - 1).unique(maintain_order=True)
    seeds, size, first = placed[_RANK], placed[_SIZE], placed[_FIRST]
    odd_numbers = pl.select(_scramble(pl.int_range(1, REPLICATES + 1, dtype=pl.UInt64)) // 2 * 2 + 1).to_series()
    ratios = []
    for odd in odd_numbers:
        drawn = (seeds * odd // _HALF * size // _HALF + first).cast(pl.UInt32)
        accepted = _group_sums(placed[numerator], drawn, groups["last"])
        offered = _group_sums(placed[denominator], drawn, groups["last"])
        ratios.append(groups.select(_GROUP, ratio=accepted / offered))
    ratio = pl.col("ratio")
    return (
        pl.concat(ratios)
        .group_by(_GROUP)
        .agg(low=ratio.quantile(0.025, "linear"), high=ratio.quantile(0.975, "linear"))
    )


def _group_sums(values: pl.Series, drawn: pl.Series, last: pl.Series) -> pl.Series:
    """Sum the drawn values of each group; ``last`` is where each group's rows end."""
    running = values.gather(drawn).cum_sum().gather(last)
    return running - running.shift(1, fill_value=0)


def _scramble(number: pl.Expr) -> pl.Expr:
    """Turn consecutive numbers into 64 bits that look random, the same on every machine (SplitMix64).

    Polars' own ``hash`` may change from one version to the next, and the intervals with it.
    """
    mixed = (number + 1) * pl.lit(0x9E3779B97F4A7C15, dtype=pl.UInt64)
    mixed = (mixed ^ (mixed // 2**30)) * pl.lit(0xBF58476D1CE4E5B9, dtype=pl.UInt64)
    mixed = (mixed ^ (mixed // 2**27)) * pl.lit(0x94D049BB133111EB, dtype=pl.UInt64)
    return mixed ^ (mixed // 2**31)
