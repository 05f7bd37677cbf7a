"""A task model that answers what it is told to: for trying a workflow without a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..identity import digest
from .task_model import TaskModel


class FakeTaskModel(TaskModel):
    """A task model for tests of workflows: nothing is random, nothing is loaded, every text is counted.

    Args:
        results: a function of the text (a `str`) to a JSON-able result, such as `{"positive": 0.9, "negative": 0.1}`;
            or one result for every text.
        model_name: the name that it goes by.
        max_length: words of a text, at most.
        cache_folder_path: see `TaskModel`.

    Its identity is that of its results: another function, another model. Tokens are counted as words.
    """

    provider = "fake"

    def __init__(
        self,
        results: Callable[[str], Any] | Mapping[str, float] | Any,
        *,
        model_name: str = "fake",
        max_length: int = 1_000_000,
        cache_folder_path: str | None = None,
    ) -> None:
        super().__init__(cache_folder_path)
        self.model_name = model_name
        self.calls = 0  # texts that reached it
        self._results = results
        self._max_length = max_length

    def spec(self) -> dict[str, Any]:
        results = digest(self._results, "ddv1") if callable(self._results) else self._results
        return {**super().spec(), "model": self.model_name, "results": results, "max_length": self._max_length}

    def count_tokens(self, value: str) -> int:
        return len(value.split())

    @property
    def model_max_length(self) -> int:
        return self._max_length

    def _answer_texts(self, texts: list[str], truncate: bool, parameters: dict[str, Any]) -> list[Any]:
        self.calls += len(texts)
        kept = [" ".join(text.split()[: self._max_length]) if truncate else text for text in texts]
        return [self._results(text) if callable(self._results) else self._results for text in kept]
