"""Cohere's chat format: the bytes that are sent, and what is read from what comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from chat_server import Server
from protocols import TOOL, cohere

from datadreamer import errors
from datadreamer.ledger import Usage
from datadreamer.llms import Cohere
from datadreamer.llms.wire.cohere_chat import CohereChat
from datadreamer.llms.wire.transport import Reply

WIRE = CohereChat("http://host/v2/chat", "m", {}, key_name="CO_API_KEY")
TEXT = [{"type": "text", "text": "ok"}]


@pytest.fixture(autouse=True)
def answers(server: Server) -> None:
    async def behaviour(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(cohere(TEXT))

    server.behaviour = behaviour


def model(server: Server, **options: Any) -> Cohere:
    return Cohere("command-x", api_key="k", base_url=f"http://127.0.0.1:{server.port}", **options)


def read(body: Any) -> Any:
    return WIRE.decode(Reply(200, {}, json.dumps(body).encode()))


def test_the_bytes_of_a_plain_request(server: Server) -> None:
    model(server).run(["Was heißt „hi“?"])
    [seen] = server.requests
    assert seen.path == "/v2/chat"
    assert (
        seen.body
        == '{"model":"command-x","messages":[{"role":"user","content":"Was heißt „hi“?"}],"temperature":1.0}'.encode()
    )
    assert seen.headers["Authorization"] == "Bearer k"


def test_the_bytes_of_a_request_with_everything(server: Server) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    model(server, system_prompt="Be brief.").run(
        ["p"],
        max_new_tokens=7,
        temperature=0.5,
        top_p=0.9,
        stop=["a"],
        seed=3,
        tools=[TOOL],
        tool_choice="required",
        response_format=schema,
        k=4,
        safety_mode="STRICT",
        extra_body={"brand_new": 1},
    )
    assert server.requests[0].json == {
        "model": "command-x",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "p"}],
        "max_tokens": 7,
        "temperature": 0.5,
        "p": 0.9,
        "stop_sequences": ["a"],
        "seed": 3,
        "tools": [TOOL],
        "response_format": {"type": "json_object", "json_schema": schema},
        "tool_choice": "REQUIRED",
        "k": 4,
        "safety_mode": "STRICT",
        "brand_new": 1,
    }


def test_a_top_p_of_one_is_the_largest_that_the_service_takes(server: Server) -> None:
    model(server).run(["p"], top_p=1.0)  # left out it would be 0.75
    assert server.requests[0].json["p"] == 0.99


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("TOOL_CALL", "tool_calls"),
        ("NEW_ONE", "new_one"),
    ],
)
def test_every_reason_to_finish_has_a_word(reason: str, finish: str) -> None:
    assert read(cohere(TEXT, reason)).finish_reason == finish


@pytest.mark.parametrize("reason", ["ERROR", "TIMEOUT", None])
def test_an_answer_that_broke_off_may_be_asked_again(reason: str | None) -> None:
    body = {**cohere(TEXT), "finish_reason": reason}
    with pytest.raises(errors.TransientModelError, match="broke off"):
        read(body)


def test_tokens_are_counted_from_either_place() -> None:
    body = cohere(TEXT)
    assert read(body).usage == Usage(input_tokens=10, output_tokens=5, cached_tokens=4)
    del body["usage"]["tokens"]
    assert read(body).usage.input_tokens == 8
    del body["usage"]
    assert read(body).usage == Usage()


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (400, "too many tokens: total number of tokens in the prompt cannot exceed 4081", errors.ContextLengthError),
        (429, "You are using a Trial key, which is limited to 1000 API calls / month.", errors.PermanentModelError),
        (429, "You are using a Trial key, which is limited to 40 API calls / minute.", errors.RateLimitError),
        (498, "invalid token", errors.BadRequestError),
        (499, "request cancelled", errors.TransientModelError),
    ],
)
def test_an_error_means_what_its_message_says(status: int, said: str, kind: type[Exception]) -> None:
    assert type(WIRE.error(Reply(status, {}, json.dumps({"message": said}).encode()))) is kind
