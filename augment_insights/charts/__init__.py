"""One chart for each analysis table, and the theme they share.

A chart function takes the table of the same name and returns an Altair chart, neither shown nor
saved. It draws what the table says and computes no metric. All take the same keywords:
``population`` (who is counted), ``as_of`` (the last day of the data), ``sample`` (say that the
organisation is made up) and ``width``. In a notebook, call :func:`setup` once.
"""

from __future__ import annotations

from augment_insights.charts.acceptance import acceptance_distribution, acceptance_rate
from augment_insights.charts.activity import active_day_distribution, rolling_active_users, stickiness
from augment_insights.charts.adoption import active_users
from augment_insights.charts.comparison import acceptance_change, compare
from augment_insights.charts.features import feature_adoption, mode_mix, mode_transitions
from augment_insights.charts.habits import concentration, habit_ladder
from augment_insights.charts.licences import adoption_curve, adoption_rate
from augment_insights.charts.lifecycle import lifecycle
from augment_insights.charts.quality import data_quality
from augment_insights.charts.reconciliation import reconcile
from augment_insights.charts.retention import cohort_retention
from augment_insights.charts.survival import retention_curve, survival, time_to_first_use
from augment_insights.charts.theme import setup

__all__ = [
    "acceptance_change",
    "acceptance_distribution",
    "acceptance_rate",
    "active_day_distribution",
    "active_users",
    "adoption_curve",
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
    "reconcile",
    "retention_curve",
    "rolling_active_users",
    "setup",
    "stickiness",
    "survival",
    "time_to_first_use",
]
