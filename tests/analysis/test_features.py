"""Features: who uses which mode, where people move to, and for whom it is a habit."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from itertools import product
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment_insights import analysis, tables
from augment_insights.errors import DataWarning, TableError
from augment_insights.tables import FEATURE_ADOPTION, HABIT_LADDER, METRICS, USER_ACTIVITY

MONDAY = date(2026, 1, 5)
"""The first day of `make_usage`."""


def test_feature_adoption_by_hand(make_usage, assert_keeps):
    """Use is an action: Ada chats twice and accepts once; Bob's three suggestions and Cyd's agent lines are none."""
    usage = make_usage(
        {"user": "ada@x.io", "chat_messages": 3, "completions_count": 8, "completions_accepted": 1},
        {"user": "Ada@x.io", "chat_messages": 1, "week": 1},
        {"user": "bob@x.io", "completions_count": 3, "remote_agent_messages": 1},
        {"user": "cyd@x.io", "remote_agent_lines_of_code": 40},
        {"user": "ci", "user_type": "service_account", "cli_agent_non_interactive_messages": 90},
    )
    table = analysis.feature_adoption(usage)
    assert_keeps(table, FEATURE_ADOPTION)
    assert table.select("feature", "active_users", "feature_users").rows() == [
        ("completions", 3, 1),
        ("chat", 3, 1),
        ("ide_agent", 3, 0),
        ("remote_agent", 3, 1),
        ("cli_agent_interactive", 3, 0),
        ("cli_agent_non_interactive", 3, 0),
    ]
    assert table["feature_rate"][1] == pytest.approx(1 / 3)
    everybody = analysis.feature_adoption(usage, user_type="all")
    assert everybody["feature_users"].to_list() == [1, 1, 0, 1, 0, 1]


def test_features_by_team_keep_order_and_groups(make_usage, assert_keeps):
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


def test_an_unknown_mode_is_not_an_unused_one(make_usage):
    """A mode that the API reports for nobody has no rate; one that it reports for one user has."""
    unknown = {"chat_messages": None, "ide_agent_messages": None}
    usage = make_usage({"user": "ada@x.io", **unknown}, {"user": "bob@x.io", **unknown, "ide_agent_messages": 0})
    table = analysis.feature_adoption(usage)
    assert table.filter(pl.col("feature") == "chat")["feature_users"].to_list() == [None]
    assert table.filter(pl.col("feature") == "chat")["feature_rate_low"].to_list() == [None]
    assert table.filter(pl.col("feature") == "ide_agent")["feature_users"].to_list() == [0]


def test_mode_mix_by_hand(make_usage):
    """30 chat and 10 agent messages are 75 and 25 %, whatever the API's total; an idle week has no shares."""
    usage = make_usage(
        {"user": "ada@x.io", "chat_messages": 30, "total_messages": 99, "completions_lines_of_code": 6},
        {"user": "bob@x.io", "ide_agent_messages": 10, "ide_agent_lines_of_code": 2},
    )
    table = analysis.mode_mix(usage)
    assert table.schema == tables.MODE_MIX.schema
    assert table.rows()[:3] == [
        ("completions", None, None, 6, 0.75),
        ("chat", 30, 0.75, None, None),
        ("ide_agent", 10, 0.25, 2, 0.25),
    ]
    days = pl.DataFrame({"date": [date(2026, 1, 6), date(2026, 1, 12)], **{name: [0, 0] for name in METRICS}})
    table = analysis.mode_mix(days.with_columns(chat_messages=pl.Series([4, 0])), every="1w")
    assert table.columns == ["period_start", *tables.MODE_MIX.columns, "is_complete"]
    assert table["period_start"].to_list() == [date(2026, 1, 5)] * 6 + [date(2026, 1, 12)] * 6
    chat = table.filter(pl.col("mode") == "chat")
    assert chat.select("messages_count", "messages_share").rows() == [(4, 1.0), (0, None)]


@given(st.lists(st.lists(st.integers(0, 9), min_size=10, max_size=10), min_size=1, max_size=6))
def test_shares_are_of_one_whole(rows):
    """Shares of messages add up to 1 where there is a message, and so do shares of lines."""
    names = [name for name in METRICS if name.endswith(("messages", "lines_of_code")) and not name.startswith("total")]
    names.remove("completions_suggested_lines_of_code")
    table = analysis.mode_mix(pl.DataFrame(rows, schema=names, orient="row"))
    for unit in ("messages", "lines"):
        whole = sum(value for row in rows for name, value in zip(names, row, strict=True) if unit in name)
        assert table[f"{unit}_count"].sum() == whole
        assert table[f"{unit}_share"].sum() == pytest.approx(1 if whole else 0)


def test_transitions_by_hand(make_usage, assert_keeps):
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
    assert_keeps(table, tables.MODE_TRANSITIONS)
    assert table.rows() == [
        ("completions", "chat", 1, 1.0),
        ("chat", "chat", 1, pytest.approx(2 / 3)),
        ("chat", "ide_agent", 1, pytest.approx(1 / 3)),
    ]


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["ada@x.io", "bob@x.io"]), st.integers(0, 5)),
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)),
        max_size=12,
    )
)
def test_transitions_are_those_of_plain_python(make_usage, weeks):
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


def test_steps_are_between_whole_periods(make_usage):
    """A week that is cut, at the head or at the end of the data, may have another main mode as a whole."""
    weeks = make_usage(
        *({"user": "ada@x.io", "week": week, mode: 9} for week, mode in enumerate(["chat_messages"] * 2)),
        *({"user": "ada@x.io", "week": week, "ide_agent_messages": 99} for week in (2, 3)),
    )
    days = weeks.drop("period_end", "active_days").rename({"period_start": "date"})
    from_tuesday = days.with_columns(
        date=pl.when(pl.col("date") == MONDAY).then(MONDAY + timedelta(1)).otherwise("date")
    )
    steps = analysis.mode_transitions(from_tuesday, every="1w", as_of=MONDAY + timedelta(26)).select(
        "from_mode", "to_mode"
    )
    assert steps.rows() == [("chat", "ide_agent")], "the first week lacks its Monday, and the last its Sunday"
    whole = analysis.mode_transitions(days, every="1w", as_of=MONDAY + timedelta(27)).select("from_mode", "to_mode")
    assert whole.rows() == [("chat", "chat"), ("chat", "ide_agent"), ("ide_agent", "ide_agent")]


@pytest.mark.parametrize("noun", ["feature_adoption", "mode_mix", "mode_transitions"])
def test_empty_and_automation_only(make_usage, noun):
    """No people: no rows, and the schema of the table."""
    for frame in (USER_ACTIVITY.empty(), make_usage({"user": "ci", "user_type": "service_account"})):
        assert getattr(analysis, noun)(frame).equals(getattr(tables, noun.upper()).empty())


def test_users_and_metrics_are_needed_where_they_are_counted():
    """Days without users have no active users: an error, and not one user who used everything; so has a mode."""
    days = pl.DataFrame({"date": [date(2026, 1, 5)], **{name: [3] for name in METRICS}})
    for question in (analysis.feature_adoption, analysis.mode_transitions):
        with pytest.raises(TableError, match="needs the columns 'user', 'user_type'"):
            question(days)
        with pytest.raises(TableError, match="'chat_messages'"):
            question(days.with_columns(user=pl.lit("ada"), user_type=pl.lit("person")).drop("chat_messages"))


def weeks_of(user: str, weeks: Iterable[int], actions: int, **more: object) -> list[dict[str, Any]]:
    return [{"user": user, "week": week, "total_messages": actions, **more} for week in weeks]


def ladder(table: pl.DataFrame) -> dict[str, tuple[Any, ...]]:
    return {row[0]: row[1:] for row in table.drop("user_type").rows()}


def test_the_ladder_by_hand(make_usage, assert_keeps):
    """Each tier at its border, over the last 12 of 13 complete weeks; gaps are inactive weeks.

    Power: 9 weeks with 20 actions are 180 = 15 a week. Habitual: 179 actions in 9 weeks. Novice: 12 actions in one
    week. Low: 11. Gap: 8 active weeks of 30, however many rows lie before the window.
    """
    usage = make_usage(
        *weeks_of("power@x.io", range(4, 13), 12, completions_accepted=8),
        *weeks_of("habit@x.io", range(4, 12), 20),
        *weeks_of("habit@x.io", [12], 19),
        *weeks_of("novice@x.io", [5], 12),
        *weeks_of("low@x.io", [12], 11),
        *weeks_of("gap@x.io", [0, 1, 3, 5, 7, 8, 9, 11, 12], 30),
        *weeks_of("gone@x.io", [0], 99),
    )
    table = analysis.habit_ladder(usage)
    assert_keeps(table, HABIT_LADDER)
    assert ladder(table) == {
        "gap@x.io": (8, 20.0, "novice"),
        "habit@x.io": (9, pytest.approx(179 / 12), "habitual"),
        "low@x.io": (1, pytest.approx(11 / 12), "low"),
        "novice@x.io": (1, 1.0, "novice"),
        "power@x.io": (9, 15.0, "power"),
    }


def test_the_roster_adds_who_does_nothing(make_usage):
    """Licensed in these weeks and no activity: non-user. A licence that ended before, or begins after, is none."""
    usage = make_usage(*weeks_of("ada@x.io", range(12), 1))
    roster = pl.DataFrame(
        {
            "user": ["ADA@x.io", "idle@x.io", "left@x.io", "next@x.io"],
            "licensed_from": [None, date(2026, 3, 29), None, date(2026, 3, 30)],
            "licensed_to": [None, None, date(2026, 1, 4), None],
        }
    )
    table = analysis.habit_ladder(usage.lazy(), roster=roster.lazy())
    assert ladder(table) == {"ada@x.io": (12, 1.0, "habitual"), "idle@x.io": (0, 0.0, "non-user")}
    assert table["user_type"].to_list() == ["person", "person"]


def test_the_open_week_does_not_count_and_a_mean_at_the_threshold_does(make_usage):
    """Until a week is over its actions are no habit. 49 actions in 49 weeks are 1, not a 1 that lacks its last bit."""
    usage = make_usage(*weeks_of("ada@x.io", range(12), 3), *weeks_of("ada@x.io", [12], 99))
    two_weeks = {"weeks": 2, "habitual_weeks": 2}
    assert ladder(analysis.habit_ladder(usage, **two_weeks)) == {"ada@x.io": (2, 51.0, "power")}
    saturday = analysis.habit_ladder(usage, as_of="2026-04-04", **two_weeks)
    assert ladder(saturday) == {"ada@x.io": (2, 3.0, "habitual")}
    usage = make_usage(*weeks_of("ada@x.io", range(49), 1))
    table = analysis.habit_ladder(usage, weeks=49, habitual_weeks=40, power_actions=1)
    assert ladder(table) == {"ada@x.io": (49, 1.0, "power")}


def test_too_little_history_is_said(make_usage):
    """Of eight weeks nobody can be active in nine: said. Empty in, empty out; with a last day rosters are there."""
    usage = make_usage(*weeks_of("ada@x.io", range(8), 20))
    with pytest.warns(DataWarning, match="begin on 2025-12-08, and the data begins on 2026-01-05"):
        table = analysis.habit_ladder(usage)
    assert analysis.habit_ladder(usage, since="2025-12-08").equals(table)  # nobody was active: no warning
    assert ladder(table)["ada@x.io"][2] == "novice"
    roster = pl.DataFrame({"user": ["ada@x.io"]})
    assert analysis.habit_ladder(USER_ACTIVITY.empty()).schema == HABIT_LADDER.schema
    table = analysis.habit_ladder(USER_ACTIVITY.empty(), roster=roster, as_of="2026-03-01")
    assert table.rows() == [("ada@x.io", "person", 0, 0.0, "non-user")]


def test_one_week_in_two_rows_is_one_week(make_usage):
    """A row that came twice, two spellings and a clipped week: one active week each; 0 active days is none."""
    usage = make_usage(
        *weeks_of("ada@x.io", range(12), 2),
        *weeks_of("Ada@x.io", [11], 1),
        *weeks_of("bob@x.io", [10], 0, active_days=0),
    )
    clipped = usage.with_columns(
        period_start=pl.when(pl.col("period_start") == date(2026, 1, 5))
        .then(pl.lit(date(2026, 1, 7)))
        .otherwise("period_start")
    )
    with (
        pytest.warns(DataWarning, match="the data begins on 2026-01-07"),
        pytest.warns(DataWarning, match="1 duplicate row"),
    ):
        table = analysis.habit_ladder(pl.concat([clipped, clipped.head(1)]))
    assert ladder(table) == {"Ada@x.io": (12, pytest.approx(25 / 12), "habitual")}


def test_automation_has_habits_too(make_usage):
    """People by default; service accounts on demand, sorted after people."""
    usage = make_usage(*weeks_of("ci", range(12), 20, user_type="service_account"), *weeks_of("zoe@x.io", [0], 1))
    assert ladder(analysis.habit_ladder(usage)) == {"zoe@x.io": (1, pytest.approx(1 / 12), "low")}
    assert analysis.habit_ladder(usage, user_type="all")["user"].to_list() == ["zoe@x.io", "ci"]
    assert analysis.habit_ladder(usage, user_type="service_account")["tier"].to_list() == ["power"]


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["ada@x.io", "bob@x.io", "cyd@x.io"]), st.integers(0, 13)), st.integers(0, 40)
    )
)
def test_the_ladder_is_that_of_plain_python(make_usage, actions):
    """Week by week in a loop, over weeks 2 to 13, rows in any order."""
    rows = [{"user": "first@x.io", "week": 0}, {"user": "last@x.io", "week": 13}]
    rows += [{"user": u, "week": w, "completions_accepted": n} for (u, w), n in actions.items()]
    by_user: dict[str, list[int]] = defaultdict(list)
    for (user, week), count in actions.items():
        if week >= 2:
            by_user[user].append(count)
    expected = {"last@x.io": "low"}
    for user, counts in by_user.items():
        mean, habitual = sum(counts) / 12, len(counts) >= 9
        power = habitual and mean >= 15
        expected[user] = "power" if power else "habitual" if habitual else "novice" if mean >= 1 else "low"
    table = analysis.habit_ladder(make_usage(*rows).sample(fraction=1, shuffle=True, seed=5))
    assert {user: row[2] for user, row in ladder(table).items()} == expected


def test_what_cannot_be_is_refused(make_usage):
    """No weeks, more habitual weeks than weeks, rows of a month, an unknown metric: errors that say so."""
    usage = make_usage(*weeks_of("ada@x.io", range(2), 1))
    for wrong in ({"weeks": 0}, {"weeks": 4}, {"habitual_weeks": 0}, {"weeks": "12"}, {"weeks": 12.0}, {"weeks": True}):
        with pytest.raises(ValueError, match="weeks="):
            analysis.habit_ladder(usage, **wrong)
    with pytest.raises(TableError, match="every='1w' cannot be answered"):
        analysis.habit_ladder(usage.with_columns(period_end=pl.col("period_start").dt.offset_by("1mo")))
    with pytest.raises(ValueError, match="did you mean 'total_messages'"):
        analysis.concentration(usage, metric="total_message")


def messages(*counts: int | None) -> pl.DataFrame:
    users = [f"user{n}@x.io" for n in range(len(counts))]
    metric = pl.Series(counts, dtype=pl.Int64)
    return pl.DataFrame({"user": users, "total_messages": metric}).with_columns(user_type=pl.lit("person"))


def test_concentration_by_hand():
    """Ten users, one with 91 of 100 and nine with 1: the top tenth has 0.91, Gini is 0.81.

    Mean absolute difference: 2 * 9 pairs of 90 over 100 pairs = 16.2; half of it over the mean 10 is 0.81.
    """
    table = analysis.concentration(messages(*[1] * 9, 91), metric="total_messages")
    assert table.schema == tables.CONCENTRATION.schema
    assert table.rows() == [(0.91, pytest.approx(0.81), 10)]


@given(st.lists(st.integers(0, 1000) | st.none(), max_size=25))
def test_gini_is_the_mean_difference(counts):
    """Gini is half the mean absolute difference of all pairs over the mean; the top tenth is rounded up."""
    table = analysis.concentration(messages(*counts), metric="total_messages")
    known = [count for count in counts if count is not None]
    if not known:
        assert table.is_empty()
        return
    if not sum(known):
        assert table.rows() == [(None, None, len(known))]
        return
    gini = sum(abs(a - b) for a, b in product(known, known)) / (2 * len(known) * sum(known))
    top = sum(sorted(known, reverse=True)[: math.ceil(len(known) / 10)]) / sum(known)
    assert table.rows() == [(pytest.approx(top), pytest.approx(gini, abs=1e-9), len(known))]


def test_a_users_rows_are_one_user(make_usage):
    """Weeks and spellings of one user are summed first; automation is not there."""
    usage = make_usage(
        *weeks_of("ada@x.io", range(3), 10),
        *weeks_of("ADA@x.io", [3], 10),
        *weeks_of("bob@x.io", [0], 40),
        *weeks_of("ci", [0], 900, user_type="service_account"),
    )
    assert analysis.concentration(usage.lazy(), metric="total_messages").rows() == [(0.5, 0.0, 2)]
