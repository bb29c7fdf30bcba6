"""Acceptance rates, comparisons and the waterfall, as they are drawn."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from augment_insights import charts
from augment_insights.charts import theme
from augment_insights.errors import TableError
from augment_insights.tables import ACCEPTANCE_CHANGE, ACCEPTANCE_RATE, COMPARISON, VERDICT


@pytest.fixture
def change() -> pl.DataFrame:
    """Three languages; together the rate falls by two points."""
    rows = [
        ("Go", 0.01, 0.005, 0.0, 0.015),
        ("C", -0.04, 0.0, 0.0, -0.04),
        ("Zig", 0.0, 0.0, 0.005, 0.005),
        (None, -0.03, 0.005, 0.005, -0.02),
    ]
    return pl.DataFrame(rows, schema={"language": pl.String, **ACCEPTANCE_CHANGE.schema}, orient="row")


@pytest.fixture
def compared() -> pl.DataFrame:
    """One team is new, one did not change measurably, and one went up."""
    rows = [
        ("A", "adoption_rate", None, 0.4, None, None, None, True, 0, 0, 9, 2, None),
        ("B", "adoption_rate", 0.5, 0.51, 0.01, -0.1, 0.1, True, 30, 2, 0, 2, "no measurable change"),
        ("C", "adoption_rate", 0.3, 0.5, 0.2, 0.1, 0.3, True, 70, 10, 5, 2, "higher"),
    ]
    return pl.DataFrame(rows, schema={"team": pl.String, **COMPARISON.schema}, orient="row")


@pytest.fixture
def steps(rows_of) -> Any:
    """Return each bar with where it begins and ends, in points."""

    def read(chart) -> list[tuple[str, float, float]]:
        rows = rows_of(chart)
        return [(row["step"], round(row["start"] * 100, 6), round(row["end"] * 100, 6)) for row in rows]

    return read


def test_acceptance_of_a_week_that_ends_after_the_data_is_dashed(weekly_acceptance, look):
    """A week that ends after ``as_of``, or begins before ``since``, is open: the table itself cannot say."""
    spec = theme.to_vegalite(charts.acceptance_rate(weekly_acceptance, as_of=date(2026, 9, 19)))
    solid, dashed = look.layers(spec, "line")
    assert look.values(spec, solid) == [0.25, None, 0.3, None]
    assert look.values(spec, dashed) == [None, None, 0.3, 0.25]
    over = theme.to_vegalite(charts.acceptance_rate(weekly_acceptance, as_of=date(2026, 9, 20)))
    assert look.values(over, look.layers(over, "line")[0]) == [0.25, None, 0.3, 0.25]
    cut = weekly_acceptance.with_columns(acceptance_rate=pl.col("acceptance_rate").fill_null(0.5))
    spec = theme.to_vegalite(charts.acceptance_rate(cut, since=date(2026, 8, 25)))
    solid, dashed = look.layers(spec, "line")
    assert look.values(spec, solid) == [None, 0.5, 0.3, 0.25]
    assert look.values(spec, dashed) == [0.25, 0.5, None, None]
    whole = theme.to_vegalite(charts.acceptance_rate(cut, since=date(2026, 8, 24)))
    assert look.values(whole, look.layers(whole, "line")[0]) == [0.25, 0.5, 0.3, 0.25]


def test_a_week_without_suggestions_is_a_gap_and_others_have_intervals(
    weekly_acceptance, rows_of, team_acceptance, look
):
    """0/0 stays null in the picture; intervals are a band over time, whiskers for one week or groups."""
    spec = theme.to_vegalite(charts.acceptance_rate(weekly_acceptance))
    week = rows_of(spec)[1]
    assert (week["acceptance_rate"], week["solid"], week["acceptance_rate_low"]) == (None, None, None)
    for table, mark, axis in [
        (weekly_acceptance, "area", "y"),
        (weekly_acceptance.head(1), "rule", "y"),
        (team_acceptance, "rule", "x"),
    ]:
        (interval,) = look.layers(theme.to_vegalite(charts.acceptance_rate(table, every="1w")), mark)
        assert interval["encoding"][axis]["field"] == "acceptance_rate_low"
        assert interval["encoding"][f"{axis}2"]["field"] == "acceptance_rate_high"


def test_groups_without_periods_are_dots_sorted_by_rate_and_unrated_ones_last(team_acceptance, look, rows_of):
    """A group without suggestions keeps its row and gets no dot."""
    spec = theme.to_vegalite(charts.acceptance_rate(team_acceptance))
    (dots,) = look.layers(spec, "point")
    assert dots["encoding"]["y"]["sort"] == ["Payments", "Search", "Idle"]
    assert dots["encoding"]["x"]["field"] == "acceptance_rate"
    assert [row["acceptance_rate"] for row in rows_of(spec)] == [0.4, 0.2, None]


def test_groups_stand_and_are_coloured_by_their_verdict_against_the_rest(look):
    """The highest rate is not the first: few people stand behind it, and whiskers that overlap say nothing."""
    rows = [
        ("C", 40, 100, 30, 0.3, 0.25, 0.35, 3, "no measurable change"),
        ("Go", 50, 100, 36, 0.36, 0.32, 0.41, 3, "higher"),
        ("Lua", 1, 100, 90, 0.9, None, None, 3, None),
        ("Zig", 30, 100, 20, 0.2, 0.16, 0.25, 3, "lower"),
    ]
    schema = {"language": pl.String, **ACCEPTANCE_RATE.schema, "compared_groups": pl.Int64, "verdict": VERDICT}
    chart = charts.acceptance_rate(pl.DataFrame(rows, schema=schema, orient="row"))
    spec = theme.to_vegalite(chart)
    (dots,) = look.layers(spec, "point")
    assert dots["encoding"]["y"]["sort"] == ["Go", "C", "Zig", "Lua"]
    assert dots["encoding"]["color"]["scale"]["domain"] == [
        *("higher than the rest", "no measurable difference", "lower than the rest", "too few people"),
    ]
    assert "yOffset" not in dots["encoding"]
    assert chart.title.text == "Acceptance rate of inline completions by language"
    assert chart.title.subtitle.endswith("3 groups, each compared with the rest")


def test_a_title_says_by_what_it_is_grouped(team_acceptance, weekly_acceptance):
    """Over time the legend does."""
    assert charts.acceptance_rate(team_acceptance).title.text == "Acceptance rate of inline completions by team"
    both = team_acceptance.with_columns(user_type=pl.lit("person"))
    assert charts.acceptance_rate(both).title.text == "Acceptance rate of inline completions by team and user type"
    over_time = weekly_acceptance.with_columns(team=pl.lit("Payments"))
    assert charts.acceptance_rate(over_time).title.text == "Weekly acceptance rate of inline completions"


def test_each_effect_begins_where_the_last_one_ended(change, steps):
    """-3 points, half up, another half: two down in all; groups by how much they moved; without its total refused."""
    assert steps(charts.acceptance_change(change)) == [
        ("Groups accept more or less", 0.0, -3.0),
        ("Weight moved between groups", -3.0, -2.5),
        ("Groups came or went", -2.5, -2.0),
        ("Whole change", 0.0, -2.0),
    ]
    with pytest.raises(TableError, match="total"):
        charts.acceptance_change(change.head(3))
    chart = charts.acceptance_change(change, by_group=True)
    assert steps(chart) == [("C", 0.0, -4.0), ("Go", -4.0, -2.5), ("Zig", -2.5, -2.0), ("Whole change", 0.0, -2.0)]
    assert chart.title.subtitle == "people · 3 groups"


def test_the_other_groups_are_one_bar_that_says_how_many(change, steps):
    """Of twenty equal groups eight are one bar; groups called so, like the total or not at all keep theirs."""
    groups = pl.concat([change.head(1).with_columns(language=pl.lit(f"L{n:02}")) for n in range(20)])
    total = change.tail(1).with_columns(total_effect=pl.lit(0.3))
    drawn = steps(charts.acceptance_change(pl.concat([groups, total]), by_group=True))
    assert len(drawn) == 14
    assert drawn[12] == ("8 other groups", 18.0, 30.0)
    names = change.with_columns(language=pl.Series(["(none)", None, "Whole change", None]))
    drawn = [step for step, _, _ in steps(charts.acceptance_change(names, by_group=True))]
    assert drawn == ["(none)", "(none) (2)", "Whole change", "Whole change (2)"]


def test_the_verdict_stands_beside_its_whiskers(compared, rows_of):
    """In words, since a colour does not reach everybody; who has no verdict is last, in grey, and without a dot."""
    chart = charts.compare(compared)
    spec = theme.to_vegalite(chart)
    _, whiskers, dots, words = spec["layer"]
    assert whiskers["encoding"]["x"]["field"] == "difference_low"
    assert whiskers["encoding"]["x2"]["field"] == "difference_high"
    assert words["encoding"]["text"]["field"] == "verdict"
    assert dots["encoding"]["y"]["scale"]["domain"] == ["B", "C", "A"]
    assert [row["difference"] for row in rows_of(spec)] == [0.01, 0.2, None]
    assert "B: no measurable change, C: higher, A: too few people" in chart.description


def test_a_comparison_says_whether_people_are_paired_and_how_many_groups_are_judged(compared):
    """Holm's correction asks more of each group the more there are; one comparison needs no such note."""
    assert charts.compare(compared).title.subtitle == (
        "people · 95 % confidence intervals · the same people paired · 2 groups judged together"
    )
    one = compared.tail(1).with_columns(is_paired=pl.lit(value=False), compared_groups=pl.lit(1, pl.Int64))
    assert charts.compare(one).title.subtitle == "people · 95 % confidence intervals"


def test_differences_are_points_and_not_per_cent(compared, look, rows_of):
    """From 30% to 50% is twenty points; two messages more a person are no two hundred points."""
    spec = theme.to_vegalite(charts.compare(compared))
    assert rows_of(spec)[1]["difference_points"] == pytest.approx(20)
    svg = look.svg(spec)
    assert ">+20<" in svg
    assert "percentage points" in svg
    means = compared.tail(1).with_columns(metric=pl.lit("total_messages"), difference=2.0)
    spec = theme.to_vegalite(charts.compare(means))
    assert rows_of(spec)[0]["difference_points"] == 2
    assert "percentage points" not in look.svg(spec)


def test_several_rates_and_groups_are_named_by_both(compared, rows_of):
    """One rate needs no name beside its groups, and no group beside its rate."""
    two = pl.concat([compared.tail(1), compared.tail(1).with_columns(metric=pl.lit("feature_rate"))])
    for table, names in [
        (compared.tail(2), ["B", "C"]),
        (compared.tail(1).drop("team"), ["adoption rate"]),
        (two, ["adoption rate · C", "feature rate · C"]),
    ]:
        assert [row["row"] for row in rows_of(charts.compare(table))] == names


def test_what_is_not_known_at_all_is_no_data(weekly_acceptance, change, look):
    """An organisation that uses agents only has no acceptance rate, and a side without a suggestion no change."""
    for chart, table, number in (
        (charts.acceptance_rate, weekly_acceptance, "acceptance_rate"),
        (charts.acceptance_change, change, "total_effect"),
    ):
        assert "No data" in look.svg(chart(table.with_columns(pl.lit(None, pl.Float64).alias(number))))
