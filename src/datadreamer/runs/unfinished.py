"""Steps and trainers that were started and have no result: told from the events of the ledger."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field

from ..ledger.records import StepEvent
from .owner import Owner

if TYPE_CHECKING:
    from ..ledger import Ledger

_INTERRUPTIONS = ("KeyboardInterrupt", "SystemExit", "GeneratorExit")


class Progress(Struct, kw_only=True):
    """How far an unfinished result is."""

    kind: Literal["step", "trainer"] | None = None
    rows: int | None = None
    answers: int | None = None
    lost: dict[str, int] = field(default_factory=dict)
    note: str | None = None


class Unfinished(Struct, kw_only=True):
    """Something that was started. Times are UTC seconds."""

    name: str
    key: str
    state: Literal["running", "interrupted", "failed"]
    started: float | None
    ended: float | None = None  # when it failed or was interrupted, if somebody could still write that down
    error: str | None = None

    def progress(self, work: Path, ledger: Ledger | None) -> Progress:
        """What is safe on disk already. `work` is the folder in which it is made."""
        found = Progress()
        if (work / "job").is_dir():
            found.kind = "trainer"
            whole = work.glob("job/checkpoints/checkpoint-*/whole.json")
            steps = [int(path.parent.name.rpartition("-")[2]) for path in whole]
            found.note = f"It goes on from the checkpoint of step {max(steps)}." if steps else None
        else:
            found.rows = _rows(work / "_dataset")
        if ledger is not None:
            found.lost = ledger.count_losses(self.key)
            found.answers = ledger.count_calls(self.name) or None
        return found


def _rows(folder: Path) -> int | None:
    if not folder.is_dir():
        return None
    from ..datasets.parts import read_records

    return sum(record.part.rows for record in read_records(folder))


def unfinished(events: Iterable[StepEvent], finished: Collection[str], owner: Owner | None) -> list[Unfinished]:
    """What was last heard of each step or trainer was that it started, or failed; in the order in which they did.

    Args:
        events: of the ledger, in order.
        finished: keys of the results that are there.
        owner: who works in the folder now; what started before that is not what it works on.
    """
    last: dict[str, StepEvent] = {}
    started: dict[str, float] = {}
    for event in events:
        last.pop(event.step, None)
        last[event.step] = event
        if event.kind == "started":
            started[event.step] = event.at
    open_ends = [event for event in last.values() if event.kind in ("started", "failed")]
    made = [_of(event, started.get(event.step), owner) for event in open_ends]
    # a finished result that is forced to run again stands until the new one is whole
    return [one for one in made if one.key not in finished or one.state == "running"]


def _of(event: StepEvent, started: float | None, owner: Owner | None) -> Unfinished:
    made = Unfinished(name=event.step, key=event.fingerprint, state="interrupted", started=started)
    if event.kind == "started":
        if owner is not None and (owner.since is None or event.at >= owner.since):
            made.state = "running"
        return made
    error = str(event.data.get("error") or "")
    made.ended = event.at
    if not event.data.get("interrupted") and not error.startswith(_INTERRUPTIONS):
        made.state, made.error = "failed", error or None
    return made
