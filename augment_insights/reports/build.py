"""A template's page in this process: to look at in a notebook, to take a table or a chart from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from augment_insights.charts import theme
from augment_insights.errors import InsightsError, ReportError
from augment_insights.reports.order import prepare
from augment_insights.reports.page import Page

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from augment_insights.reports.order import Order


def build(
    template: str | Path,
    /,
    *,
    start_date: date | str | None = None,
    end_date: date | str | None = None,
    source: Literal["sample", "api"] = "sample",
    **parameters: Any,
) -> Page:
    """Which page does a template build?

    Runs the code of the template's cells here: no kernel, no file. The page shows itself in a notebook,
    has ``tables`` and ``charts`` by name, and saves itself: ``save_html``, ``save_pdf``, ``save_xlsx``,
    ``save_csv``, ``save_parquet``, ``save_png``, ``save_svg``.

    Parameters
    ----------
    template, start_date, end_date, source, **parameters
        As for :func:`write`.

    Returns
    -------
    Page
        What the template calls ``page``.

    Raises
    ------
    ReportError
        Unknown template or parameter, a cell that failed, or a notebook that builds no page.
    InsightsError
        Whatever the template's own calls raise.

    See Also
    --------
    write : the same into files, in a fresh kernel.

    Examples
    --------
    >>> page = build("overview", end_dat="2026-08-30")
    Traceback (most recent call last):
    ...
    augment_insights.errors.ReportError: The template 'overview' has no parameter 'end_dat'. ...
    """
    order = prepare(
        template, start_date=start_date, end_date=end_date, formats=(), source=source, parameters=parameters
    )
    page = _run(order).get("page")
    if isinstance(page, Page):
        return replace(page, shows_figures=True)
    raise ReportError(
        f"The template {order.template.name!r} builds no page. Hint: let its last cell leave a reports.Page in 'page'.",
        template=order.template.name,
    )


def _run(order: Order) -> dict[str, Any]:
    """Run the cells one after the other, and return the names that they leave."""
    theme.load_altair()
    import altair as alt  # noqa: PLC0415 (see theme.load_altair)

    names: dict[str, Any] = {"__name__": order.template.name}
    with alt.theme.enable(alt.theme.active), alt.renderers.enable(alt.renderers.active):  # put back what setup() sets
        for number, (source, holds_parameters) in enumerate(order.template.cells(), start=1):
            _run_cell(order, source, number, names)
            if holds_parameters:
                names.update(order.parameters)
    return names


def _run_cell(order: Order, source: str, number: int, names: dict[str, Any]) -> None:
    try:
        exec(compile(source, f"<{order.template.name}, cell {number}>", "exec"), names)  # noqa: S102 (a notebook runs)
    except InsightsError:
        raise
    except Exception as error:
        raise ReportError(
            f"The report {order.template.name!r} stopped in cell {number}: {type(error).__name__}: {error}.",
            template=order.template.name,
            cell=number,
        ) from error
