"""What becomes of a row whose answer does not hold what was asked for."""

from __future__ import annotations

from ...errors import InvalidArgumentError, nearest

CHOICES = ("fail", "drop", "keep")


class UnparsedError(Exception):
    """Raised by a prompt step's `result()`: the row is lost, with the reason `"unparsed"`."""


def check_choice(step: str, given: str) -> None:
    """Refuse a value of `unparsed` that means nothing."""
    if given not in CHOICES:
        raise InvalidArgumentError(f"Step '{step}': unparsed={given!r} is unknown. {nearest(given, CHOICES)}")
