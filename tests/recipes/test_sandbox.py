"""What a sandboxed program may and may not do, and which mathematical answers say the same."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from datadreamer.errors import InvalidArgumentError
from datadreamer.recipes import run_code
from datadreamer.recipes.math_answers import final_answer, same_answer

needs_limits = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no resource limits")


def test_a_program_runs_and_says_what_it_printed():
    done = run_code("import sys\nprint(input() + '!')\nprint('oops', file=sys.stderr)", stdin="hello")
    assert (done.ok, done.stdout, done.stderr, done.reason) == (True, "hello!\n", "oops\n", None)
    failed = run_code("raise ValueError('no good')")
    assert not failed.ok and failed.reason == "error" and "no good" in failed.stderr


@needs_limits
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("while True: pass", "timeout"),
        ("import time; time.sleep(60)", "timeout"),
        ("x = 'a' * 10**10", "memory"),
        ("print('x' * 10**8)", "error"),
        ("import os; os.kill(os.getpid(), 9)", "killed"),
    ],
)
def test_a_program_that_wants_too_much_is_ended(code, reason):
    done = run_code(code, timeout=1)
    assert not done.ok and done.reason == reason and len(done.stdout) <= 64_000


def test_a_program_sees_no_key_and_not_our_folder(monkeypatch):
    monkeypatch.setenv("PLANTED_API_KEY", "sk-planted-0123456789")
    done = run_code("import os\nprint(dict(os.environ), os.listdir('.'), os.getcwd())")
    assert done.ok and "planted" not in done.stdout and "[]" in done.stdout
    assert str(Path.cwd()) not in done.stdout


def test_what_a_program_started_ends_with_it():
    mark = f"7{os.getpid()}"
    started = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep({mark})'])"
    assert run_code(started).ok
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
        if not any(mark.encode() in command and b"sleep" in command for command in commands):
            return
        time.sleep(0.05)
    raise AssertionError("it lives on")


def test_limits_below_zero_are_refused():
    with pytest.raises(InvalidArgumentError, match="must be above 0"):
        run_code("pass", timeout=0)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("7", "7.0", True),
        ("1/2", r"\frac{1}{2}", True),
        ("1,000", "1000", True),
        (r"\$5", "5", True),
        (r"2\sqrt{2}", r"\sqrt{8}", True),
        ("(x-1)(x+1)", "x^2 - 1", True),
        ("x = 3", "3", True),
        ("3", "4", False),
        ("x + 1", "x", False),
        ("", "0", False),
        ("a word", "another", False),
    ],
)
def test_answers_are_compared_as_text_numbers_and_formulas(a, b, same):
    assert same_answer(a, b) is same


def test_an_answer_is_never_run(tmp_path):
    target = tmp_path / "written"
    for answer in (f"__import__('pathlib').Path('{target}').touch()", f"open('{target}','w')", "x.__class__"):
        assert same_answer(answer, "1") is False
    assert not target.exists()


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        (r"so \boxed{1} no, \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        ("steps\n#### 42", "42"),
        ("The answer is 7.", "7"),
        ("3 apples and 4 pears make 7", "7"),
        ("nothing here", None),
    ],
)
def test_the_final_answer_of_a_solution_is_found(solution, answer):
    assert final_answer(solution) == answer
