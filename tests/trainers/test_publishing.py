"""Publishing never asks at a prompt, and the card says what is true."""

from __future__ import annotations

import pytest

from datadreamer.errors import AuthenticationError
from datadreamer.trainers import TrainHFFineTune
from datadreamer.trainers.publishing import tagged


def test_without_a_token_publishing_says_how_to_get_one(here, models, pairs, monkeypatch, tmp_path):
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    import huggingface_hub

    if huggingface_hub.get_token():
        pytest.skip("this machine is logged in")
    trainer = TrainHFFineTune("t", models["causal"], device="cpu").train(pairs["question"], pairs["answer"], epochs=0.2)
    with pytest.raises(AuthenticationError, match="hf auth login"):
        trainer.publish_to_hf_hub("me/model")


def test_the_card_is_tagged_as_synthetic_or_not():
    card = "---\nlicense: mit\ntags:\n- synthetic\n- mine\n---\n# Model\n\nText.\n"
    assert "synthetic" not in tagged(card, False) and "- mine" in tagged(card, False)
    assert tagged("# Model\n", True).startswith("---\ntags:\n- datadreamer\n- synthetic\n---\n")
    assert tagged(card, True).endswith("# Model\n\nText.\n") and "license: mit" in tagged(card, True)
