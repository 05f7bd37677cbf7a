"""The parts of a training, one by one."""

from __future__ import annotations

import random
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from datadreamer.engine.executors.process import _environment, _one_device
from datadreamer.errors import InvalidArgumentError
from datadreamer.trainers.work.early_stopping import Patience
from datadreamer.trainers.work.events import reporter
from datadreamer.trainers.work.state_files import load_state, save_state


def evaluations(*values):
    return [{"step": i, "eval_loss": value} for i, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "stops"),
    [
        ((9.0, 3.0, 2.0, 1.0), False),
        ((9.0, 1.0, 1.0), False),
        ((9.0, 1.0, 1.0, 2.0), True),
        ((0.1, 3.0, 2.0, 1.0), False),  # the figure before training is not one to beat
        ((9.0, 1.0, 2.0, 0.5, 0.6), False),
        ((9.0, 1.0, 0.95, 0.92), True),  # better, but by less than the threshold
    ],
)
def test_patience_ends_after_evaluations_without_improvement(values, stops):
    assert Patience("eval_loss", False, evaluations=2, threshold=0.1).exhausted(evaluations(*values)) is stops
    mirrored = [{"step": i, "eval_f1": -value} for i, value in enumerate(values)]
    assert Patience("eval_f1", True, evaluations=2, threshold=0.1).exhausted(mirrored) is stops


def test_any_optimizer_state_comes_back_as_it_was(tmp_path):
    shared = torch.arange(4, dtype=torch.uint8)
    state = {
        "state": {0: {"step": torch.tensor(3.0), "avg": torch.randn(2, 3).T, "table": shared}, 1: {"table": shared}},
        "param_groups": [
            {"lr": 0.1 + 0.2, "betas": (0.9, 0.999), "foreach": None, "params": [0, 1], "n": np.float64(2)}
        ],
        "empty": torch.zeros(0, 5),
    }
    save_state(tmp_path, "optimizer", state)
    loaded = load_state(tmp_path, "optimizer")
    assert loaded["param_groups"] == state["param_groups"] and list(loaded["state"]) == [0, 1]
    for key in ("step", "avg", "table"):
        assert torch.equal(loaded["state"][0][key], state["state"][0][key])
        assert loaded["state"][0][key].dtype == state["state"][0][key].dtype
    assert loaded["empty"].shape == (0, 5)
    save_state(tmp_path, "random", random.getstate())
    assert load_state(tmp_path, "random") == random.getstate()
    with pytest.raises(TypeError, match=r"a function at x\.f"):
        save_state(tmp_path, "x", {"f": lambda: 1})


def test_the_worker_sees_one_device_and_none_of_the_chatter():
    def environment(device, **inherited):
        return _environment(inherited, SimpleNamespace(runtime={"device": device}, secrets={"HF_TOKEN": "t"}))

    assert environment("cpu")["CUDA_VISIBLE_DEVICES"] == ""
    assert environment(None)["CUDA_VISIBLE_DEVICES"] == "0"
    assert environment("cuda:2")["CUDA_VISIBLE_DEVICES"] == "2"
    assert environment("cuda:1", CUDA_VISIBLE_DEVICES="4,7")["CUDA_VISIBLE_DEVICES"] == "7"
    assert environment(None, CUDA_VISIBLE_DEVICES="")["CUDA_VISIBLE_DEVICES"] == ""
    made = environment("mps", HTTP_PROXY="p")
    assert made["HF_TOKEN"] == "t" and made["HTTP_PROXY"] == "p" and made["HF_HUB_DISABLE_TELEMETRY"] == "1"
    with pytest.raises(InvalidArgumentError, match="shows 2 devices"):
        _one_device("cuda:5", "4,7")


def test_a_long_epoch_is_saved_every_ten_minutes_and_its_end_is_left_to_the_trainer():
    now, told = [0.0], []
    watch = reporter(told.append, threading.Event(), clock=lambda: now[0])
    args = SimpleNamespace(save_strategy="epoch")

    def step(number, epoch):
        control = SimpleNamespace(should_save=False, should_training_stop=False)
        watch.on_step_end(args, SimpleNamespace(global_step=number, max_steps=100, epoch=epoch), control)
        return control.should_save

    assert not step(1, 0.1)
    now[0] = 601.0
    assert step(2, 0.2) and not step(10, 1.0)
    watch.on_save(args, SimpleNamespace(global_step=2), None)
    assert not step(3, 0.3)
    now[0] = 1202.0
    assert step(4, 0.4)
    assert [event["step"] for event in told if event["event"] == "progress"] == [2, 4]
