"""A run: refused before it starts, or finished whole, or failed with its words and nothing half."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from augment_insights import reports
from augment_insights.errors import ConfigurationError, DateRangeError, InsightsError, ReportError, TableError
from augment_insights.reports import Page, run

PARAMETERS = 'start_date: str | None = None\nsource: str = "sample"\noutput_dir: str = "reports"\ncolour = "red"'
HALF = "from pathlib import Path; Path(output_dir, 'mine.html').write_text('half')"
TOKEN = "aug_live_0123456789abcdefABCDEF0123456789"
UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
WEB_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
SECRET = "looks like a token"
NO_SECRETS = (
    "roster-2026-11-platform-and-web-teams.csv",
    "/home/ada/rosters/2026/roster-of-platform-and-web.csv",
    "platform-and-web-2026-all-of-the-people",
    "Kubernetes.Operators.Platform.2026.North",
)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*")) if folder.exists() else []


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"color": "blue"}, ReportError, "did you mean 'colour'"),
        ({"end_date": "2026-01-01"}, ReportError, "has no parameter 'end_date'"),
        ({"colour": object()}, ReportError, "cannot hold"),
        ({"names": "shwo"}, ReportError, r"names='shwo' is not valid\. Choose 'show', 'pseudonyms' or 'hide'\."),
        ({"every": 7}, ReportError, r"every=7 is not valid\. Choose '1d' or '1w'"),
        ({"source": "sampel"}, ReportError, "Choose 'api' or 'sample'"),
        ({"formats": ("pdf",)}, ReportError, "no parameter 'formats'"),
        ({"start_date": "yesterday"}, DateRangeError, "start_date='yesterday'"),
        ({"start_date": "2026-02-01", "end_date": date(2026, 1, 1)}, DateRangeError, "ends before it starts"),
        ({"source": "api"}, ConfigurationError, "AUGMENT_API_TOKEN"),
    ],
)
def test_parameters_are_checked_before_anything_runs(asked, error, words, make_notebook, tmp_path):
    """An unknown one, one that no cell can hold or that is none of its choices, days that are none: no kernel."""
    cell = f'from typing import Literal\n{PARAMETERS}\nnames: Literal["show", "pseudonyms", "hide"] = "show"'
    notebook = make_notebook(f'{cell}\nevery: Literal["1d", "1w"] = "1w"', f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(error, match=words):
        reports.write(notebook, output_dir=tmp_path / "out", **asked)
    assert {"ran", "out"}.isdisjoint(names_in(tmp_path))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        *(({name: "x"}, SECRET) for name in ("api_token", "password")),
        *(({"colour": value}, SECRET) for value in (TOKEN, f"Bearer {TOKEN}", ["red", "mine"], UUID, WEB_TOKEN)),
        *(({"colour": name, "unknown": 1}, "has no parameter 'unknown'") for name in NO_SECRETS),
    ],
)
def test_a_token_among_the_parameters_is_refused_and_a_name_or_path_is_none(
    parameters, words, make_notebook, monkeypatch
):
    """By its name, by its look, or because it is the environment's own; and it is not repeated."""
    monkeypatch.setenv("AUGMENT_API_TOKEN", "mine")
    with pytest.raises(ReportError, match=words) as caught:
        reports.write(make_notebook(PARAMETERS), **parameters)
    assert TOKEN not in str(caught.value)


def test_what_is_not_on_this_machine_is_told_before_a_kernel_starts(make_notebook, tmp_path, monkeypatch):
    """A roster that is no file, and the extra that a PDF needs: nothing is written, not even a failed notebook."""
    notebook = make_notebook(f"{PARAMETERS}\nroster: str | None = None\nformats: tuple[str, ...] = ('html',)")
    out = tmp_path / "out"
    with pytest.raises(ReportError, match=r"roster='none\.csv': there is no such file"):
        reports.write(notebook, output_dir=out, roster="none.csv")
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(ReportError, match="needs the extra 'pdf'"):
        reports.write(notebook, output_dir=out, formats=("html", "pdf"))
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("metric,value,date,text\nactive,5,soon,Training\n")
    for name, words in (("targets", "did you mean 'active_users'"), ("events", "date='soon' is not a day")):
        with pytest.raises(InsightsError, match=words):
            reports.write("overview", output_dir=out, **{name: str(wrong)})
    with pytest.raises(ConfigurationError, match="'DX' is not a country that is known"):
        reports.write("overview", output_dir=out, calendar="DX")
    assert names_in(out) == []


@pytest.mark.slow
@pytest.mark.usefixtures("no_room")
def test_a_full_disk_ends_a_report_with_one_line(make_notebook, tmp_path):
    """The disk's words, not those of whoever stumbles over half a notebook; and nothing half is left."""
    with pytest.raises(ReportError, match=r"'mine' cannot be written to .*out: File too large\. Hint: make room"):
        reports.write(make_notebook(PARAMETERS, "print('x' * 40_000)"), output_dir=tmp_path / "out")
    assert names_in(tmp_path / "out") == []


@pytest.mark.slow
def test_a_finished_report_has_its_page_and_its_notebook_under_one_name(make_notebook, tmp_path, monkeypatch, capfd):
    """Run with this Python whatever kernel is installed, here, braces or not; no hidden place, no last words."""
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "jupyter" / "kernels" / "python3"
    other.mkdir(parents=True)
    other.joinpath("kernel.json").write_text('{"argv": ["false"], "display_name": "Other", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    notebook = make_notebook(
        PARAMETERS,
        "import os, sys; from pathlib import Path\n"
        "print(sys.executable); print(os.getcwd()); print(start_date, colour)",
        "Path(output_dir, 'mine-2026.html').write_text('page'); print(output_dir)",
        "import atexit, os; atexit.register(os.system, 'echo socket is gone; echo on non-socket >&2'); None",
    )
    out = Path("my {reports}")
    report = reports.write(notebook, start_date=date(2026, 1, 5), output_dir=out, colour="blue")
    assert report.html == out / "mine-2026.html"
    assert report.notebook == out / "mine-2026.ipynb"
    assert report.paths == (report.html, report.notebook)
    assert names_in(out) == ["mine-2026.html", "mine-2026.ipynb"]
    assert report.html.read_text("utf-8") == "page"
    text = report.notebook.read_text("utf-8")
    outputs = [output["text"] for cell in json.loads(text)["cells"] for output in cell["outputs"]]
    printed = "".join("".join(output) for output in outputs).splitlines()
    assert [Path(printed[0]), Path(printed[1])] == [Path(sys.executable), tmp_path]
    assert printed[2:] == ["2026-01-05 blue", out.as_posix()]
    assert ".mine-" not in text
    assert "mine-2026.html" in report._repr_html_()
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero. "),
        ("from augment_insights import Client; Client()", "There is no API token. Hint: set the environment variable"),
    ],
)
def test_a_failing_cell_keeps_its_notebook_and_the_report_of_before(cell, words, make_notebook, tmp_path):
    """The error carries the cell's own line, of ours without its class; the page that was half done is not shown."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.html").write_text("before", "utf-8")
    notebook = make_notebook(PARAMETERS, HALF, cell)
    with pytest.raises(ReportError) as caught:
        reports.write(notebook, output_dir=out)
    assert f"stopped in cell {caught.value.cell}: {words}" in str(caught.value)
    assert names_in(out) == ["mine.failed.ipynb", "mine.html"]
    assert (out / "mine.html").read_text("utf-8") == "before"
    assert caught.value.saved_to == out / "mine.failed.ipynb"
    assert caught.value.template == "mine"
    cells = json.loads(caught.value.saved_to.read_text("utf-8"))["cells"]
    assert [one["execution_count"] for one in cells if "".join(one["source"]) == cell] == [caught.value.cell]


@pytest.mark.slow
def test_a_kernel_that_dies_is_told_with_its_last_words(make_notebook, tmp_path, capfd):
    """No cell has an error then: only the process can have said why."""
    die = "import os, sys; os.write(sys.__stderr__.fileno(), b'one\\nout of memory\\n'); os._exit(3)"
    with pytest.raises(ReportError, match="stopped before its end: DeadKernelError: Kernel died") as caught:
        reports.write(make_notebook(PARAMETERS, die), output_dir=tmp_path)
    assert "The kernel's last words: out of memory. The notebook as far as it got: " in str(caught.value)
    assert caught.value.cell is None
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def stopped(make_notebook, tmp_path) -> Callable[[signal.Signals], int]:
    """Run a report in a process of its own, signal that process in the middle of a cell; return the kernel's id."""
    mark, out = tmp_path / "kernel", tmp_path / "out"
    notebook = make_notebook(
        PARAMETERS, HALF, f"import os, time; Path({str(mark)!r}).write_text(str(os.getpid())); time.sleep(600)"
    )
    code = f"from augment_insights import reports; reports.write({str(notebook)!r}, output_dir={str(out)!r})"

    def stop(how: signal.Signals) -> int:
        # A group of its own, as a terminal gives each command, so that the signal reaches it alone.
        with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, start_new_session=True) as running:
            give_up = time.monotonic() + 60
            while not (mark.exists() and mark.read_text("utf-8")) and time.monotonic() < give_up:
                assert running.poll() is None, running.communicate()
            assert [name for name in names_in(out) if name.startswith(".augment-insights")]
            os.killpg(running.pid, how)
            if how is signal.SIGKILL:  # nobody is left who could stop the kernel
                os.kill(int(mark.read_text("utf-8")), how)
            running.communicate(timeout=60)
        assert running.returncode != 0
        return int(mark.read_text("utf-8"))

    return stop


@pytest.mark.slow
def test_a_run_that_is_interrupted_leaves_nothing(stopped, tmp_path):
    """Ctrl-C in the middle of a cell: no report, no hidden folder, no kernel left."""
    kernel = stopped(signal.SIGINT)
    assert names_in(tmp_path / "out") == []
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_no_half_report_and_the_next_sweeps_up(stopped, make_notebook, tmp_path):
    """SIGKILL for the whole process group: the report of before stands, the rest is hidden, and goes after a day."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.html").write_text("before", "utf-8")
    stopped(signal.SIGKILL)
    assert (out / "mine.html").read_text("utf-8") == "before"
    (hidden,) = (path for path in out.iterdir() if path != out / "mine.html")
    assert hidden.name.startswith(".")
    fresh = out / ".augment-insights-of-a-run-under-way"
    fresh.mkdir()
    two_days_ago = time.time() - 2 * 24 * 3600
    for path in (*hidden.iterdir(), hidden):
        os.utime(path, (two_days_ago, two_days_ago))
    reports.write(make_notebook(PARAMETERS, name="next"), output_dir=out)
    assert not hidden.exists()
    assert fresh.is_dir()


@pytest.mark.slow
def test_a_notebook_is_the_same_bytes_again_and_holds_no_name_where_none_is_to_be_shown(make_notebook, tmp_path):
    """Neither clock nor chance in it; e-mails in what cells print, warn and show are gone."""
    cell = (
        "import sys, warnings; print('ada@x.io'); print('bob@x.io', file=sys.stderr)\n"
        "warnings.warn('cleo@x.io'); {'<b>dan@x.io</b>': 'a' * 100_000}"
    )
    notebook = make_notebook('names: str = "show"', cell)
    hidden = [reports.write(notebook, output_dir=tmp_path / name, names="hide").notebook for name in ("one", "two")]
    texts = [path.read_text("utf-8") for path in hidden]
    assert texts[0] == texts[1]
    outputs = json.dumps([cell["outputs"] for cell in json.loads(texts[0])["cells"]])
    assert "@x.io" not in outputs
    assert outputs.count("(name hidden)") >= 4
    shown = reports.write(notebook, output_dir=tmp_path / "shown").notebook.read_text("utf-8")
    assert "ada@x.io" in json.dumps([cell["outputs"] for cell in json.loads(shown)["cells"]])


@pytest.mark.slow
def test_a_report_for_each_team_and_one_that_fails_does_not_stop_the_others(make_notebook, tmp_path):
    """One of two teams is finished, the other is told with its reason; on the command line that is exit code 1."""
    roster = tmp_path / "roster.csv"
    roster.write_text("user,team\nb@x.io,R/D\nc@x.io,=Broken\nd@x.io,\n", "utf-8")
    notebook = make_notebook(
        'team: str | None = None\nroster: str | None = None\nsource: str = "sample"\noutput_dir: str = "reports"',
        "from pathlib import Path; from augment_insights.export import file_name\n"
        "assert team != '=Broken', 'no such luck'\n"
        "Path(output_dir, f'mine-{file_name(team)}.html').write_text(team)",
    )
    out = tmp_path / "out"
    batch = reports.write_each(notebook, per="team", roster=roster, output_dir=out)
    assert list(batch.reports) == ["R/D"]
    assert [report.html.read_text("utf-8") for report in batch.reports.values() if report.html] == ["R/D"]
    assert list(batch.failures) == ["=Broken"]
    assert "no such luck" in str(batch.failures["=Broken"])
    assert len(batch.paths) == 2
    assert len([name for name in names_in(out) if name.endswith(".failed.ipynb")]) == 1
    command = [Path(sys.executable).with_name("augment-insights"), "report", notebook, "--sample", "--per", "team"]
    roster.write_text("user,team\nc@x.io,=Broken\n", "utf-8")
    done = subprocess.run(
        [*command, "--roster", roster, "--output-dir", out], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line.startswith("Error: =Broken: ")]
    assert done.stdout == ""


@pytest.mark.slow
def test_a_report_for_each_value_of_any_column_has_files_and_a_title_of_its_own(make_notebook, tmp_path):
    """Of names that one disk takes for another, too; a column that the roster lacks, or no roster, starts nothing."""
    roster, out = tmp_path / "roster.csv", tmp_path / "out"
    units = ["Data Platform", "data-platform", "DATA PLATFORM"]
    roster.write_text("\n".join(["user,unit", *(f"u{n}@x.io,{unit}" for n, unit in enumerate(units))]), "utf-8")
    notebook = make_notebook(
        'team: str = None\nroster: str = None\nteam_column: str = "team"\nsource: str = "sample"\n'
        'output_dir: str = "reports"\nformats: list[str] = ["html"]',
        "from augment_insights import reports; study = reports.study(globals())\n"
        "page = study.page('Mine', template='mine'); page.save(output_dir, formats)",
    )
    batch = reports.write_each(notebook, per="unit", roster=roster, formats=["html", "csv"], output_dir=out)
    assert (batch.failures, list(batch.reports)) == ({}, sorted(units))
    assert len({str(path).casefold() for path in batch.paths}) == len(batch.paths) >= 3 * 3
    for unit, report in batch.reports.items():
        assert report.html is not None
        assert f"<title>Mine · unit {unit} · " in report.html.read_text("utf-8")
    with pytest.raises(ConfigurationError, match=r"no column 'units'.*did you mean 'unit'"):
        reports.write_each(notebook, per="units", roster=roster, output_dir=out)
    with pytest.raises(ReportError, match="no parameter 'team_column'"):
        reports.write_each(make_notebook("team: str = None", name="other"), per="unit", output_dir=out)
    unknown = {"roster": roster, "team": "Data", "team_column": "unit", "output_dir": tmp_path / "none"}
    with pytest.raises(ConfigurationError, match="no unit 'Data'"):
        reports.write(notebook, **unknown)
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_a_report_for_each_month_has_the_months_days(make_notebook, tmp_path):
    """The first and the last as far as the days go."""
    notebook = make_notebook(
        "start_date: str | None = None\nend_date: str | None = None\n"
        'source: str = "sample"\noutput_dir: str = "reports"',
        "from pathlib import Path; Path(output_dir, f'{start_date}.html').write_text(end_date)",
    )
    batch = reports.write_each(
        notebook, per="month", start_date="2026-01-20", end_date="2026-02-28", output_dir=tmp_path / "out"
    )
    assert batch.failures == {}
    told = {name: (report.html.stem, report.html.read_text()) for name, report in batch.reports.items() if report.html}
    assert told == {"2026-01": ("2026-01-20", "2026-01-31"), "2026-02": ("2026-02-01", "2026-02-28")}


@pytest.mark.slow
def test_files_and_folders_of_formats_land_together(make_notebook, tmp_path):
    """A folder of an earlier report is replaced whole; the notebook has the name of the rest."""
    notebook = make_notebook(
        'formats: list[str] = ["html"]\noutput_dir: str = "reports"\nextra: str = "one"',
        "import polars as pl; from augment_insights.reports import Page\n"
        "page = Page('T', population='p', as_of=None, range_asked='', name='mine-1')\n"
        "page.raw(extra, pl.DataFrame({'n': [1]})).save(output_dir, formats)",
    )
    out = tmp_path / "out"
    older = Page("T", population="p", as_of=None, range_asked="", name="mine-1").raw("one", pl.DataFrame({"n": [1]}))
    older.save(out, ["csv"])
    report = reports.write(notebook, formats=("csv", "xlsx", "ipynb"), output_dir=out, extra="two")
    assert [str(path.relative_to(out)) for path in report.paths] == [
        *("mine-1-csv/manifest.json", "mine-1-csv/two.csv", "mine-1.manifest.json", "mine-1.xlsx", "mine-1.ipynb")
    ]
    assert all(path.is_file() for path in report.paths)
    assert report.html is None
    assert names_in(out / "mine-1-csv") == ["manifest.json", "two.csv"]
    assert not [name for name in names_in(out) if name.startswith(".")]


def test_a_built_notebook_needs_a_page_and_says_where_it_stopped(make_notebook):
    """No page, and a cell that fails."""
    with pytest.raises(ReportError, match="builds no page"):
        reports.build(make_notebook(PARAMETERS, "pages = 1"))
    with pytest.raises(ReportError, match="stopped in cell 2: ZeroDivisionError") as caught:
        reports.build(make_notebook(PARAMETERS, "1 / 0"))
    assert caught.value.cell == 2


ROSTER_OF_NINE = "user,team\n" + "".join(f"p{n}@x.io,{'Web' if n < 6 else 'Three'}\n" for n in range(9))
SHARED = (
    'names: str = "hide"\nmin_group_size: int = 5\nteam: str | None = None\nroster: str | None = None\n'
    'source: str = "sample"\noutput_dir: str = "reports"'
)


@pytest.mark.parametrize("names", ["hide", "pseudonyms"])
def test_a_report_of_a_small_team_is_refused_before_a_kernel_starts(names, make_notebook, tmp_path, monkeypatch):
    """One line says so, for one team and for each; nothing is written."""
    roster, out = tmp_path / "roster.csv", tmp_path / "out"
    roster.write_text(ROSTER_OF_NINE, "utf-8")
    notebook = make_notebook(SHARED, "raise AssertionError")
    started = []
    monkeypatch.setattr(run, "_run_notebook", lambda *_paths, **more: started.append(more))
    with pytest.raises(ConfigurationError, match=r"^The team 'Three' has fewer than 5 people.*$"):
        reports.write(notebook, team="Three", roster=roster, names=names, output_dir=out)
    with pytest.raises(ConfigurationError, match="The team 'Three' has fewer than 5 people"):
        reports.build(notebook, team="Three", roster=roster, names=names)
    batch = reports.write_each(notebook, per="team", roster=roster, names=names, min_group_size=7, output_dir=out)
    assert {team: "fewer than 7 people" in str(error) for team, error in batch.failures.items()} == {
        "Three": True,
        "Web": True,
    }
    assert started == []
    assert not out.exists()


@pytest.mark.parametrize("names", ["hide", "pseudonyms"])
def test_a_contradictory_roster_is_told_without_names(names, make_notebook, tmp_path):
    """By one report and by one for each team; whoever shows names is told whom to look for."""
    roster = tmp_path / "roster.csv"
    roster.write_text("user,team\nada@x.io,Web\nADA@x.io,Search\n", "utf-8")
    notebook = make_notebook(SHARED, "page = None")
    for call in (partial(reports.write, notebook), partial(reports.write_each, notebook, per="team")):
        with pytest.raises(TableError, match="different things about one user") as caught:
            call(roster=roster, names=names, output_dir=tmp_path / "out")
        assert "x.io" not in "".join(traceback.format_exception(caught.value))
        with pytest.raises(InsightsError, match="@x"):
            reports.write_each(notebook, per="team", roster=roster, names="show")


@pytest.mark.slow
def test_a_notebook_that_is_passed_on_holds_no_path_and_no_name(make_notebook, tmp_path):
    """Neither in its metadata nor in its cells; an error that it stopped with names nobody either."""
    roster = tmp_path / "roster.csv"
    roster.write_text(ROSTER_OF_NINE, "utf-8")
    done = reports.write(make_notebook(SHARED, "team"), roster=roster, output_dir=tmp_path / "out")
    text = done.notebook.read_text("utf-8")
    assert str(tmp_path / "roster") not in text
    assert "roster.csv" in text
    shown = reports.write(make_notebook(SHARED, "team"), roster=roster, names="show", output_dir=tmp_path / "out")
    assert str(tmp_path) not in json.dumps(json.loads(shown.notebook.read_text("utf-8"))["metadata"])
    failing = make_notebook(SHARED, "raise ValueError('no such luck, p1@' + 'x.' + 'io')")
    with pytest.raises(ReportError, match="no such luck") as caught:
        reports.write(failing, output_dir=tmp_path / "out")
    assert "x.io" not in "".join(traceback.format_exception(caught.value))


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
    found = reports.find(make_notebook(cell))
    with pytest.raises(ReportError, match=r"colour='green' is not valid\. Choose 'red', 'blue' or None"):
        found.check({"colour": "green"})
    found.check({"colour": None, "size": "large"})
    assert found.defaults == {"colour": None, "size": 1, "day": None}


@pytest.fixture
def waiting(serve, wire, monkeypatch, make_notebook) -> tuple[Any, Path]:
    """Serve lists of users; return the server, and a notebook that waits a second for each of four after the first."""
    api = serve(lambda asked: wire.respond(wire.dau_page(asked.params["date"], ["a@example.com"])))
    monkeypatch.setenv("AUGMENT_API_URL", api.url)
    monkeypatch.setenv("AUGMENT_API_TOKEN", "made-up")
    cell = (
        "from augment_insights import Client, fetch; client = Client(requests_per_minute=60, burst=1)\n"
        "fetch.dau(start_date='2026-03-01', end_date='2026-03-05', client=client).height"
    )
    return api, make_notebook('output_dir: str = "reports"', cell)


@pytest.mark.slow
@pytest.mark.parametrize("style", ["lines", "bar", "off"])
def test_a_run_says_how_long_it_waits_for_the_rate_limit(style, waiting, tmp_path, monkeypatch, capfd):
    """Lines for a log, a bar that is wiped away for a terminal, on stderr; the notebook stays the same bytes."""
    monkeypatch.setenv("AUGMENT_INSIGHTS_PROGRESS", style)
    report = reports.write(waiting[1], output_dir=tmp_path / "out")
    out, err = capfd.readouterr()
    shown = [line.strip() for line in re.split(r"[\r\n]", err) if line.strip()]
    assert out == ""
    assert bool(shown) == (style != "off")
    assert all(re.fullmatch(r"dau: .*\d(/| of )5 requests(, \d s left at the rate limit)?", line) for line in shown)
    assert err.endswith(f"\r{'':<100}\r" if style == "bar" else "dau: 5 of 5 requests\n" if shown else "")
    outputs = json.loads(report.notebook.read_text("utf-8"))["cells"][-1]["outputs"]
    assert [output["output_type"] for output in outputs] == ["execute_result"]


@pytest.mark.slow
def test_ctrl_c_says_that_the_next_run_goes_on_and_it_does(waiting, tmp_path):
    """In the middle of a wait: one line, no traceback; what was fetched before is not asked for again."""
    api, notebook = waiting
    command = [Path(sys.executable).with_name("augment-insights"), "report", notebook, "--output-dir", tmp_path / "out"]
    environment = os.environ | {"AUGMENT_INSIGHTS_PROGRESS": "lines"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert "of 5 requests" in running.stderr.readline()
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert said.splitlines()[-1].endswith("What has come so far is kept: the same command goes on from there.")
    assert "Traceback" not in said
    first = api.count
    assert 1 < first < 5
    subprocess.run(command, env=environment, capture_output=True, check=True)
    assert api.count <= 6, "one request may have been under way"
