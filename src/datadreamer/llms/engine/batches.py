"""Local models: prompts of similar length in batches, outcomes in order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from threading import RLock
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from msgspec.structs import replace

from ...errors import BudgetExceededError
from ..local.batching import adaptive_batches
from ..types import Failure, Generation
from .charges import Charge

if TYPE_CHECKING:
    from ..llm import LLM
    from .book import Book
    from .source import Slot, Source

BUFFER = 1000  # prompts that are sorted by length together
PATIENCE = 0.5  # seconds: a batch takes longer, and a ragged one wastes a part of it

_locks: WeakKeyDictionary[LLM, RLock] = WeakKeyDictionary()
_locks_lock = RLock()


class Batches:
    """One call of `outcomes()` for a model in this process, in the caller's thread."""

    def __init__(self, source: Source) -> None:
        self._source = source
        ask = source.ask
        self._n = ask.n
        self._size = ask.batch_size or source.llm.default_batch_size
        self._adaptive = ask.adaptive_batch_size is not False
        buffer = ask.buffer_size or 0
        self._sort = buffer >= 0
        wanted = buffer if buffer > 0 else max(10 * self._size, BUFFER)
        self._buffer = -(-wanted // self._size) * self._size  # whole batches

    def outcomes(self) -> Generator[Any, None, None]:
        """The outcomes in order; lists of n of them when n > 1."""
        while not self._source.exhausted:
            slots, missing = self._source.take(max(1, self._buffer // self._n), PATIENCE)
            window = deque(slots)
            for batch in self._batches(missing):
                yield from self._finished(window)
                try:
                    with adaptive_batches(self._adaptive):
                        answer(self._source.llm, [(slot, self._source.book) for slot in batch])
                except BudgetExceededError:
                    self._share([slot for slot in batch if slot.outcome is not None], missing)
                    yield from self._finished(window)
                    raise
                self._share(batch, missing)
            yield from self._finished(window)

    def _batches(self, missing: Sequence[Slot]) -> Iterator[list[Slot]]:
        """One slot per request, similar lengths together, the longest first: memory runs out at once or never."""
        firsts: dict[bytes, Slot] = {}
        for slot in missing:
            firsts.setdefault(slot.key, slot)
        unique = list(firsts.values())
        if self._sort:
            unique.sort(key=lambda slot: -len(slot.request.prompt))
        for start in range(0, len(unique), self._size):
            yield unique[start : start + self._size]

    def _share(self, batch: Sequence[Slot], missing: Sequence[Slot]) -> None:
        """Equal requests of the buffer get the same outcome."""
        known = {slot.key: slot.outcome for slot in batch}
        for slot in missing:
            if slot.outcome is None and slot.key in known:
                outcome = known[slot.key]
                if isinstance(outcome, Generation):
                    outcome = replace(outcome, cached=True)
                    self._source.book.shared()
                slot.outcome = outcome

    def _finished(self, window: deque[Slot]) -> Generator[Any, None, None]:
        n = self._n
        while len(window) >= n and all(window[index].outcome is not None for index in range(n)):
            group = [window.popleft().outcome for _ in range(n)]
            yield group[0] if n == 1 else group


def answer(llm: LLM, batch: Sequence[tuple[Slot, Book]]) -> None:
    """Ask one batch, write every answer down, and put the outcomes into the slots.

    Raises:
        BudgetExceededError: the rest of the batch may not be asked.
    """
    while batch:
        charges = _paid_for(llm, batch)
        asked, batch = batch[: len(charges)], batch[len(charges) :]
        try:
            _answer(llm, asked)
        except BaseException:
            for held in filter(None, charges):
                held.lost()
            raise
        for charge, (slot, _) in zip(charges, asked, strict=True):
            if charge is not None and slot.outcome is not None:
                charge.answered(slot.outcome)


def _paid_for(llm: LLM, batch: Sequence[tuple[Slot, Book]]) -> list[Charge | None]:
    """What is reserved for the first of `batch`, for as many as fit; None for each that nothing bounds.

    Raises:
        BudgetExceededError: not even one fits.
    """
    charges: list[Charge | None] = []
    for slot, book in batch:
        charge = Charge(llm, slot.request, book.budgets) if book.budgets else None
        try:
            if charge is not None and not charges:
                charge.reserve_waiting()
            elif charge is not None and not charge.reserve():
                break
        except BudgetExceededError:
            if not charges:
                raise
            break
        charges.append(charge)
    return charges


def _answer(llm: LLM, batch: Sequence[tuple[Slot, Book]]) -> None:
    started = time.time()
    with _lock_of(llm):
        outcomes = llm._answer_batch([slot.request for slot, _ in batch])
    for (slot, book), outcome in zip(batch, outcomes, strict=True):
        if isinstance(outcome, Generation) and outcome.finish_reason != "content_filter":
            outcome = replace(outcome, key=slot.key)
            book.answered(slot.request, slot.parts, outcome, started)
        elif isinstance(outcome, Failure):
            outcome = replace(outcome, key=slot.key)
            book.failed(outcome)
        slot.outcome = outcome


def _lock_of(llm: LLM) -> RLock:
    """One batch at a time per model: threads of several steps may share one."""
    with _locks_lock:
        return _locks.setdefault(llm, RLock())
