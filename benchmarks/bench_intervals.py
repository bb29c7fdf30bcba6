"""How often does the interval of an acceptance rate hold the true rate?

Organisations of 5 to 1,000 users are drawn from three made-up populations, whose true pooled rate is
known: a user's suggestions are lognormal (sigma 0.5 or 1.2), a user's own rate is a beta around 0.3, and
in the third population users with more suggestions accept more: a user with 3.3 times as many (one sigma)
has 1.28 times the odds (a slope of 0.25). The steeper, the fewer intervals hold the true rate: with a
slope of 0.5 it is about .89 for 20 to 50 users. Nothing is timed; the draws are seeded.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from augment_insights.analysis.intervals import ratio_interval

TRIALS = 4_000
USERS = (5, 10, 20, 50, 200, 1_000)
POPULATIONS = {
    "even use": {"sigma": 0.5, "slope": 0.0},
    "uneven use": {"sigma": 1.2, "slope": 0.0},
    "uneven use, heavy users accept more": {"sigma": 1.2, "slope": 0.25},
}
AT_LEAST = {"even use": 0.93, "uneven use": 0.93, "uneven use, heavy users accept more": 0.91}
MEDIAN_SUGGESTIONS = 200
SPREAD = 6
"""How alike users are: a user's own rate is a beta of which this is the sum of both parameters."""


def draw(dice: np.random.Generator, users: int, *, sigma: float, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw users: accepted and suggested completions of each."""
    size = dice.normal(size=users)
    suggested = np.maximum(1, np.rint(MEDIAN_SUGGESTIONS * np.exp(sigma * size))).astype(int)
    expected = 1 / (1 + np.exp(-(np.log(0.3 / 0.7) + slope * size)))
    own = dice.beta(SPREAD * expected, SPREAD * (1 - expected))
    return dice.binomial(suggested, own), suggested


def coverage(dice: np.random.Generator, users: int, true_rate: float, **population: float) -> float:
    """Return the share of trials whose interval holds the true rate; no interval holds nothing."""
    accepted, suggested = draw(dice, users * TRIALS, **population)
    trials = pl.DataFrame({"trial": np.repeat(np.arange(TRIALS), users), "accepted": accepted, "suggested": suggested})
    bounds = ratio_interval(trials, group="trial", numerator="accepted", denominator="suggested")
    return bounds.filter(pl.lit(true_rate).is_between("low", "high")).height / TRIALS


def main() -> None:
    """Draw, and print the coverage of each population and number of users."""
    dice = np.random.default_rng(1)
    print(f"Coverage of the 95 % confidence interval over users, {TRIALS:,} trials each:")
    print(f"  {'users':36}" + "".join(f"{users:>8,}" for users in USERS))
    for name, population in POPULATIONS.items():
        accepted, suggested = draw(dice, 4_000_000, **population)
        found = [coverage(dice, users, accepted.sum() / suggested.sum(), **population) for users in USERS]
        print(f"  {name:36}" + "".join(f"{share:8.3f}" for share in found))
        assert min(found[1:]) >= AT_LEAST[name], f"{name}: too few intervals hold the true rate"


if __name__ == "__main__":
    main()
