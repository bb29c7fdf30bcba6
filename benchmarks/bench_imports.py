"""What does starting cost, beside ``import polars``?

Each is a fresh process, and each round runs all of them in turn; the ratio of each to the Polars of
its own round, and the median of the rounds.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

ROUNDS = 9

PYTHON = [sys.executable, "-c"]
COMMAND = [str(Path(sys.executable).with_name("augment-insights"))]

POLARS = "import polars"
GOALS = {
    "import augment_insights": (0.15, [*PYTHON, "import augment_insights"]),
    "from augment_insights import fetch, analysis": (1.6, [*PYTHON, "from augment_insights import fetch, analysis"]),
    "augment-insights --help": (0.5, [*COMMAND, "--help"]),
}


def seconds_of(command: list[str]) -> float:
    """Run a command in a process of its own and return how long it took."""
    started = perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - started


def main() -> None:
    """Measure and print."""
    nothing, ratios = [], {name: [] for name in GOALS}
    for _ in range(ROUNDS):
        bare = seconds_of([*PYTHON, "pass"])
        polars = seconds_of([*PYTHON, POLARS]) - bare
        nothing.append(bare)
        for name, (_, command) in GOALS.items():
            ratios[name].append((seconds_of(command) - bare) / polars)
    print(
        f"imports: ratio to `{POLARS}`, each less an empty Python ({median(nothing):.3f} s), median of {ROUNDS} rounds"
    )
    for name, (goal, _) in GOALS.items():
        print(f"  {name:46} {median(ratios[name]):.2f} (goal: at most {goal:g})")


if __name__ == "__main__":
    main()
