"""A report's page as it is read: on a telephone, on paper, in the dark, with the keyboard."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from augment_insights import charts
from augment_insights.reports import Page

WEEKS = 12
LONG = "a group with a name of many words that goes on and on for as long as a name may be "


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    """Write a page of a chart along time, whose legend and title are long, and of one with columns."""
    starts = [date(2026, 3, 2) + timedelta(weeks=week) for week in range(WEEKS)]
    weekly = pl.DataFrame(
        {
            "period_start": starts,
            "period_end": [day + timedelta(days=6) for day in starts],
            "active_users": range(WEEKS),
            "is_complete": [True] * (WEEKS - 1) + [False],
        }
    )
    teams = pl.concat([weekly.with_columns(team=pl.lit(f"{LONG}{n}")) for n in range(3)])
    days = pl.DataFrame({"active_days": range(1, 29), "users": [5] * 28})
    page = (
        Page("A page", population="people " * 10, as_of=date(2026, 5, 20), range_asked="spring")
        .figure("Lines", charts.active_users(teams, population="people " * 10), teams)
        .figure("Columns", charts.active_day_distribution(days), days)
    )
    path: Path = page.save_html(tmp_path_factory.mktemp("page") / "page.html")
    return path.as_uri()


@pytest.fixture
def opened(browser, address, request) -> Any:
    """Open the page in a window of a width, light or dark; its console must stay silent."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(address)
    page.wait_for_function("document.querySelectorAll('svg.marks').length === 2")
    yield page
    context.close()
    assert said == []


def width_of(page, figure: int) -> tuple[float, float]:
    """Return how wide a chart is, and how wide the room for it."""
    chart = page.locator(".chart").nth(figure)
    return chart.locator("svg").bounding_box()["width"], chart.bounding_box()["width"]


@pytest.mark.parametrize("opened", [(400, "light")], indirect=True)
def test_a_narrow_screen_holds_a_chart_along_time(opened):
    """Nothing of it is cut off, long words included; one of columns is scrolled within its own box."""
    assert opened.evaluate("document.documentElement.scrollWidth") == 400
    drawn, room = width_of(opened, 0)
    assert room - 40 <= drawn <= room
    edge = opened.locator(".chart").first.bounding_box()
    for text in opened.locator(".chart svg text").all()[:40]:
        box = text.bounding_box()
        if box and box["y"] < edge["y"] + edge["height"]:
            assert box["x"] + box["width"] <= edge["x"] + edge["width"] + 1
    drawn, room = width_of(opened, 1)
    assert drawn > room


@pytest.mark.parametrize("opened", [(1200, "light")], indirect=True)
def test_a_wide_screen_shows_it_as_it_was_drawn(opened):
    """At its own width, with the legend over it."""
    for figure in range(2):
        drawn, room = width_of(opened, figure)
        assert 700 < drawn <= room


@pytest.mark.parametrize("opened", [(1200, "light")], indirect=True)
def test_the_numbers_are_reached_and_scrolled_with_the_keyboard(opened):
    """Tab leads to the fold, Enter opens it, and Tab again to the box of the table, which says what it is."""
    fold = opened.locator("summary").first
    fold.focus()
    opened.keyboard.press("Enter")
    opened.keyboard.press("Tab")
    focused = opened.evaluate("[document.activeElement.getAttribute('role'), document.activeElement.ariaLabel]")
    assert focused == ["region", "The numbers: Lines"]


@pytest.mark.parametrize("opened", [(1200, "light"), (1200, "dark")], indirect=True)
def test_words_stand_out_from_the_page_by_day_and_by_night(opened, contrast):
    """4.5 to 1 for words, as WCAG asks; 3 to 1 for the first line of a chart."""
    seen = opened.evaluate(
        """() => {
            const style = (selector) => getComputedStyle(document.querySelector(selector));
            const texts = [...document.querySelectorAll(".chart svg text")];
            return {
                paper: style("section").backgroundColor,
                words: [style("h2").color, style("summary").color, style("a").color,
                        ...texts.map((text) => getComputedStyle(text).fill)],
                line: style(".chart svg .mark-line path").stroke,
            };
        }"""
    )
    assert min(contrast(color, seen["paper"]) for color in seen["words"]) >= 4.5
    assert contrast(seen["line"], seen["paper"]) >= 3
