"""The tables that move between the floors: grain, columns, dtypes, units, and the check at the door.

A table is named after its noun, and one noun runs all the way up: ``fetch.dau_count`` returns the
table ``DAU_COUNT``, ``analysis.acceptance_rate`` returns ``ACCEPTANCE_RATE``, and the chart of the
same name draws it. Columns may be more than a table asks for (a joined ``team``), never fewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

import polars as pl

from augment_insights.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Mapping

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)

USER_TYPE = pl.Enum(["person", "service_account"])
"""Who a user is: a person (an e-mail) or automation (a service account's name)."""

METRICS: Mapping[str, str] = {
    "total_modified_lines_of_code": "lines modified, all ways of working together",
    "total_messages": "messages, all ways of working together",
    "total_tool_calls": "tool calls of all agents",
    "completions_count": "inline completions suggested",
    "completions_accepted": "inline completions that the user accepted",
    "completions_lines_of_code": "lines written by accepted completions",
    "completions_suggested_lines_of_code": "lines that completions suggested; the API may leave it out",
    "chat_messages": "chat messages",
    "remote_agent_messages": "messages to the remote agent",
    "remote_agent_lines_of_code": "lines by the remote agent",
    "ide_agent_messages": "messages to the IDE agent",
    "ide_agent_lines_of_code": "lines by the IDE agent",
    "cli_agent_interactive_messages": "messages to the CLI agent, interactive",
    "cli_agent_interactive_lines_of_code": "lines by the CLI agent, interactive",
    "cli_agent_non_interactive_messages": "messages to the CLI agent, non-interactive",
    "cli_agent_non_interactive_lines_of_code": "lines by the CLI agent, non-interactive",
}
"""The sixteen metrics under the API's own names, and what each counts."""


@dataclass(frozen=True)
class Column:
    """One column: its dtype, what it means with its unit, and whether null can stand in it."""

    dtype: pl.DataType | type[pl.DataType]
    meaning: str
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """The contract of a table.

    Attributes
    ----------
    name : str
        The noun, in lower case.
    grain : str
        What one row is.
    key : tuple of str
        The columns that name a row; no two rows share them.
    columns : Mapping of str to Column
        Every column, in order.
    source : str
        Where the numbers come from.
    """

    name: str
    grain: str
    key: tuple[str, ...]
    columns: Mapping[str, Column]
    source: str

    @property
    def schema(self) -> pl.Schema:
        """The columns and dtypes, in order."""
        return pl.Schema({name: column.dtype for name, column in self.columns.items()})

    def empty(self) -> pl.DataFrame:
        """Return the table without rows."""
        return self.schema.to_frame()

    def check(self, frame: Frame) -> Frame:
        """Return the frame if it keeps this contract.

        Columns may be more; dtypes of the named ones must match (any integer width will do).

        Raises
        ------
        TableError
            Naming what is missing or of another dtype, and what to do.

        Examples
        --------
        >>> DAU_COUNT.check(pl.DataFrame({"day": [], "user_count": []}))
        Traceback (most recent call last):
        ...
        augment_insights.errors.TableError: The table dau_count needs the column 'date'. ...
        """
        schema = columns_of(frame)
        require(schema, tuple(self.columns), table=self.name)
        for name, column in self.columns.items():
            if not _same_kind(schema[name], column.dtype):
                raise TableError(
                    f"The table {self.name} has {name!r} as {schema[name]}, and it should be {column.dtype}.",
                    table=self.name,
                    hint=f"cast it: frame.with_columns(pl.col({name!r}).cast(pl.{column.dtype})).",
                )
        return frame


def columns_of(frame: pl.DataFrame | pl.LazyFrame) -> pl.Schema:
    """Return a frame's schema, and a clear error for what is no Polars frame."""
    if isinstance(frame, (pl.DataFrame, pl.LazyFrame)):
        return frame.collect_schema()
    raise TableError(
        f"A Polars DataFrame or LazyFrame is needed, and a {type(frame).__name__} came.",
        table="frame",
        hint="convert it with pl.DataFrame(...) or pl.from_pandas(...).",
    )


def require(schema: pl.Schema, names: tuple[str, ...], *, table: str) -> None:
    """Raise a TableError that names every missing column, and the nearest that is there."""
    missing = [name for name in names if name not in schema]
    if not missing:
        return
    near = {name: get_close_matches(name, schema.names(), n=1) for name in missing}
    hints = [f"did you mean {found[0]!r} for {name!r}?" for name, found in near.items() if found]
    listed = ", ".join(map(repr, missing))
    plural = "s" if len(missing) > 1 else ""
    raise TableError(
        f"The table {table} needs the column{plural} {listed}. It has: {', '.join(schema.names()) or 'no columns'}.",
        table=table,
        missing=missing,
        hint=" ".join(hints),
    )


def _same_kind(found: pl.DataType, wanted: pl.DataType | type[pl.DataType]) -> bool:
    """Tell whether a dtype will do: text may be text of any kind, an integer of any width."""
    text = (pl.String, pl.Categorical, pl.Enum)
    if isinstance(wanted, pl.Enum) or wanted in text:
        return isinstance(found, text)
    if wanted in (pl.Int64, pl.UInt32):
        return found.is_integer()
    return found == wanted


_DATE = Column(pl.Date(), "UTC day")
_PERIOD_START = Column(pl.Date(), "first UTC day of the period")
_PERIOD_END = Column(pl.Date(), "last UTC day of the period")
_USER = Column(pl.String(), "e-mail of a person, name of a service account, as the API gave it")
_USER_TYPE = Column(USER_TYPE, "person or service_account")
_METRIC_COLUMNS = {name: Column(pl.Int64(), meaning, nullable=True) for name, meaning in METRICS.items()}

DAU_COUNT = Table(
    name="dau_count",
    grain="one row a UTC day of the range",
    key=("date",),
    columns={"date": _DATE, "user_count": Column(pl.Int64(), "active users that day")},
    source="GET /analytics/v0/dau-count",
)

DAU = Table(
    name="dau",
    grain="one row a user and active UTC day",
    key=("date", "user_type", "user"),
    columns={"date": _DATE, "user": _USER, "user_type": _USER_TYPE},
    source="GET /analytics/v0/dau",
)

DAILY_USAGE = Table(
    name="daily_usage",
    grain="one row a UTC day of the range",
    key=("date",),
    columns={"date": _DATE, **_METRIC_COLUMNS},
    source="GET /analytics/v0/daily-usage",
)

USER_ACTIVITY = Table(
    name="user_activity",
    grain="one row a user with activity, and a period",
    key=("period_start", "user_type", "user"),
    columns={
        "period_start": _PERIOD_START,
        "period_end": _PERIOD_END,
        "user": _USER,
        "user_type": _USER_TYPE,
        "active_days": Column(pl.Int64(), "days with activity in the period"),
        **_METRIC_COLUMNS,
    },
    source="GET /analytics/v0/user-activity",
)

EDITOR_LANGUAGE = Table(
    name="editor_language",
    grain="one row a user, active UTC day, language and editor",
    key=("date", "user_type", "user", "language", "editor"),
    columns={
        "date": _DATE,
        "user": _USER,
        "user_type": _USER_TYPE,
        "language": Column(pl.String(), "programming language, as the API names it; may be Unknown"),
        "editor": Column(pl.String(), "editor, as the API names it; may be Unknown"),
        **_METRIC_COLUMNS,
    },
    source="GET /analytics/v0/daily-user-activity-by-editor-language",
)

ENDPOINT_TABLES: Mapping[str, Table] = {
    table.name: table for table in (DAU_COUNT, DAU, DAILY_USAGE, USER_ACTIVITY, EDITOR_LANGUAGE)
}
"""The five tables that come from the API, by name."""
