"""Making one step: its rows are written, its losses noted, its record put into place with them."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .. import _context
from ..cards import StepRecord, encode_record
from ..cards.sealing import sealed
from ..datasets import DatasetInfo, DatasetWriter
from ..errors import DataDreamerError, FolderNotWritableError, StepOutputError
from ..ledger import Loss as LostRow
from ..ledger import StepEvent, atomic_write
from ..steps.fingerprint import Fingerprints
from ..steps.rows import Loss, Tally
from .execute import execute, goes_on, input_rows, returned, row_by_row
from .kept import KeptRows
from .progress import Progress, counted, duration
from .record import output_columns, step_record
from .redaction import CleanRows
from .rows import lazy_dataset, stays_lazy
from .session_facts import redactor
from .spending import budgets_over

if TYPE_CHECKING:
    from ..steps.step import Step
    from .workspace import Workspace

logger = logging.getLogger("datadreamer.engine")

_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


class Making:
    """A step on its way to its place.

    Args:
        why: the reason why it runs: "first", "changed", "forced", "corrupt" or "retry".
        kept: with "retry", the rows that stay; None makes all rows again.
    """

    def __init__(
        self,
        workspace: Workspace,
        step: Step,
        label: str,
        prints: Fingerprints,
        why: str,
        kept: KeptRows | None = None,
    ) -> None:
        self.workspace, self.step, self.label, self.prints = workspace, step, label, prints
        self.ledger, self.store = workspace.ledger, workspace.store
        self.why, self.kept = why, kept
        self.key = prints.key
        # A result with this key may stand until the new one is whole, and its losses with it.
        self.losses = self.key if why in ("first", "changed") else f"{self.key}/again"
        self.scope = _context.StepScope(
            name=step.name, fingerprint=self.key, ledger=workspace.ledger, budgets=budgets_over(step)
        )
        self.clean = CleanRows()
        self.left_losses = False  # an earlier try had lost rows, behind which this one goes on

    def run(self) -> None:
        """Make it.

        Raises whatever stops the step; what was made until then is kept for the next try.
        """
        step, started = self.step, time.time()
        work = self.store.work(self.key)
        if self.why in ("forced", "retry"):
            shutil.rmtree(work, ignore_errors=True)
        self.workspace.place(step, work)
        total = input_rows(step) or step.expected_rows()
        progress = Progress(f"Step '{step.name}'", total, self.scope.stats, step.progress_interval)
        step._bar = progress  # type: ignore[attr-defined]
        view = redactor().json(self.prints.view)
        self._event("started", view=view, data={"why": self.why})
        logger.debug("Step '%s' is running.", step.name)
        try:
            with _context.running(self.scope):
                result = returned(step)
                made = None if stays_lazy(result) else self._write(result, progress)
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit)
            self._event("failed", data={"error": f"{type(error).__name__}: {error}", "interrupted": interrupted})
            self.ledger.flush()
            raise
        finally:
            progress.close()
        if made is None:
            self.workspace.give(step, lazy_dataset(step, result))
            self._event("finished")
            return
        info, tally = made
        schema = info.arrow_schema
        outputs = output_columns(step, schema.names, schema, info.column_digests)
        record = step_record(step, self.label, self.prints, info.to_json(), outputs, tally, self.scope, started)
        if tally.stopped is not None:
            self._keep_partial(record)
            raise tally.stopped
        self._check_conservation(record, tally)
        self._commit(record)
        self.workspace.attach(step, self.label, record)
        self._event("finished")
        self._say_finished(record)

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _write(self, result: Any, progress: Progress) -> tuple[DatasetInfo, Tally]:
        with _disk_named(self.step):
            with self._writer(resume=row_by_row(self.step)) as writer:
                lost_before = self._lost_before(writer)
                if goes_on(self.step, writer, lost_before):
                    if writer.position:
                        logger.info("Step '%s' goes on behind input row %s.", self.step.name, f"{writer.position:,}")
                    self.left_losses = bool(lost_before)
                    return self._execute(result, writer, progress, lost_before)
            logger.info("Step '%s' starts over: too many rows had failed when it stopped.", self.step.name)
            with self._writer(resume=False) as writer:
                return self._execute(result, writer, progress, self._lost_before(writer))

    def _execute(
        self, result: Any, writer: DatasetWriter, progress: Progress, lost_before: dict[str, int]
    ) -> tuple[DatasetInfo, Tally]:
        return execute(self.step, result, writer, self._lose, progress.update, lost_before, self.kept)

    def _writer(self, resume: bool) -> DatasetWriter:
        step = self.step
        return DatasetWriter(
            self.store.work(self.key) / "_dataset",
            step=step.name,
            declared=_declared_types(step),
            resume=resume,
            returned_by="process()" if row_by_row(step) else "run()",
            clean=self.clean,
            before_part=self.ledger.flush,  # the losses among its rows, and the answers
        )

    def _lost_before(self, writer: DatasetWriter) -> dict[str, int]:
        """The losses of an earlier try, up to where this one goes on."""
        self.ledger.clear_losses(self.losses, from_row=writer.position)
        return self.ledger.count_losses(self.losses)

    def _lose(self, loss: Loss) -> None:
        self.step._last_loss = loss  # type: ignore[attr-defined]
        data = {
            "name": self.step.name,
            "attempts": loss.attempts,
            "input_tokens": loss.input_tokens,
            "output_tokens": loss.output_tokens,
        }
        request_key = f"ddr1:{loss.calls[0].hex()}" if loss.calls else ""
        self.ledger.put_loss(
            LostRow(
                step=self.losses,
                row=loss.row,
                reason=loss.reason,
                message=loss.message,
                request_key=request_key,
                data=data,
            )
        )
        logger.debug("Step '%s': row %d failed (%s): %s", self.step.name, loss.row, loss.reason, loss.message)

    def _check_conservation(self, record: StepRecord, tally: Tally) -> None:
        """Every input row is accounted for, and every loss is in the ledger."""
        rows = record.rows
        forgotten = row_by_row(self.step) and (tally.consumed != rows.input or tally.written > rows.output)
        if forgotten or not rows.balanced or self.ledger.count_losses(self.losses) != tally.failed:
            raise StepOutputError(
                f"Step '{record.name}' lost count of its rows: {rows.input} in ({tally.consumed} of them handled) + "
                f"{rows.expanded} expanded is not {rows.output} out + {rows.filtered} filtered + {rows.lost} failed "
                f"({self.ledger.count_losses(self.losses)} in the ledger). This is a mistake in the library."
            )

    def _keep_partial(self, record: StepRecord) -> None:
        """Put what there is into the step's place, marked as a part; never in the place of the whole result."""
        self._event("failed", data={"error": "stopped by a budget", "interrupted": True})
        before = self.workspace.finder.read(self.store.path(self.label))
        if before is None or before.status != "finished" or before.key != self.key:
            self._commit(record)
        self.ledger.flush()
        rows = record.rows
        logger.warning(
            "Step '%s' is partial: %s rows are made, %s are not asked yet.",
            record.name,
            f"{rows.output:,}",
            f"{rows.pending:,}" if rows.pending else "others",
        )

    # --- its place ----------------------------------------------------------------------------------------------------

    def _commit(self, record: StepRecord) -> None:
        work, before = self.store.work(self.key), self.workspace.finder.read(self.store.path(self.label))
        record.session = self.workspace.session.id
        record.environment = self.workspace.book.environment()
        atomic_write(work / "step.json", sealed(encode_record(record)))
        if self.losses != self.key:
            self.ledger.replace_losses(self.key, self.losses)
        self.ledger.flush()  # what the record counts is in the ledger before the record says so
        if self.why == "corrupt" or (before is not None and before.status == "partial"):
            self.store.discard(self.label)
            before = None
        self.store.commit(work, self.label, before.key if before else None)
        self.workspace.book.add(record, self.step.name, self.label, hit=False)

    def _event(self, kind: str, view: Any = None, data: dict[str, Any] | None = None) -> None:
        self.ledger.put_step(
            StepEvent(step=self.step.name, kind=kind, fingerprint=self.key, view=view, data=data or {})
        )

    def _say_finished(self, record: StepRecord) -> None:
        parts = [f"{record.rows.output:,} rows", *counted(self.scope.stats)]
        if record.rows.filtered:
            parts.append(f"{record.rows.filtered:,} filtered")
        if record.rows.lost:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in record.rows.failed.items())
            parts.append(f"{record.rows.lost:,} rows failed ({reasons})")
        seconds = record.seconds or 0.0
        rate = record.rows.output / seconds if seconds else 0.0
        parts.append(f"{duration(seconds)} ({rate:,.0f} rows/s)")
        logger.info("Step '%s' finished: %s.", record.name, ", ".join(parts))
        for column, cells in self.clean.found.items():
            logger.warning(
                "Step '%s': %s cells of column '%s' held a key, a password or the path of your home folder. They are "
                "stored without it, as [redacted:…] and ~.",
                record.name,
                f"{cells:,}",
                column,
            )


@contextmanager
def _disk_named(step: Step) -> Iterator[None]:
    """Say in plain words that the disk takes nothing more."""
    try:
        yield
    except OSError as error:
        if isinstance(error, DataDreamerError) or error.errno not in _DISK_ERRORS:
            raise
        raise FolderNotWritableError(
            f"The rows of step '{step.name}' cannot be written: {os.strerror(error.errno)}. Free some space, or choose "
            "another output folder; then run the script again: answers already received are kept."
        ) from error


def _declared_types(step: Step) -> dict[str, Any] | None:
    """Column to declared type, None where any will do; None when no output has one."""
    outputs = step._declaration.outputs.items()
    types = {step.output_name_mapping[name]: _data_type(item.annotation) for name, item in outputs}
    return types if any(kind is not None for kind in types.values()) else None


def _data_type(annotation: Any) -> Any:
    from ..datasets import parse_type

    if annotation is None or annotation is Any or isinstance(annotation, str):
        return None
    try:
        parse_type(annotation)
    except DataDreamerError:
        return None  # a type that says something to readers, and nothing about columns
    return annotation
