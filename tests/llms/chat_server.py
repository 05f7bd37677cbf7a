"""A chat completions server on loopback, in a thread of its own, that does what a test tells it to.

A test gives it a `behaviour`: an async function of `(number of the request, its JSON body, its headers)` that returns
an answer. What arrives is kept in `requests`.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Behaviour = Callable[["Server", int, dict[str, Any]], Awaitable[web.StreamResponse]]


@dataclass
class Seen:
    """One request as it arrived."""

    body: bytes
    headers: dict[str, str]
    path: str

    @property
    def json(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed

    @property
    def prompt(self) -> str:
        return str(self.json["messages"][-1]["content"])


def completion(text: str, finish_reason: str = "stop", model: str = "served-model-1", **more: Any) -> dict[str, Any]:
    """The JSON of an answer."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": model,
        "system_fingerprint": "fp_1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
        **more,
    }


def answer(text: str, **more: Any) -> web.Response:
    return web.json_response(completion(text, **more))


def error(
    status: int, message: str = "no", code: str | None = None, headers: dict[str, str] | None = None
) -> web.Response:
    return web.json_response({"error": {"message": message, "code": code}}, status=status, headers=headers)


async def echo(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
    return answer(f"echo {body['messages'][-1]['content']}")


@dataclass
class Server:
    """See the module. Use as a context manager."""

    behaviour: Behaviour = echo
    requests: list[Seen] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    cancelled: int = 0  # requests whose client went away
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def prompts(self) -> list[str]:
        return [seen.prompt for seen in self.requests]

    def __enter__(self) -> Server:
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
        self._loop.run_until_complete(self._start())
        ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append(Seen(body, dict(request.headers), request.path_qs))
        number = len(self.requests) - 1
        self.current = request
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self.behaviour(self, number, json.loads(body))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_flight -= 1
