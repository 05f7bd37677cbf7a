"""The base of every embedder: what users call, and the few methods that a backend writes."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sized
from typing import TYPE_CHECKING, Any, ClassVar

from .. import _context
from ..errors import InvalidArgumentError, InvalidTypeError, nearest
from ..llms.own_models import arguments_of, code_of, is_ours
from ..task_models.task_model import TaskModel
from .ask import Ask, Chunk

if TYPE_CHECKING:
    import numpy as np


class Embedder(TaskModel):
    """A task model that turns a text into a vector.

    A backend is a subclass with `_embed_batch`, `spec`, `count_tokens`, `model_max_length` and `dims` (for a model in
    this process). Looking up and recording vectors, order, batches of similar length and counters are around it.

    Args:
        model_name: the model.
        cache_folder_path: a folder in which vectors are remembered as well, so that several output folders, or scripts
            without a session, can share them. None: they are remembered by the session alone.
    """

    #: the host it is asked at: for the record
    host: str = ""
    #: a text is refused when it is longer than `model_max_length` times this: above 1 where lengths are estimates
    length_slack: ClassVar[float] = 1.0

    def __init__(self, model_name: str, cache_folder_path: str | None = None) -> None:
        super().__init__(cache_folder_path)
        self.model_name = str(model_name)

    # --- what a backend writes ------------------------------------------------------------------------------------

    def _embed_batch(
        self, texts: list[str], truncate: bool, instruction: str | None, parameters: Mapping[str, Any]
    ) -> np.ndarray:
        """The vectors of a batch, of shape (texts, dims), in order. The texts fit, unless `truncate`."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it embeds: write _embed_batch().")

    @property
    def dims(self) -> int:
        """Numbers in a vector."""
        raise NotImplementedError(f"{type(self).__name__} does not say how long its vectors are: write dims.")

    def _count_many(self, texts: list[str], instruction: str | None) -> list[int]:
        """`final_count_tokens` of each text behind the instruction: of many at once, where that is quicker."""
        return [self.final_count_tokens((instruction or "") + text) for text in texts]

    def _rows_at_once(self, batch_size: int, adaptive: bool) -> int:
        """Texts of a batch: an accelerator may want more than was asked for."""
        return batch_size

    def spec(self) -> dict[str, Any]:
        """What counts when vectors are compared or remembered: plain data without folders, keys and devices."""
        kind = type(self)
        spec = {"kind": kind.__qualname__, "model": self.model_name, "version": self.version}
        if is_ours(kind):
            return spec
        own = arguments_of(self) if kind.spec is Embedder.spec else {}
        return {**spec, **code_of(kind), **own}

    # --- what users call ------------------------------------------------------------------------------------------

    def run(  # type: ignore[override]  # as published: the instruction is the third
        self,
        texts: Iterable[str],
        truncate: bool = False,
        instruction: str | None = None,
        batch_size: int = 10,
        batch_scheduler_buffer_size: int | None = None,
        adaptive_batch_size: bool = True,
        progress_interval: int | None = 60,
        force: bool = False,
        cache_only: bool = False,
        verbose: bool | None = None,
        log_level: int | None = None,
        total_num_texts: int | None = None,
        return_generator: bool = False,
        **kwargs: Any,
    ) -> list[np.ndarray] | Generator[np.ndarray, None, None]:
        """Embed every text, in order.

        Args:
            texts: taken as they are needed.
            truncate: cut texts that are longer than `model_max_length` tokens. False: such a text is an error.
            instruction: put in front of every text, as it stands and once, for example `"query: "`.
            batch_size: models in this process: texts per batch; with `adaptive_batch_size` a GPU gets more at once.
                Hosted models: most requests in flight; a request holds as many texts as the service allows.
            batch_scheduler_buffer_size: texts that are sorted by length together. None: the larger of 10 batches and
                1000. Negative: the order of the texts is kept.
            adaptive_batch_size: fit batches to the device, and halve them when memory runs out.
            progress_interval: seconds between log lines about progress. None: no such lines.
            force: embed again although vectors are remembered; the new ones take their place.
            cache_only: never ask; a text without a remembered vector raises `ModelError`.
            verbose, log_level: accepted for scripts written for the paper; the session decides what is logged.
            total_num_texts: number of texts, for progress, when they come from a generator.
            return_generator: give a generator instead of a list.
            **kwargs: parameters that only this kind of model knows.

        Returns:
            A list (or generator) of float32 arrays of shape (dims,).

        Raises:
            ContextLengthError: a text is too long and `truncate` is False (also a `ValueError`). Where `texts` can be
                read twice (a list, a column) it is raised before anything is embedded.
            ModelError: a text could not be embedded. What was embedded is remembered.
        """
        given = {name: value for name, value in locals().items() if name in _PUBLISHED}
        if _context.scope() is not None:
            given["progress_interval"] = None  # a step shows progress itself
        rows = _rows(self.chunks(texts, **given, **kwargs), self)
        return rows if return_generator else list(rows)

    def chunks(self, texts: Iterable[str | None], **parameters: Any) -> Generator[Chunk, None, None]:
        """Embed every text, and give matrices: the vectors of consecutive texts, and which of them have none.

        Takes the parameters of `run()`, except `return_generator`, and `cache_folder_path`: where vectors are
        remembered as well, if the embedder itself has no such folder. A text that is None, or that a service refuses,
        is a failure in its chunk; what concerns every text (a wrong key) raises. Memory is bounded whatever the number
        of texts.
        """
        from .running import run

        if isinstance(texts, str):
            raise InvalidTypeError(f"texts must be a list (or another iterable) of str, not one str: {texts!r:.80}")
        return run(self, texts, self._ask(parameters, texts), _context.scope())

    def _ask(self, given: Mapping[str, Any], texts: Any) -> Ask:
        own = {name: value for name, value in given.items() if name not in _PUBLISHED}
        for name in own:
            if name not in self.extra_parameters:
                advice = nearest(name, _PUBLISHED | self.extra_parameters)
                raise InvalidArgumentError(f"{self.display_name} has no parameter '{name}'. {advice}")
        batch_size = given.get("batch_size", 10)
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise InvalidArgumentError(f"batch_size is {batch_size!r}: it must be an integer of at least 1.")
        instruction = given.get("instruction")
        if instruction is not None and not isinstance(instruction, str):
            raise InvalidTypeError(f"instruction must be a str, not {type(instruction).__name__}: {instruction!r:.80}")
        total = given.get("total_num_texts")
        return Ask(
            truncate=bool(given.get("truncate", False)),
            instruction=instruction or None,
            parameters={name: value for name, value in sorted(own.items()) if value is not None},
            batch_size=batch_size,
            buffer_size=given.get("batch_scheduler_buffer_size"),
            adaptive=given.get("adaptive_batch_size", True),
            progress_interval=given.get("progress_interval", 60),
            force=bool(given.get("force", False)),
            cache_only=bool(given.get("cache_only", False)),
            folder=given.get("cache_folder_path"),
            total=total if total is not None else len(texts) if isinstance(texts, Sized) else None,
        )

    # --- about the model ------------------------------------------------------------------------------------------

    @property
    def display_icon(self) -> str:
        """In front of the name, where there is room for it."""
        return "📐"

    @property
    def display_name(self) -> str:
        """Name in logs, errors and cards."""
        return f"{type(self).__name__} ({self.public_name})"

    @property
    def public_name(self) -> str:
        """The model's name for others to read."""
        return self.model_name

    @property
    def served_name(self) -> str:
        """Name of the model that answers: for the record."""
        return self.model_name


_PUBLISHED = frozenset(
    (
        "truncate", "instruction", "batch_size", "batch_scheduler_buffer_size", "adaptive_batch_size",
        "progress_interval", "force", "cache_only", "verbose", "log_level", "total_num_texts", "cache_folder_path",
    )
)  # fmt: skip


def _rows(chunks: Generator[Chunk, None, None], embedder: Embedder) -> Generator[np.ndarray, None, None]:
    """The vectors one by one. The first text without one raises."""
    try:
        for chunk in chunks:
            for place, vector in enumerate(chunk.vectors):
                failure = chunk.failures.get(place)
                if failure is not None:
                    position = chunk.first + place
                    if failure.reason == "no_input":
                        raise InvalidTypeError(f"Text {position} is None, not str. Leave such texts out.")
                    raise type(failure.error())(f"Text {position} has no vector: {failure.message}")
                yield vector
    finally:
        chunks.close()
