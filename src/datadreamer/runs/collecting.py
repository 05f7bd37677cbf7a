"""What lies in an output folder and is not needed by the last run of its script: found, and freed when asked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal, get_args

from msgspec import Struct

from ..engine.store import BACKUPS, WORK, Store
from ..ledger import FolderLock
from . import folder as folders
from .folder import LEDGER
from .unfinished import unfinished

Kind = Literal["backup", "orphan", "leftover", "unfinished", "damaged"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FREED: tuple[Kind, ...] = ("backup", "orphan", "leftover")  # without being named


class Garbage(Struct, kw_only=True):
    """One thing that could be freed.

    `kind`: a replaced result (`"backup"`, which a revert would bring back); a result that the last finished run did not
    use (`"orphan"`); what a killed process left and nobody goes on from (`"leftover"`); what an unfinished step goes on
    from (`"unfinished"`); a ledger that was mended (`"damaged"`).
    """

    kind: Kind
    name: str
    path: str  # relative to the output folder
    bytes: int  # that would be free; files that another result shares count as nothing


def garbage(path: str | os.PathLike[str]) -> list[Garbage]:
    """What could be freed in an output folder. Nothing that the last run refers to is among it.

    Raises:
        SourceError: that is no output folder.
    """
    folder = folders.output_folder(path)
    found = [*_backups(folder), *_orphans(folder), *_work(folder), *_litter(folder)]
    return sorted(found, key=lambda one: (KINDS.index(one.kind), -one.bytes, one.path))


def free(path: str | os.PathLike[str], kinds: Collection[str] = FREED) -> list[Garbage]:
    """Delete what `garbage` finds of these kinds; gives what was deleted.

    Raises:
        SourceError: that is no output folder.
        FolderInUseError: a session is working in it.
    """
    folder = folders.output_folder(path)
    with FolderLock(folder):
        chosen = [one for one in garbage(folder) if one.kind in kinds]
        for one in chosen:
            target = folder / one.path
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)
            _remove_empty(target.parent, folder)
    return chosen


def _remove_empty(place: Path, folder: Path) -> None:
    while place != folder and place.name != WORK:
        with suppress(OSError):  # something else is in it
            place.rmdir()
        place = place.parent


def _backups(folder: Path) -> Iterator[Garbage]:
    top = folder / BACKUPS
    for file in (folders.STEP_FILE, folders.TRAINER_FILE):
        for record in top.rglob(file):
            yield _of("backup", record.parent, folder, record.parent.parent.relative_to(top).as_posix())


def _orphans(folder: Path) -> Iterator[Garbage]:
    run = folders.run_record(folder)
    if run is None or run.session is None or run.session.status != "finished":
        return  # nobody knows what the script uses
    used = {record.label for record in folders.records_of(run) if record.label}
    for one in folders.found(folder):
        above = {"/".join(one.label.split("/")[:depth]) for depth in range(1, one.label.count("/") + 2)}
        below = any(label.startswith(f"{one.label}/") for label in used)
        if not above & used and not below:  # steps inside a step that was found finished are used by it
            yield _of("orphan", Path(one.folder), folder, one.name)


def _work(folder: Path) -> Iterator[Garbage]:
    open_ends = {}
    with folders.reading_ledger(folder) as ledger:
        if ledger is not None:
            finished = {one.record.key for one in folders.found(folder) if one.record is not None}
            store = Store(folder)
            open_ends = {store.work(one.key): one.name for one in unfinished(ledger.steps(), finished, None)}
    if not (folder / WORK).is_dir():
        return
    for item in (folder / WORK).iterdir():
        yield _of("unfinished" if item in open_ends else "leftover", item, folder, open_ends.get(item, item.name))


def _litter(folder: Path) -> Iterator[Garbage]:
    for item in folder.glob(f"{LEDGER}.damaged-*"):
        yield _of("damaged", item, folder, item.name)
    for item in folder.rglob(".*.tmp"):
        if item.relative_to(folder).parts[0] not in (WORK, BACKUPS):
            yield _of("leftover", item, folder, item.name)


def _of(kind: Kind, place: Path, folder: Path, name: str) -> Garbage:
    return Garbage(kind=kind, name=name, path=place.relative_to(folder).as_posix(), bytes=_free_bytes(place))


def _free_bytes(place: Path) -> int:
    files = [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]
    total = 0
    for file in files:
        with suppress(OSError):  # it is gone by now
            status = file.stat()
            total += status.st_size if status.st_nlink == 1 else 0
    return total
