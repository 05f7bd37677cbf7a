"""What `output_type=` was given, as one kind of object: its JSON Schema, how JSON becomes a value, its identity."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

import msgspec

from ...errors import InvalidArgumentError, InvalidTypeError
from .checks import validators
from .inline import inlined
from .regex import Regex, bare

Kind = Literal["json", "choices", "regex", "text"]
_SCALARS = (str, int, float, bool, NoneType)


@dataclass(frozen=True, slots=True, eq=False)
class OutputType:
    """A type that answers have. Made by `output_type()`."""

    kind: Kind
    schema: dict[str, Any]  # of a value, references put in their places unless the type is recursive
    name: str  # for services that want one: letters, digits, "_" and "-"
    decode: Callable[[bytes], Any]  # JSON to a checked value; raises ValueError
    dump: Callable[[Any], Any]  # a value to plain data, as JSON has it
    choices: Mapping[str, Any] = field(default_factory=dict)  # what is written, to the value
    pattern: str | None = None
    validators: Sequence[Any] = ()  # code that decides beside the schema

    def identity(self) -> dict[str, Any]:
        """What counts of it in the fingerprint of a step."""
        counted: dict[str, Any] = {"kind": self.kind, "schema": self.schema}
        return {**counted, "validators": list(self.validators)} if self.validators else counted


def output_type(given: Any) -> OutputType:
    """The output type that `given` stands for (`docs/design/structured-output.md` has the table).

    Raises:
        InvalidTypeError: nothing that can be read from an answer.
        InvalidArgumentError: a schema, a pattern or choices that cannot be checked.
    """
    if isinstance(given, OutputType):
        return given
    if isinstance(given, Mapping):
        return _of_schema(_plain_json(given))
    if isinstance(given, re.Pattern):
        return _of_pattern(Regex.of(given))
    if isinstance(given, Regex):
        return _of_pattern(given)
    if isinstance(given, list | tuple):
        return _of_choices({_label(choice): choice for choice in given}, list(given), "choices")
    try:
        return _of_type(given)
    except TypeError as error:
        if isinstance(error, InvalidTypeError) or "unhashable" not in str(error):
            raise
        return _of_type.__wrapped__(given)


# --- kinds ------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _of_type(given: Any) -> OutputType:
    if given is str:
        return OutputType("text", {"type": "string"}, "text", _any_json, _same)
    if given is bool:
        found = _of_choices({"true": True, "false": False}, [True, False], "answer")
        return _replaced(found, schema={"type": "boolean"})
    if isinstance(given, type) and issubclass(given, Enum):
        members = {_label(member.value): member for member in given}
        return _of_choices(members, list(given), given.__name__, given)
    if get_origin(given) is Literal:
        return _of_choices({_label(value): value for value in get_args(given)}, list(get_args(given)), "answer")
    if given is Any or given is object or not _is_type(given):
        raise _unreadable(given)
    return _with_pydantic(given) if needs_pydantic(given) else _with_msgspec(given)


def _with_pydantic(given: Any) -> OutputType:
    from pydantic import TypeAdapter, ValidationError

    try:
        adapter = TypeAdapter(given)
        schema = adapter.json_schema()
    except Exception as error:  # pydantic has many for a type without a schema
        raise _unreadable(given, str(error).partition("\n")[0]) from None

    def decode(data: bytes) -> Any:
        try:
            return adapter.validate_json(data)
        except ValidationError as error:
            raise ValueError(_in_words(error)) from None

    def dump(value: Any) -> Any:
        return adapter.dump_python(value, mode="json", by_alias=True)

    return OutputType("json", inlined(schema), _name(given), decode, dump, validators=validators(given))


def _in_words(error: Any) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    said = [f"{'.'.join(map(str, one['loc'])) or 'the answer'}: {one['msg']}" for one in found[:3]]
    return "; ".join(said) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")


def _with_msgspec(given: Any) -> OutputType:
    try:
        schema = _in_written_order(given, msgspec.json.schema(given))
        decode = msgspec.json.Decoder(given).decode
    except (TypeError, RuntimeError) as error:
        raise _unreadable(given, str(error).partition("\n")[0]) from None
    return OutputType("json", inlined(schema), _name(given), decode, msgspec.to_builtins, validators=validators(given))


def _in_written_order(given: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """The fields of a TypedDict as they were written: msgspec sorts them, and a model writes them in this order."""
    orders = {kind.__name__: list(kind.__annotations__) for kind in _parts(given) if is_typeddict(kind)}
    for name, part in schema.get("$defs", {}).items():
        if name in orders and set(part.get("properties", ())) == set(orders[name]):
            part["properties"] = {field: part["properties"][field] for field in orders[name]}
            part["required"] = [field for field in orders[name] if field in part.get("required", ())]
    return schema


@lru_cache(maxsize=256)
def _of_schema(text: bytes) -> OutputType:
    from .schema_check import checker

    given: dict[str, Any] = msgspec.json.decode(text)
    inner = given.get("json_schema")
    if given.get("type") == "json_schema" and isinstance(inner, Mapping):  # the form that OpenAI documents
        given = {**inner.get("schema", {}), "title": inner.get("name", "answer")}
    check = checker(given)

    def decode(data: bytes) -> Any:
        value = msgspec.json.decode(data)
        check(value)
        return value

    return OutputType("json", inlined(given), _safe(str(given.get("title", "answer"))), decode, _same)


def _of_pattern(given: Regex) -> OutputType:
    pattern = bare(given.pattern)
    return OutputType("regex", {"type": "string", "pattern": f"^(?:{pattern})$"}, "answer", _any_json, _same,
                      pattern=pattern)  # fmt: skip


def _of_choices(choices: Mapping[str, Any], values: list[Any], name: str, given: Any = None) -> OutputType:
    plain = [_plain_value(value) for value in values]
    if not choices:
        raise InvalidArgumentError("output_type has no choices. Give at least one.")
    for value in plain:
        if not isinstance(value, _SCALARS) or value == "":
            raise InvalidTypeError(
                f"output_type: a choice is a text, a number, a bool or None, not {value!r:.80}. "
                "For a list of something write list[...]."
            )
    read_alike = len(choices) - len({normal(label) for label in choices})
    if read_alike or len(choices) != len(values):
        raise InvalidArgumentError(
            f"output_type: two choices read alike: {', '.join(map(repr, plain))}. Case, blanks and punctuation at the "
            "ends do not count when an answer is compared with them. Give each choice another word."
        )

    def decode(data: bytes) -> Any:
        found = msgspec.json.decode(data)
        for value, one in zip(values, plain, strict=True):
            if one == found and isinstance(one, bool) == isinstance(found, bool):
                return value
        raise ValueError(f"it must be one of {', '.join(map(_label, plain))}, not {found!r:.80}")

    described = {"description": given.__doc__} if given is not None and _own_words(given) else {}
    return OutputType(
        "choices", {**type_of(plain), "enum": plain, **described}, _safe(name), decode, _plain_value, choices=choices
    )


# --- small things -----------------------------------------------------------------------------------------------------


def normal(label: str) -> str:
    """A choice as answers are compared with it: without case, and without blanks and punctuation around it."""
    return re.sub(r"^[\W_]+|[\W_]+$", "", label).casefold() or label.strip()


def type_of(values: Sequence[Any]) -> dict[str, Any]:
    """The keyword `type` for an enumeration, where its values have one in common."""
    names = {str: "string", bool: "boolean", int: "integer", float: "number", NoneType: "null"}
    found = {names.get(type(value)) for value in values}
    return {"type": found.pop()} if len(found) == 1 and None not in found else {}


def needs_pydantic(given: Any) -> bool:
    """Whether a type has a part that pydantic alone can read: a model, or its constraints."""
    return any(_is_pydantic(part) for part in _parts(given))


def _is_pydantic(part: Any) -> bool:
    marks = getattr(part, "__metadata__", ())
    if any(type(mark).__module__.partition(".")[0] in ("pydantic", "annotated_types") for mark in marks):
        return True
    return hasattr(part, "__pydantic_core_schema__") or hasattr(part, "__pydantic_fields__")


def _parts(kind: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """A type and everything it is made of."""
    seen = set() if seen is None else seen
    if id(kind) in seen:
        return
    seen.add(id(kind))
    yield kind
    parts = list(get_args(kind))
    if isinstance(kind, type) and not parts:
        try:
            parts += get_type_hints(kind, include_extras=True).values()
        except Exception:  # names that cannot be seen from here
            parts += getattr(kind, "__annotations__", {}).values()
    for part in parts:
        yield from _parts(part, seen)


def _is_type(given: Any) -> bool:
    return isinstance(given, type) or get_origin(given) is not None or hasattr(given, "__supertype__")


def _unreadable(given: Any, why: str = "") -> InvalidTypeError:
    return InvalidTypeError(
        "output_type takes a pydantic model, a dataclass, a TypedDict or a Struct, a type such as int or list[str], a "
        f"Literal or an Enum, a list of choices, a JSON Schema or a Regex, not {given!r:.120}. {why}".rstrip()
    )


def _name(given: Any) -> str:
    return _safe(given.__name__ if isinstance(given, type) and not get_args(given) else "answer")


def _safe(name: str) -> str:
    from ..schema import safe_name

    return safe_name(name)


def _label(value: Any) -> str:
    value = _plain_value(value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _plain_value(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _plain_json(given: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(given)
    except (TypeError, msgspec.MsgspecError) as error:
        raise InvalidTypeError(
            f"output_type: a JSON Schema is plain JSON, and {given!r:.80} is not ({error})."
        ) from None


def _own_words(given: type) -> bool:
    return bool(given.__doc__) and given.__doc__ not in (Enum.__doc__, "An enumeration.")


def _any_json(data: bytes) -> Any:
    value = msgspec.json.decode(data)
    if not isinstance(value, str):
        raise ValueError(f"it must be a text, not {value!r:.80}")
    return value


def _same(value: Any) -> Any:
    return value


def _replaced(found: OutputType, **changes: Any) -> OutputType:
    from dataclasses import replace

    return replace(found, **changes)
