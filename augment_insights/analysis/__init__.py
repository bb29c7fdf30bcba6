"""The questions: pure functions from tables of activity to tables of answers.

Every function takes Polars frames and returns a Polars frame that keeps its table in
:mod:`augment_insights.tables`. None reads the clock, the network or the disk.
"""

from __future__ import annotations

from augment_insights.analysis.acceptance import acceptance_rate
from augment_insights.analysis.activity import active_users
from augment_insights.analysis.retention import cohort_retention
from augment_insights.analysis.user_days import UserDays, prepare

__all__ = [
    "UserDays",
    "acceptance_rate",
    "active_users",
    "cohort_retention",
    "prepare",
]
