"""The marks that several charts draw: lines that dash where unsure, dots with whiskers, steps in a band, panels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from augment_insights.charts.theme import ACCENT, CATEGORIES, HEIGHT, LIGHT, WIDTH, load_altair

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import altair as alt
    import polars as pl

MAX_PANELS = 8
"""More small multiples than this are not compared by eye."""

MOST_BANDS = 3
"""More bands than this on one another cannot be told apart; the ends are in the tooltips."""

BAND = 0.18
VEILED = 0.4
"""How opaque a band is, and a bar whose period is not over."""

MAX_OUTLINED = 500
"""More pieces of bars than this are thinner than an outline, and too many to be read out one by one."""

_COLUMNS = 2
_GUTTER = 36
_PANEL_HEIGHT = 150
_MAX_DOTS = 60
"""A line with more points than this shows them only under the pointer."""

_LETTER = 7
_LEGEND_LABEL = 260
_LEGEND_GAP = 32
"""What a letter of a legend takes in pixels, the most that a label may take, and what stands between two."""

_TICKS = 8
_DARK_BELOW = 0.465
"""Where cividis, from dark to light, is as far from white as from black."""
_ROW_HEIGHT = 24
_THICK, _THIN = 2.5, 1.8


def percent(column: str, title: str) -> alt.Tooltip:
    """Return the tooltip of a rate."""
    import altair as alt  # noqa: PLC0415 (see load_altair)

    return alt.Tooltip(f"{column}:Q", title=title, format=".1%")


def count(column: str, title: str) -> alt.Tooltip:
    """Return the tooltip of a whole number."""
    import altair as alt  # noqa: PLC0415 (see load_altair)

    return alt.Tooltip(f"{column}:Q", title=title, format=",d")


def day(column: str, title: str) -> alt.Tooltip:
    """Return the tooltip of a UTC day."""
    import altair as alt  # noqa: PLC0415 (see load_altair)

    return alt.Tooltip(f"{column}:T", title=title, format="%-d %b %Y")


def words(column: str, title: str) -> alt.Tooltip:
    """Return the tooltip of a text."""
    import altair as alt  # noqa: PLC0415 (see load_altair)

    return alt.Tooltip(f"{column}:N", title=title)


def interval(rate: str) -> list[alt.Tooltip]:
    """Return the tooltips of a rate's 95% interval."""
    return [percent(f"{rate}_low", "Interval from"), percent(f"{rate}_high", "Interval to")]


def share_axis(title: str, *, most: float | None = None) -> Callable[[str], alt.Y]:
    """Return what encodes a column of shares on the y axis, in per cent, from zero, up to ``most`` if told."""
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    return _axis(title, alt.Axis(format="%"), most=most)


def count_axis(title: str) -> Callable[[str], alt.Y]:
    """Return what encodes a column of whole numbers on the y axis, from zero."""
    load_altair()
    return _axis(title, whole_axis())


def whole_axis(*, signed: bool = True, **more: Any) -> alt.Axis:
    """Return an axis of whole numbers; Vega sets ticks at halves all the same, and these get no label."""
    import altair as alt  # noqa: PLC0415 (see load_altair)

    value = "datum.value" if signed else "abs(datum.value)"
    label = f"datum.value === floor(datum.value) ? format({value}, ',d') : ''"
    return alt.Axis(labelExpr=label, tickMinStep=1, **more)


def _axis(title: str, axis: alt.Axis, *, most: float | None = None) -> Callable[[str], alt.Y]:
    import altair as alt  # noqa: PLC0415 (see load_altair)

    scale = alt.Scale(domainMin=0, nice=True) if most is None else alt.Scale(domain=[0, most])

    def y(column: str) -> alt.Y:
        return alt.Y(f"{column}:Q", title=title, scale=scale, axis=axis)

    return y


def series_color(
    names: Sequence[str], *, column: str, colors: Sequence[str] = CATEGORIES, title: str | None = None
) -> alt.Color:
    """Return the colours of a few series in a fixed order, with their legend over the plot."""
    import altair as alt  # noqa: PLC0415 (see load_altair)

    scale = alt.Scale(domain=list(names), range=list(colors[: len(names)]))
    wide = [min(_LEGEND_LABEL, len(name) * _LETTER) + _LEGEND_GAP for name in names]
    # Long names stand in rows under one another: side by side they would push the plot together.
    columns = len(names) if sum(wide) <= WIDTH else max(1, WIDTH // max(wide))
    legend = alt.Legend(orient="top", title=title, titleOrient="left", offset=10, columns=columns)
    return alt.Color(f"{column}:N", title=title, scale=scale, legend=legend, sort=list(names))


def ramp_ink(share: str) -> Any:
    """Return the colour of a number that stands on the ramp's colour of a share: 4.5 to 1 or more on all of it."""
    import altair as alt  # noqa: PLC0415 (see load_altair)

    return alt.when(alt.datum[share] < _DARK_BELOW).then(alt.value("#ffffff")).otherwise(alt.value("#000000"))


def veil(state: str) -> dict[str, Any]:
    """Return the opacity of bars: those whose column ``state`` does not say "complete" are pale."""
    import altair as alt  # noqa: PLC0415 (see load_altair)

    return {"opacity": alt.when(alt.datum[state] == "complete").then(alt.value(1)).otherwise(alt.value(VEILED))}


def lines(
    base: alt.Chart,
    y: Callable[[str], alt.Y],
    *,
    value: str,
    tooltip: Sequence[alt.Tooltip],
    band: str | None = None,
    points: int,
) -> list[alt.Chart]:
    """Return the layers of lines that are dashed, with open points, where they are not complete.

    ``base`` holds ``solid``, ``dashed`` and ``open`` (see ``caption.mark_incomplete``), and the
    ends of the interval of ``band``, if there is one. ``points`` is how many a line has.
    """
    layers = []
    thick = _THIN if points > _MAX_DOTS else _THICK
    if band is not None:
        # A band needs two points to be seen; a single one gets a whisker.
        shade = (
            base.mark_rule(color=ACCENT, strokeWidth=2) if points == 1 else base.mark_area(color=ACCENT, opacity=BAND)
        )
        layers.append(shade.encode(y=y(f"{band}_low"), y2=f"{band}_high:Q"))
    layers.append(base.mark_line(color=ACCENT, strokeWidth=thick, strokeJoin="round").encode(y=y("solid")))
    # A layer without a single point to draw makes Vega complain, so it is left out.
    has_open = base.data["open"].count() > 0
    if has_open:
        dashed = base.mark_line(color=ACCENT, strokeWidth=2, strokeDash=[5, 4], strokeJoin="round")
        layers.append(dashed.encode(y=y("dashed")))
    tips = list(tooltip)
    if points > _MAX_DOTS:
        return [*layers, base.mark_point(opacity=0, size=90, aria=False).encode(y=y(value), tooltip=tips)]
    layers.append(base.mark_point(color=ACCENT, filled=True, opacity=1, size=55).encode(y=y("solid"), tooltip=tips))
    if has_open:
        hollow = base.mark_point(color=ACCENT, fill=LIGHT.surface, opacity=1, size=60, strokeWidth=2)
        layers.append(hollow.encode(y=y("open"), tooltip=tips))
    return layers


def steps(
    base: alt.Chart, y: Callable[[str], alt.Y], *, rate: str, tooltip: Sequence[alt.Tooltip], band: bool, points: int
) -> list[alt.Chart]:
    """Return the layers of a rate that holds from each day until the next, with its interval.

    ``points`` is how many a line has: a single one is a dot, as no step can be seen.
    """
    layers = []
    if band:
        shade = base.mark_area(color=ACCENT, opacity=BAND, interpolate="step-after")
        layers.append(shade.encode(y=y(f"{rate}_low"), y2=f"{rate}_high:Q"))
    return [
        *layers,
        base.mark_line(color=ACCENT, strokeWidth=2.5, interpolate="step-after").encode(y=y(rate)),
        base.mark_point(color=ACCENT, filled=True, opacity=int(points == 1), size=90, aria=False).encode(
            y=y(rate), tooltip=list(tooltip)
        ),
    ]


def whiskers(
    drawn: pl.DataFrame,
    *,
    row: str,
    rate: str,
    title: str,
    tooltip: Sequence[alt.Tooltip],
    color: Mapping[str, Any] | None = None,
) -> alt.LayerChart:
    """Return a row for each ``row`` with its rate as a dot and the rate's interval as whiskers.

    Rows stand as they come. With a colour each row has a dot for each group, one under the other.
    """
    load_altair()
    import altair as alt  # noqa: PLC0415 (see load_altair)

    names = drawn[row].unique(maintain_order=True).to_list()
    dots = drawn["group"].n_unique() if color else 1
    apart: dict[str, Any] = {"yOffset": alt.YOffset("group:N")} if color else {}
    rows = alt.Y(f"{row}:N", sort=names, title=None, axis=alt.Axis(grid=dots > 1, tickBand="extent"))
    base = alt.Chart(drawn).encode(y=rows, tooltip=list(tooltip), **(color or {}), **apart)
    axis = alt.Axis(format="%", title=title, grid=True, tickCount=_TICKS)
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


def panels(chart: alt.LayerChart, names: Sequence[str], *, width: int, height: int = _PANEL_HEIGHT) -> alt.FacetChart:
    """Return small multiples: the chart once for each of ``names`` in its column ``panel``, on the same scales."""
    import altair as alt  # noqa: PLC0415 (see load_altair)

    columns = min(_COLUMNS, len(names))
    each = (width - _GUTTER * (columns - 1)) // columns
    facet = alt.Facet("panel:N", title=None, sort=list(names), header=alt.Header(labelLimit=each))
    sized = chart.properties(width=each, height=height)
    return sized.facet(facet=facet, columns=columns, spacing=_GUTTER)


def single(chart: alt.LayerChart, *, width: int, height: int = HEIGHT) -> alt.LayerChart:
    """Return a chart of one panel in its size."""
    return chart.properties(width=width, height=height)
