"""Decoders, rosters and dates under drawn and mutated input: a right answer or a typed error, and nothing else."""

import json
import re
import warnings
from datetime import UTC, date, datetime, timedelta, timezone
from random import Random

import polars as pl
import pytest
from hypothesis import strategies as st

from augment_insights import analysis, periods
from augment_insights.errors import DateRangeError, InsightsError, InsightsWarning
from augment_insights.transport import messages
from augment_insights.transport.messages import ENDPOINTS, Page, WrongShapeError
from augment_insights.transport.responses import parse_retry_after

pytestmark = pytest.mark.slow

MUTATIONS = 200
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
NASTY = [
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",
    b"1e999",
    b"-1",
    b"9" * 30,
    b"null",
    b"[" * 50,
    b'"',
    b"{",
    b"}",
    b",",
    b"NaN",
]

value = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=20)
)
metrics = st.dictionaries(st.sampled_from(["total_messages", "chat_messages", "new_metric"]), st.integers(0, 2**64))
day = st.dates().map(str) | st.text(max_size=12)
row = st.fixed_dictionaries(
    {"date": day, "user_count": st.integers(-1, 2**64), "metrics": metrics | value, "language": st.text(max_size=5)},
    optional={"user_email": value, "service_account_name": value, "editor": value, "active_days": value},
)
metadata = st.fixed_dictionaries(
    dict.fromkeys(("effective_date", "effective_start_date", "effective_end_date"), day),
    optional={"total_days": value},
)
seeds = st.integers(0, 2**64)
pagination = st.fixed_dictionaries({"has_more": value}, optional={"next_cursor": value})


def mutate(body: bytes, random: Random) -> bytes:
    """Change a document at one to three places."""
    changed = bytearray(body)
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(changed) + 1)
        if random.random() < 0.5:
            changed[at : at + random.randrange(3)] = random.choice(NASTY)
        elif at < len(changed):
            changed[at] ^= 1 << random.randrange(8)
    return bytes(changed)


@pytest.mark.parametrize("name", sorted(ENDPOINTS))
def test_a_decoder_takes_a_page_or_says_where_it_is_wrong(name, drawn):
    """Whatever the bytes are: a page whose counts are counts, or an error with a path; unknown fields are named."""
    endpoint = ENDPOINTS[name]

    def run(rows, told, pages, seed) -> None:
        random = Random(seed)
        body = json.dumps({endpoint.list_name: rows, "metadata": told, "pagination": pages}).encode()
        for content in (body, *(mutate(body, random) for _ in range(MUTATIONS - 1))):
            try:
                page = messages.decode(endpoint, content)
            except WrongShapeError as error:
                assert error.path.startswith("$"), content
            else:
                assert isinstance(page, Page)
                messages.unknown_fields(endpoint, content)
                counts = [count for each in page.rows if (count := getattr(each, "user_count", 0)) is not None]
                assert all(0 <= count < 2**63 for count in counts), content

    what = f"pages of {name}: drawn, and each mutated {MUTATIONS - 1} times"
    drawn(
        what, 160_000, run, each=MUTATIONS, rows=st.lists(row, max_size=3), told=metadata, pages=pagination, seed=seeds
    )


def test_a_date_is_one_or_is_refused(drawn):
    """Only YYYY-MM-DD in plain digits is a day, and the same day; everything else is a DateRangeError."""
    pattern = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

    def run(text, seed) -> None:
        random = Random(seed)
        for each in (text, *(mutate(text.encode(), random).decode("utf-8", "replace") for _ in range(MUTATIONS - 1))):
            try:
                expected = date.fromisoformat(each) if pattern.fullmatch(each) else None
            except ValueError:
                expected = None
            try:
                assert periods.parse_day(each, name="day") == expected, each
            except DateRangeError as error:
                assert expected is None, each
                assert "Hint: " in str(error) or "YYYY-MM-DD" in str(error)
            waits = parse_retry_after(each, now=NOW)
            assert waits is None or 0 <= waits <= 600

    texts = st.dates().map(str) | st.text(max_size=14) | st.datetimes().map(str)
    what = f"dates: drawn, and each mutated {MUTATIONS - 1} times"
    drawn(what, 150_000, run, each=MUTATIONS, text=texts, seed=seeds)


def test_a_clock_at_any_moment_gives_days_that_are_out(drawn):
    """The last published day is yesterday from 03:00 UTC on, else the day before; a range ends there or is refused."""

    def run(moment, hours) -> None:
        moment = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
        utc = moment.astimezone(UTC)
        last = periods.last_published_day(moment)
        assert last == utc.date() - timedelta(days=1 if utc.hour >= 3 else 2)
        days = periods.resolve_range(last - timedelta(days=3), last, now=moment)
        assert (days.days, days.end) == (4, last)
        with pytest.raises(DateRangeError):
            periods.resolve_range(utc.date(), utc.date(), now=moment)

    moments = st.datetimes(datetime(1990, 1, 1), datetime(2050, 1, 1))  # noqa: DTZ001
    drawn("clocks: any second of 60 years in any zone", 50_000, run, moment=moments, hours=st.integers(-14, 14))


cell = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8) | st.dates().map(str)
header = st.lists(st.sampled_from(["user", "E-Mail", "team", "Department", "Start date", "team_from", ""]), max_size=5)


def test_a_roster_is_read_or_refused(drawn, tmp_path):
    """Any bytes in a file that is called a roster: users without blanks around them, each once, or an error of ours."""
    path = tmp_path / "roster.csv"

    def run(top, rows, separator, encoding, harmed) -> None:
        text = "\r\n".join(separator.join(line) for line in [top, *rows])
        content = text.encode(encoding, "replace")
        path.write_bytes(content if harmed is None else mutate(content, Random(harmed)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InsightsWarning)
            try:
                roster = analysis.read_roster(path)
            except InsightsError as error:
                assert str(error)
            else:
                assert roster.schema["user"] == pl.String
                assert roster.filter(pl.col("user").str.strip_chars().ne_missing(pl.col("user"))).is_empty()

    drawn(
        "rosters: drawn tables and bytes, in five encodings",
        10_000,
        run,
        top=header,
        rows=st.lists(st.lists(cell | st.emails(), max_size=5), max_size=6),
        separator=st.sampled_from([",", ";", "\t", "|"]),
        encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"]),
        harmed=st.none() | seeds,
    )
