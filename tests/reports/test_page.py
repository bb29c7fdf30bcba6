"""Every format of a page: the same tables, nobody's name where none is to be shown, the same bytes again."""

import csv
import json
import re
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import openpyxl
import polars as pl
import pypdf
import pytest
import vl_convert

from augment_insights import charts, reports
from augment_insights.charts import theme
from augment_insights.errors import ConfigurationError, ReportError
from augment_insights.reports import Page, Sharing
from augment_insights.sample import roster_csv
from augment_insights.tables import RECONCILIATION

ALL = ("html", "pdf", "xlsx", "csv", "parquet", "png", "svg", "md", "json")


def pdf_text(path: Path) -> str:
    """Return a document's text without blanks and breaks of no width, as it was broken into lines."""
    text = "".join(page.extract_text() for page in pypdf.PdfReader(path).pages)
    return "".join(letter for letter in text if not letter.isspace() and letter != "\u200b")


def readable(path: Path) -> bytes:
    """Return what can be read in a file: a workbook's parts, a document's text, a table's rows."""
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(path) as parts:
            return b"".join(parts.read(part) for part in parts.namelist())
    if path.suffix == ".pdf":
        return pdf_text(path).encode()
    return pl.read_parquet(path).write_ndjson().encode() if path.suffix == ".parquet" else path.read_bytes()


def files_in(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def test_csv_keeps_the_words_and_disarms_formulas(hostile, hostile_table):
    """What a spreadsheet would compute has an apostrophe before it; the rest, and Parquet, are as they were."""
    assert pl.read_parquet(hostile / "hostile-parquet" / "raw.parquet").equals(hostile_table)
    words = hostile_table["team"].to_list()
    with (hostile / "hostile-csv" / "raw.csv").open(newline="", encoding="utf-8") as file:
        found = [row["team"] for row in csv.DictReader(file)]
    assert found == [f"'{word}" if word[0] in "=+-@" else word for word in words] != words


def test_a_document_shows_the_words_and_runs_and_links_nothing(hostile, hostile_table):
    """As text that can be searched for; a markup command of the typesetter is text, too."""
    path = hostile / "hostile.pdf"
    text = pdf_text(path)
    for words in hostile_table["team"]:
        if "\u202e" not in words:  # its letters are drawn from right to left, as they ask for
            assert "".join(words.split()) in text, words
    data = path.read_bytes()
    assert not [name for name in (b"/JavaScript", b"/URI", b"/Launch") if name in data]
    pages = pypdf.PdfReader(path).pages
    assert all(float(page.mediabox.width) == pytest.approx(595.28, abs=0.01) for page in pages)
    assert "Rangeasked" in text


def test_images_are_images_of_the_words(hostile):
    """PNG and SVG; an SVG has no script and no address of elsewhere."""
    assert (hostile / "hostile-png" / "figure.png").read_bytes().startswith(b"\x89PNG")
    root = ET.parse(hostile / "hostile-svg" / "figure.svg").getroot()  # noqa: S314 (our own file)
    assert "<b>bold</b>" in [element.text for element in root.iter() if element.tag.endswith("text")]
    assert not [element for element in root.iter() if element.tag.endswith(("script", "a", "foreignObject"))]


def test_every_folder_and_the_report_carry_the_manifest(hostile, hostile_table):
    """The same one: parameters, ranges, definitions, tables, and which entries are time stamps."""
    texts = [path.read_text("utf-8") for path in hostile.rglob("*manifest.json")]
    assert len(texts) == 5
    assert len(set(texts)) == 1
    manifest = json.loads(texts[0])
    assert manifest["range_asked"] == "March"
    assert manifest["reconciliation"] == "not checked"
    assert manifest["time_stamps"] == ["generated_at"]
    assert manifest["tables"]["raw"] == {"rows": hostile_table.height, "columns": hostile_table.columns}
    assert list(manifest["definitions"]) == sorted(hostile_table["team"])
    assert manifest["versions"]["Polars"] == pl.__version__


def test_a_built_page_has_tables_and_charts_and_shows_itself(named):
    """By the same names; in a notebook with its summary and an image of each figure."""
    mixes = ["mode_mix_lines", "mode_mix_messages"]
    figures = ["lifecycle", "adoption_funnel", *mixes, "acceptance_rate", "retention_curves", "changes"]
    assert list(named.charts) == figures
    assert [*named.tables][: len(figures)] == figures
    assert named.charts["lifecycle"].to_dict()["title"]["text"] == "Weekly user lifecycle"
    html = named._repr_html_()
    assert html.count("<img") == len(figures)
    assert "people were active in the week of" in html


@pytest.mark.slow
def test_the_same_inputs_give_the_same_bytes(named, six_weeks, tmp_path):
    """Every file of every format; and with another time stamp, only that stamp differs."""
    again = reports.build("overview", **six_weeks)
    stamp = {"Generated at": "2026-01-01 10:00 UTC", "Data made at": "2026-01-01 09:00"}
    later = {"Generated at": "2026-02-02 20:00 UTC", "Data made at": "2026-02-02 19:00"}
    pages = {"one": named.manifest(stamp), "two": again.manifest(stamp), "late": again.manifest(later)}
    for name, page in pages.items():
        page.save(tmp_path / name, ALL)
    one, two, late = (files_in(tmp_path / name) for name in pages)
    assert len(one) == 5 + 2 * (len(named.tables) + 1) + 2 * (len(named.charts) + 1) + 1
    assert {name: path.read_bytes() for name, path in one.items()} == {
        name: path.read_bytes() for name, path in two.items()
    }
    for name, path in one.items():
        expected = readable(path)
        for before, after in zip(stamp.values(), later.values(), strict=True):
            for form in (str, lambda words: "".join(words.split())):
                expected = expected.replace(form(before).encode(), form(after).encode())
        assert readable(late[name]) == expected, name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Not counted")  # service accounts are on no roster
@pytest.mark.parametrize("names", ["pseudonyms", "hide"])
def test_no_name_stands_in_any_format_when_names_are_not_shown(names, named, six_weeks, tmp_path, monkeypatch):
    """Every file is searched for every person, and for the key; the control, a page with names, has many."""
    monkeypatch.setenv("AUGMENT_INSIGHTS_PSEUDONYM_KEY", "the-key-of-this-test")
    people = [row["user"] for row in csv.DictReader(roster_csv(datetime.now(UTC).date()).splitlines())]
    assert len(set(people) & set(named.tables["user_activity"]["user"])) > 50
    page = reports.build("overview", **six_weeks, names=names, user_type="all")
    page.headline("Most", people[0]).text(f"Ask {people[1]}.").save(tmp_path, ALL)
    secrets = ["@example.com", "the-key-of-this-test", "ci-review-bot", "dependency-updater"]
    for name, path in files_in(tmp_path).items():
        text = readable(path).decode("utf-8", errors="replace")
        assert not [word for word in (*secrets, *(user.split("@")[0] for user in people)) if word in text], name
    raw = page.tables["user_activity"]
    if names == "hide":
        assert "user" not in raw.columns
        assert raw["users"].sum() > raw.height
    else:
        assert raw["user"].str.contains(r"^(user|bot)-[0-9a-f]{12}$").all()
        assert not raw["user"].is_duplicated().any()
        assert not [name for name in raw.columns if raw.schema[name].is_temporal()]  # they would tell a person in two


@pytest.mark.slow
def test_a_page_of_ten_charts_with_long_tables_is_at_most_two_megabytes(named):
    """Long tables are cut further before a page is refused."""
    page, long = named, pl.concat([named.tables["mode_mix_lines"]] * 20)
    for number in range(7):
        page = page.figure(f"Again {number}", named.charts["mode_mix_lines"], long)
    html = page.to_html()
    assert html.count('type="application/json"') == len(page.charts) >= 10
    assert len(html.encode()) <= 2_000_000
    assert "more rows are not shown" in html


def test_a_folder_of_somebody_else_is_not_replaced(page, tmp_path):
    """One of an earlier report is, with all that was in it."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "thesis.txt").write_text("years of work", "utf-8")
    with pytest.raises(ConfigurationError, match="holds other files"):
        page.save_csv(theirs)
    assert (theirs / "thesis.txt").read_text("utf-8") == "years of work"
    ours = page.save_csv(tmp_path / "ours")
    (ours / "old.csv").write_text("of an earlier report", "utf-8")
    page.save_csv(ours)
    assert sorted(path.name for path in ours.iterdir()) == ["manifest.json", "who_accepts.csv"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == ["ours", "theirs"]


def test_a_format_that_is_none_or_lacks_its_extra_is_told(page, tmp_path, monkeypatch):
    """With the nearest, or with what to install; nothing is written. Two tables of one name would overwrite another."""
    with pytest.raises(ReportError, match="'who_accepts' already"):
        page.raw("who_accepts", pl.DataFrame({"n": [1]}))
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(ReportError, match=r"typst"):
        page.save_pdf(tmp_path / "out" / "page.pdf")
    with pytest.raises(ReportError, match="did you mean 'xlsx'"):
        page.save(tmp_path / "out", ["html", "xslx"])
    with pytest.raises(ReportError, match="no format 'docx'"):
        reports.write("overview", formats=("docx",), output_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_reconciliation_is_told_at_the_top_and_in_the_manifest(page):
    """How many checks agree, and how many do not."""
    rows = [("a", None, 1, 1, 0, "agrees"), ("b", None, 2, 2, 0, "agrees"), ("c", None, 3, 4, -1, "differs")]
    checks = pl.DataFrame(rows, schema=RECONCILIATION.schema, orient="row")
    html = page.reconciliation(checks).to_html()
    assert "Data checks: 2 of 3 passed, 1 failed" in html


def test_a_page_that_hides_keeps_its_charts_usable(teams):
    """A chart by users is drawn of pseudonyms, in its data and when it is taken from the page."""
    by_user = teams.with_columns(user=pl.Series(["ada@x.io", "bob@x.io"])).drop("team")
    sharing = Sharing("pseudonyms", min_group_size=1, key="k")
    page = Page("T", population="people", as_of=None, range_asked="", sharing=sharing)
    page = page.figure("Who?", charts.acceptance_rate(by_user), by_user, name="who")
    text = json.dumps(page.charts["who"].to_dict()) + page.to_html()
    assert "@x.io" not in text
    pseudonyms = page.tables["who"]["user"].to_list()
    assert all(name in text for name in pseudonyms)
    assert replace(page, title="U").tables["who"].equals(page.tables["who"])


@pytest.mark.slow
def test_a_control_character_ends_no_report_and_stands_in_no_file(teams, tmp_path):
    """What an office program's line break becomes is a blank, and what no format can hold the sign of a replacement."""
    words = "Data\x0bPlatform\x00\x1b\x7f\x9b\u2028\ufdd0\ufffe\uffff"
    shown = "Data Platform\ufffd\ufffd\ufffd\ufffd \ufffd\ufffd\ufffd"
    table = teams.with_columns(team=pl.Series([words, "Search"]))
    page = Page(words, population=words, as_of=None, range_asked=words, name="own").headline(words, words, words)
    drawn = charts.acceptance_rate(table, population=words)
    page = (
        page.summary([words]).text(words).figure(words, drawn, table, words, name="figure").definitions({words: words})
    )
    page.manifest({words: words}).save(tmp_path, ALL)
    texts = [path.read_text("utf-8") for path in tmp_path.rglob("*") if path.suffix in (".html", ".csv", ".svg")]
    assert all(shown in text for text in texts)
    assert [len(re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\ufdd0\ufffe\uffff]", text)) for text in texts] == [0] * 3
    assert openpyxl.load_workbook(tmp_path / "own.xlsx")["figure"]["A2"].value == shown
    assert "Data Platform" in pypdf.PdfReader(tmp_path / "own.pdf").pages[0].extract_text()
    assert pl.read_parquet(tmp_path / "own-parquet" / "figure.parquet")["team"][0] == words
    assert vl_convert.vegalite_to_png(drawn.to_dict(), vl_version=theme.VEGALITE_VERSION).startswith(b"\x89PNG")
