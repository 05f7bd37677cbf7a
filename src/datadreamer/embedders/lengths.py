"""How long texts are, and the error for those that are too long: raised before anything is sent, where that can be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ContextLengthError

if TYPE_CHECKING:
    from .ask import Ask
    from .embedder import Embedder

_TOGETHER = 2000  # texts that are measured at once


class Lengths:
    """The lengths (tokens, instruction included) of the texts of one call."""

    def __init__(self, embedder: Embedder, ask: Ask, texts: Iterable[str | None], base: int) -> None:
        self._embedder, self._ask = embedder, ask
        self._base = base  # position of the first text
        self._again = texts if isinstance(texts, Sized) else None  # else it can be read only once
        self._known: dict[int, np.ndarray] = {}  # by position of the first
        self._start = -1

    def of(self, texts: Sequence[str], places: Sequence[int], first: int) -> list[int]:
        """Lengths of the texts at `places` of a chunk that begins at `first`.

        Raises:
            ContextLengthError: one of them, or of all texts that are still to come, is too long.
        """
        if self._start < 0 and self._again is not None and not self._ask.truncate:
            self._measure_rest(self._again, first)
        if self._start >= 0:
            rest = self._known[self._start]
            return [int(rest[first - self._start + place]) for place in places]
        found = self._measured([texts[place] for place in places])
        if not self._ask.truncate:
            for place, length in zip(places, found, strict=True):
                self._check(texts[place], first + place, length)
        return found

    def _measure_rest(self, texts: Iterable[str | None], first: int) -> None:
        parts, position = [], first
        source = islice(iter(texts), first - self._base, None)
        while chunk := list(islice(source, _TOGETHER)):
            found = self._measured([text if isinstance(text, str) else "" for text in chunk])
            for place in np.flatnonzero(np.asarray(found) > self._most):
                self._check(chunk[place] or "", position + int(place), found[place])
            parts.append(np.asarray(found, np.int32))
            position += len(chunk)
        self._start = first
        self._known[first] = np.concatenate(parts)

    def _measured(self, texts: list[str]) -> list[int]:
        return self._embedder._count_many(texts, self._ask.instruction)

    @property
    def _most(self) -> float:
        return self._embedder.model_max_length * self._embedder.length_slack

    def _check(self, text: str, position: int, length: int) -> None:
        if length <= self._most:
            return
        embedder, most = self._embedder, self._embedder.model_max_length
        about = "about " if embedder.length_slack > 1 else ""
        raise ContextLengthError(
            f"Text {position} has {about}{length} tokens, but {embedder.display_name} takes {most}. "
            f"Pass truncate=True to cut it, or shorten it: {text!r:.80}"
        )
