"""The `datadreamer` command: its help, its errors, its exit codes, and what it costs to start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import workflows

import datadreamer
from datadreamer.cli import COMMANDS, main

SOURCE = str(Path(datadreamer.__file__).parents[1])


def test_help_lists_every_command_on_one_line(command):
    for words in (["--help"], []):
        said = command(*words, COLUMNS="80")
        assert said.returncode == 0 and said.stderr == ""
        for name, line in COMMANDS.items():
            assert any(shown.split(None, 1) == [name, line] for shown in said.stdout.splitlines())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_of_its_own(name, capsys):
    assert main([name, "--help"]) == 0
    assert f"datadreamer {name}" in capsys.readouterr().out


def test_version_is_that_of_the_package(command):
    assert command("--version").stdout == f"datadreamer {datadreamer.__version__}\n"


def test_unknown_command_gets_the_nearest_one(capsys):
    assert main(["stauts", "folder"]) == 2
    assert capsys.readouterr().err == "datadreamer: There is no command 'stauts'. Did you mean 'status'?\n"


def test_error_is_one_line_without_a_traceback(command, tmp_path):
    said = command("status", tmp_path / "nowhere")
    assert said.returncode == 1 and said.stdout == ""
    assert said.stderr.startswith("datadreamer: There is no folder") and said.stderr.count("\n") == 1


def test_missing_argument_is_a_misuse(command):
    said = command("why", "folder")
    assert said.returncode == 2 and "step" in said.stderr


def test_starting_loads_the_standard_library_only():
    code = (
        "import sys; from datadreamer.cli import main; main(['--help']); main(['status', '--help']);"
        "print([name for name in ('msgspec', 'numpy', 'pyarrow', 'torch', 'rich') if name in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": SOURCE}
    )
    assert said.stdout.splitlines()[-1] == "[]"


def test_reader_that_stops_early_is_no_error(tmp_path):
    workflows.run(tmp_path)
    pipe = subprocess.Popen(
        [sys.executable, "-m", "datadreamer", "show", str(tmp_path), "Draw texts", "--json", "-n", "12"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": SOURCE},
    )
    pipe.stdout.close()
    assert pipe.stderr.read() == b""
    assert pipe.wait(timeout=60) == 141


def test_ctrl_c_ends_with_130_and_no_traceback(tmp_path):
    code = (
        "import sys, time; from datadreamer import cli; from datadreamer.cli import status;\n"
        "status.run = lambda arguments: (print('here', flush=True), time.sleep(60));\n"
        f"sys.exit(cli.main(['status', {str(tmp_path)!r}]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": SOURCE},
    )
    assert process.stdout.readline().strip() == b"here"
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert process.stderr.read() == b""
