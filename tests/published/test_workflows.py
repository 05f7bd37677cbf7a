"""The nine documented workflows, as scripts that a user runs, with services and models on loopback under their names.

Each runs twice; the second time no model is asked and nothing is trained.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
from loopback_hub import TOKEN, LoopbackHub, model_files, parquet
from openai_on_loopback import OpenAIServer

from datadreamer.bundled import toy_model_path

SCRIPTS = Path(__file__).resolve().parents[2] / "examples" / "workflows"
KEY = "sk-planted-0123456789abcdefghij"
QUESTIONS = [f"Write a {mood} review of a {thing}." for mood in ("positive", "negative") for thing in
             ("kettle", "lamp", "phone", "backpack", "chair", "bottle")]  # fmt: skip


def datasets() -> dict[str, dict[str, bytes]]:
    rows = range(30)
    flores = {
        f"eng/{split}-00000-of-00001.parquet": parquet(sentence=[f"Sentence {i} of {split}." for i in range(12)])
        for split in ("dev", "devtest")
    }
    articles = [f"The council met on day {i}." if i % 3 else f"There is a rumour about star {i}." for i in rows]
    return {
        "eli5_category": {
            "data/train-00000-of-00001.parquet": parquet(title=[f"Why is it so, number {i}?" for i in rows])
        },
        "hotpot_qa": {"distractor/train-00000-of-00001.parquet": parquet(question=[f"Who made {i}?" for i in rows])},
        "cnn_dailymail": {
            "3.0.0/train-00000-of-00001.parquet": parquet(article=["Long text."] * 30, highlights=articles)
        },
        "gsarti/flores_101": flores,
        "yahma/alpaca-cleaned": {
            "data/train-00000-of-00001.parquet": parquet(
                instruction=[f"what colour is the {thing}" for thing in tiny.THINGS * 4],
                input=["", "number 3"] * 16,
                output=[tiny.COLOURS[i % 4] for i in range(32)],
            )
        },
        "Intel/orca_dpo_pairs": {
            "data/train-00000-of-00001.parquet": parquet(
                question=QUESTIONS * 2, chosen=["I love it."] * 24, rejected=["It is a thing."] * 24
            )
        },
    }


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackHub]:
    folder = tmp_path_factory.mktemp("models")
    toy = model_files(Path(toy_model_path()))
    models = {
        "google/t5-v1_1-base": model_files(tiny.t5(folder / "t5")),
        "google/mt5-small": model_files(tiny.t5(folder / "mt5")),
        "TinyLlama/TinyLlama-1.1B-intermediate-step-1431k-3T": model_files(tiny.llama(folder / "llama")),
        "TinyLlama/TinyLlama-1.1B-Chat-v1.0": toy,
    }
    with LoopbackHub(datasets(), models) as running:
        yield running


@pytest.fixture
def openai() -> Iterator[OpenAIServer]:
    with OpenAIServer() as running:
        yield running


class Workflow:
    """Runs a script as a user would."""

    def __init__(self, hub: LoopbackHub, openai: OpenAIServer, folder: Path) -> None:
        self.hub, self.openai, self.output = hub, openai, folder / "output"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "HF_"))},
            "OPENAI_BASE_URL": openai.url,
            "OPENAI_API_KEY": KEY,
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(folder / "hf"),
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_XET": "1",
        }

    def run(self, name: str, *arguments: str) -> str:
        command = [sys.executable, str(SCRIPTS / name), "--output", str(self.output), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=self.environment)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def twice(self, name: str, *arguments: str) -> str:
        """What the first run said; the second must ask no model and train nothing."""
        first = self.run(name, *arguments)
        asked, jobs = len(self.openai.prompts), len(self.openai.jobs)
        again = self.run(name, *arguments)
        assert (len(self.openai.prompts), len(self.openai.jobs)) == (asked, jobs)
        assert " is training" not in again
        self.check_no_secret()
        return first

    def check_no_secret(self) -> None:
        for path in self.output.rglob("*"):
            if path.is_file():
                assert KEY.encode() not in path.read_bytes() and TOKEN.encode() not in path.read_bytes(), path

    def record(self, step: str) -> dict:
        return json.loads((self.output / step / "step.json").read_text())

    def published(self) -> dict[str, set[str]]:
        return {f"{kind}/{name}": paths for kind, name, paths in self.hub.published}


@pytest.fixture
def workflow(hub: LoopbackHub, openai: OpenAIServer, tmp_path: Path) -> Workflow:
    hub.published.clear()
    return Workflow(hub, openai, tmp_path)


def test_abstract_to_tweet(workflow: Workflow) -> None:
    workflow.twice("abstract_to_tweet.py", "--namespace", "me", "--rows", "20", "--epochs", "1")
    assert len(workflow.openai.prompts) == 40
    published = workflow.published()
    assert {"data/train-00000-of-00001.parquet", "README.md", "datadreamer.json"} <= published[
        "datasets/me/abstracts-and-tweets"
    ]
    assert {"model.safetensors", "config.json", "README.md", "datadreamer.json"} <= published[
        "models/me/abstract-to-tweet"
    ]


def test_attributed_prompts(workflow: Workflow) -> None:
    workflow.twice("attributed_prompts.py", "--namespace", "me", "--rows", "30")
    assert len(workflow.openai.prompts) == 33
    assert "The movie: one by fictional 0. What it is about: things 0." in workflow.openai.prompts[3]
    assert "datasets/me/movie-reviews" in workflow.published()


def test_openai_distillation(workflow: Workflow) -> None:
    said = workflow.twice("openai_distillation.py", "--rows", "20")
    assert "ft:gpt-4o-mini-2024-07-18:org::ftjob-0" in said
    assert len(workflow.openai.files) == 2


def test_dataset_augmentation(workflow: Workflow) -> None:
    workflow.twice("dataset_augmentation.py", "--namespace", "me", "--rows", "20")
    assert len(workflow.openai.prompts) == 20 and "datasets/me/hotpot-qa-decomposed" in workflow.published()


def test_dataset_cleaning(workflow: Workflow) -> None:
    workflow.twice("dataset_cleaning.py", "--namespace", "me", "--rows", "30")
    rows = workflow.record("drop-gossip")["rows"]
    assert rows["input"] == 30 and rows["output"] == 20
    assert "datasets/me/news-without-gossip" in workflow.published()


def test_bootstrapping_machine_translation(workflow: Workflow) -> None:
    workflow.twice("bootstrapping_machine_translation.py", "--rounds", "3", "--rows", "6")
    assert len(workflow.openai.prompts) == 12 + 6
    lines = (workflow.output / "translations.jsonl").read_text().splitlines()
    assert len(lines) == 6 and set(json.loads(lines[0])) >= {"english", "tamil"}


def test_instruction_tuning(workflow: Workflow) -> None:
    workflow.twice("instruction_tuning.py", "--accumulate", "4")
    assert (workflow.output / "model" / "model.safetensors").is_file()
    assert (
        "### Instruction:" in (workflow.output / "tune-on-instructions" / "_model" / "chat_template.jinja").read_text()
    )


def test_aligning(workflow: Workflow) -> None:
    workflow.twice("aligning.py", "--epochs", "1")
    assert (workflow.output / "model" / "model.safetensors").is_file()


def test_self_rewarding(workflow: Workflow) -> None:
    said = workflow.twice(
        "self_rewarding.py", "--rounds", "2", "--rows", "24", "--epochs", "1", "--max-new-tokens", "40"
    )
    assert "The adapter of the last round:" in said
    records = [workflow.record(f"first-answers-of-round-{number}") for number in (1, 2)]
    models = [record["models"][0]["spec"] for record in records]
    assert models[0] != models[1]  # the second round asks the adapted model
