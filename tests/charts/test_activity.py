"""Active users, trailing windows, stickiness and active days, as they are drawn."""

from datetime import date, timedelta

import polars as pl
import pytest

from augment_insights import charts
from augment_insights.charts import theme
from augment_insights.tables import ACTIVE_USERS, ROLLING_ACTIVE_USERS, STICKINESS

FIRST = date(2026, 3, 2)


def test_an_unfinished_week_is_dashed_and_open_and_never_part_of_the_line(weekly_users, look):
    """The solid line stops at the last complete week, as the subtitle does; dashes lead on to an open point."""
    spec = theme.to_vegalite(charts.active_users(weekly_users))
    solid, dashed = look.layers(spec, "line")
    full, hollow = look.layers(spec, "point")
    assert "strokeDash" not in solid["mark"]
    assert look.values(spec, solid) == [10, 20, 30, None]
    assert dashed["mark"]["strokeDash"]
    assert look.values(spec, dashed) == [None, None, 30, 5]
    assert full["mark"]["filled"]
    assert look.values(spec, full) == [10, 20, 30, None]
    assert hollow["mark"]["fill"] == "#ffffff"
    assert look.values(spec, hollow) == [None, None, None, 5]
    assert charts.active_users(weekly_users).title.subtitle == "people · data to 13 Sep 2026"


def test_two_unfinished_stretches_are_not_joined_over_the_complete_weeks(weekly_users, look):
    """Dashes stop at the first complete week and start again at the last."""
    table = weekly_users.with_columns(pl.Series("is_complete", [False, True, True, False]))
    spec = theme.to_vegalite(charts.active_users(table))
    _, dashed = look.layers(spec, "line")
    assert look.values(spec, dashed) == [10, 20, 30, 5]
    longer = pl.concat([table.head(1), weekly_users.slice(1, 2), weekly_users.slice(1, 2), table.tail(1)])
    longer = longer.with_columns(
        period_start=pl.Series([date(2026, 8, 24) + timedelta(weeks=n) for n in range(6)]),
        period_end=pl.Series([date(2026, 8, 30) + timedelta(weeks=n) for n in range(6)]),
    )
    spec = theme.to_vegalite(charts.active_users(longer))
    _, dashed = look.layers(spec, "line")
    assert look.values(spec, dashed) == [10, 20, None, None, 30, 5]


@pytest.mark.parametrize(("days", "word"), [(1, "Daily"), (7, "Weekly"), (28, "Monthly"), (92, "Quarterly")])
def test_the_title_names_the_period(days, word):
    """One row is enough to tell a day, a week, a February and a quarter."""
    row = (date(2026, 2, 2), date(2026, 2, 2) + timedelta(days=days - 1), 1, True)
    table = pl.DataFrame([row], schema=ACTIVE_USERS.schema, orient="row")
    assert charts.active_users(table).title.text == f"{word} active users"


def windows(days: int, lengths: tuple[int, ...] = (1, 7)) -> pl.DataFrame:
    """Return as many users each day as the window is long."""
    rows = [(FIRST + timedelta(days=n), length, length, n >= length - 1) for length in lengths for n in range(days)]
    return pl.DataFrame(rows, schema=ROLLING_ACTIVE_USERS.schema, orient="row")


def test_a_window_that_reaches_back_before_the_data_is_dashed(rows_of):
    """Up to and on the first day that has its whole window, where the full line begins."""
    spec = theme.to_vegalite(charts.rolling_active_users(windows(4, (3,))))
    assert [row["solid"] for row in rows_of(spec)] == [None, None, 3, 3]
    assert [row["dashed"] for row in rows_of(spec)] == [3, 3, 3, None]
    assert [row["state"] for row in rows_of(spec)] == [*["reaches back before the data"] * 2, *["complete"] * 2]


def test_windows_are_named_and_stand_shortest_first():
    """Whatever order the table has, 28 days do not come before 7."""
    spec = theme.to_vegalite(charts.rolling_active_users(windows(3, (28, 1, 7))))
    scale = spec["layer"][0]["encoding"]["color"]["scale"]
    assert scale["domain"] == ["1 day", "7 days", "28 days"]
    one = charts.rolling_active_users(windows(3, (28,)))
    assert one.title.text == "Active users in a window of 28 days"
    assert "color" not in theme.to_vegalite(one)["layer"][0]["encoding"]


def test_groups_of_several_windows_have_a_panel_each_and_of_one_window_a_line_each():
    """Colour tells one thing at a time."""
    teams = [windows(3).with_columns(team=pl.lit(name)) for name in ("B", "A")]
    spec = theme.to_vegalite(charts.rolling_active_users(pl.concat(teams)))
    assert spec["facet"]["field"] == "panel"
    assert spec["facet"]["sort"] == ["A", "B"]
    spec = theme.to_vegalite(charts.rolling_active_users(pl.concat(teams).filter(window_days=7)))
    assert spec["layer"][0]["encoding"]["color"]["field"] == "group"


def test_very_many_days_are_thinned_from_the_last_day_on_and_said_so(rows_of):
    """3 x 800 rows: one day in two, the last one among them, and all windows of a day together."""
    chart = charts.rolling_active_users(windows(800, (1, 7, 28)))
    assert "one day in 2 is drawn" in chart.title.subtitle
    rows = rows_of(chart)
    assert len(rows) == 3 * 400
    last = FIRST + timedelta(days=799)
    assert max(row["date"] for row in rows).startswith(last.isoformat())
    assert "drawn" not in charts.rolling_active_users(windows(500)).title.subtitle
    weekly = charts.rolling_active_users(windows(10_000, (1,)))
    assert "one day in 8 is drawn" in weekly.title.subtitle, "in 7 would be Sundays only, or none"


def test_every_number_of_days_keeps_its_bar_with_its_number(rows_of):
    """Nobody on two days is a bar of nothing with a 0; 0/0 stays a gap; the bars say of how many users they are."""
    table = pl.DataFrame({"active_days": [3, 1, 2], "users": [4, 6, 0]})
    chart = charts.active_day_distribution(table)
    rows = rows_of(chart)
    assert [(row["active_days"], row["users"], row["of_users"]) for row in rows] == [(1, 6, 10), (2, 0, 10), (3, 4, 10)]
    assert "10 active users" in chart.title.subtitle
    assert "1 day, with 6 users" in chart.description
    assert chart.title.text == "Active days a user in the last 3 days"
    days = [(FIRST, 28, 0.0, 0, None, True), (FIRST + timedelta(days=1), 28, 1.0, 4, 0.25, True)]
    table = pl.DataFrame(days, schema=STICKINESS.schema, orient="row")
    assert [row["solid"] for row in rows_of(charts.stickiness(table))] == [None, 0.25]


def test_a_mean_of_working_days_is_named_on_the_axis(look):
    """As it is not what everybody else calls stickiness."""
    table = pl.DataFrame([(FIRST, 28, 1.0, 4, 0.25, True)], schema=STICKINESS.schema, orient="row")
    for also, words in ({}, "mean daily users"), ({"working_days": 20}, "mean users of a working day"):
        chart = charts.stickiness(table.with_columns(**{name: pl.lit(days) for name, days in also.items()}))
        assert chart.title.text == f"Stickiness: {words} of the users of 28 days"
        assert f"{words.capitalize()} / active users" in look.svg(chart)
