"""What is missing is priced and fetched beside the notebook, with a bar, the time left, and a Cancel that works."""

from __future__ import annotations

from html import escape
from threading import RLock
from typing import TYPE_CHECKING

from ipywidgets import HTML, Button, HBox, IntProgress, Label, VBox

from augment_insights.transport import Cancelled
from augment_insights.transport.progress import format_duration
from augment_insights.widgets.job import Job
from augment_insights.widgets.markup import message

if TYPE_CHECKING:
    from collections.abc import Callable

    from augment_insights.widgets.holdings import Holdings, Missing, Order

CANCELLED = "Cancelled. What came is kept and will not be asked for again. Press Fetch to go on."


class Fetching(VBox):  # type: ignore[misc]  # ipywidgets has no types
    """One fetch at a time: its price and a button to begin; then how far it is, and a button to cancel.

    A small order is fetched as soon as it is priced. One above the client's budget
    (``plan_above``) shows its price first and waits for the button.

    Parameters
    ----------
    holdings : Holdings
        What prices, fetches and holds.
    on_fetched : callable
        Told, in the fetch's thread, when there may be something new to draw.
    on_failed : callable
        Told what was raised.
    """

    def __init__(
        self, holdings: Holdings, *, on_fetched: Callable[[], None], on_failed: Callable[[BaseException], None]
    ) -> None:
        self._holdings = holdings
        self._on_fetched = on_fetched
        self._on_failed = on_failed
        self._lock = RLock()
        self._job: Job | None = None
        self._latest: Job | None = None
        self._wanted: tuple[Missing, ...] = ()
        self._waiting_for: tuple[Missing, ...] = ()
        self._price: Order | None = None
        self.price = HTML()
        self.go = Button(description="Fetch", tooltip="Sends these requests to the API", icon="download")
        self.bar = IntProgress(min=0, max=1, description="Fetching", tooltip="Requests answered")
        self.state = Label()
        self.stop = Button(
            description="Cancel", tooltip="Ends the fetch; what came is kept, and is not asked for again", icon="stop"
        )
        self.go.on_click(self._on_go)
        self.stop.on_click(self._on_stop)
        self._offer = VBox([self.price, self.go])
        self._progress = HBox([self.bar, self.state, self.stop])
        super().__init__([self._offer, self._progress])
        self._show(None)

    @property
    def is_running(self) -> bool:
        """Whether a price is asked for or rows are fetched."""
        return self._job is not None

    def want(self, missing: tuple[Missing, ...], *, wait: float = 0.0) -> None:
        """Have what is missing priced and, if that is little, fetched; an earlier wish gives way to it.

        Parameters
        ----------
        missing : tuple of Missing
            What is wanted now.
        wait : float
            Seconds in which a further wish costs nothing.
        """
        with self._lock:
            if self._job is None:
                is_offered = missing == self._waiting_for
                if not is_offered:
                    self._start(missing, wait=wait)
            elif not set(missing) <= set(self._wanted):
                self._waiting_for = missing
                self._job.cancel()

    def want_nothing(self) -> None:
        """Take an offer back; a fetch that is under way goes on."""
        with self._lock:
            self._waiting_for = ()
            if self._job is None:
                self._show(None)

    def fetch(self) -> None:
        """Fetch what is offered, whatever it costs."""
        with self._lock:
            if self._job is None and self._waiting_for:
                self._start(self._waiting_for, at_any_price=True)

    def cancel(self) -> None:
        """End the fetch that is under way; what came is kept."""
        with self._lock:
            if self._job is not None:
                self.stop.disabled = True
                self.state.value = "Cancelling: the request that is under way is let finish …"
                self._job.cancel()

    def wait(self, timeout: float = 60.0) -> None:
        """Wait until no fetch is under way and the last one's end has been told, as a test does."""
        waited_for: Job | None = None
        while (latest := self._latest) is not waited_for and latest is not None:
            latest.join(timeout)
            if latest is self._job:
                raise TimeoutError(f"The fetch is not over after {timeout:g} s.")
            waited_for = latest

    def _start(self, missing: tuple[Missing, ...], *, at_any_price: bool = False, wait: float = 0.0) -> None:
        def work() -> None:
            order = self._holdings.order(missing)
            if at_any_price or not self._holdings.is_long(order):
                self._holdings.fetch(order.parts)
            else:
                self._price = order

        self._wanted, self._waiting_for, self._price = missing, (), None
        self.bar.value, self.bar.max, self.state.value = 0, 1, "Asking what it costs …"
        self.stop.disabled = False
        self._show(self._progress)
        self._job = self._latest = Job(self._holdings.client, work, on_progress=self._tell, on_end=self._end, wait=wait)
        self._job.start()

    def _end(self, raised: BaseException | None) -> None:
        """Go on after a job: with the next wish, an offer, or what was fetched."""
        with self._lock:
            self._job = None
            superseded_by, self._waiting_for = self._waiting_for, ()
            self._show(None)
            if superseded_by:
                self._start(superseded_by)
                return
            if isinstance(raised, Cancelled):
                self._offer_with(message(CANCELLED))
            elif raised is not None:
                self._offer_with("")
            elif self._price is not None:
                self._offer_with(_priced(self._price))
        if raised is not None and not isinstance(raised, Cancelled):
            self._on_failed(raised)
        elif raised is None and self._price is None:
            self._on_fetched()

    def _offer_with(self, words: str) -> None:
        self._waiting_for = self._wanted
        self.price.value = words
        self._show(self._offer)

    def _show(self, part: VBox | HBox | None) -> None:
        for box in (self._offer, self._progress):
            box.layout.display = None if box is part else "none"

    def _tell(self, *, done: int, total: int, left: float) -> None:
        if total and not self.stop.disabled:
            self.bar.max, self.bar.value = total, min(done, total)
            rest = f", {format_duration(left)} left at the rate limit" if left >= 1 else ""
            self.state.value = f"{done:,} of {total:,} requests{rest}"

    def _on_go(self, _button: object) -> None:
        self.fetch()

    def _on_stop(self, _button: object) -> None:
        self.cancel()


def _priced(order: Order) -> str:
    plans = "".join(plan._repr_html_() for plan in order.plans)
    return message(f"These days are not loaded yet: {order}.") + (
        f"<details><summary>{escape('What is asked for')}</summary>{plans}</details>"
    )
