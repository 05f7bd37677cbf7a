"""Texts to a service: many in a request, many requests in flight, chunks in order (docs/design/retrieval.md)."""

from __future__ import annotations

import asyncio
import hashlib
import queue
import re
import sys
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .. import _loop
from ..errors import BudgetExceededError
from ..llms.engine.call import Call
from ..llms.engine.desk import Desk, Lane, desk_for
from ..llms.types import Failure, Request
from .ask import Ask, Chunk
from .packing import Batch, halves, packed
from .running import Piece, Run
from .writing import HostedBook

if TYPE_CHECKING:
    from .hosted import HostedEmbedder
    from .wire import Embedded

BUFFER = 2048  # texts of a chunk
AHEAD = 64  # most chunks between the oldest that is not finished and the newest
HELD = 256 << 20  # bytes of vectors in them: one slow answer must not fill the memory
SAME = 16  # first requests that must be refused alike for the run to stop
_SPLIT = frozenset({"bad_request", "context_length", "content_filter"})


class HostedRun(Run):
    """One call of `chunks()` for an embedder behind a network."""

    book: HostedBook

    def __init__(
        self, embedder: HostedEmbedder, texts: Iterable[str | None], ask: Ask, book: HostedBook, first: int = 0
    ) -> None:
        super().__init__(embedder, texts, ask, book, first)
        self.hosted = embedder
        self._loop = _loop.loop()
        self._desk: Desk = desk_for(cast(Any, embedder), self._loop)
        self._lane = Lane(ask.batch_size)
        self._wanted: dict[bytes, list[tuple[Piece, list[int]]]] = {}  # who waits for the text with this key
        self._out: set[Batch] = set()
        self._back: queue.SimpleQueue[tuple[Batch, Any]] = queue.SimpleQueue()
        self._answers = 0
        self._refusals: list[str] = []
        self._sent = 0  # requests
        self._unpaid: list[Batch] = []  # what a budget had nothing left for while others were under way
        self._last_ones = False  # whether these go out one by one now
        self._stopped: BudgetExceededError | None = None

    def chunks(self) -> Generator[Chunk, None, None]:
        """The chunks, in order."""
        pieces: deque[Piece] = deque()
        ended = False
        try:
            while True:
                while not ended and self._has_room(len(pieces)):
                    piece = self.take(self.ask.buffer(BUFFER))
                    if piece is None:
                        ended = True
                        break
                    self._send(piece)
                    pieces.append(piece)
                    if not pieces[0].open:
                        break
                if not pieces:
                    return
                while pieces[0].open and self._stopped is None:
                    self._receive(*self._back.get())
                    self._send_last_ones()
                piece = pieces.popleft()
                chunk = piece.chunk()
                self.book.progress(len(chunk.vectors))
                if len(chunk.vectors):
                    yield chunk
                if piece.open and self._stopped is not None:
                    raise self._stopped
        finally:
            self._stop()

    # --- out --------------------------------------------------------------------------------------------------------

    def _send(self, piece: Piece) -> None:
        waiting: dict[bytes, list[int]] = {}
        for place, key in list(piece.open.items()):
            refused = self.hosted.refusal(piece.texts[place])
            if refused is not None:
                piece.failures[place] = Failure(reason="bad_request", message=refused, attempts=0)
                del piece.open[place]
            else:
                waiting.setdefault(key, []).append(place)
        fresh = [key for key in waiting if key not in self._wanted]
        for key, places in waiting.items():
            self._wanted.setdefault(key, []).append((piece, places))
        if not fresh:
            return
        firsts = [waiting[key][0] for key in fresh]
        texts = [self._as_sent(piece.texts[place], place in self._cut) for place in firsts]
        requests = [self.book.parts(piece.texts[place], place in self._cut) for place in firsts]
        tokens = [self._lengths_of_open[place] for place in firsts]
        self._submit(packed(fresh, texts, requests, tokens, self.hosted.limits))

    def _as_sent(self, text: str, cut: bool) -> str:
        whole = (self.ask.instruction or "") + text
        return self.hosted.cut(whole, self.hosted.model_max_length) if cut else whole

    def _submit(self, batches: Sequence[Batch]) -> None:
        extra = self.hosted.request_extra(self.ask.parameters)
        for batch in batches:
            self._sent += 1
            batch.order = batch.order or (self._sent,)
            messages = tuple({"role": "user", "content": text} for text in batch.texts)
            key = hashlib.sha256(b"".join(batch.keys)).digest()
            batch.back = self._back
            request = Request(messages=messages, max_new_tokens=0, extra=extra)  # vectors are no tokens
            batch.call = Call(cast(Any, self.hosted), request, key, {"batch": batch}, self.book, batch)
            self._out.add(batch)
        self._loop.call_soon_threadsafe(self._at_desk, batches)

    def _at_desk(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            self._desk.submit(batch.call, self._lane)
        self._desk.pump(self._lane)

    # --- back -------------------------------------------------------------------------------------------------------

    def _receive(self, batch: Batch, outcome: Embedded | Failure | BaseException) -> None:
        self._out.discard(batch)
        if isinstance(outcome, BudgetExceededError):
            self._not_paid(batch, outcome)
            return
        if isinstance(outcome, BaseException):
            raise outcome
        if isinstance(outcome, Failure):
            self._refused(batch, outcome)
            return
        self._answers += 1
        for key, vector in zip(batch.keys, outcome.vectors, strict=True):
            shared = -1
            for piece, places in self._wanted.pop(key):
                piece.fill(places, np.broadcast_to(vector, (len(places), len(vector))))
                shared += len(places)
            self.book.shared_texts(shared)

    def _refused(self, batch: Batch, failure: Failure) -> None:
        if not self._answers:
            self._refusals.append(re.sub(r"\d+", "0", failure.message))
            if len(self._refusals) >= SAME and len(set(self._refusals)) == 1:
                error = failure.error()
                raise type(error)(f"The first {SAME} requests failed in the same way, so the run stops. {error}")
        if len(batch.keys) > 1 and failure.reason in _SPLIT:
            self._submit(halves(batch))  # one text is to blame, or some: the others have their vectors
            return
        for key in batch.keys:
            for piece, places in self._wanted.pop(key):
                self.book.lost(len(places))
                for place in places:
                    piece.failures[place] = failure
                    del piece.open[place]

    def _has_room(self, pieces: int) -> bool:
        """Whether another chunk may be read."""
        if self._stopped is not None or self._unpaid or len(self._out) >= 2 * self.ask.batch_size:
            return False
        return pieces < chunks_ahead(self.ask.buffer(BUFFER), self.hosted._learnt_dims or 0)

    def _not_paid(self, batch: Batch, error: BudgetExceededError) -> None:
        if not self._last_ones:
            self._unpaid.append(batch)
        elif len(batch.keys) > 1:
            self._unpaid += halves(batch)  # a part of it may still be paid for
        else:
            self._stopped = error

    def _send_last_ones(self) -> None:
        """Once nothing is under way any more, what is left of a budget is used up text by text, in their order."""
        if self._out or not self._unpaid or self._stopped is not None:
            return
        self._last_ones = True
        batch = min(self._unpaid, key=lambda batch: batch.order)
        self._unpaid.remove(batch)
        self._submit([batch])

    def _stop(self) -> None:
        """Cancel what is still in flight, wait until it is, and until what arrived is on its way to the disk."""
        if self._out and not sys.is_finalizing() and not _on(self._loop):
            done = _loop.submit(self._cancel(list(self._out)))
            try:
                done.result(5.0)
            except TimeoutError:
                pass
        self.book.settle()

    async def _cancel(self, batches: list[Batch]) -> None:
        tasks = [batch.call.task for batch in batches if batch.call.task is not None]
        for batch in batches:
            self._desk.drop(batch.call, batch)
        self._desk.pump(self._lane)
        await asyncio.gather(*tasks, return_exceptions=True)


def chunks_ahead(texts: int, dims: int) -> int:
    """Chunks that are held at once, of so many texts, with vectors of `dims` numbers (0: not known yet)."""
    return AHEAD if not dims else max(4, min(AHEAD, HELD // (4 * texts * dims)))


def _on(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this is the loop's own thread (a generator can be collected anywhere)."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
