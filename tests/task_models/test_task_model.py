"""What happens around a task model: order, looking up, recording, errors."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from datadreamer import _context
from datadreamer.errors import InvalidArgumentError, InvalidTypeError, ModelError, PermanentModelError
from datadreamer.ledger import Ledger
from datadreamer.task_models import ParallelTaskModel, TaskModel


class Lengths(TaskModel):
    """Counts letters, and remembers which batches it was asked."""

    extra_parameters = frozenset({"unit"})

    def __init__(self, cache_folder_path: str | None = None, fits: int | None = None) -> None:
        super().__init__(cache_folder_path)
        self.model_name = "lengths"
        self.fits = fits
        self.batches: list[list[str]] = []

    def _answer_texts(self, texts: list[str], truncate: bool, parameters: dict[str, Any]) -> list[Any]:
        self.batches.append(texts)
        if self.fits is not None and len(texts) * max(map(len, texts)) > self.fits:
            raise MemoryError
        return [{"length": len(text), "unit": parameters.get("unit", "letter")} for text in texts]

    def count_tokens(self, value: str) -> int:
        return len(value)

    @property
    def model_max_length(self) -> int:
        return 50


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    opened = Ledger.open(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()


def scope(ledger: Any) -> _context.StepScope:
    return _context.StepScope(name="Measure", fingerprint="f", ledger=ledger)


ROWS = ["a" * (place * 7 % 13 + 1) + str(place) for place in range(25)]


def lengths(results: Any) -> list[int]:
    return [result["length"] for result in results]


def test_results_come_in_order_and_batches_hold_texts_of_similar_length() -> None:
    model = Lengths()
    assert lengths(model.run(ROWS, batch_size=5)) == [len(row) for row in ROWS]
    asked = [len(text) for batch in model.batches for text in batch]
    assert asked == sorted(asked, reverse=True)
    assert [len(batch) for batch in model.batches] == [5, 5, 5, 5, 5]


def test_a_negative_buffer_keeps_the_order() -> None:
    model = Lengths()
    model.run(ROWS, batch_size=5, batch_scheduler_buffer_size=-1)
    assert [text for batch in model.batches for text in batch] == ROWS


def test_texts_are_taken_as_they_are_needed() -> None:
    taken: list[str] = []

    def source() -> Any:
        for row in ROWS:
            taken.append(row)
            yield row

    results = Lengths().run(source(), batch_size=2, batch_scheduler_buffer_size=4, return_generator=True)
    assert not isinstance(results, list)
    assert taken == []
    assert next(results)["length"] == len(ROWS[0])
    assert len(taken) == 4


def test_a_result_is_remembered_whatever_the_batch(ledger: Any) -> None:
    first = scope(ledger)
    with _context.running(first):
        before = Lengths().run(ROWS, batch_size=5)
    assert (first.stats.calls, first.stats.hits) == (25, 0)
    second, model = scope(ledger), Lengths()
    with _context.running(second):
        assert model.run([*ROWS, "new"], batch_size=3)[:-1] == before
    assert model.batches == [["new"]]
    assert (second.stats.calls, second.stats.hits) == (1, 25)
    assert second.models["Lengths (lengths)"]["served"] == {"lengths": 26}


def test_equal_texts_are_answered_once() -> None:
    model = Lengths()
    assert lengths(model.run(["same"] * 9)) == [4] * 9
    assert model.batches == [["same"]]


def test_parameters_and_truncation_count(ledger: Any) -> None:
    model = Lengths()
    with _context.running(scope(ledger)):
        model.run(["a"])
        assert model.run(["a"], unit="byte")[0]["unit"] == "byte"
        model.run(["a"], truncate=True)
    assert len(model.batches) == 3


def test_force_asks_again_and_cache_only_never(ledger: Any) -> None:
    model = Lengths()
    with _context.running(scope(ledger)):
        model.run(["a"])
        model.run(["a"], force=True)
        assert len(model.batches) == 2
        assert lengths(model.run(["a"], cache_only=True)) == [1]
        with pytest.raises(ModelError, match="no remembered result for text 1"):
            model.run(["a", "b"], cache_only=True)


def test_a_crash_keeps_the_batches_that_were_answered(ledger: Any) -> None:
    class Crashing(Lengths):
        @property
        def version(self) -> float:
            return 1.0

        def spec(self) -> dict[str, Any]:
            return Lengths().spec()

        def _answer_texts(self, texts: list[str], truncate: bool, parameters: dict[str, Any]) -> list[Any]:
            if len(self.batches) == 2:
                raise OSError("the cable was pulled")
            return super()._answer_texts(texts, truncate, parameters)

    with _context.running(scope(ledger)), pytest.raises(OSError, match="cable"):
        Crashing().run(ROWS, batch_size=5)
    model = Lengths()
    with _context.running(scope(ledger)):
        model.run(ROWS, batch_size=5)
    assert sum(map(len, model.batches)) == 15


def test_a_folder_shares_results_without_a_session(tmp_path: Path) -> None:
    Lengths(cache_folder_path=str(tmp_path / "shared")).run(ROWS)
    again = Lengths(cache_folder_path=str(tmp_path / "shared"))
    assert lengths(again.run(ROWS)) == [len(row) for row in ROWS]
    assert again.batches == []


def test_batches_shrink_when_memory_runs_out() -> None:
    model = Lengths(fits=40)
    assert lengths(model.run(ROWS, batch_size=8)) == [len(row) for row in ROWS]
    with pytest.raises(PermanentModelError, match="does not fit the memory"):
        Lengths(fits=1).run(["long text"])
    with pytest.raises(PermanentModelError, match="smaller batch_size"):
        Lengths(fits=40).run(ROWS, batch_size=8, adaptive_batch_size=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"batch_sise": 3}, "Did you mean 'batch_size'"), ({"batch_size": 0}, "batch_size is 0")],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        Lengths().run(["a"], **arguments)


def test_texts_that_are_no_texts_are_named() -> None:
    with pytest.raises(InvalidTypeError, match="one str"):
        Lengths().run("abc")
    with pytest.raises(InvalidTypeError, match="Text 1 is int, not str"):
        Lengths().run(["a", 5])  # type: ignore[list-item]


def test_importing_the_room_loads_the_standard_library_only() -> None:
    import subprocess
    import sys

    script = "import sys, datadreamer.task_models; print({'numpy', 'msgspec', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# --- several copies ----------------------------------------


def test_copies_share_the_work_and_results_stay_in_order(ledger: Any) -> None:
    both = threading.Barrier(2, timeout=10)

    class Meeting(Lengths):
        def spec(self) -> dict[str, Any]:
            return Lengths().spec()

        def _answer_texts(self, texts: list[str], truncate: bool, parameters: dict[str, Any]) -> list[Any]:
            if not self.batches:
                both.wait()  # neither goes on before both have work
            return super()._answer_texts(texts, truncate, parameters)

    models = Meeting(), Meeting()
    rows = [f"text {place}" for place in range(95)]
    running = scope(ledger)
    with _context.running(running):
        results = ParallelTaskModel(*models).run(rows, batch_size=2)
    assert lengths(results) == [len(row) for row in rows]
    assert all(model.batches for model in models)
    assert running.stats.calls == 95


def test_copies_must_be_copies() -> None:
    class Other(Lengths):
        pass

    with pytest.raises(InvalidArgumentError, match="these differ"):
        ParallelTaskModel(Lengths(), Other())
    with pytest.raises(InvalidArgumentError, match="at least one"):
        ParallelTaskModel()


def test_a_copy_that_breaks_is_set_aside_and_its_texts_go_to_the_others() -> None:
    class Broken(Lengths):
        def spec(self) -> dict[str, Any]:
            return Lengths().spec()

        def _answer_texts(self, texts: list[str], truncate: bool, parameters: dict[str, Any]) -> list[Any]:
            raise RuntimeError("CUDA error: device-side assert triggered")

    rows = [f"text {place}" for place in range(95)]
    results = ParallelTaskModel(Broken(), Lengths()).run(rows, batch_size=1)
    assert lengths(results) == [len(row) for row in rows]
    with pytest.raises(RuntimeError, match="device-side assert"):
        ParallelTaskModel(Broken(), Broken()).run(rows)
