"""A long fetch: its price first, then a bar, and a Cancel that keeps what came."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from augment_insights import widgets

if TYPE_CHECKING:
    from collections.abc import Callable

    from augment_insights import Client

START, END = date(2026, 2, 9), date(2026, 3, 8)
DAYS = {"start_date": START, "end_date": END, "interactive": True}
"""Twenty-eight days with activity: a list of users each."""


def is_shown(widget: Any) -> bool:
    return widget.layout.display != "none"


@pytest.fixture
def opened(remote: Callable[..., Client]) -> Any:
    """Open the explorer at an API whose fetch is above the budget, and wait for the price."""
    explorer = widgets.explore(remote(plan_above=10), **DAYS)
    explorer.wait()
    return explorer


def active(explorer: Any) -> list[int]:
    return explorer.answer.table["active_users"].to_list()


def test_a_dear_fetch_waits_for_the_button(gate: Any, opened: Any) -> None:
    """The price stands there with its plan, nothing but daily counts was sent; pressed, it is fetched as priced."""
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


def test_a_cheap_fetch_asks_nobody(gate: Any, remote: Callable[..., Client]) -> None:
    """Below the budget it begins by itself."""
    explorer: Any = widgets.explore(remote(plan_above=100), **DAYS)
    explorer.wait()
    assert active(explorer) == [2, 2, 2, 3]


def test_an_offer_is_taken_back_when_it_is_no_longer_needed(gate: Any, opened: Any) -> None:
    """Another range, another price; and the price of what is loaded is none."""
    opened.controls["start_date"].value = date(2026, 3, 2)
    opened.wait()
    assert len(gate.lists) > 0, "seven days are below the budget"
    assert active(opened) == [3]
    assert not any(is_shown(part) for part in (opened.offer, opened.progress))


def test_the_bar_tells_how_far_it_is(gate: Any, opened: Any) -> None:
    """Five answers have come and the sixth is waited for: five of twenty-eight."""
    gate.shut_after(5)
    opened.fetch_button.click()
    assert gate.reached.wait(30)
    assert (opened.bar.value, opened.bar.max) == (5, 28)
    assert opened.state.value.startswith("5 of 28 requests")
    assert not is_shown(opened.offer)
    gate.open()
    opened.wait()
    assert active(opened) == [2, 2, 2, 3]


def test_a_cancel_keeps_what_came(gate: Any, opened: Any) -> None:
    """Cancelled at the sixth answer: it says so, and Fetch sends the rest; in the end no list was asked for twice."""
    gate.shut_after(5)
    opened.fetch_button.click()
    assert gate.reached.wait(30)
    opened.cancel_button.click()
    assert opened.cancel_button.disabled
    gate.open()
    opened.wait()
    sent = len(gate.lists)
    assert sent <= 7
    assert "Cancelled" in opened.cost.value
    assert opened.answer is None
    opened.fetch_button.click()
    opened.wait()
    assert active(opened) == [2, 2, 2, 3]
    assert len(gate.lists) == len(set(gate.lists)) == 28


def test_the_last_wish_wins(gate: Any, opened: Any) -> None:
    """The range moves while a fetch runs: that is given up, and what is wanted now is shown."""
    gate.shut_after(5)
    opened.fetch_button.click()
    assert gate.reached.wait(30)
    opened.controls["start_date"].value = date(2026, 1, 5)
    gate.open()
    opened.wait()
    opened.fetch_button.click()
    opened.wait()
    assert opened.answer.table["period_start"].min() == date(2026, 1, 5), "Cleo's day"
    assert len(gate.lists) == len(set(gate.lists))


def test_going_back_to_what_is_loaded_needs_no_wait(gate: Any, opened: Any) -> None:
    """While a fetch for a wider range runs, the loaded one is drawn at once."""
    opened.fetch_button.click()
    opened.wait()
    gate.shut_after(1)
    opened.controls["start_date"].value = date(2026, 2, 2)
    assert gate.reached.wait(30)
    assert opened.answer is None
    opened.controls["start_date"].value = START
    assert active(opened) == [2, 2, 2, 3]
    gate.open()
    opened.wait()
    assert active(opened) == [2, 2, 2, 3]
