"""The report as one HTML page that asks nobody for anything.

Whatever came from the API is text: it is escaped wherever it stands, in the page's words, in its
tables and in the data of its charts. The page carries its own drawing library, and a
content security policy under which a browser runs that library and our few lines, and
nothing else.
"""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import vl_convert
from jinja2 import Environment, StrictUndefined

from augment_insights.charts import theme
from augment_insights.errors import CacheError, ReportError, safe_text
from augment_insights.export import whole_file, without_formulas
from augment_insights.reports.content import SAMPLE, Figure, asset, value_text
from augment_insights.tables import safe_strings
from augment_insights.transport.settings import cache_root

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jinja2 import Template

    from augment_insights.reports.content import Content

MAX_BYTES = 2_000_000
"""A page that people mail to each other stays below this."""

MAX_TABLE_ROWS = 300
"""More rows than this are not read on a page."""

_FEWER_ROWS = (MAX_TABLE_ROWS, 100, 30)
"""A page of many long tables shows fewer rows of each."""

_SPARK, _EDGE = (160, 36), 3
"""The room of a headline's small line, and what is left free around it, in pixels."""

_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def render(content: Content) -> str:
    """Return the whole page as HTML.

    Raises
    ------
    ReportError
        When the page would pass two megabytes even with short tables, and its pictures left to scripts.
    """
    figures = {figure.name: _figure_parts(n, figure) for n, figure in enumerate(content.figures)}
    for most in _FEWER_ROWS:
        html = _render(content, figures, most_rows=most)
        excess = len(html.encode()) - MAX_BYTES
        if excess <= 0:
            return html
    html = _render(content, _without_pictures(figures, excess), most_rows=most)
    size = len(html.encode())
    if size <= MAX_BYTES:
        return html
    raise ReportError(
        f"The page {content.title!r} would be {size / 1e6:.1f} MB, and {MAX_BYTES / 1e6:.0f} MB is the most. "
        "Hint: draw fewer rows; group or filter the table before the chart.",
        template=content.title,
    )


def _without_pictures(figures: Mapping[str, dict[str, Any]], excess: int) -> dict[str, dict[str, Any]]:
    """Leave out the largest pictures, which serve readers without scripts, until so many bytes are saved."""
    left = dict(figures)
    for name in sorted(figures, key=lambda name: len(figures[name]["image"]), reverse=True):
        if excess <= 0:
            break
        excess -= len(figures[name]["image"])
        left[name] = {**figures[name], "image": ""}
    return left


def _render(content: Content, figures: Mapping[str, dict[str, Any]], *, most_rows: int) -> str:
    def laid_out(figure: Figure) -> dict[str, Any]:
        rows = without_formulas(figure.table.head(most_rows).with_columns(safe_strings()))
        csv = f"data:text/csv;charset=utf-8;base64,{b64encode(rows.write_csv().encode()).decode('ascii')}"
        parts = figure.laid_out(most_rows=most_rows, people=content.people)
        return {**figures[figure.name], **parts, "file": f"{content.name}-{figure.name}", "csv": csv}

    blocks = [laid_out(block) if isinstance(block, Figure) else block for block in content.blocks]
    return _template().render(
        page=content,
        sample_words=SAMPLE,
        spark=_spark,
        blocks=blocks,
        style=f"{asset('page.css')}\n{theme.current_theme().page_style}",
        logo=theme.current_theme().logo,
        bundle=_bundle() if figures else "",
        script=asset("page.js"),
        policy=_policy(),
    )


def _figure_parts(number: int, figure: Figure) -> dict[str, Any]:
    """Return the pictures of a figure: one for the page's script to draw, one for readers without scripts."""
    # A schema's address is for editors; left out, the page names no address of the web.
    spec = {key: value for key, value in figure.page_spec.items() if key != "$schema"}
    # As an image it is told by its description; what a reader of its marks would hear is a third of its size.
    image = b64encode(theme.to_svg(figure.spec, aria=False).encode()).decode("ascii")
    return {
        "id": f"figure-{number}",
        # Nothing in the data of a page's script may end the script or start another.
        "island": json.dumps(spec, allow_nan=False).translate(_ESCAPES),
        "image": f"data:image/svg+xml;base64,{image}",
    }


def _spark(trend: Sequence[float | None]) -> dict[str, Any]:
    """Return the small line of a headline: its path, its last point, and its course in words.

    Examples
    --------
    >>> _spark([1.0, None, 3.0, 2.0])["path"]
    'M3.0 33.0 M105.7 3.0 L157.0 18.0'
    >>> _spark([0.5])["points"]
    1
    """
    known = [(place, value) for place, value in enumerate(trend) if value is not None]
    if not known:
        return {"points": 0}
    values = [value for _, value in known]
    low, spread, steps = min(values), max(values) - min(values), max(1, len(trend) - 1)

    def at(place: int, value: float) -> tuple[float, float]:
        level = (value - low) / spread if spread else 0.5
        return _EDGE + place / steps * (_SPARK[0] - 2 * _EDGE), _SPARK[1] - _EDGE - level * (_SPARK[1] - 2 * _EDGE)

    drawn, before = list[str](), -2
    for place, value in known:
        x, y = at(place, value)
        drawn.append(f"{'L' if place == before + 1 else 'M'}{x:.1f} {y:.1f}")
        before = place
    words = f"{len(known)} periods, from {value_text(values[0])} to {value_text(values[-1])}"
    return {"points": len(known), "path": " ".join(drawn), "x": f"{x:.1f}", "y": f"{y:.1f}", "words": words}


@cache
def _bundle() -> str:
    """Return the drawing library: from the cache folder, as making it takes two seconds or more, or made and kept."""
    name = f"vega-{theme.VEGALITE_VERSION}-{version('vl-convert-python')}.js"
    with suppress(OSError, CacheError):  # the second where the user has no home
        kept = cache_root() / name
        digest, _, bundle = kept.read_text("utf-8").partition("\n")
        if digest == sha256(bundle.encode()).hexdigest():
            return bundle
    bundle = vl_convert.javascript_bundle(vl_version=theme.VEGALITE_VERSION)  # type: ignore[call-arg]  # its stub is wrong
    with suppress(OSError, CacheError), whole_file(cache_root() / name, private=True) as unfinished:
        unfinished.write_text(f"{sha256(bundle.encode()).hexdigest()}\n{bundle}", "utf-8", newline="\n")
    return bundle


@cache
def _policy() -> str:
    """Return what the page may do: run our two scripts, known by their hashes, show inline images; no more.

    Vega compiles its expressions, hence 'unsafe-eval'; the data never is one.
    """
    hashes = [b64encode(sha256(script.encode()).digest()).decode("ascii") for script in (_bundle(), asset("page.js"))]
    scripts = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {scripts} 'unsafe-eval'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


@cache
def _template() -> Template:
    """Return the page's template, which escapes all it is given."""
    environment = Environment(
        autoescape=True,
        finalize=lambda value: safe_text(value) if type(value) is str else value,  # our own scripts are markup
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.from_string(asset("page.html"))
