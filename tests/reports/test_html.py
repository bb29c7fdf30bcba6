"""The page as HTML: all that came from the API is text, nothing leaves it, and it is written whole."""

import base64
import hashlib
import json
import re
from datetime import date
from html.parser import HTMLParser
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment_insights import charts
from augment_insights.errors import ReportError, TableError
from augment_insights.periods import DayRange
from augment_insights.reports import Page, html
from augment_insights.tables import COMPARISON

HOSTILE = "</script><script>alert(1)</script>"


class Parsed(HTMLParser):
    """What a browser's parser would find in a page: elements, scripts with their text, and the words of the rest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[tuple[dict[str, str], str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close it, and whatever was left open within."""
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Note text: a script's, or what a reader sees of the report, its contents left out."""
        if self._open and self._open[-1] == "script":
            self.scripts.append((self.tags[-1][1], data))
        elif "nav" not in self._open and not (self._open and self._open[-1] == "style"):
            self.words.append(data)

    @property
    def seen(self) -> list[str]:
        """The words without blank ones."""
        return [text.strip() for text in self.words if text.strip()]

    def islands(self) -> list[dict[str, Any]]:
        """Return the data of the charts."""
        return [json.loads(text) for attributes, text in self.scripts if attributes.get("type") == "application/json"]


def hostile_page(words: str, teams: pl.DataFrame) -> Page:
    table = teams.with_columns(team=pl.Series([words, "Search"]))
    chart = charts.acceptance_rate(table, population=words)
    return (
        Page(words, population=words, as_of=date(2026, 11, 21), range_asked=words, range_had=words, sample=True)
        .headline(words, words, words)
        .text(words)
        .figure(words, chart, table.rename({"users": words}), words)
        .definitions({words: words})
        .manifest({words: words})
    )


def empty_page() -> Page:
    return Page("T", population="people", as_of=None, range_asked="today")


@pytest.mark.slow
def test_whatever_the_api_sent_is_text(hostile_table, teams, rows_of):
    """The page has the same elements as with harmless words, and shows the words themselves."""
    harmless = Parsed(hostile_page("Payments", teams).to_html())
    for words in hostile_table["team"]:
        hostile = Parsed(hostile_page(words, teams).to_html())
        assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in harmless.tags]
        assert not [name for _, attributes in hostile.tags for name in attributes if name.startswith("on")]
        # Title, heading; two badges; headline, paragraph, figure and reading, column and cell, definition, manifest.
        assert hostile.words.count(words) == harmless.words.count("Payments") >= 16
        (island,) = hostile.islands()
        assert words in [row["group"] for row in rows_of(island)]


@given(
    words=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).map(str.strip).filter(bool)
)
def test_any_words_come_back_as_they_were(words):
    """Into the page and out of a parser: the same text, in the same elements."""
    parsed = Parsed(empty_page().headline("Label", words).text(words).to_html())
    assert parsed.words.count(words) >= 2
    assert not parsed.scripts


def test_the_numbers_of_a_figure_are_in_the_page_as_a_file_that_starts_no_formula(hostile_table):
    """Headers in words with their unit on the page; in the CSV the columns' own names and all digits."""
    page = empty_page().figure("Teams", charts.acceptance_rate(hostile_table), hostile_table, name="teams")
    parsed = Parsed(page.to_html())
    assert {"Team", "People", "Suggested (count)", "Acceptance rate (%)"} <= {*parsed.seen}
    (link,) = (attributes for _, attributes in parsed.tags if attributes.get("href", "").startswith("data:text/csv"))
    assert link["download"] == "report-teams.csv"
    rows = pl.read_csv(base64.b64decode(link["href"].partition("base64,")[2]))
    assert rows["acceptance_rate_low"].to_list() == hostile_table["acceptance_rate_low"].to_list()
    assert not rows["team"].cast(pl.String).str.contains("^[=+@-]").any()


def test_nothing_points_out_of_the_page(page):
    """No element loads or links to anything but data within the page; the style sheet imports nothing."""
    html = page.to_html()
    parsed = Parsed(html)
    leading_out = ("src", "href", "action", "srcset")
    targets = [value for _, attributes in parsed.tags for name, value in attributes.items() if name in leading_out]
    assert targets
    assert all(target.startswith(("data:image/svg+xml;base64,", "data:text/csv;", "#")) for target in targets)
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "http" not in "".join(text for attributes, text in parsed.scripts if attributes)


def test_the_policy_lets_our_two_scripts_run_and_nothing_else(page):
    """Its hashes are those of the scripts in the page."""
    parsed = Parsed(page.to_html())
    (policy,) = [a["content"] or "" for tag, a in parsed.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "'unsafe-inline'" not in policy.split("style-src", maxsplit=1)[0]
    ours = [text for attributes, text in parsed.scripts if not attributes]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in ours]
    assert re.findall(r"'sha256-([^']+)'", policy) == hashes
    assert len(hashes) == 2


def test_a_page_has_its_words_in_order_and_the_numbers_below(page):
    """Headline to manifest; a page that was built upon is as it was: a cell may be run twice."""
    words = Parsed(page.to_html()).seen
    expected = ["Overview", "people", "data to 2026-11-21", "2026-11-16 to 2026-11-21", "Active people", "1,234"]
    assert words[1:7] == expected
    texts = ["First paragraph.", "Second paragraph.", "Who accepts?", "Read along the dots."]
    assert [word for word in words if word in texts] == texts
    table = words[words.index("The numbers") + 1 : words.index("What the figures mean")]
    assert table[:4] == ["Team", "People", "Suggested (count)", "Accepted (count)"]
    assert table[7:14] == ["Search", "3", "1,000", "200", "20.0%", "10.0%", "30.0%"]
    assert table[14:] == ["Payments", "4", "100", "40", "40.0%", "30.0%", "50.0%"]
    assert words[words.index("Template") + 1] == "overview"
    assert "augment-insights" in words[words.index("Versions") + 1]
    assert "sample data: a made-up organisation" not in words
    before = page.to_html()
    page.headline("More", 1).text("More").definitions({"More": "more"}).manifest({"More": 1})
    assert page.to_html() == before


def test_range_asked_and_range_had_are_both_told():
    """A first week that is fetched whole reaches back before what was asked."""
    asked, had = DayRange(date(2026, 11, 18), date(2026, 11, 21)), DayRange(date(2026, 11, 16), date(2026, 11, 21))
    page = Page("T", population="people", as_of=None, range_asked=asked, range_had=had, sample=True)
    words = Parsed(page.to_html()).words
    assert words[words.index("Range asked") + 1 :][:4].count("2026-11-18 to 2026-11-21") == 1
    assert words[words.index("Range shown") + 1 :][:4].count("2026-11-16 to 2026-11-21") == 1
    assert words.count("sample data: a made-up organisation") == 2


RATE = pl.DataFrame({"r": [81 / 263], "r_low": [0.2553], "r_high": [0.3662], "a": [81], "b": [263]})
RATE_OPTIONS: dict[str, Any] = {"rate": "r", "counts": ("a", "b"), "unit": "people"}


def test_what_is_missing_is_no_data_and_never_zero():
    """In headlines, rates, tables and the data's last day."""
    nothing = RATE.with_columns(r=None, r_low=None, r_high=None, a=0, b=0)
    schema = {"period_start": pl.Date, "period_end": pl.Date, "active_users": pl.Int64, "is_complete": pl.Boolean}
    page = (
        empty_page()
        .headline("Users", None)
        .headline_rate("Rate", nothing, **RATE_OPTIONS)
        .headline_rate("No row", nothing.clear(), **RATE_OPTIONS)
        .figure(
            "F",
            charts.active_users(pl.DataFrame(schema=schema)),
            nothing.select(week=date(2026, 1, 5), rate="r", n="a"),
        )
    )
    words = Parsed(page.to_html()).seen
    for label in ("Users", "Rate", "No row"):
        assert words[words.index(label) + 1] == "no data"
    assert "no data" in words[:4]
    assert words[words.index("2026-01-05") + 1 :][:2] == ["\N{EN DASH}", "0"]


@pytest.mark.parametrize(
    ("before", "reach", "verdict", "words"),
    [
        (0.2, (0.05, 0.15), "higher", "higher by 10.0 points (95 % CI +5.0 to +15.0 points)"),
        (0.2, (-0.015, 0.021), "no measurable change", "no measurable change (95 % CI -1.5 to +2.1 points)"),
        (0.2, (None, None), None, "too few people to tell whether that is a change"),
        (None, (None, None), None, ""),
    ],
)
def test_a_headline_rate_comes_with_its_interval_its_counts_and_its_change(before, reach, verdict, words):
    """A change is called one only where its verdict says so; nothing is said where there was nothing before."""
    row = ("chat_rate", before, 0.3, 0.1, *reach, True, 80, 3, 1, 1, verdict)
    change = pl.DataFrame([row], schema=COMPARISON.schema, orient="row")
    for compared, expected in ((change, words), (change.clear(), ""), (None, "")):
        page = empty_page().headline_rate("Rate", RATE, **RATE_OPTIONS, change=compared, than="the week before")
        (line,) = page.headlines
        counts = "95 % confidence interval 25.5% to 36.6% · 81 of 263 people"
        told = f"against the week before: {expected}" if expected else ""
        assert (line.label, line.value, line.detail, line.change) == ("Rate", "30.8%", counts, told)
        assert line.verdict == (verdict if told else None)
        assert {counts, told} - {""} <= {*Parsed(page.to_html()).seen}


def test_a_headline_draws_its_course():
    """A line that is broken where a period has no value, read out by its ends; none where there is no value at all."""
    html = empty_page().headline("Rate", 2, trend=[1.0, None, 3.0, 2.0]).headline("None", 1, trend=[None]).to_html()
    assert html.count("<svg viewBox") == html.count('aria-label="3 periods, from 1.00 to 2.00"') == 1
    assert re.search(r'<path d="M[\d. ]+ M[\d. ]+ L[\d. ]+">', html)


def test_a_headline_rate_is_one_figure_with_all_its_columns():
    """1 of 1 is a person, and no people. Several rows, or no interval, are refused."""
    one = empty_page().headline_rate("Rate", RATE.with_columns(a=1, b=1), **RATE_OPTIONS)
    assert any(words.endswith("1 of 1 person") for words in Parsed(one.to_html()).seen)
    with pytest.raises(TableError, match="2 rows"):
        empty_page().headline_rate("Rate", pl.concat([RATE, RATE]), **RATE_OPTIONS)
    with pytest.raises(TableError, match="'r_low'"):
        empty_page().headline_rate("Rate", RATE.drop("r_low"), **RATE_OPTIONS)


def test_long_tables_are_cut_and_a_page_is_at_most_two_megabytes(page, teams):
    """300 rows are shown; a larger page is refused with what to do, and so is an own chart of what JSON cannot hold."""
    chart = charts.acceptance_rate(teams)
    html = page.figure("Long", chart, pl.DataFrame({"n": range(1000)})).to_html()
    assert "700 more rows are not shown" in html
    assert [tag for tag, _ in Parsed(html).tags].count("td") == 2 * 7 + 300
    assert len(html.encode()) < 1_300_000
    with pytest.raises(ReportError, match="fewer rows"):
        page.figure("Wide", chart, pl.DataFrame({f"column {n}": ["x" * 5000] for n in range(400)})).to_html()
    import altair as alt  # noqa: PLC0415 (only for a chart of one's own)

    own = alt.Chart(pl.DataFrame({"x": [float("nan")]})).mark_point().encode(x="x:Q")
    with pytest.raises(ReportError, match="'Mine' holds a number"):
        page.figure("Mine", own, pl.DataFrame({"x": [1]}))


def test_a_page_is_written_whole_or_not_at_all(page, teams, tmp_path):
    """The folder is made, an older page stays when a new one fails, and nothing else is left behind."""
    path = page.save_html(tmp_path / "deep" / "er" / "page.html")
    assert path.read_text("utf-8") == page.to_html()
    before = path.read_bytes()
    wide = pl.DataFrame({f"column {n}": ["x" * 5000] for n in range(400)})
    with pytest.raises(ReportError):
        page.figure("Wide", charts.acceptance_rate(teams), wide).save_html(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]


def test_a_page_in_a_notebook_shows_its_headlines_as_text(teams):
    """The figures are in the notebook's own cells."""
    shown = hostile_page(HOSTILE, teams)._repr_html_()
    assert shown.count("&lt;/script&gt;") >= 5
    assert "<script" not in shown


@pytest.mark.slow
def test_a_browser_draws_every_chart_asks_nobody_and_complains_of_nothing(
    teams, hostile_table, named, tmp_path, browse
):
    """All charts of hostile names and of the overview; an empty console, where the control, a request, is seen."""
    page, hostile = hostile_page(HOSTILE, teams), hostile_table["team"].to_list()[:3]
    for words in hostile[1:]:
        table = teams.with_columns(team=pl.Series([words, "Search"]))
        page = page.figure(words, charts.acceptance_rate(table), table)
    for count, path in (
        (len(named.charts), named.save_html(tmp_path / "overview.html")),
        (3, page.save_html(tmp_path / "page.html")),
    ):
        seen = browse(path)
        drawn = Parsed(seen.stdout)
        assert (
            len([tag for tag, attributes in drawn.tags if tag == "svg" and attributes.get("class") == "marks"]) == count
        )
        assert seen.stdout.count("could not be drawn") == 1  # in the page's script, and nowhere else
        assert [line for line in seen.stderr.splitlines() if "CONSOLE" in line] == []
    assert set(hostile) <= set(drawn.words)
    asking = path.read_text("utf-8").replace("<main>", '<main><img src="http://127.0.0.1:9/x.png">')
    path.write_text(asking, "utf-8")
    assert "127.0.0.1:9" in "".join(line for line in browse(path).stderr.splitlines() if "CONSOLE" in line)


@pytest.mark.slow
def test_the_drawing_library_is_kept_and_made_anew_where_it_was_changed(tmp_path):
    """A script that somebody put into the cache folder does not get into a report."""
    made = html._bundle.__wrapped__()  # a private seam: what is kept between runs
    (kept,) = (tmp_path / "cache").glob("vega-*.js")
    assert html._bundle.__wrapped__() == made
    digest = kept.read_text("utf-8").partition("\n")[0]
    kept.write_text(f"{digest}\nalert(1)", "utf-8")
    assert html._bundle.__wrapped__() == made
