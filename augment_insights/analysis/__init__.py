"""The questions: pure functions from tables of activity to tables of answers.

Every function takes Polars frames, or those of pandas, pyarrow, DuckDB and whatever else has Arrow's interface,
and returns a Polars frame that keeps its table in :mod:`augment_insights.tables`. None reads the clock, the network
or, but for the files that ``read_*`` is given, the disk.
"""

from __future__ import annotations

from augment_insights.analysis.acceptance import (
    acceptance_change,
    acceptance_distribution,
    acceptance_rate,
    compare,
    compare_groups,
    compare_periods,
    contributions,
    judge_together,
    people_needed,
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
    licences,
    licences_over_time,
    population_bridge,
    time_to_first_use,
    unused_licences,
)
from augment_insights.analysis.context import on_track, per_working_day, read_calendar, read_events, read_targets
from augment_insights.analysis.features import (
    concentration,
    feature_adoption,
    habit_ladder,
    mode_change,
    mode_mix,
    mode_transitions,
)
from augment_insights.analysis.privacy import pseudonymise, suppress_small_groups
from augment_insights.analysis.quality import ApiTables, data_quality, reconcile
from augment_insights.analysis.retention import (
    cohort_period,
    cohort_retention,
    lifecycle,
    retained_users,
    retention_by_tenure,
    retention_curve,
    survival,
)
from augment_insights.analysis.roster import describe_roster, join_roster, read_roster, resolve_aliases, unmatched
from augment_insights.analysis.user_days import UserDays, prepare
from augment_insights.tables import takes_any_frame

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
    "cohort_period",
    "cohort_retention",
    "compare",
    "compare_groups",
    "compare_periods",
    "concentration",
    "contributions",
    "data_quality",
    "describe_roster",
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
    "on_track",
    "people_needed",
    "per_working_day",
    "population_bridge",
    "prepare",
    "pseudonymise",
    "read_calendar",
    "read_events",
    "read_roster",
    "read_targets",
    "reconcile",
    "resolve_aliases",
    "retained_users",
    "retention_by_tenure",
    "retention_curve",
    "rolling_active_users",
    "stickiness",
    "suppress_small_groups",
    "survival",
    "time_to_first_use",
    "unmatched",
    "unused_licences",
]

_SHARED = {
    "whose": {"user_type": "person", "since": None, "as_of": None},
    "tables": dict.fromkeys(ApiTables.__annotations__),
}

for _name in __all__:
    globals()[_name] = takes_any_frame(globals()[_name], _SHARED)
