"""A fetch that runs beside the notebook: it tells how far it is, can be cancelled, and ends in one of three ways."""

from __future__ import annotations

from contextvars import copy_context
from threading import Event, Thread
from typing import TYPE_CHECKING

from augment_insights.transport import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from augment_insights.transport import Client


class Job:
    """Work that a thread does for a widget.

    Parameters
    ----------
    client : Client
        Whose requests are watched.
    work : callable
        What is done; it fetches.
    on_progress : callable
        Told how far it is, in the thread.
    on_end : callable
        Told the end, in the thread: what was raised (``Cancelled`` where it was cancelled), or None.
    wait : float
        Seconds to wait before the first request, in which a further change may cancel the job for nothing.
    """

    def __init__(
        self,
        client: Client,
        work: Callable[[], None],
        *,
        on_progress: Callable[..., None],
        on_end: Callable[[BaseException | None], None],
        wait: float = 0.0,
    ) -> None:
        self._client = client
        self._work = work
        self._on_progress = on_progress
        self._on_end = on_end
        self._wait = wait
        self._cancelled = Event()
        # In the cell's context: what the thread sends to the browser belongs to that cell.
        self._thread = Thread(target=copy_context().run, args=(self._run,), daemon=True, name="augment-insights-fetch")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def cancel(self) -> None:
        """End it at the next answer, or within half a second of a wait."""
        self._cancelled.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether it was told to end."""
        return self._cancelled.is_set()

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end."""
        self._thread.join(timeout)

    def _run(self) -> None:
        raised: BaseException | None = None
        try:
            self._pause()
            with self._client.watched(stop=self._cancelled.is_set, tell=self._on_progress):
                self._work()
        except (Exception, Cancelled) as error:  # noqa: BLE001 (a thread has nobody to raise to: the widget tells)
            raised = error
        self._on_end(raised)

    def _pause(self) -> None:
        if self._cancelled.wait(self._wait):
            raise Cancelled
