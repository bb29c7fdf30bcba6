"""How far a fetch has come: a bar for those who watch, lines for a log, nothing where it is not wanted."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from augment_insights.errors import ConfigurationError, did_you_mean
from augment_insights.transport.settings import PROGRESS_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from augment_insights.transport.clock import Clock
    from augment_insights.transport.watching import Watch

Style = Literal["bar", "lines", "off"]
STYLES = ("bar", "lines", "off")

_FIRST_SHOWN_AFTER = 1.0
_SECONDS_BETWEEN_LINES = 30.0


def choose_style(progress: bool | str | None) -> Style:  # noqa: FBT001 (the setting itself, not a switch)
    """Return the style asked for, or the one that fits where we run.

    ``False`` and ``"off"`` show nothing, ``"bar"`` and ``"lines"`` what they say. ``True`` and None
    choose: a bar in a terminal and in a notebook that somebody works in, lines elsewhere.

    Raises
    ------
    ConfigurationError
        For another word, here or in AUGMENT_INSIGHTS_PROGRESS.
    """
    wanted = os.environ.get(PROGRESS_VARIABLE) if progress is None else progress
    if wanted is False:
        return "off"
    if wanted in STYLES:
        return cast("Style", wanted)
    if wanted is True or not wanted:
        if in_notebook():
            return "bar"
        if sys.stderr is None:  # a program without a console
            return "off"
        return "bar" if sys.stderr.isatty() else "lines"
    raise ConfigurationError(
        f"progress={wanted!r} is not a way to show progress.{did_you_mean(str(wanted), STYLES)}",
        setting=PROGRESS_VARIABLE,
    )


def in_notebook() -> bool:
    """Tell whether this is a notebook that somebody works in, not one that runs unattended.

    A kernel that may ask its user for input has one; papermill and nbclient say that theirs may not.
    """
    if "ipykernel" not in sys.modules:
        return False
    from IPython import get_ipython  # noqa: PLC0415 (there only within Jupyter)

    kernel = getattr(get_ipython(), "kernel", None)
    return bool(getattr(kernel, "_allow_stdin", False))


class Display(Protocol):
    """What shows one task."""

    def show(self, *, done: int, total: int, left: float) -> None:
        """Show requests done, requests in all, and the seconds left at the rate limit."""

    def close(self) -> None:
        """Finish."""


class _Off:
    def show(self, *, done: int, total: int, left: float) -> None:
        pass

    def close(self) -> None:
        pass


class _Bar:
    """A tqdm bar; in a notebook, tqdm's widget."""

    def __init__(self, label: str) -> None:
        # Imported here: the notebook's bar needs ipywidgets, a second of import.
        tqdm: Any = import_module("tqdm.notebook" if in_notebook() else "tqdm").tqdm
        layout = "{l_bar}{bar}| {n_fmt}/{total_fmt} requests{postfix}"
        self._bar = tqdm(desc=label, total=0, leave=False, delay=_FIRST_SHOWN_AFTER, bar_format=layout, unit="request")

    def show(self, *, done: int, total: int, left: float) -> None:
        self._bar.total = total
        self._bar.set_postfix_str(f"{spoken(left)} left at the rate limit" if left >= 1 else "", refresh=False)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        self._bar.close()


class _Lines:
    """A line on stderr now and then."""

    def __init__(self, label: str, clock: Clock) -> None:
        self._label = label
        self._clock = clock
        self._next_at = clock.monotonic() + _FIRST_SHOWN_AFTER
        self._shown = False

    def show(self, *, done: int, total: int, left: float) -> None:
        now = self._clock.monotonic()
        finished = done >= total
        if now < self._next_at and not (self._shown and finished):
            return
        self._next_at = now + _SECONDS_BETWEEN_LINES
        self._shown = True
        rest = ", done" if finished else (f", {spoken(left)} left at the rate limit" if left >= 1 else "")
        print(f"{self._label}: {done} of {total} requests{rest}", file=sys.stderr, flush=True)  # noqa: T201

    def close(self) -> None:
        pass


def spoken(seconds: float) -> str:
    """Say a length of time as people do.

    Examples
    --------
    >>> spoken(9), spoken(75), spoken(7200)
    ('9 s', '1 min 15 s', '2 h 0 min')
    """
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes_of_hour = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_of_hour} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Progress(threading.local):
    """Counts the requests of one task at a time, in each thread for itself.

    Parameters
    ----------
    style : "bar", "lines" or "off"
        How it is shown.
    clock : Clock
        For how often a line is due.
    seconds_for : callable
        How long so many more requests take at the rate limit.

    Attributes
    ----------
    watch : Watch or None
        Who is told in place of the display, and may end the fetch.
    """

    def __init__(self, style: Style, *, clock: Clock, seconds_for: Callable[[int], float]) -> None:
        self._style = style
        self._clock = clock
        self._seconds_for = seconds_for
        self._display: Display = _Off()
        self._done = 0
        self._total = 0
        self._depth = 0
        self._is_forecast = False
        self.watch: Watch | None = None

    @contextmanager
    def task(self, label: str, requests: int, *, is_forecast: bool = False) -> Iterator[None]:
        """Show a task that needs at least so many requests; more pages are added as they turn up.

        A forecast has them counted in already, and is only raised where more come than it said.
        """
        self._depth += 1
        if self._depth == 1:
            self._done, self._total = 0, requests
            self._is_forecast = is_forecast
            self._display = self._make_display(label)
        try:
            yield
            if self._depth == 1 and self._is_forecast and self._done:
                self._total = self._done
                self._show()
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._display.close()
                self._display = _Off()

    def expect_more(self) -> None:
        """Count in a page that nobody could know of."""
        if not self._is_forecast:
            self._total += 1

    @property
    def is_watched(self) -> bool:
        """Whether somebody sits before a terminal or a notebook and wants to see here how it goes."""
        return self.watch is None and self._style != "off" and (in_notebook() or sys.stderr.isatty())

    def announce(self, message: object) -> None:
        """Show something at its length to whoever watches; an unattended run is not told."""
        if not self.is_watched:
            return
        if in_notebook():
            display: Any = import_module("IPython.display").display  # there only within Jupyter
            display(message)
        else:
            print(message, file=sys.stderr, flush=True)  # noqa: T201

    def advance(self) -> None:
        """Count a request as answered, from the cache or the API."""
        self._done += 1
        if self._is_forecast and self._done > self._total:
            self._total = self._done + 1
        if not (self._is_forecast and self._done == self._total):  # a forecast is over when its task is
            self._show()

    def waiting(self, _seconds: float) -> None:
        """Show where we stand before a wait begins."""
        self._show()

    def tell(self) -> None:
        """Tell the watch where we stand; it may raise to end the fetch."""
        if self.watch is not None:
            self.watch(done=self._done, total=self._total, left=self._seconds_for(self._total - self._done))

    def _show(self) -> None:
        self.tell()
        if not isinstance(self._display, _Off):
            left = self._seconds_for(self._total - self._done)
            self._display.show(done=self._done, total=self._total, left=left)

    def _make_display(self, label: str) -> Display:
        if self.watch is not None:
            return _Off()
        if self._style == "bar":
            return _Bar(label)
        return _Lines(label, self._clock) if self._style == "lines" else _Off()
