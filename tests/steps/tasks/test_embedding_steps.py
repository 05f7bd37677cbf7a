"""`Embed`, `CosineSimilarity` and `Retrieve` in sessions: columns, lost rows, reruns, what counts, the cards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from directions import DOCS, Directions

from datadreamer import DataDreamer
from datadreamer.cards import read_run, read_step
from datadreamer.errors import (
    ContextLengthError,
    InvalidArgumentError,
    InvalidTypeError,
    StepOutputTypeError,
)
from datadreamer.retrievers import BM25Retriever, EmbeddingRetriever
from datadreamer.steps import CosineSimilarity, DataSource, Embed, LazyRows, Retrieve, Step, output

Run = Callable[..., Any]
TEXTS = ["a cat", "Paris", None, "a dog and a cat", "a cat"]


def texts(values: list[Any] = TEXTS) -> Any:
    return DataSource("Texts", {"t": values})["t"]


# --- Embed ----------------------------------------------------------------------------------------------------------


def test_vectors_are_a_column_of_float32_lists_of_one_length(run: Run) -> None:
    def workflow() -> Any:
        return Embed("Embed", inputs={"texts": texts()}, args={"embedder": Directions()})

    step = run(workflow)
    assert step.output.schema.field("embeddings").type == pa.list_(pa.float32(), 6)
    assert step.output["texts"][:] == ["a cat", "Paris", "a dog and a cat", "a cat"]
    assert np.allclose(step.output["embeddings"][1], [0, 0, 1, 0, 0, 0])


def test_a_row_without_text_is_lost_and_the_others_know_their_rows(run: Run, tmp_path: Path) -> None:
    run(lambda: Embed("Embed", texts=texts(), embedder=Directions()))
    record = read_step(tmp_path / "output" / "embed" / "step.json")
    assert record.rows.failed == {"no_input": 1} and record.rows.output == 4 and record.rows.balanced


def test_a_rerun_embeds_nothing_and_more_texts_embed_only_themselves(run: Run) -> None:
    model = Directions()

    def workflow(values: list[Any], **given: Any) -> Any:
        return Embed("Embed", texts=texts(values), embedder=model, **given)

    run(lambda: workflow(["a cat", "a dog"]))
    run(lambda: workflow(["a cat", "a dog"], batch_size=1))
    assert model.asked == ["a cat", "a dog"]
    run(lambda: workflow(["a dog", "Paris", "a cat", "Paris"]))
    assert model.asked[2:] == ["Paris"]
    run(lambda: workflow(["a dog"], instruction="query: "))
    assert model.asked[3:] == ["query: a dog"]


def test_what_counts_of_embed(run: Run) -> None:
    def prints(values: list[Any] = TEXTS, **given: Any) -> str:
        return run(lambda: Embed("Embed", **{"texts": texts(values), "embedder": Directions(), **given})).fingerprint

    same = prints()
    assert same == prints(batch_size=3, adaptive_batch_size=False, lazy=True)
    others = [prints(["b"]), prints(embedder=Directions("other")), prints(truncate=True)]
    assert len({same, prints(instruction="x"), *others}) == 5


def test_a_text_that_is_too_long_stops_the_step_before_anything_is_embedded(run: Run) -> None:
    model = Directions(longest=3)
    long = ["a cat"] * 1200 + ["one two three four"]
    with pytest.raises(ContextLengthError, match="Text 1200 has 4 tokens"):
        run(lambda: Embed("Embed", texts=texts(long), embedder=model))
    assert model.asked == []
    done = run(lambda: Embed("Embed", texts=texts(long), embedder=model, truncate=True))
    assert done.output.num_rows == 1201


def test_a_run_that_stopped_goes_on_behind_what_it_had(run: Run) -> None:
    class Stops(Directions):
        def _embed_batch(self, texts: list[str], *more: Any) -> np.ndarray:
            if len(self.asked) >= 2000:
                raise RuntimeError("the power is gone")
            return super()._embed_batch(texts, *more)

    values = [f"cat {number}" for number in range(3000)]
    with pytest.raises(RuntimeError, match="power"):
        run(lambda: Embed("Embed", texts=texts(values), embedder=Stops()))
    goes_on = Directions()
    step = run(lambda: Embed("Embed", texts=texts(values), embedder=goes_on))
    assert len(goes_on.asked) == 1000
    assert step.output.num_rows == 3000


def test_lazy_columns_are_embedded_too(run: Run) -> None:
    class Many(Step):
        """Rows that are made when they are read."""

        t: str = output()

        def run(self) -> Any:
            return LazyRows(rows, total_num_rows=2500)

    def rows() -> Iterator[dict[str, str]]:
        for number in range(2500):
            yield {"t": f"cat {number % 50}"}

    step = run(lambda: Embed("Embed", texts=Many("Many").output["t"], embedder=Directions()))
    assert step.output.num_rows == 2500


def test_unknown_arguments_are_refused_by_name(run: Run) -> None:
    with pytest.raises(InvalidArgumentError, match=r"no argument 'trunkate'\. Did you mean 'truncate'"):
        run(lambda: Embed("Embed", inputs={"texts": texts()}, args={"embedder": Directions(), "trunkate": True}))
    with pytest.raises(InvalidTypeError, match="embedder"):
        run(lambda: Embed("Embed", inputs={"texts": texts()}, args={"embedder": "model"}))


# --- CosineSimilarity -----------------------------------------------------------------------------------------------


def test_similarities_of_texts_and_of_their_vectors_are_the_same(run: Run) -> None:
    def workflow() -> Any:
        model = Directions()
        left, right = (
            texts(["cat", "cat dog", "paris", "x"]),
            DataSource("R", {"t": ["dog", "cat", "paris", "cat"]})["t"],
        )
        of_texts = CosineSimilarity(
            "Texts", inputs={"a": left, "b": right}, args={"embedder": model, "similarity_batch_size": 2, "device": 0}
        )
        vectors = [
            Embed(name, texts=column, embedder=model)["embeddings"] for name, column in (("L", left), ("R", right))
        ]
        of_vectors = CosineSimilarity("Vectors", inputs={"a": vectors[0], "b": vectors[1]})
        return of_texts, of_vectors

    of_texts, of_vectors = run(workflow)
    assert of_texts.output["a"][:] == ["cat", "cat dog", "paris", "x"]
    assert of_texts.output["similarities"][:] == pytest.approx([0, 0.5**0.5, 1, 0])
    assert of_vectors.output["similarities"][:] == pytest.approx(of_texts.output["similarities"][:], abs=1e-7)
    assert of_vectors.output.column_names == ["a", "b", "similarities"]


def test_vectors_may_be_plain_lists_with_gaps(run: Run) -> None:
    columns = {"a": [[1.0, 0.0], None, [3.0, 4.0], [2.0, 0.0]], "b": [[0.0, 1.0], [1.0, 1.0], [6.0, 8.0], None]}

    def workflow() -> Any:
        rows = DataSource("Rows", columns)
        return CosineSimilarity("Similar", a=rows["a"], b=rows["b"])

    step = run(workflow)
    assert step.output["similarities"][:] == [0.0, 1.0]
    assert step.output["a"][:] == [[1.0, 0.0], [3.0, 4.0]]


def test_texts_need_an_embedder_and_vectors_refuse_one(run: Run) -> None:
    with pytest.raises(InvalidArgumentError, match="'a' holds texts, so it needs embedder"):
        run(lambda: CosineSimilarity("Similar", a=texts(["x"]), b=texts(["y"])))
    vectors = {"v": [[1.0, 2.0]], "w": [[1.0]]}

    def of_vectors(b: str, **given: Any) -> Any:
        rows = DataSource("Rows", vectors)
        return CosineSimilarity("Similar", a=rows["v"], b=rows[b], **given)

    with pytest.raises(InvalidArgumentError, match="Leave embedder out"):
        run(lambda: of_vectors("v", embedder=Directions()))
    with pytest.raises(InvalidArgumentError, match="2 dimensions and those of 'b' 1"):
        run(lambda: of_vectors("w"))
    vectors["v"] = [[1.0, 2.0], [1.0]]
    vectors["w"] = [[1.0], [1.0]]
    with pytest.raises(StepOutputTypeError, match=r"Row 1 of 'a'.*has 1 dimensions, and row 0 has 2"):
        run(lambda: of_vectors("w"))


# --- Retrieve -------------------------------------------------------------------------------------------------------


def test_results_are_positions_texts_and_scores(run: Run) -> None:
    def workflow() -> Any:
        retriever = EmbeddingRetriever(DataSource("Docs", {"d": DOCS})["d"], Directions())
        return Retrieve("Find", inputs={"queries": texts()}, args={"retriever": retriever, "k": 2})

    step = run(workflow)
    assert step.output["queries"][:] == ["a cat", "Paris", "a dog and a cat", "a cat"]
    first = step.output["results"][1]
    assert first == {"indices": [1, 0], "texts": [DOCS[1], DOCS[0]], "scores": [pytest.approx(0.5**0.5), 0.0]}


def test_a_changed_corpus_searches_again_and_embeds_only_what_is_new(run: Run) -> None:
    model = Directions()

    def workflow(docs: list[str], **given: Any) -> Any:
        retriever = EmbeddingRetriever(DataSource("Docs", {"d": docs})["d"], model, **given)
        return Retrieve("Find", queries=texts(["cat"]), retriever=retriever, k=1)

    first = run(lambda: workflow(DOCS))
    assert model.asked == [*DOCS, "cat"]
    run(lambda: workflow(DOCS, index_batch_size=1, device="cpu"))
    assert model.asked == [*DOCS, "cat"]
    second = run(lambda: workflow([*DOCS, "cat"]))
    assert model.asked == [*DOCS, "cat"]  # the text of the query had its vector already
    assert second.fingerprint != first.fingerprint
    assert second.output["results"][0]["indices"] == [4]
    run(lambda: workflow(DOCS, query_instruction="query: "))
    assert model.asked[5:] == ["query: cat"]


def test_parameters_of_the_retriever_count_and_others_are_refused(run: Run) -> None:
    def workflow(**given: Any) -> Any:
        retriever = EmbeddingRetriever(DOCS, Directions())
        return Retrieve("Find", inputs={"queries": texts()}, args={"retriever": retriever, **given})

    assert run(lambda: workflow(diversity=0.5)).fingerprint != run(workflow).fingerprint
    with pytest.raises(InvalidArgumentError, match="no argument 'top_k'"):
        run(lambda: workflow(top_k=3))


def test_the_card_knows_where_the_corpus_came_from(run: Run, tmp_path: Path) -> None:
    def workflow() -> Any:
        docs = DataSource("Docs", {"d": DOCS})
        retriever = EmbeddingRetriever(docs["d"], Directions())
        Retrieve("Find", queries=texts(["cat"]), retriever=retriever, k=1)
        Retrieve("Find words", queries=texts(["cat"]), retriever=BM25Retriever(DOCS), k=1)

    run(workflow)
    record = read_step(tmp_path / "output" / "find" / "step.json")
    assert {use.name: use.step for use in record.inputs} == {"queries": "Texts", "corpus": "Docs"}
    (model,) = record.models
    assert model.role == "scored-by" and model.license.text == "mit" and "directions" in model.citations[0]
    words = read_step(tmp_path / "output" / "find-words" / "step.json")
    assert {use.name: use.step for use in words.inputs} == {"queries": "Texts #2", "corpus": None}
    assert "BM25" in str(words.data_card["Citation Information"])
    run_record = read_run(tmp_path / "output" / "datadreamer.json")
    synthetic = next(step for step in run_record.steps if step.name == "Find").synthetic
    assert synthetic["results"].share == "none"


def test_a_session_in_memory_does_all_this_too() -> None:
    with DataDreamer(":memory:", verbose=False):
        docs = DataSource("Docs", {"d": DOCS})
        found = Retrieve("Find", queries=texts(), retriever=EmbeddingRetriever(docs["d"], Directions()), k=1)
        assert [result["indices"] for result in found.output["results"]] == [[0], [1], [0], [0]]
