"""Putting values into instructions: `{name}` for known names, every other brace left as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_NAME = re.compile(r"\{(\w+)\}")


def names_in(template: str) -> list[str]:
    """The names that stand in braces, each once, in order."""
    return list(dict.fromkeys(_NAME.findall(template)))


def fill(template: str, values: Mapping[str, Any]) -> str:
    """`template` with every `{name}` that `values` knows replaced, once: braces inside a value stay as they are."""
    return _NAME.sub(lambda found: str(values[found[1]]) if found[1] in values else found[0], template)


def missing(template: str, known: Iterable[str]) -> list[str]:
    """Names in braces that are not known."""
    have = set(known)
    return [name for name in names_in(template) if name not in have]
