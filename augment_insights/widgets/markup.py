"""What a widget says and shows as HTML: words, errors in one sentence with what to do, tables. All of it escaped."""

from __future__ import annotations

import traceback
from html import escape
from typing import Literal

import polars as pl

from augment_insights.errors import InsightsError

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


def table_html(table: pl.DataFrame, *, title: str) -> str:
    """Return the head of a table, with its title and how many rows there are."""
    rows = "row" if table.height == 1 else "rows"
    count = f"{table.height:,} {rows}" + (f", the first {MOST_ROWS} shown" if table.height > MOST_ROWS else "")
    with pl.Config(
        tbl_rows=MOST_ROWS,
        tbl_cols=-1,
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
        float_precision=4,
    ):
        body = table.head(MOST_ROWS)._repr_html_()
    return f'<p><strong>{escape(title)}</strong> ({count})</p><div style="overflow-x: auto">{body}</div>'
