"""What came from what: the closure of a step or trainer, the way each thing came in, what follows from the whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from ..ledger.money import sum_usd
from .record import Calls, Determinism, ModelUse, RunRecord, SourceUse, StepRecord, Totals, TrainerRecord

Record = StepRecord | TrainerRecord


def all_records(steps: Iterable[StepRecord], trainers: Iterable[TrainerRecord]) -> list[Record]:
    """Steps, then trainers, in one list."""
    return [*steps, *trainers]


class Lineage:
    """The steps and trainers of a run as a graph, by name."""

    def __init__(self, run: RunRecord) -> None:
        self.run = run
        self.records: dict[str, Record] = {record.name: record for record in all_records(run.steps, run.trainers)}
        self.children: dict[str, list[str]] = {}
        for step in run.steps:
            if step.inside:
                self.children.setdefault(step.inside, []).append(step.name)
        self._ancestors: dict[str, dict[str, str | None]] = {}

    def needs(self, name: str) -> list[str]:
        """Names that `name` was made from directly, each once: what it read, what ran inside it, who made its models.

        A name that the run does not hold (a record that was lost) is left out.
        """
        record = self.records[name]
        if isinstance(record, TrainerRecord):
            read, models = record.columns, [*record.models, *([record.base_model] if record.base_model else [])]
        else:
            read, models = record.inputs, record.models
        makers = (model.trainer for model in models)
        found = [*record.parents, *(use.step for use in read), *self.children.get(name, ()), *makers]
        return [need for need in dict.fromkeys(found) if need in self.records and need != name]

    def ancestors(self, name: str) -> dict[str, str | None]:
        """`name` and everything it came from, nearest first; each with the one through which it came in."""
        if name in self._ancestors:
            return self._ancestors[name]
        through: dict[str, str | None] = {name: None}
        frontier = [name]
        while frontier:
            found: list[str] = []
            for current in frontier:
                for need in self.needs(current):
                    if need not in through:
                        through[need] = current
                        found.append(need)
            frontier = found
        self._ancestors[name] = through
        return through

    def path(self, start: str, end: str) -> list[str]:
        """The shortest way from the ancestor `start` down to `end`, both included."""
        through = self.ancestors(end)
        way: list[str] = []
        current: str | None = start
        while current is not None:
            way.append(current)
            current = through.get(current)
        return way


def closure(run: RunRecord, name: str) -> RunRecord:
    """The part of `run` that `name` came from, itself included: what travels beside a step or trainer."""
    wanted = Lineage(run).ancestors(name)
    steps = [step for step in run.steps if step.name in wanted]
    trainers = [trainer for trainer in run.trainers if trainer.name in wanted]
    used = {record.environment for record in all_records(steps, trainers)}
    known = dict(run.environments)
    if run.environment and run.environment.digest:
        known.setdefault(run.environment.digest, run.environment)
    return replace(
        run,
        about=name,
        steps=steps,
        trainers=trainers,
        environments={digest: info for digest, info in known.items() if digest in used},
        losses=[loss for loss in run.losses if loss.step in wanted],
        totals=totals(steps, trainers),
    )


def totals(steps: Iterable[StepRecord], trainers: Iterable[TrainerRecord] = ()) -> Totals:
    """Sums over records. Rows of a step that ran inside another are not counted twice."""
    steps, trainers = list(steps), list(trainers)
    records = all_records(steps, trainers)
    outer = [step for step in steps if step.inside is None]
    return Totals(
        steps=len(steps),
        trainers=len(trainers),
        rows=sum(step.rows.output for step in outer),
        lost=sum(step.rows.lost for step in steps),
        calls=sum_calls(record.calls for record in records),
        cost_complete=all(record.calls.cost_usd is not None or not record.calls.calls for record in records),
        seconds=sum(record.seconds or 0.0 for record in all_records(outer, trainers)),
    )


def sum_calls(several: Iterable[Calls]) -> Calls:
    """The sum. Costs that are known are added up, in whole picodollars; none known is None."""
    several = list(several)
    total = Calls()
    for calls in several:
        for field in Calls.__struct_fields__:
            value = getattr(calls, field)
            if value is not None:
                setattr(total, field, (getattr(total, field) or 0) + value)
    total.cost_usd = sum_usd(calls.cost_usd for calls in several)
    return total


def determinism(run: RunRecord, name: str) -> Determinism:
    """The level that holds for `name` and all it came from: the lowest of theirs, with the one that sets it."""
    lineage = Lineage(run)
    records = [lineage.records[found] for found in lineage.ancestors(name)]
    lowest = min(records, key=lambda record: record.determinism.level)  # nearest first among equals
    own = lowest.determinism
    if lowest.name == name:
        return own
    return Determinism(level=own.level, why=f"{own.why.rstrip('.') or 'as recorded'} (in '{lowest.name}')")


def models_of(run: RunRecord) -> Iterator[tuple[Record, ModelUse]]:
    """Every use of a model in a run, with the step or trainer that used it."""
    for step in run.steps:
        yield from ((step, model) for model in step.models)
    for trainer in run.trainers:
        if trainer.base_model is not None:
            yield trainer, trainer.base_model
        yield from ((trainer, model) for model in trainer.models)


def sources_of(run: RunRecord) -> Iterator[tuple[StepRecord, SourceUse]]:
    """Every source of a run, with the step that read it."""
    for step in run.steps:
        yield from ((step, source) for source in step.sources)
