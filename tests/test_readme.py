"""The README keeps its word: its examples run, its commands exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_python_examples_run():
    """Every python block of the README runs from top to bottom, in one interpreter."""
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert blocks
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(blocks)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make (\w+)", README))))
def test_make_targets_exist(target):
    """Each ``make`` command that the README names is a target."""
    assert re.search(rf"^{target}:", MAKEFILE, flags=re.MULTILINE)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"augment-insights ([a-z][a-z-]*)", README))))
def test_commands_exist(command):
    """Each command that the README names answers ``--help``."""
    done = subprocess.run(
        [Path(sys.executable).with_name("augment-insights"), command, "--help"], capture_output=True, check=False
    )
    assert done.returncode == 0


def test_what_the_readme_links_to_is_there():
    """Pictures and pages that the README points at are in the repository."""
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
