"""The chat completions format: request to JSON, JSON to generation, status to error. Neither waits nor asks again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from ...errors import InvalidArgumentError, TransientModelError
from ..types import Generation, Request, Usage
from .base import Wire
from .headers import requested_pause
from .streams import chat_completion
from .transport import Reply

_encode = msgspec.json.Encoder().encode

# What servers call the ends of an answer, where the word is not the usual one.
FINISH = {
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_length": "length",
    "function_call": "tool_calls",
}
# Ends that are no answer: asking again may bring one.
_BROKEN = frozenset({"error", "insufficient_system_resource"})


class _Message(msgspec.Struct):
    content: Any = None
    refusal: str | None = None
    reasoning_content: Any = None  # most servers that think
    reasoning: Any = None  # some others
    tool_calls: list[dict[str, Any]] | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None
    logprobs: Any = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _AnswerDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class TokenUsage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None  # where there are no details
    cost: Any = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _AnswerDetails | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] | None = None
    id: str | None = None
    model: str | None = None
    usage: TokenUsage | None = None
    system_fingerprint: str | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Completion).decode


class ChatFormat(msgspec.Struct, frozen=True, kw_only=True):
    """How one service, and one model of it, wants a request written, and what it adds to an answer."""

    limit_name: str = "max_tokens"  # "max_completion_tokens" for OpenAI's own service
    seed_name: str = "seed"
    repetition_name: str = "repetition_penalty"
    schemas: bool = True  # whether an answer's shape may be a JSON Schema
    strict_schema: bool = False  # whether the service has strict structured outputs
    structured_outputs: bool = False  # whether patterns and choices are given as vLLM wants them
    leave_out: frozenset[str] = frozenset()  # parameters that are not sent when they have their neutral value
    says_cost: bool = False  # whether `usage.cost` is the price of the call in US dollars


class OpenAIChat(Wire):
    """One model behind one URL of chat completions. The rest is as in `Wire`.

    Args:
        format: how this service wants it.
        stream: whether answers are received in pieces.
    """

    answer_name = "a chat completion"
    filtered = frozenset({"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation", "moderation"})
    out_of_credit = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
    statuses: ClassVar[Mapping[str, int]] = {
        "context_length_exceeded": 400,
        "invalid_request_error": 400,
        "rate_limit_exceeded": 429,
        "rate_limit_error": 429,
        "insufficient_quota": 429,
    }
    transient = Wire.transient | {498}  # "capacity exceeded", at servers that have tiers

    def __init__(self, *arguments: Any, format: ChatFormat | None = None, stream: bool = False, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.format = format or ChatFormat()
        self.stream = stream

    # --- request to JSON --------------------------------------------------------------------------------------------

    def encode(self, request: Request) -> bytes:
        """The body of the request, byte for byte."""
        format = self.format
        messages: list[Any] = list(request.messages)
        if request.system is not None:
            messages.insert(0, {"role": "system", "content": request.system})
        body: dict[str, Any] = {"model": self.model, "messages": messages}
        for name, value in (
            (format.limit_name, request.max_new_tokens),
            ("temperature", request.temperature),
            ("top_p", request.top_p),
            ("stop", request.stop),
            (format.repetition_name, request.repetition_penalty),
            ("logit_bias", request.logit_bias),
            (format.seed_name, request.seed),
            ("tools", request.tools),
        ):
            if value is not None and name not in format.leave_out:
                body[name] = value
        if request.response_format is not None:
            body.update(self._shape(request.response_format))
        extra = dict(request.extra or {})
        more = extra.pop("extra_body", None)
        body.update(extra)
        if self.stream:
            body.update(stream=True, stream_options={"include_usage": True})
        if more:
            body.update(more)
        return _encode(body)

    def _shape(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """The shape of the answer, under the name that the service has for it."""
        if self.format.structured_outputs and wanted["type"] == "regex":
            return {"structured_outputs": {"regex": wanted["pattern"]}}
        if self.format.structured_outputs and wanted["type"] == "choices":
            return {"structured_outputs": {"choice": wanted["choices"]}}
        return {"response_format": self._response_format(wanted)}

    def _response_format(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        if wanted["type"] != "json_schema":
            return dict(wanted)
        if not self.format.schemas:
            raise InvalidArgumentError(
                f"The service of '{self.model}' takes no JSON Schema for answers (response_format). "
                'Use response_format={"type": "json_object"}, and describe the shape in the prompt.'
            )
        schema: dict[str, Any] = {"name": wanted["name"], "schema": wanted["schema"]}
        if self.format.strict_schema and closed(wanted["schema"]):
            schema["strict"] = True
        return {"type": "json_schema", "json_schema": schema}

    # --- JSON to generation -----------------------------------------------------------------------------------------

    def decode(self, reply: Reply) -> Generation:
        """The answer in `reply`; raises what its status, or what is wrong with it, means."""
        if self.stream:
            reply = self.whole(reply, chat_completion)
        completion = self.read(reply, _decode)
        if completion.error is not None:  # some gateways say 200 and mean 429
            raise self.error(Reply(self.status_in(reply.body), reply.headers, reply.body))
        if not completion.choices:
            raise TransientModelError(f"{self.url} answered without any choice: {self.quote(reply.body)!r}")
        choice = completion.choices[0]
        if choice.finish_reason in _BROKEN:
            raise TransientModelError(f"{self.url} broke off its answer ({choice.finish_reason}).")
        return self._generation(completion, choice, reply)

    def _generation(self, completion: _Completion, choice: _Choice, reply: Reply) -> Generation:
        message = choice.message
        finish = FINISH.get(choice.finish_reason or "", choice.finish_reason)
        text = content_of(message.content)
        if message.refusal and not text:
            text, finish = message.refusal, "refusal"
        return Generation(
            text=text,
            finish_reason=finish,
            usage=usage_of(completion.usage),
            model=completion.model,
            response_id=completion.id,
            request_id=reply.headers.get("x-request-id"),
            system_fingerprint=completion.system_fingerprint,
            cost_usd=_cost(completion.usage) if self.format.says_cost else None,
            response=reply.body,
            tool_calls=tuple(message.tool_calls) if message.tool_calls else None,
            reasoning=_reasoning(message),
            logprobs=_logprobs(choice.logprobs),
            wait=requested_pause(reply.headers),
        )

    # --- status to error --------------------------------------------------------------------------------------------

    def code(self, error: dict[str, Any]) -> Any:
        details = error.get("metadata")
        if isinstance(details, dict) and "flagged_input" in details:
            return "moderation"
        return super().code(error)


def content_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):  # content parts
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def _reasoning(message: _Message) -> str | None:
    """What the model thought before it answered, where the service shows it."""
    found = content_of(message.reasoning_content) or content_of(message.reasoning)
    if not found and isinstance(message.content, list):
        thoughts = [part.get("thinking") for part in message.content if isinstance(part, dict)]
        found = "".join(content_of(thought) for thought in thoughts)
    return found or None


def _logprobs(given: Any) -> tuple[dict[str, Any], ...] | None:
    """One entry per token; not every server keeps to the documented form, and none of it makes an answer unreadable."""
    entries = given.get("content") if isinstance(given, dict) else None
    return tuple(entries) if isinstance(entries, list) and entries else None


def usage_of(usage: TokenUsage | None) -> Usage:
    if usage is None:
        return Usage()
    prompt, answer = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        input_tokens=usage.prompt_tokens or 0,
        output_tokens=usage.completion_tokens or 0,
        cached_tokens=(prompt.cached_tokens if prompt else usage.prompt_cache_hit_tokens) or 0,
        reasoning_tokens=(answer.reasoning_tokens or 0) if answer else 0,
    )


def _cost(usage: TokenUsage | None) -> float | None:
    cost = usage.cost if usage else None
    return float(cost) if isinstance(cost, int | float) and not isinstance(cost, bool) else None


def closed(schema: Any) -> bool:
    """Whether a schema meets the conditions of strict mode: every object closed, every property required."""
    if isinstance(schema, dict):
        if "properties" in schema and (
            schema.get("additionalProperties") is not False
            or set(schema.get("required", ())) != set(schema["properties"])
        ):
            return False
        return all(closed(value) for value in schema.values())
    return all(closed(value) for value in schema) if isinstance(schema, list) else True
