"""llama.cpp: models in GGUF files, behind its own server, started and ended by us."""

from __future__ import annotations

import fnmatch
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from .. import _context, _lazy
from ..errors import InvalidArgumentError, MissingDependencyError
from .local.checkpoint import HUB_TIMEOUT, Checkpoint, locate
from .local.templates import AUTO, checked
from .local_server.model import ServedModel, as_jinja, flags
from .providers.base import explain
from .structured.dialects import ANY
from .types import Request

_EXTRA = frozenset(
    {
        "chat_template_kwargs", "extra_body", "frequency_penalty", "grammar", "logprobs", "min_p", "mirostat",
        "parallel_tool_calls", "presence_penalty", "tool_choice", "top_k", "top_logprobs", "typical_p",
    }
)  # fmt: skip
#: arguments of the server that decide where and how fast, not what
_RUNTIME = frozenset(
    {
        "batch_size", "cache_reuse", "cont_batching", "flash_attn", "log_file", "main_gpu", "mlock", "n_batch",
        "no_mmap", "n_threads_batch", "numa", "split_mode", "tensor_split", "threads_batch", "threads_http",
        "ubatch_size", "use_mlock", "use_mmap", "verbose",
    }
)  # fmt: skip
_OURS = frozenset({"host", "port", "model", "api_key", "chat_template", "chat_template_file"})
SERVER, BINDING = "llama-server", "llama_cpp.server"


class LlamaCpp(ServedModel):
    """A model in a GGUF file, in a process of llama.cpp's own server which ends with this one.

    The server is `llama-server` of llama.cpp, or, where that is not installed, the one of llama-cpp-python
    (`pip install "llama-cpp-python[server]"`).

    Args:
        model_name: a GGUF file; a folder, or a repository of the hub (`"org/model-GGUF"`), with such files.
        model_file: which of the files there: its name, or a pattern such as `"*Q4_K_M.gguf"`. None: the only one.
        max_context_length: tokens of prompt and answer together. None: what the model was made for.
        chat_prompt_template: `AUTO` takes the one in the file. Else text with `{{prompt}}` (and `{{system_prompt}}`), a
            jinja template over `messages`, or None for plain prompts.
        system_prompt: `AUTO` leaves it to the chat template.
        revision: branch, tag or commit on the hub.
        threads: of the CPU. None: llama.cpp's choice.
        gpu_layers: layers that go to the GPU; -1 is all of them.
        cache_folder_path: see `LLM`.
        adapter_name: a LoRA adapter, as a GGUF file.
        executable: the server: a path to `llama-server`, or to a Python interpreter that has llama-cpp-python. None:
            `llama-server` on the path, else this interpreter.
        parallel: requests that are answered at once; each has the whole context. (llama-cpp-python: 1.)
        environment: variables for the server.
        start_timeout: seconds until it must be ready.
        timeout: seconds for one answer.
        **kwargs: further arguments of the server, for example `flash_attn="on"`.

    `run()` also takes `top_k`, `min_p`, `grammar` (GBNF), `response_format` (a JSON schema) and other parameters of
    llama.cpp; `repetition_penalty` is its `repeat_penalty`.

    Raises:
        MissingDependencyError: there is no such server; from the first question.
        InvalidArgumentError: there is no such file, or there are several.
        PermanentModelError: the server does not start, or ends; the message has the end of its log.
    """

    provider = "llama.cpp"
    extra_parameters = _EXTRA
    dialect = ANY

    def __init__(
        self,
        model_name: str,
        model_file: str | None = None,
        max_context_length: int | None = None,
        chat_prompt_template: str | None = AUTO,
        system_prompt: str | None = AUTO,
        revision: str | None = None,
        threads: int | None = None,
        gpu_layers: int = 0,
        cache_folder_path: str | None = None,
        *,
        adapter_name: str | None = None,
        executable: str | None = None,
        parallel: int = 4,
        environment: Mapping[str, str] | None = None,
        start_timeout: float = 600.0,
        timeout: float = 600.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(cache_folder_path, start_timeout, timeout, environment)
        taken = sorted(_OURS & set(kwargs))
        if taken:
            raise InvalidArgumentError(f"{type(self).__name__} sets '{taken[0]}' of its server itself: leave it out.")
        self.model_name = os.fspath(model_name)
        self.model_file = model_file
        self.max_context_length = max_context_length
        self.chat_prompt_template = (
            chat_prompt_template if chat_prompt_template == AUTO else checked(chat_prompt_template)
        )
        self.system_prompt = None if system_prompt == AUTO else system_prompt
        self.revision = revision
        self.threads = threads
        self.gpu_layers = gpu_layers
        self.adapter_name = None if adapter_name is None else os.fspath(adapter_name)
        self.executable = executable
        self.server_arguments = kwargs
        self.max_in_flight = parallel

    def _live_clear(self) -> None:
        super()._live_clear()
        self._live_identity: dict[str, Any] | None = None

    # --- the file ---------------------------------------------------------------------------------------------------

    @property
    def _needed_for(self) -> str:
        return f"{type(self).__name__}(model_name='{self.model_name}')"

    def _local_file(self) -> Path | None:
        """The GGUF file, where it is on this machine under the name that was given."""
        path = Path(self.model_name).expanduser()
        if path.is_file():
            return path
        if not path.is_dir():
            return None
        names = [one.name for one in path.iterdir() if one.suffix == ".gguf"]
        return path / self._chosen(names)

    def _chosen(self, names: Sequence[str]) -> str:
        fit = sorted(name for name in names if fnmatch.fnmatch(name, self.model_file or "*.gguf"))
        if len(fit) == 1:
            return fit[0]
        listing = ", ".join(sorted(names)[:8]) or "none"
        problem = "has no such GGUF file" if not fit else "has several GGUF files"
        raise InvalidArgumentError(f"{self._needed_for} {problem}. Choose with model_file=…: {listing}.")

    def _on_hub(self) -> Checkpoint:
        return locate(self.model_name, self.revision, self._needed_for)

    def _file(self) -> Path:
        """The GGUF file, fetched if need be."""
        found = self._local_file()
        if found is not None:
            return found
        hub = _lazy.require("huggingface_hub", extra="hf", needed_for=self._needed_for)
        where = self._on_hub()
        name = self.model_file
        if name is None or "*" in name:
            names = hub.HfApi().list_repo_files(where.repository, revision=where.commit)
            name = self._chosen([one for one in names if one.endswith(".gguf")])
        return Path(hub.hf_hub_download(where.repository, name, revision=where.commit, etag_timeout=HUB_TIMEOUT))

    def spec(self) -> dict[str, Any]:
        spec = {
            **super().spec(),
            **self._identity(),
            "provider": self.provider,
            "wire": self.wire_name,
            "chat_prompt_template": self.chat_prompt_template,
        }
        if self.max_context_length is not None:
            spec["max_context_length"] = self.max_context_length
        counted = {name: value for name, value in self.server_arguments.items() if name not in _RUNTIME}
        if counted:
            spec["server_arguments"] = counted
        return {**spec, "kind": f"{LlamaCpp.__module__}.{LlamaCpp.__qualname__}"}

    def _identity(self) -> dict[str, Any]:
        if self._live_identity is None:
            from ..ledger import FileDigests

            scope = _context.scope()
            digests = FileDigests(scope.ledger if scope is not None else None)
            found = self._local_file()
            if found is not None:
                identity: dict[str, Any] = {"digest": digests.digest(found).digest}
            else:
                where = self._on_hub()
                identity = {"model": where.repository, "revision": where.commit, "file": self.model_file}
            if self.adapter_name is not None:
                identity["adapter"] = {"digest": digests.digest(Path(self.adapter_name).expanduser()).digest}
            self._live_identity = identity
        return dict(self._live_identity)

    # --- the server -------------------------------------------------------------------------------------------------

    def check(self) -> None:
        self._program()
        self._local_file()
        if self.adapter_name is not None and not Path(self.adapter_name).expanduser().is_file():
            raise InvalidArgumentError(f"{self._needed_for}: adapter_name '{self.adapter_name}' is no file.")

    def _program(self) -> list[str]:
        """The words that start the server: one for `llama-server`, three for llama-cpp-python's."""
        if self.executable is not None:
            found = shutil.which(self.executable)
            if found is None:
                raise InvalidArgumentError(f"{self._needed_for}: there is no executable '{self.executable}'.")
            return [found, "-m", BINDING] if "python" in Path(found).name else [found]
        found = shutil.which(SERVER)
        if found is not None:
            return [found]
        if find_spec("llama_cpp") is not None:
            return [sys.executable, "-m", BINDING]
        raise MissingDependencyError(
            f"{self._needed_for} needs a server of llama.cpp: neither {SERVER} nor llama-cpp-python is installed. "
            'Install one (pip install "llama-cpp-python[server]"), or name it with executable=….'
        )

    def _command(self, port: int) -> Sequence[str]:
        program, kwargs = self._program(), self.server_arguments
        where = ["--host", "127.0.0.1", "--port", str(port)]
        words = [*program, "--model", str(self._file()), *where]
        if program[-1] == BINDING:
            given = {
                "model_alias": self.public_name,
                "n_ctx": self.max_context_length or 0,
                "n_threads": self.threads,
                "n_gpu_layers": self.gpu_layers,
                "lora_path": self.adapter_name,
            }
            if self.chat_prompt_template != AUTO:
                raise InvalidArgumentError(
                    f"{self._needed_for}: the server of llama-cpp-python takes no chat_prompt_template; {SERVER} does."
                )
            more = {name: str(value).lower() if isinstance(value, bool) else value for name, value in kwargs.items()}
            return [*words, *flags({**given, **more}, spelt=str)]
        slots = self.max_in_flight
        given = {
            "alias": self.public_name,
            "ctx_size": None if self.max_context_length is None else self.max_context_length * slots,
            "threads": self.threads,
            "n_gpu_layers": 999 if self.gpu_layers < 0 else self.gpu_layers,
            "parallel": slots,
            "lora": self.adapter_name,
            "jinja": True,
        }
        if self.chat_prompt_template != AUTO:
            given["chat_template_file"] = self._template_file(as_jinja(self.chat_prompt_template))
        return [*words, *flags({**given, **kwargs})]

    def _variables(self, key: str) -> Mapping[str, str]:
        return {"LLAMA_API_KEY": key}

    @property
    def _asked_name(self) -> str:
        return self.public_name

    def _sent(self, request: Request) -> Request:
        extra = dict(request.extra or {})
        if request.repetition_penalty is not None:
            body = {**extra.get("extra_body", {}), "repeat_penalty": request.repetition_penalty}
            request = replace(request, repetition_penalty=None, extra={**extra, "extra_body": body})
        return request

    # --- about ------------------------------------------------------------------------------------------------------

    @property
    def public_name(self) -> str:
        """The model's name for others to read: of a file, without its path."""
        path = Path(self.model_name)
        return path.name if path.exists() else self.model_name

    @property
    def display_name(self) -> str:
        return f"{type(self).__name__} ({self.public_name})"

    def _context_length(self) -> int | None:
        return self.max_context_length

    @property
    def model_card(self) -> str | None:
        return None if Path(self.model_name).exists() else f"https://huggingface.co/{self.model_name}"


class CTransformers(LlamaCpp):
    """The old name of `LlamaCpp`, with the arguments that it had: its library ended in 2023.

    Args:
        model_name: see `LlamaCpp`.
        model_type: has no effect any more: the file says it.
        model_file: see `LlamaCpp`; so for the others.
    """

    def __init__(
        self,
        model_name: str,
        model_type: str | None = None,
        model_file: str | None = None,
        max_context_length: int | None = None,
        chat_prompt_template: str | None = AUTO,
        system_prompt: str | None = AUTO,
        revision: str | None = None,
        threads: int | None = None,
        gpu_layers: int = 0,
        cache_folder_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        explain(self, {"model_type": (model_type, None)}, "llama.cpp reads it from the file.")
        super().__init__(
            model_name,
            model_file,
            max_context_length,
            chat_prompt_template,
            system_prompt,
            revision,
            threads,
            gpu_layers,
            cache_folder_path,
            **kwargs,
        )
