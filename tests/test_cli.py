"""The command line, run as a user runs it in a process of its own; templates and JupyterLab that it gives."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from augment_insights import Client, fetch, reports
from augment_insights.errors import ReportError

COMMAND = str(Path(sys.executable).with_name("augment-insights"))


def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command and return what it said."""
    return subprocess.run([COMMAND, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def test_help_names_every_command():
    """``--help`` lists the commands and says where the token comes from."""
    shown = run("--help").stdout
    for word in ("report", "fetch", "cache", "serve", "sample-roster", "AUGMENT_API_TOKEN"):
        assert word in shown


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["parquet", "csv", "ndjson"])
def test_fetch_writes_the_table(tmp_path, ending):
    """``fetch`` leaves the rows that the function of the same name returns."""
    out = tmp_path / f"days.{ending}"
    before = fetch.dau_count(client=Client.sample())
    done = run("fetch", "dau-count", "--sample", "--out", out)
    assert done.returncode == 0, done.stderr
    last = Client.sample().now().date() - timedelta(days=1)
    assert done.stdout == f"{out}: 7 rows, {last - timedelta(days=6)} to {last}\n"
    read = {"parquet": pl.read_parquet, "csv": pl.read_csv, "ndjson": pl.read_ndjson}[ending](out)
    after = fetch.dau_count(client=Client.sample())  # another week than before, if a day has ended meanwhile
    assert read["user_count"].to_list() in (before["user_count"].to_list(), after["user_count"].to_list())


def test_a_first_day_alone_runs_to_the_last_published_one_and_the_answer_can_be_json_or_silence(tmp_path):
    """Ten days, where the API's own rule gives seven: the same days as a report of that first day."""
    last = Client.sample().now().date() - timedelta(days=1)
    first = last - timedelta(days=9)
    asked = ("fetch", "daily_usage", "--sample", "--start-date", first.isoformat(), "--out", tmp_path / "days.csv")
    told = json.loads(run(*asked, "--json").stdout)
    assert told == {"path": str(tmp_path / "days.csv"), "rows": 10, "first_day": str(first), "last_day": str(last)}
    silent = run(*asked, "--quiet")
    assert (silent.returncode, silent.stdout, silent.stderr) == (0, "", "")
    (tmp_path / "roster.csv").write_text("user,team\nann@example.com,Web\n")
    refused = run("report", "overview", "--sample", "--roster", tmp_path / "roster.csv", "-p", "names=all", "--quiet")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)  # the error, and no word on the roster


@pytest.mark.slow
def test_the_list_of_reports_tells_what_they_are_about_and_their_parameters():
    """All of them in words and as JSON; of one, defaults and comments as well; and none is run."""
    shown = run("report", "--list").stdout
    assert all(f"{name} " in shown for name in reports.templates())
    assert all(reports.find(name).description in shown for name in reports.templates())
    assert "inactive_days" in shown
    listed = {one["name"]: one for one in json.loads(run("report", "--list", "--json").stdout)}
    assert list(listed) == reports.templates()
    assert listed["overview"]["parameters"][2] == {
        "name": "source",
        "default": "sample",
        "choices": ["sample", "api"],
        "help": '"sample", or "api" with AUGMENT_API_TOKEN',
    }
    assert "  inactive_days = 28  days without activity that are a lapse" in run("report", "retention", "--list").stdout
    assert run("report").returncode == 2


def test_a_shell_completes_commands_and_templates():
    """As the script that ``--show-completion`` prints asks for them."""
    asked = {**os.environ, "_AUGMENT_INSIGHTS_COMPLETE": "complete_bash", "COMP_CWORD": "2"}
    for words, expected in (("augment-insights report ret", "retention"), ("augment-insights cache cl", "clear")):
        told = subprocess.run([COMMAND], env=asked | {"COMP_WORDS": words}, capture_output=True, text=True, check=True)
        assert told.stdout.split() == [expected]
    env = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # whatever shell runs this test
    shown = subprocess.run([COMMAND, "--show-completion", "bash"], env=env, capture_output=True, text=True, check=True)
    assert "_AUGMENT_INSIGHTS_COMPLETE=complete_bash" in shown.stdout


def test_fetch_takes_periods(tmp_path):
    """``--every 1w`` gives each user one row a week: three of them in 15 days from a Monday."""
    out = tmp_path / "weeks.parquet"
    today = Client.sample().now().date()
    monday = today - timedelta(days=today.weekday() + 21)
    last = monday + timedelta(days=14)
    dates = ("--start-date", monday.isoformat(), "--end-date", last.isoformat())
    done = run("fetch", "user_activity", "--sample", "--every", "1w", *dates, "--out", out)
    assert done.returncode == 0, done.stderr
    starts = pl.read_parquet(out)["period_start"].unique().sort().to_list()
    assert starts == [monday, monday + timedelta(days=7), last]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fetch", "dua", "--sample", "--out", "x.csv"), "did you mean 'dau'"),
        (("fetch", "dau", "--sample", "--out", "x.xls"), "Known: csv, ndjson, parquet"),
        (("fetch", "dau", "--sample", "--every", "1w", "--out", "x.csv"), "takes no --every"),
        (("fetch", "dau", "--sample", "--date", "yesterday", "--out", "x.csv"), "write it as YYYY-MM-DD"),
        (("fetch", "dau", "--out", "x.csv"), "There is no API token"),
        (("report", "overveiw", "--sample"), "did you mean 'overview'"),
        (("report", "overview", "--sample", "-p", "source=api"), "source is given twice: by --sample and by --param"),
        (("report", "overview", "--sample", "--team", "Nobody"), "has no team 'Nobody'"),
        (("report", "overview", "--sample", "--format", "html,docx"), "docx"),
        (("report", "overview", "--sample", "--per", "manger"), "no column 'manger'"),
        (("report", "overveiw", "--list"), "did you mean 'overview'"),
        (("report", "overveiw", "--sample", "--quiet"), "did you mean 'overview'"),
        (("new", "retension"), "did you mean 'retention'"),
        (("fetch", "dau", "--sample", "--out", "a file/x.csv"), "a file: "),
        (("sample-roster", "a file/x.csv"), "a file/x.csv: "),
        (("compare", "a file", "a file"), "'a file' cannot be read: it is not JSON. Hint: make one with"),
        (("message", "a.json", "--as", "fax"), "kind='fax' is not valid. Choose 'chat' or 'email'."),
    ],
)
def test_an_error_is_one_line_and_exit_code_1(arguments, said, tmp_path):
    """What went wrong is said in one line, with what to do, and no traceback; nothing is written."""
    (tmp_path / "a file").write_text("")
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} <= {"a file", "home", "cache"}


STEERING = "\x1b[2J\x1b]0;mine\x07\x9b31m\u202e\nError: all is well"


def test_digests_are_posted_compared_and_tell_of_a_failure(tmp_path):
    """From the files of two runs, whatever a team is called; a roster that cannot be read is told in one line."""
    for name, active in (("old", 84), ("new", 87)):
        page = reports.Page("T\x1b[2J", population="people", as_of=date(2026, 3, 8), range_asked="", name="t")
        page.headline("Active", active).save_json(tmp_path / f"{name}.json")
    assert run("message", "new.json", "--link", "here", cwd=tmp_path).stdout.splitlines() == [
        *("*T\N{REPLACEMENT CHARACTER}(2J*", "people, data to 2026-03-08", "• Active: 87", "", "The whole report: here")
    ]
    assert "| Active | 84 | 87 |  |\n" in run("compare", "old.json", "new.json", cwd=tmp_path).stdout
    told = json.loads(run("compare", "old.json", "new.json", "--format", "json", cwd=tmp_path).stdout)
    assert (told["headlines"][0]["new_value"], told["is_comparable"]) == ("87", True)
    (tmp_path / "roster.csv").write_text("name\nAda\n", "utf-8")
    asked = ("report", "overview", "--sample", "--format", "json", "--roster", "roster.csv", "--output-dir", ".")
    done = run(*asked, cwd=tmp_path)
    failed = json.loads((tmp_path / "overview.failed.json").read_text("utf-8"))
    assert done.stderr == f"Error: {failed['message']} Hint: {failed['hint'][0].lower()}{failed['hint'][1:]}\n"
    assert (failed["error"], failed["notebook"]) == ("TableError", None)


@pytest.mark.parametrize("where", ["message", "unknown fields"])
def test_what_the_api_sends_neither_steers_nor_floods_a_terminal(where, serve, wire, tmp_path, monkeypatch):
    """Escape sequences, line breaks and megabytes, in an error's words or in the names of fields."""

    def answer(asked) -> bytes:
        if where == "message":
            return wire.refuse(403, code=STEERING, message=STEERING + "x" * 1_000_000)
        fields = {f"{STEERING}{n}": 1 for n in range(50_000)}
        return wire.respond(wire.dau_count(asked.params["start_date"], asked.params["end_date"]) | fields)

    monkeypatch.setenv("AUGMENT_API_URL", serve(answer).url)
    monkeypatch.setenv("AUGMENT_API_TOKEN", wire.TOKEN)
    done = run("fetch", "dau_count", "--out", "x.csv", cwd=tmp_path)
    assert done.returncode == (where == "message")
    assert len(done.stderr) < 3_000
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.stderr)
    assert done.stderr.count("\n") == 1


def test_a_narrow_encoding_does_not_end_finished_work(tmp_path, monkeypatch):
    """A letter that the terminal's encoding lacks is a question mark, after the file was written."""
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    done = run("sample-roster", "žofie.csv", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "?ofie.csv\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_what_is_printed_to_a_full_disk_ends_with_one_line():
    """Standard output may be a file: its disk is named as full, without a traceback."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([COMMAND, "--version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("Error: standard output: No space left on device. Hint: free space")


def test_serve_answers_until_interrupted_and_enforces_limits(tmp_path):
    """``serve`` puts given records on loopback, asks for a token, and refuses once twenty have gone at once."""
    records = tmp_path / "records.json"
    metrics = {"completions_count": 4, "completions_accepted": 1}
    one = {"date": "2026-03-02", "user_email": "ada@example.com", "language": "Go", "editor": "VSCode"}
    records.write_text(json.dumps({"records": [{**one, "metrics": metrics}]}))
    command = [COMMAND, "serve", "--records", str(records), "--port", "0", "--enforce-limits"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[2]
        request = urllib.request.Request(f"{url}/analytics/v0/dau", headers={"Authorization": "Bearer any"})
        codes = [status_of(request) for _ in range(40)]  # on a slow machine a token comes back among them
        server.send_signal(signal.SIGINT)
        said = server.communicate(timeout=20)[0]
    assert codes[:20] == [200] * 20
    assert set(codes[20:]) in ({429}, {200, 429})
    assert "Stopped." in said
    assert server.returncode == 0


def status_of(request: urllib.request.Request) -> int:
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_the_cache_is_described_and_cleared(connect, own_machine, api):
    """``cache info`` counts what a client kept, and ``cache clear`` leaves none of it."""
    with connect(api.url, clock=None) as client:
        fetch.dau_count(client=client)
    assert "1 answers, 0 expired" in run("cache", "info").stdout
    assert [file["answers"] for file in json.loads(run("cache", "info", "--json").stdout)["files"]] == [1]
    assert "Deleted 1 cache files with 1 answers" in run("cache", "clear").stdout
    assert "empty" in run("cache", "info").stdout
    assert not list((own_machine / "cache").glob("127*"))


def test_a_sample_roster_is_written(tmp_path):
    """``sample-roster`` leaves a CSV of users and teams; without a file it prints the same."""
    out = tmp_path / "roster.csv"
    assert run("sample-roster", out).returncode == 0
    assert {"user", "team", "licensed_from"} <= set(pl.read_csv(out).columns)
    assert run("sample-roster").stdout == out.read_text("utf-8")


def test_new_puts_a_copy_where_one_works_and_overwrites_only_when_forced(tmp_path):
    """Byte for byte the template, its path alone printed; what somebody wrote stays, unless --force is given."""
    work = tmp_path / "work"
    work.mkdir()
    done = run("new", "retention", cwd=work)
    assert (done.returncode, done.stdout, done.stderr) == (0, "retention.ipynb\n", "")
    assert (work / "retention.ipynb").read_bytes() == reports.find("retention").path.read_bytes()
    assert [path.name for path in work.iterdir()] == ["retention.ipynb"]
    mine = work / "mine.ipynb"
    mine.write_text("my own work")
    done = run("new", "overview", "mine.ipynb", cwd=work)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: 'mine.ipynb' is there already. Hint: ")
    assert mine.read_text() == "my own work"
    assert run("new", "overview", "mine.ipynb", "--force", cwd=work).returncode == 0
    assert mine.read_bytes() == reports.find("overview").path.read_bytes()


def test_a_path_without_the_ending_is_a_folder(tmp_path):
    """It is made if missing; a copy has its template's parameters; a file in the folder's place is an error of ours."""
    assert reports.new("explore", tmp_path / "a" / "b") == tmp_path / "a" / "b" / "explore.ipynb"
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="cannot be copied to"):
        reports.new("explore", tmp_path / "file" / "explore.ipynb")
    copy = reports.new("acceptance", tmp_path / "mine.ipynb")
    assert reports.find(copy).parameters == reports.find("acceptance").parameters


def test_an_installed_package_copies_its_templates_to_work_on(tmp_path, monkeypatch):
    """From a wheel there is no checkout: all templates are copied, and a changed one stays changed."""
    package = tmp_path / "site-packages" / "augment_insights"
    (package / "templates").mkdir(parents=True)
    for name in ("overview", "adoption"):
        (package / "templates" / f"{name}.ipynb").write_bytes(reports.find(name).path.read_bytes())
    monkeypatch.setattr("augment_insights.reports.run._PACKAGE", package)
    mine = tmp_path / "work"
    mine.mkdir()
    (mine / "overview.ipynb").write_text("changed")
    assert reports.workspace(mine) == mine
    assert (mine / "overview.ipynb").read_text() == "changed"
    assert (mine / "adoption.ipynb").read_bytes() == (package / "templates" / "adoption.ipynb").read_bytes()


@pytest.mark.slow
def test_lab_opens_on_the_templates_and_ends_with_ctrl_c(tmp_path):
    """A real JupyterLab lists every template at the top, also for root in a container; nothing is left running."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
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
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(url, timeout=5) as answer:
            return {entry["name"] for entry in json.load(answer)["content"]}
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.2)  # until it listens, or ends
    raise AssertionError("JupyterLab did not answer")
