"""An API within the test: it answers from a list, a function or a file, and writes down what it was asked."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest

from augment_insights import Client
from augment_insights.sample import AnalyticsApp, RecordStore

Answer = Callable[[str, dict[str, str]], Any]


class ScriptedApi:
    """Calls ``answer(path, parameters)`` for a body: an object for JSON, or bytes as they are."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[tuple[str, dict[str, str]]] = []

    def __call__(self, environ: dict[str, Any], start_response) -> list[bytes]:
        """Answer as a WSGI application."""
        path = environ["PATH_INFO"].removeprefix("/analytics/v0/")
        parameters = dict(parse_qsl(environ["QUERY_STRING"]))
        self.asked.append((path, parameters))
        body = self.answer(path, parameters)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [body if isinstance(body, bytes) else json.dumps(body).encode()]


@pytest.fixture(scope="session")
def scripted(make_clock) -> Iterator[Callable[..., tuple[Client, ScriptedApi]]]:
    """Make clients of an API that answers as told, at noon (UTC) of 10 March 2026 unless told."""
    with ExitStack() as made:

        def make(answer: Answer, now: datetime | None = None) -> tuple[Client, ScriptedApi]:
            api, clock = ScriptedApi(answer), make_clock(now)
            client = Client("a-token-of-tests", base_url="https://t.invalid", cache=False, clock=clock, app=api)
            return made.enter_context(client), api

        yield make


@pytest.fixture(scope="session")
def serving_at(make_clock) -> Callable[..., Client]:
    """Make clients of records at a moment; dau-count may leave service accounts out: the reference does not say."""

    def make(records: list[dict[str, Any]], moment: datetime, *, people_only: bool = False) -> Client:
        clock = make_clock(moment)
        app = AnalyticsApp(RecordStore(records), now=clock.now)
        people = {(str(record["date"]), record["user_email"]) for record in records if "user_email" in record}

        def counting_people(environ: dict[str, Any], start_response) -> Any:
            if not environ["PATH_INFO"].endswith("/dau-count"):
                return app(environ, start_response)
            answer = json.loads(b"".join(app(environ, lambda *_: None)))
            for line in answer["daily_active_user_counts"]:
                line["user_count"] = sum(day == line["date"] for day, _ in people)
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(answer).encode()]

        served = counting_people if people_only else app
        return Client("any", base_url="https://records.invalid", cache=False, progress=False, clock=clock, app=served)

    return make


@pytest.fixture(scope="session")
def people_only(serving_at) -> Callable[[list[dict[str, Any]]], Client]:
    """Make clients of an API that counts people only, at noon (UTC) of 30 March 2026."""
    return lambda records: serving_at(records, datetime(2026, 3, 30, 12, tzinfo=UTC), people_only=True)
