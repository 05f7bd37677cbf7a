"""The session: decides what still has to run, runs it somewhere, commits what came out."""

from .._lazy import exports

__getattr__, __dir__, __all__ = exports(__name__, {"DataDreamer": "session"})
