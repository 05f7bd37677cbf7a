"""The models for tests of workflows, as users meet them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from datadreamer import DataDreamer, _context
from datadreamer.embedders import FakeEmbedder
from datadreamer.errors import AuthenticationError, ModelError, RateLimitError, TransientModelError
from datadreamer.llms import FailTimes, FakeLLM
from datadreamer.llms.types import Failure
from datadreamer.steps import DataFromPrompt, DataSource, ProcessWithPrompt
from datadreamer.task_models import FakeTaskModel


@pytest.mark.parametrize("error", [TransientModelError("busy"), RateLimitError("slow")])
def test_failures_that_pass_are_retried_when_asked_to(error: ModelError) -> None:
    fail = FailTimes(error, times=2)
    fake = FakeLLM("ok", fail=fail, retry_on_fail=True)
    assert fake.run(["a", "b"]) == ["ok", "ok"]
    assert fail.raised == 4 and fake.calls == 6


def test_failures_are_final_when_not(scope: _context.StepScope) -> None:
    outcomes = list(FakeLLM("ok", fail=FailTimes(TransientModelError("busy"))).outcomes(["a", "b"]))
    assert [isinstance(one, Failure) and one.reason for one in outcomes] == ["transient", "transient"]


def test_a_run_can_be_stopped_in_the_middle_and_goes_on_where_it_was(tmp_path: Path) -> None:
    def workflow(fake: FakeLLM) -> list[str]:
        with DataDreamer(str(tmp_path)):
            source = DataSource("Numbers", data={"text": [f"t{number}" for number in range(30)]})
            step = ProcessWithPrompt(
                "Ask", inputs={"inputs": source.output["text"]}, args={"llm": fake, "instruction": "Do."}
            )
            return list(step.output["generations"])

    breaking = FakeLLM("ok", fail=FailTimes(AuthenticationError("the key was withdrawn"), times=99, after=10))
    with pytest.raises(Exception, match="the key was withdrawn"):
        workflow(breaking)
    mended = FakeLLM("ok")
    assert workflow(mended) == ["ok"] * 30
    assert mended.calls == 20


def test_how_it_fails_is_no_part_of_its_identity() -> None:
    assert FakeLLM("a").spec() == FakeLLM("a", fail=FailTimes(ModelError("x")), retry_on_fail=True, latency=1).spec()
    assert FakeLLM("a").spec() != FakeLLM("b").spec()


def test_vectors_of_texts_that_share_words_are_near() -> None:
    embedder = FakeEmbedder(256)
    cat, cats, tax = embedder.run(["The cat sat on the mat.", "the CAT sat on a mat", "quarterly tax reports"])
    assert cat.dtype == np.float32 and cat.shape == (256,) and np.linalg.norm(cat) == pytest.approx(1)
    assert cat @ cats > 0.6 and abs(float(cat @ tax)) < 0.3
    assert embedder.calls == 3 and embedder.dims == 256


def test_vectors_are_the_same_in_every_process() -> None:
    code = "from datadreamer.embedders import FakeEmbedder; print(FakeEmbedder(8).run(['a b c'])[0].tolist())"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str(FakeEmbedder(8).run(["a b c"])[0].tolist())


def test_a_text_without_words_has_a_vector_too() -> None:
    assert all(np.linalg.norm(vector) == pytest.approx(1) for vector in FakeEmbedder().run(["", "!!", "a"]))


def test_task_results_are_what_the_test_says(scope: _context.StepScope) -> None:
    model = FakeTaskModel(lambda text: {"long": float(len(text) > 3)})
    assert model.run(["a", "abcd"]) == [{"long": 0.0}, {"long": 1.0}]
    assert model.run(["a"]) == [{"long": 0.0}] and model.calls == 2  # remembered
    assert FakeTaskModel({"x": 1.0}).run(["a"]) == [{"x": 1.0}]


def test_fakes_serve_steps_like_any_other_model(tmp_path: Path) -> None:
    with DataDreamer(str(tmp_path)):
        step = DataFromPrompt("Make", args={"llm": FakeLLM(["a", "b", "c"]), "n": 3, "instruction": "Say."})
        assert list(step.output["generations"]) == ["a", "b", "c"]
