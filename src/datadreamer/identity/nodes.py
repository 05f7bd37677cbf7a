"""What a value that is not plain is reduced to, before it is encoded or shown: a tag and a plainer body."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from .normal import canonical_text, readable


@dataclass(slots=True)
class Tagged:
    """A kind of value and what it is made of. `body` is walked like any other value."""

    name: str
    body: Any


@dataclass(slots=True)
class Instance(Tagged):
    """The same, for an object that may contain itself."""

    owner: Any = None


class Labeled(dict[str, Any]):
    """A dict whose keys are named in a path as `label` says, for example `closure variable '{}'`."""

    __slots__ = ("label",)

    def __init__(self, label: str, items: Any = ()) -> None:
        super().__init__(items)
        self.label = label

    def segment(self, key: str) -> str:
        return self.label.format(key)


class CodeText:
    """Normalised code: its identity is the SHA-256 of its canonical text; the source is only shown."""

    __slots__ = ("_node", "_source", "digest")

    def __init__(self, node: ast.AST) -> None:
        self.digest = sha256(canonical_text(node).encode("utf-8", "surrogatepass")).digest()
        self._node: ast.AST | None = node
        self._source = ""

    @property
    def source(self) -> str:
        """The code as Python source without comments, docstrings and annotations; written at first use."""
        if self._node is not None:
            self._source, self._node = readable(self._node), None
        return self._source
