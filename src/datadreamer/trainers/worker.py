"""The process that trains: `python -m datadreamer.trainers.worker <work folder>`, with the job on its standard input.

It tells what happens as JSON lines on what was its standard output; everything that libraries print goes to standard
error instead. The line `stop` on standard input asks it to save a checkpoint and end; the end of standard input means
that its parent is gone, and so it goes at once.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, TextIO

from ..errors import DataDreamerError
from .job import TrainingJob

PARENT_GONE = 71  # exit status


def main(path: str) -> int:
    """Train, tell, and return the exit status."""
    lines = _take_over_output()
    line = sys.stdin.readline()
    stop = threading.Event()
    threading.Thread(target=_listen, args=(stop,), name="datadreamer-parent", daemon=True).start()
    _die_with_parent()
    told = threading.Lock()

    def emit(event: dict[str, Any]) -> None:
        with told:
            lines.write(json.dumps(event, allow_nan=False, default=str) + "\n")
            lines.flush()

    emit({"event": "started", "pid": os.getpid()})
    try:
        return _train(TrainingJob.from_line(Path(path), line), emit, stop)
    except BaseException as error:
        traceback.print_exc()
        ours = isinstance(error, DataDreamerError)
        emit({"event": "error", "kind": type(error).__name__, "message": str(error), "ours": ours})
        return 1


def _train(job: TrainingJob, emit: Any, stop: threading.Event) -> int:
    import msgspec

    from .work import loop, registry

    result = loop.finished(job) or registry.train(job, emit, stop)
    if result is None:
        emit({"event": "stopped"})
    else:
        emit({"event": "result", "result": msgspec.to_builtins(result)})
    return 0


def _take_over_output() -> TextIO:
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return lines


def _listen(stop: threading.Event) -> None:
    for line in sys.stdin:
        if line.strip() == "stop":
            stop.set()
    os._exit(PARENT_GONE)


def _die_with_parent() -> None:
    """On Linux, ask the kernel too: a fork of the parent may hold its end of our standard input open."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes
    import signal

    PR_SET_PDEATHSIG = 1  # noqa: N806
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
