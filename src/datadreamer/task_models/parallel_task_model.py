"""Several copies of one task model, each taking the next piece of work when it is free."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from ..errors import InvalidArgumentError
from ..llms.engine.stealing import Crew, steal
from .task_model import TaskModel

PIECE = 10  # batches that a model takes at once: they are sorted by length together


class ParallelTaskModel(TaskModel):
    """Runs equal task models, for example one per GPU, side by side. Results come in the order of the texts.

    A model that cannot go on (its device is gone, say) is set aside, and its texts go to the others.

    Args:
        *task_models: models with the same `spec()`. A faster one simply answers more.
    """

    def __init__(self, *task_models: TaskModel) -> None:
        if not task_models:
            raise InvalidArgumentError("ParallelTaskModel needs at least one task model.")
        if any(model.spec() != task_models[0].spec() for model in task_models[1:]):
            raise InvalidArgumentError(
                "ParallelTaskModel takes copies of one model, but these differ: "
                + ", ".join(model.display_name for model in task_models)
            )
        super().__init__(task_models[0].cache_folder_path)
        self.task_models = task_models

    def run(  # type: ignore[override]
        self, texts: Iterable[str], truncate: bool = False, **parameters: Any
    ) -> list[Any] | Iterator[Any]:
        """See `TaskModel.run`; takes the same parameters."""
        as_generator = parameters.pop("return_generator", False)
        results = self._spread(iter(texts), truncate, parameters)
        return results if as_generator else list(results)

    def _spread(self, texts: Iterator[str], truncate: bool, parameters: dict[str, Any]) -> Iterator[Any]:
        size = PIECE * int(parameters.get("batch_size", 10))
        pieces = iter(lambda: list(itertools.islice(texts, size)), [])
        workers = [partial(_results, model, truncate, parameters) for model in self.task_models]
        crew = Crew(type(self).__name__, [model.display_name for model in self.task_models])
        return itertools.chain.from_iterable(steal(pieces, workers, crew=crew))

    def _first(self) -> TaskModel:
        return self.task_models[0]

    def spec(self) -> dict[str, Any]:
        return self._first().spec()

    def check(self) -> None:
        for model in self.task_models:
            model.check()

    def unload_model(self) -> None:
        for model in self.task_models:
            model.unload_model()

    def count_tokens(self, value: str) -> int:
        return self._first().count_tokens(value)

    def final_count_tokens(self, value: str) -> int:
        return self._first().final_count_tokens(value)

    @property
    def model_max_length(self) -> int:
        return self._first().model_max_length

    @property
    def model_card(self) -> str | None:
        return self._first().model_card

    @property
    def license(self) -> str | None:
        return self._first().license

    @property
    def citation(self) -> list[str] | None:
        return self._first().citation

    @property
    def display_name(self) -> str:
        return f"{self._first().display_name} × {len(self.task_models)}"


def _results(model: TaskModel, truncate: bool, parameters: dict[str, Any], texts: list[str]) -> list[Any]:
    return list(model.run(texts, truncate, **parameters))
