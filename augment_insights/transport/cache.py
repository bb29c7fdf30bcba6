"""The cache: complete, valid answers as JSON in SQLite, one file for each API and token.

Built on requests-cache, with what it leaves open closed: the wait for a lock has an end, an
error of writing is not swallowed, a damaged row is a miss and never an answer, and no row runs
code when it is read.
"""

from __future__ import annotations

import json
import sqlite3
import time
import warnings
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

from requests.structures import CaseInsensitiveDict
from requests_cache.backends.base import BaseCache, DictStorage
from requests_cache.backends.sqlite import SQLiteCache, SQLiteDict
from requests_cache.models.request import CachedRequest
from requests_cache.models.response import CachedResponse
from requests_cache.policy.expiration import utcnow

from augment_insights.errors import CacheError, CacheWarning
from augment_insights.periods import published_at
from augment_insights.transport.settings import make_private_file, make_private_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from requests import Response
    from requests_cache.serializers import SerializerPipeline

EXPIRE_AFTER = timedelta(hours=24)

_LOCK_TIMEOUT = 5.0
_LOCK_RETRY = 0.01
_PRIMARY_CODE = 0xFF
"""The part of an SQLite error code that says what, without the how."""
_MEMORY = ":memory:"
_FILES = f"*-{'[0-9a-f]' * 16}.sqlite"
_CLOCK_STEP = timedelta(minutes=1)
_BESIDE = ("", "-wal", "-shm")


class AnswerSerializer:
    """Writes a cached answer as one JSON object, and believes only a whole and possible one when it reads it back."""

    def dumps(self, response: CachedResponse) -> str:
        """Write an answer as text: its body as it came, under which key and when, and a checksum."""
        if response.expires is None:
            raise ValueError("An answer without expiry is not kept.")
        fields = {
            "key": response.cache_key,
            "url": response.url,
            "created_at": response.created_at.isoformat(),
            "expires": response.expires.isoformat(),
            "body": response.content.decode(),
        }
        return json.dumps({**fields, "checksum": _checksum(fields)})

    def loads(self, row: bytes) -> CachedResponse:
        """Read an answer back.

        Raises
        ------
        ValueError
            For anything that is not a whole row, and for one whose times cannot be: it would outlive
            its day.
        """
        try:
            fields = json.loads(row)
            checksum = fields.pop("checksum")
            body = fields["body"].encode()
            created_at = datetime.fromisoformat(fields["created_at"])
            expires = datetime.fromisoformat(fields["expires"])
            key, url = fields["key"], fields["url"]
            in_time = created_at <= utcnow() + _CLOCK_STEP and expires <= created_at + EXPIRE_AFTER + _CLOCK_STEP
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise ValueError("a row that is not one of ours") from error
        if checksum != _checksum(fields) or not in_time:
            raise ValueError("a row whose checksum does not fit, or that was written by a clock that ran ahead")
        answer = CachedResponse(
            content=body,
            created_at=created_at,
            encoding="utf-8",
            expires=expires,
            headers=CaseInsensitiveDict({"Content-Type": "application/json"}),
            reason="OK",
            request=CachedRequest(method="GET", url=url),
            status_code=200,
            url=url,
        )
        answer.cache_key = key
        return answer

    def __str__(self) -> str:
        """Name the format: it is part of every cache key, so another format never meets these rows."""
        return "augment-insights answers, format 1"


def _checksum(fields: dict[str, str]) -> str:
    return blake2b(json.dumps(fields, sort_keys=True).encode(), digest_size=16).hexdigest()


class AnswerTable(SQLiteDict):
    """The rows in SQLite. Unlike its parent it gives up on a lock, says when a write failed, and reads what is ours."""

    def __init__(self, db_path: str) -> None:
        super().__init__(db_path, table_name="responses", serializer=None, wal=db_path != _MEMORY)
        # After the parent, which copies a serializer and makes its own class of it.
        self.serializer = cast("SerializerPipeline", AnswerSerializer())

    def __setitem__(self, key: str, answer: CachedResponse) -> None:
        answer.cache_key = key  # goes into the row, which then answers for no other question
        super().__setitem__(key, answer)  # type: ignore[no-untyped-call]

    def __getitem__(self, key: str) -> CachedResponse:
        # As bytes: SQLite itself refuses to read text that is not UTF-8, as if the whole file were bad.
        with self._lock, self.connection() as connection:
            query = "SELECT CAST(value AS BLOB) FROM responses WHERE key = ?"
            row = connection.execute(query, (key,)).fetchone()
        try:
            answer = AnswerSerializer().loads(row[0] if row else b"")
        except ValueError:
            raise KeyError(key) from None
        if answer.cache_key != key:
            raise KeyError(key)
        return answer

    @contextmanager
    def _acquire_sqlite_lock(self) -> Iterator[None]:
        # The parent waits for the lock in an endless loop, and swallows what fails after it.
        with self._lock:
            connection = cast("sqlite3.Connection", self._connection)  # opened by the caller, `connection`
            connection.execute(f"PRAGMA busy_timeout={int(_LOCK_TIMEOUT * 1000)}")
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


class AnswerCache(SQLiteCache):
    """The cache of a session: decides what is kept and until when, and survives its own failures.

    Parameters
    ----------
    db_path : Path or str
        The SQLite file; ``":memory:"`` keeps answers as long as this object lives.
    is_valid : callable
        Tells whether an answer is complete and of the documented shape. Only those are kept.
    now : callable
        The moment, for the publication of days.
    """

    def __init__(
        self,
        db_path: Path | str,
        *,
        is_valid: Callable[[Response], bool],
        now: Callable[[], datetime],
    ) -> None:
        BaseCache.__init__(self, cache_name=str(db_path))
        self.responses = AnswerTable(str(db_path))
        # Redirects are not followed, so there are none to keep on disk.
        self.redirects = cast("SQLiteDict", DictStorage())  # type: ignore[no-untyped-call]
        self._is_valid = is_valid
        self._now = now

    def get_response(self, key: str, default: CachedResponse | None = None) -> CachedResponse | None:
        """Return a cached answer; a cache that cannot be read has none."""
        try:
            found: CachedResponse | None = super().get_response(key, default)
        except sqlite3.Error as error:
            self._give_up(error)
            return default
        return found

    def save_response(
        self,
        response: Response,
        cache_key: str | None = None,
        expires: datetime | None = None,
    ) -> None:
        """Keep a valid answer until it expires or until the publication that may change it."""
        if not self._is_valid(response):
            return
        # Counted from when it was sent: what the API said just before a publication may be here only after it.
        kept_for = lifetime(response.url, now=self._now() - response.elapsed) - response.elapsed
        if kept_for <= timedelta(0):
            return
        expires = utcnow() + kept_for
        try:
            super().save_response(response, cache_key, expires)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)
            super().save_response(response, cache_key, expires)

    def forget(self, keys: list[str]) -> None:
        """Drop answers by key."""
        try:
            self.responses.bulk_delete(keys)  # type: ignore[no-untyped-call]
        except sqlite3.Error as error:
            self._give_up(error)

    def clear_expired(self) -> None:
        """Drop what nobody will be given any more; its room in the file is used again."""
        try:
            with self.responses.connection(commit=True) as connection:
                connection.execute("DELETE FROM responses WHERE expires <= ?", (int(time.time()),))
        except sqlite3.Error as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        """Go on in memory, after one warning."""
        path = self.responses.db_path
        self.responses.close()  # type: ignore[no-untyped-call]
        self.responses = AnswerTable(_MEMORY)
        _warn_of_memory(path, str(error))


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


def open_cache(path: Path | None, *, is_valid: Callable[[Response], bool], now: Callable[[], datetime]) -> AnswerCache:
    """Open a cache file that works, or one in memory with a warning that says why.

    Raises
    ------
    CacheError
        The folder is not one: a setting to mend, not a passing fault.
    """
    if path is not None and _is_usable(path):
        try:
            cache = AnswerCache(path, is_valid=is_valid, now=now)
        except (OSError, sqlite3.Error) as error:
            _warn_of_memory(path, str(error))
        else:
            cache.clear_expired()
            return cache
    return AnswerCache(_MEMORY, is_valid=is_valid, now=now)


def _is_usable(path: Path) -> bool:
    """Look at a cache file before requests-cache does: it would wait for ever on a lock."""
    try:
        make_private_folder(path.parent)
        make_private_file(path)
    except (FileExistsError, NotADirectoryError) as error:
        raise CacheError(
            f"The cache folder {path.parent} is not a folder. Hint: name another in AUGMENT_INSIGHTS_CACHE, "
            "or pass cache=FOLDER.",
            path=path.parent,
        ) from error
    except OSError as error:
        _warn_of_memory(path, str(error))
        return False
    problem = _problem_with(path)
    if problem is None:
        return True
    if isinstance(problem, sqlite3.OperationalError):  # locked, read-only, no room: the file itself may be good
        _warn_of_memory(path, str(problem))
        return False
    return _set_aside(path, problem)


def _problem_with(path: Path) -> sqlite3.Error | None:
    """Try a write lock and a quick check of the file."""
    connection = None
    try:
        connection = sqlite3.connect(path, timeout=_LOCK_TIMEOUT, isolation_level=None)
        _begin_log(connection)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("PRAGMA user_version=1")  # a lock can be had on a file that cannot be written to
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        return error
    finally:
        if connection is not None:
            connection.close()
    return None if verdict == "ok" else sqlite3.DatabaseError(verdict)


def _begin_log(connection: sqlite3.Connection) -> None:
    """Switch a new file to a write-ahead log; while another process does the same, SQLite refuses and does not wait."""
    give_up_at = time.monotonic() + _LOCK_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & _PRIMARY_CODE == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > give_up_at:
                raise
            time.sleep(_LOCK_RETRY)
        else:
            return


def _set_aside(path: Path, problem: sqlite3.Error) -> bool:
    """Rename a damaged cache, so that a new one can take its place."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    try:
        for ending in _BESIDE:
            part = path.with_name(path.name + ending)
            if part.exists():
                part.replace(aside.with_name(aside.name + ending))
        make_private_file(path)
    except OSError as error:
        _warn_of_memory(path, str(error))
        return False
    warnings.warn(
        f"The cache {path} was damaged ({problem}); a new one is begun, and the damaged file is kept as "
        f"{aside.name}. Hint: delete it when nobody needs it.",
        CacheWarning,
        stacklevel=2,
    )
    return True


def _warn_of_memory(path: Path | str, reason: str) -> None:
    warnings.warn(
        f"The cache {path} cannot be used ({reason}); what is fetched now is kept in memory only. "
        "Hint: free disk space, let the other program finish, run `augment-insights cache clear`, or name a "
        "folder that can be written to in AUGMENT_INSIGHTS_CACHE.",
        CacheWarning,
        stacklevel=2,
    )


@dataclass(frozen=True)
class CacheFile:
    """What lies in one cache file.

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
    """Describe every cache file in a folder, by name."""
    return [_describe(path) for path in sorted(root.glob(_FILES))]


def _describe(path: Path) -> CacheFile:
    size = sum(part.stat().st_size for part in _parts(path))
    try:
        location = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(location, uri=True, timeout=_LOCK_TIMEOUT)) as connection:
            with_expired: Any = connection.execute(
                "SELECT count(*), coalesce(sum(expires <= ?), 0) FROM responses", (int(time.time()),)
            ).fetchone()
    except sqlite3.Error:
        return CacheFile(path, 0, 0, size)
    total, expired = with_expired
    return CacheFile(path, total - expired, expired, size)


def clear_cache(root: Path) -> list[CacheFile]:
    """Delete every cache file in a folder, damaged ones set aside too; return what was there."""
    files = cache_files(root)
    for path in [*root.glob(_FILES), *root.glob(f"{_FILES}.damaged-*")]:
        for part in _parts(path):
            part.unlink(missing_ok=True)
    return files


def _parts(path: Path) -> list[Path]:
    """List the files that make up one SQLite database."""
    return [part for ending in _BESIDE if (part := path.with_name(path.name + ending)).exists()]
