"""How different texts are from each other: measures over a list of tokenised texts."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

CITATIONS = {
    "distinct": """@inproceedings{li2016diversity,
  title={A Diversity-Promoting Objective Function for Neural Conversation Models},
  author={Li, Jiwei and Galley, Michel and Brockett, Chris and Gao, Jianfeng and Dolan, Bill},
  booktitle={Proceedings of NAACL-HLT 2016},
  pages={110--119},
  year={2016}
}""",
    "self_bleu": """@inproceedings{zhu2018texygen,
  title={Texygen: A Benchmarking Platform for Text Generation Models},
  author={Zhu, Yaoming and Lu, Sidi and Zheng, Lei and Guo, Jiaxian and Zhang, Weinan and Wang, Jun and Yu, Yong},
  booktitle={The 41st International ACM SIGIR Conference on Research and Development in Information Retrieval},
  pages={1097--1100},
  year={2018}
}""",
}

_TOKEN = re.compile(r"\w+|[^\w\s]")
_ORDER = 4  # n-grams of BLEU
_SMALL = 0.1  # what stands for no match at all (Chen and Cherry 2014, smoothing 1, as Texygen uses it)
_CUT = 1 << 20  # n-grams that are gathered before repeated ones are dropped


def tokens(text: str, unit: str) -> list[str]:
    """Words and punctuation marks, or characters, without regard to case."""
    plain = text.casefold()
    return [char for char in plain if not char.isspace()] if unit == "character" else _TOKEN.findall(plain)


class Vocabulary:
    """Numbers for tokens, and counts of different n-grams, as texts come."""

    def __init__(self, longest: int = 3) -> None:
        self._numbers: dict[str, int] = {}
        self.tokens = 0
        self.totals = [0] * longest  # n-grams
        self._found = [_Distinct() for _ in range(longest)]

    def add(self, text: Sequence[str]) -> None:
        numbers = self._numbers
        ids = np.fromiter((numbers.setdefault(token, len(numbers)) for token in text), np.uint64, len(text))
        self.tokens += len(ids)
        keys = np.zeros(len(ids), np.uint64)
        for size, found in enumerate(self._found, 1):
            if len(ids) < size:
                break
            # the n-gram as one number: that of the shorter one, mixed with the next token
            keys = _mixed(keys[: len(ids) - size + 1] * np.uint64(0x9E3779B97F4A7C15) + ids[size - 1 :] + np.uint64(1))
            self.totals[size - 1] += len(keys)
            found.add(keys)

    @property
    def size(self) -> int:
        """Different tokens."""
        return len(self._numbers)

    def distinct(self, size: int) -> float | None:
        """Different n-grams as a share of all; None where there are none. Source: Li et al. 2016, section 5.2."""
        total = self.totals[size - 1]
        return len(self._found[size - 1]) / total if total else None


class _Distinct:
    """How many different numbers there are, at 8 bytes each."""

    def __init__(self) -> None:
        self._known, self._new, self._waiting = np.empty(0, np.uint64), list[np.ndarray](), 0

    def add(self, keys: np.ndarray) -> None:
        self._new.append(keys)
        self._waiting += len(keys)
        if self._waiting > max(_CUT, len(self._known)):
            self._settle()

    def _settle(self) -> None:
        self._known, self._new, self._waiting = np.unique(np.concatenate([self._known, *self._new])), [], 0

    def __len__(self) -> int:
        self._settle()
        return len(self._known)


def _mixed(values: np.ndarray) -> np.ndarray:
    """The finalizer of splitmix64: different numbers stay different, and look random."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed


def self_bleu(texts: Sequence[Sequence[str]]) -> float | None:
    """The mean BLEU-4 of every text against all the others; None for fewer than two texts.

    High where texts repeat each other's phrases. Source: Zhu et al. 2018, section 3.
    """
    if len(texts) < 2:
        return None
    best = [_most_in_others(texts, size) for size in range(1, _ORDER + 1)]
    lengths = Counter(map(len, texts))
    known = sorted(lengths)
    return math.fsum(_bleu(number, text, best, lengths, known) for number, text in enumerate(texts)) / len(texts)


def _ngrams(text: Sequence[str], size: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(text[at : at + size]) for at in range(len(text) - size + 1))


def _most_in_others(texts: Sequence[Sequence[str]], size: int) -> dict[tuple[str, ...], tuple[int, int, int]]:
    """For every n-gram: how often it occurs in the text that has most of it, which one that is, and in the next."""
    best: dict[tuple[str, ...], tuple[int, int, int]] = {}
    for number, text in enumerate(texts):
        for ngram, count in _ngrams(text, size).items():
            most, owner, second = best.get(ngram, (0, -1, 0))
            if count > most:
                best[ngram] = (count, number, most)
            elif count > second:
                best[ngram] = (most, owner, count)
    return best


def _bleu(
    number: int, text: Sequence[str], best: list[dict[tuple[str, ...], tuple[int, int, int]]],
    lengths: Counter[int], known: list[int],
) -> float:  # fmt: skip
    logs = []
    for size, table in enumerate(best, 1):
        counts = _ngrams(text, size)
        matched = 0
        for ngram, count in counts.items():
            most, owner, second = table[ngram]
            matched += min(count, second if owner == number else most)
        if size == 1 and not matched:
            return 0.0
        logs.append(math.log((matched or _SMALL) / max(1, counts.total())))
    reference = _closest(len(text), lengths, known)
    brevity = 1.0 if len(text) > reference else math.exp(1 - reference / len(text))
    return brevity * math.exp(math.fsum(logs) / _ORDER)


def _closest(length: int, lengths: Counter[int], known: list[int]) -> int:
    """The length among the other texts that is nearest to this one; the shorter of two."""
    if lengths[length] > 1:
        return length
    at = bisect_left(known, length)
    near = [*known[max(0, at - 1) : at], *known[at + 1 : at + 2]]
    return min(near, key=lambda other: (abs(other - length), other))


def spread(vectors: np.ndarray) -> float | None:
    """The mean cosine distance of all pairs of unit vectors, 0 to 2; None for fewer than two. Exact, in one pass."""
    count = len(vectors)
    if count < 2:
        return None
    total = np.zeros(vectors.shape[1])
    own = 0.0
    for block in _blocks(vectors):
        total += block.sum(axis=0)
        own += float((block * block).sum())
    return float(1 - (total @ total - own) / (count * (count - 1)))


def _blocks(vectors: np.ndarray, rows: int = 8_192) -> Iterable[np.ndarray]:
    return (vectors[start : start + rows].astype(np.float64) for start in range(0, len(vectors), rows))
