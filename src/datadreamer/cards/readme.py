"""README.md files: our card between two markers, the user's own text and YAML keys left as they are.

What lies between the markers is ours and is written anew. The markers carry a digest of the text between them, so no
prompt or generation can contain them. The keys that we wrote last time are kept in a comment: a key that still has our
value may be updated, any other is the user's.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, field

from ..errors import InvalidArgumentError

_FRONT = re.compile(r"\A\s*---[ \t]*\n(.*?)(?:^|\n)---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_CARD = re.compile(
    r"<!-- datadreamer:begin ([0-9a-f]{16}) -->\n<!-- datadreamer:keys (.*?) -->\n(?s:.*?)<!-- datadreamer:end \1 -->"
)


class Card(Struct, kw_only=True):
    """A rendered card: YAML keys and Markdown."""

    kind: Literal["dataset", "model", "page"]
    metadata: dict[str, Any] = field(default_factory=dict)
    body: str = ""


def write_readme(folder: str | Path, card: Card) -> Path:
    """Write `card` into `README.md` of a folder, merged with what the user wrote there.

    Raises:
        InvalidArgumentError: the YAML block of the existing README.md cannot be read.
    """
    from ..ledger import atomic_write

    path = Path(folder) / "README.md"
    existing = path.read_text(encoding="utf-8-sig") if path.exists() else ""
    try:
        text = render_readme(card, existing)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"'{path}': {error}") from error
    atomic_write(path, text.encode())
    return path


def render_readme(card: Card, existing: str = "") -> str:
    """The text of a README.md with `card` in it, given the text that was there before."""
    front, user_keys, body = _split(existing.replace("\r\n", "\n"))
    found = _CARD.search(body)
    before = json.loads(found.group(2)) if found else {}
    keys = _own_keys(card)
    merged = merge_keys(user_keys, keys, before)
    marked = _marked(card.body, keys)
    if found:
        body = body[: found.start()] + marked + body[found.end() :]
    else:
        body = f"{body.strip()}\n\n{marked}\n" if body.strip() else f"{marked}\n"
    if merged != user_keys:
        front = _yaml(merged)  # a block that stays as it was keeps its comments and its spelling
    return f"---\n{front}\n---\n\n{body.lstrip()}" if front.strip() else body.lstrip()


def merge_keys(user: dict[str, Any], ours: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """The user's keys with ours added: a key the user wrote or changed stays, lists get what is missing.

    Args:
        user: the keys in the file now. ours: the keys we want. before: the keys we wrote last time.
    """
    merged = {key: value for key, value in user.items() if key in ours or key not in before or before[key] != value}
    for key, value in ours.items():
        current = merged.get(key)
        if key not in merged or current == before.get(key):
            merged[key] = value
        elif isinstance(current, list) and isinstance(value, list):
            stale = [item for item in before.get(key) or [] if item not in value]
            kept = [item for item in current if item not in stale]
            merged[key] = kept + [item for item in value if item not in kept]
    return merged


def _split(text: str) -> tuple[str, dict[str, Any], str]:
    import yaml

    match = _FRONT.match(text)
    if match is None:
        return "", {}, text
    try:
        keys = yaml.safe_load(match.group(1))
    except yaml.YAMLError as error:
        raise InvalidArgumentError(
            f"the YAML between the first two '---' lines cannot be read: {' '.join(str(error).split())}. "
            "Mend or remove that block."
        ) from error
    if keys is None:
        keys = {}
    if not isinstance(keys, dict):
        raise InvalidArgumentError(
            f"the YAML between the first two '---' lines must be a mapping, and is a {type(keys).__name__}. "
            "Mend or remove that block."
        )
    return match.group(1), {str(key): value for key, value in keys.items()}, text[match.end() :]


def _own_keys(card: Card) -> dict[str, Any]:
    if card.kind == "page":
        return {}
    from huggingface_hub.repocard_data import DatasetCardData, ModelCardData

    data = DatasetCardData if card.kind == "dataset" else ModelCardData
    return data(**card.metadata).to_dict()


def _yaml(keys: dict[str, Any]) -> str:
    from huggingface_hub.repocard_data import CardData

    return CardData(**keys).to_yaml() if keys else ""


def _marked(body: str, keys: dict[str, Any]) -> str:
    body = body.strip()
    seal = sha256(body.encode()).hexdigest()[:16]
    # "--" may not occur in an HTML comment
    noted = json.dumps(keys, sort_keys=True).replace("-", "\\u002d").replace(">", "\\u003e").replace("<", "\\u003c")
    begin = f"<!-- datadreamer:begin {seal} -->\n<!-- datadreamer:keys {noted} -->"
    return f"{begin}\n\n{body}\n\n<!-- datadreamer:end {seal} -->"
