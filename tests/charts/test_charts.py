"""What every chart promises, each drawn from a table made by hand."""

import html
import inspect
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from augment_insights import charts, tables
from augment_insights.charts import theme
from augment_insights.errors import TableError

FIRST, SECOND, THIRD = (date(2026, 3, 2) + timedelta(weeks=n) for n in range(3))
SIX = timedelta(days=6)
DAYS = {"2 Mar", "16 Mar"}
HOSTILE = [
    "</script><script>alert(1)</script>",
    "user.email",
    "a[0]['b']",
    "x" * 200,
    '=HYPERLINK("http://x")\n\u202enot\\',
]


ROWS: dict[str, list[tuple[Any, ...]]] = {
    "active_users": [(FIRST, FIRST + SIX, 4, True), (SECOND, SECOND + SIX, 5, True), (THIRD, THIRD + SIX, 6, False)],
    "rolling_active_users": [(FIRST, 7, 4, False), (SECOND, 7, 5, True), (THIRD, 7, 6, True)],
    "stickiness": [(FIRST, 7, 2.0, 4, 0.5, False), (SECOND, 7, 0.0, 0, None, True), (THIRD, 7, 3.0, 6, 0.5, True)],
    "active_day_distribution": [(1, 5), (2, 0), (3, 2)],
    "adoption_rate": [
        (FIRST, FIRST + SIX, 5, 10, 0.5, 0.25, 0.75, True),
        (SECOND, SECOND + SIX, 0, 0, None, None, None, True),
        (THIRD, THIRD + SIX, 8, 10, 0.8, 0.4, 0.9, False),
    ],
    "adoption_curve": [(FIRST, 5, 5, 0, None), (SECOND, 2, 7, 10, 0.7), (THIRD, 1, 8, 10, 0.8)],
    "adoption_funnel": [("licensed", 20, 1.0), ("active", 12, 0.6), ("power", 3, 0.15)],
    "unused_licences": [("Web", "idle", 3), ("Web", "never_used", 5), (None, "idle", 2)],
    "population_bridge": [("licensed", "active", 8), ("licensed", "never seen", 2), ("not on the roster", "active", 1)],
    "time_to_first_use": [(0, 9, 3, 0.3, 0.15, 0.65), (1, 6, 3, 0.6, 0.3, 0.8), (2, 3, 0, 0.6, 0.3, 0.8)],
    "feature_adoption": [
        ("completions", 10, 9, 0.9, 0.45, 0.95),
        ("chat", 10, 5, 0.5, 0.25, 0.75),
        ("remote_agent", 10, None, None, None, None),
    ],
    "mode_mix": [
        (FIRST, "completions", None, None, 5, 0.5),
        (FIRST, "chat", 30, 0.75, None, None),
        (FIRST, "ide_agent", 10, 0.25, 5, 0.5),
        (SECOND, "completions", None, None, 5, 0.5),
        (SECOND, "chat", 0, None, None, None),
        (SECOND, "ide_agent", 0, None, 5, 0.5),
        (THIRD, "completions", None, None, 5, 0.5),
        (THIRD, "chat", 20, 0.5, None, None),
        (THIRD, "ide_agent", 20, 0.5, 5, 0.5),
    ],
    "mode_transitions": [("chat", "chat", 6, 0.75), ("chat", "ide_agent", 2, 0.25), ("ide_agent", "ide_agent", 3, 1.0)],
    "habit_ladder": [
        ("ada@x.io", "person", 12, 40.0, "power"),
        ("bob@x.io", "person", 3, 2.0, "novice"),
        ("cleo@x.io", "person", 1, 0.1, "low"),
    ],
    "concentration": [(0.4, 0.5, 30)],
    "cohort_retention": [
        (FIRST, 0, 4, 4, 1.0, 0.5, 1.0, True),
        (FIRST, 1, 4, 0, 0.0, 0.0, 0.5, True),
        (SECOND, 0, 2, None, None, None, None, False),
    ],
    "lifecycle": [(FIRST, 5, None, None, None, 5, True), (SECOND, 1, 4, 0, 1, 5, True), (THIRD, 0, 3, 2, 2, 5, False)],
    "retention_curve": [
        (0, 3, 10, 10, 1.0, 0.5, 1.0),
        (1, 2, 8, 6, 0.75, 0.375, 0.875),
        (2, 1, 0, 0, None, None, None),
    ],
    "survival": [(0, 9, 0, 1.0, 0.5, 1.0), (1, 9, 3, 0.6, 0.3, 0.8), (2, 3, 0, 0.6, 0.3, 0.8)],
    "acceptance_rate": [
        (FIRST, 4, 100, 25, 0.25, 0.125, 0.625),
        (SECOND, 0, 0, 0, None, None, None),
        (THIRD, 5, 200, 60, 0.3, 0.15, 0.65),
    ],
    "acceptance_change": [(0.02, 0.0, 0.0, 0.02), (-0.01, 0.005, 0.0, -0.005), (0.01, 0.005, 0.0, 0.015)],
    "compare": [
        ("adoption_rate", 0.3, 0.5, 0.2, 0.1, 0.3, True, 70, 10, 5, 2, "higher"),
        ("feature_rate", None, 0.4, None, None, None, True, 0, 0, 9, 2, None),
        ("retention_rate", 0.5, 0.51, 0.01, -0.1, 0.1, True, 30, 2, 0, 2, "no measurable change"),
    ],
    "acceptance_distribution": [(0.0, 0.2, 3), (0.2, 0.4, 9), (0.4, 0.6, 2)],
    "data_quality": [
        ("dau: rows twice", 0, 400, 0.0),
        ("daily_usage: days missing", 2, 28, 0.0714),
        ("user_activity: rows twice", 0, 0, None),
    ],
    "reconcile": [
        ("dau_count = dau (all users)", FIRST, 4, 4, 0, "agrees"),
        ("dau_count = dau (all users)", SECOND, 5, 6, -1, "differs"),
        ("dau_count = dau (all users)", None, None, 10, None, "unknown"),
    ],
}
"""The rows of a table for each chart."""

ABOUT = {
    "active_users": ("active_users", "grouped dated"),
    "rolling_active_users": ("active_users window", "grouped dated"),
    "stickiness": ("active_users mean_daily_users", "dated"),
    "active_day_distribution": ("of_users users", "keyed"),
    "adoption_rate": ("active_users licensed_users", "grouped dated"),
    "adoption_curve": ("cumulative_users ever_licensed_users new_users", "keyed dated"),
    "adoption_funnel": ("reached_users reached_rate", "keyed"),
    "population_bridge": ("users", "keyed"),
    "unused_licences": ("users", "keyed"),
    "time_to_first_use": ("at_risk_users started_users", "grouped keyed"),
    "feature_adoption": ("active_users feature_users", "grouped keyed"),
    "mode_mix": ("count of_count", "grouped keyed dated"),
    "mode_transitions": ("share users", "keyed"),
    "habit_ladder": ("of_users users", "grouped"),
    "concentration": ("gini top_decile_share users", "grouped keyed"),
    "cohort_retention": ("cohort_users retained_users", "keyed"),
    "lifecycle": ("active_users users", "grouped dated"),
    "retention_curve": ("cohorts eligible_users retained_users", "grouped keyed"),
    "survival": ("at_risk_users lapsed_users", "grouped keyed"),
    "acceptance_rate": ("accepted_count suggested_count", "grouped dated"),
    "acceptance_change": ("effect_points", "ordered"),
    "compare": ("after after_users before before_users both_users difference_points", "grouped keyed ordered"),
    "acceptance_distribution": ("acceptance_from acceptance_to users", "keyed"),
    "data_quality": ("affected_count affected_share checked_count", "keyed ordered"),
    "reconcile": ("left residual right", "ordered dated"),
}
"""What a pointer must find in each chart, and what kind of table it takes.

A table is "grouped" if it may have any groups, "keyed" if two rows of one key are refused, "ordered" if the order of
its rows says something, and "dated" if it gives an axis of days.
"""

TABLES = {
    "adoption_curve": tables.LICENSED_ADOPTION_CURVE,
    "compare": tables.COMPARISON,
    "reconcile": tables.RECONCILIATION,
}
"""Where the table has another name than its chart."""


def those(kind: str) -> list[str]:
    return [name for name, (_, kinds) in ABOUT.items() if kind in kinds]


each = pytest.mark.parametrize("name", ROWS)
each_grouped = pytest.mark.parametrize("name", those("grouped"))


def table_of(name: str) -> pl.DataFrame:
    schema = (TABLES.get(name) or getattr(tables, name.upper())).schema
    periods = {"period_start": pl.Date} if name in ("acceptance_rate", "mode_mix") else {}
    return pl.DataFrame(ROWS[name], schema={**periods, **schema}, orient="row")


def draw(name: str, table: pl.DataFrame | pl.LazyFrame | None = None, **caption: Any) -> Any:
    return getattr(charts, name)(table_of(name) if table is None else table, **caption)


def in_groups(table: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    return pl.concat([table.with_columns(team=pl.lit(name)) for name in names])


def inner(spec: dict[str, Any]) -> dict[str, Any]:
    """Return the view that holds the layers: the chart itself, or what each panel repeats."""
    return spec.get("spec", spec)


def encodings(spec: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for layer in inner(spec)["layer"]:
        yield from layer["encoding"].items()


def texts_of(svg: str) -> set[str]:
    return set(re.findall(r"<text[^>]*>([^<]*)</text>", svg))


@each
def test_only_drawn_columns_are_inside(name, look, rows_of):
    """Every value that travels with the picture is of a column that an encoding, a tooltip or a transform names."""
    more = table_of(name).with_columns(salary=pl.lit(123456), note=pl.lit([1]))
    if name in those("keyed") and name not in those("grouped"):  # elsewhere a column of text is a group
        more = more.with_columns(who=pl.lit("private"))
    spec = look.spec(draw(name, more))
    words = json.dumps({key: value for key, value in spec.items() if key not in ("datasets", "title", "description")})
    used = {name for row in rows_of(spec) for name, value in row.items() if value is not None}
    assert {name for name in used if not re.search(rf"\b{name}\b", words)} == set()
    assert not re.search("123456|private", json.dumps(spec))


@each
def test_the_words_around_it_say_what_who_until_when_and_whether_real(name):
    """Title, subtitle and a description for those who do not see it."""
    chart = draw(name, population="engineers", as_of="2026-03-21", sample=True, width=600)
    assert chart.title.text
    assert chart.title.subtitle.startswith("engineers · data to 21 Mar 2026 · sample data")
    assert "engineers" in chart.description
    assert len(chart.description) > len(chart.title.text)
    assert "sample" not in draw(name).title.subtitle
    assert chart.to_dict().get("width", 0) <= 600


@each
def test_all_charts_take_the_same_keywords(name):
    """Who has drawn one can draw the others; a keyword that is none is refused with those that are."""
    taken = inspect.signature(getattr(charts, name)).parameters
    shared = {"population", "as_of", "sample", "title", "subtitle", "width", "events", "targets", "calendar"}
    assert shared <= set(taken) <= shared | {"table", "every", "since", "of", "by_group", "pale_below"}
    assert draw(name).title.subtitle.startswith("people")
    with pytest.raises(TypeError, match=r"'pupulation' is not a keyword .* population, as_of, sample, title, subtitle"):
        draw(name, pupulation="engineers")


@each
def test_titles_of_ones_own_leave_a_sample_a_sample(name):
    """A subtitle takes the place of who, until when and the notes, and not of what must be said."""
    chart = draw(name, title="IDE use at Acme", subtitle="Engineering, spring", sample=True, as_of="2026-03-21")
    assert chart.title.text == "IDE use at Acme"
    assert chart.title.subtitle.startswith("Engineering, spring · sample data")
    assert not re.search("people|21 Mar|95 %", chart.title.subtitle)
    assert "IDE use at Acme (Engineering, spring · sample data" in chart.description
    assert draw(name, subtitle="").title.text == draw(name).title.text
    if name in those("grouped"):
        many = in_groups(table_of(name), [f"team {n:02}" for n in range(50)])
        assert re.search("largest of 50|first 40 of 150", draw(name, many, subtitle="All teams").title.subtitle)


def axes_of(view: dict[str, Any], kinds: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Return the axes with labels that a compiled chart has, for scales of numbers and days."""
    here = {**kinds, **{scale["name"]: scale["type"] for scale in view.get("scales", [])}}
    for axis in view.get("axes", []):
        if axis.get("labels", True) and here.get(axis["scale"]) in ("linear", "time"):
            yield axis
    for mark in view.get("marks", []):
        yield from axes_of(mark, here)


@each
def test_axes_say_what_they_count(name, look, rows_of):
    """As they are drawn, axes of numbers and days have a title, and none that is a column's name."""
    spec = look.spec(draw(name))
    columns = {column for row in rows_of(spec) for column in row}
    axes = list(axes_of(theme.to_vega(spec), {}))
    assert bool(axes) == (name not in ("mode_transitions", "cohort_retention"))
    for axis in axes:
        # In small multiples the title stands once for a row or column of panels.
        assert axis.get("title") or "spec" in spec
        assert not columns & set(str(axis.get("title")).split(", "))


@each
def test_a_pointer_finds_the_counts_behind_it(name, look):
    """A rate never travels without its numerator and denominator, whatever part of it is pointed at."""
    spec = look.spec(draw(name))
    tooltips = [{entry["field"] for entry in value} for channel, value in encodings(spec) if channel == "tooltip"]
    counts = set(ABOUT[name][0].split())
    assert tooltips
    assert all(counts <= fields for fields in tooltips), tooltips


@each
def test_nothing_says_no_data_and_one_row_is_a_chart(name, look):
    """An empty table is drawn, with its title, rather than failing."""
    empty = draw(name, table_of(name).clear(), population="engineers")
    assert "No data" in look.svg(empty)
    assert empty.title.subtitle.startswith("engineers")
    little = (
        table_of(name).tail(1) if "ordered" in ABOUT[name][1] else table_of(name).head(2 if name == "mode_mix" else 1)
    )
    assert "No data" not in look.svg(draw(name, little))


@each
def test_the_same_table_gives_the_same_chart(name):
    """Lazy or not, and with rows in any order (where their order says nothing)."""
    chart = draw(name).to_dict()
    assert draw(name, table_of(name).lazy()).to_dict() == chart
    if "ordered" not in ABOUT[name][1]:
        assert draw(name, table_of(name).reverse()).to_dict() == chart


@each
def test_a_missing_column_is_named(name):
    """With the nearest that is there."""
    table = table_of(name)
    needed = "messages_share" if name == "mode_mix" else table.columns[-1]
    with pytest.raises(TableError, match=f"did you mean '{needed}s' for '{needed}'"):
        draw(name, table.rename({needed: f"{needed}s"}))


@pytest.mark.parametrize("name", those("keyed"))
def test_rows_that_would_lie_on_one_another_are_refused(name):
    """Which is which? The hint says what to do."""
    table = table_of(name)
    with pytest.raises(TableError, match=r"draws one row a .* has several.*filter it to one group"):
        draw(name, pl.concat([table, table]))


@each
def test_what_is_no_number_is_a_gap(name):
    """NaN and infinity would make a chart vanish without a word."""
    floats = pl.col(pl.Float64)
    for bad in (math.nan, math.inf):
        table = table_of(name).with_columns(
            pl.when(pl.int_range(pl.len()) == 0).then(bad).otherwise(floats).name.keep()
        )
        json.dumps(theme.to_vegalite(draw(name, table)), allow_nan=False)


@each_grouped
def test_names_are_text_and_break_no_picture(name, look, rows_of):
    """Markup, dots, brackets, line breaks and 200 letters: all drawn, none run."""
    spec = theme.to_vegalite(draw(name, in_groups(table_of(name), HOSTILE)))
    svg = look.svg(spec)
    assert "<script" not in svg
    drawn = [html.unescape(text) for text in texts_of(svg)]
    for hostile in HOSTILE[:3]:
        assert any(hostile[:10] in text for text in drawn), hostile  # a long label is cut
    values = {value for row in rows_of(spec) for value in row.values() if isinstance(value, str)}
    assert all(any(hostile in value for value in values) for hostile in HOSTILE)


@each_grouped
def test_groups_that_are_not_drawn_are_said(name):
    """Nothing is left out in silence."""
    table = in_groups(table_of(name), [f"team {n:02}" for n in range(50)])
    subtitle = draw(name, table).title.subtitle
    assert re.search(r"the \d+ largest of 50 groups|the first \d+ of 150 rows", subtitle), subtitle


@each
def test_the_paper_may_be_dark(name):
    """No mark keeps a colour that belongs to the light page, in panels neither."""
    dark = theme.Palette(**{part: f"#00000{n}" for n, part in enumerate(vars(theme.LIGHT))})
    light = {theme.LIGHT.ink, theme.LIGHT.muted, theme.LIGHT.ghost, theme.LIGHT.surface, theme.LIGHT.accent}
    tables = [table_of(name), *([in_groups(table_of(name), ["A", "B"])] if name in those("grouped") else [])]
    for table in tables:
        for layer in inner(theme.to_vegalite(draw(name, table), palette=dark))["layer"]:
            assert not light & {value for value in layer["mark"].values() if isinstance(value, str)}


def pictures() -> dict[str, str]:
    return {name: theme.to_svg(theme.to_vegalite(draw(name))) for name in those("dated")}


@pytest.mark.slow
@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Auckland"])
def test_days_are_the_same_days_in_every_time_zone(zone):
    """Drawn west and east of Greenwich, the axes name the days of the tables."""
    code = f"import json, runpy; print(json.dumps(runpy.run_path({__file__!r})['pictures']()))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "TZ": zone}, capture_output=True, text=True, check=True
    )
    for name, svg in json.loads(done.stdout).items():
        assert {"2 Mar", *([] if name == "reconcile" else ["16 Mar"])} <= texts_of(svg), name


def test_there_is_an_example_of_every_public_name():
    """A chart that is added gets the promises above too."""
    assert set(ROWS) | {"setup"} == set(charts.__all__)
