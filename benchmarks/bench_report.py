"""What a finished report costs: beside an empty run of the same machinery, each template, each format.

The goals: the warm overview takes at most 2.5 times an empty run of papermill on the same machine; each template
less than 20 seconds on the sample; a page at most 2 MB.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
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
    """Measure all of it."""
    os.environ["AUGMENT_INSIGHTS_PROGRESS"] = "off"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AUGMENT_INSIGHTS_CACHE"] = f"{folder}/cache"
        empty = Path(folder, "empty.ipynb")
        empty.write_text(json.dumps(EMPTY), "utf-8")
        out = Path(folder, "out")
        reports.write("overview", output_dir=out)
        _compare(
            "commands, from a cold process",
            lambda: _command("papermill", str(empty), f"{folder}/empty-out.ipynb"),
            lambda: _command("augment-insights", "report", "overview", "--sample", "--output-dir", str(out)),
        )
        _compare(
            "in one process, all imported",
            lambda: reports.write(empty, output_dir=out),
            lambda: reports.write("overview", output_dir=out),
        )
        _templates(out)
        _formats(Path(folder, "formats"))


def _command(name: str, *arguments: str) -> None:
    subprocess.run([Path(sys.executable).with_name(name), *arguments], check=True, capture_output=True)


def _compare(what: str, empty: Callable[[], object], overview: Callable[[], object]) -> None:
    """Measure in turns, so that a busy moment meets both sides."""
    times = [(seconds(empty), seconds(overview)) for _ in range(ROUNDS)]
    first, second = (statistics.median(side) for side in zip(*times, strict=True))
    print(f"{what}: empty run {first:.2f} s, warm overview {second:.2f} s: {second / first:.2f} times")


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
