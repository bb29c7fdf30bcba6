"""Intervals: published values, statsmodels as a second engine, and the bootstrap against plain Python."""

from __future__ import annotations

import math
import random
from statistics import quantiles

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from augment_insights.analysis.intervals import MAX_CLUSTERS, bootstrap_ratio, difference, rate, wilson

few = settings(max_examples=60, deadline=None)


def wilson_of(successes: int | None, trials: int | None) -> tuple[float | None, float | None]:
    low, high = wilson(pl.lit(successes, pl.Int64), pl.lit(trials, pl.Int64))
    return pl.select(low=low, high=high).row(0)


def bounds_of(users: list[tuple[int, int]]) -> tuple[float, float]:
    """Return the bootstrap interval of one group from its users' (accepted, suggested)."""
    frame = pl.DataFrame(users, schema=["a", "s"], orient="row").with_row_index("u").with_columns(g=pl.lit("all"))
    found = bootstrap_ratio(frame, group="g", user="u", numerator="a", denominator="s")
    return found.row(0)[1:]


def test_a_rate_is_the_nearest_number_there_is() -> None:
    """All shares of up to 60: Python's own quotient to the last bit, whether the whole is a column or one number."""
    for whole in range(1, 61):
        parts = list(range(whole + 1))
        frame = pl.DataFrame({"part": parts, "whole": [whole] * len(parts)})
        expected = [part / whole for part in parts]
        for denominator in (pl.col("whole"), pl.lit(whole), pl.col("whole").first(), pl.lit(float(whole))):
            assert frame.select(rate(pl.col("part"), denominator)).to_series().to_list() == expected


def test_an_interval_does_not_hang_on_how_the_trials_are_given() -> None:
    """One number of trials for all rows has the bounds of a column of them, to the last bit."""
    for trials in range(1, 61):
        frame = pl.DataFrame({"hits": range(trials + 1)}).with_columns(trials=pl.Series([trials] * (trials + 1)))
        of_column, of_number = (
            frame.select(low=low, high=high).rows()
            for low, high in (wilson(pl.col("hits"), given) for given in (pl.col("trials"), pl.lit(trials)))
        )
        assert of_number == of_column


def test_no_whole_no_rate() -> None:
    """0 of 0 is not known, and neither is a share of, or a part that is, nothing known."""
    frame = pl.DataFrame({"part": [0, 1, None], "whole": [0, None, 2]}, schema={"part": pl.Int64, "whole": pl.Int64})
    assert frame.select(rate(pl.col("part"), pl.col("whole"))).to_series().to_list() == [None, None, None]


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_has_the_published_values(successes: int, trials: int, low: float, high: float) -> None:
    """The values of Newcombe's paper (1998), to the four digits that it prints."""
    found_low, found_high = wilson_of(successes, trials)
    assert (round(found_low, 4), round(found_high, 4)) == (low, high)


@few
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_that_of_statsmodels(counts: tuple[int, int]) -> None:
    """A second implementation gives the same bounds, which hold the rate and stay in 0 to 1."""
    successes, trials = counts
    low, high = wilson_of(successes, trials)
    assert (low, high) == pytest.approx(proportion_confint(successes, trials, method="wilson"), abs=1e-9)
    assert 0 <= low <= successes / trials <= high <= 1


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (None, 5), (3, None), (6, 5), (-1, 5)])
def test_no_share_no_interval(successes: int | None, trials: int | None) -> None:
    """0/0, an unknown count and more users than there are have no interval: null, never NaN."""
    assert wilson_of(successes, trials) == (None, None)


@few
@given(st.integers(1, 400), st.integers(1, 400), st.floats(0, 1), st.floats(0, 1))
def test_difference_of_shares_is_newcombes(n0: int, n1: int, p0: float, p1: float) -> None:
    """From Wilson's intervals the difference has Newcombe's interval, as statsmodels computes it."""
    s0, s1 = round(p0 * n0), round(p1 * n1)
    before = (pl.lit(s0 / n0), *wilson(pl.lit(s0), pl.lit(n0)))
    after = (pl.lit(s1 / n1), *wilson(pl.lit(s1), pl.lit(n1)))
    low, high = difference(before, after)
    expected = confint_proportions_2indep(s1, n1, s0, n0, method="newcomb", compare="diff")
    assert pl.select(low=low, high=high).row(0) == pytest.approx(expected, abs=1e-9)


def test_bootstrap_is_that_of_plain_python() -> None:
    """Forty groups of 25 users, drawn again 500 times by the standard library: the same bounds, but for luck.

    The luck of 500 draws moves a bound by some 6 % of the width; over forty groups it is below 2 %.
    """
    dice = random.Random(4)
    groups = [
        [(round(s * dice.betavariate(6, 4)), s) for s in (dice.randint(1, 300) for _ in range(25))] for _ in range(40)
    ]
    misses = []
    for users in groups:
        ratios = []
        for _ in range(500):
            drawn = dice.choices(users, k=len(users))
            ratios.append(sum(a for a, _ in drawn) / sum(s for _, s in drawn))
        cuts = quantiles(ratios, n=1000)
        width = cuts[974] - cuts[24]
        low, high = bounds_of(users)
        misses.append(((low - cuts[24]) / width, (high - cuts[974]) / width))
    assert [sum(side) / len(groups) for side in zip(*misses, strict=True)] == pytest.approx([0, 0], abs=0.03)


def test_many_users_are_dealt_without_narrowing_the_interval() -> None:
    """For 4,000 users, dealt into clusters, the width is that of the linearised variance within 15 %."""
    dice = random.Random(9)
    users = [(round(s * dice.betavariate(6, 4)), s) for s in (dice.randint(1, 300) for _ in range(8 * MAX_CLUSTERS))]
    accepted, suggested = (sum(column) for column in zip(*users, strict=True))
    rate = accepted / suggested
    error = math.sqrt(sum((a - rate * s) ** 2 for a, s in users)) / suggested
    low, high = bounds_of(users)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.15)
    assert low < rate < high


def test_bootstrap_is_the_same_in_any_order_and_company() -> None:
    """A group has the same bounds when its rows are shuffled and when other groups stand beside it."""
    dice = random.Random(2)
    frame = pl.DataFrame(
        [(group, f"u{n}", dice.randint(0, 9), dice.randint(10, 90)) for group in "abc" for n in range(12)],
        schema=["g", "u", "a", "s"],
        orient="row",
    )

    def bounds(rows: pl.DataFrame) -> pl.DataFrame:
        return bootstrap_ratio(rows, group="g", user="u", numerator="a", denominator="s")

    together = bounds(frame)
    assert bounds(frame.sample(fraction=1, shuffle=True, seed=3)).equals(together)
    assert bounds(frame.filter(pl.col("g") == "b")).equals(together.filter(pl.col("g") == "b"))


def test_one_user_with_a_denominator_has_no_interval() -> None:
    """A user without suggestions says nothing: a group of one other user has no row, a group of two has."""
    frame = pl.DataFrame(
        [("one", "ada", 5, 9), ("one", "bob", 0, 0), ("two", "ada", 5, 9), ("two", "bob", 1, 4)],
        schema=["g", "u", "a", "s"],
        orient="row",
    )
    found = bootstrap_ratio(frame, group="g", user="u", numerator="a", denominator="s")
    assert found["g"].to_list() == ["two"]
    assert found.row(0)[1:] == (0.25, 5 / 9)  # of four possible draws one is all bob, one is all ada


def test_a_user_who_accepted_without_a_suggestion_is_drawn_as_well() -> None:
    """The ratio counts what such a user accepted (here 12 of 8), so an interval without it would not hold the ratio."""
    low, high = bounds_of([(2, 4), (1, 4), (9, 0)])
    # Drawn with an equal chance: 27 triples, from all the second user (1/4) to one with two of the third (20 of 4).
    assert low == pytest.approx(1 / 4)
    assert high == pytest.approx(20 / 4)


def test_no_suggestion_at_all_no_interval() -> None:
    """Where nobody has a denominator there is no ratio, and nothing around it."""
    frame = pl.DataFrame([("a", 1, 3, 0), ("a", 2, 4, 0)], schema=["g", "u", "a", "s"], orient="row")
    assert bootstrap_ratio(frame, group="g", user="u", numerator="a", denominator="s").is_empty()


def test_no_user_no_interval() -> None:
    """An empty frame gives an empty table with the same columns."""
    frame = pl.DataFrame(schema={"g": pl.String, "u": pl.String, "a": pl.Int64, "s": pl.Int64})
    found = bootstrap_ratio(frame, group="g", user="u", numerator="a", denominator="s")
    assert found.schema == pl.Schema({"g": pl.String, "low": pl.Float64, "high": pl.Float64})
    assert found.is_empty()
