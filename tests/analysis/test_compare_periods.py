"""Two periods of mostly the same people: the pairs decide."""

import math
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from augment_insights import analysis
from augment_insights.analysis.intervals import mcnemar_p
from augment_insights.errors import DateRangeError, TableError
from augment_insights.tables import COMPARISON, METRICS

FIRST, SECOND = ("2026-01-05", "2026-01-11"), ("2026-01-12", "2026-01-18")
WEEKS: dict[str, Any] = {"before": FIRST, "after": SECOND}


def accepting(make_usage: Callable[..., pl.DataFrame], *users: Sequence[int | None], **columns: str) -> pl.DataFrame:
    """Make two weeks of users, each given as accepted and suggested before, and accepted and suggested after."""
    return make_usage(
        *(
            {"user": f"u{n}@x.io", "week": week, "completions_accepted": part, "completions_count": whole, **columns}
            for n, numbers in enumerate(users)
            for week, part, whole in ((0, *numbers[:2]), (1, *numbers[2:]))
            if whole
        )
    )


def test_a_change_by_hand(make_usage):
    """Three users, alike in size: the variance is that of each user's change, not of the users' levels.

    Before 10, 30 and 50 of 100, after 15, 36 and 54: rates 90/300 and 105/300, residuals -20, 0, 20 and
    -20, 1, 19; each over 200 (the denominator without the user). Differences of residuals 0, 1 and -1 over 200:
    variance 2/40,000; three users alike count as three, so t has 2 degrees of freedom: 4.302653.
    """
    usage = accepting(make_usage, (10, 100, 15, 100), (30, 100, 36, 100), (50, 100, 54, 100))
    table = analysis.compare_periods(usage, **WEEKS, metric="acceptance_rate")
    assert table.schema == COMPARISON.schema
    found = table.row(0, named=True)
    reach = 4.302652729911275 * math.sqrt(2 / 40_000)
    assert (found["before"], found["after"]) == (0.3, 0.35)
    assert (found["difference_low"], found["difference_high"]) == pytest.approx((0.05 - reach, 0.05 + reach))
    assert found["is_paired"]
    assert (found["both_users"], found["before_users"], found["after_users"]) == (3, 0, 0)
    assert (found["compared_groups"], found["verdict"]) == (1, "higher")
    # Taken as two groups of different people, the change drowns in how people differ.
    rates = analysis.acceptance_rate(usage, every="1w").drop("period_start")
    alone = analysis.compare(rates.head(1), rates.tail(1), metric="acceptance_rate").row(0, named=True)
    assert (alone["is_paired"], alone["verdict"]) == (False, "no measurable change")
    assert (alone["both_users"], alone["before_users"], alone["after_users"]) == (0, 3, 3)


numbers = st.tuples(st.integers(0, 40), st.integers(0, 40))


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=12))
def test_the_interval_is_the_jackknifes(users):
    """A second way: leave each user out of both ratios; the squared changes of the difference add up to its variance.

    For a ratio of sums, leaving a user out moves it by minus the residual over the denominator without the user.
    """
    sides = [np.array([(min(pair), max(pair)) for pair in side], dtype=float) for side in zip(*users, strict=True)]
    part, whole = ([side[:, n] for side in sides] for n in (0, 1))
    rows = [
        (date(2026, 1, 5) + timedelta(weeks=week), f"u{n}@x.io", "person", int(side[n, 0]), int(side[n, 1]))
        for week, side in enumerate(sides)
        for n in range(len(users))
    ]
    names = ["date", "user", "user_type", "completions_accepted", "completions_count"]
    frame = pl.DataFrame(rows, schema=names, orient="row")
    found = analysis.compare_periods(frame, **WEEKS, metric="acceptance_rate").row(0, named=True)
    if min(w.sum() for w in whole) == 0:
        assert found["difference_low"] is None
        return
    change = part[1].sum() / whole[1].sum() - part[0].sum() / whole[0].sum()
    assert found["difference"] == pytest.approx(change)
    weight = whole[0] / whole[0].sum() + whole[1] / whole[1].sum()
    if (weight > 0).sum() < 2:
        assert found["difference_low"] is None
        return
    if any((w == w.sum()).any() for w in whole):
        return  # one user is a whole side: without that user there is no ratio to take
    left_out = [
        [(p.sum() - p[n]) / (w.sum() - w[n]) for p, w in zip(part, whole, strict=True)] for n in range(len(users))
    ]
    moved = np.array([(after - before) - change for before, after in left_out])
    freedom = max(weight.sum() ** 2 / (weight**2).sum() - 1, 1)
    reach = stats.t.ppf(0.975, freedom) * math.sqrt((moved**2).sum())
    if not (
        set(part[0]) | set(part[1]) <= {0.0, whole[0].max()} and (whole[0] == whole[1]).all()
    ):  # no pairs of yes and no
        assert (found["difference_low"], found["difference_high"]) == pytest.approx((change - reach, change + reach))


def active(make_activity: Callable[..., pl.DataFrame], kept: int, lost: int, gained: int, neither: int) -> pl.DataFrame:
    """Make people active in both weeks, the first, the second, or only in a week before both."""
    days = {
        **{f"kept{n}@x.io": [0, 7] for n in range(kept)},
        **{f"lost{n}@x.io": [1] for n in range(lost)},
        **{f"gained{n}@x.io": [9] for n in range(gained)},
        **{f"neither{n}@x.io": [-7] for n in range(neither)},
    }
    return make_activity(days)


def newcombe(kept: int, lost: int, gained: int, neither: int) -> tuple[float, float]:
    """Compute method 10 of Newcombe's paper of 1998 on pairs, in plain arithmetic."""
    users, z = kept + lost + gained + neither, 1.959963984540054

    def score(successes: int) -> tuple[float, float, float]:
        middle, reach = successes + z * z / 2, z * math.sqrt(successes * (users - successes) / users + z * z / 4)
        return successes / users, (middle - reach) / (users + z * z), (middle + reach) / (users + z * z)

    was, was_low, was_high = score(kept + lost)
    now, now_low, now_high = score(kept + gained)
    scale = math.sqrt((kept + lost) * (gained + neither) * (kept + gained) * (lost + neither))
    excess = kept * neither - lost * gained
    phi = (max(excess - users / 2, 0) if excess > 0 else excess) / scale if scale else 0.0
    down = (now - now_low) ** 2 - 2 * phi * (now - now_low) * (was_high - was) + (was_high - was) ** 2
    up = (now_high - now) ** 2 - 2 * phi * (now_high - now) * (was - was_low) + (was - was_low) ** 2
    return now - was - math.sqrt(down), now - was + math.sqrt(up)


@pytest.mark.parametrize(
    ("pairs", "verdict"),
    [((9, 3, 7, 1), "no measurable change"), ((30, 2, 14, 20), "higher"), ((40, 12, 1, 7), "lower")],
)
def test_a_share_of_the_same_people_is_newcombes(make_activity, pairs, verdict):
    """Of a fixed number of people the pairs decide: who came, who left, who stayed, who was never there."""
    found = analysis.compare_periods(active(make_activity, *pairs), **WEEKS, metric="active_rate").row(0, named=True)
    kept, lost, *_others = pairs
    assert found["before"] == pytest.approx((kept + lost) / sum(pairs))
    assert (found["difference_low"], found["difference_high"]) == pytest.approx(newcombe(*pairs))
    assert (found["both_users"], found["before_users"], found["after_users"]) == (sum(pairs), 0, 0)
    assert found["verdict"] == verdict


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_mid_p_of_the_exact_test(gained, lost):
    """The mid-p is the exact p-value less the probability of the very split that was seen."""
    exact = mcnemar([[0, gained], [lost, 0]], exact=True).pvalue
    seen = stats.binom.pmf(min(gained, lost), gained + lost, 0.5) if gained + lost else 0.0
    expected = 1.0 if gained == lost else exact - seen
    assert mcnemar_p(gained, lost) == pytest.approx(expected, abs=1e-12)


def test_half_on_leave_every_other_week_is_no_change(make_activity):
    """Twenty who come in the first week only and twenty in the second: the pairs see no change."""
    found = analysis.compare_periods(active(make_activity, 0, 20, 20, 0), **WEEKS, metric="active_rate")
    assert found["verdict"].to_list() == ["no measurable change"]


def test_several_groups_are_judged_together(make_activity):
    """Holm's correction, as statsmodels has it: a p-value of .02 is a change alone, and not one of four."""
    frames = [
        active(make_activity, 5, lost, gained, 5).with_columns(
            team=pl.lit(team), user=pl.concat_str(pl.lit(team), "user")
        )
        for team, lost, gained in (("A", 1, 8), ("B", 5, 5), ("C", 6, 5), ("D", 0, 20))
    ]
    together = analysis.compare_periods(pl.concat(frames), **WEEKS, metric="active_rate", by="team")
    p_values = [mcnemar_p(8, 1), mcnemar_p(5, 5), mcnemar_p(5, 6), mcnemar_p(20, 0)]
    rejected = multipletests(p_values, method="holm")[0]
    assert rejected.tolist() == [False, False, False, True]
    assert together["team"].to_list() == ["A", "B", "C", "D"]
    assert together["compared_groups"].to_list() == [4] * 4
    assert (together["verdict"] != "no measurable change").to_list() == rejected.tolist()
    assert analysis.compare_periods(frames[0], **WEEKS, metric="active_rate")["verdict"].to_list() == ["higher"]


def test_who_is_licensed_is_the_denominator(make_activity):
    """Of adoption, licensed people count, whoever else is active; one whose licence begins later counts after only."""
    roster = pl.DataFrame(
        {
            "user": ["Kept0@x.io", "lost0@x.io", "gained0@x.io", "idle@x.io", "new@x.io"],
            "licensed_from": [None, None, None, None, date(2026, 1, 14)],
        },
        schema_overrides={"licensed_from": pl.Date},
    )
    frame = active(make_activity, 2, 1, 1, 0)
    found = analysis.compare_periods(frame, **WEEKS, metric="adoption_rate", licences=roster).row(0, named=True)
    assert (found["before"], found["after"]) == (2 / 4, 2 / 5)
    assert (found["both_users"], found["before_users"], found["after_users"]) == (4, 0, 1)


def test_a_mode_is_used_by_an_action_of_the_user(make_usage):
    """A completion that nobody accepted is not use; two rows of a person in a week are one person."""
    suggested = {"completions_count": 9, "language": "Go"}
    usage = make_usage(
        {"user": "ada@x.io", **suggested},
        {"user": "ADA@x.io", **suggested, "language": "C", "completions_accepted": 1},
        {"user": "bob@x.io", **suggested},
        {"user": "ada@x.io", "week": 1, **suggested},
        {"user": "bob@x.io", "week": 1, **suggested},
    )
    found = analysis.compare_periods(usage, **WEEKS, metric="completions_rate").row(0, named=True)
    assert (found["before"], found["after"]) == (1 / 2, 0)


def test_what_cannot_be_compared_is_refused(make_usage):
    """Overlapping or backward periods, a day against a week, a row over the border: each says why."""
    usage = accepting(make_usage, (1, 2, 1, 2), (1, 3, 2, 3))
    for periods, said in (
        ((FIRST, ("2026-01-11", "2026-01-12")), "overlap"),
        ((FIRST, ("2026-01-14", "2026-01-12")), "after ends before it begins"),
        ((FIRST, ("2026-01-12", "2026-01-12")), "before has 7 days and after 1"),
    ):
        with pytest.raises(DateRangeError, match=said):
            analysis.compare_periods(usage, *periods, metric="active_rate")
    with pytest.raises(TableError, match="2 rows reach over the border"):
        analysis.compare_periods(usage, ("2026-01-05", "2026-01-10"), SECOND, metric="acceptance_rate")
    with pytest.raises(ValueError, match="did you mean 'acceptance_rate'"):
        analysis.compare_periods(usage, **WEEKS, metric="acceptence_rate")
    with pytest.raises(ValueError, match="needs a denominator"):
        analysis.compare_periods(usage, **WEEKS, metric="adoption_rate")


def test_no_rows_no_answer(make_usage):
    """An empty frame has no rows, and the schema of the table."""
    usage = accepting(make_usage, (1, 2, 1, 2)).clear()
    table = analysis.compare_periods(usage, **WEEKS, metric="acceptance_rate", by="user")
    assert table.columns == ["user", *COMPARISON.columns]
    assert table.is_empty()


# ---- Who drives a change, verdicts over several tables, and how many people would tell ----

BEFORE, AFTER = ("2026-03-02", "2026-03-15"), ("2026-03-16", "2026-03-29")


def weeks(*rows: tuple[int, str, str, int, int]) -> pl.DataFrame:
    """Make weekly rows of: the week, the user, the team, suggested and accepted completions."""
    start = date(2026, 3, 2)
    names = ["week", "user", "team", "completions_count", "completions_accepted"]
    return pl.DataFrame(rows, schema=names, orient="row").select(
        period_start=pl.lit(start) + pl.duration(weeks="week"),
        period_end=pl.lit(start) + pl.duration(weeks="week", days=6),
        user="user",
        user_type=pl.lit("person"),
        team="team",
        active_days=pl.lit(1),
        completions_count="completions_count",
        completions_accepted="completions_accepted",
    )


ACTIVITY = weeks(
    *((week, f"a{n}", "A", 100, 20 + 10 * (week > 1)) for week in range(4) for n in range(4)),
    *((week, f"b{n}", "B", 50, 20) for week in range(4) for n in range(2 if week < 2 else 1)),
)


@pytest.mark.parametrize("metric", ["acceptance_rate", "active_users", "total_messages"])
def test_the_parts_of_all_groups_add_up_to_the_change_of_the_whole(metric):
    """Of a rate, of a count of people and of a mean alike; what each group did is what it does by itself."""
    activity = ACTIVITY.with_columns(total_messages="completions_accepted")
    whole = analysis.compare_periods(activity, BEFORE, AFTER, metric=metric)
    parts = analysis.contributions(activity, BEFORE, AFTER, metric=metric, by="team")
    assert parts["contribution"].sum() == pytest.approx(whole["difference"].item(), abs=1e-9)
    assert parts["contribution_share"].sum() == pytest.approx(1)
    assert parts.select(*COMPARISON.columns).equals(
        analysis.compare_periods(activity, BEFORE, AFTER, metric=metric, by="team").select(*COMPARISON.columns)
    )


def test_active_users_are_counted_a_week_on_average_and_who_stopped_is_told():
    """Four of A in each week; of B two before and one after: 6 and 5 a week, and one person stopped."""
    found = analysis.compare_periods(ACTIVITY, BEFORE, AFTER, metric="active_users")
    assert found.select("before", "after", "both_users", "before_users", "after_users").row(0) == (6, 5, 5, 1, 0)


def test_a_mean_adoption_rate_is_that_of_a_week():
    """Of eight licensed people six a week before, and five after: a share of all weeks, not of whoever came once."""
    roster = pl.DataFrame({"user": [*(f"a{n}" for n in range(4)), *(f"b{n}" for n in range(4))]})
    asked = {"metric": "mean_adoption_rate", "licences": roster}
    found = analysis.compare_periods(ACTIVITY, BEFORE, AFTER, **asked)
    assert found.select("before", "after").row(0) == (6 / 8, 5 / 8)


def test_the_agents_share_of_the_lines_is_theirs_of_all_that_are_known():
    """30 of 100 before, 80 of 100 after; the differences of the ways of working add up to nothing."""
    lines = [(0, "u", 70, 30), (2, "u", 20, 80), (0, "v", 70, 30), (2, "v", 20, 80)]
    nothing = {name: pl.lit(0) for name in METRICS if not name.startswith("completions_")}
    activity = weeks(*((week, user, "A", 0, 0) for week, user, *_ in lines)).with_columns(**nothing)
    activity = activity.with_columns(
        completions_lines_of_code=pl.Series([one[2] for one in lines]),
        ide_agent_lines_of_code=pl.Series([one[3] for one in lines]),
    )
    found = analysis.compare_periods(activity, BEFORE, AFTER, metric="agent_rate")
    assert found.select("before", "after").row(0) == (0.3, 0.8)
    sides = (activity.filter(pl.col("period_start") < date(2026, 3, 16)), activity.tail(1))
    changed = analysis.mode_change(*sides)
    assert changed["difference"].sum() == pytest.approx(0)
    assert changed.filter(mode="ide_agent")["difference"].item() == pytest.approx(0.5)


def comparison(low: float, high: float) -> pl.DataFrame:
    row = ("r_rate", 0.5, 0.5 + (low + high) / 2, (low + high) / 2, low, high, True, 100, 0, 0, 1, "higher")
    return pl.DataFrame([row], schema=COMPARISON.schema, orient="row")


def test_more_comparisons_ask_for_clearer_changes():
    """A change of p = .02 holds alone and beside one other, not among five; a clear one always does (Holm)."""
    fair, clear = comparison(0.01, 0.11), comparison(0.08, 0.12)
    for many, expected in ((1, "higher"), (2, "higher"), (5, "no measurable change")):
        *judged, last = analysis.judge_together([*[fair] * many, clear])
        verdicts = {table["verdict"].item() for table in judged}
        assert (verdicts, last["verdict"].item()) == ({expected if many < 5 else "no measurable change"}, "higher")
        assert last["compared_groups"].item() == many + 1
    assert analysis.judge_together([]) == []


def test_four_times_the_people_see_half_the_change():
    """The interval shrinks with the root of the people."""
    wide = comparison(-0.1, 0.1)
    needed = [analysis.people_needed(wide, change)["needed_users"].item() for change in (0.1, 0.05)]
    assert needed[1] == pytest.approx(4 * needed[0], abs=4)
    with pytest.raises(ValueError, match="above 0"):
        analysis.people_needed(wide, 0)
