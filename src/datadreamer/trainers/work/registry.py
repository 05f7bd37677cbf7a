"""Which function trains which kind of plan. A new trainer adds one row."""

from __future__ import annotations

import importlib
import threading
from typing import Any

from ...errors import InvalidArgumentError, nearest
from ...llms.local.quiet import quiet
from ..job import TrainingJob
from ..plan import TrainingResult
from .events import Emit

KINDS = {
    "hf-classifier": "classify:classify",
    "hf-dpo": "dpo:dpo",
    "hf-finetune": "finetune:finetune",
    "hf-reward": "reward:reward",
}


def train(job: TrainingJob, emit: Emit, stop: threading.Event) -> TrainingResult | None:
    """Do the job, here. Returns None when `stop` was set and a checkpoint holds what was done so far.

    Raises:
        InvalidArgumentError: nobody trains this kind of plan.
    """
    where = KINDS.get(job.kind)
    if where is None:
        raise InvalidArgumentError(f"There is no training of the kind '{job.kind}'. {nearest(job.kind, KINDS)}")
    module, _, name = where.partition(":")
    function: Any = getattr(importlib.import_module(f"{__package__}.{module}"), name)
    with quiet():
        result: TrainingResult | None = function(job, emit, stop)
    return result
