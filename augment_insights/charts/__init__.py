"""One chart for each analysis table, and the theme they share.

A chart function takes the table of the same name, as a DataFrame (of any library) or a LazyFrame, and returns an
Altair chart, neither shown nor saved. It draws what the table says and computes no metric, and the
chart holds the drawn columns only. A table may have more columns than it needs; one that lacks some
raises a :class:`~augment_insights.errors.TableError`, and an empty one gives a chart that says "No data".

All take the same keywords, the ``**caption`` of their signatures: ``population``, ``as_of`` and ``sample`` are told
under the title, ``title`` and ``subtitle`` are words of one's own in place of the chart's, and ``width`` is the plot's
width in pixels (see :class:`augment_insights.charts.marks.Caption`). Charts along time take ``events``, ``targets`` and
``calendar``, tables that :mod:`augment_insights.tables` describes, and draw them beside the numbers. ``every`` is the
period of the rows, "1d", "1w", "1mo" or "1q"; left out, it is read off the distance between them. In a notebook, call
:func:`setup` once.

Importing this package does not load Altair: the first chart that is asked for does.
"""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from typing import TYPE_CHECKING, Any

from augment_insights.charts.theme import load_altair, setup
from augment_insights.tables import takes_any_frame

if TYPE_CHECKING:
    from augment_insights.charts.acceptance import acceptance_change, acceptance_distribution, acceptance_rate, compare
    from augment_insights.charts.activity import active_day_distribution, active_users, rolling_active_users, stickiness
    from augment_insights.charts.adoption import (
        adoption_curve,
        adoption_funnel,
        adoption_rate,
        population_bridge,
        time_to_first_use,
        unused_licences,
    )
    from augment_insights.charts.features import (
        concentration,
        feature_adoption,
        habit_ladder,
        mode_mix,
        mode_transitions,
    )
    from augment_insights.charts.quality import data_quality, reconcile
    from augment_insights.charts.retention import cohort_retention, lifecycle, retention_curve, survival

__all__ = [
    "acceptance_change",
    "acceptance_distribution",
    "acceptance_rate",
    "active_day_distribution",
    "active_users",
    "adoption_curve",
    "adoption_funnel",
    "adoption_rate",
    "cohort_retention",
    "compare",
    "concentration",
    "data_quality",
    "feature_adoption",
    "habit_ladder",
    "lifecycle",
    "mode_mix",
    "mode_transitions",
    "population_bridge",
    "reconcile",
    "retention_curve",
    "rolling_active_users",
    "setup",
    "stickiness",
    "survival",
    "time_to_first_use",
    "unused_licences",
]

_NOUNS = ("activity", "retention", "adoption", "acceptance", "features", "quality")


def __getattr__(name: str) -> Any:
    """Load the charts, and Altair with them, when the first is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    load_altair()
    marks = import_module(f"{__name__}.marks")
    public = [field for field in fields(marks.Caption) if field.name in marks.CaptionKeywords.__annotations__]
    shared = {"caption": {field.name: field.default for field in public}}
    for noun in _NOUNS:
        module = import_module(f"{__name__}.{noun}")
        found = {chart: getattr(module, chart) for chart in __all__ if hasattr(module, chart)}
        globals().update({chart: takes_any_frame(draw, shared) for chart, draw in found.items()})
    return globals()[name]


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
