"""Every error and warning a user can meet, and the data each carries.

The tree::

    InsightsError
    ├─ ConfigurationError             a setting is missing or cannot be read     .setting
    ├─ DateRangeError (ValueError)    days the API cannot answer for             .start .end
    ├─ ApiError                       the API was asked and did not answer well  .url .status .code .attempts
    │  ├─ AuthenticationError         401
    │  ├─ PermissionDeniedError       403
    │  ├─ InvalidRequestError         400
    │  ├─ RateLimitedError            429, waited in vain                        .retry_after
    │  ├─ ApiUnavailableError         5xx, timeouts, lost connections, after retries
    │  └─ UnexpectedResponseError     a 200 that is not the documented shape     .path
    ├─ CacheError                     the cache file cannot be used              .path
    ├─ ArchiveError                   the archive cannot be used, or is another's .path
    ├─ TableError (ValueError)        a frame that breaks its contract           .table .missing .hint
    └─ ReportError                    a template, a parameter, a failed cell     .template .cell .saved_to

    InsightsWarning (UserWarning)
    ├─ CacheWarning                   the work goes on without the cache
    └─ DataWarning                    the data says something that the reader should know

A message says what was asked, what came, and what to do next. No message, attribute or
traceback of these errors holds the API token.
"""

from __future__ import annotations

import copyreg
import errno
import re
import sys
import warnings
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date
    from pathlib import Path


UNSAFE = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufdd0-\ufdef\ufffe\uffff]"
"""Characters that no text needs, as a pattern: chart converters, XML, SQLite tools and terminals stumble over them."""

LONGEST_LINE = 2_000
"""Characters of one line: no message of ours comes near, and what the API sends may be megabytes."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

UNSAFE_BREAKS = "[\x0b\x0c\r\x85\u2028\u2029]"
"""Those of them that break a line somewhere: what an office program's line break becomes, for one."""

_BREAK = re.compile("[\t-\r\x85\u2028\u2029]")
_UNSAFE = re.compile(f"{UNSAFE}|[\ud800-\udfff]")
_TURNING = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def safe_text(text: str, place: Literal["page", "line"] = "page", *, longest: int = LONGEST_LINE) -> str:
    r"""Make text that came from elsewhere safe to draw and to write: control characters and halves of letters go.

    Whatever draws, prints or writes what the API or a roster sent passes it here, or through ``tables.safe_strings``.
    Escaping for HTML, formulas in CSV and the names of files come on top, where those are written.

    Parameters
    ----------
    text : str
        Any text.
    place : {"page", "line"}
        A chart, a page or a cell; or one line of a terminal, where line breaks become blanks, marks that turn the
        direction of writing go too, and more than ``longest`` characters are cut.

    Examples
    --------
    >>> safe_text("Data\x00Platform\nNorth") == "Data\N{REPLACEMENT CHARACTER}Platform\nNorth"
    True
    >>> safe_text("Data\x0bPlatform\nNorth", "line")
    'Data Platform North'
    """
    if place == "page":
        return _UNSAFE.sub(_instead, text)
    line = _TURNING.sub(REPLACEMENT, _UNSAFE.sub(_instead, _BREAK.sub(" ", text[:longest])))
    return line if len(text) <= longest else f"{line}..."


def _instead(found: re.Match[str]) -> str:
    return " " if _BREAK.match(found[0]) else REPLACEMENT


class InsightsError(Exception):
    """The root: everything this package raises on purpose is one of these."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by state, so that an error survives a process pool with its data."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class ConfigurationError(InsightsError):
    """A setting is missing or cannot be read; ``setting`` names it."""

    def __init__(self, message: str, *, setting: str) -> None:
        super().__init__(message)
        self.setting = setting


class DateRangeError(InsightsError, ValueError):
    """Days that the API cannot answer for; raised before any request."""

    def __init__(self, message: str, *, start: date | str | None = None, end: date | str | None = None) -> None:
        super().__init__(message)
        self.start = start
        self.end = end


class ApiError(InsightsError):
    """The API was asked and did not answer well.

    Attributes
    ----------
    url : str
        What was asked, with its parameters.
    status : int or None
        The HTTP status of the last answer; None when there was no answer.
    code : str or None
        The API's own error code.
    attempts : int
        How many times it was asked.
    """

    def __init__(
        self, message: str, *, url: str, status: int | None = None, code: str | None = None, attempts: int = 1
    ) -> None:
        super().__init__(message)
        self.url = url
        self.status = status
        self.code = code
        self.attempts = attempts


class AuthenticationError(ApiError):
    """401: the token is missing, wrong or revoked."""


class PermissionDeniedError(ApiError):
    """403: the token is good, and may not read analytics."""


class InvalidRequestError(ApiError):
    """400: the API refused the parameters."""


class RateLimitedError(ApiError):
    """429, and waiting did not help; ``retry_after`` is the last wait the API asked for, in seconds."""

    def __init__(self, message: str, *, retry_after: float | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.retry_after = retry_after


class ApiUnavailableError(ApiError):
    """5xx, timeouts or lost connections, after all retries."""


class UnexpectedResponseError(ApiError):
    """A 200 that is not the documented shape, or pages that never end; ``path`` says where in the JSON."""

    def __init__(self, message: str, *, path: str | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.path = path


class CacheError(InsightsError):
    """The cache file cannot be used; the message says what to do."""

    def __init__(self, message: str, *, path: Path | str | None = None) -> None:
        super().__init__(message)
        self.path = path


class ArchiveError(InsightsError):
    """The archive cannot be used, is damaged, or holds another organisation's days; the message says what to do."""

    def __init__(self, message: str, *, path: Path | str | None = None) -> None:
        super().__init__(message)
        self.path = path


class TableError(InsightsError, ValueError):
    """A frame breaks the contract of its table; ``hint`` says how to mend it."""

    def __init__(self, message: str, *, table: str, missing: Iterable[str] = (), hint: str = "") -> None:
        super().__init__(f"{message} Hint: {hint}" if hint else message)
        self.table = table
        self.missing = tuple(missing)
        self.hint = hint


class ReportError(InsightsError):
    """A report could not be made; what was computed until then is at ``saved_to``."""

    def __init__(self, message: str, *, template: str, cell: int | None = None, saved_to: Path | None = None) -> None:
        super().__init__(message)
        self.template = template
        self.cell = cell
        self.saved_to = saved_to


_SYSTEM_HINTS = {
    errno.ENOSPC: "free space on this disk; what was fetched is cached, and asking again goes on from there",
    errno.EDQUOT: "your quota of this disk is used up; free space, or name a folder on another",
    errno.ENOLCK: "this folder has no locks, as some network folders; name one on a disk of this machine",
    errno.EROFS: "this disk is read-only; name a folder on another",
}


def system_hint(error: OSError) -> str:
    """Say what to do about an error of the system.

    Examples
    --------
    >>> system_hint(FileNotFoundError())
    'check the path and who may write there'
    """
    return _SYSTEM_HINTS.get(error.errno or 0, "check the path and who may write there")


class InsightsWarning(UserWarning):
    """The root of our warnings: silence or raise them all with one filter."""


class CacheWarning(InsightsWarning):
    """The cache cannot be used as it should; the work goes on without it."""


class DataWarning(InsightsWarning):
    """The data came, and says something about itself that the reader should know."""


def warn_reader(message: str, category: type[InsightsWarning] = DataWarning) -> None:
    """Warn whoever called: the warning points at the nearest line outside of this package.

    A fixed number of levels would point into the package, where one function calls another.
    """
    frame, level = sys._getframe(1), 2  # noqa: SLF001 (as the warnings module counts levels)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(f"{__package__}."):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Name the nearest known word for a mistyped one, ready to end a message.

    Examples
    --------
    >>> did_you_mean("overveiw", ["overview", "retention"])
    " Hint: did you mean 'overview'?"
    >>> did_you_mean("zzz", ["overview", "retention"])
    ' Known: overview, retention.'
    """
    choices = sorted(known)
    nearest = get_close_matches(word, choices, n=1)
    if nearest:
        return f" Hint: did you mean {nearest[0]!r}?"
    return f" Known: {', '.join(choices)}."


def plural(count: int, noun: str) -> str:
    """Return a count with its noun, ready to stand in a message.

    Examples
    --------
    >>> plural(1, "user"), plural(0, "row"), plural(1234, "duplicate row")
    ('1 user', '0 rows', '1,234 duplicate rows')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def not_valid(name: str, value: object, choices: Iterable[object]) -> str:
    """Return the message for a parameter that is none of its choices.

    Examples
    --------
    >>> not_valid("per", "taem", ["team", "month"])
    "per='taem' is not valid. Choose 'team' or 'month'."
    """
    *others, last = map(repr, choices)
    listed = f"{', '.join(others)} or {last}" if others else last
    return f"{name}={value!r} is not valid. Choose {listed}."
