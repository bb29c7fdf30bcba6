"""Controls for a function that draws: a small explorer of one's own."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl
from ipywidgets import BoundedIntText, Box, Checkbox, Dropdown, FloatText, IntText, Layout, Text, VBox, Widget

from augment_insights.errors import ConfigurationError
from augment_insights.widgets.screen import Answer, DayPicker, Screen, has_controls, showing_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_MAKERS: Mapping[type, Any] = {bool: Checkbox, int: IntText, float: FloatText, str: Text, date: DayPicker}
"""A widget for each kind of value; a bool comes before the integer that it is too."""


def panel(draw: Callable[..., Any], *, interactive: bool | None = None, **controls: Any) -> Panel | Answer:
    """Draw with a function of one's own, and again whenever one of its parameters changes.

    Calls ``draw`` with the values of the controls, at once and after each change, and shows what it
    returns. An error is told in one sentence, with what to do.

    Parameters
    ----------
    draw : callable
        Takes the controls' values by keyword; returns a chart, a Polars frame, or both as a tuple.
    interactive : bool, optional
        As for :func:`explore`. A still panel shows the first values.
    **controls
        One for each parameter: a list of choices (or a dict of words and values), a bool, a day, a number, text,
        or an ipywidgets widget. A list begins with its first entry.

    Returns
    -------
    Panel or Answer
        A widget with ``controls`` and ``answer``; unattended, the answer, which shows itself without one.

    Raises
    ------
    ConfigurationError
        A control that is none of these.

    See Also
    --------
    explore : ready-made questions.

    Examples
    --------
    >>> from augment_insights import Client, analysis, charts, fetch, widgets
    >>> lists = fetch.dau(start_date="2026-02-23", end_date="2026-03-08", client=Client.sample(today="2026-03-10"))
    >>> def draw(window):
    ...     table = analysis.rolling_active_users(lists, windows=window)
    ...     return charts.rolling_active_users(table), table
    >>> widgets.panel(draw, window=[7, 28], interactive=False).answer.table["window_days"].unique().to_list()
    [7]
    """
    first = {name: _first_value(name, control) for name, control in controls.items()}
    return Panel(draw, controls) if has_controls(wanted=interactive) else _to_answer(draw(**first))


class Panel(VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Shows what a function returns for the values of its controls.

    Attributes
    ----------
    controls : dict of str to widget
        By parameter: set a ``value``, and the figure follows.
    screen : Screen
        Where it is shown, and saved from.
    """

    def __init__(self, draw: Callable[..., Any], controls: Mapping[str, Any]) -> None:
        self._draw = draw
        name = getattr(draw, "__name__", "panel").strip("<>")
        self.controls = {name: _as_control(name, value) for name, value in controls.items()}
        self.screen = Screen(lambda: name)
        for control in self.controls.values():
            control.observe(self.refresh, "value")
        row = Box(list(self.controls.values()), layout=Layout(display="flex", flex_flow="row wrap"))
        super().__init__([row, self.screen])
        self.refresh()

    @property
    def answer(self) -> Answer | None:
        """What is shown; None after an error."""
        return self.screen.answer

    def refresh(self, _change: object = None) -> None:
        """Draw again with the values that the controls have."""
        with showing_errors(self.screen.fail):
            drawn = self._draw(**{name: control.value for name, control in self.controls.items()})
            self.screen.show(_to_answer(drawn))


def _first_value(name: str, control: Any) -> Any:
    """Return the value that a control begins with."""
    choices = list(control.values()) if isinstance(control, dict) else control
    if isinstance(choices, (list, tuple, range)) and choices:
        return choices[0]
    if isinstance(control, tuple(_MAKERS)):
        return control
    if isinstance(control, Widget) and control.has_trait("value"):
        return control.value
    raise ConfigurationError(
        f"The control {name!r} cannot be made of {control!r}. Hint: a list of choices, a bool, a day, a number, text, "
        "or a widget.",
        setting=name,
    )


def _as_control(name: str, value: Any) -> Any:
    """Return the widget that a value stands for."""
    if isinstance(value, Widget):
        return value
    label = name.replace("_", " ").capitalize()
    words: dict[str, Any] = {
        "description": label,
        "tooltip": label,
        "style": {"description_width": "7em"},
        "layout": Layout(width="24em", max_width="98%"),
    }
    if isinstance(value, range) and value.step == 1:
        return BoundedIntText(value=value[0], min=value[0], max=value[-1], **words)
    if isinstance(value, (list, tuple, range, dict)):
        return Dropdown(options=list(value.items()) if isinstance(value, dict) else list(value), **words)
    kind = next(kind for kind in _MAKERS if isinstance(value, kind))
    # Typed text and numbers count once they are finished; a tick stands beside its words.
    how = {bool: {"indent": False}, date: {}}.get(kind, {"continuous_update": False})
    return _MAKERS[kind](value=value, **how, **words)


def _to_answer(drawn: Any) -> Answer:
    """Return what a function drew as something to show."""
    if isinstance(drawn, Answer):
        return drawn
    parts = drawn if isinstance(drawn, tuple) else (drawn,)
    tables = [part for part in parts if isinstance(part, pl.DataFrame)]
    charts = [part for part in parts if hasattr(part, "to_dict") and not isinstance(part, pl.DataFrame)]
    if not parts or len(tables) + len(charts) != len(parts) or len(tables) > 1 or len(charts) > 1:
        kinds = ", ".join(type(part).__name__ for part in parts) or "nothing"
        raise ConfigurationError(
            f"The function returned {kinds}. Hint: return a chart, a Polars DataFrame, or both as a tuple.",
            setting="draw",
        )
    return Answer("The numbers", tables[0] if tables else None, charts[0] if charts else None)
