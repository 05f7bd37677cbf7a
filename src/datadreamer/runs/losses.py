"""Rows that went into a step and did not come out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from ..cards.record import InputUse, StepRecord
from ..errors import InvalidArgumentError, nearest
from ..ledger.records import StepEvent
from . import folder as folders
from .owner import owner_of
from .rows import open_rows
from .unfinished import unfinished

if TYPE_CHECKING:
    from ..datasets import Rows


class LostRow(Struct, kw_only=True):
    """One of them. `row` is its position in the step's input."""

    step: str
    row: int | None
    reason: str  # a short word to count by
    message: str
    attempts: int | None = None
    input_tokens: int | None = None  # paid for it
    output_tokens: int | None = None
    request_key: str | None = None  # "ddr1:…" of the call that lost it


def lost_rows(path: str | os.PathLike[str], step: str | None = None) -> list[LostRow]:
    """The lost rows of one step, or of all steps as they stand now (not of results that were replaced since).

    Raises:
        SourceError: that is no output folder.
        InvalidArgumentError: there is no such step.
    """
    folder = folders.output_folder(path)
    with folders.reading_ledger(folder) as ledger:
        if ledger is None:
            keys: dict[str, str] = {}
        else:
            keys = _names_by_key(folder, list(ledger.steps()))
        if step is not None:
            keys = {key: name for key, name in keys.items() if name == step} or _named(folder, step, keys)
        if ledger is None:
            return []
        return [
            LostRow(
                step=name,
                row=loss.row,
                reason=loss.reason,
                message=loss.message,
                attempts=loss.data.get("attempts"),
                input_tokens=loss.data.get("input_tokens"),
                output_tokens=loss.data.get("output_tokens"),
                request_key=loss.request_key or None,
            )
            for key, name in keys.items()
            for loss in ledger.losses(key)
        ]


def lost_dataset(path: str | os.PathLike[str], step: str) -> Rows:
    """The lost rows of a finished step as rows, with the cells of its inputs as far as a stored step still has them.

    Columns as of `Step.lost_rows`.

    Raises:
        SourceError: that is no output folder.
        InvalidArgumentError: there is no such step, or it is a trainer.
        DamagedFileError: the record of the step cannot be read.
    """
    from ..engine.lost import lost_table

    folder = folders.output_folder(path)
    record = folders.find(folder, step).record
    if not isinstance(record, StepRecord):
        raise InvalidArgumentError(f"'{step}' is a trainer, or its record is damaged: it has no lost rows to show.")
    with folders.reading_ledger(folder) as ledger:
        losses = list(ledger.losses(record.key)) if ledger is not None else []
    inputs = {use.name: rows for use in record.inputs if (rows := _input(folder, use)) is not None}
    return lost_table(losses, inputs)


def _input(folder: Path, use: InputUse) -> Rows | None:
    """The column that an input was, if a stored step has it as it was."""
    one = next((one for one in folders.found(folder) if one.name == use.step), None)
    if one is None or use.column is None or not isinstance(one.record, StepRecord):
        return None
    rows = open_rows(one)
    if use.column not in rows.column_names:
        return None
    column = rows.select_columns(use.column)
    return column if column.column_digest(use.column) == use.digest else None


def _names_by_key(folder: Path, events: list[StepEvent]) -> dict[str, str]:
    keys = {one.record.key: one.name for one in folders.found(folder) if one.record is not None}
    for work in unfinished(events, set(keys), owner_of(folder)):
        keys[work.key] = work.name
    return keys


def _named(folder: Path, step: str, keys: dict[str, str]) -> dict[str, str]:
    known = set(keys.values())
    same = {key: name for key, name in keys.items() if name.casefold() == step.casefold()}
    if same:
        return same
    if step in known:
        return {}
    found = next((one for one in folders.found(folder) if one.label == step), None)
    if found is not None and found.record is not None:
        return {found.record.key: found.name}
    raise InvalidArgumentError(f"There is no step '{step}' in '{folder}'. {nearest(step, known)}")
