"""The notebooks and the widgets in a real JupyterLab and a real browser, with the network cut off."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from augment_insights import reports
from augment_insights.sample import roster_csv

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))

SETTINGS = {"notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}}
"""JupyterLab asks its reader about news, which covers the corner of the notebook, and looks for updates."""

NOT_OURS = re.compile(
    r"favicon|jupyter-?lab.*translation|ERR_BLOCKED_BY_CLIENT.*listings|sourcemap|ResizeObserver", re.IGNORECASE
)
"""What JupyterLab itself grumbles about."""

SECONDS = 120_000
"""The longest that anything may take, in milliseconds: for a machine with other work to do."""

EXPLORE = """
from augment_insights import Client, widgets
client = Client.sample(today="2026-11-22")
widgets.explore(client, start_date="2026-10-05", end_date="2026-11-01", roster="roster.csv")
"""

LONG = """
from datetime import UTC, datetime
from augment_insights import Client, widgets
from augment_insights.sample import AnalyticsApp, SampleOrganisation, serve
now = datetime.now(UTC)
served = serve(AnalyticsApp(SampleOrganisation(now.date()), now=lambda: datetime.now(UTC)))
client = Client("made-up", base_url=served.__enter__(), cache=False, burst=6, plan_above=5)
widgets.explore(client)
"""
"""An API that is not in this process, and a rate limit that holds after six requests."""


@dataclass
class Lab:
    """One server for all tests."""

    url: str
    folder: Path

    def add(self, name: str, *cells: str) -> str:
        """Write a notebook into the server's folder, and return its name."""
        notebook = new_notebook(cells=[new_code_cell(cell.strip()) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.folder / f"{name}.ipynb")
        return name

    def end_kernels(self) -> None:
        """Shut all kernels down: two cores carry one at a time."""
        with urllib.request.urlopen(f"{self.url}/api/kernels") as answer:
            kernels = json.load(answer)
        for kernel in kernels:
            request = urllib.request.Request(f"{self.url}/api/kernels/{kernel['id']}", method="DELETE")
            with suppress(OSError):
                urllib.request.urlopen(request).close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[Lab]:
    """Start JupyterLab on a copy of the templates, with settings, caches and a home of its own."""
    base = tmp_path_factory.mktemp("lab")
    folder = base / "work"
    folder.mkdir()
    for template in TEMPLATES:
        shutil.copy(ROOT / "notebooks" / f"{template}.ipynb", folder)
    (folder / "roster.csv").write_text(roster_csv(date(2026, 11, 22)))
    settings = base / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    for name, values in SETTINGS.items():
        (settings / f"{name}.jupyterlab-settings").write_text(json.dumps(values))
    tracker = base / "settings" / "@jupyterlab" / "notebook-extension"
    tracker.mkdir(parents=True)
    # All cells are in the document, seen or not: nothing waits for being scrolled to.
    (tracker / "tracker.jupyterlab-settings").write_text(json.dumps({"windowingMode": "none"}))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--LabApp.news_url="),
            *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token="),
            *(f"--ServerApp.root_dir={folder}", "--ServerApp.disable_check_xsrf=True"),
        ],
        env=_environment(base),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    with process, (base / "log").open("wb") as log:
        reading = _started(process, log)
        try:
            yield Lab(f"http://127.0.0.1:{port}", folder)
        finally:
            process.terminate()
            reading.join(30)


def _environment(base: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AUGMENT", "JUPYTER", "XDG"))}
    return {
        **kept,
        "HOME": str(base),
        "IPYTHONDIR": str(base / "ipython"),
        "JUPYTER_CONFIG_DIR": str(base / "config"),
        "JUPYTER_RUNTIME_DIR": str(base / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(base / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(base / "workspaces"),
        "AUGMENT_INSIGHTS_CACHE": str(base / "cache"),
        "PYTHONPATH": str(ROOT),
    }


def _started(process: subprocess.Popen[bytes], log: BinaryIO) -> threading.Thread:
    """Read what the server says until it is ready, and leave the rest to a thread: a full pipe would stop it."""
    assert process.stdout is not None
    for line in process.stdout:
        log.write(line)
        if b"Use Control-C to stop this server" in line:
            reading = threading.Thread(target=shutil.copyfileobj, args=(process.stdout, log), daemon=True)
            reading.start()
            return reading
    log.flush()
    raise AssertionError(f"JupyterLab did not start:\n{Path(log.name).read_text()}")


@dataclass
class Opened:
    """A notebook in the browser, and what went wrong or out meanwhile."""

    page: Any
    outside: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)

    def draws(self, charts: int) -> None:
        """Wait until so many charts are drawn by JupyterLab itself, and not shown as pictures."""
        self.page.wait_for_function(
            "count => document.querySelectorAll('svg.marks').length === count", arg=charts, timeout=SECONDS
        )

    def wait_for_kernel(self) -> None:
        """Wait until the kernel has started: one that is being started cannot be ended."""
        bar = self.page.locator("#jp-main-statusbar")
        bar.get_by_text(re.compile(r"Python 3.*Idle")).wait_for(timeout=SECONDS)

    def run(self) -> None:
        """Run all cells, and wait until the last has ended."""
        page = self.page
        self.wait_for_kernel()
        page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Run$")).click()
        page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Run All Cells$")).click()
        page.wait_for_function(
            """() => {
                const cells = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell')];
                const prompts = cells.map(cell => cell.querySelector('.jp-InputPrompt')?.textContent ?? '');
                return prompts.length && prompts.every(prompt => /\\[\\d+\\]/.test(prompt));
            }""",
            timeout=SECONDS,
        )

    def errors(self) -> list[str]:
        """Return the errors that cells show."""
        return self.page.locator(
            '.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]'
        ).all_inner_texts()

    def select(self, label: str, option: str) -> None:
        """Choose from a control, as somebody does who knows its label only."""
        self.page.get_by_label(label, exact=True).select_option(label=option)

    def see(self, words: str | re.Pattern[str]) -> None:
        """Wait until the words are to be seen."""
        self.page.locator(".jp-Notebook .jp-OutputArea").get_by_text(words).first.wait_for(timeout=SECONDS)

    def chart_says(self, words: str) -> None:
        """Wait until the chart has the words: in its title, its subtitle or on its axes."""
        self.page.locator("svg.marks text", has_text=words).first.wait_for(timeout=SECONDS)


@pytest.fixture
def open_notebook(lab, browser) -> Iterator[Any]:
    """Open notebooks; at the end of the test, nothing may have gone out and nothing of ours failed."""
    context = browser.new_context(viewport={"width": 1500, "height": 2600})
    opened: list[Opened] = []

    def refuse_outside(route) -> None:
        if route.request.url.startswith((lab.url, "data:", "blob:")):
            route.continue_()
        else:
            opened[-1].outside.append(route.request.url)
            route.abort()

    def open_it(name: str) -> Opened:
        page = context.new_page()
        notebook = Opened(page)
        opened.append(notebook)
        page.on("console", lambda said: notebook.console.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: notebook.console.append(str(error)))
        page.goto(f"{lab.url}/lab/tree/{name}.ipynb?reset")
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=SECONDS)
        return notebook

    context.route("**/*", refuse_outside)
    yield open_it
    context.close()
    lab.end_kernels()
    assert [url for notebook in opened for url in notebook.outside] == []
    assert [line for notebook in opened for line in notebook.console if not NOT_OURS.search(line)] == []


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_runs_from_top_to_bottom(open_notebook, template):
    """No cell fails, JupyterLab draws the charts itself, nothing asks the network, and the console stays silent."""
    notebook = open_notebook(template)
    notebook.run()
    assert notebook.errors() == []
    notebook.page.locator("svg.marks").first.wait_for(timeout=SECONDS)


def test_a_finished_notebook_that_nobody_trusts_draws_its_charts(open_notebook, lab, tmp_path):
    """As it comes by mail: run elsewhere, opened here, no cell run again; each chart live, none a picture."""
    report = reports.write("overview", output_dir=tmp_path)
    (finished,) = (path for path in report.paths if path.suffix == ".ipynb")
    shutil.copy(finished, lab.folder / "finished.ipynb")
    notebook = open_notebook("finished")
    notebook.wait_for_kernel()
    notebook.draws(7)
    assert notebook.page.locator('.jp-OutputArea-output img[src^="data:image/png"]').count() == 0
    assert notebook.errors() == []


def test_the_explorer_is_driven(open_notebook, lab):
    """Period, team, range and question are changed by their labels, and each redraw is seen; files are downloaded."""
    notebook = open_notebook(lab.add("driven", EXPLORE))
    notebook.run()
    notebook.chart_says("Weekly active users")
    assert not notebook.page.get_by_label("Measure", exact=True).is_visible()
    notebook.select("Period", "Month")
    notebook.chart_says("Monthly active users")
    notebook.select("Period", "Week")
    notebook.select("Team", "Payments")
    notebook.chart_says("people, Payments")
    notebook.page.get_by_label("To", exact=True).fill("2026-10-18")
    notebook.chart_says("data to 18 Oct 2026")
    notebook.select("Question", "How much of what is suggested is accepted?")
    notebook.chart_says("cceptance")
    notebook.page.get_by_label("Folder", exact=True).fill("saved")
    notebook.page.get_by_label("Folder", exact=True).press("Enter")
    for kind in ("PNG", "CSV", "XLSX"):
        notebook.page.get_by_role("button", name=re.compile(kind)).click()
        notebook.see(re.compile(rf"Saved: .*\.{kind.lower()}"))
        with notebook.page.expect_download() as started:
            notebook.page.get_by_role("link", name=re.compile(rf"Download .*\.{kind.lower()}")).click()
        (written,) = (lab.folder / "saved").glob(f"*.{kind.lower()}")
        assert Path(started.value.path()).read_bytes() == written.read_bytes()
    saved = sorted(path.suffix for path in (lab.folder / "saved").iterdir())
    assert saved == [".csv", ".png", ".xlsx"]
    notebook.page.get_by_label("From", exact=True).fill("2019-01-01")
    notebook.see(re.compile("over two years back"))
    assert notebook.errors() == []


def test_charts_follow_the_theme_and_what_is_saved_stays_white(open_notebook, lab):
    """From light to dark while they stand there: paper, title and axes; the menu's picture keeps its white paper."""
    notebook = open_notebook(lab.add("dark", EXPLORE))
    notebook.run()
    notebook.chart_says("Weekly active users")
    page = notebook.page
    chart = page.locator("svg.marks").first
    title = chart.locator("text", has_text="Weekly active users").first

    def colors() -> tuple[str, str]:
        paper = chart.evaluate("chart => getComputedStyle(chart).backgroundColor")
        return paper, title.evaluate("text => getComputedStyle(text).fill")

    assert colors() == ("rgb(255, 255, 255)", "rgb(27, 31, 36)")
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Settings$")).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Theme$")).hover()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile("^JupyterLab Dark$")).click()
    page.wait_for_function("document.body.dataset.jpThemeLight === 'false'", timeout=SECONDS)
    page.wait_for_function(
        "getComputedStyle(document.querySelector('svg.marks')).backgroundColor !== 'rgb(255, 255, 255)'",
        timeout=SECONDS,
    )
    assert colors() == ("rgb(17, 17, 17)", "rgb(232, 235, 239)")
    chart.hover()
    page.locator(".vega-embed summary").first.click()
    with page.expect_download() as started:
        page.get_by_text("Save as SVG").first.click()
    saved = Path(started.value.path()).read_text("utf-8")
    assert "#1b1f24" in saved
    assert "#e8ebef" not in saved


def test_a_day_can_be_typed(open_notebook, lab):
    """Digit by digit, the year last: what is half typed is not put right under one's fingers."""
    notebook = open_notebook(lab.add("typed", EXPLORE))
    notebook.run()
    notebook.chart_says("Weekly active users")
    field = notebook.page.get_by_label("To", exact=True)
    field.focus()
    notebook.page.keyboard.type("10252026")
    notebook.chart_says("data to 25 Oct 2026")
    assert field.input_value() == "2026-10-25"


def test_a_long_fetch_is_offered_begun_and_cancelled(open_notebook, lab):
    """The cost is shown before anything is fetched; the bar moves; Cancel ends it, and says that nothing is lost."""
    notebook = open_notebook(lab.add("long", LONG))
    notebook.run()
    notebook.see(re.compile(r"not loaded yet: .*requests.* at the API's rate limit"))
    notebook.page.get_by_role("button", name="Fetch").click()
    notebook.see(re.compile(r"\d+ of \d+ requests, .* left at the rate limit"))
    notebook.page.get_by_role("button", name="Cancel").click()
    notebook.see(re.compile("Cancelled. Data already received is cached"))
    assert notebook.page.get_by_role("button", name="Fetch").is_visible()
    assert notebook.errors() == []
