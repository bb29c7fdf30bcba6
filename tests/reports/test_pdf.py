"""The document: pages that are filled, headings that stand with what they head, and tables that end."""

from pathlib import Path

import polars as pl
import pypdf
import pytest
from pypdf.generic import NameObject

from augment_insights import charts

BOTTOM, BODY = 51, 734
"""Where a page's body ends, and how high it is, in points from its foot; below stands the footer."""


def laid_out(page: pypdf.PageObject) -> list[tuple[float, str]]:
    """Return what stands on a page from its foot upwards: text, and pictures as such without the text in them."""
    found: list[tuple[float, str]] = []
    for drawing in page["/Resources"].get("/XObject", {}).values():
        drawing.get_object()[NameObject("/Subtype")] = NameObject("/Image")  # not looked into
    page.extract_text(
        visitor_text=lambda text, cm, tm, *_: found.append((tm[5] * cm[3] + cm[5], text.strip())),
        visitor_operand_before=lambda op, _args, cm, _tm: op == b"Do" and found.append((cm[5], "picture")),
    )
    return sorted((y, text) for y, text in found if text and y >= BOTTOM - 5)


@pytest.mark.slow
def test_no_page_is_a_third_empty_and_none_ends_with_a_heading(named, tmp_path):
    """But for the last page: pictures are drawn smaller where they then still fit below what stands before them."""
    pages = [laid_out(page) for page in pypdf.PdfReader(named.save_pdf(tmp_path / "overview.pdf")).pages]
    assert len(pages) > 3
    headings = [figure.title for figure in named.content().figures]
    for page in pages[:-1]:
        assert page[0][0] - BOTTOM < BODY / 3
        assert not any(page[0][1].startswith(title[:20]) for title in headings)
    assert sum(text == "picture" for page in pages for _, text in page) == len(headings)


def test_a_table_is_at_most_a_page_and_says_where_the_rest_is(page, teams, tmp_path):
    """500 rows of words that wrap: a page and a bit in all, and the two formats that have every row."""
    long = pl.DataFrame({"team": ["a name of many words " * 12] * 500, "users": range(500)})
    plain = page.figure("Long", charts.acceptance_rate(teams), teams)
    longer = page.figure("Long", charts.acceptance_rate(teams), long)
    texts = {}
    for name, one in (("plain", plain), ("longer", longer)):
        path: Path = one.save_pdf(tmp_path / f"{name}.pdf")
        texts[name] = [sheet.extract_text() for sheet in pypdf.PdfReader(path).pages]
    assert len(texts["longer"]) <= len(texts["plain"]) + 1
    words = " ".join("".join(texts["longer"]).replace("\u200b", "").split())
    assert "more rows are not shown here. All are in the workbook (--format xlsx)" in words
