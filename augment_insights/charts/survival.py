"""Charts of how long it takes: until the first use, until users fall silent, and who is left after n periods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from augment_insights.charts import caption, marks
from augment_insights.charts.theme import WIDTH, load_altair

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    import altair as alt


@dataclass(frozen=True)
class _KaplanMeier:
    """A table of days, users at risk, events and a rate, and the words that its picture needs."""

    name: str
    events: str
    rate: str
    heading: str
    x_title: str
    y_title: str
    rate_words: str
    event_words: str
    followed: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are drawn."""
        return ("days", "at_risk_users", self.events, self.rate, f"{self.rate}_low", f"{self.rate}_high")


_STARTED = _KaplanMeier(
    name="time_to_first_use",
    events="started_users",
    rate="started_rate",
    heading="Time to first use: share that has started",
    x_title="Days since the licence began",
    y_title="Share of users who have started",
    rate_words="Started by then",
    event_words="Started that day",
    followed="licensed users",
)
_SURVIVAL = _KaplanMeier(
    name="survival",
    events="lapsed_users",
    rate="survival_rate",
    heading="Survival: share that has not fallen silent",
    x_title="Days since the first activity",
    y_title="Share of users still active",
    rate_words="Still active",
    event_words="Fell silent that day",
    followed="users",
)
_CURVE = (
    "period",
    "cohorts",
    "eligible_users",
    "retained_users",
    "retention_rate",
    "retention_rate_low",
    "retention_rate_high",
)


def time_to_first_use(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    population: str = "people",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
) -> alt.LayerChart:
    """How many days after the licence began have users started?

    A Kaplan-Meier curve in steps, with its 95% interval as a band: read off the share that has
    started by a day. A steep foot is a rollout that works; a curve that goes flat early leaves
    licences unused. Towards the right few users are still followed, and the band widens. A table
    with a column of groups has a curve a group, at most six, with bands for up to three.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.time_to_first_use``: one row a day since the licence began.
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
        When a column is missing, or a day has more than one row and no column of groups tells them apart.

    See Also
    --------
    augment_insights.analysis.time_to_first_use : the table.

    Examples
    --------
    >>> days = pl.DataFrame({
    ...     "days": [0, 1],
    ...     "at_risk_users": [20, 15],
    ...     "started_users": [5, 3],
    ...     "started_rate": [0.25, 0.4],
    ...     "started_rate_low": [0.11, 0.22],
    ...     "started_rate_high": [0.49, 0.64],
    ... })
    >>> time_to_first_use(days).title.subtitle
    'people · 20 licensed users followed · 95% interval'
    """
    return _survival_steps(table, _STARTED, captions=(population, caption.as_day(as_of), sample), width=width)


def survival(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    population: str = "people",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
) -> alt.LayerChart:
    """How many days after their first activity are users still with us?

    A Kaplan-Meier curve in steps, with its 95% interval as a band: read off the share that has
    not fallen silent by a day. Users who are still active are followed to the last day of the data
    and no further, so few stand behind the right end, and the band widens. A table with a
    column of groups has a curve a group, at most six, with bands for up to three.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.survival``: one row a day since the first activity.
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
        When a column is missing, or a day has more than one row and no column of groups tells them apart.

    See Also
    --------
    augment_insights.analysis.retention : the table.
    retention_curve : the share that is active in each period after the first.

    Examples
    --------
    >>> days = pl.DataFrame({
    ...     "days": [0, 1, 2],
    ...     "at_risk_users": [2, 2, 1],
    ...     "lapsed_users": [0, 1, 0],
    ...     "survival_rate": [1.0, 0.5, 0.5],
    ...     "survival_rate_low": [1.0, 0.01, 0.01],
    ...     "survival_rate_high": [1.0, 0.91, 0.91],
    ... })
    >>> survival(days, as_of="2026-03-01").title.subtitle
    'people · data to 1 Mar 2026 · 2 users followed · 95% interval'
    """
    return _survival_steps(table, _SURVIVAL, captions=(population, caption.as_day(as_of), sample), width=width)


def retention_curve(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    population: str = "people",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
    every: str | None = None,
) -> alt.LayerChart:
    """Over all cohorts, which share of the users was there one, two, three periods later?

    A line with its 95% interval as a band. Every point pools the cohorts that have reached it, so
    the users behind it become fewer to the right (see the tooltips), and the line may rise. A
    curve that goes flat has found its regular users. A table with a column of groups (a team, a
    kind of retention) has a curve a group, at most six, with bands for up to three.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.retention_curve``: one row a period since the start, or a group of them.
    population : str
        Who is counted, for the subtitle.
    as_of : date or str, optional
        The last day of the data, for the subtitle.
    sample : bool
        Say in the subtitle that the organisation is made up.
    width : int
        Width of the plot in pixels.
    every : {"1d", "1w", "1mo", "1q"}, optional
        The period of the rows, for the axis.

    Returns
    -------
    alt.LayerChart
        Neither shown nor saved; it holds the drawn columns only.

    Raises
    ------
    TableError
        When a column is missing, or a period has more than one row and no column of groups tells them apart.

    See Also
    --------
    augment_insights.analysis.retention_curve : the table.
    cohort_retention : cohort by cohort.

    Examples
    --------
    >>> weeks = pl.DataFrame({
    ...     "period": [0, 1],
    ...     "cohorts": [3, 2],
    ...     "eligible_users": [20, 16],
    ...     "retained_users": [20, 12],
    ...     "retention_rate": [1.0, 0.75],
    ...     "retention_rate_low": [0.84, 0.51],
    ...     "retention_rate_high": [1.0, 0.90],
    ... })
    >>> retention_curve(weeks, every="1w").title.text
    'Retention by weeks since first activity'
    """
    frame = caption.with_group(caption.keep(table, _CURVE, name="retention_curve"), _CURVE)
    caption.refuse_repeats(frame, ["group", "period"], table="retention_curve")
    frame, fewer = caption.largest_groups(frame, size="eligible_users", most=caption.MAX_LINES)
    noun = caption.NOUN.get(caption.checked(every) or "", "period")
    heading = f"Retention by {noun}s since first activity"
    note = " · ".join(part for part in (_interval_note(frame, "retention_rate"), fewer) if part)
    line = caption.subtitle(population=population, data_to=caption.as_day(as_of), sample=sample, note=note)
    if not frame["retention_rate"].count():
        return caption.no_data(heading, line, width=width)
    return marks.single(_curve_lines(frame, noun=noun), width=width).properties(
        title=caption.title(heading, line),
        description=_describe(frame, heading=heading, line=line, keys=("period", "retention_rate"), noun=noun),
    )


def _interval_note(frame: pl.DataFrame, rate: str) -> str:
    return "95% interval" if frame[f"{rate}_low"].count() else ""


def _survival_steps(
    table: pl.DataFrame | pl.LazyFrame,
    curve: _KaplanMeier,
    *,
    captions: tuple[str, date | None, bool],
    width: int,
) -> alt.LayerChart:
    frame = caption.with_group(caption.keep(table, curve.columns, name=curve.name), curve.columns)
    caption.refuse_repeats(frame, ["group", "days"], table=curve.name)
    frame, fewer = caption.largest_groups(frame, size="at_risk_users", most=caption.MAX_LINES)
    number = frame.filter(pl.col("days") == pl.col("days").min().over("group"))["at_risk_users"].sum()
    notes = (f"{number:,} {curve.followed} followed" if number else "", _interval_note(frame, curve.rate), fewer)
    population, data_to, sample = captions
    line = caption.subtitle(
        population=population, data_to=data_to, sample=sample, note=" · ".join(part for part in notes if part)
    )
    if not frame[curve.rate].count():
        return caption.no_data(curve.heading, line, width=width)
    return marks.single(_steps(frame.sort("group", "days"), curve), width=width).properties(
        title=caption.title(curve.heading, line),
        description=_describe(frame, heading=curve.heading, line=line, keys=("days", curve.rate), noun="day"),
    )


def _grouped(frame: pl.DataFrame, columns: Sequence[str]) -> tuple[pl.DataFrame, dict[str, Any], bool]:
    """Return the drawn columns, the colours of groups if there are any, and whether bands are told apart."""
    color = caption.group_color(frame)
    drawn = frame.select(*columns, *(["group"] if color else []))
    return drawn, color, frame["group"].n_unique() <= marks.MOST_BANDS


def _steps(frame: pl.DataFrame, curve: _KaplanMeier) -> alt.LayerChart:
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    drawn, color, band = _grouped(frame, curve.columns)
    tooltip = [
        marks.count("days", curve.x_title),
        marks.percent(curve.rate, curve.rate_words),
        *marks.interval(curve.rate),
        marks.count(curve.events, curve.event_words),
        marks.count("at_risk_users", "Users still followed"),
        *([marks.words("group", "Group")] if color else []),
    ]
    axis = marks.whole_axis()
    base = alt.Chart(drawn).encode(
        x=alt.X("days:Q", title=curve.x_title, scale=alt.Scale(nice=False), axis=axis), **color
    )
    y = marks.share_axis(curve.y_title, most=1)
    return alt.LayerChart(
        layer=marks.steps(base, y, rate=curve.rate, tooltip=tooltip, band=band, points=drawn["days"].n_unique())
    )


def _curve_lines(frame: pl.DataFrame, *, noun: str) -> alt.LayerChart:
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    # Every point pools finished periods only, so nothing is dashed.
    whole = frame.sort("group", "period").with_columns(
        pl.col("retention_rate").alias("solid"),
        *(pl.lit(None, dtype=pl.Float64).alias(name) for name in ("dashed", "open")),
    )
    drawn, color, band = _grouped(whole, (*_CURVE, "solid", "dashed", "open"))
    tooltip = [
        marks.count("period", f"{noun.capitalize()}s since first activity"),
        marks.percent("retention_rate", "Retention rate"),
        marks.count("retained_users", "Retained users"),
        marks.count("eligible_users", "Users of these cohorts"),
        marks.count("cohorts", "Cohorts"),
        *marks.interval("retention_rate"),
        *([marks.words("group", "Group")] if color else []),
    ]
    axis = marks.whole_axis()
    x = alt.X("period:Q", title=f"{noun.capitalize()}s since first activity", scale=alt.Scale(nice=False), axis=axis)
    layers = marks.lines(
        alt.Chart(drawn).encode(x=x, **color),
        marks.share_axis("Share of users still active", most=1),
        value="retention_rate",
        tooltip=tooltip,
        band="retention_rate" if band else None,
        points=drawn["period"].n_unique(),
    )
    return alt.LayerChart(layer=layers)


def _describe(frame: pl.DataFrame, *, heading: str, line: str, keys: tuple[str, str], noun: str) -> str:
    """Say the chart in words, for those who do not see it."""
    time, rate = keys
    known = frame.drop_nulls(rate).sort(time)
    told = f"Line chart of {heading[0].lower()}{heading[1:]} ({line}): {known[time].n_unique()} {noun}s"
    if frame["group"].null_count() < frame.height:
        return f"{told}, {frame['group'].n_unique()} groups."
    first, last = known.row(0, named=True), known.row(-1, named=True)
    return f"{told}, from {first[rate]:.0%} at {noun} {first[time]} to {last[rate]:.0%} at {noun} {last[time]}."
