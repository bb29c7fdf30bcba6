"""The page of a report: what a template builds, and what every format is written from."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass, field, replace
from html import escape
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

import polars as pl

from augment_insights.charts import theme
from augment_insights.errors import ReportError, TableError, did_you_mean
from augment_insights.export import MANIFEST, whole_file, whole_folder, write_table
from augment_insights.reports.content import (
    NO_DATA,
    SAMPLE,
    Content,
    Figure,
    Headline,
    measured,
    of_one,
    plain,
    value_text,
    verdict_in_words,
    versions,
)
from augment_insights.reports.digest import digest, outline, to_json, to_markdown
from augment_insights.reports.sharing import SUPPRESSED, Sharing
from augment_insights.tables import COMPARISON, RECONCILIATION, columns_of, require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date

    from augment_insights.periods import DayRange

_Part = TypeVar("_Part")


class CardKeywords(TypedDict, total=False):
    """What a headline may say besides: how it changed, against what, and its value in each period."""

    change: pl.DataFrame | str | None
    than: str
    trend: pl.Series | Sequence[float | None]


FORMATS = ("html", "pdf", "xlsx", "csv", "parquet", "png", "svg", "md", "json")
"""What a page can be saved as."""

_FOLDERS = ("csv", "parquet", "png", "svg")

PAGE_DATA = "application/vnd.augment-insights.page+json"
"""The type under which a run notebook holds what its page says."""

_LEFT_OUT = "Left out, as there is nothing to show: "

_NAME_LENGTH = 40
_RECONCILIATION = "Reconciliation"
_NOT_CHECKED = "not checked"
_SMALLEST = "Smallest group shown"
"""Known only when all figures are there: the template leaves its place."""

_PAPER = theme.Palette(
    paper=None,
    ink="var(--ink)",
    muted="var(--muted)",
    grid="var(--grid)",
    ghost="var(--ghost)",
    surface="var(--surface)",
    accent="var(--accent)",
    series=tuple(f"var(--series-{n})" for n in range(1, len(theme.CATEGORIES) + 1)),
)
"""Colours that the style sheet decides, so that a chart follows a dark page, and print, without being drawn again."""


@dataclass(frozen=True)
class Page:
    """What a report says, in words, figures and tables.

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
    _content: Content = field(default_factory=Content, repr=False)

    def headline(self, label: str, value: float | str | None, detail: str = "", **card: Unpack[CardKeywords]) -> Page:
        """Add a headline figure; a value of None is shown as "no data".

        Parameters
        ----------
        label : str
            What the figure is.
        value : int, float, str or None
            The figure; numbers get thousands separators, text stays as it is.
        detail : str
            A line under it: the counts behind it, its interval, its days.
        change : DataFrame or str, optional
            ``analysis.compare_periods`` with an earlier time: one row, or none. It is called higher or lower only
            where its verdict says so, and its interval stands beside it. Of a full count, a sentence.
        than : str
            What that earlier time is called.
        trend : Series or sequence of float or None
            Its value in each period, drawn as a small line.
        """
        words, change = self.sharing.words, card.get("change")
        told, verdict, moved = "", None, dict[str, Any]()
        if isinstance(change, str):
            told = change
        elif change is not None:
            moved = _only_row(change, tuple(COMPARISON.columns), label=label)
        if moved.get("before") is not None and moved.get("after") is not None:
            told, verdict = f"against {card.get('than', 'before')}: {verdict_in_words(moved)}", moved["verdict"]
        counted = self.sharing.count(value) if isinstance(value, int) else value_text(value)
        line = Headline(words(label), counted, detail, told, verdict, tuple(card.get("trend", ())))
        return self._with(headlines=(*self._content.headlines, line))

    def headline_change(
        self,
        label: str,
        change: pl.DataFrame,
        *,
        detail: str = "",
        than: str = "before",
        trend: pl.Series | Sequence[float | None] = (),
    ) -> Page:
        """Add what was compared as a headline figure: its value now, and how it stands to the time before.

        Parameters
        ----------
        label : str
            What it is.
        change : DataFrame
            ``analysis.compare_periods``: one row, or none.
        detail, than, trend
            As for :meth:`headline`.

        Raises
        ------
        TableError
            When a column is missing, or the table has several rows.
        """
        row = _only_row(self.sharing.groups(change), tuple(COMPARISON.columns), label=label)
        now = row["after"]
        value = now if now is None else measured(row["metric"], now)
        if row.get(SUPPRESSED):
            value = f"fewer than {self.sharing.min_group_size:,} people"
        return self.headline(label, value, detail if now is not None else "", change=change, than=than, trend=trend)

    def headline_rate(
        self,
        label: str,
        table: pl.DataFrame,
        rate: str,
        *,
        counts: tuple[str, str],
        unit: str,
        **card: Unpack[CardKeywords],
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
        change, than, trend
            As for :meth:`headline`.

        Raises
        ------
        TableError
            When a column is missing, or a table has several rows.
        """
        numerator, denominator = counts
        low, high = f"{rate}_low", f"{rate}_high"
        row = _only_row(self.sharing.groups(table), (rate, low, high, numerator, denominator), label=label)
        if row.get(SUPPRESSED):
            return self.headline(label, f"fewer than {self.sharing.min_group_size:,} people")
        if row[rate] is None:
            return self.headline(label, None, trend=card.get("trend", ()))
        told = [f"{row[numerator]:,} of {row[denominator]:,} {of_one(unit) if row[denominator] == 1 else unit}"]
        if row[low] is not None:
            told.insert(0, f"95 % confidence interval {row[low]:.1%} to {row[high]:.1%}")
        return self.headline(label, f"{row[rate]:.1%}", " · ".join(told), **card)

    def headline_unused(self, used: pl.DataFrame, *, as_of: date | None, back: int, than: str) -> Page:
        """Add how many licences are idle or were never used, and how many more or fewer than before.

        Parameters
        ----------
        used : DataFrame
            ``analysis.licences_over_time``.
        as_of : date or None
            The day for which the last period stands.
        back : int
            With the period so many before it is compared.
        than : str
            What that is called.
        """
        unused = used.filter(licence="unused")["users"]
        valid = used.filter(pl.col("period_start") == pl.col("period_start").max())["users"]
        change = ""
        if unused.len() > back and (pair := unused[[-1, -1 - back]]).null_count() == 0:
            step = pair[0] - pair[1]
            moved = f"{abs(step):,} {'more' if step > 0 else 'fewer'} than" if step else "as many as"
            change = f"{moved} {than}"
        detail = f"of {valid.sum():,} valid on {as_of}" if valid.len() and not valid.null_count() else ""
        now: int | None = unused[-1] if unused.len() else None
        return self.headline("Idle or never used licences", now, detail, change=change, trend=unused)

    def summary(self, sentences: Iterable[str]) -> Page:
        """Add sentences to the summary at the top: what happened, what drove it, what cannot be told.

        See Also
        --------
        change_in_words, count_in_words : make such sentences from tables.
        """
        return self._with(summary=(*self._content.summary, *sentences))

    def text(self, words: str) -> Page:
        """Add a paragraph of plain text, at this place of the page; a blank line starts another."""
        parts = [part for part in self.sharing.words(words).split("\n\n") if part.strip()]
        return self._with(blocks=(*self._content.blocks, *parts))

    def figure(
        self,
        title: str,
        chart: theme.Chart | Callable[[pl.DataFrame], theme.Chart],
        table: pl.DataFrame,
        how_to_read: str = "",
        *,
        name: str | None = None,
        shows_table: bool = False,
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
        shows_table : bool
            Show the numbers without being asked, where they are the answer.

        Raises
        ------
        ReportError
            The chart was drawn with groups that are too small to be shown, it holds a number that
            JSON cannot, or the name is taken.
        """
        shown = self.sharing.table(table)
        if _is_nothing(shown):
            return self._with(left_out=(*self._content.left_out, self.sharing.words(title)))
        drawn = chart(shown) if callable(chart) else chart
        if drawn is chart and _hides_groups(table, shown):
            raise ReportError(
                f"The chart of {title!r} was drawn with groups that are too small to be shown. Hint: draw it from "
                "study.groups(table), or hand over the function that draws it.",
                template=title,
            )
        words, spec = self.sharing.words, theme.unpainted(drawn)
        figure = Figure(
            name=self._free_name(name or _name_of(title)),
            title=words(title),
            chart=drawn,
            spec=_checked(self.sharing.spec(theme.painted(spec)), title),
            page_spec=self.sharing.spec(theme.painted(spec, palette=_PAPER)),
            table=shown,
            how_to_read=words(f"{how_to_read} {self.sharing.left_out(shown)}".strip()),
            shows_table=shows_table,
        )
        return self._with(blocks=(*self._content.blocks, figure))

    def raw(self, name: str, table: pl.DataFrame) -> Page:
        """Add a table that the figures were computed from: into the workbook and the folders, not on the page.

        Give it the columns that were used, and no others: what is not here is in no file.

        Raises
        ------
        ReportError
            The name is taken.
        """
        return self._with(raw={**self._content.raw, self._free_name(name): self.sharing.table(table)})

    def definitions(self, meanings: Mapping[str, str]) -> Page:
        """Add what the figures mean: term and definition."""
        words = self.sharing.words
        told = {words(term): words(meaning) for term, meaning in meanings.items()}
        return self._with(definitions={**self._content.definitions, **told})

    def manifest(self, entries: Mapping[str, object]) -> Page:
        """Add how the report was made: template, parameters, time, requests; versions are added by themselves."""
        told = {name: self.sharing.spec(plain(value)) for name, value in entries.items()}
        return self._with(manifest={**self._content.manifest, **told})

    @property
    def headlines(self) -> tuple[Headline, ...]:
        """The figures in large print, as they may be shown."""
        told, trend = self.sharing.told, self.sharing.trend
        return tuple(
            replace(
                line,
                value=told(line.value),
                detail=told(line.detail),
                change=told(line.change),
                trend=trend(line.trend),
            )
            for line in self._content.headlines
        )

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the page says in words at its top, the most important first."""
        return tuple(map(self.sharing.told, self._content.summary))

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """The table behind each figure, and the raw ones, by name, as they may be shown."""
        return self._content.tables

    @property
    def charts(self) -> dict[str, theme.Chart]:
        """Each figure's chart by name, made again from what may be shown of it where that is less."""
        found = {figure.name: figure.chart for figure in self._content.figures}
        if self.sharing.is_open:
            return found
        return {name: chart.from_dict(self.sharing.spec(chart.to_dict())) for name, chart in found.items()}

    def _with(self, **parts: Any) -> Page:
        """Return a page with other content."""
        return replace(self, _content=replace(self._content, **parts))

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
        words = {"differs": "failed", "unknown": "could not be made"}
        others = [f"{found[status]:,} {told}" for status, told in words.items() if found.get(status)]
        counts = ", ".join([f"{found.get('agrees', 0):,} of {checks.height:,} passed", *others])
        told = {_RECONCILIATION: counts if checks.height else _NOT_CHECKED}
        return self._with(manifest={**self._content.manifest, **told})

    def content(self) -> Content:
        """Return what the page says, for a format to lay out."""
        ranges = {
            "Population": self.population,
            "Range asked": str(self.range_asked),
            "Range shown": str(self.range_had or self.range_asked),
            "Data to": str(self.as_of or NO_DATA),
            "Source": SAMPLE if self.sample else "Analytics API",
            _RECONCILIATION: _NOT_CHECKED,
        }
        left = self._content.left_out
        last = [f"{_LEFT_OUT}{'; '.join(left)}{'' if left[-1].endswith('?') else '.'}"] if left else []
        shown = {_SMALLEST: self.sharing.smallest_group} if _SMALLEST in self._content.manifest else {}
        return replace(
            self._content,
            title=self.title,
            name=self.name,
            sample=self.sample,
            population=self.sharing.words(self.population),
            as_of=self.as_of,
            blocks=(*self._content.blocks, *last),
            badges=tuple(self._badges()),
            headlines=self.headlines,
            summary=self.sentences,
            manifest={**ranges, **self._content.manifest, **shown, "Versions": versions()},
        )

    def to_html(self) -> str:
        """Return the whole page as HTML.

        Raises
        ------
        ReportError
            When the page would pass two megabytes.
        """
        html: str = _format("html").render(self.content())
        return html

    def save_html(self, path: Path | str) -> Path:
        """Write one self-contained HTML page, whole or not at all, and return its path.

        Raises
        ------
        ReportError
            As :meth:`to_html`.
        """
        return _save_file(Path(path), self.to_html().encode())

    def save_pdf(self, path: Path | str) -> Path:
        """Write a PDF to print or mail, and return its path; it needs the extra ``pdf``.

        Raises
        ------
        ReportError
            The extra is not installed.
        """
        check_formats(["pdf"], template=self.name)
        return _save_file(Path(path), _format("pdf").render(self.content()))

    def save_xlsx(self, path: Path | str) -> Path:
        """Write a workbook: the summary, a sheet a figure and raw table, definitions and manifest; return its path."""
        written: Path = _format("xlsx").save(self.content(), Path(path))
        return written

    @property
    def digest(self) -> dict[str, Any]:
        """What the page says, for programs: the same as :meth:`save_json` writes."""
        return digest(self.content())

    def save_json(self, path: Path | str) -> Path:
        """Write the digest for programs: headlines, sentences, figures, definitions, days; return its path."""
        return _save_file(Path(path), to_json(self.digest).encode())

    def save_md(self, path: Path | str) -> Path:
        """Write the digest as Markdown, and return its path."""
        return _save_file(Path(path), to_markdown(self.content()).encode())

    def save_csv(self, folder: Path | str) -> Path:
        """Write each table as CSV into a folder, with the manifest, and return the folder."""
        return self._save_each(folder, "csv", self.tables, write_table)

    def save_parquet(self, folder: Path | str) -> Path:
        """Write each table as Parquet into a folder, with the manifest, and return the folder."""
        return self._save_each(folder, "parquet", self.tables, write_table)

    def save_png(self, folder: Path | str) -> Path:
        """Draw each chart as PNG into a folder, with the manifest, and return the folder."""
        specs = {figure.name: figure.spec for figure in self._content.figures}
        return self._save_each(folder, "png", specs, lambda spec, path: path.write_bytes(theme.to_png(spec)))

    def save_svg(self, folder: Path | str) -> Path:
        """Draw each chart as SVG into a folder, with the manifest, and return the folder."""
        specs = {figure.name: figure.spec for figure in self._content.figures}
        return self._save_each(folder, "svg", specs, lambda spec, path: path.write_bytes(theme.to_svg(spec).encode()))

    def save(self, output_dir: Path | str, formats: Iterable[str] = ("html",)) -> list[Path]:
        """Write the report in each of the formats, and return the files.

        A page, a document, a workbook or a digest is a file named after the page; tables and images are in a
        folder of their own, such as ``NAME-csv``. Beside anything but a lone page stands
        ``NAME.manifest.json``. Each file and folder is there whole or not at all.

        Parameters
        ----------
        output_dir : path-like
            The folder.
        formats : iterable of str
            Any of html, pdf, xlsx, csv, parquet, png, svg, md and json; none writes nothing.

        Raises
        ------
        ReportError
            A format that is none, or one that cannot be written.
        """
        chosen = check_formats(formats, template=self.name)
        folder = Path(output_dir)
        written: list[Path] = []
        for name in chosen:
            is_file = name not in _FOLDERS
            target = folder / (f"{self.name}.{name}" if is_file else f"{self.name}-{name}")
            path = getattr(self, f"save_{name}")(target)
            written += [path] if is_file else sorted(path.iterdir())
        if set(chosen) - {"html"}:
            manifest = self.content().manifest_json().encode()
            written.append(_save_file(folder / f"{self.name}.{MANIFEST}", manifest))
        return written

    def _save_each(
        self, folder: Path | str, ending: str, parts: Mapping[str, _Part], write: Callable[[_Part, Path], object]
    ) -> Path:
        """Write a file for each part, and the manifest, into a folder that is there whole or not at all."""
        target = Path(folder)
        with whole_folder(target) as unfinished:
            for name, part in parts.items():
                write(part, unfinished / f"{name}.{ending}")
            (unfinished / MANIFEST).write_bytes(self.content().manifest_json().encode())
        return target

    def _badges(self) -> list[str]:
        """Return who is counted, to which day, over which range, and whether the API agrees with itself."""
        words = self.sharing.words
        to = f"data to {self.as_of}" if self.as_of else NO_DATA
        checked = self._content.manifest.get(_RECONCILIATION)
        agrees = [] if checked is None else [f"Data checks: {checked}"]
        return [words(self.population), to, words(str(self.range_had or self.range_asked)), *agrees]

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        """Tell a notebook's reader, beside what is shown, headlines, sentences and definitions as data."""
        return {PAGE_DATA: {**outline(self.content()), "trends": [line.trend for line in self.headlines]}}

    def _repr_html_(self) -> str:
        """Show the summary and the headline figures in a notebook, and the figures where its cells do not."""
        rows = "".join(
            f"<tr><th scope='row'>{escape(line.label)}</th><td>{escape(line.value)}</td>"
            f"<td>{escape(line.change)}</td><td>{escape(line.detail)}</td></tr>"
            for line in self.headlines
        )
        told = " · ".join([*self._badges(), *(["sample data"] if self.sample else [])])
        head = f"<table><caption>{escape(self.title)} ({escape(told)})</caption>{rows}</table>"
        sentences = "".join(f"<li>{escape(sentence)}</li>" for sentence in self.sentences)
        drawn = self._content.figures if self.shows_figures else []
        return head + (f"<ul>{sentences}</ul>" if sentences else "") + "".join(map(_image, drawn))


def _format(name: str) -> Any:
    """Load a format when it is asked for: what draws it starts slowly."""
    return import_module(f"augment_insights.reports.{name}")


def _save_file(path: Path, data: bytes) -> Path:
    """Write a file whole or not at all, and return its path."""
    with whole_file(path) as unfinished:
        unfinished.write_bytes(data)
    return path


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


def _hides_groups(given: pl.DataFrame, shown: pl.DataFrame) -> bool:
    """Tell whether a table that may be shown hides groups that it had when its chart was drawn."""
    return SUPPRESSED not in given.columns and SUPPRESSED in shown.columns and bool(shown[SUPPRESSED].any())


def _is_nothing(table: pl.DataFrame) -> bool:
    """Tell whether a table that may be shown has no row with a number."""
    told = table.filter(~pl.col(SUPPRESSED)) if SUPPRESSED in table.columns else table
    return told.is_empty()


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
    if "pdf" in chosen and find_spec("typst") is None:
        raise ReportError(
            "A PDF needs the extra 'pdf', which is not installed. Hint: pip install 'typst>=0.14', which is all of it.",
            template=template,
        )
    return chosen
