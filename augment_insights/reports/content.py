"""What a report says in figures and in words, and how it was made: the same in every format."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import polars as pl
import polars.selectors as cs

from augment_insights import __version__
from augment_insights.analysis import people_needed
from augment_insights.analysis.context import AIMS
from augment_insights.charts import theme
from augment_insights.errors import TableError, plural
from augment_insights.periods import NOUN, Every, check_every, day_text
from augment_insights.reports.sharing import SUPPRESSED
from augment_insights.tables import (
    COMPARISON,
    CONTRIBUTIONS,
    LICENCE_STATUS,
    LICENSED,
    OF_METRIC,
    ON_TRACK,
    POPULATION_BRIDGE,
    RECONCILIATION,
    RETENTION_CURVE,
    SEEN,
    UNMATCHED,
    UNMATCHED_SIDE,
    column_words,
    columns_of,
    is_rate,
    require,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NO_DATA = "no data"

MISSING = "\N{EN DASH}"

SAMPLE = "sample data: a made-up organisation"

TIME_STAMPS = ("Generated at", "Data made at", "Requests sent")
"""What differs between two reports of the same inputs: when each was made, and what the cache had by then."""


@dataclass(frozen=True)
class Headline:
    """A figure in large print: what it is, how much, what stands behind it, how it changed, and its course.

    Attributes
    ----------
    label, value, detail : str
        What it is, how much, and a line under it: its counts, its days.
    change : str
        How it stands to an earlier time, in words; empty where that is not told.
    verdict : {"higher", "lower", "no measurable change"} or None
        What may be said of that change; None where nothing may.
    trend : tuple of float or None
        Its value in each period, the last one last; None where there is none.
    """

    label: str
    value: str
    detail: str = ""
    change: str = ""
    verdict: str | None = None
    trend: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Figure:
    """A chart with the numbers behind it and how to read it, all as they may be shown.

    ``spec`` is the chart on white paper, ``page_spec`` the same in the colours of a page's style sheet.
    """

    name: str
    title: str
    chart: theme.Chart
    spec: Mapping[str, Any]
    page_spec: Mapping[str, Any]
    table: pl.DataFrame
    how_to_read: str
    shows_table: bool = False

    def laid_out(self, *, most_rows: int, people: str) -> dict[str, Any]:
        """Return its words and so many of its numbers, as the templates of a page and a document name them."""
        return {
            "title": self.title,
            "how_to_read": self.how_to_read,
            "description": theme.describe(self.spec),
            "columns": [column_words(name, people=people) for name in self.table.columns],
            "is_number": [dtype.is_numeric() for dtype in self.table.dtypes],
            "rows": table_rows(self.table.head(most_rows)),
            "hidden_rows": max(0, self.table.height - most_rows),
            "shows_table": self.shows_table,
        }


@dataclass(frozen=True)
class Content:
    """Everything that a report says, as it may be shown; the formats only lay it out."""

    title: str = ""
    name: str = ""
    sample: bool = False
    population: str = ""
    as_of: date | None = None
    badges: tuple[str, ...] = ()
    headlines: tuple[Headline, ...] = ()
    summary: tuple[str, ...] = ()
    blocks: tuple[str | Figure, ...] = ()
    left_out: tuple[str, ...] = ()
    raw: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    definitions: Mapping[str, str] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def figures(self) -> list[Figure]:
        """The figures, in order."""
        return [block for block in self.blocks if isinstance(block, Figure)]

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """The table behind each figure, and the raw ones, by name."""
        return {**{figure.name: figure.table for figure in self.figures}, **self.raw}

    @property
    def people(self) -> str:
        """What its users are in the headers of tables; empty where service accounts are among them."""
        asked = self.manifest.get("Parameters")
        user_type = asked.get("user_type", "person") if isinstance(asked, dict) else "person"
        is_all = user_type != "person" or "service accounts" in str(self.manifest.get("Population"))
        return "" if is_all else "people"

    @property
    def manifest_words(self) -> dict[str, str]:
        """How the report was made, for readers."""
        return {name: value_text(value) for name, value in self.manifest.items()}

    def manifest_json(self) -> str:
        """Return the manifest for programs: every entry, the definitions, and each table's size."""
        sizes = {name: {"rows": table.height, "columns": table.columns} for name, table in self.tables.items()}
        entries = {
            **{_key(name): plain(value) for name, value in self.manifest.items()},
            "title": self.title,
            "definitions": dict(self.definitions),
            "tables": sizes,
            "time_stamps": [_key(name) for name in TIME_STAMPS if name in self.manifest],
        }
        return json.dumps(entries, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _key(name: str) -> str:
    """Return the name of a manifest's entry as a key.

    Examples
    --------
    >>> _key("Generated at")
    'generated_at'
    """
    return name.lower().replace(" ", "_")


def versions() -> dict[str, str]:
    """Return the versions that the figures depend on."""
    libraries = {"Polars": "polars", "Altair": "altair", "vl-convert": "vl-convert-python"}
    found = {name: version(library) for name, library in libraries.items()}
    return {"augment-insights": __version__, **found, "Python": platform.python_version()}


def table_rows(table: pl.DataFrame) -> list[tuple[str, ...]]:
    """Return a table's cells as text, column by column and then turned to rows."""
    of_metric = [is_rate(str(metric)) for metric in table["metric"]] if "metric" in table.columns else []

    def texts(series: pl.Series) -> list[str]:
        rates = of_metric if of_metric and series.name in OF_METRIC else [is_rate(series.name)] * series.len()
        return [_cell_text(value, as_rate=rate) for value, rate in zip(series, rates, strict=True)]

    return list(zip(*map(texts, table), strict=True))


def _cell_text(value: object, *, as_rate: bool) -> str:
    """Write one cell; a missing value is a dash, never a zero."""
    if value is None:
        return MISSING
    return f"{value:.1%}" if as_rate and isinstance(value, float) else value_text(value)


def value_text(value: object) -> str:
    """Write a value for readers.

    Examples
    --------
    >>> value_text(1234), value_text(0.5), value_text(None), value_text({"every": "1w", "team": None})
    ('1,234', '0.50', 'no data', 'every=1w')
    """
    if value is None:
        return NO_DATA
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
    if isinstance(value, dict):
        return ", ".join(f"{name}={item}" for name, item in value.items() if item is not None)
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def asset(name: str) -> str:
    """Return the text of a file that stands beside this one."""
    return files("augment_insights.reports").joinpath(name).read_text("utf-8")


def plain(value: object) -> Any:
    """Return a value as JSON holds it: numbers, text, lists and dictionaries; days as YYYY-MM-DD.

    Examples
    --------
    >>> plain({"day": date(2026, 3, 1), "formats": ("html", "pdf")})
    {'day': '2026-03-01', 'formats': ['html', 'pdf']}
    """
    return json.loads(json.dumps(value, default=lambda one: one.isoformat() if isinstance(one, date) else str(one)))


# ---- In words ----

_POINTS = 100
_SINGULAR = (
    ("people and service accounts", "person or service account"),
    ("service accounts", "service account"),
    ("people", "person"),
    (" were ", " was "),
)


def change_in_words(
    comparison: pl.DataFrame, *, what: str, than: str, by: str | Sequence[str] | None = None
) -> list[str]:
    """Say which rates changed, by how much, and of which no change is measurable.

    Each sentence follows its verdict and gives the 95 % confidence interval of the difference, whether the same
    people were paired, and how many of them are on both sides. No direction is given without a verdict.

    Parameters
    ----------
    comparison : DataFrame
        From :func:`augment_insights.analysis.compare_periods` (or ``compare``, for groups of different people).
    what : str
        The rate's name, such as ``"Acceptance"``.
    than : str
        What the earlier time is called, such as ``"the 4 weeks before"``.
    by : str or sequence of str, optional
        The columns that name the groups.

    Returns
    -------
    list of str
        A sentence a row, in the rows' order; none of a row without a value on both sides and
        a single sentence where there is no row at all.

    Raises
    ------
    TableError
        A column of COMPARISON is missing, or one of ``by``.

    See Also
    --------
    count_in_words : for counts.

    Examples
    --------
    >>> row = {"metric": "acceptance_rate", "before": 0.281, "after": 0.284, "difference": 0.003,
    ...     "difference_low": -0.015, "difference_high": 0.021, "is_paired": True, "both_users": 84,
    ...     "before_users": 3, "after_users": 1, "compared_groups": 1, "verdict": "no measurable change"}
    >>> sentences = change_in_words(pl.DataFrame([row]), what="Acceptance", than="the 4 weeks before")
    >>> print(sentences[0])
    Acceptance was 28.4% after 28.1% in the 4 weeks before: no measurable change (95 % CI -1.5 to +2.1 points); the
    same people paired, 84 on both sides.
    """
    groups = [by] if isinstance(by, str) else list(by or [])
    require(columns_of(comparison), (*COMPARISON.columns, *groups), table=COMPARISON.name)
    if comparison.is_empty():
        return [f"{what}: no data to compare with {than}."]
    rows = comparison.with_columns(cs.float().fill_nan(None)).iter_rows(named=True)
    return [_change_sentence(row, what=what, than=than, groups=groups) for row in rows]


def _change_sentence(row: dict[str, Any], *, what: str, than: str, groups: list[str]) -> str:
    """Say one comparison."""
    named = " · ".join("(none)" if row[name] is None else str(row[name]) for name in groups)
    subject = f"{what} of {named}" if named else what
    before, after = row["before"], row["after"]
    if row.get(SUPPRESSED):
        return f"{subject}: not shown, as it stands on too few people."
    if before is None or after is None:
        return f"{subject}: no comparison, as there is no data {'now' if after is None else f'of {than}'}."
    was, now = (f"{value:.1%}" if is_rate(row["metric"]) else f"{value:,.1f}" for value in (before, after))
    return f"{subject} was {now} after {was} in {than}: {verdict_in_words(row)}{_people_in_words(row)}."


def verdict_in_words(row: Mapping[str, Any]) -> str:
    """Return the verdict of a comparison with the interval of its difference.

    Parameters
    ----------
    row : Mapping
        ``metric``, ``difference``, ``difference_low``, ``difference_high``, ``compared_groups`` and ``verdict``.

    Examples
    --------
    >>> row = {"metric": "chat_rate", "difference": 0.031, "difference_low": 0.012, "difference_high": 0.05,
    ...     "compared_groups": 1, "verdict": "higher"}
    >>> verdict_in_words(row)
    'higher by 3.1 points (95 % CI +1.2 to +5.0 points)'
    """
    if row["verdict"] is None:
        return "too few people to tell whether that is a change"
    scale, unit = (_POINTS, " points") if is_rate(row["metric"]) else (1, "")
    low, high = row["difference_low"] * scale, row["difference_high"] * scale
    reach = f"(95 % CI {low:+,.1f} to {high:+,.1f}{unit})"
    if row["verdict"] != "no measurable change":
        return f"{row['verdict']} by {abs(row['difference']) * scale:,.1f}{unit} {reach}"
    if low > 0 or high < 0:  # not zero in its own interval, but not clear enough among so many
        return f"no measurable change {reach} with {row['compared_groups']:,} groups compared at once"
    return f"no measurable change {reach}"


def _people_in_words(row: Mapping[str, Any]) -> str:
    """Say who stands on the two sides of a comparison, as far as it is known."""
    if row["is_paired"]:
        both = row["both_users"]
        return "; the same people paired" + ("" if both is None else f", {both:,} on both sides")
    known = row["before_users"] is not None and row["after_users"] is not None
    return f"; different people, {row['before_users']:,} and {row['after_users']:,}" if known else "; different people"


def what_happened(
    changes: pl.DataFrame,
    drivers: pl.DataFrame,
    *,
    than: str,
    facts: Sequence[str] = (),
    visible: float = 0.05,
    events: pl.DataFrame | None = None,
) -> list[str]:
    """Say what changed, what drove it, and what cannot be told, in at most six sentences, the most important first.

    First what changed measurably, the clearest change first, with the group that drives it and its part of the change;
    then groups that changed while the whole did not; then what else there is to say; last, of what no change is
    measurable, and how many people it would take. Without a measurable change nothing is called one.

    Parameters
    ----------
    changes : DataFrame
        COMPARISON with a column ``figure``, what changed in words ("Acceptance of completions"): one row a figure.
        Its verdicts should hold for all rows and for those of ``drivers`` together, see
        :func:`augment_insights.analysis.judge_together`.
    drivers : DataFrame
        CONTRIBUTIONS with ``figure``, ``kind`` (what the groups are, in the singular: "team") and ``group``.
    than : str
        What the earlier time is called, such as ``"the 4 weeks before"``.
    facts : sequence of str
        Sentences that hold whatever has changed, such as those on licences; the most important first.
    visible : float
        The change of a rate of which it is said how many people would show it: 0.05 is five points.
    events : DataFrame, optional
        EVENTS around the time of the change: those of everybody stand beside the change of the whole, those of a group
        beside the group. That one caused the other is not said.

    Returns
    -------
    list of str
        Three to six sentences, fewer where there is little to look at.

    Raises
    ------
    TableError
        A column is missing.

    See Also
    --------
    change_in_words : one comparison. augment_insights.analysis.contributions : the groups' part of a change.

    Examples
    --------
    >>> columns = {"figure": pl.String, **COMPARISON.schema}
    >>> row = ("Acceptance", "acceptance_rate", 0.281, 0.31, 0.029, 0.011, 0.047, True, 84, 3, 1, 7, "higher")
    >>> changes = pl.DataFrame([row], schema=columns, orient="row")
    >>> part = {"kind": "team", "group": "Web", "contribution": 0.022, "contribution_share": 0.76}
    >>> drivers = changes.with_columns(**{name: pl.lit(value) for name, value in part.items()})
    >>> print(what_happened(changes, drivers, than="the 4 weeks before")[0])
    Acceptance rose to 31.0% from 28.1% in the 4 weeks before (+2.9 points, 95 % CI +1.1 to +4.7 points); team Web
    accounts for 76% of it.
    """
    require(columns_of(changes), ("figure", *COMPARISON.columns), table=COMPARISON.name)
    require(columns_of(drivers), ("figure", "kind", "group", *CONTRIBUTIONS.columns), table=CONTRIBUTIONS.name)
    moved = changes.filter(pl.col("verdict").is_in(list(_MOVED)))
    clarity = pl.col("difference").abs() / (pl.col("difference_high") - pl.col("difference_low"))
    told = [
        f"{_moved(row)} in {than} ({_by_how_much(row)}){_around(events, None)}{_driver(row, drivers, events)}."
        for row in moved.sort(clarity, descending=True, maintain_order=True).head(_MOST_CHANGES).iter_rows(named=True)
    ]
    apart = drivers.filter(
        pl.col("verdict").is_in(list(_MOVED)), ~pl.col("figure").is_in(moved["figure"].implode()), pl.col("kind") != ""
    )
    told += [
        f"{_moved(row, group=True)} in {than} ({_by_how_much(row)}){_around(events, row['group'])}, while the whole "
        "shows no measurable change."
        for row in apart.sort(clarity, descending=True, maintain_order=True)
        .unique(["kind", "group"], keep="first", maintain_order=True)
        .head(_MOST_APART)
        .iter_rows(named=True)
    ]
    unclear = _unclear(changes, than=than, visible=visible)
    told = told[: _MOST_SENTENCES - len(unclear) - min(1, len(facts))]  # the first fact has its place
    return [*[*told, *facts][: _MOST_SENTENCES - len(unclear)], *unclear]


_MOVED = {"higher": "rose", "lower": "fell"}
_MOST_SENTENCES, _MOST_CHANGES, _MOST_APART = 6, 3, 3
_TENTH = 0.1
_DRIVES = 0.3
"""A group that accounts for less of a change is not said to drive it."""


def _moved(row: Mapping[str, Any], *, group: bool = False) -> str:
    """Say what rose or fell, to what, from what."""
    was, now = (measured(row["metric"], row[side]) for side in ("before", "after"))
    of_group = f" in {row['kind']} {row['group']}" if group else ""
    return f"{row['figure']}{of_group} {_MOVED[row['verdict']]} to {now} from {was}"


def measured(metric: str, value: float) -> str:
    """Write a value of a comparison: rates in per cent, counts and means with a decimal."""
    return f"{value:.1%}" if is_rate(metric) else f"{value:,.1f}"


def _by_how_much(row: Mapping[str, Any]) -> str:
    """Write a difference with its interval."""
    low, high = (_step(row["metric"], row[f"difference_{end}"]) for end in ("low", "high"))
    return f"{_step(row['metric'], row['difference'])}, 95 % CI {low.removesuffix(' points')} to {high}"


def _step(metric: str, value: float) -> str:
    """Write a difference with its sign and its unit."""
    return f"{value * _POINTS:+,.1f} points" if is_rate(metric) else f"{value:+,.1f}"


def _around(events: pl.DataFrame | None, group: str | None) -> str:
    """Name the events of a group, or of everybody, around the time of its change."""
    if events is None:
        return ""
    own = events.filter(pl.col("group").eq_missing(group)).sort("date", "text")
    named = [f"{text}, {day_text(day)}" for day, text in own.select("date", "text").iter_rows()]
    return f" (around then: {'; '.join(named)})" if named else ""


def _driver(row: Mapping[str, Any], drivers: pl.DataFrame, events: pl.DataFrame | None) -> str:
    """Say of each kind of groups which one drives a change, and how much of it."""
    told = []
    share = pl.col("contribution_share")
    parts = drivers.filter(pl.col("figure") == row["figure"], share.is_not_null())
    for (kind,), groups in parts.group_by("kind", maintain_order=True):
        if groups.height == 1 and groups["contribution_share"].item() == 1:
            continue  # the whole is one group
        top = groups.sort(share, descending=True, maintain_order=True).row(0, named=True)
        part, name = top["contribution_share"], f"{kind} {top['group']}".strip()
        around = _around(events, top["group"]) if kind else ""
        if part > 1:  # others moved the other way
            own, rest = top["contribution"], row["difference"] - top["contribution"]
            told.append(
                f"{name} contributes {_step(row['metric'], own)}{around}, all others together "
                f"{_step(row['metric'], rest)}"
            )
        elif part >= _DRIVES:
            told.append(f"{name} accounts for {part:.0%} of it{around}")
        elif kind:
            told.append(f"no {kind} accounts for more than {part:.0%} of it")
    return f"; {', and '.join(told)}" if told else ""


def _unclear(changes: pl.DataFrame, *, than: str, visible: float) -> list[str]:
    """Say of which figures no change is measurable, and how many people it would take where the interval is wide."""
    still = changes.filter(pl.col("verdict") == "no measurable change")
    if still.is_empty():
        return []
    named = [f"{_within(row['figure'])} ({_by_how_much(row)})" for row in still.iter_rows(named=True)]
    is_odd = (pl.col("difference_low") > 0) | (
        pl.col("difference_high") < 0
    )  # of one alone it would be called a change
    together = (
        f", of {still['compared_groups'][0]:,} comparisons judged together" if still.select(is_odd.any()).item() else ""
    )
    told = f"No measurable change against {than}{together}: {'; '.join(named)}"
    rates = still.filter(pl.col("metric").str.ends_with("_rate"))
    wide = people_needed(rates, visible).filter(
        pl.col("difference_high") - pl.col("difference_low") > 2 * visible, pl.col("needed_users").is_not_null()
    )
    if wide.height:
        row = wide.sort("needed_users").row(-1, named=True)
        people = row["both_users"] + max(row["before_users"], row["after_users"])
        told += (
            f". To see {visible * _POINTS:.0f} points in {_within(row['figure'])}, some {row['needed_users']:,} people "
            f"would be needed instead of {people:,}"
        )
    return [f"{told}."]


def _within(figure: str) -> str:
    """Write a figure's name in the middle of a sentence."""
    return f"{figure[0].lower()}{figure[1:]}"


def flows_in_words(change: pl.DataFrame, by_team: pl.DataFrame, *, what: str, over: str, than: str) -> list[str]:
    """Say how many came and how many lapsed, and where most of those are who lapsed.

    Parameters
    ----------
    change : DataFrame
        :func:`augment_insights.analysis.compare_periods` of ``"active_users"``: one row, or none.
    by_team : DataFrame
        The same by ``team``; without rows, no team is named.
    what, over, than : str
        Who is counted, and what the later and the earlier time are called: "people", "the last 4 weeks", "the 4 weeks
        before".

    Returns
    -------
    list of str
        One sentence; none where a number is hidden.

    Examples
    --------
    >>> row = ("active_users", 80.0, 84.0, 4.0, -1.0, 9.0, True, 70, 14, 23, 1, "no measurable change")
    >>> change = pl.DataFrame([row], schema=COMPARISON.schema, orient="row")
    >>> teams = change.with_columns(team=pl.lit("Web"), before_users=pl.lit(9))
    >>> print(flows_in_words(change, teams, what="people", over="the last 4 weeks", than="the 4 weeks before")[0])
    In the last 4 weeks, 23 people were active who had not been in the 4 weeks before; 14 stopped, most of them in
    team Web (9).
    """
    rows = change.drop_nulls(["before_users", "after_users"])
    if rows.is_empty():
        return []
    came, went = rows.select("after_users", "before_users").row(0)
    verb = "was" if came == 1 else "were"
    told = f"In {over}, {_counted(came, what)} {verb} active who had not been in {than}; {went:,} stopped"
    teams = by_team.drop_nulls(["before_users", "team"]).sort("before_users", descending=True, maintain_order=True)
    if teams.height > 1 or (teams.height and went > teams["before_users"][0]):
        most = teams["before_users"][0]
        if most >= _DRIVES * went and most > 1:
            told += f", {'most' if 2 * most > went else 'many'} of them in team {teams['team'][0]} ({most:,})"
    return [f"{told}."]


def unused_in_words(periods: pl.DataFrame, by_team: pl.DataFrame, *, as_of: date | None) -> list[str]:
    """Say how many licences lie idle or were never used, and in which teams most of them are.

    Parameters
    ----------
    periods : DataFrame
        The table LICENCES_OVER_TIME; the last period counts.
    by_team : DataFrame
        ``team`` and ``unused_users``; without rows, no team is named.
    as_of : date or None
        The day for which the last period stands.

    Returns
    -------
    list of str
        One sentence; none where a number is hidden or there is no licence.

    Examples
    --------
    >>> from datetime import date
    >>> weeks = pl.DataFrame({"period_start": [date(2026, 3, 2)] * 2, "licence": ["used", "unused"], "users": [90, 30]})
    >>> teams = pl.DataFrame({"team": ["Web", "Mobile"], "unused_users": [5, 18]})
    >>> unused_in_words(weeks, teams, as_of=date(2026, 3, 8))
    ['30 of 120 licences (25.0%) were idle or never used on 8 Mar 2026: 18 in team Mobile, 5 in team Web.']
    """
    last = periods.filter(pl.col("period_start") == pl.col("period_start").max())
    users = dict(last.select(pl.col("licence").cast(pl.String), "users").iter_rows())
    if last.is_empty() or None in users.values():
        return []
    unused, valid = users.get("unused", 0), sum(users.values())
    if not valid:
        return []
    day = "" if as_of is None else f" on {day_text(as_of)}"
    teams = by_team.drop_nulls().filter(pl.col("unused_users") > 0)
    ranked = teams.sort("unused_users", "team", descending=[True, False]).head(2)
    where = [f"{count:,} in team {team}" for team, count in ranked.select("team", "unused_users").iter_rows()]
    verb = "was" if unused == 1 else "were"
    told = f"{unused:,} of {plural(valid, 'licence')} ({unused / valid:.1%}) {verb} idle or never used{day}"
    return [f"{told}: {', '.join(where)}." if where and unused else f"{told}."]


def targets_in_words(judged: pl.DataFrame, *, noun: str) -> list[str]:
    """Say of each target how far it is, which pace it needs, and which one was measured.

    Parameters
    ----------
    judged : DataFrame
        From :func:`augment_insights.analysis.on_track`.
    noun : str
        What a period is called: "week".

    Returns
    -------
    list of str
        A sentence a target.

    Examples
    --------
    >>> from datetime import date
    >>> day, to = date(2026, 12, 31), date(2026, 11, 22)
    >>> row = ("adoption_rate", None, 0.8, day, 0.71, to, 12, 0.0162, 0.004, -0.002, 0.01, "behind")
    >>> print(targets_in_words(pl.DataFrame([row], schema=ON_TRACK.schema, orient="row"), noun="week")[0])
    Target for adoption of licences, 80% by 31 Dec 2026: 71.0% in the week to 22 Nov 2026, behind: it needs +1.6 points
    a week, measured were +0.4 (95 % CI -0.2 to +1.0).
    """
    require(columns_of(judged), tuple(ON_TRACK.columns), table=ON_TRACK.name)
    return [_target_in_words(row, noun=noun) for row in judged.iter_rows(named=True)]


def _target_in_words(row: Mapping[str, Any], *, noun: str) -> str:
    """Say one target."""
    metric, by, verdict = row["metric"], row["by"], row["verdict"]
    aim = f"{row['value'] * _POINTS:.4g}%" if is_rate(metric) else f"{row['value']:,g}"
    group = "" if row["group"] is None else f" ({row['group']})"
    told = f"Target for {AIMS[metric]}{group}, {aim}{'' if by is None else f' by {day_text(by)}'}: "
    if row["measured"] is None:
        return f"{told}not measured, or not shown, on this page."
    now = f"{row['measured']:.1%}" if is_rate(metric) else f"{row['measured']:,g}"
    told += f"{now} {'on' if noun == 'day' else f'in the {noun} to'} {day_text(row['measured_to'])}, "
    if verdict == "reached" or by is None:
        return f"{told}{'reached' if verdict == 'reached' else 'not reached yet'}."
    if row["needed_pace"] is None:
        return f"{told}not reached in time."
    scale, unit = (_POINTS, " points") if is_rate(metric) else (1, "")
    needed = f"{row['needed_pace'] * scale:+,.{1 if row['needed_pace'] * scale >= _TENTH else 2}f}{unit}"
    if row["pace"] is None:
        return f"{told}and {plural(row['periods'], noun)} cannot tell the pace: it needs {needed} a week."
    pace, low, high = (_step(metric, row[name]).removesuffix(" points") for name in ("pace", "pace_low", "pace_high"))
    said = "and whether that is on track cannot be told" if verdict == "cannot tell" else verdict
    return f"{told}{said}: it needs {needed} a week, measured were {pace} (95 % CI {low} to {high})."


def bridge_in_words(bridge: pl.DataFrame, *, what: str, as_of: date | None) -> list[str]:
    """Say how the people with a licence, the active ones and all who were seen stand to one another.

    Parameters
    ----------
    bridge : DataFrame
        From :func:`augment_insights.analysis.population_bridge`.
    what : str
        Who is counted, such as ``"people"``.
    as_of : date or None
        The last day of the data.

    Returns
    -------
    list of str
        One sentence; none where a number is hidden, as the sums would give it away.

    Examples
    --------
    >>> from datetime import date
    >>> from augment_insights.tables import POPULATION_BRIDGE
    >>> rows = [("licensed", "active", 87), ("licensed", "seen before", 6), ("licensed", "never seen", 21),
    ...     ("licence ended or not begun", "active", 3), ("not on the roster", "active", 4)]
    >>> bridge = pl.DataFrame(rows, schema=POPULATION_BRIDGE.schema, orient="row")
    >>> print(bridge_in_words(bridge, what="people", as_of=date(2026, 3, 31))[0])
    Of 114 people with a licence on 31 Mar 2026, 87 were active in the range, 6 only before it, and 21 never; with 3
    more whose licence has ended or not begun, and 4 who are not on the roster, 94 people were active.
    """
    require(columns_of(bridge), tuple(POPULATION_BRIDGE.columns), table=POPULATION_BRIDGE.name)
    if bridge["users"].null_count():
        return []
    found = bridge.select("licence", "seen", "users").iter_rows()
    users: dict[tuple[str, str], int] = {(licence, seen): count for licence, seen, count in found}
    active, before, never = (users.get(("licensed", seen), 0) for seen in SEEN.categories)
    ended, strangers = (users.get((licence, "active"), 0) for licence in LICENSED.categories[1:])
    day = "the last day" if as_of is None else day_text(as_of)
    verb = "was" if active == 1 else "were"
    told = (
        f"Of {_counted(active + before + never, what)} with a licence on {day}, {active:,} {verb} active in the range, "
        f"{before:,} only before it, and {never:,} never; with {ended:,} more whose licence has ended or not begun, "
        f"and {strangers:,} who are not on the roster, {_counted(active + ended + strangers, f'{what} were active')}."
    )
    return [told]


def licences_in_words(by_status: pl.DataFrame, *, as_of: date | None) -> list[str]:
    """Say how many of the valid licences are used, idle, or were never used.

    Parameters
    ----------
    by_status : DataFrame
        ``licence`` and ``users``: the licences of :func:`augment_insights.analysis.licences`, counted by status.
    as_of : date or None
        The last day of the data.

    Returns
    -------
    list of str
        One sentence; none where a number is hidden.

    Examples
    --------
    >>> from datetime import date
    >>> rows = {"licence": ["never_used", "idle", "active", "ended"], "users": [21, 6, 87, 9]}
    >>> print(licences_in_words(pl.DataFrame(rows), as_of=date(2026, 3, 31))[0])
    Of 114 licences valid on 31 Mar 2026: active 87, idle 6, never used 21, new 0; not counted are those that have
    ended (9) or not begun (0).
    """
    if by_status["users"].null_count():
        return []
    users = {**dict.fromkeys(LICENCE_STATUS.categories, 0), **dict(by_status.select("licence", "users").iter_rows())}
    valid = sum(users[status] for status in ("new", "never_used", "idle", "active"))
    day = "the last day" if as_of is None else day_text(as_of)
    told = (
        f"Of {plural(valid, 'licence')} valid on {day}: active {users['active']:,}, idle {users['idle']:,}, never used "
        f"{users['never_used']:,}, new {users['new']:,}; not counted are those that have ended ({users['ended']:,}) or "
        f"not begun ({users['not_begun']:,})."
    )
    return [told]


def unmatched_in_words(unmatched: pl.DataFrame, *, named: bool = False) -> list[str]:
    """Say how many people are active and on no roster, and how many licences match nobody.

    Parameters
    ----------
    unmatched : DataFrame
        From :func:`augment_insights.analysis.unmatched`.
    named : bool
        Name those who may be one person under two e-mails.

    Returns
    -------
    list of str
        One sentence; none where everybody who is active is on the roster.

    Examples
    --------
    >>> from augment_insights.tables import UNMATCHED
    >>> sides = [("active, not on the roster", "bob@old.io", None, "bob@new.io"),
    ...     ("licensed, never active", "bob@new.io", None, "bob@old.io")]
    >>> print(unmatched_in_words(pl.DataFrame(sides, schema=UNMATCHED.schema, orient="row"), named=True)[0])
    1 person was active without being on the roster, and 1 licence matches nobody who was ever active; perhaps one
    person under two e-mails: bob@old.io and bob@new.io.
    """
    require(columns_of(unmatched), tuple(UNMATCHED.columns), table=UNMATCHED.name)
    strangers, unseen = (unmatched.filter(side=side) for side in UNMATCHED_SIDE.categories)
    if strangers.is_empty():
        return []
    verb = "matches" if unseen.height == 1 else "match"
    told = (
        f"{_counted(strangers.height, 'people were active without being on the roster')}, and "
        f"{plural(unseen.height, 'licence')} {verb} nobody who was ever active"
    )
    pairs = [f"{user} and {maybe}" for user, maybe in strangers.drop_nulls("maybe").select("user", "maybe").iter_rows()]
    if named and pairs:
        told += f"; perhaps one person under two e-mails: {', '.join(pairs[:_MOST_APART])}"
    return [f"{told}."]


def retention_in_words(newcomers: pl.DataFrame, existing: pl.DataFrame, *, period: int, noun: str) -> list[str]:
    """Say what share of newcomers, and of existing users, is active so many periods later.

    Parameters
    ----------
    newcomers : DataFrame
        RETENTION_CURVE, all cohorts together.
    existing : DataFrame
        COMPARISON of ``"retention_rate"``: one row, or none.
    period : int
        How many periods later.
    noun : str
        What a period is called: "week".

    Returns
    -------
    list of str
        One sentence; none where neither is known.

    Examples
    --------
    >>> rates = (4, 5, 65, 50, 0.769, 0.654, 0.855)
    >>> curve = pl.DataFrame([rates], schema=RETENTION_CURVE.schema, orient="row")
    >>> row = ("retention_rate", 0.86, 0.845, -0.015, -0.05, 0.02, True, 240, 20, 17, 1, "no measurable change")
    >>> change = pl.DataFrame([row], schema=COMPARISON.schema, orient="row")
    >>> print(retention_in_words(curve, change, period=4, noun="week")[0])
    4 weeks later, 76.9% of newcomers were active (50 of 65, 95 % CI 65.4% to 85.5%), and 84.5% of existing users, most
    recently.
    """
    require(columns_of(newcomers), tuple(RETENTION_CURVE.columns), table=RETENTION_CURVE.name)
    require(columns_of(existing), ("after",), table=COMPARISON.name)
    known = newcomers.filter(pl.col("period") == period).drop_nulls("retention_rate")
    told = [
        f"{row['retention_rate']:.1%} of newcomers were active ({row['retained_users']:,} of "
        f"{row['eligible_users']:,}, 95 % CI {row['retention_rate_low']:.1%} to {row['retention_rate_high']:.1%})"
        for row in known.iter_rows(named=True)
    ]
    verb = "" if told else " were active"
    told += [f"{rate:.1%} of existing users{verb}, most recently" for rate in existing["after"].drop_nulls()]
    return [f"{plural(period, noun)} later, {', and '.join(told)}."] if told else []


def checks_in_words(checks: pl.DataFrame) -> list[str]:
    """Say which of the API's data checks failed, where and by how much, and what that means.

    Parameters
    ----------
    checks : DataFrame
        From :func:`augment_insights.analysis.reconcile`.

    Returns
    -------
    list of str
        A sentence on all of them, and one on each of the first five that failed.

    Examples
    --------
    >>> from augment_insights.tables import RECONCILIATION
    >>> checks_in_words(RECONCILIATION.empty())
    ['No data check could be made: there is no data.']
    """
    require(columns_of(checks), tuple(RECONCILIATION.columns), table=RECONCILIATION.name)
    if checks.is_empty():
        return ["No data check could be made: there is no data."]
    failed = checks.filter(pl.col("status").cast(pl.String) == "differs")
    each = failed.group_by("check", maintain_order=True).agg(
        pl.col("date").count().alias("days"), pl.col("date").min(), pl.col("residual").abs().max()
    )
    made = checks.filter(pl.col("status").cast(pl.String) != "unknown")
    known, kinds = plural(made.height, "data check"), plural(made["check"].n_unique(), "kind")
    if failed.is_empty():
        told = f"All {known} passed, of {kinds}: the API's tables agree with one another"
        return [f"{told}, so figures built on different ones can be laid side by side."]
    first = (
        f"{failed.height:,} of {known} failed, in {each.height:,} of {kinds}: figures that are built on these numbers "
        "may differ from one another by as much."
    )
    return [first, *(_failed(row) for row in each.head(_MOST_FAILED).iter_rows(named=True))]


_MOST_FAILED = 5


def _failed(row: Mapping[str, Any]) -> str:
    """Say one check that failed."""
    return f"{row['check']}: the two differ by up to {value_text(row['residual'])}" + (
        f", on {plural(row['days'], 'day')} from {day_text(row['date'])} on." if row["days"] else "."
    )


def _counted(number: int, what: str) -> str:
    """Write a number of people in front of what is said of them."""
    return f"{number:,} {of_one(what) if number == 1 else what}"


def count_in_words(table: pl.DataFrame, count: str, *, what: str, every: str) -> list[str]:
    """Say how large a count was in the last complete period, and how that stands to the one before.

    Counts of users are complete counts and no estimates: their difference is told as it is.

    Parameters
    ----------
    table : DataFrame
        One row a period: ``period_start``, the count, and ``is_complete`` where periods may not be over.
    count : str
        The column.
    what : str
        Who is counted, as the middle of a sentence, such as ``"people were active"``; of 1 it becomes "1 person was
        active".
    every : {"1d", "1w", "1mo", "1q"}
        The calendar period.

    Returns
    -------
    list of str
        One sentence.

    Raises
    ------
    TableError
        A column is missing, or a period has several rows.

    See Also
    --------
    change_in_words : for rates, with their intervals.

    Examples
    --------
    >>> from datetime import date
    >>> weeks = pl.DataFrame({"period_start": [date(2026, 3, 2), date(2026, 3, 9)], "active_users": [84, 87]})
    >>> count_in_words(weeks, "active_users", what="people were active", every="1w")
    ['87 people were active in the week of 9 Mar 2026, 3 more than in the week before (84).']
    """
    period: Every = check_every(every)
    schema = columns_of(table)
    require(schema, ("period_start", count), table=count)
    rows = table.filter("is_complete") if "is_complete" in schema else table
    if rows["period_start"].is_duplicated().any():
        raise TableError(
            "A sentence is about one count a period, and this table has several.",
            table=count,
            hint="filter it to one group.",
        )
    noun = NOUN[period]
    last = rows.sort("period_start").tail(1)
    if last.is_empty():
        return [f"No {noun} is complete yet, so there is nothing to tell of how many {what}."]
    start, value = last.select("period_start", count).row(0)
    when = f"on {day_text(start)}" if period == "1d" else f"in the {noun} of {day_text(start)}"
    if value is None:
        return [f"It is not known how many {what} {when}."]
    what = of_one(what) if value == 1 else what
    before = _value_before(rows, start, count, period)
    if before is None:
        return [f"{value:,} {what} {when}; there is no complete {noun} before it to compare with."]
    step = value - before
    moved = "as many as" if step == 0 else f"{abs(step):,} {'more' if step > 0 else 'fewer'} than"
    link = "on" if period == "1d" else "in"
    return [f"{value:,} {what} {when}, {moved} {link} the {noun} before ({before:,})."]


def of_one(what: str) -> str:
    """Put who is counted into the singular."""
    for many, one in _SINGULAR:
        what = what.replace(many, one, 1)
    return what


def _value_before(rows: pl.DataFrame, start: Any, count: str, every: Every) -> int | None:
    """Return the count of the period that ends where another begins."""
    earlier = rows.filter(pl.col("period_start").dt.offset_by(every) == pl.lit(start))
    return earlier[count].item() if earlier.height else None
