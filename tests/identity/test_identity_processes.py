"""The same identities in other processes: other hash seeds, folders, ways to start, Python versions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import identity_golden
import pytest

PROGRAM = """
import sys
from datadreamer import identity

WORDS = {"the", "a", "of", "and", "to"}

class Cleaner:
    rounds = 2
    def __call__(self, text):
        return [word for word in text.split() if word not in WORDS]

def keep(text, cleaner=Cleaner()):
    return cleaner(text)

if __name__ == "__main__":
    print(identity.digest({"keep": keep, "words": WORDS, "f": lambda x: keep(x), "cleaner": Cleaner()}))
"""


def run(*command: str, cwd: Path, **environment: str) -> str:
    paths = {"PYTHONPATH": str(identity_golden.ROOT / "src")}
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **paths, **environment}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_golden_vectors_hold():
    assert identity_golden.digests() == json.loads(identity_golden.GOLDEN.read_text())


def test_golden_vectors_differ_where_their_values_do():
    expected = json.loads(identity_golden.GOLDEN.read_text())
    alike = [
        {'float("nan")', '-float("nan")'},
        {'bytearray(b"ab")', 'memoryview(b"ab")'},
        {"[]", "()"},
        {"[1, 2]", "(1, 2)"},
        {"{1, 2, 3}", "frozenset([3, 2, 1])"},
        {line for line in expected if "[None, True]" in line},
    ]
    by_digest: dict[str, set[str]] = {}
    for line, found in expected.items():
        by_digest.setdefault(found, set()).add(line)
    assert sorted(map(sorted, alike)) == sorted(sorted(lines) for lines in by_digest.values() if len(lines) > 1)


def test_hash_seed_folder_and_way_of_starting_do_not_count(tmp_path):
    found = set()
    for index, folder in enumerate(("one", "two/deeper")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / f"program{index}.py").write_text("\n" * index + PROGRAM)
    for seed in ("0", "1", "424242"):
        found.add(run(sys.executable, "program0.py", cwd=tmp_path / "one", PYTHONHASHSEED=seed))
    found.add(run(sys.executable, "-m", "program1", cwd=tmp_path / "two" / "deeper"))
    found.add(run(sys.executable, "two/deeper/program1.py", cwd=tmp_path))
    found.add(run(sys.executable, "-O", str(tmp_path / "one" / "program0.py"), cwd=tmp_path))
    found.add(run(sys.executable, "-X", "no_debug_ranges", "program0.py", cwd=tmp_path / "one"))
    assert len(found) == 1


def test_without_columns_lambdas_that_differ_on_one_line_are_refused(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "from datadreamer import identity\n"
        "pair = (lambda x: x + 1, lambda x: x - 1)\n"
        "named = (lambda x: x, lambda y: y)\n"
        "print(identity.digest(named[0]) != identity.digest(named[1]))\n"
        "try:\n    identity.digest(pair[0])\n"
        "except identity.encoding.Refusal.__base__ as error:\n    print(error)\n"
    )
    told = run(sys.executable, "-X", "no_debug_ranges", "program.py", cwd=tmp_path)
    assert told.startswith("True\nCannot identify one of 2 lambdas on line 2 of program.py")
    assert told.endswith("Put each lambda of line 2 on a line of its own, or use def.")


def test_importing_the_room_loads_the_standard_library_only(tmp_path):
    code = (
        "import sys; before = set(sys.modules)\n"
        "from datadreamer import identity; identity.digest({'a': [len]})\n"
        "tops = {name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)\n"
        "print(sorted(tops))"
    )
    assert run(sys.executable, "-c", code, cwd=tmp_path) == "['datadreamer']"


def interpreter(version: str) -> str | None:
    """A Python of this version, from the search path or pyenv, if one can be started."""
    pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for candidate in (shutil.which(f"python{version}"), *map(str, pyenv)):
        if candidate is not None and not subprocess.run([candidate, "-c", ""], capture_output=True).returncode:
            return candidate
    return None


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_golden_vectors_hold_on_other_pythons(version, tmp_path):
    python = interpreter(version)
    if python is None:
        pytest.skip(f"Python {version} is not installed; tests/identity/other_pythons.mjs runs it by pyodide")
    assert "golden digests agree" in run(python, str(Path(identity_golden.__file__)), cwd=tmp_path)


FROM_NOWHERE = """
from datadreamer import identity
from datadreamer.errors import CannotIdentifyError

LIMIT = 3

def keep(row):
    return row < LIMIT

class Keeper:
    def __call__(self, row):
        return row < LIMIT

@identity.version("1")
def kept(row):
    return row < LIMIT

print(identity.digest(kept)[:4])
for value in (keep, Keeper(), lambda row: row):
    try:
        print(identity.digest(value)[:4])
    except CannotIdentifyError as error:
        print(error)
"""


def test_a_program_from_standard_input_is_refused_by_name_with_ways_out(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(identity_golden.ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-"], input=FROM_NOWHERE, cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    versioned, function, instance, nameless = done.stdout.splitlines()
    assert versioned == "ddw1"
    if "has no source" not in function:  # a Python that keeps it (3.13)
        assert {function, instance, nameless} == {"ddw1"}
        return
    assert "function 'keep' (from <stdin>)" in function and "read from standard input" in function
    assert "define it in a file" in function and '@datadreamer.identity.version("1")' in function
    assert "'Keeper'" in instance and "read from standard input" in instance
    assert "'<lambda>'" in nameless


def test_a_program_given_on_the_command_line_has_the_identities_of_its_file(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    assert run(sys.executable, "-c", PROGRAM, cwd=tmp_path) == run(sys.executable, "program.py", cwd=tmp_path)
