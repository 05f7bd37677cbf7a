"""Schemas in the dialects of services: what fits what is sent fits what was asked for; and the checker by itself."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_provider_contract import KEY, NAMES, made

from datadreamer import _context
from datadreamer.ledger import Ledger
from datadreamer.llms import FakeLLM, OpenAI, Regex
from datadreamer.llms.recorded import RecordedLLM
from datadreamer.llms.structured import dialects
from datadreamer.llms.structured.example import _Maker
from datadreamer.llms.structured.express import ANSWER, InexpressibleError, express
from datadreamer.llms.structured.output_type import output_type
from datadreamer.llms.structured.recorded import dialect_of
from datadreamer.llms.structured.regex import portable
from datadreamer.llms.structured.schema_check import MisfitError, checker

DIALECTS = {name: value for name, value in vars(dialects).items() if isinstance(value, dialects.Dialect)}

# --- any schema, in any dialect ---------------------------------------------------------------------------------------

LEAVES: Any = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer"},
        {"type": "number"},
        {"type": "boolean"},
        {"type": "null"},
        {"enum": ["a", "b"]},
        {"const": 3},
        {"type": ["string", "null"]},
    ]
)


def larger(inner: Any) -> Any:
    names = st.sampled_from(["a", "b", "c"])
    objects = st.dictionaries(names, inner, min_size=1, max_size=3).flatmap(
        lambda properties: st.sampled_from(
            [
                {"type": "object", "properties": properties},
                {"type": "object", "properties": properties, "required": list(properties)[:1]},
                {"type": "object", "properties": properties, "additionalProperties": False},
                {"properties": properties, "additionalProperties": {"type": "integer"}},
            ]
        )
    )
    return st.one_of(
        objects,
        inner.map(lambda item: {"type": "array", "items": item}),
        st.lists(inner, min_size=1, max_size=2).map(lambda parts: {"anyOf": parts}),
        inner.map(lambda values: {"type": "object", "additionalProperties": values}),
    )


SCHEMAS = st.recursive(LEAVES, larger, max_leaves=8)


def parts_of(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for name, part in schema.items():
            if name in ("properties", "$defs"):
                for one in part.values():
                    yield from parts_of(one)
            elif name not in ("enum", "const", "required"):
                yield from parts_of(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from parts_of(part)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SCHEMAS, st.integers(0, 1000))
def test_what_fits_the_schema_that_is_sent_fits_the_one_that_was_asked_for(schema: Any, seed: int) -> None:
    wanted = output_type(schema)
    for name, dialect in DIALECTS.items():
        try:
            format, wrapped = express(wanted, dialect)
        except InexpressibleError:
            continue
        sent = format["schema"]
        value = _Maker(sent, random.Random(seed)).make(sent)
        checker(sent)(value)
        checker(schema)(value[ANSWER] if wrapped else value)
        for part in parts_of(sent):
            assert not dialect.dropped & part.keys(), (name, part)
            if dialect.closed and "properties" in part:
                assert part["additionalProperties"] is False and part["required"] == list(part["properties"])
            if not dialect.one_of:
                assert "oneOf" not in part
        if dialect.object_root:
            assert sent["type"] == "object" and "anyOf" not in sent


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]
    lives: Annotated[int, pydantic.Field(ge=1, le=9)]


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Home(pydantic.BaseModel):
    pet: Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]


def test_a_choice_of_models_is_an_any_of_without_references() -> None:
    format, _ = express(output_type(Home), dialects.STRICT)
    pet = format["schema"]["properties"]["pet"]
    assert set(pet) >= {"anyOf"} and "discriminator" not in pet and "oneOf" not in pet
    assert [part["properties"]["kind"]["const"] for part in pet["anyOf"]] == ["cat", "dog"]
    assert "$ref" not in str(format) and "$defs" not in str(format)


@pytest.mark.parametrize(
    ("pattern", "yes"),
    [
        (r"\d+", True), (r"[a+]+", True), (r"\\b", True), ("(?i:a)", True), ("(?P<x>a)", True), ("a{2,3}?", True),
        ("a(?=b)", False), ("a(?!b)", False), ("(?<=a)b", False), (r"(a)\1", False), (r"\bword", False), ("a++", False),
        (r"(?P<q>a)(?P=q)", False), ("(?>a)", False), (r"\Aa\Z", False),
    ],
)  # fmt: skip
def test_patterns_that_need_backtracking_are_known(pattern: str, yes: bool) -> None:
    assert portable(pattern) is yes


# --- the checker ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "integer"}, [1, 2.0], [1.5, True, "1", None]),
        ({"type": "number"}, [1, 1.5], [True, "1"]),
        ({"type": ["string", "null"]}, ["a", None], [1]),
        ({"type": "string", "nullable": True}, ["a", None], [1]),
        ({"enum": [1, "a", None]}, [1, "a", None], [True, 2]),
        ({"const": False}, [False], [0, None]),
        ({"minimum": 1, "exclusiveMaximum": 3}, [1, 2.9, "x"], [0, 3]),
        ({"multipleOf": 0.5}, [1.5], [1.3]),
        ({"minLength": 2, "maxLength": 3}, ["ab", 1], ["a", "abcd"]),
        ({"pattern": "^a"}, ["ab", 1], ["ba"]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2}, [[1]], [[], [1, 2, 3], ["a"]]),
        ({"prefixItems": [{"type": "string"}], "items": False}, [["a"], []], [[1], ["a", 1]]),
        ({"uniqueItems": True}, [[1, True], [1, 2]], [[1, 1], [{"a": 1}, {"a": 1}]]),
        ({"required": ["a"]}, [{"a": 1}, 3], [{}]),
        ({"properties": {"a": {"type": "integer"}}, "additionalProperties": False}, [{}, {"a": 1}], [{"b": 1}]),
        ({"additionalProperties": {"type": "integer"}}, [{"x": 1}], [{"x": "1"}]),
        ({"patternProperties": {"^n": {"type": "integer"}}}, [{"n1": 1, "x": "a"}], [{"n1": "a"}]),
        ({"propertyNames": {"maxLength": 1}}, [{"a": 1}], [{"ab": 1}]),
        ({"minProperties": 1, "maxProperties": 1}, [{"a": 1}], [{}, {"a": 1, "b": 2}]),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, [1, "a"], [None]),
        ({"oneOf": [{"type": "integer"}, {"minimum": 3}]}, [1, 3.5], [5, 2.5]),
        ({"allOf": [{"type": "integer"}, {"minimum": 3}]}, [3], [2, 3.5]),
        ({"not": {"type": "string"}}, [1], ["a"]),
        ({"$ref": "#/$defs/N", "$defs": {"N": {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}},
                                               "additionalProperties": False}}}, [{"n": {"n": {}}}], [{"n": {"m": 1}}]),
        (True, [1, None], []),
        (False, [], [1]),
    ],
)  # fmt: skip
def test_every_keyword_is_checked(schema: Any, good: list[Any], bad: list[Any]) -> None:
    check = checker(schema)
    for value in good:
        check(value)
    for value in bad:
        with pytest.raises(MisfitError):
            check(value)


# --- recordings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_dialect_of_a_service_follows_from_its_spec(name: str) -> None:
    assert dialect_of(made(name).spec()) == made(name).output_dialect


def test_the_dialect_of_other_models_follows_from_their_spec() -> None:
    for llm in (OpenAI("gpt-4o", api_key=KEY), OpenAI("m", base_url="http://localhost:1/v1"), FakeLLM()):
        assert dialect_of(llm.spec()) == llm.output_dialect


def test_a_recording_answers_typed_questions(tmp_path: Path) -> None:
    with _context.running(_context.StepScope("Ask", "ddw1:0", Ledger.open(tmp_path / "ledger.sqlite"))) as _:
        values = FakeLLM().run(["a", "b"], output_type=Home)
        chosen = FakeLLM().run(["a"], output_type=Regex("[ab]{3}"))
        _context.scope().ledger.flush()  # type: ignore[union-attr]
    recorded = RecordedLLM(tmp_path)
    assert recorded.run(["a", "b"], output_type=Home) == values
    assert recorded.run(["a"], output_type=Regex("[ab]{3}")) == chosen
