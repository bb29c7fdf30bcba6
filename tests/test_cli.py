"""The command line, run as a user runs it: in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from augment_insights import Client, fetch
from augment_insights.sample import AnalyticsApp, RecordStore, serve

COMMAND = str(Path(sys.executable).with_name("augment-insights"))


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command and return what it said."""
    return subprocess.run(
        [COMMAND, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )


def test_help_names_every_command() -> None:
    """``--help`` lists the commands and says where the token comes from."""
    shown = run("--help").stdout
    for word in ("report", "fetch", "cache", "serve", "sample-roster", "AUGMENT_API_TOKEN"):
        assert word in shown


@pytest.mark.parametrize("ending", ["parquet", "csv", "ndjson"])
def test_fetch_writes_the_table(tmp_path: Path, ending: str) -> None:
    """``fetch`` leaves the rows that the function of the same name returns."""
    out = tmp_path / f"days.{ending}"
    before = fetch.dau_count(client=Client.sample())
    done = run("fetch", "dau-count", "--sample", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out}: 7 rows\n"
    read = {"parquet": pl.read_parquet, "csv": pl.read_csv, "ndjson": pl.read_ndjson}[ending](out)
    after = fetch.dau_count(client=Client.sample())  # another week than before, if a day has ended meanwhile
    assert read["user_count"].to_list() in (before["user_count"].to_list(), after["user_count"].to_list())


def test_fetch_takes_periods(tmp_path: Path) -> None:
    """``--every 1w`` gives each user one row a week: three of them in 15 days from a Monday."""
    out = tmp_path / "weeks.parquet"
    today = Client.sample().now().date()
    monday = today - timedelta(days=today.weekday() + 21)
    last = monday + timedelta(days=14)
    dates = ("--start-date", monday.isoformat(), "--end-date", last.isoformat())
    done = run("fetch", "user_activity", "--sample", "--every", "1w", *dates, "--out", str(out))
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
        (("fetch", "dau", "--sample", "--out", "a file/x.csv"), "a file: "),
        (("sample-roster", "a file/x.csv"), "a file/x.csv: "),
    ],
)
def test_an_error_is_one_line_and_exit_code_1(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    """What went wrong is said in one line, with what to do, and no traceback; nothing is written."""
    (tmp_path / "a file").write_text("")
    done = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.glob("x.*"))


def test_serve_answers_until_interrupted_and_enforces_limits(tmp_path: Path) -> None:
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


def test_the_cache_is_described_and_cleared(own_machine: Path) -> None:
    """``cache info`` counts what a client kept, and ``cache clear`` leaves none of it."""
    client_now = Client.sample().now
    with serve(AnalyticsApp(RecordStore([]), now=client_now)) as url, Client("secret-token", base_url=url) as client:
        fetch.dau_count(client=client)
    assert "1 answers, 0 expired" in run("cache", "info").stdout
    assert "Deleted 1 cache files with 1 answers" in run("cache", "clear").stdout
    assert "empty" in run("cache", "info").stdout
    assert not list((own_machine / "cache").glob("127*"))


def test_a_sample_roster_is_written(tmp_path: Path) -> None:
    """``sample-roster`` leaves a CSV of users and teams."""
    out = tmp_path / "roster.csv"
    assert run("sample-roster", str(out)).returncode == 0
    assert {"user", "team", "licensed_from"} <= set(pl.read_csv(out).columns)
