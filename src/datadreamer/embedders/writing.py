"""What the engine reports about requests of an embedder, as records per text."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, Any

from .book import TextBook

if TYPE_CHECKING:
    from ..llms.types import Failure
    from .hosted import HostedEmbedder
    from .packing import Batch
    from .wire import Embedded

_writer: ThreadPoolExecutor | None = None
_lock = Lock()


class HostedBook(TextBook):
    """The book of an embedder behind a network. Records are made beside the loop, which carries other calls too."""

    embedder: HostedEmbedder

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._writes: list[Future[None]] = []

    def answered(self, request: Any, parts: Any, answer: Any, started: float) -> None:
        self._writes = [write for write in self._writes if not write.done() or write.exception() is not None]
        self._writes.append(_pool().submit(self._write, parts["batch"], answer, started))

    def failed(self, failure: Failure) -> None:
        """Nothing yet: what a request could not answer is asked again in halves, and counted by `lost`."""

    def lost(self, texts: int) -> None:
        """So many texts have no vector."""
        self.stats.failures += texts

    def settle(self) -> None:
        """Return when all that was answered is in the ledger; raises what the writing raised."""
        for write in self._writes:
            write.result()

    def _write(self, batch: Batch, answer: Embedded, started: float) -> None:
        tokens = shares(answer.usage.input_tokens or sum(batch.tokens), batch.tokens)
        price = self.embedder._price
        self.answer(
            batch.keys,
            batch.requests,
            answer.vectors,
            tokens=tokens,
            prices=None if price is None else [float(price * count / 1_000_000) for count in tokens],
            started=started,
            model=self.embedder.model_name,
            served_model=answer.model or "",
            provider=self.embedder.provider,
            host=self.embedder.host,
            request_id=answer.request_id or "",
            attempts=answer.attempts,
        )


def shares(total: int, weights: list[int]) -> list[int]:
    """`total` shared out in proportion to `weights`, in whole numbers whose sum is `total`."""
    if not sum(weights):
        weights = [1] * len(weights)
    whole, sums, before = sum(weights), 0, 0
    found = []
    for weight in weights:
        sums += weight
        upto = total * sums // whole
        found.append(upto - before)
        before = upto
    return found


def _pool() -> ThreadPoolExecutor:
    global _writer
    with _lock:
        if _writer is None:
            _writer = ThreadPoolExecutor(1, thread_name_prefix="datadreamer-vectors")
        return _writer
