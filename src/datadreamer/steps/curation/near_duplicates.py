"""For every text the earlier one that it is similar to, in memory that does not grow with the length of texts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

import numpy as np

from .minhash import Bands

NONE = -1  # stands for "a duplicate of none"
_REMEMBERED = 4_096  # texts whose pieces are held while others are compared with them


def near_duplicates(
    count: int, batches: Iterable[tuple[int, list[str | None]]], text_at: Callable[[int], str], bands: Bands
) -> np.ndarray:
    """For every text the first one that it is similar to among those that are similar to none before them, or `NONE`.

    Args:
        count: how many texts there are.
        batches: all of them in order, each time with the position of the first; None for what is no text.
        text_at: reads one of them again.
        bands: what is similar.
    """
    keys, present = np.zeros((count, bands.bands), np.uint32), np.zeros(count, bool)
    for first, texts in batches:
        at = [place for place, text in enumerate(texts, first) if text is not None]
        present[at] = True
        keys[at] = bands.keys([text for text in texts if text is not None])
    of, kept_with = np.full(count, NONE, np.int64), dict[tuple[int, int], list[int]]()
    pieces = _Pieces(lambda place: bands.pieces(text_at(place)))
    for place in _sharing(keys, present).tolist():
        own_keys = list(enumerate(keys[place].tolist()))
        earlier = sorted({kept for key in own_keys for kept in kept_with.get(key, ())})
        own = pieces.of(place)
        of[place] = next((kept for kept in earlier if bands.alike(own, pieces.of(kept))), NONE)
        if of[place] == NONE:
            for key in own_keys:
                kept_with.setdefault(key, []).append(place)
    return of


def _sharing(keys: np.ndarray, present: np.ndarray) -> np.ndarray:
    """The positions of texts that share a band's key with another: only these can be similar."""
    shares = np.zeros(len(keys), bool)
    there = np.flatnonzero(present)
    for band in range(keys.shape[1]):
        _, group, sizes = np.unique(keys[there, band], return_inverse=True, return_counts=True)
        shares[there] |= sizes[group] > 1
    return np.flatnonzero(shares)


class _Pieces:
    """The pieces of texts, made again as they are needed; the last ones are held."""

    def __init__(self, make: Callable[[int], set[str]]) -> None:
        self._make = make
        self._held: OrderedDict[int, set[str]] = OrderedDict()

    def of(self, place: int) -> set[str]:
        found = self._held.get(place)
        if found is None:
            found = self._held[place] = self._make(place)
            if len(self._held) > _REMEMBERED:
                self._held.popitem(last=False)
        else:
            self._held.move_to_end(place)
        return found
