"""An answer as the ledger keeps it, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ...ledger import CallRecord
from ..types import Generation

if TYPE_CHECKING:
    from ..llm import LLM


def _named(value: Any) -> str:
    """What is not data in a model's spec (a function that answers, in tests of workflows) is written by its name."""
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__qualname__)}"


encode_parts = msgspec.json.Encoder(order="deterministic", enc_hook=_named).encode


def to_record(
    llm: LLM, parts: Mapping[str, Any], answer: Generation, started: float, ended: float, step: str | None
) -> CallRecord:
    """The record of one answer.

    `request` is the JSON of exactly what the request key is the digest of, so that the key can be checked from the
    record alone; what goes over the wire follows from it.
    """
    extra: dict[str, Any] = {}
    if answer.tool_calls:
        extra["tool_calls"] = list(answer.tool_calls)
    if answer.reasoning:
        extra["reasoning"] = answer.reasoning
    if answer.logprobs:
        extra["logprobs"] = list(answer.logprobs)
    return CallRecord(
        text=answer.text,
        step=step or "",
        finish_reason=answer.finish_reason or "",
        usage=answer.usage,
        model=str(getattr(llm, "public_name", None) or getattr(llm, "model_name", None) or ""),
        served_model=answer.model or "",
        provider=llm.provider,
        host=llm.host,
        response_id=answer.response_id or "",
        request_id=answer.request_id or "",
        system_fingerprint=answer.system_fingerprint or "",
        sample=parts["request"]["sample"],
        started=started,
        ended=ended,
        attempts=answer.attempts,
        cost_usd=answer.cost_usd,
        extra=extra,
        request=encode_parts(parts),
        response=answer.response or b"",
    )


def from_record(key: bytes, record: CallRecord) -> Generation:
    """The answer that a record keeps."""
    extra = record.extra or {}
    calls, logprobs = extra.get("tool_calls"), extra.get("logprobs")
    return Generation(
        text=record.text,
        finish_reason=record.finish_reason or None,
        usage=record.usage,
        model=record.served_model or None,
        response_id=record.response_id or None,
        request_id=record.request_id or None,
        system_fingerprint=record.system_fingerprint or None,
        cost_usd=record.cost_usd,
        attempts=record.attempts,
        cached=True,
        key=key,
        response=record.response or None,
        tool_calls=tuple(calls) if calls else None,
        reasoning=extra.get("reasoning"),
        logprobs=tuple(logprobs) if logprobs else None,
    )
