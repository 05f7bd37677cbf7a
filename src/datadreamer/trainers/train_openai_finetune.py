"""`TrainOpenAIFineTune`: a model of OpenAI that learns from inputs and outputs, at OpenAI."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from .. import _lazy
from ..errors import InvalidArgumentError, nearest
from ..llms import OpenAI
from ..llms.local.templates import AUTO
from .columns import check_columns
from .configs import plain
from .job import TrainingJob
from .openai_jobs import MODEL_FILE, FineTuningService
from .plan import TrainingPlan
from .trainer import Trainer

if TYPE_CHECKING:
    from ..datasets import OutputDatasetColumn, OutputIterableDatasetColumn

    Column: TypeAlias = OutputDatasetColumn | OutputIterableDatasetColumn

CELLS = {"input": "conversation", "output": "text"}
LEAST_ROWS = 10  # of a training file, by OpenAI's fine-tuning guide
_FURTHER = frozenset({"seed", "suffix", "integrations", "metadata"})
_COMPLETION_MODELS = ("babbage-002", "davinci-002")  # learn from a prompt and a completion, not from messages
_OPTIONS = frozenset({"timeout", "default_headers"})


class TrainOpenAIFineTune(Trainer):
    """Fine-tunes a model of OpenAI on inputs and outputs, by its fine-tuning service.

    The job goes on when the script ends; running the script again goes on watching it.

    Args:
        name: what the trainer is called.
        model_name: of the model to start from, as the service names it.
        system_prompt: a system message before each input. None: "You are a helpful assistant."; "": none.
        organization, api_key, base_url, api_version: as for `OpenAI`.
        retry_on_fail: ask again after errors that may pass.
        force, verbose, log_level: as for every trainer.
        **kwargs: `timeout` (seconds for one request, 600) and `default_headers`.

    Raises:
        InvalidArgumentError: an option is not known, or base_url is not a URL.
    """

    library: ClassVar[str | None] = "openai"
    model_format: ClassVar[str] = "kept by the service"
    provider: ClassVar[str] = "openai"
    determinism: ClassVar[tuple[str, str]] = ("D0", "trained at a service, which does not promise the same model twice")
    pipeline_tag = "text-generation"

    def __init__(
        self,
        name: str,
        model_name: str,
        system_prompt: str | None = None,
        organization: str | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        api_version: str | None = None,
        retry_on_fail: bool = True,
        force: bool = False,
        verbose: bool | None = None,
        log_level: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, force=force, verbose=verbose, log_level=log_level)
        for option in kwargs:
            if option not in _OPTIONS:
                raise InvalidArgumentError(f"{self.who} has no option '{option}'. {nearest(option, _OPTIONS)}")
        self.model_name = model_name
        self.organization, self.api_version = organization, api_version
        self.retry_on_fail = retry_on_fail
        self.options = kwargs
        self._llm = OpenAI(model_name, system_prompt, organization, api_key, base_url, api_version)
        self.system_prompt = self._llm.system_prompt

    def train(
        self,
        train_input: Column,
        train_output: Column,
        validation_input: Column | None = None,
        validation_output: Column | None = None,
        truncate: bool = True,
        epochs: int | str | None = AUTO,
        batch_size: int | str | None = AUTO,
        learning_rate_multiplier: float | str | None = AUTO,
        **kwargs: Any,
    ) -> Self:
        """Train, watch a job that is running already, or find the model trained.

        Args:
            train_input: what the model is asked: text, or lists of messages.
            train_output: text it is to answer.
            validation_input, validation_output: the same, held out.
            truncate: leave it to the service to cut rows that are longer than the model takes; False refuses them,
                naming the row (by an estimate of their tokens).
            epochs, batch_size, learning_rate_multiplier: AUTO or None leaves them to the service.
            **kwargs: `seed`, `suffix`, `integrations` and `metadata` of the job.

        Raises:
            InvalidArgumentError, InvalidTypeError: something cannot be used; before anything is uploaded.
            AuthenticationError: there is no key, or it is refused.
            TrainingError: the service refused or failed; the message says why, and how to go on.
        """
        self._session()
        columns = {
            "train_input": train_input,
            "train_output": train_output,
            "validation_input": validation_input,
            "validation_output": validation_output,
        }
        cells = {name: CELLS[name.partition("_")[2]] for name in columns}
        given = check_columns(self.who, columns, cells)
        rows = given["train_input"].num_rows
        if rows is not None and rows < LEAST_ROWS and self._llm.provider == "openai":
            raise InvalidArgumentError(
                f"{self.who}: OpenAI trains on at least {LEAST_ROWS} rows, and there are {rows}."
            )
        for name in kwargs:
            if name not in _FURTHER:
                raise InvalidArgumentError(f"{self.who} has no argument '{name}'. {nearest(name, _FURTHER)}")
        _lazy.require("openai", extra="openai", needed_for=self.who)
        plan = TrainingPlan(
            kind="openai-finetune",
            settings={
                "hyperparameters": self._hyperparameters(epochs, batch_size, learning_rate_multiplier),
                "system_prompt": self.system_prompt,
                "truncate": bool(truncate),
                "further": plain(kwargs, "the job"),
            },
            runtime={},
            model_spec={"service": self._llm._endpoint.identity, "model": self.model_name},
            model_source=self.model_name,
            columns=given,
            cells=cells,
            trainer_version=self.version,
            service=FineTuningService(self._client, self.who, self._write_rows),
        )
        return self._run(plan)

    def _hyperparameters(self, epochs: Any, batch_size: Any, learning_rate_multiplier: Any) -> dict[str, Any]:
        values = {
            "n_epochs": epochs,
            "batch_size": batch_size,
            "learning_rate_multiplier": learning_rate_multiplier,
        }
        chosen = {name: value for name, value in values.items() if value is not None and value != AUTO}
        for name, value in chosen.items():
            whole = name != "learning_rate_multiplier"
            if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not value > 0:
                kind = "a whole number" if whole else "a number"
                raise InvalidArgumentError(f"{self.who}: {name} must be {kind} above 0, or AUTO, not {value!r}.")
        return chosen

    # --- at the service -----------------------------------------------------------------------------------------------

    def _client(self) -> Any:
        """An `openai` client for the endpoint and the key of this trainer."""
        self._llm.check()
        openai = _lazy.require("openai", extra="openai", needed_for=self.who)
        place = self._llm._endpoint
        common = {
            "api_key": place.key or "not-needed",
            "organization": self.organization,
            "max_retries": 6 if self.retry_on_fail else 0,
            "timeout": float(self.options.get("timeout") or 600.0),
            "default_headers": self.options.get("default_headers"),
        }
        if place.provider == "azure" and self.api_version:
            base = place.identity.partition("/openai/")[0]
            return openai.AzureOpenAI(azure_endpoint=base, api_version=self.api_version, **common)
        return openai.OpenAI(base_url=place.identity, **common)

    def _write_rows(self, job: TrainingJob, split: str, path: Path) -> int:
        """The rows of a split as the service reads them, one JSON object a line."""
        import pyarrow as pa

        table = pa.ipc.open_file(pa.memory_map(str(job.data / f"{split}.arrow"))).read_all()
        with path.open("w", encoding="utf-8") as file:
            for row, cells in enumerate(_rows(table)):
                line = json.dumps(self._example(cells["input"], cells["output"]), ensure_ascii=False)
                if not job.settings["truncate"]:
                    self._check_length(split, row, line)
                file.write(line + "\n")
        return int(table.num_rows)

    def _example(self, prompt: Any, output: str) -> dict[str, Any]:
        if self.model_name.startswith(_COMPLETION_MODELS) and isinstance(prompt, str):
            return {"prompt": prompt, "completion": output}
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
        if self.system_prompt and messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": self.system_prompt})
        return {"messages": [*messages, {"role": "assistant", "content": output}]}

    def _check_length(self, split: str, row: int, line: str) -> None:
        length, room = self.count_tokens(line), self._llm._context_length()
        if room is not None and length > room:
            raise InvalidArgumentError(
                f"{self.who}: row {row} of the {split} rows has about {length:,} tokens, and {self.model_name} takes "
                f"{room:,}. Pass truncate=True to have such rows cut, or filter them out."
            )

    # --- what came out ------------------------------------------------------------------------------------------------

    @property
    def model(self) -> str:
        """The name of the fine-tuned model, for `OpenAI(model_name=...)`."""
        facts: Mapping[str, Any] = json.loads((self._trained() / "_model" / MODEL_FILE).read_text(encoding="utf-8"))
        return str(facts["model"])

    @property
    def model_path(self) -> str:
        """The name of the fine-tuned model: the service keeps it, so there is no folder."""
        return self.model

    def unload_model(self) -> None:
        """Nothing is loaded here."""

    def count_tokens(self, value: str) -> int:
        """Tokens of a text, as `OpenAI` estimates them."""
        return self._llm.count_tokens(value)

    def get_max_context_length(self, max_new_tokens: int = 0) -> int:
        """Tokens that a prompt may have, when `max_new_tokens` are kept free."""
        return self._llm.get_max_context_length(max_new_tokens)

    @property
    def base_model_card(self) -> str | None:
        return self._llm.model_card

    @property
    def license(self) -> str | None:
        return self._llm.license

    @property
    def citation(self) -> list[str] | None:
        return self._llm.citation

    @property
    def display_name(self) -> str:
        return f"{type(self).__name__}('{self.name}', {self.model_name})"


def _rows(table: Any) -> Any:
    for batch in table.to_batches(max_chunksize=1000):
        yield from batch.to_pylist()
