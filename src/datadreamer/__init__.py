"""DataDreamer: synthetic data and LLM workflows that somebody else can repeat."""

from typing import TYPE_CHECKING

from ._lazy import exports
from ._version import __version__ as __version__

if TYPE_CHECKING:
    from .engine.session import DataDreamer as DataDreamer
    from .llms.budget import Budget as Budget

__getattr__, _, __all__ = exports(__name__, {"Budget": "llms.budget", "DataDreamer": "engine.session"})
__all__ = [*__all__, "__version__"]


def __dir__() -> list[str]:
    return __all__
