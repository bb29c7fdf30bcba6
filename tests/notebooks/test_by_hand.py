"""The templates by hand: run by plain papermill and by whatever else runs notebooks, without a command of ours."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from augment_insights import reports

JUPYTER = [sys.executable, "-m", "jupyter"]
SCHEDULED = """
import sys
from jupyter_scheduler.executors import DefaultExecutionManager
from jupyter_scheduler.orm import Job, create_session, create_tables

database, name, done = "sqlite:///jobs.db", sys.argv[1], sys.argv[2]
create_tables(database)
with create_session(database)() as session:
    asked = {"name": name, "input_filename": name, "runtime_environment_name": "python3", "output_formats": ["ipynb"]}
    job = Job(**asked, parameters={"names": '"hide"'})
    session.add(job)
    session.commit()
    number = job.job_id
DefaultExecutionManager(number, ".", database, {"input": name, "ipynb": done}).process()
with create_session(database)() as session:
    assert session.get(Job, number).status == "COMPLETED", session.get(Job, number).status_message
"""
"""What JupyterLab's scheduler does with a job, without its server."""


def command_of(runner: str, notebook: str) -> list[str]:
    """Return the command that runs a notebook into ``done.ipynb``."""
    return {
        "papermill": [sys.executable, "-m", "papermill", notebook, "done.ipynb", "-p", "names", "hide"],
        "jupyter execute": [*JUPYTER, "execute", notebook, "--output=done.ipynb"],
        "nbconvert": [*JUPYTER, "nbconvert", "--execute", "--to", "notebook", "--output", "done.ipynb", notebook],
        "jupyter-scheduler": [sys.executable, "-c", SCHEDULED, notebook, "done.ipynb"],
    }[runner]


@pytest.fixture
def template(tmp_path, monkeypatch) -> Callable[[str], str]:
    """Put a copy of a template into an empty working directory."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return lambda name: reports.new(name).name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("runner", "name"),
    [
        ("papermill", "retention"),
        ("papermill", "adoption"),
        ("jupyter execute", "acceptance"),
        ("jupyter execute", "data_quality"),
        ("nbconvert", "explore"),
        ("jupyter-scheduler", "overview"),
    ],
)
def test_whatever_runs_notebooks_runs_a_template(runner, name, template):
    """Its page is there, charts are pictures in the notebook, and nothing warns of a parameter."""
    command = command_of(runner, template(name))
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert "unknown parameter" not in done.stderr.lower()
    (page,) = Path("reports").glob(f"{name}-*.html")
    assert page.stat().st_size > 100_000
    outputs = [
        output
        for cell in json.loads(Path("done.ipynb").read_text("utf-8"))["cells"]
        for output in cell.get("outputs", [])
    ]
    assert {"error", "stream"}.isdisjoint(output["output_type"] for output in outputs)
    assert [output for output in outputs if "image/png" in output.get("data", {})]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shown"), [("overview", "image/png"), ("explore", "jupyter.widget-view+json")])
def test_voila_shows_a_template_as_a_page(name, shown, template):
    """With its figures or its controls, and no error; for colleagues who want no notebook."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "voila", template(name), "--no-browser", "--Voila.ip=127.0.0.1", f"--port={port}"]
    with subprocess.Popen(
        [*command, "--show_tracebacks=True"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as server:
        try:
            html = _answer(f"http://127.0.0.1:{port}/", server)
        finally:
            server.terminate()
            server.communicate(timeout=30)
    assert shown in html
    assert "Traceback" not in html
    assert list(Path("reports").glob(f"{name}-*.html"))


def _answer(url: str, server: subprocess.Popen[bytes]) -> str:
    """Return a page as soon as its server listens."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(url, timeout=120) as answer:
            return str(answer.read(), "utf-8")
        with suppress(subprocess.TimeoutExpired):
            server.wait(timeout=0.2)
    raise AssertionError("voila did not answer")


@pytest.mark.slow
def test_papermill_tells_a_typo_from_a_parameter(template):
    """Its help lists all of a template's parameters with type, default and comment; of those it warns of none."""
    notebook = template("retention")
    shown = subprocess.run(
        [sys.executable, "-m", "papermill", "--help-notebook", notebook], capture_output=True, text=True, check=True
    ).stdout
    found = reports.find("retention")
    assert all(f"  {name}: " in shown and found.comments[name] in shown for name in found.parameters)
    assert "Unknown type" not in shown
    asked = [word for name, value in found.defaults.items() for word in ("-p", name, str(value))]
    prepared = subprocess.run(
        [*command_of("papermill", notebook), "--prepare-only", *asked, "-p", "tema", "Web"],
        capture_output=True,
        text=True,
        env=os.environ,
        check=True,
    ).stderr
    assert prepared.count("Passed unknown parameter") == 1
    assert "Passed unknown parameter: tema" in prepared
