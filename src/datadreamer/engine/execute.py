"""Running one step: its rows stream into a writer, and every input row is accounted for.

A step with `process()` handles rows one by one: a killed run goes on behind the last part that was written. A step with
`run()` starts again, and finds the answers it had already paid for in the ledger.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from types import UnionType
from typing import Any, Union, get_args, get_origin

from .. import _context, _loop
from ..datasets import DatasetInfo, DatasetWriter
from ..errors import (
    BadRequestError,
    BudgetExceededError,
    DataDreamerError,
    ModelError,
    PermanentModelError,
    StepError,
    StepOutputError,
    TooManyFailuresError,
)
from ..llms.types import Failure
from ..steps.prompting.unparsed import UnparsedError
from ..steps.rows import Chunk, Filtered, Loss, Row, Tally
from ..steps.step import Step
from .kept import KeptPiece, KeptRows
from .rows import Piece, Reader, pieces

# A step none of whose first rows succeed has a mistake in it: stop before the rest is paid for.
HOPELESS_AFTER = 20
WINDOWS = 8


def input_rows(step: Step) -> int | None:
    """How many input rows the step reads; None when that is not known before they were read."""
    if step.one_after_the_other:
        counts = [value.num_rows for value in step._inputs.values()]
        return None if None in counts else sum(counts)
    return next((value.num_rows for value in step._inputs.values()), 0)


def check_lengths(step: Step) -> None:
    """Columns that are read side by side must be equally long.

    Raises:
        StepError: they are not; the message has the lengths.
    """
    counts = {
        name: value.num_rows for name, value in step._inputs.items() if step._declaration.inputs[name].role == "input"
    }
    known = {name: count for name, count in counts.items() if count is not None}
    if len(set(known.values())) > 1:
        shown = ", ".join(f"'{name}' has {count}" for name, count in known.items())
        raise StepError(
            f"Step '{step.name}' reads columns of different lengths: {shown} rows. Take them from one step."
        )


def returned(step: Step) -> Any:
    """Check what `step` reads, and call its `run()`; None for a step with `process()`, whose rows come one by one.

    Raises:
        StepError: its columns are of different lengths.
    """
    check_lengths(step)
    return None if row_by_row(step) else step.run()


def execute(
    step: Step,
    result: Any,
    writer: DatasetWriter,
    record_loss: Callable[[Loss], None],
    report: Callable[[int], None],
    lost_before: dict[str, int],
    kept: KeptRows | None = None,
) -> tuple[DatasetInfo, Tally]:
    """Write what comes out of `step`.

    Args:
        step: bound, with finished inputs.
        result: what `returned()` gave.
        writer: where rows go; it may hold rows of an earlier try.
        record_loss: called for every input row that gives no row for a reason.
        report: called with the number of input rows that are done.
        lost_before: rows that failed in the earlier try, by reason.
        kept: rows of a finished result, whose failed input rows alone are to be tried again.

    Raises:
        StepOutputError: something came out that is not rows.
        TooManyFailuresError: more rows failed than the step's policy allows.
    """
    row_wise = row_by_row(step)
    tally = Tally(consumed=writer.position if row_wise else 0, written=writer.rows, failed=dict(lost_before))
    if tally.consumed:
        tally.filtered = tally.consumed - writer.parents_so_far() - tally.lost
    stream = _rows_of(step, result, tally.consumed, kept)
    policy = _Policy(step, input_rows(step))
    try:
        for piece in stream:
            _take(piece, step, writer, tally, record_loss, row_wise)
            policy.check(tally)
            report(max(tally.consumed, writer.rows if not row_wise else 0))
    except BudgetExceededError as error:  # what there is so far is a result too, though not a finished one
        tally.stopped = error
    finally:
        close = getattr(stream, "close", None)
        if close is not None:
            close()  # cancels what is in flight when the step is interrupted
    if tally.stopped is None:
        policy.check_end(tally)
    if not writer.rows and not step.any_columns:
        writer.append_columns({name: [] for name in step.output_names})  # no rows, but columns all the same
    info = writer.finish()
    tally.written = info.rows
    return info, tally


def goes_on(step: Step, writer: DatasetWriter, lost_before: dict[str, int]) -> bool:
    """Whether a step may go on behind what an earlier try left; not where that had lost too many rows already."""
    tally = Tally(consumed=writer.position, written=writer.rows, failed=dict(lost_before))
    return not _Policy(step, input_rows(step)).broken(tally)


def _rows_of(step: Step, result: Any, start: int, kept: KeptRows | None) -> Iterator[Any]:
    if not row_by_row(step):
        return pieces(step, result)
    return _process_rows(step, start) if kept is None else _retried_rows(step, kept)


def row_by_row(step: Step) -> bool:
    """Whether the step handles rows one at a time, with `process()`."""
    return "process" in dir(type(step)) and type(step).run is Step.run


def _take(
    piece: Piece, step: Step, writer: DatasetWriter, tally: Tally, record_loss: Callable[[Loss], None], row_wise: bool
) -> None:
    if isinstance(piece, Row):
        writer.append(piece.values, parents=piece.parents, calls=piece.calls)
        tally.written += 1
        tally.consumed += 0 if row_wise else 1
    elif isinstance(piece, Chunk):
        writer.append_columns(piece.columns, parents=piece.parents, metadata=piece.metadata)
        tally.written = writer.rows
        tally.consumed += piece.consumed
        tally.filtered += piece.filtered
    elif isinstance(piece, Loss):
        record_loss(piece)
        tally.failed[piece.reason] = tally.failed.get(piece.reason, 0) + 1
        tally.consumed += 0 if row_wise else 1
    elif isinstance(piece, Filtered):
        tally.filtered += piece.rows
        tally.consumed += 0 if row_wise else piece.rows
    elif isinstance(piece, KeptPiece):
        writer.append_columns(piece.table, parents=piece.parents, calls=piece.calls)
        tally.written, tally.consumed = writer.rows, piece.position
        tally.filtered += piece.filtered
    elif isinstance(piece, _Done):
        tally.consumed = piece.position
        writer.mark(piece.position)


class _Done:
    """The input rows up to here are accounted for by what came before."""

    __slots__ = ("position",)

    def __init__(self, position: int) -> None:
        self.position = position


class _Policy:
    """When failed rows stop a step. `max_failures`: a number of rows, or a share between 0 and 1; None: no bound."""

    def __init__(self, step: Step, total: int | None) -> None:
        self.step, self.total = step, total
        self.bound = getattr(step, "max_failures", None)

    def check(self, tally: Tally) -> None:
        why = self.broken(tally)
        if why:
            self._stop(tally, why)

    def broken(self, tally: Tally) -> str:
        """What makes the step stop; empty while nothing does."""
        lost = tally.lost
        if not lost:
            return ""
        if lost >= HOPELESS_AFTER and tally.written == 0 and tally.filtered == 0:
            return f"none of the first {lost} rows succeeded"
        if self.bound is not None and lost > self._allowed(tally):
            return f"{lost} rows failed, and max_failures is {self.bound}"
        return ""

    def check_end(self, tally: Tally) -> None:
        if tally.lost and tally.written == 0 and tally.filtered == 0:
            self._stop(tally, f"all {tally.lost} rows failed")

    def _allowed(self, tally: Tally) -> float:
        assert self.bound is not None
        if isinstance(self.bound, float) and self.bound < 1:
            return self.bound * (self.total or max(tally.consumed, HOPELESS_AFTER))
        return self.bound

    def _stop(self, tally: Tally, why: str) -> None:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in tally.failed.items())
        last = getattr(self.step, "_last_loss", None)
        detail = f" The last one: {last.message}" if last is not None else ""
        raise TooManyFailuresError(
            f"Step '{self.step.name}' stopped: {why} ({reasons}).{detail} "
            "Answers already received are kept; run the script again once the cause is mended."
        )


# --- process(): one row at a time -------------------------------------------------------------------------------------


def _process_rows(step: Step, start: int) -> Iterator[Any]:
    yield from _processed(step, _zipped(step, start))


def _retried_rows(step: Step, kept: KeptRows) -> Iterator[Any]:
    """The kept rows, with the failed ones tried again in between."""
    lost, total = set(kept.lost), 0

    def failed_ones() -> Iterator[tuple[int, dict[str, Any]]]:
        nonlocal total
        for position, values in _zipped(step, 0):
            total = position + 1
            if position in lost:
                yield position, values

    done = 0
    tried = _processed(step, failed_ones())
    for position in kept.lost:
        yield kept.between(done, position)
        for piece in tried:
            yield piece
            if isinstance(piece, _Done):
                break
        done = position + 1
    for _ in tried:
        pass  # counts the input to its end
    yield kept.between(done, total)


def _processed(step: Step, rows: Iterator[tuple[int, dict[str, Any]]]) -> Iterator[Any]:
    process = step.process  # type: ignore[attr-defined]
    handle = _Outcome(step)
    if inspect.iscoroutinefunction(process):
        yield from _concurrently(step, process, rows, handle)
        return
    for position, values in rows:
        try:
            result = process(**values)
            if inspect.isgenerator(result):
                result = _Several(result)
        except Exception as error:
            yield handle.failed(position, error)
        else:
            yield from handle.rows(position, result)
        yield _Done(position + 1)


def _zipped(step: Step, start: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """The input rows from `start` on, each as the keyword arguments of `process()`."""
    names = [name for name, item in step._declaration.inputs.items() if item.role == "input" and name in step._inputs]
    absent = {name: None for name in step._declaration.inputs if name not in step._inputs}
    columns = [_values(step._inputs[name], start) for name in names]
    if not columns:
        raise StepOutputError(f"Step '{step.name}' has process() but no input column to take rows from: define run().")
    for position, values in enumerate(zip(*columns, strict=True), start):
        yield position, {**absent, **dict(zip(names, values, strict=True))}


def _values(column: Any, start: int) -> Iterator[Any]:
    if start and hasattr(column, "skip"):
        return iter(column.skip(start))
    values = iter(column)
    for _ in range(start):
        next(values, None)
    return values


def _concurrently(step: Step, process: Any, rows: Iterator[Any], handle: _Outcome) -> Iterator[Any]:
    """Up to `concurrency` rows at once on the shared loop; results in the order of the rows."""
    limit = max(1, int(getattr(step, "concurrency", 16) or 16))
    window = WINDOWS * limit  # one slow row does not keep others from starting
    places = asyncio.Semaphore(limit)
    scope = _context.scope()
    running: deque[tuple[int, Any]] = deque()
    ended: Future[None] = Future()  # the program, by a row that need not be the next

    async def one(values: dict[str, Any]) -> Any:
        async with places:
            with _context.running(scope):
                try:
                    return await process(**values)
                except (KeyboardInterrupt, SystemExit) as end:
                    if not ended.done():
                        ended.set_exception(end)
                    raise

    def settle() -> Iterator[Any]:
        if not running[0][1].done():
            wait((running[0][1], ended), return_when=FIRST_COMPLETED)
        if ended.done():
            ended.result()
        position, future = running.popleft()
        try:
            result = future.result()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            yield handle.failed(position, error)
        else:
            yield from handle.rows(position, result)
        yield _Done(position + 1)

    try:
        for position, values in rows:
            if len(running) >= window:
                yield from settle()
            running.append((position, _loop.submit(one(values))))
        while running:
            yield from settle()
    finally:
        for _, future in running:
            future.cancel()


class _Outcome:
    """What `process()` gave for one row, as pieces."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.read = Reader(step)
        outputs = list(step._declaration.outputs.values())
        self.lists = _holds_lists(outputs[0].annotation) if len(outputs) == 1 else False

    def rows(self, position: int, result: Any) -> Iterator[Piece]:
        if result is None:
            yield Filtered()
            return
        if isinstance(result, list) and not self._is_cell(result):
            if not result:
                yield Filtered()
            for item in result:
                yield self._row(position, item)
        else:
            yield self._row(position, result)

    def _is_cell(self, result: list[Any]) -> bool:
        """Whether a list is the value of the only column, and not several rows."""
        if isinstance(result, _Several) or self.lists is False:
            return False
        return self.lists is True or not _rows_in(result)

    def _row(self, position: int, value: Any) -> Row:
        row = self.read.row(value)
        row.parents = position
        return row

    def failed(self, position: int, error: Exception) -> Loss:
        for_all = isinstance(error, PermanentModelError | StepOutputError | BudgetExceededError)
        if for_all and not isinstance(error, BadRequestError):
            raise error  # wrong key, wrong model, wrong shape: the next row would fail alike
        return Loss(position, _reason(error), _message(error))


class _Several(list[Any]):
    """The rows that a `process()` with `yield` made of one."""


def _holds_lists(annotation: Any) -> bool | None:
    """Whether a column's type is a list; None when the annotation does not say."""
    if annotation is None or annotation is Any or isinstance(annotation, str):
        return None
    kinds = [get_origin(kind) or kind for kind in (annotation, *get_args(annotation))]
    if kinds[0] in (Union, UnionType):
        kinds = kinds[1:]
    else:
        kinds = kinds[:1]
    return any(
        isinstance(kind, type) and issubclass(kind, list | tuple | Sequence) and kind is not str for kind in kinds
    )


def _rows_in(result: list[Any]) -> bool:
    return bool(result) and isinstance(result[0], dict | Row)


def _reason(error: Exception) -> str:
    """A short code: of a model as prompt steps have it, of other code the name of the error."""
    if isinstance(error, UnparsedError):
        return "unparsed"
    return Failure.of(error).reason if isinstance(error, ModelError) else type(error).__name__


def _message(error: Exception) -> str:
    return str(error) if isinstance(error, DataDreamerError | UnparsedError) else f"{type(error).__name__}: {error}"
