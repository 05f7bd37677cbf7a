"""Values checked against a JSON Schema that was given as one. Compiled once; every keyword is checked or refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...errors import InvalidArgumentError, nearest

Check = Callable[[Any, str], None]

_SILENT = frozenset(
    {
        "$anchor", "$comment", "$defs", "$id", "$schema", "contentEncoding", "contentMediaType", "default",
        "definitions", "deprecated", "description", "discriminator", "example", "examples", "format", "nullable",
        "propertyOrdering", "readOnly", "title", "writeOnly",
    }
)  # fmt: skip


class MisfitError(ValueError):
    """A value does not fit its schema."""


def checker(schema: Any) -> Callable[[Any], None]:
    """A function that raises `MisfitError` for a value that does not fit `schema`.

    Raises:
        InvalidArgumentError: the schema has a keyword, or a reference, that cannot be checked.
    """
    check = _Compiler(schema).compile(schema, "the schema")
    return lambda value: check(value, "")


class _Compiler:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._references: dict[str, list[Check]] = {}

    def compile(self, schema: Any, where: str) -> Check:
        if schema is True:
            return lambda value, path: None
        if schema is False:
            return _never
        if not isinstance(schema, Mapping):
            raise InvalidArgumentError(f"{where} of output_type is no JSON Schema: {schema!r:.80}.")
        checks = [self._keyword(name, schema, where) for name in schema if name not in _SILENT]
        found = [check for check in checks if check is not None]
        if len(found) == 1:
            return found[0]

        def all_of(value: Any, path: str) -> None:
            for check in found:
                check(value, path)

        return all_of

    def _keyword(self, name: str, schema: Mapping[str, Any], where: str) -> Check | None:
        given = schema[name]
        if name in _BOUNDS:
            return _bound(name, given)
        maker = getattr(self, f"_{_MAKERS.get(name, '')}", None)
        if maker is None:
            known = {*_BOUNDS, *_MAKERS}
            raise InvalidArgumentError(
                f"output_type: the keyword '{name}' of JSON Schema (in {where}) is not checked here, so it is refused. "
                f"{nearest(name, known)}"
            )
        check: Check = maker(given, schema, where)
        return check

    def _type(self, given: Any, schema: Mapping[str, Any], where: str) -> Check:
        names = [given] if isinstance(given, str) else list(given)
        for name in names:
            if name not in _TYPES:
                raise InvalidArgumentError(f"output_type: type {name!r} in {where}. {nearest(str(name), _TYPES)}")
        if schema.get("nullable") is True:
            names.append("null")
        tests = [_TYPES[name] for name in names]

        def check(value: Any, path: str) -> None:
            if not any(test(value) for test in tests):
                raise MisfitError(f"{_at(path)} must be {' or '.join(names)}, not {_shown(value)}")

        return check

    def _enum(self, given: Any, schema: Mapping[str, Any], where: str) -> Check:
        def check(value: Any, path: str) -> None:
            if not any(_same(value, one) for one in given):
                raise MisfitError(f"{_at(path)} must be one of {_shown(list(given))}, not {_shown(value)}")

        return check

    def _const(self, given: Any, schema: Mapping[str, Any], where: str) -> Check:
        return self._enum([given], schema, where)

    def _object(self, given: Any, schema: Mapping[str, Any], where: str) -> Check:
        properties = {
            name: self.compile(part, f"{where}.{name}") for name, part in schema.get("properties", {}).items()
        }
        patterns = [
            (re.compile(pattern), self.compile(part, f"{where}./{pattern}/"))
            for pattern, part in schema.get("patternProperties", {}).items()
        ]
        others = self.compile(schema.get("additionalProperties", True), f"{where}.*")
        required: Sequence[str] = schema.get("required", ())

        def check(value: Any, path: str) -> None:
            if not isinstance(value, dict):
                return
            for name in required:
                if name not in value:
                    raise MisfitError(f"{_at(path)} has no '{name}'")
            for name, item in value.items():
                inner, known = f"{path}.{name}", name in properties
                if known:
                    properties[name](item, inner)
                for pattern, part in patterns:
                    if pattern.search(name):
                        known = True
                        part(item, inner)
                if not known:
                    others(item, inner)

        return check

    def _names(self, given: Any, schema: Mapping[str, Any], where: str) -> Check:
        part = self.compile(given, f"{where} (names)")

        def check(value: Any, path: str) -> None:
            for name in value if isinstance(value, dict) else ():
                part(name, f"{path}.{name}")

        return check

    def _array(self, given: Any, schema: Mapping[str, Any], where: str) -> Check:
        first = [self.compile(part, f"{where}[{place}]") for place, part in enumerate(schema.get("prefixItems", ()))]
        rest = self.compile(schema.get("items", True), f"{where}[]")

        def check(value: Any, path: str) -> None:
            for place, item in enumerate(value if isinstance(value, list) else ()):
                (first[place] if place < len(first) else rest)(item, f"{path}[{place}]")

        return check

    def _unique(self, given: Any, schema: Mapping[str, Any], where: str) -> Check:
        def check(value: Any, path: str) -> None:
            if given and isinstance(value, list):
                for place, item in enumerate(value):
                    if any(_same(item, other) for other in value[:place]):
                        raise MisfitError(f"{_at(path)} has {_shown(item)} twice")

        return check

    def _pattern(self, given: Any, schema: Mapping[str, Any], where: str) -> Check:
        try:
            pattern = re.compile(given)
        except (re.error, TypeError) as error:
            raise InvalidArgumentError(
                f"output_type: the pattern {given!r:.80} in {where} does not compile: {error}."
            ) from None

        def check(value: Any, path: str) -> None:
            if isinstance(value, str) and not pattern.search(value):
                raise MisfitError(f"{_at(path)} must match {given}, and {_shown(value)} does not")

        return check

    def _any(self, given: Any, schema: Mapping[str, Any], where: str) -> Check:
        parts = [self.compile(part, where) for part in given]

        def check(value: Any, path: str) -> None:
            errors = [error for part in parts if (error := _error(part, value, path)) is not None]
            if len(errors) == len(parts):
                raise MisfitError("; or ".join(dict.fromkeys(map(str, errors))))

        return check

    def _one(self, given: Any, schema: Mapping[str, Any], where: str) -> Check:
        parts = [self.compile(part, where) for part in given]

        def check(value: Any, path: str) -> None:
            errors = [error for part in parts if (error := _error(part, value, path)) is not None]
            fitting = len(parts) - len(errors)
            if fitting == 0:
                raise MisfitError("; or ".join(dict.fromkeys(map(str, errors))))
            if fitting > 1:
                raise MisfitError(f"{_at(path)} fits {fitting} of the alternatives, and must fit one")

        return check

    def _all(self, given: Any, schema: Mapping[str, Any], where: str) -> Check:
        parts = [self.compile(part, where) for part in given]

        def check(value: Any, path: str) -> None:
            for part in parts:
                part(value, path)

        return check

    def _not(self, given: Any, schema: Mapping[str, Any], where: str) -> Check:
        part = self.compile(given, where)

        def check(value: Any, path: str) -> None:
            if _error(part, value, path) is None:
                raise MisfitError(f"{_at(path)} must not be {_shown(value)}")

        return check

    def _ref(self, given: Any, schema: Mapping[str, Any], where: str) -> Check:
        known = self._references.get(given)
        if known is None:
            known = self._references[given] = []  # a recursive type meets itself here, before it is compiled
            known.append(self.compile(resolve(self._root, given), where))
        return lambda value, path: known[0](value, path)


def resolve(root: Any, reference: Any) -> Any:
    """What `reference` ("#", "#/$defs/Name") stands for in `root`.

    Raises:
        InvalidArgumentError: it points outside the schema, or at nothing.
    """
    found = root
    if not isinstance(reference, str) or not reference.startswith("#"):
        raise InvalidArgumentError(f"output_type: the reference {reference!r} leaves the schema. Put it under '$defs'.")
    for step in reference[1:].split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, Mapping) or name not in found:
            raise InvalidArgumentError(f"output_type: the reference {reference!r} points at nothing in the schema.")
        found = found[name]
    return found


_MAKERS = {
    "type": "type", "enum": "enum", "const": "const", "properties": "object", "items": "array", "uniqueItems": "unique",
    "pattern": "pattern", "anyOf": "any", "oneOf": "one", "allOf": "all", "not": "not", "$ref": "ref",
    "propertyNames": "names", "additionalProperties": "object", "required": "object", "patternProperties": "object",
    "prefixItems": "array",
}  # fmt: skip


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: _number(value) and value == value // 1,
    "number": _number,
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
}
# keyword: the kind of value it bounds, what is measured, whether it fits, how a message says it
_BOUNDS: dict[str, tuple[Callable[[Any], bool], Callable[[Any], Any], Callable[[Any, Any], bool], str]] = {
    "minimum": (_number, lambda v: v, lambda v, b: v >= b, "at least {}"),
    "maximum": (_number, lambda v: v, lambda v, b: v <= b, "at most {}"),
    "exclusiveMinimum": (_number, lambda v: v, lambda v, b: v > b, "more than {}"),
    "exclusiveMaximum": (_number, lambda v: v, lambda v, b: v < b, "less than {}"),
    "multipleOf": (_number, lambda v: v, lambda v, b: (v / b).is_integer(), "a multiple of {}"),
    "minLength": (_TYPES["string"], len, lambda v, b: v >= b, "at least {} characters long"),
    "maxLength": (_TYPES["string"], len, lambda v, b: v <= b, "at most {} characters long"),
    "minItems": (_TYPES["array"], len, lambda v, b: v >= b, "a list of at least {}"),
    "maxItems": (_TYPES["array"], len, lambda v, b: v <= b, "a list of at most {}"),
    "minProperties": (_TYPES["object"], len, lambda v, b: v >= b, "an object of at least {} properties"),
    "maxProperties": (_TYPES["object"], len, lambda v, b: v <= b, "an object of at most {} properties"),
}


def _bound(name: str, bound: Any) -> Check:
    concerns, measure, fits, said = _BOUNDS[name]

    def check(value: Any, path: str) -> None:
        if concerns(value) and not fits(measure(value), bound):
            raise MisfitError(f"{_at(path)} must be {said.format(bound)}, and is {_shown(value)}")

    return check


def _never(value: Any, path: str) -> None:
    raise MisfitError(f"{_at(path)} must not be there")


def _error(check: Check, value: Any, path: str) -> MisfitError | None:
    try:
        check(value, path)
    except MisfitError as error:
        return error
    return None


def _same(a: Any, b: Any) -> bool:
    """Equality as JSON has it: true is not 1."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def _at(path: str) -> str:
    return f"'{path.lstrip('.')}'" if path else "the answer"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
