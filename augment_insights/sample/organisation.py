"""What the made-up organisation does, day by day: activity drawn from its people's habits."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

from augment_insights.periods import calendar_period
from augment_insights.sample.people import HISTORY_WEEKS, history_of, people_of, seeded
from augment_insights.sample.records import PERSON, SERVICE_ACCOUNT, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

    from augment_insights.periods import DayRange
    from augment_insights.sample.people import Person

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


class _Work(NamedTuple):
    """Messages and lines in one of the ways to work with an agent."""

    messages: int = 0
    lines: int = 0


_NO_WORK = _Work()


class _Completions(NamedTuple):
    suggested: int = 0
    accepted: int = 0
    lines: int = 0
    suggested_lines: int = 0


_NO_COMPLETIONS = _Completions()


class SampleOrganisation:
    """How does a lifelike organisation use the assistant? A made-up one, for demonstrations and tests.

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
        self._days = history_of(today)
        self._people = people_of(self._days.start)

    @property
    def days(self) -> DayRange:
        """The first day of the history to yesterday."""
        return self._days

    def records_on(self, day: date) -> Sequence[Record]:
        """Return the records of a day; empty for a day before or after the history."""
        if day not in self._days:
            return ()
        rng = seeded("day", self._days.start, day)
        keenness = _keenness_on(day)
        drawn: list[Record] = []
        for person in self._people:
            # Drawn for everybody, so that one person's habits do not shift the others' numbers.
            moved, own_seed = rng.random(), rng.getrandbits(64)
            if _uses_it_on(person, day) and moved < person.keenness * keenness:
                drawn.extend(_person_day(person, day, seeded(own_seed)))
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
    >>> _easter(2025), _easter(2026)
    (datetime.date(2025, 4, 20), datetime.date(2026, 4, 5))
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


def _person_day(person: Person, day: date, rng: Random) -> Iterator[Record]:
    """Draw one person's day: some languages in an editor, and the command line beside them."""
    started = next(stint.start for stint in reversed(person.stints) if stint.start <= day)
    settled_in = _ramp(started, day, _NEWCOMER_RAMP_DAYS)
    load = person.load * (0.55 + 0.45 * settled_in) * rng.lognormvariate(-0.06, 0.35)
    agents = person.agent_peak * _ramp(person.agents_from, day, _AGENT_RAMP_DAYS)
    languages = _languages_of_the_day(person, rng)
    for share, language in zip(_SHARES_OF_LANGUAGES[len(languages)], languages, strict=True):
        yield Record(
            PERSON,
            person.user,
            language,
            _editor_of_the_moment(person, rng),
            _editor_metrics(person, day, rng, load=load * share, agents=agents),
        )
    if person.cli_from is not None and day >= person.cli_from and rng.random() < _CLI_SHARE_OF_DAYS:
        yield Record(PERSON, person.user, languages[0], "CLI", _cli_metrics(rng, load=load, agents=agents))


def _ramp(start: date | None, day: date, days: float) -> float:
    """Rise from 0 at the start towards 1, most of it within ``days``."""
    if start is None or day < start:
        return 0.0
    return 1 - math.exp(-(day - start).days / days)


def _languages_of_the_day(person: Person, rng: Random) -> tuple[str, ...]:
    """Draw what a person works in that day: mostly the main language, now and then something unknown."""
    count = min(rng.choices((1, 2, 3), (0.52, 0.36, 0.12))[0], len(person.languages))
    languages = list(person.languages)
    if len(languages) > 1 and rng.random() < 0.2:  # noqa: PLR2004 (an invented share)
        languages[0], languages[1] = languages[1], languages[0]
    chosen = languages[:count]
    if rng.random() < 0.06 and "Unknown" not in chosen:  # noqa: PLR2004 (an invented share)
        chosen[-1] = "Unknown"
    return tuple(chosen)


def _editor_of_the_moment(person: Person, rng: Random) -> str:
    others = person.editors[1:]
    mood = rng.random()
    if mood < 0.025:  # noqa: PLR2004 (an invented share)
        return "Unknown"
    return others[0] if others and mood > 0.75 else person.editors[0]  # noqa: PLR2004 (an invented share)


def _editor_metrics(person: Person, day: date, rng: Random, *, load: float, agents: float) -> tuple[int, ...]:
    """Draw what happens in an editor: completions, chat, the agent, and remote agents started from there."""
    suggested = _count(rng, 58 * load * (1 - 0.6 * agents))
    rate = person.acceptance - _ACCEPTANCE_LOST_TO_AGENTS * agents + rng.gauss(0, 0.025)
    accepted = min(suggested, _count(rng, suggested * max(rate, 0.03)))
    suggested_lines = suggested + _count(rng, suggested * 0.75)
    completions = _Completions(
        suggested=suggested,
        accepted=accepted,
        lines=min(suggested_lines, accepted + _count(rng, accepted * 0.55)),
        suggested_lines=suggested_lines,
    )
    remote = person.agent_peak * _ramp(person.remote_from, day, _AGENT_RAMP_DAYS)
    return _metrics(
        rng,
        completions=completions,
        chat_messages=_count(rng, 6.5 * load * (1 - 0.75 * agents)),
        ide=_work(rng, 13 * load * agents, lines_a_message=8),
        remote=_work(rng, 5.5 * load * remote, lines_a_message=21),
    )


def _cli_metrics(rng: Random, *, load: float, agents: float) -> tuple[int, ...]:
    """Draw what a person does on the command line: talk to the agent, seldom start it from a script."""
    scripted = rng.random() < 0.05  # noqa: PLR2004 (an invented share)
    return _metrics(
        rng,
        cli=_work(rng, load * (3 + 8 * agents), lines_a_message=11),
        batch=_work(rng, 2.0, lines_a_message=9) if scripted else _NO_WORK,
    )


def _service_accounts_day(day: date, first_day: date, keenness: float, rng: Random) -> Iterator[Record]:
    """Draw the automation: a reviewer that follows the working day, nightly chores, weekly updates."""
    age = (day - first_day).days / (7 * HISTORY_WEEKS)
    reviews = _work(rng, 46 * keenness * max(age - 0.2, 0) * 1.6, lines_a_message=2)
    yield Record(SERVICE_ACCOUNT, "ci-review-bot", "Unknown", "CLI", _metrics(rng, batch=reviews))
    if age > 0.45:  # noqa: PLR2004 (set up in the middle of the year)
        chores = _work(rng, 9 + 14 * age, lines_a_message=16)
        yield Record(SERVICE_ACCOUNT, "nightly-refactor", "TypeScript", "CLI", _metrics(rng, batch=chores))
    if age > 0.3 and day == calendar_period(day, "1w").start:  # noqa: PLR2004 (set up in spring, runs on Mondays)
        updates = _work(rng, 6, lines_a_message=30)
        yield Record(SERVICE_ACCOUNT, "dependency-updater", "YAML", "Unknown", _metrics(rng, remote=updates))


def _count(rng: Random, mean: float) -> int:
    """Draw a count around a mean, spread like a Poisson variable (its normal approximation, cut at 0)."""
    return max(0, math.floor(rng.gauss(mean, math.sqrt(mean)) + 0.5)) if mean > 0 else 0


def _work(rng: Random, messages: float, *, lines_a_message: float) -> _Work:
    """Draw a day's messages to an agent, and the lines that come of them."""
    sent = _count(rng, messages)
    return _Work(sent, _count(rng, sent * lines_a_message * rng.lognormvariate(-0.18, 0.6)))


def _metrics(
    rng: Random,
    *,
    completions: _Completions = _NO_COMPLETIONS,
    chat_messages: int = 0,
    remote: _Work = _NO_WORK,
    ide: _Work = _NO_WORK,
    cli: _Work = _NO_WORK,
    batch: _Work = _NO_WORK,
) -> tuple[int, ...]:
    """Put a record's metrics in the API's order, the totals as the sums of their parts."""
    agents = (remote, ide, cli, batch)
    agent_messages = sum(work.messages for work in agents)
    return (
        completions.lines + sum(work.lines for work in agents),
        chat_messages + agent_messages,
        _count(rng, agent_messages * 3.4),
        completions.suggested,
        completions.accepted,
        completions.lines,
        completions.suggested_lines,
        chat_messages,
        *remote,
        *ide,
        *cli,
        *batch,
    )
