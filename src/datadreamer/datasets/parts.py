"""Parts of a dataset on disk: Arrow IPC streams that are written under another name and renamed when whole.

A part counts only once its small JSON sidecar is there; the sidecar is written last. So a killed process leaves whole
parts and litter, never half a part.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pyarrow as pa

from ..errors import DamagedFileError
from . import checksums
from .info import PartInfo
from .mapped import MappedFile


class PartRecord(msgspec.Struct, frozen=True):
    """The sidecar of one part. `position`: input rows accounted for at its end, None when that was not said."""

    part: PartInfo
    position: int | None


class PartFile:
    """A part that is being written."""

    def __init__(self, folder: Path, number: int, schema: pa.Schema) -> None:
        self.path = folder / f"part-{number:05d}.arrow"
        self._temporary = folder / f".part-{number:05d}.arrow.tmp"
        self._file = pa.OSFile(str(self._temporary), "wb")
        self._writer = pa.ipc.new_stream(self._file, schema)
        self.schema = schema
        self.rows = 0
        self.bytes = 0

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)
        self.rows += batch.num_rows
        self.bytes += batch.nbytes

    def commit(self, lineage: pa.Table | None, position: int | None) -> PartRecord:
        """Close, sync and rename; then the sidecar, which makes the part count."""
        self._writer.close()
        self._file.close()
        lineage_path = self.path.with_name(self.path.name.replace("part-", "lineage-"))
        if lineage is not None:
            write_stream(lineage_path, lineage.schema, lineage.to_batches())
        _into_place(self._temporary, self.path)
        info = PartInfo(
            file=self.path.name,
            rows=self.rows,
            bytes=self.path.stat().st_size,
            lineage=lineage_path.name if lineage is not None else None,
            lineage_bytes=lineage_path.stat().st_size if lineage is not None else 0,
            crc=checksums.written(self.path),
            lineage_crc=checksums.written(lineage_path) if lineage is not None else None,
        )
        record = PartRecord(info, position)
        write_record(self.path.parent, record)
        return record

    def abandon(self) -> None:
        for closing in (self._writer, self._file):
            with contextlib.suppress(OSError):  # the disk is full: what ends a stream cannot be written either
                closing.close()
        self._temporary.unlink(missing_ok=True)


def write_stream(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """A whole Arrow stream file, renamed into place."""
    temporary = path.with_name(f".{path.name}.tmp")
    with pa.OSFile(str(temporary), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    _into_place(temporary, path)


def write_record(folder: Path, record: PartRecord) -> None:
    path = folder / Path(record.part.file).with_suffix(".json")
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(msgspec.json.encode(record))
    _into_place(temporary, path)
    sync_folder(folder)


def _into_place(temporary: Path, path: Path) -> None:
    descriptor = os.open(temporary, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` survive a power cut, where the system can (not on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_records(folder: Path) -> list[PartRecord]:
    """The parts that count, in order; stops at the first gap."""
    records: list[PartRecord] = []
    while (path := folder / f"part-{len(records):05d}.json").exists():
        try:
            record = msgspec.json.decode(path.read_bytes(), type=PartRecord)
            check_part(folder, record.part)
            checksums.check_bytes(folder, record.part)
        except (msgspec.DecodeError, json.JSONDecodeError, DamagedFileError):
            break  # what follows a damaged part is made again
        records.append(record)
    return records


def remove_parts(folder: Path, keep: int = 0) -> None:
    """Delete everything a writer made in `folder`, except its first `keep` parts."""
    for path in folder.iterdir():
        name = path.name.removeprefix(".")
        if not name.startswith(("part-", "lineage-")):
            continue
        number = name.split("-", 1)[1].split(".", 1)[0]
        if path.name.startswith(".") or not number.isdigit() or int(number) >= keep:
            path.unlink()


def check_part(folder: Path, part: PartInfo) -> None:
    """Raises DamagedFileError when a file of the part is missing or has another size."""
    for name, size in ((part.file, part.bytes), (part.lineage, part.lineage_bytes)):
        if name is None:
            continue
        path = folder / name
        try:
            found = path.stat().st_size
        except FileNotFoundError:
            raise DamagedFileError(f"{path} is missing. {_CURE}") from None
        if found != size:
            raise DamagedFileError(f"{path} has {found:,} bytes, and its manifest says {size:,}. {_CURE}")


_CURE = "Restore it from a copy, or run the step again with force=True."


def read_stream(path: Path, maps: list[MappedFile] | None = None) -> pa.Table:
    """A stream file, memory-mapped: no cell is read before it is used.

    Args:
        path: the file.
        maps: gets the map: as long as it is held, pages can be given back (see `mapped`).
    """
    try:
        file = MappedFile(path)
        if maps is not None:
            maps.append(file)
        return pa.ipc.open_stream(file.buffer).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error) from None


def stream_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The batches of a stream file one after the other; only one is in memory."""
    try:
        with pa.OSFile(str(path)) as file:
            yield from pa.ipc.open_stream(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> DamagedFileError:
    return DamagedFileError(f"{path} cannot be read as an Arrow stream: {error}. {_CURE}")
