"""Other libraries' warnings and progress bars, kept off the user's terminal while we call them."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ... import _context

_lock = threading.Lock()
_inside = 0
_before: tuple[int, bool] | None = None
_levels: dict[str, int] = {}
_TALKATIVE = ("bitsandbytes", "torchao", "torch.utils._pytree")  # loggers that speak of what users cannot change


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers below errors for the body; what was set before is set again afterwards, also when nested.

    A session made with `hf_log=True` silences nothing.
    """
    if getattr(_context.session(), "hf_log", False):
        yield
        return
    _enter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        _leave()


def _enter() -> None:
    global _inside, _before
    from transformers.utils import logging as hf

    with _lock:
        _inside += 1
        if _inside == 1:
            _before = hf.get_verbosity(), hf.is_progress_bar_enabled()
            hf.set_verbosity(logging.ERROR)
            hf.disable_progress_bar()
            for name in _TALKATIVE:
                _levels[name] = logging.getLogger(name).level
                logging.getLogger(name).setLevel(logging.ERROR)


def _leave() -> None:
    global _inside, _before
    from transformers.utils import logging as hf

    with _lock:
        _inside -= 1
        if _inside == 0 and _before is not None:
            verbosity, bars = _before
            hf.set_verbosity(verbosity)
            if bars:
                hf.enable_progress_bar()
            _before = None
            for name, level in _levels.items():
                logging.getLogger(name).setLevel(level)
