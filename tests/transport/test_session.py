"""The cache and the wire: what is kept, until when, for whom; and that nothing broken gives a wrong answer or hangs."""

import base64
import gzip
import json
import os
import pickle
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from augment_insights import Client, fetch
from augment_insights.errors import ApiError, ApiUnavailableError, CacheError, CacheWarning
from augment_insights.transport import RetryPolicy
from augment_insights.transport.messages import DAU_COUNT
from augment_insights.transport.session import cache_files, clear_cache, lifetime

DAYS = ("2026-03-01", "2026-03-02")


def read(client: Client) -> list[int]:
    return fetch.dau_count(*DAYS, client=client)["user_count"].to_list()


@pytest.fixture
def cache_file(api, connect) -> Path:
    """Return the path of a cache that holds the API's answer."""
    with connect(api.url) as client:
        assert read(client) == [7, 0]
        assert client.cache_path is not None
        return client.cache_path


def test_files_are_their_owners_alone(cache_file, connect, api, tmp_path):
    """A folder that we make is 0700, files are 0600, also those of SQLite; a folder that is there keeps its mode."""
    before = os.umask(0)
    try:
        for is_there in (True, False):
            if is_there:
                cache_file.chmod(0o644)
                cache_file.parent.chmod(0o755)
            else:
                shutil.rmtree(cache_file.parent)
            client = connect(api.url)
            read(client)
            modes = {each.name: each.stat().st_mode & 0o777 for each in cache_file.parent.iterdir()}
            client.close()
            assert cache_file.parent.stat().st_mode & 0o777 == (0o755 if is_there else 0o700)
            assert {cache_file.name, f"{cache_file.name}-wal", f"{cache_file.name}-shm"} <= modes.keys()
            assert set(modes.values()) == {0o600}
    finally:
        os.umask(before)
    tmp_path.chmod(0o2775)  # a team's
    client = connect(api.url, cache=tmp_path)
    read(client)
    assert tmp_path.stat().st_mode & 0o7777 == 0o2775
    assert client.cache_path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_a_revoked_token_never_looks_healthy(status, cache_file, wire, connect, api):
    """The cache answers at 23:59; at 24:01 it is asked anew, and a refusal is one: the old answer is not dug out."""
    api.answer = lambda _asked: wire.refuse(status)
    nearly = datetime.now(UTC) + timedelta(hours=23, minutes=59)
    for kept in (True, False):  # with the expired row still there, and with it cleared out
        with time_machine.travel(nearly, tick=False) as traveller, connect(api.url) as client:
            if kept:
                assert read(client) == [7, 0]
            traveller.shift(timedelta(minutes=2))
            with pytest.raises(ApiError) as caught:
                read(client)
        assert caught.value.status == status


@pytest.mark.parametrize(("hour", "minute", "requests"), [(1, 0, 1), (2, 59, 1), (3, 0, 2), (3, 1, 2)])
def test_an_answer_about_a_day_that_is_not_out_ends_at_the_cut_off(hour, minute, requests, connect, clock, api):
    """Asked at 00:30 for yesterday: kept until 03:00 UTC, and not a second longer."""
    with time_machine.travel(datetime(2026, 3, 10, 0, 30, tzinfo=UTC), tick=False) as traveller:
        clock.now = lambda: datetime.now(UTC)
        for moment in (datetime(2026, 3, 10, 0, 30, tzinfo=UTC), datetime(2026, 3, 10, hour, minute, tzinfo=UTC)):
            traveller.move_to(moment)
            with connect(api.url) as client:
                client.pages(DAU_COUNT, start_date="2026-03-08", end_date="2026-03-09")
    assert api.count == requests


def test_an_answer_under_way_at_the_cut_off_is_not_kept_for_a_day(serve, wire, connect, clock):
    """Sent before 03:00 and here on the stroke of it: it may be from before the data was out."""
    with time_machine.travel(datetime(2026, 3, 10, 2, 59, 59, tzinfo=UTC), tick=False) as traveller:

        def answer(asked) -> Callable[[Any], None]:
            def late(connection) -> None:
                traveller.move_to(datetime(2026, 3, 10, 3, tzinfo=UTC))
                connection.sendall(wire.counting(asked))

            return late

        api = serve(answer)
        clock.now = lambda: datetime.now(UTC)
        for requests in (1, 2):
            with connect(api.url) as client:
                client.pages(DAU_COUNT, start_date="2026-03-08", end_date="2026-03-09")
            assert api.count == requests
            api.answer = wire.counting


@given(seconds=st.integers(0, 360 * 86_400), back=st.integers(1, 700), word=st.sampled_from(["date", "end_date"]))
def test_nothing_outlives_the_publication_of_its_last_day(seconds, back, word):
    """An answer lives 24 hours, or until 03:00 UTC of the day after its last one if that is still to come."""
    now = datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=seconds)
    day = now.date() - timedelta(days=back)
    kept = lifetime(f"https://api/analytics/v0/x?{word}={day}&start_date=2020-01-01", now=now)
    cut_off = datetime(day.year, day.month, day.day, 3, tzinfo=UTC) + timedelta(days=1)
    assert kept == (cut_off - now if cut_off > now else timedelta(hours=24))


def test_rows_on_disk_are_json(cache_file):
    """No row is a pickle or any other thing that could run; the body in it is as it came."""
    with sqlite3.connect(cache_file) as connection:
        (row,) = connection.execute("SELECT value FROM responses").fetchone()
    connection.close()
    body = base64.b64decode(json.loads(row[16:])["_content"])  # behind the checksum
    assert json.loads(body)["daily_active_user_counts"][0]["user_count"] == 7


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


def changed(row: bytes, place: int) -> bytes:
    return row[:place] + bytes([row[place] ^ 1]) + row[place + 1 :]


TAMPERED: dict[str, Callable[[bytes, str], Any]] = {
    "a pickle that runs a command": lambda _row, mark: pickle.dumps(Bomb(mark)),
    "JSON without a checksum": lambda row, _mark: row[16:],
    "JSON as text": lambda row, _mark: row[16:].decode(),
    "an empty object": lambda _row, _mark: "{}",
    "an empty value": lambda _row, _mark: "",
    "no bytes": lambda _row, _mark: b"",
    "nothing": lambda _row, _mark: None,
    "an integer": lambda _row, _mark: 5,
    "garbage": lambda _row, _mark: b"\x00\xff garbage",
    "half a row": lambda row, _mark: row[: len(row) // 2],
    "text that is not UTF-8": lambda row, _mark: b"UTF8:" + row[16:-3] + b"\xff\xff",
    "a changed checksum": lambda row, _mark: changed(row, 3),
    "a changed body": lambda row, _mark: changed(row, row.index(b'"_content"') + 30),
    "another expiry": lambda row, _mark: row.replace(b'"expires": "20', b'"expires": "21'),
    "another creation": lambda row, _mark: changed(row, row.index(b'"created_at"') + 20),
}


@pytest.mark.parametrize("kind", TAMPERED)
def test_a_tampered_row_costs_one_request(kind, cache_file, connect, tmp_path, api):
    """Whatever stands in a row's place: it runs nothing, is asked over once, and the right answer takes its place."""
    mark = tmp_path / "ran"
    with sqlite3.connect(cache_file) as connection:
        (row,) = connection.execute("SELECT value FROM responses").fetchone()
        value = TAMPERED[kind](row, str(mark))
        assert value != row
        if isinstance(value, bytes) and value.startswith(b"UTF8:"):
            connection.execute("UPDATE responses SET value = CAST(? AS TEXT)", (value[5:],))
        else:
            connection.execute("UPDATE responses SET value = ?", (value,))
    connection.close()
    for _ in range(2):
        assert read(connect(api.url)) == [7, 0]
        assert api.count == 2, "asked once more, and kept"
    assert not mark.exists()


def test_a_row_under_another_key_is_not_believed(cache_file, connect, api):
    """Two rows swapped, each whole in itself: neither answers the other's question."""
    fetch.dau_count("2026-02-01", "2026-02-02", client=(client := connect(api.url)))
    client.close()
    with sqlite3.connect(cache_file) as connection:
        (one, first), (two, second) = connection.execute("SELECT key, value FROM responses").fetchall()
        connection.execute("UPDATE responses SET value = ? WHERE key = ?", (second, one))
        connection.execute("UPDATE responses SET value = ? WHERE key = ?", (first, two))
    connection.close()
    client = connect(api.url)
    assert fetch.dau_count("2026-02-01", "2026-02-02", client=client)["date"].to_list()[0].month == 2
    assert fetch.dau_count(*DAYS, client=client)["date"].to_list()[0].month == 3
    assert api.count == 4


def test_a_row_from_the_future_is_not_believed(cache_file, connect, api):
    """Kept while the clock was a year ahead: when it is right again, the answer does not live for a year."""
    a_year_ago = datetime.now(UTC) - timedelta(days=365)
    with time_machine.travel(a_year_ago, tick=False), connect(api.url) as client:
        assert read(client) == [7, 0]
    assert api.count == 2


def test_expired_rows_are_cleared_out(cache_file, connect, api):
    """A run a day later leaves nothing of the old answers in the file."""
    assert [(each.answers, each.expired) for each in cache_files(cache_file.parent)] == [(1, 0)]
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=25), tick=False):
        assert [(each.answers, each.expired) for each in cache_files(cache_file.parent)] == [(0, 1)]
        with connect(api.url) as client:
            client.seconds_for(1)  # opens, and asks nothing
        assert [(each.answers, each.expired) for each in cache_files(cache_file.parent)] == [(0, 0)]


def make_foreign(path: Path, table: str) -> None:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE {table}")


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "garbage": lambda path: path.write_bytes(b"garbage " * 5000),
    "five bytes": lambda path: path.write_bytes(b"SQLit"),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:6000]),
    "another program's": lambda path: make_foreign(path, "responses (url TEXT, body TEXT)"),
    "a damaged header": lambda path: path.write_bytes(b"\0" * 100 + path.read_bytes()[100:]),
    "a damaged page": lambda path: path.write_bytes(
        path.read_bytes()[:4096] + b"\xaa" * 4096 + path.read_bytes()[8192:]
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_set_aside_with_one_warning(damage, cache_file, connect, api):
    """Listed with its size until then; one warning, the right answer, a new cache, and the damaged file kept beside."""
    DAMAGES[damage](cache_file)
    (listed,) = cache_files(cache_file.parent)
    assert listed.size_bytes >= cache_file.stat().st_size
    assert listed.answers + listed.expired <= 1
    with pytest.warns(CacheWarning, match="damaged") as warned:
        assert read(connect(api.url)) == [7, 0]
    assert len(warned) == 1
    assert read(connect(api.url)) == [7, 0]
    assert api.count == 2, "the new cache works"
    assert len(list(cache_file.parent.glob("*.damaged-*"))) == 1


def test_an_empty_file_is_an_empty_cache(cache_file, connect, api):
    """A file of no bytes is begun without a word."""
    cache_file.write_bytes(b"")
    assert read(connect(api.url)) == [7, 0]
    assert read(connect(api.url)) == [7, 0]
    assert api.count == 2


@pytest.mark.slow
def test_damage_that_shows_in_mid_work_costs_one_warning(connect, api):
    """Pages that go bad under an open cache: the work goes on in memory, rightly, with one warning."""
    client = connect(api.url)
    ranges = [(f"2026-01-{day:02}", f"2026-01-{day:02}") for day in range(1, 29)]
    first = [fetch.dau_count(*days, client=client) for days in ranges]
    client.close()
    client = connect(api.url)
    fetch.dau_count(*ranges[0], client=client)
    path = client.cache_path
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))
    client._open().cache.responses.close()  # what SQLite still has in memory would hide the damage
    with pytest.warns(CacheWarning, match="cannot be used") as warned:
        again = [fetch.dau_count(*days, client=client) for days in ranges]
    assert len(warned) == 1
    assert all(a.equals(b) for a, b in zip(first, again, strict=True))
    before = api.count
    assert all(fetch.dau_count(*days, client=client).height == 1 for days in ranges)
    assert api.count == before, "memory keeps what was fetched"


@pytest.fixture
def short_wait(monkeypatch) -> None:
    """Wait for locks a fifth of a second in place of five."""
    for room in ("session", "rate_limit"):
        monkeypatch.setattr(f"augment_insights.transport.{room}._LOCK_TIMEOUT", 0.2)


@pytest.fixture
def holder(cache_file) -> Iterator[sqlite3.Connection]:
    """Return a connection of somebody else's to the cache file, which can lock it until the end of the test."""
    connection = sqlite3.connect(cache_file, isolation_level=None)
    yield connection
    connection.close()


@pytest.mark.usefixtures("short_wait")
@pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
@pytest.mark.parametrize("when", ["before we begin", "in mid-work"])
def test_a_lock_that_is_held_for_ever_costs_one_warning(when, how, cache_file, connect, holder, api):
    """Another program takes the write lock and never lets go: the work goes on in memory, and does not hang."""
    client = connect(api.url)
    if when == "in mid-work":
        assert read(client) == [7, 0]
    holder.execute(f"BEGIN {how}")
    days = [f"2026-01-{day:02}" for day in range(1, 6)]
    with pytest.warns(CacheWarning, match="locked") as warned:
        counts = [fetch.dau_count(day, day, client=client)["user_count"].item() for day in days]
    assert counts == [7] * 5
    assert len(warned) == 1
    before = api.count
    assert [fetch.dau_count(day, day, client=client).height for day in days] == [1] * 5
    assert api.count == before, "memory keeps what was fetched"


def test_a_file_that_is_being_begun_is_tried_again(cache_file, connect, monkeypatch, api):
    """SQLite refuses at once where another process switches the file to a log: that is no reason to do without it."""
    refused = []

    class Busy(sqlite3.Connection):
        def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
            if "journal_mode" in statement and len(refused) < 3:
                refused.append(statement)
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise error
            return super().execute(statement, *values)

    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *where, **how: real(*where, **how, factory=Busy))
    monkeypatch.setattr("augment_insights.transport.session._LOCK_RETRY", 0)
    client = connect(api.url)
    assert read(client) == [7, 0]
    assert len(refused) == 3
    assert api.count == 1


def test_a_file_where_the_folder_should_be_is_an_error(connect, tmp_path, api):
    """A setting to mend, not a passing fault: CacheError names the folder and the variable."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="AUGMENT_INSIGHTS_CACHE") as caught:
        read(connect(api.url, cache=tmp_path / "file"))
    assert caught.value.path == tmp_path / "file"
    assert api.count == 0


IN_ANOTHER_PROCESS = """
import json, os, resource, signal, sys, warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from augment_insights import Client, fetch
url, folder, trouble = sys.argv[1:4]
today = datetime.now(UTC).date()
days = [today - timedelta(days=back) for back in range(10, 38)]
with Client("token-of-a-test", base_url=url, cache=False) as warm:  # every late import, while the disk is still ours
    fetch.dau_count(today - timedelta(days=50), today - timedelta(days=50), client=warm)
    warm.cache_path
if trouble == "full":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40960, 40960))
elif trouble == "full from the start":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
elif trouble == "read-only" and os.geteuid() == 0:
    os.setegid(65534)
    os.seteuid(65534)
with warnings.catch_warnings(record=True) as heard:
    warnings.simplefilter("always")
    with Client("token-of-a-test", base_url=url, cache=folder) as client:
        counts = []
        for date in days:
            counts += fetch.dau_count(date, date, client=client)["user_count"].to_list()
        sent = client.requests_sent
        for date in days:
            fetch.dau_count(date, date, client=client)
        again = client.requests_sent - sent
told = [[warning.category.__name__, str(warning.message)] for warning in heard]
print(json.dumps({"counts": counts, "sent": sent, "again": again, "heard": told}))
"""


def in_another_process(url: str, folder: Path, trouble: str) -> dict[str, Any]:
    program = IN_ANOTHER_PROCESS.replace("with Client(", "with Client(requests_per_minute=60000, burst=1000, token=")
    done = subprocess.run(
        [sys.executable, "-c", program, url, str(folder), trouble], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["full", "full from the start"])
def test_a_full_disk_costs_one_warning(trouble, tmp_path, api):
    """When no byte more fits, the rest is kept in memory: all right, one warning, only what is on file asked twice."""
    found = in_another_process(api.url, tmp_path / "own", trouble)
    assert found["counts"] == [7] * 28
    on_file = sum(each.answers for each in cache_files(tmp_path / "own"))
    assert found["again"] == on_file < 28
    assert [kind for kind, text in found["heard"] if "cache" in text and "rate limit" not in text] == ["CacheWarning"]


@pytest.mark.slow
@pytest.mark.parametrize("there", ["a cache", "nothing"])
def test_a_read_only_folder_costs_one_warning(there, connect, api):
    """A folder that cannot be written to: its answers are read, new ones are right and in memory, with one warning."""
    folder = Path(tempfile.mkdtemp())  # not under pytest's own, whose parents are closed to other users
    try:
        if there == "a cache":
            client = connect(api.url, token="token-of-a-test", cache=folder, clock=None, burst=100)
            today = datetime.now(UTC).date()
            for back in range(10, 38):
                fetch.dau_count(*[today - timedelta(days=back)] * 2, client=client)
            client.close()
            for part in folder.iterdir():
                part.chmod(0o444)
        folder.chmod(0o555)
        found = in_another_process(api.url, folder, "read-only")
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
    assert found["counts"] == [7] * 28
    assert (found["sent"], found["again"]) == (0 if there == "a cache" else 28, 0)
    assert [kind for kind, text in found["heard"] if str(folder) in text] == ["CacheWarning"]


def test_threads_open_one_client_once(cache_file, connect, api):
    """Sixteen threads that ask first at the same moment open one cache, and each gets the right answer from it."""
    client = connect(api.url)
    together = threading.Barrier(16)
    found: list[tuple[list[int], int]] = []

    def work() -> None:
        together.wait(30)
        found.append((read(client), id(client._open())))

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [counts for counts, _ in found] == [[7, 0]] * 16
    assert len({session for _, session in found}) == 1
    assert api.count == 1


def test_clearing_takes_our_files_and_nobody_elses(cache_file, connect, api):
    """``clear_cache`` deletes caches and damaged ones set aside, and no other SQLite file of the folder."""
    DAMAGES["garbage"](cache_file)
    with pytest.warns(CacheWarning):
        read(connect(api.url))
    others = [
        cache_file.parent / name for name in ("study-of-2025-results.sqlite", "mine-measurements2025.sqlite", "x.txt")
    ]
    for other in others:
        other.write_text("mine")
    assert [each.path for each in cache_files(cache_file.parent)] == [cache_file]
    cleared = clear_cache(cache_file.parent)
    assert [each.path for each in cleared] == [cache_file]
    left = {each.name for each in cache_file.parent.iterdir()}
    assert left == {other.name for other in others} | {"rate-limit.sqlite"}


def test_no_cache_keeps_answers_in_memory(connect, own_machine, api):
    """``cache=False`` writes no answer to disk, and asks nothing twice while the client lives."""
    client = connect(api.url, cache=False)
    assert read(client) == read(client)
    assert api.count == 1
    assert client.cache_path is None
    assert [each.name for each in (own_machine / "cache").iterdir()] == ["rate-limit.sqlite"]


def test_a_gzipped_answer_is_read(serve, connect, wire):
    """Compressed and chunked bodies are as good as plain ones, from the API and from the cache."""

    def answer(asked) -> bytes:
        packed = gzip.compress(wire.counting(asked).partition(b"\r\n\r\n")[2])
        first, second = packed[:40], packed[40:]
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (first, second))
        return wire.head("Content-Encoding: gzip", "Transfer-Encoding: chunked") + chunks + b"0\r\n\r\n"

    api = serve(answer)
    first = fetch.dau_count(*DAYS, client=connect(api.url))
    second = fetch.dau_count(*DAYS, client=connect(api.url))
    assert first.equals(second)
    assert first["user_count"].to_list() == [7, 0]
    assert api.count == 1


def test_an_answer_in_advance_is_not_the_answer(connect, api, wire):
    """103 Early Hints, once or twice, with fields of its own, comes before the 200."""
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
    api.answer = lambda asked: early * 2 + wire.counting(asked)
    assert read(connect(api.url)) == [7, 0]
    assert api.count == 1


def test_who_asks_the_same_at_the_same_time_waits_for_one_answer(connect, api, wire):
    """Four clients of one cache and three ranges: three requests, and everybody has every answer."""
    api.answer = lambda asked: time.sleep(0.05) or wire.counting(asked)
    together, found = threading.Barrier(4), []

    def work(client: Client) -> None:
        together.wait(30)
        found.append([fetch.dau_count(day, day, client=client)["user_count"].item() for day in DAYS * 2])

    threads = [threading.Thread(target=work, args=(connect(api.url),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[7] * 4] * 4
    assert api.count == 2
    assert not list(connect(api.url).cache_path.parent.glob("*.lock"))


@pytest.mark.parametrize("header", ["Vary: *", "Vary: Authorization", "Cache-Control: no-store", "Set-Cookie: a=b"])
def test_what_the_server_says_of_caching_changes_nothing(header, serve, connect, wire):
    """Answers are kept for 24 hours whatever Vary or Cache-Control say; cookies are not sent back."""
    name, _, value = header.partition(": ")

    def answer(asked) -> bytes:
        answered = wire.dau_count(asked.params["start_date"], asked.params["end_date"])
        return wire.respond(answered, **{name: value})

    api = serve(answer)
    client = connect(api.url)
    fetch.dau_count(*DAYS, client=client)
    fetch.dau_count(*DAYS, client=client)
    assert api.count == 1
    fetch.dau_count("2026-02-01", "2026-02-02", client=client)
    assert "cookie" not in api.asked[1].headers


@pytest.mark.parametrize("where", ["nothing", "status line", "headers", "length of a chunk", "body", "1xx answers"])
def test_a_server_that_is_silent_or_drips_is_given_up(where, serve, connect, wire):
    """A byte now and then keeps a socket alive for ever; the deadline of the whole answer ends it."""
    stop = threading.Event()
    begin, drop = {
        "nothing": (b"", b""),
        "status line": (b"HTTP/1.1 ", b"2"),
        "headers": (wire.head()[:-2] + b"X: ", b"x"),
        "length of a chunk": (wire.head("Transfer-Encoding: chunked"), b"0"),
        "body": (wire.head("Content-Length: 100000"), b"x"),
        "1xx answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    }[where]

    def drip(connection: socket.socket) -> None:
        connection.sendall(begin)
        while not stop.wait(0.02):
            connection.sendall(drop)

    api = serve(lambda _asked: drip)
    client = connect(api.url, timeout=0.1, clock=None, retry=RetryPolicy(attempts=1))
    outcome: list[ApiError] = []

    def ask() -> None:
        try:
            read(client)
        except ApiError as error:
            outcome.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(10)
    hangs = asking.is_alive()
    stop.set()
    asking.join(5)
    assert not hangs, "the client still reads"
    assert isinstance(outcome[0], ApiUnavailableError)


@pytest.mark.slow
def test_a_bomb_of_zeros_is_refused(serve, connect, wire):
    """A small gzip body that unpacks to more than any answer is refused, and does not fill the memory."""
    bomb = gzip.compress(b" " * (70 * 2**20), compresslevel=9)
    api = serve(lambda _asked: wire.head("Content-Encoding: gzip", f"Content-Length: {len(bomb)}") + bomb)
    with pytest.raises(ApiUnavailableError, match="longer than"):
        fetch.dau_count(*DAYS, client=connect(api.url, retry=RetryPolicy(attempts=1)))


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_plain_http_to_this_machine_passes_by_the_proxy(variable, serve, connect, wire, monkeypatch, api):
    """A proxy of the environment never sees the token in the clear."""
    proxy = serve(wire.counting)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv(variable, proxy.url)
    fetch.dau_count(*DAYS, client=connect(api.url))
    assert (proxy.count, api.count) == (0, 1)


def test_an_https_proxy_hears_a_host_and_no_token(serve, connect, wire, monkeypatch):
    """To the real API a proxy is used, and asked for a tunnel only."""
    proxy = serve(lambda _asked: wire.refuse(502))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("https_proxy", proxy.url)
    with pytest.raises(ApiError):
        fetch.dau_count(*DAYS, client=connect("https://api.example.invalid", retry=RetryPolicy(attempts=1)))
    assert proxy.count == 1
    assert proxy.asked[0].raw.startswith(b"CONNECT api.example.invalid:443")
    assert wire.TOKEN.encode() not in proxy.asked[0].raw


def test_only_documented_parameters_and_headers_travel(serve, connect, wire):
    """Dates, page size and cursor; the token in its header; nothing of the machine or its user."""

    def answer(asked) -> bytes:
        more = "c1" if "cursor" not in asked.params else None
        return wire.respond(wire.dau_page(asked.params["date"], [f"u{asked.number}@example.com"], cursor=more))

    api = serve(answer)
    fetch.dau("2026-03-01", client=connect(api.url))
    assert [asked.params for asked in api.asked] == [
        {"date": "2026-03-01", "page_size": "250"},
        {"date": "2026-03-01", "page_size": "250", "cursor": "c1"},
    ]
    allowed = {"host", "user-agent", "accept", "accept-encoding", "connection", "authorization"}
    assert all(set(asked.headers) <= allowed for asked in api.asked)
    assert api.asked[0].headers["user-agent"] == "augment-insights"
