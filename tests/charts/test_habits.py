"""The habit ladder and concentration, as they are drawn."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from augment_insights import charts
from augment_insights.charts import theme
from augment_insights.errors import TableError


def rows_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    (rows,) = spec["datasets"].values()
    return rows


def users(*tiers: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user": [f"user{n}@x.io" for n in range(len(tiers))],
            "user_type": ["person"] * len(tiers),
            "active_weeks": [1] * len(tiers),
            "mean_actions": [1.0] * len(tiers),
            "tier": list(tiers),
        }
    )


def test_people_are_counted_and_never_named() -> None:
    """The chart goes to people who may not see who is meant."""
    text = json.dumps(charts.habit_ladder(users("power", "low", "power")).to_dict())
    assert "user0" not in text
    assert "x.io" not in text


def test_a_tier_without_anyone_keeps_its_row() -> None:
    """Strongest first; non-users are there only if a roster has put them into the table."""
    rows = rows_of(theme.to_vegalite(charts.habit_ladder(users("low", "power", "low"))))
    counted = [(row["tier"], row["users"], row["of_users"]) for row in rows]
    assert counted == [("Power", 1, 3), ("Habitual", 0, 3), ("Novice", 0, 3), ("Low", 2, 3)]
    rows = rows_of(theme.to_vegalite(charts.habit_ladder(users("power", "non-user"))))
    assert [row["tier"] for row in rows] == ["Power", "Habitual", "Novice", "Low", "Non-user"]


def test_each_bar_says_its_number_and_share() -> None:
    """One of four is 25%."""
    svg = theme.to_svg(theme.to_vegalite(charts.habit_ladder(users("low", "power", "low", "low"))))
    assert ">1 · 25%<" in svg
    assert ">3 · 75%<" in svg


def test_groups_are_bars_of_shares_that_fill_the_axis() -> None:
    """Team A has a power user and a low one: from 0 to a half, and on to the whole."""
    table = users("power", "low", "low").with_columns(team=pl.Series(["A", "A", "B"]))
    rows = rows_of(theme.to_vegalite(charts.habit_ladder(table)))
    spans = {(row["group"], row["tier"]): (row["bottom"], row["top"]) for row in rows if row["users"]}
    assert spans == {("A", "Power"): (0.0, 0.5), ("A", "Low"): (0.5, 1.0), ("B", "Low"): (0.0, 1.0)}


def test_metrics_stand_in_two_panels_the_most_concentrated_first() -> None:
    """A share and a coefficient are not the same thing, and have the same axis from 0 to 1."""
    table = pl.DataFrame(
        {
            "metric": ["chat_messages", "total_messages", "unknown"],
            "top_decile_share": [0.2, 0.6, None],
            "gini": [0.1, 0.7, None],
            "users": [30, 40, 0],
        }
    )
    spec = theme.to_vegalite(charts.concentration(table))
    panels = ["Share by the top 10% of users", "Gini coefficient (0 = all do the same)"]
    assert spec["facet"]["sort"] == panels
    bars = spec["spec"]["layer"][0]["encoding"]
    assert bars["y"]["sort"] == ["total_messages", "chat_messages", "unknown"]
    assert bars["x"]["scale"]["domain"] == [0, 1]
    values = {(row["panel"], row["group"]): row["value"] for row in rows_of(spec)}
    assert [values[panel, "total_messages"] for panel in panels] == [0.6, 0.7]
    assert [values[panel, "unknown"] for panel in panels] == [None, None]
    assert "40 users" in charts.concentration(table).title.subtitle


def test_the_mark_of_even_use_is_in_the_panel_of_shares_only() -> None:
    """10% of the users would do 10%; for Gini's coefficient that says nothing."""
    table = pl.DataFrame({"top_decile_share": [0.2], "gini": [0.1], "users": [30]})
    marks = {row["panel"][:4]: row["even"] for row in rows_of(theme.to_vegalite(charts.concentration(table)))}
    assert marks == {"Shar": 0.1, "Gini": None}


def test_rows_that_nothing_tells_apart_are_refused() -> None:
    """Which metric is which?"""
    table = pl.DataFrame({"top_decile_share": [0.2, 0.3], "gini": [0.1, 0.2], "users": [30, 30]})
    with pytest.raises(TableError, match="several"):
        charts.concentration(table)
