"""The two doors of the room: the explorer, and a panel for a function of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from augment_insights.errors import ConfigurationError, did_you_mean
from augment_insights.periods import check_every
from augment_insights.transport import Client
from augment_insights.widgets.drawing import first_values, to_answer
from augment_insights.widgets.holdings import Holdings
from augment_insights.widgets.host import has_controls
from augment_insights.widgets.questions import BY_NAME, WHO, Choice
from augment_insights.widgets.still import Still

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from pathlib import Path

    import polars as pl

    from augment_insights.widgets.explorer import Explorer
    from augment_insights.widgets.panels import Panel


def explore(  # noqa: PLR0913 (what can be chosen on the screen can be chosen here, all by keyword with a default)
    client: Client | None = None,
    *,
    start_date: date | str | None = None,
    end_date: date | str | None = None,
    roster: str | Path | pl.DataFrame | pl.LazyFrame | None = None,
    question: str = "active_users",
    every: str = "1w",
    user_type: str = "person",
    team: str | None = None,
    interactive: bool | None = None,
) -> Explorer | Still:
    """How does the organisation use the assistant, looked at from any side?

    Controls for the question, the days, the period, people or automation, the team, the language,
    the editor and the measure, and the figure that answers them. What is loaded is never fetched again: a change is
    answered from it. What is missing is priced first; a fetch above the client's ``plan_above``
    waits for a button, then runs with a bar, the time left and a Cancel that keeps what came.
    Figures, their numbers, and a page with every question can be saved.

    Unattended (papermill) there is nobody to press anything: then it is the chart and its table.

    Parameters
    ----------
    client : Client, optional
        Who asks; left out, one made from the environment.
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
    Explorer or Still
        A widget; unattended, what shows itself without one. Both have ``answer`` with ``table`` and
        ``chart``. Put it on the last line of a cell.

    Raises
    ------
    ConfigurationError
        An unknown question, population or team; no token.
    DateRangeError
        Days that the API cannot answer for.
    TableError
        A roster that cannot be read.
    ApiError
        Unattended only: the API did not answer well. In a widget it is said there.

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
    holdings = Holdings(Client() if client is None else client, roster)
    _check("question", question, BY_NAME)
    _check("user_type", user_type, WHO.values())
    if team is not None:
        _check("team", team, holdings.teams())
    days = holdings.resolve(start_date, end_date)
    asked = BY_NAME[question]
    choice = Choice(question, days, every=check_every(every), user_type=user_type, team=team)
    choice = asked.fit(choice, has_teams=holdings.has_teams)
    if has_controls(interactive):
        from augment_insights.widgets.explorer import Explorer  # noqa: PLC0415 (imports ipywidgets)

        return Explorer(holdings, choice)
    holdings.fetch(holdings.order(holdings.missing(asked, choice)).parts)
    return Still(asked.answer(holdings.view(asked, choice)))


def panel(draw: Callable[..., Any], *, interactive: bool | None = None, **controls: Any) -> Panel | Still:
    """How does a figure of one's own change with its parameters?

    Calls ``draw`` with the values of the controls, at once and after each change, and shows what it
    returns. An error is told in one sentence, with what to do.

    Parameters
    ----------
    draw : callable
        Takes the controls' values by keyword; returns a chart, a Polars frame, or both as a tuple.
    interactive : bool, optional
        As for :func:`explore`. A still panel shows the first values.
    **controls
        One for each parameter: a list of choices (or a dict of words and values), a bool, a day, a number, text,
        or an ipywidgets widget. A list begins with its first entry.

    Returns
    -------
    Panel or Still
        A widget with ``controls`` and ``answer``; unattended, what shows itself without one.

    Raises
    ------
    ConfigurationError
        A control that is none of these.

    See Also
    --------
    explore : ready-made questions.

    Examples
    --------
    >>> from augment_insights import Client, analysis, charts, fetch, widgets
    >>> lists = fetch.dau(start_date="2026-02-23", end_date="2026-03-08", client=Client.sample(today="2026-03-10"))
    >>> def draw(window):
    ...     table = analysis.rolling_active_users(lists, windows=window)
    ...     return charts.rolling_active_users(table), table
    >>> widgets.panel(draw, window=[7, 28], interactive=False).answer.table["window_days"].unique().to_list()
    [7]
    """
    first = first_values(controls)
    if has_controls(interactive):
        from augment_insights.widgets.panels import Panel  # noqa: PLC0415 (imports ipywidgets)

        return Panel(draw, controls)
    return Still(to_answer(draw(**first)))


def _check(name: str, value: str, known: Any) -> None:
    if value not in known:
        raise ConfigurationError(f"{name}={value!r} is not known here.{did_you_mean(str(value), known)}", setting=name)
