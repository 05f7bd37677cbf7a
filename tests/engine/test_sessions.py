"""A session's life: folders, locks, logs, notebooks, threads, and what is left when it ends."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datadreamer import DataDreamer
from datadreamer.cards import read_run
from datadreamer.errors import (
    FolderInUseError,
    FolderNotWritableError,
    InvalidArgumentError,
    InvalidTypeError,
    SessionError,
    StepOutputError,
)
from datadreamer.llms import FakeLLM
from datadreamer.steps import Column, DataSource, Prompt, Step, concurrent, output, wait

Run = Callable[..., Any]


class Sleepy(Step):
    """Take a moment for every row."""

    n: Column[int]
    seconds: float = 0.0
    fails: bool = False
    m: int = output()

    def run(self) -> Any:
        time.sleep(self.seconds)
        if self.fails:
            raise ValueError("not today")
        return [n + 1 for n in self.n]


def numbers(*values: int, name: str = "Numbers") -> Any:
    return DataSource(name, {"n": list(values)}).output["n"]


# --- start and stop ---------------------------------------------------------------------------------------------------


def test_a_session_runs_between_start_and_stop(tmp_path: Path) -> None:
    assert not DataDreamer.initialized()
    session = DataDreamer(tmp_path / "o", verbose=False).start()
    assert DataDreamer.initialized() and DataDreamer.get_output_folder_path() == str(tmp_path / "o")
    assert not DataDreamer.is_running_in_memory() and DataDreamer.is_registered_thread()
    assert not DataDreamer.is_background_process()
    numbers(1)
    session.stop()
    session.stop()  # once more does nothing
    assert not DataDreamer.initialized()
    assert read_run(tmp_path / "o" / "datadreamer.json").session.status == "finished"  # type: ignore[union-attr]
    with session:  # and it may be opened again
        assert DataDreamer.initialized()
    with pytest.raises(RuntimeError, match="needs a running session"):
        DataDreamer.get_output_folder_path()


def test_a_notebook_cell_may_run_again(tmp_path: Path) -> None:
    first = DataDreamer(tmp_path, verbose=False)
    first.start()
    again = DataDreamer(tmp_path, verbose=False)
    assert again.start() is first
    step = DataSource("Numbers", {"n": [1]})
    step = DataSource("Numbers", {"n": [1, 2]})  # the cell, changed
    assert step.name == "Numbers" and step.output.num_rows == 2
    again.stop()
    assert not DataDreamer.initialized()


def test_sessions_do_not_nest(tmp_path: Path) -> None:
    with DataDreamer(tmp_path / "a", verbose=False):
        for other in (tmp_path / "a", tmp_path / "b", ":memory:"):
            with pytest.raises(RuntimeError, match="A session is running already"), DataDreamer(other):
                pass
            with pytest.raises(RuntimeError, match="A session is running already"):
                DataDreamer(other).start()
        numbers(1)
    started = DataDreamer(tmp_path / "a", verbose=False).start()
    with pytest.raises(SessionError, match="A session is running already"), DataDreamer(tmp_path / "a"):
        pass
    assert DataDreamer.initialized()
    started.stop()


def test_an_error_frees_the_folder_and_says_failed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), DataDreamer(tmp_path, verbose=False):
        numbers(1)
        _ = 1 / 0
    session = read_run(tmp_path / "datadreamer.json").session
    assert session is not None and session.status == "failed" and session.error == "ZeroDivisionError: division by zero"
    with DataDreamer(tmp_path, verbose=False):
        numbers(1)
    assert read_run(tmp_path / "datadreamer.json").session.status == "finished"  # type: ignore[union-attr]


# --- folders ----------------------------------------------------------------------------------------------------------


def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(ValueError, match=r"output folder '.*file' is a file"), DataDreamer(file):
        pass
    assert file.read_text() == "x" and not DataDreamer.initialized()


@pytest.mark.parametrize("place", ["{file}/below", "/proc/datadreamer"])
def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(FolderNotWritableError, match="cannot be written"):
        DataDreamer(place.format(file=tmp_path / "file")).start()
    assert not DataDreamer.initialized()


def test_a_path_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match="is a path or ':memory:', not NoneType"):
        DataDreamer(None)  # type: ignore[arg-type]
    for empty in ("", "  "):
        with pytest.raises(InvalidArgumentError, match="empty path"):
            DataDreamer(empty)


def test_a_relative_path_and_one_with_odd_letters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in ("out", Path("a b/ü #1%")):
        with DataDreamer(place, verbose=False):
            assert list(numbers(1)) == [1]
            (tmp_path / "elsewhere").mkdir(exist_ok=True)
            os.chdir(tmp_path / "elsewhere")  # a script that walks about
            assert list(Sleepy("Sleepy", n=numbers(1, name="More"))["m"]) == [2]
        os.chdir(tmp_path)
        assert (tmp_path / place / "sleepy" / "step.json").exists()


def test_nothing_in_memory_is_left_behind_and_results_outlive_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where no other program makes folders
    before = {path.name for path in Path(tempfile.gettempdir()).glob("datadreamer-*")}
    with DataDreamer(":memory:", verbose=False) as session:
        assert DataDreamer.is_running_in_memory() and session.folder is None
        source = DataSource("S", {"n": [1, 2, 3]})
        for ask in (DataDreamer.get_output_folder_path, lambda: source.dataset_path):
            with pytest.raises(RuntimeError, match="in memory"):
                ask()
        step = Sleepy("Sleepy", n=source["n"])
        unread, view = Sleepy("Unread", n=source["n"]), step.take(2)
        llm = FakeLLM("ok")
        Prompt("Ask", prompts=DataSource("T", {"t": ["a"]})["t"], llm=llm)
        Prompt("Ask again", prompts=DataSource("T", {"t": ["a"]})["t"], llm=llm)
        assert llm.calls == 1
    assert {path.name for path in Path(tempfile.gettempdir()).glob("datadreamer-*")} == before
    assert list(step.output["m"]) == list(unread.output["m"]) == [2, 3, 4]
    assert view.output.to_list() == [{"m": 2}, {"m": 3}]  # type: ignore[union-attr]
    assert step.output.dataset[:] == {"m": [2, 3, 4]} and step.head(1).shape == (1, 1)
    assert step.export_to_list() == [{"m": 2}, {"m": 3}, {"m": 4}]
    assert Path(step.export_to_json(str(tmp_path / "m.jsonl"))).read_text().splitlines()[0] == '{"m":2}'


HOLDER = """
import sys, time
from datadreamer import DataDreamer
with DataDreamer(sys.argv[1], verbose=False):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(folder: Path, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(folder), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_folder_in_use_names_pid_and_host_and_can_be_waited_for(tmp_path: Path) -> None:
    process = hold(tmp_path, 2.0)
    with pytest.raises(FolderInUseError, match=rf"{process.pid} on {socket.gethostname()}"), DataDreamer(tmp_path):
        pass
    assert not DataDreamer.initialized()
    with DataDreamer(tmp_path, verbose=False, wait=True):
        assert process.wait(timeout=30) == 0
        numbers(1)


# --- logs -------------------------------------------------------------------------------------------------------------


def spoken(tmp_path: Path, body: str, **options: Any) -> str:
    """What a script writes to standard error; nothing may come out of it elsewhere."""
    arguments = "".join(f", {name}={value!r}" for name, value in options.items())
    script = (
        "from datadreamer import DataDreamer\nfrom datadreamer.llms import FakeLLM\n"
        "from datadreamer.steps import *\nfrom datadreamer.steps import DataSource, Prompt, ProcessWithPrompt\n"
        f"with DataDreamer({str(tmp_path / 'o')!r}{arguments}):\n    {body}\n"
    )
    path = tmp_path / "script.py"
    path.write_text(script)
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=100)
    assert done.stdout == ""
    return done.stderr


WORK = "Prompt('Ask', prompts=DataSource('Texts', {'t': ['a', 'b']})['t'], llm=FakeLLM('ok')).take(1)"


def test_a_session_says_one_line_for_every_step_and_a_summary(tmp_path: Path) -> None:
    first = spoken(tmp_path, WORK).splitlines()
    assert first[0] == f"Session started: {tmp_path / 'o'}."
    assert first[1].startswith("Step 'Texts' finished: 2 rows")
    assert first[2].startswith("Step 'Ask' finished: 2 rows, 2 calls, 0 from the ledger")
    assert first[3].startswith("2 results made, in ")
    assert [line.split()[0] for line in first[4:]] == ["rows", "calls", "tokens", "cost"]
    again = spoken(tmp_path, WORK).splitlines()
    assert again[1:3] == [
        "Step 'Texts' is finished already: 2 rows, nothing to do.",
        "Step 'Ask' is finished already: 2 rows, nothing to do.",
    ]
    assert again[3].startswith("nothing had to run, 2 results found finished") and len(again) == 4


def test_verbosity(tmp_path: Path) -> None:
    assert spoken(tmp_path, WORK, verbose=False) == ""
    assert spoken(tmp_path, WORK, log_level=logging.WARNING) == ""
    assert "Step 'Ask (take)' stores no rows of its own." in spoken(tmp_path, WORK, verbose=True)
    dated = spoken(tmp_path, WORK, log_date=True).splitlines()
    assert all(line[:2] == "20" and line[10] == " " and line[13] == ":" for line in dated if not line.startswith(" "))
    quiet = spoken(tmp_path, "DataSource('Other', {'t': ['a']}, verbose=False).logger.info('x')")
    assert "'Other' finished" not in quiet


def test_a_program_with_handlers_of_its_own_keeps_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = logging.getLogger("datadreamer").handlers[:]
    with caplog.at_level(logging.INFO), DataDreamer(tmp_path):
        numbers(1)
    assert "Step 'Numbers' finished" in caplog.text
    assert logging.getLogger("datadreamer").handlers == before


@pytest.mark.parametrize("background", [False, True])
def test_ctrl_c_says_how_to_go_on_and_prints_no_traceback(tmp_path: Path, background: bool) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom datadreamer import DataDreamer\nfrom datadreamer.llms import FakeLLM\n"
        "from datadreamer.steps import DataSource, Prompt\n"
        "with DataDreamer(sys.argv[1]):\n"
        "    texts = DataSource('Texts', {'t': [str(n) for n in range(5000)]})\n"
        "    print('asking', flush=True)\n"
        "    llm = FakeLLM('ok', latency=0.2)\n"
        f"    Prompt('Ask', prompts=texts['t'], llm=llm, batch_size=4, background={background})\n"
    )
    command = [sys.executable, str(script), str(tmp_path / "o")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "asking\n"
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode in (-signal.SIGINT, 130)
    assert f"Interrupted. Everything received so far is kept in {tmp_path / 'o'}: run the script again" in err
    assert "Traceback" not in err and "Error" not in err, err
    assert json.loads((tmp_path / "o" / "datadreamer.json").read_text())["session"]["status"] == "failed"


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_failing_step_leaves_what_came_before_finished(run: Run, tmp_path: Path) -> None:
    def workflow(fails: bool) -> list[int]:
        first = Sleepy("First", n=numbers(1, 2))
        return list(Sleepy("Second", n=first["m"], fails=fails)["m"])

    with pytest.raises(ValueError, match="not today"):
        run(lambda: workflow(True))
    record = read_run(tmp_path / "output" / "datadreamer.json")
    assert record.session is not None and record.session.status == "failed"
    assert record.session.error == "ValueError: not today"
    assert [step.name for step in record.steps] == ["Numbers", "First"]
    assert not (tmp_path / "output" / "second").exists()
    stamp = (tmp_path / "output" / "first" / "step.json").stat().st_mtime_ns
    assert run(lambda: workflow(False)) == [3, 4]
    assert (tmp_path / "output" / "first" / "step.json").stat().st_mtime_ns == stamp


def test_a_failed_step_can_be_made_again_in_the_same_session(run: Run) -> None:
    def workflow() -> list[int]:
        n = numbers(1)
        with pytest.raises(ValueError, match="not today"):
            Sleepy("Step", n=n, fails=True)
        step = Sleepy("Step", n=n)
        assert step.name == "Step"
        return list(step["m"])

    assert run(workflow) == [2]


def test_columns_of_different_lengths_are_refused(run: Run) -> None:
    class Adds(Step):
        a: Column[int]
        b: Column[int]
        c: int = output()

        def process(self, a: int, b: int) -> dict[str, int]:
            return {"c": a + b}

    def workflow(lazy: bool) -> None:
        short = DataSource("Short", {"n": [1]})
        Adds("Adds", a=numbers(1, 2), b=short.map(lambda row: row)["n"] if lazy else short["n"])

    for lazy in (False, True):
        with pytest.raises(
            (RuntimeError, ValueError), match=r"different lengths: 'a' has 2, 'b' has 1 rows|argument 2"
        ):
            run(lambda lazy=lazy: workflow(lazy))


# --- background -------------------------------------------------------------------------------------------------------


def test_background_steps_run_side_by_side_and_are_waited_for(run: Run) -> None:
    def workflow() -> Any:
        n = numbers(1, 2)
        started = time.monotonic()
        steps = [Sleepy(f"Step {k}", n=n, seconds=0.5, background=True) for k in range(4)]
        assert time.monotonic() - started < 0.5
        with pytest.raises(StepOutputError, match=r"ready after wait\(step\)"):
            _ = steps[0].output
        wait(*steps)
        assert time.monotonic() - started < 1.9
        return [list(step["m"]) for step in steps]

    assert run(workflow) == [[2, 3]] * 4


def test_what_a_background_step_raises_surfaces_where_it_is_waited_for(run: Run) -> None:
    def workflow() -> None:
        step = Sleepy("Step", n=numbers(1), fails=True, background=True)
        with pytest.raises(ValueError, match="not today"):
            wait(step)

    run(workflow)


def test_what_a_background_step_raises_is_never_lost(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not today"):
        run(lambda: Sleepy("Step", n=numbers(1), fails=True, background=True))
    session = read_run(tmp_path / "output" / "datadreamer.json").session
    assert session is not None and session.status == "failed"
    assert not DataDreamer.initialized()


def test_the_end_of_a_session_waits_for_background_steps(run: Run, tmp_path: Path) -> None:
    step = run(lambda: Sleepy("Step", n=numbers(1), seconds=0.3, background=True))
    assert list(step["m"]) == [2]
    assert (tmp_path / "output" / "step" / "step.json").exists()


def test_wait_takes_steps_only(run: Run) -> None:
    with pytest.raises(TypeError, match="takes steps, not int 5"):
        run(lambda: wait(5))  # type: ignore[arg-type]
    with pytest.raises(SessionError, match=r"wait\(\) needs a running session"):
        wait()


def test_concurrent_functions_make_steps_side_by_side(run: Run) -> None:
    def make(k: int) -> list[int]:
        assert DataDreamer.is_registered_thread()
        return list(Sleepy("Same name", n=numbers(k, name=f"N{k}"), seconds=0.3)["m"])

    def workflow() -> Any:
        started = time.monotonic()
        results = concurrent(*(lambda k=k: make(k) for k in range(4)))
        assert time.monotonic() - started < 1.2 + 0.8
        return results

    assert run(workflow) == [[1], [2], [3], [4]]
    assert run(workflow) == [[1], [2], [3], [4]]


def test_concurrent_raises_what_a_function_raised_and_refuses_what_is_none(run: Run) -> None:
    def fails() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        run(lambda: concurrent(fails, lambda: 1))
    with pytest.raises(TypeError, match="takes functions without arguments, not int"):
        concurrent(5)  # type: ignore[arg-type]
    assert concurrent() == []


def test_names_are_never_given_twice_to_threads(run: Run) -> None:
    def workflow() -> set[str]:
        barrier = threading.Barrier(8)

        def make() -> str:
            barrier.wait()
            return DataSource("Same", {"n": [1]}).name

        return set(concurrent(*[make] * 8))

    assert run(workflow) == {"Same", *(f"Same #{n}" for n in range(2, 9))}


def test_names_that_files_of_the_folder_have(run: Run, tmp_path: Path) -> None:
    names = [
        "README.md",
        "datadreamer.json",
        "ledger.sqlite",
        "_work",
        "_backups",
        "step.json",
        "run_output",
        "...",
        "é",
    ]

    def workflow() -> list[str]:
        return [DataSource(name, {"n": [n]}).name for n, name in enumerate(names)]

    assert run(workflow) == run(workflow) == names
    assert len(list((tmp_path / "output").glob("*/step.json"))) == len(names)
    assert read_run(tmp_path / "output" / "datadreamer.json").steps[0].label == "readme.md-step"


def test_names_that_would_share_a_folder_do_not(run: Run, tmp_path: Path) -> None:
    def workflow() -> list[Any]:
        return [list(DataSource(name, {"n": [n]})["n"]) for n, name in enumerate(["A b", "a-b", "A  B", "a+b"])]

    assert run(workflow) == run(workflow) == [[0], [1], [2], [3]]
    assert len(list((tmp_path / "output").glob("*/step.json"))) == 4


def test_equal_steps_of_several_threads_are_made_once(run: Run) -> None:
    def workflow() -> tuple[list[list[str]], int]:
        llm = FakeLLM(str.upper, latency=0.05)
        texts = DataSource("Texts", {"t": ["a", "b"]})["t"]
        made = concurrent(*[lambda: list(Prompt("Ask", prompts=texts, llm=llm)["generations"])] * 4)
        return made, llm.calls

    assert run(workflow) == ([["A", "B"]] * 4, 2)


FORKS = """
import os, sys
from datadreamer import DataDreamer
from datadreamer.errors import SessionError
from datadreamer.steps import DataSource

def child(work):
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        assert os.waitpid(pid, 0)[1] == 0
        return
    work()
    sys.stdout.flush()
    os._exit(0)

def a_step_of_the_parent():
    try:
        DataSource("Two", {"n": [2]})
    except SessionError as error:
        print(error)

def a_session_of_its_own():
    with DataDreamer(sys.argv[1] + "-child"):
        DataSource("Three", {"n": [3]})

session = DataDreamer(sys.argv[1]).start()
step = DataSource("One", {"n": [1]})
child(a_step_of_the_parent)
child(a_session_of_its_own)
child(session.stop)
child(lambda: print(step.output.to_list()))
DataSource("Four", {"n": [4]})
session.stop()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_fork_leaves_the_session_of_its_parent_alone_and_may_have_its_own(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FORKS, str(tmp_path / "out")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "A fork cannot run steps of that session" in done.stdout and f"works in {tmp_path / 'out'}" in done.stdout
    assert "[{'n': 1}]" in done.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"one", "four"}
    assert (tmp_path / "out-child" / "three" / "step.json").exists()
