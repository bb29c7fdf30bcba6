"""How every chart looks, and how it reaches the screen without a network.

The look is one quiet theme: categories of Okabe and Ito and the cividis ramp, both chosen to be
told apart by colour-blind readers. The way to the screen is a bundle of three forms of the chart,
because no single one works everywhere: JupyterLab draws the first, viewers without scripts (an
untrusted notebook, a code host's preview) show the second, and a terminal prints the third.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from base64 import b64encode
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

from augment_insights.errors import ConfigurationError, did_you_mean, safe_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import PathLike

    import altair as alt

    Chart = alt.Chart | alt.LayerChart | alt.FacetChart
    Spec = Mapping[str, Any]

NAME = "augment_insights"
"""The name under which the theme and the renderer are registered with Altair."""

VEGALITE_VERSION = "6.4"
"""The Vega-Lite that Altair 6.3 writes, and that vl-convert is asked to compile with."""

VEGA_MIME = "application/vnd.vega.v5+json"
"""The newest chart format that JupyterLab 4.6 draws by itself; Altair's own is one it does not know."""

CATEGORIES = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7")
"""Okabe and Ito's colours without black and yellow, which vanish on a dark or a light page."""

ACCENT = CATEGORIES[0]

WIDTH = 720
HEIGHT = 300

_PNG_SCALE = 2
_LAST_DRAWN = 32
"""So many charts are kept as they were drawn: a notebook shows each, and then puts it on its page."""

_IDS = re.compile(r'(?<=id=")(?:gradient_|clip)\d+(?=")|(?<=url\(#)(?:gradient_|clip)\d+(?=\))')
_FONT = '"Helvetica Neue", Arial, "Liberation Sans", sans-serif'

THEME_VARIABLE = "AUGMENT_INSIGHTS_THEME"
"""The environment variable that names a theme, for reports too."""

_KEYS = ("colours", "accent", "font", "logo")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_FONT_NAMES = re.compile(r"[\w ,'-]{1,200}")
_WHITE, _NIGHT = "#ffffff", "#1a1e24"
_WORDS, _SEEN, _DRAWN = 4.5, 3.0, 2.0
"""The least contrast of words and of what is drawn, as WCAG 2.2 has it, and of a series that has its numbers beside."""

_LINEAR = 0.04045
"""Up to here sRGB is a straight line."""

_MOST_BYTES = 200_000
"""A logo travels inside each page, and pages have a limit."""

_IMAGES = {".svg": ("image/svg+xml", b"<svg"), ".png": ("image/png", b"\x89PNG\r\n")}
_READERS = {".toml": tomllib.loads, ".json": json.loads, ".yaml": yaml.safe_load, ".yml": yaml.safe_load}


@dataclass(frozen=True)
class Palette:
    """The colours that depend on the paper: the chart's background and what is written on it.

    ``series`` stands for the colours of a theme of one's own, where the paper decides on their tones.
    """

    paper: str | None = "#ffffff"
    ink: str = "#1b1f24"
    muted: str = "#57606a"
    grid: str = "#e4e7eb"
    ghost: str = "#e8eaed"
    surface: str = "#ffffff"
    accent: str = ACCENT
    series: tuple[str, ...] = ()


LIGHT = Palette()
"""For notebooks, images and print."""

NIGHT = Palette(
    paper="var(--jp-layout-color0, #111111)",
    ink="#e8ebef",
    muted="#a3adb8",
    grid="#343b44",
    ghost="#2c323a",
    surface="var(--jp-layout-color0, #111111)",
)
"""For a notebook in the dark. Charts are repainted where they stand: what is saved of them stays on white paper."""


# ---- A theme of one's own ----


@dataclass(frozen=True)
class Theme:
    """What a theme changes; what it leaves out stays as the package has it.

    Parameters
    ----------
    colours : tuple of str
        The colours of categories, in their order, as ``#rrggbb``.
    accent : str
        The colour of what stands alone: a single line, links; in a dark page a lighter tone of it.
    font : str
        A font, or several from the best on, that readers have installed.
    logo : str
        A picture for the head of a page, as a data URI.
    """

    colours: tuple[str, ...] = ()
    accent: str = ""
    font: str = ""
    logo: str = ""

    @property
    def dark(self) -> dict[str, str]:
        """Each colour with the tone of it that can be seen in a dark page."""
        tones = {colour: _toned(colour, _WHITE, paper=_NIGHT, least=_SEEN) for colour in self.colours}
        accent = {self.accent: _toned(self.accent, _WHITE, paper=_NIGHT, least=_WORDS)} if self.accent else {}
        return tones | accent

    @property
    def page_style(self) -> str:
        """What the style sheet of a page takes from this theme."""
        colours = {f"series-{n}": colour for n, colour in enumerate(self.colours, 1)}
        colours |= {"accent": self.accent} if self.accent else {}
        day = " ".join(f"--{name}: {colour};" for name, colour in colours.items())
        night = " ".join(f"--{name}: {self.dark[colour]};" for name, colour in colours.items())
        rules = [f":root {{ {day} }}", f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {night} }} }}"]
        font = f"body {{ font-family: {self.font}, system-ui, sans-serif; }}" if self.font else ""
        return "\n".join([*(rules if colours else []), font])


THEMES: Mapping[str, Theme] = {
    "default": Theme(),
    "high_contrast": Theme(("#004488", "#7A5200", "#117733", "#994455", "#332288", "#555555"), "#004488"),
}
"""The themes that have a name; every colour of "high_contrast" has at least 4.5 to 1 against white."""


def read_theme(theme: str | PathLike[str] | Mapping[str, Any]) -> Theme:
    """Return the theme of a name, a mapping or a file, checked.

    Raises
    ------
    ConfigurationError
        No theme of that name and no such file, a file that cannot be read, or a value in it that cannot be used.

    Examples
    --------
    >>> read_theme({"colours": ["#123456", "#883300"], "font": "Inter"}).accent
    '#123456'
    """
    if isinstance(theme, Mapping):
        return _checked(theme, Path(), "the mapping")
    if str(theme) in THEMES:
        return THEMES[str(theme)]
    path = Path(theme).expanduser()
    if path.suffix.lower() not in _READERS:
        known = f"{did_you_mean(str(theme), THEMES)} Or the path of a .toml, .json or .yaml file."
        raise _refused(f"There is no theme {str(theme)!r}.", known)
    try:
        values = _READERS[path.suffix.lower()](path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise _refused(
            f"The theme {str(path)!r} cannot be read: {error}.", " Hint: check the path and the file."
        ) from error
    if not isinstance(values, Mapping):
        raise _refused(f"The theme {str(path)!r} holds no names with values.", f" Known: {', '.join(_KEYS)}.")
    return _checked(values, path.parent, repr(str(path)))


def _refused(what: str, hint: str) -> ConfigurationError:
    return ConfigurationError(f"{what}{hint}", setting="theme")


def _checked(values: Mapping[str, Any], folder: Path, source: str) -> Theme:
    """Return the theme that these values describe; paths are those seen from ``folder``."""
    for name in values:
        if name not in _KEYS:
            raise _refused(f"The theme of {source} has {name!r}.", did_you_mean(str(name), _KEYS))
    colours = values.get("colours", [])
    if (
        not isinstance(colours, list | tuple)
        or len(colours) > len(CATEGORIES)
        or len({*map(str, colours)}) < len(colours)
    ):
        raise _refused(
            f"The theme of {source} has colours={colours!r}.",
            f" Hint: up to {len(CATEGORIES)} different ones, in a list.",
        )
    for colour in colours:
        _check_colour(colour, source, least=_DRAWN)
    accent = values.get("accent", next(iter(colours), ""))
    if accent:
        _check_colour(accent, source, least=_WORDS)
    font = values.get("font", "")
    if not isinstance(font, str) or (font and not _FONT_NAMES.fullmatch(font)):
        raise _refused(f"The theme of {source} has font={font!r}.", " Hint: the name of a font, or names with commas.")
    logo = values.get("logo")
    return Theme(tuple(colours), accent, font, _picture(folder / str(logo), source) if logo else "")


def _check_colour(colour: object, source: str, *, least: float) -> None:
    if not isinstance(colour, str) or not _COLOUR.fullmatch(colour):
        raise _refused(f"The theme of {source} has the colour {colour!r}.", " Hint: write it as '#0072B2'.")
    found = contrast(colour, _WHITE)
    if found < least:
        raise _refused(
            f"The colour {colour} of {source} can hardly be seen on white: its contrast is {found:.1f} to 1, and "
            f"{'words need' if least == _WORDS else 'lines and bars need'} {least:g}.",
            f" Hint: {_toned(colour, '#000000', paper=_WHITE, least=least)} is a darker tone of it.",
        )


def _picture(path: Path, source: str) -> str:
    """Return a picture as a data URI; as an image of a page, an SVG can run nothing."""
    kind, mark = _IMAGES.get(path.suffix.lower(), ("", b""))
    try:
        data = path.expanduser().read_bytes()
    except OSError as error:
        raise _refused(f"The logo of {source} cannot be read: {error}.", " Hint: check its path.") from error
    if not kind or mark not in data[:2000] or len(data) > _MOST_BYTES:
        limit = f" Hint: an SVG or PNG of at most {_MOST_BYTES // 1000} kB."
        raise _refused(f"The logo {str(path)!r} of {source} cannot be used ({len(data):,} bytes).", limit)
    return f"data:{kind};base64,{b64encode(data).decode('ascii')}"


def _channels(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


def contrast(one: str, other: str) -> float:
    """Return WCAG's contrast ratio of two colours, from 1 to 21.

    Examples
    --------
    >>> round(contrast("#000000", "#ffffff"), 1)
    21.0
    """

    def luminance(colour: str) -> float:
        parts = [channel / 255 for channel in _channels(colour)]
        red, green, blue = (part / 12.92 if part <= _LINEAR else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _toned(colour: str, towards: str, *, paper: str, least: float) -> str:
    """Return the first tone of a colour on its way to another that can be read on a paper."""
    for step in range(21):
        mixed = (
            round(here + (there - here) * step / 20)
            for here, there in zip(_channels(colour), _channels(towards), strict=True)
        )
        tone = "#" + "".join(f"{channel:02x}" for channel in mixed)
        if contrast(tone, paper) >= least:
            break
    return tone


def current_theme() -> Theme:
    """Return the theme that :func:`setup` chose, else the environment's, else the package's own."""
    return _CHOSEN.get("theme") or _theme_of(os.environ.get(THEME_VARIABLE) or "default")


_CHOSEN: dict[str, Theme] = {}
_theme_of = cache(read_theme)


def categories() -> tuple[str, ...]:
    """Return the colours of series: the theme's own first, and ours for the rest."""
    own = current_theme().colours
    return (*own, *(color for color in CATEGORIES if color not in own))[: len(CATEGORIES)]


def config(palette: Palette = LIGHT) -> dict[str, Any]:
    """Return the theme as a Vega-Lite config, in the colours of a paper."""
    quiet = {"titleColor": palette.muted, "titleFontSize": 13, "titleFontWeight": "normal"}
    axis = {
        "domainColor": palette.grid,
        "gridColor": palette.grid,
        "labelColor": palette.muted,
        "labelFontSize": 13,
        "labelLimit": 260,
        "labelPadding": 6,
        "tickColor": palette.grid,
        "titlePadding": 10,
        **quiet,
    }
    return {
        "background": palette.paper,
        "font": f"{current_theme().font}, {_FONT}".removeprefix(", "),
        "padding": 8,
        "view": {"stroke": None, "continuousWidth": WIDTH, "continuousHeight": HEIGHT},
        "title": {
            "anchor": "start",
            "color": palette.ink,
            "fontSize": 19,
            "fontWeight": 600,
            "frame": "group",
            "offset": 16,
            "subtitleColor": palette.muted,
            "subtitleFontSize": 13,
            "subtitlePadding": 6,
        },
        "axis": axis,
        "axisX": {"grid": False},
        "axisY": {"domain": False, "ticks": False},
        "header": {
            "labelAnchor": "start",
            "labelColor": palette.ink,
            "labelFontSize": 13,
            "labelFontWeight": 600,
            "labelLimit": 260,
        },
        "legend": {"labelColor": palette.ink, "labelFontSize": 13, "labelLimit": 260, "symbolOpacity": 1, **quiet},
        "range": {"category": list(categories()), "heatmap": {"scheme": "cividis"}, "ramp": {"scheme": "cividis"}},
        "text": {"color": palette.muted, "fontSize": 13},
    }


@contextmanager
def without_iri_grammar() -> Iterator[None]:
    """Let a block import jsonschema without the grammar of international addresses.

    jsonschema builds that grammar on import, for one to two seconds, and treats it as optional;
    neither charts nor notebooks have a field of that format. What was imported before is left alone.
    """
    name = "rfc3987_syntax"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # None is how Python marks "cannot be imported"
    try:
        yield
    finally:
        del sys.modules[name]


def load_altair() -> Any:
    """Import Altair the quick way, when the first chart is drawn: it costs several times what Polars does."""
    with without_iri_grammar():
        import altair as alt  # noqa: PLC0415 (late on purpose: reports read the colours of this file and may draw nothing)
    return alt


def to_vegalite(chart: Chart, *, palette: Palette = LIGHT) -> dict[str, Any]:
    """Return a chart as a Vega-Lite spec in our theme, whichever theme is enabled; a chart's own config wins."""
    return painted(unpainted(chart), palette=palette)


def unpainted(chart: Chart) -> dict[str, Any]:
    """Return a chart as a Vega-Lite spec without a theme: it is checked as it is made, which takes a while."""
    with load_altair().theme.enable("none"):
        spec: dict[str, Any] = chart.to_dict()
    return spec


def painted(spec: Spec, *, palette: Palette = LIGHT) -> dict[str, Any]:
    """Return an unpainted spec in our theme, in the colours of a paper."""
    own = {key: value for key, value in spec.get("config", {}).items() if key != "view"}
    # The first key, as in what Altair shows: the same chart is the same text, and is drawn once.
    ours = {"config": {**config(palette), **own}}
    return cast("dict[str, Any]", _safe(ours | _repaint(spec, palette) | ours))


def _safe(spec: Any) -> Any:
    """Replace the control characters in every text of a spec: one of them ends the converter, and this process."""
    return _each_text(spec, lambda text: safe_text(str(text)))


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    """Return a spec, or a part of one, with each text in it changed, names too."""
    if isinstance(value, dict):
        return {change(key): _each_text(part, change) for key, part in value.items()}
    if isinstance(value, list):
        return [_each_text(part, change) for part in value]
    return change(value) if isinstance(value, str) else value


def _repaint(view: Spec, palette: Palette) -> dict[str, Any]:
    """Give the marks of a view, its layers and panels the colours of a paper, and the series those of the theme.

    A config cannot, as it yields to what a mark says.
    """
    names = ("ink", "muted", "ghost", "surface", "accent")
    ours = len(current_theme().colours)
    own = (*(palette.series or categories())[:ours], *categories()[ours:])
    series = {color: other for color, other in zip(CATEGORIES, own, strict=True) if color != other}
    swap = {**series, **{getattr(LIGHT, name): getattr(palette, name) for name in names}}
    if palette.accent == ACCENT and current_theme().accent:
        swap[ACCENT] = current_theme().accent
    painted = dict(view)
    if isinstance(view.get("mark"), dict):
        painted["mark"] = _each_text(view["mark"], lambda text: swap.get(text, text))
    if "encoding" in view and series:
        painted["encoding"] = _each_text(view["encoding"], lambda text: series.get(text, text))
    if "layer" in view:
        painted["layer"] = [_repaint(layer, palette) for layer in view["layer"]]
    if "spec" in view:
        painted["spec"] = _repaint(view["spec"], palette)
    return painted


def to_vega(spec: Spec) -> dict[str, Any]:
    """Compile a Vega-Lite spec to Vega, as JupyterLab's own older Vega-Lite would draw it differently."""
    return _compiled(_text(spec))


def to_svg(spec: Spec, *, aria: bool = True) -> str:
    """Draw a Vega-Lite spec as SVG, fetching nothing; without ``aria``, the marks say nothing to a screen reader."""
    return _svg(_text(spec if aria else {**spec, "config": {**spec.get("config", {}), "aria": False}}))


def to_png(spec: Spec) -> bytes:
    """Draw a Vega-Lite spec as PNG at twice the screen's resolution, fetching nothing."""
    svg = to_svg(spec, aria=False)
    if "<image" in svg:  # it may name an address, and of what is drawn from an SVG none can be forbidden
        return cast("bytes", _drawn(to_vega(spec), "png", scale=_PNG_SCALE))
    return cast("bytes", _converter().svg_to_png(svg, scale=_PNG_SCALE))


def to_pdf(spec: Spec) -> bytes:
    """Draw a Vega-Lite spec as a PDF with its text as text, fetching nothing."""
    return cast("bytes", _drawn(to_vega(spec), "pdf"))


def _text(spec: Spec) -> str:
    return json.dumps(_safe(dict(spec)))


@lru_cache(maxsize=_LAST_DRAWN)
def _compiled(text: str) -> dict[str, Any]:
    return cast("dict[str, Any]", _converter().vegalite_to_vega(json.loads(text), vl_version=VEGALITE_VERSION))


@lru_cache(maxsize=_LAST_DRAWN)
def _svg(text: str) -> str:
    svg: str = _drawn(_compiled(text), "svg")
    # Vega counts gradients and clips through the life of a process: the same chart would differ when drawn again.
    numbers = {found: f"{found.rstrip('0123456789')}{n}" for n, found in enumerate(dict.fromkeys(_IDS.findall(svg)))}
    return _IDS.sub(lambda found: numbers[found[0]], svg)


def _drawn(vega: dict[str, Any], form: str, **options: Any) -> Any:
    """Draw a Vega spec; from a Vega-Lite spec, the converter would take twice as long."""
    return getattr(_converter(), f"vega_to_{form}")(vega, allowed_base_urls=[], **options)


def _converter() -> Any:
    import vl_convert  # noqa: PLC0415 (loaded with the first picture, like Altair)

    return vl_convert


def describe(spec: Spec) -> str:
    """Return what a spec says about itself in words: its description, else its title."""
    title = spec.get("title", "")
    named = title.get("text", "") if isinstance(title, dict) else title
    return str(spec.get("description") or named or "Chart")


def _with_title_ink(vega: dict[str, Any], spec: Spec) -> dict[str, Any]:
    """Say a title's colour where JupyterLab's dark theme says white: by it :func:`embed_style` knows our charts.

    The compiler hands the colour on as a mark's style, and a front end's title colour wins over that.
    """
    color = spec.get("config", {}).get("title", {}).get("color")
    if color is None:
        return vega
    config = vega.get("config", {})
    return {**vega, "config": {**config, "title": {**config.get("title", {}), "color": color}}}


def embed_style() -> str:
    """Return the style sheet that the first chart brings to a notebook's page: the menu's, and charts in the dark.

    Colours that stand in a picture's attributes yield to a style sheet. It knows our charts by the ink of their titles,
    and the dark by JupyterLab's own word for it, else by the reader's preference.
    """
    menu = """
.vega-embed { position: relative; display: inline-block; padding-right: 38px; }
.vega-embed details { position: absolute; top: 0; right: 0; }
.vega-embed summary { padding: 4px; list-style: none; line-height: 0; cursor: pointer; opacity: 0.4; }
.vega-embed:hover summary, .vega-embed summary:focus-visible, .vega-embed details[open] summary { opacity: 1; }
.vega-embed summary svg { width: 14px; height: 14px; color: var(--jp-ui-font-color1, #1b1f24); }
.vega-embed .vega-actions {
  position: absolute; z-index: 10; right: 0; padding: 6px 0; white-space: nowrap; border: 1px solid #a3adb8;
  background: var(--jp-layout-color1, #ffffff); font: 13px/1.4 var(--jp-ui-font-family, sans-serif);
}
.vega-embed .vega-actions a { display: block; padding: 4px 14px; color: var(--jp-ui-font-color1, #1b1f24); }
"""
    dark = _dark_rules('body[data-jp-theme-light="false"]')
    preferred = _dark_rules("body:not([data-jp-theme-light])")
    return f"{menu}{dark}@media (prefers-color-scheme: dark) {{\n{preferred}}}\n"


def _dark_rules(dark: str) -> str:
    chart = f'{dark} .vega-embed svg.marks:has(text[fill="{LIGHT.ink}"])'
    tones = {getattr(LIGHT, name): getattr(NIGHT, name) for name in ("ink", "muted", "grid", "ghost", "surface")}
    rules = [
        f'{chart} [{paint}="{light}"] {{ {paint}: {tone}; }}'
        for light, tone in (tones | current_theme().dark).items()
        for paint in ("fill", "stroke")
    ]
    return "\n".join([f"{chart} {{ background-color: {NIGHT.paper} !important; }}", *rules, ""])


def mime_bundle(spec: Spec, *, png: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a chart as the forms a notebook front end may choose from, and how to show each."""
    words = safe_text(describe(spec))
    # The menu of a chart offers the images, and not the public editor, which would be sent the data.
    actions = {"export": True, "source": False, "compiled": False, "editor": False}
    vega = {**_with_title_ink(to_vega(spec), spec), "$schema": "https://vega.github.io/schema/vega/v5.json"}
    data: dict[str, Any] = {VEGA_MIME: vega, "text/plain": words}
    options = {"actions": actions, "renderer": "svg", "defaultStyle": embed_style()}
    metadata: dict[str, Any] = {VEGA_MIME: {"embed_options": options}}
    if png:
        image = to_png(spec)
        data["image/png"] = b64encode(image).decode("ascii")
        width, height = (int.from_bytes(image[at : at + 4], "big") // _PNG_SCALE for at in (16, 20))  # PNG's header
        metadata["image/png"] = {"alt": words, "width": width, "height": height}
    return data, metadata


def setup(*, png: bool = True, theme: str | PathLike[str] | Mapping[str, Any] | None = None) -> None:
    """How do charts look right, offline, in this notebook? Call this once, before the first chart.

    Registers and enables the theme and a renderer that draws in JupyterLab without a network,
    and leaves an image in the notebook for viewers that run no scripts. It may be called again.

    Parameters
    ----------
    png : bool
        Add the image. Without it a live chart is redrawn a little faster.
    theme : str, path-like or mapping, optional
        Colours, font and logo of your own, for charts and for the reports that this process builds: "default",
        "high_contrast", the path of a TOML, JSON or YAML file, or what such a file holds. ``colours`` is a list of up
        to six colours of series, ``accent`` the colour of a single line and of links (else the first of them), ``font``
        a font that readers have, ``logo`` an SVG or PNG for the head of a page, seen from the file. Left out, a theme
        chosen before stays, else the environment variable ``AUGMENT_INSIGHTS_THEME`` names one.

    Raises
    ------
    ConfigurationError
        The theme is not known or cannot be used: no such file, a colour that is none or can hardly be seen on white.

    See Also
    --------
    active_users, acceptance_rate, cohort_retention : the charts.

    Examples
    --------
    >>> import altair as alt
    >>> setup()
    >>> alt.theme.active, alt.renderers.active
    ('augment_insights', 'augment_insights')
    >>> setup(theme={"colours": ["#ffff00"]})
    Traceback (most recent call last):
    ...
    augment_insights.errors.ConfigurationError: The colour #ffff00 of the mapping can hardly be seen on white: ...
    """
    if theme is not None:
        _CHOSEN["theme"] = read_theme(theme)
    current_theme()
    alt = load_altair()
    alt.theme.register(NAME, enable=True)(lambda: {"config": config()})
    alt.renderers.register(NAME, lambda spec, **_: mime_bundle(_repaint(spec, LIGHT), png=png))
    alt.renderers.enable(NAME)
