"""What charts share: ticks, legends, groups and clear errors."""

from datetime import date, timedelta

import polars as pl
import pytest

from augment_insights import charts
from augment_insights.charts import theme
from augment_insights.errors import DateRangeError, TableError
from augment_insights.tables import ACCEPTANCE_DISTRIBUTION, SURVIVAL

OKABE_ITO = {"#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}


def test_days_are_named_by_their_mondays():
    """Of five weeks of days, and of a few days each."""
    days = [date(2026, 3, 4) + timedelta(days=n) for n in range(35)]  # from a Wednesday on

    def ticks(days: list[date]) -> list[tuple[int, int]]:
        table = pl.DataFrame({"period_start": days, "period_end": days, "active_users": 1, "is_complete": True})
        spec = theme.to_vegalite(charts.active_users(table))
        return [(day["month"], day["date"]) for day in spec["layer"][0]["encoding"]["x"]["axis"]["values"]]

    assert ticks(days) == [(3, 9), (3, 16), (3, 23), (3, 30), (4, 6)]
    assert ticks(days[:3]) == [(3, 4), (3, 5), (3, 6)]


def test_a_few_are_counted_in_integers(look):
    """Between 0 and 2 stands 1, once: an axis in halves would say 1 twice."""
    steps = pl.DataFrame([(0.0, 0.5, 1), (0.5, 1.0, 2)], ACCEPTANCE_DISTRIBUTION.schema, orient="row")
    days = pl.DataFrame([(0, 2, 0, 1.0, 1.0, 1.0), (2, 2, 1, 0.5, 0.1, 0.9)], SURVIVAL.schema, orient="row")
    for chart, times in [
        (charts.acceptance_distribution(steps), [1, 1, 1]),
        (charts.survival(days, width=800), [1, 1, 1]),
        # The only bar has its own number, too.
        (charts.active_day_distribution(pl.DataFrame({"active_days": [7], "users": [2]})), [1, 1, 2]),
    ]:
        svg = look.svg(chart)
        assert [svg.count(f">{number}</text>") for number in (0, 1, 2)] == times


def test_long_names_stand_under_one_another_in_the_legend(weekly_users):
    """Side by side, six names of 200 letters would make a picture that no page can hold."""

    def columns(names: list[str]) -> int:
        teams = pl.concat([weekly_users.with_columns(team=pl.lit(name)) for name in names])
        return theme.to_vegalite(charts.active_users(teams))["layer"][0]["encoding"]["color"]["legend"]["columns"]

    assert columns(["A", "B", "C"]) == 3
    assert columns([f"{'x' * 200} {n}" for n in range(6)]) == 2


@pytest.mark.parametrize("groups", [3, 4])
def test_bands_that_would_cover_one_another_are_left_out(groups, weekly_acceptance, look):
    """Three are told apart; of four the ends are in the tooltips, and the subtitle of acceptance promises no bands."""
    days = pl.DataFrame([(0, 9, 0, 1.0, 1.0, 1.0), (1, 9, 3, 0.6, 0.3, 0.8)], SURVIVAL.schema, orient="row")
    for draw, table, rate in [
        (charts.acceptance_rate, weekly_acceptance, "acceptance_rate"),
        (charts.survival, days, "survival_rate"),
    ]:
        chart = draw(pl.concat([table.with_columns(team=pl.lit(f"team {n}")) for n in range(groups)]))
        assert bool(look.layers(chart, "area")) == (groups == 3)
        tips = {tip["field"] for tip in look.layers(chart, "point")[0]["encoding"]["tooltip"]}
        assert {f"{rate}_low", f"{rate}_high"} <= tips
        assert draw is charts.survival or ("95 %" in chart.title.subtitle) == (groups == 3)


def test_groups_over_several_columns_are_named_by_all_of_them(team_acceptance, rows_of, weekly_users):
    """A group is the combination, in colours that colour-blind readers tell apart, however the rows are ordered."""
    table = team_acceptance.with_columns(language=pl.Series(["Go", "Go", None]))
    groups = [row["group"] for row in rows_of(charts.acceptance_rate(table))]
    assert groups == ["Payments · Go", "Search · Go", "Idle · (none)"]
    teams = pl.concat([weekly_users.with_columns(team=pl.lit(name)) for name in ("B", "A")])
    spec = theme.to_vegalite(charts.active_users(teams))
    scale = spec["layer"][0]["encoding"]["color"]["scale"]
    assert scale["domain"] == ["A", "B"]
    assert set(scale["range"]) | set(theme.CATEGORIES) <= OKABE_ITO
    assert theme.to_vegalite(charts.active_users(teams.sort("team")))["layer"] == spec["layer"]


def test_more_groups_than_can_be_told_apart_are_cut_to_the_largest_and_said_so(team_acceptance, weekly_users, rows_of):
    """At most six lines or forty dots: those with most behind them."""
    many = pl.concat([team_acceptance.head(1)] * 50).with_columns(
        team=pl.Series([f"team {n:02}" for n in range(50)]), suggested_count=pl.Series(range(1, 51))
    )
    chart = charts.acceptance_rate(many)
    kept = {row["group"] for row in rows_of(chart)}
    assert kept == {f"team {n:02}" for n in range(10, 50)}
    assert "the 40 largest of 50 groups" in chart.title.subtitle
    lines = pl.concat(
        [weekly_users.with_columns(team=pl.lit(f"team {n}"), active_users=pl.col("active_users") * n) for n in range(8)]
    )
    chart = charts.active_users(lines)
    assert {row["group"] for row in rows_of(chart)} == {f"team {n}" for n in range(2, 8)}
    assert "the 6 largest of 8 groups" in chart.title.subtitle


def test_bad_input_is_named(weekly_users, weekly_acceptance):
    """No frame at all, a date that is none, a period that is none."""
    with pytest.raises(TableError, match="Polars"):
        charts.active_users([1])  # type: ignore[arg-type]  # that is the point
    with pytest.raises(DateRangeError, match="as_of"):
        charts.active_users(weekly_users, as_of="yesterday")
    with pytest.raises(ValueError, match="every='week'"):
        charts.acceptance_rate(weekly_acceptance, every="week")
