"""Features: who uses which mode, what each mode carries, and where people move to."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_insights import analysis
from augment_insights.errors import DataWarning, TableError
from augment_insights.tables import (
    DAILY_USAGE,
    FEATURE_ADOPTION,
    METRICS,
    MODE,
    MODE_MIX,
    MODE_TRANSITIONS,
    USER_ACTIVITY,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeUsage = Callable[..., pl.DataFrame]

MODES = ["completions", "chat", "ide_agent", "remote_agent", "cli_agent_interactive", "cli_agent_non_interactive"]
few = settings(max_examples=40, deadline=None)


def test_modes_stand_in_a_fixed_order() -> None:
    """The order of every table is that of the definitions."""
    assert MODE.categories.to_list() == MODES


def test_feature_adoption_by_hand(make_usage: MakeUsage, assert_keeps: Callable[..., None]) -> None:
    """Three people: one chats in two weeks, two have completions, one has agent lines without a message."""
    usage = make_usage(
        {"user": "ada@x.io", "chat_messages": 3, "completions_count": 8},
        {"user": "Ada@x.io", "chat_messages": 1, "week": 1},
        {"user": "bob@x.io", "completions_count": 1},
        {"user": "cyd@x.io", "remote_agent_lines_of_code": 40},
        {"user": "ci", "user_type": "service_account", "cli_agent_non_interactive_messages": 90},
    )
    table = analysis.feature_adoption(usage)
    assert_keeps(table, FEATURE_ADOPTION)
    assert table.select("feature", "active_users", "feature_users").rows() == [
        ("completions", 3, 2),
        ("chat", 3, 1),
        ("ide_agent", 3, 0),
        ("remote_agent", 3, 1),
        ("cli_agent_interactive", 3, 0),
        ("cli_agent_non_interactive", 3, 0),
    ]
    assert table["feature_rate"][1] == pytest.approx(1 / 3)
    everybody = analysis.feature_adoption(usage, user_type="all")
    assert everybody["feature_users"].to_list() == [2, 1, 0, 1, 0, 1]


def test_features_by_team_keep_order_and_groups(make_usage: MakeUsage, assert_keeps: Callable[..., None]) -> None:
    """Modes first, then teams (no team last); a user of two teams counts in both."""
    usage = make_usage(
        {"user": "ada@x.io", "team": "B", "chat_messages": 3},
        {"user": "ada@x.io", "team": "A", "week": 1},
        {"user": "bob@x.io", "team": None, "chat_messages": 1},
    )
    table = analysis.feature_adoption(usage, by="team")
    assert_keeps(table, FEATURE_ADOPTION, by=["team"], before="active_users")
    chat = table.filter(pl.col("feature") == "chat")
    assert chat.select("team", "active_users", "feature_users").rows() == [("A", 1, 0), ("B", 1, 1), (None, 1, 1)]


def test_an_unknown_mode_is_not_an_unused_one(make_usage: MakeUsage) -> None:
    """A mode that the API reports for nobody has no rate; one that it reports for one user has."""
    unknown = {"chat_messages": None, "ide_agent_messages": None, "ide_agent_lines_of_code": None}
    usage = make_usage({"user": "ada@x.io", **unknown}, {"user": "bob@x.io", **unknown, "ide_agent_messages": 0})
    table = analysis.feature_adoption(usage)
    assert table.filter(pl.col("feature") == "chat")["feature_users"].to_list() == [None]
    assert table.filter(pl.col("feature") == "chat")["feature_rate_low"].to_list() == [None]
    assert table.filter(pl.col("feature") == "ide_agent")["feature_users"].to_list() == [0]


def test_mode_mix_by_hand(make_usage: MakeUsage) -> None:
    """30 chat and 10 agent messages are 75 and 25 %; the API's own total (99) is not the whole."""
    usage = make_usage(
        {"user": "ada@x.io", "chat_messages": 30, "total_messages": 99, "completions_lines_of_code": 6},
        {"user": "bob@x.io", "ide_agent_messages": 10, "ide_agent_lines_of_code": 2},
    )
    table = analysis.mode_mix(usage)
    assert table.schema == MODE_MIX.schema
    assert table.rows()[:3] == [
        ("completions", None, None, 6, 0.75),
        ("chat", 30, 0.75, None, None),
        ("ide_agent", 10, 0.25, 2, 0.25),
    ]


def test_mode_mix_over_time_of_daily_usage() -> None:
    """Days without users, by week: the period first, then groups, then six modes; an idle week has no shares."""
    days = pl.DataFrame({"date": [date(2026, 1, 6), date(2026, 1, 12)], **{name: [0, 0] for name in METRICS}})
    days = days.with_columns(
        chat_messages=pl.Series([4, 0]), completions_suggested_lines_of_code=pl.lit(None, pl.Int64)
    )
    DAILY_USAGE.check(days)
    table = analysis.mode_mix(days, every="1w")
    assert table.columns == ["period_start", *MODE_MIX.columns]
    assert table["period_start"].to_list() == [date(2026, 1, 5)] * 6 + [date(2026, 1, 12)] * 6
    chat = table.filter(pl.col("mode") == "chat")
    assert chat.select("messages_count", "messages_share").rows() == [(4, 1.0), (0, None)]


@few
@given(st.lists(st.lists(st.integers(0, 9), min_size=10, max_size=10), min_size=1, max_size=6))
def test_shares_are_of_one_whole(rows: list[list[int]]) -> None:
    """Shares of messages add up to 1 where there is a message, and so do shares of lines."""
    names = [name for name in METRICS if name.endswith(("messages", "lines_of_code")) and not name.startswith("total")]
    names.remove("completions_suggested_lines_of_code")
    table = analysis.mode_mix(pl.DataFrame(rows, schema=names, orient="row"))
    for unit in ("messages", "lines"):
        whole = sum(value for row in rows for name, value in zip(names, row, strict=True) if unit in name)
        assert table[f"{unit}_count"].sum() == whole
        assert table[f"{unit}_share"].sum() == pytest.approx(1 if whole else 0)


def test_transitions_by_hand(make_usage: MakeUsage, assert_keeps: Callable[..., None]) -> None:
    """Ada: chat, chat, chat, agent. Bob: chat, pause, agent. Cyd ties: completions come before chat."""
    usage = make_usage(
        *({"user": "ada@x.io", "week": week, "chat_messages": 2} for week in range(3)),
        {"user": "ADA@x.io", "week": 3, "chat_messages": 1, "ide_agent_messages": 5},
        {"user": "bob@x.io", "week": 0, "chat_messages": 2},
        {"user": "bob@x.io", "week": 2, "ide_agent_messages": 2},
        {"user": "cyd@x.io", "week": 0, "chat_messages": 2, "completions_accepted": 2, "completions_count": 9},
        {"user": "cyd@x.io", "week": 1, "chat_messages": 3, "completions_accepted": 2},
        {"user": "cyd@x.io", "week": 2},
        {"user": "cyd@x.io", "week": 3, "chat_messages": 3},
    )
    table = analysis.mode_transitions(usage)
    assert_keeps(table, MODE_TRANSITIONS)
    assert table.rows() == [
        ("completions", "chat", 1, 1.0),
        ("chat", "chat", 1, pytest.approx(2 / 3)),
        ("chat", "ide_agent", 1, pytest.approx(1 / 3)),
    ]


@few
@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["ada@x.io", "bob@x.io"]), st.integers(0, 5)),
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)),
        max_size=12,
    )
)
def test_transitions_are_those_of_plain_python(make_usage: MakeUsage, weeks: dict[tuple[str, int], Any]) -> None:
    """Pairs of neighbouring weeks, counted in a loop; a week without actions breaks the chain."""
    metrics = ("completions_accepted", "chat_messages", "remote_agent_messages")
    modes = ("completions", "chat", "remote_agent")
    usage = make_usage(
        *({"user": u, "week": w, **dict(zip(metrics, counts, strict=True))} for (u, w), counts in weeks.items())
    )
    main = {at: modes[counts.index(max(counts))] for at, counts in weeks.items() if max(counts)}
    steps = [(mode, main[user, week + 1], user) for (user, week), mode in main.items() if (user, week + 1) in main]
    pairs, starts = Counter((a, b) for a, b, _ in steps), Counter(a for a, _, _ in steps)
    expected = {
        (a, b): (len({u for x, y, u in steps if (x, y) == (a, b)}), pytest.approx(n / starts[a]))
        for (a, b), n in pairs.items()
    }
    table = analysis.mode_transitions(usage.sample(fraction=1, shuffle=True, seed=1).lazy(), every="1w")
    assert {(r[0], r[1]): (r[2], r[3]) for r in table.rows()} == expected


def test_empty_and_automation_only(make_usage: MakeUsage) -> None:
    """No people: no rows, and the schema of the table."""
    for frame in (USER_ACTIVITY.empty(), make_usage({"user": "ci", "user_type": "service_account"})):
        assert analysis.feature_adoption(frame).schema == FEATURE_ADOPTION.schema
        assert analysis.feature_adoption(frame).is_empty()
        assert analysis.mode_mix(frame).schema == MODE_MIX.schema
        assert analysis.mode_mix(frame).is_empty()
        assert analysis.mode_transitions(frame).schema == MODE_TRANSITIONS.schema
        assert analysis.mode_transitions(frame).is_empty()


def test_a_row_that_stands_twice_counts_once(make_usage: MakeUsage) -> None:
    """Messages of a row that came twice are not doubled."""
    usage = make_usage({"user": "ada@x.io", "chat_messages": 3})
    with pytest.warns(DataWarning, match="1 duplicate row"):
        table = analysis.mode_mix(pl.concat([usage, usage]))
    assert table["messages_count"].sum() == 3


def test_users_are_needed_where_users_are_counted() -> None:
    """Days without users have no active users: an error, and not one user who used everything."""
    days = pl.DataFrame({"date": [date(2026, 1, 5)], **{name: [3] for name in METRICS}})
    for question in (analysis.feature_adoption, analysis.mode_transitions):
        with pytest.raises(TableError, match="needs the columns 'user', 'user_type'"):
            question(days)


def test_a_users_mix_is_one_whatever_the_spelling(make_usage: MakeUsage) -> None:
    """3 and 1 chat messages in two spellings are 4 of one person, in the first spelling of the alphabet."""
    usage = make_usage(
        {"user": "ada@x.io", "chat_messages": 3},
        {"user": "Ada@x.io", "chat_messages": 1, "week": 1},
        {"user": "bob@x.io", "chat_messages": 5},
    )
    chat = analysis.mode_mix(usage, by="user").filter(pl.col("mode") == "chat")
    assert chat.select("user", "messages_count").rows() == [("Ada@x.io", 4), ("bob@x.io", 5)]


def test_a_missing_metric_is_named(make_usage: MakeUsage) -> None:
    """A frame without a mode's columns cannot answer, and the error says which."""
    with pytest.raises(TableError, match="'chat_messages'"):
        analysis.feature_adoption(make_usage({"user": "ada@x.io"}).drop("chat_messages"))
