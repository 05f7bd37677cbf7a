"""What a training tells while it runs: small dictionaries, handed to `emit`.

{"event": "started", "pid": int}           by a worker process, before anything else
{"event": "log", "level": "info" | "warning", "message": str}
{"event": "progress", "step": int, "total": int, "epoch": float}
{"event": "metrics", "step": int, "epoch": float, "loss" | "eval_loss" | …: float}
{"event": "checkpoint", "step": int}
{"event": "result", "result": {…}}         a `TrainingResult`; the model's folder is in place
{"event": "stopped", "step": int}          asked to stop; a checkpoint of that step is whole
{"event": "error", "kind": str, "message": str}
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any

Event = dict[str, Any]
Emit = Callable[[Event], None]

CHECKPOINT_SECONDS = 600.0  # a kill loses no more than this much training, however long an epoch is
PROGRESS_SECONDS = 0.5
TIMINGS = ("_runtime", "_per_second", "_preparation_time", "total_flos")  # measured anew each time: not results


def log(emit: Emit, message: str, level: str = "info") -> None:
    """Tell the user something in words."""
    emit({"event": "log", "level": level, "message": message})


def figures(entry: dict[str, Any]) -> dict[str, Any]:
    """A line of the training history without what only says how fast this machine is."""
    return {key: value for key, value in entry.items() if not key.endswith(TIMINGS)}


def finite(value: Any) -> Any:
    """`value`, or None for a number that JSON has no word for."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def reporter(emit: Emit, stop: threading.Event, clock: Callable[[], float] = time.monotonic) -> Any:
    """The callback that reports a `transformers.Trainer`, saves in time, and stops it when `stop` is set."""
    from transformers import TrainerCallback

    from ...errors import TrainingError

    class Reporter(TrainerCallback):
        def __init__(self) -> None:
            self.saved = self.told = clock()
            self.cut = False  # stopped inside an epoch

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            now = clock()
            if now - self.told >= PROGRESS_SECONDS or state.global_step == state.max_steps:
                self.told = now
                emit({"event": "progress", "step": state.global_step, "total": state.max_steps, "epoch": state.epoch})
            # At the end of an epoch the trainer evaluates and saves by itself, a moment later.
            saves_anyway = args.save_strategy == "epoch" and float(state.epoch).is_integer()
            if stop.is_set():
                control.should_training_stop = True
                self.cut = not saves_anyway
            if (stop.is_set() or now - self.saved >= CHECKPOINT_SECONDS) and not saves_anyway:
                control.should_save = True

        def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if self.cut:  # this is not the epoch's end, so its evaluation must not enter the history
                control.should_evaluate = control.should_save = False

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.saved = clock()
            emit({"event": "checkpoint", "step": state.global_step})

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            entry = figures(dict(logs or {}))
            if "train_loss" in entry:
                return
            loss = entry.get("loss")
            if loss is not None and not math.isfinite(loss):
                raise TrainingError(
                    f"The training loss became {loss} at step {state.global_step}: the training diverged. Use a lower "
                    "learning_rate, or warmup_steps; with float16, use bf16 or float32."
                )
            emit({"event": "metrics", "step": state.global_step, **{k: finite(v) for k, v in entry.items()}})

    return Reporter()
