"""The wire: one session over the API with token, cache, rate limit, retries, pages and progress.

Nothing here knows Polars: what comes out are the API's messages, decoded and checked.
"""

from __future__ import annotations

from augment_insights.transport.client import Client
from augment_insights.transport.retry import RetryPolicy
from augment_insights.transport.watching import Cancelled

__all__ = ["Cancelled", "Client", "RetryPolicy"]
