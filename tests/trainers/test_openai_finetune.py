"""Fine-tuning at OpenAI, against a service on loopback, with the client that OpenAI publishes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fine_tuning_service import FineTuningServer

from datadreamer import DataDreamer
from datadreamer.errors import AuthenticationError, InvalidArgumentError, TrainingError
from datadreamer.llms import OpenAI
from datadreamer.steps import DataSource
from datadreamer.trainers import TrainOpenAIFineTune

KEY = "sk-planted-0123456789abcdefghij"


@pytest.fixture
def server():
    with FineTuningServer() as running:
        yield running


def train(folder: Path, server: FineTuningServer, name="Distil", rows=12, key=KEY, options=None, **arguments):
    with DataDreamer(str(folder), verbose=False):
        data = DataSource(
            "Pairs", {"q": [f"question {i}" for i in range(rows)], "a": [f"answer {i}" for i in range(rows)]}
        )
        held_out = DataSource("Held out", {"q": ["question x"], "a": ["answer x"]})
        trainer = TrainOpenAIFineTune(name, "gpt-4o-mini", base_url=server.url, api_key=key, **(options or {}))
        trainer.train(data.output["q"], data.output["a"], held_out.output["q"], held_out.output["a"], **arguments)
    return trainer


def test_rows_are_uploaded_a_job_is_started_and_its_model_can_be_asked_for(server, tmp_path):
    trainer = train(tmp_path, server, epochs=3, seed=5, suffix="mine", metadata={"team": "a"})
    assert trainer.model == trainer.model_path == "ft:gpt-4o-mini:org::ftjob-0"
    assert OpenAI(trainer.model_path, base_url=server.url).model_name == trainer.model

    asked = server.jobs["ftjob-0"]["asked"]
    assert asked["method"] == {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}}
    assert (asked["model"], asked["seed"], asked["suffix"]) == ("gpt-4o-mini", 5, "mine")
    assert asked["metadata"]["team"] == "a" and len(asked["metadata"]["datadreamer"]) == 32
    lines = [json.loads(line) for line in server.files[asked["training_file"]].splitlines()]
    assert len(lines) == 12
    assert lines[3] == {
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "question 3"},
            {"role": "assistant", "content": "answer 3"},
        ]
    }
    assert "question x" in server.files[asked["validation_file"]]

    assert [entry["loss"] for entry in trainer.result.history] == [2.0, 1.0]
    assert trainer.result.tokens == {"train": 1234} and trainer.result.train_seconds == 60.0
    assert trainer.result.rows == {"train": 12, "validation": 1}


def test_a_second_run_asks_nothing_and_the_card_names_the_service(server, tmp_path):
    first = train(tmp_path, server)
    asked = len(server.requests)
    again = train(tmp_path, server, name="Renamed")
    assert len(server.requests) == asked and again.model == first.model
    assert again.fingerprint == first.fingerprint
    card = (tmp_path / "distil" / "README.md").read_text()
    assert "gpt-4o-mini" in card and "trained at a service" in card
    record = json.loads((tmp_path / "distil" / "trainer.json").read_text())
    assert record["library"] == "openai" and record["base_model"]["provider"] == "openai"


def test_another_hyperparameter_is_another_job_and_another_key_is_not(server, tmp_path):
    train(tmp_path, server)
    train(tmp_path, server, key="sk-other-0123456789abcdefghij")
    assert len(server.jobs) == 1
    train(tmp_path, server, epochs=2)
    assert len(server.jobs) == 2


def test_no_key_is_in_any_file(server, tmp_path):
    train(tmp_path, server)
    assert f"Bearer {KEY}" in server.keys
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files and not any(KEY.encode() in path.read_bytes() for path in files)


def test_a_failed_job_says_why_and_the_next_run_starts_another_with_the_same_files(server, tmp_path):
    server.fail_with = "the training file is no good"
    with pytest.raises(TrainingError, match="the job ftjob-0 failed at the service: the training file is no good"):
        train(tmp_path, server)
    server.fail_with = None
    assert train(tmp_path, server).model.endswith("ftjob-1")
    assert len(server.files) == 2


def test_a_wrong_key_and_a_service_that_is_down_for_a_moment(server, tmp_path):
    with pytest.raises(AuthenticationError, match="Incorrect API key"):
        train(tmp_path, server, key="sk-wrong-0123456789abcdefgh")
    server.broken = 2
    assert train(tmp_path, server).model.startswith("ft:")


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[3])
from test_openai_finetune import train
class Server: url = sys.argv[2]
print(train(sys.argv[1], Server).model)
"""


@pytest.mark.parametrize("when", ["before the answer", "while it runs"])
def test_a_killed_script_goes_on_with_the_job_that_runs(tmp_path, when):
    with FineTuningServer(looks=4) as server:
        command = [sys.executable, "-c", SCRIPT, str(tmp_path), server.url, str(Path(__file__).parent)]
        killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if when == "before the answer":
            server.on_started = killed.kill
        else:
            while not any(job["looked"] for job in server.jobs.values()):
                assert killed.poll() is None
            killed.kill()
        killed.wait()
        server.on_started = lambda: None
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "ft:gpt-4o-mini:org::ftjob-0"
        assert len(server.jobs) == 1 and len(server.files) == 2


def test_what_cannot_be_trained_is_refused_before_anything_is_uploaded(server, tmp_path):
    with pytest.raises(InvalidArgumentError, match="epochs must be a whole number above 0, or AUTO, not 0"):
        train(tmp_path, server, epochs=0)
    with pytest.raises(InvalidArgumentError, match=r"no argument 'sufix'\. Did you mean 'suffix'"):
        train(tmp_path, server, sufix="x")
    with pytest.raises(InvalidArgumentError, match="no option 'orgnization'"):
        train(tmp_path, server, options={"orgnization": "x"})
    assert server.requests == []
