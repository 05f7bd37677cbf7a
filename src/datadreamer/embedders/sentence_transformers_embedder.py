"""Embedding models of sentence-transformers, from the Hugging Face Hub or a folder, run in this process."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from .. import _lazy
from ..errors import DataDreamerError, InvalidArgumentError, PermanentModelError
from ..llms.local.hf_model import HFModel
from ..llms.local.quiet import quiet
from .embedder import Embedder

if TYPE_CHECKING:
    import numpy as np

_ON_ACCELERATOR = 128  # texts of a batch that keep a GPU busy
_UNBOUNDED = 1 << 30
_TOGETHER = 4096  # texts that are measured by one call of the tokenizer


class SentenceTransformersEmbedder(Embedder):
    """An embedding model of sentence-transformers. Vectors are normalised to length 1 unless asked otherwise.

    Args:
        model_name: a name on the hub (`"sentence-transformers/all-MiniLM-L6-v2"`, or `"all-MiniLM-L6-v2"` for short), a
            folder, or the output folder of a trainer.
        trust_remote_code: run Python code that comes with the model. Read it first.
        device: `"cpu"`, `"cuda:1"`, `0`, `"mps"`. None takes the best there is.
        dtype: `"bfloat16"`, `torch.float16`, … None is the checkpoint's own on a GPU and float32 on the CPU.
        cache_folder_path: see `Embedder`.
        **kwargs: passed to `SentenceTransformer`, for example `revision`, `truncate_dim`, `prompts`, `token`.

    `run()` also takes `normalize_embeddings` (True), `prompt_name` (a prompt that the model brings; not together with
    an instruction) and `truncate_dim`.
    """

    provider = "sentence-transformers"
    extra_parameters: ClassVar[frozenset[str]] = frozenset({"normalize_embeddings", "prompt_name", "truncate_dim"})

    def __init__(
        self,
        model_name: str,
        trust_remote_code: bool = False,
        device: Any = None,
        dtype: Any = None,
        cache_folder_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(model_name, cache_folder_path)
        self.trust_remote_code, self.device, self.dtype = trust_remote_code, device, dtype
        access = {"cache_dir": kwargs.pop("cache_folder", None), "token": kwargs.pop("token", None)}
        self._kwargs = {name: value for name, value in kwargs.items() if name != "revision"}
        self._needed_for = f"{type(self).__name__}(model_name='{model_name}')"
        self._hf = HFModel(
            _full_name(self.model_name),
            needed_for=self._needed_for,
            revision=kwargs.get("revision"),
            trust_remote_code=trust_remote_code,
            dtype=dtype,
            model_kwargs={**self._kwargs, **{name: value for name, value in access.items() if value is not None}},
        )
        self._live_clear()

    def _live_clear(self) -> None:
        self._live_model: Any = None
        self._live_lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_live_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._live_clear()

    # --- the model ------------------------------------------------------------------------------------------------

    @property
    def model(self) -> Any:
        """The `SentenceTransformer`. Loads it."""
        with self._live_lock:
            if self._live_model is None:
                self._live_model = self._load()
            return self._live_model

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer. Loads the model."""
        return self.model.tokenizer

    def _load(self) -> Any:
        from ..llms.local.devices import best_device, load_format

        sentence_transformers = _lazy.require("sentence_transformers", extra="embeddings", needed_for=self._needed_for)
        place = best_device(self.device)
        checkpoint, _ = self._hf.checkpoints
        options = dict(self._kwargs)
        # the older formats can carry code
        model_kwargs = {"use_safetensors": True, **(options.pop("model_kwargs", None) or {})}
        model_kwargs.setdefault("dtype", load_format(self.dtype, place))
        pinned = checkpoint.arguments
        try:
            with quiet():
                return sentence_transformers.SentenceTransformer(
                    checkpoint.where,
                    device=str(place),
                    trust_remote_code=self.trust_remote_code,
                    revision=pinned.get("revision"),
                    local_files_only=pinned.get("local_files_only", False),
                    cache_folder=pinned.get("cache_dir"),
                    token=pinned.get("token"),
                    model_kwargs=model_kwargs,
                    **options,
                ).eval()
        except DataDreamerError:
            raise
        except (OSError, ValueError, KeyError, ImportError) as error:
            said = " ".join(str(error).split())
            cure = " Only safetensors weights are loaded: convert it once." if "safetensors" in said else ""
            raise PermanentModelError(
                f"{self._needed_for}: '{self.model_name}' cannot be loaded. {said[:600]}{cure}"
            ) from error

    def check(self) -> None:
        for package, extra in (("torch", "hf"), ("transformers", "hf"), ("sentence_transformers", "embeddings")):
            _require_installed(package, extra, self._needed_for)
        checkpoint, _ = self._hf.checkpoints
        folder = checkpoint.folder
        if folder is not None and not any((folder / name).is_file() for name in ("modules.json", "config.json")):
            listing = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
            raise InvalidArgumentError(
                f"{self._needed_for}: folder '{self.model_name}' holds no model of sentence-transformers, which has a "
                f"modules.json or config.json (it holds {listing})."
            )

    def unload_model(self) -> None:
        from ..llms.local.batching import free_memory

        with self._live_lock:
            loaded, self._live_model = self._live_model is not None, None
        if loaded:
            free_memory()

    # --- embedding ------------------------------------------------------------------------------------------------

    def _embed_batch(
        self, texts: list[str], truncate: bool, instruction: str | None, parameters: Mapping[str, Any]
    ) -> np.ndarray:
        with quiet():
            found: np.ndarray = self.model.encode(
                texts,
                prompt=instruction,
                batch_size=len(texts),
                show_progress_bar=False,
                convert_to_numpy=True,
                **{"normalize_embeddings": True, **parameters},
            )
        return found

    def _rows_at_once(self, batch_size: int, adaptive: bool) -> int:
        if not adaptive:
            return batch_size
        from ..llms.local.devices import best_device

        return batch_size if best_device(self.device).type == "cpu" else max(batch_size, _ON_ACCELERATOR)

    @property
    def model_max_length(self) -> int:
        """Most tokens of a text, special tokens and instruction included."""
        length = self.model.max_seq_length
        return int(length) if length is not None and length < _UNBOUNDED else _UNBOUNDED

    @property
    def dims(self) -> int:
        """Numbers in a vector. Loads the model."""
        model = self.model
        named = getattr(model, "get_embedding_dimension", None) or model.get_sentence_embedding_dimension
        return int(named())

    def count_tokens(self, value: str) -> int:
        return self._lengths([value], special=False)[0] if value else 0

    def final_count_tokens(self, value: str) -> int:
        return self._lengths([value], special=True)[0]

    def _count_many(self, texts: list[str], instruction: str | None) -> list[int]:
        found: list[int] = []
        for start in range(0, len(texts), _TOGETHER):
            part = texts[start : start + _TOGETHER]
            found += self._lengths([instruction + text for text in part] if instruction else part, special=True)
        return found

    def _lengths(self, texts: list[str], special: bool) -> list[int]:
        tokenizer = self.tokenizer
        with self._live_lock:
            if hasattr(tokenizer, "encode_batch"):  # a bare tokenizer, of models that are a table of vectors
                tokenizer.no_truncation()
                return [len(found.ids) for found in tokenizer.encode_batch(texts, add_special_tokens=special)]
            if callable(tokenizer):
                encoded = tokenizer(
                    texts,
                    add_special_tokens=special,
                    truncation=False,
                    padding=False,
                    return_attention_mask=False,
                    return_token_type_ids=False,
                    verbose=False,
                )
                return [len(ids) for ids in encoded["input_ids"]]
            return [len(tokenizer.tokenize(text)) for text in texts]

    # --- what counts, and what is known -----------------------------------------------------------------------------

    def spec(self) -> dict[str, Any]:
        return {"kind": "sentence-transformers", "version": self.version, **self._hf.spec(), **self._own_code()}

    def _own_code(self) -> dict[str, str]:
        from ..llms.own_models import code_of

        return code_of(type(self))

    @property
    def public_name(self) -> str:
        return self._hf.public_name

    @property
    def served_name(self) -> str:
        return self._hf.served_name

    @property
    def model_card(self) -> str | None:
        return self._hf.model_card()

    @property
    def license(self) -> str | None:
        return self._hf.license()

    @property
    def citation(self) -> list[str] | None:
        return [SENTENCE_BERT, *(self._hf.citation() or [])]


SENTENCE_BERT = """@inproceedings{reimers2019sentence,
  title={Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks},
  author={Reimers, Nils and Gurevych, Iryna},
  booktitle={Proceedings of the 2019 Conference on Empirical Methods in Natural Language Processing},
  year={2019}
}"""


def _full_name(name: str) -> str:
    """What sentence-transformers takes a bare name for: a model of its own organisation on the hub."""
    from pathlib import Path

    own = ("all-", "multi-qa-", "paraphrase-", "distiluse-", "msmarco-", "gtr-", "sentence-t5-", "stsb-", "nli-",
           "LaBSE", "clip-", "quora-", "facebook-dpr-", "static-")  # fmt: skip
    bare = "/" not in name and not Path(name).exists() and name.startswith(own)
    return f"sentence-transformers/{name}" if bare else name


def _require_installed(package: str, extra: str, needed_for: str) -> None:
    from importlib.util import find_spec

    if find_spec(package) is None:
        _lazy.require(package, extra=extra, needed_for=needed_for)
