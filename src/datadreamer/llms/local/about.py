"""What a model says about itself: card, licence, citation. Read from what is on this machine; never fails."""

from __future__ import annotations

import re
from typing import Any

from .checkpoint import Checkpoint

_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
_ENTRY_START = re.compile(r"@\w+\s*\{")


def model_card(checkpoint: Checkpoint) -> str | None:
    """URL of the card on the hub; None for a folder."""
    return f"https://huggingface.co/{checkpoint.repository}" if checkpoint.repository else None


def license_of(checkpoint: Checkpoint) -> str | None:
    """The licence that the card names, else the first line of a licence file."""
    card = _card_data(_read(checkpoint, "README.md") or "")
    for key in ("license_name", "license"):
        value = card.get(key)
        if isinstance(value, str) and value != "other":
            return value
        if isinstance(value, list) and value:
            return ", ".join(map(str, value))
    for name in ("LICENSE", "LICENSE.txt", "LICENSE.md"):
        lines = [line.strip() for line in (_read(checkpoint, name) or "").splitlines() if line.strip()]
        if lines:
            return lines[0]
    return str(card["license_link"]) if card.get("license_link") else None


def citations(checkpoint: Checkpoint) -> list[str] | None:
    """BibTeX entries in the card."""
    return bibtex_entries(_read(checkpoint, "README.md") or "") or None


def bibtex_entries(text: str) -> list[str]:
    """Every `@kind{...}` with balanced braces in `text`, each once."""
    found = [_balanced(text, match.start(), match.end()) for match in _ENTRY_START.finditer(text)]
    return list(dict.fromkeys(entry for entry in found if entry is not None and "=" in entry))


def _balanced(text: str, start: int, after_brace: int) -> str | None:
    depth = 1
    for place in range(after_brace, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start : place + 1].strip()
    return None


def _card_data(text: str) -> dict[str, Any]:
    match = _FRONT_MATTER.match(text)
    if match is None:
        return {}
    import yaml

    try:
        data = yaml.safe_load(match[1])
    except yaml.YAMLError:
        return {}
    return data if isinstance(data, dict) else {}


def _read(checkpoint: Checkpoint, name: str) -> str | None:
    try:
        path = checkpoint.local_file(name)
        return None if path is None else path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ImportError):
        return None
