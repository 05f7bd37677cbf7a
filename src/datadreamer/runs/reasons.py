"""Why a step or trainer ran the last time: what differs from the version before, by their canonical views."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from msgspec import Struct

from ..cards.record import InputUse, RunRecord, StepRecord
from ..errors import InvalidArgumentError, nearest
from ..identity import first_difference
from ..ledger.records import StepEvent
from . import folder as folders


class Why(Struct, kw_only=True):
    """The answer for one step or trainer. Times are UTC seconds."""

    step: str
    verdict: str  # a sentence or two
    kind: str  # "first", "again", or what changed: "code", "setting", "input", "model", "environment"
    path: str | None = None  # the first leaf that differs, for example 'settings["instruction"]'
    old: Any = None
    new: Any = None
    at: float | None = None  # when it ran
    before: float | None = None  # when the version before ran
    found_finished: int = 0  # how often it was found finished since
    upstream: list[Why] = []  # the same answer for the steps whose rows changed


class _Version(Struct, frozen=True):
    key: str
    view: Any
    at: float


def why(path: str | os.PathLike[str], step: str) -> Why:
    """Explain why a step or trainer had to run when it last ran.

    Raises:
        SourceError: that is no output folder.
        InvalidArgumentError: no step or trainer of this name ever ran in it.
    """
    folder = folders.output_folder(path)
    run = folders.run_record(folder)
    with folders.reading_ledger(folder) as ledger:
        events = list(ledger.steps()) if ledger is not None else []
    known = _Known(folder, run, events)
    return known.explain(known.name_of(step), set())


class _Known:
    def __init__(self, folder: Path, run: RunRecord | None, events: list[StepEvent]) -> None:
        self.folder, self.events = folder, events
        self.records = {record.name: record for record in folders.records_of(run)}
        self.found = {one.name: one for one in folders.found(folder)}

    def name_of(self, step: str) -> str:
        names = {event.step for event in self.events} | set(self.found)
        for same in (str, str.casefold):
            matching = [name for name in names if same(name) == same(step)]
            if len(matching) == 1:
                return matching[0]
        by_label = next((one.name for one in self.found.values() if one.label == step.strip("/")), None)
        if by_label is not None:
            return by_label
        view = self.records.get(step)
        if view is not None:
            raise InvalidArgumentError(f"Step '{step}' is a view: it is made anew every time and never runs.")
        raise InvalidArgumentError(f"No step '{step}' ever ran in '{self.folder}'. {nearest(step, names)}")

    # --- one step -----------------------------------------------------------------------------------------------------

    def explain(self, name: str, above: set[str]) -> Why:
        versions = self.versions(name)
        hits = self.hits(name)
        if not versions:
            return self.linked(name, hits)
        now = versions[-1]
        earlier = next((version for version in reversed(versions) if version.key != now.key), None)
        answer = Why(step=name, verdict="", kind="first", at=now.at, found_finished=hits)
        if len(versions) > 1 and versions[-2].key == now.key:
            answer.kind = "again"
            answer.before = versions[-2].at
            answer.verdict = (
                "Nothing that counts had changed. It ran again because the run before it was stopped or failed, its "
                "files were gone or damaged, or because of force=True."
            )
            return answer
        if earlier is None:
            answer.verdict = "It ran for the first time: there was no earlier version of it in this folder."
            return answer
        answer.before = earlier.at
        self.compare(answer, earlier, now, above)
        return answer

    def compare(self, answer: Why, old: _Version, new: _Version, above: set[str]) -> None:
        difference = None if old.view is None or new.view is None else first_difference(old.view, new.view)
        if difference is None:
            answer.kind, answer.verdict = "unknown", "It had changed, but no view of the version before is kept."
            return
        answer.kind, answer.path = difference.kind, difference.path
        answer.old, answer.new = difference.old, difference.new
        answer.verdict = f"It had changed. {str(difference)[:1].upper()}{str(difference)[1:]}."
        if difference.kind == "input":
            self.follow(answer, above | {answer.step})

    def linked(self, name: str, hits: int) -> Why:
        verdict = "It never ran under this name: its result was found finished under another one."
        return Why(step=name, verdict=verdict, kind="first", found_finished=hits)

    def versions(self, name: str) -> list[_Version]:
        """Every start of it, oldest first, with the view that it started with."""
        views = {record.key: record.view for record in self.kept(name)}
        return [
            _Version(
                event.fingerprint, event.view if event.view is not None else views.get(event.fingerprint), event.at
            )
            for event in self.events
            if event.step == name and event.kind == "started"
        ]

    def kept(self, name: str) -> list[Any]:
        one = self.found.get(name)
        if one is None:
            return []
        results = [*folders.backups(self.folder, one.label), one]
        return [result.record for result in results if result.record is not None]

    def hits(self, name: str) -> int:
        last = max(
            (i for i, event in enumerate(self.events) if event.step == name and event.kind == "started"), default=-1
        )
        return sum(1 for event in self.events[last + 1 :] if event.step == name and event.kind == "hit")

    # --- where its rows come from -------------------------------------------------------------------------------------

    def follow(self, answer: Why, above: set[str]) -> None:
        """Ask the same of the steps that the changed input comes from, through views."""
        record = self.records.get(answer.step)
        if record is None:
            return
        uses: list[InputUse] = record.inputs if isinstance(record, StepRecord) else record.columns
        changed = [use for use in uses if answer.path is not None and f'"{use.name}"' in answer.path] or uses
        for parent in dict.fromkeys(use.step for use in changed if use.step is not None):
            for name in self.stored(parent, set()):
                if name not in above:
                    answer.upstream.append(self.explain(name, above))

    def stored(self, name: str, seen: set[str]) -> list[str]:
        """The step itself, or for a view the stored steps that it shows."""
        record = self.records.get(name)
        if name in seen or record is None:
            return []
        if record.label:
            return [name]
        below = [self.stored(parent, seen | {name}) for parent in record.parents]
        return list(dict.fromkeys(one for names in below for one in names))
