"""A process that is ended at any moment loses nothing, beside another one too."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

pytestmark = pytest.mark.slow

LONGEST = 120


def commands(machine) -> dict[str, tuple[str, ...]]:
    """Return the commands that are ended."""
    return {
        "fetch": ("fetch", "editor_language", *machine.range, "--out", "table.parquet"),
        "sync": ("sync", "--since", str(machine.first)),
        "cache clear": ("cache", "clear"),
        "report": ("report", "overview", *machine.range),
    }


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a process, and return its exit code and what it said to people."""
    _, told = process.communicate(timeout=LONGEST)
    return process.returncode, told


def look(folder: Path, truth: dict[str, pl.DataFrame]) -> None:
    """See that what stands under its own name is whole; what is hidden is nobody's."""
    table = folder / "table.parquet"
    if table.exists():
        assert_frame_equal(pl.read_parquet(table), truth["editor_language"])
    for page in (folder / "reports").glob("*.html"):
        assert page.read_text(encoding="utf-8").rstrip().endswith("</html>")
        assert page.with_suffix(".ipynb").exists()


USUAL: dict[str, float] = {}


@pytest.fixture
def usual(machine) -> dict[str, float]:
    """Return how long each command takes when nobody ends it, and see that each does its work."""
    if USUAL:
        return USUAL
    for name, command in commands(machine).items():
        machine.new_account()
        before = time.monotonic()
        assert finish(machine.start(*command))[0] == 0
        USUAL[name] = time.monotonic() - before
    assert (machine.folder / "table.parquet").exists()
    return USUAL


@pytest.mark.parametrize(("word", "full"), [("KILL", 200), ("INT", 60), ("TERM", 60)])
def test_what_is_ended_at_random_loses_nothing(word, full, machine, usual, random, trials):
    """After it every table is right, no file under its own name is a part, no lock is held; another one finishes."""
    number = getattr(signal, f"SIG{word}")
    names = ["fetch", "sync"] * 4 + ["cache clear", "report"]
    for _ in trials(
        f"SIG{word} at a random moment of `fetch`, `sync`, `cache clear`, `report`, half beside another", full
    ):
        machine.new_account()
        shutil.rmtree(machine.archive if random.random() < 0.5 else machine.folder / "reports", ignore_errors=True)
        name, beside = random.choice(names), random.choice([*names[:9], *[None] * 9])
        other = None if beside is None else machine.start(*commands(machine)[beside])
        process = machine.start(*commands(machine)[name])
        time.sleep(random.uniform(0, usual[name] * (1 if other is None else 1.5)))
        process.send_signal(number)
        code, told = finish(process)
        assert code in {0, -number, *([130, 1] if word == "INT" else [])}, (name, told)
        if code == 1:  # Python itself was still loading, or already ending
            assert "KeyboardInterrupt" in told
        if other is not None:
            assert finish(other)[0] == 0, (beside, name)
        look(machine.folder, machine.truth)
        machine.check()
