"""What a template lets its reader choose, and what is refused before it runs."""

import pytest

from augment_insights import reports
from augment_insights.errors import ReportError
from augment_insights.reports import template


def test_an_unknown_template_suggests_the_nearest(tmp_path):
    """A name, or a path that is not there."""
    with pytest.raises(ReportError, match="did you mean 'overview'") as caught:
        reports.write("overveiw", output_dir=tmp_path / "out")
    assert caught.value.template == "overveiw"
    with pytest.raises(ReportError, match="no notebook"):
        reports.write(tmp_path / "none.ipynb", output_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_notebook_is_said_to_be_none(tmp_path):
    """Not JSON, or not Python in its parameters."""
    path = tmp_path / "broken.ipynb"
    path.write_text("{", "utf-8")
    with pytest.raises(ReportError, match="is not a notebook that can be run"):
        reports.write(path)


def test_an_own_template_lists_what_it_likes(make_notebook):
    """None among it; what is not annotated takes anything."""
    cell = 'from typing import Literal\ncolour: Literal["red", "blue"] | None = None\nsize: int = 1\nday = max([2, 3])'
    found = template.find(make_notebook(cell))
    with pytest.raises(ReportError, match=r"colour='green' is not valid\. Choose 'red', 'blue' or None"):
        found.check({"colour": "green"})
    found.check({"colour": None, "size": "large"})
    assert found.defaults == {"colour": None, "size": 1, "day": None}
