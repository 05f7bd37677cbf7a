"""What the ledger remembers: one answer of a model, one event of a step, one row that was lost."""

from __future__ import annotations

from typing import Any

import msgspec


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one call, as the service counted them. Cached and reasoning tokens are parts of the other two."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class CallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of a model, with all that is needed to account for it and to parse it again.

    Times are seconds since the epoch, UTC. `cost_usd` is US dollars, None when the price is unknown. `request` and
    `response` are the JSON bytes that went over the wire, whole; for a local model, JSON of the same content.
    """

    text: str
    step: str = ""
    finish_reason: str = ""
    usage: Usage = Usage()
    model: str = ""  # as asked
    served_model: str = ""  # as the service says it answered
    provider: str = ""
    host: str = ""  # of the endpoint, without credentials
    response_id: str = ""
    request_id: str = ""
    system_fingerprint: str = ""
    sample: int = 0  # index of the draw from the same prompt
    started: float = 0.0
    ended: float = 0.0
    attempts: int = 1
    cost_usd: float | None = None
    extra: dict[str, Any] = {}  # JSON-able: tool calls, reasoning, refusal, whatever a wire wants back
    request: bytes = b""
    response: bytes = b""


class StepEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a step. `kind` is "started", "hit", "finished" or "failed"."""

    step: str
    kind: str
    fingerprint: str = ""
    at: float = 0.0  # seconds since the epoch; 0 is replaced by the time of recording
    view: Any = None  # the canonical view behind the fingerprint, JSON-able
    data: dict[str, Any] = {}  # JSON-able: digests, counts, reasons


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """A row that went in and did not come out. `row` is its position in the step's input (None: no single row)."""

    step: str
    row: int | None
    reason: str  # a short stable word to count by, for example "filtered", "rate_limit", "content_filter", "parse"
    message: str = ""
    request_key: str = ""  # "ddr1:..." of the call that lost it, if one did
    at: float = 0.0  # seconds since the epoch; 0 is replaced by the time of recording
    data: dict[str, Any] = {}  # JSON-able

    def to_dict(self) -> dict[str, Any]:
        """The fields as a plain dictionary."""
        return msgspec.structs.asdict(self)


class StepTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the recorded calls of one step. `cost_usd` is None when no call has a known price."""

    step: str
    calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_usd: float | None
    unpriced_calls: int
    first_started: float
    last_ended: float
