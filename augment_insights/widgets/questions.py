"""What can be asked of the loaded data: a question is an analysis, its chart, and which controls it listens to.

Nothing is computed here that ``analysis`` does not compute, and nothing drawn that ``charts`` does not
draw: a script gets the same answer from the same two calls.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any

import polars as pl

from augment_insights import analysis, charts
from augment_insights.errors import DataWarning
from augment_insights.tables import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from augment_insights.charts.theme import Chart
    from augment_insights.periods import DayRange, Every

OFF_ROSTER = "Not on the roster"
"""The team of whoever has no licence on the roster."""

WHO: Mapping[str, str] = {
    "People": "person",
    "Automation (service accounts)": "service_account",
    "People and automation": "all",
}
"""Whose activity counts: the words of the control, and the ``user_type`` of the analysis."""

MOST_COLUMNS = 60
"""More periods than this beside one another are too narrow to be read; days of a year would be 365."""

PERIODS: Mapping[str, Every] = {"Day": "1d", "Week": "1w", "Month": "1mo", "Quarter": "1q"}

_POPULATION = {"person": "people", "service_account": "service accounts", "all": "people and service accounts"}


FILTERS = ("team", "language", "editor")
"""The columns that a choice may hold to one value."""


class Grain(IntEnum):
    """How fine the rows must be: each grain answers for the coarser ones too, at a higher price."""

    LISTS = 0
    USERS = 1
    RECORDS = 2


@dataclass(frozen=True)
class Choice:
    """What the controls say; None is "all" of a filter, "none" of a split, and the first of the measures.

    ``with_names`` asks for rows that name languages and editors, so that there is something to choose from.
    """

    question: str
    days: DayRange
    every: Every = "1w"
    user_type: str = "person"
    team: str | None = None
    language: str | None = None
    editor: str | None = None
    metric: str | None = None
    split: str | None = None
    with_names: bool = False

    @property
    def population(self) -> str:
        """Who is counted, in words."""
        within = [part for part in (self.team, self.language, self.editor) if part is not None]
        return ", ".join([_POPULATION[self.user_type], *within])


@dataclass(frozen=True)
class View:
    """The rows that a choice leaves, for a question to be put to.

    Attributes
    ----------
    choice : Choice
        What was chosen.
    rows : pl.DataFrame
        One row a user and day (or record) of the range: ``date``, ``user``, ``user_type`` and what the grain has.
    known : pl.DataFrame
        The same from the first known day on, look-back windows included: ``period_start``, ``period_end``,
        ``user``, ``user_type``.
    roster : pl.DataFrame or None
        The licences of the chosen team.
    everybody : View or None
        The same without the filters by team, language and editor, where there are any.
    is_sample : bool
        Whether the organisation is made up.
    """

    choice: Choice
    rows: pl.DataFrame
    known: pl.DataFrame
    roster: pl.DataFrame | None = None
    is_sample: bool = False
    everybody: View | None = None

    @property
    def lookback(self) -> int | None:
        """Days at the head of ``known`` that only tell who is not new."""
        first: Any = self.known["period_start"].min()
        days = (self.choice.days.start - first).days if first is not None else 0
        return days if days > 0 else None

    def of_chosen(
        self, ask: Callable[[View, list[str]], pl.DataFrame], *, columns: Sequence[str] = FILTERS
    ) -> pl.DataFrame:
        """Put a question that goes by groups to everybody, and keep the rows of the group that is chosen.

        The days of a table are those that everybody's rows cover: asked of a group alone, it would begin on
        the group's own first active day, and the zeros before it would be missing.
        """
        choice = self.choice
        chosen = {name: value for name in FILTERS if (value := getattr(choice, name)) is not None}
        split = [choice.split] if choice.split else []
        if self.everybody is None or not set(chosen) <= set(columns):
            return ask(self, split)
        table = ask(self.everybody, [*chosen, *(name for name in split if name not in chosen)])
        kept = table.filter([pl.col(name) == value for name, value in chosen.items()])
        return kept.drop(name for name in chosen if name not in split)

    @property
    def counting(self) -> dict[str, Any]:
        """What every analysis is told."""
        return {"user_type": self.choice.user_type, "as_of": self.choice.days.end}

    @property
    def caption(self) -> dict[str, Any]:
        """What every chart is told."""
        return {"population": self.choice.population, "as_of": self.choice.days.end, "sample": self.is_sample}


@dataclass(frozen=True)
class Answer:
    """A chart and the numbers behind it, how to read the two, and what the analysis warned of."""

    title: str
    table: pl.DataFrame | None = None
    chart: Chart | None = None
    how_to_read: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """A question, and which controls it listens to.

    Attributes
    ----------
    name : str
        The noun of its analysis.
    title : str
        The question in words.
    ask : callable
        From a view to a table and its chart.
    how_to_read : str
        A few plain sentences.
    grain : Grain
        The coarsest rows that answer it.
    has_period, looks_back, needs_roster : bool
        Whether it goes by calendar periods, must know who is not new, cannot do without licences.
    metrics : Mapping
        The measures to choose from, words and names.
    splits : tuple of str
        The columns that it can be answered by.
    """

    name: str
    title: str
    ask: Callable[[View], tuple[pl.DataFrame, Chart]]
    how_to_read: str
    grain: Grain = Grain.LISTS
    has_period: bool = False
    looks_back: bool = False
    needs_roster: bool = False
    metrics: Mapping[str, str] = field(default_factory=dict)
    splits: tuple[str, ...] = ()

    def fit(self, choice: Choice, *, has_teams: bool) -> Choice:
        """Return a choice without what this question does not listen to."""
        splits = self.splits if has_teams else tuple(name for name in self.splits if name != "team")
        metric = choice.metric if choice.metric in self.metrics.values() else next(iter(self.metrics.values()), None)
        return replace(
            choice,
            question=self.name,
            split=choice.split if choice.split in splits else None,
            metric=metric,
            language=None if self.looks_back else choice.language,
            editor=None if self.looks_back else choice.editor,
            with_names=choice.with_names and not self.looks_back,
        )

    def needed_grain(self, choice: Choice) -> Grain:
        """Return the coarsest rows that answer a choice."""
        is_by_record = choice.split in ("language", "editor") or choice.with_names
        is_filtered = choice.language is not None or choice.editor is not None
        return Grain.RECORDS if is_by_record or is_filtered else self.grain

    def answer(self, view: View) -> Answer:
        """Put the question to the rows of a view."""
        notes: list[str] = []
        with _taking_notes(notes):
            table, chart = self.ask(view)
        return Answer(title=self.title, table=table, chart=chart, how_to_read=self.how_to_read, notes=tuple(notes))


@contextmanager
def _taking_notes(notes: list[str]) -> Iterator[None]:
    """Take what an analysis warns of; what another thread warns of meanwhile is none of this answer's."""
    here = get_ident()
    with warnings.catch_warnings():
        warnings.simplefilter("always", DataWarning)
        show = warnings.showwarning

        def take(message: Warning | str, category: type[Warning], *where: Any) -> None:
            if category is DataWarning and get_ident() == here:
                notes.append(str(message))
            else:
                show(message, category, *where)

        warnings.showwarning = take  # type: ignore[assignment]  # where it was raised is passed on as it came
        yield


def _active_users(view: View) -> tuple[pl.DataFrame, Chart]:
    choice = view.choice
    table = view.of_chosen(
        lambda of, by: analysis.active_users(of.rows, every=choice.every, by=by or None, **view.counting)
    )
    return table, charts.active_users(table, **view.caption)


def _rolling_active_users(view: View) -> tuple[pl.DataFrame, Chart]:
    windows = 28 if view.choice.split else (1, 7, 28)
    table = view.of_chosen(
        lambda of, by: analysis.rolling_active_users(of.rows, windows=windows, by=by or None, **view.counting)
    )
    return table, charts.rolling_active_users(table, **view.caption)


def _stickiness(view: View) -> tuple[pl.DataFrame, Chart]:
    table = analysis.stickiness(view.rows, **view.counting)
    return table, charts.stickiness(table, **view.caption)


def _active_day_distribution(view: View) -> tuple[pl.DataFrame, Chart]:
    table = analysis.active_day_distribution(view.rows, **view.counting)
    return table, charts.active_day_distribution(table, **view.caption)


def _lifecycle(view: View) -> tuple[pl.DataFrame, Chart]:
    every = view.choice.every
    table = view.of_chosen(
        lambda of, by: analysis.lifecycle(of.known, every=every, lookback=of.lookback, by=by or None, **view.counting)
    )
    return table, charts.lifecycle(table, every=every, **view.caption)


def _cohort_retention(view: View) -> tuple[pl.DataFrame, Chart]:
    every = view.choice.every
    table = analysis.cohort_retention(
        view.known, every=every, lookback=view.lookback, periods=MOST_COLUMNS, **view.counting
    )
    return table, charts.cohort_retention(table, every=every, **view.caption)


def _retention_curve(view: View) -> tuple[pl.DataFrame, Chart]:
    every, split = view.choice.every, view.choice.split
    cohorts = analysis.cohort_retention(view.known, every=every, lookback=view.lookback, by=split, **view.counting)
    table = analysis.retention_curve(cohorts, by=split)
    return table, charts.retention_curve(table, every=every, **view.caption)


def _survival(view: View) -> tuple[pl.DataFrame, Chart]:
    table = analysis.survival(view.rows, **view.counting)
    return table, charts.survival(table, **view.caption)


def _adoption_curve(view: View) -> tuple[pl.DataFrame, Chart]:
    every = view.choice.every
    table = analysis.adoption_curve(
        view.known, every=every, licences=view.roster, lookback=view.lookback, **view.counting
    )
    return table, charts.adoption_curve(table, every=every, **view.caption)


def _adoption_rate(view: View) -> tuple[pl.DataFrame, Chart]:
    table = view.of_chosen(
        lambda of, by: analysis.adoption_rate(
            of.rows, licences=_licences(of), every=view.choice.every, by=by or None, **view.counting
        ),
        columns=("team",),
    )
    return table, charts.adoption_rate(table, **view.caption)


def _acceptance_rate(view: View) -> tuple[pl.DataFrame, Chart]:
    choice = view.choice
    of: Any = choice.metric
    table = analysis.acceptance_rate(view.rows, every=choice.every, by=choice.split, of=of, **view.counting)
    return table, charts.acceptance_rate(table, every=choice.every, **view.caption)


def _feature_adoption(view: View) -> tuple[pl.DataFrame, Chart]:
    table = analysis.feature_adoption(view.rows, by=view.choice.split, **view.counting)
    return table, charts.feature_adoption(table, **view.caption)


def _mode_mix(view: View) -> tuple[pl.DataFrame, Chart]:
    choice = view.choice
    of: Any = choice.metric
    table = analysis.mode_mix(view.rows, every=choice.every, by=choice.split, **view.counting)
    return table, charts.mode_mix(table, of=of, every=choice.every, **view.caption)


def _mode_transitions(view: View) -> tuple[pl.DataFrame, Chart]:
    table = analysis.mode_transitions(view.rows, every=view.choice.every, **view.counting)
    return table, charts.mode_transitions(table, **view.caption)


def _habit_ladder(view: View) -> tuple[pl.DataFrame, Chart]:
    users = analysis.habit_ladder(view.rows, roster=view.roster, **view.counting)
    # The numbers behind the figure are the tiers': a list of names would travel with every export.
    tiers = users.group_by("tier").agg(users=pl.len().cast(pl.Int64)).sort("tier")
    return tiers, charts.habit_ladder(users, **view.caption)


def _concentration(view: View, *, metrics: Mapping[str, str]) -> tuple[pl.DataFrame, Chart]:
    words = {name: label for label, name in metrics.items()}
    chosen = view.choice.metric or ""
    table = analysis.concentration(view.rows, metric=chosen, **view.counting).select(
        pl.lit(words[chosen]).alias("metric"), pl.all()
    )
    return table, charts.concentration(table, **view.caption)


def _licences(view: View) -> pl.DataFrame:
    if view.roster is None:
        raise AssertionError("a question about licences is only offered with a roster")
    return view.roster


_SUMMED = {name.replace("_", " ").capitalize(): name for name in METRICS}
_ACCEPTANCE_OF = {"Suggestions": "suggestions", "Lines": "lines"}
_MIX_OF = {"Messages": "messages", "Lines": "lines"}
_ANY_GROUP = ("team", "language", "editor")

QUESTIONS: tuple[Question, ...] = (
    Question(
        "active_users",
        "How many are active?",
        _active_users,
        "A user counts once in a period. An open point at the end of a dashed line is a period that is not over: "
        "it will still grow.",
        has_period=True,
        splits=_ANY_GROUP,
    ),
    Question(
        "rolling_active_users",
        "How many were active in the last 1, 7 and 28 days?",
        _rolling_active_users,
        "Each day counts the users of the window that ends on it. The dashed head reaches back before the first day.",
        splits=_ANY_GROUP,
    ),
    Question(
        "stickiness",
        "How often do they come?",
        _stickiness,
        "Mean daily users of 28 days divided by the users of the 28 days. An office that works five days of seven "
        "has its ceiling near 71%.",
    ),
    Question(
        "active_day_distribution",
        "On how many of the last 28 days were they active?",
        _active_day_distribution,
        "A bar is the users with exactly so many active days. A hill at the left is curiosity, one at the right daily "
        "work.",
    ),
    Question(
        "lifecycle",
        "Who is new, who returns, who went quiet?",
        _lifecycle,
        "New, returning and resurrected users add up to the active ones; below the line are those who were active in "
        "the period before, and not in this one. Grey: seen before, and whether in the period before is not known.",
        has_period=True,
        looks_back=True,
        splits=("team",),
    ),
    Question(
        "cohort_retention",
        "Who stays, by when they began?",
        _cohort_retention,
        "A row is the users who were first active in that period; along it, the share of them active so many periods "
        "later. Grey: not known yet.",
        has_period=True,
        looks_back=True,
    ),
    Question(
        "retention_curve",
        "Which share stays?",
        _retention_curve,
        "Over the cohorts that have reached it: the share active so many periods after the first. Later points stand "
        "on fewer users.",
        has_period=True,
        looks_back=True,
        splits=("team",),
    ),
    Question(
        "survival",
        "How long until they fall silent for four weeks?",
        _survival,
        "The share still using it so many days after the first activity of the range; users who are still active "
        "count for as long as they were seen.",
    ),
    Question(
        "adoption_curve",
        "How many have ever used it?",
        _adoption_curve,
        "It only rises: everybody seen in the period or before. With a roster, beside the licences.",
        has_period=True,
        looks_back=True,
    ),
    Question(
        "adoption_rate",
        "Which share of the licences is used?",
        _adoption_rate,
        "Licensed users active in the period divided by the licensed. The band is a 95% interval.",
        has_period=True,
        needs_roster=True,
    ),
    Question(
        "acceptance_rate",
        "How much of what is suggested is accepted?",
        _acceptance_rate,
        "All accepted inline completions of a period divided by all suggested. The band is a 95% interval over users. "
        "What agents write has no suggestion to accept, and is not in here.",
        grain=Grain.USERS,
        has_period=True,
        metrics=_ACCEPTANCE_OF,
        splits=_ANY_GROUP,
    ),
    Question(
        "feature_adoption",
        "Which ways of working do they use?",
        _feature_adoption,
        "The share of the active users who used each way at least once in the range. A way that the API reports for "
        "nobody is unknown, not unused.",
        grain=Grain.USERS,
        splits=_ANY_GROUP,
    ),
    Question(
        "mode_mix",
        "How is the work split between the ways of working?",
        _mode_mix,
        "Each way's share of the messages, or of the lines, of a period.",
        grain=Grain.USERS,
        has_period=True,
        metrics=_MIX_OF,
        splits=_ANY_GROUP,
    ),
    Question(
        "mode_transitions",
        "From which way of working to which do they move?",
        _mode_transitions,
        "A row is a user's main way in one period, a column that of the next. The diagonal is staying.",
        grain=Grain.USERS,
        has_period=True,
    ),
    Question(
        "habit_ladder",
        "Who made a habit of it?",
        _habit_ladder,
        "Over the last 12 complete weeks: power, habitual, novice and low users, and with a roster non-users. Choose a "
        "range that holds the 12 weeks: those before it count as weeks without activity.",
        grain=Grain.USERS,
    ),
    Question(
        "concentration",
        "How much is done by a few?",
        partial(_concentration, metrics=_SUMMED),
        "The share by the tenth of the users who do most; 10% if all did the same. Gini: 0 if all did the same.",
        grain=Grain.USERS,
        metrics=_SUMMED,
    ),
)
"""In the order of the control."""

BY_NAME: Mapping[str, Question] = {question.name: question for question in QUESTIONS}
