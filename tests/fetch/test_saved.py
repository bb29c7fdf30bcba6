"""Saved answers: the same table as fetching, or an error that names the file and the place in it."""

import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from augment_insights import Client, fetch, sample, tables
from augment_insights.errors import TableError

DATA = Path(__file__).parents[1] / "data"
NAMES = {
    "dau_count": "dau-count.json",
    "dau": "dau.json",
    "daily_usage": "daily-usage.json",
    "user_activity": "user-activity.json",
    "editor_language": "daily-user-activity-by-editor-language.json",
}


def page(*people: str, more: bool = False, day: str = "2026-03-02", count: int | None = None) -> dict[str, Any]:
    """Return a page of a day's list, as the API writes it."""
    return {
        "users": [{"user_email": name} for name in people],
        "metadata": {"effective_date": day, "returned_user_count": count},
        "pagination": {"has_more": more, "next_cursor": "abc" if more else None},
    }


@pytest.fixture
def save(tmp_path) -> Callable[..., list[Path]]:
    """Write answers as files, and return their paths."""

    def write(*answers: Any) -> list[Path]:
        paths = [tmp_path / f"answer[{number}].json" for number, _ in enumerate(answers)]
        for path, answer in zip(paths, answers, strict=True):
            path.write_text(answer if isinstance(answer, str) else json.dumps(answer), "utf-8")
        return paths

    return write


@pytest.mark.parametrize("name", NAMES)
def test_each_published_example_is_its_table(name, save):
    """The answers of the API's own reference keep the table of fetching; their pages go on, which is told."""
    answer = json.loads((DATA / NAMES[name]).read_bytes())
    if "pagination" in answer:
        with pytest.raises(TableError, match="no last page"):
            fetch.read_json(DATA / NAMES[name], name)
        answer["pagination"] = {"has_more": False}
    frame = fetch.read_json(save(answer), name)
    assert frame.schema == tables.ENDPOINT_TABLES[name].schema
    assert frame.height > 0


def test_pages_come_in_any_order_and_a_file_given_twice_counts_once(save):
    """Two pages of one day and one of another: three people, two days, sorted."""
    first, last, other = save(page("b@x.io", more=True), page("a@x.io"), page("c@x.io", day="2026-03-03"))
    expected = [(date(2026, 3, 2), "a@x.io"), (date(2026, 3, 2), "b@x.io"), (date(2026, 3, 3), "c@x.io")]
    for files in ([first, last, other], [other, last, first, last]):
        assert fetch.read_json(files, "dau").select("date", "user").rows() == expected
    assert fetch.read_json([], "dau").is_empty()


def test_the_newest_answer_of_a_day_counts(save):
    """A day of both answers is as the newer says; one that it leaves out is zero, one not published then is absent."""
    counts = {
        made: {
            "daily_active_user_counts": [{"date": "2026-03-02", "user_count": number}],
            "metadata": {"effective_start_date": "2026-03-02", "effective_end_date": last, "generated_at": made},
        }
        for made, number, last in (("2026-03-09T12:00:00Z", 7, "2026-03-03"), ("2026-03-03T12:00:00Z", 5, "2026-03-04"))
    }
    for files in (save(*counts.values()), save(*reversed(counts.values()))):
        table = fetch.read_json(files, "dau_count")
        assert table.rows() == [(date(2026, 3, 2), 7), (date(2026, 3, 3), 0)]


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([page("a@x.io", more=True)], r"there is no last page: answer\[0\]\.json"),
        ([page("a@x.io"), page("b@x.io")], r"several last pages: answer\[0\]\.json, answer\[1\]\.json"),
        ([page("a@x.io", count=3)], "1 rows came, and the answers count 3"),
        ([{**page(), "users": [{"user_email": 7}]}], r"answer\[0\]\.json holds no answer of dau: .* at \$\.users\[0\]"),
        (["<html>"], r"answer\[0\]\.json holds no answer of dau"),
    ],
)
def test_what_is_no_whole_answer_is_refused(save, answers, message):
    """A page that is missing, is there twice or is of another shape: no table, and the file is named."""
    with pytest.raises(TableError, match=message):
        fetch.read_json(save(*answers), "dau")


def test_an_unknown_endpoint_or_file_is_told(tmp_path):
    """The nearest endpoint is named; a name is a name, and no pattern."""
    with pytest.raises(ValueError, match="did you mean 'dau_count'"):
        fetch.read_json([], "dau-count")
    with pytest.raises(TableError, match=r"There is no answer at .*\*\.json"):
        fetch.read_json(tmp_path / "*.json", "dau")


def test_saved_pages_are_the_table_that_is_fetched(save):
    """Small pages of the sample's server, saved and shuffled, give what the fetch functions give."""
    client = Client.sample(today="2026-03-10")
    app = sample.AnalyticsApp(client.sample_organisation, now=client.now)

    def pages(url: str) -> Iterator[str]:
        cursor, has_more = "", True
        while has_more:
            request = Request(f"{url}{cursor and '&cursor='}{cursor}", headers={"Authorization": "Bearer any"})
            with urlopen(request) as answer:
                yield (body := answer.read().decode())
            cursor, has_more = (json.loads(body)["pagination"].get(name) for name in ("next_cursor", "has_more"))

    with sample.serve(app) as url:
        days = "start_date=2026-02-20&end_date=2026-03-08"
        totals = list(pages(f"{url}/analytics/v0/user-activity?{days}&page_size=60"))
        asked = ("date=2026-03-05&page_size=90", "date=2026-03-06")
        lists = [page for day in asked for page in pages(f"{url}/analytics/v0/dau?{day}")]
    assert len(totals) > 2 < len(lists)
    activity = fetch.user_activity("2026-02-20", "2026-03-08", client=client)
    assert fetch.read_json(save(*totals[::-1]), "user_activity").equals(activity)
    dau = fetch.dau(start_date="2026-03-05", end_date="2026-03-06", client=client)
    assert fetch.read_json(save(*lists[::-1]), "dau").equals(dau)
