"""Survival, time to first use and retention curves, as they are drawn."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from augment_insights import charts
from augment_insights.charts import theme
from augment_insights.errors import TableError


@pytest.fixture
def survival() -> pl.DataFrame:
    """Three of ten lapse on day 1, and the last two on day 2: the interval is not defined there."""
    return pl.DataFrame(
        {
            "days": [0, 1, 2],
            "at_risk_users": [10, 10, 2],
            "lapsed_users": [0, 3, 2],
            "survival_rate": [1.0, 0.7, 0.0],
            "survival_rate_low": [1.0, 0.33, None],
            "survival_rate_high": [1.0, 0.89, None],
        }
    )


@pytest.fixture
def curve() -> pl.DataFrame:
    """Two periods that cohorts have reached, and one that none has."""
    return pl.DataFrame(
        {
            "period": [0, 1, 2],
            "cohorts": [2, 1, 0],
            "eligible_users": [20, 10, 0],
            "retained_users": [20, 5, 0],
            "retention_rate": [1.0, 0.5, None],
            "retention_rate_low": [0.84, 0.24, None],
            "retention_rate_high": [1.0, 0.76, None],
        }
    )


def rows_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    (rows,) = spec["datasets"].values()
    return rows


def layer_of(spec: dict[str, Any], mark: str) -> dict[str, Any]:
    return next(layer for layer in spec["layer"] if layer["mark"]["type"] == mark)


def test_a_rate_holds_until_the_next_day_with_its_band(survival: pl.DataFrame) -> None:
    """Steps, not slopes, for the curve and for its interval."""
    spec = theme.to_vegalite(charts.survival(survival))
    assert layer_of(spec, "line")["mark"]["interpolate"] == "step-after"
    band = layer_of(spec, "area")
    assert band["mark"]["interpolate"] == "step-after"
    assert band["encoding"]["y"]["field"] == "survival_rate_low"
    assert band["encoding"]["y2"]["field"] == "survival_rate_high"
    assert rows_of(spec)[2]["survival_rate_low"] is None
    assert rows_of(spec)[2]["survival_rate"] == 0.0


def test_days_are_whole_numbers_on_the_axis(survival: pl.DataFrame) -> None:
    """No half day that is rounded, so that one number stands there twice."""
    svg = theme.to_svg(theme.to_vegalite(charts.survival(survival, width=800)))
    assert [svg.count(f">{day}</text>") for day in (0, 1, 2)] == [1, 1, 1]


def test_a_single_day_is_a_dot(survival: pl.DataFrame) -> None:
    """A step of no length cannot be seen."""
    for rows, opacity in ((1, 1), (3, 0)):
        spec = theme.to_vegalite(charts.survival(survival.head(rows)))
        assert layer_of(spec, "point")["mark"]["opacity"] == opacity


def test_the_subtitle_says_how_many_are_followed(survival: pl.DataFrame) -> None:
    """All of them at the start, over groups too."""
    assert charts.survival(survival).title.subtitle == "people · 10 users followed · 95 % confidence intervals"
    teams = pl.concat([survival.with_columns(team=pl.lit(name)) for name in ("A", "B")])
    assert "20 users followed" in charts.survival(teams).title.subtitle


def test_bands_are_left_out_where_they_would_cover_one_another(survival: pl.DataFrame) -> None:
    """Three groups have bands, four have not; the intervals stay in the tooltips."""
    for number, has_band in ((3, True), (4, False)):
        teams = pl.concat([survival.with_columns(team=pl.lit(f"team {n}")) for n in range(number)])
        spec = theme.to_vegalite(charts.survival(teams))
        assert any(layer["mark"]["type"] == "area" for layer in spec["layer"]) == has_band
        assert "survival_rate_low" in {entry["field"] for entry in layer_of(spec, "point")["encoding"]["tooltip"]}


def test_shares_stand_on_the_whole_axis(survival: pl.DataFrame, curve: pl.DataFrame) -> None:
    """From 0 to 100%, so that two charts can be compared."""
    for chart in (charts.survival(survival), charts.retention_curve(curve)):
        assert layer_of(theme.to_vegalite(chart), "line")["encoding"]["y"]["scale"]["domain"] == [0, 1]


def test_a_period_that_no_cohort_has_reached_is_a_gap(curve: pl.DataFrame) -> None:
    """Not a fall to zero."""
    spec = theme.to_vegalite(charts.retention_curve(curve, every="1w"))
    assert [row["solid"] for row in rows_of(spec)] == [1.0, 0.5, None]
    assert "from 100% at week 0 to 50% at week 1" in charts.retention_curve(curve, every="1w").description


def test_several_curves_are_told_apart_by_a_column_or_refused(curve: pl.DataFrame) -> None:
    """Bounded beside unbounded, with a column that says which."""
    both = pl.concat([curve.with_columns(kind=pl.lit(kind)) for kind in ("bounded", "unbounded")])
    spec = theme.to_vegalite(charts.retention_curve(both))
    assert layer_of(spec, "line")["encoding"]["color"]["scale"]["domain"] == ["bounded", "unbounded"]
    with pytest.raises(TableError, match="one group"):
        charts.retention_curve(pl.concat([curve, curve]))


def test_a_period_that_is_none_is_named(curve: pl.DataFrame) -> None:
    """The axis would say it."""
    with pytest.raises(ValueError, match="every='week'"):
        charts.retention_curve(curve, every="week")
