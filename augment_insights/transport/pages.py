"""The pages of one answer: all of them, from one snapshot, or an error. Never a part of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING

from augment_insights.errors import InvalidRequestError, warn_reader
from augment_insights.periods import PUBLICATION_CUTOFF, PUBLICATION_TIME
from augment_insights.transport.messages import Endpoint, Page, WrongShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MOST_PAGES = 20_000
MOST_EMPTY_PAGES = 3
MOST_RESTARTS = 2

_DIVISIONS: tuple[time, ...] = (PUBLICATION_TIME, PUBLICATION_CUTOFF)


@dataclass(frozen=True)
class Answer:
    """One page, and where it came from.

    Attributes
    ----------
    page : Page
        What the API said.
    created_at : datetime
        When the API said it.
    cache_key : str or None
        Under which key the cache keeps it.
    """

    page: Page
    created_at: datetime
    cache_key: str | None


class SnapshotChangedError(Exception):
    """The pages so far and the next one are not of one snapshot."""


@dataclass
class Walk:
    """The pages of one answer so far, whether they are all there are, and the checks that the next has to pass."""

    answers: list[Answer] = field(default_factory=list)
    cursors: set[str] = field(default_factory=set)
    empty_in_a_row: int = 0
    is_whole: bool = False

    def add(self, answer: Answer) -> str | None:
        """Take a page in, and return the cursor of the next; None at the end.

        Raises
        ------
        SnapshotChangedError
            Data was published between the first page and this one.
        WrongShapeError
            The pages are of different days, do not end, or do not say how they go on.
        """
        self.answers.append(answer)
        first = self.answers[0]
        if not same_snapshot(first.created_at, answer.created_at):
            raise SnapshotChangedError
        if answer.page.metadata.answered != first.page.metadata.answered:
            raise WrongShapeError("the pages of one answer are of different days", "$.metadata")
        pagination = answer.page.pagination
        self.is_whole = pagination is None or not pagination.has_more
        if pagination is None or self.is_whole:
            return None
        self.empty_in_a_row = 0 if answer.page.rows else self.empty_in_a_row + 1
        if self.empty_in_a_row >= MOST_EMPTY_PAGES:
            raise WrongShapeError(f"{MOST_EMPTY_PAGES} empty pages in a row that say there is more", "$.pagination")
        if len(self.answers) >= MOST_PAGES:
            raise WrongShapeError(f"no end after {MOST_PAGES:,} pages", "$.pagination.has_more")
        cursor = pagination.next_cursor
        if not cursor:
            raise WrongShapeError("has_more is true and there is no next_cursor", "$.pagination.next_cursor")
        if cursor in self.cursors:
            raise WrongShapeError("a cursor came a second time: the pages go in a circle", "$.pagination.next_cursor")
        self.cursors.add(cursor)
        return cursor

    def is_outdated(self, answer: Answer) -> bool:
        """Tell whether a page was kept from an earlier walk than the one that its first page began."""
        return bool(self.answers) and answer.created_at < self.answers[0].created_at

    @property
    def pages(self) -> list[Page]:
        """The pages, in order."""
        return [answer.page for answer in self.answers]

    @property
    def cache_keys(self) -> list[str]:
        """The keys under which the pages are cached."""
        return [answer.cache_key for answer in self.answers if answer.cache_key]


def same_snapshot(first: datetime, later: datetime) -> bool:
    """Tell whether two moments lie in this order with no publication of data between them.

    Data is published at about 02:00 UTC and taken as safely out at 03:00; either divides.

    Examples
    --------
    >>> evening, night = datetime(2026, 3, 1, 23, tzinfo=UTC), datetime(2026, 3, 2, 1, tzinfo=UTC)
    >>> same_snapshot(evening, night), same_snapshot(night, evening)
    (True, False)
    >>> same_snapshot(night, datetime(2026, 3, 2, 2, 30, tzinfo=UTC))
    False
    """
    return first <= later and _divisions_before(first) == _divisions_before(later)


def _divisions_before(moment: datetime) -> int:
    """Count the dividing moments up to this one, since a day long past."""
    day = moment.astimezone(UTC).date()
    passed = sum(moment >= datetime.combine(day, at, tzinfo=UTC) for at in _DIVISIONS)
    return day.toordinal() * len(_DIVISIONS) + passed


def walk(
    endpoint: Endpoint,
    params: Mapping[str, str],
    *,
    ask: Callable[[Endpoint, Mapping[str, str]], Answer],
    forget: Callable[[list[str]], None],
) -> list[Page]:
    """Fetch all pages of one answer.

    Parameters
    ----------
    endpoint : Endpoint
        What to ask.
    params : Mapping
        The question, without page size and cursor.
    ask : callable
        Gets one page, from the cache or the API.
    forget : callable
        Drops pages from the cache by key, before the walk starts again.

    Raises
    ------
    WrongShapeError
        See :meth:`Walk.add`.
    InvalidRequestError
        The question was refused, or the cursors expired more than twice.
    """
    for restart in range(MOST_RESTARTS + 1):
        walked = Walk()
        is_last_try = restart == MOST_RESTARTS
        try:
            cursor: str | None = ""
            while cursor is not None:
                question = endpoint.sized(params) | ({"cursor": cursor} if cursor else {})
                answer = ask(endpoint, question)
                if walked.is_outdated(answer) and answer.cache_key:
                    # The first pages of an earlier walk have expired and this one not yet; what is left is renewed.
                    forget([answer.cache_key])
                    answer = ask(endpoint, question)
                cursor = walked.add(answer)
        except SnapshotChangedError:
            if is_last_try:
                raise WrongShapeError("data was published during each of three tries", "$.metadata") from None
        except WrongShapeError:
            forget(walked.cache_keys)  # each page may be whole, and the walk is not: next time it is asked for anew
            raise
        except InvalidRequestError:
            if is_last_try or not walked.answers:  # else a cursor expired
                raise
        else:
            _warn_of_lost_rows(endpoint, walked.pages)
            return walked.pages
        forget(walked.cache_keys)
    raise AssertionError("unreachable: the last try returns or raises")


def look(
    endpoint: Endpoint,
    params: Mapping[str, str],
    *,
    find: Callable[[Endpoint, Mapping[str, str]], Answer | None],
    now: datetime,
) -> Walk:
    """Follow the pages of one answer as far as the cache has them, without asking for any.

    What a fetch of it would not have to send for: no page where it would begin anew.

    Parameters
    ----------
    endpoint : Endpoint
        What would be asked.
    params : Mapping
        The question, without page size and cursor.
    find : callable
        Gets one page from the cache; None where it is not there.
    now : datetime
        When the missing pages would be asked for: pages from before a publication cannot be continued.
    """
    sized = endpoint.sized(params)
    walked = Walk()
    answer = find(endpoint, sized)
    try:
        while answer is not None and not walked.is_outdated(answer):
            cursor = walked.add(answer)
            if cursor is None:
                return walked
            answer = find(endpoint, {**sized, "cursor": cursor})
    except (SnapshotChangedError, WrongShapeError):
        return Walk()
    can_continue = walked.answers and same_snapshot(walked.answers[0].created_at, now)
    return walked if can_continue else Walk()


def lost_rows(pages: Sequence[Page]) -> tuple[int, int] | None:
    """Return how many rows the API says it returned and how many came, if other ones did and all pages say.

    Whether it counts the rows of a page or of all of them is not documented.
    """
    stated = [page.metadata.returned for page in pages if page.metadata.returned is not None]
    came = sum(len(page.rows) for page in pages)
    return (sum(stated), came) if len(stated) == len(pages) and came not in (sum(stated), max(stated)) else None


def _warn_of_lost_rows(endpoint: Endpoint, pages: list[Page]) -> None:
    lost = lost_rows(pages)
    if lost:
        warn_reader(
            f"{endpoint.name}: the API says it returned {lost[0]} rows in {len(pages)} pages, and {lost[1]} came. "
            "Hint: compare with the daily counts before you rely on them."
        )
