"""Parts of messages that several formats write in their own way: pictures, tool calls, JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ...errors import BadRequestError

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,(.*)", re.DOTALL)


def as_text(content: Any) -> str:
    """The text of a message's content: a string, or the texts of its parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list | tuple):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return ""


def picture(part: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """An `image_url` part as (media type, base64 data, ""), or ("", "", address); None when `part` is no picture."""
    if part.get("type") != "image_url":
        return None
    given = part.get("image_url")
    url = str(given.get("url", "")) if isinstance(given, Mapping) else str(given)
    data = _DATA_URL.fullmatch(url)
    return (data[1], data[2], "") if data else ("", "", url)


def arguments(call: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and arguments of a tool call of an earlier turn."""
    function = call.get("function") or {}
    given = function.get("arguments") or "{}"
    try:
        values = msgspec.json.decode(given) if isinstance(given, str) else given
    except msgspec.MsgspecError as error:
        raise BadRequestError(
            f"A tool call of an earlier turn has arguments that are no JSON: {given!r:.80} ({error})."
        ) from error
    return str(function.get("name", "")), dict(values)


def tool_call(id: str | None, name: str, values: Any) -> dict[str, Any]:
    """A tool call in the form in which every model's answer has it."""
    text = msgspec.json.encode(values or {}).decode()
    return {"id": id or name, "type": "function", "function": {"name": name, "arguments": text}}


def function_of(tool: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The function that a tool is (name, description, parameters); None for a tool of the service's own kind."""
    function = tool.get("function")
    return function if tool.get("type") == "function" and isinstance(function, Mapping) else None
