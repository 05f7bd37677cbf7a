"""From texts to results: what is remembered is looked up, the rest is answered in batches and written down at once."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import msgspec

from .. import identity
from .._context import CallStats, StepScope
from ..errors import ContextLengthError, InvalidTypeError, ModelError, PermanentModelError
from ..llms.engine.memory import Memory
from ..llms.local.batching import BatchSize, OutOfMemoryError, in_batches

if TYPE_CHECKING:
    from .task_model import TaskModel

logger = logging.getLogger("datadreamer.task_models")


@dataclass(frozen=True, slots=True)
class Ask:
    """What holds for every text of one call of `run()`."""

    truncate: bool = False
    parameters: dict[str, Any] = field(default_factory=dict)
    batch_size: int = 10
    buffer_size: int | None = None
    adaptive: bool = True
    progress_interval: float | None = 60.0
    force: bool = False
    cache_only: bool = False
    total: int | None = None

    @property
    def buffer(self) -> int:
        """Texts that are looked at together."""
        size = self.buffer_size
        return max(self.batch_size, size if size and size > 0 else max(10 * self.batch_size, 1000))

    @property
    def sorted(self) -> bool:
        """Whether texts of similar length go together."""
        return self.buffer_size is None or self.buffer_size >= 0


def answers(model: TaskModel, texts: Iterable[str], ask: Ask, scope: StepScope | None, first: int = 0) -> Iterator[Any]:
    """The results of `texts`, in order. `first`: the position of the first text, where these are a part of more."""
    run = Run(model, ask, scope)
    if model.window_parameters & ask.parameters.keys():
        from .windowed import WindowedRun

        run = WindowedRun(model, ask, scope)
    source = iter(texts)
    while chunk := list(itertools.islice(source, ask.buffer)):
        yield from run.results(chunk, first)
        first += len(chunk)


class Run:
    """One call of `run()`."""

    def __init__(self, model: TaskModel, ask: Ask, scope: StepScope | None) -> None:
        self.model, self.ask = model, ask
        self.memory = Memory.of(cast(Any, model), scope)
        self.step = scope.name if scope else ""
        self.stats = scope.stats if scope else CallStats()
        self.spec = model.spec()
        self.size = BatchSize(ask.batch_size, adaptive=ask.adaptive)
        self.checked = False
        self.done = 0
        self.logged = time.monotonic()
        self.served = self._entry(scope)

    def results(self, texts: Sequence[str], first: int) -> Iterator[Any]:
        """The results of one buffer of texts; `first` is the position of its first text among all."""
        for place, text in enumerate(texts, first):
            if not isinstance(text, str):
                raise InvalidTypeError(f"Text {place} is {type(text).__name__}, not str: {text!r:.80}")
        keys = [identity.request_key(self._parts(text)) for text in texts]
        found = {} if self.ask.force else self._remembered(texts, keys)
        missing = {key: place for place, key in reversed(list(enumerate(keys))) if key not in found}
        places = sorted(missing.values())
        if places:
            found |= self._ask(texts, keys, places, first)
        self._progress(len(texts))
        yield from (found[key] for key in keys)

    def _entry(self, scope: StepScope | None) -> dict[str, int]:
        """Where the scope counts what this model answered; another model may have the same name."""
        if scope is None:
            return {}
        for number in itertools.count(1):
            name = self.model.display_name if number == 1 else f"{self.model.display_name} #{number}"
            entry = scope.models.setdefault(name, {"spec": self.spec, "served": {}})
            if entry["spec"] == self.spec:
                break
        served: dict[str, int] = entry["served"]
        return served

    def _parts(self, text: str) -> dict[str, Any]:
        ask = self.ask
        return {"model": self.spec, "text": text, "truncate": ask.truncate, "parameters": ask.parameters}

    def _remembered(self, texts: Sequence[str], keys: list[bytes]) -> dict[bytes, Any]:
        """Results that are there already, by key."""
        return self._look_up(keys)

    def _look_up(self, keys: list[bytes]) -> dict[bytes, Any]:
        if self.memory.empty:
            return {}
        found = {key: msgspec.json.decode(record.text) for key, record in self.memory.get(keys).items()}
        hits = sum(key in found for key in keys)
        self.stats.hits += hits
        self._count(hits)
        return found

    def _check(self, text: str, position: int) -> None:
        if self.ask.cache_only:
            raise ModelError(
                f"cache_only=True, but {self.model.display_name} has no remembered result for text {position}: "
                f"{text!r:.200}. Run once without cache_only."
            )
        if not self.checked:
            self.model.check()
            self.checked = True

    def _ask(self, texts: Sequence[str], keys: list[bytes], places: list[int], first: int) -> dict[bytes, Any]:
        model = self.model
        self._check(texts[places[0]], first + places[0])
        lengths = {place: self._length(texts[place], first + place) for place in places}
        results: dict[bytes, Any] = {}

        def answer(batch: Sequence[int]) -> list[Any]:
            started = time.time()
            found = model._answer_texts([texts[place] for place in batch], self.ask.truncate, self.ask.parameters)
            for place, result in zip(batch, found, strict=True):
                results[keys[place]] = result
                self._record(keys[place], self._parts(texts[place]), lengths[place], result, started)
            return found

        outcomes = in_batches(places, lengths.__getitem__, answer, self.size, sort=self.ask.sorted)
        for place, result in zip(places, outcomes, strict=True):
            if isinstance(result, OutOfMemoryError):
                raise self._no_room(first + place, lengths[place], result)
        return results

    def _no_room(self, position: int, tokens: int, error: OutOfMemoryError) -> PermanentModelError:
        return PermanentModelError(
            f"{self.model.display_name}: text {position} ({tokens} tokens) does not fit the memory of the device "
            f"({error}). Use a smaller batch_size, truncate=True or a smaller dtype."
        )

    def _length(self, text: str, place: int) -> int:
        tokens, most = self.model.final_count_tokens(text), self.model.model_max_length
        if tokens > most and not self.ask.truncate:
            raise ContextLengthError(
                f"Text {place} has {tokens} tokens, but {self.model.display_name} takes {most}. "
                f"Pass truncate=True to cut it, or shorten it: {text!r:.80}"
            )
        return min(tokens, most)

    def _record(self, key: bytes, parts: dict[str, Any], tokens: int, result: Any, started: float) -> None:
        self.stats.calls += 1
        self.stats.input_tokens += tokens
        self._count(1)
        if self.memory.empty:
            return
        from ..ledger import CallRecord
        from ..ledger.records import Usage

        answer = msgspec.json.encode(result)
        record = CallRecord(
            text=answer.decode(),
            step=self.step,
            usage=Usage(input_tokens=tokens),
            model=str(getattr(self.model, "public_name", self.model.served_name)),
            served_model=self.model.served_name,
            provider=self.model.provider,
            started=started,
            ended=time.time(),
            request=msgspec.json.encode(parts),
            response=answer,
        )
        self.memory.put(key, record)

    def _count(self, answers: int) -> None:
        if answers:
            name = self.model.served_name
            self.served[name] = self.served.get(name, 0) + answers

    def _progress(self, texts: int) -> None:
        self.done += texts
        interval, now = self.ask.progress_interval, time.monotonic()
        if interval is not None and now - self.logged >= interval:
            self.logged = now
            of = f" of {self.ask.total}" if self.ask.total is not None else ""
            logger.info("%s: %d%s texts done.", self.model.display_name, self.done, of)
