"""Intervals: published values, cases worked by hand, and statsmodels and SciPy as a second way."""

import math
import random

import numpy as np
import polars as pl
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter
from statsmodels.regression.linear_model import WLS
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from augment_insights.analysis.intervals import (
    MIN_AT_RISK,
    difference,
    kaplan_meier,
    rate,
    ratio_interval,
    student_t,
    wilson,
)


def wilson_of(successes: int | None, trials: int | None) -> tuple[float | None, float | None]:
    low, high = wilson(pl.lit(successes, pl.Int64), pl.lit(trials, pl.Int64))
    return pl.select(low=low, high=high).row(0)


def bounds_of(users: list[tuple[int, int]]) -> tuple[float, float] | None:
    """Return the interval of one group from its users' (accepted, suggested); None where there is none."""
    frame = pl.DataFrame(users, schema={"a": pl.Int64, "s": pl.Int64}, orient="row").with_columns(g=pl.lit("all"))
    found = ratio_interval(frame, group="g", numerator="a", denominator="s")
    assert found.schema == pl.Schema({"g": pl.String, "low": pl.Float64, "high": pl.Float64})
    return found.row(0)[1:] if found.height else None


def test_a_rate_is_the_nearest_number_there_is():
    """All shares of up to 60: Python's quotient to the last bit, whatever the whole is; of nothing known, null."""
    for whole in range(1, 61):
        parts = list(range(whole + 1))
        frame = pl.DataFrame({"part": parts, "whole": [whole] * len(parts)})
        expected = [part / whole for part in parts]
        for denominator in (pl.col("whole"), pl.lit(whole), pl.col("whole").first(), pl.lit(float(whole))):
            assert frame.select(rate(pl.col("part"), denominator)).to_series().to_list() == expected
    frame = pl.DataFrame({"part": [0, 1, None], "whole": [0, None, 2]}, schema={"part": pl.Int64, "whole": pl.Int64})
    assert frame.select(rate(pl.col("part"), pl.col("whole"))).to_series().to_list() == [None, None, None]


def test_an_interval_does_not_hang_on_how_the_trials_are_given():
    """One number of trials for all rows has the bounds of a column of them, to the last bit."""
    for trials in range(1, 61):
        frame = pl.DataFrame({"hits": range(trials + 1)}).with_columns(trials=pl.Series([trials] * (trials + 1)))
        of_column, of_number = (
            frame.select(low=low, high=high).rows()
            for low, high in (wilson(pl.col("hits"), given) for given in (pl.col("trials"), pl.lit(trials)))
        )
        assert of_number == of_column


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_has_the_published_values(successes, trials, low, high):
    """The values of Newcombe's paper (1998), to the four digits that it prints."""
    found_low, found_high = wilson_of(successes, trials)
    assert (round(found_low, 4), round(found_high, 4)) == (low, high)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_that_of_statsmodels(counts):
    """A second implementation gives the same bounds, which hold the rate and stay in 0 to 1."""
    successes, trials = counts
    low, high = wilson_of(successes, trials)
    assert (low, high) == pytest.approx(proportion_confint(successes, trials, method="wilson"), abs=1e-9)
    assert 0 <= low <= successes / trials <= high <= 1


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (None, 5), (3, None), (6, 5), (-1, 5)])
def test_no_share_no_interval(successes, trials):
    """0/0, an unknown count and more users than there are have no interval: null, never NaN."""
    assert wilson_of(successes, trials) == (None, None)


@given(st.integers(1, 400), st.integers(1, 400), st.floats(0, 1), st.floats(0, 1))
def test_difference_of_shares_is_newcombes(n0, n1, p0, p1):
    """From Wilson's intervals the difference has Newcombe's interval, as statsmodels computes it."""
    s0, s1 = round(p0 * n0), round(p1 * n1)
    before = (pl.lit(s0 / n0), *wilson(pl.lit(s0), pl.lit(n0)))
    after = (pl.lit(s1 / n1), *wilson(pl.lit(s1), pl.lit(n1)))
    low, high = difference(before, after)
    expected = confint_proportions_2indep(s1, n1, s0, n0, method="newcomb", compare="diff")
    assert pl.select(low=low, high=high).row(0) == pytest.approx(expected, abs=1e-9)


def test_student_t_is_that_of_scipy():
    """Degrees of freedom from 1 to a million, whole or not: within 1e-8 of SciPy's quantile; other levels too."""
    for freedom in [*range(1, 40), *np.logspace(0, 6, 150)]:
        assert student_t(freedom) == pytest.approx(scipy.stats.t.ppf(0.975, freedom), rel=1e-8)
    for level in (0.5, 0.9, 0.99, 0.999):
        assert student_t(7.3, level) == pytest.approx(scipy.stats.t.ppf((1 + level) / 2, 7.3), rel=1e-8)


def test_a_ratios_interval_by_hand():
    """Five users accept 20 to 60 of 100 each, p = 0.4: residuals -20 to 20, each over 500 - 100.

    Variance (400 + 100 + 0 + 100 + 400) / 400^2 = 0.00625; five equal users are 4 degrees of freedom, t = 2.776445;
    t * sqrt(0.00625) / (0.4 * 0.6) = 0.914577 around the logit -0.405465 makes 0.2108 to 0.6246.
    """
    assert bounds_of([(n, 100) for n in (20, 30, 40, 50, 60)]) == pytest.approx((0.210812, 0.624597), abs=1e-6)
    assert bounds_of([(3, 10), (6, 20)]) == (0.3, 0.3)


def test_a_user_who_accepted_without_a_suggestion_counts_too():
    """2 of 4, 1 of 4 and 1 of 0, p = 0.5: residuals 0, -1 and 1 over 4, 4 and 8; n_eff = 2, so 1 degree of freedom."""
    margin = 12.706205 * math.sqrt(1 / 16 + 1 / 64) / 0.25
    expected = 1 / (1 + math.exp(margin)), 1 / (1 + math.exp(-margin))
    assert bounds_of([(2, 4), (1, 4), (1, 0)]) == pytest.approx(expected, rel=1e-6)


suggestions = st.integers(1, 400).flatmap(lambda s: st.tuples(st.integers(0, s), st.just(s)))


@given(st.lists(suggestions, min_size=2, max_size=30))
def test_a_ratios_interval_is_that_of_statsmodels(users):
    """A weighted regression of users' rates on a constant has the ratio, and with HC3 its standard error."""
    accepted, suggested = (np.array(column, dtype=float) for column in zip(*users, strict=True))
    if accepted.sum() in (0, suggested.sum()):
        assert bounds_of(users) is None
        return
    fit = WLS(accepted / suggested, np.ones(len(users)), weights=suggested).fit(cov_type="HC3")
    rate, error = fit.params[0], fit.bse[0]
    effective = suggested.sum() ** 2 / (suggested**2).sum()
    margin = scipy.stats.t.ppf(0.975, max(effective - 1, 1)) * error / (rate * (1 - rate))
    expected = scipy.special.expit(scipy.special.logit(rate) + np.array([-margin, margin]))
    low, high = bounds_of(users)
    assert (low, high) == pytest.approx(tuple(expected), abs=1e-9)
    assert 0 <= low <= sum(accepted) / sum(suggested) <= high <= 1


def test_a_ratios_interval_is_the_same_in_any_order_and_company():
    """To the last bit, when users are shuffled or renamed, and when other groups stand beside theirs."""
    dice = random.Random(2)
    frame = pl.DataFrame(
        [(group, dice.randint(0, 9), dice.randint(10, 90)) for group in "abc" for _ in range(12)],
        schema=["g", "a", "s"],
        orient="row",
    )

    def bounds(rows: pl.DataFrame) -> pl.DataFrame:
        return ratio_interval(rows, group="g", numerator="a", denominator="s")

    together = bounds(frame)
    assert together.height == 3
    assert bounds(frame.sample(fraction=1, shuffle=True, seed=3)).equals(together)
    assert bounds(frame.filter(pl.col("g") == "b")).equals(together.filter(pl.col("g") == "b"))
    assert bounds(pl.concat([frame, pl.DataFrame([("b", 0, 0)], schema=["g", "a", "s"], orient="row")])).equals(
        together
    )


@pytest.mark.parametrize(
    "users",
    [
        [],  # nobody
        [(3, 0), (4, 0)],  # nothing suggested
        [(5, 9), (0, 0)],  # one user with a suggestion
        [(0, 9), (0, 4)],  # a rate of 0
        [(9, 9), (4, 4)],  # of 1
        [(9, 8), (9, 8)],  # and of more
    ],
)
def test_where_a_ratio_has_no_interval(users):
    """One user cannot say how users vary, and a ratio of 0, of 1 or of more has no logit."""
    assert bounds_of(users) is None


@given(followed=st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=40))
def test_kaplan_meier_is_that_of_lifelines(followed):
    """Rate, Greenwood's log-log interval and users at risk on each day; no interval of few, or once all have left."""
    curve = kaplan_meier(pl.DataFrame(followed, schema=["days", "event"], orient="row").with_columns(group=0))
    times, events = zip(*followed, strict=True)
    fitter = KaplanMeierFitter().fit(times, events, timeline=range(max(times) + 1))
    assert curve["days"].to_list() == list(range(max(times) + 1))
    assert curve["at_risk_users"].to_list() == [sum(time >= day for time in times) for day in curve["days"]]
    assert curve["rate"].to_list() == pytest.approx(fitter.survival_function_["KM_estimate"].to_list(), abs=1e-9)
    is_known = ((curve["rate"] > 0) & (curve["at_risk_users"] >= MIN_AT_RISK)).to_list()
    for column, bounds in zip(("low", "high"), fitter.confidence_interval_.to_numpy().T, strict=True):
        assert [bound is not None for bound in curve[column]] == is_known
        expected = [bound for bound, known in zip(bounds, is_known, strict=True) if known]
        assert curve[column].drop_nulls().to_list() == pytest.approx(expected, abs=1e-9)
