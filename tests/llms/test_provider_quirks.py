"""What is different about single services, and what became of published names."""

from __future__ import annotations

import inspect
import json
import logging
from typing import Any

import pytest
from aiohttp import web
from chat_server import Server, completion

import datadreamer.llms
from datadreamer import errors
from datadreamer.llms import DeepSeek, Generation, Groq, HFAPIEndpoint, MistralAI, OpenRouter, Together
from datadreamer.llms.wire.transport import Reply


@pytest.fixture
def body(server: Server) -> dict[str, Any]:
    """What the server answers; a test may change it."""
    answer = completion("ok")

    async def behaviour(server: Server, number: int, request: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(answer)

    server.behaviour = behaviour
    return answer


def test_mistral_calls_a_seed_otherwise_and_ends_otherwise(server: Server, body: dict[str, Any]) -> None:
    body["choices"][0]["finish_reason"] = "model_length"
    [answer] = MistralAI("m", api_key="k", base_url=server.url).outcomes(["p"], seed=3)
    assert (server.requests[0].json["random_seed"], "seed" in server.requests[0].json) == (3, False)
    assert answer.truncated


def test_together_ends_with_a_word_of_its_own(server: Server, body: dict[str, Any]) -> None:
    body["choices"][0]["finish_reason"] = "eos"
    [answer] = Together("m", api_key="k", base_url=server.url).outcomes(["p"])
    assert answer.finish_reason == "stop"


def test_groq_wants_the_newer_name_of_the_limit(server: Server, body: dict[str, Any]) -> None:
    Groq("m", api_key="k", base_url=server.url).run(["p"], max_new_tokens=5)
    assert server.requests[0].json["max_completion_tokens"] == 5
    assert type(Groq("m", api_key="k")._live_wire.error(Reply(498, {}, b""))) is errors.TransientModelError


def test_deepseek_counts_cached_tokens_and_thoughts_in_its_own_way(server: Server, body: dict[str, Any]) -> None:
    body["usage"] = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "prompt_cache_hit_tokens": 8,
        "prompt_cache_miss_tokens": 2,
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    body["choices"][0]["message"]["reasoning_content"] = "Hm."
    [answer] = DeepSeek("m", api_key="k", base_url=server.url).outcomes(["p"])
    assert isinstance(answer, Generation)
    assert (answer.text, answer.usage.cached_tokens, answer.usage.reasoning_tokens) == ("ok", 8, 3)
    wire = DeepSeek("m", api_key="k")._live_wire
    body["choices"][0]["finish_reason"] = "insufficient_system_resource"
    with pytest.raises(errors.TransientModelError, match="insufficient_system_resource"):
        wire.decode(Reply(200, {}, json.dumps(body).encode()))


def test_openrouter_says_what_a_call_cost(server: Server, body: dict[str, Any]) -> None:
    body["usage"]["cost"] = 0.00123
    [answer] = OpenRouter("vendor/m", api_key="k", base_url=server.url).outcomes(["p"])
    assert answer.cost_usd == 0.00123
    [silent] = Together("m", api_key="k", base_url=server.url).outcomes(["p"])
    assert silent.cost_usd is None  # the same field of another service may be in another currency


def test_openrouter_tells_a_flagged_prompt_from_a_wrong_key() -> None:
    wire = OpenRouter("vendor/m", api_key="k")._live_wire
    flagged = {"error": {"code": 403, "message": "flagged", "metadata": {"reasons": ["x"], "flagged_input": "…"}}}
    assert type(wire.error(Reply(403, {}, json.dumps(flagged).encode()))) is errors.ContentFilterError
    assert type(wire.error(Reply(403, {}, b'{"error": {"message": "no"}}'))) is errors.AuthenticationError


def test_an_endpoint_is_asked_at_its_chat_route(server: Server, body: dict[str, Any]) -> None:
    address = server.url.removesuffix("/v1")
    for given in (address, f"{address}/", f"{address}/v1"):
        HFAPIEndpoint(given, "org/model", token="t").run(["p"])
    assert {seen.path for seen in server.requests} == {"/v1/chat/completions"}
    assert server.requests[0].headers["Authorization"] == "Bearer t"


def test_a_token_of_hugging_face_goes_to_hugging_face_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf-from-the-environment")
    endpoint = HFAPIEndpoint("https://x.us-east-1.aws.endpoints.huggingface.cloud", "org/model")
    assert endpoint._endpoint.key == "hf-from-the-environment"
    assert endpoint.model_card == "https://huggingface.co/org/model"
    for other in ("http://localhost:8080", "https://huggingface.cloud.evil.example", "https://evilhuggingface.co"):
        assert HFAPIEndpoint(other, "m")._endpoint.key is None
    monkeypatch.delenv("HF_TOKEN")
    HFAPIEndpoint("https://x.us-east-1.aws.endpoints.huggingface.cloud", "m").check()  # may be open to everybody
    with pytest.raises(errors.AuthenticationError, match="HF_TOKEN"):
        HFAPIEndpoint("https://router.huggingface.co/v1", "m").check()


def test_the_address_that_is_gone_names_the_one_that_is() -> None:
    with pytest.raises(errors.InvalidArgumentError, match=r"router\.huggingface\.co/v1"):
        HFAPIEndpoint("https://api-inference.huggingface.co/models/x", "x")


def test_arguments_without_a_meaning_are_explained(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    Together("m", chat_prompt_template="auto", system_prompt="auto", api_key="k", max_context_length=8000)
    HFAPIEndpoint("http://localhost:8080", "m")
    assert not caplog.records
    Together("m", api_key="k", tokenizer_model_name="t", chat_prompt_template="{{prompt}}")
    HFAPIEndpoint("http://localhost:8080", "m", revision="main")
    first, second = caplog.messages
    assert "chat_prompt_template=…, tokenizer_model_name=…" in first
    assert "HFAPIEndpoint(revision=…)" in second


_PLAIN = "model_name, api_key, retry_on_fail, cache_folder_path"
_PUBLISHED = {
    "Anthropic": _PLAIN,
    "Cohere": _PLAIN,
    "GoogleAIStudio": _PLAIN,
    "MistralAI": _PLAIN,
    "Together": (
        "model_name, chat_prompt_template, system_prompt, api_key, max_context_length, tokenizer_model_name, "
        "tokenizer_revision, tokenizer_trust_remote_code, retry_on_fail, cache_folder_path"
    ),
    "HFAPIEndpoint": (
        "endpoint, model_name, chat_prompt_template, system_prompt, token, revision, trust_remote_code, retry_on_fail, "
        "cache_folder_path"
    ),
}


@pytest.mark.parametrize("name", _PUBLISHED)
def test_published_constructors_are_called_as_published(name: str) -> None:
    parameters = inspect.signature(getattr(datadreamer.llms, name)).parameters.values()
    assert [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD] == _PUBLISHED[name].split(", ")
    assert any(one.kind is one.VAR_KEYWORD for one in parameters)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("OpenAIAssistant", r"tools=\[…\]"),
        ("Petals", "HFTransformers"),
        ("AI21", "base_url="),
    ],
)
def test_what_is_gone_can_be_imported_and_says_what_to_use(name: str, instead: str) -> None:
    kind = getattr(datadreamer.llms, name)
    with pytest.raises(errors.InvalidArgumentError, match=instead):
        kind("some-model", api_key="k")
