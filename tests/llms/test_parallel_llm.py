"""Several models that answer as one: order, who answers, what is remembered, and models that fail."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from chat_server import Server, answer, error

from datadreamer import DataDreamer, _context
from datadreamer.errors import AuthenticationError, InvalidArgumentError, InvalidTypeError, ModelError
from datadreamer.ledger import Ledger
from datadreamer.llms import LLM, Chat, FakeLLM, Generation, OpenAI, ParallelLLM, Request
from datadreamer.llms.types import Failure
from datadreamer.steps import DataFromPrompt


class Upper(LLM):
    """A local model. Copies of it are equal."""

    model_name = "upper"

    def __init__(self, name: str = "", gate: threading.Event | None = None) -> None:
        super().__init__()
        self.batches: list[list[str]] = []
        self.gate = gate

    def spec(self) -> dict[str, Any]:
        return {"kind": "Upper", "system_prompt": None}

    def _answer_batch(self, requests: list[Request]) -> list[Generation | Failure]:
        self.batches.append([request.prompt for request in requests])
        if self.gate is not None:
            assert self.gate.wait(20)
        return [Generation(text=request.prompt.upper(), finish_reason="stop", model="upper-1") for request in requests]


class Broken(Upper):
    def _answer_batch(self, requests: list[Request]) -> list[Generation | Failure]:
        self.batches.append([request.prompt for request in requests])
        raise RuntimeError("CUDA error: device-side assert triggered")


@pytest.fixture
def other() -> Iterator[Server]:
    with Server() as running:
        yield running


def served_by(name: str) -> Any:
    async def behaviour(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(0.002)
        return answer(f"{body['messages'][-1]['content']}", model=name)

    return behaviour


# --- order and sharing ----------------------------------------------------------------------------------------------


def test_hosted_models_answer_together_in_the_order_of_the_prompts(server: Server, other: Server) -> None:
    server.behaviour, other.behaviour = served_by("one"), served_by("two")
    both = ParallelLLM(OpenAI("m", base_url=server.url), OpenAI("m", base_url=other.url))
    prompts = [f"p{number}" for number in range(300)]
    assert both.run(prompts) == prompts
    assert len(server.requests) + len(other.requests) == 300
    assert server.requests and other.requests


def test_local_models_answer_together_in_batches_of_similar_length() -> None:
    first, second = Upper(), Upper()
    prompts = ["x" * (1 + number % 40) for number in range(400)]
    assert ParallelLLM(first, second).run(prompts, batch_size=8, temperature=1.0) == [text.upper() for text in prompts]
    batches = first.batches + second.batches
    assert sum(map(len, batches)) == 400 and max(map(len, batches)) == 8
    spread = [len(max(batch, key=len)) - len(min(batch, key=len)) for batch in batches]
    assert sum(spread) / len(spread) < 10  # 30 without an order


def test_a_slow_model_keeps_only_what_it_has_in_hand() -> None:
    gate = threading.Event()
    slow, fast = Upper(gate=gate), Upper()
    texts = ParallelLLM(slow, fast).run((f"p{n}" for n in range(200)), batch_size=4, return_generator=True)

    def read() -> None:
        found.extend(texts)

    found: list[str] = []
    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(1000):
        if sum(map(len, fast.batches)) == 196:
            break
        threading.Event().wait(0.01)
    assert sum(map(len, slow.batches)) == 4 and sum(map(len, fast.batches)) == 196
    gate.set()
    reader.join(20)
    assert found == [f"P{n}" for n in range(200)]


def test_hosted_and_local_models_and_models_with_a_run_of_their_own_mix(server: Server) -> None:
    class Old(LLM):
        """As published: it writes run()."""

        def run(self, prompts: Any, **parameters: Any) -> Any:
            seen.append(parameters["temperature"])
            return [f"echo {prompt}" for prompt in prompts]

    class Echo(Upper):
        def _answer_batch(self, requests: list[Request]) -> list[Generation | Failure]:
            return [Generation(text=f"echo {request.prompt}") for request in requests]

    seen: list[float] = []
    mixed = ParallelLLM(OpenAI("m", base_url=server.url), Old(), Echo())
    prompts = [f"p{number}" for number in range(100)]
    assert mixed.run(prompts, temperature=0.5) == [f"echo {prompt}" for prompt in prompts]
    assert server.requests and seen and set(seen) == {0.5}


def test_one_prompt_can_be_asked_with_and_without_await(server: Server, other: Server) -> None:
    both = ParallelLLM(OpenAI("m", base_url=server.url), OpenAI("m", base_url=other.url))
    assert both.generate("a").text == "echo a"

    async def several() -> list[str]:
        return [one.text for one in await asyncio.gather(*(both.agenerate(f"p{n}") for n in range(40)))]

    assert asyncio.run(several()) == [f"echo p{n}" for n in range(40)]
    assert server.requests and other.requests


def test_equal_requests_are_asked_once_at_temperature_zero(server: Server, other: Server) -> None:
    both = ParallelLLM(OpenAI("m", base_url=server.url), OpenAI("m", base_url=other.url))
    assert both.run(["same"] * 50, temperature=0) == ["echo same"] * 50
    assert len(server.requests) + len(other.requests) == 1


def test_several_draws_of_each_prompt_come_as_lists() -> None:
    fake = FakeLLM(lambda prompt, request: f"{prompt}{request.sample}")
    assert ParallelLLM(fake, fake).run(["a", "b"], n=3) == [["a0", "a1", "a2"], ["b0", "b1", "b2"]]


def test_closing_the_generator_stops_the_asking() -> None:
    fakes = FakeLLM(latency=0.01), FakeLLM(latency=0.01)
    texts = ParallelLLM(*fakes).run((f"p{n}" for n in range(10_000)), return_generator=True, batch_size=4)
    next(texts)
    texts.close()
    assert sum(fake.calls for fake in fakes) < 200


# --- failure isolation ----------------------------------------------------------------------------------------------


def test_a_local_model_that_breaks_is_set_aside_and_its_rows_are_asked_of_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken, good = Broken(), Upper()
    prompts = [f"p{number}" for number in range(100)]
    assert ParallelLLM(broken, good).run(prompts, batch_size=5) == [prompt.upper() for prompt in prompts]
    assert len(broken.batches) == 1
    assert "is set aside, the other goes on" in caplog.text and "device-side assert" in caplog.text


def test_a_server_that_is_gone_and_a_key_that_is_wrong_cost_no_row(server: Server, other: Server) -> None:
    async def wrong_key(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return error(401, "no such key")

    other.behaviour = wrong_key
    with Server() as gone:
        address = gone.url
    models = [OpenAI("m", base_url=url) for url in (address, other.url, server.url)]
    prompts = [f"p{number}" for number in range(60)]
    assert ParallelLLM(*models).run(prompts) == [f"echo {prompt}" for prompt in prompts]
    assert len(server.requests) == 60


def test_a_model_without_a_key_is_set_aside_before_it_is_asked(server: Server) -> None:
    models = OpenAI("gpt-4o-mini"), OpenAI("m", base_url=server.url)
    assert ParallelLLM(*models).run(["a", "b"]) == ["echo a", "echo b"]
    with pytest.raises(AuthenticationError, match=r"None of the 2 models .* OPENAI_API_KEY"):
        ParallelLLM(OpenAI("gpt-4o-mini"), OpenAI("gpt-4o")).run(["a"])


def test_when_no_model_is_left_the_run_stops_and_says_why_of_each(server: Server, other: Server) -> None:
    async def wrong_key(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return error(401, f"key {number} is wrong")

    server.behaviour = other.behaviour = wrong_key
    both = ParallelLLM(OpenAI("m", base_url=server.url), OpenAI("n", base_url=other.url))
    with pytest.raises(AuthenticationError, match="None of the 2 models") as caught:
        both.run([f"p{number}" for number in range(100)])
    assert "OpenAI (m)" in str(caught.value) and "OpenAI (n)" in str(caught.value)
    with pytest.raises(AuthenticationError):
        both.generate("a")
    server.behaviour = served_by("one")  # the key was mended
    assert both.generate("a").text == "a"


def test_what_one_model_refuses_another_may_answer(server: Server, other: Server) -> None:
    async def short(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        if len(body["messages"][-1]["content"]) > 10:
            return error(400, "maximum context length", "context_length_exceeded")
        return answer("short")

    server.behaviour = short
    both = ParallelLLM(OpenAI("small", base_url=server.url), OpenAI("large", base_url=other.url))
    prompts = ["p" * (number % 20 + 1) for number in range(80)]
    outcomes = list(both.outcomes(prompts))
    assert all(isinstance(one, Generation) for one in outcomes)


def test_a_request_that_all_refuse_is_a_failure_of_its_row_alone() -> None:
    def fail(prompt: str) -> ModelError | None:
        from datadreamer.errors import BadRequestError

        return BadRequestError("no") if prompt == "p7" else None

    models = FakeLLM("a", fail=fail, model_name="one"), FakeLLM("b", fail=fail, model_name="two")
    outcomes = list(ParallelLLM(*models).outcomes([f"p{number}" for number in range(30)]))
    assert [place for place, one in enumerate(outcomes) if isinstance(one, Failure)] == [7]
    assert outcomes[7].reason == "bad_request"


def test_failures_and_answers_are_counted_once(scope: _context.StepScope) -> None:
    from datadreamer.errors import BadRequestError

    models = [FakeLLM(name, fail={"p7": BadRequestError("no")}, model_name=name) for name in ("one", "two")]
    list(ParallelLLM(*models).outcomes([f"p{number}" for number in range(30)]))
    assert (scope.stats.calls, scope.stats.failures) == (29, 1)
    assert sum(sum(facts["served"].values()) for facts in scope.models.values()) == 29


def test_a_rate_limit_holds_up_one_model_alone(server: Server, other: Server) -> None:
    async def limited(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return error(429, "slow down", headers={"Retry-After": "600"})

    server.behaviour = limited
    both = ParallelLLM(OpenAI("m", base_url=server.url), OpenAI("m", base_url=other.url))
    prompts = [f"p{number}" for number in range(200)]
    assert both.run(prompts) == [f"echo {prompt}" for prompt in prompts]  # nobody waits ten minutes


def test_a_fault_in_one_models_code_is_told_when_it_is_the_only_one() -> None:
    with pytest.raises(RuntimeError, match="device-side assert"):
        ParallelLLM(Broken()).run(["a"])


# --- identity and memory --------------------------------------------------------------------------------------------


def test_copies_have_the_identity_of_the_one_model_however_many(scope: _context.StepScope) -> None:
    alone = Upper()
    assert ParallelLLM(Upper(), Upper(), Upper()).spec() == alone.spec()
    assert ParallelLLM(Upper(), Upper()).run(["a", "b"]) == ["A", "B"]
    assert alone.run(["a", "b"]) == ["A", "B"] and not alone.batches  # remembered
    assert list(scope.models) == ["Upper (upper)"]


def test_different_models_have_one_identity_whatever_their_order() -> None:
    one, two = FakeLLM("a", model_name="one"), FakeLLM("b", model_name="two")
    assert (
        ParallelLLM(one, two).spec() == ParallelLLM(two, one, two).spec() == ParallelLLM(ParallelLLM(two), one).spec()
    )
    assert ParallelLLM(one, two).spec() != ParallelLLM(one).spec() == one.spec()


def test_the_answers_of_different_models_are_remembered_with_who_gave_them(
    scope: _context.StepScope, ledger: Ledger
) -> None:
    models = FakeLLM("a", model_name="one"), FakeLLM("b", model_name="two")
    prompts = [f"p{number}" for number in range(64)]
    texts = ParallelLLM(*models).run(prompts)
    ledger.flush()
    records = {record.text: (record.model, record.served_model) for _, record in ledger.calls()}
    assert records == {"a": ("one", "one"), "b": ("two", "two")}

    again = [FakeLLM("a", model_name="one"), FakeLLM("b", model_name="two")]
    running = _context.StepScope("Again", "ddw1:0", ledger)
    with _context.running(running):
        assert ParallelLLM(again[1], again[0]).run(prompts) == texts
    assert not any(fake.calls for fake in again) and running.stats.hits == 64
    served = {name: facts["served"] for name, facts in running.models.items()}
    assert served == {"FakeLLM (one)": {"one": texts.count("a")}, "FakeLLM (two)": {"two": texts.count("b")}}


def test_the_key_of_a_record_is_the_digest_of_what_it_says_was_asked(scope: _context.StepScope, ledger: Ledger) -> None:
    import msgspec

    from datadreamer import identity

    ParallelLLM(FakeLLM("a", model_name="one"), FakeLLM("b", model_name="two")).run(["p"])
    ledger.flush()
    ((key, record),) = ledger.calls()
    assert identity.request_key(msgspec.json.decode(record.request)) == key


def test_models_with_different_system_prompts_are_each_asked_with_their_own(server: Server, other: Server) -> None:
    models = [OpenAI("m", f"You are {name}.", base_url=one.url) for name, one in (("A", server), ("B", other))]
    both = ParallelLLM(*models)
    both.run([f"p{number}" for number in range(40)])
    for name, one in (("A", server), ("B", other)):
        assert {seen.json["messages"][0]["content"] for seen in one.requests} == {f"You are {name}."}
    both.run([Chat([{"role": "user", "content": "p"}], system="You are C.")])
    assert {"You are C."} <= {seen.json["messages"][0]["content"] for seen in server.requests + other.requests}


# --- what it says of itself -----------------------------------------------------------------------------------------


def test_a_prompt_has_to_fit_every_model() -> None:
    both = ParallelLLM(FakeLLM("a", max_context_length=50), FakeLLM("b", max_context_length=20))
    assert both.get_max_context_length(5) == 15
    assert both.count_tokens("a b c") == 3


def test_a_parameter_must_be_taken_by_every_model(server: Server) -> None:
    both = ParallelLLM(OpenAI("m", base_url=server.url), FakeLLM())
    with pytest.raises(InvalidArgumentError, match="has no parameter 'presence_penalty'"):
        both.run(["a"], presence_penalty=1.0)


def test_what_is_no_model_is_refused_by_name() -> None:
    with pytest.raises(InvalidArgumentError, match="at least one model"):
        ParallelLLM()
    with pytest.raises(InvalidTypeError, match=r"ParallelLLM\(\*llms\)"):
        ParallelLLM([FakeLLM()])  # type: ignore[arg-type]


def test_a_steps_card_names_the_models_that_answered_with_their_terms(server: Server, tmp_path: Path) -> None:
    class Licensed(FakeLLM):
        license = "MIT"  # type: ignore[assignment]

    with DataDreamer(str(tmp_path)):
        llm = ParallelLLM(Licensed("a", model_name="one", latency=0.01), FakeLLM("b", model_name="two", latency=0.01))
        step = DataFromPrompt("Ask", args={"llm": llm, "n": 40, "instruction": "Go."})
        texts = list(step.output["generations"])
    models = {one["asked"]: one for one in json.loads((tmp_path / "ask" / "step.json").read_text())["models"]}
    assert {name: sum(one["served"].values()) for name, one in models.items()} == {
        "one": texts.count("a"),
        "two": texts.count("b"),
    }
    assert models["one"]["license"]["text"] == "MIT"


def test_a_step_is_the_same_whatever_the_number_and_order_of_the_models(tmp_path: Path) -> None:
    def workflow(llm: LLM) -> list[str]:
        with DataDreamer(str(tmp_path)):
            step = DataFromPrompt("Ask", args={"llm": llm, "n": 20, "instruction": "Go."})
            return list(step.output["generations"])

    fakes = [FakeLLM(name, model_name=name) for name in ("one", "two")]
    texts = workflow(ParallelLLM(*fakes))
    asked = sum(fake.calls for fake in fakes)
    assert workflow(ParallelLLM(fakes[1], fakes[0], fakes[1])) == texts
    assert sum(fake.calls for fake in fakes) == asked == 20


def test_a_service_that_goes_down_in_the_middle_holds_up_no_row(server: Server, other: Server) -> None:
    async def works_for_a_while(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return answer(f"echo {body['messages'][-1]['content']}") if number < 40 else error(503, "down")

    server.behaviour = works_for_a_while
    other.behaviour = served_by("two")
    both = ParallelLLM(OpenAI("m", base_url=server.url), OpenAI("n", base_url=other.url))
    prompts = [f"p{number}" for number in range(3000)]
    started = time.monotonic()
    assert [text.removeprefix("echo ") for text in both.run(prompts)] == prompts
    assert time.monotonic() - started < 60  # an outage is waited out for much longer, where there is nobody else


def test_limits_per_minute_of_one_model_hold_up_that_one_alone(server: Server, other: Server) -> None:
    slow = OpenAI("m", base_url=server.url, requests_per_minute=6)
    both = ParallelLLM(slow, OpenAI("n", base_url=other.url))
    prompts = [f"p{number}" for number in range(200)]
    started = time.monotonic()
    assert both.run(prompts) == [f"echo {prompt}" for prompt in prompts]
    assert time.monotonic() - started < 30
