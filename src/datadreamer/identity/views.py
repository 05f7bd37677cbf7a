"""The readable picture of what is encoded, as JSON: stored beside a digest, so that `why` can name what changed.

Plain values are themselves; anything else is an object with one key that begins with `$`, for example
`{"$bytes": "…"}`. Values of different identity have different views.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from .code import CodeView, is_code
from .encoding import WRITERS, Encoder, encode_key, key_segment
from .graph import Graph
from .nodes import CodeText, Instance, Labeled, Tagged
from .objects import reduce
from .refusal import Refusal, too_deep

LONGEST_TEXT = 8192  # characters kept whole
LONGEST_BYTES = 64
SHOWN = 512  # characters kept of a longer text


def view(value: Any) -> Any:
    """A JSON-able picture of a value, with the code of functions and classes as normalised source.

    Texts above 8,192 characters are kept as their beginning, length and SHA-256.

    Raises:
        CannotIdentifyError: as `encode` does for the same value.
    """
    try:
        return Viewer().view(value)
    except Refusal as refusal:
        raise refusal.error() from refusal.__cause__
    except RecursionError:
        raise too_deep().error() from None


class Viewer:
    """One walk over one value, in the order in which the encoder walks it."""

    def __init__(self) -> None:
        self.open: list[int] = []
        self.graph: Graph | None = None
        self.trail: list[str] = []

    def view(self, value: Any) -> Any:
        viewer = VIEWERS.get(WRITERS.get(type(value)))  # one table says which types are alike
        return viewer(self, value) if viewer is not None else self.show_object(value)

    def show_list(self, value: Any) -> list[Any]:
        return [self.within(item, f"[{index}]") for index, item in enumerate(value)]

    def show_set(self, value: Any) -> dict[str, Any]:
        apart = Encoder()
        return {"$set": [self.alone(item) for item in sorted(value, key=apart.apart)]}

    def show_dict(self, value: Mapping[Any, Any]) -> dict[str, Any]:
        apart = Encoder()
        keys = sorted(value, key=lambda key: encode_key(key) if type(key) is str else apart.apart(key))
        pairs = [(key, self.within(value[key], key_segment(key))) for key in keys]
        if all(type(key) is str and not key.startswith("$") and key.isprintable() for key in keys):
            return dict(pairs)
        return {"$dict": [[self.alone(key), item] for key, item in pairs]}

    def show_labeled(self, value: Labeled) -> dict[str, Any]:
        result = {}
        for key in sorted(value, key=encode_key):
            segment = value.segment(key)
            self.trail.append(segment)
            result[key] = self.within(value[key], segment)
            self.trail.pop()
        return result

    def within(self, value: Any, segment: str) -> Any:
        try:
            return self.view(value)
        except Refusal as refusal:
            raise refusal.under(segment) from refusal.__cause__

    def alone(self, value: Any) -> Any:
        other = Viewer()
        other.open = self.open
        return other.view(value)

    def show_object(self, value: Any) -> Any:
        if not is_code(value):
            return self.show_tagged(reduce(value))
        if self.graph is not None:
            return {"$ref": self.graph.number(value, self.trail)}
        return self.show_code(value)

    def show_tagged(self, value: Tagged) -> dict[str, Any]:
        owner = value.owner if isinstance(value, Instance) else None
        if owner is not None:
            if id(owner) in self.open:
                return {"$within": len(self.open) - self.open.index(id(owner))}
            self.open.append(id(owner))
        body = Labeled("", value.body) if type(value.body) is dict else value.body
        result = {f"${value.name}": self.view(body)}
        if owner is not None:
            self.open.pop()
        return result

    def show_code(self, value: Any) -> dict[str, Any]:
        """A list of functions and classes, each with the path that led to it."""
        outer, self.trail = self.trail, []
        graph = self.graph = Graph(value)
        nodes = []
        try:
            for node, trail in graph.walk():
                nodes.append({"at": " → ".join(trail), "name": node.__qualname__, **self.show_tagged(reduce(node))})
        except Refusal as refusal:
            raise graph.blame(refusal) from refusal.__cause__
        self.graph = None
        self.trail = outer
        return {"$code": nodes}

    # --- plain values

    def show_plain(self, value: Any) -> Any:
        return value

    def show_number(self, value: float) -> Any:
        return value if math.isfinite(value) else {"$float": str(value)}

    def show_complex(self, value: complex) -> Any:
        return {"$complex": [self.show_number(value.real), self.show_number(value.imag)]}

    def show_text(self, value: str) -> Any:
        if len(value) <= LONGEST_TEXT and value.isascii():
            return value
        raw = value.encode("utf-8", "surrogatepass")
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:  # half a surrogate pair, which no JSON file can hold
            shown = value.encode("utf-8", "backslashreplace").decode("utf-8")[:SHOWN]
            return {"$text": shown, "length": len(value), "sha256": sha256(raw).hexdigest()}
        if len(value) <= LONGEST_TEXT:
            return value
        return {"$text": value[:SHOWN], "length": len(value), "sha256": sha256(raw).hexdigest()}

    def show_bytes(self, value: bytes | bytearray | memoryview) -> Any:
        raw = bytes(value)
        if len(raw) <= LONGEST_BYTES:
            return {"$bytes": raw.hex()}
        return {"$bytes": raw[:LONGEST_BYTES].hex(), "length": len(raw), "sha256": sha256(raw).hexdigest()}

    def show_source(self, value: CodeText) -> Any:
        return {"$source": value.source, "sha256": value.digest.hex()}

    def show_taken(self, value: CodeView) -> Any:
        return value.json


VIEWERS: dict[Callable[..., None] | None, Callable[[Viewer, Any], Any]] = {
    WRITERS[str]: Viewer.show_text,
    WRITERS[int]: Viewer.show_plain,
    WRITERS[bool]: Viewer.show_plain,
    WRITERS[type(None)]: Viewer.show_plain,
    WRITERS[float]: Viewer.show_number,
    WRITERS[complex]: Viewer.show_complex,
    WRITERS[bytes]: Viewer.show_bytes,
    WRITERS[list]: Viewer.show_list,
    WRITERS[set]: Viewer.show_set,
    WRITERS[dict]: Viewer.show_dict,
    WRITERS[Labeled]: Viewer.show_labeled,
    WRITERS[Tagged]: Viewer.show_tagged,
    WRITERS[CodeText]: Viewer.show_source,
    WRITERS[CodeView]: Viewer.show_taken,
}
