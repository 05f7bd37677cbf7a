"""The Responses API: the bytes that are sent, and what is read from what comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from chat_server import Server
from protocols import PROTOCOLS, TOOL, output_text, response

from datadreamer import _context, errors
from datadreamer.errors import InvalidArgumentError
from datadreamer.llms import Chat, Failure, Generation, OpenAI, Request
from datadreamer.llms.wire.openai_responses import OpenAIResponses
from datadreamer.llms.wire.transport import Reply

WIRE = OpenAIResponses("http://host/v1/responses", "m", {}, key_name="OPENAI_API_KEY", secret="sk-hidden")
SPEAKS = PROTOCOLS["openai-responses"]


def answering(body: Any, status: int = 200) -> Any:
    async def behaviour(server: Server, number: int, request: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(body, status=status)

    return behaviour


def body_of(*messages: Any, **fields: Any) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(WIRE.encode(Request(messages=messages, **fields)))
    return parsed


def decoded(body: Any) -> Generation:
    return WIRE.decode(Reply(200, {"x-request-id": "req_9"}, json.dumps(body).encode()))


def test_the_bytes_of_a_plain_request(server: Server) -> None:
    server.behaviour = answering(SPEAKS.answer("Ja."))
    assert OpenAI("some-model", base_url=server.url, api="responses").run(["Was heißt „hi“?"]) == ["Ja."]
    [seen] = server.requests
    assert seen.path == "/v1/responses"
    assert (
        seen.body
        == (
            '{"model":"some-model","input":[{"role":"user","content":"Was heißt „hi“?"}],'
            '"instructions":"You are a helpful assistant.","temperature":1.0,"store":false}'
        ).encode()
    )


def test_the_bytes_of_a_request_with_everything(server: Server) -> None:
    server.behaviour = answering(SPEAKS.answer("ok"))
    OpenAI("m", system_prompt="", base_url=server.url, api="responses").run(
        ["p"],
        max_new_tokens=7,
        temperature=0.5,
        top_p=0.9,
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        reasoning_effort="low",
        reasoning={"summary": "auto"},
        verbosity="low",
        logprobs=True,
        top_logprobs=2,
        store=True,
        extra_body={"brand_new": 1},
    )
    assert server.requests[0].json == {
        "model": "m",
        "input": [{"role": "user", "content": "p"}],
        "max_output_tokens": 7,
        "temperature": 0.5,
        "top_p": 0.9,
        "tools": [{"type": "function", **TOOL["function"]}],  # type: ignore[dict-item]
        "tool_choice": {"type": "function", "name": "weather"},
        "reasoning": {"summary": "auto", "effort": "low"},
        "text": {"verbosity": "low"},
        "include": ["message.output_text.logprobs"],
        "top_logprobs": 2,
        "store": True,
        "brand_new": 1,
    }


def test_a_conversation_with_a_tool_call_goes_back_as_items() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Köln"}'}}
    body = body_of(
        {"role": "user", "content": [{"type": "text", "text": "And the weather?"}]},
        {"role": "assistant", "content": "Let me see.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "assistant", "content": [{"type": "text", "text": "Rain."}]},
        system="Be brief.",
    )
    assert body["instructions"] == "Be brief."
    assert body["input"] == [
        {"role": "user", "content": [{"type": "input_text", "text": "And the weather?"}]},
        {"role": "assistant", "content": "Let me see."},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city":"Köln"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Rain."}]},
    ]


def test_a_system_prompt_of_a_row_replaces_the_model_s(server: Server) -> None:
    server.behaviour = answering(SPEAKS.answer("ok"))
    OpenAI("m", base_url=server.url, api="responses").run([Chat([{"role": "user", "content": "p"}], system="Mine.")])
    assert server.requests[0].json["instructions"] == "Mine."


@pytest.mark.parametrize("parameter", ["stop", "seed", "logit_bias", "repetition_penalty"])
def test_what_the_api_has_not_is_refused_by_name(parameter: str) -> None:
    value: Any = {"stop": "x", "seed": 1, "logit_bias": {1: 2.0}, "repetition_penalty": 1.2}[parameter]
    with pytest.raises(InvalidArgumentError, match=f"does not take '{parameter}'"):
        OpenAI("m", base_url="http://h/v1", api="responses").run(["p"], **{parameter: value})


def test_an_answer_is_read_whole() -> None:
    answer = decoded(SPEAKS.answer("Hi"))
    assert (answer.text, answer.finish_reason, answer.model) == ("Hi", "stop", "served-model-1")
    assert (answer.response_id, answer.request_id, answer.reasoning) == ("resp_1", "req_9", "Hm.")
    usage = answer.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens) == (10, 5, 4, 2)


def test_tool_calls_refusals_cuts_and_logprobs_are_understood() -> None:
    call = decoded(SPEAKS.tool_call)
    assert call.finish_reason == "tool_calls"
    assert call.tool_calls == (
        {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Köln"}'}},
    )
    refusal = output_text("")
    refusal["content"] = [{"type": "refusal", "refusal": "I will not."}]
    refused = decoded(response([refusal]))
    assert (refused.text, refused.finish_reason) == ("I will not.", "refusal")
    assert decoded(SPEAKS.ended("max_output_tokens")).truncated
    assert decoded(SPEAKS.ended("content_filter")).finish_reason == "content_filter"
    item = output_text("Hi")
    entry = {"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}
    item["content"][0]["logprobs"] = [entry]
    assert decoded(response([item])).logprobs == (entry,)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("server_error", errors.TransientModelError),
        ("rate_limit_exceeded", errors.RateLimitError),
        ("invalid_prompt", errors.BadRequestError),
        ("invalid_image", errors.BadRequestError),
        ("bio_policy", errors.ContentFilterError),
    ],
)
def test_an_answer_whose_making_failed_is_an_error(code: str, kind: type[Exception]) -> None:
    body = response([], status="failed", error={"code": code, "message": "It went wrong for sk-hidden."})
    with pytest.raises(kind, match="It went wrong") as caught:
        decoded(body)
    assert type(caught.value) is kind
    assert "sk-hidden" not in str(caught.value)


@pytest.mark.parametrize("body", [{}, {"output": None}, {"status": "queued", "output": []}, [], {"output": 3}])
def test_what_is_no_answer_is_asked_again(body: Any) -> None:
    with pytest.raises(errors.TransientModelError):
        decoded(body)


def test_a_withheld_answer_is_a_failure(server: Server, scope: _context.StepScope) -> None:
    server.behaviour = answering(SPEAKS.ended("content_filter"))
    [outcome] = OpenAI("m", base_url=server.url, api="responses").outcomes(["p"])
    assert isinstance(outcome, Failure) and outcome.reason == "content_filter"
    assert outcome.usage.output_tokens == 5


def test_thoughts_and_logprobs_come_back_from_the_ledger(server: Server, scope: _context.StepScope) -> None:
    body = SPEAKS.answer("Hi")
    body["output"][1]["content"][0]["logprobs"] = [{"token": "Hi", "logprob": -0.5}]
    server.behaviour = answering(body)
    llm = OpenAI("m", base_url=server.url, api="responses")
    for cached in (False, True):
        [outcome] = llm.outcomes(["p"], logprobs=True)
        assert isinstance(outcome, Generation) and outcome.cached is cached
        assert (outcome.reasoning, outcome.logprobs) == ("Hm.", ({"token": "Hi", "logprob": -0.5},))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("o3-pro", "/responses"),
        ("gpt-5-pro-2025-10-06", "/responses"),
        ("gpt-5.1-codex", "/responses"),
        ("gpt-3.5-turbo-instruct", "/completions"),
        ("gpt-3.5-turbo-instruct-0914", "/completions"),
        ("ft:davinci-002:me::abc", "/completions"),
        ("gpt-5", "/chat/completions"),
        ("gpt-4o-mini", "/chat/completions"),
        ("ft:gpt-4o-mini:me::abc", "/chat/completions"),
        ("what-comes-next", "/chat/completions"),
    ],
)
def test_openai_s_own_models_are_asked_in_their_own_form(model: str, path: str) -> None:
    assert OpenAI(model, api_key="k")._endpoint.url == f"https://api.openai.com/v1{path}"
    assert OpenAI(model, base_url="http://h/v1")._endpoint.url == "http://h/v1/chat/completions"
    assert OpenAI(model, api_key="k", api="chat")._endpoint.url.endswith("/v1/chat/completions")


def test_models_of_the_responses_api_reason_and_get_no_temperature() -> None:
    llm = OpenAI("o3-pro", api_key="k")
    body = json.loads(llm._live_wire.encode(Request(messages=({"role": "user", "content": "p"},), temperature=1.0)))
    assert "temperature" not in body
    with pytest.raises(InvalidArgumentError, match="does not take 'temperature'"):
        llm.run(["p"], temperature=0.2)


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="'chat', 'responses' or 'completions'"):
        OpenAI("m", api="response")  # type: ignore[arg-type]
