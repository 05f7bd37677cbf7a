"""What the trainers of Hugging Face models share: their constructor, their plan, and the model that comes out."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _context, _lazy
from ..errors import InvalidArgumentError
from ..llms.local.templates import AUTO, checked
from .arguments import Options, sort_options
from .configs import adapter_settings, device_name, number_format, plain, quantization_settings
from .plan import TrainingPlan
from .trainer import Trainer

if TYPE_CHECKING:
    from ..llms.local.hf_model import HFModel

# Arguments of `from_pretrained` that say where files come from or lie, and how fast, never what the model is.
_PLACES = frozenset(("cache_dir", "force_download", "local_files_only", "max_memory", "offload_folder", "proxies"))
_REFUSED = {
    "device_map": "A trainer trains on one device: use device=",
    "state_dict": "Save the weights in a folder and give that as model_name",
    "config": "Change config.json in a folder and give that as model_name",
    "dtype": "Use the trainer's dtype=",
    "torch_dtype": "Use the trainer's dtype=",
    "use_safetensors": "Weights are always read as safetensors",
    "load_in_4bit": "Use quantization_config=BitsAndBytesConfig(load_in_4bit=True)",
    "load_in_8bit": "Use quantization_config=BitsAndBytesConfig(load_in_8bit=True)",
}


class _TrainHFBase(Trainer):
    """A trainer of a transformers model.

    Args:
        name: what the trainer is called.
        model_name: a folder, or a name on the Hugging Face Hub, of the model to start from.
        chat_prompt_template: how an input becomes a prompt. AUTO: the model's own chat template, if it has one. A text
            with `{{prompt}}`, or a Jinja chat template: that one. None: the input as it is.
        system_prompt: a system message before each input. AUTO: none of ours; the template may bring its own.
        revision: branch, tag or commit on the Hub.
        trust_remote_code: run code that comes with the model.
        device: `"cpu"`, `"cuda:1"`, …; None for the best there is. Never counts.
        dtype: number format of the weights while training; None: float32.
        quantization_config: load the base model quantised (then `peft_config` is needed).
        peft_config: train an adapter instead of all weights: a `peft.LoraConfig`, or a dict of its arguments.
        distributed_config, fsdp, fsdp_config: not supported; anything but AUTO or None is refused.
        force, verbose, log_level: as for every trainer.
        **kwargs: further arguments of `from_pretrained`.

    Raises:
        InvalidArgumentError, InvalidTypeError: an argument cannot be used.
    """

    def __init__(
        self,
        name: str,
        model_name: str,
        chat_prompt_template: str | None = AUTO,
        system_prompt: str | None = AUTO,
        revision: str | None = None,
        trust_remote_code: bool = False,
        device: Any = None,
        dtype: Any = None,
        quantization_config: Any = None,
        peft_config: Any = None,
        distributed_config: Any = AUTO,
        fsdp: Any = AUTO,
        fsdp_config: Any = AUTO,
        force: bool = False,
        verbose: bool | None = None,
        log_level: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, force=force, verbose=verbose, log_level=log_level)
        several = {"distributed_config": distributed_config, "fsdp": fsdp, "fsdp_config": fsdp_config}
        _refuse(self.who, several, kwargs)
        self.model_name = model_name
        self.chat_prompt_template = (
            chat_prompt_template if chat_prompt_template == AUTO else checked(chat_prompt_template)
        )
        self.system_prompt = None if system_prompt == AUTO else system_prompt
        self.revision = revision
        self.trust_remote_code = trust_remote_code
        self.device = device_name(device)
        self.dtype = number_format(dtype)
        self.quantization_config = quantization_settings(quantization_config)
        self.peft_config = adapter_settings(peft_config)
        if self.quantization_config is not None and self.peft_config is None:
            raise InvalidArgumentError(
                f"{self.who}: quantised weights cannot be trained themselves. Give peft_config=LoraConfig(...) too, or "
                "leave out quantization_config."
            )
        self.model_kwargs = kwargs
        self._trained_model: HFModel | None = None
        self._base_model: HFModel | None = None

    # --- the plan -----------------------------------------------------------------------------------------------------

    auto_class: str | None = None  # name of the transformers class; None: causal or encoder-decoder, by the config

    @property
    def auto_cls(self) -> Any:
        """The transformers class that loads the model."""
        transformers = _lazy.require("transformers", extra="train", needed_for=self.who)
        if self.auto_class is not None:
            return getattr(transformers, self.auto_class)
        seq2seq = self._base.config().get("is_encoder_decoder", False)
        return transformers.AutoModelForSeq2SeqLM if seq2seq else transformers.AutoModelForCausalLM

    @property
    def _base(self) -> HFModel:
        """The model to start from; nothing is read before it is asked for."""
        if self._base_model is None:
            from ..llms.local.hf_model import HFModel

            self._base_model = HFModel(
                self.model_name,
                needed_for=self.who,
                auto_class=self.auto_class,
                revision=self.revision,
                trust_remote_code=self.trust_remote_code,
            )
        return self._base_model

    def _check_model(self) -> None:
        """Raise if the base model cannot possibly be trained: packages, folder, name."""
        if find_spec("accelerate") is None:
            _lazy.require("accelerate", extra="train", needed_for=self.who)
        if self.peft_config is not None and find_spec("peft") is None:
            _lazy.require("peft", extra="train", needed_for=f"{self.who} with peft_config")
        self._base.check()
        if self._base.checkpoints[1] is not None:
            raise InvalidArgumentError(
                f"{self.who}: '{self.model_name}' is an adapter, and training starts from a whole model. Write one "
                "with export_to_disk() of the trainer that made it, and give that folder as model_name."
            )

    def _plan(
        self,
        kind: str,
        columns: dict[str, Any],
        cells: dict[str, str],
        common: Mapping[str, Any],
        extra: Mapping[str, Any],
        **settings: Any,
    ) -> TrainingPlan:
        """A plan of checked columns and of options that are checked here."""
        validation = any(name.startswith("validation_") for name in columns)
        options = sort_options(self.who, common, extra, validation)
        self._check_model()
        base, _ = self._base.checkpoints
        places = {name: plain(value, name) for name, value in self.model_kwargs.items() if name in _PLACES}
        token = self.model_kwargs.get("token")
        return TrainingPlan(
            kind=kind,
            settings={**self._settings(options), **settings},
            runtime={
                "device": self.device,
                "arguments": options.runtime,
                "load": {**places, **base.arguments},
                "revision": base.commit,
            },
            model_spec=self._identity(),
            model_source=base.where,
            columns=columns,
            cells=cells,
            trainer_version=self.version,
            callables=options.callables,
            secrets={"HF_TOKEN": token} if isinstance(token, str) else {},
        )

    def _settings(self, options: Options) -> dict[str, Any]:
        counted = {name: v for name, v in self.model_kwargs.items() if name not in _PLACES and name != "token"}
        settings = {
            "arguments": options.arguments,
            "early_stopping": options.early_stopping,
            "dtype": self.dtype,
            "model_kwargs": plain(counted, "model_kwargs"),
            "peft_config": self.peft_config,
            "quantization_config": self.quantization_config,
        }
        return {**settings, "trust_remote_code": True} if self.trust_remote_code else settings

    def _identity(self) -> dict[str, Any]:
        """What counts of the base model; digests of its files are remembered by the session."""
        scope = _context.StepScope(self.name, "", getattr(_context.session(), "ledger", None))
        with _context.running(scope):
            spec: dict[str, Any] = self._base.spec()
        return spec

    # --- what came out ------------------------------------------------------------------------------------------------

    @property
    def _result_model(self) -> HFModel:
        path = self.model_path
        if self._trained_model is None:
            from ..llms.local.hf_model import HFModel

            self._trained_model = HFModel(
                path,
                needed_for=self.who,
                auto_class=self.auto_class,
                trust_remote_code=self.trust_remote_code,
                device=self.device,
                dtype=self.dtype,
            )
        return self._trained_model

    @property
    def model(self) -> Any:
        """The trained transformers (or PEFT) model, loaded at first use."""
        return self._result_model.model

    @property
    def tokenizer(self) -> Any:
        """The tokenizer: the trained model's, or before training the base model's."""
        return (self._base if self.result is None else self._result_model).tokenizer

    def unload_model(self) -> None:
        """Free the memory of `model`; it is loaded again when needed."""
        for model in (self._base_model, self._trained_model):
            if model is not None:
                model.unload()

    def export_to_disk(self, path: str | Path, adapter_only: bool = False) -> str:
        """Write the trained model to a folder of its own, which `from_pretrained` loads.

        Args:
            path: the folder; an earlier export there is replaced, anything else in it is refused.
            adapter_only: keep an adapter as it is. Otherwise it is merged into its base model.

        Returns:
            The path.

        Raises:
            InvalidArgumentError: the folder holds something else, or `adapter_only` and all weights were trained.
            TrainingError: there is no trained model.
        """
        from .exporting import export_model

        return export_model(self, Path(path), adapter_only)

    def publish_to_hf_hub(
        self,
        repo_id: str,
        branch: str | None = None,
        private: bool = False,
        token: str | None = None,
        adapter_only: bool = False,
        is_synthetic: bool = True,
        **kwargs: Any,
    ) -> str:
        """Publish the trained model, with its card, on the Hugging Face Hub.

        Args:
            repo_id: `"user/name"`; made if need be.
            branch: the branch to publish on; made if need be. None: main.
            private: whether a repository that is made is private.
            token: None takes that of the environment (`HF_TOKEN`) or of `hf auth login`.
            adapter_only: publish an adapter as it is instead of merging it.
            is_synthetic: whether the card says that the model was trained on synthetic data.
            **kwargs: `commit_message`, `commit_description`, `create_pr`; or `dry_run=<folder>`, which uploads nothing
                and leaves in the folder what would have been.

        Returns:
            The URL.

        Raises:
            AuthenticationError: there is no token, or the Hub refuses it.
            InvalidArgumentError: an argument is unknown, or an adapter's base model is not on the Hub.
        """
        from .publishing import publish_model

        return publish_model(self, repo_id, branch, private, token, adapter_only, is_synthetic, kwargs)

    # --- about --------------------------------------------------------------------------------------------------------

    @property
    def base_model_card(self) -> str | None:
        return self._base.model_card()

    @property
    def license(self) -> str | None:
        return self._base.license()

    @property
    def citation(self) -> list[str] | None:
        return self._base.citation()

    @property
    def display_name(self) -> str:
        return f"{type(self).__name__}('{self.name}', {self.model_name})"


def _refuse(who: str, several: Mapping[str, Any], model_kwargs: Mapping[str, Any]) -> None:
    for name, value in several.items():
        if value is not None and value != AUTO:
            raise InvalidArgumentError(
                f"{who}: {name} spreads a training over several devices, which is not supported: a trainer trains on "
                f"one device. Leave {name} out."
            )
    for name, cure in _REFUSED.items():
        if name in model_kwargs:
            raise InvalidArgumentError(f"{who}: {name} cannot be given. {cure}.")
