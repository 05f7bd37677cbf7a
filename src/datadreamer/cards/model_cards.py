"""The card of a trained model: what it was trained from, on what, how, and how well that went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import card_sections as shared
from .data_cards import is_synthetic
from .lineage import closure
from .markdown import UNKNOWN, block, code, duration, inline, link, number, section, sections, table
from .readme import Card
from .record import ModelUse, RunRecord, StepRecord, TrainerRecord
from .training_history import history_section

_LIMITS = (
    "What this model may be used for has not been examined beyond the metrics above. It can repeat the errors and the "
    "biases of its base model, of its training data and, where that data is synthetic, of the models that wrote it. "
    "Evaluate it on your own task before relying on it."
)


def model_card(
    run: RunRecord,
    trainer: str,
    *,
    title: str | None = None,
    synthetic: bool | None = None,
    datasets: Sequence[str] = (),
    tags: Sequence[str] = (),
) -> Card:
    """The card of one trained model, with the data it was trained on and all that came from, recursively.

    Args:
        run: the record of the output folder, or a closure.
        trainer: the trainer's name.
        title: the heading; the trainer's name when None.
        synthetic: whether to tag the model as trained on synthetic data; derived from lineage when None.
        datasets: Hub ids under which the training data is published, if it is.
        tags: more tags for the YAML block.
    """
    run = closure(run, trainer)
    record = next(found for found in run.trainers if found.name == trainer)
    metadata = _metadata(run, record, synthetic, datasets, tags)
    return Card(kind="model", metadata=metadata, body=_body(run, record, title))


def _metadata(
    run: RunRecord, record: TrainerRecord, synthetic: bool | None, datasets: Sequence[str], tags: Sequence[str]
) -> dict[str, Any]:
    if synthetic is None:
        synthetic = any(is_synthetic(step) for step in run.steps)
    base = record.base_model
    base_id = base.asked if base is not None and _from_hub(base) else None
    adapter = record.model.adapter_only
    return {
        "base_model": base_id,
        "base_model_relation": ("adapter" if adapter else "finetune") if base_id else None,
        "datasets": list(dict.fromkeys([*datasets, *shared.hub_ids(run)])) or None,
        "library_name": "peft" if adapter else record.library or "transformers",
        "pipeline_tag": record.pipeline_tag,
        "tags": list(dict.fromkeys([*tags, *(["synthetic"] if synthetic else []), *shared.version_tags(run)])),
    }


def _from_hub(base: ModelUse) -> bool:
    """Whether the base model is a Hub repository: a local folder may have a name that looks like one."""
    local = base.trainer is not None or (base.digest is not None and base.revision is None)
    return base.provider in (None, "huggingface") and not local and shared.is_hub_id(base.asked)


def _body(run: RunRecord, record: TrainerRecord, title: str | None) -> str:
    return sections(
        f"# {inline(title or record.name)}",
        _sentence(run, record),
        section("Base model", _base_table(record)),
        _training_data(run, record),
        section("Training settings", _settings_table(record.settings)),
        _metrics(record),
        history_section(record.history),
        section("Chat template", block(record.chat_template, "jinja") if record.chat_template else ""),
        section("Intended use and limits", _LIMITS),
        section("How the training data was made", shared.chain(run)),
        _earlier_trainers(run, record),
        shared.models_section(run),
        shared.prompts_section(run),
        shared.sources_section(run),
        shared.rows_section(run),
        shared.cost_section(run),
        shared.determinism_section(run, record.name),
        shared.contamination_section(run),
        shared.licenses_section(run),
        shared.notes_section(run),
        shared.citations_section(run),
        shared.reproduce_section(run, record),
    )


def _sentence(run: RunRecord, record: TrainerRecord) -> str:
    base = (
        link(record.base_model.asked or record.base_model.name, record.base_model.card_url) if record.base_model else ""
    )
    start = f"{base}, trained" if base else "A model trained"
    doc = f" ({inline(record.doc).rstrip('.')})" if record.doc else ""
    made = f"by {code(shared.short_kind(record))}{doc} in {duration(record.seconds)}"
    return f"{start} {made}, with [DataDreamer](https://pypi.org/project/datadreamer/) {inline(run.library_version)}."


def _base_table(record: TrainerRecord) -> str:
    base, model = record.base_model or ModelUse(name=UNKNOWN, role="trained-from"), record.model
    license_ = (base.license.id or base.license.text) if base.license else None
    rows = [
        ("base model", link(base.asked or base.name, base.card_url)),
        ("revision or digest", code(base.revision or base.digest or "") or UNKNOWN),
        ("licence of the base model", inline(license_ or UNKNOWN)),
        ("trained in this workflow by", inline(base.trainer or "")),
        ("quantization", code(_text(base.quantization))),
        ("adapter", code(_text(base.adapter))),
        ("what was saved", "adapter weights only" if model.adapter_only else "full weights"),
        ("parameters (trainable)", f"{number(model.parameters)} ({number(model.trainable_parameters)})"),
    ]
    return table(("", ""), [row for row in rows if row[1]])


def _training_data(run: RunRecord, record: TrainerRecord) -> str:
    steps = {step.name: step for step in run.steps}
    rows = []
    for use in record.columns:
        step = steps.get(use.step or "")
        share, depth = _synthetic(step, use.column)
        count = use.rows if use.rows is not None else step.rows.output if step else None
        cells = (code(use.column or ""), number(count), share, depth, code(use.digest or "") or UNKNOWN)
        rows.append((code(use.name), inline(use.step or "given in the script"), *cells))
    headers = ("used as", "from step", "column", "rows", "synthetic", "depth", "content digest")
    return section("Training data", table(headers, rows))


def _synthetic(step: StepRecord | None, column: str | None) -> tuple[str, str]:
    found = step.synthetic.get(column or "") if step else None
    return (found.share, number(found.depth)) if found else (UNKNOWN, UNKNOWN)


def _settings_table(settings: dict[str, Any]) -> str:
    return table(("setting", "value"), [(code(key), code(_text(value))) for key, value in settings.items()])


def _metrics(record: TrainerRecord) -> str:
    names = dict.fromkeys([*record.metrics_before, *record.metrics])
    rows = [(code(name), _value(record.metrics_before, name), _value(record.metrics, name)) for name in names]
    return section("Metrics", table(("metric", "before training", "after"), rows))


def _value(metrics: dict[str, float | None], name: str) -> str:
    if name not in metrics:
        return "not measured"
    value = metrics[name]
    return "not a number" if value is None else number(value)


def _earlier_trainers(run: RunRecord, record: TrainerRecord) -> str:
    rows = []
    for trainer in run.trainers:
        if trainer.name != record.name:
            settings = shared.settings_text(trainer.settings)
            measured = shared.settings_text(dict(trainer.metrics))
            rows.append((inline(trainer.name), code(shared.short_kind(trainer)), settings, measured))
    return section("Models trained on the way", table(("trainer", "kind", "settings", "metrics"), rows))


def _text(value: Any) -> str:
    import json

    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, default=str)
