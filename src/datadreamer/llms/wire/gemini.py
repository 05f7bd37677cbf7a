"""The generateContent format: request to JSON, JSON to generation. Facts and sources: `docs/design/providers.md`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ...errors import BadRequestError, ContentFilterError, TransientModelError
from ..types import Generation, Request, Usage
from . import contents
from .base import Wire
from .headers import duration
from .transport import Reply

_encode = msgspec.json.Encoder().encode
_FINISH = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(
        (
            "SAFETY",
            "RECITATION",
            "BLOCKLIST",
            "PROHIBITED_CONTENT",
            "SPII",
            "LANGUAGE",
            "ESCALATION",
            "MODEL_ARMOR",
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION",
        ),
        "content_filter",
    ),
}
_TOOL_CHOICES = {"auto": "AUTO", "required": "ANY", "none": "NONE"}
_BROKEN = frozenset({"MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "OTHER"})
#: parameters of a call, by what the API calls them inside `generationConfig` and beside it
GENERATION_CONFIG = {
    "top_k": "topK",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
    "thinking_config": "thinkingConfig",
}
BESIDE = {
    "safety_settings": "safetySettings",
    "tool_config": "toolConfig",
    "cached_content": "cachedContent",
    "service_tier": "serviceTier",
}


class _Call(msgspec.Struct):
    name: str = ""
    id: str | None = None
    args: Any = None


class _Part(msgspec.Struct, rename="camel"):
    text: str = ""
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: _Call | None = None


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    logprobs_result: Any = None
    finish_reason: str | None = None
    finish_message: str | None = None


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None


class _Response(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: _Usage | None = None
    model_version: str | None = None
    response_id: str | None = None


_decode = msgspec.json.Decoder(_Response).decode


class Gemini(Wire):
    """One model behind `…:generateContent`."""

    answer_name = "a generated content"
    wrong_key = frozenset({"API_KEY_INVALID"})  # comes with status 400
    out_of_credit = frozenset({"PER_DAY"})

    # --- request to JSON --------------------------------------------------------------------------------------------

    def encode(self, request: Request) -> bytes:
        body: dict[str, Any] = {"contents": _contents(request.messages)}
        if request.system is not None:
            body["systemInstruction"] = {"parts": [{"text": request.system}]}
        if request.tools is not None:
            body["tools"] = _tools(request.tools)
        extra = dict(request.extra or {})
        more = extra.pop("extra_body", None)
        config: dict[str, Any] = {}
        for name, value in (
            ("maxOutputTokens", request.max_new_tokens),
            ("temperature", request.temperature),
            ("topP", request.top_p),
            ("stopSequences", request.stop),
            ("seed", request.seed),
            *((GENERATION_CONFIG[name], extra[name]) for name in extra if name in GENERATION_CONFIG),
        ):
            if value is not None:
                config[name] = value
        if request.response_format is not None and request.response_format["type"] != "text":
            config["responseMimeType"] = "application/json"
            if request.response_format["type"] == "json_schema":
                config["responseJsonSchema"] = request.response_format["schema"]
        body["generationConfig"] = config
        if "tool_choice" in extra:
            body["toolConfig"] = _tool_config(extra["tool_choice"])
        body.update({BESIDE[name]: value for name, value in extra.items() if name in BESIDE})
        if more:
            body.update(more)
        return _encode(body)

    # --- JSON to generation -----------------------------------------------------------------------------------------

    def decode(self, reply: Reply) -> Generation:
        response = self.read(reply, _decode)
        if not response.candidates:
            blocked = response.prompt_feedback.block_reason if response.prompt_feedback else None
            if blocked:
                raise ContentFilterError(f"{self.url} withheld an answer because of the prompt ({blocked}).")
            raise TransientModelError(f"{self.url} answered without any candidate: {self.quote(reply.body)!r}")
        candidate = response.candidates[0]
        reason = candidate.finish_reason
        if reason is None or reason in _BROKEN:
            raise TransientModelError(
                f"{self.url} broke off its answer ({reason}): {candidate.finish_message or 'without a reason'}"
            )
        parts = (candidate.content.parts if candidate.content else None) or []
        calls = [_tool_call(part) for part in parts if part.function_call is not None]
        finish = _FINISH.get(reason, reason.lower())
        return Generation(
            text="".join(part.text for part in parts if not part.thought),
            finish_reason="tool_calls" if calls and finish == "stop" else finish,
            usage=_usage(response.usage_metadata),
            model=response.model_version,
            response_id=response.response_id,
            response=reply.body,
            tool_calls=tuple(calls) or None,
            reasoning="".join(part.text for part in parts if part.thought) or None,
            logprobs=_logprobs(candidate.logprobs_result),
        )

    # --- what goes wrong --------------------------------------------------------------------------------------------

    def code(self, error: dict[str, Any]) -> Any:
        for detail in _details(error):
            if detail.get("reason") == "API_KEY_INVALID":
                return "API_KEY_INVALID"
            if any("PerDay" in str(one.get("quotaId")) for one in detail.get("violations") or ()):
                return "PER_DAY"
        return error.get("status")

    def pause(self, reply: Reply) -> float | None:
        named = super().pause(reply)
        if named is not None:
            return named
        try:
            error = msgspec.json.decode(reply.body)["error"]
        except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError):
            return None
        waits = [duration(str(detail["retryDelay"])) for detail in _details(error) if "retryDelay" in detail]
        return waits[0] if waits else None


def _details(error: Any) -> list[dict[str, Any]]:
    details = error.get("details") if isinstance(error, dict) else None
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def _contents(messages: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    names: dict[Any, str] = {}  # of the functions that were called, by the id of the call
    for message in messages:
        role = message["role"]
        if role == "tool":
            _append(turns, "user", [_function_response(message, names)])
        elif role == "user":
            _append(turns, "user", _parts(message.get("content")))
        elif role == "assistant":
            parts = _parts(message.get("content")) if message.get("content") else []
            for call in message.get("tool_calls") or ():
                name, values = contents.arguments(call)
                names[call.get("id")] = name
                parts.append(_function_call(call, name, values))
            _append(turns, "model", parts)
        else:
            raise BadRequestError(
                f"A message has the role '{role}'. Gemini takes 'user', 'assistant' and 'tool', and one system prompt: "
                "the first message, or Chat(messages, system=…)."
            )
    return turns


def _append(turns: list[dict[str, Any]], role: str, parts: list[Any]) -> None:
    if turns and turns[-1]["role"] == role:
        turns[-1]["parts"].extend(parts)  # turns alternate
    else:
        turns.append({"role": role, "parts": parts})


def _parts(content: Any) -> list[Any]:
    if content is None or isinstance(content, str):
        return [{"text": content or ""}]
    return [_part(part) for part in content]


def _part(part: Mapping[str, Any]) -> Any:
    if part.get("type") == "text":
        return {"text": part.get("text", "")}
    found = contents.picture(part)
    if found is None:
        return part  # as the API has it
    kind, data, url = found
    return {"fileData": {"fileUri": url}} if url else {"inlineData": {"mimeType": kind, "data": data}}


def _function_call(call: Mapping[str, Any], name: str, values: Any) -> dict[str, Any]:
    part: dict[str, Any] = {"functionCall": {**_id(call.get("id"), name), "name": name, "args": values}}
    signature = ((call.get("extra_content") or {}).get("google") or {}).get("thought_signature")
    return {**part, "thoughtSignature": signature} if signature else part


def _function_response(message: Mapping[str, Any], names: Mapping[Any, str]) -> dict[str, Any]:
    call = message.get("tool_call_id")
    name = message.get("name") or names.get(call)
    if name is None:
        raise BadRequestError(f"A 'tool' message answers the call {call!r}, which no earlier message has made.")
    text = contents.as_text(message.get("content"))
    try:
        value = msgspec.json.decode(text)
    except msgspec.MsgspecError:
        value = text
    response = value if isinstance(value, dict) else {"result": value}
    return {"functionResponse": {**_id(call, name), "name": name, "response": response}}


def _id(id: Any, name: str) -> dict[str, Any]:
    return {} if id in (None, name) else {"id": id}  # a call that came without an id goes by its name


def _tools(tools: tuple[dict[str, Any], ...]) -> list[Any]:
    functions = [function for tool in tools if (function := contents.function_of(tool)) is not None]
    others: list[Any] = [tool for tool in tools if contents.function_of(tool) is None]
    if not functions:
        return others
    declared = [
        {
            "name": function["name"],
            **({"description": function["description"]} if "description" in function else {}),
            **({"parametersJsonSchema": function["parameters"]} if function.get("parameters") else {}),
        }
        for function in functions
    ]
    return [{"functionDeclarations": declared}, *others]


def _tool_config(choice: Any) -> Any:
    if isinstance(choice, str):
        return {"functionCallingConfig": {"mode": _TOOL_CHOICES.get(choice, choice)}}
    function = contents.function_of(choice)
    if function is None:
        return choice  # as the API has it
    return {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [function["name"]]}}


def _tool_call(part: _Part) -> dict[str, Any]:
    assert part.function_call is not None
    made = contents.tool_call(part.function_call.id, part.function_call.name, part.function_call.args)
    if part.thought_signature:  # wanted back with the call, and kept where Google's own OpenAI format keeps it
        made["extra_content"] = {"google": {"thought_signature": part.thought_signature}}
    return made


def _logprobs(given: Any) -> tuple[dict[str, Any], ...] | None:
    """In the form of chat completions."""
    chosen = given.get("chosenCandidates") if isinstance(given, dict) else None
    if not chosen:
        return None
    tops = given.get("topCandidates") or [{}] * len(chosen)
    return tuple(
        {**_token(one), "top_logprobs": [_token(other) for other in top.get("candidates") or ()]}
        for one, top in zip(chosen, tops, strict=False)
    )


def _token(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"token": one.get("token"), "logprob": one.get("logProbability")}


def _usage(usage: _Usage | None) -> Usage:
    if usage is None:
        return Usage()
    thoughts = usage.thoughts_token_count or 0
    return Usage(
        input_tokens=(usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0),
        output_tokens=(usage.candidates_token_count or 0) + thoughts,
        cached_tokens=usage.cached_content_token_count or 0,
        reasoning_tokens=thoughts,
    )
