"""What a finished report costs: beside an empty run of the same machinery, each template, each format.

The goals: the warm overview takes at most 2.5 times an empty run of papermill on the same machine; each template
less than 20 seconds on the sample; a page at most 2 MB.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from augment_insights import reports
from augment_insights.reports.page import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 3
EMPTY = {
    "cells": [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": "parameters",
            "metadata": {"tags": ["parameters"]},
            "outputs": [],
            "source": ["nothing = None"],
        }
    ],
    "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}


def seconds(run: Callable[[], object]) -> float:
    """Return how long something takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    """Measure in turns, so that a busy moment meets both sides."""
    os.environ["AUGMENT_INSIGHTS_PROGRESS"] = "off"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AUGMENT_INSIGHTS_CACHE"] = f"{folder}/cache"
        empty = Path(folder, "empty.ipynb")
        empty.write_text(json.dumps(EMPTY), "utf-8")
        out = Path(folder, "out")
        reports.write("overview", output_dir=out)
        runs: dict[str, list[float]] = {"empty": [], "overview": []}
        for _ in range(ROUNDS):
            runs["empty"].append(seconds(lambda: reports.write(empty, output_dir=out)))
            runs["overview"].append(seconds(lambda: reports.write("overview", output_dir=out)))
        middle = {name: statistics.median(times) for name, times in runs.items()}
        ratio = middle["overview"] / middle["empty"]
        print(f"empty run {middle['empty']:.2f} s, warm overview {middle['overview']:.2f} s: {ratio:.2f} times")
        _templates(out)
        _formats(Path(folder, "formats"))


def _templates(out: Path) -> None:
    """Measure each template on the sample, and weigh its page."""
    for name in reports.templates():
        start = time.perf_counter()
        report = reports.write(name, output_dir=out)
        took = time.perf_counter() - start
        size = f"{report.html.stat().st_size / 1e6:.2f} MB" if report.html else "no page"
        print(f"template {name}: {took:.1f} s, {size}")


def _formats(out: Path) -> None:
    """Measure each format of one page, once it is built."""
    build = seconds(lambda: reports.build("overview"))
    page = reports.build("overview")
    print(f"build overview in this process: {build:.2f} s")
    for name in FORMATS:
        took = seconds(lambda name=name: page.save(out / name, [name]))
        size = sum(path.stat().st_size for path in (out / name).rglob("*") if path.is_file())
        print(f"format {name}: {took:.2f} s, {size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
