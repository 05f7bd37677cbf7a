"""The book of a session: the records of its steps and trainers in order, and the files that are derived from them."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from .. import __version__, cards
from ..cards import StepRecord, TrainerRecord  # the rest loads when something is written
from ..errors import BudgetExceededError, DataDreamerError
from ..steps.fingerprint import fingerprints
from .record import known_columns, output_columns, step_record
from .session_facts import git_state, redactor

if TYPE_CHECKING:
    from ..steps.step import Step
    from .workspace import Workspace

logger = logging.getLogger("datadreamer.engine")

RECORD, PAGE = "datadreamer.json", "README.md"


class _Entry(msgspec.Struct, frozen=True):
    name: str = ""
    key: str = ""
    label: str = ""
    status: str = ""


class _Known(msgspec.Struct):
    """As much of `datadreamer.json` as tells whether it speaks of these results."""

    session: _Entry = _Entry()
    steps: list[_Entry] = []
    trainers: list[_Entry] = []


class Book:
    """Records of what ran or was found in this session. Everything it writes is derived from them."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.records: dict[str, StepRecord | TrainerRecord] = {}  # in the order in which they came
        self.changed = False
        self._places: dict[str, int] = {}  # how many records there were before each of them
        self._views: dict[str, Step] = {}  # views whose records nobody has asked for yet
        self._environment: Any = None
        self._lock = threading.RLock()  # background steps end when they like

    # --- writing down -------------------------------------------------------------------------------------------------

    def add(self, record: StepRecord | TrainerRecord, name: str, label: str, hit: bool) -> None:
        """A step or trainer that ran, or was found finished, under this name."""
        record.name, record.label = name, label
        with self._lock:
            self.records.pop(name, None)
            self._views.pop(name, None)
            if not hit:
                self._record_views()
                self._derive(record)
                self.changed = True
            self.records[name] = record
        if not hit or not (self.workspace.store.path(label) / PAGE).exists():
            self._write_cards(record)

    def add_view(self, step: Step) -> None:
        """A step that keeps nothing of its own: it is in the record so that lineage has no gap."""
        with self._lock:
            self.records.pop(step.name, None)
            self._views[step.name] = step
            self._places[step.name] = len(self.records)

    def environment(self) -> str:
        """Digest of what this session runs on; captured when the first result is written."""
        self._environment = cards.capture_environment()  # again each time: later steps import more
        return self._environment.digest or ""

    # --- reading ------------------------------------------------------------------------------------------------------

    def run_record(self) -> cards.RunRecord:
        """The session as one record."""
        with self._lock:
            self._record_views()
            steps, trainers = self._by_kind()
        return cards.RunRecord(
            library_version=__version__,
            session=self.workspace.session,
            environment=self._environment,
            steps=steps,
            trainers=trainers,
            losses=self._losses(steps),
            totals=cards.totals(steps, trainers),
        )

    def _record_views(self) -> None:
        """Write down the views that were made since the last time, each where it came in the order."""
        if not self._views:
            return
        order = list(self.records)
        for offset, name in enumerate(self._views):
            order.insert(self._places.pop(name) + offset, name)
        for name, step in self._views.items():
            self.records[name] = self._view_record(step)
        self._views = {}
        self.records = {name: self.records[name] for name in order}

    def _derive(self, record: StepRecord | TrainerRecord) -> None:
        if isinstance(record, StepRecord):
            steps, trainers = self._by_kind()
            record.synthetic = cards.derive_synthetic(
                record, {item.name: item for item in steps}, {item.name: item for item in trainers}
            )

    def _by_kind(self) -> tuple[list[StepRecord], list[TrainerRecord]]:
        everything = list(self.records.values())
        return (
            [record for record in everything if isinstance(record, StepRecord)],
            [record for record in everything if isinstance(record, TrainerRecord)],
        )

    def _view_record(self, step: Step) -> StepRecord:
        dataset = step.output
        rows = dataset.num_rows
        outputs = output_columns(step, known_columns(dataset), getattr(dataset, "schema", None), {})
        record = step_record(
            step, "", fingerprints(step), {"rows": rows} if rows is not None else {}, outputs, None, None, time.time()
        )
        record.rows.input = record.rows.output = rows or 0
        record.seconds = 0.0
        self._derive(record)
        return record

    def _losses(self, steps: list[StepRecord]) -> list[cards.LossSummary]:
        found = []
        for record in steps:
            if not record.rows.lost:
                continue
            reasons: Counter[str] = Counter()
            examples: dict[str, str] = {}
            for loss in self.workspace.ledger.losses(record.key):
                reasons[loss.reason] += 1
                examples.setdefault(loss.reason, loss.message)
            for reason, count in (reasons or Counter(record.rows.failed)).items():
                example = examples.get(reason)
                found.append(cards.LossSummary(step=record.name, reason=reason, rows=count, example=example))
        return found

    # --- files --------------------------------------------------------------------------------------------------------

    def close(self, error: BaseException | None) -> str:
        """Write `datadreamer.json` and the page about the folder when they changed; gives the summary in words."""
        session = self.workspace.session
        session.ended = time.time()
        stopped = isinstance(error, BudgetExceededError)
        session.status = "finished" if error is None else "partial" if stopped else "failed"
        session.error = redactor().text(f"{type(error).__name__}: {error}") if error is not None else None
        if not self.records and not self._views:
            return ""
        run = self.run_record() if self.changed else None
        if not self.workspace.in_memory and (run is not None or self._stale()):
            session.git_commit, session.git_dirty = git_state()
            run = run or self.run_record()
            cards.write_record(self.workspace.store.folder / RECORD, run)
            self._write_page(run)
        return cards.session_summary(self._brief())

    def _brief(self) -> cards.RunRecord:
        """Enough for the summary: what was made or found, without the views of it."""
        steps, trainers = self._by_kind()
        kept = [record for record in steps if record.label]
        return cards.RunRecord(
            library_version=__version__,
            session=self.workspace.session,
            steps=kept,
            trainers=trainers,
            losses=self._losses(kept),
        )

    def _stale(self) -> bool:
        """Whether the record on disk is of another set of results than this session's."""
        try:
            content = (self.workspace.store.folder / RECORD).read_bytes()
            known = msgspec.json.decode(content, type=_Known)  # a glance: a rerun has no time for the whole of it
        except (OSError, msgspec.DecodeError):
            return True
        on_disk = {(record.name, record.key) for record in (*known.steps, *known.trainers) if record.label}
        here = {(record.name, record.key) for record in self.records.values() if record.label}
        return on_disk != here or known.session.status != "finished"

    def _write_cards(self, record: StepRecord | TrainerRecord) -> None:
        if self.workspace.in_memory:
            return
        try:
            self.write_card(record.name, self.workspace.store.path(record.label))
        except Exception as problem:  # the rows are paid for and safe: a card is no reason to stop the workflow
            logger.error("The card of '%s' could not be written: %s: %s", record.name, type(problem).__name__, problem)

    def write_card(self, name: str, folder: Path, **facts: Any) -> None:
        """Write the card of a step or trainer, and the record of all it came from, into a folder.

        Args:
            name: of the step or trainer.
            folder: where to.
            facts: passed on to the card: `title`, `synthetic`, `tags`.
        """
        run = cards.closure(self.run_record(), name)
        cards.write_record(folder / RECORD, run)
        render = cards.data_card if isinstance(self.records[name], StepRecord) else cards.model_card
        card = render(run, name, **facts)
        try:
            cards.write_readme(folder, card)
        except DataDreamerError as problem:  # the user's own README.md cannot be merged with: leave it alone
            logger.warning("%s", problem)

    def _write_page(self, run: cards.RunRecord) -> None:
        try:
            cards.write_readme(self.workspace.store.folder, cards.run_page(run))
        except DataDreamerError as problem:
            logger.warning("%s", problem)
