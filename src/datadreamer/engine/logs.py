"""Log lines of a session: plain, one per event, on standard error, and quiet when asked.

An application that has configured `logging` itself keeps its own handlers.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

ROOT = logging.getLogger("datadreamer")
SILENT = logging.CRITICAL + 1


@dataclass(frozen=True, slots=True)
class Options:
    """How much a session says."""

    verbose: bool | None
    log_level: int | None
    log_date: bool
    hf_log: bool

    @property
    def level(self) -> int:
        if self.verbose is False:
            return SILENT
        wanted = self.log_level if self.log_level is not None else logging.INFO
        return min(logging.DEBUG, wanted) if self.verbose else wanted


class _Stderr(logging.StreamHandler[Any]):
    """Writes to whatever `sys.stderr` is now, so that redirected and captured output works."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        return sys.stderr

    @stream.setter
    def stream(self, value: Any) -> None:
        pass


_handler: _Stderr | None = None
_before: tuple[int, bool] | None = None


def configure(options: Options) -> None:
    """Show the library's log lines for the length of a session."""
    global _handler, _before
    _before = (ROOT.level, ROOT.propagate)
    ROOT.setLevel(options.level)
    if not ROOT.handlers and not logging.getLogger().handlers:
        _handler = _Stderr()
        prefix = "%(asctime)s " if options.log_date else ""
        _handler.setFormatter(logging.Formatter(f"{prefix}%(message)s"))
        ROOT.addHandler(_handler)
        ROOT.propagate = False
    if not options.hf_log:
        _hush_libraries()


def restore() -> None:
    """Leave `logging` as it was before the session."""
    global _handler, _before
    if _handler is not None:
        ROOT.removeHandler(_handler)
        _handler = None
    if _before is not None:
        ROOT.level, ROOT.propagate = _before
        ROOT.setLevel(_before[0])
        _before = None


def _hush_libraries() -> None:
    for name in ("transformers", "datasets", "huggingface_hub", "accelerate", "peft", "sentence_transformers"):
        library = logging.getLogger(name)
        if library.level == logging.NOTSET:
            library.setLevel(logging.ERROR)


@contextmanager
def for_step(step: Any) -> Iterator[None]:
    """The step's own `verbose` and `log_level`, while it runs."""
    verbose, level = getattr(step, "verbose", None), getattr(step, "log_level", None)
    if verbose is None and level is None:
        yield
        return
    before = ROOT.level
    ROOT.setLevel(Options(verbose, level, False, False).level)
    try:
        yield
    finally:
        ROOT.setLevel(before)
