"""What a function of one's own is given by its controls, and what it may return; needs no widget."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from augment_insights.errors import ConfigurationError
from augment_insights.widgets.questions import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping


def first_values(controls: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value that each control begins with.

    Raises
    ------
    ConfigurationError
        Something that stands for no control.
    """
    return {name: _first_value(name, control) for name, control in controls.items()}


def _first_value(name: str, control: Any) -> Any:
    if isinstance(control, (bool, int, float, str, date)):
        return control
    if isinstance(control, dict) and control:
        return next(iter(control.values()))
    if isinstance(control, (list, tuple)) and control:
        return control[0]
    if isinstance(control, range) and control and control.step == 1:
        return control[0]
    if hasattr(control, "observe") and hasattr(control, "value"):  # a widget: ipywidgets is not imported for it
        return control.value
    raise ConfigurationError(
        f"The control {name!r} cannot be made of {control!r}. Hint: a list of choices, a bool, a day, a number, text, "
        "or a widget.",
        setting=name,
    )


def to_answer(drawn: Any) -> Answer:
    """Return what a function drew as something to show.

    Raises
    ------
    ConfigurationError
        It returned neither a chart nor a frame.
    """
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
