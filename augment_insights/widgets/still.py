"""An answer without controls: what a notebook keeps that runs unattended, and what a terminal prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augment_insights.charts import theme
from augment_insights.widgets.markup import message, table_html

if TYPE_CHECKING:
    from augment_insights.widgets.questions import Answer


class Still:
    """Shows a chart and the numbers behind it, as the last line of a cell.

    Attributes
    ----------
    answer : Answer
        ``title``, ``chart``, ``table`` and ``how_to_read``.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def __repr__(self) -> str:
        parts = [self.answer.title, self.answer.how_to_read, *self.answer.notes]
        if self.answer.table is not None:
            parts.append(str(self.answer.table))
        return "\n".join(part for part in parts if part)

    def _ipython_display_(self) -> None:
        """Show the chart with its image, then the table: nothing that needs a kernel to be read."""
        from IPython import display  # noqa: PLC0415 (there only within Jupyter)

        if self.answer.chart is not None:
            data, metadata = theme.mime_bundle(theme.to_vegalite(self.answer.chart), png=True)
            display.display(data, metadata=metadata, raw=True)  # type: ignore[no-untyped-call]  # it has no types
        for note in self.answer.notes:
            display.display(display.HTML(message(f"Note: {note}")))  # type: ignore[no-untyped-call]  # as above
        if self.answer.table is not None:
            html = display.HTML(table_html(self.answer.table, title=self.answer.title))  # type: ignore[no-untyped-call]
            display.display(html)  # type: ignore[no-untyped-call]  # as above
