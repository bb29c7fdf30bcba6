"""All pages of an answer, of one snapshot, or an error: never a part, never a mixture, never for ever."""

import json
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
import time_machine
from hypothesis import example, given
from hypothesis import strategies as st

from augment_insights import Client, fetch
from augment_insights.errors import DataWarning, InvalidRequestError, UnexpectedResponseError
from augment_insights.transport.pages import same_snapshot

DAY = "2026-03-01"


def names(first: int, last: int) -> list[str]:
    return [f"u{n:03}@example.com" for n in range(first, last + 1)]


def paged(wire, pages: list[list[str]], **first: Any) -> Any:
    """Answer with these pages in order, by cursors c1, c2, ..."""

    def answer(asked) -> bytes:
        index = int(asked.params.get("cursor", "c0")[1:])
        cursor = f"c{index + 1}" if index + 1 < len(pages) else None
        return wire.respond(wire.dau_page(asked.params["date"], pages[index], cursor=cursor) | first)

    return answer


def unending(kind: str, wire) -> Any:
    """Answer with pages that break a rule in the named way."""

    def answer(asked) -> bytes:
        number = asked.number
        users = [] if kind == "empty for ever" else names(number, number)
        cursor = {
            "the same cursor": "c",
            "a circle of two": f"c{number % 2}",
            "a circle of three": f"c{number % 3}",
            "empty for ever": f"c{number}",
        }.get(kind, f"c{number}")
        day = DAY if kind != "another day" or number == 1 else "2026-03-02"
        page = wire.dau_page(day, users, cursor=cursor)
        if kind == "no cursor":
            page["pagination"] = {"has_more": True}
        if kind == "an empty cursor":
            page["pagination"]["next_cursor"] = ""
        return wire.respond(page)

    return answer


@pytest.mark.parametrize(
    ("kind", "requests", "path"),
    [
        ("the same cursor", 2, "$.pagination.next_cursor"),
        ("a circle of two", 3, "$.pagination.next_cursor"),
        ("a circle of three", 4, "$.pagination.next_cursor"),
        ("empty for ever", 3, "$.pagination"),
        ("no cursor", 1, "$.pagination.next_cursor"),
        ("an empty cursor", 1, "$.pagination.next_cursor"),
        ("another day", 2, "$.metadata"),
    ],
)
def test_pages_that_break_the_rules_are_an_error_and_are_not_kept(kind, requests, path, serve, connect, wire):
    """A walk that would not end, or mixes days, raises with the place in the JSON; no broken page is kept."""
    api = serve(unending(kind, wire))
    with pytest.raises(UnexpectedResponseError, match="nothing of it was kept") as caught:
        fetch.dau(DAY, client=connect(api.url))
    assert caught.value.path == path
    assert api.count == requests
    assert "date=2026-03-01" in str(caught.value)
    api.answer = paged(wire, [names(1, 3), names(4, 6)])
    assert fetch.dau(DAY, client=connect(api.url))["user"].to_list() == names(1, 6)


def test_a_row_that_comes_twice_is_kept_once(serve, connect, wire):
    """A user who moved to the next page while we turned it is in the table once, with a warning that counts."""
    api = serve(paged(wire, [names(1, 3), names(3, 5)]))
    with pytest.warns(DataWarning, match="1 duplicate row"):
        frame = fetch.dau(DAY, client=connect(api.url))
    assert frame["user"].to_list() == names(1, 5)


@pytest.mark.parametrize(("stated", "warned"), [((3, 3), 0), ((6, 6), 0), ((3, 4), 1), ((9, 9), 1)])
def test_rows_that_were_announced_and_did_not_come_are_missed(stated, warned, serve, connect, wire):
    """The stated counts may be of each page or of the whole; where neither fits the rows, a warning says so."""

    def answer(asked) -> bytes:
        second = "cursor" in asked.params
        page = wire.dau_page(DAY, names(4, 6) if second else names(1, 3), cursor=None if second else "c1")
        page["metadata"]["returned_user_count"] = stated[1 if second else 0]
        return wire.respond(page)

    api = serve(answer)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        assert fetch.dau(DAY, client=connect(api.url)).height == 6
    assert len(heard) == warned
    assert all("says it returned" in str(each.message) for each in heard)


@pytest.mark.parametrize(("refusals", "requests"), [(0, 2), (1, 4), (2, 6), (3, 6)])
def test_an_expired_cursor_starts_the_walk_again(refusals, requests, serve, connect, wire):
    """A 400 on a page with a cursor: from the first page again, up to twice; then the API's refusal is raised."""
    good = paged(wire, [names(1, 3), names(4, 6)])
    left = [refusals]

    def answer(asked) -> bytes:
        if "cursor" in asked.params and left[0]:
            left[0] -= 1
            return wire.refuse(400, message="cursor expired")
        return good(asked)

    api = serve(answer)
    client = connect(api.url)
    if refusals == 3:
        with pytest.raises(InvalidRequestError, match="expired"):
            fetch.dau(DAY, client=client)
    else:
        assert fetch.dau(DAY, client=client)["user"].to_list() == names(1, 6)
    assert api.count == requests


def test_a_dead_cursor_in_the_cache_is_replaced(serve, connect, wire):
    """A first page kept from an interrupted walk may hold a cursor that died since: it is fetched anew."""
    generation = ["old"]

    def answer(asked) -> bytes:
        cursor = asked.params.get("cursor")
        if cursor is None:
            return wire.respond(wire.dau_page(DAY, names(1, 3), cursor=f"{generation[0]}-1"))
        if not cursor.startswith(generation[0]):
            return wire.refuse(400, message="unknown cursor")
        return wire.respond(wire.dau_page(DAY, names(4, 6)))

    def interrupted(asked) -> bytes:
        return answer(asked) if "cursor" not in asked.params else wire.refuse(403)

    api = serve(interrupted)
    with pytest.raises(Exception, match="403"):
        fetch.dau(DAY, client=connect(api.url))
    generation[0] = "new"
    api.answer = answer
    assert fetch.dau(DAY, client=connect(api.url))["user"].to_list() == names(1, 6)
    assert [asked.params.get("cursor") for asked in api.asked] == [None, "old-1", "old-1", None, "new-1"]


@pytest.mark.parametrize("pages", [3, 6])
@pytest.mark.parametrize("gap", [timedelta(hours=23, minutes=59, seconds=10), timedelta(hours=24, seconds=40)])
def test_a_table_is_never_stitched_from_two_days(pages, gap, serve, wire, connect, clock):
    """Yesterday's walk took half a minute a page, so that its pages expire apart; one user left: all is today's."""
    everybody = names(1, 3 * pages)
    api = serve(lambda asked: _slices(wire, everybody, asked))
    with time_machine.travel(datetime(2026, 3, 10, 12, tzinfo=UTC), tick=False) as traveller:
        clock.now = lambda: datetime.now(UTC)
        with connect(api.url) as client:
            original = client._ask

            def slowly(*asked: Any) -> Any:
                traveller.shift(timedelta(seconds=30))
                return original(*asked)

            client._ask = slowly  # type: ignore[method-assign]
            assert fetch.dau(DAY, client=client)["user"].to_list() == everybody
        everybody = everybody[1:]
        traveller.move_to(datetime(2026, 3, 10, 12, tzinfo=UTC) + gap)
        before = api.count
        with connect(api.url) as client:
            found = fetch.dau(DAY, client=client)["user"].to_list()
    if gap < timedelta(hours=24):  # all of it is still in the cache, and still of one snapshot
        assert found == ["u001@example.com", *everybody]
        assert api.count == before
    else:
        assert found == everybody
        assert api.count == before + pages, "each page once: what is left of yesterday is not even asked twice"


def _slices(wire, everybody: list[str], asked) -> bytes:
    first = int(asked.params.get("cursor", "0"))
    more = str(first + 3) if first + 3 < len(everybody) else None
    return wire.respond(wire.dau_page(DAY, everybody[first : first + 3], cursor=more))


@pytest.mark.parametrize("day_before", [DAY, "2026-02-28"])
def test_a_first_page_from_before_the_publication_is_not_continued_after_it(day_before, serve, wire, connect, clock):
    """Broken off at 01:59 and taken up at 02:10 a walk begins again, whichever day the kept page is of."""

    def cut_off(asked) -> bytes:
        if "cursor" in asked.params:
            return wire.refuse(403)
        return wire.respond(wire.dau_page(day_before, names(1, 3), cursor="3"))

    api = serve(cut_off)
    clock.now = lambda: datetime.now(UTC)
    with time_machine.travel(datetime(2026, 3, 10, 1, 59, tzinfo=UTC), tick=False) as traveller:
        with connect(api.url) as client, pytest.raises(Exception, match="403"):
            fetch.dau(DAY, client=client)
        api.answer = lambda asked: _slices(wire, names(11, 16), asked)
        traveller.move_to(datetime(2026, 3, 10, 2, 10, tzinfo=UTC))
        with connect(api.url) as client:
            found = fetch.dau(DAY, client=client)
    assert found["user"].to_list() == names(11, 16)
    assert found["date"].cast(str).unique().to_list() == [DAY]


def test_data_that_changes_under_every_try_is_an_error(serve, wire, connect):
    """When data is published between the pages three times over, the walk gives up; it never mixes."""
    with time_machine.travel(datetime(2026, 3, 10, 1, 59, tzinfo=UTC)) as traveller:

        def answer(asked) -> bytes:
            if "cursor" in asked.params:
                traveller.shift(timedelta(days=1))
            return _slices(wire, names(1, 6), asked)

        api = serve(answer)
        with connect(api.url) as client:
            with pytest.raises(UnexpectedResponseError, match="published"):
                fetch.dau(DAY, client=client)
            assert api.count == 6


seconds = st.integers(0, 4 * 86_400)


@given(first=seconds, later=seconds)
@example(first=2 * 3600 - 1, later=2 * 3600)
@example(first=3 * 3600 - 1, later=3 * 3600)
@example(first=3 * 3600, later=26 * 3600 - 1)
def test_a_snapshot_lasts_from_one_publication_to_the_next(first, later):
    """Two moments are of one snapshot if they are in order and neither 02:00 nor 03:00 UTC lies between."""
    day = datetime(2026, 1, 1, tzinfo=UTC)
    divided = any(first < 86_400 * n + 3600 * hour <= later for n in range(5) for hour in (2, 3))
    found = same_snapshot(day + timedelta(seconds=first), day + timedelta(seconds=later))
    assert found == (first <= later and not divided)


@given(
    sizes=st.lists(st.integers(0, 4), min_size=1, max_size=12).filter(
        lambda sizes: not any(sizes[n : n + 3] == [0, 0, 0] for n in range(len(sizes)))
    ),
    ending=st.sampled_from([{}, {"next_cursor": ""}, {"next_cursor": None}, {"next_cursor": "again"}]),
)
@example(sizes=[3, 0, 0, 3], ending={})
@example(sizes=[0, 3, 0, 3], ending={"next_cursor": "again"})
def test_any_paging_gives_every_row_once(sizes, ending):
    """However rows are cut into pages, table and cache have all, in order; only ``has_more`` false is the end."""
    starts = [sum(sizes[:index]) for index in range(len(sizes))]

    def app(environ: dict[str, Any], start_response) -> list[bytes]:
        index = int(parse_qs(environ["QUERY_STRING"]).get("cursor", ["0"])[0])
        users = [{"user_email": name} for name in names(starts[index] + 1, starts[index] + sizes[index])]
        more = index + 1 < len(sizes)
        pagination = {"has_more": True, "next_cursor": str(index + 1)} if more else {"has_more": False, **ending}
        metadata = {"effective_date": DAY, "generated_at": "", "returned_user_count": len(users)}
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"users": users, "pagination": pagination, "metadata": metadata}).encode()]

    with (
        Client("token-of-a-test", base_url="https://pages.invalid", cache=False, app=app) as client,
        time_machine.travel(datetime(2026, 3, 10, 12, tzinfo=UTC), tick=False),
    ):
        for _ in range(2):
            assert fetch.dau(DAY, client=client)["user"].to_list() == names(1, sum(sizes))
            assert client.requests_sent == len(sizes)
