"""Rules by which texts look like well-formed prose, or not: one function and one limit each.

Sources: Gopher (Rae et al. 2021, arXiv 2112.11446, section A1.1 and table A1), C4 (Raffel et al. 2020, JMLR 21(140),
section 2.2). Where a paper leaves room, the note beside the rule says what is done here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

CITATIONS = {
    "gopher": """@article{rae2021scaling,
  title={Scaling Language Models: Methods, Analysis \\& Insights from Training Gopher},
  author={Rae, Jack W. and others},
  journal={arXiv preprint arXiv:2112.11446},
  year={2021}
}""",
    "c4": """@article{raffel2020exploring,
  title={Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer},
  author={Raffel, Colin and Shazeer, Noam and Roberts, Adam and Lee, Katherine and Narang, Sharan and
    Matena, Michael and Zhou, Yanqi and Li, Wei and Liu, Peter J.},
  journal={Journal of Machine Learning Research},
  volume={21},
  number={140},
  pages={1--67},
  year={2020}
}""",
}
_STOP_WORDS = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})
_BULLETS = ("•", "‣", "●", "◦", "▪", "*", "-")
_ELLIPSES = ("...", "…")
_SENTENCE_END = re.compile(r"[.!?][\"'”’)\]]*(?=\s|$)")
_TERMINAL = (".", "!", "?", '"', "”")


class Text:
    """A text, and what several rules ask of it."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def words(self) -> list[str]:
        return self.text.split()

    @cached_property
    def word_characters(self) -> int:
        return sum(map(len, self.words))

    @cached_property
    def lines(self) -> list[str]:
        return [line.strip() for line in self.text.splitlines() if line.strip()]

    @cached_property
    def paragraphs(self) -> list[str]:
        return [part.strip() for part in re.split(r"\n\s*\n", self.text) if part.strip()]


@dataclass(frozen=True)
class Rule:
    """A text passes when its measure is at least, or at most, the limit.

    Attributes:
        preset: the group of rules that it belongs to.
        limit: what the paper says.
        least: True where the limit is the least that passes, False where it is the most.
        measure: from a text to a number.
    """

    preset: str
    limit: float
    least: bool
    measure: Callable[[Text], float]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


# --- Gopher, quality --------------------------------------------------------------------------------------------------


def _mean_word_length(text: Text) -> float:
    return _share(text.word_characters, len(text.words))


def _symbols(text: Text) -> float:
    """The more frequent of hash signs and ellipses, for each word."""
    ellipses = sum(text.text.count(mark) for mark in _ELLIPSES)
    return _share(max(text.text.count("#"), ellipses), len(text.words))


def _bullets(text: Text) -> float:
    return _share(sum(line.startswith(_BULLETS) for line in text.lines), len(text.lines))


def _ellipsis_lines(text: Text) -> float:
    return _share(sum(line.endswith(_ELLIPSES) for line in text.lines), len(text.lines))


def _alphabetic(text: Text) -> float:
    return _share(sum(any(map(str.isalpha, word)) for word in text.words), len(text.words))


def _stop_words(text: Text) -> int:
    """How many different ones of the list occur."""
    return len(_STOP_WORDS & {word.strip(".,;:!?\"'()").casefold() for word in text.words})


# --- Gopher, repetition -----------------------------------------------------------------------------------------------


def _repeated(part: str, by_character: bool, text: Text) -> float:
    """The share of lines, or paragraphs, that occurred before; by number, or by their characters."""
    parts: list[str] = getattr(text, part)
    seen: set[str] = set()
    repeated = [own for own in parts if own in seen or seen.add(own)]  # type: ignore[func-returns-value]
    if by_character:
        return _share(sum(map(len, repeated)), sum(map(len, parts)))
    return _share(len(repeated), len(parts))


def _top_ngram(size: int, text: Text) -> float:
    """The share of characters that the most frequent n-gram accounts for; one that occurs once is no repetition."""
    words = text.words
    counts = Counter(tuple(words[at : at + size]) for at in range(len(words) - size + 1))
    most = max(counts.values(), default=0)
    longest = max((sum(map(len, ngram)) for ngram, count in counts.items() if count == most), default=0)
    return min(1.0, _share(most * longest, text.word_characters)) if most > 1 else 0.0


def _repeated_ngrams(size: int, text: Text) -> float:
    """The share of characters in n-grams that occurred before; a word in several of them counts once."""
    words, seen = text.words, set[tuple[str, ...]]()
    covered = [False] * len(words)
    for at in range(len(words) - size + 1):
        ngram = tuple(words[at : at + size])
        if ngram in seen:
            covered[at : at + size] = [True] * size
        seen.add(ngram)
    return _share(sum(len(word) for word, is_in in zip(words, covered, strict=True) if is_in), text.word_characters)


# --- C4 ---------------------------------------------------------------------------------------------------------------


def _sentences(text: Text) -> int:
    """Sentences in the lines that C4 keeps: five words, a terminal punctuation mark, and no mention of Javascript."""
    kept = [
        line
        for line in text.lines
        if line.endswith(_TERMINAL) and len(line.split()) >= 5 and "javascript" not in line.casefold()
    ]
    return sum(max(1, len(_SENTENCE_END.findall(line))) for line in kept)


RULES: dict[str, Rule] = {
    "too_few_words": Rule("gopher", 50, True, lambda text: len(text.words)),
    "too_many_words": Rule("gopher", 100_000, False, lambda text: len(text.words)),
    "short_words": Rule("gopher", 3, True, _mean_word_length),
    "long_words": Rule("gopher", 10, False, _mean_word_length),
    "many_symbols": Rule("gopher", 0.1, False, _symbols),
    "bullet_lines": Rule("gopher", 0.9, False, _bullets),
    "ellipsis_lines": Rule("gopher", 0.3, False, _ellipsis_lines),
    "few_alphabetic_words": Rule("gopher", 0.8, True, _alphabetic),
    "few_stop_words": Rule("gopher", 2, True, _stop_words),
    "repeated_lines": Rule("gopher_repetition", 0.3, False, partial(_repeated, "lines", False)),
    "repeated_paragraphs": Rule("gopher_repetition", 0.3, False, partial(_repeated, "paragraphs", False)),
    "repeated_line_characters": Rule("gopher_repetition", 0.2, False, partial(_repeated, "lines", True)),
    "repeated_paragraph_characters": Rule("gopher_repetition", 0.2, False, partial(_repeated, "paragraphs", True)),
    **{
        f"top_{size}_gram": Rule("gopher_repetition", limit, False, partial(_top_ngram, size))
        for size, limit in ((2, 0.20), (3, 0.18), (4, 0.16))
    },
    **{
        f"repeated_{size}_grams": Rule("gopher_repetition", limit, False, partial(_repeated_ngrams, size))
        for size, limit in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
    },
    "too_few_sentences": Rule("c4", 3, True, _sentences),
    "lorem_ipsum": Rule("c4", 0, False, lambda text: "lorem ipsum" in text.text.casefold()),
    "curly_brackets": Rule("c4", 0, False, lambda text: "{" in text.text),
}
PRESETS = tuple(dict.fromkeys(rule.preset for rule in RULES.values()))
