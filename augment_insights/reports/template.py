"""Where templates are, and what each lets its reader choose."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augment_insights.errors import ReportError, did_you_mean
from augment_insights.export import whole_file

if TYPE_CHECKING:
    from collections.abc import Mapping

_TAG = "parameters"


@dataclass(frozen=True)
class Template:
    """A notebook with a cell tagged ``parameters``.

    Attributes
    ----------
    name : str
        The file's name without its ending.
    path : Path
        Where it is.
    parameters : tuple of str
        What its tagged cell assigns, in order.
    defaults : Mapping of str to object
        The values that it assigns, of those that are written out as literals.
    choices : Mapping of str to tuple
        The only values that a parameter may have, of those that are annotated with ``Literal``.
    """

    name: str
    path: Path
    parameters: tuple[str, ...]
    defaults: Mapping[str, Any]
    choices: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def cells(self) -> list[tuple[str, bool]]:
        """Return the source of each code cell, and whether it is the one with the parameters."""
        notebook = json.loads(self.path.read_text("utf-8"))
        return [
            ("".join(cell["source"]), _TAG in cell.get("metadata", {}).get("tags", []))
            for cell in notebook["cells"]
            if cell["cell_type"] == "code"
        ]

    def check(self, names: list[str]) -> None:
        """Refuse parameters that the template does not have."""
        for name in names:
            if name not in self.parameters:
                known = did_you_mean(name, self.parameters) if self.parameters else " It has none."
                raise ReportError(f"The template {self.name!r} has no parameter {name!r}.{known}", template=self.name)

    def check_values(self, parameters: Mapping[str, Any]) -> None:
        """Refuse a value that is none of its parameter's choices."""
        for name, value in parameters.items():
            allowed = self.choices.get(name)
            if allowed is not None and value not in allowed:
                words = ", ".join(map(repr, allowed))
                nearest = get_close_matches(str(value), [str(one) for one in allowed], n=1)
                hint = f" Hint: did you mean {nearest[0]!r}?" if nearest else ""
                raise ReportError(
                    f"{name}={value!r} is none of what the template {self.name!r} takes: {words}.{hint}",
                    template=self.name,
                )


def templates() -> list[str]:
    """Which templates come with the package?

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
    """How do I get a template of my own, to change as I like?

    Copies a template where you work. The copy is an ordinary notebook: open it in JupyterLab, or run it
    unattended by its path (:func:`augment_insights.reports.write`).

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
    """In which folder can the templates be opened and changed?

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
    if not _is_installed():
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
    body = _assignments(path)
    named = [(name, value) for statement in body for name, value in _assigned(statement)]
    return Template(path.stem, path, tuple(name for name, _ in named), _literals(named), _choices(body))


def _own(template: str) -> Path:
    """Return where one of the package's own templates is."""
    known = templates()
    if template not in known:
        raise ReportError(f"There is no template {template!r}.{did_you_mean(template, known)}", template=template)
    return _folder() / f"{template}.ipynb"


_PACKAGE = Path(__file__).resolve().parent.parent


def _is_installed() -> bool:
    """Tell whether the templates are within the package, as a wheel has them."""
    return (_PACKAGE / "templates").is_dir()


def _folder() -> Path:
    """Return the folder of the package's own templates: within it once installed, beside it in a checkout."""
    return _PACKAGE / "templates" if _is_installed() else _PACKAGE.parent / "notebooks"


def _assignments(path: Path) -> list[ast.stmt]:
    """Return the statements of a notebook's tagged cell, without running it."""
    try:
        notebook = json.loads(path.read_text("utf-8"))
        cells = [cell for cell in notebook["cells"] if _TAG in cell.get("metadata", {}).get("tags", [])]
        return ast.parse("\n".join("".join(cell["source"]) for cell in cells)).body
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SyntaxError) as error:
        raise ReportError(
            f"{str(path)!r} is not a notebook that can be run: {error}. Hint: save it again in JupyterLab.",
            template=path.stem,
        ) from error


def _assigned(statement: ast.stmt) -> list[tuple[str, ast.expr | None]]:
    """Return the plain names that a statement assigns, and what."""
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    value = statement.value if isinstance(statement, (ast.Assign, ast.AnnAssign)) else None
    return [(target.id, value) for target in targets if isinstance(target, ast.Name)]


def _literals(named: list[tuple[str, ast.expr | None]]) -> dict[str, Any]:
    """Return the values that are written out."""
    found: dict[str, Any] = {}
    for name, value in named:
        try:
            found[name] = ast.literal_eval(value) if value is not None else None
        except ValueError:
            continue  # computed: known only when it runs
    return found


def _choices(body: list[ast.stmt]) -> dict[str, tuple[Any, ...]]:
    """Return what each name may be, of those whose annotation lists it."""
    annotated = [one for one in body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)]
    found = {one.target.id: _listed(one.annotation) for one in annotated if isinstance(one.target, ast.Name)}
    return {name: values for name, values in found.items() if values is not None}


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
