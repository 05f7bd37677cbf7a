"""One request's claim on its budgets: the most that it can cost, reserved before it is sent, settled after."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import (
    BudgetExceededError,
    InvalidArgumentError,
    PermanentModelError,
    RateLimitError,
    ServerUnreachableError,
    TransientModelError,
)
from ...ledger import Usage
from ...ledger.money import pico
from ..budget import LOCK, Amount, Budget
from ..facts import prices_of
from .record import encode_parts

if TYPE_CHECKING:
    from ..llm import LLM
    from ..types import Failure, Generation, Request

TEMPLATE = 16  # tokens that a chat format puts around the conversation, and around each message
TOOLS = 1024  # tokens of instructions that services add when there are tools
IMAGE = 50_000  # tokens, at most, of one image, recording or file
_BIG = frozenset({"image", "image_url", "input_audio", "file", "document", "video", "inlineData", "fileData"})


class Charge:
    """What one request may cost, and whether that is reserved now."""

    __slots__ = ("_held", "bound", "budgets", "llm", "request")

    def __init__(self, llm: LLM, request: Request, budgets: Sequence[Budget], batch: bool = False) -> None:
        self.llm, self.request, self.budgets = llm, request, budgets
        self.bound = bound_of(llm, request, budgets, batch)
        self._held = False

    def reserve(self, wake: Callable[[], Any] | None = None) -> bool:
        """Take the bound from every budget, or from none.

        Gives False when it does not fit now, but others are under way that will use less than they reserved: `wake` is
        called when the next of them is settled.

        Raises:
            BudgetExceededError: it does not fit, and nobody else will give anything back.
        """
        with LOCK:
            for budget in self.budgets:
                short = budget.short_of(self.bound)
                if short is None:
                    continue
                if budget.idle:
                    raise _exceeded(budget, short)
                if wake is not None:
                    budget.wait(wake)
                return False
            for budget in self.budgets:
                budget.reserve(self.bound)
            self._held = True
            return True

    def reserve_waiting(self) -> None:
        """`reserve()`, for threads that may wait.

        Raises:
            BudgetExceededError: see `reserve`.
        """
        with LOCK:
            while not self.reserve():
                LOCK.wait()

    def answered(self, answer: Generation | Failure) -> None:
        """Settle with what an answer used. What the service does not say counts as reserved."""
        usage, bound = answer.usage, self.bound
        tokens = usage.input_tokens + usage.output_tokens
        if not tokens:
            self._settle(Amount(_known(answer.cost_usd, bound.cost), bound.tokens, 1))
            return
        cost = 0 if not bound.cost else self._most(usage)
        self._settle(Amount(_known(answer.cost_usd, cost), tokens, 1))

    def failed(self, error: BaseException) -> None:
        """Settle an attempt that brought no answer. One whose answer may have been made, and was lost, counts whole."""
        lost = not refused(error)
        self._settle(self.bound if lost else Amount(requests=self.bound.requests))

    def release(self) -> None:
        """Give back what was reserved for a request that was not sent."""
        self._settle(Amount())

    def lost(self) -> None:
        """Settle an attempt that was broken off."""
        self._settle(self.bound)

    def _most(self, usage: Usage) -> int:
        most = prices_of(self.llm.model_facts).most(usage.input_tokens, usage.output_tokens)
        return self.bound.cost if most is None else most

    def _settle(self, used: Amount) -> None:
        if not self._held:
            return
        self._held = False
        waiting: list[Callable[[], Any]] = []
        with LOCK:
            for budget in self.budgets:
                waiting += budget.settle(self.bound, used)
            LOCK.notify_all()
        for wake in waiting:
            wake()


def refused(error: BaseException) -> bool:
    """Whether a request that failed was refused, so that nothing can have been charged for it."""
    if isinstance(error, PermanentModelError | RateLimitError | ServerUnreachableError):
        return True
    return isinstance(error, TransientModelError) and hasattr(error, "retry_after")  # it had a status


def bound_of(llm: LLM, request: Request, budgets: Sequence[Budget], batch: bool = False) -> Amount:
    """The most that `request` can cost.

    Raises:
        InvalidArgumentError: that cannot be known, and a budget needs it; names the way out.
    """
    dollars = any(budget.usd is not None for budget in budgets) and not hasattr(llm, "_answer_batch")
    if not dollars and all(budget.tokens is None for budget in budgets):
        return Amount(requests=1)
    inputs = most_input_tokens(llm, request)
    outputs = most_output_tokens(llm, request)
    if outputs is None:
        raise InvalidArgumentError(
            f"{llm.display_name}: how long an answer may get is not known, so a budget of dollars or tokens cannot be "
            'kept. Pass max_new_tokens=…, or say the model\'s limit: facts={"output": 4096} on the model.'
        )
    if not dollars:
        return Amount(tokens=inputs + outputs, requests=1)
    return Amount(_most_cost(llm, request, inputs, outputs, batch), inputs + outputs, 1)


def most_input_tokens(llm: LLM, request: Request) -> int:
    """An upper bound of the tokens of a prompt: a token of a byte-level vocabulary has at least one byte."""
    size = TEMPLATE * (1 + len(request.messages)) + (TOOLS if request.tools else 0)
    size += len(request.system.encode("utf-8", "surrogatepass")) if request.system else 0
    for message in request.messages:
        content = message.get("content")
        if isinstance(content, str) and len(message) == 2:
            size += len(content.encode("utf-8", "surrogatepass"))
        else:
            size += _size(message)
    for more in (request.tools, request.response_format):
        size += len(encode_parts(more)) if more else 0
    context = llm._context_length()
    return size if context is None else min(size, context)


def most_output_tokens(llm: LLM, request: Request) -> int | None:
    """An upper bound of the tokens of an answer; None when there is none."""
    limit = llm._get_max_output_length() or llm._context_length()
    if request.max_new_tokens is not None:
        return request.max_new_tokens if limit is None else min(limit, request.max_new_tokens)
    return limit


def _most_cost(llm: LLM, request: Request, inputs: int, outputs: int, batch: bool) -> int:
    if not llm._standard_price(request):
        raise InvalidArgumentError(
            f"{llm.display_name}: what a request with {sorted(request.extra or {})} costs is not known, so a budget of "
            "dollars cannot be kept. Leave out what changes the price, or bound tokens or requests instead."
        )
    most = prices_of(llm.model_facts).most(inputs, outputs, batch)
    if most is None:
        names = '{"batch_input": 0.25, "batch_output": 0.75, ' if batch else "{"
        raise InvalidArgumentError(
            f"{llm.display_name} has no known price{' for batches' if batch else ''}, so a budget of dollars cannot be "
            f'kept. Say it: prices={names}"input": 0.5, "output": 1.5}} on the model (US dollars per million tokens). '
            "Or bound tokens or requests instead."
        )
    return most


def _size(value: Any) -> int:
    """Tokens, at most, of what is nested in a message."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, Mapping):
        if value.get("type") in _BIG or not _BIG.isdisjoint(value):
            return IMAGE
        return sum(_size(key) + _size(item) for key, item in value.items())
    if isinstance(value, Sequence):
        return sum(map(_size, value))
    return 32  # a number


def _known(cost_usd: float | None, otherwise: int) -> int:
    return otherwise if cost_usd is None else pico(cost_usd)


def _exceeded(budget: Budget, short: str) -> BudgetExceededError:
    return BudgetExceededError(
        f"{budget.owner[0].upper()}{budget.owner[1:]} is used up: {budget} are spent, and the next request may take "
        f"{short}. What was answered is kept. Raise it and run the script again: nothing is asked twice."
    )
