"""The settings: where the API is, the token, and where the cache is; read and checked."""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from platformdirs import user_cache_path

from augment_insights.errors import CacheError, CacheWarning, ConfigurationError, did_you_mean, warn_reader

if TYPE_CHECKING:
    from os import PathLike

TOKEN_VARIABLE = "AUGMENT_API_TOKEN"  # noqa: S105 (the name of the variable, not a token)
URL_VARIABLE = "AUGMENT_API_URL"
CACHE_VARIABLE = "AUGMENT_INSIGHTS_CACHE"
ARCHIVE_VARIABLE = "AUGMENT_INSIGHTS_ARCHIVE"
PROGRESS_VARIABLE = "AUGMENT_INSIGHTS_PROGRESS"
PLAN_VARIABLE = "AUGMENT_INSIGHTS_PLAN_ABOVE"

STYLES = ("bar", "lines", "off")
"""The ways to show progress."""

DEFAULT_BASE_URL = "https://api.augmentcode.com"

# What no library on the way writes differently: the token goes to the URL that was checked, or nowhere.
_PLAIN_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f:]+")
_PLAIN_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*/*")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_DEFAULT_PORTS = {"https": 443, "http": 80}
_PLAN_ABOVE = 60


def read_token(token: str | None) -> str:
    """Return the token given, or the environment's."""
    text = os.environ.get(TOKEN_VARIABLE) if token is None else token
    if text is None:
        raise ConfigurationError(
            f"There is no API token. Hint: set the environment variable {TOKEN_VARIABLE}, "
            "or use the built-in sample organisation: Client.sample(), or --sample on the command line.",
            setting=TOKEN_VARIABLE,
        )
    return text


def choose_style(progress: bool | str | None) -> str:  # noqa: FBT001 (the setting itself, not a switch)
    """Return the style asked for, or the one that fits where we run.

    ``False`` and ``"off"`` show nothing, ``"bar"`` and ``"lines"`` what they say. ``True`` and None
    choose: a bar in a terminal and in a notebook that somebody works in, lines elsewhere.

    Raises
    ------
    ConfigurationError
        For another word, here or in AUGMENT_INSIGHTS_PROGRESS.
    """
    wanted = os.environ.get(PROGRESS_VARIABLE) if progress is None else progress
    if wanted is False:
        return "off"
    if wanted in STYLES:
        return str(wanted)
    if wanted is True or not wanted:
        if in_notebook():
            return "bar"
        if sys.stderr is None:  # a program without a console
            return "off"
        return "bar" if sys.stderr.isatty() else "lines"
    raise ConfigurationError(
        f"progress={wanted!r} is not valid. Choose 'bar', 'lines' or 'off'.{did_you_mean(str(wanted), STYLES)}",
        setting=PROGRESS_VARIABLE,
    )


def in_notebook() -> bool:
    """Tell whether this is a notebook that somebody works in, not one that runs unattended.

    A kernel that may ask its user for input has one; papermill and nbclient say that theirs may not.
    """
    if "ipykernel" not in sys.modules:
        return False
    kernel = getattr(import_module("IPython").get_ipython(), "kernel", None)
    return bool(getattr(kernel, "_allow_stdin", False))


def read_base_url(base_url: str | None) -> str:
    """Return the base URL given, the environment's, or the API's own, without a trailing slash.

    https anywhere, plain http to this machine only: a token is not sent in the clear.
    """
    text = (base_url if base_url is not None else os.environ.get(URL_VARIABLE)) or DEFAULT_BASE_URL
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    bare = not (parts.username or parts.password or parts.query or parts.fragment) and port != 0
    plain = _PLAIN_HOST.fullmatch(host or "") and _PLAIN_PATH.fullmatch(parts.path)
    allowed = parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    if host and bare and plain and allowed:
        shown_host = f"[{host}]" if ":" in host else host
        shown_port = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
        return f"{parts.scheme}://{shown_host}{shown_port}{parts.path.rstrip('/')}"
    raise ConfigurationError(
        "The API's base URL cannot be used: it must be https://HOST, or http:// to this machine, in plain letters "
        f"and without user, query or fragment. Hint: leave {URL_VARIABLE} unset for {DEFAULT_BASE_URL}.",
        setting=URL_VARIABLE,
    )


def cache_root(folder: str | PathLike[str] | None = None) -> Path:
    """Return the folder for caches: the one given, the environment's, or the user's cache folder on this system.

    Raises
    ------
    CacheError
        It is in a home folder, and the user has none.
    """
    named = os.environ.get(CACHE_VARIABLE) if folder is None else folder
    try:
        return Path(named).expanduser() if named else user_cache_path("augment-insights", appauthor=False)
    except RuntimeError as error:  # a container's user, for one, without HOME and without an entry in passwd
        raise CacheError(
            "There is no place for the cache: this user has no home folder. Hint: set HOME, or "
            f"{CACHE_VARIABLE} to a folder that can be written to.",
            path=None if named is None else str(named),
        ) from error


def archive_folder(archive: str | PathLike[str] | Literal[False] | None) -> Path | None:
    """Return the folder of the archive that was given, or the environment's; None for no archive."""
    named = os.environ.get(ARCHIVE_VARIABLE) if archive is None else archive
    return Path(named).expanduser() if named else None


def read_plan_above(plan_above: int | None) -> int:
    """Return the number of requests above which a plan is shown: the one given, the environment's, or 60."""
    given = os.environ.get(PLAN_VARIABLE) if plan_above is None else str(plan_above)
    if not given:
        return _PLAN_ABOVE
    if given.isascii() and given.isdigit():
        return int(given)
    raise ConfigurationError(
        f"plan_above={given!r} is not a number of requests. Hint: an integer >= 0, such as {_PLAN_ABOVE}.",
        setting=PLAN_VARIABLE,
    )


def make_private_folder(folder: Path) -> None:
    """Make a folder that its owner alone can look into; one that is there already is left as it is."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def make_private_file(path: Path) -> None:
    """Make an empty file that its owner alone can read, before anything is written to it."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    os.close(descriptor)
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)


PARTS = ("", "-wal", "-shm")
"""The endings of the files that make up one SQLite database."""


def set_aside(path: Path, problem: Exception) -> None:
    """Rename a database that is damaged or somebody else's, so that a new one can take its place."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    aside = f"{path.name}.damaged-{stamp}"
    for ending in PARTS:
        part = path.with_name(path.name + ending)
        if part.exists():
            part.replace(path.with_name(aside + ending))
    make_private_file(path)
    warn_reader(
        f"The file {path} was damaged, or another program's ({problem}), and is replaced by a new one; it is kept as "
        f"{aside}. Hint: delete it when nobody needs it.",
        CacheWarning,
    )
