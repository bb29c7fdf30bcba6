"""Run a template and put its finished files in place: all of them, or none."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from augment_insights import errors
from augment_insights.charts import theme
from augment_insights.errors import DateRangeError, ReportError
from augment_insights.periods import parse_day
from augment_insights.reports.page import check_formats
from augment_insights.reports.template import Template, find

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SOURCES = ("api", "sample")

_KERNEL = "python3"
"""Jupyter's name for the interpreter that runs this very process."""

_START_SECONDS = 120
_CELL_SECONDS = 3600
"""A fetch of two years waits for the API's rate limit: minutes, not hours."""

_SECRET_NAME = re.compile(r"token|secret|password|passwd|api_?key|credential", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"(?i:bearer\s.+)|(?=\S*\d)(?=\S*[A-Za-z])[A-Za-z0-9_\-.+=]{32,}")


@dataclass(frozen=True)
class Report:
    """Where did a finished report land?

    Attributes
    ----------
    template : str
        The template's name.
    html : Path or None
        The page to pass on; None when a notebook of one's own writes none.
    notebook : Path
        The notebook that was run, with its outputs.
    paths : tuple of Path
        All files, the page first.
    """

    template: str
    html: Path | None
    notebook: Path
    paths: tuple[Path, ...]

    def _repr_html_(self) -> str:
        """List the files in a notebook."""
        items = "".join(f"<li><code>{escape(str(path))}</code></li>" for path in self.paths)
        return f"<p>Report {escape(self.template)}:</p><ul>{items}</ul>"


def write(
    template: str | Path,
    /,
    *,
    start_date: date | str | None = None,
    end_date: date | str | None = None,
    formats: Sequence[str] = ("html",),
    source: Literal["sample", "api"] = "sample",
    output_dir: Path | str = "reports",
    **parameters: Any,
) -> Report:
    """How does a template become a finished report?

    Runs the template's notebook in a fresh kernel of this Python, in this working directory, and
    moves the page and the notebook that it leaves into ``output_dir`` when all has gone well. Until
    then everything stays in a hidden folder there, which is removed in any case: what stands
    under a report's name is always whole, and an older one stays until a new one is ready. Nothing is
    printed.

    Parameters
    ----------
    template : str or Path
        One of :func:`templates`, or the path of a notebook (``.ipynb``) of your own. What may be
        chosen stands in its cell tagged ``parameters``.
    start_date, end_date : date or "YYYY-MM-DD", optional
        UTC days, both included; left out, the template chooses.
    formats : sequence of str
        What to write: html, pdf, xlsx, csv, parquet, png or svg. The notebook is there in any case.
    source : {"sample", "api"}
        The made-up organisation, or your own through the Analytics API (the token comes from
        ``AUGMENT_API_TOKEN``, and is never a parameter).
    output_dir : path-like
        Where the files go; made when it is missing.
    **parameters
        Other parameters of the template.

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
    Page : what a template builds its page with.

    Examples
    --------
    >>> write("overveiw")
    Traceback (most recent call last):
    ...
    augment_insights.errors.ReportError: There is no template 'overveiw'. Hint: did you mean 'overview'?
    """
    found = find(template)
    _refuse_secrets(found, parameters)
    chosen = {**_days(start_date, end_date), **_plain(found, parameters)}
    if source not in SOURCES:
        raise ReportError(f"source={source!r} is none.{errors.did_you_mean(str(source), SOURCES)}", template=found.name)
    if source != "sample" or "source" in found.parameters:
        chosen["source"] = source
    if tuple(formats) != ("html",) or "formats" in found.parameters:
        chosen["formats"] = list(check_formats(formats, template=found.name))
    found.check(list(chosen))
    if source == "api":
        _require_token()
    folder = Path(output_dir).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    with _staging(folder, found.name) as staging:
        if "output_dir" in found.parameters:
            chosen["output_dir"] = staging.as_posix()
        notebook = staging / f"{found.name}.ipynb"
        try:
            _run(found, chosen, notebook)
        except Exception as error:
            raise _failure(found, error, notebook, staging=staging, folder=folder) from error
        return _publish(found, notebook, staging=staging, folder=folder)


def _days(start_date: date | str | None, end_date: date | str | None) -> dict[str, str]:
    """Check the days before a kernel starts, and write them as a notebook takes them."""
    given = {"start_date": start_date, "end_date": end_date}
    days = {name: parse_day(value, name=name) for name, value in given.items() if value is not None}
    if len(days) == len(given) and days["end_date"] < days["start_date"]:
        raise DateRangeError(
            f"The range ends before it starts: {days['start_date']} to {days['end_date']}. Hint: swap the two.",
            start=days["start_date"],
            end=days["end_date"],
        )
    return {name: day.isoformat() for name, day in days.items()}


def _plain(template: Template, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Write parameters as a notebook's cell can hold them."""
    return {name: _plain_value(template, name, value) for name, value in parameters.items()}


def _plain_value(template: Template, name: str, value: Any) -> Any:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_plain_value(template, name, item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain_value(template, name, item) for key, item in value.items()}
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise ReportError(
        f"The parameter {name!r} is a {type(value).__name__}, which a notebook's cell cannot hold. "
        "Hint: pass text, numbers, dates or lists of them, or the path of a file.",
        template=template.name,
    )


def _refuse_secrets(template: Template, parameters: Mapping[str, Any]) -> None:
    """Refuse what looks like a token: parameters are written into the notebook for all to read."""
    token = os.environ.get("AUGMENT_API_TOKEN", "").strip()
    for name, value in parameters.items():
        text = str(value)  # a list or a dictionary may hold one, too
        if _SECRET_NAME.search(name) or _SECRET_VALUE.fullmatch(text.strip()) or (token and token in text):
            raise ReportError(
                f"The parameter {name!r} looks like a token or another secret, and parameters are kept in the "
                "report. Hint: set the environment variable AUGMENT_API_TOKEN instead.",
                template=template.name,
            )


def _require_token() -> None:
    """Say that there is no token now, and not after a kernel has started."""
    from augment_insights.transport import Client  # noqa: PLC0415 (only for a report from the API)

    Client()


@contextmanager
def _staging(folder: Path, name: str) -> Iterator[Path]:
    """Give a hidden folder beside the finished reports, and remove it whatever happens."""
    staging = Path(tempfile.mkdtemp(dir=folder, prefix=f".{name}-")).resolve()
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _run(template: Template, parameters: Mapping[str, Any], notebook: Path) -> None:
    """Run a template's notebook with its parameters, saving it cell by cell."""
    with theme.without_iri_grammar():
        import nbformat  # noqa: PLC0415 (starts slowly, and only a run needs it)
        import papermill  # noqa: PLC0415 (starts slowly, and only a run needs it)

    cells = nbformat.read(template.path, as_version=4)  # type: ignore[no-untyped-call]  # nbformat has no types
    cells.metadata["kernelspec"] = {"name": _KERNEL, "display_name": "Python 3", "language": "python"}
    with _silent("papermill"):
        papermill.execute_notebook(
            cells,
            str(notebook).replace("{", "{{").replace("}", "}}"),  # papermill fills in braces in paths
            parameters=dict(parameters),
            kernel_name=_KERNEL,
            progress_bar=False,
            start_timeout=_START_SECONDS,
            execution_timeout=_CELL_SECONDS,
            extra_arguments=["--log-level=ERROR"],  # a kernel's warnings about its own sockets are not ours to print
        )


@contextmanager
def _silent(name: str) -> Iterator[None]:
    """Keep a logger's warnings to itself: papermill knows no ``str | None``, and calls such parameters unknown."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _failure(template: Template, error: Exception, notebook: Path, *, staging: Path, folder: Path) -> ReportError:
    """Keep the notebook as far as it got, and say which cell failed and with what words."""
    saved_to = folder / f"{template.name}.failed.ipynb"
    if notebook.is_file():
        _tidy(notebook, staging=staging, folder=folder)
        notebook.replace(saved_to)
    kept = f" The notebook as far as it got: {saved_to}." if saved_to.is_file() else ""
    cell = getattr(error, "exec_count", None)
    where = f"in cell {cell}" if cell is not None else "before its end"
    message = f"The report {template.name!r} stopped {where}: {_words(error).removesuffix('.')}.{kept}"
    return ReportError(message, template=template.name, cell=cell, saved_to=saved_to if kept else None)


def _words(error: Exception) -> str:
    """Return the words of the error that stopped a run: just the sentence, if it is one of ours."""
    kind, words = getattr(error, "ename", None), getattr(error, "evalue", None)
    if kind is None:
        first_line = str(error).strip().split("\n", 1)[0]
        return f"{type(error).__name__}: {first_line}"
    ours = getattr(errors, kind, None)
    is_ours = isinstance(ours, type) and issubclass(ours, errors.InsightsError)
    return str(words) if is_ours else f"{kind}: {words}"


def _publish(template: Template, notebook: Path, *, staging: Path, folder: Path) -> Report:
    """Move the finished files into place, the page under the name that the template gave it."""
    _tidy(notebook, staging=staging, folder=folder)
    written = sorted(path for path in staging.iterdir() if path.is_file() and path != notebook)
    pages = [path for path in written if path.suffix == ".html"]
    stem = pages[0].stem if pages else template.name
    named = {path: folder / path.name for path in [*pages, *written]} | {notebook: folder / f"{stem}.ipynb"}
    for path, target in named.items():
        path.replace(target)
    (folder / f"{template.name}.failed.ipynb").unlink(missing_ok=True)
    return Report(
        template=template.name,
        html=folder / pages[0].name if pages else None,
        notebook=named[notebook],
        paths=tuple(named.values()),
    )


def _tidy(notebook: Path, *, staging: Path, folder: Path) -> None:
    """Name the place where the files are in the end, not the hidden one where they were made."""
    content = json.loads(notebook.read_text("utf-8").replace(staging.as_posix(), folder.as_posix()))
    # papermill notes whole paths here, and of a notebook that it was handed all cells a second time.
    for name in ("input_path", "output_path"):
        content["metadata"].get("papermill", {}).pop(name, None)
    text = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True)
    notebook.write_text(f"{text}\n", encoding="utf-8")
