"""What is a rate, and how sure is it? Wilson's interval for shares of people, a cluster-robust one for ratios.

A share of people (adopted, retained, used a mode) is a binomial proportion and gets Wilson's score
interval. A ratio of events (accepted completions per suggestion) is not: the suggestions of one
user go together, so its interval comes from how users differ, not from how many suggestions there
are. The difference of two rates gets its interval from theirs.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import polars as pl

Z95 = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution: every interval here is 95 %."""

_MOST_EXACT = 1_000
"""Above so many changed pairs the normal distribution is as good as the binomial."""

MIN_AT_RISK = 10
"""Of fewer users at risk a survival curve has no interval: it would not hold what it says."""


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


def rate_of_people(name: str, part: pl.Expr, whole: pl.Expr) -> list[pl.Expr]:
    """Which share of some people is so, and between which rates does it truly lie (:func:`rate`, :func:`wilson`)?

    Parameters
    ----------
    name : str
        What the rate is called.
    part, whole : pl.Expr
        Counts of people, row by row.

    Returns
    -------
    list of pl.Expr
        The rate, its ``_low`` and its ``_high``, Float64.

    Examples
    --------
    >>> pl.select(rate_of_people("adoption_rate", pl.lit(0), pl.lit(4))).columns
    ['adoption_rate', 'adoption_rate_low', 'adoption_rate_high']
    """
    low, high = wilson(part, whole)
    return [rate(part, whole).alias(name), low.alias(f"{name}_low"), high.alias(f"{name}_high")]


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
    """After how many days has what share of each group had no event yet (Kaplan-Meier, Greenwood's log-log interval)?

    A user who is followed for n days is at risk up to and on day n, and leaves after it. So an
    event on a day comes before the users whose time ends on that day leave. Where fewer than
    ``MIN_AT_RISK`` users are at risk there is no interval.
    """
    keys = ["group", pl.col("days").cast(pl.Int64)]
    by_day = followed.group_by(keys).agg(leaving=pl.len(), event_users=pl.col("event").sum())
    grid = by_day.group_by("group").agg(days=pl.int_range(0, pl.col("days").max() + 1)).explode("days")
    left = pl.col("leaving")
    events, at_risk, rate = pl.col("event_users"), pl.col("at_risk_users"), pl.col("rate")
    # Greenwood: the variance of log S is the sum of d / (n (n - d)); it is infinite once S is 0.
    spread = (events / (at_risk * (at_risk - events))).cum_sum().sqrt() / rate.log()
    reach = pl.col("reach")
    bounded = pl.when(at_risk < MIN_AT_RISK).then(None).when(rate == 1).then(1.0).when(rate > 0)
    return (
        grid.join(by_day, on=["group", "days"], how="left")
        .sort("group", "days")
        .with_columns(pl.col("leaving", "event_users").fill_null(0).cast(pl.Int64))
        .with_columns(at_risk_users=left.cum_sum(reverse=True).over("group"))
        .with_columns(rate=(1 - events / at_risk).cum_prod().over("group"))
        .with_columns(reach=Z95 * spread.over("group"))
        .with_columns(low=bounded.then(rate.pow((-reach).exp())), high=bounded.then(rate.pow(reach.exp())))
    )


def _newcombe_paired() -> tuple[pl.Expr, pl.Expr]:
    """Return Newcombe's paired interval (method 10) from the counts ``kept``, ``lost``, ``gained``, ``both_users``."""
    kept, lost, gained = (pl.col(name).cast(pl.Float64) for name in ("kept", "lost", "gained"))
    users = pl.col("both_users").cast(pl.Float64)
    neither = users - kept - lost - gained
    was, now = (kept + lost) / users, (kept + gained) / users
    was_low, was_high = wilson(kept + lost, users)
    now_low, now_high = wilson(kept + gained, users)
    agreement = kept * neither - lost * gained
    corrected = pl.when(agreement > 0).then((agreement - users / 2).clip(lower_bound=0)).otherwise(agreement)
    scale = ((kept + lost) * (gained + neither) * (kept + gained) * (lost + neither)).sqrt()
    correlation = pl.when(scale > 0).then(corrected / scale).otherwise(0.0)

    def reach(first: pl.Expr, second: pl.Expr) -> pl.Expr:
        return (first**2 - 2 * correlation * first * second + second**2).sqrt()

    change = now - was
    return change - reach(now - now_low, was_high - was), change + reach(now_high - now, was - was_low)


def mcnemar_p(gained: int, lost: int) -> float:
    """How often would chance alone move so many people one way rather than the other (McNemar's test, mid-p)?

    Parameters
    ----------
    gained, lost : int
        People who changed from no to yes, and from yes to no.

    Returns
    -------
    float
        The two-sided mid-p value; 1 when nobody changed.

    References
    ----------
    M. W. Fagerland, S. Lydersen and P. Laake (2013), The McNemar test for binary matched-pairs data: mid-p and
    asymptotic are better than exact conditional, BMC Medical Research Methodology 13.

    Examples
    --------
    >>> round(mcnemar_p(9, 2), 4)
    0.0386
    """
    changed, fewer = gained + lost, min(gained, lost)
    if gained == lost:
        return 1.0
    if changed > _MOST_EXACT:
        return math.erfc((changed - 2 * fewer) / math.sqrt(2 * changed))
    ways, below = 1, 0
    for k in range(fewer):
        below += ways
        ways = ways * (changed - k) // (k + 1)
    return (2 * below + ways) / (1 << changed)


def ratio_interval(sums: pl.DataFrame, *, group: str, numerator: str, denominator: str) -> pl.DataFrame:
    """Between which values does each group's ratio of sums lie, with 95 % confidence over its users?

    A cluster-robust interval: each user's residual is divided by one minus the user's share of the
    denominator (the jackknife's correction, HC3), the squares add up to the variance, and the bounds
    are taken on the logit scale, with Student's t at Kish's effective number of users minus one degrees
    of freedom (at least one). Only the sums enter it, not their order, and not the users' names.

    Parameters
    ----------
    sums : DataFrame
        One row a group and user, with that user's sums.
    group : str
        The column that names a group; not null.
    numerator, denominator : str
        Columns of numbers.

    Returns
    -------
    DataFrame
        ``group``, ``low`` and ``high`` (Float64): one row for each group with a ratio between 0
        and 1 and at least two users who have a denominator. Other groups have no row: one user
        cannot say how users vary, and a ratio of 0 or 1 has no logit.

    References
    ----------
    J. G. MacKinnon and H. White (1985), Some heteroskedasticity-consistent covariance matrix
    estimators, Journal of Econometrics 29. L. Kish (1965), Survey Sampling.

    Examples
    --------
    Five users with 100 suggestions each, of which they accept 20 to 60:

    >>> users = pl.DataFrame({"team": ["A"] * 5, "accepted": [20, 30, 40, 50, 60], "suggested": [100] * 5})
    >>> bounds = ratio_interval(users, group="team", numerator="accepted", denominator="suggested")
    >>> bounds.select(pl.col("low", "high").round(4)).row(0)
    (0.2108, 0.6246)
    """
    part, whole = pl.col("part"), pl.col("whole")
    ratio = part.sum() / whole.sum()
    users = sums.select(
        pl.col(group), part=pl.col(numerator).cast(pl.Float64), whole=pl.col(denominator).cast(pl.Float64)
    )
    p, margin = pl.col("ratio"), pl.col("margin")
    return (
        users.sort(pl.all())  # so that the sums of floats are the same for the same users, to the last bit
        .group_by(group, maintain_order=True)
        .agg(
            ratio=ratio,
            variance=((part - ratio * whole) / (whole.sum() - whole)).pow(2).sum(),
            effective_users=whole.sum().pow(2) / whole.pow(2).sum(),
            with_denominator=(whole > 0).sum(),
        )
        .filter(pl.col("with_denominator") > 1, p > 0, p < 1)
        .with_columns(
            margin=(pl.col("effective_users") - 1)
            .clip(lower_bound=1)
            .map_elements(student_t, return_dtype=pl.Float64)
            .mul(pl.col("variance").sqrt() / (p * (1 - p)))
        )
        .select(group, low=p / (p + (1 - p) * margin.exp()), high=p / (p + (1 - p) * (-margin).exp()))
    )


def student_t(freedom: float, level: float = 0.95) -> float:
    """Within how many standard errors of zero does Student's t lie, at a confidence level?

    Newton's method on the tail, from the normal quantile's side: the tail is convex there, so each
    step comes nearer and none goes too far.

    Parameters
    ----------
    freedom : float
        Degrees of freedom, at least 1; they need not be whole.
    level : float
        The confidence level, such as 0.95.

    Returns
    -------
    float

    Examples
    --------
    >>> round(student_t(4), 6), round(student_t(1), 4)
    (2.776445, 12.7062)
    """
    log_scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    t, step = NormalDist().inv_cdf((1 + level) / 2), math.inf
    while step > 1e-12 * t:
        density = math.exp(log_scale - (freedom + 1) / 2 * math.log1p(t * t / freedom))
        step = (beyond(t, freedom) - (1 - level)) / (2 * density)
        t += step
    return t


def beyond(t: float, freedom: float) -> float:
    """Return the share of Student's t below -t or above t: an incomplete beta function, by its power series.

    Of its two sides the one is summed whose argument is below one half: there the terms fall at least so fast.
    """
    if t == 0 or math.isinf(t):
        return 0.0 if t else 1.0
    tail = freedom / (freedom + t * t)
    is_tail = tail < 0.5  # noqa: PLR2004 (the nearer end of 0 to 1)
    a, b, x = (freedom / 2, 0.5, tail) if is_tail else (0.5, freedom / 2, t * t / (freedom + t * t))
    term, total, step = 1.0, 1.0, 0
    while term > 1e-17 * total:
        term *= x * (a + b + step) / (a + 1 + step)
        total += term
        step += 1
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    share = total * math.exp(a * math.log(x) + b * math.log1p(-x) - log_beta) / a
    return share if is_tail else 1 - share


def paired_difference(sums: pl.DataFrame, *, group: str) -> pl.DataFrame:
    """By how much did each group's ratio of sums change between two periods of mostly the same users?

    The linearised variance of a difference of two ratios: that of each user's difference of residuals, each
    residual divided by its side's denominator without the user (the jackknife's correction, HC3). A user who is
    absent on one side has the residual 0 there. Bounds and p-value are Student's t at Kish's effective number
    of users minus one. Where every user has the same denominator on both sides and each part is 0 or that
    denominator (a share of a fixed number of people), the bounds are Newcombe's paired interval and the p-value
    is McNemar's, exact with the mid-p correction.

    Parameters
    ----------
    sums : DataFrame
        One row a group and user: ``part_before``, ``whole_before``, ``part_after``, ``whole_after``
        (numbers; 0 where the user is absent on a side).
    group : str
        The column that names a group; not null.

    Returns
    -------
    DataFrame
        One row a group, sorted: ``before``, ``after``, ``difference``, ``difference_low``, ``difference_high``
        and ``p_value`` (null where a side has no denominator or fewer than two users count), ``both_users``,
        ``before_users``, ``after_users`` (who count on both sides, or on one only).

    References
    ----------
    R. G. Newcombe (1998), Improved confidence intervals for the difference between binomial proportions based
    on paired data, Statistics in Medicine 17.

    Examples
    --------
    Twenty people; of the twelve who were active before three are not after, and seven others are:

    >>> pairs = [(1, 1)] * 9 + [(1, 0)] * 3 + [(0, 1)] * 7 + [(0, 0)]
    >>> users = pl.DataFrame(
    ...     [("A", was, 1, now, 1) for was, now in pairs],
    ...     schema=["team", "part_before", "whole_before", "part_after", "whole_after"], orient="row",
    ... )
    >>> changed = paired_difference(users, group="team")
    >>> changed.select(pl.col("difference", "difference_low").round(4), "both_users").row(0)
    (0.2, -0.1025, 20)
    """
    numbers = ("part_before", "whole_before", "part_after", "whole_after")
    users = sums.select(group, *(pl.col(name).cast(pl.Float64) for name in numbers)).sort(pl.all())
    a0, v0, a1, v1 = (pl.col(name) for name in numbers)
    p0, p1 = a0.sum() / v0.sum(), a1.sum() / v1.sum()
    residuals = pl.when(v1 > 0).then((a1 - p1 * v1) / (v1.sum() - v1)).otherwise(0.0) - pl.when(v0 > 0).then(
        (a0 - p0 * v0) / (v0.sum() - v0)
    ).otherwise(0.0)
    weight = v0 / v0.sum() + v1 / v1.sum()
    counts = (v0 > 0) | (v1 > 0)
    is_pair = (v0 == v1) & ((a0 == 0) | (a0 == v0)) & ((a1 == 0) | (a1 == v1)) & (v0 == v0.max())
    summed = users.group_by(group, maintain_order=True).agg(
        before=p0,
        after=p1,
        variance=residuals.pow(2).sum(),
        effective_users=weight.sum().pow(2) / weight.pow(2).sum(),
        counted_users=counts.sum(),
        is_fixed=is_pair.filter(counts).all() & (v0.max() > 0),
        kept=((a0 > 0) & (a1 > 0)).sum(),
        lost=((a0 > 0) & (a1 == 0) & (v1 > 0)).sum(),
        gained=((a0 == 0) & (a1 > 0) & (v0 > 0)).sum(),
        both_users=((v0 > 0) & (v1 > 0)).sum().cast(pl.Int64),
        before_users=((v0 > 0) & ~(v1 > 0)).sum().cast(pl.Int64),
        after_users=(~(v0 > 0) & (v1 > 0)).sum().cast(pl.Int64),
    )
    change, error = pl.col("after") - pl.col("before"), pl.col("variance").sqrt()
    freedom = (pl.col("effective_users") - 1).fill_nan(1.0).clip(lower_bound=1)
    steps = pl.when(change != 0).then((change / error).abs()).otherwise(0.0).fill_nan(0.0)
    tested = summed.with_columns(
        reach=error * freedom.map_elements(student_t, return_dtype=pl.Float64),
        t_test=pl.struct(t=steps, freedom=freedom).map_elements(
            lambda row: beyond(row["t"], row["freedom"]), return_dtype=pl.Float64
        ),
        mcnemar=pl.struct("gained", "lost").map_elements(
            lambda row: mcnemar_p(row["gained"], row["lost"]), return_dtype=pl.Float64
        ),
    )
    low, high = _newcombe_paired()
    fixed, reach = pl.col("is_fixed"), pl.col("reach")
    # A side of one user has no spread of its own: its residual is 0 / 0.
    can_tell = (pl.col("counted_users") > 1) & change.is_finite() & (fixed | reach.is_finite())
    return tested.select(
        group,
        *(pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in ("before", "after")),
        difference=pl.when(change.is_finite()).then(change),
        difference_low=pl.when(can_tell).then(pl.when(fixed).then(low).otherwise(change - reach)),
        difference_high=pl.when(can_tell).then(pl.when(fixed).then(high).otherwise(change + reach)),
        p_value=pl.when(can_tell).then(pl.when(fixed).then("mcnemar").otherwise("t_test")),
        both_users="both_users",
        before_users="before_users",
        after_users="after_users",
    )
