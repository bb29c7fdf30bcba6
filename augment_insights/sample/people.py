"""Who works at the made-up organisation: its teams, its people and their habits, and its roster.

Everybody is drawn once, from fixed seeds; dates are counted from the first day of the history.
All numbers here are inventions, chosen so that the whole looks like an organisation that rolls
out a coding assistant over a year.
"""

from __future__ import annotations

import csv
import io
import random
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from augment_insights.periods import DayRange, calendar_period

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HISTORY_WEEKS = 57
"""Whole weeks of history before the week of today: about thirteen months."""

_WEEK = timedelta(weeks=1)

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
_SURNAME_STRIDE = 7  # coprime to the 62 surnames: no two people of the first 1,984 share both names

_ROLES = ("Software Engineer", "Senior Engineer", "Staff Engineer", "Engineering Manager")
_ROLE_WEIGHTS = (0.5, 0.34, 0.1, 0.06)

# How many people take to the assistant in which way; everybody else is a steady user.
_HABIT_COUNTS = {"never": 10, "taster": 12, "comeback": 9, "leaver": 6, "occasional": 9}


@dataclass(frozen=True, slots=True)
class Team:
    """A team: when it is let in, what it works with, and how it takes to completions and agents."""

    name: str
    people: int
    launch_week: int
    mean_delay_days: float
    languages: Mapping[str, float]
    editors: Mapping[str, float]
    acceptance: float
    agent_lean: float


TEAMS = (
    Team(
        name="Platform",
        people=18,
        launch_week=0,
        mean_delay_days=9,
        languages={"Go": 4, "Python": 3, "HCL": 2, "Shell": 2, "YAML": 1},
        editors={"VSCode": 5, "JetBrains": 3, "Vim": 2},
        acceptance=0.36,
        agent_lean=1.25,
    ),
    Team(
        name="Web",
        people=22,
        launch_week=6,
        mean_delay_days=20,
        languages={"TypeScript": 6, "JavaScript": 3, "CSS": 2, "HTML": 1},
        editors={"VSCode": 9, "JetBrains": 1},
        acceptance=0.41,
        agent_lean=1.1,
    ),
    Team(
        name="Payments",
        people=20,
        launch_week=14,
        mean_delay_days=24,
        languages={"Java": 6, "Kotlin": 2, "SQL": 2, "Groovy": 1},
        editors={"JetBrains": 8, "VSCode": 2},
        acceptance=0.37,
        agent_lean=0.8,
    ),
    Team(
        name="Mobile",
        people=14,
        launch_week=24,
        mean_delay_days=24,
        languages={"Kotlin": 4, "Swift": 4, "Dart": 2},
        editors={"JetBrains": 5, "VSCode": 3, "Unknown": 2},
        acceptance=0.35,
        agent_lean=0.9,
    ),
    Team(
        name="Data Science",
        people=16,
        launch_week=34,
        mean_delay_days=24,
        languages={"Python": 7, "SQL": 3, "R": 1, "Unknown": 1},
        editors={"VSCode": 7, "JetBrains": 3},
        acceptance=0.39,
        agent_lean=1.15,
    ),
    Team(
        name="Embedded",
        people=34,
        launch_week=45,
        mean_delay_days=36,
        languages={"C++": 5, "C": 4, "Rust": 2, "Python": 1},
        editors={"VSCode": 4, "Vim": 4, "JetBrains": 1},
        acceptance=0.29,
        agent_lean=0.55,
    ),
)
"""The six teams, in the order in which they are let in."""


@dataclass(frozen=True, slots=True)
class Person:
    """A licensed person: the roster's part, and the habits that the activity is drawn from.

    Attributes
    ----------
    stints : tuple of DayRange
        When the person uses the assistant at all; none for a licence that is never used.
    away : frozenset of date
        Days within them without any use: holidays, illness, weeks of other work.
    keenness : float
        The chance that the person uses it on a working day.
    load : float
        How much, against a typical user (1).
    acceptance : float
        The share of completions accepted before agents take over the easy ones.
    agents_from, cli_from, remote_from : date or None
        When the person starts with agents in the editor, on the command line and remotely.
    agent_peak : float
        The share of the work that goes through agents in the end.
    """

    user: str
    team: str
    role: str
    licensed_from: date
    licensed_to: date | None
    stints: tuple[DayRange, ...]
    away: frozenset[date]
    keenness: float
    load: float
    acceptance: float
    languages: tuple[str, ...]
    editors: tuple[str, ...]
    agents_from: date
    cli_from: date | None
    remote_from: date | None
    agent_peak: float


def history_of(today: date) -> DayRange:
    """Return the days of the history: from the Monday 57 weeks before the week of today, to yesterday.

    Examples
    --------
    >>> print(history_of(date(2026, 3, 11)))  # a Wednesday
    2025-02-03 to 2026-03-10
    """
    this_week = calendar_period(today, "1w").start
    return DayRange(this_week - HISTORY_WEEKS * _WEEK, today - timedelta(days=1))


def people_of(first_day: date) -> tuple[Person, ...]:
    """Draw all licensed people of a history that begins on ``first_day``, team by team."""
    rng = seeded("people")
    number_of_people = sum(team.people for team in TEAMS)
    habits = [habit for habit, count in _HABIT_COUNTS.items() for _ in range(count)]
    habits += ["steady"] * (number_of_people - len(habits))
    rng.shuffle(habits)
    teams = [team for team in TEAMS for _ in range(team.people)]
    return tuple(
        _draw_person(number, team, habit, first_day)
        for number, (team, habit) in enumerate(zip(teams, habits, strict=True))
    )


def seeded(*parts: object) -> random.Random:
    """Return a generator that always starts the same for the same parts, on every machine."""
    return random.Random("/".join(map(str, parts)))  # noqa: S311 (made-up data, not secrets)


def _draw_person(number: int, team: Team, habit: str, first_day: date) -> Person:
    rng = seeded("person", number)
    launch = first_day + team.launch_week * _WEEK
    delay = int(min(rng.expovariate(1 / team.mean_delay_days), 75))
    hired_later = rng.random() < 0.15  # noqa: PLR2004 (an invented share)
    if hired_later:  # some time between the launch and the end of the history, so that newcomers never quite cease
        delay = rng.randrange(14, 7 * (HISTORY_WEEKS - team.launch_week))
    start = launch + timedelta(days=delay)
    licensed_from = start - timedelta(days=rng.randrange(2, 6)) if hired_later else launch - timedelta(days=3)
    stints = _draw_stints(rng, habit, start)
    left = habit == "leaver"
    agents_from = start + timedelta(days=int(rng.expovariate(team.agent_lean / 75)))
    has_cli = rng.random() < 0.38 * team.agent_lean
    has_remote = rng.random() < 0.3 * team.agent_lean
    rollout_of_agents = first_day + 18 * _WEEK
    return Person(
        user=_email(number),
        team=team.name,
        role=rng.choices(_ROLES, _ROLE_WEIGHTS)[0],
        licensed_from=licensed_from,
        licensed_to=stints[-1].end + timedelta(days=rng.randrange(1, 9)) if left else None,
        stints=stints,
        away=frozenset(_draw_away(rng, first_day)),
        keenness=rng.uniform(0.14, 0.32)
        if habit == "occasional"
        else min(0.42 + 0.56 * rng.betavariate(2.2, 1.3), 0.97),
        load=min(max(rng.lognormvariate(0, 0.55), 0.25), 3.5),
        acceptance=team.acceptance + rng.gauss(0, 0.035),
        languages=_draw_some(rng, team.languages, rng.choice((2, 2, 3, 3, 4))),
        editors=_draw_some(rng, team.editors, rng.choices((1, 2), (0.8, 0.2))[0]),
        agents_from=agents_from,
        cli_from=max(start, rollout_of_agents + timedelta(days=rng.randrange(0, 150))) if has_cli else None,
        remote_from=max(start, rollout_of_agents + timedelta(days=rng.randrange(30, 200))) if has_remote else None,
        agent_peak=min(0.92, max(0.15, rng.gauss(0.62, 0.14) * team.agent_lean**0.5)),
    )


def _draw_stints(rng: random.Random, habit: str, start: date) -> tuple[DayRange, ...]:
    """Draw when somebody of this habit uses the assistant at all."""
    for_good = date(9999, 12, 31)

    def after(low: int, high: int) -> date:
        return start + timedelta(days=rng.randrange(low, high))

    if habit == "never":
        return ()
    if habit == "taster":
        return (DayRange(start, after(4, 24)),)
    if habit == "leaver":
        return (DayRange(start, after(70, 190)),)
    if habit == "comeback":
        stopped = after(25, 80)
        return (
            DayRange(start, stopped),
            DayRange(stopped + timedelta(days=rng.randrange(35, 90)), for_good),
        )
    return (DayRange(start, for_good),)


def _draw_away(rng: random.Random, first_day: date) -> Iterator[date]:
    """Draw summer holidays, a week in winter and in spring, and weeks of other work or illness."""
    for year in range(first_day.year, first_day.year + 3):
        summer = date(year, 7, 1) + timedelta(days=rng.randrange(0, 48))
        yield from _days_from(summer, rng.choice((9, 12, 16, 19)))
        yield from _days_from(date(year, 2, 1) + timedelta(days=rng.randrange(0, 110)), rng.choice((3, 5, 7)))
        yield from _days_from(date(year, 10, 1) + timedelta(days=rng.randrange(0, 40)), rng.choice((2, 5, 9)))
    for week in range(HISTORY_WEEKS + 1):
        monday = first_day + week * _WEEK
        mood = rng.random()
        if mood < 0.045:  # noqa: PLR2004 (an invented share: a week of other work)
            yield from _days_from(monday, 7)
        elif mood < 0.12:  # noqa: PLR2004 (an invented share: a few days of illness, travel or meetings)
            yield from _days_from(monday + timedelta(days=rng.randrange(0, 4)), rng.randrange(1, 4))


def _days_from(first: date, count: int) -> Iterator[date]:
    return iter(DayRange(first, first + timedelta(days=count - 1)))


def _draw_some(rng: random.Random, weights: Mapping[str, float], count: int) -> tuple[str, ...]:
    """Draw different words by weight, the main one first."""
    left = dict(weights)
    drawn: list[str] = []
    while left and len(drawn) < count:
        word = rng.choices(list(left), list(left.values()))[0]
        drawn.append(word)
        del left[word]
    return tuple(drawn)


def _email(number: int) -> str:
    first = _FIRST_NAMES[number % len(_FIRST_NAMES)]
    last = _LAST_NAMES[number * _SURNAME_STRIDE % len(_LAST_NAMES)]
    return f"{first}.{last}@example.com"


def roster_csv(today: date) -> str:
    """Who holds a licence at the made-up organisation? The roster that goes with its activity.

    Parameters
    ----------
    today : date
        The same day that :class:`SampleOrganisation` is made for.

    Returns
    -------
    str
        CSV, one row a licensed person, sorted by user, people only: ``user`` (the e-mail),
        ``team``, ``licensed_from``, ``licensed_to`` (empty for a licence that is still held) and
        ``role``. A few of them never used the assistant.

    See Also
    --------
    write_roster : the same into a file.

    Examples
    --------
    >>> roster_csv(date(2026, 3, 11)).splitlines()[0]
    'user,team,licensed_from,licensed_to,role'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["user", "team", "licensed_from", "licensed_to", "role"])
    for person in sorted(people_of(history_of(today).start), key=lambda person: person.user):
        gone = person.licensed_to is not None and person.licensed_to < today
        writer.writerow(
            [person.user, person.team, person.licensed_from, person.licensed_to if gone else "", person.role]
        )
    return text.getvalue()


def write_roster(path: str | Path, today: date) -> Path:
    """Where is the roster of the made-up organisation? Write :func:`roster_csv` to ``path``, and return it.

    See Also
    --------
    roster_csv : the columns.
    """
    written = Path(path)
    written.write_text(roster_csv(today), encoding="utf-8", newline="")
    return written
