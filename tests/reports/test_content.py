"""The summary in words: what changed, by how much, and what did not change measurably."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from augment_insights.analysis import compare
from augment_insights.analysis.intervals import wilson
from augment_insights.errors import TableError
from augment_insights.reports import (
    bridge_in_words,
    change_in_words,
    checks_in_words,
    count_in_words,
    flows_in_words,
    licences_in_words,
    retention_in_words,
    targets_in_words,
    what_happened,
)
from augment_insights.tables import (
    COMPARISON,
    CONTRIBUTIONS,
    ON_TRACK,
    POPULATION_BRIDGE,
    RECONCILIATION,
    RETENTION_CURVE,
)


def comparison(before: tuple[int, int], after: tuple[int, int]) -> pl.DataFrame:
    """Compare two shares of people, with Newcombe's interval."""
    low, high = wilson(pl.col("k"), pl.col("n"))
    sides = [
        pl.DataFrame({"k": [k], "n": [n]}).with_columns(
            r_rate=pl.col("k") / pl.col("n"), r_rate_low=low, r_rate_high=high
        )
        for k, n in (before, after)
    ]
    return compare(*sides, metric="r_rate")


def test_a_rise_and_a_fall_are_told_with_their_interval():
    """48 of 80 and 56 of 70: 0.2, from 0.0524 to 0.3339 by Newcombe's published example; and the other way round."""
    for before, after, expected in (
        ((48, 80), (56, 70), "80.0% after 60.0% in May: higher by 20.0 points (95 % CI +5.2 to +33.4 points)"),
        ((56, 70), (48, 80), "60.0% after 80.0% in May: lower by 20.0 points (95 % CI -33.4 to -5.2 points)"),
    ):
        (words,) = change_in_words(comparison(before, after), what="Retention", than="May")
        assert words == f"Retention was {expected}; different people."


def told(**changed: object) -> str:
    """Say one comparison of the same people."""
    usual = ("acceptance_rate", 0.28, 0.283, 0.003, -0.015, 0.021, True, 84, 3, 1, 1, "no measurable change")
    row = dict(zip(COMPARISON.columns, usual, strict=True)) | changed
    (words,) = change_in_words(pl.DataFrame([row], schema=COMPARISON.schema), what="Acceptance", than="May")
    return words


def test_no_measurable_change_has_its_interval_and_no_direction():
    """The words of the definitions, and who was paired; 12 messages a person after 10 are no 200 points."""
    assert told() == (
        "Acceptance was 28.3% after 28.0% in May: no measurable change (95 % CI -1.5 to +2.1 points); "
        "the same people paired, 84 on both sides."
    )
    row = {"metric": "total_messages", "before": 10.0, "after": 12.0, "difference": 2.0, "verdict": "higher"}
    assert "was 12.0 after 10.0 in May: higher by 2.0 (95 % CI +1.0 to +3.0);" in told(
        **row, difference_low=1.0, difference_high=3.0
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"difference_low": 0.001, "compared_groups": 8},
            "no measurable change (95 % CI +0.1 to +2.1 points) with 8 groups compared at once;",
        ),
        ({"difference_low": None, "difference_high": None, "verdict": None}, ": too few people to tell whether"),
        ({"is_paired": False, "before_users": 80, "after_users": 70}, "; different people, 80 and 70."),
    ],
)
def test_a_sentence_follows_its_verdict(row, said):
    """Holm asks for more than an interval without zero; without an interval nothing is claimed."""
    assert said in told(**row)


@pytest.mark.parametrize(
    ("before", "after", "said"), [((0, 0), (1, 2), "no data of May"), ((1, 2), (0, 0), "no data now")]
)
def test_without_a_denominator_there_is_no_change_to_tell(before, after, said):
    """No data is no zero."""
    (words,) = change_in_words(comparison(before, after), what="Adoption", than="May")
    assert said in words
    assert "0.0%" not in words


def test_groups_are_named_and_an_empty_comparison_is_a_sentence():
    """A sentence a team, also without a name; no data is one, and what small groups hide is called hidden."""
    table = comparison((48, 80), (56, 70)).with_columns(team=pl.lit("<b>"))
    both = pl.concat([table, table.with_columns(team=pl.lit(None, pl.String))])
    words = change_in_words(both, what="Retention", than="May", by="team")
    assert [sentence.split(" was ")[0] for sentence in words] == ["Retention of <b>", "Retention of (none)"]
    assert change_in_words(table.clear(), what="Retention", than="May") == ["Retention: no data to compare with May."]
    with pytest.raises(TableError, match="'verdict'"):
        change_in_words(table.drop("verdict"), what="Retention", than="May")
    hidden = {**dict.fromkeys(COMPARISON.columns), "metric": "acceptance_rate", "is_suppressed": True}
    said = change_in_words(pl.DataFrame([hidden]), what="Acceptance", than="the week before")
    assert said == ["Acceptance: not shown, as it stands on too few people."]


def weeks(*counts: int | None, complete: int | None = None) -> pl.DataFrame:
    done = len(counts) if complete is None else complete
    return pl.DataFrame(
        {
            "period_start": pl.Series(
                [date(2026, 3, 2) + timedelta(weeks=n) for n in range(len(counts))], dtype=pl.Date
            ),
            "n": pl.Series(counts, dtype=pl.Int64),
            "is_complete": [at < done for at in range(len(counts))],
        },
        schema_overrides={"is_complete": pl.Boolean},
    )


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (weeks(5, 1234), "1,234 people came in the week of 9 Mar 2026, 1,229 more than in the week before (5)."),
        (weeks(5, 4), "4 people came in the week of 9 Mar 2026, 1 fewer than in the week before (5)."),
        (weeks(5, 1), "1 person came in the week of 9 Mar 2026, 4 fewer than in the week before (5)."),
        (weeks(5, 5), "5 people came in the week of 9 Mar 2026, as many as in the week before (5)."),
        (weeks(5, 4, complete=1), "5 people came in the week of 2 Mar 2026; there is no complete week before it"),
        (weeks(5, complete=0), "No week is complete yet"),
        (weeks(), "No week is complete yet"),
        (weeks(5, None), "It is not known how many people came in the week of 9 Mar 2026."),
    ],
)
def test_a_count_is_told_of_complete_periods_only(table, said):
    """The last complete one, beside the one before it if that is there."""
    (words,) = count_in_words(table, "n", what="people came", every="1w")
    assert words.startswith(said)


def test_a_gap_between_periods_is_not_bridged():
    """The week before the last is missing: nothing is compared."""
    (words,) = count_in_words(weeks(5, 6, 7)[[0, 2]], "n", what="people came", every="1w")
    assert "no complete week before it" in words
    with pytest.raises(TableError, match="several"):
        count_in_words(pl.concat([weeks(5)] * 2), "n", what="people came", every="1w")


def bridge(*users: int | None) -> pl.DataFrame:
    """Make a bridge: licensed and active, seen before, never seen; licence over and active; a stranger and active."""
    kinds = ("licensed", "licensed", "licensed", "licence ended or not begun", "not on the roster")
    seen = ("active", "seen before", "never seen", "active", "active")
    return pl.DataFrame(list(zip(kinds, seen, users, strict=True)), schema=POPULATION_BRIDGE.schema, orient="row")


@pytest.mark.parametrize(
    ("users", "said"),
    [
        (
            (7, 2, 3, 1, 1),
            ["Of 12 people with a licence on 9 Mar 2026, 7 were active in the range, 2 only before it, "],
        ),
        ((1, 0, 0, 0, 0), ["Of 1 person with a licence on 9 Mar 2026, 1 was active in the range, 0 only before it, a"]),
        ((7, None, 3, 1, 1), []),
    ],
)
def test_the_numbers_of_a_bridge_add_up_and_none_is_told_where_one_is_hidden(users, said):
    """12 = 7 + 2 + 3, and 9 active = 7 + 1 + 1: with one number hidden, the sums would give it away."""
    words = bridge_in_words(bridge(*users), what="people", as_of=date(2026, 3, 9))
    assert [sentence[: len(start)] for sentence, start in zip(words, said, strict=True)] == said
    assert all(sentence.endswith(("9 people were active.", "1 person was active.")) for sentence in words)


def test_licences_that_are_not_valid_are_told_apart():
    """2 + 3 + 4 + 1 are valid; those that have ended or not begun are in no sum; a hidden number leaves no sentence."""
    statuses = ["new", "never_used", "idle", "active", "ended", "not_begun"]
    table = pl.DataFrame({"licence": statuses, "users": [2, 3, 4, 1, 9, 5]})
    (words,) = licences_in_words(table, as_of=date(2026, 3, 9))
    assert words == (
        "Of 10 licences valid on 9 Mar 2026: active 1, idle 4, never used 3, new 2; not counted are those that have "
        "ended (9) or not begun (5)."
    )
    assert licences_in_words(table.with_columns(users=pl.Series([2, 3, None, 1, 9, 5])), as_of=None) == []


def changes(*rows: tuple[str, str, float, float, str]) -> pl.DataFrame:
    """Make judged comparisons of: the figure, the metric, the difference, half its interval, and the verdict."""
    told = [
        (figure, metric, 0.5, 0.5 + step, step, step - reach, step + reach, True, 80, 4, 6, 9, verdict)
        for figure, metric, step, reach, verdict in rows
    ]
    return pl.DataFrame(told, schema={"figure": pl.String, **COMPARISON.schema}, orient="row")


def drivers(figure: str, **parts: float) -> pl.DataFrame:
    """Make the parts of teams in a change, none of which is judged."""
    rows = [{"figure": figure, "kind": "team", "group": team, "contribution": part} for team, part in parts.items()]
    share = pl.col("contribution") / pl.col("contribution").sum()
    schema = {"figure": pl.String, "kind": pl.String, "group": pl.String, **CONTRIBUTIONS.schema}
    return pl.DataFrame(rows, schema=schema).with_columns(contribution_share=share)


STILL = ("Adoption", "adoption_rate", 0.01, 0.04, "no measurable change")
FELL = ("Acceptance", "acceptance_rate", -0.02, 0.01, "lower")
ROSE = ("Agents", "agent_rate", 0.1, 0.02, "higher")


def test_what_happened_begins_with_the_clearest_change_and_ends_with_what_cannot_be_told():
    """Ten points of two to either side are clearer than two of one; the driver's part and all others' add up."""
    parts = pl.concat([drivers("Agents", Web=0.08, Mobile=0.02), drivers("Acceptance", Web=0.01, Mobile=-0.03)])
    first, second, fact, last = what_happened(changes(STILL, FELL, ROSE), parts, than="May", facts=["97 are idle."])
    assert first.startswith("Agents rose to 60.0% from 50.0% in May (+10.0 points, 95 % CI +8.0 to +12.0 points); team")
    assert first.endswith("team Web accounts for 80% of it.")
    assert second.endswith("; team Mobile contributes -3.0 points, all others together +1.0 points.")
    assert fact == "97 are idle."
    assert last == "No measurable change against May: adoption (+1.0 points, 95 % CI -3.0 to +5.0 points)."


def test_a_group_that_moved_alone_is_told_and_at_most_six_sentences_are_said():
    """One sentence a group; the first fact keeps its place."""
    moved = [("Adoption", "adoption_rate", 0.2, 0.01 * n, "higher") for n in range(1, 7)]
    apart = pl.concat([changes(*moved)] * 2).with_columns(
        kind=pl.lit("team"), group=pl.Series([f"T{n}" for n in range(6)] * 2), contribution=0.1, contribution_share=0.1
    )
    said = what_happened(changes(STILL), apart, than="May", facts=["first", "second", "third"])
    assert len(said) == 6
    assert [sentence.split(" rose")[0] for sentence in said[:3]] == [f"Adoption in team T{n}" for n in range(3)]
    assert said[3:5] == ["first", "second"]


def test_without_a_measurable_change_none_is_told_and_a_wide_interval_says_how_many_people_it_takes():
    """84 + 2 people see 20 points: five need sixteen times as many, and half as many again for the four in five."""
    wide = ("Retention", "retention_rate", 0.0, 0.2, "no measurable change")
    (only,) = what_happened(changes(wide), drivers("Retention", Web=0.0), than="May")
    needed = int(only.split("some ")[1].split(" people")[0].replace(",", ""))
    assert needed == pytest.approx(86 * 16 * (2.8 / 1.96) ** 2, rel=0.01)
    assert "instead of 86" in only


@pytest.mark.parametrize(
    ("hidden", "said"),
    [
        ([], ["In June, 6 people were active who had not been in May; 4 stopped, most of them in team Web (3)."]),
        (["before_users"], []),
    ],
)
def test_who_came_and_who_stopped_is_told_unless_it_is_hidden(hidden, said):
    """And the team of which most stopped, where it is not the only one."""
    change = changes(STILL).with_columns(pl.lit(None, pl.Int64).alias(name) for name in hidden)
    teams = change.with_columns(team=pl.lit("Web"), before_users=pl.lit(3))
    assert flows_in_words(change, teams, what="people", over="June", than="May") == said


def test_failed_checks_are_told_with_their_kind_days_and_largest_difference():
    """Two of four differ, both of one kind; a number that is missing fails nothing."""
    day = date(2026, 3, 2)
    rows = [("a = b", day, 4, 4, 0, "agrees"), ("a = b", None, 9, 9, 0, "agrees"), ("c = d", None, 5, 8, -3, "differs")]
    rows += [("c = d", day + timedelta(days=n), 5, 5 + n, -n, "differs" if n else "unknown") for n in range(2)]
    told = checks_in_words(pl.DataFrame(rows, schema=RECONCILIATION.schema, orient="row"))
    assert told[0].startswith("2 of 4 data checks failed, in 1 of 2 kinds: ")
    assert told[1:] == ["c = d: the two differ by up to 3, on 1 day from 3 Mar 2026 on."]
    fine = pl.DataFrame(rows[:2], schema=RECONCILIATION.schema, orient="row")
    assert checks_in_words(fine)[0].startswith("All 2 data checks passed, of 1 kind: ")


def test_retention_is_told_of_whoever_it_is_known_of():
    """Newcomers, existing users, both or neither."""
    curve = pl.DataFrame([(4, 1, 20, 15, 0.75, 0.53, 0.89)], schema=RETENTION_CURVE.schema, orient="row")
    change = COMPARISON.empty()
    known = change.clear(1).with_columns(after=pl.lit(0.9))
    asked = {"period": 4, "noun": "week"}
    newcomers = "4 weeks later, 75.0% of newcomers were active (15 of 20, 95 % CI 53.0% to 89.0%)"
    assert retention_in_words(curve, change, **asked) == [f"{newcomers}."]
    assert retention_in_words(curve, known, **asked) == [f"{newcomers}, and 90.0% of existing users, most recently."]
    assert retention_in_words(curve.clear(), known, **asked)[0].endswith(
        "90.0% of existing users were active, most recently."
    )
    assert retention_in_words(curve.clear(), change, **asked) == []


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"value": 0.7, "verdict": "reached"}, "70% by 31 Dec 2026: 71.0% in the week to 22 Nov 2026, reached."),
        ({"by": None, "verdict": "cannot tell"}, "80%: 71.0% in the week to 22 Nov 2026, not reached yet."),
        (
            {"by": date(2026, 10, 31), "needed_pace": None},
            "31 Oct 2026: 71.0% in the week to 22 Nov 2026, not reached in time.",
        ),
        ({}, "behind: it needs +1.6 points a week, measured were +0.4 (95 % CI -0.2 to +1.0)."),
        ({"verdict": "on track", "needed_pace": 0.0004}, "on track: it needs +0.04 points a week, measured were +0.4"),
        ({"verdict": "cannot tell"}, "2026, and whether that is on track cannot be told: it needs +1.6 points a week"),
        (
            {"pace": None, "periods": 4, "verdict": "cannot tell"},
            "2026, and 4 weeks cannot tell the pace: it needs +1.6",
        ),
        (
            {"group": "Web", "measured": None},
            "adoption of licences (Web), 80% by 31 Dec 2026: not measured, or not shown",
        ),
        (
            {"metric": "active_users", "value": 1250.0, "measured": 1200.0, "needed_pace": 12.5, "pace": 3.0},
            "Target for active users, 1,250 by 31 Dec 2026: 1,200 in the week to 22 Nov 2026, behind: it needs +12.5",
        ),
    ],
)
def test_a_target_is_told_with_its_paces_and_no_more_than_is_known(told, words):
    """Shares in points; a pace that is needed and would round to nothing has a digit more."""
    row: dict[str, Any] = {"metric": "adoption_rate", "group": None, "value": 0.8, "by": date(2026, 12, 31)}
    row |= {"measured": 0.71, "measured_to": date(2026, 11, 22), "periods": 12, "needed_pace": 0.0162, "pace": 0.004}
    row |= {"pace_low": -0.002, "pace_high": 0.01, "verdict": "behind"}
    judged = pl.DataFrame([{**row, **told}], schema=ON_TRACK.schema)
    assert words in targets_in_words(judged, noun="week")[0]
    assert targets_in_words(judged.clear(), noun="week") == []
    daily = targets_in_words(pl.DataFrame([row], schema=ON_TRACK.schema), noun="day")[0]
    assert "71.0% on 22 Nov 2026, behind" in daily
