"""Live controls over fetch, analysis and charts: change one, and the figure is drawn again."""

from __future__ import annotations

import re
from threading import RLock
from typing import TYPE_CHECKING, Any

from ipywidgets import VBox

from augment_insights.widgets.controls import Controls
from augment_insights.widgets.exports import Exports
from augment_insights.widgets.fetching import Fetching
from augment_insights.widgets.questions import QUESTIONS
from augment_insights.widgets.screen import Screen

if TYPE_CHECKING:
    from pathlib import Path

    from augment_insights.widgets.holdings import Holdings
    from augment_insights.widgets.questions import Answer, Choice

_SETTLE_SECONDS = 0.8
"""A day is typed digit by digit: what was meant is asked for, and not each step towards it."""

_LONGEST_NAME = 120


class Explorer(VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Questions and filters over one organisation's activity, and the figure that answers them.

    Attributes
    ----------
    controls : dict of str to widget
        ``question``, ``start_date``, ``end_date``, ``every``, ``user_type``, ``team``, ``language``,
        ``editor``, ``metric`` and ``split``: set a ``value``, and the figure follows.
    fetching : Fetching
        The price, the bar and the buttons of a fetch.
    screen : Screen
        Where the answer is shown.
    exports : Exports
        The folder and the buttons that write files.
    """

    def __init__(self, holdings: Holdings, choice: Choice) -> None:
        self._holdings = holdings
        self._lock = RLock()
        self._controls = Controls(holdings, choice)
        self.controls: dict[str, Any] = self._controls.by_name
        self.fetching = Fetching(holdings, on_fetched=self.refresh, on_failed=self._fail)
        self.screen = Screen()
        self.exports = Exports(lambda: self.screen.answer, self._file_name, report=self.save_report)
        for name, control in self.controls.items():
            control.observe(self._on_day if name.endswith("_date") else self._on_change, "value")
        super().__init__([self._controls, self.fetching, self.screen, self.exports])
        self.refresh()

    @property
    def answer(self) -> Answer | None:
        """What is shown; None while its rows are fetched."""
        return self.screen.answer

    def refresh(self, *, wait: float = 0.0) -> None:
        """Answer what the controls ask: from what is loaded, or after fetching what is missing.

        Parameters
        ----------
        wait : float
            Seconds to wait before a fetch, for further changes.
        """
        with self._lock:
            try:
                self._controls.fill()
                choice = self._controls.choice()
                missing = self._holdings.missing(self._controls.question, choice)
                if missing:
                    self.screen.clear()
                    self.fetching.want(missing, wait=wait)
                    return
                self.fetching.want_nothing()
                question = self._controls.question
                self.screen.show(question.answer(self._holdings.view(question, choice)))
            except Exception as error:  # noqa: BLE001 (a handler's error would be lost: it is shown)
                self._fail(error)

    def wait(self, timeout: float = 60.0) -> None:
        """Wait until no fetch is under way, as a script or a test does."""
        self.fetching.wait(timeout)

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
        from augment_insights import reports  # noqa: PLC0415 (only for a report)

        choice = self._controls.choice()
        client = self._holdings.client
        page = reports.Page(
            "Exploration",
            population=choice.population,
            as_of=choice.days.end,
            range_asked=choice.days,
            sample=client.is_sample,
        )
        for answer in self._all_answers(choice):
            if answer.chart is not None and answer.table is not None:
                words = " ".join([answer.how_to_read, *answer.notes])
                page = page.figure(answer.title, answer.chart, answer.table, words)
        made = {"Template": "widgets.explore", "Period": choice.every, "Requests sent": client.requests_sent}
        return page.manifest({**made, "Generated at": f"{client.now():%Y-%m-%d %H:%M} UTC"}).save_html(path)

    def _all_answers(self, choice: Choice) -> list[Answer]:
        """Answer every question for which no row is missing."""
        holdings = self._holdings
        asked = [question for question in QUESTIONS if holdings.roster is not None or not question.needs_roster]
        fitted = [(question, question.fit(choice, has_teams=holdings.has_teams)) for question in asked]
        return [
            question.answer(holdings.view(question, fit))
            for question, fit in fitted
            if not holdings.missing(question, fit)
        ]

    def _file_name(self) -> str:
        """Return a name that tells the question, its days and its filters apart, on any disk."""
        choice = self._controls.choice()
        period = choice.every if self._controls.question.has_period else None
        filters = (period, choice.team, choice.language, choice.editor, choice.metric)
        user_type = None if choice.user_type == "person" else choice.user_type
        split = f"by-{choice.split}" if choice.split else None
        parts = [choice.question, f"{choice.days.start}--{choice.days.end}", *filters, user_type, split]
        return "-".join(re.sub(r"[^\w+#-]+", "_", part) for part in parts if part)[:_LONGEST_NAME]

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self.screen.fail(error)

    def _on_change(self, _change: object) -> None:
        if not self._controls.is_filling:
            self.refresh()

    def _on_day(self, _change: object) -> None:
        self.refresh(wait=_SETTLE_SECONDS)
