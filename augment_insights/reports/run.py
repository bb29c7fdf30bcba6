"""Run a template and put its finished files in place: all of them, or none."""

from __future__ import annotations

import json
import logging
import re
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from augment_insights import errors
from augment_insights.charts import theme
from augment_insights.errors import ReportError
from augment_insights.export import replace_folder
from augment_insights.reports.manifest import FILE_NAME
from augment_insights.reports.order import Order, prepare
from augment_insights.reports.sharing import Sharing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from jupyter_client.manager import AsyncKernelManager

    from augment_insights.reports.template import Template

_KERNEL = "python3"
"""Jupyter's name for the interpreter that runs this very process."""

_START_SECONDS = 120
_CELL_SECONDS = 3600
"""A fetch of two years waits for the API's rate limit: minutes, not hours."""

_CELL_FILE = re.compile(r"[^\s\"']{0,200}ipykernel_\d+[/\\]+\d+\.py")
"""Where a kernel says that a cell's code stands, in warnings: a temporary place, named after the process."""

_STAGING = ".augment-insights-"
_UNFINISHED = ".tmp-"
_FORGOTTEN_SECONDS = 24 * 3600
"""No run is that long: what is older in hidden places belongs to one that was killed."""


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
        All files, the page first; those of a folder (csv, parquet, png, svg) one by one.
    """

    template: str
    html: Path | None
    notebook: Path
    paths: tuple[Path, ...]

    @property
    def by_format(self) -> dict[str, tuple[Path, ...]]:
        """The files of each format: html, pdf, xlsx, csv, parquet, png, svg, ipynb, and the manifests."""
        kinds = {path: "manifest" if path.name.endswith(FILE_NAME) else path.suffix[1:] for path in self.paths}
        return {kind: tuple(path for path in self.paths if kinds[path] == kind) for kind in sorted(set(kinds.values()))}

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
    formats: Iterable[str] = ("html",),
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
    formats : iterable of str
        What to write: html, pdf (with the extra ``pdf``), xlsx, csv, parquet, png or svg. The notebook that was
        run is there in any case.
    source : {"sample", "api"}
        The made-up organisation, or your own through the Analytics API (the token comes from
        ``AUGMENT_API_TOKEN``, and is never a parameter).
    output_dir : path-like
        Where the files go; made when it is missing.
    **parameters
        Other parameters of the template, such as ``team``, ``roster``, ``names`` or ``min_group_size``.

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
    order = prepare(
        template, start_date=start_date, end_date=end_date, formats=formats, source=source, parameters=parameters
    )
    return carry_out(order, Path(output_dir).expanduser())


def carry_out(order: Order, folder: Path) -> Report:
    """Run what was ordered, and move what it leaves into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    with _staging(folder, order.label) as staging, tempfile.TemporaryFile() as console:
        place = {"output_dir": staging.as_posix()} if "output_dir" in order.template.parameters else {}
        notebook = staging / f"{order.template.name}.ipynb"
        try:
            _run(order.template, {**order.parameters, **place}, notebook, console=console)
        except Exception as error:
            words = _words(error, console)
            raise _failure(order, error, words, notebook, staging=staging, folder=folder) from error
        return _publish(order, notebook, staging=staging, folder=folder)


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


@contextmanager
def _staging(folder: Path, name: str) -> Iterator[Path]:
    """Give a hidden folder beside the finished reports, and remove it whatever happens."""
    staging = Path(tempfile.mkdtemp(dir=folder, prefix=f"{_STAGING}{name}-")).resolve()
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _run(template: Template, parameters: Mapping[str, Any], notebook: Path, *, console: IO[bytes]) -> None:
    """Run a template's notebook with its parameters, saving it cell by cell.

    What a cell prints stands in the notebook; what the kernel's process says beside that goes to ``console``.
    """
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
            kernel_manager_class=_kernels_heard_by(console),
        )


def _kernels_heard_by(console: IO[bytes]) -> type[AsyncKernelManager]:
    """Return a manager of kernels that write to a file where they would write to this process's terminal.

    A kernel that is told to stop may still complain about sockets and interrupts, in a run that has gone well:
    not for the eyes of whoever reads cron's mail. Of one that died, it may be the only word on why.
    """
    from jupyter_client.manager import AsyncKernelManager  # noqa: PLC0415 (starts slowly, and only a run needs it)

    class KernelsHeard(AsyncKernelManager):
        def start_kernel(self, *arguments: Any, **options: Any) -> Any:
            return super().start_kernel(*arguments, **options, stdout=console, stderr=console)

    return KernelsHeard


@contextmanager
def _silent(name: str) -> Iterator[None]:
    """Keep a logger's words to itself: what fails is raised, and warned of are sound parameters (``str | None``)."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _failure(order: Order, error: Exception, words: str, notebook: Path, *, staging: Path, folder: Path) -> ReportError:
    """Keep the notebook as far as it got, and say which cell failed and with what words."""
    saved_to = folder / f"{order.label}.failed.ipynb"
    if notebook.is_file():
        _tidy(order, notebook, staging=staging, folder=folder)
        notebook.replace(saved_to)
    kept = f" The notebook as far as it got: {saved_to}." if saved_to.is_file() else ""
    cell = getattr(error, "exec_count", None)
    where = f"in cell {cell}" if cell is not None else "before its end"
    message = f"The report {order.label!r} stopped {where}: {words.removesuffix('.')}.{kept}"
    return ReportError(message, template=order.template.name, cell=cell, saved_to=saved_to if kept else None)


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


def _publish(order: Order, notebook: Path, *, staging: Path, folder: Path) -> Report:
    """Move the finished files and folders into place, the page first, the notebook under the name of the others."""
    _tidy(order, notebook, staging=staging, folder=folder)
    left = sorted(path for path in staging.iterdir() if path != notebook)
    pages = [path for path in left if path.suffix == ".html"]
    named = {path: folder / path.name for path in [*pages, *left]}
    named[notebook] = folder / f"{_stem(pages, left) or order.template.name}.ipynb"
    for path, target in named.items():
        if path.is_dir():
            replace_folder(path, target)
        else:
            path.replace(target)
    (folder / f"{order.label}.failed.ipynb").unlink(missing_ok=True)
    files = [file for target in named.values() for file in (sorted(target.iterdir()) if target.is_dir() else [target])]
    return Report(
        template=order.template.name,
        html=folder / pages[0].name if pages else None,
        notebook=named[notebook],
        paths=tuple(files),
    )


def _stem(pages: Sequence[Path], left: Sequence[Path]) -> str | None:
    """Return what a report is called: as its page, else as its manifest says."""
    if pages:
        return pages[0].stem
    manifests = [path.name.removesuffix(f".{FILE_NAME}") for path in left if path.name.endswith(f".{FILE_NAME}")]
    return manifests[0] if manifests else None


def _tidy(order: Order, notebook: Path, *, staging: Path, folder: Path) -> None:
    """Leave in a notebook what was computed, and nothing of how, where and in how many milliseconds.

    It names the place where the files are in the end, not the hidden one where they were made. Where names
    are not shown, none stands in its outputs: not even in a warning, or in the words of an error.
    """
    content = json.loads(notebook.read_text("utf-8").replace(staging.as_posix(), folder.as_posix()))
    # papermill notes whole paths here, and of a notebook that it was handed all cells a second time.
    for name in ("input_path", "output_path", "start_time", "end_time", "duration"):
        content["metadata"].get("papermill", {}).pop(name, None)
    sharing = Sharing("show" if order.value("names") in (None, "show") else "hide")
    for cell in content["cells"]:
        for name in ("papermill", "execution"):
            cell["metadata"].pop(name, None)
        if "injected-parameters" in cell["metadata"].get("tags", []):
            cell["id"] = "injected-parameters"
        if "outputs" in cell:
            cell["outputs"] = _without_places(sharing.spec(cell["outputs"]))
    text = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True)
    notebook.write_text(f"{text}\n", encoding="utf-8")


def _without_places(outputs: Any) -> Any:
    """Replace the temporary place of a cell's code; only texts that name one are searched, as pictures are long."""
    if isinstance(outputs, str):
        return _CELL_FILE.sub("<cell>", outputs) if "ipykernel_" in outputs else outputs
    if isinstance(outputs, dict):
        return {name: _without_places(value) for name, value in outputs.items()}
    return [_without_places(value) for value in outputs] if isinstance(outputs, list) else outputs
