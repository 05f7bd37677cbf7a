"""The rows of a finished step."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..cards.record import StepRecord
from ..errors import DamagedFileError, InvalidArgumentError
from . import folder as folders
from .folder import Found

if TYPE_CHECKING:
    from ..datasets import Rows


def rows_of(path: str | os.PathLike[str], step: str) -> Rows:
    """The rows of a finished step of an output folder, lazily read.

    Raises:
        SourceError: that is no output folder.
        InvalidArgumentError: there is no such step, or it is a trainer.
        DamagedFileError: its record or a file of it is damaged.
    """
    return open_rows(folders.find(folders.output_folder(path), step))


def open_rows(one: Found) -> Rows:
    """The rows of a result that was found. Raises as `rows_of`."""
    from ..datasets import DatasetInfo, open_dataset

    if one.record is None:
        raise DamagedFileError(one.problem or f"The record of '{one.name}' is damaged.")
    if not isinstance(one.record, StepRecord):
        raise InvalidArgumentError(f"'{one.name}' is a trainer: its result is a model, which has no rows.")
    try:
        info = msgspec.convert(one.record.dataset, DatasetInfo)
    except msgspec.ValidationError as error:
        raise DamagedFileError(f"The record of '{one.name}' does not describe a dataset: {error}.") from error
    return open_dataset(Path(one.folder) / "_dataset", info)
