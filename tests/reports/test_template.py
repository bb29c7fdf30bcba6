"""What a template lets its reader choose, and what is refused before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from augment_insights import reports
from augment_insights.errors import ReportError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import MakeNotebook


def test_an_unknown_template_suggests_the_nearest(tmp_path: Path) -> None:
    """A name, or a path that is not there."""
    with pytest.raises(ReportError, match="did you mean 'overview'") as caught:
        reports.write("overveiw", output_dir=tmp_path / "out")
    assert caught.value.template == "overveiw"
    with pytest.raises(ReportError, match="no notebook"):
        reports.write(tmp_path / "none.ipynb", output_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_notebook_is_said_to_be_none(tmp_path: Path) -> None:
    """Not JSON, or not Python in its parameters."""
    path = tmp_path / "broken.ipynb"
    path.write_text("{", "utf-8")
    with pytest.raises(ReportError, match="is not a notebook that can be run"):
        reports.write(path)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("names", "shwo", r"names='shwo' is not valid\. Choose 'show', 'pseudonyms' or 'hide'\."),
        ("user_type", "people", r"user_type='people' is not valid\. Choose 'person', 'service_account' or 'all'\."),
        ("every", "week", r"every='week' is not valid\. Choose '1d', '1w', '1mo' or '1q'\."),
        ("every", 7, r"every=7 is not valid"),
        ("compared", "1w", r"compared='1w' is not valid\. Choose '1mo' or '1q'\."),
    ],
)
def test_a_value_that_a_parameter_cannot_have_is_refused_before_anything_runs(
    name: str, value: object, words: str, tmp_path: Path
) -> None:
    """The annotation in the template lists what it can: no kernel, no folder, and all of it is told."""
    with pytest.raises(ReportError, match=words):
        reports.write("acceptance", output_dir=tmp_path / "out", **{name: value})
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_an_own_template_lists_what_it_likes(make_notebook: MakeNotebook, tmp_path: Path) -> None:
    """None among it; what is not annotated takes anything."""
    cell = 'from typing import Literal\ncolour: Literal["red", "blue"] | None = None\nsize: int = 1'
    notebook = make_notebook(cell, "mark = 1")
    with pytest.raises(ReportError, match=r"colour='green' is not valid\. Choose 'red', 'blue' or None"):
        reports.write(notebook, output_dir=tmp_path, colour="green")
    assert reports.write(notebook, output_dir=tmp_path, colour=None, size=3).paths
