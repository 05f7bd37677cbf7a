"""An answer's text to a value of the type that was asked for, wherever in the text it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from .express import ANSWER
from .output_type import OutputType, normal

_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_FENCE = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.,])-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w%]|[.,]\d)")
_STARTS = re.compile(r"[\[{]")
_TRIES = 200  # places where a JSON value could begin: a text of nothing but brackets ends too
_LARGEST = 2**63 - 1  # what a column of integers holds
_scan = json.JSONDecoder(parse_constant=lambda name: _no_constant(name)).raw_decode


class UnreadableError(ValueError):
    """The text holds no value of the type; the message says what is wrong, for the model and for a person."""


def read(wanted: OutputType, text: str, wrapped: bool = False) -> Any:
    """The value in `text`.

    Args:
        wanted: the type.
        text: what the model wrote.
        wrapped: the value was asked for inside an object.

    Raises:
        UnreadableError: there is none.
    """
    text = _THOUGHTS.sub("", text).strip()
    if wanted.kind == "text":
        return _text(wanted, text, wrapped)
    if not text:
        raise UnreadableError("it is empty")
    if wrapped or wanted.kind == "json":
        return _json(wanted, text, wrapped)
    return _pattern(wanted, text) if wanted.kind == "regex" else _choice(wanted, text)


def _text(wanted: OutputType, text: str, wrapped: bool) -> str:
    return str(_json(wanted, text, True)) if wrapped else text


# --- JSON -------------------------------------------------------------------------------------------------------------


def _json(wanted: OutputType, text: str, wrapped: bool) -> Any:
    try:
        return _decode(wanted, text, wrapped)
    except ValueError as error:
        problem = error if _is_json(text) else None
    for candidate in _inside(wanted, text, wrapped):
        try:
            return _decode(wanted, candidate, wrapped)
        except ValueError as error:
            problem = problem or error
    if wrapped and wanted.kind != "json":
        try:
            return read(wanted, text)
        except UnreadableError:
            pass
    raise UnreadableError(str(problem) if problem is not None else "it is no JSON, and has none in it")


def _decode(wanted: OutputType, text: str, wrapped: bool) -> Any:
    data = text.encode("utf-8", "surrogatepass")
    try:
        if wrapped:
            outer = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
            if set(outer) != {ANSWER}:
                raise ValueError(f'it must be an object with "{ANSWER}" alone')
            data = bytes(outer[ANSWER])
        value = wanted.decode(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if wanted.kind == "regex":
        return _pattern(wanted, value)
    _refuse_large(wanted.dump(value))
    return value


def _inside(wanted: OutputType, text: str, wrapped: bool) -> Iterator[str]:
    """What could be JSON within a text, the last first."""
    yield from (fence.strip() for fence in reversed(_FENCE.findall(text)))
    if not wrapped and wanted.schema.get("type") in ("integer", "number"):
        numbers = list(dict.fromkeys(_NUMBER.findall(text)))
        if len(numbers) == 1:
            yield numbers[0]
        return
    yield from reversed(list(_values(text)))


def _values(text: str) -> Iterator[str]:
    """The objects and lists that stand in a text, in order, the outermost only."""
    place = 0
    for _ in range(_TRIES):
        start = _STARTS.search(text, place)
        if start is None:
            return
        try:
            _, end = _scan(text, start.start())
        except (ValueError, RecursionError):
            place = start.end()
        else:
            yield text[start.start() : end]
            place = end


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _refuse_large(value: Any) -> None:
    if isinstance(value, int) and not isinstance(value, bool):
        if not -_LARGEST - 1 <= value <= _LARGEST:
            raise ValueError("an integer has more than 64 bits")
    elif isinstance(value, list):
        for item in value:
            _refuse_large(item)
    elif isinstance(value, dict):
        for item in value.values():
            _refuse_large(item)


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (ValueError, RecursionError):
        return False
    return True


# --- text -------------------------------------------------------------------------------------------------------------


def _pattern(wanted: OutputType, text: str) -> str:
    assert wanted.pattern is not None
    fence = _FENCE.fullmatch(text)
    for candidate in (text, *((fence[1].strip(),) if fence else ()), text.strip("`")):
        if re.fullmatch(wanted.pattern, candidate):
            return candidate
    raise UnreadableError(f"it does not match {wanted.pattern!r} as a whole")


def _choice(wanted: OutputType, text: str) -> Any:
    choices = wanted.choices
    if text in choices:
        return choices[text]
    labels = {normal(label): label for label in choices}
    if wanted.schema.get("type") == "boolean":
        labels = {**labels, "yes": "true", "no": "false"}
    label = labels.get(normal(text))
    if label is None:
        label = _only_named(labels, text)
    if label is None:
        raise UnreadableError(f"it must be one of {', '.join(map(repr, choices))}")
    return choices[label]


def _only_named(labels: dict[str, str], text: str) -> str | None:
    """The one choice that is named in the text; a choice within a longer one ("good" in "not good") does not count."""
    folded = text.casefold()
    named: set[str] = set()
    for label in sorted(labels, key=len, reverse=True):
        folded, count = re.subn(rf"(?<!\w){re.escape(label)}(?!\w)", "\0", folded)
        if count:
            named.add(labels[label])
    return named.pop() if len(named) == 1 else None
