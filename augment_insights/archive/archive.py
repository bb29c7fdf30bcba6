"""What the archive holds, how it is read and written, and whether it is whole."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from augment_insights.archive import month
from augment_insights.errors import ArchiveError, CacheWarning, TableError, did_you_mean, warn_reader
from augment_insights.export import whole_file
from augment_insights.metrics import METRICS
from augment_insights.periods import DayRange, day_ranges, last_published_day, utc_day
from augment_insights.tables import ENDPOINT_TABLES, USER_ACTIVITY, Table, folded_user

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime
    from os import PathLike

    from filelock import FileLock

FORMAT = 1
"""The layout's number, for the day when there is another."""

SETTLED_AFTER_DAYS = 3
"""How old a day is before it is kept: the API does not promise that newer ones stay as they are."""

LOCK_SECONDS = 60.0
"""How long a writer waits for another: a commit takes a second or so."""

PROBLEM_SCHEMA = pl.Schema(
    {"table": pl.String, "start": pl.Date, "end": pl.Date, "problem": pl.String, "detail": pl.String}
)

RESTATEMENT_SCHEMA = pl.Schema(
    {
        "table": pl.String(),
        "day": pl.Date(),
        "last_day": pl.Date(),
        "metric": pl.String(),
        "old_total": pl.Int64(),
        "new_total": pl.Int64(),
        "restated_at": pl.Datetime("us", "UTC"),
    }
)

_ORGANISATION_USERS = 10
"""From so many users on, on both sides, having none in common means another organisation."""

_LOCK_POLL = 0.02
_READS = 3
_DETAILED = 3


class Archive:
    """Settled days kept as Parquet, so that nothing is fetched twice.

    One archive keeps one organisation's days, for its owner alone (folder 0700, files 0600). It
    outlives tokens, the cache and the API's two years. Any number of processes may read it while
    one writes: files are written whole and moved into place.

    Parameters
    ----------
    path : path-like
        The folder; it is made at the first commit.
    settled_after_days : int
        A day is settled, and may be kept, when it is published and so many days old.

    Attributes
    ----------
    sets_aside : bool
        A month that is damaged is moved into ``damaged/`` and is missing, with a warning; otherwise it is an error.
        ``fetch`` sets it, as it fetches again what is missing.

    Raises
    ------
    ArchiveError
        The folder holds something else, or another version's archive.

    Examples
    --------
    >>> from datetime import UTC, date, datetime
    >>> archive = Archive(getfixture("tmp_path") / "archive")
    >>> counts = pl.DataFrame({"date": [date(2026, 3, 2)], "user_count": [7]})
    >>> days = [DayRange(date(2026, 3, 2), date(2026, 3, 2))]
    >>> archive.add("dau_count", counts, days, origin="records", fetched_at=datetime(2026, 3, 9, tzinfo=UTC))
    []
    >>> [str(gap) for gap in archive.missing("dau_count", DayRange(date(2026, 3, 1), date(2026, 3, 3)))]
    ['2026-03-01 to 2026-03-01', '2026-03-03 to 2026-03-03']
    >>> archive.scan("dau_count").collect()["user_count"].to_list()
    [7]
    """

    def __init__(self, path: str | PathLike[str], *, settled_after_days: int = SETTLED_AFTER_DAYS) -> None:
        if settled_after_days < 1:
            raise ValueError(
                f"settled_after_days={settled_after_days!r} must be an integer >= 1: today is not over yet."
            )
        self.path = Path(path).expanduser()
        self.settled_after_days = settled_after_days
        self.sets_aside = False
        self._known: dict[Path, tuple[tuple[int, int, int], pl.DataFrame]] = {}
        self._unusable: set[Path] = set()
        self._locks: dict[str, FileLock] = {}
        self._check_folder()
        self._sweep()

    # ---- What it is ----

    @property
    def origin(self) -> str | None:
        """Where the days come from: the API's base URL; None while there are none."""
        origin = self._note().get("origin")
        return None if origin is None else str(origin)

    def check_origin(self, origin: str) -> None:
        """Raise an ArchiveError if the archive's days come from elsewhere: another API, the sample, given records."""
        if self.origin not in (None, origin):
            raise ArchiveError(
                f"The archive {self.path} holds the days of {self.origin}, and these are of {origin}. "
                "Hint: one archive keeps one organisation; name another folder.",
                path=self.path,
            )

    def has_reader(self, reader: str) -> bool:
        """Tell whether this reader, as a client's token, is known to be of the organisation; anybody is of none yet."""
        note = self._note()
        return not note.get("origin") or reader in note.get("readers", ())

    def add_reader(self, reader: str) -> None:
        """Note that this reader is of the archive's organisation."""
        with self._writing():
            self._write_note(readers=sorted({*self._note().get("readers", ()), reader}))

    def last_settled_day(self, now: datetime) -> date:
        """Return the newest day that is settled at a moment.

        Examples
        --------
        >>> from datetime import UTC, datetime
        >>> Archive(getfixture("tmp_path") / "a").last_settled_day(datetime(2026, 3, 10, 12, tzinfo=UTC))
        datetime.date(2026, 3, 7)
        """
        return min(last_published_day(now), utc_day(now) - timedelta(days=self.settled_after_days))

    def windows_end(self, day: date) -> date:
        """Return the last day of the first 90-day window that was ever synced; it is ``day`` if there was none.

        All windows of totals are counted from it, so that each sync asks for the same ones.
        """
        with self._writing():
            noted = self._note().get("windows_end")
            if noted is None:
                self._write_note(windows_end=day.isoformat())
            return day if noted is None else date.fromisoformat(noted)

    # ---- What is there ----

    def has(self, table: str, days: date | DayRange) -> bool:
        """Tell whether a day, every day of a range, or exactly this window of user_activity is kept."""
        return not self.missing(table, days)

    def missing(self, table: str, days: date | DayRange) -> list[DayRange]:
        """Return the days of a range that are not kept: oldest first, neighbours joined to ranges.

        For user_activity a range is one window: either exactly it is kept, or all of it is missing.
        """
        wanted = _as_range(days)
        known = _table(table)
        kept = self._manifest(self._paths_of(known, wanted))
        if known is USER_ACTIVITY:
            return [] if (wanted.start, wanted.end) in kept.select(month.SPAN).iter_rows() else [wanted]
        return day_ranges(set(wanted) - set(kept["start"]))

    def idle_days(self) -> list[date]:
        """Return the days on which nobody was counted and nothing was used: their lists are empty unasked.

        Both are needed: whether dau_count counts service accounts is not documented, and daily_usage
        has what they did.
        """
        counts = self.manifest("dau_count").filter(pl.col("user_count") == 0)
        unused = pl.sum_horizontal(pl.col(METRICS).fill_null(0)) == 0
        usage = self.manifest("daily_usage").filter(unused)
        return counts.join(usage, on="start", how="semi").sort("start")["start"].to_list()

    def manifest(self, table: str | None = None) -> pl.DataFrame:
        """Return which days are kept, fetched when, with what totals.

        Returns
        -------
        pl.DataFrame
            One row a table and day (user_activity: window), by table and start: ``table``, ``start``,
            ``end``, ``rows``, ``users``, ``fetched_at`` and ``checked_at`` (UTC, when the API first and last
            returned these rows), ``user_count``, ``active_days`` and the sixteen metrics as sums of the
            day (Int64), null where the table does not have them.
        """
        return self._listed(list(ENDPOINT_TABLES) if table is None else [_table(table).name])

    def describe(self) -> pl.DataFrame:
        """Say what the archive holds.

        Returns
        -------
        pl.DataFrame
            One row a table that has days: ``table``, ``first_day``, ``last_day``, ``days`` (user_activity:
            windows), ``missing_days`` between the first and the last, ``rows``, ``bytes`` on disk,
            ``last_fetched`` (UTC).
        """
        sizes = {name: sum(path.stat().st_size for path in self._months(name)) for name in ENDPOINT_TABLES}
        days, first, last = pl.len().cast(pl.Int64), pl.col("start").min(), pl.col("end").max()
        gaps = pl.when(pl.col("table").first() != USER_ACTIVITY.name).then((last - first).dt.total_days() + 1 - days)
        tables = self.manifest().group_by("table", maintain_order=True)
        return tables.agg(
            first.alias("first_day"),
            last.alias("last_day"),
            days.alias("days"),
            gaps.alias("missing_days"),
            pl.col("rows").sum(),
            pl.col("table").first().replace_strict(sizes, return_dtype=pl.Int64).alias("bytes"),
            pl.col("fetched_at").max().alias("last_fetched"),
        )

    def __repr__(self) -> str:
        held = self.describe()
        if held.is_empty():
            return f"Archive({str(self.path)!r}, empty)"
        lines = [
            f"  {row['table']}: {row['days']} {'windows' if row['table'] == USER_ACTIVITY.name else 'days'}, "
            f"{row['first_day']} to {row['last_day']}, {row['rows']:,} rows, {row['bytes'] / 1e6:.1f} MB"
            for row in held.iter_rows(named=True)
        ]
        return "\n".join([f"Archive({str(self.path)!r}, of {self.origin})", *lines])

    def _repr_html_(self) -> str:
        return f"<p>Archive {escape(str(self.path))} of {escape(str(self.origin))}</p>{self.describe()._repr_html_()}"

    # ---- How it is read ----

    def scan(self, table: str) -> pl.LazyFrame:
        """Read a table lazily: everything that is kept, as the analysis functions take it.

        Parameters
        ----------
        table : str
            The noun of one of the five tables.

        Returns
        -------
        pl.LazyFrame
            The table's columns and dtypes, by date and user. user_activity has every window that is kept,
            overlapping ones too: filter by ``period_start`` and ``period_end``.
        """
        known = _table(table)
        self._manifest(self._months(known.name))  # a damaged month is told now, and not by a wrong number
        rows = month.scan_rows(known, self._months(known.name))
        if "user" in known.columns:
            month.read_users(self._users_path)
            rows = rows.join(month.scan_users(self._users_path), on="user_code", how="left", maintain_order="left")
        return rows.select(known.schema.names())

    def read(self, table: str, days: date | DayRange) -> pl.DataFrame:
        """Read the days of a range that are kept.

        Parameters
        ----------
        table : str
            The noun of one of the five tables.
        days : date or DayRange
            One day, a range, or one window of user_activity.

        Returns
        -------
        pl.DataFrame
            The checked table; :meth:`missing` says which days it lacks.

        Raises
        ------
        ArchiveError
            A file is damaged.
        """
        known = _table(table)
        wanted = _as_range(days)
        key = month.span_columns(known)
        for _ in range(_READS):
            manifest = self._manifest(self._paths_of(known, wanted))
            paths = self._paths_of(known, wanted)  # without what was set aside
            try:
                rows = month.scan_rows(known, paths).filter(_within(known, wanted, *key)).collect()
                # Names after rows: whatever was added in between, every code has its name.
                frame = month.named_at_once(known, rows, month.read_users(self._users_path))
            except (pl.exceptions.PolarsError, OSError) as error:
                raise month.damaged(paths[0], error) from error
            if frame.height == manifest.filter(_within(known, wanted, *month.SPAN))["rows"].sum():
                return frame
            self._known.clear()  # another process wrote between reading the manifest and the rows
        raise month.damaged(paths[0], ValueError("rows"))

    # ---- How days come in ----

    def add(
        self, table: str, frame: pl.DataFrame, days: Iterable[DayRange], *, origin: str, fetched_at: datetime
    ) -> list[DayRange]:
        """Keep whole days: all rows of each, and that a day without rows was fetched.

        A day that is kept already and now has other rows is replaced, and logged (see :meth:`restatements`).
        An answer that is older than what is kept changes nothing.

        Parameters
        ----------
        table : str
            The noun of one of the five tables.
        frame : pl.DataFrame
            The table's rows of these days, and of no others.
        days : iterable of DayRange
            Ranges of one day each; windows for user_activity.
        origin : str
            Where they come from: the client's base URL.
        fetched_at : datetime
            When the API returned them. The days must be settled then.

        Returns
        -------
        list of DayRange
            The days that were kept before, and have other rows now.

        Raises
        ------
        ArchiveError
            Days of another organisation, or that are not settled.
        TableError
            Rows of other days.
        """
        known = _table(table)
        spans = sorted(set(days))
        if not spans:
            return []
        self._check_incoming(known, spans, fetched_at)
        rows = known.sort(known.check(frame).select(known.schema.names()).cast(known.schema))
        moved: list[DayRange] = []
        with self._writing():
            self.check_origin(origin)
            if self.origin is None:
                self._write_note(origin=origin)
            stored = self._with_codes(known, rows)
            stray = month.rows_of(known, stored, month.span_frame(spans), how="anti")
            if stray.height:
                raise TableError(
                    f"{stray.height} rows of {table} are of other days than those to keep.",
                    table=table,
                    hint="filter the frame to the days.",
                )
            self._manifest(
                self._paths_of(known, DayRange(spans[0].start, spans[-1].start))
            )  # sets damaged months aside
            for path, of_month in self._by_month(known, spans):
                moved += self._merge(known, path, stored, of_month, fetched_at)
        return moved

    def _check_incoming(self, table: Table, spans: Sequence[DayRange], fetched_at: datetime) -> None:
        if table is not USER_ACTIVITY and any(span.days != 1 for span in spans):
            raise ValueError(f"{table.name} is kept day by day: give ranges of one day each.")
        last = max(span.end for span in spans)
        settled = self.last_settled_day(fetched_at)
        if last > settled:
            raise ArchiveError(
                f"{table.name} of {last} is not settled: on {utc_day(fetched_at)} only days up to {settled} were. "
                "Hint: fetch it again later.",
                path=self.path,
            )

    def _with_codes(self, table: Table, rows: pl.DataFrame) -> pl.DataFrame:
        """Give new users their codes, and write the codes down before anything uses them."""
        if "user" not in table.columns:
            return rows
        known = month.read_users(self._users_path)
        self._check_same_organisation(known, rows)
        users = month.with_new_users(known, rows)
        if users.height > known.height:
            month.write_small(self._users_path, users)
        coded = rows.join(users, on=["user", "user_type"], how="left", maintain_order="left")
        return coded.select(month.stored_schema(table).names())

    def _check_same_organisation(self, users: pl.DataFrame, rows: pl.DataFrame) -> None:
        new = rows.select(folded_user()).unique()
        if min(users.height, new.height) < _ORGANISATION_USERS:
            return
        if new.join(users.select(folded_user()), on="user", how="semi").is_empty():
            raise ArchiveError(
                f"None of these {new.height} users is among the {users.height} that the archive {self.path} knows: "
                "the answers are another organisation's. Hint: check the token, or name another archive.",
                path=self.path,
            )

    def _by_month(self, table: Table, spans: Iterable[DayRange]) -> Iterator[tuple[Path, pl.DataFrame]]:
        for path, found in groupby(sorted(spans), key=lambda span: self._month_path(table.name, span.start)):
            yield path, month.span_frame(found)

    def _merge(
        self, table: Table, path: Path, stored: pl.DataFrame, spans: pl.DataFrame, fetched_at: datetime
    ) -> list[DayRange]:
        """Put days into one month's file, and return those that had other rows before."""
        before = month.read_manifest(path)
        spans = spans.join(before.filter(pl.col("checked_at") > fetched_at), on=month.SPAN, how="anti")
        kept = month.scan_rows(table, [path] if path.exists() else []).collect()
        old, new = (month.rows_of(table, rows, spans, how="semi") for rows in (kept, stored))
        differing = pl.concat(
            one.join(other, on=new.columns, how="anti", nulls_equal=True) for one, other in ((old, new), (new, old))
        )
        moved = month.spans_in(table, differing).join(before, on=month.SPAN, how="semi")
        same = before.join(spans, on=month.SPAN, how="semi").join(moved, on=month.SPAN, how="anti")
        now = month.summarise(table, new, spans.join(same, on=month.SPAN, how="anti"), fetched_at=fetched_at)
        checked = same.with_columns(checked_at=pl.lit(fetched_at, before.schema["checked_at"]))
        manifest = pl.concat([before.join(spans, on=month.SPAN, how="anti"), checked, now]).sort(month.SPAN)
        if manifest.equals(before):
            return []
        if moved.height:
            self._log_restatements(table, before.join(moved, on=month.SPAN, how="semi"), now)
        rows = pl.concat([month.rows_of(table, kept, spans, how="anti"), new])
        month.write_month(path, rows.sort(month.span_columns(table), maintain_order=True), manifest)
        return [DayRange(*span) for span in moved.sort(month.SPAN).iter_rows()]

    def drop(self, table: str, days: Iterable[DayRange]) -> None:
        """Forget days (or windows), so that they are missing and will be fetched again."""
        known = _table(table)
        with self._writing():
            for path, spans in self._by_month(known, days):
                if path.exists():
                    month.remove_days(known, path, spans)

    # ---- What the API changed ----

    def restatements(self) -> pl.DataFrame:
        """Return which kept days the API changed, from what totals to what, and when.

        Returns
        -------
        pl.DataFrame
            One row a changed total, by ``restated_at``, ``table`` and ``day``: ``table``, ``day`` and
            ``last_day`` (the same, but for a window of user_activity), ``metric`` (``rows``, ``users``,
            ``user_count``, ``active_days`` or one of the sixteen), ``old_total``, ``new_total``,
            ``restated_at`` (UTC, when the API returned the new rows). ``rows`` is there for each day that
            was restated, also where their number is the same.
        """
        path = self.path / "restatements.parquet"
        log = month.read_small(path, RESTATEMENT_SCHEMA, hint="put it back, or delete it: no days are lost")
        # Logged first, then written: after a kill in between, the log is ahead of the manifest.
        kept = self.manifest().select("table", "fetched_at", day="start", last_day="end")
        pending = log.join(kept, on=["table", "day", "last_day"]).filter(pl.col("restated_at") > pl.col("fetched_at"))
        return log.join(pending, on=log.columns, how="anti", nulls_equal=True).sort("restated_at", "table", "day")

    def _log_restatements(self, table: Table, old: pl.DataFrame, new: pl.DataFrame) -> None:
        long_old, long_new = (
            lines.unpivot(month.COUNTS, index=[*month.SPAN, "fetched_at"], variable_name="metric", value_name="total")
            for lines in (old, new)
        )
        both = long_old.join(long_new, on=[*month.SPAN, "metric"], suffix="_now")
        changed = both.filter(pl.col("total").ne_missing(pl.col("total_now")) | (pl.col("metric") == "rows"))
        columns = ("start", "end", "metric", "total", "total_now", "fetched_at_now")
        rows = changed.select(pl.lit(table.name).alias("table"), *columns)
        rows.columns = RESTATEMENT_SCHEMA.names()
        month.write_small(self.path / "restatements.parquet", pl.concat([self.restatements(), rows]))

    # ---- Whether it is whole ----

    def check(self) -> pl.DataFrame:
        """Read everything, and return what is damaged, missing or in disagreement with the organisation's counts.

        ``augment-insights sync`` quarantines what is damaged and fetches again what is missing.

        Returns
        -------
        pl.DataFrame
            One row a problem, by table and start; no rows if all is well.

            ============ ======= ======================================================================
            column       dtype   meaning
            ============ ======= ======================================================================
            table        String  the noun of the table
            start, end   Date    the days, or the window; null where a whole file is damaged
            problem      String  ``damaged`` (a month's file that cannot be read, whose rows and manifest
                                 differ, or that holds duplicate rows; a file that is not the
                                 archive's), ``missing`` (a gap), ``disagrees`` (with dau_count or
                                 daily_usage)
            detail       String  what was found
            ============ ======= ======================================================================
        """
        found = list(self._damage())
        damage = [
            (table.name, days["start"].min(), days["end"].max(), "damaged", f"{path.relative_to(self.path)}: {detail}")
            for table, path, days, detail in found
        ]
        manifest = self._listed(ENDPOINT_TABLES, without=[path for _, path, days, _ in found if days.is_empty()])
        problems = [pl.DataFrame(damage, PROBLEM_SCHEMA, orient="row"), _gaps(manifest), _disagreements(manifest)]
        return pl.concat(problems).sort("table", "start", "end", "problem")

    def quarantine(self) -> list[Path]:
        """Move damaged files aside into ``damaged/``, and return where they are now.

        Their days are missing then, and can be fetched again. A file that is damaged in some days only is
        copied there, and keeps the others.
        """
        moved: list[Path] = []
        with self._writing():
            for table, path, days, _ in list(self._damage()):
                moved.append(self._set_aside(path, keeps=days.height > 0))
                if days.height:
                    month.remove_days(table, path, days)
        return moved

    def _set_aside(self, path: Path, *, keeps: bool = False) -> Path:
        """Move a file into ``damaged/``, with the write lock held, or copy one that keeps good days."""
        aside = self.path / "damaged" / "-".join(path.relative_to(self.path).parts)
        aside.parent.mkdir(mode=0o700, exist_ok=True)
        if keeps:
            shutil.copy(path, aside)
        else:
            path.replace(aside)
        return aside

    def _read_manifest(self, path: Path) -> pl.DataFrame:
        """Read a month's manifest; of a damaged month set it aside, if that is wished, and go on without it."""
        try:
            return month.read_manifest(path)
        except ArchiveError as error:
            if not self.sets_aside:
                raise
            try:
                with self._writing():
                    done = f"it is set aside as {self._set_aside(path).relative_to(self.path)}"
            except (OSError, ArchiveError) as reason:
                self._unusable.add(path)
                done = f"it cannot be set aside ({reason})"
            warn_reader(
                f"The archive's file {path} is damaged ({type(error.__cause__).__name__}): {done}, and its days are "
                "fetched again as they are needed.",
                CacheWarning,
            )
            return month.MANIFEST_SCHEMA.to_frame()

    def _damage(self) -> Iterator[tuple[Table, Path, pl.DataFrame, str]]:
        """Go through the damaged files, each with its damaged days (none: all of it) and what was found."""
        users = month.read_users(self._users_path).height
        for name, table in ENDPOINT_TABLES.items():
            months = self._months(name)
            for path in sorted((self.path / name).rglob("*")):
                if not path.is_file() or path.name.startswith(".tmp-"):
                    continue
                days, detail = month.span_frame([]), "not a file of the archive"  # an engine would read it too
                if path in months:
                    try:
                        days = month.find_damage(table, path, users=users)
                        detail = "; ".join(days["detail"].unique(maintain_order=True))
                    except ArchiveError as error:
                        detail = type(error.__cause__).__name__
                if detail:
                    yield table, path, days, detail

    # ---- The folder ----

    def _check_folder(self) -> None:
        """Raise an ArchiveError if the folder holds something else, or a newer layout."""
        note = self._note()
        if note.get("format", FORMAT) != FORMAT:
            raise ArchiveError(
                f"The archive {self.path} has layout {note['format']!r}, and this version knows {FORMAT}. "
                "Hint: update augment-insights.",
                path=self.path,
            )
        if note or not self.path.exists():
            return
        if not self.path.is_dir():
            raise ArchiveError(f"The archive {self.path} is a file. Hint: name a folder.", path=self.path)
        names = sorted(found.name for found in self.path.iterdir())
        others = [name for name in names if not name.startswith((".lock", ".tmp-"))]
        if others:
            raise ArchiveError(
                f"The folder {self.path} holds other things ({others[0]}) and is no archive. "
                "Hint: name an empty folder, or one that does not exist yet.",
                path=self.path,
            )

    def _note(self) -> dict[str, Any]:
        """Return what ``archive.json`` says; nothing while there is none."""
        path = self.path / "archive.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError) as error:
            raise ArchiveError(
                f"{path} cannot be read ({type(error).__name__}). Hint: put it back from a backup, or "
                'write {"format": 1, "origin": "https://api.augmentcode.com"} into it, with the address of your API.',
                path=path,
            ) from error
        return found if isinstance(found, dict) else {}

    def _write_note(self, **added: Any) -> None:
        """Add to ``archive.json``, with the write lock held."""
        note = {"format": FORMAT, **self._note(), **added}
        with whole_file(self.path / "archive.json", private=True) as unfinished:
            unfinished.write_text(json.dumps(note, indent=1), encoding="utf-8")

    @contextmanager
    def _locked(self, name: str, *, seconds: float) -> Iterator[bool]:
        """Try for a lock, which the system frees when its process dies; tell whether it is held."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        from filelock import FileLock, Timeout  # noqa: PLC0415 (only to write; reading takes no lock)

        lock = self._locks.get(name) or FileLock(self.path / name, mode=0o600, fallback_to_soft=False)
        self._locks[name] = lock  # kept, as who has a lock may take it again
        try:
            with suppress(Timeout):  # another process has it
                lock.acquire(timeout=seconds, poll_interval=_LOCK_POLL)
        except OSError as error:  # some network folders have no locks, and the error no file
            raise OSError(error.errno, error.strerror, error.filename or str(lock.lock_file)) from error
        try:
            yield lock.is_locked
        finally:
            lock.release()

    def syncing(self) -> AbstractContextManager[bool]:
        """Hold the lock of a whole sync; False where another sync has it."""
        return self._locked(".lock-sync", seconds=0)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the write lock, for one commit."""
        with self._locked(".lock-write", seconds=LOCK_SECONDS) as held:
            if not held:
                raise ArchiveError(
                    f"Another process has been writing to the archive {self.path} for {LOCK_SECONDS:g} s. "
                    "Hint: try again; what was fetched is cached.",
                    path=self.path,
                ) from TimeoutError(LOCK_SECONDS)
            yield

    def _sweep(self) -> None:
        """Delete what killed writers left, unless another process is writing."""
        if not os.access(self.path, os.W_OK):
            return
        leftovers = sorted(self.path.rglob(".tmp-*"))
        if leftovers:
            with suppress(OSError), self._locked(".lock-write", seconds=0) as held:  # who only reads needs no lock
                for leftover in leftovers if held else []:
                    leftover.unlink(missing_ok=True)

    @property
    def _users_path(self) -> Path:
        return self.path / "users.parquet"

    def _month_path(self, table: str, day: date) -> Path:
        return self.path / table / f"month={day:%Y-%m}" / "data.parquet"

    def _months(self, table: str) -> list[Path]:
        return sorted(set((self.path / table).glob("month=????-??/data.parquet")) - self._unusable)

    def _paths_of(self, table: Table, wanted: DayRange) -> list[Path]:
        """Return the files that may hold these days; a window lies in the month of its first day."""
        first, last = (self._month_path(table.name, day) for day in (wanted.start, wanted.end))
        return [path for path in self._months(table.name) if first <= path <= last]

    def _manifest(self, paths: Iterable[Path]) -> pl.DataFrame:
        """Return the manifest of some months; a file is read again when it has changed."""
        found = []
        for path in paths:
            try:
                state = path.stat()
            except FileNotFoundError:  # set aside by another process
                continue
            signature = (state.st_mtime_ns, state.st_size, state.st_ino)
            known = self._known.get(path)
            if known is None or known[0] != signature:
                known = self._known[path] = (signature, self._read_manifest(path))
            found.append(known[1])
        return found[0] if len(found) == 1 else pl.concat([month.MANIFEST_SCHEMA.to_frame(), *found])

    def _listed(self, names: Iterable[str], *, without: Sequence[Path] = ()) -> pl.DataFrame:
        """Return the manifest of whole tables under their names."""
        manifests = {name: self._manifest(set(self._months(name)) - set(without)) for name in names}
        return pl.concat(
            lines.sort(month.SPAN).select(pl.lit(name).alias("table"), pl.all()) for name, lines in manifests.items()
        )


def _within(table: Table, wanted: DayRange, start: str, end: str | None = None) -> pl.Expr:
    """Select the days of a range, or exactly one window, by the columns that say so."""
    if table is USER_ACTIVITY:
        return (pl.col(start) == wanted.start) & (pl.col(str(end)) == wanted.end)
    return pl.col(start).is_between(wanted.start, wanted.end)


def _table(name: str) -> Table:
    """Return an endpoint's table by its noun, and say which there are if there is none."""
    if name not in ENDPOINT_TABLES:
        raise ValueError(f"{name!r} is not a table of the archive.{did_you_mean(str(name), ENDPOINT_TABLES)}")
    return ENDPOINT_TABLES[name]


def _as_range(days: date | DayRange) -> DayRange:
    return days if isinstance(days, DayRange) else DayRange(days, days)


def _gaps(manifest: pl.DataFrame) -> pl.DataFrame:
    """Return the days between a table's first and last that were not fetched, one row a gap."""
    days = manifest.filter(pl.col("table") != USER_ACTIVITY.name).sort("table", "start")
    one_day = pl.duration(days=1)
    until = pl.col("start").shift(-1).over("table") - one_day
    gaps = days.select("table", (pl.col("start") + one_day).alias("start"), until.alias("end"))
    return gaps.filter(pl.col("start") <= pl.col("end")).select(
        "table", "start", "end", pl.lit("missing").alias("problem"), pl.lit("not fetched").alias("detail")
    )


def _disagreements(manifest: pl.DataFrame) -> pl.DataFrame:
    """Compare lists, records and windows with the counts and the usage of the same days."""
    compared = ("users", "active_days", *METRICS)
    counted = pl.col("user_count").alias("users"), pl.col("user_count").alias("active_days")
    counts = manifest.filter(pl.col("table") == "dau_count").select(*counted, day="start")
    usage = manifest.filter(pl.col("table") == "daily_usage").select(*METRICS, day="start")
    daily = counts.join(usage, on="day", how="full", coalesce=True)
    # Counts of days do not tell how many users a window has; its active days are their sum.
    lines = manifest.filter(~pl.col("table").is_in(["dau_count", "daily_usage"])).with_columns(
        pl.when(pl.col("table") != USER_ACTIVITY.name).then("users").alias("users")
    )
    length = (pl.col("end").first() - pl.col("start").first()).dt.total_days() + 1
    expected = (
        lines.select("start", "end")
        .unique()
        .join_where(daily, pl.col("day") >= pl.col("start"), pl.col("day") <= pl.col("end"))
        .group_by("start", "end")
        .agg(  # null where a day is not kept, or has no such number
            pl.when(pl.col(name).count() == length).then(pl.col(name).sum()).alias(f"expected_{name}")
            for name in compared
        )
    )
    differences = [
        pl.when(pl.col(name) != pl.col(f"expected_{name}")).then(
            pl.format("{} {} against {}", pl.lit(name), name, f"expected_{name}")
        )
        for name in compared
    ]
    detail = pl.concat_list(differences).list.drop_nulls().list.head(_DETAILED).list.join("; ")
    return (
        lines.join(expected, on=["start", "end"], how="left")
        .select("table", "start", "end", pl.lit("disagrees").alias("problem"), detail.alias("detail"))
        .filter(pl.col("detail") != "")
    )
