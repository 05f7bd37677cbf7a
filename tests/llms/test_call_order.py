"""Order, bounds and cancelling, with a real server on loopback."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from chat_server import Server, answer

from datadreamer.llms import FakeLLM, OpenAI


def settle(condition: Any, seconds: float = 5.0) -> bool:
    """Wait until `condition()` holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return bool(condition())


async def scrambled(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
    await asyncio.sleep(random.random() * 0.02)
    return answer(f"to {body['messages'][-1]['content']}")


def test_answers_come_in_the_order_of_the_prompts_whatever_their_latency(server: Server) -> None:
    server.behaviour = scrambled
    prompts = [f"p{number}" for number in range(300)]
    assert OpenAI("m", base_url=server.url).run(prompts) == [f"to {prompt}" for prompt in prompts]
    assert sorted(server.prompts) == sorted(prompts)


def test_one_slow_answer_does_not_hold_up_the_others(server: Server) -> None:
    release = threading.Event()

    async def first_is_slow(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        if body["messages"][-1]["content"] == "p0":
            while not release.is_set():
                await asyncio.sleep(0.01)
        return answer("ok")

    server.behaviour = first_is_slow
    texts = OpenAI("m", base_url=server.url).run((f"p{n}" for n in range(400)), return_generator=True)
    reader = threading.Thread(target=lambda: next(texts), daemon=True)
    reader.start()
    assert settle(lambda: len(server.requests) == 400)  # all of them are asked while the first is still open
    release.set()
    reader.join(5)
    assert len(list(texts)) == 399


def test_the_window_is_bounded_whatever_the_number_of_prompts() -> None:
    taken = 0

    def prompts() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield f"p{taken}"

    outcomes = FakeLLM("ok").outcomes(prompts())
    for _ in range(10):
        next(outcomes)
    time.sleep(0.2)
    assert taken <= 4 * 256 + 256  # four times the cap and a chunk: a reader that stops reading stops the asking
    outcomes.close()


def test_a_stuck_first_answer_stops_the_taking_of_prompts_at_the_window() -> None:
    taken = 0

    def prompts() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield f"p{taken}"

    class Stuck(FakeLLM):
        max_in_flight = 16

        async def _answer(self, request: Any) -> Any:
            if request.prompt == "p1":
                await asyncio.sleep(3600)
            return await super()._answer(request)

    outcomes = Stuck("ok").outcomes(prompts())
    reader = threading.Thread(target=lambda: next(outcomes, None), daemon=True)
    reader.start()
    assert settle(lambda: taken >= 2048)
    time.sleep(0.3)
    assert taken < 3000


def test_at_most_batch_size_requests_are_in_flight(server: Server) -> None:
    server.behaviour = scrambled
    OpenAI("m", base_url=server.url).run([f"p{n}" for n in range(60)], batch_size=3)
    assert server.most_in_flight == 3


def test_two_runs_share_the_bound_of_their_service(server: Server) -> None:
    server.behaviour = scrambled
    models = [OpenAI("m", base_url=server.url, max_in_flight=4) for _ in range(2)]
    threads = [
        threading.Thread(target=model.run, args=([f"{i}-{n}" for n in range(40)],)) for i, model in enumerate(models)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(server.requests) == 80
    assert server.most_in_flight <= 4


def test_a_closed_generator_cancels_what_is_in_flight(server: Server) -> None:
    async def hang(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        if number:
            await asyncio.sleep(3600)
        return answer("first")

    server.behaviour = hang
    texts = OpenAI("m", base_url=server.url).run((f"p{n}" for n in range(100)), return_generator=True)
    assert next(texts) == "first"
    started = time.monotonic()
    texts.close()
    assert time.monotonic() - started < 3
    assert settle(lambda: server.in_flight == 0)
    assert server.cancelled > 0


def test_an_error_in_the_prompts_cancels_what_is_in_flight(server: Server) -> None:
    async def hang(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(3600)
        return answer("never")

    def prompts() -> Iterator[str]:
        yield "p0"
        time.sleep(0.05)
        yield "p1"
        assert settle(lambda: server.in_flight == 2)
        raise RuntimeError("the file ends in the middle of a row")

    server.behaviour = hang
    with pytest.raises(RuntimeError, match="middle of a row"):
        OpenAI("m", base_url=server.url).run(prompts())
    assert settle(lambda: server.in_flight == 0)


def test_prompts_that_come_slowly_are_asked_as_they_come() -> None:
    llm = FakeLLM("ok")
    seen: list[int] = []

    def prompts() -> Iterator[str]:
        for number in range(4):
            seen.append(llm.calls)
            yield f"p{number}"
            time.sleep(0.05)

    assert llm.run(prompts()) == ["ok"] * 4
    assert seen[-1] >= 1  # the first was asked before the last was there


def test_n_answers_of_each_prompt_come_as_lists() -> None:
    llm = FakeLLM(lambda prompt, request: f"{prompt}{request.sample}")
    assert llm.run(["a", "b"], n=3) == [["a0", "a1", "a2"], ["b0", "b1", "b2"]]
    assert llm.calls == 6


def test_no_prompts_give_no_answers() -> None:
    assert FakeLLM().run([]) == []
    assert list(FakeLLM().outcomes(iter(()))) == []


def test_agenerate_answers_from_any_event_loop(server: Server) -> None:
    llm = OpenAI("m", base_url=server.url)

    async def many() -> list[str]:
        return [answer.text for answer in await asyncio.gather(*(llm.agenerate(f"p{n}") for n in range(30)))]

    assert asyncio.run(many()) == [f"echo p{n}" for n in range(30)]


def test_a_cancelled_agenerate_cancels_its_request(server: Server) -> None:
    async def hang(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(3600)
        return answer("never")

    server.behaviour = hang

    async def impatient() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(OpenAI("m", base_url=server.url).agenerate("p"), 0.2)

    asyncio.run(impatient())
    assert settle(lambda: server.cancelled == 1)
