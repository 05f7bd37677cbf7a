"""Answers as OpenAI's API writes them: whole, and in pieces."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

from ..llms.types import Generation
from .requests import Asked

_PIECE = re.compile(r"\s*\S+|\s+$")
_FINISH = {"refusal": "stop", None: "stop"}


def body_of(asked: Asked, choices: Sequence[Generation]) -> dict[str, Any]:
    """The answer, whole. `choices`: n for each prompt, in order."""
    return {
        **_head(asked, choices, whole=True),
        "choices": [_choice(asked, index, one) for index, one in enumerate(choices)],
        "usage": _usage(asked, choices),
    }


def chunks_of(asked: Asked, choices: Sequence[Generation]) -> Iterator[dict[str, Any]]:
    """The same answer in pieces of a word each."""
    head = _head(asked, choices, whole=False)
    more: dict[str, Any] = {"usage": None} if asked.usage_in_stream else {}
    for index, one in enumerate(choices):
        if asked.chat:
            yield {**head, "choices": [_delta(index, {"role": "assistant", "content": ""})], **more}
        for piece in _PIECE.findall(one.text):
            delta = _delta(index, {"content": piece}) if asked.chat else _text(index, piece, None)
            yield {**head, "choices": [delta], **more}
        if asked.chat and one.tool_calls:
            calls = [{"index": place, **call} for place, call in enumerate(one.tool_calls)]
            yield {**head, "choices": [_delta(index, {"tool_calls": calls})], **more}
        last = _delta(index, {}, _finish(one)) if asked.chat else _text(index, "", _finish(one))
        yield {**head, "choices": [last], **more}
    if asked.usage_in_stream:
        yield {**head, "choices": [], "usage": _usage(asked, choices)}


def cache_state(choices: Sequence[Generation]) -> str:
    """`hit`, `miss`, or `partial` when some of the choices were remembered."""
    hits = sum(one.cached for one in choices)
    return "hit" if hits == len(choices) else "partial" if hits else "miss"


def _head(asked: Asked, choices: Sequence[Generation], whole: bool) -> dict[str, Any]:
    keys = b"".join(one.key or b"" for one in choices)
    name, kind = ("chatcmpl", "chat.completion") if asked.chat else ("cmpl", "text_completion")
    fingerprints = {one.system_fingerprint for one in choices if one.system_fingerprint}
    return {
        "id": f"{name}-{hashlib.sha256(keys).hexdigest()[:29]}",
        "object": kind if whole or not asked.chat else f"{kind}.chunk",
        "created": int(time.time()),
        "model": choices[0].model or asked.model,
        "system_fingerprint": fingerprints.pop() if len(fingerprints) == 1 else None,
    }


def _choice(asked: Asked, index: int, one: Generation) -> dict[str, Any]:
    if not asked.chat:
        return _text(index, one.text, _finish(one))
    refused = one.finish_reason == "refusal"
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if refused or (one.tool_calls and not one.text) else one.text,
        "refusal": one.text if refused else None,
    }
    if one.reasoning is not None:
        message["reasoning_content"] = one.reasoning
    if one.tool_calls:
        message["tool_calls"] = list(one.tool_calls)
    logprobs = {"content": list(one.logprobs), "refusal": None} if one.logprobs else None
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": _finish(one)}


def _text(index: int, text: str, finish: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish}


def _delta(index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}


def _finish(one: Generation) -> str:
    return _FINISH.get(one.finish_reason) or str(one.finish_reason)


def _usage(asked: Asked, choices: Sequence[Generation]) -> dict[str, Any]:
    """Tokens of the prompts (once each) and of all answers, as they were counted when these were made."""
    prompts = sum(one.usage.input_tokens for one in choices[:: asked.n])
    answers = sum(one.usage.output_tokens for one in choices)
    return {
        "prompt_tokens": prompts,
        "completion_tokens": answers,
        "total_tokens": prompts + answers,
        "prompt_tokens_details": {"cached_tokens": sum(one.usage.cached_tokens for one in choices[:: asked.n])},
        "completion_tokens_details": {"reasoning_tokens": sum(one.usage.reasoning_tokens for one in choices)},
    }
