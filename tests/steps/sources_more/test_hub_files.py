"""Which files of a Hub repository are which split, by the Hub's conventions."""

from __future__ import annotations

from typing import Any

import pytest

from datadreamer.errors import SourceError
from datadreamer.steps.sources.hub_files import choose
from datadreamer.steps.sources.hub_repository import bibtex

PUSHED = [".gitattributes", "README.md", "data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet",
          "data/my_test-00000-of-00001-0a1b2c.parquet"]  # fmt: skip


def files(listed: list[str], card: dict[str, Any] | None = None, **asked: Any) -> list[str]:
    return choose(listed, card or {}, **asked).files


def test_a_pushed_dataset_has_its_splits_by_number() -> None:
    assert files(PUSHED, split="train") == PUSHED[2:4]
    assert files(PUSHED, split="my_test") == PUSHED[4:]


def test_several_splits_are_named_when_none_was_asked_for() -> None:
    with pytest.raises(SourceError, match=r"several splits \('my_test', 'train'\): choose one, for example split="):
        files(PUSHED)
    with pytest.raises(ValueError, match=r"no split 'tran'\. Did you mean 'train'"):
        files(PUSHED, split="tran")
    with pytest.raises(SourceError, match=r"take\(\)"):
        files(PUSHED, split="train[:10%]")


@pytest.mark.parametrize(
    ("listed", "split", "chosen"),
    [
        (["train.csv", "dev.csv", "eval.csv"], "validation", ["dev.csv"]),
        (["train.csv", "dev.csv", "eval.csv"], "test", ["eval.csv"]),
        (["x/test/a.json", "x/train/a.json", "x/train/b.json"], "train", ["x/train/a.json", "x/train/b.json"]),
        (["my-train-file.json.gz"], None, ["my-train-file.json.gz"]),
        (["part1.parquet", "part0.parquet", "LICENSE.txt"], None, ["part0.parquet", "part1.parquet"]),
        (["a.parquet", "notes.csv", "requirements.txt", "dataset_infos.json"], None, ["a.parquet"]),
        (["datadreamer.json", "data/train-00000-of-00001.parquet"], "train", ["data/train-00000-of-00001.parquet"]),
        (["testimony.csv"], "train", ["testimony.csv"]),
    ],
)  # fmt: skip
def test_names_of_files_and_folders_say_which_split_they_are(
    listed: list[str], split: str | None, chosen: list[str]
) -> None:
    assert files(listed, split=split) == chosen


CONFIGS = {
    "configs": [
        {
            "config_name": "en",
            "data_files": [{"split": "train", "path": "en/*.jsonl"}, {"split": "test", "path": ["x.jsonl"]}],
        },
        {"config_name": "fr", "data_files": "fr/**/*.jsonl", "default": True},
        {"config_name": "de", "data_dir": "de"},
    ]
}  # fmt: skip
IN_CONFIGS = ["README.md", "en/1.jsonl", "en/2.jsonl", "en/old/3.jsonl", "x.jsonl", "fr/a/1.jsonl", "fr/2.jsonl",
              "de/train.csv", "de/test.csv"]  # fmt: skip


def test_the_card_says_what_belongs_to_a_configuration() -> None:
    assert files(IN_CONFIGS, CONFIGS, config="en", split="train") == ["en/1.jsonl", "en/2.jsonl"]
    assert files(IN_CONFIGS, CONFIGS, config="en", split="test") == ["x.jsonl"]
    assert files(IN_CONFIGS, CONFIGS) == ["fr/2.jsonl", "fr/a/1.jsonl"]  # the default one
    assert choose(IN_CONFIGS, CONFIGS, config="de", split="test").kind == "csv"
    with pytest.raises(SourceError, match="no configuration 'es'"):
        files(IN_CONFIGS, CONFIGS, config="es")


def test_the_parquet_copies_of_the_hub_have_configurations_as_folders() -> None:
    listed = ["a/train/0000.parquet", "a/train/0001.parquet", "a/test/0000.parquet", "b/partial-train/0000.parquet"]
    assert files(listed, config="a", split="train") == listed[:2]
    assert files(listed, config="b") == listed[3:]
    with pytest.raises(SourceError, match=r"several configurations \('a', 'b'\): choose one, for example config_name="):
        files(listed, split="train")


def test_the_caller_may_name_files() -> None:
    assert files(IN_CONFIGS, CONFIGS, data_files="en/[!2]*.jsonl") == ["en/1.jsonl"]
    assert files(IN_CONFIGS, CONFIGS, data_files={"a": "x.jsonl", "b": "en/1.jsonl"}, split="b") == ["en/1.jsonl"]
    assert files(PUSHED, data_dir="data", split="my_test") == PUSHED[4:]
    with pytest.raises(SourceError, match="none of its files"):
        files(PUSHED, data_files="nothing/*.parquet")


def test_a_repository_without_rows_says_so() -> None:
    with pytest.raises(SourceError, match="none of its files"):
        files(["README.md", "script.py"])
    with pytest.raises(SourceError, match=r"image\.png is none of the kinds of file"):
        files(["image.png"], data_files="*.png")


def test_bibtex_entries_end_where_their_braces_close() -> None:
    text = "Cite:\n```\n@misc{a, title={A {B} C}}\n@article{b,\n year={2024}}\n```\nmail me@home.org {x}"
    assert list(bibtex(text)) == ["@misc{a, title={A {B} C}}", "@article{b,\n year={2024}}"]
    assert list(bibtex("@misc{never closed")) == []
