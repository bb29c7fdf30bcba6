"""Filling the archive: in order, within a budget, and again where the API changed its mind."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from augment_insights import Archive, Client, fetch
from augment_insights.errors import ArchiveError, CacheWarning, ConfigurationError, DateRangeError
from augment_insights.periods import DayRange
from augment_insights.sample import AnalyticsApp, RecordStore, TokenBucket

TODAY = date(2026, 3, 10)
SINCE = date(2026, 2, 26)
SETTLED = date(2026, 3, 7)
MOVED = date(2026, 3, 2)
TOMORROW = TODAY + timedelta(days=1)
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
TABLES = ("dau_count", "daily_usage", "user_activity", "dau", "editor_language")


def record(day: date, user: str, messages: int, language: str = "Python") -> dict[str, Any]:
    metrics = {"total_messages": messages, "chat_messages": messages}
    return {"date": day.isoformat(), "user_email": user, "language": language, "editor": "vim", "metrics": metrics}


def organisation(
    first: date = SINCE, domain: str = "ours.com", people: int = 3, idle: Iterable[date] = ()
) -> list[dict[str, Any]]:
    """Make up some weeks of some people: on each day another number of them."""
    return [
        record(day, f"user{n}@{domain}", messages=10 + n)
        for day in DayRange(first, date(2026, 3, 31))
        if day not in idle
        for n in range(people + day.day % 3)
    ]


def client(path: Path, records: list[dict[str, Any]], today: date = TODAY) -> Client:
    return Client.serving(records, today=today, archive=path, progress=False)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "archive"


def test_a_sync_fills_every_table_and_the_next_sends_the_two_counts(path):
    """Ten settled days: what is archived is what fetch returns; again, only the counts are asked for."""
    records = organisation()
    done = fetch.sync(client(path, records), since=SINCE)
    assert done.stopped == "complete"
    assert done.added.rows() == [
        (name, 1 if name == "user_activity" else 10, requests)
        for name, requests in zip(TABLES, (1, 1, 1, 10, 10), strict=True)
    ]
    assert done.requests_sent == 23
    assert done.problems.is_empty()
    plain = Client.serving(records, today=TODAY, progress=False)
    archive = Archive(path)
    for name in ("dau_count", "daily_usage", "dau", "editor_language"):
        expected = getattr(fetch, name)(start_date=SINCE, end_date=SETTLED, client=plain)
        assert_frame_equal(archive.scan(name).collect(), expected)
    again = fetch.sync(client(path, records), since=SINCE)
    assert (again.requests_sent, again.added["days"].sum(), again.stopped) == (2, 0, "complete")


def test_the_most_useful_comes_first_and_the_newest_before_the_old(path):
    """With seven requests: the counts, the totals, and the four newest days' lists; the rest is said to be left."""
    done = fetch.sync(client(path, organisation()), since=SINCE, requests=7)
    assert done.requests_sent == 7
    assert done.stopped == "budget"
    assert Archive(path).missing("dau", DayRange(SINCE, SETTLED)) == [DayRange(SINCE, date(2026, 3, 3))]
    assert done.left.rows() == [("dau", 6, 6), ("editor_language", 10, 10)]
    assert "left for the next sync: dau, 6 days, about 6 requests" in str(done)


@pytest.mark.parametrize("requests", [0, 2, 9, 20])
def test_a_sync_goes_on_where_the_last_one_stopped(path, requests):
    """However the requests are dealt out, none is spent twice but the two counts, and the end is the same."""
    records = organisation()
    first = fetch.sync(client(path, records), since=SINCE, requests=requests)
    rest = fetch.sync(client(path, records), since=SINCE)
    assert first.requests_sent <= requests
    assert 23 <= first.requests_sent + rest.requests_sent <= 23 + 2
    archive = Archive(path)
    assert archive.check().is_empty()
    assert [archive.missing(name, DayRange(SINCE, SETTLED)) for name in TABLES] == [[]] * len(TABLES)


def test_a_day_of_many_pages_is_not_begun_when_it_does_not_fit(path):
    """Sixty people are one page of the list and, at two records each, more than one of records: priced before."""
    day = SETTLED
    records = [record(day, f"user{n}@ours.com", 1, language) for n in range(60) for language in ("Python", "Go")]
    done = fetch.sync(client(path, records), since=day, requests=5)
    assert done.requests_sent == 4
    assert done.left.rows() == [("editor_language", 1, 2)]


def test_a_sync_ends_within_its_minutes(path, serve, connect, clock):
    """Two minutes hold the burst of 20 and 20 more: 40 requests are sent, none refused, and the next go on."""
    bucket = TokenBucket(clock=clock.time)
    app = AnalyticsApp(RecordStore(organisation(first=date(2026, 2, 1))), now=clock.now, rate_limit=bucket)
    url = serve(app).url
    done = fetch.sync(connect(url, archive=path, progress=False), since="2026-02-01", minutes=2)
    assert done.stopped == "budget"
    assert (done.requests_sent, bucket.refused) == (40, 0)
    assert clock.ran <= 120
    assert Archive(path).origin == url


def test_a_day_on_which_nothing_happened_costs_no_request(path):
    """Days that the counts and the usage call empty are kept as empty, unasked."""
    idle = [date(2026, 2, 28), date(2026, 3, 1)]
    done = fetch.sync(client(path, organisation(idle=idle)), since=SINCE)
    assert done.requests_sent == 23 - 2 * len(idle)
    assert all(Archive(path).has(name, day) for name in ("dau", "editor_language") for day in idle)


def test_a_restated_day_is_fetched_again_replaced_and_logged(path):
    """One more user on one old day: its lists, records and window are asked for again, and nothing else."""
    before, late = organisation(), record(MOVED, "late@ours.com", 5)
    fetch.sync(client(path, before), since=SINCE)
    done = fetch.sync(client(path, [*before, late], today=TOMORROW), since=SINCE)
    assert done.restated.rows() == [
        ("dau_count", MOVED, MOVED),
        ("daily_usage", MOVED, MOVED),
        ("user_activity", SINCE, SETTLED),
        ("dau", MOVED, MOVED),
        ("editor_language", MOVED, MOVED),
    ]
    assert "restated by the API, replaced and logged: dau, 1 day, 2026-03-02" in str(done)
    assert done.requests_sent == 2 + 3 + 2  # the counts; what moved; one more day has settled
    archive = Archive(path)
    assert "late@ours.com" in archive.read("dau", MOVED)["user"]
    assert archive.check().is_empty()
    log = archive.restatements().filter(pl.col("table") == "dau", pl.col("metric") == "users")
    assert log.select("day", "old_total", "new_total").rows() == [(MOVED, 5, 6)]
    assert fetch.sync(client(path, [*before, late], today=TOMORROW), since=SINCE).requests_sent == 2, "and only once"


def test_a_restatement_is_followed_up_after_an_interruption(path):
    """The counts were renewed and the budget ended there: the next sync asks for the lists again."""
    before = organisation()
    fetch.sync(client(path, before), since=SINCE)
    after = [*before, record(MOVED, "late@ours.com", 5)]
    fetch.sync(client(path, after, today=TOMORROW), since=SINCE, requests=2)
    assert "late@ours.com" not in Archive(path).read("dau", MOVED)["user"]
    fetch.sync(client(path, after, today=TOMORROW), since=SINCE)
    assert "late@ours.com" in Archive(path).read("dau", MOVED)["user"]
    assert Archive(path).check().is_empty()


def test_a_recheck_asks_in_full(path):
    """A record that moved from one language to another shows in no count; a recheck of its day finds it."""
    before = organisation()
    fetch.sync(client(path, before), since=SINCE)
    after = [one | {"language": "Go"} if one["date"] == "2026-03-06" else one for one in before]
    assert fetch.sync(client(path, after, today=TOMORROW), since=SINCE).restated.is_empty()
    done = fetch.sync(client(path, after, today=TOMORROW), since=SINCE, recheck_days=3)
    assert done.restated.rows() == [("editor_language", date(2026, 3, 6), date(2026, 3, 6))]
    assert done.requests_sent == 2 + 1 + 3 + 3


def test_a_recheck_does_not_believe_the_cache(path):
    """Days whose answers are in the cache are sent for all the same."""
    asking = client(path, organisation())
    fetch.sync(asking, since=SINCE)
    assert fetch.sync(asking, since=SINCE).requests_sent == 0
    assert fetch.sync(asking, since=SINCE, recheck_days=2).requests_sent == 2 + 1 + 2 + 2


def test_another_organisation_is_refused_and_nothing_kept(path):
    """Other counts and no user in common: an error, and the archive as it was. The same people are believed."""
    fetch.sync(client(path, organisation()), since=SINCE)
    held = Archive(path).manifest()
    with pytest.raises(ArchiveError, match="another organisation"):
        fetch.sync(client(path, organisation(domain="theirs.com", people=6)), since=SINCE)
    assert_frame_equal(Archive(path).manifest(), held)
    done = fetch.sync(client(path, organisation(people=5), today=TOMORROW), since=SINCE)
    assert done.restated.filter(pl.col("table") == "dau").height == 10


@pytest.mark.parametrize("table", TABLES)
def test_an_archive_answers_the_tokens_of_its_organisation_alone(table, path, connect):
    """Whatever it holds: another organisation's token is refused, a rotated one passes, for one request once."""
    days = {"start_date": SINCE, "end_date": SETTLED}
    by_token = {"old": organisation(), "rotated": organisation(), "theirs": organisation(domain="theirs.com", people=6)}
    apps = {token: AnalyticsApp(RecordStore(held), now=lambda: NOON) for token, held in by_token.items()}
    ask = getattr(fetch, table)

    def whose(environ: dict[str, Any], start_response) -> Any:
        return apps[environ["HTTP_AUTHORIZATION"].removeprefix("Bearer ")](environ, start_response)

    def of(token: str) -> Client:
        return connect("https://api.example.com", token=token, app=whose, archive=path, cache=False)

    true = ask(**days, client=of("old"))
    for requests in (1, 0):
        rotated = of("rotated")
        assert_frame_equal(ask(**days, client=rotated), true)
        assert rotated.requests_sent == requests
    for read in (ask, fetch.sync):
        with pytest.raises(ArchiveError, match="different organisations"):
            read(client=of("theirs"), **(days if read is ask else {}))


def test_the_same_windows_are_asked_for_every_day(path):
    """The look-back moves on by a day: no window of totals is fetched for a second time."""
    records = organisation(first=date(2025, 9, 1))
    first = fetch.sync(client(path, records), since="2025-09-01", tables=["user_activity"])
    assert first.added.row(2)[1] == 3
    later = fetch.sync(
        client(path, records, today=TODAY + timedelta(days=5)), since="2025-09-06", tables=["user_activity"]
    )
    assert later.added.filter(pl.col("table") == "user_activity").is_empty()
    archive = Archive(path)
    assert archive.has("user_activity", DayRange(date(2025, 12, 8), SETTLED))


def test_what_is_damaged_is_quarantined_and_fetched_again(path):
    """A truncated file, a forgotten day and a stray copy: one sync later the check finds nothing."""
    records = organisation()
    fetch.sync(client(path, records), since=SINCE)
    archive = Archive(path)
    true = archive.scan("editor_language").collect()
    broken = path / "editor_language" / "month=2026-03" / "data.parquet"
    (path / "dau" / "month=2026-03" / "copy.parquet").write_bytes(broken.read_bytes())
    broken.write_bytes(broken.read_bytes()[:100])
    archive.drop("dau", [DayRange(MOVED, MOVED)])
    assert set(archive.check()["problem"]) == {"damaged", "missing"}
    done = fetch.sync(client(path, records), since=SINCE)
    assert done.problems.is_empty()
    assert Archive(path).has("dau", MOVED)
    assert len(list((path / "damaged").iterdir())) == 2
    assert_frame_equal(Archive(path).scan("editor_language").collect(), true)


def damage_march(path: Path, table: str = "dau") -> Path:
    """Change a byte in the middle of a month, and return its file."""
    broken = path / table / "month=2026-03" / "data.parquet"
    content = bytearray(broken.read_bytes())
    content[len(content) // 2] ^= 1
    broken.write_bytes(content)
    return broken


def test_a_fetch_sets_a_damaged_month_aside_and_fetches_it_again(path):
    """The table is right, for the requests of that month's days, and then it is archived again."""
    records, days = organisation(), {"start_date": SINCE, "end_date": SETTLED}
    true = fetch.dau(**days, client=client(path, records))
    broken = damage_march(path)
    with pytest.raises(ArchiveError, match="is damaged"):
        Archive(path).read("dau", MOVED)
    asking = client(path, records)
    with pytest.warns(CacheWarning, match=f"{broken} is damaged.*set aside as damaged/dau-month=2026-03-data.parquet"):
        assert_frame_equal(fetch.dau(**days, client=asking), true)
    assert asking.requests_sent == SETTLED.day
    again = client(path, records)
    assert_frame_equal(fetch.dau(**days, client=again), true)
    assert again.requests_sent == 0


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EROFS, errno.ENOLCK])
def test_a_table_that_was_fetched_is_returned_though_the_archive_cannot_keep_it(fault, path, monkeypatch):
    """A full disk, a read-only one or one without locks: a fetch warns with the cause, a sync ends with it."""
    records, days = organisation(), {"start_date": SINCE, "end_date": SETTLED}
    true = fetch.dau(**days, client=client(path.with_name("other"), records))

    def refuse(*_arguments: object, **_more: object) -> None:
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr("fcntl.flock" if fault == errno.ENOLCK else "os.fsync", refuse)
    with pytest.warns(CacheWarning, match=os.strerror(fault)):
        assert_frame_equal(fetch.dau(**days, client=client(path, records)), true)
    with pytest.raises((ArchiveError, OSError), match=os.strerror(fault)):
        fetch.sync(client(path, records), since=SINCE)


def test_a_disagreement_is_said_and_settled_by_a_recheck(path):
    """A list that lacks a user is a problem of the result, costs a sync no request, and is put right by a recheck."""
    records = organisation()
    fetch.sync(client(path, records), since=SINCE)
    archive, day = Archive(path), DayRange(SETTLED, SETTLED)
    short = archive.read("dau", day)[1:]
    later = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
    archive.add("dau", short, [day], origin=str(archive.origin), fetched_at=later)
    done = fetch.sync(client(path, records, today=TOMORROW), since=SINCE, tables=["dau"])
    assert done.problems.select("table", "start", "problem").rows() == [("dau", SETTLED, "disagrees")]
    assert done.requests_sent == 2 + 1, "the counts, and one more day has settled"
    assert "disagrees: dau, 1 day, 2026-03-07" in str(done)
    again = fetch.sync(client(path, records, today=TOMORROW), since=SINCE, tables=["dau"], recheck_days=2)
    assert again.problems.is_empty()


def test_a_second_sync_beside_the_first_does_nothing(path):
    """Cron fires while a sync is at work: it says so and leaves."""
    asking = client(path, organisation())
    fetch.sync(asking, since=SINCE, tables=["dau"])
    with Archive(path).syncing():
        done = fetch.sync(client(path, organisation()), since=SINCE)
    assert (done.stopped, done.requests_sent) == ("busy", 0)
    assert "Another sync is at work" in str(done)


def test_what_cannot_be_asked_for_is_refused(path):
    """No archive, no such table, or more than two years back: refused before a request."""
    with pytest.raises(ConfigurationError, match="no archive to fill"):
        fetch.sync(Client.serving([], today=TODAY))
    with pytest.raises(ConfigurationError, match="did you mean 'dau'"):
        fetch.sync(client(path, []), tables=["dua"])
    with pytest.raises(DateRangeError, match="two years"):
        fetch.sync(client(path, []), since="2023-01-01")
    assert fetch.sync(client(path, []), since=TODAY).stopped == "complete"


@pytest.mark.slow
def test_the_command_line_syncs_the_sample(path):
    """One command fills an archive, says what it did, and a report's fetch then sends nothing for it."""
    since = (datetime.now(UTC).date() - timedelta(days=5)).isoformat()
    command = [sys.executable, "-m", "augment_insights.cli", "sync", "--sample", "--archive", str(path)]
    told = subprocess.run([*command, "--since", since, "--table", "dau"], capture_output=True, text=True, check=True)
    assert "dau: 3 days added" in told.stdout
    assert Archive(path).origin == "https://sample.invalid"
    refused = subprocess.run([*command[:5]], capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no archive to fill" in refused.stderr
