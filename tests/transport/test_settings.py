"""Settings are refused at once where they cannot be used, and a token is shown nowhere."""

import copy
import math
import pickle

import pytest

from augment_insights import Client, fetch
from augment_insights.errors import CacheError, CacheWarning, ConfigurationError
from augment_insights.transport import settings


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1@evil.example",
        "https://user:password@api.example",
        "https://api.example?x=1",
        "https://api.example/#x",
        "ftp://api.example",
        "api.example",
        "https://",
        "https://[::1",
        "https://api.example:99999",
        "http://127.0.0.1:0",
        "https://bücher.example",
        "https://api.example/a b",
        "https://api.example/a/../b",
        "https://api.example/%7e",
        "https:// api.example",
        "https://*",
    ],
)
def test_a_base_url_that_is_not_plain_is_refused_at_once(url, wire):
    """The token goes by https, or to this machine; and to the URL as it is written, never to a rewritten one."""
    with pytest.raises(ConfigurationError) as caught:
        Client(wire.TOKEN, base_url=url)
    assert caught.value.setting == "AUGMENT_API_URL"


@pytest.mark.parametrize(
    "setting", [{"timeout": 0}, {"timeout": math.nan}, {"timeout": math.inf}, {"timeout": 1e12}, {"burst": -1}]
)
def test_a_setting_that_no_socket_or_bucket_takes_is_refused_at_once(setting, wire):
    """A wait without end, or none at all, is a ConfigurationError that names it, before anything is sent."""
    with pytest.raises(ConfigurationError) as caught:
        Client(wire.TOKEN, **setting)
    assert caught.value.setting in setting


def test_a_cache_file_is_of_one_token_and_one_api():
    """Another token or base URL is another file, whose name holds no token; the default port, written out, is none."""

    def name(token: str, url: str) -> str:
        path = Client(token, base_url=url).cache_path
        assert path is not None
        return path.name

    same = ("https://api.example", "https://API.example:443/", "https://api.example/")
    names = [name("token-one", url) for url in same]
    assert len(set(names)) == 1
    assert name("token-one", "http://127.0.0.1") == name("token-one", "http://127.0.0.1:80")
    others = [name("token-two", same[0]), name("token-one", "https://api.example/v2"), name("token-one", "https://b")]
    assert len({*names, *others}) == 4
    assert not any("token" in each for each in names + others)


def test_nothing_shows_the_token(wire):
    """The client, its settings and its copies never print the token, and it is not pickled."""
    client = Client(wire.TOKEN, base_url="http://127.0.0.1:9")
    for shown in (repr(client), str(client), repr(vars(client)), str(client.cache_path), format(client._token)):
        assert wire.TOKEN not in shown
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            leave(client._token)


@pytest.mark.parametrize("bad", ["two words", "line\nbreak", "naïve", "", "  ", "tab\tbed", "nul\0"])
def test_a_token_that_cannot_be_one_is_refused_unspoken(bad):
    """Blanks or line breaks are a copying mistake, which is not repeated; without any, both ways out are named."""
    with pytest.raises(ConfigurationError) as caught:
        Client(bad)
    assert caught.value.setting == "AUGMENT_API_TOKEN"
    assert not bad.strip() or bad not in str(caught.value)
    with pytest.raises(ConfigurationError, match=r"AUGMENT_API_TOKEN.*Client\.sample"):
        Client()


def test_who_has_no_home_is_told_and_fetches_all_the_same(monkeypatch, connect, api):
    """A container's user without HOME and without an entry in passwd: one warning that names the variable."""

    def unknown(_user: int) -> None:
        raise KeyError

    for name in ("HOME", "AUGMENT_INSIGHTS_CACHE"):
        monkeypatch.delenv(name)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.warns(CacheWarning, match="no home folder. Hint: set HOME, or AUGMENT_INSIGHTS_CACHE to"):
        client = connect(api.url)
    assert fetch.dau_count("2026-03-01", "2026-03-02", client=client).height == 2
    assert client.cache_path is None
    with pytest.raises(CacheError, match="no home folder"):
        settings.cache_root()
