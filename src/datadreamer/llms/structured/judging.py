"""What becomes of one answer: a value, a loss with its reason, or another question."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ..params import split_prompt
from ..types import Chat, Failure, Generation, Outcome, Prompt, Usage
from .instructions import complaint, with_instruction
from .plan import Plan
from .reading import UnreadableError, read

_SNIPPET = 200  # characters of an answer that a message quotes


class Draw:
    """One draw of one prompt: the conversation as it stands, and what has become of it."""

    __slots__ = ("earlier", "messages", "outcome", "problem", "sample", "system", "usage")

    def __init__(self, messages: tuple[dict[str, Any], ...], system: str | None, sample: int) -> None:
        self.messages = messages
        self.system = system
        self.sample = sample
        self.earlier: tuple[bytes | None, ...] = ()  # the request keys of the faulty answers so far
        self.usage = Usage()  # of these
        self.problem = ""  # with the last of them
        self.outcome: Outcome | None = None

    @classmethod
    def of(cls, prompt: Prompt, plan: Plan, sample: int) -> Draw:
        messages, system = split_prompt(prompt)
        return cls(with_instruction(messages, plan.told), system, sample)

    def copy(self, sample: int) -> Draw:
        return Draw(self.messages, self.system, sample)

    def prompt(self) -> Chat:
        return Chat(self.messages, self.system, self.sample)

    def text(self) -> Prompt:
        """The prompt as a text where it is one, for models that know no other."""
        if len(self.messages) == 1 and self.system is None and isinstance(self.messages[0].get("content"), str):
            return str(self.messages[0]["content"])
        turns = [{"role": "system", "content": self.system}] if self.system is not None else []
        return [*turns, *self.messages]


def judge(draw: Draw, answer: Outcome, plan: Plan, most: int) -> bool:
    """Put the outcome of `answer` into `draw`; False: it was faulty, and `draw` now asks again.

    Args:
        draw: what was asked.
        answer: what came back.
        plan: how it is read.
        most: how often a draw may be asked again.
    """
    if isinstance(answer, Failure):
        draw.outcome = _failed(draw, answer)
        return True
    reason = _lost(answer)
    if reason is not None:
        draw.outcome = _loss(draw, answer, *reason)
        return True
    try:
        value = read(plan.wanted, answer.text, plan.wrapped)
    except UnreadableError as error:
        draw.problem = f"{error}"
        if len(draw.earlier) < most:
            _again(draw, answer, plan)
            return False
        draw.outcome = _loss(draw, answer, "unparsed", _unparsed(draw, answer.text))
        return True
    draw.outcome = replace(answer, value=value, reasked=draw.earlier)
    return True


def _lost(answer: Generation) -> tuple[str, str] | None:
    """The reason for which an answer is none, whatever its text, and the message."""
    if answer.truncated:
        return "truncated", (
            f"The answer ended because its room ended ({answer.usage.output_tokens} tokens). Raise max_new_tokens. "
            f"It begins with: {answer.text[:_SNIPPET]!r}"
        )
    if answer.finish_reason in ("refusal", "content_filter"):
        return "refused", f"The model refused to answer: {answer.text[:_SNIPPET]!r}"
    return None


def _again(draw: Draw, answer: Generation, plan: Plan) -> None:
    draw.earlier = (*draw.earlier, answer.key)
    draw.usage = _sum(draw.usage, answer.usage)
    turns = (
        {"role": "assistant", "content": answer.text.strip() or "(nothing)"},
        {"role": "user", "content": complaint(draw.problem, plan.told)},
    )
    draw.messages = (*draw.messages, *turns)


def _failed(draw: Draw, failure: Failure) -> Failure:
    """A failure of the model; where it is one of asking again, what was wrong with the answer."""
    if not draw.earlier:
        return failure
    if failure.reason == "bad_request":  # a model without a form for conversations
        message = f"{_unparsed(draw, '')} It could not be asked again: {failure.message}"
        failure = replace(failure, reason="unparsed", message=message)
    return replace(failure, usage=_sum(draw.usage, failure.usage), reasked=draw.earlier)


def _loss(draw: Draw, answer: Generation, reason: str, message: str) -> Failure:
    return Failure(
        reason=reason,
        message=message,
        attempts=answer.attempts,
        usage=_sum(draw.usage, answer.usage),
        cost_usd=answer.cost_usd,
        key=answer.key,
        reasked=draw.earlier,
    )


def _unparsed(draw: Draw, text: str) -> str:
    times = f" after being asked {len(draw.earlier) + 1} times" if draw.earlier else ""
    shown = f" The answer begins with: {text[:_SNIPPET]!r}" if text else ""
    return f"The answer is not what was asked for{times}: {draw.problem}.{shown}"


def _sum(one: Usage, other: Usage) -> Usage:
    if one == Usage():
        return other
    return Usage(
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        cached_tokens=one.cached_tokens + other.cached_tokens,
        reasoning_tokens=one.reasoning_tokens + other.reasoning_tokens,
    )
