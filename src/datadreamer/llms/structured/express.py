"""An output type in the dialect of a model: the `response_format` of its requests.

Everything done here narrows what an answer may be, or leaves a check to us: what fits the result, and is checked by the
type itself, is always an answer that was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .dialects import Dialect
from .output_type import OutputType, type_of
from .regex import portable

ANSWER = "answer"  # the property that a value is wrapped in, where the root must be an object
_NEVER = ("$schema", "$id", "$comment", "$anchor", "examples", "discriminator", "readOnly", "writeOnly", "deprecated")


class InexpressibleError(Exception):
    """The dialect has no way to say this; the message says what."""


def express(wanted: OutputType, dialect: Dialect) -> tuple[dict[str, Any], bool]:
    """The `response_format`, and whether the value is wrapped in an object.

    Raises:
        InexpressibleError: an answer of this type has to be asked for in words.
    """
    if wanted.pattern is not None and not dialect.look_around and not portable(wanted.pattern):
        raise InexpressibleError(f"the pattern {wanted.pattern!r:.80} looks around or back")
    if wanted.pattern is not None and "regex" in dialect.forms:
        return {"type": "regex", "pattern": wanted.pattern}, False
    if wanted.kind == "choices" and "choices" in dialect.forms:
        return {"type": "choices", "choices": list(wanted.choices)}, False
    if "json_schema" not in dialect.forms:
        raise InexpressibleError("it takes no JSON Schema")
    if wanted.kind == "regex" and "pattern" in dialect.dropped:
        raise InexpressibleError("it takes no patterns")
    schema = _Writer(dialect).whole(wanted.schema)
    wrapped = dialect.object_root and not _is_object(schema)
    if wrapped:
        schema = _wrap(schema)
    return {"type": "json_schema", "name": wanted.name, "schema": schema}, wrapped


def _is_object(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "object" and "anyOf" not in schema and "$ref" not in schema


def _wrap(schema: dict[str, Any]) -> dict[str, Any]:
    definitions: dict[str, Any] = {name: schema.pop(name) for name in ("$defs", "definitions") if name in schema}
    inside = {"properties": {ANSWER: schema}, "required": [ANSWER], "additionalProperties": False}
    return {"type": "object", **inside, **definitions}


class _Writer:
    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def whole(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        written = self.write({name: part for name, part in schema.items() if name not in ("$defs", "definitions")})
        for group in ("$defs", "definitions"):
            if group in schema:
                written[group] = {name: self.write(part) for name, part in schema[group].items()}
        if ("$defs" in schema or "definitions" in schema) and not self._dialect.recursive:
            raise InexpressibleError("it takes no recursive types")
        return written

    def write(self, schema: Any) -> dict[str, Any]:
        if schema is True or not schema:
            self._refuse(self._dialect.closed, "it takes no value of any kind")
            return {}
        if not isinstance(schema, Mapping):
            raise InexpressibleError("it takes no schema that nothing fits")
        if "$ref" in schema:
            return {"$ref": schema["$ref"]}
        schema = self._merged(schema)
        if "type" not in schema and isinstance(schema.get("enum"), list):
            schema = {**type_of(schema["enum"]), **schema}
        found: dict[str, Any] = {}
        words: dict[str, Any] = {}
        for name, part in schema.items():
            if name in _NEVER:
                continue
            if self._is_dropped(name, part):
                words[name] = part
            else:
                self._keyword(name, part, schema, found)
        if found.get("type") == "object":
            self._close(schema, found)
        words.pop("default", None)
        if words:
            found["description"] = _described(schema.get("description"), words)
        return found

    def _is_dropped(self, name: str, part: Any) -> bool:
        dialect = self._dialect
        if name == "format":
            return dialect.formats is not None and part not in dialect.formats
        if name == "minItems" and part in (0, 1):
            return False
        return name in dialect.dropped or (name == "pattern" and not dialect.look_around and not portable(part))

    def _keyword(self, name: str, part: Any, schema: Mapping[str, Any], found: dict[str, Any]) -> None:
        dialect = self._dialect
        if name == "const" and not dialect.constants:
            found["enum"] = [part]
        elif name in ("anyOf", "oneOf"):
            self._refuse(not dialect.unions, "it takes no alternatives")
            found["anyOf" if not dialect.one_of else name] = [self.write(one) for one in part]
        elif name in ("properties", "patternProperties"):
            self._refuse(name == "patternProperties" and dialect.closed, "it takes no dictionary of any keys")
            found[name] = {key: self.write(one) for key, one in part.items()}
        elif name == "additionalProperties":
            self._additional(part, schema, found)
        elif name == "prefixItems":
            self._refuse(not dialect.tuples, "it takes no tuples")
            found[name] = [self.write(one) for one in part]
        elif name in ("items", "propertyNames", "not") and isinstance(part, Mapping):
            found[name] = self.write(part)
        elif name == "type" and isinstance(part, list):
            self._refuse(not dialect.unions, "it takes no alternatives")
            found[name] = part
        else:
            found[name] = list(part) if isinstance(part, list) else part
        if name == "type" and part == "array" and not schema.get("items") and "prefixItems" not in schema:
            self._refuse(dialect.closed, "it takes no list of any kind")

    def _close(self, schema: Mapping[str, Any], found: dict[str, Any]) -> None:
        closed, properties = self._dialect.closed, schema.get("properties")
        if closed and not properties and schema.get("additionalProperties") is not False:
            raise InexpressibleError("it takes no dictionary of any keys")
        if properties and (closed or not {"additionalProperties", "patternProperties"} & schema.keys()):
            found["additionalProperties"] = False
        if properties and closed:
            found["required"] = list(properties)

    def _additional(self, part: Any, schema: Mapping[str, Any], found: dict[str, Any]) -> None:
        if part is False or (self._dialect.closed and schema.get("properties")):
            found["additionalProperties"] = False
            return
        self._refuse(self._dialect.closed, "it takes no dictionary of any keys")
        found["additionalProperties"] = self.write(part) if isinstance(part, Mapping) else part

    def _merged(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        parts = schema.get("allOf")
        if parts and len(parts) == 1 and isinstance(parts[0], Mapping):
            return {**parts[0], **{name: part for name, part in schema.items() if name != "allOf"}}
        self._refuse(bool(parts) and not self._dialect.all_of, "it takes no 'allOf'")
        if parts:
            return {**schema, "allOf": [self.write(part) for part in parts]}
        if self._dialect.closed and schema.get("properties") and "type" not in schema:
            return {"type": "object", **schema}
        return schema

    def _refuse(self, when: bool, why: str) -> None:
        if when:
            raise InexpressibleError(why)


def _described(description: Any, words: Mapping[str, Any]) -> str:
    said = ", ".join(f"{name}: {json.dumps(part, ensure_ascii=False)}" for name, part in words.items())
    return f"{description} ({said})" if description else f"({said})"
