"""What a local model is: its files' content, wherever they lie."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny_models

from datadreamer import _context
from datadreamer.identity import digest
from datadreamer.ledger import Ledger
from datadreamer.llms import HFTransformers


def spec(folder: Path, **arguments: Any) -> dict[str, Any]:
    return HFTransformers(str(folder), **arguments).spec()


@pytest.fixture
def folder(models: Path, tmp_path: Path) -> Path:
    return shutil.copytree(models / "chat", tmp_path / "model")


def test_moving_the_folder_does_not_change_the_model(models: Path, folder: Path) -> None:
    assert spec(folder) == spec(models / "chat")
    assert spec(folder.rename(folder.parent / "elsewhere")) == spec(models / "chat")


def test_cards_checkpoints_and_other_formats_do_not_count(models: Path, folder: Path) -> None:
    (folder / "README.md").write_text("# New words")
    (folder / "LICENSE").write_text("Apache License")
    (folder / "pytorch_model.bin").write_bytes(b"never loaded")
    (folder / "training_args.bin").write_bytes(b"never loaded")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main")
    (folder / "checkpoint-10").mkdir()
    (folder / "checkpoint-10" / "model.safetensors").write_bytes(b"older")
    assert spec(folder) == spec(models / "chat")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"])
def test_weights_config_tokenizer_and_template_count(models: Path, folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[-1:] = b" " if name != "model.safetensors" else bytes([content[-1] ^ 1])
    (folder / name).write_bytes(content)
    assert spec(folder) != spec(models / "chat")


def test_what_decides_the_answer_counts(models: Path) -> None:
    plain = spec(models / "chat")
    for change in (
        {"dtype": "bfloat16"},
        {"chat_prompt_template": None},
        {"chat_prompt_template": "{{prompt}}!"},
        {"system_prompt": "Be brief."},
        {"adapter_name": str(models / "chat-lora")},
        {"quantization_config": {"load_in_8bit": True}},
        {"attn_implementation": "eager"},
    ):
        assert spec(models / "chat", **change) != plain, change
    assert spec(models / "plain") != plain


def test_where_and_how_fast_does_not_count(models: Path, tmp_path: Path) -> None:
    plain = spec(models / "chat")
    for change in (
        {"device": "cpu"},
        {"device_map": "auto"},
        {"cache_folder_path": str(tmp_path)},
        {"low_cpu_mem_usage": True},
    ):
        assert spec(models / "chat", **change) == plain, change


def test_dtype_is_one_however_it_is_written(models: Path) -> None:
    import torch

    assert spec(models / "chat", dtype=torch.bfloat16) == spec(models / "chat", dtype="bfloat16")


def test_an_adapter_counts_by_its_settings_and_weights_not_by_where_its_base_was(models: Path, tmp_path: Path) -> None:
    adapter = shutil.copytree(models / "chat-lora", tmp_path / "lora")
    base = shutil.copytree(models / "chat", tmp_path / "base")
    settings = json.loads((adapter / "adapter_config.json").read_text())
    settings["base_model_name_or_path"] = str(base)
    (adapter / "adapter_config.json").write_text(json.dumps(settings))
    before = spec(models / "chat-lora")
    assert spec(adapter) == before
    settings["lora_alpha"] = 99
    (adapter / "adapter_config.json").write_text(json.dumps(settings))
    assert spec(adapter) != before


def test_another_adapter_is_another_model(models: Path, tmp_path: Path) -> None:
    other = tiny_models.save_lora(tmp_path / "other", models / "chat", seed=4)
    assert spec(other) != spec(models / "chat-lora")


def test_the_spec_is_plain_data_that_can_be_identified(models: Path) -> None:
    quantized = HFTransformers(str(models / "chat"), quantization_config={"load_in_4bit": True})
    assert json.loads(json.dumps(quantized.spec())) == quantized.spec()
    assert digest(quantized) == digest(HFTransformers(str(models / "chat"), quantization_config={"load_in_4bit": True}))


def test_the_path_of_a_folder_is_nobodys_business(models: Path) -> None:
    llm = HFTransformers(str(models / "chat"))
    answer = next(iter(llm.outcomes(["rain"], max_new_tokens=2)))
    assert llm.display_name == "HFTransformers (chat)"
    assert answer.model == llm.spec()["digest"][:19]
    assert str(models) not in json.dumps(llm.spec())


def test_an_answer_is_remembered_across_folders_and_batch_sizes(models: Path, folder: Path, tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    scope = _context.StepScope(name="step", fingerprint="f", ledger=ledger)
    rows = ["rain", "boats", "rain"]
    with _context.running(scope):
        first = HFTransformers(str(models / "chat")).run(rows, max_new_tokens=4, batch_size=2)
        moved = HFTransformers(str(folder))
        assert moved.run(rows, max_new_tokens=4, batch_size=1) == first
    assert (scope.stats.calls, scope.stats.hits) == (3, 3)
    record = next(record for _, record in ledger.calls())
    assert record.usage.output_tokens > 0
    assert (record.model, record.provider) == ("chat", "transformers")
    assert str(models) not in str(record)
    ledger.close()


def test_a_remembered_run_loads_neither_torch_nor_transformers(models: Path, tmp_path: Path) -> None:
    import subprocess
    import sys

    script = f"""
import sys
from datadreamer import _context
from datadreamer.ledger import Ledger
from datadreamer.llms import HFTransformers
ledger = Ledger.open({str(tmp_path / "ledger.sqlite")!r})
with _context.running(_context.StepScope(name="s", fingerprint="f", ledger=ledger)):
    print(HFTransformers({str(models / "chat")!r}).run(["rain"], max_new_tokens=4))
ledger.close()
print("torch" in sys.modules, "transformers" in sys.modules)
"""
    first, second = (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split("\n")
        for _ in range(2)
    )
    assert first[0] == second[0]
    assert (first[1], second[1]) == ("True True", "False False")
