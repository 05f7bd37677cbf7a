"""Limits that the user sets: requests and tokens per minute. Only numbers and the time that is passed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..llm import LLM
    from ..types import Generation, Request

BURST = 0.25  # seconds of the allowance that may be used at once
GUESS = 256  # tokens of an answer, before one is known
_LEARN = 0.05  # share of the newest answer in what is expected of the next


class Bucket:
    """Fills steadily, so that no minute has more than `per_minute`.

    What is taken may exceed what is there: the size of an answer is known when it has come. Then the bucket is in debt.
    """

    def __init__(self, per_minute: float, now: float) -> None:
        self.per_minute = per_minute
        self.most = max(1.0, per_minute / 60.0 * BURST)
        self._level = self.most
        self._rate = max(per_minute - self.most, per_minute / 2.0) / 60.0
        self._at = now

    def wait(self, amount: float, now: float) -> float:
        """Seconds until `amount` is there; of more than fits, until the bucket is full."""
        self._fill(now)
        return max(0.0, (min(amount, self.most) - self._level) / self._rate)

    def take(self, amount: float, now: float) -> None:
        """Use `amount`; a negative one gives back."""
        self._fill(now)
        self._level = min(self.most, self._level - amount)

    def _fill(self, now: float) -> None:
        self._level = min(self.most, self._level + (now - self._at) * self._rate)
        self._at = now


class Pace:
    """The user's limits of one service, account and model."""

    def __init__(self, requests: float | None, tokens: float | None, now: float) -> None:
        self.limits = (requests, tokens)
        self._requests = Bucket(requests, now) if requests else None
        self._tokens = Bucket(tokens, now) if tokens else None
        self._answer = 0.0  # tokens that answers have had lately

    @classmethod
    def of(cls, llm: LLM, now: float) -> Pace | None:
        """The limits that `llm` was made with."""
        limits = getattr(llm, "requests_per_minute", None), getattr(llm, "tokens_per_minute", None)
        return cls(*limits, now) if any(limits) else None

    def wait(self, llm: LLM, request: Request, now: float) -> float:
        """Seconds until `request` may be sent."""
        wait = self._requests.wait(1.0, now) if self._requests else 0.0
        return max(wait, self._tokens.wait(self._expected(llm, request), now)) if self._tokens else wait

    def sent(self, llm: LLM, request: Request, now: float) -> float:
        """`request` is sent; gives the tokens that it was taken to use."""
        if self._requests:
            self._requests.take(1.0, now)
        if self._tokens is None:
            return 0.0
        expected = self._expected(llm, request)
        self._tokens.take(expected, now)
        return expected

    def settle(self, expected: float, answer: Generation, now: float) -> None:
        """The answer to a request that was taken to use `expected` tokens is there."""
        usage = answer.usage
        if self._tokens is None or not (usage.input_tokens or usage.output_tokens):
            return
        self._tokens.take(usage.input_tokens + usage.output_tokens - expected, now)
        if not usage.output_tokens:
            return
        known = self._answer or float(usage.output_tokens)
        self._answer = (1.0 - _LEARN) * known + _LEARN * usage.output_tokens

    def _expected(self, llm: LLM, request: Request) -> float:
        texts = [message.get("content") for message in request.messages]
        prompt = sum(llm.count_tokens(text) for text in texts if isinstance(text, str))
        most = request.max_new_tokens
        answer = self._answer or (GUESS if most is None else min(GUESS, most))
        return float(prompt + llm.count_tokens(request.system or "") + answer)
