"""A report's page as it is read: on a telephone, on paper, in the dark, with the keyboard."""

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from axe_playwright_python import sync_playwright as axe

from augment_insights import charts
from augment_insights.reports import Page

WEEKS = 12
LONG = "a group with a name of many words that goes on and on for as long as a name may be "
CHECKS = ["dau_count = dau (people)", "user_activity = daily_usage: completions_suggested_lines_of_code"]


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    """Write a page of a chart along time, whose legend and title are long, of one with columns, and of checks."""
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
    checks = pl.DataFrame(
        {"check": CHECKS, "date": starts[:2], "left": 1, "right": 1, "residual": 0, "status": "agrees"}
    )
    change = {
        "metric": "retention_rate",
        "before": 0.5,
        "after": 0.6,
        "difference": 0.1,
        "verdict": "no measurable change",
    }
    counts = {"is_paired": True, "both_users": 9, "before_users": 0, "after_users": 0, "compared_groups": 1}
    wide = {"difference_low": -0.2, "difference_high": 0.4, "team": "Retention of existing users after 4 weeks"}
    changes = pl.DataFrame([change | counts | wide])
    page = (
        Page("A page", population="people " * 10, as_of=date(2026, 5, 20), range_asked="spring")
        .figure("Lines", charts.active_users(teams, population="people " * 10), teams)
        .figure("Columns", charts.active_day_distribution(days), days)
        .figure("Checks", charts.reconcile(checks), checks)
        .figure("Changes", charts.compare(changes), changes)
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
    page.wait_for_function("document.querySelectorAll('svg.marks').length === 4")
    yield page
    context.close()
    assert said == []


def resize(page, width: int) -> None:
    """Make the window wider or narrower, and wait until the charts have followed."""
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_function(
        """() => {
            const chart = document.querySelector(".chart");
            return Math.abs(chart.querySelector("svg")?.getAttribute("width") - chart.clientWidth) < 40;
        }"""
    )


def width_of(page, figure: int) -> tuple[float, float]:
    """Return how wide a chart is, and how wide the room for it."""
    chart = page.locator(".chart").nth(figure)
    return chart.locator("svg").bounding_box()["width"], chart.bounding_box()["width"]


@pytest.mark.parametrize("opened", [(400, "light")], indirect=True)
def test_a_narrow_screen_holds_a_chart_along_time(opened):
    """Nothing of it is cut off, long words and names of checks included; columns are scrolled."""
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
    edge = opened.locator(".chart").nth(2).bounding_box()
    for name in (*CHECKS, "no measurable change"):
        box = opened.locator(".chart svg text", has_text=name).bounding_box()
        assert edge["x"] <= box["x"] <= box["x"] + box["width"] <= edge["x"] + edge["width"]


@pytest.mark.parametrize("opened", [(1280, "light")], indirect=True)
def test_a_chart_follows_the_window(opened):
    """As wide as there is room, and again after the window changed; one of columns stays as it was drawn."""
    columns, _ = width_of(opened, 1)
    for width in (800, 400, 1280):
        resize(opened, width)
        drawn, room = width_of(opened, 0)
        assert room - 40 <= drawn <= room < width
    assert width_of(opened, 1)[0] == columns > 700


@pytest.mark.parametrize("opened", [(1280, "light")], indirect=True)
def test_the_contents_stand_beside_a_wide_page_and_are_folded_on_a_narrow_one(opened):
    """Each entry leads to its section; the list stays in sight while the page is scrolled."""
    entries = opened.get_by_role("navigation", name="Contents").get_by_role("link")
    assert entries.all_inner_texts() == ["Lines", "Columns", "Checks", "Changes", "How this report was made"]
    entries.nth(1).click()
    heading = opened.get_by_role("heading", name="Columns")
    assert 0 <= heading.bounding_box()["y"] < 200
    assert entries.first.bounding_box()["y"] > 0
    resize(opened, 400)
    assert not entries.first.is_visible()
    assert opened.evaluate("document.documentElement.scrollWidth") == 400


@pytest.mark.parametrize("opened", [(1280, "dark")], indirect=True)
def test_a_figure_is_saved_from_the_page_itself(opened):
    """Drawing, image and numbers, named after page and figure; the picture is twice as large, and on white paper."""
    saved = {}
    for kind in ("CSV", "SVG", "PNG"):
        with opened.expect_download() as started:
            opened.get_by_role("link", name=f"{kind}: Columns").click()
        assert started.value.suggested_filename == f"report-columns.{kind.lower()}"
        saved[kind] = Path(started.value.path()).read_bytes()
    assert saved["CSV"].decode().splitlines()[:2] == ["active_days,users", "1,5"]
    width = int(re.search(rb'width="(\d+)', saved["SVG"])[1])
    assert saved["PNG"][:4] == b"\x89PNG"
    assert int.from_bytes(saved["PNG"][16:20], "big") == 2 * width
    assert b'fill="#ffffff"' in saved["SVG"]


@pytest.mark.parametrize("opened", [(1280, "light"), (1280, "dark"), (400, "light"), (400, "dark")], indirect=True)
def test_axe_finds_nothing_to_complain_of(opened):
    """Names of controls, headings, landmarks, contrast, tables, what is scrolled: everything unfolded, no violation."""
    opened.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true })")
    found = axe.Axe().run(opened).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []


@pytest.mark.parametrize("opened", [(1200, "light")], indirect=True)
def test_the_numbers_are_reached_and_scrolled_with_the_keyboard(opened):
    """Tab leads to the fold, Enter opens it, and Tab again to the box of the table, which says what it is."""
    fold = opened.get_by_text("The numbers", exact=True).first
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
