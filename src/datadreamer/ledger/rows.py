"""Records as rows of the tables and back. Everything is redacted here, on its way to the file."""

from __future__ import annotations

import json
import struct
import time
import zlib
from typing import Any

import msgspec

from .records import CallRecord, Loss, StepEvent, Usage
from .redact import Redactor

# Below this size deflating costs more CPU than the write it saves; above, it is a small part of what the call cost.
DEFLATE_FROM_BYTES = 16384
# The column `packed`: how the row is stored, and from bit 8 on, where `_CHECKED` says so, the CRC-32 of its content.
_DEFLATED_REQUEST, _DEFLATED_RESPONSE, _ESCAPED_TEXT, _CHECKED = 1, 2, 4, 8
_PACKED, _CRC_SHIFT = 19, 8
_NUMBERS = struct.Struct(">6q3d").pack

CALL_COLUMNS = (
    "key, step, started, ended, attempts, cost_usd, input_tokens, output_tokens, cached_tokens, reasoning_tokens, "
    "finish_reason, sample, model, served_model, provider, host, response_id, request_id, system_fingerprint, "
    "packed, text, extra, request, response"
)
EVENT_COLUMNS = "step, kind, fingerprint, at, view, data"
LOSS_COLUMNS = "step, row, reason, message, request_key, at, data"


def marks(columns: str) -> str:
    """A question mark per column."""
    return ",".join("?" * len(columns.split(",")))


def clean_call(record: CallRecord, redactor: Redactor) -> CallRecord:
    """The record as it may be stored: the same object when nothing in it is secret."""
    labels = f"{record.model} {record.served_model} {record.host} {_json(record.extra) if record.extra else ''}"
    strings = f"{labels} {record.text}".encode("utf-8", "surrogatepass")
    # One look at everything together costs half of one at each, and nearly always it is the last.
    if not redactor.has_secret(b" ".join((strings, record.request, record.response))):
        return record
    return msgspec.structs.replace(
        record,
        model=redactor.text(record.model),
        served_model=redactor.text(record.served_model),
        host=redactor.text(record.host),
        text=redactor.text(record.text),
        extra=redactor.json(record.extra),
        request=redactor.data(record.request),
        response=redactor.data(record.response),
    )


def call_row(key: bytes, record: CallRecord, redactor: Redactor) -> tuple[Any, ...]:
    record = clean_call(record, redactor)
    packed, text, request, response = 0, record.text, record.request, record.response
    if not text.isascii() and not _encodable(text):
        packed, text = packed | _ESCAPED_TEXT, json.dumps(text)
    if len(request) >= DEFLATE_FROM_BYTES:
        packed, request = packed | _DEFLATED_REQUEST, zlib.compress(request, 1)
    if len(response) >= DEFLATE_FROM_BYTES:
        packed, response = packed | _DEFLATED_RESPONSE, zlib.compress(response, 1)
    extra = _json(record.extra) if record.extra else ""
    usage = record.usage
    row = (
        key,
        record.step,
        record.started,
        record.ended,
        record.attempts,
        record.cost_usd,
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.reasoning_tokens,
        record.finish_reason,
        record.sample,
        record.model,
        record.served_model,
        record.provider,
        record.host,
        record.response_id,
        record.request_id,
        record.system_fingerprint,
        packed,
        text,
        extra,
        request,
        response,
    )
    return (*row[:_PACKED], packed | _CHECKED | _crc(row) << _CRC_SHIFT, *row[_PACKED + 1 :])


def is_whole(row: tuple[Any, ...]) -> bool:
    """Whether a row of `CALL_COLUMNS` holds what was written; rows of the first versions do not say."""
    packed = row[_PACKED]
    try:
        return not packed & _CHECKED or _crc(row) == packed >> _CRC_SHIFT
    except (TypeError, ValueError, OverflowError, struct.error):  # the damage changed a type
        return False


def _crc(row: tuple[Any, ...]) -> int:
    """Over everything in a row but `packed`."""
    _, step, started, ended, attempts, cost, tokens_in, tokens_out, cached, reasoning, finish_reason, sample = row[:12]
    counts = map(int, (attempts, tokens_in, tokens_out, cached, reasoning, sample))
    numbers = _NUMBERS(*counts, started, ended, -1.0 if cost is None else cost)
    texts = "\0".join((step, finish_reason, *row[12:_PACKED], row[20], row[21])).encode()
    return zlib.crc32(b"\0".join((row[0], numbers, texts, row[22], row[23])))


def call_of(row: tuple[Any, ...]) -> tuple[bytes, CallRecord]:
    """A row of `CALL_COLUMNS` as key and record."""
    (key, step, started, ended, attempts, cost, tokens_in, tokens_out, cached, reasoning, finish_reason, sample) = row[
        :12
    ]
    (model, served, provider, host, response_id, request_id, system_fingerprint, packed) = row[12:20]
    text, extra, request, response = row[20:]
    if packed & (_DEFLATED_REQUEST | _DEFLATED_RESPONSE | _ESCAPED_TEXT):
        text = json.loads(text) if packed & _ESCAPED_TEXT else text
        request = zlib.decompress(request) if packed & _DEFLATED_REQUEST else request
        response = zlib.decompress(response) if packed & _DEFLATED_RESPONSE else response
    return key, CallRecord(
        text=text,
        step=step,
        finish_reason=finish_reason,
        usage=Usage(input_tokens=tokens_in, output_tokens=tokens_out, cached_tokens=cached, reasoning_tokens=reasoning),
        model=model,
        served_model=served,
        provider=provider,
        host=host,
        response_id=response_id,
        request_id=request_id,
        system_fingerprint=system_fingerprint,
        sample=sample,
        started=started,
        ended=ended,
        attempts=attempts,
        cost_usd=cost,
        extra=json.loads(extra) if extra else {},
        request=request,
        response=response,
    )


def event_row(event: StepEvent, redactor: Redactor) -> tuple[Any, ...]:
    view, data = _json(redactor.json(event.view)), _json(redactor.json(event.data))
    return event.step, event.kind, event.fingerprint, event.at or time.time(), view, data


def event_of(row: tuple[Any, ...]) -> StepEvent:
    step, kind, fingerprint, at, view, data = row
    return StepEvent(step=step, kind=kind, fingerprint=fingerprint, at=at, view=_read(view), data=_read(data) or {})


def loss_row(loss: Loss, redactor: Redactor) -> tuple[Any, ...]:
    message, data = redactor.text(loss.message), _json(redactor.json(loss.data))
    return loss.step, loss.row, loss.reason, message, loss.request_key, loss.at or time.time(), data


def loss_of(row: tuple[Any, ...]) -> Loss:
    step, position, reason, message, request_key, at, data = row
    return Loss(
        step=step,
        row=position,
        reason=reason,
        message=message,
        request_key=request_key,
        at=at,
        data=_read(data) or {},
    )


def _read(text: str) -> Any:
    """A JSON value; None where damage left none. It is for people: results do not depend on it."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _json(value: Any) -> str:
    # ASCII: a lone surrogate in a model's answer is legal in JSON and cannot be stored as UTF-8
    return json.dumps(value, separators=(",", ":"))


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
