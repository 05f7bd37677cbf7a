"""What counts of a step that reads a stored dataset, and of a local model: as `test_every_field.py`, with files."""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import datasets
from datadreamer import DataDreamer, bundled, runs
from datadreamer.llms import HFTransformers
from datadreamer.steps import DataSource, HFDatasetDataSource, Prompt, Step
from datadreamer.steps.declaration import declaration_of
from datadreamer.steps.fingerprint import fingerprints

RUNTIME = {"progress_interval": 7, "force": True, "verbose": False, "log_level": 10, "save_num_proc": 2,
           "save_num_shards": 3, "max_failures": 3, "retry_failed": True}  # fmt: skip


def stored(folder: Path, **columns: list[Any]) -> str:
    datasets.Dataset.from_dict(columns).save_to_disk(str(folder))
    return str(folder)


def key(**given: Any) -> str:
    return fingerprints(HFDatasetDataSource(**{"name": "Rows", **given})).key


def test_a_stored_dataset_is_identified_by_its_content_alone(tmp_path: Path) -> None:
    first = stored(tmp_path / "first", n=[1, 2])
    same = key(dataset_path=first)
    assert key(dataset_path=first, name="Another name") == same
    for name, value in RUNTIME.items():
        if name in inspect.signature(HFDatasetDataSource.__init__).parameters:
            assert key(**{"dataset_path": first, name: value}) == same, name
    shutil.copytree(first, tmp_path / "copied")
    assert key(dataset_path=str(tmp_path / "copied")) == same
    assert key(dataset_path=stored(tmp_path / "second", n=[1, 3])) != same
    assert key(dataset_path=stored(tmp_path / "third", m=[1, 2])) != same
    declared = declaration_of(HFDatasetDataSource, Step)
    known = {"name", "inputs", "args", "outputs", "background", "budget", "data", "total_num_rows", "auto_progress"}
    assert set(declared.fields) - known == set(RUNTIME), "say in this file whether the new field counts"


def test_why_names_the_file_of_a_stored_dataset_that_changed(tmp_path: Path) -> None:
    for number in (1, 2):
        place = stored(tmp_path / "rows", n=[number])
        with DataDreamer(tmp_path / "output"):
            assert list(HFDatasetDataSource("Rows", place).output["n"]) == [number]
    answer = runs.why(tmp_path / "output", "Rows")
    assert (answer.kind, answer.path) == ("input", 'data["files"][0]')


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundled.toy_model_path(), tmp_path / "model"))


COUNT: dict[str, Any] = {
    "chat_prompt_template": "{{prompt}}",
    "system_prompt": "Be brief.",
    "dtype": "bfloat16",
    "quantization_config": {"load_in_8bit": True},
}
DO_NOT_COUNT: dict[str, Any] = {"device": "cuda:1", "device_map": "auto", "cache_folder_path": "cache"}
# Need a hub, code of others or an adapter: tested with those in tests/llms/local.
ELSEWHERE = {"self", "model_name", "revision", "trust_remote_code", "adapter_name", "adapter_kwargs", "model_kwargs"}


def test_a_local_model_is_identified_by_its_files_and_what_changes_its_answers(model: Path, tmp_path: Path) -> None:
    def spec(**given: Any) -> str:
        return json.dumps(HFTransformers(**{"model_name": str(model), **given}).spec(), default=str)

    same = spec()
    assert spec() == same
    for name in inspect.signature(HFTransformers.__init__).parameters:
        if name in COUNT:
            assert spec(**{name: COUNT[name]}) != same, name
        elif name in DO_NOT_COUNT:
            value = str(tmp_path / "cache") if name == "cache_folder_path" else DO_NOT_COUNT[name]
            assert spec(**{name: value}) == same, name
        else:
            assert name in ELSEWHERE, f"say in this file whether HFTransformers({name}=…) counts"


def change(file: str) -> Callable[[Path], None]:
    def work(model: Path) -> None:
        content = bytearray((model / file).read_bytes())
        content[-1] ^= 1
        (model / file).write_bytes(content)

    return work


def test_other_weights_under_the_same_path_rerun_and_why_names_the_model(model: Path, tmp_path: Path) -> None:
    def answers() -> tuple[list[str], int]:
        with DataDreamer(tmp_path / "output"):
            texts = DataSource("Texts", {"text": ["one"]})
            llm = HFTransformers(str(model), device="cpu")
            args = {"llm": llm, "max_new_tokens": 2, "temperature": 0.0}
            step = Prompt("Ask", inputs={"prompts": texts.output["text"]}, args=args)
            found = list(step.output["generations"])
        return found, (tmp_path / "output" / "ask" / "step.json").stat().st_ino

    first = answers()
    assert answers() == first
    change(next(path.name for path in model.glob("*.safetensors")))(model)
    assert answers()[1] != first[1]
    answer = runs.why(tmp_path / "output", "Ask")
    assert answer.kind == "model" and answer.path is not None and answer.path.startswith('models["llm"]["digest"]')
