"""The columns a trainer learns from: checked, and written as one Arrow file for each split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgumentError, InvalidTypeError

if TYPE_CHECKING:
    from .plan import TrainingPlan

BATCH_ROWS = 1_000

Clean = Callable[[Any], Any]  # from a record batch to one of the same schema and length


# --- what cells may be ------------------------------------------------------------------------------------------------


def _is_text(kind: Any) -> bool:
    import pyarrow.types as pt

    return bool(pt.is_string(kind) or pt.is_large_string(kind))


def _is_conversation(kind: Any) -> bool:
    import pyarrow.types as pt

    if not (pt.is_list(kind) or pt.is_large_list(kind)):
        return _is_text(kind)
    message = kind.value_type
    return bool(pt.is_struct(message) and {"role", "content"} <= {field.name for field in message})


def _is_scalar_label(kind: Any) -> bool:
    import pyarrow.types as pt

    return bool(_is_text(kind) or pt.is_integer(kind) or pt.is_boolean(kind))


def _is_label(kind: Any) -> bool:
    import pyarrow.types as pt

    nested = pt.is_list(kind) or pt.is_large_list(kind)
    return _is_scalar_label(kind.value_type if nested else kind)


def _is_score(kind: Any) -> bool:
    import pyarrow.types as pt

    return bool(pt.is_floating(kind) or pt.is_integer(kind))


CELLS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "text": (_is_text, "text"),
    "conversation": (_is_conversation, "text, or a list of messages with role and content"),
    "score": (_is_score, "a number"),
    "label": (_is_label, "a text, a whole number, True or False, or a list of those"),
}


# --- checks -----------------------------------------------------------------------------------------------------------


def check_columns(who: str, columns: Mapping[str, Any], cells: Mapping[str, str]) -> dict[str, Any]:
    """The columns that were given, all checked as far as that is possible without making lazy rows.

    Args:
        who: the trainer, as the subject of errors.
        columns: argument name (`"train_input"`, `"validation_input"`, …) to a dataset column, or None.
        cells: argument name to what its cells are, a key of `CELLS`.

    Raises:
        InvalidTypeError: an argument is no column, or holds something else.
        InvalidArgumentError: one is missing or empty, or lengths of a split differ.
    """
    for name, column in columns.items():
        _check_is_column(who, name, column)
    given = {name: column for name, column in columns.items() if column is not None}
    for split in ("train", "validation"):
        _check_split(who, split, columns, given)
    for name, column in given.items():
        _check_cells(who, name, column, cells[name])
    return given


def _check_is_column(who: str, name: str, column: Any) -> None:
    from ..datasets import OutputDataset, OutputDatasetColumn, OutputIterableDataset, OutputIterableDatasetColumn

    if column is None or isinstance(column, OutputDatasetColumn | OutputIterableDatasetColumn):
        return
    cure = 'Give a column of a step, for example step.output["prompts"].'
    if isinstance(column, OutputDataset | OutputIterableDataset):
        first = column.column_names[0] if column.column_names else "…"
        cure = f'That is all columns; give one of them, for example step.output["{first}"].'
    raise InvalidTypeError(f"{who}: {name} is a {type(column).__name__}, not a dataset column. {cure}")


def _check_split(who: str, split: str, columns: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    names = [name for name in columns if name.startswith(f"{split}_")]
    missing = [name for name in names if name not in given]
    if missing and (split == "train" or len(missing) < len(names)):
        raise InvalidArgumentError(f"{who}: {missing[0]} is missing. Give a column of a step for it.")
    lengths = {name: given[name].num_rows for name in names if name in given}
    empty = next((name for name, rows in lengths.items() if rows == 0), None)
    if empty is not None:
        raise InvalidArgumentError(f"{who}: {empty} has no rows, so there is nothing to {_use(split)}.")
    known = {name: rows for name, rows in lengths.items() if rows is not None}
    if len(set(known.values())) > 1:
        shown = ", ".join(f"{name} has {rows:,}" for name, rows in known.items())
        raise InvalidArgumentError(f"{who}: the columns of one split need the same number of rows, and {shown}.")


def _use(split: str) -> str:
    return "train on" if split == "train" else "validate with"


def _check_cells(who: str, name: str, column: Any, cell: str) -> None:
    schema = getattr(column, "schema", None)
    if schema is not None:
        check_type(f"{who}: {name}", schema.field(0).type, cell)


def check_type(what: str, kind: Any, cell: str) -> None:
    """Raise InvalidTypeError when cells of the Arrow type `kind` are not what `CELLS[cell]` says."""
    holds, meaning = CELLS[cell]
    if not holds(kind):
        raise InvalidTypeError(
            f"{what} holds {kind}, but each cell should be {meaning}. Convert the column with .map()."
        )


# --- writing ----------------------------------------------------------------------------------------------------------


def write_columns(plan: TrainingPlan, folder: Path, clean: Clean | None = None) -> None:
    """Write `<split>.arrow` below `folder` for each split of the plan; what is there already is whole and stays.

    `train_input` and `train_output` become the columns `input` and `output` of `train.arrow`, and so on.

    Raises:
        InvalidArgumentError: lengths differ, there are no rows, or a cell is empty (None).
    """
    folder.mkdir(parents=True, exist_ok=True)
    for split in dict.fromkeys(name.partition("_")[0] for name in plan.columns):
        target = folder / f"{split}.arrow"
        if target.exists():
            continue
        columns = {name: column for name, column in plan.columns.items() if name.startswith(f"{split}_")}
        draft = target.with_suffix(".draft")
        _write_split(draft, columns, plan.cells, len(split) + 1, clean)
        draft.replace(target)


def _write_split(
    path: Path, columns: Mapping[str, Any], cells: Mapping[str, str], prefix: int, clean: Clean | None
) -> None:
    import pyarrow as pa

    streams = {name: arrays(column) for name, column in columns.items()}
    writer, rows = None, 0
    try:
        while True:
            chunks = {name: next(stream, None) for name, stream in streams.items()}
            lengths = {name: 0 if chunk is None else len(chunk) for name, chunk in chunks.items()}
            if len(set(lengths.values())) > 1:
                shown = ", ".join(f"{name} has {rows + length:,}" for name, length in lengths.items())
                raise InvalidArgumentError(
                    f"The columns of one split need the same number of rows, and {shown} or more."
                )
            if not any(lengths.values()):
                break
            for name, chunk in chunks.items():
                _check_chunk(name, chunk, cells[name], rows)
            batch = pa.RecordBatch.from_arrays(list(chunks.values()), [name[prefix:] for name in chunks])
            batch = batch if clean is None else clean(batch)
            writer = writer or pa.ipc.new_file(str(path), batch.schema)
            writer.write_batch(batch)
            rows += batch.num_rows
    finally:
        if writer is not None:
            writer.close()
    if rows == 0:
        raise InvalidArgumentError(f"{next(iter(columns))} has no rows, so there is nothing to train on.")


def _check_chunk(name: str, chunk: Any, cell: str, start: int) -> None:
    import pyarrow.compute as pc

    check_type(name, chunk.type, cell)
    if chunk.null_count:
        row = start + pc.index(chunk.is_null(), True).as_py()
        raise InvalidArgumentError(f"Row {row} of {name} is empty (None). Filter such rows out before training.")


def arrays(column: Any) -> Iterator[Any]:
    """The cells of a column as Arrow arrays of `BATCH_ROWS` rows (the last is shorter)."""
    import pyarrow as pa

    from ..datasets import OutputDatasetColumn

    if isinstance(column, OutputDatasetColumn):
        yield from (batch.column(0) for batch in column.rows.batches(BATCH_ROWS))
        return
    cells, kind = iter(column), None
    while batch := list(islice(cells, BATCH_ROWS)):
        try:
            array = pa.array(batch, type=kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise InvalidTypeError(f"Column '{column.name}' holds cells of different types: {error}.") from error
        kind = array.type
        yield array
