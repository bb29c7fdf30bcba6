"""From a template notebook and its parameters to a finished report: one HTML page, and the notebook behind it.

:func:`write` runs a template and puts both files in place; :class:`Page` is what a template builds
its page with; :func:`report_days` chooses the days of a weekly report.
"""

from __future__ import annotations

from augment_insights.reports.days import ReportDays, report_days
from augment_insights.reports.page import Page
from augment_insights.reports.run import Report, write
from augment_insights.reports.template import templates

__all__ = ["Page", "Report", "ReportDays", "report_days", "templates", "write"]
