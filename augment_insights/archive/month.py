"""One month of one table as a Parquet file, with its manifest in the footer, and users as codes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

import polars as pl

from augment_insights.errors import ArchiveError
from augment_insights.export import whole_file
from augment_insights.metrics import METRICS
from augment_insights.tables import USER_TYPE, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from augment_insights.periods import DayRange

FOOTER = "augment_insights"
"""The key of the manifest among a Parquet file's metadata."""

TOTALS = ("user_count", "active_days", *METRICS)
"""What is summed up of a day, as far as its table has it."""

COUNTS = ("rows", "users", *TOTALS)

SPAN = ["start", "end"]

MANIFEST_SCHEMA = pl.Schema(
    {
        "start": pl.Date(),
        "end": pl.Date(),
        "rows": pl.Int64(),
        "users": pl.Int64(),
        "fetched_at": pl.Datetime("us", "UTC"),
        "checked_at": pl.Datetime("us", "UTC"),
        **dict.fromkeys(TOTALS, pl.Int64()),
    }
)
"""One row a day, or a window of user_activity; the users and totals that its table does not have are null."""

SEALED = {"augment_insights_seal": "sha256"}
"""A file with this among its metadata has a checksum, see :func:`seal`."""

_SEAL = b"checksum"
_PARQUET_TAIL = 8
"""Bytes after a Parquet file's footer: its length, and a mark."""

_ROW_GROUP = 250_000
_ZSTD_LEVEL = 3
_INT32_MAX = 2**31 - 1

_UPCAST = pl.ScanCastOptions(integer_cast="upcast")

_FOR_OLDER_READERS = {"version": 1, "confirmed": 0}
"""What releases before restatements.parquet expect of each line."""


# ---- Days and windows: their frames have the columns start and end ----


def span_frame(days: Iterable[DayRange]) -> pl.DataFrame:
    """Return days or windows as a frame to join with."""
    rows = [(span.start, span.end) for span in days]
    return pl.DataFrame(rows, schema=dict.fromkeys(SPAN, pl.Date), orient="row")


def span_columns(table: Table) -> list[str]:
    """Name the columns that say which day, or which window, a row belongs to."""
    return ["date"] if "date" in table.columns else ["period_start", "period_end"]


def spans_in(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the days or windows that rows belong to."""
    key = span_columns(table)
    return rows.select(pl.col(key[0]).alias("start"), pl.col(key[-1]).alias("end")).unique()


def rows_of(table: Table, rows: pl.DataFrame, spans: pl.DataFrame, *, how: Literal["semi", "anti"]) -> pl.DataFrame:
    """Return the rows of these days or windows, or with ``"anti"`` all others."""
    key = span_columns(table)
    return rows.join(spans, left_on=key, right_on=SPAN[: len(key)], how=how, maintain_order="left")


# ---- The manifest ----


def summarise(table: Table, rows: pl.DataFrame, spans: pl.DataFrame, *, fetched_at: datetime) -> pl.DataFrame:
    """Make the manifest's lines of these days from their rows; a day without rows has its line too."""
    key = span_columns(table)
    totals = [name for name in TOTALS if name in table.columns]
    summed = rows.group_by(key).agg(
        pl.len().alias("rows"),
        *([pl.col("user_code").n_unique().alias("users")] if "user" in table.columns else []),
        *[pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name) for name in totals],
    )
    lines = spans.select(SPAN).join(summed, left_on=SPAN[: len(key)], right_on=key, how="left", maintain_order="left")
    counts = [
        pl.when(pl.col("rows").is_null()).then(0).otherwise(pl.col(name)).cast(pl.Int64).alias(name)
        for name in lines.columns
        if name in COUNTS
    ]
    moment = pl.lit(fetched_at, MANIFEST_SCHEMA["fetched_at"])
    lines = lines.with_columns(*counts, fetched_at=moment, checked_at=moment)
    return pl.concat([MANIFEST_SCHEMA.to_frame(), lines], how="diagonal")


def read_manifest(path: Path) -> pl.DataFrame:
    """Read a file's manifest from its footer; no lines where there is no file.

    Raises
    ------
    ArchiveError
        The file is damaged, or not the archive's.
    """
    if not path.exists():
        return MANIFEST_SCHEMA.to_frame()
    texts = dict.fromkeys((*SPAN, "fetched_at", "checked_at"), pl.String())
    try:
        check_seal(path)
        lines = json.loads(pl.read_parquet_metadata(path)[FOOTER])
        frame = pl.DataFrame([line | line["totals"] for line in lines], schema={**MANIFEST_SCHEMA, **texts})
        return frame.with_columns(
            pl.col(SPAN).str.to_date(),
            pl.col("fetched_at", "checked_at").str.to_datetime(time_unit="us", time_zone="UTC"),
        )
    except Exception as error:  # a damaged footer raises whatever the reader stumbles over
        raise damaged(path, error) from error


def damaged(path: Path, error: BaseException) -> ArchiveError:
    """Return the error of a file that cannot be read."""
    return ArchiveError(
        f"The archive's file {path} is damaged ({type(error).__name__}). "
        "Hint: `augment-insights sync` quarantines it and fetches its days again.",
        path=path,
    )


# ---- The checksum ----


def seal(path: Path) -> None:
    """Put a checksum of a Parquet file between its data and its footer, where no reader looks."""
    content = path.read_bytes()
    cut = _footer_at(content)
    path.write_bytes(b"".join((content[:cut], _SEAL, sha256(content).digest(), content[cut:])))


def check_seal(path: Path) -> None:
    """Raise a ValueError if a file is not the one that was sealed; one of an earlier release has no checksum."""
    state = path.stat()
    _check_seal(path, state.st_mtime_ns, state.st_size, state.st_ino)


@lru_cache(maxsize=4096)  # each state of a file once in a process
def _check_seal(path: Path, *_state: int) -> None:
    content = path.read_bytes()
    cut = _footer_at(content)
    start = cut - len(_SEAL) - sha256().digest_size
    has_seal = start > 0 and content.startswith(_SEAL, start)
    if not has_seal and next(iter(SEALED)) not in pl.read_parquet_metadata(path):
        return
    digest = sha256(memoryview(content)[: max(start, 0)])
    digest.update(memoryview(content)[cut:])
    if digest.digest() != content[start + len(_SEAL) : cut]:
        raise ValueError("checksum")


def _footer_at(content: bytes) -> int:
    return len(content) - _PARQUET_TAIL - int.from_bytes(content[-_PARQUET_TAIL:-4], "little")


# ---- The rows ----


def stored_schema(table: Table) -> pl.Schema:
    """Return the columns of a table's files: the user as a code in place of name and kind."""
    return pl.Schema(
        ("user_code", pl.UInt32()) if name == "user" else (name, dtype)
        for name, dtype in table.schema.items()
        if name != "user_type"
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


def write_month(path: Path, rows: pl.DataFrame, manifest: pl.DataFrame) -> None:
    """Put a month's file in place: all its rows and its manifest, in one atomic move."""
    for folder in (path.parent.parent, path.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
    lines = []
    for line in manifest.sort(SPAN).iter_rows(named=True):
        totals = {name: line.pop(name) for name in TOTALS}
        kept = {name: total for name, total in totals.items() if name in rows.columns}
        lines.append({**line, **_FOR_OLDER_READERS, "totals": kept})
    # Numbers are stored in 32 bits where all of a column fit: a quarter less to read.
    wide = [name for name, dtype in rows.schema.items() if dtype == pl.Int64]
    largest = rows.select(pl.col(wide).max()).row(0) if wide else ()
    narrow = [name for name, value in zip(wide, largest, strict=True) if value is None or value <= _INT32_MAX]
    with whole_file(path, private=True) as unfinished:
        rows.with_columns(pl.col(narrow).cast(pl.Int32)).write_parquet(
            unfinished,
            compression="zstd",
            compression_level=_ZSTD_LEVEL,
            row_group_size=_ROW_GROUP,
            metadata={FOOTER: json.dumps(lines, default=str, separators=(",", ":")), **SEALED},
        )
        seal(unfinished)


def remove_days(table: Table, path: Path, spans: pl.DataFrame) -> None:
    """Rewrite a month's file without some of its days."""
    rows = rows_of(table, scan_rows(table, [path]).collect(), spans, how="anti")
    write_month(path, rows, read_manifest(path).join(spans, on=SPAN, how="anti"))


def find_damage(table: Table, path: Path, *, users: int) -> pl.DataFrame:
    """Compare all rows of a file with its manifest.

    Parameters
    ----------
    table : Table
        Whose file it is.
    path : Path
        The file.
    users : int
        How many codes have a name.

    Returns
    -------
    pl.DataFrame
        The damaged days or windows, ``start`` and ``end``, and in ``detail`` what is wrong with them.

    Raises
    ------
    ArchiveError
        The file cannot be read at all.
    """
    manifest = read_manifest(path)
    try:
        rows = scan_rows(table, [path]).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise damaged(path, error) from error
    again = summarise(table, rows, manifest, fetched_at=datetime.now(UTC))
    days = spans_in(table, rows)
    listed = manifest.filter(pl.col("start").dt.strftime("month=%Y-%m") == path.parent.name)
    stored = {"user": ["user_code"], "user_type": [], "period_start": span_columns(table)}
    unique = [column for name in table.key for column in stored.get(name, [name])]
    found = {
        "rows and manifest differ": manifest.join(again, on=[*SPAN, *COUNTS], how="anti", nulls_equal=True),
        "rows of a day that is not in the manifest": days.join(listed, on=SPAN, how="anti"),
        "duplicate rows": spans_in(table, rows.filter(rows.select(unique).is_duplicated())),
    }
    if "user" in table.columns:
        nameless = rows.filter(pl.col("user_code") >= users)
        found["users without a name in users.parquet"] = spans_in(table, nameless)
    return pl.concat(frame.select(*SPAN, pl.lit(detail).alias("detail")) for detail, frame in found.items())


# ---- Users ----

USERS_SCHEMA = pl.Schema({"user_code": pl.UInt32(), "user": pl.String(), "user_type": USER_TYPE})


def read_users(path: Path) -> pl.DataFrame:
    """Read the names behind the codes: row n has code n."""
    return read_small(path, USERS_SCHEMA, hint="put it back from a backup, or move the archive aside and fetch it anew")


def read_small(path: Path, schema: pl.Schema, *, hint: str) -> pl.DataFrame:
    """Read a Parquet file that stands beside the tables; no rows where there is no file.

    Raises
    ------
    ArchiveError
        The file is damaged.
    """
    if not path.exists():
        return schema.to_frame()
    try:
        check_seal(path)
        return pl.read_parquet(path, glob=False).select(schema.names()).cast(schema)
    except Exception as error:
        raise ArchiveError(f"{path} is damaged ({type(error).__name__}). Hint: {hint}.", path=path) from error


def write_small(path: Path, frame: pl.DataFrame) -> None:
    """Write a file that stands beside the tables, whole and sealed."""
    with whole_file(path, private=True) as unfinished:
        frame.write_parquet(unfinished, compression="zstd", metadata=SEALED)
        seal(unfinished)


def scan_users(path: Path) -> pl.LazyFrame:
    """Return the names behind the codes as they are when the frame is collected.

    A code is written down before the rows that use it: whoever reads rows first and names now knows
    every name, also of rows that came after the frame was made.
    """
    if not path.exists():
        return USERS_SCHEMA.to_frame().lazy()
    return pl.scan_parquet(path, schema=USERS_SCHEMA, glob=False)


def with_new_users(users: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Give each user of these rows who has no code yet the next one."""
    names = ["user", "user_type"]
    new = rows.select(names).unique().join(users, on=names, how="anti").sort("user_type", "user")
    codes = pl.int_range(users.height, users.height + new.height, dtype=pl.UInt32, eager=True)
    return pl.concat([users, new.select(codes.alias("user_code"), *names)])


def named_at_once(table: Table, rows: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    """Put names back by place, row n having code n: a third faster than joining, with everything in memory."""
    if "user" in table.columns:
        names = [users[name].gather(rows["user_code"]).alias(name) for name in ("user", "user_type")]
        rows = rows.with_columns(names)
    return rows.select(table.schema.names())
