"""Run every benchmark, or those named: ``python -m benchmarks [decode wire ...]``."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path


def main() -> None:
    """Run them one after the other."""
    every = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))
    for name in sys.argv[1:] or every:
        import_module(f"benchmarks.bench_{name}").main()
        print()


if __name__ == "__main__":
    main()
