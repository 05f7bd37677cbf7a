"""The canonical encoding: equal bytes for equal values, on every machine, Python version and hash seed.

Type-tagged, length-prefixed and prefix-free; `docs/design/identity.md` publishes it byte by byte.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256
from operator import itemgetter
from struct import Struct
from types import MappingProxyType
from typing import Any

from .code import CodeView, is_code
from .graph import Graph
from .nodes import CodeText, Instance, Labeled, Tagged
from .objects import reduce, schema_only
from .refusal import Refusal, too_deep

FLOAT = Struct(">d").pack
NAN = b"\x7f\xf8\x00\x00\x00\x00\x00\x00"
KEYS_REMEMBERED = 4096

_keys: dict[str, bytes] = {}  # encodings of short texts used as keys


def encode(value: Any) -> bytes:
    """The canonical encoding of a value.

    Raises:
        CannotIdentifyError: the value, or something inside it, has no identity; the message has its path.
    """
    return _encode(value, Encoder())


def digest(value: Any, prefix: str = "ddw1") -> str:
    """`prefix`, a colon, and the SHA-256 of `prefix`, a colon and the encoding, in hexadecimal.

    Args:
        value: anything that can be encoded.
        prefix: the kind of identity. Equal values of different kinds have different digests.

    Raises:
        CannotIdentifyError: see `encode`.
    """
    return f"{prefix}:{sha256(prefix.encode() + b':' + encode(value)).hexdigest()}"


def request_key(parts: Mapping[str, Any]) -> bytes:
    """The identity of one request to a model: 32 bytes, printed as "ddr1:" and their hexadecimal form.

    Classes inside it (a response format) count by what a server is sent, their JSON schema, and not by their code.

    Args:
        parts: everything that can change the answer: wire, endpoint, model, messages, sampling parameters, sample.

    Raises:
        CannotIdentifyError: see `encode`.
    """
    return sha256(b"ddr1:" + _encode(dict(parts), Encoder(in_request=True))).digest()


def _encode(value: Any, encoder: Encoder) -> bytes:
    try:
        encoder.write(value)
    except Refusal as refusal:
        raise refusal.error() from refusal.__cause__
    except RecursionError:
        raise too_deep().error() from None
    return b"".join(encoder.out)


class Encoder:
    """One walk over one value, gathering bytes."""

    __slots__ = ("graph", "in_request", "open", "out", "trail")

    def __init__(self, *, in_request: bool = False) -> None:
        self.out: list[bytes] = []
        self.in_request = in_request
        self.open: list[int] = []  # objects being walked, for those that contain themselves
        self.graph: Graph | None = None  # the code being walked
        self.trail: list[str] = []  # the named places between a node of the graph and here

    def write(self, value: Any) -> None:
        writer = WRITERS.get(type(value))
        if writer is not None:
            writer(self, value)
        else:
            self.write_object(value)

    # --- containers

    def write_list(self, value: list[Any] | tuple[Any, ...]) -> None:
        self.out.append(b"l%d:" % len(value))
        index = 0
        try:
            for item in value:
                self.write(item)
                index += 1
        except Refusal as refusal:
            raise refusal.under(f"[{index}]") from refusal.__cause__

    def write_set(self, value: Any) -> None:
        parts = sorted(self.apart(item) for item in value)
        self.out.append(b"S%d:" % len(parts))
        self.out.extend(parts)

    def write_dict(self, value: Mapping[Any, Any]) -> None:
        keys = [(encode_key(key) if type(key) is str else self.apart(key), key) for key in value]
        keys.sort(key=itemgetter(0))
        out = self.out
        out.append(b"d%d:" % len(keys))
        key: Any = None
        try:
            for encoded, key in keys:
                out.append(encoded)
                item = value[key]
                writer = WRITERS.get(type(item))
                if writer is not None:
                    writer(self, item)
                else:
                    self.write_object(item)
        except Refusal as refusal:
            raise refusal.under(key_segment(key)) from refusal.__cause__

    def apart(self, value: Any) -> bytes:
        """The encoding of a value whose place is decided by it: it must not depend on what was met before."""
        other = Encoder(in_request=self.in_request)
        other.open = self.open
        other.write(value)
        return b"".join(other.out)

    def write_labeled(self, value: Labeled) -> None:
        keys = sorted(value, key=encode_key)
        self.out.append(b"d%d:" % len(keys))
        for key in keys:
            self.out.append(encode_key(key))
            segment = value.segment(key)
            self.trail.append(segment)
            try:
                self.write(value[key])
            except Refusal as refusal:
                raise refusal.under(segment) from refusal.__cause__
            self.trail.pop()

    # --- everything else

    def write_object(self, value: Any) -> None:
        if isinstance(value, type) and self.in_request:
            self.write_tagged(schema_only(value))
        elif not is_code(value):
            self.write_tagged(reduce(value))
        elif self.graph is None:
            self.write_graph(value)
        else:
            self.out.append(b"r%d:" % self.graph.number(value, self.trail))

    def write_tagged(self, value: Tagged) -> None:
        owner = value.owner if isinstance(value, Instance) else None
        if owner is not None:
            if id(owner) in self.open:
                self.out.append(b"^%d:" % (len(self.open) - self.open.index(id(owner))))
                return
            self.open.append(id(owner))
        write_text(self, value.name, b"o")
        # keys of our own say nothing to the reader of a path
        self.write(Labeled("", value.body) if type(value.body) is dict else value.body)
        if owner is not None:
            self.open.pop()

    def write_graph(self, value: Any) -> None:
        """A function or class with all the functions and classes of the user that it leads to, each once."""
        out, self.out = self.out, []
        trail, self.trail = self.trail, []
        graph = self.graph = Graph(value)
        count = 0
        try:
            for node, _ in graph.walk():
                self.write_tagged(reduce(node))
                count += 1
        except Refusal as refusal:
            raise graph.blame(refusal) from refusal.__cause__
        self.graph = None
        self.trail = trail
        out.append(b"g%d:" % count)
        out.extend(self.out)
        self.out = out


# --- plain values -----------------------------------------------------------------------------------------------------


def write_text(encoder: Encoder, value: str, tag: bytes = b"s") -> None:
    raw = value.encode("utf-8", "surrogatepass")
    encoder.out.append(b"%b%d:%b" % (tag, len(raw), raw))


def write_bytes(encoder: Encoder, value: bytes | bytearray | memoryview) -> None:
    raw = bytes(value)
    encoder.out.append(b"b%d:%b" % (len(raw), raw))


def write_int(encoder: Encoder, value: int) -> None:
    encoder.out.append(b"i%x:" % value)


def write_float(encoder: Encoder, value: float) -> None:
    encoder.out.append(b"f" + (FLOAT(value) if value == value else NAN))


def write_complex(encoder: Encoder, value: complex) -> None:
    encoder.out.append(b"c")
    for part in (value.real, value.imag):
        encoder.out.append(FLOAT(part) if part == part else NAN)


def write_none(encoder: Encoder, value: None) -> None:
    encoder.out.append(b"N")


def write_bool(encoder: Encoder, value: bool) -> None:
    encoder.out.append(b"T" if value else b"F")


def write_code(encoder: Encoder, value: CodeText) -> None:
    encoder.out.append(b"x" + value.digest)


def write_view(encoder: Encoder, value: CodeView) -> None:
    encoder.out.append(value.encoding)


def encode_key(key: str) -> bytes:
    """The encoding of a text used as a key, remembered when short: requests repeat their keys."""
    known = _keys.get(key)
    if known is None:
        raw = key.encode("utf-8", "surrogatepass")
        known = b"s%d:%b" % (len(raw), raw)
        if len(raw) <= 64 and len(_keys) < KEYS_REMEMBERED:
            _keys[key] = known
    return known


def key_segment(key: Any) -> str:
    """A key as it would be written in Python, in brackets."""
    return f'["{key}"]' if isinstance(key, str) else f"[{key!r}]"


WRITERS: dict[type, Callable[[Encoder, Any], None]] = {
    str: write_text,
    int: write_int,
    float: write_float,
    bool: write_bool,
    type(None): write_none,
    dict: Encoder.write_dict,
    list: Encoder.write_list,
    tuple: Encoder.write_list,
    set: Encoder.write_set,
    frozenset: Encoder.write_set,
    OrderedDict: Encoder.write_dict,
    MappingProxyType: Encoder.write_dict,
    Labeled: Encoder.write_labeled,
    bytes: write_bytes,
    bytearray: write_bytes,
    memoryview: write_bytes,
    complex: write_complex,
    Tagged: Encoder.write_tagged,
    CodeText: write_code,
    CodeView: write_view,
}
