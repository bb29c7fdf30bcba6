"""What a template is asked for: checked in full before anything runs."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augment_insights import errors
from augment_insights.errors import DateRangeError, ReportError
from augment_insights.periods import parse_day
from augment_insights.reports.page import check_formats
from augment_insights.reports.template import Template, find

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SOURCES = ("api", "sample")

NOTEBOOK = "ipynb"
"""The format that every report has: the notebook that was run."""

_SECRET_NAME = re.compile(r"token|secret|password|passwd|api_?key|credential", re.IGNORECASE)
_BEARER = re.compile(r"bearer\s.+", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SEGMENTS = re.compile(r"[A-Za-z0-9_\-+=/]{16,}(\.[A-Za-z0-9_\-+=/]{16,})*")
"""A long word, or several with dots between them, as in a JSON web token; a file's ending is shorter."""

_RUN = re.compile(r"(?=[A-Za-z0-9]*[0-9])(?=[A-Za-z0-9]*[A-Za-z])[A-Za-z0-9]{12,}")
"""Letters and digits mixed without a break; names are words and numbers with breaks between them."""

_SECRET_LENGTH = 32


@dataclass(frozen=True)
class Order:
    """A template and the parameters that it is run with.

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

    def with_parameters(self, label: str, **parameters: Any) -> Order:
        """Return the same order with other parameters, checked again."""
        self.template.check(list(parameters))
        self.template.check_values(parameters)
        return replace(self, parameters={**self.parameters, **_plain(self.template, parameters)}, label=label)


def prepare(
    template: str | Path,
    *,
    start_date: date | str | None,
    end_date: date | str | None,
    formats: Iterable[str],
    source: str,
    parameters: Mapping[str, Any],
) -> Order:
    """Return a checked order.

    Raises
    ------
    ReportError, DateRangeError, ConfigurationError
        As :func:`augment_insights.reports.write`.
    """
    found = find(template)
    _refuse_secrets(found, parameters)
    chosen = {**_days(start_date, end_date), **_plain(found, parameters)}
    if source not in SOURCES:
        raise ReportError(f"source={source!r} is none.{errors.did_you_mean(str(source), SOURCES)}", template=found.name)
    if source != "sample" or "source" in found.parameters:
        chosen["source"] = source
    listed = [formats] if isinstance(formats, str) else list(formats)
    kept = check_formats([name for name in listed if name != NOTEBOOK], template=found.name)
    if "formats" in found.parameters or kept not in ((), ("html",)):
        chosen["formats"] = list(kept)
    found.check(list(chosen))
    found.check_values(chosen)
    _require_file(found, chosen, "roster")
    if source == "api":
        _require_token()
    return Order(found, chosen, found.name)


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


def _require_file(template: Template, parameters: Mapping[str, Any], name: str) -> None:
    """Say that a file is not there before a kernel starts, which looks for it in the same working directory."""
    path = parameters.get(name)
    if isinstance(path, str) and not Path(path).expanduser().is_file():
        raise ReportError(f"{name}={path!r}: there is no such file. Hint: check the path.", template=template.name)


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
    return len(text) >= _SECRET_LENGTH and bool(_SEGMENTS.fullmatch(text)) and bool(_RUN.search(text))


def _require_token() -> None:
    """Say that there is no token now, and not after a kernel has started."""
    from augment_insights.transport import Client  # noqa: PLC0415 (only for a report from the API)

    Client()
