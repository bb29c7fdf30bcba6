"""The Analytics API over an organisation, as a WSGI application, and a server for this machine only.

The rules are those of the API's reference: ranges, caps, paging, publication time, error bodies. They are
written here from the server's side and share nothing with the client but the notion of a UTC day.
"""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from hmac import compare_digest
from http import HTTPStatus
from ipaddress import ip_address
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

from augment_insights.errors import ConfigurationError, DateRangeError
from augment_insights.metrics import METRICS
from augment_insights.periods import (
    DEFAULT_RANGE_DAYS,
    MAX_RANGE_DAYS,
    PUBLICATION_TIME,
    DayRange,
    newest_day,
    oldest_day,
    parse_day,
)
from augment_insights.sample.records import PERSON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from wsgiref.simple_server import WSGIServer
    from wsgiref.types import StartResponse, WSGIEnvironment

    from augment_insights.sample.records import Organisation, Record

_BASE = "/analytics/v0"
_RANGE_PARAMETERS = frozenset({"start_date", "end_date"})
_PAGE_PARAMETERS = frozenset({"cursor", "page_size"})
_DAY_PARAMETERS = _PAGE_PARAMETERS | {"date"}
_MAX_PARAMETERS = 20
_LONGEST_NUMBER = 6


class TokenBucket:
    """Decide whether one more request may pass: a strict token bucket, a burst and then an even rate.

    Safe to use from many threads.

    Parameters
    ----------
    requests_per_minute : float
        How fast the bucket refills.
    burst : int
        How many requests it holds when full; it starts full.
    clock : callable
        Seconds that never run backwards.

    Attributes
    ----------
    granted, refused : int
        How many requests passed, and how many were turned away.

    Raises
    ------
    ConfigurationError
        For a rate that is not above zero, or a burst under one.

    Examples
    --------
    >>> bucket = TokenBucket(requests_per_minute=10, burst=2, clock=lambda: 0.0)
    >>> [bucket.take() for _ in range(3)]  # the third must wait 6 s
    [0.0, 0.0, 6.0]
    >>> bucket.granted, bucket.refused
    (2, 1)
    """

    # A wait is handed out as a number of seconds, and a clock that moved by exactly that number may
    # read a hair less: without the slack, a client that waits as told would be turned away again.
    _SLACK = 1e-6

    def __init__(
        self, requests_per_minute: float = 10, burst: int = 20, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if not requests_per_minute > 0:
            raise ConfigurationError(
                f"requests_per_minute={requests_per_minute!r} must be above 0.", setting="requests_per_minute"
            )
        if burst < 1:
            raise ConfigurationError(f"burst={burst!r} must be at least 1.", setting="burst")
        self.granted = 0
        self.refused = 0
        self._interval = 60 / requests_per_minute
        self._tolerance = (burst - 1) * self._interval
        self._clock = clock
        self._full_at = -math.inf
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take one token: 0 if there was one, else the seconds until there is (and none is taken)."""
        with self._lock:
            now = self._clock()
            full_at = max(self._full_at, now)
            wait = full_at - now - self._tolerance
            if wait > self._SLACK:
                self.refused += 1
                return wait
            self._full_at = full_at + self._interval
            self.granted += 1
            return 0.0


class _RefusalError(Exception):
    """A request that is answered with an error body."""

    def __init__(self, status: HTTPStatus, code: str, message: str, *headers: tuple[str, str]) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


class _Asked(NamedTuple):
    """One request: which path, with which parameters, at what moment."""

    path: str
    parameters: Mapping[str, str]
    now: datetime


def _invalid(message: str) -> _RefusalError:
    return _RefusalError(HTTPStatus.BAD_REQUEST, "InvalidArgument", message)


class AnalyticsApp:
    """Serve the Analytics API over an organisation, as a WSGI application.

    It serves ``dau-count``, ``dau``, ``daily-usage``, ``user-activity`` and
    ``daily-user-activity-by-editor-language`` under ``/analytics/v0``, by the rules of the API's
    reference: UTC days; a range of 7 days when an end is left open; at most 90 days a range and
    two years back; today and later refused; yesterday empty until 02:00 UTC; opaque cursors; the
    documented error bodies. Where the reference is silent: ``dau-count`` counts service accounts
    too (it equals the number of ``/dau`` rows); people come before service accounts, both by name;
    a cursor belongs to its query and to the data it was made for, so it is refused once another
    day is published; an unknown or repeated parameter is refused; a sum leaves a metric out when
    all its parts do.

    Parameters
    ----------
    organisation : Organisation
        A :class:`SampleOrganisation`, a :class:`RecordStore`, or anything with their ``records_on``. Its
        days are read once and remembered.
    now : callable
        The moment a request arrives, with a time zone.
    token : str, optional
        The only bearer token that is let in. Left out, any is, but not none.
    rate_limit : TokenBucket, optional
        Over it requests get 429 and ``Retry-After``. Left out, there is no limit.

    Raises
    ------
    ConfigurationError
        For an empty token.

    See Also
    --------
    serve : the same over HTTP, on this machine.

    Examples
    --------
    >>> from augment_insights.sample import RecordStore
    >>> app = AnalyticsApp(RecordStore([]), now=lambda: datetime(2026, 3, 10, 12, tzinfo=UTC))
    >>> request = {"REQUEST_METHOD": "GET", "PATH_INFO": "/analytics/v0/dau", "HTTP_AUTHORIZATION": "Bearer any"}
    >>> [body] = app(request, lambda status, headers: print(status))
    200 OK
    >>> json.loads(body)["metadata"]["effective_date"]
    '2026-03-09'
    """

    def __init__(
        self,
        organisation: Organisation,
        *,
        now: Callable[[], datetime],
        token: str | None = None,
        rate_limit: TokenBucket | None = None,
    ) -> None:
        if token is not None and not token.strip():
            raise ConfigurationError("The token is empty. Hint: leave it out to let any token in.", setting="token")
        self._now = now
        self._token = token
        self._rate_limit = rate_limit
        self._records = lru_cache(maxsize=None)(organisation.records_on)
        self._users = lru_cache(maxsize=None)(
            lambda day: dict(sorted(_by_user(self._records(day)).items(), key=_people_first))
        )
        self._activity = lru_cache(maxsize=4)(self._by_user_in)  # the pages of a range are asked one after the other
        self._endpoints: dict[str, tuple[Callable[[_Asked], dict[str, Any]], frozenset[str]]] = {
            f"{_BASE}/dau-count": (self._dau_count, _RANGE_PARAMETERS),
            f"{_BASE}/dau": (self._dau, _DAY_PARAMETERS),
            f"{_BASE}/daily-usage": (self._daily_usage, _RANGE_PARAMETERS),
            f"{_BASE}/user-activity": (self._user_activity, _RANGE_PARAMETERS | _PAGE_PARAMETERS),
            f"{_BASE}/daily-user-activity-by-editor-language": (self._editor_language, _DAY_PARAMETERS),
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        status, headers = HTTPStatus.OK, list[tuple[str, str]]()
        try:
            payload = self._answer(environ)
        except _RefusalError as refusal:
            status, headers = refusal.status, [*refusal.headers]
            payload = {"error": {"code": refusal.code, "message": refusal.message}}
        body = json.dumps(payload, separators=(",", ":")).encode()
        start_response(
            f"{status.value} {status.phrase}",
            [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers],
        )
        return [body]

    def _answer(self, environ: WSGIEnvironment) -> dict[str, Any]:
        """Let a request in, find its endpoint, read its parameters, and ask it."""
        self._authenticate(environ.get("HTTP_AUTHORIZATION", ""))
        wait = self._rate_limit.take() if self._rate_limit is not None else 0.0
        if wait > 0:
            retry_after = ("Retry-After", str(math.ceil(wait)))
            problem = "the rate limit is used up"
            raise _RefusalError(HTTPStatus.TOO_MANY_REQUESTS, "ResourceExhausted", problem, retry_after)
        path = environ.get("PATH_INFO", "")
        if path not in self._endpoints:
            raise _RefusalError(HTTPStatus.NOT_FOUND, "NotFound", "there is no such endpoint")
        if environ["REQUEST_METHOD"] != "GET":
            allow = ("Allow", "GET")
            raise _RefusalError(HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed", "only GET is served", allow)
        answer, allowed = self._endpoints[path]
        return answer(_Asked(path, _parameters(environ.get("QUERY_STRING", ""), allowed), self._now()))

    def _authenticate(self, authorization: str) -> None:
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        good = scheme.lower() == "bearer" and bool(token)
        if good and self._token is not None:
            good = compare_digest(token.encode("utf-8", "replace"), self._token.encode("utf-8", "replace"))
        if not good:
            problem = "the bearer token is missing or invalid"
            challenge = ("WWW-Authenticate", "Bearer")
            raise _RefusalError(HTTPStatus.UNAUTHORIZED, "Unauthenticated", problem, challenge)

    def _dau_count(self, asked: _Asked) -> dict[str, Any]:
        days = _asked_range(asked)
        counts = [{"date": day.isoformat(), "user_count": len(self._users_on(day, asked.now))} for day in days]
        return {"daily_active_user_counts": counts, "metadata": _range_metadata(days, asked.now, total_days=days.days)}

    def _dau(self, asked: _Asked) -> dict[str, Any]:
        day = _asked_day(asked)
        rows = [{field: user} for field, user in self._users_on(day, asked.now)]
        page, pagination = _page(rows, asked, DayRange(day, day), default=100, largest=250)
        metadata = {**_day_metadata(day, asked.now), "returned_user_count": len(page)}
        return {"users": page, "pagination": pagination, "metadata": metadata}

    def _daily_usage(self, asked: _Asked) -> dict[str, Any]:
        days = _asked_range(asked)
        active = [(day, users) for day in days if (users := self._users_on(day, asked.now))]
        usage = [{"date": day.isoformat(), "metrics": _named(_total(users.values()))} for day, users in active]
        return {"daily_usage": usage, "metadata": _range_metadata(days, asked.now, total_days=len(usage))}

    def _user_activity(self, asked: _Asked) -> dict[str, Any]:
        days = _asked_range(asked)
        users = self._activity(days.start, min(days.end, _last_published(asked.now)))
        chosen, pagination = _page(users, asked, days, default=50, largest=100)
        page = [
            {field: name, "active_days": len(daily), "metrics": _named(_total(daily))}
            for (field, name), daily in chosen
        ]
        metadata = _range_metadata(days, asked.now, total_days=days.days)
        metadata["returned_user_count"] = len(page)
        return {"users": page, "pagination": pagination, "metadata": metadata}

    def _editor_language(self, asked: _Asked) -> dict[str, Any]:
        day = _asked_day(asked)
        records = sorted(self._records(day), key=_record_order) if day <= _last_published(asked.now) else []
        chosen, pagination = _page(records, asked, DayRange(day, day), default=50, largest=100)
        page = [
            {r.user_field: r.user, "language": r.language, "editor": r.editor, "metrics": _named(r.metrics)}
            for r in chosen
        ]
        metadata = {**_day_metadata(day, asked.now), "returned_record_count": len(page)}
        return {"records": page, "pagination": pagination, "metadata": metadata}

    def _by_user_in(self, first: date, last: date) -> list[tuple[tuple[str, str], list[tuple[int | None, ...]]]]:
        """Return every user of a range with the sums of each day that they were active, people first."""
        per_user: dict[tuple[str, str], list[tuple[int | None, ...]]] = {}
        for day in DayRange(first, last) if first <= last else ():
            for user, metrics in self._users(day).items():
                per_user.setdefault(user, []).append(metrics)
        return sorted(per_user.items(), key=_people_first)

    def _users_on(self, day: date, now: datetime) -> Mapping[tuple[str, str], tuple[int | None, ...]]:
        """Return each user's sums of a day as they are known at a moment: nothing before it is published."""
        return self._users(day) if day <= _last_published(now) else {}


def _people_first(item: tuple[tuple[str, str], object]) -> tuple[bool, str]:
    (field, name), _ = item
    return field != PERSON, name


def _record_order(record: Record) -> tuple[bool, str, str, str]:
    return record.user_field != PERSON, record.user, record.language, record.editor


def _by_user(records: Sequence[Record]) -> dict[tuple[str, str], tuple[int | None, ...]]:
    """Add a day's records up by user."""
    per_user: dict[tuple[str, str], list[tuple[int | None, ...]]] = {}
    for record in records:
        per_user.setdefault((record.user_field, record.user), []).append(record.metrics)
    return {user: _total(rows) for user, rows in per_user.items()}


def _total(rows: Iterable[tuple[int | None, ...]]) -> tuple[int | None, ...]:
    """Add up metric by metric; a metric that every row lacks stays missing."""
    rows = list(rows)
    try:
        return tuple(map(sum, zip(*rows, strict=True)))  # nearly always nothing is missing, and this is far faster
    except TypeError:
        pass
    known = ([value for value in column if value is not None] for column in zip(*rows, strict=True))
    return tuple(sum(values) if values else None for values in known)


def _named(metrics: tuple[int | None, ...]) -> dict[str, int]:
    """Put the names of the API to the metrics that are there."""
    return {name: value for name, value in zip(METRICS, metrics, strict=True) if value is not None}


def _last_published(now: datetime) -> date:
    """Return the newest day with data: yesterday from the publication on, else the day before."""
    waiting = now.astimezone(UTC).time() < PUBLICATION_TIME
    return newest_day(now) - timedelta(days=1 if waiting else 0)


def _parameters(query: str, allowed: frozenset[str]) -> dict[str, str]:
    """Read a query string, and refuse what the endpoint does not know or gets twice."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError as error:
        raise _invalid("the query string cannot be read") from error
    parameters = dict(pairs)
    unknown = sorted(parameters.keys() - allowed)
    if unknown:
        raise _invalid(f"unknown parameter: {unknown[0]}")
    if len(pairs) > len(parameters):
        raise _invalid("a parameter is given more than once")
    return parameters


def _date_of(asked: _Asked, name: str) -> date | None:
    """Read a date parameter and hold it to the days that can be asked for."""
    text = asked.parameters.get(name)
    if text is None:
        return None
    try:
        day = parse_day(text, name=name)
    except DateRangeError as error:
        raise _invalid(f"{name} must be a date written as YYYY-MM-DD") from error
    if day > newest_day(asked.now):
        raise _invalid(f"{name} cannot be later than yesterday (UTC)")
    if day < oldest_day(asked.now):
        raise _invalid(f"{name} cannot be more than 2 years ago")
    return day


def _asked_day(asked: _Asked) -> date:
    """Return the day that is asked for: yesterday if none is named."""
    return _date_of(asked, "date") or newest_day(asked.now)


def _asked_range(asked: _Asked) -> DayRange:
    """Return the range that is asked for, its open ends filled in by the API's rules."""
    start, end = _date_of(asked, "start_date"), _date_of(asked, "end_date")
    length = timedelta(days=DEFAULT_RANGE_DAYS - 1)
    yesterday = newest_day(asked.now)
    if end is None:
        end = yesterday if start is None else min(start + length, yesterday)
    if start is None:
        start = max(end - length, oldest_day(asked.now))
    if end < start:
        raise _invalid("end_date cannot be before start_date")
    days = DayRange(start, end)
    if days.days > MAX_RANGE_DAYS:
        raise _invalid(f"the date range cannot be longer than {MAX_RANGE_DAYS} days")
    return days


def _range_metadata(days: DayRange, now: datetime, *, total_days: int) -> dict[str, Any]:
    return {
        "effective_start_date": days.start.isoformat(),
        "effective_end_date": days.end.isoformat(),
        "generated_at": _moment(now),
        "total_days": total_days,
    }


def _day_metadata(day: date, now: datetime) -> dict[str, Any]:
    return {"effective_date": day.isoformat(), "generated_at": _moment(now)}


def _moment(now: datetime) -> str:
    return now.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _page(
    rows: Sequence[Any], asked: _Asked, days: DayRange, *, default: int, largest: int
) -> tuple[Sequence[Any], dict[str, Any]]:
    """Cut the page out of the rows that the cursor and the page size ask for."""
    size = _page_size(asked.parameters.get("page_size"), default=default, largest=largest)
    # A page may only follow one made from the same data: once another day is published, the places
    # in a list that it is part of have moved, and going on would skip rows or give some twice.
    query = f"{asked.path} {days} {min(days.end, _last_published(asked.now))}"
    cursor = asked.parameters.get("cursor")
    first = 0 if cursor is None else _read_cursor(cursor, query=query, rows=len(rows))
    end = first + size
    has_more = end < len(rows)
    return rows[first:end], {"next_cursor": _cursor(query, end) if has_more else "", "has_more": has_more}


def _page_size(text: str | None, *, default: int, largest: int) -> int:
    if text is None:
        return default
    readable = text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
    if not (readable and 1 <= int(text) <= largest):
        raise _invalid(f"page_size must be an integer from 1 to {largest}")
    return int(text)


def _cursor(query: str, first: int) -> str:
    return urlsafe_b64encode(json.dumps({"query": query, "first": first}).encode()).decode()


def _read_cursor(cursor: str, *, query: str, rows: int) -> int:
    """Return the place a cursor stands for, if it was made for this query."""
    try:
        content = json.loads(urlsafe_b64decode(cursor.encode("ascii")))
        first, made_for = content["first"], content["query"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _invalid("cursor is malformed") from error
    if made_for != query:
        raise _invalid("cursor belongs to another query, or to data that has changed since")
    if type(first) is not int or not 0 < first < rows:  # a bool is an int too
        raise _invalid("cursor is malformed")
    return first


@contextmanager
def serve(app: AnalyticsApp, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve an app over HTTP on this machine while the block runs, and yield its URL.

    One thread a request, nothing logged. Only loopback addresses: whoever can reach the server can
    read all activity in it.

    Parameters
    ----------
    app : AnalyticsApp
        What to serve.
    host : str
        A loopback address, or ``"localhost"``.
    port : int
        0 for any that is free.

    Yields
    ------
    str
        The base URL, such as ``"http://127.0.0.1:40123"``.

    Raises
    ------
    ConfigurationError
        For a host that other machines can reach, or an address that is taken.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from augment_insights.sample import RecordStore
    >>> with serve(AnalyticsApp(RecordStore([]), now=lambda: datetime(2026, 3, 10, tzinfo=UTC))) as url:
    ...     print(url)
    http://127.0.0.1:...
    """
    address = _loopback(host)
    try:
        server = _quiet_server(address, port)
    except OSError as error:
        raise ConfigurationError(
            f"Cannot serve on {host} port {port}: {error.strerror}. Hint: port=0 takes any that is free.",
            setting="port",
        ) from error
    server.set_app(app)
    at = f"[{address}]" if server.address_family == socket.AF_INET6 else address
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="analytics-api", daemon=True)
        thread.start()
        try:
            yield f"http://{at}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _loopback(host: str) -> str:
    """Return the address of a host name, if only this machine can reach it."""
    try:
        address = ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise ConfigurationError(
            f"host={host!r} is not a loopback address: other machines could read the data. Hint: use '127.0.0.1'.",
            setting="host",
        )
    return str(address)


def _quiet_server(address: str, port: int) -> WSGIServer:
    """Return an HTTP server with one thread a request and no log: a query string holds names of people."""
    # An HTTP server is much to import, and only those who serve over HTTP need one.
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer  # noqa: PLC0415

    class QuietHandler(WSGIRequestHandler):
        def log_message(self, *_arguments: Any, **_keywords: Any) -> None:
            pass

    class LoopbackServer(ThreadingMixIn, WSGIServer):
        daemon_threads = True
        address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

        def server_bind(self) -> None:
            """Bind without asking for the machine's full name: offline, that question can take seconds."""
            TCPServer.server_bind(self)
            self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
            self.setup_environ()

    return LoopbackServer((address, port), QuietHandler)
