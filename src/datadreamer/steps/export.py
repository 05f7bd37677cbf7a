"""A step's rows for other programs: Python values, files, folders for `datasets.load_from_disk`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from .. import _context
from ..datasets import (
    Rows,
    export_csv,
    export_hf_dataset,
    export_json,
    export_parquet,
    split_indices,
    split_paths,
)
from ..errors import InvalidArgumentError, nearest
from .operations.base import stored_rows
from .step import Step

logger = logging.getLogger("datadreamer.step")

_SIZES = ("train_size", "validation_size", "test_size", "stratify_by_column")
_WRITERS: dict[str, Any] = {"csv": export_csv, "json": export_json, "parquet": export_parquet}
_IGNORED = ("writer_batch_size", "save_num_proc", "save_num_shards")  # accepted; how rows are written is our own affair


def export_to_dict(step: Step, **splits: Any) -> dict[str, Any]:
    """The rows as a dict of lists; with split sizes, split name to that."""
    return _each(step, splits, lambda rows: {name: list(rows.values(name)) for name in rows.column_names})


def export_to_list(step: Step, **splits: Any) -> Any:
    """The rows as a list of dicts; with split sizes, split name to that."""
    return _each(step, splits, lambda rows: list(rows.iterate()))


def export_to_file(step: Step, kind: str, path: str, **options: Any) -> Any:
    """Write one file, or one for each split; gives the path, or split name to path."""
    writer, sizes = _WRITERS[kind], _take_sizes(options)
    parts = _parts(step, sizes)
    if parts is None:
        return str(writer(_rows(step), path, **options))
    paths = split_paths(path, parts)
    return {name: str(writer(rows, paths[name], **options)) for name, rows in parts.items()}


def export_to_hf_dataset(step: Step, path: str, **options: Any) -> Any:
    """Write a dataset folder with the step's card in it; gives the dataset (or its splits), opened from there."""
    shards = options.pop("save_num_shards", None)
    sizes = _take_sizes(options)
    _refuse(options)
    parts = _parts(step, sizes)
    folder = export_hf_dataset(_rows(step) if parts is None else parts, path, num_shards=shards)
    write_card(step, folder)
    from datasets import load_from_disk

    return load_from_disk(str(folder))


def write_card(step: Step, folder: Path, **facts: Any) -> None:
    """The step's card and record beside exported rows, where the session knows the step."""
    session = _context.session()
    if session is None or not session.write_card(step, folder, **facts):
        logger.warning(
            "'%s' goes to %s without a card, which only the session that made it can write: export inside it.",
            step.name,
            folder,
        )


def split_rows(step: Step, options: dict[str, Any]) -> dict[str, Rows]:
    """Take the split sizes out of `options`; split name to rows, everything as `train` when no size was given."""
    parts = _parts(step, _take_sizes(options))
    return {"train": _rows(step)} if parts is None else parts


def _each(step: Step, splits: dict[str, Any], convert: Any) -> Any:
    sizes = _take_sizes(splits)
    _refuse(splits)
    parts = _parts(step, sizes)
    return convert(_rows(step)) if parts is None else {name: convert(rows) for name, rows in parts.items()}


def _refuse(options: dict[str, Any]) -> None:
    for name in options:
        raise InvalidArgumentError(f"An export has no argument '{name}'. {nearest(name, (*_SIZES, *_IGNORED))}")


def _take_sizes(options: dict[str, Any]) -> dict[str, Any]:
    for name in _IGNORED:
        options.pop(name, None)
    return {name: options.pop(name, None) for name in _SIZES}


def _parts(step: Step, sizes: dict[str, Any]) -> dict[str, Rows] | None:
    if all(sizes[name] is None for name in _SIZES[:3]):
        return None
    rows = _rows(step)
    return {name: rows.select(indices) for name, indices in split_indices(rows, **sizes).items()}


def _rows(step: Step) -> Rows:
    output = step.output
    return stored_rows(output)
