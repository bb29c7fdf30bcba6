"""Where an answer is shown: live below the controls, or still in an unattended notebook and a terminal; and saved."""

from __future__ import annotations

import os
import traceback
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython import display
from ipywidgets import HTML, Box, Button, Checkbox, DatePicker, Layout, Output, Text, VBox
from traitlets import validate

from augment_insights import export
from augment_insights.charts import theme
from augment_insights.errors import InsightsError, plural
from augment_insights.reports.content import table_rows
from augment_insights.tables import column_words
from augment_insights.transport.settings import in_notebook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import polars as pl

    from augment_insights.charts.theme import Chart

_MOST_ROWS = 40
"""More rows than this are not read on a screen; a file has them all."""

_MOST_DOWNLOADED = 5_000_000
"""Bytes of a file that travels to the browser within the widget: a report has two million at most."""

_CHART_HEIGHT = "390px"
_TEXT = "line-height: 1.5; max-width: 56em"

_BUG = "This is a bug of augment-insights. Hint: change a control to go on, and report the lines below."

_KINDS = {
    "png": ("Chart as PNG", "Saves the chart as an image for slides"),
    "svg": ("Chart as SVG", "Saves the chart as a drawing that stays sharp at any size"),
    "csv": ("Table as CSV", "Saves the numbers behind the chart as text"),
    "xlsx": ("Table as XLSX", "Saves the numbers behind the chart as a workbook"),
    "parquet": ("Table as Parquet", "Saves the numbers behind the chart with their types, for Polars and DuckDB"),
    "report": ("Whole report", "Saves every question with these filters as one page that can be passed on"),
}
"""What can be saved: label and tooltip of its button."""


def has_controls(*, wanted: bool | None) -> bool:
    """Tell whether controls are of use: as wanted, else wherever somebody can reach them."""
    return in_notebook() or under_voila() if wanted is None else wanted


def under_voila() -> bool:
    """Tell whether voila started this kernel, which looks unattended although somebody sees the page."""
    return "VOILA_BASE_URL" in os.environ


@dataclass(frozen=True, repr=False)
class Answer:
    """A chart and the numbers behind it, how to read the two, and what the analysis warned of.

    As the last line of a cell it shows itself without widgets, so that a saved notebook can be read without a kernel.
    """

    title: str
    table: pl.DataFrame | None = None
    chart: Chart | None = None
    how_to_read: str = ""
    notes: tuple[str, ...] = ()

    @property
    def answer(self) -> Answer:
        """The answer itself, under the name that the live widgets have it under."""
        return self

    def __repr__(self) -> str:
        table = "" if self.table is None else str(self.table)
        return "\n".join(part for part in (self.title, self.how_to_read, *self.notes, table) if part)

    def _ipython_display_(self) -> None:
        show: Any = display.display  # it has no types
        if self.chart is not None:
            data, metadata = theme.mime_bundle(theme.to_vegalite(self.chart), png=True)
            show(data, metadata=metadata, raw=True)
        html = [message(f"Note: {note}") for note in self.notes]
        if self.table is not None:
            html.append(table_html(self.table, title=self.title))
        for part in html:
            show({"text/html": part}, raw=True)

    def save(self, path: Path, kind: str) -> Path:
        """Write the chart or the table in a format, whole or not at all.

        Raises
        ------
        ValueError
            There is nothing that goes into such a file.
        """
        if kind in ("png", "svg"):
            if self.chart is None:
                raise ValueError("There is no chart to save. Hint: save the table.")
            spec = theme.to_vegalite(self.chart)
            drawn = theme.to_png(spec) if kind == "png" else theme.to_svg(spec).encode()
            with export.whole_file(path) as unfinished:
                unfinished.write_bytes(drawn)
        elif self.table is None:
            raise ValueError("There is no table to save. Hint: save the chart.")
        elif kind == "xlsx":
            export.write_workbook({self.title: self.table}, path, words=partial(column_words, people=""))
        else:
            export.write_table(self.table, path)
        return path


class DayPicker(DatePicker):  # type: ignore[misc]  # ipywidgets has no types
    """A date picker that greys out days beyond its bounds, and leaves a typed one for the handler to judge.

    ipywidgets' own would replace a year that is half typed by the nearest bound.
    """

    @validate("value")
    def _validate_value(self, proposal: Mapping[str, Any]) -> Any:
        return proposal["value"]


class Screen(VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Shows one answer, or says in a sentence why there is none; its buttons write the answer into a folder.

    Parameters
    ----------
    name : callable
        Returns the name of a file without its suffix.
    report : callable, optional
        Writes the whole report to a path; without it there is no such button.
    """

    def __init__(self, name: Callable[[], str], *, report: Callable[[Path], Path] | None = None) -> None:
        self.answer: Answer | None = None
        self._name, self._report = name, report
        self.words, self.reading, self.saved = HTML(), HTML(), HTML()
        self.chart = Output(layout=Layout(overflow="auto hidden"))
        self.with_numbers = Checkbox(
            description="Show the numbers behind the figure",
            tooltip="Shows the table that the chart draws",
            indent=False,
        )
        self.numbers = HTML()
        self.folder = Text(
            value="reports", description="Folder", tooltip="The folder for saved files", continuous_update=False
        )
        self.buttons: dict[str, Any] = {}
        for kind, (label, tooltip) in _KINDS.items():
            if kind != "report" or report is not None:
                self.buttons[kind] = Button(description=label, tooltip=tooltip, layout=Layout(width="auto"))
                self.buttons[kind].on_click(partial(self._on_save, kind))
        row = Box(list(self.buttons.values()), layout=Layout(display="flex", flex_flow="row wrap"))
        figure = [self.words, self.chart, self.reading, self.with_numbers, self.numbers]
        super().__init__([*figure, HTML("<strong>Save</strong>"), self.folder, row, self.saved])
        self.with_numbers.observe(self._show_numbers, "value")
        self.clear()

    def show(self, answer: Answer) -> None:
        """Show an answer in place of the last one, and above it what the reader should know."""
        outputs: tuple[dict[str, Any], ...] = ()
        if answer.chart is not None:
            # Voila draws the chart, and complains under it where there is no image beside it.
            data, metadata = theme.mime_bundle(theme.to_vegalite(answer.chart), png=under_voila())
            outputs = ({"output_type": "display_data", "data": data, "metadata": metadata},)
        self.answer = answer
        self.words.value = "".join(message(f"Note: {note}") for note in answer.notes)
        self.chart.layout.min_height = _CHART_HEIGHT if outputs else None
        show_if(self.chart, shown=bool(outputs))
        self.chart.outputs = outputs
        self.reading.value = f'<p style="{_TEXT}; margin: 0 0 6px">{escape(answer.how_to_read)}</p>'
        show_if(self.with_numbers, shown=bool(outputs) and answer.table is not None)
        self._show_numbers()

    def fail(self, error: Exception) -> None:
        """Say why there is no answer, and show none: an old one would be taken for the new."""
        self.clear()
        self.words.value = error_html(error)

    def clear(self) -> None:
        """Show nothing."""
        self.show(Answer(""))
        self.answer = None

    def _show_numbers(self, _change: object = None) -> None:
        answer = self.answer
        shown = answer is not None and answer.table is not None and (self.with_numbers.value or answer.chart is None)
        show_if(self.numbers, shown=shown)
        if shown and answer is not None and answer.table is not None:
            self.numbers.value = table_html(answer.table, title=answer.title)

    def _on_save(self, kind: str, _button: object) -> None:
        self.saved.value = message("Writing …")
        with showing_errors(lambda error: setattr(self.saved, "value", error_html(error))):
            path = self._save(kind).resolve()
            self.saved.value = message(f"Saved: {path}") + download_html(path)

    def _save(self, kind: str) -> Path:
        if self.answer is None:
            raise ValueError("There is nothing to save yet. Hint: wait for the data, or choose another question.")
        folder = Path(self.folder.value.strip() or ".").expanduser()
        if kind == "report" and self._report is not None:
            return self._report(folder / f"{self._name()}-report.html")
        return self.answer.save(folder / f"{self._name()}.{kind}", kind)


def show_if(widget: Any, *, shown: bool) -> None:
    """Show a widget, or hide it together with its space."""
    widget.layout.display = None if shown else "none"


@contextmanager
def showing_errors(show: Callable[[Exception], None]) -> Iterator[None]:
    """Show what goes wrong within: the error of a handler or a thread has nobody to be raised to."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 (whatever it is, it would be lost)
        show(error)


def message(words: str, *, is_error: bool = False) -> str:
    """Return words as HTML that a screen reader announces; an error also says that it is one."""
    role, label = ("alert", "<strong>Error:</strong> ") if is_error else ("status", "")
    return f'<div role="{role}" style="{_TEXT}">{label}{escape(words)}</div>' if words else ""


def error_html(error: Exception) -> str:
    """Return an error as HTML: its own sentence where it is ours or names a wrong value, else what to report."""
    if isinstance(error, (InsightsError, ValueError)):
        return message(str(error), is_error=True)
    if isinstance(error, OSError):
        return message(f"{error}. Hint: choose another folder, or make room.", is_error=True)
    lines = escape("".join(traceback.format_exception(error)))
    details = f"<details><summary>{escape(type(error).__name__)}</summary><pre>{lines}</pre></details>"
    return message(_BUG, is_error=True) + details


def download_html(path: Path) -> str:
    """Return a link that brings a saved file from where the notebook runs to the reader's own machine."""
    size = path.stat().st_size
    if size > _MOST_DOWNLOADED:
        return message(f"At {size / 1e6:.0f} MB it is too large to download from here. Hint: take it from the folder.")
    name, data = escape(path.name), b64encode(path.read_bytes()).decode("ascii")
    style = "color: var(--jp-content-link-color, #0072b2); text-decoration: underline"
    link = f'download="{name}" href="data:application/octet-stream;base64,{data}"'
    return f'<a {link} style="{style}">Download {name}</a>'


def table_html(table: pl.DataFrame, *, title: str) -> str:
    """Return the head of a table, with its title and how many rows there are."""
    count = plural(table.height, "row") + (f", the first {_MOST_ROWS} shown" if table.height > _MOST_ROWS else "")
    head = "".join(f'<th scope="col">{escape(column_words(name, people=""))}</th>' for name in table.columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in table_rows(table.head(_MOST_ROWS))
    )
    # Jupyter's own class: the table follows the notebook's theme, light or dark.
    # Its box can be reached with the Tab key, and then scrolled with the arrows.
    box = f'class="jp-RenderedHTMLCommon" tabindex="0" role="region" aria-label="{escape(title)}"'
    return (
        f"<p><strong>{escape(title)}</strong> ({count})</p>"
        f'<div {box} style="overflow: auto; max-height: 30em">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
