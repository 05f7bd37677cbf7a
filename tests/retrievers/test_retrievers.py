"""What retrievers find, what they count by, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bags import Bags

from datadreamer import DataDreamer
from datadreamer.errors import ContextLengthError, InvalidArgumentError, InvalidTypeError
from datadreamer.retrievers import BM25Retriever, EmbeddingRetriever, HybridRetriever, ParallelRetriever, Retriever
from datadreamer.retrievers.mmr import diverse
from datadreamer.retrievers.words import words
from datadreamer.steps import DataSource

DOCS = [
    "A cat and a dog.",
    "Paris is in France.",
    "The tower of London.",
    "The tower of Paris, France.",
    "Nothing at all.",
    "Paris is in France.",
]


def test_the_nearest_texts_come_first_with_scores_and_positions() -> None:
    (found,) = EmbeddingRetriever(DOCS, Bags()).run(["the Paris tower"], k=4)
    assert found["indices"] == [3, 1, 2, 5]  # equal ones in the order of the corpus
    assert found["texts"] == [DOCS[place] for place in found["indices"]]
    assert found["scores"] == pytest.approx([2 / 6**0.5, 0.5, 0.5, 0.5])
    assert EmbeddingRetriever(DOCS, Bags()).run(["cat"], k=100)[0]["indices"][0] == 0
    assert EmbeddingRetriever(DOCS, Bags()).run([]) == []


def test_results_do_not_depend_on_batches() -> None:
    retriever = EmbeddingRetriever(DOCS * 40, Bags(), index_batch_size=3)
    queries = [f"{a} {b}" for a in ("cat", "paris", "tower") for b in ("dog", "france", "nothing")] * 30
    whole = retriever.run(queries, k=7)
    assert retriever.run(queries, k=7, batch_size=1) == whole
    assert list(retriever.run(iter(queries), k=7, return_generator=True)) == whole
    assert [retriever.run([query], k=7)[0] for query in queries[:9]] == whole[:9]
    assert ParallelRetriever(retriever, EmbeddingRetriever(DOCS * 40, Bags())).run(queries, k=7) == whole


def test_instructions_go_to_texts_and_to_queries() -> None:
    bags = Bags()
    EmbeddingRetriever(DOCS[:1], bags, index_instruction="passage: ", query_instruction="query: ").run(["cat"])
    assert bags.asked == ["passage: A cat and a dog.", "query: cat"]


def test_the_corpus_is_embedded_once_and_remembered(tmp_path: Path) -> None:
    bags = Bags()
    retriever = EmbeddingRetriever(DOCS, bags, cache_folder_path=str(tmp_path))
    retriever.run(["cat"])
    retriever.run(["dog"])
    assert len(bags.asked) == len(set(DOCS)) + 2
    again = Bags()
    other = EmbeddingRetriever(DOCS, again, cache_folder_path=str(tmp_path))
    assert other.run(["cat"]) == retriever.run(["cat"])
    assert again.asked == []


def test_a_long_text_of_the_corpus_is_named_with_the_cure() -> None:
    long = "cat " * 20
    with pytest.raises(ContextLengthError, match=r"corpus of the retriever.*Text 1 has 20 tokens.*truncate=True"):
        EmbeddingRetriever(["cat", long], Bags()).run(["cat"])
    assert EmbeddingRetriever(["dog", long], Bags(), truncate=True).run(["cat"])[0]["indices"][0] == 1


def test_diversity_leaves_out_what_is_alike() -> None:
    retriever = EmbeddingRetriever(DOCS, Bags())
    assert retriever.run(["Paris France"], k=2)[0]["indices"] == [1, 5]
    (found,) = retriever.run(["Paris France"], k=2, diversity=0.5)
    assert found["indices"][0] == 1 and found["indices"][1] != 5
    assert retriever.run(["Paris France"], k=2, diversity=0)[0]["indices"] == [1, 5]
    with pytest.raises(InvalidArgumentError, match="between 0 and 1"):
        retriever.run(["x"], diversity=2)


def test_maximal_marginal_relevance_by_hand() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    scores = np.array([0.9, 0.8, 0.3], np.float32)
    assert diverse(scores, vectors, 3, 0.0).tolist() == [0, 1, 2]
    assert diverse(scores, vectors, 3, 0.5).tolist() == [0, 2, 1]
    assert diverse(scores, vectors, 9, 1.0).tolist() == [0, 2, 1]


# --- FAISS ----------------------------------------------------------------------------------------------------------


def test_a_flat_index_of_faiss_finds_what_exact_search_finds() -> None:
    queries = ["cat", "paris tower", "london"]
    exact = EmbeddingRetriever(DOCS, Bags()).run(queries, k=4)
    flat = EmbeddingRetriever(DOCS, Bags(), index_type="Flat").run(queries, k=4)
    for one, other in zip(exact, flat, strict=True):
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-6)


def test_a_trained_index_is_trained_on_texts_from_everywhere() -> None:
    # the first hundred texts are all alike: an index trained on them would put all others into one cell
    docs = ["cat"] * 100 + ["dog paris", "dog london", "tower france", "paris"] * 100
    one, other = (EmbeddingRetriever(docs, Bags(), index_type="IVF4,Flat") for _ in range(2))
    assert one.run(["tower"], k=3) == other.run(["tower"], k=3)  # the sample is drawn with a fixed seed
    faiss = pytest.importorskip("faiss")
    lists = faiss.extract_index_ivf(one.index.index).invlists
    assert sum(lists.list_size(cell) > 0 for cell in range(4)) >= 3
    assert one.run(["tower"], k=2)[0]["texts"] == ["tower france"] * 2


def test_an_index_that_cannot_be_is_refused_with_the_cure() -> None:
    for kind in ("Nonsense", "IVF4096,Flat"):
        with pytest.raises(InvalidArgumentError, match=rf"index_type='{kind}'.*Leave index_type out"):
            EmbeddingRetriever(DOCS, Bags(), index_type=kind).run(["cat"])


# --- words ----------------------------------------------------------------------------------------------------------


def test_bm25_by_hand() -> None:
    docs = ["a b b", "a c", "d"]
    (found,) = BM25Retriever(docs, k1=1.5, b=0.5).run(["b a nothing"], k=5)
    mean = 2.0

    def weight(f: float, n: int, length: float) -> float:
        idf = np.log(1 + (3 - n + 0.5) / (n + 0.5))
        return float(idf * f * 2.5 / (f + 1.5 * (0.5 + 0.5 * length / mean)))

    assert found["indices"] == [0, 1]
    assert found["scores"] == pytest.approx([weight(2, 1, 3) + weight(1, 2, 3), weight(1, 2, 2)], rel=1e-6)


def test_bm25_against_every_text_scored_one_by_one() -> None:
    rng = np.random.default_rng(0)
    docs = [" ".join(f"w{word}" for word in rng.zipf(1.5, rng.integers(0, 30)) if word < 50) for _ in range(300)]
    counts = [{word: text.split().count(word) for word in text.split()} for text in docs]
    mean = np.mean([len(text.split()) for text in docs])

    def score(query: list[str], place: int) -> float:
        total = 0.0
        for word in query:
            n, f = sum(word in count for count in counts), counts[place].get(word, 0)
            if n:
                room = 1.2 * (0.25 + 0.75 * len(docs[place].split()) / mean)
                total += np.log(1 + (300 - n + 0.5) / (n + 0.5)) * f * 2.2 / (f + room)
        return total

    for query in (["w1", "w3"], ["w7"], ["w1", "w1", "w20"]):
        (found,) = BM25Retriever(docs).run([" ".join(query)], k=10)
        best = sorted((-score(query, place), place) for place in range(300))[:10]
        assert found["scores"] == pytest.approx([-value for value, _ in best if value < 0], rel=1e-5)


def test_words_of_any_script() -> None:
    assert words("Don't STOP — Straße, naïve ①x") == ["don't", "stop", "strasse", "naïve", "1x"]
    assert words("東京タワー is tall") == ["東", "京", "タ", "ワ", "ー", "is", "tall"]
    assert words("") == words("!?") == []


def test_queries_without_a_known_word_find_nothing() -> None:
    found = BM25Retriever(DOCS).run(["zzz", ""], k=2)
    assert found == [{"indices": [], "texts": [], "scores": []}] * 2


# --- several --------------------------------------------------------------------------------------------------------


def test_hybrid_search_adds_up_reciprocal_ranks() -> None:
    meaning, by_words = EmbeddingRetriever(DOCS, Bags()), BM25Retriever(DOCS)
    (found,) = HybridRetriever(meaning, by_words).run(["tower of Paris"], k=6)
    wanted = dict.fromkeys(range(len(DOCS)), 0.0)
    for one in (meaning, by_words):
        for rank, place in enumerate(one.run(["tower of Paris"], k=100)[0]["indices"], 1):
            wanted[place] += 1 / (60 + rank)
    assert found["indices"] == sorted(wanted, key=lambda place: (-wanted[place], place))
    assert found["scores"] == pytest.approx(sorted(wanted.values(), reverse=True))
    heavy = HybridRetriever(meaning, by_words, weights=[0, 1]).run(["london"], k=1)
    assert heavy[0]["indices"] == [2]


def test_hybrid_search_takes_retrievers_of_one_corpus() -> None:
    with pytest.raises(InvalidArgumentError, match="same texts"):
        HybridRetriever(BM25Retriever(DOCS), BM25Retriever(DOCS[:2]))
    with pytest.raises(InvalidTypeError, match="two or more"):
        HybridRetriever(BM25Retriever(DOCS))
    with pytest.raises(InvalidArgumentError, match="one number"):
        HybridRetriever(BM25Retriever(DOCS), BM25Retriever(DOCS), weights=[1])
    with pytest.raises(InvalidArgumentError, match="these differ"):
        ParallelRetriever(BM25Retriever(DOCS), BM25Retriever(DOCS, b=0.1))


# --- identity and refusals -------------------------------------------------------------------------------------------


def test_what_counts_of_a_retriever() -> None:
    def spec(texts: Any = DOCS, model: str = "bags", **given: Any) -> str:
        return str(EmbeddingRetriever(texts, Bags(model), **given).spec())

    same = spec()
    assert same == spec(index_batch_size=99, device="cuda:3", cache_folder_path="somewhere", batch_size=3)
    others = [
        spec(DOCS[:-1]),
        spec(DOCS[::-1]),
        spec(model="other"),
        spec(index_instruction="p: "),
        spec(query_instruction="q: "),
        spec(index_type="Flat"),
        spec(truncate=True),
    ]
    assert len({same, *others}) == 8
    assert BM25Retriever(DOCS).spec() != BM25Retriever(DOCS, k1=2).spec()


def test_a_list_and_a_column_of_the_same_texts_are_one_corpus(tmp_path: Path) -> None:
    with DataDreamer(tmp_path, verbose=False):
        source = DataSource("Docs", {"text": DOCS})
        stored = BM25Retriever(source["text"])
        lazy = BM25Retriever(source.map(lambda row: {"text": row["text"]}, lazy=True)["text"])
        assert stored.spec() == lazy.spec() == BM25Retriever(DOCS).spec() == BM25Retriever(iter(DOCS)).spec()
        assert stored.run(["cat"]) == BM25Retriever(DOCS).run(["cat"])
        assert stored.texts.step is source and BM25Retriever(DOCS).texts.step is None


def test_what_is_no_corpus_is_refused() -> None:
    for texts, message in (
        ([], "at least one text"),
        (["a", None], "Text 1"),
        ("text", "list of str"),
        (["a", 3], "Text 1"),
    ):
        with pytest.raises((InvalidTypeError, InvalidArgumentError), match=message):
            BM25Retriever(texts)
    with pytest.raises(InvalidTypeError, match="must be an embedder"):
        EmbeddingRetriever(DOCS, "model")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="no parameter 'batch'"):
        EmbeddingRetriever(DOCS, Bags(), batch=3)


def test_what_is_no_query_is_refused() -> None:
    retriever = BM25Retriever(DOCS)
    with pytest.raises(InvalidTypeError, match="not one str"):
        retriever.run("cat")
    with pytest.raises(InvalidTypeError, match="Query 1 is None"):
        retriever.run(["cat", None])  # type: ignore[list-item]
    with pytest.raises(InvalidTypeError, match="Query 0 is int"):
        retriever.run([1])  # type: ignore[list-item]
    with pytest.raises(InvalidArgumentError, match="k is 0"):
        retriever.run(["cat"], k=0)
    with pytest.raises(InvalidArgumentError, match="no parameter 'top_k'"):
        retriever.run(["cat"], top_k=3)


def test_a_retriever_of_a_user_writes_two_methods() -> None:
    class Longest(Retriever):
        def _build(self) -> np.ndarray:
            return np.argsort([-len(text) for text in self.corpus], kind="stable")

        def _search(self, queries: list[str], k: int, parameters: Any) -> tuple[np.ndarray, np.ndarray]:
            places = np.repeat(self.index[None, :k], len(queries), 0)
            return np.zeros(places.shape, np.float32), places

    longest = Longest(["aa", "bbbb", "c"])
    assert longest.run(["x"], k=2) == [{"indices": [1, 0], "texts": ["bbbb", "aa"], "scores": [0.0, 0.0]}]
    longest.unload_model()
    assert longest.run(["x"], k=1)[0]["indices"] == [1]
