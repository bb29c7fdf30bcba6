"""What can be asked of the loaded data: a question is an analysis, its chart, and which controls it listens to.

Nothing is computed here that ``analysis`` does not compute, and nothing drawn that ``charts`` does not
draw: a script gets the same answer from the same two calls.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from inspect import signature
from threading import get_ident
from typing import TYPE_CHECKING, Any

import polars as pl

from augment_insights import analysis, charts
from augment_insights.errors import DataWarning
from augment_insights.metrics import METRICS
from augment_insights.reports.study import POPULATIONS
from augment_insights.tables import MODE, column_words
from augment_insights.widgets.screen import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from augment_insights.periods import DayRange, Every
    from augment_insights.reports import Sharing

MOST_COLUMNS = 60
"""More periods than this beside one another are too narrow to be read; days of a year would be 365."""

FILTERS = ("team", "language", "editor")
"""The columns that a choice may hold to one value."""

LISTS, USERS, RECORDS = GRAINS = ("dau", "user_activity", "editor_language")
"""The tables that rows come from, coarse to fine: each answers for the coarser ones too, for more requests."""


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
    metric: Any = None
    split: str | None = None
    with_names: bool = False

    @property
    def population(self) -> str:
        """Who is counted, in words."""
        return ", ".join([POPULATIONS[self.user_type], *self.filters.values()])

    @property
    def filters(self) -> dict[str, str]:
        """The columns that are held to one value, and the value."""
        return {name: value for name in FILTERS if (value := getattr(self, name)) is not None}


@dataclass(frozen=True)
class View:
    """The rows that a choice leaves, for a question to be put to.

    Attributes
    ----------
    choice : Choice
        What was chosen.
    rows : pl.DataFrame
        One row a user and day (or record) of the range: ``date``, ``user``, ``user_type`` and what its table has.
    known : pl.DataFrame
        The same from the first known day on, look-back windows included: ``period_start``, ``period_end``,
        ``user``, ``user_type``.
    roster : pl.DataFrame or None
        The licences of the chosen team; None without a roster.
    is_sample : bool
        Whether the organisation is made up.
    sharing : Sharing
        What may be shown of small groups.
    context : Mapping
        ``targets``, ``events`` and ``calendar``, as charts take them.
    """

    choice: Choice
    rows: pl.DataFrame
    known: pl.DataFrame
    roster: Any
    is_sample: bool
    sharing: Sharing
    context: Mapping[str, Any] = field(default_factory=dict)

    @property
    def counting(self) -> dict[str, Any]:
        """What every analysis is told."""
        return {"user_type": self.choice.user_type, "as_of": self.choice.days.end}

    @property
    def by_period(self) -> dict[str, Any]:
        """What an analysis by calendar periods is told."""
        return {**self.covered, "every": self.choice.every}

    @property
    def covered(self) -> dict[str, Any]:
        """What an analysis of the range's activity over time is told."""
        return {**self.counting, "since": self.choice.days.start}

    @property
    def looked_back(self) -> dict[str, Any]:
        """What an analysis that looks back is told: ``known`` begins with warm-up days, if anybody was active then."""
        start = self.choice.days.start
        known_from: Any = self.known["period_start"].min()
        first = start if known_from is None else min(start, known_from)
        return {**self.counting, "since": first, "lookback": (start - first).days}

    @property
    def since_known(self) -> dict[str, Any]:
        """The same for an analysis by calendar periods."""
        return {**self.looked_back, "every": self.choice.every}

    @property
    def caption(self) -> dict[str, Any]:
        """What every chart is told."""
        told = {"population": self.choice.population, "as_of": self.choice.days.end, "sample": self.is_sample}
        # What is aimed at for everybody is no target of a part of them.
        return {**self.context, **told, **({"targets": None} if self.choice.filters else {})}


@dataclass(frozen=True)
class Question:
    """A question, and which controls it listens to.

    Attributes
    ----------
    name : str
        The name of its analysis and of its chart.
    title : str
        The question in words.
    how_to_read : str
        A few plain sentences.
    measure : callable
        From a view, and the columns to split by, to the table of the analysis.
    of_newcomers : bool
        Whether it counts those alone who began in the range, which its chart then says.
    numbers : callable, optional
        From that table to the numbers that stand beside the chart; left out, the table itself.
    table : str
        The coarsest of the tables ``GRAINS`` that answers it.
    has_period, looks_back, needs_roster : bool
        Whether it goes by calendar periods, must know who is not new, cannot do without licences.
    metrics : dict of str to str
        The measures to choose from, words and names.
    splits : tuple of str
        The columns that it can be answered by.
    """

    name: str
    title: str
    how_to_read: str
    measure: Callable[[View, list[str] | None], pl.DataFrame]
    of_newcomers: bool = False
    numbers: Callable[[pl.DataFrame], pl.DataFrame] | None = None
    table: str = LISTS
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

    def needed_table(self, choice: Choice) -> str:
        """Return the coarsest table that answers a choice."""
        names = (choice.language, choice.editor)
        by_record = choice.with_names or choice.split in ("language", "editor") or names != (None, None)
        return RECORDS if by_record else self.table

    def answer(self, view: View) -> Answer:
        """Put the question to the rows of a view."""
        notes: list[str] = []
        choice = view.choice
        draw = getattr(charts, self.name)
        told = {"every": choice.every, "since": choice.days.start, "of": choice.metric}
        how = view.caption | {name: value for name, value in told.items() if name in signature(draw).parameters}
        if self.of_newcomers:
            how["population"] += " who began in the range"
        with _taking_notes(notes):
            table = view.sharing.groups(self.measure(view, [choice.split] if choice.split else None))
            chart = draw(table, **how)
        shown = table if self.numbers is None else self.numbers(table)
        return Answer(self.title, shown, chart, self.how_to_read, tuple(notes))


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


def _feature_adoption(view: View, by: list[str] | None) -> pl.DataFrame:
    """Return who uses which way of working, and of groups the verdict on each against all the others."""
    table = analysis.feature_adoption(view.rows, by=by, **view.counting)
    if not by:
        return table
    verdicts = [
        analysis.compare_groups(view.rows, metric=f"{mode}_rate", by=by, user_type=view.choice.user_type).select(
            pl.lit(mode, MODE).alias("feature"), *by, "compared_groups", "verdict"
        )
        for mode in MODE.categories
    ]
    return table.join(pl.concat(verdicts), on=["feature", *by], how="left", nulls_equal=True, maintain_order="left")


QUESTIONS: tuple[Question, ...] = (
    Question(
        "active_users",
        "How many are active?",
        "A user counts once in a period. A dashed line ends in a period that the range holds only in part.",
        lambda view, by: analysis.active_users(view.rows, by=by, every=view.choice.every, **view.covered),
        has_period=True,
        splits=FILTERS,
    ),
    Question(
        "rolling_active_users",
        "How many were active in the last 1, 7 and 28 days?",
        "Each day counts the users of the window that ends on it. The dashed head reaches back before the first day.",
        lambda view, by: analysis.rolling_active_users(
            view.rows, windows=28 if view.choice.split else (1, 7, 28), by=by, **view.covered
        ),
        splits=FILTERS,
    ),
    Question(
        "stickiness",
        "How often do they come?",
        "Mean daily users of 28 days divided by the users of the 28 days: near 71% at most in a five-day week, unless "
        "a calendar leaves days off out of the mean.",
        lambda view, _by: analysis.stickiness(view.rows, calendar=view.context.get("calendar"), **view.covered),
    ),
    Question(
        "active_day_distribution",
        "On how many of the last 28 days were they active?",
        "A bar is the users with so many active days. A hill at the left is curiosity, at the right daily work.",
        lambda view, _by: analysis.active_day_distribution(view.rows, **view.covered),
    ),
    Question(
        "lifecycle",
        "Who is new, who returns, who went dormant?",
        "New, returning and resurrected users add up to the active ones; below the line are those who were active in "
        "the period before, and not in this one. Grey: seen before, and whether in the period before is not known.",
        lambda view, by: analysis.lifecycle(view.known, by=by, **view.since_known),
        has_period=True,
        looks_back=True,
        splits=("team",),
    ),
    Question(
        "cohort_retention",
        "Who stays, by when they began?",
        "A row: users first active in that period; along it, the share active k periods later. Grey: not known yet.",
        lambda view, _by: analysis.cohort_retention(view.known, periods=MOST_COLUMNS, **view.since_known),
        has_period=True,
        looks_back=True,
    ),
    Question(
        "retention_curve",
        "Which share stays?",
        "Over the cohorts that reached it: the share active k periods later. Later points stand on fewer users.",
        lambda view, by: analysis.retention_curve(
            analysis.cohort_retention(view.known, by=by, **view.since_known), by=by
        ),
        has_period=True,
        looks_back=True,
        splits=("team",),
    ),
    Question(
        "survival",
        "How long until newcomers lapse (four weeks without activity)?",
        "Of those who began in the range, the share that has not lapsed so many days after. A gap shows when its four "
        "weeks are over, so all are followed to four weeks before the last day.",
        lambda view, _by: analysis.survival(view.known, **view.looked_back),
        of_newcomers=True,
        looks_back=True,
    ),
    Question(
        "adoption_curve",
        "How many have ever used it?",
        "It only rises: everybody seen in the period or before. With a roster, beside the licences.",
        lambda view, _by: analysis.adoption_curve(view.known, licences=view.roster, **view.since_known),
        has_period=True,
        looks_back=True,
    ),
    Question(
        "adoption_rate",
        "Which share of the licences is used?",
        "Licensed users active in the period divided by the licensed. The band is a 95 % confidence interval.",
        lambda view, by: analysis.adoption_rate(
            view.rows, licences=view.roster, by=by, every=view.choice.every, **view.covered
        ),
        has_period=True,
        needs_roster=True,
    ),
    Question(
        "acceptance_rate",
        "How much of what is suggested is accepted?",
        "All accepted inline completions of a period divided by all suggested. The band says how well the rate of that "
        "period is known (95 % confidence interval over users), not whether two periods differ. What agents write has "
        "no suggestion to accept, and is not counted here.",
        lambda view, by: analysis.acceptance_rate(view.rows, by=by, of=view.choice.metric, **view.by_period),
        table=USERS,
        has_period=True,
        metrics={"Suggestions": "suggestions", "Lines": "lines"},
        splits=FILTERS,
    ),
    Question(
        "feature_adoption",
        "Which ways of working do they use?",
        "The share of active users with at least one message, or accepted completion, in each way. Unreported ways are "
        "unknown, not unused. Groups in full colour differ measurably from all the others.",
        _feature_adoption,
        table=USERS,
        splits=FILTERS,
    ),
    Question(
        "mode_mix",
        "How is the work split between the ways of working?",
        "Each way's share of the messages, or of the lines, of a period.",
        lambda view, by: analysis.mode_mix(view.rows, by=by, **view.by_period),
        table=USERS,
        has_period=True,
        metrics={"Messages": "messages", "Lines": "lines"},
        splits=FILTERS,
    ),
    Question(
        "mode_transitions",
        "From which way of working to which do they move?",
        "A row is a user's main way in one period, a column that of the next. The diagonal is staying.",
        lambda view, _by: analysis.mode_transitions(view.rows, **view.by_period),
        table=USERS,
        has_period=True,
    ),
    Question(
        "habit_ladder",
        "Who made a habit of it?",
        "Over the last 12 complete weeks: power, habitual, novice and low users, and with a roster non-users. Choose a "
        "range that holds the 12 weeks: those before it count as weeks without activity.",
        lambda view, _by: analysis.habit_ladder(view.rows, roster=view.roster, **view.covered),
        # Counts of each tier: a list of names would travel with every export.
        numbers=lambda users: users.group_by("tier").agg(users=pl.len().cast(pl.Int64)).sort("tier"),
        table=USERS,
    ),
    Question(
        "concentration",
        "How much is done by a few?",
        "The share by the tenth of the users who do most; 10% if all did the same. Gini: 0 if all did the same.",
        lambda view, _by: analysis.concentration(view.rows, metric=view.choice.metric, **view.counting).select(
            pl.lit(column_words(view.choice.metric)).alias("metric"), pl.all()
        ),
        table=USERS,
        metrics={column_words(name): name for name in METRICS},
    ),
)
"""In the order of the control."""

BY_NAME = {question.name: question for question in QUESTIONS}
