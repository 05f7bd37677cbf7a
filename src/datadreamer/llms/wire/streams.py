"""Answers that come in pieces (server-sent events), put together into what would have come whole.

The pieces are read when the last one is there: who receives them wants a connection on which something is sent, not
half an answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

_loads = msgspec.json.decode
_dumps = msgspec.json.encode
_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")


class StreamedError(Exception):
    """An error came in the middle of a stream. `body`: as an answer has it that is nothing but an error."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.body = body


def events(body: bytes) -> Iterator[bytes]:
    """The data of each event; comments and other fields are left out."""
    data: list[bytes] = []
    for line in body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line and data:
            yield b"\n".join(data)
            data = []
    if data:
        yield b"\n".join(data)


def chat_completion(body: bytes) -> bytes | None:
    """The chat completion whose chunks `body` has. None: the stream ends too early.

    Raises:
        StreamedError: an error came instead.
        msgspec.DecodeError: an event is no JSON object.
    """
    whole: dict[str, Any] = {}
    message: dict[str, Any] = {"role": "assistant", "content": None}
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": None}
    ended = begun = False
    for event in events(body):
        if event.strip() == b"[DONE]":
            ended = True
            break
        chunk = _loads(event, type=dict[str, Any])
        if chunk.get("error"):
            raise StreamedError(_dumps({"error": chunk["error"]}))
        for name in ("id", "model", "system_fingerprint", "usage", "created", "service_tier"):
            if chunk.get(name) is not None:
                whole[name] = chunk[name]
        for piece in chunk.get("choices") or ():
            if not piece.get("index"):
                begun = True
                _add(choice, message, piece)
    if not begun or not (ended or choice["finish_reason"]):
        return None
    return _dumps({**whole, "object": "chat.completion", "choices": [choice]})


def _add(choice: dict[str, Any], message: dict[str, Any], piece: dict[str, Any]) -> None:
    delta = piece.get("delta") or {}
    for name in _TEXTS:
        if delta.get(name):
            message[name] = (message.get(name) or "") + delta[name]
    for call in delta.get("tool_calls") or ():
        _add_call(message.setdefault("tool_calls", []), call)
    if piece.get("finish_reason"):
        choice["finish_reason"] = piece["finish_reason"]
    entries = (piece.get("logprobs") or {}).get("content")
    if entries:
        choice.setdefault("logprobs", {"content": []})["content"].extend(entries)


def _add_call(calls: list[dict[str, Any]], piece: dict[str, Any]) -> None:
    index = piece.get("index", max(0, len(calls) - 1))
    while len(calls) <= index:
        calls.append({"id": None, "type": "function", "function": {"name": "", "arguments": ""}})
    call, function = calls[index], piece.get("function") or {}
    call["id"] = piece.get("id") or call["id"]
    for name in ("name", "arguments"):
        call["function"][name] += function.get(name) or ""


def whole_message(body: bytes) -> bytes | None:
    """The message of the Messages API whose events `body` has. None: the stream ends too early.

    Raises:
        StreamedError: an error came instead.
        msgspec.DecodeError: an event is no JSON object.
    """
    message: dict[str, Any] = {"content": [], "usage": {}}
    for event in events(body):
        data = _loads(event, type=dict[str, Any])
        kind = data.get("type")
        if kind == "error":
            raise StreamedError(event)
        if kind == "message_start":
            message.update(data["message"])
        elif kind == "content_block_start":
            message["content"].append(dict(data["content_block"]))
        elif kind == "content_block_delta":
            _extend(message["content"][data["index"]], data["delta"])
        elif kind == "message_delta":
            message.update(data["delta"])
            message["usage"].update(data.get("usage") or {})
        elif kind == "message_stop":
            for block in message["content"]:
                if "partial_json" in block:
                    block["input"] = _loads(block.pop("partial_json") or "{}")
            return _dumps(message)
    return None


def _extend(block: dict[str, Any], delta: dict[str, Any]) -> None:
    """A delta has one text, which belongs behind what the block has of that name."""
    for name, piece in delta.items():
        if name != "type" and isinstance(piece, str):
            block[name] = (block.get(name) or "") + piece
