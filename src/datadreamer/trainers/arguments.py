"""The options of a training: our own few, the callables, and any of transformers' `TrainingArguments`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .. import _lazy
from ..errors import InvalidArgumentError, InvalidTypeError, nearest
from .configs import plain

# Options that are functions or objects: they cannot be sent to another process without pickle.
CALLABLES = (
    "callbacks",
    "compute_loss",
    "compute_metrics",
    "data_collator",
    "lr_scheduler",
    "optimizer",
    "optimizers",
    "preprocess_logits_for_metrics",
    "trainer_cls",
)
OWN = ("early_stopping_patience", "early_stopping_threshold")

# TrainingArguments that say how much is told or kept, and never what is learnt.
RUNTIME = frozenset(
    (
        "dataloader_num_workers", "dataloader_persistent_workers", "dataloader_pin_memory",
        "dataloader_prefetch_factor", "include_num_input_tokens_seen", "log_on_each_node", "logging_dir",
        "logging_first_step", "logging_steps",
        "logging_strategy", "project", "report_to", "run_name", "save_total_limit", "skip_memory_metrics",
        "trackio_space_id",
    )
)  # fmt: skip

# TrainingArguments that something else here decides: what to use instead.
DECIDED = {
    "output_dir": "The session decides where files go",
    "num_train_epochs": "Use epochs=",
    "per_device_train_batch_size": "Use batch_size=",
    "resume_from_checkpoint": "An interrupted training resumes by itself",
    "push_to_hub": "Use publish_to_hf_hub() after training",
    "use_cpu": "Use device='cpu' on the trainer",
    "no_cuda": "Use device='cpu' on the trainer",
    "disable_tqdm": "Progress is shown by the session",
    "log_level": "Use log_level= of the trainer",
    "save_safetensors": "Weights are always saved as safetensors",
    "remove_unused_columns": "The rows have only the columns that are trained on",
    "save_only_model": "Resuming needs the whole state",
    "restore_callback_states_from_checkpoint": "An interrupted training resumes by itself",
    "auto_find_batch_size": "The batch size decides what is learnt, so it is given: use batch_size=",
    "fsdp": "Training runs on one device",
    "fsdp_config": "Training runs on one device",
    "deepspeed": "Training runs on one device",
}


@dataclass(slots=True)
class Options:
    """What `train()` was given, sorted by what becomes of it."""

    arguments: dict[str, Any]  # TrainingArguments that count
    runtime: dict[str, Any]  # TrainingArguments that do not
    early_stopping: dict[str, Any] | None
    callables: dict[str, Any] = field(default_factory=dict)


def common_arguments(*, epochs: float, batch_size: int, **others: Any) -> dict[str, Any]:
    """The published arguments of `train()` under their names in `TrainingArguments`."""
    return {"num_train_epochs": epochs, "per_device_train_batch_size": batch_size, **others}


def sort_options(who: str, common: Mapping[str, Any], extra: Mapping[str, Any], validation: bool) -> Options:
    """Check and sort the options of a training.

    Args:
        who: the trainer, as the subject of errors.
        common: TrainingArguments made of the published arguments of `train()`.
        extra: the further keyword arguments of `train()`.
        validation: whether there are validation rows.

    Raises:
        InvalidArgumentError, InvalidTypeError: an unknown name (with the nearest known one) or an impossible value.
    """
    _check_names(who, extra)
    _check_values(who, common)
    callables = {name: extra[name] for name in CALLABLES if extra.get(name) is not None}
    given = {name: value for name, value in extra.items() if name not in CALLABLES and name not in OWN}
    arguments = {name: plain(value, name) for name, value in {**common, **given}.items()}
    return Options(
        arguments={name: value for name, value in arguments.items() if name not in RUNTIME},
        runtime={name: value for name, value in arguments.items() if name in RUNTIME},
        early_stopping=_early_stopping(who, extra, validation),
        callables=_checked_callables(who, callables),
    )


@cache
def argument_names() -> frozenset[str]:
    """Names of the fields of the installed `transformers.TrainingArguments`, without importing torch.

    They are read from its source: importing the class costs seconds, also when the model is trained already.
    """
    spec = find_spec("transformers")
    if spec is None or not spec.submodule_search_locations:
        _lazy.require("transformers", extra="train", needed_for="Training")
        return frozenset()
    tree = ast.parse((Path(spec.submodule_search_locations[0]) / "training_args.py").read_text(encoding="utf-8"))
    found = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "TrainingArguments")
    names = (
        node.target.id for node in found.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    )
    return frozenset(name for name in names if not name.startswith("_"))


def _check_names(who: str, extra: Mapping[str, Any]) -> None:
    known = argument_names()
    for name in extra:
        if name in DECIDED:
            raise InvalidArgumentError(f"{who}: {name} cannot be given. {DECIDED[name]}.")
        if name not in known and name not in CALLABLES and name not in OWN:
            hint = nearest(name, [*known, *CALLABLES, *OWN, "epochs", "batch_size"])
            raise InvalidArgumentError(f"{who}: train() has no argument '{name}'. {hint}")


def _check_values(who: str, common: Mapping[str, Any]) -> None:
    rules: dict[str, tuple[Callable[[Any], bool], str]] = {
        "num_train_epochs": (lambda v: v > 0, "a number above 0"),
        "per_device_train_batch_size": (lambda v: v >= 1 and v == int(v), "a whole number of rows, at least 1"),
        "learning_rate": (lambda v: v > 0, "a number above 0"),
        "weight_decay": (lambda v: v >= 0, "a number, at least 0"),
        "warmup_steps": (lambda v: v >= 0, "a number of steps, at least 0"),
        "seed": (lambda v: v >= 0 and v == int(v), "a whole number, at least 0"),
    }
    shown = {"num_train_epochs": "epochs", "per_device_train_batch_size": "batch_size"}
    for name, (holds, meaning) in rules.items():
        if name not in common:
            continue
        value = common[name]
        if isinstance(value, bool) or not isinstance(value, int | float):
            found = type(value).__name__
            raise InvalidTypeError(f"{who}: {shown.get(name, name)} is {meaning}, not the {found} {value!r}.")
        if not holds(value):
            raise InvalidArgumentError(f"{who}: {shown.get(name, name)}={value!r}, but it is {meaning}.")


def _early_stopping(who: str, extra: Mapping[str, Any], validation: bool) -> dict[str, Any] | None:
    patience = extra.get("early_stopping_patience", 5)
    threshold = extra.get("early_stopping_threshold", 0.0)
    if patience is None:
        return None
    if isinstance(patience, bool) or not isinstance(patience, int) or patience < 1:
        raise InvalidArgumentError(
            f"{who}: early_stopping_patience={patience!r}. Give a number of evaluations, at least 1, or None for off."
        )
    if not validation:
        if "early_stopping_patience" in extra:
            raise InvalidArgumentError(
                f"{who}: early_stopping_patience={patience} needs validation rows to measure whether the model "
                "improves. Give validation columns, or early_stopping_patience=None."
            )
        return None
    return {"patience": patience, "threshold": float(threshold or 0.0)}


def _checked_callables(who: str, given: dict[str, Any]) -> dict[str, Any]:
    if "optimizers" in given:
        pair = given.pop("optimizers")
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InvalidTypeError(f"{who}: optimizers is a pair (optimizer, lr_scheduler), not {pair!r}.")
        given |= {
            name: value for name, value in zip(("optimizer", "lr_scheduler"), pair, strict=True) if value is not None
        }
    if "callbacks" in given:
        callbacks = given["callbacks"]
        given["callbacks"] = list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]
    for name, value in given.items():
        if name != "callbacks" and not callable(value):
            hint = ""
            if name in ("optimizer", "lr_scheduler"):
                takes = "the model" if name == "optimizer" else "the optimizer and the number of steps"
                hint = f" The model is not loaded yet, so give a function that takes {takes}."
            raise InvalidTypeError(f"{who}: {name} is a {type(value).__name__}, not a function.{hint}")
    return given
