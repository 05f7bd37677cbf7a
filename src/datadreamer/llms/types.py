"""What is asked of a model, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from .. import errors
from ..ledger import Usage


class Chat(msgspec.Struct, frozen=True, kw_only=False):
    """A prompt of several turns.

    Args:
        messages: turns in order, each `{"role": "user" | "assistant" | "system" | "tool", "content": ...}`. Content is
            a text, or a list of parts: `{"type": "text", "text": ...}` and `{"type": "image", "image": ...}`, where a
            picture is an address, a file (a `Path`), `bytes` or a Pillow image.
        system: system prompt of this conversation. None: the model's own.
        sample: which draw of this prompt to use, for callers that number their draws themselves. None: the draws of
            equal prompts within one call of `run()` or `outcomes()` are numbered 0, 1, 2, ...
    """

    messages: Sequence[Mapping[str, Any]]
    system: str | None = None
    sample: int | None = None


Prompt = str | Sequence[Mapping[str, Any]] | Chat


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One question to one model, in canonical form: what the request key is made of, together with the model's spec.

    None stands for "left to the model"; such a field does not enter the key.
    """

    messages: tuple[dict[str, Any], ...]  # without the system prompt
    system: str | None = None
    max_new_tokens: int | None = None  # tokens
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] | None = None
    repetition_penalty: float | None = None
    logit_bias: dict[str, float] | None = None  # token id (decimal digits) to bias
    seed: int | None = None  # of this draw: the seed that was asked for, plus `sample`
    response_format: dict[str, Any] | None = None  # {"type": "json_schema", "name": ..., "schema": {...}}
    tools: tuple[dict[str, Any], ...] | None = None
    extra: dict[str, Any] | None = None  # parameters that only this kind of model knows
    sample: int = 0  # which draw of the same request this is

    def parts(self) -> dict[str, Any]:
        """The fields that are set, as plain data: they enter the request key and the record."""
        parts = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}
        return parts

    @property
    def prompt(self) -> str:
        """The text of the last message: what a person would call the prompt."""
        return _text(self.messages[-1].get("content")) if self.messages else ""


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of a model."""

    text: str
    finish_reason: str | None = None  # "stop", "length", "tool_calls", ...; None: the model did not say
    usage: Usage = Usage()
    model: str | None = None  # the model that answered, as it names itself
    response_id: str | None = None
    request_id: str | None = None  # of the HTTP request, as the service logs it
    system_fingerprint: str | None = None
    cost_usd: float | None = None  # US dollars; None: the price is not known
    attempts: int = 1
    cached: bool = False  # came from the ledger, or is shared with an equal request of the same call
    key: bytes | None = None  # request key, 32 bytes
    response: bytes | None = None  # the whole answer, as it came
    tool_calls: tuple[dict[str, Any], ...] | None = None
    reasoning: str | None = None  # what the model thought before it answered, or a summary, where the service shows it
    logprobs: tuple[dict[str, Any], ...] | None = None  # one per token: {"token", "logprob", "top_logprobs"}, if asked
    value: Any = msgspec.UNSET  # with output_type: what `text` stands for, checked; never recorded
    reasked: tuple[bytes | None, ...] = ()  # with output_type: request keys of the faulty answers before this one
    wait: float | None = None  # seconds the service asks to wait before the next request; never recorded

    @property
    def truncated(self) -> bool:
        """Whether the answer ends because the room for it ended."""
        return self.finish_reason == "length"

    def __str__(self) -> str:
        return self.text


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A request that ended without an answer. It is never stored: the next run asks again."""

    reason: str  # "rate_limit", "transient", "unreachable", "bad_request", "context_length", "content_filter", ...
    message: str
    attempts: int = 1
    usage: Usage = Usage()
    cost_usd: float | None = None
    key: bytes | None = None
    reasked: tuple[bytes | None, ...] = ()  # with output_type: request keys of the faulty answers before this one

    def error(self) -> errors.ModelError:
        """The same as an exception, for callers that want one."""
        return _ERRORS.get(self.reason, errors.ModelError)(self.message)

    @classmethod
    def of(cls, error: BaseException, **fields: Any) -> Failure:
        """The failure that `error` stands for."""
        for kind, reason in _REASONS:
            if isinstance(error, kind):
                return cls(reason=reason, message=str(error), **fields)
        return cls(reason="error", message=f"{type(error).__name__}: {error}", **fields)


Outcome = Generation | Failure

# Most specific first: the first that fits gives the reason.
_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (errors.ContextLengthError, "context_length"),
    (errors.ContentFilterError, "content_filter"),
    (errors.BadRequestError, "bad_request"),
    (errors.AuthenticationError, "authentication"),
    (errors.ModelNotFoundError, "model_not_found"),
    (errors.PermanentModelError, "permanent"),
    (errors.UnparsedAnswerError, "unparsed"),
    (errors.TruncatedAnswerError, "truncated"),
    (errors.RefusedAnswerError, "refused"),
    (errors.RateLimitError, "rate_limit"),
    (errors.ServerUnreachableError, "unreachable"),
    (errors.TransientModelError, "transient"),
)
_ERRORS: dict[str, Any] = {reason: kind for kind, reason in _REASONS}


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        return "".join(part.get("text", "") for part in content if isinstance(part, Mapping))
    return ""
