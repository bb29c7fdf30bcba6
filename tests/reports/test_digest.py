"""The digest: the same words and numbers as the page, for programs, for chats and for the run after."""

import json
import re
from datetime import date, timedelta
from html.parser import HTMLParser
from importlib.resources import files

import polars as pl
import pytest
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt

from augment_insights import reports
from augment_insights.errors import ReportError

SCHEMA = json.loads(files("augment_insights.reports").joinpath("digest.schema.json").read_text("utf-8"))
TOKEN = "aug_0123456789abcdefABCDEF0123456789"


class Tags(HTMLParser):
    """Collects the tags and the text of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, _attributes: object) -> None:  # noqa: D102 (the parser's own hook)
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:  # noqa: D102 (the parser's own hook)
        self.text += data


@pytest.fixture
def digest(page) -> dict[str, object]:
    """Give the digest of a page with a sentence and two headlines, as a file holds it."""
    told = page.headline("Acceptance", "31%", "31 of 100", change="3 points up").summary(["Team R&D <drove> it."])
    return json.loads(json.dumps(told.digest))


def test_a_digest_says_what_the_page_says_and_keeps_its_schema(page, tmp_path):
    """Headlines, figures and definitions as they stand on the page; numbers as numbers, days as ISO, no NaN."""
    Draft202012Validator.check_schema(SCHEMA)
    table = pl.DataFrame({"date": [date(2026, 3, 1), None], "active_users": [5, 7], "chat_rate": [0.25, float("nan")]})
    page = page.figure("When?", lambda _: page.charts["who_accepts"], table).summary(["One.", "Two."])
    told = json.loads(page.save_json(tmp_path / "page.json").read_text("utf-8"))
    Draft202012Validator(SCHEMA).validate(told)
    assert told == page.digest
    assert (told["schema_version"], told["status"], told["template"]) == (1, "ok", "overview")
    assert (told["population"], told["as_of"], told["sample"]) == ("people", "2026-11-21", False)
    empty = {"change": "", "verdict": None}
    assert told["headlines"] == [{"label": "Active people", "value": "1,234", "detail": "week of 2026-11-16", **empty}]
    assert told["sentences"] == ["One.", "Two."]
    assert told["definitions"] == {"Acceptance rate": "accepted / suggested"}
    assert [figure["title"] for figure in told["figures"]] == ["Who accepts?", "When?"]
    last = told["figures"][1]
    assert [(column["type"], column["label"]) for column in last["columns"]] == [
        *(("date", "Date (UTC day)"), ("number", "Active users (people)"), ("number", "Chat rate (0 to 1)"))
    ]
    assert (last["rows"], last["row_count"]) == ([["2026-03-01", 5, 0.25], [None, 7, None]], 2)
    assert told["generated_at"] is None
    steering = "R\x9b31m\u202e&D"
    path = page.headline(steering, 5).save_json(tmp_path / "page.json")
    assert json.loads(path.read_text("utf-8"))["headlines"][1]["label"] == steering
    assert "\\u009b31m\\u202e" in path.read_text("utf-8")


def test_a_long_table_is_cut_and_says_so(page, tmp_path):
    """Of 301 rows the first 300 and their number; in Markdown none of them, but where they are."""
    long = pl.DataFrame({"date": [date(2025, 1, 1) + timedelta(n) for n in range(301)], "active_users": range(301)})
    page = page.figure("When?", lambda _: page.charts["who_accepts"], long)
    figure = page.digest["figures"][1]
    assert (len(figure["rows"]), figure["row_count"]) == (300, 301)
    words = page.save_md(tmp_path / "page.md").read_text("utf-8")
    assert "301 rows: in the JSON digest" in words
    assert "2025" not in words


def test_markdown_is_nothing_but_the_words(hostile, hostile_table):
    """A reader of Markdown, with tables and links by address, finds each word and no tag that is not the digest's."""
    text = (hostile / "hostile.md").read_text("utf-8")
    found = Tags(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text))
    assert found.tags == {"h1", "h2", "p", "ul", "li", "strong", "table", "thead", "tbody", "tr", "th", "td"}
    for words in hostile_table["team"]:
        shown = re.sub("[\u202a-\u202e]", "\N{REPLACEMENT CHARACTER}", words.replace("\n", " "))
        assert found.text.count(shown) >= 3, words


def test_messages_are_short_and_safe_where_they_are_read(digest, tmp_path):
    """In a chat nothing mentions, links or formats; an e-mail is plain text in short lines, with counts."""
    digest["sentences"] += ["@channel [x](http://y) <!here> *a* `b`"]
    assert reports.message(digest).splitlines() == [
        "*Overview*",
        "people, data to 2026-11-21",
        "• Active people: 1,234",
        "• Acceptance: 31%; 3 points up",
        "",
        "• Team R&amp;D &lt;drove&gt; it.",
        "• @\N{ZERO WIDTH SPACE}channel (x)(http://y) &lt;!here&gt; \N{ASTERISK OPERATOR}a\N{ASTERISK OPERATOR} 'b'",
    ]
    digest["sentences"] = ["word " * 30 + "\x1b[2Jend"]
    mail = reports.message(digest, "email", link="https://wiki.example/a").splitlines()
    assert mail[0] == "Overview"
    assert "- Acceptance: 31%; 31 of 100; 3 points up" in mail
    assert mail[-1] == "The whole report: https://wiki.example/a"
    assert max(map(len, mail)) <= 76
    assert "\x1b" not in "".join(mail)
    path = tmp_path / "report.json"
    path.write_text(json.dumps(digest), "utf-8")
    assert "The whole report" not in reports.message(path)
    path.with_suffix(".html").touch()
    assert reports.message(path).endswith(f"The whole report: {path.with_suffix('.html')}")
    with pytest.raises(ReportError, match="kind='fax' is not valid"):
        reports.message(digest, "fax")


def test_two_digests_are_compared_by_what_they_say(digest):
    """Values side by side, verdicts that changed, sentences that are new whatever their numbers."""
    old, new = digest, json.loads(json.dumps(digest))
    old["sentences"] = ["97 of 387 licences were idle on 22 Nov 2026.", "Retention fell by 2 points."]
    new["sentences"] = ["101 of 390 licences were idle on 6 Dec 2026.", "Retention rose by 2 points."]
    new["headlines"][1] |= {"value": "34%", "verdict": "higher"}
    old["headlines"].append({**old["headlines"][0], "label": "Gone", "verdict": "lower"})
    changes = reports.compare_digests(old, new)
    assert changes.headlines == (
        {"label": "Acceptance", "old_value": "31%", "new_value": "34%", "old_verdict": None, "new_verdict": "higher"},
        {"label": "Gone", "old_value": "1,234", "new_value": None, "old_verdict": "lower", "new_verdict": None},
    )
    assert changes.unchanged == ("Active people",)
    assert (changes.new_sentences, changes.gone_sentences) == (
        ("Retention rose by 2 points.",),
        ("Retention fell by 2 points.",),
    )
    assert (changes.is_comparable, changes.differences) == (True, ())
    assert "| Acceptance | 31% | 34% | higher |" in changes.to_markdown()
    assert "| Gone | 1,234 | (none) | none, before: lower |" in changes.to_markdown()


def test_other_people_definitions_or_days_are_named(digest):
    """With other people, parameters or definitions the two are not comparable, with other days they are."""
    days = {"range_shown": "2026-11-16 to 2026-11-22", "parameters": {"start_date": "2026-11-16", "every": "1w"}}
    old = {**digest, **days, "definitions": {"Active": "once a week"}, "as_of": "2026-11-30"}
    later = {"start_date": "2026-11-09", "every": "1w", "events": "events.csv"}  # events are no other rule
    moved = {"range_shown": "2026-11-09 to 2026-11-22", "parameters": later}
    changes = reports.compare_digests(old, {**old, **moved, "as_of": "2026-11-22"})
    assert changes.is_comparable
    assert changes.differences == (
        "Days shown: 14 (2026-11-09 to 2026-11-22), before 7 (2026-11-16 to 2026-11-22).",
        "The second digest is of earlier days than the first.",
    )
    others = {"population": "Web team", "parameters": {"every": "1mo"}, "definitions": {"Idle": "30 days"}}
    changes = reports.compare_digests(old, {**old, **others})
    assert changes.differences == (
        "Population: Web team, before people.",
        "Parameter every: 1mo, before 1w.",
        "Definition Active: not given, before once a week.",
        "Definition Idle: 30 days, before not given.",
    )
    assert not changes.is_comparable
    assert "**Not comparable:**" in changes.to_markdown()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file or directory. Hint: make one with augment-insights report"),
        ("{", "cannot be read: it is not JSON"),
        ("[" * 100_000, "cannot be read: it is not JSON"),
        ("[1]", r"is not a report's digest: \[1\] is not of type 'object'"),
        ('{"a": 1}', "is not a report's digest: .* is a required property"),
        ('{"schema_version": 2}', "has schema_version 2, and this program reads 1. Hint: make both digests"),
        ({"headlines": [{"label": 7}]}, r"is not a report's digest at \$\.headlines\[0\]"),
        ({"template": "retention"}, "of two templates, 'overview' and 'retention'. Hint: compare two runs of one"),
        ({"status": "failed", "error": "", "message": "No token.", "hint": "", "notebook": None}, "failed: No token."),
    ],
)
def test_what_cannot_be_compared_is_one_clear_error(content, words, digest, tmp_path):
    """A missing or foreign file, another version, another template, a report that failed."""
    path = tmp_path / "new.json"
    if content is not None:
        path.write_text(content if isinstance(content, str) else json.dumps({**digest, **content}), "utf-8")
    with pytest.raises(ReportError, match=words):
        reports.compare_digests(digest, path)


def test_a_report_that_is_refused_says_so_where_a_digest_was_asked_for(make_notebook, tmp_path, monkeypatch):
    """What failed and what to do, in JSON, Markdown and as a message; without a digest asked for, nothing."""
    notebook = make_notebook('source: str = "sample"\nroster: str = None\noutput_dir: str = "reports"\nformats = []')
    missing = tmp_path / "ada@x.io.csv"
    for formats in ("html", ["md", "json"]):
        with pytest.raises(ReportError):
            reports.write(notebook, roster=str(missing), output_dir=tmp_path / "out", formats=formats)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["mine.failed.json", "mine.failed.md"]
    told = json.loads((tmp_path / "out" / "mine.failed.json").read_text("utf-8"))
    Draft202012Validator(SCHEMA).validate(told)
    assert (told["status"], told["template"], told["error"]) == ("failed", "mine", "ReportError")
    assert told["message"].endswith("there is no such file.")
    assert told["hint"] == "Check the path."
    words = (tmp_path / "out" / "mine.failed.md").read_text("utf-8")
    assert words.startswith("# The report mine could not be made\n")
    assert "**What to do:** Check the path." in words
    assert "ada@" not in words + json.dumps(told)
    assert reports.message(told).startswith("*The report mine could not be made*\n")
    assert reports.message(told, "email").endswith("What to do: Check the path.")


@pytest.mark.slow
def test_a_cell_that_fails_is_told_without_the_token_and_a_finished_report_takes_it_back(
    make_notebook, tmp_path, monkeypatch
):
    """The notebook that shows the cell is named; the finished report says the same as its page, trends too."""
    monkeypatch.setenv("AUGMENT_API_TOKEN", TOKEN)
    notebook = make_notebook(
        'output_dir: str = "reports"\nformats: list[str] = ["html"]\nbroken: bool = False',
        "import os; assert not broken, os.environ['AUGMENT_API_TOKEN'] + ' of eve@x.io'",
        "from augment_insights.reports import Page\n"
        "page = Page('T', population='p', as_of=None, range_asked='', name='mine')\n"
        "page = page.headline('Active', 8, trend=[7.0, None]).summary(['One.'])\npage.save(output_dir, formats)\npage",
    )
    asked = {"output_dir": tmp_path, "formats": ["json"]}
    with pytest.raises(ReportError):
        reports.write(notebook, **asked, broken=True)
    text = (tmp_path / "mine.failed.json").read_text("utf-8")
    told = json.loads(text)
    assert told["message"].startswith("The report 'mine' stopped in cell 3: AssertionError: (token) of (name hidden)")
    assert told["hint"] == "Open mine.failed.ipynb, which shows the cell."
    assert not [secret for secret in (TOKEN, "eve", str(tmp_path)) if secret in text]
    report = reports.write(notebook, **asked)
    assert not list(tmp_path.glob("*.failed.*"))
    assert (report.headlines[0].trend, report.sentences) == ((7.0, None), ("One.",))
    whole = json.loads((tmp_path / "mine.json").read_text("utf-8"))
    assert {**whole, **report.digest} == whole
    assert reports.message(report) == reports.message(tmp_path / "mine.json")
