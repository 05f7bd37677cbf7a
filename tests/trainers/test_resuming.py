"""A training that was killed, stopped or had failed goes on, and ends with the same model as one that ran through."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import tiny
import torch
from safetensors.torch import load_file

from datadreamer.engine.executors.process import run_job
from datadreamer.errors import TrainingError
from datadreamer.trainers import TrainHFFineTune
from datadreamer.trainers.job import TrainingJob, prepare_job
from datadreamer.trainers.work import checkpoints, loop, registry


class KilledError(Exception):
    """Stands for a process that ends in the middle."""


def weights(folder):
    return load_file(str(Path(folder) / "model.safetensors"))


def same_weights(a, b):
    return all(torch.equal(a[name], b[name]) for name in a | b)


@pytest.fixture
def job(here, models, pairs, tmp_path):
    """Makes jobs of the same training (5 steps an epoch, dropout) in folders of their own."""
    validation = tiny.columns(q=list(pairs["question"])[::3], a=list(pairs["answer"])[::3])

    here.only_plan = True

    def make(name: str, model: str = "causal", settings: dict = {}, **kwargs: object) -> TrainingJob:  # noqa: B006
        options = {"epochs": 3, "learning_rate": 1e-2, **kwargs}
        trainer = TrainHFFineTune(name, models[model], device="cpu", **settings)
        trainer.train(pairs["question"], pairs["answer"], validation["q"], validation["a"], **options)
        return prepare_job(name, here.plans[-1], tmp_path / name)

    return make


def train(job, emit=lambda event: None, stop=None):
    return loop.finished(job) or registry.train(job, emit, stop or threading.Event())


def killed_at(kind, step):
    """An `emit` that ends the training at an event."""

    def emit(event):
        if event["event"] == kind and event.get("step") == step:
            raise KilledError

    return emit


@pytest.mark.parametrize(
    ("kind", "step", "options", "resumed_from"),
    [
        ("metrics", 8, {}, 5),  # inside the second epoch
        ("checkpoint", 10, {}, 10),  # just after an epoch
        ("checkpoint", 15, {}, 15),  # all is trained, and nothing is finished
        ("metrics", 8, {"neftune_noise_alpha": 5.0, "optim": "adafactor"}, 5),
        ("metrics", 3, {}, None),  # before there is anything to go on from
        ("metrics", 11, {"eval_strategy": "steps", "eval_steps": 4}, 8),  # a checkpoint inside an epoch
        ("metrics", 8, {"gradient_accumulation_steps": 2, "save_strategy": "steps", "save_steps": 4,
                        "load_best_model_at_end": False}, 4),
        ("checkpoint", 10, {"early_stopping_patience": 1, "learning_rate": 0.3}, 10),  # stopped early, not finished
    ],
)  # fmt: skip
def test_a_killed_training_ends_with_the_same_model(job, kind, step, options, resumed_from):
    whole = job("whole", **options)
    expected = train(whole)
    broken = job("broken", **options)
    with pytest.raises(KilledError):
        train(broken, killed_at(kind, step))
    result = train(broken)
    assert result.resumed_from == resumed_from
    assert same_weights(weights(whole.model), weights(broken.model))
    assert result.history == expected.history
    assert (result.metrics, result.best_step, result.early_stopped) == (
        expected.metrics,
        expected.best_step,
        expected.early_stopped,
    )


def test_a_killed_adapter_training_ends_with_the_same_adapter(job):
    settings = {"peft_config": {"r": 4, "lora_dropout": 0.1}}
    whole, broken = job("whole", "llama", settings), job("broken", "llama", settings)
    expected = train(whole)
    with pytest.raises(KilledError):
        train(broken, killed_at("metrics", 8))
    assert train(broken).history == expected.history
    a, b = (load_file(str(done.model / "adapter_model.safetensors")) for done in (whole, broken))
    assert same_weights(a, b)


@pytest.mark.parametrize("step", [7, 10])
def test_a_stopped_training_saves_a_checkpoint_and_goes_on_from_it(job, step):
    whole, stopped = job("whole"), job("stopped")
    expected = train(whole)
    stop = threading.Event()
    emit = lambda event: stop.set() if event["event"] == "metrics" and event["step"] >= step else None  # noqa: E731
    assert train(stopped, emit, stop) is None
    result = train(stopped)
    assert result.resumed_from is not None and result.resumed_from >= step
    assert same_weights(weights(whole.model), weights(stopped.model)) and result.history == expected.history


def test_a_half_written_checkpoint_does_not_count(job):
    broken = job("broken", save_total_limit=3)
    with pytest.raises(KilledError):
        train(broken, killed_at("metrics", 12))
    (broken.checkpoints / "checkpoint-10" / "optimizer.safetensors").write_bytes(b"half")
    assert checkpoints.last_checkpoint(broken.checkpoints).name == "checkpoint-5"
    assert not (broken.checkpoints / "checkpoint-10").exists()


def test_a_pickle_in_a_checkpoint_is_never_read(job):
    broken = job("broken")
    with pytest.raises(KilledError):
        train(broken, killed_at("metrics", 12))
    names = {path.name for path in (broken.checkpoints / "checkpoint-10").iterdir()}
    assert not any(name.endswith((".pt", ".pth", ".bin", ".pkl")) for name in names)
    assert {"optimizer.json", "optimizer.safetensors", "scheduler.json", "random.json", "whole.json"} <= names
    torch.save({}, broken.checkpoints / "checkpoint-10" / "optimizer.pt")
    assert checkpoints.last_checkpoint(broken.checkpoints) is None


def test_a_moved_folder_finds_its_best_checkpoint(job, tmp_path):
    options = {"learning_rate": 0.3}
    whole, broken = job("whole", **options), job("broken", **options)
    expected = train(whole)
    with pytest.raises(KilledError):
        train(broken, killed_at("checkpoint", 10))
    broken.work_dir.rename(tmp_path / "moved")
    broken.work_dir = tmp_path / "moved"
    assert train(broken).best_step == expected.best_step
    assert same_weights(weights(whole.model), weights(broken.model))


def test_a_finished_training_is_found_finished(job):
    done = job("done")
    result = train(done)
    assert loop.finished(done).history == result.history and (done.model / "config.json").exists()


# --- the worker process -----------------------------------------------------------------------------------------------


def test_a_worker_killed_in_the_middle_goes_on_and_gives_the_same_weights(job):
    options = {"eval_strategy": "steps", "eval_steps": 4}
    whole, broken = job("whole", **options), job("broken", **options)
    expected = train(whole)
    worker = 0

    def kill(event):
        nonlocal worker
        worker = event.get("pid", worker)
        if event["event"] == "checkpoint" and event["step"] == 8:
            os.kill(worker, signal.SIGKILL)

    with pytest.raises(TrainingError, match=r"killed by SIGKILL[^\0]*from the checkpoint of step (8|12)"):
        run_job(broken, kill)
    result = run_job(broken, lambda event: None)
    assert result["resumed_from"] in (8, 12)
    assert same_weights(weights(whole.model), weights(broken.model)) and result["history"] == expected.history


def test_ctrl_c_saves_a_checkpoint_before_the_worker_ends(job):
    long = job("long", epochs=2000, early_stopping_patience=None)
    pressed = []

    def interrupt(event):
        if event["event"] == "metrics" and event["step"] >= 7 and not pressed:
            pressed.append(event["step"])
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_job(long, interrupt)
    last = checkpoints.last_checkpoint(long.checkpoints)
    assert pressed[0] <= checkpoints.step_of(last) < 10_000 and not long.model.exists()


PARENT = """
import sys
from pathlib import Path
from datadreamer.engine.executors.process import run_job
from datadreamer.trainers.job import TrainingJob
job = TrainingJob.from_line(Path(sys.argv[1]), sys.argv[2])
run_job(job, lambda event: print(event.get("pid", ""), event["event"], flush=True))
"""


def test_a_worker_ends_when_its_parent_is_killed(job):
    long = job("long", epochs=2000, early_stopping_patience=None)
    command = [sys.executable, "-c", PARENT, str(long.work_dir), long.to_line().decode()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline().split()[0])
        os.kill(worker, 0)
        parent.kill()
    deadline = time.monotonic() + 20
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline and "Z" not in Path(f"/proc/{worker}/stat").read_text().split(")")[1][:3]:
            os.kill(worker, 0)
            time.sleep(0.05)
        raise AssertionError("the worker lives on") if time.monotonic() >= deadline else ProcessLookupError


def test_a_failing_worker_says_why(job):
    broken = job("broken")
    broken.settings["arguments"]["optim"] = "adamw_imaginary"
    with pytest.raises(TrainingError, match="adamw_imaginary") as caught:
        run_job(broken, lambda event: None)
    assert "Trainer 'broken' failed with" in str(caught.value) and "Its last lines" in str(caught.value)
