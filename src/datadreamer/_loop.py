"""One event loop, in one background thread, for everything that waits on the network.

Users write plain synchronous scripts (also inside notebooks, where a loop runs already), so the loop that carries
hundreds of requests lives beside them.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_pid: int | None = None


def loop() -> asyncio.AbstractEventLoop:
    """The shared loop; started at first use, and again in a forked child."""
    global _loop, _pid
    with _lock:
        if _loop is None or _pid != os.getpid():
            _loop, _pid = asyncio.new_event_loop(), os.getpid()
            threading.Thread(target=_carry, args=(_loop,), name="datadreamer-loop", daemon=True).start()
        return _loop


def _carry(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop for as long as the process lives.

    asyncio lets Ctrl-C and `sys.exit()` of a task out of `run_forever` as well. Whoever waits for the task gets them
    from its future; here they would end the loop that everything else waits on.
    """
    while True:
        try:
            loop.run_forever()
            return
        except (KeyboardInterrupt, SystemExit):
            continue


def submit(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    """Start a coroutine on the shared loop from any thread."""
    return asyncio.run_coroutine_threadsafe(coroutine, loop())


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the shared loop and wait for its result. Not from the loop's own thread."""
    future = submit(coroutine)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise
