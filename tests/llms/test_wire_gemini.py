"""The generateContent format: the bytes that are sent, and what is read from what comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from chat_server import Server
from protocols import TOOL, generated

from datadreamer import errors
from datadreamer.llms import GoogleAIStudio, Request
from datadreamer.llms.wire.gemini import Gemini
from datadreamer.llms.wire.transport import Reply

WIRE = Gemini("http://host/v1beta/models/m:generateContent", "m", {}, key_name="GOOGLE_API_KEY")
USER = {"role": "user", "content": "?"}


@pytest.fixture(autouse=True)
def answers(server: Server) -> None:
    async def behaviour(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(generated([{"text": "ok"}]))

    server.behaviour = behaviour


def gemini(server: Server, model: str = "gemini-x", **options: Any) -> GoogleAIStudio:
    return GoogleAIStudio(model, api_key="k", base_url=f"http://127.0.0.1:{server.port}/v1beta", **options)


def body_of(*messages: Any, **fields: Any) -> dict[str, Any]:
    """The JSON of a request."""
    parsed: dict[str, Any] = json.loads(WIRE.encode(Request(messages=messages, **fields)))
    return parsed


def read(body: Any) -> Any:
    return WIRE.decode(Reply(200, {}, json.dumps(body).encode()))


def test_the_bytes_of_a_plain_request(server: Server) -> None:
    gemini(server).run(["Was heißt „hi“?"])
    [seen] = server.requests
    assert seen.path == "/v1beta/models/gemini-x:generateContent"
    assert (
        seen.body
        == (
            '{"contents":[{"role":"user","parts":[{"text":"Was heißt „hi“?"}]}],"generationConfig":{"temperature":1.0}}'
        ).encode()
    )
    headers = {name.lower(): value for name, value in seen.headers.items()}
    assert headers["x-goog-api-key"] == "k"
    assert "authorization" not in headers


def test_the_bytes_of_a_request_with_everything(server: Server) -> None:
    gemini(server, "models/gemini-x", system_prompt="Be brief.").run(
        ["p"],
        max_new_tokens=7,
        temperature=0.5,
        top_p=0.9,
        stop=["a", "b"],
        seed=3,
        tools=[TOOL, {"googleSearch": {}}],
        top_k=4,
        presence_penalty=0.1,
        thinking_config={"thinkingBudget": 0},
        safety_settings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        response_format={"type": "json_object"},
        extra_body={"labels": {"a": "b"}},
    )
    [seen] = server.requests
    assert seen.path == "/v1beta/models/gemini-x:generateContent"
    function = TOOL["function"]
    assert isinstance(function, dict)
    assert seen.json == {
        "contents": [{"role": "user", "parts": [{"text": "p"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "weather",
                        "description": "The weather in a city.",
                        "parametersJsonSchema": function["parameters"],
                    }
                ]
            },
            {"googleSearch": {}},
        ],
        "generationConfig": {
            "maxOutputTokens": 7,
            "temperature": 0.5,
            "topP": 0.9,
            "stopSequences": ["a", "b"],
            "seed": 3,
            "topK": 4,
            "presencePenalty": 0.1,
            "thinkingConfig": {"thinkingBudget": 0},
            "responseMimeType": "application/json",
        },
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "labels": {"a": "b"},
    }


def test_a_schema_for_the_answer_is_sent_as_it_is() -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"type": "string"}}}
    config = body_of(USER, response_format={"type": "json_schema", "name": "n", "schema": schema})["generationConfig"]
    assert config == {"responseMimeType": "application/json", "responseJsonSchema": schema}


def test_a_function_call_goes_back_with_its_signature() -> None:
    answer = read(
        generated(
            [{"functionCall": {"id": "f1", "name": "weather", "args": {"city": "K"}}, "thoughtSignature": "c2ln"}]
        )
    )
    assert answer.finish_reason == "tool_calls"
    [call] = answer.tool_calls
    assert call["function"] == {"name": "weather", "arguments": '{"city":"K"}'}
    body = body_of(
        USER,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "f1", "content": '{"sky": "rain"}'},
    )
    assert body["contents"][1:] == [
        {
            "role": "model",
            "parts": [
                {"functionCall": {"id": "f1", "name": "weather", "args": {"city": "K"}}, "thoughtSignature": "c2ln"}
            ],
        },
        {
            "role": "user",
            "parts": [{"functionResponse": {"id": "f1", "name": "weather", "response": {"sky": "rain"}}}],
        },
    ]


def test_a_tool_result_without_a_call_is_refused() -> None:
    with pytest.raises(errors.BadRequestError, match="no earlier message has made"):
        body_of(USER, {"role": "tool", "tool_call_id": "?", "content": "rain"})


def test_turns_alternate_and_a_late_system_prompt_is_refused() -> None:
    body = body_of(USER, USER, {"role": "assistant", "content": "!"})
    assert [turn["role"] for turn in body["contents"]] == ["user", "model"]
    assert len(body["contents"][0]["parts"]) == 2
    with pytest.raises(errors.BadRequestError, match="role 'system'"):
        body_of(USER, {"role": "system", "content": "x"})


def test_pictures_are_written_as_the_api_has_them() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
        {"fileData": {"fileUri": "gs://b/c"}},
    ]
    [turn] = body_of({"role": "user", "content": parts})["contents"]
    assert turn["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "QUJD"}},
        {"fileData": {"fileUri": "https://x.example/a.png"}},
        {"fileData": {"fileUri": "gs://b/c"}},
    ]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("NO_IMAGE", "no_image"),
    ],
)
def test_every_reason_to_finish_has_a_word(reason: str, finish: str) -> None:
    answer = read(generated([{"text": "x"}], reason))
    assert (answer.finish_reason, answer.model, answer.response_id) == (finish, "served-model-1", "resp_1")


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "OTHER", None])
def test_an_answer_that_went_wrong_may_be_asked_again(reason: str | None) -> None:
    body = generated([{"text": "x"}])
    body["candidates"][0]["finishReason"] = reason
    with pytest.raises(errors.TransientModelError, match="broke off"):
        read(body)


def test_a_blocked_prompt_is_a_content_filter_and_says_why() -> None:
    with pytest.raises(errors.ContentFilterError, match="PROHIBITED_CONTENT"):
        read({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 3}})
    with pytest.raises(errors.TransientModelError, match="without any candidate"):
        read({"candidates": []})


def test_an_answer_whose_room_went_into_thoughts_has_no_text() -> None:
    body = generated([], "MAX_TOKENS")
    body["candidates"][0]["content"] = {"role": "model"}
    assert (read(body).text, read(body).finish_reason) == ("", "length")


def error(status: int, body: dict[str, Any]) -> errors.ModelError:
    return WIRE.error(Reply(status, {}, json.dumps({"error": body}).encode()))


def test_a_wrong_key_is_said_with_status_400() -> None:
    wrong = {
        "code": 400,
        "message": "API key not valid. Please pass a valid API key.",
        "status": "INVALID_ARGUMENT",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
            }
        ],
    }
    assert type(error(400, wrong)) is errors.AuthenticationError


def test_a_rate_limit_says_when_to_come_again_and_a_daily_quota_stops() -> None:
    def limited(quota: str) -> dict[str, Any]:
        return {
            "code": 429,
            "message": "You exceeded your current quota.",
            "status": "RESOURCE_EXHAUSTED",
            "details": [
                {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "22s"},
            ],
        }

    minute = error(429, limited("GenerateRequestsPerMinutePerProjectPerModel"))
    assert isinstance(minute, errors.RateLimitError) and minute.retry_after == 22.0
    day = error(429, limited("GenerateRequestsPerDayPerProjectPerModel-FreeTier"))
    assert type(day) is errors.PermanentModelError


def test_a_prompt_that_is_too_long_is_told_apart() -> None:
    said = "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576)."
    assert type(error(400, {"message": said, "status": "INVALID_ARGUMENT"})) is errors.ContextLengthError
