"""Training a text classifier: one label for each row, or any number of them."""

from __future__ import annotations

import threading
from typing import Any

import pyarrow as pa

from ...errors import InvalidArgumentError
from ..job import TrainingJob
from ..plan import TrainingResult
from . import loading, loop, metrics
from .encoding import EncodedRows, encode_split
from .events import Emit, log

SINGLE, MULTI = "single_label_classification", "multi_label_classification"


def classify(job: TrainingJob, emit: Emit, stop: threading.Event) -> TrainingResult | None:
    """Train as `TrainHFClassifier` says; None when stopped in between."""
    from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding

    validation = (job.data / "validation.arrow").exists()
    args = loop.arguments(job, validation)
    config, tokenizer = loading.load_config(job), loading.load_tokenizer(job)
    if getattr(config, "pad_token_id", None) is None:
        config.pad_token_id = tokenizer.pad_token_id
    limit = loading.max_length(tokenizer, config)
    names = ["train", "validation"] if validation else ["train"]
    splits = {name: _encode(job, name, tokenizer, limit, emit) for name in names}
    if stop.is_set():
        return None
    labels: list[str] = job.settings["labels"]
    head = {
        "num_labels": len(labels),
        "label2id": {label: i for i, label in enumerate(labels)},
        "id2label": dict(enumerate(labels)),
        "problem_type": MULTI if job.settings["multi_label"] else SINGLE,
        "pad_token_id": config.pad_token_id,
    }
    model = loading.load_model(job, AutoModelForSequenceClassification, **head)
    task = loop.Task(
        tokenizer=tokenizer,
        model=model,
        train=splits["train"],
        validation=splits.get("validation"),
        collator=DataCollatorWithPadding(tokenizer),
        metric="eval_joint",
        greater_is_better=True,
        compute_metrics=_measure(job.settings["multi_label"]),
        trainer_class=joint_trainer(),
        unquantized=lambda: loading.load_weights(job, AutoModelForSequenceClassification, None, **head),
    )
    return loop.run(job, task, args, emit, stop)


def _encode(job: TrainingJob, split: str, tokenizer: Any, limit: int, emit: Emit) -> EncodedRows:
    multi, truncate = job.settings["multi_label"], job.settings["truncate"]
    label2id = {label: i for i, label in enumerate(job.settings["labels"])}
    counts = {"truncated": 0}

    def encode(batch: dict[str, list[Any]], first: int) -> list[dict[str, Any]]:
        ids = tokenizer(batch["input"], truncation=False)["input_ids"]
        long = [i for i, row in enumerate(ids) if len(row) > limit]
        if long and not truncate:
            raise InvalidArgumentError(
                f"Row {first + long[0]} has {len(ids[long[0]])} tokens, and the model takes {limit}. Pass "
                "truncate=True to cut such rows, or filter them out."
            )
        counts["truncated"] += len(long)
        if long:  # cut by the tokenizer, which keeps the special tokens at the end
            ids = tokenizer(batch["input"], truncation=True, max_length=limit)["input_ids"]
        labels = [_label(value, label2id, multi) for value in batch["output"]]
        return [{"input_ids": row, "labels": label} for row, label in zip(ids, labels, strict=True)]

    label_type = pa.list_(pa.float32()) if multi else pa.int64()
    schema = pa.schema([("input_ids", pa.list_(pa.int32())), ("labels", label_type)])
    rows = encode_split(job.data / f"{split}.arrow", job.encoded / f"{split}.arrow", schema, encode, counts)
    if rows.counts["truncated"]:
        message = f"{rows.counts['truncated']} of {len(rows)} {split} rows are longer than {limit} tokens and were cut."
        log(emit, message, "warning")
    return rows


def _label(value: Any, label2id: dict[str, int], multi: bool) -> Any:
    if not multi:
        return label2id[str(value)]
    here = {label2id[str(label)] for label in value}
    return [float(i in here) for i in range(len(label2id))]


def _measure(multi: bool) -> Any:
    def measure(prediction: Any) -> dict[str, float]:
        logits = prediction.predictions
        logits = logits[0] if isinstance(logits, tuple) else logits  # some models return more than logits
        return (metrics.multi_label if multi else metrics.single_label)(logits, prediction.label_ids)

    return measure


def joint(score: float, loss: float) -> float:
    """A score from 0 to 1 where ties are broken by the lower loss."""
    return round(score, 6) + 5e-7 / (1.0 + max(loss, 0.0))  # the loss moves it by less than one mark of the grid


def joint_trainer() -> type:
    """A `transformers.Trainer` that also reports `eval_joint`: F1, where ties are broken by the lower loss."""
    from transformers import Trainer

    class JointTrainer(Trainer):
        def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
            output = super().evaluation_loop(*args, **kwargs)
            prefix = kwargs.get("metric_key_prefix", "eval")
            f1, loss = output.metrics.get(f"{prefix}_f1"), output.metrics.get(f"{prefix}_loss")
            if f1 is not None and loss is not None:
                output.metrics[f"{prefix}_joint"] = joint(f1, loss)
            return output

    return JointTrainer
