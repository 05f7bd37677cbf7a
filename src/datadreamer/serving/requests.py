"""What a client asks, as the prompts and parameters of `LLM.agenerate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..llms.types import Prompt
from .problems import RefusedError

#: fields about the caller or the transport: nothing that an answer depends on
IGNORED = frozenset(
    (
        "model", "stream", "stream_options", "user", "metadata", "store", "service_tier", "safety_identifier",
        "prompt_cache_key", "prompt_cache_retention", "n", "sample", "messages", "prompt", "max_tokens",
        "max_completion_tokens",
    )
)  # fmt: skip
#: parameters that ask for nothing at these values
NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logprobs": (False, 0),
    "top_logprobs": (0,),
    "parallel_tool_calls": (True,),
    "tool_choice": ("auto", "none"),
    "modalities": (["text"],),
    "echo": (False,),
    "suffix": ("",),
    "best_of": (1,),
    "functions": ([],),
    "tools": ([],),
    "logit_bias": ({},),
    "stop": ([],),
}
MOST = 128  # choices of one request


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a client, understood."""

    model: str
    prompts: list[Prompt]  # one, or as many as a completion has
    parameters: dict[str, Any]
    n: int
    sample: int | None  # number of the first draw, where the client says it
    stream: bool
    usage_in_stream: bool
    chat: bool


def read_chat(body: Any) -> Asked:
    """A request to `/v1/chat/completions`."""
    body = _object(body)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RefusedError("'messages' must be a list of at least one message.", "messages")
    return _asked(body, [[_message(message) for message in messages]], chat=True)


def read_completion(body: Any) -> Asked:
    """A request to `/v1/completions`: each prompt is one message of a user."""
    body = _object(body)
    given = body.get("prompt")
    prompts = [given] if isinstance(given, str) else given
    if not isinstance(prompts, list) or not prompts or not all(isinstance(one, str) for one in prompts):
        raise RefusedError("'prompt' must be a text or a list of texts; token ids are not taken.", "prompt")
    return _asked(body, list(prompts), chat=False)


def _asked(body: Mapping[str, Any], prompts: list[Prompt], chat: bool) -> Asked:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise RefusedError("'model' must name a model.", "model")
    options = body.get("stream_options") or {}
    return Asked(
        model=model,
        prompts=prompts,
        parameters=_parameters(body),
        n=_whole(body, "n", 1, MOST) or 1,
        sample=_whole(body, "sample", 0, 1 << 31),
        stream=bool(body.get("stream")),
        usage_in_stream=isinstance(options, Mapping) and bool(options.get("include_usage")),
        chat=chat,
    )


def _parameters(body: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of `agenerate()`, by our names; those that ask for nothing are left out."""
    found: dict[str, Any] = {}
    for name, value in body.items():
        if name in IGNORED or value is None or value in NEUTRAL.get(name, ()):
            continue
        found[name] = value
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if limit is not None:
        found["max_new_tokens"] = limit
    for name in ("batch_size", "force", "cache_only", "output_type", "max_reasks"):
        if name in found:
            raise RefusedError(f"Unknown parameter: '{name}'.", name)
    bias = found.get("logit_bias")
    if bias is not None and not (isinstance(bias, dict) and all(str(token).isdigit() for token in bias)):
        raise RefusedError("'logit_bias' must map token ids to numbers.", "logit_bias")
    return found


def _message(message: Any) -> dict[str, Any]:
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise RefusedError('A message is {"role": ..., "content": ...}.', "messages")
    role = "system" if message["role"] == "developer" else message["role"]
    kept = {name: value for name, value in message.items() if value is not None or name == "content"}
    return {**kept, "role": role, "content": _content(message.get("content"))}


def _content(content: Any) -> Any:
    """Text in parts is text: it has the same key as when it comes whole."""
    if isinstance(content, list) and content and all(_is_text(part) for part in content):
        return "".join(part["text"] for part in content)
    return content


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


def _object(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise RefusedError("The body must be a JSON object.")
    return body


def _whole(body: Mapping[str, Any], name: str, low: int, high: int) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise RefusedError(f"'{name}' must be an integer from {low} to {high}, not {value!r:.80}.", name)
    return value
