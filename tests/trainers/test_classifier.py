"""Training classifiers, for real, on a very small model."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from datadreamer.errors import InvalidArgumentError, InvalidTypeError
from datadreamer.trainers import TrainHFClassifier
from datadreamer.trainers.work import metrics

THING = [thing for _ in range(5) for thing in tiny.THINGS]
TEXTS = [f"what colour number {i % 5} is the {thing}" for i, thing in enumerate(THING)]
QUICK = {"epochs": 6, "learning_rate": 1e-2}


def predictions(trainer):
    tokenizer = AutoTokenizer.from_pretrained(trainer.model_path)
    model = AutoModelForSequenceClassification.from_pretrained(trainer.model_path)
    with torch.no_grad():
        logits = model(**tokenizer(TEXTS, return_tensors="pt", padding=True)).logits
    return model, logits


def test_one_label_each_is_learnt(here, models):
    rows = tiny.columns(text=TEXTS, label=[thing in ("car", "bird", "lamp") for thing in THING])
    trainer = TrainHFClassifier("thing", models["llama"], device="cpu")
    trainer.train(rows["text"], rows["label"], rows["text"], rows["label"], **QUICK)
    assert trainer.result.metrics["eval_accuracy"] > 0.95 > trainer.result.metrics_before["eval_accuracy"]
    joint = {e["step"]: e["eval_joint"] for e in trainer.result.history if "eval_joint" in e and e["step"]}
    assert trainer.result.best_step == max(joint, key=joint.get)
    model, logits = predictions(trainer)
    assert model.config.label2id == {"False": 0, "True": 1}
    assert model.config.problem_type == "single_label_classification"
    correct = [bool(i) == label for i, label in zip(logits.argmax(-1), rows["label"], strict=True)]
    assert np.mean(correct) == pytest.approx(trainer.result.metrics["eval_accuracy"])


def test_several_labels_each_are_learnt_with_an_adapter(here, models, tmp_path):
    labels = [[thing] * (thing < "d") + (["early"] if thing < "h" else []) for thing in THING]
    rows = tiny.columns(text=TEXTS, label=labels)
    trainer = TrainHFClassifier("many", models["llama"], peft_config={"r": 8}, device="cpu")
    trainer.train(rows["text"], rows["label"], rows["text"], rows["label"], epochs=10, learning_rate=2e-2)
    result = trainer.result
    assert result.metrics["eval_f1"] > 0.9 and result.trainable_parameters < 0.5 * result.total_parameters
    model, logits = predictions(trainer)
    assert list(model.config.id2label.values()) == ["apple", "bird", "car", "early"]
    assert model.config.problem_type == "multi_label_classification"
    here = [{model.config.id2label[i] for i in range(4) if row[i] > 0} for row in logits]  # sigmoid above a half
    assert np.mean([a == set(b) for a, b in zip(here, labels, strict=True)]) == result.metrics["eval_accuracy"]
    adapter = trainer.export_to_disk(tmp_path / "adapter", adapter_only=True)
    assert sorted(p.name for p in (tmp_path / "adapter").glob("*.safetensors")) == ["adapter_model.safetensors"]
    assert adapter == str(tmp_path / "adapter")


def test_numbers_are_sorted_by_value(here, models):
    rows = tiny.columns(text=TEXTS[:12], label=[10, 9, 2] * 4)
    trainer = TrainHFClassifier("numbers", models["llama"], device="cpu")
    trainer.train(rows["text"], rows["label"], epochs=1)
    model, _ = predictions(trainer)
    assert model.config.label2id == {"2": 0, "9": 1, "10": 2}


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (["a"] * 3, InvalidArgumentError, "at least two labels, and the columns have only 'a'"),
        ([[], [], ["a"]], InvalidArgumentError, "at least two labels"),
        ([0.5, 1.5, 2.5], InvalidTypeError, "train_output holds double"),
        (["a", None, "b"], InvalidArgumentError, "Row 1 of train_output is empty"),
    ],
)
def test_impossible_labels_are_refused(here, models, labels, error, message):
    rows = tiny.columns(text=TEXTS[:3], label=labels)
    with pytest.raises(error, match=message):
        TrainHFClassifier("refused", models["llama"]).train(rows["text"], rows["label"])


def test_single_label_metrics():
    logits = np.array([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [0.0, 3.0, 1.0], [5.0, 0.0, 1.0]])
    found = metrics.single_label(logits, np.array([0, 1, 0, 0]))
    # label 0: precision 1, recall 2/3; label 1: precision 1/2, recall 1; label 2: occurs nowhere
    assert found == {"accuracy": 0.75, "f1": pytest.approx((0.8 + 2 / 3) / 2)}


def test_multi_label_metrics_take_the_sigmoid_first():
    # 0.3 as a logit is a probability of 0.57: above the threshold, although 0.3 itself is not
    found = metrics.multi_label(np.array([[0.3, -2.0], [-3.0, 4.0]]), np.array([[1, 0], [1, 1]]))
    assert found["accuracy"] == 0.5
    assert found["f1"] == pytest.approx((2 / 3 + 1) / 2) and found["f1_micro"] == pytest.approx(0.8)
