"""The Messages API: request to JSON, JSON to generation. Facts and their sources: `docs/design/providers.md`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

import msgspec

from ...errors import BadRequestError, InvalidArgumentError, ModelError, PermanentModelError, TransientModelError
from ..types import Generation, Request, Usage
from . import contents
from .base import Wire
from .streams import whole_message
from .transport import Reply

_encode = msgspec.json.Encoder().encode
_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_TOOL_CHOICES = {"auto": "auto", "required": "any", "none": "none"}
_ALLOWANCES = ("requests", "tokens", "input-tokens", "output-tokens")


class _Details(msgspec.Struct):
    thinking_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens_details: _Details | None = None


class _Block(msgspec.Struct):
    type: str
    text: str = ""
    thinking: str = ""
    id: str | None = None
    name: str = ""
    input: Any = None


class _Message(msgspec.Struct):
    content: list[_Block]
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None


_decode = msgspec.json.Decoder(_Message).decode


class AnthropicMessages(Wire):
    """One model behind `/v1/messages`.

    `max_tokens` is sent when a request has no `max_new_tokens`, because the API demands one. `samples`: whether this
    version of the API takes temperature and top_p. `stream`: whether answers are received in pieces.
    """

    answer_name = "a message"
    statuses: ClassVar[Mapping[str, int]] = {
        "invalid_request_error": 400,
        "authentication_error": 401,
        "billing_error": 402,
        "permission_error": 403,
        "not_found_error": 404,
        "request_too_large": 413,
        "rate_limit_error": 429,
        "api_error": 500,
        "timeout_error": 504,
        "overloaded_error": 529,
    }
    out_of_credit = frozenset({"billing_error", "enforced_spend_limit_reached", "contract_spend_limit_reached"})

    def __init__(
        self, *arguments: Any, max_tokens: int, samples: bool = False, stream: bool = False, **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self.stream = stream
        self.max_tokens = max_tokens
        self.samples = samples

    # --- request to JSON --------------------------------------------------------------------------------------------

    def encode(self, request: Request) -> bytes:
        body: dict[str, Any] = {
            "model": self.model,
            "max_tokens": request.max_new_tokens or self.max_tokens,
            "messages": _messages(request.messages),
        }
        if request.system is not None:
            body["system"] = request.system
        if self.samples and request.temperature not in (None, 1.0):  # 1 is the default, and refused by new models
            body["temperature"] = request.temperature
        if self.samples and request.top_p is not None:
            body["top_p"] = request.top_p
        if request.stop is not None:
            body["stop_sequences"] = request.stop
        if request.tools is not None:
            body["tools"] = [_tool(tool) for tool in request.tools]
        extra = dict(request.extra or {})
        more = extra.pop("extra_body", None)
        if "tool_choice" in extra:
            extra["tool_choice"] = _tool_choice(extra["tool_choice"])
        body.update(extra)
        if request.response_format is not None and request.response_format["type"] != "text":
            body["output_config"] = {**extra.get("output_config", {}), "format": _format(request.response_format)}
        if self.stream:
            body["stream"] = True
        if more:
            body.update(more)
        return _encode(body)

    # --- JSON to generation -----------------------------------------------------------------------------------------

    def decode(self, reply: Reply) -> Generation:
        if self.stream:
            reply = self.whole(reply, whole_message)
        message = self.read(reply, _decode)
        calls = [
            contents.tool_call(block.id, block.name, block.input)
            for block in message.content
            if block.type == "tool_use"
        ]
        text = "".join(block.text for block in message.content if block.type == "text")
        if message.stop_reason is None:
            raise TransientModelError(f"{self.url} broke off its answer: {self.quote(reply.body)!r}")
        return Generation(
            text=text,
            finish_reason=_FINISH.get(message.stop_reason, message.stop_reason),
            usage=_usage(message.usage),
            model=message.model,
            response_id=message.id,
            request_id=reply.headers.get("request-id"),
            response=reply.body,
            tool_calls=tuple(calls) or None,
            reasoning="\n\n".join(block.thinking for block in message.content if block.thinking) or None,
            wait=_requested_pause(reply.headers),
        )

    # --- what goes wrong --------------------------------------------------------------------------------------------

    def code(self, error: dict[str, Any]) -> Any:
        details = error.get("details")
        precise = details.get("error_code") if isinstance(details, dict) else None
        return precise or error.get("type")

    def error(self, reply: Reply) -> ModelError:
        error = super().error(reply)
        if isinstance(error, BadRequestError) and "credit balance is too low" in str(error):
            return PermanentModelError(f"{error}. The key that was used: {self.key_name}.")
        return error


def _messages(messages: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for message in messages:
        role, content = message["role"], message.get("content")
        if role == "tool":
            result = {"type": "tool_result", "tool_use_id": message.get("tool_call_id"), "content": _content(content)}
            if turns and turns[-1]["role"] == "user" and isinstance(turns[-1]["content"], list):
                turns[-1]["content"].append(result)  # the results of one turn belong into one message
            else:
                turns.append({"role": "user", "content": [result]})
        elif role in ("user", "assistant"):
            turns.append({"role": role, "content": _turn(message)})
        else:
            raise BadRequestError(
                f"A message has the role '{role}'. The Messages API takes 'user', 'assistant' and 'tool', and one "
                "system prompt: the first message, or Chat(messages, system=…)."
            )
    return turns


def _turn(message: Mapping[str, Any]) -> Any:
    content = _content(message.get("content"))
    calls = message.get("tool_calls")
    if not calls:
        return content
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) and content else list(content or ())
    for call in calls:
        name, values = contents.arguments(call)
        blocks.append({"type": "tool_use", "id": call.get("id"), "name": name, "input": values})
    return blocks


def _content(content: Any) -> Any:
    if content is None or isinstance(content, str):
        return content or ""
    return [_part(part) for part in content]


def _part(part: Mapping[str, Any]) -> Any:
    found = contents.picture(part)
    if found is None:
        return part
    kind, data, url = found
    source = {"type": "url", "url": url} if url else {"type": "base64", "media_type": kind, "data": data}
    return {"type": "image", "source": source}


def _tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    function = contents.function_of(tool)
    if function is None:
        return tool
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    more = {name: function[name] for name in ("description", "strict") if name in function}
    return {"name": function["name"], "input_schema": schema, **more}


def _tool_choice(choice: Any) -> Any:
    if isinstance(choice, str):
        return {"type": _TOOL_CHOICES.get(choice, choice)}
    function = contents.function_of(choice)
    return {"type": "tool", "name": function["name"]} if function else choice


def _format(wanted: Mapping[str, Any]) -> dict[str, Any]:
    if wanted["type"] != "json_schema":
        raise InvalidArgumentError(
            f"The Messages API takes a JSON Schema as response_format, not {dict(wanted)!r}. Give a schema, or a class."
        )
    return {"type": "json_schema", "schema": wanted["schema"]}


def _usage(usage: _Usage | None) -> Usage:
    if usage is None:
        return Usage()
    cached = usage.cache_read_input_tokens or 0
    details = usage.output_tokens_details
    return Usage(
        input_tokens=(usage.input_tokens or 0) + cached + (usage.cache_creation_input_tokens or 0),
        output_tokens=usage.output_tokens or 0,
        cached_tokens=cached,
        reasoning_tokens=(details.thinking_tokens or 0) if details else 0,
    )


def _requested_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds until a fiftieth of a used-up allowance is back: it refills steadily, and is whole at the time named."""
    longest: float | None = None
    for what in _ALLOWANCES:
        if headers.get(f"anthropic-ratelimit-{what}-remaining") == "0":
            whole = headers.get(f"anthropic-ratelimit-{what}-reset", "")
            try:
                wait = datetime.fromisoformat(whole).timestamp() - time.time()
            except ValueError:
                continue
            longest = max(longest or 0.0, 0.02 * wait)
    return longest
