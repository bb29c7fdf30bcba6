"""How long do all analysis functions take over the sample organisation's year, one after the other?

The tables are fetched first and are in no figure. Goal: under two seconds for all of them.
"""

from __future__ import annotations

import io
import warnings
from datetime import date, timedelta
from time import perf_counter
from typing import TYPE_CHECKING, Any

import polars as pl

from augment_insights import Client, analysis, fetch
from augment_insights.sample import roster_csv

if TYPE_CHECKING:
    from collections.abc import Callable

DAYS = 365


def questions(client: Client, today: date) -> dict[str, Callable[[], Any]]:
    """Fetch every table of the year, and return each question with what it is asked of."""
    last = today - timedelta(days=1)
    first = last - timedelta(days=DAYS - 1)
    middle = first + timedelta(days=DAYS // 2)
    days = fetch.dau(start_date=first, end_date=last, client=client)
    weeks = fetch.user_activity(first, last, every="1w", client=client)
    totals = fetch.user_activity(first, last, client=client)
    records = fetch.editor_language(start_date=first, end_date=last, client=client)
    counts, usage = fetch.dau_count(first, last, client=client), fetch.daily_usage(first, last, client=client)
    before, after = records.filter(pl.col("date") < middle), records.filter(pl.col("date") >= middle)
    roster = analysis.read_roster(pl.read_csv(io.StringIO(roster_csv(today)), infer_schema=False))
    every = {"every": "1w"}
    return {
        "active_users": lambda: analysis.active_users(days, **every),
        "rolling_active_users": lambda: analysis.rolling_active_users(days),
        "stickiness": lambda: analysis.stickiness(days),
        "active_day_distribution": lambda: analysis.active_day_distribution(days),
        "adoption_rate": lambda: analysis.adoption_rate(days, licences=roster),
        "adoption_curve": lambda: analysis.adoption_curve(days, licences=roster),
        "time_to_first_use": lambda: analysis.time_to_first_use(days, roster),
        "unused_licences": lambda: analysis.unused_licences(days, roster),
        "feature_adoption": lambda: analysis.feature_adoption(totals),
        "mode_mix": lambda: analysis.mode_mix(records, every="1mo"),
        "mode_transitions": lambda: analysis.mode_transitions(weeks),
        "habit_ladder": lambda: analysis.habit_ladder(weeks, roster=roster),
        "concentration": lambda: analysis.concentration(totals, metric="total_messages"),
        "lifecycle": lambda: analysis.lifecycle(days, **every),
        "cohort_retention": lambda: analysis.cohort_retention(days, **every),
        "cohort_retention, unbounded": lambda: analysis.cohort_retention(days, **every, kind="unbounded"),
        "cohort_retention, recurring": lambda: analysis.cohort_retention(days, **every, cohort="recurring"),
        "retention_curve": lambda: analysis.retention_curve(analysis.cohort_retention(days, **every)),
        "survival": lambda: analysis.survival(days),
        "acceptance_rate by language": lambda: analysis.acceptance_rate(records, by="language"),
        "acceptance_rate by week": lambda: analysis.acceptance_rate(records, **every),
        "acceptance_change": lambda: analysis.acceptance_change(before, after, by="language"),
        "compare": lambda: analysis.compare(
            analysis.acceptance_rate(before), analysis.acceptance_rate(after), metric="acceptance_rate"
        ),
        "reconcile": lambda: analysis.reconcile(
            dau_count=counts, dau=days, daily_usage=usage, user_activity=totals, editor_language=records
        ),
        "join_roster": lambda: analysis.join_roster(days, roster),
        "pseudonymise": lambda: analysis.pseudonymise(records, "key"),
        "suppress_small_groups": lambda: analysis.suppress_small_groups(
            analysis.acceptance_rate(records, by="language"), by="language"
        ),
    }


def main() -> None:
    """Measure and print."""
    client = Client.sample(progress=False)
    asked = questions(client, client.now().date())
    seconds = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the data says of itself is not what is measured here
        for name, ask in asked.items():
            started = perf_counter()
            ask()
            seconds[name] = perf_counter() - started
    print(f"the sample's year through {len(seconds)} questions, once each: {sum(seconds.values()):.2f} s (goal: 2 s)")
    for name in sorted(seconds, key=lambda name: -seconds[name])[:5]:
        print(f"  {name:30} {seconds[name]:.3f} s")


if __name__ == "__main__":
    main()
