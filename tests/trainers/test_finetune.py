"""Fine-tuning language models, for real, on very small ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny
import torch
from peft import AutoPeftModelForCausalLM, LoraConfig
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from datadreamer.errors import InvalidArgumentError
from datadreamer.trainers import TrainHFFineTune

QUICK = {"learning_rate": 1e-2, "epochs": 8}


def answer(trainer, question):
    ids = trainer.tokenizer(question, return_tensors="pt")
    start = 0 if trainer.model.config.is_encoder_decoder else ids["input_ids"].shape[1]
    made = trainer.model.generate(**ids, max_new_tokens=3, do_sample=False)[0][start:]
    return trainer.tokenizer.decode(made, skip_special_tokens=True).strip()


def test_training_lowers_the_loss_and_the_model_answers(here, models, pairs):
    trainer = TrainHFFineTune("colours", models["llama"], chat_prompt_template=None, device="cpu")
    same = trainer.train(pairs["question"], pairs["answer"], pairs["question"], pairs["answer"], **QUICK)
    assert same is trainer
    result = trainer.result
    assert result.metrics["eval_loss"] < 0.2 * result.metrics_before["eval_loss"]
    assert result.metrics["eval_perplexity"] == pytest.approx(2.718281828 ** result.metrics["eval_loss"], rel=1e-5)
    assert result.rows == {"train": 40, "validation": 40} and result.steps == 40
    assert result.trainable_parameters == result.total_parameters > 0 and result.dtype == "float32"
    assert [entry["step"] for entry in result.history if "loss" in entry] == list(range(1, 41))
    assert answer(trainer, "what colour is the car number 3") == "blue"
    trainer.unload_model()
    assert AutoModelForCausalLM.from_pretrained(trainer.model_path).config.use_cache


def test_nothing_is_left_but_the_model_without_any_pickle(here, models, pairs):
    trainer = TrainHFFineTune("small", models["causal"], device="cpu")
    trainer.train(pairs["question"], pairs["answer"], epochs=1)
    names = {path.name for path in Path(trainer.model_path).iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    everything = [path for path in Path(here.folder).rglob("*") if path.suffix in (".bin", ".pt", ".pth", ".pkl")]
    assert everything == []


def test_an_adapter_trains_few_weights_and_is_merged_when_exported(here, models, pairs, tmp_path):
    adapter = LoraConfig(r=8)
    trainer = TrainHFFineTune("lora", models["llama"], chat_prompt_template=None, peft_config=adapter, device="cpu")
    trainer.train(pairs["question"], pairs["answer"], epochs=10, learning_rate=1e-2)
    result = trainer.result
    assert result.adapter and 0 < result.trainable_parameters < 0.4 * result.total_parameters
    assert result.history[-1]["loss"] < 0.5 * result.history[0]["loss"]

    merged = trainer.export_to_disk(tmp_path / "whole")
    alone = trainer.export_to_disk(tmp_path / "adapter", adapter_only=True)
    ids = torch.tensor([[8, 9, 10, 11]])
    with torch.no_grad():
        expected = trainer.model(ids).logits
        assert torch.allclose(AutoModelForCausalLM.from_pretrained(merged)(ids).logits, expected, atol=1e-4)
        assert torch.allclose(AutoPeftModelForCausalLM.from_pretrained(alone)(ids).logits, expected, atol=1e-4)
    settings = json.loads((Path(alone) / "adapter_config.json").read_text())
    assert settings["task_type"] == "CAUSAL_LM" and settings["base_model_name_or_path"] == models["llama"]


def test_an_encoder_decoder_learns(here, models, pairs):
    trainer = TrainHFFineTune("t5", models["t5"], device="cpu")
    trainer.train(pairs["question"], pairs["answer"], pairs["question"], pairs["answer"], epochs=4, learning_rate=2e-2)
    assert trainer.result.metrics["eval_loss"] < 0.3 * trainer.result.metrics_before["eval_loss"]
    assert answer(trainer, "what colour is the car number 3") in tiny.COLOURS


def test_the_perplexity_weighs_every_output_token_alike(here, models, pairs):
    """Computed here row by row, and by the trainer in padded batches."""
    trainer = TrainHFFineTune("weights", models["causal"], device="cpu")
    outputs = ["red", "blue apple car", "green red", "black apple apple apple apple red"] * 2
    rows = tiny.columns(q=["what is the car"] * 8, a=outputs)
    trainer.train(rows["q"], rows["a"], rows["q"], rows["a"], epochs=1, batch_size=3)
    model = AutoModelForCausalLM.from_pretrained(models["causal"]).eval()
    tokenizer = AutoTokenizer.from_pretrained(models["causal"])
    loss, tokens = 0.0, 0
    for output in outputs:
        head, tail = tokenizer("what is the car")["input_ids"], [*tokenizer(output)["input_ids"], 2]
        with torch.no_grad():
            logits = model(torch.tensor([head + tail])).logits[0, len(head) - 1 : -1]
        loss += torch.nn.functional.cross_entropy(logits, torch.tensor(tail), reduction="sum").item()
        tokens += len(tail)
    assert trainer.result.metrics_before["eval_loss"] == pytest.approx(loss / tokens, rel=1e-4)


def test_without_validation_the_last_model_is_kept(here, models, pairs):
    trainer = TrainHFFineTune("plain", models["causal"], device="cpu")
    trainer.train(pairs["question"], pairs["answer"], epochs=2)
    result = trainer.result
    assert result.metrics_before == {} and result.best_step is None and set(result.metrics) == {"loss"}


def test_the_best_model_is_kept_not_the_last(here, models, pairs):
    """The validation answers contradict the training answers, so every epoch makes the model worse at them."""
    trainer = TrainHFFineTune("overfit", models["causal"], device="cpu")
    wrong = [{"red": "blue", "blue": "green", "green": "black", "black": "red"}[a] for a in pairs["answer"]]
    validation = tiny.columns(q=list(pairs["question"]), a=wrong)
    trainer.train(
        pairs["question"], pairs["answer"], validation["q"], validation["a"],
        epochs=20, learning_rate=2e-2, early_stopping_patience=2,
    )  # fmt: skip
    result = trainer.result
    losses = {entry["step"]: entry["eval_loss"] for entry in result.history if "eval_loss" in entry and entry["step"]}
    assert result.early_stopped and result.epochs < 20
    assert result.best_step == min(losses, key=losses.get) < max(losses)
    assert result.metrics["eval_loss"] == losses[result.best_step]


def test_the_same_training_twice_gives_the_same_weights(here, models, pairs):
    first, second = (
        TrainHFFineTune(name, models["causal"], device="cpu").train(pairs["question"], pairs["answer"], epochs=2)
        for name in ("one", "two")
    )
    a, b = (load_file(f"{trainer.model_path}/model.safetensors") for trainer in (first, second))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert first.result.history == second.result.history


def test_a_row_that_is_too_long_is_cut_or_named(here, models, pairs):
    long = " ".join(["what colour is the car"] * 30)
    rows = tiny.columns(q=["the car", long], a=["red", "blue"])
    trainer = TrainHFFineTune("cut", models["causal"], device="cpu").train(rows["q"], rows["a"], epochs=1)
    assert trainer.result.truncated_rows == {"train": 1}
    assert any("1 of 2 train rows" in event.get("message", "") for event in here.events)
    with pytest.raises(InvalidArgumentError, match="Row 1 has 152 tokens, and the model takes 64"):
        TrainHFFineTune("refuse", models["causal"], device="cpu").train(rows["q"], rows["a"], truncate=False)


def test_an_export_replaces_an_export_and_nothing_else(here, models, pairs, tmp_path):
    trainer = TrainHFFineTune("export", models["causal"], device="cpu")
    trainer.train(pairs["question"], pairs["answer"], epochs=1)
    path = trainer.export_to_disk(tmp_path / "out")
    assert trainer.export_to_disk(path) == str(tmp_path / "out")
    assert AutoModelForCausalLM.from_pretrained(path).num_parameters() == trainer.result.total_parameters
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("do not lose")
    with pytest.raises(InvalidArgumentError, match="has files that no export wrote"):
        trainer.export_to_disk(mine)
    assert (mine / "thesis.txt").read_text() == "do not lose"
    with pytest.raises(InvalidArgumentError, match="no adapter alone"):
        trainer.export_to_disk(tmp_path / "adapter", adapter_only=True)
    assert not (tmp_path / "adapter").exists()
