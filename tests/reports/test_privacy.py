"""Attack finished reports: whoever adds and subtracts what is shown finds no group of a few people.

The attacker has every table of a page, knows what adds up to what, and what a company knows of itself: how many
people are in all teams, tiers and days of activity together. For each number that is hidden they ask a linear
programme (``scipy``, not the package's own solver) for the most that it can be. Where that is fewer people than the
smallest group that may be shown, they have found a few people.
"""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import date, timedelta
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from scipy.optimize import linprog

from augment_insights import Client, analysis, fetch, reports, sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

LEAST = 5
TODAY = date(2026, 3, 11)
NEW_YEAR = date(2026, 1, 1)
DAYS = {"start_date": "2026-01-12", "end_date": "2026-03-10"}

Variable = tuple[Any, ...]


class Attack:
    """What a reader of a page knows, as equations between the numbers on it."""

    def __init__(self, page: reports.Page, whole: Mapping[str, pl.DataFrame]) -> None:
        self.values: dict[Variable, int | float | None] = {}
        self.equations: list[dict[Variable, float]] = []
        self.user_days: tuple[dict[Variable, float], float] | None = None
        self.shown, self.whole = page.tables, whole
        for line in page.headlines:
            week = re.fullmatch(r"week of (\S+)", line.detail)
            if line.label.startswith("Active") and week:
                self.values["active", date.fromisoformat(week[1])] = int(line.value) if line.value.isdigit() else None
        for table in (
            self.lifecycle,
            self.cohorts,
            self.pooled,
            self.trailing,
            self.statuses,
            self.licences,
            self.groups,
        ):
            table()

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of a table, none if it is not on the page."""
        return self.shown[name].iter_rows(named=True) if name in self.shown else iter(())

    def learn(self, variable: Variable, value: float | None) -> Variable:
        """Note a number; one that another table tells is known."""
        if self.values.get(variable) is None:
            self.values[variable] = value
        return variable

    def sum(self, total: Variable | float, parts: Mapping[Variable, float]) -> None:
        """Note that parts add up to a total."""
        known = (
            {self.learn(("total", len(self.equations)), total): -1.0}
            if isinstance(total, (int, float))
            else {total: -1.0}
        )
        self.equations.append({**parts, **known})

    def lifecycle(self) -> None:
        """Note active, new, returning, resurrected and dormant people, and all who have ever come."""
        previous: dict[str, Variable] | None = None
        for row in self.rows("active_users"):
            self.learn(("active", row["period_start"]), row["active_users"])
        for row in self.rows("lifecycle"):
            start = row["period_start"]
            is_first = previous is None
            names = ("new", "returning", "resurrected", "dormant", "active")
            now = {name: self.learn((name, start), row[f"{name}_users"]) for name in names}
            if not is_first and previous is not None:  # in the first period only the new ones are told apart
                self.sum(now["active"], {now["new"]: 1, now["returning"]: 1, now["resurrected"]: 1})
                change = {now["active"]: 1, previous["active"]: -1, now["new"]: -1, now["resurrected"]: -1}
                self.sum(0.0, {**change, now["dormant"]: 1})
            previous = now
        before: Variable | None = None
        for row in self.rows("adoption_curve"):
            new = self.learn(("new", row["period_start"]), row["new_users"])
            ever = self.learn(("ever", row["period_start"]), row["cumulative_users"])
            if before is not None:
                self.sum(ever, {before: 1, new: 1})
            before = ever

    def cohorts(self) -> None:
        """Note cohorts: their people are the new ones of their period, and who has reached an age adds up."""
        reached = defaultdict(dict)
        for row in self.rows("cohort_retention"):
            cohort = self.learn(("new", row["cohort"]), row["cohort_users"])
            if row["is_complete"]:
                reached[row["period"]][cohort] = 1
        for period, parts in reached.items():
            self.sum(self.learn(("eligible", period), None), parts)

    def pooled(self) -> None:
        """Note the people of each age, and those of each team."""
        for row in (*self.rows("retention_curve"), *self.rows("retention_curves")):
            if row.get("tenure", "newcomers") == "newcomers":
                self.learn(("eligible", row["period"]), row["eligible_users"])
        by_team = defaultdict(dict)
        teams = {row["team"] for row in self.rows("retention_curve_by_team")}
        for row in self.rows("retention_curve_by_team"):
            variable = self.learn(("eligible", row["period"], row["team"]), row["eligible_users"])
            by_team[row["period"]][variable] = 1
        for period, parts in by_team.items():  # teams that are not told are in the rest
            rest = self.learn(("rest", period), None) if teams else None
            self.sum(("eligible", period), {**parts, rest: 1})

    def trailing(self) -> None:
        """Note the people of days and windows, and by their days of activity."""
        for row in self.rows("rolling_active_users"):
            self.learn(("trailing", row["window_days"], row["date"]), row["active_users"])
        for row in self.rows("stickiness"):
            self.learn(("trailing", row["window_days"], row["date"]), row["active_users"])
            if row["mean_daily_users"] is not None:
                worked = 5 if "working_days" in row else 7  # from Monday on
                window = (row["date"] - timedelta(days=back) for back in range(row["window_days"]))
                days = [day for day in window if day.weekday() < worked and (worked == 7 or day != NEW_YEAR)]
                assert len(days) == row.get("working_days", row["window_days"])
                self.sum(row["mean_daily_users"] * len(days), {("trailing", 1, day): 1.0 for day in days})
        for row in self.rows("activity"):  # a raw table of days, and weeks by their last day
            if {"users", "period_start"} <= {*row}:
                window = (row["period_end"] - row["period_start"]).days + 1
                self.learn(("trailing", window, row["period_end"]), row["users"])
        for kind, start in [one for one in self.values if one[0] == "active"]:
            if ("trailing", 7, start + timedelta(days=6)) in self.values:  # a whole week is a window
                self.sum(0.0, {(kind, start): 1.0, ("trailing", 7, start + timedelta(days=6)): -1.0})
        parts = {}
        for row in self.rows("active_day_distribution"):
            parts[self.learn(("came", row["active_days"]), row["users"])] = 1.0
        if parts:
            self.sum(float(self.whole["active_day_distribution"]["users"].sum()), parts)
            user_days = self.whole["active_day_distribution"].select(pl.col("active_days").dot("users")).item()
            self.user_days = ({came: float(came[1]) for came in parts}, float(user_days))

    def statuses(self) -> None:
        """Note licences by status, and the bridge: the valid ones and the others are the same people in both."""
        for name, columns in (("licences", ["licence"]), ("population_bridge", ["licence", "seen"])):
            if name in self.shown and "user" not in self.shown[name].columns:
                parts = {
                    self.learn((name, *(row[one] for one in columns)), row["users"]): 1.0 for row in self.rows(name)
                }
                whole = self.whole[name]  # of licences under names, one row each
                self.sum(float(whole["users"].sum() if "users" in whole.columns else whole.height), parts)
        ended = ("ended", "not_begun")
        by_status = {one: 1.0 for one in self.values if one[0] == "licences"}
        bridge = {one: -1.0 for one in self.values if one[0] == "population_bridge"}
        for is_valid in (True, False) if by_status and bridge else ():
            status = {one: times for one, times in by_status.items() if (one[1] not in ended) == is_valid}
            kind = "licensed" if is_valid else "licence ended or not begun"
            self.sum(0.0, status | {one: times for one, times in bridge.items() if one[1] == kind})
        for row in self.rows("adoption_curve"):  # who has got a licence by the last day, and who has not
            ever = self.learn(("ever licensed", row["period_start"]), row.get("ever_licensed_users"))
        if by_status and any(self.rows("adoption_curve")):
            began = {one: times for one, times in by_status.items() if one[1] != "not_begun"}
            self.sum(ever, began)

    def licences(self) -> None:
        """Note the licensed people, and those of each team."""
        by_period = defaultdict(dict)
        for row in self.rows("adoption_rate_by_team"):
            variable = self.learn(("licensed", row["period_start"], row["team"]), row["licensed_users"])
            by_period[row["period_start"]][variable] = 1
        for row in self.rows("adoption_rate"):
            total = self.learn(("licensed", row["period_start"]), row["licensed_users"])
            if by_period:
                self.sum(total, by_period[row["period_start"]])

    def groups(self) -> None:
        """Take the sum of people over groups that are apart from each other as known."""
        later: dict[Variable, float] = {}
        for row in reversed(list(self.rows("adoption_funnel"))):  # who has reached a stage, less who went on
            later[self.learn(("stage", row["status"]), None)] = 1.0
            if row["reached_users"] is not None:
                self.sum(float(row["reached_users"]), dict(later))
        unused = {self.learn(("unused", row["team"]), row["unused_users"]): 1.0 for row in self.rows("unused_licences")}
        if unused:
            self.sum(float(self.whole["unused_licences"]["unused_users"].sum()), unused)
        idle = defaultdict(dict)
        for row in self.rows("idle_licences"):
            idle[row["status"]][self.learn(("idle", row["team"], row["status"]), row["users"])] = 1.0
        for status, parts in idle.items():
            self.sum(self.learn(("licences", status), None), parts)
        for name, column in (
            ("acceptance_rate_by_team", "team"),
            ("habit_ladder", "tier"),
            ("acceptance_distribution", "acceptance_from"),
        ):
            parts = {self.learn((name, row[column]), row["users"]): 1.0 for row in self.rows(name)}
            if parts:
                self.sum(float(self.whole[name]["users"].sum()), parts)

    def pinned(self) -> dict[Variable, float]:
        """Return the hidden numbers that are found: that can only be of fewer than ``LEAST`` people.

        How many days all came together bounds how many came on 28 of them, whatever is hidden: it finds somebody only
        where it tells a number exactly.
        """
        found = {variable: most for variable, (_, most) in self.ranges().items() if most < LEAST - 1e-6}
        if self.user_days is not None:
            self.sum(self.user_days[1], self.user_days[0])
            exact = {one: most for one, (least, most) in self.ranges(least=True).items() if most - least < 1 - 1e-6}
            found.update({one: most for one, most in exact.items() if most < LEAST - 1e-6})
        return found

    def ranges(self, *, least: bool = False) -> dict[Variable, tuple[float, float]]:
        """Return how few and how many each hidden number can be of."""
        hidden = sorted(
            {one for equation in self.equations for one in equation if self.values.get(one) is None}, key=str
        )
        if not hidden:
            return {}
        place = {variable: number for number, variable in enumerate(hidden)}
        rows, sums = np.zeros((len(self.equations), len(hidden))), np.zeros(len(self.equations))
        for number, equation in enumerate(self.equations):
            for variable, times in equation.items():
                if variable in place:
                    rows[number, place[variable]] = times
                else:
                    sums[number] -= times * float(self.values[variable] or 0)
        found = {}
        for variable, number in place.items():
            if not rows[:, number].any():
                continue
            ends = [0.0, np.inf]
            for end, sign in ((0, 1), (1, -1)) if least else ((1, -1),):
                goal = np.zeros(len(hidden))
                goal[number] = sign
                answer = linprog(goal, A_eq=rows, b_eq=sums, bounds=(0, None), method="highs")
                assert answer.status in (0, 3), answer.message  # found, or without bound
                ends[end] = sign * answer.fun if answer.status == 0 else np.inf
            found[variable] = (ends[0], ends[1])
        return found


def users_of_modes(roster: str, team: str | None) -> pl.DataFrame:
    """Count who used which way of working in which week, of the team or of everybody."""
    usage = fetch.user_activity(DAYS["start_date"], DAYS["end_date"], every="1w", client=Client.sample())
    listed = pl.read_csv(roster).filter(pl.col("team") == (team or pl.col("team")))
    members = usage.filter(pl.col("user").is_in(listed["user"].implode())) if team else usage
    return analysis.feature_adoption(members, by="period_start")


def overlapping_leaks(
    shown: Mapping[str, pl.DataFrame], whole: Mapping[str, pl.DataFrame], users: pl.DataFrame
) -> list[str]:
    """Return the tables of languages, editors and ways of working that give away what a few people did by subtraction.

    One user can be in several such groups, so the largest hidden one must be large enough by itself.
    """
    leaks = []
    for name, column in (("acceptance_rate_by_language", "language"), ("acceptance_rate_by_editor", "editor")):
        if name in shown:
            hidden = shown[name].filter(pl.col("users").is_null()).join(whole[name], on=column, suffix="_true")
            if hidden.height and (hidden["users_true"].max() or 0) < LEAST and hidden.height < shown[name].height:
                leaks.append(name)
    if "mode_mix" in shown:
        both = shown["mode_mix"].join(whole["mode_mix"], on=["period_start", "mode"], suffix="_true")
        both = both.join(users, left_on=["period_start", "mode"], right_on=["period_start", "feature"], how="left")
        for name in ("messages_count", "lines_count"):
            told = both.filter(pl.col(f"{name}_true").is_not_null()).with_columns(is_hidden=pl.col(name).is_null())
            one_beside_others = (pl.col("is_hidden").sum() == 1) & (pl.len() > 1)
            alone = told.filter(pl.col("is_hidden") & one_beside_others.over("period_start"))
            leaks += ["mode_mix"] * alone["feature_users"].lt(LEAST).any()
    return leaks


PEOPLE = ("users", "active_users", "licensed_users", "cohort_users", "eligible_users", "at_risk_users", "user_count")
SIDES = ("both_users", "before_users", "after_users")
"""Of a comparison: that nobody stands on one side alone is no few people."""


def small_numbers(tables: Mapping[str, pl.DataFrame]) -> list[tuple[str, str]]:
    """Return the columns of people that show fewer than ``LEAST``."""
    names = (*PEOPLE, *SIDES, "new_users", "returning_users", "resurrected_users", "dormant_users")
    return [
        (name, column)
        for name, table in tables.items()
        for column in {*names} & {*table.columns} - ({"active_users"} if "licensed_users" in table.columns else set())
        if table[column].drop_nulls().is_between(1 if column in SIDES else 0, LEAST - 1).any()
    ]


NOT_PEOPLE = re.compile(
    r"\d+ [A-Z][a-z]{2} \d{4}|\d{4}-\d\d-\d\d|[+-]?\d[\d.,]* ?%|[+-][\d.]+|\d+\.\d+"
    r"|week \d+|\d+ (complete )?(week|day|team)|[\d,]+ of [\d,]+ (completions|lines)|([5-9]|\d\d+) on both sides"
    r"|some [\d,]+ people would be needed instead of ([5-9]|\d\d+)"
    r"|[\d,]+( of [\d,]+)? (data checks|passed|more lack a number).*|of \d+ kinds|of [\d,]+ (suggested|lines)"
)
"""Days, percentages, decimals, how many weeks, completions, and pairs of a comparison that are not few."""


def untold(page: reports.Page) -> list[str]:
    """Return the headlines and sentences with a whole number that no table shows, nor a sum or a change of such."""
    gate = page.sharing  # a figure of which nothing is left is not on the page, and its numbers may be told
    known = {0, LEAST} | {people for cell, people in gate._people.items() if cell not in gate._hidden}
    for table in page.tables.values():
        for column in table.select(pl.selectors.integer()):
            shown = column.drop_nulls().to_list()
            known |= {*shown, sum(shown)} | {abs(now - was) for now in shown for was in shown}
        users = table["users"].drop_nulls().to_list() if "users" in table.columns and table.height < 12 else []
        known |= {sum(some) for n in (2, 3, 4) for some in combinations(users, n)}
    said = [*page.sentences, *(part for line in page.headlines for part in (line.value, line.detail, line.change))]
    found = {text: re.findall(r"\d[\d,]*", NOT_PEOPLE.sub("", text)) for text in said}
    return [text for text, numbers in found.items() if {int(one.replace(",", "")) for one in numbers} - known]


WHOLE: dict[tuple[str, ...], Mapping[str, pl.DataFrame]] = {}
"""The tables of a page with everything, by what it is of: built once."""


def check(organisation: str, template: str, **chosen: Any) -> None:
    """Build a page as it is shared, and attack it."""
    days = {**DAYS, "language_days": 6} if template == "acceptance" else DAYS
    page = reports.build(template, **days, min_group_size=LEAST, **chosen)
    shown = page.tables
    of = (organisation, template, str(chosen["team"]))
    if of not in WHOLE:
        WHOLE[of] = reports.build(template, **days, **{**chosen, "names": "show"}, min_group_size=1).tables
    assert Attack(page, WHOLE[of]).pinned() == {}
    assert untold(page) == []
    modes = users_of_modes(chosen["roster"], chosen["team"]) if template == "adoption" else pl.DataFrame()
    assert overlapping_leaks(shown, WHOLE[of], modes) == []
    assert small_numbers(shown) == []


@pytest.fixture
def small_teams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Serve a sample of one day, and write its roster, which has a team of three and one of one."""
    real = Client.sample
    monkeypatch.setattr(Client, "sample", lambda **more: real(today=TODAY, people=130, **more))
    path = sample.write_roster(tmp_path / "roster.csv", TODAY, people=130)
    sizes = pl.read_csv(path)["team"].value_counts()["count"]
    assert {1, 3} < set(sizes)
    return str(path)


@pytest.fixture(params=[17, 6])
def small_company(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Serve a company of 17 people, or of 6, like a real one: a few use it daily, some have tried it, one Fortran.

    Returns the path of its roster.
    """
    records = []
    for day in range(100):
        today = TODAY - timedelta(days=100 - day)
        for user in range(request.param):
            begins, step = (user * 7) % 80, 1 + user % 6
            if day < begins or (day + user) % step or (today.weekday() > 4 and user % 5):
                continue
            metrics = {
                "completions_count": 30 + 7 * user,
                "completions_accepted": 10 + user,
                "completions_lines_of_code": 20 + user,
                "total_messages": 3 + user % 4,
                "chat_messages": 3,
                "ide_agent_messages": user % 4,
                "total_modified_lines_of_code": 20 + user,
            }
            record = {
                "date": today.isoformat(),
                "user_email": f"person{user:02}@x.io",
                "language": ["Python", "Go", "TypeScript", "Fortran"][user % 3 if user else 3],
                "editor": "Vim" if user in (1, 2) else "VSCode",
                "metrics": metrics,
            }
            records.append(record)
    monkeypatch.setattr(Client, "sample", lambda **_more: Client.serving(records, today=TODAY))
    path = tmp_path / "roster.csv"
    teams = ["Search"] * 8 + ["Payments"] * 7 + ["Ops"] * 3
    rows = [f"person{user:02}@x.io,{team},2025-12-01" for user, team in enumerate(teams)]
    path.write_text("\n".join(["user,team,licensed_from", *rows]))
    return str(path)


TEAMS = ("", "Search", "Payments", "Ops")
each = pytest.mark.parametrize("template", reports.templates())
both = pytest.mark.parametrize("names", ["hide", "pseudonyms"])


@pytest.mark.slow
@each
@both
@pytest.mark.parametrize("team", [None, "Payments"])
def test_no_few_people_are_found_in_the_sample(template: str, names: str, team: str | None, small_teams: str) -> None:
    """With a team of three and one of one, for everybody and for a team."""
    check("sample", template, names=names, team=team, roster=small_teams)


@pytest.mark.slow
@each
@both
@pytest.mark.parametrize("team", [None, "Search"])
def test_no_few_people_are_found_in_a_small_company(
    template: str, names: str, team: str | None, small_company: str
) -> None:
    """Seventeen people, or six, where nearly every group is small."""
    check(small_company, template, names=names, team=team, roster=small_company)


@pytest.mark.slow
@both
@pytest.mark.parametrize("template", ["adoption", "overview"])
def test_no_few_people_are_found_beside_targets_and_days_off(
    template: str, names: str, small_company: str, tmp_path: Path
) -> None:
    """Means of working days leave over other days than means of all; a target of a hidden team tells nothing of it."""
    targets = tmp_path / "targets.csv"
    rows = [f"{metric},{team},80%,2035-12-31" for metric in ("adoption_rate", "acceptance_rate") for team in TEAMS]
    targets.write_text("\n".join(["metric,group,value,by", *rows]))
    context = {"targets": str(targets), "calendar": f"{NEW_YEAR}"}
    check(f"{small_company} beside targets", template, names=names, team=None, roster=small_company, **context)
