"""Twenty at once, then one every six seconds: for all processes of a token together, whatever the clock does."""

import math
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from augment_insights import fetch
from augment_insights.errors import CacheWarning
from augment_insights.sample import AnalyticsApp, RecordStore, TokenBucket
from augment_insights.transport.messages import DAU_COUNT
from augment_insights.transport.rate_limit import LONGEST_BLOCK, Clock, RateLimit
from augment_insights.transport.session import cache_files
from augment_insights.transport.settings import cache_root


def make_limit(path: Path | None, clock: Clock, **settings: Any) -> RateLimit:
    known: dict[str, Any] = {"requests_per_minute": 10, "burst": 20, "key": "k"}
    return RateLimit(clock=clock, path=path, **(known | settings))


@pytest.fixture
def path(tmp_path) -> Path:
    """Name the file of the limit."""
    return tmp_path / "limit.sqlite"


@pytest.fixture
def a_limit(path, clock) -> Callable[..., RateLimit]:
    """Make limits on one file and one clock."""
    return lambda path=path, **settings: make_limit(path, clock, **settings)


def take(limit: RateLimit, clock, travel: float = 0.0, answer_after: float = 0.0) -> float:
    """Send one request: it arrives after ``travel`` and is answered ``answer_after`` later; return its arrival."""
    permit = limit.acquire()
    clock.advance(travel)
    arrived = clock.ran
    clock.advance(answer_after)
    limit.settle(permit)
    return arrived


def test_ninety_requests_take_seven_minutes(a_limit, clock):
    """(90 - 20) * 6 s: twenty go at once, the rest at an even pace, and not one waits longer than it must."""
    limit = a_limit()
    sent = [take(limit, clock) for _ in range(90)]
    assert sent[:20] == [0.0] * 20
    assert sent[20:] == pytest.approx([6.0 * n for n in range(1, 71)])


def test_seconds_for_tells_the_wait_beforehand(a_limit, clock):
    """What is announced is what it takes: 90 requests 420 s from a full bucket, fewer as time goes by."""
    limit = a_limit()
    assert [limit.seconds_for(n) for n in (0, 1, 20, 21, 90)] == pytest.approx([0, 0, 0, 6, 420], abs=1e-5)
    for _ in range(20):
        take(limit, clock)
    assert limit.seconds_for(10) == pytest.approx(60, abs=1e-5)
    clock.advance(30)
    assert limit.seconds_for(10) == pytest.approx(30, abs=1e-5)
    limit.block_for(200)
    assert limit.seconds_for(1) == pytest.approx(200, abs=1e-5)


def test_a_restart_forgets_nothing_of_its_own_token(a_limit, clock):
    """A second run within the minute does not believe in twenty free requests; what another token used is not its."""
    for key in ("one", "two"):
        limit = a_limit(key=key)
        for _ in range(20):
            take(limit, clock)
        limit.close()
    assert clock.slept == []
    take(a_limit(key="one"), clock)
    assert sum(clock.slept) == pytest.approx(6)


@given(
    gaps=st.lists(st.sampled_from([0.0, 0.0, 0.5, 3.0, 6.0, 100.0]), min_size=30, max_size=80),
    travels=st.lists(st.floats(0, 4), min_size=80, max_size=80),
    answers=st.lists(st.floats(0, 9), min_size=80, max_size=80),
)
@example(gaps=[0.0] * 60, travels=[2.0, *[0.0] * 59], answers=[0.0] * 60)  # the pace follows the server's bucket
def test_a_strict_server_never_has_to_refuse(gaps, travels, answers, make_clock):
    """Whatever the pauses and the ways there and back: no 429 from a bucket that counts on arrival."""
    clock = make_clock()
    limit = make_limit(None, clock)
    server = TokenBucket(requests_per_minute=10, burst=20, clock=clock.monotonic)
    for gap, travel, answer in zip(gaps, travels, answers, strict=False):
        clock.advance(gap)
        permit = limit.acquire()
        clock.advance(travel)
        assert server.take() == 0.0
        clock.advance(answer)
        limit.settle(permit)


class OneBucket(RuleBasedStateMachine):
    """Several handles on one file against a strict bucket that the server keeps by true time."""

    def __init__(self, clock) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "limit.sqlite"
        self.clock = clock
        self.handles = [self._open() for _ in range(3)]
        self.jumped = False
        self.blocked_until = 0.0

    def _open(self) -> RateLimit:
        return make_limit(self.path, self.clock)

    @initialize()
    def start_the_server(self) -> None:
        """Fill the server's bucket."""
        self.server = TokenBucket(requests_per_minute=10, burst=20, clock=lambda: self.clock.ran)

    @rule(which=st.integers(0, 2), requests=st.integers(1, 25), travel=st.sampled_from([0.0, 0.1, 2.0]))
    def send(self, which: int, requests: int, travel: float) -> None:
        """Send some through one handle."""
        for _ in range(requests):
            began = self.clock.ran
            blocked = max(0.0, self.blocked_until - began)
            permit = self.handles[which].acquire()
            waited = self.clock.ran - began
            # No bucket takes longer than from empty to one, beyond what a server has told us to wait;
            # a clock that was set back makes a block last LONGEST_BLOCK at most.
            limit = LONGEST_BLOCK if self.jumped else blocked
            assert waited <= max(limit, 0) + 6 * 20 + 1e-3
            self.clock.advance(travel)
            refused = self.server.take() > 0
            self.handles[which].settle(permit)
            assert self.jumped or not refused
            assert self.jumped or began + blocked <= began + waited + 1e-3

    @rule(seconds=st.sampled_from([0.5, 5.9, 6.0, 60.0, 1000.0]))
    def rest(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    @rule(which=st.integers(0, 2), seconds=st.sampled_from([0.0, 1.5, 60.0, 600.0]))
    def be_refused(self, which: int, seconds: float) -> None:
        """Get a 429 that another machine brought about."""
        self.handles[which].block_for(seconds)
        self.blocked_until = max(self.blocked_until, self.clock.ran + seconds)

    @rule(which=st.integers(0, 2))
    def restart(self, which: int) -> None:
        """End one process and begin another."""
        self.handles[which].close()
        self.handles[which] = self._open()

    @rule(seconds=st.sampled_from([-1e6, -716.0, -5.0, 5.0, 716.0, 1e6]))
    def set_the_clock(self, seconds: float) -> None:
        """Set the wall clock, forth or back."""
        self.clock.wall += seconds
        self.jumped = True

    @precondition(lambda self: self.jumped)
    @rule()
    def settle_down(self) -> None:
        """After a long rest a jump is forgotten: the limit is exact again."""
        self.handles[0].acquire()
        self.clock.advance(LONGEST_BLOCK + 200)
        self.start_the_server()
        self.blocked_until = 0.0
        self.jumped = False

    @invariant()
    def no_state_is_beyond_belief(self) -> None:
        """Never announce more than an empty bucket and the longest block."""
        assert all(each.seconds_for(1) <= LONGEST_BLOCK + 1e-3 for each in self.handles)

    def teardown(self) -> None:
        """Close the files."""
        for each in self.handles:
            each.close()
        self.folder.cleanup()


@pytest.mark.slow
def test_handles_on_one_file_act_as_one_bucket(make_clock):
    """No handle frees more than the server has, waits beyond bounds, or stays stuck after a jump."""
    few = settings(max_examples=25, stateful_step_count=20, suppress_health_check=[HealthCheck.too_slow])
    run_state_machine_as_test(lambda: OneBucket(make_clock()), settings=few)


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(b"garbage " * 1000),
        lambda path: path.write_bytes(b"SQLit"),
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: path.unlink() or sqlite3.connect(path).execute("CREATE TABLE bucket (colour TEXT)").close(),
    ],
)
def test_a_damaged_file_is_replaced_with_one_warning(harm, a_limit, clock, path):
    """Garbage in place of the file costs its state and one warning; the next handle shares it again."""
    take(a_limit(), clock)
    clock.advance(60)
    harm(path)
    first, second = a_limit(), a_limit()
    with pytest.warns(CacheWarning, match="damaged"):
        take(first, clock)
    for limit in [first] * 9 + [second] * 11:
        take(limit, clock)  # a second warning would be an error here
    assert sum(clock.slept) == pytest.approx(6), "the two handles count together"


@pytest.mark.parametrize("row", ["'x', 'y'", "NULL, NULL", "9e999, 9e999", "-9e999, -1", "x'00', 1", "1e300, 1e300"])
def test_a_tampered_row_is_bounded(row, a_limit, clock, path):
    """Whatever stands in the row: no exception, and no wait beyond the longest that a server can ask for."""
    take(a_limit(), clock)
    with sqlite3.connect(path) as connection:
        connection.execute(f"INSERT OR REPLACE INTO bucket VALUES ('k', {row})")  # noqa: S608 (the literals stand above)
    connection.close()
    limit = a_limit()
    take(limit, clock)
    assert sum(clock.slept) <= LONGEST_BLOCK
    take(limit, clock)


def test_a_file_locked_for_ever_costs_seconds_and_a_warning(monkeypatch, a_limit, clock, path):
    """Another program that holds the file for ever: the limit goes on alone, within itself."""
    monkeypatch.setattr("augment_insights.transport.rate_limit._LOCK_TIMEOUT", 0.2)
    limit = a_limit()
    take(limit, clock)
    clock.advance(60)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.warns(CacheWarning, match="locked") as warned:
        take(limit, clock)
    assert len(warned) == 1
    with pytest.warns(CacheWarning, match="locked"):
        take(a_limit(), clock)
    for _ in range(20):
        take(limit, clock)
    assert sum(clock.slept) == pytest.approx(6), "in this process the limit holds"
    holder.close()


def test_a_folder_that_cannot_be_made_costs_a_warning_and_a_new_one_is_its_owners(a_limit, tmp_path):
    """A file in the folder's place: the limit holds within the process. Others cannot read when a token was used."""
    (tmp_path / "file").write_text("")
    limit = a_limit(tmp_path / "file" / "limit.sqlite")
    with pytest.warns(CacheWarning, match="cannot be shared"):
        assert limit.seconds_for(21) == pytest.approx(6, abs=1e-3)
    a_limit(tmp_path / "new" / "limit.sqlite").seconds_for(1)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "new" / "limit.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_cached_answer_costs_nothing(connect, clock, api):
    """A hundred reads of one answer send one request and leave 19 free."""
    client = connect(api.url)
    for _ in range(100):
        fetch.dau_count("2026-03-01", "2026-03-02", client=client)
    assert (client.requests_sent, client.answers_from_cache, api.count) == (1, 99, 1)
    assert clock.slept == []
    assert client.seconds_for(20) == pytest.approx(6, abs=1)


def test_retries_cost_what_they_send(serve, connect, clock, wire):
    """A retry takes its leave like any request: 30 requests that each fail once are 60, and take 240 s at least."""
    api = serve(lambda asked: wire.refuse(503) if asked.number % 2 else wire.counting(asked))
    client = connect(api.url)
    for day in range(1, 31):
        date = f"2026-01-{day:02}"
        client.pages(DAU_COUNT, start_date=date, end_date=date)
    assert api.count == client.requests_sent == 60
    assert clock.ran >= (60 - 20) * 6 - 1e-3


PROCESS = """
import sys
from datetime import timedelta
from augment_insights import Client
from augment_insights.transport.messages import DAU_COUNT
url, number = sys.argv[1], int(sys.argv[2])
with Client("a-token", base_url=url, requests_per_minute=1800, burst=20) as client:
    for n in range(20):
        day = (client.now().date() - timedelta(days=2 + 20 * number + n)).isoformat()
        client.pages(DAU_COUNT, start_date=day, end_date=day)
    print(client.requests_sent)
"""


@pytest.mark.slow
def test_four_processes_share_one_limit_and_one_cache(serve):
    """Four fetches at once with one token: 80 requests, none refused, none sent twice, no warning from any."""
    bucket = TokenBucket(requests_per_minute=1800, burst=20)  # counts as they arrive, in real time
    app = AnalyticsApp(RecordStore([]), now=Clock().now, rate_limit=bucket)
    command = [sys.executable, "-W", "error", "-c", PROCESS, serve(app).url]
    started = [subprocess.Popen([*command, str(n)], stdout=subprocess.PIPE) for n in range(4)]
    assert [int(process.communicate(timeout=60)[0]) for process in started] == [20, 20, 20, 20]
    assert [each.answers for each in cache_files(cache_root())] == [80]
    assert (bucket.granted, bucket.refused) == (80, 0)


def test_threads_of_one_client_share_it_too(path):
    """Eight threads on one handle never take more than there is, by the moments at which they were let go."""

    class Noting(Clock):
        """The machine's clock; each thread remembers what it was told last."""

        told = threading.local()

        def time(self) -> float:
            self.told.last = super().time()
            return self.told.last

    clock = Noting()
    limit = make_limit(path, clock, requests_per_minute=6000, burst=5)
    let_go: list[float] = []

    def work() -> None:
        for _ in range(10):
            permit = limit.acquire()
            let_go.append(clock.told.last)
            limit.settle(permit)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    moments = iter(sorted(let_go))
    server = TokenBucket(requests_per_minute=6000, burst=5, clock=lambda: next(moments))
    assert [server.take() for _ in range(80)] == [0.0] * 80


def test_an_infinite_limit_is_none(a_limit, clock):
    """For an API in this process, nothing is waited for, however much is sent."""
    limit = a_limit(None, requests_per_minute=math.inf)
    for _ in range(100):
        take(limit, clock)
    assert (clock.slept, limit.seconds_for(1000)) == ([], 0)
