"""From a template notebook and its parameters to a finished report, in every format that people pass on.

:func:`write` runs a template and puts its files in place, :func:`build` gives its page to look at;
:class:`Page` is what a template builds, :class:`Study` what it begins with (:func:`study`). Of a report's digest
:func:`message` makes what to post, and :func:`compare_digests` tells what changed since another.
"""

from __future__ import annotations

from augment_insights.reports.content import (
    Headline,
    bridge_in_words,
    change_in_words,
    checks_in_words,
    count_in_words,
    flows_in_words,
    licences_in_words,
    retention_in_words,
    targets_in_words,
    unmatched_in_words,
    unused_in_words,
    what_happened,
)
from augment_insights.reports.digest import DigestChanges, compare_digests, message, read_digest
from augment_insights.reports.page import Page
from augment_insights.reports.run import (
    Batch,
    Report,
    Template,
    build,
    find,
    new,
    templates,
    workspace,
    write,
    write_each,
)
from augment_insights.reports.sharing import Sharing
from augment_insights.reports.study import ReportDays, Study, StudyParameters, report_days, study

__all__ = [
    "Batch",
    "DigestChanges",
    "Headline",
    "Page",
    "Report",
    "ReportDays",
    "Sharing",
    "Study",
    "StudyParameters",
    "Template",
    "bridge_in_words",
    "build",
    "change_in_words",
    "checks_in_words",
    "compare_digests",
    "count_in_words",
    "find",
    "flows_in_words",
    "licences_in_words",
    "message",
    "new",
    "read_digest",
    "report_days",
    "retention_in_words",
    "study",
    "targets_in_words",
    "templates",
    "unmatched_in_words",
    "unused_in_words",
    "what_happened",
    "workspace",
    "write",
    "write_each",
]
