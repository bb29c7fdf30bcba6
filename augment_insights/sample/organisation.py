"""What the made-up organisation does day by day, in the API's own terms, and its roster."""

from __future__ import annotations

import csv
import io
import math
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from augment_insights.errors import ConfigurationError
from augment_insights.periods import calendar_period
from augment_insights.sample.people import (
    AGENT_RAMP_DAYS,
    FEWEST_PEOPLE,
    HISTORY_WEEKS,
    draw_people,
    history_of,
    seeded,
    story_of,
)
from augment_insights.sample.records import PERSON, SERVICE_ACCOUNT, Record

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from augment_insights.periods import DayRange
    from augment_insights.sample.people import Person, Story

_FRIDAY = 4
_WEEKEND_KEENNESS = 0.045
_HOLIDAY_WEEK_KEENNESS = 0.1
_CHRISTMAS_KEENNESS = 0.12
_FRIDAY_KEENNESS = 0.9
_TRAINING_RAMP_DAYS = 7
_TRAINED_ACCEPTANCE, _TRAINED_KEENNESS, _TRAINED_LOAD = 0.1, 0.3, 0.35  # what a training adds
_NEWCOMER_RAMP_DAYS = 15
_CLI_SHARE_OF_DAYS = 0.55
_SCRIPTED = 0.05  # seldom somebody starts the command line's agent from a script
_ONE_LANGUAGE, _TWO_AT_MOST, _OTHER_FIRST, _UNKNOWN_LANGUAGE = 0.52, 0.88, 0.2, 0.06
_SHARES_OF_LANGUAGES = {1: (1.0,), 2: (0.7, 0.3), 3: (0.6, 0.27, 0.13)}
_UNKNOWN_EDITOR = 0.025
_OTHER_EDITOR = 0.25
# In shares of the history: set up in the middle of the year, and in spring (it runs on Mondays).
_NIGHTLY_FROM = 0.45
_UPDATER_FROM = 0.3

_NOISE = 4096
_DRAWS = 13
"""As many standard normal numbers as the largest record takes."""

_NOTHING = (0, 0)


class SampleOrganisation:
    """Make up a lifelike organisation that uses the assistant, for demonstrations and tests.

    About 400 people in eleven teams, of 90 people to one, and three service accounts. People are let
    in every other week, one team after the other; some never start, some try it and leave, some leave
    and come back; there are weekends, public holidays and a quiet summer; and over the year the work
    moves from completions to agents, which lowers the acceptance rate. In the last quarter things
    happen that a report should find: :attr:`story`. The metrics keep the API's own identities: the
    totals are the sums of their parts, and nobody accepts more than was suggested.

    Nothing is random between two runs: the same arguments give the same organisation. The history
    begins on the Monday 57 weeks before the week of ``today`` and ends the day before ``today``. Because
    that Monday moves only with the week, what is told of a day stays the same all week long.

    Parameters
    ----------
    today : date
        The current UTC day: the history ends the day before.
    people : int
        How many hold a licence, 20 or more. The teams grow and shrink with it, but those of three and of one.
    seed : int
        Another seed is another organisation, with the same kind of story in other teams.
    story : bool
        False for an organisation in which nothing changes: everybody settled in long ago, there are no
        newcomers and no holidays, and one week is like the next but for chance. A report of it should be silent.

    Raises
    ------
    ConfigurationError
        For fewer than 20 people.

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
    >>> organisation.story.trained_team, str(organisation.story.trained_on)
    ('Web', '2026-02-09')
    """

    def __init__(self, today: date, *, people: int = 400, seed: int = 0, story: bool = True) -> None:
        if people < FEWEST_PEOPLE:
            raise ConfigurationError(
                f"people={people!r} is too few for the sample's teams. Hint: {FEWEST_PEOPLE} or more.",
                setting="people",
            )
        self._today, self._seed = today, seed
        self._days = history_of(today)
        self._story = story_of(self._days.start, seed) if story else None
        self._people = draw_people(self._days.start, people, seed, self._story)
        # Antithetic pairs: as many numbers above nought as below it, so that chance has no lean of its own.
        rng = seeded("noise")
        pairs = [(number, -number) for number in (rng.gauss(0, 1) for _ in range(_NOISE // 2))]
        noise = [number for pair in pairs for number in pair]
        rng.shuffle(noise)
        self._noise = (*noise, *noise[:_DRAWS])

    @property
    def days(self) -> DayRange:
        """The first day of the history to yesterday."""
        return self._days

    @property
    def story(self) -> Story | None:
        """What happens in the last 13 weeks; None for an organisation without a story."""
        return self._story

    def records_on(self, day: date) -> Sequence[Record]:
        """Return the records of a day; empty for a day before or after the history."""
        if day not in self._days:
            return ()
        rng = seeded(self._seed, "day", self._days.start, day)
        keenness = self._keenness_on(day)
        drawn: list[Record] = []
        for person in self._people:
            keen = person.keenness * (1 + _TRAINED_KEENNESS * _ramp(person.trained_on, day, _TRAINING_RAMP_DAYS))
            if (rng.random() < min(keen, 0.97) * keenness and _uses_it_on(person, day)) or day == person.first_day:
                drawn.extend(self._person_day(person, day, rng))
        drawn.extend(self._service_accounts_day(day, keenness, rng))
        return tuple(record for record in drawn if any(record.metrics))

    def roster_csv(self) -> str:
        """Return who holds a licence, as CSV: see :func:`roster_csv`."""
        rows: list[Sequence[object]] = [("user", "team", "licensed_from", "licensed_to", "role")]
        for person in sorted(self._people, key=lambda person: person.user):
            ended = person.licensed_to if person.licensed_to is not None and person.licensed_to < self._today else ""
            rows.append((person.user, person.team, person.licensed_from, ended, person.role))
        return _csv(rows)

    def events_csv(self) -> str:
        """Return the story as CSV, one row an event: ``date``, ``text`` and ``group`` (a team; empty for everybody).

        Examples
        --------
        >>> print(SampleOrganisation(date(2026, 3, 11)).events_csv())
        date,text,group
        2025-12-29,Company holidays,
        2026-02-02,Project on hold,Mobile
        2026-02-02,Agents for the whole team,Platform
        2026-02-09,Training,Web
        <BLANKLINE>
        """
        rows: list[Sequence[object]] = [("date", "text", "group")]
        if (story := self._story) is not None:
            rows += [
                (story.holiday_week.start, "Company holidays", ""),
                (story.lapsed_on, "Project on hold", story.lapsed_team),
                (story.moved_on, "Agents for the whole team", story.moved_team),
                (story.trained_on, "Training", story.trained_team),
            ]
        return _csv(rows)

    def _keenness_on(self, day: date) -> float:
        """Return how likely people are to work that day, against an ordinary working day."""
        weekend = day.weekday() > _FRIDAY
        if self._story is not None:
            if (day.month, day.day) >= (12, 23) or (day.month, day.day) <= (1, 2):
                return _WEEKEND_KEENNESS / 2 if weekend else _CHRISTMAS_KEENNESS
            if day in _public_holidays(day.year):
                return _WEEKEND_KEENNESS
            if day in self._story.holiday_week and not weekend:
                return _HOLIDAY_WEEK_KEENNESS
        if weekend:
            return _WEEKEND_KEENNESS
        return _FRIDAY_KEENNESS if day.weekday() == _FRIDAY else 1.0

    def _draws(self, rng: random.Random) -> tuple[float, ...]:
        """Return some standard normal numbers: a piece of a long row that is drawn once, which is much faster."""
        first = int(rng.random() * _NOISE)
        return self._noise[first : first + _DRAWS]

    def _person_day(self, person: Person, day: date, rng: random.Random) -> Iterator[Record]:
        """Draw one person's day: some languages in an editor, and the command line beside them."""
        started = next((stint.start for stint in reversed(person.stints) if stint.start <= day), day)
        settled_in = _ramp(started, day, _NEWCOMER_RAMP_DAYS)
        trained = _ramp(person.trained_on, day, _TRAINING_RAMP_DAYS)
        load = person.load * (0.55 + 0.45 * settled_in) * (1 + _TRAINED_LOAD * trained)
        load *= math.exp(0.35 * self._draws(rng)[0] - 0.06)
        agents = person.agent_peak * _ramp(person.agents_from, day, person.agent_ramp_days)
        remote = person.agent_peak * _ramp(person.remote_from, day, AGENT_RAMP_DAYS)
        rate = person.acceptance + _TRAINED_ACCEPTANCE * trained - person.acceptance_lost * agents
        languages = _languages_of_the_day(person, rng)
        for share, language in zip(_SHARES_OF_LANGUAGES[len(languages)], languages, strict=True):
            editor = _editor_of_the_moment(person, rng)
            metrics = _editor_metrics(self._draws(rng), load * share, rate, agents=agents, remote=remote)
            yield Record(PERSON, person.user, language, editor, metrics)
        if person.cli_from is not None and day >= person.cli_from and rng.random() < _CLI_SHARE_OF_DAYS:
            noise = self._draws(rng)
            talks = _work(noise, load * (3 + 8 * agents), 11)
            scripts = _work(noise[3:], 2.0, 9) if rng.random() < _SCRIPTED else _NOTHING
            yield Record(PERSON, person.user, languages[0], "CLI", _metrics(noise[6], talks=talks, scripts=scripts))

    def _service_accounts_day(self, day: date, keenness: float, rng: random.Random) -> Iterator[Record]:
        """Draw the automation: a reviewer that follows the working day, nightly chores, weekly updates."""
        age = (day - self._days.start).days / (7 * HISTORY_WEEKS) if self._story else 1.0
        noise = self._draws(rng)
        reviews = _work(noise, 150 * keenness * max(age - 0.2, 0) * 1.6, 2)
        yield Record(SERVICE_ACCOUNT, "ci-review-bot", "Unknown", "CLI", _metrics(noise[3], scripts=reviews))
        if age > _NIGHTLY_FROM:
            chores = _work(noise[4:], 30 + 45 * age, 16)
            yield Record(SERVICE_ACCOUNT, "nightly-refactor", "TypeScript", "CLI", _metrics(noise[7], scripts=chores))
        if age > _UPDATER_FROM and day == calendar_period(day, "1w").start:
            updates = _work(noise[8:], 20, 30)
            yield Record(SERVICE_ACCOUNT, "dependency-updater", "YAML", "Unknown", _metrics(noise[11], remote=updates))


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
    return day not in person.away and any(stint.start <= day <= stint.end for stint in person.stints)


def _ramp(start: date | None, day: date, days: float) -> float:
    """Rise from 0 at the start towards 1, most of it within ``days``."""
    if start is None or day < start:
        return 0.0
    return 1 - math.exp(-(day - start).days / days)


def _languages_of_the_day(person: Person, rng: random.Random) -> tuple[str, ...]:
    """Draw what a person works in that day: mostly the main language, now and then something unknown."""
    mood = rng.random()
    chosen = person.languages[: 1 if mood < _ONE_LANGUAGE else 2 if mood < _TWO_AT_MOST else 3]
    if len(chosen) > 1 and rng.random() < _OTHER_FIRST:
        chosen = (chosen[1], chosen[0], *chosen[2:])
    if rng.random() < _UNKNOWN_LANGUAGE and "Unknown" not in chosen:
        chosen = (*chosen[:-1], "Unknown")
    return chosen


def _editor_of_the_moment(person: Person, rng: random.Random) -> str:
    main, *others = person.editors
    mood = rng.random()
    if mood < _UNKNOWN_EDITOR:
        return "Unknown"
    return others[0] if others and mood > 1 - _OTHER_EDITOR else main


def _count(mean: float, noise: float) -> int:
    """Draw a count around a mean, spread like a Poisson variable (its normal approximation, cut at 0)."""
    return max(0, int(mean + noise * math.sqrt(mean) + 0.5)) if mean > 0 else 0


def _work(noise: Sequence[float], mean: float, lines_a_message: float) -> tuple[int, int]:
    """Draw a day's messages to an agent, and the lines that come of them."""
    if not mean:
        return _NOTHING
    sent = _count(mean, noise[0])
    return sent, _count(sent * lines_a_message * math.exp(0.6 * noise[1] - 0.18), noise[2])


def _editor_metrics(
    noise: Sequence[float], load: float, rate: float, *, agents: float, remote: float
) -> tuple[int, ...]:
    """Draw what happens in an editor: completions, chat, the agent, and remote agents started from there."""
    suggested = _count(58 * load * (1 - 0.6 * agents), noise[0])
    accepted = min(suggested, _count(suggested * max(rate + 0.025 * noise[1], 0.03), noise[2]))
    suggested_lines = suggested + _count(suggested * 0.75, noise[3])
    lines = min(suggested_lines, accepted + _count(accepted * 0.55, noise[4]))
    return _metrics(
        noise[5],
        completions=(suggested, accepted, lines, suggested_lines),
        chat=_count(6.5 * load * (1 - 0.75 * agents), noise[6]),
        agent=_work(noise[7:], 13 * load * agents, 8),
        remote=_work(noise[10:], 5.5 * load * remote, 21),
    )


def _metrics(
    noise: float,
    *,
    completions: tuple[int, int, int, int] = (0, 0, 0, 0),
    chat: int = 0,
    remote: tuple[int, int] = _NOTHING,
    agent: tuple[int, int] = _NOTHING,
    talks: tuple[int, int] = _NOTHING,
    scripts: tuple[int, int] = _NOTHING,
) -> tuple[int, ...]:
    """Put a record's metrics in the API's order, the totals as the sums of their parts."""
    messages = remote[0] + agent[0] + talks[0] + scripts[0]
    lines = completions[2] + remote[1] + agent[1] + talks[1] + scripts[1]
    totals = (lines, chat + messages, _count(messages * 3.4, noise))
    return (*totals, *completions, chat, *remote, *agent, *talks, *scripts)


# ---- The roster ----


def _csv(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def roster_csv(today: date, *, people: int = 400, seed: int = 0) -> str:
    """Return who holds a licence at the made-up organisation: the roster that goes with its activity.

    Parameters
    ----------
    today, people, seed
        The same that :class:`SampleOrganisation` is made for.

    Returns
    -------
    str
        CSV, one row a licensed person, sorted by user, people only: ``user`` (the e-mail),
        ``team``, ``licensed_from``, ``licensed_to`` (empty for a licence that is still held) and
        ``role``. Some of them never used the assistant.

    See Also
    --------
    write_roster : the same into a file.

    Examples
    --------
    >>> roster_csv(date(2026, 3, 11)).splitlines()[0]
    'user,team,licensed_from,licensed_to,role'
    """
    return SampleOrganisation(today, people=people, seed=seed).roster_csv()


def write_roster(path: str | Path, today: date, *, people: int = 400, seed: int = 0) -> Path:
    """Write the roster of the made-up organisation (:func:`roster_csv`) to ``path``, and return the path.

    See Also
    --------
    roster_csv : the columns.
    """
    written = Path(path)
    written.write_text(roster_csv(today, people=people, seed=seed), encoding="utf-8", newline="")
    return written
