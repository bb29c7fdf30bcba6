"""Files of the cache and of the archive with any damage never make a wrong number, and heal."""

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from augment_insights.errors import ArchiveError, InsightsWarning

pytestmark = pytest.mark.slow


def flip(content: bytearray, random: Random) -> bytearray:
    """Flip one bit."""
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    return content


def truncate(content: bytearray, random: Random) -> bytearray:
    """Cut off the end."""
    return content[: random.randrange(len(content))]


def blank(content: bytearray, random: Random) -> bytearray:
    """Zero a stretch, as a disk that lost a sector."""
    at = random.randrange(len(content))
    length = min(len(content) - at, random.choice([1, 64, 512, 4096]))
    content[at : at + length] = bytes(length)
    return content


def repeat(content: bytearray, random: Random) -> bytearray:
    """Write a part twice."""
    at = random.randrange(len(content))
    return content[:at] + content[at // 2 :]


def replace(content: bytearray, random: Random) -> bytearray:
    """Put something else in its place."""
    return bytearray(random.randbytes(random.randrange(2000)))


NOT_MADE_AGAIN = {"archive.json", "users.parquet", "restatements.parquet"}
"""What cannot be fetched again: whose archive it is, what its codes mean, what the API said before."""

HARMS: tuple[Callable[[bytearray, Random], bytearray], ...] = (flip, flip, truncate, truncate, blank, repeat, replace)


@pytest.mark.parametrize("part", ["cache", "archive"])
def test_damage_makes_no_wrong_number(part, machine, random, trials):
    """One or two files with one fault each: every table is right, or what no fetch brings back is said to be lost."""
    machine.check()
    whole = machine.folder / "whole"
    shutil.copytree(machine.folder / part, whole)
    if part == "cache":  # what the archive has, nobody reads from the cache
        machine.archive = False
        machine.check()
        shutil.rmtree(whole)
        shutil.copytree(machine.folder / part, whole)
    for _ in trials(f"a truncated, flipped, zeroed, doubled or foreign file of the {part}", 500):
        place = machine.folder / part
        shutil.rmtree(place)
        shutil.copytree(whole, place)
        files = sorted(path for path in place.rglob("*") if path.is_file() and path.stat().st_size)
        harmed: list[tuple[Path, str]] = []
        for path in random.sample(files, random.choice([1, 1, 1, 2])):
            harm = random.choice(HARMS)
            path.write_bytes(harm(bytearray(path.read_bytes()), random))
            harmed.append((path, harm.__name__))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InsightsWarning)
            try:
                machine.check()
            except ArchiveError as error:
                assert {path.name for path, _ in harmed} & NOT_MADE_AGAIN, (harmed, error)
                assert str(machine.archive) in str(error)
                assert "Hint: " in str(error)
            except AssertionError as error:
                raise AssertionError(harmed) from error
