"""The Responses API: request to JSON, JSON to generation. Facts and their sources: `docs/design/providers.md`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ...errors import ContentFilterError, ModelError, TransientModelError
from ..types import Generation, Request, Usage
from . import contents
from .base import Wire
from .headers import requested_pause
from .openai_chat import OpenAIChat, closed
from .transport import Reply

_encode = msgspec.json.Encoder().encode
_ENDS = {"max_output_tokens": "length", "content_filter": "content_filter"}
_STATUS = {"server_error": 500, "rate_limit_exceeded": 429, "vector_store_timeout": 504}  # of an answer that failed
_POLICIES = frozenset({"bio_policy", "cyber_policy", "misalignment_policy_violation"})


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class _Part(msgspec.Struct):
    type: str
    text: str = ""
    refusal: str = ""
    logprobs: list[dict[str, Any]] | None = None


class _Item(msgspec.Struct):
    type: str
    content: list[_Part] | None = None
    summary: list[_Part] | None = None
    call_id: str | None = None
    name: str = ""
    arguments: str = ""


class _Incomplete(msgspec.Struct):
    reason: str | None = None


class _Response(msgspec.Struct):
    output: list[_Item] | None = None
    id: str | None = None
    model: str | None = None
    status: str | None = None
    error: dict[str, Any] | None = None
    incomplete_details: _Incomplete | None = None
    usage: _Usage | None = None


_decode = msgspec.json.Decoder(_Response).decode


class OpenAIResponses(Wire):
    """One model behind `/responses`. `leave_out`: parameters that are not sent when they have their neutral value."""

    answer_name = "a response"
    filtered = OpenAIChat.filtered | _POLICIES
    out_of_credit = OpenAIChat.out_of_credit
    transient = OpenAIChat.transient

    def __init__(self, *arguments: Any, leave_out: frozenset[str] = frozenset(), **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.leave_out = leave_out

    # --- request to JSON --------------------------------------------------------------------------------------------

    def encode(self, request: Request) -> bytes:
        body: dict[str, Any] = {"model": self.model, "input": _items(request.messages)}
        if request.system is not None:
            body["instructions"] = request.system
        for name, value in (
            ("max_output_tokens", request.max_new_tokens),
            ("temperature", request.temperature),
            ("top_p", request.top_p),
        ):
            if value is not None and name not in self.leave_out:
                body[name] = value
        if request.tools is not None:
            body["tools"] = [_tool(tool) for tool in request.tools]
        extra = dict(request.extra or {})
        more = extra.pop("extra_body", None)
        _rename(extra)
        body["store"] = False  # else the service keeps every question and answer, which chats are not
        body.update(extra)
        if request.response_format is not None:
            body["text"] = {**extra.get("text", {}), "format": _format(request.response_format)}
        if more:
            body.update(more)
        return _encode(body)

    # --- JSON to generation -----------------------------------------------------------------------------------------

    def decode(self, reply: Reply) -> Generation:
        response = self.read(reply, _decode)
        if response.error is not None or response.status in ("failed", "cancelled"):
            raise self._failed(response, reply)
        if response.output is None or response.status not in (None, "completed", "incomplete"):
            raise TransientModelError(
                f"{self.url} broke off its answer ({response.status}): {self.quote(reply.body)!r}"
            )
        return self._generation(response, response.output, reply)

    def _generation(self, response: _Response, items: list[_Item], reply: Reply) -> Generation:
        parts = [part for item in items if item.type == "message" for part in item.content or ()]
        calls = tuple(_call(item) for item in items if item.type == "function_call")
        text = "".join(part.text for part in parts if part.type == "output_text")
        refusal = "".join(part.refusal for part in parts if part.type == "refusal")
        finish = "tool_calls" if calls else "stop"
        if response.status == "incomplete":
            reason = response.incomplete_details.reason if response.incomplete_details else None
            finish = _ENDS.get(reason or "", reason or "length")
        elif refusal and not text:
            text, finish = refusal, "refusal"
        return Generation(
            text=text,
            finish_reason=finish,
            usage=_usage(response.usage),
            model=response.model,
            response_id=response.id,
            request_id=reply.headers.get("x-request-id"),
            response=reply.body,
            tool_calls=calls or None,
            reasoning=_reasoning(items),
            logprobs=tuple(entry for part in parts for entry in part.logprobs or ()) or None,
            wait=requested_pause(reply.headers),
        )

    def _failed(self, response: _Response, reply: Reply) -> ModelError:
        """What an answer with status 200 means whose making failed."""
        code = str((response.error or {}).get("code", ""))
        if code in _POLICIES:
            return ContentFilterError(f"{self.url} withheld the answer: {self.said(reply)[1]}")
        return self.error(Reply(_STATUS.get(code, 400 if code else 500), reply.headers, reply.body))


def _items(messages: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    for message in messages:
        role, content = message["role"], message.get("content")
        if role == "tool":
            output = contents.as_text(content)
            items.append({"type": "function_call_output", "call_id": message.get("tool_call_id"), "output": output})
            continue
        if content:
            items.append({"role": role, "content": _content(role, content)})
        for call in message.get("tool_calls") or ():
            function = call.get("function") or {}
            items.append(
                {
                    "type": "function_call",
                    "call_id": call.get("id"),
                    "name": function.get("name"),
                    "arguments": function.get("arguments") or "{}",
                }
            )
    return items


def _content(role: str, content: Any) -> Any:
    return content if isinstance(content, str) else [_part(role, part) for part in content]


def _part(role: str, part: Mapping[str, Any]) -> Mapping[str, Any]:
    if part.get("type") == "text":
        return {"type": "output_text" if role == "assistant" else "input_text", "text": part.get("text", "")}
    if part.get("type") == "image_url":
        given = part.get("image_url")
        url, detail = (given.get("url"), given.get("detail")) if isinstance(given, Mapping) else (given, None)
        return {"type": "input_image", "image_url": url, "detail": detail or "auto"}
    return part


def _tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    function = contents.function_of(tool)
    return tool if function is None else {"type": "function", **function}


def _rename(extra: dict[str, Any]) -> None:
    """Parameters that chats have under another name."""
    if "reasoning_effort" in extra:
        extra["reasoning"] = {**extra.get("reasoning", {}), "effort": extra.pop("reasoning_effort")}
    if "verbosity" in extra:
        extra["text"] = {**extra.get("text", {}), "verbosity": extra.pop("verbosity")}
    if extra.pop("logprobs", None) or "top_logprobs" in extra:
        extra["include"] = [*extra.get("include", ()), "message.output_text.logprobs"]
    choice = extra.get("tool_choice")
    if isinstance(choice, Mapping) and (function := contents.function_of(choice)):
        extra["tool_choice"] = {"type": "function", "name": function["name"]}


def _format(wanted: Mapping[str, Any]) -> dict[str, Any]:
    if wanted["type"] != "json_schema":
        return dict(wanted)
    schema = {"type": "json_schema", "name": wanted["name"], "schema": wanted["schema"]}
    return {**schema, "strict": closed(wanted["schema"])}  # strict unless it is said, whatever the schema


def _call(item: _Item) -> dict[str, Any]:
    function = {"name": item.name, "arguments": item.arguments or "{}"}
    return {"id": item.call_id or item.name, "type": "function", "function": function}


def _reasoning(items: list[_Item]) -> str | None:
    thoughts = [item for item in items if item.type == "reasoning"]
    texts = [part.text for item in thoughts for part in [*(item.summary or ()), *(item.content or ())]]
    return "\n\n".join(text for text in texts if text) or None


def _usage(usage: _Usage | None) -> Usage:
    if usage is None:
        return Usage()
    given, made = usage.input_tokens_details, usage.output_tokens_details
    return Usage(
        input_tokens=usage.input_tokens or 0,
        output_tokens=usage.output_tokens or 0,
        cached_tokens=(given.cached_tokens or 0) if given else 0,
        reasoning_tokens=(made.reasoning_tokens or 0) if made else 0,
    )
