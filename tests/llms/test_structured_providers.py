"""What every hosted service in the registry is sent for an `output_type`, and what becomes of its answers."""

from __future__ import annotations

import json
import logging
from typing import Annotated, Any, Literal

import pydantic
import pytest
from aiohttp import web
from chat_server import Server, completion
from protocols import PROTOCOLS
from test_provider_contract import KEY, NAMES, answering, made, no_provider_keys, one, protocol

from datadreamer.llms import Failure, Generation, OpenAI, Regex
from datadreamer.llms.providers import registry
from datadreamer.llms.structured import plan as plans
from datadreamer.llms.structured.dialects import VLLM
from datadreamer.llms.wire.openai_chat import ChatFormat, OpenAIChat

assert no_provider_keys  # a fixture: no test here depends on the keys of whoever runs it


class Movie(pydantic.BaseModel):
    """A movie."""

    title: Annotated[str, pydantic.Field(min_length=2, title="t")]
    year: Annotated[int, pydantic.Field(ge=1900, title="y", description="Of release.")] = 2000
    genre: Annotated[Literal["drama", "comedy"], pydantic.Field(title="g")]


GENRE = {"enum": ["drama", "comedy"], "title": "g", "type": "string"}
SAID_LENGTH = {"title": "t", "type": "string", "description": "(minLength: 2)"}
CHECKED_YEAR = {"description": "Of release.", "minimum": 1900, "title": "y", "type": "integer"}
SAID_YEAR = {"description": "Of release. (minimum: 1900)", "title": "y", "type": "integer"}


def movie(title: dict[str, Any], year: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "title": "Movie",
        "description": "A movie.",
        "properties": {"title": title, "year": year, "genre": GENRE},
        "required": required,
        "additionalProperties": False,
    }


ALL, SOME = ["title", "year", "genre"], ["title", "genre"]
STRICT = movie(SAID_LENGTH, CHECKED_YEAR, ALL)
NO_NUMBERS = movie(SAID_LENGTH, SAID_YEAR, ALL)
WHOLE = movie({"minLength": 2, "title": "t", "type": "string"}, CHECKED_YEAR, SOME)
EXPECTED: dict[str, dict[str, Any] | None] = {
    "Anthropic": NO_NUMBERS,
    "Bedrock": NO_NUMBERS,
    "Cohere": NO_NUMBERS,
    "DeepSeek": None,
    "Fireworks": movie(SAID_LENGTH, CHECKED_YEAR, SOME),
    "GoogleAIStudio": movie(SAID_LENGTH, CHECKED_YEAR, SOME),
    "Groq": WHOLE,
    "HFAPIEndpoint": WHOLE,
    "MistralAI": STRICT,
    "OpenRouter": STRICT,
    "Together": WHOLE,
    "VertexAI": movie(SAID_LENGTH, CHECKED_YEAR, SOME),
}
STRICT_NAMES = {"MistralAI", "OpenRouter"}
NOT_SHOWN = {"Cohere", "Fireworks", "Groq", "HFAPIEndpoint", "Together"}
ANSWER = '{"title": "Metropolis", "year": 1927, "genre": "drama"}'


def format_in(wire: str, body: dict[str, Any]) -> tuple[Any, Any]:
    """What a request says of the format of its answer: everything but the schema, and the schema."""
    if wire == "anthropic-messages":
        format = body["output_config"]["format"]
        return {**format, "schema": None}, format["schema"]
    if wire == "gemini":
        config = body["generationConfig"]
        return config["responseMimeType"], config["responseJsonSchema"]
    if wire == "cohere-chat":
        return body["response_format"]["type"], body["response_format"]["json_schema"]
    if wire == "bedrock-converse":
        format = body["outputConfig"]["textFormat"]
        inner = format["structure"]["jsonSchema"]
        return (format["type"], inner["name"]), json.loads(inner["schema"])
    format = body["response_format"]
    return {**format, "json_schema": {**format["json_schema"], "schema": None}}, format["json_schema"]["schema"]


HEADS: dict[str, Any] = {
    "anthropic-messages": {"type": "json_schema", "schema": None},
    "gemini": "application/json",
    "cohere-chat": "json_object",
    "bedrock-converse": ("json_schema", "Movie"),
}


def test_every_service_is_expected_here() -> None:
    assert set(EXPECTED) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_sent_in_the_dialect_of_the_service(server: Server, name: str) -> None:
    server.behaviour = answering(protocol(name).answer(ANSWER))
    llm = made(name, server.url)
    answer = one(llm, "A film", output_type=Movie)
    assert isinstance(answer, Generation)
    assert answer.value == Movie(title="Metropolis", year=1927, genre="drama")
    assert answer.text == ANSWER
    [seen] = server.requests
    prompt = protocol(name).text_of(seen.json)
    if EXPECTED[name] is None:
        assert seen.json["response_format"] == {"type": "json_object"}
        assert prompt.startswith("A film\n\nAnswer with JSON that fits this JSON Schema") and '"minLength": 2' in prompt
        return
    head, schema = format_in(llm.wire_name, seen.json)
    assert schema == EXPECTED[name]
    strict = {"strict": True} if name in STRICT_NAMES else {}
    chat = {"type": "json_schema", "json_schema": {"name": "Movie", "schema": None, **strict}}
    assert head == HEADS.get(llm.wire_name, chat)
    if name in NOT_SHOWN:
        assert prompt.startswith("A film\n\nAnswer with JSON") and '"Metropolis"' not in prompt
    else:
        assert prompt == "A film"


@pytest.mark.parametrize("name", [name for name in NAMES if EXPECTED[name] is not None])
def test_what_is_no_object_is_wrapped_and_comes_out_bare(server: Server, name: str) -> None:
    server.behaviour = answering(protocol(name).answer('{"answer": 7}'))
    llm = made(name, server.url)
    answer = one(llm, output_type=int)
    assert isinstance(answer, Generation) and answer.value == 7
    _, schema = format_in(llm.wire_name, server.requests[0].json)
    assert schema == {
        "type": "object",
        "properties": {"answer": {"type": "integer"}},
        "required": ["answer"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_that_filled_its_room_is_lost_as_truncated_and_not_asked_again(server: Server, name: str) -> None:
    server.behaviour = answering(protocol(name).ended(protocol(name).length))
    lost = one(made(name, server.url), output_type=Movie)
    assert isinstance(lost, Failure)
    assert (lost.reason, len(server.requests)) == ("truncated", 1)
    assert "max_new_tokens" in lost.message
    assert (lost.usage.input_tokens, lost.usage.output_tokens) == (10, 5)


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_that_does_not_fit_is_asked_again_with_the_error(server: Server, name: str) -> None:
    speaks = protocol(name)
    bodies = [speaks.answer('{"title": "M", "genre": "drama"}'), speaks.answer(ANSWER)]

    async def behaviour(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(bodies[number])

    server.behaviour = behaviour
    answer = one(made(name, server.url), "A film", output_type=Movie)
    assert isinstance(answer, Generation) and answer.value.title == "Metropolis"
    assert len(answer.reasked) == 1
    first, second = (seen.json for seen in server.requests)
    complaint = speaks.text_of(second)
    assert "title: String should have at least 2 characters" in complaint
    assert '\\"title\\": \\"M\\"' in server.requests[1].body.decode()  # the faulty answer is shown
    kept = {key: value for key, value in first.items() if key not in ("messages", "contents")}
    assert kept == {key: value for key, value in second.items() if key not in ("messages", "contents")}


def test_a_refusal_is_a_loss(server: Server) -> None:
    body = completion("")
    body["choices"][0]["message"] = {"role": "assistant", "content": None, "refusal": "I will not."}
    server.behaviour = answering(body)
    llm = OpenAI("gpt-4o", api_key=KEY, base_url=server.url)
    lost = one(llm, output_type=Movie)
    assert isinstance(lost, Failure)
    assert (lost.reason, len(server.requests)) == ("refused", 1)
    assert "I will not." in lost.message


@pytest.mark.parametrize("name", NAMES)
def test_what_a_dialect_cannot_say_is_said_in_words_with_one_log_line(
    server: Server, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.behaviour = answering(protocol(name).answer("ab"))
    llm = made(name, server.url)
    plans._said.clear()
    with caplog.at_level(logging.WARNING, "datadreamer.llms"):
        for _ in range(2):
            answer = one(llm, "Two", output_type=Regex("a(?=b)b"))
            assert isinstance(answer, Generation) and answer.value == "ab"
    assert "response_format" not in server.requests[0].json
    assert protocol(name).text_of(server.requests[0].json).endswith("\na(?=b)b")
    lines = [line for line in caplog.messages if "in words" in line]
    assert len(lines) == (0 if name == "DeepSeek" else 1)


class Tree(pydantic.BaseModel):
    name: str
    parts: list[Tree]


@pytest.mark.parametrize(
    ("name", "expressible"), [("OpenRouter", True), ("GoogleAIStudio", True), ("Anthropic", False)]
)
def test_a_recursive_type_is_decoded_by_where_the_service_can(server: Server, name: str, expressible: bool) -> None:
    server.behaviour = answering(protocol(name).answer('{"name": "a", "parts": [{"name": "b", "parts": []}]}'))
    llm = made(name, server.url)
    answer = one(llm, output_type=Tree)
    assert isinstance(answer, Generation) and answer.value.parts[0].name == "b"
    body = server.requests[0].json
    if expressible:
        assert set(format_in(llm.wire_name, body)[1]["$defs"]) == {"Tree"}
    else:
        assert "output_config" not in body and "$defs" in protocol(name).text_of(body)


def test_an_open_dictionary_is_asked_for_in_words_where_objects_are_closed(server: Server) -> None:
    server.behaviour = answering(PROTOCOLS["openai-chat"].answer('{"a": 1}'))
    llm = made("OpenRouter", server.url)
    answer = one(llm, output_type=dict[str, int])
    assert isinstance(answer, Generation) and answer.value == {"a": 1}
    assert "response_format" not in server.requests[0].json


def test_together_decodes_by_patterns(server: Server) -> None:
    server.behaviour = answering(PROTOCOLS["openai-chat"].answer("AB-1"))
    answer = one(made("Together", server.url), output_type=Regex(r"[A-Z]{2}-\d"))
    assert isinstance(answer, Generation) and answer.value == "AB-1"
    assert server.requests[0].json["response_format"] == {"type": "regex", "pattern": r"[A-Z]{2}-\d"}


@pytest.mark.parametrize(
    ("wanted", "sent", "text"),
    [(Regex("a+"), {"regex": "a+"}, "aaa"), (["yes", "no"], {"choice": ["yes", "no"]}, "no")],
)
def test_vllm_decodes_by_patterns_and_choices(server: Server, wanted: Any, sent: Any, text: str) -> None:
    class Served(OpenAI):
        output_dialect = VLLM

        @property
        def _format(self) -> ChatFormat:
            return ChatFormat(structured_outputs=True)

    server.behaviour = answering(PROTOCOLS["openai-chat"].answer(text))
    llm = Served("m", base_url=server.url)
    llm.output_dialect = VLLM
    answer = one(llm, output_type=wanted)
    assert isinstance(answer, Generation) and answer.value == text
    body = server.requests[0].json
    assert body["structured_outputs"] == sent and "response_format" not in body


def test_openai_s_own_service_is_sent_strict_schemas(server: Server) -> None:
    wire = OpenAIChat(server.url, "gpt-4o", {}, key_name="k", format=OpenAI("gpt-4o", api_key=KEY)._format)
    llm = OpenAI("gpt-4o", api_key=KEY)
    plan = plans.plan_for(llm, Movie, {})
    from datadreamer.llms import params

    ask = params.parse(llm, {"response_format": plan.response_format})
    body = json.loads(wire.encode(ask.request("A film")))
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "Movie", "strict": True, "schema": STRICT},
    }
    assert plan.told is None and not plan.wrapped


def test_a_model_can_be_told_to_be_asked_in_words(server: Server) -> None:
    server.behaviour = answering(PROTOCOLS["openai-chat"].answer(f"Here:\n```json\n{ANSWER}\n```"))
    llm = OpenAI("m", base_url=server.url)
    llm.output_dialect = None
    answer = one(llm, output_type=Movie)
    assert isinstance(answer, Generation) and answer.value.year == 1927
    assert "response_format" not in server.requests[0].json


def test_the_registry_has_a_dialect_for_every_service() -> None:
    assert all(registry.provider(name).output_dialect is not None for name in NAMES)
