"""Acceptance: pooled rates, what is missing, what moved it, and whether a change is more than chance."""

from collections import Counter
from datetime import date
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment_insights import analysis, tables
from augment_insights.analysis.intervals import wilson
from augment_insights.errors import DataWarning, TableError
from augment_insights.tables import ACCEPTANCE_CHANGE, ACCEPTANCE_RATE, COMPARISON

KINDS = ("person", "service_account", "all")
names = st.sampled_from(["ada@x.io", "Ada@x.io", "bob@x.io", "cyd@x.io"])
suggestions = st.integers(0, 50).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
records = st.lists(st.tuples(names, st.sampled_from(["Go", "C", None]), suggestions), max_size=25)


def row(user: str, suggested: int | None, accepted: int | None, **more: object) -> dict[str, Any]:
    return {"user": user, "completions_count": suggested, "completions_accepted": accepted, **more}


def languages(rows: list[tuple[str, str | None, tuple[int, int]]]) -> pl.DataFrame:
    """Make a frame of users, languages, and suggested and accepted completions."""
    flat = [(user, "person", language, *counts) for user, language, counts in rows]
    types = {"user": pl.String, "user_type": pl.String, "language": pl.String}
    counts = {"completions_count": pl.Int64, "completions_accepted": pl.Int64}
    return pl.DataFrame(flat, schema=types | counts, orient="row")


def test_rates_are_pooled_and_never_averaged(make_usage):
    """80 of 100 and 15 of 40 make 95 of 140 = 0.6786; the mean of the two rates would be 0.5875."""
    rates = analysis.acceptance_rate(make_usage(row("ada@x.io", 100, 80), row("bob@x.io", 40, 15)))
    found = rates.row(0, named=True)
    assert (found["users"], found["suggested_count"], found["accepted_count"]) == (2, 140, 95)
    assert found["acceptance_rate"] == pytest.approx(0.6786, abs=5e-5)
    bounds = (found["acceptance_rate_low"], found["acceptance_rate_high"])
    assert bounds == pytest.approx((0, 1), abs=1e-6)  # two users who differ so much say next to nothing


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, [False, True, True]),  # the frame begins on a Tuesday, and ends on a Sunday
        ({"since": "2026-01-05", "as_of": "2026-01-25"}, [True, True, True]),
        ({"since": "2026-01-12", "as_of": "2026-01-24"}, [True, False]),  # and rows outside do not count
    ],
)
def test_periods_are_complete_at_both_ends(known, expected):
    """Rates and mixes by period say which periods the data holds as a whole, and take its first and last day."""
    days = [date(2026, 1, 6), date(2026, 1, 14), date(2026, 1, 19), date(2026, 1, 25)]
    named = {"date": days, "user": ["ada@x.io"] * 4, "user_type": ["person"] * 4}
    usage = pl.DataFrame({**named, **{name: [1] * 4 for name in tables.METRICS}})
    for answer in (analysis.acceptance_rate, analysis.mode_mix):
        told = answer(usage, every="1w", **known).unique("period_start").sort("period_start")
        assert told["is_complete"].to_list() == expected


def test_a_result_keeps_its_table(make_usage):
    """Groups first, then the period, then the columns of ACCEPTANCE_RATE with their dtypes; sorted; so without rows."""
    usage = make_usage(row("b", 9, 3, week=1, team="B"), row("a", 9, 3, team="A"), row("b", 1, 1, team="B"))
    monday, next_monday = date(2026, 1, 5), date(2026, 1, 12)
    for frame, expected in ((usage, [("A", monday), ("B", monday), ("B", next_monday)]), (usage.clear(), [])):
        rates = analysis.acceptance_rate(frame, by="team", every="1w")
        assert rates.select("team", "period_start").rows() == expected
        assert rates.drop("team", "period_start", "is_complete").schema == ACCEPTANCE_RATE.schema
        assert rates.columns == ["team", "period_start", *ACCEPTANCE_RATE.columns, "is_complete"]
    assert analysis.acceptance_rate(tables.EDITOR_LANGUAGE.empty(), by=["language", "user"]).is_empty()


def test_nothing_suggested_is_no_rate_and_more_accepted_is_said(make_usage):
    """0/0 is null, with its counts, and moves no other group; 12 accepted of 10 is 1.2, and a warning."""
    rates = analysis.acceptance_rate(make_usage(row("ada@x.io", 0, 0), row("bob@x.io", 4, 1)), by="user")
    assert rates.select("user", "users", "suggested_count", "acceptance_rate").rows() == [
        ("ada@x.io", 0, 0, None),
        ("bob@x.io", 1, 4, 0.25),
    ]
    assert rates["acceptance_rate_low"].to_list() == [None, None]
    with pytest.warns(DataWarning, match="1 row with more completions_accepted than completions_count"):
        rates = analysis.acceptance_rate(make_usage(row("ada@x.io", 10, 12)))
    assert rates["acceptance_rate"].to_list() == [1.2]


def test_by_lines_only_rows_that_know_them_count(make_usage):
    """A row without suggested lines adds its written lines to neither side: 30/100, not 90/100."""
    known = {"completions_lines_of_code": 30, "completions_suggested_lines_of_code": 100}
    unknown = {"completions_lines_of_code": 60, "completions_suggested_lines_of_code": None}
    usage = make_usage({"user": "ada@x.io", **known}, {"user": "bob@x.io", **unknown})
    rates = analysis.acceptance_rate(usage, of="lines", by="user")
    assert rates.select("user", "suggested_count", "accepted_count", "acceptance_rate").rows() == [
        ("ada@x.io", 100, 30, 0.3),
        ("bob@x.io", None, None, None),
    ]
    assert analysis.acceptance_rate(usage, of="lines")["acceptance_rate"].to_list() == [0.3]


def test_automation_is_apart_and_another_word_is_refused(make_usage):
    """People by default, automation on demand, also in sums by type; another word would be in no count: refused."""
    usage = make_usage(row("ada@x.io", 10, 5), row("ci", 10, 1, user_type="service_account"))
    for frame in (usage, usage.drop("user")):
        rates = {kind: analysis.acceptance_rate(frame, user_type=kind)["acceptance_rate"].item() for kind in KINDS}
        assert rates == {"person": 0.5, "service_account": 0.1, "all": 0.3}
        assert analysis.acceptance_rate(frame.tail(1)).is_empty()
    usage = make_usage(row("ada@x.io", 10, 5)).with_columns(user_type=pl.lit("Person"))
    with pytest.raises(TableError, match="'Person' as user_type, and it is one of person, service_account"):
        analysis.acceptance_rate(usage)
    with pytest.raises(TableError, match="activity has 'Person' as user_type"):
        analysis.active_users(usage, every="1w")


@pytest.mark.parametrize("nobody", [{"user": None}, {"user_type": None}])
def test_a_row_of_nobody_is_in_no_population(make_usage, nobody):
    """People and automation add up to all: a row without a name or a type is in none of the three, and said."""
    usage = make_usage(
        row("ada@x.io", 10, 5), row("ci", 20, 1, user_type="service_account"), {**row("x", 7, 7), **nobody}
    )
    for kind, suggested in zip(KINDS, (10, 20, 30), strict=True):
        with pytest.warns(DataWarning, match="1 row of usage without a user"):
            rates = analysis.acceptance_rate(usage, user_type=kind)
        assert rates["suggested_count"].to_list() == [suggested]


def test_duplicates_count_once_where_rows_have_a_name(make_usage):
    """A page that was read twice counts once, and is said; of a cut frame equal rows may both be true, and count."""
    usage = make_usage(row("ada@x.io", 10, 5), row("bob@x.io", 10, 5))
    with pytest.warns(DataWarning, match="1 duplicate row of usage"):
        rates = analysis.acceptance_rate(pl.concat([usage, usage.head(1)]))
    assert rates["suggested_count"].to_list() == [20]
    cut = make_usage(row("ada@x.io", 10, 5), row("ada@x.io", 10, 5, week=1)).drop("period_start", "period_end")
    assert analysis.acceptance_rate(cut)["suggested_count"].to_list() == [20]


def test_rows_that_differ_in_a_further_column_are_added_up(make_usage):
    """Go 10/5 and C 10/5 of one user and week are 20 suggestions, by language 10 each: in every question of usage."""
    shared = {"total_messages": 7, "active_days": 1}
    usage = make_usage(row("ada@x.io", 10, 5, language="Go", **shared), row("ada@x.io", 10, 5, language="C", **shared))
    assert analysis.acceptance_rate(usage)["suggested_count"].to_list() == [20]
    assert analysis.acceptance_rate(usage, by="language")["suggested_count"].to_list() == [10, 10]
    weekly = analysis.habit_ladder(usage, weeks=1, habitual_weeks=1, power_actions=99)
    assert weekly["mean_actions"].to_list() == [24.0]  # 2 * (7 messages + 5 accepted)
    again = pl.concat([usage, usage.with_columns(user=pl.lit("ADA@x.io "))])
    with pytest.warns(DataWarning, match="2 duplicate rows"):
        assert analysis.acceptance_rate(again)["suggested_count"].to_list() == [20]


def test_a_user_is_one_whatever_the_spelling_and_a_service_account_of_that_name_another(make_usage):
    """Ada@ and ada@ have one row, in the spelling that comes first; with all types, which then are told, two."""
    usage = make_usage(
        row("ada@x.io", 10, 4, chat_messages=3),
        row("Ada@x.io", 10, 8, chat_messages=1),
        row("Ada@x.io", 30, 3, chat_messages=9, user_type="service_account"),
    )
    columns = ["user", "users", "suggested_count"]
    assert analysis.acceptance_rate(usage, by="user").select(columns).rows() == [("Ada@x.io", 1, 20)]
    both = {"by": "user", "user_type": "all"}
    rates = analysis.acceptance_rate(usage, **both)
    assert rates.select("user_type", *columns).rows() == [
        ("person", "Ada@x.io", 1, 20),
        ("service_account", "Ada@x.io", 1, 30),
    ]
    mix = analysis.mode_mix(usage, **both).filter(pl.col("mode") == "chat")
    assert mix.select("user", "user_type", "messages_count").rows() == [
        ("Ada@x.io", "person", 4),
        ("Ada@x.io", "service_account", 9),
    ]
    spread = analysis.acceptance_distribution(usage, steps=2, min_suggested=10, user_type="all")
    assert spread["users"].to_list() == [1, 1]
    change = analysis.acceptance_change(usage, usage, **both)
    assert change["user_type"].to_list() == ["person", "service_account", None]


@given(records, st.randoms(use_true_random=False))
def test_any_order_and_a_lazy_frame_give_the_same(rows, dice):
    """Rows in another order, and a LazyFrame, give the same table to the last bit."""
    shuffled = dice.sample(rows, len(rows))
    expected = analysis.acceptance_rate(languages(rows), by="language")
    assert analysis.acceptance_rate(languages(shuffled), by="language").equals(expected)
    assert analysis.acceptance_rate(languages(rows).lazy(), by="language").equals(expected)


@given(records)
def test_groups_are_those_of_plain_python(rows):
    """Counts, users and rates of each language are those of a loop over the rows, as exact fractions."""
    expected = {}
    for language in {language for _, language, _ in rows}:
        mine = [(user.lower(), *counts) for user, name, counts in rows if name == language]
        suggested, accepted = sum(s for _, s, _ in mine), sum(a for _, _, a in mine)
        rate = float(Fraction(accepted, suggested)) if suggested else None
        expected[language] = (len({user for user, s, _ in mine if s}), suggested, accepted, rate)
    table = analysis.acceptance_rate(languages(rows), by="language")
    found = {r[0]: r[1:] for r in table.select("language", *ACCEPTANCE_RATE.columns).drop("^.*_(low|high)$").rows()}
    assert found == expected
    has_interval = (table["users"] > 1) & (table["acceptance_rate"] > 0) & (table["acceptance_rate"] < 1)
    assert (table["acceptance_rate_low"].is_not_null() == has_interval.fill_null(value=False)).all()


def test_daily_usage_has_a_rate_and_no_interval(make_usage):
    """A frame without users is pooled over its days, without bounds or kinds; a week that ends after as_of is out."""
    days = pl.DataFrame({"date": [date(2026, 1, 5), date(2026, 1, 12)], **{name: [1, 1] for name in tables.METRICS}})
    days = days.with_columns(completions_count=pl.Series([10, 30]), completions_accepted=pl.Series([5, 3]))
    tables.DAILY_USAGE.check(days)
    rates = analysis.acceptance_rate(days)
    assert rates.rows() == [(None, 40, 8, 0.2, None, None)]
    assert rates.schema == ACCEPTANCE_RATE.schema
    weeks = analysis.acceptance_rate(days, every="1w")
    assert weeks["acceptance_rate"].to_list() == [0.5, 0.1]
    with pytest.raises(TableError, match="cannot be told apart"):
        analysis.acceptance_rate(days, user_type="service_account")
    usage = make_usage(row("ada@x.io", 10, 5), row("ada@x.io", 90, 9, week=1))
    assert analysis.acceptance_rate(usage, as_of="2026-01-17")["suggested_count"].to_list() == [10]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"of": "suggestion"}, "suggestions"),
        ({"user_type": "persons"}, "person"),
        ({"by": "teem"}, "did you mean 'team'"),
        ({"of": "lines"}, "'completions_lines_of_code'"),  # the frame does not have it
        ({"every": "1mo"}, "spans 2026-01-26 to 2026-02-01"),  # a week cannot be split between two months
    ],
)
def test_what_cannot_be_answered_is_refused(make_usage, wrong, message):
    """A mistyped word, column or group gets an error that names the right one."""
    usage = make_usage(row("ada@x.io", 1, 1, week=3, team="A")).drop("completions_lines_of_code")
    with pytest.raises(ValueError, match=message):
        analysis.acceptance_rate(usage, **wrong)


def change(before: list[Any], after: list[Any], **more: Any) -> pl.DataFrame:
    return analysis.acceptance_change(languages(before), languages(after), by="language", **more)


def test_a_change_is_taken_apart_by_hand():
    """Go 40/50 to 45/50 is a rate effect, C 20/50 that is gone and Rust 35/50 that is new are entry and exit.

    R0 = 60/100, R1 = 80/100, M = 0.7. Go: 0.5 * (0.9 - 0.8) = 0.05. C: -0.5 * (0.4 - 0.7) = 0.15.
    Rust: 0.5 * (0.7 - 0.7) = 0. Together 0.2 = R1 - R0.
    """
    table = change(
        [("ada@x.io", "Go", (50, 40)), ("ada@x.io", "C", (50, 20))],
        [("ada@x.io", "Go", (50, 45)), ("ada@x.io", "Rust", (50, 35))],
    )
    assert table.columns == ["language", *ACCEPTANCE_CHANGE.columns]
    expected = [
        ("C", 0.0, 0.0, 0.15, 0.15),
        ("Go", 0.05, 0.0, 0.0, 0.05),
        ("Rust", 0.0, 0.0, 0.0, 0.0),
        (None, 0.05, 0.0, 0.15, 0.2),
    ]
    assert [r[0] for r in table.rows()] == [r[0] for r in expected]
    assert [r[1:] for r in table.rows()] == [pytest.approx(r[1:], abs=1e-12) for r in expected]
    assert change([], []).schema == pl.Schema({"language": pl.String, **ACCEPTANCE_CHANGE.schema})
    with pytest.raises(ValueError, match="names no column"):
        analysis.acceptance_change(languages([]), languages([]), by=[])
    table = change([], [("ada@x.io", "Go", (10, 6))])
    assert table["total_effect"].to_list() == [None, None]


def plain_change(before: list[Any], after: list[Any]) -> dict[str | None, tuple[Fraction, ...]]:
    """Take the change apart a second way: exact fractions, group by group."""
    suggested, accepted = (Counter(), Counter()), (Counter(), Counter())
    for side, rows in enumerate((before, after)):
        for _, language, (n, a) in rows:
            suggested[side][language] += n
            accepted[side][language] += a
    sides = (0, 1)
    s0, s1 = (suggested[side].total() for side in sides)
    middle = sum(Fraction(accepted[side].total(), suggested[side].total()) for side in sides) / 2
    effects = {}
    for language in {*suggested[0], *suggested[1]}:
        (n0, n1), (a0, a1) = ([part[side][language] for side in sides] for part in (suggested, accepted))
        w0, w1 = Fraction(n0, s0), Fraction(n1, s1)
        rate = mix = moved = Fraction(0)
        if n0 and n1:
            rate = (w0 + w1) / 2 * (Fraction(a1, n1) - Fraction(a0, n0))
            mix = (w1 - w0) * ((Fraction(a1, n1) + Fraction(a0, n0)) / 2 - middle)
        elif n1:
            moved = w1 * (Fraction(a1, n1) - middle)
        elif n0:
            moved = -w0 * (Fraction(a0, n0) - middle)
        effects[language] = (rate, mix, moved)
    return effects


@given(records, records)
def test_the_parts_add_up_to_the_change(before, after):
    """Rate, mix, entry and exit add up to R1 - R0 in the total and in each row, as exact fractions do."""
    table = change(before, after)
    if not before and not after:
        assert table.is_empty()
        return
    rates = [analysis.acceptance_rate(languages(side))["acceptance_rate"].to_list() for side in (before, after)]
    if not rates[0] or not rates[1] or None in (rates[0][0], rates[1][0]):
        assert table.select(*ACCEPTANCE_CHANGE.columns).null_count().row(0) == (table.height,) * 4
        return
    groups, total = table.head(-1), table.tail(1)
    found = {r[0]: r[1:4] for r in groups.rows()}
    expected = plain_change(before, after)
    assert found.keys() == expected.keys()
    for language, parts in expected.items():
        assert found[language] == pytest.approx([float(part) for part in parts], abs=1e-12)
    assert total["total_effect"].item() == pytest.approx(rates[1][0] - rates[0][0], abs=1e-12)
    assert total["total_effect"].item() == pytest.approx(groups["total_effect"].sum(), abs=1e-12)
    whole = table["rate_effect"] + table["mix_effect"] + table["entry_exit_effect"]
    assert (whole - table["total_effect"]).abs().max() < 1e-12


def test_a_user_is_the_same_user_on_both_sides():
    """By user, Ada@ before and ada@ after is one user whose rate changed, not one gone and one new."""
    before, after = [("Ada@x.io", "Go", (10, 5))], [("ada@x.io", "Go", (10, 6))]
    table = analysis.acceptance_change(languages(before), languages(after), by="user")
    assert table["user"].to_list() == ["Ada@x.io", None]
    assert table["rate_effect"].to_list() == pytest.approx([0.1, 0.1])
    assert table["entry_exit_effect"].to_list() == [0.0, 0.0]


def own_rates(counts: list[tuple[int, int]]) -> pl.DataFrame:
    """Return a row a user: suggested and accepted completions."""
    return pl.DataFrame(counts, schema=["completions_count", "completions_accepted"], orient="row").with_columns(
        user=pl.format("user{}@x.io", pl.int_range(pl.len())), user_type=pl.lit("person")
    )


def test_a_step_holds_the_rates_from_its_lower_end_on():
    """15 of 100 is in the step from 15%, the last has its end; 99 suggestions in two rows are too few for a rate."""
    table = analysis.acceptance_distribution(own_rates([(100, 14), (100, 15), (200, 39), (100, 20)]))
    assert table.height == 20
    assert table.filter(pl.col("users") > 0).rows() == [(0.1, 0.15, 1), (0.15, 0.2, 2), (0.2, 0.25, 1)]
    with pytest.warns(DataWarning, match="1 row with more"):
        table = analysis.acceptance_distribution(own_rates([(100, 100), (100, 120)]), steps=2)
    assert table["users"].to_list() == [0, 2]
    rows = own_rates([(50, 0), (49, 0), (50, 50), (50, 50)]).with_columns(
        user=pl.Series(["a@x.io", "A@x.io", "b@x.io", "b@x.io"])
    )
    assert analysis.acceptance_distribution(rows, steps=2)["users"].to_list() == [0, 1]
    assert analysis.acceptance_distribution(rows, min_suggested=101).is_empty()


def test_the_parts_add_up_also_where_nothing_was_suggested():
    """5 of 10, then 7 of 10, 2 of these in a language without a suggestion: that is its entry, the whole 0.2."""
    with pytest.warns(DataWarning, match="1 row with more"):
        table = change([("ada@x.io", "Go", (10, 5))], [("ada@x.io", "Go", (10, 5)), ("ada@x.io", "C", (0, 2))])
    assert table["language"].to_list() == ["C", "Go", None]
    assert table["entry_exit_effect"].to_list() == pytest.approx([0.2, 0.0, 0.2])
    assert table["total_effect"].to_list() == pytest.approx([0.2, 0.0, 0.2])


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 2.5}, {"min_suggested": 0}])
def test_a_distribution_needs_a_step_and_a_suggestion(wrong):
    """The parameter is named."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        analysis.acceptance_distribution(own_rates([(100, 1)]), **wrong)


def rates(
    rows: list[tuple[Any, ...]], *, start: date = date(2026, 1, 1), end: date = date(2026, 1, 31)
) -> pl.DataFrame:
    """Make an adoption table of teams from (team, active, licensed)."""
    frame = pl.DataFrame(rows, schema=["team", "active_users", "licensed_users"], orient="row")
    low, high = wilson(pl.col("active_users"), pl.col("licensed_users"))
    active, licensed = pl.col("active_users"), pl.col("licensed_users")
    return frame.with_columns(
        adoption_rate=pl.when(licensed > 0).then(active / licensed),
        adoption_rate_low=low,
        adoption_rate_high=high,
        is_complete=pl.lit(value=True),
        period_start=pl.lit(start),
        period_end=pl.lit(end),
    )


FEBRUARY = {"start": date(2026, 2, 1), "end": date(2026, 2, 28)}


def test_three_teams_three_verdicts():
    """A doubled, B fell, C moved within its interval; one side only, or no people, has none; no team is a team."""
    before = rates([("C", 9, 20), ("A", 30, 100), ("B", 80, 100), ("gone", 5, 9), ("none", 0, 0), (None, 30, 100)])
    after = rates(
        [("A", 60, 100), ("B", 50, 100), ("C", 11, 20), ("new", 5, 9), ("none", 0, 0), (None, 60, 100)], **FEBRUARY
    )
    table = analysis.compare(before.lazy(), after.lazy(), metric="adoption_rate", by="team")
    assert table.columns == ["team", *COMPARISON.columns]
    assert table.select("team", "before", "after", "verdict").rows() == [
        ("A", 0.3, 0.6, "higher"),
        ("B", 0.8, 0.5, "lower"),
        ("C", 0.45, 0.55, "no measurable change"),
        ("gone", pytest.approx(5 / 9), None, None),
        ("new", None, pytest.approx(5 / 9), None),
        ("none", None, None, None),
        (None, 0.3, 0.6, "higher"),
    ]
    assert table.filter(pl.col("team") == "gone")["difference_low"].to_list() == [None]


def test_acceptance_of_two_groups_is_compared_by_its_users(make_usage):
    """Ten users at 40 % against ten at 60 %, alike within each: a difference. Without users there is no verdict."""
    rows = [
        {"user": f"{team}{n}", "team": team, "completions_count": 100, "completions_accepted": base + n % 3}
        for team, base in (("A", 40), ("B", 60))
        for n in range(10)
    ]
    usage = make_usage(*rows)
    table = analysis.acceptance_rate(usage, by="team")
    sides = [table.filter(pl.col("team") == team) for team in "AB"]
    assert analysis.compare(*sides, metric="acceptance_rate")["verdict"].to_list() == ["higher"]
    assert analysis.compare(*reversed(sides), metric="acceptance_rate")["verdict"].to_list() == ["lower"]
    anonymous = analysis.acceptance_rate(usage.drop("user", "user_type"), by="team")
    sides = [anonymous.filter(pl.col("team") == team) for team in "AB"]
    found = analysis.compare(*sides, metric="acceptance_rate").row(0, named=True)
    assert found["difference"] == pytest.approx(0.2)
    assert (found["difference_low"], found["verdict"]) == (None, None)


MONTH = rates([("A", 1, 9)])


@pytest.mark.parametrize(
    ("before", "after", "metric", "message"),
    [
        ({}, {"period_end": date(2026, 1, 7)}, "adoption_rate", "period is month before and week after"),
        ({}, {"days": 7}, "adoption_rate", "different tables.*'days'"),
        ({"feature": "chat"}, {"feature": "ide_agent"}, "adoption_rate", "feature is chat before and ide_agent after"),
        ({"days": 7}, {"days": 28}, "adoption_rate", "days is 7 before and 28 after"),
        ({}, {"is_complete": False}, "adoption_rate", "after has a period that is not complete"),
        ({}, {}, "active_users", "'active_users' has no interval.*'adoption_rate'"),
        ({}, {}, "adoption_rates", "did you mean 'adoption_rate'"),
    ],
)
def test_different_definitions_are_refused(before, after, metric, message):
    """Another table, a month against a week or one that is not over, a metric without an interval: each says why."""
    sides = [
        MONTH.with_columns(pl.lit(value).alias(name) for name, value in facts.items()) for facts in (before, after)
    ]
    with pytest.raises(TableError, match=message):
        analysis.compare(*sides, metric=metric)


def test_one_row_a_group():
    """Several periods on one side are ambiguous, with what to filter; two empty sides have no rows, same schema."""
    months = pl.concat([rates([("A", 1, 9)]), rates([("A", 2, 9)], **FEBRUARY)])
    with pytest.raises(TableError, match=r"before has 2 rows .*filter to one period"):
        analysis.compare(months, months.tail(1), metric="adoption_rate")
    with pytest.raises(TableError, match=r"after has 2 rows for one value of \['team'\]"):
        analysis.compare(months.head(1), months, metric="adoption_rate", by="team")
    table = analysis.compare(MONTH.head(0), MONTH.head(0), metric="adoption_rate")
    assert table.schema == COMPARISON.schema
    assert table.is_empty()
