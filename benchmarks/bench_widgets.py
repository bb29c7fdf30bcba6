"""How long after a change is the explorer's figure there, on the sample organisation's year?

Every question, period and split of the explorer, drawn from one fetch: the seconds until the compiled
chart is there, in the kernel (the browser draws it after that); the least of three, as what else
the machine does can only add. The goal is half a second.
"""

from __future__ import annotations

import tempfile
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from augment_insights import Client, widgets
from augment_insights.sample import write_roster

TODAY = date(2026, 11, 22)
GOAL = 0.5
ROUNDS = 3


def redraw(explorer: Any) -> float:
    """Time one."""
    started = perf_counter()
    explorer.refresh()
    return perf_counter() - started


def redraws(explorer: Any) -> list[tuple[float, str]]:
    """Go through the controls, and time each redraw."""
    found = []
    controls = explorer.controls
    for _, question in controls["question"].options:
        controls["question"].value = question
        for _, every in controls["every"].options:
            controls["every"].value = every
            for _, split in controls["split"].options:
                controls["split"].value = split
                seconds = min(redraw(explorer) for _ in range(ROUNDS))
                found.append((seconds, f"{question} every {every} by {split or 'nothing'}"))
            controls["split"].value = ""
    return sorted(found, reverse=True)


def main() -> None:
    """Measure and print."""
    client = Client.sample(today=TODAY)
    with tempfile.TemporaryDirectory() as folder:
        roster = write_roster(Path(folder) / "roster.csv", TODAY)
        started = perf_counter()
        explorer: Any = widgets.explore(client, start_date=TODAY - timedelta(days=365), roster=roster, interactive=True)
        explorer.wait(600)
    opened, sent = perf_counter() - started, client.requests_sent
    found = redraws(explorer)
    print(f"widgets: the sample's year is fetched in {opened:.1f} s with {sent} requests")
    print(f"  {len(found)} redraws sent {client.requests_sent - sent} requests (goal: 0)")
    seconds = [taken for taken, _ in found]
    print(f"  a redraw takes {median(seconds):.2f} s (median), at most {seconds[0]:.2f} s (goal: at most {GOAL:g})")
    for taken, name in found[:3]:
        print(f"    {taken:.2f} s  {name}")


if __name__ == "__main__":
    main()
