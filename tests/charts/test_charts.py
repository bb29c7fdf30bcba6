"""What every chart promises, each drawn from a table made by hand."""

from __future__ import annotations

import html
import json
import math
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from augment_insights import charts
from augment_insights.charts import theme
from augment_insights.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MONDAYS = [date(2026, 3, 2) + timedelta(weeks=n) for n in range(3)]
SUNDAYS = [day + timedelta(days=6) for day in MONDAYS]
DAYS = {"2 Mar", "16 Mar"}
HOSTILE = [
    "</script><script>alert(1)</script>",
    "user.email",
    "a[0]['b']",
    "x" * 200,
    '=HYPERLINK("http://x")\n\u202enot\\',
]


@dataclass(frozen=True)
class Example:
    """A chart, the columns of a table that it draws, and what a pointer must find there."""

    draw: Callable[..., Any]
    columns: dict[str, list[Any]]
    counts: set[str]
    grouped: bool = False
    in_order: bool = False
    days: set[str] = field(default_factory=set)
    needs: str = ""

    @property
    def table(self) -> pl.DataFrame:
        """The table."""
        return pl.DataFrame(self.columns)


def rate(name: str, values: list[float | None]) -> dict[str, list[float | None]]:
    low = [None if value is None else value / 2 for value in values]
    high = [None if value is None else (1 + value) / 2 for value in values]
    return {name: values, f"{name}_low": low, f"{name}_high": high}


WEEKS: dict[str, list[Any]] = {"period_start": MONDAYS, "period_end": SUNDAYS, "is_complete": [True, True, False]}
WINDOWS: dict[str, list[Any]] = {"date": MONDAYS, "window_days": [7] * 3, "is_complete": [False, True, True]}

LIST = [
    Example(charts.active_users, {**WEEKS, "active_users": [4, 5, 6]}, {"active_users"}, grouped=True, days=DAYS),
    Example(
        charts.rolling_active_users,
        {**WINDOWS, "active_users": [4, 5, 6]},
        {"active_users", "window"},
        grouped=True,
        days=DAYS,
    ),
    Example(
        charts.stickiness,
        {
            **WINDOWS,
            "mean_daily_users": [2.0, 0.0, 3.0],
            "active_users": [4, 0, 6],
            "stickiness_rate": [0.5, None, 0.5],
        },
        {"mean_daily_users", "active_users"},
        days=DAYS,
    ),
    Example(charts.active_day_distribution, {"active_days": [1, 2, 3], "users": [5, 0, 2]}, {"users", "of_users"}),
    Example(
        charts.adoption_rate,
        {**WEEKS, "active_users": [5, 0, 8], "licensed_users": [10, 0, 10], **rate("adoption_rate", [0.5, None, 0.8])},
        {"active_users", "licensed_users"},
        grouped=True,
        days=DAYS,
    ),
    Example(
        charts.adoption_curve,
        {
            "period_start": MONDAYS,
            "new_users": [5, 2, 1],
            "cumulative_users": [5, 7, 8],
            "licensed_users": [0, 10, 10],
            "adoption_rate": [None, 0.7, 0.8],
        },
        {"cumulative_users", "licensed_users", "new_users"},
        days=DAYS,
    ),
    Example(
        charts.time_to_first_use,
        {
            "days": [0, 1, 2],
            "at_risk_users": [9, 6, 3],
            "started_users": [3, 3, 0],
            **rate("started_rate", [0.3, 0.6, 0.6]),
        },
        {"at_risk_users", "started_users"},
        grouped=True,
    ),
    Example(
        charts.feature_adoption,
        {
            "feature": ["completions", "chat", "remote_agent"],
            "active_users": [10, 10, 10],
            "feature_users": [9, 5, None],
            **rate("feature_rate", [0.9, 0.5, None]),
        },
        {"active_users", "feature_users"},
        grouped=True,
    ),
    Example(
        charts.mode_mix,
        {
            "period_start": [day for day in MONDAYS for _ in range(3)],
            "mode": ["completions", "chat", "ide_agent"] * 3,
            "messages_count": [None, 30, 10, None, 0, 0, None, 20, 20],
            "messages_share": [None, 0.75, 0.25, None, None, None, None, 0.5, 0.5],
            "lines_count": [5, None, 5] * 3,
            "lines_share": [0.5, None, 0.5] * 3,
        },
        {"count", "of_count"},
        needs="messages_share",
        grouped=True,
        days=DAYS,
    ),
    Example(
        charts.mode_transitions,
        {
            "from_mode": ["chat", "chat", "ide_agent"],
            "to_mode": ["chat", "ide_agent", "ide_agent"],
            "users": [6, 2, 3],
            "share": [0.75, 0.25, 1.0],
        },
        {"users", "share"},
    ),
    Example(
        charts.habit_ladder,
        {
            "user": ["ada@x.io", "bob@x.io", "cleo@x.io"],
            "user_type": ["person"] * 3,
            "active_weeks": [12, 3, 1],
            "mean_actions": [40.0, 2.0, 0.1],
            "tier": ["power", "novice", "low"],
        },
        {"users", "of_users"},
        grouped=True,
    ),
    Example(
        charts.concentration,
        {"top_decile_share": [0.4], "gini": [0.5], "users": [30]},
        {"users", "top_decile_share", "gini"},
        grouped=True,
    ),
    Example(
        charts.cohort_retention,
        {
            "cohort": [MONDAYS[0]] * 2 + MONDAYS[1:2],
            "period": [0, 1, 0],
            "cohort_users": [4, 4, 2],
            "retained_users": [4, 0, None],
            **rate("retention_rate", [1.0, 0.0, None]),
            "is_complete": [True, True, False],
        },
        {"retained_users", "cohort_users"},
    ),
    Example(
        charts.lifecycle,
        {
            "period_start": MONDAYS,
            "new_users": [5, 1, 0],
            "returning_users": [None, 4, 3],
            "resurrected_users": [None, 0, 2],
            "dormant_users": [None, 1, 2],
            "active_users": [5, 5, 5],
            "is_complete": [True, True, False],
        },
        {"users", "active_users"},
        grouped=True,
        days=DAYS,
    ),
    Example(
        charts.retention_curve,
        {
            "period": [0, 1, 2],
            "cohorts": [3, 2, 1],
            "eligible_users": [10, 8, 0],
            "retained_users": [10, 6, 0],
            **rate("retention_rate", [1.0, 0.75, None]),
        },
        {"eligible_users", "retained_users", "cohorts"},
        grouped=True,
    ),
    Example(
        charts.survival,
        {
            "days": [0, 1, 2],
            "at_risk_users": [9, 9, 3],
            "lapsed_users": [0, 3, 0],
            **rate("survival_rate", [1.0, 0.6, 0.6]),
        },
        {"at_risk_users", "lapsed_users"},
        grouped=True,
    ),
    Example(
        charts.acceptance_rate,
        {
            "period_start": MONDAYS,
            "users": [4, 0, 5],
            "suggested_count": [100, 0, 200],
            "accepted_count": [25, 0, 60],
            **rate("acceptance_rate", [0.25, None, 0.3]),
        },
        {"accepted_count", "suggested_count"},
        grouped=True,
        days=DAYS,
    ),
    Example(
        charts.acceptance_change,
        {
            "rate_effect": [0.02, -0.01, 0.01],
            "mix_effect": [0.0, 0.005, 0.005],
            "entry_exit_effect": [0.0, 0.0, 0.0],
            "total_effect": [0.02, -0.005, 0.015],
        },
        {"effect_points"},
        in_order=True,
    ),
    Example(
        charts.compare,
        {
            "metric": ["adoption_rate", "feature_rate", "retention_rate"],
            "before": [0.3, None, 0.5],
            "after": [0.5, 0.4, 0.51],
            **rate("difference", [0.2, None, 0.01]),
            "verdict": ["higher", "cannot tell", "cannot tell"],
        },
        {"before", "after", "difference_points"},
        grouped=True,
        in_order=True,
    ),
    Example(
        charts.acceptance_distribution,
        {"acceptance_from": [0.0, 0.2, 0.4], "acceptance_to": [0.2, 0.4, 0.6], "users": [3, 9, 2]},
        {"acceptance_from", "acceptance_to", "users"},
    ),
    Example(
        charts.data_quality,
        {
            "check": ["dau: rows twice", "daily_usage: days missing", "user_activity: rows twice"],
            "affected_count": [0, 2, 0],
            "checked_count": [400, 28, 0],
            "affected_share": [0.0, 2 / 28, None],
        },
        {"affected_count", "checked_count", "affected_share"},
        in_order=True,
    ),
    Example(
        charts.reconcile,
        {
            "check": ["dau_count = dau (all users)"] * 3,
            "date": [*MONDAYS[:2], None],
            "left": [4, 5, None],
            "right": [4, 6, 10],
            "residual": [0, -1, None],
            "status": ["agrees", "differs", "unknown"],
        },
        {"left", "right", "residual"},
        in_order=True,
        days={"2 Mar"},
    ),
]
EXAMPLES = {example.draw.__name__: example for example in LIST}

each = pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
GROUPED = {name: example for name, example in EXAMPLES.items() if example.grouped}
each_grouped = pytest.mark.parametrize("example", GROUPED.values(), ids=GROUPED)


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
def test_only_drawn_columns_are_inside(example: Example, look: Any) -> None:
    """Every value that travels with the picture is of a column that an encoding, a tooltip or a transform names."""
    more = example.table.with_columns(salary=pl.lit(123456), note=pl.lit([1]))
    spec = look.spec(example.draw(more))
    words = json.dumps({key: value for key, value in spec.items() if key not in ("datasets", "title", "description")})
    used = {name for row in look.rows(spec) for name, value in row.items() if value is not None}
    assert {name for name in used if not re.search(rf"\b{name}\b", words)} == set()
    assert "123456" not in json.dumps(spec)


@each
def test_the_words_around_it_say_what_who_until_when_and_whether_real(example: Example) -> None:
    """Title, subtitle and a description for those who do not see it."""
    chart = example.draw(example.table, population="engineers", as_of="2026-03-21", sample=True, width=600)
    assert chart.title.text
    assert chart.title.subtitle.startswith("engineers · data to 21 Mar 2026 · sample data")
    assert "engineers" in chart.description
    assert len(chart.description) > len(chart.title.text)
    assert "sample" not in example.draw(example.table).title.subtitle
    assert chart.to_dict().get("width", 0) <= 600


@each
def test_all_charts_take_the_same_keywords(example: Example) -> None:
    """Who has drawn one can draw the others."""
    defaults = example.draw.__kwdefaults__
    assert {"as_of": None, "sample": False, "width": theme.WIDTH}.items() <= defaults.items()
    assert defaults["population"].startswith("people")
    assert set(defaults) <= {"population", "as_of", "sample", "width", "every", "of", "by_group"}


def axes_of(view: dict[str, Any], kinds: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Return the axes with labels that a compiled chart has, for scales of numbers and days."""
    here = {**kinds, **{scale["name"]: scale["type"] for scale in view.get("scales", [])}}
    for axis in view.get("axes", []):
        if axis.get("labels", True) and here.get(axis["scale"]) in ("linear", "time"):
            yield axis
    for mark in view.get("marks", []):
        yield from axes_of(mark, here)


@each
def test_axes_say_what_they_count(example: Example, look: Any) -> None:
    """As they are drawn, axes of numbers and days have a title, and none that is a column's name."""
    spec = look.spec(example.draw(example.table))
    columns = {name for row in look.rows(spec) for name in row}
    axes = list(axes_of(theme.to_vega(spec), {}))
    assert bool(axes) == (example.draw not in (charts.mode_transitions, charts.cohort_retention))
    for axis in axes:
        # In small multiples the title stands once for a row or column of panels.
        assert axis.get("title") or "spec" in spec
        assert not columns & set(str(axis.get("title")).split(", "))


@each
def test_a_pointer_finds_the_counts_behind_it(example: Example, look: Any) -> None:
    """A rate never travels without its numerator and denominator, whatever part of it is pointed at."""
    spec = look.spec(example.draw(example.table))
    tooltips = [{entry["field"] for entry in value} for name, value in encodings(spec) if name == "tooltip"]
    assert tooltips
    assert all(example.counts <= fields for fields in tooltips), tooltips


@each
def test_nothing_says_no_data_and_one_row_is_a_chart(example: Example, look: Any) -> None:
    """An empty table is drawn, with its title, rather than failing."""
    empty = example.draw(example.table.clear(), population="engineers")
    assert "No data" in look.svg(empty)
    assert empty.title.subtitle.startswith("engineers")
    few = example.table.tail(1) if example.in_order else example.table.head(2)
    assert "No data" not in look.svg(example.draw(few))


@each
def test_the_same_table_gives_the_same_chart(example: Example) -> None:
    """Lazy or not, and with rows in any order (where their order says nothing)."""
    chart = example.draw(example.table).to_dict()
    assert example.draw(example.table.lazy()).to_dict() == chart
    if not example.in_order:
        assert example.draw(example.table.reverse()).to_dict() == chart


@each
def test_a_missing_column_is_named(example: Example) -> None:
    """With the nearest that is there."""
    name = example.needs or example.table.columns[-1]
    with pytest.raises(TableError, match=f"did you mean '{name}s' for '{name}'"):
        example.draw(example.table.rename({name: f"{name}s"}))


@each
def test_what_is_no_number_is_a_gap(example: Example) -> None:
    """NaN and infinity would make a chart vanish without a word."""
    floats = pl.col(pl.Float64)
    for bad in (math.nan, math.inf):
        table = example.table.with_columns(pl.when(pl.int_range(pl.len()) == 0).then(bad).otherwise(floats).name.keep())
        json.dumps(theme.to_vegalite(example.draw(table)), allow_nan=False)


@each_grouped
def test_names_are_text_and_break_no_picture(example: Example, look: Any) -> None:
    """Markup, dots, brackets, line breaks and 200 letters: all drawn, none run."""
    spec = theme.to_vegalite(example.draw(in_groups(example.table, HOSTILE)))
    svg = look.svg(spec)
    assert "<script" not in svg
    drawn = [html.unescape(text) for text in texts_of(svg)]
    for name in HOSTILE[:3]:
        assert any(name[:10] in text for text in drawn), name  # a long label is cut
    values = {value for row in look.rows(spec) for value in row.values() if isinstance(value, str)}
    assert all(any(name in value for value in values) for name in HOSTILE)


@each_grouped
def test_groups_that_are_not_drawn_are_said(example: Example) -> None:
    """Nothing is left out in silence."""
    table = in_groups(example.table, [f"team {n:02}" for n in range(50)])
    subtitle = example.draw(table).title.subtitle
    assert re.search(r"the \d+ largest of 50 groups|the first \d+ of 150 rows", subtitle), subtitle


@each
def test_the_paper_may_be_dark(example: Example) -> None:
    """No mark keeps a colour that belongs to the light page."""
    dark = theme.Palette(
        paper="#000001",
        ink="#000002",
        muted="#000003",
        grid="#000004",
        ghost="#000005",
        surface="#000006",
        accent="#07",
    )
    spec = theme.to_vegalite(example.draw(example.table), palette=dark)
    light = {theme.LIGHT.ink, theme.LIGHT.muted, theme.LIGHT.ghost, theme.LIGHT.surface}
    for layer in inner(spec)["layer"]:
        assert not light & {value for value in layer["mark"].values() if isinstance(value, str)}


def pictures() -> dict[str, str]:
    return {
        name: theme.to_svg(theme.to_vegalite(example.draw(example.table)))
        for name, example in EXAMPLES.items()
        if example.days
    }


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Auckland"])
def test_days_are_the_same_days_in_every_time_zone(zone: str) -> None:
    """Drawn west and east of Greenwich, the axes name the days of the tables."""
    code = f"import json, runpy; print(json.dumps(runpy.run_path({__file__!r})['pictures']()))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "TZ": zone}, capture_output=True, text=True, check=True
    )
    for name, svg in json.loads(done.stdout).items():
        assert EXAMPLES[name].days <= texts_of(svg), name


def test_there_is_an_example_of_every_public_name() -> None:
    """A chart that is added gets the promises above too."""
    assert set(EXAMPLES) | {"setup"} == set(charts.__all__)


def test_importing_the_charts_loads_no_altair() -> None:
    """It costs several times what Polars does, and only drawing needs it."""
    code = "import sys, augment_insights.charts; sys.exit('altair' in sys.modules or 'vl_convert' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
