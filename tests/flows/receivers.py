"""Who receives messages: a webhook's address and a mail server, on sockets of this machine."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from flows.settings import LOOPBACK


@dataclass(frozen=True, kw_only=True)
class Message:
    subject: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Received:
    """Everything that has arrived so far, oldest first."""

    port: int
    messages: list[Message] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)  # of mail

    def about(self, part: str) -> Message | None:
        """The first message whose subject has this part."""
        return next((message for message in self.messages if part in message.subject), None)


@contextmanager
def webhook() -> Iterator[Received]:
    """An address that takes JSON by POST, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.messages.append(Message(subject=posted["subject"], text=posted["text"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        received = Received(port=server.server_address[1])
        with _served(server):
            yield received


@contextmanager
def mail_server() -> Iterator[Received]:
    """A server that takes mail without TLS or login, until the block ends."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 ready")
            for line in self.rfile:
                command = line.decode().strip()
                verb = command.partition(" ")[0].upper()
                if verb == "DATA":
                    self._say("354 go on")
                    self._take(b"".join(iter(self.rfile.readline, b".\r\n")))
                if verb == "RCPT":
                    received.recipients.append(command.partition("<")[2].rstrip(">"))
                self._say("221 bye" if verb == "QUIT" else "250 ok")
                if verb == "QUIT":
                    return

        def _take(self, data: bytes) -> None:
            mail = message_from_bytes(data, policy=policy.default)
            body = mail.get_body(("plain",))
            assert body is not None
            received.messages.append(Message(subject=mail["Subject"], text=body.get_content()))

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    with socketserver.ThreadingTCPServer((LOOPBACK, 0), Handler) as server:
        received = Received(port=server.server_address[1])
        with _served(server):
            yield received


@contextmanager
def _served(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
