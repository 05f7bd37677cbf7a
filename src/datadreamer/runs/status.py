"""What is in an output folder: every result with its state, who works in it, what it took, how to go on.

Reads the records and the ledger, also while another process writes them.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field

from ..cards.lineage import sum_calls
from ..cards.record import Calls, RunRecord, StepRecord, TrainerRecord
from ..engine.store import BACKUPS, WORK, Store
from ..errors import DamagedFileError, DataDreamerError
from . import folder as folders
from .folder import Found
from .owner import Owner, owner_of
from .unfinished import Progress, Unfinished, unfinished

if TYPE_CHECKING:
    from ..ledger import Ledger

State = Literal["finished", "partial", "running", "interrupted", "failed", "damaged"]


class ResultStatus(Struct, kw_only=True):
    """One step or trainer. Counts are None where nobody knows them yet; times are UTC seconds, durations seconds."""

    name: str
    kind: Literal["step", "trainer"]
    type: str  # for example "ProcessWithPrompt"
    state: State
    folder: str | None = None  # relative to the output folder; None while there is no result
    rows: int | None = None  # of the result; of an unfinished step, those that are safe on disk
    rows_in: int | None = None
    filtered: int | None = None
    lost: dict[str, int] = field(default_factory=dict)  # by reason
    calls: Calls | None = None
    answers: int | None = None  # in the ledger under this name, for a result that is not finished
    seconds: float | None = None
    started: float | None = None
    ended: float | None = None
    bytes: int = 0
    metrics_before: dict[str, float | None] = field(default_factory=dict)
    metrics: dict[str, float | None] = field(default_factory=dict)
    note: str | None = None  # why it failed, what is damaged, where it goes on


class LastSession(Struct, kw_only=True):
    """The last session that ended in an orderly way."""

    started: float
    ended: float | None
    status: str
    script: str | None
    error: str | None


class Sizes(Struct, kw_only=True):
    """Bytes on disk."""

    results: int = 0
    ledger: int = 0
    backups: int = 0
    work: int = 0  # what is being made, or was when a run was stopped
    total: int = 0


class FolderStatus(Struct, kw_only=True):
    """An output folder as it is at this moment."""

    folder: str
    owner: Owner | None = None  # the process that works in it
    session: LastSession | None = None
    results: list[ResultStatus] = field(default_factory=list)
    views: int = 0  # steps that select from others and keep nothing
    calls: int = 0  # answers in the ledger, of all steps
    totals: Calls = field(default_factory=Calls)  # of the finished results
    sizes: Sizes = field(default_factory=Sizes)
    problems: list[str] = field(default_factory=list)
    going_on: str = ""

    @property
    def unfinished(self) -> list[ResultStatus]:
        """Results that another run would have to make."""
        return [result for result in self.results if result.state != "finished"]


def folder_status(path: str | os.PathLike[str]) -> FolderStatus:
    """Look at an output folder without changing anything in it.

    Raises:
        SourceError: there is no such folder, or nothing in it comes from a session.
        InvalidArgumentError: it is a file.
    """
    folder = folders.output_folder(path)
    run = folders.run_record(folder)
    session = run.session if run else None
    status = FolderStatus(folder=str(path), owner=owner_of(folder))
    if session is not None:
        status.session = LastSession(
            started=session.started, ended=session.ended, status=session.status, script=session.script,
            error=session.error,
        )  # fmt: skip
    status.views = sum(1 for step in run.steps if not step.label) if run else 0
    results = folders.found(folder)
    status.results = [_finished(one) for one in results]
    if run is not None:
        _mark_unused(status, run)
    with ExitStack() as stack:
        ledger = _ledger(stack, folder, status)
        if ledger is not None:
            _add_unfinished(status, folder, results, ledger)
    status.totals = sum_calls(result.calls for result in status.results if result.calls is not None)
    status.sizes = _sizes(folder, status.results)
    status.going_on = _going_on(status)
    return status


def _ledger(stack: ExitStack, folder: Path, status: FolderStatus) -> Ledger | None:
    try:
        return stack.enter_context(folders.reading_ledger(folder))
    except DataDreamerError as problem:
        status.problems.append(str(problem))
        return None


# --- what is there ----------------------------------------------------------------------------------------------------


def _finished(one: Found) -> ResultStatus:
    record = one.record
    size = folders.size_of(Path(one.folder), below=False)
    if record is None:
        kind: Literal["step", "trainer"] = "trainer" if one.is_trainer else "step"
        note = f"{one.problem} It is made again when the script runs."
        return ResultStatus(name=one.name, kind=kind, type="", state="damaged", folder=one.label, bytes=size, note=note)
    problem = _missing_files(one)
    status = ResultStatus(
        name=one.name,
        kind="trainer" if isinstance(record, TrainerRecord) else "step",
        type=record.kind.rpartition(".")[2],
        state="damaged" if problem else "partial" if record.status == "partial" else "finished",
        folder=one.label,
        calls=record.calls,
        seconds=record.seconds,
        started=record.started,
        ended=record.ended,
        bytes=size,
        note=problem,
    )
    if isinstance(record, StepRecord):
        status.rows, status.rows_in = record.rows.output, record.rows.input
        status.filtered, status.lost = record.rows.filtered, dict(record.rows.failed)
        if record.status == "partial" and not problem:
            status.note = (
                f"Stopped by a budget; {record.rows.pending:,} rows are not asked yet. Raise it and run again."
            )
    else:
        status.metrics_before, status.metrics = dict(record.metrics_before), dict(record.metrics)
    return status


def _mark_unused(status: FolderStatus, run: RunRecord) -> None:
    """Say of which results the last whole run knew nothing: another version of the script made them."""
    if run.session is None or run.session.status != "finished":
        return
    used = {record.label for record in folders.records_of(run)}
    for result in status.results:
        if result.state == "finished" and result.folder not in used and (result.ended or 0.0) < run.session.started:
            result.note = "The last run did not use it."


def _missing_files(one: Found) -> str | None:
    """What the record speaks of and is not there."""
    record, place = one.record, Path(one.folder)
    if isinstance(record, TrainerRecord):
        return None if (place / (record.model.path or "_model")).is_dir() else f"The model is gone from '{place}'."
    from .rows import open_rows

    try:
        open_rows(one)
    except DamagedFileError as damage:
        return str(damage)
    return None


# --- what is not finished ---------------------------------------------------------------------------------------------


def _add_unfinished(status: FolderStatus, folder: Path, results: list[Found], ledger: Ledger) -> None:
    status.calls = ledger.count_calls()
    by_name = {one.name: one for one in status.results}
    keys = {one.record.key for one in results if one.record is not None}
    for work in unfinished(ledger.steps(), keys, status.owner):
        known = by_name.get(work.name)
        if known is None:
            known = ResultStatus(name=work.name, kind="step", type="", state=work.state)
            status.results.append(known)
        _describe(known, work, work.progress(Store(folder).work(work.key), ledger))


def _describe(status: ResultStatus, work: Unfinished, progress: Progress) -> None:
    """Turn the status of a result into that of its next version, which is not there yet."""
    earlier = status.folder is not None and status.state == "finished"
    status.state, status.started, status.ended, status.seconds = work.state, work.started, work.ended, None
    status.kind = progress.kind or status.kind
    status.rows, status.rows_in, status.filtered, status.calls = progress.rows, None, None, None
    status.lost, status.answers = progress.lost, progress.answers
    notes = [work.error, progress.note, "The earlier result is kept until the new one is whole." if earlier else None]
    status.note = " ".join(note for note in notes if note) or None


# --- sums -------------------------------------------------------------------------------------------------------------


def _sizes(folder: Path, results: list[ResultStatus]) -> Sizes:
    ledger = sum(folders.size_of(path) for path in folder.glob(f"{folders.LEDGER}*"))
    return Sizes(
        results=sum(result.bytes for result in results),
        ledger=ledger,
        backups=folders.size_of(folder / BACKUPS),
        work=folders.size_of(folder / WORK),
        total=folders.size_of(folder),
    )


def _going_on(status: FolderStatus) -> str:
    if status.owner is not None:
        return f"It is being worked on by {status.owner}. Nothing needs to be done."
    if not status.results:
        return "Nothing has run here yet: run a script whose session is DataDreamer with this folder."
    script = (status.session.script if status.session else None) or "the script"
    if script in ("datadreamer", "__main__.py"):  # the demo
        script = "the same command"
    if not status.unfinished:
        return f"Everything is finished. Running {script} again opens it and asks nothing."
    return (
        f"Run {script} again with this folder: finished results are opened, the others go on where they stopped, and "
        "no answer that was received is asked for again."
    )
