"""Measure how an organisation adopts Augment Code, from its Analytics API.

The module is the verb, the noun is the table::

    from augment_insights import Client, analysis, charts, fetch

    client = Client.sample()                      # or Client(), with AUGMENT_API_TOKEN set
    activity = fetch.dau(start_date="2026-01-01", end_date="2026-03-31", client=client)
    charts.cohort_retention(analysis.cohort_retention(activity))

Importing this package runs nothing and loads nothing: each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from augment_insights import analysis, charts, errors, fetch, periods, reports, sample, tables, widgets
    from augment_insights.archive import Archive
    from augment_insights.errors import InsightsError
    from augment_insights.transport import Client

__version__ = "0.1.0"

__all__ = [
    "Archive",
    "Client",
    "InsightsError",
    "__version__",
    "analysis",
    "charts",
    "errors",
    "fetch",
    "periods",
    "reports",
    "sample",
    "tables",
    "widgets",
]

_HOME_OF = {
    "Archive": "augment_insights.archive",
    "Client": "augment_insights.transport",
    "InsightsError": "augment_insights.errors",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    if name in _HOME_OF:
        value = getattr(import_module(_HOME_OF[name]), name)
    elif name in __all__:
        value = import_module(f"augment_insights.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(__all__)
