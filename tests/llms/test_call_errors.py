"""What goes wrong on the way to a model, with a real server that does it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from typing import Any

import pytest
from aiohttp import web
from chat_server import Server, answer, completion, error

from datadreamer import _context, _loop
from datadreamer.errors import (
    AuthenticationError,
    BadRequestError,
    ContextLengthError,
    ModelNotFoundError,
    PermanentModelError,
    ServerUnreachableError,
)
from datadreamer.llms import Failure, FakeLLM, Generation, OpenAI
from datadreamer.llms.engine.desk import desk_for
from datadreamer.llms.engine.retry import RetryPolicy


class Quick(OpenAI):
    """Makes the same decisions, and waits a hundredth of the time."""

    retry_policy = RetryPolicy(first_wait=0.005, longest_wait=0.05, first_pause=0.05)


def failing(times: int, how: Any) -> Any:
    """Each prompt fails `times` times, then is answered."""
    seen: Counter[str] = Counter()

    async def behaviour(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        prompt = body["messages"][-1]["content"]
        seen[prompt] += 1
        if seen[prompt] > times:
            return answer(f"to {prompt}")
        response = how()
        return await response if asyncio.iscoroutine(response) else response

    return behaviour


def outcomes(llm: OpenAI, prompts: list[str], **parameters: Any) -> list[Generation | Failure]:
    return list(llm.outcomes(prompts, **parameters))


@pytest.mark.parametrize("status", [500, 502, 503, 504, 529, 408])
def test_an_error_of_the_server_is_asked_again(server: Server, scope: _context.StepScope, status: int) -> None:
    server.behaviour = failing(2, lambda: error(status))
    llm = Quick("m", base_url=server.url)
    assert llm.run(["a", "b"]) == ["to a", "to b"]
    assert len(server.requests) == 6
    assert (scope.stats.calls, scope.stats.retries, scope.stats.failures) == (2, 4, 0)
    assert [one.attempts for one in outcomes(llm, ["a"])] == [3]


async def truncated() -> web.StreamResponse:
    return web.Response(body=b'{"choices": [{"message": {"content": "half an ans', content_type="application/json")


class Broken(web.Response):
    """Promises more than it sends."""

    async def write_eof(self, data: bytes = b"") -> None:
        assert self._req is not None and self._req.transport is not None
        self._req.transport.abort()


def reset() -> web.StreamResponse:
    return Broken(text="x" * 100_000)


@pytest.mark.parametrize(
    "how",
    [
        truncated,
        lambda: web.Response(text="<html>welcome to the hotel</html>", content_type="text/html"),
        lambda: web.json_response({"choices": []}),
        lambda: web.json_response(["not", "an", "object"]),
        lambda: web.json_response({"choices": [{"message": "not an object"}]}),
        lambda: web.Response(body=b"\xff\xfe\x00", content_type="application/json"),
        lambda: web.json_response({"error": {"message": "upstream", "code": 502}}),
        reset,
    ],
    ids=["cut JSON", "HTML", "no choices", "a list", "wrong types", "not UTF-8", "error with status 200", "reset"],
)
def test_an_answer_that_cannot_be_read_is_asked_again(server: Server, scope: _context.StepScope, how: Any) -> None:
    server.behaviour = failing(1, how)
    assert Quick("m", base_url=server.url).run(["a"]) == ["to a"]
    assert len(server.requests) == 2


def test_an_answer_that_never_can_be_read_is_a_failure_and_not_remembered(
    server: Server, scope: _context.StepScope
) -> None:
    server.behaviour = failing(8, truncated)
    llm = Quick("m", base_url=server.url)
    [failure] = outcomes(llm, ["a"])
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.attempts) == ("transient", 8)
    assert "half an ans" in failure.message
    assert scope.stats.failures == 1
    assert llm.run(["a"]) == ["to a"]


def test_a_server_that_hangs_is_left_after_the_timeout(server: Server) -> None:
    async def hang() -> web.StreamResponse:
        await asyncio.sleep(3600)
        return answer("never")

    server.behaviour = failing(1, hang)
    assert Quick("m", base_url=server.url, timeout=0.2).run(["a"]) == ["to a"]


def test_a_server_that_drips_is_left_after_the_timeout(server: Server) -> None:
    async def drip(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(server.current)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.02)

    server.behaviour = drip
    started = time.monotonic()
    [failure] = outcomes(Quick("m", base_url=server.url, timeout=0.3, retry_on_fail=False), ["a"])
    assert isinstance(failure, Failure) and failure.reason == "transient"
    assert "0.3 seconds" in failure.message
    assert time.monotonic() - started < 3


def test_waiting_in_our_own_queue_is_no_timeout(server: Server) -> None:
    async def slow(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(0.1)
        return answer("ok")

    server.behaviour = slow
    llm = Quick("m", base_url=server.url, timeout=0.6, max_in_flight=1, retry_on_fail=False)
    assert llm.run([f"p{n}" for n in range(12)]) == ["ok"] * 12


def test_a_rate_limit_without_a_time_is_waited_out_and_cuts_concurrency(
    server: Server, scope: _context.StepScope
) -> None:
    async def at_most_five(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        if server.in_flight > 5:
            return error(429, "slow down", "rate_limit_exceeded")
        await asyncio.sleep(0.01)
        return answer("ok")

    server.behaviour = at_most_five
    llm = Quick("m", base_url=server.url)
    assert llm.run([f"p{n}" for n in range(80)]) == ["ok"] * 80
    assert scope.stats.retries > 0
    assert scope.stats.failures == 0
    assert desk_for(llm, _loop.loop()).limiter.limit < 10


@pytest.mark.parametrize("header", [{"Retry-After": "1"}, {"retry-after-ms": "1000"}], ids=["seconds", "milliseconds"])
def test_nobody_comes_before_the_time_that_the_service_names(server: Server, header: dict[str, str]) -> None:
    times: list[float] = []

    async def once(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        times.append(time.monotonic())
        return error(429, headers=header) if number == 0 else answer("ok")

    server.behaviour = once
    assert Quick("m", base_url=server.url, max_in_flight=1).run(["a", "b"]) == ["ok", "ok"]
    assert times[1] - times[0] >= 1.0
    assert len(times) == 3


def test_an_answer_that_was_the_last_for_now_pauses_everyone(server: Server) -> None:
    times: list[float] = []
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "400ms"}

    async def last(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        times.append(time.monotonic())
        return web.json_response(completion("ok"), headers=headers if number == 0 else None)

    server.behaviour = last
    Quick("m", base_url=server.url, max_in_flight=1).run(["a", "b"])
    assert times[1] - times[0] >= 0.4


def test_a_wrong_key_stops_the_run_at_once_and_is_named(
    server: Server, scope: _context.StepScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return error(401, "Incorrect API key provided: sk-very-secret.", "invalid_api_key")

    server.behaviour = refuse
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    with pytest.raises(AuthenticationError, match="the environment variable OPENAI_API_KEY") as caught:
        Quick("m").run([f"p{n}" for n in range(500)])
    assert "sk-very-secret" not in str(caught.value)
    assert len(server.requests) <= 32
    assert server.requests[0].headers["Authorization"] == "Bearer sk-very-secret"


def test_a_missing_key_is_named_before_anything_is_sent() -> None:
    with pytest.raises(AuthenticationError, match="environment variable OPENAI_API_KEY"):
        Quick("gpt-4o-mini").run(["p"])
    with pytest.raises(AuthenticationError, match="AZURE_OPENAI_API_KEY"):
        Quick("d", base_url="https://x.openai.azure.com", api_version="2024-10-21").run(["p"])


def test_an_unknown_model_stops_the_run_and_is_named(server: Server) -> None:
    async def unknown(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return error(404, "The model does not exist", "model_not_found")

    server.behaviour = unknown
    with pytest.raises(ModelNotFoundError, match=r"'gpt-17'.*base_url"):
        Quick("gpt-17", base_url=server.url).run(["a", "b"])


def test_an_account_without_credit_stops_the_run(server: Server) -> None:
    async def broke(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return error(429, "You exceeded your current quota", "insufficient_quota")

    server.behaviour = broke
    with pytest.raises(PermanentModelError, match="out of credit"):
        Quick("m", base_url=server.url, api_key="sk-1").run(["a"])
    assert len(server.requests) == 1


def test_a_refused_row_is_that_row_s_failure(server: Server, scope: _context.StepScope) -> None:
    async def picky(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        prompt = body["messages"][-1]["content"]
        if prompt == "long":
            return error(400, "This model's maximum context length is 100 tokens", "context_length_exceeded")
        if prompt == "bad":
            return error(400, "Invalid image")
        if prompt == "wild":
            return error(400, "The response was filtered", "content_filter")
        return answer("ok")

    server.behaviour = picky
    llm = Quick("m", base_url=server.url)
    results = outcomes(llm, ["a", "long", "b", "bad", "wild", "c"])
    assert [one.text if isinstance(one, Generation) else one.reason for one in results] == [
        "ok",
        "context_length",
        "ok",
        "bad_request",
        "content_filter",
        "ok",
    ]
    assert (scope.stats.calls, scope.stats.failures, scope.stats.retries) == (3, 3, 0)
    with pytest.raises(ContextLengthError, match=r"Prompt 1 has no answer: .*maximum context length"):
        llm.run(["a", "long", "b"])
    assert len(server.requests) == 7  # only the refused one was asked again


def test_when_the_first_requests_are_all_refused_alike_the_run_stops(server: Server) -> None:
    async def refuse(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return error(400, f"Unknown parameter (request {number})")

    server.behaviour = refuse
    with pytest.raises(BadRequestError, match=r"first 5 requests failed in the same way.*Unknown parameter"):
        Quick("m", base_url=server.url).run([f"p{n}" for n in range(1000)])
    assert len(server.requests) <= 32


def test_a_content_filter_stop_is_a_failure_that_is_counted_and_not_remembered(
    server: Server, scope: _context.StepScope, ledger: Any
) -> None:
    async def filtered(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return answer("I was about to", finish_reason="content_filter")

    server.behaviour = filtered
    [failure] = outcomes(Quick("m", base_url=server.url), ["p"])
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.usage.output_tokens) == ("content_filter", 5)
    assert scope.stats.output_tokens == 5
    assert list(ledger.calls()) == []


def test_an_answer_that_ran_out_of_room_is_an_answer(server: Server, scope: _context.StepScope) -> None:
    async def cut(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return answer("half a", finish_reason="length")

    server.behaviour = cut
    llm = Quick("m", base_url=server.url)
    for _ in range(2):
        [generation] = outcomes(llm, ["p"])
        assert isinstance(generation, Generation)
        assert generation.truncated
    assert len(server.requests) == 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_server_that_is_not_there_is_named_within_seconds() -> None:
    port = free_port()
    started = time.monotonic()
    with pytest.raises(ServerUnreachableError, match=rf"http://127.0.0.1:{port}.*Check base_url"):
        OpenAI("m", base_url=f"http://127.0.0.1:{port}/v1").run(["a"] * 100)
    assert time.monotonic() - started < 4


def test_a_server_that_starts_late_is_found() -> None:
    port = free_port()
    llm = Quick("m", base_url=f"http://127.0.0.1:{port}/v1")
    with pytest.raises(ServerUnreachableError):
        llm.run(["a"])
    with Server(port=port):
        assert llm.run(["a"]) == ["echo a"]


def test_a_certificate_that_cannot_be_trusted_is_not_retried(server: Server) -> None:
    with pytest.raises(PermanentModelError, match="TLS"):
        Quick("m", base_url=server.url.replace("http:", "https:")).run(["a"])


def test_without_retry_on_fail_everything_is_asked_once(server: Server) -> None:
    server.behaviour = failing(1, lambda: error(500))
    [failure] = outcomes(Quick("m", base_url=server.url, retry_on_fail=False), ["a"])
    assert isinstance(failure, Failure)
    assert len(server.requests) == 1


def test_a_redirect_is_refused_with_the_address_to_use(server: Server) -> None:
    async def moved(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return web.Response(status=308, headers={"Location": "https://elsewhere/v1"})

    server.behaviour = moved
    with pytest.raises(PermanentModelError, match="https://elsewhere/v1"):
        Quick("m", base_url=server.url).run(["a"])


def test_agenerate_raises_what_went_wrong(server: Server) -> None:
    server.behaviour = failing(1, lambda: error(400, "no such thing"))
    with pytest.raises(BadRequestError, match="no such thing"):
        asyncio.run(Quick("m", base_url=server.url).agenerate("a"))


def test_a_generator_raises_at_the_row_that_failed(server: Server) -> None:
    async def second(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return error(422, "no") if body["messages"][-1]["content"] == "b" else answer("ok")

    server.behaviour = second
    texts = Quick("m", base_url=server.url).run(["a", "b", "c"], return_generator=True)
    assert next(texts) == "ok"
    with pytest.raises(BadRequestError, match="Prompt 1 has no answer"):
        next(texts)


def test_a_fault_of_a_backend_ends_the_run_with_its_own_error() -> None:
    def faulty(prompt: str) -> str:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError, match="a bug"):
        FakeLLM(faulty).run(["a"])


def test_failures_can_be_played() -> None:
    llm = FakeLLM("ok", fail={"b": ContextLengthError("too long")})
    results = list(llm.outcomes(["a", "b"]))
    assert [type(one) for one in results] == [Generation, Failure]
    assert results[1].reason == "context_length"
