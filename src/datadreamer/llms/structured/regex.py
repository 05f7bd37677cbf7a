"""A pattern as an output type."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import InvalidArgumentError

# What engines without backtracking (services, llguidance) have no form for: look-around, back-references, boundaries of
# words, conditions, atomic and possessive forms.
_NOT_PORTABLE = re.compile(r"\(\?(?:[=!>]|<[=!]|\()|\(\?P=|(?<!\\)(?:\\\\)*\\(?:[1-9]|[bBAZ])|[*+?}]\+")
_FLAGS = ((re.IGNORECASE, "i"), (re.MULTILINE, "m"), (re.DOTALL, "s"))


@dataclass(frozen=True, slots=True)
class Regex:
    """An answer that matches a pattern as a whole: `output_type=Regex(r"[A-Z]{3}-\\d{4}")`.

    Args:
        pattern: a regular expression of Python's `re`. A `^` at the start and a `$` at the end change nothing.

    Raises:
        InvalidArgumentError: the pattern does not compile.
    """

    pattern: str

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except (re.error, TypeError) as error:
            raise InvalidArgumentError(f"Regex({self.pattern!r:.200}) does not compile: {error}.") from None

    @classmethod
    def of(cls, compiled: re.Pattern[str]) -> Regex:
        """The same pattern with its flags written into it."""
        if not isinstance(compiled.pattern, str):
            raise InvalidArgumentError(f"output_type takes a pattern of text, not of bytes: {compiled.pattern!r:.80}.")
        flags = "".join(letter for flag, letter in _FLAGS if compiled.flags & flag)
        return cls(f"(?{flags}:{compiled.pattern})" if flags else compiled.pattern)


def portable(pattern: str) -> bool:
    """Whether engines without backtracking can decode by `pattern`."""
    return _NOT_PORTABLE.search(pattern) is None


def bare(pattern: str) -> str:
    """`pattern` without anchors at its ends: it is matched as a whole anyway."""
    pattern = pattern.removeprefix("^")
    return pattern[:-1] if pattern.endswith("$") and not pattern.endswith("\\$") else pattern
