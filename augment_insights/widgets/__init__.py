"""Live controls in a notebook: change one, and the figure is drawn again; unattended, the figure alone.

:func:`explore` answers ready-made questions over everything that can be fetched; :func:`panel` gives
controls to a function of one's own.
"""

from __future__ import annotations

from augment_insights.widgets.explore import explore
from augment_insights.widgets.panel import panel

__all__ = ["explore", "panel"]
