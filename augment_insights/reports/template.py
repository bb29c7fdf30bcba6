"""Where templates are, and what each lets its reader choose."""

from __future__ import annotations

import ast
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augment_insights.errors import ReportError, did_you_mean, not_valid
from augment_insights.export import whole_file

if TYPE_CHECKING:
    from collections.abc import Mapping

_TAG = "parameters"
_PACKAGE = Path(__file__).resolve().parent.parent


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
    choices : Mapping of str to tuple
        The only values that a parameter may have, of those that are annotated with ``Literal``.
    """

    name: str
    path: Path
    cells: tuple[tuple[str, bool], ...]
    defaults: Mapping[str, Any]
    choices: Mapping[str, tuple[Any, ...]]

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


def templates() -> list[str]:
    """List the templates that come with the package.

    Returns
    -------
    list of str
        Their names, sorted, as :func:`augment_insights.reports.write` takes them.

    Examples
    --------
    >>> "overview" in templates()
    True
    """
    return sorted(path.stem for path in _folder().glob("*.ipynb"))


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
    source = _own(template)
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

    Raises
    ------
    ReportError
        When there is none; the nearest name is suggested.
    """
    path = Path(template).expanduser()
    is_path = path.suffix == ".ipynb"
    if not is_path:
        path = _own(str(template))
    elif not path.is_file():
        raise ReportError(
            f"There is no notebook {str(path)!r}. Hint: check the path, or name one of the package's own "
            f"templates: {', '.join(templates())}.",
            template=str(template),
        )
    try:
        notebook = json.loads(path.read_text("utf-8"))
        cells = tuple(
            ("".join(cell["source"]), _TAG in cell.get("metadata", {}).get("tags", []))
            for cell in notebook["cells"]
            if cell["cell_type"] == "code"
        )
        assigned = ast.parse("\n".join(source for source, holds_parameters in cells if holds_parameters)).body
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SyntaxError) as error:
        raise ReportError(
            f"{str(path)!r} is not a notebook that can be run: {error}. Hint: save it again in JupyterLab.",
            template=path.stem,
        ) from error
    return Template(path.stem, path, cells, *_parameters(assigned))


def _own(template: str) -> Path:
    """Return where one of the package's own templates is."""
    known = templates()
    if template not in known:
        raise ReportError(f"There is no template {template!r}.{did_you_mean(template, known)}", template=template)
    return _folder() / f"{template}.ipynb"


def _folder() -> Path:
    """Return the folder of the package's own templates: within it once installed, beside it in a checkout."""
    installed = _PACKAGE / "templates"
    return installed if installed.is_dir() else _PACKAGE.parent / "notebooks"


def _parameters(statements: list[ast.stmt]) -> tuple[dict[str, Any], dict[str, tuple[Any, ...]]]:
    """Return the values that a tagged cell assigns to names, and the choices that its annotations list."""
    defaults: dict[str, Any] = {}
    choices: dict[str, tuple[Any, ...]] = {}
    for statement in statements:
        if not isinstance(statement, (ast.Assign, ast.AnnAssign)):
            continue
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for name in [target.id for target in targets if isinstance(target, ast.Name)]:
            defaults[name] = None
            with suppress(ValueError):  # computed: known only when it runs
                defaults[name] = None if statement.value is None else ast.literal_eval(statement.value)
            listed = _listed(statement.annotation) if isinstance(statement, ast.AnnAssign) else None
            if listed is not None:
                choices[name] = listed
    return defaults, choices


def _listed(annotation: ast.expr) -> tuple[Any, ...] | None:
    """Return the values that an annotation lists (``Literal["a", "b"] | None``); None where it names a type.

    Examples
    --------
    >>> [_listed(ast.parse(text).body[0].value) for text in ('Literal["1d", "1w"]', 'Literal["a"] | None', "str")]
    [('1d', '1w'), ('a', None), None]
    """
    if isinstance(annotation, ast.Constant) and annotation.value is None:
        return (None,)
    if isinstance(annotation, ast.BinOp):
        sides = (_listed(annotation.left), _listed(annotation.right))
        return None if sides[0] is None or sides[1] is None else (*sides[0], *sides[1])
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value).split(".")[-1] == "Literal":
        values = ast.literal_eval(annotation.slice)
        return values if isinstance(values, tuple) else (values,)
    return None
