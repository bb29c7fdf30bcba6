"""The questions: pure functions from tables of activity to tables of answers.

Every function takes Polars frames and returns a Polars frame that keeps its table in
:mod:`augment_insights.tables`. None reads the clock, the network or the disk.
"""

from __future__ import annotations

from augment_insights.analysis.acceptance import (
    acceptance_change,
    acceptance_distribution,
    acceptance_rate,
    compare,
    compare_groups,
    compare_periods,
)
from augment_insights.analysis.activity import (
    active_day_distribution,
    active_users,
    rolling_active_users,
    stickiness,
)
from augment_insights.analysis.adoption import (
    adoption_curve,
    adoption_funnel,
    adoption_rate,
    adoption_stages,
    join_roster,
    licences,
    licences_over_time,
    population_bridge,
    read_roster,
    time_to_first_use,
    unused_licences,
)
from augment_insights.analysis.contributions import contributions, judge_together, people_needed
from augment_insights.analysis.features import (
    concentration,
    feature_adoption,
    habit_ladder,
    mode_change,
    mode_mix,
    mode_transitions,
)
from augment_insights.analysis.privacy import pseudonymise, suppress_small_groups
from augment_insights.analysis.quality import data_quality, reconcile
from augment_insights.analysis.retention import (
    cohort_retention,
    lifecycle,
    retained_users,
    retention_by_tenure,
    retention_curve,
    survival,
)
from augment_insights.analysis.user_days import UserDays, prepare

__all__ = [
    "UserDays",
    "acceptance_change",
    "acceptance_distribution",
    "acceptance_rate",
    "active_day_distribution",
    "active_users",
    "adoption_curve",
    "adoption_funnel",
    "adoption_rate",
    "adoption_stages",
    "cohort_retention",
    "compare",
    "compare_groups",
    "compare_periods",
    "concentration",
    "contributions",
    "data_quality",
    "feature_adoption",
    "habit_ladder",
    "join_roster",
    "judge_together",
    "licences",
    "licences_over_time",
    "lifecycle",
    "mode_change",
    "mode_mix",
    "mode_transitions",
    "people_needed",
    "population_bridge",
    "prepare",
    "pseudonymise",
    "read_roster",
    "reconcile",
    "retained_users",
    "retention_by_tenure",
    "retention_curve",
    "rolling_active_users",
    "stickiness",
    "suppress_small_groups",
    "survival",
    "time_to_first_use",
    "unused_licences",
]
