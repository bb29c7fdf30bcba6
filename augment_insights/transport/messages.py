"""The API's messages: what each endpoint answers, decoded and checked field by field.

Types say what must be there. A wrong type or a missing list is an error with its path; a missing
metric is None; a field that is not known here is ignored, and :func:`unknown_fields` names it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Metrics(msgspec.Struct, gc=False):
    """The sixteen metrics; None where the API sent none."""

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


class RangeMetadata(msgspec.Struct, gc=False):
    """The range that was answered for."""

    effective_start_date: date
    effective_end_date: date
    generated_at: str | None = None
    total_days: Count | None = None
    returned_user_count: Count | None = None

    @property
    def answered(self) -> tuple[date, date]:
        """First and last day of the answer."""
        return self.effective_start_date, self.effective_end_date

    @property
    def returned(self) -> int | None:
        """How many rows the API says it returned."""
        return self.returned_user_count


class DayMetadata(msgspec.Struct, gc=False):
    """The day that was answered for."""

    effective_date: date
    generated_at: str | None = None
    returned_user_count: Count | None = None
    returned_record_count: Count | None = None

    @property
    def answered(self) -> tuple[date, date]:
        """The day, as a range of one."""
        return self.effective_date, self.effective_date

    @property
    def returned(self) -> int | None:
        """How many rows the API says it returned."""
        return self.returned_user_count if self.returned_record_count is None else self.returned_record_count


class DauCountPage(msgspec.Struct):
    """An answer of dau-count; should it come in pages one day, they are followed."""

    rows: list[DayCount] = msgspec.field(name="daily_active_user_counts")
    metadata: RangeMetadata
    pagination: Pagination | None = None


class DailyUsagePage(msgspec.Struct):
    """An answer of daily-usage; should it come in pages one day, they are followed."""

    rows: list[DayUsage] = msgspec.field(name="daily_usage")
    metadata: RangeMetadata
    pagination: Pagination | None = None


class DauPage(msgspec.Struct):
    """A page of dau."""

    rows: list[User] = msgspec.field(name="users")
    metadata: DayMetadata
    pagination: Pagination


class UserActivityPage(msgspec.Struct):
    """A page of user-activity."""

    rows: list[UserTotals] = msgspec.field(name="users")
    metadata: RangeMetadata
    pagination: Pagination


class EditorLanguagePage(msgspec.Struct):
    """A page of daily-user-activity-by-editor-language."""

    rows: list[UserRecord] = msgspec.field(name="records")
    metadata: DayMetadata
    pagination: Pagination


Page: TypeAlias = DauCountPage | DailyUsagePage | DauPage | UserActivityPage | EditorLanguagePage


@dataclass(frozen=True)
class Endpoint:
    """One endpoint of the API.

    Attributes
    ----------
    name : str
        The noun of its table.
    path : str
        Its path under the base URL.
    page : type
        What one answer is.
    page_size : int or None
        The largest page it gives; None where it has no pages.
    """

    name: str
    path: str
    page: type[Page]
    page_size: int | None = None

    def sized(self, params: Mapping[str, str]) -> dict[str, str]:
        """Return a question with the largest page size, where the endpoint has pages."""
        return dict(params) if self.page_size is None else {**params, "page_size": str(self.page_size)}

    @property
    def row(self) -> type[msgspec.Struct]:
        """What one row of an answer is."""
        rows = next(field for field in msgspec.structs.fields(self.page) if field.name == "rows")
        row: type[msgspec.Struct] = rows.type.__args__[0]
        return row


DAU_COUNT = Endpoint("dau_count", "/analytics/v0/dau-count", DauCountPage)
DAU = Endpoint("dau", "/analytics/v0/dau", DauPage, page_size=250)
DAILY_USAGE = Endpoint("daily_usage", "/analytics/v0/daily-usage", DailyUsagePage)
USER_ACTIVITY = Endpoint("user_activity", "/analytics/v0/user-activity", UserActivityPage, page_size=100)
EDITOR_LANGUAGE = Endpoint(
    "editor_language",
    "/analytics/v0/daily-user-activity-by-editor-language",
    EditorLanguagePage,
    page_size=100,
)

ENDPOINTS: Mapping[str, Endpoint] = {
    endpoint.name: endpoint for endpoint in (DAU_COUNT, DAU, DAILY_USAGE, USER_ACTIVITY, EDITOR_LANGUAGE)
}
"""The five endpoints by the noun of their table."""


class UnreadableBodyError(Exception):
    """The body is no JSON at all: cut short, empty, or a page of a proxy. Worth asking again."""


class WrongShapeError(Exception):
    """The body is JSON of another shape than documented. Asking again will not help."""

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message)
        self.path = path


_DECODERS = {endpoint.name: msgspec.json.Decoder(endpoint.page) for endpoint in ENDPOINTS.values()}
_PATH_IN_MESSAGE = re.compile(r" - at `(?P<path>[^`]*)`$")


def decode(endpoint: Endpoint, body: bytes) -> Page:
    """Read one answer, strictly.

    Raises
    ------
    UnreadableBodyError
        The body is not JSON.
    WrongShapeError
        It is JSON, and a field has another type than documented or is missing.
    """
    try:
        page: Page = _DECODERS[endpoint.name].decode(body)
    except msgspec.ValidationError as error:
        found = _PATH_IN_MESSAGE.search(str(error))
        raise WrongShapeError(_PATH_IN_MESSAGE.sub("", str(error)), found["path"] if found else "$") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableBodyError(str(error)) from None
    except RecursionError:
        raise WrongShapeError("Nested too deeply", "$") from None
    if issubclass(endpoint.row, User):
        _check_users(endpoint, page)
    return page


def _check_users(endpoint: Endpoint, page: Page) -> None:
    """Refuse a row that names nobody, or a person and a service account at once."""
    list_name = "records" if endpoint is EDITOR_LANGUAGE else "users"
    users = cast("list[User]", page.rows)
    for index, row in enumerate(users):
        if bool(row.user_email) == bool(row.service_account_name):
            raise WrongShapeError("Expected either `user_email` or `service_account_name`", f"$.{list_name}[{index}]")


def unknown_fields(endpoint: Endpoint, body: bytes) -> set[str]:
    """Name the fields of an answer that this package does not know, such as ``users.metrics.new_metric``."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        # What is known was read; what is not can be nested too deeply, or hold a number or text that nothing can.
        return set()
    return _unknown(value, endpoint.page, prefix="")


@cache
def _fields_of(known: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the fields of a message type; msgspec works them out anew each time, which is dear by the row."""
    return {field.encode_name: field.type for field in msgspec.structs.fields(known)}


def _unknown(value: Any, known: type[msgspec.Struct], *, prefix: str) -> set[str]:
    """Compare a decoded object with a message type, and go on into its parts."""
    fields = _fields_of(known)
    found: set[str] = set()
    for name, part in value.items():
        path = f"{prefix}{name}"
        if name not in fields:
            found.add(path)
            continue
        kind = fields[name]
        parts = part if isinstance(part, list) else [part]
        kind = kind.__args__[0] if isinstance(part, list) else kind
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            for each in parts:
                found |= _unknown(each, kind, prefix=f"{path}.")
    return found


class _ErrorDetails(msgspec.Struct):
    code: str | int | None = None
    message: str | None = None


class _ErrorBody(msgspec.Struct):
    error: _ErrorDetails


def decode_error(body: bytes) -> tuple[str | None, str | None]:
    """Return the API's own error code and message, as far as the body has them."""
    try:
        details = msgspec.json.decode(body, type=_ErrorBody).error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None, None
    return None if details.code is None else str(details.code), details.message
