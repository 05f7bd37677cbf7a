"""What each wire's service answers: the JSON of answers, refusals, tool calls and errors, as its documentation has it.

One entry per wire, so that one set of tests runs over all providers. Sources: docs/design/providers.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chat_server import completion

ARGUMENTS = {"city": "Köln"}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@dataclass(frozen=True)
class Protocol:
    """One wire, from the side of the server."""

    answer: Callable[[str], dict[str, Any]]  # a whole answer, of 10 tokens (4 cached) to 5 (2 of them thoughts)
    ended: Callable[[str], dict[str, Any]]  # an answer that ended for this reason, in the service's own word
    tool_call: dict[str, Any]  # an answer that calls `weather` for Köln
    error: Callable[[str], dict[str, Any]]  # the body of an error with this message
    text_of: Callable[[dict[str, Any]], str]  # the prompt in the body of a request
    length: str  # the word for an answer that filled its room
    filtered: str  # the word for one that was withheld
    counts_thoughts: bool = True
    has_id: bool = True  # whether an answer has an id in its body


def _openai_tool_call() -> dict[str, Any]:
    body = completion("", finish_reason="tool_calls")
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Köln"}'}}
    body["choices"][0]["message"] = {"role": "assistant", "content": None, "tool_calls": [call]}
    return body


def message(content: list[dict[str, Any]], stop_reason: str = "end_turn") -> dict[str, Any]:
    """An answer of the Messages API."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "served-model-1",
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 6,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 4,
            "output_tokens": 5,
            "output_tokens_details": {"thinking_tokens": 2},
        },
    }


def generated(parts: list[dict[str, Any]], finish_reason: str = "STOP") -> dict[str, Any]:
    """An answer of generateContent."""
    return {
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": finish_reason, "index": 0}],
        "usageMetadata": {
            "promptTokenCount": 10,
            "cachedContentTokenCount": 4,
            "candidatesTokenCount": 3,
            "thoughtsTokenCount": 2,
            "totalTokenCount": 15,
        },
        "modelVersion": "served-model-1",
        "responseId": "resp_1",
    }


def cohere(content: list[dict[str, Any]], finish_reason: str = "COMPLETE", **more: Any) -> dict[str, Any]:
    """An answer of Cohere's v2 chat."""
    return {
        "id": "c_1",
        "finish_reason": finish_reason,
        "message": {"role": "assistant", "content": content, **more},
        "usage": {
            "billed_units": {"input_tokens": 8, "output_tokens": 5},
            "tokens": {"input_tokens": 10.0, "output_tokens": 5.0},
            "cached_tokens": 4.0,
        },
    }


def converse(content: list[dict[str, Any]], stop_reason: str = "end_turn") -> dict[str, Any]:
    """An answer of Bedrock's Converse."""
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop_reason,
        "usage": {"inputTokens": 6, "outputTokens": 5, "totalTokens": 15, "cacheReadInputTokens": 4},
        "metrics": {"latencyMs": 3},
    }


def response(output: list[dict[str, Any]], reason: str | None = None, **more: Any) -> dict[str, Any]:
    """An answer of the Responses API; `reason`: why it is incomplete."""
    return {
        "id": "resp_1",
        "object": "response",
        "model": "served-model-1",
        "status": "incomplete" if reason else "completed",
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "output": output,
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 15,
        },
        **more,
    }


def output_text(text: str) -> dict[str, Any]:
    """The message among the items of a response."""
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}


def _text(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}]


PROTOCOLS = {
    "openai-chat": Protocol(
        answer=completion,
        ended=lambda reason: completion("half", finish_reason=reason),
        tool_call=_openai_tool_call(),
        error=lambda said: {"error": {"message": said, "type": "some_error"}},
        text_of=lambda body: str(body["messages"][-1]["content"]),
        length="length",
        filtered="content_filter",
    ),
    "openai-responses": Protocol(
        answer=lambda text: response(
            [
                {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
                output_text(text),
            ]
        ),
        ended=lambda reason: response([output_text("half")], reason),
        tool_call=response(
            [
                {
                    "type": "function_call",
                    "id": "fc_1",
                    "call_id": "call_1",
                    "name": "weather",
                    "arguments": '{"city":"Köln"}',
                    "status": "completed",
                }
            ]
        ),
        error=lambda said: {"error": {"message": said, "type": "some_error"}},
        text_of=lambda body: str(body["input"][-1]["content"]),
        length="max_output_tokens",
        filtered="content_filter",
    ),
    "anthropic-messages": Protocol(
        answer=lambda text: message([{"type": "thinking", "thinking": "Hm.", "signature": "s"}, *_text(text)]),
        ended=lambda reason: message(_text("half"), reason),
        tool_call=message(
            [{"type": "tool_use", "id": "call_1", "name": "weather", "input": ARGUMENTS}], stop_reason="tool_use"
        ),
        error=lambda said: {"type": "error", "error": {"type": "some_error", "message": said}, "request_id": "req_1"},
        text_of=lambda body: str(body["messages"][-1]["content"]),
        length="max_tokens",
        filtered="refusal",
    ),
    "gemini": Protocol(
        answer=lambda text: generated([{"text": "Hm.", "thought": True}, {"text": text}]),
        ended=lambda reason: generated([{"text": "half"}], reason),
        tool_call=generated([{"functionCall": {"id": "call_1", "name": "weather", "args": ARGUMENTS}}]),
        error=lambda said: {"error": {"code": 400, "message": said, "status": "SOME_STATUS", "details": []}},
        text_of=lambda body: str(body["contents"][-1]["parts"][0]["text"]),
        length="MAX_TOKENS",
        filtered="SAFETY",
    ),
    "cohere-chat": Protocol(
        answer=lambda text: cohere([{"type": "thinking", "thinking": "Hm."}, *_text(text)]),
        ended=lambda reason: cohere(_text("half"), reason),
        tool_call=cohere(
            [],
            finish_reason="TOOL_CALL",
            tool_calls=[
                {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Köln"}'}}
            ],
        ),
        error=lambda said: {"id": "e_1", "message": said},
        text_of=lambda body: str(body["messages"][-1]["content"]),
        length="MAX_TOKENS",
        filtered="ERROR_TOXIC",
        counts_thoughts=False,
    ),
    "bedrock-converse": Protocol(
        answer=lambda text: converse([{"reasoningContent": {"reasoningText": {"text": "Hm."}}}, {"text": text}]),
        ended=lambda reason: converse([{"text": "half"}], reason),
        tool_call=converse(
            [{"toolUse": {"toolUseId": "call_1", "name": "weather", "input": ARGUMENTS}}], stop_reason="tool_use"
        ),
        error=lambda said: {"message": said},
        text_of=lambda body: str(body["messages"][-1]["content"][0]["text"]),
        length="max_tokens",
        filtered="content_filtered",
        counts_thoughts=False,
        has_id=False,
    ),
}
