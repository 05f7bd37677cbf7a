"""Rows of similar length together, in batches as large as the memory allows.

Longest rows come first: running out of memory then shows at once, and batches can only get lighter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class OutOfMemoryError(Exception):
    """A batch of `rows` rows does not fit, and no smaller one may be tried; the message is the device's own."""

    def __init__(self, message: str, rows: int = 1) -> None:
        super().__init__(message)
        self.rows = rows


_adaptive: ContextVar[bool] = ContextVar("datadreamer_adaptive_batches", default=True)


@contextmanager
def adaptive_batches(on: bool) -> Iterator[None]:
    """Whether models of this process make their batches smaller when memory runs out, for the body of a `with`."""
    token = _adaptive.set(on)
    try:
        yield
    finally:
        _adaptive.reset(token)


def may_adapt() -> bool:
    """What `adaptive_batches` says here."""
    return _adaptive.get()


@dataclass(slots=True)
class BatchSize:
    """How many rows to try at once: what is learnt is how much fits, counted as rows times the weight of the heaviest.

    Running out of memory halves what is taken to fit; each run of `patience` batches without trouble adds a quarter,
    so shorter rows get larger batches at once. An amount that failed is tried again only after `patience` times as
    many batches, because the memory is usually still as small.
    """

    largest: int  # rows
    adaptive: bool = True
    patience: int = 8
    _fits: float | None = None  # None: memory was never short
    _failed: float | None = None
    _successes: int = 0

    def rows(self, heaviest: float) -> int:
        """Rows for the next batch, of which the heaviest weighs `heaviest`."""
        if self._fits is None or heaviest <= 0:
            return max(1, self.largest)
        return max(1, min(self.largest, int(self._fits / heaviest)))

    def succeeded(self) -> None:
        """A batch was answered."""
        if self._fits is None:
            return
        self._successes += 1
        wanted = self._fits * 1.25
        again = self._failed is not None and wanted >= self._failed
        if self._successes >= (self.patience**2 if again else self.patience):
            self._fits, self._successes = wanted, 0
            self._failed = None if again else self._failed

    def ran_out(self, rows: int, heaviest: float) -> bool:
        """Learn that `rows` rows did not fit; False when nothing smaller can be tried."""
        if not self.adaptive or rows <= 1:
            return False
        self._failed, self._successes = rows * heaviest, 0
        self._fits = (rows // 2) * heaviest
        return True


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is a device saying that its memory is full (CUDA, MPS and the CPU each say it differently)."""
    if isinstance(error, MemoryError) or type(error).__name__ in ("OutOfMemoryError", "AcceleratorError"):
        return "memory" in str(error).lower() or not str(error)
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)


def free_memory() -> None:
    """Give back what the failed batch still holds, on whichever accelerator there is."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


def in_batches(
    items: Sequence[Item],
    weight: Callable[[Item], float],
    answer: Callable[[Sequence[Item]], Sequence[Result]],
    size: BatchSize,
    sort: bool = True,
) -> list[Result | OutOfMemoryError]:
    """`answer` applied to all items in batches; results in the order of `items`.

    An item that does not fit even alone gets an `OutOfMemoryError` in its place; the others go on.

    Args:
        items: what to answer.
        weight: of an item: about proportional to the memory it takes.
        answer: one result per item of a batch.
        size: learns how much fits.
        sort: put items of similar weight together, the heaviest first.
    """
    weights = [weight(item) for item in items]
    order = sorted(range(len(items)), key=lambda place: -weights[place]) if sort else list(range(len(items)))
    results: dict[int, Result | OutOfMemoryError] = {}
    done = 0
    while done < len(order):
        heaviest = max(weights[place] for place in order[done : done + size.largest])
        places = order[done : done + size.rows(heaviest)]
        try:
            found = answer([items[place] for place in places])
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            lost = None if size.ran_out(len(places), heaviest) else str(error)
        else:
            results.update(zip(places, found, strict=True))
            done += len(places)
            size.succeeded()
            continue
        free_memory()  # only here: inside the except clause the error's frames still hold the batch's tensors
        if lost is not None:
            results.update((place, OutOfMemoryError(lost, len(places))) for place in places)
            done += len(places)
    return [results[place] for place in range(len(items))]
