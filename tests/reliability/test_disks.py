"""Disks of every size, full at any point: the table that was complete, or one line that names the disk."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

pytestmark = pytest.mark.slow

WHAT = "a disk of 60 kB to 2 MB under cache, archive and output"
FULL = 60
COMMANDS = {
    "fetch": ("fetch", "editor_language", "--out", "small/table.parquet"),
    "sync": ("sync",),
    "report": ("report", "overview", "--output-dir", "small/reports"),
}


@pytest.fixture
def small(machine, leave_out) -> Iterator[Path]:
    """Return a folder on which another file system can be mounted."""
    place = machine.folder / "small"
    place.mkdir()
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mount") is None:
        leave_out(WHAT, FULL, "only root can mount a disk of memory")
    if not mount(place, 1000):
        leave_out(WHAT, FULL, "this machine lets nobody mount a disk of memory")
    unmount(place)
    yield place
    unmount(place)


def mount(place: Path, kilobytes: int) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,mode=0700", "tmpfs", str(place)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def unmount(place: Path) -> None:
    subprocess.run(["umount", "--lazy", str(place)], capture_output=True, check=False)


def test_a_small_disk_costs_at_most_what_does_not_fit(machine, small, random, trials):
    """Exit code 0 and a whole table, or 1 and one line with what to do: no traceback, no part under its name."""
    names = [*["fetch", "sync"] * 5, "report"]
    for _ in trials(WHAT, FULL, least=2):
        kilobytes = round(60 * (2000 / 60) ** random.random())
        assert mount(small, kilobytes)
        try:
            machine.new_account()
            machine.archive = small / "archive"
            name = random.choice(names)
            days = ("--since", str(machine.first)) if name == "sync" else machine.range
            environ = machine.environ | {"AUGMENT_INSIGHTS_CACHE": str(small / "cache")}
            done = machine.start(*COMMANDS[name], *days, environ=environ)
            _, told = done.communicate(timeout=180)
            case = (name, kilobytes, told)
            assert done.returncode in (0, 1), case
            assert "Traceback" not in told, case
            lines = [line for line in told.splitlines() if line.startswith("Error: ")]
            assert len(lines) == done.returncode, case
            assert all("Hint: " in line for line in lines), case
            table = small / "table.parquet"
            assert table.exists() == (name == "fetch" and done.returncode == 0), case
            if table.exists():
                assert_frame_equal(pl.read_parquet(table), machine.truth["editor_language"])
            for page in (small / "reports").glob("*.html"):
                assert page.read_text(encoding="utf-8").rstrip().endswith("</html>"), case
        finally:
            unmount(small)
