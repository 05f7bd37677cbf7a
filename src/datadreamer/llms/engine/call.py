"""One question under way: everyone who waits for its answer waits here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from .charges import Charge
from .retry import Attempts

if TYPE_CHECKING:
    import asyncio

    from ..llm import LLM
    from ..types import Outcome, Request
    from .book import Book


class Waiter(Protocol):
    """Who asked. Called on the loop's thread."""

    call: Any  # the call it waits for

    def deliver(self, outcome: Outcome, shared: bool) -> None:
        """The outcome. `shared`: somebody else had asked the same and was first."""

    def stop(self, error: BaseException) -> None:
        """No request of this kind can be answered."""


class Call:
    """A request, its key, its attempts, and its waiters."""

    __slots__ = ("attempts", "book", "charge", "done", "key", "llm", "parts", "request", "started", "task", "waiters")

    def __init__(
        self, llm: LLM, request: Request, key: bytes, parts: dict[str, Any], book: Book, waiter: Waiter
    ) -> None:
        self.llm = llm
        self.request = request
        self.key = key
        self.parts = parts  # what the key is made of
        self.book = book
        self.waiters = [waiter]
        self.attempts = Attempts()
        self.started = time.time()  # UTC, of the attempt that was answered
        self.task: asyncio.Task[None] | None = None
        self.done = False
        self.charge = Charge(llm, request, book.budgets) if book.budgets else None

    def finish(self, outcome: Outcome) -> None:
        """Tell everyone the outcome."""
        self.done = True
        for position, waiter in enumerate(self.waiters):
            waiter.deliver(outcome, position > 0)

    def fail_all(self, error: BaseException) -> None:
        """Tell everyone that nothing of this kind can be answered."""
        self.done = True
        for waiter in list(self.waiters):
            waiter.stop(error)
