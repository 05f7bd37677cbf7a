"""Rows of similar length together, in batches as large as the memory allows.

Longest rows come first: running out of memory then shows at once, and batches can only get lighter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class OutOfMemoryError(Exception):
    """Not even one row fits; the cause is the device's own error."""


@dataclass(slots=True)
class BatchSize:
    """How many rows to try at once: halved when memory runs out, grown by a quarter after a run of successes.

    A size that failed is not tried again until `patience` times as many batches have passed as for a first growth,
    because memory is usually still short.
    """

    largest: int
    adaptive: bool = True
    patience: int = 8
    current: int = 0
    _successes: int = 0
    _failed: int | None = None  # the smallest size that ran out of memory lately

    def __post_init__(self) -> None:
        self.largest = max(1, self.largest)
        self.current = self.largest

    def allow(self, rows: int) -> None:
        """Let batches grow to `rows`; at once, if memory was never short."""
        if rows > self.largest:
            if self.current == self.largest and self._failed is None:
                self.current = rows
            self.largest = rows

    def succeeded(self) -> None:
        self._successes += 1
        if self.current >= self.largest or self._successes < self.patience:
            return
        wanted = min(self.largest, self.current + max(1, self.current // 4))
        if self._failed is not None and wanted >= self._failed:
            if self._successes < self.patience**2:
                return
            self._failed = None
        self.current, self._successes = wanted, 0

    def ran_out(self, tried: int) -> bool:
        """Shrink after `tried` rows did not fit; False when nothing smaller can be tried."""
        if not self.adaptive or tried <= 1:
            return False
        self._failed = tried
        self.current, self._successes = max(1, tried // 2), 0
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
) -> list[Result | OutOfMemoryError]:
    """`answer` applied to all items in batches of similar weight; results in the order of `items`.

    An item that does not fit even alone gets an `OutOfMemoryError` in its place; the others go on.
    """
    order = sorted(range(len(items)), key=lambda place: -weight(items[place]))
    results: dict[int, Result | OutOfMemoryError] = {}
    done = 0
    while done < len(order):
        places = order[done : done + size.current]
        try:
            found = answer([items[place] for place in places])
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            lost = None if size.ran_out(len(places)) else str(error)
        else:
            results.update(zip(places, found, strict=True))
            done += len(places)
            size.succeeded()
            continue
        free_memory()  # only here: inside the except clause the error's frames still hold the batch's tensors
        if lost is not None:
            failure = OutOfMemoryError(lost)
            results.update((place, failure) for place in places)
            done += len(places)
    return [results[place] for place in range(len(items))]
