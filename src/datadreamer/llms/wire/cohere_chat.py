"""The v2 chat format of Cohere: request to JSON, JSON to generation. Facts and sources: `docs/design/providers.md`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ...errors import ModelError, PermanentModelError, RateLimitError, TransientModelError
from ..types import Generation, Request, Usage
from .base import Wire
from .transport import Reply

_encode = msgspec.json.Encoder().encode
_FINISH = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "content_filter",
}
_BROKEN = frozenset({"ERROR", "TIMEOUT"})
_LARGEST_P = 0.99  # p=1 is refused
_TOOL_CHOICES = {"required": "REQUIRED", "none": "NONE"}


class _Part(msgspec.Struct):
    type: str = "text"
    text: str = ""
    thinking: str = ""


class _Message(msgspec.Struct):
    content: list[_Part] | str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class _Tokens(msgspec.Struct):
    input_tokens: float | None = None
    output_tokens: float | None = None


class _Usage(msgspec.Struct):
    tokens: _Tokens | None = None
    billed_units: _Tokens | None = None
    cached_tokens: float | None = None


class _Answer(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None
    id: str | None = None
    usage: _Usage | None = None


_decode = msgspec.json.Decoder(_Answer).decode


class CohereChat(Wire):
    """One model behind `/v2/chat`."""

    answer_name = "a chat answer"

    # --- request to JSON --------------------------------------------------------------------------------------------

    def encode(self, request: Request) -> bytes:
        messages: list[Any] = list(request.messages)
        if request.system is not None:
            messages.insert(0, {"role": "system", "content": request.system})
        body: dict[str, Any] = {"model": self.model, "messages": messages}
        for name, value in (
            ("max_tokens", request.max_new_tokens),
            ("temperature", request.temperature),
            ("p", None if request.top_p is None else min(request.top_p, _LARGEST_P)),
            ("stop_sequences", request.stop),
            ("seed", request.seed),
            ("tools", request.tools),
        ):
            if value is not None:
                body[name] = value
        if request.response_format is not None:
            body["response_format"] = _format(request.response_format)
        extra = dict(request.extra or {})
        more = extra.pop("extra_body", None)
        if extra.get("tool_choice") == "auto":  # has no word of its own there
            del extra["tool_choice"]
        elif isinstance(extra.get("tool_choice"), str):
            extra["tool_choice"] = _TOOL_CHOICES.get(extra["tool_choice"], extra["tool_choice"])
        body.update(extra)
        if more:
            body.update(more)
        return _encode(body)

    # --- JSON to generation -----------------------------------------------------------------------------------------

    def decode(self, reply: Reply) -> Generation:
        answer = self.read(reply, _decode)
        reason = answer.finish_reason
        if reason is None or reason in _BROKEN:
            raise TransientModelError(f"{self.url} broke off its answer ({reason}).")
        calls = answer.message.tool_calls
        return Generation(
            text=_text(answer.message.content),
            finish_reason=_FINISH.get(reason, reason.lower()),
            usage=_usage(answer.usage),
            response_id=answer.id,
            response=reply.body,
            tool_calls=tuple(calls) if calls else None,
            reasoning=_reasoning(answer.message.content),
        )

    # --- what goes wrong --------------------------------------------------------------------------------------------

    def error(self, reply: Reply) -> ModelError:
        error = super().error(reply)
        if isinstance(error, RateLimitError) and "/ month" in str(error):  # no pause of minutes brings it back
            return PermanentModelError(f"{error}. The key that was used: {self.key_name}.")
        return error


def _format(wanted: Mapping[str, Any]) -> dict[str, Any]:
    if wanted["type"] != "json_schema":
        return dict(wanted)
    return {"type": "json_object", "json_schema": wanted["schema"]}


def _text(content: list[_Part] | str | None) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.text for part in content or () if part.type == "text")


def _reasoning(content: list[_Part] | str | None) -> str | None:
    return None if isinstance(content, str) else "".join(part.thinking for part in content or ()) or None


def _usage(usage: _Usage | None) -> Usage:
    counted = (usage.tokens or usage.billed_units) if usage else None
    if usage is None or counted is None:
        return Usage()
    return Usage(
        input_tokens=int(counted.input_tokens or 0),
        output_tokens=int(counted.output_tokens or 0),
        cached_tokens=int(usage.cached_tokens or 0),
    )
