"""Lines in the log while a model is asked outside any step."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from typing import Any

logger = logging.getLogger("datadreamer.llms")


def reported(
    outcomes: Generator[Any, None, None], name: str, interval: float | None, total: int | None
) -> Generator[Any, None, None]:
    """`outcomes`, with a line every `interval` seconds that says how many prompts are done."""
    due = float("inf") if interval is None else time.monotonic() + interval
    try:
        for done, outcome in enumerate(outcomes, start=1):
            yield outcome
            now = time.monotonic()
            if now >= due:
                due = now + (interval or 0.0)
                logger.info("%s: %d%s prompts answered", name, done, f" of {total}" if total else "")
    finally:
        outcomes.close()
