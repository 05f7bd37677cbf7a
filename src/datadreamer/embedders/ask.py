"""What holds for every text of one call of an embedder, and what comes back for some of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from ..llms.types import Failure


@dataclass(frozen=True, slots=True)
class Ask:
    """The arguments of `Embedder.run()`, checked."""

    truncate: bool = False
    instruction: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    batch_size: int = 10
    buffer_size: int | None = None
    adaptive: bool = True
    progress_interval: float | None = 60.0  # seconds
    force: bool = False
    cache_only: bool = False
    total: int | None = None
    folder: str | None = None  # where vectors are remembered as well, if the embedder itself has no such folder

    @property
    def sorted(self) -> bool:
        """Whether texts of similar length go together."""
        return self.buffer_size is None or self.buffer_size >= 0

    def buffer(self, least: int = 1000) -> int:
        """Texts that are looked at together."""
        size = self.buffer_size
        return max(self.batch_size, size if size and size > 0 else max(10 * self.batch_size, least))


@dataclass(slots=True)
class Chunk:
    """The vectors of consecutive texts."""

    first: int  # position of the first text among all
    vectors: np.ndarray  # float32, of shape (texts, dims); zeros where a text has none
    failures: dict[int, Failure] = field(default_factory=dict)  # by position within the chunk
