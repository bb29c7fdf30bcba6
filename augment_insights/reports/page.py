"""The page of a report: text, figures and their numbers in one file that asks nobody for anything.

Whatever came from the API is text: it is escaped wherever it stands, in the page's words, in its
tables and in the data of its charts. The page carries its own drawing library, and a
content security policy under which a browser runs that library and our few lines, and
nothing else.
"""

from __future__ import annotations

import json
import os
import tempfile
from base64 import b64encode
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from html import escape
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from augment_insights import __version__
from augment_insights.charts import theme
from augment_insights.errors import ReportError, TableError, did_you_mean
from augment_insights.reports.sharing import SUPPRESSED, Sharing
from augment_insights.tables import columns_of, require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import date

    from augment_insights.periods import DayRange

MAX_BYTES = 2_000_000
"""A page that people mail to each other stays below this."""

MAX_TABLE_ROWS = 300
"""More rows than this are not read on a page."""

FORMATS = ("html",)
"""What a report can be written as."""

NO_DATA = "no data"

_NAME_LENGTH = 40

_PAPER = theme.Palette(
    paper=None,
    ink="var(--ink)",
    muted="var(--muted)",
    grid="var(--grid)",
    ghost="var(--ghost)",
    surface="var(--surface)",
    accent="var(--accent)",
)
"""Colours that the style sheet decides, so that a chart follows a dark page, and print, without being drawn again."""

_RATE_ENDINGS = ("_rate", "_share", "_low", "_high")


@dataclass(frozen=True)
class _Headline:
    label: str
    value: str
    detail: str


@dataclass(frozen=True)
class _Figure:
    name: str
    title: str
    chart: theme.Chart
    spec: Mapping[str, Any]
    svg: str
    table: pl.DataFrame
    how_to_read: str


@dataclass(frozen=True)
class Page:
    """What does a report say, in words, figures and tables?

    Built by chaining: each method returns a new page, so a cell may be run again. Nothing is
    fetched or computed here that was not given; no clock is read. Whatever enters is shown only as far as
    ``sharing`` lets it.

    Parameters
    ----------
    title : str
        The page's heading.
    population : str
        Who is counted.
    as_of : date or None
        The last day of the data; None when there is none.
    range_asked : DayRange or str
        The days that were asked for.
    range_had : DayRange or str, optional
        The days that the figures cover; left out, those asked for.
    sample : bool
        Say, where nobody can miss it, that the organisation is made up.
    name : str
        What its files are called, without an ending.
    sharing : Sharing
        How much of people may be shown; left out, everything.

    Attributes
    ----------
    tables : dict of str to DataFrame
        The table behind each figure, and the raw ones, by name, as they may be shown.
    charts : dict of str to Chart
        Each figure's chart by name.

    See Also
    --------
    write : run a template that builds such a page. build : the same in this process.

    Examples
    --------
    >>> page = Page("Overview", population="people", as_of=None, range_asked="2026-03-02 to 2026-03-08")
    >>> page = page.headline("Weekly active people", 87, "of 120 seen").text("One week <so far>.")
    >>> "One week &lt;so far&gt;." in page.to_html()
    True
    """

    title: str
    population: str
    as_of: date | None
    range_asked: DayRange | str
    range_had: DayRange | str | None = None
    sample: bool = False
    name: str = "report"
    sharing: Sharing = field(default_factory=lambda: Sharing(min_group_size=1), repr=False)
    _headlines: tuple[_Headline, ...] = field(default=(), repr=False)
    _summary: tuple[str, ...] = field(default=(), repr=False)
    _blocks: tuple[str | _Figure, ...] = field(default=(), repr=False)
    _raw: Mapping[str, pl.DataFrame] = field(default_factory=dict, repr=False)
    _definitions: Mapping[str, str] = field(default_factory=dict, repr=False)
    _manifest: Mapping[str, str] = field(default_factory=dict, repr=False)

    def headline(self, label: str, value: float | str | None, detail: str = "") -> Page:
        """Add a headline figure; a value of None is shown as "no data".

        Parameters
        ----------
        label : str
            What the figure is.
        value : int, float, str or None
            The figure; numbers get thousands separators, text stays as it is.
        detail : str
            A line under it: the counts behind it, its interval, its days.
        """
        words = self.sharing.words
        line = _Headline(words(label), words(_value_text(value)), words(detail))
        return replace(self, _headlines=(*self._headlines, line))

    def headline_rate(
        self,
        label: str,
        table: pl.DataFrame,
        rate: str,
        *,
        counts: tuple[str, str],
        unit: str,
        change: pl.DataFrame | None = None,
        than: str = "before",
    ) -> Page:
        """Add a rate as a headline figure, with its interval and its two counts; without a denominator, "no data".

        Parameters
        ----------
        label : str
            What the rate is.
        table : pl.DataFrame
            One row of an analysis table, or none.
        rate : str
            The rate's column; its interval is taken from ``RATE_low`` and ``RATE_high``.
        counts : tuple of str
            The columns of the numerator and the denominator.
        unit : str
            What they count.
        change : pl.DataFrame, optional
            ``analysis.compare`` with an earlier time: one row, or none. It is called higher or lower
            only where the interval of the difference says so.
        than : str
            What that earlier time is called.

        Raises
        ------
        TableError
            When a column is missing, or a table has several rows.
        """
        numerator, denominator = counts
        low, high = f"{rate}_low", f"{rate}_high"
        row = _only_row(table, (rate, low, high, numerator, denominator), label=label)
        if row[rate] is None:
            return self.headline(label, None)
        told = [f"{row[numerator]:,} of {row[denominator]:,} {unit}"]
        if row[low] is not None:
            told.insert(0, f"95% interval {row[low]:.1%} to {row[high]:.1%}")
        if change is not None:
            told.append(_change_text(_only_row(change, ("before", "verdict"), label=label), than))
        return self.headline(label, f"{row[rate]:.1%}", " · ".join(part for part in told if part))

    def summary(self, sentences: Iterable[str]) -> Page:
        """Add sentences to the summary at the top: what moved, by how much, what cannot be told.

        See Also
        --------
        change_in_words, count_in_words : make such sentences from tables.
        """
        told = [self.sharing.words(sentence) for sentence in sentences]
        return replace(self, _summary=(*self._summary, *told))

    def text(self, words: str) -> Page:
        """Add a paragraph of plain text, at this place of the page; a blank line starts another."""
        shown = self.sharing.words(words)
        return replace(self, _blocks=(*self._blocks, *(part for part in shown.split("\n\n") if part.strip())))

    def figure(
        self,
        title: str,
        chart: theme.Chart | Callable[[pl.DataFrame], theme.Chart],
        table: pl.DataFrame,
        how_to_read: str = "",
        *,
        name: str | None = None,
    ) -> Page:
        """Add a chart with the numbers behind it and how to read it.

        Parameters
        ----------
        title : str
            The question that the figure answers.
        chart : alt.Chart, alt.LayerChart or callable
            From ``charts``, or any other Altair chart; or a function that draws one from the table as
            it may be shown.
        table : pl.DataFrame
            The numbers behind it, shown on demand: at most the first 300 rows.
        how_to_read : str
            A few plain sentences.
        name : str, optional
            What the chart and the table are called in ``charts``, ``tables``, sheets and files; left out, the
            title's words.

        Raises
        ------
        ReportError
            The chart was drawn with groups that are too small to be shown, it holds a number that
            JSON cannot, or the name is taken.
        """
        shown = self.sharing.table(table)
        if callable(chart):
            drawn = chart(shown)
        else:
            _check_hidden(table, shown, title)
            drawn = chart
        words = self.sharing.words
        figure = _Figure(
            name=self._free_name(name or _name_of(title)),
            title=words(title),
            chart=drawn,
            spec=self.sharing.spec(theme.to_vegalite(drawn, palette=_PAPER)),
            svg=_svg_of(self.sharing.spec(theme.to_vegalite(drawn)), title),
            table=shown,
            how_to_read=words(how_to_read),
        )
        return replace(self, _blocks=(*self._blocks, figure))

    def raw(self, name: str, table: pl.DataFrame) -> Page:
        """Add a table that the figures were computed from: into the workbook and the folders, not on the page.

        Give it the columns that were used, and no others: what is not here cannot leave the house.

        Raises
        ------
        ReportError
            The name is taken.
        """
        return replace(self, _raw={**self._raw, self._free_name(name): self.sharing.table(table)})

    def definitions(self, meanings: Mapping[str, str]) -> Page:
        """Add what the figures mean: term and definition."""
        words = self.sharing.words
        told = {words(term): words(meaning) for term, meaning in meanings.items()}
        return replace(self, _definitions={**self._definitions, **told})

    def manifest(self, entries: Mapping[str, object]) -> Page:
        """Add how the report was made: template, parameters, time, requests; versions are added by themselves."""
        told = {name: self.sharing.words(_value_text(value)) for name, value in entries.items()}
        return replace(self, _manifest={**self._manifest, **told})

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """The table behind each figure, and the raw ones, by name, as they may be shown."""
        return {**{figure.name: figure.table for figure in self._figures}, **self._raw}

    @property
    def charts(self) -> dict[str, theme.Chart]:
        """Each figure's chart by name, as it may be shown."""
        return {figure.name: _shown_chart(figure, self.sharing) for figure in self._figures}

    @property
    def _figures(self) -> list[_Figure]:
        return [block for block in self._blocks if isinstance(block, _Figure)]

    def _free_name(self, name: str) -> str:
        if name in self.tables:
            raise ReportError(
                f"The page {self.title!r} has a figure or table {name!r} already. Hint: give this one another name=.",
                template=self.title,
            )
        return name

    def save(self, output_dir: Path | str, formats: Iterable[str] = ("html",)) -> list[Path]:
        """Write the report in each of the formats, whole or not at all, and return the paths.

        Parameters
        ----------
        output_dir : path-like
            The folder; files are called by the page's ``name``.
        formats : iterable of str
            Any of :data:`FORMATS`.

        Raises
        ------
        ReportError
            A format that is none, or one that cannot be written.
        """
        chosen = check_formats(formats, template=self.name)
        return [self.save_html(Path(output_dir) / f"{self.name}.html") for name in chosen if name == "html"]

    def to_html(self) -> str:
        """Return the whole page as HTML.

        Raises
        ------
        ReportError
            When a chart holds a number that JSON cannot, or the page would pass two megabytes.
        """
        html: str = _template("page.html").render(
            page=self,
            blocks=[
                _figure_parts(n, block) if isinstance(block, _Figure) else block for n, block in enumerate(self._blocks)
            ],
            badges=self._badges(),
            manifest={**self._ranges(), **self._manifest, **_versions()},
            style=_asset("page.css"),
            bundle=_bundle() if any(isinstance(block, _Figure) for block in self._blocks) else "",
            script=_asset("page.js"),
            policy=_policy(),
        )
        size = len(html.encode())
        if size > MAX_BYTES:
            raise ReportError(
                f"The page {self.title!r} would be {size / 1e6:.1f} MB, and {MAX_BYTES / 1e6:.0f} MB is the most. "
                "Hint: draw fewer rows; group or filter the table before the chart.",
                template=self.title,
            )
        return html

    def save_html(self, path: Path | str) -> Path:
        """Write the page to a file, whole or not at all, and return its path.

        The folder is made when it is missing. The page is written under a temporary name
        beside its place and then moved there, so that no reader ever meets half a page.

        Raises
        ------
        ReportError
            As :meth:`to_html`.
        """
        target = Path(path)
        html = self.to_html()
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem}-", suffix=".part")
        try:
            # Line ends as they are: the policy's hashes are of these very bytes.
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
                file.write(html)
            Path(name).chmod(_readable_mode())
            Path(name).replace(target)
        finally:
            Path(name).unlink(missing_ok=True)
        return target

    def _badges(self) -> list[str]:
        """Return who is counted, to which day, and over which range."""
        to = f"data to {self.as_of}" if self.as_of else NO_DATA
        return [self.population, to, str(self.range_had or self.range_asked)]

    def _ranges(self) -> dict[str, str]:
        had = self.range_had or self.range_asked
        return {
            "Range asked": str(self.range_asked),
            "Range had": str(had),
            "Data to": str(self.as_of or NO_DATA),
            "Source": "sample data: a made-up organisation" if self.sample else "Analytics API",
        }

    def _repr_html_(self) -> str:
        """Show the headline figures in a notebook; the figures stand in its cells already."""
        rows = "".join(
            f"<tr><th scope='row'>{escape(line.label)}</th><td>{escape(line.value)}</td>"
            f"<td>{escape(line.detail)}</td></tr>"
            for line in self._headlines
        )
        told = " · ".join([*self._badges(), *(["sample data"] if self.sample else [])])
        return f"<table><caption>{escape(self.title)} ({escape(told)})</caption>{rows}</table>"


def _only_row(table: pl.DataFrame, needed: tuple[str, ...], *, label: str) -> dict[str, Any]:
    """Return the one row of a table, all null when it has none."""
    require(columns_of(table), needed, table=label)
    if table.height > 1:
        raise TableError(
            f"A headline is one figure, and this table has {table.height} rows.",
            table=label,
            hint="filter it to one, or pool it: sum both counts, then divide.",
        )
    return table.row(0, named=True) if table.height else dict.fromkeys(table.columns)


def _change_text(change: dict[str, Any], than: str) -> str:
    """Say a change in the words of its verdict; nothing where there was nothing before."""
    if change["before"] is None:
        return ""
    if change["verdict"] == "cannot tell":
        return f"cannot be told apart from {than}"
    return f"{change['verdict']} than {than}"


def _check_hidden(given: pl.DataFrame, shown: pl.DataFrame, title: str) -> None:
    """Refuse a finished chart of groups that its table must not show."""
    if SUPPRESSED in given.columns or SUPPRESSED not in shown.columns or not shown[SUPPRESSED].any():
        return
    raise ReportError(
        f"The chart of {title!r} was drawn with groups that are too small to be shown. Hint: draw it from "
        "study.groups(table), or hand over the function that draws it.",
        template=title,
    )


def _shown_chart(figure: _Figure, sharing: Sharing) -> theme.Chart:
    """Return a figure's chart, made again from what may be shown of it where that is less."""
    if sharing.is_open:
        return figure.chart
    import altair as alt  # noqa: PLC0415 (see theme.load_altair)

    chart: theme.Chart = alt.Chart.from_dict(sharing.spec(figure.chart.to_dict()))
    return chart


def _name_of(title: str) -> str:
    """Return a title as a name for a table."""
    words = "".join(letter if letter.isalnum() else " " for letter in title.lower()).split()
    return "_".join(words)[:_NAME_LENGTH].strip("_") or "figure"


def _svg_of(spec: theme.Spec, title: str) -> str:
    """Draw a chart for readers without scripts, having made sure that its numbers fit into JSON."""
    try:
        json.dumps(spec, allow_nan=False)
    except ValueError as error:
        raise ReportError(
            f"The chart of {title!r} holds a number that JSON cannot (NaN or infinity), or an object. "
            "Hint: make it null: fill_nan(None).",
            template=title,
        ) from error
    return theme.to_svg(spec)


def _figure_parts(number: int, figure: _Figure) -> dict[str, Any]:
    """Return what the template shows of a figure."""
    # A schema's address is for editors; left out, the page names no address of the web.
    spec = {key: value for key, value in figure.spec.items() if key != "$schema"}
    image = b64encode(figure.svg.encode()).decode("ascii")
    return {
        "id": f"figure-{number}",
        "title": figure.title,
        "how_to_read": figure.how_to_read,
        "description": theme.describe(figure.spec),
        "island": _island(spec),
        "image": f"data:image/svg+xml;base64,{image}",
        "columns": figure.table.columns,
        "is_number": [dtype.is_numeric() for dtype in figure.table.dtypes],
        "rows": _table_rows(figure.table.head(MAX_TABLE_ROWS)),
        "hidden_rows": max(0, figure.table.height - MAX_TABLE_ROWS),
    }


def _island(spec: Mapping[str, Any]) -> str:
    """Write data for a page's script so that nothing in it can end the script or start another."""
    text = json.dumps(spec, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _table_rows(table: pl.DataFrame) -> list[tuple[str, ...]]:
    """Return a table's cells as text, column by column and then turned to rows."""
    columns = [
        [_cell_text(value, is_rate=name.endswith(_RATE_ENDINGS)) for value in table.get_column(name).to_list()]
        for name in table.columns
    ]
    return list(zip(*columns, strict=True))


def _cell_text(value: object, *, is_rate: bool) -> str:
    """Write one cell; a missing value is a dash, never a zero."""
    if value is None:
        return "–"  # noqa: RUF001 (the dash of a table's empty cell)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if is_rate and isinstance(value, float):
        return f"{value:.1%}"
    return _value_text(value)


def _value_text(value: object) -> str:
    """Write a value for readers."""
    if value is None:
        return NO_DATA
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return str(value)


def _versions() -> dict[str, str]:
    """Return the versions that the figures depend on."""
    import platform  # noqa: PLC0415 (for a page only)

    import altair as alt  # noqa: PLC0415 (see theme.load_altair)

    versions = {
        "augment-insights": __version__,
        "Polars": pl.__version__,
        "Altair": alt.__version__,
        "vl-convert": version("vl-convert-python"),
        "Python": platform.python_version(),
    }
    return {"Versions": ", ".join(f"{name} {version}" for name, version in versions.items())}


def check_formats(formats: Iterable[str], *, template: str) -> tuple[str, ...]:
    """Return the formats, each once, or an error that names the known ones."""
    chosen = tuple(dict.fromkeys([formats] if isinstance(formats, str) else formats))
    for name in chosen:
        if name not in FORMATS:
            raise ReportError(f"There is no format {name!r}.{did_you_mean(str(name), FORMATS)}", template=template)
    return chosen


@cache
def _bundle() -> str:
    """Return the drawing library, built once in a process as it takes a second or two."""
    import vl_convert  # noqa: PLC0415 (starts a JavaScript engine)

    return vl_convert.javascript_bundle(vl_version=theme.VEGALITE_VERSION)  # type: ignore[call-arg]  # its stub is wrong


@cache
def _policy() -> str:
    """Return what the page may do: run our two scripts, known by their hashes, show inline images; no more.

    Vega compiles its expressions, hence 'unsafe-eval'; the data never is one.
    """
    hashes = [b64encode(sha256(script.encode()).digest()).decode("ascii") for script in (_bundle(), _asset("page.js"))]
    scripts = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {scripts} 'unsafe-eval'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


@cache
def _asset(name: str) -> str:
    """Return the text of a file that stands beside this one."""
    return files("augment_insights.reports").joinpath(name).read_text("utf-8")


@cache
def _template(name: str) -> Any:
    """Return a Jinja template that escapes all it is given."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 (for a page only)

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_asset(name))


def _readable_mode() -> int:
    """Return the rights of a file made in the usual way; a temporary file's are its owner's alone."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
