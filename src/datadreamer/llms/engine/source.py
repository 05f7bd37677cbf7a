"""Prompts turned into keyed requests, with those that were answered before already answered."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import ModelError
from .keys import Keyer
from .samples import SampleCounter
from .team_books import book_of

if TYPE_CHECKING:
    from ..._context import StepScope
    from ..llm import LLM
    from ..params import Ask
    from ..types import Outcome, Prompt, Request

PATIENCE = 0.01  # seconds that a chunk waits for further prompts when these come slowly


class Slot:
    """One draw of one prompt, and what became of it."""

    __slots__ = ("call", "key", "outcome", "owner", "parts", "request")

    def __init__(self, request: Request, key: bytes, parts: dict[str, Any]) -> None:
        self.request = request
        self.key = key
        self.parts = parts
        self.outcome: Outcome | None = None
        self.owner: Any = None
        self.call: Any = None

    def forget(self) -> None:
        """Let go of the question: who asks it has it, and thousands of answers may wait here to be read."""
        del self.request, self.parts

    def deliver(self, outcome: Outcome, shared: bool) -> None:
        self.owner.delivered(self, outcome, shared)

    def stop(self, error: BaseException) -> None:
        self.owner.stopped(error)


class Source:
    """The requests of one call of `outcomes()`, in chunks."""

    def __init__(self, llm: LLM, prompts: Iterable[Prompt], ask: Ask, scope: StepScope | None) -> None:
        self.llm = llm
        self.ask = ask
        self.book = book_of(llm, scope)
        self.exhausted = False
        self._prompts: Iterator[Prompt] = iter(prompts)
        self._keyer = Keyer(llm)
        self._samples = SampleCounter()
        self._checked = False

    def take(self, most: int, patience: float = PATIENCE) -> tuple[list[Slot], list[Slot]]:
        """Up to `most` further prompts: all their slots in order, and those that must be asked.

        Fewer come when the prompts end, or when they come slowly: later than `patience` seconds after the first.
        """
        slots: list[Slot] = []
        deadline = 0.0
        for _ in range(most):
            try:
                prompt = next(self._prompts)
            except StopIteration:
                self.exhausted = True
                break
            slots.extend(self._draws(prompt))
            now = time.monotonic()
            if not deadline:
                deadline = now + patience
            elif now > deadline:
                break
        return slots, self._to_ask(slots)

    def single(self, prompt: Prompt, sample: int) -> tuple[Slot, bool]:
        """One draw of one prompt, and whether it must be asked."""
        request = self.ask.request(prompt, 0 if self.ask.greedy else sample)
        parts = self._keyer.parts(request)
        slot = Slot(request, self._keyer.digest(parts), parts)
        return slot, bool(self._to_ask([slot]))

    def _draws(self, prompt: Prompt) -> Iterator[Slot]:
        ask, keyer = self.ask, self._keyer
        request = ask.request(prompt)
        parts = keyer.parts(request)
        key = keyer.digest(parts)
        first = getattr(prompt, "sample", None)
        if ask.greedy:
            first = 0
        elif first is None:
            first = self._samples.take(key, ask.n)
        for sample in range(first, first + ask.n):
            if sample and not ask.greedy:
                drawn = ask.request(prompt, sample)
                drawn_parts = keyer.parts(drawn)
                yield Slot(drawn, keyer.digest(drawn_parts), drawn_parts)
            else:
                yield Slot(request, key, parts)

    def _to_ask(self, slots: Sequence[Slot]) -> list[Slot]:
        if not self.ask.force:
            remembered = self.book.look_up([slot.key for slot in slots])
            for slot in slots:
                slot.outcome = remembered.get(slot.key)
        missing = [slot for slot in slots if slot.outcome is None]
        if missing and self.ask.cache_only:
            raise ModelError(
                f"cache_only=True, but {self.llm.display_name} has no remembered answer to: "
                f"{missing[0].request.prompt!r:.200} (draw {missing[0].request.sample}). "
                "Run once without cache_only, or check that the session's folder and every parameter are the same."
            )
        if missing and not self._checked:
            self.llm.check()
            self._checked = True
        return missing
