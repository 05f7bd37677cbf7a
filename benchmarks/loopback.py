"""A chat completions server on loopback for measurements: answers after a fixed time and does nothing else.

`--slow 0.02` lets that share of the answers take five times as long.

A bare asyncio protocol, so that on a machine with few cores it takes as little as it can from what is measured.

    python benchmarks/loopback.py --port 8123 --latency 0.05
"""

from __future__ import annotations

import argparse
import asyncio
import json

TEXT = "A short answer of about the length that a summary of one sentence has in such a workload. " * 2
BODY = json.dumps(
    {
        "id": "chatcmpl-loopback",
        "object": "chat.completion",
        "model": "loopback-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 40, "total_tokens": 80},
    }
).encode()
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Answer(asyncio.Protocol):
    """One connection: reads whole requests, answers each after the latency."""

    latency = 0.05
    every = 0  # one answer in so many is slow
    count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = b""
        self.loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            start = head.find(b"content-length:")
            length = int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            self.buffer = self.buffer[end + 4 + length :]
            Answer.count += 1
            slow = self.every and Answer.count % self.every == 0
            self.loop.call_later(self.latency * (5 if slow else 1), self.transport.write, RESPONSE)


async def serve(port: int, latency: float, slow: float) -> None:
    Answer.latency, Answer.every = latency, round(1 / slow) if slow else 0
    server = await asyncio.get_running_loop().create_server(Answer, "127.0.0.1", port, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds per answer")
    parser.add_argument("--slow", type=float, default=0.0, help="share of answers that take five times as long")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.latency, arguments.slow))
