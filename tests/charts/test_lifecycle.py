"""The lifecycle, as it is drawn."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_insights import charts
from augment_insights.charts import theme

STATES = ["new_users", "returning_users", "resurrected_users", "dormant_users"]


def weeks(rows: list[tuple[int | None, ...]], *, over: bool = True) -> pl.DataFrame:
    """Return a week a row of new, returning, resurrected and dormant users."""
    return pl.DataFrame(
        {
            "period_start": [date(2026, 3, 2) + timedelta(weeks=n) for n in range(len(rows))],
            **{name: pl.Series([row[n] for row in rows], dtype=pl.Int64) for n, name in enumerate(STATES)},
            "active_users": [sum(number or 0 for number in row[:3]) for row in rows],
            "is_complete": [*[True] * (len(rows) - 1), over],
        }
    )


def pieces(chart: Any) -> dict[str, tuple[int, int]]:
    """Return where each piece of the only bar begins and ends."""
    (rows,) = theme.to_vegalite(chart)["datasets"].values()
    return {row["state"]: (row["bottom"], row["top"]) for row in rows}


def test_the_bar_stands_on_returning_users_and_dormant_ones_hang_below() -> None:
    """3 returning, then 2 resurrected, then 4 new, and 5 dormant below the axis."""
    chart = charts.lifecycle(weeks([(4, 3, 2, 5)]))
    assert pieces(chart) == {"Returning": (0, 3), "Resurrected": (3, 5), "New": (5, 9), "Dormant": (0, -5)}
    assert "3 returning, 2 resurrected, 4 new, 5 dormant users" in chart.description


def test_below_the_axis_numbers_have_no_minus_sign() -> None:
    """Five dormant users are five users, in the tooltip and on the axis."""
    spec = theme.to_vegalite(charts.lifecycle(weeks([(4, 3, 2, 5)])))
    (rows,) = spec["datasets"].values()
    assert {row["state"]: row["users"] for row in rows}["Dormant"] == 5
    assert "abs(" in spec["layer"][0]["encoding"]["y"]["axis"]["labelExpr"]


def test_an_unknown_number_is_not_drawn_and_not_called_zero() -> None:
    """Only new users are known of the first week."""
    chart = charts.lifecycle(weeks([(4, None, None, None)]))
    assert pieces(chart) == {"New": (0, 4)}
    assert "an unknown number of dormant" in chart.description


def test_who_was_seen_before_nobody_knows_when_is_a_grey_piece() -> None:
    """Of five active users one is new; whether the four were there the week before is not known."""
    table = weeks([(1, None, None, None)]).with_columns(active_users=pl.lit(5))
    chart = charts.lifecycle(table)
    assert pieces(chart) == {"Seen before": (0, 4), "New": (4, 5)}
    scale = theme.to_vegalite(chart)["layer"][0]["encoding"]["color"]["scale"]
    assert dict(zip(scale["domain"], scale["range"], strict=True))["Seen before"] == "#8b949e"


def test_a_week_that_is_not_over_is_veiled() -> None:
    """Its bars are paler than the others."""
    spec = theme.to_vegalite(charts.lifecycle(weeks([(4, 0, 0, 0), (0, 1, 0, 3)], over=False)))
    (rows,) = spec["datasets"].values()
    assert {row["over"] for row in rows if row["period_start"].startswith("2026-03-09")} == {"not over yet"}
    opacity = spec["layer"][0]["encoding"]["opacity"]
    assert opacity["value"] < opacity["condition"][0]["value"]


def test_two_years_of_days_are_cut_to_the_last_and_said_so() -> None:
    """A page that holds thousands of bars is not read."""
    table = weeks([(1, 0, 0, 0)] * 730)
    days = [date(2025, 1, 1) + timedelta(days=n) for n in range(730)]
    chart = charts.lifecycle(table.with_columns(pl.Series("period_start", days)))
    assert "the last 375 of 730 periods" in chart.title.subtitle
    (rows,) = theme.to_vegalite(chart)["datasets"].values()
    assert max(row["period_start"] for row in rows).startswith(days[-1].isoformat())


counts = st.integers(0, 1000)


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.tuples(counts, counts, counts, counts), min_size=1, max_size=5))
def test_a_bar_is_as_tall_as_the_active_users(rows: list[tuple[int, ...]]) -> None:
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
def test_a_week_is_a_week_wide(every: str | None) -> None:
    """Told, or read off the distance between weeks."""
    (rows,) = theme.to_vegalite(charts.lifecycle(weeks([(1, 0, 0, 0)] * 2), every=every))["datasets"].values()
    assert {row["next_start"][:10] for row in rows} == {"2026-03-09", "2026-03-16"}
