"""Draws of a local model: independent of batch size, order and neighbours, and the same draws from the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datadreamer import DataDreamer
from datadreamer.bundled import toy_model_path
from datadreamer.llms import HFTransformers
from datadreamer.steps import DataFromPrompt, DataSource, Prompt

SAMPLING = {"max_new_tokens": 8, "temperature": 1.0}


@pytest.fixture(scope="module")
def llm() -> Iterator[HFTransformers]:
    made = HFTransformers(toy_model_path(), device="cpu")
    yield made
    made.unload_model()


def draws(folder: Path, llm: Any, n: int, **settings: Any) -> list[str]:
    with DataDreamer(folder, verbose=False):
        args = {"llm": llm, "n": n, "instruction": "Write a sentence about the sea.", **SAMPLING, **settings}
        return list(DataFromPrompt("Draw", args=args).output["generations"])


def answers(folder: Path, llm: Any, prompts: list[str], **settings: Any) -> dict[str, str]:
    with DataDreamer(folder, verbose=False):
        source = DataSource("Prompts", {"p": prompts})
        step = Prompt("Ask", inputs={"prompts": source.output["p"]}, args={"llm": llm, **SAMPLING, **settings})
        return {row["prompts"]: row["generations"] for row in step.output}


def test_draws_of_one_prompt_differ_and_do_not_depend_on_the_batch_size(tmp_path: Path, llm: HFTransformers) -> None:
    first = draws(tmp_path / "one", llm, 6, batch_size=1)
    assert len(set(first)) > 3
    assert draws(tmp_path / "six", llm, 6, batch_size=6) == first
    assert draws(tmp_path / "four", llm, 4, batch_size=2) == first[:4]


def test_the_same_draws_come_from_the_ledger_without_the_model(tmp_path: Path, llm: HFTransformers) -> None:
    first = draws(tmp_path / "output", llm, 4)
    (tmp_path / "output" / "draw" / "step.json").unlink()
    fresh = HFTransformers(toy_model_path(), device="cpu")
    assert draws(tmp_path / "output", fresh, 4) == first
    assert fresh._hf._live_model is None  # nothing was asked


def test_an_answer_does_not_depend_on_its_neighbours_or_their_order(tmp_path: Path, llm: HFTransformers) -> None:
    prompts = [f"Tell me about {thing}." for thing in ("cats", "the long history of very old bridges", "tea", "rain")]
    first = answers(tmp_path / "one", llm, prompts, batch_size=4)
    assert answers(tmp_path / "two", llm, prompts[::-1], batch_size=2) == first
    assert answers(tmp_path / "three", llm, prompts[1:2], batch_size=1) == {prompts[1]: first[prompts[1]]}


@pytest.mark.parametrize("change", [{"seed": 5}, {"temperature": 0.5}, {"top_p": 0.5}], ids=str)
def test_other_sampling_gives_other_draws(tmp_path: Path, llm: HFTransformers, change: dict[str, Any]) -> None:
    first = draws(tmp_path / "output", llm, 4)
    assert draws(tmp_path / "output", llm, 4, **change) != first
    assert draws(tmp_path / "output", llm, 4) == first
