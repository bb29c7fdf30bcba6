"""A panel draws what a function returns, for values of many kinds; unattended, it is a figure alone."""

from datetime import date
from typing import Any

import ipywidgets
import nbformat
import papermill
import polars as pl
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from augment_insights import charts, widgets
from augment_insights.charts.theme import VEGA_MIME
from augment_insights.errors import ConfigurationError


def weeks(count: int) -> pl.DataFrame:
    starts = [date(2026, 2, 2 + 7 * n) for n in range(count)]
    return pl.DataFrame(
        {
            "period_start": starts,
            "period_end": [date(day.year, day.month, day.day + 6) for day in starts],
            "active_users": list(range(10, 10 + count)),
            "is_complete": [True] * count,
        }
    )


def draw(count: int) -> tuple[Any, pl.DataFrame]:
    table = weeks(count)
    return charts.active_users(table), table


def test_a_panel_draws_at_once_and_after_each_change():
    """The first choice is drawn; another choice draws again, chart and numbers."""
    panel: Any = widgets.panel(draw, count=[2, 3], interactive=True)
    assert panel.answer.table.height == 2
    before = panel.screen.chart.outputs[0]["data"][VEGA_MIME]
    panel.controls["count"].value = 3
    assert panel.answer.table.height == 3
    assert panel.screen.chart.outputs[0]["data"][VEGA_MIME] != before


@pytest.mark.parametrize(
    ("given", "kind", "first"),
    [
        ([7, 28], ipywidgets.Dropdown, 7),
        ({"a week": 7}, ipywidgets.Dropdown, 7),
        (True, ipywidgets.Checkbox, True),
        (3, ipywidgets.IntText, 3),
        (range(2, 9), ipywidgets.BoundedIntText, 2),
        (0.5, ipywidgets.FloatText, 0.5),
        ("ada", ipywidgets.Text, "ada"),
        (date(2026, 3, 1), ipywidgets.DatePicker, date(2026, 3, 1)),
        (ipywidgets.IntSlider(value=4), ipywidgets.IntSlider, 4),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_stands_for_its_control(given, kind, first):
    """Each kind of value has its control, with a label, and the function gets its value."""
    got = []

    def note(start_day) -> pl.DataFrame:
        got.append(start_day)
        return pl.DataFrame({"a": [1]})

    panel: Any = widgets.panel(note, start_day=given, interactive=True)
    assert isinstance(panel.controls["start_day"], kind)
    assert got == [first]
    if not isinstance(given, ipywidgets.Widget):
        assert panel.controls["start_day"].description == panel.controls["start_day"].tooltip == "Start day"


def test_an_error_of_the_function_or_a_control_of_nothing_is_told():
    """In its own sentence, and the next good value draws; an empty list, or an object, is no control."""

    def choosy(count: int) -> pl.DataFrame:
        if count > 2:
            raise ValueError("count must be at most 2. Hint: choose 1 or 2.")
        return weeks(count)

    panel: Any = widgets.panel(choosy, count=[1, 3], interactive=True)
    panel.controls["count"].value = 3
    assert "count must be at most 2" in panel.screen.words.value
    assert panel.answer is None
    panel.controls["count"].value = 1
    assert panel.screen.words.value == ""
    assert panel.answer.table.height == 1
    assert "2026-02-02" in panel.screen.numbers.value, "a table alone is shown without being asked for"
    for wrong in ([], object()):
        with pytest.raises(ConfigurationError, match="'count' cannot be made"):
            widgets.panel(draw, count=wrong, interactive=True)


@pytest.mark.parametrize("returned", [None, 3, ("a", "b"), (pl.DataFrame(), pl.DataFrame())])
def test_what_cannot_be_shown_is_said(returned):
    """A function that returns neither chart nor frame is told what to return."""
    panel: Any = widgets.panel(lambda a: returned, a=[1], interactive=True)
    assert "return a chart, a Polars DataFrame, or both" in panel.screen.words.value


CELLS = (
    "from augment_insights import Client, charts, fetch, analysis, widgets",
    "client = Client.sample(today='2026-03-10')",
    "widgets.explore(client, start_date='2026-02-23', end_date='2026-03-08')",
    """lists = fetch.dau(start_date='2026-02-23', end_date='2026-03-08', client=client)
def draw(window):
    table = analysis.rolling_active_users(lists, windows=window)
    return charts.rolling_active_users(table), table
widgets.panel(draw, window=[7, 28])""",
)


@pytest.mark.slow
def test_unattended_there_is_a_chart_with_its_numbers_and_no_widget(tmp_path):
    """Through papermill each is a drawing with its image, and a table; no widget, no bar, no widget state."""
    source, done = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in CELLS]), source)
    papermill.execute_notebook(str(source), str(done), kernel_name="python3", progress_bar=False, log_output=False)
    notebook = nbformat.read(done, as_version=4)
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    for figure, table in outputs[2:]:
        assert {VEGA_MIME, "image/png", "text/plain"} <= set(figure.data)
        assert "<table>" in table.data["text/html"]
    assert "widget-view" not in done.read_text()
    assert "widgets" not in notebook.metadata
