"""Batches that shrink when memory runs out, and grow again."""

from __future__ import annotations

import pytest
import torch

from datadreamer.llms.local.batching import BatchSize, OutOfMemoryError, in_batches, is_out_of_memory


class Device:
    """A device with room for `cells` padded tokens, which records the batches it was given."""

    def __init__(self, cells: int) -> None:
        self.cells = cells
        self.tried: list[int] = []

    def answer(self, batch: list[int]) -> list[str]:
        self.tried.append(len(batch))
        if max(batch) * len(batch) > self.cells:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return [f"answer to {item}" for item in batch]


def test_results_come_in_the_order_of_the_items() -> None:
    items = [3, 9, 1, 7, 7, 2]
    results = in_batches(items, float, Device(1000).answer, BatchSize(4))
    assert results == [f"answer to {item}" for item in items]


def test_batches_halve_until_they_fit_and_no_item_is_lost() -> None:
    device = Device(cells=100)
    items = list(range(1, 41))
    results = in_batches(items, float, device.answer, BatchSize(16))
    assert results == [f"answer to {item}" for item in items]
    assert device.tried[:4] == [16, 8, 4, 2]


def test_shorter_items_get_larger_batches_at_once() -> None:
    device = Device(cells=100)
    in_batches([40] * 4 + [5] * 32, float, device.answer, BatchSize(16))
    assert device.tried == [16, 8, 4, 2, 2, 16, 16]


def test_batches_grow_back_by_and_by() -> None:
    device = Device(cells=130)
    size = BatchSize(16)
    in_batches([10] * 16, float, device.answer, size)
    assert device.tried == [16, 8, 8]
    in_batches([10] * 300, float, device.answer, size)
    assert device.tried.count(16) == 1
    assert 12 in device.tried


def test_an_amount_that_failed_is_not_tried_again_soon() -> None:
    device = Device(cells=90)
    size = BatchSize(16)
    in_batches([10] * 200, float, device.answer, size)
    assert sum(rows > 9 for rows in device.tried) <= 3


def test_one_item_that_never_fits_does_not_stop_the_others() -> None:
    results = in_batches([500, 5, 6], float, Device(100).answer, BatchSize(4))
    assert isinstance(results[0], OutOfMemoryError)
    assert results[1:] == ["answer to 5", "answer to 6"]


def test_without_adapting_the_batch_fails_as_a_whole() -> None:
    results = in_batches([60, 50, 5, 5], float, Device(100).answer, BatchSize(2, adaptive=False))
    assert [isinstance(result, OutOfMemoryError) for result in results] == [True, True, False, False]


def test_other_errors_are_not_taken_for_a_full_memory() -> None:
    def broken(batch: list[int]) -> list[str]:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        in_batches([1, 2], float, broken, BatchSize(2))


def test_the_ways_devices_say_it() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"))
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(ValueError("out of memory"))


def test_the_cpu_says_it_for_real() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_the_order_is_kept_when_asked() -> None:
    seen: list[int] = []

    def answer(batch: list[int]) -> list[int]:
        seen.extend(batch)
        return batch

    assert in_batches([1, 5, 3], float, answer, BatchSize(2), sort=False) == seen == [1, 5, 3]
