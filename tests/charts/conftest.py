"""Hand-made analysis tables, as small as the charts' promises allow."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from augment_insights.charts import theme

MONDAYS = [date(2026, 8, 24) + timedelta(weeks=n) for n in range(4)]


class Look:
    """What tests look at in a chart, or in its Vega-Lite spec."""

    @staticmethod
    def spec(chart: Any) -> dict[str, Any]:
        """Return the spec in our theme."""
        return chart if isinstance(chart, dict) else theme.to_vegalite(chart)

    @classmethod
    def rows(cls, chart: Any) -> list[dict[str, Any]]:
        """Return the rows inside."""
        return [row for rows in cls.spec(chart)["datasets"].values() for row in rows]

    @classmethod
    def layers(cls, chart: Any, mark: str) -> list[dict[str, Any]]:
        """Return the layers of one kind of mark."""
        return [layer for layer in cls.spec(chart)["layer"] if layer["mark"]["type"] == mark]

    @classmethod
    def values(cls, chart: Any, layer: dict[str, Any]) -> list[Any]:
        """Return what a layer draws upwards."""
        return [row[layer["encoding"]["y"]["field"]] for row in cls.rows(chart)]

    @classmethod
    def svg(cls, chart: Any) -> str:
        """Return the picture."""
        return theme.to_svg(cls.spec(chart))


@pytest.fixture
def look() -> type[Look]:
    """Return the ways to look at a chart."""
    return Look


@pytest.fixture
def weekly_users() -> pl.DataFrame:
    """Three complete weeks, and one that is not over."""
    return pl.DataFrame(
        {
            "period_start": MONDAYS,
            "period_end": [day + timedelta(days=6) for day in MONDAYS],
            "active_users": [10, 20, 30, 5],
            "is_complete": [True, True, True, False],
        }
    )


@pytest.fixture
def weekly_acceptance() -> pl.DataFrame:
    """Four weeks, the second without a suggestion."""
    return pl.DataFrame(
        {
            "period_start": MONDAYS,
            "users": [4, 0, 5, 3],
            "suggested_count": [100, 0, 200, 40],
            "accepted_count": [25, 0, 60, 10],
            "acceptance_rate": [0.25, None, 0.3, 0.25],
            "acceptance_rate_low": [0.2, None, 0.26, 0.15],
            "acceptance_rate_high": [0.31, None, 0.35, 0.38],
        }
    )


@pytest.fixture
def team_acceptance() -> pl.DataFrame:
    """Three teams, one without a suggestion."""
    return pl.DataFrame(
        {
            "team": ["Search", "Payments", "Idle"],
            "users": [3, 4, 2],
            "suggested_count": [100, 100, 0],
            "accepted_count": [20, 40, 0],
            "acceptance_rate": [0.2, 0.4, None],
            "acceptance_rate_low": [0.1, 0.3, None],
            "acceptance_rate_high": [0.3, 0.5, None],
        }
    )


@pytest.fixture
def cohorts() -> pl.DataFrame:
    """Give a cohort of four, one that nobody joined, and one whose own week is not over."""
    first, second, third = MONDAYS[:3]
    rows = [
        (first, 0, 4, 4, 1.0, 0.51, 1.0, True),
        (first, 1, 4, 0, 0.0, 0.0, 0.49, True),
        (first, 2, 4, None, None, None, None, False),
        (second, 0, 0, 0, None, None, None, True),
        (second, 1, 0, None, None, None, None, False),
        (third, 0, 2, None, None, None, None, False),
    ]
    schema = {
        "cohort": pl.Date,
        "period": pl.Int64,
        "cohort_users": pl.Int64,
        "retained_users": pl.Int64,
        "retention_rate": pl.Float64,
        "retention_rate_low": pl.Float64,
        "retention_rate_high": pl.Float64,
        "is_complete": pl.Boolean,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")
