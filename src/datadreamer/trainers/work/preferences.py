"""Rows of a prompt, a chosen and a rejected answer, as token ids; and batches of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from ..job import TrainingJob
from . import chat
from .encoding import EncodedRows, encode_split
from .events import Emit, log
from .finetune import encode_turns

SIDES = ("chosen", "rejected")
_IDS = pa.list_(pa.int32())
SCHEMA = pa.schema([(f"{side}_{part}", _IDS) for side in SIDES for part in ("input_ids", "labels")])


class PreferenceRows(EncodedRows):
    """Encoded pairs; with what the reference model thinks of each, once that is known."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path
        self.reference: Any = None  # float32 array of shape (rows, 2): log-probability of chosen and rejected

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = super().__getitem__(index)
        if self.reference is not None:
            row["reference"] = self.reference[int(index)].tolist()
        return row


def encode_preferences(
    job: TrainingJob, split: str, turns: chat.TurnEncoder, seq2seq: bool, emit: Emit
) -> PreferenceRows:
    """The rows of a split, each answer encoded behind its prompt as fine-tuning encodes an output."""
    counts = {"truncated": 0}

    def both(batch: dict[str, list[Any]], first: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = [{} for _ in batch["prompts"]]
        for side in SIDES:
            for row, encoded in zip(
                rows, encode_turns(turns, batch["prompts"], batch[side], first, seq2seq), strict=True
            ):
                row.update({f"{side}_{part}": ids for part, ids in encoded.items()})
        counts["truncated"] = turns.cut
        return rows

    encode_split(job.data / f"{split}.arrow", job.encoded / f"{split}.arrow", SCHEMA, both, counts)
    rows = PreferenceRows(job.encoded / f"{split}.arrow")
    if cut := rows.counts["truncated"]:
        message = f"{cut} answers of {len(rows)} {split} rows are longer than {turns.max_length} tokens and were cut."
        log(emit, message, "warning")
    return rows


class PairCollator:
    """A batch of n pairs as 2 n padded rows: all chosen ones, then all rejected ones."""

    def __init__(self, pad: Any) -> None:
        self.pad = pad  # a collator of rows with `input_ids` and `labels`

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        import torch

        sides = [{part: row[f"{side}_{part}"] for part in ("input_ids", "labels")} for side in SIDES for row in rows]
        batch = dict(self.pad(sides))
        if "reference" in rows[0]:
            batch["reference"] = torch.tensor([row["reference"] for row in rows], dtype=torch.float32)
        return batch
