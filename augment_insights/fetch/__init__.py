"""Fetch a table from the API: one function an endpoint, the noun of its table.

================================  ==========================================================
function                          answers
================================  ==========================================================
:func:`dau_count`                 how many users were active on each day
:func:`dau`                       who was active on which day
:func:`daily_usage`               how much the organisation used the assistant on each day
:func:`user_activity`             how much each user did, over a range or in each period
:func:`editor_language`           the same by day, language and editor
================================  ==========================================================
"""

from __future__ import annotations

from augment_insights.fetch.endpoints import daily_usage, dau, dau_count, editor_language, user_activity

__all__ = ["daily_usage", "dau", "dau_count", "editor_language", "user_activity"]
