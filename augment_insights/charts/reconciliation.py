"""The chart of whether the API agrees with itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from augment_insights.charts import caption, marks
from augment_insights.charts.theme import WIDTH, load_altair

if TYPE_CHECKING:
    from datetime import date

    import altair as alt

_COLUMNS = ("check", "date", "left", "right", "residual", "status")
_STATUS = {"agrees": "#56B4E9", "differs": "#D55E00", "unknown": "#8b949e"}
_THIN, _THICK = 0.35, 0.85
_ROW_HEIGHT = 19
_LETTER = 6.4
_LONGEST = 450
"""What a letter of a check's name takes in pixels, and the longest name at most."""

_NARROWEST = 360
_BESIDE = 34
_MAX_CHECKS = 60


def reconcile(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    population: str = "people and automation",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
) -> alt.LayerChart:
    """How far does the API agree with itself, check by check and day by day?

    A row a check. Thin blue is agreement, a thick vermilion bar a difference, thin grey what
    cannot be known (a number is missing). Neighbouring days of the same status are one bar;
    point at it for its days and its largest residual. The square at the right end is the check
    over the whole range, where there is one. A difference is a finding about the data, and
    tells how far other figures can be trusted. At most sixty checks, those that differ first,
    and the subtitle says so.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.reconcile``: one row a check and day (or period), or the whole range.
    population : str
        Who is counted, for the subtitle.
    as_of : date or str, optional
        The last day of the data, for the subtitle. Left out, the last day of the table.
    sample : bool
        Say in the subtitle that the organisation is made up.
    width : int
        Width of the picture in pixels, the checks' names included.

    Returns
    -------
    alt.LayerChart
        Neither shown nor saved; it holds the drawn columns only.

    Raises
    ------
    TableError
        When a column is missing.

    See Also
    --------
    augment_insights.analysis.reconcile : the table.

    Examples
    --------
    >>> from datetime import date
    >>> checks = pl.DataFrame({
    ...     "check": ["dau_count = dau (all users)"] * 2,
    ...     "date": [date(2026, 3, 1), date(2026, 3, 2)],
    ...     "left": [40, 41],
    ...     "right": [40, 43],
    ...     "residual": [0, -2],
    ...     "status": ["agrees", "differs"],
    ... })
    >>> reconcile(checks).title.subtitle
    'people and automation · data to 2 Mar 2026 · 1 of 1 checks differs somewhere'
    """
    frame = caption.keep(table, _COLUMNS, name="reconcile").select(_COLUMNS)
    frame = frame.with_columns(pl.col("check", "status").cast(pl.String))
    differing = frame.filter(status="differs")["check"].unique(maintain_order=True)
    checks = frame["check"].unique(maintain_order=True)
    shown, cut = _shown(checks, differing)
    last: date | None = caption.as_day(as_of) or frame["date"].max()  # type: ignore[assignment]  # max() of dates
    heading = "Reconciliation: does the API agree with itself?"
    found = f"{differing.len()} of {checks.len()} checks differ{'s' if differing.len() == 1 else ''} somewhere"
    line = caption.subtitle(
        population=population,
        data_to=last,
        sample=sample,
        note=" · ".join(part for part in (found if checks.len() else "", cut) if part),
    )
    if frame.is_empty():
        return caption.no_data(heading, line, width=width)
    drawn = _runs(frame.filter(pl.col("check").is_in(shown.implode())))
    names = f": {', '.join(differing.head(5).to_list())}" if differing.len() else ""
    plot = max(_NARROWEST, width - int(min(_LONGEST, _LETTER * max(map(len, shown)))))
    return _bars(drawn, names=shown.to_list(), width=plot).properties(
        title=caption.title(heading, line),
        width=plot,
        height=_ROW_HEIGHT * shown.len(),
        description=f"Bars by check and day. {heading} ({line}){names}.",
    )


def _shown(checks: pl.Series, differing: pl.Series) -> tuple[pl.Series, str]:
    """Return the checks in the table's order, at most so many that they fit, the differing ones before others."""
    if checks.len() <= _MAX_CHECKS:
        return checks, ""
    kept = pl.concat([differing, checks]).unique(maintain_order=True).head(_MAX_CHECKS)
    return checks.filter(checks.is_in(kept.implode())), f"{_MAX_CHECKS} of {checks.len()} checks are shown"


def _runs(frame: pl.DataFrame) -> pl.DataFrame:
    """Join neighbouring days of one check and status into one row, with its largest residual.

    A row stands for the days until the check's next one; the last of a check for as many as the
    shortest distance between two.
    """
    whole = frame.filter(pl.col("date").is_null()).with_columns(
        pl.lit(None, dtype=pl.Date).alias("until"), pl.lit(None, dtype=pl.Date).alias("last"), pl.lit(1).alias("rows")
    )
    dated = frame.drop_nulls("date").sort("check", "date")
    following = pl.col("date").shift(-1).over("check")
    step = (following - pl.col("date")).dt.total_days().min().over("check").fill_null(1)
    spans = dated.with_columns(
        pl.coalesce(following, pl.col("date") + pl.duration(days=step)).cast(pl.Date).alias("until"),
        pl.struct("check", "status").rle_id().alias("run"),
    )
    largest = pl.col("residual").abs().fill_null(0).arg_max()
    runs = spans.group_by("run", maintain_order=True).agg(
        pl.col("check", "status", "date").first(),
        pl.col("left", "right", "residual").get(largest),
        pl.col("until").last(),
        (pl.col("until").last() - pl.duration(days=1)).cast(pl.Date).alias("last"),
        pl.len().alias("rows"),
    )
    columns = (*_COLUMNS, "until", "last", "rows")
    return pl.concat([runs.select(columns), whole.select(columns)], how="vertical_relaxed")


def _bars(drawn: pl.DataFrame, *, names: list[str], width: int) -> alt.LayerChart:
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    axis = alt.Axis(labelLimit=_LONGEST, grid=False)
    color = marks.series_color(list(_STATUS), column="status", colors=list(_STATUS.values()))
    base = alt.Chart(drawn).encode(
        y=alt.Y("check:N", title=None, scale=alt.Scale(domain=names), axis=axis),
        color=color.legend(orient="top", title=None, offset=10, symbolStrokeWidth=0),
    )
    residual = [
        marks.count("residual", "Largest residual"),
        marks.count("left", "There, left of ="),
        marks.count("right", "There, right of ="),
    ]
    named = [marks.words("check", "Check"), marks.words("status", "Status")]
    dated = "isValid(datum.date)"
    whole = base.transform_filter(f"!{dated}").mark_square(size=110, opacity=1)
    layers = []
    if drawn["date"].null_count():
        layers.append(whole.encode(x=alt.value(width + _BESIDE), tooltip=[*named, *residual]))
        above = alt.Chart(drawn).transform_aggregate(checks="count()").mark_text(baseline="bottom", text="Range")
        layers.append(above.encode(x=alt.value(width + _BESIDE), y=alt.value(-4)))
    if drawn["date"].null_count() == drawn.height:
        return alt.LayerChart(layer=layers)
    timed = base.transform_filter(dated).encode(
        x=caption.time_axis(_days(drawn), "1d", time="date"),
        x2="until:T",
        tooltip=[*named, marks.day("date", "From"), marks.day("last", "To"), marks.count("rows", "Rows"), *residual],
    )
    few = drawn.height <= marks.MAX_OUTLINED
    # Colour alone does not reach everybody: what differs is thick, and never thinner than can be seen.
    quiet = timed.transform_filter("datum.status != 'differs'").mark_bar(height=alt.RelativeBandSize(_THIN), aria=few)
    loud = timed.transform_filter("datum.status == 'differs'").mark_bar(
        height=alt.RelativeBandSize(_THICK), aria=few, stroke=_STATUS["differs"], strokeWidth=2
    )
    # A layer without a single bar to draw makes Vega complain, so it is left out.
    differing = drawn.drop_nulls("date")["status"] == "differs"
    bars = [*([] if differing.all() else [quiet]), *([loud] if differing.any() else [])]
    return alt.LayerChart(layer=[*bars, *layers])


def _days(drawn: pl.DataFrame) -> pl.Series:
    """Return every day from the first to the last, for the ticks of the axis."""
    days = drawn.select(pl.date_range(pl.col("date").min(), pl.col("last").max(), interval="1d"))
    return days.to_series()
