"""What one session works with: the folder, the ledger, the records; and the decision what still has to run."""

from __future__ import annotations

import json
import logging
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import msgspec

from ..cards import StepRecord
from ..datasets import DatasetInfo, open_dataset
from ..errors import DamagedFileError, SessionError
from ..ledger import FolderLock, Ledger, StepEvent
from ..steps.fingerprint import Fingerprints, fingerprints
from . import book
from .finding import Finder
from .intact import check_result
from .result import Result
from .session_facts import redactor, session_info
from .store import Store

if TYPE_CHECKING:
    from ..steps.step import Step

logger = logging.getLogger("datadreamer.engine")

LEDGER = "ledger.sqlite"


class Workspace:
    """Folder, ledger and records of a running session. In memory, the folder is a temporary one."""

    def __init__(self, store: Store, ledger: Any, lock: FolderLock | None, temporary: Any) -> None:
        self.store, self.ledger, self._lock, self._temporary = store, ledger, lock, temporary
        self.store.moving = self._moving
        self.retry_failed = False
        self.session = session_info()
        self.book = book.Book(self)
        self.finder: Finder[StepRecord] = Finder(store, "step.json", StepRecord, self._whole)
        self._keys: dict[str, threading.RLock] = {}  # by the key of a step
        self._keys_lock = threading.Lock()
        # every step (or trainer) of this session to the folder it works or lies in
        self._folders: WeakKeyDictionary[Any, Path] = WeakKeyDictionary()

    @classmethod
    def open(cls, folder: Path | None, wait: bool, shared: Sequence[Path] = ()) -> Workspace:
        """Prepare and lock the folder, and open its ledger; in memory, a temporary folder and no ledger file."""
        if folder is None:
            temporary = tempfile.TemporaryDirectory(prefix="datadreamer-", ignore_cleanup_errors=True)
            store = Store(Path(temporary.name))
            store.prepare()
            return cls(store, _open_ledger(":memory:", shared), None, temporary)
        store = Store(folder)
        store.prepare()
        lock = FolderLock(folder, wait=wait)
        lock.__enter__()
        try:
            return cls(store, _open_ledger(folder / LEDGER, shared), lock, None)
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
                self._keep_open()
                self._temporary.cleanup()

    def _keep_open(self) -> None:
        """Results of a session in memory outlive it: their files are mapped, and then have no name any more."""
        for owner in list(self._folders):
            result = getattr(owner, "_result", None)
            if result is not None:
                result.pin()

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
        with self._one_at_a_time(prints.key):
            self._find_or_make(step, prints)

    @contextmanager
    def _one_at_a_time(self, key: str) -> Iterator[None]:
        """Of equal steps that threads make at the same time, one works and the others find its result."""
        with self._keys_lock:
            lock = self._keys.setdefault(key, threading.RLock())
        with lock:
            yield

    def _find_or_make(self, step: Step, prints: Fingerprints) -> None:
        label = self.store.claim(step.name)
        why, kept = "forced", None
        if step.force:
            logger.info("Step '%s' runs again: it is forced to (force=True).", step.name)
        else:
            found = self.finder.find(step.name, label, prints.key)
            if found.finished is not None and not self._wants_retry(step, found.finished):
                self._reuse(step, label, found.finished)
                return
            why = "first"
            if found.finished is not None:
                why, kept = "retry", self._kept(step, label, found.finished)
            elif found.replaced is not None:
                why = "changed"
                self._explain(step, found.replaced, prints)
            elif found.damaged:
                why = "corrupt"
        from .making import Making

        making = Making(self, step, label, prints, why, kept)
        making.run()
        if making.left_losses and self._retries(step):  # what failed before it was stopped has had no second try yet
            self._find_or_make(step, prints)

    def _retries(self, step: Step) -> bool:
        return step.retry_failed or self.retry_failed

    def _wants_retry(self, step: Step, record: StepRecord) -> bool:
        return bool(record.rows.lost) and self._retries(step)

    def _kept(self, step: Step, label: str, record: StepRecord) -> Any:
        """The rows that a retry keeps; None where they cannot be told from those that are made again."""
        from .execute import row_by_row
        from .kept import KeptRows

        logger.info("Step '%s' runs again: for its %s failed rows (retry_failed).", step.name, f"{record.rows.lost:,}")
        lost = [loss.row for loss in self.ledger.losses(record.key) if loss.row is not None]
        if not row_by_row(step) or len(lost) != record.rows.lost:
            return None
        return KeptRows(open_dataset(self.store.path(label) / "_dataset", _info(record)), lost)

    def _view(self, step: Step) -> None:
        self.give(step, step.view())  # type: ignore[attr-defined]

    def give(self, step: Step, dataset: Any) -> None:
        """A result that is not stored: a selection of existing rows, or rows that are made anew when they are read."""
        step._result, step._progress = Result(lambda: dataset), 1.0
        self.book.add_view(step)
        logger.debug("Step '%s' stores no rows of its own.", step.name)

    def _whole(self, folder: Path, record: StepRecord) -> bool:
        try:
            info = _info(record)
            open_dataset(folder / "_dataset", info)
            check_result(folder / "_dataset", info, self.ledger)
            return True
        except (DamagedFileError, msgspec.ValidationError, ValueError, OSError) as error:  # or a manifest of nonsense
            logger.warning("%s Step '%s' is made again; answers in the ledger are not asked again.", error, record.name)
            return False

    def _explain(self, step: Step, here: StepRecord, prints: Fingerprints) -> None:
        from ..identity import first_difference

        difference = first_difference(here.view, redactor().json(prints.view))
        logger.info("Step '%s' runs again: %s", step.name, difference or "it has changed.")

    def _reuse(self, step: Step, label: str, record: StepRecord) -> None:
        self.store.clear(record.key)
        self.attach(step, label, record)
        self.ledger.put_step(StepEvent(step=step.name, kind="hit", fingerprint=record.key))
        self.book.add(record, step.name, label, hit=True)
        rows = record.dataset.get("rows", 0)
        logger.info("Step '%s' is finished already: %s rows, nothing to do.", step.name, f"{rows:,}")

    def attach(self, step: Step, label: str, record: StepRecord) -> None:
        """Give the step its result."""
        folder = self.store.path(label)
        self.place(step, folder)
        info = _info(record)
        step._result, step._progress = Result(lambda: _open(step, folder, info, self.ledger)), 1.0
        step._data_card = {key: list(values) for key, values in record.data_card.items()}

    def place(self, owner: Any, folder: Path) -> None:
        """Remember where the files of a step or trainer are."""
        self._folders[owner] = folder

    def _moving(self, label: str, backup: Path) -> None:
        """A result is about to become a backup: those who hold it in this session keep it."""
        folder = self.store.path(label)
        for owner, place in list(self._folders.items()):
            if place != folder:
                continue
            self._folders[owner] = backup
            if hasattr(owner, "_result"):
                owner._result.pin()
            else:
                owner.folder = backup

    # --- what steps ask -----------------------------------------------------------------------------------------------

    def run_output_folder(self, step: Step) -> Path:
        """`run_output/` in the folder in which the step is made, or lies."""
        folder = self._folders.get(step)
        if folder is None:
            raise SessionError(f"Step '{step.name}' has no folder: it has not run in this session.")
        (folder / "run_output").mkdir(parents=True, exist_ok=True)
        return folder / "run_output"

    def dataset_path(self, step: Step) -> Path:
        """The folder with a finished step's Arrow files."""
        folder = self._folders.get(step)
        if folder is None or not (folder / "_dataset").is_dir():
            raise SessionError(
                f"Step '{step.name}' has no files of its own: its rows are a view of another step's, or made when they "
                "are read. save() stores them."
            )
        return folder / "_dataset"

    def data_card(self, step: Step) -> str:
        """The published data card of a step, as JSON text."""
        from ..cards import published_data_card

        return json.dumps(published_data_card(self.book.run_record(), step.name), indent=4, ensure_ascii=False)

    def run_trainer(self, trainer: Any, plan: Any) -> Any:
        """Find the trained model, or train it."""
        from .training import run_trainer

        return run_trainer(self, trainer, plan)


def _open_ledger(path: str | Path, shared: Sequence[Path]) -> Any:
    if not shared:
        return Ledger.open(path)
    from .shared import open_ledger

    return open_ledger(path, shared)


def _info(record: StepRecord) -> DatasetInfo:
    return msgspec.convert(record.dataset, DatasetInfo)


def _open(step: Step, folder: Path, info: DatasetInfo, ledger: Any) -> Any:
    from ..datasets import OutputDataset

    return OutputDataset(step, open_dataset(folder / "_dataset", info), memo=_memo(ledger))


def _memo(ledger: Any) -> Callable[[str, str, Callable[[], str]], str]:
    """Digests of views, remembered in the ledger: a rerun does not read their rows again."""

    def memo(kind: str, key: str, compute: Callable[[], str]) -> str:
        known = ledger.memo_get(kind, key)
        if known is None:
            known = compute()
            ledger.memo_put(kind, key, known)
        return known

    return memo
