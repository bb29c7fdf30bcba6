"""Fetching with an archive: the same tables, and nothing sent for what is settled and archived."""

from __future__ import annotations

import warnings
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from augment_insights import Archive, Client, fetch
from augment_insights.errors import ApiUnavailableError, ArchiveError, CacheWarning, DataWarning
from augment_insights.fetch.columns import Fetched, generated_at as said_at
from augment_insights.fetch.plan import cover
from augment_insights.periods import DayRange
from augment_insights.sample import AnalyticsApp, RecordStore
from augment_insights.transport import RetryPolicy, messages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import polars as pl

TODAY = date(2026, 3, 10)
SETTLED = date(2026, 3, 7)
FIRST = date(2026, 1, 26)
DAYS = 43


def records() -> list[dict[str, Any]]:
    """Make up 43 days: four people, one of them in two spellings, a service account, and idle Sundays."""
    made = []
    for n in range(DAYS):
        day = FIRST + timedelta(days=n)
        if day.weekday() == 6:
            continue
        people = [f"user{k}@example.com" for k in range(4) if (n + k) % 3]
        people += ["User1@Example.com"] if n % 5 == 0 else []
        for place, user in enumerate([*people, "ci-bot"]):
            who = {"service_account_name": user} if user == "ci-bot" else {"user_email": user}
            metrics = {"total_messages": n + place, "chat_messages": place}
            if place % 2:
                metrics["completions_count"] = n
            made.append({"date": day.isoformat(), **who, "language": "Go", "editor": "vim", "metrics": metrics})
    return made


RECORDS = records()


def client(archive: Path | None = None, today: date = TODAY, made: list[dict[str, Any]] = RECORDS) -> Client:
    return Client.serving(made, today=today, archive=archive or False, progress=False)


def quietly(ask: Callable[..., pl.DataFrame], **how: Any) -> pl.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # of the last day, which is not published yet
        return ask(**how)


def questions() -> st.SearchStrategy[list[tuple[Callable[..., pl.DataFrame], dict[str, Any]]]]:
    offsets = st.lists(st.integers(0, DAYS - 1), min_size=2, max_size=2).map(sorted)
    spans = offsets.map(
        lambda pair: {"start_date": FIRST + timedelta(days=pair[0]), "end_date": FIRST + timedelta(days=pair[1])}
    )
    every = st.sampled_from([None, "1d", "1w", "1mo"])
    plain = st.tuples(st.sampled_from([fetch.dau_count, fetch.daily_usage, fetch.dau, fetch.editor_language]), spans)
    windows = st.tuples(
        st.just(fetch.user_activity), st.tuples(spans, every).map(lambda both: both[0] | {"every": both[1]})
    )
    return st.lists(plain | windows, min_size=2, max_size=4)


@given(asked=questions())
@settings(max_examples=20, deadline=None)
def test_tables_are_the_same_with_and_without_an_archive(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[Callable[..., pl.DataFrame], dict[str, Any]]]
) -> None:
    """Whatever was asked before, each table is the one that a client without an archive gets."""
    archive = tmp_path_factory.mktemp("any") / "archive"
    for ask, how in asked:
        expected = quietly(ask, **how, client=client())
        assert_frame_equal(quietly(ask, **how, client=client(archive)), expected)
        again = client(archive)
        assert_frame_equal(quietly(ask, **how, client=again), expected)
        assert again.requests_sent == 0 or how["end_date"] > SETTLED
    if archive.exists():
        assert set(Archive(archive).check()["problem"]) <= {"missing"}


@pytest.mark.parametrize(
    "ask", [fetch.dau_count, fetch.daily_usage, fetch.dau, fetch.editor_language, fetch.user_activity]
)
def test_archived_days_are_not_asked_for_and_unsettled_days_always(
    tmp_path: Path, ask: Callable[..., pl.DataFrame]
) -> None:
    """The second time settled days send nothing; the two days that are not settled are sent for each time."""
    path = tmp_path / "archive"
    ask(start_date=SETTLED - timedelta(days=4), end_date=SETTLED, client=client(path))
    settled = client(path)
    ask(start_date=SETTLED - timedelta(days=4), end_date=SETTLED, client=settled)
    assert settled.requests_sent == 0
    for _ in range(2):
        unsettled = client(path)
        ask(start_date=SETTLED - timedelta(days=4), end_date=SETTLED + timedelta(days=2), client=unsettled)
        assert unsettled.requests_sent == (2 if ask in (fetch.dau, fetch.editor_language) else 1)
    assert Archive(path).manifest()["end"].max() == SETTLED


def test_the_environment_names_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AUGMENT_INSIGHTS_ARCHIVE is read by clients of the API, and not by those of the sample."""
    monkeypatch.setenv("AUGMENT_INSIGHTS_ARCHIVE", str(tmp_path / "archive"))
    assert Client("a-token-of-tests").archive_path == tmp_path / "archive"
    assert Client("a-token-of-tests", archive=False).archive_path is None
    assert Client.sample(today=TODAY).archive_path is None


def test_the_token_is_not_in_the_archive(tmp_path: Path) -> None:
    """No file under the archive holds the token that fetched it."""
    token = "tok-9a8b7c6d5e4f"
    app = AnalyticsApp(RecordStore(RECORDS), now=lambda: datetime(2026, 3, 10, 12, tzinfo=UTC))
    own = Client.serving([], today=TODAY)
    asking = Client(
        token, base_url="https://t.invalid", cache=False, archive=tmp_path / "archive", app=app, clock=own._clock
    )
    fetch.dau("2026-03-02", client=asking)
    files = [path for path in (tmp_path / "archive").rglob("*") if path.is_file()]
    assert Archive(tmp_path / "archive").has("dau", date(2026, 3, 2))
    assert not any(token.encode() in path.read_bytes() for path in files)


def test_another_client_is_refused_before_a_request(tmp_path: Path) -> None:
    """The sample does not read what given records filled, and sends nothing."""
    fetch.dau("2026-03-02", client=client(tmp_path / "archive"))
    sample = Client.sample(today=TODAY, archive=tmp_path / "archive", progress=False)
    with pytest.raises(ArchiveError, match="one organisation"):
        fetch.dau("2026-03-02", client=sample)
    assert sample.requests_sent == 0


def test_what_was_fetched_before_a_failure_is_kept(tmp_path: Path) -> None:
    """The API goes away on the fourth day: the three days before it are archived."""
    app = AnalyticsApp(RecordStore(RECORDS), now=lambda: datetime(2026, 3, 10, 12, tzinfo=UTC))

    def failing(environ: dict[str, Any], start_response: Any) -> Any:
        if "2026-03-05" in environ["QUERY_STRING"]:
            start_response("503 Service Unavailable", [])
            return [b""]
        return app(environ, start_response)

    own = client(tmp_path / "archive")
    asking = Client(
        "a-token-of-tests",
        base_url="https://t.invalid",
        cache=False,
        archive=tmp_path / "archive",
        app=failing,
        clock=own._clock,
        retry=RetryPolicy(attempts=1),
    )
    with pytest.raises(ApiUnavailableError):
        fetch.dau(start_date="2026-03-02", end_date="2026-03-07", client=asking)
    archive = Archive(tmp_path / "archive")
    assert archive.missing("dau", DayRange(date(2026, 3, 2), SETTLED)) == [DayRange(date(2026, 3, 5), SETTLED)]


def test_an_archive_that_cannot_be_written_costs_nothing_but_a_warning(tmp_path: Path) -> None:
    """The table comes all the same, and the warning says where it could not be put."""
    path = tmp_path / "archive"
    fetch.dau_count("2026-03-02", "2026-03-03", client=client(path))
    (path / "dau").write_text("in the way")
    with pytest.warns(CacheWarning, match="could not be put into the archive"):
        frame = fetch.dau("2026-03-02", client=client(path))
    assert_frame_equal(frame, fetch.dau("2026-03-02", client=client()))


def answer(generated_at: str | None, *rows: str, day: str = "2026-03-02") -> Fetched:
    """Make an answer of dau as it comes off the wire."""
    page = messages.DauPage(
        rows=[messages.User(user_email=row) for row in rows],
        metadata=messages.DayMetadata(effective_date=date.fromisoformat(day), generated_at=generated_at),
        pagination=messages.Pagination(has_more=False),
    )
    return Fetched(DayRange(date(2026, 3, 2), date(2026, 3, 2)), [page])


def test_an_answer_is_as_old_as_the_api_says() -> None:
    """Nine digits of a second are read; without a moment, or with nonsense, it may be a day old."""
    now = datetime(2026, 3, 10, 12, tzinfo=UTC)
    assert said_at(answer("2026-03-09T23:00:00.123456789Z"), now=now) == datetime(
        2026, 3, 9, 23, 0, 0, 123456, tzinfo=UTC
    )
    assert said_at(answer("2030-01-01T00:00:00Z"), now=now) == now
    for text in (None, "soon", "2026-03-09T23:00:00"):
        assert said_at(answer(text), now=now) == now - timedelta(hours=24)


def test_an_old_answer_out_of_the_cache_is_not_settled(scripted: Any, tmp_path: Path) -> None:
    """A day that is three days old is not kept from an answer that was given when it was two days old."""

    def told(moment: str) -> Any:
        def tell(_path: str, asked: dict[str, str]) -> dict[str, Any]:
            metadata = {"effective_date": asked["date"], "generated_at": moment}
            return {
                "users": [{"user_email": "ada@example.com"}],
                "metadata": metadata,
                "pagination": {"has_more": False},
            }

        return tell

    for moment, is_kept in (("2026-03-09T13:00:00Z", False), ("2026-03-10T11:00:00Z", True)):
        asking, _ = scripted(told(moment))
        asking.archive_path = tmp_path / "archive"
        fetch.dau("2026-03-07", client=asking)
        assert Archive(tmp_path / "archive").has("dau", date(2026, 3, 7)) is is_kept


def test_what_moved_while_it_was_fetched_is_not_kept(scripted: Any, tmp_path: Path) -> None:
    """A day of which a row came twice, and an answer of another day than asked, are for now alone."""

    def tell(_path: str, asked: dict[str, str]) -> dict[str, Any]:
        twice = asked["date"] == "2026-03-02"
        told = "2026-03-01" if asked["date"] == "2026-03-03" else asked["date"]
        return {
            "users": [{"user_email": "ada@example.com"}] * (1 + twice),
            "metadata": {"effective_date": told, "generated_at": "2026-03-10T11:00:00Z"},
            "pagination": {"has_more": False},
        }

    asking, _ = scripted(tell)
    asking.archive_path = tmp_path / "archive"
    with pytest.warns(DataWarning):
        frame = fetch.dau(start_date="2026-03-02", end_date="2026-03-04", client=asking)
    assert frame.height == 3
    missing = Archive(tmp_path / "archive").missing("dau", DayRange(date(2026, 3, 1), date(2026, 3, 4)))
    assert missing == [DayRange(date(2026, 3, 1), date(2026, 3, 3))]


def test_an_answer_of_fewer_days_than_asked_is_not_kept(scripted: Any, tmp_path: Path) -> None:
    """The API clamps a range: the days it left out must not pass for fetched, and none of it is archived."""

    def tell(_path: str, asked: dict[str, str]) -> dict[str, Any]:
        span = {"effective_start_date": "2026-03-04", "effective_end_date": asked["end_date"]}
        counted = [{"date": "2026-03-05", "user_count": 7}]
        return {"daily_active_user_counts": counted, "metadata": {**span, "generated_at": "2026-03-10T11:00:00Z"}}

    asking, _ = scripted(tell)
    asking.archive_path = tmp_path / "archive"
    with pytest.warns(DataWarning, match="other days than asked"):
        frame = fetch.dau_count("2026-03-02", "2026-03-05", client=asking)
    assert frame["user_count"].to_list() == [0, 7]
    assert not (tmp_path / "archive").exists()


def test_counts_that_leave_somebody_out_empty_no_archived_day(scripted: Any, tmp_path: Path) -> None:
    """The API counts people only, and lists a service account: an uncounted day is asked for, archived lists or not."""

    def tell(path: str, asked: dict[str, str]) -> dict[str, Any]:
        moment = "2026-03-10T11:00:00Z"
        if path == "dau-count":
            span = {"effective_start_date": asked["start_date"], "effective_end_date": asked["end_date"]}
            counted = [{"date": "2026-02-25", "user_count": 1}]
            return {"daily_active_user_counts": counted, "metadata": {**span, "generated_at": moment}}
        people = [{"user_email": "ada@example.com"}] if asked["date"] == "2026-02-25" else []
        return {
            "users": [*people, {"service_account_name": "ci"}],
            "metadata": {"effective_date": asked["date"], "generated_at": moment},
            "pagination": {"has_more": False},
        }

    for start, users in (("2026-02-20", 10), ("2026-02-05", 25)):
        asking, _ = scripted(tell)
        asking.archive_path = tmp_path / "archive"
        assert fetch.dau(start_date=start, end_date="2026-02-28", client=asking).height == users


@given(st.sets(st.integers(0, 400)), st.integers(1, 90))
@settings(max_examples=60, deadline=None)
def test_no_fewer_ranges_cover_the_gaps(days: set[int], longest: int) -> None:
    """Every missing day is in one range, none is too long, and no two could be one."""
    gaps = [DayRange(FIRST + timedelta(days=n), FIRST + timedelta(days=n)) for n in sorted(days)]
    found = cover(gaps, max_days=longest)
    assert all(any(gap.start in span for span in found) for gap in gaps)
    assert all(span.days <= longest for span in found)
    # Greedy from the left is optimal: each range begins on a gap that the one before cannot reach.
    starts = [span.start for span in found]
    assert set(starts) <= {gap.start for gap in gaps}
    assert all(later - earlier >= timedelta(days=longest) for earlier, later in pairwise(starts))
