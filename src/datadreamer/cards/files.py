"""Records as files: encoded, checked, written whole; read, checked, refused when damaged or from a newer version."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ..errors import DamagedFileError, NewerVersionError
from .record import RECORD_VERSION, RunRecord, StepRecord, TrainerRecord
from .sealing import is_whole

RUN_FILE = "datadreamer.json"
STEP_FILE = "step.json"
TRAINER_FILE = "trainer.json"

AnyRecord = TypeVar("AnyRecord", StepRecord, TrainerRecord, RunRecord)


def encode_record(record: StepRecord | TrainerRecord | RunRecord) -> bytes:
    """The record as indented JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"


def write_record(path: str | Path, record: StepRecord | TrainerRecord | RunRecord) -> None:
    """Write a record whole, or not at all. A `RunRecord` is checked against the shipped JSON Schema first.

    Raises:
        DamagedFileError: the record does not match the schema: nothing is written.
    """
    from ..ledger import atomic_write

    data = encode_record(record)
    if isinstance(record, RunRecord):
        _validate(msgspec.json.decode(data), path)
    atomic_write(path, data)


def read_run(path: str | Path) -> RunRecord:
    """Read a `datadreamer.json`, given the file or the folder it is in.

    Raises:
        DamagedFileError: it is missing, is not JSON, or does not match the schema.
        NewerVersionError: a newer version of this library wrote it.
    """
    path = Path(path)
    return _read(path / RUN_FILE if path.is_dir() else path, RunRecord)


def read_step(path: str | Path) -> StepRecord:
    """Read a `step.json`, given the file or the folder it is in. Raises as `read_run`."""
    path = Path(path)
    return _read(path / STEP_FILE if path.is_dir() else path, StepRecord)


def read_trainer(path: str | Path) -> TrainerRecord:
    """Read a `trainer.json`, given the file or the folder it is in. Raises as `read_run`."""
    path = Path(path)
    return _read(path / TRAINER_FILE if path.is_dir() else path, TrainerRecord)


def _read(path: Path, kind: type[AnyRecord]) -> AnyRecord:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DamagedFileError(
            f"The record '{path}' cannot be read: {error.strerror}. Run the workflow again to make it."
        ) from error
    return decode_record(data, kind, path)


def decode_record(data: bytes, kind: type[AnyRecord], path: str | Path = "(bytes)") -> AnyRecord:
    """The record in `data`, checked as `read_run` says; `path` is for messages."""
    _refuse_newer(data, kind, path)
    try:
        if kind is RunRecord:
            _validate(msgspec.json.decode(data), path)
        elif not is_whole(data):
            raise msgspec.DecodeError("its checksum is another, so something in it was changed")
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # also msgspec.ValidationError
        raise DamagedFileError(
            f"'{path}' is not a {kind.__name__}: {error}. Restore it from a backup, or delete it and run the workflow "
            "again: finished steps are found by their own records."
        ) from error


class _Version(msgspec.Struct):
    format_version: Any = None
    record_version: Any = None


def _refuse_newer(data: bytes, kind: type[Any], path: str | Path) -> None:
    try:
        found = msgspec.json.decode(data, type=_Version)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return  # the full reading says what is wrong with it
    version = found.format_version if kind is RunRecord else found.record_version
    if isinstance(version, int) and version > RECORD_VERSION:
        raise NewerVersionError(
            f"'{path}' has version {version} of the record; this library reads up to version {RECORD_VERSION}. "
            "Upgrade it with: pip install --upgrade datadreamer"
        )


def _validate(document: Any, path: str | Path) -> None:
    from .schema import first_error

    wrong = first_error(document)
    if wrong is not None:
        raise DamagedFileError(f"'{path}' does not match the schema of {RUN_FILE} at {wrong}")
