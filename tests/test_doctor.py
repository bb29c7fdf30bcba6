"""The doctor: what is broken is called so, with what to do, and the rest is still looked at."""

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from augment_insights import doctor
from augment_insights.doctor import Finding, examine

COMMAND = str(Path(sys.executable).with_name("augment-insights"))
NAMES = [
    *("python", "packages", "kernel", "token", "proxy", "api"),
    *("permission", "clock", "limiter", "cache", "archive", "disk"),
]


@pytest.fixture
def set_up(api, wire, monkeypatch) -> Any:
    """Set up a machine that can fetch from an API on loopback, whose clock is this machine's."""
    monkeypatch.setenv("AUGMENT_API_URL", api.url)
    monkeypatch.setenv("AUGMENT_API_TOKEN", wire.TOKEN)
    monkeypatch.setattr(doctor, "_kernel", lambda: "not started in this test")
    api.answer = lambda asked: dated(wire.counting(asked))
    return api


def dated(answer: bytes, off: timedelta = timedelta()) -> bytes:
    date = format_datetime(datetime.now(UTC) + off, usegmt=True).encode()
    return answer.replace(b"\r\n", b"\r\nDate: " + date + b"\r\n", 1)


def look() -> dict[str, Finding]:
    """Examine, and return the findings by name; nothing is warned of outside of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return {finding.name: finding for finding in examine()}


def test_a_machine_that_is_set_up_is_told_so_with_one_request(set_up, wire):
    """Every finding is good, each says what is there, and nothing says what the token is."""
    found = look()
    assert list(found) == NAMES
    assert {finding.verdict for finding in found.values()} <= {"good"}, found
    assert set_up.count == 1
    assert found["token"].found == "there is one, in the environment variable AUGMENT_API_TOKEN"
    assert wire.TOKEN not in repr(found)


def refused(set_up, wire, monkeypatch, tmp_path) -> None:
    set_up.answer = lambda _asked: dated(wire.refuse(403))


def late(set_up, wire, monkeypatch, tmp_path) -> None:
    set_up.answer = lambda asked: dated(wire.counting(asked), timedelta(hours=2))


def early(set_up, wire, monkeypatch, tmp_path) -> None:
    set_up.answer = lambda _asked: dated(wire.refuse(400), timedelta(days=-9))


def no_token(set_up, wire, monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("AUGMENT_API_TOKEN")


def no_api(set_up, wire, monkeypatch, tmp_path) -> None:
    set_up.close()


def no_ca_file(set_up, wire, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "not-there.pem"))


def a_file_for_a_folder(set_up, wire, monkeypatch, tmp_path) -> None:
    (tmp_path / "cache").write_text("")


def no_archive(set_up, wire, monkeypatch, tmp_path) -> None:
    (tmp_path / "photo.jpg").write_text("")
    monkeypatch.setenv("AUGMENT_INSIGHTS_ARCHIVE", str(tmp_path))


def no_room(set_up, wire, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(doctor, "_NO_ROOM", 10**18)


@pytest.mark.parametrize(
    ("harm", "name", "hint"),
    [
        (no_token, "token", "AUGMENT_API_TOKEN"),
        (no_api, "api", "check the network"),
        (refused, "permission", "analytics permission"),
        (late, "clock", "set the clock"),
        (early, "clock", "set the clock"),
        (no_ca_file, "proxy", "CA certificates, or unset the variable"),
        (a_file_for_a_folder, "cache", "AUGMENT_INSIGHTS_CACHE"),
        (no_archive, "archive", "name an empty folder"),
        (no_room, "disk", "free space"),
    ],
)
def test_what_is_broken_is_named_with_what_to_do(
    harm: Callable[..., None], name, hint, set_up, wire, monkeypatch, tmp_path
):
    """Of a machine with one fault that finding is broken, and what does not need it is looked at all the same."""
    harm(set_up, wire, monkeypatch, tmp_path)
    found = look()
    assert list(found) == NAMES
    assert found[name].verdict == "broken"
    assert hint in found[name].hint
    assert wire.TOKEN not in repr(found)
    also = {"early": {"api"}, "a_file_for_a_folder": {"limiter", "disk"}}.get(harm.__name__, set())
    assert {each for each, finding in found.items() if finding.verdict == "broken"} <= {name, *also}
    assert set_up.count == (0 if harm in (no_token, no_api) else 1)


def test_a_limit_that_is_used_up_is_not_asked_of(set_up, connect):
    """While the next request would have to wait long none is sent, and the wait is told."""
    client = connect(set_up.url, clock=None)
    client._limit.block_for(300)
    found = look()
    assert (found["limiter"].verdict, found["api"].verdict, set_up.count) == ("notice", "skipped", 0)
    assert "has to wait" in found["limiter"].found


@pytest.mark.slow
def test_the_command_starts_a_kernel_prints_a_table_or_json_and_exits_with_1(tmp_path, monkeypatch):
    """Without a token: exit code 1, every finding in words and as JSON, and a kernel that cannot start is told."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "ipykernel_launcher.py").write_text("raise SystemExit('no kernel today')")
    for verdict in ("good", "broken"):
        done = subprocess.run([COMMAND, "doctor", "--json"], capture_output=True, text=True, check=False, timeout=120)
        told = {finding["name"]: finding for finding in json.loads(done.stdout)}
        assert (done.returncode, list(told), told["token"]["verdict"]) == (1, NAMES, "broken")
        assert told["kernel"]["verdict"] == verdict, told["kernel"]
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"), prepend=":")
    assert "no kernel today" in told["kernel"]["found"]
    shown = subprocess.run([COMMAND, "doctor"], capture_output=True, text=True, check=False, timeout=120)
    assert (shown.returncode, shown.stderr) == (1, "")
    assert all(name in shown.stdout for name in NAMES)
    assert "--sample" in shown.stdout
