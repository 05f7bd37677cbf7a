"""The base of every language model: what users call, and the one method that a backend writes."""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from .. import _context
from ..errors import InvalidArgumentError
from . import formatting, params
from .engine.retry import RetryPolicy
from .own_models import MadeWith, arguments_of, code_of, is_ours
from .types import Failure, Generation, Prompt, Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .facts import ModelFacts
    from .structured.dialects import Dialect


class LLM(MadeWith):
    """A language model.

    A backend is a subclass with exactly one of

    * `async def _answer(self, request: Request) -> Generation`, for a model behind a network: raises what
      `datadreamer.errors` has for models, and neither waits nor tries again;
    * `def _answer_batch(self, requests: list[Request]) -> list[Generation | Failure]`, for a model in this process:
      one outcome per request, in order.

    Looking up and recording answers, order, the window of requests in flight, retries, rate limits and counters are
    around it, in `llms/engine/`.

    Args:
        cache_folder_path: a folder in which answers are remembered as well, so that several output folders, or scripts
            without a session, can share them. None: they are remembered by the session alone.
    """

    #: parameters of `run()` beyond the published ones that this kind of model takes
    extra_parameters: frozenset[str] = frozenset()
    #: published parameters that it cannot take, each with the advice that the error ends with
    refused_parameters: Mapping[str, str] = {}
    #: which types of answers its service, or its decoder, enforces; None: every type is asked for in words
    output_dialect: Dialect | None = None
    #: the models that answer in its place, where it is several; it then has neither backend method
    members: tuple[LLM, ...] = ()
    #: rows per batch of a local model, when the call does not say
    default_batch_size: ClassVar[int] = 10
    #: who serves the model, and the host it is asked at: for the record
    provider: str = "local"
    host: str = ""
    #: most requests in flight of a hosted model, over all callers together
    max_in_flight: int = 256
    #: bounds of asking again (see `engine/retry.py`)
    retry_policy: RetryPolicy = RetryPolicy()

    _answer: Callable[[Request], Awaitable[Generation]]
    _answer_batch: Callable[[list[Request]], list[Generation | Failure]]

    def __init__(self, cache_folder_path: str | None = None) -> None:
        self.cache_folder_path = cache_folder_path
        self.chat_prompt_template: str | None = None
        self.system_prompt: str | None = None
        self.retry_on_fail = True

    # --- asking ---------------------------------------------------------------------------------------------------

    def run(
        self,
        prompts: Iterable[Prompt],
        max_new_tokens: int | None = None,
        temperature: float = 1.0,
        top_p: float | None = None,
        n: int = 1,
        stop: str | list[str] | None = None,
        repetition_penalty: float | None = None,
        logit_bias: dict[int, float] | None = None,
        batch_size: int | None = None,
        batch_scheduler_buffer_size: int | None = None,
        adaptive_batch_size: bool | None = None,
        seed: int | None = None,
        progress_interval: int | None = 60,
        force: bool = False,
        cache_only: bool = False,
        verbose: bool | None = None,
        log_level: int | None = None,
        total_num_prompts: int | None = None,
        return_generator: bool = False,
        output_type: Any = None,
        max_reasks: int | None = None,
        **kwargs: Any,
    ) -> list[Any] | Generator[Any, None, None]:
        """Ask every prompt, and give the texts of the answers in the order of the prompts.

        Args:
            prompts: each a `str`, a list of messages or a `Chat`. Taken as they are needed.
            max_new_tokens: most tokens of an answer. None: left to the model or its service.
            temperature: 0 for the likeliest answer. At 0, equal prompts share one answer.
            top_p: nucleus sampling, between 0 and 1. None: left to the model or its service.
            n: answers per prompt. Above 1, each result is a list of n texts.
            stop: text, or texts, before which an answer ends.
            repetition_penalty: above 1 makes repetition less likely. Refused by services that have no such thing.
            logit_bias: token id to bias.
            batch_size: hosted models: at most so many requests of this call in flight. Local models: rows per batch.
                None: adapts to the service or the memory.
            batch_scheduler_buffer_size: local models: prompts that are sorted by length together.
            adaptive_batch_size: local models: halve the batch when memory runs out.
            seed: makes draws repeatable where the model can. Draw k of a prompt is asked with `seed + k`.
            progress_interval: seconds between log lines about progress. None: no such lines.
            force: ask again although answers are remembered; the new answers take their place.
            cache_only: never ask; a prompt without a remembered answer raises `ModelError`.
            verbose, log_level: accepted for scripts written for the paper; the session decides what is logged.
            total_num_prompts: number of prompts, for progress, when they come from a generator.
            return_generator: give a generator instead of a list. Closing it cancels what is in flight.
            output_type: what an answer is: a pydantic model, dataclass, TypedDict or Struct class; a type such as `int`
                or `list[str]`; a `Literal`, an Enum or a list of choices; a JSON Schema (a dict); a `Regex`. Answers
                are then values of that type instead of texts (`docs/design/structured-output.md`).
            max_reasks: with output_type, how often an answer that does not fit is asked for again. None: 2.
            **kwargs: parameters that only this kind of model knows, for example `response_format` or `tools`. A name
                it does not know raises `InvalidArgumentError`.

        Returns:
            A list (or generator) of `str`, or of `list[str]` when `n > 1`; of values of `output_type`, if it is given.

        Raises:
            ModelError: a prompt could not be answered. What was answered is remembered.
        """
        given = {name: value for name, value in locals().items() if name not in ("self", "prompts", "kwargs")}
        given.pop("return_generator")
        from .engine.progress import reported
        from .engine.texts import all_texts, each_text

        if total_num_prompts is None and hasattr(prompts, "__len__"):
            given["total_num_prompts"] = len(prompts)  # type: ignore[arg-type]
        outcomes = self.outcomes(prompts, **given, **kwargs)
        if _context.scope() is None:  # a step reports its own progress
            outcomes = reported(outcomes, self.display_name, progress_interval, given["total_num_prompts"])
        return each_text(outcomes) if return_generator else all_texts(outcomes)

    def outcomes(self, prompts: Iterable[Prompt], **parameters: Any) -> Generator[Any, None, None]:
        """Ask every prompt, and give what became of each, in order: a `Generation` or a `Failure`.

        With `n > 1`, each item is a list of n of them. Takes the parameters of `run()`, except `return_generator`.
        Parameters are checked at once; prompts are taken, and asked, as the iterator is read. Memory is bounded
        whatever the number of prompts. With `output_type`, a `Generation` has its `value`, and what is no value is a
        `Failure` for the reason "truncated", "refused" or "unparsed".

        Raises:
            PermanentModelError, ServerUnreachableError: no prompt can be answered (wrong key, wrong model name, ...).
        """
        from . import engine

        if parameters.get("output_type") is not None:
            from .structured.asking import outcomes

            return outcomes(self, prompts, parameters)
        if engine.custom.writes_run(self):
            return engine.custom.outcomes(self, prompts, params.without_output_type(parameters))
        return engine.outcomes(self, prompts, params.parse(self, parameters), _context.scope())

    async def agenerate(self, prompt: Prompt, *, sample: int = 0, **parameters: Any) -> Generation:
        """Ask one prompt, from any event loop. Takes the parameters of `run()` that concern one request.

        Args:
            prompt: a `str`, a list of messages or a `Chat`.
            sample: which draw of this prompt. Equal requests with the same sample share one answer.
            **parameters: with `output_type`, the answer's `value` is of that type.

        Raises:
            ModelError: the prompt could not be answered.
        """
        if parameters.get("output_type") is not None:
            from .structured import asking

            return await asking.agenerate(self, prompt, sample, parameters, _context.scope())
        from .engine.single import agenerate

        ask = params.parse(self, parameters)
        if ask.n != 1:
            raise InvalidArgumentError(
                f"agenerate() gives one answer, so it takes no n={ask.n}: call it with sample=0, 1, …"
            )
        return await agenerate(self, prompt, ask, sample, _context.scope())

    def generate(self, prompt: Prompt, *, sample: int = 0, **parameters: Any) -> Generation:
        """`agenerate()` for code that does not await. Not from inside a coroutine."""
        if parameters.get("output_type") is not None:
            from .structured import asking

            return asking.generate(self, prompt, sample, parameters, _context.scope())
        from .engine.single import generate

        ask = params.parse(self, parameters)
        if ask.n != 1:
            raise InvalidArgumentError(
                f"generate() gives one answer, so it takes no n={ask.n}: call it with sample=0, 1, …"
            )
        return generate(self, prompt, ask, sample, _context.scope())

    def check(self) -> None:
        """Raise if nothing could be asked at all (no key, ...). Cheap; called before the first request is sent."""

    def account(self) -> Hashable:
        """What shares rate limits: models with equal accounts are admitted together."""
        return id(self)

    # --- identity -------------------------------------------------------------------------------------------------

    def spec(self) -> dict[str, Any]:
        """What counts when answers are compared or remembered: plain data without secrets, folders and time-outs."""
        kind = type(self)
        spec = {"kind": kind.__qualname__, "version": self.version, "system_prompt": self.system_prompt}
        if is_ours(kind):
            return {**spec, "kind": f"{kind.__module__}.{kind.__qualname__}"}
        # a model of the user's own is what its code says, and what it was made with where it does not say that itself
        own = arguments_of(self) if kind.spec is LLM.spec else {}
        return {**spec, **code_of(kind), **own}

    def request_spec(self) -> dict[str, Any]:
        """The part of `spec()` that enters request keys: the system prompt is in the request itself."""
        spec = {name: value for name, value in self.spec().items() if name != "system_prompt"}
        return {**code_of(type(self)), **spec}

    def __datadreamer_fingerprint__(self) -> dict[str, Any]:
        return self.spec()

    # --- length ---------------------------------------------------------------------------------------------------

    def count_tokens(self, value: str) -> int:
        """Tokens of a text. Without the model's tokenizer: an estimate that is rarely too low (see `tokens.py`)."""
        from .tokens import estimate

        return estimate(value)

    def final_count_tokens(self, value: str) -> int:
        """Tokens of a text when it is sent as a prompt: with the system prompt and the chat template around it."""
        from .tokens import CHAT_OVERHEAD

        return self.count_tokens(value) + self.count_tokens(self.system_prompt or "") + CHAT_OVERHEAD

    def get_max_context_length(self, max_new_tokens: int = 0) -> int:
        """Tokens that a prompt may have, when `max_new_tokens` are kept free for the answer.

        Raises:
            InvalidArgumentError: the context length of this model is not known.
        """
        room = self._prompt_room(max_new_tokens)
        if room is None:
            raise InvalidArgumentError(
                f"The context length of {self.display_name} is not known. Pass max_context_length=… (tokens) to it."
            )
        return room

    def _context_length(self) -> int | None:
        """Tokens of prompt and answer together; None: not known. A backend says."""
        return None

    def _get_max_output_length(self) -> int | None:
        """Most tokens of one answer; None: not known, or only bounded by the context."""
        return None

    def _prompt_room(self, max_new_tokens: int) -> int | None:
        if type(self).get_max_context_length is not LLM.get_max_context_length:  # written as published
            return self.get_max_context_length(max_new_tokens)
        length = self._context_length()
        return None if length is None else max(0, length - max_new_tokens)

    def format_prompt(
        self,
        max_new_tokens: int | None = None,
        beg_instruction: str | None = None,
        in_context_examples: list[str] | None = None,
        end_instruction: str | None = None,
        sep: str = "\n",
        min_in_context_examples: int | None = None,
        max_in_context_examples: int | None = None,
    ) -> str:
        """Join instruction, examples and instruction, leaving out examples that do not fit.

        Examples are taken in order; one that does not fit is skipped and the next is tried. The instructions are never
        cut. When the model's context length is not known, every example is kept.

        Args:
            max_new_tokens: tokens to keep free for the answer. None: 0.
            beg_instruction, end_instruction: text before and after the examples.
            in_context_examples: one text each.
            sep: between all parts.
            min_in_context_examples: fewer raise. None: 1 if there are any.
            max_in_context_examples: more are not used. None: all.

        Raises:
            ContextLengthError: the instructions alone, or the fewest examples, do not fit.
        """
        return formatting.format_prompt(
            self,
            max_new_tokens,
            beg_instruction,
            in_context_examples,
            end_instruction,
            sep,
            min_in_context_examples,
            max_in_context_examples,
        )

    # --- about the model ------------------------------------------------------------------------------------------

    @property
    def model_facts(self) -> ModelFacts:
        """What is known of the model (lengths, prices, terms), with what its user says of it; see `ModelFacts`."""
        from .facts import UNKNOWN

        return UNKNOWN

    def _standard_price(self, request: Request) -> bool:
        """Whether the prices among the facts hold for `request`."""
        return True

    def unload_model(self) -> None:
        """Free what the model holds (memory, connections). It comes back when asked again."""

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
        """Raise it in a subclass when the same request should be asked again."""
        return 1.0

    @property
    def display_icon(self) -> str:
        """In front of the name, where there is room for it."""
        return "🤖"

    @property
    def display_name(self) -> str:
        """Name in logs, errors and cards."""
        model = getattr(self, "model_name", None)
        return f"{type(self).__name__} ({model})" if model else type(self).__name__

    def __repr__(self) -> str:
        return f"<{self.display_name}>"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_live_")}
