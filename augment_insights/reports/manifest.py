"""How a report was made, so that it can be made again, and be told from another that looks like it."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import polars as pl

from augment_insights import __version__
from augment_insights.reports.content import plain

if TYPE_CHECKING:
    from augment_insights.reports.content import Content

TIME_STAMPS = ("Generated at", "Data made at", "Requests sent")
"""What differs between two reports of the same inputs: when each was made, and what the cache had by then."""

FILE_NAME = "manifest.json"


def versions() -> dict[str, str]:
    """Return the versions that the figures depend on."""
    import platform  # noqa: PLC0415 (for a report only)

    import altair as alt  # noqa: PLC0415 (see theme.load_altair)

    return {
        "augment-insights": __version__,
        "Polars": pl.__version__,
        "Altair": alt.__version__,
        "vl-convert": version("vl-convert-python"),
        "Python": platform.python_version(),
    }


def as_json(content: Content) -> str:
    """Return the manifest for programs: every entry, the definitions, and each table's size."""
    entries: dict[str, Any] = {_key(name): plain(value) for name, value in content.manifest.items()}
    entries["title"] = content.title
    entries["definitions"] = dict(content.definitions)
    entries["tables"] = {
        name: {"rows": table.height, "columns": table.columns} for name, table in content.tables.items()
    }
    entries["time_stamps"] = [_key(name) for name in TIME_STAMPS if name in content.manifest]
    return json.dumps(entries, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _key(name: str) -> str:
    """Return an entry's name as a key.

    Examples
    --------
    >>> _key("Generated at")
    'generated_at'
    """
    return name.lower().replace(" ", "_")
