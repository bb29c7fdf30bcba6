"""The package keeps its own rules: layers, public names, docstrings, clean notebooks, a lock without hosts."""

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import augment_insights
from augment_insights import analysis, charts

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("analysis", "charts", "fetch", "reports", "sample", "transport", "widgets")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_a_package_imports_only_from_the_layers_below():
    """Every contract on imports in pyproject.toml holds."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_package_names_what_it_loads():
    """Each public name of the package can be had, and the list is sorted."""
    assert augment_insights.__all__ == sorted(augment_insights.__all__)
    assert dir(augment_insights) == augment_insights.__all__
    for name in augment_insights.__all__:
        assert getattr(augment_insights, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'fecth'"):
        _ = augment_insights.fecth


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_lists_what_is_public(package):
    """A package's ``__all__`` is sorted and holds only names that exist."""
    module = importlib.import_module(f"augment_insights.{package}")
    assert module.__all__ == sorted(module.__all__)
    for name in module.__all__:
        assert hasattr(module, name)


HEAVY = "altair requests_cache papermill ipywidgets IPython nbformat jsonschema vl_convert jinja2 typer"


@pytest.mark.parametrize(
    ("statement", "more"),
    [
        ("import augment_insights", "polars requests msgspec"),
        ("import augment_insights.sample", "polars requests http.server"),
        ("from augment_insights import Archive, Client, analysis, charts, fetch, reports, sample", ""),
    ],
)
def test_what_is_expensive_to_import_is_loaded_late(statement, more):
    """The package alone loads nothing, the sample neither Polars nor a web server; what analysts import no Jupyter."""
    code = f"import sys; {statement}; print(sorted(set({[*HEAVY.split(), *more.split()]}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def public_functions(package: str) -> list[tuple[str, object]]:
    module = importlib.import_module(f"augment_insights.{package}")
    found = [(name, getattr(module, name)) for name in module.__all__]
    return [(f"{package}.{name}", value) for name, value in found if inspect.isfunction(value)]


@pytest.mark.parametrize(
    ("name", "function"), [pair for package in ("analysis", "fetch") for pair in public_functions(package)]
)
def test_a_public_function_says_what_it_answers(name, function):
    """A docstring has its parameters, what is returned and an example that runs."""
    text = inspect.getdoc(function) or ""
    assert text.splitlines()[0].strip(), name
    for part in ("Parameters\n---", "Returns\n---", "Examples\n---", ">>> "):
        assert part in text, f"{name} lacks {part.strip()!r}"


def test_every_test_states_its_promise():
    """Each test function has a docstring."""
    silent = [
        f"{path.relative_to(ROOT)}::{node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
        if not ast.get_docstring(node)
    ]
    assert silent == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_template_is_clean_and_takes_parameters(path):
    """A notebook is committed without outputs, has one cell of parameters, and runs on any python3."""
    notebook = json.loads(path.read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in code) == 1
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


def test_the_lock_names_versions_only():
    """requirements.lock has one exact version a line: no hash, no address."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert len(lines) > 100
    line_form = re.compile(r"^[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+( ; .+)?$")
    assert [line for line in lines if not line_form.match(line)] == []


@pytest.mark.slow
def test_the_wheel_carries_templates_and_types(tmp_path):
    """What is installed from a wheel has the notebooks and says that it is typed."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "augment_insights/py.typed" in names
    for path in NOTEBOOKS:
        assert f"augment_insights/templates/{path.name}" in names


@pytest.mark.slow
def test_the_sdist_holds_what_its_tests_need(tmp_path):
    """Whoever has the source distribution can run the tests: every file of ours that git keeps is in it."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    sdist.unlink()  # it holds the tests, and these the token that no file may hold
    for needed in ("requirements.lock", "Makefile", "pyproject.toml", "README.md", "LICENSE"):
        assert needed in names
    for folder in ("augment_insights", "notebooks", "tests", "benchmarks", "docs"):
        kept = [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        assert [path for path in kept if path.relative_to(ROOT).as_posix() not in names] == []


def test_shared_keywords_stand_in_every_signature_by_name():
    """Help and completion show them one by one, also where the code hands them on together."""
    asked = inspect.signature(analysis.active_users).parameters
    assert [(name, asked[name].default) for name in ("user_type", "since", "as_of")] == [
        ("user_type", "person"),
        ("since", None),
        ("as_of", None),
    ]
    assert {"population", "as_of", "sample", "title", "subtitle", "width"} <= set(
        inspect.signature(charts.active_users).parameters
    )
    for package in (analysis, charts):
        functions = [one for name in package.__all__ if inspect.isfunction(one := getattr(package, name))]
        assert not [one.__name__ for one in functions if {"whose", "caption"} & set(inspect.signature(one).parameters)]
