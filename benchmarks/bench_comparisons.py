"""How often is a change seen that is not there, and how often one that is?

Two weeks of the same made-up people, thousands of times over, compared as what they are (paired) and as
if they were two groups of different people (independent). People accept 30 % on average, and differ; how much
they are suggested differs too, within and between weeks. The change to be seen: everybody accepts 3 points
more; or everybody's chance of being active rises by 15 points.

Then groups with the rest, several at once (Holm): eight languages, of which everybody writes a few, and five teams.
A false alarm is a trial in which any of them has a verdict; power, that the one language with 10 points more has it.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from augment_insights import analysis
from augment_insights.analysis.intervals import difference, paired_difference, ratio_interval, wilson

PEOPLE = (6, 20, 100, 1_000)
TRIALS = {6: 4_000, 20: 4_000, 100: 4_000, 1_000: 1_000}
GROUP_TRIALS = 500
LANGUAGES = 8
SIGMAS = {"alike": 0.5, "unlike": 1.2}
_GROUP = "trial"


def as_frame(people: int, part: list[np.ndarray], whole: list[np.ndarray]) -> pl.DataFrame:
    """Lay trials and people end to end."""
    trials = len(part[0])
    columns = {_GROUP: np.repeat(np.arange(trials), people)}
    for side, name in enumerate(("before", "after")):
        columns[f"part_{name}"] = part[side].ravel()
        columns[f"whole_{name}"] = whole[side].ravel()
    return pl.DataFrame(columns)


def acceptance(random: np.random.Generator, people: int, sigma: float, effect: float) -> pl.DataFrame:
    """Make people who accept more or less, and differ in how much they are suggested."""
    shape = (TRIALS[people], people)
    volume = random.lognormal(4, sigma, shape)
    level = random.beta(6, 14, shape)
    whole = [random.poisson(volume) for _ in range(2)]
    part = [random.binomial(whole[side], np.clip(level + effect * side, 0, 1)) for side in range(2)]
    return as_frame(people, part, whole)


def activity(random: np.random.Generator, people: int, effect: float, *, alternate: bool = False) -> pl.DataFrame:
    """Make people who are active in a week or not; when they alternate, half are on leave in each week."""
    shape = (TRIALS[people], people)
    chance = random.beta(3, 2, shape)
    part = [(random.random(shape) < np.clip(chance + effect * side, 0, 1)).astype(int) for side in range(2)]
    if alternate:
        first = random.random(shape) < 0.5
        part = [first.astype(int), (~first).astype(int)]
    return as_frame(people, part, [np.ones(shape, dtype=int)] * 2)


def seen(frame: pl.DataFrame, *, shares: bool) -> tuple[float, float]:
    """Return the share of trials in which the paired, and the independent, interval leaves zero out."""
    paired = paired_difference(frame, group=_GROUP)
    found = (paired["p_value"] <= 0.05) & ((paired["difference_low"] > 0) | (paired["difference_high"] < 0))
    sides = []
    for name in ("before", "after"):
        part, whole = f"part_{name}", f"whole_{name}"
        rate = frame.group_by(_GROUP).agg(pl.col(part, whole).sum()).with_columns(p=pl.col(part) / pl.col(whole))
        if shares:
            low, high = wilson(pl.col(part), pl.col(whole))
            bounds = rate.with_columns(low=low, high=high)
        else:
            bounds = rate.join(ratio_interval(frame, group=_GROUP, numerator=part, denominator=whole), on=_GROUP)
        sides.append(bounds.select(_GROUP, p="p", low="low", high="high"))
    both = sides[0].join(sides[1], on=_GROUP, suffix="_after")
    was, now = ([pl.col(f"{name}{end}") for name in ("p", "low", "high")] for end in ("", "_after"))
    low, high = difference(tuple(was), tuple(now))
    apart = both.select((low > 0) | (high < 0)).to_series()
    return float(found.fill_null(value=False).mean() or 0), float(
        apart.sum() / TRIALS[int(frame.height / paired.height)]
    )


def languages(random: np.random.Generator, people: int, effect: float) -> pl.DataFrame:
    """Make people of five teams who write some of eight languages, and accept alike in all but in the first."""
    user, language = (axis.ravel() for axis in np.meshgrid(range(people), range(LANGUAGES), indexing="ij"))
    level = random.beta(6, 14, people)[user] + effect * (language == 0)
    written = random.random(user.size) < np.linspace(0.9, 0.2, LANGUAGES)[language]
    count = np.where(written, random.poisson(random.lognormal(3.5, 1.2, user.size)), 0)
    columns = {"completions_count": count, "completions_accepted": random.binomial(count, np.clip(level, 0, 1))}
    chats = (random.random(people) < 0.6)[user].astype(int)
    names = {"user": user, "language": language, "team": user % 5, "chat_messages": chats, **columns}
    return (
        pl.DataFrame(names)
        .filter(pl.col("completions_count") > 0)
        .with_columns(pl.col("user").cast(pl.String), user_type=pl.lit("person"))
    )


def told_apart(random: np.random.Generator, people: int, effect: float, metric: str, by: str) -> float:
    """Return the share of trials in which some group (with an effect: the first) is told from the rest."""
    found = 0
    for _ in range(GROUP_TRIALS):
        compared = analysis.compare_groups(languages(random, people, effect), metric=metric, by=by)
        told = compared.filter(pl.col("verdict").is_in(["higher", "lower"]))
        found += bool((told[by] == 0).any() if effect else told.height)
    return found / GROUP_TRIALS


def main() -> None:
    """Simulate and print."""
    random = np.random.default_rng(20_260_301)
    print("comparisons: share of trials with a verdict, paired (independent); false alarms: at most .06")
    print(f"  {'':42}" + "".join(f"{f'{people:,} people':>18}" for people in PEOPLE))
    for name, sigma in SIGMAS.items():
        for label, effect in (("false alarms", 0.0), ("everybody +3 points", 0.03)):
            cells = [seen(acceptance(random, people, sigma, effect), shares=False) for people in PEOPLE]
            show(f"acceptance, volumes {name}: {label}", cells)
    for label, effect in (("false alarms", 0.0), ("everybody +15 points", 0.15)):
        show(f"share active: {label}", [seen(activity(random, people, effect), shares=True) for people in PEOPLE])
    alternating = [seen(activity(random, people, 0.0, alternate=True), shares=True) for people in PEOPLE]
    show("half on leave, in turn: false alarms", alternating)
    print(f"  {'groups with the rest, by Holm':42}" + "".join(f"{f'{people:,} people':>18}" for people in PEOPLE))
    for label, effect, metric, by in (
        ("acceptance by language: false alarms", 0.0, "acceptance_rate", "language"),
        ("acceptance by language: one +10 points", 0.1, "acceptance_rate", "language"),
        ("chat by team: false alarms", 0.0, "chat_rate", "team"),
    ):
        shares = [told_apart(random, people, effect, metric, by) for people in PEOPLE]
        print(f"  {label:42}" + "".join(f"{share:>18.3f}" for share in shares))


def show(label: str, cells: list[tuple[float, float]]) -> None:
    """Print one line."""
    print(f"  {label:42}" + "".join(f"{f'{paired:.3f} ({independent:.3f})':>18}" for paired, independent in cells))


if __name__ == "__main__":
    main()
