"""Recorded answers: those of an output folder or a cache folder, found by what was asked."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from .. import identity
from ..errors import NotRecordedError, SourceError, nearest
from .types import Request

if TYPE_CHECKING:
    from ..ledger import CallRecord, Ledger

FILES = ("ledger.sqlite", "calls.sqlite")  # of an output folder; of a model's cache folder
NEAREST = 5_000  # recorded requests that are compared when one is missing


class _Asked(msgspec.Struct):
    """What a record says was asked."""

    model: Any = None
    request: dict[str, Any] | None = None


_asked = msgspec.json.Decoder(_Asked).decode
_encode = msgspec.json.Encoder(order="deterministic").encode


class RecordedModel(msgspec.Struct, frozen=True, eq=False):
    """One model in a recording."""

    name: str  # as it was asked for
    spec: dict[str, Any]  # what counts of it in request keys
    calls: int
    provider: str
    system: str | None  # the system prompt of most of its requests
    parameters: frozenset[str]  # names of parameters of its own that were used
    samples: int  # the highest number of a draw, plus one


class Recording:
    """The answers in a ledger. Nothing is ever asked.

    Args:
        path: an output folder, a folder that was given as `cache_folder_path`, or the ledger file itself.

    Raises:
        SourceError: there is no recording there.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = recording_file(path)
        self._ledger: Ledger | None = None
        self._by_words: dict[bytes, bytes] = {}  # digest of what a record says was asked, to its key

    @property
    def ledger(self) -> Ledger:
        """The ledger, opened for reading."""
        if self._ledger is None:
            from ..ledger import Ledger

            self._ledger = Ledger.open(self.path, readonly=True)
        return self._ledger

    @cached_property
    def models(self) -> list[RecordedModel]:
        """Every model that was asked, those with most answers first."""
        found: dict[tuple[str, bytes], _Tally] = {}
        for key, record in self.ledger.calls():
            asked = _read(record)
            if asked is None:
                continue
            kind = record.model, _encode(asked.model)
            found.setdefault(kind, _Tally(record, asked)).add(record, asked.request or {})
            self._by_words[_words(asked.model, asked.request or {})] = key
        return sorted((tally.model() for tally in found.values()), key=lambda model: -model.calls)

    def model(self, name: str | None = None) -> RecordedModel:
        """The model called `name`; without a name, the only one.

        Raises:
            SourceError: there is none of this name, or several.
        """
        names = sorted({model.name for model in self.models})
        if not names:
            raise SourceError(f"The recording '{self.path}' has no answers of a model.")
        found = self.models if name is None else [model for model in self.models if model.name == name]
        if not found:
            raise SourceError(f"The recording '{self.path}' has no answers of '{name}'. {nearest(str(name), names)}")
        if len(found) > 1:
            listing = "; ".join(f"'{one.name}' ({one.provider}, {one.calls} answers)" for one in found)
            raise SourceError(f"The recording '{self.path}' has answers of several models: {listing}. Say which.")
        return found[0]

    def find(self, spec: Mapping[str, Any], request: Request) -> tuple[bytes, CallRecord] | None:
        """The recorded answer to exactly this."""
        parts = request.parts()
        key = identity.request_key({"model": spec, "request": parts})
        record = self.ledger.get_calls([key]).get(key)
        if record is None and self.models:  # a spec with something in it that is no data: a function that answers
            key = self._by_words.get(_words(spec, parts), b"")
            record = self.ledger.get_calls([key]).get(key) if key else None
        return None if record is None else (key, record)

    def missing(self, name: str, request: Request) -> NotRecordedError:
        """The error for what is not there, with what comes nearest."""
        near = self._nearest(name, request)
        return NotRecordedError(
            f"The recording '{self.path}' has no answer of '{name}' to {request.prompt!r:.200} "
            f"(draw {request.sample}). {near}"
        )

    def _nearest(self, name: str, request: Request) -> str:
        wanted = _plain(request.parts())
        best: tuple[int, dict[str, Any]] | None = None
        for number, (_, record) in enumerate(self.ledger.calls()):
            asked = _read(record) if record.model == name else None
            if number >= NEAREST or asked is None:
                continue
            differing = _differing(wanted, asked.request or {})
            if best is None or len(differing) < best[0]:
                best = len(differing), {"differing": differing, "recorded": asked.request or {}}
        if best is None:
            return "It has none of this model at all."
        field = best[1]["differing"][0] if best[1]["differing"] else "model"
        recorded, given = best[1]["recorded"].get(field), wanted.get(field)
        return f"The nearest request that it has differs in '{field}': {recorded!r:.200} there, {given!r:.200} here."

    def close(self) -> None:
        """Close the ledger."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None


class _Tally:
    """What is gathered about one model while the records go by."""

    def __init__(self, record: CallRecord, asked: _Asked) -> None:
        self._name, self._provider, self._spec = record.model, record.provider, asked.model
        self._calls = self._samples = 0
        self._systems: Counter[str | None] = Counter()
        self._parameters: set[str] = set()

    def add(self, record: CallRecord, request: Mapping[str, Any]) -> None:
        self._calls += 1
        self._samples = max(self._samples, record.sample + 1)
        self._systems[request.get("system")] += 1
        self._parameters |= set(request.get("extra") or ())

    def model(self) -> RecordedModel:
        system = self._systems.most_common(1)[0][0]
        return RecordedModel(
            self._name, self._spec, self._calls, self._provider, system, frozenset(self._parameters), self._samples
        )


def recording_file(path: str | os.PathLike[str]) -> Path:
    """The ledger that `path` stands for.

    Raises:
        SourceError: there is none.
    """
    given = Path(path).expanduser()
    if given.is_file():
        return given
    found = next((given / name for name in FILES if (given / name).is_file()), None)
    if found is None:
        raise SourceError(
            f"There is no recording in '{given}': give the output folder of a session ({FILES[0]}) or a folder that "
            f"a model had as cache_folder_path ({FILES[1]})."
        )
    return found


def _read(record: CallRecord) -> _Asked | None:
    """What was asked; None for what was no question to a language model (a classifier's text, an embedding)."""
    try:
        asked = _asked(record.request)
    except msgspec.MsgspecError:
        return None
    return asked if asked.request is not None and "messages" in asked.request else None


def _words(spec: Any, request: Mapping[str, Any]) -> bytes:
    return hashlib.blake2b(_encode([spec, request]), digest_size=16).digest()


def _plain(parts: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(parts))
    return plain


def _differing(wanted: Mapping[str, Any], recorded: Mapping[str, Any]) -> list[str]:
    """The fields that differ, what says most first."""
    names = [name for name in (*_TELLING, *sorted(wanted.keys() | recorded.keys())) if name in wanted.keys() | recorded]
    return [name for name in dict.fromkeys(names) if wanted.get(name) != recorded.get(name)]


_TELLING = ("messages", "system", "sample", "seed", "temperature", "max_new_tokens")
