"""What a model is told in words: the type it shall answer with, and what was wrong with an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .output_type import OutputType

_SIMPLE = {"integer": "a whole number, in digits", "number": "a number, in digits"}


def instruction(wanted: OutputType, response_format: Mapping[str, Any] | None = None) -> str | None:
    """What stands behind the prompt; None where there is nothing to say.

    Args:
        wanted: the type.
        response_format: what the service decodes by, if it does: its schema is what the model is told about.
    """
    schema = (response_format or {}).get("schema")
    if schema is not None:
        return _schema(schema)
    if wanted.kind == "text":
        return None
    if wanted.kind == "choices":
        listed = "\n".join(f"- {label}" for label in wanted.choices)
        return f"Answer with one of these, as it stands here, and with nothing else:\n{listed}"
    if wanted.kind == "regex":
        return (
            "Answer with text that matches this regular expression as a whole, and with nothing else:\n"
            f"{wanted.pattern}"
        )
    simple = _SIMPLE.get(wanted.schema.get("type", "")) if isinstance(wanted.schema.get("type"), str) else None
    if simple is not None and set(wanted.schema) <= {"type"}:
        return f"Answer with {simple}, and with nothing else."
    return _schema(wanted.schema)


def _schema(schema: Mapping[str, Any]) -> str:
    written = json.dumps(_short(schema), ensure_ascii=False)
    return f"Answer with JSON that fits this JSON Schema, and with nothing else:\n{written}"


def _short(schema: Any) -> Any:
    """A schema without what says nothing to a model: titles (pydantic gives one to every field) and defaults."""
    if not isinstance(schema, Mapping):
        return schema
    found: dict[str, Any] = {}
    for name, part in schema.items():
        if name in ("title", "default"):
            continue
        if name in ("properties", "patternProperties", "$defs", "definitions"):
            found[name] = {key: _short(one) for key, one in part.items()}
        elif name in ("items", "additionalProperties", "not"):
            found[name] = _short(part)
        elif name in ("anyOf", "oneOf", "allOf", "prefixItems"):
            found[name] = [_short(one) for one in part]
        else:
            found[name] = part
    return found


def complaint(problem: str, told: str | None) -> str:
    """The message behind a faulty answer."""
    again = told or "Answer again in the form that was asked for, and with nothing else."
    return f"This answer cannot be used: {problem}.\n\n{again}"


def with_instruction(messages: tuple[dict[str, Any], ...], told: str | None) -> tuple[dict[str, Any], ...]:
    """`messages` with the instruction at the end of the last one of the user."""
    if told is None:
        return messages
    for place in range(len(messages) - 1, -1, -1):
        if messages[place].get("role") == "user":
            told_there = {**messages[place], "content": _joined(messages[place].get("content"), told)}
            return (*messages[:place], told_there, *messages[place + 1 :])
    return (*messages, {"role": "user", "content": told})


def _joined(content: Any, told: str) -> Any:
    if isinstance(content, list | tuple):
        return [*content, {"type": "text", "text": told}]
    return f"{content or ''}\n\n{told}".lstrip()
