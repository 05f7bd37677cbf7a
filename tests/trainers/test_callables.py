"""Functions given to a training run in this process, through the same code, and count by what they do."""

from __future__ import annotations

import math

import pytest
import tiny
import torch
from transformers import DataCollatorForSeq2Seq, Trainer, TrainerCallback

from datadreamer.errors import InvalidArgumentError, TrainingError
from datadreamer.trainers import TrainHFFineTune


class Counter(TrainerCallback):
    def __init__(self):
        self.steps = 0

    def __datadreamer_fingerprint__(self):
        return "counter"

    def on_step_end(self, args, state, control, **kwargs):
        self.steps += 1


def test_functions_are_called_and_the_log_says_where(elsewhere, models, pairs):
    counter = Counter()
    seen = {}

    def measure(prediction):
        seen["shape"] = prediction.predictions.shape
        return {"half": 0.5}

    trainer = TrainHFFineTune("functions", models["causal"], device="cpu")
    trainer.train(
        pairs["question"],
        pairs["answer"],
        pairs["question"],
        pairs["answer"],
        epochs=2,
        callbacks=counter,
        compute_metrics=measure,
        preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(-1),
        optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.125),
        lr_scheduler=lambda optimizer, steps: torch.optim.lr_scheduler.LinearLR(optimizer, total_iters=steps),
    )
    result = trainer.result
    assert counter.steps == 10 and seen["shape"][0] == 40
    assert result.metrics["eval_half"] == 0.5
    assert result.metrics["eval_perplexity"] == pytest.approx(math.exp(result.metrics["eval_loss"]))
    assert result.history[1]["learning_rate"] == pytest.approx(0.125 / 3)
    assert any(
        "in this process, because of callbacks, compute_metrics" in e.get("message", "") for e in elsewhere.events
    )


def test_a_loss_a_collator_and_a_trainer_class_of_ones_own(here, models, pairs):
    calls = []

    class Mine(Trainer):
        def training_step(self, *args, **kwargs):
            calls.append("step")
            return super().training_step(*args, **kwargs)

    def loss(outputs, labels, num_items_in_batch=None):
        calls.append("loss")
        return outputs.logits.pow(2).mean()

    class Collator(DataCollatorForSeq2Seq):
        def __call__(self, *args, **kwargs):
            calls.append("collate")
            return super().__call__(*args, **kwargs)

    trainer = TrainHFFineTune("mine", models["causal"], device="cpu")
    collator = Collator(tiny.tokenizer(here.folder))
    trainer.train(
        pairs["question"], pairs["answer"], epochs=1, trainer_cls=Mine, compute_loss=loss, data_collator=collator
    )
    assert {name: calls.count(name) for name in ("step", "loss", "collate")} == {"step": 5, "loss": 5, "collate": 5}
    losses = [entry["loss"] for entry in trainer.result.history]
    assert losses[-1] < losses[0] < 1


def test_an_error_in_a_function_is_named(here, models, pairs):
    def broken(prediction):
        raise ZeroDivisionError("no rows agree")

    trainer = TrainHFFineTune("broken", models["causal"], device="cpu")
    with pytest.raises(TrainingError, match=r"no rows agree.*Run the script again|no rows agree.*starts the training"):
        trainer.train(*[pairs[name] for name in ("question", "answer")] * 2, epochs=1, compute_metrics=broken)


def test_a_device_that_only_a_worker_can_choose_is_refused(here, models, pairs):
    trainer = TrainHFFineTune("device", models["causal"], device="cuda:1")
    with pytest.raises(InvalidArgumentError, match="CUDA_VISIBLE_DEVICES"):
        trainer.train(pairs["question"], pairs["answer"], callbacks=[Counter()])


def test_a_diverging_training_stops_and_says_so(here, models, pairs):
    trainer = TrainHFFineTune("diverge", models["causal"], device="cpu")

    def nan(outputs, labels, num_items_in_batch=None):
        return outputs.logits.sum() * float("nan")

    with pytest.raises(TrainingError, match="loss became nan at step 1: the training diverged"):
        trainer.train(pairs["question"], pairs["answer"], compute_loss=nan)
