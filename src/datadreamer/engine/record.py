"""Writing down what a step did: its `StepRecord`, from which every card is derived."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from .. import __version__, _context
from ..cards import (
    Calls,
    Determinism,
    InputUse,
    ModelUse,
    OutputColumn,
    PromptText,
    Rows,
    StepRecord,
    TrainerRecord,
)
from ..steps.fingerprint import Fingerprints, fingerprints
from ..steps.rows import Tally
from ..steps.step import Step

AnyRecord = TypeVar("AnyRecord", StepRecord, TrainerRecord)


def cleaned(record: AnyRecord) -> AnyRecord:
    """The record without secrets and home paths, wherever they stood in it: a model's spec, a source, a setting."""
    from .session_facts import redactor

    raw = msgspec.json.encode(record)
    clean = redactor().data(raw)
    return record if clean is raw else msgspec.json.decode(clean, type=type(record))


def step_record(
    step: Step,
    label: str,
    prints: Fingerprints,
    dataset: dict[str, Any],
    outputs: list[OutputColumn],
    tally: Tally | None,
    scope: _context.StepScope | None,
    started: float,
) -> StepRecord:
    """Everything known about a step that has just ended.

    Args:
        dataset: the `DatasetInfo` of its result as plain data; empty for a view.
        outputs: its columns; see `output_columns`.
        started: UTC seconds.
    """
    from .session_facts import redactor

    ended = max(time.time(), started)  # a clock that was set back
    record = StepRecord(
        name=step.name,
        kind=f"{type(step).__module__}.{type(step).__qualname__}",
        label=label,
        doc=_first_sentence(type(step)),
        fingerprint=prints.workflow,
        key=prints.key,
        view=redactor().json(prints.view),
        settings=redactor().json(_readable(step)),
        prompts=[PromptText(role=role, text=redactor().text(text)) for role, text in step.card_prompts()],
        inputs=[input_use(name, value) for name, value in step._inputs.items()],
        outputs=outputs,
        dataset=dataset,
        models=model_uses(step, scope),
        sources=step.card_sources(),
        status="partial" if tally is not None and tally.stopped is not None else "finished",
        rows=conserved(step, tally),
        calls=calls(scope),
        started=started,
        ended=ended,
        seconds=ended - started,
        determinism=determinism(step, scope),
        library_version=__version__,
        data_card=redactor().json(step._data_card),
        parents=parents(step._inputs),
        inside=getattr(step, "_inside", None),
    )
    return cleaned(record)


def _first_sentence(cls: type) -> str | None:
    text = " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())
    return text or None


def output_columns(step: Step, names: list[str], schema: Any, digests: dict[str, str]) -> list[OutputColumn]:
    """The columns of a result.

    Args:
        schema: their Arrow types; None for rows that are made when they are read.
        digests: content digest by column name, where it is known.
    """
    renamed: dict[str, str] = getattr(step, "column_mapping", {}) if step.any_columns else step.output_name_mapping
    declared = {new: old for old, new in renamed.items()}
    made = []
    for name in names:
        was = declared.get(name, name)
        origin, _, read = step.origins.get(was, step.origins.get("*", "")).partition(":")
        made.append(
            OutputColumn(
                name=name,
                type="" if schema is None else str(schema.field(name).type),
                digest=digests.get(name),
                declared=was if was != name else None,
                origin=origin or None,  # type: ignore[arg-type]
                derived_from=read.split(",") if read else None,
            )
        )
    return made


def _readable(step: Step) -> dict[str, Any]:
    """Settings as a person would want to read them: values where they are JSON, names where they are not."""
    return {name: _plain(value) for name, value in step.identity().items()}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    name = getattr(value, "display_name", None) or getattr(value, "__qualname__", None)
    return name if isinstance(name, str) else type(value).__name__


def known_columns(dataset: Any) -> list[str]:
    """Names of a result's columns, as far as they are known without computing a lazy row."""
    if hasattr(dataset, "known_column_names"):
        return dataset.known_column_names or []
    return list(dataset.column_names)


def input_use(name: str, value: Any) -> InputUse:
    """Which column of which step an input is."""
    step = getattr(value, "step", None)
    names = known_columns(value)
    return InputUse(
        name=name,
        step=getattr(step, "name", None),
        fingerprint=fingerprints(step).workflow if isinstance(step, Step) else None,
        column=names[0] if len(names) == 1 else None,
        digest=getattr(value, "digest", None),
        rows=value.num_rows,
    )


def parents(inputs: dict[str, Any]) -> list[str]:
    """Names of the steps that were read, each once, in order."""
    names = [getattr(getattr(value, "step", None), "name", None) for value in inputs.values()]
    return list(dict.fromkeys(name for name in names if name is not None))


def conserved(step: Step, tally: Tally | None) -> Rows:
    """Where the input rows went. What `run()` does not say is taken as rows dropped or added on purpose."""
    from .execute import input_rows

    if tally is None:
        return Rows()
    total = input_rows(step)
    read = tally.consumed if total is None else total
    kept = tally.written + tally.filtered + tally.lost
    stopped = tally.stopped is not None
    if stopped and total is None:
        read = max(kept, step.expected_rows() or 0)
    missing = max(0, read - kept)
    return Rows(
        input=read,
        output=tally.written,
        filtered=tally.filtered + (0 if stopped else missing),
        failed=dict(tally.failed),
        expanded=max(0, kept - read),
        pending=missing if stopped else 0,
    )


def calls(scope: _context.StepScope | None) -> Calls:
    """What the models of this step did, as the record has it."""
    if scope is None:
        return Calls()
    stats = scope.stats
    return Calls(**{name: getattr(stats, name) for name in Calls.__struct_fields__})


def model_uses(step: Step, scope: _context.StepScope | None) -> list[ModelUse]:
    """The models that a step asked: their spec, who served them, licence and citations."""
    if scope is None:
        return []
    named = (*step._args.values(), *step.identity().values())  # a step may hold several models in one setting
    holders = [value for value in named if hasattr(value, "spec")]
    holders += [model for value in holders for model in getattr(value, "models", ())]  # a retriever's embedder
    holders = [*holders, *(one for value in holders for one in getattr(value, "members", ()))]  # models as one
    known = {getattr(value, "display_name", None): value for value in holders}
    sampling: dict[str, Any] = getattr(step, "sampling", dict)()
    return [
        model_use(name, {"sampling": sampling, **facts}, known.get(name), step.model_role)
        for name, facts in scope.models.items()
    ]


def model_use(name: str, facts: dict[str, Any], model: Any, role: str) -> ModelUse:
    """One model, from what it says of itself and what answered."""
    from ..cards import LicenseFact

    spec = dict(facts.get("spec") or {})
    given = spec.get("model") or getattr(model, "model_name", None)
    license_text = getattr(model, "license", None)
    return ModelUse(
        name=name.replace(given, public_name(given)) if isinstance(given, str) else name,
        role=role,  # type: ignore[arg-type]
        provider=spec.get("provider") or spec.get("wire"),
        endpoint=spec.get("host") or spec.get("endpoint"),
        asked=public_name(given) if isinstance(given, str) else None,
        revision=spec.get("revision"),
        digest=spec.get("digest"),
        served=dict(facts.get("served") or {}),
        sampling=_plain(dict(facts.get("sampling") or {})),
        quantization=spec.get("quantization"),
        adapter=spec.get("adapter"),
        trainer=facts.get("trainer"),
        spec=_plain(spec),
        license=LicenseFact(text=str(license_text), stated_by="model") if license_text else None,
        citations=list(getattr(model, "citation", None) or []),
        card_url=getattr(model, "model_card", None),
    )


def public_name(model_name: str) -> str:
    """A model's name for others to read: a folder on this machine goes by its own name, not by its path."""
    path = Path(model_name)
    if not path.is_absolute() and not path.is_dir():
        return model_name
    return path.parent.name if path.name == "_model" else path.name


def determinism(step: Step, scope: _context.StepScope | None) -> Determinism:
    """How exactly this step's rows can be made again, from what it did."""
    if scope is not None and scope.models:
        if all(_is_pinned(facts.get("spec") or {}) for facts in scope.models.values()):
            return Determinism(level="D2", why="local model, pinned by the content of its files or its commit")
        alias = next((facts for facts in scope.models.values() if not _is_snapshot(facts.get("spec") or {})), None)
        if alias is not None:
            given = public_name(str((alias.get("spec") or {}).get("model")))
            return Determinism(
                level="D0",
                why=f"'{given}' names no fixed version, so what it answers with may change; exact from the recording",
            )
        return Determinism(level="D1", why="a hosted model was asked; exact from the recording, statistical without it")
    if any(item.role in ("input", "rows") for item in step._declaration.fields.values()) or step.card_sources():
        return Determinism(level="D4", why="code and data only")
    return Determinism(level="D4", why="made from values in the script")


def _is_snapshot(spec: dict[str, Any]) -> bool:
    """Whether a model is one fixed version: a known revision, or a name with a date or a version number in it."""
    if _is_pinned(spec) or spec.get("revision") or "answers" in spec:
        return True
    return bool(re.search(r"20\d{2}-?\d{2}-?\d{2}|-\d{3,4}$|@", str(spec.get("model") or "")))


def _is_pinned(spec: dict[str, Any]) -> bool:
    """Whether a local model's weights are known exactly."""
    return "digest" in spec or (spec.get("provider") == "transformers" and spec.get("resolved", True))
