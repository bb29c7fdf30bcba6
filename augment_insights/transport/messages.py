"""The API's messages: what each endpoint answers, decoded and checked field by field.

The types say what must be there. A wrong type or a missing list is an error with its path; a missing
metric is None; an unknown field is ignored, and :func:`unknown_fields` names it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from types import GenericAlias
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Metrics(msgspec.Struct, gc=False):
    """The sixteen metrics; None where the API did not send one."""

    total_modified_lines_of_code: Count | None = None
    total_messages: Count | None = None
    total_tool_calls: Count | None = None
    completions_count: Count | None = None
    completions_accepted: Count | None = None
    completions_lines_of_code: Count | None = None
    completions_suggested_lines_of_code: Count | None = None
    chat_messages: Count | None = None
    remote_agent_messages: Count | None = None
    remote_agent_lines_of_code: Count | None = None
    ide_agent_messages: Count | None = None
    ide_agent_lines_of_code: Count | None = None
    cli_agent_interactive_messages: Count | None = None
    cli_agent_interactive_lines_of_code: Count | None = None
    cli_agent_non_interactive_messages: Count | None = None
    cli_agent_non_interactive_lines_of_code: Count | None = None


class DayCount(msgspec.Struct, gc=False):
    """A day and its number of active users."""

    date: date
    user_count: Count


class DayUsage(msgspec.Struct, gc=False):
    """A day and the organisation's metrics."""

    date: date
    metrics: Metrics


class User(msgspec.Struct, gc=False):
    """A person by e-mail, or a service account by name; exactly one of the two."""

    user_email: str | None = None
    service_account_name: str | None = None


class UserTotals(User, gc=False, kw_only=True):
    """A user's metrics, summed over a range."""

    active_days: Count
    metrics: Metrics


class UserRecord(User, gc=False, kw_only=True):
    """A user's metrics on one day in one language and editor."""

    language: str
    editor: str
    metrics: Metrics


class Pagination(msgspec.Struct, gc=False):
    """Whether pages follow, and the cursor of the next."""

    has_more: bool
    next_cursor: str | None = None


class Metadata(msgspec.Struct, gc=False, kw_only=True):
    """What an answer says of itself."""

    generated_at: str | None = None
    returned_user_count: Count | None = None
    returned_record_count: Count | None = None

    @property
    def returned(self) -> int | None:
        """How many rows the API says it returned."""
        return self.returned_user_count if self.returned_record_count is None else self.returned_record_count


class RangeMetadata(Metadata, gc=False, kw_only=True):
    """The range that was answered for."""

    effective_start_date: date
    effective_end_date: date
    total_days: Count | None = None

    @property
    def answered(self) -> tuple[date, date]:
        """First and last day of the answer."""
        return self.effective_start_date, self.effective_end_date


class DayMetadata(Metadata, gc=False, kw_only=True):
    """The day that was answered for."""

    effective_date: date

    @property
    def answered(self) -> tuple[date, date]:
        """The day, as a range of one."""
        return self.effective_date, self.effective_date


class Page(msgspec.Struct):
    """One answer. The type of its rows, and the name of their list in the JSON, are the endpoint's."""

    rows: list[Any]
    metadata: RangeMetadata | DayMetadata
    pagination: Pagination | None = None


@dataclass(frozen=True)
class Endpoint:
    """One endpoint of the API.

    Attributes
    ----------
    name : str
        The noun of its table.
    path : str
        Its path under the base URL.
    list_name : str
        The name of the list of rows in its answers.
    row : type
        What one row of an answer is.
    metadata : type
        What an answer says of itself.
    page_size : int or None
        The largest page it gives; None where it has no pages (should they come one day, they are followed).
    """

    name: str
    path: str
    list_name: str
    row: type[msgspec.Struct]
    metadata: type[RangeMetadata | DayMetadata]
    page_size: int | None = None

    def sized(self, params: Mapping[str, str]) -> dict[str, str]:
        """Return a question with the largest page size, where the endpoint has pages."""
        return dict(params) if self.page_size is None else {**params, "page_size": str(self.page_size)}

    def page_type(self) -> type[Page]:
        """Return the type of its answers."""
        pagination = ("pagination", Pagination | None, None) if self.page_size is None else ("pagination", Pagination)
        rows = ("rows", GenericAlias(list, (self.row,)), msgspec.field(name=self.list_name))
        page: type[Page]
        page = msgspec.defstruct("Page", [rows, ("metadata", self.metadata), pagination], bases=(Page,))  # type: ignore[assignment]  # its base is a page
        return page


DAU_COUNT = Endpoint("dau_count", "/analytics/v0/dau-count", "daily_active_user_counts", DayCount, RangeMetadata)
DAU = Endpoint("dau", "/analytics/v0/dau", "users", User, DayMetadata, page_size=250)
DAILY_USAGE = Endpoint("daily_usage", "/analytics/v0/daily-usage", "daily_usage", DayUsage, RangeMetadata)
USER_ACTIVITY = Endpoint(
    "user_activity", "/analytics/v0/user-activity", "users", UserTotals, RangeMetadata, page_size=100
)
EDITOR_LANGUAGE = Endpoint(
    "editor_language",
    "/analytics/v0/daily-user-activity-by-editor-language",
    "records",
    UserRecord,
    DayMetadata,
    page_size=100,
)

ENDPOINTS: Mapping[str, Endpoint] = {
    endpoint.name: endpoint for endpoint in (DAU_COUNT, DAU, DAILY_USAGE, USER_ACTIVITY, EDITOR_LANGUAGE)
}
"""The five endpoints by the noun of their table."""


class WrongShapeError(Exception):
    """The body is not what is documented.

    Attributes
    ----------
    path : str
        The place in the JSON.
    is_json : bool
        False where the body is no JSON at all: cut short, empty, or a page of a proxy. Only that is worth a retry.
    """

    def __init__(self, message: str, path: str = "$", *, is_json: bool = True) -> None:
        super().__init__(message)
        self.path = path
        self.is_json = is_json


_PAGE_TYPES = {endpoint.name: endpoint.page_type() for endpoint in ENDPOINTS.values()}
_DECODERS = {name: msgspec.json.Decoder(page) for name, page in _PAGE_TYPES.items()}
_PATH_IN_MESSAGE = re.compile(r" - at `(?P<path>[^`]*)`$")


def decode(endpoint: Endpoint, body: bytes) -> Page:
    """Read one answer, strictly.

    Raises
    ------
    WrongShapeError
        The body is not JSON, or a field has another type than documented or is missing.
    """
    try:
        page = _DECODERS[endpoint.name].decode(body)
    except msgspec.ValidationError as error:
        found = _PATH_IN_MESSAGE.search(str(error))
        raise WrongShapeError(_PATH_IN_MESSAGE.sub("", str(error)), found["path"] if found else "$") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WrongShapeError(str(error), is_json=False) from None
    except RecursionError:
        raise WrongShapeError("Nested too deeply") from None
    if issubclass(endpoint.row, User):
        for index, row in enumerate(page.rows):  # nobody, or a person and a service account at once
            if bool(row.user_email) == bool(row.service_account_name):
                raise WrongShapeError(
                    "Expected either `user_email` or `service_account_name`", f"$.{endpoint.list_name}[{index}]"
                )
    return page


def unknown_fields(endpoint: Endpoint, body: bytes) -> set[str]:
    """Name the fields of an answer that this package does not know, such as ``users.metrics.new_metric``.

    Of the rows the first is looked at: the API writes them all alike.
    """
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        # What is known was read; the unknown may be nested too deeply, or hold a number or text that nothing can.
        return set()
    return set(_unknown(value, _PAGE_TYPES[endpoint.name]))


def _unknown(value: Any, known: Any, *, prefix: str = "") -> Iterator[str]:
    """Compare a decoded object with a message type, and go on into its parts."""
    fields = _fields_of(known)
    for name, part in value.items():
        if name not in fields:
            yield f"{prefix}{name}"
        elif isinstance(part, list) and part:
            yield from _unknown(part[0], fields[name].__args__[0], prefix=f"{prefix}{name}.")
        elif isinstance(part, dict) and isinstance(fields[name], type):
            yield from _unknown(part, fields[name], prefix=f"{prefix}{name}.")


@cache
def _fields_of(known: Any) -> dict[str, Any]:
    """Return the fields of a message type: to read them off takes longer than to read an answer."""
    return {field.encode_name: field.type for field in msgspec.structs.fields(known)}


def decode_error(body: bytes) -> tuple[str | None, str | None]:
    """Return the API's own error code and message, as far as the body has them."""
    try:
        error = msgspec.json.decode(body, type=dict[str, Any]).get("error")
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None, None
    told = error if isinstance(error, dict) else {}
    code, message = told.get("code"), told.get("message")
    return None if code is None else str(code), message if isinstance(message, str) else None
