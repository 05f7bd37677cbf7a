"""Running Python that a model wrote, so that its accidents stay its own.

The code runs in a process of its own, in an empty folder, with limits on processor time, memory, files and output,
without the environment of this process (and so without its keys), without a network where the system lets us take it
away, and is killed with everything it started when its time is over. That stops accidents and clumsy code. It is no
wall against code that wants out: files that this user can read can be read by it. For that, run the whole script in a
container.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidArgumentError

_LAUNCHER = Path(__file__).with_name("sandbox_launcher.py")
OUTPUT_BYTES = 64_000  # of what the code prints that is kept


@dataclass(frozen=True, slots=True)
class CodeResult:
    """What became of some code.

    Attributes:
        ok: it ended by itself, without an error.
        stdout, stderr: what it printed, the first 64,000 bytes of each.
        reason: None when ok; else "error", "timeout", "memory" or "killed".
        returncode: of the process; below zero: the signal that ended it.
    """

    ok: bool
    stdout: str
    stderr: str
    reason: str | None
    returncode: int


def run_code(code: str, stdin: str = "", timeout: float = 10.0, memory_mb: int = 1024) -> CodeResult:
    """Run Python code and wait for its end.

    Args:
        code: the source, run as a script.
        stdin: what it reads.
        timeout: seconds, of the clock and of processor time.
        memory_mb: megabytes of address space.

    Raises:
        InvalidArgumentError: a limit is not above zero.
    """
    if timeout <= 0 or memory_mb <= 0:
        raise InvalidArgumentError(f"timeout and memory_mb must be above 0, not {timeout} and {memory_mb}.")
    with tempfile.TemporaryDirectory(prefix="datadreamer-code-") as name:
        folder = Path(name)
        inside = folder / "work"
        inside.mkdir()
        (folder / "code.py").write_text(code, encoding="utf-8", errors="surrogatepass")
        limits = {"seconds": timeout, "memory": memory_mb * 2**20, "file": 16 * 2**20}
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-I", "-B", str(_LAUNCHER), str(folder / "code.py"), json.dumps(limits)],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                cwd=inside,
                env=_environment(inside),
                start_new_session=True,
            )
            timed_out = _wait(process, stdin, timeout)
        return _result(process.returncode, timed_out, _read(folder / "out"), _read(folder / "err"))


def _wait(process: subprocess.Popen[bytes], stdin: str, timeout: float) -> bool:
    """Feed the process and wait; whatever happens, nothing of it is left behind. Says whether its time ran out."""
    try:
        process.communicate(stdin.encode("utf-8", "replace"), timeout=timeout + 1.0)  # its start is not its fault
        return False
    except subprocess.TimeoutExpired:
        return True
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        process.kill()
        process.wait()


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of ours: no key, no path of the user's."""
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "PATH": "/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8"}


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(OUTPUT_BYTES).decode("utf-8", "replace")


def _result(code: int, timed_out: bool, stdout: str, stderr: str) -> CodeResult:
    if code == 0 and not timed_out:
        return CodeResult(True, stdout, stderr, None, code)
    if timed_out or code == -getattr(signal, "SIGXCPU", 24):
        reason = "timeout"
    elif "MemoryError" in stderr:
        reason = "memory"
    else:
        reason = "killed" if code < 0 else "error"
    return CodeResult(False, stdout, stderr, reason, code)
