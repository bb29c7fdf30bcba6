"""What a report begins with: its days, its people, and the parameters that choose them."""

import traceback
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment_insights.analysis import active_users
from augment_insights.errors import ConfigurationError, DateRangeError, TableError
from augment_insights.periods import DayRange, oldest_day
from augment_insights.reports import Study, report_days, study

SUNDAY_NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ROSTER = pl.DataFrame({"user": ["ADA@x.io", "bob@x.io"], "team": ["Web", "Search"]})


def days(start: str, end: str) -> DayRange:
    return DayRange(date.fromisoformat(start), date.fromisoformat(end))


@pytest.mark.parametrize(
    ("asked", "now", "shown", "lookback"),
    [
        # Saturday is the last published day: its week is under way, the 13 before are whole.
        ((None, None), SUNDAY_NOON, days("2026-08-17", "2026-11-21"), days("2026-05-19", "2026-08-16")),
        # A day later Sunday is published: its week is whole, and one of the 13.
        ((None, None), SUNDAY_NOON + timedelta(1), days("2026-08-24", "2026-11-22"), days("2026-05-26", "2026-08-23")),
        # A start within a week is shown from its Monday on.
        (("2026-10-07", "2026-10-20"), SUNDAY_NOON, days("2026-10-05", "2026-10-20"), days("2026-07-07", "2026-10-04")),
        # Only a start runs to the last published day, and only an end is led up to.
        (("2026-11-02", None), SUNDAY_NOON, days("2026-11-02", "2026-11-21"), days("2026-08-04", "2026-11-01")),
        ((None, "2026-03-01"), SUNDAY_NOON, days("2025-12-01", "2026-03-01"), days("2025-09-02", "2025-11-30")),
        # The API reaches to 2024-11-22, a Friday: its week is not whole, and nothing lies before.
        (("2024-11-22", "2025-01-05"), SUNDAY_NOON, days("2024-11-22", "2025-01-05"), None),
        (("2025-02-17", "2025-03-02"), SUNDAY_NOON, days("2025-02-17", "2025-03-02"), None),
        (("2025-02-24", "2025-03-02"), SUNDAY_NOON, days("2025-02-24", "2025-03-02"), days("2024-11-26", "2025-02-23")),
    ],
)
def test_a_report_covers_whole_weeks_and_looks_back_as_far_as_the_api_reaches(asked, now, shown, lookback):
    """Left open it is 13 whole weeks and the one under way."""
    found = report_days(*asked, now=now)
    assert (found.shown, found.lookback) == (shown, lookback)
    assert found.asked == DayRange(date.fromisoformat(asked[0]) if asked[0] else shown.start, shown.end)


def test_a_day_that_is_not_published_yet_is_asked_for_and_not_counted_on():
    """At 01:00 UTC yesterday is not out: it may be asked for, and the data ends the day before."""
    days = report_days("2026-11-16", "2026-11-21", now=datetime(2026, 11, 22, 1, tzinfo=UTC))
    assert days.asked.end == date(2026, 11, 21)
    assert days.as_of == date(2026, 11, 20)


@pytest.mark.parametrize(
    ("start", "end"), [("2026-11-20", "2026-11-16"), ("2026-11-01", "2026-11-22"), ("2024-01-01", None), ("soon", None)]
)
def test_days_the_api_cannot_answer_for_are_refused(start, end):
    """End before start, today, over two years back, no day at all."""
    with pytest.raises(DateRangeError):
        report_days(start, end, now=SUNDAY_NOON)


@given(
    now=st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 (zone is given)
    weeks=st.integers(1, 60),
    back=st.integers(0, 90),
)
def test_the_choice_is_always_answerable(now, weeks, back):
    """Whole weeks from a Monday on, a look-back of the asked length right before it, nothing beyond two years."""
    days = report_days(now=now, weeks=weeks, lookback_days=back)
    assert days.shown.start.weekday() == 0
    assert weeks * 7 <= days.shown.days <= weeks * 7 + 6
    if days.lookback:
        assert days.lookback.days == back
        assert days.lookback.end + timedelta(days=1) == days.shown.start
        assert days.lookback.start >= oldest_day(now)


def test_a_study_keeps_to_its_team_and_says_what_is_missing():
    """Whatever the case of the e-mails; a service account is in no team; a team may be a number, as Excel brings it."""
    names = {"Ada@x.io": "person", "bob@x.io": "person", "ada@x.io": "service_account", "ada@x.io\u200b": "person"}
    users = pl.DataFrame({"user": list(names), "user_type": list(names.values())})
    kept = Study(roster=ROSTER, team="Web").people(users)
    assert kept.rows() == [("Ada@x.io", "person"), ("ada@x.io\u200b", "person")]
    assert Study(user_type="all").people(users).height == 4
    assert Study(user_type="service_account").people(users)["user"].to_list() == ["ada@x.io"]
    for wrong, words in (
        ({"roster": ROSTER, "team": "Serach"}, "did you mean 'Search'"),
        ({"roster": ROSTER.drop("team"), "team": "Web"}, "a column 'team'"),
        ({"user_type": "persons"}, "Choose 'person', 'service_account' or 'all'"),
        ({"source": "smaple"}, "Choose 'api' or 'sample'"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            Study(**wrong)
    hidden = Study(roster=ROSTER, names="hide", min_group_size=2)
    assert hidden.roster is not None
    assert not hidden.roster["user"].str.contains("@").any()
    roster = pl.DataFrame({"user": ["a@x.io", "b@x.io"], "team": [7, 12]})
    for team in ("7", 7):
        found = Study(roster=roster, team=team)
        assert found.roster["user"].to_list() == ["a@x.io"]
        assert found.page("T", template="t").name.startswith("t-7-")


def test_a_study_takes_a_template_s_parameters_by_their_names():
    """What it does not know is another cell's; what is given by name wins; a wrong name given so is an error."""
    names = {"start_date": "2026-10-07", "end_date": "2026-10-20", "every": "1mo", "team": "Web", "formats": ["html"]}
    found = study({**names, "pl": pl}, roster=ROSTER, every="1w")
    assert (found.team, found.every, found.days.asked) == ("Web", "1w", days("2026-10-07", "2026-10-20"))
    assert repr(study()) == repr(Study())
    with pytest.raises(TypeError, match="formats"):
        study(formats=["html"])


def test_a_study_has_what_stands_beside_the_numbers():
    """As charts take it; a team has its own targets, and its events beside those of everybody; nothing is left out."""
    targets = pl.DataFrame({"metric": "active_users", "value": [9, 5], "group": [None, "Web"]})
    events = pl.DataFrame({"date": "2026-10-05", "text": ["Hi", "Ho", "He"], "group": [None, "Web", "Search"]})
    asked = {"targets": targets, "events": events, "calendar": "2026-10-06", "roster": ROSTER}
    found = Study("2026-10-05", "2026-10-11", **asked)
    assert [found.caption[name].height for name in ("targets", "events")] == [2, 3]
    assert found.calendar.filter(kind="holiday")["date"].to_list() == [date(2026, 10, 6)]
    assert found.calendar["date"].max() == date(2026, 10, 11)
    team = Study(team="Web", **asked)
    assert team.targets.rows() == [("active_users", 5.0, None, None)]
    assert team.events["text"].to_list() == ["Hi", "Ho"]
    assert team.events["group"].null_count() == 2
    weeks = pl.DataFrame({"period_start": [date(2026, 10, 5)], "period_end": [date(2026, 10, 11)], "active_users": [4]})
    judged = team.on_track(weeks.with_columns(is_complete=True), active_users=weeks)
    assert judged.select("value", "measured", "verdict").rows() == [(5.0, 4.0, "cannot tell")]
    without = Study(roster=ROSTER)
    assert without.on_track(weeks, active_users=weeks).height == 0
    assert (without.targets, without.calendar) == (None, None)
    assert "Training" in without.events["text"]  # the sample's own


def test_an_e_mail_in_an_event_is_hidden_with_the_others():
    """In the frame already, from which charts and the notebook are made; and in the error of a wrong file."""
    events = pl.DataFrame({"date": ["2026-10-05"], "text": ["Talk by ada@x.io"]})
    hidden = Study(names="hide", events=events).events
    assert hidden["text"].to_list() == ["Talk by (name hidden)"]
    assert Study(events=events).events["text"].to_list() == ["Talk by ada@x.io"]
    with pytest.raises(TableError, match=r"row 1: \(name hidden\)' is not a metric"):
        Study(names="hide", targets=pl.DataFrame({"metric": ["ada@x.io"], "value": [1]}))


def test_a_study_by_another_column_has_its_values_for_teams():
    """People, pages and files go by the manager; whoever has none is told apart from whoever is not on the roster."""
    roster = pl.DataFrame({"user": ["a@x.io", "b@x.io", "c@x.io"], "team": "Web", "manager": ["R/D", "r/d", None]})
    found = Study(roster=roster, team_column="manager", team="r/d")
    assert (found.teams, found.population) == (("R/D", "r/d"), "manager r/d")
    assert found.people(roster)["user"].to_list() == ["b@x.io"]
    assert found.page("Overview", template="overview").title.startswith("Overview · manager r/d · ")
    everybody = Study(roster=roster, team_column="manager").with_roster(pl.DataFrame({"user": [*"abcd"]}) + "@x.io")
    assert everybody["team"].to_list() == ["R/D", "r/d", "(no team)", "(not on the roster)"]
    with pytest.raises(ConfigurationError, match=r"no column 'manger'\. Hint: did you mean 'manager'"):
        Study(roster=roster, team_column="manger")
    managers = roster.with_columns(manager=pl.lit("ada@x.io"))
    with pytest.raises(ConfigurationError, match="'manager' of the roster holds e-mails"):
        Study(roster=managers, team_column="manager", names="hide", min_group_size=1)


@pytest.mark.parametrize("names", ["hide", "pseudonyms"])
def test_a_report_of_few_people_is_refused_and_an_error_names_nobody(names):
    """A team of three, a roster of six under a least of seven; a contradictory one names nobody, nor does its cause."""
    teams = ["Web"] * 4 + ["Search"] * 5
    users = ["a@x.io", "b@x.io", "c@x.io", "c@x.io", *(f"s{n}@x.io" for n in range(5))]
    roster = pl.DataFrame({"user": users, "team": teams}).unique(pl.col("user").str.to_lowercase(), keep="first")
    with pytest.raises(ConfigurationError, match="The team 'Web' has fewer than 5 people"):
        Study(roster=roster, team="Web", names=names)
    with pytest.raises(ConfigurationError, match="The roster has fewer than 9 people"):
        Study(roster=roster, names=names, min_group_size=9)
    assert Study(roster=roster, team="Search", names=names).team == "Search"
    assert Study(roster=roster, team="Web").team == "Web"
    roster = pl.DataFrame({"user": ["ada@x.io", "Ada@x.io"], "team": ["Web", "Search"]})
    with pytest.raises(TableError, match="different things") as caught:
        Study(roster=roster, names=names)
    assert "x.io" not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(TableError, match="@x"):
        Study(roster=roster)


def test_the_last_complete_periods_are_compared_with_as_many_before_them():
    """Weeks 2 and 3 against 0 and 1: week 4 is not over. With five weeks to a side there is nothing to compare."""
    rows = [
        (date(2026, 1, 5) + timedelta(weeks=week), user, "person", 100, accepted)
        for week, accepted in enumerate((10, 20, 30, 40, 90))
        for user in ("ada@x.io", "bob@x.io")
    ]
    names = ["date", "user", "user_type", "completions_count", "completions_accepted"]
    activity = pl.DataFrame(rows, schema=names, orient="row")
    weekly = active_users(activity, every="1w", since="2026-01-05", as_of="2026-02-04")
    chosen = Study(source="sample")
    found = chosen.compare_last(activity, weekly, metric="acceptance_rate", count=2)
    assert found.select(pl.col("before", "after").round(6), "both_users").row(0) == (0.15, 0.35, 2)
    alone = chosen.compare_last(activity, weekly, metric="acceptance_rate", count=3)  # of three there are none before
    assert alone.select("before", "difference", "verdict").row(0) == (None, None, None)
    assert chosen.compare_last(activity, weekly.clear(), metric="acceptance_rate").is_empty()


def test_a_person_is_followed_through_a_study():
    """Old e-mails become the roster's, and of a team's people only the days in the team are kept."""
    roster = pl.DataFrame(
        {
            "user": ["ada@x.io", "ada@x.io", "bob@x.io"],
            "team": ["Web", "Search", "Search"],
            "team_from": [None, "2026-02-01", None],
            "aliases": ["byron@x.io", None, None],
        }
    )
    days = pl.Series(["2026-01-31", "2026-02-01", "2026-02-01"]).str.to_date()
    rows = pl.DataFrame({"date": days, "user": ["byron@x.io", "ada+1@x.io", "bob@x.io"]})
    assert Study(roster=roster, team="Web").people(rows)["user"].to_list() == ["ada@x.io"]
    assert Study(roster=roster, team="Search").people(rows)["user"].to_list() == ["ada@x.io", "bob@x.io"]
    study = Study(roster=roster)
    assert study.with_roster(study.people(rows))["team"].to_list() == ["Web", "Search", "Search"]
    assert "byron" not in str(study.roster)


@pytest.mark.parametrize("names", ["show", "hide"])
def test_a_roster_of_another_mail_domain_is_refused(names):
    """Before any figure: the error names both domains, no person and no number of people."""
    study = Study(roster=pl.DataFrame({"user": [f"u{n}@new.io" for n in range(20)]}), names=names)
    with pytest.raises(TableError, match=r"end in @new\.io, .* in @old\.io") as refused:
        study.people(pl.DataFrame({"user": [f"u{n}@old.io" for n in range(20)], "user_type": "person"}))
    assert "u1@" not in str(refused.value)
