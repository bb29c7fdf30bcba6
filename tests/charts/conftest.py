"""Hand-made analysis tables, as small as the charts' promises allow."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from augment_insights.charts import theme
from augment_insights.tables import ACCEPTANCE_RATE, ACTIVE_USERS, COHORT_RETENTION

MONDAYS = [date(2026, 8, 24) + timedelta(weeks=n) for n in range(4)]


class Look:
    """What tests look at in a chart, or in its Vega-Lite spec."""

    def __init__(self, rows_of: Callable[[Any], list[dict[str, Any]]]) -> None:
        self.rows_of = rows_of

    def spec(self, chart) -> dict[str, Any]:
        """Return the spec in our theme."""
        return chart if isinstance(chart, dict) else theme.to_vegalite(chart)

    def layers(self, chart, mark: str) -> list[dict[str, Any]]:
        """Return the layers of one kind of mark."""
        return [layer for layer in self.spec(chart)["layer"] if layer["mark"]["type"] == mark]

    def values(self, chart, layer: dict[str, Any]) -> list[Any]:
        """Return what a layer draws upwards."""
        return [row[layer["encoding"]["y"]["field"]] for row in self.rows_of(chart)]

    def svg(self, chart) -> str:
        """Return the picture."""
        return theme.to_svg(self.spec(chart))


@pytest.fixture
def look(rows_of) -> Look:
    """Return the ways to look at a chart."""
    return Look(rows_of)


@pytest.fixture
def weekly_users() -> pl.DataFrame:
    """Three complete weeks, and one that is not over."""
    users = zip(MONDAYS, [10, 20, 30, 5], [True, True, True, False], strict=True)
    rows = [(day, day + timedelta(days=6), number, complete) for day, number, complete in users]
    return pl.DataFrame(rows, schema=ACTIVE_USERS.schema, orient="row")


@pytest.fixture
def weekly_acceptance() -> pl.DataFrame:
    """Four weeks, the second without a suggestion."""
    rows = [
        (MONDAYS[0], 4, 100, 25, 0.25, 0.2, 0.31),
        (MONDAYS[1], 0, 0, 0, None, None, None),
        (MONDAYS[2], 5, 200, 60, 0.3, 0.26, 0.35),
        (MONDAYS[3], 3, 40, 10, 0.25, 0.15, 0.38),
    ]
    return pl.DataFrame(rows, schema={"period_start": pl.Date, **ACCEPTANCE_RATE.schema}, orient="row")


@pytest.fixture
def team_acceptance() -> pl.DataFrame:
    """Three teams, one without a suggestion."""
    rows = [
        ("Search", 3, 100, 20, 0.2, 0.1, 0.3),
        ("Payments", 4, 100, 40, 0.4, 0.3, 0.5),
        ("Idle", 2, 0, 0, None, None, None),
    ]
    return pl.DataFrame(rows, schema={"team": pl.String, **ACCEPTANCE_RATE.schema}, orient="row")


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
    return pl.DataFrame(rows, schema=COHORT_RETENTION.schema, orient="row")
