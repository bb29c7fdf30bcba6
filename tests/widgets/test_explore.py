"""The explorer: what is loaded once answers every change; a long fetch tells its cost, its bar and its Cancel."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from augment_insights import fetch, reports, widgets
from augment_insights.charts.theme import VEGA_MIME
from augment_insights.errors import InsightsError, TableError

START, END = date(2026, 2, 9), date(2026, 3, 8)
DAYS = {"start_date": START, "end_date": END}
"""Twenty-eight days with activity: a list of users each."""


@pytest.fixture
def opened(remote) -> Any:
    """Open the explorer at an API whose fetch is above the budget, and wait for its cost."""
    explorer: Any = widgets.explore(remote(plan_above=10), **DAYS, interactive=True)
    explorer.wait()
    return explorer


def active(explorer) -> list[int]:
    return explorer.answer.table["active_users"].to_list()


def drawn(explorer) -> Any:
    (output,) = explorer.screen.chart.outputs
    return output["data"][VEGA_MIME]


def is_shown(widget) -> bool:
    return widget.layout.display != "none"


def begin_and_stop(gate, explorer) -> None:
    """Begin the fetch that is offered, and hold the API at its sixth answer."""
    gate.shut_after(5)
    explorer.fetch_button.click()
    assert gate.reached.wait(30)


def test_it_opens_with_the_active_people_of_each_week(explorer):
    """Ada and Bob in each week, Cleo in the last; the robot is not a person; a chart is drawn."""
    assert explorer.answer.table["period_start"].to_list() == [START + timedelta(weeks=n) for n in range(4)]
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
def test_a_change_is_answered_from_what_is_loaded(client, explorer, changes, expected):
    """Each control changes the figure as counted by hand, and sends no request."""
    before, sent = drawn(explorer), client.requests_sent
    for name, value in changes.items():
        explorer.controls[name].value = value
        explorer.wait()
    assert active(explorer) == expected
    assert drawn(explorer) != before
    assert client.requests_sent == sent


def test_a_wider_range_asks_for_the_new_days_only(gate, remote):
    """Below the budget a fetch asks nobody; a week more is a week of requests, and nothing is asked for twice."""
    explorer: Any = widgets.explore(remote(plan_above=1000), **DAYS, interactive=True)
    explorer.wait()
    before = len(gate.lists)
    explorer.controls["start_date"].value = START - timedelta(days=7)
    explorer.wait()
    asked = gate.lists[before:]
    assert active(explorer) == [0, 2, 2, 2, 3], "the week before is covered, and nobody was active in it"
    assert not set(asked) & set(gate.lists[:before])
    daily = [question for question in asked if "date=2026-02-0" in question and "start" not in question]
    assert len(daily) <= 7


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start_date": date(2019, 1, 1)}, "over two years back"),
        ({"end_date": date(2026, 1, 1)}, "ends before it starts"),
        ({"end_date": date(2026, 3, 10)}, "today (UTC) or later"),
    ],
)
def test_an_impossible_range_is_told_in_a_sentence(client, explorer, changes, words):
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


def test_an_error_of_the_api_is_told_and_can_be_tried_again(gate, remote):
    """A refused token: the API's sentence, with what to do; Fetch tries again."""
    gate.refuses = True
    explorer: Any = widgets.explore(remote(), **DAYS, interactive=True)
    explorer.wait()
    assert "API token is invalid" in explorer.screen.words.value
    assert "Hint:" in explorer.screen.words.value
    assert explorer.answer is None
    gate.refuses = False
    explorer.fetch_button.click()
    explorer.wait()
    assert active(explorer) == [2, 2, 2, 3]


def test_every_control_has_a_label_and_a_tooltip_and_pickers_their_bounds(explorer):
    """Whoever hears the screen is told what each part is for. Pickers end at yesterday; half a year may be typed."""
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
    for name in ("start_date", "end_date"):
        picker = explorer.controls[name]
        assert (picker.min, picker.max) == (date(2024, 3, 10), date(2026, 3, 9))
        picker.value = date(202, 3, 1)
        assert picker.value == date(202, 3, 1)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"question": "lifecylce"}, "did you mean 'lifecycle'"),
        ({"team": "Payment"}, "did you mean 'Payments'"),
        ({"user_type": "robots"}, "user_type"),
        ({"start_date": "9 Feb"}, "YYYY-MM-DD"),
        ({"start_date": END, "end_date": START}, "ends before it starts"),
        ({"question": "adoption_rate", "roster": None}, "needs a roster"),
        ({"client": pl.DataFrame({"date": [START]})}, "needs the columns 'user', 'user_type'"),
    ],
)
def test_what_cannot_be_chosen_is_refused_with_what_would_do(client, roster, chosen, words):
    """A mistyped question, team or day, or rows that are none of the tables: raised at once."""
    with pytest.raises(InsightsError, match=words):
        widgets.explore(**{"client": client, "roster": roster, **chosen})


def test_voila_gets_controls_and_images(client, monkeypatch):
    """Its kernels look unattended, but somebody sees the page; an unattended run has neither controls nor widgets."""
    assert type(widgets.explore(client, **DAYS)).__name__ == "Answer"
    monkeypatch.setenv("VOILA_BASE_URL", "/")
    opened: Any = widgets.explore(client, **DAYS)
    opened.wait()
    assert active(opened) == [2, 2, 2, 3]
    assert "image/png" in opened.screen.chart.outputs[0]["data"]


@pytest.mark.parametrize("table", ["dau", "user_activity", "editor_language"])
def test_a_frame_is_all_there_is(client, roster, table):
    """Its rows are explored without a request; what they cannot tell is said."""
    every = {"every": "1d"} if table == "user_activity" else {}
    frame = getattr(fetch, table)(start_date="2026-01-05", end_date=END, client=client, **every)
    explorer: Any = widgets.explore(frame, start_date=START, roster=roster, interactive=True)
    assert active(explorer) == [2, 2, 2, 3]
    explorer.controls["question"].value = "lifecycle"
    assert explorer.answer.table.row(-1, named=True)["resurrected_users"] == 1, "Cleo, within the frame"
    explorer.controls["question"].value = "active_users"
    explorer.controls["split"].value = "language"
    assert ("frame cannot answer" in explorer.screen.words.value) == (table != "editor_language")


def test_a_frame_of_weeks_is_refused(client):
    """The explorer needs single days, and says so."""
    with pytest.raises(TableError, match="by day"):
        widgets.explore(fetch.user_activity(START, END, every="1w", client=client))


@pytest.mark.slow
def test_a_study_brings_its_client_days_and_filters():
    """What is left at its default comes from the study; groups below its smallest size are hidden."""
    study = reports.study(every="1mo", team="Payments", start_date="2026-01-01", min_group_size=1000)
    still: Any = widgets.explore(study, question="lifecycle", interactive=False)
    assert still.answer.table["period_start"].min() == date(2026, 1, 1)
    assert "people, Payments" in str(still.answer.chart.to_dict()["title"])
    explorer: Any = widgets.explore(study, every="1w", team=None, interactive=True)
    explorer.wait()
    explorer.controls["split"].value = "team"
    assert explorer.answer.table["is_suppressed"].all()


def test_a_long_fetch_waits_for_the_button(gate, opened):
    """Its cost is told, nothing but daily counts was sent; pressed, it costs that; going back needs no wait."""
    assert gate.lists == []
    assert "28 requests" in opened.cost.value
    assert "Plan: " in opened.cost.value
    assert is_shown(opened.offer)
    assert opened.answer is None
    opened.fetch_button.click()
    opened.wait()
    assert active(opened) == [2, 2, 2, 3]
    assert len(gate.lists) == 28
    assert not any(is_shown(part) for part in (opened.offer, opened.progress))
    gate.shut_after(1)
    opened.controls["start_date"].value = date(2026, 2, 2)
    assert gate.reached.wait(30)
    assert opened.answer is None
    opened.controls["start_date"].value = START
    assert active(opened) == [2, 2, 2, 3]
    gate.open()
    opened.wait()
    assert active(opened) == [2, 2, 2, 3]


def test_an_offer_is_taken_back_when_it_is_no_longer_needed(gate, opened):
    """Another range, another cost; and what is loaded costs nothing."""
    opened.controls["start_date"].value = date(2026, 3, 2)
    opened.wait()
    assert len(gate.lists) > 0, "seven days are below the budget"
    assert active(opened) == [3]
    assert not any(is_shown(part) for part in (opened.offer, opened.progress))


def test_a_cancel_keeps_what_came(gate, opened):
    """The bar tells that the sixth answer is waited for; cancelled, Fetch sends the rest, and no list is sent twice."""
    begin_and_stop(gate, opened)
    assert (opened.bar.value, opened.bar.max) == (5, 28)
    assert opened.state.value.startswith("5 of 28 requests")
    assert not is_shown(opened.offer)
    opened.cancel_button.click()
    assert opened.cancel_button.disabled
    gate.open()
    opened.wait()
    assert len(gate.lists) <= 7
    assert "Cancelled. Data already received is cached" in opened.cost.value
    assert opened.answer is None
    opened.fetch_button.click()
    opened.wait()
    assert active(opened) == [2, 2, 2, 3]
    assert len(gate.lists) == len(set(gate.lists)) == 28


def test_the_last_wish_wins(gate, opened):
    """The range moves while a fetch runs: that is given up, and what is wanted now is shown."""
    begin_and_stop(gate, opened)
    opened.controls["start_date"].value = date(2026, 1, 5)
    gate.open()
    opened.wait()
    opened.fetch_button.click()
    opened.wait()
    assert opened.answer.table["period_start"].min() == date(2026, 1, 5), "Cleo's day"
    assert len(gate.lists) == len(set(gate.lists))
