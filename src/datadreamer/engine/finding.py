"""Is this result there already? Found by its key: at its label, left whole by a killed run, or under another name."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from ..cards.record import RECORD_VERSION, StepRecord, TrainerRecord
from ..cards.sealing import is_whole
from ..errors import NewerVersionError
from .store import Store

logger = logging.getLogger("datadreamer.engine")

AnyRecord = TypeVar("AnyRecord", StepRecord, TrainerRecord)


@dataclass(frozen=True)
class Found(Generic[AnyRecord]):
    """What there is at a label: `finished` under the key that was asked for, `replaced` under another.

    `damaged`: there was a result with the key, and it is not whole any more.
    """

    finished: AnyRecord | None = None
    replaced: AnyRecord | None = None
    damaged: bool = False


class Finder(Generic[AnyRecord]):
    """Finds finished results of one kind.

    Args:
        store: the output folder.
        file: the record's file name.
        kind: the record's type.
        whole: whether everything that a record speaks of is there; says in the log what is not.
    """

    def __init__(
        self, store: Store, file: str, kind: type[AnyRecord], whole: Callable[[Path, AnyRecord], bool]
    ) -> None:
        self.store, self.file = store, file
        self.kind: type[AnyRecord] = kind
        self.whole: Callable[[Path, AnyRecord], bool] = whole

    def find(self, name: str, label: str, key: str) -> Found[AnyRecord]:
        """Look everywhere for the key; what is found elsewhere is put in its place."""
        with self.store.lock:
            return self._find(name, label, key)

    def _find(self, name: str, label: str, key: str) -> Found[AnyRecord]:
        target, work = self.store.path(label), self.store.work(key)
        here = self.read(target)
        same = here is not None and here.key == key
        damaged = same and here is not None and here.status == "finished"
        if here is not None and damaged and self._good(target, here):
            return Found(here)
        left = self.read(work)
        if left is not None and left.key == key and self._good(work, left):
            self._make_room(label, here, damaged)
            self.store.commit(work, label, None)
            return Found(left)
        for folder in self.store.others(self.file):
            other = None if folder == target else self.read(folder)
            if other is not None and other.key == key and self._good(folder, other):
                self._make_room(label, here, damaged)
                self.store.link(folder, label)
                logger.info("'%s' was found finished as '%s'.", name, other.name)
                return Found(other)
        return Found(None, None if same else here, damaged)

    def _make_room(self, label: str, here: AnyRecord | None, damaged: bool) -> None:
        if damaged:
            self.store.discard(label)
        else:
            self.store.set_aside(label, here.key if here else None)

    def read(self, folder: Path) -> AnyRecord | None:
        """The record in a folder; None when there is none, or it cannot be read.

        Raises:
            NewerVersionError: a newer version of this library wrote it.
        """
        content = self.store.record(folder, self.file)
        if content is None:
            return None
        try:
            if not is_whole(content):
                raise msgspec.DecodeError("its checksum is another")
            record = msgspec.json.decode(content, type=self.kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            _refuse_newer(content, folder)
            logger.warning("The record %s/%s is damaged (%s); it is made again.", folder.name, self.file, error)
            return None
        if record.record_version > RECORD_VERSION:
            _refuse_newer(content, folder)
        return record

    def _good(self, folder: Path, record: AnyRecord) -> bool:
        return record.status == "finished" and self.whole(folder, record)


def _refuse_newer(content: bytes, folder: Path) -> None:
    try:
        version = json.loads(content).get("record_version", 0)
    except (ValueError, AttributeError):
        return
    if isinstance(version, int) and version > RECORD_VERSION:
        raise NewerVersionError(
            f"The record of '{folder.name}' was written by a newer version (format {version}, this one reads "
            f"{RECORD_VERSION}). Upgrade with: pip install --upgrade datadreamer"
        )
