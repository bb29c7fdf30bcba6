"""What is there, what is missing, how it is read, and how days come in."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from augment_insights.archive.checks import find_disagreements, find_problems
from augment_insights.archive.folder import Folder, make_private
from augment_insights.archive.month import (
    Entry,
    coded,
    damaged,
    grown,
    manifest_frame,
    named,
    named_at_once,
    of_days,
    read_entries,
    read_users,
    scan_rows,
    scan_users,
    span_columns,
    stored_schema,
    summarise,
    write_month,
)
from augment_insights.errors import ArchiveError, TableError, did_you_mean
from augment_insights.export import whole_file
from augment_insights.periods import DayRange, last_published_day, utc_day
from augment_insights.tables import ENDPOINT_TABLES, METRICS, USER_ACTIVITY, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime
    from os import PathLike

SETTLED_AFTER_DAYS = 3
"""How old a day is before it is kept: the API does not promise that newer ones stay as they are."""

_STRANGERS = 10
"""From so many users on, on both sides, having none in common means another organisation."""

_READS = 3


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
            raise ValueError(f"settled_after_days={settled_after_days!r} must be at least 1: today is not over yet.")
        self.path = Path(path).expanduser()
        self.settled_after_days = settled_after_days
        self._folder = Folder(self.path)
        self._folder.sweep()
        self._known: dict[Path, tuple[tuple[int, int, int], dict[DayRange, Entry]]] = {}

    # ---- What it is ----

    @property
    def origin(self) -> str | None:
        """Where the days come from: the API's base URL; None while there are none."""
        return self._folder.origin

    def check_origin(self, origin: str) -> None:
        """Raise an ArchiveError if the archive's days come from elsewhere."""
        self._folder.check_origin(origin)

    def syncing(self) -> AbstractContextManager[bool]:
        """Hold the lock of a whole sync; False where another sync has it."""
        return self._folder.syncing()

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
        with self._folder.writing():
            said = self._folder.note().get("windows_end")
            if said is None:
                self._folder.write_note(windows_end=day.isoformat())
            return day if said is None else date.fromisoformat(said)

    # ---- What is there ----

    def has(self, table: str, days: date | DayRange) -> bool:
        """Tell whether a day, every day of a range, or exactly this window of user_activity is kept."""
        return not self.missing(table, days)

    def missing(self, table: str, days: date | DayRange) -> list[DayRange]:
        """Which days of a range are not kept? Oldest first, neighbours joined to ranges.

        For user_activity a range is one window: either exactly it is kept, or all of it is missing.
        """
        wanted = days if isinstance(days, DayRange) else DayRange(days, days)
        known = _table(table)
        if known is USER_ACTIVITY:
            return [] if wanted in self._entries(known, [wanted]) else [wanted]
        kept = {span.start for span in self._entries(known, [wanted])}
        return _ranges(day for day in wanted if day not in kept)

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
        """Which days are kept, fetched when, with what totals?

        Returns
        -------
        pl.DataFrame
            One row a table and day (user_activity: window), by table and start: ``table``, ``start``,
            ``end``, ``rows``, ``users``, ``fetched_at`` and ``checked_at`` (UTC, when the API first and last
            said so), ``version``, ``confirmed`` (how often it was asked again and said the same),
            ``user_count``, ``active_days`` and the sixteen metrics as sums of the day (Int64), null where
            the table does not have them.
        """
        tables = list(ENDPOINT_TABLES.values()) if table is None else [_table(table)]
        lines = [(each.name, entry) for each in tables for entry in self._entries(each).values()]
        return manifest_frame(lines)

    def describe(self) -> pl.DataFrame:
        """Say what the archive holds.

        Returns
        -------
        pl.DataFrame
            One row a table that has days: ``table``, ``first_day``, ``last_day``, ``days`` (user_activity:
            windows), ``missing_days`` between the first and the last, ``rows``, ``bytes`` on disk,
            ``last_fetched`` (UTC).
        """
        per_table = (
            self.manifest()
            .group_by("table", maintain_order=True)
            .agg(
                pl.col("start").min().alias("first_day"),
                pl.col("end").max().alias("last_day"),
                pl.len().cast(pl.Int64).alias("days"),
                ((pl.col("end").max() - pl.col("start").min()).dt.total_days() + 1).alias("span"),
                pl.col("rows").sum(),
                pl.col("fetched_at").max().alias("last_fetched"),
            )
        )
        sizes = {name: sum(path.stat().st_size for path in self._months(name)) for name in ENDPOINT_TABLES}
        is_windows = pl.col("table") == USER_ACTIVITY.name
        return per_table.select(
            "table",
            "first_day",
            "last_day",
            "days",
            pl.when(~is_windows).then(pl.col("span") - pl.col("days")).alias("missing_days"),
            "rows",
            pl.col("table").replace_strict(sizes, return_dtype=pl.Int64).alias("bytes"),
            "last_fetched",
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
        return named(known, scan_rows(known, self._months(known.name)), scan_users(self._users_path))

    def read(self, table: str, days: date | DayRange, *, version: int | None = None) -> pl.DataFrame:
        """Read the days of a range that are kept.

        Parameters
        ----------
        table : str
            The noun of one of the five tables.
        days : date or DayRange
            One day, a range, or one window of user_activity.
        version : int, optional
            What the API said before it said otherwise, of one day or window (see :meth:`versions`).

        Returns
        -------
        pl.DataFrame
            The checked table; :meth:`missing` says which days it lacks.

        Raises
        ------
        ArchiveError
            A file is damaged, or there is no such version.
        """
        known = _table(table)
        wanted = days if isinstance(days, DayRange) else DayRange(days, days)
        if version is not None:
            return self._read_version(known, wanted, version)
        for _ in range(_READS):
            entries = self._entries(known, [wanted])
            spans = [wanted] if known is USER_ACTIVITY else [span for span in entries if span.start in wanted]
            expected = sum(entries[span].rows for span in spans if span in entries)
            frame = self._collect(known, self._paths_of(known, [wanted]), wanted)
            if frame.height == expected:
                return frame
            self._known.clear()  # somebody wrote between the two looks
        paths = self._paths_of(known, [wanted])
        raise damaged(paths[0], ValueError("rows"))

    def _collect(self, table: Table, paths: Sequence[Path], wanted: DayRange) -> pl.DataFrame:
        key = span_columns(table)
        is_wanted = (
            (pl.col(key[0]) == wanted.start) & (pl.col(key[1]) == wanted.end)
            if table is USER_ACTIVITY
            else pl.col("date").is_between(wanted.start, wanted.end)
        )
        try:
            rows = scan_rows(table, paths).filter(is_wanted).collect()
            # Names after rows: whatever was added in between, every code has its name.
            return named_at_once(table, rows, read_users(self._users_path))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise damaged(paths[0], error) from error

    # ---- How days come in ----

    def add(
        self,
        table: str,
        frame: pl.DataFrame,
        days: Iterable[DayRange],
        *,
        origin: str,
        fetched_at: datetime,
    ) -> list[DayRange]:
        """Keep whole days: all rows of each, and that a day without rows was fetched.

        A day that is kept already and now reads otherwise is replaced; what it was is kept beside as an
        older version. An answer that is older than what is kept changes nothing.

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
            When the API said it. The days must be settled then.

        Returns
        -------
        list of DayRange
            The days that were kept before, and read otherwise now.

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
        with self._folder.writing():
            self._folder.check_origin(origin)
            if self.origin is None:
                self._folder.write_note(origin=origin)
            stored = self._with_codes(known, rows)
            stray = stored.join(of_days(known, spans), on=span_columns(known), how="anti")
            if stray.height:
                raise TableError(
                    f"{stray.height} rows of {table} are of other days than those to keep.",
                    table=table,
                    hint="filter the frame to the days.",
                )
            for path, of_month in self._by_month(known, spans).items():
                moved += self._merge(known, path, stored, of_month, fetched_at=fetched_at)
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
        users = read_users(self._users_path)
        more = grown(users, rows)
        self._refuse_strangers(users, rows)
        if more.height > users.height:
            with whole_file(self._users_path, private=True) as unfinished:
                more.write_parquet(unfinished, compression="zstd")
        return coded(table, rows, more)

    def _refuse_strangers(self, users: pl.DataFrame, rows: pl.DataFrame) -> None:
        come = rows.select(pl.col("user").str.to_lowercase()).unique()
        if min(users.height, come.height) < _STRANGERS:
            return
        if come.join(users.select(pl.col("user").str.to_lowercase()), on="user", how="semi").is_empty():
            raise ArchiveError(
                f"None of these {come.height} users is among the {users.height} that the archive {self.path} knows: "
                "the answers are another organisation's. Hint: check the token, or name another archive.",
                path=self.path,
            )

    def _by_month(self, table: Table, spans: Iterable[DayRange]) -> dict[Path, list[DayRange]]:
        found: dict[Path, list[DayRange]] = {}
        for span in spans:
            found.setdefault(self._month_path(table.name, span.start), []).append(span)
        return found

    def _merge(
        self, table: Table, path: Path, stored: pl.DataFrame, spans: list[DayRange], *, fetched_at: datetime
    ) -> list[DayRange]:
        """Put days into one month's file, and return those that read otherwise than before."""
        key = span_columns(table)
        before = read_entries(path)
        spans = [span for span in spans if span not in before or before[span].checked_at <= fetched_at]
        if not spans:
            return []
        kept = scan_rows(table, [path]).collect() if before else stored_schema(table).to_frame()
        chosen = of_days(table, spans)
        new = stored.join(chosen, on=key, how="semi", maintain_order="left")
        entries = before | summarise(table, new, spans, fetched_at=fetched_at)
        moved: list[DayRange] = []
        for span in [span for span in spans if span in before]:
            was, now = _rows_of(table, kept, span), _rows_of(table, new, span)
            same = was.equals(now)
            if not same:
                self._supersede(table, was, before[span])
                moved.append(span)
            entries[span] = _following(before[span], entries[span], same=same)
        if entries == before:
            return []
        rows = pl.concat([kept.join(chosen, on=key, how="anti", maintain_order="left"), new])
        write_month(path, self.path, rows.sort(key, maintain_order=True), entries.values())
        return moved

    def drop(self, table: str, days: Iterable[DayRange]) -> None:
        """Forget days (or windows), so that they are missing and will be fetched again."""
        known = _table(table)
        with self._folder.writing():
            for path, spans in self._by_month(known, days).items():
                entries = {span: entry for span, entry in read_entries(path).items() if span not in spans}
                rows = scan_rows(known, [path]).collect()
                left = rows.join(of_days(known, spans), on=span_columns(known), how="anti", maintain_order="left")
                write_month(path, self.path, left, entries.values())

    # ---- What it was before ----

    def versions(self) -> pl.DataFrame:
        """Which days has the API restated, and what were they before?

        Returns
        -------
        pl.DataFrame
            The manifest's columns and ``is_current``: all versions of each day that has several, by
            table, start, end and version. ``read(table, day, version=...)`` has the rows.
        """
        lines: list[tuple[str, Entry]] = []
        for table, entry in self._superseded():
            current = self._entries(table, [entry.days]).get(entry.days)
            # A commit that was killed half way may have left the version that is still the current one.
            if current is not None and entry.version < current.version:
                lines += [(table.name, entry), (table.name, current)]
        newest = pl.col("version") == pl.col("version").max().over("table", "start", "end")
        return (
            manifest_frame(lines)
            .unique(["table", "start", "end", "version"], maintain_order=True)
            .sort("table", "start", "end", "version")
            .with_columns(newest.alias("is_current"))
        )

    def settle(self) -> int:
        """Let go of superseded versions: what the API says now is what holds. Return how many there were."""
        with self._folder.writing():
            paths = sorted((self.path / "superseded").rglob("*.parquet"))
            for path in paths:
                path.unlink(missing_ok=True)
        return len(paths)

    def _superseded(self) -> Iterator[tuple[Table, Entry]]:
        for name, table in ENDPOINT_TABLES.items():
            for path in sorted((self.path / "superseded" / name).glob("*.parquet")):
                yield from ((table, entry) for entry in read_entries(path).values())

    def _version_path(self, table: Table, span: DayRange, version: int) -> Path:
        return self.path / "superseded" / table.name / f"{span.start}_{span.end}_version-{version}.parquet"

    def _supersede(self, table: Table, rows: pl.DataFrame, entry: Entry) -> None:
        write_month(self._version_path(table, entry.days, entry.version), self.path, rows, [entry])

    def _read_version(self, table: Table, span: DayRange, version: int) -> pl.DataFrame:
        current = self._entries(table, [span]).get(span)
        if current is not None and current.version == version:
            return self.read(table.name, span)
        path = self._version_path(table, span, version)
        if current is None or not path.exists():
            raise ArchiveError(
                f"There is no version {version} of {table.name} of {span}. Hint: see archive.versions().", path=path
            )
        return self._collect(table, [path], span)

    # ---- Whether it is whole ----

    def check(self) -> pl.DataFrame:
        """Is every day there once, whole, and in agreement with the organisation's counts?

        Every row is read. ``fetch.mend`` and ``augment-insights sync`` fetch again what is found.

        Returns
        -------
        pl.DataFrame
            One row a problem, by table and start; none is best.

            ============ ======= ======================================================================
            column       dtype   meaning
            ============ ======= ======================================================================
            table        String  the noun of the table
            start, end   Date    the days, or the window
            problem      String  ``damaged`` (cannot be read, or rows and manifest differ), ``stray`` (a
                                 file that is not the archive's), ``double`` (a row twice), ``missing``
                                 (a gap), ``disagrees`` (with dau_count or daily_usage), ``confirmed``
                                 (disagrees, and was asked again: the API says both)
            detail       String  what was found
            ============ ======= ======================================================================
        """
        users = read_users(self._users_path)
        return find_problems(self.path, {name: self._months(name) for name in ENDPOINT_TABLES}, users)

    def disagreements(self) -> pl.DataFrame:
        """Return what :meth:`check` finds in the manifest alone: days whose totals disagree with the counts."""
        return find_disagreements(self.manifest())

    def put_aside_damaged(self) -> list[Path]:
        """Move files that cannot be read, and files that are not the archive's, out of the way."""
        moved: list[Path] = []
        with self._folder.writing():
            for name in ENDPOINT_TABLES:
                for path in sorted((self.path / name).rglob("*")):
                    if path.is_file() and not path.name.startswith(".") and not self._is_whole(name, path):
                        aside = self.path / "damaged" / f"{name}-{path.parent.name}-{path.name}"
                        make_private(aside.parent, root=self.path)
                        path.replace(aside)
                        moved.append(aside)
        return moved

    def _is_whole(self, table: str, path: Path) -> bool:
        if path not in self._months(table):
            return False
        try:
            entries = read_entries(path)
            rows = scan_rows(ENDPOINT_TABLES[table], [path]).collect()
        except (ArchiveError, pl.exceptions.PolarsError, OSError):
            return False
        return rows.height == sum(entry.rows for entry in entries.values())

    # ---- Where things lie ----

    @property
    def _users_path(self) -> Path:
        return self.path / "users.parquet"

    def _month_path(self, table: str, day: date) -> Path:
        return self.path / table / f"month={day:%Y-%m}" / "data.parquet"

    def _months(self, table: str) -> list[Path]:
        return sorted((self.path / table).glob("month=????-??/data.parquet"))

    def _paths_of(self, table: Table, wanted: Sequence[DayRange]) -> list[Path]:
        """Return the files that may hold these days; a window lies in the month of its first day."""
        first = min(self._month_path(table.name, span.start) for span in wanted)
        last = max(self._month_path(table.name, span.end) for span in wanted)
        return [path for path in self._months(table.name) if first <= path <= last]

    def _entries(self, table: Table, wanted: Sequence[DayRange] | None = None) -> dict[DayRange, Entry]:
        """Return the manifest of some days' months, or of all; a file is read again when it has changed."""
        paths = self._months(table.name) if wanted is None else self._paths_of(table, wanted)
        found: dict[DayRange, Entry] = {}
        for path in paths:
            state = path.stat()
            signature = (state.st_mtime_ns, state.st_size, state.st_ino)
            known = self._known.get(path)
            if known is None or known[0] != signature:
                known = self._known[path] = (signature, read_entries(path))
            found |= known[1]
        return dict(sorted(found.items()))


def _table(name: str) -> Table:
    """Return an endpoint's table by its noun, and say which there are if there is none."""
    if name not in ENDPOINT_TABLES:
        raise ValueError(f"{name!r} is not a table of the archive.{did_you_mean(str(name), ENDPOINT_TABLES)}")
    return ENDPOINT_TABLES[name]


def _ranges(days: Iterable[date]) -> list[DayRange]:
    """Join neighbouring days, oldest first, to ranges."""
    found: list[DayRange] = []
    for day in days:
        if found and found[-1].end == day - timedelta(days=1):
            found[-1] = DayRange(found[-1].start, day)
        else:
            found.append(DayRange(day, day))
    return found


def _rows_of(table: Table, rows: pl.DataFrame, span: DayRange) -> pl.DataFrame:
    """Return the rows of one day or window, in an order that does not depend on the file."""
    chosen = rows.join(of_days(table, [span]), on=span_columns(table), how="semi")
    return chosen.sort([name for name in chosen.columns if name not in table.columns or name in table.key])


def _following(before: Entry, now: Entry, *, same: bool) -> Entry:
    """Return the manifest's line of a day that was asked again."""
    if same:
        asked_again = now.checked_at > before.checked_at  # and not the same answer, out of the cache
        return replace(before, checked_at=now.checked_at, confirmed=before.confirmed + asked_again)
    return replace(now, version=before.version + 1)
