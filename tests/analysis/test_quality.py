"""Quality: what is missing, duplicate or unknown, and whether the tables agree, one fault at a time."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment_insights import analysis, tables
from augment_insights.errors import DateRangeError, TableError
from augment_insights.tables import DAILY_USAGE, DAU, DAU_COUNT, EDITOR_LANGUAGE, METRICS

EXAMPLES = Path(__file__).parents[1] / "data"
MONDAY, TUESDAY = date(2026, 1, 5), date(2026, 1, 6)
MESSAGES = ("chat", "remote_agent", "ide_agent", "cli_agent_interactive", "cli_agent_non_interactive")


def editor_language(*rows: tuple[str, str | None, str, int, int]) -> pl.DataFrame:
    """Return rows of one Monday: user, language, editor, suggested and accepted completions."""
    names = ["user", "language", "editor", "completions_count", "completions_accepted"]
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(
        date=pl.lit(MONDAY), user_type=pl.lit("person"), total_messages=0
    )


def found(table: pl.DataFrame) -> dict[str, tuple[int, int]]:
    return {check: (affected, of) for check, affected, of, _ in table.rows()}


def test_each_kind_of_flaw_is_counted_over_its_own_rows_or_users():
    """Five rows of two users: one twice in another spelling, two without language, one editor unknown, one too keen."""
    rows = editor_language(
        ("ada@x.io", "Go", "Vim", 10, 3),
        ("Ada@x.io", "Go", "Vim", 10, 3),
        ("ada@x.io", None, "Vim", 10, 3),
        ("bob@x.io", " unknown", "Unknown", 10, 11),
        ("bob@x.io", "C", "Vim", 0, 0),
    )
    table = analysis.data_quality(editor_language=rows)
    assert tables.DATA_QUALITY.check(table).columns == list(tables.DATA_QUALITY.columns)
    assert found(table) == {
        "editor_language: rows twice": (1, 5),
        "editor_language: users in several spellings": (1, 2),
        "editor_language: rows without some metric": (0, 5),
        "editor_language: more accepted than suggested": (1, 5),
        "editor_language: unknown language": (2, 5),
        "editor_language: unknown editor": (1, 5),
    }
    assert table["affected_share"].to_list() == [0.2, 0.5, 0.0, 0.2, 0.4, 0.2]


def test_a_day_without_a_row_or_a_row_without_a_metric_is_missing():
    """Of two days one is missing, or lacks a metric; in a list of users a day without anybody is not missing."""
    counts = pl.DataFrame({"date": [MONDAY], "user_count": [0]})
    nobody = pl.DataFrame(schema={"date": pl.Date, "user": pl.String, "user_type": pl.String})
    table = analysis.data_quality(dau_count=counts, dau=nobody, start_date=MONDAY, end_date="2026-01-06")
    assert found(table)["dau_count: days missing"] == (1, 2)
    assert "dau: days missing" not in found(table)
    assert "dau_count: days missing" not in found(analysis.data_quality(dau_count=counts))
    usage = pl.DataFrame({"date": [MONDAY, TUESDAY], "total_messages": [4, 5], "total_tool_calls": [None, 7]})
    assert found(analysis.data_quality(daily_usage=usage))["daily_usage: rows without some metric"] == (1, 2)


def test_a_person_and_a_service_account_of_one_name_are_two_users():
    """And a service account's name is compared as it is written: CI and ci are two."""
    kinds = ["service_account", "service_account", "person"]
    listed = pl.DataFrame({"date": [MONDAY] * 3, "user": ["CI", "ci", "ci"], "user_type": kinds})
    assert found(analysis.data_quality(dau=listed)) == {
        "dau: rows twice": (0, 3),
        "dau: users in several spellings": (0, 3),
    }


def test_nothing_to_look_at_is_no_share():
    """Empty tables have every check, with 0 of 0 and a null; no table has none, and an empty reconciliation."""
    table = analysis.data_quality(**{name: contract.empty() for name, contract in tables.ENDPOINT_TABLES.items()})
    assert table["checked_count"].unique().to_list() == [0]
    assert table["affected_share"].null_count() == table.height > 10
    assert analysis.data_quality().equals(tables.DATA_QUALITY.empty())
    for given_tables in ({}, {"daily_usage": DAILY_USAGE.empty(), "editor_language": EDITOR_LANGUAGE.empty()}):
        table = analysis.reconcile(**given_tables)
        assert table.schema == tables.RECONCILIATION.schema
        assert table.is_empty()
    empty = analysis.reconcile(dau_count=DAU_COUNT.empty(), dau=DAU.empty(), user_activity=tables.USER_ACTIVITY.empty())
    assert set(empty["status"]) == {"unknown"}


def test_what_is_no_range_or_no_table_is_refused():
    """A negative number of missing days would be nonsense; a table without its columns or dates is named."""
    counts = pl.DataFrame({"date": ["2026-01-05"], "user_count": [1]})
    with pytest.raises(DateRangeError, match="ends before it starts: 2026-01-06 to 2026-01-05"):
        analysis.data_quality(dau=DAU.empty(), start_date="2026-01-06", end_date="2026-01-05")
    with pytest.raises(TableError, match="editor_language needs the column 'language'"):
        analysis.data_quality(editor_language=EDITOR_LANGUAGE.empty().drop("language"))
    with pytest.raises(TableError, match=r"dau_count has 'date' as String.*cast"):
        analysis.reconcile(dau_count=counts, dau=DAU.empty())
    with pytest.raises(TableError, match="dau_count needs the column 'user_count'"):
        analysis.reconcile(dau_count=DAU_COUNT.empty().rename({"user_count": "count"}), dau=DAU.empty())


def day(number: int) -> date:
    return MONDAY + timedelta(days=number)


def daily(table, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Make a table of days from rows that name only what matters; other metrics are 0."""
    usual = {**dict.fromkeys(METRICS, 0), "user_type": "person", "language": "Go", "editor": "Vim"}
    return pl.DataFrame([{name: {**usual, **row}[name] for name in table.columns} for row in rows], schema=table.schema)


def of(table: pl.DataFrame, check: str) -> list[tuple[Any, ...]]:
    return table.filter(pl.col("check") == check).drop("check").rows()


def published_users() -> pl.DataFrame:
    """Read the documented example of user-activity: two people and a service account over six days."""
    records = json.loads((EXAMPLES / "user-activity.json").read_text(encoding="utf-8"))["users"]
    span = {"period_start": date(2025, 10, 15), "period_end": date(2025, 10, 20)}
    rows = []
    for record in records:
        user, kind = record.get("user_email"), "person"
        if user is None:
            user, kind = record["service_account_name"], "service_account"
        active = {"active_days": record["active_days"], **record["metrics"]}
        rows.append({**span, "user": user, "user_type": kind, **active})
    return pl.DataFrame(rows, schema=tables.USER_ACTIVITY.schema)


def test_the_published_example_breaks_its_own_sum():
    """Ada's 65 messages are 78 by mode: reported as a difference of -13, while the lines agree."""
    table = analysis.reconcile(user_activity=published_users())
    assert table.schema == tables.RECONCILIATION.schema
    assert of(table, "total_messages = modes (user_activity)") == [(None, 185, 198, -13, "differs")]
    assert of(table, "total_modified_lines_of_code = modes (user_activity)") == [(None, 930, 930, 0, "agrees")]
    alone = analysis.reconcile(user_activity=published_users().head(1))
    assert of(alone, "total_messages = modes (user_activity)") == [(None, 65, 78, -13, "differs")]


def test_dau_count_with_automation_in_it():
    """3 counted, 2 people and a service account listed: the reading of all users fits, and has the days."""
    counts = pl.DataFrame({"date": [day(0), day(1), day(2)], "user_count": [3, 1, 0]})
    listed = daily(
        DAU,
        [
            {"date": day(0), "user": "ada@x.io"},
            {"date": day(0), "user": "bob@x.io"},
            {"date": day(0), "user": "ci", "user_type": "service_account"},
            {"date": day(1), "user": "ada@x.io"},
            {"date": day(1), "user": "ada@x.io"},
        ],
    )
    table = analysis.reconcile(dau_count=counts.lazy(), dau=listed.lazy())
    assert of(table, "dau_count = dau (all users)") == [
        (day(0), 3, 3, 0, "agrees"),
        (day(1), 1, 1, 0, "agrees"),
        (day(2), 0, None, None, "unknown"),
        (None, 4, 4, 0, "agrees"),
    ]
    assert of(table, "dau_count = dau (people)") == [(None, 4, 3, 1, "differs")]


def test_dau_count_without_automation_in_it():
    """When the count is of people, that reading has the days; a day nobody is listed for, in between, is 0.

    The reading that fits worse can be left out.
    """
    counts = pl.DataFrame({"date": [day(0), day(1), day(2)], "user_count": [1, 1, 1]})
    rows = [{"date": day(n), "user": "ada@x.io"} for n in (0, 2)]
    rows += [{"date": day(n), "user": "ci", "user_type": "service_account"} for n in (0, 2)]
    table = analysis.reconcile(dau_count=counts, dau=daily(DAU, rows))
    assert of(table, "dau_count = dau (people)") == [
        (day(0), 1, 1, 0, "agrees"),
        (day(1), 1, 0, 1, "differs"),
        (day(2), 1, 1, 0, "agrees"),
        (None, 3, 2, 1, "differs"),
    ]
    assert of(table, "dau_count = dau (all users)") == [(None, 3, 4, -1, "differs")]
    told = analysis.reconcile(dau_count=counts, dau=daily(DAU, rows), both_readings=False)
    assert told["check"].to_list() == ["dau_count = dau (people)"] * 4


def test_user_days_are_counted_in_two_ways(make_usage):
    """Active days of week 0 are its daily counts; of week 1 a day is missing, so that nobody knows.

    A user without active_days makes the user-days unknown: no residual is made up.
    """
    usage = make_usage({"user": "ada@x.io", "active_days": 5}, {"user": "ada@x.io", "active_days": 2, "week": 1})
    counts = pl.DataFrame({"date": [day(n) for n in range(13)], "user_count": [1] * 5 + [0] * 2 + [1] * 6})
    table = analysis.reconcile(dau_count=counts, user_activity=usage)
    assert of(table, "user_activity active_days = dau_count (all users)") == [
        (day(0), 5, 5, 0, "agrees"),
        (day(7), 2, None, None, "unknown"),
        (None, 5, 5, 0, "agrees"),
    ]
    table = analysis.reconcile(dau_count=counts, user_activity=usage.with_columns(active_days=pl.lit(None, pl.Int64)))
    rows = table.filter(pl.col("check").str.starts_with("user_activity active_days"))
    assert rows.select("left", "residual", "status").unique().rows() == [(None, None, "unknown")]


def test_a_metric_that_differs_is_found(make_usage):
    """Users' messages of each week against the days of it; a metric unknown on one side is unknown."""
    usage = make_usage(
        {"user": "ada@x.io", "total_messages": 9, "total_tool_calls": None},
        {"user": "bob@x.io", "total_messages": 1},
        {"user": "ada@x.io", "total_messages": 4, "week": 1},
    )
    days = daily(DAILY_USAGE, [{"date": day(n), "total_messages": 1} for n in range(14)])
    table = analysis.reconcile(user_activity=usage, daily_usage=days)
    assert of(table, "user_activity = daily_usage: total_messages") == [
        (day(0), 10, 7, 3, "differs"),
        (day(7), 4, 7, -3, "differs"),
        (None, 14, 14, 0, "agrees"),
    ]
    assert of(table, "user_activity = daily_usage: total_tool_calls")[0] == (day(0), None, 0, None, "unknown")
    assert of(table, "user_activity = daily_usage: chat_messages")[2] == (None, 0, 0, 0, "agrees")


def test_records_by_language_are_checked_day_by_day():
    """An idle day between the records is 0; a day after them is not known."""
    records = [{"date": day(n), "user": "ada@x.io", "chat_messages": 2} for n in (0, 2)]
    records.append({"date": day(2), "user": "ada@x.io", "language": "C", "chat_messages": 1})
    days = [{"date": day(n), "chat_messages": count} for n, count in enumerate((2, 1, 3, 5))]
    table = analysis.reconcile(editor_language=daily(EDITOR_LANGUAGE, records), daily_usage=daily(DAILY_USAGE, days))
    assert of(table, "editor_language = daily_usage: chat_messages") == [
        (day(0), 2, 2, 0, "agrees"),
        (day(1), 0, 1, -1, "differs"),
        (day(2), 3, 3, 0, "agrees"),
        (day(3), None, 5, None, "unknown"),
    ]


def test_an_unknown_part_makes_a_total_unknown():
    """A null among the parts is not a 0: the sum is unknown, and not a difference."""
    days = daily(DAILY_USAGE, [{"date": day(0), "total_messages": 3, "chat_messages": None}])
    assert of(analysis.reconcile(daily_usage=days), "total_messages = modes (daily_usage)") == [
        (day(0), 3, None, None, "unknown")
    ]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 13),
            st.sampled_from(["ada@x.io", "bob@x.io", "ci"]),
            st.sampled_from(["Go", "C"]),
            st.lists(st.integers(0, 9), min_size=5, max_size=5),
        ),
        min_size=1,
        max_size=12,
        unique_by=lambda record: record[:3],
    )
)
def test_tables_of_one_truth_agree(records):
    """Five tables summed from the same records agree in every check that can be made."""
    rows = [
        {"date": day(n), "user": user, "user_type": "service_account" if user == "ci" else "person"}
        | {"language": language, "total_messages": sum(counts)}
        | {f"{mode}_messages": count for mode, count in zip(MESSAGES, counts, strict=True)}
        for n, user, language, counts in records
    ]
    languages, names = daily(EDITOR_LANGUAGE, rows), list(METRICS)
    listed = languages.select(*DAU.columns).unique()
    dates = pl.DataFrame({"date": [day(n) for n in range(14)]})
    days = dates.join(languages.group_by("date").agg(pl.col(names).sum()), on="date", how="left")
    counts = dates.join(listed.group_by("date").agg(user_count=pl.len()), on="date", how="left")
    weeks = languages.group_by("user", "user_type", period_start=pl.col("date").dt.truncate("1w")).agg(
        pl.col(names).sum(), active_days=pl.col("date").n_unique()
    )
    table = analysis.reconcile(
        dau_count=counts.fill_null(0),
        dau=listed,
        daily_usage=days.with_columns(pl.col(names).fill_null(0)),
        user_activity=weeks.with_columns(period_end=pl.col("period_start").dt.offset_by("6d")),
        editor_language=languages,
    )
    whole = table.filter(~pl.col("check").str.ends_with("(people)"))
    assert whole.filter(pl.col("status") == "differs").is_empty()
    known = (listed["date"].max() - listed["date"].min()).days + 1
    assert len(of(whole.filter(pl.col("status") == "agrees"), "dau_count = dau (all users)")) == known + 1
