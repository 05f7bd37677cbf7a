"""The server: routes, and the life of it (docs/design/serving.md)."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from .. import _loop
from ..errors import DataDreamerError, InvalidArgumentError
from .answers import body_of, cache_state, chunks_of
from .problems import Problem, RefusedError, problem_of
from .requests import Asked, read_chat, read_completion

if TYPE_CHECKING:
    from aiohttp import web

    from ..llms.types import Generation
    from .backends import Backend

logger = logging.getLogger("datadreamer.serving")

BODY = 64 << 20  # bytes of a request, at most
DRAIN = 10.0  # seconds for which requests under way may go on when the server stops
BLOCK = 64  # pieces of a stream that are sent together
_encode = msgspec.json.Encoder().encode


class Server:
    """An OpenAI-compatible server in this process, on the loop that asks models. Use as a context manager.

    Args:
        backend: who answers.
        host: address to listen at.
        port: 0 takes a free one.
        api_key: clients must send it as `Authorization: Bearer …`. None: everybody who can connect may ask.
        drain: seconds for which requests under way may go on when it stops.
    """

    def __init__(
        self,
        backend: Backend,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str | None = None,
        drain: float = DRAIN,
    ) -> None:
        self.backend = backend
        self.host = host
        self.port = port
        self.requests = 0  # answered, or refused
        self._api_key = api_key
        self._drain = drain
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The base URL for clients."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "") else f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/v1"

    def start(self) -> None:
        """Listen.

        Raises:
            InvalidArgumentError: the address cannot be listened at.
        """
        self.backend.check()
        _loop.submit(self._start()).result()

    def stop(self) -> None:
        """Take no more requests, let those under way finish, write the ledger."""
        runner, self._runner = self._runner, None
        if runner is not None:
            _loop.submit(runner.cleanup()).result()
            self.backend.close()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    async def _start(self) -> None:
        from aiohttp import web

        app = web.Application(client_max_size=BODY, middlewares=[self._guard()])
        app.router.add_get("/health", self._health)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/v1/models/{name:.+}", self._model)
        app.router.add_post("/v1/chat/completions", self._answering(read_chat))
        app.router.add_post("/v1/completions", self._answering(read_completion))
        # a client that goes away cancels its handler, and with it what only it waited for
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=self._drain)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self.port).start()
        except OSError as error:
            await runner.cleanup()
            raise InvalidArgumentError(
                f"The server cannot listen at {self.host}:{self.port}: {error.strerror or error}. "
                "Choose another port with --port (0 takes a free one)."
            ) from None
        self.port = runner.addresses[0][1]
        self._runner = runner

    # --- what is asked ----------------------------------------------------------------------------------------------

    def _answering(self, read: Callable[[Any], Asked]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handler(request: web.Request) -> web.StreamResponse:
            asked = read(await _json_of(request))
            choices = await self.backend.answer(asked)
            headers = {"x-datadreamer-cache": cache_state(choices)}
            if choices[0].key is not None:
                headers["x-datadreamer-key"] = f"ddr1:{choices[0].key.hex()}"
            if asked.stream:
                return await _streamed(request, asked, choices, headers)
            return _json(body_of(asked, choices), headers=headers)

        return handler

    async def _health(self, request: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def _models(self, request: web.Request) -> web.Response:
        return _json({"object": "list", "data": [_card(name) for name in self.backend.names]})

    async def _model(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.backend.names:
            raise RefusedError(f"There is no model '{name}' here.", "model", 404, "model_not_found")
        return _json(_card(name))

    # --- around every handler ---------------------------------------------------------------------------------------

    def _guard(self) -> Any:
        from aiohttp import web

        @web.middleware
        async def guard(request: web.Request, handler: Any) -> web.StreamResponse:
            self.requests += 1
            try:
                self._check_key(request)
                response: web.StreamResponse = await handler(request)
                return response
            except web.HTTPException as error:
                said = f"{request.method} {request.path} is not served here: {error.reason}."
                return _problem(Problem(error.status, said))
            except asyncio.CancelledError:
                raise
            except Exception as error:  # nothing a client sends may end the server
                if not isinstance(error, (DataDreamerError, RefusedError)):
                    logger.exception("A request could not be answered.")
                return _problem(problem_of(error))

        return guard

    def _check_key(self, request: web.Request) -> None:
        if self._api_key is None or request.path == "/health":
            return
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self._api_key.encode()):
            raise RefusedError("The key is wrong, or there is none.", None, 401, "invalid_api_key")


async def _json_of(request: web.Request) -> Any:
    if request.content_type != "application/json":
        raise RefusedError(f"The body must be application/json, not {request.content_type}.", None, 415)
    try:
        return msgspec.json.decode(await request.read())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RefusedError(f"The body is no JSON: {error}") from error


async def _streamed(
    request: web.Request, asked: Asked, choices: list[Generation], headers: dict[str, str]
) -> web.StreamResponse:
    from aiohttp import web

    response = web.StreamResponse(
        headers={**headers, "Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
    )
    await response.prepare(request)
    block: list[bytes] = []
    for chunk in chunks_of(asked, choices):
        block.append(b"data: " + _encode(chunk) + b"\n\n")
        if len(block) == BLOCK:
            await response.write(b"".join(block))
            block.clear()
    await response.write(b"".join(block) + b"data: [DONE]\n\n")
    await response.write_eof()
    return response


def _card(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "datadreamer"}


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    from aiohttp import web

    return web.Response(body=_encode(body), status=status, headers=headers, content_type="application/json")


def _problem(problem: Problem) -> web.Response:
    return _json(problem.body(), problem.status, problem.headers)
