"""Rows that went into a step and did not come out."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from ..errors import InvalidArgumentError, nearest
from ..ledger.records import StepEvent
from . import folder as folders
from .owner import owner_of
from .unfinished import unfinished


class LostRow(Struct, kw_only=True):
    """One of them. `row` is its position in the step's input."""

    step: str
    row: int | None
    reason: str  # a short word to count by
    message: str
    attempts: int | None = None
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
                request_key=loss.request_key or None,
            )
            for key, name in keys.items()
            for loss in ledger.losses(key)
        ]


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
