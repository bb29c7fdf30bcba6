"""The session: cache above, then the rate limit, the token, and the network or an app in this process.

The token is added below the cache, to a copy of the request. Nothing above that point ever holds
it: not the cache, not a response, not an exception.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from http.client import HTTPResponse as HttpMessage
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.auth import AuthBase
from requests_cache import CacheMixin
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from augment_insights.transport.cache import EXPIRE_AFTER, AnswerCache

if TYPE_CHECKING:
    import socket

    from _typeshed import WriteableBuffer
    from requests import PreparedRequest, Response

    from augment_insights.transport.rate_limit import RateLimit, Unlimited
    from augment_insights.transport.settings import Token

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_LONGEST_BODY = 64 * 2**20
_CHUNK = 2**16
_SILENCES = 4
"""How many times the timeout a whole answer may take."""


class ConnectionFailedError(Exception):
    """No whole answer came: the words say why, and no object of the failed request comes along."""


class ApiSession(CacheMixin, requests.Session):
    """A requests-cache session over one API.

    Parameters
    ----------
    cache : AnswerCache
        Where valid answers are kept.
    base_url : str
        What the adapter answers for; nothing else can be reached.
    adapter : BaseAdapter
        The way to the API.
    """

    def __init__(self, *, cache: AnswerCache, base_url: str, adapter: BaseAdapter) -> None:
        super().__init__(
            backend=cache,
            expire_after=EXPIRE_AFTER,
            allowable_codes=(HTTPStatus.OK,),
            allowable_methods=("GET",),
            stale_if_error=False,
        )
        self.auth = _NoAuth()
        self.headers.update({"Accept": "application/json", "User-Agent": "augment-insights"})
        self.adapters.clear()
        # The slash ends the host: without it "https://api.example" would also stand for "https://api.example.evil".
        self.mount(f"{base_url}/", adapter)


class _NoAuth(AuthBase):
    """Adds nothing; its presence keeps requests from putting a ``.netrc`` password in the token's place."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        return request


class WireAdapter(BaseAdapter):
    """Sends one request: waits for the rate limit, adds the token, reads the whole body.

    Parameters
    ----------
    inner : BaseAdapter
        The network, or an app in this process.
    token : Token
        Added as a bearer token to what goes out.
    limit : RateLimit or Unlimited
        Asked before each request.
    timeout : float
        Seconds for connecting and for each silence.
    on_send, on_wait : callable
        Told of each request that goes out, and of each wait for the rate limit.
    """

    def __init__(
        self,
        inner: BaseAdapter,
        *,
        token: Token,
        limit: RateLimit | Unlimited,
        timeout: float,
        on_send: Callable[[], None],
        on_wait: Callable[[float], None],
    ) -> None:
        super().__init__()
        self._inner = inner
        self._token = token
        self._limit = limit
        self._timeout = timeout
        self._on_send = on_send
        self._on_wait = on_wait

    def send(  # type: ignore[override]  # the session passes requests' own settings through
        self, request: PreparedRequest, **settings: Any
    ) -> Response:
        """Send, and return the answer with its body read and without anything secret."""
        permit = self._limit.acquire(self._on_wait)
        self._on_send()
        settings.update(stream=True, timeout=(min(self._timeout, 10.0), self._timeout))
        failure: BaseException | None = None
        try:
            response = self._exchange(request, settings)
        except (requests.RequestException, HTTPError, OSError) as error:
            failure = ConnectionFailedError(self._token.redact(f"{type(error).__name__}: {error}"))
        except KeyboardInterrupt:
            failure = KeyboardInterrupt()
        finally:
            self._limit.settle(permit)
        if failure is not None:
            # Raised outside the except block: the failed exchange, whose frames hold the token, stays behind.
            raise failure
        response.request = request
        return response

    def _exchange(self, request: PreparedRequest, settings: Mapping[str, Any]) -> Response:
        with_token = request.copy()
        with_token.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        answer = self._inner.send(with_token, **settings)
        try:
            body = _read(answer)
        finally:
            answer.close()
        return _rebuilt(answer, body)

    def close(self) -> None:
        """Close the connections below."""
        self._inner.close()


def _read(answer: Response) -> bytes:
    """Read and unpack the body, up to a length that no honest answer has."""
    parts: list[bytes] = []
    size = 0
    while part := answer.raw.read1(_CHUNK, decode_content=True):
        parts.append(part)
        size += len(part)
        if size > _LONGEST_BODY:
            raise HTTPError(f"the body is longer than {_LONGEST_BODY:,} bytes")
    return b"".join(parts)


def _rebuilt(answer: Response, body: bytes) -> Response:
    """Make the answer anew from its body and the few headers that are needed, with no tie to the wire.

    Without ``Location``: requests would read even that of a redirect which it is told not to follow,
    and stumble over one that is no URL.
    """
    kept = ("Content-Type", "Retry-After")
    headers = {name: answer.headers[name] for name in kept if name in answer.headers}
    raw = HTTPResponse(
        body=io.BytesIO(body),
        headers=headers,
        status=answer.status_code,
        reason=answer.reason,
        preload_content=False,
        request_url=answer.url,
    )
    anonymous = requests.Request("GET", answer.url).prepare()
    response = HTTPAdapter().build_response(anonymous, raw)
    _ = response.content
    return response


class NetworkAdapter(HTTPAdapter):
    """The network, with an end to each answer: a byte now and then does not keep us for ever."""

    def init_poolmanager(self, *settings: Any, **more: Any) -> None:
        """Make the pools of connections, from our own kind of connection."""
        super().init_poolmanager(*settings, **more)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *settings: Any, **more: Any) -> Any:
        """Make the pools that go through a proxy, from our own kind of connection too."""
        manager = super().proxy_manager_for(*settings, **more)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(  # type: ignore[override]  # the session passes requests' own settings through
        self, request: PreparedRequest, **settings: Any
    ) -> Response:
        """Send; what goes to this machine in the clear goes there directly, and never through a proxy."""
        if str(request.url).startswith("http:"):
            settings["proxies"] = {}
        return super().send(request, **settings)


class _UntilDeadline(io.RawIOBase):
    """The bytes of one answer as they come in, up to a moment."""

    def __init__(self, incoming: io.RawIOBase, *, seconds: float) -> None:
        super().__init__()
        self._incoming = incoming
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        if time.monotonic() > self._deadline:
            raise TimeoutError(f"the answer was not complete after {self._seconds:g} s")
        return self._incoming.readinto(buffer)

    def close(self) -> None:
        self._incoming.close()
        super().close()


class _TimelyMessage(HttpMessage):
    """An answer off a socket, status line and headers and all, that has to be here in time."""

    def __init__(self, sock: socket.socket, *settings: Any, **more: Any) -> None:
        super().__init__(sock, *settings, **more)
        silence = sock.gettimeout()
        if silence is not None:
            self.fp.close()
            incoming = sock.makefile("rb", buffering=0)
            self.fp = io.BufferedReader(_UntilDeadline(incoming, seconds=_SILENCES * silence))


class _Connection(HTTPConnection):
    response_class = _TimelyMessage
    debuglevel = 0  # whoever sets that of all connections would have each header printed, the token's too


class _SecureConnection(HTTPSConnection):
    response_class = _TimelyMessage
    debuglevel = 0


class Pool(HTTPConnectionPool):
    """Connections in the clear; its name stands in messages."""

    ConnectionCls = _Connection


class SecurePool(HTTPSConnectionPool):
    """Connections by TLS."""

    ConnectionCls = _SecureConnection


_POOLS = {"http": Pool, "https": SecurePool}


class WsgiAdapter(BaseAdapter):
    """The door by which an API served in this process is reached, with no socket between."""

    def __init__(self, app: WsgiApp) -> None:
        super().__init__()
        self._app = app

    def send(self, request: PreparedRequest, **_settings: Any) -> Response:  # type: ignore[override]
        """Call the app as a server would."""
        answered: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> None:
            answered.update(status=status, headers=headers)

        chunks = self._app(_environ(request), start_response)
        body = b"".join(chunks)
        code, _, reason = answered["status"].partition(" ")
        raw = HTTPResponse(
            body=io.BytesIO(body),
            headers=answered["headers"],
            status=int(code),
            reason=reason,
            preload_content=False,
            request_url=request.url,
        )
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        """Close nothing."""


def _environ(request: PreparedRequest) -> dict[str, Any]:
    """Describe a request as WSGI wants it (PEP 3333)."""
    parts = urlsplit(request.url or "")
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()}
    return {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(str(parts.path)),
        "QUERY_STRING": parts.query,
        "SERVER_NAME": parts.hostname,
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": parts.scheme,
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **headers,
    }
