"""Publishing never asks at a prompt, and the card says what is true."""

from __future__ import annotations

import pytest

from datadreamer.errors import AuthenticationError, InvalidArgumentError
from datadreamer.trainers import TrainHFFineTune


def test_without_a_token_publishing_says_how_to_get_one(here, models, pairs, monkeypatch, tmp_path):
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    import huggingface_hub

    if huggingface_hub.get_token():
        pytest.skip("this machine is logged in")
    trainer = TrainHFFineTune("t", models["causal"], device="cpu").train(pairs["question"], pairs["answer"], epochs=0.2)
    with pytest.raises(AuthenticationError, match="hf auth login"):
        trainer.publish_to_hf_hub("me/model")


def test_a_dry_run_leaves_what_would_be_uploaded(here, models, pairs, tmp_path):
    trainer = TrainHFFineTune("t", models["causal"], device="cpu").train(pairs["question"], pairs["answer"], epochs=0.2)
    with pytest.raises(InvalidArgumentError, match="Did you mean 'commit_message'"):
        trainer.publish_to_hf_hub("me/model", commit_mesage="x")
    assert trainer.publish_to_hf_hub("me/model", dry_run=tmp_path / "dry") == str(tmp_path / "dry")
    names = {path.name for path in (tmp_path / "dry").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= names


def test_an_adapter_of_a_local_model_is_not_published_alone(here, models, pairs, tmp_path):
    trainer = TrainHFFineTune("t", models["llama"], device="cpu", peft_config={"r": 2})
    trainer.train(pairs["question"], pairs["answer"], epochs=0.2)
    with pytest.raises(InvalidArgumentError, match="which nobody else has"):
        trainer.publish_to_hf_hub("me/model", adapter_only=True, dry_run=tmp_path / "dry")
