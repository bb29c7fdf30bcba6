"""Saved answers of the API become the table that fetching them would have given."""

from __future__ import annotations

from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from augment_insights.analysis.roster_file import file_bytes
from augment_insights.errors import TableError, did_you_mean
from augment_insights.fetch.columns import Fetched, fill_days, generated_at, table_frame
from augment_insights.periods import DayRange
from augment_insights.tables import ENDPOINT_TABLES, check_process
from augment_insights.transport import messages
from augment_insights.transport.pages import lost_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from augment_insights.transport.messages import Page


_LATER = datetime(9999, 1, 1, tzinfo=UTC)
"""After every answer: one that does not say when it was made is taken to be of published days."""


def read_json(files: str | PathLike[str] | Sequence[str | PathLike[str]], endpoint: str) -> pl.DataFrame:
    """Read saved answers of one endpoint into its table.

    A file holds one answer as the API sent it. The pages of an answer may come in any order, and all of them must be
    there: that the last is missing is always noticed, another where the API counts the rows of all pages. Of several
    answers with one day the newest counts. A day that an answer leaves out is zeros, as in fetching, if the answer was
    made after the day was published.

    Parameters
    ----------
    files : path-like or sequence of path-like
        Names of files, of which none is a pattern.
    endpoint : {"dau_count", "dau", "daily_usage", "user_activity", "editor_language"}
        Whose answers they are, by the name of the function that fetches them.

    Returns
    -------
    pl.DataFrame
        The table of the endpoint, as its function in ``fetch`` returns it; of ``user_activity`` one row a user and
        range that was asked for.

    Raises
    ------
    ValueError
        No such endpoint.
    TableError
        A file is missing, too large or no answer of this endpoint (with the path in its JSON), or a page is missing or
        there twice.

    Warns
    -----
    DataWarning
        Duplicate rows.

    See Also
    --------
    user_activity, dau : fetch the same tables.

    Examples
    --------
    >>> path = getfixture("tmp_path") / "answer.json"
    >>> _ = path.write_text(
    ...     '{"daily_active_user_counts": [{"date": "2026-03-02", "user_count": 7}],'
    ...     ' "metadata": {"effective_start_date": "2026-03-02", "effective_end_date": "2026-03-03"}}'
    ... )
    >>> read_json(path, "dau_count").rows()
    [(datetime.date(2026, 3, 2), 7), (datetime.date(2026, 3, 3), 0)]
    """
    check_process()
    if endpoint not in ENDPOINT_TABLES:
        raise ValueError(f"endpoint={endpoint!r} is not one of the API.{did_you_mean(str(endpoint), ENDPOINT_TABLES)}")
    table = ENDPOINT_TABLES[endpoint]
    names = [files] if isinstance(files, (str, PathLike)) else files
    pages: dict[DayRange, dict[bytes, tuple[Path, Page]]] = {}
    for name in names:
        path = Path(name).expanduser()
        body = file_bytes(path, what="answer", table=table.name)
        page = _decoded(path, body, endpoint)
        pages.setdefault(DayRange(*page.metadata.answered), {})[body] = (path, page)
    answers = [_whole(table.name, days, list(found.values())) for days, found in pages.items()]
    made = {answer.asked: generated_at(answer, now=_LATER) for answer in answers}
    answers.sort(key=lambda answer: (made[answer.asked], answer.asked), reverse=True)
    if "user" in table.columns:
        return table_frame(table, answers)
    days = [
        fill_days(table_frame(table, [answer]), table, answer.asked, [answer], now=made[answer.asked])
        for answer in answers
    ]
    return pl.concat([table.empty(), *days]).unique("date", keep="first").sort("date")


def _decoded(path: Path, body: bytes, endpoint: str) -> Page:
    try:
        return messages.decode(messages.ENDPOINTS[endpoint], body.removeprefix(b"\xef\xbb\xbf"))
    except messages.WrongShapeError as error:
        raise TableError(
            f"{path} holds no answer of {endpoint}: {error} at {error.path}.",
            table=endpoint,
            hint="save answers as the API sends them, one a file; is it another endpoint's?",
        ) from error


def _whole(table: str, days: DayRange, pages: Sequence[tuple[Path, Page]]) -> Fetched:
    """Return the pages of one answer, if each is there once."""
    last = [page.pagination is None or not page.pagination.has_more for _, page in pages]
    if sum(last) != 1:
        listed = ", ".join(sorted(path.name for path, _ in pages))
        what = "is no last page" if not any(last) else "are several last pages"
        raise TableError(
            f"Of {table} for {days} there {what}: {listed}.",
            table=table,
            hint="all pages of an answer are needed, each once, and of one answer alone for the same days.",
        )
    lost = lost_rows([page for _, page in pages])
    if lost:
        raise TableError(
            f"Of {table} for {days} {lost[1]} rows came, and the answers count {lost[0]}.",
            table=table,
            hint="a page may be missing.",
        )
    return Fetched(days, [page for _, page in pages])
