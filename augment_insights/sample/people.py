"""Who works at the made-up organisation: its teams, its people and their habits, and what happens to them.

Everybody is drawn once, from fixed seeds; dates are counted from the first day of the history.
All numbers here are inventions, chosen so that the whole looks like an organisation that rolls
out a coding assistant over a year, with a few things happening in its last quarter.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING

from augment_insights.periods import DayRange, calendar_period

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HISTORY_WEEKS = 57
"""Whole weeks of history before the week of today: about thirteen months."""

_WEEK = timedelta(weeks=1)
_FOR_GOOD = date(9999, 12, 31)

# fmt: off
_FIRST_NAMES = (
    "ines", "tomasz", "amara", "johan", "mei", "rafael", "saoirse", "kofi", "lena", "arjun", "yuki", "mateo", "fatima",
    "oskar", "priya", "dmitri", "chloe", "hamza", "ingrid", "tariq", "noor", "felix", "aiko", "bruno", "zofia", "emeka",
    "clara", "ravi", "maja", "diego", "hana", "pierre", "leila", "anders", "sofia", "kwame", "elif", "jonas", "marta",
    "ibrahim", "alice", "viktor", "nadia", "sean", "thandi", "lukas", "camila", "omar", "greta", "kenji", "paula",
    "idris", "vera", "samir", "julia", "nikhil", "eva", "carlos", "miriam", "petr", "lucia", "daniel", "anya", "hugo",
)
_LAST_NAMES = (
    "okafor", "nowak", "diallo", "lindqvist", "chen", "moreira", "byrne", "mensah", "hoffmann", "patel", "tanaka",
    "garcia", "haddad", "nilsson", "sharma", "volkov", "laurent", "qureshi", "berg", "rahman", "aziz", "weber", "sato",
    "costa", "kowalska", "eze", "fischer", "iyer", "horvat", "ramirez", "kim", "dubois", "karimi", "hansen", "rossi",
    "boateng", "yilmaz", "keller", "silva", "bello", "martin", "petrov", "benali", "murphy", "dlamini", "novak",
    "torres", "farouk", "schmidt", "watanabe", "mendes", "sesay", "popescu", "nassar", "wagner", "rao", "jansen",
    "vega", "cohen", "svoboda", "ferrari", "larsen",
)
# fmt: on
_SURNAME_STRIDE = 7  # coprime to the 62 surnames: no two people of 1,984 in a row share both names
_DISTINCT_NAMES = 1984

_ROLES = ("Software Engineer", "Senior Engineer", "Staff Engineer", "Engineering Manager")
_ROLE_WEIGHTS = (0.5, 0.34, 0.1, 0.06)

# The shares of a team that take to the assistant in which way; everybody else is a steady user.
_HABITS = {"never": 0.03, "taster": 0.07, "comeback": 0.07, "leaver": 0.04, "occasional": 0.07}

# Of all weeks: a week of other work, and a few days of illness, travel or meetings.
_OTHER_WORK = 0.045
_SOME_DAYS_AWAY = 0.075


@dataclass(frozen=True, slots=True)
class Team:
    """A team: how large it is among 400 people, when it is let in, what it works with, and how it takes to agents."""

    name: str
    people: int
    launch_week: int
    languages: Mapping[str, float]
    editors: Mapping[str, float]
    acceptance: float
    agent_lean: float


# fmt: off
TEAMS = (
    Team("Platform", people=52, launch_week=0, acceptance=0.36, agent_lean=1.25,
         languages={"Go": 4, "Python": 3, "HCL": 2, "Shell": 2, "YAML": 1},
         editors={"VSCode": 5, "JetBrains": 3, "Vim": 2}),
    Team("CTO Office", people=1, launch_week=0, acceptance=0.36, agent_lean=1.2,
         languages={"Python": 1}, editors={"VSCode": 1}),
    Team("Web", people=90, launch_week=3, acceptance=0.41, agent_lean=1.1,
         languages={"TypeScript": 6, "JavaScript": 3, "CSS": 2, "HTML": 1},
         editors={"VSCode": 9, "JetBrains": 1}),
    Team("Payments", people=64, launch_week=9, acceptance=0.37, agent_lean=0.8,
         languages={"Java": 6, "Kotlin": 2, "SQL": 2, "Groovy": 1},
         editors={"JetBrains": 8, "VSCode": 2}),
    Team("Data Science", people=44, launch_week=14, acceptance=0.39, agent_lean=1.15,
         languages={"Python": 7, "SQL": 3, "R": 1, "Unknown": 1},
         editors={"VSCode": 7, "JetBrains": 3}),
    Team("Mobile", people=36, launch_week=19, acceptance=0.35, agent_lean=0.9,
         languages={"Kotlin": 4, "Swift": 4, "Dart": 2},
         editors={"JetBrains": 5, "VSCode": 3, "Unknown": 2}),
    Team("Search", people=26, launch_week=23, acceptance=0.38, agent_lean=1.0,
         languages={"Java": 4, "Python": 3, "Rust": 1},
         editors={"JetBrains": 5, "VSCode": 4}),
    Team("Research", people=3, launch_week=24, acceptance=0.33, agent_lean=1.1,
         languages={"Python": 5, "C++": 1}, editors={"VSCode": 1}),
    Team("Security", people=16, launch_week=28, acceptance=0.34, agent_lean=0.9,
         languages={"Go": 3, "Python": 3, "C": 1},
         editors={"VSCode": 3, "Vim": 2}),
    Team("Design Systems", people=8, launch_week=32, acceptance=0.42, agent_lean=1.0,
         languages={"TypeScript": 5, "CSS": 3},
         editors={"VSCode": 1}),
    Team("Embedded", people=60, launch_week=38, acceptance=0.29, agent_lean=0.55,
         languages={"C++": 5, "C": 4, "Rust": 2, "Python": 1},
         editors={"VSCode": 4, "Vim": 4, "JetBrains": 1}),
)
# fmt: on
"""The eleven teams, in the order in which they are let in; one of three people and one of one."""

_FEW = 3  # a team this small stays as it is, however large the organisation
FEWEST_PEOPLE = 20
"""The fewest people that the teams can be drawn for."""

AGENT_RAMP_DAYS = 75
"""Within how many days most of somebody's work moves to agents."""

# Newcomers begin together, every other week, so that a week's cohort is a group and not three people.
_WAVES = range(0, 56, 2)
_HIRED_LATER = 0.15  # the share that comes at any time after the team's launch

# What happens in the last 13 whole weeks of the history, counted in weeks from its first Monday.
_HOLIDAY_WEEK, _LAPSE_WEEK, _MOVE_WEEK, _TRAINING_WEEK = 47, 52, 52, 53
# Two teams for each part: the largest are trained, so that it shows in the whole organisation.
_TO_BE_TRAINED, _TO_BE_MOVED, _TO_LAPSE = ("Web", "Payments"), ("Platform", "Data Science"), ("Mobile", "Search")


@dataclass(frozen=True, slots=True)
class Story:
    """What happens at the made-up organisation in its last quarter, for whoever checks that a report finds it.

    Attributes
    ----------
    trained_team, trained_on : str, date
        A team that accepts more and works more with the assistant from its training on.
    moved_team, moved_on : str, date
        A team that moves from completions to agents within two to three weeks.
    lapsed_team, lapsed_on : str, date
        A team of which two in five stop; nobody of them is active from that day on.
    idle_teams : tuple of str
        The two teams in which licences that are idle or never used gather.
    holiday_week : DayRange
        Monday to Sunday of a week in which hardly anybody works.
    """

    trained_team: str
    trained_on: date
    moved_team: str
    moved_on: date
    lapsed_team: str
    lapsed_on: date
    idle_teams: tuple[str, str]
    holiday_week: DayRange


def story_of(first_day: date, seed: int) -> Story:
    """Give every part of the story to a team of its own; the next seed hands the parts on."""
    trained, moved = seed % 2, (seed + seed // 2) % 2
    holidays = first_day + _HOLIDAY_WEEK * _WEEK
    return Story(
        trained_team=_TO_BE_TRAINED[trained],
        trained_on=first_day + _TRAINING_WEEK * _WEEK,
        moved_team=_TO_BE_MOVED[moved],
        moved_on=first_day + _MOVE_WEEK * _WEEK,
        lapsed_team=_TO_LAPSE[trained],
        lapsed_on=first_day + _LAPSE_WEEK * _WEEK,
        idle_teams=(_TO_BE_TRAINED[1 - trained], _TO_BE_MOVED[1 - moved]),
        holiday_week=DayRange(holidays, holidays + timedelta(days=6)),
    )


@dataclass(frozen=True, slots=True)
class Person:
    """A licensed person: the roster's part, and the habits that the activity is drawn from.

    Attributes
    ----------
    first_day : date or None
        The day that the person is shown the assistant, and uses it; None for a licence that is never used.
    stints : tuple of DayRange
        When the person uses the assistant at all.
    away : frozenset of date
        Days within them without any use: holidays, illness, weeks of other work.
    keenness : float
        The chance that the person uses it on a working day.
    load : float
        How much, against a typical user (1).
    acceptance : float
        The share of completions accepted before agents take over the easy ones.
    acceptance_lost : float
        How much of it goes when all the work goes through agents: the completions that are left are the hard ones.
    agents_from, cli_from, remote_from : date or None
        When the person starts with agents in the editor, on the command line and remotely.
    agent_peak, agent_ramp_days : float
        The share of the work that goes through agents in the end, and within how many days.
    trained_on : date or None
        From when on a training shows.
    """

    user: str
    team: str
    role: str
    licensed_from: date
    licensed_to: date | None
    first_day: date | None
    stints: tuple[DayRange, ...]
    away: frozenset[date]
    keenness: float
    load: float
    acceptance: float
    acceptance_lost: float
    languages: tuple[str, ...]
    editors: tuple[str, ...]
    agents_from: date
    cli_from: date | None
    remote_from: date | None
    agent_peak: float
    agent_ramp_days: float
    trained_on: date | None


def history_of(today: date) -> DayRange:
    """Return the days of the history: from the Monday 57 weeks before the week of today, to yesterday.

    Examples
    --------
    >>> print(history_of(date(2026, 3, 11)))  # a Wednesday
    2025-02-03 to 2026-03-10
    """
    this_week = calendar_period(today, "1w").start
    return DayRange(this_week - HISTORY_WEEKS * _WEEK, today - timedelta(days=1))


def seeded(*parts: object) -> random.Random:
    """Return a generator that always starts the same for the same parts, on every machine."""
    return random.Random("/".join(map(str, parts)))  # noqa: S311 (made-up data, not secrets)


def draw_people(first_day: date, people: int, seed: int, story: Story | None) -> tuple[Person, ...]:
    """Draw all licensed people of a history that begins on ``first_day``, team by team."""
    rng = seeded(seed, "people")
    members = [
        (team, habit)
        for team, size in zip(TEAMS, _sizes(people), strict=True)
        for habit in _habits(size, _habits_of(team, story), rng)
    ]
    # Without a story everybody began a year before the history does, and has settled in.
    long_ago = [first_day - timedelta(days=365)] * people
    starts = _first_days([team for team, _ in members], first_day, rng) if story else long_ago
    return tuple(
        _draw_person(seeded(seed, "person", number), _email(number, seed), member, start, first_day, story)
        for number, (member, start) in enumerate(zip(members, starts, strict=True))
    )


def _sizes(people: int) -> list[int]:
    """Return how many of so many people are in each team: small teams as they are, the others in proportion.

    Examples
    --------
    >>> _sizes(400) == [team.people for team in TEAMS]
    True
    >>> _sizes(103)
    [13, 1, 23, 16, 10, 10, 6, 3, 4, 2, 15]
    """
    scaled = [0 if team.people <= _FEW else team.people for team in TEAMS]
    left = people - sum(team.people for team in TEAMS if team.people <= _FEW)
    ends = [round(part * left / sum(scaled)) for part in accumulate(scaled, initial=0)]
    return [
        team.people if team.people <= _FEW else end - begin
        for team, begin, end in zip(TEAMS, ends[:-1], ends[1:], strict=True)
    ]


def _habits_of(team: Team, story: Story | None) -> Mapping[str, float]:
    if story is None:
        return {"never": 0.03, "occasional": 0.07}
    if team.name in story.idle_teams:
        return _HABITS | {"never": 0.24, "idle": 0.2}
    return _HABITS | {"lapsed": 0.4} if team.name == story.lapsed_team else _HABITS


def _habits(count: int, shares: Mapping[str, float], rng: random.Random) -> list[str]:
    """Deal habits out to a team in their shares, not by chance: what the story tells must be there."""
    bounds = dict(zip(shares, accumulate(shares.values()), strict=True))
    dealt = [
        next((habit for habit, bound in bounds.items() if (place + 0.5) / count < bound), "steady")
        for place in range(count)
    ]
    rng.shuffle(dealt)
    return dealt


def _first_days(teams: Sequence[Team], first_day: date, rng: random.Random) -> list[date]:
    """Draw when each begins: in waves of one size, team after team, some hired later."""
    wished = [
        rng.uniform(team.launch_week, HISTORY_WEEKS)
        if rng.random() < _HIRED_LATER
        else team.launch_week + rng.expovariate(1 / 3)
        for team in teams
    ]
    waves = dict[int, int]()
    for place, number in enumerate(sorted(range(len(teams)), key=wished.__getitem__)):
        waves[number] = _WAVES[place * len(_WAVES) // len(teams)]
    return [first_day + waves[number] * _WEEK + timedelta(days=rng.randrange(4)) for number in range(len(teams))]


def _draw_person(
    rng: random.Random, user: str, member: tuple[Team, str], start: date, first_day: date, story: Story | None
) -> Person:
    """Draw somebody of a team and of a habit, who begins on ``start``."""
    team, habit = member
    stints = _draw_stints(rng, habit, start, first_day, story)
    rollout_of_agents = first_day + 18 * _WEEK if story else start
    agents_from = start + timedelta(days=int(rng.expovariate(team.agent_lean / 75)))
    cli_from = max(start, rollout_of_agents + timedelta(days=rng.randrange(0, 150)))
    remote_from = max(start, rollout_of_agents + timedelta(days=rng.randrange(30, 200)))
    agent_peak = min(0.92, max(0.15, rng.gauss(0.62, 0.14) * team.agent_lean**0.5))
    has_cli, has_remote = rng.random() < 0.38 * team.agent_lean, rng.random() < 0.3 * team.agent_lean
    moves = story is not None and team.name == story.moved_team
    if story is not None and moves:
        agents_from = max(start, story.moved_on + timedelta(days=rng.randrange(0, 10)))
        agent_peak, has_cli, has_remote = 0.5 + 0.45 * agent_peak, False, False
    return Person(
        user=user,
        team=team.name,
        role=rng.choices(_ROLES, _ROLE_WEIGHTS)[0],
        licensed_from=start - timedelta(days=1 + min(int(rng.expovariate(1 / 12)), 45)),
        licensed_to=stints[-1].end + timedelta(days=rng.randrange(1, 9)) if habit == "leaver" else None,
        first_day=start if stints else None,
        stints=stints,
        away=frozenset(_draw_away(rng, first_day, seasons=story is not None)),
        keenness=rng.uniform(0.14, 0.32)
        if habit == "occasional"
        else min(0.42 + 0.56 * rng.betavariate(2.2, 1.3), 0.97),
        load=min(max(rng.lognormvariate(0, 0.55), 0.25), 3.5),
        acceptance=team.acceptance + rng.gauss(0, 0.035),
        acceptance_lost=0.0 if moves else 0.17,
        languages=_draw_some(rng, team.languages, rng.choice((2, 2, 3, 3, 4))),
        editors=_draw_some(rng, team.editors, rng.choices((1, 2), (0.8, 0.2))[0]),
        agents_from=agents_from,
        cli_from=cli_from if has_cli else None,
        remote_from=remote_from if has_remote else None,
        agent_peak=agent_peak,
        agent_ramp_days=10 if moves else AGENT_RAMP_DAYS,
        trained_on=story.trained_on if story is not None and team.name == story.trained_team else None,
    )


def _draw_stints(
    rng: random.Random, habit: str, start: date, first_day: date, story: Story | None
) -> tuple[DayRange, ...]:
    """Draw when somebody of this habit uses the assistant at all."""

    def after(low: int, high: int) -> date:
        return start + timedelta(days=rng.randrange(low, high))

    if habit == "never":
        return ()
    if habit == "comeback":
        stopped = after(25, 80)
        returned = stopped + timedelta(days=rng.randrange(35, 90))
        return DayRange(start, stopped), DayRange(returned, _FOR_GOOD)
    end = _FOR_GOOD
    if habit == "taster":
        end = after(1, 18)
    elif habit == "leaver":
        end = after(70, 190)
    elif habit == "idle":
        end = max(after(8, 20), first_day + rng.randrange(30, 48) * _WEEK)
    elif habit == "lapsed" and story is not None and start < story.lapsed_on:
        end = max(start, story.lapsed_on - timedelta(days=rng.randrange(1, 6)))
    return (DayRange(start, end),)


def _draw_away(rng: random.Random, first_day: date, *, seasons: bool) -> Iterator[date]:
    """Draw weeks of other work or illness and, with seasons, holidays in summer, in winter and in spring."""
    for year in range(first_day.year, first_day.year + 3) if seasons else ():
        summer = date(year, 7, 1) + timedelta(days=rng.randrange(0, 48))
        yield from _days_from(summer, rng.choice((9, 12, 16, 19)))
        yield from _days_from(date(year, 2, 1) + timedelta(days=rng.randrange(0, 110)), rng.choice((3, 5, 7)))
        yield from _days_from(date(year, 10, 1) + timedelta(days=rng.randrange(0, 40)), rng.choice((2, 5, 9)))
    for week in range(HISTORY_WEEKS + 1):
        mood = rng.random()
        if mood < _OTHER_WORK:
            yield from _days_from(first_day + week * _WEEK, 7)
        elif mood < _OTHER_WORK + _SOME_DAYS_AWAY:
            yield from _days_from(first_day + week * _WEEK + timedelta(days=rng.randrange(0, 4)), rng.randrange(1, 4))


def _days_from(first: date, count: int) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range(count))


def _draw_some(rng: random.Random, weights: Mapping[str, float], count: int) -> tuple[str, ...]:
    """Draw different words by weight, the main one first."""
    left = dict(weights)
    drawn: list[str] = []
    while left and len(drawn) < count:
        word = rng.choices(list(left), list(left.values()))[0]
        drawn.append(word)
        del left[word]
    return tuple(drawn)


def _email(number: int, seed: int) -> str:
    place = number + 101 * seed  # another organisation is of other people
    first = _FIRST_NAMES[place % len(_FIRST_NAMES)]
    last = _LAST_NAMES[place * _SURNAME_STRIDE % len(_LAST_NAMES)]
    return f"{first}.{last}{number // _DISTINCT_NAMES or ''}@example.com"
