"""A quiet HTTP server for one machine: the part of the room that needs the standard library's web server."""

from __future__ import annotations

import socket
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer


class _QuietHandler(WSGIRequestHandler):
    """Answers without a log: a query string holds names of people."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name is the base class's)
        """Say nothing."""


class LoopbackServer(ThreadingMixIn, WSGIServer):
    """A WSGI server on a loopback address, one thread a request."""

    daemon_threads = True

    def __init__(self, address: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, port), _QuietHandler)

    def server_bind(self) -> None:
        """Bind without asking for the machine's full name: offline, that question can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    @property
    def base_url(self) -> str:
        """Where the server is reached."""
        host = f"[{self.server_name}]" if self.address_family == socket.AF_INET6 else self.server_name
        return f"http://{host}:{self.server_port}"
