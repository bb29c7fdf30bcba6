"""Ways of working, habits and concentration, as they are drawn."""

import json
from datetime import date

import polars as pl
import pytest

from augment_insights import charts
from augment_insights.charts import theme
from augment_insights.tables import CONCENTRATION, FEATURE_ADOPTION, HABIT_LADDER, MODE, MODE_TRANSITIONS, VERDICT

LABELS = ["Completions", "Chat", "IDE agent", "Remote agent", "CLI agent, interactive", "CLI agent, non-interactive"]


@pytest.fixture
def features() -> pl.DataFrame:
    """Ten users; nobody knows about the remote agent."""
    used = [10, 6, 4, None, 1, 0]
    rates = [(None,) * 3 if n is None else (n / 10, n / 20, n / 10) for n in used]
    rows = [(mode, 10, n, *rate) for mode, n, rate in zip(MODE.categories, used, rates, strict=True)]
    return pl.DataFrame(rows, schema=FEATURE_ADOPTION.schema, orient="row")


@pytest.fixture
def mix() -> pl.DataFrame:
    """Two months; in the second nothing was sent."""
    months = [date(2026, 1, 1), date(2026, 2, 1)]
    return pl.DataFrame(
        {
            "period_start": [month for month in months for _ in range(3)],
            "mode": ["ide_agent", "chat", "completions"] * 2,
            "messages_count": [30, 10, None, 0, 0, None],
            "messages_share": [0.75, 0.25, None, None, None, None],
            "lines_count": [60, None, 40, 0, None, 8],
            "lines_share": [0.6, None, 0.4, 0.0, None, 1.0],
        }
    )


def test_features_stand_in_their_order_and_an_unknown_one_has_no_dot(features, rows_of):
    """Unknown is not unused: its row is there, its rate is not, and nobody's 0% is. Groups are dots in each row."""
    spec = theme.to_vegalite(charts.feature_adoption(features.reverse()))
    assert [row["feature"] for row in rows_of(spec)] == LABELS
    assert spec["layer"][1]["encoding"]["y"]["sort"] == LABELS
    assert [row["feature_rate"] for row in rows_of(spec)] == [1.0, 0.6, 0.4, None, 0.1, 0.0]
    assert spec["layer"][0]["encoding"]["x"]["field"] == "feature_rate_low"
    assert spec["layer"][0]["encoding"]["x2"]["field"] == "feature_rate_high"
    teams = pl.concat([features.with_columns(team=pl.lit(name)) for name in ("A", "B")])
    encoding = theme.to_vegalite(charts.feature_adoption(teams))["layer"][1]["encoding"]
    assert encoding["yOffset"]["field"] == encoding["color"]["field"] == "group"


def test_shares_lie_on_one_another_in_the_order_of_the_modes(mix, rows_of):
    """Chat first, up to the whole; completions have no messages, chat no lines, and a month of one is all its."""
    rows = rows_of(charts.mode_mix(mix))
    assert [(row["mode"], row["bottom"], row["top"]) for row in rows] == [("Chat", 0.0, 0.25), ("IDE agent", 0.25, 1.0)]
    assert {row["of_count"] for row in rows} == {40}
    chart = charts.mode_mix(mix, of="lines")
    rows = rows_of(chart)
    assert [row["mode"] for row in rows] == ["Completions", "IDE agent"] * 2
    assert [row["top"] for row in rows] == [0.4, 1.0, 1.0, 1.0]
    assert chart.title.text == "Monthly mode mix: share of lines"
    with pytest.raises(ValueError, match="did you mean 'lines'"):
        charts.mode_mix(mix, of="line")  # type: ignore[arg-type]  # that is the point


def test_a_mode_has_the_same_colour_in_both_mixes(mix):
    """Readers compare two charts by colour."""
    found = []
    for of in ("messages", "lines"):
        scale = theme.to_vegalite(charts.mode_mix(mix, of=of))["layer"][0]["encoding"]["color"]["scale"]
        found.append(dict(zip(scale["domain"], scale["range"], strict=True)))
    assert found[0]["IDE agent"] == found[1]["IDE agent"]
    assert set(found[0]) == {"Chat", "IDE agent"}
    assert set(found[1]) == {"Completions", "IDE agent"}


def test_a_month_that_is_not_over_is_faded(mix, rows_of):
    """The data ends on the 27th of February, or begins on the 2nd of January."""
    rows = rows_of(charts.mode_mix(mix, of="lines", as_of="2026-02-27"))
    assert [row["state"] for row in rows] == ["complete"] * 2 + ["incomplete"] * 2
    rows = rows_of(charts.mode_mix(mix, of="lines", since="2026-01-01", as_of="2026-02-28"))
    assert {row["state"] for row in rows} == {"complete"}
    rows = rows_of(charts.mode_mix(mix, of="lines", since="2026-01-02", as_of="2026-02-28"))
    assert [row["state"] for row in rows] == ["incomplete"] * 2 + ["complete"] * 2


def test_groups_without_periods_are_bars_and_with_periods_panels(mix):
    """One picture for each shape of the table."""
    january = mix.filter(period_start=date(2026, 1, 1)).drop("period_start")
    assert "facet" not in theme.to_vegalite(charts.mode_mix(january))
    teams = ["B", "A"]
    by_team = pl.concat([january.with_columns(team=pl.lit(name)) for name in teams])
    assert theme.to_vegalite(charts.mode_mix(by_team))["layer"][0]["encoding"]["y"]["sort"] == ["A", "B"]
    by_both = pl.concat([mix.with_columns(team=pl.lit(name)) for name in teams])
    assert theme.to_vegalite(charts.mode_mix(by_both))["facet"]["sort"] == ["A", "B"]


def test_steps_that_nobody_made_are_grey_and_without_a_number(look, rows_of):
    """All pairs of the modes that occur have a cell; a share of almost nothing is not called 0%."""
    rows = [("ide_agent", "ide_agent", 3, 1.0), ("chat", "chat", 600, 0.998), ("chat", "ide_agent", 1, 0.002)]
    steps = pl.DataFrame(rows, schema=MODE_TRANSITIONS.schema, orient="row")
    spec = theme.to_vegalite(charts.mode_transitions(steps))
    cells = {(row["from_mode"], row["to_mode"]): row["share"] for row in rows_of(spec)}
    assert list(cells.values()) == [0.998, 0.002, None, 1.0]
    assert cells["IDE agent", "Chat"] is None
    svg = look.svg(spec)
    assert svg.count('fill="#e8eaed"') == 1
    assert "&lt;1% · 1<" in svg
    assert ">100% · 3<" in svg
    assert spec["layer"][0]["encoding"]["x"]["scale"]["domain"] == ["Chat", "IDE agent"]


def users(*tiers: str) -> pl.DataFrame:
    rows = [(f"user{n}@x.io", "person", 1, 1.0, tier) for n, tier in enumerate(tiers)]
    return pl.DataFrame(rows, schema=HABIT_LADDER.schema, orient="row")


def test_a_tier_without_anyone_keeps_its_row_and_nobody_is_named(rows_of, look):
    """Strongest first, each with number and share; non-users only if the table has them; nobody is named."""
    rows = rows_of(charts.habit_ladder(users("low", "power", "low")))
    counted = [(row["tier"], row["users"], row["of_users"]) for row in rows]
    assert counted == [("Power", 1, 3), ("Habitual", 0, 3), ("Novice", 0, 3), ("Low", 2, 3)]
    rows = rows_of(charts.habit_ladder(users("power", "non-user")))
    assert [row["tier"] for row in rows] == ["Power", "Habitual", "Novice", "Low", "Non-user"]
    svg = look.svg(charts.habit_ladder(users("low", "power", "low", "low")))
    assert ">1 · 25%<" in svg
    assert ">3 · 75%<" in svg
    text = json.dumps(charts.habit_ladder(users("power", "low", "power")).to_dict())
    assert "user0" not in text
    assert "x.io" not in text


def test_groups_are_bars_of_shares_that_fill_the_axis(rows_of):
    """Team A has a power user and a low one: from 0 to a half, and on to the whole."""
    table = users("power", "low", "low").with_columns(team=pl.Series(["A", "A", "B"]))
    rows = rows_of(charts.habit_ladder(table))
    spans = {(row["group"], row["tier"]): (row["bottom"], row["top"]) for row in rows if row["users"]}
    assert spans == {("A", "Power"): (0.0, 0.5), ("A", "Low"): (0.5, 1.0), ("B", "Low"): (0.0, 1.0)}


def test_metrics_stand_in_two_panels_the_most_concentrated_first(rows_of):
    """A share and a coefficient are not the same thing, and have the same axis from 0 to 1."""
    rows = [("chat_messages", 0.2, 0.1, 30), ("total_messages", 0.6, 0.7, 40), ("unknown", None, None, 0)]
    table = pl.DataFrame(rows, schema={"metric": pl.String, **CONCENTRATION.schema}, orient="row")
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
    even = {row["panel"]: row["even"] for row in rows_of(spec)}
    assert even == dict(zip(panels, [0.1, None], strict=True)), "10% of the users would do 10%; of Gini it says nothing"


def test_groups_without_a_measurable_difference_are_pale(look, rows_of):
    """Of two teams one chats more than the rest; the verdict is in the tooltip, and how many were compared above."""
    rows = [("chat", "A", 40, 30, 0.75, 0.6, 0.86, 2, "higher"), ("chat", "B", 9, 3, 0.33, 0.12, 0.65, 2, None)]
    names = ["feature", "team", *list(FEATURE_ADOPTION.columns)[1:], "compared_groups", "verdict"]
    schema = {**FEATURE_ADOPTION.schema, "team": pl.String, "compared_groups": pl.Int64, "verdict": VERDICT}
    table = pl.DataFrame(rows, schema={name: schema[name] for name in names}, orient="row")
    chart = charts.feature_adoption(table)
    assert chart.title.subtitle.endswith("2 groups, each compared with the rest")
    assert {row["group"]: row["verdict"] for row in rows_of(chart)} == {
        "A": "higher than the rest",
        "B": "too few people",
    }
    (dots,) = look.layers(theme.to_vegalite(chart), "point")
    assert "higher than the rest" in str(dots["encoding"]["opacity"])
