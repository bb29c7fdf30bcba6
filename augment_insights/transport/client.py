"""The client: one organisation's API, asked politely, answered from the cache where it can be."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time
from http import HTTPStatus
from pathlib import Path
from random import Random
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlencode

from augment_insights.errors import (
    ApiError,
    ApiUnavailableError,
    AuthenticationError,
    ConfigurationError,
    DataWarning,
    InvalidRequestError,
    PermissionDeniedError,
    RateLimitedError,
    UnexpectedResponseError,
)
from augment_insights.transport.clock import Clock
from augment_insights.transport.kept import CachedPages, look
from augment_insights.transport.messages import (
    ENDPOINTS,
    Endpoint,
    Page,
    UnreadableBodyError,
    WrongShapeError,
    decode,
    decode_error,
    unknown_fields,
)
from augment_insights.transport.pages import Answer, walk
from augment_insights.transport.progress import Progress, choose_style
from augment_insights.transport.rate_limit import RateLimit, Unlimited
from augment_insights.transport.retry import RETRIED_STATUSES, RetryPolicy, parse_retry_after
from augment_insights.transport.settings import (
    TOKEN_VARIABLE,
    archive_folder,
    cache_root,
    read_base_url,
    read_plan_above,
    read_token,
)
from augment_insights.transport.watching import WatchedClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from datetime import date
    from os import PathLike

    from requests import Response

    from augment_insights.transport.cache import AnswerCache
    from augment_insights.transport.session import ApiSession, WsgiApp
    from augment_insights.transport.watching import Watch

_SAMPLE_URL = "https://sample.invalid"
_RECORDS_URL = "https://records.invalid"
_NO_TOKEN = "in-process-there-is-no-token"  # noqa: S105 (nobody checks it; no answer holds it by chance)
_LONGEST_TIMEOUT = 86_400.0
_RATE_LIMIT_FILE = "rate-limit.sqlite"

_CURSOR_PATH = "$.pagination.next_cursor"

_ERRORS = {
    HTTPStatus.BAD_REQUEST: (InvalidRequestError, "The API refused the request", "check the dates and parameters"),
    HTTPStatus.UNAUTHORIZED: (
        AuthenticationError,
        "The API does not know the token",
        f"set {TOKEN_VARIABLE} to a token that is valid",
    ),
    HTTPStatus.FORBIDDEN: (
        PermissionDeniedError,
        "The token may not read analytics",
        "ask an administrator for a token with the analytics permission",
    ),
}


class Client:
    """Who asks the API: token, cache, rate limit, retries and progress in one.

    A client is cheap to make and opens nothing until its first request. Functions of ``fetch``
    take it as ``client=``; left out, they make one from the environment.

    Parameters
    ----------
    token : str, optional
        The API token; left out, the environment variable ``AUGMENT_API_TOKEN``.
    base_url : str, optional
        Left out, ``AUGMENT_API_URL``, else ``https://api.augmentcode.com``. https, or http to
        this machine only.
    cache : path-like or False, optional
        The folder of the cache; left out, ``AUGMENT_INSIGHTS_CACHE``, else the user's cache
        folder. False keeps answers in memory, as long as the client lives. Answers are kept for
        24 hours, in a file for this token and base URL alone that only its owner can read.
    archive : path-like or False, optional
        The folder of an :class:`augment_insights.Archive` that functions of ``fetch`` read first and add
        settled days to; left out, ``AUGMENT_INSIGHTS_ARCHIVE``, else none.
    requests_per_minute, burst : float, int
        The API's rate limit, shared with all processes of this machine that use the same token.
    timeout : float
        Seconds for each silence of the server; a whole answer may take four times as long.
    progress : bool or "bar" or "lines" or "off", optional
        False shows nothing; left out, ``AUGMENT_INSIGHTS_PROGRESS``, else what fits: a bar in
        terminals and notebooks, lines when unattended.
    plan_above : int, optional
        A fetch of more requests than this shows its plan first to whoever watches; left out,
        ``AUGMENT_INSIGHTS_PLAN_ABOVE``, else 60.
    clock, random, retry : optional
        Time, chance and patience, for tests.
    app : WSGI application, optional
        An API to call in this process, in place of the network.

    Attributes
    ----------
    requests_sent : int
        Requests that went out, retries included.
    answers_from_cache : int
        Requests that the cache answered.
    archive_path : Path or None
        The folder of the archive.
    generated_at : tuple of str or None
        When the API says that it made the answers, from the cache or not: the oldest and the newest moment.
    is_sample : bool
        Whether the organisation is the made-up one.

    Raises
    ------
    ConfigurationError
        No token, or a setting that cannot be read.

    Examples
    --------
    >>> client = Client.sample()
    >>> client
    Client(the sample organisation, in this process)
    """

    def __init__(  # noqa: PLR0913 (a client has that many settings, all by keyword, all with a default)
        self,
        token: str | None = None,
        *,
        base_url: str | None = None,
        cache: str | PathLike[str] | Literal[False] | None = None,
        archive: str | PathLike[str] | Literal[False] | None = None,
        requests_per_minute: float = 10,
        burst: int = 20,
        timeout: float = 30,
        progress: bool | str | None = None,
        plan_above: int | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        retry: RetryPolicy | None = None,
        app: WsgiApp | None = None,
    ) -> None:
        _check_positive(requests_per_minute=requests_per_minute, burst=burst, timeout=timeout)
        if timeout > _LONGEST_TIMEOUT:  # a socket takes no endless one
            raise ConfigurationError(
                f"timeout={timeout!r} is over a day. Hint: seconds, such as timeout=30.", setting="timeout"
            )
        self._token = read_token(token)
        self.base_url = read_base_url(base_url)
        self._cache_folder = _cache_folder(cache)
        self.archive_path = archive_folder(archive)
        self._requests_per_minute = requests_per_minute
        self._burst = burst
        self._timeout = timeout
        self._style = choose_style(progress)
        self.plan_above = read_plan_above(plan_above)
        self._clock = WatchedClock(clock or Clock())
        self._random = random or Random()  # noqa: S311 (jitter, not a secret)
        self._retry = retry or RetryPolicy()
        self._app = app
        self._opening = Lock()
        self._opened_by = os.getpid()
        self._left_to_parent: list[object] = []
        self._session: ApiSession | None = None
        self._cache: AnswerCache | None = None
        self._limit: RateLimit | Unlimited | None = None
        self._progress: Progress | None = None
        self._seen_unknown: set[str] = set()
        self._endpoints_checked: set[str] = set()
        self.requests_sent = 0
        self.answers_from_cache = 0
        self.generated_at: tuple[str, str] | None = None
        self.is_sample = False

    @classmethod
    def sample(
        cls,
        *,
        today: date | str | None = None,
        archive: str | PathLike[str] | Literal[False] = False,
        progress: bool | str | None = None,
    ) -> Client:
        """Make a client of the built-in, made-up organisation, served in this process: no token, no network.

        Parameters
        ----------
        today : date or "YYYY-MM-DD", optional
            The day the organisation lives in (it is noon, UTC); left out, the real one. Its history
            covers 13 months up to the day before.
        archive, progress : optional
            As in :class:`Client`.
        """
        from augment_insights.sample import AnalyticsApp, SampleOrganisation  # noqa: PLC0415 (only for the sample)

        clock = _clock_at(today)
        app = AnalyticsApp(SampleOrganisation(clock.now().date()), now=clock.now)
        client = cls(
            _NO_TOKEN, base_url=_SAMPLE_URL, cache=False, archive=archive, progress=progress, clock=clock, app=app
        )
        client.is_sample = True
        return client

    @classmethod
    def serving(
        cls,
        records: Iterable[Mapping[str, Any]],
        *,
        today: date | str | None = None,
        archive: str | PathLike[str] | Literal[False] = False,
        progress: bool | str | None = None,
    ) -> Client:
        """Make a client of any records, served in this process through the same wire.

        Parameters
        ----------
        records : iterable of mappings
            Each ``{"date", "user_email" or "service_account_name", "language", "editor", "metrics"}``.
        today, archive, progress : optional
            As in :meth:`sample`.
        """
        from augment_insights.sample import AnalyticsApp, RecordStore  # noqa: PLC0415 (only for records)

        clock = _clock_at(today)
        app = AnalyticsApp(RecordStore(records), now=clock.now)
        return cls(
            _NO_TOKEN, base_url=_RECORDS_URL, cache=False, archive=archive, progress=progress, clock=clock, app=app
        )

    def __repr__(self) -> str:
        if self.is_sample:
            return "Client(the sample organisation, in this process)"
        where = "given records, in this process" if self._app is not None else self.base_url
        return f"Client({where})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of files and connections; the next request opens them again."""
        if self._session is not None:
            self._session.close()  # type: ignore[no-untyped-call]
        if self._limit is not None:
            self._limit.close()
        self._session = self._cache = self._limit = self._progress = None

    def now(self) -> datetime:
        """Return the client's moment, in UTC."""
        return self._clock.now()

    @property
    def cache_path(self) -> Path | None:
        """The cache file of this token and base URL; None when answers are kept in memory."""
        if self._cache_folder is None:
            return None
        host = self.base_url.partition("://")[2].partition("/")[0]
        readable = "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in host)
        return self._cache_folder / f"{readable}-{self._token.fingerprint(self.base_url)}.sqlite"

    def seconds_for(self, requests: int) -> float:
        """Return how many seconds so many requests take at the rate limit, from its state now."""
        self._open()
        return self._limit.seconds_for(requests) if self._limit is not None else 0.0

    def task(self, label: str, requests: int, *, is_forecast: bool = False) -> AbstractContextManager[None]:
        """Show the progress of what is fetched within, which needs at least so many requests.

        A forecast has the further pages of each answer counted in already.
        """
        self._open()
        return self._shown.task(label, requests, is_forecast=is_forecast)

    @contextmanager
    def watched(self, watch: Watch) -> Iterator[None]:
        """Tell ``watch`` how far what is fetched within has come, in place of showing it.

        The watch is told after each answer and twice a second while the client waits, in the thread
        that fetches. It ends the fetch by raising ``transport.Cancelled``; a request that is under
        way is let finish first. What was fetched is kept.
        """
        self._open()
        progress = self._shown
        progress.watch = watch
        self._clock.look_in = progress.tell
        try:
            yield
        finally:
            progress.watch = self._clock.look_in = None

    @property
    def is_watched(self) -> bool:
        """Whether somebody sits before a terminal or a notebook and wants to see how it goes."""
        self._open()
        return self._shown.is_watched

    def announce(self, message: object) -> None:
        """Show something to whoever watches: in a notebook as it shows itself there, in a terminal as text."""
        self._open()
        self._shown.announce(message)

    def cached_pages(self, endpoint: Endpoint, **params: str) -> CachedPages:
        """Return what the cache has of an answer; nothing is sent, and nothing counted or shown."""
        self._open()
        return look(endpoint, params, find=self._find, now=datetime.now(UTC))

    def forget(self, endpoint: Endpoint, **params: str) -> None:
        """Drop an answer from the cache, so that it is asked for again."""
        self._open()
        first = self._find(endpoint, endpoint.sized(params))
        if first is not None and first.cache_key:
            self._forget([first.cache_key])  # the walk renews the pages that follow an old first one

    def pages(self, endpoint: Endpoint, **params: str) -> list[Page]:
        """Return all pages of one answer, from one snapshot of the data.

        Each page is kept in the cache as it comes: whatever interrupts the walk, the next one goes
        on from there.

        Raises
        ------
        ApiError
            The API did not answer well; see its kinds in :mod:`augment_insights.errors`.
        """
        self._open()
        try:
            found = walk(endpoint, params, ask=self._ask, forget=self._forget, expect_more=self._shown.expect_more)
        except WrongShapeError as error:
            unexpected = self._unexpected(_Asked(endpoint, params, self.base_url), error)
        else:
            self._note_when(found)
            return found
        raise unexpected  # outside the except block: the pages that the walk still holds stay behind

    def _note_when(self, pages: list[Page]) -> None:
        """Keep the oldest and the newest moment at which answers were made; all are UTC, and sort as text."""
        said = [page.metadata.generated_at for page in pages if page.metadata.generated_at]
        if said:
            known = [*said, *(self.generated_at or ())]
            self.generated_at = (min(known), max(known))

    @property
    def _shown(self) -> Progress:
        if self._progress is None:
            raise AssertionError("opened before use")
        return self._progress

    def _open(self) -> ApiSession:
        """Open the cache and the way to the API, once however many threads ask."""
        with self._opening:
            if self._session is not None and self._opened_by != os.getpid():
                # A forked process that spoke on its parent's connection would read the parent's answers, and files
                # that SQLite opened there are neither used nor closed here.
                self._left_to_parent += [self._session, self._cache, self._limit]
                self._session = None
            if self._session is None:
                self._opened_by = os.getpid()
                self._session = self._make_session()
            return self._session

    def _make_session(self) -> ApiSession:
        """Put the session together; late, since importing its parts costs most of a second."""
        from augment_insights.transport.cache import open_cache  # noqa: PLC0415
        from augment_insights.transport.session import (  # noqa: PLC0415
            ApiSession,
            NetworkAdapter,
            WireAdapter,
            WsgiAdapter,
        )

        self._limit = limit = self._make_limit()
        self._progress = Progress(self._style, clock=self._clock, seconds_for=limit.seconds_for)
        adapter = WireAdapter(
            NetworkAdapter() if self._app is None else WsgiAdapter(self._app),
            token=self._token,
            limit=limit,
            timeout=self._timeout,
            on_send=self._count_request,
            on_wait=self._progress.waiting,
        )
        self._cache = open_cache(self.cache_path, is_valid=self._is_worth_keeping, now=self._clock.now)
        return ApiSession(cache=self._cache, base_url=self.base_url, adapter=adapter)

    def _make_limit(self) -> RateLimit | Unlimited:
        if self._app is not None:
            return Unlimited()
        # Beside the default cache whatever `cache=` says: the limit is the token's, on the whole machine.
        return RateLimit(
            requests_per_minute=self._requests_per_minute,
            burst=self._burst,
            clock=self._clock,
            path=cache_root() / _RATE_LIMIT_FILE,
            key=self._token.fingerprint(self.base_url),
        )

    def _count_request(self) -> None:
        self.requests_sent += 1

    def _forget(self, keys: list[str]) -> None:
        if self._cache is not None:
            self._cache.forget(keys)

    def _is_worth_keeping(self, response: Response) -> bool:
        """Tell whether an answer is whole and of the documented shape, and free of the token."""
        path = response.url.partition("?")[0].removeprefix(self.base_url)
        endpoint = next(endpoint for endpoint in ENDPOINTS.values() if endpoint.path == path)
        try:
            decode(endpoint, response.content)
            response.content.decode()
        except (UnreadableBodyError, WrongShapeError, UnicodeDecodeError):
            return False
        return not self._token.is_in(response.content)

    def _ask(self, endpoint: Endpoint, params: Mapping[str, str]) -> Answer:
        """Get one page: from the cache, or from the API with patience."""
        asked = _Asked(endpoint, params, self.base_url)
        started = self._clock.monotonic()
        refusals = 0
        for attempt in range(1, self._retry.attempts + 1):
            outcome = self._attempt(asked, attempt)
            if isinstance(outcome, Answer):
                self._shown.advance()
                return outcome
            # Errors are raised here alone, where no frame holds an answer: a server may echo the token in one.
            if not outcome.may_pass:
                raise outcome.error
            wait = self._retry.backoff(attempt, random=self._random)
            refused = isinstance(outcome.error, RateLimitedError)
            if isinstance(outcome.error, RateLimitedError):
                refusals += 1
                wait = self._retry.block(refusals, retry_after=outcome.error.retry_after)
                self._penalise(wait)
            elapsed = self._clock.monotonic() - started
            if attempt == self._retry.attempts or elapsed + wait > self._retry.deadline:
                raise outcome.error
            if not refused:  # after a 429 the rate limit does the waiting
                self._clock.sleep(wait)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _penalise(self, seconds: float) -> None:
        if self._limit is not None:
            self._limit.penalise(seconds)

    def _find(self, endpoint: Endpoint, params: Mapping[str, str]) -> Answer | None:
        """Get one page from the cache; None where it is not there, or is no good any more."""
        asked = _Asked(endpoint, dict(sorted(params.items())), self.base_url)
        response: Any = self._open().get(asked.url, params=asked.params, allow_redirects=False, only_if_cached=True)
        if response.status_code != HTTPStatus.OK:
            return None
        try:
            page = decode(endpoint, response.content)
        except (UnreadableBodyError, WrongShapeError):
            return None
        return Answer(page=page, created_at=response.created_at, cache_key=response.cache_key)

    def _attempt(self, asked: _Asked, attempt: int) -> Answer | _Failure:
        """Ask once."""
        from augment_insights.transport.session import ConnectionFailedError  # noqa: PLC0415 (see _open)

        session = self._open()
        try:
            response = session.get(asked.url, params=asked.params, allow_redirects=False)
        except ConnectionFailedError as failure:
            error = ApiUnavailableError(
                asked.told(
                    f"The API could not be reached ({failure})", attempt, hint="check the network and try again"
                ),
                url=asked.shown,
                attempts=attempt,
            )
            error.__cause__ = failure
            return _Failure(error, may_pass=True)
        if response.status_code == HTTPStatus.OK:
            return self._read(asked, response, attempt)
        return self._refused(asked, response, attempt)

    def _read(self, asked: _Asked, response: Any, attempt: int) -> Answer | _Failure:
        """Decode an answer, and name once what in it is new."""
        endpoint = asked.endpoint
        try:
            page = decode(endpoint, response.content)
            self._check_cursor(page)
        except UnreadableBodyError as error:
            told = asked.told(
                f"The API answered with something that is not JSON ({error})", attempt, hint="try again later"
            )
            unreadable = UnexpectedResponseError(
                told, url=asked.shown, status=int(HTTPStatus.OK), attempts=attempt, path="$"
            )
            return _Failure(unreadable, may_pass=True)
        except WrongShapeError as error:
            return _Failure(self._unexpected(asked, error, attempts=attempt), may_pass=False)
        if response.from_cache:
            self.answers_from_cache += 1
        if not response.from_cache or endpoint.name not in self._endpoints_checked:
            self._endpoints_checked.add(endpoint.name)
            self._warn_of_unknown(endpoint, response.content)
        return Answer(page=page, created_at=response.created_at, cache_key=response.cache_key)

    def _check_cursor(self, page: Page) -> None:
        """Refuse a cursor that holds the token: it would travel in a URL, which is logged on the way."""
        cursor = page.pagination.next_cursor if page.pagination is not None else None
        if cursor and self._token.is_told_by(cursor):
            raise WrongShapeError("the cursor holds the API token, which is not sent in a URL", _CURSOR_PATH)

    def _warn_of_unknown(self, endpoint: Endpoint, body: bytes) -> None:
        found = {f"{endpoint.name}: {self._token.redact(name)}" for name in unknown_fields(endpoint, body)}
        new = found - self._seen_unknown
        if new:
            self._seen_unknown |= new
            warnings.warn(
                f"The API sends fields that this version does not know, and leaves out of its tables: "
                f"{', '.join(sorted(new))}. Hint: look for a newer version of augment-insights.",
                DataWarning,
                stacklevel=2,
            )

    def _unexpected(self, asked: _Asked, error: WrongShapeError, *, attempts: int = 1) -> UnexpectedResponseError:
        return UnexpectedResponseError(
            asked.told(
                f"The API's answer is not as documented: {self._token.redact(str(error))} at {error.path}",
                attempts,
                hint="nothing of it was kept; look for a newer version of augment-insights",
            ),
            url=asked.shown,
            status=int(HTTPStatus.OK),
            attempts=attempts,
            path=error.path,
        )

    def _refused(self, asked: _Asked, response: Any, attempt: int) -> _Failure:
        """Make the error of an answer that is none."""
        status = response.status_code
        code, message = (text and self._token.redact(text) for text in decode_error(response.content))
        said = f": {message} [{code}]" if code or message else ""
        details: dict[str, Any] = {"url": asked.shown, "status": status, "code": code, "attempts": attempt}
        if status in _ERRORS:
            kind, what, hint = _ERRORS[HTTPStatus(status)]
            told = asked.told(f"{what} ({status}){said}", attempt, hint=hint)
            return _Failure(kind(told, **details), may_pass=False)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            retry_after = parse_retry_after(response.headers.get("Retry-After"), now=self.now())
            told = asked.told(
                f"The API's rate limit was hit ({status}){said}",
                attempt,
                hint="wait some minutes; another machine may use the same token. What was fetched is cached",
            )
            return _Failure(RateLimitedError(told, retry_after=retry_after, **details), may_pass=True)
        if status in RETRIED_STATUSES:
            told = asked.told(
                f"The API is not available ({status}){said}",
                attempt,
                hint="try again later; what was fetched is cached",
            )
            return _Failure(ApiUnavailableError(told, **details), may_pass=True)
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            told = asked.told(
                f"The API redirects ({status}), and the token is not sent on", attempt, hint="check the base URL"
            )
            return _Failure(UnexpectedResponseError(told, **details), may_pass=False)
        told = asked.told(f"The API answered {status}{said}", attempt, hint="check the base URL")
        return _Failure(ApiError(told, **details), may_pass=False)


@dataclass(frozen=True)
class _Failure:
    """An attempt that brought no answer, and whether the next may."""

    error: ApiError
    may_pass: bool


class _Asked:
    """One question, and how it is spoken of in messages."""

    def __init__(self, endpoint: Endpoint, params: Mapping[str, str], base_url: str) -> None:
        self.endpoint = endpoint
        self.params = dict(sorted(params.items()))
        self.url = f"{base_url}{endpoint.path}"
        self.shown = f"{self.url}?{urlencode(self.params)}" if params else self.url

    def told(self, what: str, attempts: int, *, hint: str) -> str:
        """Put a message together: what happened, to which question, after how many tries, and what to do."""
        question = ", ".join(f"{name}={value}" for name, value in self.params.items())
        tries = f"{attempts} attempt{'s' if attempts > 1 else ''}"
        return f"{what}. Asked: {self.endpoint.path} with {question or 'no parameters'}; {tries}. Hint: {hint}."


class _FixedClock(Clock):
    """Noon of a given day, for ever; waiting and deadlines are real."""

    def __init__(self, day: date) -> None:
        self._moment = datetime.combine(day, time(12), tzinfo=UTC)

    def now(self) -> datetime:
        return self._moment


def _clock_at(today: date | str | None) -> Clock:
    from augment_insights.periods import parse_day  # noqa: PLC0415 (only for the sample)

    return Clock() if today is None else _FixedClock(parse_day(today, name="today"))


def _cache_folder(cache: str | PathLike[str] | Literal[False] | None) -> Path | None:
    if cache is False:
        return None
    return cache_root() if cache is None else Path(cache).expanduser()


def _check_positive(**settings: float) -> None:
    for name, value in settings.items():
        if not value > 0:
            raise ConfigurationError(f"{name}={value!r} must be above zero.", setting=name)
