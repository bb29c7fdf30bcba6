"""How much of people a report shows: no name gets out, no small group either, and nothing else is lost."""

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment_insights import charts
from augment_insights.errors import ConfigurationError, ReportError
from augment_insights.reports import Page, Sharing

USERS = pl.DataFrame(
    {
        "period_start": ["w1", "w1", "w1", "w2"],
        "user": ["Ada@x.io", "bob@x.io", "ci-bot", "ada@x.io"],
        "user_type": ["person", "person", "service_account", "person"],
        "active_days": [1, 2, 3, 4],
        "mean": [0.1, 0.2, 0.3, 0.4],
    },
    schema_overrides={"user_type": pl.Enum(["person", "service_account"])},
)
TEAMS = pl.DataFrame({"team": ["A", "B", "C", "D"], "users": [40, 3, 9, 12], "acceptance_rate": [0.3, 0.5, 0.4, 0.2]})


def test_a_switch_that_is_none_is_said_to_be_none():
    """With what may be chosen."""
    with pytest.raises(ConfigurationError, match="Choose 'show', 'pseudonyms' or 'hide'"):
        Sharing("hid")
    with pytest.raises(ConfigurationError, match="not an integer >= 1"):
        Sharing(min_group_size=0)


def test_pseudonyms_are_the_same_in_every_table_and_for_every_spelling():
    """And differ under another key; a pseudonym is not replaced a second time."""
    sharing = Sharing("pseudonyms", key="k")
    users = sharing.users(USERS)
    names = dict(zip(USERS["active_days"], users.sort("active_days")["user"], strict=True))
    assert names[1] == names[4] != names[2]
    assert names[3].startswith("bot-")
    assert sharing.table(users).equals(users)
    assert sharing.words("Ask ADA@x.io or bob@x.io!") == f"Ask {names[1]} or {names[2]}!"
    assert sharing.words("ci-bot") == names[3]
    assert Sharing("pseudonyms", key="l").users(USERS).sort("active_days")["user"][0] != names[1]


def test_the_key_comes_from_the_environment_or_is_new_each_time(monkeypatch):
    """Two reports may be laid beside each other only where that is wanted."""
    first, second = (Sharing("pseudonyms").users(USERS)["user"].sort() for _ in range(2))
    assert not first.equals(second)
    monkeypatch.setenv("AUGMENT_INSIGHTS_PSEUDONYM_KEY", "ours")
    first, second = (Sharing("pseudonyms").users(USERS)["user"].sort() for _ in range(2))
    assert first.equals(second)
    assert "ours" not in repr(Sharing("pseudonyms"))


def test_the_order_of_pseudonyms_does_not_give_the_order_of_names_away():
    """Rows of a period stand in the order of the pseudonyms."""
    many = pl.DataFrame({"user": [f"u{n:03}@x.io" for n in range(50)], "n": range(50)})
    shown = Sharing("pseudonyms", key="k").users(many)
    assert shown["user"].is_sorted()
    assert shown["n"].to_list() != many["n"].to_list()


def test_hidden_users_become_sums_and_means_are_left_out():
    """w1: three users and 6 user-days; w2: one user and 4."""
    hidden = Sharing("hide").table(USERS.drop("user_type"))
    assert hidden.rows() == [("w1", None, None, True), ("w2", None, None, True)]
    whole = Sharing("hide", min_group_size=1).table(USERS.drop("user_type"))
    assert whole.columns == ["period_start", "users", "user_days"]
    assert whole.rows() == [("w1", 3, 6), ("w2", 1, 4)]


def test_small_groups_are_hidden_in_every_table_that_has_them():
    """B has 3 people, and C is the next smallest; a table without people hides the same two."""
    sharing = Sharing("show", min_group_size=5)
    assert sharing.table(TEAMS)["acceptance_rate"].to_list() == [0.3, None, None, 0.2]
    change = pl.DataFrame({"team": ["A", "B", "C", "D"], "metric": ["r"] * 4, "difference": [0.1, 0.2, 0.3, 0.4]})
    assert sharing.table(change)["difference"].to_list() == [0.1, None, None, 0.4]
    assert Sharing("show", min_group_size=1).table(TEAMS).equals(TEAMS)
    assert sharing.groups(sharing.groups(TEAMS)).equals(sharing.groups(TEAMS))


def test_small_cohorts_are_hidden_with_the_names_and_shown_with_them():
    """A cohort of two is two people."""
    cohorts = pl.DataFrame({"cohort": [1, 2, 3], "cohort_users": [2, 9, 8], "retention_rate": [0.5, 0.5, 0.5]})
    assert Sharing("hide").table(cohorts)["retention_rate"].to_list() == [None, 0.5, None]
    assert Sharing("show").table(cohorts).equals(cohorts)


def test_a_chart_of_hidden_groups_is_refused_and_a_function_draws_what_may_be_shown(teams, rows_of):
    """A finished chart would show what its table hides."""
    rates = pl.concat([teams.with_columns(users=pl.lit(40, pl.Int64)), teams.with_columns(team=pl.Series(["A", "B"]))])
    page = Page("T", population="p", as_of=None, range_asked="", sharing=Sharing("show", min_group_size=5))
    with pytest.raises(ReportError, match="too small to be shown"):
        page.figure("Who?", charts.acceptance_rate(rates), rates)
    shown = page.figure("Who?", charts.acceptance_rate, rates, name="who")
    drawn = rows_of(shown.charts["who"])
    assert {row["group"]: row.get("acceptance_rate") for row in drawn}.get("B") is None
    assert shown.tables["who"].filter(team="B")["users"].to_list() == [None]
    groups = page.sharing.groups(rates)
    assert "who" in page.figure("Who?", charts.acceptance_rate(groups), groups, name="who").tables


@given(
    names=st.lists(
        st.builds(
            "{}@{}.io".format,
            st.text("abcäöüß.+-_'0", min_size=1, max_size=9),
            st.text("abcß0-", min_size=1, max_size=9),
        ),
        min_size=1,
        max_size=6,
    ),
    switch=st.sampled_from(["pseudonyms", "hide"]),
)
def test_no_name_survives_in_tables_charts_or_words(names, switch):
    """Whatever the names look like, wherever they stand."""
    sharing = Sharing(switch, min_group_size=1, key="k")
    table = pl.DataFrame({"user": names, "note": [f"seen: {name}" for name in names], "n": range(len(names))})
    shown = sharing.table(table).write_json()
    chart = json.dumps(sharing.spec({"data": {"values": table.to_dicts()}, "title": names[0]}), ensure_ascii=False)
    for name in names:
        assert name not in shown
        assert name not in chart
        assert name not in sharing.words(f"<b>{name}</b>, {name}; {name}")


def test_words_without_a_name_are_left_alone_in_no_time():
    """A picture written as letters is long, and holds no name."""
    picture = "iVBORw0KGgo" * 100_000
    assert Sharing("hide").words(picture) == picture
