"""Where an answer is shown: a line of words, the chart, how to read it, and on demand the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ipywidgets import HTML, Checkbox, Layout, Output, VBox

from augment_insights.charts import theme
from augment_insights.widgets.host import under_voila
from augment_insights.widgets.markup import message, paragraph, table_html, told

if TYPE_CHECKING:
    from augment_insights.widgets.questions import Answer

_CHART_HEIGHT = "390px"


class Screen(VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Shows one answer, or says in a sentence why there is none."""

    def __init__(self) -> None:
        self.words = HTML()
        self.chart = Output(layout=Layout(overflow="auto hidden"))
        self.reading = HTML()
        self.with_numbers = Checkbox(
            value=False,
            description="Show the numbers behind the figure",
            tooltip="Shows the table that the chart draws, as text",
            indent=False,
        )
        self.numbers = HTML(layout=Layout(display="none"))
        self.answer: Answer | None = None
        self.with_numbers.observe(self._show_numbers, "value")
        super().__init__([self.words, self.chart, self.reading, self.with_numbers, self.numbers])
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
        self.chart.layout.display = None if outputs else "none"
        self.chart.outputs = outputs
        self.reading.value = paragraph(answer.how_to_read)
        self.with_numbers.layout.display = None if outputs and answer.table is not None else "none"
        self._show_numbers()

    def fail(self, error: BaseException) -> None:
        """Say why there is no answer, and show none: an old one would be taken for the new."""
        self.clear()
        self.words.value = told(error)

    def clear(self) -> None:
        """Show nothing."""
        self.answer = None
        self.chart.outputs = ()
        self.chart.layout.display = "none"
        self.words.value = self.reading.value = self.numbers.value = ""
        self.with_numbers.layout.display = "none"
        self.numbers.layout.display = "none"

    def _show_numbers(self, _change: object = None) -> None:
        answer = self.answer
        wanted = answer is not None and answer.table is not None and (self.with_numbers.value or answer.chart is None)
        self.numbers.layout.display = None if wanted else "none"
        if wanted and answer is not None and answer.table is not None:
            self.numbers.value = table_html(answer.table, title=answer.title)
