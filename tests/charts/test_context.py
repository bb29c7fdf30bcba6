"""Events, targets and days off, as they are drawn beside the numbers."""

import json
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from augment_insights import charts
from augment_insights.charts import theme
from augment_insights.errors import TableError
from augment_insights.tables import ACTIVE_USERS, ADOPTION_RATE

MONDAYS = [date(2026, 8, 24) + timedelta(weeks=n) for n in range(4)]


def happened(*rows: tuple[date, str, str | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"date": pl.Date, "text": pl.String, "group": pl.String}, orient="row")


def aimed(*rows: tuple[str, float, date | None, str | None]) -> pl.DataFrame:
    schema = {"metric": pl.String, "value": pl.Float64, "by": pl.Date, "group": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def rows_with(chart: Any, column: str) -> list[dict[str, Any]]:
    """Return the rows of a chart's tables that have a column."""
    tables = theme.to_vegalite(chart)["datasets"].values()
    return [row for rows in tables for row in rows if column in row]


@pytest.fixture
def adoption() -> pl.DataFrame:
    """Two teams of ten licences, in four weeks."""
    rows = [(day, day + timedelta(days=6), 5, 10, 0.5, 0.2, 0.8, True) for day in MONDAYS]
    one = pl.DataFrame(rows, schema=ADOPTION_RATE.schema, orient="row")
    return pl.concat([one.with_columns(team=pl.lit(team)) for team in ("Payments", "Search")])


def test_events_are_numbered_rules_that_the_subtitle_explains(weekly_users, look):
    """In the order of their days, with the group they concern; those outside the drawn weeks are left out."""
    last = MONDAYS[-1] + timedelta(days=6)
    events = happened(
        (last, "Release", None), (MONDAYS[1], "Training", "Payments"),
        (MONDAYS[0] - timedelta(days=1), "Before", None), (last + timedelta(days=1), "After", None),
    )  # fmt: skip
    chart = charts.active_users(weekly_users, events=events)
    key = "Events: 1\u00a0Payments: Training (31 Aug 2026) · 2\u00a0Release (20 Sep 2026)"
    assert chart.title.subtitle[1:] == [key]
    assert key in chart.description
    assert [row["number"] for row in rows_with(chart, "number")] == ["1", "2"]
    assert len(look.layers(chart, "rule")) == 1
    assert "weekly active users" in chart.description
    none = charts.active_users(weekly_users, events=events.clear(), targets=None)
    assert none.to_dict() == charts.active_users(weekly_users).to_dict()


def test_an_event_of_the_last_month_is_drawn(weekly_users):
    """However many days the month has: the last one drawn is October, which has three more than February."""
    months = pl.Series("period_start", [date(2026, month, 1) for month in (2, 3, 9, 10)])
    events = happened((date(2026, 10, 31), "In", None), (date(2026, 11, 1), "Out", None))
    chart = charts.active_users(weekly_users.with_columns(months), events=events)
    assert [row["event"] for row in rows_with(chart, "number")] == ["In"]


def test_numbers_that_would_touch_stand_below_one_another(weekly_users):
    """On the narrowest plot, of 200 pixels for 21 days, two days are 19 pixels and one is 10: a number needs 18."""
    days = [MONDAYS[0] + timedelta(days=n) for n in (0, 1, 2, 3)]
    chart = charts.active_users(weekly_users, events=happened(*((day, "x", None) for day in days)))
    assert [row["row"] for row in rows_with(chart, "number")] == [0, 1, 0, 1]


def test_many_events_are_cut_to_the_last_and_said_so(weekly_users):
    """Who would look up thirty numbers?"""
    events = happened(*((MONDAYS[0] + timedelta(days=n % 28), f"event {n}", None) for n in range(30)))
    chart = charts.active_users(weekly_users, events=events, subtitle="Ours")
    assert chart.title.subtitle[0] == "Ours · the last 12 of 30 events"
    assert len(rows_with(chart, "number")) == 12


def test_events_of_groups_that_are_not_drawn_stay_out(adoption):
    """A hidden team is not named by its event; one of everybody stands in every panel."""
    events = happened((MONDAYS[1], "Move", "Payments"), (MONDAYS[1], "Party", "Secret"), (MONDAYS[2], "Release", None))
    chart = charts.adoption_rate(adoption, events=events)
    assert "Secret" not in json.dumps(chart.to_dict())
    assert [row["event"] for row in rows_with(chart, "number")] == ["Payments: Move", "Release"]
    assert theme.to_svg(theme.to_vegalite(chart)).count(">2</text>") == 2


def test_each_panel_has_its_own_goal_else_the_one_of_all(adoption, look):
    """Payments aims higher than the others; goals of other metrics are in other charts."""
    last = date(2026, 12, 31)
    targets = aimed(
        ("adoption_rate", 0.6, last, None), ("adoption_rate", 0.85, None, "Payments"), ("active_users", 9, None, None)
    )  # fmt: skip
    chart = charts.adoption_rate(adoption, targets=targets)
    assert chart.title.subtitle[1] == "Goals: 60% by 31 Dec 2026 · Payments 85%"
    goals = {row["panel"]: (row["goal"], row["goal_text"]) for row in rows_with(chart, "goal")}
    assert goals == {"Payments": (0.85, "85%"), "Search": (0.6, "60%")}
    svg = look.svg(chart)
    assert ">85%</text>" in svg


def test_a_goal_is_a_dashed_line_with_its_words(weekly_users, weekly_acceptance, look):
    """The axis reaches it, however far away it is; a group's goal has no place in a chart of all."""
    targets = aimed(("active_users", 1250, None, None), ("active_users", 3, None, "Payments"))
    chart = charts.active_users(weekly_users, targets=targets)
    assert chart.title.subtitle[1:] == ["Goals: 1,250"]
    (line,) = look.layers(chart, "rule")
    assert line["mark"]["strokeDash"]
    assert line["encoding"]["y"]["field"] == "goal"
    assert ">Goal 1,250</text>" in look.svg(chart)
    rate = charts.acceptance_rate(weekly_acceptance, targets=aimed(("acceptance_rate", 0.275, None, None)))
    assert rate.title.subtitle[1] == "Goals: 27.5%"


def test_a_goal_of_active_users_stands_in_the_lifecycle_too(look):
    """Its bars above the axis are the active users."""
    rows = [(day, 4, 3, 2, 5, 9, True) for day in MONDAYS]
    names = [f"{state}_users" for state in ("new", "returning", "resurrected", "dormant", "active")]
    table = pl.DataFrame(rows, schema=["period_start", *names, "is_complete"], orient="row")
    chart = charts.lifecycle(table, every="1w", targets=aimed(("active_users", 20, None, None)))
    (goal,) = (line for line in look.layers(chart, "rule") if "strokeDash" in line["mark"])
    assert goal["encoding"]["y"]["field"] == "goal"
    assert ">Goal 20</text>" in look.svg(chart)


def test_groups_without_time_have_ticks(team_acceptance, look):
    """Search aims lower than the others; a team without a rate has a goal all the same."""
    targets = aimed(("acceptance_rate", 0.35, None, None), ("acceptance_rate", 0.25, date(2026, 12, 31), "Search"))
    chart = charts.acceptance_rate(team_acceptance, targets=targets)
    assert chart.title.subtitle[1] == "Goals: 35% · Search 25% by 31 Dec 2026"
    assert {row["group"]: row["goal"] for row in rows_with(chart, "goal")} == {
        "Payments": 0.35, "Search": 0.25, "Idle": 0.35,
    }  # fmt: skip
    (tick,) = look.layers(chart, "tick")
    assert tick["encoding"]["x"]["field"] == "goal"
    assert look.svg(chart).index(">Payments<") < look.svg(chart).index(">Search<") < look.svg(chart).index(">Idle<")


def test_days_off_are_shaded_on_daily_charts_only(weekly_users):
    """A weekend is one piece, a holiday beside it another; a holiday on a Sunday is no weekend."""
    first = date(2026, 8, 28)  # a Friday
    rows = [(day, day, 5, True) for day in (first + timedelta(days=n) for n in range(7))]
    daily = pl.DataFrame(rows, schema=ACTIVE_USERS.schema, orient="row")
    off = [(1, "weekend", None), (2, "weekend", None), (2, "holiday", "Summer Bank Holiday"), (3, "holiday", "Monday")]
    calendar = pl.DataFrame(
        [(first + timedelta(days=n), kind, text) for n, kind, text in off],
        schema={"date": pl.Date, "kind": pl.String, "text": pl.String},
        orient="row",
    )
    chart = charts.active_users(daily, calendar=calendar)
    assert chart.title.subtitle.endswith("weekends and holidays shaded")
    # Points stand at midnight, so that a shade reaches half a day before and after.
    assert [(row["kind"], row["start"][:13], row["end"][:13]) for row in rows_with(chart, "kind")] == [
        ("weekend", "2026-08-28T12", "2026-08-29T12"),
        ("holiday", "2026-08-29T12", "2026-08-30T12"),
        ("holiday", "2026-08-30T12", "2026-08-31T12"),
    ]
    assert charts.active_users(weekly_users, calendar=calendar).to_dict() == charts.active_users(weekly_users).to_dict()


def test_control_characters_end_no_process(adoption, tmp_path):
    """A line break of an office program, a zero and a line separator, in groups as in words; Altair's own save, too."""
    odd = "a\x0bb\x00\u2028"
    table = adoption.with_columns(team=pl.lit(odd)).head(4)
    events, targets = happened((MONDAYS[0], odd, odd)), aimed(("adoption_rate", 0.5, None, odd))
    chart = charts.adoption_rate(table, events=events, targets=targets, title=odd, population=odd)
    chart.save(tmp_path / "odd.svg")
    assert "50%" in (tmp_path / "odd.svg").read_text("utf-8")
    assert len(rows_with(chart, "number")) == 1


def test_what_is_no_such_table_is_refused(weekly_users):
    """With the nearest name."""
    with pytest.raises(TableError, match="events needs the column 'text'"):
        charts.active_users(weekly_users, events=pl.DataFrame({"date": [MONDAYS[0]], "texts": ["x"]}))
    with pytest.raises(TableError, match="targets has 'value'"):
        charts.active_users(weekly_users, targets=aimed().with_columns(value=pl.lit("much")))
