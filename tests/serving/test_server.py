"""Our server, asked by the vendor's own client and by ours."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from datadreamer import DataDreamer, errors
from datadreamer.bundled import toy_model_path
from datadreamer.ledger import Ledger
from datadreamer.llms import LLM, FakeLLM, Generation, OpenAI, Request, Usage
from datadreamer.llms.engine.memory import _open
from datadreamer.llms.recording import Recording
from datadreamer.serving import ModelBackend, RecordingBackend, Server
from datadreamer.steps import DataFromPrompt

Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves a model until the test ends."""
    running: list[Server] = []

    def start(llm: LLM, *, api_key: str | None = None, **options: Any) -> Server:
        server = Server(ModelBackend(llm, Ledger.open(":memory:"), **options), api_key=api_key)
        server.start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()


def client(server: Server, key: str = "none") -> openai.OpenAI:
    return openai.OpenAI(base_url=server.url, api_key=key, max_retries=0, timeout=30)


def ask(server: Server, text: str, **more: Any) -> Any:
    messages = [{"role": "user", "content": text}]
    return client(server).chat.completions.with_raw_response.create(model="fake", messages=messages, **more)  # type: ignore


def text_of(raw: Any) -> str:
    return str(raw.parse().choices[0].message.content)


# --- the vendor's client ----------------------------------------------------------------------------------------------


def test_a_chat_has_text_usage_and_how_it_ended(serve: Serve) -> None:
    server = serve(FakeLLM(lambda prompt: f"echo {prompt}"))
    answer = ask(server, "hello there").parse()
    assert answer.choices[0].message.content == "echo hello there"
    assert answer.choices[0].finish_reason == "stop" and answer.model == "fake" and answer.object == "chat.completion"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (2, 3, 5)


def test_an_equal_request_is_a_hit_and_the_header_says_so(serve: Serve) -> None:
    fake = FakeLLM(lambda prompt, request: f"{prompt} at {request.temperature}")
    server = serve(fake)
    first, again, other = ask(server, "a"), ask(server, "a"), ask(server, "a", temperature=0.5)
    assert [raw.headers["x-datadreamer-cache"] for raw in (first, again, other)] == ["miss", "hit", "miss"]
    assert text_of(first) == text_of(again) == "a at 1.0" and text_of(other) == "a at 0.5"
    assert (
        first.headers["x-datadreamer-key"] == again.headers["x-datadreamer-key"] != other.headers["x-datadreamer-key"]
    )
    assert fake.calls == 2


def test_several_choices_are_several_draws(serve: Serve) -> None:
    server = serve(FakeLLM(lambda prompt, request: f"draw {request.sample} seed {request.seed}"))
    raw = ask(server, "a", n=3, seed=7)
    assert [choice.message.content for choice in raw.parse().choices] == [f"draw {k} seed {7 + k}" for k in range(3)]
    assert raw.parse().usage.prompt_tokens == 1
    assert ask(server, "a", n=4, seed=7).headers["x-datadreamer-cache"] == "partial"
    assert text_of(ask(server, "a", seed=7, extra_body={"sample": 2})) == "draw 2 seed 9"


def test_new_draws_are_numbered_and_a_restarted_server_repeats_them(tmp_path: Path) -> None:
    def three() -> tuple[list[str], int]:
        fake = FakeLLM(lambda prompt, request: f"draw {request.sample}")
        with Server(ModelBackend(fake, Ledger.open(tmp_path / "calls.sqlite"), new_draws=True)) as server:
            return [text_of(ask(server, "a")) for _ in range(3)], fake.calls

    assert three() == (["draw 0", "draw 1", "draw 2"], 3)
    assert three() == (["draw 0", "draw 1", "draw 2"], 0)


def test_a_stream_has_the_same_text_in_pieces_and_ends_with_usage(serve: Serve) -> None:
    text = "one two  three\n\nfour "
    server = serve(FakeLLM(text))
    stream = client(server).chat.completions.create(
        model="fake",
        messages=[{"role": "user", "content": "a"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == text
    assert chunks[0].choices[0].delta.role == "assistant" and len(chunks) > 5
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == 4
    assert len({chunk.id for chunk in chunks}) == 1


def test_parameters_arrive_and_the_caller_s_own_business_does_not(serve: Serve) -> None:
    fake = FakeLLM("ok")
    ask(
        serve(fake),
        "a",
        max_tokens=9,
        temperature=0.25,
        top_p=0.5,
        stop=["x", "y"],
        logit_bias={"5": 2},
        user="me",
        metadata={"run": "1"},
        presence_penalty=0,
    )
    (request,) = fake.requests
    assert request.parts() == {
        "messages": ({"role": "user", "content": "a"},),
        "max_new_tokens": 9,
        "temperature": 0.25,
        "top_p": 0.5,
        "stop": ("x", "y"),
        "logit_bias": {"5": 2.0},
        "sample": 0,
    }


def test_system_and_developer_messages_and_text_in_parts_are_what_they_say(serve: Serve) -> None:
    fake = FakeLLM("ok")
    client(serve(fake)).chat.completions.create(
        model="fake",
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        ],
    )
    (request,) = fake.requests
    assert request.system == "Be brief." and request.messages == ({"role": "user", "content": "ab"},)


def test_a_schema_and_tools_arrive_and_tool_calls_come_back(serve: Serve) -> None:
    tool = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
    called = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}

    class Caller(LLM):
        model_name = "fake"
        seen: Request

        async def _answer(self, request: Request) -> Generation:
            self.seen = request
            return Generation(text="", finish_reason="tool_calls", tool_calls=(called,), usage=Usage(input_tokens=1))

    caller = Caller()
    schema = {"type": "json_schema", "json_schema": {"name": "A", "schema": {"type": "object", "properties": {}}}}
    message = ask(serve(caller), "a", tools=[tool], response_format=schema).parse().choices[0].message
    assert message.content is None and message.tool_calls[0].function.name == "now"
    assert caller.seen.tools == (tool,)
    assert caller.seen.response_format == {
        "type": "json_schema",
        "name": "A",
        "schema": schema["json_schema"]["schema"],
    }


def test_completions_of_several_prompts_come_in_order(serve: Serve) -> None:
    server = serve(FakeLLM(lambda prompt, request: f"{prompt}{request.sample}"))
    answer = client(server).completions.create(model="fake", prompt=["a", "b"], n=2)
    assert [choice.text for choice in answer.choices] == ["a0", "a1", "b0", "b1"]
    streamed = client(server).completions.create(model="fake", prompt="one two", stream=True)
    assert "".join(chunk.choices[0].text for chunk in streamed) == "one two0"


def test_models_are_listed(serve: Serve) -> None:
    own = client(serve(FakeLLM("ok"), name="mine"))
    assert [model.id for model in own.models.list()] == ["mine", "fake"]
    assert own.models.retrieve("mine").owned_by == "datadreamer"
    with pytest.raises(openai.NotFoundError):
        own.models.retrieve("other")


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raised", "expected", "code"),
    [
        (errors.ContextLengthError("too long"), openai.BadRequestError, "context_length_exceeded"),
        (errors.ContentFilterError("no"), openai.BadRequestError, "content_filter"),
        (errors.BadRequestError("no"), openai.BadRequestError, None),
        (errors.AuthenticationError("no key"), openai.AuthenticationError, "upstream_key"),
        (errors.ModelNotFoundError("gone"), openai.NotFoundError, "model_not_found"),
        (errors.RateLimitError("slow", 1000.0), openai.RateLimitError, "rate_limit_exceeded"),
        (errors.ServerUnreachableError("gone"), openai.InternalServerError, "upstream_unreachable"),
        (errors.TransientModelError("broke"), openai.InternalServerError, "upstream_error"),
    ],
)
def test_an_error_of_the_model_is_the_same_error_of_the_client(
    serve: Serve, raised: errors.ModelError, expected: type[openai.APIStatusError], code: str | None
) -> None:
    with pytest.raises(expected, match=str(raised)) as caught:
        ask(serve(FakeLLM("ok", fail={"a": raised})), "a")
    assert caught.value.code == code
    if isinstance(raised, errors.RateLimitError):
        assert caught.value.response.headers["retry-after"] == "1000"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"presence_penalty": 0.5}, "has no parameter 'presence_penalty'"),
        ({"temperature": -1}, "'temperature' must be at least 0"),
        ({"n": 0}, "'n' must be an integer from 1 to 128"),
        ({"extra_body": {"force": True}}, "Unknown parameter: 'force'"),
        ({"extra_body": {"temprature": 1}}, "Did you mean 'temperature'"),
        ({"max_tokens": "many"}, "'max_new_tokens' must be an integer"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_name(serve: Serve, more: dict[str, Any], said: str) -> None:
    fake = FakeLLM("ok")
    with pytest.raises(openai.BadRequestError, match=said):
        ask(serve(fake), "a", **more)
    assert not fake.calls


def test_a_model_that_is_not_there_and_paths_that_are_not_served_are_404(serve: Serve) -> None:
    server = serve(FakeLLM("ok"))
    with pytest.raises(openai.NotFoundError, match="Did you mean 'fake'") as caught:
        client(server).chat.completions.create(model="fak", messages=[{"role": "user", "content": "a"}])
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError, match="POST /v1/embeddings is not served here"):
        client(server).embeddings.create(model="fake", input="a", encoding_format="float")


def test_a_key_is_asked_for_when_there_is_one(serve: Serve) -> None:
    server = serve(FakeLLM("ok"), api_key="s3cret-s3cret-s3cret")
    with pytest.raises(openai.AuthenticationError):
        client(server, "wrong").models.list()
    assert client(server, "s3cret-s3cret-s3cret").models.list().data


@pytest.mark.parametrize(("body", "kind", "status"), [(b"{", "application/json", 400), (b"{}", "text/plain", 415)])
def test_a_body_that_is_no_json_is_refused(serve: Serve, body: bytes, kind: str, status: int) -> None:
    url = f"{serve(FakeLLM('ok')).url}/chat/completions"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": kind}))
    assert caught.value.code == status
    assert json.loads(caught.value.read())["error"]["type"] == "invalid_request_error"


def test_a_fault_of_the_model_ends_the_request_and_not_the_server(serve: Serve) -> None:
    class Faulty(LLM):
        model_name = "fake"

        async def _answer(self, request: Request) -> Generation:
            if request.prompt == "b":
                return Generation(text="fine", finish_reason="stop")
            raise ZeroDivisionError("secret details")

    server = serve(Faulty())
    with pytest.raises(openai.InternalServerError, match="ZeroDivisionError") as caught:
        ask(server, "a")
    assert "secret details" not in str(caught.value)
    assert text_of(ask(server, "b")) == "fine"


# --- many at once -----------------------------------------------------------------------------------------------------


def test_concurrent_requests_to_a_local_model_meet_in_batches(serve: Serve) -> None:
    class Local(LLM):
        model_name = "fake"

        def __init__(self) -> None:
            super().__init__()
            self.batches: list[int] = []

        def _answer_batch(self, requests: list[Request]) -> list[Any]:
            self.batches.append(len(requests))
            time.sleep(0.02)
            return [Generation(text=request.prompt, finish_reason="stop") for request in requests]

    local = Local()
    server = serve(local, batch_size=16)
    with ThreadPoolExecutor(32) as pool:
        texts = list(pool.map(lambda number: text_of(ask(server, f"p{number}")), range(64)))
    assert texts == [f"p{number}" for number in range(64)]
    assert sum(local.batches) == 64 and len(local.batches) < 40 and max(local.batches) <= 16


def test_stopping_lets_requests_under_way_finish() -> None:
    server = Server(ModelBackend(FakeLLM("finished", latency=0.5), Ledger.open(":memory:")))
    server.start()
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(lambda: text_of(ask(server, "a")))
        while not server.requests:
            time.sleep(0.01)
        server.stop()
        assert under_way.result() == "finished"
    with pytest.raises(openai.APIConnectionError):
        ask(server, "b")


# --- our own client, and the bundled model ----------------------------------------------------------------------------


def test_our_own_model_class_can_ask_it(serve: Serve) -> None:
    server = serve(FakeLLM(lambda prompt, request: f"{request.system} {prompt}"))
    assert OpenAI("fake", base_url=server.url).run([f"p{number}" for number in range(100)]) == [
        f"You are a helpful assistant. p{number}" for number in range(100)
    ]


def test_the_bundled_model_answers_as_it_does_without_a_server(serve: Serve) -> None:
    from datadreamer.llms import HFTransformers

    prompt = "Write a review of a lamp."
    expected = HFTransformers(toy_model_path()).generate(prompt, max_new_tokens=12, seed=3)
    served = HFTransformers(toy_model_path())
    server = serve(served)
    answer = client(server).chat.completions.create(
        model="toy_model", messages=[{"role": "user", "content": prompt}], max_tokens=12, seed=3
    )
    assert answer.choices[0].message.content == expected.text
    assert answer.choices[0].finish_reason == expected.finish_reason
    assert answer.usage is not None and answer.usage.completion_tokens == expected.usage.output_tokens


# --- recordings -------------------------------------------------------------------------------------------------------


def test_a_finished_run_can_be_served_and_asks_nobody(tmp_path: Path, serve: Serve) -> None:
    upstream = serve(FakeLLM(lambda prompt, request: f"tweet {request.seed}"))
    with DataDreamer(str(tmp_path / "run")):
        step = DataFromPrompt(
            "Write",
            args={"llm": OpenAI("fake", base_url=upstream.url), "n": 5, "instruction": "Write a tweet.", "seed": 10},
        )
        written = list(step.output["generations"])
    upstream.stop()
    with Server(RecordingBackend(Recording(tmp_path / "run"))) as server:
        again = OpenAI("fake", base_url=server.url)
        assert [again.generate("Write a tweet.", seed=10 + draw, top_p=1.0).text for draw in range(5)] == written
        with pytest.raises(openai.NotFoundError, match="has no answer of 'fake' to 'Write a poem") as caught:
            ask(server, "Write a poem.")
        assert caught.value.code == "not_recorded"
        with pytest.raises(errors.ModelNotFoundError, match="has no answer of 'fake'"):
            again.run(["Write a poem."])


def test_a_cache_is_shared_between_servers_and_scripts(tmp_path: Path) -> None:
    fake = FakeLLM("written by a script", cache_folder_path=str(tmp_path))
    fake.run(["a"])
    _open(tmp_path).flush()
    silent = FakeLLM("written by a script")
    with Server(ModelBackend(silent, Ledger.open(tmp_path / "calls.sqlite"), replay=True)) as server:
        assert text_of(ask(server, "a")) == "written by a script"
        with pytest.raises(openai.NotFoundError) as caught:
            ask(server, "b")
        assert caught.value.code == "not_recorded"
    assert not silent.calls
