"""Many threads and several processes on one ledger."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from datadreamer.errors import FolderInUseError, SessionError
from datadreamer.ledger import Ledger, writer


def test_threads_see_their_own_puts_at_once_and_lose_none(ledger, key, call):
    def work(thread: int) -> None:
        for number in range(thread * 1000, thread * 1000 + 300):
            ledger.put_call(key(number), call(number))
            assert ledger.get_calls([key(number)])[key(number)].text == f"answer {number}"

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert ledger.count_calls() == 2400


def test_waiting_records_stay_within_their_bound_while_the_disk_is_busy(tmp_path, key, call):
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        other = sqlite3.connect(tmp_path / "l.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # nobody else can write now
        big = b"word " * 2**18
        records = 2 * writer.QUEUE_BYTES // len(big)
        producer = threading.Thread(
            target=lambda: [ledger.put_call(key(n), call(n, response=big)) for n in range(records)]
        )
        producer.start()
        producer.join(timeout=1.0)
        assert producer.is_alive()
        assert ledger._writer._queued_bytes < writer.QUEUE_BYTES + 2 * len(big)
        other.execute("ROLLBACK")
        other.close()
        producer.join()
        assert ledger.count_calls() == records


def test_two_processes_write_to_one_ledger(tmp_path, key, call):
    script = """
import sys, hashlib
from datadreamer.ledger import CallRecord, Ledger
with Ledger.open(sys.argv[1]) as ledger:
    for number in range(int(sys.argv[2]), int(sys.argv[2]) + 500):
        ledger.put_call(hashlib.sha256(str(number).encode()).digest(), CallRecord(text=str(number)))
        if number % 50 == 0:
            ledger.flush()
"""
    path = str(tmp_path / "l.sqlite")
    children = [subprocess.Popen([sys.executable, "-c", script, path, str(start)]) for start in (0, 500)]
    assert [child.wait() for child in children] == [0, 0]
    with Ledger.open(path) as ledger:
        found = ledger.get_calls([key(number) for number in range(1000)])
        assert sorted(int(record.text) for record in found.values()) == list(range(1000))


def test_a_process_that_never_lets_go_is_reported_and_nothing_is_lost(tmp_path, key, call):
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        ledger._write_connection.execute("PRAGMA busy_timeout = 50")
        other = sqlite3.connect(tmp_path / "l.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        ledger.put_call(key(0), call(0))
        with pytest.raises(FolderInUseError, match="Another process has been writing"):
            ledger.flush()
        other.execute("ROLLBACK")
        other.close()
        ledger.flush()
        assert ledger.count_calls() == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_a_forked_child_is_refused_and_the_parent_goes_on(ledger, key, call):
    ledger.put_call(key(0), call(0))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = []
        for use in (lambda: ledger.put_call(key(1), call(1)), lambda: ledger.get_calls([key(0)])):
            try:
                use()
            except SessionError as error:
                said.append(str(error))
        ledger.close()
        os.write(writing, "\n".join(said).encode())
        os._exit(0)
    os.waitpid(child, 0)
    said = os.read(reading, 10000).decode().splitlines()
    os.close(reading)
    os.close(writing)
    assert len(said) == 2
    assert all(f"This process ({child}) is a fork of process {os.getpid()}" in line for line in said)
    ledger.put_call(key(2), call(2))
    assert set(ledger.get_calls([key(0), key(1), key(2)])) == {key(0), key(2)}
    ledger.flush()
    ledger.check()


def test_a_ledger_that_is_never_closed_is_complete_when_python_ends(tmp_path, key):
    script = """
import sys, hashlib
from datadreamer.ledger import CallRecord, Ledger
ledger = Ledger.open(sys.argv[1])
for number in range(100):
    ledger.put_call(hashlib.sha256(str(number).encode()).digest(), CallRecord(text=str(number)))
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "l.sqlite")], check=True)
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        assert ledger.count_calls() == 100
