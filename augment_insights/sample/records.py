"""Activity records in the API's own terms: what an organisation is to the Analytics API.

One record is what one user did on one UTC day in one language and one editor. Everything the
five endpoints answer is a count or a sum of records.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from augment_insights.errors import ConfigurationError, DateRangeError, did_you_mean
from augment_insights.metrics import METRICS
from augment_insights.periods import DayRange, parse_day

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

PERSON = "user_email"
"""The field that names a person."""

SERVICE_ACCOUNT = "service_account_name"
"""The field that names a service account."""

_FIELDS = ("date", PERSON, SERVICE_ACCOUNT, "language", "editor", "metrics")


class Record(NamedTuple):
    """What one user did on one day in one language and editor.

    Attributes
    ----------
    user_field : str
        ``"user_email"`` for a person, ``"service_account_name"`` for a service account.
    user : str
        The e-mail or the name.
    language, editor : str
        As the API names them; may be ``"Unknown"``.
    metrics : tuple of int or None
        One number for each of :data:`METRICS`, in that order; None where it is missing.
    """

    user_field: str
    user: str
    language: str
    editor: str
    metrics: tuple[int | None, ...]


class Organisation(Protocol):
    """What :class:`~augment_insights.sample.AnalyticsApp` can be mounted over."""

    @property
    def days(self) -> DayRange | None:
        """The first to the last day with anything to tell; None when there is none."""

    def records_on(self, day: date) -> Sequence[Record]:
        """Return the records of a day, in no particular order; empty for a day without activity."""


class RecordStore:
    """Check any records, and keep them by day.

    A record is a mapping with ``date`` (``datetime.date`` or ``"YYYY-MM-DD"``), either
    ``user_email`` or ``service_account_name``, ``language``, ``editor`` and ``metrics``: a mapping
    from the API's metric names to integers. A metric that is left out (or None) stays missing
    and is left out of the answers; it does not become zero. Every record is activity, one of zeros
    too (real reports have them: somebody was there, and nothing was counted), so leave out the
    rows that stand for no activity.

    Parameters
    ----------
    records : iterable of mappings
        At most one for each day, user, language and editor: two are refused, because in practice
        the second one is an export that was read twice.

    Raises
    ------
    ConfigurationError
        For the first record that cannot be read, with its place in ``records`` (counted from 0).

    Examples
    --------
    >>> store = RecordStore([{
    ...     "date": "2026-01-05", "user_email": "ada@example.com", "language": "Python",
    ...     "editor": "VSCode", "metrics": {"total_messages": 3, "chat_messages": 3},
    ... }])
    >>> print(store.days)
    2026-01-05 to 2026-01-05
    >>> [record.user for record in store.records_on(store.days.start)]
    ['ada@example.com']
    >>> RecordStore([{"date": "2026-01-05", "language": "Python", "editor": "VSCode", "metrics": {}}])
    Traceback (most recent call last):
    ...
    augment_insights.errors.ConfigurationError: records[0] must have exactly one of user_email and ...
    """

    def __init__(self, records: Iterable[Mapping[str, Any]]) -> None:
        by_day: dict[date, list[Record]] = {}
        first_seen: dict[tuple[date, str, str, str, str], int] = {}
        for index, raw in enumerate(records):
            day, record = _read(raw, index)
            key = (day, *record[:-1])
            earlier = first_seen.setdefault(key, index)
            if earlier != index:
                raise _refuse(
                    index, f"has the same day, user, language and editor as records[{earlier}]. Hint: add the two up."
                )
            by_day.setdefault(day, []).append(record)
        self._by_day = {day: tuple(found) for day, found in by_day.items()}

    @property
    def days(self) -> DayRange | None:
        """The first to the last day with activity; None when there is none."""
        return DayRange(min(self._by_day), max(self._by_day)) if self._by_day else None

    def records_on(self, day: date) -> Sequence[Record]:
        """Return the records of a day; empty for a day without activity."""
        return self._by_day.get(day, ())


def _refuse(index: int, problem: str) -> ConfigurationError:
    place = f"records[{index}]"
    return ConfigurationError(f"{place} {problem}", setting=place)


def _read(raw: object, index: int) -> tuple[date, Record]:
    """Check one record from outside and bring it into shape."""
    if not isinstance(raw, Mapping):
        raise _refuse(index, f"is of the type {type(raw).__name__}. Hint: a record is a mapping.")
    for field in raw:
        if field not in _FIELDS:
            raise _refuse(index, f"has an unknown field {field!r}.{did_you_mean(str(field), _FIELDS)}")
    try:
        day = parse_day(raw.get("date"))  # type: ignore[arg-type]  # None is refused like any other non-day
    except DateRangeError as error:
        raise _refuse(index, f"has no day that can be read: {error}") from error
    user_fields = [field for field in (PERSON, SERVICE_ACCOUNT) if raw.get(field) is not None]
    if len(user_fields) != 1:
        raise _refuse(index, f"must have exactly one of {PERSON} and {SERVICE_ACCOUNT}.")
    return day, Record(
        user_field=user_fields[0],
        user=_text(raw, user_fields[0], index),
        language=_text(raw, "language", index),
        editor=_text(raw, "editor", index),
        metrics=_metrics(raw.get("metrics"), index),
    )


def _text(raw: Mapping[str, Any], field: str, index: int) -> str:
    value = raw.get(field)
    if not isinstance(value, str) or not value:
        raise _refuse(
            index, f"needs {field} as text, and has {value!r}. Hint: the API's word for no answer is 'Unknown'."
        )
    return value


def _metrics(raw: object, index: int) -> tuple[int | None, ...]:
    if not isinstance(raw, Mapping):
        raise _refuse(index, "needs metrics: a mapping from metric names to integers.")
    for name, value in raw.items():
        if name not in METRICS:
            raise _refuse(index, f"has an unknown metric {name!r}.{did_you_mean(str(name), METRICS)}")
        whole = isinstance(value, int) and not isinstance(value, bool)
        if value is not None and not (whole and value >= 0):
            raise _refuse(index, f"has {name}={value!r}. Hint: a metric is an integer >= 0.")
    return tuple(raw.get(name) for name in METRICS)
