"""Direct preference optimisation: what the model learns, from where it starts, and that a kill changes nothing."""

from __future__ import annotations

import math
import threading

import pytest
import tiny
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from datadreamer.errors import InvalidArgumentError, InvalidTypeError
from datadreamer.trainers import TrainHFDPO
from datadreamer.trainers.job import prepare_job
from datadreamer.trainers.work import preference_losses, registry

WORSE = {"red": "blue", "blue": "green", "green": "black", "black": "red"}


@pytest.fixture(scope="session")
def preferences():
    """Forty questions, each with the right colour chosen and a wrong one rejected."""
    return tiny.columns(
        question=[question for question, _ in tiny.PAIRS],
        right=[answer for _, answer in tiny.PAIRS],
        wrong=[WORSE[answer] for _, answer in tiny.PAIRS],
    )


def train(trainer, data, validate=True, **options):
    columns = [data["question"], data["right"], data["wrong"]]
    held_out = [tiny.columns(x=list(column)[::3])["x"] for column in columns] if validate else []
    return trainer.train(*columns, *held_out, **{"epochs": 6, "learning_rate": 1e-2, **options})


def log_probability(model, tokenizer, question, answer):
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
    )
    ids = tokenizer(prompt + answer, return_tensors="pt", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        scores = model(ids).logits.log_softmax(-1)
    return float(scores[0, -2, ids[0, -1]])


def test_the_model_comes_to_prefer_the_chosen_answers(elsewhere, models, preferences):
    trainer = train(TrainHFDPO("Align", models["chat"], device="cpu"), preferences, epochs=20)
    before, after = trainer.result.metrics_before, trainer.result.metrics
    assert before["eval_rewards/margins"] == pytest.approx(0, abs=1e-6)  # it begins at its reference
    assert before["eval_loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert after["eval_rewards/margins"] > 0.5 and after["eval_rewards/accuracies"] > 0.9
    assert after["eval_loss"] < before["eval_loss"]
    assert {"loss", "rewards/margins", "logps/chosen"} <= set(trainer.result.history[2])

    model, tokenizer = (kind.from_pretrained(trainer.model_path) for kind in (AutoModelForCausalLM, AutoTokenizer))
    better = [
        log_probability(model, tokenizer, question, answer) > log_probability(model, tokenizer, question, WORSE[answer])
        for question, answer in tiny.PAIRS
    ]
    assert sum(better) > 36


@pytest.mark.parametrize(
    ("loss_type", "at_the_start"), [("sigmoid", math.log(2)), ("hinge", 1.0), ("ipo", 25.0), ("kto_pair", 0.5)]
)
def test_every_loss_begins_at_its_value_for_equal_models_and_falls(here, models, preferences, loss_type, at_the_start):
    easy = tiny.columns(question=list(preferences["question"]), right=["red"] * 40, wrong=["blue"] * 40)
    trainer = train(TrainHFDPO("Align", models["chat"], device="cpu"), easy, loss_type=loss_type, epochs=3)
    assert trainer.result.metrics_before["eval_loss"] == pytest.approx(at_the_start, rel=1e-4)
    assert trainer.result.metrics["eval_loss"] < at_the_start
    assert trainer.result.metrics["eval_rewards/margins"] > 0


def test_the_losses_are_those_of_their_papers():
    chosen, rejected, beta = torch.tensor([2.0, -1.0]), torch.tensor([-3.0, 0.5]), 0.2

    def sigmoid(x):
        return 1 / (1 + math.exp(-x))

    def of(kind):
        return preference_losses.loss_of(kind)(chosen, rejected, beta).tolist()

    assert of("sigmoid") == pytest.approx([-math.log(sigmoid(0.2 * 5)), -math.log(sigmoid(0.2 * -1.5))])
    assert of("hinge") == pytest.approx([max(0, 1 - 0.2 * 5), 1 + 0.2 * 1.5])
    assert of("ipo") == pytest.approx([(5 - 2.5) ** 2, (-1.5 - 2.5) ** 2])
    # means of the log-ratios: 0.5 of the chosen, -1.25 of the rejected, which counts as 0
    expected = [(1 - sigmoid(0.2 * c) + 1 - sigmoid(0.2 * (0.5 - r))) / 2 for c, r in ((2.0, -3.0), (-1.0, 0.5))]
    assert of("kto_pair") == pytest.approx(expected)


@pytest.mark.parametrize("model", ["llama", "t5"])
def test_adapters_and_encoder_decoders_learn_preferences_too(here, models, preferences, model):
    adapter = {"r": 8, "lora_alpha": 16} if model == "llama" else None
    trainer = TrainHFDPO("Align", models[model], device="cpu", peft_config=adapter)
    train(trainer, preferences, epochs=4, learning_rate=2e-2)
    assert trainer.result.metrics_before["eval_rewards/margins"] == pytest.approx(0, abs=1e-6)
    assert trainer.result.metrics["eval_rewards/margins"] > 0.3
    assert trainer.result.adapter == (adapter is not None)


class KilledError(Exception):
    pass


@pytest.mark.parametrize("step", [3, 8])
def test_a_killed_alignment_ends_with_the_same_model(here, models, preferences, tmp_path, step):
    here.only_plan = True
    options = {"epochs": 2, "neftune_noise_alpha": 5.0, "disable_dropout": False}

    def job(name):
        train(TrainHFDPO(name, models["chat"], device="cpu"), preferences, **options)
        return prepare_job(name, here.plans[-1], tmp_path / name)

    def kill(event):
        if event["event"] == "metrics" and event["step"] == step:
            raise KilledError

    whole, broken = job("whole"), job("broken")
    expected = registry.train(whole, lambda event: None, threading.Event())
    with pytest.raises(KilledError):
        registry.train(broken, kill, threading.Event())
    result = registry.train(broken, lambda event: None, threading.Event())
    assert result.resumed_from == (5 if step > 5 else None)
    assert result.history == expected.history and result.metrics == expected.metrics
    a, b = (load_file(str(done.model / "model.safetensors")) for done in (whole, broken))
    assert all(torch.equal(a[name], b[name]) for name in a | b)


def test_what_cannot_be_trained_is_refused_before_anything_is_loaded(here, models, preferences):
    trainer = TrainHFDPO("Align", models["chat"])
    with pytest.raises(InvalidArgumentError, match="sigmoid"):
        train(trainer, preferences, loss_type="sigmoidal")
    with pytest.raises(InvalidArgumentError, match="dpo_beta must be a number above 0, not -1"):
        train(trainer, preferences, dpo_beta=-1)
    with pytest.raises(InvalidTypeError, match="train_prompts is a str"):
        trainer.train("a", "b", "c")
    with pytest.raises(InvalidArgumentError, match="validation_chosen is missing"):
        trainer.train(preferences["question"], preferences["right"], preferences["wrong"], preferences["question"])


def test_the_loss_and_its_strength_count(here, models, preferences):
    here.only_plan = True

    def identity(**options):
        train(TrainHFDPO("Align", models["chat"]), preferences, **options)
        return here.plans[-1].identity()

    usual = identity()
    assert identity(precompute_ref_log_probs=True) == usual
    for changed in ({"loss_type": "ipo"}, {"dpo_beta": 0.2}, {"disable_dropout": False}):
        assert identity(**changed) != usual
