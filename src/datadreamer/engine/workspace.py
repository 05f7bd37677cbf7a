"""What one session works with: the folder, the ledger, the records; and the decision what still has to run."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from .. import _context
from ..cards import StepRecord
from ..datasets import DatasetInfo, DatasetWriter, open_dataset
from ..errors import DamagedFileError, DataDreamerError, SessionError, StepOutputError
from ..ledger import FolderLock, Ledger, StepEvent, atomic_write
from ..ledger import Loss as LostRow
from ..steps.fingerprint import Fingerprints, fingerprints
from ..steps.rows import Loss
from . import book
from .execute import execute, input_rows
from .finding import Finder
from .progress import Progress, counted, duration
from .record import output_columns, step_record
from .result import Result
from .session_facts import redactor, session_info
from .store import Store

if TYPE_CHECKING:
    from ..steps.step import Step

logger = logging.getLogger("datadreamer.engine")

LEDGER = "ledger.sqlite"


class Workspace:
    """Folder, ledger and records of a running session. In memory, the folder is a temporary one."""

    def __init__(self, store: Store, ledger: Ledger, lock: FolderLock | None, temporary: Any) -> None:
        self.store, self.ledger, self._lock, self._temporary = store, ledger, lock, temporary
        self.session = session_info()
        self.book = book.Book(self)
        self.finder: Finder[StepRecord] = Finder(store, "step.json", StepRecord, self._whole)
        self._folders: dict[int, Path] = {}  # id of a step to the folder it works or lies in

    @classmethod
    def open(cls, folder: Path | None, wait: bool) -> Workspace:
        """Prepare and lock the folder, and open its ledger; in memory, a temporary folder and no ledger file."""
        if folder is None:
            temporary = tempfile.TemporaryDirectory(prefix="datadreamer-", ignore_cleanup_errors=True)
            store = Store(Path(temporary.name))
            store.prepare()
            return cls(store, Ledger.open(":memory:"), None, temporary)
        store = Store(folder)
        store.prepare()
        lock = FolderLock(folder, wait=wait)
        lock.__enter__()
        try:
            return cls(store, Ledger.open(folder / LEDGER), lock, None)
        except BaseException:
            lock.__exit__(None, None, None)
            raise

    @property
    def in_memory(self) -> bool:
        return self._temporary is not None

    def close(self) -> None:
        """Write what is not written yet, and let the folder go."""
        try:
            self.ledger.close()
        finally:
            if self._lock is not None:
                self._lock.__exit__(None, None, None)
            if self._temporary is not None:
                self._temporary.cleanup()

    def finish(self, error: BaseException | None) -> str:
        """Write the record of the session, and say in a few lines what was done."""
        self.ledger.flush()
        return self.book.close(error)

    # --- steps --------------------------------------------------------------------------------------------------------

    def run_step(self, step: Step) -> None:
        """Find the step's result, or make it."""
        if step.keeps == "view":
            self._view(step)
            return
        prints = fingerprints(step)
        label = self.store.claim(step.name)
        if not step.force:
            found = self.finder.find(step.name, label, prints.key)
            if found.finished is not None:
                self._reuse(step, label, found.finished)
                return
            if found.replaced is not None:
                self._explain(step, found.replaced, prints)
        self._make(step, label, prints)

    def _view(self, step: Step) -> None:
        dataset = step.view()  # type: ignore[attr-defined]
        step._result, step._progress = Result(lambda: dataset), 1.0
        _take_column_names(step, dataset.column_names)
        self.book.add_view(step)
        logger.debug("Step '%s' is a view of existing rows.", step.name)

    def _whole(self, folder: Path, record: StepRecord) -> bool:
        try:
            open_dataset(folder / "_dataset", _info(record))
            return True
        except DamagedFileError as error:
            logger.warning("%s Step '%s' is made again; answers in the ledger are not asked again.", error, record.name)
            return False

    def _explain(self, step: Step, here: StepRecord, prints: Fingerprints) -> None:
        from ..identity import first_difference

        difference = first_difference(here.view, redactor().json(prints.view))
        logger.info("Step '%s' runs again: %s", step.name, difference or "it has changed.")

    def _reuse(self, step: Step, label: str, record: StepRecord) -> None:
        self._attach(step, label, record)
        self.ledger.put_step(StepEvent(step=step.name, kind="hit", fingerprint=record.key))
        self.book.add(record, step.name, label, hit=True)
        rows = record.dataset.get("rows", 0)
        logger.info("Step '%s' is finished already: %s rows, nothing to do.", step.name, f"{rows:,}")

    def _attach(self, step: Step, label: str, record: StepRecord) -> None:
        folder = self.store.path(label)
        self._folders[id(step)] = folder
        info = _info(record)
        step._result, step._progress = Result(lambda: _open(step, folder, info, self.ledger)), 1.0
        step._data_card = {key: list(values) for key, values in record.data_card.items()}
        _take_column_names(step, [column.name for column in record.outputs])

    def _make(self, step: Step, label: str, prints: Fingerprints) -> None:
        started = time.time()
        work = self.store.work(prints.key)
        if step.force:
            shutil.rmtree(work, ignore_errors=True)
        self._folders[id(step)] = work
        scope = _context.StepScope(name=step.name, fingerprint=prints.key, ledger=self.ledger)
        progress = Progress(
            f"Step '{step.name}'", input_rows(step) or step.expected_rows(), scope.stats, step.progress_interval
        )
        step._bar = progress  # type: ignore[attr-defined]
        self.ledger.put_step(
            StepEvent(step=step.name, kind="started", fingerprint=prints.key, view=redactor().json(prints.view))
        )
        logger.debug("Step '%s' is running.", step.name)

        def lose(loss: Loss) -> None:
            step._last_loss = loss  # type: ignore[attr-defined]
            self._lose(step, prints.key, loss)

        try:
            with _context.running(scope), self._writer(step, work) as writer:
                if writer.position:
                    logger.info("Step '%s' goes on behind input row %s.", step.name, f"{writer.position:,}")
                self.ledger.clear_losses(prints.key, from_row=writer.position)
                lost_before = self.ledger.count_losses(prints.key)
                info, tally = execute(step, writer, lose, progress.update, lost_before)
        except BaseException as error:
            self._failed(step, prints, error)
            raise
        finally:
            progress.close()
        schema = info.arrow_schema
        outputs = output_columns(step, schema.names, schema, info.column_digests)
        record = step_record(step, label, prints, info.to_json(), outputs, tally, scope, started)
        self._check_conservation(record)
        self._commit(step, label, work, record)
        self._say_finished(record, scope.stats, progress)

    def _writer(self, step: Step, work: Path) -> DatasetWriter:
        row_wise = hasattr(type(step), "process")
        return DatasetWriter(work / "_dataset", step=step.name, declared=_declared_types(step), resume=row_wise)

    def _lose(self, step: Step, key: str, loss: Loss) -> None:
        self.ledger.put_loss(
            LostRow(
                step=key,
                row=loss.row,
                reason=loss.reason,
                message=loss.message,
                request_key=f"ddr1:{loss.calls[0].hex()}" if loss.calls else "",
                data={
                    "name": step.name,
                    "attempts": loss.attempts,
                    "input_tokens": loss.input_tokens,
                    "output_tokens": loss.output_tokens,
                },
            )
        )
        logger.debug("Step '%s': row %d failed (%s): %s", step.name, loss.row, loss.reason, loss.message)

    def _failed(self, step: Step, prints: Fingerprints, error: BaseException) -> None:
        interrupted = isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit)
        data = {"error": f"{type(error).__name__}: {error}", "interrupted": interrupted}
        self.ledger.put_step(StepEvent(step=step.name, kind="failed", fingerprint=prints.key, data=data))
        self.ledger.flush()

    def _check_conservation(self, record: StepRecord) -> None:
        if not record.rows.balanced:
            rows = record.rows
            raise StepOutputError(
                f"Step '{record.name}' lost count of its rows: {rows.input} in + {rows.expanded} expanded is not "
                f"{rows.output} out + {rows.filtered} filtered + {rows.lost} failed. This is a mistake in the library."
            )

    def _commit(self, step: Step, label: str, work: Path, record: StepRecord) -> None:
        before = self.finder.read(self.store.path(label))
        record.session = self.session.id
        record.environment = self.book.environment()
        atomic_write(work / "step.json", msgspec.json.format(msgspec.json.encode(record), indent=1))
        self.ledger.flush()  # what the record counts is in the ledger before the record says so
        self.store.commit(work, label, before.key if before else None)
        self.ledger.put_step(StepEvent(step=step.name, kind="finished", fingerprint=record.key))
        self._attach(step, label, record)
        self.book.add(record, step.name, label, hit=False)

    def _say_finished(self, record: StepRecord, stats: _context.CallStats, progress: Progress) -> None:
        parts = [f"{record.rows.output:,} rows", *counted(stats)]
        if record.rows.filtered:
            parts.append(f"{record.rows.filtered:,} filtered")
        if record.rows.lost:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in record.rows.failed.items())
            parts.append(f"{record.rows.lost:,} rows failed ({reasons})")
        seconds = record.seconds or 0.0
        rate = record.rows.output / seconds if seconds else 0.0
        parts.append(f"{duration(seconds)} ({rate:,.0f} rows/s)")
        logger.info("Step '%s' finished: %s.", record.name, ", ".join(parts))

    # --- what steps ask -----------------------------------------------------------------------------------------------

    def run_output_folder(self, step: Step) -> Path:
        """`run_output/` in the folder in which the step is made, or lies."""
        folder = self._folders.get(id(step))
        if folder is None:
            raise SessionError(f"Step '{step.name}' has no folder: it has not run in this session.")
        (folder / "run_output").mkdir(parents=True, exist_ok=True)
        return folder / "run_output"

    def dataset_path(self, step: Step) -> Path:
        """The folder with a finished step's Arrow files."""
        folder = self._folders.get(id(step))
        if folder is None:
            raise SessionError(f"Step '{step.name}' has no files of its own: it is a view of another step's rows.")
        return folder / "_dataset"

    def data_card(self, step: Step) -> str:
        """The published data card of a step, as JSON text."""
        from ..cards import published_data_card

        return json.dumps(published_data_card(self.book.run_record(), step.name), indent=4, ensure_ascii=False)

    def run_trainer(self, trainer: Any, plan: Any) -> Any:
        """Find the trained model, or train it."""
        from .training import run_trainer

        return run_trainer(self, trainer, plan)


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


def _info(record: StepRecord) -> DatasetInfo:
    return msgspec.convert(record.dataset, DatasetInfo)


def _open(step: Step, folder: Path, info: DatasetInfo, ledger: Ledger) -> Any:
    from ..datasets import OutputDataset

    return OutputDataset(step, open_dataset(folder / "_dataset", info), memo=_memo(ledger))


def _memo(ledger: Ledger) -> Callable[[str, str, Callable[[], str]], str]:
    """Digests of views, remembered in the ledger: a rerun does not read their rows again."""

    def memo(kind: str, key: str, compute: Callable[[], str]) -> str:
        known = ledger.memo_get(kind, key)
        if known is None:
            known = compute()
            ledger.memo_put(kind, key, known)
        return known

    return memo


def _take_column_names(step: Step, names: list[str]) -> None:
    if step.any_columns:
        step.output_name_mapping = {name: name for name in names}
