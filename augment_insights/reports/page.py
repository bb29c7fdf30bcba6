"""The page of a report: what a template builds, and what every format is written from."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from augment_insights.charts import theme
from augment_insights.errors import ReportError, TableError, did_you_mean
from augment_insights.export import whole_file, whole_folder, write_table
from augment_insights.reports import manifest as how_made
from augment_insights.reports.content import NO_DATA, SAMPLE, Content, Figure, Headline, plain, value_text
from augment_insights.reports.sharing import SUPPRESSED, Sharing
from augment_insights.tables import RECONCILIATION, columns_of, require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import date

    from augment_insights.periods import DayRange

FORMATS = ("html", "pdf", "xlsx", "csv", "parquet", "png", "svg")
"""What a page can be saved as."""

_NAME_LENGTH = 40
_RECONCILIATION = "Reconciliation"
_NOT_CHECKED = "not checked"

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
    shows_figures : bool
        Show the figures too when a notebook shows the page; a template's own cells do that already.
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
    shows_figures: bool = False
    sharing: Sharing = field(default_factory=lambda: Sharing(min_group_size=1), repr=False)
    _headlines: tuple[Headline, ...] = field(default=(), repr=False)
    _summary: tuple[str, ...] = field(default=(), repr=False)
    _blocks: tuple[str | Figure, ...] = field(default=(), repr=False)
    _raw: Mapping[str, pl.DataFrame] = field(default_factory=dict, repr=False)
    _definitions: Mapping[str, str] = field(default_factory=dict, repr=False)
    _manifest: Mapping[str, Any] = field(default_factory=dict, repr=False)

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
        line = Headline(words(label), words(value_text(value)), words(detail))
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
        figure = Figure(
            name=self._free_name(name or _name_of(title)),
            title=words(title),
            chart=drawn,
            spec=_checked(self.sharing.spec(theme.to_vegalite(drawn)), title),
            page_spec=self.sharing.spec(theme.to_vegalite(drawn, palette=_PAPER)),
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
        told = {name: self.sharing.spec(plain(value)) for name, value in entries.items()}
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
    def _figures(self) -> list[Figure]:
        return [block for block in self._blocks if isinstance(block, Figure)]

    def _free_name(self, name: str) -> str:
        if name in self.tables:
            raise ReportError(
                f"The page {self.title!r} has a figure or table {name!r} already. Hint: give this one another name=.",
                template=self.title,
            )
        return name

    def reconciliation(self, checks: pl.DataFrame) -> Page:
        """Say at the top whether the API agrees with itself, from ``analysis.reconcile``; left out, it was not checked.

        Raises
        ------
        TableError
            When it is not such a table.
        """
        RECONCILIATION.check(checks)
        found = dict(checks["status"].cast(pl.String).value_counts().rows())
        others = [f"{found[status]:,} {status}" for status in ("differs", "unknown") if found.get(status)]
        counts = ", ".join([f"{found.get('agrees', 0):,} of {checks.height:,} checks agree", *others])
        return replace(self, _manifest={**self._manifest, _RECONCILIATION: counts if checks.height else _NOT_CHECKED})

    def content(self) -> Content:
        """Return what the page says, for a format to lay out."""
        return Content(
            title=self.title,
            name=self.name,
            sample=self.sample,
            badges=tuple(self._badges()),
            headlines=self._headlines,
            summary=self._summary,
            blocks=self._blocks,
            raw=self._raw,
            definitions=self._definitions,
            manifest={
                **self._ranges(),
                _RECONCILIATION: _NOT_CHECKED,
                **self._manifest,
                "Versions": how_made.versions(),
            },
        )

    def to_html(self) -> str:
        """Return the whole page as HTML.

        Raises
        ------
        ReportError
            When the page would pass two megabytes.
        """
        from augment_insights.reports import web  # noqa: PLC0415 (a format is loaded when it is asked for)

        return web.render(self.content())

    def save_html(self, path: Path | str) -> Path:
        """Write one self-contained HTML page, whole or not at all, and return its path.

        Raises
        ------
        ReportError
            As :meth:`to_html`.
        """
        html = self.to_html()
        target = Path(path)
        with whole_file(target) as unfinished:
            # Line ends as they are: the policy's hashes are of these very bytes.
            unfinished.write_text(html, encoding="utf-8", newline="\n")
        return target

    def save_pdf(self, path: Path | str) -> Path:
        """Write a PDF to print or mail, and return its path; it needs the extra ``pdf``.

        Raises
        ------
        ReportError
            The extra is not installed.
        """
        from augment_insights.reports import pdf  # noqa: PLC0415 (a format is loaded when it is asked for)

        document = pdf.render(self.content())
        target = Path(path)
        with whole_file(target) as unfinished:
            unfinished.write_bytes(document)
        return target

    def save_xlsx(self, path: Path | str) -> Path:
        """Write a workbook: the summary, a sheet a figure and raw table, definitions and manifest; return its path."""
        from augment_insights.reports import workbook  # noqa: PLC0415 (a format is loaded when it is asked for)

        return workbook.save(self.content(), Path(path))

    def save_csv(self, folder: Path | str) -> Path:
        """Write each table as CSV into a folder, with the manifest, and return the folder."""
        return self._save_tables(Path(folder), "csv")

    def save_parquet(self, folder: Path | str) -> Path:
        """Write each table as Parquet into a folder, with the manifest, and return the folder."""
        return self._save_tables(Path(folder), "parquet")

    def save_png(self, folder: Path | str) -> Path:
        """Draw each chart as PNG into a folder, with the manifest, and return the folder."""
        drawn = {f"{figure.name}.png": theme.to_png(figure.spec) for figure in self._figures}
        return self._save_files(Path(folder), drawn)

    def save_svg(self, folder: Path | str) -> Path:
        """Draw each chart as SVG into a folder, with the manifest, and return the folder."""
        drawn = {f"{figure.name}.svg": theme.to_svg(figure.spec).encode() for figure in self._figures}
        return self._save_files(Path(folder), drawn)

    def save(self, output_dir: Path | str, formats: Iterable[str] = ("html",)) -> list[Path]:
        """Write the report in each of the formats, and return the files.

        A page, a document or a workbook is a file named after the page; tables and images are in a
        folder of their own, such as ``NAME-csv``. Beside anything but a lone page stands
        ``NAME.manifest.json``. Each file and folder is there whole or not at all.

        Parameters
        ----------
        output_dir : path-like
            The folder.
        formats : iterable of str
            Any of html, pdf, xlsx, csv, parquet, png and svg; none writes nothing.

        Raises
        ------
        ReportError
            A format that is none, or one that cannot be written.
        """
        chosen = check_formats(formats, template=self.name)
        folder = Path(output_dir)
        writers = {
            "html": self.save_html,
            "pdf": self.save_pdf,
            "xlsx": self.save_xlsx,
            "csv": self.save_csv,
            "parquet": self.save_parquet,
            "png": self.save_png,
            "svg": self.save_svg,
        }
        written: list[Path] = []
        for name in chosen:
            is_file = name in ("html", "pdf", "xlsx")
            path = writers[name](folder / (f"{self.name}.{name}" if is_file else f"{self.name}-{name}"))
            written += [path] if is_file else sorted(path.iterdir())
        if set(chosen) - {"html"}:
            written.append(self._save_manifest(folder / f"{self.name}.{how_made.FILE_NAME}"))
        return written

    def _save_tables(self, folder: Path, ending: str) -> Path:
        with whole_folder(folder) as unfinished:
            for name, table in self.tables.items():
                write_table(table, unfinished / f"{name}.{ending}")
            (unfinished / how_made.FILE_NAME).write_text(how_made.as_json(self.content()), "utf-8", newline="\n")
        return folder

    def _save_files(self, folder: Path, files: Mapping[str, bytes]) -> Path:
        with whole_folder(folder) as unfinished:
            for name, data in files.items():
                (unfinished / name).write_bytes(data)
            (unfinished / how_made.FILE_NAME).write_text(how_made.as_json(self.content()), "utf-8", newline="\n")
        return folder

    def _save_manifest(self, path: Path) -> Path:
        with whole_file(path) as unfinished:
            unfinished.write_text(how_made.as_json(self.content()), "utf-8", newline="\n")
        return path

    def _badges(self) -> list[str]:
        """Return who is counted, to which day, over which range, and whether the API agrees with itself."""
        words = self.sharing.words
        to = f"data to {self.as_of}" if self.as_of else NO_DATA
        checked = self._manifest.get(_RECONCILIATION)
        agrees = [] if checked is None else [f"API against itself: {checked}"]
        return [words(self.population), to, words(str(self.range_had or self.range_asked)), *agrees]

    def _ranges(self) -> dict[str, str]:
        had = self.range_had or self.range_asked
        return {
            "Population": self.population,
            "Range asked": str(self.range_asked),
            "Range had": str(had),
            "Data to": str(self.as_of or NO_DATA),
            "Source": SAMPLE if self.sample else "Analytics API",
        }

    def _repr_html_(self) -> str:
        """Show the summary and the headline figures in a notebook, and the figures where its cells do not."""
        sentences = "".join(f"<li>{escape(sentence)}</li>" for sentence in self._summary)
        rows = "".join(
            f"<tr><th scope='row'>{escape(line.label)}</th><td>{escape(line.value)}</td>"
            f"<td>{escape(line.detail)}</td></tr>"
            for line in self._headlines
        )
        told = " · ".join([*self._badges(), *(["sample data"] if self.sample else [])])
        head = f"<table><caption>{escape(self.title)} ({escape(told)})</caption>{rows}</table>"
        return head + (f"<ul>{sentences}</ul>" if sentences else "") + "".join(map(_image, self._drawn))

    @property
    def _drawn(self) -> list[Figure]:
        return self._figures if self.shows_figures else []


def _image(figure: Figure) -> str:
    """Return a figure as HTML that needs no script."""
    image = b64encode(theme.to_svg(figure.spec).encode()).decode("ascii")
    words = escape(theme.describe(figure.spec), quote=True)
    return f"<h4>{escape(figure.title)}</h4><img alt='{words}' src='data:image/svg+xml;base64,{image}'>"


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


def _shown_chart(figure: Figure, sharing: Sharing) -> theme.Chart:
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


def _checked(spec: theme.Spec, title: str) -> theme.Spec:
    """Return a chart's specification if its numbers fit into JSON: it would vanish without a word."""
    try:
        json.dumps(spec, allow_nan=False)
    except ValueError as error:
        raise ReportError(
            f"The chart of {title!r} holds a number that JSON cannot (NaN or infinity), or an object. "
            "Hint: make it null: fill_nan(None).",
            template=title,
        ) from error
    return spec


def check_formats(formats: Iterable[str], *, template: str) -> tuple[str, ...]:
    """Return the formats, each once, or an error that names the known ones or the extra that one of them needs."""
    chosen = tuple(dict.fromkeys([formats] if isinstance(formats, str) else formats))
    for name in chosen:
        if name not in FORMATS:
            raise ReportError(f"There is no format {name!r}.{did_you_mean(str(name), FORMATS)}", template=template)
    if "pdf" in chosen:
        from augment_insights.reports import pdf  # noqa: PLC0415 (a format is loaded when it is asked for)

        pdf.require_extra(template=template)
    return chosen
