"""What the cache has of an answer: looked at without asking, so that a fetch can be priced before it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from augment_insights.transport.messages import Endpoint, Page, WrongShapeError
from augment_insights.transport.pages import Answer, SnapshotChangedError, Walk, same_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime


@dataclass(frozen=True)
class CachedPages:
    """The pages of one answer that a fetch of it would not have to send for.

    Attributes
    ----------
    pages : list of Page
        From the first on; empty where the walk would begin anew.
    is_whole : bool
        Whether they are all there are.
    """

    pages: list[Page]
    is_whole: bool


_NOTHING = CachedPages([], is_whole=False)


def look(
    endpoint: Endpoint,
    params: Mapping[str, str],
    *,
    find: Callable[[Endpoint, Mapping[str, str]], Answer | None],
    now: datetime,
) -> CachedPages:
    """Follow the pages of one answer as far as the cache has them.

    Parameters
    ----------
    endpoint : Endpoint
        What would be asked.
    params : Mapping
        The question, without page size and cursor.
    find : callable
        Gets one page from the cache; None where it is not there.
    now : datetime
        When the missing pages would be asked for: pages from before a publication cannot be gone on with.
    """
    sized = endpoint.sized(params)
    walked = Walk(endpoint)
    answer = find(endpoint, sized)
    try:
        while answer is not None and not walked.is_outdated(answer):
            cursor = walked.add(answer)
            if cursor is None:
                return CachedPages(walked.pages, is_whole=True)
            answer = find(endpoint, {**sized, "cursor": cursor})
    except (SnapshotChangedError, WrongShapeError):
        return _NOTHING
    goes_on = walked.answers and same_snapshot(walked.answers[0].created_at, now)
    return CachedPages(walked.pages, is_whole=False) if goes_on else _NOTHING
