"""Charts of who comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from augment_insights.charts import caption, marks
from augment_insights.charts.theme import LIGHT, WIDTH, load_altair
from augment_insights.errors import TableError

if TYPE_CHECKING:
    from datetime import date

    import altair as alt

_COLUMNS = (
    "cohort",
    "period",
    "cohort_users",
    "retained_users",
    "retention_rate",
    "retention_rate_low",
    "retention_rate_high",
    "is_complete",
)
_ROW_HEIGHT = 28
_WIDEST_CELL = 90
_NARROWEST_CELL = 34
"""A cell narrower than this has no room for its number; it is in the tooltip."""


def cohort_retention(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    population: str = "people",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
    every: str | None = None,
) -> alt.LayerChart:
    """How many of the users who started together were still there later?

    A heat map: a row a cohort with its size, a column a period since the start, in each cell the
    share of the cohort. A cell whose period is not over yet is light grey and without a number:
    it is unknown, never zero. A period in which nobody began has no row, and the subtitle says how
    many such there are. Rates of small cohorts jump; their intervals are in the tooltips. The
    chart computes no rate.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.cohort_retention``: one row a cohort and period.
    population : str
        Who is counted, for the subtitle.
    as_of : date or str, optional
        The last day of the data, for the subtitle.
    sample : bool
        Say in the subtitle that the organisation is made up.
    width : int
        Width of the plot in pixels.
    every : {"1d", "1w", "1mo", "1q"}, optional
        The period of the rows. Left out, it is read off the distance between cohorts.

    Returns
    -------
    alt.LayerChart
        Neither shown nor saved; it holds the drawn columns only.

    Raises
    ------
    TableError
        When a column is missing, or the table has more than one row a cohort and period.

    See Also
    --------
    augment_insights.analysis.cohort_retention : the table.

    Examples
    --------
    >>> from datetime import date
    >>> cells = pl.DataFrame({
    ...     "cohort": [date(2026, 3, 2)] * 2,
    ...     "period": [0, 1],
    ...     "cohort_users": [20, 20],
    ...     "retained_users": [20, None],
    ...     "retention_rate": [1.0, None],
    ...     "retention_rate_low": [0.84, None],
    ...     "retention_rate_high": [1.0, None],
    ...     "is_complete": [True, False],
    ... })
    >>> cohort_retention(cells, as_of="2026-03-10", sample=True).title.subtitle
    'people · data to 10 Mar 2026 · sample data'
    """
    frame = caption.keep(table, _COLUMNS, name="cohort_retention").select(_COLUMNS)
    if frame.select(pl.struct("cohort", "period").is_duplicated().any()).item():
        raise TableError(
            "A heat map shows one cohort and period in one cell, and this table has several.",
            table="cohort_retention",
            hint="filter it to one group, and draw a chart for each.",
        )
    period = caption.infer_every(frame["cohort"], every)
    noun = caption.NOUN.get(period or "", "period")
    heading = f"{caption.ADJECTIVE.get(period or '', '')} cohort retention".strip().capitalize()
    empty = frame.filter(pl.col("cohort_users") == 0)["cohort"].n_unique()
    line = caption.subtitle(
        population=population,
        data_to=caption.as_day(as_of),
        sample=sample,
        note=f"{empty} {noun}{'' if empty == 1 else 's'} in which nobody began left out" if empty else "",
    )
    frame = frame.filter(pl.col("cohort_users").fill_null(1) > 0)  # a hidden size (null) is no empty cohort
    if frame.is_empty():
        return caption.no_data(heading, line, width=width)
    drawn = _cells(frame)
    cohorts, periods = drawn["row"].n_unique(), drawn["period"].n_unique()
    return _heat_map(drawn, noun=noun, with_numbers=width / periods >= _NARROWEST_CELL).properties(
        title=caption.title(heading, line),
        width=min(width, _WIDEST_CELL * periods),
        height=_ROW_HEIGHT * cohorts,
        description=f"Heat map of {heading.lower()} ({line}): {cohorts} cohorts over {periods} {noun}s "
        f"since their first activity; {drawn.filter(state='not over yet').height} cells are not known yet.",
    )


def _cells(frame: pl.DataFrame) -> pl.DataFrame:
    """Add each row's label: the cohort's first day and its size."""
    cohorts = frame.group_by("cohort").agg(pl.col("cohort_users").max()).sort("cohort")
    labels = [
        f"{caption.day_text(cohort)} · {users if users is not None else 'unknown'}"
        for cohort, users in cohorts.select("cohort", "cohort_users").iter_rows()  # a label a cohort, not a row a user
    ]
    named = cohorts.select("cohort", pl.Series("row", labels, dtype=pl.String))
    state = pl.when("is_complete").then(pl.lit("complete")).otherwise(pl.lit("not over yet"))
    return (
        frame.join(named, on="cohort", how="left")
        .with_columns(state.alias("state"))
        .sort("cohort", "period")
        .select("row", "period", *_COLUMNS[2:-1], "state")
    )


def _tooltip(noun: str) -> list[alt.Tooltip]:
    """Return what a cell tells: its rate never without both counts and the interval."""
    import altair as alt  # noqa: PLC0415 (see load_altair)

    return [
        alt.Tooltip("row:N", title=f"First {noun} · users"),
        alt.Tooltip("period:O", title=f"{noun.capitalize()}s since"),
        alt.Tooltip("retention_rate:Q", title="Retention rate", format=".1%"),
        alt.Tooltip("retained_users:Q", title="Retained users", format=",d"),
        alt.Tooltip("cohort_users:Q", title="Cohort users", format=",d"),
        alt.Tooltip("retention_rate_low:Q", title="Interval from", format=".1%"),
        alt.Tooltip("retention_rate_high:Q", title="Interval to", format=".1%"),
        alt.Tooltip("state:N", title=noun.capitalize()),
    ]


def _heat_map(drawn: pl.DataFrame, *, noun: str, with_numbers: bool) -> alt.LayerChart:
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    # The domains are told, not found: a row or column without a single cell to draw keeps its place.
    names, numbers = (drawn[column].unique(maintain_order=True).to_list() for column in ("row", "period"))
    rows_scale, columns_scale = (alt.Scale(domain=domain, paddingInner=0.04) for domain in (names, sorted(numbers)))
    # Beside a few rows an upright title would be cut off, so it stands over them.
    rows = alt.Axis(titleAngle=0, titleAlign="right", titleAnchor="start", titleX=-6, titleY=-12)
    base = alt.Chart(drawn).encode(
        x=alt.X(
            "period:O",
            title=f"{noun.capitalize()}s since first activity",
            axis=alt.Axis(labelAngle=0, labelOverlap=True),
            scale=columns_scale,
        ),
        y=alt.Y("row:N", title=f"First {noun} · users", axis=rows, scale=rows_scale),
    )
    color = alt.Color(
        "retention_rate:Q",
        title="Still active",
        scale=alt.Scale(domain=[0, 1], scheme="cividis"),
        legend=alt.Legend(format="%", orient="bottom", gradientLength=200, values=[0, 0.5, 1]),
    )
    known = base.mark_rect(cornerRadius=2).encode(color=color, tooltip=_tooltip(noun))
    unknown = base.mark_rect(cornerRadius=2, color=LIGHT.ghost).encode(tooltip=_tooltip(noun))
    rates = base.mark_text(fontSize=12).encode(
        text=alt.Text("retention_rate:Q", format=".0%"), color=marks.ramp_ink("retention_rate")
    )
    has_rate = "isValid(datum.retention_rate)"
    layers = [unknown.transform_filter("datum.state != 'complete'"), known.transform_filter(has_rate)]
    if with_numbers:
        layers.append(rates.transform_filter(has_rate))
    return alt.LayerChart(layer=layers)
