"""A model that answers from a recording: to drive a test, or to run a workflow again without the model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from ..errors import InvalidArgumentError
from .llm import LLM
from .recording import RecordedModel, Recording
from .structured.recorded import dialect_of
from .types import Generation, Request


class RecordedLLM(LLM):
    """A model whose answers were recorded. It has the identity of the model that gave them, and asks nobody.

    Args:
        path: an output folder, a folder that a model had as `cache_folder_path`, the ledger file in one of them, or a
            `Recording` of it.
        model_name: which of the recorded models, as it was asked for, or one of `Recording.models`. None: the only one.
        system_prompt: None: the one that most of the recorded requests have.
        max_context_length: tokens. None: unlimited.

    A request that was never asked raises `NotRecordedError`, which names the nearest one that was. Parameters, system
    prompt and draws count, as they do for the model itself (docs/testing-workflows.md).

    Raises:
        SourceError: there is no such recording, or it has no model of this name, or several and none was named.
    """

    provider = "recording"

    def __init__(
        self,
        path: str | os.PathLike[str] | Recording,
        model_name: str | RecordedModel | None = None,
        *,
        system_prompt: str | None = None,
        max_context_length: int | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(path, str | os.PathLike | Recording):
            raise InvalidArgumentError(f"RecordedLLM takes the path of a recording, not {path!r:.80}")
        self.recording = path if isinstance(path, Recording) else Recording(path)
        named = isinstance(model_name, RecordedModel)
        self.recorded: RecordedModel = model_name if named else self.recording.model(model_name)  # type: ignore
        self.model_name = self.recorded.name
        self.system_prompt = self.recorded.system if system_prompt is None else system_prompt or None
        self.max_context_length = max_context_length
        self.extra_parameters = self.recorded.parameters
        self.output_dialect = dialect_of(self.recorded.spec)
        self.retry_on_fail = False

    def spec(self) -> dict[str, Any]:
        """What was recorded of the model, with the system prompt."""
        return {**self.recorded.spec, "system_prompt": self.system_prompt}

    def request_spec(self) -> dict[str, Any]:
        return dict(self.recorded.spec)

    def _context_length(self) -> int | None:
        return self.max_context_length

    async def _answer(self, request: Request) -> Generation:
        from .engine.record import from_record

        found = self.recording.find(self.recorded.spec, request)
        if found is None:
            raise self.recording.missing(self.model_name, request)
        return replace(from_record(*found), cost_usd=0.0, cached=False)  # paid for when it was recorded

    def unload_model(self) -> None:
        self.recording.close()

    def __getstate__(self) -> Mapping[str, Any]:  # type: ignore[override]
        self.recording.close()
        return super().__getstate__()
