"""Comparisons and the waterfall, as they are drawn."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from augment_insights import charts
from augment_insights.charts import theme
from augment_insights.errors import TableError


def rows_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    (rows,) = spec["datasets"].values()
    return rows


@pytest.fixture
def change() -> pl.DataFrame:
    """Three languages; together the rate falls by two points."""
    return pl.DataFrame(
        {
            "language": ["Go", "C", "Zig", None],
            "rate_effect": [0.01, -0.04, 0.0, -0.03],
            "mix_effect": [0.005, 0.0, 0.0, 0.005],
            "entry_exit_effect": [0.0, 0.0, 0.005, 0.005],
            "total_effect": [0.015, -0.04, 0.005, -0.02],
        }
    )


@pytest.fixture
def compared() -> pl.DataFrame:
    """One team went up, of one it cannot be told, and one is new."""
    return pl.DataFrame(
        {
            "team": ["A", "B", "C"],
            "metric": ["adoption_rate"] * 3,
            "before": [0.3, 0.5, None],
            "after": [0.5, 0.51, 0.4],
            "difference": [0.2, 0.01, None],
            "difference_low": [0.1, -0.1, None],
            "difference_high": [0.3, 0.1, None],
            "verdict": ["higher", "cannot tell", "cannot tell"],
        }
    )


def steps(chart: Any) -> list[tuple[str, float, float]]:
    """Return each bar with where it begins and ends, in points."""
    rows = rows_of(theme.to_vegalite(chart))
    return [(row["step"], round(row["start"] * 100, 6), round(row["end"] * 100, 6)) for row in rows]


def test_each_effect_begins_where_the_last_one_ended(change: pl.DataFrame) -> None:
    """-3 points, then half a point up, and another half: two points down in all, from nothing."""
    assert steps(charts.acceptance_change(change)) == [
        ("Groups accept more or less", 0.0, -3.0),
        ("Weight moved between groups", -3.0, -2.5),
        ("Groups came or went", -2.5, -2.0),
        ("Whole change", 0.0, -2.0),
    ]


def test_groups_stand_by_how_much_they_moved(change: pl.DataFrame) -> None:
    """The largest first, whichever way it went."""
    chart = charts.acceptance_change(change, by_group=True)
    assert steps(chart) == [("C", 0.0, -4.0), ("Go", -4.0, -2.5), ("Zig", -2.5, -2.0), ("Whole change", 0.0, -2.0)]
    assert chart.title.subtitle == "people · 3 groups"


def test_the_other_groups_are_one_bar_that_says_how_many(change: pl.DataFrame) -> None:
    """Twenty equal groups: twelve bars, one for the other eight, and the whole."""
    groups = pl.concat([change.head(1).with_columns(language=pl.lit(f"L{n:02}")) for n in range(20)])
    total = change.tail(1).with_columns(total_effect=pl.lit(0.3))
    drawn = steps(charts.acceptance_change(pl.concat([groups, total]), by_group=True))
    assert len(drawn) == 14
    assert drawn[12] == ("8 other groups", 18.0, 30.0)


def test_two_groups_of_one_name_keep_their_bars(change: pl.DataFrame) -> None:
    """A group without a name, and one that is called so; one that is called like the total."""
    names = change.with_columns(language=pl.Series(["(none)", None, "Whole change", None]))
    drawn = [step for step, _, _ in steps(charts.acceptance_change(names, by_group=True))]
    assert drawn == ["(none)", "(none) (2)", "Whole change", "Whole change (2)"]


def test_a_table_without_its_total_is_refused(change: pl.DataFrame) -> None:
    """The last row is a language: something was filtered away."""
    with pytest.raises(TableError, match="total"):
        charts.acceptance_change(change.head(3))


def test_a_change_that_cannot_be_taken_apart_is_no_data(change: pl.DataFrame) -> None:
    """One side had no suggestion at all."""
    nothing = change.with_columns(pl.lit(None, pl.Float64).alias("total_effect"))
    assert "No data" in theme.to_svg(theme.to_vegalite(charts.acceptance_change(nothing)))


def test_the_verdict_stands_beside_its_whiskers(compared: pl.DataFrame) -> None:
    """In words, since a colour does not reach everybody; a difference that is not known has no dot."""
    spec = theme.to_vegalite(charts.compare(compared))
    _, whiskers, dots, words = spec["layer"]
    assert whiskers["encoding"]["x"]["field"] == "difference_low"
    assert whiskers["encoding"]["x2"]["field"] == "difference_high"
    assert words["encoding"]["text"]["field"] == "verdict"
    assert dots["encoding"]["y"]["scale"]["domain"] == ["A", "B", "C"]
    assert [row["difference"] for row in rows_of(spec)] == [0.2, 0.01, None]
    assert "A: higher, B: cannot tell, C: cannot tell" in charts.compare(compared).description


def test_differences_are_points_and_not_per_cent(compared: pl.DataFrame) -> None:
    """From 30% to 50% is twenty points."""
    spec = theme.to_vegalite(charts.compare(compared))
    assert rows_of(spec)[0]["difference_points"] == pytest.approx(20)
    svg = theme.to_svg(spec)
    assert ">+20<" in svg
    assert "percentage points" in svg


def test_several_rates_and_groups_are_named_by_both(compared: pl.DataFrame) -> None:
    """One rate needs no name beside its groups, and no group beside its rate."""
    two = pl.concat([compared.head(1), compared.head(1).with_columns(metric=pl.lit("feature_rate"))])
    for table, names in [
        (compared.head(2), ["A", "B"]),
        (compared.head(1).drop("team"), ["adoption rate"]),
        (two, ["adoption rate · A", "feature rate · A"]),
    ]:
        assert [row["row"] for row in rows_of(theme.to_vegalite(charts.compare(table)))] == names
    with pytest.raises(TableError, match="several"):
        charts.compare(pl.concat([compared, compared]))
