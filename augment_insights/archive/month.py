"""One month of one table as a Parquet file, with its manifest in the footer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from augment_insights.archive.folder import make_private
from augment_insights.errors import ArchiveError
from augment_insights.export import whole_file
from augment_insights.periods import DayRange
from augment_insights.tables import METRICS, USER_TYPE, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

FOOTER = "augment_insights"
"""The key of the manifest among a Parquet file's metadata."""

TOTALS = ("user_count", "active_days", *METRICS)
"""What is summed up of a day, as far as its table has it."""

MANIFEST_SCHEMA = pl.Schema(
    {
        "table": pl.String(),
        "start": pl.Date(),
        "end": pl.Date(),
        "rows": pl.Int64(),
        "users": pl.Int64(),
        "fetched_at": pl.Datetime("us", "UTC"),
        "checked_at": pl.Datetime("us", "UTC"),
        "version": pl.Int64(),
        "confirmed": pl.Int64(),
        **dict.fromkeys(TOTALS, pl.Int64()),
    }
)

_ROW_GROUP = 250_000
_ZSTD_LEVEL = 3
_INT32_MAX = 2**31 - 1

_UPCAST = pl.ScanCastOptions(integer_cast="upcast")


@dataclass(frozen=True)
class Entry:
    """A line of the manifest: one day, or one window of user_activity.

    Attributes
    ----------
    days : DayRange
        The day or window.
    rows, users : int
        How many rows and distinct users; users is None in tables without users.
    fetched_at, checked_at : datetime
        When the API first said so, and when it last did.
    version : int
        1, and one more each time the API said otherwise.
    confirmed : int
        How often it was asked again and said the same.
    totals : dict
        The sums of the day, of those columns that the table has.
    """

    days: DayRange
    rows: int
    users: int | None
    fetched_at: datetime
    checked_at: datetime
    version: int
    confirmed: int
    totals: dict[str, int | None]

    def to_json(self) -> dict[str, Any]:
        """Return what is written into the footer."""
        return {
            "start": self.days.start.isoformat(),
            "end": self.days.end.isoformat(),
            "rows": self.rows,
            "users": self.users,
            "fetched_at": self.fetched_at.astimezone(UTC).isoformat(),
            "checked_at": self.checked_at.astimezone(UTC).isoformat(),
            "version": self.version,
            "confirmed": self.confirmed,
            "totals": self.totals,
        }

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> Entry:
        """Read what :meth:`to_json` wrote."""
        return cls(
            days=DayRange(date.fromisoformat(said["start"]), date.fromisoformat(said["end"])),
            rows=said["rows"],
            users=said["users"],
            fetched_at=datetime.fromisoformat(said["fetched_at"]),
            checked_at=datetime.fromisoformat(said["checked_at"]),
            version=said["version"],
            confirmed=said["confirmed"],
            totals=said["totals"],
        )

    def to_row(self, table: str) -> dict[str, Any]:
        """Return a row of the manifest as a table."""
        return {
            "table": table,
            "start": self.days.start,
            "end": self.days.end,
            "rows": self.rows,
            "users": self.users,
            "fetched_at": self.fetched_at,
            "checked_at": self.checked_at,
            "version": self.version,
            "confirmed": self.confirmed,
            **self.totals,
        }


def manifest_frame(entries: Iterable[tuple[str, Entry]]) -> pl.DataFrame:
    """Return lines of the manifest as a table."""
    return pl.DataFrame([entry.to_row(table) for table, entry in entries], schema=MANIFEST_SCHEMA)


def span_columns(table: Table) -> list[str]:
    """Name the columns that say which day, or which window, a row belongs to."""
    return ["date"] if "date" in table.columns else ["period_start", "period_end"]


def of_days(table: Table, days: Iterable[DayRange]) -> pl.DataFrame:
    """Return the key of each day or window as a frame to join with."""
    listed = list(days)
    ends = [[span.start for span in listed], [span.end for span in listed]]
    columns = dict(zip(span_columns(table), ends, strict=False))
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Date))


def stored_schema(table: Table) -> pl.Schema:
    """Return the columns of a table's files: the user as a code in place of name and kind."""
    columns: dict[str, Any] = {}
    for name, dtype in table.schema.items():
        if name == "user":
            columns["user_code"] = pl.UInt32
        elif name != "user_type":
            columns[name] = dtype
    return pl.Schema(columns)


def summarise(
    table: Table, rows: pl.DataFrame, days: Sequence[DayRange], *, fetched_at: datetime
) -> dict[DayRange, Entry]:
    """Make the manifest's lines of these days from their rows; a day without rows has its line too."""
    key = span_columns(table)
    totals = [name for name in TOTALS if name in table.columns]
    summed = rows.group_by(key).agg(
        pl.len().cast(pl.Int64).alias("rows"),
        *([pl.col("user_code").n_unique().cast(pl.Int64).alias("users")] if "user" in table.columns else []),
        *[pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name) for name in totals],
    )
    found = {DayRange(row[key[0]], row[key[-1]]): row for row in summed.iter_rows(named=True)}
    has_users = "user" in table.columns
    nothing: dict[str, Any] = {"rows": 0, "users": 0, **dict.fromkeys(totals, 0)}
    return {
        span: Entry(
            days=span,
            rows=(row := found.get(span, nothing))["rows"],
            users=row["users"] if has_users else None,
            fetched_at=fetched_at,
            checked_at=fetched_at,
            version=1,
            confirmed=0,
            totals={name: row[name] for name in totals},
        )
        for span in days
    }


def read_entries(path: Path) -> dict[DayRange, Entry]:
    """Read a file's manifest from its footer; none where there is no file.

    Raises
    ------
    ArchiveError
        The file is damaged, or not the archive's.
    """
    if not path.exists():
        return {}
    try:
        footer = pl.read_parquet_metadata(path)
        entries = [Entry.from_json(said) for said in json.loads(footer[FOOTER])]
    except Exception as error:  # a damaged footer raises whatever the reader stumbles over
        raise damaged(path, error) from error
    return {entry.days: entry for entry in entries}


def damaged(path: Path, error: BaseException) -> ArchiveError:
    """Return the error of a file that cannot be read."""
    return ArchiveError(
        f"The archive's file {path} is damaged ({type(error).__name__}). "
        "Hint: `augment-insights sync` puts it aside and fetches its days again.",
        path=path,
    )


def scan_rows(table: Table, paths: Sequence[Path]) -> pl.LazyFrame:
    """Return the rows of some months, users as codes, integers as wide as the table's."""
    if not paths:
        return stored_schema(table).to_frame().lazy()
    return pl.scan_parquet(
        list(paths),
        schema=stored_schema(table),
        cast_options=_UPCAST,
        missing_columns="insert",  # a metric that is younger than the file
        extra_columns="ignore",
        hive_partitioning=False,
        glob=False,
    )


def write_month(path: Path, root: Path, rows: pl.DataFrame, entries: Iterable[Entry]) -> None:
    """Put a month's file in place: all its rows and its manifest, in one move."""
    make_private(path.parent, root=root)
    lines = [entry.to_json() for entry in sorted(entries, key=lambda entry: entry.days)]
    with whole_file(path, private=True) as unfinished:
        _narrowed(rows).write_parquet(
            unfinished,
            compression="zstd",
            compression_level=_ZSTD_LEVEL,
            row_group_size=_ROW_GROUP,
            metadata={FOOTER: json.dumps(lines, separators=(",", ":"))},
        )


def _narrowed(rows: pl.DataFrame) -> pl.DataFrame:
    """Store numbers in 32 bits where all of them fit: a quarter less to read."""
    wide = [name for name, dtype in rows.schema.items() if dtype == pl.Int64]
    largest = rows.select(pl.col(wide).max()).row(0) if wide else ()
    fits = [name for name, value in zip(wide, largest, strict=True) if value is None or value <= _INT32_MAX]
    return rows.with_columns(pl.col(fits).cast(pl.Int32))


USERS_SCHEMA = pl.Schema({"user_code": pl.UInt32(), "user": pl.String(), "user_type": USER_TYPE})


def read_users(path: Path) -> pl.DataFrame:
    """Read the names behind the codes: row n has code n."""
    if not path.exists():
        return USERS_SCHEMA.to_frame()
    try:
        return pl.read_parquet(path, glob=False).select(USERS_SCHEMA.names()).cast(USERS_SCHEMA)
    except Exception as error:
        raise ArchiveError(
            f"The archive's list of users {path} is damaged ({type(error).__name__}), and without it nobody knows who "
            "is who. Hint: put it back from a backup, or move the archive aside and fetch it anew.",
            path=path,
        ) from error


def scan_users(path: Path) -> pl.LazyFrame:
    """Return the names behind the codes as they are when the frame is collected.

    A code is written down before the rows that use it: whoever reads rows first and names now knows
    every name, also of rows that came after the frame was made.
    """
    if not path.exists():
        return USERS_SCHEMA.to_frame().lazy()
    return pl.scan_parquet(path, schema=USERS_SCHEMA, glob=False)


def grown(users: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Give each user of these rows who has no code yet the next one."""
    names = ["user", "user_type"]
    new = rows.select(names).unique().join(users, on=names, how="anti").sort("user_type", "user")
    codes = pl.int_range(users.height, users.height + new.height, dtype=pl.UInt32, eager=True)
    return pl.concat([users, new.select(codes.alias("user_code"), *names)])


def coded(table: Table, rows: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    """Put codes in the place of names."""
    if "user" not in table.columns:
        return rows
    joined = rows.join(users, on=["user", "user_type"], how="left", maintain_order="left")
    return joined.select(stored_schema(table).names())


def named(table: Table, rows: pl.LazyFrame, users: pl.LazyFrame) -> pl.LazyFrame:
    """Put names back in the place of codes; the order of rows stays."""
    if "user" in table.columns:
        rows = rows.join(users, on="user_code", how="left", maintain_order="left")
    return rows.select(table.schema.names())


def named_at_once(table: Table, rows: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    """Put names back by place, row n having code n: a third faster than joining, with everything in memory."""
    if "user" in table.columns:
        names = [users[name].gather(rows["user_code"]).alias(name) for name in ("user", "user_type")]
        rows = rows.with_columns(names)
    return rows.select(table.schema.names())
