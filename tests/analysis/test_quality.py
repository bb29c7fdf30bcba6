"""What is missing, double or unknown, told from a day or two of made-up rows."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from augment_insights import analysis
from augment_insights.errors import DateRangeError, TableError
from augment_insights.tables import DATA_QUALITY, EDITOR_LANGUAGE, ENDPOINT_TABLES

MONDAY, TUESDAY = date(2026, 1, 5), date(2026, 1, 6)


def editor_language(*rows: tuple[str, str | None, str, int, int]) -> pl.DataFrame:
    """Return rows of one Monday: user, language, editor, suggested and accepted completions."""
    names = ["user", "language", "editor", "completions_count", "completions_accepted"]
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(
        date=pl.lit(MONDAY), user_type=pl.lit("person"), total_messages=0
    )


def found(table: pl.DataFrame) -> dict[str, tuple[int, int]]:
    return {check: (affected, of) for check, affected, of, _ in table.rows()}


def test_each_kind_of_flaw_is_counted_over_its_own_rows_or_users() -> None:
    """Five rows of two users: one twice in another spelling, two without language, one editor unknown, one too keen."""
    rows = editor_language(
        ("ada@x.io", "Go", "Vim", 10, 3),
        ("Ada@x.io", "Go", "Vim", 10, 3),
        ("ada@x.io", None, "Vim", 10, 3),
        ("bob@x.io", " unknown", "Unknown", 10, 11),
        ("bob@x.io", "C", "Vim", 0, 0),
    )
    table = analysis.data_quality(editor_language=rows)
    assert DATA_QUALITY.check(table).columns == list(DATA_QUALITY.columns)
    assert found(table) == {
        "editor_language: rows twice": (1, 5),
        "editor_language: users in several spellings": (1, 2),
        "editor_language: rows without some metric": (0, 5),
        "editor_language: more accepted than suggested": (1, 5),
        "editor_language: unknown language": (2, 5),
        "editor_language: unknown editor": (1, 5),
    }
    assert table["affected_share"].to_list() == [0.2, 0.5, 0.0, 0.2, 0.4, 0.2]


def test_a_missing_day_is_one_of_the_range_without_a_row() -> None:
    """Monday of Monday and Tuesday is there; in the list of users a day without anybody is none that is missing."""
    counts = pl.DataFrame({"date": [MONDAY], "user_count": [0]})
    nobody = pl.DataFrame(schema={"date": pl.Date, "user": pl.String, "user_type": pl.String})
    table = analysis.data_quality(dau_count=counts, dau=nobody, start_date=MONDAY, end_date="2026-01-06")
    assert found(table)["dau_count: days missing"] == (1, 2)
    assert "dau: days missing" not in found(table)
    assert "dau_count: days missing" not in found(analysis.data_quality(dau_count=counts))


def test_a_null_in_any_metric_is_a_row_that_lacks_one() -> None:
    """Of two days one has no tool calls told."""
    usage = pl.DataFrame({"date": [MONDAY, TUESDAY], "total_messages": [4, 5], "total_tool_calls": [None, 7]})
    assert found(analysis.data_quality(daily_usage=usage))["daily_usage: rows without some metric"] == (1, 2)


def test_a_person_and_a_service_account_of_one_name_are_two_users() -> None:
    """And a service account's name is compared as it is written: CI and ci are two."""
    listed = pl.DataFrame(
        {
            "date": [MONDAY] * 3,
            "user": ["CI", "ci", "ci"],
            "user_type": ["service_account", "service_account", "person"],
        }
    )
    assert found(analysis.data_quality(dau=listed)) == {
        "dau: rows twice": (0, 3),
        "dau: users in several spellings": (0, 3),
    }


def test_nothing_to_look_at_is_no_share() -> None:
    """Empty tables have every check, with 0 of 0 and a null; no table at all has none."""
    table = analysis.data_quality(**{name: contract.empty() for name, contract in ENDPOINT_TABLES.items()})
    assert table["checked_count"].unique().to_list() == [0]
    assert table["affected_share"].null_count() == table.height > 10
    assert analysis.data_quality().equals(DATA_QUALITY.empty())


def test_a_range_that_runs_backwards_is_refused() -> None:
    """A negative number of missing days would be nonsense: the error names both days."""
    with pytest.raises(DateRangeError, match="ends before it starts: 2026-01-06 to 2026-01-05"):
        analysis.data_quality(dau=ENDPOINT_TABLES["dau"].empty(), start_date="2026-01-06", end_date="2026-01-05")


def test_a_frame_that_does_not_name_its_rows_is_refused() -> None:
    """The message names the table and the column."""
    with pytest.raises(TableError, match="editor_language needs the column 'language'"):
        analysis.data_quality(editor_language=EDITOR_LANGUAGE.empty().drop("language"))
