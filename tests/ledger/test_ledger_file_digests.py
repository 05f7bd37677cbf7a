"""Files and folders are known by their content; a file is read once, and never trusted for too long."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path

import pytest

from datadreamer.errors import SourceError
from datadreamer.identity import FileRef
from datadreamer.ledger import FileDigests, Ledger


def sha(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def write(path: Path, data: bytes, age: float) -> None:
    """A file last changed `age` seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    then = time.time_ns() - int(age * 1e9)
    os.utime(path, ns=(then, then))


def plant(ledger: Ledger, digest: str) -> int:
    """Replace every remembered digest, so that a digest that was not computed anew can be told; how many there were."""
    ledger.flush()
    entries = ledger._query("SELECT key, value FROM memo WHERE kind = 'file'")
    for name, value in entries:
        ledger.memo_put("file", name, {**json.loads(value), "digest": digest})
    return len(entries)


def test_a_file_is_its_content_and_size(ledger, tmp_path):
    write(tmp_path / "a.csv", b"x,y\n1,2\n", age=60)
    write(tmp_path / "other" / "b.txt", b"x,y\n1,2\n", age=60)
    digests = FileDigests(ledger)
    assert digests.digest(tmp_path / "a.csv") == FileRef(digest=sha(b"x,y\n1,2\n"), size=8)
    assert digests.digest(tmp_path / "a.csv") == digests.digest(str(tmp_path / "other" / "b.txt"))
    write(tmp_path / "a.csv", b"x;y\n1;2\n", age=50)
    assert digests.digest(tmp_path / "a.csv").digest == sha(b"x;y\n1;2\n")


def test_an_old_file_is_read_once_and_a_fresh_one_every_time(ledger, tmp_path):
    write(tmp_path / "old", b"aaaa", age=60)
    write(tmp_path / "fresh", b"aaaa", age=0)
    write(tmp_path / "future", b"aaaa", age=-3600)
    for name in ("old", "fresh", "future"):
        FileDigests(ledger).digest(tmp_path / name)
    assert plant(ledger, "sha256:planted") == 1
    assert FileDigests(ledger).digest(tmp_path / "old").digest == "sha256:planted"
    assert FileDigests().digest(tmp_path / "old").digest == sha(b"aaaa")
    assert FileDigests(ledger).digest(tmp_path / "fresh").digest == sha(b"aaaa")


@pytest.mark.skipif(sys.platform == "win32", reason="no change time there")
def test_a_file_whose_time_was_set_back_is_read_again(ledger, tmp_path):
    write(tmp_path / "a", b"aaaa", age=60)
    FileDigests(ledger).digest(tmp_path / "a")
    stat = (tmp_path / "a").stat()
    time.sleep(0.02)  # one tick of the file system's clock
    (tmp_path / "a").write_bytes(b"bbbb")
    os.utime(tmp_path / "a", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert FileDigests(ledger).digest(tmp_path / "a").digest == sha(b"bbbb")


def test_what_is_remembered_tells_no_path(tmp_path):
    write(tmp_path / "telling-name", b"a", age=60)
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        FileDigests(ledger).digest(tmp_path / "telling-name")
    assert b"telling-name" not in (tmp_path / "l.sqlite").read_bytes()


def test_a_missing_file_or_folder_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"none\.csv cannot be read \(No such file"):
        FileDigests().digest(tmp_path / "none.csv")
    with pytest.raises(SourceError, match=r"There is no folder .*nowhere"):
        FileDigests().tree(tmp_path / "nowhere")
    with pytest.raises(SourceError, match="cannot be read"):
        FileDigests().digest(tmp_path)


def model(folder: Path) -> Path:
    write(folder / "config.json", b"{}", age=60)
    write(folder / "weights" / "model.safetensors", b"\x00" * 100, age=60)
    return folder


def test_a_folder_is_its_names_and_contents_and_nothing_else(ledger, tmp_path):
    digests = FileDigests(ledger)
    first = digests.tree(model(tmp_path / "a"))
    copy = model(tmp_path / "b")
    (copy / "empty").mkdir()
    write(copy / ".git" / "HEAD", b"ref", age=60)
    write(copy / "weights" / "__pycache__" / "x.pyc", b"x", age=60)
    write(copy / ".datadreamer.lock", b"1", age=60)
    os.utime(copy / "config.json", (1, 1))
    assert digests.tree(copy) == first
    assert first.startswith("sha256:") and len(first) == 71
    write(copy / "README.md", b"x", age=60)
    with_readme = digests.tree(copy)
    assert with_readme != first
    assert digests.tree(copy, ignore=(".git", "__pycache__", ".datadreamer.lock", "README*")) == first
    (copy / "README.md").rename(copy / "weights" / "README.md")
    assert digests.tree(copy) not in (first, with_readme)


def test_names_and_contents_cannot_be_confused(tmp_path):
    write(tmp_path / "a" / "ab", b"c", age=60)
    write(tmp_path / "b" / "a", b"bc", age=60)
    write(tmp_path / "c" / "a" / "b", b"c", age=60)
    assert len({FileDigests().tree(tmp_path / name) for name in "abc"}) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_are_followed_as_in_a_hub_cache_and_cycles_end(tmp_path):
    first = FileDigests().tree(model(tmp_path / "plain"))
    write(tmp_path / "blobs" / "1", b"{}", age=60)
    write(tmp_path / "blobs" / "2", b"\x00" * 100, age=60)
    (tmp_path / "snapshot" / "weights").mkdir(parents=True)
    (tmp_path / "snapshot" / "config.json").symlink_to(tmp_path / "blobs" / "1")
    (tmp_path / "snapshot" / "weights" / "model.safetensors").symlink_to(tmp_path / "blobs" / "2")
    (tmp_path / "snapshot" / "weights" / "loop").symlink_to(tmp_path / "snapshot")
    assert FileDigests().tree(tmp_path / "snapshot") == first


def test_the_digest_of_a_folder_is_pinned(tmp_path):
    assert (
        FileDigests().tree(model(tmp_path)) == "sha256:ef02103e72c3ffd91d0c5ec680527edb805614ea98605512ec6e84573d2f062a"
    )
