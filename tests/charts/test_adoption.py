"""Adoption against licences, as it is drawn."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from augment_insights import charts
from augment_insights.charts import theme
from augment_insights.tables import ADOPTION_RATE

MONTHS = [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)]


@pytest.fixture
def monthly() -> pl.DataFrame:
    """Return a month without licences, one with, and one that is not over."""
    rows = [
        (MONTHS[0], date(2026, 1, 31), 0, 0, None, None, None, True),
        (MONTHS[1], date(2026, 2, 28), 30, 60, 0.5, 0.377, 0.623, True),
        (MONTHS[2], date(2026, 3, 31), 20, 60, 1 / 3, 0.227, 0.459, False),
    ]
    return pl.DataFrame(rows, schema=ADOPTION_RATE.schema, orient="row")


@pytest.fixture
def curve() -> pl.DataFrame:
    """Three months, the last of which need not be over."""
    return pl.DataFrame({"period_start": MONTHS, "new_users": [5, 2, 1], "cumulative_users": [5, 7, 8]})


def marks_of(spec: dict[str, Any]) -> list[str]:
    return [layer["mark"]["type"] for layer in spec["layer"]]


def test_a_rate_over_time_has_a_band_a_gap_and_an_open_end(monthly, rows_of):
    """No licence leaves a gap; the month that is not over is open, and not part of the line."""
    chart = charts.adoption_rate(monthly)
    spec = theme.to_vegalite(chart)
    band = spec["layer"][0]
    assert band["mark"]["type"] == "area"
    assert band["encoding"]["y"]["field"] == "adoption_rate_low"
    assert band["encoding"]["y2"]["field"] == "adoption_rate_high"
    assert [row["solid"] for row in rows_of(spec)] == [None, 0.5, None]
    assert [row["open"] for row in rows_of(spec)] == [None, None, 1 / 3]
    assert chart.title.text.startswith("Monthly adoption rate")
    assert chart.title.subtitle == "people · data to 28 Feb 2026 · 95 % confidence intervals"


def test_groups_have_a_panel_each_over_time_and_a_row_each_in_one_month(monthly):
    """Six bands on one another would tell nothing."""
    teams = pl.concat([monthly.with_columns(team=pl.lit(name)) for name in ("B", "A")])
    assert theme.to_vegalite(charts.adoption_rate(teams))["facet"]["sort"] == ["A", "B"]
    month = teams.filter(period_start=MONTHS[1]).with_columns(pl.Series("adoption_rate", [0.4, 0.5]))
    spec = theme.to_vegalite(charts.adoption_rate(month))
    assert marks_of(spec) == ["rule", "point"]
    assert spec["layer"][1]["encoding"]["y"]["sort"] == ["A", "B"]


def test_without_licences_there_is_no_line_of_them(curve):
    """And no rate in the tooltips."""
    spec = theme.to_vegalite(charts.adoption_curve(curve))
    assert "licensed" not in str(spec).lower()
    full = theme.to_vegalite(charts.adoption_curve(curve.with_columns(ever_licensed_users=10, seen_rate=0.5)))
    assert marks_of(full).count("line") == marks_of(spec).count("line") + 1
    assert full["layer"][0]["encoding"]["color"]["scale"]["domain"] == ["Seen so far", "Licensed", "New in the period"]


def test_the_last_period_is_open_and_faded_when_the_data_ends_in_it(curve, rows_of):
    """On its last day it is over. Each bar ends where the next month begins."""
    rows = rows_of(charts.adoption_curve(curve, as_of="2026-03-30"))
    assert [row["solid"] for row in rows] == [5, 7, None]
    assert [row["state"] for row in rows] == ["complete", "complete", "incomplete"]
    over = rows_of(charts.adoption_curve(curve, as_of="2026-03-31"))
    assert [row["solid"] for row in over] == [5, 7, 8]
    cut = rows_of(charts.adoption_curve(curve, since="2026-01-02", as_of="2026-03-31"))
    assert [row["solid"] for row in cut] == [None, 7, 8]
    rows = rows_of(charts.adoption_curve(curve))
    assert [row["next_start"][:10] for row in rows] == ["2026-02-01", "2026-03-01", "2026-04-01"]
