"""Exports of a step's result, whole and in splits, and what would be published."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from datadreamer import DataDreamer
from datadreamer.errors import StepOutputError
from datadreamer.llms import FakeLLM
from datadreamer.steps import DataSource, Prompt, Step
from datasets import Dataset, DatasetDict, load_dataset, load_from_disk

Run = Callable[..., Any]
ROWS = [{"n": n, "text": f"ü {n}" if n % 3 else None, "deep": {"x": [n]}} for n in range(10)]
SPLITS: dict[str, Any] = {"train_size": 0.7, "validation_size": 0.2, "test_size": 0.1}
PARTS = {"train": ROWS[:7], "validation": ROWS[7:9], "test": ROWS[9:]}


def columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in ROWS[0]}


@pytest.fixture(params=["stored", "lazy"])
def step(session: DataDreamer, request: pytest.FixtureRequest) -> Step:
    return DataSource("Rows", (lambda: iter(ROWS)) if request.param == "lazy" else ROWS)


def test_python_values(step: Step) -> None:
    assert step.export_to_list() == ROWS
    assert step.export_to_dict() == columns(ROWS)
    assert step.export_to_list(**SPLITS) == PARTS
    assert step.export_to_dict(**SPLITS) == {name: columns(rows) for name, rows in PARTS.items()}
    assert step.export_to_list(train_size=9, test_size=1)["test"] == ROWS[9:]
    stratified = step.map(lambda row: {"even": row["n"] % 2 == 0}).export_to_list(
        train_size=0.8, test_size=0.2, stratify_by_column="even"
    )
    assert sorted(row["even"] for row in stratified["test"]) == [False, True]


def read_json(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def read_csv(path: Path, sep: str = ",") -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file, delimiter=sep))


def test_json_files(step: Step, tmp_path: Path) -> None:
    assert step.export_to_json(str(tmp_path / "new" / "rows.jsonl")) == str(tmp_path / "new" / "rows.jsonl")
    assert read_json(tmp_path / "new" / "rows.jsonl") == ROWS
    step.export_to_json(str(tmp_path / "list.json"), lines=False, force_ascii=False, indent=1)
    assert json.loads((tmp_path / "list.json").read_text()) == ROWS and "ü" in (tmp_path / "list.json").read_text()
    paths = step.export_to_json(tmp_path / "rows.json", **SPLITS)  # type: ignore[arg-type]
    assert [Path(path).name for path in paths.values()] == ["rows.train.json", "rows.val.json", "rows.test.json"]
    assert {name: read_json(Path(path)) for name, path in paths.items()} == PARTS


def test_csv_files(step: Step, tmp_path: Path) -> None:
    step.export_to_csv(str(tmp_path / "rows.csv"))
    assert read_csv(tmp_path / "rows.csv")[:3] == [
        ["n", "text", "deep"],
        ["0", "", '{"x":[0]}'],
        ["1", "ü 1", '{"x":[1]}'],
    ]
    step.export_to_csv(str(tmp_path / "rows.tsv"), sep="\t", header=False, na_rep="none")
    assert read_csv(tmp_path / "rows.tsv", "\t")[0] == ["0", "none", '{"x":[0]}']
    paths = step.export_to_csv(str(tmp_path / "rows.csv"), **SPLITS)
    assert len(read_csv(Path(paths["validation"]))) == 3


def test_parquet_files(step: Step, tmp_path: Path) -> None:
    step.export_to_parquet(str(tmp_path / "rows.parquet"))
    assert pq.read_table(tmp_path / "rows.parquet").to_pylist() == ROWS
    paths = step.export_to_parquet(str(tmp_path / "rows.parquet"), **SPLITS)
    assert pq.read_table(paths["test"]).to_pylist() == ROWS[9:]


def test_hugging_face_folders_hold_the_card(step: Step, tmp_path: Path) -> None:
    made = step.export_to_hf_dataset(str(tmp_path / "whole"))
    assert isinstance(made, Dataset) and made.to_list() == load_from_disk(str(tmp_path / "whole")).to_list() == ROWS
    splits = step.export_to_hf_dataset(str(tmp_path / "splits"), **SPLITS)
    assert isinstance(splits, DatasetDict) and {name: part.to_list() for name, part in splits.items()} == PARTS
    for folder in ("whole", "splits"):
        assert "Rows" in (tmp_path / folder / "README.md").read_text()
        assert (tmp_path / folder / "datadreamer.json").exists()
    assert step.export_to_hf_dataset(str(tmp_path / "whole")).num_rows == 10  # over an earlier export


def test_names_without_a_folder(step: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    step.export_to_json("rows.json")
    step.export_to_csv("rows.csv", **SPLITS)
    step.export_to_parquet("rows.parquet")
    step.export_to_hf_dataset("rows", **SPLITS)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"output", "rows", "rows.json", "rows.parquet", "rows.train.csv", "rows.val.csv", "rows.test.csv"}


def test_what_is_no_earlier_export_is_left_alone(session: DataDreamer, tmp_path: Path) -> None:
    step = DataSource("Rows", ROWS)
    (tmp_path / "thesis.json").write_text("Chapter 1")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.md").write_text("Chapter 1")
    with pytest.raises(ValueError, match="is not a json file, so it is left alone"):
        step.export_to_json(str(tmp_path / "thesis.json"))
    with pytest.raises(ValueError, match="is not a dataset folder, so it is left alone"):
        step.export_to_hf_dataset(str(tmp_path / "folder"))
    with pytest.raises(ValueError, match="is a folder: give a file name"):
        step.export_to_csv(str(tmp_path / "folder"))


@pytest.mark.parametrize(
    ("export", "message"),
    [
        (lambda s, p: s.export_to_list(train=0.5), r"no argument 'train'.*Did you mean 'train_size'"),
        (lambda s, p: s.export_to_list(train_size=0.5, test_size=0.6), r"sum to 1\.0"),
        (lambda s, p: s.export_to_dict(train_size=0.5, test_size=0.5, stratify_by_column="m"), r"no column 'm'"),
        (lambda s, p: s.export_to_json(str(p / "x.json"), line=True), r"no option 'line'.*'lines'"),
        (lambda s, p: s.export_to_csv(str(p / "x.csv"), seperator=";"), r"no option 'seperator'"),
        (lambda s, p: s.export_to_hf_dataset(str(p / "x"), shards=3), r"no argument 'shards'"),
        (lambda s, p: s.export_to_parquet(str(p / "x.parquet"), snappy=True), r"'snappy'"),
        (lambda s, p: s.publish_to_hf_hub("me/x", dry_run=str(p / "x"), message="x"), r"no argument 'message'"),
    ],
)
def test_wrong_options_are_named(
    session: DataDreamer, tmp_path: Path, export: Callable[[Any, Path], Any], message: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        export(DataSource("Rows", ROWS), tmp_path)
    assert not any(path.name.startswith("x") for path in tmp_path.iterdir())


def test_nothing_is_exported_of_a_step_that_has_not_run(tmp_path: Path) -> None:
    with pytest.raises(StepOutputError, match="has no output"):
        DataSource("Rows", ROWS).export_to_json(str(tmp_path / "rows.json"))


def test_results_are_exported_after_their_session_too(run: Run, tmp_path: Path) -> None:
    step = run(lambda: DataSource("Rows", ROWS))
    step.export_to_json(str(tmp_path / "rows.json"))
    assert read_json(tmp_path / "rows.json") == ROWS
    assert step.export_to_hf_dataset(str(tmp_path / "a")).num_rows == 10

    def another_session() -> None:
        assert step.export_to_hf_dataset(str(tmp_path / "b")).num_rows == 10

    run(another_session)
    assert load_from_disk(str(tmp_path / "b")).to_list() == ROWS


# --- publishing -------------------------------------------------------------------------------------------------------


def test_a_dry_run_holds_what_would_be_published(session: DataDreamer, tmp_path: Path) -> None:
    texts = DataSource("Texts", {"text": [f"t{n}" for n in range(10)]})
    step = Prompt("Ask", prompts=texts["text"], llm=FakeLLM(str.upper)).select_columns(["generations"])
    folder = tmp_path / "published"
    assert step.publish_to_hf_hub("me/words", dry_run=str(folder), train_size=0.8, test_size=0.2) == str(folder)
    assert sorted(path.name for path in (folder / "data").iterdir()) == [
        "test-00000-of-00001.parquet", "train-00000-of-00001.parquet",
    ]  # fmt: skip
    loaded = load_dataset(str(folder))
    assert loaded["train"]["generations"][:] == [f"T{n}" for n in range(8)] and loaded["test"].num_rows == 2
    readme = (folder / "README.md").read_text()
    assert readme.startswith("---\n") and "synthetic" in readme and "words" in readme and "FakeLLM" in readme
    record = json.loads((folder / "datadreamer.json").read_text())
    assert [entry["name"] for entry in record["steps"]] == ["Texts", "Ask", "Ask (select_columns)"]


def test_a_dry_run_in_memory_has_its_card_too(memory: DataDreamer, tmp_path: Path) -> None:
    DataSource("Rows", ROWS).publish_to_hf_hub("me/rows", dry_run=str(tmp_path / "p"), is_synthetic=False)
    assert "Rows" in (tmp_path / "p" / "README.md").read_text()
    assert "- synthetic" not in (tmp_path / "p" / "README.md").read_text()


def test_publishing_without_a_token_says_how_to_get_one(tmp_path: Path) -> None:
    script = (
        "from datadreamer import DataDreamer\nfrom datadreamer.steps import DataSource\n"
        "with DataDreamer(':memory:', verbose=False):\n"
        "    DataSource('Rows', {'n': [1]}).publish_to_hf_hub('me/rows')"
    )
    nobody = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**nobody, "HF_HOME": str(tmp_path)}
    )
    assert "AuthenticationError: Publishing on the Hugging Face Hub needs a token" in done.stderr
    assert "HF_TOKEN" in done.stderr
