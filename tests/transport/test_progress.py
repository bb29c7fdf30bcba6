"""How far it is: a bar for those who watch, lines for a log, nothing where it is not wanted."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from augment_insights import Client, fetch
from augment_insights.errors import ConfigurationError
from augment_insights.transport.progress import format_duration
from augment_insights.transport.settings import choose_style


def forty_days(wire, asked) -> bytes:
    if asked.path.endswith("dau-count"):  # the counts of a long range are asked for before its lists
        days = [f"2026-01-{day:02}" for day in range(1, 32)] + [f"2026-02-{day:02}" for day in range(1, 10)]
        return wire.respond(wire.dau_count(days[0], days[-1], dict.fromkeys(days, 1)))
    return wire.respond(wire.dau_page(asked.params["date"], ["a@example.com"]))


@pytest.fixture
def clock(clock) -> Iterator[Any]:
    """Return a clock whose waits take no time, and move the whole process's time on: tqdm sees it, too."""
    with time_machine.travel(clock.now(), tick=False) as traveller:
        advance = clock.advance
        clock.advance = lambda seconds: (advance(seconds), traveller.shift(seconds))
        yield clock


RANGE = {"start_date": "2026-01-01", "end_date": "2026-02-09"}


def test_lines_come_now_and_then_with_what_is_left(serve, connect, wire, capsys):
    """A log has a line every half minute, with the time left at the rate limit, and one at the end; on stderr."""
    api = serve(lambda asked: forty_days(wire, asked))
    fetch.dau(**RANGE, client=connect(api.url, progress="lines"))
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert 4 <= len(lines) <= 6, "120 s of waiting"
    assert lines[-1] == "dau: 40 of 40 requests"
    assert all(line.startswith("dau: ") and " of 40 requests" in line for line in lines)
    done = [int(line.split()[1]) for line in lines]
    assert done == sorted(set(done))
    assert "left at the rate limit" in lines[0]


@pytest.mark.parametrize(("progress", "days"), [(False, RANGE), ("lines", {"date": "2026-01-01"})])
def test_off_and_a_short_fetch_say_nothing(progress, days, serve, connect, wire, capsys):
    """``progress=False`` is silent however long it takes, and what is done within a second needs no line."""
    api = serve(lambda asked: forty_days(wire, asked))
    fetch.dau(**days, client=connect(api.url, progress=progress))
    assert capsys.readouterr() == ("", "")


def test_a_bar_leaves_nothing_behind(serve, connect, wire, capsys):
    """The bar is wiped away at the end, and stdout is never touched."""
    api = serve(lambda asked: forty_days(wire, asked))
    fetch.dau(**RANGE, client=connect(api.url, progress="bar"))
    out, err = capsys.readouterr()
    assert out == ""
    assert "/40 requests, 1 min 54 s left at the rate limit" in err
    assert err.rstrip(" ").endswith("\r")


def test_pages_nobody_knew_of_are_counted_in(serve, connect, wire, capsys):
    """One day of 30 pages is 30 of 30 requests in the end, not 30 of 1."""

    def answer(asked) -> bytes:
        index = int(asked.params.get("cursor", "0"))
        cursor = str(index + 1) if index < 29 else None
        return wire.respond(wire.dau_page("2026-03-01", [f"u{index:02}@example.com"], cursor=cursor))

    api = serve(answer)
    assert fetch.dau("2026-03-01", client=connect(api.url, progress="lines")).height == 30
    assert capsys.readouterr().err.splitlines()[-1] == "dau: 30 of 30 requests"


def test_a_failed_fetch_ends_its_progress(serve, connect, wire, capsys):
    """After an error the next fetch counts from its own beginning."""
    api = serve(lambda asked: wire.refuse(403) if asked.number == 5 else forty_days(wire, asked))
    client = connect(api.url, progress="lines")
    with pytest.raises(Exception, match="403"):
        fetch.dau(**RANGE, client=client)
    fetch.dau(**RANGE, client=client)
    assert capsys.readouterr().err.splitlines()[-1] == "dau: 40 of 40 requests"


@pytest.mark.parametrize(
    ("asked", "environment", "terminal", "style"),
    [
        (False, "bar", 1, "off"),
        ("bar", "off", 0, "bar"),
        ("lines", None, 1, "lines"),
        ("off", None, 1, "off"),
        (None, "lines", 1, "lines"),
        (None, "off", 1, "off"),
        (None, None, 1, "bar"),
        (None, None, 0, "lines"),
        (True, "off", 1, "bar"),
        (True, "off", 0, "lines"),
    ],
)
def test_the_style_is_what_was_said_last_or_what_fits(asked, environment, terminal, style, monkeypatch):
    """The argument goes before the environment, and both before what fits the place."""
    monkeypatch.delenv("AUGMENT_INSIGHTS_PROGRESS")
    if environment is not None:
        monkeypatch.setenv("AUGMENT_INSIGHTS_PROGRESS", environment)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: bool(terminal), raising=False)
    assert choose_style(asked) == style


def test_an_unknown_style_is_a_setting_to_mend():
    """A misspelled style is refused before anything is asked, with the nearest word."""
    with pytest.raises(ConfigurationError, match="did you mean 'lines'") as caught:
        Client("a-token", progress="line")
    assert caught.value.setting == "AUGMENT_INSIGHTS_PROGRESS"


def test_no_stderr_is_no_reason_to_fail(monkeypatch):
    """A program without a console (``sys.stderr`` is None) fetches in silence."""
    monkeypatch.delenv("AUGMENT_INSIGHTS_PROGRESS")
    monkeypatch.setattr(sys, "stderr", None)
    with Client.sample(today="2026-03-10") as client:
        assert fetch.dau_count("2026-03-01", "2026-03-02", client=client).height == 2


@given(st.floats(0, 1e6))
def test_a_length_of_time_reads_back(seconds):
    """Hours, minutes and seconds add up to the time, to the second (to the minute beyond an hour)."""
    units = {"h": 3600, "min": 60, "s": 1}
    words = format_duration(seconds).split()
    total = sum(int(number) * units[unit] for number, unit in zip(words[::2], words[1::2], strict=True))
    assert abs(total - seconds) <= (60 if seconds >= 3599 else 0.5)
