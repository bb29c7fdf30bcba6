"""How far a fetch has come: a bar for a person, lines for a log, nothing where it is not wanted; all by tqdm."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from augment_insights.transport.settings import in_notebook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FIRST_SHOWN_AFTER = 1.0
_SECONDS_BETWEEN_LINES = 30.0
_SECONDS_BETWEEN_LOOKS = 0.5
"""How long a watched fetch waits at one go: soon enough for who presses Cancel."""


class Cancelled(BaseException):
    """The fetch was stopped by whoever watches it."""


def format_duration(seconds: float) -> str:
    """Write a duration as people do.

    Examples
    --------
    >>> format_duration(9), format_duration(75), format_duration(7200)
    ('9 s', '1 min 15 s', '2 h 0 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_of_hour = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_of_hour} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class _LogLines:
    """Where tqdm writes lines to: each update is a line of its own on stderr, in place of the last one's."""

    def write(self, text: str) -> None:
        line = text.strip()
        if line:
            sys.stderr.write(f"{line}\n")

    def flush(self) -> None:
        sys.stderr.flush()


class Progress(threading.local):
    """Counts the requests of one task at a time, in each thread for itself.

    Parameters
    ----------
    style : "bar", "lines" or "off"
        How it is shown.
    seconds_for : callable
        How long so many more requests take at the rate limit.

    Attributes
    ----------
    stop, tell : callable or None
        Whoever watches, in place of the display: says whether to stop, and is told how far it is.
    """

    def __init__(self, style: str, *, seconds_for: Callable[[int], float]) -> None:
        self._style = style
        self._seconds_for = seconds_for
        self._bar: Any = None
        self._done = 0
        self._total = 0
        self._depth = 0
        self._is_forecast = False
        self.stop: Callable[[], bool] | None = None
        self.tell: Callable[..., None] | None = None

    @contextmanager
    def task(self, label: str, requests: int, *, is_forecast: bool = False) -> Iterator[None]:
        """Show a task that needs at least so many requests; more pages are added as they turn up.

        A forecast has them counted in already, and is only raised where more come than it said.
        """
        self._depth += 1
        if self._depth == 1:
            self._done, self._total = 0, requests
            self._is_forecast = is_forecast
            self._bar = self._make_bar(label)
        try:
            yield
            if self._depth == 1 and self._is_forecast and self._done:
                self._total = self._done
                self.show()
        finally:
            self._depth -= 1
            if self._depth == 0 and self._bar is not None:
                # A bar is wiped away; a log ends with a line of where the task ended.
                self._bar.leave = self._style == "lines" and self._bar.last_print_n < self._bar.n
                self._bar.close()
                self._bar = None

    def expect_more(self) -> None:
        """Count in a page that nobody could know of."""
        if not self._is_forecast:
            self._total += 1

    def advance(self) -> None:
        """Count a request as answered, from the cache or the API."""
        self._done += 1
        if self._is_forecast and self._done > self._total:
            self._total = self._done + 1
        if not (self._is_forecast and self._done == self._total):  # a forecast is over when its task is
            self.show()

    def show(self) -> None:
        """Show, or tell whoever watches, how far it is; the display itself chooses how often."""
        if self.tell is None and self._bar is None:
            return
        left = self._seconds_for(self._total - self._done)
        if self.tell is not None:
            self.tell(done=self._done, total=self._total, left=left)
        if self._bar is not None:
            rest = f"{format_duration(left)} left at the rate limit" if left >= 1 else ""
            self._bar.total = self._total
            self._bar.set_postfix_str(rest, refresh=False)
            was_shown = self._bar.update(self._done - self._bar.n)
            if was_shown and self._style == "lines":
                self._bar.mininterval = _SECONDS_BETWEEN_LINES

    def check(self) -> None:
        """Raise ``Cancelled`` if whoever watches says so."""
        if self.stop is not None and self.stop():
            raise Cancelled

    @property
    def longest_wait(self) -> float:
        """Seconds to wait at one go."""
        return float("inf") if self.stop is None else _SECONDS_BETWEEN_LOOKS

    @property
    def is_watched(self) -> bool:
        """Whether somebody sits before a terminal or a notebook and wants to see here how it goes."""
        return self.tell is None and self._style != "off" and (in_notebook() or sys.stderr.isatty())

    def announce(self, message: object) -> None:
        """Show something at its length to whoever watches; an unattended run is not told."""
        if not self.is_watched:
            return
        if in_notebook():
            import_module("IPython.display").display(message)
        else:
            sys.stderr.write(f"{message}\n")

    def _make_bar(self, label: str) -> Any:
        if self._style == "off" or self.tell is not None:
            return None
        # Imported here: the notebook's bar needs ipywidgets, a second of import; a notebook that runs unattended none.
        if self._style == "bar":
            tqdm, layout, more = (
                import_module("tqdm.auto" if in_notebook() else "tqdm").tqdm,
                "{l_bar}{bar}| {n_fmt}/{total_fmt}",
                {},
            )
        else:  # the first line is due as soon as a bar would be; for the others see `show`
            tqdm, layout = import_module("tqdm").tqdm, "{desc}: {n_fmt} of {total_fmt}"
            more = {"file": _LogLines(), "mininterval": _FIRST_SHOWN_AFTER, "miniters": 0}
        return tqdm(desc=label, total=0, delay=_FIRST_SHOWN_AFTER, bar_format=f"{layout} requests{{postfix}}", **more)
