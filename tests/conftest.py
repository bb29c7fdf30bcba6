"""What tests share: a machine of their own, one clock, one server on a real socket, clients of it, and chart rows."""

import base64
import gzip
import json
import re
import resource
import signal
import socket
import struct
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, settings

from augment_insights import Client, sample
from augment_insights.charts import theme
from augment_insights.transport.rate_limit import Clock

# A test of drawn cases may take fixtures that make things, and as long as a busy machine needs.
DRAWN: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}
settings.register_profile("fast", max_examples=10, **DRAWN)
settings.register_profile("all", max_examples=60, **DRAWN)
settings.load_profile("all")

TOKEN = "tok-7f3a9c51e2d84b06"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture(scope="session", autouse=True)
def no_trace_of_the_token(tmp_path_factory) -> Iterator[None]:
    """See that no file which the tests of this session leave holds the token: plain, in base64, or compressed."""
    yield
    plain = [TOKEN.encode(), TOKEN.encode("utf-16-le"), b"tok-canary-"]
    encoded = [base64.b64encode(bytes(shift) + TOKEN.encode())[4:-4] for shift in range(3)]  # at each of its offsets
    found = []
    for path in tmp_path_factory.getbasetemp().rglob("*"):
        with suppress(OSError):  # a socket, or what a test took from its own reach
            if path.is_file() and not path.is_symlink():
                found += [str(path) for content in _contents(path) if any(word in content for word in plain + encoded)]
    assert found == []


def _contents(path: Path) -> Iterator[bytes]:
    """Return what is in a file, and what is in the files within it."""
    content = path.read_bytes()
    yield content
    if content[:2] == b"\x1f\x8b":
        with suppress(OSError, EOFError, zlib.error):
            yield gzip.decompress(content)
    if content[:4] == b"PK\x03\x04":
        with suppress(zipfile.BadZipFile, zlib.error), zipfile.ZipFile(path) as parts:
            yield from (parts.read(name) for name in parts.namelist())


@pytest.fixture(autouse=True)
def own_machine(tmp_path, monkeypatch) -> Path:
    """Give the test a home and a cache folder of its own, and no token."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AUGMENT_INSIGHTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AUGMENT_INSIGHTS_PROGRESS", "off")
    for name in ("AUGMENT_API_TOKEN", "AUGMENT_API_URL", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


class FakeClock(Clock):
    """Time that stands still until somebody sleeps, or the test moves it.

    ``wall`` (seconds since 1970) may be set apart from ``ran``, the seconds that really passed.
    """

    def __init__(self, moment: datetime) -> None:
        super().__init__()
        self.wall = moment.timestamp()
        self.ran = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        """Return the moment the test is in."""
        return datetime.fromtimestamp(self.wall, UTC)

    def time(self) -> float:
        """Return what the wall clock says."""
        return self.wall

    def monotonic(self) -> float:
        """Return the seconds that passed."""
        return self.ran

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        assert seconds > 0, "a wait of nothing would spin"
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds
        self.ran += seconds


@pytest.fixture(scope="session")
def make_clock() -> Callable[..., FakeClock]:
    """Make clocks that stand at a moment: noon (UTC) of 10 March 2026 unless told."""
    return lambda moment=None: FakeClock(moment or NOON)


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that stands at noon (UTC) of 10 March 2026."""
    return FakeClock(NOON)


@pytest.fixture
def no_room() -> Iterator[None]:
    """Let no file grow beyond 16 kB, as on a disk that is full."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, before[1][1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before[1])
    signal.signal(signal.SIGXFSZ, before[0])


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


def head(*lines: str) -> bytes:
    """Write the head of an HTTP answer, for a body that is not sent as it should be."""
    return "\r\n".join(["HTTP/1.1 200 OK", "Content-Type: application/json", *lines, "", ""]).encode()


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


@pytest.fixture(scope="session")
def wire() -> SimpleNamespace:
    """Offer the words in which tests speak of answers."""
    return SimpleNamespace(
        TOKEN=TOKEN,
        counting=counting,
        dau_count=dau_count,
        dau_page=dau_page,
        head=head,
        refuse=refuse,
        reset=reset,
        respond=respond,
    )


@pytest.fixture
def serve() -> Iterator[Callable[[Answering | sample.AnalyticsApp], Any]]:
    """Start servers on loopback, each with its ``url``, and stop them after the test.

    Of a function, which answers each request as it likes, or of an application.
    """
    with ExitStack() as started:

        def start(answer: Answering | sample.AnalyticsApp) -> Any:
            if isinstance(answer, sample.AnalyticsApp):
                return SimpleNamespace(url=started.enter_context(sample.serve(answer)))
            return started.enter_context(closing(SocketApi(answer)))

        yield start


@pytest.fixture
def api(serve) -> SocketApi:
    """Start an API that answers dau-count, until the test gives it another ``answer``."""
    return serve(counting)


@pytest.fixture
def connect(clock) -> Iterator[Callable[..., Client]]:
    """Make clients that are closed after the test; their waits take no time unless a real clock is given."""
    with ExitStack() as made:

        def make(url: str, **settings: Any) -> Client:
            known: dict[str, Any] = {"token": TOKEN, "base_url": url, "clock": clock, "timeout": 20}
            return made.enter_context(Client(**(known | settings)))

        yield make


@pytest.fixture(scope="session")
def rows_of() -> Callable[[Any], list[dict[str, Any]]]:
    """Return the rows that a chart, or its spec, carries."""

    def rows(chart) -> list[dict[str, Any]]:
        spec = chart if isinstance(chart, dict) else theme.to_vegalite(chart)
        return [row for rows in spec["datasets"].values() for row in rows]

    return rows


def luminance(color: str) -> float:
    """Return WCAG's relative luminance of a colour, as #rrggbb or as a browser computed it."""
    written = [int(color[at : at + 2], 16) for at in (1, 3, 5)] if color[0] == "#" else re.findall(r"\d+", color)[:3]
    parts = [int(part) / 255 for part in written]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.fixture(scope="session")
def contrast() -> Callable[[str, str], float]:
    """Return WCAG's contrast ratio of two colours, from 1 to 21."""

    def ratio(one: str, other: str) -> float:
        darker, lighter = sorted((luminance(one), luminance(other)))
        return (lighter + 0.05) / (darker + 0.05)

    return ratio
