"""A file is there whole, or as it was before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from datadreamer.errors import FolderNotWritableError
from datadreamer.ledger import atomic_json, atomic_write


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    atomic_write(tmp_path / "a", b"one")
    atomic_write(str(tmp_path / "a"), b"two")
    assert (tmp_path / "a").read_bytes() == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_json_is_readable_and_keeps_order_structs_and_odd_text(tmp_path):
    class Point(msgspec.Struct):
        y: int
        x: float | None = None

    atomic_json(tmp_path / "a.json", {"z": Point(1), "a": ["ü", "\ud83d", b"ab"]})
    raw = (tmp_path / "a.json").read_bytes()
    assert raw.startswith(b'{\n  "z": {\n    "y": 1') and raw.endswith(b"}\n")
    assert "ü".encode() in raw
    assert json.loads(raw) == {"z": {"y": 1, "x": None}, "a": ["ü", "\ud83d", "YWI="]}


def test_what_is_no_json_leaves_the_old_file(tmp_path):
    atomic_json(tmp_path / "a.json", 1)
    for wrong in (float("nan"), object(), {"a": {object()}}):
        with pytest.raises((ValueError, TypeError)):
            atomic_json(tmp_path / "a.json", wrong)
    assert (tmp_path / "a.json").read_text() == "1\n"


def test_a_folder_that_is_missing_or_full_is_named(tmp_path):
    with pytest.raises(FolderNotWritableError, match=r"none/a \(3 bytes\) cannot be written: No such file"):
        atomic_write(tmp_path / "none" / "a", b"abc")
    (tmp_path / "dir").mkdir()
    with pytest.raises(FolderNotWritableError, match="dir"):
        atomic_write(tmp_path / "dir", b"abc")
    assert [path.name for path in tmp_path.iterdir()] == ["dir"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX limits")
def test_a_write_that_stops_half_way_leaves_the_old_file(tmp_path):
    script = """
import resource, signal, sys
from datadreamer.errors import FolderNotWritableError
from datadreamer.ledger import atomic_write
atomic_write(sys.argv[1], b"old")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    atomic_write(sys.argv[1], b"new" * 1000)
except FolderNotWritableError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", script, str(tmp_path / "a")], capture_output=True, text=True)
    assert "What was there before is untouched" in run.stdout, run.stderr
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_files_have_the_permissions_that_the_user_wants(tmp_path: Path):
    before = os.umask(0o027)
    try:
        atomic_write(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_importing_the_room_loads_the_standard_library_only():
    script = """
import sys
before = set(sys.modules)
import datadreamer.ledger
dir(datadreamer.ledger)
new = {name.split(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names) - {"datadreamer"}
print(sorted(new), "sqlite3" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "[] False\n"
