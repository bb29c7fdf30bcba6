"""A client tells its token to nobody, and whatever ends or stops a fetch, what was fetched is kept."""

import http.client
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from augment_insights import Client, analysis, fetch
from augment_insights.errors import ApiError, ArchiveError, ConfigurationError, UnexpectedResponseError
from augment_insights.tables import DAU_COUNT
from augment_insights.transport import Cancelled, RetryPolicy
from augment_insights.transport.session import cache_files

DAYS = ("2026-03-01", "2026-03-02")


def spoken_by(value: object) -> str:
    """Write what a debugger or an error reporter would show of a value, and what hangs on HTTP objects."""
    text = repr(value)
    if isinstance(value, requests.PreparedRequest):
        text += repr(dict(value.headers)) + str(value.url)
    if isinstance(value, requests.Response):
        text += repr(value.content) + repr(dict(value.headers)) + spoken_by(value.request)
    return text


def told_by(error: BaseException | None) -> str:
    """Write down all that an error and its causes carry: messages, attributes, and the locals of each frame."""
    if error is None:
        return ""
    parts = [*traceback.format_exception(error), repr(error), repr(vars(error))]
    for frame, _line in traceback.walk_tb(error.__traceback__):
        if "augment_insights" in frame.f_code.co_filename or "requests" in frame.f_code.co_filename:
            parts += [spoken_by(value) for value in frame.f_locals.values()]
    return "\n".join([*parts, told_by(error.__cause__), told_by(error.__context__)])


def on_disk(root: Path) -> bytes:
    """Read everything under a folder."""
    return b"\n".join(path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file())


ECHOES = {
    "error body": lambda wire, token: wire.refuse(400, code=token, message=f"bad token {token}"),
    "401": lambda wire, token: wire.refuse(401, message=f"bad token {token}", WWW_Authenticate=f"Bearer {token}"),
    "403 in HTML": lambda wire, token: wire.respond(f"<p>{token}</p>", 403),
    "500": lambda wire, token: wire.refuse(500, message=token),
    "429": lambda wire, token: wire.refuse(429, message=token, Retry_After=token),
    "header": lambda wire, token: wire.refuse(404, X_Token=token, Set_Cookie=f"t={token}"),
    "redirect": lambda wire, token: wire.refuse(302, Location=f"/{token}"),
    "200, not JSON": lambda wire, token: wire.respond(f"<p>{token}</p>"),
    "200, another shape": lambda wire, token: wire.respond({"daily_active_user_counts": token}),
    "200, a token as a name": lambda wire, token: wire.respond({token: token}),
    "no HTTP": lambda _wire, token: f"{token}\r\n\r\n".encode(),
    "status line": lambda _wire, token: f"HTTP/1.1 {token}\r\n\r\n".encode(),
    "reset": lambda wire, _token: wire.reset,
}


@pytest.mark.parametrize("echo", ECHOES)
def test_no_error_carries_the_token(echo, serve, connect, wire, caplog, own_machine):
    """Whatever a server echoes, messages, attributes, causes, frames, logs and files are free of the token."""
    caplog.set_level(logging.DEBUG)
    token = wire.TOKEN
    api = serve(lambda _asked: ECHOES[echo](wire, token))
    with pytest.raises(ApiError) as caught:
        fetch.dau_count(*DAYS, client=connect(api.url, retry=RetryPolicy(attempts=2)))
    assert api.asked[0].headers["authorization"] == f"Bearer {token}"
    assert token not in told_by(caught.value)
    assert token not in caplog.text
    assert token not in repr(pickle.loads(pickle.dumps(caught.value)).__dict__)  # noqa: S301 (our own bytes)
    assert token.encode() not in on_disk(own_machine)


@pytest.mark.parametrize("where", ["unknown field", "name of an unknown field", "user", "header"])
def test_an_echo_in_a_good_answer_reaches_no_file(where, serve, connect, wire, caplog, own_machine):
    """An answer that holds the token is given and not kept, nor is the token in a warning; of headers none is."""
    caplog.set_level(logging.DEBUG)
    token = wire.TOKEN
    page = wire.dau_page("2026-03-01", ["ada@example.com"])
    headers = {}
    if where == "unknown field":
        page["echo"] = token
    elif where == "name of an unknown field":
        page[token] = 1
    elif where == "user":
        page["users"][0]["user_email"] = token
    else:
        headers = {"X_Echo": token, "Set_Cookie": f"t={token}", "Vary": token, "ETag": f'"{token}"'}
    api = serve(lambda _asked: wire.respond(page, **headers))
    client = connect(api.url)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        assert fetch.dau("2026-03-01", client=client).height == 1
    assert ["does not know" in str(each.message) for each in heard] == [True] * ("field" in where)
    assert not any(token in str(each.message) for each in heard)
    client.close()
    assert [each.answers for each in cache_files(client.cache_path.parent)] == [1 if where == "header" else 0]
    assert token.encode() not in on_disk(own_machine)
    assert token not in caplog.text


@pytest.mark.parametrize("cursor", ["after tok-7f3a9c51e2d84b06", "after%20tok%2D7f3a9c51e2d84b06"])
def test_a_cursor_that_holds_the_token_is_not_sent(cursor, serve, connect, wire, caplog, own_machine):
    """The token never travels in a URL, where proxies and logs would keep it: such a cursor is an error."""
    caplog.set_level(logging.DEBUG)
    api = serve(lambda _asked: wire.respond(wire.dau_page("2026-03-01", ["ada@example.com"], cursor=cursor)))
    with pytest.raises(UnexpectedResponseError) as caught:
        fetch.dau("2026-03-01", client=connect(api.url))
    assert caught.value.path == "$.pagination.next_cursor"
    assert api.count == 1
    assert wire.TOKEN not in told_by(caught.value) + caplog.text
    assert wire.TOKEN.encode() not in on_disk(own_machine)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location", ["", "http://[::1", "//", "http://exa mple.com/\x7f", "http://127.0.0.1:99999/", "\0"]
)
def test_a_redirect_is_not_followed(location, status, serve, connect, wire):
    """The place a redirect points to hears nothing, least of all the token; one that is no URL is the same error."""
    elsewhere = serve(wire.counting)
    api = serve(lambda _asked: wire.refuse(status, Location=location or f"{elsewhere.url}/analytics/v0/dau-count"))
    with pytest.raises(UnexpectedResponseError, match="redirects"):
        fetch.dau_count(*DAYS, client=connect(api.url))
    assert (api.count, elsewhere.count) == (1, 0)


def test_a_short_token_does_not_keep_answers_from_the_cache(serve, connect, wire):
    """The token of a server to try against may be a word such as "any", which stands in many an answer by chance."""
    api = serve(lambda _asked: wire.respond(wire.dau_page("2026-03-01", ["anya@example.com"])))
    for _ in range(2):
        fetch.dau("2026-03-01", client=connect(api.url, token="any"))
    assert api.count == 1


def test_a_netrc_cannot_take_the_tokens_place(serve, connect, wire, own_machine, monkeypatch):
    """A password for the host in ``.netrc`` is neither sent nor in the frames of an error, and the token is sent."""
    netrc = own_machine / "home" / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\ndefault login x password y\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    api = serve(lambda _asked: wire.reset)
    with pytest.raises(ApiError) as caught:
        fetch.dau_count(*DAYS, client=connect(api.url, retry=RetryPolicy(attempts=1)))
    assert api.asked[0].headers["authorization"] == f"Bearer {wire.TOKEN}"
    assert "Basic " not in told_by(caught.value)


def test_a_switch_that_prints_headers_does_not_print_ours(connect, wire, monkeypatch, capsys, api):
    """``HTTPConnection.debuglevel``, set to look into some other library's requests, leaves the token unprinted."""
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    fetch.dau_count(*DAYS, client=connect(api.url))
    assert api.asked[0].headers["authorization"] == f"Bearer {wire.TOKEN}"
    assert wire.TOKEN not in "".join(capsys.readouterr())


def test_only_the_base_url_is_ever_spoken_to(connect):
    """No adapter stands for any other host, nor for one whose name only begins like ours."""
    client = connect("https://api.example.invalid")
    session = client._open()
    for url in ("https://api.example.invalid.evil.example/analytics/v0/dau", "http://api.example.invalid/", "file:///"):
        with pytest.raises(requests.exceptions.InvalidSchema):
            session.get(url)


PROGRAM = """
import sys
from augment_insights import Client, analysis, fetch
with Client(sys.argv[2], base_url=sys.argv[1], requests_per_minute=60000) as client:
    print(fetch.dau(start_date=sys.argv[3], end_date=sys.argv[4], client=client).height, client.requests_sent)
"""


TODAY = datetime.now(UTC).date()
WEEK = tuple((TODAY - timedelta(days=days)).isoformat() for days in (16, 10))


def two_pages(wire, asked) -> bytes:
    day = asked.params["date"]
    if "cursor" in asked.params:
        return wire.respond(wire.dau_page(day, ["b@example.com"]))
    return wire.respond(wire.dau_page(day, ["a@example.com"], cursor="c1"))


def run(url: str, token: str) -> list[str]:
    command = [sys.executable, "-c", PROGRAM, url, token, *WEEK]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return done.stdout.decode().split()


@pytest.mark.slow
def test_a_killed_fetch_loses_nothing(serve, wire):
    """Killed (-9) while it waits for the eleventh answer: the next run sends that and the three after it."""
    reached, release = threading.Event(), threading.Event()

    def answer(asked) -> Any:
        if asked.number == 11:
            reached.set()
            return lambda _connection: release.wait(30)
        return two_pages(wire, asked)

    api = serve(answer)
    command = [sys.executable, "-c", PROGRAM, api.url, wire.TOKEN, *WEEK]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    assert reached.wait(30)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)
    release.set()
    assert run(api.url, wire.TOKEN) == ["14", "4"]
    assert api.count == 11 + 4


class TooLateError(BaseException):
    """What somebody's handler of a signal may raise."""


@pytest.fixture
def on_interrupt() -> Iterator[Callable[[type[BaseException]], None]]:
    """Have Ctrl-C raise another exception until the end of the test."""
    before = signal.getsignal(signal.SIGINT)

    def choose(kind: type[BaseException]) -> None:
        def handle(_signal: int, _frame: object) -> None:
            raise kind

        signal.signal(signal.SIGINT, handle)

    yield choose
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, MemoryError, TooLateError])
def test_an_interrupt_in_a_read_loses_nothing(kind, serve, connect, wire, on_interrupt):
    """Whatever a signal raises in a read comes at once; what came before is cached, and the token is in no frame."""
    release = threading.Event()
    on_interrupt(kind)

    def answer(asked) -> Any:
        if asked.number == 6:

            def stuck(connection) -> None:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
                release.wait(0.5)  # a signal that comes before the read has begun would not end it
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
                release.wait(30)

            return stuck
        return two_pages(wire, asked)

    api = serve(answer)
    client = connect(api.url, timeout=25)
    started = time.monotonic()
    with pytest.raises(kind) as caught:
        fetch.dau(start_date="2026-03-01", end_date="2026-03-04", client=client)
    assert time.monotonic() - started < 15, "it did not wait for the server's silence to end"
    release.set()
    frames = [frame for frame, _ in traceback.walk_tb(caught.tb) if frame.f_code.co_filename != __file__]
    assert frames
    assert wire.TOKEN not in "".join(spoken_by(value) for frame in frames for value in frame.f_locals.values())
    assert fetch.dau(start_date="2026-03-01", end_date="2026-03-04", client=client).height == 8
    assert api.count == 6 + 3, "the client goes on after it"


def test_an_interrupt_in_a_wait_loses_nothing(serve, connect, clock, wire):
    """Ctrl-C while the rate limit makes us wait: what was fetched stays, and the limit is not upset."""
    sleep = clock.sleep

    def interrupted(seconds: float) -> None:
        clock.sleep = sleep
        raise KeyboardInterrupt

    clock.sleep = interrupted
    api = serve(lambda asked: two_pages(wire, asked))
    client = connect(api.url, burst=5)
    with pytest.raises(KeyboardInterrupt):
        fetch.dau(start_date="2026-03-01", end_date="2026-03-04", client=client)
    assert api.count == 5
    assert fetch.dau(start_date="2026-03-01", end_date="2026-03-04", client=client).height == 8
    assert api.count == 8


def test_a_closed_client_opens_again(serve, connect, wire):
    """``close`` lets go of files; the next request opens them, and finds the cache."""
    api = serve(lambda asked: two_pages(wire, asked))
    client = connect(api.url)
    first = fetch.dau("2026-03-01", client=client)
    client.close()
    client.close()
    assert fetch.dau("2026-03-01", client=client).equals(first)
    assert api.count == 2


def test_a_client_from_the_environment_serves_one_call(serve, wire, monkeypatch):
    """Without ``client=``, token and URL come from the environment, and the cache is the same for each call."""
    api = serve(lambda asked: two_pages(wire, asked))
    monkeypatch.setenv("AUGMENT_API_TOKEN", f"  {wire.TOKEN}\n")
    monkeypatch.setenv("AUGMENT_API_URL", api.url + "/")
    assert fetch.dau(WEEK[0]).height == 2
    assert fetch.dau(WEEK[0]).height == 2
    assert [asked.headers["authorization"] for asked in api.asked] == [f"Bearer {wire.TOKEN}"] * 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Python 3.12 on: of forking beside threads
def test_a_forked_process_does_not_speak_on_its_parents_connection(connect, api):
    """A child opens connections and files of its own: on the parent's it would read the parent's answers."""
    client = connect(api.url)
    fetch.dau_count(*DAYS, client=client)
    session, file = client._open(), client._limit._open()
    child = os.fork()
    if child == 0:
        own = False
        try:
            own = client._open() is not session and client._limit._open() is not file
        finally:
            os._exit(0 if own else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (client._open(), client._limit._open()) == (session, file)
    assert fetch.dau_count(*DAYS, client=client).height == 2
    assert api.count == 1


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="this system does not tell a process's threads")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_process_that_was_forked_after_a_fetch_says_that_it_cannot_fetch(connect, api):
    """Polars would wait there for threads that stayed with the parent; the error tells how to start it instead."""
    client = connect(api.url)
    table = fetch.dau_count(*DAYS, client=client)
    child = os.fork()
    if child == 0:
        refused = 0
        for use in (
            lambda: fetch.dau_count(*DAYS, client=client),
            lambda: fetch.read_json("answer.json", "dau"),
            lambda: DAU_COUNT.check(table),
            lambda: analysis.describe_roster(table),
        ):
            with suppress(BaseException):
                try:
                    use()
                except ConfigurationError as error:
                    refused += "spawn" in str(error)
        os._exit(refused)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
    assert fetch.dau_count(*DAYS, client=client).height == 2


FOUR_DAYS = {"start_date": "2026-03-01", "end_date": "2026-03-04"}
"""One page each, for which no counts are asked: a burst of two leaves two to wait for."""


@pytest.fixture
def lists(serve, wire) -> Any:
    """Serve one user a day."""

    def answer(asked) -> bytes:
        if asked.path.endswith("dau-count"):
            return wire.counting(asked)
        return wire.respond(wire.dau_page(asked.params["date"], ["a@example.com"]))

    return serve(answer)


@dataclass
class Watch:
    """Writes down what it is told, and stops the fetch when the test says so."""

    stop: Callable[[], bool] = lambda: False
    told: list[tuple[int, int, float]] = field(default_factory=list)

    def tell(self, *, done: int, total: int, left: float) -> None:
        """Write it down."""
        self.told.append((done, total, left))


def test_a_watch_sees_a_fetch_go_on(lists, connect, clock, capsys):
    """It is told of each answer and, in the waits, of the seconds that are left; nothing is shown beside it."""
    watch, client = Watch(), connect(lists.url, progress="lines", burst=2)
    with client.watched(stop=watch.stop, tell=watch.tell):
        fetch.dau(**FOUR_DAYS, client=client)
    assert {(done, total) for done, total, _ in watch.told} == {(1, 4), (2, 4), (3, 4), (4, 4)}
    left = [seconds for done, total, seconds in watch.told if (done, total) == (3, 4)]
    assert left == sorted(left, reverse=True)
    assert len(left) > 6 / 0.5, "a wait of six seconds is told of every half second"
    assert max(clock.slept) <= 0.5
    assert sum(clock.slept) == pytest.approx(12), "and is as long as unwatched"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("stops_after", "sent"), [(0.0, 0), (1.0, 2)])
def test_a_stop_is_heard_at_once_and_what_came_before_it_is_kept(stops_after, sent, lists, connect, clock):
    """Before the first request, or in a wait of 6 s: within half a second; the next fetch sends what is missing."""
    client = connect(lists.url, burst=2)
    began = clock.monotonic()
    watch = Watch(lambda: clock.monotonic() >= began + stops_after)
    with pytest.raises(Cancelled) as caught, client.watched(stop=watch.stop, tell=watch.tell):
        fetch.dau(**FOUR_DAYS, client=client)
    assert not isinstance(caught.value, Exception), "no error that code may swallow"
    assert clock.monotonic() - began <= stops_after + 0.5
    assert lists.count == sent
    for _ in range(2):
        assert fetch.dau(**FOUR_DAYS, client=client).height == 4
        assert lists.count == 4


def test_a_stop_ends_the_wait_before_a_retry_too(serve, connect, clock, wire):
    """A back-off is a wait like any other."""
    api = serve(lambda _asked: wire.refuse(503))
    client, watch = connect(api.url), Watch(lambda: bool(clock.slept))
    with pytest.raises(Cancelled), client.watched(stop=watch.stop, tell=watch.tell):
        fetch.dau(**FOUR_DAYS, client=client)
    assert api.count == 1
    assert len(clock.slept) == 1


def test_a_watch_is_told_of_its_own_thread_only(lists, connect):
    """Another thread's fetch with the same client is neither told of nor stopped."""
    client, watch = connect(lists.url, cache=False), Watch(lambda: True)
    found: list[int] = []
    other = threading.Thread(target=lambda: found.append(fetch.dau(**FOUR_DAYS, client=client).height))
    with client.watched(stop=watch.stop, tell=watch.tell):
        other.start()
        other.join(30)
    assert found == [4]
    assert watch.told == []


def test_another_sample_is_another_organisation(tmp_path):
    """Its users are those of its own roster, and an archive of one sample takes no day of another."""
    archive = tmp_path / "archive"
    small = Client.sample(people=40, seed=3, today="2026-03-10", archive=archive, progress=False)
    listed = {line.split(",")[0] for line in small.sample_organisation.roster_csv().splitlines()[1:]}
    active = fetch.dau("2026-03-02", client=small).filter(user_type="person")
    assert len(listed) == 40
    assert 0 < len(active) <= 40
    assert set(active["user"]) <= listed
    other = Client.sample(people=40, seed=4, today="2026-03-10", archive=archive, progress=False)
    with pytest.raises(ArchiveError, match="sample-40-3"):
        fetch.dau("2026-03-02", client=other)
