"""Every format: the same tables, text as text, nobody's name where none is to be shown, the same bytes again."""

from __future__ import annotations

import csv
import json
import sys
import zipfile
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import openpyxl
import polars as pl
import pypdf
import pytest

from augment_insights import charts, reports
from augment_insights.errors import ConfigurationError, ReportError
from augment_insights.periods import last_published_day
from augment_insights.reports import Page, Sharing
from augment_insights.sample import roster_csv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALL = ("html", "pdf", "xlsx", "csv", "parquet", "png", "svg")
HOSTILE = [
    "</script><script>alert(1)</script>",
    '=HYPERLINK("http://evil.example","x")',
    '{=HYPERLINK("http://evil.example","x")}',
    "http://evil.example/",
    "@SUM(A1)",
    "-1+1",
    "<b>bold</b>",
    "#set page(width: 1pt)",
    "two\nlines",
    "\u202eright to left\u202c",
    "_x0041_",
    "0042",
    "n" * 200,
]
TODAY = datetime.now(UTC)
LAST_SUNDAY = last_published_day(TODAY) - timedelta(days=(last_published_day(TODAY).weekday() + 1) % 7)
FIRST_MONDAY = LAST_SUNDAY - timedelta(days=6 * 7 - 1)


def hostile_table() -> pl.DataFrame:
    count = len(HOSTILE)
    return pl.DataFrame(
        {
            "team": HOSTILE,
            "since": [date(2026, 3, 1 + n) for n in range(count)],
            "users": [10 + n for n in range(count)],
            "suggested_count": [100] * count,
            "accepted_count": [30] * count,
            "acceptance_rate": [0.3] * count,
            "acceptance_rate_low": [0.2] * count,
            "acceptance_rate_high": [None, *[0.4] * (count - 1)],
        }
    )


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a page of hostile words in every format, and return the folder."""
    table = hostile_table()
    folder = tmp_path_factory.mktemp("hostile")
    words = " ".join(HOSTILE)
    page = (
        Page("Hostile", population=HOSTILE[0], as_of=date(2026, 3, 1), range_asked="March", name="hostile")
        .summary(HOSTILE)
        .headline(HOSTILE[1], HOSTILE[1], HOSTILE[1])
        .text(words)
        .figure(HOSTILE[1], charts.acceptance_rate(table), table, words, name="figure")
        .raw("raw", table)
        .definitions(dict.fromkeys(HOSTILE, HOSTILE[1]))
        .manifest({"Generated at": "now", HOSTILE[1]: HOSTILE[1]})
    )
    page.save(folder, ALL)
    return folder


def cells_of(path: Path, sheet: str) -> list[tuple[Any, ...]]:
    """Return a sheet's cells: header first."""
    return [tuple(cell.value for cell in row) for row in openpyxl.load_workbook(path)[sheet].iter_rows()]


def pdf_text(path: Path) -> str:
    """Return a document's text without blanks and breaks of no width, as it was broken into lines."""
    text = "".join(page.extract_text() for page in pypdf.PdfReader(path).pages)
    return "".join(letter for letter in text if not letter.isspace() and letter != "\u200b")


def test_a_workbook_holds_text_dates_and_numbers_and_no_formula_or_link(hostile: Path) -> None:
    """Read back by another library: the words as they were, real dates, no formula, no hyperlink, frozen headers."""
    path = hostile / "hostile.xlsx"
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Summary", "figure", "raw", "Definitions", "Columns", "Manifest"]
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert not [cell for cell in cells if cell.data_type == "f" or cell.hyperlink]
    header, *rows = cells_of(path, "figure")
    assert list(header) == hostile_table().columns
    assert [row[0] for row in rows] == HOSTILE
    assert rows[2][1:6] == (datetime(2026, 3, 3), 12, 100, 30, 0.3)  # noqa: DTZ001 (a workbook knows no zones)
    assert rows[0][7] is None
    assert book["figure"]["B3"].number_format == "yyyy-mm-dd"
    assert book["figure"]["F3"].number_format == "0.0%"
    assert all(sheet.freeze_panes == "A2" for sheet in book)
    assert [row[0] for row in cells_of(path, "Definitions")[1:]] == HOSTILE
    with zipfile.ZipFile(path) as parts:
        text = "".join(parts.read(name).decode() for name in parts.namelist())
    assert "<f>" not in text
    assert "hyperlink" not in text.replace("HYPERLINK", "")
    assert 'Target="http://evil' not in text


def test_csv_keeps_the_words_and_disarms_formulas(hostile: Path) -> None:
    """What a spreadsheet would compute has an apostrophe before it; the rest is as it was."""
    with (hostile / "hostile-csv" / "raw.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    found = [row[0] for row in rows[1:]]
    armed = [words for words in HOSTILE if words[0] in "=+-@"]
    assert armed
    assert found == [f"'{words}" if words in armed else words for words in HOSTILE]


def test_parquet_holds_the_very_table(hostile: Path) -> None:
    """Dtypes and all."""
    assert pl.read_parquet(hostile / "hostile-parquet" / "raw.parquet").equals(hostile_table())


def test_a_document_shows_the_words_and_runs_and_links_nothing(hostile: Path) -> None:
    """As text that can be searched for; a markup command of the typesetter is text, too."""
    path = hostile / "hostile.pdf"
    text = pdf_text(path)
    for words in HOSTILE:
        if "\u202e" not in words:  # its letters are drawn from right to left, as they ask for
            assert "".join(words.split()) in text, words
    data = path.read_bytes()
    assert not [name for name in (b"/JavaScript", b"/URI", b"/Launch") if name in data]
    pages = pypdf.PdfReader(path).pages
    assert all(float(page.mediabox.width) == pytest.approx(595.28, abs=0.01) for page in pages)


def test_images_are_images_of_the_words(hostile: Path) -> None:
    """PNG and SVG; an SVG has no script and no address of elsewhere."""
    assert (hostile / "hostile-png" / "figure.png").read_bytes().startswith(b"\x89PNG")
    root = ET.parse(hostile / "hostile-svg" / "figure.svg").getroot()  # noqa: S314 (our own file)
    assert "<b>bold</b>" in [element.text for element in root.iter() if element.tag.endswith("text")]
    assert not [element for element in root.iter() if element.tag.endswith(("script", "a", "foreignObject"))]


def test_every_folder_and_the_report_carry_the_manifest(hostile: Path) -> None:
    """The same one: parameters, ranges, definitions, tables, and which entries are time stamps."""
    found = sorted(hostile.rglob("*manifest.json"))
    assert len(found) == 5
    texts = {path.read_text("utf-8") for path in found}
    assert len(texts) == 1
    manifest = json.loads(texts.pop())
    assert manifest["range_asked"] == "March"
    assert manifest["reconciliation"] == "not checked"
    assert manifest["time_stamps"] == ["generated_at"]
    assert manifest["tables"]["raw"] == {"rows": len(HOSTILE), "columns": hostile_table().columns}
    assert manifest["definitions"][HOSTILE[0]] == HOSTILE[1]
    assert manifest["versions"]["Polars"] == pl.__version__
    entries = dict(cells_of(hostile / "hostile.xlsx", "Manifest"))
    assert entries["Range asked"] == "March"
    assert "Rangeasked" in pdf_text(hostile / "hostile.pdf")


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Build the overview of six weeks in this process, names shown."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUGMENT_INSIGHTS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("AUGMENT_INSIGHTS_PROGRESS", "off")
        yield reports.build("overview", start_date=FIRST_MONDAY, end_date=LAST_SUNDAY)


def test_a_built_page_has_tables_and_charts_and_shows_itself(named: Page) -> None:
    """By the same names; in a notebook with its summary and an image of each figure."""
    assert list(named.charts) == ["active_users", "acceptance_rate", "cohort_retention"]
    assert list(named.tables) == [*named.charts, "user_activity"]
    assert named.charts["active_users"].to_dict()["title"]["text"] == "Weekly active users"
    html = named._repr_html_()
    assert html.count("<img") == 3
    assert "people were active in the week of" in html


def test_every_figure_of_a_workbook_can_be_reconciled_with_its_raw_table(named: Page, tmp_path: Path) -> None:
    """Counted and summed in plain Python from the raw sheet: people a week, and accepted of suggested."""
    path = named.save_xlsx(tmp_path / "overview.xlsx")
    header, *rows = cells_of(path, "user_activity")
    records = [dict(zip(header, row, strict=True)) for row in rows]
    active, suggested, accepted = Counter[Any](), Counter[Any](), Counter[Any]()
    for record in records:
        if record["user_type"] == "person":
            active[record["period_start"]] += 1
            suggested[record["period_start"]] += record["completions_count"]
            accepted[record["period_start"]] += record["completions_accepted"]
    weeks = cells_of(path, "active_users")[1:]
    assert len(weeks) == 6
    assert [row[2] for row in weeks] == [active[row[0]] for row in weeks]
    header, *rates = cells_of(path, "acceptance_rate")
    for row in rates:
        told = dict(zip(header, row, strict=True))
        start = told["period_start"]
        assert (told["suggested_count"], told["accepted_count"]) == (suggested[start], accepted[start])
        assert told["acceptance_rate"] == pytest.approx(accepted[start] / suggested[start], rel=1e-12)


def contents(folder: Path) -> dict[str, bytes]:
    """Return what can be read in each file of a folder; a workbook's parts and a document's text one by one."""
    found: dict[str, bytes] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".xlsx":
            with zipfile.ZipFile(path) as parts:
                found |= {f"{name}/{part}": parts.read(part) for part in parts.namelist()}
        elif path.suffix == ".pdf":
            found[name] = pdf_text(path).encode()
        elif path.suffix == ".parquet":
            found[name] = pl.read_parquet(path).write_ndjson().encode()
        else:
            found[name] = path.read_bytes()
    return found


def test_the_same_inputs_give_the_same_bytes(named: Page, tmp_path: Path) -> None:
    """Every file of every format; and with another time stamp, only that stamp differs."""
    again = reports.build("overview", start_date=FIRST_MONDAY, end_date=LAST_SUNDAY)
    stamp = {"Generated at": "2026-01-01 10:00 UTC", "Data made at": "2026-01-01 09:00"}
    later = {"Generated at": "2026-02-02 20:00 UTC", "Data made at": "2026-02-02 19:00"}
    for name, page in {
        "one": named.manifest(stamp),
        "two": again.manifest(stamp),
        "late": again.manifest(later),
    }.items():
        page.save(tmp_path / name, ALL)
    one, two, late = (tmp_path / name for name in ("one", "two", "late"))
    files = {path.relative_to(one): path.read_bytes() for path in one.rglob("*") if path.is_file()}
    assert len(files) == 3 + 2 * 5 + 2 * 4 + 1
    assert files == {path.relative_to(two): path.read_bytes() for path in two.rglob("*") if path.is_file()}
    early_text, late_text = contents(one), contents(late)
    pairs = list(zip(stamp.values(), later.values(), strict=True))
    for name, text in early_text.items():
        expected = text
        for before, after in pairs:
            for form in (str, lambda words: "".join(words.split())):
                expected = expected.replace(form(before).encode(), form(after).encode())
        assert late_text[name] == expected, name


def sample_names() -> list[str]:
    """Return the names of the made-up organisation's people."""
    rows = csv.DictReader(roster_csv(TODAY.date()).splitlines())
    return [row["user"] for row in rows]


@pytest.mark.parametrize("names", ["pseudonyms", "hide"])
def test_no_name_stands_in_any_format_when_names_are_not_shown(
    names: str, named: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file is searched for every person, and for the key; the control, a page with names, has many."""
    monkeypatch.setenv("AUGMENT_INSIGHTS_PSEUDONYM_KEY", "the-key-of-this-test")
    people = sample_names()
    assert sum(user in named.tables["user_activity"]["user"].to_list() for user in people) > 50
    page = reports.build("overview", start_date=FIRST_MONDAY, end_date=LAST_SUNDAY, names=names, user_type="all")
    page = page.headline("Most", people[0]).text(f"Ask {people[1]}.")
    page.save(tmp_path, ALL)
    for name, data in contents(tmp_path).items():
        text = data.decode("utf-8", errors="replace")
        assert "@example.com" not in text, name
        assert "the-key-of-this-test" not in text, name
        assert not [bot for bot in ("ci-review-bot", "dependency-updater") if bot in text], name
        assert not [user for user in people if user.split("@")[0] in text], name
    raw = page.tables["user_activity"]
    if names == "hide":
        assert "user" not in raw.columns
        assert raw["users"].sum() > raw.height
    else:
        assert raw["user"].str.contains(r"^(user|bot)-[0-9a-f]{12}$").all()
        assert (
            raw.height
            == reports.build("overview", start_date=FIRST_MONDAY, end_date=LAST_SUNDAY, user_type="all")
            .tables["user_activity"]
            .height
        )


def test_a_page_of_ten_charts_with_long_tables_is_at_most_two_megabytes(named: Page) -> None:
    """Long tables are cut further before a page is refused."""
    page = named
    cohorts = named.tables["cohort_retention"]
    long = pl.concat([cohorts] * 20)
    for number in range(7):
        page = page.figure(f"Again {number}", named.charts["cohort_retention"], long)
    html = page.to_html()
    assert html.count('type="application/json"') == 10
    assert len(html.encode()) <= 2_000_000
    assert "more rows are not shown" in html


def test_a_folder_of_somebody_else_is_not_replaced(page: Page, tmp_path: Path) -> None:
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


def test_a_format_that_is_none_is_said_to_be_none(page: Page, tmp_path: Path) -> None:
    """With the nearest; nothing is written."""
    with pytest.raises(ReportError, match="did you mean 'xlsx'"):
        page.save(tmp_path / "out", ["html", "xslx"])
    with pytest.raises(ReportError, match="no format 'docx'"):
        reports.write("overview", formats=("docx",), output_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_document_without_its_extra_names_it(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what to install."""
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(ReportError, match=r"augment-insights\[pdf\]"):
        page.save_pdf(tmp_path / "page.pdf")
    assert not (tmp_path / "page.pdf").exists()


def test_two_tables_of_one_name_are_refused(page: Page) -> None:
    """One would overwrite the other in a folder."""
    with pytest.raises(ReportError, match="'who_accepts' already"):
        page.raw("who_accepts", pl.DataFrame({"n": [1]}))


def test_reconciliation_is_told_at_the_top_and_in_the_manifest(page: Page) -> None:
    """How many checks agree, and how many do not."""
    checks = pl.DataFrame(
        {
            "check": ["a", "b", "c"],
            "date": [None, None, None],
            "left": [1, 2, 3],
            "right": [1, 2, 4],
            "residual": [0, 0, -1],
            "status": ["agrees", "agrees", "differs"],
        },
        schema_overrides={"date": pl.Date, "status": pl.Enum(["agrees", "differs", "unknown"])},
    )
    html = page.reconciliation(checks).to_html()
    assert "API against itself: 2 of 3 checks agree, 1 differs" in html


def test_a_page_that_hides_keeps_its_charts_usable(teams: pl.DataFrame) -> None:
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
