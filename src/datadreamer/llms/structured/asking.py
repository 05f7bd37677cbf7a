"""Around `outcomes()`: prompts told about the type go in, outcomes with values come out, faulty ones are asked again.

A re-ask is one more prompt of the same stream: it goes in behind what is in flight, and holds up only its own row.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ... import _loop
from ...errors import InvalidArgumentError
from .. import params
from ..engine.samples import SampleCounter
from ..types import Failure, Generation, Prompt
from .judging import Draw, judge
from .plan import Plan, plan_for, reasks

if TYPE_CHECKING:
    from ..._context import StepScope
    from ..llm import LLM


def taken(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], Any, Any]:
    """The parameters of a request, `output_type` and `max_reasks`."""
    rest = dict(parameters)
    return rest, rest.pop("output_type", None), rest.pop("max_reasks", None)


def request_parameters(plan: Plan, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """`parameters` with the `response_format` of the plan, if it has one."""
    given = {name: value for name, value in parameters.items() if name != "response_format"}
    return given if plan.response_format is None else {**given, "response_format": plan.response_format}


def outcomes(llm: LLM, prompts: Iterable[Prompt], parameters: Mapping[str, Any]) -> Generator[Any, None, None]:
    """`LLM.outcomes` with an `output_type`."""
    rest, given, most = taken(parameters)
    plan = plan_for(llm, given, rest)
    ask = request_parameters(plan, rest)
    n = params.whole_number(ask, "n", at_least=1) or 1
    ask.pop("n", None)
    asking = _Asking(llm, plan, ask, reasks(most), n)
    return asking.outcomes(prompts, llm.outcomes(asking.stream(prompts), **ask))  # the parameters are checked at once


def generate(
    llm: LLM, prompt: Prompt, sample: int, parameters: Mapping[str, Any], scope: StepScope | None
) -> Generation:
    """`LLM.generate` with an `output_type`."""
    return _loop.run(agenerate(llm, prompt, sample, parameters, scope))


async def agenerate(
    llm: LLM, prompt: Prompt, sample: int, parameters: Mapping[str, Any], scope: StepScope | None
) -> Generation:
    """`LLM.agenerate` with an `output_type`."""
    rest, given, most = taken(parameters)
    plan, most = plan_for(llm, given, rest), reasks(most)
    ask = params.parse(llm, request_parameters(plan, rest))
    if ask.n != 1:
        raise InvalidArgumentError(
            f"agenerate() gives one answer, so it takes no n={ask.n}: call it with sample=0, 1, …"
        )
    from ..engine.single import agenerate

    draw = Draw.of(prompt, plan, sample)
    while draw.outcome is None:
        answer = await agenerate(llm, draw.prompt(), ask, sample, scope)
        judge(draw, answer, plan, most)
    if isinstance(draw.outcome, Failure):
        raise draw.outcome.error()
    return draw.outcome


class _Asking:
    """One call of `outcomes()`."""

    def __init__(self, llm: LLM, plan: Plan, ask: Mapping[str, Any], most: int, n: int) -> None:
        from ..engine import custom

        self._llm = llm
        self._plan = plan
        self._ask = ask
        self._most = most
        self._n = n
        self._greedy = ask.get("temperature") == 0
        self._plain = custom.writes_run(llm)  # a model of the user's own, whose run() may know texts only
        self._samples = SampleCounter()
        self._draws: deque[Draw] = deque()  # in the order of the prompts, those that wait for an earlier one included
        self._asked: deque[Draw] = deque()  # in the order in which they were asked
        self._again: deque[Draw] = deque()

    def stream(self, prompts: Iterable[Prompt]) -> Iterator[Prompt]:
        """The prompts, with re-asks between them as soon as they are known."""
        source = iter(prompts)
        while True:
            while self._again:
                yield self._next(self._again.popleft())
            try:
                prompt = next(source)
            except StopIteration:
                return
            draws = self._numbered(prompt)
            self._draws.extend(draws)
            for draw in draws:
                yield self._next(draw)

    def outcomes(self, prompts: Iterable[Prompt], answers: Generator[Any, None, None]) -> Generator[Any, None, None]:
        """The outcomes in the order of the prompts; lists of n of them when n > 1."""
        while True:
            try:
                for answer in answers:
                    draw = self._asked.popleft()
                    if not judge(draw, answer, self._plan, self._most):
                        self._again.append(draw)
                    yield from self._ready()
            finally:
                answers.close()
            if not self._again:
                return
            answers = self._llm.outcomes(self.stream(()), **self._ask)  # what was faulty at the very end

    def _ready(self) -> Iterator[Any]:
        draws, n = self._draws, self._n
        while len(draws) >= n and all(draws[place].outcome is not None for place in range(n)):
            group = [draws.popleft().outcome for _ in range(n)]
            yield group[0] if n == 1 else group

    def _next(self, draw: Draw) -> Prompt:
        self._asked.append(draw)
        return draw.text() if self._plain else draw.prompt()

    def _numbered(self, prompt: Prompt) -> list[Draw]:
        """The draws of a prompt, numbered as the engine numbers those of equal requests."""
        draw = Draw.of(prompt, self._plan, 0)
        first = getattr(prompt, "sample", None)
        if self._greedy:
            return [draw.copy(0) for _ in range(self._n)]
        if first is None:
            first = self._samples.take(self._key(draw), self._n)
        return [draw.copy(sample) for sample in range(first, first + self._n)]

    def _key(self, draw: Draw) -> bytes:
        system = self._llm.system_prompt if draw.system is None else draw.system
        parts = msgspec.json.encode([draw.messages, system], enc_hook=repr, order="deterministic")
        return hashlib.blake2b(parts, digest_size=8).digest()
