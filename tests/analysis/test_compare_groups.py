"""Which groups differ from all the others: the same people paired, different people apart."""

import math
from collections.abc import Callable

import polars as pl
import pytest
from scipy import stats

from augment_insights import analysis
from augment_insights.tables import COMPARISON

Usage = Callable[..., pl.DataFrame]


def writing(make_usage: Usage, *rows: tuple[str, str, int, int]) -> pl.DataFrame:
    """Make rows of a user, a language, and what they accepted of how many suggestions in it."""
    return make_usage(
        *(
            {"user": user, "language": language, "completions_accepted": part, "completions_count": whole}
            for user, language, part, whole in rows
        )
    )


def test_a_language_against_the_rest_by_hand(make_usage):
    """Three people write Go and C, 100 suggestions of each; all accept 5 to 9 more in Go: paired, it shows.

    Go 15, 35 and 55 (rate .35), C 10, 28 and 46 (rate .28): residuals -20, 0, 20 and -18, 0, 18, each over 200.
    Their differences -2, 0 and 2 over 200: variance 8/40,000; three people alike, so t has 2 degrees of freedom.
    """
    numbers = [("u1", 15, 10), ("u2", 35, 28), ("u3", 55, 46)]
    rows = [(user, name, part, 100) for user, *both in numbers for name, part in zip(("Go", "C"), both, strict=True)]
    table = analysis.compare_groups(writing(make_usage, *rows), metric="acceptance_rate", by="language")
    assert table.columns == ["language", *COMPARISON.columns]
    c, go = table.rows(named=True)
    assert (go["before"], go["after"], go["is_paired"], go["both_users"]) == (0.28, 0.35, True, 3)
    reach = stats.t.ppf(0.975, 2) * math.sqrt(8 / 40_000)
    assert (go["difference_low"], go["difference_high"]) == pytest.approx((0.07 - reach, 0.07 + reach))
    assert (c["difference_low"], c["difference_high"]) == pytest.approx((-0.07 - reach, -0.07 + reach))


def test_teams_are_different_people_whose_variances_add_up(make_usage):
    """By hand: nobody is on both sides, so the squares of both sides' residuals are summed.

    Team A accepts 20, 30, 40 of 100 each, the others 50, 60, 70: residuals -10, 0, 10 over 200 on both sides.
    """
    rows = [(f"u{n}", "A" if n <= 3 else "B", 10 + 10 * n, 100) for n in range(1, 7)]
    table = analysis.compare_groups(writing(make_usage, *rows), metric="acceptance_rate", by="language")
    found = table.row(0, named=True)
    reach = stats.t.ppf(0.975, 5) * math.sqrt(4 * 100 / 40_000)
    assert (found["difference_low"], found["difference_high"]) == pytest.approx((-0.3 - reach, -0.3 + reach))
    assert (found["is_paired"], found["both_users"], found["before_users"], found["after_users"]) == (False, 0, 3, 3)


def test_who_did_it_in_two_other_groups_is_one_person(make_usage):
    """Ada chats in C and Zig, Bob only in C; against Go, where both are active, the rest has 2 of 2 people."""
    chats = {("ada", "C"): 4, ("ada", "Zig"): 9, ("bob", "C"): 1, ("ada", "Go"): 1, ("bob", "Go"): 0}
    usage = make_usage(
        *({"user": user, "language": language, "chat_messages": n} for (user, language), n in chats.items())
    )
    table = analysis.compare_groups(usage, metric="chat_rate", by="language")
    assert table.filter(language="Go").select("before", "after", "both_users").row(0) == (1.0, 0.5, 2)
    mean = analysis.compare_groups(usage, metric="chat_messages", by="language").filter(language="Go")
    assert mean.select("before", "after").row(0) == (7.0, 0.5)


def test_few_people_get_no_verdict_and_are_not_counted(make_usage):
    """A group of two is in the rest of the others; a user who is alone on a side has no spread."""
    rows = [(f"u{n}", "ABC"[n % 3], 30 + 5 * n, 100) for n in range(8)] + [("lone", "D", 10, 100)]
    usage = writing(make_usage, *rows)
    table = analysis.compare_groups(usage, metric="acceptance_rate", by="language", min_users=3)
    assert table["compared_groups"].to_list() == [2] * 4
    assert table.select("difference_low", "verdict").null_count().row(0) == (2, 2)
    assert table["difference"].null_count() == 0
    assert analysis.compare_groups(usage, metric="acceptance_rate", by="language")["compared_groups"][0] == 3


def test_intervals_that_overlap_may_belong_to_groups_that_differ(make_usage):
    """48 of 80 and 56 of 70 people: their own intervals overlap, and the difference leaves zero out."""
    chats = [("A", n < 48) for n in range(80)] + [("B", n < 56) for n in range(70)]
    usage = make_usage(
        *({"user": f"u{n}", "language": team, "chat_messages": int(yes)} for n, (team, yes) in enumerate(chats))
    )
    own = analysis.feature_adoption(usage, by="language").filter(feature="chat")
    assert own["feature_rate_high"][0] > own["feature_rate_low"][1]
    table = analysis.compare_groups(usage, metric="chat_rate", by="language")
    assert table["verdict"].to_list() == ["lower", "higher"]
    assert table.select(pl.col("difference_low", "difference_high").round(4)).row(1) == (0.0524, 0.3339)


@pytest.mark.parametrize(("metric", "by", "said"), [("active_rate", "language", "compare"), ("chat_rate", [], "by=")])
def test_what_cannot_be_compared_is_refused(make_usage, metric, by, said):
    """Everybody in a group is active in it; no group is no comparison."""
    with pytest.raises(ValueError, match=said):
        analysis.compare_groups(writing(make_usage, ("ada", "Go", 1, 2)), metric=metric, by=by)
