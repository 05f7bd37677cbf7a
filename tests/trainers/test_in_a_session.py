"""Trainers inside a real session: trained once, found the next time, and used as a model by what follows."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import tiny

from datadreamer import DataDreamer
from datadreamer.llms import HFTransformers
from datadreamer.steps import DataSource
from datadreamer.trainers import TrainHFFineTune

QUESTION = "what colour is the car number 3"


def script(folder, model, **kwargs):
    with DataDreamer(folder):
        source = DataSource("Questions", data=[{"q": question, "a": answer} for question, answer in tiny.PAIRS])
        trainer = TrainHFFineTune("Colours", model, device="cpu")
        options = {"epochs": 4, "learning_rate": 1e-2, **kwargs}
        trainer.train(source.output["q"], source.output["a"], source.output["q"], source.output["a"], **options)
    return trainer


def test_a_session_trains_once_and_finds_the_model_afterwards(models, tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="datadreamer")
    first = script(tmp_path / "output", models["llama"])
    again = script(tmp_path / "output", models["llama"])
    assert "Trainer 'Colours' is finished already" in caplog.text
    assert again.result == first.result and again.fingerprint == first.fingerprint
    assert again.result.metrics["eval_loss"] < 0.5 * again.result.metrics_before["eval_loss"]
    folder = Path(again.model_path).parent
    assert not (tmp_path / "output" / "_work").exists() or not any((tmp_path / "output" / "_work").iterdir())
    record = json.loads((folder / "trainer.json").read_text())
    assert record["settings"]["arguments"]["num_train_epochs"] == 4
    assert again.model_card() is None
    assert str(tmp_path) not in (folder / "trainer.json").read_text()

    exported = Path(again.export_to_disk(tmp_path / "export"))
    card = (exported / "README.md").read_text()
    assert "Questions" in card and "eval_perplexity" in card and "pipeline_tag: text-generation" in card
    dry = Path(again.publish_to_hf_hub("me/colours", dry_run=tmp_path / "dry", is_synthetic=True))
    assert "- synthetic" in (dry / "README.md").read_text() and (dry / "datadreamer.json").exists()
    assert "- synthetic" not in card

    llm = HFTransformers(again.model_path, device="cpu")
    assert llm.run([QUESTION], max_new_tokens=1, temperature=0.0)[0].strip() in tiny.COLOURS
