"""The archive's folder: private, one organisation's, with one writer at a time."""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from augment_insights.errors import ArchiveError
from augment_insights.export import whole_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMAT = 1
"""The layout's number, for the day when there is another."""

LOCK_SECONDS = 60.0
"""How long a writer waits for another: a commit takes a second or so."""

_LOCK_POLL = 0.02


class Folder:
    """A folder and what is written of it in ``archive.json``.

    Parameters
    ----------
    path : Path
        It need not be there yet: it is made at the first commit.

    Raises
    ------
    ArchiveError
        The folder holds something else, or a newer layout.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._note_path = path / "archive.json"
        self._check()

    def _check(self) -> None:
        note = self.note()
        if note.get("format", FORMAT) != FORMAT:
            raise ArchiveError(
                f"The archive {self.path} has layout {note['format']!r}, and this version knows {FORMAT}. "
                "Hint: update augment-insights.",
                path=self.path,
            )
        if note or not self.path.exists():
            return
        if not self.path.is_dir():
            raise ArchiveError(f"The archive {self.path} is a file. Hint: name a folder.", path=self.path)
        names = sorted(found.name for found in self.path.iterdir())
        others = [name for name in names if not name.startswith((".lock", ".tmp-"))]
        if others:
            raise ArchiveError(
                f"The folder {self.path} holds other things ({others[0]}) and is no archive. "
                "Hint: name an empty folder, or one that does not exist yet.",
                path=self.path,
            )

    def note(self) -> dict[str, Any]:
        """Return what ``archive.json`` says; nothing while there is none."""
        try:
            found = json.loads(self._note_path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError) as error:
            raise ArchiveError(
                f"{self._note_path} cannot be read ({type(error).__name__}). Hint: put it back from a backup, or "
                'write {"format": 1, "origin": "https://api.augmentcode.com"} into it, with the address of your API.',
                path=self._note_path,
            ) from error
        return found if isinstance(found, dict) else {}

    @property
    def origin(self) -> str | None:
        """Where the days come from; None while there are none."""
        origin = self.note().get("origin")
        return None if origin is None else str(origin)

    def check_origin(self, origin: str) -> None:
        """Refuse days that come from elsewhere.

        Raises
        ------
        ArchiveError
            The archive is of another API, of the sample or of given records.
        """
        if self.origin not in (None, origin):
            raise ArchiveError(
                f"The archive {self.path} holds the days of {self.origin}, and these are of {origin}. "
                "Hint: one archive keeps one organisation; name another folder.",
                path=self.path,
            )

    def write_note(self, **said: Any) -> None:
        """Add to ``archive.json``; call it with the write lock held."""
        with whole_file(self._note_path, private=True) as unfinished:
            unfinished.write_text(json.dumps({"format": FORMAT, **self.note(), **said}, indent=1), encoding="utf-8")

    def make(self) -> None:
        """Make the folder, for its owner alone."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._note_path.exists() and self.path.stat().st_mode & 0o077:
            self.path.chmod(0o700)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the write lock, for one commit."""
        self.make()
        with _locked(self.path / ".lock-write", seconds=LOCK_SECONDS) as held:
            if not held:
                raise ArchiveError(
                    f"Another process has been writing to the archive {self.path} for {LOCK_SECONDS:g} s. "
                    "Hint: try again; what was fetched is cached.",
                    path=self.path,
                )
            yield

    @contextmanager
    def syncing(self) -> Iterator[bool]:
        """Hold the sync lock for a whole sync; False where another sync has it."""
        self.make()
        with _locked(self.path / ".lock-sync", seconds=0) as held:
            yield held

    def sweep(self) -> None:
        """Delete what killed writers left; not while somebody writes."""
        if not self.path.is_dir() or not os.access(self.path, os.W_OK):
            return
        leftovers = sorted(self.path.rglob(".tmp-*"))
        if not leftovers:
            return
        with _locked(self.path / ".lock-write", seconds=0) as held:
            if held:
                for leftover in leftovers:
                    leftover.unlink(missing_ok=True)


def make_private(folder: Path, *, root: Path) -> None:
    """Make a folder under the archive's root, and those between, for their owner alone."""
    for part in reversed([folder, *folder.parents]):
        if part.is_relative_to(root):
            part.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def _locked(path: Path, *, seconds: float) -> Iterator[bool]:
    """Try for a lock that the system lets go of when its process dies; tell whether it is held."""
    deadline = time.monotonic() + seconds
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    with os.fdopen(descriptor, "r+b") as handle:
        held = _try_lock(handle)
        while not held and time.monotonic() < deadline:
            time.sleep(_LOCK_POLL)
            held = _try_lock(handle)
        try:
            yield held
        finally:
            if held:
                _unlock(handle)


if os.name == "nt":
    import msvcrt

    def _try_lock(handle: IO[bytes]) -> bool:
        handle.seek(0)
        try:
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True

    def _unlock(handle: IO[bytes]) -> None:
        handle.seek(0)
        msvcrt.locking(handle.fileno(), msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined,unused-ignore]

else:
    import fcntl

    def _try_lock(handle: IO[bytes]) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _unlock(handle: IO[bytes]) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)
