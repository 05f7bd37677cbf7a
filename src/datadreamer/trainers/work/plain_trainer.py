"""What is laid over `transformers.Trainer`: checkpoints without pickle, and resuming that changes nothing."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

from . import checkpoints
from .early_stopping import Patience
from .state_files import load_state, save_state


class PlainFiles:
    """Mix in before a `transformers.Trainer` class: replaces everything in it that reads or writes a pickle."""

    args: Any
    model: Any
    state: Any
    optimizer: Any
    lr_scheduler: Any
    accelerator: Any
    processing_class: Any

    keep_checkpoints: int = 1
    seconds_before: float = 0.0  # spent by earlier tries
    patience: Patience | None = None
    make_scheduler: Any = None  # the user's function (optimizer, number of steps) -> scheduler

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Spent training over all tries."""
        return self.seconds_before + time.monotonic() - self._started

    # --- writing ------------------------------------------------------------------------------------------------------

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = output_dir or self.args.output_dir
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.model.save_pretrained(folder, state_dict=state_dict)
        if self.processing_class is not None:
            self.processing_class.save_pretrained(folder)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        if self.make_scheduler is not None and self.lr_scheduler is None:
            self.lr_scheduler = self.make_scheduler(optimizer or self.optimizer, num_training_steps)
        return super().create_scheduler(num_training_steps, optimizer)  # type: ignore[misc]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = Path(self.args.output_dir)
        here = folder / f"checkpoint-{self.state.global_step}"
        (here / checkpoints.MARKER).unlink(missing_ok=True)
        super()._save_checkpoint(model, trial)  # type: ignore[misc]
        checkpoints.finish_checkpoint(here, self.seconds)
        checkpoints.remove_old(folder, self.state.best_model_checkpoint, self.keep_checkpoints)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        save_state(Path(output_dir), "optimizer", self.optimizer.state_dict())
        save_state(Path(output_dir), "scheduler", self.lr_scheduler.state_dict())

    def _save_rng_state(self, output_dir: str) -> None:
        import numpy as np
        import torch

        kind, keys, position, has_gauss, cached = np.random.get_state()
        state: dict[str, Any] = {
            "python": random.getstate(),
            "numpy": (kind, [int(key) for key in keys], position, has_gauss, cached),
            "torch": torch.random.get_rng_state(),
        }
        if self.args.device.type == "cuda":
            state["cuda"] = torch.cuda.random.get_rng_state()
        if self.args.device.type == "mps":
            state["mps"] = torch.mps.get_rng_state()
        save_state(Path(output_dir), "random", state)

    def _save_scaler(self, output_dir: str) -> None:
        scaler = getattr(self.accelerator, "scaler", None)
        if scaler is not None:
            save_state(Path(output_dir), "scaler", scaler.state_dict())

    # --- reading ------------------------------------------------------------------------------------------------------

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            self.optimizer.load_state_dict(load_state(Path(checkpoint), "optimizer"))
            self.lr_scheduler.load_state_dict(load_state(Path(checkpoint), "scheduler"))

    def _load_rng_state(self, checkpoint: str | None) -> None:
        import numpy as np
        import torch

        if checkpoint is None:
            return
        state = load_state(Path(checkpoint), "random")
        random.setstate(state["python"])
        np.random.set_state(state["numpy"])
        torch.random.set_rng_state(state["torch"])
        if "cuda" in state and self.args.device.type == "cuda":
            torch.cuda.random.set_rng_state(state["cuda"])
        if "mps" in state and self.args.device.type == "mps":
            torch.mps.set_rng_state(state["mps"])

    def _load_scaler(self, checkpoint: str | None) -> None:
        scaler = getattr(self.accelerator, "scaler", None)
        if checkpoint is not None and scaler is not None and (Path(checkpoint) / "scaler.json").exists():
            scaler.load_state_dict(load_state(Path(checkpoint), "scaler"))

    # --- resuming -----------------------------------------------------------------------------------------------------

    def _init_training_state(
        self, max_steps: int, steps_per_epoch: int, epochs: int, resume_from_checkpoint: Any, trial: Any
    ) -> Any:
        start = super()._init_training_state(  # type: ignore[misc]
            max_steps, steps_per_epoch, epochs, resume_from_checkpoint, trial
        )
        # The state names its best checkpoint by an absolute path; the output folder may have been moved in between.
        best = Path(self.args.output_dir) / f"checkpoint-{self.state.best_global_step}"
        self.state.best_model_checkpoint = str(best) if best.is_dir() else None
        # Killed between the checkpoint that ended the training and the end of the process: nothing is left to train.
        # (The loop looks for an early stop only after a step.)
        over = self.patience is not None and self.patience.exhausted(self.state.log_history)
        return (epochs, 0) if over or self.state.global_step >= max_steps else start


def training_state(checkpoint: Path) -> dict[str, Any]:
    """The loop's own state at a checkpoint: step, history of losses, best step."""
    state: dict[str, Any] = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    return state
