"""The legacy completions format, for models that continue a text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from chat_server import Server

from datadreamer import errors
from datadreamer.llms import Chat, Failure, Generation, OpenAI
from datadreamer.llms.wire.openai_completions import OpenAICompletions
from datadreamer.llms.wire.transport import Reply

WIRE = OpenAICompletions("http://host/v1/completions", "m", {}, key_name="OPENAI_API_KEY", max_tokens=100)


def completion(text: str, finish_reason: str = "stop", **more: Any) -> dict[str, Any]:
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "model": "served-model-1",
        "choices": [{"index": 0, "text": text, "finish_reason": finish_reason, "logprobs": None, **more}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


@pytest.fixture
def base_model(server: Server) -> OpenAI:
    async def behaviour(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(completion(f" and then {number}"))

    server.behaviour = behaviour
    return OpenAI("base-model", base_url=server.url, api="completions")


def test_the_bytes_of_a_plain_request(server: Server, base_model: OpenAI) -> None:
    assert base_model.run(["Once upon a time"]) == [" and then 0"]
    [seen] = server.requests
    assert seen.path == "/v1/completions"
    assert seen.body == b'{"model":"base-model","prompt":"Once upon a time","max_tokens":1024,"temperature":1.0}'


def test_the_bytes_of_a_request_with_everything(server: Server, base_model: OpenAI) -> None:
    base_model.run(
        [[{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]],
        max_new_tokens=7,
        temperature=0.5,
        top_p=0.9,
        stop="END",
        repetition_penalty=1.1,
        logit_bias={50256: -100},
        seed=3,
        logprobs=2,
        echo=True,
        min_tokens=1,
        extra_body={"guided_regex": "a+"},
    )
    assert server.requests[0].body == (
        b'{"model":"base-model","prompt":"ab","max_tokens":7,"temperature":0.5,"top_p":0.9,"stop":["END"],'
        b'"repetition_penalty":1.1,"logit_bias":{"50256":-100.0},"seed":3,"echo":true,"logprobs":2,"min_tokens":1,'
        b'"guided_regex":"a+"}'
    )


def test_a_text_is_continued_without_a_system_prompt(server: Server, base_model: OpenAI) -> None:
    with pytest.raises(errors.InvalidArgumentError, match="takes no system_prompt"):
        OpenAI("gpt-3.5-turbo-instruct", system_prompt="Be brief.", api_key="k")
    assert OpenAI("gpt-3.5-turbo-instruct", api_key="k").system_prompt is None
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    outcomes = list(base_model.outcomes([Chat([turns[0]], system="x"), turns, "Once"]))
    assert [getattr(one, "reason", "answered") for one in outcomes] == ["bad_request", "bad_request", "answered"]
    assert isinstance(outcomes[0], Failure) and "make one text of them" in outcomes[0].message


def test_tools_and_shapes_are_refused_by_name(base_model: OpenAI) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    for named in ({"tools": tools}, {"response_format": {"type": "object"}}):
        with pytest.raises(errors.InvalidArgumentError, match=f"takes no '{next(iter(named))}'"):
            base_model.run(["p"], **named)


def test_the_default_length_counts(base_model: OpenAI) -> None:
    assert base_model.spec()["max_tokens"] == 1024
    assert base_model.spec()["wire"] == "openai-completions"
    assert "max_tokens" not in OpenAI("base-model", base_url="http://h/v1").spec()


def test_an_answer_is_read_whole() -> None:
    given = {"tokens": [" a", " b"], "token_logprobs": [-0.1, -0.2], "top_logprobs": [{" a": -0.1, " x": -3.0}, None]}
    answer = WIRE.decode(Reply(200, {}, json.dumps(completion(" a b", "length", logprobs=given)).encode()))
    assert isinstance(answer, Generation)
    assert (answer.text, answer.finish_reason, answer.usage.output_tokens) == (" a b", "length", 5)
    assert answer.logprobs is not None
    assert answer.logprobs[0] == {
        "token": " a",
        "logprob": -0.1,
        "top_logprobs": [{"token": " a", "logprob": -0.1}, {"token": " x", "logprob": -3.0}],
    }
    assert len(answer.logprobs) == 2


@pytest.mark.parametrize("body", [b"", b"{}", b'{"choices": []}', b'{"choices": [{}]}', b'{"error": {"code": 503}}'])
def test_what_is_no_answer_is_asked_again(body: bytes) -> None:
    with pytest.raises(errors.TransientModelError):
        WIRE.decode(Reply(200, {}, body))
