"""Reward models, trained for real on a very small model, from pairs, from pairs with scores and from scores."""

from __future__ import annotations

import math
import threading

import pytest
import tiny
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from datadreamer.errors import InvalidTypeError
from datadreamer.trainers import TrainHFRewardModel
from datadreamer.trainers.job import prepare_job
from datadreamer.trainers.work import registry

WORSE = {"red": "blue", "blue": "green", "green": "black", "black": "red"}
SCORES = {"red": 1.0, "blue": 0.5, "green": 0.0, "black": -1.0}
OPTIONS = {"epochs": 8, "learning_rate": 3e-3}


@pytest.fixture(scope="session")
def judged():
    return tiny.columns(
        prompt=[question for question, _ in tiny.PAIRS],
        good=[answer for _, answer in tiny.PAIRS],
        bad=[WORSE[answer] for _, answer in tiny.PAIRS],
        high=[3.0] * len(tiny.PAIRS),
        low=[1] * len(tiny.PAIRS),
        score=[SCORES[answer] for _, answer in tiny.PAIRS],
    )


def rewards(trainer, prompts, answers):
    """The rewards that plain transformers gives."""
    model = AutoModelForSequenceClassification.from_pretrained(trainer.model_path)
    tokenizer = AutoTokenizer.from_pretrained(trainer.model_path)
    found = []
    for prompt, answer in zip(prompts, answers, strict=True):
        turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
        text = tokenizer.apply_chat_template(turns, tokenize=False).rstrip("\n")
        with torch.no_grad():
            logits = model(**tokenizer(text, return_tensors="pt", add_special_tokens=False)).logits
        found.append(float(logits))
    return found


def test_pairs_teach_which_answer_is_better(elsewhere, models, judged):
    trainer = TrainHFRewardModel("Judge", models["llama"], device="cpu")
    columns = [judged[name] for name in ("prompt", "good", "bad")]
    trainer.train_with_pairs(*columns, *columns, **OPTIONS)
    result = trainer.result
    assert result.metrics["eval_accuracy"] > 0.9 > result.metrics_before["eval_accuracy"]
    assert result.metrics["eval_loss"] < result.metrics_before["eval_loss"]
    good, bad = (rewards(trainer, *map(list, (judged["prompt"], judged[name]))) for name in ("good", "bad"))
    right = sum(a > b for a, b in zip(good, bad, strict=True)) / len(good)
    assert right == pytest.approx(result.metrics["eval_accuracy"])
    assert trainer.model.config.num_labels == 1


def test_scores_of_pairs_are_a_margin(here, models, judged):
    trainer = TrainHFRewardModel("Judge", models["llama"], device="cpu")
    columns = [judged[name] for name in ("prompt", "good", "high", "bad", "low")]
    trainer.train_with_pairs_and_scores(*columns, *columns, **OPTIONS)
    before, after = trainer.result.metrics_before, trainer.result.metrics
    assert before["eval_loss"] == pytest.approx(-math.log(1 / (1 + math.exp(2))), abs=0.6)  # a margin of 2 is missing
    assert after["eval_margin"] > 2 and after["eval_accuracy"] > 0.9


def test_scores_are_learnt_by_regression_with_an_adapter(here, models, judged):
    trainer = TrainHFRewardModel("Judge", models["llama"], device="cpu", peft_config={"r": 8})
    columns = [judged[name] for name in ("prompt", "good", "score")]
    trainer.train_with_scores(*columns, *columns, epochs=12, learning_rate=2e-2)
    result = trainer.result
    assert result.metrics["eval_mse"] < 0.3 * result.metrics_before["eval_mse"]
    found = rewards(trainer, *map(list, (judged["prompt"], judged["good"])))
    errors = [(a - b) ** 2 for a, b in zip(found, judged["score"], strict=True)]
    assert sum(errors) / len(errors) == pytest.approx(result.metrics["eval_mse"], rel=0.05)


class KilledError(Exception):
    pass


def test_a_killed_training_ends_with_the_same_model(here, models, judged, tmp_path):
    here.only_plan = True

    def job(name):
        columns = [judged[column] for column in ("prompt", "good", "bad")]
        TrainHFRewardModel(name, models["llama"], device="cpu").train_with_pairs(*columns, *columns, epochs=2)
        return prepare_job(name, here.plans[-1], tmp_path / name)

    def kill(event):
        if event["event"] == "metrics" and event["step"] == 8:
            raise KilledError

    whole, broken = job("whole"), job("broken")
    expected = registry.train(whole, lambda event: None, threading.Event())
    with pytest.raises(KilledError):
        registry.train(broken, kill, threading.Event())
    result = registry.train(broken, lambda event: None, threading.Event())
    assert result.resumed_from == 5 and result.history == expected.history
    a, b = (load_file(str(done.model / "model.safetensors")) for done in (whole, broken))
    assert all(torch.equal(a[name], b[name]) for name in a | b)


def test_train_says_what_to_call_and_text_is_no_score(here, models, judged):
    trainer = TrainHFRewardModel("Judge", models["llama"])
    with pytest.raises(
        RuntimeError, match=r"train_with_pairs\(\), train_with_pairs_and_scores\(\) or train_with_scores"
    ):
        trainer.train()
    with pytest.raises(InvalidTypeError, match="train_scores holds string, but each cell should be a number"):
        trainer.train_with_scores(judged["prompt"], judged["good"], judged["bad"])
