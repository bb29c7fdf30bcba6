"""Each fault of a connection at each endpoint: the right table in the end, or an error that says so."""

import gzip
import json
import socket
import time
import warnings
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from augment_insights import Client, fetch, sample
from augment_insights.errors import ApiError, InsightsWarning
from augment_insights.tables import ENDPOINT_TABLES

pytestmark = pytest.mark.slow

Harm = Callable[[bytes, Random, Any], Any]


def part_of(answer: bytes, random: Random) -> bytes:
    """Cut an answer anywhere but at its end."""
    return answer[: random.randrange(len(answer))]


def broken_off(answer: bytes, random: Random, wire) -> Callable[[socket.socket], None]:
    """Send a part, and reset."""

    def send(connection: socket.socket) -> None:
        connection.sendall(part_of(answer, random))
        time.sleep(0.01)
        wire.reset(connection)

    return send


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def flipped(answer: bytes, random: Random, wire) -> bytes:
    """Break the JSON at one place, in which no other JSON can come of it."""
    body = bytearray(body_of(answer))
    body[random.choice([at for at, letter in enumerate(body) if letter in b"{}[]"])] = 0xFF
    return wire.respond(bytes(body))


def zipped_part(answer: bytes, random: Random, wire) -> bytes:
    return wire.head("Content-Encoding: gzip") + part_of(gzip.compress(body_of(answer)), random)


def chunked_part(answer: bytes, random: Random, wire) -> bytes:
    body = body_of(answer)
    part = part_of(body, random) or body[:1]
    return wire.head("Transfer-Encoding: chunked") + b"%x\r\n%s\r\n" % (len(part), part)


def without_a_field(answer: bytes, random: Random, wire) -> bytes:
    """Leave out what an answer must have."""
    body = json.loads(body_of(answer))
    del body[random.choice([*body])]
    return wire.respond(body)


PASSING: dict[str, Harm] = {
    "broken off": broken_off,
    "cut short": lambda answer, random, wire: part_of(answer, random),
    "no JSON any more": flipped,
    "half a gzip": zipped_part,
    "chunks without an end": chunked_part,
    "a server error": lambda answer, random, wire: wire.refuse(random.choice([500, 502, 503, 504, 408, 599])),
    "a limit": lambda answer, random, wire: wire.refuse(429, Retry_After=str(random.randrange(90))),
    "a page of a proxy": lambda answer, random, wire: wire.respond("<html>Log in</html>"),
    "silence": lambda answer, random, wire: lambda connection: connection.shutdown(socket.SHUT_WR),
}
LASTING: dict[str, Harm] = {
    "a field left out": without_a_field,
    "a refusal": lambda answer, random, wire: wire.refuse(random.choice([400, 401, 403, 404, 410, 418])),
    "a redirect": lambda answer, random, wire: wire.refuse(302, Location="https://elsewhere.example/"),
}


@pytest.mark.parametrize("name", [*PASSING, *LASTING])
def test_a_fault_at_any_endpoint_is_mended_or_named(name, machine, serve, wire, make_clock, random, trials, tmp_path):
    """Faults at random requests of a table: one that passes ends in the true table, one that stays in an error.

    After it, asked by another client of the same cache without faults, the table is the true one.
    """
    client = Client(
        "upstream", base_url=machine.url, cache=False, requests_per_minute=60_000, burst=1000, progress=False
    )
    harm = (PASSING | LASTING)[name]

    def upstream(asked) -> bytes:
        """Ask the real server, and hand its answer on."""
        session = client._open()
        got = session.get(f"{machine.url}{asked.path}", params=asked.params)
        return wire.respond(got.content, got.status_code)

    tables = sorted(ENDPOINT_TABLES)
    for number in trials(f"{name} (on a socket, at each endpoint in turn)", 60, least=len(tables)):
        table = tables[number % len(tables)]
        faulty = set(random.sample(range(1, 9), 4)) if name in PASSING else {1}
        api = serve(lambda asked, at=faulty: (harm if asked.number in at else whole)(upstream(asked), random, wire))
        settings = {
            "token": machine.token,
            "base_url": api.url,
            "clock": make_clock(machine.now()),
            "progress": False,
            "timeout": 5,
        }
        settings |= {"cache": tmp_path / f"cache-{number}"}
        days = {"start_date": machine.first, "end_date": machine.last}
        with warnings.catch_warnings(), Client(**settings) as asking:
            warnings.simplefilter("ignore", InsightsWarning)
            if name in LASTING:
                with pytest.raises(ApiError, match="Hint: "):
                    getattr(fetch, table)(**days, client=asking)
            else:
                assert_frame_equal(getattr(fetch, table)(**days, client=asking), machine.truth[table])
        with Client(**settings) as asking:
            assert_frame_equal(getattr(fetch, table)(**days, client=asking), machine.truth[table])
        api.close()
    client.close()


def whole(answer: bytes, random: Random, wire) -> bytes:
    """Do no harm."""
    return answer


def test_eight_processes_of_four_threads_share_one_limit_and_ask_each_question_once(machine, serve, trials):
    """32 threads want the same days at once with one token: no refusal, no question twice, the true table in each."""
    for _ in trials("8 processes of 4 threads with one token and one limit", 20):
        machine.new_account()
        bucket = sample.TokenBucket(requests_per_minute=1200, burst=5)
        app = sample.AnalyticsApp(machine.store, now=machine.now, rate_limit=bucket)
        url = serve(app).url
        environ = machine.environ | {"AUGMENT_API_URL": url}
        started = [
            machine.run_python(TOGETHER, str(machine.first), str(machine.last), environ=environ) for _ in range(8)
        ]
        told = [process.communicate(timeout=120) for process in started]
        rows = machine.truth["editor_language"].height
        assert [out.split() for out, _ in told] == [[str(rows)] * 4] * 8, told
        days = (machine.last - machine.first).days + 1
        assert (bucket.refused, bucket.granted) == (0, days)


TOGETHER = """
import sys, threading
from augment_insights import Client, fetch
with Client(requests_per_minute=1200, burst=5, archive=False, progress=False) as client:
    told = []
    def work():
        told.append(fetch.editor_language(start_date=sys.argv[1], end_date=sys.argv[2], client=client).height)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
print(*told)
"""
