"""Fetch a table from the API: one function an endpoint, the noun of its table.

================================  ==========================================================
function                          answers
================================  ==========================================================
:func:`dau_count`                 how many users were active on each day
:func:`dau`                       who was active on which day
:func:`daily_usage`               how much the organisation used the assistant on each day
:func:`user_activity`             how much each user did, over a range or in each period
:func:`editor_language`           the same by day, language and editor
:func:`activity`                  who was active in which period, for the fewest requests
:func:`plan`                      how many requests and how long any of these will take
:func:`read_json`                 what saved answers of these endpoints say
:func:`sync`                      nothing: fills the client's archive, so that the others need not ask
================================  ==========================================================
"""

from __future__ import annotations

from augment_insights.fetch.endpoints import activity, daily_usage, dau, dau_count, editor_language, user_activity
from augment_insights.fetch.plan import Plan, plan
from augment_insights.fetch.saved import read_json
from augment_insights.fetch.sync import SyncResult, sync

__all__ = [
    "Plan",
    "SyncResult",
    "activity",
    "daily_usage",
    "dau",
    "dau_count",
    "editor_language",
    "plan",
    "read_json",
    "sync",
    "user_activity",
]
