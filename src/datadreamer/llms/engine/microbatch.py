"""Callers ask for one row at a time; a local model is fast only in batches."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ..types import Failure
from .batches import answer

if TYPE_CHECKING:
    from ..llm import LLM
    from ..params import Ask
    from ..types import Outcome
    from .book import Book
    from .source import Slot


class Microbatch:
    """Gathers the requests that are ready together, and answers them as one batch in one thread."""

    def __init__(self, llm: LLM, size: int) -> None:
        self._llm = llm
        self._size = size
        self._pending: list[tuple[Slot, Book, asyncio.Future[Outcome]]] = []
        self._running = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="datadreamer-batch")

    async def ask(self, slot: Slot, book: Book) -> Outcome:
        """The outcome of one request."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._pending.append((slot, book, future))
        if not self._running:
            self._running = True
            task = asyncio.get_running_loop().create_task(self._work())
            future.add_done_callback(lambda _: task)  # the loop itself keeps only a weak reference to a task
        return await future

    async def _work(self) -> None:
        await asyncio.sleep(0)  # let every request that is ready now join the first batch
        try:
            while self._pending:
                batch, self._pending = self._pending[: self._size], self._pending[self._size :]
                await self._answer([entry for entry in batch if not entry[2].cancelled()])
        finally:
            self._running = False

    async def _answer(self, batch: list[tuple[Slot, Book, asyncio.Future[Outcome]]]) -> None:
        if not batch:
            return
        slots = [(slot, book) for slot, book, _ in batch]
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, answer, self._llm, slots)
        except (Exception, KeyboardInterrupt, SystemExit) as error:  # whoever asked gets it
            for slot, _, future in batch:
                if not future.done() and slot.outcome is None:
                    future.set_exception(error)
        for slot, _, future in batch:
            if not future.done():
                future.set_result(slot.outcome or Failure(reason="error", message="The model gave no outcome."))


_microbatches: WeakKeyDictionary[LLM, Microbatch] = WeakKeyDictionary()


def microbatch_for(llm: LLM, ask: Ask) -> Microbatch:
    """The one gatherer of `llm`."""
    found = _microbatches.get(llm)
    if found is None:
        found = _microbatches[llm] = Microbatch(llm, ask.batch_size or llm.default_batch_size)
    return found
