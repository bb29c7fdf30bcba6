"""Charts of the data itself: what is missing, duplicate or unknown, and whether the API agrees with itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

import altair as alt
import polars as pl

from augment_insights.charts import marks
from augment_insights.charts.theme import ACCENT, LIGHT
from augment_insights.tables import DATA_QUALITY, RECONCILIATION

if TYPE_CHECKING:
    from augment_insights.charts.marks import CaptionKeywords

_EVERYBODY: CaptionKeywords = {"population": "people and automation"}
_BAR_ROW_HEIGHT = 24
_SHORTEST_SCALE = 0.1
"""One row in a thousand should not look like half of them."""

_ROOM = 1.25
"""For the words behind the longest bar."""

_STATUS = {"agrees": "#56B4E9", "differs": "#D55E00", "unknown": "#8b949e"}
_THIN, _THICK = 0.35, 0.85
_RUN_ROW_HEIGHT = 19
_LETTER = 6.4
_LONGEST = 450
"""What a letter of a check's name takes in pixels, and the longest name at most."""

_NARROWEST = 360
_BESIDE = 34
_MAX_CHECKS = 60


def data_quality(table: pl.DataFrame | pl.LazyFrame, **caption: Unpack[CaptionKeywords]) -> alt.LayerChart:
    """How much of the data is missing, duplicate or unknown?

    A row a check, with a bar for the share that is affected and the two counts in words. A check that had
    nothing to look at keeps its row, without a bar.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.data_quality``: one row a check.
    **caption
        As for :mod:`every chart <augment_insights.charts>`.

    Returns
    -------
    alt.LayerChart

    Raises
    ------
    TableError
        When a check has more than one row.

    See Also
    --------
    augment_insights.analysis.data_quality : the table.
    reconcile : whether the tables agree with one another.

    Examples
    --------
    >>> checks = pl.DataFrame({"check": ["dau: rows twice", "dau_count: days missing"], "affected_count": [0, 2],
    ...     "checked_count": [400, 28], "affected_share": [0.0, 0.071]})
    >>> data_quality(checks).title.subtitle
    'people and automation · 1 of 2 checks found something'
    """
    frame = marks.read(table, DATA_QUALITY, keys=["check"]).drop("group")
    found = frame.filter(pl.col("affected_count") > 0)
    note = f"{found.height} of {frame.height} checks found something" if frame.height else ""
    about = marks.caption({**_EVERYBODY, **caption}, "What is missing, duplicate or unknown", note)
    if frame.is_empty():
        return marks.no_data(about)
    pairs = frame.select("affected_count", "checked_count").iter_rows()  # few
    told = [f"{affected:,} of {checked:,}" if checked else "nothing to check" for affected, checked in pairs]
    drawn = frame.with_columns(
        pl.Series("told", told, dtype=pl.String), affected_share=pl.col("affected_share").fill_null(0)
    )
    titles = {"check": "Check", "affected_count": "Affected", "checked_count": "Looked at", "affected_share": "Share"}
    end = drawn.select(pl.max_horizontal(pl.lit(_SHORTEST_SCALE), pl.col("affected_share").max() * _ROOM)).item()
    base = alt.Chart(drawn).encode(
        y=alt.Y("check:N", sort=drawn["check"].to_list(), title=None, axis=alt.Axis(labelLimit=400)),
        x=alt.X(
            "affected_share:Q",
            title="Share of what was looked at",
            scale=alt.Scale(domain=[0, end], nice=False),
            axis=alt.Axis(format=".0%", tickCount=5),
        ),
        tooltip=marks.tooltip(drawn, titles),
    )
    bars = base.mark_bar(color=ACCENT, height=10)
    words = base.mark_text(align="left", dx=6, color=LIGHT.ink).encode(text="told:N")
    names, height = ", ".join(found["check"].head(5)), _BAR_ROW_HEIGHT * frame.height
    return marks.single([bars, words], about, "Bar chart by check", names, height=height)


def reconcile(table: pl.DataFrame | pl.LazyFrame, **caption: Unpack[CaptionKeywords]) -> alt.LayerChart:
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
    **caption
        As for :mod:`every chart <augment_insights.charts>`, ``width`` with the checks' names. Without ``as_of`` the
        subtitle names the last day of the table.

    Returns
    -------
    alt.LayerChart

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
    frame = marks.read(table, RECONCILIATION).with_columns(pl.col("check", "status").cast(pl.String))
    differing = frame.filter(status="differs")["check"].unique(maintain_order=True)
    checks = frame["check"].unique(maintain_order=True)
    shown, cut = _shown(checks, differing)
    found = f"{differing.len()} of {checks.len()} checks differ{'s' if differing.len() == 1 else ''} somewhere"
    about = marks.caption(
        {**_EVERYBODY, **caption},
        "Reconciliation: does the API agree with itself?",
        found if checks.len() else "",
        omitted=[cut],
        until=marks.latest_day(frame["date"]),
    )
    if frame.is_empty():
        return marks.no_data(about)
    drawn = _runs(frame.filter(pl.col("check").is_in(shown.implode())))
    plot = max(_NARROWEST, about.width - int(min(_LONGEST, _LETTER * max(map(len, shown)))))
    about = replace(about, width=plot)
    bars = _run_bars(drawn, names=shown.to_list(), width=plot)
    told, height = ", ".join(differing.head(5)), _RUN_ROW_HEIGHT * shown.len()
    return marks.single(bars, about, "Bar chart by check and day", told, height=height)


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
    columns = (*RECONCILIATION.columns, "until", "last", "rows")
    return pl.concat([runs.select(columns), whole.select(columns)], how="vertical_relaxed")


def _run_bars(drawn: pl.DataFrame, *, names: list[str], width: int) -> list[alt.Chart]:
    """Draw the bars of days, and beside them the squares of the whole range."""
    axis = alt.Axis(labelLimit=_LONGEST, grid=False)
    color = marks.series_color(_STATUS, column="status")
    base = alt.Chart(drawn).encode(
        y=alt.Y("check:N", title=None, scale=alt.Scale(domain=names), axis=axis),
        color=color.legend(orient="top", title=None, offset=10, symbolStrokeWidth=0),
    )
    named = {"check": "Check", "status": "Status"}
    residual = {"residual": "Largest residual", "left": "There, left of =", "right": "There, right of ="}
    squares = []
    if drawn["date"].null_count():
        whole = base.transform_filter("!isValid(datum.date)").mark_square(size=110, opacity=1)
        tooltip = marks.tooltip(drawn, named | residual)
        above = alt.Chart(drawn).transform_aggregate(checks="count()").mark_text(baseline="bottom", text="Range")
        squares = [
            whole.encode(x=alt.value(width + _BESIDE), tooltip=tooltip),
            above.encode(x=alt.value(width + _BESIDE), y=alt.value(-4)),
        ]
    dated = drawn.drop_nulls("date")
    if dated.is_empty():
        return squares
    days = dated.select(pl.date_range(pl.col("date").min(), pl.col("last").max(), interval="1d")).to_series()
    timed = base.transform_filter("isValid(datum.date)").encode(
        x=marks.time_axis(days, "1d", time="date"),
        x2="until:T",
        tooltip=marks.tooltip(drawn, {**named, "date": "From", "last": "To", "rows": "Rows", **residual}),
    )
    few = drawn.height <= marks.MAX_OUTLINED
    # Colour alone does not reach everybody: what differs is thick, and never thinner than can be seen.
    quiet = timed.transform_filter("datum.status != 'differs'").mark_bar(height=alt.RelativeBandSize(_THIN), aria=few)
    loud = timed.transform_filter("datum.status == 'differs'").mark_bar(
        height=alt.RelativeBandSize(_THICK), aria=few, stroke=_STATUS["differs"], strokeWidth=2
    )
    # A layer without a single bar to draw makes Vega complain, so it is left out.
    differing = dated["status"] == "differs"
    bars = [*([] if differing.all() else [quiet]), *([loud] if differing.any() else [])]
    return [*bars, *squares]
