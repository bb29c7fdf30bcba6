"""What every test stands on: a machine of its own, without the user's settings, token or cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a home and a cache folder of its own, and no token."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AUGMENT_INSIGHTS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AUGMENT_INSIGHTS_PROGRESS", "off")
    for name in ("AUGMENT_API_TOKEN", "AUGMENT_API_URL", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path
