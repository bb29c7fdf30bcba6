"""The wire: one session over the API with token, cache, rate limit, retries, pages and progress.

Nothing here knows Polars: what comes out are the API's messages, decoded and checked.
"""

from __future__ import annotations

from augment_insights.transport.client import Client
from augment_insights.transport.progress import Cancelled
from augment_insights.transport.responses import RetryPolicy

__all__ = ["Cancelled", "Client", "RetryPolicy"]
