"""Where in a text a value is found, and what is told of a text that has none."""

from __future__ import annotations

import dataclasses
import enum
import re
from typing import Any, Literal, TypedDict

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datadreamer.errors import InvalidArgumentError, InvalidTypeError
from datadreamer.llms import Regex
from datadreamer.llms.structured.output_type import output_type
from datadreamer.llms.structured.reading import UnreadableError, read


class Model(pydantic.BaseModel):
    x: int


@dataclasses.dataclass
class Data:
    x: int


class Typed(TypedDict):
    x: int


class Struct(msgspec.Struct):
    x: int


class Colour(enum.Enum):
    RED = "red"
    DARK_RED = "dark red"


SCHEMA = {"type": "object", "properties": {"x": {"type": "integer", "minimum": 1}}, "required": ["x"]}


@pytest.mark.parametrize(
    ("kind", "value"),
    [(Model, Model(x=3)), (Data, Data(3)), (Typed, {"x": 3}), (Struct, Struct(3)), (SCHEMA, {"x": 3})],
    ids=["pydantic", "dataclass", "TypedDict", "Struct", "schema"],
)
@pytest.mark.parametrize(
    "text",
    [
        '{"x": 3}',
        '  \n{"x":3}\n',
        'Sure! Here it is:\n```json\n{"x": 3}\n```\nAnything else?',
        '```\n{"x": 3}\n```',
        'The answer is {"x": 3}.',
        'First {"x": "no"}, or rather {"x": 3}',
        '<think>maybe {"x": 1}?</think>\n{"x": 3}',
        '[1, 2] and then {"x": 3} and {not json}',
        "{{{{ [ " + '{"x": 3}',
    ],
)
def test_an_object_is_found_wherever_it_stands(kind: Any, value: Any, text: str) -> None:
    assert read(output_type(kind), text) == value


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (int, "42", 42),
        (int, "The answer is 42.", 42),
        (int, "It is -7, so -7.", -7),
        (float, "about 0.5 I think", 0.5),
        (float, "3", 3.0),
        (list[str], 'Of course: ["a", "b"]', ["a", "b"]),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (bool, "True", True),
        (bool, "No.", False),
        (bool, '"false"', False),
        (str, "  any text \n", "any text"),
        (int | None, "null", None),
        (["good", "not good"], "**Not good**", "not good"),
        (["good", "not good"], "I would say: not good!", "not good"),
        (["1", "2"], "2.", "2"),
        ([1, 2], "2", 2),
        (Literal["a", "b"], "Answer: B", "b"),
        (Colour, "dark red", Colour.DARK_RED),
        (Colour, "It is dark red", Colour.DARK_RED),
        (Regex(r"\d{3}-\d{4}"), " 555-1234 \n", "555-1234"),
        (Regex(r"^\d+$"), "```\n12\n```", "12"),
        (re.compile("[a-z]+", re.IGNORECASE), "ABC", "ABC"),
    ],
)
def test_a_value_is_read(kind: Any, text: str, value: Any) -> None:
    found = read(output_type(kind), text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (Model, "nothing here", "it is no JSON, and has none in it"),
        (Model, "", "it is empty"),
        (Model, '{"x": "three"}', "x: Input should be a valid integer"),
        (Struct, '{"x": 1.5}', "Expected `int`, got `float` - at `$.x`"),
        (SCHEMA, '{"x": 0}', "'x' must be at least 1, and is 0"),
        (SCHEMA, "{}", "the answer has no 'x'"),
        (int, "12 or 13", "it is no JSON"),
        (int, "1.5 metres", "Expected `int`"),
        (int, "1,000", "it is no JSON"),
        (int, str(2**63), "more than 64 bits"),
        (float, "NaN", "it is no JSON"),
        (list[int], f"[{2**70}]", "more than 64 bits"),
        (["a", "b"], "a or b", "it must be one of 'a', 'b'"),
        (["good", "not good"], "bad", "it must be one of"),
        (Colour, "blue", "it must be one of 'red', 'dark red'"),
        (Regex(r"\d+"), "12 apples", "does not match '\\\\d+' as a whole"),
        (Model, "[" * 100_000, "it is no JSON"),
        (Model, '{"x": ' * 5_000, "it is no JSON"),
    ],
)
def test_what_is_no_value_is_told_in_one_sentence(kind: Any, text: str, said: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        read(output_type(kind), text)
    assert said in str(caught.value)


def test_a_wrapped_value_is_taken_out_and_a_bare_choice_is_taken_too() -> None:
    assert read(output_type(int), '{"answer": 4}', wrapped=True) == 4
    assert read(output_type(["yes", "no"]), '{"answer": "no"}', wrapped=True) == "no"
    assert read(output_type(["yes", "no"]), "No", wrapped=True) == "no"
    assert read(output_type(Regex("a+")), '{"answer": "aa"}', wrapped=True) == "aa"
    with pytest.raises(UnreadableError, match="one of"):
        read(output_type(["yes", "no"]), '{"answer": "perhaps"}', wrapped=True)
    with pytest.raises(UnreadableError, match="does not match"):
        read(output_type(Regex("a+")), '{"answer": "b"}', wrapped=True)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for kind in (Model, int, list[str], ["yes", "no"], Regex("[ab]+"), bool, SCHEMA):
        try:
            read(output_type(kind), text)
        except UnreadableError as error:
            assert str(error)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (object, "output_type takes a pydantic model"),
        (lambda: 1, "output_type takes a pydantic model"),
        ("str", "output_type takes a pydantic model"),
        ([], "no choices"),
        ([[1]], "a choice is a text"),
        (["Yes", "yes."], "two choices read alike"),
        (["a", "a"], "two choices read alike"),
        ({"if": {"type": "string"}}, "the keyword 'if' of JSON Schema"),
        ({"type": "strin"}, "Did you mean 'string'?"),
        ({"$ref": "https://example.org/schema"}, "leaves the schema"),
        ({"$ref": "#/$defs/Gone"}, "points at nothing"),
        ({"pattern": "("}, "does not compile"),
        (re.compile(b"a"), "a pattern of text"),
    ],
)
def test_what_cannot_be_read_is_refused(kind: Any, said: str) -> None:
    with pytest.raises((InvalidTypeError, InvalidArgumentError)) as caught:
        output_type(kind)
    assert said in str(caught.value)


def test_a_pattern_that_does_not_compile_is_refused_where_it_is_written() -> None:
    with pytest.raises(InvalidArgumentError, match="does not compile"):
        Regex("(")
