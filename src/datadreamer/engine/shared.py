"""Answers that several projects share.

A path given as `shared_store` is either another project's output folder, which is only read, or a folder for nothing
but answers, which is read and added to. What is found in either is copied into the session's own ledger, so that the
project stays whole without them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InvalidArgumentError, InvalidTypeError
from ..ledger import CallRecord, Ledger

LEDGER, STORE = "ledger.sqlite", "calls.sqlite"

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


class SharedLedger:
    """A ledger whose answers are looked for, and left, in stores as well. Everything else is the ledger's own."""

    def __init__(self, ledger: Ledger, stores: Sequence[Ledger]) -> None:
        self._ledger, self._stores = ledger, tuple(stores)

    def get_calls(self, keys: Sequence[bytes]) -> dict[bytes, CallRecord]:
        """The remembered answers among `keys`; those that only a store has are copied."""
        found = self._ledger.get_calls(keys)
        for store in self._stores:
            missing = [key for key in keys if key not in found]
            if not missing:
                break
            for key, record in store.get_calls(missing).items():
                found[key] = record
                self._ledger.put_call(key, record)
        return found

    def put_call(self, key: bytes, record: CallRecord) -> None:
        """Remember an answer, here and in the stores."""
        self._ledger.put_call(key, record)
        for store in self._stores:
            store.put_call(key, record)

    def flush(self) -> None:
        """Return when all that was put is on disk."""
        for ledger in (self._ledger, *self._stores):
            ledger.flush()

    def close(self) -> None:
        """Flush and let go of all files."""
        try:
            self._ledger.close()
        finally:
            for store in self._stores:
                store.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


def open_ledger(path: str | os.PathLike[str], shared: Sequence[Path]) -> Any:
    """The session's ledger at `path`, with what it shares.

    Raises:
        InvalidArgumentError: a shared path is a file that is no ledger.
        DamagedFileError, NewerVersionError, FolderNotWritableError: about the ledger or a store; names the cure.
    """
    projects = [found for place in shared if (found := _project(place)) is not None]
    folders = [place for place in shared if _project(place) is None]
    ledger = Ledger.open(path, shared=projects, copy_shared=True)
    if not folders:
        return ledger
    stores: list[Ledger] = []
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            stores.append(Ledger.open(folder / STORE))
    except BaseException:
        for opened in (*stores, ledger):
            opened.close()
        raise
    return SharedLedger(ledger, stores)


def _project(place: Path) -> Path | None:
    """The ledger of another project's output folder; None for a folder of nothing but answers."""
    if place.is_file():
        if place.suffix != ".sqlite":
            raise InvalidArgumentError(
                f"shared_store='{place}' is a file. Give a folder, or the output folder of another project."
            )
        return place
    return place / LEDGER if (place / LEDGER).is_file() else None


def store_paths(given: Paths | None, own: Path | None) -> list[Path]:
    """The argument `shared_store` as absolute paths."""
    if given is None:
        return []
    several = [given] if isinstance(given, str | os.PathLike) else list(given)
    for one in several:
        if not isinstance(one, str | os.PathLike):
            raise InvalidTypeError(f"shared_store takes a path or a list of paths, not {type(one).__name__} {one!r}.")
    paths = [Path(one).expanduser().absolute() for one in several]
    if own is not None and own in paths:
        raise InvalidArgumentError(f"shared_store='{own}' is the session's own folder, whose answers it finds anyway.")
    return paths
