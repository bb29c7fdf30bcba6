"""A made-up organisation, and the Analytics API served over it or over any records.

For demonstrations, tests, and whoever has no token yet::

    from augment_insights.sample import AnalyticsApp, SampleOrganisation, serve

    app = AnalyticsApp(SampleOrganisation(today), now=lambda: datetime.now(UTC))
    with serve(app) as url:
        ...

Everything here stands on the API's side of the wire and knows nothing of the client's.
"""

from __future__ import annotations

from augment_insights.sample.organisation import SampleOrganisation, roster_csv, write_roster
from augment_insights.sample.people import Story
from augment_insights.sample.records import RecordStore
from augment_insights.sample.server import AnalyticsApp, TokenBucket, serve

__all__ = [
    "AnalyticsApp",
    "RecordStore",
    "SampleOrganisation",
    "Story",
    "TokenBucket",
    "roster_csv",
    "serve",
    "write_roster",
]
