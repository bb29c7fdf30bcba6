"""Charts of who has made a habit of it, and how much of the work a few do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from augment_insights.charts import caption, marks
from augment_insights.charts.theme import ACCENT, LIGHT, WIDTH, load_altair
from augment_insights.tables import HABIT_TIER

if TYPE_CHECKING:
    from datetime import date

    import altair as alt

_TIERS = {
    "power": ("Power", "#0072B2"),
    "habitual": ("Habitual", "#56B4E9"),
    "novice": ("Novice", "#E69F00"),
    "low": ("Low", "#D55E00"),
    "non-user": ("Non-user", "#8b949e"),
}
_LADDER = ("user", "user_type", "active_weeks", "mean_actions", "tier")
_CONCENTRATION = ("top_decile_share", "gini", "users")
_EVEN_SHARE = 0.1
"""What the top tenth of the users would do if all did the same."""

_EVEN = "mark: 10%, if all did the same"
_SHARE, _GINI = "Share by the top 10% of users", "Gini coefficient (0 = all do the same)"
_ROW_HEIGHT = 34
_METRIC_HEIGHT = 30


def habit_ladder(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    population: str = "people",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
) -> alt.LayerChart:
    """How many users have made a habit of it: power users, habitual, novices, low, non-users?

    A bar a tier with the number of users and their share. Tiers without anyone keep their row;
    non-users have one only if the table has them, which takes a roster. Users are counted, and
    their names are not in the chart. A table with a column of groups (a joined team) has a bar a
    group, split into shares of its users, at most forty: the largest, and the subtitle says so.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.habit_ladder``: one row a user.
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
        Neither shown nor saved; it holds the counts only.

    Raises
    ------
    TableError
        When a column is missing.

    See Also
    --------
    augment_insights.analysis.habit_ladder : the table.
    concentration : how much of the work a few do.

    Examples
    --------
    >>> users = pl.DataFrame({
    ...     "user": ["ada@x.io", "bob@x.io"],
    ...     "user_type": ["person", "person"],
    ...     "active_weeks": [12, 3],
    ...     "mean_actions": [40.0, 2.5],
    ...     "tier": ["power", "novice"],
    ... })
    >>> habit_ladder(users).title.subtitle
    'people · 2 users'
    """
    frame = caption.with_group(caption.keep(table, _LADDER, name="habit_ladder"), _LADDER)
    grouped = frame["group"].null_count() < frame.height
    counts = _count_tiers(frame)
    counts, fewer = caption.largest_groups(counts, size="users", most=caption.MAX_ROWS)
    heading = "Habit ladder: users by how regular their use is"
    everyone = f"{frame.height:,} user{'' if frame.height == 1 else 's'}" if frame.height else ""
    line = caption.subtitle(
        population=population,
        data_to=caption.as_day(as_of),
        sample=sample,
        note=" · ".join(part for part in (everyone, fewer) if part),
    )
    if frame.is_empty():
        return caption.no_data(heading, line, width=width)
    chart = _ladder_by_group(counts) if grouped else _ladder(counts.drop("group"))
    told = f"Bar chart of {heading[0].lower()}{heading[1:]} ({line})"
    parts = ", ".join(f"{tier} {users}" for tier, users in counts.select("tier", "users").iter_rows())
    return chart.properties(
        title=caption.title(heading, line),
        width=width,
        description=f"{told}: {counts['group'].n_unique()} groups." if grouped else f"{told}: {parts}.",
    )


def concentration(
    table: pl.DataFrame | pl.LazyFrame,
    *,
    population: str = "people",
    as_of: date | str | None = None,
    sample: bool = False,
    width: int = WIDTH,
) -> alt.FacetChart | alt.LayerChart:
    """How much of the work do a few users do?

    Two panels with a bar a metric: the share by the tenth of the users who do most, with a line
    where it would stand if all did the same (10%), and Gini's coefficient, from 0 (all do the
    same) towards 1 (one does all). Put several metrics under one another with
    ``pl.concat`` and a text column that names them. What is not known (null) has no bar.

    Parameters
    ----------
    table : pl.DataFrame or pl.LazyFrame
        ``analysis.concentration``: one row, or a row a metric or group with a text column that
        names it; at most the forty with most users are drawn, and the subtitle says so.
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
    alt.FacetChart or alt.LayerChart
        Neither shown nor saved; it holds the drawn columns only.

    Raises
    ------
    TableError
        When a column is missing, or several rows have no text column that tells them apart.

    See Also
    --------
    augment_insights.analysis.concentration : the table.

    Examples
    --------
    >>> shares = pl.DataFrame({
    ...     "metric": ["total_messages", "total_modified_lines_of_code"],
    ...     "top_decile_share": [0.31, 0.44],
    ...     "gini": [0.42, 0.55],
    ...     "users": [98, 98],
    ... })
    >>> concentration(shares).title.subtitle
    'people · 98 users · mark: 10%, if all did the same'
    """
    frame = caption.with_group(caption.keep(table, _CONCENTRATION, name="concentration"), _CONCENTRATION)
    caption.refuse_repeats(frame, ["group"], table="concentration")
    frame, fewer = caption.largest_groups(frame, size="users", most=caption.MAX_ROWS)
    heading = "Concentration: how much a few users do"
    most: int | None = frame["users"].max()  # type: ignore[assignment]  # max() of integers is one
    line = caption.subtitle(
        population=population,
        data_to=caption.as_day(as_of),
        sample=sample,
        note=" · ".join(part for part in (f"{most:,} users" if most else "", _EVEN, fewer) if part),
    )
    if not frame["top_decile_share"].count():
        return caption.no_data(heading, line, width=width)
    ranked = frame.with_columns(pl.col("group").fill_null("all")).sort(
        "top_decile_share", "group", descending=[True, False], nulls_last=True
    )
    rated = ranked.drop_nulls("top_decile_share")
    parts = [f"{name} {share:.0%}" for name, share in rated.select("group", "top_decile_share").head(5).iter_rows()]
    return _two_panels(ranked, width=width).properties(
        title=caption.title(heading, line),
        description=f"Bar chart of {heading[0].lower()}{heading[1:]} ({line}); "
        f"share by the top 10% of users: {', '.join(parts)}.",
    )


def _count_tiers(frame: pl.DataFrame) -> pl.DataFrame:
    """Count the users of each tier and group; tiers without anyone are there with 0."""
    tiers = [tier for tier in HABIT_TIER.categories if tier != "non-user" or (frame["tier"] == tier).any()]
    order = pl.DataFrame({"tier": tiers, "place": range(len(tiers))}, schema={"tier": pl.String, "place": pl.Int64})
    counted = frame.group_by("group", pl.col("tier").cast(pl.String)).len("users")
    grid = frame.select("group").unique().join(order, how="cross")
    labels = {tier: label for tier, (label, _) in _TIERS.items()}
    return (
        grid.join(counted, on=["group", "tier"], how="left", nulls_equal=True)
        .with_columns(pl.col("users").fill_null(0).cast(pl.Int64), pl.col("tier").replace(labels))
        .with_columns(pl.col("users").sum().over("group").alias("of_users"))
        .sort("group", "place")
        .drop("place")
    )


def _tooltip(*, grouped: bool) -> list[alt.Tooltip]:
    return [
        marks.words("tier", "Tier"),
        marks.count("users", "Users"),
        marks.count("of_users", "Of users"),
        *([marks.words("group", "Group")] if grouped else []),
    ]


def _tier_color(drawn: pl.DataFrame, *, legend: bool) -> alt.Color:
    present = set(drawn["tier"])
    shown = [(label, color) for label, color in _TIERS.values() if label in present]
    names, colors = zip(*shown, strict=True)
    color = marks.series_color(names, column="tier", colors=colors)
    return color if legend else color.legend(None)


def _ladder(drawn: pl.DataFrame) -> alt.LayerChart:
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    names = drawn["tier"].to_list()
    axis = marks.whole_axis(grid=True)
    base = alt.Chart(drawn).encode(
        x=alt.X("users:Q", title="Users", axis=axis, scale=alt.Scale(domainMin=0, nice=True)),
        y=alt.Y("tier:N", title=None, sort=names),
        tooltip=_tooltip(grouped=False),
    )
    number = "format(datum.users, ',d') + ' · ' + format(datum.users / datum.of_users, '.0%')"
    return alt.LayerChart(
        layer=[
            base.mark_bar(cornerRadiusEnd=2).encode(color=_tier_color(drawn, legend=False)),
            base.mark_text(align="left", dx=6).transform_calculate(number=number).encode(text="number:N"),
        ]
    ).properties(height=_ROW_HEIGHT * len(names))


def _ladder_by_group(drawn: pl.DataFrame) -> alt.LayerChart:
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    laid = drawn.with_columns((pl.col("users") / pl.col("of_users")).cum_sum().over("group").alias("top")).with_columns(
        (pl.col("top") - pl.col("users") / pl.col("of_users")).alias("bottom")
    )
    names = laid["group"].unique(maintain_order=True).to_list()
    axis = alt.Axis(format="%", grid=True)
    bars = (
        alt.Chart(laid)
        .mark_bar(stroke=LIGHT.surface, strokeWidth=1)
        .encode(
            x=alt.X("bottom:Q", title="Share of the group's users", axis=axis, scale=alt.Scale(domain=[0, 1])),
            x2="top:Q",
            y=alt.Y("group:N", title=None, sort=names),
            color=_tier_color(laid, legend=True),
            tooltip=_tooltip(grouped=True),
        )
    )
    return alt.LayerChart(layer=[bars]).properties(height=_ROW_HEIGHT * len(names))


def _two_panels(ranked: pl.DataFrame, *, width: int) -> alt.FacetChart:
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    long = ranked.select("group", *_CONCENTRATION).with_columns(
        pl.col("top_decile_share").alias(_SHARE), pl.col("gini").alias(_GINI)
    )
    drawn = long.unpivot(
        [_SHARE, _GINI],
        index=["group", *_CONCENTRATION],
        variable_name="panel",
        value_name="value",
    )
    # The line of even use belongs to the first panel only: elsewhere it has no place.
    drawn = drawn.with_columns(pl.when(pl.col("panel") == _SHARE).then(_EVEN_SHARE).alias("even"))
    form = f"datum.panel === '{_SHARE}' ? format(datum.value, '.0%') : format(datum.value, '.2f')"
    base = alt.Chart(drawn).encode(
        y=alt.Y("group:N", title=None, sort=ranked["group"].to_list()),
        tooltip=[
            marks.words("group", "Of"),
            marks.percent("top_decile_share", "Share by the top 10%"),
            alt.Tooltip("gini:Q", title="Gini coefficient", format=".2f"),
            marks.count("users", "Users"),
        ],
    )
    scale = alt.Scale(domain=[0, 1])
    known = "isValid(datum.value)"
    chart = alt.LayerChart(
        layer=[
            base.mark_bar(color=ACCENT, cornerRadiusEnd=2).encode(
                x=alt.X("value:Q", title="From 0 to 1", scale=scale, axis=alt.Axis(grid=True, tickCount=5, format="~g"))
            ),
            base.mark_text(align="left", dx=6)
            .transform_filter(known)
            .transform_calculate(number=form)
            .encode(x=alt.X("value:Q", scale=scale), text="number:N"),
            base.mark_tick(color=LIGHT.ink, thickness=2).transform_filter("isValid(datum.even)").encode(x="even:Q"),
        ]
    )
    return marks.panels(chart, [_SHARE, _GINI], width=width, height=_METRIC_HEIGHT * ranked.height)
