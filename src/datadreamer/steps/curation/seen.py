"""Texts seen so far, for telling whether the next one is new: equal ones, or near ones."""

from __future__ import annotations

from .minhash import Bands
from .normal_text import normalizer

_PLAIN = ("nfkc", "casefold", "whitespace")


class Seen:
    """What has been accepted.

    Args:
        distinct: True finds texts that are equal apart from case, white space and Unicode's compatibility forms; a
            number between 0 and 1 also finds texts whose sets of word 3-grams have at least that Jaccard similarity.
    """

    def __init__(self, distinct: bool | float) -> None:
        self._normal = normalizer(_PLAIN)
        self._equal: set[str] = set()
        self._bands = None if distinct is True else Bands(float(distinct), "word", 3)
        self._places: dict[tuple[int, int], list[str]] = {}

    def has(self, text: str) -> bool:
        """Whether an earlier text is like this one."""
        plain = self._normal(text)
        if plain in self._equal:
            return True
        if self._bands is None:
            return False
        pieces = self._bands.pieces(plain)
        near = {text for key in self._keys(plain) for text in self._places.get(key, ())}
        return any(self._bands.alike(pieces, self._bands.pieces(other)) for other in near)

    def add(self, text: str) -> None:
        """Remember a text."""
        plain = self._normal(text)
        self._equal.add(plain)
        if self._bands is not None:
            for key in self._keys(plain):
                self._places.setdefault(key, []).append(plain)

    def _keys(self, plain: str) -> list[tuple[int, int]]:
        assert self._bands is not None
        return list(enumerate(self._bands.keys([plain])[0].tolist()))
