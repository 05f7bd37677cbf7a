"""From texts to chunks of vectors: what is remembered is looked up, the rest is asked and written down at once."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

import numpy as np

from ..errors import InvalidTypeError, ModelError
from ..llms.local.batching import BatchSize, OutOfMemoryError, in_batches
from ..llms.types import Failure
from .ask import Ask, Chunk
from .book import TextBook
from .lengths import Lengths

if TYPE_CHECKING:
    from .._context import StepScope
    from .embedder import Embedder

_NO_TEXT = Failure(reason="no_input", message="The row has no text to embed.", attempts=0)
_locks: WeakKeyDictionary[Embedder, threading.RLock] = WeakKeyDictionary()
_locks_lock = threading.Lock()


def run(
    embedder: Embedder, texts: Iterable[str | None], ask: Ask, scope: StepScope | None, first: int = 0
) -> Generator[Chunk, None, None]:
    """See `Embedder.chunks`. `first`: the position of the first text, where these are a part of more."""
    if hasattr(embedder, "_answer"):
        from .hosted_running import HostedRun
        from .writing import HostedBook

        return HostedRun(cast(Any, embedder), texts, ask, HostedBook(embedder, ask, scope), first).chunks()
    return Run(embedder, texts, ask, TextBook(embedder, ask, scope), first).chunks()


class Piece:
    """Consecutive texts, and what is known of their vectors."""

    def __init__(self, texts: Sequence[str | None], first: int) -> None:
        self.texts: list[str] = [text or "" for text in texts]
        self.first = first
        self.failures: dict[int, Failure] = {}
        self.vectors: np.ndarray | None = None
        self.open: dict[int, bytes] = {}  # places that have no vector yet, and the keys they are asked under
        for place, text in enumerate(texts):
            if text is None:
                self.failures[place] = _NO_TEXT
            elif not isinstance(text, str):
                raise InvalidTypeError(f"Text {first + place} is {type(text).__name__}, not str: {text!r:.80}")

    def fill(self, places: Sequence[int], matrix: np.ndarray) -> None:
        """The vectors of the texts at `places`."""
        if self.vectors is None:
            self.vectors = np.zeros((len(self.texts), matrix.shape[1]), np.float32)
        self.vectors[places] = matrix
        for place in places:
            self.open.pop(place, None)

    def chunk(self) -> Chunk:
        """What there is up to the first text that is open: everything, at the end."""
        vectors = self.vectors if self.vectors is not None else np.zeros((len(self.texts), 0), np.float32)
        if not self.open:
            return Chunk(self.first, vectors, self.failures)
        end = min(self.open)
        return Chunk(self.first, vectors[:end], {at: why for at, why in self.failures.items() if at < end})


class Run:
    """One call of `chunks()` for a model in this process."""

    def __init__(
        self, embedder: Embedder, texts: Iterable[str | None], ask: Ask, book: TextBook, first: int = 0
    ) -> None:
        self.embedder, self.ask, self.book = embedder, ask, book
        self.lengths = Lengths(embedder, ask, texts, first)
        self._texts = iter(texts)
        self._first = first
        self._checked = False
        self._size = BatchSize(embedder._rows_at_once(ask.batch_size, ask.adaptive), adaptive=ask.adaptive)

    def chunks(self) -> Generator[Chunk, None, None]:
        """The chunks, in order."""
        while (piece := self.take(self.ask.buffer())) is not None:
            self._embed(piece)
            self.book.progress(len(piece.texts))
            yield piece.chunk()

    def take(self, most: int) -> Piece | None:
        """The next texts, with what is remembered of them; None at the end."""
        texts = list(itertools.islice(self._texts, most))
        if not texts:
            return None
        piece = Piece(texts, self._first)
        self._first += len(texts)
        self._look_up(piece)
        return piece

    def _look_up(self, piece: Piece) -> None:
        """Find what is remembered, and give every other text the key that it is asked under."""
        asked = [place for place in range(len(piece.texts)) if place not in piece.failures]
        piece.open = dict(zip(asked, self.book.keys([piece.texts[place] for place in asked]), strict=True))
        self._fill(piece, asked)
        if not piece.open:
            return
        self._check(piece)
        missing = list(piece.open)
        lengths = dict(zip(missing, self.lengths.of(piece.texts, missing, piece.first), strict=True))
        most = self.embedder.model_max_length
        cut = [place for place in missing if self.ask.truncate and lengths[place] > most]
        piece.open.update(zip(cut, self.book.keys([piece.texts[place] for place in cut], cut=True), strict=True))
        self._fill(piece, cut)
        self._found(piece, {place: min(lengths[place], most) for place in missing}, set(cut))

    def _fill(self, piece: Piece, places: Sequence[int]) -> None:
        keys = [piece.open[place] for place in places]
        for found, matrix in self.book.remembered(keys):
            piece.fill([places[at] for at in found], matrix)

    def _check(self, piece: Piece) -> None:
        if self.ask.cache_only:
            place = next(iter(piece.open))
            raise ModelError(
                f"cache_only=True, but {self.embedder.display_name} has no remembered vector of text "
                f"{piece.first + place}: {piece.texts[place]!r:.200}. Run once without cache_only."
            )
        if not self._checked:
            self.embedder.check()
            self._checked = True

    def _found(self, piece: Piece, lengths: dict[int, int], cut: set[int]) -> None:
        """The lengths (tokens) of the texts that are not remembered, and which of them are cut."""
        self._lengths_of_open, self._cut = lengths, cut

    def _embed(self, piece: Piece) -> None:
        if not piece.open:
            return
        same: dict[bytes, list[int]] = {}
        for place, key in piece.open.items():
            same.setdefault(key, []).append(place)
        firsts = [places[0] for places in same.values()]
        keys = dict(piece.open)

        def answer(batch: Sequence[int]) -> Sequence[bool]:
            matrix = self._ask_model([piece.texts[place] for place in batch])
            self._write(piece, batch, [keys[place] for place in batch], matrix)
            for row, place in enumerate(batch):
                places = same[keys[place]]
                piece.fill(places, np.broadcast_to(matrix[row], (len(places), matrix.shape[1])))
            return [True] * len(batch)

        outcomes = in_batches(firsts, self._lengths_of_open.__getitem__, answer, self._size, sort=self.ask.sorted)
        for place, outcome in zip(firsts, outcomes, strict=True):
            if isinstance(outcome, OutOfMemoryError):
                failure = Failure(
                    reason="permanent",
                    message=f"The text ({self._lengths_of_open[place]} tokens) does not fit the memory of the device "
                    f"({outcome}). Use a smaller batch_size, truncate=True or a smaller dtype.",
                )
                piece.failures.update(dict.fromkeys(same[keys[place]], failure))
        self.book.shared_texts(sum(len(places) - 1 for places in same.values()))

    def _ask_model(self, texts: list[str]) -> np.ndarray:
        ask = self.ask
        with _lock_of(self.embedder):
            found = self.embedder._embed_batch(texts, ask.truncate, ask.instruction, ask.parameters)
        matrix = np.asarray(found, np.float32)
        if matrix.ndim != 2 or len(matrix) != len(texts):
            raise ModelError(
                f"{self.embedder.display_name} gave an array of shape {matrix.shape} for {len(texts)} texts; "
                "_embed_batch() gives one of shape (texts, dims)."
            )
        return matrix

    def _write(self, piece: Piece, batch: Sequence[int], keys: list[bytes], matrix: np.ndarray) -> None:
        book, embedder = self.book, self.embedder
        requests: list[dict[str, Any]] = [book.parts(piece.texts[place], place in self._cut) for place in batch]
        book.answer(
            keys,
            requests,
            matrix,
            tokens=[self._lengths_of_open[place] for place in batch],
            started=time.time(),
            model=embedder.public_name,
            served_model=embedder.served_name,
            provider=embedder.provider,
        )


def _lock_of(embedder: Embedder) -> threading.RLock:
    """One batch at a time per model: threads of several steps may share one."""
    with _locks_lock:
        return _locks.setdefault(embedder, threading.RLock())
