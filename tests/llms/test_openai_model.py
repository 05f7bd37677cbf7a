"""`OpenAI`: where it asks, with which key, and what it says of itself. Nothing is sent."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from chat_server import Server

from datadreamer import identity
from datadreamer.errors import InvalidArgumentError
from datadreamer.ledger import Usage
from datadreamer.llms import OpenAI


def headers(llm: OpenAI) -> dict[str, str]:
    return dict(llm._endpoint.headers)


def test_openai_s_own_service_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    llm = OpenAI("gpt-4o-mini", organization="org-1")
    assert llm._endpoint.url == "https://api.openai.com/v1/chat/completions"
    assert headers(llm) == {"Authorization": "Bearer sk-env", "OpenAI-Organization": "org-1"}
    assert (llm.provider, llm.host) == ("openai", "api.openai.com")


def test_an_environment_can_name_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:8000/v1/")
    monkeypatch.setenv("OPENAI_API_KEY", "for-that-server")
    llm = OpenAI("m")
    assert llm._endpoint.url == "http://localhost:8000/v1/chat/completions"
    assert headers(llm) == {"Authorization": "Bearer for-that-server"}


def test_the_key_of_openai_is_not_sent_to_a_server_named_in_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    assert headers(OpenAI("m", base_url="https://elsewhere.example/v1")) == {}
    given = OpenAI("m", base_url="https://elsewhere.example/v1", api_key="other")
    assert headers(given) == {"Authorization": "Bearer other"}


def test_azure_has_its_own_address_and_header() -> None:
    llm = OpenAI("my-gpt", base_url="https://x.openai.azure.com/", api_key="k", api_version="2024-10-21")
    url = "https://x.openai.azure.com/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21"
    assert llm._endpoint.url == url
    assert headers(llm) == {"api-key": "k"}
    assert "2024" not in llm.spec()["endpoint"]


AZURE = "https://x.openai.azure.com"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovL2NvZ25pdGl2ZXNlcnZpY2VzIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("base", "version", "api", "url"),
    [
        (AZURE, None, "chat", f"{AZURE}/openai/v1/chat/completions"),
        (f"{AZURE}/openai/v1/", None, "chat", f"{AZURE}/openai/v1/chat/completions"),
        (f"{AZURE}/openai", None, "responses", f"{AZURE}/openai/v1/responses"),
        (AZURE, "preview", "responses", f"{AZURE}/openai/v1/responses?api-version=preview"),
        (AZURE, "2025-04-01-preview", "responses", f"{AZURE}/openai/responses?api-version=2025-04-01-preview"),
        (AZURE, "2024-10-21", "completions", f"{AZURE}/openai/deployments/d/completions?api-version=2024-10-21"),
        (
            f"{AZURE}/openai/deployments/other",
            "2024-10-21",
            "chat",
            f"{AZURE}/openai/deployments/other/chat/completions?api-version=2024-10-21",
        ),
        (
            "https://x.services.ai.azure.com/openai/v1",
            None,
            "chat",
            "https://x.services.ai.azure.com/openai/v1/chat/completions",
        ),
    ],
)
def test_azure_s_addresses_old_and_new(base: str, version: str | None, api: Any, url: str) -> None:
    llm = OpenAI("d", base_url=base, api_key="k", api_version=version, api=api)
    assert llm._endpoint.url == url
    assert llm.provider == "azure"


def test_azure_takes_keys_and_tokens_each_in_its_own_header(monkeypatch: pytest.MonkeyPatch) -> None:
    assert headers(OpenAI("d", base_url=AZURE, api_key="k")) == {"api-key": "k"}
    assert headers(OpenAI("d", base_url=AZURE, api_key=TOKEN)) == {"Authorization": f"Bearer {TOKEN}"}
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", TOKEN)
    assert headers(OpenAI("d", base_url=AZURE)) == {"Authorization": f"Bearer {TOKEN}"}
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "from-the-environment")
    assert headers(OpenAI("d", base_url=AZURE)) == {"api-key": "from-the-environment"}


def test_azure_asks_for_a_new_token_before_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "from-the-environment")
    tokens = iter([TOKEN, f"{TOKEN}2"])
    llm = OpenAI("d", base_url=AZURE, azure_ad_token_provider=lambda: next(tokens))
    assert headers(llm) == {}
    llm.check()  # needs no key
    with Server() as server:
        llm._live_wire.url = server.url
        llm.run(["a"])
        llm.run(["b"])
        assert [seen.headers["Authorization"] for seen in server.requests] == [f"Bearer {TOKEN}", f"Bearer {TOKEN}2"]
        assert all("api-key" not in seen.headers for seen in server.requests)
    assert llm.spec() == OpenAI("d", base_url=AZURE, api_key="k").spec()


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x/v1", "http://", "https://user:pass@host/v1"])
def test_a_base_url_that_cannot_be_one_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match="base_url"):
        OpenAI("m", base_url=url)


def test_a_key_with_a_line_break_is_refused_without_showing_it() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        OpenAI("m", api_key="sk-abc\n")
    assert "sk-abc" not in str(caught.value)


def test_an_unknown_option_is_refused_with_the_nearest() -> None:
    with pytest.raises(InvalidArgumentError, match="Did you mean 'timeout'"):
        OpenAI("m", timout=3)


def test_identity_has_no_secret_and_nothing_of_the_run() -> None:
    plain = OpenAI("m", base_url="http://h/v1")
    dressed = OpenAI("m", base_url="http://h/v1/", api_key="sk-1", timeout=3, max_in_flight=2, retry_on_fail=False)
    assert plain.spec() == dressed.spec()
    assert identity.digest(plain) == identity.digest(dressed)
    assert identity.digest(plain) != identity.digest(OpenAI("m", base_url="http://h/v1", system_prompt="x"))
    assert "sk-1" not in repr(dressed) + repr(dressed._endpoint) + str(dressed.spec())


def test_a_model_can_go_to_another_process() -> None:
    llm = OpenAI("m", base_url="http://h/v1", api_key="k")
    llm._live_wire  # noqa: B018  (opened by the first request)
    sent = copy.deepcopy(llm)  # by the same means as a worker process gets it
    assert sent.spec() == llm.spec()
    assert headers(sent) == headers(llm)
    assert "_live_wire" not in vars(sent)


def test_known_models_have_lengths_and_prices_and_snapshots_are_theirs() -> None:
    llm = OpenAI("gpt-4o-mini-2024-07-18", api_key="k")
    assert llm.get_max_context_length(1000) == 127_000
    assert llm._get_max_output_length() == 16_384
    usage = Usage(input_tokens=1_000_000, cached_tokens=400_000, output_tokens=1_000_000)
    assert llm._facts.cost(usage) == pytest.approx(0.6 * 0.15 + 0.4 * 0.075 + 0.60)


def test_what_is_not_known_stays_unknown() -> None:
    llm = OpenAI("gpt-99", api_key="k")
    assert llm._facts.cost(Usage(input_tokens=5)) is None
    assert llm._get_max_output_length() is None
    with pytest.raises(InvalidArgumentError, match="max_context_length="):
        llm.get_max_context_length(0)
    assert OpenAI("gpt-99", api_key="k", max_context_length=4096).get_max_context_length(96) == 4000


def test_a_known_name_at_another_server_has_no_price() -> None:
    assert OpenAI("gpt-4o", base_url="http://h/v1")._facts.cost(Usage(input_tokens=5)) is None
