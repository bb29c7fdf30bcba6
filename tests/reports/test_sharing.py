"""How much of people a report shows: no name gets out, no small group either, and nothing else is lost."""

import json
import warnings
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment_insights import analysis, charts
from augment_insights.errors import ConfigurationError, ReportError
from augment_insights.reports import Page, Sharing
from augment_insights.tables import COMPARISON, METRICS, USER_TYPE

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
    """And differ under another key; none is replaced twice; rows stand in the order of the pseudonyms."""
    sharing = Sharing("pseudonyms", key="k")
    users = sharing.users(USERS)
    names = dict(zip(USERS["active_days"], users.sort("active_days")["user"], strict=True))
    assert names[1] == names[4] != names[2]
    assert names[3].startswith("bot-")
    assert sorted(sharing.table(users)["user"]) == sorted({*names.values()})
    assert sharing.words("Ask ADA@x.io or bob@x.io!") == f"Ask {names[1]} or {names[2]}!"
    assert sharing.words("ci-bot") == names[3]
    assert Sharing("pseudonyms", key="l").users(USERS).sort("active_days")["user"][0] != names[1]
    many = pl.DataFrame({"user": [f"u{n:03}@x.io" for n in range(50)], "n": range(50)})
    shown = Sharing("pseudonyms", key="k").users(many)
    assert shown["user"].is_sorted()
    assert shown["n"].to_list() != many["n"].to_list()


def test_the_key_comes_from_the_environment_or_is_new_each_time(monkeypatch):
    """Two reports may be laid beside each other only where that is wanted."""
    first, second = (Sharing("pseudonyms").users(USERS)["user"].sort() for _ in range(2))
    assert not first.equals(second)
    monkeypatch.setenv("AUGMENT_INSIGHTS_PSEUDONYM_KEY", "ours")
    first, second = (Sharing("pseudonyms").users(USERS)["user"].sort() for _ in range(2))
    assert first.equals(second)
    assert "ours" not in repr(Sharing("pseudonyms"))


def test_hidden_users_become_sums_and_means_are_left_out():
    """w1: three users and 6 user-days; w2: one user and 4."""
    hidden = Sharing("hide").table(USERS.drop("user_type"))
    assert hidden.rows() == [("w1", None, None, True), ("w2", None, None, True)]
    whole = Sharing("hide", min_group_size=1).table(USERS.drop("user_type"))
    assert whole.columns == ["period_start", "users", "user_days"]
    assert whole.rows() == [("w1", 3, 6), ("w2", 1, 4)]


def test_small_groups_are_hidden_in_every_table_that_has_them():
    """B has 3 people, C is the next smallest: in tables without people too; a cohort of two is two people."""
    sharing = Sharing("show", min_group_size=5)
    assert sharing.table(TEAMS)["acceptance_rate"].to_list() == [0.3, None, None, 0.2]
    change = pl.DataFrame({"team": ["A", "B", "C", "D"], "metric": ["r"] * 4, "difference": [0.1, 0.2, 0.3, 0.4]})
    assert sharing.table(change)["difference"].to_list() == [0.1, None, None, 0.4]
    assert Sharing("show", min_group_size=1).table(TEAMS).equals(TEAMS)
    assert sharing.groups(sharing.groups(TEAMS)).equals(sharing.groups(TEAMS))
    cohorts = pl.DataFrame({"cohort": [1, 2, 3], "cohort_users": [2, 9, 8], "retention_rate": [0.5, 0.5, 0.5]})
    assert Sharing("hide").table(cohorts)["retention_rate"].to_list() == [None, 0.5, None]
    assert Sharing("show").table(cohorts).equals(cohorts)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("9 people, and 40 in A", "(not shown) people, and 40 in A"),  # C has 9, and hides the 3 of B
        ("3 people left", "fewer than 5 people left"),
        ("4 licences", "fewer than 5 licences"),  # of no table: still of few people
        ("9 more than in the 3 weeks before (40)", "9 more than in the 3 weeks before (40)"),
        ("3 Mar 2026: 9 % to 40.9 %, week 9", "3 Mar 2026: 9 % to 40.9 %, week 9"),
        ("1,009 completions", "1,009 completions"),
    ],
)
def test_headlines_and_sentences_tell_no_number_that_a_table_hides(said, told):
    """Whenever they were written: also before the table that hides it."""
    page = Page("T", population="p", as_of=None, range_asked="", sharing=Sharing("hide"))
    page = page.headline("People", 3, said, trend=[9, 40, 0.5, None]).summary([said]).raw("teams", TEAMS)
    (line,) = page.content().headlines
    assert (line.value, line.detail, line.trend) == ("fewer than 5", told, (None, 40, 0.5, None))
    assert page.content().summary == (told,)
    assert told in page.to_html()
    shown = Page("T", population="p", as_of=None, range_asked="").headline("People", 3, said).raw("teams", TEAMS)
    assert (shown.headlines[0].value, shown.headlines[0].detail) == ("3", said)


def test_the_share_of_a_tenth_of_few_users_is_hidden():
    """A tenth of 40 users is four people, of 41 it is five."""
    shares = pl.DataFrame({"metric": ["a", "b"], "top_decile_share": [0.4, 0.4], "gini": [0.5, 0.5], "users": [40, 41]})
    assert Sharing("hide").table(shares)["top_decile_share"].to_list() == [None, 0.4]
    assert Sharing("show").table(shares)["top_decile_share"].to_list() == [0.4, 0.4]


def test_means_of_a_window_that_is_not_whole_do_not_tell_the_users_of_a_day():
    """Days of 9 and 3 users: (9 + 3) / 2 less 9 would be 3. The whole window tells 12 of two days."""
    days = pl.date_range(date(2026, 3, 6), date(2026, 3, 8), eager=True)
    means = pl.DataFrame({"date": days, "window_days": 3, "mean_daily_users": [9.0, 6.0, 7.0], "active_users": 9})
    shown = Sharing("hide").table(means.with_columns(is_complete=pl.Series([False, False, True])))
    assert shown["mean_daily_users"].to_list() == [None, None, 7.0]


def test_a_day_has_one_number_in_every_table():
    """Days of 9 and 3 users, and their mean: the 9 is hidden beside the 3, and no table of days tells it either."""
    saturday, sunday = date(2026, 3, 7), date(2026, 3, 8)
    sharing = Sharing("hide")
    means = {"date": [sunday], "window_days": [2], "mean_daily_users": [6.0], "active_users": [10]}
    days = pl.DataFrame({"date": [saturday, sunday], "window_days": [1, 1], "active_users": [9, 3]})
    assert sharing.table(pl.DataFrame(means))["mean_daily_users"].to_list() == [6.0]
    assert sharing.table(days)["active_users"].to_list() == [None, None]
    for name in ("active_users", "users"):
        day = pl.DataFrame({"period_start": [saturday], "period_end": [saturday], name: [9]})
        assert sharing.table(day)[name].to_list() == [None]


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


WEEKS = [date(2026, 3, 2) + timedelta(weeks=n) for n in range(4)]


@pytest.mark.parametrize(
    "values",
    [
        pl.Series(["A", "B", "C"]),
        pl.Series([1, 2, 3]),
        pl.Series([1.0, 2.0, 3.0]),
        pl.Series(["A", "B", "C"], dtype=pl.Enum(["A", "B", "C"])),
        pl.Series(["A", "B", "C"], dtype=pl.Categorical),
        pl.Series(WEEKS[:3]),
    ],
    ids=["text", "integer", "float", "enum", "categorical", "date"],
)
@pytest.mark.parametrize("switch", ["show", "pseudonyms", "hide"])
def test_groups_are_hidden_whatever_their_type(values, switch):
    """40, 2 and 1: two are too few together, so all are hidden. The names of the groups stay."""
    table = pl.DataFrame({"team": values, "users": [40, 2, 1], "acceptance_rate": [0.3, 0.2, 0.1]})
    shown = Sharing(switch).groups(table)
    assert shown["team"].equals(values.rename("team"))
    assert shown["users"].to_list() == shown["acceptance_rate"].to_list() == [None] * 3


def test_yes_and_no_are_groups_too():
    """Four managers of forty-four people: both numbers go, as one gives the other away."""
    table = pl.DataFrame({"is_manager": [True, False], "users": [4, 40]})
    assert Sharing("hide").groups(table)["users"].to_list() == [None, None]


@pytest.mark.parametrize("switch", ["pseudonyms", "hide"])
@pytest.mark.parametrize(
    ("table", "hidden"),
    [
        ({"active_days": [1, 2, 3, 4], "users": [9, 3, 3, 8]}, [0, 1, 2, 3]),
        ({"acceptance_from": [0.0, 0.5], "acceptance_to": [0.5, 1.0], "users": [9, 3]}, [0, 1]),
        ({"tier": ["power", "low"], "users": [2, 30]}, [0, 1]),
        (
            {"from_mode": ["chat", "chat", "ide_agent"], "to_mode": ["chat", "ide_agent", "chat"], "users": [9, 6, 2]},
            [2],
        ),
        ({"days": [0, 1, 2], "at_risk_users": [9, 6, 4]}, [2]),
        ({"users": [4]}, [0]),
    ],
    ids=["days", "rates", "tiers", "transitions", "ages", "everybody"],
)
def test_groups_by_what_people_did_are_hidden_where_names_are_not_shown(table, hidden, switch):
    """By hand. Days of activity have two known sums (people, user-days): they solve for two days, and bound a third."""
    frame = pl.DataFrame(table)
    people = frame.columns[-1]
    shown = Sharing(switch).groups(frame)
    expected = [None if row in hidden else size for row, size in enumerate(table[people])]
    assert shown[people].to_list() == expected
    assert Sharing("show").groups(frame.select(frame.columns)).height == frame.height


def lifecycle(*new: int) -> pl.DataFrame:
    frame = pl.DataFrame({"period_start": WEEKS, "new_users": new, "returning_users": [50] * 4})
    return frame.with_columns(
        resurrected_users=pl.lit(20),
        dormant_users=pl.lit(30),
        active_users=pl.col("new_users") + 70,
        is_complete=pl.lit(value=True),
    )


def cohorts(*sizes: int) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (week, k, size, size, 1.0, n + k < 4)
            for n, (week, size) in enumerate(zip(WEEKS, sizes, strict=True))
            for k in range(2)
        ],
        schema=["cohort", "period", "cohort_users", "retained_users", "retention_rate", "is_complete"],
        orient="row",
    )


@pytest.mark.parametrize("is_first", [True, False])
def test_a_hidden_cohort_does_not_stand_among_the_new_users_of_the_same_page(is_first):
    """Whichever table comes first: a cohort of 2 (and of 6, beside it) is nowhere; nor is it a step of the curve."""
    sharing, sizes = Sharing("hide"), (8, 2, 6, 9)
    tables = [cohorts(*sizes), lifecycle(*sizes)]
    first, second = (sharing.groups(table) for table in (tables if is_first else tables[::-1]))
    shown, flow = (first, second) if is_first else (second, first)
    assert shown.filter(period=0)["cohort_users"].to_list() == flow["new_users"].to_list()
    assert flow["new_users"][1] is None
    assert flow["active_users"][1] is None or flow["returning_users"][1] is None or flow["resurrected_users"][1] is None
    curve = pl.DataFrame({"period_start": WEEKS, "new_users": sizes, "cumulative_users": [50, 52, 58, 67]})
    ever = sharing.groups(curve)["cumulative_users"].to_list()
    assert None in ever[:2]


def test_the_pooled_curve_does_not_tell_a_hidden_cohort():
    """Eligible for week 0: 25, for week 1: 16; the cohort between them has 9, and one of 2 would show the same way."""
    sharing = Sharing("hide")
    sharing.groups(cohorts(8, 6, 9, 2))
    pooled = pl.DataFrame({"period": [0, 1], "cohorts": [4, 3], "eligible_users": [25, 23], "retained_users": [25, 20]})
    assert sharing.groups(pooled)["eligible_users"].null_count() == 1


def test_a_team_is_hidden_where_the_whole_is_shown_and_the_others_are_not_there():
    """Ten of all teams, and the only team in the table has eight: the other two people would be told."""
    sharing = Sharing("hide")
    pooled = pl.DataFrame({"period": [9], "cohorts": [3], "eligible_users": [10], "retained_users": [6]})
    assert sharing.groups(pooled)["retained_users"].to_list() == [6]
    by_team = pl.DataFrame(
        {"team": ["Web"], "period": [9], "cohorts": [2], "eligible_users": [8], "retained_users": [5]}
    )
    assert sharing.groups(by_team)["retained_users"].to_list() == [None]


def test_days_of_few_people_stay_hidden_in_the_mean_of_a_window():
    """One hidden day would be what the window's mean leaves over."""
    days = [date(2026, 3, 2) + timedelta(days=n) for n in range(3)]
    sharing = Sharing("hide")
    rolling = pl.DataFrame({"date": days, "window_days": [1] * 3, "active_users": [9, 2, 8], "is_complete": [True] * 3})
    assert sharing.groups(rolling)["active_users"].to_list() == [9, None, 8]
    means = pl.DataFrame({"date": days[2:], "window_days": [3], "mean_daily_users": [19 / 3], "active_users": [12]})
    assert sharing.groups(means)["mean_daily_users"].to_list() == [None]


def test_days_of_few_people_stay_hidden_in_the_mean_of_working_days():
    """Of Monday with 9, Tuesday with 2 and a holiday: twice the mean of 5.5, less 9. It tells nothing of a holiday."""
    days = [date(2026, 3, 2) + timedelta(days=n) for n in range(3)]
    means = pl.DataFrame({"date": days[2:], "window_days": [3], "mean_daily_users": [5.5], "active_users": [12]})
    means = means.with_columns(working_days=2)
    for users, shown in ([9, 2, 8], [None]), ([9, 8, 2], [8.5]):
        sharing = Sharing("hide")
        sharing.days_off = frozenset(days[2:])
        rolling = pl.DataFrame({"date": days, "window_days": [1] * 3, "active_users": users})
        assert sharing.groups(rolling)["active_users"].null_count() == 1
        mean = pl.lit(sum(users[:2]) / 2)
        assert sharing.groups(means.with_columns(mean_daily_users=mean))["mean_daily_users"].to_list() == shown


@pytest.mark.parametrize("switch", ["pseudonyms", "hide"])
def test_a_raw_sheet_does_not_give_back_what_a_figure_hides(switch):
    """Cobol has one user: no sheet has languages by user, or days."""
    rows = [
        {"date": WEEKS[0], "user": f"u{n}@x.io", "language": "Cobol" if n == 0 else "Go", "completions_count": 5}
        for n in range(9)
    ]
    shown = Sharing(switch).table(pl.DataFrame(rows))
    assert "language" not in shown.columns
    assert shown["completions_count"].sum() == 45
    assert shown.height == (9 if switch == "pseudonyms" else 1)


def test_a_way_of_working_of_few_people_is_hidden_in_the_mix():
    """Its messages are hidden though the table does not count people: the activity that was fetched tells them."""
    sharing = Sharing("hide")
    rows = [
        {
            "period_start": WEEKS[0],
            "period_end": WEEKS[0] + timedelta(days=6),
            "user": f"u{n}@x.io",
            "user_type": "person",
            "active_days": 1,
        }
        | dict.fromkeys(METRICS, 0)
        | {"chat_messages": 3, "ide_agent_messages": 2 * (n < 8), "remote_agent_messages": 4 * (n < 2)}
        for n in range(9)
    ]
    usage = sharing.users(pl.DataFrame(rows, schema_overrides={"user_type": USER_TYPE}))
    shown = sharing.groups(analysis.mode_mix(usage, every="1w"))
    told = dict(shown.select(pl.col("mode").cast(pl.String), "messages_count").rows())
    assert told["remote_agent"] is None
    assert told["ide_agent"] is None  # eight people: the next smallest
    assert told["chat"] == 27


def test_the_smallest_group_is_that_which_was_shown():
    """Nine, of a least of five."""
    sharing = Sharing("hide")
    assert sharing.smallest_group == "no groups"
    assert sharing.groups(TEAMS)["users"].to_list() == [40, None, None, 12]
    assert sharing.smallest_group == "12 people"
    sharing.groups(pl.DataFrame({"team": ["X", "Y"], "users": [7, 90]}))
    assert sharing.smallest_group == "7 people"


def test_a_headline_of_few_people_says_so():
    """The rate of four people is no rate to be passed on."""
    row = pl.DataFrame({"users": [4], "a": [2], "b": [4], "r": [0.5], "r_low": [0.2], "r_high": [0.8]})
    page = Page("T", population="p", as_of=None, range_asked="", sharing=Sharing("hide"))
    (line,) = page.headline_rate("Rate", row, "r", counts=("a", "b"), unit="people").content().headlines
    assert (line.value, line.detail) == ("fewer than 5 people", "")
    assert (Sharing("hide").count(4), Sharing("hide").count(1234), Sharing("show").count(4)) == (
        "fewer than 5",
        "1,234",
        "4",
    )


def test_a_warning_names_nobody_and_a_picture_takes_no_time():
    """It is told all the same; a picture written as letters is long, holds no name, and takes no time."""
    with pytest.warns(UserWarning, match=r"^\(name hidden\) is twice there\.$"), Sharing("hide").naming_nobody():
        warnings.warn("ada@x.io is twice there.", UserWarning, stacklevel=1)
    picture = "iVBORw0KGgo" * 100_000
    assert Sharing("hide").words(picture) == picture


def test_nothing_computed_depends_on_the_key():
    """Two pages of other pseudonyms have the same numbers, to the last digit."""
    rows = [
        {
            "period_start": WEEKS[n % 4],
            "user": f"u{n % 31:02}@x.io",
            "user_type": "person",
            "completions_count": 50 + n * 7 % 90,
        }
        | {"completions_accepted": n * 5 % 50}
        for n in range(120)
    ]
    frame = pl.DataFrame(rows, schema_overrides={"user_type": USER_TYPE}).with_columns(
        period_end=pl.col("period_start") + timedelta(days=6)
    )
    one, two = (analysis.acceptance_rate(Sharing("pseudonyms", key=key).users(frame)) for key in ("k", "l"))
    assert one.equals(two)


def test_few_people_on_one_side_of_a_comparison_are_not_counted():
    """Forty on both sides and two who came: the difference stands, and no count tells of the two."""
    row = {
        **dict.fromkeys(COMPARISON.columns),
        "metric": "acceptance_rate",
        "before": 0.3,
        "after": 0.35,
        "difference": 0.05,
        "verdict": "higher",
        "is_paired": True,
        "both_users": 40,
        "before_users": 0,
        "after_users": 2,
        "compared_groups": 1,
    }
    compared = pl.DataFrame([row], schema=COMPARISON.schema)
    for shared in (Sharing("hide").sides(compared), Sharing("hide").table(Sharing("hide").sides(compared))):
        assert shared.select("both_users", "before_users", "after_users").row(0) == (None, None, None)
        assert shared.select("difference", "verdict").row(0) == (0.05, "higher")
    assert Sharing("show").sides(compared).equals(compared)
    many = compared.with_columns(after_users=pl.lit(5, pl.Int64))
    assert Sharing("hide").sides(many).equals(many)
    nearly_nobody = compared.with_columns(both_users=pl.lit(2, pl.Int64))
    assert Sharing("hide").table(nearly_nobody)["difference"].to_list() == [None]
