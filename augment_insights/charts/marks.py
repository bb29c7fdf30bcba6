"""What charts share: the words around them, the rows they draw, and the marks.

Every chart does the same in the same order: :func:`read` checks its table, :class:`Caption` makes
its title, the marks below draw it, and :func:`alt_text` says it to those who do not see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict, cast

import altair as alt
import polars as pl

from augment_insights.charts.context import with_context, with_row_goals
from augment_insights.charts.theme import ACCENT, CATEGORIES, HEIGHT, LIGHT, WIDTH
from augment_insights.errors import TableError, plural, safe_text
from augment_insights.periods import ADJECTIVE, NOUN, Every, calendar_period, day_text, parse_day
from augment_insights.tables import columns_of, safe_strings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from augment_insights.tables import Table

MAX_PANELS = 8
"""More small multiples than this are not compared by eye."""

MAX_LINES = len(CATEGORIES)
"""More lines than colours cannot be told apart."""

MAX_ROWS = 40
"""More rows than this do not fit on a page."""

GROUP = {"group": "Group", "panel": "Group"}
"""The tooltip of the group, whether it is a colour or a panel."""

NO_VERDICT = "too few people"
VERDICTS = {"higher": "#0072B2", "lower": "#D55E00", "no measurable change": "#57606a", NO_VERDICT: "#b1bac4"}
"""The colour of each verdict, and of a row that has none."""

_AGAINST_THE_REST = {
    "higher": "higher than the rest",
    "no measurable change": "no measurable difference",
    "lower": "lower than the rest",
    NO_VERDICT: NO_VERDICT,
}
"""What a verdict says of a group, in the order in which groups stand."""

_MOST_BANDS = 3
"""More bands than this on one another cannot be told apart; the ends are in the tooltips."""

_BAND = 0.18
_FADED = 0.4
"""How opaque a band is, and a bar whose period is not complete."""

MAX_OUTLINED = 500
"""More pieces of bars than this are thinner than an outline, and too many to be read out one by one."""

_MAX_DOTS = 60
"""A line with more points than this shows them only under the pointer."""

_COLUMNS = 2
_GUTTER = 36
_PANEL_HEIGHT = 150
_ROW_HEIGHT = 24
_THICK, _THIN = 2.5, 1.8
_TICKS = 9

_LETTER = 7
_LEGEND_LABEL = 260
_LEGEND_GAP = 32
"""What a letter of a legend takes in pixels, the most that a label may take, and what stands between two."""

_DARK_BELOW = 0.465
"""Where cividis, from dark to light, is as far from white as from black."""

_HALF_PERCENT = 0.005
_WEEK = 7
_MOST_DAYS = 3 * _WEEK


# ---- Words ----


class CaptionKeywords(TypedDict, total=False):
    """The keywords that every chart takes: what they mean says :class:`Caption`."""

    population: str
    as_of: date | str | None
    sample: bool
    title: str | None
    subtitle: str | None
    width: int
    events: pl.DataFrame | pl.LazyFrame | None
    targets: pl.DataFrame | pl.LazyFrame | None
    calendar: pl.DataFrame | pl.LazyFrame | None


@dataclass(frozen=True)
class Caption:
    """The words around a chart and its size, as the caller and the chart's table tell them.

    Parameters
    ----------
    population : str
        Who is counted.
    as_of : date or str, optional
        The last day of the data. Charts whose table does not say which period is over tell it by this day.
    sample : bool
        Say that the organisation is made up.
    title : str, optional
        In place of the chart's own title.
    subtitle : str, optional
        In place of the population, the last day and the chart's notes. That the data is a sample, and what is left
        out of the picture, is said all the same.
    width : int
        The plot's width in pixels.
    events : pl.DataFrame or pl.LazyFrame, optional
        The table EVENTS: what happened, as numbered rules on charts along time.
    targets : pl.DataFrame or pl.LazyFrame, optional
        The table TARGETS: what is aimed at, as dashed lines on charts along time that draw the target's metric, and as
        ticks where they draw a rate of groups.
    calendar : pl.DataFrame or pl.LazyFrame, optional
        The table CALENDAR_DAYS: weekends and holidays, shaded on daily charts.
    """

    population: str = "people"
    as_of: date | str | None = None
    sample: bool = False
    title: str | None = None
    subtitle: str | None = None
    width: int = WIDTH
    events: pl.DataFrame | pl.LazyFrame | None = None
    targets: pl.DataFrame | pl.LazyFrame | None = None
    calendar: pl.DataFrame | pl.LazyFrame | None = None
    key: tuple[str, ...] = ()

    @property
    def last_day(self) -> date | None:
        """The last day of the data, if it is told."""
        return None if self.as_of is None else parse_day(self.as_of, name="as_of")

    @property
    def heading(self) -> alt.TitleParams:
        """The title and the lines under it."""
        lines = [line for line in (self.subtitle or "", *self.key) if line]
        return alt.Title(self.title or "", subtitle=lines if self.key else self.subtitle or "")


def caption(
    given: CaptionKeywords,
    title: str,
    *notes: str,
    omitted: Sequence[str] = (),
    until: date | None = None,
) -> Caption:
    """Return the caption of a chart: what its caller gave, else its own title and notes.

    ``omitted`` says what the picture leaves out. ``until`` is the last day that the table itself knows of; ``as_of``
    goes before it.

    Raises
    ------
    TypeError
        When ``given`` holds a keyword that is none.

    Examples
    --------
    >>> about = caption({"sample": True, "as_of": "2026-03-01"}, "Active users", omitted=["the 6 largest of 8 groups"])
    >>> about.subtitle
    'people · data to 1 Mar 2026 · sample data · the 6 largest of 8 groups'
    """
    known = CaptionKeywords.__annotations__
    for name in given:
        if name not in known:
            raise TypeError(f"{name!r} is not a keyword of this chart. Hint: every chart takes {', '.join(known)}.")
    asked = Caption(**given)
    last = asked.last_day or until
    words = (asked.population, f"data to {day_text(last)}" if last else "")
    if asked.subtitle is not None:
        words, notes = (asked.subtitle, ""), ()
    parts = (*words, "sample data" if asked.sample else "", *notes, *omitted)
    subtitle = safe_text(" · ".join(part for part in parts if part))
    return replace(asked, title=safe_text(asked.title or title), subtitle=subtitle)


def alt_text(kind: str, about: Caption, told: str = "") -> str:
    """Return a chart's alt text: what kind it is, its title and caption, and what there is to see.

    Examples
    --------
    >>> alt_text("Line chart", caption({}, "Weekly active users"), "3 periods")
    'Line chart of weekly active users (people): 3 periods.'
    """
    title = about.title or ""
    # "IDE agents" keeps its capitals.
    words = f"{title[0].lower()}{title[1:]}" if title[1:2].islower() else title
    lines = " · ".join(line for line in (about.subtitle, " ".join(about.key)) if line)
    under = f" ({lines})" if lines else ""
    return f"{kind} of {words}{under}{': ' if told else ''}{told}."


def heading(every: Every | None, words: str) -> str:
    """Return a title that names the period, if it is known.

    Examples
    --------
    >>> heading("1w", "active users"), heading(None, "active users")
    ('Weekly active users', 'Active users')
    """
    named = f"{ADJECTIVE[every]} {words}" if every else words
    return f"{named[0].upper()}{named[1:]}"


def noun(every: Every | None) -> str:
    """Return what one period is called: "week", or "period" where it is not known."""
    return NOUN[every] if every else "period"


def share_text(share: float) -> str:
    """Write a share in per cent, so that little is not read as nothing.

    Examples
    --------
    >>> share_text(0.354), share_text(0.002), share_text(0.0)
    ('35%', '<1%', '0%')
    """
    return "<1%" if 0 < share < _HALF_PERCENT else f"{share:.0%}"


def periods_text(frame: pl.DataFrame) -> tuple[str, pl.DataFrame]:
    """Return how many periods and groups there are, and of a single group the complete periods that more is told of."""
    told = plural(frame["period_start"].n_unique(), "period")
    if frame["group"].n_unique() > 1:
        return f"{told}, {plural(frame['group'].n_unique(), 'group')}", frame.clear()
    complete = frame.filter("is_complete").sort("period_start")
    return (f"{told}, none of them complete" if complete.is_empty() else told), complete


# ---- Rows ----


def read(
    table: pl.DataFrame | pl.LazyFrame, contract: Table, *, keys: Sequence[str] = (), also: Sequence[str] = ()
) -> pl.DataFrame:
    """Check a table and return what a chart may draw of it: its own columns, ``also`` if it has them, and ``group``.

    A row's group is what the text columns beside these say ("Payments · Go"), or null where there
    are none. A NaN or an infinity would make the whole chart vanish without a message: they become null.

    Raises
    ------
    TableError
        When the table does not keep its contract, or rows share their ``keys`` and would lie on one another.
    """
    schema = columns_of(table)
    lazy = contract.check(table.lazy())
    known = [name for name in schema if name in contract.columns or name in also]
    floats = [name for name in known if schema[name].is_float()]
    by = [pl.col(name).cast(pl.String).fill_null("(none)") for name in group_columns(schema, known)]
    group = pl.concat_str(by, separator=" · ") if by else pl.lit(None, dtype=pl.String)
    frame = (
        lazy.with_columns(group.alias("group"))
        .select(*known, "group")
        .with_columns(pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in floats)
        .with_columns(safe_strings())
        .collect()
    )
    told = [key for key in keys if key in frame.columns]
    if told and frame.select(pl.struct(told).is_duplicated().any()).item():
        raise TableError(
            f"The chart of {contract.name} draws one row a {' and '.join(told)}, and this table has several.",
            table=contract.name,
            hint="filter it to one group, and draw a chart for each.",
        )
    return frame


def group_columns(schema: pl.Schema, known: Sequence[str]) -> list[str]:
    """Return the columns that a table was grouped by: those of text beside the known ones."""
    text = (pl.String, pl.Categorical, pl.Enum)
    return [name for name, dtype in schema.items() if name not in known and isinstance(dtype, text)]


def is_grouped(frame: pl.DataFrame) -> bool:
    """Tell whether rows have a group."""
    return frame["group"].null_count() < frame.height


def largest_groups(frame: pl.DataFrame, *, size: str, most: int) -> tuple[pl.DataFrame, str]:
    """Keep the groups with most of ``size`` when there are too many to draw, and say so."""
    totals = frame.group_by("group").agg(pl.col(size).sum()).sort(size, "group", descending=[True, False])
    if totals.height <= most:
        return frame, ""
    kept = frame.join(totals.head(most), on="group", how="semi")
    return kept, f"the {most} largest of {totals.height} groups"


def latest_periods(frame: pl.DataFrame, *, most: int) -> tuple[pl.DataFrame, str]:
    """Keep the last periods when there are more bars than a page carries, and say so."""
    starts = frame["period_start"].unique().drop_nulls().sort()
    if starts.len() <= most:
        return frame, ""
    return frame.filter(pl.col("period_start") >= starts[-most]), f"the last {most} of {starts.len()} periods"


def distinct(column: str) -> pl.Expr:
    """Return labels that differ from one another, so that no two rows of a chart fall into one."""
    again = pl.int_range(pl.len()).over(column)
    number = pl.format("{} ({})", column, again + 1)
    return pl.when(again > 0).then(number).otherwise(column).alias(column)


def interval_note(frame: pl.DataFrame, rate: str) -> str:
    """Return the note that there are intervals, unless none is known."""
    return "95 % confidence intervals" if frame[f"{rate}_low"].count() else ""


def compared_note(frame: pl.DataFrame) -> str:
    """Return the note of how many groups were compared with the others, if they were."""
    most = frame["compared_groups"].max() if "compared_groups" in frame.columns else None
    return f"{most} groups, each compared with the rest" if isinstance(most, int) and most > 1 else ""


def against_the_rest() -> pl.Expr:
    """Return the verdict on each group against all the others in words, ordered."""
    words = pl.col("verdict").cast(pl.String).fill_null(NO_VERDICT).replace_strict(_AGAINST_THE_REST)
    return words.cast(pl.Enum(list(_AGAINST_THE_REST.values()))).alias("verdict")


def unless_judged(column: str) -> Any:
    """Return the opacity of groups: pale where :func:`against_the_rest` measures no difference."""
    differs = (alt.datum[column] == _AGAINST_THE_REST["higher"]) | (alt.datum[column] == _AGAINST_THE_REST["lower"])
    return alt.when(differs).then(alt.value(1)).otherwise(alt.value(_FADED))


def has_bands(frame: pl.DataFrame) -> bool:
    """Tell whether the groups are few enough for their bands to be told apart."""
    return frame["group"].n_unique() <= _MOST_BANDS


# ---- Time ----


def latest_day(days: pl.Series) -> date | None:
    """Return the last of some days, or none of none."""
    return cast("date | None", days.max())


def with_period_ends(
    frame: pl.DataFrame, *, every: Every | None, since: date | str | None = None, as_of: date | None = None
) -> pl.DataFrame:
    """Add ``next_start``, where a bar that fills its period ends, and which period ``is_complete``, as far as is told.

    A period of unknown length is one day. One that begins before ``since`` or ends after ``as_of`` is not complete.
    """
    starts = frame["period_start"].drop_nulls().unique().sort()
    ends = [calendar_period(start, every or "1d").end for start in starts]  # a few hundred days
    known = pl.DataFrame({"period_start": starts, "next_start": pl.Series(ends, dtype=pl.Date).dt.offset_by("1d")})
    whole = pl.lit(value=True)
    if since is not None:
        whole &= pl.col("period_start") >= pl.lit(parse_day(since, name="since"))
    if as_of is not None:
        whole &= pl.col("next_start") <= pl.lit(as_of).dt.offset_by("1d")
    joined = frame.join(known, on="period_start", how="left", maintain_order="left")
    return joined if "is_complete" in frame.columns else joined.with_columns(whole.alias("is_complete"))


def state(words: str = "incomplete") -> pl.Expr:
    """Return whether a row's period is complete, in words."""
    return pl.when("is_complete").then(pl.lit("complete")).otherwise(pl.lit(words)).alias("state")


def mark_incomplete(
    frame: pl.DataFrame,
    value: str,
    *,
    time: str = "period_start",
    line: Sequence[str] = ("group",),
    words: str = "incomplete",
) -> pl.DataFrame:
    """Put in place of ``is_complete`` what draws a line whose incomplete periods are dashed and open.

    ``solid`` holds the value of complete periods, ``open`` that of the others, and ``dashed`` that
    of the others and of their neighbours, so that the dashes reach from the last full point on, or
    up to the first. ``line`` names the columns that tell one line from another.
    """
    complete = pl.col("is_complete")
    before, after = (complete.shift(step, fill_value=True).over(line) for step in (1, -1))
    beside = ~before | ~after
    marked = frame.sort(*line, time).with_columns(
        pl.when(complete).then(pl.col(value)).alias("solid"),
        pl.when(~complete).then(pl.col(value)).alias("open"),
        pl.when(~complete | beside).then(pl.col(value)).alias("dashed"),
        state(words),
    )
    return marked.drop("is_complete")


# ---- Tooltips, axes and colours ----


def tooltip(drawn: pl.DataFrame, titles: Mapping[str, str], **formats: str) -> list[alt.Tooltip]:
    """Return a tooltip for each of these columns that is drawn, written as its dtype is read.

    Integers have separators, days are UTC days, differences in ``_points`` have a sign, means one decimal, and other
    floats are shares in per cent unless ``formats`` says otherwise.
    """
    tips = []
    for column, title in titles.items():
        dtype = drawn.schema.get(column)
        if dtype is None:
            continue
        if dtype == pl.Date:
            tips.append(alt.Tooltip(f"{column}:T", title=title, format="%-d %b %Y"))
        elif dtype.is_numeric():
            in_floats = "+.2f" if column.endswith("_points") else ",.1f" if column.startswith("mean_") else ".1%"
            usual = ",d" if dtype.is_integer() else in_floats
            tips.append(alt.Tooltip(f"{column}:Q", title=title, format=formats.get(column, usual)))
        else:
            tips.append(alt.Tooltip(f"{column}:N", title=title))
    return tips


def interval(rate: str) -> dict[str, str]:
    """Return the tooltips' titles of a rate's interval."""
    return {f"{rate}_low": "Interval from", f"{rate}_high": "Interval to"}


def time_axis(starts: pl.Series, every: Every | None, *, time: str = "period_start") -> alt.X:
    """Return the x encoding of ``time``, days or first days of periods: ticks stand on them, never between."""
    days = starts.drop_nulls().unique().sort()
    # Days of a month or more are read by their weeks: a tick stands on a Monday, as a week's point does.
    by_week = every == "1d" and days.len() > _MOST_DAYS
    named = days.filter(days.dt.weekday() == 1) if by_week else days
    ticks = named.gather_every(max(1, -(-named.len() // _TICKS))).to_list()
    year = days.dt.year().n_unique() > 1 or every in ("1mo", "1q")
    form = "%b %Y" if every in ("1mo", "1q") else ("%-d %b %Y" if year else "%-d %b")
    # Dates travel without a zone and are read back in the reader's: they stay the same day everywhere.
    values = [alt.DateTime(year=day.year, month=day.month, date=day.day) for day in ticks]
    name = "Day (UTC)" if every == "1d" else f"First day of the {noun(every)} (UTC)"
    return alt.X(f"{time}:T", axis=alt.Axis(title=name, format=form, values=values, labelOverlap=True))


def whole_axis(*, signed: bool = True, **more: Any) -> alt.Axis:
    """Return an axis of integers; Vega sets ticks at halves all the same, and these get no label."""
    value = "datum.value" if signed else "abs(datum.value)"
    label = f"datum.value === floor(datum.value) ? format({value}, ',d') : ''"
    return alt.Axis(labelExpr=label, tickMinStep=1, **more)


def share_axis(title: str, *, most: float | None = None) -> Callable[[str], alt.Y]:
    """Return what encodes a column of shares on the y axis, in per cent, from zero, up to ``most`` if told."""
    scale = alt.Scale(domainMin=0, nice=True) if most is None else alt.Scale(domain=[0, most])
    return partial(alt.Y, type="quantitative", title=title, scale=scale, axis=alt.Axis(format="%"))


def count_axis(title: str) -> Callable[[str], alt.Y]:
    """Return what encodes a column of counts on the y axis, from zero."""
    scale = alt.Scale(domainMin=0, nice=True)
    return partial(alt.Y, type="quantitative", title=title, scale=scale, axis=whole_axis())


def series_color(names: Sequence[str] | Mapping[str, str], *, column: str, title: str | None = None) -> alt.Color:
    """Return the colours of a few series in a fixed order, theirs if told, with their legend over the plot."""
    colors = list(names.values()) if isinstance(names, Mapping) else CATEGORIES[: len(names)]
    scale = alt.Scale(domain=list(names), range=list(colors))
    wide = [min(_LEGEND_LABEL, len(name) * _LETTER) + _LEGEND_GAP for name in names]
    # Long names stand in rows under one another: side by side they would push the plot together.
    columns = len(names) if sum(wide) <= WIDTH else max(1, WIDTH // max(wide))
    legend = alt.Legend(orient="top", title=title, titleOrient="left", offset=10, columns=columns)
    return alt.Color(f"{column}:N", title=title, scale=scale, legend=legend, sort=list(names))


def present_color(drawn: pl.DataFrame, colors: Mapping[str, str], *, column: str) -> alt.Color:
    """Return the colours of those series that occur in a column, in their order."""
    present = set(drawn[column])
    return series_color({name: color for name, color in colors.items() if name in present}, column=column)


def group_color(drawn: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Return the rows and the colours of their groups; without groups the rows without their column, and none."""
    if not is_grouped(drawn):
        return drawn.drop("group"), {}
    return drawn, {"color": series_color(drawn["group"].unique().sort().to_list(), column="group")}


# ---- Marks ----


def lines(
    base: alt.Chart,
    y: Callable[[str], alt.Y],
    *,
    value: str,
    titles: Mapping[str, str],
    time: str = "period_start",
    band: bool = False,
) -> list[alt.Chart]:
    """Return the layers of lines that are dashed, with open points, where they are not complete.

    ``base`` holds ``solid``, ``dashed`` and ``open`` (see :func:`mark_incomplete`), and the ends of
    the value's interval if there is a band. ``titles`` are those of the tooltips.
    """
    tips = tooltip(base.data, titles)
    points = base.data[time].n_unique()
    layers = []
    if band:
        # A band needs two points to be seen; a single one gets a whisker.
        whisker = base.mark_rule(color=ACCENT, strokeWidth=2)
        shade = whisker if points == 1 else base.mark_area(color=ACCENT, opacity=_BAND)
        layers.append(shade.encode(y=y(f"{value}_low"), y2=f"{value}_high:Q"))
    thick = _THIN if points > _MAX_DOTS else _THICK
    layers.append(base.mark_line(color=ACCENT, strokeWidth=thick, strokeJoin="round").encode(y=y("solid")))
    # A layer without a single point to draw makes Vega complain, so it is left out.
    has_open = base.data["open"].count() > 0
    if has_open:
        dashed = base.mark_line(color=ACCENT, strokeWidth=2, strokeDash=[5, 4], strokeJoin="round")
        layers.append(dashed.encode(y=y("dashed")))
    if points > _MAX_DOTS:
        return [*layers, base.mark_point(opacity=0, size=90, aria=False).encode(y=y(value), tooltip=tips)]
    layers.append(base.mark_point(color=ACCENT, filled=True, opacity=1, size=55).encode(y=y("solid"), tooltip=tips))
    if has_open:
        hollow = base.mark_point(color=ACCENT, fill=LIGHT.surface, opacity=1, size=60, strokeWidth=2)
        layers.append(hollow.encode(y=y("open"), tooltip=tips))
    return layers


def whiskers(
    drawn: pl.DataFrame, *, row: str, rate: str, title: str, titles: Mapping[str, str], color: Mapping[str, Any]
) -> alt.LayerChart:
    """Return a row for each ``row`` with its rate as a dot and the rate's interval as whiskers.

    Rows stand as they come. With a colour each row has a dot for each group, one under the other.
    """
    names = drawn[row].unique(maintain_order=True).to_list()
    dots = drawn["group"].n_unique() if color and row != "group" else 1
    apart: dict[str, Any] = {"yOffset": alt.YOffset("group:N")} if color and row != "group" else {}
    rows = alt.Y(f"{row}:N", sort=names, title=None, axis=alt.Axis(grid=dots > 1, tickBand="extent"))
    base = alt.Chart(drawn).encode(y=rows, tooltip=tooltip(drawn, titles), **color, **apart)
    axis = alt.Axis(format="%", title=title, grid=True, tickCount=8)
    scale = alt.Scale(domainMin=0, nice=True)
    return alt.LayerChart(
        layer=[
            base.mark_rule(color=ACCENT, strokeWidth=2, opacity=0.55).encode(
                x=alt.X(f"{rate}_low:Q", axis=axis, scale=scale), x2=f"{rate}_high:Q"
            ),
            base.mark_point(color=ACCENT, filled=True, opacity=1, size=90).encode(
                x=alt.X(f"{rate}:Q", axis=axis, scale=scale)
            ),
        ]
    ).properties(height=len(names) * max(_ROW_HEIGHT, 14 * dots + 8))


def ranked_dots(
    frame: pl.DataFrame, rate: str, *, axis: str, titles: Mapping[str, str], about: Caption
) -> alt.LayerChart:
    """Return a chart of a dot with whiskers for each group, the highest rate first and unknown ones last.

    With a column ``verdict`` of each group against the rest, groups stand by their verdict first, and have its colour.
    """
    named = frame.with_columns(pl.col("group").fill_null("all"))
    order, color = [pl.col(rate)], {}
    if "verdict" in frame.columns:
        named = named.with_columns(against_the_rest())
        colors = {words: VERDICTS[verdict] for verdict, words in _AGAINST_THE_REST.items()}
        color = {"color": present_color(named, colors, column="verdict")}
        order = [-pl.col("verdict").to_physical().cast(pl.Int64), *order]
        titles = {**titles, "verdict": "Against the rest"}
    ranked = named.sort(*order, "group", descending=[True] * len(order) + [False], nulls_last=True)
    ranked, about = with_row_goals(ranked, rate, about)
    dots = whiskers(ranked, row="group", rate=rate, title=axis, titles={**titles, "goal": "Goal"}, color=color)
    if "goal" in ranked.columns:
        tick = alt.Chart(ranked).mark_tick(color=LIGHT.ink, thickness=2, size=_ROW_HEIGHT - 6, aria=False)
        dots += tick.encode(x="goal:Q", y=alt.Y("group:N", sort=None)).transform_filter("isValid(datum.goal)")
    return finished(dots, about, "Dot plot", plural(frame.height, "group"))


def period_bars(
    drawn: pl.DataFrame, y: alt.Y, *, every: Every | None, color: alt.Color, titles: Mapping[str, str], over: str
) -> alt.Chart:
    """Return pieces of bars from ``bottom`` to ``top`` that fill their periods.

    Incomplete periods, in whose column ``over`` stands another word than "complete", are drawn faded.
    """
    few = drawn.height <= MAX_OUTLINED
    bars: alt.Chart = alt.Chart(drawn).mark_bar(stroke=LIGHT.surface, strokeWidth=0.6 if few else 0, aria=few)
    return bars.encode(
        x=time_axis(drawn["period_start"], every),
        x2="next_start:T",
        y=y,
        y2="top:Q",
        color=color,
        tooltip=tooltip(drawn, titles),
        opacity=faded(over),
    )


def faded(column: str) -> Any:
    """Return the opacity of bars: incomplete periods, those whose column does not say "complete", are faded."""
    return alt.when(alt.datum[column] == "complete").then(alt.value(1)).otherwise(alt.value(_FADED))


def share_rows(
    drawn: pl.DataFrame, *, title: str, color: alt.Color, titles: Mapping[str, str], axis: Any = alt.Undefined
) -> alt.Chart:
    """Return a bar for each group, split into pieces from ``bottom`` to ``top`` that together are the whole."""
    names = drawn["group"].unique(maintain_order=True).to_list()
    bars: alt.Chart = alt.Chart(drawn).mark_bar(stroke=LIGHT.surface, strokeWidth=1)
    share = alt.X("bottom:Q", title=title, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%", grid=True))
    rows = alt.Y("group:N", title=None, sort=names, axis=axis)
    return bars.encode(x=share, x2="top:Q", y=rows, color=color, tooltip=tooltip(drawn, titles))


def heat_map(base: alt.Chart, share: str, *, title: str, unknown: str, legend: alt.Legend) -> list[alt.Chart]:
    """Return the layers of cells in the ramp's colour of their share; where ``unknown`` holds they are light grey."""
    color = alt.Color(f"{share}:Q", title=title, scale=alt.Scale(domain=[0, 1], scheme="cividis"), legend=legend)
    return [
        base.mark_rect(cornerRadius=2, color=LIGHT.ghost).transform_filter(unknown),
        base.mark_rect(cornerRadius=2).encode(color=color).transform_filter(f"isValid(datum.{share})"),
    ]


def ramp_ink(share: str) -> Any:
    """Return the colour of a number that stands on the ramp's colour of a share: 4.5 to 1 or more on all of it.

    It is written otherwise than the paper's white, as it stays what it is in the dark.
    """
    return alt.when(alt.datum[share] < _DARK_BELOW).then(alt.value("#fff")).otherwise(alt.value("#000"))


def zero_line(drawn: pl.DataFrame, *, axis: str = "x", groupby: Any = alt.Undefined) -> alt.Chart:
    """Return the rule at zero of an axis, once a chart or panel."""
    rule: alt.Chart = alt.Chart(drawn).mark_rule(color=LIGHT.muted)
    return rule.transform_aggregate(rows="count()", groupby=groupby).encode(**{axis: alt.datum(0)})


def numbers(base: alt.Chart, expression: str) -> alt.Chart:
    """Return numbers behind the ends of bars, written by a Vega expression."""
    text: alt.Chart = base.mark_text(align="left", dx=6)
    return text.transform_calculate(number=expression).encode(text="number:N")


def numbered_rows(
    drawn: pl.DataFrame, row: str, count: str, share: str, *, titles: Mapping[str, str], **color: alt.Color
) -> list[alt.Chart]:
    """Return a bar of counts for each ``row``, as they come, with the count and a share, a Vega expression, behind."""
    scale, axis = alt.Scale(domainMin=0, nice=True), whole_axis(grid=True)
    base = alt.Chart(drawn).encode(
        x=alt.X(f"{count}:Q", title=titles[count], axis=axis, scale=scale),
        y=alt.Y(f"{row}:N", title=None, sort=drawn[row].to_list()),
        tooltip=tooltip(drawn, titles),
    )
    number = f"format(datum.{count}, ',d') + ' · ' + format({share}, '.0%')"
    return [base.mark_bar(cornerRadiusEnd=2, color=ACCENT).encode(**color), numbers(base, number)]


# ---- Curves of groups, in steps or straight ----


@dataclass(frozen=True)
class Steps:
    """What a Kaplan-Meier curve needs beside its table: days, users at risk, events and a rate with its interval."""

    table: Table
    heading: str
    x_title: str
    y_title: str
    rate_title: str
    event_title: str
    followed: str


def steps_chart(table: pl.DataFrame | pl.LazyFrame, steps: Steps, given: CaptionKeywords) -> alt.LayerChart:
    """Draw a Kaplan-Meier curve: a rate that holds from each day until the next, with its interval as a band."""
    events, rate = list(steps.table.columns)[2:4]
    frame = read(table, steps.table, keys=["group", "days"])
    frame, fewer = largest_groups(frame, size="at_risk_users", most=MAX_LINES)
    number = frame.filter(pl.col("days") == pl.col("days").min().over("group"))["at_risk_users"].sum()
    followed = f"{number:,} {steps.followed} followed" if number else ""
    about = caption(given, steps.heading, followed, interval_note(frame, rate), omitted=[fewer])
    if not frame[rate].count():
        return no_data(about)
    drawn, color = group_color(frame.sort("group", "days"))
    titles = {"days": steps.x_title, rate: steps.rate_title} | interval(rate)
    titles |= {events: steps.event_title, "at_risk_users": "Users still followed"} | GROUP
    x = alt.X("days:Q", title=steps.x_title, scale=alt.Scale(nice=False), axis=whole_axis())
    base = alt.Chart(drawn).encode(x=x, **color)
    y = share_axis(steps.y_title, most=1)
    band = base.mark_area(color=ACCENT, opacity=_BAND, interpolate="step-after")
    line = base.mark_line(color=ACCENT, strokeWidth=_THICK, interpolate="step-after")
    # Of a single day no step can be seen: it is a dot.
    dots = base.mark_point(color=ACCENT, filled=True, opacity=int(drawn["days"].n_unique() == 1), size=90, aria=False)
    layers = [
        *([band.encode(y=y(f"{rate}_low"), y2=f"{rate}_high:Q")] if has_bands(frame) else []),
        line.encode(y=y(rate)),
        dots.encode(y=y(rate), tooltip=tooltip(drawn, titles)),
    ]
    told = curve_text(frame, time="days", rate=rate, noun="day")
    return single(layers, about, "Line chart", told)


def curve_text(frame: pl.DataFrame, *, time: str, rate: str, noun: str) -> str:
    """Return a curve's alt text: from which share to which, unless there are groups."""
    known = frame.drop_nulls(rate).sort(time)
    told = plural(known[time].n_unique(), noun)
    if is_grouped(frame):
        return f"{told}, {plural(frame['group'].n_unique(), 'group')}"
    first, last = known.row(0, named=True), known.row(-1, named=True)
    return f"{told}, from {first[rate]:.0%} at {noun} {first[time]} to {last[rate]:.0%} at {noun} {last[time]}"


# ---- Whole charts ----


def finished(chart: alt.LayerChart, about: Caption, kind: str, told: str) -> alt.LayerChart:
    """Give a chart its title, its width and its alt text, see :func:`alt_text`."""
    return chart.properties(title=about.heading, width=about.width, description=alt_text(kind, about, told))


def single(
    layers: Sequence[alt.Chart],
    about: Caption,
    kind: str,
    told: str,
    *,
    metric: str | None = None,
    height: int = HEIGHT,
) -> alt.LayerChart:
    """Return the finished chart of some layers, along time with events, days off, and the targets of a metric."""
    layered, _, about = with_context(list(layers), layers[0].data, about, metric)
    return finished(alt.LayerChart(layer=layered).properties(height=height), about, kind, told)


def panels(
    layers: Sequence[alt.Chart],
    about: Caption,
    kind: str,
    told: str,
    *,
    metric: str | None = None,
    height: int = _PANEL_HEIGHT,
) -> alt.LayerChart | alt.FacetChart:
    """Return small multiples on the same scales, one for each ``panel`` as they come, or without panels one chart."""
    drawn = layers[0].data
    if "panel" not in drawn.columns:
        return single(layers, about, kind, told, metric=metric)
    names = drawn["panel"].unique(maintain_order=True).to_list()
    columns = min(_COLUMNS, len(names))
    each = (about.width - _GUTTER * (columns - 1)) // columns
    facet = alt.Facet("panel:N", title=None, sort=names, header=alt.Header(labelLimit=each))
    layered, shared, about = with_context(list(layers), drawn, about, metric)
    inner = [layer.copy(deep=False) for layer in layered]
    for layer in inner:
        if layer.data is drawn:  # split over the panels; what has rows of its own stands in each
            layer.data = alt.Undefined
    one = alt.LayerChart(data=shared, layer=inner).properties(width=each, height=height)
    return one.facet(facet=facet, columns=columns, spacing=_GUTTER).properties(
        title=about.heading, description=alt_text(kind, about, told)
    )


def no_data(about: Caption) -> alt.LayerChart:
    """Return the chart of an empty table: its title, and the words that say so."""
    words = alt.Chart(pl.DataFrame({"words": ["No data"]})).mark_text(fontSize=16).encode(text="words:N")
    return alt.LayerChart(layer=[words]).properties(
        title=about.heading, width=about.width, height=HEIGHT // 2, description=f"{about.title}: no data."
    )
