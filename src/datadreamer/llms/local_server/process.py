"""One server of somebody else as a process: a port, a log, readiness, an end."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from weakref import WeakSet

from ...errors import PermanentModelError
from ...ledger import Redactor

logger = logging.getLogger("datadreamer.llms")

PROGRESS = 10.0  # seconds between log lines while it loads
TAIL = 15  # lines of its log that an error quotes
TRIES = 3  # ports that are tried when somebody else was quicker
_CAUSE = re.compile(r"\b[A-Z]\w*(Error|Exception): .+")
_running: WeakSet[ServerProcess] = WeakSet()


class ServerProcess:
    """Starts a server, waits until it is ready, and ends it with us.

    Args:
        name: of the model, for messages.
        command: the command line, from the port.
        environment: variables for it, from the key that it shall ask for.
        start_timeout: seconds until it must be ready.
        ready: paths that answer 200 once it is.
    """

    def __init__(
        self,
        name: str,
        command: Callable[[int], Sequence[str]],
        environment: Callable[[str], Mapping[str, str]],
        start_timeout: float,
        ready: Sequence[str] = ("/health", "/v1/models"),
    ) -> None:
        self.name = name
        self.key = secrets.token_urlsafe(24)
        Redactor.default().add(self.key)
        self.port = 0
        self.log: Path | None = None
        self._command = command
        self._environment = environment
        self._start_timeout = start_timeout
        self._ready = ready
        self._lock = threading.Lock()
        self._launcher: subprocess.Popen[bytes] | None = None
        self._owner = 0  # pid: a forked child leaves the server to its parent

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._launcher is not None and self._launcher.poll() is None

    def start(self) -> None:
        """Start it, if it does not run, and wait until it is ready. From any thread but the loop's.

        Raises:
            PermanentModelError: it ended, or was not ready in time; the message has the end of its log.
        """
        with self._lock:
            for attempt in range(1, TRIES + 1):
                if self.running:
                    return
                self._launch()
                try:
                    self._wait()
                    return
                except PermanentModelError:
                    self._stop()
                    if attempt == TRIES or "address already in use" not in self.tail(60).lower():
                        raise

    def stop(self) -> None:
        """End it, if it runs."""
        with self._lock:
            self._stop()

    def ended(self) -> PermanentModelError | None:
        """The error for a server that ended on its own; None while it runs, or was not started."""
        launcher = self._launcher
        if launcher is None or launcher.poll() is None:
            return None
        return PermanentModelError(
            f"The server of {self.name} ended with exit code {launcher.returncode}. {self._said()}"
        )

    def tail(self, lines: int = TAIL) -> str:
        """The end of its log."""
        if self.log is None or not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 400 * lines))
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])

    # --- inside -----------------------------------------------------------------------------------------------------

    def _launch(self) -> None:
        self.port = _free_port()
        command = list(self._command(self.port))
        handle, path = tempfile.mkstemp(prefix="datadreamer-server-", suffix=".log")
        self.log = Path(path)
        environment = {**os.environ, **self._environment(self.key)}
        launcher = [sys.executable, "-I", str(Path(__file__).with_name("launcher.py")), *command]
        try:
            self._launcher = subprocess.Popen(
                launcher, stdin=subprocess.PIPE, stdout=handle, stderr=handle, env=environment, start_new_session=True
            )
        finally:
            os.close(handle)
        self._owner = os.getpid()
        _running.add(self)
        logger.info("%s: its server starts (process %d, log %s).", self.name, self._launcher.pid, path)

    def _wait(self) -> None:
        started = time.monotonic()
        told = started
        while not self._is_ready():
            ended = self.ended()
            if ended is not None:
                raise ended
            now = time.monotonic()
            if now - started > self._start_timeout:
                raise PermanentModelError(
                    f"The server of {self.name} was not ready after {self._start_timeout:g} seconds (start_timeout=…). "
                    f"{self._said()}"
                )
            if now - told >= PROGRESS:
                told = now
                logger.info("%s: its server loads, for %d s now: %s", self.name, now - started, self.tail(1)[:200])
            time.sleep(0.1)
        logger.info("%s: its server is ready after %.1f s.", self.name, time.monotonic() - started)

    def _is_ready(self) -> bool:
        for path in self._ready:
            request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {self.key}"})
            try:
                with _direct.open(request, timeout=2.0) as response:
                    if response.status != 200:
                        return False
            except urllib.error.HTTPError as error:
                if error.code != 404:  # not every server has every one of these paths
                    return False
            except (OSError, ValueError):
                return False
        return True

    def _said(self) -> str:
        tail = self.tail()
        if not tail:
            return f"Its log ({self.log}) is empty."
        causes = [line for line in self._errors() if line not in tail]
        named = " names:\n" + "\n".join(causes) + "\nand" if causes else ""
        return f"Its log ({self.log}){named} ends with:\n{tail}"

    def _errors(self) -> list[str]:
        """The first errors in its log: of a server with workers, the cause stands far above the end."""
        found = (_CAUSE.search(line) for line in self.tail(1_000).splitlines())
        return list(dict.fromkeys(match[0][:600] for match in found if match))[:3]

    def _stop(self) -> None:
        launcher, self._launcher = self._launcher, None
        _running.discard(self)
        if launcher is None or self._owner != os.getpid():
            return
        assert launcher.stdin is not None
        with contextlib.suppress(OSError):
            launcher.stdin.close()  # the launcher ends the server, and then itself
        try:
            launcher.wait(30)
        except subprocess.TimeoutExpired:
            launcher.kill()  # the kernel then ends the server
            launcher.wait()


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback needs no proxy


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@atexit.register
def _stop_all() -> None:
    for process in list(_running):
        process.stop()
