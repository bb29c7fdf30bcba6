"""What stands beside the numbers on a time axis: what happened, what is aimed at, and days on which few people work.

Events are thin rules with a number, which lines under the title explain: they stay apart, and can be read however
narrow the picture is. Targets are dashed lines with their words. Days off are shaded where a chart is daily.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from textwrap import wrap
from typing import TYPE_CHECKING

import altair as alt
import polars as pl

from augment_insights.charts.theme import LIGHT
from augment_insights.periods import Every, calendar_period, check_every, day_text
from augment_insights.tables import CALENDAR_DAYS, EVENTS, TARGETS, columns_of, safe_strings

if TYPE_CHECKING:
    from datetime import date

    from augment_insights.charts.marks import Caption
    from augment_insights.tables import Table

_MOST_EVENTS = 12
"""More numbers than this nobody looks up: the last events are drawn, and the subtitle says so."""

_MOST_STRIPES = 190
"""Of more days than this weekends would be a pattern of their own: only holidays are shaded."""

_DAY = timedelta(days=1)
_WEEK = 7
_LETTER = 6.6
_BADGE, _NARROW = 18, 200
"""What a number takes in pixels, and a plot on a telephone: numbers that would touch there stand below one another."""


def infer_every(starts: pl.Series, every: str | None = None) -> Every | None:
    """Return the calendar period that rows stand for: as told, else read off their first days.

    Examples
    --------
    >>> from datetime import date
    >>> infer_every(pl.Series([date(2026, 1, 5), date(2026, 1, 19)]))
    '1w'
    >>> infer_every(pl.Series([date(2026, 1, 5)])) is None
    True
    """
    if every is not None:
        return check_every(every)
    days = starts.drop_nulls().unique().sort()
    gaps = days.diff().dt.total_days().drop_nulls()
    if gaps.is_empty():
        return None
    if (gaps % _WEEK == 0).all() and (days.dt.weekday() == 1).all():
        return "1w"
    if (days.dt.day() == 1).all():
        quarters = (days.dt.month() % 3 == 1).all()
        return "1q" if quarters else "1mo"
    return "1d"


def with_context(
    layers: list[alt.Chart], drawn: pl.DataFrame, about: Caption, metric: str | None
) -> tuple[list[alt.Chart], pl.DataFrame, Caption]:
    """Add targets, events and shaded days to a chart along time: its layers, what they draw, and its caption.

    A chart with another axis is returned as it is. What lies outside the drawn periods is left out, and so are events
    and targets of groups that are not drawn.
    """
    x = layers[0].encoding.x
    if not (isinstance(x, alt.X) and str(x.shorthand).endswith(":T")):
        return layers, drawn, about
    starts = drawn[str(x.shorthand).removesuffix(":T")].drop_nulls().unique().sort()
    days, every = starts.to_list(), infer_every(starts) or "1d"
    are_bars = layers[0].encoding.x2 is not alt.Undefined
    shades, shaded = _shades(about.calendar, days, x, are_bars=are_bars) if every == "1d" else ([], "")
    events = _beside(about.events, EVENTS, drawn).sort("date", "text")
    events = events.filter(pl.col("date").is_between(days[0], calendar_period(days[-1], every).end))
    shown = events.tail(_MOST_EVENTS)
    cut = f"the last {shown.height} of {events.height} events" if shown.height < events.height else ""
    span = max([*days, *shown["date"]]) - days[0]
    rules, badges, happened = _events(shown, x, span=span) if shown.height else ([], [], "")
    y = next(layer.encoding.y for layer in layers if isinstance(layer.encoding.y, alt.Y))
    drawn, goals, aimed = _goals(drawn, about.targets, metric, y) if metric else (drawn, [], "")
    subtitle = " · ".join(part for part in (about.subtitle, shaded, cut) if part)
    key = tuple(line for told in (happened, aimed) for line in wrap(told, width=int(about.width / _LETTER)))
    return [*shades, *rules, *layers, *goals, *badges], drawn, replace(about, subtitle=subtitle, key=key)


def _beside(table: pl.DataFrame | pl.LazyFrame | None, contract: Table, drawn: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a table that stands beside the drawn one: those of no group, or of one that is drawn."""
    if table is None:
        return contract.empty().with_columns(group=pl.lit(None, dtype=pl.String))
    group = pl.col("group").cast(pl.String) if "group" in columns_of(table) else pl.lit(None, dtype=pl.String)
    checked = contract.check(table.lazy()).select(*contract.columns, group.alias("group"))
    frame = checked.with_columns(safe_strings()).collect()  # as the groups of the drawn table are
    for name in {"group", "panel"}.intersection(drawn.columns):
        frame = frame.filter(pl.col("group").is_null() | pl.col("group").is_in(drawn[name].implode()))
    return frame


def _along(x: alt.X, column: str) -> alt.X:
    """Return the x encoding of a chart for another column, so that both share one axis."""
    other = x.copy()
    other.shorthand = f"{column}:T"
    return other


def _events(events: pl.DataFrame, x: alt.X, *, span: timedelta) -> tuple[list[alt.Chart], list[alt.Chart], str]:
    """Return the rules of events, their numbers, and what these stand for, on an axis of so many days."""
    named = pl.concat_str(pl.col("group") + ":", "text", separator=" ", ignore_nulls=True).alias("event")
    numbered = events.select("date", named, (pl.int_range(pl.len()) + 1).cast(pl.String).alias("number"))
    days = numbered["date"].to_list()
    width = _NARROW / max(1, span.days)
    rows: list[date] = []
    places = []
    for day in days:
        # The first row in which the last number is far enough away.
        free = (n for n, last in enumerate(rows) if (day - last).days * width >= _BADGE)
        place = next(free, len(rows))
        rows[place : place + 1] = [day]
        places.append(place)
    base = alt.Chart(numbered.with_columns(pl.Series("row", places))).encode(
        x=_along(x, "date"),
        tooltip=[alt.Tooltip("date:T", title="Day", format="%-d %b %Y"), alt.Tooltip("event:N", title="Event")],
    )
    at = {"y": alt.value(alt.expr(f"datum.row * {_BADGE}"))}
    badge = base.mark_point(color=LIGHT.muted, filled=True, opacity=1, size=220).encode(**at)
    number = base.mark_text(color=LIGHT.surface, fontSize=11, fontWeight="bold", baseline="middle", aria=False)
    # The blank between a number and its event is not one to break a line at.
    told = " · ".join(f"{n}\u00a0{event} ({day_text(day)})" for day, event, n in numbered.iter_rows())
    rule = base.mark_rule(color=LIGHT.muted, strokeWidth=1)
    return [rule], [badge, number.encode(text="number:N", **at)], f"Events: {told}"


def with_row_goals(rows: pl.DataFrame, metric: str, about: Caption) -> tuple[pl.DataFrame, Caption]:
    """Add to the rows of groups, as they are without a time axis, their ``goal`` if there is any, and tell of it."""
    wanted, told = _targets(about.targets, metric, rows)
    if not told:
        return rows, about
    goals = wanted.select("group", goal="value", goal_text="amount")
    drawn = _with_goals(rows.rename({"group": "panel"}), goals).rename({"panel": "group"}).drop("goal_text")
    return drawn, replace(about, key=tuple(wrap(told, width=int(about.width / _LETTER))))


def _targets(targets: pl.DataFrame | pl.LazyFrame | None, metric: str, drawn: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """Return the targets of a metric and the drawn groups, each with its ``amount`` in words, and all in one line."""
    wanted = _beside(targets, TARGETS, drawn).filter(metric=metric)
    wanted = wanted.sort("group", "by", "value", nulls_last=[False, True, True])
    if {"group", "panel"}.isdisjoint(drawn.columns):
        wanted = wanted.filter(pl.col("group").is_null())
    is_share = metric.endswith(("_rate", "_share"))
    amounts = [f"{value * 100:.4g}%" if is_share else f"{value:,g}" for value in wanted["value"]]  # a few
    named = wanted.with_columns(pl.Series("amount", amounts, dtype=pl.String))
    told = [
        f"{f'{group} ' if group else ''}{amount}{f' by {day_text(by)}' if by else ''}"
        for group, amount, by in named.select("group", "amount", "by").iter_rows()
    ]
    return named, f"Goals: {' · '.join(told)}" if told else ""


def _goals(
    drawn: pl.DataFrame, targets: pl.DataFrame | pl.LazyFrame | None, metric: str, y: alt.Y
) -> tuple[pl.DataFrame, list[alt.Chart], str]:
    """Return dashed lines for the targets of a metric, and what they are; a panel has one, the last of its own."""
    named, told = _targets(targets, metric, drawn)
    if not told:
        return drawn, [], ""
    if "panel" in drawn.columns:
        # A table of its own would not be split over the panels.
        drawn = _with_goals(drawn, named.select("group", goal="value", goal_text="amount"))
        panel = alt.Chart().transform_aggregate(rows="count()", groupby=["goal", "goal_text"])
        base = panel.transform_filter("isValid(datum.goal)")
    else:
        label = pl.concat_str(pl.col("group").fill_null("Goal"), "amount", separator=" ")
        base = alt.Chart(named.select(goal="value", goal_text=label))
    height = y.copy()
    height.shorthand = "goal"
    base = base.encode(y=height)
    line = base.mark_rule(color=LIGHT.muted, strokeWidth=1.5, strokeDash=[8, 4])
    text = base.mark_text(align="left", dx=6).encode(x=alt.value("width"), text="goal_text:N")
    return drawn, [line, text], told


def _with_goals(drawn: pl.DataFrame, goals: pl.DataFrame) -> pl.DataFrame:
    """Add to the rows of each panel its last goal, else the last one of no group."""
    own = goals.drop_nulls("group").unique("group", keep="last").rename({"group": "panel"})
    drawn = drawn.join(own, on="panel", how="left", maintain_order="left")
    for goal, text in goals.filter(pl.col("group").is_null()).select("goal", "goal_text").tail(1).iter_rows():
        drawn = drawn.with_columns(pl.col("goal").fill_null(goal), pl.col("goal_text").fill_null(pl.lit(text)))
    return drawn


def _shades(
    calendar: pl.DataFrame | pl.LazyFrame | None, days: list[date], x: alt.X, *, are_bars: bool
) -> tuple[list[alt.Chart], str]:
    """Return the shades behind weekends and holidays, neighbouring days of one kind in one piece, and what they are."""
    free = _beside(calendar, CALENDAR_DAYS, pl.DataFrame()).filter(pl.col("date").is_between(days[0], days[-1]))
    if len(days) > _MOST_STRIPES:
        free = free.filter(pl.col("kind") != "weekend")
    # Points stand on the beginning of their day, bars fill it.
    before, end = (timedelta(0), days[-1] + _DAY) if are_bars else (_DAY / 2, days[-1])
    is_new = (pl.col("date").diff() != _DAY) | (pl.struct("kind", "text").rle_id().diff() != 0)
    runs = (
        # A holiday on a Sunday is a holiday.
        free.sort("date", "kind", "text")
        .unique("date", keep="first", maintain_order=True)
        .with_columns(run=is_new.fill_null(value=True).cum_sum())
        .group_by("run", "kind", "text", maintain_order=True)
        .agg(pl.col("date").min().alias("day"), pl.col("date").max().alias("last"))
        .with_columns(
            start=(pl.col("day").cast(pl.Datetime) - before).clip(lower_bound=days[0]),
            end=(pl.col("last").cast(pl.Datetime) + _DAY - before).clip(upper_bound=end),
        )
        .drop("run")
    )
    kinds = runs["kind"].unique().sort(descending=True).to_list()
    tips = [alt.Tooltip("kind:N", title="Shaded"), alt.Tooltip("text:N", title="Day off")]
    tips += [
        alt.Tooltip(f"{name}:T", title=title, format="%-d %b %Y") for name, title in (("day", "From"), ("last", "To"))
    ]
    deep = alt.when(alt.datum.kind == "weekend").then(alt.value(0.55)).otherwise(alt.value(1))
    shades = alt.Chart(runs).mark_rect(color=LIGHT.ghost, aria=False)
    layer = shades.encode(x=_along(x, "start"), x2="end:T", opacity=deep, tooltip=tips)
    return ([layer], f"{' and '.join(f'{kind}s' for kind in kinds)} shaded") if kinds else ([], "")
