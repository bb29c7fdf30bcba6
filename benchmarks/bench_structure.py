"""How many things is the package? Files, lines of code, classes, functions, and what one call opens.

Counted with the standard library alone: a line of code is a line that holds a token which is neither a
comment, a docstring nor a line break. A file counts as opened by a call when one of its functions runs
during the call; importing it does not count.
"""

from __future__ import annotations

import ast
import io
import sys
import tempfile
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "augment_insights"
MAX_PARAMETERS = 6

BLANK = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


@dataclass(frozen=True)
class Count:
    """What stands in one file or in several."""

    files: int
    code: int
    lines: int
    classes: int
    functions: int
    long_signatures: int
    noqa: int


def docstring_lines(tree: ast.Module) -> set[int]:
    """Return the numbers of the lines that hold a string and nothing else: docstrings."""
    strings = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    )
    return {line for node in strings for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}


def code_lines(text: str) -> int:
    """Return how many lines hold code."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    held = {line for token in tokens if token.type not in BLANK for line in range(token.start[0], token.end[0] + 1)}
    return len(held - docstring_lines(ast.parse(text)))


def parameters_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many parameters a function has, ``self`` and ``cls`` left out."""
    arguments = node.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    names += [argument.arg for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    return len([name for name in names if name not in {"self", "cls"}])


def count(paths: list[Path]) -> Count:
    """Count what stands in some files."""
    texts = [path.read_text(encoding="utf-8") for path in paths]
    nodes = [node for text in texts for node in ast.walk(ast.parse(text))]
    functions = [node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return Count(
        files=len(paths),
        code=sum(code_lines(text) for text in texts),
        lines=sum(text.count("\n") for text in texts),
        classes=sum(isinstance(node, ast.ClassDef) for node in nodes),
        functions=len(functions),
        long_signatures=sum(parameters_of(node) > MAX_PARAMETERS for node in functions),
        noqa=sum(text.count("# noqa") for text in texts),
    )


def files_opened(call: Callable[[], object]) -> list[str]:
    """Return the files of the package of which a function runs during a call.

    A module's ``__getattr__`` is left out: it imports the charts when the first is asked for, and does no more.
    """
    opened: set[str] = set()
    package = str(PACKAGE)

    def note(frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        imports = code.co_qualname.split(".")[0] in ("<module>", "__getattr__")
        if event == "call" and not imports and code.co_filename.startswith(package):
            opened.add(code.co_filename)

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return sorted(str(Path(name).relative_to(package)) for name in opened)


def calls() -> Iterator[tuple[str, int, list[str]]]:
    """Yield what is called, the goal, and the files that it opened; those of the sample's server are left out."""
    from augment_insights import Client, analysis, fetch, reports  # noqa: PLC0415 (counting files needs no package)

    today = "2026-03-10"
    days = ("2025-12-01", "2026-02-28")
    with tempfile.TemporaryDirectory() as folder:
        with Client.sample(today=today, progress=False) as client:
            yield "fetch.user_activity, cold", 11, files_opened(lambda: fetch.user_activity(*days, client=client))
            activity = fetch.dau(start_date=days[0], end_date=days[1], client=client)
        with Client.sample(today=today, progress=False, archive=folder) as client:
            yield "fetch.sync", 15, files_opened(lambda: fetch.sync(client, since=days[0], requests=40))
        yield "analysis.cohort_retention", 5, files_opened(lambda: analysis.cohort_retention(activity, every="1w"))

        def build() -> object:
            return reports.build("overview", source="sample", start_date=days[0], end_date=days[1])

        yield "reports.build('overview')", 30, files_opened(build)


def main() -> None:
    """Count and print."""
    package = count(sorted(PACKAGE.rglob("*.py")))
    tests = count(sorted((ROOT / "tests").rglob("*.py")))
    print("structure: what there is, and the goal")
    for name, found, goal in (
        ("files in the package", package.files, 70),
        ("lines of code (neither docs, comments nor blanks)", package.code, 11_800),
        ("classes", package.classes, 110),
        ("functions", package.functions, None),
        ("functions with more than 6 parameters", package.long_signatures, 10),
        ("lines of tests", tests.lines, 14_500),
        ("noqa in the package", package.noqa, 60),
    ):
        print(f"  {name:52} {found:>7,}" + ("" if goal is None else f" (goal: at most {goal:,})"))
    for folder in sorted(path for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))):
        inside = count(sorted(folder.rglob("*.py")))
        print(f"    {folder.name:12} {inside.files:3} files {inside.code:6,} lines {inside.classes:4} classes")
    print("files of the package of which a function runs during a call (the sample's server left out)")
    for name, goal, opened in calls():
        own = [path for path in opened if not path.startswith("sample/")]
        print(f"  {name:30} {len(own):>3} (goal: at most {goal})")
        if "--files" in sys.argv:
            print("\n".join(f"    {path}" for path in own))


if __name__ == "__main__":
    main()
