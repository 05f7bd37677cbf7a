"""Waiting for background steps, and running several functions side by side."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .. import _context
from ..errors import InvalidTypeError
from .step import Step


def wait(*steps: Step, poll_interval: float = 1.0) -> None:
    """Wait until background steps are finished; raises what one of them raised.

    Args:
        steps: any steps; those that are finished cost nothing.
        poll_interval: accepted for scripts written for the paper; nothing is polled.
    """
    session = _context.require_session("wait()")
    for step in steps:
        if not isinstance(step, Step):
            raise InvalidTypeError(f"wait() takes steps, not {type(step).__name__} {step!r}."[:300])
    for step in steps:
        session.wait_for(step)


def concurrent(*funcs: Callable[[], Any]) -> list[Any]:
    """Run functions side by side, each in a thread, and give their results in order; raises what the first raised."""
    for function in funcs:
        if not callable(function):
            raise InvalidTypeError(f"concurrent() takes functions without arguments, not {type(function).__name__}.")
    with ThreadPoolExecutor(max_workers=max(1, len(funcs)), thread_name_prefix="datadreamer-step") as pool:
        futures = [pool.submit(contextvars.copy_context().run, function) for function in funcs]
        return [future.result() for future in futures]
