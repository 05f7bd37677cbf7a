"""One model of the Hugging Face libraries: found, identified, loaded when first needed, let go when asked."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from ... import _context, _lazy
from ...errors import InvalidArgumentError
from . import about, contents, loading
from .batching import BatchSize, free_memory, may_adapt
from .checkpoint import Checkpoint, locate, require_files
from .devices import number_format

# arguments of `from_pretrained` that decide where and how fast, not what
_RUNTIME_ARGUMENTS = frozenset(
    ("max_memory", "offload_folder", "offload_buffers", "offload_state_dict", "low_cpu_mem_usage")
)
# those that say how the hub is read
_ACCESS_ARGUMENTS = frozenset(("token", "cache_dir", "force_download"))
_UNBOUNDED = 1 << 30  # tokenizers without a limit say 1e30


class HFModel:
    """The model behind `HFTransformers` and the task models: everything about it except what is asked of it.

    Nothing is read before it is needed: a run whose answers are all remembered imports neither torch nor transformers.
    """

    def __init__(
        self,
        model_name: str,
        *,
        needed_for: str,
        auto_class: str | None = None,
        revision: str | None = None,
        trust_remote_code: bool = False,
        device: Any = None,
        device_map: Any = None,
        dtype: Any = None,
        quantization_config: Any = None,
        adapter_name: str | None = None,
        adapter_kwargs: Mapping[str, Any] | None = None,
        model_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        self.model_name = model_name
        self.needed_for = needed_for
        self.auto_class = auto_class
        self.revision = revision
        self.trust_remote_code = trust_remote_code
        self.device = device
        self.device_map = device_map
        self.dtype = dtype
        self.quantization_config = quantization_config
        self.adapter_name = adapter_name
        self.adapter_kwargs = dict(adapter_kwargs or {})
        self.model_kwargs = {key: value for key, value in (model_kwargs or {}).items() if key not in _ACCESS_ARGUMENTS}
        self.access = {key: value for key, value in (model_kwargs or {}).items() if key in _ACCESS_ARGUMENTS}
        self._live_clear()

    def _live_clear(self) -> None:
        self._live_lock = threading.RLock()
        self._live_found: tuple[Checkpoint, Checkpoint | None] | None = None
        self._live_identity: dict[str, Any] | None = None
        self._live_model: Any = None
        self._live_tokenizer: Any = None
        self._live_batch_size = BatchSize(1)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_live_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._live_clear()

    # --- where --------------------------------------------------------------------------------------------------------

    @property
    def checkpoints(self) -> tuple[Checkpoint, Checkpoint | None]:
        """The model's files and the adapter's, if there is one. Found once."""
        with self._live_lock:
            if self._live_found is None:
                self._live_found = self._find()
            return self._live_found

    def _find(self) -> tuple[Checkpoint, Checkpoint | None]:
        found = locate(self.model_name, self.revision, self.needed_for, self.access)
        base, adapter = loading.base_of(found, self.needed_for)
        if self.adapter_name is not None:
            if adapter is not None:
                raise InvalidArgumentError(
                    f"{self.needed_for}: model_name '{self.model_name}' is an adapter itself, so adapter_name "
                    f"'{self.adapter_name}' cannot go on top of it. Give the base model as model_name."
                )
            revision = self.adapter_kwargs.get("revision")
            adapter = locate(self.adapter_name, revision, self.needed_for, self.access)
        if self.trust_remote_code and base.folder is None and base.commit is None:
            raise InvalidArgumentError(
                f"{self.needed_for}: trust_remote_code=True runs code from '{self.model_name}', whose commit cannot be "
                "resolved now. Pass revision=<commit>, or download the model first."
            )
        return base, adapter

    def check(self) -> None:
        """Raise if the model cannot possibly be loaded: packages, folder, name, adapter."""
        for package in ("torch", "transformers"):
            _require_installed(package, self.needed_for)
        number = self.dtype
        if isinstance(number, str):
            _known_number_format(number)
        base, adapter = self.checkpoints
        require_files(base, self.needed_for)
        if adapter is not None:
            _require_installed("peft", f"{self.needed_for} with an adapter")
            require_files(adapter, self.needed_for, "adapter_config.json")

    # --- what ---------------------------------------------------------------------------------------------------------

    def spec(self) -> dict[str, Any]:
        """Identity of the model: plain data, without folder, device and batch size."""
        with self._live_lock:
            if self._live_identity is None:
                digests = _file_digests()
                base, adapter = self.checkpoints
                self._live_identity = {
                    "provider": "transformers",
                    **contents.identity(base, digests),
                    "adapter": None if adapter is None else contents.identity(adapter, digests),
                }
        spec = dict(self._live_identity)
        if self.dtype is not None:
            spec["dtype"] = str(self.dtype).removeprefix("torch.")
        if self.quantization_config is not None:
            spec["quantization"] = _plain(self.quantization_config)
        for name, given in (("adapter_arguments", self.adapter_kwargs), ("model_arguments", self.model_kwargs)):
            counted = {key: _plain(value) for key, value in given.items() if key not in _RUNTIME_ARGUMENTS}
            if counted:
                spec[name] = counted
        if self.trust_remote_code:
            spec["trust_remote_code"] = True
        return spec

    def config(self) -> dict[str, Any]:
        """The model's `config.json`; {} if it cannot be read."""
        base, _ = self.checkpoints
        return base.json_file("config.json") or {}

    def context_length(self) -> int | None:
        """Tokens the model was made for, by its config, else its tokenizer; None if neither says."""
        config = self.config()
        nested = config.get("text_config") or config.get("decoder") or {}
        names = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length", "seq_length")
        for source in (config, nested):
            for name in names:
                if isinstance(source.get(name), int) and source[name] > 0:
                    return source[name]
        return self.tokenizer_length()

    def tokenizer_length(self) -> int | None:
        """The tokenizer's `model_max_length`; None if it has no limit."""
        length = self.tokenizer.model_max_length
        return int(length) if length is not None and length < _UNBOUNDED else None

    # --- loaded -------------------------------------------------------------------------------------------------------

    @property
    def tokenizer(self) -> Any:
        """The transformers tokenizer, loaded at first use."""
        with self._live_lock:
            if self._live_tokenizer is None:
                base, adapter = self.checkpoints
                require_files(base, self.needed_for)
                self._live_tokenizer = loading.load_tokenizer(base, adapter, self.trust_remote_code, self.needed_for)
            return self._live_tokenizer

    @property
    def model(self) -> Any:
        """The transformers (or PEFT) model, loaded at first use."""
        with self._live_lock:
            if self._live_model is None:
                base, adapter = self.checkpoints
                self._live_model = loading.load_model(
                    base,
                    adapter,
                    auto_class=self.auto_class,
                    trust_remote_code=self.trust_remote_code,
                    device=self.device,
                    device_map=self.device_map,
                    dtype=self.dtype,
                    quantization_config=self.quantization_config,
                    adapter_kwargs={key: value for key, value in self.adapter_kwargs.items() if key != "revision"},
                    model_kwargs=self.model_kwargs,
                    needed_for=self.needed_for,
                )
            return self._live_model

    def batch_size(self, rows: int) -> BatchSize:
        """How many of `rows` rows to try at once: what was learnt about the memory stays with the model."""
        self._live_batch_size.largest = rows
        self._live_batch_size.adaptive = may_adapt()
        return self._live_batch_size

    def unload(self) -> None:
        """Free the memory; the next use loads again."""
        with self._live_lock:
            loaded, self._live_model = self._live_model is not None, None
            self._live_tokenizer = None
        if loaded:
            free_memory()

    # --- about --------------------------------------------------------------------------------------------------------

    @property
    def public_name(self) -> str:
        """The name for others to read: a folder goes by its own name, because its path is this machine's business."""
        path = Path(self.model_name)
        if not path.is_absolute() and not path.expanduser().is_dir():
            return self.model_name
        path = path.expanduser().resolve()
        return path.parent.name if path.name == "_model" else path.name

    @property
    def served_name(self) -> str:
        """What answers, exactly: the commit or the content, shortened; the same wherever a folder lies."""
        spec = self.spec()
        parts = [_short(spec), *([] if spec["adapter"] is None else [_short(spec["adapter"])])]
        return " + ".join(parts)

    def model_card(self) -> str | None:
        """URL of the card, of the adapter if there is one."""
        return self._first(about.model_card)

    def license(self) -> str | None:
        """Licence by the card."""
        return self._first(about.license_of)

    def citation(self) -> list[str] | None:
        """BibTeX entries of the model and its adapter."""
        found = [entry for checkpoint in self._known() for entry in about.citations(checkpoint) or []]
        return list(dict.fromkeys(found)) or None

    def _first(self, read: Any) -> Any:
        return next((found for checkpoint in self._known() if (found := read(checkpoint))), None)

    def _known(self) -> list[Checkpoint]:
        try:
            base, adapter = self.checkpoints
        except Exception:  # a model that is not there has no card either; using it says what is wrong
            return []
        return [base] if adapter is None else [adapter, base]


def _short(identity: Mapping[str, Any]) -> str:
    if "digest" in identity:
        return str(identity["digest"])[:19]  # "sha256:" and twelve digits
    return f"{identity['model']}@{str(identity['revision'] or 'main')[:12]}"


def _file_digests() -> Any:
    """Content digests of files, remembered by the running step's ledger where there is one."""
    from ...ledger import FileDigests

    scope = _context.scope()
    return FileDigests(scope.ledger if scope is not None else None)


def _require_installed(package: str, needed_for: str) -> None:
    from importlib.util import find_spec

    if find_spec(package) is None:
        _lazy.require(package, extra="hf", needed_for=needed_for)


def _known_number_format(name: str) -> None:
    if name not in ("auto", "float32", "float16", "bfloat16", "float64", "half", "float"):
        number_format(name)


def _plain(value: Any) -> Any:
    """Settings of other libraries as plain data."""
    if hasattr(value, "to_dict"):
        return _plain(value.to_dict())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(_plain, value), key=str)
    if isinstance(value, Enum):
        return _plain(value.value)
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if type(value).__module__ == "torch":
        return str(value)
    return value  # the canonical encoding knows it, or says that it does not
