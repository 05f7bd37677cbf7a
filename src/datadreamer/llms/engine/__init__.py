"""The model-call engine: everything around a model's one method, once for all models."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any

from . import custom as custom

if TYPE_CHECKING:
    from ..._context import StepScope
    from ..llm import LLM
    from ..params import Ask
    from ..types import Prompt


def outcomes(llm: LLM, prompts: Iterable[Prompt], ask: Ask, scope: StepScope | None) -> Generator[Any, None, None]:
    """See `LLM.outcomes`."""
    from .source import Source

    source = Source(llm, prompts, ask, scope)
    if hasattr(llm, "_answer_batch"):
        from .batches import Batches

        return Batches(source).outcomes()
    from .stream import Stream

    return Stream(source).outcomes()
