"""Is what lies in an output folder what was written? Every byte of it is read and compared with its digest."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct

from ..cards.record import StepRecord, TrainerRecord
from ..errors import DamagedFileError, DataDreamerError
from . import folder as folders
from .folder import LEDGER, Found

if TYPE_CHECKING:
    from ..datasets import DatasetInfo

_MEND = "Delete its folder and run the script again: it is made anew, and answers in the ledger are not asked again."


class Check(Struct, kw_only=True):
    """What came of checking one thing. `problem` is None when it is as it was written."""

    name: str
    kind: Literal["ledger", "step", "trainer"]
    label: str = ""  # its folder, relative to the output folder
    bytes: int = 0  # read for this
    problem: str | None = None
    cure: str | None = None


def verify(path: str | os.PathLike[str], steps: Sequence[str] = ()) -> Iterator[Check]:
    """Check the ledger, every dataset and every model in an output folder; or only the named steps and trainers.

    Reads all files once: expect seconds per gigabyte.

    Raises:
        SourceError: that is no output folder.
        InvalidArgumentError: there is no step of a name.
    """
    folder = folders.output_folder(path)
    chosen = [folders.find(folder, name) for name in steps] or folders.found(folder)
    if not steps and (folder / LEDGER).is_file():
        yield _check_ledger(folder / LEDGER)
    for one in chosen:
        yield _check_result(one)


def _check_ledger(path: Path) -> Check:
    from ..ledger import Ledger

    found = Check(name="the ledger", kind="ledger", bytes=path.stat().st_size)
    try:
        with Ledger.open(path, readonly=True) as ledger:
            ledger.check()
    except DataDreamerError as error:
        found.problem = str(error)
        found.cure = f"datadreamer rescue {path.parent}"
    return found


def _check_result(one: Found) -> Check:
    kind: Literal["step", "trainer"] = "trainer" if one.is_trainer else "step"
    found = Check(name=one.name, kind=kind, label=one.label)
    try:
        if one.record is None:
            raise DamagedFileError(one.problem or "Its record cannot be read.")
        if isinstance(one.record, TrainerRecord):
            found.bytes = _check_model(Path(one.folder), one.record)
        else:
            found.bytes = _check_dataset(Path(one.folder) / "_dataset", one.record)
    except DataDreamerError as error:
        found.problem, found.cure = str(error), _MEND
    return found


def _check_model(folder: Path, record: TrainerRecord) -> int:
    from ..ledger import FileDigests

    digest = FileDigests(None).tree(folder / "_model")
    if digest != record.model.digest:
        raise DamagedFileError(
            f"The model files are not those that were trained: their digest is {digest}, and its record says "
            f"{record.model.digest}."
        )
    return folders.size_of(folder / "_model")


def _check_dataset(folder: Path, record: StepRecord) -> int:
    from ..datasets import DatasetInfo, open_dataset
    from ..datasets.lineage import read_lineage

    try:
        info = msgspec.convert(record.dataset, DatasetInfo)
    except msgspec.ValidationError as error:
        raise DamagedFileError(f"Its record does not describe a dataset: {error}.") from error
    open_dataset(folder, info)  # presence and sizes
    _check_cells(folder, info)
    lineage = read_lineage(folder, info.parts)
    if lineage is not None and lineage.num_rows != info.rows:
        raise DamagedFileError(f"Its lineage has {lineage.num_rows:,} rows, and its record says {info.rows:,}.")
    return sum(part.bytes + part.lineage_bytes for part in info.parts)


def _check_cells(folder: Path, info: DatasetInfo) -> None:
    import pyarrow as pa

    from ..datasets.checksums import file_crc
    from ..datasets.digest import ColumnDigest, dataset_digest
    from ..datasets.parts import read_stream

    hashers = {field.name: ColumnDigest(field.type) for field in info.arrow_schema}
    for part in info.parts:
        try:
            table = read_stream(folder / part.file)
            if table.num_rows != part.rows or table.schema.names != list(hashers):
                raise DamagedFileError(f"{part.file} has other rows or columns than its record says.")
            for batch in table.to_batches():
                batch.validate(full=True)  # before anything follows an offset in it
                for name, hasher in hashers.items():
                    hasher.update(batch.column(name))
        except (pa.ArrowException, ValueError, TypeError, OSError, MemoryError) as error:  # all kinds of nonsense
            raise DamagedFileError(f"{part.file} is damaged: {error}.") from error
    for column in info.columns:
        if hashers[column.name].digest() != column.digest:
            raise DamagedFileError(
                f"Column '{column.name}' does not hold what was written: its digest is "
                f"{hashers[column.name].digest()}, and its record says {column.digest}."
            )
    for part in info.parts:
        for name, crc in ((part.file, part.crc), (part.lineage, part.lineage_crc)):
            if name is not None and crc is not None and file_crc(folder / name) != crc:
                raise DamagedFileError(f"{name} does not hold what was written: its checksum is another.")
    if dataset_digest(info.column_digests, info.rows) != info.digest:
        raise DamagedFileError("Its record contradicts itself: the digests of its columns do not give that of all.")
