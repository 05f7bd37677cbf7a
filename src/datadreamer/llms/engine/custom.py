"""Models of users that write `run()` themselves: outcomes are what it gives. Nothing is remembered between runs."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ...errors import InvalidTypeError
from ..types import Generation

if TYPE_CHECKING:
    from ..llm import LLM
    from ..types import Prompt


def writes_run(llm: LLM) -> bool:
    """Whether `llm` has a `run()` of its own instead of one of the backend methods."""
    from ..llm import LLM

    if hasattr(llm, "_answer") or hasattr(llm, "_answer_batch") or llm.members:
        return False
    if type(llm).run is LLM.run:
        raise InvalidTypeError(
            f"{type(llm).__name__} cannot answer: a subclass of LLM writes 'async def _answer(self, request)', "
            "'def _answer_batch(self, requests)' or, as published, 'def run(self, prompts, ...)'."
        )
    return True


def outcomes(llm: LLM, prompts: Iterable[Prompt], parameters: Mapping[str, Any]) -> Generator[Any, None, None]:
    """What `run()` gives, as generations."""
    for texts in llm.run(prompts, **{**parameters, "return_generator": True}):
        if isinstance(texts, str):
            yield Generation(text=texts)
        else:
            yield [Generation(text=text) for text in texts]
