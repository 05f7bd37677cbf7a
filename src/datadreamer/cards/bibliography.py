"""What to cite, and why: BibTeX from models, sources and steps, each entry once, with the way it came in."""

from __future__ import annotations

import re
from hashlib import sha256

from msgspec import Struct, field

from .data_card_types import DataCardType
from .lineage import all_records, models_of, sources_of
from .record import RunRecord

_HEAD = re.compile(r"@\s*(\w+)\s*[{(]\s*([^,\s{}()]+)\s*,")

DATADREAMER = """@misc{patel2024datadreamer,
  title={DataDreamer: A Tool for Synthetic Data Generation and Reproducible LLM Workflows},
  author={Ajay Patel and Colin Raffel and Chris Callison-Burch},
  year={2024},
  eprint={2402.10379},
  archivePrefix={arXiv},
  primaryClass={cs.CL}
}"""


class Citation(Struct):
    """One BibTeX entry and the reasons to cite it."""

    key: str
    bibtex: str
    reasons: list[str] = field(default_factory=list)


def citations(run: RunRecord) -> list[Citation]:
    """Everything to cite for a run or a closure: entries with the same key and text once, with all their reasons."""
    found: dict[str, Citation] = {}
    _add(found, DATADREAMER, "the workflow ran with DataDreamer")
    for step, source in sources_of(run):
        for text in source.citations:
            _add(found, text, f"'{step.name}' reads {source.name}")
    for user, model in models_of(run):
        for text in model.citations:
            _add(found, text, f"'{user.name}' uses {model.name}")
    for record in all_records(run.steps, run.trainers):
        for text in record.data_card.get(DataCardType.CITATION, ()):
            _add(found, str(text), f"'{record.name}' names it")
    return list(found.values())


def citations_bib(run: RunRecord) -> str:
    """The text of `CITATIONS.bib`, with the reasons as comments."""
    parts = []
    for citation in citations(run):
        # outside an entry BibTeX skips everything up to the next "@"
        reasons = "; ".join(citation.reasons).replace("@", "(at)").replace("{", "(").replace("}", ")")
        parts.append(f"% because {' '.join(reasons.split())}\n{citation.bibtex}\n")
    return "\n".join(parts)


def split_entries(text: str) -> list[tuple[str, str]]:
    """`(key, entry)` for each BibTeX entry in a text; a text with none becomes one `@misc` entry with a note."""
    entries: list[tuple[str, str]] = []
    position = 0
    while match := _HEAD.search(text, position):
        end = _end_of_entry(text, text.find("{", match.start()))
        if end is None:  # unbalanced braces would swallow the entries after it
            break
        entries.append((match.group(2), text[match.start() : end].strip()))
        position = end
    if entries or not text.strip():
        return entries
    note = " ".join(re.sub(r"[{}@\\]", " ", text).split())
    key = "note-" + sha256(note.encode()).hexdigest()[:8]
    return [(key, f"@misc{{{key},\n  note={{{note}}}\n}}")]


def _end_of_entry(text: str, start: int) -> int | None:
    depth = 0
    for index in range(start, len(text)) if start >= 0 else ():
        if text[index] == "{":
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if depth == 0:
                return index + 1
    return None


def _add(found: dict[str, Citation], text: str, reason: str) -> None:
    for key, entry in split_entries(text):
        unique = _unique_key(found, key, entry)
        citation = found.get(unique.lower())
        if citation is None:
            named = entry if unique == key else entry.replace(key, unique, 1)
            citation = found[unique.lower()] = Citation(unique, named)
        if reason not in citation.reasons:
            citation.reasons.append(reason)


def _unique_key(found: dict[str, Citation], key: str, entry: str) -> str:
    """`key`, or `key-2`, … when another entry has it already: two works may come with one key."""
    candidate, count = key, 1
    while (other := found.get(candidate.lower())) is not None:
        if _same(other.bibtex.replace(other.key, "", 1), entry.replace(key, "", 1)):
            return other.key
        count += 1
        candidate = f"{key}-{count}"
    return candidate


def _same(first: str, second: str) -> bool:
    return "".join(first.split()).lower() == "".join(second.split()).lower()
