"""What holds for every hosted service in the registry, at a server on loopback that speaks its protocol."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from chat_server import Server
from protocols import PROTOCOLS, TOOL, Protocol

import datadreamer.llms
from datadreamer import _context, errors, identity
from datadreamer.ledger import Ledger
from datadreamer.llms import Failure, Generation, OpenAI
from datadreamer.llms.engine.retry import RetryPolicy
from datadreamer.llms.providers import registry
from datadreamer.llms.providers.base import Provider
from datadreamer.llms.wire.transport import Reply

KEY = "secret-of-the-account-0123456789"
NAMES = sorted(registry.MODULES)
QUICK = RetryPolicy(first_wait=0.005, longest_wait=0.05, first_pause=0.05)


@pytest.fixture(autouse=True)
def no_provider_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for row in registry.table():
        for variable in row.key_variables:
            monkeypatch.delenv(variable, raising=False)
    for variable in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # nobody is asked for credentials over the network


def made(name: str, url: str | None = None, key: str | None = KEY, **options: Any) -> Any:
    """A model of a provider, at `url` or at the service itself."""
    kind = registry.provider(name)
    if name == "HFAPIEndpoint":
        llm = kind(url or kind.service.base_url, "some-model", token=key, **options)  # type: ignore[misc]
    else:
        llm = kind("some-model", api_key=key, base_url=url, **options)
    llm.retry_policy = QUICK
    return llm


def protocol(name: str) -> Protocol:
    return PROTOCOLS[registry.provider(name).wire_name]


def answering(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Any:
    async def behaviour(server: Server, number: int, request: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=headers)

    return behaviour


def one(llm: Any, prompt: Any = "Hi", **parameters: Any) -> Generation | Failure:
    [outcome] = llm.outcomes([prompt], **parameters)
    assert isinstance(outcome, Generation | Failure)
    return outcome


# --- the registry ---------------------------------------------------------------------------------------------------


def test_every_file_of_a_provider_is_in_the_table_and_in_the_room_s_exports() -> None:
    folder = Path(registry.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "base", "gone", "local_servers", "registry"}
    assert files == set(registry.MODULES.values())
    for name in NAMES:
        assert getattr(datadreamer.llms, name) is registry.provider(name)


@pytest.mark.parametrize("row", registry.table(), ids=lambda row: row.name)
def test_every_service_has_an_address_a_key_and_terms(row: registry.Row) -> None:
    assert row.base_url.startswith("https://")
    assert row.terms.startswith("https://")
    assert row.key_variables and all(variable.isupper() for variable in row.key_variables)
    assert row.wire in PROTOCOLS


def test_no_two_services_are_the_same() -> None:
    models = [made(name) for name in NAMES] + [OpenAI("some-model", api_key=KEY)]
    assert len({identity.digest(llm) for llm in models}) == len(models)
    assert len({llm.provider for llm in models}) == len(models)


# --- one request ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_is_asked_for_and_read_whole(server: Server, name: str) -> None:
    speaks = protocol(name)
    server.behaviour = answering(speaks.answer("Höflich."))
    llm = made(name, server.url)
    answer = one(llm, "Wie geht’s?", max_new_tokens=7, temperature=1.0)
    assert isinstance(answer, Generation)
    assert (answer.text, answer.finish_reason) == ("Höflich.", "stop")
    usage = answer.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens) == (10, 5, 4)
    assert usage.reasoning_tokens == (2 if speaks.counts_thoughts else 0)
    assert bool(answer.response_id) is speaks.has_id
    assert answer.response is not None and "Höflich." in json.dumps(json.loads(answer.response), ensure_ascii=False)
    [seen] = server.requests
    assert speaks.text_of(seen.json) == "Wie geht’s?"
    assert seen.path == "/v1" + llm._path("some-model")
    assert seen.headers["Content-Type"] == "application/json"
    assert seen.json.get("model", "some-model") == "some-model"
    assert "system" not in json.dumps(seen.json)  # none was given, and none is made up


@pytest.mark.parametrize("name", NAMES)
def test_the_key_is_sent_in_the_service_s_own_header_and_nowhere_else(server: Server, name: str) -> None:
    server.behaviour = answering(protocol(name).answer("ok"))
    llm = made(name, server.url)
    one(llm)
    [seen] = server.requests
    expected = dict(llm.service.key_header(KEY))
    assert {header: value for header, value in seen.headers.items() if KEY in value}.keys() == {
        header for header in seen.headers if header.lower() in {name.lower() for name in expected}
    }
    assert KEY not in seen.body.decode() + seen.path


@pytest.mark.parametrize("name", NAMES)
def test_tools_are_offered_and_calls_come_back_in_one_form(server: Server, name: str) -> None:
    server.behaviour = answering(protocol(name).tool_call)
    answer = one(made(name, server.url), tools=[TOOL])
    assert isinstance(answer, Generation)
    assert answer.finish_reason == "tool_calls"
    assert answer.tool_calls is not None
    [call] = answer.tool_calls
    assert (call["id"], call["type"], call["function"]["name"]) == ("call_1", "function", "weather")
    assert json.loads(call["function"]["arguments"]) == {"city": "Köln"}
    assert "The weather in a city." in server.requests[0].body.decode()


@pytest.mark.parametrize("name", NAMES)
def test_a_conversation_with_a_tool_call_goes_back(server: Server, name: str) -> None:
    server.behaviour = answering(protocol(name).answer("Rainy."))
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Köln"}'}}
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "And the weather?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"sky": "rain"}'},
    ]
    answer = one(made(name, server.url), turns, tools=[TOOL])
    assert isinstance(answer, Generation) and answer.text == "Rainy."
    body = json.dumps(server.requests[0].json, ensure_ascii=False)
    assert all(word in body for word in ("Be brief.", "And the weather?", "weather", "Köln", "rain"))


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_that_filled_its_room_says_so(server: Server, name: str) -> None:
    speaks = protocol(name)
    server.behaviour = answering(speaks.ended(speaks.length))
    answer = one(made(name, server.url))
    assert isinstance(answer, Generation) and answer.truncated and answer.text == "half"


@pytest.mark.parametrize("name", NAMES)
def test_a_withheld_answer_is_a_failure_that_is_not_remembered(
    server: Server, scope: _context.StepScope, name: str
) -> None:
    speaks = protocol(name)
    server.behaviour = answering(speaks.ended(speaks.filtered))
    llm = made(name, server.url)
    failure = one(llm)
    assert isinstance(failure, Failure) and failure.reason == "content_filter"
    assert failure.usage.output_tokens == 5  # it was paid for
    server.behaviour = answering(speaks.answer("ok"))
    assert llm.run(["Hi"]) == ["ok"]


@pytest.mark.parametrize("name", NAMES)
def test_equal_prompts_are_draws_and_are_asked_once_each(server: Server, scope: _context.StepScope, name: str) -> None:
    server.behaviour = answering(protocol(name).answer("ok"))
    for _ in range(2):
        made(name, server.url).run(["Hi", "Hi"], n=2)
    assert len(server.requests) == 4
    assert (scope.stats.calls, scope.stats.hits) == (4, 4)


# --- parameters -----------------------------------------------------------------------------------------------------

_PUBLISHED: dict[str, Any] = {
    "temperature": 0.5,
    "top_p": 0.9,
    "stop": ["END"],
    "repetition_penalty": 1.5,
    "logit_bias": {7: 1.0},
    "seed": 12345,
}


@pytest.mark.parametrize("parameter", _PUBLISHED)
@pytest.mark.parametrize("name", NAMES)
def test_a_published_parameter_is_sent_or_refused_by_name(server: Server, name: str, parameter: str) -> None:
    server.behaviour = answering(protocol(name).answer("ok"))
    llm = made(name, server.url)
    if parameter in llm.refused_parameters:
        with pytest.raises(errors.InvalidArgumentError, match=f"does not take '{parameter}'"):
            llm.run(["Hi"], **{parameter: _PUBLISHED[parameter]})
        assert not server.requests
        return
    llm.run(["Hi"], **{parameter: _PUBLISHED[parameter]})
    with_it = server.requests[0].json
    llm.run(["Hi"])
    without = server.requests[1].json
    assert with_it != without
    value = {"logit_bias": '"7": 1.0', "stop": '["END"]'}.get(parameter, str(_PUBLISHED[parameter]))
    assert value in json.dumps(with_it) and value not in json.dumps(without)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_of_a_service_reaches_it(server: Server, name: str) -> None:
    server.behaviour = answering(protocol(name).answer("ok"))
    llm = made(name, server.url)
    for parameter in sorted(llm.extra_parameters - {"extra_body"}):
        server.requests.clear()
        llm.run(["Hi"], **{parameter: {"marker": 4711}})
        assert "4711" in server.requests[0].body.decode(), parameter
    server.requests.clear()
    llm.run(["Hi"], extra_body={"brand_new": True})
    assert server.requests[0].json["brand_new"] is True


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_parameter_is_refused_with_the_nearest(name: str) -> None:
    with pytest.raises(errors.InvalidArgumentError, match="Did you mean 'temperature'"):
        made(name).run(["Hi"], temprature=1)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_for_the_answer_is_sent_or_refused(server: Server, name: str) -> None:
    server.behaviour = answering(protocol(name).answer("{}"))
    schema = {"type": "object", "properties": {"mark": {"type": "string"}}, "required": ["mark"]}
    llm = made(name, server.url)
    if getattr(llm, "format", None) is not None and not llm.format.schemas:
        with pytest.raises(errors.InvalidArgumentError, match="json_object"):
            llm.run(["Hi"], response_format=schema)
        assert not server.requests
    else:
        llm.run(["Hi"], response_format=schema)
        assert '"mark"' in server.requests[0].body.decode().replace("\\", "")  # one service wants it as a string


# --- what goes wrong ------------------------------------------------------------------------------------------------

_STATUSES: list[tuple[int, type[errors.ModelError]]] = [
    (400, errors.BadRequestError),
    (401, errors.AuthenticationError),
    (402, errors.PermanentModelError),
    (403, errors.AuthenticationError),
    (404, errors.ModelNotFoundError),
    (408, errors.TransientModelError),
    (409, errors.TransientModelError),
    (413, errors.BadRequestError),
    (422, errors.BadRequestError),
    (429, errors.RateLimitError),
    (500, errors.TransientModelError),
    (502, errors.TransientModelError),
    (503, errors.TransientModelError),
    (529, errors.TransientModelError),
]


@pytest.mark.parametrize(("status", "kind"), _STATUSES, ids=lambda value: str(value))
@pytest.mark.parametrize("name", NAMES)
def test_a_status_means_an_error_that_names_the_address(name: str, status: int, kind: type[errors.ModelError]) -> None:
    wire = made(name)._live_wire
    body = json.dumps(protocol(name).error(f"Something about {KEY}.")).encode()
    error = wire.error(Reply(status, {}, body))
    assert type(error) is kind
    said = str(error)
    assert str(status) in said and wire.url in said and "Something about" in said
    assert KEY not in said
    assert type(wire.error(Reply(status, {}, b"<html>no JSON</html>"))) is kind


@pytest.mark.parametrize("name", NAMES)
def test_a_rate_limit_names_its_wait_where_the_service_does(name: str) -> None:
    wire = made(name)._live_wire
    body = json.dumps(protocol(name).error("slow down")).encode()
    named, silent = wire.error(Reply(429, {"Retry-After": "7"}, body)), wire.error(Reply(429, {}, body))
    assert isinstance(named, errors.RateLimitError) and named.retry_after == 7.0
    assert isinstance(silent, errors.RateLimitError) and silent.retry_after is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"choices": 3}', b"\xff\xfe", b"<html>hotel</html>", b"null"])
def test_an_answer_that_cannot_be_read_may_be_asked_again(name: str, body: bytes) -> None:
    with pytest.raises(errors.TransientModelError):
        made(name)._live_wire.decode(Reply(200, {}, body))


@pytest.mark.parametrize("name", NAMES)
def test_a_truncated_answer_and_an_overload_are_asked_again(
    server: Server, scope: _context.StepScope, name: str
) -> None:
    speaks = protocol(name)

    async def behaviour(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        if number == 0:
            half = json.dumps(speaks.answer("never whole")).encode()[:-20]
            return web.Response(body=half, content_type="application/json")
        if number == 1:
            return web.json_response(speaks.error("overloaded"), status=529)
        return web.json_response(speaks.answer("at last"))

    server.behaviour = behaviour
    assert made(name, server.url).run(["Hi"]) == ["at last"]
    assert (len(server.requests), scope.stats.retries) == (3, 2)


@pytest.mark.parametrize("name", NAMES)
def test_a_prompt_that_is_too_long_fails_alone(server: Server, name: str) -> None:
    speaks = protocol(name)

    async def behaviour(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        if "long" in speaks.text_of(body):
            return web.json_response(speaks.error("prompt is too long: 9 tokens > 8 maximum"), status=400)
        return web.json_response(speaks.answer("ok"))

    server.behaviour = behaviour
    outcomes = list(made(name, server.url).outcomes(["long", "short"]))
    assert [getattr(outcome, "reason", "answered") for outcome in outcomes] == ["context_length", "answered"]


@pytest.mark.parametrize("name", NAMES)
def test_a_server_that_is_not_there_is_named(name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(errors.ServerUnreachableError, match=address):
            made(name, address).run(["Hi"])


# --- keys and identity ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_no_key_is_written_or_shown_anywhere(
    server: Server, scope: _context.StepScope, ledger: Ledger, tmp_path: Path, name: str, caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    speaks = protocol(name)
    server.behaviour = answering(speaks.answer(f"Your key is {KEY}."))  # a service that tells
    llm = made(name, server.url)
    llm.run(["Hi"])
    server.behaviour = answering(speaks.error(f"wrong key {KEY}"), status=401)
    with pytest.raises(errors.AuthenticationError) as caught:
        llm.run(["Ho"])
    shown = [str(caught.value), repr(llm), repr(llm._endpoint), str(llm.spec()), str(scope.models), caplog.text]
    assert not any(KEY in text for text in shown)
    ledger.flush()
    for path in tmp_path.iterdir():
        assert KEY.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("name", NAMES)
def test_identity_knows_the_model_and_not_the_account(name: str) -> None:
    plain, dressed = made(name), made(name, key="another-key-9876543210", timeout=3, max_in_flight=2)
    assert identity.digest(plain) == identity.digest(dressed)
    assert identity.digest(plain) != identity.digest(made(name, "https://elsewhere.example/v1"))
    assert identity.digest(plain) != identity.digest(made(name, system_prompt="x"))
    assert plain.account() != dressed.account()


@pytest.mark.parametrize("name", NAMES)
def test_the_key_comes_from_the_environment_for_the_service_itself_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = registry.provider(name)
    with pytest.raises(errors.AuthenticationError, match=kind.service.key_variables[0]):
        made(name, key=None).run(["Hi"])
    for variable in kind.service.key_variables:
        with monkeypatch.context() as patched:
            patched.setenv(variable, "from-the-environment")
            made(name, key=None).check()
            assert made(name, key=None)._endpoint.key == "from-the-environment"
            assert made(name, "https://elsewhere.example/v1", key=None)._endpoint.key is None


@pytest.mark.parametrize("name", NAMES)
def test_terms_and_card_are_those_of_the_service_and_of_nobody_else(name: str) -> None:
    llm, elsewhere = made(name), made(name, "https://elsewhere.example/v1")
    assert llm.license == llm.service.terms
    assert llm.model_card.startswith("https://") and "{" not in llm.model_card
    assert (elsewhere.license, elsewhere.model_card, elsewhere.host) == (None, None, "elsewhere.example")


@pytest.mark.parametrize("name", NAMES)
def test_a_model_goes_to_another_process_and_answers_single_questions(server: Server, name: str) -> None:
    server.behaviour = answering(protocol(name).answer("ok"))
    llm = made(name, server.url)
    assert asyncio.run(llm.agenerate("Hi")).text == "ok"
    sent = copy.deepcopy(llm)
    assert sent.spec() == llm.spec()
    assert sent.generate("Hi").text == "ok"


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(errors.InvalidArgumentError, match="Did you mean 'timeout'"):
        made(name, timout=3)
    assert issubclass(registry.provider(name), Provider)
