"""What a widget says and shows as HTML: words, errors in one sentence with what to do, tables. All of it escaped."""

from __future__ import annotations

import traceback
from html import escape
from typing import TYPE_CHECKING, Literal

from augment_insights.errors import InsightsError
from augment_insights.reports.content import table_rows

if TYPE_CHECKING:
    import polars as pl

MOST_ROWS = 40
"""More rows than this are not read on a screen; a file has them all."""

Kind = Literal["status", "error"]

_BUG = (
    "This should not have happened, and is a bug of augment-insights. Hint: change a control to go on, and report "
    "the lines below."
)


def message(words: str, *, kind: Kind = "status") -> str:
    """Return words as HTML that a screen reader announces; an error also says that it is one."""
    role = "alert" if kind == "error" else "status"
    label = "<strong>Error:</strong> " if kind == "error" else ""
    return f'<div role="{role}" style="line-height: 1.5; max-width: 56em">{label}{escape(words)}</div>' if words else ""


def told(error: BaseException) -> str:
    """Return an error as HTML: its own sentence where it is ours or names a wrong value, else what to report."""
    if isinstance(error, (InsightsError, ValueError)):
        return message(str(error), kind="error")
    if isinstance(error, OSError):
        return message(f"{error}. Hint: choose another folder, or make room.", kind="error")
    lines = escape("".join(traceback.format_exception(error)))
    details = f"<details><summary>{escape(type(error).__name__)}</summary><pre>{lines}</pre></details>"
    return message(_BUG, kind="error") + details


def paragraph(words: str) -> str:
    """Return plain text as a paragraph; no words, no paragraph."""
    style = "max-width: 56em; line-height: 1.5; margin: 0 0 6px"
    return f'<p style="{style}">{escape(words)}</p>' if words else ""


def table_html(table: pl.DataFrame, *, title: str) -> str:
    """Return the head of a table, with its title and how many rows there are."""
    rows = "row" if table.height == 1 else "rows"
    count = f"{table.height:,} {rows}" + (f", the first {MOST_ROWS} shown" if table.height > MOST_ROWS else "")
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in table_rows(table.head(MOST_ROWS)))
    # Jupyter's own class: the table follows the notebook's theme, light or dark.
    # Its box can be reached with the Tab key, and then scrolled with the arrows.
    box = f'class="jp-RenderedHTMLCommon" tabindex="0" role="region" aria-label="{escape(title)}"'
    return (
        f"<p><strong>{escape(title)}</strong> ({count})</p>"
        f'<div {box} style="overflow: auto; max-height: 30em">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cells(row: tuple[str, ...]) -> str:
    return "".join(f"<td>{escape(text)}</td>" for text in row)
