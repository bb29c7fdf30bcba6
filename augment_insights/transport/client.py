"""The client of one organisation's API: answers come from the cache where they can, else at the rate limit."""

from __future__ import annotations

import math
import os
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, date, datetime
from functools import partial
from hashlib import blake2b
from http import HTTPStatus
from itertools import count
from random import Random
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, Self

from augment_insights.errors import CacheError, CacheWarning, ConfigurationError, RateLimitedError, warn_reader
from augment_insights.transport import responses, settings
from augment_insights.transport.messages import Endpoint, Page, WrongShapeError
from augment_insights.transport.pages import Answer, Walk, look, walk
from augment_insights.transport.progress import Progress
from augment_insights.transport.rate_limit import Clock, RateLimit
from augment_insights.transport.responses import Failure, Question, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from os import PathLike
    from pathlib import Path

    from requests_cache import CachedSession

    from augment_insights.sample import SampleOrganisation
    from augment_insights.sample.records import Organisation
    from augment_insights.transport.session import WsgiApp

_RECORDS_URL = "https://records.invalid"
_NO_TOKEN = "in-process-there-is-no-token"  # noqa: S105 (nobody checks it; no answer holds it by chance)
_LONGEST_TIMEOUT = 86_400.0
_POLL = 0.05
RATE_LIMIT_FILE = "rate-limit.sqlite"


def _root_or_warning() -> Path | None:
    """Return the folder of caches; None with a warning where the user has no home."""
    try:
        return settings.cache_root()
    except CacheError as error:
        warn_reader(f"{error} Now answers are kept in memory only.", CacheWarning)
        return None


class Client:
    """Connect to one organisation's API: token, cache, rate limit, retries and progress in one.

    A client is cheap to make and opens nothing until its first request. Functions of ``fetch``
    take it as ``client=``; by default they use one configured from the environment.

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
        Seconds to wait for the server to go on; a whole answer may take four times as long.
    progress : bool or "bar" or "lines" or "off", optional
        False shows nothing; left out, ``AUGMENT_INSIGHTS_PROGRESS``, else what fits: a bar in
        terminals and notebooks, lines when unattended.
    plan_above : int, optional
        A fetch of more requests than this shows its plan first in a terminal or notebook; left out,
        ``AUGMENT_INSIGHTS_PLAN_ABOVE``, else 60.
    clock, random, retry : optional
        Time, jitter and patience, for tests.
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
    sample_organisation : SampleOrganisation or None
        The made-up organisation that is asked: its roster, and what happens there.
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
        self._token = responses.Token(settings.read_token(token))
        del token  # in no traceback that shows the values of variables
        most = {"requests_per_minute": math.inf, "burst": math.inf, "timeout": _LONGEST_TIMEOUT}
        for (name, limit), value in zip(most.items(), (requests_per_minute, burst, timeout), strict=True):
            if not 0 < value <= limit:
                hint = f"a number above 0 and up to {limit:g}, such as {name}=30"
                raise ConfigurationError(f"{name}={value!r} is not valid. Hint: {hint}.", setting=name)
        self.base_url = settings.read_base_url(base_url)
        # The limit's file is beside the default cache whatever `cache=` says: it is the token's, on the whole machine.
        root = None if app is not None and cache is False else _root_or_warning()
        self._cache_folder = None if cache is False else root if cache is None else settings.cache_root(cache)
        self.archive_path = settings.archive_folder(archive)
        self.plan_above = settings.read_plan_above(plan_above)
        self._timeout = timeout
        self._clock = clock or Clock()
        self._random = random or Random()  # noqa: S311 (jitter, not a secret)
        self._retry = retry or RetryPolicy()
        self._app = app
        self._limit = RateLimit(
            requests_per_minute=requests_per_minute if app is None else math.inf,
            burst=burst,
            clock=self._clock,
            path=None if root is None or app is not None else root / RATE_LIMIT_FILE,
            key=self.fingerprint,
        )
        self._sessions: dict[int, CachedSession] = {}
        self._opening = Lock()
        style = settings.choose_style(progress)
        self._progress = None if style == "off" else Progress(style, seconds_for=self.seconds_for)
        self._fields_seen: set[str] = set()
        self._has_answered = False
        self.requests_sent = 0
        self.answers_from_cache = 0
        self.generated_at: tuple[str, str] | None = None
        self.sample_organisation: SampleOrganisation | None = None

    @classmethod
    def sample(
        cls,
        *,
        people: int = 400,
        seed: int = 0,
        story: bool = True,
        today: date | str | None = None,
        archive: str | PathLike[str] | Literal[False] = False,
        progress: bool | str | None = None,
    ) -> Client:
        """Make a client of the built-in, made-up organisation, served in this process: no token, no network.

        Parameters
        ----------
        people, seed, story : optional
            How many hold a licence, which organisation it is, and whether anything happens there: see
            :class:`~augment_insights.sample.SampleOrganisation`.
        today : date or "YYYY-MM-DD", optional
            The day the organisation lives in (it is noon, UTC); left out, the real one. Its history
            covers 13 months up to the day before.
        archive, progress : optional
            As in :class:`Client`.
        """
        clock = Clock(today)
        from augment_insights.sample import SampleOrganisation  # noqa: PLC0415 (only for the sample)

        organisation = SampleOrganisation(clock.now().date(), people=people, seed=seed, story=story)
        # An archive keeps the days of one organisation: each has an address of its own.
        default = (people, seed, story) == (400, 0, True)
        name = "sample" if default else f"sample-{people}-{seed}-{'story' if story else 'quiet'}"
        client = cls._in_process(organisation, f"https://{name}.invalid", clock, archive=archive, progress=progress)
        client.sample_organisation = organisation
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
        from augment_insights.sample import RecordStore  # noqa: PLC0415 (only for records)

        return cls._in_process(RecordStore(records), _RECORDS_URL, Clock(today), archive=archive, progress=progress)

    @classmethod
    def _in_process(cls, organisation: Organisation, base_url: str, clock: Clock, **more: Any) -> Client:
        from augment_insights.sample import AnalyticsApp  # noqa: PLC0415 (only for an API in this process)

        app = AnalyticsApp(organisation, now=clock.now)
        return cls(_NO_TOKEN, base_url=base_url, cache=False, clock=clock, app=app, **more)

    @property
    def is_sample(self) -> bool:
        """Whether the organisation is the made-up one."""
        return self.sample_organisation is not None

    def __repr__(self) -> str:
        organisation = "the sample organisation" if self.is_sample else "given records"
        return f"Client({self.base_url if self._app is None else f'{organisation}, in this process'})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close files and connections; the next request opens them again."""
        session = self._sessions.pop(os.getpid(), None)
        if session is not None:
            session.close()  # type: ignore[no-untyped-call]
        self._limit.close()

    def now(self) -> datetime:
        """Return the client's moment, in UTC."""
        return self._clock.now()

    @property
    def server_time(self) -> datetime | None:
        """The moment that the last answer over the network bears, by the API's clock; None while there is none."""
        adapter: Any = self._open().get_adapter(f"{self.base_url}/")
        moment: datetime | None = adapter.server_time
        return moment

    @property
    def fingerprint(self) -> str:
        """What tells this token and base URL from others, and says neither: 16 hexadecimal digits."""
        return self._token.fingerprint(self.base_url)

    @property
    def cache_path(self) -> Path | None:
        """The cache file of this token and base URL; None when answers are kept in memory."""
        if self._cache_folder is None:
            return None
        host = self.base_url.partition("://")[2].partition("/")[0]
        readable = "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in host)
        return self._cache_folder / f"{readable}-{self.fingerprint}.sqlite"

    def seconds_for(self, requests: int) -> float:
        """Return how many seconds so many requests take at the rate limit, from its state now."""
        self._open()
        return self._limit.seconds_for(requests)

    def task(self, label: str, requests: int, *, is_forecast: bool = False) -> AbstractContextManager[None]:
        """Show the progress of what is fetched within, which needs at least so many requests.

        A forecast has the further pages of each answer counted in already.
        """
        if self._progress is None:
            return nullcontext()
        return self._progress.task(label, requests, is_forecast=is_forecast)

    @contextmanager
    def watched(self, *, stop: Callable[[], bool], tell: Callable[..., None]) -> Iterator[None]:
        """Tell somebody how far what is fetched within has come, in place of showing it, and let them stop it.

        It holds in this thread only. What was fetched until a stop is cached.

        Parameters
        ----------
        stop : callable
            Asked before each request, and every half second of a wait; when true, ``transport.Cancelled`` is raised.
        tell : callable
            Called with ``done=``, ``total=`` (requests of the task) and ``left=`` (seconds at the rate limit)
            after each answer, and every half second of a wait.
        """
        progress = self._progress = self._progress or Progress("off", seconds_for=self.seconds_for)
        progress.stop, progress.tell = stop, tell
        try:
            yield
        finally:
            progress.stop = progress.tell = None

    @property
    def is_watched(self) -> bool:
        """Whether somebody sits before a terminal or a notebook and wants to see how it goes."""
        return self._progress is not None and self._progress.is_watched

    def announce(self, message: object) -> None:
        """Show something to whoever watches: in a notebook as it shows itself there, in a terminal as text."""
        if self._progress is not None:
            self._progress.announce(message)

    def cached_pages(self, endpoint: Endpoint, **params: str) -> Walk:
        """Return what the cache has of an answer; nothing is sent, and nothing counted or shown."""
        return look(endpoint, params, find=self._find, now=datetime.now(UTC))

    def forget(self, endpoint: Endpoint, **params: str) -> None:
        """Drop an answer from the cache, so that it is asked for again."""
        first = self._find(endpoint, endpoint.sized(params))
        if first is not None and first.cache_key:
            self._forget([first.cache_key])  # the walk renews the pages that follow an old first one

    def pages(self, endpoint: Endpoint, **params: str) -> list[Page]:
        """Return all pages of one answer, from one snapshot of the data.

        Each page is cached as it comes: whatever interrupts the walk, the next one goes on from there.

        Raises
        ------
        ApiError
            The API did not answer well; see its kinds in :mod:`augment_insights.errors`.
        """
        try:
            found = walk(endpoint, params, ask=self._ask, forget=self._forget)
        except WrongShapeError as wrong:
            error = responses.unexpected(self._question(endpoint, params), wrong)
        else:
            told = [*(page.metadata.generated_at for page in found), *(self.generated_at or ())]
            moments = [moment for moment in told if moment]  # all are UTC, and sort as text
            if moments:
                self.generated_at = min(moments), max(moments)
            return found
        raise error  # outside the except block: the pages that the walk still holds stay behind

    def _open(self) -> CachedSession:
        """Open the cache and the way to the API, once however many threads ask."""
        with self._opening:
            # By process: a forked one that spoke on its parent's connection would read the parent's answers, and
            # files that SQLite opened there are neither used nor closed here.
            session = self._sessions.get(os.getpid())
            if session is None:
                from augment_insights.transport import session as wire  # noqa: PLC0415 (half a second of import)

                now, permit = self._clock.now, self._permit
                adapter = wire.WireAdapter(self._app, token=self._token, timeout=self._timeout, now=now, permit=permit)
                is_kept = partial(responses.is_complete, base_url=self.base_url, token=self._token)
                session = wire.open_session(self.base_url, adapter, cache_path=self.cache_path, is_complete=is_kept)
                self._sessions[os.getpid()] = session
            return session

    @contextmanager
    def _permit(self) -> Iterator[None]:
        """Wait until one more request may go, and count it when its answer is there."""
        counts_from = self._limit.acquire(self._wait)
        self.requests_sent += 1
        try:
            yield
        finally:
            self._limit.settle(counts_from)

    def _forget(self, keys: list[str]) -> None:
        cache = self._open().cache
        for key in keys:
            cache.delete(key)

    def _wait(self, seconds: float) -> None:
        """Wait: at one go or, while somebody watches, in slices between which they are told and may stop it."""
        if self._progress is None:
            if seconds > 0:
                self._clock.sleep(seconds)
            return
        while seconds > 0:
            self._progress.show()
            self._progress.check()
            piece = min(seconds, self._progress.longest_wait)
            self._clock.sleep(piece)
            seconds -= piece
        self._progress.check()

    def _ask(self, endpoint: Endpoint, params: Mapping[str, str]) -> Answer:
        """Get one page: from the cache, or from the API with patience."""
        question = self._question(endpoint, params)
        progress = self._progress
        if progress is not None and "cursor" in params:
            progress.expect_more()
        started = self._clock.monotonic()
        refusals = 0
        for attempt in count(1):
            if progress is not None:
                progress.check()
            question.attempts = attempt
            outcome = self._attempt(question)
            if isinstance(outcome, Answer):
                if progress is not None:
                    progress.advance()
                return outcome
            # Errors are raised here alone, where no frame holds an answer: a server may echo the token in one.
            if not outcome.may_pass:
                raise outcome.error
            wait = backoff = self._retry.backoff(attempt, random=self._random)
            if isinstance(outcome.error, RateLimitedError):
                refusals += 1
                told = outcome.error.retry_after
                wait, backoff = self._retry.block(refusals, retry_after=told, random=self._random), 0.0
                self._limit.block_for(wait)
            is_shared = refusals == attempt and self._has_answered
            deadline = self._retry.shared_deadline if is_shared else self._retry.deadline
            is_last = attempt >= self._retry.attempts and not is_shared
            if is_last or self._clock.monotonic() - started + wait > deadline:
                raise outcome.error
            self._wait(backoff)  # not after a 429: the rate limit does that waiting
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _attempt(self, question: Question) -> Answer | Failure:
        """Ask once; while somebody else on this machine asks the same, wait for the answer that will be cached."""
        try:
            cache = self.cache_path
            response = self._get(question, only_if_cached=cache is not None)
            if cache is not None and response.status_code != HTTPStatus.OK:
                with self._alone(question, cache):
                    response = self._get(question)
        except ConnectionError as failure:
            return responses.unreachable(question, failure)
        outcome = responses.read(question, response, now=self.now())
        if isinstance(outcome, Answer):
            self._has_answered = True
            self.answers_from_cache += response.from_cache
            responses.warn_of_unknown(question, response, seen=self._fields_seen)
        return outcome

    @contextmanager
    def _alone(self, question: Question, cache: Path) -> Iterator[None]:
        """Be the only thread and process of this machine that asks a question; without a lock, ask all the same."""
        from filelock import FileLock  # noqa: PLC0415 (only to send)

        name = blake2b(question.shown.encode(), digest_size=8).hexdigest()
        path = cache.with_name(f"{cache.name}-{name}.lock")
        lock = FileLock(path, mode=0o600)
        stop = None if self._progress is None else self._progress.stop
        with suppress(OSError):  # its time-out is one too
            lock.acquire(timeout=self._retry.deadline, poll_interval=_POLL, cancel_check=stop)
        try:
            if self._progress is not None:
                self._progress.check()
            yield
        finally:
            if lock.is_locked:
                with suppress(OSError):
                    path.unlink()  # whoever waits for it sees that, and takes a new one
            lock.release()

    def _question(self, endpoint: Endpoint, params: Mapping[str, str]) -> Question:
        return Question(endpoint, params, base_url=self.base_url, token=self._token)

    def _find(self, endpoint: Endpoint, params: Mapping[str, str]) -> Answer | None:
        """Get one page from the cache; None where it is not there, or is not valid any more."""
        question = self._question(endpoint, params)
        response = self._get(question, only_if_cached=True)
        outcome = responses.read(question, response, now=self.now())
        return outcome if isinstance(outcome, Answer) else None

    def _get(self, question: Question, **how: bool) -> Any:
        return self._open().get(question.url, params=question.params, allow_redirects=False, **how)
