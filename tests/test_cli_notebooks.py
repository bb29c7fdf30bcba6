"""Templates of one's own, and JupyterLab on them, as the command line gives them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from augment_insights import reports
from augment_insights.errors import ReportError
from augment_insights.reports import template

COMMAND = str(Path(sys.executable).with_name("augment-insights"))
START_SECONDS = 60


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder and return what it said."""
    return subprocess.run([COMMAND, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Give an empty folder to work in."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def test_new_puts_a_copy_where_one_works(work: Path) -> None:
    """Byte for byte the template, under its own name, and its path is all that is printed."""
    done = run("new", "retention", cwd=work)
    assert (done.returncode, done.stdout, done.stderr) == (0, "retention.ipynb\n", "")
    assert (work / "retention.ipynb").read_bytes() == template.find("retention").path.read_bytes()
    assert [path.name for path in work.iterdir()] == ["retention.ipynb"]


def test_new_overwrites_only_when_it_is_forced(work: Path) -> None:
    """What somebody wrote stays, with one line that says what to do; --force replaces it."""
    mine = work / "mine.ipynb"
    mine.write_text("my own work")
    done = run("new", "overview", "mine.ipynb", cwd=work)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: 'mine.ipynb' is there already. Hint: ")
    assert mine.read_text() == "my own work"
    assert run("new", "overview", "mine.ipynb", "--force", cwd=work).returncode == 0
    assert mine.read_bytes() == template.find("overview").path.read_bytes()


def test_new_suggests_the_nearest_name(work: Path) -> None:
    """A slip is one line and no traceback, and nothing is written."""
    done = run("new", "retension", cwd=work)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: There is no template 'retension'. Hint: did you mean 'retention'?\n"
    assert list(work.iterdir()) == []


def test_a_path_without_the_ending_is_a_folder(tmp_path: Path) -> None:
    """It is made when it is missing."""
    assert reports.new("explore", tmp_path / "a" / "b") == tmp_path / "a" / "b" / "explore.ipynb"


def test_a_place_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="cannot be copied to"):
        reports.new("explore", tmp_path / "file" / "explore.ipynb")


def test_a_copy_runs_as_the_template_does(tmp_path: Path) -> None:
    """Its parameters are found by its path."""
    copy = reports.new("acceptance", tmp_path / "mine.ipynb")
    assert template.find(copy).parameters == template.find("acceptance").parameters


def test_an_installed_package_copies_its_templates_to_work_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a wheel there is no checkout: all templates are copied, and a changed one stays changed."""
    package = tmp_path / "site-packages" / "augment_insights"
    (package / "templates").mkdir(parents=True)
    for name in ("overview", "adoption"):
        (package / "templates" / f"{name}.ipynb").write_bytes(template.find(name).path.read_bytes())
    monkeypatch.setattr(template, "_PACKAGE", package)
    mine = tmp_path / "work"
    mine.mkdir()
    (mine / "overview.ipynb").write_text("changed")
    assert reports.workspace(mine) == mine
    assert (mine / "overview.ipynb").read_text() == "changed"
    assert (mine / "adoption.ipynb").read_bytes() == (package / "templates" / "adoption.ipynb").read_bytes()


def test_lab_opens_on_the_templates_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    """A real JupyterLab lists every template at the top, and nothing is left running."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Tests may run as root, in a container, which a server refuses unless it is told.
    (tmp_path / "jupyter_server_config.json").write_text('{"ServerApp": {"allow_root": true}}')
    environment = {**os.environ, "JUPYTER_TOKEN": "made-up", "JUPYTER_CONFIG_DIR": str(tmp_path)}
    command = [COMMAND, "lab", "--no-browser", "--port", str(port)]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        try:
            listed = _listing(f"http://127.0.0.1:{port}/api/contents?token=made-up", process)
        finally:
            for _ in range(2):  # the second one means it
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=5)
            process.wait(timeout=20)
    assert {f"{name}.ipynb" for name in reports.templates()} <= listed


def _listing(url: str, process: subprocess.Popen[bytes]) -> set[str]:
    """Return the names that a server lists, as soon as it answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(url, timeout=5) as answer:
            return {entry["name"] for entry in json.load(answer)["content"]}
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.2)  # until it listens, or ends
    raise AssertionError("JupyterLab did not answer")
