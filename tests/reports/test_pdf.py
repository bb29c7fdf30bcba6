"""The document: what it shows is text, and it runs and links nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pypdf
import pytest

from augment_insights.errors import ReportError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Words

    from augment_insights.reports import Page


def test_a_document_shows_the_words_and_runs_and_links_nothing(
    hostile: Path, hostile_words: list[str], pdf_words: Words
) -> None:
    """As text that can be searched for; a markup command of the typesetter is text, too."""
    path = hostile / "hostile.pdf"
    text = pdf_words(path)
    for words in hostile_words:
        if "\u202e" not in words:  # its letters are drawn from right to left, as they ask for
            assert "".join(words.split()) in text, words
    data = path.read_bytes()
    assert not [name for name in (b"/JavaScript", b"/URI", b"/Launch") if name in data]
    pages = pypdf.PdfReader(path).pages
    assert all(float(page.mediabox.width) == pytest.approx(595.28, abs=0.01) for page in pages)
    assert "Rangeasked" in text


def test_a_document_without_its_extra_names_it(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what to install."""
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(ReportError, match=r"augment-insights\[pdf\]"):
        page.save_pdf(tmp_path / "page.pdf")
    assert not (tmp_path / "page.pdf").exists()
