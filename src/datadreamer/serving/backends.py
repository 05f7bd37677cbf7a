"""Who answers: a model, with the ledger as cache, or a recording alone."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from .. import _context
from ..errors import ModelError, ModelNotFoundError, NotRecordedError, nearest
from ..llms import params
from ..llms.engine.samples import SampleCounter
from ..llms.recorded import RecordedLLM

if TYPE_CHECKING:
    from ..ledger import Ledger
    from ..llms import LLM
    from ..llms.recording import Recording
    from ..llms.types import Generation, Prompt
    from .requests import Asked


class Backend(ABC):
    """The base of both kinds. All but `close` is called on the loop.

    Args:
        new_draws: whether an equal request at a temperature above 0 is the next draw. False: it is the same one.
    """

    def __init__(self, new_draws: bool = False) -> None:
        self._counter = SampleCounter() if new_draws else None

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """What the models are called, the first of them the proper name."""

    @abstractmethod
    async def _one(self, asked: Asked, prompt: Prompt, sample: int) -> Generation:
        """One draw of one prompt."""

    @abstractmethod
    def check(self) -> None:
        """Raise if nothing could be answered; makes ready what takes long."""

    @abstractmethod
    def close(self) -> None:
        """Write what is not written, and let go of the model."""

    async def answer(self, asked: Asked) -> list[Generation]:
        """`asked.n` answers for each prompt, in order.

        Raises:
            ModelError, InvalidArgumentError, InvalidTypeError: see `LLM.agenerate`; of the first that failed.
        """
        if asked.model not in self.names:
            raise ModelNotFoundError(f"There is no model '{asked.model}' here. {nearest(asked.model, self.names)}")
        draws = []
        for prompt in asked.prompts:
            first = self._first_draw(asked, prompt)
            draws += [(prompt, first + number) for number in range(asked.n)]
        tasks = [asyncio.ensure_future(self._one(asked, prompt, sample)) for prompt, sample in draws]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    def _first_draw(self, asked: Asked, prompt: Prompt) -> int:
        if asked.sample is not None or self._counter is None or asked.parameters.get("temperature") == 0:
            return asked.sample or 0
        from ..identity import request_key

        return self._counter.take(request_key({"prompt": prompt, "parameters": asked.parameters}), asked.n)


class ModelBackend(Backend):
    """A model.

    Args:
        llm: any.
        ledger: where its answers are remembered.
        name: what it is called. None: its own name.
        replay: never ask it; only what is remembered is answered.
        batch_size: most requests of a batch of a local model.
    """

    def __init__(
        self,
        llm: LLM,
        ledger: Ledger,
        *,
        name: str | None = None,
        replay: bool = False,
        new_draws: bool = False,
        batch_size: int | None = None,
    ) -> None:
        super().__init__(new_draws)
        self.llm = llm
        self.replay = replay
        own = str(getattr(llm, "public_name", None) or getattr(llm, "model_name", None) or llm.display_name)
        self._names = list(dict.fromkeys(filter(None, (name, own, str(getattr(llm, "model_name", None) or "")))))
        self._scope = _context.StepScope("serve", "", ledger)
        self._batch_size = batch_size

    @property
    def names(self) -> list[str]:
        return self._names

    def check(self) -> None:
        if not self.replay:
            self.llm.check()
            _ = getattr(self.llm, "model", None)  # a local one is loaded now, not when the first client waits

    async def _one(self, asked: Asked, prompt: Prompt, sample: int) -> Generation:
        more: dict[str, Any] = {"cache_only": True} if self.replay else {}
        with _context.running(self._scope):
            try:
                return await self.llm.agenerate(
                    prompt, sample=sample, batch_size=self._batch_size, **more, **asked.parameters
                )
            except ModelError as error:
                if self.replay and type(error) is ModelError:
                    raise NotRecordedError(str(error).replace("cache_only=True, but ", "")) from error
                raise

    def close(self) -> None:
        self._scope.ledger.close()
        self.llm.unload_model()


class RecordingBackend(Backend):
    """A recording: every model in it, by the name it was asked for. Nothing is ever asked."""

    def __init__(self, recording: Recording, new_draws: bool = False) -> None:
        super().__init__(new_draws)
        self.recording = recording
        self._models = [RecordedLLM(recording, model) for model in recording.models]

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(model.model_name for model in self._models))

    def check(self) -> None:
        self.recording.model(self.recording.models[0].name if len(self.names) > 1 else None)

    async def _one(self, asked: Asked, prompt: Prompt, sample: int) -> Generation:
        from ..llms.engine.record import from_record

        request = None
        for model in self._models:
            if model.model_name != asked.model:
                continue
            ask = params.parse(model, asked.parameters)
            request = ask.request(prompt, 0 if ask.greedy else sample)
            # the number of a draw does not travel over HTTP; its seed does
            samples = range(model.recorded.samples) if request.seed is not None else (request.sample,)
            for number in samples:
                found = self.recording.find(model.recorded.spec, replace(request, sample=number))
                if found is not None:
                    return from_record(*found)
        assert request is not None
        raise self.recording.missing(asked.model, request)

    def close(self) -> None:
        self.recording.close()
