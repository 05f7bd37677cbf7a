"""Reading which of two labels a judge chose."""

from __future__ import annotations

import re


def named(a_label: str, b_label: str) -> tuple[str, str]:
    """The labels as a judgement names them: without the colon at their end."""
    return a_label.strip().removesuffix(":").strip(), b_label.strip().removesuffix(":").strip()


def verdict(answer: str, a: str, b: str) -> int | None:
    """0 for the first label, 1 for the second, None when the answer decides for neither.

    Taken, in this order: the label that the answer begins with; the only one that it names; the only one that its last
    line names. A bare "A" or "(B)" stands for a label that ends in it.
    """
    text = answer.strip()
    bare = _bare(text, a, b)
    if bare is not None:
        return bare
    first = _begins_with(text, a, b)
    if first is not None:
        return first
    whole = _only(text, a, b)
    return whole if whole is not None else _only(text.rpartition("\n")[2], a, b)


def _bare(text: str, a: str, b: str) -> int | None:
    ends = [label.rpartition(" ")[2].casefold() for label in (a, b)]
    found = re.sub(r"\W+", " ", text).strip().casefold()
    return ends.index(found) if ends[0] != ends[1] and found in ends else None


def _begins_with(text: str, a: str, b: str) -> int | None:
    for place, label in sorted(enumerate((a, b)), key=lambda item: -len(item[1])):
        if re.match(rf"\W*{_word(label)}", text, re.IGNORECASE):
            return place
    return None


def _only(text: str, a: str, b: str) -> int | None:
    places = [place for place, label in enumerate((a, b)) if re.search(_word(label), text, re.IGNORECASE)]
    return places[0] if len(places) == 1 else None


def _word(label: str) -> str:
    """A label as a whole word: "Input A" is not in "Input Ab"."""
    start, end = (r"(?<!\w)" if re.match(r"\w", label) else ""), (r"(?!\w)" if re.search(r"\w$", label) else "")
    return start + re.escape(label) + end
