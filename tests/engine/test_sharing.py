"""Answers that several projects share, and what an output folder can do without."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from datadreamer import DataDreamer, runs
from datadreamer.cli import main as command
from datadreamer.errors import DamagedFileError, FolderInUseError, InvalidArgumentError
from datadreamer.ledger import FolderLock, Ledger
from datadreamer.llms import FakeLLM
from datadreamer.steps import DataSource, Prompt


def ask(folder: Path | str, llm: FakeLLM, **options: Any) -> list[str]:
    with DataDreamer(folder, **options):
        texts = DataSource("Texts", {"text": ["a", "b", "c"]})
        return list(Prompt("Ask", inputs={"prompts": texts.output["text"]}, args={"llm": llm}).output["generations"])


def calls_in(file: Path) -> int:
    with Ledger.open(file, readonly=True) as ledger:
        return ledger.count_calls()


def test_a_second_project_asks_nothing_and_is_whole_without_the_first(tmp_path: Path) -> None:
    llm = FakeLLM(str.upper)
    ask(tmp_path / "one", llm)
    before = (tmp_path / "one" / "ledger.sqlite").read_bytes()
    assert ask(tmp_path / "two", llm, shared_store=tmp_path / "one") == ["A", "B", "C"]
    assert llm.calls == 3
    assert (tmp_path / "one" / "ledger.sqlite").read_bytes() == before  # another project's folder is only read
    shutil.rmtree(tmp_path / "one")
    shutil.rmtree(tmp_path / "two" / "ask")
    assert ask(tmp_path / "two", llm) == ["A", "B", "C"] and llm.calls == 3


def test_a_store_is_read_and_added_to(tmp_path: Path) -> None:
    llm, store = FakeLLM(str.upper), tmp_path / "store"
    ask(tmp_path / "one", llm, shared_store=str(store))
    assert calls_in(store / "calls.sqlite") == 3
    assert ask(tmp_path / "two", llm, shared_store=[store]) == ["A", "B", "C"]
    assert ask(":memory:", llm, shared_store=[tmp_path / "nothing yet", store]) == ["A", "B", "C"]
    assert llm.calls == 3 and calls_in(tmp_path / "two" / "ledger.sqlite") == 3


def test_a_model_with_a_cache_folder_and_a_session_with_the_same_store_agree(tmp_path: Path) -> None:
    store = tmp_path / "store"
    first, second = FakeLLM("x", cache_folder_path=str(store)), FakeLLM("x")
    ask(tmp_path / "one", first)
    ask(tmp_path / "two", second, shared_store=store)
    assert (first.calls, second.calls) == (3, 0)


def test_two_sessions_share_a_store_at_the_same_time(tmp_path: Path) -> None:
    import subprocess
    import sys

    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom datadreamer import DataDreamer\nfrom datadreamer.llms import FakeLLM\n"
        "from datadreamer.steps import DataSource, Prompt\n"
        "with DataDreamer(sys.argv[1], shared_store=sys.argv[2], verbose=False):\n"
        "    texts = DataSource('Texts', {'text': [str(n) for n in range(300)]})\n"
        "    Prompt('Ask', inputs={'prompts': texts.output['text']}, args={'llm': FakeLLM('x', latency=0.01)})\n"
    )
    command = [sys.executable, str(script)]
    both = [subprocess.Popen([*command, str(tmp_path / name), str(tmp_path / "store")]) for name in ("one", "two")]
    assert [process.wait(60) for process in both] == [0, 0]
    assert calls_in(tmp_path / "store" / "calls.sqlite") == 300


def test_a_wrong_path_is_refused(tmp_path: Path) -> None:
    threads = threading.active_count()
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(InvalidArgumentError, match="is a file"):
        ask(tmp_path / "one", FakeLLM("x"), shared_store=tmp_path / "file.txt")
    with pytest.raises(InvalidArgumentError, match="own folder"):
        ask(tmp_path / "one", FakeLLM("x"), shared_store=tmp_path / "one")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "ledger.sqlite").write_bytes(b"no database at all" * 300)
    with pytest.raises(DamagedFileError, match=f"datadreamer rescue {tmp_path / 'bad'}"):
        ask(tmp_path / "one", FakeLLM("x"), shared_store=tmp_path / "bad")
    with DataDreamer(tmp_path / "one"):  # the folder was let go each time
        pass
    assert threading.active_count() < threads + 5


# --- gc ---------------------------------------------------------------------------------------------------------------


def workflow(folder: Path, llm: FakeLLM, by: int, *, extra: bool = False) -> list[str]:
    with DataDreamer(folder):
        texts = DataSource("Texts", {"text": [str(number + by) for number in range(500)]})
        if extra:
            DataSource("Extra", {"n": list(range(100))})
        return list(Prompt("Ask", inputs={"prompts": texts.output["text"]}, args={"llm": llm}).output["generations"])


def test_gc_shows_and_frees_what_the_last_run_does_not_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    llm = FakeLLM(str.upper)
    workflow(tmp_path, llm, 0, extra=True)
    expected = workflow(tmp_path, llm, 1)
    (tmp_path / "_work" / "link-123-x").mkdir()
    (tmp_path / "_work" / "link-123-x" / "part").write_bytes(bytes(5000))
    (tmp_path / "ask" / ".step.json.12ab.tmp").write_bytes(bytes(10))
    found = {(one.kind, one.name) for one in runs.garbage(tmp_path)}
    assert found == {
        ("backup", "texts"), ("backup", "ask"), ("orphan", "Extra"), ("leftover", "link-123-x"),
        ("leftover", ".step.json.12ab.tmp"),
    }  # fmt: skip
    before = size(tmp_path)
    assert command(["gc", str(tmp_path)]) == 0
    assert "--yes frees" in capsys.readouterr().out and size(tmp_path) == before
    assert command(["gc", str(tmp_path), "--yes"]) == 0
    assert size(tmp_path) < before * 0.75 and runs.garbage(tmp_path) == []
    calls = llm.calls
    assert workflow(tmp_path, llm, 1) == expected and llm.calls == calls
    assert not [check for check in runs.verify(tmp_path) if check.problem]


def test_gc_keeps_what_an_unfinished_step_goes_on_from(tmp_path: Path) -> None:
    def interrupt(row: dict[str, int]) -> dict[str, int]:
        if row["n"] == 2500:
            raise KeyboardInterrupt
        return row

    with pytest.raises(KeyboardInterrupt), DataDreamer(tmp_path):
        numbers = DataSource("Numbers", {"n": list(range(5000))})
        numbers.map(interrupt, lazy=False, name="Ask")
    found = [one for one in runs.garbage(tmp_path) if one.kind == "unfinished"]
    assert [one.name for one in found] == ["Ask"]
    runs.free(tmp_path)
    assert (tmp_path / found[0].path).exists()
    runs.free(tmp_path, ["unfinished"])
    assert not (tmp_path / found[0].path).exists()


def test_gc_touches_nothing_before_a_run_has_ended_well(tmp_path: Path) -> None:
    with DataDreamer(tmp_path):
        DataSource("A", {"n": [1]})
        DataSource("B", {"n": [2]})
    with pytest.raises(RuntimeError), DataDreamer(tmp_path):
        DataSource("A", {"n": [1]})
        raise RuntimeError
    assert runs.garbage(tmp_path) == []


def test_gc_waits_for_nobody(tmp_path: Path) -> None:
    workflow(tmp_path, FakeLLM("x"), 0)
    workflow(tmp_path, FakeLLM("x"), 1)
    with FolderLock(tmp_path), pytest.raises(FolderInUseError):
        runs.free(tmp_path)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and "ledger" not in path.name)
