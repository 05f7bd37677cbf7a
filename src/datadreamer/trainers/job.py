"""A training as the worker process reads it: one folder with a JSON file and Arrow files.

<work folder>/job.json            what to train (no callables, no secrets)
              data/<split>.arrow  the rows
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

from .columns import write_columns
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

    def write(self) -> Path:
        """Write `job.json` and return its path."""
        path = self.work_dir / "job.json"
        fields = ("name", "kind", "settings", "runtime", "model_source")
        path.write_text(json.dumps({name: getattr(self, name) for name in fields}, indent=1), encoding="utf-8")
        return path

    @staticmethod
    def read(path: Path) -> TrainingJob:
        """The job that `write` wrote; callables and secrets never travel through files."""
        return TrainingJob(work_dir=path.parent, **json.loads(path.read_text(encoding="utf-8")))


def prepare_job(name: str, plan: TrainingPlan, work_dir: Path) -> TrainingJob:
    """Write the plan's rows below `work_dir` (nothing is written twice) and return the job that trains on them.

    Raises:
        InvalidArgumentError: the columns of one split have different lengths, or none has a row.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    write_columns(plan, work_dir / DATA)
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
