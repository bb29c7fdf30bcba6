"""The charts: what they draw, what they leave out, and what they never say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_insights import charts
from augment_insights.charts import theme
from augment_insights.errors import DateRangeError, TableError

if TYPE_CHECKING:
    from collections.abc import Callable

OKABE_ITO = {"#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}


def rows_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    (rows,) = spec["datasets"].values()
    return rows


def layers_of(spec: dict[str, Any], mark: str) -> list[dict[str, Any]]:
    return [layer for layer in spec["layer"] if layer["mark"]["type"] == mark]


def drawn_values(spec: dict[str, Any], layer: dict[str, Any]) -> list[Any]:
    return [row[layer["encoding"]["y"]["field"]] for row in rows_of(spec)]


def test_an_unfinished_week_is_dashed_and_open_and_never_part_of_the_line(weekly_users: pl.DataFrame) -> None:
    """The solid line and its full points stop at the last complete week; dashes lead on to an open point."""
    spec = theme.to_vegalite(charts.active_users(weekly_users))
    solid, dashed = layers_of(spec, "line")
    full, hollow = layers_of(spec, "point")
    assert "strokeDash" not in solid["mark"]
    assert drawn_values(spec, solid) == [10, 20, 30, None]
    assert dashed["mark"]["strokeDash"]
    assert drawn_values(spec, dashed) == [None, None, 30, 5]
    assert full["mark"]["filled"]
    assert drawn_values(spec, full) == [10, 20, 30, None]
    assert hollow["mark"]["fill"] == "#ffffff"
    assert drawn_values(spec, hollow) == [None, None, None, 5]


def test_two_unfinished_stretches_are_not_joined_over_the_complete_weeks(weekly_users: pl.DataFrame) -> None:
    """Dashes stop at the first complete week and start again at the last."""
    table = weekly_users.with_columns(pl.Series("is_complete", [False, True, True, False]))
    spec = theme.to_vegalite(charts.active_users(table))
    _, dashed = layers_of(spec, "line")
    assert drawn_values(spec, dashed) == [10, 20, 30, 5]
    longer = pl.concat([table.head(1), weekly_users.slice(1, 2), weekly_users.slice(1, 2), table.tail(1)])
    longer = longer.with_columns(
        period_start=pl.Series([date(2026, 8, 24) + timedelta(weeks=n) for n in range(6)]),
        period_end=pl.Series([date(2026, 8, 30) + timedelta(weeks=n) for n in range(6)]),
    )
    spec = theme.to_vegalite(charts.active_users(longer))
    _, dashed = layers_of(spec, "line")
    assert drawn_values(spec, dashed) == [10, 20, None, None, 30, 5]


def test_acceptance_of_a_week_that_ends_after_the_data_is_dashed(weekly_acceptance: pl.DataFrame) -> None:
    """The table does not say which week is over: ``as_of`` does."""
    spec = theme.to_vegalite(charts.acceptance_rate(weekly_acceptance, as_of=date(2026, 9, 19)))
    solid, dashed = layers_of(spec, "line")
    assert drawn_values(spec, solid) == [0.25, None, 0.3, None]
    assert drawn_values(spec, dashed) == [None, None, 0.3, 0.25]
    over = theme.to_vegalite(charts.acceptance_rate(weekly_acceptance, as_of=date(2026, 9, 20)))
    assert drawn_values(over, layers_of(over, "line")[0]) == [0.25, None, 0.3, 0.25]


def test_a_week_without_suggestions_is_a_gap_and_not_a_zero(weekly_acceptance: pl.DataFrame) -> None:
    """0/0 stays null all the way into the picture."""
    spec = theme.to_vegalite(charts.acceptance_rate(weekly_acceptance))
    week = rows_of(spec)[1]
    assert (week["acceptance_rate"], week["solid"], week["acceptance_rate_low"]) == (None, None, None)


def test_intervals_are_a_band_over_time_and_whiskers_for_one_week_or_groups(
    weekly_acceptance: pl.DataFrame, team_acceptance: pl.DataFrame
) -> None:
    """From low to high, as the table says."""
    for table, mark, axis in [
        (weekly_acceptance, "area", "y"),
        (weekly_acceptance.head(1), "rule", "y"),
        (team_acceptance, "rule", "x"),
    ]:
        (interval,) = layers_of(theme.to_vegalite(charts.acceptance_rate(table, every="1w")), mark)
        assert interval["encoding"][axis]["field"] == "acceptance_rate_low"
        assert interval["encoding"][f"{axis}2"]["field"] == "acceptance_rate_high"


def test_bands_that_would_cover_one_another_are_left_out(weekly_acceptance: pl.DataFrame) -> None:
    """Three are told apart; of four the ends are in the tooltips, and the subtitle does not promise them."""

    def drawn(groups: int) -> tuple[int, bool, set[str]]:
        named = [weekly_acceptance.with_columns(team=pl.lit(f"team {n}")) for n in range(groups)]
        chart = charts.acceptance_rate(pl.concat(named))
        spec = theme.to_vegalite(chart)
        tips = {tip["field"] for tip in layers_of(spec, "point")[0]["encoding"]["tooltip"]}
        return len(layers_of(spec, "area")), "95 %" in chart.title.subtitle, tips

    assert drawn(3)[:2] == (1, True)
    bands, promised, tips = drawn(4)
    assert (bands, promised) == (0, False)
    assert {"acceptance_rate_low", "acceptance_rate_high"} <= tips


def test_groups_without_periods_are_dots_sorted_by_rate_and_unrated_ones_last(team_acceptance: pl.DataFrame) -> None:
    """A group without suggestions keeps its row and gets no dot."""
    spec = theme.to_vegalite(charts.acceptance_rate(team_acceptance))
    (dots,) = layers_of(spec, "point")
    assert dots["encoding"]["y"]["sort"] == ["Payments", "Search", "Idle"]
    assert dots["encoding"]["x"]["field"] == "acceptance_rate"
    assert [row["acceptance_rate"] for row in rows_of(spec)] == [0.4, 0.2, None]


def test_a_title_says_by_what_it_is_grouped(team_acceptance: pl.DataFrame, weekly_acceptance: pl.DataFrame) -> None:
    """Over time the legend does."""
    assert charts.acceptance_rate(team_acceptance).title.text == "Acceptance rate of inline completions by team"
    both = team_acceptance.with_columns(user_type=pl.lit("person"))
    assert charts.acceptance_rate(both).title.text == "Acceptance rate of inline completions by team and user type"
    over_time = weekly_acceptance.with_columns(team=pl.lit("Payments"))
    assert charts.acceptance_rate(over_time).title.text == "Weekly acceptance rate of inline completions"


def test_days_are_named_by_their_mondays() -> None:
    """Of five weeks of days, and of a few days each."""
    days = [date(2026, 3, 4) + timedelta(days=n) for n in range(35)]  # from a Wednesday on

    def ticks(days: list[date]) -> list[tuple[int, int]]:
        table = pl.DataFrame({"period_start": days, "period_end": days, "active_users": 1, "is_complete": True})
        spec = theme.to_vegalite(charts.active_users(table))
        return [(day["month"], day["date"]) for day in spec["layer"][0]["encoding"]["x"]["axis"]["values"]]

    assert ticks(days) == [(3, 9), (3, 16), (3, 23), (3, 30), (4, 6)]
    assert ticks(days[:3]) == [(3, 4), (3, 5), (3, 6)]


def test_long_names_stand_under_one_another_in_the_legend(weekly_users: pl.DataFrame) -> None:
    """Side by side, six names of 200 letters would make a picture that no page can hold."""

    def columns(names: list[str]) -> int:
        teams = pl.concat([weekly_users.with_columns(team=pl.lit(name)) for name in names])
        return theme.to_vegalite(charts.active_users(teams))["layer"][0]["encoding"]["color"]["legend"]["columns"]

    assert columns(["A", "B", "C"]) == 3
    assert columns([f"{'x' * 200} {n}" for n in range(6)]) == 2


def test_groups_over_several_columns_are_named_by_all_of_them(team_acceptance: pl.DataFrame) -> None:
    """A group is the combination."""
    table = team_acceptance.with_columns(language=pl.Series(["Go", "Go", None]))
    groups = [row["group"] for row in rows_of(theme.to_vegalite(charts.acceptance_rate(table)))]
    assert groups == ["Payments · Go", "Search · Go", "Idle · (none)"]


def test_more_groups_than_can_be_told_apart_are_cut_to_the_largest_and_said_so(
    team_acceptance: pl.DataFrame, weekly_users: pl.DataFrame
) -> None:
    """At most six lines or forty dots: those with most behind them."""
    many = pl.concat([team_acceptance.head(1)] * 50).with_columns(
        team=pl.Series([f"team {n:02}" for n in range(50)]), suggested_count=pl.Series(range(1, 51))
    )
    chart = charts.acceptance_rate(many)
    kept = {row["group"] for row in rows_of(theme.to_vegalite(chart))}
    assert kept == {f"team {n:02}" for n in range(10, 50)}
    assert "the 40 largest of 50 groups" in chart.title.subtitle
    lines = pl.concat(
        [weekly_users.with_columns(team=pl.lit(f"team {n}"), active_users=pl.col("active_users") * n) for n in range(8)]
    )
    chart = charts.active_users(lines)
    assert {row["group"] for row in rows_of(theme.to_vegalite(chart))} == {f"team {n}" for n in range(2, 8)}
    assert "the 6 largest of 8 groups" in chart.title.subtitle


def test_groups_are_coloured_by_okabe_and_ito(weekly_users: pl.DataFrame) -> None:
    """Colours that colour-blind readers tell apart, the same however the rows are ordered."""
    teams = pl.concat([weekly_users.with_columns(team=pl.lit(name)) for name in ("B", "A")])
    spec = theme.to_vegalite(charts.active_users(teams))
    scale = spec["layer"][0]["encoding"]["color"]["scale"]
    assert scale["domain"] == ["A", "B"]
    assert set(scale["range"]) | set(theme.CATEGORIES) <= OKABE_ITO
    assert theme.to_vegalite(charts.active_users(teams.sort("team")))["layer"] == spec["layer"]


def test_cells_not_known_yet_are_light_grey_without_a_number(cohorts: pl.DataFrame) -> None:
    """Numbers and colours are drawn where there is a rate, a real 0% included; grey only where the week is not over."""
    spec = theme.to_vegalite(charts.cohort_retention(cohorts))
    unknown, known = layers_of(spec, "rect")
    (numbers,) = layers_of(spec, "text")
    assert unknown["mark"]["color"] == "#e8eaed"
    assert "color" not in unknown["encoding"]
    assert unknown["transform"] == [{"filter": "datum.state != 'complete'"}]
    assert known["transform"] == numbers["transform"] == [{"filter": "isValid(datum.retention_rate)"}]
    assert [row["retention_rate"] for row in rows_of(spec)] == [1.0, 0.0, None, None]
    states = [row["state"] for row in rows_of(spec)]
    assert states == ["complete", "complete", "not over yet", "not over yet"]


def test_the_picture_has_the_numbers_of_known_cells_only(cohorts: pl.DataFrame) -> None:
    """Drawn for real: one 100% and one 0%, each once more in the legend, and two grey cells."""
    svg = theme.to_svg(theme.to_vegalite(charts.cohort_retention(cohorts)))
    assert svg.count(">100%<") == 2
    assert svg.count(">0%<") == 2
    assert svg.count('fill="#e8eaed"') == 2


def test_every_cohort_that_somebody_joined_has_a_row_with_its_size(cohorts: pl.DataFrame) -> None:
    """A week in which nobody began has none, and the subtitle counts it; a size that is hidden is not empty."""
    chart = charts.cohort_retention(cohorts)
    domain = theme.to_vegalite(chart)["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert domain == ["24 Aug 2026 · 4", "7 Sep 2026 · 2"]
    assert chart.title.subtitle == "people · 1 week in which nobody began left out"
    hidden = cohorts.with_columns(cohort_users=pl.when(pl.col("cohort_users") != 2).then("cohort_users"))
    domain = theme.to_vegalite(charts.cohort_retention(hidden))["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert domain == ["24 Aug 2026 · 4", "7 Sep 2026 · unknown"]


def test_without_any_cohort_there_is_no_data(cohorts: pl.DataFrame) -> None:
    """Weeks in which nobody began are no heat map."""
    nobody = charts.cohort_retention(cohorts.filter(cohort_users=0))
    assert "No data" in theme.to_svg(theme.to_vegalite(nobody))


def test_several_rows_for_one_cell_are_refused(cohorts: pl.DataFrame) -> None:
    """A table grouped by team has no one heat map."""
    with pytest.raises(TableError, match="one group"):
        charts.cohort_retention(pl.concat([cohorts, cohorts]))


def test_tooltips_carry_both_counts_of_a_rate(weekly_acceptance: pl.DataFrame, cohorts: pl.DataFrame) -> None:
    """A rate never travels without its numerator and denominator."""
    for chart, counts in [
        (charts.acceptance_rate(weekly_acceptance), {"accepted_count", "suggested_count"}),
        (charts.cohort_retention(cohorts), {"retained_users", "cohort_users"}),
    ]:
        for layer in theme.to_vegalite(chart)["layer"]:
            tooltip = layer["encoding"].get("tooltip")
            assert tooltip is None or counts <= {entry["field"] for entry in tooltip}


def test_only_drawn_columns_are_inside(
    weekly_users: pl.DataFrame, weekly_acceptance: pl.DataFrame, cohorts: pl.DataFrame
) -> None:
    """Whatever else a table holds does not travel with the picture."""
    for draw, table in [
        (charts.active_users, weekly_users),
        (charts.acceptance_rate, weekly_acceptance),
        (charts.cohort_retention, cohorts),
    ]:
        spec = theme.to_vegalite(draw(table.with_columns(salary=pl.lit(123456), note=pl.lit([1]))))
        text = json.dumps(spec)
        assert "123456" not in text
        assert "note" not in rows_of(spec)[0]
    assert "private" not in json.dumps(charts.cohort_retention(cohorts.with_columns(who=pl.lit("private"))).to_dict())


def test_the_words_around_a_chart_say_who_until_when_and_whether_real(
    weekly_users: pl.DataFrame, weekly_acceptance: pl.DataFrame, cohorts: pl.DataFrame
) -> None:
    """Title, subtitle and a description for those who do not see it."""
    for draw, table, heading in [
        (charts.active_users, weekly_users, "Weekly active users"),
        (charts.acceptance_rate, weekly_acceptance, "Weekly acceptance rate of inline completions"),
        (charts.cohort_retention, cohorts, "Weekly cohort retention"),
    ]:
        chart = draw(table, population="engineers", as_of="2026-09-17", sample=True, width=500)
        assert chart.title.text == heading
        assert chart.title.subtitle.startswith("engineers · data to 17 Sep 2026 · sample data")
        assert "engineers" in chart.description
        assert "sample" not in draw(table).title.subtitle
    assert charts.active_users(weekly_users, width=500).width == 500


def test_without_as_of_users_say_the_last_complete_week(weekly_users: pl.DataFrame) -> None:
    """Read from the table: the week that is not over does not count as data to its Sunday."""
    assert charts.active_users(weekly_users).title.subtitle == "people · data to 13 Sep 2026"


@pytest.mark.parametrize(
    ("days", "heading"),
    [
        (1, "Daily active users"),
        (7, "Weekly active users"),
        (28, "Monthly active users"),
        (92, "Quarterly active users"),
    ],
)
def test_the_title_names_the_period(days: int, heading: str) -> None:
    """One row is enough to tell a day, a week, a February and a quarter."""
    start = date(2026, 2, 2)
    table = pl.DataFrame(
        {
            "period_start": [start],
            "period_end": [start + timedelta(days=days - 1)],
            "active_users": [1],
            "is_complete": [True],
        }
    )
    assert charts.active_users(table).title.text == heading


@pytest.mark.parametrize("rows", [0, 1])
def test_nothing_and_little_are_drawn_too(
    rows: int, weekly_users: pl.DataFrame, weekly_acceptance: pl.DataFrame, cohorts: pl.DataFrame
) -> None:
    """No row says "No data"; one row is a chart."""
    for draw, table in [
        (charts.active_users, weekly_users),
        (charts.acceptance_rate, weekly_acceptance),
        (charts.cohort_retention, cohorts),
    ]:
        svg = theme.to_svg(theme.to_vegalite(draw(table.head(rows))))
        assert ("No data" in svg) == (rows == 0)


def test_a_few_people_are_counted_in_whole_numbers() -> None:
    """Between 0 and 2 users stands 1, once: an axis in halves would say 1 twice."""
    steps = pl.DataFrame({"acceptance_from": [0.0, 0.5], "acceptance_to": [0.5, 1.0], "users": [1, 2]})
    svg = theme.to_svg(theme.to_vegalite(charts.acceptance_distribution(steps)))
    assert [svg.count(f">{users}</text>") for users in (0, 1, 2)] == [1, 1, 1]


def test_rates_that_are_all_missing_say_no_data(weekly_acceptance: pl.DataFrame) -> None:
    """An organisation that uses agents only has no acceptance rate."""
    nothing = weekly_acceptance.with_columns(pl.lit(None, pl.Float64).alias("acceptance_rate"))
    assert "No data" in theme.to_svg(theme.to_vegalite(charts.acceptance_rate(nothing)))


def test_a_lazy_table_gives_the_same_chart(weekly_users: pl.DataFrame) -> None:
    """Nobody has to collect first."""
    assert charts.active_users(weekly_users.lazy()).to_dict() == charts.active_users(weekly_users).to_dict()


def test_rows_may_come_in_any_order(weekly_users: pl.DataFrame, cohorts: pl.DataFrame) -> None:
    """The same chart, to the byte."""
    assert charts.active_users(weekly_users.reverse()).to_dict() == charts.active_users(weekly_users).to_dict()
    assert charts.cohort_retention(cohorts.reverse()).to_dict() == charts.cohort_retention(cohorts).to_dict()


def test_bad_input_is_named(weekly_users: pl.DataFrame, weekly_acceptance: pl.DataFrame) -> None:
    """A missing column, no frame at all, a date that is none, a period that is none."""
    with pytest.raises(TableError, match="did you mean 'active_user'"):
        charts.active_users(weekly_users.rename({"active_users": "active_user"}))
    with pytest.raises(TableError, match="Polars"):
        charts.active_users([1])  # type: ignore[arg-type]  # that is the point
    with pytest.raises(DateRangeError, match="as_of"):
        charts.active_users(weekly_users, as_of="yesterday")
    with pytest.raises(ValueError, match="every='week'"):
        charts.acceptance_rate(weekly_acceptance, every="week")


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Auckland"])
def test_days_are_the_same_days_in_every_time_zone(zone: str) -> None:
    """Drawn west and east of Greenwich, the axis names the Mondays of the table."""
    code = """
from datetime import date
import polars as pl
from augment_insights import charts
from augment_insights.charts import theme
table = pl.DataFrame({"period_start": [date(2026, 3, 2), date(2026, 3, 9)],
    "period_end": [date(2026, 3, 8), date(2026, 3, 15)], "active_users": [1, 2], "is_complete": [True, True]})
print(theme.to_svg(theme.to_vegalite(charts.active_users(table))))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "TZ": zone}, capture_output=True, text=True, check=True
    )
    assert ">2 Mar<" in done.stdout
    assert ">9 Mar<" in done.stdout


def test_importing_the_charts_loads_no_altair() -> None:
    """It costs several times what Polars does, and only drawing needs it."""
    code = "import sys, augment_insights.charts; sys.exit('altair' in sys.modules or 'vl_convert' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


numbers = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))


@settings(max_examples=25, deadline=None)
@given(rates=st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=6))
def test_whatever_the_rates_are_the_chart_is_valid_json(rates: list[tuple[float | None, ...]]) -> None:
    """NaN and infinity would make a chart vanish without a word: they are gaps instead."""
    table = pl.DataFrame(
        {
            "period_start": [date(2026, 1, 5) + timedelta(weeks=n) for n in range(len(rates))],
            "users": [1] * len(rates),
            "suggested_count": [10] * len(rates),
            "accepted_count": [1] * len(rates),
            "acceptance_rate": pl.Series([row[0] for row in rates], dtype=pl.Float64),
            "acceptance_rate_low": pl.Series([row[1] for row in rates], dtype=pl.Float64),
            "acceptance_rate_high": pl.Series([row[2] for row in rates], dtype=pl.Float64),
        }
    )
    json.dumps(theme.to_vegalite(charts.acceptance_rate(table)), allow_nan=False)


@pytest.mark.parametrize("draw", [charts.active_users, charts.acceptance_rate, charts.cohort_retention])
def test_all_charts_take_the_same_keywords(draw: Callable[..., object]) -> None:
    """Who has drawn one can draw the others."""
    assert draw.__kwdefaults__ | {"every": None} == {
        "population": "people",
        "as_of": None,
        "sample": False,
        "width": theme.WIDTH,
        "every": None,
    }
