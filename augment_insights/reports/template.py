"""Where templates are, and what each lets its reader choose."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augment_insights.errors import ReportError, did_you_mean

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
    """

    name: str
    path: Path
    parameters: tuple[str, ...]

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
    return Template(path.stem, path, _parameters(path))


def _folder() -> Path:
    """Return the folder of the package's own templates: within it once installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "notebooks"


def _parameters(path: Path) -> tuple[str, ...]:
    """Return the names that a notebook's tagged cell assigns, without running it."""
    try:
        notebook = json.loads(path.read_text("utf-8"))
        cells = [cell for cell in notebook["cells"] if _TAG in cell.get("metadata", {}).get("tags", [])]
        source = "\n".join("".join(cell["source"]) for cell in cells)
        body = ast.parse(source).body
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SyntaxError) as error:
        raise ReportError(
            f"{str(path)!r} is not a notebook that can be run: {error}. Hint: save it again in JupyterLab.",
            template=path.stem,
        ) from error
    return tuple(name for statement in body for name in _assigned(statement))


def _assigned(statement: ast.stmt) -> list[str]:
    """Return the plain names that a statement assigns."""
    targets: list[Any] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]
