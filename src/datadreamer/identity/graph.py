"""Functions and classes that refer to each other, numbered in the order in which a walk meets them.

Numbers instead of nesting: a helper used twice, or by itself, is walked once, and a long chain of helpers needs no deep
recursion. The order is canonical because a walk visits keys in the order of their encodings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .refusal import Refusal


class Graph:
    """The code that one function or class leads to."""

    def __init__(self, root: Any) -> None:
        self._numbers = {id(root): 0}
        self._nodes = [root]
        self._trails: list[list[str]] = [[]]  # how each node was reached: for errors, and for people
        self._current = 0

    def number(self, value: Any, trail: list[str]) -> int:
        """The number of a function or class, reached along `trail` from the node being walked."""
        known = self._numbers.setdefault(id(value), len(self._nodes))
        if known == len(self._nodes):
            self._nodes.append(value)  # kept alive, so that no other object gets its id
            self._trails.append([*self._trails[self._current], *filter(None, trail)])
        return known

    def walk(self) -> Iterator[tuple[Any, list[str]]]:
        """Every node with its trail; the nodes met while one is walked come later."""
        self._current = 0
        while self._current < len(self._nodes):
            yield self._nodes[self._current], self._trails[self._current]
            self._current += 1

    def blame(self, refusal: Refusal) -> Refusal:
        """Add to a refusal how the node being walked was reached."""
        refusal.segments.extend(reversed(self._trails[self._current]))
        return refusal
