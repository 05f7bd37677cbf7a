"""The chat completions format: the bytes that are sent, and what is read from the bytes that come back."""

from __future__ import annotations

import dataclasses
import json
from email.utils import formatdate
from typing import Any, Literal

import msgspec
import pytest
from aiohttp import web
from chat_server import Server, completion

from datadreamer import errors
from datadreamer.errors import InvalidArgumentError
from datadreamer.llms import Chat, OpenAI
from datadreamer.llms.wire.headers import duration, requested_pause, retry_after
from datadreamer.llms.wire.openai_chat import OpenAIChat
from datadreamer.llms.wire.transport import Reply


def sent(server: Server, llm: OpenAI, prompt: Any = "Hi", **parameters: Any) -> dict[str, Any]:
    """The JSON of the request that a prompt makes, without its messages."""
    llm.run([prompt], **parameters)
    body = server.requests[-1].json
    body.pop("messages")
    return body


def test_the_bytes_of_a_plain_request(server: Server) -> None:
    OpenAI("some-model", base_url=server.url).run(["Was heißt „hi“?"])
    [seen] = server.requests
    assert seen.path == "/v1/chat/completions"
    assert (
        seen.body
        == (
            '{"model":"some-model","messages":[{"role":"system","content":"You are a helpful assistant."},'
            '{"role":"user","content":"Was heißt „hi“?"}],"temperature":1.0}'
        ).encode()
    )
    assert seen.headers["Content-Type"] == "application/json"
    assert "Authorization" not in seen.headers


def test_the_bytes_of_a_request_with_everything(server: Server) -> None:
    OpenAI("some-model", system_prompt="", base_url=server.url).run(
        ["p"],
        max_new_tokens=7,
        temperature=0.5,
        top_p=0.9,
        stop=["a", "b"],
        repetition_penalty=1.1,
        logit_bias={50256: -100},
        seed=3,
        min_p=0.1,
        extra_body={"mirostat": 2},
    )
    assert server.requests[0].body == (
        b'{"model":"some-model","messages":[{"role":"user","content":"p"}],"max_tokens":7,"temperature":0.5,"top_p":0.9,'
        b'"stop":["a","b"],"repetition_penalty":1.1,"logit_bias":{"50256":-100.0},"seed":3,"min_p":0.1,"mirostat":2}'
    )


def test_conversations_are_sent_as_they_are(server: Server) -> None:
    turns = [
        {"role": "user", "content": [{"type": "text", "text": "What is this?"}]},
        {"role": "assistant", "content": "A cat."},
        {"role": "user", "content": "Sure?"},
    ]
    llm = OpenAI("m", base_url=server.url)
    llm.run(
        [turns, [{"role": "system", "content": "Doubt."}, *turns], Chat(turns, system="Trust."), Chat(turns, system="")]
    )
    systems = [[m["content"] for m in seen.json["messages"] if m["role"] == "system"] for seen in server.requests]
    assert sorted(systems) == [[""], ["Doubt."], ["Trust."], ["You are a helpful assistant."]]
    for seen in server.requests:
        assert [message for message in seen.json["messages"] if message["role"] != "system"] == turns


def test_parameters_that_are_not_given_are_not_sent(server: Server) -> None:
    assert sent(server, OpenAI("m", base_url=server.url)) == {"model": "m", "temperature": 1.0}


def own(url: str, model: str = "gpt-4o-mini") -> OpenAI:
    """A model as OpenAI's own service gets it, at another address."""
    llm = OpenAI(model, api_key="sk-1")
    wire = llm._live_wire
    wire.url = f"{url}/chat/completions"
    return llm


def test_openai_itself_gets_max_completion_tokens(server: Server) -> None:
    assert sent(server, own(server.url), max_new_tokens=5)["max_completion_tokens"] == 5


def test_a_reasoning_model_gets_no_temperature(server: Server) -> None:
    llm = own(server.url, "gpt-5-mini-2025-08-07")
    body = sent(server, llm, temperature=1.0, top_p=1.0, max_new_tokens=5, reasoning_effort="low")
    assert body == {"model": "gpt-5-mini-2025-08-07", "max_completion_tokens": 5, "reasoning_effort": "low"}
    with pytest.raises(InvalidArgumentError, match="does not take 'temperature'"):
        llm.run(["p"], temperature=0.5)


def test_openai_itself_refuses_a_repetition_penalty_with_advice() -> None:
    with pytest.raises(InvalidArgumentError, match="Use presence_penalty"):
        OpenAI("gpt-4o", api_key="sk-1").run(["p"], repetition_penalty=1.2)


@dataclasses.dataclass
class Verdict:
    score: int
    label: Literal["yes", "no"]


class Closed(msgspec.Struct, forbid_unknown_fields=True):
    score: int


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


def test_an_answer_s_shape_can_be_a_class_or_a_schema(server: Server) -> None:
    llm = own(server.url)
    shape = sent(server, llm, response_format=Verdict)["response_format"]
    assert shape["type"] == "json_schema"
    assert shape["json_schema"]["name"] == "Verdict"
    assert shape["json_schema"]["schema"]["properties"]["score"] == {"type": "integer"}
    assert sent(server, llm, response_format=Closed)["response_format"]["json_schema"]["strict"] is True
    for given in (SCHEMA, {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}):
        assert sent(server, llm, response_format=given)["response_format"] == {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
        }
    assert sent(server, llm, response_format={"type": "json_object"})["response_format"] == {"type": "json_object"}


def test_a_pydantic_model_gives_its_schema(server: Server) -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Answer", text=(str, ...))
    schema = sent(server, OpenAI("m", base_url=server.url), response_format=model)["response_format"]["json_schema"]
    assert schema == {"name": "Answer", "schema": model.model_json_schema()}


def reply(status: int = 200, body: Any = None, **headers: str) -> Reply:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, names, body if isinstance(body, bytes) else json.dumps(body).encode())


WIRE = OpenAIChat("http://host/v1/chat/completions", "m", {}, key_name="OPENAI_API_KEY", secret="sk-hidden")


def test_an_answer_is_read_whole() -> None:
    body = json.dumps(completion("Hi")).encode()
    generation = WIRE.decode(Reply(200, {"x-request-id": "req_9"}, body))
    assert (generation.text, generation.finish_reason, generation.model) == ("Hi", "stop", "served-model-1")
    assert (generation.response_id, generation.request_id) == ("chatcmpl-1", "req_9")
    assert generation.system_fingerprint == "fp_1"
    assert generation.response == body
    assert generation.usage.reasoning_tokens == 2


@pytest.mark.parametrize("missing", ["usage", "id", "model", "system_fingerprint"])
def test_servers_that_leave_things_out_are_understood(missing: str) -> None:
    body = completion("Hi")
    body.pop(missing)
    assert WIRE.decode(reply(body=body)).text == "Hi"
    body[missing] = None
    assert WIRE.decode(reply(body=body)).text == "Hi"


def test_tool_calls_refusals_and_parts_are_understood() -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    body = completion("", finish_reason="tool_calls")
    body["choices"][0]["message"] = {"role": "assistant", "content": None, "tool_calls": calls}
    assert WIRE.decode(reply(body=body)).tool_calls == tuple(calls)
    body["choices"][0]["message"] = {"role": "assistant", "content": None, "refusal": "I will not."}
    refusal = WIRE.decode(reply(body=body))
    assert (refusal.text, refusal.finish_reason) == ("I will not.", "refusal")
    body["choices"][0]["message"] = {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    assert WIRE.decode(reply(body=body)).text == "ab"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": {"message": "x"}}, errors.BadRequestError),
        (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, errors.BadRequestError),
        (413, b"<html>too large</html>", errors.BadRequestError),
        (400, {"error": {"message": "m", "code": "context_length_exceeded"}}, errors.ContextLengthError),
        (400, {"error": "the request exceeds the available context size"}, errors.ContextLengthError),
        (400, {"message": "The decoder prompt is longer than the maximum model length"}, errors.BadRequestError),
        (400, {"error": {"message": "m", "code": "content_filter"}}, errors.ContentFilterError),
        (401, {"error": {"message": "x"}}, errors.AuthenticationError),
        (403, b"", errors.AuthenticationError),
        (404, {"error": {"message": "x"}}, errors.ModelNotFoundError),
        (402, {"error": {"message": "x"}}, errors.PermanentModelError),
        (429, {"error": {"message": "x"}}, errors.RateLimitError),
        (500, b"oops", errors.TransientModelError),
        (529, b"", errors.TransientModelError),
    ],
)
def test_a_status_means_an_error(status: int, body: Any, kind: type[Exception]) -> None:
    error = WIRE.error(reply(status, body))
    assert type(error) is kind
    assert str(status) in str(error)
    assert "http://host/v1" in str(error)


def test_no_error_repeats_the_key() -> None:
    error = WIRE.error(reply(401, {"error": {"message": "Incorrect API key: sk-hidden"}}))
    assert "sk-hidden" not in str(error)
    assert "OPENAI_API_KEY" in str(error)


def test_waits_are_read_from_headers() -> None:
    assert retry_after({"Retry-After": "7"}) == 7.0
    assert retry_after({"retry-after-ms": "250", "Retry-After": "7"}) == 0.25
    assert retry_after({"Retry-After": "soon"}) is None
    assert retry_after({"Retry-After": "-1"}) is None
    assert retry_after({}) is None
    import time

    in_ten = retry_after({"Retry-After": formatdate(time.time() + 10, usegmt=True)})
    assert in_ten is not None and 8 <= in_ten <= 10
    assert [duration(value) for value in ("6m0s", "20ms", "1.5", "1h2m", "", "x")] == [360, 0.02, 1.5, 3720, None, None]


def test_a_used_up_allowance_asks_for_a_pause() -> None:
    assert requested_pause({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "9s"}) is None
    assert requested_pause({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "9s"}) == 9
    refilling = {
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "60s",
    }
    assert requested_pause(refilling) == pytest.approx(1.2)


def test_a_compressed_answer_is_read(server: Server) -> None:
    async def compressed(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        response = web.json_response(completion("ok " * 1000))
        response.enable_compression()
        return response

    server.behaviour = compressed
    assert OpenAI("m", base_url=server.url).run(["p"]) == ["ok " * 1000]
