"""The Converse format of Amazon Bedrock: request to JSON, JSON to generation. Sources: `docs/design/providers.md`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ...errors import BadRequestError, InvalidArgumentError, TransientModelError
from ..types import Generation, Request, Usage
from . import contents
from .base import Wire
from .transport import Reply

_encode = msgspec.json.Encoder().encode
_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
_BROKEN = frozenset({"malformed_model_output", "malformed_tool_use"})
#: parameters of a call, by what the API calls them
EXTRA = {
    "additional_model_request_fields": "additionalModelRequestFields",
    "guardrail_config": "guardrailConfig",
    "performance_config": "performanceConfig",
    "request_metadata": "requestMetadata",
}


class _ToolUse(msgspec.Struct, rename="camel"):
    tool_use_id: str = ""
    name: str = ""
    input: Any = None


class _ReasoningText(msgspec.Struct):
    text: str = ""


class _Reasoning(msgspec.Struct, rename="camel"):
    reasoning_text: _ReasoningText | None = None


class _Block(msgspec.Struct, rename="camel"):
    text: str = ""
    reasoning_content: _Reasoning | None = None
    tool_use: _ToolUse | None = None


class _Message(msgspec.Struct):
    content: list[_Block]


class _Output(msgspec.Struct):
    message: _Message


class _Usage(msgspec.Struct, rename="camel"):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None


class _Response(msgspec.Struct, rename="camel"):
    output: _Output
    stop_reason: str | None = None
    usage: _Usage | None = None


_decode = msgspec.json.Decoder(_Response).decode


class BedrockConverse(Wire):
    """One model behind `/model/…/converse`. `plain_at_1`: a temperature of 1 is the model's own, and is not sent."""

    answer_name = "an answer of Converse"
    transient = Wire.transient | {424}  # the model failed behind the service

    def __init__(self, *arguments: Any, plain_at_1: bool = False, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.plain_at_1 = plain_at_1

    # --- request to JSON --------------------------------------------------------------------------------------------

    def encode(self, request: Request) -> bytes:
        body: dict[str, Any] = {"messages": _messages(request.messages)}
        if request.system is not None:
            body["system"] = [{"text": request.system}]
        plain = self.plain_at_1 and request.temperature == 1.0
        asked = (
            ("maxTokens", request.max_new_tokens),
            ("temperature", None if plain else request.temperature),
            ("topP", request.top_p),
            ("stopSequences", request.stop),
        )
        config = {name: value for name, value in asked if value is not None}
        if config:
            body["inferenceConfig"] = config
        extra = dict(request.extra or {})
        more = extra.pop("extra_body", None)
        if request.tools is not None:
            body["toolConfig"] = {"tools": [_tool(tool) for tool in request.tools]}
        if "tool_choice" in extra:
            body.setdefault("toolConfig", {})["toolChoice"] = _tool_choice(extra["tool_choice"])
        if request.response_format is not None and request.response_format["type"] != "text":
            body["outputConfig"] = _format(request.response_format)
        body.update({EXTRA[name]: value for name, value in extra.items() if name in EXTRA})
        if more:
            body.update(more)
        return _encode(body)

    # --- JSON to generation -----------------------------------------------------------------------------------------

    def decode(self, reply: Reply) -> Generation:
        response = self.read(reply, _decode)
        reason = response.stop_reason
        if reason is None or reason in _BROKEN:
            raise TransientModelError(f"{self.url} broke off its answer ({reason}).")
        blocks = response.output.message.content
        calls = [
            contents.tool_call(use.tool_use_id, use.name, use.input)
            for block in blocks
            if (use := block.tool_use) is not None
        ]
        request_id = reply.headers.get("x-amzn-RequestId")
        return Generation(
            text="".join(block.text for block in blocks),
            finish_reason=_FINISH.get(reason, reason),
            usage=_usage(response.usage),
            request_id=request_id,
            response=reply.body,
            tool_calls=tuple(calls) or None,
            reasoning="\n\n".join(_thoughts(blocks)) or None,
        )


def _messages(messages: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for message in messages:
        role = message["role"]
        if role == "tool":
            result = {"toolUseId": message.get("tool_call_id"), "content": _blocks(message.get("content"))}
            _append(turns, "user", [{"toolResult": result}])
        elif role in ("user", "assistant"):
            blocks = _blocks(message.get("content")) if message.get("content") else []
            for call in message.get("tool_calls") or ():
                name, values = contents.arguments(call)
                blocks.append({"toolUse": {"toolUseId": call.get("id"), "name": name, "input": values}})
            _append(turns, role, blocks)
        else:
            raise BadRequestError(
                f"A message has the role '{role}'. Converse takes 'user', 'assistant' and 'tool', and one system "
                "prompt: the first message, or Chat(messages, system=…)."
            )
    return turns


def _append(turns: list[dict[str, Any]], role: str, blocks: list[Any]) -> None:
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"].extend(blocks)  # turns alternate
    else:
        turns.append({"role": role, "content": blocks})


def _blocks(content: Any) -> list[Any]:
    if content is None or isinstance(content, str):
        return [{"text": content or ""}]
    return [_block(part) for part in content]


def _block(part: Mapping[str, Any]) -> Any:
    if part.get("type") == "text":
        return {"text": part.get("text", "")}
    found = contents.picture(part)
    if found is None:
        return part  # as the API has it
    kind, data, url = found
    if url:
        raise BadRequestError(f"Converse takes pictures as data, not by address: {url!r:.80}. Use a data: URL.")
    return {"image": {"format": kind.removeprefix("image/"), "source": {"bytes": data}}}


def _tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    function = contents.function_of(tool)
    if function is None:
        return tool
    schema = {"json": function.get("parameters") or {"type": "object", "properties": {}}}
    more = {name: function[name] for name in ("description", "strict") if name in function}
    return {"toolSpec": {"name": function["name"], "inputSchema": schema, **more}}


def _tool_choice(choice: Any) -> Any:
    if isinstance(choice, str):
        if choice not in ("auto", "required"):
            raise InvalidArgumentError(f"Converse has the tool choices 'auto' and 'required', not {choice!r}.")
        return {"auto" if choice == "auto" else "any": {}}
    function = contents.function_of(choice)
    return {"tool": {"name": function["name"]}} if function else choice


def _format(wanted: Mapping[str, Any]) -> dict[str, Any]:
    if wanted["type"] != "json_schema":
        raise InvalidArgumentError(
            f"Converse takes a JSON Schema as response_format, not {dict(wanted)!r}. Give a schema, or a class."
        )
    schema = {"schema": msgspec.json.encode(wanted["schema"]).decode(), "name": wanted["name"]}
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}


def _thoughts(blocks: list[_Block]) -> list[str]:
    found = (block.reasoning_content.reasoning_text for block in blocks if block.reasoning_content)
    return [thought.text for thought in found if thought and thought.text]


def _usage(usage: _Usage | None) -> Usage:
    if usage is None:
        return Usage()
    cached = usage.cache_read_input_tokens or 0
    return Usage(
        input_tokens=(usage.input_tokens or 0) + cached + (usage.cache_write_input_tokens or 0),
        output_tokens=usage.output_tokens or 0,
        cached_tokens=cached,
    )
