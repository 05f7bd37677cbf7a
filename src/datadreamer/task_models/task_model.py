"""The base of every task model: what users call, and the few methods that a backend writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import TYPE_CHECKING, Any, ClassVar

from .. import _context
from ..errors import InvalidArgumentError, InvalidTypeError, nearest
from ..llms.own_models import MadeWith, arguments_of, code_of, is_ours

if TYPE_CHECKING:
    from .answering import Ask


class TaskModel(MadeWith):
    """A model that turns a text into a JSON-able result.

    A backend is a subclass with `_answer_texts`, `spec`, `count_tokens` and `model_max_length`. Looking up and
    recording results, order, sorting by length and counters are in `answering.py`, around it.

    Args:
        cache_folder_path: a folder in which results are remembered as well, so that several output folders, or scripts
            without a session, can share them. None: they are remembered by the session alone.
    """

    #: parameters of `run()` beyond the published ones that this kind of model takes; they count in request keys
    extra_parameters: ClassVar[frozenset[str]] = frozenset()
    #: those of them that say how texts that are too long are answered in windows; they count for such texts alone
    window_parameters: ClassVar[frozenset[str]] = frozenset()
    #: what runs the model: for the record
    provider: str = "local"

    def __init__(self, cache_folder_path: str | None = None) -> None:
        self.cache_folder_path = cache_folder_path

    # --- what a backend writes ------------------------------------------------------------------------------------

    def _answer_texts(self, texts: list[str], truncate: bool, parameters: dict[str, Any]) -> list[Any]:
        """One JSON-able result per text, in order. The texts are of similar length, and fit unless `truncate`."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it answers: write _answer_texts().")

    def _windows(self, text: str, parameters: Mapping[str, Any]) -> list[Any]:
        """The parts in which a text is answered: one for a text that fits. Only with `window_parameters`."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its windows are: write _windows().")

    def _answer_windows(self, windows: list[Any], parameters: Mapping[str, Any]) -> list[Any]:
        """One JSON-able result per window, in order. `len()` of a window is its tokens."""
        raise NotImplementedError(f"{type(self).__name__} does not answer windows: write _answer_windows().")

    def _combined(self, results: list[Any], windows: list[Any], parameters: Mapping[str, Any]) -> Any:
        """The result of a text from those of its windows, which are two or more."""
        raise NotImplementedError(f"{type(self).__name__} does not combine windows: write _combined().")

    def _check_parameters(self, truncate: bool, parameters: Mapping[str, Any]) -> None:
        """Raise if values of `extra_parameters` make no sense."""

    def count_tokens(self, value: str) -> int:
        """Tokens of a text."""
        raise NotImplementedError(f"{type(self).__name__} does not count tokens: write count_tokens().")

    @property
    def model_max_length(self) -> int:
        """Most tokens of a text, as `final_count_tokens` counts them."""
        raise NotImplementedError(f"{type(self).__name__} has no length: write model_max_length.")

    def final_count_tokens(self, value: str) -> int:
        """Tokens of a text with the special tokens that the model wants around it."""
        return self.count_tokens(value)

    def check(self) -> None:
        """Raise if nothing could be asked at all. Cheap; called before the first text is answered."""

    def spec(self) -> dict[str, Any]:
        """What counts when results are compared or remembered: plain data without folders and devices."""
        kind = type(self)
        spec = {"kind": kind.__qualname__, "version": self.version}
        if is_ours(kind):
            return {**spec, "kind": f"{kind.__module__}.{kind.__qualname__}"}
        own = arguments_of(self) if kind.spec is TaskModel.spec else {}
        return {**spec, **code_of(kind), **own}

    def __datadreamer_fingerprint__(self) -> dict[str, Any]:
        return self.spec()

    # --- what users call ------------------------------------------------------------------------------------------

    def run(
        self,
        texts: Iterable[str],
        truncate: bool = False,
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
    ) -> list[Any] | Iterator[Any]:
        """Answer every text, in order.

        Args:
            texts: taken as they are needed.
            truncate: cut texts that are longer than `model_max_length` tokens. False: such a text is an error.
            batch_size: texts per batch.
            batch_scheduler_buffer_size: texts that are sorted by length together. None: the larger of 10 batches and
                1000. Negative: the order of the texts is kept.
            adaptive_batch_size: halve the batch when memory runs out.
            progress_interval: seconds between log lines about progress. None: no such lines.
            force: answer again although results are remembered; the new ones take their place.
            cache_only: never ask; a text without a remembered result raises `ModelError`.
            verbose, log_level: accepted for scripts written for the paper; the session decides what is logged.
            total_num_texts: number of texts, for progress, when they come from a generator.
            return_generator: give a generator instead of a list.
            **kwargs: parameters that only this kind of model knows.

        Raises:
            ContextLengthError: a text is too long and `truncate` is False (also a `ValueError`).
            ModelError: the model cannot answer.
        """
        given = {name: value for name, value in locals().items() if name in _PUBLISHED}
        results = self._stream(texts, self._arguments({**given, **kwargs}, texts))
        return results if return_generator else list(results)

    def _stream(self, texts: Iterable[str], ask: Ask, first: int = 0) -> Iterator[Any]:
        """The results, in order. `first`: the position of the first text, where these are a part of more."""
        from .answering import answers

        return answers(self, texts, ask, _context.scope(), first)

    def _arguments(self, given: Mapping[str, Any], texts: Any) -> Ask:
        """The arguments of `run()`, checked."""
        from .answering import Ask

        if isinstance(texts, str):
            raise InvalidTypeError(f"texts must be a list (or another iterable) of str, not one str: {texts!r:.80}")
        own = {name: value for name, value in given.items() if name not in _PUBLISHED}
        for name in own:
            if name not in self.extra_parameters:
                advice = nearest(name, _PUBLISHED | self.extra_parameters)
                raise InvalidArgumentError(f"{self.display_name} has no parameter '{name}'. {advice}")
        batch_size = given.get("batch_size", 10)
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise InvalidArgumentError(f"batch_size is {batch_size!r}: it must be an integer of at least 1.")
        truncate, total = bool(given.get("truncate", False)), given.get("total_num_texts")
        parameters = {name: value for name, value in own.items() if value is not None}
        self._check_parameters(truncate, parameters)
        return Ask(
            truncate=truncate,
            parameters=parameters,
            batch_size=batch_size,
            buffer_size=given.get("batch_scheduler_buffer_size"),
            adaptive=given.get("adaptive_batch_size", True),
            progress_interval=given.get("progress_interval", 60),
            force=given.get("force", False),
            cache_only=given.get("cache_only", False),
            total=total if total is not None else _length(texts),
        )

    def unload_model(self) -> None:
        """Free what the model holds. It comes back when asked again."""

    # --- about the model ------------------------------------------------------------------------------------------

    @property
    def model_card(self) -> str | None:
        """URL of the model's card."""
        return None

    @property
    def license(self) -> str | None:
        """Licence, or URL of the terms."""
        return None

    @property
    def citation(self) -> list[str] | None:
        """BibTeX entries."""
        return None

    @property
    def version(self) -> float:
        """Raise it in a subclass when the same text should be answered again."""
        return 1.0

    @property
    def display_icon(self) -> str:
        """In front of the name, where there is room for it."""
        return "🧭"

    @property
    def display_name(self) -> str:
        """Name in logs, errors and cards."""
        model = getattr(self, "model_name", None)
        return f"{type(self).__name__} ({model})" if model else type(self).__name__

    @property
    def served_name(self) -> str:
        """Name of the model that answers: for the record."""
        return str(getattr(self, "model_name", None) or self.display_name)

    def __repr__(self) -> str:
        return f"<{self.display_name}>"


_PUBLISHED = frozenset(
    (
        "truncate", "batch_size", "batch_scheduler_buffer_size", "adaptive_batch_size", "progress_interval", "force",
        "cache_only", "verbose", "log_level", "total_num_texts", "return_generator",
    )
)  # fmt: skip


def _length(texts: Iterable[str]) -> int | None:
    return len(texts) if isinstance(texts, Sized) else None
