"""What an error is, what it carries, and that it survives the way between processes."""

import copy
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment_insights import errors

EXAMPLES: list[errors.InsightsError] = [
    errors.ConfigurationError("m", setting="S"),
    errors.DateRangeError("m", start="a", end="b"),
    errors.ApiError("m", url="u", status=404, code="c", attempts=2),
    errors.AuthenticationError("m", url="u", status=401),
    errors.PermissionDeniedError("m", url="u", status=403),
    errors.InvalidRequestError("m", url="u", status=400),
    errors.RateLimitedError("m", url="u", status=429, retry_after=1.5),
    errors.ApiUnavailableError("m", url="u"),
    errors.UnexpectedResponseError("m", url="u", path="$.users"),
    errors.CacheError("m", path=Path("x")),
    errors.ArchiveError("m", path=Path("x")),
    errors.TableError("m", table="t", missing=["a"], hint="h"),
    errors.ReportError("m", template="t", cell=3, saved_to=Path("x")),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_a_process_pool(error):
    """Pickled or copied, it is of the same kind with the same words and data."""
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301 (our own)
        assert type(again) is type(error)
        assert again.args == error.args
        assert vars(again) == vars(error)
        assert str(again) == str(error)


def test_every_error_has_an_example_here():
    """A new kind of error is put through these tests too."""
    ours = {
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.InsightsError) and each is not errors.InsightsError
    }
    assert ours == {type(error) for error in EXAMPLES}


def test_the_tree_in_the_docstring_is_the_tree():
    """Each class is drawn once, indented under its base."""
    drawn = re.findall(r"^ {4}(.*?)(\w+(?:Error|Warning))\b", errors.__doc__ or "", flags=re.MULTILINE)
    by_name = {
        each.__name__: each
        for each in vars(errors).values()
        if isinstance(each, type) and each.__module__ == errors.__name__
    }
    assert sorted(name for _, name in drawn) == sorted(by_name)
    above: dict[int, str] = {}
    for indent, name in drawn:
        depth = len(indent) // 3
        above[depth] = name
        if depth:
            assert by_name[above[depth - 1]] in by_name[name].__bases__, name


def test_what_users_may_catch_otherwise():
    """Days and tables that are wrong are ValueErrors too, whose hint ends the message; warnings are UserWarnings."""
    assert str(errors.TableError("Wrong.", table="t", hint="do this.")) == "Wrong. Hint: do this."
    assert issubclass(errors.DateRangeError, ValueError)
    assert issubclass(errors.TableError, ValueError)
    assert issubclass(errors.InsightsWarning, UserWarning)


@given(word=st.text(max_size=20), known=st.lists(st.text(min_size=1, max_size=10), min_size=1, max_size=5))
def test_a_suggestion_is_always_a_known_word(word, known):
    """Whatever was mistyped, the end of the message names known words and no other."""
    told = errors.did_you_mean(word, known)
    named = [each for each in known if repr(each) in told or each in told]
    assert named
    assert told.startswith((" Hint: did you mean ", " Known: "))
