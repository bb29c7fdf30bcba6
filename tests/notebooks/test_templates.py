"""The templates: what all of them promise, run for real, and over organisations of any size."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import altair as alt
import papermill
import pytest

from augment_insights import reports
from augment_insights.periods import last_published_day
from augment_insights.sample import AnalyticsApp, RecordStore

TEMPLATES = reports.templates()
COMMAND = str(Path(sys.executable).with_name("augment-insights"))
SHARED = (
    *("start_date", "end_date", "source", "archive", "every", "user_type", "team", "roster", "team_column"),
    *("targets", "events", "calendar", "min_group_size", "names", "output_dir", "formats"),
)
FIGURES = {"acceptance": 7, "adoption": 13, "data_quality": 3, "explore": 3, "overview": 7, "retention": 7}
"""A change of acceptance that is measured is taken apart in one figure more."""

# The made-up organisation's history moves with the clock, and so do the days of these tests.
LAST_DAY = last_published_day(datetime.now(UTC))
LAST_SUNDAY = LAST_DAY - timedelta(days=(LAST_DAY.weekday() + 1) % 7)
FIRST_MONDAY = LAST_SUNDAY - timedelta(days=12 * 7 - 1)
WEDNESDAY, SATURDAY = FIRST_MONDAY + timedelta(days=2), LAST_SUNDAY - timedelta(days=1)

each = pytest.mark.parametrize("name", TEMPLATES)


def cells_of(path: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["cells"]
    return cells


@each
def test_every_template_lets_the_same_things_be_chosen(name):
    """The same first parameters, typed, valid, commented, in the cell's width, read by papermill; no token needed."""
    found = reports.find(name)
    assert found.parameters[: len(SHARED)] == SHARED
    assert found.choices["names"] == ("show", "pseudonyms", "hide")
    assert {"source", "every", "user_type", "names"} <= set(found.choices)
    found.check(found.defaults)
    chosen = found.defaults
    assert (chosen["source"], chosen["formats"], chosen["min_group_size"]) == ("sample", ["html"], 5)
    (source,) = (source for source, holds_parameters in found.cells if holds_parameters)
    assert all(isinstance(statement, ast.AnnAssign) and statement.value for statement in ast.parse(source).body)
    assert all("  # " in line and len(line) <= 88 for line in source.splitlines() if line)
    read = papermill.inspect_notebook(found.path)
    assert {name: (found.defaults[name], found.comments[name]) for name in found.parameters} == {
        name: (ast.literal_eval(one["default"]), one["help"]) for name, one in read.items()
    }
    assert "None" not in {one["inferred_type_name"] for one in read.values()}


@each
def test_one_call_takes_the_parameters_and_cells_have_names(name):
    """The cell after the parameters hands all of them to the study; ids in plain words show what a change changed."""
    found = reports.find(name)
    (_, _), (setup, _), *_ = found.cells
    assert setup.count("reports.study(globals())") == 1
    assert len(setup.splitlines()) <= 14
    ids = [cell["id"] for cell in cells_of(found.path)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z-]+", one) for one in ids)


@each
def test_text_stands_before_each_figure(name):
    """Whoever meets a chart has just read how to read it."""
    cells = cells_of(reports.find(name).path)
    lasts = [
        (n, "".join(cell["source"]).splitlines()[-1]) for n, cell in enumerate(cells) if cell["cell_type"] == "code"
    ]
    before = [cells[n - 1] for n, last in lasts if re.match(r"(\w+_chart|explorer)\b", last)]
    assert before
    assert {cell["cell_type"] for cell in before} == {"markdown"}
    assert min(len("".join(cell["source"])) for cell in before) > 150


@each
def test_a_template_uses_what_is_public(name):
    """It imports packages, not their inside, and touches no private name: an analyst may copy any cell."""
    nodes = [node for source, _ in reports.find(name).cells for node in ast.walk(ast.parse(source))]
    imported = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert imported <= {"augment_insights", "datetime", "typing"}
    assert not [node.attr for node in nodes if isinstance(node, ast.Attribute) and node.attr.startswith("_")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> dict[str, Path]:
    """Run each template as a cron line would, two at a time; return the folders."""
    root = tmp_path_factory.mktemp("templates")
    environment = os.environ | {"AUGMENT_INSIGHTS_CACHE": str(root / "cache"), "AUGMENT_INSIGHTS_PROGRESS": "off"}
    chosen = {"overview": ["--start-date", str(WEDNESDAY), "--end-date", str(SATURDAY)]}  # which shows names

    def write(name: str) -> Path:
        options = ["--sample", "--output-dir", str(root / name), *chosen.get(name, ["--names", "hide"])]
        command = [COMMAND, "report", name, *options]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
        return root / name

    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(zip(TEMPLATES, pool.map(write, TEMPLATES), strict=True))


@pytest.mark.slow
@each
def test_an_unattended_run_leaves_a_page_and_a_notebook_that_can_be_passed_on(name, finished):
    """All figures in 2 MB, of a made-up organisation, nobody's name; in the notebook Vega, picture and words."""
    page, path = sorted(finished[name].iterdir())
    html = page.read_text("utf-8")
    assert page.stat().st_size <= 2_000_000
    figures = FIGURES[name] + ("What moved it?" in html)
    assert html.count('type="application/json"') == figures
    assert "sample data: a made-up organisation" in html
    assert "@example.com" not in html + path.read_text("utf-8")
    outputs = [output for cell in cells_of(path) for output in cell.get("outputs", [])]
    shown = [set(output["data"]) for output in outputs if "data" in output]
    pictures = [kinds for kinds in shown if "image/png" in kinds]
    assert pictures == [{"application/vnd.vega.v5+json", "image/png", "text/plain"}] * len(pictures)
    drawn = {"explore": 1, "adoption": figures + 1}  # the curve is hidden: drawn, and not on the page
    assert len(pictures) == drawn.get(name, figures)
    assert not any("widget" in kind for kinds in shown for kind in kinds)
    assert {output["output_type"] for output in outputs} <= {"execute_result", "display_data"}


@pytest.mark.slow
def test_an_unattended_overview_is_named_after_its_days_and_says_how_it_was_made(finished):
    """From the Monday of the first week; seven headlines, all with data; one name, and no hidden place."""
    page, notebook = sorted(finished["overview"].iterdir())
    assert [page.name, notebook.name] == [f"overview-{WEDNESDAY}--{SATURDAY}{ending}" for ending in (".html", ".ipynb")]
    html = page.read_text("utf-8")
    for entry in ("Range asked", "Generated at", "Requests sent", "Versions", "Parameters"):
        assert f"<bdi>{entry}</bdi>" in html
    assert f"{FIRST_MONDAY} to {SATURDAY}" in html
    told = headlines(finished["overview"])
    assert len(told) == 7
    assert ["no data"] not in told.values()
    assert ".augment-insights-" not in html + notebook.read_text("utf-8")


@pytest.mark.slow
def test_a_converted_notebook_shows_each_chart_as_a_picture(finished):
    """What nbconvert, and whoever previews a notebook without running scripts, makes of it."""
    from nbconvert import HTMLExporter  # noqa: PLC0415 (costs seconds, and only here)

    (notebook,) = finished["acceptance"].glob("*.ipynb")
    html, _ = HTMLExporter(template_name="classic").from_filename(str(notebook))
    pictures = [tag for tag in re.findall(r"<img [^>]*>", html) if 'src="data:image/png' in tag]
    assert len(pictures) in (FIGURES["acceptance"], FIGURES["acceptance"] + 1)
    assert all(re.search(r'alt="[^"]*\S[^"]*"', tag) for tag in pictures)


def run_in_process(name: str, **parameters: Any) -> dict[str, Any]:
    """Run a template's cells one after the other, as a kernel would, and return their names."""
    names: dict[str, Any] = {}
    with alt.theme.enable(alt.theme.active), alt.renderers.enable(alt.renderers.active):  # put back what setup() set
        for source, holds_parameters in reports.find(name).cells:
            exec(source, names)  # noqa: S102 (the package's own notebook)
            names.update(parameters if holds_parameters else {})
    return names


def record(who: dict[str, str], day: date) -> dict[str, Any]:
    metrics = {"completions_count": 10, "completions_accepted": 3, "completions_lines_of_code": 9}
    return {"date": day.isoformat(), "language": "Python", "editor": "VSCode", "metrics": metrics, **who}


SIX_PEOPLE = [
    record(who, LAST_SUNDAY - timedelta(weeks=week))
    for week in range(4)
    for who in (*({"user_email": f"user{n}@x.io"} for n in range(6)), {"service_account_name": "bot"})
]
"""Six people, active every week of the last four: 10 suggestions each, 3 of them accepted; and a bot."""


@pytest.fixture
def organisation(serve, monkeypatch) -> Callable[[list[dict[str, Any]]], None]:
    """Serve records, and point the environment to them."""

    def begin(records: list[dict[str, Any]]) -> None:
        app = AnalyticsApp(RecordStore(records), now=lambda: datetime.now(UTC))
        monkeypatch.setenv("AUGMENT_API_URL", serve(app).url)
        monkeypatch.setenv("AUGMENT_API_TOKEN", "made-up")

    return begin


def headlines(folder: Path) -> dict[str, list[str]]:
    """Return the headline figures of the one page in a folder."""
    (path,) = folder.glob("*.html")
    _, _, block = path.read_text("utf-8").partition('<dl class="headlines">')
    figures = [re.findall(r"<bdi>(.*?)</bdi>", part) for part in block.partition("</dl>")[0].split("<div>")[1:]]
    return {label: told for label, *told in figures}


# The API's burst of 20 requests is enough for these: tests do not wait for its limit.
FEW_REQUESTS: dict[str, dict[str, Any]] = {
    "acceptance": {"language_days": 5},
    "data_quality": {"start_date": str(LAST_SUNDAY - timedelta(days=3)), "end_date": str(LAST_SUNDAY)},
}
ACTIVE, CHECKS, LAPSED = "Active people, last complete week", "Data checks", "Existing users who lapsed"
ACCEPTED, AGAIN = "Acceptance, the last 4 weeks", "Retention of newcomers"
ADOPTED, UNUSED = "Adoption of licences, the last 4 weeks", "Idle or never used licences"

SIX = {
    # With the roster of eight, of whom six are active. The last four weeks need not hold a complete month.
    "adoption": {ACTIVE: "6", ADOPTED: "75.0%", UNUSED: "2", "Licences never used": "2"},
    "data_quality": {"Days not published yet": "0"},
    "overview": {ACTIVE: "6", ACCEPTED: "30.0%", ADOPTED: "75.0%", AGAIN: "no data"},  # nobody has reached it
    "retention": {ACTIVE: "6", AGAIN: "no data", LAPSED: "no data"},
}
NOBODY = {
    "acceptance": {f"Acceptance by {what}, last complete month": "no data" for what in ("suggestions", "lines")},
    "adoption": {ACTIVE: "0", "Adoption of licences": "no roster", UNUSED: "no roster"},  # published, and nobody: zero
    "data_quality": {},
    "overview": {ACTIVE: "0", ACCEPTED: "no data", AGAIN: "no data", "Idle licences": "no roster"},
    "retention": {ACTIVE: "0", AGAIN: "no data", LAPSED: "no data"},
}


@pytest.mark.filterwarnings("ignore:The last 12 complete weeks begin on")  # a finding that is shown, and no failure
@pytest.mark.parametrize(
    ("records", "expected"), [pytest.param(SIX_PEOPLE, SIX, id="six", marks=pytest.mark.slow), ([], NOBODY)]
)
@each
def test_six_people_or_nobody_at_all_are_a_report(name, records, expected, tmp_path, organisation):
    """Figures told by hand, with a roster of eight in two teams; of nobody every rate says that there is no data."""
    roster = tmp_path / "roster.csv"
    teams = [f"USER{n}@x.io,{'Search' if n % 2 else 'Payments'},2025-01-01" for n in range(8)]
    roster.write_text("\n".join(["user,team,licensed_from", *teams]))
    days = {"start_date": str(LAST_SUNDAY - timedelta(days=27)), "end_date": str(LAST_SUNDAY)}
    shown = {"roster": str(roster) if records else None, "min_group_size": 1, "output_dir": str(tmp_path / "out")}
    organisation(records)
    run_in_process(name, **{"source": "api", **days, **shown, **FEW_REQUESTS.get(name, {})})
    told = headlines(tmp_path / "out")
    assert {label: told[label][0] for label in expected.get(name, {})} == expected.get(name, {})
    if name == "data_quality":
        passed, of = re.fullmatch(r"(\d+) of (\d+) passed", told[CHECKS][0]).groups()
        assert passed == of
    if name == "overview" and records:
        assert "72 of 240 completions" in told[ACCEPTED]
    (page,) = (tmp_path / "out").glob("*.html")
    assert "NaN" not in page.read_text("utf-8").split("<main>")[1].split("</main>")[0]


def test_another_spelling_of_an_e_mail_is_no_newcomer(tmp_path, organisation):
    """Whoever was there before the range, written otherwise, is not followed as somebody who began in it."""
    start = LAST_SUNDAY - timedelta(days=6)
    seen = [({"user_email": "Ada@x.io"}, start - timedelta(days=30)), ({"user_email": "ada@x.io"}, start)]
    seen.append(({"user_email": "bob@x.io"}, start))
    chosen = {"source": "api", "start_date": str(start), "end_date": str(LAST_SUNDAY), "output_dir": str(tmp_path)}
    organisation([record(*one) for one in seen])
    names = run_in_process("retention", inactive_days=3, **chosen)
    # All are followed to Thursday: Bob, who lapses on Tuesday, and nobody else.
    assert names["survival"].select("days", "at_risk_users", "lapsed_users").rows() == [(0, 1, 0), (1, 1, 1)]


CONTEXT = {
    "targets.csv": "metric,group,value,by\nactive_users,,5,\nadoption_rate,,80%,2035-12-31\nadoption_rate,Search,90%,\n"
    "acceptance_rate,,0.35,2035-12-31\n",
    "events.yaml": f"- {{date: {LAST_SUNDAY}, text: <b>Talk</b> by eve@x.io}}\n",
}
JUDGED = {
    "acceptance": ["acceptance of completions, 35% by 31 Dec 2035: 30.0%"],
    "adoption": ["active users, 5: 6 in", "adoption of licences, 80% by 31 Dec 2035: 75.0%"],
    "overview": [
        "active users, 5: 6 in the week",
        "acceptance of completions, 35% by 31 Dec 2035: 30.0%",
        "adoption of licences, 80% by 31 Dec 2035: 75.0%",
    ],
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The last 12 complete weeks begin on")
@pytest.mark.parametrize("names", ["show", "hide"])
@each
def test_targets_events_and_days_off_stand_on_every_page(name, names, tmp_path, organisation):
    """Events on each chart along time, escaped and without e-mails where names are hidden; targets judged in words.

    Six of eight people, three of four in a team, are active in each of four weeks: too few weeks to tell a pace. The
    team is too small to be shown with names hidden.
    """
    for file, text in CONTEXT.items():
        (tmp_path / file).write_text(text)
    roster = tmp_path / "roster.csv"
    roster.write_text("\n".join(["user,team", *(f"user{n}@x.io,{'Search' if n % 2 else 'Web'}" for n in range(8))]))
    days = {"start_date": str(LAST_SUNDAY - timedelta(days=27)), "end_date": str(LAST_SUNDAY)}
    given = {kind: str(tmp_path / file) for kind, file in zip(("targets", "events"), CONTEXT, strict=True)}
    chosen = {"source": "api", "roster": str(roster), "names": names, "output_dir": str(tmp_path / "out")}
    chosen["min_group_size"] = 1 if names == "show" else 5
    organisation(SIX_PEOPLE)
    left = run_in_process(name, **{**days, **given, **chosen, "calendar": "DE", **FEW_REQUESTS.get(name, {})})
    page = left["page"]
    told = [sentence.removeprefix("Target for ") for sentence in page.sentences if sentence.startswith("Target")]
    assert [words for words in JUDGED.get(name, ()) if not any(one.startswith(words) for one in told)] == []
    search = [one for one in told if "(Search)" in one]
    assert all(("75.0%" if names == "show" else "not shown") in one for one in search)
    assert len(search) == (name in ("overview", "adoption"))
    drawn = {key: chart.to_dict() for key, chart in page.charts.items()}
    marked = [key for key, spec in drawn.items() if "Events: 1" in json.dumps(spec["title"], ensure_ascii=False)]
    along_time = {"lifecycle", "adoption_rate", "acceptance_rate", "reconcile", "active_users", "stickiness"}
    assert along_time & drawn.keys() <= set(marked)
    (path,) = (tmp_path / "out").glob("*.html")
    html = path.read_text("utf-8")
    assert "<b>Talk" not in html
    assert ("eve@x.io" in html) == (names == "show")
    if "stickiness" in drawn:
        assert "weekends and holidays shaded" in html or "weekends shaded" in html
        assert "Mean users of a working day" in html


@pytest.mark.filterwarnings("ignore:The last 12 complete weeks begin on", "ignore:Not counted")
def test_licences_that_lie_idle_and_people_on_no_roster_are_listed(tmp_path, organisation):
    """User 9 has a licence and was never seen; eve is active under an old e-mail; both only where names are shown."""
    roster = tmp_path / "roster.csv"
    users = [*(f"user{n}@x.io" for n in range(6)), "user9@x.io", "eve@new.io"]
    roster.write_text("\n".join(["user,team", *(f"{user},Web" for user in users)]))
    organisation([*SIX_PEOPLE, record({"user_email": "eve@old.io"}, LAST_SUNDAY)])
    days = {"start_date": str(LAST_SUNDAY - timedelta(days=27)), "end_date": str(LAST_SUNDAY)}
    chosen = {"source": "api", **days, "roster": str(roster), "output_dir": str(tmp_path), "formats": []}
    page = run_in_process("adoption", **chosen)["page"]
    assert sorted(page.tables["idle_licences"]["user"]) == ["eve@new.io", "user9@x.io"]
    assert page.tables["unmatched"].select("user", "maybe").rows() == [
        ("eve@old.io", "eve@new.io"),
        ("eve@new.io", "eve@old.io"),
        ("user9@x.io", None),
    ]
    assert "perhaps one person under two e-mails: eve@old.io and eve@new.io" in " ".join(page.sentences)
    shared = run_in_process("adoption", names="hide", **chosen)["page"]
    assert "unmatched" not in shared.tables
    assert "eve@" not in shared.to_html()


@pytest.mark.filterwarnings("ignore:The last 12 complete weeks begin on", "ignore:Not counted")
@pytest.mark.parametrize("chosen", [{"user_type": "service_account"}, {"every": "1d"}, {"team": "Web"}], ids=str)
@each
def test_whatever_is_asked_of_little_data_is_a_page(name, chosen, tmp_path, organisation):
    """Of bots, who are on no roster, of one week by days, of a team: what has nothing to show is named at the end."""
    roster = tmp_path / "roster.csv"
    roster.write_text("\n".join(["user,team", *(f"user{n}@x.io,Web" for n in range(6))]))
    organisation(SIX_PEOPLE)
    days = {"start_date": str(LAST_SUNDAY - timedelta(days=6)), "end_date": str(LAST_SUNDAY)}
    given = {"source": "api", **days, "roster": str(roster), "output_dir": str(tmp_path), "formats": []}
    page = run_in_process(name, **{**given, **FEW_REQUESTS.get(name, {}), **chosen})["page"]
    blocks = page.content().blocks
    if name == "retention":
        assert "Left out, as there is nothing to show: " in blocks[-1]
        assert "Do some teams stay better than others?" in blocks[-1]
    assert page.to_html()
