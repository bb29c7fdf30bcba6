"""Acceptance: pooled rates, what is missing, what moved it, and a decomposition that adds up."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_insights import analysis
from augment_insights.errors import DataWarning, TableError
from augment_insights.tables import ACCEPTANCE_CHANGE, ACCEPTANCE_RATE, DAILY_USAGE, EDITOR_LANGUAGE, METRICS

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeUsage = Callable[..., pl.DataFrame]

few = settings(max_examples=40, deadline=None)
names = st.sampled_from(["ada@x.io", "Ada@x.io", "bob@x.io", "cyd@x.io"])
suggestions = st.integers(0, 50).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
records = st.lists(st.tuples(names, st.sampled_from(["Go", "C", None]), suggestions), max_size=25)


def row(user: str, suggested: int | None, accepted: int | None, **more: object) -> dict[str, Any]:
    return {"user": user, "completions_count": suggested, "completions_accepted": accepted, **more}


def languages(rows: list[tuple[str, str | None, tuple[int, int]]]) -> pl.DataFrame:
    """Make a frame of users, languages, and suggested and accepted completions."""
    flat = [(user, "person", language, suggested, accepted) for user, language, (suggested, accepted) in rows]
    schema = {
        "user": pl.String,
        "user_type": pl.String,
        "language": pl.String,
        "completions_count": pl.Int64,
        "completions_accepted": pl.Int64,
    }
    return pl.DataFrame(flat, schema=schema, orient="row")


def test_rates_are_pooled_and_never_averaged(make_usage: MakeUsage) -> None:
    """80 of 100 and 15 of 40 make 95 of 140 = 0.6786; the mean of the two rates would be 0.5875."""
    rates = analysis.acceptance_rate(make_usage(row("ada@x.io", 100, 80), row("bob@x.io", 40, 15)))
    found = rates.row(0, named=True)
    assert (found["users"], found["suggested_count"], found["accepted_count"]) == (2, 140, 95)
    assert found["acceptance_rate"] == pytest.approx(0.6786, abs=5e-5)
    bounds = (found["acceptance_rate_low"], found["acceptance_rate_high"])
    assert bounds == pytest.approx((0, 1), abs=1e-6)  # two users who differ so much say next to nothing


def test_a_result_keeps_its_table(make_usage: MakeUsage) -> None:
    """Groups first, then the period, then the columns of ACCEPTANCE_RATE with their dtypes; rows sorted."""
    usage = make_usage(
        row("bob@x.io", 9, 3, week=1, team="B"), row("ada@x.io", 9, 3, team="A"), row("bob@x.io", 1, 1, team="B")
    )
    rates = analysis.acceptance_rate(usage, by="team", every="1w")
    assert rates.columns == ["team", "period_start", *ACCEPTANCE_RATE.columns]
    assert rates.select(*ACCEPTANCE_RATE.columns).schema == ACCEPTANCE_RATE.schema
    assert rates.select("team", "period_start").rows() == [
        ("A", date(2026, 1, 5)),
        ("B", date(2026, 1, 5)),
        ("B", date(2026, 1, 12)),
    ]


def test_nothing_suggested_is_no_rate(make_usage: MakeUsage) -> None:
    """0/0 is null, with its counts; it is neither 0 nor NaN, and moves no other group."""
    rates = analysis.acceptance_rate(make_usage(row("ada@x.io", 0, 0), row("bob@x.io", 4, 1)), by="user")
    assert rates.select("user", "users", "suggested_count", "acceptance_rate").rows() == [
        ("ada@x.io", 0, 0, None),
        ("bob@x.io", 1, 4, 0.25),
    ]
    assert rates["acceptance_rate_low"].to_list() == [None, None]


def test_by_lines_only_rows_that_know_them_count(make_usage: MakeUsage) -> None:
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


def test_more_accepted_than_suggested_is_kept_and_said(make_usage: MakeUsage) -> None:
    """A row of 12 accepted of 10 gives 1.2, and a warning that counts it."""
    with pytest.warns(DataWarning, match="1 row with more completions_accepted than completions_count"):
        rates = analysis.acceptance_rate(make_usage(row("ada@x.io", 10, 12)))
    assert rates["acceptance_rate"].to_list() == [1.2]


def test_two_spellings_are_one_user(make_usage: MakeUsage) -> None:
    """Ada@x.io and ada@x.io are one user with one row; a service account of that name is another."""
    usage = make_usage(
        row("ada@x.io", 10, 4),
        row("Ada@x.io", 10, 8),
        row("ADA@x.io", 10, 9, user_type="service_account"),
    )
    assert analysis.acceptance_rate(usage, by="user").select("user", "users", "suggested_count").rows() == [
        ("Ada@x.io", 1, 20)
    ]
    assert analysis.acceptance_rate(usage, user_type="all")["users"].to_list() == [2]


def test_automation_is_apart(make_usage: MakeUsage) -> None:
    """People by default, automation on demand; only automation leaves people without a row."""
    usage = make_usage(row("ada@x.io", 10, 5), row("ci", 10, 1, user_type="service_account"))
    rates = {kind: analysis.acceptance_rate(usage, user_type=kind)["acceptance_rate"].item() for kind in KINDS}
    assert rates == {"person": 0.5, "service_account": 0.1, "all": 0.3}
    assert analysis.acceptance_rate(usage.tail(1)).is_empty()


KINDS = ("person", "service_account", "all")


def test_a_row_without_a_user_is_nobodys(make_usage: MakeUsage) -> None:
    """It is left out, and said."""
    with pytest.warns(DataWarning, match="1 row of usage without a user"):
        rates = analysis.acceptance_rate(make_usage(row("ada@x.io", 10, 5), {"user": None, "completions_count": 7}))
    assert rates["suggested_count"].to_list() == [10]


def test_a_user_of_unknown_type_is_nobodys_either(make_usage: MakeUsage) -> None:
    """People and automation add up to all: a row of neither is in none of the three, and said."""
    usage = make_usage(row("ada@x.io", 10, 5), row("ci", 20, 1, user_type="service_account"), row("x", 7, 7))
    untyped = usage.with_columns(user_type=pl.when(pl.col("user") != "x").then("user_type"))
    for kind, suggested in zip(KINDS, (10, 20, 30), strict=True):
        with pytest.warns(DataWarning, match="1 row of usage without a user"):
            rates = analysis.acceptance_rate(untyped, user_type=kind)
        assert rates["suggested_count"].to_list() == [suggested]


def test_another_word_for_a_person_is_refused(make_usage: MakeUsage) -> None:
    """Rows of a "Person" would be in no count of people, in silence: the error names the word, and the two known."""
    usage = make_usage(row("ada@x.io", 10, 5)).with_columns(user_type=pl.lit("Person"))
    with pytest.raises(TableError, match="'Person' as user_type, and it is one of person, service_account"):
        analysis.acceptance_rate(usage)
    with pytest.raises(TableError, match="activity has 'Person' as user_type"):
        analysis.active_users(usage, every="1w")


def test_sums_by_user_type_are_told_apart() -> None:
    """A frame summed over users still says which sums are of automation: they are in no rate of people."""
    sums = pl.DataFrame(
        {"user_type": ["person", "service_account"], "completions_count": [10, 30], "completions_accepted": [5, 3]}
    )
    counts = {kind: analysis.acceptance_rate(sums, user_type=kind)["suggested_count"].to_list() for kind in KINDS}
    assert counts == {"person": [10], "service_account": [30], "all": [40]}


def test_a_row_that_stands_twice_counts_once(make_usage: MakeUsage) -> None:
    """A page that was read twice does not count twice, and is said."""
    usage = make_usage(row("ada@x.io", 10, 5), row("bob@x.io", 10, 5))
    with pytest.warns(DataWarning, match="1 duplicate row of usage"):
        rates = analysis.acceptance_rate(pl.concat([usage, usage.head(1)]))
    assert rates["suggested_count"].to_list() == [20]


def test_equal_rows_of_a_cut_frame_may_both_be_true(make_usage: MakeUsage) -> None:
    """Without the columns that name a row nobody knows that two rows are one: both count."""
    usage = make_usage(row("ada@x.io", 10, 5), row("ada@x.io", 10, 5, week=1)).drop("period_start", "period_end")
    assert analysis.acceptance_rate(usage)["suggested_count"].to_list() == [20]


@few
@given(records, st.randoms(use_true_random=False))
def test_any_order_and_a_lazy_frame_give_the_same(rows: list[Any], dice: Any) -> None:
    """Rows in another order, and a LazyFrame, give the same table to the last bit."""
    shuffled = dice.sample(rows, len(rows))
    expected = analysis.acceptance_rate(languages(rows), by="language")
    assert analysis.acceptance_rate(languages(shuffled), by="language").equals(expected)
    assert analysis.acceptance_rate(languages(rows).lazy(), by="language").equals(expected)


@few
@given(records)
def test_groups_are_those_of_plain_python(rows: list[Any]) -> None:
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


def test_daily_usage_has_a_rate_and_no_interval() -> None:
    """A frame without users is pooled over its days; users and bounds are null, automation cannot be had."""
    days = pl.DataFrame({"date": [date(2026, 1, 5), date(2026, 1, 12)], **{name: [1, 1] for name in METRICS}})
    days = days.with_columns(completions_count=pl.Series([10, 30]), completions_accepted=pl.Series([5, 3]))
    DAILY_USAGE.check(days)
    rates = analysis.acceptance_rate(days)
    assert rates.rows() == [(None, 40, 8, 0.2, None, None)]
    assert rates.schema == ACCEPTANCE_RATE.schema
    weeks = analysis.acceptance_rate(days, every="1w")
    assert weeks["acceptance_rate"].to_list() == [0.5, 0.1]
    with pytest.raises(TableError, match="cannot be told apart"):
        analysis.acceptance_rate(days, user_type="service_account")


def test_as_of_leaves_out_what_reaches_past_it(make_usage: MakeUsage) -> None:
    """A week that ends after the last day does not count."""
    usage = make_usage(row("ada@x.io", 10, 5), row("ada@x.io", 90, 9, week=1))
    assert analysis.acceptance_rate(usage, as_of="2026-01-17")["suggested_count"].to_list() == [10]


def test_a_row_across_a_border_is_refused(make_usage: MakeUsage) -> None:
    """A week from 26 January to 1 February cannot be split between two months."""
    with pytest.raises(TableError, match="spans 2026-01-26 to 2026-02-01"):
        analysis.acceptance_rate(make_usage(row("ada@x.io", 1, 1, week=3)), every="1mo")


def test_bad_words_are_refused_with_the_good_ones(make_usage: MakeUsage) -> None:
    """A mistyped word, column or group gets an error that names the right one."""
    usage = make_usage(row("ada@x.io", 1, 1, team="A"))
    with pytest.raises(ValueError, match="suggestions"):
        analysis.acceptance_rate(usage, of="suggestion")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="person"):
        analysis.acceptance_rate(usage, user_type="persons")
    with pytest.raises(TableError, match="did you mean 'team'"):
        analysis.acceptance_rate(usage, by="teem")
    with pytest.raises(TableError, match="'completions_accepted'"):
        analysis.acceptance_rate(usage.drop("completions_accepted"))


@pytest.mark.parametrize("kw", [{}, {"by": "user"}, {"by": ["language", "editor"], "every": "1mo"}])
def test_empty_in_empty_out(kw: dict[str, Any]) -> None:
    """No rows give no rows, with the schema of the full table."""
    rates = analysis.acceptance_rate(EDITOR_LANGUAGE.empty(), **kw)
    assert rates.is_empty()
    assert rates.select(*ACCEPTANCE_RATE.columns).schema == ACCEPTANCE_RATE.schema


# ---- what moved it ----


def change(before: list[Any], after: list[Any], **more: Any) -> pl.DataFrame:
    return analysis.acceptance_change(languages(before), languages(after), by="language", **more)


def test_a_change_is_taken_apart_by_hand() -> None:
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


def plain_change(before: list[Any], after: list[Any]) -> dict[str | None, tuple[Fraction, ...]]:
    """Take the change apart a second way: exact fractions, group by group."""

    def sums(rows: list[Any]) -> dict[Any, list[int]]:
        found: dict[Any, list[int]] = {}
        for _, language, (suggested, accepted) in rows:
            both = found.setdefault(language, [0, 0])
            both[0] += suggested
            both[1] += accepted
        return found

    old, new = sums(before), sums(after)
    s0, s1 = sum(s for s, _ in old.values()), sum(s for s, _ in new.values())
    middle = (Fraction(sum(a for _, a in old.values()), s0) + Fraction(sum(a for _, a in new.values()), s1)) / 2
    effects = {}
    for language in {*old, *new}:
        (n0, a0), (n1, a1) = old.get(language, [0, 0]), new.get(language, [0, 0])
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


@few
@given(records, records)
def test_the_parts_add_up_to_the_change(before: list[Any], after: list[Any]) -> None:
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


def test_a_user_is_the_same_user_on_both_sides() -> None:
    """By user, Ada@ before and ada@ after is one user whose rate changed, not one gone and one new."""
    before, after = [("Ada@x.io", "Go", (10, 5))], [("ada@x.io", "Go", (10, 6))]
    table = analysis.acceptance_change(languages(before), languages(after), by="user")
    assert table["user"].to_list() == ["Ada@x.io", None]
    assert table["rate_effect"].to_list() == pytest.approx([0.1, 0.1])
    assert table["entry_exit_effect"].to_list() == [0.0, 0.0]


def test_no_change_of_nothing() -> None:
    """Two empty sides have no rows; one empty side has no effects: null, not zero."""
    assert change([], []).schema == pl.Schema({"language": pl.String, **ACCEPTANCE_CHANGE.schema})
    with pytest.raises(ValueError, match="names no column"):
        analysis.acceptance_change(languages([]), languages([]), by=[])
    table = change([], [("ada@x.io", "Go", (10, 6))])
    assert table["total_effect"].to_list() == [None, None]


def own_rates(counts: list[tuple[int, int]]) -> pl.DataFrame:
    """Return a row a user: suggested and accepted completions."""
    return pl.DataFrame(counts, schema=["completions_count", "completions_accepted"], orient="row").with_columns(
        user=pl.format("user{}@x.io", pl.int_range(pl.len())), user_type=pl.lit("person")
    )


def test_a_step_holds_the_rates_from_its_lower_end_on() -> None:
    """15 of 100 is in the step from 15%, though 0.15 / 0.05 is less than 3 to a computer; 14 of 100 is below it."""
    table = analysis.acceptance_distribution(own_rates([(100, 14), (100, 15), (200, 39), (100, 20)]))
    assert table.height == 20
    assert table.filter(pl.col("users") > 0).rows() == [(0.1, 0.15, 1), (0.15, 0.2, 2), (0.2, 0.25, 1)]


def test_all_and_more_than_all_are_in_the_last_step() -> None:
    """100 of 100, and 120 of 100, which the API should not send."""
    with pytest.warns(DataWarning, match="1 row with more"):
        table = analysis.acceptance_distribution(own_rates([(100, 100), (100, 120)]), steps=2)
    assert table["users"].to_list() == [0, 2]


def test_who_saw_few_suggestions_has_no_rate_of_their_own() -> None:
    """99 suggestions in two rows are too few, 100 are not; with none left the table is empty."""
    rows = own_rates([(50, 0), (49, 0), (50, 50), (50, 50)]).with_columns(
        user=pl.Series(["a@x.io", "A@x.io", "b@x.io", "b@x.io"])
    )
    assert analysis.acceptance_distribution(rows, steps=2)["users"].to_list() == [0, 1]
    assert analysis.acceptance_distribution(rows, min_suggested=101).is_empty()


def test_the_parts_add_up_also_where_nothing_was_suggested() -> None:
    """5 of 10, then 7 of 10, 2 of these in a language without a suggestion: that is its entry, the whole 0.2."""
    before = languages([("ada@x.io", "Go", (10, 5))])
    after = languages([("ada@x.io", "Go", (10, 5)), ("ada@x.io", "C", (0, 2))])
    with pytest.warns(DataWarning, match="1 row with more"):
        change = analysis.acceptance_change(before, after, by="language")
    expected = [("C", 0.0, 0.0, 0.2, 0.2), ("Go", 0.0, 0.0, 0.0, 0.0), (None, 0.0, 0.0, 0.2, 0.2)]
    assert change["language"].to_list() == [part[0] for part in expected]
    for found, part in zip(change.rows(), expected, strict=True):
        assert found[1:] == pytest.approx(part[1:])


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 2.5}, {"min_suggested": 0}])
def test_a_distribution_needs_a_step_and_a_suggestion(wrong: dict[str, Any]) -> None:
    """The parameter is named."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        analysis.acceptance_distribution(own_rates([(100, 1)]), **wrong)
