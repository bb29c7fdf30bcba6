"""Templates of one's own: from a folder that the environment names, and from an installed package."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from augment_insights import reports
from augment_insights.errors import ConfigurationError, InsightsWarning

COMMAND = str(Path(sys.executable).with_name("augment-insights"))
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "acme-reports"
version = "1.0"

[project.entry-points."augment_insights.templates"]
acme = "acme_reports"
"""


def put_template(folder: Path, name: str, heading: str) -> None:
    """Write a template with a parameter and a page, which uses a metric of the package that it comes with."""
    folder.mkdir(parents=True, exist_ok=True)
    parameters = new_code_cell(
        'colour: str = "red"  # of the title: "red" or "blue"\n'
        'source: str = "sample"  # "sample" or "api"\n'
        'output_dir: str = "reports"  # folder for the finished files'
    )
    parameters.metadata["tags"] = ["parameters"]
    page = new_code_cell(
        "from augment_insights import reports\n"
        f"page = reports.study(globals()).page(f'Acme in {{colour}}', template='{name}')\n"
        "page.save(output_dir)"
    )
    nbformat.write(new_notebook(cells=[new_markdown_cell(f"# {heading}"), parameters, page]), folder / f"{name}.ipynb")


@pytest.mark.slow
def test_a_small_package_brings_a_template(tmp_path):
    """Built and installed for real: it is listed with its heading and its parameters, run, and copied, by its name."""
    package, target = tmp_path / "acme", tmp_path / "installed"
    put_template(package / "acme_reports", "acme", "Acme: what only we ask")
    (package / "acme_reports" / "__init__.py").write_text("")
    (package / "pyproject.toml").write_text(PROJECT)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", target]
    subprocess.run([*pip, package], check=True, timeout=120, capture_output=True)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(target), os.environ.get("PYTHONPATH", "")])}

    def run(*arguments: str) -> str:
        command = [COMMAND, *arguments]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    (listed,) = (one for one in json.loads(run("report", "--list", "--json")) if one["name"] == "acme")
    assert listed["description"] == "Acme: what only we ask"
    assert listed["parameters"][0] == {
        "name": "colour",
        "default": "red",
        "help": 'of the title: "red" or "blue"',
        "choices": ["red", "blue"],
    }
    page, _ = run("report", "acme", "--sample", "-p", "colour=blue").splitlines()
    assert "<title>Acme in blue" in (tmp_path / page).read_text("utf-8")
    assert run("new", "acme") == "acme.ipynb\n"


def test_a_folder_of_one_s_own_comes_before_the_package_s_templates(tmp_path, monkeypatch):
    """The first of two folders, and both of them before ours; a folder that is none is said to be none."""
    put_template(tmp_path / "one", "mine", "Mine, first")
    put_template(tmp_path / "two", "mine", "Mine, second")
    put_template(tmp_path / "two", "overview", "Overview of our own")
    monkeypatch.setenv("AUGMENT_INSIGHTS_TEMPLATES", f"{tmp_path / 'one'}{os.pathsep}{tmp_path / 'two'}")
    assert {"mine", "overview", "retention"} <= {*reports.templates()}
    assert [reports.find(name).description for name in ("mine", "overview")] == ["Mine, first", "Overview of our own"]
    assert "Acme in red" in reports.build("mine")._repr_html_()
    monkeypatch.setenv("AUGMENT_INSIGHTS_TEMPLATES", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="which is no folder"):
        reports.templates()


def test_a_package_that_cannot_be_loaded_stops_no_report(tmp_path, monkeypatch):
    """It is named in a warning, and a template of ours that it would replace stays ours."""
    put_template(tmp_path / "acme", "overview", "Not ours")
    (tmp_path / "acme" / "__init__.py").write_text("")
    for name, package in (("broken", "no_such_package"), ("acme", "acme")):
        told = tmp_path / f"{name}-1.0.dist-info"
        told.mkdir()
        (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (told / "entry_points.txt").write_text(f"[augment_insights.templates]\n{name} = {package}\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.warns(InsightsWarning, match=r"'broken' \(no_such_package\) cannot be loaded: ModuleNotFoundError"):
        found = reports.find("overview")
    assert found.description != "Not ours"
