"""Names in any script work where the locale knows no letters but ASCII (LC_ALL=C without Python's UTF-8 mode)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from datadreamer import DataDreamer, runs
from datadreamer.llms import FakeLLM
from datadreamer.steps import DataSource, Prompt

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="file names are Unicode there")

ASCII = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
SCRIPT = """
import sys
from datadreamer import DataDreamer
from datadreamer.llms import FakeLLM
from datadreamer.steps import DataSource, Prompt

with DataDreamer(sys.argv[1]):
    texts = DataSource("Täxte 文", {"täxt": ["ä", "b"]})
    asked = Prompt("Fräge 問", inputs={"prompts": texts.output["täxt"]}, args={"llm": FakeLLM(str.upper)})
    asked.data_card()
    assert list(asked.output["generations"]) == ["Ä", "B"]
"""


def run_as_ascii(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], env=ASCII, capture_output=True, text=True, timeout=60)


def test_a_workflow_runs_is_found_finished_and_can_be_asked_about(tmp_path: Path) -> None:
    script, folder = tmp_path / "script.py", str(tmp_path / "output")
    script.write_text(SCRIPT, "utf-8")
    for said in ("2 results made", "2 results found finished"):
        done = run_as_ascii(str(script), folder)
        assert done.returncode == 0 and said in done.stderr, done.stderr
    for words in (["status", folder], ["show", folder, "Fräge 問"], ["why", folder, "Täxte 文"], ["losses", folder]):
        done = run_as_ascii("-m", "datadreamer", *words)
        assert done.returncode == 0, done.stderr
    llm = FakeLLM(str.upper)
    with DataDreamer(folder):  # in a locale that has these letters: the same results
        texts = DataSource("Täxte 文", {"täxt": ["ä", "b"]})
        Prompt("Fräge 問", inputs={"prompts": texts.output["täxt"]}, args={"llm": llm})
    assert llm.calls == 0 and not [check for check in runs.verify(folder) if check.problem]


def test_a_folder_that_cannot_be_named_is_refused_with_a_way_out(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, "utf-8")
    done = run_as_ascii(str(script), str(tmp_path / "ausgäbe"))
    assert done.returncode == 1
    assert "FolderNotWritableError" in done.stderr and "PYTHONUTF8=1" in done.stderr
