"""RunTaskModel: one result per text, remembered by text, refused early when something is wrong with it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from datadreamer import DataDreamer
from datadreamer.errors import ContextLengthError, InvalidArgumentError, InvalidTypeError
from datadreamer.steps import DataSource, RunTaskModel
from datadreamer.task_models import TaskModel

sys.path.insert(0, str(Path(__file__).parents[2] / "task_models"))

from tiny_classifiers import save_classifier

TEXTS = ["good film", "bad film", "good", "good film"]


class WordCounter(TaskModel):
    """Scores a text by its words, and counts what it was asked."""

    extra_parameters = frozenset({"word"})

    def __init__(self, version_: int = 1) -> None:
        super().__init__()
        self.version_, self.asked = version_, []

    def spec(self) -> dict[str, Any]:
        return {**super().spec(), "version_": self.version_}

    def count_tokens(self, value: str) -> int:
        return len(value.split())

    @property
    def model_max_length(self) -> int:
        return 4

    def _answer_texts(self, texts, truncate, parameters):
        self.asked += texts
        word = parameters.get("word", "good")
        return [{word: float(text.split().count(word)), "words": float(min(4, len(text.split())))} for text in texts]


def scored(model, texts=TEXTS, name="Score", **options):
    source = DataSource("Texts", data={"text": texts})
    return RunTaskModel(name, texts=source.output["text"], model=model, **options)


def test_gives_one_result_for_each_text_in_order(tmp_path):
    with DataDreamer(tmp_path):
        step = scored(WordCounter())
        assert step.output.column_names == ["texts", "results"]
        assert list(step.output["texts"]) == TEXTS
        assert [result["good"] for result in step.output["results"]] == [1.0, 0.0, 1.0, 1.0]


def test_dictionary_spelling_renames_outputs(tmp_path):
    with DataDreamer(tmp_path):
        source = DataSource("Texts", data={"text": TEXTS})
        step = RunTaskModel(
            "Score",
            inputs={"texts": source.output["text"]},
            args={"model": WordCounter(), "word": "bad"},
            outputs={"results": "scores"},
        )
        assert [row["bad"] for row in step.output["scores"]] == [0.0, 1.0, 0.0, 0.0]


def test_equal_texts_are_asked_once_and_a_second_run_asks_nothing(tmp_path):
    first, second = WordCounter(), WordCounter()
    with DataDreamer(tmp_path):
        scored(first)
    assert sorted(first.asked) == sorted(set(TEXTS))
    with DataDreamer(tmp_path):
        step = scored(second, batch_size=2)
        assert len(list(step.output["results"])) == 4
    assert second.asked == []


def test_another_step_asks_only_about_new_texts(tmp_path):
    model = WordCounter()
    with DataDreamer(tmp_path):
        scored(model)
        model.asked.clear()
        scored(model, [*TEXTS, "new"], name="Score more")
    assert model.asked == ["new"]


def test_another_model_is_asked_again(tmp_path):
    with DataDreamer(tmp_path):
        scored(WordCounter())
    other = WordCounter(version_=2)
    with DataDreamer(tmp_path):
        scored(other)
    assert len(other.asked) == 3


def test_text_that_is_too_long_is_named_unless_it_may_be_cut(tmp_path):
    texts = ["short", "one two three four five"]
    with DataDreamer(tmp_path):
        with pytest.raises(ContextLengthError, match="Text 1 has 5 tokens"):
            scored(WordCounter(), texts)
        assert len(scored(WordCounter(), texts, truncate=True).output) == 2


def test_wrong_model_and_unknown_argument_are_refused_before_anything_runs(tmp_path):
    with DataDreamer(tmp_path):
        with pytest.raises(InvalidTypeError, match="'model' must be TaskModel"):
            scored("bert")
        with pytest.raises(InvalidArgumentError, match="no argument 'wrod'"):
            scored(WordCounter(), args={"wrod": "bad"})


def test_a_real_classifier_scores_texts_and_is_named_in_the_card(tmp_path):
    pytest.importorskip("transformers")
    from datadreamer.cards import read_step
    from datadreamer.task_models import HFClassificationTaskModel

    folder = save_classifier(tmp_path / "tiny")
    with DataDreamer(tmp_path / "out"):
        step = scored(HFClassificationTaskModel(str(folder)))
        results = list(step.output["results"])
    assert all(set(result) == {"bad", "good", "fine"} for result in results)
    assert all(abs(sum(result.values()) - 1) < 1e-5 for result in results)
    record = read_step(tmp_path / "out" / "score")
    assert [model.role for model in record.models] == ["scored-by"]
    assert record.calls.calls == 3


def test_long_texts_are_read_in_windows_where_asked(tmp_path):
    from datadreamer.task_models import HFClassificationTaskModel

    texts = ["good film", "rain all day " * 60]
    folder = save_classifier(tmp_path / "tiny")
    model = HFClassificationTaskModel(str(folder), device="cpu")
    with DataDreamer(tmp_path / "out"):
        with pytest.raises(ContextLengthError, match="Text 1 has 182 tokens"):
            scored(model, texts)
        step = scored(model, texts, name="Windows", args={"long_texts": "window"})
        again = scored(model, texts, name="Windows too", args={"long_texts": "window", "window_scores": "max"})
        with pytest.raises(InvalidArgumentError, match="pass one"):
            scored(model, texts, name="Both", truncate=True, args={"long_texts": "window"})
    assert list(step.output["results"]) == model.run(texts, long_texts="window")
    assert again.fingerprint != step.fingerprint


def test_an_embedder_is_a_task_model(tmp_path):
    from datadreamer.embedders import Embedder, FakeEmbedder, OpenAIEmbedder, ParallelEmbedder
    from datadreamer.task_models import ParallelTaskModel

    assert issubclass(Embedder, TaskModel)
    assert isinstance(OpenAIEmbedder("m", base_url="http://localhost/v1"), TaskModel)
    assert isinstance(ParallelEmbedder(FakeEmbedder()), TaskModel)
    with DataDreamer(tmp_path):
        step = scored(FakeEmbedder(dims=4))
        copies = scored(ParallelTaskModel(FakeEmbedder(dims=4), FakeEmbedder(dims=4)), name="Copies")
    wanted = [vector.tolist() for vector in FakeEmbedder(dims=4).run(TEXTS)]
    assert list(step.output["results"]) == wanted
    assert list(copies.output["results"]) == wanted
