"""Recorded answers that drive a test."""

from __future__ import annotations

from pathlib import Path

import pytest
from chat_server import Server

from datadreamer import DataDreamer, _context
from datadreamer.errors import NotRecordedError, SourceError
from datadreamer.ledger import Ledger
from datadreamer.llms import Chat, FakeLLM, OpenAI, RecordedLLM
from datadreamer.llms.engine.memory import _open
from datadreamer.steps import DataFromPrompt


@pytest.fixture
def cache(server: Server, tmp_path: Path) -> Path:
    """A folder in which two models have remembered answers."""
    folder = tmp_path / "cache"
    llm = OpenAI("small", base_url=server.url, cache_folder_path=str(folder))
    llm.run([f"p{number}" for number in range(5)], max_new_tokens=20)
    llm.run(["again"], n=3)
    OpenAI("large", base_url=server.url, cache_folder_path=str(folder)).run(["p1"], seed=7, presence_penalty=0.5)
    _open(folder).flush()
    return folder


def test_recorded_answers_come_without_the_model(server: Server, cache: Path) -> None:
    asked = len(server.requests)
    llm = RecordedLLM(cache, "small")
    assert llm.run(["p4", "p0"], max_new_tokens=20) == ["echo p4", "echo p0"]
    assert llm.run(["again"], n=3) == [["echo again"] * 3]
    assert RecordedLLM(cache / "calls.sqlite", "large").run(["p1"], seed=7, presence_penalty=0.5) == ["echo p1"]
    assert len(server.requests) == asked


def test_it_has_the_identity_of_the_model(server: Server, cache: Path) -> None:
    original = OpenAI("small", base_url=server.url)
    assert RecordedLLM(cache, "small").spec() == original.spec()
    assert RecordedLLM(cache, "small").request_spec() == original.request_spec()


def test_what_was_never_asked_stops_the_run_and_names_what_comes_nearest(cache: Path) -> None:
    llm = RecordedLLM(cache, "small")
    with pytest.raises(NotRecordedError, match=r"no answer of 'small' to 'p9' \(draw 0\).*differs in 'messages'.*p\d"):
        llm.run(["p9"], max_new_tokens=20)
    with pytest.raises(NotRecordedError, match=r"differs in 'max_new_tokens': 20 there, 21 here"):
        llm.run(["p1"], max_new_tokens=21)
    with pytest.raises(NotRecordedError, match=r"draw 3.*differs in 'sample'"):
        llm.run(["again"], n=4)
    with pytest.raises(NotRecordedError, match="differs in 'system'"):
        llm.run([Chat([{"role": "user", "content": "p1"}], system="Be brief.")], max_new_tokens=20)


def test_which_recording_and_which_model_must_be_clear(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"several models: 'small'.*'large'"):
        RecordedLLM(cache)
    with pytest.raises(SourceError, match="Did you mean 'small'"):
        RecordedLLM(cache, "smal")
    with pytest.raises(SourceError, match="There is no recording in"):
        RecordedLLM(tmp_path / "nowhere")


def test_a_finished_workflow_drives_itself(tmp_path: Path) -> None:
    def workflow(folder: Path, llm: object) -> list[str]:
        with DataDreamer(str(folder)):
            step = DataFromPrompt("Write", args={"llm": llm, "n": 6, "instruction": "Write a tweet."})
            return list(step.output["generations"])

    fake = FakeLLM(lambda prompt, request: f"tweet {request.sample}")
    written = workflow(tmp_path / "first", fake)
    assert workflow(tmp_path / "second", RecordedLLM(tmp_path / "first")) == written


def test_replaying_costs_nothing(cache: Path, scope: _context.StepScope, ledger: Ledger) -> None:
    RecordedLLM(cache, "small").run(["p1"], max_new_tokens=20)
    ledger.flush()
    ((_, record),) = ledger.calls()
    assert record.cost_usd == 0.0 and record.provider == "recording" and record.served_model == "served-model-1"
