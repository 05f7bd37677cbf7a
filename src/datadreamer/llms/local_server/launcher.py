"""Runs one command, and ends it and all that it started when its own parent is gone, however that ended.

A script of its own, started as `python launcher.py COMMAND…` with a pipe as standard input that only the parent can
write to: when the parent dies, even by SIGKILL, the kernel closes the pipe. Nothing of this library is imported.

The kernel's own signal at the death of a parent (PR_SET_PDEATHSIG) is tied to the thread that started the child, so it
is used only between the launcher, which has one thread, and the command.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

PATIENCE = 10.0  # seconds between asking the command to end and ending it
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main(command: list[str]) -> int:
    """Run `command` until it ends, standard input closes, or SIGTERM comes; gives its exit code."""
    told = [False]
    signal.signal(signal.SIGTERM, lambda *_: told.__setitem__(0, True))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then tells us
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # what the command leaves behind becomes our child
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_die_with_launcher)
    while child.poll() is None and not told[0]:
        with contextlib.suppress(InterruptedError):
            readable, _, _ = select.select([0], [], [], 0.2)
            if readable and not os.read(0, 1):
                break
    _end(child)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _end(child: subprocess.Popen[bytes]) -> None:
    _signal_group(child.pid, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    _signal_group(child.pid, signal.SIGKILL)
    child.wait()
    for orphan in _children():
        with contextlib.suppress(OSError):
            os.kill(orphan, signal.SIGKILL)


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(OSError):  # all of it has ended
        os.killpg(group, number)


def _children() -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except (OSError, ValueError):  # not Linux
        return []


def _die_with_launcher() -> None:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
