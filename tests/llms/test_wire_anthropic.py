"""The Messages API: the bytes that are sent, and what is read from what comes back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from chat_server import Server
from protocols import TOOL, message

from datadreamer import errors
from datadreamer.ledger import Usage
from datadreamer.llms import Anthropic, Chat, Failure, Request
from datadreamer.llms.wire.anthropic_messages import AnthropicMessages
from datadreamer.llms.wire.transport import Reply

WIRE = AnthropicMessages("http://host/v1/messages", "m", {}, key_name="ANTHROPIC_API_KEY", max_tokens=100)


@pytest.fixture(autouse=True)
def answers(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)

    async def behaviour(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(message([{"type": "text", "text": "ok"}]), headers={"request-id": "req_9"})

    server.behaviour = behaviour


def claude(server: Server, **options: Any) -> Anthropic:
    return Anthropic("claude-x", api_key="k", base_url=f"http://127.0.0.1:{server.port}", **options)


def body_of(*messages: Any, **fields: Any) -> dict[str, Any]:
    """The JSON of a request."""
    parsed: dict[str, Any] = json.loads(WIRE.encode(Request(messages=messages, temperature=1.0, **fields)))
    return parsed


def test_the_bytes_of_a_plain_request(server: Server) -> None:
    claude(server).run(["Was heißt „hi“?"])
    [seen] = server.requests
    assert seen.path == "/v1/messages"
    assert (
        seen.body
        == '{"model":"claude-x","max_tokens":16384,"messages":[{"role":"user","content":"Was heißt „hi“?"}]}'.encode()
    )
    headers = {name.lower(): value for name, value in seen.headers.items()}
    assert (headers["x-api-key"], headers["anthropic-version"]) == ("k", "2026-10-21")
    assert "authorization" not in headers


def test_the_bytes_of_a_request_with_everything(server: Server) -> None:
    claude(server, system_prompt="Be brief.").run(
        ["p"],
        max_new_tokens=7,
        stop=["a", "b"],
        tools=[TOOL],
        tool_choice="required",
        thinking={"type": "adaptive"},
        extra_body={"container": "c"},
    )
    assert json.loads(server.requests[0].body) == {
        "model": "claude-x",
        "max_tokens": 7,
        "messages": [{"role": "user", "content": "p"}],
        "system": "Be brief.",
        "stop_sequences": ["a", "b"],
        "tools": [
            {
                "name": "weather",
                "description": "The weather in a city.",
                "input_schema": TOOL["function"]["parameters"],  # type: ignore[index]
            }
        ],
        "tool_choice": {"type": "any"},
        "thinking": {"type": "adaptive"},
        "container": "c",
    }


def test_sampling_belongs_to_the_older_version_of_the_api(server: Server) -> None:
    with pytest.raises(errors.InvalidArgumentError, match="api_version='2023-06-01'"):
        claude(server).run(["p"], temperature=0)
    claude(server).run(["p"], temperature=1.0, top_p=1.0)  # asks for nothing
    claude(server, api_version="2023-06-01").run(["p"], temperature=0.5, top_k=3)
    claude(server, api_version="2023-06-01").run(["p"])
    plain, older, older_plain = (seen.json for seen in server.requests)
    assert "temperature" not in plain and "top_p" not in plain
    assert (older["temperature"], older["top_k"]) == (0.5, 3)
    assert "temperature" not in older_plain  # 1 is the default, and newer models refuse a value
    assert server.requests[1].headers["anthropic-version"] == "2023-06-01"
    with pytest.raises(errors.InvalidArgumentError, match="api_version is"):
        claude(server, api_version="2024-01-01")


def test_a_beta_header_can_be_added(server: Server) -> None:
    claude(server, default_headers={"anthropic-beta": "b-1"}).run(["p"])
    assert server.requests[0].headers["anthropic-beta"] == "b-1"


def test_a_system_prompt_is_a_field_of_its_own(server: Server) -> None:
    turns = [{"role": "system", "content": "Doubt."}, {"role": "user", "content": "Sure?"}]
    claude(server, system_prompt="own").run([turns, Chat([turns[1]], system="Trust.")])
    assert sorted(seen.json["system"] for seen in server.requests) == ["Doubt.", "Trust."]
    with pytest.raises(errors.BadRequestError, match="role 'system'"):
        body_of(turns[1], turns[0])


def test_tool_results_of_one_turn_are_one_message() -> None:
    calls = [
        {"id": f"call_{n}", "type": "function", "function": {"name": "weather", "arguments": '{"city":"K"}'}}
        for n in (1, 2)
    ]
    body = body_of(
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "tool", "tool_call_id": "call_2", "content": "sun"},
    )
    assert body["messages"][1]["content"] == [
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "K"}},
        {"type": "tool_use", "id": "call_2", "name": "weather", "input": {"city": "K"}},
    ]
    assert body["messages"][2] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "call_1", "content": "rain"},
            {"type": "tool_result", "tool_use_id": "call_2", "content": "sun"},
        ],
    }


def test_pictures_are_written_as_the_api_has_them() -> None:
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
    ]
    [turn] = body_of({"role": "user", "content": parts})["messages"]
    assert turn["content"][1]["source"] == {"type": "base64", "media_type": "image/png", "data": "QUJD"}
    assert turn["content"][2]["source"] == {"type": "url", "url": "https://x.example/a.png"}


def test_a_schema_goes_into_the_output_config() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    body = body_of(
        {"role": "user", "content": "?"},
        response_format={"type": "json_schema", "name": "n", "schema": schema},
        extra={"output_config": {"effort": "low"}},
    )
    assert body["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": schema}}
    with pytest.raises(errors.InvalidArgumentError, match="JSON Schema"):
        body_of({"role": "user", "content": "?"}, response_format={"type": "json_object"})


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause_turn"),
    ],
)
def test_every_reason_to_stop_has_a_word(reason: str, finish: str) -> None:
    body = json.dumps(message([{"type": "text", "text": "x"}], reason)).encode()
    answer = WIRE.decode(Reply(200, {"request-id": "req_9"}, body))
    assert (answer.finish_reason, answer.request_id, answer.model) == (finish, "req_9", "served-model-1")


def test_tokens_from_and_into_the_cache_are_input() -> None:
    body = message([{"type": "text", "text": "x"}])
    body["usage"] = {
        "input_tokens": 1,
        "cache_read_input_tokens": 10,
        "cache_creation_input_tokens": 100,
        "output_tokens": 5,
    }
    usage = WIRE.decode(Reply(200, {}, json.dumps(body).encode())).usage
    assert usage == Usage(input_tokens=111, output_tokens=5, cached_tokens=10)


def test_an_answer_that_was_cut_short_may_be_asked_again() -> None:
    body = {**message([]), "stop_reason": None}
    with pytest.raises(errors.TransientModelError, match="broke off"):
        WIRE.decode(Reply(200, {}, json.dumps(body).encode()))


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (529, {"type": "overloaded_error", "message": "Overloaded"}, errors.TransientModelError),
        (429, {"type": "rate_limit_error", "message": "slow"}, errors.RateLimitError),
        (
            429,
            {
                "type": "rate_limit_error",
                "message": "usage limits",
                "details": {"error_code": "enforced_spend_limit_reached"},
            },
            errors.PermanentModelError,
        ),
        (402, {"type": "billing_error", "message": "pay"}, errors.PermanentModelError),
        (
            400,
            {"type": "invalid_request_error", "message": "Your credit balance is too low to access the API."},
            errors.PermanentModelError,
        ),
        (
            400,
            {"type": "invalid_request_error", "message": "prompt is too long: 9 tokens > 8 maximum"},
            errors.ContextLengthError,
        ),
        (413, {"type": "request_too_large", "message": "32 MB"}, errors.BadRequestError),
        (504, {"type": "timeout_error", "message": "late"}, errors.TransientModelError),
    ],
)
def test_an_error_means_what_its_type_says(status: int, error: dict[str, Any], kind: type[Exception]) -> None:
    found = WIRE.error(Reply(status, {}, json.dumps({"type": "error", "error": error}).encode()))
    assert type(found) is kind


def test_a_used_up_allowance_asks_for_a_pause() -> None:
    whole = (datetime.now(UTC) + timedelta(seconds=50)).isoformat().replace("+00:00", "Z")
    headers = {
        "anthropic-ratelimit-output-tokens-remaining": "0",
        "anthropic-ratelimit-output-tokens-reset": whole,
        "anthropic-ratelimit-requests-remaining": "3",
        "anthropic-ratelimit-requests-reset": whole,
    }
    body = json.dumps(message([])).encode()
    assert WIRE.decode(Reply(200, headers, body)).wait == pytest.approx(1.0, abs=0.1)
    headers["anthropic-ratelimit-output-tokens-remaining"] = "1000"
    assert WIRE.decode(Reply(200, headers, body)).wait is None


def test_known_models_have_prices_at_anthropic_itself_alone() -> None:
    own = Anthropic("claude-opus-5", api_key="k")
    assert own.get_max_context_length(0) == 1_000_000
    assert own._facts.cost(Usage(input_tokens=1_000_000, cached_tokens=1_000_000)) == pytest.approx(0.5)
    assert own._facts.cost(Usage(output_tokens=1_000_000)) == pytest.approx(25.0)
    assert Anthropic("claude-opus-5", api_key="k", base_url="https://other.example")._facts.input_price is None
    cached = Request(messages=(), extra={"cache_control": {"type": "ephemeral"}})
    assert not own._standard_price(cached)  # what goes into the cache has another price


def test_the_number_of_tokens_that_is_asked_for_counts() -> None:
    assert Anthropic("claude-opus-5", api_key="k").spec()["max_tokens"] == 16_384


def test_a_refusal_is_a_failure_of_its_row(server: Server) -> None:
    async def refuses(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(message([], "refusal"))

    server.behaviour = refuses
    [failure] = claude(server).outcomes(["p"])
    assert isinstance(failure, Failure) and failure.reason == "content_filter"
