"""The request that each service documents, for one call with everything that most of them take.

Written down from the sources in docs/design/providers.md, not from what the code sends.
"""

from __future__ import annotations

from typing import Any

import pytest
from chat_server import Server
from protocols import TOOL
from test_provider_contract import KEY, NAMES, answering, made, no_provider_keys, protocol

__all__ = ["no_provider_keys"]  # a fixture

TURNS = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "Weather?"},
]
ASKED: dict[str, Any] = {
    "max_new_tokens": 7,
    "temperature": 0.5,
    "top_p": 0.9,
    "stop": ["END"],
    "seed": 3,
    "repetition_penalty": 1.1,
    "logit_bias": {7: 1.0},
    "tools": [TOOL],
    "tool_choice": "auto",
}
BEARER = {"Authorization": f"Bearer {KEY}"}
FUNCTION: Any = TOOL["function"]
SCHEMA = FUNCTION["parameters"]


def chat(**more: Any) -> dict[str, Any]:
    """What every service has that speaks chat completions."""
    return {
        "model": "some-model",
        "messages": [{"role": "system", "content": "Be brief."}, *TURNS],
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
        "tools": [TOOL],
        "tool_choice": "auto",
        **more,
    }


def gemini() -> dict[str, Any]:
    return {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [{"text": "Hello."}]},
            {"role": "user", "parts": [{"text": "Weather?"}]},
        ],
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "weather", "description": "The weather in a city.", "parametersJsonSchema": SCHEMA}
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
        "generationConfig": {
            "maxOutputTokens": 7,
            "temperature": 0.5,
            "topP": 0.9,
            "stopSequences": ["END"],
            "seed": 3,
        },
    }


PENALTY, BIAS, SEED, LENGTH = {"repetition_penalty": 1.1}, {"logit_bias": {"7": 1.0}}, {"seed": 3}, {"max_tokens": 7}
#: path behind the base URL, headers, body
DOCUMENTED: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "Anthropic": (
        "/v1/messages",
        {"x-api-key": KEY, "anthropic-version": "2026-10-21"},
        {
            "model": "some-model",
            "max_tokens": 7,
            "system": "Be brief.",
            "messages": TURNS,
            "stop_sequences": ["END"],
            "tools": [{"name": "weather", "description": "The weather in a city.", "input_schema": SCHEMA}],
            "tool_choice": {"type": "auto"},
        },
    ),
    "Bedrock": (
        "/model/some-model/converse",
        BEARER,
        {
            "system": [{"text": "Be brief."}],
            "messages": [{"role": turn["role"], "content": [{"text": turn["content"]}]} for turn in TURNS],
            "inferenceConfig": {"maxTokens": 7, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]},
            "toolConfig": {
                "tools": [
                    {
                        "toolSpec": {
                            "name": "weather",
                            "description": "The weather in a city.",
                            "inputSchema": {"json": SCHEMA},
                        }
                    }
                ],
                "toolChoice": {"auto": {}},
            },
        },
    ),
    "Cohere": (
        "/v2/chat",
        BEARER,
        {
            "model": "some-model",
            "messages": [{"role": "system", "content": "Be brief."}, *TURNS],
            "max_tokens": 7,
            "temperature": 0.5,
            "p": 0.9,
            "stop_sequences": ["END"],
            "seed": 3,
            "tools": [TOOL],  # and no tool_choice: "auto" has no word there
        },
    ),
    "DeepSeek": ("/chat/completions", BEARER, chat(**LENGTH)),
    "Fireworks": ("/chat/completions", BEARER, chat(**LENGTH, **SEED, **PENALTY, **BIAS)),
    "GoogleAIStudio": ("/models/some-model:generateContent", {"x-goog-api-key": KEY}, gemini()),
    "Groq": ("/chat/completions", BEARER, chat(max_completion_tokens=7, **SEED)),
    "HFAPIEndpoint": ("/chat/completions", BEARER, chat(**LENGTH, **SEED)),
    "MistralAI": ("/chat/completions", BEARER, chat(**LENGTH, **PENALTY, random_seed=3)),
    "OpenRouter": ("/chat/completions", BEARER, chat(**LENGTH, **SEED, **PENALTY, **BIAS)),
    "Together": ("/chat/completions", BEARER, chat(**LENGTH, **SEED, **PENALTY, **BIAS)),
    "VertexAI": ("/publishers/google/models/some-model:generateContent", {"x-goog-api-key": KEY}, gemini()),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_service_gets_exactly_the_request_that_it_documents(server: Server, name: str) -> None:
    path, headers, body = DOCUMENTED[name]
    server.behaviour = answering(protocol(name).answer("ok"))
    llm = made(name, server.url, system_prompt="Be brief.")
    asked = {parameter: value for parameter, value in ASKED.items() if parameter not in llm.refused_parameters}
    llm.run([TURNS], **asked)
    [seen] = server.requests
    assert seen.path == "/v1" + path
    assert seen.json == body
    usual = {"host", "accept", "accept-encoding", "user-agent", "content-length", "content-type"}
    assert {key: value for key, value in seen.headers.items() if key.lower() not in usual} == headers


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        ("required", {"mode": "ANY"}),
        ("none", {"mode": "NONE"}),
        ({"type": "function", "function": {"name": "weather"}}, {"mode": "ANY", "allowedFunctionNames": ["weather"]}),
    ],
)
def test_gemini_is_told_which_tool_to_use(server: Server, choice: Any, config: dict[str, Any]) -> None:
    server.behaviour = answering(protocol("GoogleAIStudio").answer("ok"))
    made("GoogleAIStudio", server.url).run(["Hi"], tools=[TOOL], tool_choice=choice)
    assert server.requests[0].json["toolConfig"] == {"functionCallingConfig": config}


@pytest.mark.parametrize("name", NAMES)
def test_what_a_model_thought_is_kept_beside_its_answer(server: Server, scope: Any, name: str) -> None:
    speaks = protocol(name)
    body = speaks.answer("Höflich.")
    if registry_wire(name) == "openai-chat":
        body["choices"][0]["message"]["reasoning_content"] = "Hm."
    server.behaviour = answering(body)
    llm = made(name, server.url)
    for _ in range(2):  # fresh, and from the ledger
        [answer] = llm.outcomes(["Hi"])
        assert (answer.text, answer.reasoning) == ("Höflich.", "Hm.")
    assert len(server.requests) == 1


def registry_wire(name: str) -> str:
    from datadreamer.llms.providers import registry

    return registry.provider(name).wire_name
