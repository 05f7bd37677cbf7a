"""Texts made comparable, and cut into overlapping pieces."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from hashlib import blake2b

from ...errors import InvalidArgumentError, nearest

#: what may be done to a text before it is compared, in the order in which it is done
NORMALIZATIONS = ("nfkc", "casefold", "punctuation", "digits", "whitespace")
UNITS = ("word", "character")


def check_normalizations(who: str, names: Iterable[str]) -> list[str]:
    """The names in the order in which they apply; raises for one that means nothing."""
    given = [names] if isinstance(names, str) else list(names)
    for name in given:
        if name not in NORMALIZATIONS:
            raise InvalidArgumentError(f"{who}: normalize has no '{name}'. {nearest(str(name), NORMALIZATIONS)}")
    return [name for name in NORMALIZATIONS if name in given]


def normalizer(names: Iterable[str]) -> Callable[[str], str]:
    """A function that does these things to a text.

    `nfkc` and `casefold` are Unicode's; `punctuation` drops the categories P, S and Cf; `digits` turns every decimal
    digit into 0; `whitespace` makes one blank of every stretch of it, and trims.
    """
    chosen = [_APPLY[name] for name in NORMALIZATIONS if name in set(names)]

    def apply(text: str) -> str:
        for change in chosen:
            text = change(text)
        return text

    return apply


class _ByCategory(dict[int, int | None]):
    """A table for `str.translate` that asks Unicode for the category of a character once."""

    def __init__(self, decide: Callable[[str, str], str | None]) -> None:
        super().__init__()
        self._decide = decide

    def __missing__(self, code: int) -> int | None:
        character = chr(code)
        decided = self._decide(character, unicodedata.category(character))
        self[code] = None if decided is None else ord(decided)
        return self[code]


@cache
def _punctuation() -> _ByCategory:
    return _ByCategory(lambda character, kind: None if kind[0] in "PS" or kind == "Cf" else character)


@cache
def _digits() -> _ByCategory:
    return _ByCategory(lambda character, kind: "0" if kind == "Nd" else character)


_APPLY: dict[str, Callable[[str], str]] = {
    "nfkc": lambda text: text if text.isascii() else unicodedata.normalize("NFKC", text),
    "casefold": str.casefold,
    "punctuation": lambda text: text.translate(_punctuation()),
    "digits": lambda text: text.translate(_digits()),
    "whitespace": lambda text: " ".join(text.split()),
}


def key_of(text: str) -> bytes:
    """16 bytes that stand for a text where texts are compared: memory does not grow with their lengths."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def shingles(text: str, unit: str, size: int) -> set[str]:
    """The different runs of `size` words, or characters, of a text; the whole text where it is shorter."""
    if unit == "character":
        return {text[start : start + size] for start in range(max(1, len(text) - size + 1))} if text else set()
    words = text.split()
    if len(words) <= size:
        return {" ".join(words)} if words else set()
    return {" ".join(words[start : start + size]) for start in range(len(words) - size + 1)}


def jaccard(one: set[str], other: set[str]) -> float:
    """Shared pieces as a part of all; 1 for two texts without any."""
    together = len(one | other)
    return len(one & other) / together if together else 1.0
