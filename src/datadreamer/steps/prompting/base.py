"""What every prompt step shares: asking in order, turning answers into rows and failures into losses.

Resuming, recording, retries and rate limits are around the model, not here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

from ...errors import DataDreamerError, InvalidArgumentError, InvalidTypeError, ModelError
from ...llms import params
from ...llms.llm import LLM
from ...llms.types import Failure, Generation, Prompt
from ..fields import runtime
from ..rows import Filtered, Loss, Row
from ..step import Step
from .typed import TypedAnswers
from .unparsed import UnparsedError

# The settings below that are parameters of the model; None leaves each to the model.
_PARAMETERS = (
    "max_new_tokens",
    "temperature",
    "top_p",
    "n",
    "stop",
    "repetition_penalty",
    "logit_bias",
    "seed",
    "batch_size",
)


class NoInputError(DataDreamerError):
    """A row has nothing to ask about: it is lost, with the reason `"no_input"`."""


class PromptStep(Step):
    """A step that makes prompts out of its input and gives a row for every answer.

    Further keyword arguments (in `args={...}`) go to the model, which refuses those it does not take.

    Args:
        llm: the model that is asked.
        post_process: a function from the text of an answer (with output_type, its value) to the value that is stored.
            Changing it asks nothing again.
        max_new_tokens: most tokens of an answer; None leaves it to the model.
        temperature, top_p, stop, repetition_penalty, logit_bias, seed: sampling; see `LLM.run()`.
        n: answers per prompt; above 1 the answers of a prompt are stored as a list.
        output_type: what an answer is: see `LLM.run()`. `generations` is then a typed column (fields of an object as a
            struct), the text is in `raw_generations`, and what does not fit is lost: "unparsed", "truncated" or
            "refused".
        max_reasks: with output_type, how often an answer that does not fit is asked for again; 2 when None.
        unpack: with output_type, a column for each field of it in place of `generations`.
        batch_size: hosted models: most requests in flight. Local models: rows per batch. Never counts.
        lazy: accepted for scripts written for the paper; answers that were paid for are stored all the same.
    """

    llm: LLM
    post_process: Callable[..., Any] | None = None
    max_new_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: Any = None
    stop: str | list[str] | None = None
    repetition_penalty: float | None = None
    logit_bias: dict[Any, float] | None = None
    seed: int | None = None
    output_type: Any = None
    max_reasks: int | None = None
    unpack: bool = False
    batch_size: int | None = runtime(default=None)
    lazy: bool = runtime(default=False)

    origins: ClassVar[dict[str, str]] = {"generations": "generated"}
    # Settings that count only where they are given: results were stored before they were there.
    counted_when_given: ClassVar[tuple[str, ...]] = ("output_type", "max_reasks", "unpack")

    def setup(self) -> None:
        self.register_arg("**kwargs")
        wanted = self._given.get("output_type")
        self._typed = None if wanted is None else TypedAnswers(self, wanted, bool(self._given.get("unpack")))
        if self._typed is not None:
            self._typed.register(self)

    def order_outputs(self, *names: str) -> None:
        super().order_outputs(*(names if self._typed is None else self._typed.in_place(names)))

    def requests(self) -> Iterator[tuple[dict[str, Any], Prompt | DataDreamerError]]:
        """For every input row, in order: the values that its row starts with, and the prompt (or why there is none)."""
        raise NotImplementedError(f"{type(self).__name__} must define requests()")

    def result(self, values: dict[str, Any], answer: Any, position: int) -> Any:
        """The row for one answer; a subclass may give `Filtered()` instead, or raise `UnparsedError`."""
        return {**values, "generations": answer}

    def parent_of(self, values: Mapping[str, Any], position: int) -> int | None:
        """The input row that a row was made of; None where it was made of none."""
        return position if self._inputs else None

    def sum_up(self) -> None:
        """Called when every row is settled: `register_data_card()` what the card shall say of them together."""

    # --- declared once for all of them --------------------------------------------------------------------------------

    def check(self) -> None:
        if not isinstance(self.llm, LLM):
            raise InvalidTypeError(
                f"Step '{self.name}': llm must be a model, for example OpenAI(model_name=…), "
                f"not {type(self.llm).__name__} {self.llm!r}."[:300]
            )
        asked = self.parameters()
        if self._typed is not None:
            asked = self._typed.plan(self, asked)
        elif self.max_reasks is not None or self.unpack:
            raise InvalidArgumentError(
                f"Step '{self.name}': max_reasks and unpack mean something only together with output_type."
            )
        self._ask = params.parse(self.llm, asked)  # what it needs to be asked (a key) is seen when it is
        if self._typed is not None:
            self._typed.settle(self, self._ask.n)

    def parameters(self) -> dict[str, Any]:
        """What is passed on to the model."""
        given = {name: self._args[name] for name in _PARAMETERS if self._args.get(name) is not None}
        further = {name: value for name, value in self._args.items() if name not in self._declaration.fields}
        typed = {} if self._typed is None else {"output_type": self._typed.type, "max_reasks": self.max_reasks}
        return {**given, **further, **typed}

    def identity(self) -> dict[str, Any]:
        settings = super().identity()
        for name in (*_PARAMETERS, *(name for name in self._args if name not in self._declaration.fields)):
            settings.pop(name, None)
        for name in self._later_settings():
            if name in settings and settings[name] == self._declaration.fields[name].default:
                del settings[name]
        if self._typed is not None:
            settings |= self._typed.counted
        # as the model understands them: 1 and 1.0, or a stop string and a list of one, ask the same
        return {**settings, "sampling": self.sampling(), **self._room()}

    def _later_settings(self) -> list[str]:
        return [name for cls in type(self).__mro__ for name in vars(cls).get("counted_when_given", ())]

    def _room(self) -> dict[str, Any]:
        """The context length that the script has stated: it decides which examples fit a prompt, and which rows."""
        given = getattr(self.llm, "_max_context_length", None) or getattr(self.llm, "max_context_length", None)
        return {"max_context_length": given} if given else {}

    def sampling(self) -> dict[str, Any]:
        """What every request of this step has in common, as the model understands it."""
        asked = self._ask.template.parts()
        for of_one_request in ("messages", "sample"):
            asked.pop(of_one_request, None)
        return {**asked, "n": self._ask.n}

    def empty_input(self, values: Mapping[str, Any]) -> str | None:
        """The input in which this row has no value, if there is one: it would be asked about the word "None"."""
        inputs = self._declaration.of_role("input")
        return next((name for name in inputs if name in values and values[name] is None), None)

    def card_prompts(self) -> list[tuple[str, str]]:
        system = [("system prompt", self.llm.system_prompt)] if self.llm.system_prompt else []
        return system if self._typed is None else [*system, *self._typed.card_prompts()]

    def run(self) -> Iterator[Row | Loss | Filtered]:
        for position, (values, outcome) in enumerate(self.asked(self.llm, self.requests())):
            yield self._settle(position, values, outcome)
        self.sum_up()

    def asked(
        self, llm: LLM, requests: Iterable[tuple[dict[str, Any], Prompt | DataDreamerError]]
    ) -> Iterator[tuple[dict[str, Any], Any]]:
        """For every request, in order: its values, and what became of it (`outcomes()`), or why it was not asked."""
        waiting: deque[tuple[dict[str, Any], DataDreamerError | None]] = deque()
        prompts = self._prompts(requests, waiting)
        for outcome in llm.outcomes(prompts, **{**self.parameters(), **self._known_total()}):
            yield from self._unaskable(waiting)
            yield waiting.popleft()[0], outcome
        yield from self._unaskable(waiting)

    def _known_total(self) -> dict[str, Any]:
        total = self.expected_rows()
        return {} if total is None else {"total_num_prompts": total}

    def _prompts(self, requests: Iterable[Any], waiting: deque[Any]) -> Iterator[Prompt]:
        for values, prompt in requests:
            empty = self.empty_input(values)
            if empty is not None:
                waiting.append(
                    (values, NoInputError(f"The row has no value in '{empty}', so there is nothing to ask."))
                )
            elif isinstance(prompt, DataDreamerError):
                waiting.append((values, prompt))
            else:
                waiting.append((values, None))
                yield prompt

    def _unaskable(self, waiting: deque[Any]) -> Iterator[tuple[dict[str, Any], DataDreamerError]]:
        while waiting and waiting[0][1] is not None:
            yield waiting.popleft()

    def _settle(self, position: int, values: dict[str, Any], outcome: Any) -> Any:
        if isinstance(outcome, DataDreamerError):
            return Loss(position, _reason(outcome), str(outcome), attempts=0)
        answers = outcome if isinstance(outcome, list) else [outcome]
        failure = next((answer for answer in answers if isinstance(answer, Failure)), None)
        if failure is not None:
            return _loss(position, failure, answers)
        texts, keys = [answer.text for answer in answers], _keys(answers)
        given = texts if self._typed is None else [answer.value for answer in answers]
        several, process = isinstance(outcome, list), self.post_process
        try:
            done = [one if process is None else process(one) for one in given]
            row = self.result(values, done if several else done[0], position)
            if self._typed is not None and isinstance(row, Mapping):
                row = self._typed.stored(row, values, texts if several else texts[0], process is not None)
        except UnparsedError as error:
            return Loss(position, "unparsed", f"{error} (the answer was {texts[0]!r:.200})", calls=keys)
        except Exception as error:
            where = "post_process" if self.post_process is not None else "parse"
            return Loss(
                position, where, f"{type(error).__name__}: {error} (the answer was {texts[0]!r:.200})", calls=keys
            )
        if isinstance(row, Filtered):
            return row
        return Row(row, self.parent_of(values, position), keys)


def _loss(position: int, failure: Failure, answers: list[Generation | Failure]) -> Loss:
    paid = [answer.usage for answer in answers]
    return Loss(
        position,
        failure.reason,
        failure.message,
        failure.attempts,
        input_tokens=sum(usage.input_tokens for usage in paid),
        output_tokens=sum(usage.output_tokens for usage in paid),
        calls=_keys([failure]),
    )


def _keys(answers: Iterable[Generation | Failure]) -> list[bytes]:
    """The request keys of answers, and of the faulty ones before them."""
    return [key for answer in answers for key in (*answer.reasked, answer.key) if key is not None]


def _reason(error: DataDreamerError) -> str:
    if isinstance(error, NoInputError):
        return "no_input"
    return Failure.of(error).reason if isinstance(error, ModelError) else type(error).__name__
