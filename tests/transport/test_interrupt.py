"""Whatever ends a fetch, what was fetched is kept: the next run goes on from there."""

from __future__ import annotations

import _thread
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from augment_insights import fetch

if TYPE_CHECKING:
    from types import SimpleNamespace

PROGRAM = """
import sys
from augment_insights import Client, fetch
with Client(sys.argv[2], base_url=sys.argv[1], requests_per_minute=60000) as client:
    print(fetch.dau(start_date=sys.argv[3], end_date=sys.argv[4], client=client).height, client.requests_sent)
"""
TODAY = datetime.now(UTC).date()
WEEK = tuple((TODAY - timedelta(days=days)).isoformat() for days in (16, 10))
"""Seven days of two pages each, fourteen requests; out for long, and what runs by the real clock may ask for them."""


def two_pages(wire: SimpleNamespace, asked: Any) -> bytes:
    day = asked.params["date"]
    if "cursor" in asked.params:
        return wire.respond(wire.dau_page(day, ["b@example.com"]))
    return wire.respond(wire.dau_page(day, ["a@example.com"], cursor="c1"))


def run(url: str, token: str) -> list[str]:
    command = [sys.executable, "-c", PROGRAM, url, token, *WEEK]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return done.stdout.decode().split()


def test_a_killed_fetch_loses_nothing(serve: Any, wire: SimpleNamespace) -> None:
    """Killed (-9) while it waits for the eleventh answer: the next run sends that and the three after it."""
    reached, release = threading.Event(), threading.Event()

    def answer(asked: Any) -> Any:
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


def test_an_interrupt_in_a_read_loses_nothing(serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    """Ctrl-C while an answer drips in: KeyboardInterrupt at once, and what came before is in the cache."""
    release = threading.Event()

    def answer(asked: Any) -> Any:
        if asked.number == 6:

            def stuck(connection: Any) -> None:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
                _thread.interrupt_main()
                release.wait(30)

            return stuck
        return two_pages(wire, asked)

    api = serve(answer)
    client = connect(api.url)
    with pytest.raises(KeyboardInterrupt) as caught:
        fetch.dau(start_date="2026-03-01", end_date="2026-03-04", client=client)
    release.set()
    assert wire.TOKEN not in "".join(
        repr(value)
        for entry in caught.traceback
        if "augment_insights" in str(entry.path)
        for value in entry.frame.f_locals.values()
    )
    assert fetch.dau(start_date="2026-03-01", end_date="2026-03-04", client=client).height == 8
    assert api.count == 6 + 3, "the client goes on after it"


def test_an_interrupt_in_a_wait_loses_nothing(serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    """Ctrl-C while the rate limit makes us wait: what was fetched stays, and the limit is not upset."""

    class Interrupting(wire.Clock):  # type: ignore[name-defined,misc]
        """A clock whose first wait is interrupted."""

        def sleep(self, seconds: float) -> None:
            """Interrupt once, then wait."""
            if not self.slept:
                self.slept.append(0.0)
                raise KeyboardInterrupt
            super().sleep(seconds)

    api = serve(lambda asked: two_pages(wire, asked))
    client = connect(api.url, burst=5, clock=Interrupting())
    with pytest.raises(KeyboardInterrupt):
        fetch.dau(start_date="2026-03-01", end_date="2026-03-04", client=client)
    assert api.count == 5
    assert fetch.dau(start_date="2026-03-01", end_date="2026-03-04", client=client).height == 8
    assert api.count == 8


def test_a_closed_client_opens_again(serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    """``close`` lets go of files; the next request opens them, and finds the cache."""
    api = serve(lambda asked: two_pages(wire, asked))
    client = connect(api.url)
    first = fetch.dau("2026-03-01", client=client)
    client.close()
    client.close()
    assert fetch.dau("2026-03-01", client=client).equals(first)
    assert api.count == 2


def test_a_client_from_the_environment_serves_one_call(
    serve: Any, wire: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without ``client=``, token and URL come from the environment, and the cache is the same for each call."""
    api = serve(lambda asked: two_pages(wire, asked))
    monkeypatch.setenv("AUGMENT_API_TOKEN", f"  {wire.TOKEN}\n")
    monkeypatch.setenv("AUGMENT_API_URL", api.url + "/")
    assert fetch.dau(WEEK[0]).height == 2
    assert fetch.dau(WEEK[0]).height == 2
    assert [asked.headers["authorization"] for asked in api.asked] == [f"Bearer {wire.TOKEN}"] * 2
