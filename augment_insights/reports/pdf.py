"""The report as a PDF, set by Typst: neither LaTeX nor a browser is needed.

All that is shown goes to Typst as data and never as markup, and each chart is a drawing of its own.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from augment_insights.charts import theme
from augment_insights.errors import safe_text
from augment_insights.reports.content import SAMPLE, Figure, asset

if TYPE_CHECKING:
    from augment_insights.reports.content import Content

MAX_TABLE_ROWS = 40
"""More rows than this are not read on paper."""

_FOOTER_LENGTH = 70

_LONG_WORD = re.compile(r"\S{14,}")
_PIECE = re.compile(r".{10}|_")
_BREAK = "\u200b"
"""The space of no width, at which a line may break."""


def render(content: Content) -> bytes:
    """Return the document; it needs the extra ``pdf``."""
    import typst  # noqa: PLC0415 (an extra of 80 MB)

    with TemporaryDirectory(prefix="augment-insights-") as folder:
        root = Path(folder)
        kind, _, logo = theme.current_theme().logo.partition(";base64,")
        name = f"logo.{'svg' if 'svg' in kind else 'png'}" if logo else None
        if name:
            (root / name).write_bytes(b64decode(logo))
        data = {**_breakable(_data(content)), "logo": name}
        (root / "page.json").write_text(json.dumps(data, allow_nan=False), "utf-8")
        for number, figure in enumerate(content.figures):
            (root / f"{number}.pdf").write_bytes(theme.to_pdf(figure.spec))
        source = root / "page.typ"
        source.write_text(asset("page.typ"), "utf-8")
        document: bytes = typst.compile(str(source), root=str(root))
    return document


def _breakable(value: Any) -> Any:
    """Let long words break: a name of 200 letters has no place where a line could end."""
    if isinstance(value, str):
        breaking = _LONG_WORD.sub(lambda word: _PIECE.sub(lambda piece: f"{piece[0]}{_BREAK}", word[0]), value)
        return safe_text(breaking)
    if isinstance(value, dict):
        return {name: _breakable(item) for name, item in value.items()}
    return [_breakable(item) for item in value] if isinstance(value, (list, tuple)) else value


def _data(content: Content) -> dict[str, Any]:
    """Return what the template shows."""
    numbers = {figure.name: number for number, figure in enumerate(content.figures)}
    title = " ".join(content.title.split())
    footer = title if len(title) <= _FOOTER_LENGTH else f"{title[:_FOOTER_LENGTH]}…"
    return {
        "title": content.title,
        "footer": footer + (f" · {SAMPLE}" if content.sample else ""),
        "badges": [*content.badges, *([SAMPLE] if content.sample else [])],
        "summary": list(content.summary),
        "headlines": [[line.label, line.value, line.change, line.detail] for line in content.headlines],
        "blocks": [
            {**block.laid_out(most_rows=MAX_TABLE_ROWS, people=content.people), "image": f"{numbers[block.name]}.pdf"}
            if isinstance(block, Figure)
            else {"words": block}
            for block in content.blocks
        ],
        "rest": "All are in the workbook (--format xlsx) and the tables (--format csv).",
        "definitions": [list(pair) for pair in content.definitions.items()],
        "manifest": [list(pair) for pair in content.manifest_words.items()],
    }
