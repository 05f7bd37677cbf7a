"""Where code may come from: notebook cells, prompts, rewritten test files, edited files."""

from __future__ import annotations

import importlib
import linecache
import subprocess
import sys
from pathlib import Path

import pytest
from identity_samples import shorten

from datadreamer.errors import CannotIdentifyError
from datadreamer.identity import digest


def run_cell(source: str, name: str, scope: dict[str, object]) -> None:
    """As IPython runs a cell: its text is in linecache, under a name that is no file."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec"), scope)


def test_functions_of_a_notebook_are_identified_by_their_cell(load):
    scope: dict[str, object] = {"__name__": "__main__"}
    run_cell("LIMIT = 3\n", "<ipython-input-1-aa>", scope)
    run_cell("def clean(text):\n    return text.split()[:LIMIT]\n", "<ipython-input-2-bb>", scope)
    first = digest(scope["clean"])
    run_cell("# again\ndef clean(text):\n    return text.split()[ :LIMIT]\n", "<ipython-input-3-cc>", scope)
    assert digest(scope["clean"]) == first
    assert digest(load("LIMIT = 3\ndef clean(text):\n    return text.split()[:LIMIT]\n").clean) == first
    run_cell("LIMIT = 4\n", "<ipython-input-4-dd>", scope)
    assert digest(scope["clean"]) != first


def test_classes_of_a_notebook_are_identified_by_their_cell():
    scope: dict[str, object] = {"__name__": "__main__"}
    cell = "class Cleaner:\n    def run(self, text):\n        return text.{}()\n"
    run_cell(cell.format("lower"), "<ipython-input-5-ee>", scope)
    first = digest(scope["Cleaner"])
    run_cell(cell.format("upper"), "<ipython-input-6-ff>", scope)
    second = digest(scope["Cleaner"])
    run_cell("\n" + cell.format("lower"), "<ipython-input-7-gg>", scope)
    assert digest(scope["Cleaner"]) == first != second


def test_classes_made_by_exec_without_a_module_name_are_the_users_own():
    scope: dict[str, object] = {}
    cell = "class Cleaner:\n    def run(self, text):\n        return text.{}()\n"
    run_cell(cell.format("lower"), "<ipython-input-8-hh>", scope)
    first = digest(scope["Cleaner"])
    run_cell(cell.format("upper"), "<ipython-input-9-ii>", scope)
    assert digest(scope["Cleaner"]) != first


COMMAND = """
from datadreamer.identity import digest
LIMIT = {limit}
def clean(text): return text.split()[:LIMIT]
class Cleaner:
    def run(self, text): return clean(text)
print(digest([clean, Cleaner]))
"""


def run_command(program: str, *options: str) -> str:
    done = subprocess.run([sys.executable, *options, "-c", program], capture_output=True, text=True)
    return done.stderr or done.stdout


def test_functions_of_a_program_on_the_command_line_are_identified_by_its_text():
    first = run_command(COMMAND.format(limit=3))
    assert first.startswith("ddw1:")
    assert run_command("# again" + COMMAND.format(limit=3), "-O") == first
    assert run_command(COMMAND.format(limit=4)) != first


def test_a_function_made_by_exec_is_not_taken_for_one_of_the_command_line():
    program = COMMAND.format(limit=3) + "\nexec('\\n\\n\\ndef clean(text): return 1')\nprint(digest(clean))\n"
    assert "which has no source that can be read" in run_command(program)


def test_functions_with_assertions_in_a_rewritten_test_file_are_found():
    def checked(x):
        assert x > 0, "positive"
        return x

    assert digest(checked).startswith("ddw1:")


def test_a_function_is_read_once_and_stays_what_it_was_when_its_file_is_edited_later(load):
    module = load("def f(x): return x\n")
    before = digest(module.f)
    Path(module.__file__).write_text("\n\n\ndef f(x): return -x\n")
    linecache.checkcache(module.__file__)
    assert digest(module.f) == before


def test_an_edit_that_leaves_the_function_alone_does_no_harm(load):
    module = load("def f(x): return x\ndef g(x): return x\n")
    Path(module.__file__).write_text("def f(x): return x\n\n\nprint('never run')\n")
    assert digest(module.f) == digest(load("def f(x): return x").f)


def test_a_class_whose_file_changed_is_noticed(load):
    module = load("class C:\n    def f(self): return 1\n")
    Path(module.__file__).write_text("\n\n\n\nclass C:\n    def f(self): return 2\n")
    with pytest.raises(CannotIdentifyError, match="was changed after it was loaded"):
        digest(module.C)


def test_a_function_from_a_text_is_refused():
    with pytest.raises(CannotIdentifyError, match="no source that can be read"):
        digest(eval("lambda x: x"))


def test_samples_are_the_users_own_code():
    assert digest(shorten) != digest(len)


def test_a_class_whose_methods_are_reloaded_in_place_is_read_again(load):
    """As %autoreload does in a notebook."""
    source = "class C:\n    def f(self): return {}\n"
    module = load(source.format(1))
    before = digest(module.C)
    Path(module.__file__).write_text(source.format(22))
    reloaded: dict[str, object] = dict(vars(module))
    exec(compile(source.format(22), module.__file__, "exec"), reloaded)
    module.C.f = vars(reloaded["C"])["f"]
    assert digest(module.C) != before


def test_relative_imports_inside_functions_are_followed(tmp_path, monkeypatch):
    def program(package: str, result: int) -> list[str]:
        folder = tmp_path / package / "inner"
        folder.mkdir(parents=True)
        (tmp_path / package / "__init__.py").write_text("")
        (folder / "__init__.py").write_text("")
        (folder / "helper.py").write_text(f"def h(): return {result}\n")
        (folder / "steps.py").write_text(
            "def f():\n    from . import helper\n    return helper.h()\n"
            "def g():\n    from .helper import h\n    return h()\n"
            "def k():\n    from ..inner import helper as x\n    return x.h()\n"
        )
        steps = importlib.import_module(f"{package}.inner.steps")
        return [digest(function) for function in (steps.f, steps.g, steps.k)]

    monkeypatch.syspath_prepend(str(tmp_path))
    first = program("package_a", 1)
    assert program("package_b", 1) == first
    assert not set(program("package_c", 2)) & set(first)
