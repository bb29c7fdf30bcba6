"""The explorer: what is loaded once answers every change; what goes wrong is said in a sentence."""

from __future__ import annotations

import warnings
from dataclasses import replace
from datetime import date, timedelta
from threading import Thread
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from augment_insights import Client, widgets
from augment_insights.charts.theme import VEGA_MIME
from augment_insights.errors import ConfigurationError, DataWarning, DateRangeError
from augment_insights.widgets.questions import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from augment_insights.widgets.questions import View

START, END = date(2026, 2, 9), date(2026, 3, 8)
WEEKS = [START + timedelta(weeks=n) for n in range(4)]


@pytest.fixture
def explorer(client: Client, roster: pl.DataFrame) -> Any:
    """Open four whole weeks, with the roster."""
    opened = widgets.explore(client, start_date=START, end_date=END, roster=roster, interactive=True)
    opened.wait()
    return opened


def active(explorer: Any) -> list[int]:
    return explorer.answer.table["active_users"].to_list()


def drawn(explorer: Any) -> Any:
    (output,) = explorer.screen.chart.outputs
    return output["data"][VEGA_MIME]


def test_it_opens_with_the_active_people_of_each_week(explorer: Any) -> None:
    """Ada and Bob in each week, Cleo in the last; the robot is not a person; a chart is drawn."""
    assert explorer.answer.table["period_start"].to_list() == WEEKS
    assert active(explorer) == [2, 2, 2, 3]
    assert explorer.screen.chart.outputs[0]["metadata"][VEGA_MIME]["embed_options"]["renderer"] == "svg"
    assert explorer.screen.words.value == ""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"every": "1mo"}, [2, 3]),
        ({"user_type": "service_account"}, [1, 1, 1, 1]),
        ({"user_type": "all"}, [3, 3, 3, 4]),
        ({"team": "Payments"}, [1, 1, 1, 1]),
        ({"team": "Not on the roster"}, [0, 0, 0, 1]),
        ({"language": "Go"}, [1, 1, 1, 1]),
        ({"language": "Python"}, [1, 1, 1, 2]),
        ({"editor": "Vim"}, [1, 1, 1, 2]),
        ({"language": "Python", "editor": "Vim"}, [0, 0, 0, 1]),
        ({"start_date": date(2026, 2, 23)}, [2, 3]),
        ({"end_date": date(2026, 2, 22)}, [2, 2]),
    ],
)
def test_a_change_is_answered_from_what_is_loaded(
    client: Client, explorer: Any, changes: dict[str, Any], expected: list[int]
) -> None:
    """Each control changes the figure as counted by hand, and sends no request."""
    before, sent = drawn(explorer), client.requests_sent
    for name, value in changes.items():
        explorer.controls[name].value = value
        explorer.wait()
    assert active(explorer) == expected
    assert drawn(explorer) != before
    assert client.requests_sent == sent


def test_every_question_is_answered_from_one_fetch(client: Client, explorer: Any) -> None:
    """No question of the list needs a further request, and each draws a chart of its own."""
    sent = client.requests_sent
    pictures = []
    for _, name in explorer.controls["question"].options:
        explorer.controls["question"].value = name
        explorer.wait()
        assert 'role="alert"' not in explorer.screen.words.value, name
        assert explorer.answer.table is not None
        assert explorer.answer.how_to_read
        pictures.append(str(drawn(explorer)["title"]))
    assert len(pictures) == len(set(pictures)) >= 15
    assert client.requests_sent == sent


def test_acceptance_is_a_ratio_of_sums(explorer: Any) -> None:
    """A week: Ada 7 of 28, Bob 1 of 2, together 8 of 30; Bob's editor alone 1 of 2."""
    explorer.controls["question"].value = "acceptance_rate"
    assert explorer.answer.table["acceptance_rate"].to_list() == pytest.approx([8 / 30] * 4)
    explorer.controls["split"].value = "editor"
    vim = explorer.answer.table.filter(pl.col("editor") == "Vim", pl.col("suggested_count") > 0)
    assert vim["acceptance_rate"].to_list() == [0.5] * 4


def test_a_year_by_days_can_be_drawn(client: Client) -> None:
    """The longest range in the shortest periods: no question fails of it."""
    opened: Any = widgets.explore(client, start_date="2025-03-11", end_date=END, every="1d", interactive=True)
    opened.wait()
    for _, name in opened.controls["question"].options:
        opened.controls["question"].value = name
        assert 'role="alert"' not in opened.screen.words.value, name


def test_who_was_there_before_the_range_is_not_new(explorer: Any) -> None:
    """Cleo was active 35 days before the range: on 2 March she comes back, she does not begin."""
    explorer.controls["question"].value = "lifecycle"
    last = explorer.answer.table.row(-1, named=True)
    assert (last["new_users"], last["resurrected_users"]) == (0, 1)


def test_a_wider_range_asks_for_the_new_days_only(gate: Any, remote: Callable[..., Client]) -> None:
    """A week more is a week of requests; what was there is not asked for again."""
    explorer = widgets.explore(remote(plan_above=1000), start_date=START, end_date=END, interactive=True)
    explorer.wait()
    before = len(gate.lists)
    explorer.controls["start_date"].value = START - timedelta(days=7)
    explorer.wait()
    asked = gate.lists[before:]
    assert explorer.answer.table.height == 4, "nobody was active in the week before"
    assert not set(asked) & set(gate.lists[:before])
    daily = [question for question in asked if "date=2026-02-0" in question and "start" not in question]
    assert len(daily) <= 7


def test_language_and_editor_do_not_apply_where_days_before_count(explorer: Any) -> None:
    """The look-back does not know languages: their controls say so, and filter nothing."""
    explorer.controls["language"].value = "Go"
    explorer.controls["question"].value = "lifecycle"
    assert explorer.controls["language"].disabled
    assert "not apply" in explorer.controls["language"].tooltip
    assert active(explorer) == [2, 2, 2, 3]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start_date": date(2019, 1, 1)}, "over two years back"),
        ({"end_date": date(2026, 1, 1)}, "ends before it starts"),
        ({"end_date": date(2026, 3, 10)}, "today (UTC) or later"),
    ],
)
def test_an_impossible_range_is_told_in_a_sentence(
    client: Client, explorer: Any, changes: dict[str, Any], words: str
) -> None:
    """An alert with the API's bounds, no old figure under it, no request; and the way back works."""
    sent, before = client.requests_sent, {name: explorer.controls[name].value for name in changes}
    for name, value in changes.items():
        explorer.controls[name].value = value
    assert words in explorer.screen.words.value
    assert 'role="alert"' in explorer.screen.words.value
    assert "Traceback" not in explorer.screen.words.value
    assert explorer.screen.chart.outputs == ()
    for name, value in before.items():
        explorer.controls[name].value = value
    assert active(explorer) == [2, 2, 2, 3]
    assert explorer.screen.words.value == ""
    assert client.requests_sent == sent


def test_an_error_of_the_api_is_told_and_can_be_tried_again(gate: Any, remote: Callable[..., Client]) -> None:
    """A refused token: the API's sentence, with what to do; Fetch tries again."""
    gate.refuses = True
    explorer = widgets.explore(remote(), start_date=START, end_date=END, interactive=True)
    explorer.wait()
    assert "API token is invalid" in explorer.screen.words.value
    assert "Hint:" in explorer.screen.words.value
    assert explorer.answer is None
    gate.refuses = False
    explorer.fetch_button.click()
    explorer.wait()
    assert active(explorer) == [2, 2, 2, 3]


def test_what_an_analysis_warns_of_is_told(explorer: Any) -> None:
    """Cleo has no licence: the question about licences says so above its figure."""
    explorer.controls["question"].value = "adoption_rate"
    assert "Note: " in explorer.screen.words.value
    assert "1 active user not on the roster" in explorer.screen.words.value
    assert explorer.answer is not None
    explorer.controls["question"].value = "stickiness"
    assert explorer.screen.words.value == ""


@pytest.mark.parametrize(
    ("question", "column", "expected"),
    [
        ("active_users", "active_users", [0] * 5 + [1] * 4),
        ("lifecycle", "active_users", [0] * 5 + [1] * 4),
        ("adoption_rate", "active_users", [0] * 5 + [1] * 4),
        ("rolling_active_users", "active_users", [0] * 105),
    ],
)
def test_a_team_has_zeros_before_its_first_day(
    client: Client, roster: pl.DataFrame, question: str, column: str, expected: list[int]
) -> None:
    """Search is Bob, from 9 February on; the range begins on 5 January, when somebody else was there."""
    opened: Any = widgets.explore(
        client,
        start_date="2026-01-05",
        end_date=END,
        roster=roster,
        question=question,
        team="Search",
        interactive=True,
    )
    opened.wait()
    table = opened.answer.table
    first = table.columns[0]
    assert table[first].min() == date(2026, 1, 5)
    assert table[column].to_list()[: len(expected)] == expected
    assert "team" not in table.columns


def test_a_language_has_zeros_before_its_first_day(client: Client) -> None:
    """Go is Bob's, from 9 February on."""
    opened: Any = widgets.explore(client, start_date="2026-01-05", end_date=END, interactive=True)
    opened.wait()
    opened.controls["language"].value = "Go"
    opened.wait()
    assert active(opened) == [0] * 5 + [1] * 4
    opened.controls["split"].value = "editor"
    by_editor = dict(opened.answer.table.group_by("editor").agg(pl.col("active_users").sum()).rows())
    assert by_editor == {"Vim": 4}


def test_what_another_thread_warns_of_is_not_told_here(explorer: Any) -> None:
    """A warning of a cell that runs meanwhile may name people, and is none of this figure's."""
    question = BY_NAME["active_users"]

    def measure(view: View, by: list[str] | None) -> pl.DataFrame:
        warnings.warn("of this figure", DataWarning, stacklevel=2)
        other = Thread(target=warnings.warn, args=("ada@x.io has no row", DataWarning))
        other.start()
        other.join()
        return question.measure(view, by)

    view = explorer._loaded.view(explorer._choice())
    with pytest.warns(DataWarning, match="ada@x.io has no row"):
        answer = replace(question, measure=measure).answer(view)
    assert answer.notes == ("of this figure",)


def test_a_bug_is_told_with_what_to_report(explorer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that is not ours says that it is a bug, keeps its traceback folded, and is escaped."""

    def broken(_self: Any, _view: Any) -> Any:
        raise RuntimeError("<script>alert(1)</script>")

    monkeypatch.setattr("augment_insights.widgets.questions.Question.answer", broken)
    explorer.controls["every"].value = "1mo"
    said = explorer.screen.words.value
    assert "bug" in said
    assert "<details>" in said
    assert "<script>" not in said


def test_every_control_has_a_label_and_a_tooltip(explorer: Any) -> None:
    """Whoever hears the screen is told what each control, button and bar is for."""
    labelled = [
        *explorer.controls.values(),
        *explorer.screen.buttons.values(),
        explorer.screen.folder,
        explorer.fetch_button,
        explorer.cancel_button,
        explorer.bar,
        explorer.screen.with_numbers,
    ]
    assert all(widget.description and widget.tooltip for widget in labelled)
    assert drawn(explorer)["description"]


def test_the_days_that_the_api_has_bound_the_pickers(explorer: Any) -> None:
    """Two years back to yesterday, which is published at noon; a half-typed year is left as it is typed."""
    for name in ("start_date", "end_date"):
        picker = explorer.controls[name]
        assert (picker.min, picker.max) == (date(2024, 3, 10), date(2026, 3, 9))
        picker.value = date(202, 3, 1)
        assert picker.value == date(202, 3, 1)


def test_the_numbers_are_shown_on_demand(explorer: Any) -> None:
    """The table behind the figure stands below it once it is asked for, and follows the controls."""
    assert explorer.screen.numbers.layout.display == "none"
    explorer.screen.with_numbers.value = True
    assert "2026-02-09" in explorer.screen.numbers.value
    explorer.controls["every"].value = "1mo"
    assert "2026-02-01" in explorer.screen.numbers.value


def test_names_from_the_api_are_text(roster: pl.DataFrame) -> None:
    """A team and a language that look like markup are shown as they are written."""
    evil = "<img src=x onerror=alert(1)>"
    rows = [
        {
            "date": "2026-03-02",
            "user_email": "ada@x.io",
            "language": evil,
            "editor": evil,
            "metrics": {"completions_count": 4, "completions_accepted": 1},
        }
    ]
    teams = roster.with_columns(team=pl.lit(evil))
    client = Client.serving(rows, today="2026-03-10")
    explorer: Any = widgets.explore(client, start_date=START, end_date=END, roster=teams, interactive=True)
    explorer.wait()
    explorer.screen.with_numbers.value = True
    explorer.controls["question"].value = "acceptance_rate"
    for split in ("team", "language"):
        explorer.controls["split"].value = split
        assert evil not in explorer.screen.numbers.value
        assert "&lt;img" in explorer.screen.numbers.value


def test_an_organisation_without_activity_has_empty_figures(client: Client) -> None:
    """Nobody was active: each question says "no data", and none fails."""
    nobody = Client.serving([], today="2026-03-10")
    explorer: Any = widgets.explore(nobody, start_date=START, end_date=END, interactive=True)
    explorer.wait()
    for _, name in explorer.controls["question"].options:
        explorer.controls["question"].value = name
        explorer.wait()
        assert 'role="alert"' not in explorer.screen.words.value, name
        assert explorer.answer is not None


def test_what_cannot_be_chosen_is_refused_with_the_nearest_word(client: Client, roster: pl.DataFrame) -> None:
    """A mistyped question, team or day raises at once, with what would do."""
    with pytest.raises(ConfigurationError, match="did you mean 'lifecycle'"):
        widgets.explore(client, question="lifecylce")
    with pytest.raises(ConfigurationError, match="did you mean 'Payments'"):
        widgets.explore(client, roster=roster, team="Payment")
    with pytest.raises(ConfigurationError, match="user_type"):
        widgets.explore(client, user_type="robots")
    with pytest.raises(DateRangeError, match="YYYY-MM-DD"):
        widgets.explore(client, start_date="9 Feb")


def test_voila_gets_controls_and_images(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its kernels look unattended, but somebody sees the page; an unattended run has neither controls nor widgets."""
    assert type(widgets.explore(client, start_date=START, end_date=END)).__name__ == "Answer"
    monkeypatch.setenv("VOILA_BASE_URL", "/")
    opened: Any = widgets.explore(client, start_date=START, end_date=END)
    opened.wait()
    assert active(opened) == [2, 2, 2, 3]
    assert "image/png" in opened.screen.chart.outputs[0]["data"]
