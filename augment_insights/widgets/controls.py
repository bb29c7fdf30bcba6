"""The controls of the explorer: what each is called, what can be chosen, and which question listens to it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ipywidgets import Box, DatePicker, Dropdown, Layout, VBox
from traitlets import validate

from augment_insights.periods import DayRange, resolve_range
from augment_insights.widgets.questions import BY_NAME, PERIODS, QUESTIONS, WHO, Choice, Question

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from augment_insights.widgets.holdings import Holdings

ALL = ""
"""The value of "all" and "none"; null would mean that nothing is chosen."""

LOAD = "\0load"
"""The value that asks for names to choose from; no language or editor is called so."""

_SPLITS = {"team": "Team", "language": "Language", "editor": "Editor"}
_NOT_HERE = "Does not apply to this question"


class DayPicker(DatePicker):  # type: ignore[misc]  # ipywidgets has no types
    """A date picker that greys out days beyond its bounds, and leaves a typed one for the handler to judge.

    ipywidgets' own would put the nearest bound in the place of a year that is half typed.
    """

    @validate("value")
    def _validate_value(self, proposal: Mapping[str, Any]) -> Any:
        return proposal["value"]


class Controls(VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A control each for the parts of a choice, by name.

    Attributes
    ----------
    by_name : dict of str to widget
        ``question``, ``start_date``, ``end_date``, ``every``, ``user_type``, ``team``, ``language``,
        ``editor``, ``metric``, ``split``.
    is_filling : bool
        Whether the options are changing by themselves just now.
    """

    def __init__(self, holdings: Holdings, choice: Choice) -> None:
        self._holdings = holdings
        self.is_filling = False
        bounds = holdings.bounds
        questions = [question for question in QUESTIONS if holdings.roster is not None or not question.needs_roster]
        within = f"The API answers for {bounds} (UTC)"
        self.by_name: dict[str, Any] = {
            "question": _dropdown("Question", [(q.title, q.name) for q in questions], choice.question, width="44.3em"),
            "start_date": _day("From", choice.days.start, bounds, f"First day. {within}"),
            "end_date": _day("To", choice.days.end, bounds, f"Last day, included. {within}"),
            "every": _dropdown("Period", list(PERIODS.items()), choice.every),
            "user_type": _dropdown("Who", list(WHO.items()), choice.user_type),
            "team": _dropdown("Team", _or_all(holdings.teams()), choice.team or ALL),
            "language": _dropdown("Language", _or_all(holdings.names("language")), ALL),
            "editor": _dropdown("Editor", _or_all(holdings.names("editor")), ALL),
            "metric": _dropdown("Measure", [("–", ALL)], ALL),  # noqa: RUF001 (the dash of an empty choice)
            "split": _dropdown("Split by", [("Nothing", ALL)], ALL),
        }
        first, *others = self.by_name.values()
        super().__init__([first, Box(others, layout=Layout(display="flex", flex_flow="row wrap"))])
        self.fill()

    @property
    def question(self) -> Question:
        """The question that is chosen."""
        return BY_NAME[self.by_name["question"].value]

    def choice(self) -> Choice:
        """Return what the controls say, as far as the question listens.

        Raises
        ------
        DateRangeError
            Days that the API cannot answer for.
        """
        value = {name: control.value for name, control in self.by_name.items()}
        days = resolve_range(value["start_date"], value["end_date"], now=self._holdings.client.now())
        named = {
            name: value[name] if value[name] not in (ALL, LOAD) else None
            for name in ("team", "language", "editor", "metric", "split")
        }
        said = Choice(
            question=value["question"],
            days=DayRange(days.start, min(days.end, self._holdings.bounds.end)),
            every=value["every"],
            user_type=value["user_type"],
            with_names=LOAD in (value["language"], value["editor"]),
            **named,
        )
        return self.question.fit(said, has_teams=self._holdings.has_teams)

    def fill(self) -> None:
        """Offer what the question listens to, and the names that are loaded by now."""
        question = self.question
        splits = [name for name in question.splits if name != "team" or self._holdings.has_teams]
        with self._filling():
            self._offer("metric", list(question.metrics.items()) or [("–", ALL)])  # noqa: RUF001 (as above)
            self._offer("split", [("Nothing", ALL), *((_SPLITS[name], name) for name in splits)])
            for name in ("language", "editor"):
                self._offer(name, _or_all(self._holdings.names(name)))
            self._enable("every", "Length of a period: UTC days, weeks from Monday", listens=question.has_period)
            self._enable("metric", "What is measured", listens=bool(question.metrics))
            self._enable("split", "One figure for each", listens=bool(splits))
            self._enable("team", "Teams of the roster", listens=self._holdings.has_teams, else_="There is no roster")
            self._enable("language", "Activity in one language only", listens=not question.looks_back)
            self._enable("editor", "Activity in one editor only", listens=not question.looks_back)

    @contextmanager
    def _filling(self) -> Iterator[None]:
        self.is_filling = True
        try:
            yield
        finally:
            self.is_filling = False

    def _offer(self, name: str, options: Sequence[tuple[str, str]]) -> None:
        """Change what can be chosen; a choice that is still there stays."""
        control = self.by_name[name]
        if tuple(control.options) != tuple(options):
            before = control.value
            control.options = options
            known = [value for _, value in options]
            control.value = before if before in known else known[0]

    def _enable(self, name: str, tooltip: str, *, listens: bool, else_: str = _NOT_HERE) -> None:
        control = self.by_name[name]
        control.disabled = not listens
        control.tooltip = tooltip if listens else else_


def _or_all(names: Sequence[str] | None) -> list[tuple[str, str]]:
    if names is None:
        return [("All", ALL), ("Load the names to choose from …", LOAD)]
    return [("All", ALL), *((name, name) for name in names)]


def _dropdown(label: str, options: Sequence[tuple[str, str]], value: str, *, width: str = "22em") -> Dropdown:
    return Dropdown(
        options=options,
        value=value,
        description=label,
        tooltip=label,
        style={"description_width": "5.5em"},
        layout=Layout(width=width, max_width="98%"),
    )


def _day(label: str, value: object, bounds: DayRange, tooltip: str) -> DayPicker:
    return DayPicker(
        value=value,
        min=bounds.start,
        max=bounds.end,
        description=label,
        tooltip=tooltip,
        style={"description_width": "5.5em"},
        layout=Layout(width="22em", max_width="98%"),
    )
