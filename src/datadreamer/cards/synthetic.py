"""How much of each column a model wrote, derived from the records: nobody has to say it, and nobody can forget to.

A column that a model wrote is synthetic, one generation deeper than the deepest thing the model was shown or, in this
run, trained on. A column that was copied, filtered, sorted or joined is what its source column was. A column computed
by code is synthetic where one of its inputs is. Text that a model judged, without writing it, is not synthetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .record import InputUse, ModelUse, OutputColumn, StepRecord, Synthetic, TrainerRecord

REAL = Synthetic(share="none", fraction=0.0, depth=0)
UNKNOWN = Synthetic()

# Declared output names of the published steps that hold what was composed for the model, not what it wrote.
COMPOSED = {"prompts", "judge_prompts", "attributes"}

_WRITERS = {"generated-by", "judged-by"}

Steps = Mapping[str, StepRecord]
Trainers = Mapping[str, TrainerRecord]
Upstream = Sequence[tuple[StepRecord, OutputColumn]]
Weighted = tuple[Synthetic, int | None]  # and the number of rows it stands for


def derive_synthetic(step: StepRecord, steps: Steps, trainers: Trainers) -> dict[str, Synthetic]:
    """`Synthetic` of every output column of `step`.

    Args:
        step: its outputs, inputs, parents, models and sources are read.
        steps: the steps it read and those that ran inside it, by name, each with its own `synthetic` already derived.
        trainers: trainers of the run, by name, for models that were trained in it.
    """
    return {column.name: _column(step, column, steps, trainers) for column in step.outputs}


def training_depth(trainer: TrainerRecord, steps: Steps, trainers: Trainers) -> int | None:
    """The deepest synthetic data a model was trained on, through its base model too; None when it is not known."""
    depths: list[int | None] = [_of_input(use, steps)[0].depth for use in trainer.columns]
    if trainer.base_model is not None:
        depths.append(_model_depth(trainer.base_model, steps, trainers))
    return _deepest(depths)


def _column(step: StepRecord, column: OutputColumn, steps: Steps, trainers: Trainers) -> Synthetic:
    if column.origin == "source":
        return _of_sources(step)
    if column.origin in ("generated", "judged"):
        return _written(step, column, steps, trainers)
    if column.origin == "computed":
        return combine([part for part, _ in _shown(step, column, steps)])
    if column.origin == "copied" and column.derived_from:
        return _copied(step, _copied_from(step, column, steps) or _shown(step, column, steps))
    return _undeclared(step, column, steps, trainers)


def _undeclared(step: StepRecord, column: OutputColumn, steps: Steps, trainers: Trainers) -> Synthetic:
    """What a column is when the step does not say: same content, then same name, then what the step works with.

    A column of the same name as one that was read may still be a rewriting of it, so where a model writes, only an
    output declared under the name of an input passes for a copy: rather a synthetic column too many than one too few.
    """
    upstream = _upstream(step, steps)
    same = [found for found in upstream if column.digest and found[1].digest == column.digest]
    if same:
        same.sort(key=lambda found: found[1].name != column.name)
        return _of_column(same[0][0], same[0][1].name)
    roles = {model.role for model in step.models} & _WRITERS
    if not roles:
        return _without_model(step, column, steps, upstream)
    if roles == {"judged-by"} and (named := _named(column, upstream)):
        return _copied(step, named)
    passed = [use for use in step.inputs if use.name == (column.declared or column.name)]
    if passed:
        return _copied(step, [_of_input(passed[0], steps)])
    if (column.declared or column.name) in COMPOSED:
        return combine([part for part, _ in _shown(step, column, steps)])
    return _written(step, column, steps, trainers)


def _without_model(step: StepRecord, column: OutputColumn, steps: Steps, upstream: Upstream) -> Synthetic:
    inner = [found for found, other in upstream if other.name == column.name and found.inside == step.name]
    if inner:  # a step made of steps gives what the last of them gave
        return _of_column(inner[-1], column.name)
    if step.sources or not (step.parents or step.inputs):
        return _of_sources(step)
    if named := _named(column, upstream):
        return _copied(step, named)
    return combine([part for part, _ in _shown(step, column, steps)])


def _named(column: OutputColumn, upstream: Upstream) -> list[Weighted]:
    return [(_of_column(step, other.name), step.rows.output) for step, other in upstream if other.name == column.name]


def _written(step: StepRecord, column: OutputColumn, steps: Steps, trainers: Trainers) -> Synthetic:
    depths = [part.depth for part, _ in _shown(step, column, steps)]
    depths += [_model_depth(model, steps, trainers) for model in step.models if model.role in _WRITERS]
    deepest = _deepest(depths)
    return Synthetic(share="full", fraction=1.0, depth=None if deepest is None else deepest + 1)


def _model_depth(model: ModelUse, steps: Steps, trainers: Trainers) -> int | None:
    if model.trainer is None:
        return 0  # what an outside model was trained on is not ours to count
    return training_depth(trainers[model.trainer], steps, trainers) if model.trainer in trainers else None


def _shown(step: StepRecord, column: OutputColumn, steps: Steps) -> list[Weighted]:
    """The columns that one output is made from: the inputs it names, else all inputs, else all of the parents."""
    wanted = [use for use in step.inputs if column.derived_from is None or use.name in column.derived_from]
    if wanted:
        return [_of_input(use, steps) for use in wanted]
    parts: list[Weighted] = []
    for name in step.parents:
        parent = steps.get(name)
        if parent is None:
            parts.append((UNKNOWN, None))
        else:
            parts += [(_of_column(parent, other.name), parent.rows.output) for other in parent.outputs]
    return parts


def _copied_from(step: StepRecord, column: OutputColumn, steps: Steps) -> list[Weighted]:
    """The columns that a copy stands for: of a result that was read whole, the one of the same (or the old) name."""
    name = column.declared or column.name
    parts: list[Weighted] = []
    for use in step.inputs:
        if use.name not in (column.derived_from or ()):
            continue
        read = steps.get(use.step) if use.step is not None and use.column is None else None
        if read is not None and any(other.name == name for other in read.outputs):
            parts.append((_of_column(read, name), use.rows if use.rows is not None else read.rows.output))
        else:
            parts.append(_of_input(use, steps))
    return parts


def _of_input(use: InputUse, steps: Steps) -> Weighted:
    if use.step is None:  # values given in the script
        return REAL, use.rows
    step = steps.get(use.step)
    if step is None:
        return UNKNOWN, use.rows
    rows = use.rows if use.rows is not None else step.rows.output
    if use.column is None:
        parts = [_of_column(step, column.name) for column in step.outputs]
        if not parts:  # a lazy result whose columns nobody has seen: whatever it reads
            parts = [_of_input(inner, steps)[0] for inner in step.inputs] or [UNKNOWN]
        return combine(parts), rows
    return _of_column(step, use.column), rows


def _of_column(step: StepRecord, name: str) -> Synthetic:
    return step.synthetic.get(name, UNKNOWN)


def _of_sources(step: StepRecord) -> Synthetic:
    """A source is taken as not synthetic unless its own card says so."""
    parts: list[Weighted] = []
    for source in step.sources:
        depth = source.depth if source.depth is not None else (1 if source.synthetic else 0)
        share = Synthetic(share="full", fraction=1.0, depth=depth) if depth else REAL
        parts.append((share, source.rows))
    return stack(parts)


def _upstream(step: StepRecord, steps: Steps) -> list[tuple[StepRecord, OutputColumn]]:
    inner = [name for name, other in steps.items() if other.inside == step.name]
    read = [use.step for use in step.inputs if use.step]
    found = [steps[name] for name in dict.fromkeys([*read, *step.parents, *inner]) if name in steps]
    return [(other, column) for other in found for column in other.outputs]


def _copied(step: StepRecord, parts: list[Weighted]) -> Synthetic:
    """Rows of other columns, one after the other. Which of them a filter kept is not known: no fraction then."""
    whole = stack(parts)
    rows = [count for _, count in parts if count is not None]
    if whole.share == "partial" and sum(rows) != step.rows.output:
        whole = Synthetic(share="partial", fraction=None, depth=whole.depth)
    return whole


def stack(parts: Sequence[Weighted]) -> Synthetic:
    """Of rows below each other, each part with its number of rows."""
    if not parts:
        return REAL
    shares = {part.share for part, _ in parts}
    depth = _deepest([part.depth for part, _ in parts])
    if "unknown" in shares:
        return Synthetic(share="unknown", depth=depth)
    if shares == {"full"}:
        return Synthetic(share="full", fraction=1.0, depth=depth)
    if shares == {"none"}:
        return Synthetic(share="none", fraction=0.0, depth=depth)
    return Synthetic(share="partial", fraction=_weighted(parts), depth=depth)


def _weighted(parts: Sequence[Weighted]) -> float | None:
    if len(parts) == 1:
        return parts[0][0].fraction
    total = written = 0.0
    for part, rows in parts:
        if part.fraction is None or rows is None:
            return None
        total += rows
        written += part.fraction * rows
    return written / total if total else None


def combine(parts: Sequence[Synthetic]) -> Synthetic:
    """Of values side by side in one row, out of which one value was computed."""
    shares = [part.share for part in parts]
    depth = _deepest([part.depth for part in parts])
    if "full" in shares:
        return Synthetic(share="full", fraction=1.0, depth=depth)
    if "unknown" in shares:
        return Synthetic(share="unknown", depth=depth)
    partial = [part for part in parts if part.share == "partial"]
    if partial:
        return Synthetic(share="partial", fraction=partial[0].fraction if len(partial) == 1 else None, depth=depth)
    return Synthetic(share="none", fraction=0.0, depth=depth)


def _deepest(depths: Sequence[int | None]) -> int | None:
    if any(depth is None for depth in depths):
        return None
    return max((depth for depth in depths if depth is not None), default=0)
