"""Our models behind an OpenAI-compatible server, with the ledger as cache."""

from typing import TYPE_CHECKING

from .._lazy import exports

if TYPE_CHECKING:
    from .backends import Backend as Backend
    from .backends import ModelBackend as ModelBackend
    from .backends import RecordingBackend as RecordingBackend
    from .server import Server as Server
    from .targets import backend_for as backend_for

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "Backend": "backends",
        "ModelBackend": "backends",
        "RecordingBackend": "backends",
        "Server": "server",
        "backend_for": "targets",
    },
)
