"""What a trainer asks for (`TrainingPlan`), and what comes of it (`TrainingResult`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct
from msgspec import field as struct_field


@dataclass(slots=True)
class TrainingPlan:
    """One training, checked and ready to run.

    `settings`, `model_spec`, `callables` and the content of `columns` are what the training *is*; `runtime`,
    `model_source` and `secrets` are how and where it happens to be run, and never count.
    """

    kind: str  # which function of the worker trains: a key of `work.registry`
    settings: dict[str, Any]  # JSON-able
    runtime: dict[str, Any]  # JSON-able: device, logging, worker counts
    model_spec: dict[str, Any]  # identity of the base model
    model_source: str  # the folder or Hub id it is loaded from
    columns: dict[str, Any]  # "train_input", "validation_output", …: dataset columns
    cells: dict[str, str] = field(default_factory=dict)  # column name to what its cells are: a key of `columns.CELLS`
    trainer_version: float = 1.0
    callables: dict[str, Callable[..., Any] | Any] = field(default_factory=dict)  # compute_metrics, callbacks, …
    secrets: dict[str, str] = field(default_factory=dict, repr=False)  # environment variables of the worker alone
    service: Callable[..., TrainingResult] | None = None  # (job, emit): trains by asking a service, without a worker

    def identity(self) -> dict[str, Any]:
        """Everything that counts, for `identity.digest`: equal plans make the same model on the same machine."""
        return {
            "kind": self.kind,
            "trainer_version": self.trainer_version,
            "model": self.model_spec,
            "settings": self.settings,
            "callables": self.callables,
            "columns": {name: content_identity(column) for name, column in self.columns.items()},
        }


def content_identity(column: Any) -> str:
    """The digest of a stored column; of a lazy one, whose cells nobody has seen yet, the identity of what makes it."""
    digest: str | None = getattr(column, "digest", None)
    return digest if digest is not None else str(column.fingerprint)


class TrainingResult(Struct, kw_only=True):
    """What a finished training measured. Losses are natural-log units per token or row, durations seconds."""

    metrics: dict[str, float | None] = struct_field(
        default_factory=dict
    )  # of the model that was kept; None: not finite
    metrics_before: dict[str, float | None] = struct_field(default_factory=dict)  # of the base model, before training
    history: list[dict[str, Any]] = struct_field(default_factory=list)  # {"step", "epoch", "loss", "eval_loss", …}
    steps: int = 0  # optimizer steps taken
    epochs: float = 0.0
    best_step: int | None = None  # the step whose model was kept; None: the last
    early_stopped: bool = False
    resumed_from: int | None = None  # step of the checkpoint that this process continued from
    train_seconds: float = 0.0  # spent training, over all tries
    device: str = ""
    dtype: str = ""  # of the weights while training
    trainable_parameters: int = 0
    total_parameters: int = 0
    rows: dict[str, int] = struct_field(default_factory=dict)  # by split: "train", "validation"
    tokens: dict[str, int] = struct_field(default_factory=dict)  # by split, once through the rows
    truncated_rows: dict[str, int] = struct_field(default_factory=dict)  # by split
    adapter: bool = False  # whether the model's folder holds an adapter instead of all weights
    chat_template: str | None = None  # in Jinja, when rows were formatted with one
    libraries: dict[str, str] = struct_field(default_factory=dict)  # distribution -> version
