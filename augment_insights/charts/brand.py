"""A theme of one's own: colours, a font and a logo, from one file, checked before anything is drawn."""

from __future__ import annotations

import json
import re
import tomllib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from augment_insights.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from os import PathLike

THEME_VARIABLE = "AUGMENT_INSIGHTS_THEME"
"""The environment variable that names a theme, for reports too."""

MOST_COLOURS = 6
"""As many series as one chart has at most."""

_KEYS = ("colours", "accent", "font", "logo")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_FONT = re.compile(r"[\w ,'-]{1,200}")
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
    if not isinstance(colours, list | tuple) or len(colours) > MOST_COLOURS or len({*map(str, colours)}) < len(colours):
        raise _refused(
            f"The theme of {source} has colours={colours!r}.", f" Hint: up to {MOST_COLOURS} different ones, in a list."
        )
    for colour in colours:
        _check_colour(colour, source, least=_DRAWN)
    accent = values.get("accent", next(iter(colours), ""))
    if accent:
        _check_colour(accent, source, least=_WORDS)
    font = values.get("font", "")
    if not isinstance(font, str) or (font and not _FONT.fullmatch(font)):
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
