"""vLLM: its own server, in its own Python environment if need be, started and ended by us."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from msgspec.structs import replace

from ..errors import InvalidArgumentError, MissingDependencyError
from .local.checkpoint import require_files
from .local.hf_model import HFModel
from .local.templates import AUTO, checked
from .local_server.model import ServedModel, as_jinja, flags
from .structured.dialects import VLLM as DIALECT
from .types import Request
from .wire.openai_chat import ChatFormat

_GUIDED = {"guided_json": "json", "guided_regex": "regex", "guided_choice": "choice", "guided_grammar": "grammar"}
_EXTRA = frozenset(
    {
        "chat_template_kwargs", "extra_body", "frequency_penalty", "ignore_eos", "logprobs", "min_p", "min_tokens",
        "parallel_tool_calls", "presence_penalty", "skip_special_tokens", "stop_token_ids", "structured_outputs",
        "tool_choice", "top_k", "top_logprobs", *_GUIDED,
    }
)  # fmt: skip
#: arguments of the engine that decide where and how fast, not what
_RUNTIME = frozenset(
    {
        "block_size", "cpu_offload_gb", "data_parallel_size", "disable_custom_all_reduce", "disable_log_requests",
        "disable_log_stats", "distributed_executor_backend", "download_dir", "enable_chunked_prefill",
        "enable_prefix_caching", "enforce_eager", "gpu_memory_utilization", "kv_cache_memory_bytes",
        "max_num_batched_tokens", "max_num_seqs", "pipeline_parallel_size", "scheduling_policy", "swap_space",
        "tensor_parallel_size", "uvicorn_log_level",
    }
)  # fmt: skip
_OURS = frozenset({"host", "port", "model", "served_model_name", "api_key", "chat_template"})


class VLLM(ServedModel):
    """A model that vLLM serves, in a process of its own which ends with this one.

    Args:
        model_name: a name on the hub, a folder with a model or a LoRA adapter, or the output folder of a trainer.
        chat_prompt_template: `AUTO` takes the tokenizer's own. Else text with `{{prompt}}` (and `{{system_prompt}}`), a
            jinja template over `messages`, or None for plain prompts.
        system_prompt: `AUTO` leaves it to the chat template.
        revision: branch, tag or commit on the hub.
        trust_remote_code: run Python code that comes with the model. Read it first.
        device: `"cuda:1"`, `0`, or a list of devices, over which each layer is spread. None: vLLM's choice of one.
        dtype: `"bfloat16"`, `torch.float16`, … None: vLLM's choice.
        quantization: vLLM's name of a method, for example `"fp8"` or `"bitsandbytes"`. None: what the checkpoint says.
        swap_space: has no effect any more.
        cache_folder_path: see `LLM`.
        adapter_name: a LoRA adapter for the model: folder or hub name.
        python: the interpreter of the environment that has vLLM. None: this one, else the `vllm` command.
        environment: variables for the server.
        start_timeout: seconds until it must be ready.
        timeout: seconds for one answer.
        max_in_flight: most requests at once; vLLM batches them itself.
        **kwargs: arguments of vLLM's engine by their Python names, for example `max_model_len=4096` or
            `gpu_memory_utilization=0.8`; they become `--max-model-len 4096`.

    `run()` also takes vLLM's sampling parameters (`top_k`, `min_p`, `min_tokens`, …) and what an answer is decoded by:
    `response_format`, `guided_json`, `guided_regex`, `guided_choice`, `guided_grammar`, `structured_outputs`.

    Raises:
        MissingDependencyError: vLLM is not installed where it is looked for; from the first question.
        PermanentModelError: the server does not start, or ends; the message has the end of its log.
    """

    provider = "vllm"
    extra_parameters = _EXTRA
    dialect = DIALECT
    format = ChatFormat(structured_outputs=True)

    def __init__(
        self,
        model_name: str,
        chat_prompt_template: str | None = AUTO,
        system_prompt: str | None = AUTO,
        revision: str | None = None,
        trust_remote_code: bool = False,
        device: Any = None,
        dtype: Any = None,
        quantization: str | None = None,
        swap_space: int = 1,
        cache_folder_path: str | None = None,
        *,
        adapter_name: str | None = None,
        python: str | None = None,
        environment: Mapping[str, str] | None = None,
        start_timeout: float = 1800.0,
        timeout: float = 600.0,
        max_in_flight: int = 256,
        **kwargs: Any,
    ) -> None:
        super().__init__(cache_folder_path, start_timeout, timeout, environment)
        taken = sorted(_OURS & set(kwargs))
        if taken:
            raise InvalidArgumentError(f"VLLM sets '{taken[0]}' of its server itself: leave it out.")
        self.model_name = str(model_name)
        self.chat_prompt_template = (
            chat_prompt_template if chat_prompt_template == AUTO else checked(chat_prompt_template)
        )
        self.system_prompt = None if system_prompt == AUTO else system_prompt
        self.quantization = quantization
        self.devices = _devices(device)
        self.python = python
        self.engine_arguments = kwargs
        self.max_in_flight = max_in_flight
        self._hf = HFModel(
            self.model_name,
            needed_for=f"VLLM(model_name='{model_name}')",
            revision=revision,
            trust_remote_code=trust_remote_code,
            dtype=dtype,
            adapter_name=None if adapter_name is None else str(adapter_name),
        )

    # --- the server -------------------------------------------------------------------------------------------------

    def check(self) -> None:
        self._program()
        base, adapter = self._hf.checkpoints
        require_files(base, self._hf.needed_for)
        if adapter is not None:
            require_files(adapter, self._hf.needed_for, "adapter_config.json")

    def _program(self) -> list[str]:
        if self.python is not None:
            found = shutil.which(self.python)
            if found is None:
                raise InvalidArgumentError(
                    f"VLLM(python='{self.python}'): there is no such interpreter. Give the one of the environment that "
                    "has vLLM, for example '/path/to/venv/bin/python'."
                )
            return [found, "-m", "vllm.entrypoints.openai.api_server"]
        if find_spec("vllm") is not None:
            return [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
        command = shutil.which("vllm")
        if command is not None:
            return [command, "serve"]
        raise MissingDependencyError(
            f"{self.display_name} needs vLLM, which is not installed. Install it with: pip install vllm. It wants much "
            "of its environment, so it may have one of its own: VLLM(…, python='/path/to/venv/bin/python')."
        )

    def _command(self, port: int) -> Sequence[str]:
        base, adapter = self._hf.checkpoints
        program = self._program()
        model = [base.where] if program[-1] == "serve" else ["--model", base.where]
        words = [*program, *model, "--host", "127.0.0.1", "--port", str(port), "--served-model-name", self.public_name]
        given: dict[str, Any] = {
            "revision": base.commit,
            "dtype": None if self._hf.dtype is None else str(self._hf.dtype).removeprefix("torch."),
            "quantization": self.quantization,
            "tensor_parallel_size": len(self.devices) if self.devices and len(self.devices) > 1 else None,
            "trust_remote_code": True if self._hf.trust_remote_code else None,
        }
        if adapter is not None:
            settings = adapter.json_file("adapter_config.json") or {}
            given |= {"enable_lora": True, "max_lora_rank": _rank(int(settings.get("r", 16)))}
            words += ["--lora-modules", f"{self._asked_name}={adapter.where}"]
        template = self._template()
        if template is not None:
            given["chat_template"] = self._template_file(template)
        return [*words, *flags({**given, **self.engine_arguments})]

    def _template(self) -> str | None:
        """The chat template that the server is given; None: it has its own."""
        if self.chat_prompt_template != AUTO:
            return as_jinja(self.chat_prompt_template)
        base, adapter = self._hf.checkpoints
        for checkpoint in filter(None, (adapter, base)):
            if (checkpoint.json_file("tokenizer_config.json") or {}).get("chat_template") is not None:
                return None
            if checkpoint.folder is None or (checkpoint.folder / "chat_template.jinja").is_file():
                return None
        return as_jinja(None)  # the server refuses a conversation without any

    def _variables(self, key: str) -> Mapping[str, str]:
        seen = {} if self.devices is None else {"CUDA_VISIBLE_DEVICES": ",".join(self.devices)}
        return {"VLLM_API_KEY": key, "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", **seen}

    @property
    def _asked_name(self) -> str:
        return f"{self.public_name}+adapter" if self._hf.checkpoints[1] is not None else self.public_name

    def _sent(self, request: Request) -> Request:
        extra = dict(request.extra or {})
        guided = {ours: extra.pop(name) for name, ours in _GUIDED.items() if name in extra}
        if not guided:
            return request
        return replace(
            request, extra={**extra, "structured_outputs": {**extra.get("structured_outputs", {}), **guided}}
        )

    # --- identity and facts -----------------------------------------------------------------------------------------

    def spec(self) -> dict[str, Any]:
        spec = {
            **super().spec(),
            **self._hf.spec(),
            "provider": self.provider,
            "wire": self.wire_name,
            "chat_prompt_template": self.chat_prompt_template,
        }
        counted = {name: value for name, value in self.engine_arguments.items() if name not in _RUNTIME}
        if counted:
            spec["engine_arguments"] = counted
        if self.quantization is not None:
            spec["quantization"] = self.quantization
        return spec

    @property
    def public_name(self) -> str:
        """The model's name for others to read: of a folder, without its path."""
        return self._hf.public_name

    @property
    def display_name(self) -> str:
        return f"VLLM ({self.public_name})"

    @property
    def tokenizer(self) -> Any:
        """The transformers tokenizer, where transformers is installed. Loads it."""
        return self._hf.tokenizer

    def count_tokens(self, value: str) -> int:
        if find_spec("transformers") is None:
            return super().count_tokens(value)
        return len(self.tokenizer(value, add_special_tokens=False, verbose=False).input_ids) if value else 0

    def _context_length(self) -> int | None:
        given = self.engine_arguments.get("max_model_len")
        return int(given) if isinstance(given, int) else self._hf.context_length()

    @property
    def model_card(self) -> str | None:
        return self._hf.model_card()

    @property
    def license(self) -> str | None:
        return self._hf.license()

    @property
    def citation(self) -> list[str] | None:
        return [*(self._hf.citation() or []), _CITATION]


def _devices(device: Any) -> list[str] | None:
    """The numbers of CUDA devices, as text; [] for the CPU, None for vLLM's choice."""
    if device is None:
        return None
    found = []
    for one in device if isinstance(device, list | tuple) else [device]:
        name = str(one)
        if name == "cpu":
            continue
        number = name.removeprefix("cuda:") if name != "cuda" else "0"
        if not number.isdigit():
            raise InvalidArgumentError(f"VLLM(device={device!r}): a device is 'cuda:1', 1, 'cpu', or a list of them.")
        found.append(number)
    return found


def _rank(rank: int) -> int:
    """The next rank that vLLM has kernels for."""
    return next((known for known in (8, 16, 32, 64, 128, 256, 320, 512) if known >= rank), rank)


_CITATION = """@inproceedings{kwon2023efficient,
  title={Efficient Memory Management for Large Language Model Serving with PagedAttention},
  author={Woosuk Kwon and Zhuohan Li and Siyuan Zhuang and Ying Sheng and Lianmin Zheng and Cody Hao Yu and
    Joseph E. Gonzalez and Hao Zhang and Ion Stoica},
  booktitle={Proceedings of the ACM SIGOPS 29th Symposium on Operating Systems Principles},
  year={2023}
}"""
