"""One call of an embedder, as the ledger and the running step see it: records per text, counters, lengths, progress."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import msgspec

from .. import identity
from ..ledger import CallRecord, Usage
from ..llms.engine.book import Book, _lock
from ..llms.engine.memory import Memory
from . import vectors

if TYPE_CHECKING:
    import numpy as np

    from .._context import StepScope
    from .ask import Ask
    from .embedder import Embedder

logger = logging.getLogger("datadreamer.embedders")
_encode = msgspec.json.Encoder(order="deterministic").encode


class TextBook(Book):
    """Looks up and writes down vectors, text by text."""

    def __init__(self, embedder: Embedder, ask: Ask, scope: StepScope | None) -> None:
        super().__init__(cast(Any, embedder), scope)
        self.embedder, self.ask = embedder, ask
        if ask.folder is not None and embedder.cache_folder_path is None:
            self.memory = Memory.of(cast(Any, SimpleNamespace(cache_folder_path=ask.folder)), scope)
        self._common: dict[str, Any] = {"model": embedder.spec(), "task": "embedding"}
        if ask.instruction is not None:
            self._common["instruction"] = ask.instruction
        if ask.parameters:
            self._common["parameters"] = ask.parameters
        self._done, self._logged = 0, time.monotonic()

    def parts(self, text: str, cut: bool) -> dict[str, Any]:
        """What the key of a text is the digest of. `cut`: only its beginning was embedded."""
        return {**self._common, "text": text, **({"truncate": True} if cut else {})}

    def keys(self, texts: Sequence[str], cut: bool = False) -> list[bytes]:
        """The request keys of texts."""
        return [identity.request_key(self.parts(text, cut)) for text in texts]

    def remembered(self, keys: Sequence[bytes]) -> Iterator[tuple[list[int], np.ndarray]]:
        """The vectors that are remembered: positions among `keys`, and a matrix with as many rows."""
        if self.memory.empty or not keys or self.ask.force:
            return
        records = self.memory.get(keys)
        by_size: dict[int, list[int]] = {}
        for place, key in enumerate(keys):
            record = records.get(key)
            dims = 0 if record is None else vectors.dims_of(record.text)
            if record is not None and dims and len(record.response) == vectors.packed_size(dims):
                by_size.setdefault(dims, []).append(place)
        for dims, places in by_size.items():
            try:
                matrix = vectors.unpack([records[keys[place]].response for place in places], dims)
            except ValueError:
                continue  # damaged: asked again
            with _lock:
                self.stats.hits += len(places)
                for place in places:
                    self._count(records[keys[place]].served_model, 1)
            yield places, matrix

    def answer(
        self, keys: Sequence[bytes], requests: Sequence[dict[str, Any]], matrix: np.ndarray, **facts: Any
    ) -> None:
        """Vectors arrived: they are on their way to the disk when this returns.

        Args:
            keys: one per row of `matrix`.
            requests: what each key is the digest of.
            matrix: the vectors.
            facts: fields of the records; of `tokens`, `prices` and `ids`, one value per row.
        """
        tokens = facts.pop("tokens")
        unpriced = "prices" in facts and facts["prices"] is None
        prices = facts.pop("prices", None)
        with _lock:
            self.stats.calls += len(keys)
            self.stats.unpriced += len(keys) if unpriced else 0
            self._add(Usage(input_tokens=sum(tokens)), None if prices is None else sum(prices))
            self._count(facts["served_model"], len(keys))
        if self.memory.empty:
            return
        text = vectors.describe(matrix.shape[1])
        ended = time.time()
        for place, (key, packed) in enumerate(zip(keys, vectors.pack(matrix), strict=True)):
            record = CallRecord(
                text=text,
                step=self.step or "",
                usage=Usage(input_tokens=int(tokens[place])),
                cost_usd=None if prices is None else prices[place],
                ended=ended,
                request=_encode(requests[place]),
                response=packed,
                **facts,
            )
            self.memory.put(key, record)

    def shared_texts(self, texts: int) -> None:
        """So many texts got the vector of an equal one that was asked."""
        with _lock:
            self.stats.hits += texts

    def _count(self, served: str, answers: int) -> None:
        name = served or "unknown"
        self._served[name] = self._served.get(name, 0) + answers

    def progress(self, texts: int) -> None:
        """So many further texts are done."""
        self._done += texts
        interval, now = self.ask.progress_interval, time.monotonic()
        if interval is not None and now - self._logged >= interval:
            self._logged = now
            of = f" of {self.ask.total}" if self.ask.total is not None else ""
            logger.info("%s: %d%s texts embedded.", self.embedder.display_name, self._done, of)
