"""A report for programs and for messages: its digest as JSON and Markdown, what to post, what changed since."""

from __future__ import annotations

import json
import math
import os
import re
import textwrap
from dataclasses import asdict, dataclass
from datetime import date
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import polars as pl

from augment_insights.charts import theme
from augment_insights.errors import UNSAFE, ReportError, not_valid, plural, safe_text
from augment_insights.export import whole_file
from augment_insights.reports.content import NO_DATA, SAMPLE, Figure, asset, plain, table_rows
from augment_insights.reports.sharing import Sharing
from augment_insights.tables import column_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from augment_insights.reports.content import Content
    from augment_insights.reports.page import Page
    from augment_insights.reports.run import Report

SCHEMA_VERSION = 1
"""Raised when a key changes its meaning or goes, not for a new one; ``digest.schema.json`` says what there is."""

FAILURE_FORMATS = ("json", "md")
"""The formats in which a report that failed is told of."""

KINDS = ("chat", "email")
"""The messages that can be made of a digest."""

_MOST_ROWS = 300
_MOST_ROWS_IN_WORDS = 30
"""Longer tables are not read as text: Markdown says where they are."""

_LETTERS = 76
"""A line of an e-mail."""

_MARKDOWN = re.compile(r"([\\`*{}\[\]<>|~#&$]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.|^[-+=](?=[-=\s]|$))")
"""What Markdown reads as markup, a link or the start of a list."""

_NUMBERED = re.compile(r"^(\d+)(?=[.)](?:\s|$))")

_CHAT = str.maketrans({"[": "(", "]": ")", "*": "\N{ASTERISK OPERATOR}", "~": "\N{TILDE OPERATOR}", "`": "'"})
"""Chats differ in how such a sign is quoted, and not all can; these look alike and mark nothing."""

_STEERING = re.compile(f"{UNSAFE}|[\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_MENTION = re.compile(r"(?<!\w)@(?=\w)")

_NUMBERS = re.compile(r"[-+]?\d[\d,.:]*|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b")
"""What differs between two sentences that say the same of different days."""

_DAYS = ("start_date", "end_date")
_BESIDE = ("targets", "events")


# ---- The digest ----


def outline(content: Content) -> dict[str, Any]:
    """Return what a page says without its figures, and without the moment at which it was made."""
    manifest = content.manifest
    headlines = [asdict(line) for line in content.headlines]
    return {
        "schema_version": SCHEMA_VERSION,
        "status": "ok",
        "title": content.title,
        "name": content.name,
        "template": str(manifest.get("Template", content.name)),
        "population": content.population,
        "as_of": plain(content.as_of),
        "range_asked": manifest.get("Range asked", ""),
        "range_shown": manifest.get("Range shown", ""),
        "sample": content.sample,
        "parameters": plain(manifest.get("Parameters", {})),
        "headlines": [{name: value for name, value in line.items() if name != "trend"} for line in headlines],
        "sentences": list(content.summary),
        "left_out": list(content.left_out),
        "definitions": dict(content.definitions),
    }


def digest(content: Content) -> dict[str, Any]:
    """Return everything that a page says, as JSON holds it: the same for the same page, but for ``generated_at``."""
    figures = [
        {
            "name": figure.name,
            "title": figure.title,
            "how_to_read": figure.how_to_read,
            "columns": [
                {"name": name, "type": _kind(dtype), "label": _label(name, content)}
                for name, dtype in figure.table.schema.items()
            ],
            "rows": [list(map(_value, row)) for row in figure.table.head(_MOST_ROWS).iter_rows()],
            "row_count": figure.table.height,
        }
        for figure in content.figures
    ]
    return {**outline(content), "figures": figures, "generated_at": content.manifest.get("Generated at")}


def _label(column: str, content: Content) -> str:
    """Return what a column is called for readers, with the unit in which JSON has it."""
    return column_words(column, people=content.people).replace("(%)", "(0 to 1)")


def _kind(dtype: pl.DataType) -> str:
    """Return what a column's cells are in JSON."""
    if dtype.is_numeric():
        return "number"
    return "boolean" if dtype == pl.Boolean else "date" if dtype == pl.Date else "text"


def _value(value: object) -> bool | float | str | None:
    """Return a cell as JSON holds it: numbers as numbers, days as YYYY-MM-DD; what is no number is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, date):
        return value.isoformat()
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def to_json(told: Mapping[str, Any]) -> str:
    """Return a digest as text that any terminal may show: what could steer one is escaped, as JSON does it."""
    text = json.dumps(told, ensure_ascii=False, indent=1, allow_nan=False)
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


# ---- As Markdown ----


def to_markdown(content: Content) -> str:
    """Return a page as Markdown: headlines, sentences, figures as tables, definitions."""
    made = [f"Template {_md(content.manifest.get('Template', content.name))}"]
    made += [f"generated at {_md(when)}" for when in [content.manifest.get("Generated at")] if when]
    parts = [
        f"# {_md(content.title)}",
        *([f"**{SAMPLE.capitalize()}**"] if content.sample else []),
        " · ".join(map(_md, content.badges)),
        _md_table(
            ("", "Value", "Change", "What stands behind it"),
            [(line.label, line.value, line.change, line.detail) for line in content.headlines],
        ),
        *_md_list("What happened", content.summary),
    ]
    for block in content.blocks:
        parts += _md_figure(block, people=content.people) if isinstance(block, Figure) else [_md(block)]
    meanings = [f"**{_md(term)}**: {_md(meaning)}" for term, meaning in content.definitions.items()]
    parts += ["## What the figures mean", "\n".join(f"- {line}" for line in meanings)] if meanings else []
    return "\n\n".join(filter(None, [*parts, f"{', '.join(made)}."])) + "\n"


def _md_figure(figure: Figure, *, people: str) -> list[str]:
    """Return a figure's words, and its table if it is short enough to be read as text."""
    table = figure.table
    where = f"{plural(table.height, 'row')}: in the JSON digest, the workbook and the CSV of this report."
    columns = [column_words(name, people=people) for name in table.columns]
    rows = _md_table(columns, table_rows(table)) if table.height <= _MOST_ROWS_IN_WORDS else where
    return [f"## {_md(figure.title)}", _md(figure.how_to_read), rows]


def _md_table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table; nothing without rows."""
    header, *lines = [[_md(cell) for cell in row] for row in (columns, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, ["---"] * len(header), *lines)) if lines else ""


def _md_list(heading: str, sentences: Iterable[str]) -> list[str]:
    """Return a heading and a list below it; nothing where there is nothing to list."""
    lines = [f"- {_md(sentence)}" for sentence in sentences]
    return [f"## {heading}", "\n".join(lines)] if lines else []


def _md(text: object) -> str:
    """Write text as one line of Markdown in which it is nothing but text."""
    return _NUMBERED.sub(r"\1\\", _MARKDOWN.sub(r"\\\1", _line(text)))


def _line(text: object) -> str:
    """Write text as one line, whole."""
    words = str(text)
    return safe_text(words, "line", longest=max(1, len(words))).strip()


# ---- A report that failed ----


def save_failure(error: Exception, folder: Path, *, template: str, name: str, formats: Iterable[str]) -> None:
    """Say in ``NAME.failed.json`` or ``NAME.failed.md`` what failed and what to do, where a digest was asked for.

    It is read by whoever gets the digests: neither an e-mail nor the token stands in it.
    """
    saved_to = getattr(error, "saved_to", None)
    words = str(error).replace(f" The notebook as far as it got: {saved_to}.", "")
    token = os.environ.get("AUGMENT_API_TOKEN", "").strip()
    words = _line(Sharing("hide").words(words.replace(token, "(token)") if token else words))
    message, _, hint = words.partition(" Hint: ")
    look = f"open {saved_to.name}, which shows the cell" if saved_to else "run it by hand, and read what it says"
    hint = hint or f"{look}."
    told = {
        "schema_version": SCHEMA_VERSION,
        "status": "failed",
        "name": name,
        "template": template,
        "error": type(error).__name__,
        "message": message,
        "hint": f"{hint[:1].upper()}{hint[1:]}",
        "notebook": saved_to.name if saved_to else None,
    }
    heading = f"# The report {_md(name)} could not be made"
    texts = {
        "json": to_json(told),
        "md": "\n\n".join([heading, _md(message), f"**What to do:** {_md(told['hint'])}"]) + "\n",
    }
    for ending in texts.keys() & {*formats}:
        with whole_file(folder / f"{name}.failed.{ending}") as unfinished:
            unfinished.write_text(texts[ending], "utf-8", newline="\n")


# ---- Read again ----


def read_digest(source: Report | Page | Mapping[str, Any] | Path | str) -> Mapping[str, Any]:
    """Return a digest: of a file, or what a report or a page says.

    Parameters
    ----------
    source : Report, Page, Mapping or path-like
        A digest in JSON, or what has one.

    Returns
    -------
    Mapping
        As ``augment_insights/reports/digest.schema.json`` describes it; that of a :class:`Report` has no figures.

    Raises
    ------
    ReportError
        It cannot be read, is no digest, or one of another version.

    See Also
    --------
    message, compare_digests : what to do with it.

    Examples
    --------
    >>> read_digest({"schema_version": 2})
    Traceback (most recent call last):
    ...
    augment_insights.errors.ReportError: The digest has schema_version 2, and this program reads 1. Hint: ...
    """
    with theme.without_iri_grammar():
        from jsonschema import Draft202012Validator  # noqa: PLC0415 (starts slowly, and few need it)
        from jsonschema.exceptions import best_match  # noqa: PLC0415 (as above)

    is_file = isinstance(source, (Path, str))
    what, found = "The digest", cast("Any", getattr(source, "digest", source))
    if isinstance(source, (Path, str)):
        what = repr(str(source))
        try:
            found = json.loads(Path(source).expanduser().read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            words = error.strerror if isinstance(error, OSError) else "it is not JSON"
            raise ReportError(f"{what} cannot be read: {words}. {_MAKE_ONE}", template=what) from error
    version = found.get("schema_version") if isinstance(found, dict) else None
    if isinstance(version, int) and version != SCHEMA_VERSION:
        raise ReportError(
            f"{what} has schema_version {version}, and this program reads {SCHEMA_VERSION}. Hint: make both digests "
            "with one version of augment-insights.",
            template=what,
        )
    wrong = best_match(Draft202012Validator(json.loads(asset("digest.schema.json"))).iter_errors(found))
    if wrong is not None:
        where = f" at {wrong.json_path}" if is_file and wrong.path else ""
        raise ReportError(
            f"{what} is not a report's digest{where}: {_brief(wrong.message)}. {_MAKE_ONE}", template=what
        )
    checked: Mapping[str, Any] = found
    return checked


_MAKE_ONE = "Hint: make one with augment-insights report TEMPLATE --format json."


def _brief(words: str) -> str:
    """Cut what a file holds out of an error's words."""
    return textwrap.shorten(safe_text(words, "line"), 120, placeholder=" ...")


# ---- Messages ----


def message(
    source: Report | Page | Mapping[str, Any] | Path | str, kind: str = "chat", *, link: str | None = None
) -> str:
    """Write a report as a short message: title, headlines, sentences, last day, and where the report is.

    Parameters
    ----------
    source : Report, Page, Mapping or path-like
        The report, or its digest in JSON; that of a report that failed gives a message that says so.
    kind : {"chat", "email"}
        A message for a chat, in which ``& < >`` are escaped and nothing mentions, links or formats; or the plain text
        of an e-mail, with the counts behind each figure.
    link : str, optional
        Where the report is; left out, the page beside the digest, where there is one.

    Returns
    -------
    str
        The message; the first line is a subject.

    Raises
    ------
    ReportError
        ``kind`` is neither, or there is no such digest.

    See Also
    --------
    compare_digests : what changed since another.

    Examples
    --------
    >>> from augment_insights.reports import Page
    >>> page = Page("Overview", population="people", as_of=date(2026, 3, 8), range_asked="2026-03-02 to 2026-03-08")
    >>> page = page.headline("Weekly active people", 87, change="3 more than before").summary(["R&D came."])
    >>> print(message(page, link="https://wiki.example/overview"))
    *Overview*
    people, data to 2026-03-08
    • Weekly active people: 87; 3 more than before
    <BLANKLINE>
    • R&amp;D came.
    <BLANKLINE>
    The whole report: https://wiki.example/overview
    """
    if kind not in KINDS:
        raise ReportError(not_valid("kind", kind, KINDS), template="message")
    told = read_digest(source)
    is_chat, words = kind == "chat", _in_chat if kind == "chat" else _line
    place = link or _page_of(source, told)
    where = [f"The whole report: {words(place)}"] if place else []
    if told["status"] == "failed":
        title = f"The report {told['name']} could not be made"
        parts = [[words(told["message"])], [f"What to do: {words(told['hint'])}"]]
    else:
        title = told["title"]
        days = f"data to {told['as_of']}" if told["as_of"] else "no data"
        about = f"{told['population']}, {days}" + (f", {SAMPLE}" if told["sample"] else "")
        figures = [_figure_in_words(line, with_detail=not is_chat) for line in told["headlines"]]
        listed = [[f"{'•' if is_chat else '-'} {words(one)}" for one in part] for part in (figures, told["sentences"])]
        parts = [[words(about), *listed[0]], listed[1], where]
    heading = f"*{words(title)}*" if is_chat else words(title)
    if is_chat:
        text = "\n\n".join("\n".join(part) for part in parts if part)
        return f"{heading}\n{text}"
    return "\n\n".join([heading, *("\n".join(map(_wrapped, part)) for part in parts if part)])


def _figure_in_words(line: Mapping[str, str], *, with_detail: bool) -> str:
    """Return a headline as one line."""
    told = [line["value"], line["detail"] if with_detail else "", line["change"]]
    return f"{line['label']}: {'; '.join(filter(None, told))}"


def _in_chat(text: object) -> str:
    """Write text so that a chat shows it and does nothing else with it."""
    return escape(_MENTION.sub("@\N{ZERO WIDTH SPACE}", _line(text).translate(_CHAT)), quote=False)


def _wrapped(line: str) -> str:
    """Break a line of an e-mail, those of a list below their first."""
    indent = "  " if line.startswith("- ") else ""
    return textwrap.fill(line, _LETTERS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _page_of(source: object, told: Mapping[str, Any]) -> str | None:
    """Return the page that stands beside a digest, or that a report has."""
    page = getattr(source, "html", None)
    if isinstance(source, (Path, str)):
        page = Path(source).expanduser().with_name(f"{Path(told['name']).name}.html")
    return str(page) if page is not None and page.is_file() else None


# ---- What changed ----


@dataclass(frozen=True)
class DigestChanges:
    """What changed between two digests of one template.

    Attributes
    ----------
    template : str
        The template of both.
    old, new : dict
        ``title``, ``as_of`` and ``range_shown`` of each.
    is_comparable : bool
        Whether both count the same people by the same definitions and parameters, the days apart.
    differences : tuple of str
        In what they differ besides their numbers: population, days, parameters, definitions.
    headlines : tuple of dict
        Each headline that is not the same: ``label``, ``old_value``, ``new_value``, ``old_verdict``, ``new_verdict``;
        the values are null where a digest does not have it.
    unchanged : tuple of str
        The headlines that are the same.
    new_sentences, gone_sentences : tuple of str
        What only the new, and only the old one says, whatever the numbers and days in it.
    """

    template: str
    old: dict[str, Any]
    new: dict[str, Any]
    is_comparable: bool
    differences: tuple[str, ...]
    headlines: tuple[dict[str, str | None], ...]
    unchanged: tuple[str, ...]
    new_sentences: tuple[str, ...]
    gone_sentences: tuple[str, ...]

    def to_json(self) -> str:
        """Return it for programs, under the names above."""
        return to_json(asdict(self))

    def to_markdown(self) -> str:
        """Return it in words, as Markdown."""
        rows = [
            (str(line["label"]), line["old_value"] or "(none)", line["new_value"] or "(none)", _verdicts(line))
            for line in self.headlines
        ]
        warning = "**Not comparable:** the two count different people, or by different rules."
        parts = [
            f"# What changed: {_md(self.new['title'])}",
            f"Data to {_md(self.new['as_of'] or NO_DATA)}, before to {_md(self.old['as_of'] or NO_DATA)}.",
            *([] if self.is_comparable else [warning]),
            *_md_list("How they differ", self.differences),
            "## Headlines",
            _md_table(("", "Before", "Now", "Verdict"), rows),
            f"The same: {_md('; '.join(self.unchanged))}." if self.unchanged else "",
            *_md_list("New", self.new_sentences),
            *_md_list("No longer said", self.gone_sentences),
        ]
        return "\n\n".join(filter(None, parts)) + "\n"

    _repr_markdown_ = to_markdown


def _verdicts(line: Mapping[str, str | None]) -> str:
    """Say what may be said of a headline's change, and what could before where that was something else."""
    old, new = line["old_verdict"], line["new_verdict"]
    return (new or "") if old == new or old is None else f"{new or 'none'}, before: {old}"


def compare_digests(
    old: Report | Page | Mapping[str, Any] | Path | str, new: Report | Page | Mapping[str, Any] | Path | str
) -> DigestChanges:
    """Tell what changed between two runs of a report.

    Values stand side by side and are not subtracted: whether a change is measurable is what the verdict of a headline
    says, against the time that it names.

    Parameters
    ----------
    old, new : Report, Page, Mapping or path-like
        Two reports of one template, or their digests in JSON.

    Returns
    -------
    DigestChanges
        Headlines that are not the same, sentences that are new or gone, and in what the two differ besides: with other
        people, definitions or parameters they are not comparable, which is said.

    Raises
    ------
    ReportError
        One is no digest, of another schema version or template, or tells of a report that failed.

    See Also
    --------
    message : what to post of one.

    Examples
    --------
    >>> from augment_insights.reports import Page
    >>> page = Page("Overview", population="people", as_of=date(2026, 3, 8), range_asked="2026-03-02 to 2026-03-08")
    >>> changes = compare_digests(page.headline("Active people", 84), page.headline("Active people", 87))
    >>> changes.headlines[0]["old_value"], changes.headlines[0]["new_value"], changes.is_comparable
    ('84', '87', True)
    """
    before, now = read_digest(old), read_digest(new)
    for told in (before, now):
        if told["status"] == "failed":
            raise ReportError(
                f"A digest tells of a report that failed: {told['message']} Hint: compare two finished ones.",
                template=told["template"],
            )
    if before["template"] != now["template"]:
        raise ReportError(
            f"The digests are of two templates, {before['template']!r} and {now['template']!r}. Hint: compare two runs "
            "of one.",
            template=now["template"],
        )
    rules = _other_rules(before, now)
    both = [{line["label"]: line for line in told["headlines"]} for told in (before, now)]
    lines = [_side_by_side(label, *(side.get(label, {}) for side in both)) for label in {**both[1], **both[0]}]
    same = [line["old_value"] == line["new_value"] and line["old_verdict"] == line["new_verdict"] for line in lines]
    said, says = ({_NUMBERS.sub("#", words): words for words in told["sentences"]} for told in (before, now))
    return DigestChanges(
        template=now["template"],
        old={name: before[name] for name in _NAMED},
        new={name: now[name] for name in _NAMED},
        is_comparable=not rules,
        differences=(*rules, *_other_days(before, now)),
        headlines=tuple(line for line, is_same in zip(lines, same, strict=True) if not is_same),
        unchanged=tuple(str(line["label"]) for line, is_same in zip(lines, same, strict=True) if is_same),
        new_sentences=tuple(words for key, words in says.items() if key not in said),
        gone_sentences=tuple(words for key, words in said.items() if key not in says),
    )


_NAMED = ("title", "as_of", "range_shown")


def _side_by_side(label: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str | None]:
    """Return what a headline was and is."""
    sides = {"old": old, "new": new}
    told = {f"{side}_{what}": line.get(what) for what in ("value", "verdict") for side, line in sides.items()}
    return {"label": label, **told}


def _other_rules(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say whom and by which rules one counts and the other does not; targets and events stand beside the numbers."""
    pairs = [(what.capitalize(), old[what], new[what]) for what in ("population", "sample")]
    for what in ("parameters", "definitions"):
        names = sorted({*old[what], *new[what]} - {*_DAYS, *_BESIDE})
        pairs += [(f"{what[:-1].capitalize()} {name}", old[what].get(name), new[what].get(name)) for name in names]
    return [f"{what}: {_told(now)}, before {_told(was)}." for what, was, now in pairs if was != now]


def _other_days(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say where the days are fewer or more, or not later."""
    lengths = [_length(told["range_shown"]) for told in (old, new)]
    differ = []
    if None not in lengths and lengths[0] != lengths[1]:
        differ.append(f"Days shown: {lengths[1]} ({new['range_shown']}), before {lengths[0]} ({old['range_shown']}).")
    if old["as_of"] and new["as_of"] and old["as_of"] > new["as_of"]:
        differ.append("The second digest is of earlier days than the first.")
    return differ


def _length(days: str) -> int | None:
    """Return how many days a range has."""
    try:
        start, end = map(date.fromisoformat, days.split(" to "))
    except ValueError:
        return None
    return (end - start).days + 1


def _told(value: object) -> str:
    """Write a value in a sentence."""
    return "not given" if value is None else str(value).removesuffix(".")
