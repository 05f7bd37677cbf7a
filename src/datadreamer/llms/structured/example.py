"""A plausible answer to a request for a type, the same one every time: what `FakeLLM` says when told nothing."""

from __future__ import annotations

import hashlib
import importlib
import json
import random
import re
from collections.abc import Mapping
from typing import Any

from ..types import Request
from .schema_check import MisfitError, checker, resolve

_WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbour", "island", "kelp", "lantern")
_FORMATS = {
    "date": "2024-07-26", "date-time": "2024-07-26T12:00:00Z", "time": "12:00:00Z", "duration": "PT1H",
    "email": "amber@example.org", "hostname": "example.org", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1",
    "uri": "https://example.org/", "uuid": "5f2c9a44-3f0e-4c55-9b8e-0b7f5a1c2d3e", "decimal": "12.5", "binary": "aGk=",
}  # fmt: skip
_DEEP = 6  # levels after which a recursive type ends where it may
_TRIES = 50


def example(request: Request) -> str | None:
    """The text of an answer; None where `request` wants no type, or one that no example is known of."""
    format = request.response_format
    if format is None:
        return None
    maker = random.Random(_seed(request))
    if format["type"] == "choices":
        return str(maker.choice(format["choices"]))
    if format["type"] == "regex":
        return matching(format["pattern"], maker)
    if format["type"] == "json_schema":
        return _json(format["schema"], maker)
    return "{}" if format["type"] == "json_object" else None


def _seed(request: Request) -> int:
    parts = json.dumps([request.messages, request.system, request.sample, request.seed], sort_keys=True, default=repr)
    return int.from_bytes(hashlib.sha256(parts.encode()).digest()[:8], "big")


def _json(schema: Mapping[str, Any], maker: random.Random) -> str:
    """The first of some instances that fits: constraints that no rule here knows are met by trying."""
    check = checker(schema)
    for _ in range(_TRIES):
        value = _Maker(schema, maker).make(schema)
        try:
            check(value)
        except MisfitError:
            continue
        break
    return json.dumps(value, ensure_ascii=False)


class _Maker:
    def __init__(self, root: Mapping[str, Any], random: random.Random) -> None:
        self._root, self._random = root, random

    def make(self, schema: Any, depth: int = 0) -> Any:
        if not isinstance(schema, Mapping) or not schema:
            return self._word()
        if "$ref" in schema:
            return self.make(resolve(self._root, schema["$ref"]), depth + 1)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._random.choice(list(schema["enum"]))
        for name in ("anyOf", "oneOf"):
            if name in schema:
                return self._one_of(schema[name], depth)
        if "allOf" in schema:
            merged: dict[str, Any] = {}
            for part in schema["allOf"]:
                merged.update(part)
            return self.make({**merged, **{key: part for key, part in schema.items() if key != "allOf"}}, depth)
        return self._of_type(schema, depth)

    def _one_of(self, parts: list[Any], depth: int) -> Any:
        if depth >= _DEEP and {"type": "null"} in parts:
            return None
        # a number or a text (as pydantic describes a decimal) is a number: not every text will do
        plain = ({"type": "null"}, {"type": "string"}) if {"type": "number"} in parts else ({"type": "null"},)
        return self.make(self._random.choice([part for part in parts if part not in plain] or parts), depth)

    def _of_type(self, schema: Mapping[str, Any], depth: int) -> Any:
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = next((one for one in kind if one != "null"), "null")
        return {
            "object": self._object, "array": self._array, "string": self._string, "integer": self._integer,
            "number": self._number, "boolean": lambda *_: self._random.random() < 0.5, "null": lambda *_: None,
        }[kind](schema, depth)  # fmt: skip

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        wanted = properties if depth < _DEEP else schema.get("required", ())
        found = {name: self.make(properties[name], depth + 1) for name in wanted if name in properties}
        more = schema.get("additionalProperties")
        if not properties and isinstance(more, Mapping):
            for word in self._random.sample(_WORDS, max(2, schema.get("minProperties", 0))):
                found[word] = self.make(more, depth + 1)
        return found

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        first = [self.make(part, depth + 1) for part in schema.get("prefixItems", ())]
        low = max(schema.get("minItems", 0), 0 if depth >= _DEEP else 1)
        count = self._random.randint(low, max(low, min(schema.get("maxItems", 3), low + 2)))
        if schema.get("items") is False or (depth >= _DEEP and not schema.get("minItems")):
            return first
        return [*first, *(self.make(schema.get("items"), depth + 1) for _ in range(count - len(first)))]

    def _string(self, schema: Mapping[str, Any], depth: int) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        if "pattern" in schema:
            return matching(schema["pattern"], self._random)
        text, low = self._word(), schema.get("minLength", 0)
        while len(text) < low:
            text += f" {self._word()}"
        return text[: schema.get("maxLength", len(text))]

    def _bounds(self, schema: Mapping[str, Any], span: int) -> tuple[float, float]:
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        high = schema.get("maximum", schema.get("exclusiveMaximum"))
        if low is None:
            low = 0 if high is None or high > 0 else high - span
        return low, low + span if high is None else high

    def _integer(self, schema: Mapping[str, Any], depth: int) -> int:
        step = max(1, int(schema.get("multipleOf", 1)))
        low, high = self._bounds(schema, 10 * step)
        return step * self._random.randint(-int(-low // step), max(-int(-low // step), int(high // step)))

    def _number(self, schema: Mapping[str, Any], depth: int) -> float:
        low, high = self._bounds(schema, 1)
        return round(self._random.uniform(low, high), 2) if high - low >= 0.1 else (low + high) / 2

    def _word(self) -> str:
        return self._random.choice(_WORDS)


# --- patterns ---------------------------------------------------------------------------------------------------------


def matching(pattern: str, maker: random.Random) -> str:
    """A text that matches `pattern` as a whole, for the patterns that are made of plain parts; else any word."""
    parser = importlib.import_module("re._parser")  # the parse tree that `re` itself compiles

    text = ""
    for _ in range(_TRIES):
        try:
            text = _from_tree(parser.parse(pattern), maker)
        except (NotImplementedError, re.error):
            break
        if re.fullmatch(pattern, text):
            return text
    return text or maker.choice(_WORDS)


def _from_tree(tree: Any, maker: random.Random) -> str:
    return "".join(_from_node(str(operation), value, maker) for operation, value in tree)


def _from_node(operation: str, value: Any, maker: random.Random) -> str:
    if operation == "LITERAL":
        return chr(value)
    if operation == "ANY":
        return maker.choice("abcdefgh")
    if operation == "NOT_LITERAL":
        return next(char for char in "abc" if ord(char) != value)
    if operation in ("AT", "ASSERT", "ASSERT_NOT"):
        return ""  # whether it holds is seen by trying
    if operation == "SUBPATTERN":
        return _from_tree(value[-1], maker)
    if operation == "BRANCH":
        return _from_tree(maker.choice(value[1]), maker)
    if operation in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        low, high, part = value
        return "".join(_from_tree(part, maker) for _ in range(maker.randint(low, min(int(high), low + 3))))
    if operation == "IN":
        return _from_set(value, maker)
    raise NotImplementedError(operation)


def _from_set(parts: Any, maker: random.Random) -> str:
    inside = re.compile(_as_class(parts))
    characters = [char for char in map(chr, range(32, 127)) if inside.fullmatch(char)]
    if not characters:
        raise NotImplementedError("a set without plain characters")
    return maker.choice(characters)


def _as_class(parts: Any) -> str:
    words = {"CATEGORY_DIGIT": r"\d", "CATEGORY_NOT_DIGIT": r"\D", "CATEGORY_SPACE": r"\s", "CATEGORY_NOT_SPACE": r"\S",
             "CATEGORY_WORD": r"\w", "CATEGORY_NOT_WORD": r"\W"}  # fmt: skip
    written = ""
    for operation, value in parts:
        kind = str(operation)
        if kind == "NEGATE":
            written += "^"
        elif kind == "LITERAL":
            written += re.escape(chr(value))
        elif kind == "RANGE":
            written += f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
        else:
            written += words[str(value)]
    return f"[{written}]"
