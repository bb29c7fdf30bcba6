"""The archive: settled days in, the same days out, and a clear word where something is wrong."""

import errno
import json
import os
import stat
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from augment_insights import Archive
from augment_insights.archive import month
from augment_insights.errors import ArchiveError, TableError
from augment_insights.periods import DayRange
from augment_insights.tables import DAU, DAU_COUNT, EDITOR_LANGUAGE, ENDPOINT_TABLES, METRICS, USER_ACTIVITY

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
MONDAY = date(2026, 3, 2)
ORIGIN = "https://api.example.com"
ADA, BOB = "ada@example.com", "bob@example.com"


def day(offset: int) -> date:
    return MONDAY + timedelta(days=offset)


def only(when: date) -> DayRange:
    return DayRange(when, when)


def counts(*numbers: int, start: date = MONDAY) -> pl.DataFrame:
    days = [start + timedelta(days=n) for n in range(len(numbers))]
    return pl.DataFrame({"date": days, "user_count": numbers}, schema=DAU_COUNT.schema)


def users(when: date, *names: str) -> pl.DataFrame:
    rows = [(when, name, "person") for name in names]
    return pl.DataFrame(rows, schema=DAU.schema, orient="row")


def records(when: date, *names: str, **metrics: int | None) -> pl.DataFrame:
    rest = {"user_type": "person", "language": "Python", "editor": "VSCode", **metrics}
    return pl.DataFrame([{"date": when, "user": name, **rest} for name in names], schema=EDITOR_LANGUAGE.schema)


def add(
    archive: Archive, table: str, frame: pl.DataFrame, days: Iterable[date] | None = None, **settings: Any
) -> list[DayRange]:
    """Add the days that a frame has rows of, or those that are named."""
    spans = [only(when) for when in (frame["date"].unique() if days is None else days)]
    return archive.add(table, frame, spans, **{"origin": ORIGIN, "fetched_at": NOW, **settings})


def file_of(archive: Archive, table: str) -> Path:
    return archive.path / table / "month=2026-03" / "data.parquet"


@pytest.fixture
def archive(tmp_path) -> Archive:
    return Archive(tmp_path / "archive")


def test_an_empty_day_and_a_day_not_fetched_differ(archive):
    """A day without rows is there once fetched; one not fetched, or dropped, is missing; a mistyped table is named."""
    add(archive, "dau", users(day(0), ADA), [day(0), day(1)])
    assert archive.has("dau", day(1))
    assert not archive.has("dau", day(2))
    assert archive.missing("dau", DayRange(day(-1), day(3))) == [only(day(-1)), DayRange(day(2), day(3))]
    assert archive.read("dau", day(1)).equals(DAU.empty())
    assert archive.manifest("dau").select("start", "rows", "users").rows() == [(day(0), 1, 1), (day(1), 0, 0)]
    add(archive, "dau_count", counts(5, 6, 7))
    archive.drop("dau_count", [only(day(1))])
    assert archive.missing("dau_count", DayRange(day(0), day(2))) == [only(day(1))]
    assert archive.scan("dau_count").collect()["user_count"].to_list() == [5, 7]
    with pytest.raises(ValueError, match="did you mean 'dau'"):
        archive.drop("duo", [])


def test_a_window_is_there_exactly_or_not_at_all(archive):
    """Two windows of user_activity that overlap are kept apart; a part of one is missing."""
    whole, half = DayRange(day(0), day(9)), DayRange(day(0), day(4))
    row = {"user": ADA, "user_type": "person", "total_messages": 5}
    rows = [{"period_start": span.start, "period_end": span.end, "active_days": span.days} for span in (whole, half)]
    frames = [pl.DataFrame([{**each, **row}], schema=USER_ACTIVITY.schema) for each in rows]
    archive.add("user_activity", pl.concat(frames), [whole, half], origin=ORIGIN, fetched_at=NOW)
    assert [archive.has("user_activity", span) for span in (whole, half)] == [True, True]
    assert archive.missing("user_activity", DayRange(day(0), day(5))) == [DayRange(day(0), day(5))]
    assert_frame_equal(archive.read("user_activity", half), frames[1])
    assert archive.scan("user_activity").collect().height == 2


def editor_rows() -> st.SearchStrategy[list[dict[str, Any]]]:
    number = st.none() | st.integers(0, 2**31 + 5) | st.just(2**62)
    row = st.fixed_dictionaries(
        {
            "date": st.integers(0, 50).map(day),
            "user": st.sampled_from([ADA, ADA.title(), "=HYPERLINK(0)", "<script>", "bot", "žofie@x.cz"]),
            "user_type": st.sampled_from(["person", "service_account"]),
            "language": st.sampled_from(["Python", "Unknown", "C++", ""]),
            "editor": st.sampled_from(["VSCode", "vim"]),
            **dict.fromkeys(METRICS, number),
        }
    )
    return st.lists(row, max_size=30, unique_by=lambda each: tuple(each[name] for name in EDITOR_LANGUAGE.key))


@given(rows=editor_rows(), data=st.data())
def test_what_goes_in_comes_out(tmp_path_factory, rows, data):
    """Whatever days are added in whatever order, scan and read give every row back, with its dtypes and nulls."""
    archive = Archive(tmp_path_factory.mktemp("any") / "archive")
    frame = EDITOR_LANGUAGE.sort(pl.DataFrame(rows, schema=EDITOR_LANGUAGE.schema))
    days = data.draw(st.permutations([day(n) for n in range(51)]))
    cut = data.draw(st.integers(0, len(days)))
    later = NOW + timedelta(days=60)
    for part in (days[:cut], days[cut:]):
        add(archive, "editor_language", frame.filter(pl.col("date").is_in(part)), part, fetched_at=later)
    assert_frame_equal(archive.scan("editor_language").collect(), frame)
    assert_frame_equal(archive.read("editor_language", DayRange(day(0), day(50))), frame)
    assert archive.missing("editor_language", DayRange(day(0), day(50))) == []
    assert archive.check().is_empty()


@pytest.mark.parametrize("table", ENDPOINT_TABLES.values(), ids=lambda table: table.name)
def test_a_scan_has_the_columns_of_its_table(archive, table):
    """Empty or not, the lazy frame has exactly the columns and dtypes of the table."""
    assert archive.scan(table.name).collect_schema() == table.schema
    add(archive, "dau", users(day(0), ADA))
    add(archive, "editor_language", records(day(0), ADA, total_messages=1))
    assert archive.scan(table.name).collect_schema() == table.schema
    assert archive.scan(table.name).collect().schema == table.schema


def test_a_scan_follows_what_is_added_to_its_months(archive):
    """A frame made before a commit names users who came with the commit."""
    add(archive, "dau", users(day(0), ADA))
    lazy = archive.scan("dau")
    add(archive, "dau", users(day(1), "new@example.com"))
    assert lazy.collect()["user"].to_list() == [ADA, "new@example.com"]


def test_another_engine_reads_the_same_files(archive):
    """DuckDB joins names to records and adds up months of 32 and of 64 bits, by the documented SQL."""
    add(archive, "editor_language", records(day(0), ADA, BOB, total_messages=2))
    add(archive, "editor_language", records(date(2026, 2, 20), ADA, total_messages=2**40))
    found = duckdb.sql(
        f"""
        select user, month, sum(total_messages)::hugeint
        from read_parquet('{archive.path}/editor_language/*/*.parquet', hive_partitioning = true, union_by_name = true)
        join '{archive.path}/users.parquet' using (user_code)
        group by all order by all
        """  # noqa: S608 (our own path)
    ).fetchall()
    assert found == [(ADA, "2026-02", 2**40), (ADA, "2026-03", 2), (BOB, "2026-03", 2)]


def test_files_hold_codes_and_are_their_owners_alone(archive):
    """Names stand in users.parquet only; folders are 0700 and files 0600."""
    add(archive, "dau", users(day(0), ADA))
    add(archive, "dau", users(day(0), BOB), fetched_at=LATER)
    files = [path for path in archive.path.rglob("*") if path.is_file()]
    folders = [archive.path, *(path for path in archive.path.rglob("*") if path.is_dir())]
    assert [path.name for path in files if b"ada@example" in path.read_bytes()] == ["users.parquet"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


def test_a_day_that_is_not_settled_is_refused(archive):
    """Three days old is settled, two is not, however it was asked for; another number may be told."""
    assert archive.last_settled_day(NOW) == date(2026, 3, 17)
    add(archive, "dau_count", counts(5, start=date(2026, 3, 17)))
    with pytest.raises(ArchiveError, match=r"2026-03-18 is not settled"):
        add(archive, "dau_count", counts(5, start=date(2026, 3, 18)))
    assert Archive(archive.path, settled_after_days=10).last_settled_day(NOW) == date(2026, 3, 10)
    before_publication = datetime(2026, 3, 20, 1, tzinfo=UTC)
    assert Archive(archive.path, settled_after_days=1).last_settled_day(before_publication) == date(2026, 3, 18)


def test_rows_of_other_days_and_of_another_origin_are_refused(archive):
    """A row that belongs to no day that is added would be lost; the archive of one API takes no day of the sample."""
    with pytest.raises(TableError, match="of other days"):
        add(archive, "dau_count", counts(5, 6), [day(0)])
    assert archive.missing("dau_count", day(0)) == [only(day(0))]
    add(archive, "dau_count", counts(5))
    with pytest.raises(ArchiveError, match=r"holds the days of https://api.example.com, and these are of sample"):
        add(archive, "dau_count", counts(5, start=day(1)), origin="sample")
    assert archive.origin == ORIGIN


def test_users_of_whom_none_is_known_are_refused(archive):
    """Ten users on either side with none in common are two organisations; with one in common they are one."""
    ours = [f"user{n}@ours.com" for n in range(10)]
    theirs = [f"user{n}@theirs.com" for n in range(10)]
    add(archive, "dau", users(day(0), *ours))
    with pytest.raises(ArchiveError, match="another organisation"):
        add(archive, "dau", users(day(1), *theirs))
    assert pl.read_parquet(archive.path / "users.parquet").height == 10
    add(archive, "dau", users(day(1), "USER3@ours.com", *theirs))
    assert archive.read("dau", day(1)).height == 11


@pytest.mark.parametrize(
    ("path", "content", "words"),
    [
        ("archive/chapter.txt", "1", "holds other things"),
        ("archive", "1", "is a file"),
        ("archive/archive.json", '{"format": 2}', "layout 2"),
        ("archive/archive.json", "{", "cannot be read"),
    ],
)
def test_a_folder_with_something_else_in_it_is_refused(tmp_path, path, content, words):
    """No archive is begun among other files, in a file, or over a newer layout."""
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text(content)
    with pytest.raises(ArchiveError, match=words) as caught:
        Archive(tmp_path / "archive")
    assert caught.value.path is not None


def test_a_restated_day_is_replaced_and_logged(archive):
    """The new rows are read; the log has each total that changed, and ``rows`` where none did."""
    new = users(day(0), ADA, BOB)
    add(archive, "dau", pl.concat([users(day(0), ADA), users(day(1), BOB)]))
    assert archive.restatements().is_empty()
    assert add(archive, "dau", new, fetched_at=LATER) == [only(day(0))]
    assert_frame_equal(archive.read("dau", day(0)), new)
    assert_frame_equal(archive.scan("dau").collect(), pl.concat([new, users(day(1), BOB)]))
    assert add(archive, "dau", users(day(1), ADA), fetched_at=LATER) == [only(day(1))]
    log = archive.restatements()
    assert log.select("table", "day", "metric", "old_total", "new_total").rows() == [
        ("dau", day(0), "rows", 1, 2),
        ("dau", day(0), "users", 1, 2),
        ("dau", day(1), "rows", 1, 1),
    ]
    assert set(log["restated_at"]) == {LATER}
    assert log["last_day"].equals(log["day"])
    assert Archive(archive.path).restatements().equals(log)


def test_a_restatement_that_a_kill_prevented_is_not_told(archive, monkeypatch):
    """Killed between log and day, nothing was restated; when the day follows, it is told once."""
    add(archive, "dau_count", counts(5))
    with monkeypatch.context() as patched:
        patched.delattr(month, "write_month")
        with pytest.raises(AttributeError):
            add(archive, "dau_count", counts(6), fetched_at=LATER)
    assert archive.restatements().is_empty()
    assert archive.read("dau_count", day(0))["user_count"].to_list() == [5]
    add(archive, "dau_count", counts(6), fetched_at=LATER + timedelta(hours=1))
    assert archive.restatements().filter(metric="user_count").select("old_total", "new_total").rows() == [(5, 6)]


def test_asking_again_is_noted_and_an_older_answer_changes_nothing(archive):
    """The same rows later move ``checked_at`` alone, and an answer older than what is kept is ignored."""
    add(archive, "dau_count", counts(5))
    add(archive, "dau_count", counts(5), fetched_at=LATER)
    assert add(archive, "dau_count", counts(9), fetched_at=NOW) == []
    line = archive.manifest().row(0, named=True)
    assert (line["fetched_at"], line["checked_at"]) == (NOW, LATER)
    assert archive.read("dau_count", day(0))["user_count"].to_list() == [5]
    assert archive.restatements().is_empty()


def test_an_archive_of_an_earlier_release_is_read(tmp_path):
    """Same months and manifest, with versions and confirmations in it: its days are read, old versions ignored."""
    archive = tmp_path / "old"
    current = archive / "dau" / "month=2026-03" / "data.parquet"
    superseded = archive / "superseded" / "dau" / "2026-03-02_2026-03-02_version-1.parquet"
    times = {"fetched_at": "2026-03-20T12:00:00+00:00", "checked_at": "2026-03-20T13:00:00.250000+00:00"}
    for path, version, codes in ((current, 2, [0, 1]), (superseded, 1, [0])):
        path.parent.mkdir(parents=True)
        counted = {"rows": len(codes), "users": len(codes), "version": version, "confirmed": 2, "totals": {}}
        lines = [{"start": "2026-03-02", "end": "2026-03-02", **counted, **times}]
        rows = pl.DataFrame({"user_code": codes, "date": [day(0)] * len(codes)}).cast({"user_code": pl.UInt32})
        rows.write_parquet(path, metadata={"augment_insights": json.dumps(lines)})
    names = {"user_code": [0, 1], "user": [ADA, BOB], "user_type": ["person"] * 2}
    pl.DataFrame(names, schema=month.USERS_SCHEMA).write_parquet(archive / "users.parquet")
    (archive / "archive.json").write_text(json.dumps({"format": 1, "origin": ORIGIN, "windows_end": "2026-03-02"}))

    opened = Archive(archive)
    assert (opened.origin, opened.windows_end(day(9))) == (ORIGIN, day(0))
    assert opened.manifest().select("fetched_at", "checked_at").row(0) == (NOW, LATER + timedelta(seconds=0.25))
    assert opened.check().is_empty()
    add(opened, "dau", users(day(1), ADA))
    assert_frame_equal(opened.scan("dau").collect(), pl.concat([users(day(0), ADA, BOB), users(day(1), ADA)]))


def test_a_check_finds_what_is_wrong_and_quarantine_moves_it_aside(archive):
    """A gap, a cut file, a stray file and a disagreement are found and named; quarantined days are missing."""
    add(archive, "dau_count", pl.concat([counts(1, 2), counts(4, start=day(3))]))
    add(archive, "dau", pl.concat([users(day(0), ADA), users(day(1), ADA)]))
    add(archive, "editor_language", records(day(0), ADA, total_messages=1))
    whole, cut_off = file_of(archive, "dau"), file_of(archive, "editor_language")
    whole.with_name("copy.parquet").write_bytes(whole.read_bytes())
    cut_off.write_bytes(cut_off.read_bytes()[:-20])
    found = archive.check()
    assert found.select("table", "start", "end", "problem").rows() == [
        ("dau", None, None, "damaged"),
        ("dau", day(1), day(1), "disagrees"),
        ("dau_count", day(2), day(2), "missing"),
        ("editor_language", None, None, "damaged"),
    ]
    assert "copy.parquet: not a file of the archive" in found.row(0, named=True)["detail"]
    assert found.row(1, named=True)["detail"] == "users 1 against 2"
    with pytest.raises(ArchiveError, match="is damaged"):
        archive.read("editor_language", day(0))
    assert [path.parent.name for path in archive.quarantine()] == ["damaged", "damaged"]
    assert set(archive.check()["problem"]) == {"missing", "disagrees"}
    assert archive.missing("editor_language", day(0)) == [only(day(0))]
    assert archive.has("dau", day(1))
    assert archive.quarantine() == []


@pytest.mark.parametrize(
    ("change", "damaged", "detail"),
    [
        (lambda rows: pl.concat([rows, rows[:1]]), (0, 0), "duplicate rows"),
        (lambda rows: rows.with_columns(total_messages=pl.lit(4, dtype=pl.Int32)), (0, 0), "rows and manifest differ"),
        (lambda rows: rows.with_columns(date=pl.lit(day(5))), (0, 5), "rows of a day that is not in the manifest"),
        (lambda rows: rows.with_columns(user_code=pl.lit(7, dtype=pl.UInt32)), (0, 0), "users without a name"),
    ],
    ids=["duplicate", "changed", "moved", "nameless"],
)
def test_a_check_compares_rows_with_the_manifest(archive, change, damaged, detail):
    """A month whose rows were changed by other hands is found, and keeps its good days when it is quarantined."""
    good = records(day(1), ADA, total_messages=1)
    add(archive, "editor_language", pl.concat([records(day(0), ADA, BOB, total_messages=3), good]))
    path = file_of(archive, "editor_language")
    footer = {"augment_insights": pl.read_parquet_metadata(path)["augment_insights"]}
    rows = pl.read_parquet(path, hive_partitioning=False)
    pl.concat([change(rows[:2]), rows[2:]]).write_parquet(path, metadata=footer)
    found = archive.check()
    assert found.select("start", "end", "problem").rows() == [(day(damaged[0]), day(damaged[1]), "damaged")]
    assert detail in found["detail"][0]
    assert len(archive.quarantine()) == 1
    assert archive.check().is_empty()
    assert archive.missing("editor_language", DayRange(day(0), day(1))) == [only(day(0))]
    assert_frame_equal(archive.scan("editor_language").collect(), good)


def test_totals_that_the_api_left_out_disagree_with_nothing(archive):
    """A metric that is null in the records is not compared with the usage of the day."""
    add(archive, "editor_language", records(day(0), ADA, total_messages=3, chat_messages=None))
    usage = {"date": day(0), "total_messages": 3, "chat_messages": 3}
    add(archive, "daily_usage", pl.DataFrame([usage], schema=ENDPOINT_TABLES["daily_usage"].schema))
    assert archive.check().is_empty()


def test_leftovers_are_swept_but_not_under_a_writer(archive):
    """What a killed writer left goes when the archive is opened, unless somebody is writing just then."""
    add(archive, "dau_count", counts(5))
    leftover = archive.path / "dau_count" / ".tmp-abc.part"
    leftover.write_text("half")
    with FileLock(archive.path / ".lock-write"):
        Archive(archive.path)
        assert leftover.exists()
    assert archive.check().is_empty()
    Archive(archive.path)
    assert not leftover.exists()


def test_one_sync_and_one_writer_at_a_time(archive, monkeypatch):
    """Each lock is held by one, and free again after it; a writer that waited in vain is told; reading needs none."""
    add(archive, "dau_count", counts(5))
    with archive.syncing() as first, Archive(archive.path).syncing() as second:
        assert (first, second) == (True, False)
        assert Archive(archive.path).scan("dau_count").collect().height == 1
    with archive.syncing() as again:
        assert again
    monkeypatch.setattr("augment_insights.archive.archive.LOCK_SECONDS", 0.05)
    with FileLock(archive.path / ".lock-write"), pytest.raises(ArchiveError, match="has been writing to the archive"):
        add(archive, "dau_count", counts(6), fetched_at=LATER)


def test_a_lock_that_cannot_be_had_is_not_one_that_is_held(archive):
    """Where the lock file cannot be opened the reason is raised, not "another sync is at work"."""
    for name in (".lock-sync", ".lock-write"):
        (archive.path / name).mkdir(parents=True)
    with pytest.raises(IsADirectoryError), archive.syncing():
        pass
    with pytest.raises(IsADirectoryError):
        add(archive, "dau_count", counts(5))


def test_a_folder_without_locks_is_named(archive, monkeypatch):
    """Where the system has no lock to give (some network folders), that is the error, with the file."""

    def refuse(*_arguments: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(OSError, match="No locks available") as caught, archive.syncing():
        pass
    assert caught.value.filename == str(archive.path / ".lock-sync")


def test_a_folder_that_was_there_keeps_its_mode(archive):
    """Only what is made here becomes private: the files, and folders within."""
    archive.path.mkdir(mode=0o755)
    add(archive, "dau_count", counts(5))
    assert stat.S_IMODE(archive.path.stat().st_mode) == 0o755
    assert stat.S_IMODE((archive.path / "archive.json").stat().st_mode) == 0o600


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


@given(data=st.data())
def test_one_flipped_bit_is_noticed_by_whoever_reads(tmp_path_factory, data):
    """Wherever it is, in rows, footer, names or checksum: an error that names the file, and never another number."""
    archive = Archive(tmp_path_factory.mktemp("any") / "archive")
    add(archive, "editor_language", records(day(0), ADA, BOB, total_messages=3))
    path = data.draw(st.sampled_from([file_of(archive, "editor_language"), archive.path / "users.parquet"]))
    flip(path, data.draw(st.integers(0, 8 * path.stat().st_size - 1)))
    for read in (lambda: archive.read("editor_language", day(0)), lambda: archive.scan("editor_language").collect()):
        with pytest.raises(ArchiveError, match="is damaged") as caught:
            read()
        assert caught.value.path == path
    if path.name == "data.parquet":
        assert archive.check()["problem"].to_list() == ["damaged"]


def test_it_says_what_it_holds(archive):
    """Days, gaps and rows by table, in a terminal and in a notebook."""
    assert repr(archive).endswith("empty)")
    add(archive, "dau_count", pl.concat([counts(5, 6), counts(8, start=day(4))]))
    line = archive.describe().row(0, named=True)
    assert (line["table"], line["first_day"], line["last_day"]) == ("dau_count", day(0), day(4))
    assert (line["days"], line["missing_days"], line["rows"]) == (3, 2, 3)
    assert "dau_count: 3 days, 2026-03-02 to 2026-03-06, 3 rows" in repr(archive)
    assert "<table" in archive._repr_html_()
