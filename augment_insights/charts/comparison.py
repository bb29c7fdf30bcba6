"""Charts of what changed: which way rates went, if that can be told, and what moved the acceptance rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from augment_insights.charts import caption, marks
from augment_insights.charts.theme import LIGHT, WIDTH, load_altair
from augment_insights.errors import TableError

if TYPE_CHECKING:
    from datetime import date

    import altair as alt

_COMPARISON = (
    "metric",
    "before",
    "after",
    "difference",
    "difference_low",
    "difference_high",
    "verdict",
)
_VERDICTS = {"higher": "#0072B2", "lower": "#D55E00", "cannot tell": "#8b949e"}
_EFFECTS = {
    "rate_effect": "Groups accept more or less",
    "mix_effect": "Weight moved between groups",
    "entry_exit_effect": "Groups came or went",
}
_CHANGE = (*_EFFECTS, "total_effect")
_WHOLE = "Whole change"
_DIRECTIONS = {"raises it": "#0072B2", "lowers it": "#D55E00", "whole change": "#8b949e"}
_MOST_STEPS = 12
_ROW_HEIGHT = 34
_POINTS = "datum.value == 0 ? '0' : format(datum.value * 100, '+.3~f')"
"""A difference of rates is in points: 0.31 after 0.3 is one point more, and not one per cent."""


def compare(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    population: str = "people",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
) -> alt.LayerChart:
    """Which way did rates go between two periods or groups, if that can be told?

    A row a rate (and group): a dot for the difference, whiskers for its 95% interval, and the
    verdict in words. Where the whiskers cross the line of no change, the words are "cannot
    tell". A row whose difference is not known keeps its place without a dot. Differences are
    in percentage points. At most forty rows: the first ones, and the subtitle says so.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.compare``: one row, or one a group; several may stand under one another
        (``pl.concat``).
    population : str
        Who is counted, for the subtitle.
    as_of : date or str, optional
        The last day of the data, for the subtitle.
    sample : bool
        Say in the subtitle that the organisation is made up.
    width : int
        Width of the plot in pixels.

    Returns
    -------
    alt.LayerChart
        Neither shown nor saved; it holds the drawn columns only.

    Raises
    ------
    TableError
        When a column is missing, or a rate has several rows and no column of groups tells them apart.

    See Also
    --------
    augment_insights.analysis.compare : the table.
    acceptance_change : what moved the acceptance rate.

    Examples
    --------
    >>> change = pl.DataFrame({
    ...     "metric": ["retention_rate"],
    ...     "before": [0.6],
    ...     "after": [0.8],
    ...     "difference": [0.2],
    ...     "difference_low": [0.05],
    ...     "difference_high": [0.33],
    ...     "verdict": ["higher"],
    ... })
    >>> compare(change).title.text
    'Comparison: after minus before'
    """
    frame = caption.with_group(caption.keep(table, _COMPARISON, name="compare"), _COMPARISON)
    caption.refuse_repeats(frame, ["metric", "group"], table="compare")
    shown = frame.head(caption.MAX_ROWS)
    cut = f"the first {shown.height} of {frame.height} rows" if shown.height < frame.height else ""
    heading = "Comparison: after minus before"
    intervals = "95% intervals" if frame["difference_low"].count() else ""
    line = caption.subtitle(
        population=population,
        data_to=caption.as_day(as_of),
        sample=sample,
        note=" · ".join(part for part in (intervals, cut) if part),
    )
    if not shown["difference"].count():
        return caption.no_data(heading, line, width=width)
    drawn = shown.with_columns(_row_name(shown).alias("row"), pl.col("verdict").cast(pl.String)).select(
        caption.distinct("row"), *_COMPARISON[1:]
    )
    parts = [f"{row}: {verdict}" for row, verdict in drawn.select("row", "verdict").head(5).iter_rows()]
    more = f", and {drawn.height - len(parts)} more" if drawn.height > len(parts) else ""
    return _differences(drawn).properties(
        title=caption.title(heading, line),
        width=width,
        height=_ROW_HEIGHT * drawn.height,
        description=f"Dot plot of the {heading[0].lower()}{heading[1:]} ({line}): {', '.join(parts)}{more}.",
    )


def acceptance_change(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    by_group: bool = False,
    population: str = "people",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
) -> alt.LayerChart:
    """Which effects moved the acceptance rate from the one period to the other?

    A waterfall: each bar begins where the last one ended, and the last bar is the whole change
    from nothing. The steps are the three effects over all groups; with ``by_group`` they are the
    groups, largest effect first, at most twelve, and one bar for all the other groups together
    that says how many they are. All in percentage points of the rate.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.acceptance_change``: one row a group, and the total as the last row.
    by_group : bool
        Show what each group adds rather than the three effects.
    population : str
        Who is counted, for the subtitle.
    as_of : date or str, optional
        The last day of the data, for the subtitle.
    sample : bool
        Say in the subtitle that the organisation is made up.
    width : int
        Width of the plot in pixels.

    Returns
    -------
    alt.LayerChart
        Neither shown nor saved; it holds the drawn columns only.

    Raises
    ------
    TableError
        When a column is missing, or the last row is not the total.

    See Also
    --------
    augment_insights.analysis.acceptance_change : the table.
    compare : whether a change is more than chance.

    Examples
    --------
    >>> change = pl.DataFrame({
    ...     "language": ["Go", "C", None],
    ...     "rate_effect": [0.02, -0.01, 0.01],
    ...     "mix_effect": [0.0, 0.005, 0.005],
    ...     "entry_exit_effect": [0.0, 0.0, 0.0],
    ...     "total_effect": [0.02, -0.005, 0.015],
    ... })
    >>> acceptance_change(change).title.text
    'Acceptance rate: what moved it'
    """
    frame = caption.with_group(caption.keep(table, _CHANGE, name="acceptance_change"), _CHANGE)
    groups = _check_total(frame)
    heading = "Acceptance rate: what moved it" + (", group by group" if by_group else "")
    number = f"{groups.height} group{'' if groups.height == 1 else 's'}" if groups.height else ""
    line = caption.subtitle(population=population, data_to=caption.as_day(as_of), sample=sample, note=number)
    if frame.is_empty() or frame["total_effect"][-1] is None:
        return caption.no_data(heading, line, width=width)
    total = frame.row(-1, named=True)
    effects = [(label, total[column]) for column, label in _EFFECTS.items()]
    steps = _group_steps(groups) if by_group else pl.DataFrame(effects, schema=["step", "effect"], orient="row")
    drawn = _falls(steps, whole=total["total_effect"])
    parts = [f"{step} {effect * 100:+.2f}" for step, effect in drawn.select("step", "effect").iter_rows()]
    return _waterfall(drawn).properties(
        title=caption.title(heading, line),
        width=width,
        height=_ROW_HEIGHT * drawn.height,
        description=f"Waterfall chart of the {heading[0].lower()}{heading[1:]} ({line}), in percentage points: "
        f"{', '.join(parts)}.",
    )


def _row_name(frame: pl.DataFrame) -> pl.Expr:
    """Name a row by its rate, or its group, or both where there are several of both."""
    metric = pl.col("metric").str.replace_all("_", " ")
    if frame["group"].null_count() == frame.height:
        return metric
    return pl.col("group") if frame["metric"].n_unique() == 1 else pl.concat_str(metric, "group", separator=" · ")


def _points_axis(title: str) -> alt.Axis:
    import altair as alt  # noqa: PLC0415 (see load_altair)

    return alt.Axis(title=title, grid=True, labelExpr=_POINTS, tickCount=8)


def _points(column: str, title: str) -> alt.Tooltip:
    """Return the tooltip of a difference; a column in points, as tooltips cannot multiply."""
    import altair as alt  # noqa: PLC0415 (see load_altair)

    return alt.Tooltip(f"{column}_points:Q", title=f"{title}, points", format="+.2f")


def _in_points(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    return frame.with_columns((pl.col(columns) * 100).name.suffix("_points"))


def _differences(drawn: pl.DataFrame) -> alt.LayerChart:
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    names = drawn["row"].to_list()
    pointed = _in_points(drawn, "difference", "difference_low", "difference_high")
    color = marks.series_color(list(_VERDICTS), column="verdict", colors=list(_VERDICTS.values())).legend(None)
    plain = alt.Chart(pointed).encode(
        y=alt.Y("row:N", title=None, scale=alt.Scale(domain=names)),
        tooltip=[
            marks.words("row", "Rate"),
            marks.percent("before", "Before"),
            marks.percent("after", "After"),
            _points("difference", "Difference"),
            _points("difference_low", "Interval from"),
            _points("difference_high", "Interval to"),
            marks.words("verdict", "Verdict"),
        ],
    )
    base = plain.encode(color=color)
    axis = _points_axis("Difference in percentage points")

    def x(column: str) -> alt.X:
        return alt.X(f"{column}:Q", axis=axis, scale=alt.Scale(nice=True, zero=True))

    none = alt.Chart(pointed).transform_aggregate(rows="count()").mark_rule(color=LIGHT.muted)
    ends = plain.transform_calculate(end="isValid(datum.difference_high) ? datum.difference_high : datum.difference")
    return alt.LayerChart(
        layer=[
            none.encode(x=alt.datum(0)),
            base.mark_rule(strokeWidth=2, opacity=0.55).encode(x=x("difference_low"), x2="difference_high:Q"),
            base.mark_point(filled=True, opacity=1, size=90).encode(x=x("difference")),
            ends.mark_text(align="left", dx=10).encode(x=x("end"), text="verdict:N"),
        ]
    )


def _check_total(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the groups' rows, which all stand before the total."""
    if frame.is_empty():
        return frame
    # with_group has named the total "(none)" in each of its columns, as it does a group without a name.
    parts = (frame["group"][-1] or "(none)").split(" · ")
    if any(part != "(none)" for part in parts):
        raise TableError(
            "The last row of an acceptance_change is the total, without a group, and this one has a group.",
            table="acceptance_change",
            hint="pass the table as analysis.acceptance_change returns it.",
        )
    return frame.head(-1)


def _group_steps(groups: pl.DataFrame) -> pl.DataFrame:
    """Return what the largest groups add, and the others in one step that says how many they are."""
    ranked = groups.sort(pl.col("total_effect").abs(), pl.col("group"), descending=[True, False])
    steps = ranked.select(pl.col("group").alias("step"), pl.col("total_effect").alias("effect"))
    if steps.height <= _MOST_STEPS:
        return steps
    others = steps.slice(_MOST_STEPS)
    rest = pl.DataFrame({"step": [f"{others.height} other groups"], "effect": [others["effect"].sum()]})
    return pl.concat([steps.head(_MOST_STEPS), rest])


def _falls(steps: pl.DataFrame, *, whole: float) -> pl.DataFrame:
    """Lay each step on the end of the last, and the whole change on the ground."""
    effect = pl.col("effect")
    laid = steps.with_columns(effect.cum_sum().alias("end")).with_columns((pl.col("end") - effect).alias("start"))
    ground = pl.DataFrame({"step": [_WHOLE], "effect": [whole], "end": [whole], "start": [0.0]})
    higher, lower, all_of_it = _DIRECTIONS
    direction = pl.when(effect < 0).then(pl.lit(lower)).otherwise(pl.lit(higher))
    return pl.concat(
        [laid.with_columns(direction.alias("direction")), ground.with_columns(pl.lit(all_of_it).alias("direction"))]
    ).select(caption.distinct("step"), "effect", "start", "end", "direction")


def _waterfall(drawn: pl.DataFrame) -> alt.LayerChart:
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    pointed = _in_points(drawn, "effect").drop("effect")
    scale = alt.Scale(nice=True, zero=True)
    base = alt.Chart(pointed).encode(
        y=alt.Y("step:N", title=None, scale=alt.Scale(domain=drawn["step"].to_list())),
        tooltip=[marks.words("step", "Step"), _points("effect", "Effect"), marks.words("direction", "It")],
    )
    bars = base.mark_bar().encode(
        x=alt.X("start:Q", axis=_points_axis("Percentage points of the acceptance rate"), scale=scale),
        x2="end:Q",
        color=marks.series_color(list(_DIRECTIONS), column="direction", colors=list(_DIRECTIONS.values())),
    )
    reach = base.transform_calculate(right="max(datum.start, datum.end)")
    numbers = reach.mark_text(align="left", dx=6).encode(
        x=alt.X("right:Q", scale=scale), text=alt.Text("effect_points:Q", format="+.2f")
    )
    none = alt.Chart(pointed).transform_aggregate(steps="count()").mark_rule(color=LIGHT.muted)
    return alt.LayerChart(layer=[bars, none.encode(x=alt.datum(0)), numbers])
