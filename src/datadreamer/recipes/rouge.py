"""ROUGE-L: how much of two texts is a common subsequence of words."""

from __future__ import annotations

import re
from collections import Counter

_WORD = re.compile(r"\w+")


class RougePool:
    """Texts, and whether another one is too similar to any of them.

    Similarity is the F1 of ROUGE-L (Lin 2004, section 3): with L the length of the longest common subsequence of words,
    2 L / (words of one + words of the other).
    """

    def __init__(self, texts: list[str]) -> None:
        self._pool: list[tuple[list[str], Counter[str]]] = []
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Take a text into the pool."""
        words = _words(text)
        self._pool.append((words, Counter(words)))

    def has_like(self, text: str, threshold: float) -> bool:
        """Whether any text of the pool is at least as similar as `threshold`, from 0 to 1."""
        words = _words(text)
        counts = Counter(words)
        for other, other_counts in self._pool:
            total = len(words) + len(other)
            least = threshold * total / 2  # words that have to be common
            if min(len(words), len(other)) < least or (counts & other_counts).total() < least:
                continue  # cheap bounds on the longest common subsequence
            if total and 2 * _common(words, other) / total >= threshold:
                return True
        return False


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _common(a: list[str], b: list[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for word in a:
        before = 0
        for place, other in enumerate(b, 1):
            above = row[place]
            row[place] = before + 1 if word == other else max(above, row[place - 1])
            before = above
    return row[-1]
