"""A model that answers what it is told to: for trying a workflow without a model."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import InvalidTypeError, ModelError
from .engine.retry import RetryPolicy
from .llm import LLM
from .structured.dialects import EVERYTHING
from .types import Generation, Request, Usage

KEPT = 5_000  # requests that are kept at least: memory does not grow with the number of rows

NOTHING = "ok"  # the answer of a model that was told nothing

Answers = str | Sequence[str] | Mapping[str, str] | Callable[..., str]


class FailTimes:
    """Fails every prompt a number of times, and then no more: for `FakeLLM(fail=…)`.

    Args:
        error: what is raised.
        times: how often for each prompt.
        after: requests, of all prompts together, that are answered before anything fails.
    """

    def __init__(self, error: ModelError, times: int = 1, after: int = 0) -> None:
        self.error = error
        self.times = times
        self.after = after
        self.raised = 0  # in all
        self._asked = 0
        self._failed: Counter[str] = Counter()

    def __call__(self, prompt: str) -> ModelError | None:
        self._asked += 1
        if self._asked <= self.after or self._failed[prompt] >= self.times:
            return None
        self._failed[prompt] += 1
        self.raised += 1
        return self.error


class FakeLLM(LLM):
    """A model for tests of workflows: nothing is random, nothing leaves the process, every call is counted.

    Args:
        answers: the same text for every prompt; a list, cycled through by the sample index of a prompt; a mapping from
            prompt to text; or a function of the prompt (a `str`), and of the whole `Request` if it takes two arguments.
        latency: seconds that every answer takes.
        fail: which prompts fail. A mapping from prompt to exception, or a function from prompt to exception or None,
            for example a `FailTimes`.
        model_name: the name that it goes by.
        max_context_length: tokens. None: unlimited.
        retry_on_fail: ask again after errors that may pass, as real models do, but without their long waits.

    Asked for a type (`output_type`, `response_format`), a model that was told nothing answers with an example of it:
    plausible, and the same for the same request. Answers that were given are read as those of any other model.

    Its identity is that of its answers: another function, another model. Tokens are counted as words.
    """

    provider = "fake"
    retry_policy = RetryPolicy(first_wait=0.001, longest_wait=0.01, first_pause=0.001)
    output_dialect = EVERYTHING

    def __init__(
        self,
        answers: Answers = NOTHING,
        latency: float = 0.0,
        fail: Mapping[str, ModelError] | Callable[[str], ModelError | None] | None = None,
        *,
        model_name: str = "fake",
        system_prompt: str | None = None,
        max_context_length: int | None = None,
        retry_on_fail: bool = False,
        cache_folder_path: str | None = None,
    ) -> None:
        super().__init__(cache_folder_path)
        self.model_name = model_name
        self.system_prompt = system_prompt
        self.retry_on_fail = retry_on_fail
        self.calls = 0  # requests that reached the model
        self.requests: list[Request] = []  # the requests themselves, in the order of their arrival: the last thousands
        self.max_context_length = max_context_length
        self.latency = latency
        self._answers = answers
        self._fail = fail
        self._takes_request = callable(answers) and _arity(answers) > 1
        if not (callable(answers) or isinstance(answers, str | Mapping | Sequence)):
            raise InvalidTypeError(f"'answers' takes a str, a list, a dict or a function, not {answers!r:.80}")

    def spec(self) -> dict[str, Any]:
        return {**super().spec(), "model": self.model_name, "answers": self._answers}

    def count_tokens(self, value: str) -> int:
        return len(value.split())

    def _context_length(self) -> int | None:
        return self.max_context_length

    async def _answer(self, request: Request) -> Generation:
        self.calls += 1
        if len(self.requests) == 2 * KEPT:
            del self.requests[:KEPT]
        self.requests.append(request)
        if self.latency:
            await asyncio.sleep(self.latency)
        prompt = request.prompt
        error = self._fail(prompt) if callable(self._fail) else (self._fail or {}).get(prompt)
        if error is not None:
            raise error
        text = self._text(prompt, request)
        usage = Usage(input_tokens=self.count_tokens(prompt), output_tokens=self.count_tokens(text))
        return Generation(text=text, finish_reason="stop", usage=usage, model=self.model_name)

    def _text(self, prompt: str, request: Request) -> str:
        answers = self._answers
        if isinstance(answers, str):
            made = self._example(request) if answers == NOTHING and request.response_format else None
            return answers if made is None else made
        if isinstance(answers, Mapping):
            if prompt not in answers:
                raise ModelError(f"FakeLLM has no answer for the prompt {prompt!r:.200}")
            return answers[prompt]
        if isinstance(answers, Sequence):
            return answers[request.sample % len(answers)]
        return answers(prompt, request) if self._takes_request else answers(prompt)

    def _example(self, request: Request) -> str | None:
        from .structured.example import example

        return example(request)


def _arity(function: Callable[..., Any]) -> int:
    try:
        kinds = [parameter.kind for parameter in inspect.signature(function).parameters.values()]
    except ValueError:
        return 1
    return sum(kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD) for kind in kinds)
