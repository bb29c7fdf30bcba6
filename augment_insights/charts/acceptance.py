"""Charts of how much of what was suggested is accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from augment_insights.charts import caption, marks
from augment_insights.charts.theme import ACCENT, HEIGHT, WIDTH, load_altair

if TYPE_CHECKING:
    from datetime import date

    import altair as alt

    from augment_insights.periods import Every

_COLUMNS = (
    "users",
    "suggested_count",
    "accepted_count",
    "acceptance_rate",
    "acceptance_rate_low",
    "acceptance_rate_high",
)
_STEPS = ("acceptance_from", "acceptance_to", "users")
_HEADING = "acceptance rate of inline completions"
_MAX_GROUPS = 40


def acceptance_rate(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    population: str = "people",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
    every: str | None = None,
) -> alt.LayerChart:
    """How much of what was suggested is accepted, over time or group by group?

    A table by period gives a line with its 95% interval as a band; a period that ends after
    ``as_of`` is an open point on a dashed line. A table by groups without periods gives a dot with
    whiskers a group, highest rate first: at most the 40 with most suggestions, and the subtitle says so. By
    both: a line a group, at most six, and bands with up to three groups. A rate that is null (nothing
    was suggested) leaves a gap, never a zero. The chart computes no rate.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.acceptance_rate``: one row a period, a group, or both.
    population : str
        Who is counted, for the subtitle.
    as_of : date or str, optional
        The last day of the data: for the subtitle, and to tell which period is not over.
    sample : bool
        Say in the subtitle that the organisation is made up.
    width : int
        Width of the plot in pixels.
    every : {"1d", "1w", "1mo", "1q"}, optional
        The period of the rows. Left out, it is read off the distance between them.

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
    augment_insights.analysis.acceptance_rate : the table.

    Examples
    --------
    >>> teams = pl.DataFrame({
    ...     "team": ["Payments", "Search"],
    ...     "users": [12, 9],
    ...     "suggested_count": [4000, 3000],
    ...     "accepted_count": [1200, 750],
    ...     "acceptance_rate": [0.3, 0.25],
    ...     "acceptance_rate_low": [0.27, 0.21],
    ...     "acceptance_rate_high": [0.33, 0.29],
    ... })
    >>> acceptance_rate(teams, population="engineers").title.subtitle
    'engineers · 95% intervals'
    """
    frame = caption.keep(table, _COLUMNS, name="acceptance_rate")
    over_time = "period_start" in frame.columns
    by = "" if over_time else caption.by_words(frame, _COLUMNS)
    frame = caption.with_group(frame, ("period_start", *_COLUMNS))
    most = caption.MAX_LINES if over_time else _MAX_GROUPS
    frame, note = caption.largest_groups(frame, size="suggested_count", most=most)
    has_bands = not over_time or frame["group"].n_unique() <= marks.MOST_BANDS
    intervals = "95% intervals" if has_bands and frame["acceptance_rate_low"].count() else ""
    period = caption.infer_every(frame["period_start"], every) if over_time else None
    heading = f"{caption.ADJECTIVE.get(period or '', '')} {_HEADING}{by}".strip().capitalize()
    line = caption.subtitle(
        population=population,
        data_to=caption.as_day(as_of),
        sample=sample,
        note=" · ".join(part for part in (intervals, note) if part),
    )
    if not frame["acceptance_rate"].count():
        return caption.no_data(heading, line, width=width)
    chart = _over_time(frame, as_of=caption.as_day(as_of), every=period) if over_time else _by_group(frame)
    return chart.properties(
        title=caption.title(heading, line), width=width, description=_describe(frame, heading=heading, line=line)
    )


def acceptance_distribution(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    population: str = "people",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
) -> alt.LayerChart:
    """How many users accept which share of what is suggested to them?

    A bar a step of the acceptance rate, with the number of users in it. A wide hill is normal, two
    hills are two ways of using completions. Nobody is named or ranked.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.acceptance_distribution``: one row a step.
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
        When a column is missing, or a step has more than one row.

    See Also
    --------
    augment_insights.analysis.acceptance_distribution : the table.
    acceptance_rate : the pooled rate.

    Examples
    --------
    >>> halves = pl.DataFrame({"acceptance_from": [0.0, 0.5], "acceptance_to": [0.5, 1.0], "users": [30, 12]})
    >>> acceptance_distribution(halves).title.subtitle
    'people · 42 users with enough suggestions'
    """
    frame = caption.keep(table, _STEPS, name="acceptance_distribution").select(_STEPS)
    frame = frame.drop_nulls().sort("acceptance_from")
    caption.refuse_repeats(frame, ["acceptance_from"], table="acceptance_distribution")
    everyone = frame["users"].sum()
    heading = f"Users by their own {_HEADING}"
    line = caption.subtitle(
        population=population,
        data_to=caption.as_day(as_of),
        sample=sample,
        note=f"{everyone:,} users with enough suggestions" if everyone else "",
    )
    if not everyone:
        return caption.no_data(heading, line, width=width)
    most = frame.sort("users", "acceptance_from", descending=[True, False]).row(0, named=True)
    return _steps(frame).properties(
        width=width,
        title=caption.title(heading, line),
        height=HEIGHT,
        description=f"Bar chart of {heading.lower()} ({line}): most users, {most['users']:,}, accept "
        f"{most['acceptance_from']:.0%} to {most['acceptance_to']:.0%}.",
    )


def _steps(frame: pl.DataFrame) -> alt.LayerChart:
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    # The scale ends where users do: most of the room from 0 to 1 would be empty.
    end = frame.filter(pl.col("users") > 0).select(pl.col("acceptance_to").max()).item()
    rate = alt.X(
        "acceptance_from:Q",
        bin="binned",
        title="Accepted of suggested, each user's own",
        scale=alt.Scale(domain=[0, end], nice=False),
        axis=alt.Axis(format="%", tickCount=10, grid=False),
    )
    bars = (
        alt.Chart(frame.filter(pl.col("acceptance_to") <= end))
        .mark_bar(color=ACCENT, binSpacing=2)
        .encode(
            x=rate,
            x2="acceptance_to:Q",
            y=marks.count_axis("Users")("users"),
            tooltip=[
                alt.Tooltip("acceptance_from:Q", title="Accepts from", format=".0%"),
                alt.Tooltip("acceptance_to:Q", title="to", format=".0%"),
                marks.count("users", "Users"),
            ],
        )
    )
    return alt.LayerChart(layer=[bars])


def _counts() -> list[alt.Tooltip]:
    """Return the numbers behind a rate, which never travels without them."""
    return [
        marks.percent("acceptance_rate", "Acceptance rate"),
        marks.count("accepted_count", "Accepted"),
        marks.count("suggested_count", "Suggested"),
        *marks.interval("acceptance_rate"),
        marks.count("users", "Users"),
    ]


def _describe(frame: pl.DataFrame, *, heading: str, line: str) -> str:
    """Say the chart in words, for those who do not see it."""
    if "period_start" not in frame.columns:
        return f"Dot plot of the {heading.lower()} ({line}): {frame.height} groups."
    rated = frame.drop_nulls("acceptance_rate")["period_start"]
    periods = frame["period_start"].n_unique()
    first, last = (caption.day_text(day) for day in (rated.min(), rated.max()))  # type: ignore[arg-type]  # dates
    return f"Line chart of the {heading.lower()} ({line}): {periods} periods, with rates from {first} to {last}."


def _over_time(frame: pl.DataFrame, *, as_of: date | None, every: Every | None) -> alt.LayerChart:
    starts = frame["period_start"].unique().drop_nulls()
    unfinished = [start for start in starts if as_of and caption.last_day(start, every) > as_of]
    open_ended = frame.with_columns(~pl.col("period_start").is_in(unfinished).alias("is_complete"))
    marked = caption.mark_incomplete(open_ended, "acceptance_rate")
    drawn = marked.select("period_start", "group", *_COLUMNS, "solid", "dashed", "open", "state")
    return _lines(drawn, every=every).properties(height=HEIGHT)


def _lines(drawn: pl.DataFrame, *, every: Every | None) -> alt.LayerChart:
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    color = caption.group_color(drawn)
    tooltip = [
        marks.day("period_start", "From"),
        *_counts(),
        marks.words("state", caption.NOUN.get(every or "", "period").capitalize()),
        *([marks.words("group", "Group")] if color else []),
    ]
    base = alt.Chart(drawn if color else drawn.drop("group")).encode(
        x=caption.time_axis(drawn["period_start"], every), **color
    )
    layers = marks.lines(
        base,
        marks.share_axis("Accepted of suggested"),
        value="acceptance_rate",
        tooltip=tooltip,
        band="acceptance_rate" if drawn["group"].n_unique() <= marks.MOST_BANDS else None,
        points=drawn["period_start"].n_unique(),
    )
    return alt.LayerChart(layer=layers)


def _by_group(frame: pl.DataFrame) -> alt.LayerChart:
    load_altair()
    drawn = (
        frame.with_columns(pl.col("group").fill_null("all"))
        .sort("acceptance_rate", "group", descending=[True, False], nulls_last=True)
        .select("group", *_COLUMNS)
    )
    return marks.whiskers(
        drawn,
        row="group",
        rate="acceptance_rate",
        title="Accepted of suggested",
        tooltip=[marks.words("group", "Group"), *_counts()],
    )
