"""The roster: files and frames, spellings, dates, and the join that drops nobody."""

from __future__ import annotations

import builtins
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from augment_insights import analysis
from augment_insights.errors import DataWarning, TableError
from augment_insights.tables import ROSTER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CSV = "user,team,cost_centre,licensed_from,licensed_to\nbob@x.io,Search,0042,2026-02-01,\n Ada@x.io ,Payments,0007,,\n"


def test_a_csv_is_read_as_it_is_written(tmp_path: Path) -> None:
    """Names lose the spaces around them, codes keep their zeros, days become dates, rows are sorted."""
    path = tmp_path / "roster.csv"
    path.write_text(CSV, encoding="utf-8")
    roster = analysis.read_roster(path)
    assert roster.rows() == [
        ("Ada@x.io", "Payments", "0007", None, None),
        ("bob@x.io", "Search", "0042", date(2026, 2, 1), None),
    ]
    assert roster.schema["licensed_to"] == pl.Date
    ROSTER.check(roster)
    assert analysis.read_roster(str(path)).equals(roster)
    assert analysis.read_roster(roster).equals(roster)


def test_parquet_and_frames_are_read_alike(tmp_path: Path) -> None:
    """A Parquet file, a DataFrame and a LazyFrame of it give the same roster; moments become days."""
    moment = pl.Series(["2026-01-31 09:00"]).str.to_datetime()
    frame = pl.DataFrame({"user": ["ada@x.io"], "licensed_from": moment, "licensed_to": [None]})
    frame.write_parquet(tmp_path / "roster.parquet")
    expected = [("ada@x.io", date(2026, 1, 31), None)]
    for source in (tmp_path / "roster.parquet", frame, frame.lazy()):
        assert analysis.read_roster(source).rows() == expected


def test_excel_without_its_engine_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where fastexcel is not installed, the error names it and the way around it."""
    real_import = builtins.__import__

    def without_fastexcel(name: str, *args: Any, **more: Any) -> Any:
        if name == "fastexcel":
            raise ModuleNotFoundError(name)
        return real_import(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without_fastexcel)
    monkeypatch.setattr("importlib.import_module", without_fastexcel)
    path = tmp_path / "roster.xlsx"
    path.write_bytes(b"PK")
    with pytest.raises(TableError, match=r"fastexcel.*CSV"):
        analysis.read_roster(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("roster.csv", b"mail,team\na,b\n", "needs the column 'user'"),
        ("roster.csv", b"user,licensed_from\nada@x.io,31.01.2026\n", "31.01.2026.*YYYY-MM-DD"),
        ("roster.csv", b"user,licensed_from\nada@x.io,2026-02-30\n", "2026-02-30"),
        ("roster.csv", b"user,licensed_from,licensed_to\nada@x.io,2026-02-02,2026-02-01\n", "1 licence with an end before the start"),
        ("roster.csv", b"user,team\nada@x.io,A\nADA@x.io,B\n", "different things about one user: ADA@x.io, ada@x.io"),
        ("roster.csv", b"", "cannot be read"),
        ("roster.parquet", b"not parquet", "cannot be read"),
        ("roster.ods", b"", "ends in .csv, .parquet, .xlsx"),
        ("elsewhere/roster.csv", None, "no roster at"),
    ],
)
def test_a_bad_roster_says_what_is_wrong(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    """Each mistake is one error with the value that is wrong, not a traceback of the reader."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TableError, match=message):
        analysis.read_roster(path)


def test_a_date_of_another_kind_is_refused() -> None:
    """A number (an Excel serial) is no day: it is not guessed at."""
    with pytest.raises(TableError, match=r"Int64.*licensed_from"):
        analysis.read_roster(pl.DataFrame({"user": ["ada@x.io"], "licensed_from": [46000]}))


def test_the_same_user_twice_counts_once() -> None:
    """Two spellings with the same facts are one row, and said."""
    frame = pl.DataFrame({"user": ["ada@x.io", "Ada@x.io", "bob@x.io"], "team": ["A", "A", "B"]})
    with pytest.warns(DataWarning, match="Dropped 1 duplicate row of the roster"):
        roster = analysis.read_roster(frame)
    assert roster.rows() == [("Ada@x.io", "A"), ("bob@x.io", "B")]


def test_rows_without_a_user_are_left_out() -> None:
    """An empty row is nothing; a row with a team and no user is said."""
    frame = pl.DataFrame({"user": ["ada@x.io", None, "  "], "team": ["A", None, "B"]})
    with pytest.warns(DataWarning, match="Dropped 1 row of the roster without a user"):
        assert analysis.read_roster(frame).height == 1


def test_an_empty_roster_is_a_roster() -> None:
    """No rows give no rows, with the same columns."""
    empty = pl.DataFrame(schema={"user": pl.String, "team": pl.String, "licensed_from": pl.String})
    assert analysis.read_roster(empty).schema == pl.Schema(
        {"user": pl.String, "team": pl.String, "licensed_from": pl.Date}
    )


# ---- the join ----

ROSTER_ROWS = pl.DataFrame({"user": ["ada@x.io", "bob@x.io"], "team": ["Payments", "Search"]})


def test_every_row_keeps_its_place(make_usage: Callable[..., pl.DataFrame]) -> None:
    """Rows stay in their order, e-mails match in any case, and strangers of both sides are named."""
    usage = make_usage(
        {"user": "cyd@x.io"}, {"user": "ADA@x.io"}, {"user": "bob@x.io", "user_type": "service_account"}, {"user": None}
    )
    with pytest.warns(DataWarning) as caught:
        joined = analysis.join_roster(usage, ROSTER_ROWS)
    assert joined.select("user", "team").rows() == [
        ("cyd@x.io", None),
        ("ADA@x.io", "Payments"),
        ("bob@x.io", None),
        (None, None),
    ]
    assert joined.drop("team").equals(usage)
    (warning,) = caught
    assert str(warning.message) == (
        "1 user of the frame not on the roster (cyd@x.io); 1 user on the roster without a row in the frame (bob@x.io)."
    )


def test_strangers_need_not_be_named(make_usage: Callable[..., pl.DataFrame]) -> None:
    """The same rows, and no warning: warnings are errors here."""
    usage = make_usage({"user": "cyd@x.io"}, {"user": "ADA@x.io"})
    assert analysis.join_roster(usage, ROSTER_ROWS, warn=False)["team"].to_list() == [None, "Payments"]


def test_a_full_match_says_nothing(make_usage: Callable[..., pl.DataFrame]) -> None:
    """When both sides know each other there is no warning (warnings are errors here), and lazy frames do."""
    usage = make_usage({"user": "ada@x.io"}, {"user": "bob@x.io"})
    assert analysis.join_roster(usage.lazy(), ROSTER_ROWS.lazy())["team"].to_list() == ["Payments", "Search"]


def test_a_result_by_user_can_be_joined_too(make_usage: Callable[..., pl.DataFrame]) -> None:
    """A result without user_type is one of people."""
    counts = {"completions_count": 2, "completions_accepted": 1}
    rates = analysis.acceptance_rate(
        make_usage({"user": "ada@x.io", **counts}, {"user": "bob@x.io", **counts}), by="user"
    )
    assert analysis.join_roster(rates, ROSTER_ROWS)["team"].to_list() == ["Payments", "Search"]


def test_two_columns_of_one_name_are_refused(make_usage: Callable[..., pl.DataFrame]) -> None:
    """A team on both sides is not renamed behind the analyst's back."""
    with pytest.raises(TableError, match=r"both have 'team'.*frame.drop"):
        analysis.join_roster(make_usage({"user": "ada@x.io", "team": "A"}), ROSTER_ROWS)
