"""Where templates are, and what each lets its reader choose."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augment_insights.errors import ReportError, did_you_mean

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
    """

    name: str
    path: Path
    parameters: tuple[str, ...]
    defaults: Mapping[str, Any]

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
        known = templates()
        if str(template) not in known:
            raise ReportError(
                f"There is no template {str(template)!r}.{did_you_mean(str(template), known)}", template=str(template)
            )
        path = _folder() / f"{template}.ipynb"
    elif not path.is_file():
        raise ReportError(
            f"There is no notebook {str(path)!r}. Hint: check the path, or name one of the package's own "
            f"templates: {', '.join(templates())}.",
            template=str(template),
        )
    body = _assignments(path)
    named = [(name, value) for statement in body for name, value in _assigned(statement)]
    return Template(path.stem, path, tuple(name for name, _ in named), _literals(named))


def _folder() -> Path:
    """Return the folder of the package's own templates: within it once installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "notebooks"


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
