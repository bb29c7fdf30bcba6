"""Whether this machine is set up to fetch and to report: what was looked at, what was found there, and what to do.

Each look is a question to the part of the package that would stumble later: what it raises is broken, and of what it
warns is worth knowing. So the words here are those that a fetch or a report would have said.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys
import tempfile
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from packaging.requirements import Requirement
from requests.utils import get_environ_proxies, select_proxy

from augment_insights import __version__, periods
from augment_insights.archive import Archive
from augment_insights.errors import (
    ApiError,
    ArchiveError,
    CacheError,
    CacheWarning,
    ConfigurationError,
    InsightsError,
    InsightsWarning,
    plural,
    system_hint,
)
from augment_insights.reports.run import own_kernels
from augment_insights.transport import Client, RetryPolicy, session, settings
from augment_insights.transport.client import RATE_LIMIT_FILE
from augment_insights.transport.messages import DAU_COUNT

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE = 10.0
"""Seconds for the API to answer, and to wait for the rate limit before it is asked."""
_KERNEL_SECONDS = 60.0
_CLOCK_SLACK = timedelta(minutes=5)
_LITTLE_ROOM, _NO_ROOM = 500 * 10**6, 20 * 10**6
_REFUSED = (401, 403)
_NEEDS_CLIENT = ("api", "permission", "clock", "limiter")


@dataclass(frozen=True)
class Finding:
    """What one look found.

    Attributes
    ----------
    name : str
        What was looked at.
    verdict : {"good", "notice", "broken", "skipped"}
        Notice: it works, and is worth knowing. Skipped: something before it is broken.
    found : str
        What is there; of the token never what it is.
    hint : str
        What to do; empty where nothing is to be done.
    """

    name: str
    verdict: Literal["good", "notice", "broken", "skipped"]
    found: str
    hint: str = ""


def examine() -> list[Finding]:
    """Look at all that a fetch and a report need, in the order in which they need it.

    With a token one request is sent, at the rate limit; without one nothing is. A kernel of this Python is
    started and ended, and a file is written to the cache folder and to the archive's and deleted.

    Returns
    -------
    list of Finding
        Python, packages, kernel, token, proxy, api, permission, clock, limiter, cache, archive and disk.
    """
    findings = [_find("python", _python), _find("packages", _packages), _find("kernel", _kernel)]
    findings += [_find("token", _token), _find("proxy", _proxy)]
    try:
        client = Client(cache=False, archive=False, timeout=_PATIENCE, retry=RetryPolicy(attempts=1), progress=False)
    except InsightsError:
        reason = "not asked without a token, or at an address that cannot be used"
        findings += [Finding(name, "skipped", reason) for name in _NEEDS_CLIENT]
    else:
        with client:
            findings += _ask(client)
    return [*findings, _find("cache", _cache), _find("archive", _archive), _find("disk", _disk)]


def _find(name: str, look: Callable[[], str]) -> Finding:
    """Look, and take what is raised for broken and what is warned of for worth knowing."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", InsightsWarning)
        try:
            found = look()
        except InsightsError as error:
            return _said(name, "broken", str(error))
        except OSError as error:
            return Finding(name, "broken", str(error), system_hint(error))
    return _said(name, "notice", str(told[0].message)) if told else Finding(name, "good", found)


def _said(name: str, verdict: Literal["notice", "broken"], message: str) -> Finding:
    found, _, hint = message.partition(" Hint: ")
    return Finding(name, verdict, found, hint)


# ---- What needs no network ----


def _python() -> str:
    return f"{platform.python_version()} ({sys.executable}), {platform.platform(terse=True)}"


def _packages() -> str:
    """Compare what is installed with what the package asks for; extras are asked for by whoever wants them."""
    wanted = [Requirement(line) for line in metadata.requires("augment-insights") or []]
    plain = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = []
    for one in plain:
        try:
            version = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            version = "missing"
        if version == "missing" or not one.specifier.contains(version, prereleases=True):
            wrong.append(f"{one.name} {version} (needs {one.specifier})")
    if wrong:
        raise ConfigurationError(
            f"{', '.join(wrong)}. Hint: {sys.executable} -m pip install --upgrade augment-insights", setting="packages"
        )
    newest = ", ".join(f"{name} {metadata.version(name)}" for name in ("polars", "altair", "jupyterlab"))
    return f"augment-insights {__version__} and the {len(plain)} packages it needs, among them {newest}"


def _kernel() -> str:
    """Start the kernel that a report would run in: of this Python, whatever kernels are installed."""
    with tempfile.TemporaryFile() as console:
        try:
            asyncio.run(_start(own_kernels(console, "off")()))
        except Exception as error:
            console.seek(0)
            words = [
                *console.read().decode("utf-8", "replace").strip().splitlines(),
                f"{type(error).__name__}: {error}",
            ]
            raise ConfigurationError(
                f"No kernel of this Python starts ({words[0] if len(words) == 1 else words[-2]}). Hint: "
                f"{sys.executable} -m pip install --force-reinstall ipykernel, and see that your home takes files",
                setting="kernel",
            ) from error
    return "a kernel of this Python starts and answers"


async def _start(kernels: Any) -> None:
    await kernels.start_kernel()
    client = kernels.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=_KERNEL_SECONDS)
    finally:
        client.stop_channels()
        await kernels.shutdown_kernel(now=True)


def _token() -> str:
    Client(cache=False, archive=False, base_url=settings.DEFAULT_BASE_URL, progress=False).close()
    return f"there is one, in the environment variable {settings.TOKEN_VARIABLE}"


def _proxy() -> str:
    """Say what stands between here and the API; a proxy's user and password are not shown."""
    url = settings.read_base_url(None)
    proxy = None if url.startswith("http:") else select_proxy(url, get_environ_proxies(url))
    named = next((name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if os.environ.get(name)), None)
    if named and not Path(os.environ[named]).exists():
        raise ConfigurationError(
            f"{named} names {os.environ[named]}, which is not there. Hint: name the file of your network's CA "
            "certificates, or unset the variable.",
            setting=named,
        )
    way = f"through the proxy {urlsplit(proxy).hostname}" if proxy else "no proxy"
    return f"{url}, {way}, CA certificates {f'of {named}' if named else 'that come with requests'}"


# ---- One request ----


def _ask(client: Client) -> list[Finding]:
    """Ask for one settled day, once, and tell what the answer says of the API, of the token and of the clock."""
    limiter = _find("limiter", partial(_limiter, client))
    if client.seconds_for(1) > _PATIENCE:
        reason = "not asked while the rate limit is used up"
        return [*(Finding(name, "skipped", reason) for name in _NEEDS_CLIENT[:-1]), limiter]
    day = (periods.utc_day(client.now()) - timedelta(days=3)).isoformat()
    failure: ApiError | None = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InsightsWarning)
            client.pages(DAU_COUNT, start_date=day, end_date=day)
    except ApiError as error:
        failure = error
    status = failure.status if failure else 200
    api = permission = None
    if failure and status in _REFUSED:
        permission = _said("permission", "broken", str(failure))
    elif failure:
        api = _said("api", "broken", str(failure))
        permission = Finding("permission", "skipped", "the API did not answer")
    return [
        api or Finding("api", "good", f"{client.base_url} answers"),
        permission or Finding("permission", "good", "the token may read analytics"),
        _find("clock", partial(_clock, client)) if client.server_time else Finding("clock", "skipped", "nobody to ask"),
        limiter,
    ]


def _clock(client: Client) -> str:
    """Compare the clock with the date that the API's answer bears."""
    assert client.server_time is not None  # noqa: S101 (asked before)
    ahead = datetime.now(UTC) - client.server_time
    minutes, word = abs(ahead) // timedelta(minutes=1), "ahead of" if ahead > timedelta() else "behind"
    if abs(ahead) > _CLOCK_SLACK:
        raise ConfigurationError(
            f"This machine's clock is {plural(minutes, 'minute')} {word} the API's. Hint: set the clock; what is "
            "yesterday and what is cached depend on it.",
            setting="clock",
        )
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, as the API's"


def _limiter(client: Client) -> str:
    seconds = client.seconds_for(1)
    if seconds > _PATIENCE:
        warnings.warn(
            f"The next request has to wait {seconds:.0f} s. Hint: wait; other fetches use this token, "
            "or the API refused one.",
            CacheWarning,
            stacklevel=1,
        )
    return f"shared in {settings.cache_root() / RATE_LIMIT_FILE}, the next request goes in {seconds:.0f} s"


# ---- Folders ----


def _cache() -> str:
    root = settings.cache_root()
    try:
        settings.make_private_folder(root)
        _write_into(root)
    except OSError as error:
        raise CacheError(
            f"The cache folder {root} cannot be used ({error.strerror}). Hint: name another in AUGMENT_INSIGHTS_CACHE.",
            path=root,
        ) from error
    files = session.cache_files(root)
    aside = sum(1 for _ in root.glob("*.damaged-*"))
    kept = f"{root}: {plural(sum(file.answers for file in files), 'answer')}"
    return f"{kept}, {plural(aside, 'damaged file')} set aside" if aside else kept


def _archive() -> str:
    folder = settings.archive_folder(None)
    if folder is None:
        return f"none is named in {settings.ARCHIVE_VARIABLE}"
    archive = Archive(folder)
    if not folder.exists():
        return f"{folder}, which the first sync makes"
    damaged = archive.check().filter(problem="damaged")
    if damaged.height:
        raise ArchiveError(
            f"{folder} is damaged: {damaged['table'][0]}, {damaged['detail'][0]}. Hint: `augment-insights sync` "
            "sets it aside and fetches it again.",
            path=folder,
        )
    with archive.syncing() as is_free:  # that a lock can be had, too
        _write_into(folder)
    held = archive.describe()
    first, last = held["first_day"].min(), held["last_day"].max()
    days = f"{first!s} to {last!s}" if held.height else "no days yet"
    return f"{folder}: {days}{'' if is_free else ', a sync is at work'}"


def _write_into(folder: Path) -> None:
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".tmp-") as file:
        file.write(b"x" * 4096)


def _disk() -> str:
    """Tell the room on the disks of the cache, of the archive, of temporary files and of this folder."""
    archive = settings.archive_folder(None)
    places = [settings.cache_root(), *([archive] if archive else []), Path(tempfile.gettempdir()), Path.cwd()]
    room = {}
    for place in places:
        there = next(folder for folder in (place.absolute(), *place.absolute().parents) if folder.exists())
        room[place] = shutil.disk_usage(there).free
    place = min(room, key=room.__getitem__)
    text = f"{room[place] / 10**6:,.0f} MB free at {place}"
    if room[place] < _NO_ROOM:
        raise CacheError(f"Only {text}. Hint: free space there, or name a folder on another disk.", path=place)
    if room[place] < _LITTLE_ROOM:
        warnings.warn(
            f"Only {text}. Hint: a year of a large organisation takes some 100 MB.", CacheWarning, stacklevel=1
        )
    return text
