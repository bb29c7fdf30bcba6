"""The made-up organisation: exact where the API is exact, lifelike where an analyst will look."""

import csv
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import pytest

from augment_insights.errors import ConfigurationError
from augment_insights.metrics import METRICS
from augment_insights.periods import DayRange
from augment_insights.sample import SampleOrganisation, roster_csv, write_roster
from augment_insights.sample.records import PERSON, Record

Row = tuple[date, Record, dict[str, int]]

TODAY = date(2026, 3, 11)  # a Wednesday
MODES = ("chat", "remote_agent", "ide_agent", "cli_agent_interactive", "cli_agent_non_interactive")


@pytest.fixture(scope="module")
def organisation() -> SampleOrganisation:
    return SampleOrganisation(TODAY)


@pytest.fixture(scope="module")
def rows(organisation) -> list[Row]:
    """Every record of the history as (day, record, metrics by name)."""
    return [
        (day, record, dict(zip(METRICS, record.metrics, strict=True)))
        for day in organisation.days
        for record in organisation.records_on(day)
    ]


@pytest.fixture(scope="module")
def weekly(rows) -> list[set[str]]:
    """Return the people active in each whole week, by its Monday."""
    weeks = defaultdict(set)
    for day, record, _ in rows:
        monday = day - timedelta(days=day.weekday())
        if record.user_field == PERSON and monday + timedelta(days=6) < TODAY:
            weeks[monday].add(record.user)
    return [weeks[monday] for monday in sorted(weeks)]


@pytest.fixture(scope="module")
def roster() -> list[dict[str, str]]:
    return list(csv.DictReader(roster_csv(TODAY).splitlines()))


def share(rows: list[Row], top: str, bottom: str, keep: Callable[[date, Record], bool]) -> float:
    """Divide two sums over the rows that are kept."""
    kept = [metrics for day, record, metrics in rows if keep(day, record)]
    return sum(metrics[top] for metrics in kept) / sum(metrics[bottom] for metrics in kept)


def test_totals_are_the_sums_of_their_parts(rows):
    """In every record, messages and lines add up over the ways of working, to the unit: no fraction, nothing negative.

    No row is of zeros only, and each user, language and editor is there once a day.
    """
    assert len({(day, *record[:-1]) for day, record, _ in rows}) == len(rows)
    for _, record, metrics in rows:
        assert all(type(value) is int and value >= 0 for value in metrics.values())
        assert any(record.metrics)
        assert metrics["total_messages"] == sum(metrics[f"{mode}_messages"] for mode in MODES)
        agents = sum(metrics[f"{mode}_lines_of_code"] for mode in MODES[1:])
        assert metrics["total_modified_lines_of_code"] == metrics["completions_lines_of_code"] + agents


def test_nothing_is_accepted_that_was_not_suggested(rows):
    """In every record: accepted at most suggested, in completions and in lines; no lines out of nothing."""
    for _, _, metrics in rows:
        assert 0 <= metrics["completions_accepted"] <= metrics["completions_count"]
        assert metrics["completions_accepted"] <= metrics["completions_lines_of_code"]
        assert metrics["completions_lines_of_code"] <= metrics["completions_suggested_lines_of_code"]
        assert metrics["completions_accepted"] or not metrics["completions_lines_of_code"]
        for mode in MODES[1:]:
            assert metrics[f"{mode}_messages"] or not metrics[f"{mode}_lines_of_code"]


def test_history_runs_from_a_monday_57_weeks_back_to_yesterday(organisation):
    """The week of 11 March 2026 begins on the 9th; 57 weeks before is 3 February 2025."""
    assert str(organisation.days) == "2025-02-03 to 2026-03-10"
    for outside in (date(2025, 2, 2), TODAY, date(2027, 1, 1)):
        assert organisation.records_on(outside) == ()


def test_a_day_stays_the_same_all_week_and_in_any_order(organisation):
    """Asked on the Sunday of the week, or in any order, a day's records are what they were on its Wednesday."""
    sunday = SampleOrganisation(date(2026, 3, 15))
    for day in (date(2026, 3, 10), date(2025, 2, 3), date(2025, 9, 17), date(2026, 3, 10)):
        assert sunday.records_on(day) == organisation.records_on(day)
        assert sunday.records_on(day)


def test_another_process_draws_the_same(organisation):
    """Nothing hangs on the hash seed or on what was drawn before."""
    day = date(2026, 3, 2)
    code = (
        "from datetime import date; from augment_insights.sample import SampleOrganisation as S; "
        f"print([tuple(r) for r in S({TODAY!r}).records_on({day!r})])"
    ).replace("datetime.date", "date")
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    assert told.stdout.strip() == str([tuple(record) for record in organisation.records_on(day)])


def test_weekdays_are_far_busier_than_weekends(rows):
    """A weekend day sees under a tenth of the people of a working day, and more than none."""
    people = Counter(day.weekday() for day, user in {(d, r.user) for d, r, _ in rows if r.user_field == PERSON})
    working, weekend = sum(people[n] for n in range(5)) / 5, (people[5] + people[6]) / 2
    assert 0 < weekend < working / 10


def test_holidays_and_christmas_are_quiet(organisation):
    """Good Friday, 1 May and the days after Christmas see a fraction of an ordinary working day."""

    def people_on(*day: int) -> int:
        return len({r.user for r in organisation.records_on(date(*day)) if r.user_field == PERSON})

    assert people_on(2025, 4, 18) < people_on(2025, 4, 11) / 3
    assert people_on(2025, 5, 1) < people_on(2025, 5, 8) / 3
    assert people_on(2025, 12, 29) < people_on(2025, 12, 8) / 2


def test_the_roll_out_climbs_and_summer_is_quiet(weekly):
    """From one group to two thirds of the 400, an analyst must see a curve; August loses people to holidays.

    Without holidays the eight weeks from June to August would bring some 50 people more: 14 every other week.
    """
    assert 8 <= len(weekly[0]) <= 20
    assert 240 <= sum(map(len, weekly[-6:])) / 6 <= 300
    quarters = [sum(map(len, weekly[n : n + 14])) for n in (0, 14, 28, 42)]
    assert quarters == sorted(quarters)
    june, august = weekly[18:21], weekly[26:29]  # from 9 June and from 4 August 2025
    assert sum(map(len, august)) < sum(map(len, june)) + 3 * 25


def test_teams_start_one_after_the_other(rows, roster):
    """Nobody is active before the licence, nor after it; half of each larger team has begun after the one before."""
    licence = {row["user"]: row for row in roster}
    first_use = {}
    for day, record, _ in rows:
        if record.user_field == PERSON:
            row = licence[record.user]
            assert row["licensed_from"] <= day.isoformat() <= (row["licensed_to"] or "9999")
            first_use.setdefault(record.user, day)
    halves = []
    for team in ("Platform", "Web", "Payments", "Data Science", "Mobile", "Search", "Embedded"):
        days = sorted(day for user, day in first_use.items() if licence[user]["team"] == team)
        halves.append(days[len(days) // 2])
    assert halves == sorted(set(halves))


def test_acceptance_falls_as_agents_take_over(organisation, rows):
    """First quarter against the weeks before the training: acceptance falls by 2 points or more, chat halves."""
    early, late = date(2025, 5, 15), (date(2025, 12, 1), organisation.story.trained_on)
    before = share(rows, "completions_accepted", "completions_count", lambda day, _: day < early)
    after = share(rows, "completions_accepted", "completions_count", lambda day, _: late[0] <= day < late[1])
    assert 0.30 < before < 0.42
    assert 0.22 < after < before - 0.02
    chat_before = share(rows, "chat_messages", "total_messages", lambda day, _: day < early)
    chat_after = share(rows, "chat_messages", "total_messages", lambda day, _: day >= late[0])
    assert chat_before > 0.6
    assert chat_after < chat_before / 2


def test_teams_differ(rows, roster):
    """The most and the least accepting team are five points apart or more."""
    team_of = {row["user"]: row["team"] for row in roster}
    rates = [
        share(rows, "completions_accepted", "completions_count", lambda _, r, team=team: team_of.get(r.user) == team)
        for team in set(team_of.values())
    ]
    assert max(rates) - min(rates) > 0.05


def test_most_who_start_stay_and_some_do_not(weekly):
    """One week later 60 to 90 % are back; some left within a month for good; some came back after five weeks."""
    first, seen_in = {}, defaultdict(list)
    for number, users in enumerate(weekly):
        for user in users:
            first.setdefault(user, number)
            seen_in[user].append(number)
    starters = [user for user, number in first.items() if number + 1 < len(weekly)]
    back = sum(user in weekly[first[user] + 1] for user in starters) / len(starters)
    assert 0.6 < back < 0.9
    gone = [user for user, weeks in seen_in.items() if weeks[-1] - weeks[0] <= 4 and weeks[-1] < len(weekly) - 8]
    returned = [user for user, weeks in seen_in.items() if max(map(int.__sub__, weeks[1:], weeks), default=0) > 5]
    assert len(gone) >= 4
    assert len(returned) >= 4


def test_heavy_and_light_users(rows):
    """The top tenth of the people sends at least a fifth of the messages, and not most of them."""
    messages = Counter()
    for _, record, metrics in rows:
        if record.user_field == PERSON:
            messages[record.user] += metrics["total_messages"]
    top = sum(count for _, count in messages.most_common(len(messages) // 10))
    assert 0.2 < top / messages.total() < 0.6


def test_languages_and_editors_are_several_and_sometimes_unknown(rows):
    """Most people use several languages; editors differ; both are Unknown now and then."""
    languages, editors = defaultdict(set), Counter()
    for _, record, _ in rows:
        if record.user_field == PERSON:
            languages[record.user].add(record.language)
        editors[record.editor] += 1
    several = [user for user, known in languages.items() if len(known - {"Unknown"}) > 1]
    assert len(several) > len(languages) / 2
    assert {"VSCode", "JetBrains", "Vim", "CLI", "Unknown"} == editors.keys()
    assert any("Unknown" in known for known in languages.values())


def test_three_service_accounts_do_most_of_the_non_interactive_work(rows):
    """Automation has three names, and over nine tenths of the non-interactive messages."""
    automation = {record.user for _, record, _ in rows if record.user_field != PERSON}
    assert len(automation) == 3
    messages = Counter()
    for _, record, metrics in rows:
        messages[record.user_field] += metrics["cli_agent_non_interactive_messages"]
    assert messages["service_account_name"] > 9 * messages[PERSON] > 0


def test_roster_lists_every_person_once_and_nobody_else(rows, roster):
    """400 licensed people in eleven teams, one of three and one of one; nobody active is missing; some have left."""
    users = [row["user"] for row in roster]
    people = {record.user for _, record, _ in rows if record.user_field == PERSON}
    assert list(roster[0]) == ["user", "team", "licensed_from", "licensed_to", "role"]
    assert len(users) == len(set(users)) == 400
    assert users == sorted(users)
    assert all(user.endswith("@example.com") for user in users)
    assert people < set(users)
    sizes = sorted(Counter(row["team"] for row in roster).values())
    assert len(sizes) == 11
    assert (sizes[:3], sizes[-1]) == ([1, 3, 8], 90)
    assert all(row["role"] for row in roster)
    ended = [row for row in roster if row["licensed_to"]]
    assert 8 <= len(ended) <= 20
    assert all(row["licensed_from"] < row["licensed_to"] < TODAY.isoformat() for row in ended)


def test_newcomers_begin_in_groups(rows):
    """Every other week at least ten people are seen for the first time, and nobody in the weeks between."""
    first = {record.user: day for day, record, _ in reversed(rows) if record.user_field == PERSON}
    cohorts = Counter(day - timedelta(days=day.weekday()) for day in first.values())
    assert len(cohorts) == 28
    assert min(cohorts.values()) >= 10


@dataclass
class Quarter:
    """The last 13 whole weeks of an organisation, and its roster."""

    organisation: SampleOrganisation
    rows: list[Row]
    team_of: dict[str, str]

    def active(self, team: str | None, first: date, days: int) -> set[str]:
        """Return the people of a team, or all, who are active on any of so many days."""
        return {
            record.user
            for day, record, _ in self.rows
            if 0 <= (day - first).days < days and (team is None or self.team_of.get(record.user) == team)
        } & self.team_of.keys()

    def sides(self, top: str, bottom: str, team: str, since: date) -> tuple[float, float]:
        """Divide two sums of a team, over the four weeks before a day and over what comes ten days after it."""
        of_team = [row for row in self.rows if self.team_of.get(row[1].user) == team]
        return (
            share(of_team, top, bottom, lambda day, _: -28 <= (day - since).days < 0),
            share(of_team, top, bottom, lambda day, _: (day - since).days >= 10),
        )


@pytest.fixture(scope="module", params=[0, 1, 2, 3])
def quarter(request) -> Quarter:
    """Return the quarter to Sunday 22 November 2026 of four organisations."""
    organisation = SampleOrganisation(date(2026, 11, 25), seed=request.param)
    rows = [
        (day, record, dict(zip(METRICS, record.metrics, strict=True)))
        for day in DayRange(date(2026, 8, 24), date(2026, 11, 22))
        for record in organisation.records_on(day)
    ]
    roster = csv.DictReader(organisation.roster_csv().splitlines())
    return Quarter(organisation, rows, {row["user"]: row["team"] for row in roster if not row["licensed_to"]})


def test_the_training_shows_in_its_team_alone(quarter):
    """From the training on its team accepts five points more, and its people do more; no other large team does."""
    story = quarter.organisation.story
    accepted = {
        team: quarter.sides("completions_accepted", "completions_count", team, story.trained_on)
        for team in ("Web", "Platform", "Payments", "Data Science", "Embedded")
    }
    rises = {team: after - before for team, (before, after) in accepted.items()}
    assert rises.pop(story.trained_team) > 0.05
    assert all(abs(rise) < 0.03 for rise in rises.values())
    before, after = (
        len([1 for day, record, _ in quarter.rows if record.user in people and 0 <= (day - start).days < 21])
        for people, start in [
            (quarter.active(story.trained_team, story.trained_on - timedelta(28), 56), story.trained_on + timedelta(n))
            for n in (-28, 7)
        ]
    )
    assert after > 1.1 * before


def test_the_holiday_week_is_empty_and_the_weeks_around_it_are_not(quarter):
    """Under half of the people of the week before work in the holiday week, and they are back in the next."""
    holidays = quarter.organisation.story.holiday_week
    before, during, after = (len(quarter.active(None, holidays.start + timedelta(weeks=n), 7)) for n in (-1, 0, 1))
    assert during < before / 2
    assert during < after / 2


def test_two_in_five_of_a_team_stop(quarter):
    """Of those active in the four weeks before the lapse, a third or more of its team is never seen again."""
    story = quarter.organisation.story
    for team in {*quarter.team_of.values()} - {"CTO Office", "Research", "Design Systems"}:
        before = quarter.active(team, story.lapsed_on - timedelta(28), 28)
        gone = len(before - quarter.active(team, story.lapsed_on, 60)) / len(before)
        assert gone > 0.3 if team == story.lapsed_team else gone < 0.2, team


def test_a_team_moves_to_agents(quarter):
    """Agents write nearly none of its messages before, and more than half of them soon after."""
    story = quarter.organisation.story
    before, after = quarter.sides("ide_agent_messages", "total_messages", story.moved_team, story.moved_on)
    assert before < 0.05
    assert after > 0.5


def test_unused_licences_gather_in_two_teams(quarter):
    """Not active in the last 30 days: over a third of the licences of two teams, under a fifth of the others'.

    The team that lapsed is left aside, and those where three people are a fifth.
    """
    story = quarter.organisation.story
    lately = quarter.active(None, date(2026, 10, 24), 30)
    licences, unused = Counter(), Counter()
    for user, team in quarter.team_of.items():
        licences[team] += 1
        unused[team] += user not in lately
    for team, count in licences.items():
        if team in story.idle_teams:
            assert unused[team] > count / 3
        elif team != story.lapsed_team and count >= 20:
            assert unused[team] < count / 5, team


def test_another_seed_is_another_organisation():
    """Other people, and another team for each part of the story; the same seed gives the same once more."""
    first, second, again = (SampleOrganisation(TODAY, people=60, seed=seed) for seed in (0, 1, 1))
    assert second.roster_csv() == again.roster_csv() != first.roster_csv()
    assert second.events_csv() == again.events_csv()
    for part in ("trained_team", "moved_team", "lapsed_team", "idle_teams"):
        assert getattr(first.story, part) != getattr(second.story, part)


def test_without_a_story_one_week_is_like_the_next():
    """No event, nobody new, and no week of the last quarter with a tenth more or fewer people than the mean."""
    quiet = SampleOrganisation(date(2026, 1, 14), story=False)  # Christmas is in it
    assert (quiet.story, quiet.events_csv()) == (None, "date,text,group\n")
    weeks = [
        {record.user for day in range(7) for record in quiet.records_on(date(2025, 10, 13) + timedelta(7 * n + day))}
        for n in range(13)
    ]
    mean = sum(map(len, weeks)) / 13
    assert all(abs(len(week) - mean) < mean / 10 for week in weeks)


@pytest.mark.parametrize("people", [20, 61, 2000])
def test_any_number_of_people(people):
    """So many licences, each e-mail once; the smallest teams stay at one and at three people."""
    roster = list(csv.DictReader(roster_csv(TODAY, people=people).splitlines()))
    assert len({row["user"] for row in roster}) == len(roster) == people
    teams = Counter(row["team"] for row in roster)
    assert (teams["CTO Office"], teams["Research"]) == (1, 3)


def test_too_few_people_are_refused():
    """Nineteen cannot make the teams: the message says how many can."""
    with pytest.raises(ConfigurationError, match="20 or more"):
        SampleOrganisation(TODAY, people=19)


def test_write_roster_writes_what_roster_csv_says(tmp_path):
    """The file holds the same text, to the byte, and its path comes back."""
    path = tmp_path / "roster.csv"
    assert write_roster(str(path), TODAY) == path
    assert path.read_bytes() == roster_csv(TODAY).encode()
