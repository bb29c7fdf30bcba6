"""The questions: each counted by hand, all from one fetch, and what an analysis warns of."""

import warnings
from dataclasses import replace
from datetime import date
from threading import Thread
from typing import Any

import polars as pl
import pytest

from augment_insights import Client, analysis, fetch, widgets
from augment_insights.charts.theme import VEGA_MIME
from augment_insights.errors import DataWarning
from augment_insights.widgets.questions import BY_NAME, View

START, END = date(2026, 2, 9), date(2026, 3, 8)


def open_whole(client: Client, **how: Any) -> Any:
    opened: Any = widgets.explore(client, end_date=END, interactive=True, **how)
    opened.wait()
    return opened


def active(explorer) -> list[int]:
    return explorer.answer.table["active_users"].to_list()


def test_every_question_is_answered_from_one_fetch(client, explorer):
    """No question of the list needs a further request, and each draws a chart of its own."""
    sent = client.requests_sent
    pictures = []
    for _, name in explorer.controls["question"].options:
        explorer.controls["question"].value = name
        explorer.wait()
        assert 'role="alert"' not in explorer.screen.words.value, name
        assert explorer.answer.table is not None
        assert explorer.answer.how_to_read
        pictures.append(str(explorer.screen.chart.outputs[0]["data"][VEGA_MIME]["title"]))
    assert len(pictures) == len(set(pictures)) >= 15
    assert client.requests_sent == sent


def test_acceptance_is_a_ratio_of_sums(explorer):
    """A week: Ada 7 of 28, Bob 1 of 2, together 8 of 30; Bob's editor alone 1 of 2."""
    explorer.controls["question"].value = "acceptance_rate"
    assert explorer.answer.table["acceptance_rate"].to_list() == pytest.approx([8 / 30] * 4)
    explorer.controls["split"].value = "editor"
    vim = explorer.answer.table.filter(pl.col("editor") == "Vim", pl.col("suggested_count") > 0)
    assert vim["acceptance_rate"].to_list() == [0.5] * 4


def test_groups_of_a_way_of_working_are_compared_with_the_rest(explorer):
    """By editor there are few people, so nobody is called different; the chart says that the groups were compared."""
    explorer.controls["question"].value = "feature_adoption"
    assert "verdict" not in explorer.answer.table.columns
    explorer.controls["split"].value = "editor"
    assert {"higher", "lower"}.isdisjoint(explorer.answer.table["verdict"].to_list())
    assert 'role="alert"' not in explorer.screen.words.value


@pytest.mark.slow
@pytest.mark.parametrize("is_empty", [False, True])
def test_no_question_fails(client, *, is_empty):
    """A year by days, the longest range in the shortest periods; and an organisation in which nobody was active."""
    if is_empty:
        client = Client.serving([], today="2026-03-10")
    opened = open_whole(client, start_date="2025-03-11", every="1d")
    for _, name in opened.controls["question"].options:
        opened.controls["question"].value = name
        assert 'role="alert"' not in opened.screen.words.value, name
        assert opened.answer is not None


def test_a_range_that_begins_on_a_sunday_does_not_begin_with_a_whole_week(explorer):
    """Of the week of 9 February only its Sunday is covered: it is not complete, in the table and in the drawing."""
    explorer.controls["start_date"].value = date(2026, 2, 15)
    explorer.wait()
    assert explorer.answer.table["is_complete"].to_list() == [False, True, True, True]
    data = explorer.answer.chart.to_dict()["datasets"]
    first = next(row for rows in data.values() for row in rows if str(row.get("period_start", "")) < "2026-02-10")
    assert (first["solid"], first["state"]) == (None, "incomplete")


@pytest.mark.slow
def test_survival_follows_newcomers_as_the_report_does():
    """The explorer's curve is that of the users whom the look-back does not have, found a second way."""
    client = Client.sample(today="2026-03-10")
    start, end = date(2026, 1, 26), date(2026, 3, 8)
    explorer = widgets.explore(client, question="survival", start_date=start, end_date=end, interactive=False)
    known = fetch.activity(start, end, every="1d", lookback_days=90, client=client)
    key = pl.col("user").str.to_lowercase()
    before = known.filter(pl.col("period_start") < start).select(key).to_series()
    newcomers = known.filter(~key.is_in(before.implode()))
    expected = analysis.survival(newcomers, since=start, as_of=end)
    assert 0 < expected["at_risk_users"][0] < newcomers["user"].n_unique() < known["user"].n_unique()
    assert explorer.answer.table.equals(expected)
    assert "people who began in the range" in str(explorer.answer.chart.title)


def test_who_was_there_before_the_range_is_not_new(explorer):
    """Cleo was there 35 days before: she comes back. The look-back knows no languages: their controls are hidden."""
    explorer.controls["question"].value = "lifecycle"
    last = explorer.answer.table.row(-1, named=True)
    assert (last["new_users"], last["resurrected_users"]) == (0, 1)
    explorer.controls["language"].value = "Go"
    explorer.controls["question"].value = "lifecycle"
    assert explorer.controls["language"].layout.display == "none"
    assert "does not use them: Measure, Language, Editor." in explorer.unused.value
    assert active(explorer) == [2, 2, 2, 3]


def test_what_an_analysis_warns_of_is_told(explorer):
    """Cleo has no licence: the question about licences says so above its figure."""
    explorer.controls["question"].value = "adoption_rate"
    assert "Note: " in explorer.screen.words.value
    assert "1 active user not on the roster" in explorer.screen.words.value
    assert explorer.answer is not None
    explorer.controls["question"].value = "stickiness"
    assert explorer.screen.words.value == ""


def test_a_team_or_language_has_zeros_before_its_first_day(client, roster):
    """Search and Go are Bob's, from 9 February on; the range begins on 5 January, when somebody else was there."""
    opened = open_whole(client, start_date="2026-01-05", roster=roster, team="Search")
    for question in ("active_users", "lifecycle", "adoption_rate", "rolling_active_users"):
        opened.controls["question"].value = question
        table = opened.answer.table
        expected = [0] * 105 if question == "rolling_active_users" else [0] * 5 + [1] * 4
        assert table[table.columns[0]].min() == date(2026, 1, 5)
        assert table["active_users"].to_list()[: len(expected)] == expected
        assert "team" not in table.columns
    opened = open_whole(client, start_date="2026-01-05")
    opened.controls["language"].value = "Go"
    opened.wait()
    assert active(opened) == [0] * 5 + [1] * 4
    opened.controls["split"].value = "editor"
    by_editor = dict(opened.answer.table.group_by("editor").agg(pl.col("active_users").sum()).rows())
    assert by_editor == {"Vim": 4}


def test_what_another_thread_warns_of_is_not_told_here(explorer):
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
