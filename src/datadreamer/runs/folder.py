"""An output folder and the results in it, read from their records."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..cards.files import RUN_FILE, STEP_FILE, TRAINER_FILE, read_step, read_trainer
from ..cards.record import RunRecord, StepRecord, TrainerRecord
from ..engine.store import BACKUPS, WORK
from ..errors import DataDreamerError, InvalidArgumentError, SourceError, nearest

if TYPE_CHECKING:
    from ..ledger import Ledger

LEDGER = "ledger.sqlite"


class Found(msgspec.Struct, kw_only=True):
    """A result on disk. `record` is None when its file is damaged; `problem` says how."""

    name: str
    label: str  # its folder, relative to the output folder
    folder: str
    record: StepRecord | TrainerRecord | None = None
    problem: str | None = None

    @property
    def is_trainer(self) -> bool:
        """Whether it is a trained model; a damaged record is told by its file."""
        if self.record is None:
            return (Path(self.folder) / TRAINER_FILE).exists()
        return isinstance(self.record, TrainerRecord)


def output_folder(path: str | os.PathLike[str]) -> Path:
    """The path of an existing output folder; an empty folder counts as one in which nothing ran yet.

    Raises:
        SourceError: there is no such folder, or what is in it is nothing that a session wrote.
        InvalidArgumentError: it is a file.
    """
    folder = Path(path)
    if not folder.exists():
        raise SourceError(f"There is no folder '{folder}'. Give the path that the script passes to DataDreamer(...).")
    if not folder.is_dir():
        raise InvalidArgumentError(f"'{folder}' is a file. Give the output folder of a session.")
    if any((folder / name).exists() for name in (LEDGER, RUN_FILE, WORK)) and not _is_result(folder):
        return folder
    above = next((parent for parent in folder.absolute().parents if (parent / LEDGER).exists()), None)
    if above is not None:
        raise SourceError(f"'{folder}' lies inside the output folder '{above}'. Give that one.")
    if _is_result(folder) or any(True for _ in folder.iterdir()):
        raise SourceError(
            f"'{folder}' is not an output folder: there is no {LEDGER} in it. Give the path that the script passes to "
            "DataDreamer(...)."
        )
    return folder


def _is_result(folder: Path) -> bool:
    return any((folder / name).exists() for name in (STEP_FILE, TRAINER_FILE))


def run_record(folder: Path) -> RunRecord | None:
    """What the last session that ended wrote down; None when none did, or it cannot be read."""
    try:
        return msgspec.json.decode((folder / RUN_FILE).read_bytes(), type=RunRecord)
    except (OSError, msgspec.DecodeError):
        return None


def records_of(run: RunRecord | None) -> list[StepRecord | TrainerRecord]:
    """The steps and trainers of a record."""
    return [] if run is None else [*run.steps, *run.trainers]


@contextmanager
def reading_ledger(folder: Path) -> Iterator[Ledger | None]:
    """The ledger, for reading, also while another process writes to it; None where there is none yet."""
    from ..ledger import Ledger

    if not (folder / LEDGER).is_file():
        yield None
        return
    with Ledger.open(folder / LEDGER, readonly=True) as ledger:
        yield ledger


def found(folder: Path) -> list[Found]:
    """Every result in its place, in the order of the last run, then the others; neither unfinished ones nor backups."""
    run = run_record(folder)
    names = {record.label: record.name for record in records_of(run) if record.label}
    order = list(names)
    results = []
    for file in (STEP_FILE, TRAINER_FILE):
        for path in folder.rglob(file):
            label = path.parent.relative_to(folder).as_posix()
            if label.split("/")[0] not in (WORK, BACKUPS, "."):
                results.append(_read(path, label, names.get(label)))

    def place(one: Found) -> tuple[int, float, str]:
        known = order.index(one.label) if one.label in names else len(order)
        return known, (one.record.started if one.record else None) or 0.0, one.label

    return sorted(results, key=place)


def _read(path: Path, label: str, name: str | None) -> Found:
    folder = str(path.parent)
    try:
        record = read_step(path) if path.name == STEP_FILE else read_trainer(path)
    except DataDreamerError as problem:
        return Found(name=name or label, label=label, folder=folder, problem=str(problem))
    return Found(name=name or record.name, label=label, folder=folder, record=record)


def backups(folder: Path, label: str) -> list[Found]:
    """Replaced results of one label whose records can be read, oldest first."""
    made = []
    for file in (STEP_FILE, TRAINER_FILE):
        for path in (folder / BACKUPS / label).glob(f"*/{file}"):
            one = _read(path, label, None)
            if one.record is not None:
                made.append(one)
    return sorted(made, key=lambda one: (one.record.ended if one.record else None) or 0.0)


def find(folder: Path, name: str) -> Found:
    """The result of this name, or in the folder of this name; letter case does not count where that leaves one.

    Raises:
        InvalidArgumentError: there is none; names the nearest.
    """
    results = found(folder)
    for same in (
        lambda one: name in (one.name, one.label),
        lambda one: name.strip("/").casefold() in (one.name.casefold(), one.label.casefold()),
    ):
        matching = [one for one in results if same(one)]
        if len(matching) == 1:
            return matching[0]
    run = run_record(folder)
    view = next((step for step in run.steps if step.name == name and not step.label), None) if run else None
    if view is not None:
        raise InvalidArgumentError(
            f"Step '{name}' is a view: it keeps no rows of its own. It shows rows of "
            f"{' and '.join(repr(parent) for parent in view.parents) or 'other steps'}."
        )
    if not results:
        raise InvalidArgumentError(f"There is no step '{name}' in '{folder}': nothing in it is finished yet.")
    raise InvalidArgumentError(f"There is no step '{name}' in '{folder}'. {nearest(name, [r.name for r in results])}")


def size_of(path: Path, below: bool = True) -> int:
    """Bytes of a file, or of all files in a folder; with `below=False` without results inside it."""
    if path.is_file():
        return path.stat().st_size
    total = 0
    for root, folders, files in os.walk(path):
        here = Path(root)
        if not below:
            folders[:] = [name for name in folders if not _is_result(here / name)]
        for name in files:
            with suppress(OSError):  # it was renamed while we looked
                total += (here / name).stat().st_size
    return total
