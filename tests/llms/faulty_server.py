"""A chat completions server of bare sockets that breaks in every way, and knows what it has answered.

For each prompt it plays the faults that a plan names, one per request, and then answers. `answered` counts the whole
answers that were sent to each prompt.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Sequence

from chat_server import completion

HEAD = "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}\r\n"


def http(body: bytes, status: int = 200, kind: str = "application/json", more: str = "", cut: int = 0) -> bytes:
    """A response; `cut`: bytes that it promises and does not send."""
    return HEAD.format(status=status, kind=kind, length=len(body) + cut, more=more).encode() + body


def error(status: int, more: str = "") -> bytes:
    return http(json.dumps({"error": {"message": f"fault {status}", "code": None}}).encode(), status, more=more)


WHOLE = json.dumps(completion("never")).encode()
#: what is sent, and how the connection goes on: kept, closed, reset, silent, dripping
FAULTS: dict[str, tuple[bytes, str]] = {
    "429": (error(429), "kept"),
    "429 with a time": (error(429, "Retry-After: 0.05\r\n"), "kept"),
    "500": (error(500), "kept"),
    "503": (error(503), "kept"),
    "503 with a time": (error(503, "Retry-After: 0.05\r\n"), "kept"),
    "529": (error(529), "closed"),
    "HTML": (http(b"<html>welcome to the hotel</html>", kind="text/html"), "kept"),
    "empty": (http(b""), "kept"),
    "half of the JSON": (http(WHOLE[:60]), "kept"),
    "no JSON": (http(b'{"choices": [{"message": nonsense}]}'), "kept"),
    "another JSON": (http(b'{"hello": "world"}'), "kept"),
    "not UTF-8": (http(b'{"choices": "\xff\xfe"}'), "kept"),
    "an error with status 200": (http(b'{"error": {"message": "upstream", "code": 502}}'), "kept"),
    "half of the body": (http(WHOLE[:60], cut=100), "closed"),
    "half of the body, reset": (http(WHOLE[:60], cut=100), "reset"),
    "half of the head": (b"HTTP/1.1 200 OK\r\nContent-Ty", "closed"),
    "no HTTP": (b"220 mail.example ESMTP\r\n", "closed"),
    "closed": (b"", "closed"),
    "reset": (b"", "reset"),
    "silent": (b"", "silent"),
    "dripping": (http(b"", cut=10_000), "dripping"),
}
Plan = Callable[[str], Sequence[str]]


class FaultyServer:
    """See the module. Use as a context manager."""

    def __init__(self, plan: Plan, latency: float = 0.01) -> None:
        self.plan = plan
        self.latency = latency
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.in_flight = self.most_in_flight = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> FaultyServer:
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        made = self._loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=2048)
        server = self._loop.run_until_complete(made)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.close()

    def reply(self, prompt: str) -> tuple[bytes, str]:
        number, faults = self.asked[prompt], self.plan(prompt)
        self.asked[prompt] += 1
        if number < len(faults):
            return FAULTS[faults[number]]
        self.answered[prompt] += 1
        return http(json.dumps(completion(f"to {prompt}")).encode()), "kept"


class _Connection(asyncio.Protocol):
    def __init__(self, server: FaultyServer) -> None:
        self.server = server
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            length = int(head[head.find(b"content-length:") + 15 :].split(b"\r\n", 1)[0])
            if len(self.buffer) < end + 4 + length:
                return
            body, self.buffer = self.buffer[end + 4 : end + 4 + length], self.buffer[end + 4 + length :]
            server = self.server
            server.in_flight += 1
            server.most_in_flight = max(server.most_in_flight, server.in_flight)
            server._loop.call_later(server.latency, self._reply, str(json.loads(body)["messages"][-1]["content"]))

    def _reply(self, prompt: str) -> None:
        self.server.in_flight -= 1
        data, then = self.server.reply(prompt)
        self.transport.write(data)
        if then == "closed":
            self.transport.close()
        elif then == "reset":
            raw = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        elif then == "dripping":
            self._drip()

    def _drip(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(b" ")
            self.server._loop.call_later(0.05, self._drip)
