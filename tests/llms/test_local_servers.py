"""Servers of one's own: asked where they run, with their own names of parameters, without a key."""

from __future__ import annotations

from typing import Any

import pytest
from chat_server import Server

from datadreamer.errors import InvalidArgumentError, ServerUnreachableError
from datadreamer.llms import LlamaServer, LMStudio, Ollama, OpenAI

ALL = pytest.mark.parametrize(
    ("kind", "port"), [(Ollama, 11434), (LMStudio, 1234), (LlamaServer, 8080)], ids=lambda value: str(value)
)


@ALL
def test_they_are_asked_on_this_machine_without_a_key(kind: Any, port: int) -> None:
    llm = kind("m")
    assert llm._endpoint.url == f"http://localhost:{port}/v1/chat/completions"
    llm.check()
    assert llm._endpoint.headers == {}
    assert llm.license is None


@ALL
def test_a_key_of_the_environment_goes_to_no_other_server(
    kind: Any, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(kind.service.key_variables[0], "from-the-environment")
    assert kind("m", base_url="http://elsewhere:1/v1")._endpoint.headers == {}
    assert kind("m", base_url="http://elsewhere:1/v1").provider == kind.service.name


@ALL
def test_answers_are_those_of_any_server_of_that_format(kind: Any, port: int, server: Server) -> None:
    llm = kind("m", base_url=server.url)
    assert llm.run(["Hi"], seed=3, temperature=0.5) == ["echo Hi"]
    assert server.requests[0].json == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 0.5,
        "seed": 3,
    }
    assert llm.request_spec() == OpenAI("m", base_url=server.url).request_spec()


@pytest.mark.parametrize("kind", [LMStudio, LlamaServer])
def test_a_repetition_penalty_goes_by_its_name_there(kind: Any, server: Server) -> None:
    kind("m", base_url=server.url).run(["Hi"], repetition_penalty=1.2, top_k=5)
    assert server.requests[0].json["repeat_penalty"] == 1.2
    assert "repetition_penalty" not in server.requests[0].json


@pytest.mark.parametrize("given", [{"repetition_penalty": 1.2}, {"logit_bias": {1: 2.0}}])
def test_what_ollama_would_ignore_is_refused(given: dict[str, Any], server: Server) -> None:
    with pytest.raises(InvalidArgumentError, match=f"does not take '{next(iter(given))}'"):
        Ollama("m", base_url=server.url).run(["Hi"], **given)
    assert not server.requests


def test_one_that_does_not_run_is_named() -> None:
    with pytest.raises(ServerUnreachableError, match=r"127\.0\.0\.1:9"):
        Ollama("m", base_url="http://127.0.0.1:9/v1").run(["Hi"])
