"""Amazon Bedrock: the bytes of Converse, and who signs them."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from chat_server import Server
from protocols import TOOL, converse

from datadreamer import errors
from datadreamer.ledger import Usage
from datadreamer.llms import Bedrock, Request
from datadreamer.llms.wire.bedrock_converse import BedrockConverse
from datadreamer.llms.wire.transport import Reply

WIRE = BedrockConverse("http://host/model/m/converse", "m", {}, key_name="none")
USER = {"role": "user", "content": "?"}
MODEL = "vendor.model-v1:0"


@pytest.fixture(autouse=True)
def answers(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    async def behaviour(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(converse([{"text": "ok"}]), headers={"x-amzn-RequestId": "r-1"})

    server.behaviour = behaviour
    yield


def at(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}"


def body_of(*messages: Any, **fields: Any) -> dict[str, Any]:
    """The JSON of a request."""
    parsed: dict[str, Any] = json.loads(WIRE.encode(Request(messages=messages, **fields)))
    return parsed


def read(body: Any) -> Any:
    return WIRE.decode(Reply(200, {"x-amzn-RequestId": "r-1"}, json.dumps(body).encode()))


def test_the_bytes_of_a_plain_request_with_an_api_key(server: Server) -> None:
    Bedrock(MODEL, api_key="bedrock-key", base_url=at(server)).run(["Was heißt „hi“?"])
    [seen] = server.requests
    assert seen.path == "/model/vendor.model-v1%3A0/converse"
    assert (
        seen.body
        == (
            '{"messages":[{"role":"user","content":[{"text":"Was heißt „hi“?"}]}],'
            '"inferenceConfig":{"temperature":1.0}}'
        ).encode()
    )
    assert seen.headers["Authorization"] == "Bearer bedrock-key"


def test_the_bytes_of_a_request_with_everything(server: Server) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    Bedrock(MODEL, api_key="k", base_url=at(server), system_prompt="Be brief.").run(
        ["p"],
        max_new_tokens=7,
        temperature=0.5,
        top_p=0.9,
        stop=["a"],
        tools=[TOOL],
        tool_choice="required",
        response_format=schema,
        additional_model_request_fields={"top_k": 4},
        extra_body={"serviceTier": {"type": "flex"}},
    )
    function = TOOL["function"]
    assert isinstance(function, dict)
    spec = {
        "name": "weather",
        "description": "The weather in a city.",
        "inputSchema": {"json": function["parameters"]},
    }
    body = server.requests[0].json
    structure = body.pop("outputConfig")["textFormat"]
    assert json.loads(structure["structure"]["jsonSchema"]["schema"]) == schema
    assert body == {
        "messages": [{"role": "user", "content": [{"text": "p"}]}],
        "system": [{"text": "Be brief."}],
        "inferenceConfig": {"maxTokens": 7, "temperature": 0.5, "topP": 0.9, "stopSequences": ["a"]},
        "toolConfig": {"tools": [{"toolSpec": spec}], "toolChoice": {"any": {}}},
        "additionalModelRequestFields": {"top_k": 4},
        "serviceTier": {"type": "flex"},
    }


def test_claude_is_not_told_a_temperature_of_one(server: Server) -> None:
    llm = Bedrock("eu.anthropic.claude-x", api_key="k", base_url=at(server))
    llm.run(["p"])
    llm.run(["p"], temperature=0.5)
    assert [seen.json.get("inferenceConfig") for seen in server.requests] == [None, {"temperature": 0.5}]


def test_conversations_and_pictures_are_written_as_the_api_has_them() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"K"}'}}
    body = body_of(
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        {"role": "user", "content": "Sure?"},
    )
    assert body["messages"] == [
        {"role": "user", "content": [{"text": "?"}, {"image": {"format": "png", "source": {"bytes": "QUJD"}}}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "K"}}}]},
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": "rain"}]}}, {"text": "Sure?"}],
        },
    ]
    with pytest.raises(errors.BadRequestError, match="data: URL"):
        body_of({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}]})
    with pytest.raises(errors.BadRequestError, match="role 'system'"):
        body_of(USER, {"role": "system", "content": "x"})


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
    ],
)
def test_every_reason_to_stop_has_a_word(reason: str, finish: str) -> None:
    answer = read(converse([{"text": "x"}], reason))
    assert (answer.finish_reason, answer.request_id) == (finish, "r-1")
    assert answer.usage == Usage(input_tokens=10, output_tokens=5, cached_tokens=4)


@pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use", None])
def test_an_answer_that_went_wrong_may_be_asked_again(reason: str | None) -> None:
    with pytest.raises(errors.TransientModelError, match="broke off"):
        read({**converse([]), "stopReason": reason})
    assert type(WIRE.error(Reply(424, {}, b'{"message": "model error"}'))) is errors.TransientModelError


def test_the_region_is_part_of_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Bedrock(MODEL, api_key="k")._endpoint.identity == "https://bedrock-runtime.us-east-1.amazonaws.com"
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert Bedrock(MODEL, api_key="k").host == "bedrock-runtime.eu-central-1.amazonaws.com"
    named = Bedrock(MODEL, aws_region_name="ap-south-1", api_key="k")
    assert (named.host, named.provider) == ("bedrock-runtime.ap-south-1.amazonaws.com", "bedrock")


def test_credentials_come_in_pairs_and_are_told_to_nobody() -> None:
    with pytest.raises(errors.InvalidArgumentError, match="together"):
        Bedrock(MODEL, aws_access_key_id="AKIDEXAMPLE")
    llm = Bedrock(MODEL, "AKIDEXAMPLE", "wJalrXUtnFEMI-secret", "us-east-1")
    assert "wJalr" not in repr(llm) + str(llm.spec()) + repr(llm._endpoint)
    assert llm.account() != Bedrock(MODEL, "AKIDOTHER", "wJalrXUtnFEMI-secret", "us-east-1").account()


def test_a_key_in_the_environment_does_not_replace_credentials_in_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "from-the-environment")
    assert Bedrock(MODEL)._endpoint.key == "from-the-environment"
    llm = Bedrock(MODEL, "AKIDEXAMPLE", "wJalrXUtnFEMI-secret")
    assert (llm._endpoint.key, dict(llm._endpoint.headers), llm._signs) == (None, {}, True)


def test_a_request_is_signed_with_the_credentials(server: Server) -> None:
    pytest.importorskip("botocore")
    secret = "wJalrXUtnFEMI-secret"
    Bedrock(MODEL, "AKIDEXAMPLE", secret, "eu-west-1", base_url=at(server)).run(["p"])
    [seen] = server.requests
    stamp = seen.headers["X-Amz-Date"]
    scope = f"{stamp[:8]}/eu-west-1/bedrock/aws4_request"
    canonical = "\n".join(
        [
            "POST",
            "/model/vendor.model-v1%253A0/converse",
            "",
            "content-type:application/json",
            f"host:{seen.headers['Host']}",
            f"x-amz-date:{stamp}",
            "",
            "content-type;host;x-amz-date",
            hashlib.sha256(seen.body).hexdigest(),
        ]
    )
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    assert seen.headers["Authorization"] == (
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders=content-type;host;x-amz-date, "
        f"Signature={signature}"
    )
