"""The token goes to the API, and nowhere else: not to disk, not on screen, not into an error, not to another host."""

from __future__ import annotations

import copy
import http.client
import logging
import pickle
import traceback
from typing import TYPE_CHECKING, Any

import pytest
import requests

from augment_insights import Client, fetch
from augment_insights.errors import ApiError, ConfigurationError, InsightsError, UnexpectedResponseError
from augment_insights.transport import RetryPolicy
from augment_insights.transport.settings import Token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import SimpleNamespace

DAYS = ("2026-03-01", "2026-03-02")


def chain(error: BaseException) -> Iterator[BaseException]:
    """Give an error and all that it came from."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and each not in seen:
            seen.append(each)
            waiting += [each.__cause__, each.__context__]
    yield from seen


def spoken_by(value: object) -> str:
    """Write what a debugger or an error reporter would show of a value, and what hangs on HTTP objects."""
    text = repr(value)
    if isinstance(value, requests.PreparedRequest):
        text += repr(dict(value.headers)) + str(value.url)
    if isinstance(value, requests.Response):
        text += repr(value.content) + repr(dict(value.headers)) + spoken_by(value.request)
    return text


def told_by(error: BaseException) -> str:
    """Write down all an error carries: messages, attributes, and the locals of each frame."""
    parts = ["".join(traceback.format_exception(error))]
    for each in chain(error):
        parts += [repr(each), repr(vars(each))]
        for frame, _line in traceback.walk_tb(each.__traceback__):
            if "augment_insights" in frame.f_code.co_filename or "requests" in frame.f_code.co_filename:
                parts += [spoken_by(value) for value in frame.f_locals.values()]
    return "\n".join(parts)


def on_disk(root: Path) -> bytes:
    """Read everything under a folder."""
    return b"\n".join(path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file())


ECHOES = {
    "error body": lambda wire, token: wire.refuse(400, code=token, message=f"bad token {token}"),
    "401": lambda wire, token: wire.refuse(401, message=f"bad token {token}", WWW_Authenticate=f"Bearer {token}"),
    "403 in HTML": lambda wire, token: wire.respond(f"<p>{token}</p>", 403),
    "500": lambda wire, token: wire.refuse(500, message=token),
    "429": lambda wire, token: wire.refuse(429, message=token, Retry_After=token),
    "header": lambda wire, token: wire.refuse(404, X_Token=token, Set_Cookie=f"t={token}"),
    "redirect": lambda wire, token: wire.refuse(302, Location=f"/{token}"),
    "200, not JSON": lambda wire, token: wire.respond(f"<p>{token}</p>"),
    "200, another shape": lambda wire, token: wire.respond({"daily_active_user_counts": token}),
    "200, a token as a name": lambda wire, token: wire.respond({token: token}),
    "no HTTP": lambda _wire, token: f"{token}\r\n\r\n".encode(),
    "status line": lambda _wire, token: f"HTTP/1.1 {token}\r\n\r\n".encode(),
    "reset": lambda wire, _token: wire.reset,
}


@pytest.mark.parametrize("echo", ECHOES)
def test_no_error_carries_the_token(
    echo: str,
    serve: Any,
    connect: Any,
    wire: SimpleNamespace,
    caplog: pytest.LogCaptureFixture,
    own_machine: Path,
) -> None:
    """Whatever a server echoes, messages, attributes, causes, frames, logs and files are free of the token."""
    caplog.set_level(logging.DEBUG)
    token = wire.TOKEN
    api = serve(lambda _asked: ECHOES[echo](wire, token))
    with pytest.raises(ApiError) as caught:
        fetch.dau_count(*DAYS, client=connect(api.url, retry=RetryPolicy(attempts=2)))
    assert api.asked[0].headers["authorization"] == f"Bearer {token}"
    assert token not in told_by(caught.value)
    assert token not in caplog.text
    assert token not in repr(pickle.loads(pickle.dumps(caught.value)).__dict__)  # noqa: S301 (our own bytes)
    assert token.encode() not in on_disk(own_machine)


@pytest.mark.parametrize("where", ["unknown field", "user", "header"])
def test_an_echo_in_a_good_answer_reaches_no_file(
    where: str,
    serve: Any,
    connect: Any,
    wire: SimpleNamespace,
    caplog: pytest.LogCaptureFixture,
    own_machine: Path,
) -> None:
    """An answer that holds the token is given and not kept; of headers next to nothing is."""
    caplog.set_level(logging.DEBUG)
    token = wire.TOKEN

    def answer(asked: Any) -> bytes:
        page = wire.dau_page("2026-03-01", ["ada@example.com"])
        headers = {}
        if where == "unknown field":
            page["echo"] = token
        elif where == "user":
            page["users"][0]["user_email"] = token
        else:
            headers = {"X_Echo": token, "Set_Cookie": f"t={token}", "Vary": token, "ETag": f'"{token}"'}
        return wire.respond(page, **headers)

    api = serve(answer)
    client = connect(api.url)
    if where == "unknown field":
        with pytest.warns(UserWarning, match="echo"):
            frame = fetch.dau("2026-03-01", client=client)
    else:
        frame = fetch.dau("2026-03-01", client=client)
    assert frame.height == 1
    client.close()
    assert token.encode() not in on_disk(own_machine)
    assert token not in caplog.text


@pytest.mark.parametrize("cursor", ["after tok-7f3a9c51e2d84b06", "after%20tok%2D7f3a9c51e2d84b06"])
def test_a_cursor_that_holds_the_token_is_not_sent(
    cursor: str, serve: Any, connect: Any, wire: SimpleNamespace, caplog: pytest.LogCaptureFixture, own_machine: Path
) -> None:
    """The token never travels in a URL, where proxies and logs would keep it: such a cursor is an error."""
    caplog.set_level(logging.DEBUG)
    api = serve(lambda _asked: wire.respond(wire.dau_page("2026-03-01", ["ada@example.com"], cursor=cursor)))
    with pytest.raises(UnexpectedResponseError) as caught:
        fetch.dau("2026-03-01", client=connect(api.url))
    assert caught.value.path == "$.pagination.next_cursor"
    assert api.count == 1
    assert wire.TOKEN not in told_by(caught.value) + caplog.text
    assert wire.TOKEN.encode() not in on_disk(own_machine)


def test_an_unknown_field_named_like_the_token_is_struck_out(serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    """The warning of unknown fields does not spell the token either."""
    api = serve(lambda _asked: wire.respond({**wire.dau_page("2026-03-01", []), wire.TOKEN: 1}))
    with pytest.warns(UserWarning, match="does not know") as warned:
        fetch.dau("2026-03-01", client=connect(api.url))
    assert not any(wire.TOKEN in str(warning.message) for warning in warned)


def test_nothing_shows_the_token(connect: Any, wire: SimpleNamespace) -> None:
    """The client, its settings and its copies never print the token, and it is not pickled."""
    client = connect("http://127.0.0.1:9")
    for shown in (repr(client), str(client), repr(vars(client)), str(client.cache_path), format(client._token)):
        assert wire.TOKEN not in shown
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            leave(client._token)


@pytest.mark.parametrize("bad", ["two words", "line\nbreak", "naïve", "", "  ", "tab\tbed", "nul\0"])
def test_a_token_that_cannot_be_one_is_refused_unspoken(bad: str) -> None:
    """A token with blanks or line breaks is a copying mistake; the message does not repeat it."""
    with pytest.raises(ConfigurationError) as caught:
        Client(bad)
    assert caught.value.setting == "AUGMENT_API_TOKEN"
    assert not bad.strip() or bad not in str(caught.value)


def test_no_token_is_a_setting_to_make() -> None:
    """Without a token the message names the variable and the way without one."""
    with pytest.raises(ConfigurationError, match=r"AUGMENT_API_TOKEN.*Client\.sample"):
        Client()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int, serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    """The place a redirect points to hears nothing, least of all the token."""
    elsewhere = serve(wire.counting)
    api = serve(lambda _asked: wire.refuse(status, Location=f"{elsewhere.url}/analytics/v0/dau-count"))
    with pytest.raises(InsightsError):
        fetch.dau_count(*DAYS, client=connect(api.url))
    assert elsewhere.count == 0
    assert api.count == 1


def test_a_netrc_cannot_take_the_tokens_place(
    serve: Any, connect: Any, wire: SimpleNamespace, own_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password for the host in ``.netrc`` is neither sent nor in the frames of an error, and the token is sent."""
    netrc = own_machine / "home" / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\ndefault login x password y\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    api = serve(lambda _asked: wire.reset)
    with pytest.raises(ApiError) as caught:
        fetch.dau_count(*DAYS, client=connect(api.url, retry=RetryPolicy(attempts=1)))
    assert api.asked[0].headers["authorization"] == f"Bearer {wire.TOKEN}"
    assert "Basic " not in told_by(caught.value)


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_plain_http_to_this_machine_passes_by_the_proxy(
    variable: str, serve: Any, connect: Any, wire: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy of the environment never sees the token in the clear."""
    proxy, api = serve(wire.counting), serve(wire.counting)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv(variable, proxy.url)
    fetch.dau_count(*DAYS, client=connect(api.url))
    assert (proxy.count, api.count) == (0, 1)


def test_an_https_proxy_hears_a_host_and_no_token(
    serve: Any, connect: Any, wire: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the real API a proxy is used, and asked for a tunnel only."""
    proxy = serve(lambda _asked: wire.refuse(502))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("https_proxy", proxy.url)
    with pytest.raises(ApiError):
        fetch.dau_count(*DAYS, client=connect("https://api.example.invalid", retry=RetryPolicy(attempts=1)))
    assert proxy.count == 1
    assert proxy.asked[0].raw.startswith(b"CONNECT api.example.invalid:443")
    assert wire.TOKEN.encode() not in proxy.asked[0].raw


def test_a_switch_that_prints_headers_does_not_print_ours(
    serve: Any,
    connect: Any,
    wire: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """``HTTPConnection.debuglevel``, set to look into some other library's requests, leaves the token unprinted."""
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    api = serve(wire.counting)
    fetch.dau_count(*DAYS, client=connect(api.url))
    assert api.asked[0].headers["authorization"] == f"Bearer {wire.TOKEN}"
    assert wire.TOKEN not in "".join(capsys.readouterr())


def test_a_short_token_does_not_keep_answers_from_the_cache(serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    """The token of a server to try against may be a word such as "any", which stands in many an answer by chance."""
    api = serve(lambda _asked: wire.respond(wire.dau_page("2026-03-01", ["anya@example.com"])))
    for _ in range(2):
        fetch.dau("2026-03-01", client=connect(api.url, token="any"))
    assert api.count == 1


def test_only_the_base_url_is_ever_spoken_to(connect: Any) -> None:
    """No adapter stands for any other host, nor for one whose name only begins like ours."""
    client = connect("https://api.example.invalid")
    session = client._open()
    for url in ("https://api.example.invalid.evil.example/analytics/v0/dau", "http://api.example.invalid/", "file:///"):
        with pytest.raises(requests.exceptions.InvalidSchema):
            session.get(url)


def test_a_fingerprint_tells_tokens_and_apis_apart_and_neither_what_they_are() -> None:
    """Another token or another base URL is another file; the name holds neither."""
    one, two = Token("token-one"), Token("token-two")
    prints = {one.fingerprint("https://a"), one.fingerprint("https://b"), two.fingerprint("https://a")}
    assert len(prints) == 3
    assert all(len(each) == 16 and "token" not in each for each in prints)
    assert Token("token-one").fingerprint("https://a") == one.fingerprint("https://a")


def test_only_documented_parameters_and_headers_travel(serve: Any, connect: Any, wire: SimpleNamespace) -> None:
    """Dates, page size and cursor; the token in its header; nothing of the machine or its user."""

    def answer(asked: Any) -> bytes:
        more = "c1" if "cursor" not in asked.params else None
        return wire.respond(wire.dau_page(asked.params["date"], [f"u{asked.number}@example.com"], cursor=more))

    api = serve(answer)
    fetch.dau("2026-03-01", client=connect(api.url))
    assert [asked.params for asked in api.asked] == [
        {"date": "2026-03-01", "page_size": "250"},
        {"date": "2026-03-01", "page_size": "250", "cursor": "c1"},
    ]
    allowed = {"host", "user-agent", "accept", "accept-encoding", "connection", "authorization"}
    assert all(set(asked.headers) <= allowed for asked in api.asked)
    assert api.asked[0].headers["user-agent"] == "augment-insights"
