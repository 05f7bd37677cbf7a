"""Finding a model, what it says about itself, and what is said when it is not there."""

from __future__ import annotations

import json
import pickle
import shutil
import time
from pathlib import Path

import pytest

from datadreamer.errors import (
    DataDreamerError,
    InvalidArgumentError,
    MissingDependencyError,
    PermanentModelError,
    ServerUnreachableError,
)
from datadreamer.llms import HFTransformers

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub that nobody answers at, and an empty cache."""
    from huggingface_hub import constants

    cache = tmp_path / "hub"
    cache.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    return cache


def cached(hub: Path, model: Path, name: str = "org/tiny", commit: str = COMMIT) -> Path:
    """Put `model` into the cache as the hub's client does."""
    repository = hub / ("models--" + name.replace("/", "--"))
    snapshot = shutil.copytree(model, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    return snapshot


def refusal(name: str, **arguments: object) -> DataDreamerError:
    with pytest.raises(DataDreamerError) as caught:
        HFTransformers(name, **arguments).run(["rain"], max_new_tokens=2)  # type: ignore[arg-type]
    return caught.value


# --- the hub --------------------------------------------------------------------------------


def test_without_network_the_error_comes_fast_and_says_so(hub: Path) -> None:
    before = time.monotonic()
    error = refusal("org/unknown")
    assert time.monotonic() - before < 20
    assert isinstance(error, ServerUnreachableError)
    assert "org/unknown" in str(error) and "cannot be reached" in str(error)


def test_without_network_a_cached_model_runs_at_its_commit(hub: Path, models: Path) -> None:
    cached(hub, models / "chat")
    llm = HFTransformers("org/tiny")
    assert (llm.spec()["model"], llm.spec()["revision"]) == ("org/tiny", COMMIT)
    greedy = {"temperature": 0, "max_new_tokens": 6}
    before = time.monotonic()
    assert llm.run(["rain"], **greedy) == HFTransformers(str(models / "chat")).run(["rain"], **greedy)
    assert time.monotonic() - before < 15  # asks nobody for files that the repository never had
    assert llm.model_card == "https://huggingface.co/org/tiny"


def test_another_cache_folder_is_searched(hub: Path, models: Path, tmp_path: Path) -> None:
    cached(tmp_path / "mine", models / "chat")
    llm = HFTransformers("org/tiny", revision=COMMIT, cache_dir=str(tmp_path / "mine"), token="hf_secret")
    assert llm.spec()["revision"] == COMMIT
    assert "hf_secret" not in str(llm.spec())
    assert len(llm.run(["rain"], max_new_tokens=2)) == 1


def test_an_unresolved_revision_is_marked(hub: Path) -> None:
    spec = HFTransformers("org/unknown", revision="v2").spec()
    assert (spec["model"], spec["revision"], spec["resolved"]) == ("org/unknown", "v2", False)


def test_foreign_code_needs_a_commit(hub: Path) -> None:
    error = refusal("org/unknown", trust_remote_code=True)
    assert isinstance(error, InvalidArgumentError)
    assert "revision=<commit>" in str(error)


# --- folders --------------------------------------------------------------------------------


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    assert "no config.json (it holds notes.txt)" in str(refusal(str(tmp_path)))


def test_a_gguf_folder_is_refused_with_the_way_to_run_it(tmp_path: Path) -> None:
    (tmp_path / "model-q4.gguf").write_bytes(b"GGUF")
    assert "llama.cpp" in str(refusal(str(tmp_path)))


def test_a_folder_that_does_not_exist_is_no_hub_name(tmp_path: Path) -> None:
    error = refusal(str(tmp_path / "missing"))
    assert isinstance(error, InvalidArgumentError)
    assert "there is no folder" in str(error)


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert "is a file" in str(refusal(str(tmp_path / "model.safetensors")))


def test_weights_that_can_carry_code_are_never_read(models: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(models / "plain", tmp_path / "old")
    (folder / "model.safetensors").unlink()

    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "code ran",))

    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    error = refusal(str(folder))
    assert isinstance(error, PermanentModelError)
    assert "safetensors" in str(error)
    assert not (tmp_path / "code ran").exists()


def test_a_trainers_output_folder_is_a_model(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "plain", tmp_path / "train" / "_model")
    (tmp_path / "train" / "trainer.json").write_text("{}")
    trained = HFTransformers(str(tmp_path / "train"))
    assert trained.spec() == HFTransformers(str(models / "plain")).spec()


# --- adapters --------------------------------------------------------------------------------


def test_an_adapter_whose_base_is_gone_says_what_to_pass(models: Path, tmp_path: Path) -> None:
    adapter = shutil.copytree(models / "chat-lora", tmp_path / "lora")
    settings = json.loads((adapter / "adapter_config.json").read_text())
    settings["base_model_name_or_path"] = "/gone/base"
    (adapter / "adapter_config.json").write_text(json.dumps(settings))
    assert "'/gone/base'" in str(refusal(str(adapter)))
    assert "adapter_name" in str(refusal(str(adapter)))
    HFTransformers(str(models / "chat"), adapter_name=str(adapter)).run(["rain"], max_new_tokens=2)


def test_a_base_beside_its_adapter_is_found(models: Path, tmp_path: Path) -> None:
    adapter = shutil.copytree(models / "chat-lora", tmp_path / "lora")
    shutil.copytree(models / "chat", tmp_path / "base")
    settings = json.loads((adapter / "adapter_config.json").read_text())
    settings["base_model_name_or_path"] = "../base"
    (adapter / "adapter_config.json").write_text(json.dumps(settings))
    assert HFTransformers(str(adapter)).spec() == HFTransformers(str(models / "chat-lora")).spec()


def test_an_adapter_on_an_adapter_is_refused(models: Path) -> None:
    error = refusal(str(models / "chat-lora"), adapter_name=str(models / "chat-lora"))
    assert "is an adapter itself" in str(error)


# --- arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"device": "gpu9"}, "device='gpu9'"),
        ({"device": ["cpu", "cuda:97"]}, "one model can be spread over GPUs"),
        ({"dtype": "float12"}, "dtype='float12'"),
    ],
)
def test_impossible_arguments_are_named(models: Path, arguments: dict[str, object], words: str) -> None:
    assert words in str(refusal(str(models / "plain"), **arguments))


def test_unknown_parameters_are_named(models: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="Did you mean 'temperature'"):
        HFTransformers(str(models / "plain")).run(["rain"], temprature=1)


def test_a_missing_package_is_named_with_its_cure(models: Path) -> None:
    import subprocess
    import sys

    script = """
import sys
sys.modules["transformers"] = None  # as if it were not installed
from datadreamer.errors import MissingDependencyError
from datadreamer.llms import HFTransformers
try:
    HFTransformers(sys.argv[1]).tokenizer
except MissingDependencyError as error:
    print(error)
"""
    assert issubclass(MissingDependencyError, ImportError)
    said = subprocess.run([sys.executable, "-c", script, str(models / "plain")], capture_output=True, text=True).stdout
    assert 'pip install "datadreamer[hf]"' in said


# --- card, licence, citation --------------------------------------------------------------------------------


def test_licence_and_citations_come_from_the_card(models: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(models / "plain", tmp_path / "model")
    entry = "@article{tiny2026,\n  title={{Tiny} models},\n  year={2026}\n}"
    (folder / "README.md").write_text(
        f"---\nlicense: apache-2.0\n---\n# Tiny\n```bibtex\n{entry}\n```\nMail: a@b{{c}}\n"
    )
    llm = HFTransformers(str(folder))
    assert (llm.license, llm.citation, llm.model_card) == ("apache-2.0", [entry], None)


def test_a_licence_file_will_do(models: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(models / "plain", tmp_path / "model")
    (folder / "LICENSE").write_text("\n  MIT License\n\nCopyright")
    assert HFTransformers(str(folder)).license == "MIT License"


@pytest.mark.parametrize("card", ["---\n: [broken\n---\n", "---\n- a list\n---", "", "@article{never closed"])
def test_a_broken_card_is_no_error(models: Path, tmp_path: Path, card: str) -> None:
    folder = shutil.copytree(models / "plain", tmp_path / "model")
    (folder / "README.md").write_text(card)
    llm = HFTransformers(str(folder))
    assert (llm.license, llm.citation) == (None, None)


def test_a_model_that_is_not_there_has_no_card(tmp_path: Path) -> None:
    llm = HFTransformers(str(tmp_path / "missing"))
    assert (llm.license, llm.citation, llm.model_card) == (None, None, None)
