"""What a template begins with: the client, the days, whose activity, and how much of people may be shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import polars as pl

import augment_insights
from augment_insights.analysis import (
    compare_periods,
    contributions,
    feature_adoption,
    join_roster,
    judge_together,
    licences,
    licences_over_time,
    mode_change,
    on_track,
    read_calendar,
    read_events,
    read_roster,
    read_targets,
    resolve_aliases,
)
from augment_insights.analysis.population import check_user_type, with_user_key
from augment_insights.analysis.roster import check_match
from augment_insights.errors import ConfigurationError, did_you_mean, not_valid
from augment_insights.export import file_name
from augment_insights.periods import (
    MAX_RANGE_DAYS,
    NOUN,
    DayRange,
    Every,
    calendar_period,
    check_every,
    day_text,
    last_published_day,
    oldest_day,
    parse_day,
    resolve_range,
)
from augment_insights.reports.page import Page
from augment_insights.reports.sharing import Sharing
from augment_insights.tables import COMPARISON, CONTRIBUTIONS, LICENCES_OVER_TIME, ON_TRACK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from typing import Unpack

    from augment_insights.analysis.population import Whose
    from augment_insights.transport import Client

SOURCES = ("api", "sample")

POPULATIONS = {"person": "people", "service_account": "service accounts", "all": "people and service accounts"}
"""What the users of a ``user_type`` are called."""

NOT_ON_ROSTER = "(not on the roster)"
"""The team of whoever the roster does not have."""

NO_TEAM = "(no team)"
"""The team of whoever the roster has without one."""

_NAMES = {"show": "shown", "pseudonyms": "replaced by pseudonyms", "hide": "hidden"}
_WHOLE = {"1d": 28, "1mo": 6, "1q": 4}
"""Whole periods that a report covers when no start is given."""

_DAY = timedelta(days=1)

_OF_BEFORE = ("before", "before_users", "difference", "difference_low", "difference_high", "verdict")
"""What a comparison does not know without a time before."""


_A_MONTH, _IDLE = 31, 30
"""Days: in a longer window it is not known when somebody was there; after so many a licence is idle."""


class StudyParameters(TypedDict, total=False):
    """What a study takes beside its days, by keyword."""

    source: str
    archive: Path | str | None
    every: str
    user_type: str
    team: str | None
    roster: Path | str | pl.DataFrame | None
    team_column: str
    targets: Path | str | pl.DataFrame | None
    events: Path | str | pl.DataFrame | None
    calendar: Path | str | pl.DataFrame | Sequence[date | str] | None
    min_group_size: int
    names: str


_DEFAULTS: StudyParameters = {
    "source": "sample",
    "archive": None,
    "every": "1w",
    "user_type": "person",
    "team": None,
    "roster": None,
    "team_column": "team",
    "targets": None,
    "events": None,
    "calendar": None,
    "min_group_size": 5,
    "names": "show",
}


@dataclass(frozen=True)
class ReportDays:
    """The days that a report covers.

    Attributes
    ----------
    asked : DayRange
        As asked for, or as the report chose.
    shown : DayRange
        The same from the first day of its first period on, so that that period is whole.
    lookback : DayRange or None
        Warm-up days, used only to recognise existing users; None where the API does not reach so far back.
    as_of : date
        The last day whose data is out.
    """

    asked: DayRange
    shown: DayRange
    lookback: DayRange | None
    as_of: date

    def _repr_html_(self) -> str:
        """Tell the days in a notebook."""
        told = {
            "asked": self.asked,
            "shown": self.shown,
            "looked back on": self.lookback or "nothing",
            "data to": self.as_of,
        }
        rows = "".join(f"<tr><th scope='row'>{name}</th><td>{days}</td></tr>" for name, days in told.items())
        return f"<table>{rows}</table>"


def report_days(
    start_date: date | str | None = None,
    end_date: date | str | None = None,
    *,
    now: datetime,
    weeks: int = 13,
    lookback_days: int = MAX_RANGE_DAYS,
    every: Every = "1w",
) -> ReportDays:
    """Return the days that a report covers, asked for these.

    Parameters
    ----------
    start_date, end_date : date or "YYYY-MM-DD", optional
        UTC days, both included. Left out: the end is the last published day; the start makes so many
        whole periods up to the end (28 days, 13 weeks, 6 months or 4 quarters), and the one under way besides.
    now : datetime
        The moment of asking, as ``client.now()`` tells it.
    weeks : int
        Whole weeks that are chosen when no start is given.
    lookback_days : int
        How far to look back before the first period; up to 90 days are one request a page.
    every : {"1d", "1w", "1mo", "1q"}
        The calendar period of the report.

    Returns
    -------
    ReportDays
        What was asked, what is shown, what is looked back on, the data's last day.

    Raises
    ------
    DateRangeError
        Days that the API cannot answer for.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> days = report_days(now=datetime(2026, 11, 22, 12, tzinfo=UTC))
    >>> print(days.shown)
    2026-08-17 to 2026-11-21
    >>> print(days.lookback)
    2026-05-19 to 2026-08-16
    >>> print(report_days("2026-10-07", "2026-10-20", now=datetime(2026, 11, 22, 12, tzinfo=UTC)).shown)
    2026-10-05 to 2026-10-20
    """
    check_every(every)
    oldest, published = oldest_day(now), last_published_day(now)
    start = None if start_date is None else parse_day(start_date, name="start_date")
    end = None if end_date is None else parse_day(end_date, name="end_date")
    if end is None:
        end = published if start is None else max(published, start)
    if start is None:
        periods = weeks if every == "1w" else _WHOLE[every]
        start = max(_first_day(end, every, periods), min(end, oldest))
    asked = resolve_range(start, end, now=now)
    first = calendar_period(asked.start, every).start
    shown = DayRange(max(first, min(oldest, asked.start)), asked.end)
    before = shown.start - timedelta(days=lookback_days)
    lookback = DayRange(before, shown.start - _DAY) if lookback_days and before >= oldest else None
    return ReportDays(asked, shown, lookback, as_of=min(asked.end, published))


def _first_day(end: date, every: Every, periods: int) -> date:
    """Return the day that so many whole periods ending by a day begin with."""
    last = calendar_period(end, every)
    first = last.end + _DAY if last.end == end else last.start
    for _ in range(periods):
        first = calendar_period(first - _DAY, every).start
    return first


def study(parameters: Mapping[str, Any] | None = None, /, **chosen: Any) -> Study:
    """Begin a study from a template's parameters.

    A template calls it right after its cell of parameters, with all names that stand there. What :class:`Study`
    takes is picked by name; the others (``output_dir``, ``formats``, parameters of the template's own) are left.

    Parameters
    ----------
    parameters : Mapping of str to object, optional
        The names and values of a notebook: ``globals()``.
    **chosen
        As for :class:`Study`; these win over ``parameters``.

    Returns
    -------
    Study
        The client, the days, the roster, and what may be shown.

    Raises
    ------
    ConfigurationError, DateRangeError, TableError
        As :class:`Study`.

    See Also
    --------
    write : runs a template.

    Examples
    --------
    >>> study({"every": "1mo", "user_type": "all", "output_dir": "reports"}, names="hide")
    Study(people and service accounts, ..., Sharing('hide', min_group_size=5))
    """
    taken = {"start_date", "end_date", *_DEFAULTS}
    picked = {name: value for name, value in (parameters or {}).items() if name in taken}
    return Study(**{**picked, **chosen})


class Study:
    """Whom a report is about, over which days, and how much of people it may show.

    A template makes one from its parameters with :func:`study`. It gives the client, the days and the
    roster; :meth:`people` keeps the users that the report is about, :meth:`groups` hides groups that are too
    small, and :meth:`page` begins the page.

    Parameters
    ----------
    start_date, end_date : date or "YYYY-MM-DD", optional
        As for :func:`report_days`.
    source : {"sample", "api"}
        The made-up organisation, or your own with the token in ``AUGMENT_API_TOKEN``.
    archive : path-like, optional
        The folder of an :class:`augment_insights.Archive`.
    every : {"1d", "1w", "1mo", "1q"}
        The calendar period of the figures.
    user_type : {"person", "service_account", "all"}
        Who counts.
    team : str, optional
        Only the people whom the roster puts into this team.
    roster : path-like or DataFrame, optional
        As for :func:`augment_insights.analysis.read_roster`. The made-up organisation has its own.
    team_column : str
        The column of the roster whose values are the teams of the report, such as ``"manager"`` or ``"cost_centre"``.
    targets, events, calendar : path-like or DataFrame, optional
        As for :func:`augment_insights.analysis.read_targets`, ``read_events`` and ``read_calendar`` (a country code, or
        days off). With ``team``, the targets of that team, and the events of that team and of everybody. The made-up
        organisation has its own events.
    min_group_size, names : optional
        As for :class:`Sharing`.

    Attributes
    ----------
    client : Client
        The client to fetch with.
    days : ReportDays
        The days asked for, shown and looked back on.
    roster : DataFrame or None
        Who has a licence (of the team, where one is chosen), names as they may be shown.
    listed : DataFrame or None
        The whole roster under its own names: to be matched with what is fetched, and not to be shown.
    has_teams : bool
        Whether the roster tells in which team people are.
    teams : tuple of str
        The teams of the whole roster, sorted.
    noun : str
        What a period is called: day, week, month or quarter.
    people_noun : str
        What those who are counted are called: people, service accounts.
    population : str
        Who is counted, in words: the same, or the team.
    caption : dict
        ``as_of``, ``sample``, ``population``, ``targets``, ``events`` and ``calendar``, as every chart takes them.
    targets, events, calendar : DataFrame or None
        The tables TARGETS and EVENTS with ``group``, and CALENDAR_DAYS of all days that can be asked for.
    sharing : Sharing
        What may be shown.

    Raises
    ------
    ConfigurationError
        A parameter that is not valid, a team or its column without a roster or that it does not have, no token; fewer
        people than ``min_group_size`` in the team or on the roster, or teams that are e-mails, and names not to be
        shown.
    DateRangeError, TableError
        As :func:`report_days` and :func:`augment_insights.analysis.read_roster`.

    See Also
    --------
    study : makes one from a template's parameters.

    Examples
    --------
    >>> roster = pl.DataFrame({"user": ["Ada@x.io", "bob@x.io"], "team": ["Payments", "Search"]})
    >>> study = Study(team="Payments", roster=roster, min_group_size=8)
    >>> study
    Study(Payments team, ..., Sharing('show', min_group_size=8))
    >>> study.people(pl.DataFrame({"user": ["ada@x.io", "bob@x.io"]})).height
    1
    """

    def __init__(
        self,
        start_date: date | str | None = None,
        end_date: date | str | None = None,
        **parameters: Unpack[StudyParameters],
    ) -> None:
        for name in parameters.keys() - _DEFAULTS.keys():
            raise TypeError(f"A study takes no {name!r}.{did_you_mean(name, _DEFAULTS)}")
        chosen: StudyParameters = {**_DEFAULTS, **parameters}
        self._parameters = {"start_date": start_date, "end_date": end_date, **chosen}
        for name in (
            "archive",
            "roster",
            "targets",
            "events",
            "calendar",
        ):  # no folder of this machine gets into a report
            place = self._parameters[name]
            self._parameters[name] = Path(place).name if isinstance(place, (str, Path)) else None
        self.user_type, source = chosen["user_type"], chosen["source"]
        self.team = None if chosen["team"] is None else str(chosen["team"])  # a number, where teams are numbers
        if self.user_type not in POPULATIONS:
            raise ConfigurationError(not_valid("user_type", self.user_type, POPULATIONS), setting="user_type")
        if source not in SOURCES:
            raise ConfigurationError(not_valid("source", source, SOURCES), setting="source")
        self.sharing = Sharing(chosen["names"], min_group_size=chosen["min_group_size"])
        self.every: Every = check_every(chosen["every"])
        self.noun = NOUN[self.every]
        client, archive = augment_insights.Client, chosen["archive"]
        self.client: Client = client.sample(archive=archive or False) if source == "sample" else client(archive=archive)
        self.days: ReportDays = report_days(start_date, end_date, now=self.client.now(), every=self.every)
        self.team_column = chosen["team_column"]
        self.listed = self._read_roster(chosen["roster"])
        self.teams: tuple[str, ...] = ()
        if self.listed is not None and "team" in self.listed.columns:
            self.teams = tuple(sorted(self.listed["team"].drop_nulls().cast(pl.String).unique()))
        self._refuse_names()
        self._team = None if self.team is None else _of_team(self.listed, self.team, self.team_column)
        self._refuse_few()
        shown = self.listed if self._team is None else self._team
        self.roster = None if shown is None else self.sharing.users(shown.drop("aliases", strict=False))
        self.has_teams = self.roster is not None and "team" in self.roster.columns
        self.people_noun = POPULATIONS[self.user_type]
        column = "" if self.team_column == "team" else f"{self.team_column.replace('_', ' ')} "
        self.population = self.people_noun if self.team is None else f"{column}{self.team}{'' if column else ' team'}"
        self.caption: dict[str, Any] = {
            "as_of": self.days.as_of,
            "sample": self.client.is_sample,
            "population": self.population,
        }
        with self.sharing.naming_nobody():
            self._read_context(chosen)

    def __repr__(self) -> str:
        return f"Study({self.population}, {self.days.shown}, {self.sharing!r})"

    def _read_roster(self, roster: Path | str | pl.DataFrame | None) -> pl.DataFrame | None:
        """Read the roster, or take the made-up organisation's; its teams are the values of the column asked for."""
        given = roster
        if given is None and (made_up := self.client.sample_organisation) is not None:
            given = pl.read_csv(made_up.roster_csv().encode(), infer_schema=False)
        if given is None:
            return None
        with self.sharing.naming_nobody():
            listed = read_roster(given)
        column = self.team_column
        if column == "team":
            return listed
        known = [name for name in listed.columns if name not in ("user", "licensed_from", "licensed_to", "aliases")]
        if column not in known:
            raise ConfigurationError(
                f"The roster has no column {column!r}.{did_you_mean(column, known)}", setting="team_column"
            )
        return listed.drop("team", strict=False).rename({column: "team"})

    def _read_context(self, chosen: StudyParameters) -> None:
        """Read what stands beside the numbers: targets, events and days off."""
        self.targets: pl.DataFrame | None = None
        self.events: pl.DataFrame | None = None
        self.calendar: pl.DataFrame | None = None
        is_ours, nobody = pl.col("group").eq(str(self.team)), pl.lit(None, dtype=pl.String).alias("group")
        if (targets := chosen["targets"]) is not None:
            self.targets = read_targets(targets)
            if self.team is not None:  # what is aimed at for everybody is no target of one team
                self.targets = self.targets.filter(is_ours).with_columns(nobody)
        events = chosen["events"]
        if events is None and (made_up := self.client.sample_organisation) is not None:
            events = pl.read_csv(made_up.events_csv().encode(), infer_schema=False)
        if events is not None:
            read = read_events(events)
            words = self.sharing.words
            self.events = read.with_columns(
                pl.Series(name, [text and words(text) for text in read[name]], dtype=pl.String)
                for name in ("text", "group")
            )
            if self.team is not None:
                self.events = self.events.filter(is_ours | pl.col("group").is_null()).with_columns(nobody)
        if (calendar := chosen["calendar"]) is not None:
            last = calendar_period(self.days.shown.end, self.every).end
            self.calendar = read_calendar(calendar, oldest_day(self.client.now()), last)
            self.sharing.days_off = frozenset(self.calendar["date"])
        self.caption |= {"targets": self.targets, "events": self.events, "calendar": self.calendar}

    def events_around(self, first: date | None, last: date | None) -> pl.DataFrame | None:
        """Return the events between two days, and of the two weeks before them; None where none are known."""
        if self.events is None or first is None or last is None:
            return None
        return self.events.filter(pl.col("date").is_between(first - timedelta(weeks=2), last))

    def _refuse_names(self) -> None:
        """Refuse teams that are people, such as managers by their e-mails, where names are not shown."""
        if not self.sharing.is_open and any("@" in team for team in self.teams):
            raise ConfigurationError(
                f"The column {self.team_column!r} of the roster holds e-mails, and names={self.sharing.names!r} shows "
                "none. Hint: name another column as team_column, or give its groups other names.",
                setting="team_column",
            )

    def _refuse_few(self) -> None:
        """Refuse a report of fewer people than the smallest group that may be shown."""
        listed = self.listed if self._team is None else self._team
        if listed is None or self.sharing.is_open:
            return
        people, least = with_user_key(listed)["user_key"].n_unique(), self.sharing.min_group_size
        if people < least:
            whose = "The roster" if self.team is None else f"The team {self.team!r}"
            raise ConfigurationError(
                f"{whose} has fewer than {least:,} people, and names={self.sharing.names!r} shows no group that small. "
                "Hint: report on a larger group.",
                setting="team" if self.team is not None else "roster",
            )

    def people(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of the users that the report is about, under the names that it may show.

        Call it on whatever has a column ``user``, straight after fetching it. A person with several e-mails has one
        name from here on, and of who changed the team the days in the team are kept.

        Raises
        ------
        TableError
            The roster matches almost nobody.
        """
        kept = frame
        if self.user_type != "all" and "user_type" in frame.columns:
            kept = kept.filter(pl.col("user_type") == self.user_type)
        if self.listed is not None:
            with self.sharing.naming_nobody():
                check_match(self.listed, kept)
            kept = resolve_aliases(kept, self.listed)
            if self._team is not None:
                kept = self._of_team(kept, self.listed)
        return self.sharing.users(kept)

    def _of_team(self, frame: pl.DataFrame, listed: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of the days on which their users were in the team."""
        dates = [name for name in ("licensed_from", "licensed_to") if name in listed.columns]
        named = listed.select("user", *dates, __team=pl.col("team").cast(pl.String).fill_null(NO_TEAM))
        return join_roster(frame, named, warn=False).filter(pl.col("__team") == str(self.team)).select(frame.columns)

    def with_roster(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of :meth:`people` with each user's ``team`` and licence dates, as far as the roster has them.

        Whoever it does not have is in a team of its own, ``"(not on the roster)"``, and whoever it has without a team
        in ``"(no team)"``, so that teams add up to the whole. No other column of the roster is taken.
        """
        on_roster = self.roster if self.roster is not None else pl.DataFrame(schema={"user": pl.String})
        taken = [name for name in ("team", "licensed_from", "licensed_to") if name in on_roster.columns]
        # Who is missing is in that team, or an unused licence.
        team = pl.col("team").cast(pl.String).fill_null(NO_TEAM) if "team" in taken else pl.lit(NOT_ON_ROSTER)
        listed = on_roster.select("user", *taken).with_columns(team=team)
        return join_roster(frame, listed, warn=False).with_columns(pl.col("team").fill_null(NOT_ON_ROSTER))

    def groups(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return a result table without the numbers of groups that are too small; draw charts from that."""
        return self.sharing.groups(table)

    def compare_last(
        self,
        activity: pl.DataFrame,
        periods: pl.DataFrame,
        *,
        metric: str,
        count: int = 1,
        by: str | None = None,
        licences: pl.DataFrame | None = None,
    ) -> pl.DataFrame:
        """Compare the last complete periods with as many before them, the same people paired.

        Parameters
        ----------
        activity : DataFrame
            The rows, as for :func:`augment_insights.analysis.compare_periods`.
        periods : DataFrame
            Which periods there are: ``period_start``, ``period_end`` and ``is_complete``, as
            :func:`augment_insights.analysis.active_users` gives them.
        metric, licences
            As for :func:`augment_insights.analysis.compare_periods`.
        by : str, optional
            Group by group, with each group's part of the whole change.
        count : int
            How many complete periods make one side.

        Returns
        -------
        DataFrame
            The table COMPARISON, grouped CONTRIBUTIONS; without a row where no period is complete. Where there are
            fewer than twice as many, the last ones stand alone, and nothing is known of a time before.
        """
        complete = periods.filter("is_complete").sort("period_start")
        if complete.is_empty():
            by_group = {} if by is None else {by: pl.String}
            return pl.DataFrame(schema={**by_group, **(COMPARISON if by is None else CONTRIBUTIONS).schema})
        starts, ends = complete["period_start"], complete["period_end"]
        has_before, count = complete.height >= 2 * count, min(count, complete.height)
        after = (starts[-count], ends[-1])
        days = (after[1] - after[0]).days + 1
        before = (starts[-2 * count], ends[-count - 1]) if has_before else (after[0] - days * _DAY, after[0] - _DAY)
        start = "date" if "date" in activity.columns else "period_start"
        rows = activity.filter(pl.col(start) >= before[0 if has_before else 1])
        asked: dict[str, Any] = {"metric": metric, "licences": licences, "user_type": self.user_type}
        if by is None:
            compared = compare_periods(rows, before, after, **asked)
        else:
            compared = contributions(rows, before, after, by=by, **asked)
        if not has_before:
            compared = compared.with_columns(
                pl.lit(None).cast(compared.schema[name]).alias(name) for name in _OF_BEFORE
            )
        return self.groups(compared)

    def unused_licences(
        self, activity: pl.DataFrame, periods: pl.DataFrame, *, since: date
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Count the licences that are idle or were never used: at the end of each period, and by team at the last.

        Parameters
        ----------
        activity : DataFrame
            All that is known.
        periods : DataFrame
            As for :func:`augment_insights.analysis.licences_over_time`; those in which it is not known who was there
            in the last 30 days are left out.
        since : date
            The first day of which the rows tell who was there; longer windows before it do not.

        Returns
        -------
        tuple of DataFrame
            LICENCES_OVER_TIME; and ``team`` and ``unused_users``. Both are empty without a roster, as it lists people,
            or for service accounts; the second also for one team.
        """
        nobody = pl.DataFrame(schema={"team": pl.String, "unused_users": pl.Int64})
        if self.roster is None or self.user_type == "service_account":
            return LICENCES_OVER_TIME.empty(), nobody
        if "period_end" in activity.columns:  # who was there in a long window need not have been in its last days
            length = (pl.col("period_end") - pl.col("period_start")).dt.total_days()
            activity = activity.filter(length < _A_MONTH)
        periods = periods.filter(pl.col("period_end") - pl.lit(since) >= pl.duration(days=_IDLE - 1))
        used = self.groups(licences_over_time(self.roster, activity, periods))
        if not self.has_teams or self.team is not None or periods.is_empty():
            return used, nobody
        held = licences(self.roster, activity, as_of=periods["period_end"][-1])
        unused = held.filter(pl.col("status").is_in(["idle", "never_used"]))
        team = pl.col("team").fill_null(NO_TEAM)
        counted = unused.group_by(team).agg(users=pl.len().cast(pl.Int64)).sort("team")
        by_team = self.groups(counted).select("team", unused_users="users")
        is_told = self.sharing.is_open or not by_team["unused_users"].null_count()
        return used, by_team if is_told else by_team.clear()  # beside the whole the others give one away

    def on_track(self, periods: pl.DataFrame, **measured: pl.DataFrame) -> pl.DataFrame:
        """Judge the targets by what the report shows: the table ON_TRACK, empty without targets.

        Parameters
        ----------
        periods : DataFrame
            Which periods there are, as for :meth:`compare_last`.
        **measured
            By the name of its metric, what :meth:`groups` returned: one row a period. With a column ``team`` or
            ``tenure`` it is of groups, and null there is everybody.
        """
        if self.targets is None:
            return ON_TRACK.empty()
        spans = periods.select("period_start", "period_end", "is_complete")
        judged = [ON_TRACK.empty()]
        for metric, table in measured.items():
            by = next((name for name in ("team", "tenure") if name in table.columns), None)
            dated = table.select("period_start", metric, *([by] if by else [])).join(spans, on="period_start")
            many = 28 if self.every == "1d" else 12
            judged.append(on_track(dated, self.targets, metric=metric, by=by, periods=many))
        return pl.concat(judged)

    def compare_figures(
        self, figures: Mapping[str, tuple[pl.DataFrame, str]], periods: pl.DataFrame, *, count: int
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Compare several figures with the time before, whole and team by team, and judge all of it together.

        Parameters
        ----------
        figures : mapping of str to (DataFrame, str)
            What it is in words, and the rows and the metric as for :meth:`compare_last`.
        periods, count
            As for :meth:`compare_last`.

        Returns
        -------
        tuple of DataFrame
            COMPARISON with ``figure``, a row a figure; and CONTRIBUTIONS with ``figure``, ``kind`` and ``group``: of
            teams, and of the agents for their share of the lines.
        """
        wholes, groups, modes = [], [], []
        for figure, (rows, metric) in figures.items():
            of_licences = metric.endswith("adoption_rate")
            licences = self.roster if of_licences else None
            named = pl.lit(figure).alias("figure")
            one = self.compare_last(rows, periods, metric=metric, count=count, licences=licences)
            wholes.append(one.select(named, *COMPARISON.columns))
            if self.has_teams and self.team is None and metric != "retention_rate":
                by_team = self.compare_last(
                    rows if of_licences else self.with_roster(rows),
                    periods,
                    metric=metric,
                    count=count,
                    by="team",
                    licences=licences,
                )
                kind = pl.lit("team").alias("kind")
                named_groups = (named, kind, pl.col("team").fill_null(NO_TEAM).alias("group"))
                groups.append(by_team.select(*named_groups, *CONTRIBUTIONS.columns))
            if metric == "agent_rate":
                modes.append(self._agents(rows, periods, count=count).with_columns(named))
        judged = judge_together([pl.concat(wholes), *groups])
        names = pl.Schema({"figure": pl.String, "kind": pl.String, "group": pl.String}).to_frame()
        parts = pl.concat([names, CONTRIBUTIONS.empty()], how="horizontal")
        return judged[0], pl.concat([parts, *judged[1:], *modes], how="diagonal_relaxed")

    def _agents(self, rows: pl.DataFrame, periods: pl.DataFrame, *, count: int) -> pl.DataFrame:
        """Return each agent's part of the change of the agents' share of the lines."""
        starts = periods.filter("is_complete")["period_start"].sort()[-2 * count :]
        sides = [rows.filter(pl.col("period_start").is_in(part.implode())) for part in (starts[:count], starts[count:])]
        whose: Whose = {"user_type": check_user_type(self.user_type)}
        changed = mode_change(*sides, **whose).filter(pl.col("mode").cast(pl.String) != "completions")
        used = feature_adoption(pl.concat(sides), **whose).select(mode="feature", users="feature_users")
        told = self.groups(changed.join(used, on="mode").select("mode", "users", "difference"))
        words = pl.col("mode").cast(pl.String).str.replace_all("_", " ")
        named = pl.format("the {}", words.str.replace("ide ", "IDE ").str.replace("cli ", "CLI "))
        whole = pl.col("difference").sum()
        share = pl.when(whole != 0).then(pl.col("difference") / whole)
        return told.select(
            kind=pl.lit(""), group=named, contribution="difference", contribution_share=share
        ).drop_nulls()

    def page(self, title: str, *, template: str) -> Page:
        """Begin the page of a template: who is counted, the days, and how the report is made."""
        of_team = "" if self.team is None else f"-{file_name(self.team, among=self.teams)}"
        page = Page(
            " · ".join([title, *([] if self.team is None else [self.population]), _days_text(self.days.shown)]),
            population=self.population,
            as_of=self.days.as_of,
            range_asked=self.days.asked,
            range_had=self.days.shown,
            sample=self.client.is_sample,
            name=f"{template}{of_team}-{self.days.asked.start}--{self.days.asked.end}",
            sharing=self.sharing,
        )
        return page.manifest(
            {
                "Template": template,
                "Parameters": self._parameters,
                "Looked back on": self.days.lookback or "nothing: beyond the API's two years",
                "Names": _NAMES[self.sharing.names],
                "Smallest group shown": self.sharing.smallest_group,
                "Generated at": f"{self.client.now():%Y-%m-%d %H:%M} UTC",
                "Data made at": _span(self.client.generated_at),
                "Requests sent": self.client.requests_sent,
            }
        )


def _days_text(days: DayRange) -> str:
    """Write a range of days for a title.

    Examples
    --------
    >>> from datetime import date
    >>> _days_text(DayRange(date(2026, 8, 24), date(2026, 11, 22)))
    '24 Aug to 22 Nov 2026'
    """
    start = day_text(days.start)
    return f"{start.removesuffix(f' {days.end.year}')} to {day_text(days.end)}"


def _of_team(roster: pl.DataFrame | None, team: str, column: str) -> pl.DataFrame:
    """Return a team's rows of the roster."""
    if roster is None or "team" not in roster.columns:
        raise ConfigurationError(
            f"The team {team!r} can only be told by a roster with a column {column!r}. Hint: pass roster='roster.csv'.",
            setting="team",
        )
    names = roster["team"].cast(pl.String).fill_null(NO_TEAM)
    found = roster.filter(names == team)
    if found.is_empty():
        raise ConfigurationError(
            f"The roster has no {column} {team!r}.{did_you_mean(team, names.unique())}", setting="team"
        )
    return found


def _span(moments: tuple[str, str] | None) -> str:
    """Say when the answers were made."""
    if moments is None:
        return "not told: from the archive, or by an API that does not say"
    oldest, newest = (_to_the_second(moment) for moment in moments)
    return oldest if oldest == newest else f"{oldest} to {newest}"


def _to_the_second(moment: str) -> str:
    """Write a moment as the API tells it for readers; one that is none stays as it came.

    Examples
    --------
    >>> _to_the_second("2026-11-22T19:51:52.465372Z"), _to_the_second("just now")
    ('2026-11-22 19:51:52 UTC', 'just now')
    """
    try:
        return f"{datetime.fromisoformat(moment).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return moment
