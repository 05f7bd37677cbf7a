"""Which part of JSON Schema each service decodes by. Sources: `docs/design/structured-output.md`."""

from __future__ import annotations

from dataclasses import dataclass, replace

_LENGTHS = frozenset({"minLength", "maxLength"})
_ITEMS = frozenset({"minItems", "maxItems"})
_NUMBERS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_RARE = frozenset({"uniqueItems", "not", "minProperties", "maxProperties", "propertyNames"})
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What one kind of model takes as the shape of an answer."""

    forms: frozenset[str] = frozenset(
        {"json_schema"}
    )  # of response_format: "json_schema", "json_object", "regex", "choices"
    object_root: bool = True  # a schema must be an object without alternatives
    closed: bool = False  # all properties are required, and no others are let in
    dropped: frozenset[str] = _RARE  # keywords that are said in words instead
    formats: frozenset[str] | None = None  # the formats of strings that are taken; None: any
    one_of: bool = True
    all_of: bool = True
    unions: bool = True
    tuples: bool = True
    recursive: bool = True
    constants: bool = True  # has "const"; else "enum" of one
    look_around: bool = False  # patterns may look around and back
    shown: bool = True  # the model sees the schema


STRICT = Dialect(  # OpenAI's strict mode, and who has taken it over
    closed=True,
    dropped=_RARE | _LENGTHS | {"default"},
    formats=_FORMATS,
    one_of=False,
    all_of=False,
    tuples=False,
)
ANTHROPIC = Dialect(
    closed=True,
    dropped=_RARE | _LENGTHS | _ITEMS | _NUMBERS | {"default"},
    formats=_FORMATS | {"uri"},
    one_of=False,
    all_of=False,
    tuples=False,
    recursive=False,
)
GEMINI = Dialect(
    dropped=_RARE | _LENGTHS | {"pattern", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "default"},
    formats=frozenset({"date-time", "date", "time"}),
    all_of=False,
    constants=False,
)
COHERE = Dialect(
    closed=True,
    dropped=_RARE | _LENGTHS | _ITEMS | _NUMBERS | {"pattern", "default"},
    formats=frozenset({"date-time", "uuid", "date", "time"}),
    one_of=False,
    all_of=False,
    unions=False,
    tuples=False,
    recursive=False,
    shown=False,
)
#: what takes a JSON Schema and says little about it: Groq, TGI, vLLM, llama.cpp, Ollama, LM Studio, …
ANY = Dialect(dropped=_RARE | {"default"}, shown=False)
FIREWORKS = replace(ANY, dropped=ANY.dropped | _LENGTHS | _ITEMS | {"pattern"}, one_of=False)
TOGETHER = replace(ANY, forms=frozenset({"json_schema", "regex"}))
#: a server of vLLM that is known to be one
VLLM = replace(ANY, forms=frozenset({"json_schema", "regex", "choices"}), object_root=False)
#: JSON, but of any shape
JSON_MODE = replace(ANY, forms=frozenset({"json_object"}))
#: llguidance, in this process
LLGUIDANCE = Dialect(
    forms=frozenset({"json_schema", "regex", "choices"}),
    object_root=False,
    dropped=_RARE - {"minProperties", "maxProperties"} | {"default"},
    formats=_FORMATS | {"uri"},
    shown=False,
)
#: a model that is handed everything as it is, and shown nothing: `FakeLLM`
EVERYTHING = Dialect(
    forms=frozenset({"json_schema", "regex", "choices"}),
    object_root=False,
    dropped=frozenset({"default"}),
    look_around=True,
)
