"""Values in the order of the prompts; faulty answers asked again, each time remembered; losses with their reasons."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Generator
from typing import Any, Literal

import pydantic
import pytest
from aiohttp import web
from chat_server import Server, answer

from datadreamer import _context
from datadreamer.errors import (
    BadRequestError,
    InvalidArgumentError,
    InvalidTypeError,
    ModelError,
    TruncatedAnswerError,
    UnparsedAnswerError,
)
from datadreamer.llms import LLM, Chat, Failure, FakeLLM, Generation, OpenAI, Request


class Score(pydantic.BaseModel):
    score: int


def says(number: int) -> str:
    return f'{{"score": {number}}}'


def of(prompt: str) -> int:
    return int(prompt.split()[0])


def first_message(request: Request) -> str:
    return str(request.messages[0]["content"])


def wrong_at_first(times: int) -> Callable[[str, Request], str]:
    """Answers that are right only when they were asked for again `times` times."""

    def answers(prompt: str, request: Request) -> str:
        turns = (len(request.messages) - 1) // 2
        return says(of(first_message(request))) if turns >= times else f"draw {request.sample} try {turns}"

    return answers


def test_values_come_in_the_order_of_the_prompts() -> None:
    llm = FakeLLM(lambda prompt: says(of(prompt)))
    prompts = [f"{n} points" for n in range(500)]
    assert llm.run(prompts, output_type=Score) == [Score(score=n) for n in range(500)]
    lazily = llm.run(iter(prompts), output_type=Score, return_generator=True)
    assert isinstance(lazily, Generator) and next(lazily) == Score(score=0)
    lazily.close()


def test_faulty_answers_are_asked_again_without_losing_the_order(scope: _context.StepScope) -> None:
    def answers(prompt: str, request: Request) -> str:
        number, turns = of(first_message(request)), (len(request.messages) - 1) // 2
        return "no" if turns < number % 3 else says(number)

    llm = FakeLLM(answers)
    found = list(llm.outcomes((f"{n} points" for n in range(300)), output_type=Score))
    assert [one.value.score for one in found] == list(range(300))
    assert [len(one.reasked) for one in found] == [n % 3 for n in range(300)]
    assert llm.calls == 100 * (1 + 2 + 3)
    assert scope.ledger.count_calls() == 600  # each re-ask is a call of its own


def test_a_replay_walks_the_same_chain_without_a_call(scope: _context.StepScope) -> None:
    prompts = ["1 point", "2 points", "1 point", "3 points"]
    first = FakeLLM(wrong_at_first(2))
    values = first.run(prompts, output_type=Score)
    assert first.calls == 12
    again = FakeLLM(first._answers)
    assert again.run(prompts, output_type=Score, cache_only=True) == values
    assert again.calls == 0


def test_two_draws_that_err_alike_stay_two_draws(server: Server, scope: _context.StepScope) -> None:
    counter = itertools.count(100)

    async def behaviour(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return answer("wrong" if len(body["messages"]) == 2 else says(next(counter)))

    server.behaviour = behaviour
    llm = OpenAI("m", base_url=server.url)
    values = llm.run(["p"] * 5, output_type=Score)
    assert sorted(value.score for value in values) == [100, 101, 102, 103, 104]
    assert llm.run(["p"] * 5, output_type=Score) == values
    assert len(server.requests) == 10


def test_draws_are_numbered_as_without_a_type(scope: _context.StepScope) -> None:
    def samples(**parameters: Any) -> list[tuple[str, int]]:
        llm = FakeLLM(lambda prompt: says(1), system_prompt="S")
        a = {"role": "user", "content": "a"}
        chats = [Chat([a]), Chat([a], "S"), [{"role": "system", "content": "T"}, a], Chat([a], sample=7)]
        prompts: list[Any] = ["a", "b", "a", *chats]
        list(llm.outcomes(prompts, force=True, **parameters))
        return sorted((first_message(one) + (one.system or ""), one.sample) for one in llm.requests)

    assert samples(output_type=Score) == samples()
    assert samples(output_type=Score, n=3) == samples(n=3)


def test_n_answers_are_lists_of_values_and_seeds_follow_the_draw() -> None:
    llm = FakeLLM(lambda prompt, request: says(request.sample))
    assert llm.run(["p", "q"], n=2, seed=10, output_type=Score) == [[Score(score=0), Score(score=1)]] * 2
    assert sorted(request.seed or 0 for request in llm.requests) == [10, 10, 11, 11]


def test_at_temperature_0_equal_prompts_share_one_answer_and_its_re_asks(scope: _context.StepScope) -> None:
    llm = FakeLLM(wrong_at_first(1))
    assert llm.run(["1 x"] * 4, temperature=0, n=2, output_type=Score) == [[Score(score=1)] * 2] * 4
    assert llm.calls == 2


@pytest.mark.parametrize(("most", "calls"), [(0, 1), (1, 2), (None, 3), (4, 5)])
def test_re_asks_are_bounded_and_then_the_row_is_lost(most: int | None, calls: int) -> None:
    llm = FakeLLM("no idea")
    [lost] = llm.outcomes(["p"], output_type=Score, max_reasks=most)
    assert isinstance(lost, Failure)
    assert (lost.reason, llm.calls, len(lost.reasked)) == ("unparsed", calls, calls - 1)
    assert "it is no JSON" in lost.message and "'no idea'" in lost.message
    assert lost.usage.output_tokens == 2 * calls
    assert isinstance(lost.error(), UnparsedAnswerError)


def test_run_names_the_prompt_without_a_value() -> None:
    llm = FakeLLM({"a": says(1), "b": "?"} | {})
    with pytest.raises(UnparsedAnswerError, match="Prompt 1 has no answer: The answer is not what was asked for"):
        llm.run(["a", "b"], output_type=Score, max_reasks=0)


def test_a_failed_row_leaves_the_others_alone() -> None:
    llm = FakeLLM(lambda p: says(of(p)), fail=lambda p: BadRequestError("bad") if p.startswith("2") else None)
    found = list(llm.outcomes(["1 x", "2 x", "3 x"], output_type=Score))
    assert [getattr(one, "reason", None) for one in found] == [None, "bad_request", None]


def test_one_answer_awaited_or_not_is_read_too(scope: _context.StepScope) -> None:
    llm = FakeLLM(wrong_at_first(1))
    found = llm.generate("5 points", output_type=Score)
    assert (found.value, found.text, len(found.reasked)) == (Score(score=5), says(5), 1)
    assert asyncio.run(llm.agenerate("5 points", output_type=Score)).value == Score(score=5)
    assert llm.calls == 2
    assert llm.generate("5 points", output_type=Score, sample=1).value == Score(score=5)
    assert llm.calls == 4
    with pytest.raises(UnparsedAnswerError):
        FakeLLM("no").generate("p", output_type=Score)
    with pytest.raises(InvalidArgumentError, match="n=2"):
        llm.generate("p", output_type=Score, n=2)


def test_a_truncated_answer_is_lost_even_if_it_would_fit() -> None:
    class Cut(LLM):
        async def _answer(self, request: Request) -> Generation:
            return Generation(text="12", finish_reason="length")

    [lost] = Cut().outcomes(["p"], output_type=int)
    assert isinstance(lost, Failure) and lost.reason == "truncated"
    with pytest.raises(TruncatedAnswerError):
        Cut().generate("p", output_type=int)


def test_a_model_of_one_s_own_is_asked_in_words_and_parsed() -> None:
    class Own(LLM):
        asked: list[Any] = []  # noqa: RUF012

        async def _answer(self, request: Request) -> Generation:
            self.asked.append(request)
            return Generation(text="I choose **B**.", finish_reason="stop")

    llm = Own()
    assert llm.run(["Which?"], output_type=Literal["a", "b"]) == ["b"]
    [request] = llm.asked
    assert request.prompt == "Which?\n\nAnswer with one of these, as it stands here, and with nothing else:\n- a\n- b"
    assert request.response_format is None


def test_the_instruction_stands_behind_the_last_words_of_the_user() -> None:
    class Own(LLM):
        asked: list[Any] = []  # noqa: RUF012

        async def _answer(self, request: Request) -> Generation:
            self.asked.append(request.messages)
            return Generation(text="3", finish_reason="stop")

    turns: list[Any] = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": [{"type": "text", "text": "How many?"}]},
    ]
    llm = Own()
    assert llm.run([turns], output_type=int) == [3]
    told = {"type": "text", "text": "Answer with a whole number, in digits, and with nothing else."}
    assert llm.asked[0] == (*turns[:2], {"role": "user", "content": [*turns[2]["content"], told]})
    assert turns[2]["content"] == [{"type": "text", "text": "How many?"}]


def test_a_model_that_writes_run_itself_gets_texts_and_gives_values() -> None:
    class Published(LLM):
        def run(self, prompts: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
            assert "output_type" not in kwargs and "max_reasks" not in kwargs
            for prompt in prompts:
                yield "7" if isinstance(prompt, list) else f"hm ({prompt.split()[0]})"

    found = list(Published().outcomes(["p", "q"], output_type=int))
    assert [one.value for one in found] == [7, 7]


def test_batches_of_a_local_model_are_asked_again_too(scope: _context.StepScope) -> None:
    class Local(LLM):
        batches: list[int] = []  # noqa: RUF012

        def _answer_batch(self, requests: list[Request]) -> list[Generation | Failure]:
            self.batches.append(len(requests))
            return [
                Generation(text=says(of(first_message(one))) if len(one.messages) > 1 else "?", finish_reason="stop")
                for one in requests
            ]

    llm = Local()
    values = llm.run([f"{n} points" for n in range(25)], output_type=Score, batch_size=10)
    assert [value.score for value in values] == list(range(25))
    assert sum(llm.batches) == 50 and max(llm.batches) == 10
    assert llm.generate("3 points", output_type=Score).value.score == 3


@pytest.mark.parametrize(
    ("parameters", "error", "said"),
    [
        ({"output_type": object}, InvalidTypeError, "output_type takes"),
        ({"output_type": Score, "response_format": {"type": "json_object"}}, InvalidArgumentError, "response_format"),
        ({"output_type": Score, "max_reasks": -1}, InvalidArgumentError, "at least 0"),
        ({"output_type": Score, "max_reasks": 1.5}, InvalidTypeError, "must be an integer"),
        ({"output_type": Score, "temprature": 1}, InvalidArgumentError, "Did you mean 'temperature'"),
        ({"output_type": Score, "n": 0}, InvalidArgumentError, "'n' must be at least 1"),
        ({"outputtype": Score}, InvalidArgumentError, "Did you mean 'output_type'"),
    ],
)
def test_mistakes_are_named_before_anything_is_asked(parameters: dict[str, Any], error: Any, said: str) -> None:
    llm = FakeLLM()
    with pytest.raises(error) as caught:
        llm.outcomes(iter(["p"]), **parameters)
    assert said in str(caught.value)
    assert llm.calls == 0


def test_without_a_type_nothing_changes() -> None:
    llm = FakeLLM("ok")
    [outcome] = llm.outcomes(["p"], max_reasks=None, output_type=None)
    assert isinstance(outcome, Generation) and outcome.text == "ok"
    assert repr(outcome.value) == "UNSET"
    parts = {"messages": ({"role": "user", "content": "p"},), "temperature": 1.0, "sample": 0}
    assert llm.requests[0].parts() == parts


def test_a_fake_model_that_was_told_nothing_answers_with_an_example() -> None:
    class Book(pydantic.BaseModel):
        title: str = pydantic.Field(min_length=3, max_length=9)
        pages: int = pydantic.Field(ge=10, le=20, multiple_of=5)
        price: float = pydantic.Field(gt=1, lt=2)
        isbn: str = pydantic.Field(pattern=r"^\d{3}-\d{10}$")
        kind: Literal["novel", "essay"]
        parts: list[Book]

    values = FakeLLM().run([f"book {n}" for n in range(20)], output_type=Book)
    assert values == FakeLLM().run([f"book {n}" for n in range(20)], output_type=Book)
    assert len({value.isbn for value in values}) > 1
    assert FakeLLM().run(["p"]) == ["ok"]


def test_answers_that_a_fake_model_was_given_are_read() -> None:
    llm = FakeLLM("maybe", latency=0.0)
    with pytest.raises(ModelError):
        llm.run(["p"], output_type=bool)


def test_a_slow_re_ask_does_not_hold_up_the_asking(server: Server) -> None:
    released = asyncio.Event()

    async def behaviour(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        first = body["messages"][1]["content"]
        if len(body["messages"]) > 2:
            await asyncio.wait_for(released.wait(), 20)
        elif first.startswith("0 "):
            return answer("wrong")
        elif first.startswith("199 "):
            released.set()
        return answer(says(of(first)))

    server.behaviour = behaviour
    llm = OpenAI("m", base_url=server.url)
    values = llm.run([f"{n} points" for n in range(200)], output_type=Score)
    assert [value.score for value in values] == list(range(200))


def test_a_reader_that_stops_stops_the_asking() -> None:
    llm = FakeLLM(wrong_at_first(1), latency=0.001)
    outcomes = llm.outcomes((f"{n} points" for n in itertools.count()), output_type=Score)
    assert [next(outcomes).value.score for _ in range(50)] == list(range(50))
    outcomes.close()
    assert llm.calls < 20_000
