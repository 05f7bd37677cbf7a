"""The training loop that every Hugging Face trainer shares: arguments, resuming, the best model, its result."""

from __future__ import annotations

import json
import math
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ..job import ADAPTER, TrainingJob
from ..plan import TrainingResult
from . import checkpoints
from .early_stopping import Patience
from .events import Emit, figures, finite, log, reporter
from .loading import parameter_counts
from .plain_trainer import PlainFiles

HISTORY_POINTS = 1000  # a longer training logs its loss every so many steps, as the mean between


@dataclass(slots=True)
class Task:
    """What is different about one kind of training."""

    tokenizer: Any
    model: Any
    train: Any  # map-style dataset of encoded rows
    validation: Any | None
    collator: Any
    metric: str  # decides which model is the best, for example "eval_loss"
    greater_is_better: bool
    trainer_class: type | None = None  # a `transformers.Trainer`; None: that class itself
    compute_metrics: Any = None
    chat_template: str | None = None
    unquantized: Any = None  # loads the base model once more, to merge an adapter into


def arguments(job: TrainingJob, validation: bool) -> Any:
    """The `transformers.TrainingArguments` of the job: ours, then what the user gave.

    Built before anything is loaded, as they check themselves.
    """
    from transformers import TrainingArguments

    given = {**job.settings["arguments"], **job.runtime["arguments"]}
    rhythm = {"eval_strategy": "epoch" if validation else "no"} | {
        name: given[name] for name in ("eval_strategy", "eval_steps") if name in given
    }
    # Keeping the best model means saving whenever it is evaluated.
    when = rhythm["eval_strategy"] if rhythm["eval_strategy"] != "no" else "epoch"
    evaluates = validation and rhythm["eval_strategy"] != "no"
    saving = {"save_strategy": given.get("save_strategy", when)}
    if "eval_steps" in rhythm:
        saving["save_steps"] = rhythm["eval_steps"]
    ours = {
        **rhythm,
        **saving,
        "output_dir": str(job.checkpoints),
        "load_best_model_at_end": evaluates and saving["save_strategy"] != "no",
        "eval_on_start": evaluates,
        "per_device_eval_batch_size": given["per_device_train_batch_size"],
        "data_seed": given["seed"],
        "remove_unused_columns": False,
        "report_to": [],
        "disable_tqdm": True,
        "log_level": "error",
        "logging_first_step": True,
        "logging_nan_inf_filter": False,
        "dataloader_pin_memory": job.runtime.get("device") != "cpu",
        "use_cpu": job.runtime.get("device") == "cpu",
    }
    chosen = {**ours, **given}
    chosen.pop("save_total_limit", None)  # kept by `PlainFiles`, which knows which checkpoints are whole
    return TrainingArguments(**chosen)


def run(job: TrainingJob, task: Task, args: Any, emit: Emit, stop: threading.Event) -> TrainingResult | None:
    """Train, or go on training, and leave the result in `job.model`. None when it was stopped in between."""
    if "metric_for_best_model" not in job.settings["arguments"]:  # which TrainingArguments has made the loss by now
        args.metric_for_best_model, args.greater_is_better = task.metric, task.greater_is_better
    checkpoint = checkpoints.last_checkpoint(job.checkpoints)
    args.eval_on_start = args.eval_on_start and checkpoint is None
    _set_log_interval(args, len(task.train), "logging_steps" in job.runtime["arguments"])
    used_cache = getattr(task.model.config, "use_cache", None)
    trainer = _build(job, task, args, emit, stop)
    trainer.seconds_before = checkpoints.seconds_spent(checkpoint)
    if checkpoint is not None:
        log(emit, f"Resuming from the checkpoint of step {checkpoints.step_of(checkpoint)}.")
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    over = trainer.state.global_step >= trainer.state.max_steps or _early(trainer)
    if stop.is_set() and not over:
        return None
    if used_cache is not None:
        task.model.config.use_cache = used_cache  # turned off for training; generation wants it
    result = _result(job, task, trainer, checkpoint)
    _finish(job, task, result)
    return result


def finished(job: TrainingJob) -> TrainingResult | None:
    """The result of a training that ended before its session could take it."""
    path = job.work_dir / "result.json"
    if not (job.model.is_dir() and path.is_file()):
        return None
    return msgspec.json.decode(path.read_bytes(), type=TrainingResult)


def _build(job: TrainingJob, task: Task, args: Any, emit: Emit, stop: threading.Event) -> Any:
    from transformers import PrinterCallback, Trainer

    own = job.callables
    base = own.get("trainer_cls") or task.trainer_class or Trainer
    trainer_class = type(base.__name__, (PlainFiles, base), {})
    trainer = trainer_class(
        model=task.model,
        args=args,
        data_collator=own.get("data_collator") or task.collator,
        train_dataset=task.train,
        eval_dataset=task.validation,
        processing_class=task.tokenizer,
        compute_metrics=own.get("compute_metrics") or task.compute_metrics,
        compute_loss_func=own.get("compute_loss"),
        preprocess_logits_for_metrics=own.get("preprocess_logits_for_metrics"),
        callbacks=[*own.get("callbacks", []), reporter(emit, stop)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.keep_checkpoints = job.runtime["arguments"].get("save_total_limit") or 1
    trainer.make_scheduler = own.get("lr_scheduler")
    if "optimizer" in own:
        trainer.optimizer = own["optimizer"](task.model)
    _stop_early(trainer, job.settings.get("early_stopping"), args)
    return trainer


def _stop_early(trainer: Any, settings: dict[str, Any] | None, args: Any) -> None:
    from transformers import TrainerCallback

    if settings is None or trainer.eval_dataset is None:
        return
    name = args.metric_for_best_model
    metric = name if name.startswith("eval_") else f"eval_{name}"
    patience = Patience(metric, bool(args.greater_is_better), settings["patience"], settings["threshold"])

    class StopEarly(TrainerCallback):
        def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if patience.exhausted(state.log_history):
                control.should_training_stop = True

    trainer.patience = patience
    trainer.add_callback(StopEarly())


def _early(trainer: Any) -> bool:
    return trainer.patience is not None and trainer.patience.exhausted(trainer.state.log_history)


def _set_log_interval(args: Any, rows: int, chosen: bool) -> None:
    if chosen:
        return
    per_step = args.train_batch_size * args.gradient_accumulation_steps
    steps = args.max_steps if args.max_steps > 0 else math.ceil(rows / per_step) * args.num_train_epochs
    args.logging_steps = max(1, math.ceil(steps / HISTORY_POINTS))


def _result(job: TrainingJob, task: Task, trainer: Any, checkpoint: Path | None) -> TrainingResult:
    state = trainer.state
    history = [figures(entry) for entry in state.log_history if "train_loss" not in entry]
    evaluations = [entry for entry in history if any(key.startswith("eval_") for key in entry)]
    best = state.best_global_step if trainer.args.load_best_model_at_end else None
    kept = [entry for entry in evaluations if entry["step"] == best] or evaluations
    losses = [entry for entry in history if "loss" in entry and (best is None or entry["step"] <= best)]
    before = [entry for entry in evaluations if entry["step"] == 0]
    trainable, total = parameter_counts(task.model)
    splits = {"train": task.train, "validation": task.validation}
    return TrainingResult(
        metrics={**_numbers(losses[-1:], ("loss",)), **_numbers(kept[-1:])},
        metrics_before=_numbers(before[:1]),
        history=[{key: finite(value) for key, value in entry.items()} for entry in history],
        steps=state.global_step,
        epochs=float(state.epoch or 0),
        best_step=best,
        early_stopped=_early(trainer),
        resumed_from=None if checkpoint is None else checkpoints.step_of(checkpoint),
        train_seconds=trainer.seconds,
        device=trainer.args.device.type,
        dtype=str(next(task.model.parameters()).dtype).removeprefix("torch."),
        trainable_parameters=trainable,
        total_parameters=total,
        rows={name: len(rows) for name, rows in splits.items() if rows is not None},
        tokens={name: rows.counts.get("tokens", 0) for name, rows in splits.items() if rows is not None},
        truncated_rows={name: rows.counts.get("truncated", 0) for name, rows in splits.items() if rows is not None},
        adapter=_is_adapter(job) and not _has_head(job),
        chat_template=task.chat_template,
        libraries=_versions(),
    )


def _numbers(entries: list[dict[str, Any]], names: tuple[str, ...] | None = None) -> dict[str, float | None]:
    chosen = entries[0] if entries else {}
    return {
        key: finite(value)
        for key, value in chosen.items()
        if isinstance(value, int | float) and (key in names if names else key not in ("step", "epoch"))
    }


def _versions() -> dict[str, str]:
    import sys

    names = ("torch", "transformers", "accelerate", "peft", "tokenizers", "safetensors", "bitsandbytes")
    found = {name: getattr(sys.modules.get(name), "__version__", None) for name in names}
    return {name: str(version) for name, version in found.items() if version}


def _finish(job: TrainingJob, task: Task, result: TrainingResult) -> None:
    """Write the model beside its place, then the result, then put the model in its place."""
    draft = job.work_dir / "_model.draft"
    shutil.rmtree(draft, ignore_errors=True)
    _save(job, task, draft)
    for where in ("is_local", "local_files_only"):  # how it was loaded here
        task.tokenizer.init_kwargs.pop(where, None)
    task.tokenizer.save_pretrained(str(draft))
    for form in draft.glob("**/README.md"):  # an empty form that PEFT leaves; the card is written elsewhere
        form.unlink()
    (job.work_dir / "result.json").write_text(json.dumps(msgspec.to_builtins(result)), encoding="utf-8")
    draft.replace(job.model)


def _is_adapter(job: TrainingJob) -> bool:
    return job.settings.get("peft_config") is not None


def _has_head(job: TrainingJob) -> bool:
    """Whether the training made an output layer of its own, whose shape an adapter's files do not tell."""
    return job.settings.get("task") == "classifier"


def _save(job: TrainingJob, task: Task, folder: Path) -> None:
    """Write the model: all of its weights, or its adapter; of a classifier with an adapter, both."""
    if not (_is_adapter(job) and _has_head(job)):
        task.model.save_pretrained(str(folder))
        return
    task.model.save_pretrained(str(folder / ADAPTER))
    whole = task.model
    if job.settings["quantization_config"]:
        from peft import PeftModel

        whole = PeftModel.from_pretrained(task.unquantized(), str(folder / ADAPTER))
    whole.merge_and_unload().save_pretrained(str(folder))
