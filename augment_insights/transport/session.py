"""The session: cache above, then the rate limit, the token, and the network or an app in this process.

The token is added below the cache, to a copy of the request. Nothing above that point ever holds
it: not the cache, not a response, not an exception.

The cache is requests-cache's own: complete, valid answers as JSON in SQLite, one file for each API
and token. Added is what it leaves open: the wait for a lock has an end, an error of writing is not
swallowed, and a damaged row or file is a miss and never an answer.
"""

from __future__ import annotations

import io
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from hashlib import blake2b
from http import HTTPStatus
from http.client import HTTPResponse as HttpMessage
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit
from wsgiref.util import setup_testing_defaults

import requests
from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from requests_cache.backends.base import BaseCache
from requests_cache.backends.sqlite import SQLiteDict
from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError

from augment_insights.errors import CacheError, CacheWarning, warn_reader
from augment_insights.periods import published_at
from augment_insights.transport.settings import PARTS, make_private_file, make_private_folder, set_aside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from requests import PreparedRequest, Response
    from requests_cache.models.response import CachedResponse

    from augment_insights.transport.responses import Token

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Permit = Callable[[], AbstractContextManager[None]]

EXPIRE_AFTER = timedelta(hours=24)

_LONGEST_BODY = 64 * 2**20
_LONGEST_LINE = 2**16
_SILENCES = 4
"""How many times the timeout a whole answer may take."""
_LOCK_TIMEOUT = 5.0
_LOCK_RETRY = 0.01
_PRIMARY_CODE = 0xFF
"""The part of an SQLite error code that says what, without the how."""
_MEMORY = ":memory:"
_FILES = f"*-{'[0-9a-f]' * 16}.sqlite"
_CLOCK_STEP = timedelta(minutes=1)


def open_session(
    base_url: str, adapter: WireAdapter, *, cache_path: Path | None, is_complete: Callable[[Response], bool]
) -> CachedSession:
    """Open a requests-cache session over one API; nothing else can be reached by it.

    Parameters
    ----------
    base_url : str
        What the adapter answers for.
    adapter : WireAdapter
        The way to the API.
    cache_path : Path or None
        The cache file; None keeps answers in memory, as long as the session lives.
    is_complete : callable
        Tells whether an answer is complete and of the documented shape. Only those are kept.

    Raises
    ------
    CacheError
        The cache's folder is not one: a setting to correct, not a passing fault.
    """
    cache = BaseCache(str(cache_path))
    cache.responses = open_table(cache_path)
    session = CachedSession(
        backend=cache,
        expire_after=EXPIRE_AFTER,
        cache_control=True,  # the adapter says how long each answer may be kept, see `lifetime`
        filter_fn=is_complete,
    )
    # Adds nothing; its presence keeps requests from putting a `.netrc` password in the token's place.
    session.auth = lambda request: request
    session.headers.update({"Accept": "application/json", "User-Agent": "augment-insights"})
    session.adapters.clear()
    # The slash ends the host: without it "https://api.example" would also stand for "https://api.example.evil".
    session.mount(f"{base_url}/", adapter)
    return session


class WireAdapter(HTTPAdapter):
    """Sends one request when the rate limit permits it: adds the token, reads the whole body.

    Parameters
    ----------
    app : WSGI application or None
        An API in this process; None for the network.
    token : Token
        Added as a bearer token to what goes out.
    timeout : float
        Seconds for connecting and for each silence.
    now : callable
        The moment, for the publication of days.
    permit : callable
        Returns the context in which one request may go and its answer is read.
    """

    def __init__(
        self, app: WsgiApp | None, *, token: Token, timeout: float, now: Callable[[], datetime], permit: Permit
    ) -> None:
        super().__init__()
        self._app = app
        self._token = token
        self._timeouts = (min(timeout, 10.0), timeout)
        self._now = now
        self._permit = permit
        self.server_time: datetime | None = None

    def send(  # type: ignore[override]  # the session passes requests' own settings through
        self, request: PreparedRequest, **settings: Any
    ) -> Response:
        """Send, and return the answer with its body read and without anything secret."""
        failure: BaseException | None = None
        with self._permit():
            sent_at = self._now()
            try:
                response = self._exchange(request, settings | {"stream": True, "timeout": self._timeouts})
            except (requests.RequestException, HTTPError, OSError) as error:
                said = self._token.redact(f"{type(error).__name__}: {error}")
                failure = ConnectionError(said, _lasting_fault(said, now=sent_at))
            except BaseException as error:  # noqa: BLE001 (raised again below)
                failure = _without_frames(error)
        if failure is not None:
            # Raised outside the except block: the failed exchange, whose frames hold the token, stays behind.
            raise failure
        response.request = request
        # Counted from when it was sent: what the API said just before a publication may be here only after it.
        kept_for = lifetime(str(request.url), now=sent_at) - (self._now() - sent_at)
        response.headers["Cache-Control"] = f"max-age={max(0, int(kept_for.total_seconds()))}"
        return response

    def get_connection_with_tls_context(self, *settings: Any, **more: Any) -> Any:
        """Return a pool whose connections print nothing, and end an answer that takes too long."""
        pool: Any = super().get_connection_with_tls_context(*settings, **more)
        pool.ConnectionCls = partial(_connect, type(pool).ConnectionCls)
        return pool

    def _exchange(self, request: PreparedRequest, settings: dict[str, Any]) -> Response:
        with_token = request.copy()
        with_token.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        if self._app is not None:
            answer = _call(self._app, with_token)
        else:
            if str(request.url).startswith("http:"):  # to this machine, in the clear: never through a proxy
                settings["proxies"] = {}
            answer = super().send(with_token, **settings)
        with suppress(TypeError, ValueError):  # there is none, or no date
            self.server_time = parsedate_to_datetime(answer.headers.get("Date", ""))
        try:
            body = _read(answer)
        finally:
            answer.close()
        # Made anew from the few headers that are needed, with no tie to the wire. Without `Location`: requests
        # would read even that of a redirect which it is told not to follow, and stumble over one that is no URL.
        names = ("Content-Type", "Retry-After", *(() if answer.status_code == HTTPStatus.OK else ("Date",)))
        headers = {name: answer.headers[name] for name in names if name in answer.headers}
        response = _response(requests.Request("GET", answer.url).prepare(), answer.status_code, headers, body)
        _ = response.content  # reads it
        return response


_LASTING_FAULTS = {
    r"CERTIFICATE_VERIFY_FAILED.*(expired|not yet valid)": (
        "the certificate's days and this machine's clock ({now:%Y-%m-%d %H:%M} UTC) do not agree: set the clock or, if "
        "it is right, tell whoever runs the server or the proxy in HTTPS_PROXY"
    ),
    r"CERTIFICATE_VERIFY_FAILED.*mismatch": (
        "the certificate is another host's: check AUGMENT_API_URL, and the proxy in HTTPS_PROXY"
    ),
    r"CERTIFICATE_VERIFY_FAILED": (
        "nobody known here signed the certificate: name the file of your network's CA in REQUESTS_CA_BUNDLE"
    ),
    r"CA certificate bundle|TLS certificate|PEM lib|CERTIFICATE_OR_CRL|\[X509": (
        "REQUESTS_CA_BUNDLE (or CURL_CA_BUNDLE) has to name a file of CA certificates"
    ),
    r"WRONG_VERSION_NUMBER": (
        "what answers there speaks no TLS: check the port in AUGMENT_API_URL, and whether the proxy in HTTPS_PROXY "
        "begins with http://"
    ),
    r"SOCKS support": "install it (pip install 'requests[socks]'), or correct HTTPS_PROXY and ALL_PROXY",
    r"tunnel connection failed: 4|to connect to proxy(?!.*(tunnel|timed out))|InvalidProxyURL|Failed to parse|"
    r"proxy (scheme|URL)": ("check the proxy in HTTPS_PROXY (or ALL_PROXY), and its user and password"),
}
"""What asking again cannot mend, by what libraries say of it, and what can be done."""


def _lasting_fault(said: str, *, now: datetime) -> str | None:
    """Return what to do about a fault of the set-up; None for one that may pass."""
    found = (hint for fault, hint in _LASTING_FAULTS.items() if re.search(fault, said, re.IGNORECASE))
    hint = next(found, None)
    return hint and hint.format(now=now)


def _without_frames(error: BaseException) -> BaseException:
    """Return an exception without the frames that it, and what it came from, went through."""
    chain: BaseException | None = error
    while chain is not None:
        chain.__traceback__ = None
        chain = chain.__cause__ or chain.__context__
    return error


def _read(answer: Response) -> bytes:
    """Read and unpack the body, up to a length that no honest answer has."""
    body = bytearray()
    while part := answer.raw.read1(2**16, decode_content=True):
        body += part
        if len(body) > _LONGEST_BODY:
            raise HTTPError(f"the body is longer than {_LONGEST_BODY:,} bytes")
    return bytes(body)


def _response(request: PreparedRequest, status: int, headers: Mapping[str, str], body: bytes) -> Response:
    raw = HTTPResponse(io.BytesIO(body), headers=headers, status=status, preload_content=False, request_url=request.url)
    return HTTPAdapter().build_response(request, raw)


def _connect(kind: Callable[..., Any], **settings: Any) -> Any:
    connection = kind(**settings)
    connection.debuglevel = 0  # whoever sets that of all connections would have each header printed, the token's too
    connection.response_class = _timely_message
    return connection


def _timely_message(sock: Any, *settings: Any, **more: Any) -> Any:
    """Make http.client's answer, one whose status line, headers and body have to be here in time.

    A socket times out after a silence; a byte now and then would keep us for ever.
    """
    message: Any = HttpMessage(sock, *settings, **more)
    seconds = _SILENCES * sock.gettimeout()
    deadline = time.monotonic() + seconds
    incoming = sock.makefile("rb", buffering=0)
    receive = incoming.readinto

    def receive_in_time(buffer: Any) -> int | None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the answer was not complete after {seconds:g} s")
        received: int | None = receive(buffer)
        return received

    incoming.readinto = receive_in_time
    message.fp.close()
    message.fp = io.BufferedReader(incoming)
    read_status = message._read_status  # noqa: SLF001 (http.client itself passes by 100 alone)

    def read_final_status() -> Any:
        found = read_status()
        while HTTPStatus.CONTINUE <= found[1] < HTTPStatus.OK:  # an answer in advance, such as 103 Early Hints
            while message.fp.readline(_LONGEST_LINE).strip():
                continue
            found = read_status()
        return found

    message._read_status = read_final_status  # noqa: SLF001
    return message


def _call(app: WsgiApp, request: PreparedRequest) -> Response:
    """Call an app as a server would (PEP 3333)."""
    parts = urlsplit(request.url or "")
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()}
    environ = {"PATH_INFO": unquote(str(parts.path)), "QUERY_STRING": parts.query, **headers}
    setup_testing_defaults(environ)
    answered: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> None:
        answered.update(status=int(status.partition(" ")[0]), headers=dict(headers))

    body = b"".join(app(environ, start_response))
    return _response(request, answered["status"], answered["headers"], body)


def lifetime(url: str, *, now: datetime) -> timedelta:
    """Return how long the answer to a request may be kept.

    24 hours; an answer that includes a day which is not safely published yet only until it is.

    Examples
    --------
    >>> early = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
    >>> lifetime("https://api/analytics/v0/dau?date=2026-03-01", now=early)
    datetime.timedelta(seconds=7200)
    >>> lifetime("https://api/analytics/v0/dau?date=2026-02-28", now=early)
    datetime.timedelta(days=1)
    """
    asked = parse_qs(urlsplit(url).query)
    last_days = asked.get("date") or asked.get("end_date")
    if not last_days:
        return EXPIRE_AFTER
    out_at = published_at(date.fromisoformat(last_days[0]))
    return EXPIRE_AFTER if out_at <= now else min(EXPIRE_AFTER, out_at - now)


class AnswerTable(SQLiteDict):
    """The rows in SQLite.

    Unlike its parent it gives up on a lock, checks each row, and does not swallow a failure: it goes on in
    memory, after one warning.
    """

    def __init__(self, db_path: str) -> None:
        timeout = int(_LOCK_TIMEOUT * 1000)
        try:
            super().__init__(db_path, "responses", serializer="json", busy_timeout=timeout, wal=db_path != _MEMORY)
            self._check()
        except BaseException:
            self.close()  # type: ignore[no-untyped-call]
            raise

    def _check(self) -> None:
        with self.connection(commit=True) as connection:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
            connection.execute("PRAGMA user_version=2")  # a lock can be had on a file that cannot be written to
            connection.execute("SELECT key, value FROM responses LIMIT 0")
            connection.execute("DELETE FROM responses WHERE expires <= ?", (int(time.time()),))

    def __getitem__(self, key: str) -> Any:
        return self._try(SQLiteDict.__getitem__, key)

    def __setitem__(self, key: str, answer: CachedResponse) -> None:
        answer.cache_key = key  # goes into the checksum: a row answers for no other question
        self._try(SQLiteDict.__setitem__, key, answer)

    def __delitem__(self, key: str) -> None:
        self._try(SQLiteDict.__delitem__, key)

    def serialize(self, value: Any) -> bytes:
        """Write an answer as JSON, with a checksum before it."""
        row: bytes = super().serialize(value).encode()
        return _checksum(value.cache_key, row) + row

    def deserialize(self, key: str, value: object) -> CachedResponse | None:
        """Read an answer back; None for anything but a whole row, written at a time that can be."""
        if not isinstance(value, bytes) or value[:16] != _checksum(key, value[16:]):
            return None
        answer: CachedResponse | None = super().deserialize(key, value[16:])
        is_possible = answer is not None and answer.created_at <= datetime.now(UTC) + _CLOCK_STEP
        return answer if is_possible else None  # a clock that ran ahead would make it outlive its day

    def _try(self, action: Callable[..., Any], *values: object) -> Any:
        try:
            return action(self, *values)
        except (sqlite3.Error, OSError) as error:
            with self._lock:
                if self.db_path != _MEMORY:  # not yet, by another thread
                    _warn_of_memory(self.db_path, error)
                    self.db_path, self.wal = _MEMORY, False
                    self.init_db()  # type: ignore[no-untyped-call]
            return action(self, *values)

    @contextmanager
    def _acquire_sqlite_lock(self) -> Iterator[None]:
        # The parent waits for the lock in an endless loop, and swallows what fails after it.
        with self._lock:
            connection: Any = self._connection  # opened by the caller, `connection`
            connection.text_factory = partial(str, encoding="utf-8", errors="replace")  # else a bad row is a bad file
            connection.execute("BEGIN IMMEDIATE")
            self._active_transaction = True
            try:
                yield
                connection.commit()
            except BaseException:
                if connection.in_transaction:
                    connection.rollback()
                raise
            finally:
                self._active_transaction = False


def _checksum(key: str, row: bytes) -> bytes:
    return blake2b(row, key=key.encode(), digest_size=16).digest()


def open_table(path: Path | None) -> AnswerTable:
    """Open a cache file that works, or one in memory with a warning that says why."""
    if path is None:
        return AnswerTable(_MEMORY)
    try:
        make_private_folder(path.parent)
        try:
            make_private_file(path)
        except PermissionError as error:  # another account's, in a folder of ours
            set_aside(path, error)
        return _open_patiently(path)
    except (FileExistsError, NotADirectoryError) as error:
        raise CacheError(
            f"The cache folder {path.parent} is not a folder. Hint: name another in AUGMENT_INSIGHTS_CACHE, "
            "or pass cache=FOLDER.",
            path=path.parent,
        ) from error
    except (OSError, sqlite3.Error) as error:
        _warn_of_memory(path, error)
        return _copy_in_memory(path)


def _copy_in_memory(path: Path) -> AnswerTable:
    """Return a table in memory with what a file holds that can be read and not written to."""
    table = AnswerTable(_MEMORY)
    query = "SELECT key, value, expires FROM responses WHERE expires > ?"
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as kept,
        table.connection(commit=True) as connection,
    ):
        connection.executemany("INSERT INTO responses VALUES (?, ?, ?)", kept.execute(query, (int(time.time()),)))
    return table


def _open_patiently(path: Path) -> AnswerTable:
    """Open a file; wait where another process is just beginning it, and set a damaged one aside."""
    give_up_at = time.monotonic() + _LOCK_TIMEOUT
    while True:
        try:
            return AnswerTable(str(path))
        except sqlite3.OperationalError as error:  # locked, read-only, no room: the file itself may be good
            code = error.sqlite_errorcode & _PRIMARY_CODE
            if code == sqlite3.SQLITE_ERROR:  # no such table or column: another program's
                set_aside(path, error)
                continue
            is_busy = code == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > give_up_at:
                raise
            time.sleep(_LOCK_RETRY)
        except sqlite3.DatabaseError as problem:
            if time.monotonic() > give_up_at:
                raise
            set_aside(path, problem)


def _warn_of_memory(path: Path | str, reason: Exception) -> None:
    warn_reader(
        f"The cache {path} cannot be used ({reason}); what is fetched now is kept in memory only. "
        "Hint: free disk space, or name a folder that can be written to in AUGMENT_INSIGHTS_CACHE.",
        CacheWarning,
    )


@dataclass(frozen=True)
class CacheFile:
    """What is in one cache file.

    Attributes
    ----------
    path : Path
        The file.
    answers : int
        How many answers it holds that have not expired.
    expired : int
        How many have.
    size_bytes : int
        Its size on disk.
    """

    path: Path
    answers: int
    expired: int
    size_bytes: int


def cache_files(root: Path) -> list[CacheFile]:
    """Describe every cache file in a folder, by name; one that cannot be read as holding nothing."""
    found = []
    query = "SELECT count(*), coalesce(sum(expires <= ?), 0) FROM responses"
    for path in sorted(root.glob(_FILES)):
        size = sum(part.stat().st_size for part in _parts(path))
        try:
            location = f"{path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(location, uri=True, timeout=_LOCK_TIMEOUT)) as connection:
                total, expired = connection.execute(query, (int(time.time()),)).fetchone()
        except sqlite3.Error:
            total = expired = 0
        found.append(CacheFile(path, total - expired, expired, size))
    return found


def clear_cache(root: Path) -> list[CacheFile]:
    """Delete every cache file in a folder, damaged ones set aside too; return what was there."""
    files = cache_files(root)
    for path in [*root.glob(_FILES), *root.glob(f"{_FILES}.damaged-*"), *root.glob(f"{_FILES}-*.lock")]:
        for part in _parts(path):
            part.unlink(missing_ok=True)
    return files


def _parts(path: Path) -> list[Path]:
    """List the files that make up one SQLite database."""
    return [part for ending in PARTS if (part := path.with_name(path.name + ending)).exists()]
