"""`RunTaskModel`: a classifier, or another model made for one task, over every text of a column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from ...errors import InvalidArgumentError, nearest
from ...task_models.task_model import TaskModel
from ..fields import Column, output, runtime
from ..step import Step

# What `TaskModel.run` takes that only says how fast; together with the model's own parameters, what may be passed on.
_SPEED = ("batch_size", "batch_scheduler_buffer_size", "adaptive_batch_size")


class RunTaskModel(Step):
    """Ask a task model about every text of a column.

    Further keyword arguments (in `args={...}`) go to the model, which refuses those it does not take.

    Args:
        texts: texts.
        model: for example `HFClassificationTaskModel`.
        truncate: cut texts that are longer than the model takes; False stops at the first one, naming it. A classifier
            also reads them whole, with `args={"long_texts": "window"}`: see `HFClassificationTaskModel`.
        batch_size, batch_scheduler_buffer_size, adaptive_batch_size: see `TaskModel.run()`. They never count.
        lazy: accepted for scripts written for the paper; results that were computed are stored all the same.

    Raises:
        ContextLengthError: a text is too long, and `truncate` is False (also a `ValueError`).
    """

    texts: Column[str]
    model: TaskModel
    truncate: bool = False
    batch_size: int | None = runtime(default=None)
    batch_scheduler_buffer_size: int | None = runtime(default=None)
    adaptive_batch_size: bool | None = runtime(default=None)
    lazy: bool = runtime(default=False)
    results: Any = output(help="What the model says: for a classifier, a dict from label to score.")

    model_role: ClassVar[str] = "scored-by"
    origins: ClassVar[dict[str, str]] = {"texts": "copied:texts", "results": "judged:texts"}

    def setup(self) -> None:
        self.register_arg("**kwargs")
        self.register_output("texts", help="The texts, unchanged.")
        self.order_outputs("texts", "results")

    def check(self) -> None:
        for name in self._own_parameters():
            if name not in self.model.extra_parameters:
                known = {*self._declaration.fields, *self.model.extra_parameters}
                raise InvalidArgumentError(f"Step '{self.name}' has no argument '{name}'. {nearest(name, known)}")
        self.model._check_parameters(self.truncate, self._own_parameters())
        self.model.check()

    def _own_parameters(self) -> dict[str, Any]:
        """Parameters that only this kind of model knows."""
        return {name: value for name, value in self._args.items() if name not in self._declaration.fields}

    def run(self) -> Iterator[dict[str, Any]]:
        speed = {name: self._args[name] for name in _SPEED if self._args.get(name) is not None}
        results = self.model.run(
            self.texts,
            truncate=self.truncate,
            total_num_texts=self.texts.num_rows,  # type: ignore[attr-defined]
            progress_interval=None,  # the step shows progress itself
            return_generator=True,
            **speed,
            **self._own_parameters(),
        )
        for text, result in zip(self.texts, results, strict=True):
            yield {"texts": text, "results": result}
