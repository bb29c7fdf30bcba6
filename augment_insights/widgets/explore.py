"""The explorer: questions and filters over one organisation's activity, and the figure that answers them.

Rows are held by day, each day at the finest table that it was fetched as, which answers for the coarser
ones too: whatever is loaded is never fetched again. What is missing is fetched as the finest table
that costs no more than the one that is needed: then the next question finds its rows there.
"""

from __future__ import annotations

import re
from contextvars import copy_context
from datetime import date, timedelta
from functools import partial
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Any

import polars as pl
from ipywidgets import HTML, Box, Button, Dropdown, HBox, IntProgress, Label, Layout, VBox

from augment_insights import analysis, fetch, periods, reports, tables
from augment_insights.errors import ConfigurationError, TableError, did_you_mean, plural
from augment_insights.periods import DayRange
from augment_insights.transport import Cancelled, Client
from augment_insights.transport.progress import format_duration
from augment_insights.widgets.questions import BY_NAME, GRAINS, LISTS, RECORDS, USERS, Choice, Question, View
from augment_insights.widgets.screen import Answer, DayPicker, Screen, has_controls, message, show_if, showing_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from augment_insights.fetch import Plan
    from augment_insights.periods import Every

    Frame = pl.DataFrame | pl.LazyFrame

OFF_ROSTER = "Not on the roster"
"""The team of whoever has no licence on the roster."""

PERIODS: Mapping[str, Every] = {"Day": "1d", "Week": "1w", "Month": "1mo", "Quarter": "1q"}
WHO = {"People": "person", "Automation (service accounts)": "service_account", "People and automation": "all"}
"""The periods and the populations, in the words of their controls."""

WEEKS_SHOWN = 13
"""Of a range that was left open: a quarter, at a request a day for up to a hundred users."""

Part = tuple[str, DayRange]
"""Rows that are missing: days of one of the tables ``GRAINS``, or a window that only looks back."""

_LOOKBACK = "lookback"
_FETCHED_BY: dict[str, Callable[..., pl.DataFrame]] = {
    LISTS: fetch.dau,
    USERS: partial(fetch.user_activity, every="1d"),
    RECORDS: fetch.editor_language,
    _LOOKBACK: fetch.user_activity,
}
_DAY = timedelta(days=1)
_TYPING_SECONDS = 0.8
"""A day is typed digit by digit: what was meant is fetched, and not each step towards it."""

_LONGEST_NAME = 120

_ALL = ""
"""The value of "all" and "none"; null would mean that nothing is chosen."""

_LOAD = "\0load"
"""The value that asks for names to choose from; no language or editor is called so."""


def explore(  # noqa: PLR0913 (what can be chosen on the screen can be chosen here, all by keyword with a default)
    client: Client | reports.Study | pl.DataFrame | pl.LazyFrame | None = None,
    *,
    start_date: date | str | None = None,
    end_date: date | str | None = None,
    roster: str | Path | pl.DataFrame | pl.LazyFrame | None = None,
    question: str = "active_users",
    every: str = "1w",
    user_type: str = "person",
    team: str | None = None,
    interactive: bool | None = None,
) -> Explorer | Answer:
    """Look at how the organisation uses the assistant, from any side.

    Controls for the question, the days, the period, people or automation, the team, the language,
    the editor and the measure, and the figure that answers them. What is loaded is never fetched again: a change is
    answered from it. What is missing has its cost told first; a fetch above the client's ``plan_above``
    waits for a button, then runs with a bar, the time left and a Cancel that keeps what came.
    Figures, their numbers, and a page with every question can be saved.

    Unattended (papermill) there is nobody to press anything: then it is the chart and its table.

    Parameters
    ----------
    client : Client, Study or frame, optional
        The client to fetch with; by default one configured from the environment. A study brings its client and its
        roster, and whatever is left at its default here: days, period, population, team. A frame (table DAU,
        EDITOR_LANGUAGE, or USER_ACTIVITY by day) is all there is then, and nothing is fetched.
    start_date, end_date : date or "YYYY-MM-DD", optional
        UTC days to begin with, both included. Left out: thirteen whole weeks and the one under
        way, up to the last published day.
    roster : path or frame, optional
        As for ``analysis.read_roster``: adds the teams, and the questions about licences.
    question : str
        The question to begin with, by the name of its analysis.
    every : {"1d", "1w", "1mo", "1q"}
        The period to begin with.
    user_type : {"person", "service_account", "all"}
        Whose activity counts to begin with.
    team : str, optional
        The team to begin with.
    interactive : bool, optional
        Controls or a still figure. Left out, controls where somebody works in the notebook, or opens it in voila.

    Returns
    -------
    Explorer or Answer
        A widget; unattended, the answer, which shows itself without one. Both have ``answer`` with ``table`` and
        ``chart``. Put it on the last line of a cell.

    Raises
    ------
    ConfigurationError
        An unknown question, population or team; no token.
    DateRangeError
        Days that the API cannot answer for.
    TableError
        A roster that cannot be read, or a frame that is none of these tables.
    ApiError
        Unattended only: the API did not answer well. A widget shows it.

    See Also
    --------
    panel : controls for a function of one's own.

    Examples
    --------
    >>> from augment_insights import Client, widgets
    >>> still = widgets.explore(Client.sample(today="2026-03-10"), start_date="2026-02-23", interactive=False)
    >>> still.answer.table["period_start"].to_list()
    [datetime.date(2026, 2, 23), datetime.date(2026, 3, 2), datetime.date(2026, 3, 9)]
    """
    sharing, context = reports.Sharing(min_group_size=1), {}
    if isinstance(client, reports.Study):
        study, sharing, client = client, client.sharing, client.client
        roster = study.listed if roster is None else roster
        start_date, end_date = start_date or study.days.shown.start, end_date or study.days.shown.end
        every = study.every if every == "1w" else every
        user_type = study.user_type if user_type == "person" else user_type
        team = team or study.team
        context = {name: study.caption[name] for name in ("targets", "events", "calendar")}
    loaded = Loaded(Client() if client is None else client, roster, sharing, context)
    teams: Any = [team] if team is None else loaded.teams
    asked = {"question": (question, BY_NAME), "user_type": (user_type, WHO.values()), "team": (team, teams)}
    for name, (value, known) in asked.items():
        if value not in known:
            raise ConfigurationError(f"{name}={value!r} is not valid.{did_you_mean(str(value), known)}", setting=name)
    if BY_NAME[question] not in loaded.questions:
        raise ConfigurationError(
            f"question={question!r} needs a roster. Hint: pass roster='roster.csv'.", setting="roster"
        )
    days = loaded.resolve(start_date, end_date)
    choice = Choice(question, days, every=periods.check_every(every), user_type=user_type, team=team)
    choice = BY_NAME[question].fit(choice, has_teams=bool(loaded.teams))
    if has_controls(wanted=interactive):
        return Explorer(loaded, choice)
    loaded.fetch(part for part, _ in loaded.price(loaded.missing(choice)))
    return loaded.answer(choice)


class Loaded:
    """The rows that are loaded, and the roster; says what is missing for a choice, what that costs, and fetches it.

    Parameters
    ----------
    client : Client or frame
        The client to fetch with; or the rows, where they are all there is.
    roster : path, frame or None
        As for ``analysis.read_roster``.
    sharing : Sharing
        What may be shown of small groups.

    context : Mapping
        ``targets``, ``events`` and ``calendar``, as charts take them.

    Attributes
    ----------
    teams : list of str
        The teams of the roster, and the one of who has none; empty where it does not tell teams.
    """

    def __init__(self, client: Client | Frame, roster: Any, sharing: reports.Sharing, context: Any) -> None:
        self.roster = None if roster is None else analysis.read_roster(roster)
        self.sharing, self.context = sharing, context
        self.teams: list[str] = []
        if self.roster is not None and "team" in self.roster.columns:
            self.teams = [*self.roster["team"].drop_nulls().unique().sort().to_list(), OFF_ROSTER]
        self._rows = self._with_team(tables.EDITOR_LANGUAGE.empty())
        self._tables: dict[date, str] = {}
        self._before: dict[DayRange, pl.DataFrame] = {}
        self._frame_days: DayRange | None = None
        if isinstance(client, Client):
            self.client = client
        else:
            table, rows = _read_frame(client)
            days: list[date] = rows["date"].unique().sort().to_list()
            self._frame_days = DayRange(days[0], days[-1])
            self.client = Client.serving([], today=days[-1] + _DAY)  # tells the time; nothing is fetched with it
            self._hold(table, self._frame_days, rows)

    @property
    def bounds(self) -> DayRange:
        """The days that can be asked for."""
        now = self.client.now()
        return self._frame_days or DayRange(periods.oldest_day(now), periods.last_published_day(now))

    @property
    def questions(self) -> list[Question]:
        """The questions that can be asked with this roster, or without one."""
        return [question for question in BY_NAME.values() if self.roster is not None or not question.needs_roster]

    def resolve(self, start_date: date | str | None, end_date: date | str | None) -> DayRange:
        """Fill in a range: up to the last published day, thirteen whole weeks and the one under way.

        Raises
        ------
        DateRangeError
            Days that the API cannot answer for.
        """
        bounds = self.bounds
        end = bounds.end if end_date is None else min(periods.parse_day(end_date, name="end_date"), bounds.end)
        start = end - timedelta(days=end.weekday(), weeks=WEEKS_SHOWN)
        start = max(bounds.start, start) if start_date is None else periods.parse_day(start_date, name="start_date")
        return periods.resolve_range(start, end, now=self.client.now())

    def names(self, column: str) -> list[str] | None:
        """Return the languages or editors that are loaded; None while no such rows are."""
        if RECORDS not in self._tables.values():
            return None
        return self._rows[column].drop_nulls().unique().sort().to_list()

    def missing(self, choice: Choice) -> tuple[Part, ...]:
        """Return what must be fetched before a choice can be answered; nothing if it can.

        Raises
        ------
        TableError
            Rows that were passed as a frame, and do not have it.
        """
        question = BY_NAME[choice.question]
        needed = question.needed_table(choice)
        enough = GRAINS[GRAINS.index(needed) :]
        gaps = periods.day_ranges(day for day in choice.days if self._tables.get(day) not in enough)
        parts = [(needed, gap) for gap in gaps]
        if question.looks_back:
            parts += self._lookback_missing(choice.days.start)
        if parts and self._frame_days is not None:
            hint = f"choose days within {self._frame_days}, pass the table {needed}, or pass a client."
            raise TableError(f"The frame cannot answer this for {choice.days}.", table=needed, hint=hint)
        return tuple(parts)

    def price(self, parts: Sequence[Part]) -> list[tuple[Part, Plan]]:
        """Plan how to fetch what is missing; sends the daily counts at most.

        The look-back is taken along where that does not make it a long fetch: the next question may need it.
        """
        priced = [self._cheapest(part) for part in parts]
        if parts and all(table != _LOOKBACK for table, _ in parts):
            along = self._lookback_missing(min(days.start for _, days in parts))
            extended = [*priced, *(self._cheapest(part) for part in along)]
            if not self.is_long(extended):
                return extended
        return priced

    def is_long(self, priced: Iterable[tuple[Part, Plan]]) -> bool:
        """Tell whether a fetch waits for a button: more requests than ``plan_above``, which take any time."""
        requests = sum(plan.requests_to_send for _, plan in priced)
        return requests > self.client.plan_above and self.client.seconds_for(requests) > 0

    def fetch(self, parts: Iterable[Part]) -> None:
        """Fetch what is missing, and hold it."""
        for table, days in parts:
            rows = _FETCHED_BY[table](start_date=days.start, end_date=days.end, client=self.client)
            if table == _LOOKBACK:
                self._before[days] = self._with_team(rows.select("period_start", "period_end", "user", "user_type"))
            else:
                self._hold(table, days, _by_day(rows))

    def answer(self, choice: Choice) -> Answer:
        """Put the question to the rows that a choice leaves; nothing may be missing for it."""
        return BY_NAME[choice.question].answer(self.view(choice))

    def view(self, choice: Choice) -> View:
        """Return the rows that a choice leaves; nothing may be missing for it."""
        of_team = True if choice.team is None else pl.col("team") == choice.team
        roster = None if self.roster is None else self.roster.filter(of_team)
        rows = self._rows.filter(pl.col("date").is_between(choice.days.start, choice.days.end), **choice.filters)
        known = self._known(choice.days).filter(of_team)
        return View(choice, rows, known, roster, self.client.is_sample, self.sharing, self.context)

    def _hold(self, table: str, days: DayRange, rows: pl.DataFrame) -> None:
        """Hold days, each user with their team, in place of the coarser rows of these days."""
        others = self._rows.filter(~pl.col("date").is_between(days.start, days.end))
        self._rows = pl.concat([others, self._with_team(rows)], how="diagonal")
        self._tables |= dict.fromkeys(days, table)

    def _with_team(self, rows: pl.DataFrame) -> pl.DataFrame:
        if self.roster is None or not self.teams:
            return rows
        # Who is not on the roster is a team of its own here, and unused licences are no rows of activity.
        dates = [name for name in ("licensed_from", "licensed_to") if name in self.roster.columns]
        rows = analysis.resolve_aliases(rows, self.roster)
        placed = analysis.join_roster(rows, self.roster.select("user", "team", *dates), warn=False)
        return placed.drop(dates).with_columns(pl.col("team").fill_null(OFF_ROSTER))

    def _cheapest(self, part: Part) -> tuple[Part, Plan]:
        """Plan a part as the finest table that costs no more requests than it needs, or no time."""
        table, days = part
        needed = self._plan(part)
        finer = () if table == _LOOKBACK else GRAINS[GRAINS.index(table) + 1 :]
        for other in reversed(finer):
            plan = self._plan((other, days))
            if plan.requests_to_send <= needed.requests_to_send or not plan.seconds:
                return (other, days), plan
        return part, needed

    def _plan(self, part: Part) -> Plan:
        table, days = part
        every: Every | None = "1d" if table == USERS else None
        return fetch.plan(USERS if table == _LOOKBACK else table, days.start, days.end, every=every, client=self.client)

    def _lookback_missing(self, start: date) -> list[Part]:
        """Return the window that tells who had been active before a day, unless that is loaded or out of reach."""
        first = max(self.bounds.start, start - timedelta(days=periods.MAX_RANGE_DAYS))
        window = DayRange(first, start - _DAY)
        is_loaded = self._before_day(start)[1] or all(day in self._tables for day in window)
        return [] if is_loaded else [(_LOOKBACK, window)]

    def _before_day(self, start: date) -> tuple[date, list[pl.DataFrame]]:
        """Return from which day on all days up to ``start`` are known, and who was active before, if a window tells."""
        first = start
        while first - _DAY in self._tables:
            first -= _DAY
        reaching = [window for window in self._before if first - _DAY <= window.end < start]
        return (min(reaching).end + _DAY, [self._before[min(reaching)]]) if reaching else (first, [])

    def _known(self, days: DayRange) -> pl.DataFrame:
        """Return who was active up to the end of a range, from the first known day on: a window, then days."""
        first, before = self._before_day(days.start)
        day = pl.col("date")
        daily = self._rows.filter(day.is_between(first, days.end)).select(
            day.alias("period_start"), day.alias("period_end"), "user", "user_type", "^team$"
        )
        return pl.concat([*before, daily])


class Explorer(VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Questions and filters over one organisation's activity, and the figure that answers them.

    One thread at a time fetches what is missing: a short fetch as soon as its cost is known; one above the
    client's ``plan_above`` shows its cost first and waits for the button.

    Attributes
    ----------
    controls : dict of str to widget
        ``question``, ``start_date``, ``end_date``, ``every``, ``user_type``, ``team``, ``language``,
        ``editor``, ``metric`` and ``split``: set a ``value``, and the figure follows. Those that the question does not
        use are hidden.
    unused : widget
        Names what is hidden, and why.
    cost, fetch_button : widget
        What a long fetch costs, and the button that begins it.
    bar, state, cancel_button : widget
        How far a fetch is, and the button that ends it.
    screen : Screen
        Where the answer is shown, and saved from.
    """

    def __init__(self, loaded: Loaded, choice: Choice) -> None:
        self._loaded = loaded
        self._lock = RLock()
        self._is_filling = False
        self._is_fetching = False
        self._wanted: tuple[Part, ...] = ()
        self._thread: Thread | None = None
        self._stop = Event()
        self.controls = make_controls(loaded, choice)
        show_if(self.controls["team"], shown=bool(loaded.teams))
        self.unused, self.cost, self.state = HTML(), HTML(), Label()
        self.fetch_button = Button(description="Fetch", tooltip="Sends these requests to the API", icon="download")
        self.bar = IntProgress(min=0, max=1, description="Fetching", tooltip="Requests answered")
        self.cancel_button = Button(
            description="Cancel", tooltip="Ends the fetch; data received is cached", icon="stop"
        )
        self.offer = VBox([self.cost, self.fetch_button])
        self.progress = HBox([self.bar, self.state, self.cancel_button])
        self.screen = Screen(self._file_name, report=self.save_report)
        for name, control in self.controls.items():
            wait = _TYPING_SECONDS if name.endswith("_date") else 0.0
            control.observe(partial(self._on_change, wait=wait), "value")
        self.fetch_button.on_click(lambda _button: self.refresh(at_any_cost=True))
        self.cancel_button.on_click(self._on_cancel)
        question, *others = self.controls.values()
        row = Box(others, layout=Layout(display="flex", flex_flow="row wrap"))
        super().__init__([question, row, self.unused, self.offer, self.progress, self.screen])
        self._show(None)
        self.refresh()

    @property
    def answer(self) -> Answer | None:
        """What is shown; None while its rows are fetched."""
        return self.screen.answer

    def refresh(self, *, wait: float = 0.0, at_any_cost: bool = False) -> None:
        """Answer what the controls ask: from what is loaded, or after fetching what is missing.

        Parameters
        ----------
        wait : float
            Seconds to wait before a fetch, for further changes.
        at_any_cost : bool
            Whether a long fetch begins without being offered first.
        """
        with self._lock, showing_errors(self.screen.fail):
            self._fill()
            choice = self._choice()
            missing = self._loaded.missing(choice)
            if missing:
                self.screen.clear()
                self._want(missing, wait=wait, at_any_cost=at_any_cost)
                return
            if not self._is_fetching:
                self._wanted = ()
                self._show(None)
            self.screen.show(self._loaded.answer(choice))

    def wait(self, timeout: float = 60.0) -> None:
        """Wait until no fetch is under way, as a script or a test does."""
        while (thread := self._thread) is not None and thread.is_alive():
            thread.join(timeout)
            if thread.is_alive():
                raise TimeoutError(f"The fetch is not over after {timeout:g} s.")

    def save_report(self, path: Path) -> Path:
        """Write every question that the loaded rows answer, with the filters that are set, as one page.

        Parameters
        ----------
        path : Path
            Where to; the file is whole or not there.

        Returns
        -------
        Path
            The same.
        """
        loaded, chosen = self._loaded, self._choice()
        page = reports.Page(
            "Exploration",
            population=chosen.population,
            as_of=chosen.days.end,
            range_asked=chosen.days,
            sample=loaded.client.is_sample,
            sharing=loaded.sharing,
        )
        for question in loaded.questions:
            choice = question.fit(chosen, has_teams=bool(loaded.teams))
            if not loaded.missing(choice):
                answer: Any = loaded.answer(choice)
                words = " ".join([answer.how_to_read, *answer.notes])
                page = page.figure(answer.title, answer.chart, answer.table, words)
        made = {"Template": "widgets.explore", "Period": chosen.every, "Requests sent": loaded.client.requests_sent}
        return page.manifest({**made, "Generated at": f"{loaded.client.now():%Y-%m-%d %H:%M} UTC"}).save_html(path)

    # ---- The controls ----

    def _choice(self) -> Choice:
        """Return what the controls say, as far as the question listens."""
        told: dict[str, Any] = {name: control.value for name, control in self.controls.items()}
        with_names = _LOAD in (told["language"], told["editor"])
        days = periods.resolve_range(told.pop("start_date"), told.pop("end_date"), now=self._loaded.client.now())
        days = DayRange(days.start, min(days.end, self._loaded.bounds.end))
        named: dict[str, Any] = {name: None if value in (_ALL, _LOAD) else value for name, value in told.items()}
        choice = Choice(**named, days=days, with_names=with_names)
        return BY_NAME[choice.question].fit(choice, has_teams=bool(self._loaded.teams))

    def _fill(self) -> None:
        """Offer what the question listens to, and the names that are loaded by now."""
        loaded, question = self._loaded, BY_NAME[self.controls["question"].value]
        splits = [name for name in question.splits if name != "team" or loaded.teams]
        options: dict[str, Sequence[tuple[str, str]]] = {
            "metric": list(question.metrics.items()) or [("-", _ALL)],
            "split": [("Nothing", _ALL), *((name.capitalize(), name) for name in splits)],
            "language": _or_all(loaded.names("language")),
            "editor": _or_all(loaded.names("editor")),
        }
        self._is_filling = True
        try:
            for name, offered in options.items():
                control = self.controls[name]
                if tuple(control.options) != tuple(offered):
                    before, known = control.value, [value for _, value in offered]
                    control.options = offered
                    control.value = before if before in known else known[0]
        finally:
            self._is_filling = False
        listens = {
            "every": question.has_period,
            "metric": bool(question.metrics),
            "split": bool(splits),
            **dict.fromkeys(("language", "editor"), not question.looks_back),
        }
        for name, is_heard in listens.items():
            show_if(self.controls[name], shown=is_heard)
        unused = [self.controls[name].description for name, is_heard in listens.items() if not is_heard]
        without_roster = "" if loaded.teams else " Team needs a roster that tells teams: explore(roster=...)."
        hidden = f"Not shown, as this question does not use them: {', '.join(unused)}." if unused else ""
        self.unused.value = message(hidden + without_roster)

    def _on_change(self, _change: object, *, wait: float) -> None:
        with self._lock:  # a thread that fills the options is waited for
            if not self._is_filling:
                self.refresh(wait=wait)

    def _file_name(self) -> str:
        """Return a name that tells the question, its days and its filters apart, on any disk."""
        choice = self._choice()
        period = choice.every if BY_NAME[choice.question].has_period else None
        filters = (period, choice.team, choice.language, choice.editor, choice.metric)
        who_and_split = (choice.user_type.removeprefix("person"), choice.split and f"by-{choice.split}")
        parts = [choice.question, f"{choice.days.start}--{choice.days.end}", *filters, *who_and_split]
        return "-".join(re.sub(r"[^\w+#-]+", "_", part) for part in parts if part)[:_LONGEST_NAME]

    # ---- The fetch ----

    def _want(self, missing: tuple[Part, ...], *, wait: float, at_any_cost: bool) -> None:
        """Have what is missing priced and, if that is little, fetched; an earlier wish gives way to it."""
        if self._is_fetching:
            if not set(missing) <= set(self._wanted):
                self._stop.set()  # the thread refreshes when it ends, and so begins with what is wanted then
            return
        if missing == self._wanted and not at_any_cost:
            return  # it is offered already
        self._wanted, self._is_fetching, self._stop = missing, True, Event()
        self.bar.value, self.bar.max, self.state.value = 0, 1, "Asking what it costs …"
        self.cancel_button.disabled = False
        self._show(self.progress)
        # In the cell's context: what the thread sends to the browser belongs to that cell.
        run = partial(copy_context().run, self._run, wait, at_any_cost=at_any_cost)
        self._thread = Thread(target=run, daemon=True, name="augment-insights-fetch")
        self._thread.start()

    def _run(self, wait: float, *, at_any_cost: bool) -> None:
        """Fetch in the thread; then show the answer, or offer what is left to be fetched."""
        offer: str | None = ""  # after an error, the button alone
        with showing_errors(self.screen.fail):
            offer = self._fetch(wait, at_any_cost=at_any_cost)
        with self._lock:
            self._is_fetching = False
            if offer is None:
                self._wanted = ()
                self.refresh()
            else:
                self.cost.value = offer
                self._show(self.offer)

    def _fetch(self, wait: float, *, at_any_cost: bool) -> str | None:
        """Fetch what is wanted; return the words of an offer where it was not begun, or was cancelled."""
        loaded = self._loaded
        try:
            with loaded.client.watched(stop=self._stop.is_set, tell=self._tell):
                self._stop.wait(wait)  # if it comes to a stop, the client raises Cancelled
                priced = loaded.price(self._wanted)
                if loaded.is_long(priced) and not at_any_cost:
                    return _offer_html([plan for _, plan in priced], seconds_for=loaded.client.seconds_for)
                loaded.fetch(part for part, _ in priced)
        except Cancelled:
            if self.cancel_button.disabled:
                return message("Cancelled. Data already received is cached; press Fetch to resume.")
        return None

    def _tell(self, *, done: int, total: int, left: float) -> None:
        if total and not self.cancel_button.disabled:
            self.bar.max, self.bar.value = total, min(done, total)
            rest = f", {format_duration(left)} left at the rate limit" if left >= 1 else ""
            self.state.value = f"{done:,} of {total:,} requests{rest}"

    def _on_cancel(self, _button: object) -> None:
        with self._lock:
            if self._is_fetching:
                self.cancel_button.disabled = True
                self.state.value = "Cancelling, once the current request is answered …"
                self._stop.set()

    def _show(self, part: VBox | HBox | None) -> None:
        for box in (self.offer, self.progress):
            show_if(box, shown=box is part)


def _offer_html(plans: Sequence[Plan], *, seconds_for: Callable[[int], float]) -> str:
    """Return what a fetch costs in requests and time, and on demand its plans."""
    requests = sum(plan.requests_to_send for plan in plans)
    about = "about " if any(plan.is_estimate for plan in plans) else ""
    cost = f"{about}{plural(requests, 'request')}, {format_duration(seconds_for(requests))} at the API's rate limit"
    details = f"<details><summary>What is asked for</summary>{''.join(plan._repr_html_() for plan in plans)}</details>"
    return message(f"These days are not loaded yet: {cost}.") + details


def make_controls(loaded: Loaded, choice: Choice) -> dict[str, Any]:
    """Return a control for each part of a choice, by name; the explorer fills in what depends on the question."""
    bounds = loaded.bounds
    within, limits = f"The API answers for {bounds} (UTC)", {"min": bounds.start, "max": bounds.end}
    questions = [(question.title, question.name) for question in loaded.questions]
    controls = {
        "question": _control(Dropdown, "Question", "Question", options=questions, value=choice.question),
        "start_date": _control(DayPicker, "From", f"First day. {within}", value=choice.days.start, **limits),
        "end_date": _control(DayPicker, "To", f"Last day, included. {within}", value=choice.days.end, **limits),
        "every": _control(Dropdown, "Period", "Weeks from Monday", options=list(PERIODS.items()), value=choice.every),
        "user_type": _control(Dropdown, "Who", "Who", options=list(WHO.items()), value=choice.user_type),
        "team": _control(Dropdown, "Team", "Teams of the roster", options=_or_all(loaded.teams)),
        "language": _control(Dropdown, "Language", "Activity in one language only"),
        "editor": _control(Dropdown, "Editor", "Activity in one editor only"),
        "metric": _control(Dropdown, "Measure", "What is measured"),
        "split": _control(Dropdown, "Split by", "One figure for each"),
    }
    controls["question"].layout.width = "44.3em"
    controls["team"].value = choice.team or _ALL
    return controls


def _control(make: type, label: str, tooltip: str, **values: Any) -> Any:
    layout = Layout(width="22em", max_width="98%")
    return make(description=label, tooltip=tooltip, style={"description_width": "5.5em"}, layout=layout, **values)


def _or_all(names: Sequence[str] | None) -> list[tuple[str, str]]:
    rest = [("Load the names to choose from …", _LOAD)] if names is None else [(name, name) for name in names]
    return [("All", _ALL), *rest]


def _read_frame(frame: pl.DataFrame | pl.LazyFrame) -> tuple[str, pl.DataFrame]:
    """Return which of the tables a frame is, and its rows by day."""
    rows = frame.lazy().collect()
    table = USERS if "period_start" in rows.columns else RECORDS if "language" in rows.columns else LISTS
    tables.ENDPOINT_TABLES[table].check(rows)
    if rows.is_empty() or (table == USERS and (rows["period_start"] != rows["period_end"]).any()):
        raise TableError(f"The frame has no rows of {table} by day.", table=table, hint="pass rows by day.")
    return table, _by_day(rows)


def _by_day(rows: pl.DataFrame) -> pl.DataFrame:
    """Name the day of rows of user_activity as the other tables do."""
    return rows.rename({"period_start": "date"}, strict=False).drop("period_end", "active_days", strict=False)
