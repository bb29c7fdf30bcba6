"""Who drives a change: parts that add up, verdicts over several tables, and how many people would tell."""

from datetime import date, timedelta

import polars as pl
import pytest

from augment_insights import analysis
from augment_insights.tables import ADOPTION_STAGES, COMPARISON, METRICS

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


def test_newcomers_and_existing_users_are_followed_alike():
    """Seen before the range: existing; a later period that is not over has no row; every pair by hand."""
    rows = [("old", -3), ("old", 0), ("old", 1), ("new", 0), ("late", 1), ("new", 2)]
    monday = date(2026, 3, 2)
    activity = pl.DataFrame(
        [{"user": user, "user_type": "person", "date": monday + timedelta(weeks=week)} for user, week in rows]
    )
    again = analysis.retained_users(activity, after=1, since=monday, as_of="2026-03-24")
    found = again.select((pl.col("period_start") - monday).dt.total_days() // 7, "user", "tenure", "retained").rows()
    assert found == [
        (1, "new", "newcomers", 0),
        (1, "old", "existing users", 1),
        (2, "late", "newcomers", 0),
        (2, "old", "existing users", 0),
    ]
    rates = analysis.retention_by_tenure(again)
    assert rates.select("tenure", "eligible_users", "retained_users").row(0) == ("newcomers", 1, 0)


def test_a_funnel_narrows_and_a_hidden_stage_hides_what_would_give_it_away():
    """100 licensed: 20 never came, 10 lapsed, 40 are active, 20 habitual, 10 power; no sum tells a hidden 40."""
    counts = [20, 10, 40, 20, 10]
    stages = pl.DataFrame({"status": ADOPTION_STAGES.schema["status"].categories, "users": counts}).cast(
        {"status": ADOPTION_STAGES.schema["status"]}
    )
    assert analysis.adoption_funnel(stages)["reached_users"].to_list() == [100, 80, 70, 30, 10]
    hidden = stages.with_columns(pl.when(pl.col("users") != 40).then("users").alias("users"))
    assert analysis.adoption_funnel(hidden)["reached_users"].to_list() == [None, None, None, 30, 10]


def test_licences_over_time_are_those_of_each_day():
    """Each period says what the licences of its last day say."""
    roster = pl.DataFrame({"user": ["a0", "a1", "b1", "z"], "team": ["A", "A", "B", "B"]})
    periods = analysis.active_users(ACTIVITY, every="1w", as_of="2026-03-29")
    found = analysis.licences_over_time(roster, ACTIVITY, periods, inactive_days=7)
    for start, end in periods.select("period_start", "period_end").iter_rows():
        status = analysis.licences(roster, ACTIVITY, as_of=end, inactive_days=7)["status"]
        unused = status.is_in(["idle", "never_used"]).sum()
        assert found.filter(period_start=start)["users"].to_list() == [4 - unused, unused]
