"""A fine-tuning job at OpenAI, from rows to the name of a model: uploaded, started once, watched, found again.

What has been done is written down after every step (`state.json` in the work folder), so a script that was stopped goes
on watching the job that is paid for already. A kill between the request that starts a job and its answer is covered
too: the job carries a mark that was written down before, and is looked for by it.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import AuthenticationError, TrainingError
from .job import TrainingJob
from .plan import TrainingResult

MARK = "datadreamer"
MODEL_FILE = "model.json"  # below `_model`: what stands for the weights, which the service keeps
FIRST_WAIT, LONGEST_WAIT = 0.25, 30.0  # seconds between looks at a job
PATIENCE = 3600.0  # seconds without a connection before watching is given up
ENDED = ("succeeded", "failed", "cancelled")

Emit = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class FineTuningService:
    """Trains a job by asking the service. `client` makes an `openai` client; `who` is the subject of messages."""

    client: Callable[[], Any]
    who: str
    write_rows: Callable[[TrainingJob, str, Path], int]  # (job, split, path of the JSON Lines file) -> number of rows

    def __call__(self, job: TrainingJob, emit: Emit) -> TrainingResult:
        """The result, with `job.model` in place.

        Raises:
            AuthenticationError: the key is missing or wrong.
            TrainingError: the service refused or failed; what was reached is kept.
        """
        import openai

        state = State(job.work_dir / "state.json")
        try:
            rows = self._upload(job, state, emit)
            self._start(job, state, emit)
            ended, history = self._watch(state, emit)
        except openai.AuthenticationError as error:
            raise AuthenticationError(f"{self.who}: the service refuses the key: {_said(error)}") from error
        except openai.APIError as error:
            raise TrainingError(
                f"{self.who}: the service answered: {_said(error)}. {self._how_to_go_on(state)}"
            ) from error
        except KeyboardInterrupt:
            if state.get("job"):
                emit(_log(f"The job goes on at the service. {self._how_to_go_on(state)}", "warning"))
            raise
        return self._finish(job, ended, history, rows)

    # --- before ---------------------------------------------------------------------------------------------------

    def _upload(self, job: TrainingJob, state: State, emit: Emit) -> dict[str, int]:
        """Upload the rows of each split, as JSON Lines, unless that is done."""
        rows = state.get("rows") or {}
        for split in ("train", "validation"):
            if not (job.data / f"{split}.arrow").exists() or state.get(f"{split}_file"):
                continue
            path = job.work_dir / f"{split}.jsonl"
            rows[split] = self.write_rows(job, split, path)
            emit(_log(f"Uploading {rows[split]:,} {split} rows ({path.stat().st_size / 1e6:.1f} MB)."))
            with path.open("rb") as file:
                uploaded = self.client().files.create(file=(path.name, file), purpose="fine-tune")
            state.set(**{f"{split}_file": uploaded.id, "rows": rows})
        return dict(rows)

    def _start(self, job: TrainingJob, state: State, emit: Emit) -> None:
        """Start the job, unless it runs already."""
        if state.get("job"):
            emit(_log(f"Watching the job {state.get('job')}, which was started before."))
            return
        jobs = self.client().fine_tuning.jobs
        mark = state.get("mark")
        if mark:  # an earlier try may have started the job without hearing of it
            started = next((found for found in jobs.list(limit=100) if (found.metadata or {}).get(MARK) == mark), None)
        else:
            mark, started = uuid.uuid4().hex, None
            state.set(mark=mark)
        started = started or jobs.create(**self._request(job, state, mark))
        state.set(job=started.id)
        emit(_log(f"Started the job {started.id}."))

    def _request(self, job: TrainingJob, state: State, mark: str) -> dict[str, Any]:
        settings = job.settings
        request: dict[str, Any] = {
            "model": job.model_source,
            "training_file": state.get("train_file"),
            "method": {"type": "supervised", "supervised": {"hyperparameters": settings["hyperparameters"]}},
            **settings["further"],
        }
        request["metadata"] = {**(request.get("metadata") or {}), MARK: mark}
        if state.get("validation_file"):
            request["validation_file"] = state.get("validation_file")
        return request

    # --- during -----------------------------------------------------------------------------------------------------

    def _watch(self, state: State, emit: Emit) -> tuple[Any, list[dict[str, Any]]]:
        """Wait for the end of the job, passing on what the service tells."""
        import openai

        wait, seen, history = FIRST_WAIT, set[str](), list[dict[str, Any]]()
        heard = time.monotonic()
        while True:
            try:
                job = self.client().fine_tuning.jobs.retrieve(state.get("job"))
                for event in self._news(state.get("job"), seen):
                    self._tell(event, history, emit)
                heard = time.monotonic()
            except (openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError) as error:
                if time.monotonic() - heard > PATIENCE:
                    raise
                emit(_log(f"The service cannot be asked about the job now ({_said(error)}); asking again.", "warning"))
            else:
                if job.status in ENDED:
                    self._check_succeeded(job, state)
                    return job, history
            time.sleep(wait)
            wait = min(wait * 1.5, LONGEST_WAIT)

    def _news(self, job: str, seen: set[str]) -> Iterator[Any]:
        """Events that were not told yet, oldest first; the service lists the newest first."""
        fresh = []
        for event in self.client().fine_tuning.jobs.list_events(job, limit=100):
            if event.id in seen:
                break
            fresh.append(event)
        seen.update(event.id for event in fresh)
        return reversed(fresh)

    def _tell(self, event: Any, history: list[dict[str, Any]], emit: Emit) -> None:
        data = event.data if isinstance(event.data, dict) else {}
        if event.type != "metrics" or data.get("step") is None:
            emit(_log(event.message, "warning" if event.level != "info" else "info"))
            return
        names = {"train_loss": "loss", "valid_loss": "eval_loss", "full_valid_loss": "eval_loss"}
        entry = {ours: float(data[theirs]) for theirs, ours in names.items() if data.get(theirs) is not None}
        history.append({"step": int(data["step"]), **entry})
        emit({"event": "metrics", **history[-1]})
        if data.get("total_steps"):
            emit({"event": "progress", "step": int(data["step"]), "total": int(data["total_steps"]), "epoch": 0.0})

    def _check_succeeded(self, job: Any, state: State) -> None:
        if job.status == "succeeded" and job.fine_tuned_model:
            return
        state.set(job=None, mark=None)  # the next run starts another one, with the files that are there
        why = f": {job.error.message}" if job.error is not None and job.error.message else ""
        raise TrainingError(
            f"{self.who}: the job {job.id} {'was cancelled' if job.status == 'cancelled' else 'failed'} at the "
            f"service{why}. Running the script again starts a new job."
        )

    # --- after --------------------------------------------------------------------------------------------------------

    def _finish(
        self, job: TrainingJob, ended: Any, history: list[dict[str, Any]], rows: dict[str, int]
    ) -> TrainingResult:
        method = ended.method.supervised.hyperparameters if ended.method and ended.method.supervised else None
        used = (method or ended.hyperparameters).to_dict() if (method or ended.hyperparameters) else {}
        tuned = {
            "model": ended.fine_tuned_model,
            "base_model": ended.model,
            "job": ended.id,
            "seed": ended.seed,
            "hyperparameters": used,
        }
        draft = job.model.with_suffix(".draft")
        draft.mkdir(exist_ok=True)
        (draft / MODEL_FILE).write_text(json.dumps(tuned, indent=1), encoding="utf-8")
        draft.replace(job.model)
        last = {name: value for entry in history for name, value in entry.items() if name != "step"}
        epochs = used.get("n_epochs")
        return TrainingResult(
            metrics=dict(last),
            history=history,
            steps=max((entry["step"] for entry in history), default=0),
            epochs=float(epochs) if isinstance(epochs, int | float) else 0.0,
            train_seconds=float((ended.finished_at or ended.created_at) - ended.created_at),
            device="service",
            rows=rows,
            tokens={"train": ended.trained_tokens or 0},
        )

    def _how_to_go_on(self, state: State) -> str:
        if state.get("job"):
            return f"Running the script again goes on with the job {state.get('job')}."
        return "Running the script again goes on from here."


class State:
    """A small JSON file that is replaced whole at every change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def get(self, name: str) -> Any:
        """A value, or None."""
        return self.values.get(name)

    def set(self, **values: Any) -> None:
        """Change values, on the disk too."""
        from ..ledger import atomic_write

        self.values.update(values)
        atomic_write(self.path, json.dumps(self.values).encode())


def _log(message: str, level: str = "info") -> dict[str, Any]:
    return {"event": "log", "level": level, "message": message}


def _said(error: Any) -> str:
    return str(getattr(error, "message", None) or error).rstrip(".")
