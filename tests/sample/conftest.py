"""What the tests of the sample share: a way to ask a WSGI application, and hand-made records."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from augment_insights.sample import AnalyticsApp, RecordStore


@dataclass
class Answer:
    """What came back over WSGI."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]


def ask_app(app, path: str, params=None, *, authorization: str = "Bearer t", method: str = "GET") -> Answer:
    """Ask an application once, with the standard library watching that both sides keep PEP 3333."""
    environ: dict[str, Any] = {
        "SCRIPT_NAME": "",
        "PATH_INFO": f"/analytics/v0/{path}",
        "QUERY_STRING": params if isinstance(params, str) else urlencode(params or {}),
        "REQUEST_METHOD": method,
    }
    if authorization:
        environ["HTTP_AUTHORIZATION"] = authorization
    setup_testing_defaults(environ)
    started: list[Any] = []
    parts = validator(app)(environ, lambda *arguments: started.append(arguments))
    body = b"".join(parts)
    parts.close()
    status, headers = started[0][:2]
    return Answer(int(status[:3]), dict(headers), json.loads(body))


@pytest.fixture
def ask() -> Callable[..., Answer]:
    """Return the function that asks an application."""
    return ask_app


@pytest.fixture
def serving() -> Callable[..., AnalyticsApp]:
    """Return a function that mounts records at a moment: noon of Tuesday 10 March 2026 unless told."""

    def mount(records, now: str = "2026-03-10T12:00:00", **options: Any) -> AnalyticsApp:
        moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
        return AnalyticsApp(RecordStore(records), now=lambda: moment, **options)

    return mount


@pytest.fixture
def record() -> Callable[..., dict[str, Any]]:
    """Return a function that makes one record, every part of it replaceable."""

    def make(day: str, user: str = "ada@example.com", **parts: Any) -> dict[str, Any]:
        field = "user_email" if "@" in user else "service_account_name"
        metrics = parts.pop("metrics", {"total_messages": 1, "chat_messages": 1})
        return {"date": day, field: user, "language": "Python", "editor": "VSCode", "metrics": metrics, **parts}

    return make
