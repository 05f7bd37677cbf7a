"""Trained models in an output folder: found, found damaged, taken over from a killed session, kept when replaced."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datadreamer import DataDreamer, _context, runs, trainers
from datadreamer.cards import read_trainer
from datadreamer.identity import digest as digest_of
from datadreamer.steps import DataSource
from datadreamer.trainers import Trainer, TrainHFFineTune

sys.path.insert(0, str(Path(__file__).parents[1] / "trainers"))

import tiny
from transformers import TrainerCallback


class Present(TrainerCallback):
    """A callable, with which trainings run in this process: sooner than a worker has started."""

    def __datadreamer_fingerprint__(self) -> str:
        return "present"


ROWS = {"q": [q for q, _ in tiny.PAIRS[:12]], "a": [a for _, a in tiny.PAIRS[:12]]}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.causal(tmp_path_factory.mktemp("base"))


@pytest.fixture
def train(tmp_path: Path, base: Path, caplog: pytest.LogCaptureFixture) -> Callable[..., Any]:
    """Train in a session of its own; gives the trainer, and whether it was trained now."""

    def run(**settings: Any) -> tuple[Any, str]:
        caplog.clear()
        trainer = TrainHFFineTune("Train", str(base), device="cpu", force=settings.pop("force", False))
        with caplog.at_level("INFO", "datadreamer"), DataDreamer(tmp_path / "output"):
            rows = DataSource("Rows", ROWS)
            trainer.train(rows["q"], rows["a"], **{"epochs": 1, "batch_size": 4, "callbacks": [Present()], **settings})
        return trainer, caplog.text

    return run


def digest(folder: Path) -> str:
    from datadreamer.ledger import FileDigests

    return FileDigests(None).tree(folder)


def test_what_a_killed_session_had_trained_is_taken_over(tmp_path: Path, train: Callable[..., Any]) -> None:
    trainer, said = train()
    assert "is training" in said
    made = digest(trainer.folder / "_model")
    key = read_trainer(trainer.folder).key
    work = tmp_path / "output" / "_work" / key.partition(":")[2][:24]
    work.mkdir()
    trainer.folder.rename(work / "done")  # as it is between the end of the training and its commit
    for name in ("trainer.json", "README.md", "datadreamer.json"):
        (work / "done" / name).unlink()
    again, said = train()
    assert "is training" not in said and digest(again.folder / "_model") == made
    assert again.result.steps == trainer.result.steps and not work.exists()
    assert "is finished already" in train()[1]


def test_a_damaged_model_is_found_and_trained_again(tmp_path: Path, train: Callable[..., Any]) -> None:
    trainer, _ = train()
    made = digest(trainer.folder / "_model")
    weights = trainer.folder / "_model" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 0xFF
    weights.write_bytes(content)
    assert [check.name for check in runs.verify(tmp_path / "output") if check.problem] == ["Train"]
    again, said = train()
    assert "not those that were trained" in said and "is training" in said
    assert digest(again.folder / "_model") == made
    assert not [check for check in runs.verify(tmp_path / "output") if check.problem]


def test_a_replaced_model_stays_with_its_trainer_and_a_revert_trains_nothing(
    tmp_path: Path, base: Path, train: Callable[..., Any]
) -> None:
    session = DataDreamer(tmp_path / "output").start()
    try:
        rows = DataSource("Rows", ROWS)
        made = []
        for epochs in (1, 2):
            trainer = TrainHFFineTune("Train", str(base), device="cpu")
            made.append(trainer.train(rows["q"], rows["a"], epochs=epochs, batch_size=4, callbacks=[Present()]))
        old, new = made
        assert old.folder != new.folder and digest(old.folder / "_model") != digest(new.folder / "_model")
        assert old.model_path != new.model_path
    finally:
        session.stop()
    again, said = train()
    assert "is training" not in said and digest(again.folder / "_model") == digest(old.folder / "_model")


def test_every_training_says_why(train: Callable[..., Any]) -> None:
    assert "again" not in train()[1]
    assert 'trains again: setting: settings["arguments"]["seed"]' in train(seed=1)[1]
    assert "it is forced to (force=True)" in train(seed=1, force=True)[1]


# --- what counts ------------------------------------------------------------------------------------------------------

CONSTRUCTOR: dict[str, Any] = {  # each to another value than the default
    "chat_prompt_template": "<{{prompt}}>",
    "system_prompt": "Be brief.",
    "dtype": "bfloat16",
    "peft_config": {"r": 4},
    "base_url": "http://127.0.0.1:9/v1",
}
TRAIN: dict[str, Any] = {
    "truncate": False, "epochs": 1, "batch_size": 2, "optim": "sgd", "learning_rate": 0.5, "weight_decay": 0.5,
    "lr_scheduler_type": "cosine", "warmup_steps": 7, "neftune_noise_alpha": 0.5, "seed": 7,
    "dpo_beta": 0.5, "loss_type": "hinge", "disable_dropout": False, "learning_rate_multiplier": 0.5,
}  # fmt: skip
DO_NOT_COUNT = {
    "device": "cuda:1", "force": True, "verbose": True, "log_level": 10, "name": "Another name",
    "organization": "ours", "api_key": "sk-another-key-of-the-same-account", "retry_on_fail": False,
}  # fmt: skip
# Need other columns, a hub, or are refused.
TESTED_ELSEWHERE = {
    "self", "model_name", "revision", "trust_remote_code", "quantization_config", "distributed_config", "fsdp",
    "fsdp_config", "kwargs", "api_version",
}  # fmt: skip


class Planning:
    """A session in which trainers plan and nothing is trained."""

    in_memory, ledger = False, None

    def run_trainer(self, trainer: Any, plan: Any) -> None:
        self.key = digest_of(plan.identity())


def trainer_classes() -> list[Any]:
    found = [getattr(trainers, name) for name in trainers.__all__]
    return [kind for kind in found if isinstance(kind, type) and issubclass(kind, Trainer) and kind is not Trainer]


def trainings() -> list[tuple[Any, str]]:
    """Every trainer with each of its methods that train."""
    found = [
        (kind, [name for name in dir(kind) if name.startswith("train_with_")] or ["train"])
        for kind in trainer_classes()
    ]
    return [(kind, method) for kind, methods in found for method in methods]


@pytest.mark.parametrize(("kind", "method"), trainings(), ids=lambda item: getattr(item, "__name__", item))
def test_a_trainer_is_identified_by_every_setting_and_by_nothing_else(kind: Any, method: str, base: Path) -> None:
    session = Planning()
    _context.set_session(session)
    parameters = inspect.signature(getattr(kind, method)).parameters
    inputs = [name for name in parameters if name.startswith(("train_", "validation_"))]
    needed = [name for name in inputs if parameters[name].default is inspect.Parameter.empty]

    def columns(last: str) -> dict[str, Any]:
        """The columns that must be given: what is asked, then answers, which have few values."""
        numbers = [float(number) for number in range(len(ROWS["a"]))]
        made = tiny.columns(asked=[*ROWS["q"][:-1], last], answered=ROWS["a"], score=numbers)
        kinds = ["asked", *("score" if "scores" in name else "answered" for name in needed[1:])]
        return {name: made[column] for name, column in zip(needed, kinds, strict=True)}

    def key(constructor: dict[str, Any] | None = None, train: dict[str, Any] | None = None) -> str:
        made = kind(**{"name": "A name", "model_name": str(base), **(constructor or {})})
        getattr(made, method)(**{**columns("the last"), **(train or {})})
        return session.key

    try:
        same = key()
        assert key() == same
        for name in inspect.signature(kind.__init__).parameters:
            if name in CONSTRUCTOR:
                assert key({name: CONSTRUCTOR[name]}) != same, name
            else:
                assert name in TESTED_ELSEWHERE or key({name: DO_NOT_COUNT[name]}) == same, name
        for name in parameters:
            if name not in TESTED_ELSEWHERE and name not in inputs:
                assert key(train={name: TRAIN[name]}) != same, name
        assert key(train=columns("another")) != same
    finally:
        _context.set_session(None)
