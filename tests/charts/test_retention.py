"""Cohorts, retention curves, survival and the lifecycle, as they are drawn."""

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment_insights import charts
from augment_insights.charts import theme
from augment_insights.tables import LIFECYCLE, RETENTION_CURVE, SURVIVAL

counts = st.integers(0, 1000)


@pytest.fixture
def survival() -> pl.DataFrame:
    """Three of ten lapse on day 1, and the last two on day 2: the interval is not defined there."""
    rows = [(0, 10, 0, 1.0, 1.0, 1.0), (1, 10, 3, 0.7, 0.33, 0.89), (2, 2, 2, 0.0, None, None)]
    return pl.DataFrame(rows, schema=SURVIVAL.schema, orient="row")


@pytest.fixture
def curve() -> pl.DataFrame:
    """Two periods that cohorts have reached, and one that none has."""
    rows = [(0, 2, 20, 20, 1.0, 0.84, 1.0), (1, 1, 10, 5, 0.5, 0.24, 0.76), (2, 0, 0, 0, None, None, None)]
    return pl.DataFrame(rows, schema=RETENTION_CURVE.schema, orient="row")


def weeks(rows: list[tuple[int | None, ...]], *, over: bool = True) -> pl.DataFrame:
    """Return a week a row of new, returning, resurrected and dormant users."""
    told = [
        (date(2026, 3, 2) + timedelta(weeks=n), *row, sum(number or 0 for number in row[:3]), over or n + 1 < len(rows))
        for n, row in enumerate(rows)
    ]
    return pl.DataFrame(told, schema=LIFECYCLE.schema, orient="row")


@pytest.fixture
def pieces(rows_of) -> Any:
    """Return where each piece of the only bar begins and ends."""

    def read(chart) -> dict[str, tuple[int, int]]:
        rows = rows_of(chart)
        return {row["state"]: (row["bottom"], row["top"]) for row in rows}

    return read


def test_cells_not_known_yet_are_light_grey_without_a_number(cohorts, look, rows_of):
    """Numbers and colours are drawn where there is a rate, a real 0% included; grey only where the week is not over."""
    spec = theme.to_vegalite(charts.cohort_retention(cohorts))
    unknown, known = look.layers(spec, "rect")
    numbers, pale_numbers = look.layers(spec, "text")
    assert unknown["mark"]["color"] == "#e8eaed"
    assert "color" not in unknown["encoding"]
    assert unknown["transform"] == [{"filter": "datum.state != 'complete'"}]
    assert known["transform"] == [{"filter": "isValid(datum.retention_rate)"}]
    filters = [layer["transform"][0]["filter"] for layer in (numbers, pale_numbers)]
    assert filters == [f"isValid(datum.retention_rate) && {which}" for which in ("!datum.is_pale", "datum.is_pale")]
    assert [row["retention_rate"] for row in rows_of(spec)] == [1.0, 0.0, None, None]
    states = [row["state"] for row in rows_of(spec)]
    assert states == ["complete", "complete", "incomplete", "incomplete"]
    svg = look.svg(spec)  # drawn for real: one 100% and one 0%, each once more in the legend, and two grey cells
    assert [svg.count(text) for text in (">100%<", ">0%<", 'fill="#e8eaed"')] == [2, 2, 2]
    assert "No data" in look.svg(charts.cohort_retention(cohorts.filter(cohort_users=0))), "weeks that nobody joined"


def test_every_cohort_that_somebody_joined_has_a_row_with_its_size(cohorts):
    """A week in which nobody began has none, and the subtitle counts it; a size that is hidden is not empty."""
    chart = charts.cohort_retention(cohorts)
    domain = theme.to_vegalite(chart)["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert domain == ["24 Aug 2026 · 4", "7 Sep 2026 · 2"]
    assert (chart.title.text, chart.title.subtitle) == (
        "Weekly cohort retention",
        "people · 1 week in which nobody began left out",
    )
    hidden = cohorts.with_columns(cohort_users=pl.when(pl.col("cohort_users") != 2).then("cohort_users"))
    domain = theme.to_vegalite(charts.cohort_retention(hidden))["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert domain == ["24 Aug 2026 · 4", "7 Sep 2026 · unknown"]


def test_a_rate_holds_until_the_next_day_with_its_band(survival, look, rows_of):
    """Steps, not slopes, for the curve and its interval; a single day, whose step has no length, is a dot."""
    spec = theme.to_vegalite(charts.survival(survival))
    assert look.layers(spec, "line")[0]["mark"]["interpolate"] == "step-after"
    band = look.layers(spec, "area")[0]
    assert band["mark"]["interpolate"] == "step-after"
    assert band["encoding"]["y"]["field"] == "survival_rate_low"
    assert band["encoding"]["y2"]["field"] == "survival_rate_high"
    assert rows_of(spec)[2]["survival_rate_low"] is None
    assert rows_of(spec)[2]["survival_rate"] == 0.0
    for rows, opacity in ((1, 1), (3, 0)):
        spec = theme.to_vegalite(charts.survival(survival.head(rows)))
        assert look.layers(spec, "point")[0]["mark"]["opacity"] == opacity


def test_shares_stand_on_the_whole_axis_with_how_many_are_followed(survival, curve, look):
    """From 0 to 100%, so that two charts can be compared; all who are followed are said, over groups too."""
    for chart in (charts.survival(survival), charts.retention_curve(curve)):
        assert look.layers(chart, "line")[0]["encoding"]["y"]["scale"]["domain"] == [0, 1]
    assert charts.survival(survival).title.subtitle == "people · 10 users followed · 95 % confidence intervals"
    teams = pl.concat([survival.with_columns(team=pl.lit(name)) for name in ("A", "B")])
    assert "20 users followed" in charts.survival(teams).title.subtitle


def test_a_period_that_no_cohort_has_reached_is_a_gap(curve, rows_of, look):
    """Not a fall to zero; a period that is none is refused. Bounded beside unbounded: a column says which."""
    spec = theme.to_vegalite(charts.retention_curve(curve, every="1w"))
    assert [row["solid"] for row in rows_of(spec)] == [1.0, 0.5, None]
    assert "from 100% at week 0 to 50% at week 1" in charts.retention_curve(curve, every="1w").description
    with pytest.raises(ValueError, match="every='week'"):
        charts.retention_curve(curve, every="week")
    both = pl.concat([curve.with_columns(kind=pl.lit(kind)) for kind in ("bounded", "unbounded")])
    spec = theme.to_vegalite(charts.retention_curve(both))
    assert look.layers(spec, "line")[0]["encoding"]["color"]["scale"]["domain"] == ["bounded", "unbounded"]


def test_the_bar_stands_on_returning_users_and_dormant_ones_hang_below(pieces, rows_of):
    """3 returning, then 2 resurrected, then 4 new, and 5 dormant below the axis, where numbers have no minus sign."""
    chart = charts.lifecycle(weeks([(4, 3, 2, 5)]))
    assert pieces(chart) == {"Returning": (0, 3), "Resurrected": (3, 5), "New": (5, 9), "Dormant": (0, -5)}
    assert "3 returning, 2 resurrected, 4 new, 5 dormant users" in chart.description
    assert {row["state"]: row["users"] for row in rows_of(chart)}["Dormant"] == 5
    assert "abs(" in theme.to_vegalite(chart)["layer"][0]["encoding"]["y"]["axis"]["labelExpr"]


def test_an_unknown_number_is_not_drawn_and_not_called_zero(pieces):
    """Only new users are known of the first week; of five active users one is new, and the four others are grey."""
    chart = charts.lifecycle(weeks([(4, None, None, None)]))
    assert pieces(chart) == {"New": (0, 4)}
    assert "an unknown number of dormant" in chart.description
    table = weeks([(1, None, None, None)]).with_columns(active_users=pl.lit(5))
    chart = charts.lifecycle(table)
    assert pieces(chart) == {"Seen before": (0, 4), "New": (4, 5)}
    scale = theme.to_vegalite(chart)["layer"][0]["encoding"]["color"]["scale"]
    assert dict(zip(scale["domain"], scale["range"], strict=True))["Seen before"] == "#8b949e"


def test_a_week_that_is_not_over_is_faded(rows_of):
    """Its bars are paler than the others."""
    spec = theme.to_vegalite(charts.lifecycle(weeks([(4, 0, 0, 0), (0, 1, 0, 3)], over=False)))
    rows = rows_of(spec)
    assert {row["over"] for row in rows if row["period_start"].startswith("2026-03-09")} == {"incomplete"}
    opacity = spec["layer"][0]["encoding"]["opacity"]
    assert opacity["value"] < opacity["condition"][0]["value"]


def test_two_years_of_days_are_cut_to_the_last_and_said_so(rows_of):
    """A page that holds thousands of bars is not read."""
    table = weeks([(1, 0, 0, 0)] * 730)
    days = [date(2025, 1, 1) + timedelta(days=n) for n in range(730)]
    chart = charts.lifecycle(table.with_columns(pl.Series("period_start", days)))
    assert "the last 375 of 730 periods" in chart.title.subtitle
    rows = rows_of(chart)
    assert max(row["period_start"] for row in rows).startswith(days[-1].isoformat())


@given(rows=st.lists(st.tuples(counts, counts, counts, counts), min_size=1, max_size=5))
def test_a_bar_is_as_tall_as_the_active_users(rows):
    """Pieces lie on one another without gap or overlap, up to the week's active users."""
    (drawn,) = theme.to_vegalite(charts.lifecycle(weeks(rows)))["datasets"].values()
    for n, row in enumerate(rows):
        start = (date(2026, 3, 2) + timedelta(weeks=n)).isoformat()
        bar = [piece for piece in drawn if piece["period_start"].startswith(start)]
        above = sorted((piece["bottom"], piece["top"]) for piece in bar if piece["state"] != "Dormant")
        assert above[0][0] == 0
        assert above[-1][1] == sum(row[:3]) == bar[0]["active_users"]
        assert all(upper[0] == lower[1] for lower, upper in pairwise(above))


@pytest.mark.parametrize("every", ["1w", None])
def test_a_week_is_a_week_wide(every, rows_of):
    """Told, or read off the distance between weeks."""
    rows = rows_of(charts.lifecycle(weeks([(1, 0, 0, 0)] * 2), every=every))
    assert {row["next_start"][:10] for row in rows} == {"2026-03-09", "2026-03-16"}
