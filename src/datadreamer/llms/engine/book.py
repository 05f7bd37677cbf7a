"""What is written down about calls, for one running step: records, counters, the models that answered."""

from __future__ import annotations

import logging
import time
from threading import Lock
from typing import TYPE_CHECKING, Any

from ...ledger.money import pico
from ..types import Failure, Generation
from .memory import Memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..._context import StepScope
    from ..budget import Budget
    from ..llm import LLM
    from ..types import Usage

logger = logging.getLogger("datadreamer.llms")
_lock = Lock()  # counters are added to from the loop's thread and from the caller's


class Book:
    """Looks up and writes down the calls of one model in one scope."""

    def __init__(self, llm: LLM, scope: StepScope | None) -> None:
        from ..._context import CallStats

        self.llm = llm
        self.memory = Memory.of(llm, scope)
        self.step = scope.name if scope else None
        self.stats = scope.stats if scope else CallStats()
        self.budgets = _budgets(scope)
        self._served = self._entry(scope)

    def look_up(self, keys: Sequence[bytes]) -> dict[bytes, Generation]:
        """The answers to `keys` that are remembered."""
        if self.memory.empty or not keys:
            return {}
        from .record import from_record

        found = {key: from_record(key, record) for key, record in self.memory.get(keys).items()}
        if found:
            with _lock:
                self.stats.hits += len(found)
                for generation in found.values():
                    self._count_served(generation)
        return found

    def answered(self, request: Any, parts: Any, answer: Generation, started: float) -> None:
        """An answer arrived: it is on its way to the disk when this returns."""
        if not self.memory.empty:
            from .record import to_record

            assert answer.key is not None
            self.memory.put(answer.key, to_record(self.llm, parts, answer, started, time.time(), self.step))
        with _lock:
            self.stats.calls += 1
            self.stats.unpriced += answer.cost_usd is None
            self._add(answer.usage, answer.cost_usd)
            self._count_served(answer)

    def failed(self, failure: Failure) -> None:
        """A request ended without an answer."""
        with _lock:
            self.stats.failures += 1
            self._add(failure.usage, failure.cost_usd)

    def shared(self) -> None:
        """A request got the answer to an equal one that was under way."""
        with _lock:
            self.stats.hits += 1

    def retried(self) -> None:
        """A request is asked again."""
        with _lock:
            self.stats.retries += 1

    def _add(self, usage: Usage, cost: float | None) -> None:
        stats = self.stats
        stats.input_tokens += usage.input_tokens
        stats.output_tokens += usage.output_tokens
        stats.cached_tokens += usage.cached_tokens
        stats.reasoning_tokens += usage.reasoning_tokens
        if cost is not None:
            stats.cost = (stats.cost or 0) + pico(cost)

    def _entry(self, scope: StepScope | None) -> dict[str, int]:
        if scope is None:
            return {}
        spec, name, number = self.llm.spec(), self.llm.display_name, 1
        with _lock:
            # another model may have the same name: another address, another system prompt
            while (entry := scope.models.setdefault(name, {"spec": spec, "served": {}}))["spec"] != spec:
                number += 1
                name = f"{self.llm.display_name} #{number}"
        served: dict[str, int] = entry["served"]
        return served

    def _count_served(self, answer: Generation) -> None:
        name = answer.model or "unknown"
        if name not in self._served and self._served:
            logger.warning(
                "%s: answers now come from '%s'; earlier ones of this step came from %s.",
                self.llm.display_name,
                name,
                ", ".join(f"'{other}'" for other in self._served),
            )
        self._served[name] = self._served.get(name, 0) + 1


def _budgets(scope: StepScope | None) -> tuple[Budget, ...]:
    """What the calls are paid from: by the step and its session, or by the session alone outside of a step."""
    from ... import _context

    if scope is not None:
        return scope.budgets
    budget = getattr(_context.session(), "budget", None)
    return () if budget is None else (budget,)
