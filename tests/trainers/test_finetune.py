"""Fine-tuning language models, for real, on very small ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from datadreamer.trainers import TrainHFFineTune


def test_training_lowers_the_loss_and_the_model_answers(here, models, pairs):
    trainer = TrainHFFineTune("colours", models["causal"], device="cpu")
    same = trainer.train(pairs["question"], pairs["answer"], pairs["question"], pairs["answer"], epochs=12)
    assert same is trainer
    result = trainer.result
    assert result.metrics["eval_loss"] < 0.5 * result.metrics_before["eval_loss"]
    assert result.metrics["eval_perplexity"] == pytest.approx(2.718281828 ** result.metrics["eval_loss"], rel=1e-5)
    assert result.rows == {"train": 40, "validation": 40} and result.steps == 60
    ids = trainer.tokenizer("what colour is the car number 3", return_tensors="pt")
    answer = trainer.model.generate(**ids, max_new_tokens=3, do_sample=False)[0][ids["input_ids"].shape[1] :]
    assert trainer.tokenizer.decode(answer) == "blue<eos>"
