"""Whatever goes wrong between the API and us, once or for ever: the right answer, or the right error."""

import gzip
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from random import Random
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from augment_insights import errors, fetch
from augment_insights.errors import ApiError, ApiUnavailableError, UnexpectedResponseError
from augment_insights.transport import RetryPolicy
from augment_insights.transport.responses import parse_retry_after

DAYS = ("2026-03-01", "2026-03-02")


def faults(good: bytes, wire) -> dict[str, Any]:
    """Return what a server sends that fails, by the name of the fault."""
    body = good.partition(b"\r\n\r\n")[2]
    half = body[: len(body) // 2]

    def send_and_reset(connection: socket.socket) -> None:
        connection.sendall(wire.head(f"Content-Length: {len(body)}") + half)
        time.sleep(0.05)  # the half must arrive before the reset throws it away
        wire.reset(connection)

    return {
        "reset before the answer": wire.reset,
        "closed before the answer": b"",
        "reset within the body": send_and_reset,
        "truncated with a length": wire.head(f"Content-Length: {len(body)}") + half,
        "truncated chunked": wire.head("Transfer-Encoding: chunked") + b"%x\r\n%s\r\n" % (len(half), half),
        "truncated within a chunk": wire.head("Transfer-Encoding: chunked") + b"%x\r\n%s" % (len(body), half),
        "chunk without a length": wire.head("Transfer-Encoding: chunked") + b"zz\r\n%s\r\n" % half,
        "truncated at the close": wire.head("Connection: close") + half,
        "a page of HTML": wire.head() + b"<html><body>Log in</body></html>",
        "empty": wire.head("Content-Length: 0"),
        "bad gzip": wire.head("Content-Encoding: gzip", f"Content-Length: {len(body)}") + body,
        "truncated gzip": wire.head("Content-Encoding: gzip") + gzip.compress(body)[:40],
        "two lengths": wire.head("Content-Length: 5, 6") + body,
        "no HTTP": b"ceci n'est pas HTTP\r\n\r\n",
        **{status: good.replace(b" 200 ", f" {status} ".encode(), 1) for status in ("500", "502", "503", "408")},
    }


FAULTS = tuple(faults(b"", SimpleNamespace(head=lambda *_lines: b"", reset=None)))  # their names


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_stays_is_an_error_and_one_that_passes_costs_one_request(name, serve, connect, clock, wire):
    """After six attempts a typed error; one that passes is asked over once, after 0.5 to 1 s. No fault is cached."""
    api = serve(lambda asked: faults(wire.counting(asked), wire)[name])
    with pytest.raises((ApiUnavailableError, UnexpectedResponseError)) as caught:
        fetch.dau_count(*DAYS, client=connect(api.url))
    error = caught.value
    if name in {"a page of HTML", "empty", "truncated at the close"}:
        assert isinstance(error, UnexpectedResponseError)
    assert error.attempts == 6 == api.count
    assert error.url == f"{api.url}/analytics/v0/dau-count?end_date=2026-03-02&start_date=2026-03-01"
    for word in ("/analytics/v0/dau-count", "start_date=2026-03-01", "end_date=2026-03-02", "6 attempts", "Hint: "):
        assert word in str(error)
    status = 200 if isinstance(error, UnexpectedResponseError) else None
    assert error.status == (int(name) if name.isdigit() else status)

    passing = faults(wire.counting(api.asked[0]), wire)[name]
    api.answer = lambda asked: passing if asked.number == 7 else wire.counting(asked)
    clock.slept.clear()
    for _ in range(2):
        assert fetch.dau_count(*DAYS, client=connect(api.url))["user_count"].to_list() == [7, 0]
        assert api.count == 8, "the good answer was kept"
    assert len(clock.slept) == 1
    assert 0.5 <= clock.slept[0] <= 1.0


KINDS = {
    400: errors.InvalidRequestError,
    401: errors.AuthenticationError,
    403: errors.PermissionDeniedError,
    404: ApiError,
    204: ApiError,
}


@pytest.mark.parametrize(("status", "kind"), [*KINDS.items(), (418, ApiError), (304, UnexpectedResponseError)])
def test_what_asking_again_cannot_mend_is_asked_once(status, kind, serve, connect, wire):
    """400, 401, 403, 404 and redirects: one request, and the API's own code and message in the error."""
    api = serve(lambda _asked: wire.refuse(status, code="ItsCode", message="its message", Location="/elsewhere"))
    with pytest.raises(kind) as caught:
        fetch.dau_count(*DAYS, client=connect(api.url))
    assert api.count == 1
    assert (caught.value.status, caught.value.attempts) == (status, 1)
    if status in {400, 401, 403, 404}:
        assert caught.value.code == "ItsCode"
        assert "its message [ItsCode]" in str(caught.value)


REFERENCE = {"error": {"code": "InvalidArgument", "message": "end_date cannot be later than yesterday (UTC)"}}


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        (json.dumps(REFERENCE, indent=2), "InvalidArgument", ": end_date cannot be later than yesterday (UTC) [Inv"),
        (json.dumps({"error": {"code": 7, "message": "not for you"}}), "7", ": not for you [7]"),  # as gateways do
        ("", None, "(403)."),
        ("[1]", None, "(403)."),
        ('{"error": "text"}', None, "(403)."),
        ('{"error": null}', None, "(403)."),
        (b"\xff\xfe", None, "(403)."),
        ('{"error":{"x":' + "[" * 100_000, None, "(403)."),
    ],
)
def test_the_apis_code_and_message_are_told_where_it_sends_them(body, code, told, serve, connect, wire):
    """The documented error body is read; a proxy's own 403 has no code, and is the same kind of error all the same."""
    api = serve(lambda _asked: wire.respond(body, 403))
    with pytest.raises(errors.PermissionDeniedError, match="lacks permission to read analytics") as caught:
        fetch.dau_count(*DAYS, client=connect(api.url))
    assert caught.value.code == code
    assert told in str(caught.value)


def test_back_off_doubles_with_jitter_and_has_a_ceiling():
    """The waits are 1, 2, 4, ... s jittered down to a half, and none is over a minute."""
    policy = RetryPolicy()
    for attempt, full in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 60), (50, 60)]:
        waits = [policy.backoff(attempt, random=Random(seed)) for seed in range(50)]
        assert all(full / 2 <= wait <= full for wait in waits)
        assert max(waits) - min(waits) > full / 4, "they differ from client to client"


def test_no_attempt_begins_after_the_deadline(serve, connect, clock, wire):
    """With a deadline of 5 s the sixth attempt (after up to 31 s) is never made."""
    api = serve(lambda _asked: wire.refuse(500))
    with pytest.raises(ApiUnavailableError) as caught:
        fetch.dau_count(*DAYS, client=connect(api.url, retry=RetryPolicy(deadline=5)))
    assert clock.ran <= 5
    assert 1 < caught.value.attempts == api.count < 6


REFUSED = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
CERTIFICATES = Path(__file__).with_name("certificates")


@pytest.fixture
def tls() -> Iterator[Callable[[str], str]]:
    """Listen with a certificate of the tests' own CA, and return the address."""
    with ExitStack() as stack:

        def listen(certificate: str) -> str:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            if certificate != "none":
                context.load_cert_chain(CERTIFICATES / f"{certificate}.pem")
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def shake_hands() -> None:
                with suppress(OSError):
                    incoming = listening.accept()[0]
                    if certificate == "none":
                        with incoming:
                            incoming.recv(2**16)
                            incoming.sendall(REFUSED)
                    else:
                        context.wrap_socket(incoming, server_side=True)

            Thread(target=shake_hands, daemon=True).start()
            return f"https://localhost:{listening.getsockname()[1]}"

        yield listen


@pytest.mark.parametrize(
    ("certificate", "environment", "hint"),
    [
        ("elsewhere", {}, "REQUESTS_CA_BUNDLE"),
        ("elsewhere", {"REQUESTS_CA_BUNDLE": str(CERTIFICATES / "ca.pem")}, "another host's: check AUGMENT_API_URL"),
        (
            "expired",
            {"REQUESTS_CA_BUNDLE": str(CERTIFICATES / "ca.pem")},
            r"this machine's clock \(2026-03-10 12:00 UTC",
        ),
        ("expired", {"REQUESTS_CA_BUNDLE": "no such file"}, "REQUESTS_CA_BUNDLE .* has to name a file"),
        ("expired", {"REQUESTS_CA_BUNDLE": __file__}, "REQUESTS_CA_BUNDLE .* has to name a file"),
        ("expired", {"HTTPS_PROXY": "http://127.0.0.1:1"}, "proxy in HTTPS_PROXY"),
        ("expired", {"HTTPS_PROXY": "http://"}, "proxy in HTTPS_PROXY"),
        ("expired", {"HTTPS_PROXY": "::::"}, "proxy in HTTPS_PROXY"),
        ("none", {}, "speaks no TLS: check the port in AUGMENT_API_URL"),
        ("expired", {"HTTPS_PROXY": "gopher://127.0.0.1:1"}, "proxy in HTTPS_PROXY"),
        ("expired", {"HTTPS_PROXY": "socks5://127.0.0.1:1"}, r"requests\[socks\]"),
        ("expired", {"HTTPS_PROXY": "407"}, "its user and password"),
    ],
)
def test_what_waiting_cannot_mend_ends_at_once_and_names_the_setting(
    certificate, environment, hint, tls, serve, connect, monkeypatch
):
    """Certificates, CA files and proxies: one attempt, no wait, and the variable to correct."""
    for name in ("no_proxy", "NO_PROXY", "https_proxy", "all_proxy", "ALL_PROXY", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, serve(lambda _: REFUSED).url if value == "407" else value)
    with pytest.raises(ApiUnavailableError, match=f"Hint: .*{hint}") as caught:
        fetch.dau_count(*DAYS, client=connect(tls(certificate)))
    assert caught.value.attempts == 1


def test_a_clock_that_is_ahead_is_called_that(serve, connect, wire):
    """The API refuses a day that is not over there; its answer's date tells why."""
    api = serve(lambda _asked: wire.refuse(400, Date="Sun, 08 Mar 2026 11:59:30 GMT"))
    with pytest.raises(errors.InvalidRequestError, match="clock is ahead of the API's by 2 days, 0:00:00"):
        fetch.dau_count(*DAYS, client=connect(api.url))


def test_who_shares_a_limit_with_another_account_waits_until_there_is_room(serve, connect, clock, wire):
    """429s for 40 minutes after a first answer: no request is given up, and they become rare."""
    api = serve(wire.counting)
    client = connect(api.url)
    fetch.dau_count(*DAYS, client=client)
    begin = clock.ran

    def busy(asked) -> bytes:
        return wire.counting(asked) if clock.ran > begin + 2400 else wire.refuse(429, Retry_After="6")

    api.answer = busy
    fetch.dau_count("2026-02-01", "2026-02-02", client=client)
    assert 2400 < clock.ran - begin < 3100
    assert api.count < 40


def test_a_server_that_is_not_there_is_said_to_be_so(connect):
    """A refused connection gives ApiUnavailableError without a status."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(ApiUnavailableError, match="could not be reached") as caught:
        fetch.dau_count(*DAYS, client=connect(f"http://127.0.0.1:{port}"))
    assert caught.value.status is None


@pytest.mark.parametrize(
    ("told", "at_least", "at_most"),
    [
        ("1.5", 1.5, 7.5),  # no less than told; one interval of 6 s more, since the bucket is taken as empty
        ("30", 30, 36),
        ("0", 0, 6),
        ("-5", 0, 6),
        ("soon", 60, 66),
        ("nan", 60, 66),
        ("", 60, 66),
        (None, 60, 66),
        ("1e9", 600, 606),
        ("inf", 600, 606),
        (format_datetime(datetime(2026, 3, 10, 12, tzinfo=UTC) + timedelta(seconds=45), usegmt=True), 45, 51),
        (format_datetime(datetime(2026, 3, 10, 11, tzinfo=UTC), usegmt=True), 0, 6),
    ],
)
def test_a_429_waits_as_told(told, at_least, at_most, serve, connect, clock, wire):
    """Seconds, a date, or nonsense: the next request goes after the wait the server named, or a minute."""
    sent_at = []

    def answer(asked) -> bytes:
        sent_at.append(clock.ran)
        if asked.number == 1:
            return wire.refuse(429, **({} if told is None else {"Retry-After": told}))
        return wire.counting(asked)

    api = serve(answer)
    assert fetch.dau_count(*DAYS, client=connect(api.url)).height == 2
    assert at_least <= sent_at[1] - sent_at[0] <= at_most


def test_429s_without_a_time_wait_longer_each_time(serve, connect, clock, wire):
    """60, 120 and 240 s, then the good answer."""
    sent_at = []

    def answer(asked) -> bytes:
        sent_at.append(clock.ran)
        return wire.refuse(429) if asked.number <= 3 else wire.counting(asked)

    api = serve(answer)
    fetch.dau_count(*DAYS, client=connect(api.url))
    waits = [later - earlier for earlier, later in pairwise(sent_at)]
    assert waits == pytest.approx([60, 120, 240])


def test_429s_without_end_are_an_error(serve, connect, clock, wire):
    """A server that never lets us in raises errors.RateLimitedError with its last wish, within the deadline."""
    api = serve(lambda _asked: wire.refuse(429, code="ResourceExhausted", Retry_After="20"))
    with pytest.raises(errors.RateLimitedError, match="ResourceExhausted") as caught:
        fetch.dau_count(*DAYS, client=connect(api.url))
    assert caught.value.retry_after == 20
    assert caught.value.attempts == api.count == 6
    assert clock.ran <= 900


@given(value=st.text() | st.from_regex(r"[0-9eE+\-.]{1,20}", fullmatch=True) | st.datetimes().map(format_datetime))
@example(value="Sun, 01 Mar 2026 12:00:30 +9999999999999999")  # a zone beyond all numbers, found by trying
def test_no_retry_after_can_break_us(value):
    """Any text at all is a wait of 0 to 600 s, or none."""
    wait = parse_retry_after(value, now=datetime(2026, 3, 10, tzinfo=UTC))
    assert wait is None or 0 <= wait <= 600


@pytest.mark.parametrize("value", [b'"\xe9"', b"1e999", b"-1e999"])
def test_an_unknown_field_that_nothing_can_read_is_ignored_too(value, serve, connect, wire):
    """Text that is not UTF-8, or a number beyond all numbers, in a field that nobody asked for costs no row."""

    def answer(asked) -> bytes:
        body = json.dumps(wire.dau_count(asked.params["start_date"], asked.params["end_date"])).encode()
        return wire.respond(body[:-1] + b', "new": ' + value + b"}")

    api = serve(answer)
    assert fetch.dau_count(*DAYS, client=connect(api.url))["user_count"].to_list() == [7, 0]
    assert api.count == 1
