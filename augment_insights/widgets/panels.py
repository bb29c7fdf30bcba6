"""Controls for a function that draws: a small explorer of one's own."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from ipywidgets import BoundedIntText, Box, Checkbox, Dropdown, FloatText, IntText, Layout, Text, VBox, Widget

from augment_insights.widgets.controls import DayPicker
from augment_insights.widgets.drawing import to_answer
from augment_insights.widgets.exports import Exports
from augment_insights.widgets.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from augment_insights.widgets.questions import Answer

_LOOK = {"style": {"description_width": "7em"}, "layout": Layout(width="24em", max_width="98%")}

_MAKERS: Mapping[type, Callable[..., Any]] = {
    bool: partial(Checkbox, indent=False),
    int: partial(IntText, continuous_update=False),
    float: partial(FloatText, continuous_update=False),
    str: partial(Text, continuous_update=False),
    date: DayPicker,
}
"""A widget for each kind of value; a bool comes before the integer that it is too."""


class Panel(VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Shows what a function returns for the values of its controls.

    Attributes
    ----------
    controls : dict of str to widget
        By parameter: set a ``value``, and the figure follows.
    screen : Screen
        Where it is shown.
    exports : Exports
        The folder and the buttons that write files.
    """

    def __init__(self, draw: Callable[..., Any], controls: Mapping[str, Any]) -> None:
        self._draw = draw
        self._name = getattr(draw, "__name__", "panel").strip("<>")
        self.controls = {name: as_control(name, value) for name, value in controls.items()}
        self.screen = Screen()
        self.exports = Exports(lambda: self.screen.answer, lambda: self._name)
        for control in self.controls.values():
            control.observe(self._on_change, "value")
        row = Box(list(self.controls.values()), layout=Layout(display="flex", flex_flow="row wrap"))
        super().__init__([row, self.screen, self.exports])
        self.refresh()

    @property
    def answer(self) -> Answer | None:
        """What is shown; None after an error."""
        return self.screen.answer

    def refresh(self) -> None:
        """Draw again with the values that the controls have."""
        try:
            drawn = self._draw(**{name: control.value for name, control in self.controls.items()})
            self.screen.show(to_answer(drawn))
        except Exception as error:  # noqa: BLE001 (a handler's error would be lost: it is shown)
            self.screen.fail(error)

    def _on_change(self, _change: object) -> None:
        self.refresh()


def as_control(name: str, value: Any) -> Any:
    """Return the widget that a value stands for."""
    label = name.replace("_", " ").capitalize()
    words = {"description": label, "tooltip": label, **_LOOK}
    if isinstance(value, Widget):
        return value
    if isinstance(value, range):
        return BoundedIntText(value=value[0], min=value[0], max=value[-1], **words)
    if isinstance(value, (list, tuple, dict)):
        return Dropdown(options=list(value.items()) if isinstance(value, dict) else list(value), **words)
    make = next(make for kind, make in _MAKERS.items() if isinstance(value, kind))
    return make(value=value, **words)
