"""What the record says how a workflow is called again."""

import subprocess
import sys

import pytest

from datadreamer.cards import read_run

WORKFLOW = """
from datadreamer import DataDreamer
from datadreamer.steps import DataSource
with DataDreamer("out"):
    DataSource("numbers", {"n": [1]})
"""


@pytest.mark.parametrize(
    ("file", "call", "recorded"),
    [
        ("workflow.py", ["sub/workflow.py", "--rows", "3"], "workflow.py"),
        ("workflow.py", ["-m", "sub.workflow"], "python -m sub.workflow"),
        ("datadreamer", ["sub/datadreamer", "demo", "--rows", "3"], "datadreamer demo"),
    ],
)
def test_a_workflow_is_recorded_as_it_is_called(tmp_path, file, call, recorded):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / file).write_text(WORKFLOW)
    done = subprocess.run([sys.executable, *call], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    session = read_run(tmp_path / "out" / "datadreamer.json").session
    assert session is not None
    assert session.script == recorded
