"""Texts in requests: as many in each as the service takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import queue

    from ..llms.engine.call import Call
    from ..llms.types import Outcome
    from .hosted import Limits


class Batch:
    """The texts of one request. Also who waits for its answer at the desk: what comes back goes into `back`."""

    def __init__(
        self, keys: Sequence[bytes], texts: Sequence[str], requests: Sequence[dict[str, Any]], tokens: Sequence[int]
    ) -> None:
        self.keys, self.texts = list(keys), list(texts)
        self.requests = list(requests)  # what each key is the digest of
        self.tokens = list(tokens)  # estimated
        self.order: tuple[int, ...] = ()  # earlier texts have a smaller one
        self.call: Call
        self.back: queue.SimpleQueue[tuple[Batch, Any]]

    def deliver(self, outcome: Outcome, shared: bool) -> None:
        """The answer, or why there is none."""
        self.back.put((self, outcome))

    def stop(self, error: BaseException) -> None:
        """No request of this kind can be answered."""
        self.back.put((self, error))

    def part(self, start: int, stop: int) -> Batch:
        """Some of the texts."""
        return Batch(self.keys[start:stop], self.texts[start:stop], self.requests[start:stop], self.tokens[start:stop])


def packed(
    keys: Sequence[bytes],
    texts: Sequence[str],
    requests: Sequence[dict[str, Any]],
    tokens: Sequence[int],
    limits: Limits,
) -> list[Batch]:
    """All texts in order, each request as full as `limits` allow; a text that is too large alone goes alone."""
    whole = Batch(keys, texts, requests, tokens)
    return [whole.part(start, stop) for start, stop in _ranges(texts, tokens, limits)]


def halves(batch: Batch) -> list[Batch]:
    """A request that was refused, as two."""
    middle = len(batch.keys) // 2
    parts = [batch.part(0, middle), batch.part(middle, len(batch.keys))]
    for number, part in enumerate(parts):
        part.order = (*batch.order, number)
    return parts


def _ranges(texts: Sequence[str], tokens: Sequence[int], limits: Limits) -> Iterator[tuple[int, int]]:
    start, sum_tokens, sum_bytes = 0, 0, 0
    for place, (text, count) in enumerate(zip(texts, tokens, strict=True)):
        size = len(text.encode("utf-8", "surrogatepass"))
        full = place - start >= limits.texts or sum_tokens + count > limits.tokens or sum_bytes + size > limits.bytes
        if full and place > start:
            yield start, place
            start, sum_tokens, sum_bytes = place, 0, 0
        sum_tokens, sum_bytes = sum_tokens + count, sum_bytes + size
    if start < len(texts):
        yield start, len(texts)
