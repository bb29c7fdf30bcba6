"""Who shows what a cell leaves: a notebook that somebody runs, a page that voila makes of one, or nobody."""

from __future__ import annotations

import os

from augment_insights.transport.progress import in_notebook

_VOILA = "VOILA_BASE_URL"
"""Voila sets it for each kernel that it starts; its kernels ask nothing of anybody, as those of unattended runs."""


def has_controls(wanted: bool | None) -> bool:  # noqa: FBT001 (the setting itself, not a switch)
    """Tell whether controls are of use: as told, else wherever somebody can reach them."""
    return in_notebook() or under_voila() if wanted is None else wanted


def under_voila() -> bool:
    """Tell whether voila made this kernel."""
    return _VOILA in os.environ
