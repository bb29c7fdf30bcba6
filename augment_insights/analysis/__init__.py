"""The questions: pure functions from tables of activity to tables of answers.

Every function takes Polars frames and returns a Polars frame that keeps its table in
:mod:`augment_insights.tables`. None reads the clock, the network or the disk.
"""

from __future__ import annotations

__all__: list[str] = []
