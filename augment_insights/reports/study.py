"""What a template begins with: who asks, which days, whose activity, and how much of people may be shown."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from augment_insights.analysis import join_roster, read_roster
from augment_insights.errors import ConfigurationError, did_you_mean
from augment_insights.periods import NOUN, Every, check_every
from augment_insights.reports.days import report_days
from augment_insights.reports.page import Page
from augment_insights.reports.sharing import Sharing, told

if TYPE_CHECKING:
    from datetime import date

    from augment_insights.reports.days import ReportDays
    from augment_insights.transport import Client

POPULATIONS = {"person": "people", "service_account": "service accounts", "all": "people and service accounts"}
"""What the users of a ``user_type`` are called."""

_SLUG_LENGTH = 60


NOT_ON_ROSTER = "(not on the roster)"
"""The team of whoever the roster does not have."""


class Study:
    """Whom is a report about, over which days, and how much of people may it show?

    A template makes one from its parameters, in its first cell. It gives the client, the days and the
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
    min_group_size, names : optional
        As for :class:`Sharing`.

    Attributes
    ----------
    client : Client
        Who asks.
    days : ReportDays
        The days asked for, shown and looked back on.
    roster : DataFrame or None
        Who has a licence (of the team, where one is chosen), names as they may be shown.
    listed : DataFrame or None
        The whole roster under its own names: to be matched with what is fetched, and not to be shown.
    has_teams : bool
        Whether the roster tells in which team people are.
    noun : str
        What a period is called: day, week, month or quarter.
    population : str
        Who is counted, in words.
    caption : dict
        ``as_of``, ``sample`` and ``population``, as every chart takes them.
    sharing : Sharing
        What may be shown.

    Raises
    ------
    ConfigurationError
        A parameter that is none of its values, a team without a roster or that it does not have, no token.
    DateRangeError, TableError
        As :func:`report_days` and :func:`augment_insights.analysis.read_roster`.

    See Also
    --------
    write : runs a template.

    Examples
    --------
    >>> roster = pl.DataFrame({"user": ["Ada@x.io", "bob@x.io"], "team": ["Payments", "Search"]})
    >>> study = Study(team="Payments", roster=roster, names="hide", min_group_size=8)
    >>> study
    Study(people of Payments, ..., Sharing('hide', min_group_size=8))
    >>> study.people(pl.DataFrame({"user": ["ada@x.io", "bob@x.io"]})).height
    1
    """

    def __init__(  # noqa: PLR0913 (a template's parameters, one to one, all by keyword but the days)
        self,
        start_date: date | str | None = None,
        end_date: date | str | None = None,
        *,
        source: str = "sample",
        archive: Path | str | None = None,
        every: str = "1w",
        user_type: str = "person",
        team: str | None = None,
        roster: Path | str | pl.DataFrame | None = None,
        min_group_size: int = 5,
        names: str = "show",
    ) -> None:
        if user_type not in POPULATIONS:
            raise ConfigurationError(
                f"user_type={user_type!r} is none.{did_you_mean(str(user_type), POPULATIONS)}", setting="user_type"
            )
        self.sharing = Sharing(names, min_group_size=min_group_size)
        self.every: Every = check_every(every)
        self.noun = NOUN[self.every]
        self.client = _client(source, archive)
        self.days: ReportDays = report_days(start_date, end_date, now=self.client.now(), every=self.every)
        self.user_type = user_type
        self.team = team
        self.listed = listed = self._read_roster(roster)
        self._team = None if team is None else _of_team(listed, team)
        self.roster = None if listed is None else self.sharing.users(listed if self._team is None else self._team)
        self.has_teams = self.roster is not None and "team" in self.roster.columns
        self.population = POPULATIONS[user_type] if team is None else f"people of {team}"
        self.caption: dict[str, Any] = {
            "as_of": self.days.as_of,
            "sample": self.client.is_sample,
            "population": self.population,
        }
        self._parameters = {
            "start_date": start_date,
            "end_date": end_date,
            "source": source,
            "archive": None if archive is None else Path(archive).name,
            "every": every,
            "user_type": user_type,
            "team": team,
            "roster": Path(roster).name if isinstance(roster, (str, Path)) else None,
            "min_group_size": min_group_size,
            "names": names,
        }

    def __repr__(self) -> str:
        return f"Study({self.population}, {self.days.shown}, {self.sharing!r})"

    def people(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of the users that the report is about, under the names that it may show.

        Call it on whatever has a column ``user``, straight after fetching it.
        """
        kept = frame
        if self.user_type != "all" and "user_type" in frame.columns:
            kept = kept.filter(pl.col("user_type") == self.user_type)
        if self._team is not None:
            kept = _on_roster(kept, self._team)
        return self.sharing.users(kept)

    def with_roster(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of :meth:`people` with each user's ``team`` and licence dates, as far as the roster has them.

        Whoever it does not have is in a team of its own, ``"(not on the roster)"``, so that teams add up to the
        whole. No other column of the roster is taken.
        """
        on_roster = self.roster if self.roster is not None else pl.DataFrame(schema={"user": pl.String})
        taken = [name for name in ("team", "licensed_from", "licensed_to") if name in on_roster.columns]
        # Who is missing is in that team, or an unused licence.
        joined = join_roster(frame, on_roster.select("user", *taken), warn=False)
        team = pl.col("team").cast(pl.String) if "team" in taken else pl.lit(None, dtype=pl.String)
        return joined.with_columns(team=team.fill_null(NOT_ON_ROSTER))

    def groups(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return a result table without the numbers of groups that are too small; draw charts from that."""
        return self.sharing.groups(table)

    def page(self, title: str, *, template: str) -> Page:
        """Begin the page of a template: who is counted, the days, and how the report is made."""
        of_team = "" if self.team is None else f"-{slug(self.team)}"
        page = Page(
            title,
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
                **told(self.sharing),
                "Generated at": f"{self.client.now():%Y-%m-%d %H:%M} UTC",
                "Data made at": _span(self.client.generated_at),
                "Requests sent": self.client.requests_sent,
            }
        )

    def _read_roster(self, roster: Path | str | pl.DataFrame | None) -> pl.DataFrame | None:
        if roster is not None:
            return read_roster(roster)
        if not self.client.is_sample:
            return None
        from augment_insights.sample import roster_csv  # noqa: PLC0415 (only for the sample)

        text = roster_csv(self.client.now().date())
        return read_roster(pl.read_csv(io.StringIO(text), infer_schema=False))


def _client(source: str, archive: Path | str | None) -> Client:
    """Return who asks: the made-up organisation's, or one from the environment."""
    from augment_insights.transport import Client  # noqa: PLC0415 (costs requests; a page alone needs none)

    sources = ("api", "sample")
    if source not in sources:
        raise ConfigurationError(f"source={source!r} is none.{did_you_mean(str(source), sources)}", setting="source")
    return Client.sample(archive=archive or False) if source == "sample" else Client(archive=archive)


def _of_team(roster: pl.DataFrame | None, team: str) -> pl.DataFrame:
    """Return a team's rows of the roster."""
    if roster is None or "team" not in roster.columns:
        raise ConfigurationError(
            f"The team {team!r} can only be told by a roster with a column 'team'. Hint: pass roster='roster.csv'.",
            setting="team",
        )
    found = roster.filter(pl.col("team") == team)
    if found.is_empty():
        known = roster["team"].drop_nulls().unique().cast(pl.String).to_list()
        raise ConfigurationError(f"The roster has no team {team!r}.{did_you_mean(team, known)}", setting="team")
    return found


def _on_roster(frame: pl.DataFrame, roster: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows of people on a roster, whatever the case of their e-mails."""
    listed = roster.select(pl.col("user").str.to_lowercase().alias("key"))
    people = frame if "user_type" not in frame.columns else frame.filter(pl.col("user_type") == "person")
    keyed = people.with_columns(pl.col("user").str.to_lowercase().alias("key"))
    return keyed.join(listed, on="key", how="semi", maintain_order="left").drop("key")


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


def slug(text: str) -> str:
    """Return text as a part of a file's name; what a name cannot hold is told apart by four digits of a hash.

    Examples
    --------
    >>> slug("Payments"), slug("R/D")[:4]
    ('payments', 'r-d-')
    """
    kept = "".join(letter if letter.isalnum() else "-" for letter in text.lower())
    name = "-".join(part for part in kept.split("-") if part)[:_SLUG_LENGTH]
    if name == text.lower().replace(" ", "-"):
        return name
    return f"{name}-{blake2b(text.encode(), digest_size=2).hexdigest()}".lstrip("-")
