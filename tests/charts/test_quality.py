"""The reconciliation, as it is drawn."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from augment_insights import charts
from augment_insights.charts import theme

FIRST = date(2026, 3, 2)


def check(name: str, residuals: list[int | None], *, step: int = 1) -> pl.DataFrame:
    """Return a check whose residuals are ``step`` days apart; None is unknown."""
    status = ["unknown" if n is None else "agrees" if n == 0 else "differs" for n in residuals]
    return pl.DataFrame(
        {
            "check": [name] * len(residuals),
            "date": [FIRST + timedelta(days=step * n) for n in range(len(residuals))],
            "left": [None if n is None else 100 + n for n in residuals],
            "right": [100] * len(residuals),
            "residual": residuals,
            "status": status,
        },
        schema_overrides={"left": pl.Int64, "residual": pl.Int64},
    )


@pytest.fixture
def runs(rows_of) -> Any:
    """Return each bar with its days and its largest residual."""

    def read(table: pl.DataFrame) -> list[tuple[Any, ...]]:
        rows = rows_of(charts.reconcile(table))
        return [
            (
                row["status"],
                *(day and day[:10] for day in (row["date"], row["until"], row["last"])),
                row["rows"],
                row["residual"],
            )
            for row in rows
        ]

    return read


def test_neighbouring_days_of_one_status_are_one_bar_with_the_largest_residual(runs):
    """Two days agree, two differ (by 1 and by -5), one is not known; a row of a week stands for seven days."""
    assert runs(check("a", [0, 0, 1, -5, None])) == [
        ("agrees", "2026-03-02", "2026-03-04", "2026-03-03", 2, 0),
        ("differs", "2026-03-04", "2026-03-06", "2026-03-05", 2, -5),
        ("unknown", "2026-03-06", "2026-03-07", "2026-03-06", 1, None),
    ]
    assert runs(check("a", [0, 3], step=7)) == [
        ("agrees", "2026-03-02", "2026-03-09", "2026-03-08", 1, 0),
        ("differs", "2026-03-09", "2026-03-16", "2026-03-15", 1, 3),
    ]


def test_two_checks_are_two_rows_even_where_one_ends_as_the_next_begins(runs):
    """In the order of the table."""
    table = pl.concat([check("b", [0, 0]), check("a", [0, 0])])
    assert len(runs(table)) == 2
    spec = theme.to_vegalite(charts.reconcile(table))
    assert spec["layer"][0]["encoding"]["y"]["scale"]["domain"] == ["b", "a"]


def test_the_whole_range_stands_beside_the_days(look, runs):
    """A square of its own, with a word above. What differs is thicker than agreement, and outlined."""
    whole = check("a", [7]).with_columns(pl.lit(None, pl.Date).alias("date"))
    assert runs(whole) == [("differs", None, None, None, 1, 7)]
    types = [layer["mark"]["type"] for layer in theme.to_vegalite(charts.reconcile(whole))["layer"]]
    assert types == ["square", "text"]
    both = look.svg(charts.reconcile(pl.concat([check("a", [0]), whole])))
    assert ">Range<" in both
    assert ">Range<" not in look.svg(charts.reconcile(check("a", [0])))
    quiet, loud = theme.to_vegalite(charts.reconcile(check("a", [0, 1])))["layer"]
    assert loud["mark"]["height"]["band"] > 2 * quiet["mark"]["height"]["band"]
    assert loud["mark"]["strokeWidth"]
    assert "!= 'differs'" in quiet["transform"][-1]["filter"]


def test_the_words_say_how_many_checks_differ_and_which():
    """For those who read the subtitle only, or hear the chart; of a hundred checks the one that differs is kept."""
    chart = charts.reconcile(pl.concat([check("a", [0, 1]), check("b", [0, 0])]))
    assert chart.title.subtitle == "people and automation · data to 3 Mar 2026 · 1 of 2 checks differs somewhere"
    assert chart.description.endswith(": a.")
    table = pl.concat([check(f"check {n:03}", [int(n == 99)]) for n in range(100)])
    chart = charts.reconcile(table)
    assert "60 of 100 checks are shown" in chart.title.subtitle
    domain = theme.to_vegalite(chart)["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert len(domain) == 60
    assert domain[-1] == "check 099"
    assert domain[0] == "check 000"
