"""What every model has: checked parameters, prompts from parts, batches, and models that users write."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from datadreamer import _context, llms
from datadreamer.errors import ContextLengthError, InvalidArgumentError, InvalidTypeError, TransientModelError
from datadreamer.llms import LLM, Failure, FakeLLM, Generation, Request
from datadreamer.llms.tokens import estimate

# --- parameters -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"temprature": 1}, "no parameter 'temprature'. Did you mean 'temperature'?"),
        ({"temperature": -1}, "'temperature' must be at least 0.0"),
        ({"top_p": 1.5}, "'top_p' must be between 0.0 and 1.0"),
        ({"n": 0}, "'n' must be at least 1"),
        ({"max_new_tokens": 0}, "'max_new_tokens' must be at least 1"),
        ({"stop": [""]}, "non-empty"),
        ({"batch_size": 0}, "'batch_size'"),
    ],
)
def test_a_wrong_parameter_is_refused_before_anything_is_asked(parameters: dict[str, Any], message: str) -> None:
    llm = FakeLLM()
    with pytest.raises(InvalidArgumentError) as caught:
        llm.run(["p"], **parameters)
    assert message in str(caught.value)
    with pytest.raises(InvalidArgumentError):
        llm.outcomes(["p"], **parameters)
    assert llm.calls == 0


@pytest.mark.parametrize("parameters", [{"temperature": "hot"}, {"seed": 1.5}, {"n": True}, {"response_format": 3}])
def test_a_parameter_of_the_wrong_type_is_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(InvalidTypeError):
        FakeLLM().run(["p"], **parameters)


@pytest.mark.parametrize("prompt", [None, 3, [], {"role": "user"}, ["text"], [{"content": "no role"}]])
def test_a_prompt_that_is_none_is_refused(prompt: Any) -> None:
    with pytest.raises(InvalidTypeError):
        FakeLLM().run([prompt])


def test_agenerate_gives_one_answer_so_it_takes_no_n() -> None:
    with pytest.raises(InvalidArgumentError, match="sample=0"):
        FakeLLM().generate("p", n=2)


# --- prompts from parts -----------------------------------------------------------------------------------------------


def short(words: int, system: str | None = None) -> FakeLLM:
    """A model whose tokens are words; its chat format takes 12 of them."""
    return FakeLLM(max_context_length=words + 12, system_prompt=system)


def test_parts_are_joined_in_order() -> None:
    llm = FakeLLM()
    assert llm.format_prompt(beg_instruction="Do:", in_context_examples=["a", "b"], end_instruction="Now c") == (
        "Do:\na\nb\nNow c"
    )
    assert llm.format_prompt(end_instruction="x", sep="\n\n") == "x"


def test_an_example_that_does_not_fit_is_skipped_and_the_next_is_tried() -> None:
    llm = short(6)
    examples = ["one two", "a b c d e f", "three"]
    assert llm.format_prompt(beg_instruction="Go", in_context_examples=examples, end_instruction="end") == (
        "Go\none two\nthree\nend"
    )


def test_room_is_kept_for_the_answer() -> None:
    llm = short(6)
    assert llm.format_prompt(max_new_tokens=3, beg_instruction="Go", in_context_examples=["a b", "c d"]) == "Go\na b"


def test_examples_are_bounded_from_both_sides() -> None:
    llm = FakeLLM(max_context_length=100)
    assert llm.format_prompt(in_context_examples=["a", "b", "c"], max_in_context_examples=2) == "a\nb"
    assert llm.format_prompt(in_context_examples=["a"], max_in_context_examples=0, min_in_context_examples=0) == ""
    with pytest.raises(ContextLengthError, match="at least 1"):
        short(3).format_prompt(beg_instruction="a b", in_context_examples=["c d e"])
    with pytest.raises(ContextLengthError, match="at least 2"):
        short(4).format_prompt(in_context_examples=["a b", "c d e"], min_in_context_examples=2)
    with pytest.raises(InvalidArgumentError):
        llm.format_prompt(in_context_examples=["a"], min_in_context_examples=2, max_in_context_examples=1)


def test_an_instruction_that_does_not_fit_is_an_error_a_value_error_too() -> None:
    with pytest.raises(ValueError, match="without examples has 15 tokens"):
        short(2).format_prompt(beg_instruction="a b c")


def test_a_system_prompt_takes_room() -> None:
    with pytest.raises(ContextLengthError):
        short(3, system="be very brief").format_prompt(beg_instruction="a b c")


def test_the_estimate_is_not_below_what_tokenizers_count() -> None:
    english = "The quick brown fox jumps over the lazy dog, and then some more words follow in this sentence."
    assert 19 <= estimate(english) <= 40  # 20 with the vocabulary of GPT-4
    assert estimate("日本語の文章です") >= 8
    assert estimate("") == 0
    assert estimate("a b c d e f") >= 6


# --- local models: batches --------------------------------------------------------------------------------------------


class Local(LLM):
    """A model in this process that notes its batches."""

    default_batch_size = 4

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[str]] = []
        self.inside = 0

    def _answer_batch(self, requests: list[Request]) -> list[Generation | Failure]:
        self.inside += 1
        assert self.inside == 1  # one batch at a time
        self.batches.append([request.prompt for request in requests])
        outcomes: list[Generation | Failure] = [
            Failure.of(ContextLengthError("too long"))
            if request.prompt == "bad"
            else Generation(text=f"{request.prompt}!{request.sample}", finish_reason="stop")
            for request in requests
        ]
        self.inside -= 1
        return outcomes


def test_prompts_of_like_length_share_a_batch_and_answers_keep_their_order() -> None:
    llm = Local()
    prompts = ["aaaa", "b", "cccc", "d", "eeee", "f", "gggg", "h"]
    assert llm.run(prompts) == [f"{prompt}!0" for prompt in prompts]
    assert llm.batches == [["aaaa", "cccc", "eeee", "gggg"], ["b", "d", "f", "h"]]


def test_sorting_can_be_turned_off_and_the_batch_size_set() -> None:
    llm = Local()
    llm.run(["aaaa", "b", "cccc"], batch_size=2, batch_scheduler_buffer_size=-1)
    assert llm.batches == [["aaaa", "b"], ["cccc"]]


def test_draws_of_a_local_model_are_numbered_and_remembered(scope: _context.StepScope) -> None:
    llm = Local()
    assert llm.run(["a", "a"], n=2) == [["a!0", "a!1"], ["a!2", "a!3"]]
    assert llm.run(["a"] * 4) == ["a!0", "a!1", "a!2", "a!3"]
    assert len(llm.batches) == 1
    assert (scope.stats.calls, scope.stats.hits) == (4, 4)


def test_at_temperature_0_a_local_model_answers_equal_prompts_once() -> None:
    llm = Local()
    assert llm.run(["a", "b", "a"], temperature=0) == ["a!0", "b!0", "a!0"]
    assert llm.batches == [["a", "b"]]


def test_a_failed_row_of_a_batch_fails_alone(scope: _context.StepScope) -> None:
    outcomes = list(Local().outcomes(["a", "bad", "c"]))
    assert [type(one) for one in outcomes] == [Generation, Failure, Generation]
    assert scope.stats.failures == 1


def test_prompts_are_taken_buffer_by_buffer() -> None:
    taken: list[int] = []
    prompts = (taken.append(n) or f"p{n}" for n in range(10_000))  # type: ignore[func-returns-value]
    outcomes = Local().outcomes(prompts, batch_scheduler_buffer_size=20)
    next(outcomes)
    assert len(taken) <= 40, "at most two buffers of prompts, whatever their number"


def test_single_questions_to_a_local_model_are_gathered_into_batches(scope: _context.StepScope) -> None:
    llm = Local()

    async def many() -> list[str]:
        return [one.text for one in await asyncio.gather(*(llm.agenerate(f"p{n}") for n in range(10)))]

    assert asyncio.run(many()) == [f"p{n}!0" for n in range(10)]
    assert len(llm.batches) <= 5
    assert scope.stats.calls == 10


def test_threads_share_a_local_model() -> None:
    llm = Local()
    threads = [threading.Thread(target=llm.run, args=([f"{i}{n}" for n in range(50)],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sum(map(len, llm.batches)) == 200


# --- models that users write ------------------------------------------------------------------------------------------


class Published(LLM):
    """Written against the published base: count_tokens, get_max_context_length and run."""

    def count_tokens(self, value: str) -> int:
        return len(value)

    def get_max_context_length(self, max_new_tokens: int = 0) -> int:
        return 100 - max_new_tokens

    def run(self, prompts: Any, *args: Any, return_generator: bool = False, n: int = 1, **kwargs: Any) -> Any:
        texts = (prompt.upper() if n == 1 else [prompt.upper()] * n for prompt in prompts)
        return texts if return_generator else list(texts)


def test_a_model_that_writes_run_itself_works_where_outcomes_are_read() -> None:
    llm = Published()
    assert [one.text for one in llm.outcomes(["a", "b"])] == ["A", "B"]
    assert (
        llm.format_prompt(beg_instruction="x" * 40, in_context_examples=["y" * 45, "z" * 20])
        == "x" * 40 + "\n" + "y" * 45
    )
    assert [[one.text for one in both] for both in llm.outcomes(["a"], n=2)] == [["A", "A"]]


def test_a_model_that_cannot_answer_says_what_to_write() -> None:
    class Empty(LLM):
        pass

    with pytest.raises(InvalidTypeError, match=r"Empty cannot answer.*_answer"):
        Empty().run(["p"])


def test_a_failure_can_be_raised_again() -> None:
    for error in (ContextLengthError("x"), TransientModelError("x")):
        assert type(Failure.of(error).error()) is type(error)


def test_every_exported_name_is_there() -> None:
    for name in set(llms.__all__) - {"HFTransformers"}:
        assert getattr(llms, name).__name__ == name
    with pytest.raises(AttributeError):
        llms.Nothing  # noqa: B018
