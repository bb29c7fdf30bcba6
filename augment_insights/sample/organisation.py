"""A made-up organisation: its teams, its people and their habits, what they do day by day, and its roster.

Everybody is drawn once, from fixed seeds; dates are counted from the first day of the history.
All numbers here are inventions, chosen so that the whole looks like an organisation that rolls
out a coding assistant over a year.
"""

from __future__ import annotations

import csv
import io
import math
import random
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from augment_insights.periods import DayRange, calendar_period
from augment_insights.sample.records import METRICS, PERSON, SERVICE_ACCOUNT, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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


# Of all weeks: a week of other work, and a few days of illness, travel or meetings.
_OTHER_WORK = 0.045
_SOME_DAYS_AWAY = 0.075


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


# fmt: off
TEAMS = (
    Team("Platform", people=18, launch_week=0, mean_delay_days=9, acceptance=0.36, agent_lean=1.25,
         languages={"Go": 4, "Python": 3, "HCL": 2, "Shell": 2, "YAML": 1},
         editors={"VSCode": 5, "JetBrains": 3, "Vim": 2}),
    Team("Web", people=22, launch_week=6, mean_delay_days=20, acceptance=0.41, agent_lean=1.1,
         languages={"TypeScript": 6, "JavaScript": 3, "CSS": 2, "HTML": 1},
         editors={"VSCode": 9, "JetBrains": 1}),
    Team("Payments", people=20, launch_week=14, mean_delay_days=24, acceptance=0.37, agent_lean=0.8,
         languages={"Java": 6, "Kotlin": 2, "SQL": 2, "Groovy": 1},
         editors={"JetBrains": 8, "VSCode": 2}),
    Team("Mobile", people=14, launch_week=24, mean_delay_days=24, acceptance=0.35, agent_lean=0.9,
         languages={"Kotlin": 4, "Swift": 4, "Dart": 2},
         editors={"JetBrains": 5, "VSCode": 3, "Unknown": 2}),
    Team("Data Science", people=16, launch_week=34, mean_delay_days=24, acceptance=0.39, agent_lean=1.15,
         languages={"Python": 7, "SQL": 3, "R": 1, "Unknown": 1},
         editors={"VSCode": 7, "JetBrains": 3}),
    Team("Embedded", people=34, launch_week=45, mean_delay_days=36, acceptance=0.29, agent_lean=0.55,
         languages={"C++": 5, "C": 4, "Rust": 2, "Python": 1},
         editors={"VSCode": 4, "Vim": 4, "JetBrains": 1}),
)
# fmt: on
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


def _history_of(today: date) -> DayRange:
    """Return the days of the history: from the Monday 57 weeks before the week of today, to yesterday.

    Examples
    --------
    >>> print(_history_of(date(2026, 3, 11)))  # a Wednesday
    2025-02-03 to 2026-03-10
    """
    this_week = calendar_period(today, "1w").start
    return DayRange(this_week - HISTORY_WEEKS * _WEEK, today - timedelta(days=1))


def _people_of(first_day: date) -> tuple[Person, ...]:
    """Draw all licensed people of a history that begins on ``first_day``, team by team."""
    rng = _seeded("people")
    number_of_people = sum(team.people for team in TEAMS)
    habits = [habit for habit, count in _HABIT_COUNTS.items() for _ in range(count)]
    habits += ["steady"] * (number_of_people - len(habits))
    rng.shuffle(habits)
    teams = [team for team in TEAMS for _ in range(team.people)]
    return tuple(
        _draw_person(number, team, habit, first_day)
        for number, (team, habit) in enumerate(zip(teams, habits, strict=True))
    )


def _seeded(*parts: object) -> random.Random:
    """Return a generator that always starts the same for the same parts, on every machine."""
    return random.Random("/".join(map(str, parts)))  # noqa: S311 (made-up data, not secrets)


def _happens(rng: random.Random, chance: float) -> bool:
    return rng.random() < chance


def _draw_person(number: int, team: Team, habit: str, first_day: date) -> Person:
    rng = _seeded("person", number)
    launch = first_day + team.launch_week * _WEEK
    delay = int(min(rng.expovariate(1 / team.mean_delay_days), 75))
    hired_later = _happens(rng, 0.15)
    if hired_later:  # some time between the launch and the end of the history, so that newcomers never quite cease
        delay = rng.randrange(14, 7 * (HISTORY_WEEKS - team.launch_week))
    start = launch + timedelta(days=delay)
    licensed_from = start - timedelta(days=rng.randrange(2, 6)) if hired_later else launch - timedelta(days=3)
    stints = _draw_stints(rng, habit, start)
    left = habit == "leaver"
    agents_from = start + timedelta(days=int(rng.expovariate(team.agent_lean / 75)))
    has_cli = _happens(rng, 0.38 * team.agent_lean)
    has_remote = _happens(rng, 0.3 * team.agent_lean)
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
        returned = stopped + timedelta(days=rng.randrange(35, 90))
        return DayRange(start, stopped), DayRange(returned, for_good)
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
        if mood < _OTHER_WORK:
            yield from _days_from(monday, 7)
        elif mood < _OTHER_WORK + _SOME_DAYS_AWAY:
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


# ---- What they do, day by day ----

_FRIDAY = 4
_WEEKEND_KEENNESS = 0.045
_CHRISTMAS_KEENNESS = 0.12
_FRIDAY_KEENNESS = 0.9
_AGENT_RAMP_DAYS = 75
_NEWCOMER_RAMP_DAYS = 15
_CLI_SHARE_OF_DAYS = 0.55
_SHARES_OF_LANGUAGES = {1: (1.0,), 2: (0.7, 0.3), 3: (0.6, 0.27, 0.13)}
# Completions taken by somebody who works through agents are the hard ones: fewer are accepted.
_ACCEPTANCE_LOST_TO_AGENTS = 0.17
_UNKNOWN_EDITOR = 0.025
_OTHER_EDITOR = 0.25
# In shares of the history: set up in the middle of the year, and in spring (it runs on Mondays).
_NIGHTLY_FROM = 0.45
_UPDATER_FROM = 0.3


class SampleOrganisation:
    """Make up a lifelike organisation that uses the assistant, for demonstrations and tests.

    About 120 people in six teams and three service accounts. The teams are let in one after the
    other; some people never start, some try it and leave, some leave and come back; there are
    weekends, public holidays and a quiet summer; and over the year the work moves from completions
    to agents, which lowers the acceptance rate. The metrics keep the API's own identities: the
    totals are the sums of their parts, and nobody accepts more than was suggested.

    Nothing is random between two runs: the same ``today`` gives the same organisation. The history
    begins on the Monday 57 weeks before the week of ``today`` and ends the day before ``today``. Because
    that Monday moves only with the week, what is told of a day stays the same all week long.

    Parameters
    ----------
    today : date
        The current UTC day: the history ends the day before.

    See Also
    --------
    roster_csv : the roster that goes with it.

    Examples
    --------
    >>> organisation = SampleOrganisation(date(2026, 3, 11))
    >>> print(organisation.days)
    2025-02-03 to 2026-03-10
    >>> organisation.records_on(date(2026, 3, 11))  # has not happened yet
    ()
    """

    def __init__(self, today: date) -> None:
        self._days = _history_of(today)
        self._people = _people_of(self._days.start)

    @property
    def days(self) -> DayRange:
        """The first day of the history to yesterday."""
        return self._days

    def records_on(self, day: date) -> Sequence[Record]:
        """Return the records of a day; empty for a day before or after the history."""
        if day not in self._days:
            return ()
        rng = _seeded("day", self._days.start, day)
        keenness = _keenness_on(day)
        drawn: list[Record] = []
        for person in self._people:
            # Drawn for everybody, so that one person's habits do not shift the others' numbers.
            moved, own_seed = rng.random(), rng.getrandbits(64)
            if _uses_it_on(person, day) and moved < person.keenness * keenness:
                drawn.extend(_person_day(person, day, _seeded(own_seed)))
        drawn.extend(_service_accounts_day(day, self._days.start, keenness, rng))
        return tuple(record for record in drawn if any(record.metrics))


def _keenness_on(day: date) -> float:
    """Return how likely people are to work that day, against an ordinary working day."""
    if (day.month, day.day) >= (12, 23) or (day.month, day.day) <= (1, 2):
        return _CHRISTMAS_KEENNESS if day.weekday() <= _FRIDAY else _WEEKEND_KEENNESS / 2
    if day.weekday() > _FRIDAY or day in _public_holidays(day.year):
        return _WEEKEND_KEENNESS
    return _FRIDAY_KEENNESS if day.weekday() == _FRIDAY else 1.0


def _public_holidays(year: int) -> frozenset[date]:
    """Return the holidays that most of Europe shares; those around Christmas are a season of their own."""
    easter = _easter(year)
    moving = {easter + timedelta(days=n) for n in (-2, 1, 39, 50)}  # Good Friday to Whit Monday
    return frozenset(moving | {date(year, 1, 6), date(year, 5, 1), date(year, 11, 1)})


def _easter(year: int) -> date:
    """Return Easter Sunday (the anonymous Gregorian algorithm, as J. Meeus prints it).

    Examples
    --------
    >>> [str(_easter(year)) for year in (1818, 1943, 2025, 2026)]  # the earliest and the latest possible first
    ['1818-03-22', '1943-04-25', '2025-04-20', '2026-04-05']
    """
    golden = year % 19
    century, of_century = divmod(year, 100)
    leap_centuries, left_over = divmod(century, 4)
    drift = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leap_centuries - drift + 15) % 30
    leaps, rest = divmod(of_century, 4)
    weekday = (32 + 2 * left_over + 2 * leaps - epact - rest) % 7
    late = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


def _uses_it_on(person: Person, day: date) -> bool:
    """Tell whether a person is there, and at it, around that day."""
    return day not in person.away and any(day in stint for stint in person.stints)


def _person_day(person: Person, day: date, rng: random.Random) -> Iterator[Record]:
    """Draw one person's day: some languages in an editor, and the command line beside them."""
    started = next(stint.start for stint in reversed(person.stints) if stint.start <= day)
    settled_in = _ramp(started, day, _NEWCOMER_RAMP_DAYS)
    load = person.load * (0.55 + 0.45 * settled_in) * rng.lognormvariate(-0.06, 0.35)
    agents = person.agent_peak * _ramp(person.agents_from, day, _AGENT_RAMP_DAYS)
    languages = _languages_of_the_day(person, rng)
    for share, language in zip(_SHARES_OF_LANGUAGES[len(languages)], languages, strict=True):
        editor = _editor_of_the_moment(person, rng)
        metrics = _editor_metrics(person, day, rng, load=load * share, agents=agents)
        yield Record(PERSON, person.user, language, editor, metrics)
    if person.cli_from is not None and day >= person.cli_from and _happens(rng, _CLI_SHARE_OF_DAYS):
        yield Record(PERSON, person.user, languages[0], "CLI", _cli_metrics(rng, load=load, agents=agents))


def _ramp(start: date | None, day: date, days: float) -> float:
    """Rise from 0 at the start towards 1, most of it within ``days``."""
    if start is None or day < start:
        return 0.0
    return 1 - math.exp(-(day - start).days / days)


def _languages_of_the_day(person: Person, rng: random.Random) -> tuple[str, ...]:
    """Draw what a person works in that day: mostly the main language, now and then something unknown."""
    count = min(rng.choices((1, 2, 3), (0.52, 0.36, 0.12))[0], len(person.languages))
    languages = list(person.languages)
    if len(languages) > 1 and _happens(rng, 0.2):
        languages[0], languages[1] = languages[1], languages[0]
    chosen = languages[:count]
    if _happens(rng, 0.06) and "Unknown" not in chosen:
        chosen[-1] = "Unknown"
    return tuple(chosen)


def _editor_of_the_moment(person: Person, rng: random.Random) -> str:
    main, *others = person.editors
    mood = rng.random()
    if mood < _UNKNOWN_EDITOR:
        return "Unknown"
    return others[0] if others and mood > 1 - _OTHER_EDITOR else main


def _editor_metrics(person: Person, day: date, rng: random.Random, *, load: float, agents: float) -> tuple[int, ...]:
    """Draw what happens in an editor: completions, chat, the agent, and remote agents started from there."""
    suggested = _count(rng, 58 * load * (1 - 0.6 * agents))
    rate = person.acceptance - _ACCEPTANCE_LOST_TO_AGENTS * agents + rng.gauss(0, 0.025)
    accepted = min(suggested, _count(rng, suggested * max(rate, 0.03)))
    suggested_lines = suggested + _count(rng, suggested * 0.75)
    remote = person.agent_peak * _ramp(person.remote_from, day, _AGENT_RAMP_DAYS)
    return _metrics(
        rng,
        completions_count=suggested,
        completions_accepted=accepted,
        completions_lines_of_code=min(suggested_lines, accepted + _count(rng, accepted * 0.55)),
        completions_suggested_lines_of_code=suggested_lines,
        chat_messages=_count(rng, 6.5 * load * (1 - 0.75 * agents)),
        **_work(rng, "ide_agent", 13 * load * agents, lines_a_message=8),
        **_work(rng, "remote_agent", 5.5 * load * remote, lines_a_message=21),
    )


def _cli_metrics(rng: random.Random, *, load: float, agents: float) -> tuple[int, ...]:
    """Draw what a person does on the command line: talk to the agent, seldom start it from a script."""
    scripted = _happens(rng, 0.05)
    talks = _work(rng, "cli_agent_interactive", load * (3 + 8 * agents), lines_a_message=11)
    scripts = _work(rng, "cli_agent_non_interactive", 2.0, lines_a_message=9) if scripted else {}
    return _metrics(rng, **talks, **scripts)


def _service_accounts_day(day: date, first_day: date, keenness: float, rng: random.Random) -> Iterator[Record]:
    """Draw the automation: a reviewer that follows the working day, nightly chores, weekly updates."""
    age = (day - first_day).days / (7 * HISTORY_WEEKS)
    scripted = "cli_agent_non_interactive"
    reviews = _work(rng, scripted, 46 * keenness * max(age - 0.2, 0) * 1.6, lines_a_message=2)
    yield Record(SERVICE_ACCOUNT, "ci-review-bot", "Unknown", "CLI", _metrics(rng, **reviews))
    if age > _NIGHTLY_FROM:
        chores = _work(rng, scripted, 9 + 14 * age, lines_a_message=16)
        yield Record(SERVICE_ACCOUNT, "nightly-refactor", "TypeScript", "CLI", _metrics(rng, **chores))
    if age > _UPDATER_FROM and day == calendar_period(day, "1w").start:
        updates = _work(rng, "remote_agent", 6, lines_a_message=30)
        yield Record(SERVICE_ACCOUNT, "dependency-updater", "YAML", "Unknown", _metrics(rng, **updates))


def _count(rng: random.Random, mean: float) -> int:
    """Draw a count around a mean, spread like a Poisson variable (its normal approximation, cut at 0)."""
    return max(0, math.floor(rng.gauss(mean, math.sqrt(mean)) + 0.5)) if mean > 0 else 0


def _work(rng: random.Random, mode: str, messages: float, *, lines_a_message: float) -> dict[str, int]:
    """Draw a day's messages to an agent, and the lines that come of them."""
    sent = _count(rng, messages)
    lines = _count(rng, sent * lines_a_message * rng.lognormvariate(-0.18, 0.6))
    return {f"{mode}_messages": sent, f"{mode}_lines_of_code": lines}


def _metrics(rng: random.Random, **parts: int) -> tuple[int, ...]:
    """Put a record's metrics in the API's order, the totals as the sums of their parts."""
    agents = {name: count for name, count in parts.items() if "_agent_" in name}
    agent_messages = sum(count for name, count in agents.items() if name.endswith("_messages"))
    agent_lines = sum(count for name, count in agents.items() if name.endswith("_lines_of_code"))
    totals = {
        "total_modified_lines_of_code": parts.get("completions_lines_of_code", 0) + agent_lines,
        "total_messages": parts.get("chat_messages", 0) + agent_messages,
        "total_tool_calls": _count(rng, agent_messages * 3.4),
    }
    return tuple((parts | totals).get(name, 0) for name in METRICS)


# ---- The roster ----


def roster_csv(today: date) -> str:
    """Return who holds a licence at the made-up organisation: the roster that goes with its activity.

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
    for person in sorted(_people_of(_history_of(today).start), key=lambda person: person.user):
        ended = person.licensed_to if person.licensed_to is not None and person.licensed_to < today else ""
        writer.writerow([person.user, person.team, person.licensed_from, ended, person.role])
    return text.getvalue()


def write_roster(path: str | Path, today: date) -> Path:
    """Write the roster of the made-up organisation (:func:`roster_csv`) to ``path``, and return the path.

    See Also
    --------
    roster_csv : the columns.
    """
    written = Path(path)
    written.write_text(roster_csv(today), encoding="utf-8", newline="")
    return written
