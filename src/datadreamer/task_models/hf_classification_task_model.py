"""Text classifiers of the Hugging Face Hub, or of a folder, run in this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..llms.local.generation import pad
from ..llms.local.hf_model import HFModel
from ..llms.local.quiet import quiet
from .task_model import TaskModel
from .windows import PARAMETERS, Window, check_parameters, combined, windows


class HFClassificationTaskModel(TaskModel):
    """A sequence classifier of transformers. Each result is a dict from label to score.

    Scores are probabilities that sum to 1 (softmax); independent probabilities (sigmoid) for a multi-label model or one
    with a single label; the value itself for a regression model. The order of labels is the model's.

    Args:
        model_name: a name on the hub (`"org/model"`), a folder with a model or a LoRA adapter, or the output folder of
            a trainer.
        revision: branch, tag or commit on the hub.
        trust_remote_code: run Python code that comes with the model. Read it first.
        device: `"cpu"`, `"cuda:1"`, `0`, `"mps"`. None takes the best there is.
        device_map: spreads one model over devices, for example `"auto"`.
        dtype: `"bfloat16"`, `torch.float16`, … None is the checkpoint's own on a GPU and float32 on the CPU.
        adapter_name: a LoRA adapter for the model: folder or hub name.
        adapter_kwargs: passed to PEFT with the adapter; `revision` is the adapter's.
        cache_folder_path: see `TaskModel`.
        **model_kwargs: passed to transformers' `from_pretrained`; `quantization_config` too.

    A text that is too long is an error, or is cut (`truncate=True`). `run()` also takes `long_texts="window"`: such a
    text is read in windows, each as long as the model takes, and the scores of its windows are combined. With it,
    `stride` is the number of tokens that a window shares with the one before (a quarter of a window), and
    `window_scores` is `"mean"` (weighted by the tokens of the text in each window) or `"max"` (the largest score of
    each label: for labels of which one passage is enough; the scores no longer sum to 1).
    """

    provider = "transformers"
    extra_parameters = PARAMETERS
    window_parameters = PARAMETERS

    def __init__(
        self,
        model_name: str,
        revision: str | None = None,
        trust_remote_code: bool = False,
        device: Any = None,
        device_map: Any = None,
        dtype: Any = None,
        adapter_name: str | None = None,
        adapter_kwargs: Mapping[str, Any] | None = None,
        cache_folder_path: str | None = None,
        **model_kwargs: Any,
    ) -> None:
        super().__init__(cache_folder_path)
        self.model_name = str(model_name)
        self._hf = HFModel(
            self.model_name,
            needed_for=f"{type(self).__name__}(model_name='{model_name}')",
            auto_class="AutoModelForSequenceClassification",
            revision=revision,
            trust_remote_code=trust_remote_code,
            device=device,
            device_map=device_map,
            dtype=dtype,
            quantization_config=model_kwargs.pop("quantization_config", None),
            adapter_name=None if adapter_name is None else str(adapter_name),
            adapter_kwargs=adapter_kwargs,
            model_kwargs=model_kwargs,
        )

    @property
    def model(self) -> Any:
        """The transformers model, or the PEFT model around it. Loads it."""
        return self._hf.model

    @property
    def tokenizer(self) -> Any:
        """The transformers tokenizer. Loads it."""
        return self._hf.tokenizer

    def check(self) -> None:
        self._hf.check()

    def unload_model(self) -> None:
        self._hf.unload()

    def spec(self) -> dict[str, Any]:
        return {**super().spec(), **self._hf.spec()}

    @property
    def model_max_length(self) -> int:
        """Most tokens of a text, special tokens included: what both the tokenizer and the positions allow."""
        lengths = (self._hf.tokenizer_length(), self._hf.context_length())
        return min((length for length in lengths if length is not None), default=1 << 30)

    def count_tokens(self, value: str) -> int:
        return len(self.tokenizer(value, add_special_tokens=False, verbose=False).input_ids) if value else 0

    def final_count_tokens(self, value: str) -> int:
        return len(self.tokenizer(value, verbose=False).input_ids)

    def _check_parameters(self, truncate: bool, parameters: Mapping[str, Any]) -> None:
        check_parameters(truncate, parameters)

    def _answer_texts(self, texts: list[str], truncate: bool, parameters: dict[str, Any]) -> list[dict[str, float]]:
        most = self.model_max_length if truncate else None
        return self._scores_of(self.tokenizer(texts, truncation=truncate, max_length=most)["input_ids"])

    def _windows(self, text: str, parameters: Mapping[str, Any]) -> list[Window]:
        whole = self.tokenizer(text, verbose=False).input_ids
        bare = self.tokenizer(text, add_special_tokens=False, verbose=False).input_ids
        return windows(whole, bare, self.model_max_length, parameters)

    def _answer_windows(self, windows: list[Window], parameters: Mapping[str, Any]) -> list[dict[str, float]]:
        return self._scores_of([window.ids for window in windows])

    def _combined(self, results: list[Any], windows: list[Window], parameters: Mapping[str, Any]) -> dict[str, float]:
        return combined(results, [window.own for window in windows], parameters.get("window_scores", "mean"))

    def _scores_of(self, ids: list[list[int]]) -> list[dict[str, float]]:
        import torch

        model, tokenizer = self.model, self.tokenizer
        if model.config.pad_token_id is None:  # a causal classifier finds a text's last token by what is padding
            model.config.pad_token_id = tokenizer.pad_token_id or tokenizer.eos_token_id or 0
        input_ids, attention_mask = pad(ids, model.config.pad_token_id, left=False)
        with torch.inference_mode(), quiet():
            logits = model(input_ids=input_ids.to(model.device), attention_mask=attention_mask.to(model.device)).logits
        names = [str(model.config.id2label[place]) for place in range(logits.shape[-1])]
        return [dict(zip(names, row, strict=True)) for row in _scores(logits.float(), model.config).cpu().tolist()]

    @property
    def served_name(self) -> str:
        return self._hf.served_name

    @property
    def public_name(self) -> str:
        """The model's name for others to read: of a folder, without its path."""
        return self._hf.public_name

    @property
    def display_name(self) -> str:
        return f"{type(self).__name__} ({self.public_name})"

    @property
    def model_card(self) -> str | None:
        return self._hf.model_card()

    @property
    def license(self) -> str | None:
        return self._hf.license()

    @property
    def citation(self) -> list[str] | None:
        return self._hf.citation()


def _scores(logits: Any, config: Any) -> Any:
    """Scores of shape (texts, labels) for what the model was trained to do."""
    if config.problem_type == "regression":
        return logits
    if config.problem_type == "multi_label_classification" or logits.shape[-1] == 1:
        return logits.sigmoid()
    return logits.softmax(-1)
