"""A folder that `datasets.load_from_disk` opens: a `Dataset`, or a `DatasetDict` when there are splits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..convert import cast
from ..features import hf_features
from ..rows import Rows
from .target import writing_folder

SHARD_BYTES = 500 << 20


def export_hf_dataset(rows: Rows | Mapping[str, Rows], path: str | Path, *, num_shards: int | None = None) -> Path:
    """Write a dataset folder for Hugging Face `datasets`.

    Args:
        rows: the rows, or split name to rows.
        path: the folder; an earlier dataset folder there is replaced.
        num_shards: number of files (of each split), by default one per 500 MB.

    Returns:
        The path written.
    """
    with writing_folder(path) as folder:
        if isinstance(rows, Mapping):
            for name, part in rows.items():
                (folder / name).mkdir()
                _write(part, folder / name, num_shards, name)
            _dump(folder / "dataset_dict.json", {"splits": list(rows)})
        else:
            _write(rows, folder, num_shards, None)
    return Path(path)


def _write(rows: Rows, folder: Path, num_shards: int | None, split: str | None) -> None:
    import datasets

    features = hf_features(rows.schema)
    schema = features.arrow_schema
    shards = _even_shards(rows, num_shards) if num_shards else _shards_by_size(rows)
    count = sum(_write_shard(folder / f"{number}.arrow", shard, schema) for number, shard in enumerate(shards))
    names = [f"data-{number:05d}-of-{count:05d}.arrow" for number in range(count)]
    for number, name in enumerate(names):
        (folder / f"{number}.arrow").rename(folder / name)
    datasets.DatasetInfo(features=features).write_to_directory(str(folder))
    state: dict[str, Any] = {
        "_data_files": [{"filename": name} for name in names],
        "_fingerprint": rows.digest().split(":")[1][:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": split,
    }
    _dump(folder / "state.json", state)


def _even_shards(rows: Rows, num_shards: int) -> Iterator[Iterator[pa.RecordBatch]]:
    for index in range(num_shards):
        yield rows.shard(num_shards, index, contiguous=True).batches()


def _shards_by_size(rows: Rows) -> Iterator[Iterator[pa.RecordBatch]]:
    """One shard at least; a new one whenever the last has its 500 MB."""
    batches = rows.batches()
    ended = False

    def one_shard() -> Iterator[pa.RecordBatch]:
        nonlocal ended
        size = 0
        for batch in batches:
            yield batch
            size += batch.nbytes
            if size >= SHARD_BYTES:
                return
        ended = True

    while not ended:
        yield one_shard()


def _write_shard(path: Path, batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> int:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        for batch in batches:
            arrays = [cast(array, field.type) for array, field in zip(batch.columns, schema, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
    return 1


def _dump(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True))
