"""One process per folder; the lock goes with its process."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from datadreamer.errors import FolderInUseError, FolderNotWritableError
from datadreamer.ledger import FolderLock, lock_backends
from datadreamer.ledger.locks import LOCK_NAME

HOLDER = """
import sys, time
from datadreamer.ledger import FolderLock
with FolderLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(folder: Path, seconds: float = 60) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    return child


def end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.wait()
    if child.stdout:
        child.stdout.close()


def test_a_second_process_fails_with_the_pid_and_host_of_the_first(tmp_path):
    child = hold(tmp_path)
    try:
        with pytest.raises(FolderInUseError) as caught:
            FolderLock(tmp_path).acquire()
    finally:
        end(child)
    said = str(caught.value)
    assert f"process {child.pid} on {socket.gethostname()} since 20" in said
    assert f"kill {child.pid}" in said and str(tmp_path) in said


def test_a_killed_holder_leaves_the_folder_free(tmp_path):
    child = hold(tmp_path)
    os.kill(child.pid, signal.SIGKILL) if hasattr(signal, "SIGKILL") else child.kill()
    end(child)
    assert (tmp_path / LOCK_NAME).exists()
    with FolderLock(tmp_path):
        assert json.loads((tmp_path / LOCK_NAME).read_text())["pid"] == os.getpid()
    assert not (tmp_path / LOCK_NAME).exists()


def test_waiting_gets_the_lock_when_the_holder_ends(tmp_path):
    child = hold(tmp_path, 0.3)
    with FolderLock(tmp_path, wait=True, timeout=60):
        assert child.wait() == 0
    end(child)


def test_waiting_ends_at_its_timeout(tmp_path):
    with FolderLock(tmp_path), pytest.raises(FolderInUseError):
        FolderLock(tmp_path, wait=True, timeout=0.1).acquire()


def test_the_same_process_cannot_take_a_folder_twice_and_is_told_so(tmp_path):
    with FolderLock(tmp_path / "new" / "folder"):
        with pytest.raises(FolderInUseError, match="by this very process"):
            FolderLock(tmp_path / "new" / "folder").acquire()
        with FolderLock(tmp_path):
            pass  # another folder
    lock = FolderLock(tmp_path).acquire()
    lock.release()
    lock.release()
    FolderLock(tmp_path).acquire().release()


@pytest.mark.parametrize("take", [lock_backends.take_locked, lock_backends.take_exclusive])
def test_of_many_threads_one_holds_the_lock_at_a_time(tmp_path, take):
    inside, most, turns = 0, 0, []

    def work() -> None:
        nonlocal inside, most
        while len(turns) < 200:
            held = take(tmp_path / "lock", json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
            if held is not None:
                inside += 1
                most = max(most, inside)
                turns.append(1)
                inside -= 1
                held.release()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_without_system_locks_a_file_of_a_dead_process_is_taken_over(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    path = tmp_path / "lock"

    def left_by(pid: int, host: str) -> None:
        path.write_text(json.dumps({"pid": pid, "host": host}))

    left_by(dead.pid, socket.gethostname())
    held = lock_backends.take_exclusive(path, b"{}")
    assert held is not None
    held.release()
    left_by(os.getpid(), socket.gethostname())
    assert lock_backends.take_exclusive(path, b"{}") is None
    left_by(dead.pid, "another-host")  # nobody can tell from here
    assert lock_backends.take_exclusive(path, b"{}") is None
    path.write_text("not json")
    assert lock_backends.take_exclusive(path, b"{}") is None
    assert sorted(file.name for file in tmp_path.iterdir()) == ["lock"]


def test_a_file_of_another_host_says_what_to_delete(tmp_path):
    (tmp_path / LOCK_NAME).write_text(json.dumps({"pid": 5, "host": "elsewhere", "since": "2026-01-01T00:00:00+00:00"}))
    said = FolderLock(tmp_path)._in_use(tmp_path / LOCK_NAME)
    assert "process 5 on elsewhere since 2026-01-01" in said and f"delete {tmp_path / LOCK_NAME}" in said


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_an_orphaned_fork_does_not_keep_the_lock(tmp_path):
    script = """
import os, sys, time
from datadreamer.ledger import FolderLock
lock = FolderLock(sys.argv[1]).acquire()
child = os.fork()
if child == 0:
    os.close(1)
    lock.release()  # not its to release
    time.sleep(60)
print(child, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    try:
        time.sleep(0.05)
        with pytest.raises(FolderInUseError, match=f"process {parent.pid} "):
            FolderLock(tmp_path).acquire()
        end(parent)
        os.kill(child, 0)  # the child lives on
        FolderLock(tmp_path).acquire().release()
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FolderNotWritableError, match="file cannot be written"):
        FolderLock(tmp_path / "file").acquire()


def test_file_systems_without_locks_are_known_by_their_errors():
    assert {errno.ENOLCK, errno.ENOSYS} <= lock_backends._NO_LOCKS_HERE
    assert errno.EACCES not in lock_backends._NO_LOCKS_HERE


STARTS_ANOTHER = """
import subprocess, sys, time
from datadreamer.ledger import FolderLock
with FolderLock(sys.argv[1]) as lock:
    # as between fork and exec: another process has the file for a moment
    other = subprocess.Popen(["sleep", sys.argv[2]], pass_fds=[lock._held._descriptor], stdout=subprocess.DEVNULL)
    print(other.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no process inherits a lock there")
def test_what_a_killed_holder_was_about_to_start_is_waited_for(tmp_path):
    for seconds in ("0.5", "30"):
        command = [sys.executable, "-c", STARTS_ANOTHER, str(tmp_path), seconds]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout is not None
            other = int(holder.stdout.readline())
            with pytest.raises(FolderInUseError, match=f"in use by process {holder.pid} on"):
                FolderLock(tmp_path).acquire()
            holder.kill()
        if seconds == "0.5":
            with FolderLock(tmp_path):
                pass
            continue
        with pytest.raises(FolderInUseError, match=f"was in use by process {holder.pid}, which has ended"):
            FolderLock(tmp_path).acquire()
        os.kill(other, signal.SIGKILL)
        with FolderLock(tmp_path, wait=True, timeout=10):
            pass
