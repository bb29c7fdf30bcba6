"""Whose activity counts, in what groups, and in what frames: each question of activity answers alike."""

import gc
import weakref
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_insights import analysis
from augment_insights.errors import DataWarning, TableError
from augment_insights.tables import COHORT_RETENTION

MONDAY = date(2026, 1, 5)
KINDS = pl.Enum(["person", "service_account"])
QUESTIONS: dict[str, Callable[[Any], pl.DataFrame]] = {
    "active_users": lambda days: analysis.active_users(days, every="1w", as_of="2026-03-20"),
    "by team": lambda days: analysis.active_users(days, by="team", user_type="all"),
    "by team and kind": lambda days: analysis.lifecycle(days, every="1d", by=["team", "user_type"], user_type="all"),
    "rolling": lambda days: analysis.rolling_active_users(days, windows=(1, 3, 28)),
    "stickiness": lambda days: analysis.stickiness(days, window=7),
    "L-ness": lambda days: analysis.active_day_distribution(days, window=14),
    "lifecycle": lambda days: analysis.lifecycle(days, every="1w", lookback=9),
    "bots": lambda days: analysis.lifecycle(days, every="1w", user_type="service_account"),
    "retention": lambda days: analysis.cohort_retention(days, every="1w", lookback=9),
    "retention by team": lambda days: analysis.cohort_retention(days, every="1d", by="team", as_of="2026-01-25"),
    "unbounded": lambda days: analysis.cohort_retention(days, every="1w", kind="unbounded"),
    "recurring": lambda days: analysis.cohort_retention(days, every="1w", cohort="recurring"),
    "recurring, unbounded": lambda days: analysis.cohort_retention(
        days, every="1w", cohort="recurring", kind="unbounded"
    ),
    "by user": lambda days: analysis.active_users(days, every="1mo", by="user"),
    "adoption_curve": lambda days: analysis.adoption_curve(days, licences=9),
    "survival": lambda days: analysis.survival(days, inactive_days=5),
}
USERS = ("ada@x.io", "ADA@x.io", "bob@x.io", "cyd@x.io", "CI", "ci")
rows_of_activity = st.lists(
    st.tuples(st.integers(0, 45), st.sampled_from(USERS), st.sampled_from(["red", "blue", None])), min_size=4
)


def numbers(frame: pl.DataFrame, column: str = "active_users") -> list[int]:
    return frame[column].to_list()


def table(rows: list[tuple[int, str, str | None]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "date": [MONDAY + timedelta(days=day) for day, _, _ in rows],
            "user": [user for _, user, _ in rows],
            "user_type": pl.Series(
                ["person" if "@" in user else "service_account" for _, user, _ in rows], dtype=KINDS
            ),
            "team": pl.Series([team for _, _, team in rows], dtype=pl.String),
        }
    )


@pytest.mark.slow
@settings(max_examples=20)
@given(rows=rows_of_activity, seed=st.integers(0, 99))
def test_neither_order_nor_repetition_nor_laziness_changes_an_answer(rows, seed):
    """Shuffled rows, rows that come twice, a LazyFrame and a prepared table give what the plain table gives."""
    activity = table(rows)
    shuffled = pl.concat([activity, activity.head(3)]).sample(fraction=1, shuffle=True, seed=seed)
    frames = [activity.sort("date"), shuffled, analysis.prepare(shuffled), analysis.prepare(shuffled.lazy())]
    for name, question in QUESTIONS.items():
        plain = question(activity)
        assert all(question(frame).equals(plain) for frame in frames), name


@pytest.mark.parametrize("dtype", [pl.UInt32, pl.Int64, pl.Categorical])
def test_users_may_be_coded(dtype):
    """A number or a category in place of a name, as an archive stores them, is a user too, streamed and in memory."""
    named = table([(day, f"{code}", None) for code in range(9) for day in range(0, 60, code + 1)])
    named = named.with_columns(user_type=pl.lit("person", dtype=KINDS))
    coded = named.with_columns(pl.col("user").cast(dtype))
    for name, question in QUESTIONS.items():
        if name != "by user":
            expected = question(named)
            assert question(coded).equals(expected), name
            assert question(coded.lazy()).equals(expected), name


def test_no_rows_give_no_rows_and_the_same_columns():
    """An empty frame is answered with an empty table of the same schema, groups included."""
    activity = table([(0, "ada@x.io", "red"), (9, "ada@x.io", "red")])
    for question in QUESTIONS.values():
        nothing = question(activity.clear())
        assert nothing.schema == question(activity).schema
        assert question(activity.clear().lazy()).equals(nothing)
        assert nothing.is_empty()


def test_as_of_leaves_later_rows_out(make_activity):
    """The answer as of a day is that of a table that ends there; a day before the data knows nothing."""
    activity = make_activity({"ada@x.io": [0, 3, 9], "bob@x.io": [8]})
    early = activity.filter(pl.col("date") <= date(2026, 1, 9))
    for question in (
        analysis.active_users, analysis.rolling_active_users, analysis.stickiness, analysis.active_day_distribution,
        analysis.adoption_curve, analysis.lifecycle, analysis.cohort_retention, analysis.survival,
    ):  # fmt: skip
        assert question(activity, as_of="2026-01-09").equals(question(early, as_of=date(2026, 1, 9)))
        assert question(activity, as_of="2026-01-01").is_empty()


def test_weekly_rows_answer_weeks_and_not_days():
    """Rows of weeks, clipped at a range's border, give weekly users; days and months are refused with a hint."""
    weekly = pl.DataFrame(
        {
            "period_start": [date(2026, 1, 1), date(2026, 1, 5), date(2026, 1, 26)],
            "period_end": [date(2026, 1, 4), date(2026, 1, 11), date(2026, 1, 30)],
            "user": ["ada@x.io"] * 3,
            "user_type": ["person"] * 3,
        }
    )
    table = analysis.active_users(weekly, every="1w")
    assert table.select("period_start", "active_users", "is_complete").rows() == [
        (date(2025, 12, 29), 1, False),
        (date(2026, 1, 5), 1, True),
        (date(2026, 1, 12), 0, True),
        (date(2026, 1, 19), 0, True),
        (date(2026, 1, 26), 1, False),
    ]
    assert numbers(analysis.active_users(weekly, every="1mo")) == [1]
    with pytest.raises(TableError, match=r"2026-01-01 to 2026-01-04.*Hint: fetch finer rows"):
        analysis.active_users(weekly, every="1d")
    with pytest.raises(TableError, match="one row a user and day"):
        analysis.rolling_active_users(weekly)
    across = weekly.with_columns(period_end=pl.col("period_end").dt.offset_by("2d"))
    with pytest.raises(TableError, match="every='1mo' cannot be answered"):
        analysis.active_users(across, every="1mo")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _frame: [1, 2], "Polars DataFrame or LazyFrame is needed"),
        (lambda frame: frame.drop("user_type"), "needs the column 'user_type'"),
        (lambda frame: frame.drop("date"), "needs the column 'date', or 'period_start' and 'period_end'"),
        (lambda frame: frame.with_columns(pl.col("date").cast(pl.String)), "'date' as String"),
        (lambda frame: frame.with_columns(date=pl.lit(None, dtype=pl.Date)), "1 row without a day"),
        (lambda frame: frame.rename({"date": "period_start"}), "needs the column 'period_end'"),
        (
            lambda frame: frame.select(
                "user", "user_type", period_start="date", period_end=pl.col("date").dt.offset_by("-1d")
            ),
            "1 row with a period_end before the period_start",
        ),
    ],
)
def test_a_frame_that_breaks_its_contract_is_told_how(make_activity, change, message):
    """A missing column, a date as text, a row without a day: each is a TableError that says which."""
    with pytest.raises(TableError, match=message):
        analysis.active_users(change(make_activity({"ada@x.io": [0]})))


@pytest.mark.parametrize("start", [date(2059, 9, 17), date(2059, 9, 18), date(1880, 4, 13), date(9990, 1, 1)])
def test_days_are_told_apart_in_any_century(make_activity, start):
    """Days of 16 bits from 1970 would end on 17 September 2059, and begin in 1880: none is lost there."""
    activity = make_activity({"ada@x.io": [0, 1, 3], "bob@x.io": [2, 40]}, start=start)
    assert numbers(analysis.active_users(activity)) == [1, 1, 1, 1, *[0] * 36, 1]
    two_days = analysis.rolling_active_users(activity, windows=[2])
    assert numbers(two_days) == [1, 1, 2, 2, 1, *[0] * 35, 1]


def test_an_as_of_in_another_century_is_a_mistake(make_activity):
    """A slip in a year, of as_of or of a row, would lay out millions of empty days: it is said."""
    activity = make_activity({"ada@x.io": [0, 1]})
    for question in (analysis.active_users, analysis.cohort_retention, analysis.lifecycle):
        with pytest.raises(ValueError, match=r"as_of='9999-12-30' is 797\d years after 2026-01-05.*year right"):
            question(activity, as_of="9999-12-30")
    activity = make_activity({"ada@x.io": [0, 70_000]})
    with pytest.raises(TableError, match="one of these days is a mistake"):
        analysis.active_users(activity)


@pytest.mark.parametrize("name", ["group", "label", "day", "users", "user_key", "gap", "first", "cohort_label"])
def test_a_group_may_have_any_name(make_activity, name):
    """No name of a column is taken but those of the result."""
    activity = make_activity({"ada@x.io": [0, 7], "bob@x.io": [7]}).with_columns(
        pl.Series(name, ["red", "blue", "red"]), team=pl.Series(["red", "blue", "red"])
    )
    for question in (
        analysis.active_users,
        lambda frame, by: analysis.rolling_active_users(frame, by=by),
        lambda frame, by: analysis.lifecycle(frame, by=by),
        lambda frame, by: analysis.cohort_retention(frame, by=by, kind="unbounded"),
        lambda frame, by: analysis.cohort_retention(frame, by=by, cohort="recurring"),
    ):
        assert question(activity, by=name).equals(question(activity, by="team").rename({"team": name}))


def test_several_columns_group_together_and_null_is_a_group(make_activity):
    """Each combination that occurs is a group, a missing value too; the columns of a user are groups like any other."""
    activity = make_activity({"ada@x.io": [0], "bob@x.io": [0], "cyd@x.io": [0]}).with_columns(
        team=pl.Series(["red", "red", None]), site=pl.Series(["a", "b", "b"])
    )
    table = analysis.active_users(activity, by=["team", "site"])
    assert table.select("team", "site", "active_users").rows() == [("red", "a", 1), ("red", "b", 1), (None, "b", 1)]
    activity = make_activity({"ada@x.io": [0, 1]})
    assert analysis.active_users(activity, every="1w", by="user").select("user", "active_users").rows() == [
        ("ada@x.io", 1)
    ]
    assert analysis.active_users(activity, by="user_type", user_type="all")["active_users"].to_list() == [1, 1]
    spelled = make_activity({"ada@x.io": [0], "Ada@x.io": [1], "bob@x.io": [1]})
    assert analysis.active_users(spelled, by="user").select("user", "active_users").rows() == [
        ("Ada@x.io", 1), ("bob@x.io", 0), ("Ada@x.io", 1), ("bob@x.io", 1),
    ]  # fmt: skip


def test_a_group_must_exist_and_not_be_taken(make_activity):
    """A mistyped group, population or period names what there is; a column of the result is refused."""
    activity = make_activity({"ada@x.io": [0]}).with_columns(team=pl.lit("red"), is_complete=pl.lit("x"))
    with pytest.raises(TableError, match="did you mean 'team'"):
        analysis.active_users(activity, by="taem")
    with pytest.raises(ValueError, match="column of the result itself"):
        analysis.active_users(activity, by="is_complete")
    with pytest.raises(ValueError, match="twice"):
        analysis.active_users(activity, by=["team", "team"])
    activity = make_activity({"ada@x.io": [0]})
    with pytest.raises(ValueError, match="did you mean 'person'"):
        analysis.active_users(activity, user_type="persons")
    with pytest.raises(ValueError, match="'1d', '1w', '1mo', '1q'"):
        analysis.active_users(activity, every="week")


def test_people_and_automation_are_apart(make_activity):
    """People count by default; a service account of a person's name is another; its days alone are zero people."""
    activity = pl.concat(
        [
            make_activity({"ci": [0], "ada@x.io": [1]}),
            make_activity({"ci": [0, 2], "CI": [0]}, user_type="service_account"),
        ]
    )
    assert numbers(analysis.active_users(activity)) == [1, 1, 0]
    assert numbers(analysis.active_users(activity, user_type="service_account")) == [2, 0, 1]
    assert numbers(analysis.active_users(activity, user_type="all")) == [3, 1, 1]
    assert numbers(analysis.active_users(activity, every="1w", user_type="all")) == [4]
    activity = make_activity({"ci": [0, 2]}, user_type="service_account")
    assert numbers(analysis.active_users(activity)) == [0, 0, 0]
    assert analysis.active_users(activity, by="user").is_empty()
    assert set(numbers(analysis.rolling_active_users(activity))) == {0}
    assert set(numbers(analysis.lifecycle(activity))) == {0}
    assert analysis.stickiness(activity)["stickiness_rate"].is_null().all()
    assert analysis.survival(activity).is_empty()


def test_one_address_in_two_spellings_is_one_person(make_activity):
    """E-mails in any case are one person, accounts' names are exact; rows without a user are left out, and counted."""
    people = make_activity({"Ada@X.io": [0], "ada@x.io": [0], "ÉVE@x.io": [0], "éve@x.io": [0]})
    assert numbers(analysis.active_users(people)) == [2]
    assert numbers(analysis.active_users(people, user_type="all")) == [2]
    assert analysis.survival(people, as_of="2026-02-02")["at_risk_users"].to_list() == [2]
    bots = make_activity({"CI": [0], "ci": [0]}, user_type="service_account")
    assert numbers(analysis.active_users(bots, user_type="service_account")) == [2]
    assert numbers(analysis.active_users(bots, user_type="all")) == [2]
    nobody = pl.lit(None, dtype=pl.String).alias("user")
    activity = pl.concat([make_activity({"ada@x.io": [0]}), make_activity({"x": [0, 1]}).with_columns(nobody)])
    with pytest.warns(DataWarning, match="2 rows of activity without a user"):
        assert numbers(analysis.active_users(activity)) == [1, 0]
    with pytest.warns(DataWarning, match="2 rows of activity without a user"):
        assert numbers(analysis.active_users(activity.lazy())) == [1, 0]


def test_a_row_of_no_active_days_is_no_activity(make_usage):
    """A name on the list of a week on which the user did nothing: not active, and not new; the week itself is known."""
    weekly = make_usage(
        {"user": "ada@x.io", "active_days": 2, "total_messages": 3, "chat_messages": 3},
        {"user": "bob@x.io", "active_days": 0},
        {"user": "bob@x.io", "week": 1, "active_days": None, "chat_messages": 1},
        {"user": "cyd@x.io", "week": 2, "active_days": 0},
    )
    assert analysis.active_users(weekly, every="1w")["active_users"].to_list() == [1, 1, 0]
    assert analysis.lifecycle(weekly, every="1w")["new_users"].to_list() == [1, 1, 0]
    chat = analysis.feature_adoption(weekly).filter(pl.col("feature") == "chat")
    assert chat.select("active_users", "feature_users").row(0) == (2, 2)


def test_a_prepared_table_answers_every_choice(make_activity):
    """One prepared table gives each function, population, group and day what the frame itself gives."""
    activity = pl.concat(
        [
            make_activity({"Ada@x.io": [0, 8, 30], "ada@x.io": [1]}),
            make_activity({"ci": [3]}, user_type="service_account"),
        ]
    ).with_columns(team=pl.Series(["red", "blue", "red", "red", "blue"]))
    days = analysis.prepare(activity)
    assert analysis.prepare(days) is days
    for choice in (
        {}, {"user_type": "all"}, {"by": "team"}, {"as_of": "2026-01-20"}, {"by": ["team"], "user_type": "all"},
    ):  # fmt: skip
        for _ in range(2):
            assert analysis.active_users(days, **choice).equals(analysis.active_users(activity, **choice))
            assert analysis.lifecycle(days, **choice).equals(analysis.lifecycle(activity, **choice))
            assert analysis.cohort_retention(days, **choice).equals(analysis.cohort_retention(activity, **choice))


def test_an_answer_lets_go_of_the_memory_it_took(make_activity):
    """What was put in order goes when its last user does: many bytes a row do not wait for the collector of cycles."""
    days = analysis.prepare(make_activity({"ada@x.io": [0, 7]}))
    analysis.cohort_retention(days)
    analysis.lifecycle(days, every="1d")
    order = days.ordered(COHORT_RETENTION, user_type="person", as_of=None)
    left = weakref.ref(days), weakref.ref(order)
    gc.disable()
    try:
        del days, order
        assert [thing() for thing in left] == [None, None]
    finally:
        gc.enable()


def test_names_that_are_nearly_alike_are_as_many_users():
    """Names are told apart by a hash of 64 bits; one of 32 would lose some five users of 200,000."""
    count = 200_000
    names = pl.select(user=pl.format("user{}@corp.io", pl.int_range(count)))
    activity = names.with_columns(date=pl.lit(date(2026, 1, 5)), user_type=pl.lit("person"))
    assert analysis.active_users(activity)["active_users"].to_list() == [count]
