"""The archive: settled days kept as Parquet, fetched once.

A folder that people and engines can read::

    archive.json                                  which organisation, which layout
    users.parquet                                 user_code, user, user_type: names become numbers once
    restatements.parquet                          which days the API changed: old and new totals, when
    dau_count/month=2026-03/data.parquet          a file a table and month, zstd, rows by date
    editor_language/month=2026-03/data.parquet
    damaged/...                                   files that were quarantined

A day is kept, missing or damaged, and nothing else. A month's manifest (which days were fetched, when,
with what totals) travels in the footer of the month's own file: days and manifest change in one atomic
move of one file, so that no kill leaves one without the other. A month is one file from its first day
on, rewritten for each commit (a quarter of a second for 10,000 people, who take half an hour to fetch):
small files that are merged later would stand beside the merged one for a moment, and an engine that
reads ``*/*.parquet`` would count their days twice.

A day without activity is in the manifest and has no rows; a day that was not fetched is in neither.
Archives of earlier versions have the same layout and are read; their ``superseded/`` is ignored.
"""

from __future__ import annotations

from augment_insights.archive.archive import Archive

__all__ = ["Archive"]
