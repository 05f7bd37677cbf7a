"""Several copies of one task model, each taking the next piece of work when it is free."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgumentError
from ..llms.engine.stealing import Crew, steal
from .task_model import TaskModel

if TYPE_CHECKING:
    from .answering import Ask

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
        self.extra_parameters = task_models[0].extra_parameters  # type: ignore[misc]

    def _stream(self, texts: Iterable[str], ask: Ask, first: int = 0) -> Iterator[Any]:
        def answer(model: TaskModel, piece: tuple[int, list[str]]) -> list[Any]:
            position, part = piece
            if type(model).run is TaskModel.run:
                return list(model._stream(part, ask, position))
            own: dict[str, Any] = {  # it has a way of its own
                "batch_size": ask.batch_size,
                "batch_scheduler_buffer_size": ask.buffer_size,
                "adaptive_batch_size": ask.adaptive,
                "force": ask.force,
                "cache_only": ask.cache_only,
            }
            return list(model.run(part, ask.truncate, **own, **ask.parameters))

        workers = [partial(answer, model) for model in self.task_models]
        crew = Crew(type(self).__name__, [model.display_name for model in self.task_models])
        return itertools.chain.from_iterable(steal(_pieces(texts, PIECE * ask.batch_size, first), workers, crew=crew))

    def _check_parameters(self, truncate: bool, parameters: Mapping[str, Any]) -> None:
        self._first()._check_parameters(truncate, parameters)

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


def _pieces(texts: Iterable[str], size: int, first: int) -> Iterator[tuple[int, list[str]]]:
    """Consecutive texts, with the position of the first."""
    source = iter(texts)
    while piece := list(itertools.islice(source, size)):
        yield first, piece
        first += len(piece)
