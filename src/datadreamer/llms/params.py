"""The arguments of one call of `run()` or `outcomes()`, checked and made canonical once for all prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import InvalidArgumentError, InvalidTypeError, nearest
from .images import plain_message
from .schema import response_format
from .types import Chat, Prompt, Request

if TYPE_CHECKING:
    from .llm import LLM

_ASKED = frozenset(
    {
        "max_new_tokens",
        "temperature",
        "top_p",
        "n",
        "stop",
        "repetition_penalty",
        "logit_bias",
        "seed",
        "response_format",
        "tools",
    }
)
_RUNTIME = frozenset(
    {
        "batch_size",
        "batch_scheduler_buffer_size",
        "adaptive_batch_size",
        "progress_interval",
        "force",
        "cache_only",
        "verbose",
        "log_level",
        "total_num_prompts",
    }
)
_OUTPUT_TYPE = frozenset({"output_type", "max_reasks"})  # taken by `structured/`, before requests are made
_NEUTRAL = {"temperature": 1.0, "top_p": 1.0, "repetition_penalty": 1.0}  # what asks for nothing


class Ask(msgspec.Struct, kw_only=True):
    """What holds for every prompt of one call."""

    template: Request  # with every parameter, and no messages
    n: int = 1
    batch_size: int | None = None  # hosted: most requests in flight; local: rows per batch. None: adapts
    buffer_size: int | None = None  # local: prompts that are looked at together to make batches of equal length
    adaptive_batch_size: bool | None = None
    force: bool = False
    cache_only: bool = False
    progress_interval: float | None = 60.0  # seconds
    total: int | None = None  # number of prompts, for progress

    @property
    def greedy(self) -> bool:
        """Whether equal requests may share one answer."""
        return self.template.temperature == 0

    def request(self, prompt: Prompt, sample: int = 0) -> Request:
        """The canonical request for one draw of `prompt`."""
        messages, system = split_prompt(prompt)
        template = self.template
        return msgspec.structs.replace(
            template,
            messages=messages,
            system=template.system if system is None else system,
            seed=None if template.seed is None else template.seed + sample,
            sample=sample,
        )


def parse(llm: LLM, params: Mapping[str, Any]) -> Ask:
    """Check `params` against what `llm` takes; unknown and refused names raise `InvalidArgumentError`."""
    known = _ASKED | _RUNTIME | _OUTPUT_TYPE | llm.extra_parameters
    for name, value in params.items():
        if name not in known:
            raise InvalidArgumentError(f"{llm.display_name} has no parameter '{name}'. {nearest(name, known)}")
        if value is not None and name in llm.refused_parameters and value != _NEUTRAL.get(name):
            raise InvalidArgumentError(
                f"{llm.display_name} does not take '{name}' (given: {value!r}). {llm.refused_parameters[name]}"
            )
    given = {name: value for name, value in params.items() if value is not None}
    extra = {name: _plain(name, given[name]) for name in sorted(given) if name in llm.extra_parameters}
    return Ask(
        template=_template(llm, given, extra),
        n=whole_number(given, "n", at_least=1) or 1,
        batch_size=whole_number(given, "batch_size", at_least=1),
        buffer_size=whole_number(given, "batch_scheduler_buffer_size"),
        adaptive_batch_size=given.get("adaptive_batch_size"),
        force=bool(given.get("force")),
        cache_only=bool(given.get("cache_only")),
        progress_interval=params.get("progress_interval", 60.0),
        total=given.get("total_num_prompts"),
    )


def without_output_type(params: Mapping[str, Any]) -> dict[str, Any]:
    """`params` as a model's own `run()` takes them."""
    return {name: value for name, value in params.items() if name not in _OUTPUT_TYPE}


def split_prompt(prompt: Prompt) -> tuple[tuple[dict[str, Any], ...], str | None]:
    """The messages of a prompt without its system prompt, and the system prompt it brings, if any."""
    if isinstance(prompt, str):
        return ({"role": "user", "content": prompt},), None
    system: str | None = None
    if isinstance(prompt, Chat):
        messages, system = prompt.messages, prompt.system
    else:
        messages = prompt
    if isinstance(messages, Mapping) or not isinstance(messages, Sequence) or not messages:
        raise InvalidTypeError(
            f"A prompt is a str, a list of messages or a Chat, not {type(prompt).__name__}: {prompt!r:.80}. "
            "Make text of it first: str(...), or .map() of its column."
        )
    for message in messages:
        if not isinstance(message, Mapping) or "role" not in message:
            raise InvalidTypeError(f'A message is {{"role": ..., "content": ...}}, not {message!r:.80}')
    first = messages[0]
    if system is None and first["role"] == "system" and isinstance(first.get("content"), str):
        system, messages = first["content"], messages[1:]
    return tuple(plain_message(message) for message in messages), system


def _template(llm: LLM, given: Mapping[str, Any], extra: dict[str, Any]) -> Request:
    given = {name: value for name, value in given.items() if name not in llm.refused_parameters}  # what is neutral
    temperature = _number(given, "temperature", 0.0, None)
    return Request(
        messages=(),
        system=llm.system_prompt,
        max_new_tokens=whole_number(given, "max_new_tokens", at_least=1),
        temperature=1.0 if temperature is None else temperature,
        top_p=_number(given, "top_p", 0.0, 1.0),
        stop=_stop(given.get("stop")),
        repetition_penalty=_number(given, "repetition_penalty", None, None),
        logit_bias={str(token): float(bias) for token, bias in given.get("logit_bias", {}).items()} or None,
        seed=whole_number(given, "seed"),
        response_format=response_format(given["response_format"]) if "response_format" in given else None,
        tools=tuple(_plain("tools", tool) for tool in given["tools"]) if "tools" in given else None,
        extra=extra or None,
    )


def _stop(stop: Any) -> tuple[str, ...] | None:
    words = (stop,) if isinstance(stop, str) else tuple(stop or ())
    for word in words:
        if not isinstance(word, str) or not word:
            raise InvalidArgumentError(f"'stop' takes one or more non-empty strings, not {stop!r}.")
    return words or None


def whole_number(given: Mapping[str, Any], name: str, at_least: int | None = None) -> int | None:
    """The integer that `given` has under `name`; None where it has none."""
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InvalidTypeError(f"'{name}' must be an integer, not {value!r}.")
    value = int(value)
    if at_least is not None and value < at_least:
        raise InvalidArgumentError(f"'{name}' must be at least {at_least}, not {value}.")
    return value


def _number(given: Mapping[str, Any], name: str, low: float | None, high: float | None) -> float | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise InvalidTypeError(f"'{name}' must be a number, not {value!r}.")
    value = float(value)
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        bounds = f"at least {low}" if high is None else f"between {low} and {high}"
        raise InvalidArgumentError(f"'{name}' must be {bounds}, not {value}.")
    return value


def _plain(name: str, value: Any) -> Any:
    """`value` as JSON-able data, so that it can be sent and be part of the request key."""
    try:
        return msgspec.to_builtins(value)
    except (TypeError, msgspec.MsgspecError) as error:
        raise InvalidTypeError(f"Parameter '{name}' cannot be written as JSON: {value!r:.80} ({error}).") from None
