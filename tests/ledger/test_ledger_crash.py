"""An answer that was received 100 ms before `kill -9` is never asked for again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from datadreamer.ledger import Ledger

ROUNDS = 20
PROMISED_SECONDS = 0.1

# Puts without pause, if asked while another thread computes, and tells each put that returned, and when.
_CHILD = """
import os, sys, threading, time
from datadreamer.ledger import CallRecord, Ledger
ledger = Ledger.open(sys.argv[1])
log = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def compute():
    while True:
        sum(range(1000))
if sys.argv[3] == "busy":
    threading.Thread(target=compute, daemon=True).start()
response = os.urandom(1000)
for number in range(10**6):
    ledger.put_call(number.to_bytes(32, "big"), CallRecord(text=str(number), response=response, request=response * 2))
    os.write(log, b"%d %r\\n" % (number, time.monotonic()))
    time.sleep(0.0003)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and one clock for all processes")
def test_a_killed_process_loses_nothing_older_than_promised(tmp_path):
    rng = random.Random(20)
    kept = [kill_once(tmp_path / str(round_), rng.uniform(0.0, 0.2), busy=round_ % 2 == 0) for round_ in range(ROUNDS)]
    assert sum(kept) > 10 * ROUNDS  # the rounds did put something


def kill_once(folder: Path, after: float, busy: bool) -> int:
    folder.mkdir()
    path, log = folder / "l.sqlite", folder / "log"
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(path), str(log), "busy" if busy else ""])
    try:
        while not log.exists() or log.stat().st_size == 0:
            assert child.poll() is None
            time.sleep(0.005)
        with Stalls() as stalls:
            time.sleep(PROMISED_SECONDS + after)
            killed = time.monotonic()
            os.kill(child.pid, signal.SIGKILL)
    finally:
        child.kill()
        child.wait()
    lines = [line.split() for line in log.read_text().splitlines()]
    # A machine that stops everybody stops the writer too: its longest pause is not the ledger's.
    promised = [int(line[0]) for line in lines if float(line[1]) < killed - PROMISED_SECONDS - stalls.longest]
    with Ledger.open(path) as ledger:
        ledger.check()
        found = ledger.get_calls([number.to_bytes(32, "big") for number in promised])
    missing = [number for number in promised if number.to_bytes(32, "big") not in found]
    assert not missing, f"{len(missing)} of {len(promised)} promised answers are lost"
    return len(promised)


class Stalls:
    """Measures for how long the machine did not let this process run when it wanted to."""

    def __enter__(self) -> Stalls:
        self.longest, self._stop = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.is_set():
            start = time.monotonic()
            time.sleep(0.002)
            self.longest = max(self.longest, time.monotonic() - start - 0.002)
