"""Arguments of a step that go on to the model it asks: which only say how fast, and which count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import InvalidArgumentError, nearest

SPEED = ("batch_size", "batch_scheduler_buffer_size", "adaptive_batch_size")


def own_parameters(args: Mapping[str, Any], declared: Iterable[str]) -> dict[str, Any]:
    """Arguments that only the model knows."""
    known = set(declared)
    return {name: value for name, value in args.items() if name not in known}


def speed_of(args: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments that only say how fast, where they are given."""
    return {name: args[name] for name in SPEED if args.get(name) is not None}


def refuse_unknown(step: str, own: Iterable[str], taken: Iterable[str], declared: Iterable[str]) -> None:
    """Raise for an argument that neither the step nor its model has."""
    taken = set(taken)
    for name in own:
        if name not in taken:
            known = {*declared, *taken}
            raise InvalidArgumentError(f"Step '{step}' has no argument '{name}'. {nearest(name, known)}")
