"""`Trainer`: a declared piece of work that gives a model. What happens around it is the engine's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

from .. import _context
from ..errors import InvalidArgumentError, InvalidTypeError, SessionError, TrainingError
from .plan import TrainingPlan, TrainingResult


class Trainer(ABC):
    """Trains a model inside a session, or finds it trained.

    Args:
        name: what the trainer is called in logs, cards and the output folder. It does not count in the fingerprint.
        force: train even when the finished model exists.
        verbose: False silences this trainer's log lines, True shows debug lines.
        log_level: a `logging` level for this trainer alone.
    """

    version: ClassVar[float] = 1.0
    resumable: ClassVar[bool] = True
    library: ClassVar[str | None] = "transformers"  # that loads the model
    model_format: ClassVar[str] = "safetensors"
    provider: ClassVar[str] = "local"  # where the base model is
    determinism: ClassVar[tuple[str, str]] = ("D2", "seeded training; floating point differs between machines")

    def __init__(
        self, name: str, force: bool = False, verbose: bool | None = None, log_level: int | None = None
    ) -> None:
        self.name = _checked_name(name)
        self.force = force
        self.verbose = verbose
        self.log_level = log_level
        self.fingerprint: str | None = None  # set by the session
        self.folder: Path | None = None  # set by the session: where `_model` and the card are
        self.result: TrainingResult | None = None  # what the training measured

    @abstractmethod
    def train(self, *args: Any, **kwargs: Any) -> Self:
        """Train, or find the model trained. Returns the trainer itself."""

    def _run(self, plan: TrainingPlan) -> Self:
        """Hand a checked plan to the session."""
        self.result = self._session().run_trainer(self, plan)
        return self

    def _session(self) -> Any:
        """The session to train in, once it is clear that this trainer may still train."""
        if self.result is not None:
            raise TrainingError(
                f"{self.who} has been trained already. Make a new trainer with another name to train again."
            )
        session = _context.require_session(f"{self.who}.train()")
        if getattr(session, "in_memory", False):
            raise SessionError(f"{self.who} keeps its model in a folder, and this session runs in memory.")
        return session

    @property
    def who(self) -> str:
        """The trainer as the subject of a message."""
        return f"Trainer '{self.name}'"

    @property
    def display_name(self) -> str:
        """The name for people."""
        return f"{type(self).__name__}('{self.name}')"

    # --- what came out ------------------------------------------------------------------------------------------------

    @property
    def model_path(self) -> str:
        """The folder of the trained model, for `HFTransformers(...)` and any `from_pretrained(...)`.

        Raises:
            TrainingError: it has not been trained yet, or the folder is gone.
        """
        return str(self._trained() / "_model")

    @property
    @abstractmethod
    def model(self) -> Any:
        """The trained model, loaded at first use."""

    @abstractmethod
    def unload_model(self) -> None:
        """Free the memory of `model`; it is loaded again when needed."""

    def model_card(self) -> None:
        """Print the card of the trained model."""
        print(self._card())

    def _card(self) -> str:
        path = self._trained() / "README.md"
        return path.read_text(encoding="utf-8") if path.is_file() else f"# {self.name}\n"

    @property
    def data_card(self) -> dict[str, list[Any]]:
        """What the base model adds to the card of this trainer: the published `DataCardType` to values."""
        from ..cards import DataCardType

        found: dict[str, list[Any]] = {
            DataCardType.MODEL_CARD: [self.base_model_card],
            DataCardType.LICENSE: [self.license],
            DataCardType.CITATION: self.citation or [],
        }
        return {kind: known for kind, values in found.items() if (known := [v for v in values if v is not None])}

    def _trained(self) -> Path:
        if self.result is None or self.folder is None:
            raise TrainingError(f"{self.who} has not been trained yet: call train() first.")
        if not (self.folder / "_model").is_dir():
            raise TrainingError(
                f"The model of {self.who} is gone: there is no folder '{self.folder / '_model'}'. Run the script again "
                "to train it."
            )
        return self.folder

    # --- about --------------------------------------------------------------------------------------------------------

    @property
    def base_model_card(self) -> str | None:
        """URL of the base model's card."""
        return None

    @property
    def license(self) -> str | None:
        """Licence of the base model, as its card states it."""
        return None

    @property
    def citation(self) -> list[str] | None:
        """BibTeX entries of the base model and of the method."""
        return None

    def __repr__(self) -> str:
        return f"<{self.display_name}: {'trained' if self.result is not None else 'not trained yet'}>"


def _checked_name(name: Any) -> str:
    if not isinstance(name, str):
        raise InvalidTypeError(f"A trainer's name is a text, not a {type(name).__name__}.")
    if not name.strip():
        raise InvalidArgumentError("A trainer's name may not be empty.")
    bad = next((sign for sign in name if sign in "/\\" or ord(sign) < 32), None)
    if bad is not None:
        raise InvalidArgumentError(f"The trainer name {name!r} contains {bad!r}, which cannot stand in a folder name.")
    return name
