"""Rows as token ids, in an Arrow file that the training reads through the page cache: memory does not grow with rows.

Encoding happens once, before training, so that a row that does not fit is reported before anything expensive; a
resumed training finds the file and goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

ROWS_PER_BATCH = 256

Encoder = Callable[[dict[str, list[Any]], int], list[dict[str, Any]]]


class EncodedRows:
    """A map-style dataset for PyTorch over an encoded Arrow file: row → dict of lists."""

    def __init__(self, path: Path) -> None:
        self.table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        self.counts: dict[str, int] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {name: self.table.column(name)[int(index)].as_py() for name in self.table.column_names}


def encode_split(source: Path, target: Path, schema: pa.Schema, encode: Encoder, counts: dict[str, int]) -> EncodedRows:
    """Encode the rows of `source` into `target`, unless that is done already.

    Args:
        source: Arrow IPC file of the rows as they were given.
        target: Arrow IPC file to make; it appears only when it is whole.
        schema: of the encoded rows.
        encode: takes a batch as a dict of lists and the number of its first row; returns one dict for each row.
        counts: what `encode` counts (for example truncated rows), kept beside the file with the number of tokens.
    """
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_suffix(".draft")
        with pa.ipc.new_file(str(draft), schema) as writer:
            for batch in _encoded(source, schema, encode, counts):
                writer.write_batch(batch)
        target.with_suffix(".json").write_text(json.dumps(counts), encoding="utf-8")
        draft.replace(target)
    return EncodedRows(target)


def _encoded(source: Path, schema: pa.Schema, encode: Encoder, counts: dict[str, int]) -> Iterator[pa.RecordBatch]:
    table = pa.ipc.open_file(pa.memory_map(str(source))).read_all()
    for start in range(0, table.num_rows, ROWS_PER_BATCH):
        rows = encode(table.slice(start, ROWS_PER_BATCH).to_pydict(), start)
        tokens = sum(len(ids) for row in rows for name, ids in row.items() if name.endswith("input_ids"))
        counts["tokens"] = counts.get("tokens", 0) + tokens
        yield pa.RecordBatch.from_pylist(rows, schema=schema)
