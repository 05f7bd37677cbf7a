"""Limits that the user sets: requests and tokens per minute."""

from __future__ import annotations

import time
from typing import Any

import pytest
from aiohttp import web
from chat_server import Server, answer

from datadreamer.errors import InvalidArgumentError
from datadreamer.ledger import Usage
from datadreamer.llms import Generation, OpenAI, Request
from datadreamer.llms.engine.pace import Bucket, Pace

MODEL = OpenAI("m", base_url="http://h/v1", system_prompt="")


@pytest.mark.parametrize("per_minute", [1, 7, 60, 1000, 100_000])
def test_no_minute_has_more_than_was_set(per_minute: float) -> None:
    bucket, now, sent = Bucket(per_minute, 0.0), 0.0, 0
    while True:
        now += bucket.wait(1.0, now) + 1e-9
        if now >= 60.0:
            break
        bucket.take(1.0, now)
        sent += 1
    assert 0.45 * per_minute <= sent <= per_minute


def test_what_is_more_than_there_is_leaves_a_debt() -> None:
    bucket = Bucket(6000, 0.0)
    assert bucket.wait(10_000.0, 0.0) == 0.0  # a request of any size goes when the bucket is full
    bucket.take(10_000.0, 0.0)
    assert bucket.wait(1.0, 0.0) == pytest.approx(10_000 / 6000 * 60, rel=0.01)
    bucket.take(-10_000.0, 0.0)
    assert bucket.wait(1.0, 0.0) == 0.0


def request(text: str, **parameters: Any) -> Request:
    return Request(messages=({"role": "user", "content": text},), **parameters)


def test_tokens_are_expected_and_then_settled() -> None:
    pace = Pace(None, 60_000, 0.0)
    asked = request("word " * 100, max_new_tokens=50)
    expected = pace.sent(MODEL, asked, 0.0)
    assert 100 < expected < 300
    assert pace.wait(MODEL, asked, 0.0) > 0
    pace.settle(expected, Generation(text="", usage=Usage(input_tokens=0, output_tokens=1)), 0.0)
    assert pace.wait(MODEL, asked, 0.0) < expected / 1000  # nearly all was given back
    assert pace.sent(MODEL, request("word"), 0.0) < 10  # and answers are expected to be short


def test_a_model_without_limits_has_no_pace() -> None:
    assert Pace.of(MODEL, 0.0) is None


def test_requests_are_spread_over_the_time(server: Server) -> None:
    times: list[float] = []

    async def behaviour(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        times.append(time.monotonic())
        return answer("ok")

    server.behaviour = behaviour
    llm = OpenAI("m", base_url=server.url, requests_per_minute=1200)
    assert llm.run([f"p{n}" for n in range(20)]) == ["ok"] * 20
    assert times[-1] - times[0] >= 0.5  # 20 at 20 a second, a quarter of a second at once
    assert llm.spec() == OpenAI("m", base_url=server.url).spec()


def test_tokens_per_minute_hold_requests_back(server: Server) -> None:
    async def behaviour(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return answer("ok")

    server.behaviour = behaviour
    started = time.monotonic()
    llm = OpenAI("m", base_url=server.url, tokens_per_minute=12_000, system_prompt="")
    llm.run([f"p{n}" for n in range(10)], max_new_tokens=20)  # each is taken for some 20 tokens, and uses 15
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize("value", [0, -1, "10", True])
def test_a_limit_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="requests_per_minute"):
        OpenAI("m", requests_per_minute=value)
