"""Find a template, run it, and put its finished files in place: all of them, or none.

What is asked for is checked in full before anything runs.
"""

from __future__ import annotations

import ast
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import time
import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from html import escape
from importlib import metadata
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import augment_insights
from augment_insights import errors
from augment_insights.charts import theme
from augment_insights.errors import (
    ConfigurationError,
    DateRangeError,
    InsightsError,
    InsightsWarning,
    ReportError,
    did_you_mean,
    not_valid,
    plural,
    safe_text,
)
from augment_insights.export import MANIFEST, file_name, replace_folder, whole_file
from augment_insights.periods import calendar_periods, parse_day
from augment_insights.reports.content import Headline
from augment_insights.reports.digest import FAILURE_FORMATS, save_failure
from augment_insights.reports.page import PAGE_DATA, Page, check_formats
from augment_insights.reports.sharing import Sharing
from augment_insights.reports.study import SOURCES, Study
from augment_insights.transport.settings import PROGRESS_VARIABLE, choose_style

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from jupyter_client.manager import AsyncKernelManager

FOLDERS_VARIABLE = "AUGMENT_INSIGHTS_TEMPLATES"
"""Folders of templates of one's own."""

ENTRY_POINTS = "augment_insights.templates"
"""The group under which installed packages bring templates: each entry names a package or module beside notebooks."""

_TAG = "parameters"
_PACKAGE = Path(__file__).resolve().parent.parent

NOTEBOOK = "ipynb"
"""The format that every report has: the notebook that was run."""

_SECRET_NAME = re.compile(r"token|secret|password|passwd|api_?key|credential", re.IGNORECASE)
_BEARER = re.compile(r"bearer\s.+", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SEGMENTS = re.compile(r"[A-Za-z0-9_\-+=/]{16,}(\.[A-Za-z0-9_\-+=/]{16,})*")
"""A long word, or several with dots between them, as in a JSON web token; a file's ending is shorter."""

_MIXED = re.compile(r"(?=[A-Za-z0-9]*[0-9])(?=[A-Za-z0-9]*[A-Za-z])[A-Za-z0-9]{12,}")
"""Letters and digits mixed without a break; names are words and numbers with breaks between them."""

_SECRET_LENGTH = 32

_KERNEL = "python3"
"""Jupyter's name for a Python kernel; which Python that is, is not left to it."""

_START_SECONDS = 120
_CELL_SECONDS = 3600
"""A fetch of two years waits for the API's rate limit: minutes, not hours."""

_CELL_FILE = re.compile(r"[^\s\"']{0,200}ipykernel_\d+[/\\]+\d+\.py")
"""Where a kernel says that a cell's code stands, in warnings: a temporary place, named after the process."""

_PROGRESS = re.compile(r"([^\r\n]*\d(?: of |/)\d+ requests[^\r\n]*)\n?")
"""How far a fetch is, as it is told in a log or a bar."""

_WIDTH = 100
"""Wide enough for a bar with what is left at the rate limit."""

_STAGING = ".augment-insights-"
_UNFINISHED = ".tmp-"
_FORGOTTEN_SECONDS = 24 * 3600
"""No run is that long: what is older in hidden places belongs to one that was killed."""


@dataclass(frozen=True)
class Template:
    """A notebook with a cell tagged ``parameters``.

    Attributes
    ----------
    name : str
        The file's name without its ending.
    path : Path
        Where it is.
    cells : tuple of (str, bool)
        The source of each code cell, and whether it is the one with the parameters.
    defaults : Mapping of str to object
        What its tagged cell assigns, in order; None for what is computed there.
    comments : Mapping of str to str
        What the comment at the end of each one's line says, without line breaks; empty where there is none.
    choices : Mapping of str to tuple
        The only values that a parameter may have: those that its comment puts in double quotes, if its default is
        among them and there are at least two; or those of its annotation, ``Literal["a", "b"]``.
    description : str
        The notebook's heading.
    """

    name: str
    path: Path
    cells: tuple[tuple[str, bool], ...]
    defaults: Mapping[str, Any]
    comments: Mapping[str, str]
    choices: Mapping[str, tuple[Any, ...]]
    description: str

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters, in order."""
        return tuple(self.defaults)

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Refuse parameters that the template does not have, and values that are none of their choices."""
        for name, value in parameters.items():
            if name not in self.parameters:
                known = did_you_mean(name, self.parameters) if self.parameters else " It has none."
                raise ReportError(f"The template {self.name!r} has no parameter {name!r}.{known}", template=self.name)
            if name in self.choices and value not in self.choices[name]:
                raise ReportError(not_valid(name, value, self.choices[name]), template=self.name)


@dataclass(frozen=True)
class Report:
    """The files of a finished report.

    Attributes
    ----------
    template : str
        The template's name.
    html : Path or None
        The page to pass on; None when a notebook of one's own writes none.
    notebook : Path
        The notebook that was run, with its outputs.
    paths : tuple of Path
        All files, the page first; those of a folder (csv, parquet, png, svg) one by one.
    headlines : tuple of Headline
        The figures in large print; none of a notebook that shows no page.
    sentences : tuple of str
        What the page says in words, the most important first.
    digest : Mapping of str to object
        All that the page says besides its figures, as :meth:`Page.save_json` writes it.
    """

    template: str
    html: Path | None
    notebook: Path
    paths: tuple[Path, ...]
    headlines: tuple[Headline, ...] = ()
    sentences: tuple[str, ...] = ()
    digest: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def _repr_html_(self) -> str:
        """List the files in a notebook."""
        items = "".join(f"<li><code>{escape(str(path))}</code></li>" for path in self.paths)
        return f"<p>Report {escape(self.template)}:</p><ul>{items}</ul>"


@dataclass(frozen=True)
class Batch:
    """The reports that were finished, and the errors of the others.

    Attributes
    ----------
    reports : Mapping of str to Report
        The finished ones, by team or month.
    failures : Mapping of str to InsightsError
        Why the others were not, by team or month.
    """

    reports: Mapping[str, Report]
    failures: Mapping[str, InsightsError]

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files of all reports."""
        return tuple(path for report in self.reports.values() for path in report.paths)

    def _repr_html_(self) -> str:
        """List the reports in a notebook."""
        done = {name: plural(len(report.paths), "file") for name, report in self.reports.items()}
        finished, failed = (
            "".join(f"<li>{escape(name)}: {escape(str(told))}</li>" for name, told in side.items())
            for side in (done, self.failures)
        )
        return f"<ul>{finished}</ul>" + (f"<p>Not finished:</p><ul>{failed}</ul>" if failed else "")


def templates() -> list[str]:
    """List the templates that can be run by their name.

    Those that come with the package, those of installed packages (entry points of the group
    ``augment_insights.templates``), and those of your own: notebooks in the folders that the environment variable
    ``AUGMENT_INSIGHTS_TEMPLATES`` names. Of two that share a name, yours is taken before the package's own, and that
    before another package's.

    Returns
    -------
    list of str
        Their names, sorted, as :func:`augment_insights.reports.write` takes them.

    Raises
    ------
    ConfigurationError
        ``AUGMENT_INSIGHTS_TEMPLATES`` names what is no folder.

    See Also
    --------
    find : what one of them is about, and its parameters.

    Examples
    --------
    >>> "overview" in templates()
    True
    """
    return sorted(_places())


def new(template: str, path: Path | str | None = None, *, overwrite: bool = False) -> Path:
    """Copy a template to where you work, to change it as you like.

    The copy is an ordinary notebook: open it in JupyterLab, or run it unattended by its path
    (:func:`augment_insights.reports.write`).

    Parameters
    ----------
    template : str
        One of :func:`templates`.
    path : path-like, optional
        Where to: a file that ends in ``.ipynb``, or a folder, made when it is missing. Left out, the
        working directory, under the template's name.
    overwrite : bool
        Replace a file that is there. Otherwise nothing that you wrote is ever lost.

    Returns
    -------
    Path
        The copy.

    Raises
    ------
    ReportError
        No such template (the nearest names are suggested), a file that is there already, or a place that
        cannot be written.

    See Also
    --------
    templates : what there is.
    write : runs one.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> new("overview", folder / "mine.ipynb").name
    'mine.ipynb'
    >>> new("overview", folder / "mine.ipynb")
    Traceback (most recent call last):
    ...
    augment_insights.errors.ReportError: ... is there already. Hint: choose another path, or overwrite it (--force).
    """
    source = _place(template)
    place = Path("." if path is None else path).expanduser()
    target = place if place.suffix == ".ipynb" else place / source.name
    if target.exists() and not overwrite:
        raise ReportError(
            f"{str(target)!r} is there already. Hint: choose another path, or overwrite it (--force).",
            template=template,
        )
    try:
        with whole_file(target) as unfinished:
            unfinished.write_bytes(source.read_bytes())
    except OSError as error:
        raise ReportError(
            f"The template {template!r} cannot be copied to {str(target)!r}: {error}. Hint: choose another path.",
            template=template,
        ) from error
    return target


def workspace(folder: Path | str = "augment-insights") -> Path:
    """Return the folder in which the templates can be opened and changed.

    In a checkout that is its own ``notebooks``. An installed package is no place to work in: then the
    templates are copied to a folder, and those that are there already stay as they are.

    Parameters
    ----------
    folder : path-like
        Where the copies go; made when it is missing.

    Returns
    -------
    Path
        The folder to open.

    Raises
    ------
    ReportError
        The folder cannot be written.

    See Also
    --------
    new : copies one of them.

    Examples
    --------
    >>> (workspace(getfixture("tmp_path")) / "overview.ipynb").is_file()
    True
    """
    if _folder().parent != _PACKAGE:
        return _folder()
    place = Path(folder).expanduser()
    for name in templates():
        if not (place / f"{name}.ipynb").exists():
            new(name, place)
    return place


def find(template: str | Path) -> Template:
    """Return a template by its name, or a notebook of one's own by its path.

    Parameters
    ----------
    template : str or Path
        One of :func:`templates`, or the path of a notebook (``.ipynb``).

    Returns
    -------
    Template
        What it is about, and its parameters with their defaults, comments and choices.

    Raises
    ------
    ReportError
        When there is none; the nearest name is suggested.

    See Also
    --------
    write : runs it.

    Examples
    --------
    >>> find("retention").comments["inactive_days"]
    'days without activity that are a lapse; fewer are holidays'
    """
    path = Path(template).expanduser()
    is_path = path.suffix == ".ipynb"
    if not is_path:
        path = _place(str(template))
    elif not path.is_file():
        raise ReportError(
            f"There is no notebook {str(path)!r}. Hint: check the path, or name one of the templates: "
            f"{', '.join(templates())}.",
            template=str(template),
        )
    try:
        cells = json.loads(path.read_text("utf-8"))["cells"]
        code = tuple(
            ("".join(cell["source"]), _TAG in cell.get("metadata", {}).get("tags", []))
            for cell in cells
            if cell["cell_type"] == "code"
        )
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        parameters = _parameters("\n".join(source for source, holds_parameters in code if holds_parameters))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SyntaxError) as error:
        raise ReportError(
            f"{str(path)!r} is not a notebook that can be run: {error}. Hint: save it again in JupyterLab.",
            template=path.stem,
        ) from error
    heading = next((line.lstrip("# ").strip() for line in text.splitlines() if line.startswith("#")), "")
    return Template(path.stem, path, code, *parameters, heading)


def write(
    template: str | Path,
    /,
    *,
    formats: Iterable[str] = ("html",),
    output_dir: Path | str = "reports",
    **parameters: Any,
) -> Report:
    """Run a template, and write its finished report.

    Runs the template's notebook in a fresh kernel of this Python, in this working directory, and
    moves the page and the notebook that it leaves into ``output_dir`` when all has gone well. Until
    then everything stays in a hidden folder there, which is removed in any case: what stands
    under a report's name is always whole, and an older one stays until a new one is ready. While it waits
    for the API's rate limit it says on stderr how far it is, as a client does; it prints nothing else.

    Parameters
    ----------
    template : str or Path
        One of :func:`templates`, or the path of a notebook (``.ipynb``) of your own. What may be
        chosen stands in its cell tagged ``parameters``.
    formats : iterable of str
        What to write: html, pdf (with the extra ``pdf``), xlsx, csv, parquet, png, svg, md or json. The notebook that
        was run is there in any case. With md or json, a report that fails leaves ``NAME.failed.md`` or
        ``NAME.failed.json``, which says what failed and what to do.
    output_dir : path-like
        Where the files go; made when it is missing.
    **parameters
        The parameters of the template. All that come with the package have ``start_date`` and ``end_date`` (UTC
        days, both included; left out, the template chooses), ``source`` (``"sample"``, the made-up organisation, or
        ``"api"``, your own: the token comes from ``AUGMENT_API_TOKEN``, and is never a parameter), ``team``,
        ``roster``, ``names``, ``min_group_size`` and others: see :func:`find`.

    Returns
    -------
    Report
        The paths written.

    Raises
    ------
    ReportError
        Unknown template or parameter, something like a token among the parameters, or a cell
        that failed: the notebook as far as it got is then kept beside the reports as
        ``NAME.failed.ipynb`` (``saved_to``).
    DateRangeError
        A date that is none, or an end before the start.
    ConfigurationError
        ``source="api"`` without a token.

    See Also
    --------
    build : the page in this process, to look at. write_each : a report a team, or a month.

    Examples
    --------
    >>> write("overveiw")
    Traceback (most recent call last):
    ...
    augment_insights.errors.ReportError: There is no template 'overveiw'. Hint: did you mean 'overview'?
    """
    folder, asked = Path(output_dir).expanduser(), _listed(formats)
    with _telling_failure(template, asked, folder):
        return _execute(_prepare(template, asked, parameters), folder)


def write_each(
    template: str | Path,
    /,
    *,
    per: str,
    formats: Iterable[str] = ("html",),
    output_dir: Path | str = "reports",
    **parameters: Any,
) -> Batch:
    """Write a report for each team, or whatever else the roster or the calendar divides into.

    One after the other, each as :func:`write` does it; its files and its title name its group. One that
    fails does not stop the others. What one has fetched, the next finds in the cache.

    Parameters
    ----------
    template, formats, output_dir, **parameters
        As for :func:`write`.
    per : str
        ``"team"`` or any other column of the roster, such as ``"manager"``: a report for each of its values. Or
        ``"month"``: one for each calendar month of the days, the first and the last as far as the days go.

    Returns
    -------
    Batch
        The finished reports, and the errors of the others.

    Raises
    ------
    ConfigurationError
        There is no roster, or it has no such column.
    ReportError, DateRangeError
        As :func:`write`, where it is wrong for all of them.

    See Also
    --------
    write : one report.

    Examples
    --------
    >>> write_each("overview", per="taem")
    Traceback (most recent call last):
    ...
    augment_insights.errors.ConfigurationError: The roster has no column 'taem'. Hint: did you mean 'team'?
    """
    folder, asked = Path(output_dir).expanduser(), _listed(formats)
    with _telling_failure(template, asked, folder):
        run = _prepare(template, asked, parameters)
        runs = _by_month(run) if per == "month" else _by_column(run, per)
    reports: dict[str, Report] = {}
    failures: dict[str, InsightsError] = {}
    for name, each in runs.items():
        try:
            with _telling_failure(template, asked, folder, name=each.label):
                reports[name] = _execute(each, folder)
        except InsightsError as error:
            failures[name] = error
        except OSError as error:
            message = f"The report {each.label!r} could not be written: {error}."
            failures[name] = ReportError(message, template=each.label)
    return Batch(reports, failures)


def build(
    template: str | Path,
    /,
    **parameters: Any,
) -> Page:
    """Build a template's page in this process.

    Runs the code of the template's cells: no kernel, no file. The page shows itself in a notebook,
    has ``tables`` and ``charts`` by name, and saves itself: ``save_html``, ``save_pdf``, ``save_xlsx``,
    ``save_csv``, ``save_parquet``, ``save_png``, ``save_svg``, ``save_md``, ``save_json``.

    Parameters
    ----------
    template, **parameters
        As for :func:`write`.

    Returns
    -------
    Page
        What the template calls ``page``.

    Raises
    ------
    ReportError
        Unknown template or parameter, a cell that failed, or a notebook that builds no page.
    InsightsError
        Whatever the template's own calls raise.

    See Also
    --------
    write : the same into files, in a fresh kernel.

    Examples
    --------
    >>> page = build("overview", end_dat="2026-08-30")
    Traceback (most recent call last):
    ...
    augment_insights.errors.ReportError: The template 'overview' has no parameter 'end_dat'. ...
    """
    run = _prepare(template, [], parameters)
    _refuse_early(run)
    with run.sharing.naming_nobody():
        page = _names_after(run).get("page")
    if isinstance(page, Page):
        return replace(page, shows_figures=True)
    raise ReportError(
        f"The template {run.template.name!r} builds no page. Hint: let its last cell leave a reports.Page in 'page'.",
        template=run.template.name,
    )


@dataclass(frozen=True)
class _Run:
    """A template and the parameters that it is run with, checked.

    Attributes
    ----------
    template : Template
        What is run.
    parameters : Mapping of str to object
        As a notebook's cell holds them; ``output_dir`` is not among them.
    label : str
        What a failed run is called.
    """

    template: Template
    parameters: Mapping[str, Any]
    label: str

    def value(self, name: str) -> Any:
        """Return a parameter as it will be: as asked for, else the template's own."""
        return self.parameters.get(name, self.template.defaults.get(name))

    @property
    def sharing(self) -> Sharing:
        """How much of people its notebook and its errors may tell: no pseudonyms, as nobody looks them up there."""
        return Sharing("show" if self.value("names") in (None, "show") else "hide")

    def of(self, part: str, **parameters: Any) -> _Run:
        """Return the run of one team or month."""
        self.template.check(parameters)
        return replace(self, parameters={**self.parameters, **parameters}, label=f"{self.label}-{part}")


def _listed(formats: Iterable[str]) -> list[str]:
    """Return the formats as a list; a single one may come as text."""
    return [formats] if isinstance(formats, str) else list(formats)


@contextmanager
def _telling_failure(template: str | Path, formats: list[str], folder: Path, *, name: str = "") -> Iterator[None]:
    """Leave a digest of what fails in a block, where one was asked for; take it away when nothing does."""
    found = find(template).name
    try:
        yield
    except (InsightsError, OSError) as error:
        with suppress(OSError):  # a full disk has no room for it either
            save_failure(error, folder, template=found, name=name or found, formats=formats)
        raise
    for ending in FAILURE_FORMATS:
        (folder / f"{name or found}.failed.{ending}").unlink(missing_ok=True)


def _prepare(template: str | Path, formats: list[str], parameters: Mapping[str, Any]) -> _Run:
    """Check what is asked for, as far as that can be done before a kernel starts."""
    found = find(template)
    _refuse_secrets(found, parameters)
    days = {name: parameters.get(name) for name in ("start_date", "end_date")}
    others = {name: value for name, value in parameters.items() if name not in {*days, "source"}}
    chosen = {**_days(**days), **{name: _plain(found, name, value) for name, value in others.items()}}
    source = parameters.get("source", "sample")
    if source not in SOURCES:
        raise ReportError(not_valid("source", source, SOURCES), template=found.name)
    if source != "sample" or "source" in found.parameters:
        chosen["source"] = source
    kept = check_formats([name for name in formats if name != NOTEBOOK], template=found.name)
    if "formats" in found.parameters or kept not in ((), ("html",)):
        chosen["formats"] = list(kept)
    found.check(chosen)
    for name in ("roster", "targets", "events"):
        path = chosen.get(name)
        if isinstance(path, str) and not Path(path).expanduser().is_file():
            raise ReportError(f"{name}={path!r}: there is no such file. Hint: check the path.", template=found.name)
    if source == "api":
        augment_insights.Client()  # which says when there is no token
    return _Run(found, chosen, found.name)


def _days(start_date: date | str | None, end_date: date | str | None) -> dict[str, str]:
    """Return the days as a notebook takes them."""
    given = {"start_date": start_date, "end_date": end_date}
    days = {name: parse_day(value, name=name) for name, value in given.items() if value is not None}
    if len(days) == len(given) and days["end_date"] < days["start_date"]:
        raise DateRangeError(
            f"The range ends before it starts: {days['start_date']} to {days['end_date']}. Hint: swap the two.",
            start=days["start_date"],
            end=days["end_date"],
        )
    return {name: day.isoformat() for name, day in days.items()}


def _plain(template: Template, name: str, value: Any) -> Any:
    """Return a parameter as a notebook's cell can hold it."""

    def as_text(item: object) -> str:
        if isinstance(item, date):
            return item.isoformat()
        if isinstance(item, Path):
            return str(item)
        raise ReportError(
            f"The parameter {name!r} is a {type(item).__name__}, which a notebook's cell cannot hold. "
            "Hint: pass text, numbers, dates or lists of them, or the path of a file.",
            template=template.name,
        )

    return json.loads(json.dumps(value, default=as_text))


def _refuse_secrets(template: Template, parameters: Mapping[str, Any]) -> None:
    """Refuse what looks like a token: parameters are written into the notebook for all to read."""
    token = os.environ.get("AUGMENT_API_TOKEN", "").strip()
    for name, value in parameters.items():
        text = str(value)  # a list or a dictionary may hold one, too
        if _SECRET_NAME.search(name) or _looks_secret(text.strip()) or (token and token in text):
            raise ReportError(
                f"The parameter {name!r} looks like a token or another secret, and parameters are kept in the "
                "report. Hint: set the environment variable AUGMENT_API_TOKEN instead.",
                template=template.name,
            )


def _looks_secret(text: str) -> bool:
    """Tell whether a value has the look of a token, and not of a name, a path or a sentence.

    Examples
    --------
    >>> _looks_secret("aug_0123456789abcdefABCDEF0123456789")
    True
    >>> _looks_secret("roster-2026-11-platform-and-web-teams.csv")
    False
    """
    if _BEARER.fullmatch(text) or _UUID.fullmatch(text):
        return True
    return len(text) >= _SECRET_LENGTH and bool(_SEGMENTS.fullmatch(text)) and bool(_MIXED.search(text))


def _refuse_early(run: _Run) -> None:
    """Refuse an unknown team, too few people, a target that is none, and whatever else files tell before a run."""
    files = ("roster", "targets", "events", "calendar")
    is_told = (run.value("team") and "roster" in run.template.parameters) or any(map(run.value, files))
    if run.sharing.is_open and not is_told:
        return
    names = ("source", "team", "team_column", "names", "min_group_size", *files)
    chosen: dict[str, Any] = {name: run.value(name) for name in names}
    Study(**{name: value for name, value in chosen.items() if value is not None})


def _by_column(run: _Run, column: str) -> dict[str, _Run]:
    """Return a run for each value of a column of the roster."""
    by = {} if column == "team" else {"team_column": column}
    run = replace(run, parameters={**run.parameters, **by})
    run.template.check({**by, "team": run.value("team")})
    source, by_column = run.value("source") or "sample", run.value("team_column") or "team"
    with run.sharing.naming_nobody():
        study = Study(source=source, roster=run.value("roster"), team_column=by_column)
    if not study.teams:
        raise ConfigurationError(
            f"A report per {column} needs a roster with a column {column!r}. Hint: pass roster='roster.csv'.",
            setting="roster",
        )
    return {team: run.of(file_name(team, among=study.teams), team=team) for team in study.teams}


def _by_month(run: _Run) -> dict[str, _Run]:
    """Return a run for each calendar month of the days."""
    start, end = run.value("start_date"), run.value("end_date")
    run.template.check({"start_date": start, "end_date": end})
    study = Study(start, end, source=run.value("source") or "sample", every="1mo")
    months = {f"{month.start:%Y-%m}": month for month in calendar_periods(study.days.asked, "1mo")}
    return {
        name: run.of(name, start_date=month.start.isoformat(), end_date=month.end.isoformat())
        for name, month in months.items()
    }


def _place(template: str) -> Path:
    """Return where a template is."""
    places = _places()
    if template not in places:
        raise ReportError(f"There is no template {template!r}.{did_you_mean(template, places)}", template=template)
    return places[template]


def _places() -> dict[str, Path]:
    """Return where each template is, by its name; of two that share a name the later wins."""
    named = [Path(name).expanduser() for name in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if name]
    for folder in named:
        if not folder.is_dir():
            raise ConfigurationError(
                f"{FOLDERS_VARIABLE} names {str(folder)!r}, which is no folder. Hint: make it, or unset the variable.",
                setting=FOLDERS_VARIABLE,
            )
    folders = [*_folders_of_packages(), _folder(), *reversed(named)]
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.ipynb"))}


def _folders_of_packages() -> Iterator[Path]:
    """Yield the folders of templates of installed packages; one that cannot be loaded is warned of, and left out."""
    for entry in metadata.entry_points(group=ENTRY_POINTS):
        try:
            found = entry.load()
            place = getattr(found, "__path__", None) or [Path(getattr(found, "__file__", found)).parent]
        except Exception as error:  # noqa: BLE001 (anything may go wrong in a package of somebody else's)
            warnings.warn(
                f"The templates of the entry point {entry.name!r} ({entry.value}) cannot be loaded: "
                f"{type(error).__name__}: {error}. Hint: update or remove that package.",
                InsightsWarning,
                stacklevel=4,
            )
        else:
            yield Path(next(iter(place)))


def _folder() -> Path:
    """Return the folder of the package's own templates: within it once installed, beside it in a checkout."""
    installed = _PACKAGE / "templates"
    return installed if installed.is_dir() else _PACKAGE.parent / "notebooks"


def _parameters(source: str) -> tuple[dict[str, Any], dict[str, str], dict[str, tuple[Any, ...]]]:
    """Return the values that a tagged cell assigns to names, their comments, and the choices that these list.

    Examples
    --------
    >>> _parameters('colour: str = "red"  # of the page: "red" or "blue"')
    ({'colour': 'red'}, {'colour': 'of the page: "red" or "blue"'}, {'colour': ('red', 'blue')})
    """
    defaults: dict[str, Any] = {}
    comments: dict[str, str] = {}
    choices: dict[str, tuple[Any, ...]] = {}
    lines = source.splitlines()
    for statement in ast.parse(source).body:
        if not isinstance(statement, (ast.Assign, ast.AnnAssign)):
            continue
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        value, listed = None, []
        with suppress(ValueError):  # computed: known only when it runs
            value = None if statement.value is None else ast.literal_eval(statement.value)
        comment = lines[(statement.end_lineno or 1) - 1].encode()[statement.end_col_offset :].decode().strip(" #")
        quoted = re.findall(r'"([^"]*)"', comment)
        if isinstance(statement, ast.AnnAssign) and "Literal" in ast.unparse(statement.annotation):
            nodes = ast.walk(statement.annotation)
            listed = sorted(
                (node.value for node in nodes if isinstance(node, ast.Constant)), key=lambda one: one is None
            )
        elif len(quoted) > 1 and value in quoted:
            listed = quoted
        for name in [target.id for target in targets if isinstance(target, ast.Name)]:
            defaults[name], comments[name] = value, comment
            if listed:
                choices[name] = tuple(listed)
    return defaults, comments, choices


def _names_after(run: _Run) -> dict[str, Any]:
    """Run the cells one after the other in this process, and return the names that they leave."""
    alt, template = theme.load_altair(), run.template
    names: dict[str, Any] = {"__name__": template.name}
    with alt.theme.enable(alt.theme.active), alt.renderers.enable(alt.renderers.active):  # put back what setup() sets
        for number, (source, holds_parameters) in enumerate(template.cells, start=1):
            try:
                exec(compile(source, f"<{template.name}, cell {number}>", "exec"), names)  # noqa: S102 (a notebook runs)
            except InsightsError:
                raise
            except Exception as error:
                raise ReportError(
                    f"The report {template.name!r} stopped in cell {number}: {type(error).__name__}: {error}.",
                    template=template.name,
                    cell=number,
                ) from error
            if holds_parameters:
                names.update(run.parameters)
    return names


def _execute(run: _Run, folder: Path) -> Report:
    """Run a notebook in a kernel, and move what it leaves into a folder."""
    _refuse_early(run)
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    hidden = tempfile.TemporaryDirectory(dir=folder, prefix=f"{_STAGING}{run.label}-", ignore_cleanup_errors=True)
    with hidden as name, tempfile.TemporaryFile() as console:
        staging = Path(name).resolve()
        place = {"output_dir": staging.as_posix()} if "output_dir" in run.template.parameters else {}
        notebook = staging / f"{run.template.name}.ipynb"
        try:
            _run_notebook(run.template.path, {**run.parameters, **place}, notebook, console=console)
            said = _tidy(run, notebook, folder=folder)
            return replace(_publish(run, notebook, folder=folder), **said)
        except OSError as error:  # of the disk: a cell's would be papermill's
            raise ReportError(
                f"The report {run.label!r} cannot be written to {folder}: {error.strerror or error}. Hint: make room "
                "there, or name another folder; what was fetched is cached.",
                template=run.template.name,
            ) from error
        except Exception as error:
            if notebook.is_file():
                _tidy(run, notebook, folder=folder)
            words = run.sharing.words(_words(error, console))
            failure = _failure(run, error, words, notebook, folder=folder)
            if run.sharing.is_open:
                raise failure from error
            raise failure from None  # what it was raised from may name people


def _sweep(folder: Path) -> None:
    """Remove what runs that were killed have left in hidden places."""
    now = time.time()
    for left in (*folder.glob(f"{_STAGING}*"), *folder.glob(f"{_UNFINISHED}*.part")):
        with suppress(OSError):  # another run may sweep at the same time
            touched = max(path.stat().st_mtime for path in (left, *(left.iterdir() if left.is_dir() else ())))
            if now - touched < _FORGOTTEN_SECONDS:
                continue
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink()


def _run_notebook(path: Path, parameters: Mapping[str, Any], notebook: Path, *, console: IO[bytes]) -> None:
    """Run a notebook with its parameters, and save it at its end, also where a cell fails or the kernel dies.

    What a cell prints stands in the notebook; what the kernel's process says beside that goes to ``console``. How far
    its fetches are is told as they go.
    What fails is raised, so papermill's own log, which warns of sound parameters (``str | None``), is silent.
    """
    with theme.without_iri_grammar():
        import nbformat  # noqa: PLC0415 (starts slowly, and only a run needs it)
        import papermill  # noqa: PLC0415 (starts slowly, and only a run needs it)

    cells = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]  # nbformat has no types
    cells.metadata["kernelspec"] = {"name": _KERNEL, "display_name": "Python 3", "language": "python"}
    style = choose_style(None)
    told = _Told(style)
    logger = logging.getLogger("papermill")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        papermill.execute_notebook(
            cells,
            str(notebook).replace("{", "{{").replace("}", "}}"),  # papermill fills in braces in paths
            parameters=dict(parameters),
            kernel_name=_KERNEL,
            engine_name=_saving_once(),
            progress_bar=False,
            start_timeout=_START_SECONDS,
            execution_timeout=_CELL_SECONDS,
            kernel_manager_class=own_kernels(console, style),
            stderr_file=told,
        )
    finally:
        told.end()
        logger.setLevel(level)


def _saving_once() -> str:
    """Return papermill's name for its engine without a save before and after each cell.

    Nobody sees the file before the end, and the pictures of all cells would be written some sixty times.
    """
    from papermill.engines import NBClientEngine, papermill_engines  # noqa: PLC0415 (as above)

    class SavingOnce(NBClientEngine):  # type: ignore[misc]  # papermill has no types
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, *arguments: Any, **options: Any) -> Any:
            place, nb_man.output_path = nb_man.output_path, None
            try:
                return super().execute_managed_notebook(nb_man, *arguments, **options)
            finally:
                nb_man.output_path = place

    name = "saving_once"
    papermill_engines.register(name, SavingOnce)
    return name


class _Told:
    """Writes to this process's stderr how far the kernel's fetches are, and nothing else that its cells say there."""

    def __init__(self, style: str) -> None:
        self._is_bar = style == "bar"
        self._has_bar = False

    def write(self, text: str) -> None:
        for line in map(partial(safe_text, place="line"), _PROGRESS.findall(text)):
            sys.stderr.write(f"\r{line:<{_WIDTH}}" if self._is_bar else f"{line}\n")
            self._has_bar = self._is_bar

    def flush(self) -> None:
        sys.stderr.flush()

    def end(self) -> None:
        """Wipe the bar away."""
        if self._has_bar:
            sys.stderr.write(f"\r{'':<{_WIDTH}}\r")


def own_kernels(console: IO[bytes], style: str) -> type[AsyncKernelManager]:
    """Return a manager of kernels of this very Python, which write to a file in place of this process's terminal.

    Whatever kernels are installed: a ``python3`` of another Python may stand before this one's.
    A kernel that is told to stop may still complain about sockets and interrupts, in a run that has gone well:
    not for the eyes of whoever reads cron's mail. Of one that died, it may be the only word on why.
    """
    from jupyter_client.kernelspec import KernelSpec  # noqa: PLC0415 (starts slowly, and only a run needs it)
    from jupyter_client.manager import AsyncKernelManager  # noqa: PLC0415 (as above)

    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]

    class KernelsHeard(AsyncKernelManager):
        kernel_spec = KernelSpec(argv=command, display_name="Python 3", language="python")

        def start_kernel(self, *arguments: Any, **options: Any) -> Any:
            environment = {**os.environ, PROGRESS_VARIABLE: style}
            return super().start_kernel(*arguments, **options, env=environment, stdout=console, stderr=console)

    return KernelsHeard


def _failure(run: _Run, error: Exception, words: str, notebook: Path, *, folder: Path) -> ReportError:
    """Keep the notebook as far as it got, and say which cell failed and with what words."""
    saved_to = folder / f"{run.label}.failed.ipynb"
    if notebook.is_file():
        notebook.replace(saved_to)
    kept = f" The notebook as far as it got: {saved_to}." if saved_to.is_file() else ""
    cell = getattr(error, "exec_count", None)
    where = f"in cell {cell}" if cell is not None else "before its end"
    message = f"The report {run.label!r} stopped {where}: {words.removesuffix('.')}.{kept}"
    return ReportError(message, template=run.template.name, cell=cell, saved_to=saved_to if kept else None)


def _words(error: Exception, console: IO[bytes]) -> str:
    """Return the words of the error that stopped a run: just the sentence, if it is one of ours.

    Where no cell has failed but the kernel itself, its own last line is added.
    """
    kind, words = getattr(error, "ename", None), getattr(error, "evalue", None)
    if kind is None:
        first_line = str(error).strip().split("\n", 1)[0]
        console.seek(0)
        lines = console.read().decode("utf-8", "replace").strip().splitlines()
        last_words = f" The kernel's last words: {lines[-1]}" if lines else ""
        return f"{type(error).__name__}: {first_line}{last_words}"
    ours = getattr(errors, kind, None)
    is_ours = isinstance(ours, type) and issubclass(ours, errors.InsightsError)
    return str(words) if is_ours else f"{kind}: {words}"


def _publish(run: _Run, notebook: Path, *, folder: Path) -> Report:
    """Move the finished files and folders into place, the page first, the notebook under the name of the others."""
    left = sorted(path for path in notebook.parent.iterdir() if path != notebook)
    pages = [path for path in left if path.suffix == ".html"]
    stems = [path.stem for path in pages]
    stems += [path.name.removesuffix(f".{MANIFEST}") for path in left if path.name.endswith(f".{MANIFEST}")]
    named = {path: folder / path.name for path in [*pages, *left]}
    named[notebook] = folder / f"{(stems or [run.template.name])[0]}.ipynb"
    for path, target in named.items():
        if path.is_dir():
            replace_folder(path, target)
        else:
            path.replace(target)
    (folder / f"{run.label}.failed.ipynb").unlink(missing_ok=True)
    files = [file for target in named.values() for file in (sorted(target.iterdir()) if target.is_dir() else [target])]
    return Report(run.template.name, folder / pages[0].name if pages else None, named[notebook], tuple(files))


def _tidy(run: _Run, notebook: Path, *, folder: Path) -> dict[str, Any]:
    """Leave in a notebook what was computed, and nothing of how, where and in how many milliseconds.

    Returned is what its last page says: ``headlines``, ``sentences`` and ``digest``.

    It names the place where the files are in the end, not the hidden one where they were made. Where names
    are not shown, none stands in its outputs: not even in a warning, or in the words of an error.
    """
    content = json.loads(notebook.read_text("utf-8").replace(notebook.parent.as_posix(), folder.as_posix()))
    # papermill notes whole paths here, and of a notebook that it was handed all cells a second time.
    for name in ("input_path", "output_path", "parameters", "start_time", "end_time", "duration"):
        content["metadata"].get("papermill", {}).pop(name, None)
    for cell in content["cells"]:
        for name in ("papermill", "execution"):
            cell["metadata"].pop(name, None)
        if "injected-parameters" in cell["metadata"].get("tags", []):
            cell["id"] = "injected-parameters"
        if "outputs" in cell:
            cell["outputs"] = _without_places(run.sharing.spec(_without_progress(cell["outputs"])))
    text = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True)
    for place in () if run.sharing.is_open else (run.value("roster"), run.value("archive")):
        text = text.replace(place, Path(place).name) if isinstance(place, str) and place else text
    notebook.write_text(f"{text}\n", encoding="utf-8")
    outputs = [output.get("data", {}) for cell in content["cells"] for output in cell.get("outputs", [])]
    said = [data[PAGE_DATA] for data in outputs if PAGE_DATA in data]
    if not said:
        return {}
    digest = dict(said[-1])
    lines = zip(digest["headlines"], digest.pop("trends"), strict=True)
    headlines = tuple(Headline(**line, trend=tuple(trend)) for line, trend in lines)
    return {"headlines": headlines, "sentences": tuple(digest["sentences"]), "digest": digest}


def _without_progress(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    r"""Leave out how far fetches were: it is told while they run, and differs from run to run.

    Examples
    --------
    >>> _without_progress([{"name": "stderr", "text": ["dau: 2 of 8 requests\n", "Look!\n"]}])
    [{'name': 'stderr', 'text': 'Look!\n'}]
    """
    kept = []
    for output in outputs:
        if output.get("name") == "stderr":
            text = _PROGRESS.sub("", "".join(output["text"]))
            kept += [{**output, "text": text}] if text.strip() else []
        else:
            kept.append(output)
    return kept


def _without_places(outputs: Any) -> Any:
    """Replace the temporary place of a cell's code; only texts that name one are searched, as pictures are long."""
    if isinstance(outputs, str):
        return _CELL_FILE.sub("<cell>", outputs) if "ipykernel_" in outputs else outputs
    if isinstance(outputs, dict):
        return {name: _without_places(value) for name, value in outputs.items()}
    return [_without_places(value) for value in outputs] if isinstance(outputs, list) else outputs
