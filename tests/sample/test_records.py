"""Records from outside: what is kept, what is refused, and in which words."""

from datetime import date

import pytest

from augment_insights.errors import ConfigurationError
from augment_insights.metrics import METRICS
from augment_insights.sample import RecordStore
from augment_insights.transport.messages import Metrics


def test_metric_names_are_those_of_the_wire():
    """The one list names the metrics of the API's messages, in their order."""
    assert tuple(METRICS) == Metrics.__struct_fields__


def test_days_span_the_first_to_the_last_active_day(record):
    """Days come in any order, as dates or texts; the span holds the earliest and the latest; no records, no days."""
    store = RecordStore([record("2026-01-09"), record(date(2026, 1, 5)), record("2026-01-07")])
    assert str(store.days) == "2026-01-05 to 2026-01-09"
    assert store.records_on(date(2026, 1, 6)) == ()
    assert RecordStore([]).days is None
    assert RecordStore([]).records_on(date(2026, 1, 1)) == ()


@pytest.mark.parametrize("metrics", [{"total_messages": 0}, {"total_messages": None}, {}])
def test_a_record_is_activity_whatever_its_numbers(record, metrics):
    """A row of zeros, or of nothing, is kept: real reports have such days, and the user was active."""
    store = RecordStore([record("2026-01-05", metrics=metrics)])
    assert [kept.user for kept in store.records_on(date(2026, 1, 5))] == ["ada@example.com"]


def test_missing_metrics_stay_missing(record):
    """A metric that is not given, or None, is not turned into zero."""
    store = RecordStore([record("2026-01-05", metrics={"total_messages": 2, "chat_messages": None})])
    (kept,) = store.records_on(date(2026, 1, 5))
    assert dict(zip(METRICS, kept.metrics, strict=True)) == dict.fromkeys(METRICS) | {"total_messages": 2}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"date": "05.01.2026"}, "no day that can be read"),
        ({"date": None}, "no day that can be read"),
        ({"user_email": None}, "exactly one of"),
        ({"service_account_name": "ci-bot"}, "exactly one of"),
        ({"user_email": ""}, "needs user_email as text"),
        ({"language": 3}, "needs language as text"),
        ({"editor": None}, "'Unknown'"),
        ({"editors": "VSCode"}, "did you mean 'editor'"),
        ({"metrics": None}, "needs metrics"),
        ({"metrics": [1, 2]}, "needs metrics"),
        ({"metrics": {"total_message": 1}}, "did you mean 'total_messages'"),
        ({"metrics": {"total_messages": -1}}, "total_messages=-1"),
        ({"metrics": {"total_messages": 1.5}}, "total_messages=1.5"),
        ({"metrics": {"total_messages": True}}, "total_messages=True"),
    ],
)
def test_a_bad_record_is_named_by_its_place(record, change, words):
    """The error says which record it is, counted from 0, and what is wrong with it."""
    with pytest.raises(ConfigurationError, match=r"^records\[1\] ") as caught:
        RecordStore([record("2026-01-04"), {**record("2026-01-05"), **change}])
    assert words in str(caught.value)
    assert caught.value.setting == "records[1]"


def test_what_is_no_record_or_the_same_record_twice_is_refused(record):
    """A tuple is refused in words; two rows of one day, user, language and editor are an export read twice."""
    with pytest.raises(ConfigurationError, match=r"records\[0\] is of the type tuple"):
        RecordStore([("2026-01-05", "ada@example.com")])
    same = record("2026-01-05")
    with pytest.raises(ConfigurationError, match=r"records\[2\] has the same .* as records\[0\]"):
        RecordStore([same, record("2026-01-06"), same])


def test_another_editor_language_or_kind_of_user_is_another_record(record):
    """Only all four parts together name a record."""
    others = [record("2026-01-05", editor="Vim"), record("2026-01-05", language="Go")]
    account = {**record("2026-01-05", "x"), "service_account_name": "ada@example.com"}
    store = RecordStore([record("2026-01-05"), *others, account])
    assert len(store.records_on(date(2026, 1, 5))) == 4
