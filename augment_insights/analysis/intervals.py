"""What is a rate, and how sure is it? Wilson's interval for shares of people, a bootstrap over users for ratios.

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

_ROWS_AT_ONCE = 2_000_000
_GROUP, _CLUSTER, _SEED, _SIZE, _FIRST, _ODD = "__group", "__cluster", "__seed", "__size", "__first", "__odd"
_NUMERATOR, _DENOMINATOR = "__numerator", "__denominator"
_HALF = 2**32


def rate(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """Which share of the whole is the part (or the mean, of a sum)? Null where there is no whole (0, or null).

    The quotient is the nearest number there is, as in Python: 49 of 49 is 1. A column divided by one
    number for all rows would be multiplied by its reciprocal instead, and 49 of 49 be
    0.9999999999999999; so the whole is made a number for each row first.

    Parameters
    ----------
    part, whole : pl.Expr
        Counts or sums, row by row.

    Returns
    -------
    pl.Expr
        Float64.

    Examples
    --------
    >>> pl.DataFrame({"active": [49, 0]}).select(rate(pl.col("active"), pl.lit(49))).to_series().to_list()
    [1.0, 0.0]
    """
    return pl.when(whole > 0).then(part.cast(pl.Float64) / (whole + part * 0))


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
    tries = trials.cast(pl.Float64) + hits * 0  # a number for each row: see rate
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


def kaplan_meier(followed: pl.DataFrame) -> pl.DataFrame:
    """After how many days has what share had no event yet (Kaplan-Meier, Greenwood's log-log interval)?

    A user who is followed for n days is at risk up to and on day n, and leaves after it. So an
    event on a day comes before the users whose time ends on that day leave.
    """
    by_day = followed.group_by(pl.col("days").cast(pl.Int64)).agg(leaving=pl.len(), event_users=pl.col("event").sum())
    grid = followed.select(days=pl.int_range(0, pl.col("days").max().fill_null(-1) + 1, dtype=pl.Int64))
    left = pl.col("leaving")
    events, at_risk, rate = pl.col("event_users"), pl.col("at_risk_users"), pl.col("rate")
    # Greenwood: the variance of log S is the sum of d / (n (n - d)); it is infinite once S is 0.
    spread = (events / (at_risk * (at_risk - events))).cum_sum().sqrt() / rate.log()
    reach = Z95 * spread
    open_ended = pl.when(rate == 1).then(1.0)
    return (
        grid.join(by_day, on="days", how="left")
        .sort("days")
        .with_columns(pl.col("leaving", "event_users").fill_null(0).cast(pl.Int64))
        .with_columns(at_risk_users=left.cum_sum(reverse=True))
        .with_columns(rate=(1 - events / at_risk).cum_prod())
        .with_columns(
            low=open_ended.when(rate > 0).then(rate.pow((-reach).exp())),
            high=open_ended.when(rate > 0).then(rate.pow(reach.exp())),
        )
    )


def bootstrap_ratio(sums: pl.DataFrame, *, group: str, user: str, numerator: str, denominator: str) -> pl.DataFrame:
    """Between which values does each group's ratio of sums lie, when other users might have been there?

    The users of a group are drawn again with replacement, 500 times, each with all their events; the
    bounds are the 2.5 % and 97.5 % quantiles of the ratios that come out (percentile interval).
    Users without either count say nothing about the ratio and are not drawn; one with a numerator alone
    (the API should not say so) is in the ratio, and so in the draws. The draws are seeded:
    the same table gives the same bounds, whatever the order of its rows and whatever other groups
    it holds.

    Parameters
    ----------
    sums : DataFrame
        One row a group and user, with that user's sums.
    group, user : str
        Columns that name a row; not null.
    numerator, denominator : str
        Columns of integers.

    Returns
    -------
    DataFrame
        ``group``, ``low`` and ``high`` (Float64): one row for each group with a ratio and at least
        two users in it. Other groups have no row: one user cannot say how users vary.
    """
    users = (
        sums.select(
            pl.col(group).alias(_GROUP),
            user,
            pl.col(numerator).alias(_NUMERATOR),
            pl.col(denominator).alias(_DENOMINATOR),
        )
        .filter((pl.col(_DENOMINATOR) > 0) | (pl.col(_NUMERATOR) > 0))
        .filter(pl.len().over(_GROUP) > 1)
        .sort(_GROUP, user)
    )
    drawn = _draw_again(_deal(users))
    ratio = pl.col("ratio")
    bounds = drawn.group_by(_GROUP).agg(low=ratio.quantile(0.025, "linear"), high=ratio.quantile(0.975, "linear"))
    return bounds.drop_nulls().sort(_GROUP).rename({_GROUP: group})


def _deal(users: pl.DataFrame) -> pl.DataFrame:
    """Deal the users of each group into at most MAX_CLUSTERS clusters, the same way each time."""
    rank = pl.int_range(pl.len(), dtype=pl.UInt64).over(_GROUP)
    crowded = pl.len().over(_GROUP) > MAX_CLUSTERS
    return (
        users.with_columns(pl.when(crowded).then(_scramble(rank) % MAX_CLUSTERS).otherwise(rank).alias(_CLUSTER))
        .group_by(_GROUP, _CLUSTER)
        .agg(pl.col(_NUMERATOR, _DENOMINATOR).sum())
        .sort(_GROUP, _CLUSTER)
    )


def _draw_again(clusters: pl.DataFrame) -> pl.DataFrame:
    """Draw the clusters of each group REPLICATES times; return the ratio of each group and replicate.

    A draw is arithmetic, not a generator: the scrambled number of a row, times a random odd number of
    the replicate, read as a fraction of the group's size. Rows of a group are contiguous, so a group's
    sum is the difference of two cumulative sums. Many replicates are laid end to end in one pass,
    as many as keep it in memory.
    """
    placed = clusters.with_row_index(_FIRST).select(
        _GROUP,
        pl.col(_FIRST).first().over(_GROUP).cast(pl.UInt64),
        pl.len().over(_GROUP).cast(pl.UInt64).alias(_SIZE),
        _scramble(pl.int_range(pl.len(), dtype=pl.UInt64).over(_GROUP)).alias(_SEED),
    )
    ends = placed.select(_GROUP, last=pl.col(_FIRST) + pl.col(_SIZE) - 1).unique(maintain_order=True)
    odd = _scramble(pl.int_range(1, REPLICATES + 1, dtype=pl.UInt64)) // 2 * 2 + 1
    replicates = pl.select(odd.alias(_ODD))
    index = (pl.col(_SEED) * pl.col(_ODD) // _HALF * pl.col(_SIZE) // _HALF + pl.col(_FIRST)).cast(pl.UInt32)
    at_once = max(1, _ROWS_AT_ONCE // max(1, clusters.height))
    passes = []
    for some in replicates.iter_slices(at_once):
        drawn = some.join(placed, how="cross").select(index).to_series()
        last = some.with_row_index(_FIRST).join(ends, how="cross")
        last = last.select(_GROUP, last=pl.col("last") + pl.col(_FIRST) * pl.lit(clusters.height, pl.UInt64))
        numerator, denominator = (
            _sums_between(clusters[name], drawn, last["last"]) for name in (_NUMERATOR, _DENOMINATOR)
        )
        drawn_sums = last.select(_GROUP, numerator.alias(_NUMERATOR), denominator.alias(_DENOMINATOR))
        passes.append(drawn_sums.select(_GROUP, ratio=rate(pl.col(_NUMERATOR), pl.col(_DENOMINATOR))))
    return pl.concat(passes)


def _sums_between(values: pl.Series, drawn: pl.Series, last: pl.Series) -> pl.Series:
    """Sum the drawn values from the end of one group to the end of the next."""
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
