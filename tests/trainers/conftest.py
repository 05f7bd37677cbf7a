"""A session for trainers alone: it runs every plan through the executor, in a folder, and finds finished ones."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from datadreamer import _context
from datadreamer.engine.executors.process import run_job
from datadreamer.trainers.job import prepare_job
from datadreamer.trainers.plan import TrainingPlan, TrainingResult
from datadreamer.trainers.work import loop, registry

os.environ["OMP_NUM_THREADS"] = "1"  # threads of very small models wait for each other more than they work
sys.path.insert(0, str(Path(__file__).parent))

import tiny


class TrainingSession:
    """What a trainer asks of a session. `in_worker` False trains in this process, which spares starting another."""

    in_memory = False
    ledger = None
    only_plan = False  # True: keep the plan and train nothing

    def __init__(self, folder: Path, in_worker: bool) -> None:
        self.folder, self.in_worker = folder, in_worker
        self.events: list[dict[str, Any]] = []
        self.plans: list[TrainingPlan] = []

    def run_trainer(self, trainer: Any, plan: TrainingPlan) -> TrainingResult | None:
        self.plans.append(plan)
        if self.only_plan:
            return None
        trainer.folder = self.folder / trainer.name
        job = prepare_job(trainer.name, plan, trainer.folder)
        if self.in_worker or plan.callables:
            return msgspec.convert(run_job(job, self.events.append), TrainingResult)
        import threading

        result = loop.finished(job) or registry.train(job, self.events.append, threading.Event())
        assert result is not None
        return result


@pytest.fixture
def here(tmp_path: Path) -> Iterator[TrainingSession]:
    """A session that trains in this process."""
    session = TrainingSession(tmp_path / "output", in_worker=False)
    _context.set_session(session)
    yield session
    _context.set_session(None)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[TrainingSession]:
    """A session that trains in a worker process."""
    session = TrainingSession(tmp_path / "output", in_worker=True)
    _context.set_session(session)
    yield session
    _context.set_session(None)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Folders of tiny models."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "causal": str(tiny.causal(folder / "causal")),
        "chat": str(tiny.causal(folder / "chat", chat=True)),
        "llama": str(tiny.llama(folder / "llama", chat=True)),
        "t5": str(tiny.t5(folder / "t5")),
    }


@pytest.fixture(scope="session")
def pairs() -> Any:
    """Forty questions and answers: columns `question` and `answer`."""
    return tiny.columns(question=[q for q, _ in tiny.PAIRS], answer=[a for _, a in tiny.PAIRS])
