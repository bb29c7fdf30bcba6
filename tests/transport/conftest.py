"""An API on a real socket that answers, or fails, as the test says; and a clock that only the test moves."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from augment_insights import Client
from augment_insights.transport.rate_limit import Clock

TOKEN = "tok-7f3a9c51e2d84b06"


@dataclass
class Asked:
    """One request as it arrived."""

    number: int
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    raw: bytes
    at: float = field(default_factory=time.monotonic)


Reply = bytes | Callable[[socket.socket], None]
Answering = Callable[[Asked], Reply]


class SocketApi:
    """Listens on a loopback port, writes down each request, and sends what ``answer`` returns.

    One request a connection. ``answer`` returns the bytes to send, or does as it likes with the socket.
    """

    def __init__(self, answer: Answering) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def count(self) -> int:
        """How many requests came."""
        return len(self.asked)

    def close(self) -> None:
        """Stop listening."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            raw = b""
            while b"\r\n\r\n" not in raw:
                part = connection.recv(65536)
                if not part:
                    return
                raw += part
            with self._lock:
                asked = _parse(raw, len(self.asked) + 1)
                self.asked.append(asked)
            reply = self.answer(asked)
            if callable(reply):
                reply(connection)
            else:
                connection.sendall(reply)


def _parse(raw: bytes, number: int) -> Asked:
    first, *lines = raw.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    target = urlsplit(first.split(" ")[1])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Asked(number, target.path, dict(parse_qsl(target.query)), headers, raw)


def respond(body: object, status: int = 200, **headers: str) -> bytes:
    """Write a whole HTTP answer; what is neither bytes nor text is sent as JSON."""
    if not isinstance(body, bytes):
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
    named = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status} Status\r\n{lines}\r\n".encode() + body


def refuse(status: int, code: str = "Code", message: str = "said so", **headers: str) -> bytes:
    """Write an error as the API does."""
    return respond({"error": {"code": code, "message": message}}, status, **headers)


def reset(connection: socket.socket) -> None:
    """Break the connection off with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def dau_page(day: str, users: list[str], cursor: str | None = None) -> dict[str, Any]:
    """Write a page of dau; with a cursor there is more."""
    return {
        "users": [{"user_email": user} for user in users],
        "pagination": {"next_cursor": cursor or "", "has_more": cursor is not None},
        "metadata": {"effective_date": day, "generated_at": f"{day}T12:00:00Z", "returned_user_count": len(users)},
    }


def dau_count(start: str, end: str, counts: dict[str, int] | None = None) -> dict[str, Any]:
    """Write an answer of dau-count."""
    given = {start: 7} if counts is None else counts
    return {
        "daily_active_user_counts": [{"date": day, "user_count": count} for day, count in given.items()],
        "metadata": {
            "effective_start_date": start,
            "effective_end_date": end,
            "generated_at": "2026-03-10T12:00:00.123456789Z",
            "total_days": 1,
        },
    }


def counting(asked: Asked) -> bytes:
    """Answer dau-count for the range that is asked for: 7 users on its first day."""
    return respond(dau_count(asked.params["start_date"], asked.params["end_date"]))


class TestClock(Clock):
    """Time that stands still until somebody sleeps, or the test moves it."""

    __test__ = False

    def __init__(self, now: datetime = datetime(2026, 3, 10, 12, tzinfo=UTC)) -> None:
        self.moment = now
        self.ran = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        """Return the moment the test is in."""
        return self.moment

    def time(self) -> float:
        """Return the moment as seconds."""
        return self.moment.timestamp()

    def monotonic(self) -> float:
        """Return the seconds that passed."""
        return self.ran

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.ran += seconds
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def wire() -> SimpleNamespace:
    """Offer the words in which tests speak of answers."""
    return SimpleNamespace(
        TOKEN=TOKEN,
        Clock=TestClock,
        counting=counting,
        dau_count=dau_count,
        dau_page=dau_page,
        refuse=refuse,
        reset=reset,
        respond=respond,
    )


@pytest.fixture
def serve() -> Iterator[Callable[[Answering], SocketApi]]:
    """Start APIs that answer as told, and stop them after the test."""
    started: list[SocketApi] = []

    def start(answer: Answering) -> SocketApi:
        started.append(SocketApi(answer))
        return started[-1]

    yield start
    for api in started:
        api.close()


@pytest.fixture
def clock() -> TestClock:
    """Return a clock that stands at noon (UTC) of 10 March 2026."""
    return TestClock()


@pytest.fixture
def connect(clock: TestClock) -> Iterator[Callable[..., Client]]:
    """Make clients that are closed after the test; their waits take no time unless a real clock is given."""
    made: list[Client] = []

    def make(url: str, **settings: Any) -> Client:
        known: dict[str, Any] = {"token": TOKEN, "base_url": url, "clock": clock, "timeout": 20}
        made.append(Client(**(known | settings)))
        return made[-1]

    yield make
    for client in made:
        client.close()
