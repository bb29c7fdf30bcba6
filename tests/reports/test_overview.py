"""The overview answers: it finds what happened at the made-up organisation, and is silent where nothing did."""

import re
from datetime import date
from typing import Any

import polars as pl
import pytest

from augment_insights import Client, reports
from augment_insights.reports.page import Page

TODAY = "2026-11-25"
CHANGED = re.compile(r" (rose|fell) to ")


def overview(monkeypatch: pytest.MonkeyPatch, least: int = 5, first: str | None = None, **chosen: Any) -> Page:
    """Build the overview of a sample of one's choice."""
    real = Client.sample
    with monkeypatch.context() as patched:
        patched.setattr(Client, "sample", staticmethod(lambda **usual: real(**usual, today=TODAY, **chosen)))
        return reports.build("overview", min_group_size=least, start_date=first)


@pytest.fixture(scope="module")
def page() -> Page:
    with pytest.MonkeyPatch.context() as patched:
        return overview(patched)


def test_the_sentences_find_the_planted_story(page):
    """The trained team, the one that moved to agents, the one whose people stopped, and where licences lie idle."""
    organisation = Client.sample(today=TODAY).sample_organisation
    assert organisation is not None
    story = organisation.story
    assert story is not None
    assert 3 <= len(page.sentences) <= 6
    agents, acceptance, lapse, idle, *_ = page.sentences
    assert re.search(rf"agents rose to .* team {story.moved_team} (accounts|contributes)", agents)
    assert re.search(rf"^Acceptance .* rose to .*team {story.trained_team} .*around then: Training, 26 Oct", acceptance)
    assert re.search(rf"team {story.lapsed_team} fell to", lapse)
    assert all(f"in team {team}" in idle for team in story.idle_teams)


def test_numbers_in_sentences_and_cards_are_those_of_the_tables(page):
    """Before, after and difference of each change; the active people; the idle licences."""
    changes = page.tables["changes"]
    for row in changes.filter(pl.col("verdict") != "no measurable change").iter_rows(named=True):
        (told,) = (sentence for sentence in page.sentences if sentence.startswith(row["figure"]))
        for value in (row["before"], row["after"]):
            assert f"{value:.1%}" in told
        assert f"{row['difference'] * 100:+.1f} points" in told
    cards = {line.label: line for line in page.headlines}
    active = page.tables["active_users"].filter("is_complete")
    assert cards["Active people, last complete week"].value == str(active["active_users"].last())
    assert list(cards["Active people, last complete week"].trend) == active["active_users"].to_list()
    unused = page.tables["licences_over_time"].filter(licence="unused")["users"]
    assert cards["Idle or never used licences"].value == str(unused.last())
    assert any(sentence.startswith(f"{unused.last()} of ") for sentence in page.sentences)
    by_figure = {row["figure"]: row for row in changes.iter_rows(named=True)}
    assert cards["Acceptance, the last 4 weeks"].value == f"{by_figure['Acceptance of completions']['after']:.1%}"
    assert (
        cards["Acceptance, the last 4 weeks"].verdict == by_figure["Acceptance of completions"]["verdict"] == "higher"
    )


def test_the_parts_of_the_teams_add_up_to_each_change(monkeypatch):
    """Of acceptance, of the agents' share, of the active people and of adoption: those of the smallest teams too."""
    page = overview(monkeypatch, least=1, people=150)
    parts = page.tables["contributions"]
    whole = dict(page.tables["changes"].select("figure", "difference").iter_rows())
    assert parts["figure"].n_unique() == 4
    for (figure,), rows in parts.group_by("figure"):
        assert rows["contribution"].sum() == pytest.approx(whole[figure], abs=1e-6), figure


def test_idle_licences_are_as_many_whatever_the_range(monkeypatch, page):
    """The 90 days before the range stand in one row, which says nothing of the last 30 days."""
    short = overview(monkeypatch, first="2026-11-02").tables["licences_over_time"]
    whole = page.tables["licences_over_time"].filter(pl.col("period_start") >= short["period_start"].min())
    assert short.height == 6
    assert short.equals(whole)
    assert page.tables["licences_over_time"]["period_start"].min() == date(2026, 9, 21)  # 30 days after 24 August


def test_without_a_roster_the_licence_cards_say_how_to_get_them(monkeypatch):
    """And nothing is said of licences."""
    monkeypatch.setattr(reports.Study, "_read_roster", lambda *_: None)
    page = overview(monkeypatch, people=60)
    cards = {line.label: line for line in page.headlines}
    for label in ("Adoption of licences", "Idle licences"):
        assert cards[label].value == "no roster"
        assert "licensed_from" in cards[label].detail
    assert not [sentence for sentence in page.sentences if "licence" in sentence]


@pytest.mark.slow
def test_where_nothing_happened_at_most_one_in_twenty_says_something_did(monkeypatch):
    """Twenty organisations without a story: whatever is called a change is one by chance."""
    told = [
        seed for seed in range(20) if CHANGED.search(" ".join(overview(monkeypatch, seed=seed, story=False).sentences))
    ]
    assert len(told) <= 1, told
