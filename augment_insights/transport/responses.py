"""What an answer means: a page, a failure that may pass, or one that will not; and how long to wait before a retry.

The token is here too, as whatever an answer echoes is struck out before anybody reads it.

Errors are made here and raised by the client, where no frame holds an answer: a server may echo the token in one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote_plus, urlencode

from augment_insights import errors
from augment_insights.transport import messages
from augment_insights.transport.messages import WrongShapeError
from augment_insights.transport.pages import Answer
from augment_insights.transport.rate_limit import LONGEST_BLOCK
from augment_insights.transport.settings import TOKEN_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random


E = TypeVar("E", bound=errors.ApiError)

_REDACTED = "[token]"
_TELLING_LENGTH = 8
_LONGEST_SAID, _LONGEST_NAME, _MOST_FIELDS = 600, 100, 20
"""Characters of a message and of a name that a server sent, and how many names, of which we speak."""

_CACHED = "Data already received is cached; run again to resume"
_CLOCK_SLACK = timedelta(minutes=5)
_RETRIED = {int(HTTPStatus.REQUEST_TIMEOUT), *range(500, 600)}
_FINAL_ERRORS: Mapping[int, tuple[type[errors.ApiError], str, str]] = {
    HTTPStatus.BAD_REQUEST: (
        errors.InvalidRequestError,
        "The API refused the request",
        "check the dates and parameters",
    ),
    HTTPStatus.UNAUTHORIZED: (
        errors.AuthenticationError,
        "The API token is invalid",
        f"set {TOKEN_VARIABLE} to a valid token",
    ),
    HTTPStatus.FORBIDDEN: (
        errors.PermissionDeniedError,
        "The token lacks permission to read analytics",
        "ask an administrator for a token with the analytics permission",
    ),
}


class Token:
    """The API token, shown nowhere: only :meth:`reveal` returns its text, to be sent."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        text = text.strip()
        printable = text.isascii() and text.isprintable() and " " not in text
        if not text or not printable:
            what = "is empty" if not text else "holds blanks, line breaks or characters outside ASCII"
            del text  # in no traceback, not even one of nearly the token
            raise errors.ConfigurationError(
                f"The API token {what}. Hint: copy it again from Augment's settings into {TOKEN_VARIABLE}.",
                setting=TOKEN_VARIABLE,
            )
        self._text = text

    def __repr__(self) -> str:
        return "Token(hidden)"

    def __reduce__(self) -> tuple[type, tuple[str, ...]]:
        raise TypeError("A token is not pickled. Hint: make a Client in each process, from the environment.")

    def reveal(self) -> str:
        """Return the text, for the one header that needs it."""
        return self._text

    def redact(self, text: str) -> str:
        """Return the text with the token struck out, should a server echo it."""
        return text.replace(self._text, _REDACTED)

    def appears_in(self, text: str) -> bool:
        """Tell whether a text, as it is or decoded from a URL, holds the token; one of a few letters does by chance."""
        return len(self._text) >= _TELLING_LENGTH and (self._text in text or self._text in unquote_plus(text))

    def fingerprint(self, base_url: str) -> str:
        """Return 16 hexadecimal digits that differ for each token and base URL, and tell neither."""
        digest = blake2b(digest_size=8, key=b"augment-insights cache")
        digest.update(f"{base_url}\n{self._text}".encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class RetryPolicy:
    """How patient the client is.

    Attributes
    ----------
    attempts : int
        How often one request is sent, at most.
    first_wait : float
        Seconds before the second attempt; doubled each time, jittered down to a half.
    longest_wait : float
        Seconds; no back-off grows beyond.
    first_block : float
        Seconds to wait after a 429 that names no time; doubled each time.
    deadline : float
        Seconds from the first attempt after which no further one is begun.
    shared_deadline : float
        The same for 429s once the API has answered: another account may use up what there is, and ends some day.
    """

    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0
    first_block: float = 60.0
    deadline: float = 900.0
    shared_deadline: float = 7200.0

    def backoff(self, attempt: int, *, random: Random) -> float:
        """Return the wait after attempt number ``attempt`` (from 1) failed."""
        full = min(self.first_wait * 2.0 ** (attempt - 1), self.longest_wait)
        return full * random.uniform(0.5, 1.0)

    def block(self, refusals: int, *, retry_after: float | None, random: Random) -> float:
        """Return how long to wait after the 429 number ``refusals`` (from 1).

        As told the first time, then longer and jittered: who asks as soon as it is told meets the same other again.
        """
        own_choice = min(self.first_block * 2.0 ** (refusals - 1), LONGEST_BLOCK)
        if retry_after is None:
            return own_choice
        return retry_after if refusals == 1 else max(retry_after, own_choice / 4 * random.uniform(0.5, 1.0))


@dataclass(frozen=True)
class Failure:
    """An attempt that brought no answer, and whether the next one may."""

    error: errors.ApiError
    may_pass: bool


class Question:
    """One request to an endpoint, how often it was asked (``attempts``), and how errors speak of it."""

    def __init__(self, endpoint: messages.Endpoint, params: Mapping[str, str], *, base_url: str, token: Token) -> None:
        self.endpoint = endpoint
        self.token = token
        self.attempts = 1
        self.params = dict(sorted(params.items()))
        self.url = f"{base_url}{endpoint.path}"
        self.shown = f"{self.url}?{urlencode(self.params)}" if params else self.url

    def error(self, kind: type[E], what: str, *, hint: str, **details: Any) -> E:
        """Make an error that says what happened, to which request, after how many attempts, and what to do.

        What a server sent is in it as one line of bounded length: a message of its, and the cursor of a page.
        """
        shown = (
            f"{name}={errors.safe_text(value, 'line', longest=_LONGEST_NAME)}" for name, value in self.params.items()
        )
        asked = ", ".join(shown) or "no parameters"
        what = errors.safe_text(what, "line", longest=_LONGEST_SAID)
        tries = errors.plural(self.attempts, "attempt")
        message = f"{what}. Asked: {self.endpoint.path} with {asked}; {tries}. Hint: {hint}."
        return kind(message, url=self.shown, attempts=self.attempts, **details)


def read(question: Question, response: Any, *, now: datetime) -> Answer | Failure:
    """Read what came to a question, from the API or from the cache."""
    if response.status_code != HTTPStatus.OK:
        return _refused(question, response, now=now)
    try:
        page = messages.decode(question.endpoint, response.content)
    except WrongShapeError as error:
        wrong = error
    else:
        cursor = page.pagination.next_cursor if page.pagination is not None else None
        if not cursor or not question.token.appears_in(cursor):
            return Answer(page, created_at=response.created_at, cache_key=response.cache_key)
        wrong = WrongShapeError("it holds the API token, which is not sent in a URL", "$.pagination.next_cursor")
    return Failure(unexpected(question, wrong), may_pass=not wrong.is_json)


def unexpected(question: Question, error: WrongShapeError) -> errors.UnexpectedResponseError:
    """Return the error of an answer, or of pages, that are not as documented."""
    said = question.token.redact(str(error))
    if error.is_json:
        what = f"The API's answer is not as documented: {said} at {error.path}"
        hint = "nothing of it was kept; look for a newer version of augment-insights"
    else:
        what, hint = f"The API answered with something that is not JSON ({said})", "try again later"
    kind = errors.UnexpectedResponseError
    return question.error(kind, what, hint=hint, status=int(HTTPStatus.OK), path=error.path)


def unreachable(question: Question, cause: ConnectionError) -> Failure:
    """Return the failure of a request that no whole answer came to; a fault of the set-up will not pass."""
    said, lasting_hint = cause.args
    what, hint = f"The API could not be reached ({said})", lasting_hint or "check the network and try again"
    error = question.error(errors.ApiUnavailableError, what, hint=hint)
    error.__cause__ = ConnectionError(said)
    return Failure(error, may_pass=lasting_hint is None)


def _refused(question: Question, response: Any, *, now: datetime) -> Failure:
    """Return the failure that a status other than 200 stands for; only 408, 429 and 5xx may pass."""
    status = response.status_code
    code, message = (text and question.token.redact(text) for text in messages.decode_error(response.content or b""))
    said = f" ({status}): {message} [{code}]" if code or message else f" ({status})"
    kind, may_pass = errors.ApiError, False
    what, hint = f"The API answered with an unexpected status{said}", "check the base URL"
    details: dict[str, Any] = {"status": status, "code": code and errors.safe_text(code, "line", longest=_LONGEST_NAME)}
    if status in _FINAL_ERRORS:
        kind, what, hint = _FINAL_ERRORS[status]
        what += said
        ahead = _clock_ahead(response.headers.get("Date"), now=now)
        if status == HTTPStatus.BAD_REQUEST and ahead:
            hint = (
                f"this machine's clock is ahead of the API's by {ahead}, and its yesterday is not over: set the clock"
            )
    elif status == HTTPStatus.TOO_MANY_REQUESTS:
        kind, may_pass = errors.RateLimitedError, True
        what, hint = f"The API's rate limit was hit{said}", f"another machine may use the same token. {_CACHED}"
        details["retry_after"] = parse_retry_after(response.headers.get("Retry-After"), now=now)
    elif status in _RETRIED:
        kind, may_pass = errors.ApiUnavailableError, True
        what, hint = f"The API is not available{said}", f"try again later. {_CACHED}"
    elif HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        kind, what = errors.UnexpectedResponseError, f"The API redirects ({status}), and the token is not sent on"
    return Failure(question.error(kind, what, hint=hint, **details), may_pass)


def _clock_ahead(date: str | None, *, now: datetime) -> timedelta | None:
    """Return by how much the clock is ahead of an answer's date, in whole minutes, if it tells and is worth telling."""
    told = _http_date(date)
    if told is None:
        return None
    ahead = now - told
    return timedelta(minutes=ahead // timedelta(minutes=1)) if ahead > _CLOCK_SLACK else None


def is_complete(response: Any, *, base_url: str, token: Token) -> bool:
    """Tell whether a new answer is whole, of the documented shape and free of the token: only that is cached."""
    if response.status_code != HTTPStatus.OK or getattr(response, "from_cache", False):
        return True  # the first is not cached anyway, and the second was looked at before
    path = response.url.partition("?")[0].removeprefix(base_url)
    endpoint = next(endpoint for endpoint in messages.ENDPOINTS.values() if endpoint.path == path)
    try:
        messages.decode(endpoint, response.content)
        return not token.appears_in(response.content.decode())
    except (WrongShapeError, UnicodeDecodeError):
        return False


def warn_of_unknown(question: Question, response: Any, *, seen: set[str]) -> None:
    """Warn of fields that this version does not know; ``seen`` is what was looked at before, and grows by it."""
    name = question.endpoint.name
    if response.from_cache and name in seen:
        return
    seen.add(name)
    unknown = messages.unknown_fields(question.endpoint, response.content)
    cleaned = (errors.safe_text(question.token.redact(field), "line", longest=_LONGEST_NAME) for field in unknown)
    found = sorted({f"{name}: {field}" for field in cleaned} - seen)
    if not found:
        return
    more = f" and {len(found) - _MOST_FIELDS:,} more" if len(found) > _MOST_FIELDS else ""
    errors.warn_reader(
        f"The API sends fields that this version does not know, and leaves out of its tables: "
        f"{', '.join(found[:_MOST_FIELDS])}{more}. Hint: look for a newer version of augment-insights."
    )
    seen.update(found)


def parse_retry_after(value: str | None, *, now: datetime) -> float | None:
    """Read a ``Retry-After`` header: seconds or a date, between 0 and 600 s; None for what is neither.

    Examples
    --------
    >>> now = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
    >>> parse_retry_after("1.5", now=now)
    1.5
    >>> parse_retry_after("Sun, 01 Mar 2026 12:00:30 GMT", now=now)
    30.0
    >>> parse_retry_after("1e9", now=now)
    600.0
    >>> parse_retry_after("soon", now=now) is None
    True
    """
    try:
        seconds = float(value or "")
    except ValueError:
        moment = _http_date(value)
        if moment is None:
            return None
        seconds = (moment - now).total_seconds()
    return None if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST_BLOCK)


def _http_date(text: str | None) -> datetime | None:
    """Read the date of a header; "-0000" is one in UTC whose sender says nothing of its own zone."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (OverflowError, TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
