"""Reading which of several labels a judge chose."""

from __future__ import annotations

import re


def named(*labels: str) -> tuple[str, ...]:
    """The labels as a judgement names them: without the colon at their end."""
    return tuple(label.strip().removesuffix(":").strip() for label in labels)


def verdict(answer: str, *labels: str) -> int | None:
    """Which label an answer decides for, counted from 0; None when it decides for none.

    Taken, in this order: the label that the answer begins with; the only one that it names; the only one that its last
    line names. A bare "A" or "(B)" stands for a label that ends in it.
    """
    text = answer.strip()
    bare = _bare(text, labels)
    if bare is not None:
        return bare
    first = _begins_with(text, labels)
    if first is not None:
        return first
    whole = _only(text, labels)
    return whole if whole is not None else _only(text.rpartition("\n")[2], labels)


def _bare(text: str, labels: tuple[str, ...]) -> int | None:
    ends = [label.rpartition(" ")[2].casefold() for label in labels]
    found = re.sub(r"\W+", " ", text).strip().casefold()
    return ends.index(found) if ends.count(found) == 1 else None


def _begins_with(text: str, labels: tuple[str, ...]) -> int | None:
    for place, label in sorted(enumerate(labels), key=lambda item: -len(item[1])):
        if re.match(rf"\W*{_word(label)}", text, re.IGNORECASE):
            return place
    return None


def _only(text: str, labels: tuple[str, ...]) -> int | None:
    places = [place for place, label in enumerate(labels) if re.search(_word(label), text, re.IGNORECASE)]
    return places[0] if len(places) == 1 else None


def _word(label: str) -> str:
    """A label as a whole word: "Input A" is not in "Input Ab"."""
    start, end = (r"(?<!\w)" if re.match(r"\w", label) else ""), (r"(?!\w)" if re.search(r"\w$", label) else "")
    return start + re.escape(label) + end
