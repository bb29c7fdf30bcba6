"""Buttons that write what is shown into a folder: the chart, its numbers, or the whole report."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipywidgets import HTML, Box, Button, Layout, Text, VBox

from augment_insights import export
from augment_insights.charts import theme
from augment_insights.widgets.markup import message, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from augment_insights.widgets.questions import Answer

DRAWINGS: dict[str, Callable[[theme.Spec], bytes]] = {
    "png": theme.to_png,
    "svg": lambda spec: theme.to_svg(spec).encode(),
}
"""The formats of a chart, and who draws them."""

TABLES = ("csv", "xlsx", "parquet")
"""The formats of a table."""

_WHAT = {
    "png": ("Chart as PNG", "Saves the chart as an image for slides"),
    "svg": ("Chart as SVG", "Saves the chart as a drawing that stays sharp at any size"),
    "csv": ("Table as CSV", "Saves the numbers behind the chart as text"),
    "xlsx": ("Table as XLSX", "Saves the numbers behind the chart as a workbook"),
    "parquet": ("Table as Parquet", "Saves the numbers behind the chart with their types, for Polars and DuckDB"),
    "report": ("Whole report", "Saves every question with these filters as one page that can be passed on"),
}


def save_answer(answer: Answer, path: Path, kind: str) -> Path:
    """Write the chart or the table of an answer in a format, whole or not at all.

    Raises
    ------
    ValueError
        The answer has nothing that goes into such a file.
    """
    if kind in DRAWINGS:
        if answer.chart is None:
            raise ValueError("There is no chart to save. Hint: save the table.")
        drawn = DRAWINGS[kind](theme.to_vegalite(answer.chart))
        with export.whole_file(path) as unfinished:
            unfinished.write_bytes(drawn)
        return path
    if answer.table is None:
        raise ValueError("There is no table to save. Hint: save the chart.")
    if kind == "xlsx":
        return export.write_workbook({answer.title: answer.table}, path)
    return export.write_table(answer.table, path)


class Exports(VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A folder, a button a format, and the path of the last file.

    Parameters
    ----------
    answer : callable
        Returns what is shown, or None.
    name : callable
        Returns the file's name without its ending.
    report : callable, optional
        Writes the whole report to a path; without it there is no such button.
    """

    def __init__(
        self,
        answer: Callable[[], Answer | None],
        name: Callable[[], str],
        *,
        report: Callable[[Path], Path] | None = None,
    ) -> None:
        self._answer = answer
        self._name = name
        self._report = report
        self.folder = Text(
            value="reports",
            description="Folder",
            tooltip="The folder for saved files; made when it is missing",
            continuous_update=False,
        )
        kinds = [kind for kind in _WHAT if kind != "report" or report is not None]
        self.buttons: dict[str, Any] = {kind: self._button(kind) for kind in kinds}
        self.saved = HTML()
        row = Box(list(self.buttons.values()), layout=Layout(display="flex", flex_flow="row wrap"))
        super().__init__([HTML("<strong>Save</strong>"), self.folder, row, self.saved])

    def save(self, kind: str) -> Path | None:
        """Write a file and say where it is; None where there is nothing to write, which is said too."""
        self.saved.value = message("Writing …")
        try:
            path = self._write(kind)
        except Exception as error:  # noqa: BLE001 (a handler's error would be lost: it is told)
            self.saved.value = told(error)
            return None
        self.saved.value = message(f"Saved: {path.resolve()}")
        return path

    def _write(self, kind: str) -> Path:
        answer = self._answer()
        if answer is None:
            raise ValueError(
                "There is nothing to save yet. Hint: wait for the data, or choose a question that has some."
            )
        folder = Path(self.folder.value.strip() or ".").expanduser()
        if kind == "report" and self._report is not None:
            return self._report(folder / f"{self._name()}-report.html")
        return save_answer(answer, folder / f"{self._name()}.{kind}", kind)

    def _button(self, kind: str) -> Any:
        label, tooltip = _WHAT[kind]
        button = Button(description=label, tooltip=tooltip, layout=Layout(width="auto"))
        button.on_click(partial(self._clicked, kind))
        return button

    def _clicked(self, kind: str, _button: object) -> None:
        self.save(kind)
