"""Lost rows as rows: what went in, and why it did not come out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..datasets import OutputDataset, Rows
from ..steps.fingerprint import fingerprints

if TYPE_CHECKING:
    from ..ledger import Loss
    from ..steps.step import Step

_ABOUT = pa.schema(
    [
        ("row", pa.int64()),
        ("reason", pa.string()),
        ("message", pa.string()),
        ("attempts", pa.int64()),
        ("input_tokens", pa.int64()),
        ("output_tokens", pa.int64()),
        ("request_key", pa.string()),
    ]
)
_COUNTS = ("attempts", "input_tokens", "output_tokens")


def lost_rows(step: Step, ledger: Any) -> OutputDataset:
    """The lost rows of a step that ran in this session; see `Step.lost_rows`."""
    losses = list(ledger.losses(fingerprints(step).key)) if step.keeps != "view" else []
    known = step._declaration.inputs
    inputs = {name: value for name, value in step._inputs.items() if known[name].role == "input"}
    return OutputDataset(step, lost_table(losses, {} if step.one_after_the_other else inputs))


def lost_table(losses: Iterable[Loss], inputs: Mapping[str, Any]) -> Rows:
    """One row for each loss, by position.

    Args:
        losses: of one step.
        inputs: name to what it reads: `Rows` of one column, a column of a dataset, or a lazy column.
    """
    found = sorted(losses, key=lambda loss: (loss.row is None, loss.row or 0))
    columns: dict[str, Any] = {
        "row": [loss.row for loss in found],
        "reason": [loss.reason for loss in found],
        "message": [loss.message for loss in found],
        **{name: [loss.data.get(name) for loss in found] for name in _COUNTS},
        "request_key": [loss.request_key or None for loss in found],
    }
    arrays = {field.name: pa.array(columns[field.name], field.type) for field in _ABOUT}
    at = [loss.row for loss in found]
    for name, value in inputs.items():
        arrays[f"input_{name}" if name in arrays else name] = _cells(value, at)
    return Rows.from_table(pa.table(arrays))


def _cells(value: Any, at: Sequence[int | None]) -> pa.Array | pa.ChunkedArray:
    """The cells of an input at some positions; null where a loss has none."""
    rows = value if isinstance(value, Rows) else getattr(value, "rows", None)
    wanted = [position for position in at if position is not None]
    if not isinstance(rows, Rows):
        rows = Rows.from_columns({"cell": list(_picked(value, wanted))})
        wanted = list(range(rows.num_rows))
    cells = rows.gather(wanted).column(0)
    missing = len(at) - len(wanted)  # losses without a row come last
    return pa.chunked_array([*cells.chunks, pa.nulls(missing, cells.type)], cells.type) if missing else cells


def _picked(values: Iterable[Any], wanted: Sequence[int]) -> Iterator[Any]:
    """The values at ascending positions of what can only be read from its beginning."""
    positions = iter(wanted)
    next_one = next(positions, None)
    for position, value in enumerate(values):
        while next_one == position:
            yield value
            next_one = next(positions, None)
        if next_one is None:
            return
