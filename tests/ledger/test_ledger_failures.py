"""What goes wrong with the file is told to the next caller, with the cure; the writer never dies in silence."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from datadreamer.errors import (
    DamagedFileError,
    FolderNotWritableError,
    InvalidTypeError,
    NewerVersionError,
)
from datadreamer.ledger import CallRecord, Ledger, schema

NOBODY = 65534


def test_a_full_disk_is_told_to_every_thread_and_what_waited_is_written_once_there_is_room(tmp_path, key, call):
    ledger = Ledger.open(tmp_path / "l.sqlite")
    pages = ledger._write_connection.execute("PRAGMA page_count").fetchone()[0]
    ledger._write_connection.execute(f"PRAGMA max_page_count = {pages + 2}")  # SQLite's own "disk is full"
    for number in range(20):
        ledger.put_call(key(number), call(number, response=os.urandom(4000)))
    with pytest.raises(FolderNotWritableError, match=r"disk is full.*20 records wait in memory.*Free some space"):
        ledger.flush()
    told: list[BaseException] = []

    def put() -> None:
        try:
            ledger.put_call(key(99), call(99))
        except FolderNotWritableError as error:
            told.append(error)

    thread = threading.Thread(target=put)
    thread.start()
    thread.join()
    assert len(told) == 1
    assert len(ledger.get_calls([key(number) for number in range(20)])) == 20  # still answered from memory
    with pytest.raises(FolderNotWritableError, match="disk is full"):
        ledger.flush()
    ledger._write_connection.execute("PRAGMA max_page_count = 1000000")
    ledger.flush()
    ledger.put_call(key(99), call(99))
    ledger.close()
    with Ledger.open(tmp_path / "l.sqlite") as again:
        assert again.count_calls() == 21


def test_closing_tells_of_records_that_could_not_be_written(tmp_path, key, call):
    ledger = Ledger.open(tmp_path / "l.sqlite")
    pages = ledger._write_connection.execute("PRAGMA page_count").fetchone()[0]
    ledger._write_connection.execute(f"PRAGMA max_page_count = {pages}")
    ledger.put_call(key(0), call(0, response=os.urandom(100000)))
    with pytest.raises(FolderNotWritableError, match="1 record waits"):
        ledger.close()
    ledger.close()  # once is enough


def test_a_record_of_wrong_types_is_refused_and_its_neighbours_are_written(ledger, key, call):
    ledger.put_call(key(0), call(0))
    ledger.put_call(key(1), CallRecord(text="x", started=object()))  # type: ignore[arg-type]
    with pytest.raises(InvalidTypeError, match="text of type NoneType"):
        ledger.put_call(key(2), CallRecord(text=None))  # type: ignore[arg-type]
    ledger.put_call(key(3), call(3))
    with pytest.raises(InvalidTypeError, match="could not be written"):
        ledger.flush()
    ledger.flush()  # told once
    assert set(ledger.get_calls([key(n) for n in range(4)])) >= {key(0), key(3)}
    assert ledger.get_calls([key(1)]) == {}


@pytest.mark.parametrize("readonly", [False, True])
def test_a_file_that_is_not_a_ledger_is_named_with_a_cure(tmp_path, readonly):
    path = tmp_path / "l.sqlite"
    path.write_bytes(b"these are not the pages of a database\n" * 1000)
    with pytest.raises(DamagedFileError, match=r"l\.sqlite is damaged .*not a database.*datadreamer rescue "):
        Ledger.open(path, readonly)
    other = tmp_path / "other.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE mine (x)")
    connection.commit()
    connection.close()
    with pytest.raises(DamagedFileError, match="not a ledger of DataDreamer"):
        Ledger.open(other, readonly)


@pytest.mark.parametrize("readonly", [False, True])
def test_a_ledger_of_a_newer_version_is_refused_and_left_alone(tmp_path, readonly):
    path = tmp_path / "l.sqlite"
    Ledger.open(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(schema.UPGRADES) + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(NewerVersionError, match=r"version 2; this DataDreamer reads up to version 1.*pip install"):
        Ledger.open(path, readonly)
    assert path.read_bytes() == before


def test_an_older_file_is_upgraded_whole_or_not_at_all(tmp_path, key, call):
    path = tmp_path / "l.sqlite"
    with Ledger.open(path) as ledger:
        ledger.put_call(key(0), call(0))
    next_version = [
        *schema.UPGRADES,
        "ALTER TABLE calls ADD COLUMN region TEXT NOT NULL DEFAULT ''; CREATE TABLE n (x)",
    ]
    broken = [*schema.UPGRADES, "ALTER TABLE calls ADD COLUMN region TEXT; CREATE TABLE calls (again)"]
    connection = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        schema.upgrade(connection, path, broken)
    assert schema.version_of(connection, path) == 1
    schema.upgrade(connection, path, next_version)
    assert connection.execute("SELECT text, region FROM calls").fetchall() == [("answer 0", "")]
    assert schema.version_of(connection, path, 2) == 2
    connection.close()


def test_a_truncated_file_is_told_when_it_is_opened(tmp_path, key, call):
    path = tmp_path / "l.sqlite"
    with Ledger.open(path) as ledger:
        for number in range(500):
            ledger.put_call(key(number), call(number, response=os.urandom(1000)))
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(DamagedFileError, match="is damaged"):
        Ledger.open(path)


def test_a_damaged_page_is_told_by_the_look_up_that_meets_it_and_by_a_check(tmp_path, key, call):
    path = tmp_path / "l.sqlite"
    with Ledger.open(path) as ledger:
        for number in range(500):
            ledger.put_call(key(number), call(number, response=os.urandom(1000)))
    damage(path, pages=range(20, 30))
    with Ledger.open(path) as ledger:
        with pytest.raises(DamagedFileError, match=r"Save what can still be read with: datadreamer rescue "):
            ledger.get_calls([key(number) for number in range(500)])
        with pytest.raises(DamagedFileError, match="is damaged"):
            ledger.check()


def test_the_first_bytes_of_a_new_file_lost_in_a_crash_are_no_damage(tmp_path, key, call):
    (tmp_path / "l.sqlite").touch()
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        ledger.put_call(key(0), call(0))


def test_a_path_below_a_file_is_refused_with_its_name(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FolderNotWritableError, match="file cannot be created"):
        Ledger.open(tmp_path / "file" / "l.sqlite")
    (tmp_path / "folder.sqlite").mkdir()
    with pytest.raises(FolderNotWritableError, match=r"folder\.sqlite cannot be written or opened"):
        Ledger.open(tmp_path / "folder.sqlite")


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_read_only_folder_can_be_read_and_says_that_it_cannot_be_written(tmp_path_factory, key, call):
    folder = tmp_path_factory.mktemp("published")
    with Ledger.open(folder / "l.sqlite") as ledger:
        ledger.put_call(key(0), call(0))
    Path(folder / "l.sqlite").chmod(0o444)
    folder.chmod(0o555)
    try:
        said = as_ordinary_user(_READ_AND_WRITE, folder, str(folder / "l.sqlite"), str(folder / "new" / "l.sqlite"))
    finally:
        folder.chmod(0o755)
    assert said[0] == "1 calls"
    assert said[1].startswith("FolderNotWritableError") and "l.sqlite" in said[1]
    assert said[2].startswith("FolderNotWritableError") and "cannot be created" in said[2]


_READ_AND_WRITE = """
import os, sys
if os.getuid() == 0:
    os.setgid(NOBODY); os.setuid(NOBODY)
with Ledger.open(sys.argv[1], readonly=True) as ledger:
    print(ledger.count_calls(), "calls")
for path in sys.argv[1:]:
    try:
        with Ledger.open(path) as ledger:
            ledger.put_call(b"k" * 32, CallRecord(text=""))
            ledger.flush()
        print("written")
    except Exception as error:
        print(type(error).__name__, str(error).replace("\\n", " "))
"""


def as_ordinary_user(script: str, folder: Path, *arguments: str) -> list[str]:
    """Run a script without the rights of root, to whom no folder is read-only; imports happen with them."""
    opened = []
    for parent in folder.parents:  # temporary folders are closed to others
        if parent.stat().st_uid == os.getuid() and not parent.stat().st_mode & 0o001:
            opened.append((parent, parent.stat().st_mode))
            parent.chmod(parent.stat().st_mode | 0o001)
    imports = f"from datadreamer.ledger import CallRecord, Ledger, Redactor; NOBODY = {NOBODY}; Redactor.default()\n"
    imports += "Ledger.open(':memory:').close()\n"
    try:
        run = subprocess.run([sys.executable, "-c", imports + script, *arguments], capture_output=True, text=True)
    finally:
        for parent, mode in opened:
            parent.chmod(mode)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def damage(path: Path, pages: range) -> None:
    with path.open("r+b") as file:
        for page in pages:
            file.seek(page * schema.PAGE_BYTES)
            file.write(b"\xa5" * schema.PAGE_BYTES)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are listed there")
def test_a_damaged_ledger_that_was_refused_is_let_go_of(tmp_path, key, call):
    path = tmp_path / "l.sqlite"
    with Ledger.open(path) as ledger:
        for number in range(50):
            ledger.put_call(key(number), call(number, response=os.urandom(4000)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for readonly in (False, True):
        with pytest.raises(DamagedFileError) as caught:
            Ledger.open(path, readonly=readonly).check()
        links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        assert not [link for link in links if str(path) in os.path.realpath(link)], caught
