"""A training as the worker process reads it: one line of JSON on its standard input, and a folder of Arrow files.

<work folder>/data/<split>.arrow  the rows
              encoded/            the same rows as token ids
              checkpoints/        what a killed training continues from
              worker.log          everything the worker's libraries printed
              _model/             the result; exists only once it is whole
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .columns import Clean, write_columns
from .plan import TrainingPlan

DATA, ENCODED, CHECKPOINTS, MODEL, LOG = "data", "encoded", "checkpoints", "_model", "worker.log"
ADAPTER = "adapter"  # inside a whole model: the adapter that was merged into it


@dataclass(slots=True)
class TrainingJob:
    """A plan and the folder it is worked out in."""

    name: str  # of the trainer, for messages
    kind: str
    settings: dict[str, Any]
    runtime: dict[str, Any]
    model_source: str
    work_dir: Path
    callables: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def data(self) -> Path:
        return self.work_dir / DATA

    @property
    def encoded(self) -> Path:
        return self.work_dir / ENCODED

    @property
    def checkpoints(self) -> Path:
        return self.work_dir / CHECKPOINTS

    @property
    def model(self) -> Path:
        return self.work_dir / MODEL

    @property
    def log(self) -> Path:
        return self.work_dir / LOG

    def to_line(self) -> bytes:
        """What to train, as one line of JSON; without callables and secrets. It is sent, and written to no file: a
        path or a prompt in it may be nobody else's business.
        """
        fields = ("name", "kind", "settings", "runtime", "model_source")
        return json.dumps({name: getattr(self, name) for name in fields}).encode() + b"\n"

    @staticmethod
    def from_line(work_dir: Path, line: bytes | str) -> TrainingJob:
        """The job that `to_line` gave; callables and secrets do not travel with it."""
        return TrainingJob(work_dir=work_dir, **json.loads(line))


def prepare_job(name: str, plan: TrainingPlan, work_dir: Path, clean: Clean | None = None) -> TrainingJob:
    """Write the plan's rows below `work_dir` (nothing is written twice) and return the job that trains on them.

    Args:
        clean: takes secrets out of a batch of rows before it is written.

    Raises:
        InvalidArgumentError: the columns of one split have different lengths, or none has a row.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    write_columns(plan, work_dir / DATA, clean)
    return TrainingJob(
        name=name,
        kind=plan.kind,
        settings=plan.settings,
        runtime=plan.runtime,
        model_source=plan.model_source,
        work_dir=work_dir,
        callables=dict(plan.callables),
        secrets=dict(plan.secrets),
    )
