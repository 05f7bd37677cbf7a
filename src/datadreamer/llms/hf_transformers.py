"""Models of the Hugging Face Hub, or of a folder, run in this process by transformers."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from ..errors import BadRequestError, ContextLengthError, PermanentModelError
from .llm import LLM
from .local.batching import OutOfMemoryError, in_batches
from .local.generation import Answer, Row, generate_batch
from .local.hf_model import HFModel
from .local.sampling import Sampling, bias_pairs
from .local.templates import AUTO, PromptFormat, checked, encode
from .structured.dialects import LLGUIDANCE, Dialect
from .types import Failure, Generation, Request, Usage

OUTPUT_CAP = 2048  # tokens of an answer whose length nobody bounded: a model that never ends must end
_PROCESSORS = ("logits_processor", "logits_processor_list", "pre_logits_processor", "post_logits_processor")
_NO_PROCESSORS = (
    "A function over scores has no identity that a record could keep. Use logit_bias, repetition_penalty, top_k, min_p "
    "or typical_p; for answers of a certain form output_type=… or response_format=…."
)
_ACCELERATORS = ("/dev/nvidia0", "/dev/kfd")  # without importing torch: a run that asks nothing does not need it
_SAMPLING = ("top_k", "min_p", "typical_p", "no_repeat_ngram_size", "min_new_tokens")


class HFTransformers(LLM):
    """A causal or encoder-decoder model of transformers, in this process.

    Sampled answers are repeatable: every draw comes from random numbers that belong to the request, so batch size and
    the order of rows change nothing (docs/design/local-models.md).

    Args:
        model_name: a name on the hub (`"org/model"`), a folder with a model, a folder with a LoRA adapter (its base is
            loaded too), or the output folder of a trainer.
        chat_prompt_template: `AUTO` takes the tokenizer's own. Else text with `{{prompt}}` (and `{{system_prompt}}`),
            a jinja template over `messages`, or None for plain prompts.
        system_prompt: `AUTO` leaves it to the chat template.
        revision: branch, tag or commit on the hub.
        trust_remote_code: run Python code that comes with the model. Read it first.
        device: `"cpu"`, `"cuda:1"`, `0`, `"mps"`. None takes the best there is. A list spreads one model over several
            GPUs; for a copy on each: `ParallelLLM(HFTransformers(…, device=0), HFTransformers(…, device=1))`.
        device_map: spreads one model over devices, for example `"auto"`.
        dtype: `"bfloat16"`, `torch.float16`, … None is the checkpoint's own on a GPU and float32 on the CPU.
        quantization_config: passed to transformers, for example a `BitsAndBytesConfig` or a `TorchAoConfig`.
        adapter_name: a LoRA adapter for the model: folder or hub name.
        adapter_kwargs: passed to PEFT with the adapter; `revision` is the adapter's.
        cache_folder_path: see `LLM`.
        **model_kwargs: passed to transformers' `from_pretrained`.

    `run()` also takes `top_k`, `min_p`, `typical_p`, `no_repeat_ngram_size`, `min_new_tokens`, `do_sample`
    (False is temperature 0) and `chat_template_kwargs` (variables of the chat template). What is not given, except
    `temperature`, is what the checkpoint's `generation_config.json` says. With `output_type` or `response_format` an
    answer is decoded by a grammar, so it cannot be anything else (unless its room ends before it does).

    Raises:
        MissingDependencyError: torch or transformers is not installed; when first used.
        InvalidArgumentError, PermanentModelError, ServerUnreachableError: the model cannot be found or loaded; when
            first used.
    """

    provider = "transformers"
    extra_parameters = frozenset({*_SAMPLING, "do_sample", "chat_template_kwargs", *_PROCESSORS})
    refused_parameters: Mapping[str, str] = dict.fromkeys(_PROCESSORS, _NO_PROCESSORS)
    default_batch_size: ClassVar[int] = 16
    output_dialect: Dialect | None = LLGUIDANCE

    def __init__(
        self,
        model_name: str,
        chat_prompt_template: str | None = AUTO,
        system_prompt: str | None = AUTO,
        revision: str | None = None,
        trust_remote_code: bool = False,
        device: Any = None,
        device_map: Any = None,
        dtype: Any = None,
        quantization_config: Any = None,
        adapter_name: str | None = None,
        adapter_kwargs: Mapping[str, Any] | None = None,
        cache_folder_path: str | None = None,
        **model_kwargs: Any,
    ) -> None:
        super().__init__(cache_folder_path)
        self.model_name = str(model_name)
        self.chat_prompt_template = (
            chat_prompt_template if chat_prompt_template == AUTO else checked(chat_prompt_template)
        )
        self.system_prompt = None if system_prompt == AUTO else system_prompt
        if device not in ("cpu", -1) and any(Path(one).exists() for one in _ACCELERATORS):
            self.default_batch_size = 64  # type: ignore[misc]
        self._hf = HFModel(
            self.model_name,
            needed_for=f"{type(self).__name__}(model_name='{model_name}')",
            revision=revision,
            trust_remote_code=trust_remote_code,
            device=device,
            device_map=device_map,
            dtype=dtype,
            quantization_config=quantization_config,
            adapter_name=None if adapter_name is None else str(adapter_name),
            adapter_kwargs=adapter_kwargs,
            model_kwargs=model_kwargs,
        )

    # --- the model ------------------------------------------------------------------------------------------------

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
        return {
            **super().spec(),
            **self._hf.spec(),
            "chat_prompt_template": self.chat_prompt_template,
        }

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

    # --- length ---------------------------------------------------------------------------------------------------

    def count_tokens(self, value: str) -> int:
        return len(self.tokenizer(value, add_special_tokens=False, verbose=False).input_ids) if value else 0

    def final_count_tokens(self, value: str) -> int:
        return len(self._encode(({"role": "user", "content": value},), self.system_prompt, None, None))

    def _context_length(self) -> int | None:
        return self._hf.context_length()

    def _prompt_room(self, max_new_tokens: int) -> int | None:
        # an encoder-decoder keeps prompt and answer apart
        return super()._prompt_room(0 if self._is_encoder_decoder() else max_new_tokens)

    def _is_encoder_decoder(self) -> bool:
        return (
            bool(self._hf.config().get("is_encoder_decoder", False)) or self._hf.config().get("model_type") in _ENCODERS
        )

    # --- answering ------------------------------------------------------------------------------------------------

    def _answer_batch(self, requests: list[Request]) -> list[Generation | Failure]:
        outcomes: list[Any] = [None] * len(requests)
        alike: dict[Sampling, list[tuple[int, Row]]] = defaultdict(list)
        for place, request in enumerate(requests):
            try:
                ids = self._prompt_ids(request)
                row = Row(ids, draw_key(request), self._room(request, len(ids)), request.response_format)
                alike[self._sampling(request)].append((place, row))
            except BadRequestError as error:
                outcomes[place] = Failure.of(error)
        for sampling, rows in alike.items():
            answers = in_batches(
                rows,
                lambda placed: len(placed[1].ids) + placed[1].max_new_tokens,
                partial(self._generate, sampling),
                self._hf.batch_size(len(rows)),
            )
            for (place, row), answer in zip(rows, answers, strict=True):
                outcomes[place] = self._outcome(row, answer)
        return outcomes

    def _generate(self, sampling: Sampling, placed: Sequence[tuple[int, Row]]) -> list[Answer]:
        return generate_batch(self.model, self.tokenizer, [row for _, row in placed], sampling)

    def _outcome(self, row: Row, answer: Answer | OutOfMemoryError) -> Generation | Failure:
        if isinstance(answer, OutOfMemoryError):
            return Failure.of(
                PermanentModelError(
                    f"A prompt of {len(row.ids)} tokens with room for {row.max_new_tokens} more does not fit the "
                    f"memory of the device {_alone(answer.rows)} ({answer}). Ask for fewer tokens, or load with a "
                    "smaller dtype."
                )
            )
        return Generation(
            text=answer.text,
            finish_reason=answer.finish_reason,
            usage=Usage(input_tokens=len(row.ids), output_tokens=answer.tokens),
            model=self._hf.served_name,
            cost_usd=0.0,
        )

    def _prompt_ids(self, request: Request) -> list[int]:
        options = (request.extra or {}).get("chat_template_kwargs")
        return self._encode(request.messages, request.system, request.tools, options)

    def _encode(self, messages: Any, system: str | None, tools: Any, options: Any) -> list[int]:
        tokenizer = self.tokenizer
        messages = [_text_alone(message) for message in messages]
        prompt_format = PromptFormat.of(self.chat_prompt_template, tokenizer)
        text = prompt_format.render(tokenizer, messages, system, tools, options)
        formatted = prompt_format.template is not None and not prompt_format.short
        ids = encode(tokenizer, text, formatted, keep_end=self._is_encoder_decoder())
        # an empty prompt still needs one token to continue from
        return ids or [tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id or 0]

    def _room(self, request: Request, prompt_tokens: int) -> int:
        """Tokens that the answer may have."""
        context = self._hf.context_length()
        wanted = request.max_new_tokens
        apart = self._is_encoder_decoder()
        taken = prompt_tokens + (0 if apart else wanted or 1)
        if context is not None and taken > context and not (apart and self._hf.tokenizer_length() is None):
            asked = "" if apart else f" and {wanted or 1} for the answer"
            raise ContextLengthError(
                f"The prompt has {prompt_tokens} tokens{asked}, but {self.display_name} has a context of {context} "
                "tokens. Shorten the prompt" + ("." if apart else " or lower max_new_tokens.")
            )
        if wanted is not None:
            return wanted
        bound = getattr(self.model.generation_config, "max_new_tokens", None) or OUTPUT_CAP
        return min(bound, context if apart or context is None else context - prompt_tokens) if context else bound

    def _sampling(self, request: Request) -> Sampling:
        extra = request.extra or {}
        greedy = extra.get("do_sample") is False
        given = Sampling(
            temperature=0.0 if greedy else 1.0 if request.temperature is None else request.temperature,
            top_p=request.top_p,
            repetition_penalty=request.repetition_penalty,
            logit_bias=bias_pairs(request.logit_bias, self.model.config.get_text_config().vocab_size),
            stop=request.stop or (),
            **{name: extra[name] for name in _SAMPLING if extra.get(name) is not None},
        )
        return given.completed(self.model.generation_config)


def _alone(rows: int) -> str:
    if rows == 1:
        return "even alone"
    return f"in a batch of {rows}, and adaptive_batch_size=False allows no smaller one"


def _text_alone(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message whose content is one text, where it came in parts.

    Raises:
        BadRequestError: a part is no text.
    """
    content = message.get("content")
    if not isinstance(content, Sequence) or isinstance(content, str):
        return message
    for part in content:
        if not isinstance(part, Mapping) or not isinstance(part.get("text"), str):
            kind = part.get("type", "something else") if isinstance(part, Mapping) else type(part).__name__
            raise BadRequestError(
                f"HFTransformers asks models of text, and a message has a part of type '{kind}'. Serve a model that "
                'takes it (VLLM, or OpenAI(base_url="http://…/v1")).'
            )
    return {**message, "content": "".join(part["text"] for part in content)}


_ENCODERS = frozenset(
    {"t5", "mt5", "umt5", "bart", "mbart", "pegasus", "longt5", "marian", "m2m_100", "encoder-decoder"}
)


def draw_key(request: Request) -> bytes:
    """What a request's random numbers come from: everything that was asked, the sample number and the seed among it.

    The model is left out, so two models asked the same draw with the same random numbers, which makes comparing them
    less noisy.
    """
    return hashlib.sha256(msgspec.json.encode(request.parts(), order="sorted")).digest()
